//! The lab: the machines that ship ([`crate::machine`]), three at a time, in every order they can come in, before a strict
//! provider and a disk that break at any step.
//!
//! A state is the record on disk, the machines, the provider's memory and the wire ([`world`]); [`moves`] says what may
//! happen next, [`search`] walks to every state there is and knows one it has seen. A machine's step is taken by the
//! product's own code, once for each state it can be in ([`jobs`]), so nothing here says what a caller does. What is a model
//! is the world around it:
//!
//! - A machine's effect, the provider reading a request, a person's yes or no, and the passing of time are moves of their
//!   own, in every order. What touches nothing that others see is done at once.
//! - Time passes to the next moment at which anybody would judge otherwise. Where all callers wait it costs nothing; where
//!   somebody could move, or an answer is on its way, it is an accident. A pause for a lock ends when the lock is free, when
//!   the record is another, and when the patience with it is over.
//! - Accidents: a crash, a process stopped that perhaps goes on, an answer lost, an answer late, a provider that fails, a
//!   clock that jumps there or back, a lock file removed, a save refused. One of each kind may happen on a path, and so many
//!   in all as the walk says: one in the tests, more in the long search.
//! - A request may outlive its caller, and arrive after the requests of others.
//!
//! Held in every state or on every path, else the walk fails and tells the shortest way there ([`moves`], [`search`]):
//!
//! - at most one code that was shown could still bring tokens in, no caller asks its person twice, nobody is shown a code
//!   where nobody is here, and a sign-in that waits for a person is not overwritten;
//! - no token is printed that is not on the disk, has ended, is marked as refused, or is in its margin and could be renewed;
//! - no refresh token is sent after its refusal was told, nor three times by one caller, nor without the record's lock; none
//!   is dropped that nobody refused, and where none is to be kept none is written;
//! - no refresh token comes back to the provider unless its successor was lost with a caller or an answer, and, where there is
//!   a replay window, the window is over; so nothing else ends a session;
//! - no device code is asked for again once it has brought tokens that anybody could save, and none is asked for early;
//! - nobody sleeps, waits for a person or for a code with the record's lock in hand, nobody renews with the login lock in
//!   hand, and nothing is written without the lock;
//! - a failed renewal is written down; nobody waits long, or fails, beside a token that lives;
//! - somebody can always go on, and no path goes round, so every caller that is not killed or stopped ends with a token or a
//!   reason, whoever holds what it waits for;
//! - whatever is left when all are killed, the next command gets a token, or tells of a sign-in that has ended at the
//!   provider (or of a provider that wants patience), and then the one after it does.
//!
//! After some accidents less can be promised, and the properties say so where they stand: a lock file that is removed lets
//! two in at once, and a clock that jumps makes codes end that have not.
//!
//! [`replay`] then takes ways that the walk found through the real broker, with real files and real locks, and holds every
//! effect of its to what the walk took it for; and lets a broker run alone to the same end as its machine.
//!
//! Left out: file systems without locks, answers that say the configuration is wrong, and `logout`.

mod jobs;
mod moves;
mod provider;
mod quick;
mod records;
mod replay;
mod scenarios;
mod search;
mod spelling;
mod world;

use jobs::{Jobs, Places};
use moves::Mover;
use provider::Provider;
use scenarios::{OTHER, PLAIN, REPLAYED, REPLAYING, REUSED};
use world::{Budget, Past, Role, WORKERS, World};

use crate::store::Record;

/// How long ago the login was begun that a scenario finds pending: its next poll is due.
const BEGUN: world::Span = 7;
/// How many ways of a walk are taken through the real broker.
const WAYS: usize = 60;

/// Where a walk begins, and what must have happened somewhere on it, or it proves nothing.
struct Scenario {
    name: &'static str,
    roles: [Role; WORKERS],
    record: Option<Record>,
    /// The profile's keys.
    profile: String,
    /// The provider has ended the session that is kept.
    is_over: bool,
    reaches: &'static [&'static str],
}

