//! git as the judge of what the doctor says of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::World;
use crate::support::provider::Manners;
use crate::support::sandbox::run;

/// Two more helpers, which note when they are handed something.
fn add_helpers(world: &World) {
    for name in ["one", "two"] {
        let path = world.sandbox.home().parent().unwrap().join("bin").join(format!("git-credential-{name}"));
        fs::write(&path, format!("#!/bin/sh\ntest $1 = store && echo {name} >> \"$HOME/log\"\ncat >/dev/null\n"))
            .unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Which of the two git hands what worked.
fn handed(world: &World) -> Vec<String> {
    let log = world.sandbox.home().join("log");
    fs::write(&log, "").unwrap();
    let address = world.server.url().replace("http://", "");
    let mut command = world.git(&["credential", "approve"]);
    command.env("KEYFOB_INTERACTIVE", "never");
    let done = run(command, &format!("protocol=http\nhost={address}\nusername=a\npassword=b\n\n"));
    assert_eq!(done.code, Some(0), "{done:?}");
    fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
}

/// What the doctor says of git that is wrong, with the mends.
fn found(world: &World) -> Vec<(String, String)> {
    let done = world.sandbox.run(&["doctor", &world.server.url(), "--json"], "");
    let value: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    let findings = value["findings"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .filter(|finding| finding["area"] == "git" && finding["level"] == "problem")
        .map(|finding| (text(&finding["what"]), text(&finding["mend"])))
        .collect()
}

#[test]
fn who_gets_the_tokens_and_the_mend_for_it() {
    let world = World::new(Manners::default());
    add_helpers(&world);
    let url = world.server.url();
    let port = url.rsplit(':').next().unwrap();
    let ours = format!("[credential \"{url}\"]\n\thelper =\n\thelper = keyfob\n");
    let generic = |name: &str| format!("[credential]\n\thelper = {name}\n");
    let of = |url: &str, name: &str| format!("[credential \"{url}\"]\n\thelper = {name}\n");
    for (config, others) in [
        (ours.clone(), vec![]),
        (format!("{}{ours}", generic("one")), vec![]),
        (format!("{ours}{}", generic("one")), vec!["one"]),
        (format!("{}{}{}", generic("one"), of(&url, "keyfob"), generic("two")), vec!["one", "two"]),
        (format!("{}{}", generic("keyfob"), of(&format!("http://*.0.0.1:{port}"), "one")), vec!["one"]),
        (format!("{}{}", generic("keyfob"), of("http://127.0.0.1", "one")), vec![]),
        (format!("{}{}", generic("keyfob"), of("http://", "one")), vec!["one"]),
        (format!("{}{}", generic("keyfob"), of("https://", "one")), vec![]),
        (format!("{}{}", generic("keyfob"), of(&format!("https://127.0.0.1:{port}"), "one")), vec![]),
        (format!("{}{}", generic("keyfob"), of(&format!("{url}/team"), "one")), vec![]),
        (format!("{}{}", generic("keyfob"), of(&format!("127.0.0.1:{port}"), "one")), vec!["one"]),
        (format!("{}{}", generic("keyfob"), of("127.0.0.1", "one")), vec![]),
        (format!("{}{}", generic("keyfob"), of(&format!("http://ann@127.0.0.1:{port}"), "one")), vec![]),
        (format!("{ours}\tuseHttpPath = true\n{}", generic("one")), vec!["one"]),
    ] {
        fs::write(world.sandbox.home().join(".gitconfig"), &config).unwrap();
        assert_eq!(handed(&world), others, "git, of {config}");
        let said = found(&world);
        assert_eq!(said.len(), others.len(), "{config}: {said:?}");
        for ((what, _), name) in said.iter().zip(&others) {
            assert!(what.contains(&format!(" {name} ")), "{config}: {what}");
        }
        let Some((_, mend)) = said.first() else { continue };
        let mut command = world.sandbox.command("sh");
        command.args(["-c", mend.strip_prefix("run: ").unwrap()]);
        let done = run(command, "");
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{mend}");
        assert_eq!(found(&world), [], "after {mend}");
        assert_eq!(handed(&world), [] as [&str; 0], "after {mend}");
        let after = fs::read_to_string(world.sandbox.home().join(".gitconfig")).unwrap();
        assert_eq!(after.contains("useHttpPath"), config.contains("useHttpPath"), "{after}");
    }
}

#[test]
fn the_set_up_of_this_folder_is_healthy() {
    let world = World::approving();
    world.clone_one();
    let done = world.sandbox.run(&["doctor", &world.server.url()], "");
    assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{done:?}");
    assert!(done.stdout.contains("git asks keyfob alone for "), "{}", done.stdout);
    // What it renewed is what git goes on with.
    world.quietly(&["-C", "one", "fetch", "--quiet"]);
}
