use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::http::Reply;
use crate::support::sandbox::{Sandbox, ask, now, run};
use crate::support::scripted::{Scripted, code};
use crate::support::system::has;

const DESCRIPTION: &str = "/.well-known/openid-configuration";

fn granted() -> Reply {
    Reply::json(200, r#"{"access_token":"at_1","refresh_token":"rt_secret_1","expires_in":300,"token_type":"Bearer"}"#)
}

fn described() -> (Scripted, Sandbox) {
    let server = Scripted::start();
    let sandbox = Sandbox::new();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"oidc\"\nclient_id = \"client_1\"\nhosts = [\"git.acme.dev\"]\nissuer = \"{}\"\n",
        server.url()
    ));
    server.describe("", "");
    server.on("/device", [code(&server.url(), "")]);
    server.on("/token", [granted()]);
    (server, sandbox)
}

fn signed_in() -> (Scripted, Sandbox) {
    let (server, sandbox) = described();
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.contains("password=at_1"), "{done:?}");
    (server, sandbox)
}

fn metadata(sandbox: &Sandbox) -> PathBuf {
    let files: Vec<_> = fs::read_dir(sandbox.state().join("metadata")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// Lets what the issuer said grow old.
fn age(sandbox: &Sandbox, seconds: i64) {
    let path = metadata(sandbox);
    let mut kept: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    kept["read_at"] = (now() - seconds).into();
    fs::write(&path, kept.to_string()).unwrap();
}

fn answers(sandbox: &Sandbox) -> bool {
    sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.contains("password=at_1")
}

#[test]
fn metadata_is_read_once_and_a_hit_asks_nobody_however_old_it_is() {
    let (server, sandbox) = signed_in();
    assert_eq!(server.at(DESCRIPTION).len(), 1);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(metadata(&sandbox)), mode(sandbox.state().join("metadata"))), (0o600, 0o700));
    let requests = server.seen().len();
    assert!(answers(&sandbox));
    age(&sandbox, 40 * 86_400);
    assert!(answers(&sandbox));
    assert_eq!(server.seen().len(), requests);
}

/// Whether the metadata is fresh, or so old that the session itself has to say that it goes on.
#[test]
fn a_hit_reads_its_record_once() {
    if !has(&["strace"]) {
        return;
    }
    let (_server, sandbox) = signed_in();
    let record = sandbox.record();
    for old in [0, 40 * 86_400] {
        age(&sandbox, old);
        let log = sandbox.home().join("opened");
        let mut command = sandbox.command("strace");
        command.args(["-f", "-qq", "-e", "trace=open,openat", "-o"]).arg(&log).args(["keyfob", "git", "get"]);
        assert!(run(command, &ask("git.acme.dev")).stdout.contains("password="));
        let opened = fs::read_to_string(&log).unwrap();
        let reads = opened.lines().filter(|line| line.contains(record.to_str().unwrap())).count();
        assert_eq!(reads, 1, "{old}: {opened}");
    }
}

#[test]
fn a_refresh_is_one_request_however_old_the_metadata_is() {
    let (server, sandbox) = signed_in();
    for old in [0, 40 * 86_400] {
        sandbox.expire();
        age(&sandbox, old);
        let requests = server.seen().len();
        assert!(answers(&sandbox));
        assert_eq!(server.seen().len(), requests + 1);
    }
}

