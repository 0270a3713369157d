//! The policy checked by exhaustion: three callers in every order, killed at any step, before a strict provider.
//!
//! The policy ([`crate::session`]), the records and the device flow are the product's own; [`caller`] mirrors the broker,
//! which executes them, step by step. A state is the record on disk, the callers, the provider's memory and the wire
//! ([`world`]); [`search`] walks to every state there is within a budget of accidents, and knows one it has seen. The rest
//! is a model:
//!
//! - A caller's step, its death, the provider reading a request, an answer lost, a failure, a person's yes or no, and the
//!   passing of time are moves of their own, in every order.
//! - Time passes to the next moment at which anybody would judge otherwise. Where all callers wait it costs nothing; where
//!   somebody could move, a process was stopped or the network slow, which is an accident with a budget. What is on the wire
//!   arrives before time passes.
//! - A request may outlive its caller, and arrive after the requests of others.
//!
//! Held in every state or on every path, else the walk fails and tells the shortest way there:
//!
//! - at most one code that was shown could still bring tokens in;
//! - no token is printed that is not on disk, has ended, or is marked as refused;
//! - no refresh token is sent after its refusal was saved, nor three times by one caller;
//! - no refresh token comes back to the provider unless its successor was lost with a caller or an answer, and, where there is
//!   a replay window, the window is over; so nothing else ends a session;
//! - no device code is asked for again once it has brought tokens that anybody could save;
//! - no answer of a person's is overlooked that came while a caller waited, and an answer that ends a sign-in ends it;
//! - somebody can always go on, and no path goes round, so every caller that is not killed ends with a token or a reason;
//! - whatever is left when all are killed, the next command gets a token, or tells of a sign-in that has ended at the
//!   provider (or of a provider that wants patience), and then the one after it does.
//!
//! Left out: a store that cannot be written, locks that do not exist, answers that say the configuration is wrong, `logout`,
//! `erase`, a clock that jumps, and the deadlines of waits for locks, which nobody may need.

mod caller;
mod provider;
mod quick;
mod records;
mod search;
mod spelling;
mod world;

use caller::Mover;
use provider::Provider;
use world::{Budget, CALLERS, Caller, Role, World};

use crate::store::Record;

/// What may happen on one path. To go further, raise these: with one more of each the walks take minutes, not seconds.
const BUDGET: Budget = Budget { crashes: 2, failures: 1, losses: 1, approvals: 2, denials: 1, stalls: 1 };
/// How long ago the login was begun that a scenario finds pending: its next poll is due.
const BEGUN: world::Span = 7;

/// Where a walk begins, and what must have happened somewhere on it, or it proves nothing.
struct Scenario {
    name: &'static str,
    roles: [Role; CALLERS],
    record: Record,
    reaches: &'static [&'static str],
}

impl Scenario {
    #[expect(clippy::print_stdout, reason = "the figures are the point")]
    fn walk(&self, has_window: bool, reaches: &[&str]) {
        let mut mover = Mover::default();
        let mut provider = Provider::new(has_window);
        let disk = mover.records.id(self.record.clone());
        let facts = mover.records.facts(disk);
        if facts.refresh_token.is_some() {
            provider.begin_family();
        }
        if facts.pending.is_some() {
            let code = provider.begin_code();
            provider.later(BEGUN);
            provider.code(code).shown = true;
        }
        let callers = self.roles.map(Caller::new);
        let start = World { disk, callers, provider, strays: [None; 4], left: BUDGET };
        let name = format!("{}, {} replay window", self.name, if has_window { "a" } else { "no" });
        let report = search::explore(mover, start).unwrap_or_else(|told| panic!("{name}: {told}"));
        println!(
            "{name}: {} states, {} transitions, {} moves on the longest path, {} recoveries",
            report.states, report.transitions, report.depth, report.recoveries
        );
        for (what, count) in &report.tally {
            println!("{count:>10} x {what}");
        }
        for what in ["a crash with a lock in hand", "an answer lost", "a token printed", "a reason given"]
            .iter()
            .chain(self.reaches)
            .chain(reaches)
        {
            assert!(report.tally.contains_key(what), "{name}: this never happened: {what}");
        }
    }

    /// A session that must survive is at stake: before a provider without a replay window, and before one with.
    fn walk_both(&self) {
        self.walk(
            false,
            &[
                "a crash between the rotation and the save",
                "a family revoked for reuse",
                "a refusal received",
                "a session ended",
            ],
        );
        self.walk(true, &["a crash between the rotation and the save", "a replay answered with the same successor"]);
    }
}

#[test]
fn an_empty_store() {
    Scenario {
        name: "an empty store",
        roles: [Role::Get; CALLERS],
        record: Record::default(),
        reaches: &[
            "a sign-in approved",
            "a sign-in denied",
            "a code expired",
            "a login taken over",
            "another's code shown",
            "served while waiting for another's sign-in",
            "a crash between the approval and the save",
            "an approval lost with its poller",
            "slowed down",
            "no sign-in could be started",
        ],
    }
    .walk(false, &[]);
}

#[test]
fn an_expired_session() {
    Scenario {
        name: "an expired session",
        roles: [Role::Get; CALLERS],
        record: records::signed_in(400),
        reaches: &["served while waiting for the record", "a refresh token sent once more", "told to be patient"],
    }
    .walk_both();
}

#[test]
fn an_expired_session_and_nobody_there() {
    Scenario {
        name: "an expired session, one caller with a slot of its own, one without a human",
        roles: [Role::Get, Role::Other, Role::Headless],
        record: records::signed_in(400),
        reaches: &["a refresh token sent once more", "told to be patient", "told of a failure from before"],
    }
    .walk_both();
}

#[test]
fn a_login_whose_poller_died() {
    Scenario {
        name: "a login whose poller died",
        roles: [Role::Get, Role::Get, Role::Headless],
        record: records::with_pending(Record::default(), BEGUN, false),
        reaches: &[
            "a login taken over",
            "a sign-in approved",
            "a sign-in denied",
            "a code expired",
            "an approval lost with its poller",
        ],
    }
    .walk(false, &[]);
}

#[test]
fn a_login_beside_a_living_session() {
    Scenario {
        name: "a login beside a living session",
        roles: [Role::Login, Role::Login, Role::Get],
        record: records::signed_in(100),
        reaches: &["a hit", "a sign-in approved", "a sign-in denied", "another's code shown"],
    }
    .walk(false, &[]);
}

#[test]
fn a_refused_token() {
    Scenario {
        name: "a refused token",
        roles: [Role::Heal, Role::Suspect, Role::Get],
        record: records::signed_in(100),
        reaches: &["a refused token marked", "a hit", "a refresh failed for now"],
    }
    .walk_both();
}

#[test]
fn a_code_in_advance() {
    Scenario {
        name: "a code in advance beside a living session",
        roles: [Role::Get, Role::Headless, Role::Start],
        record: records::with_pending(records::signed_in(100), BEGUN, true),
        reaches: &[
            "an approval asked for that nobody waits for",
            "a sign-in approved",
            "a code left for whoever comes next",
        ],
    }
    .walk_both();
}
