use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use crate::support::sandbox::{Sandbox, Transcript, begin, finish, keyfob};

const PROFILE: &str = "[profile.acme]\nprovider = \"workos\"\nclient_id = \"c\"\n";

fn home(hosts: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure(&format!("{PROFILE}hosts = [{hosts}]\n"));
    fs::create_dir(sandbox.home().join(".docker")).unwrap();
    sandbox
}

fn config(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".docker/config.json")
}

fn auth(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".config/containers/auth.json")
}

/// Runs `keyfob setup docker` where no program reads the files of podman and skopeo, unless there are some.
fn run(sandbox: &Sandbox, args: &[&str]) -> Transcript {
    let mut command = sandbox.command("env");
    let bin = sandbox.home().join("../bin").canonicalize().unwrap();
    command.arg(format!("PATH={}", bin.display())).arg(keyfob()).args(["setup", "docker"]).args(args);
    crate::support::sandbox::run(command, "")
}

fn setup(sandbox: &Sandbox, args: &[&str]) -> String {
    let done = run(sandbox, args);
    assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{args:?} {done:?}");
    done.stdout.replace(sandbox.home().to_str().unwrap(), "~")
}

const SECRET: &str = "c2VjcmV0";

/// Files that people have.
const ODD: &[&str] = &[
    "",
    "{}",
    "{ }\n",
    "{\n}",
    "{\n\t\"auths\": {\n\t\t\"r.dev\": {\n\t\t\t\"auth\": \"c2VjcmV0\"\n\t\t}\n\t}\n}",
    "{\"auths\":{\"r.dev\":{\"auth\":\"c2VjcmV0\"}},\"z\":1,\"a\":[1.50,1e3,\"\\u00e9}\"]}",
    "{\r\n    \"HttpHeaders\" : { \"X\" : \"c2VjcmV0\" },\r\n    \"credHelpers\" : {}\r\n}\r\n\r\n",
    "{\n \"credsStore\": \"pass\",\n \"credHelpers\": {\"ecr.dev\": \"ecr-login\", \"r.dev\": \"secretservice\"}\n}",
    "{\n\n\n\"credHelpers\":\n{\n\"r.dev\"\n:\n\"keyfob\"\n}\n}\n",
    "{\"credHelpers\":null,\"credsStore\":\"\"}",
];

#[test]
fn set_up_twice_and_undone_to_the_byte() {
    for text in ODD {
        for args in [&[][..], &["--all"], &["r.dev"]] {
            let sandbox = home("\"r.dev\", \"q.dev:5000\"");
            fs::write(config(&sandbox), text).unwrap();
            let with = |more: &[&'static str]| setup(&sandbox, &[args, more].concat());
            let dry = with(&["--dry-run"]);
            assert_eq!(fs::read_to_string(config(&sandbox)).unwrap(), *text);
            assert!(!sandbox.state().exists());
            let wet = with(&[]);
            assert_eq!(dry.replace("would be changed", "changed"), wet);
            assert!(!wet.contains(SECRET), "{wet}");
            let after = fs::read_to_string(config(&sandbox)).unwrap();
            let value: serde_json::Value = serde_json::from_str(&after).unwrap();
            if args == ["--all"] {
                assert_eq!(value["credsStore"], "keyfob");
            } else {
                assert_eq!(value["credHelpers"]["r.dev"], "keyfob");
            }
            assert!(with(&[]).contains("~/.docker/config.json: nothing to change\n"));
            assert_eq!(fs::read_to_string(config(&sandbox)).unwrap(), after);
            // What a person wrote stays, and that is said.
            let by_hand = "  r.dev: what names keyfob there is not from setup, and stays\n";
            let stays = if text.contains("\"keyfob\"") { by_hand } else { "" };
            let undone = setup(&sandbox, &["--undo"]);
            let nothing = format!("~/.docker/config.json: nothing to take out\n{stays}");
            if after == *text {
                assert_eq!(undone, nothing);
            } else {
                assert_eq!(undone, format!("~/.docker/config.json: as it was before\n{stays}"));
            }
            assert_eq!(fs::read_to_string(config(&sandbox)).unwrap(), *text);
            assert_eq!(setup(&sandbox, &["--undo"]), nothing);
        }
    }
}

/// As `docker login` does: everything is written anew.
#[test]
fn what_docker_changes_meanwhile_stays_and_the_old_helper_comes_back() {
    let sandbox = home("\"r.dev\", \"q.dev\"");
    fs::write(config(&sandbox), "{\"credHelpers\": {\"r.dev\": \"ecr-login\"}, \"credsStore\": \"pass\"}").unwrap();
    let said = setup(&sandbox, &[]);
    assert!(said.starts_with("r.dev: ecr-login was asked before; --undo brings it back\n"), "{said}");
    assert!(setup(&sandbox, &["--all"]).starts_with("credsStore: pass was asked before; --undo brings it back\n"));
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(config(&sandbox)).unwrap()).unwrap();
    value["auths"] = serde_json::json!({ "new.dev": {} });
    fs::write(config(&sandbox), format!("{value:#}")).unwrap();
    setup(&sandbox, &["--undo"]);
    let left: serde_json::Value = serde_json::from_slice(&fs::read(config(&sandbox)).unwrap()).unwrap();
    let wanted = serde_json::json!({
        "credHelpers": { "r.dev": "ecr-login" }, "credsStore": "pass", "auths": { "new.dev": {} }
    });
    assert_eq!(left, wanted);
    assert!(
        fs::read_dir(sandbox.state().join("backups"))
            .unwrap()
            .all(|entry| { entry.unwrap().file_name() == "all.lock" }),
        "nothing of the file is kept once it is undone"
    );
}

