//! `keyfob token`: the forms that programs read, and a token that lives as long as they need it.

use serde_json::{Value, json};

use crate::commands::signed_in;
use crate::support::http::Reply;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, run, workos};

fn value(done: &Transcript) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"))
}

fn token(sandbox: &Sandbox) -> String {
    sandbox.run(&["token", "acme"], "").stdout.trim_end().to_owned()
}

#[test]
fn each_form_is_the_token_and_nothing_else() {
    let (_provider, sandbox) = signed_in();
    let token = token(&sandbox);
    for (args, answer) in [
        (&["--bearer"][..], format!("Bearer {token}\n")),
        (&["--header"], format!("Authorization: Bearer {token}\n")),
        (&["--min-ttl", "1m"], format!("{token}\n")),
    ] {
        let done = sandbox.run(&[&["token", "acme"], args].concat(), "");
        assert_eq!(done, Transcript { stdout: answer, stderr: String::new(), code: Some(0) }, "{args:?}");
    }
    let headers = value(&sandbox.run(&["token", "https://git.acme.dev/mcp", "--header", "--json"], ""));
    assert_eq!(headers, json!({ "Authorization": format!("Bearer {token}") }), "any other member would be a header");

    let mut whole = value(&sandbox.run(&["token", "git.acme.dev", "--json"], ""));
    let left = whole["expires_in"].take().as_i64().unwrap();
    assert!((295..=300).contains(&left), "{left}");
    let end = whole["expires_at"].take();
    assert_eq!(end.as_str().unwrap().len(), "2026-11-22T00:00:00Z".len());
    let members = json!({
        "profile": "acme", "host": "git.acme.dev", "kind": "access", "token_type": "Bearer", "token": token,
        "expires_at": null, "expires_in": null,
    });
    assert_eq!(whole, members);
    assert_eq!(value(&sandbox.run(&["token", "--json"], ""))["host"], Value::Null);

    for args in [&["--bearer", "--header"][..], &["--bearer", "--json"], &["--min-ttl", "4"], &["--min-ttl", "-1s"]] {
        let done = sandbox.run(&[&["token", "acme"], args].concat(), "");
        assert_eq!(done.code, Some(2), "{args:?}");
        assert!(!done.stdout.contains(&token), "{done:?}");
    }
}

#[test]
fn an_id_token_says_so() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    let url = provider.url();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"workos-connect\"\nclient_id = \"client_test\"\nissuer = \"{url}\"\n"
    ));
    sandbox.run(&["login"], "");
    let id = value(&sandbox.run(&["token", "--id", "--json"], ""));
    assert_eq!(id["kind"], "id");
    let headers = value(&sandbox.run(&["token", "--id", "--header", "--json"], ""));
    assert_eq!(headers["Authorization"], format!("Bearer {}", id["token"].as_str().unwrap()));
    assert!(provider.accepts_id(id["token"].as_str().unwrap()));
}

/// Claude Code runs one line for every server, and names that in a variable.
#[test]
fn the_server_that_is_told_in_a_variable_counts_where_nothing_is_named() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    sandbox.configure(
        &[
            workos(&provider, "a", "account = \"a\"\nhosts = [\"mcp.a.dev\"]"),
            workos(&provider, "b", "account = \"b\"\nhosts = [\"mcp.b.dev\"]"),
        ]
        .concat(),
    );
    for name in ["a", "b"] {
        assert_eq!(sandbox.run(&["login", name], "").code, Some(0));
    }
    let told = |url: &str, args: &[&str]| {
        let mut command = sandbox.keyfob(&[&["token", "--json"], args].concat());
        command.env("CLAUDE_CODE_MCP_SERVER_URL", url);
        run(command, "")
    };
    assert_eq!(value(&told("https://mcp.a.dev/mcp", &[]))["profile"], "a");
    assert_eq!(value(&told("https://mcp.b.dev/mcp", &[]))["profile"], "b");
    assert_eq!(value(&told("https://mcp.a.dev/mcp", &["b"]))["profile"], "b", "what is named goes before");
    assert_eq!(value(&told("", &["b"]))["profile"], "b");
    for url in ["https://elsewhere.dev/mcp", "http://mcp.a.dev/mcp", "nonsense", "a", ""] {
        let done = told(url, &[]);
        assert_eq!((done.code, &value(&done)["error"]["kind"]), (Some(2), &json!("usage")), "{url}: {done:?}");
    }
    let inline = ["--provider", "workos", "--client-id", "c", "--host", "mcp.a.dev"];
    assert_eq!(told("https://mcp.a.dev/mcp", &inline).code, Some(3), "another profile, and nobody has signed in to it");
}

