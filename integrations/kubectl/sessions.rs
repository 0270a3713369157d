use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{V1, V1BETA1, World};
use crate::support::provider::{Endpoint, Manners};
use crate::support::sandbox::{begin, finish, open_code, run};
use crate::version;

#[test]
fn one_sign_in_and_then_nothing_but_the_file() {
    let Some(world) = World::new(Manners::default()) else { return };
    let child = begin(world.kubectl(&["get", "pods"]), "");
    let code = open_code(&world.provider);
    world.provider.decide(&code, true);
    let first = finish(child);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.stdout.contains("\nhello "), "{first:?}");
    assert_eq!(first.stderr.matches(&format!("code {code}\n")).count(), 1, "{first:?}");
    let before = world.provider.seen().len();
    assert!(world.quietly(&["get", "pods"]).contains("\nhello "));
    assert!(world.quietly(&["api-resources"]).contains("pods"));
    assert!(world.quietly(&["get", "--raw", "/version"]).contains("v1.32.0"));
    // It may have to say something of its own about the two versions.
    let versions = world.run(&["version", "-o", "json"]);
    assert!(versions.stdout.contains("serverVersion"), "{versions:?}");
    if version("kubectl") >= Some((1, 28)) {
        assert!(world.quietly(&["auth", "whoami"]).contains("with-access-token"));
    }
    assert_eq!(world.provider.seen().len(), before, "the provider is left in peace");
    assert_eq!(world.asked(), (1, 0));
    assert!(world.server.log().iter().all(|line| line.contains(" access ")), "{:?}", world.server.log());
}

#[test]
fn twenty_at_once_on_an_empty_store_ask_once() {
    let Some(world) = World::new(Manners::default()) else { return };
    let children: Vec<_> = (0..20).map(|_| begin(world.kubectl(&["get", "--raw", "/version"]), "")).collect();
    world.provider.decide(&open_code(&world.provider), true);
    for child in children {
        let done = finish(child);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.stdout.contains("v1.32.0"), "{done:?}");
    }
    assert_eq!(world.asked(), (1, 0));
    let log = world.server.log();
    assert!(log.len() >= 20 && log.iter().all(|line| line == "GET /version access 200"), "{log:?}");
}

#[test]
fn an_expired_token_is_renewed_once_for_twenty_at_once() {
    let Some(world) = World::approving() else { return };
    world.sign_in();
    world.sandbox.expire();
    let children: Vec<_> = (0..20).map(|_| begin(world.kubectl(&["get", "--raw", "/version"]), "")).collect();
    for child in children {
        let done = finish(child);
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)));
    }
    assert_eq!(world.asked(), (1, 1));
}

#[test]
fn the_older_version_of_the_protocol_is_answered_in_kind() {
    let Some(world) = World::approving() else { return };
    if version("kubectl") >= Some((1, 22)) {
        world.edit(V1, V1BETA1);
    }
    world.sign_in();
    world.quietly(&["get", "pods"]);
    assert_eq!(world.asked(), (1, 0));
}

/// kubectl runs the plugin twice from one process then, as it would after a refusal.
#[test]
fn a_manifest_on_stdin_causes_neither_a_sign_in_nor_a_storm_of_refreshes() {
    let Some(world) = World::approving() else { return };
    world.sign_in();
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: default}\n";
    for round in 1..=3 {
        let done = run(world.kubectl(&["apply", "--validate=false", "-f", "-"]), manifest);
        assert_eq!((done.stdout.as_str(), done.code), ("configmap/settings created\n", Some(0)), "{done:?}");
        let (codes, refreshes) = world.asked();
        assert_eq!(codes, 1);
        assert!(refreshes <= round, "one for each kubectl at most: {refreshes} after {round}");
    }
}

#[test]
fn the_server_can_be_told_with_as_many_certificates_as_linux_allows() {
    let Some(world) = World::approving() else { return };
    let one = world.server.certificate_authority_data();
    world.edit(&one, &STANDARD.encode(world.server.certificate().repeat(100_000 / one.len())));
    world.sign_in();
    world.quietly(&["get", "pods"]);
    assert_eq!(world.asked(), (1, 0));
}

#[test]
fn the_cluster_takes_the_id_token_of_the_same_session() {
    let Some(world) = World::approving() else { return };
    world.connect("token = \"id\"");
    world.sign_in();
    assert_eq!((world.last().as_str(), world.asked()), ("GET /version id 200", (1, 0)));
    world.sandbox.expire();
    world.sign_in();
    assert_eq!((world.last().as_str(), world.asked()), ("GET /version id 200", (1, 1)));
    assert_eq!(world.provider.count(Endpoint::Poll), 1);
}

#[test]
fn a_missing_helper_says_how_to_get_it() {
    let Some(world) = World::approving() else { return };
    world.edit("command: keyfob\n", "command: keyfob-that-is-not-here\n");
    let done = world.run(&["get", "--raw", "/version"]);
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("keyfob signs you in to this cluster. Put it on the PATH"), "{}", done.stderr);
}
