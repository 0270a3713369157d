use super::World;
use crate::has;
use crate::support::provider::{Endpoint, Manners};
use crate::support::sandbox::{begin, finish, open_code, run, workos};

#[test]
fn a_clone_signs_in_and_what_follows_is_silent() {
    let world = World::new(Manners::default());
    let child = begin(world.git(&["clone", "--quiet", &world.url("one.git"), "one"]), "");
    world.provider.decide(&open_code(&world.provider), true);
    let cloned = finish(child);
    assert_eq!(cloned.code, Some(0), "{cloned:?}");
    assert!(cloned.stderr.contains("git needs to sign in to 127.0.0.1:"), "{}", cloned.stderr);
    assert_eq!(std::fs::read_to_string(world.sandbox.home().join("one/README")).unwrap(), "one.git\n");
    let requests = world.provider.seen().len();
    world.quietly(&["-C", "one", "fetch"]);
    assert_eq!(world.provider.seen().len(), requests, "from the record");
    world.sandbox.expire();
    world.quietly(&["-C", "one", "fetch"]);
    world.quietly(&["-C", "one", "commit", "--quiet", "--allow-empty", "-m", "second"]);
    world.quietly(&["-C", "one", "push", "--quiet"]);
    assert_eq!((world.provider.count(Endpoint::Start), world.provider.count(Endpoint::Refresh)), (1, 1));
}

#[test]
fn with_nobody_there_git_stops_and_the_line_helps() {
    let world = World::new(Manners::default());
    let mut command = world.git(&["ls-remote", &world.url("one.git")]);
    command.env_remove("KEYFOB_INTERACTIVE");
    assert_eq!(
        run(command, "").stderr.lines().collect::<Vec<_>>(),
        [
            "keyfob: nobody is here to sign in to acme (GIT_TERMINAL_PROMPT=0); run: keyfob login acme --start",
            "fatal: credential helper 'keyfob' told us to quit",
        ]
    );
    assert_eq!(world.provider.count(Endpoint::Start), 0);
}

#[test]
fn a_clone_with_submodules_at_once_asks_once() {
    let world = World::new(Manners::default());
    let names = ["a.git", "b.git", "c.git", "d.git"];
    names.iter().for_each(|name| world.server.add(name));
    world.server.add_with_submodules("super.git", &names);
    let url = world.url("super.git");
    let child = begin(world.git(&["clone", "--quiet", "--recurse-submodules", "-j4", &url, "super"]), "");
    world.provider.decide(&open_code(&world.provider), true);
    let cloned = finish(child);
    assert_eq!(cloned.code, Some(0), "{cloned:?}");
    for name in ["a", "b", "c", "d"] {
        assert!(world.sandbox.home().join("super").join(name).join("README").exists(), "{name}");
    }
    assert_eq!(world.provider.count(Endpoint::Start), 1);
    assert_eq!(world.provider.count(Endpoint::Refresh), 0);
}

#[test]
fn submodules_alone_on_an_empty_store_ask_once() {
    let world = World::approving();
    let names = ["a.git", "b.git", "c.git", "d.git"];
    names.iter().for_each(|name| world.server.add(name));
    world.server.add_with_submodules("super.git", &names);
    assert_eq!(world.run(&["clone", "--quiet", &world.url("super.git"), "super"]).code, Some(0));
    std::fs::remove_dir_all(world.sandbox.state()).unwrap();
    let fetched = world.run(&["-C", "super", "submodule", "--quiet", "update", "--init", "--jobs", "4"]);
    assert_eq!(fetched.code, Some(0), "{fetched:?}");
    assert_eq!(world.provider.count(Endpoint::Start), 2, "one for the clone, one for four at once");
}

#[test]
fn a_revoked_token_heals_inside_the_command() {
    if !has("git", (2, 46)) {
        return;
    }
    let world = World::approving();
    world.clone_one();
    let url = world.url("one.git");
    let mut refreshes = 0;
    for args in [
        vec!["ls-remote", "--quiet", &url],
        vec!["clone", "--quiet", &url, "two"],
        vec!["-C", "one", "fetch"],
        vec!["-C", "one", "push", "--quiet", "origin", "HEAD:refs/heads/side"],
    ] {
        world.provider.revoke_access_tokens();
        world.sandbox.edit(|record| record["tokens"][""]["after_refusal"] = false.into());
        let before = world.server.log().len();
        world.quietly(&args);
        refreshes += 1;
        assert_eq!(world.provider.count(Endpoint::Refresh), refreshes, "{args:?}");
        let refused = world.server.log()[before..].iter().filter(|line| line.ends_with(" oauth2 401")).count();
        assert_eq!(refused, 1, "exactly one extra round: {:?}", &world.server.log()[before..]);
    }
    assert_eq!(world.provider.count(Endpoint::Start), 1);
}