/// Makes so many seconds of the token's life pass.
fn age(sandbox: &Sandbox, seconds: i64) {
    sandbox.edit(|record| {
        for (_, token) in record["tokens"].as_object_mut().unwrap() {
            for moment in ["received_at", "expires_at"] {
                token[moment] = (token[moment].as_i64().unwrap() - seconds).into();
            }
        }
    });
}

#[test]
fn a_token_with_less_left_than_is_wanted_is_renewed_first() {
    let (provider, sandbox) = signed_in();
    let old = token(&sandbox);
    age(&sandbox, 100);
    assert_eq!(sandbox.run(&["token", "--min-ttl", "3m"], "").stdout.trim_end(), old, "200 seconds are left");
    assert_eq!(sandbox.run(&["token"], "").stdout.trim_end(), old);
    let done = sandbox.run(&["token", "--min-ttl", "4m", "--json"], "");
    let new = value(&done);
    assert!(new["expires_in"].as_i64().unwrap() >= 240 && done.stderr.is_empty(), "{done:?}");
    assert!(new["token"] != old.as_str() && provider.accepts(new["token"].as_str().unwrap()));
    assert_eq!(provider.count(Endpoint::Refresh), 1);
    assert_eq!(sandbox.run(&["token", "--min-ttl", "4m"], "").stdout.trim_end(), new["token"].as_str().unwrap());
    assert_eq!(provider.count(Endpoint::Refresh), 1, "now it is a hit");
}

#[test]
fn nobody_grants_longer_tokens_for_being_asked_again() {
    let (provider, sandbox) = signed_in();
    for _ in 0..2 {
        let done = sandbox.run(&["token", "--min-ttl", "10m"], "");
        let host = provider.url().replace("http://", "");
        assert_eq!((done.stdout.as_str(), done.code), ("", Some(1)));
        assert_eq!(
            done.stderr,
            format!(
                "keyfob: {host} grants tokens that live 5 minutes, and 10 minutes are wanted\n\
                 keyfob: hint: want less, or have the provider grant longer ones\n"
            )
        );
    }
    assert_eq!(provider.count(Endpoint::Refresh), 0);
    // It has ended: there is no telling before what the next will be.
    sandbox.expire();
    let done = sandbox.run(&["token", "--min-ttl", "10m"], "");
    assert!(done.stderr.contains("grants tokens that live 5 minutes"), "{done:?}");
    assert_eq!(provider.count(Endpoint::Refresh), 1);
    provider.change(|manners| manners.token_life = 3_600);
    sandbox.expire();
    assert_eq!(sandbox.run(&["token", "--min-ttl", "10m"], "").code, Some(0));
}

#[test]
fn where_it_cannot_be_renewed_that_is_said_and_nothing_is_served() {
    let (provider, sandbox) = signed_in();
    age(&sandbox, 100);
    for _ in 0..3 {
        provider.instead(Endpoint::Refresh, Reply::json(503, "{}"));
    }
    let done = sandbox.run(&["token", "--min-ttl", "4m", "--json"], "");
    let said = value(&done);
    assert_eq!((done.code, &said["error"]["kind"]), (Some(1), &json!("unreachable")), "{done:?}");
    assert!(done.stderr.contains("cannot renew the session of acme"), "{done:?}");
    assert_eq!(sandbox.run(&["token"], "").code, Some(0), "what lives serves whoever wants no more");

    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(&provider, "acme", "keep_refresh_token = false"));
    sandbox.run(&["login"], "");
    age(&sandbox, 100);
    let mut command = sandbox.keyfob(&["token", "--min-ttl", "4m"]);
    // Somebody is there, and is not asked: a sign-in is not silent.
    command.env("KEYFOB_INTERACTIVE", "always");
    let done = run(command, "");
    assert_eq!((done.stdout.as_str(), done.code), ("", Some(3)));
    assert!(
        done.stderr.contains("ends in 3 minutes, 4 minutes are wanted, and nothing renews it; run: keyfob login acme"),
        "{done:?}"
    );
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 0));
}
