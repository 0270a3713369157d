use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{REGISTRIES_CONF, World, quietly};
use crate::support::registry::{PASSWORD, USER};
use crate::support::sandbox::{Transcript, run};

/// A home without a line about keyfob.
fn bare() -> Option<World> {
    let world = World::approving()?;
    std::fs::remove_dir_all(world.sandbox.home().join(".docker")).unwrap();
    std::fs::remove_file(world.sandbox.home().join(REGISTRIES_CONF)).unwrap();
    std::fs::remove_dir_all(world.sandbox.home().join(".config")).unwrap();
    Some(world)
}

fn set_up(world: &World, args: &[&str]) -> Transcript {
    let done = run(world.sandbox.keyfob(&[&["setup", "docker"], args].concat()), "");
    assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{done:?}");
    done
}

#[test]
fn set_up_by_command_docker_and_skopeo_get_in() {
    let Some(world) = bare() else { return };
    for _ in 0..2 {
        set_up(&world, &[]);
    }
    assert_eq!(run(world.push("one"), "").code, Some(0));
    quietly(world.pull("one"));
    quietly(world.inspect("one"));
    // Each by its own file.
    for (file, left) in [(".docker", world.pull("one")), (".config/containers", world.inspect("one"))] {
        let (path, aside) = (world.sandbox.home().join(file), world.sandbox.home().join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        let _ = std::fs::remove_dir_all(world.sandbox.home().join("pulled-one"));
        quietly(left);
        std::fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(world.asked(), (1, 0));
    set_up(&world, &["--undo"]);
    assert!(!world.sandbox.home().join(".docker").exists() && !world.sandbox.home().join(".config").exists());
    assert_ne!(run(world.pull("one"), "").code, Some(0), "nobody is asked any more");
}

/// The files that podman and skopeo read for every registry, beside a configuration of the machine's own.
#[test]
fn set_up_for_all_skopeo_reads_the_drop_in() {
    let Some(world) = bare() else { return };
    set_up(&world, &["--all"]);
    assert_eq!(run(world.push("one"), "").code, Some(0));
    quietly(world.pull("one"));
    quietly(world.inspect("one"));
    // The person's own file goes on to be read.
    let own = world.sandbox.home().join(REGISTRIES_CONF);
    std::fs::write(&own, format!("[[registry]]\nlocation = \"{}\"\nblocked = true\n", world.registry.host())).unwrap();
    let _ = std::fs::remove_dir_all(world.sandbox.home().join("pulled-one"));
    assert!(run(world.pull("one"), "").stderr.contains("blocked"));
}

/// A `config.json` that has somebody's login.
fn keep_login(world: &World) {
    let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let folder = world.sandbox.home().join(".docker");
    std::fs::create_dir(&folder).unwrap();
    let config = json!({ "auths": { world.registry.host(): { "auth": auth } } });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

/// docker sends a login that it keeps itself where keyfob refuses, as `setup` says; `docker logout` ends that.
#[test]
fn a_login_that_docker_keeps_is_sent_where_keyfob_refuses() {
    let Some(world) = bare() else { return };
    let host = world.registry.host();
    keep_login(&world);
    let said = set_up(&world, &[]).stdout;
    let words = format!("{host}: a login for it stays there, and docker sends that where keyfob refuses; ");
    assert!(said.contains(&format!("{words}run: docker logout {host}\n")), "{said}");
    assert_eq!(run(world.push("one"), "").code, Some(0));
    let _ = std::fs::remove_dir_all(world.sandbox.state());
    let refused = || {
        let mut command = world.inspect("one");
        command.env("KEYFOB_INTERACTIVE", "never");
        let before = world.registry.log().len();
        (run(command, ""), world.registry.log().split_off(before))
    };
    let (done, log) = refused();
    assert!(done.stderr.contains("keyfob login acme"), "{done:?}");
    assert!(log.iter().any(|line| line.starts_with(USER) && line.ends_with(" 200")), "{log:?}");
    assert_eq!(world.docker(&["logout", &host], "").code, Some(0));
    let (done, log) = refused();
    assert_ne!(done.code, Some(0), "{done:?}");
    assert!(!log.iter().any(|line| line.starts_with(USER)), "{log:?}");
    assert!(!set_up(&world, &[]).stdout.contains("logout"));
}

/// Where keyfob has nothing for a registry, docker sends nothing either, as `setup --all` says; `docker login` has it kept.
#[test]
fn a_login_that_docker_keeps_is_not_sent_where_keyfob_has_none() {
    let Some(world) = bare() else { return };
    let host = world.registry.host();
    set_up(&world, &[]);
    assert_eq!(run(world.push("one"), "").code, Some(0));
    set_up(&world, &["--undo"]);
    world.sandbox.configure("");
    keep_login(&world);
    quietly(world.inspect("one"));
    let said = set_up(&world, &["--all"]).stdout;
    let words = format!("{host}: a login for it stays there, and docker asks keyfob instead, which has none; ");
    assert!(said.contains(&format!("{words}run: docker login {host}\n")), "{said}");
    let before = world.registry.log().len();
    assert_ne!(run(world.inspect("one"), "").code, Some(0));
    let log = world.registry.log().split_off(before);
    assert!(!log.iter().any(|line| line.starts_with(USER)), "{log:?}");
    let done = world.docker(&["login", "-u", USER, "--password-stdin", &host], PASSWORD);
    assert!(done.stdout.contains("Login Succeeded"), "{done:?}");
    quietly(world.inspect("one"));
}
