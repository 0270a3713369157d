//! The structure, read from the source: rooms know only those below them, and what tells one client or provider from another
//! stands in one place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room, the lowest first: a room may name those before it and no other. `lib` and `main` may name all; what is only in the
/// tests (`lab`, `fuzz`) is held to nothing.
pub const ROOMS: &[&str] = &[
    "escape", "secret", "redact", "mend", "error", "clock", "trace", "model", "process", "config", "oauth", "store",
    "human", "decision", "machine", "broker", "output", "desk", "setup", "doctor", "clients", "cli", "commands",
];
const FREE: &[&str] = &["lib", "main", "lab", "fuzz"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Every file of the source below `folder`, with its text up to its tests and without comments.
pub fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let shipped = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let lines = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
            found.push((path.clone(), lines.collect::<Vec<_>>().join("\n")));
        }
    }
    found.sort();
    found
}

/// The room a file is in: its folder below `src`, or its own name there.
fn room(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a text names, by `crate::ROOM` or `use crate::{ROOM, ...}`.
fn named(text: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    text.split("crate::")
        .skip(1)
        .flat_map(|after| match after.strip_prefix('{') {
            None => vec![word(after)],
            Some(list) => list.split('}').next().unwrap().split(',').map(|part| word(part.trim())).collect(),
        })
        .filter(|name| !name.is_empty())
        .collect()
}

/// What is wrong with the arrows of these files.
fn wrong(files: &[(PathBuf, String)]) -> Vec<String> {
    let place = |room: &str| ROOMS.iter().position(|known| *known == room);
    let mut wrong = Vec::new();
    for (path, text) in files {
        let own = room(path);
        if FREE.contains(&own.as_str()) {
            continue;
        }
        let Some(at) = place(&own) else {
            wrong.push(format!("{} is in no room of the list", path.display()));
            continue;
        };
        for name in named(text).into_iter().filter(|name| *name != own) {
            match place(&name) {
                Some(other) if other < at => {}
                Some(_) => wrong.push(format!("{}: {own} names {name}, which is above it", path.display())),
                // Something of lib.rs itself.
                None => wrong.push(format!("{}: {own} names {name}, which is no room", path.display())),
            }
        }
    }
    wrong
}

#[test]
fn rooms_know_only_those_below_them() {
    let files = sources(&root().join("src"));
    assert!(files.len() > 80, "the source is here");
    assert_eq!(wrong(&files), Vec::<String>::new());
    for room in ROOMS {
        assert!(files.iter().any(|(path, _)| self::room(path) == *room), "there is no room {room}");
    }
}

#[test]
fn an_arrow_that_goes_up_is_seen() {
    let file = |path: &str, text: &str| (root().join("src").join(path), text.to_owned());
    for (path, text, is_wrong) in [
        ("store/file.rs", "use crate::model::Slot;", false),
        ("store/file.rs", "use crate::broker::Broker;", true),
        ("store/file.rs", "use crate::{clock, machine};", true),
        ("store/file.rs", "let x = crate::commands::now();", true),
        ("model/ask.rs", "use crate::config::Config;", true),
        ("secret.rs", "use crate::escape::escape;", false),
        ("nowhere.rs", "", true),
        ("lab/mod.rs", "use crate::broker::Broker;", false),
    ] {
        assert_eq!(!wrong(&[file(path, text)]).is_empty(), is_wrong, "{path}: {text}");
    }
}

/// Where a client may be named outside its room, and why.
const NAMED_OUTSIDE: &[(&str, &str)] =
    &[("commands/setup/convert.rs", "takes over what other helpers of git and kubectl are configured with")];

/// A client is told from another by its name in a string or a type: neither stands outside the clients' rooms.
#[test]
fn clients_are_told_apart_in_their_rooms_alone() {
    let mut outside: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, text) in sources(&root().join("src")) {
        if FREE.contains(&room(&path).as_str()) || room(&path) == "clients" {
            continue;
        }
        let below = path.strip_prefix(root().join("src")).unwrap().to_string_lossy().into_owned();
        for line in text.lines() {
            let is_told = [
                "\"git\"",
                "\"docker\"",
                "\"kubectl\"",
                "\"bazel\"",
                "credential-keyfob",
                "::Git",
                "::Docker",
                "::Kubectl",
            ]
            .iter()
            .any(|name| line.contains(name));
            if is_told {
                outside.entry(below.clone()).or_default().push(line.trim().to_owned());
            }
        }
    }
    for (path, why) in NAMED_OUTSIDE {
        assert!(outside.remove(*path).is_some(), "{path} tells none apart any more ({why}): take it off the list");
    }
    assert_eq!(outside, BTreeMap::new(), "these places tell clients apart");
}
