//! What a refresh cannot bring is never asked of one: a resource that the sign-in did not name (RFC 8707), an ID token that comes with
//! sign-ins alone (OpenID Connect Core section 12.2). A refresh that cannot succeed spends the refresh token all the same.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::support::http::{Reply, Request};
use crate::support::sandbox::{Sandbox, Transcript, ask, now};
use crate::support::scripted::{Scripted, code, refusal};

fn configure(sandbox: &Sandbox, server: &Scripted, more: &str) {
    let url = server.url();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"oauth\"\nclient_id = \"c\"\ndevice_authorization_endpoint = \"{url}/device\"\n\
         token_endpoint = \"{url}/token\"\n{more}"
    ));
}

fn granted(number: usize) -> Reply {
    let body =
        json!({ "access_token": format!("at_{number}"), "refresh_token": format!("rt_{number}"), "expires_in": 300 });
    Reply::json(200, body.to_string())
}

fn get(sandbox: &Sandbox, host: &str) -> Transcript {
    sandbox.run(&["git", "get"], &ask(host))
}

fn named(request: &Request) -> Vec<String> {
    request.fields().into_iter().filter(|(name, _)| name == "resource").map(|(_, value)| value).collect()
}

const TWO: &str = "hosts = [\"a.dev\", \"b.dev\"]\n[profile.acme.at.\"a.dev\"]\nresource = \"https://a.dev/api\"\n\
                   [profile.acme.at.\"b.dev\"]\nresource = \"https://b.dev/api\"\n";

#[test]
fn a_sign_in_names_every_resource_and_each_refresh_one() {
    let server = Scripted::start();
    let sandbox = Sandbox::new();
    configure(&sandbox, &server, TWO);
    server.on("/device", [code(&server.url(), "")]);
    server.on("/token", (1..9).map(granted));
    let done = sandbox.run_asking(&["git", "get"], &ask("a.dev"));
    assert!(done.stdout.contains("password=at_1\n"), "{done:?}");
    assert_eq!(named(&server.at("/device")[0]), ["https://a.dev/api", "https://b.dev/api"]);
    assert!(get(&sandbox, "b.dev").stdout.contains("password=at_2\n"));
    assert!(get(&sandbox, "a.dev").stdout.contains("password=at_1\n"), "both live beside each other");
    let sent: Vec<Vec<String>> = server.at("/token").iter().map(named).collect();
    assert_eq!(sent, [["https://a.dev/api"], ["https://b.dev/api"]]);
}

/// One that the provider does not know keeps nobody out of the others.
#[test]
fn a_resource_that_is_not_known_there_is_named_and_the_others_go_on() {
    let server = Scripted::start();
    let sandbox = Sandbox::new();
    configure(&sandbox, &server, TWO);
    let unknown = || refusal(400, "invalid_target", "Unknown resource");
    server.on("/device", [unknown(), code(&server.url(), ""), unknown()]);
    server.on("/token", (1..9).map(granted));
    let done = sandbox.run_asking(&["git", "get"], &ask("a.dev"));
    assert!(done.stdout.contains("password=at_1\n"), "{done:?}");
    let sent: Vec<Vec<String>> = server.at("/device").iter().map(named).collect();
    assert_eq!(sent, [vec!["https://a.dev/api", "https://b.dev/api"], vec!["https://a.dev/api"]]);
    let other = sandbox.run_asking(&["git", "get"], &ask("b.dev"));
    assert!(
        other.stderr.contains("invalid_target: Unknown resource") && other.stderr.contains("https://b.dev/api"),
        "{other:?}"
    );
    assert_eq!(server.at("/token").len(), 1, "no refresh was spent on it");
}

/// Profiles that go by one session are signed in by one approval, with the resources of both.
#[test]
fn profiles_that_share_a_session_name_each_others_resources() {
    let server = Scripted::start();
    let url = server.url();
    let sandbox = Sandbox::new();
    let twin = format!(
        "hosts = [\"a.dev\"]\nresource = \"https://a.dev/api\"\n[profile.twin]\nprovider = \"oauth\"\nclient_id = \"c\"\n\
         device_authorization_endpoint = \"{url}/device\"\ntoken_endpoint = \"{url}/token\"\nhosts = [\"b.dev\"]\n\
         resource = \"https://b.dev/api\"\n"
    );
    configure(&sandbox, &server, &twin);
    server.on("/device", [code(&url, "")]);
    server.on("/token", (1..9).map(granted));
    assert!(sandbox.run_asking(&["git", "get"], &ask("a.dev")).stdout.contains("password=at_1\n"));
    assert_eq!(named(&server.at("/device")[0]), ["https://a.dev/api", "https://b.dev/api"]);
    assert!(get(&sandbox, "b.dev").stdout.contains("password=at_2\n"));
}

