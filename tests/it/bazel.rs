use std::process::Stdio;

use serde_json::Value;

use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, run};

fn asked(sandbox: &Sandbox, input: &str) -> Transcript {
    let mut command = sandbox.command("bazel-credential-keyfob");
    command.arg("get");
    run(command, input)
}

#[test]
fn a_host_of_a_profile_gets_headers_and_when_they_end() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    sandbox.run_asking(&["login"], "");
    for input in [r#"{"uri":"https://git.acme.dev/x/y"}"#, r#"{"uri":"grpcs://git.acme.dev","more":true}"#] {
        let done = asked(&sandbox, input);
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)));
        let answer: Value = serde_json::from_str(&done.stdout).unwrap();
        assert!(answer["headers"]["Authorization"][0].as_str().unwrap().starts_with("Bearer "), "{answer}");
        assert!(answer["expires"].as_str().unwrap().ends_with('Z'));
        assert_eq!(sandbox.run(&["helper", "bazel", "get"], input), done, "the same by our own words");
    }
    for input in [r#"{"uri":"https://elsewhere.dev"}"#, r#"{"uri":"http://git.acme.dev"}"#, r#"{"uri":"file:///x"}"#] {
        let done = asked(&sandbox, input);
        assert_eq!((done.stdout.as_str(), done.stderr.as_str(), done.code), ("{}\n", "", Some(0)), "{input}");
    }
}

#[test]
fn nobody_is_asked_and_an_error_is_one_line() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let mut command = sandbox.command("bazel-credential-keyfob");
    command.arg("get").env("KEYFOB_INTERACTIVE", "always");
    let done = run(command, r#"{"uri":"https://git.acme.dev"}"#);
    assert_eq!(done.stdout, "");
    assert_eq!(done.stderr, "keyfob: nobody is here to sign in to acme (bazel asks nobody); run: keyfob login acme\n");
    assert_eq!(done.code, Some(1));
    assert_eq!(provider.count(Endpoint::Start), 0);
    let done = asked(&sandbox, "nonsense");
    assert_eq!((done.stdout.as_str(), done.code), ("", Some(1)));
    assert_eq!(done.stderr.lines().count(), 1);
    for args in [&[][..], &["store"], &["get", "more"]] {
        let mut command = sandbox.command("bazel-credential-keyfob");
        command.args(args);
        let done = run(command, "");
        assert_eq!((done.stdout.as_str(), done.code), ("", Some(1)), "{args:?}");
        assert_eq!(done.stderr, "keyfob: usage: bazel-credential-keyfob get\n");
    }
}

/// Whoever writes late, and keeps the pipe open, is answered as soon as the request is whole.
#[test]
fn a_caller_that_writes_late_and_never_closes_is_answered() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    sandbox.run_asking(&["login"], "");
    let mut command = sandbox.command("bazel-credential-keyfob");
    let mut child = command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for piece in ["{\"uri\":", "\"https://git.acme.dev\"", "}"] {
        stdin.write_all(piece.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }
    let mut answer = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut answer).unwrap();
    assert!(answer.contains("Bearer "), "{answer}");
    assert!(child.wait().unwrap().success());
    drop(stdin);
}

#[test]
fn set_up_twice_and_taken_back() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let file = sandbox.home().join(".bazelrc");
    std::fs::write(&file, "build --jobs=2\n").unwrap();
    let done = sandbox.run(&["setup", "bazel"], "");
    assert_eq!(done.code, Some(0), "{done:?}");
    let line = "common --credential_helper=git.acme.dev=bazel-credential-keyfob\n";
    assert!(std::fs::read_to_string(&file).unwrap().contains(line));
    assert!(sandbox.run(&["setup", "bazel"], "").stdout.contains("nothing to change"));
    sandbox.run(&["setup", "bazel", "--undo"], "");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "build --jobs=2\n");
}