/// Written by hand before a set-up, and after one; changed by docker, set up again, and undone in part.
#[test]
fn what_a_person_wrote_stays_whatever_else_happens() {
    let sandbox = home("\"r.dev\", \"q.dev\", \"hand.dev\", \"late.dev\"");
    let read = || -> serde_json::Value { serde_json::from_slice(&fs::read(config(&sandbox)).unwrap()).unwrap() };
    let write = |value: &serde_json::Value| fs::write(config(&sandbox), format!("{value:#}\n")).unwrap();
    fs::write(config(&sandbox), "{\"credHelpers\":{\"hand.dev\":\"keyfob\",\"r.dev\":\"ecr-login\"}}").unwrap();
    setup(&sandbox, &["r.dev", "hand.dev"]);
    let mut value = read();
    value["auths"] = serde_json::json!({ "new.dev": {} });
    value["credHelpers"]["late.dev"] = "keyfob".into();
    write(&value);
    setup(&sandbox, &["q.dev", "late.dev"]);
    setup(&sandbox, &["--undo", "q.dev"]);
    fs::write(config(&sandbox), read().to_string()).unwrap();
    let said = setup(&sandbox, &["--undo"]);
    assert_eq!(
        said,
        "~/.docker/config.json: changed\n  without \"credHelpers\": { \"r.dev\": \"keyfob\" }\n  \
         hand.dev: what names keyfob there is not from setup, and stays\n  \
         late.dev: what names keyfob there is not from setup, and stays\n"
    );
    let wanted = serde_json::json!({
        "credHelpers": { "hand.dev": "keyfob", "late.dev": "keyfob", "r.dev": "ecr-login" }, "auths": { "new.dev": {} }
    });
    assert_eq!(read(), wanted);
    // Without a word of ours in it, and what somebody made of it since.
    setup(&sandbox, &["r.dev"]);
    let mut value = read();
    value["credHelpers"].as_object_mut().unwrap().remove("r.dev");
    write(&value);
    setup(&sandbox, &["--undo"]);
    assert_eq!(read(), wanted, "what was asked before comes back, as it was said");
    setup(&sandbox, &["r.dev"]);
    let mut value = read();
    value["credHelpers"]["r.dev"] = "pass".into();
    write(&value);
    assert!(setup(&sandbox, &["--undo"]).starts_with("~/.docker/config.json: nothing to take out\n"));
    assert_eq!(read(), value, "another helper since is theirs");
    let left = fs::read_dir(sandbox.state().join("backups")).unwrap();
    assert!(left.map(|entry| entry.unwrap().file_name()).all(|name| name == "all.lock"), "nothing is kept of it");
}

