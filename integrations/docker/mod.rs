//! docker and skopeo as the clients.

mod passwords;
mod sessions;
mod set_up;

use std::process::Command;

use crate::has;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::registry::Registry;
use crate::support::sandbox::{Sandbox, Transcript, run, workos};

/// A registry whose token server takes a provider's tokens, and a home with this folder's snippets as the configuration
/// of docker and skopeo.
pub struct World {
    pub provider: Provider,
    pub registry: Registry,
    pub sandbox: Sandbox,
    _files: tempfile::TempDir,
}

impl World {
    /// `None` where a tool is missing.
    fn new(manners: Manners) -> Option<Self> {
        let tools = [("skopeo", (1, 9)), ("docker-registry", (2, 8)), ("umoci", (0, 4)), ("docker", (20, 10))];
        // Each of them, so that all that is missing is said.
        if tools.map(|(tool, version)| has(tool, version)).contains(&false) {
            return None;
        }
        let provider = Provider::with(manners);
        let files = tempfile::tempdir().unwrap();
        let registry = Registry::start(&provider, "oauth2", files.path());
        let sandbox = Sandbox::new();
        sandbox.configure(&workos(&provider, "acme", &format!("hosts = [\"{}\"]", registry.host())));
        for (path, text) in [(".docker/config.json", config(&registry)), (REGISTRIES_CONF, registries_conf())] {
            let path = sandbox.home().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let world = Self { provider, registry, sandbox, _files: files };
        std::fs::create_dir(world.sandbox.home().join("run")).unwrap();
        make_image(&world.sandbox);
        Some(world)
    }

    /// One where approvals come by themselves.
    fn approving() -> Option<Self> {
        Self::new(Manners { approves_by_itself: true, ..Manners::default() })
    }

    /// One without a profile, where keyfob keeps the passwords of both clients.
    fn with_passwords() -> Option<Self> {
        let world = Self::new(Manners::default())?;
        world.sandbox.configure("");
        std::fs::write(world.sandbox.home().join(".docker/config.json"), "{\"credsStore\":\"keyfob\"}").unwrap();
        Some(world)
    }

    /// `HOST/team/NAME:latest`.
    fn image(&self, name: &str) -> String {
        format!("{}/team/{name}:latest", self.registry.host())
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = self.sandbox.command(program);
        command.args(args).env("KEYFOB_INTERACTIVE", "always");
        // Where auth.json is; without it, a folder of the machine's for root.
        command.env("XDG_RUNTIME_DIR", self.sandbox.home().join("run"));
        command
    }

    fn skopeo(&self, args: &[&str]) -> Command {
        self.command("skopeo", &[&["--insecure-policy"], args].concat())
    }

    /// `skopeo copy` of the little image to the registry, in the one format that docker 20.10 can inspect.
    fn push(&self, name: &str) -> Command {
        self.skopeo(&[
            "copy",
            "--quiet",
            "--format=v2s2",
            "--dest-tls-verify=false",
            IMAGE,
            &format!("docker://{}", self.image(name)),
        ])
    }

    /// `skopeo copy` from the registry.
    fn pull(&self, name: &str) -> Command {
        let to = format!("oci:pulled-{name}:latest");
        self.skopeo(&["copy", "--quiet", "--src-tls-verify=false", &format!("docker://{}", self.image(name)), &to])
    }

    fn inspect(&self, name: &str) -> Command {
        self.command("docker", &["manifest", "inspect", "--insecure", &self.image(name)])
    }

    fn docker(&self, args: &[&str], stdin: &str) -> Transcript {
        run(self.command("docker", args), stdin)
    }

    /// What `docker-credential-keyfob list` says.
    fn list(&self) -> serde_json::Value {
        let done = run(self.command("docker-credential-keyfob", &["list"]), "unused");
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{done:?}");
        serde_json::from_str(&done.stdout).unwrap()
    }

    /// Device authorizations and refreshes so far.
    fn asked(&self) -> (usize, usize) {
        (self.provider.count(Endpoint::Start), self.provider.count(Endpoint::Refresh))
    }
}

/// Where skopeo, podman and buildah look, below the home.
pub const REGISTRIES_CONF: &str = ".config/containers/registries.conf";

/// The little image, below the home.
pub const IMAGE: &str = "oci:image:latest";

/// This folder's configuration of docker, for a registry of ours.
pub fn config(registry: &Registry) -> String {
    let snippet = include_str!("config.json");
    assert!(snippet.contains("\"registry.acme.dev\""));
    snippet.replace("registry.acme.dev", &registry.host())
}

/// This folder's configuration of skopeo.
pub fn registries_conf() -> String {
    include_str!("registries.conf").to_owned()
}

/// Makes the little image: no layers, and no engine to make it.
pub fn make_image(sandbox: &Sandbox) {
    for args in [["init", "--layout", "image"], ["new", "--image", "image:latest"]] {
        let mut command = sandbox.command("umoci");
        command.args(args);
        let done = run(command, "");
        assert_eq!(done.code, Some(0), "{done:?}");
    }
}

/// Wants silence and success; gives what was printed.
fn quietly(command: Command) -> String {
    let what = format!("{command:?}");
    let done = run(command, "");
    assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{what}: {done:?}");
    done.stdout
}
