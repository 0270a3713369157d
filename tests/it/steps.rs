//! A sign-in in steps, for whoever sees nothing of a command before it ends; and what a program is told when one is needed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::commands::signed_in;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, begin, finish, open_code, run, wait_for};

fn value(done: &Transcript) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"))
}

/// Runs what an answer names as the next step.
fn follow(sandbox: &Sandbox, answer: &Value) -> Transcript {
    let words: Vec<&str> = answer.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words[0], "keyfob");
    sandbox.run(&words[1..], "")
}

#[test]
fn begun_shown_approved_and_waited_for() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let begun = sandbox.run(&["login", "acme", "--start", "--json"], "");
    assert_eq!((begun.stderr.as_str(), begun.code), ("", Some(0)));
    let begun = value(&begun);
    let (code, page) = (begun["user_code"].as_str().unwrap(), format!("{}/device", provider.url()));
    assert_eq!((&begun["state"], &begun["profile"]), (&json!("waiting"), &json!("acme")));
    let complete = format!("{page}?user_code={code}");
    assert_eq!((&begun["verification_uri"], &begun["verification_uri_complete"]), (&json!(page), &json!(complete)));
    assert_eq!(
        begun["message"],
        format!("to sign in to acme, open {complete} and approve the code {code} within 5 minutes")
    );
    assert_eq!(begun["next"], json!(["keyfob", "login", "acme", "--wait", "60s", "--json"]));

    let began = Instant::now();
    let waited = sandbox.run(&["login", "acme", "--wait", "2s", "--json"], "");
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(waited.code, Some(3));
    let still = value(&waited);
    assert_eq!((&still["user_code"], &still["state"]), (&begun["user_code"], &json!("waiting")));
    assert!(still["expires_in"].as_i64() < begun["expires_in"].as_i64(), "{still}");

    let words = sandbox.run(&["login", "acme", "--wait", "0s"], "");
    assert_eq!((words.stdout.as_str(), words.code), ("", Some(3)));
    let last = format!(
        "keyfob: the sign-in to acme waits for approval of {code} at {page}; approve it, and run: keyfob login acme --wait 60s\n"
    );
    assert!(words.stderr.ends_with(&last), "{words:?}");

    provider.decide(code, true);
    let done = follow(&sandbox, &begun["next"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let members = json!({
        "profile": "acme", "state": "signed_in", "message": "signed in to acme as ann@acme.dev",
        "subject": "user_1", "email": "ann@acme.dev",
    });
    assert_eq!(value(&done), members);
    assert_eq!(provider.count(Endpoint::Start), 1);
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.starts_with("username="));
}

#[test]
fn beside_a_living_session_nothing_begins_unless_it_is_to() {
    let (provider, sandbox) = signed_in();
    for args in [&["--start"][..], &["--wait", "1s"]] {
        let done = sandbox.run(&[&["login", "acme"], args].concat(), "");
        let told = Transcript {
            stdout: "signed in to acme as ann@acme.dev\n".to_owned(),
            stderr: String::new(),
            code: Some(0),
        };
        assert_eq!(done, told, "{args:?}");
        let told = value(&sandbox.run(&[&["login", "git.acme.dev", "--json"], args].concat(), ""));
        assert_eq!(told["state"], "signed_in");
    }
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 0));
    sandbox.expire();
    assert_eq!(value(&sandbox.run(&["login", "--start", "--json"], ""))["state"], "signed_in");
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 1), "renewed, to be sure");

    provider.change(|manners| manners.approves_by_itself = false);
    let anew = value(&sandbox.run(&["login", "https://git.acme.dev/x", "--start", "--force", "--json"], ""));
    assert_eq!(anew["next"], json!(["keyfob", "login", "https://git.acme.dev/x", "--wait", "60s", "--json"]));
    assert_eq!(provider.count(Endpoint::Start), 2);
    let same = value(&sandbox.run(&["login", "--start", "--json"], ""));
    assert_eq!(
        (&same["state"], &same["user_code"]),
        (&json!("waiting"), &anew["user_code"]),
        "what was begun is shown"
    );
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.starts_with("username="), "the session goes on");
    provider.decide(anew["user_code"].as_str().unwrap(), true);
    assert_eq!(value(&follow(&sandbox, &anew["next"]))["state"], "signed_in");
    assert_eq!(provider.count(Endpoint::Start), 2);

    // A person's own word is what it always was, and --force is no other.
    provider.change(|manners| manners.approves_by_itself = true);
    for args in [&["login"][..], &["login", "--force"], &["login", "--wait", "20s", "--force"]] {
        assert_eq!(sandbox.run(args, "").code, Some(0));
    }
    assert_eq!(provider.count(Endpoint::Start), 5);
    assert_eq!(value(&sandbox.run(&["login", "--json"], ""))["state"], "signed_in");
}

