use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, copy_keyfob, run, workos};
use crate::support::system::{has, is_root, mode};

fn approving() -> Provider {
    Provider::with(Manners { approves_by_itself: true, ..Manners::default() })
}

fn signed_in(provider: &Provider) -> Sandbox {
    let sandbox = Sandbox::signed_up(provider);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
    sandbox
}

/// An error that git is told to stop for, without a secret or a panic in it.
fn assert_refused(done: &Transcript, says: &str) {
    assert_eq!((done.stdout.as_str(), done.code), ("quit=1\n", Some(0)), "{done:?}");
    assert!(done.stderr.contains(says), "{says}: {}", done.stderr);
    assert_clean(done);
}

fn assert_clean(done: &Transcript) {
    for bad in ["panicked", "rt_secret", "dc_secret", "eyJ", "s3cret"] {
        assert!(!done.stderr.contains(bad), "{}", done.stderr);
    }
}

#[test]
fn a_wrong_configuration_names_file_line_and_mend() {
    let provider = Provider::start();
    let sandbox = Sandbox::new();
    let file = sandbox.config().display().to_string();
    for (text, line, says, mend) in [
        (workos(&provider, "a", "colour = \"red\""), 5, "unknown field \"colour\"", "correct or remove it"),
        (
            workos(&provider, "a", "client_secret = \"s3cret\""),
            5,
            "unknown field \"client_secret\"",
            "register keyfob as a public client",
        ),
        (workos(&provider, "a", "hosts = [\"http://git.acme.dev\"]"), 5, "plain http", "https://host/path"),
        (workos(&provider, "a", "issuer = \"http://acme.dev\""), 5, "plain http", "https://host/path"),
        (
            [
                workos(&provider, "a", "hosts = [\"git.acme.dev\"]"),
                workos(&provider, "b", "hosts = [\"git.acme.dev\"]"),
            ]
            .concat(),
            6,
            "profiles a and b both name https://git.acme.dev",
            "give each its own account",
        ),
    ] {
        sandbox.configure(&text);
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert_refused(&done, &format!("keyfob: {file}:{line}: "));
        assert_refused(&done, says);
        assert_refused(&done, mend);
        assert_eq!(sandbox.run(&["status"], "").code, Some(1));
    }
}

#[test]
fn a_configuration_that_others_can_write_is_not_read() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    mode(&sandbox.config(), 0o666);
    assert_refused(&sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")), "run: chmod go-w ");
    assert!(provider.seen().is_empty());
}

#[test]
fn a_record_that_is_not_json_is_set_aside_and_said() {
    let provider = approving();
    for garbage in ["", "not json", "{\"version\":1,\"refresh_token\":\"rt_secret", "[]", "{}", "\0\0\0\0"] {
        let sandbox = signed_in(&provider);
        fs::write(sandbox.record(), garbage).unwrap();
        let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
        assert!(done.stdout.starts_with("username=oauth2\n"), "{garbage:?}: {done:?}");
        assert!(done.stderr.contains("could not be read"), "{}", done.stderr);
        assert_clean(&done);
        let kept: Vec<_> = fs::read_dir(sandbox.sessions())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains(".broken-"))
            .collect();
        assert_eq!(kept.len(), 1);
        assert_eq!(fs::read(&kept[0]).unwrap(), garbage.as_bytes(), "nothing is lost");
    }
}

#[test]
fn a_record_of_a_newer_keyfob_is_left_alone() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    sandbox.edit(|record| record["version"] = 2.into());
    let before = fs::read(sandbox.record()).unwrap();
    assert_refused(&sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")), "was written by a newer keyfob");
    assert_eq!(fs::read(sandbox.record()).unwrap(), before);
}

#[test]
fn a_record_that_others_can_read_is_not_used() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    mode(&sandbox.record(), 0o644);
    assert_refused(&sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")), "run: chmod 600 ");
    mode(&sandbox.record(), 0o600);
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.starts_with("username="));
}

