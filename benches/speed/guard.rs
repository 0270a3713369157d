//! What must not grow: instructions, which are the same on a busy machine, the binary, and what it is made of.

use std::collections::BTreeSet;
use std::process::Command;

use crate::home::Home;
use crate::support::sandbox::keyfob;

/// User-space instructions of a hit, with a little room. The budget is 350,000; git's own helper in C takes 264,000 or more.
const GIT: u64 = 300_000;
const DOCKER: u64 = 250_000;
/// It also finds out who asks and notes what they were given; 2,000 of it are the option for the version of the protocol.
const KUBECTL: u64 = 353_000;
/// With 10,000 records, in hundredths of what one takes.
const GROWTH: u64 = 105;
/// Bytes, with the C library that the default build brings (glibc); the budget of 4,500,000 is for musl, whose library is smaller. What
/// came since the first edition: signals and their watcher, the exchange in a thread of its own, mends as data, redaction in every
/// spelling, resources, persons, the background process: some 145,000; what docker and podman keep beside keyfob, and an undo that knows
/// by name what was put in: some 20,000 more; whole paths for git and kubectl, and what tells a refusal from a habit: another 20,000; a
/// doctor that follows each client to its end, the forms of a token, `run`, a sign-in in steps, agents, browsers: some 80,000, of which
/// completions of our own gave 49,000 back.
const BINARY: u64 = 4_690_000;
/// In the normal tree, keyfob itself among them.
const CRATES: u64 = 79;

/// Prints each figure with its bound; whether all of them hold.
pub fn holds() -> bool {
    let (one, many) = (Home::with(1), Home::with(10_000));
    let count = |call: crate::measure::Call| call.instructions().expect("valgrind counts (apt-get install valgrind)");
    let git = count(one.git());
    let rows = [
        ("instructions of a hit through git", git, GIT),
        ("instructions of a hit through docker", count(one.docker()), DOCKER),
        ("instructions of a hit through kubectl", count(one.kubectl()), KUBECTL),
        ("the same through git, with 10,000 records", count(many.git()), git * GROWTH / 100),
        ("bytes of the binary", std::fs::metadata(keyfob()).expect("it is built").len(), BINARY),
        ("crates in the normal tree", crates(), CRATES),
    ];
    for (what, figure, bound) in rows {
        let verdict = if figure <= bound { "holds" } else { "IS TOO MUCH" };
        println!("{what:45} {figure:>9}, at most {bound:>9}: {verdict}");
    }
    rows.iter().all(|(_, figure, bound)| figure <= bound)
}

fn crates() -> u64 {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo is there");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8_lossy(&tree.stdout).into_owned();
    // Repeated ones are marked so.
    let names: BTreeSet<&str> =
        text.lines().map(|line| line.trim_end_matches(" (*)")).filter(|line| !line.is_empty()).collect();
    names.len() as u64
}
