//! Whether the right person signed in: the one whom the profile expects, else the one of before.

use serde_json::{Value, json};

use crate::support::http::Reply;
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
                keyfob: hint: to sign in as that person, run: keyfob login acme\n";
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
    let said = "keyfob: bob@acme.dev signed in to acme, and before it was ann@acme.dev: nothing was kept\n\
                keyfob: hint: if that is meant, run: keyfob login acme --select-account\n";
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