#[test]
fn a_session_that_the_provider_has_ended_is_begun_anew() {
    let (provider, sandbox) = signed_in();
    sandbox.expire();
    provider.instead(
        Endpoint::Refresh,
        crate::support::http::Reply::json(400, r#"{"error":"invalid_grant","error_description":"ended"}"#),
    );
    provider.change(|manners| manners.approves_by_itself = false);
    assert_eq!(value(&sandbox.run(&["login", "--start", "--json"], ""))["state"], "waiting");
    assert_eq!(provider.count(Endpoint::Start), 2);
}

#[test]
fn waiting_begins_what_nobody_has_begun_and_leaves_it_to_the_next() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let first = sandbox.run(&["login", "--wait", "1s", "--json"], "");
    assert_eq!(first.code, Some(3));
    let code = value(&first)["user_code"].clone();
    assert!(
        first.stderr.contains("approve only if you just ran this on"),
        "whoever reads stderr sees it at once: {first:?}"
    );
    assert_eq!(value(&sandbox.run(&["login", "--start", "--json"], ""))["user_code"], code);
    provider.decide(code.as_str().unwrap(), false);
    let denied = sandbox.run(&["login", "--wait", "20s", "--json"], "");
    assert_eq!(denied.code, Some(1));
    let error = &value(&denied)["error"];
    assert_eq!(
        (&error["kind"], &error["run"]),
        (&json!("refused"), &json!(["keyfob", "login", "acme", "--start", "--force"]))
    );
    assert_eq!(provider.count(Endpoint::Start), 1);
}

/// What was waited for a while only is redeemed by whoever comes next, also beside a session that would do without.
#[test]
fn what_is_waited_for_no_longer_is_redeemed_by_the_next() {
    let (provider, sandbox) = signed_in();
    provider.change(|manners| manners.approves_by_itself = false);
    let get = || sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout;
    let before = get();
    let waited = sandbox.run(&["login", "--wait", "0s", "--force", "--json"], "");
    assert_eq!(waited.code, Some(3));
    provider.decide(value(&waited)["user_code"].as_str().unwrap(), true);
    wait_for("approval to be redeemed", || (get() != before).then_some(()));
    assert_eq!(provider.count(Endpoint::Start), 2);
}

/// Another process polls: whoever waits beside it waits no longer than it wants to, and ends nothing.
#[test]
fn two_wait_each_as_long_as_it_wants() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let long = begin(sandbox.keyfob(&["login", "--wait", "60s", "--json"]), "");
    let code = open_code(&provider);
    wait_for("poll", || (provider.count(Endpoint::Poll) > 0).then_some(()));
    let began = Instant::now();
    let short = sandbox.run(&["login", "--wait", "1s", "--json"], "");
    assert!(began.elapsed() < Duration::from_secs(30), "not as long as the other");
    assert_eq!((short.code, &value(&short)["user_code"]), (Some(3), &json!(code)));
    provider.decide(&code, true);
    let long = finish(long);
    assert_eq!((long.code, &value(&long)["state"]), (Some(0), &json!("signed_in")), "{long:?}");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn who_needs_a_person_is_told_what_they_would_approve() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let none = sandbox.run(&["token", "acme", "--json"], "");
    let error = &value(&none)["error"];
    assert_eq!((none.code, &error["kind"], &error["pending"]), (Some(3), &json!("person_needed"), &Value::Null));
    assert_eq!(error["run"], json!(["keyfob", "login", "acme", "--start"]), "nothing that waits");
    let begun = value(&sandbox.run(&["login", "acme", "--start", "--json"], ""));
    for args in [&["token", "--json"][..], &["token", "--header", "--json"]] {
        let waits = sandbox.run(args, "");
        let error = &value(&waits)["error"];
        assert_eq!((waits.code, &error["kind"]), (Some(3), &json!("person_needed")), "{waits:?}");
        for member in ["user_code", "verification_uri", "verification_uri_complete", "expires_at", "interval"] {
            assert_eq!(error["pending"][member], begun[member], "{member}");
        }
        assert!(error["pending"]["expires_in"].as_i64().unwrap() <= 300);
        assert!(!waits.stdout.contains("dc_secret"));
    }
    let mut never = sandbox.keyfob(&["login", "--wait", "1s", "--json"]);
    never.env("KEYFOB_INTERACTIVE", "never");
    assert_eq!(value(&run(never, ""))["user_code"], begun["user_code"]);
}

#[test]
fn with_somebody_who_sees_it_the_hint_is_the_command_that_waits() {
    let provider = Provider::with(Manners { code_life: 1, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let seen = sandbox.run_asking(&["token", "acme"], "");
    assert!(seen.stderr.ends_with("for a new one, run: keyfob login acme\n"), "{seen:?}");
    let unseen = sandbox.run(&["login", "acme"], "");
    assert!(unseen.stderr.ends_with("for a new one, run: keyfob login acme --start --force\n"), "{unseen:?}");
}

/// What is off is JSON where JSON was asked for: of people's commands, and not of what follows `--`.
#[test]
fn a_call_that_is_off_is_json_where_that_was_asked_for() {
    let sandbox = Sandbox::new();
    for (args, help) in [
        (&["token", "--json", "--wrong"][..], json!(["keyfob", "token", "--help"])),
        (&["login", "--start", "--wait", "1s", "--json"], json!(["keyfob", "login", "--help"])),
        (&["doctor", "--json", "a", "b"], json!(["keyfob", "doctor", "--help"])),
    ] {
        let done = sandbox.run(args, "");
        let error = &value(&done)["error"];
        assert_eq!((done.code, &error["kind"], &error["run"]), (Some(2), &json!("usage"), &help), "{args:?}");
        assert!(done.stderr.starts_with("keyfob: "));
    }
    for args in [&["run", "--wrong", "--", "jq", "--json"][..], &["docker", "--json"], &["kubectl", "--json"]] {
        assert_eq!(sandbox.run(args, "").stdout, "", "{args:?}");
    }
    assert_eq!(sandbox.run(&["git", "get", "--json"], "").stdout, "quit=1\n");
}
