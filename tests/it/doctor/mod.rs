//! `keyfob doctor` against programs that say what they are told to, so that whole transcripts can be compared; the real
//! ones are among the integrations.

// git, docker and kubectl: whom they ask, and what they run.
mod clients;
// The way to the provider, its clock, the client, the session and its tokens.
mod provider;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, run, workos};

const CLUSTER: &str = "https://k8s.acme.dev:6443";

/// A home where git, docker and kubectl ask keyfob, and somebody is signed in.
struct Home {
    provider: Provider,
    sandbox: Sandbox,
}

impl Home {
    fn new() -> Self {
        let home = Self::signed_out();
        home.sign_in();
        home
    }

    fn signed_out() -> Self {
        let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
        let sandbox = Sandbox::new();
        let home = Self { provider, sandbox };
        home.configure("");
        home.program("docker", "echo 'Docker version 28.2.2, build e6534b4'");
        home.program(
            "git",
            "case $1 in version) echo 'git version 2.47.3';; --exec-path) echo /nowhere;; config) cat \"$HOME/git\";; esac",
        );
        home.program(
            "kubectl",
            "case $1 in version) echo '{\"gitVersion\":\"v1.32.4\"}';; config) cat \"$HOME/kube.json\";; esac",
        );
        home.git(&[
            ("credential.https://git.acme.dev.helper", ""),
            ("credential.https://git.acme.dev.helper", &format!("{}/keyfob git", home.bin().display())),
        ]);
        home.docker(&json!({ "credHelpers": { "registry.acme.dev": "keyfob" } }));
        home.kubectl(|_| {});
        home
    }

    fn configure(&self, more: &str) {
        let hosts = format!("hosts = [\"git.acme.dev\", \"registry.acme.dev\"]\nclusters = [\"{CLUSTER}\"]\n{more}");
        self.sandbox.configure(&workos(&self.provider, "acme", &hosts));
    }

    fn sign_in(&self) {
        let done = self.sandbox.run_asking(&["login", "acme"], "");
        assert_eq!(done.code, Some(0), "{done:?}");
    }

    fn bin(&self) -> PathBuf {
        self.sandbox.home().parent().unwrap().join("bin")
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What git says of its configuration, all of it in one file.
    fn git(&self, entries: &[(&str, &str)]) {
        let home = self.sandbox.home();
        let listing =
            entries.iter().map(|(key, value)| format!("global\0file:{}/.gitconfig\0{key}\n{value}\0", home.display()));
        fs::write(home.join("git"), listing.collect::<String>()).unwrap();
    }

    fn docker(&self, config: &Value) {
        let folder = self.sandbox.home().join(".docker");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
    }

    /// What kubectl says of its kubeconfig, with a change to the user's entry.
    fn kubectl(&self, change: impl FnOnce(&mut Value)) {
        let mut exec = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "command": self.bin().join("keyfob"), "args": ["kubectl", "--profile", "acme"],
            "interactiveMode": "Never", "provideClusterInfo": true,
        });
        change(&mut exec);
        let config = json!({
            "contexts": [{ "name": "a", "context": { "cluster": "c", "user": "ann" } }],
            "clusters": [{ "name": "c", "cluster": { "server": CLUSTER } }],
            "users": [{ "name": "ann", "user": { "exec": exec } }, { "name": "bob", "user": { "token": "s3cret" } }],
        });
        fs::write(self.sandbox.home().join("kube.json"), config.to_string()).unwrap();
    }

    /// Runs it, with the places that differ from run to run replaced. Nothing secret is ever in it.
    fn doctor(&self, args: &[&str]) -> Transcript {
        self.doctor_with(args, &[])
    }

    fn doctor_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Transcript {
        let mut command = self.sandbox.keyfob(&[&["doctor"], args].concat());
        command.envs(environment.iter().copied());
        let done = run(command, "");
        let root = self.bin().parent().unwrap().display().to_string();
        for file in self.sandbox.files(".json") {
            let record: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            let tokens = record["tokens"].as_object().into_iter().flatten().map(|(_, token)| &token["access_token"]);
            for secret in tokens.chain([&record["refresh_token"]]).filter_map(Value::as_str) {
                assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{done:?}");
            }
        }
        for secret in ["rt_secret", "dc_secret", "s3cret", "eyJ"] {
            assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{done:?}");
        }
        let stdout = done.stdout.replace(&root, "/R").replace(&self.provider.address.to_string(), "PROVIDER");
        Transcript { stdout, ..done }
    }

    /// The problems it finds and their mends, in their order. It must say so by its exit code, too.
    fn problems(&self, args: &[&str]) -> Vec<(String, String)> {
        problems(&self.doctor(args))
    }
}

