use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{World, browser};
use crate::support::sandbox::{ask, begin, finish, wait_for};

/// What a JWT says, unverified.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_else(|| panic!("no JWT: {token}"));
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The status and the error that the token endpoint has for a refresh token.
fn presented(world: &World, refresh_token: &str) -> (u16, String) {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
    let form = [("grant_type", "refresh_token"), ("client_id", "cli"), ("refresh_token", refresh_token)];
    let mut answer = agent.post(format!("{}/token", world.issuer)).send_form(form).unwrap();
    let body: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    (answer.status().as_u16(), body["error"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_sign_in_is_waited_for_and_every_later_get_is_a_hit() {
    let Some(world) = World::new(300) else { return };
    let child = world.sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    let code = wait_for("code", || {
        let records = world.sandbox.files(".json");
        let record: Value = serde_json::from_slice(&std::fs::read(records.first()?).ok()?).ok()?;
        Some(record["pending"]["user_code"].as_str()?.to_owned())
    });
    browser::decide(&world.issuer, &code, true);
    let done = finish(child);
    assert!(done.stderr.ends_with("keyfob: signed in to acme as alice@acme.dev\n"), "{}", done.stderr);
    let token = world.get("git.acme.dev");
    assert!(done.stdout.starts_with(&format!("username=oauth2\npassword={token}\npassword_expiry_utc=")), "{done:?}");
    assert_eq!((&claims(&token)["aud"], &claims(&token)["client_id"]), (&"urn:api".into(), &"cli".into()));
    let id_token = world.sandbox.run(&["token", "acme", "--id"], "").stdout;
    assert_eq!((&claims(&id_token)["aud"], &claims(&id_token)["sub"]), (&"cli".into(), &"alice".into()));
}

#[test]
fn a_denial_is_told_as_one() {
    let Some(world) = World::new(300) else { return };
    let code = world.start("git.acme.dev");
    browser::decide(&world.issuer, &code, false);
    world.due();
    let done = world.sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        (
            "quit=1\n",
            "keyfob: the sign-in to acme was denied: End-User aborted interaction\nkeyfob: hint: to try again, run: keyfob login acme --start --force\n"
        )
    );
}

#[test]
fn a_code_that_expires_there_is_told_as_expired() {
    let Some(world) = World::new(1) else { return };
    let began = Instant::now();
    world.start("git.acme.dev");
    // By our clock it lives: it is the server that says so.
    world.sandbox.edit(|record| {
        let pending = &mut record["pending"];
        pending["expires_at"] = (pending["expires_at"].as_i64().unwrap() + 300).into();
    });
    wait_for("end of the code", || (began.elapsed() > Duration::from_millis(2_500)).then_some(()));
    world.due();
    let done = world.sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        (
            "quit=1\n",
            "keyfob: the code expired before it was approved: device code is expired\nkeyfob: hint: for a new one, run: keyfob login acme --start --force\n"
        )
    );
}

#[test]
fn each_refresh_rotates_and_many_at_once_are_one() {
    let Some(world) = World::new(300) else { return };
    let mut known = vec![world.sign_in("git.acme.dev")];
    for _ in 0..3 {
        let before = world.refresh_token();
        world.sandbox.expire();
        let children: Vec<_> =
            (0..8).map(|_| begin(world.sandbox.keyfob(&["git", "get"]), &ask("git.acme.dev"))).collect();
        let answers: Vec<_> = children.into_iter().map(finish).collect();
        assert!(
            answers.iter().all(|answer| answer.stdout == answers[0].stdout && answer.stderr.is_empty()),
            "{answers:?}"
        );
        let token = world.get("git.acme.dev");
        assert!(!known.contains(&token));
        known.push(token);
        assert_ne!(world.refresh_token(), before);
    }
}

#[test]
fn a_refresh_token_presented_twice_ends_the_session_and_it_is_said() {
    let Some(world) = World::new(300) else { return };
    world.sign_in("git.acme.dev");
    let first = world.refresh_token();
    world.sandbox.expire();
    world.get("git.acme.dev");
    assert_eq!(presented(&world, &first), (400, "invalid_grant".to_owned()), "somebody else had a copy");
    world.sandbox.expire();
    let done = world.sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        (
            "quit=1\n",
            "keyfob: the session of acme has ended (invalid_grant: grant request is invalid) and nobody is here to sign in \
             (CI); run: keyfob login acme --start\n"
        )
    );
    assert_eq!(world.refresh_token(), "", "and is not sent again");
}

#[test]
fn logout_ends_the_session_there() {
    let Some(world) = World::new(300) else { return };
    world.sign_in("git.acme.dev");
    let token = world.refresh_token();
    let host = world.issuer.strip_prefix("http://").unwrap();
    let done = world.sandbox.run(&["logout"], "");
    assert_eq!(
        (done.stdout, done.code),
        (format!("acme: forgotten here, the refresh token was revoked at {host}\n"), Some(0))
    );
    assert_eq!(presented(&world, &token), (400, "invalid_grant".to_owned()));
}

#[test]
fn a_resource_indicator_chooses_the_audience_and_one_that_is_unknown_is_refused() {
    let Some(world) = World::new(300) else { return };
    let token = world.sign_in("b.acme.dev");
    assert_eq!(claims(&token)["aud"], "urn:b");
    world.sandbox.expire();
    assert_eq!(claims(&world.get("b.acme.dev"))["aud"], "urn:b", "a refresh asks for it again");
    let done = world.sandbox.run(&["login", "https://c.acme.dev", "--start"], "");
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("starts no sign-in: invalid_target"), "{}", done.stderr);
}
