use super::World;
use crate::support::provider::Manners;
use crate::support::sandbox::{begin, finish, open_code, run};

/// kubectl comes back from the same process and, for some commands, throws away what it got: so the next one.
#[test]
fn a_token_refused_though_unexpired_is_replaced_for_the_next_command() {
    let Some(world) = World::approving() else { return };
    world.sign_in();
    let mut refreshes = 0;
    for args in [vec!["get", "pods"], vec!["get", "--raw", "/version"], vec!["version"], vec!["api-resources"]] {
        world.server.refuse_last();
        // A minute later, as it were: a token that replaced a refused one is left alone for so long.
        world.sandbox.edit(|record| record["tokens"][""]["after_refusal"] = false.into());
        let first = world.run(&args);
        let next = world.run(&args);
        assert_eq!(next.code, Some(0), "{args:?}: {next:?}, after {first:?}");
        refreshes += 1;
        assert_eq!(world.asked(), (1, refreshes), "{args:?}");
    }
}

#[test]
fn a_list_heals_inside_the_command() {
    let Some(world) = World::approving() else { return };
    world.sign_in();
    world.server.refuse_last();
    let done = world.run(&["get", "pods"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("\nhello "), "{done:?}");
    assert_eq!(world.asked(), (1, 1));
}

#[test]
fn a_server_that_refuses_everything_ends_it() {
    let Some(world) = World::approving() else { return };
    world.sign_in();
    world.server.close();
    let done = world.run(&["get", "pods"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(world.asked(), (1, 1), "one refresh, and nobody is asked");
    let words = " seems to refuse the token, which was renewed just now\n";
    assert_eq!(done.stderr.matches(words).count(), 1, "it is said, once: {}", done.stderr);
    assert!(done.stderr.contains(&format!("run: keyfob doctor {}\n", world.server.url())), "{}", done.stderr);
}

/// kubectl runs a failing plugin up to five times.
#[test]
fn a_denied_sign_in_is_one_code_and_one_message() {
    let Some(world) = World::new(Manners::default()) else { return };
    let mut command = world.sandbox.command("script");
    command.args(["-qec", "timeout 50 kubectl get pods", "/dev/null"]).env_remove("CI");
    let child = begin(command, "");
    let code = open_code(&world.provider);
    world.provider.decide(&code, false);
    let done = finish(child);
    assert_eq!(done.code, Some(1), "{done:?}");
    let screen = done.stdout;
    assert_eq!(world.asked(), (1, 0), "{screen}");
    assert_eq!(screen.matches(&format!("code {code}")).count(), 1, "{screen}");
    assert_eq!(screen.matches("denied").count(), 1, "{screen}");
    // Another command is another wish: it may ask again.
    let mut command = world.sandbox.command("script");
    command.args(["-qec", "timeout 50 kubectl get pods", "/dev/null"]).env_remove("CI");
    let child = begin(command, "");
    world.provider.decide(&open_code(&world.provider), true);
    let done = finish(child);
    assert!(done.stdout.contains("hello "), "{done:?}");
    assert_eq!(world.asked(), (2, 0));
}

#[test]
fn nobody_is_asked_where_nobody_is() {
    let Some(world) = World::new(Manners::default()) else { return };
    let mut command = world.kubectl(&["get", "pods"]);
    command.env_remove("KEYFOB_INTERACTIVE");
    let done = run(command, "");
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("run: keyfob login acme --start\n"), "{}", done.stderr);
    assert_eq!(world.asked(), (0, 0));
    assert_eq!(world.server.log(), Vec::<String>::new(), "without a token kubectl does not even try");
}

/// kubectl itself tells what there is between it and the server.
#[test]
fn a_way_that_is_not_listed_is_refused() {
    let Some(world) = World::approving() else { return };
    world.sign_in();
    let refused = |says: &str| {
        let before = (world.provider.seen().len(), world.server.log().len());
        let done = world.run(&["get", "--raw", "/version"]);
        assert!(done.code == Some(1) && done.stderr.contains(says), "{says}: {}", done.stderr);
        assert_eq!((world.provider.seen().len(), world.server.log().len()), before, "nobody was told anything");
    };
    let server = format!("server: {}\n", world.server.url());
    let with = |line: &str| world.edit(&server, &format!("{server}    {line}\n"));
    let without = |line: &str| world.edit(&format!("    {line}\n"), "");
    let blind = "insecure-skip-tls-verify: true";
    let certificate = format!("certificate-authority-data: {}", world.server.certificate_authority_data());
    world.edit(&certificate, blind);
    refused("(insecure-skip-tls-verify)");
    world.edit(blind, &certificate);
    for (line, says) in [
        ("proxy-url: http://127.0.0.1:9", "through the proxy http://127.0.0.1:9, which acme does not list"),
        ("tls-server-name: other.dev", "takes other.dev for "),
    ] {
        // Before 1.23 it does not tell of a proxy.
        with(line);
        refused(says);
        without(line);
    }
    world.edit("provideClusterInfo: true", "provideClusterInfo: false");
    refused("run: keyfob setup kubectl --profile acme --user NAME");
    world.edit("provideClusterInfo: false", "provideClusterInfo: true");
    // Listed, it is let in: the certificate of this server has the name.
    with("tls-server-name: localhost");
    refused("takes localhost for ");
    let at = format!("[profile.acme.at.\"{}\"]\ntls_server_name = \"localhost\"\n", world.server.url());
    let file = std::fs::read_to_string(world.sandbox.config()).unwrap();
    world.sandbox.configure(&format!("{file}{at}"));
    world.quietly(&["get", "--raw", "/version"]);
}

#[test]
fn a_cluster_that_is_not_in_the_list_is_refused() {
    let Some(world) = World::approving() else { return };
    world.sign_in();
    world.sandbox.configure(
        &std::fs::read_to_string(world.sandbox.config()).unwrap().replace(&world.server.url(), "https://k8s.acme.dev"),
    );
    let before = (world.provider.seen().len(), world.server.log().len());
    let done = world.run(&["get", "--raw", "/version"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let line = done.stderr.lines().find(|line| line.starts_with("keyfob: ")).unwrap_or_default();
    assert!(line.contains(&world.server.url()) && line.contains("acme"), "{}", done.stderr);
    assert_eq!((world.provider.seen().len(), world.server.log().len()), before, "nobody was told anything");
}