#[test]
fn a_folder_that_others_can_read_still_serves_and_is_not_written() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    mode(&sandbox.sessions(), 0o755);
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.starts_with("username="), "a hit");
    sandbox.expire();
    assert_refused(&sandbox.run(&["git", "get"], &ask("git.acme.dev")), "run: chmod 700 ");
    assert_eq!(provider.count(Endpoint::Refresh), 0, "the session is not spent");
    mode(&sandbox.sessions(), 0o700);
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.starts_with("username="));
}

#[test]
fn a_link_where_a_record_should_be_is_not_followed() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    let (record, elsewhere) = (sandbox.record(), sandbox.home().join("elsewhere"));
    fs::rename(&record, &elsewhere).unwrap();
    symlink(&elsewhere, &record).unwrap();
    assert_refused(&sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")), "is a symbolic link");
    assert!(elsewhere.exists());
}

/// Runs as a user who owns nothing here, because root may write anywhere.
fn powerless(sandbox: &Sandbox, args: &[&str]) -> (Transcript, tempfile::TempDir) {
    let public = tempfile::tempdir().unwrap();
    mode(public.path(), 0o755);
    let binary = public.path().join("keyfob");
    copy_keyfob(&binary);
    let config = public.path().join("config.toml");
    fs::copy(sandbox.config(), &config).unwrap();
    mode(&config, 0o644);
    let mut command = sandbox.command(&binary);
    command.args(args).env("KEYFOB_CONFIG", &config).env("KEYFOB_INTERACTIVE", "always").current_dir("/");
    command.env("KEYFOB_STATE_DIR", public.path().join("state"));
    if is_root() {
        command.uid(65_534);
        // Root owns the configuration, which is as good as owning it oneself.
    } else {
        mode(public.path(), 0o555);
    }
    let done = run(command, &ask("git.acme.dev"));
    mode(public.path(), 0o755);
    (done, public)
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_home_still_gets_the_token_and_a_word() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    let (done, public) = powerless(&sandbox, &["git", "get"]);
    assert!(done.stdout.starts_with("username=oauth2\n"), "{done:?}");
    assert!(
        done.stderr.contains("cannot write ") && done.stderr.contains("signed in for this once"),
        "{}",
        done.stderr
    );
    assert_clean(&done);
    assert_eq!(provider.count(Endpoint::Start), 1);
    assert!(!public.path().join("state").exists());
}

/// Who wants to be signed in is told before anybody is asked that it could not be kept.
#[cfg(target_os = "linux")]
#[test]
fn login_on_a_read_only_home_asks_nobody() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    let (done, _public) = powerless(&sandbox, &["login", "acme"]);
    assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{done:?}");
    assert!(done.stderr.contains("a sign-in could not be kept, so nobody is asked: cannot write "), "{done:?}");
    assert!(done.stderr.contains("point KEYFOB_STATE_DIR elsewhere"), "{done:?}");
    assert_eq!(provider.count(Endpoint::Start), 0);
}