#[test]
fn a_token_that_dies_between_the_first_request_and_the_post_heals_too() {
    if !has("git", (2, 46)) {
        return;
    }
    let world = World::approving();
    world.clone_one();
    world.quietly(&["-C", "one", "commit", "--quiet", "--allow-empty", "-m", "second"]);
    world.server.revoke_after(1);
    world.quietly(&["-C", "one", "push", "--quiet"]);
    assert_eq!(world.provider.count(Endpoint::Refresh), 1);
    world.server.revoke_after(1);
    world.sandbox.edit(|record| record["tokens"][""]["after_refusal"] = false.into());
    world.quietly(&["clone", "--quiet", &world.url("one.git"), "two"]);
    assert_eq!(world.provider.count(Endpoint::Refresh), 2);
}

#[test]
fn bearer_goes_as_a_header_where_git_can() {
    if !has("git", (2, 46)) {
        return;
    }
    let world = World::approving();
    let hosts = format!("hosts = [\"{}\"]\nauth = \"bearer\"", world.server.url());
    world.sandbox.configure(&workos(&world.provider, "acme", &hosts));
    world.clone_one();
    world.provider.revoke_access_tokens();
    world.quietly(&["-C", "one", "fetch"]);
    let users: Vec<_> =
        world.server.log().iter().filter_map(|line| line.split(' ').nth(2).map(str::to_owned)).collect();
    assert!(users.iter().all(|user| user == "-" || user == "bearer"), "{users:?}");
    assert_eq!(world.provider.count(Endpoint::Refresh), 1);
}

#[test]
fn a_server_that_refuses_everything_ends_it() {
    if !has("git", (2, 46)) {
        return;
    }
    let world = World::approving();
    world.clone_one();
    world.server.close();
    let before = world.server.log().len();
    let done = world.run(&["-C", "one", "fetch"]);
    assert_eq!(done.code, Some(128));
    assert!(done.stderr.contains("refuses a token that was renewed"), "{}", done.stderr);
    assert!(done.stderr.contains("(invalid_token)"), "{}", done.stderr);
    assert!(world.server.log().len() - before <= 4, "{:?}", &world.server.log()[before..]);
    // And again: told at once, and the provider is left in peace.
    let again = world.run(&["-C", "one", "fetch"]);
    assert!(again.stderr.contains("refuses a token that was renewed"), "{}", again.stderr);
    assert_eq!(world.provider.count(Endpoint::Refresh), 1);
    assert_eq!(world.provider.count(Endpoint::Start), 1);
}

#[test]
fn paths_choose_between_profiles() {
    let world = World::approving();
    let base = world.server.url();
    let mine = format!("hosts = [\"{base}\"]\nusername = \"mine\"\naccount = \"ann\"");
    let theirs = format!("hosts = [\"{base}/team\"]\nusername = \"theirs\"\naccount = \"bob\"");
    world.sandbox.configure(&[workos(&world.provider, "a", &mine), workos(&world.provider, "b", &theirs)].concat());
    std::fs::create_dir(world._repositories.path().join("team")).unwrap();
    world.server.add("team/two.git");
    let user_of = |repository: &str, use_path: bool| {
        let setting = format!("credential.useHttpPath={use_path}");
        let done = world.run(&["-c", &setting, "ls-remote", "--quiet", &world.url(repository)]);
        assert_eq!(done.code, Some(0), "{done:?}");
        world.server.log().last().unwrap().split(' ').nth(2).unwrap().to_owned()
    };
    assert_eq!(user_of("team/two.git", true), "theirs");
    assert_eq!(user_of("one.git", true), "mine");
    assert_eq!(user_of("team/two.git", false), "mine", "a request without a path matches no entry with one");
    assert_eq!(world.provider.count(Endpoint::Start), 2, "one sign-in for each account, however many paths");
}