impl Scenario {
    fn new(name: &'static str, roles: [Role; WORKERS], record: Option<Record>) -> Self {
        Self { name, roles, record, profile: PLAIN.to_owned(), is_over: false, reaches: &[] }
    }

    fn reaching(self, reaches: &'static [&'static str]) -> Self {
        Self { reaches, ..self }
    }

    /// What it begins with.
    fn start(&self, has_window: bool, accidents: u8) -> (Mover, World) {
        // What a provider with a replay window is sent is another's row to say.
        let profile = if has_window { self.profile.replace(PLAIN, REPLAYING) } else { self.profile.clone() };
        let mut jobs = Jobs::new(Places::new(&format!("[profile.a]\n{profile}{OTHER}")));
        let mut provider = Provider::new(has_window);
        let record = self.record.clone().map(|record| jobs.places.owned(record));
        let disk = record.map_or(0, |record| jobs.records.id(record));
        let facts = jobs.records.facts(disk).clone();
        if !facts.tokens.is_empty() {
            let name = provider.begin_family();
            provider.family(name.family).revoked = self.is_over;
        }
        if facts.pending.is_some() {
            let code = provider.begin_code();
            provider.later(BEGUN);
            provider.code(code).shown = true;
        }
        let mut mover = Mover::new(jobs);
        let workers = self.roles.map(|role| mover.worker(role));
        let left = Budget::of_each(accidents, 2, 1);
        let past = Past::default();
        let world = World { disk, workers, provider, strays: [None; 3], lock_file: 0, login_file: 0, left, past };
        (mover, world)
    }

    /// Walks everywhere with so many accidents a path, and takes some of the ways through the real broker.
    #[expect(clippy::print_stdout, reason = "the figures are the point")]
    fn walk(&self, has_window: bool, accidents: u8, reaches: &[&str]) {
        let (mover, start) = self.start(has_window, accidents);
        let name = format!("{}, {} replay window", self.name, if has_window { "a" } else { "no" });
        let (mut walk, report) = search::explore(mover, start, WAYS).unwrap_or_else(|told| panic!("{name}: {told}"));
        println!(
            "{name}: {} states, {} transitions, {} moves on the longest path, {} recoveries",
            report.states, report.transitions, report.depth, report.recoveries
        );
        for (what, count) in &report.tally {
            println!("{count:>10} x {what}");
        }
        for what in ["a crash with a lock in hand"].iter().chain(self.reaches).chain(reaches) {
            assert!(report.tally.contains_key(what), "{name}: this never happened: {what}");
        }
        let mover = &mut walk.mover;
        for way in &report.ways {
            replay::take(mover, &start, way).unwrap_or_else(|told| panic!("{name}, through the broker: {told}"));
        }
        for role in self.roles {
            replay::run_alone(mover, &start, role).unwrap_or_else(|told| panic!("{name}, {role:?} alone: {told}"));
        }
    }
}

/// Walks the scenarios, with so many accidents a path.
fn walk_all(scenarios: Vec<(Scenario, bool)>, accidents: u8) {
    for (scenario, differs) in scenarios {
        scenario.walk(false, accidents, if differs && scenario.profile == PLAIN { REUSED } else { &[] });
        if differs {
            scenario.walk(true, accidents, REPLAYED);
        }
    }
}

#[test]
fn renewals_in_every_order_with_one_accident() {
    walk_all(scenarios::of_renewals(), 1);
}

#[test]
fn sign_ins_in_every_order_with_one_accident() {
    walk_all(scenarios::of_sign_ins(), 1);
}

/// Minutes, and gigabytes of memory: `.ci/search` runs it.
#[test]
#[ignore = "it takes minutes"]
fn every_order_with_two_accidents() {
    walk_all(scenarios::of_renewals(), 2);
    walk_all(scenarios::of_sign_ins(), 2);
}
