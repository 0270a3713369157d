use super::{REGISTRIES_CONF, World, quietly};
use crate::support::provider::Manners;
use crate::support::sandbox::{begin, finish, open_code, run};

#[test]
fn push_pull_and_inspect_with_one_sign_in() {
    let Some(world) = World::new(Manners::default()) else { return };
    let child = begin(world.push("one"), "");
    let code = open_code(&world.provider);
    world.provider.decide(&code, true);
    let pushed = finish(child);
    assert_eq!(pushed.code, Some(0), "{pushed:?}");
    assert_eq!(pushed.stderr.matches(&format!("code {code}\n")).count(), 1, "{pushed:?}");
    let before = world.provider.seen().len();
    quietly(world.pull("one"));
    assert!(world.sandbox.home().join("pulled-one/index.json").exists());
    assert!(quietly(world.inspect("one")).contains("\"schemaVersion\": 2"));
    assert_eq!(world.provider.seen().len(), before, "the provider is left in peace");
    assert_eq!(world.asked(), (1, 0));
    let log = world.registry.log();
    assert!(log.len() >= 3 && log.iter().all(|line| line.starts_with("oauth2 ") && line.ends_with(" 200")), "{log:?}");
}

#[test]
fn skopeo_takes_what_is_set_up_for_docker() {
    let Some(world) = World::approving() else { return };
    std::fs::remove_file(world.sandbox.home().join(REGISTRIES_CONF)).unwrap();
    assert_eq!(run(world.push("one"), "").code, Some(0));
    quietly(world.pull("one"));
    assert_eq!(world.asked(), (1, 0));
}

#[test]
fn several_at_once_on_an_empty_store_ask_once() {
    let Some(world) = World::new(Manners::default()) else { return };
    let names = ["a", "b", "c", "d"];
    let children: Vec<_> = names.iter().map(|name| begin(world.push(name), "")).collect();
    world.provider.decide(&open_code(&world.provider), true);
    for child in children {
        let done = finish(child);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let children: Vec<_> = names.iter().map(|name| begin(world.inspect(name), "")).collect();
    for child in children {
        assert_eq!(finish(child).code, Some(0));
    }
    assert_eq!(world.asked(), (1, 0));
}

#[test]
fn the_name_of_the_user_is_the_profiles() {
    let Some(world) = World::approving() else { return };
    let text = std::fs::read_to_string(world.sandbox.config()).unwrap();
    world.sandbox.configure(&format!("{text}username = \"robot\"\n"));
    let done = run(world.push("one"), "");
    assert_ne!(done.code, Some(0), "the token server knows them as oauth2");
    assert!(world.registry.log().iter().all(|line| line.starts_with("robot ")), "{:?}", world.registry.log());
}

#[test]
fn an_expired_token_is_renewed_in_silence() {
    let Some(world) = World::approving() else { return };
    assert_eq!(run(world.push("one"), "").code, Some(0));
    world.sandbox.expire();
    quietly(world.pull("one"));
    quietly(world.inspect("one"));
    assert_eq!(world.asked(), (1, 1));
}

#[test]
fn logout_drops_the_access_token_and_keeps_the_session() {
    let Some(world) = World::approving() else { return };
    assert_eq!(run(world.push("one"), "").code, Some(0));
    let done = world.docker(&["logout", &world.registry.host()], "");
    assert_eq!(done.code, Some(0), "{done:?}");
    quietly(world.inspect("one"));
    assert_eq!(world.asked(), (1, 1));
}

/// No client says that a registry refused it: a logout does.
#[test]
fn a_token_refused_though_unexpired_is_replaced_after_a_logout() {
    let Some(world) = World::approving() else { return };
    assert_eq!(run(world.push("one"), "").code, Some(0));
    world.provider.revoke_access_tokens();
    assert_ne!(run(world.pull("one"), "").code, Some(0));
    assert_eq!(world.docker(&["logout", &world.registry.host()], "").code, Some(0));
    quietly(world.pull("one"));
    assert_eq!(world.asked(), (1, 1));
}

/// Of a token that has just come, too. skopeo 1.9 ends in a stack overflow when a helper's erase fails.
#[test]
fn logging_out_again_and_again_is_no_error() {
    let Some(world) = World::approving() else { return };
    assert_eq!(run(world.push("one"), "").code, Some(0));
    for _ in 0..3 {
        quietly(world.skopeo(&["logout", &world.registry.host()]));
        quietly(world.pull("one"));
    }
    let (codes, refreshes) = world.asked();
    assert_eq!(codes, 1);
    assert!((1..=3).contains(&refreshes), "{refreshes}");
}

/// `docker login` stores whatever the registry let in; the token is keyfob's already.
#[test]
fn a_login_with_the_token_keeps_nothing_more() {
    let Some(world) = World::approving() else { return };
    assert_eq!(run(world.push("one"), "").code, Some(0));
    let token = world.sandbox.run(&["token", "acme"], "").stdout;
    let host = world.registry.host();
    let done = world.docker(&["login", "-u", "oauth2", "--password-stdin", &host], token.trim());
    assert_eq!(done.code, Some(0), "{done:?}");
    let kept = std::fs::read_to_string(world.sandbox.home().join(".docker/config.json")).unwrap();
    assert!(!kept.contains(token.trim()), "{kept}");
    assert!(!world.sandbox.state().join("passwords").exists(), "nothing in the plain store");
    quietly(world.inspect("one"));
    assert_eq!(world.asked(), (1, 0));
}

/// docker shows a helper's stderr, skopeo quotes its stdout.
#[test]
fn where_nobody_is_the_line_that_helps_is_seen() {
    let Some(world) = World::new(Manners::default()) else { return };
    for mut command in [world.push("one"), world.inspect("one")] {
        command.env_remove("KEYFOB_INTERACTIVE");
        let done = run(command, "");
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stderr.contains("run: keyfob login acme"), "{}", done.stderr);
    }
    assert_eq!(world.asked(), (0, 0));
}

#[test]
fn a_denied_sign_in_ends_it_and_asks_once() {
    let Some(world) = World::new(Manners::default()) else { return };
    let child = begin(world.inspect("one"), "");
    world.provider.decide(&open_code(&world.provider), false);
    let done = finish(child);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(world.asked().0, 1, "docker asks for the credential twice: {done:?}");
}
