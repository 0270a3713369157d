//! `keyfob setup`, killed before each thing that it does to a file: whatever is left then, the next one clears away, and `--undo` gives
//! back what was there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::sandbox::{Sandbox, run};
use crate::support::system::{has, mode};

/// The calls that change files, before each of which it is killed.
const CHANGES: &str =
    "openat,write,link,linkat,rename,renameat,renameat2,unlink,unlinkat,fsync,fchmod,fchown,mkdir,mkdirat";

const GITCONFIG: &str = "[user]\n\tname = Ann\n[credential \"https://git.acme.dev\"]\n\thelper = store\n";
const DOCKER: &str =
    "{\n\t\"auths\": {\"other.dev\": {\"auth\": \"YW5uOnB3\"}},\n\t\"credsStore\": \"secretservice\"\n}\n";

const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {server: https://k8s.acme.dev:6443}\n\
    users:\n- name: ann\n  user: {token: s3cret}\ncontexts:\n- name: c\n  context: {cluster: c, user: ann}\ncurrent-context: c\n";

/// Everything below a folder but what keyfob keeps in a folder of its own.
fn files(folder: &Path, state: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && path != state {
            found.extend(files(&path, state));
        } else if path != state {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A home with a profile, links and this file; what is made for a moment is made in it as well.
struct Home {
    sandbox: Sandbox,
    file: PathBuf,
}

impl Home {
    fn new(name: &str, text: &str) -> Self {
        let sandbox = Sandbox::new();
        // A provider that answers at once, with nothing: doctor does not wait for it.
        sandbox.configure(
            "[profile.acme]\nprovider = \"workos\"\nclient_id = \"c\"\nbase_url = \"http://127.0.0.1:9\"\nhosts = [\"git.acme.dev\"]\n",
        );
        let file = sandbox.home().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        fs::create_dir(sandbox.home().join("tmp")).unwrap();
        Self { sandbox, file }
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = self.sandbox.command(program);
        command.args(args).env("TMPDIR", self.sandbox.home().join("tmp"));
        command
    }

    fn listed(&self) -> Vec<PathBuf> {
        files(&self.sandbox.home(), &self.sandbox.state())
    }

    fn succeeds(&self, args: &[&str]) {
        let done = run(self.command("keyfob", args), "");
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{args:?}: {done:?}");
    }

    /// Whether it is ended by this signal, which comes before its change of that number; else it came to its end before.
    fn is_ended(&self, setup: &[&str], signal: &str, at: usize) -> bool {
        let inject = format!("inject={CHANGES}:signal={signal}:when={at}");
        let args = [&["-qq", "-o", "/dev/null", "-e", &inject, "keyfob"], setup].concat();
        run(self.command("strace", &args), "").code != Some(0)
    }

    /// What is nobody's any more: copies, and locks.
    fn lies_about(&self) -> Vec<PathBuf> {
        let is_lock = |path: &PathBuf| path.extension().is_some_and(|end| end == "lock");
        let files = self.listed().into_iter();
        files.filter(|path| path.to_string_lossy().contains(".keyfob-") || is_lock(path)).collect()
    }

    fn doctor(&self) -> String {
        run(self.command("keyfob", &["doctor"]), "").stdout
    }
}

/// Kills it before its first change and each `step`th that follows, until it comes to its end; how often that was, and in how many of
/// them something was left lying about.
fn kill_everywhere(home: &Home, setup: &[&str], step: usize) -> (usize, usize) {
    let undo = [setup, &["--undo"]].concat();
    let before = fs::read(&home.file).unwrap();
    // What stays after an undo: the link that has been made is taken back as well.
    home.succeeds(setup);
    home.succeeds(&undo);
    let listed = home.listed();
    let (mut killed, mut left) = (0, 0);
    for at in (1..).step_by(step) {
        let is_killed = home.is_ended(setup, "KILL", at);
        killed += usize::from(is_killed);
        let lies_about = home.lies_about();
        if let Some(one) = lies_about.first() {
            left += 1;
            if left == 1 {
                let said = home.doctor();
                let line = format!("{} was left by a keyfob setup that was killed", one.display());
                assert!(said.contains(&line), "{said}");
            }
        }
        home.succeeds(setup);
        home.succeeds(&undo);
        assert_eq!(fs::read(&home.file).unwrap(), before, "killed at {at}");
        assert_eq!(home.listed(), listed, "killed at {at}: {lies_about:?}");
        assert!(!home.sandbox.state().join("setup").exists(), "killed at {at}");
        if !is_killed {
            break;
        }
    }
    (killed, left)
}

/// What people and terminals send leaves nothing at all; how often it ended the setup.
fn interrupt_everywhere(home: &Home, setup: &[&str]) -> usize {
    let undo = [setup, &["--undo"]].concat();
    let mut ended = 0;
    for signal in ["INT", "TERM", "HUP"] {
        for at in (1..).step_by(4) {
            let is_ended = home.is_ended(setup, signal, at);
            let lies_about = home.lies_about();
            assert!(lies_about.is_empty(), "{signal} at {at}: {lies_about:?}");
            home.succeeds(&undo);
            if !is_ended {
                break;
            }
            ended += 1;
        }
    }
    ended
}

#[test]
fn whatever_a_killed_setup_of_git_leaves_the_next_clears_away() {
    if !has(&["strace", "git"]) {
        return;
    }
    let home = Home::new(".gitconfig", GITCONFIG);
    let setup = ["setup", "git", "git.acme.dev"];
    let (killed, left) = kill_everywhere(&home, &setup, 1);
    assert!(killed > 30 && left > 5, "{killed} times killed, {left} times something was left");
    let ended = interrupt_everywhere(&home, &setup);
    assert!(ended > 15, "{ended} times interrupted");
}

/// Where there is no state folder yet it is made for the time being, so that what is left is written down.
#[test]
fn whatever_a_first_dry_run_leaves_that_was_killed_the_next_setup_clears_away() {
    if !has(&["strace", "git"]) {
        return;
    }
    let dry = ["setup", "git", "git.acme.dev", "--dry-run"];
    let mut left = 0;
    for at in (1..).step_by(2) {
        let home = Home::new(".gitconfig", GITCONFIG);
        let is_killed = home.is_ended(&dry, "KILL", at);
        if !is_killed {
            assert!(home.lies_about().is_empty() && !home.sandbox.state().exists(), "a dry run leaves nothing");
            break;
        }
        left += usize::from(!home.lies_about().is_empty());
        home.succeeds(&dry[..3]);
        assert_eq!(home.lies_about(), Vec::<PathBuf>::new(), "killed at {at}");
    }
    assert!(left > 3, "{left} times something was left");
}

#[test]
fn whatever_a_killed_setup_of_docker_leaves_the_next_clears_away() {
    if !has(&["strace"]) {
        return;
    }
    let home = Home::new(".docker/config.json", DOCKER);
    let setup = ["setup", "docker", "git.acme.dev"];
    let (killed, left) = kill_everywhere(&home, &setup, 1);
    assert!(killed > 15 && left > 1, "{killed} times killed, {left} times something was left");
    let ended = interrupt_everywhere(&home, &setup);
    assert!(ended > 5, "{ended} times interrupted");
}

#[test]
fn whatever_a_killed_setup_of_kubectl_leaves_the_next_clears_away() {
    if !has(&["strace", "kubectl"]) {
        return;
    }
    let home = Home::new(".kube/config", KUBECONFIG);
    let setup = ["setup", "kubectl", "--user", "ann", "--profile", "acme"];
    // kubectl is slow to start, and it is run several times each time.
    let (killed, left) = kill_everywhere(&home, &setup, 4);
    assert!(killed > 5 && left > 1, "{killed} times killed, {left} times something was left");
}

/// It is named until it is gone, and not forgotten by the first who tries.
#[test]
fn what_cannot_be_removed_stays_written_down() {
    let home = Home::new(".docker/config.json", DOCKER);
    let setup = ["setup", "docker", "git.acme.dev"];
    home.succeeds(&setup);
    let (left, entries) = (home.sandbox.home().join(".keyfob-left"), home.sandbox.state().join("setup"));
    // A folder is no file that could be removed, whoever tries.
    fs::create_dir(&left).unwrap();
    fs::create_dir(&entries).unwrap();
    mode(&entries, 0o700);
    let entry = entries.join("entry");
    fs::write(&entry, format!("{}\0", left.display())).unwrap();
    mode(&entry, 0o600);
    home.succeeds(&setup);
    assert!(entry.exists() && home.doctor().contains(&format!("{} was left by", left.display())));
    fs::remove_dir(&left).unwrap();
    home.succeeds(&setup);
    assert!(!entries.exists());
}