#[test]
fn two_accounts_on_one_host() {
    let world = World::approving();
    let account = |name: &str| {
        workos(&world.provider, name, &format!("hosts = [\"{}\"]\naccount = \"{name}\"", world.server.url()))
    };
    world.sandbox.configure(&[account("ann"), account("bob")].concat());
    for name in ["ann", "bob", "ann"] {
        let url = world.url("one.git").replace("http://", &format!("http://{name}@"));
        let done = world.run(&["ls-remote", "--quiet", &url]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(world.server.log().last().unwrap().contains(&format!(" {name} 200")));
    }
    assert_eq!(world.provider.count(Endpoint::Start), 2);
    assert_eq!(world.sandbox.files(".json").len(), 2);
    let tie = world.run(&["ls-remote", &world.url("one.git")]);
    assert_eq!(tie.code, Some(128));
    assert!(tie.stderr.contains("name the account in the URL (http://ann@127.0.0.1:"), "{}", tie.stderr);
}

#[test]
fn who_of_a_chain_of_helpers_sees_the_token() {
    let world = World::approving();
    let spy = |name: &str| {
        let path = world.sandbox.home().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n(echo \"$1\"; cat) >>\"$HOME/{name}.log\"\n")).unwrap();
        std::os::unix::fs::PermissionsExt::set_mode(&mut path.metadata().unwrap().permissions(), 0o755);
        std::process::Command::new("chmod").arg("755").arg(&path).status().unwrap();
        path
    };
    let snippet = std::fs::read_to_string(world.sandbox.home().join(".gitconfig")).unwrap();
    let before = format!("[credential]\n\thelper = {}\n", spy("before").display());
    let after = format!("[credential]\n\thelper = {}\n", spy("after").display());
    std::fs::write(world.sandbox.home().join(".gitconfig"), [before, snippet, after].concat()).unwrap();
    world.clone_one();
    assert!(!world.sandbox.home().join("before.log").exists(), "the empty line kept it out");
    let seen = std::fs::read_to_string(world.sandbox.home().join("after.log")).unwrap();
    assert!(seen.contains("store\n") && seen.contains("password=eyJ"), "a later one is told: {seen}");
    assert!(!seen.contains("oauth_refresh_token") && !seen.contains("rt_secret"), "{seen}");
    if has("git", (2, 46)) {
        assert!(seen.contains("ephemeral=1\n"), "and told not to keep it: {seen}");
    }
}

#[test]
fn an_older_git_works_at_the_next_command() {
    let world = World::approving();
    world.clone_one();
    let base = world.server.url();
    let host = base.strip_prefix("http://").unwrap();
    world.provider.revoke_access_tokens();
    // What a git before 2.46 says: no capabilities, then an erase of what was refused.
    let asked = format!("protocol=http\nhost={host}\n\n");
    let stale = run(world.sandbox.keyfob(&["git", "get"]), &asked).stdout;
    let erase = format!("protocol=http\nhost={host}\nwwwauth[]=Bearer error=\"invalid_token\"\n{stale}\n");
    let erased = run(world.sandbox.keyfob(&["git", "erase"]), &erase);
    assert_eq!((erased.stdout.as_str(), erased.stderr.as_str()), ("", ""));
    let fresh = run(world.sandbox.keyfob(&["git", "get"]), &asked).stdout;
    assert_ne!(fresh, stale);
    world.quietly(&["-C", "one", "fetch"]);
    assert_eq!((world.provider.count(Endpoint::Start), world.provider.count(Endpoint::Refresh)), (1, 1));
    // That one was accepted, and is one like any other: refused in its turn, it is replaced. The next is refused before it was ever
    // accepted: said, kept, and the provider is left in peace.
    let refuse = |token: &str| {
        let challenge = "wwwauth[]=Bearer error=\"insufficient_scope\", scope=\"repo\"";
        run(world.sandbox.keyfob(&["git", "erase"]), &format!("protocol=http\nhost={host}\n{challenge}\n{token}\n"))
    };
    assert_eq!(refuse(&fresh).stderr, "");
    let fresh = run(world.sandbox.keyfob(&["git", "get"]), &asked).stdout;
    let erased = refuse(&fresh);
    assert!(erased.stderr.contains("(insufficient_scope: scope \"repo\")"), "{}", erased.stderr);
    assert!(erased.stderr.contains("extend scopes in the profile"), "{}", erased.stderr);
    assert_eq!(run(world.sandbox.keyfob(&["git", "get"]), &asked).stdout, fresh);
    assert_eq!(world.provider.count(Endpoint::Refresh), 2);
}
