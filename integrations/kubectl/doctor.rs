//! The doctor on a kubeconfig that kubectl itself reads.

use super::World;
use crate::support::sandbox::Transcript;
use crate::version;

fn doctor(world: &World, args: &[&str]) -> Transcript {
    world.sandbox.run(&[&["doctor", &world.server.url()], args].concat(), "")
}

#[test]
fn the_set_up_of_this_folder_is_healthy() {
    let Some(world) = World::approving() else { return };
    world.sign_in();
    let url = world.server.url();
    let done = doctor(&world, &["--issuer", "scripted"]);
    assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{done:?}");
    for line in [
        format!("  ok       user acme gets a token for {url}: issuer scripted, no audience\n"),
        format!("  ok       the access token for {url} is what its server expects\n"),
    ] {
        assert!(done.stdout.contains(&line), "{}", done.stdout);
    }
    // kubectl is let in with what the doctor left.
    let before = world.asked();
    assert!(world.quietly(&["get", "pods"]).contains("\nhello "));
    assert_eq!(world.asked(), before);
    // An entry from before: what the doctor says is what mends it.
    world.edit("provideClusterInfo: true", "provideClusterInfo: false");
    let told = doctor(&world, &[]);
    assert!(
        told.stdout.contains("\n           run: keyfob setup kubectl --profile acme --user acme\n"),
        "{}",
        told.stdout
    );
    world.edit("provideClusterInfo: false", "provideClusterInfo: true");
    let done = doctor(&world, &["--audience", "k8s"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains("has no audience, and its server expects k8s\n"), "{}", done.stdout);
}

#[test]
fn what_kubectl_would_refuse_is_found() {
    let Some(world) = World::approving() else { return };
    let problems = |done: &Transcript| done.stdout.matches("\n  problem  ").count();
    assert_eq!(problems(&doctor(&world, &[])), 0);
    for (from, to, what) in [
        ("command: keyfob", "command: /nowhere/keyfob", "runs /nowhere/keyfob, which is no program that can be run\n"),
        ("command: /nowhere/keyfob", "command: ./keyfob", "runs ./keyfob, which depends on where the kubeconfig is\n"),
        ("      interactiveMode: Never\n", "", "has no interactiveMode, and is not run\n"),
    ] {
        if from.contains("interactiveMode") && version("kubectl") < Some((1, 22)) {
            continue;
        }
        world.edit(from, to);
        let done = doctor(&world, &[]);
        assert!(done.stdout.contains(&format!("user acme of the kubeconfig {what}")), "{}", done.stdout);
        assert_eq!(done.code, Some(1));
    }
    world.edit("kind: Config", "kind: [");
    let done = doctor(&world, &[]);
    assert!(done.stdout.contains("  problem  kubectl cannot read its kubeconfig: "), "{}", done.stdout);
    assert!(done.stdout.contains("\n           run: kubectl config view\n"), "{}", done.stdout);
}
