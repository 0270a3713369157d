use super::{REGISTRIES_CONF, World, quietly};
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
