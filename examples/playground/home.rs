//! A throw-away home: configuration, the names keyfob is called by, and commands that see nothing else.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::api_server::ApiServer;
use crate::git_server::GitServer;
use crate::provider::{CLIENT_ID, Provider};
use crate::registry::Registry;

/// The names by which people and clients run it.
pub fn names() -> Vec<&'static str> {
    let mut names = keyfob::links();
    names.push("keyfob");
    names
}

/// A little image: no layers, and no engine to make it.
const IMAGE: &str = "oci:image:latest";

/// A Kubernetes API server and a registry that take the provider's tokens.
pub struct Others {
    pub cluster: ApiServer,
    pub registry: Registry,
}

impl Others {
    /// What kubectl and skopeo need to be played with and is not on the PATH.
    pub fn missing() -> Vec<&'static str> {
        let mut tools = vec!["kubectl", "skopeo", "docker-registry", "umoci"];
        tools.retain(|tool| !runs(tool));
        tools
    }

    pub fn start(provider: &Provider, folder: &Path) -> Self {
        Self { cluster: ApiServer::start(provider), registry: Registry::start(provider, "oauth2", folder) }
    }
}

/// Whether there is such a program.
pub fn runs(program: &str) -> bool {
    Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

pub struct Home {
    root: tempfile::TempDir,
}

impl Home {
    /// Set up as the pages in `integrations/` say, with their snippets.
    pub fn new(provider: &Provider, git: &GitServer, others: Option<&Others>) -> Self {
        let home = Self { root: tempfile::tempdir().unwrap() };
        for name in names() {
            let link = home.root.path().join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            fs::copy(std::env::current_exe().unwrap(), link).unwrap();
        }
        let mut hosts = format!("\"{}\"", git.url());
        let mut clusters = String::new();
        home.write(
            ".gitconfig",
            &include_str!("../../integrations/git/gitconfig").replace("https://git.acme.dev", &git.url()),
        );
        if let Some(Others { cluster, registry }) = others {
            hosts.push_str(&format!(", \"{}\"", registry.host()));
            clusters = format!("clusters = [\"{}\"]\n", cluster.url());
            let certificate = cluster.certificate_authority_data();
            let server = format!("server: {}\n    certificate-authority-data: {certificate}", cluster.url());
            let kubeconfig = include_str!("../../integrations/kubectl/kubeconfig");
            home.write(".kube/config", &kubeconfig.replace("server: https://k8s.acme.dev:6443", &server));
            let registries = include_str!("../../integrations/docker/registries.conf");
            home.write(".config/containers/registries.conf", registries);
            for args in [["init", "--layout", "image"], ["new", "--image", "image:latest"]] {
                assert!(home.command("umoci", &args).status().unwrap().success(), "umoci {args:?}");
            }
        }
        home.write(
            "config.toml",
            &format!(
                "[profile.acme]\nprovider = \"workos\"\nclient_id = \"{CLIENT_ID}\"\nbase_url = \"{}\"\n\
                 hosts = [{hosts}]\n{clusters}",
                provider.url()
            ),
        );
        home
    }

    /// A command as the person would give it.
    pub fn command(&self, program: &str, args: &[&str]) -> Command {
        let root = self.root.path();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let bin = std::iter::once(root.join("bin"));
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(root)
            .env("PATH", std::env::join_paths(bin.chain(std::env::split_paths(&path))).unwrap())
            .env("HOME", root)
            .env("XDG_RUNTIME_DIR", root)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", root.join(".gitconfig"))
            .env("KEYFOB_CONFIG", root.join("config.toml"))
            .env("KEYFOB_STATE_DIR", root.join("state"))
            .env("KEYFOB_INTERACTIVE", "always");
        for theirs in ["KUBECONFIG", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"] {
            command.env_remove(theirs);
        }
        command
    }

    /// The same in another window: what it says is not seen here.
    pub fn elsewhere(&self, program: &str, args: &[&str]) -> Command {
        let mut command = if runs("setsid") {
            self.command("setsid", &[&["--wait", program], args].concat())
        } else {
            self.command(program, args)
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// `skopeo copy` of the little image to a registry.
    pub fn copy_image(&self, registry: &Registry) -> Command {
        let to = format!("docker://{}/team/hello:latest", registry.host());
        self.elsewhere("skopeo", &["--insecure-policy", "copy", "--dest-tls-verify=false", IMAGE, &to])
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}