/// A file that was made for us goes where others have only put it in order, with its folder.
#[test]
fn a_file_that_was_made_goes_however_others_have_written_it() {
    let sandbox = home("\"r.dev\", \"q.dev\"");
    fs::remove_dir(sandbox.home().join(".docker")).unwrap();
    for again in [false, true] {
        setup(&sandbox, &["r.dev"]);
        let value: serde_json::Value = serde_json::from_slice(&fs::read(config(&sandbox)).unwrap()).unwrap();
        fs::write(config(&sandbox), value.to_string()).unwrap();
        if again {
            setup(&sandbox, &["q.dev"]);
            setup(&sandbox, &["--undo", "r.dev"]);
        }
        assert_eq!(setup(&sandbox, &["--undo"]), "~/.docker/config.json: removed, as there was none before\n");
        assert_eq!(fs::read_dir(sandbox.home()).unwrap().count(), 0);
    }
}

#[test]
fn the_words() {
    let sandbox = home("\"r.dev\", \"https://r.dev/team\", \"*.corp.dev\", \"index.docker.io\"");
    fs::write(config(&sandbox), format!("{{\"auths\":{{\"r.dev\":{{\"auth\":\"{SECRET}\"}},\"x.dev\":{{}}}}}}"))
        .unwrap();
    assert_eq!(
        setup(&sandbox, &[]),
        "https://r.dev/team: left out, because docker knows no wildcards and no paths; name each registry, or say --all\n\
         *.corp.dev: left out, because docker knows no wildcards and no paths; name each registry, or say --all\n\
         index.docker.io: left out: Docker Hub takes personal access tokens and no OAuth token\n\
         ~/.docker/config.json: changed\n  \
         \"credHelpers\": { \"r.dev\": \"keyfob\" }\n\
         r.dev: a login for it stays there, and docker sends that where keyfob refuses; run: docker logout r.dev\n"
    );
    assert_eq!(setup(&sandbox, &["--undo", "r.dev"]), "~/.docker/config.json: as it was before\n");
    for (registry, code, words) in [
        (
            "*.corp.dev",
            2,
            "keyfob: \"*.corp.dev\" has a wildcard, and docker knows none\nkeyfob: hint: name each, or say --all\n",
        ),
        (
            "r.dev/team",
            2,
            "keyfob: \"r.dev/team\" has a path, and docker asks by host alone\nkeyfob: hint: name it as docker does: registry.acme.dev:5000\n",
        ),
        (
            "index.docker.io",
            1,
            "keyfob: Docker Hub takes personal access tokens and no OAuth token\nkeyfob: hint: make such a token and run: docker login index.docker.io\n",
        ),
    ] {
        let done = run(&sandbox, &[registry]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(code), words));
    }
    let done = run(&sandbox, &["other.dev"]);
    assert!(done.stderr.starts_with("keyfob: no profile answers for other.dev\n"), "{done:?}");
    setup(&sandbox, &["a.corp.dev"]);
}

/// A registry of a profile, one under an old name, and one that nobody answers for.
#[test]
fn a_kept_login_is_told_by_what_docker_does_with_it() {
    let sandbox = home("\"r.dev\"");
    let kept = format!("{{\"auth\":\"{SECRET}\"}}");
    fs::write(
        config(&sandbox),
        format!("{{\"auths\":{{\"https://r.dev/v1/\":{kept},\"x.dev\":{kept},\"q.dev\":{kept},\"e.dev\":{{}}}},\"credHelpers\":{{\"q.dev\":\"pass\"}}}}"),
    )
    .unwrap();
    let ours = "https://r.dev/v1/: a login for it stays there, and docker sends that where keyfob refuses; \
                run: docker logout https://r.dev/v1/\n";
    let said = setup(&sandbox, &[]);
    assert_eq!(said.split_once("\"keyfob\" }\n").unwrap().1, ours);
    let said = setup(&sandbox, &["--all", "--dry-run"]);
    let theirs = "x.dev: a login for it stays there, and docker asks keyfob instead, which has none; \
                  run: docker login x.dev\n";
    assert!(said.contains(theirs) && !said.contains("q.dev:") && !said.contains("e.dev:"), "{said}");
}