fn problems(done: &Transcript) -> Vec<(String, String)> {
    assert_eq!(done.stderr, "");
    let lines: Vec<&str> = done.stdout.lines().collect();
    let mut found = Vec::new();
    for pair in lines.windows(2) {
        if let Some(what) = pair[0].strip_prefix("  problem  ") {
            found.push((what.to_owned(), pair[1].trim_start().to_owned()));
        }
    }
    assert_eq!(done.code, Some(i32::from(!found.is_empty())), "{done:?}");
    found
}

fn one(what: &str, mend: &str) -> Vec<(String, String)> {
    vec![(what.to_owned(), mend.to_owned())]
}

/// Runs what a mend says to run, as a person would who copies it.
fn run_mend(home: &Home, mend: &str) {
    let root = home.bin().parent().unwrap().display().to_string();
    let line = mend.strip_prefix("run: ").expect(mend).replace("/R", &root);
    let mut command = home.sandbox.command("sh");
    command.args(["-c", &line]);
    let done = run(command, "");
    assert_eq!(done.code, Some(0), "{line}: {done:?}");
}

#[test]
fn a_healthy_home() {
    let home = Home::new();
    assert_eq!(
        home.doctor(&[]),
        Transcript { stdout: HEALTHY.replace("CLUSTER", CLUSTER), stderr: String::new(), code: Some(0) }
    );
    // It asked for a renewal, and for nothing else that costs anything.
    assert_eq!((home.provider.count(Endpoint::Start), home.provider.count(Endpoint::Refresh)), (1, 1));
    // Replaying is not taken for a client whose token was refused; nor is a doctor who comes twice a nuisance.
    let done = home.doctor(&[]);
    assert!(done.stdout.contains("the session lives: it was renewed less than a minute ago"), "{}", done.stdout);
    assert_eq!(home.provider.count(Endpoint::Refresh), 1);
    assert_eq!(fs::read_dir(home.sandbox.state().join("parents")).unwrap().count(), 0);

    let done = home.doctor(&["registry.acme.dev", "--json"]);
    let value: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&value["version"], &value["healthy"], done.code), (&json!(1), &json!(true), Some(0)));
    let findings = value["findings"].as_array().unwrap();
    let areas: Vec<&str> = findings.iter().map(|finding| finding["area"].as_str().unwrap()).collect();
    assert_eq!(
        areas,
        ["programs"; 4]
            .into_iter()
            .chain(["places"; 2])
            .chain(["profile acme"; 4])
            .chain(["git", "docker", "docker"])
            .collect::<Vec<_>>()
    );
    let last = json!({
        "area": "docker", "level": "ok", "mend": null,
        "what": "docker asks keyfob for registry.acme.dev (/R/home/.docker/config.json), and gets a token",
    });
    assert_eq!(findings.last(), Some(&last));
}

const HEALTHY: &str = "\
programs
  ok       keyfob 0.1.0 is /R/bin/keyfob
  ok       git 2.47.3: a refused token heals inside the command
  ok       kubectl 1.32.4: it runs credential plugins of version v1
  ok       docker 28.2.2: it asks a credential helper for each registry

places
  ok       /R/config.toml can be read, and by nobody else be changed
  ok       /R/state is closed to others, and locks work there

profile acme
  ok       PROVIDER answers
  ok       the session lives: it was renewed just now
  ok       signed in as ann@acme.dev
  ok       access token: issuer scripted, no audience, 5 minutes left

git
  ok       git asks keyfob alone for git.acme.dev (/R/home/.gitconfig)
  ok       git does not ask keyfob for registry.acme.dev, docker does

docker
  warning  docker runs docker-credential-keyfob without its path; started by a desktop or by cron it does not find it
           run: sudo ln -s /R/bin/docker-credential-keyfob /usr/local/bin/docker-credential-keyfob
  ok       docker asks keyfob for registry.acme.dev (/R/home/.docker/config.json), and gets a token

kubectl
  ok       user ann gets a token for CLUSTER: issuer scripted, no audience

healthy, 1 warning
";