/// `ulimit -f 0` makes every write to a file fail, as a full disk does; that the system would end us for it is held off.
#[cfg(target_os = "linux")]
fn on_a_full_disk(sandbox: &Sandbox, interactive: &str) -> Transcript {
    let mut command = sandbox.command("sh");
    command.args(["-c", "ulimit -f 0; exec keyfob git get"]).env("KEYFOB_INTERACTIVE", interactive);
    run(command, &ask("git.acme.dev"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_spends_no_session() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    sandbox.expire();
    let before = fs::read(sandbox.record()).unwrap();
    let done = on_a_full_disk(&sandbox, "never");
    assert_refused(&done, "the session is kept but not renewed: cannot save");
    assert!(done.stderr.contains("make room"), "{}", done.stderr);
    assert_eq!(fs::read(sandbox.record()).unwrap(), before, "the record is as it was");
    assert_eq!(provider.count(Endpoint::Refresh), 0);
    assert!(sandbox.files(".tmp").is_empty());
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.starts_with("username="), "room again");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_still_gets_the_token_of_a_sign_in() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    let done = on_a_full_disk(&sandbox, "always");
    assert!(done.stdout.starts_with("username=oauth2\n"), "{done:?}");
    assert!(done.stderr.contains("signed in for this once"), "{}", done.stderr);
    assert_clean(&done);
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn a_state_folder_that_is_a_file_still_gets_the_token() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    fs::write(sandbox.state(), "in the way").unwrap();
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username=oauth2\n"), "{done:?}");
    assert!(done.stderr.contains("signed in for this once"), "{}", done.stderr);
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn a_provider_that_is_not_there() {
    let sandbox = Sandbox::new();
    // Port 1 of loopback: nobody listens there.
    sandbox.configure(
        "[profile.acme]\nprovider = \"workos\"\nclient_id = \"c\"\nbase_url = \"http://127.0.0.1:1\"\nhosts = [\"git.acme.dev\"]\n",
    );
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert_refused(&done, "cannot start a sign-in: 127.0.0.1:1 refuses connections");
}

#[test]
fn a_record_beside_it_that_is_broken_stops_no_other() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    fs::write(sandbox.sessions().join("0123.json"), "{\"version\":2,\"tokens\":[]}").unwrap();
    mode(&sandbox.sessions().join("0123.json"), 0o600);
    let status = sandbox.run(&["status"], "");
    assert!(status.stdout.contains("acme") && status.stderr.contains("newer keyfob"), "{status:?}");
    assert!(status.stdout.contains("unreadable") && !status.stdout.contains("cannot be read"), "said once: {status:?}");
    assert_eq!(status.code, Some(1));
    let out = sandbox.run(&["logout", "--all"], "");
    assert_eq!(out.code, Some(1));
    assert!(out.stdout.contains("acme: forgotten here, the session was ended at"), "{out:?}");
    assert_eq!(sandbox.files(".json").len(), 1, "the newer one is left alone");
}

#[test]
fn logout_leaves_no_secret_behind() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    fs::write(sandbox.record(), "{\"version\":1,\"refresh_token\":\"rt_secret_torn").unwrap();
    sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(sandbox.run(&["logout", "acme"], "").code, Some(0));
    for entry in fs::read_dir(sandbox.sessions()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(fs::read_to_string(&path).unwrap(), "", "{}", path.display());
    }
    // A broken record is forgotten as well, though nobody set it aside before.
    let sandbox = signed_in(&provider);
    fs::write(sandbox.record(), "{\"version\":1,\"refresh_token\":\"rt_secret_torn").unwrap();
    assert_eq!(sandbox.run(&["logout", "--all"], "").code, Some(0));
    assert!(sandbox.files(".json").is_empty());
    assert!(fs::read_dir(sandbox.sessions()).unwrap().all(|entry| fs::read(entry.unwrap().path()).unwrap().is_empty()));
}

#[test]
fn logout_works_with_a_configuration_that_does_not() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    sandbox.configure("[profile.acme]\n");
    let out = sandbox.run(&["logout", "--all"], "");
    assert_eq!(out.code, Some(1));
    assert!(out.stderr.contains("provider is missing") && out.stdout.contains("forgotten here"), "{out:?}");
    assert!(sandbox.files(".json").is_empty());
}

#[test]
fn a_server_that_quotes_our_secret_is_not_quoted() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    sandbox.expire();
    let record = fs::read_to_string(sandbox.record()).unwrap();
    let secret = record.split('"').find(|text| text.starts_with("rt_secret")).unwrap().to_owned();
    let body = format!(r#"{{"error":"invalid_scope","error_description":"cannot use {secret}"}}"#);
    provider.instead(Endpoint::Refresh, crate::support::http::Reply::json(400, body));
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_refused(&done, "invalid_scope: cannot use (redacted)");
    assert!(!sandbox.run(&["status", "--json"], "").stdout.contains("rt_secret"));
}