/// What `podman login` writes is read before the files that an entry of ours can stand in.
#[cfg(target_os = "linux")]
#[test]
fn a_login_that_goes_before_keyfob_is_named() {
    let sandbox = home("\"r.dev\", \"q.dev\"");
    let runtime = sandbox.home().join("run/containers");
    fs::create_dir_all(&runtime).unwrap();
    symlink("/bin/true", sandbox.home().join("../bin/skopeo")).unwrap();
    let with = |args: &[&str], variable: &str| {
        let mut command = sandbox.command("env");
        let bin = sandbox.home().join("../bin").canonicalize().unwrap();
        command.arg(format!("PATH={}", bin.display())).arg(keyfob()).args(["setup", "docker"]).args(args);
        command.env("XDG_RUNTIME_DIR", sandbox.home().join("run")).env(variable, auth(&sandbox));
        let done = crate::support::sandbox::run(command, "");
        assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{args:?} {done:?}");
        done.stdout.replace(sandbox.home().to_str().unwrap(), "~")
    };
    let text = format!("{{\"auths\":{{\"r.dev/team\":{{\"auth\":\"{SECRET}\"}},\"q.dev\":{{}}}}}}");
    fs::write(runtime.join("auth.json"), &text).unwrap();
    let line = "~/run/containers/auth.json has a login for r.dev, which podman, skopeo and buildah send before they ask \
                keyfob; run: skopeo logout r.dev/team\n";
    assert!(with(&[], "X").ends_with(line));
    assert!(!with(&[], "REGISTRY_AUTH_FILE").contains("logout"), "that file takes the place of the others");
    assert!(!with(&["--all"], "X").contains("logout"), "a list of helpers goes before the files");
    assert_eq!(fs::read_to_string(runtime.join("auth.json")).unwrap(), text);
}

#[test]
fn what_docker_could_not_read_is_left_alone() {
    for (text, line) in [
        (&b"{\n  // no\n}"[..], "2: this is no JSON"),
        (b"{\"a\": 1,}", "1: this is no JSON"),
        (b"\xef\xbb\xbf{}", "1: this is no JSON"),
        (b"{\n\"\xff\": 1}", "2: this is no UTF-8"),
        (b"[]", "1: this is no JSON object"),
        (b"{\n\"credHelpers\": \"c2VjcmV0\"}", "2: \"credHelpers\" is no object"),
        (b"{\"credHelpers\": {},\n\"credHelpers\": {}}", "2: \"credHelpers\" is there twice"),
    ] {
        let sandbox = home("\"r.dev\"");
        fs::write(config(&sandbox), text).unwrap();
        let done = run(&sandbox, &[]);
        let path = config(&sandbox).display().to_string();
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
        // Of some of these docker reads a part: nothing is said of what it can.
        let hint = "keyfob: hint: mend it by hand, then run the command again";
        assert_eq!(done.stderr, format!("keyfob: {path}:{line}\n{hint}\n"));
        assert_eq!(fs::read(config(&sandbox)).unwrap(), text);
    }
}