#[test]
fn a_sign_in_reads_metadata_again_after_a_day() {
    let (server, sandbox) = signed_in();
    for (old, reads) in [(3_600, 1), (86_401, 2)] {
        fs::remove_file(sandbox.record()).unwrap();
        age(&sandbox, old);
        assert!(sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")).stdout.contains("password=at_1"));
        assert_eq!(server.at(DESCRIPTION).len(), reads, "{old}");
    }
    sandbox.run_asking(&["login"], "");
    assert_eq!(server.at(DESCRIPTION).len(), 3, "a person who signs in looks again");
}

#[test]
fn another_token_endpoint_is_another_session_and_no_token_goes_there() {
    let (server, sandbox) = signed_in();
    let url = server.url();
    let moved = Scripted::start();
    moved.on("/token", [granted()]);
    let body = format!(
        r#"{{"issuer":"{url}","token_endpoint":"{}/token","device_authorization_endpoint":"{url}/device"}}"#,
        moved.url()
    );
    server.on(DESCRIPTION, [Reply::json(200, body)]);
    sandbox.expire();
    age(&sandbox, 40 * 86_400);
    assert!(answers(&sandbox), "the session goes on where it began");
    assert!(moved.seen().is_empty());
    let done = sandbox.run_asking(&["login"], "");
    assert!(
        done.stderr.contains(&format!(
            "{url} has moved from {} to {}: the session there is a new one\n",
            &url[7..],
            &moved.url()[7..]
        )),
        "{}",
        done.stderr
    );
    assert_eq!(sandbox.files(".json").len(), 2);
    for request in moved.seen() {
        assert!(!String::from_utf8_lossy(&request.body).contains("rt_secret"), "no token moved");
    }
    let status = sandbox.run(&["status", "--json"], "");
    assert!(status.stdout.contains(&format!("\"token_endpoint\": \"{}/token\"", moved.url())), "{}", status.stdout);
}

/// What may pass by itself is no reason to keep anybody out; what the issuer says is.
#[test]
fn an_issuer_that_fails_for_a_moment_is_taken_at_its_last_word() {
    for (status, is_signed_in) in [(503, true), (404, false)] {
        let (server, sandbox) = signed_in();
        fs::remove_file(sandbox.record()).unwrap();
        age(&sandbox, 86_401);
        server.on(DESCRIPTION, [Reply::json(status, "{}")]);
        let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
        assert_eq!(done.stdout.contains("password=at_1"), is_signed_in, "{status}: {done:?}");
        assert_eq!(server.at("/device").len(), if is_signed_in { 2 } else { 1 });
    }
}

#[test]
fn the_other_well_known_path_is_tried() {
    let (server, sandbox) = described();
    server.on(DESCRIPTION, [Reply::new(404, "text/html", "<h1>nothing</h1>")]);
    let url = server.url();
    let body = format!(
        r#"{{"issuer":"{url}","token_endpoint":"{url}/token","device_authorization_endpoint":"{url}/device"}}"#
    );
    server.on("/.well-known/oauth-authorization-server", [Reply::json(200, body)]);
    assert!(sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")).stdout.contains("password=at_1"));
}

#[test]
fn a_server_that_gains_a_device_flow_is_believed_at_once() {
    let (server, sandbox) = described();
    let url = server.url();
    server.on(DESCRIPTION, [Reply::json(200, format!(r#"{{"issuer":"{url}","token_endpoint":"{url}/token"}}"#))]);
    let ask_git = || sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(
        ask_git().stderr,
        format!(
            "keyfob: {} offers no device flow: its metadata names no device_authorization_endpoint\n\
             keyfob: hint: switch the device flow on there (see https://openid.net/specs/openid-connect-discovery-1_0.html), \
             or write device_authorization_endpoint in the profile\n",
            &url[7..]
        )
    );
    server.describe("", "");
    assert!(ask_git().stdout.contains("password=at_1"));
}

#[test]
fn endpoints_of_the_profile_go_first_and_spare_the_question() {
    let (server, sandbox) = described();
    let url = server.url();
    let given = |more: &str| {
        sandbox.configure(&format!(
            "[profile.acme]\nprovider = \"oidc\"\nclient_id = \"client_1\"\nhosts = [\"git.acme.dev\"]\nissuer = \"{url}\"\n\
             device_authorization_endpoint = \"{url}/own\"\n{more}\n"
        ));
    };
    server.on("/own", [code(&url, "")]);
    given(&format!("token_endpoint = \"{url}/token\""));
    assert!(sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")).stdout.contains("password=at_1"));
    assert!(server.at(DESCRIPTION).is_empty());
    given("");
    assert!(sandbox.run_asking(&["login"], "").stderr.contains("signed in to acme"));
    assert_eq!((server.at("/own").len(), server.at("/device").len()), (2, 0));
}

#[test]
fn endpoints_beyond_this_machine_have_to_be_https() {
    let (server, sandbox) = described();
    server.describe("", r#","device_authorization_endpoint":"http://evil.example/device""#);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(
        done.stderr.contains("names no usable device_authorization_endpoint: \"http://evil.example/device\"\n"),
        "{}",
        done.stderr
    );
}

#[test]
fn where_nobody_is_nothing_is_asked() {
    let (server, sandbox) = described();
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stderr.ends_with("; run: keyfob login acme --start\n"), "{}", done.stderr);
    for command in [&["status"][..], &["logout"], &["git", "erase"], &["docker", "list"]] {
        let done = sandbox.run(command, &ask("git.acme.dev"));
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{command:?}");
    }
    assert!(server.seen().is_empty());
}

#[test]
fn metadata_that_others_could_have_written_is_not_used() {
    let (_server, sandbox) = signed_in();
    fs::set_permissions(metadata(&sandbox), fs::Permissions::from_mode(0o666)).unwrap();
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stderr.contains("run: chmod 600"), "{}", done.stderr);
    fs::remove_file(metadata(&sandbox)).unwrap();
    assert!(sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")).stdout.contains("password=at_1"));
}
