//! Clients that are no kubectl, each with its own way to ask again.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::World;
use crate::support::sandbox::run;

/// The Python that has the clients; says why it is left out. Where no package index can be reached `.ci/python` has none to bring, in
/// CI too.
fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let output = Command::new(&python).args(["-c", "import kubernetes, kr8s"]).output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: needs Kubernetes' clients for Python; run: .ci/python");
    None
}

/// A program that does its work once for each line it is sent.
struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    fn begin(world: &World, python: &Path, setup: &str, each: &str) -> Self {
        let script = format!("import sys\n{setup}\nfor line in sys.stdin:\n    print({each}, flush=True)\n");
        let mut command = world.sandbox.command(python);
        command.args(["-c", &script]).arg(world.sandbox.home().join(".kube/config"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    /// What it prints for one more line.
    fn once(&mut self) -> String {
        self.stdin.write_all(b"\n").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn end(mut self) {
        drop(self.stdin);
        assert!(self.child.wait().unwrap().success());
    }
}

/// It asks for each request while a token has less than five minutes left, which one of AuthKit's always has: not one of these is a
/// refusal.
#[test]
fn python_asks_for_each_request_and_nothing_is_renewed() {
    let Some(world) = World::approving() else { return };
    let Some(python) = python() else { return };
    world.sign_in();
    let setup = "from kubernetes import client, config\nconfig.load_kube_config(config_file=sys.argv[1])\napi = client.CoreV1Api()";
    let mut session =
        Session::begin(&world, &python, setup, "api.list_namespaced_pod('default').items[0].metadata.name");
    for _ in 0..20 {
        assert_eq!(session.once(), "hello");
    }
    session.end();
    assert_eq!(world.asked(), (1, 0));
}

/// It asks again after a 401, and for each new connection; and sets no variable.
#[test]
fn kr8s_heals_and_what_it_does_out_of_habit_costs_nothing() {
    let Some(world) = World::approving() else { return };
    let Some(python) = python() else { return };
    let file = std::fs::read_to_string(world.sandbox.config()).unwrap();
    world.sandbox.configure(&format!("{file}\nbind_clusters = false\n"));
    world.sign_in();
    let setup = "import kr8s\napi = kr8s.api(kubeconfig=sys.argv[1])";
    let mut session = Session::begin(&world, &python, setup, "api.version()['gitVersion']");
    assert_eq!(session.once(), "v1.32.0");
    world.server.refuse_last();
    assert_eq!((session.once().as_str(), world.asked()), ("v1.32.0", (1, 1)), "healed where it was refused");
    session.end();
    let setup = "import kr8s\nfrom kr8s import Api\napi = kr8s.api(kubeconfig=sys.argv[1])";
    let mut session = Session::begin(&world, &python, setup, "api.reauthenticate() or api.version()['gitVersion']");
    for _ in 0..10 {
        assert_eq!(session.once(), "v1.32.0");
    }
    session.end();
    assert_eq!(world.asked(), (1, 1), "one doubt a minute is followed");
}

/// kubectl asks twice for a manifest on its standard input. What that costs does not keep a real refusal from being heard.
#[test]
fn a_manifest_on_stdin_hides_no_refusal() {
    let Some(world) = World::approving() else { return };
    world.sign_in();
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\n";
    for _ in 0..3 {
        let done = run(world.kubectl(&["apply", "--validate=false", "-f", "-"]), manifest);
        assert_eq!((done.stdout.as_str(), done.code), ("configmap/settings created\n", Some(0)), "{done:?}");
        assert_eq!(world.asked(), (1, 1), "one doubt a minute is followed");
    }
    world.server.refuse_last();
    let done = world.run(&["get", "pods"]);
    assert!(done.code == Some(0) && done.stdout.contains("\nhello "), "{done:?}");
    assert_eq!(world.asked(), (1, 2));
}

/// A client that does not say which version it reads compares the answer's with the kubeconfig's (Java's, lightkube).
#[test]
fn the_older_version_for_clients_that_say_none() {
    let Some(world) = World::approving() else { return };
    world.sign_in();
    let setup = ["setup", "kubectl", "--user", "acme", "--api-version", "v1beta1"];
    let done = world.sandbox.run(&setup, "");
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    assert!(done.stdout.contains("--exec-arg=kubectl --exec-arg=--api-version --exec-arg=v1beta1"), "{}", done.stdout);
    let file = std::fs::read_to_string(world.sandbox.config()).unwrap();
    world.sandbox.configure(&format!("{file}\nbind_clusters = false\n"));
    for (args, version) in [(&["--api-version", "v1beta1"][..], "v1beta1"), (&[], "v1")] {
        let answer = world.sandbox.run(&[&["kubectl", "--profile", "acme"], args].concat(), "");
        let said: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(said["apiVersion"], format!("client.authentication.k8s.io/{version}"), "{answer:?}");
    }
    let wrong = world.sandbox.run(&["kubectl", "--profile", "acme", "--api-version", "v2"], "");
    assert_eq!(
        (wrong.code, wrong.stderr.as_str()),
        (
            Some(1),
            "keyfob: there is no version \"v2\" of the protocol\nkeyfob: hint: write --api-version v1 or v1beta1\n"
        )
    );
    // kubectl says what it reads.
    world.quietly(&["get", "pods"]);
    assert_eq!(world.asked().0, 1);
}
