//! Where a session stands, and where programs are found: what others could have put there is not used.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, run};
use crate::support::system::{is_root, mode};

fn signed_in() -> (Provider, Sandbox) {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
    (provider, sandbox)
}

fn assert_refused(done: &Transcript, says: &str) {
    assert_eq!((done.stdout.as_str(), done.code), ("quit=1\n", Some(0)), "{done:?}");
    assert!(done.stderr.contains(says), "{says}: {}", done.stderr);
}

/// Whoever can write to a folder above the session puts another in its place: nothing is served from there, and nothing sent.
#[test]
fn what_stands_where_others_could_put_another_is_not_served() {
    let (provider, sandbox) = signed_in();
    let root = sandbox.state().parent().unwrap().to_owned();
    let state = root.join("a").join("state");
    fs::create_dir(root.join("a")).unwrap();
    fs::rename(sandbox.state(), &state).unwrap();
    let git = |state: &Path| {
        let mut command = sandbox.keyfob(&["git", "get"]);
        command.env("KEYFOB_STATE_DIR", state).env("KEYFOB_INTERACTIVE", "always");
        run(command, &ask("git.acme.dev"))
    };
    let assert_serves = |state: &Path| assert!(git(state).stdout.starts_with("username="), "{:?}", git(state));
    assert_serves(&state);
    for open in [root.join("a"), state.clone(), state.join("sessions")] {
        let before = fs::metadata(&open).unwrap().permissions();
        mode(&open, 0o777);
        let mend = format!("run: chmod go-w {}\n", open.display());
        assert_refused(&git(&state), "can be changed by others");
        assert_refused(&git(&state), &mend);
        mode(&open, 0o1777);
        assert_serves(&state);
        fs::set_permissions(&open, before).unwrap();
    }
    // A link on the way leads where that is written down; a link in the place of the folder itself leads nowhere.
    symlink(root.join("a"), root.join("led")).unwrap();
    assert_serves(&root.join("led").join("state"));
    fs::rename(state.join("sessions"), root.join("elsewhere")).unwrap();
    symlink(root.join("elsewhere"), state.join("sessions")).unwrap();
    assert_refused(&git(&state), "sessions is a symbolic link");
    if is_root() {
        fs::remove_file(state.join("sessions")).unwrap();
        fs::rename(root.join("elsewhere"), state.join("sessions")).unwrap();
        std::os::unix::fs::chown(root.join("a"), Some(1_234), None).unwrap();
        assert_refused(&git(&state), "belongs to another user (number 1234), who could put another session there");
    }
    assert_eq!(provider.count(Endpoint::Refresh), 0);
    assert_eq!(provider.count(Endpoint::Start), 1);
}

/// The same for what clients hand over to be kept.
#[test]
fn passwords_where_others_could_put_others_are_neither_kept_nor_served() {
    let sandbox = Sandbox::new();
    sandbox.configure("[store]\ngit = true\n");
    let password =
        format!("{}username=ann\npassword=hunter2\n\n", ask("other.dev").trim_end_matches('\n').to_owned() + "\n");
    sandbox.run(&["git", "store"], &password);
    assert!(sandbox.run(&["git", "get"], &ask("other.dev")).stdout.contains("hunter2"));
    mode(&sandbox.state(), 0o777);
    for done in [sandbox.run(&["git", "get"], &ask("other.dev")), sandbox.run(&["git", "store"], &password)] {
        assert!(done.stdout.is_empty() || done.stdout == "quit=1\n", "{done:?}");
        assert!(done.stderr.contains("can be changed by others"), "{done:?}");
    }
}

/// A limit on files ends nobody without a word, wherever the file is.
#[cfg(target_os = "linux")]
#[test]
fn a_limit_on_files_is_told() {
    let (_provider, sandbox) = signed_in();
    for call in ["setup git git.acme.dev", "token acme > there", "login acme"] {
        let mut command = sandbox.command("sh");
        command.args(["-c", &format!("ulimit -f 0; keyfob {call}")]);
        let done = run(command, "");
        assert!(matches!(done.code, Some(0 | 1)), "{call}: {done:?}");
        assert_eq!(done.code == Some(1), done.stderr.starts_with("keyfob: "), "{call}: {done:?}");
    }
}

/// An empty word in PATH is the current folder, which anybody may have written: nothing is run from there.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_run_from_the_folder_one_happens_to_be_in() {
    let sandbox = Sandbox::new();
    sandbox.configure("[profile.acme]\nprovider = \"workos\"\nclient_id = \"c\"\nbase_url = \"https://there.invalid\"\nhosts = [\"git.acme.dev\"]\n");
    let (here, ran) = (sandbox.home().join("here"), sandbox.home().join("ran"));
    fs::create_dir(&here).unwrap();
    for name in ["getent", "git", "docker", "kubectl", "xdg-open"] {
        fs::write(here.join(name), format!("#!/bin/sh\necho {name} >> {}\n", ran.display())).unwrap();
        mode(&here.join(name), 0o755);
    }
    for path in ["", ":", ":/nowhere", "/nowhere:", ".", "./", "../here"] {
        for args in [&["login", "acme"][..], &["doctor"], &["git", "get"], &["setup", "git"]] {
            let mut command = sandbox.command("sh");
            command.args(["-c", "export PATH=$1; shift; exec \"$@\"", "sh", path]);
            command.arg(crate::support::sandbox::keyfob()).args(args);
            command.env("KEYFOB_INTERACTIVE", "always").env("DISPLAY", ":0").current_dir(&here);
            run(command, &ask("git.acme.dev"));
            assert!(!ran.exists(), "{path:?} {args:?}: {}", fs::read_to_string(&ran).unwrap());
        }
    }
}
