//! Set-ups that are broken in the ways in which they break: each is named by `keyfob doctor`, and well again when its words are followed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::has;
use crate::kubectl::OLDEST;
use crate::support::api_server::ApiServer;
use crate::support::git_server::GitServer;
use crate::support::http::Reply;
use crate::support::provider::{CLIENT_ID, Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, keyfob, run, workos};

/// A home where git, docker and kubectl were set up by keyfob, and somebody is signed in.
struct World {
    provider: Provider,
    git: GitServer,
    cluster: ApiServer,
    sandbox: Sandbox,
    /// What the environment has beside.
    environment: Vec<(&'static str, String)>,
    _repositories: tempfile::TempDir,
}

const REGISTRY: &str = "registry.acme.dev";

impl World {
    fn new() -> Self {
        let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
        let repositories = tempfile::tempdir().unwrap();
        let git = GitServer::start(&provider, repositories.path());
        let cluster = ApiServer::start(&provider);
        let sandbox = Sandbox::new();
        let (environment, _repositories) = (Vec::new(), repositories);
        let world = Self { provider, git, cluster, sandbox, environment, _repositories };
        world.configure(&world.git.url(), &world.cluster.url());
        let certificate = world.file("cluster.crt");
        fs::write(&certificate, world.cluster.certificate()).unwrap();
        let server = format!("--server={}", world.cluster.url());
        let authority = format!("--certificate-authority={}", certificate.display());
        world.kubectl(&["set-cluster", "c", &server, "--embed-certs", &authority]);
        world.kubectl(&["set-context", "c", "--cluster=c", "--user=ann"]);
        world.kubectl(&["use-context", "c"]);
        for setup in [&["git"][..], &["docker", REGISTRY], &["kubectl", "--user", "ann"]] {
            let done = world.run(&[&["setup"], setup].concat());
            assert_eq!(done.code, Some(0), "{setup:?}: {done:?}");
        }
        let done = world.run(&["login", "acme"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        world
    }

    fn configure(&self, git: &str, cluster: &str) {
        let places = format!("hosts = [\"{git}\", \"{REGISTRY}\"]\nclusters = [\"{cluster}\"]\n");
        self.sandbox.configure(&workos(&self.provider, "acme", &places));
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = self.sandbox.command(program);
        command.args(args).env("KEYFOB_INTERACTIVE", "always");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, args: &[&str]) -> Transcript {
        run(self.command("keyfob", args), "")
    }

    fn git(&self, args: &[&str]) {
        let done = run(self.command("git", &[&["config", "--global"], args].concat()), "");
        assert_eq!(done.code, Some(0), "{args:?}: {done:?}");
    }

    fn kubectl(&self, args: &[&str]) {
        let done = run(self.command("kubectl", &[&["--context=none", "config"], args].concat()), "");
        assert_eq!(done.code, Some(0), "{args:?}: {done:?}");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.sandbox.home().join(name)
    }

    fn bin(&self) -> PathBuf {
        self.sandbox.home().parent().unwrap().join("bin")
    }

    /// The helper that git was given for the git server.
    fn helper(&self) -> String {
        format!("credential.{}.helper", self.git.url())
    }

    /// Changes a file's text.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let path = self.file(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// Changes the user's entry in the kubeconfig.
    fn edit_exec(&self, change: impl FnOnce(&mut Value)) {
        let view = run(self.command("kubectl", &["--context=none", "config", "view", "--raw", "-o", "json"]), "");
        let mut config: Value = serde_json::from_str(&view.stdout).unwrap();
        change(&mut config["users"][0]["user"]["exec"]);
        // JSON is YAML.
        fs::write(self.file(".kube/config"), config.to_string()).unwrap();
    }

    fn mode(&self, path: PathBuf, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// How it is mended.
enum Mend {
    /// By running what stands behind `run: `, as it stands there.
    Run,
    /// By what the words say to edit.
    Edit(&'static str, fn(&mut World)),
}

/// What is broken, what the doctor says of it, and how that is mended.
struct Case {
    broken: fn(&mut World),
    what: &'static str,
    mend: Mend,
}

const CASES: &[Case] = &[
    Case {
        broken: |world| {
            let helper = world.helper();
            world.git(&["--unset-all", &helper]);
            world.git(&["--add", &helper, ""]);
            world.git(&["--add", &helper, "keyfob"]);
            fs::remove_file(world.bin().join("git-credential-keyfob")).unwrap();
        },
        what: "git-credential-keyfob is not on PATH",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.git(&["--replace-all", &world.helper(), "/nowhere/keyfob git", "keyfob"]),
        what: "/nowhere/keyfob",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.git(&["--add", "credential.helper", "store"]),
        what: "git hands store every token that works",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.git(&["--replace-all", &world.helper(), "keyfob --profile nobody", "keyfob"]),
        what: "no profile is called \"nobody\"",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.git(&["--remove-section", &format!("credential.{}", world.git.url())]),
        what: "neither git nor docker asks keyfob for",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.git(&["--add", "credential.https://gone.acme.dev.helper", "keyfob"]),
        what: "git asks keyfob for gone.acme.dev",
        mend: Mend::Run,
    },
    Case {
        broken: |world| {
            let url = world.git.url();
            world.configure(&format!("{url}/team"), &world.cluster.url());
            world.git(&["--add", &world.helper(), ""]);
            let helper = format!("{} git", world.bin().join("keyfob").display());
            world.git(&["--add", &world.helper(), &helper]);
        },
        what: "git does not tell the path",
        mend: Mend::Run,
    },
    Case {
        broken: |world| {
            let host = "127.0.0.1";
            fs::write(world.file(".netrc"), format!("machine {host} login ann password s3cret\n")).unwrap();
        },
        what: ".netrc has a login for 127.0.0.1, which git sends before it asks keyfob",
        mend: Mend::Edit("take the machine 127.0.0.1 out of ", |world| {
            fs::remove_file(world.file(".netrc")).unwrap();
        }),
    },
    Case {
        broken: |world| world.git(&[&format!("http.{}.extraHeader", world.git.url()), "Authorization: Basic czNjcmV0"]),
        what: "a header of its configuration (http.extraHeader), and does not ask keyfob",
        mend: Mend::Edit("and take it out of the file that it names", |world| {
            world.git(&["--unset", &format!("http.{}.extraHeader", world.git.url())]);
        }),
    },
    Case {
        broken: |world| {
            let file = fs::read_to_string(world.sandbox.config()).unwrap();
            world.sandbox.configure(&file.replace("hosts", "auth = \"bearer\"\nhosts"));
            world.git.take_alone("basic");
        },
        what: "takes tokens as a password alone (Basic), and gets them as Bearer",
        mend: Mend::Edit("take auth = \"bearer\" for that host out of [profile.acme]", |world| {
            let file = fs::read_to_string(world.sandbox.config()).unwrap();
            world.sandbox.configure(&file.replace("auth = \"bearer\"\n", ""));
        }),
    },
    Case {
        broken: |world| world.edit_exec(|exec| exec["apiVersion"] = json!("client.authentication.k8s.io/v1beta1")),
        what: "speaks v1beta1, which was for kubectl before 1.22",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.edit_exec(|exec| exec["interactiveMode"] = json!("Always")),
        what: "has interactiveMode Always, and is not run without a terminal",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.edit_exec(|exec| exec["command"] = json!("/nowhere/keyfob")),
        what: "runs /nowhere/keyfob, which is no program that can be run",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.edit_exec(|exec| exec["args"] = json!(["kubectl", "--profile", "nobody"])),
        what: "user ann of the kubeconfig: no profile is called \"nobody\"",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.edit_exec(|exec| exec["provideClusterInfo"] = json!(false)),
        what: "does not tell its server (provideClusterInfo)",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.kubectl(&["set-credentials", "ann", "--token=s3cret"]),
        what: "has token as well, which kubectl sends before it asks keyfob",
        mend: Mend::Run,
    },
    Case {
        broken: |world| {
            world.kubectl(&["unset", "clusters.c.certificate-authority-data"]);
            world.kubectl(&["set-cluster", "c", "--insecure-skip-tls-verify=true"]);
        },
        what: "(insecure-skip-tls-verify)",
        mend: Mend::Edit("put certificate-authority-data of the cluster in its place", |world| {
            world.kubectl(&["set-cluster", "c", "--insecure-skip-tls-verify=false"]);
            let authority = format!("--certificate-authority={}", world.file("cluster.crt").display());
            world.kubectl(&["set-cluster", "c", "--embed-certs", &authority]);
        }),
    },
    Case {
        broken: |world| {
            let config = world.sandbox.config();
            let url = world.cluster.url();
            let file = fs::read_to_string(config).unwrap();
            world
                .sandbox
                .configure(&file.replace(&format!("clusters = [\"{url}\"]"), "clusters = []\naccount = \"ann\""));
        },
        what: "nobody is signed in",
        mend: Mend::Run,
    },
    Case {
        broken: |world| world.kubectl(&["delete-user", "ann"]),
        what: "no user of the kubeconfig runs keyfob for",
        mend: Mend::Edit("run: keyfob setup kubectl --profile acme --user NAME", |world| {
            world.run(&["setup", "kubectl", "--profile", "acme", "--user", "ann"]);
        }),
    },
    Case {
        broken: |world| world.edit(".docker/config.json", REGISTRY, "https://registry.acme.dev"),
        what: "docker looks for \"registry.acme.dev\" in credHelpers",
        mend: Mend::Run,
    },
    Case {
        broken: |world| fs::remove_file(world.bin().join("docker-credential-keyfob")).unwrap(),
        what: "docker-credential-keyfob is not on PATH",
        mend: Mend::Run,
    },
    Case {
        broken: |world| {
            let login = json!({ "auths": { REGISTRY: { "auth": "czNjcmV0OnMzY3JldA==" } } });
            world.environment.push(("DOCKER_AUTH_CONFIG", login.to_string()));
        },
        what: "DOCKER_AUTH_CONFIG has a login for registry.acme.dev",
        mend: Mend::Edit("unset DOCKER_AUTH_CONFIG", |world| world.environment.clear()),
    },
    Case {
        broken: |world| {
            let path = world.file(".docker/config.json");
            let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            config["auths"][REGISTRY] = json!({ "auth": "czNjcmV0OnMzY3JldA==" });
            fs::write(path, config.to_string()).unwrap();
        },
        what: "has a login for registry.acme.dev too, which docker sends where keyfob refuses",
        mend: Mend::Edit("run: docker logout registry.acme.dev", |world| {
            // docker logs out by its helper, which has nothing to forget there.
            let path = world.file(".docker/config.json");
            let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            config["auths"] = json!({});
            fs::write(path, config.to_string()).unwrap();
        }),
    },
    Case {
        broken: |world| world.mode(world.sandbox.config(), 0o666),
        what: "others can write to this file",
        mend: Mend::Run,
    },
    Case { broken: |world| world.mode(world.sandbox.sessions(), 0o755), what: "is open to others", mend: Mend::Run },
    Case {
        broken: |world| {
            world.sandbox.expire();
            let ended = r#"{"error":"invalid_grant","error_description":"Session has already ended."}"#;
            world.provider.instead(Endpoint::Refresh, Reply::json(400, ended));
        },
        what: "the session of acme has ended",
        mend: Mend::Run,
    },
    Case {
        broken: |world| {
            let file = fs::read_to_string(world.sandbox.config()).unwrap();
            world.sandbox.configure(&file.replace(CLIENT_ID, "client_wrong"));
        },
        what: "does not know the client ID client_wrong",
        mend: Mend::Edit("correct client_id of [profile.acme]", |world| {
            let file = fs::read_to_string(world.sandbox.config()).unwrap();
            world.sandbox.configure(&file.replace("client_wrong", CLIENT_ID));
        }),
    },
    Case {
        broken: |world| {
            let file = fs::read_to_string(world.sandbox.config()).unwrap();
            world.sandbox.configure(&file.replace("client_id", "clientid"));
        },
        what: "clientid",
        mend: Mend::Edit("correct or remove it", |world| {
            let file = fs::read_to_string(world.sandbox.config()).unwrap();
            world.sandbox.configure(&file.replace("clientid", "client_id"));
        }),
    },
    Case {
        broken: |world| {
            fs::remove_file(world.bin().join("keyfob")).unwrap();
            symlink("/nowhere/keyfob", world.bin().join("keyfob")).unwrap();
        },
        what: "is no program that can be run",
        mend: Mend::Run,
    },
];

/// What the doctor finds wrong, and its mend.
fn findings(world: &World) -> (bool, Vec<(String, String)>) {
    let mut command = world.command(keyfob().to_str().unwrap(), &["doctor", "--json"]);
    command.env("KEYFOB_INTERACTIVE", "never");
    let done = run(command, "");
    assert!(!done.stdout.contains("s3cret") && !done.stdout.contains("czNjcmV0"), "{done:?}");
    let report: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
    let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] != "ok");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = findings.map(|finding| (text(&finding["what"]), text(&finding["mend"]))).collect();
    (done.code == Some(0), found)
}

#[test]
fn what_the_doctor_names_is_well_when_its_words_are_followed() {
    if ![("git", (2, 26)), ("kubectl", OLDEST)].into_iter().all(|(tool, least)| has(tool, least)) {
        return;
    }
    assert!(CASES.len() >= 20);
    for Case { broken, what, mend } in CASES {
        let mut world = World::new();
        let (is_healthy, found) = findings(&world);
        assert!(is_healthy, "before {what}: {found:?}");
        broken(&mut world);
        let found = findings(&world).1;
        let said: Vec<&String> = found.iter().filter(|(said, _)| said.contains(what)).map(|(_, words)| words).collect();
        assert!(!said.is_empty(), "{what} is not among {found:?}");
        match mend {
            // The same may be wrong in several places, each with words of its own.
            Mend::Run => {
                for words in &said {
                    let (_, line) =
                        words.split_once("run: ").unwrap_or_else(|| panic!("{what}: nothing to run: {words}"));
                    let done = run(world.command("sh", &["-c", line]), "");
                    assert_eq!(done.code, Some(0), "{line}: {done:?}");
                }
            }
            Mend::Edit(says, edit) => {
                assert!(said.iter().any(|words| words.contains(says)), "{what}: {said:?}");
                edit(&mut world);
            }
        }
        let (is_healthy, found) = findings(&world);
        assert!(is_healthy && !found.iter().any(|(said, _)| said.contains(what)), "after {said:?}: {found:?}");
    }
}