#[test]
fn a_resource_that_was_not_named_is_a_new_sign_in_and_no_refresh() {
    let server = Scripted::start();
    let sandbox = Sandbox::new();
    configure(&sandbox, &server, "hosts = [\"a.dev\"]\nresource = \"https://a.dev/api\"\n");
    server.on("/device", [code(&server.url(), "")]);
    server.on("/token", (1..9).map(granted));
    assert!(sandbox.run_asking(&["git", "get"], &ask("a.dev")).stdout.contains("password=at_1\n"));
    configure(&sandbox, &server, TWO);
    for _ in 0..3 {
        let away = get(&sandbox, "b.dev");
        assert!(away.stderr.contains("run: keyfob login acme"), "{away:?}");
    }
    assert_eq!(server.at("/token").len(), 1, "no refresh that cannot succeed");
    assert!(get(&sandbox, "a.dev").stdout.contains("password=at_1\n"), "and what was granted goes on");
    let done = sandbox.run_asking(&["git", "get"], &ask("b.dev"));
    assert!(done.stdout.contains("password=at_2\n"), "{done:?}");
    assert_eq!(named(&server.at("/device")[1]), ["https://a.dev/api", "https://b.dev/api"]);
}

/// A session of an earlier keyfob does not say what it named: that is found out once.
#[test]
fn a_resource_that_is_refused_is_not_asked_for_by_a_refresh_again() {
    let server = Scripted::start();
    let sandbox = Sandbox::new();
    configure(&sandbox, &server, TWO);
    server.on("/device", [code(&server.url(), "")]);
    server.on("/token", [granted(1), refusal(400, "invalid_target", "Not granted"), granted(2)]);
    assert!(sandbox.run_asking(&["git", "get"], &ask("a.dev")).stdout.contains("password=at_1\n"));
    sandbox.edit(|record| {
        record.as_object_mut().unwrap().remove("resources");
    });
    let first = get(&sandbox, "b.dev");
    assert!(
        first.stderr.contains("has ended (invalid_target: Not granted)") && first.stderr.contains("keyfob login"),
        "{first:?}"
    );
    let second = get(&sandbox, "b.dev");
    assert!(second.stderr.contains("keyfob login acme"), "{second:?}");
    assert_eq!(server.at("/token").len(), 2);
}

#[test]
fn an_id_token_that_no_refresh_brings_is_a_sign_in() {
    let server = Scripted::start();
    let sandbox = Sandbox::new();
    configure(&sandbox, &server, "hosts = [\"a.dev\"]\ntoken = \"id\"\nscopes = [\"openid\", \"offline_access\"]\n");
    server.on("/device", [code(&server.url(), "")]);
    let began = now();
    let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"iat":{began},"exp":{}}}"#, began + 300));
    let id = |n: usize| format!("e30.{claims}.{n}");
    let with_id = |n: usize| {
        let body = json!({ "access_token": format!("at_{n}"), "refresh_token": format!("rt_{n}"), "id_token": id(n), "expires_in": 300 });
        Reply::json(200, body.to_string())
    };
    server.on("/token", [with_id(1), granted(2), with_id(3)]);
    let done = sandbox.run_asking(&["git", "get"], &ask("a.dev"));
    assert!(done.stdout.contains(&format!("password={}\n", id(1))), "{done:?}");
    let end = || {
        sandbox.edit(|record| {
            for (_, token) in record["tokens"].as_object_mut().unwrap() {
                (token["received_at"], token["expires_at"]) = ((now() - 300).into(), (now() - 1).into());
                token["id_expires_at"] = (now() - 1).into();
            }
        });
    };
    end();
    for _ in 0..10 {
        let away = get(&sandbox, "a.dev");
        assert!(away.stderr.contains("nobody is here to sign in") && away.stderr.contains("keyfob login"), "{away:?}");
    }
    assert_eq!(server.at("/token").len(), 2, "one refresh found it out");
    let again = sandbox.run_asking(&["git", "get"], &ask("a.dev"));
    assert!(again.stdout.contains(&format!("password={}\n", id(3))), "{again:?}");
    assert_eq!((server.at("/token").len(), server.at("/device").len()), (3, 2));
}