#[test]
fn modes_are_open() {
    let home = Home::new();
    let record = home.sandbox.record();
    let name = record.file_name().unwrap().to_str().unwrap();
    for (path, mode, what, mend) in [
        (
            home.sandbox.sessions(),
            0o755,
            "the folder /R/state/sessions is open to others",
            "run: chmod 700 /R/state/sessions",
        ),
        (
            home.sandbox.state(),
            0o777,
            "the folder /R/state can be changed by others, who could put another session there",
            "run: chmod go-w /R/state",
        ),
        (
            record.clone(),
            0o644,
            &*format!("/R/state/sessions/{name} can be read by others"),
            &*format!("run: chmod 600 /R/state/sessions/{name}"),
        ),
        (
            home.sandbox.config(),
            0o666,
            "/R/config.toml:1: others can write to this file",
            "run: chmod go-w /R/config.toml",
        ),
        (
            home.bin().parent().unwrap().to_owned(),
            0o777,
            "others can put another file in the place of /R/config.toml",
            "run: chmod go-w /R",
        ),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let found = home.problems(&[]);
        assert_eq!(found[0], (what.to_owned(), mend.to_owned()), "{found:?}");
        assert_eq!(found.iter().filter(|(said, _)| said == what).count(), 1, "it is said once: {found:?}");
        let said = home.doctor(&[]).stdout;
        assert!(path != record || !said.contains("warning  nobody is signed in"), "nobody knows: {said}");
        run_mend(&home, mend);
        assert_eq!(home.problems(&[]), [], "after {mend}");
    }
}

#[test]
fn whatever_is_wrong_the_rest_is_looked_at() {
    let home = Home::signed_out();
    home.sandbox.configure("[profile.acme]\nprovider = \"s3cret\n");
    let done = home.doctor(&[]);
    let found = problems(&done);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0.starts_with("/R/config.toml:2: "), "{found:?}");
    assert!(done.stdout.contains("locks work there"), "{}", done.stdout);
    // Nothing at all is here yet.
    fs::remove_file(home.sandbox.config()).unwrap();
    for program in ["git", "kubectl", "docker"] {
        fs::remove_file(home.bin().join(program)).unwrap();
    }
    assert_eq!(
        home.problems(&[]),
        one(
            "there is no profile yet in /R/config.toml",
            "run: keyfob setup profile NAME --provider P --client-id ID --host HOST"
        )
    );
    assert_eq!(
        home.problems(&["git.acme.dev"])[1],
        (
            "no profile answers for https://git.acme.dev".to_owned(),
            "run: keyfob setup profile NAME --provider P --client-id ID --host git.acme.dev".to_owned()
        )
    );
    let done = home.doctor(&["git.acme.dev", "--json"]);
    let value: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&value["healthy"], done.code), (&json!(false), Some(1)));
    // What cannot be understood is the caller's mistake and no finding.
    assert_eq!(home.doctor(&["ftp://x.dev"]).code, Some(2));
    home.configure("");
    assert_eq!(home.doctor(&["--audience", "x"]).code, Some(2));
    let done = home.doctor(&["acme", "--audience", "x"]);
    assert!(done.code == Some(2) && done.stderr.contains("hint: name the host or the cluster"), "{done:?}");
}

#[test]
fn one_profile_alone() {
    let home = Home::signed_out();
    let other = workos(&home.provider, "other", "hosts = [\"git.other.dev\"]\naccount = \"bob\"");
    let file = fs::read_to_string(home.sandbox.config()).unwrap();
    home.sandbox.configure(&format!("{file}\n{other}"));
    let all = home.problems(&[]);
    assert!(all.iter().any(|(what, _)| what.contains("git.other.dev")), "{all:?}");
    let acme = home.doctor(&["acme"]);
    assert!(
        !acme.stdout.contains("other.dev") && !acme.stdout.contains("profile other") && acme.code == Some(0),
        "{acme:?}"
    );
    assert!(acme.stdout.contains("git asks keyfob alone for git.acme.dev"), "{acme:?}");
    assert!(acme.stdout.contains("user ann runs keyfob"), "{acme:?}");
    let other = home.doctor(&["other"]);
    assert!(!other.stdout.contains("acme.dev:") && !other.stdout.contains("user ann"), "{other:?}");
    assert_eq!(problems(&other).len(), 1, "{other:?}");
    let unknown = home.doctor(&["acmee"]);
    assert!(unknown.code == Some(2) && unknown.stderr.contains("no profile is called \"acmee\""), "{unknown:?}");
}
