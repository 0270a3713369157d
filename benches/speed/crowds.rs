//! Many at once: hits, and callers of a session that has just ended.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::home::{HOST, Home};
use crate::measure::{Call, milliseconds};
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, ask};

const CROWDS: &[usize] = &[1, 100, 1_000];
/// How long the provider thinks over a refresh.
const THOUGHT: Duration = Duration::from_millis(100);

pub fn print() {
    println!("| at once | hits, ms in all | failed | callers of an ended session, ms in all | failed | requests |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for &many in CROWDS {
        let hit = Home::with(1);
        let (hits, misses) = crowd(&hit.git(), many);
        let ended = ended();
        let (refreshes, failures) = crowd(&ended.git(), many);
        println!(
            "| {many} | {:.0} | {misses} | {:.0} | {failures} | {} |",
            milliseconds(hits),
            milliseconds(refreshes),
            ended.provider.count(Endpoint::Refresh)
        );
    }
    println!("\nThe provider thinks over a refresh for {} ms.\n", THOUGHT.as_millis());
}

fn ended() -> Home {
    let provider = Provider::with(Manners { approves_by_itself: true, refresh_takes: THOUGHT, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    sandbox.run_asking(&["git", "get"], &ask(HOST));
    sandbox.expire();
    Home { sandbox, provider }
}

/// Starts so many at once: how long until the last has ended, and how many had no answer. Each has a file for what it
/// says: pipes would be more than one process may hold.
fn crowd(call: &Call, many: usize) -> (Duration, usize) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |number: usize| folder.path().join(number.to_string());
    let began = Instant::now();
    let start = |number| {
        let mut command = call.command();
        command.stdout(fs::File::create(file(number)).expect("writable")).stderr(Stdio::null());
        command.spawn().expect("it starts")
    };
    let children: Vec<_> = (0..many).map(start).collect();
    for mut child in children {
        child.wait().expect("it ends");
    }
    let took = began.elapsed();
    let answered = |number: &usize| fs::read_to_string(file(*number)).is_ok_and(|text| text.contains("password="));
    (took, many - (0..many).filter(answered).count())
}