#[test]
fn a_misspelt_call_ends_as_its_client_expects() {
    let sandbox = Sandbox::new();
    for args in [&["git", "--bogus", "get"][..], &["git", "get", "extra"], &["git", "--provider", "workos", "get"]] {
        let done = sandbox.run(args, "");
        assert_eq!((done.stdout.as_str(), done.code), ("quit=1\n", Some(0)), "{args:?}");
        assert!(done.stderr.contains(" --help"), "{}", done.stderr);
    }
    for client in ["docker", "kubectl"] {
        assert_eq!(sandbox.run(&[client, "--bogus"], "").code, Some(1), "{client}");
    }
    assert_eq!(sandbox.run(&["login", "--bogus"], "").code, Some(2));
    let done = sandbox.run(&["git", "--bogus", "store"], "");
    assert_eq!((done.stdout.as_str(), done.code), ("", Some(0)));
}

#[test]
fn what_belongs_to_somebody_else_is_not_used() {
    if !is_root() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let provider = approving();
    let sandbox = signed_in(&provider);
    let give = |path: &Path, uid| std::os::unix::fs::chown(path, Some(uid), None).unwrap();
    give(&sandbox.record(), 65_534);
    assert_refused(&sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")), "belongs to somebody else");
    give(&sandbox.record(), 0);
    give(&sandbox.sessions(), 65_534);
    sandbox.expire();
    assert_refused(&sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")), "run keyfob as its owner (not by sudo)");
    give(&sandbox.sessions(), 0);
    give(&sandbox.config(), 65_534);
    assert_refused(&sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")), "this file belongs to somebody else");
}

/// `sudo -E docker login`, which docker's own documentation has: nothing of root's is left in a person's home.
#[test]
fn root_in_a_persons_home_leaves_nothing_there() {
    if !is_root() {
        eprintln!("skipped: only root can be root");
        return;
    }
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(home.path(), Some(65_534), Some(65_534)).unwrap();
    let as_root = |args: &[&str], stdin: &str| {
        let mut command = sandbox.keyfob(args);
        command.env_remove("KEYFOB_STATE_DIR").env("HOME", home.path()).env("KEYFOB_INTERACTIVE", "always");
        run(command, stdin)
    };
    let login = r#"{"ServerURL":"other.dev","Username":"ann","Secret":"hunter2"}"#;
    let kept = as_root(&["docker", "store"], login);
    assert_eq!(kept.code, Some(1), "{kept:?}");
    assert!(kept.stderr.contains("another user (number 65534)"), "{kept:?}");
    let served = as_root(&["git", "get"], &ask("git.acme.dev"));
    assert!(served.stdout.starts_with("username=") && served.stderr.contains("signed in for this once"), "{served:?}");
    let login = as_root(&["login", "acme"], "");
    assert!(login.code == Some(1) && login.stderr.contains("so nobody is asked"), "{login:?}");
    let set_up = as_root(&["setup", "git", "git.acme.dev"], "");
    assert_eq!(set_up.code, Some(1), "{set_up:?}");
    for said in [kept, served, login, set_up] {
        assert!(!said.stderr.contains("chown") && !said.stderr.contains("chmod"), "{said:?}");
    }
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// `strace` makes every lock call fail as it does on some network homes.
#[cfg(target_os = "linux")]
#[test]
fn where_there_are_no_locks_it_goes_on_without() {
    if !has(&["strace"]) {
        return;
    }
    let provider = approving();
    let sandbox = signed_in(&provider);
    let lockless = |error: &str| {
        let mut command = sandbox.command("strace");
        command.args(["-qq", "-o", "/dev/null", "-e", "trace=flock", "-e"]).arg(format!("inject=flock:error={error}"));
        command.args(["keyfob", "git", "get"]);
        run(command, &ask("git.acme.dev"))
    };
    for (turn, error) in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"].into_iter().enumerate() {
        sandbox.expire();
        let done = lockless(error);
        assert!(done.stdout.starts_with("username=oauth2\n"), "{error}: {done:?}");
        assert_eq!(provider.count(Endpoint::Refresh), turn + 1);
        assert!(sandbox.files(".tmp").is_empty());
    }
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.starts_with("username="), "and it was saved");
}

#[test]
fn what_a_crash_left_is_cleared_away() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    let left = sandbox.record().with_extension("tmp");
    fs::write(&left, "{\"version\":1,\"refresh_token\":\"rt_secret_half").unwrap();
    sandbox.expire();
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.starts_with("username="));
    assert!(!left.exists());
}
