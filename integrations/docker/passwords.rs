use serde_json::json;

use super::{World, quietly};
use crate::support::registry::{PASSWORD, USER};
use crate::support::sandbox::run;

#[test]
fn docker_keeps_a_password_with_keyfob_and_takes_it_back() {
    let Some(world) = World::with_passwords() else { return };
    let host = world.registry.host();
    let done = world.docker(&["login", "-u", USER, "--password-stdin", &host], PASSWORD);
    assert!(done.stdout.contains("Login Succeeded"), "{done:?}");
    let kept = std::fs::read_to_string(world.sandbox.home().join(".docker/config.json")).unwrap();
    assert!(!kept.contains("\"auth\""), "{kept}");
    assert_eq!(world.list(), json!({ &host: USER }));
    quietly(world.push("one"));
    quietly(world.inspect("one"));
    let done = world.docker(&["logout", &host], "");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(world.list(), json!({}));
    assert_ne!(run(world.inspect("one"), "").code, Some(0), "it is forgotten");
    assert_eq!(world.asked(), (0, 0));
}

#[test]
fn skopeo_keeps_a_password_with_keyfob_and_takes_it_back() {
    let Some(world) = World::with_passwords() else { return };
    let host = world.registry.host();
    let login = ["login", "--tls-verify=false", "-u", USER, "--password-stdin", &host];
    let done = run(world.skopeo(&login), PASSWORD);
    assert!(done.stdout.contains("Login Succeeded"), "{done:?}");
    assert_eq!(world.list(), json!({ &host: USER }));
    assert!(!world.sandbox.home().join("run/containers/auth.json").exists(), "keyfob is first in the list");
    quietly(world.push("one"));
    quietly(world.inspect("one"));
    quietly(world.skopeo(&["logout", &host]));
    assert_eq!(world.list(), json!({}));
    let done = run(world.push("one"), "");
    assert_ne!(done.code, Some(0));
    assert!(world.registry.log().last().unwrap().starts_with("- "), "it tries as nobody: {:?}", world.registry.log());
}

/// The registry may hand out a token to keep in place of the password; docker calls its user `<token>`.
#[test]
fn a_registrys_own_identity_token_is_kept_and_used() {
    let Some(world) = World::with_passwords() else { return };
    world.registry.hand_out_identity_tokens();
    let host = world.registry.host();
    let done = world.docker(&["login", "-u", USER, "--password-stdin", &host], PASSWORD);
    assert!(done.stdout.contains("Login Succeeded"), "{done:?}");
    assert_eq!(world.list(), json!({ &host: "<token>" }));
    let before = world.registry.log().len();
    quietly(world.push("one"));
    quietly(world.inspect("one"));
    let log = world.registry.log();
    assert!(log[before..].iter().all(|line| line.starts_with("<token> ") && line.ends_with(" 200")), "{log:?}");
}

#[test]
fn a_login_that_the_registry_refuses_leaves_nothing() {
    let Some(world) = World::with_passwords() else { return };
    let done = world.docker(&["login", "-u", USER, "--password-stdin", &world.registry.host()], "wrong");
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(world.list(), json!({}));
}

#[test]
fn what_was_never_kept_can_be_logged_out_of() {
    let Some(world) = World::with_passwords() else { return };
    let done = world.docker(&["logout", "registry.nowhere.dev"], "");
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!done.stderr.contains("could not erase"), "{done:?}");
}
