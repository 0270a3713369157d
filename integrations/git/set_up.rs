use super::World;
use crate::support::sandbox::run;

/// From a home without a line about keyfob to a clone, and back.
#[test]
fn set_up_by_command_a_clone_gets_in() {
    let world = World::approving();
    let path = world.sandbox.home().join(".gitconfig");
    let before = "[user]\n  name = Ann\n[credential]\n\thelper = cache";
    std::fs::write(&path, before).unwrap();
    for _ in 0..2 {
        let done = run(world.sandbox.keyfob(&["setup", "git"]), "");
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{done:?}");
        assert!(done.stdout.ends_with(&format!(
            "{}: git asks keyfob alone, and no longer cache ({})\n",
            world.server.url(),
            path.display()
        )));
    }
    world.clone_one();
    world.sandbox.expire();
    world.quietly(&["-C", "one", "fetch"]);
    assert_eq!(run(world.sandbox.keyfob(&["setup", "git", "--undo"]), "").code, Some(0));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
}

/// An entry with a path gets no other one's requests, and a host without one is asked as a whole.
#[test]
fn set_up_for_a_path_git_tells_it() {
    let world = World::approving();
    world.server.add("team/two.git");
    let text = std::fs::read_to_string(world.sandbox.config()).unwrap();
    let url = world.server.url();
    world.sandbox.configure(&text.replace(&format!("\"{url}\""), &format!("\"{url}/team\"")));
    std::fs::remove_file(world.sandbox.home().join(".gitconfig")).unwrap();
    let done = run(world.sandbox.keyfob(&["setup", "git"]), "");
    assert!(done.stdout.contains(&format!("--add credential.{url}/team.useHttpPath true\n")), "{done:?}");
    let done = world.run(&["clone", "--quiet", &world.url("team/two.git"), "two"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let done = world.run(&["clone", "--quiet", &world.url("one.git"), "one"]);
    assert_ne!(done.code, Some(0), "nobody answers beyond the path: {done:?}");
}