#[test]
fn new_files_are_private_and_gone_again_with_their_folders() {
    let sandbox = home("\"r.dev\"");
    fs::remove_dir(sandbox.home().join(".docker")).unwrap();
    // A program that reads podman's files.
    symlink("/bin/true", sandbox.home().join("../bin/podman")).unwrap();
    for args in [&[][..], &["--all"]] {
        setup(&sandbox, args);
        let mode = fs::metadata(config(&sandbox)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let drop_in = sandbox.home().join(".config/containers/registries.conf.d/50-keyfob.conf");
    assert_eq!(fs::read_to_string(&drop_in).unwrap(), "credential-helpers = [\"keyfob\", \"containers-auth.json\"]\n");
    assert!(fs::read_to_string(auth(&sandbox)).unwrap().contains("\"r.dev\": \"keyfob\""));
    setup(&sandbox, &["--undo"]);
    assert_eq!(fs::read_dir(sandbox.home()).unwrap().count(), 0, "as it was");
}

#[test]
fn podmans_file_is_changed_where_there_is_one() {
    let sandbox = home("\"r.dev\"");
    assert!(!setup(&sandbox, &[]).contains("containers"));
    fs::create_dir_all(auth(&sandbox).parent().unwrap()).unwrap();
    let text = "{\"auths\": {\"q.io\": {\"auth\": \"c2VjcmV0\"}}}";
    fs::write(auth(&sandbox), text).unwrap();
    let said = setup(&sandbox, &[]);
    assert!(
        said.ends_with("~/.config/containers/auth.json: changed\n  \"credHelpers\": { \"r.dev\": \"keyfob\" }\n"),
        "{said}"
    );
    setup(&sandbox, &["--undo"]);
    assert_eq!(fs::read_to_string(auth(&sandbox)).unwrap(), text);
}

#[test]
fn two_registries_one_after_the_other_and_several_at_once() {
    let sandbox = home("\"a.dev\", \"b.dev\", \"c.dev\", \"d.dev\"");
    let text = "{\n  \"z\": {}\n}";
    fs::write(config(&sandbox), text).unwrap();
    let names = ["a.dev", "b.dev", "c.dev", "d.dev"];
    let start = |name: &&str| begin(sandbox.keyfob(&["setup", "docker", name]), "");
    for child in names.iter().map(start).collect::<Vec<_>>() {
        let done = finish(child);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    let value: serde_json::Value = serde_json::from_slice(&fs::read(config(&sandbox)).unwrap()).unwrap();
    assert!(names.iter().all(|name| value["credHelpers"][name] == "keyfob"), "{value}");
    for name in ["b.dev", "a.dev", "d.dev"] {
        setup(&sandbox, &["--undo", name]);
    }
    assert!(fs::read_to_string(config(&sandbox)).unwrap().contains("c.dev"));
    setup(&sandbox, &["--undo", "c.dev"]);
    assert_eq!(fs::read_to_string(config(&sandbox)).unwrap(), text);
}

#[test]
fn without_a_place_for_the_link_it_says_what_to_do_and_fails() {
    let sandbox = home("\"r.dev\"");
    fs::remove_file(sandbox.home().join("../bin/docker-credential-keyfob")).unwrap();
    fs::remove_file(sandbox.home().join("../bin/keyfob")).unwrap();
    let done = run(&sandbox, &[]);
    assert_eq!(done.code, Some(1));
    assert!(
        done.stdout.contains("docker-credential-keyfob is not on PATH, and keyfob is not either\n  ln -s "),
        "{done:?}"
    );
}

#[test]
fn a_list_of_helpers_that_counts_no_more_is_told() {
    let sandbox = home("\"r.dev\"");
    fs::create_dir_all(auth(&sandbox).parent().unwrap()).unwrap();
    fs::write(auth(&sandbox), "{}").unwrap();
    let conf = sandbox.home().join(".config/containers/registries.conf");
    fs::write(&conf, "unqualified-search-registries = []\ncredential-helpers = [\"secretservice\"]\n").unwrap();
    let said = setup(&sandbox, &["--all"]);
    assert!(
        said.ends_with(
            "~/.config/containers/registries.conf: its credential-helpers count no more beside those of \
             ~/.config/containers/registries.conf.d/50-keyfob.conf; add them there\n"
        ),
        "{said}"
    );
}

/// The document with a member of somebody else's.
fn with_theirs(text: &str) -> serde_json::Value {
    let mut value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    value["theirs"] = serde_json::json!({ "deep": [1, 2] });
    value
}

/// To docker nothing, an empty text and an empty object are the same there.
fn without_empty(mut value: serde_json::Value) -> serde_json::Value {
    let empty = [serde_json::Value::Null, "".into(), serde_json::json!({})];
    let is_empty =
        |key: &str, value: &serde_json::Value| ["credHelpers", "credsStore"].contains(&key) && empty.contains(value);
    let members = value.as_object_mut().unwrap();
    members.retain(|key, value| !is_empty(key, value));
    value
}

#[test]
fn what_others_add_meanwhile_stays_in_every_kind_of_file() {
    for text in ODD.iter().filter(|text| !text.contains("\"keyfob\"")) {
        for args in [&[][..], &["--all"]] {
            let sandbox = home("\"r.dev\", \"q.dev:5000\"");
            fs::write(config(&sandbox), text).unwrap();
            setup(&sandbox, args);
            let now = with_theirs(fs::read_to_string(config(&sandbox)).unwrap().as_str());
            fs::write(config(&sandbox), format!("{now:#}\n")).unwrap();
            setup(&sandbox, &["--undo"]);
            let left = without_empty(serde_json::from_slice(&fs::read(config(&sandbox)).unwrap()).unwrap());
            let wanted = without_empty(with_theirs(text));
            assert_eq!(left, wanted, "{text:?} {args:?}");
        }
    }
}
