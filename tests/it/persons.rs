//! Whether the right person signed in: the one whom the profile expects, else the one of before.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::http::{Reply, Request};
use crate::support::sandbox::{Sandbox, ask};
use crate::support::scripted::{Scripted, code};

fn granted(who: &str) -> Reply {
    let user = if who.is_empty() {
        Value::Null
    } else {
        json!({ "id": format!("user_{who}"), "email": format!("{who}@acme.dev") })
    };
    let body = json!({ "access_token": format!("at_{who}"), "refresh_token": format!("rt_{who}"), "expires_in": 300, "user": user });
    Reply::json(200, body.to_string())
}

fn home(server: &Scripted, more: &str) -> Sandbox {
    let url = server.url();
    let sandbox = Sandbox::new();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"workos\"\nclient_id = \"c\"\nbase_url = \"{url}\"\nhosts = [\"git.acme.dev\"]\n{more}"
    ));
    server.on("/user_management/authorize/device", [code(&url, "")]);
    sandbox
}

const TOKEN: &str = "/user_management/authenticate";

#[test]
fn another_person_than_the_profile_expects_is_not_kept() {
    let server = Scripted::start();
    let sandbox = home(&server, "account = \"a label\"\nexpect = \"Ann@acme.dev\"\n");
    server.on(TOKEN, [granted("bob"), granted("ann")]);
    let wrong = sandbox.run(&["login"], "");
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    let said = "keyfob: bob@acme.dev signed in to acme, which expects Ann@acme.dev: nothing was kept\n\
                keyfob: hint: to sign in as that person, run: keyfob login acme --start --force\n";
    assert!(wrong.stderr.ends_with(said), "{wrong:?}");
    assert!(!std::fs::read_to_string(sandbox.record()).unwrap().contains("_bob"));
    assert_eq!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout, "quit=1\n");
    let right = sandbox.run(&["login"], "");
    assert_eq!(right.code, Some(0), "{right:?}");
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.contains("password=at_ann\n"));
}

#[test]
fn the_person_of_before_is_pinned_until_somebody_says_otherwise() {
    let server = Scripted::start();
    let sandbox = home(&server, "");
    server.on(TOKEN, [granted("ann"), granted("bob"), granted("bob"), granted("ann")]);
    assert_eq!(sandbox.run(&["login"], "").code, Some(0));
    let wrong = sandbox.run(&["login"], "");
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    let said = "keyfob: the sign-in that is not kept may live on at the provider: its tokens name no session to end\n\
                keyfob: bob@acme.dev signed in to acme, and before it was ann@acme.dev: nothing was kept\n\
                keyfob: hint: if that is meant, run: keyfob login acme --select-account --start\n";
    assert!(wrong.stderr.ends_with(said), "{wrong:?}");
    assert!(
        sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.contains("password=at_ann\n"),
        "what was kept stays"
    );
    let meant = sandbox.run(&["login", "--select-account"], "");
    assert_eq!(meant.code, Some(0), "{meant:?}");
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.contains("password=at_bob\n"));
    assert_eq!(sandbox.run(&["login"], "").code, Some(1), "now that one is pinned");
}

#[test]
fn where_nothing_tells_who_it_was_that_is_said_once() {
    let server = Scripted::start();
    let sandbox = home(&server, "expect = \"ann@acme.dev\"\n");
    server.on(TOKEN, [granted("")]);
    let done = sandbox.run(&["login"], "");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("does not tell who signed in, so ann@acme.dev is not compared"), "{done:?}");
}

/// A sign-in by somebody else, and what the provider was told of it.
fn signed_in_by_another(answers: [Reply; 2], more: &str, sign_out: (&str, Reply)) -> (String, Vec<Request>) {
    let server = Scripted::start();
    let url = server.url();
    let sandbox = Sandbox::new();
    sandbox.configure(&format!(
        "[profile.acme]\nclient_id = \"c\"\nhosts = [\"git.acme.dev\"]\n{}",
        more.replace("URL", &url)
    ));
    for path in ["/user_management/authorize/device", "/device"] {
        server.on(path, [code(&url, "")]);
    }
    for path in [TOKEN, "/token"] {
        server.on(path, answers.clone());
    }
    server.on(sign_out.0, [sign_out.1]);
    assert_eq!(sandbox.run(&["login"], "").code, Some(0));
    let wrong = sandbox.run(&["login"], "");
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.contains("ann"), "what was kept stays");
    (wrong.stderr, server.at(sign_out.0))
}

/// Tokens of a provider that says in an ID token who signed in.
fn identified(who: &str) -> Reply {
    let id = format!("e30.{}.s", URL_SAFE_NO_PAD.encode(json!({ "sub": who, "exp": 4_000_000_000_u64 }).to_string()));
    let body = json!({ "access_token": format!("at_{who}"), "refresh_token": format!("rt_{who}"), "id_token": id, "expires_in": 300 });
    Reply::json(200, body.to_string())
}

const REVOKES: &str = "provider = \"oauth\"\nscopes = [\"openid\"]\ndevice_authorization_endpoint = \"URL/device\"\n\
                       token_endpoint = \"URL/token\"\nrevocation_endpoint = \"URL/revoke\"\n";

#[test]
fn what_another_person_signed_in_to_is_revoked() {
    let answers = || [identified("ann"), identified("bob")];
    let (said, told) = signed_in_by_another(answers(), REVOKES, ("/revoke", Reply::json(200, "")));
    assert!(!said.contains("may live on"), "{said}");
    let told: Vec<_> = told.iter().map(Request::form).collect();
    assert_eq!(told.len(), 1, "the sign-in that is not kept, and no other");
    assert_eq!(told[0]["token"], "rt_bob");

    // Also where no refresh token would have been kept.
    let keeps_none = format!("{REVOKES}keep_refresh_token = false\n");
    let (_, told) = signed_in_by_another(answers(), &keeps_none, ("/revoke", Reply::json(200, "")));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].form()["token"], "rt_bob");

    let (said, _) = signed_in_by_another(answers(), REVOKES, ("/revoke", Reply::json(503, "rt_bob")));
    let why = "the sign-in that is not kept may live on at the provider: 127.0.0.1";
    assert!(said.contains(why) && said.contains("answered with HTTP status 503"), "{said}");
    assert!(!said.contains("rt_bob"), "{said}");
}

#[test]
fn the_session_of_another_person_at_workos_is_ended() {
    let granted = |who: &str| {
        let claims = json!({ "iat": 1, "exp": 4_000_000_000_u64, "sid": format!("session_{who}"), "ann": who });
        let access = format!("{who}.{}.s", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let user = json!({ "id": format!("user_{who}"), "email": format!("{who}@acme.dev") });
        Reply::json(200, json!({ "access_token": access, "refresh_token": "rt", "user": user }).to_string())
    };
    let workos = "provider = \"workos\"\nbase_url = \"URL\"\n";
    let sign_out = ("/user_management/sessions/logout", Reply::json(200, ""));
    let (said, told) = signed_in_by_another([granted("ann"), granted("bob")], workos, sign_out);
    assert!(!said.contains("may live on"), "{said}");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].query, "session_id=session_bob");
}
