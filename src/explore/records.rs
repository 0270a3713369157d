//! Real records, one number each. Whatever is done to a record or decided by it is done by the product's own code, once
//! for every record there is, and remembered.
//!
//! It is always the same moment here: when time passes, what a record says of time moves into the past instead. So two
//! records that mean the same are the same.

use super::quick::Map;
use super::spelling::{PATIENCE, TOKEN_LIFE, answer, begin, code, name, named, spelt, tokens};
use super::world::{Name, Reply, Role, Span};
use crate::clock::Timestamp;
use crate::error::{Error, Kind};
use crate::oauth::device::Step;
use crate::oauth::refresh::{self, Outcome};
use crate::secret::Secret;
use crate::session::{self, Next, Request};
use crate::store::Record;

/// The moment it always is.
pub(super) const NOW: Timestamp = 1_000_000;
/// The name of the second slot.
const OTHER_SLOT: &str = "organization=x";
/// As long ago as nothing in the policy looks.
const LONG_AGO: Timestamp = NOW - 1_000;

/// The number of a record.
pub(super) type RecordId = u32;

/// What the policy sees in a record, for one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) next: Decision,
    pub(super) fresh: Option<Name>,
    pub(super) living: Option<Name>,
    pub(super) redeemable: bool,
    /// `mark_refused` has something to mark.
    pub(super) marks: bool,
}

/// [`Next`] without what it borrows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Serve(Name),
    Refresh(Name),
    Poll,
    Login,
    Fail,
    Patience,
    RefusedAgain,
}

/// What a record says by itself.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) outcomes: u8,
    /// The tokens that may still be handed out, by their own words.
    pub(super) usable: Vec<Name>,
    pub(super) refresh_token: Option<Name>,
    pub(super) pending: Option<PendingFacts>,
    /// The outcome at which a person last said yes; and the one at which a sign-in last failed.
    pub(super) approved: u8,
    pub(super) failed: u8,
    /// The provider has asked to be left alone.
    pub(super) is_patient: bool,
    /// The next moment at which it would be judged otherwise, in seconds from now.
    pub(super) moment: Option<Span>,
}

/// What a pending login says.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingFacts {
    pub(super) code: u8,
    pub(super) is_live: bool,
    /// Seconds between polls.
    pub(super) interval: Span,
    /// Seconds until the next.
    pub(super) wait: Span,
}

/// What is done to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Edit {
    Later(Span),
    MarkRefused(Role),
    Grant(Role, Name),
    SignIn(Role, Name),
    Retire(Role),
    Patience(bool),
    Fail(Role, Failing),
    Began,
    /// The pending login becomes that of another record.
    PendingOf(RecordId),
    /// Nothing is left but the pending login.
    PendingAlone,
    Polled,
    Dropped,
    InAdvance,
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Failing {
    Renewal,
    Start,
    SignIn,
    /// What was approved was lost with its poller.
    Lost,
}

/// What an answer makes of a pending login: [`Step`] with the record that holds the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterPoll {
    Wait(RecordId),
    Over,
    Lost,
}

/// What an answer to a refresh means: [`Outcome`] without its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    Granted(Name),
    Refused,
    Transient { patience: bool },
}

/// All records there ever were.
#[derive(Default)]
pub(super) struct Records {
    all: Vec<(Record, Facts)>,
    ids: Map<Vec<u8>, RecordId>,
    edits: Map<(RecordId, Edit), RecordId>,
    looks: Map<(RecordId, Role, u8), Look>,
    polls: Map<(RecordId, Reply), AfterPoll>,
    renewals: Map<Reply, Renewal>,
}

impl Records {
    pub(super) fn id(&mut self, record: Record) -> RecordId {
        let text = serde_json::to_vec(&record).expect("a record can be written");
        let (all, next) = (&mut self.all, RecordId::try_from(self.ids.len()).expect("fewer"));
        *self.ids.entry(text).or_insert_with(|| {
            let facts = facts(&record);
            all.push((record, facts));
            next
        })
    }

    pub(super) fn facts(&self, id: RecordId) -> &Facts {
        &self.all[id as usize].1
    }

    fn record(&self, id: RecordId) -> &Record {
        &self.all[id as usize].0
    }

    /// A record for a person to read.
    pub(super) fn shown(&self, id: RecordId) -> String {
        serde_json::to_string_pretty(self.record(id)).expect("a record can be written")
    }

    /// Asks the policy.
    pub(super) fn look(&mut self, id: RecordId, role: Role, seen: u8) -> Look {
        let record = &self.all[id as usize].0;
        *self.looks.entry((id, role, seen)).or_insert_with(|| {
            let request = request(role, seen);
            Look {
                next: decide(record, &request),
                fresh: session::fresh(record, &request, NOW).filter(|_| !request.login).map(named),
                living: session::living(record, &request, NOW).map(named),
                redeemable: session::is_redeemable(record, NOW) && !request.login,
                marks: refused(record, &request),
            }
        })
    }

    /// The record that an edit makes.
    pub(super) fn edit(&mut self, id: RecordId, edit: Edit) -> RecordId {
        if let Some(known) = self.edits.get(&(id, edit)) {
            return *known;
        }
        let mut record = self.record(id).clone();
        match edit {
            Edit::Later(span) => later(&mut record, Timestamp::from(span)),
            Edit::MarkRefused(role) => {
                let token = record.tokens.get_mut(&request(role, 0).slot).expect("what is marked is there");
                token.refused = true;
            }
            Edit::Grant(role, name) => {
                let request = request(role, 0);
                record.grant(&request.slot, &tokens(name), true, NOW);
                let token = record.tokens.get_mut(&request.slot).expect("granted just now");
                token.after_refusal |= request.suspected.is_some();
            }
            Edit::SignIn(role, name) => {
                // A sign-in at this provider names no organization: it serves the plain slot.
                let plain = record.pending.as_ref().map_or_else(String::new, |pending| pending.slot.clone());
                let wanted = request(role, 0).slot;
                record.sign_in(if wanted == plain { &wanted } else { &plain }, &tokens(name), true, NOW);
            }
            Edit::Retire(role) => {
                let request = request(role, 0);
                record.refresh_token = None;
                if let Some(token) = record.tokens.get_mut(&request.slot) {
                    token.refused |= request.suspected.is_some();
                }
            }
            Edit::Patience(asked) => record.retry_at = asked.then_some(NOW.saturating_add_unsigned(PATIENCE)),
            Edit::Fail(role, failing) => {
                let request = request(role, 0);
                let kind = if failing == Failing::SignIn { Kind::SignInEnded } else { Kind::Transient };
                let slot = (failing == Failing::Renewal).then_some(request.slot.as_str());
                record.fail(&Error::new(kind, "told"), slot, request.parent.as_deref(), NOW);
            }
            Edit::Began => record.failure = None,
            Edit::PendingOf(other) => record.pending.clone_from(&self.record(other).pending),
            Edit::PendingAlone => record = Record { pending: record.pending.take(), ..Record::default() },
            Edit::Polled => record.pending = record.pending.take().map(|pending| pending.polled(NOW)),
            Edit::Dropped => record.pending = None,
            Edit::InAdvance => {
                let pending = record.pending.as_mut().expect("a code was begun");
                pending.in_advance = true;
            }
        }
        settle(&mut record);
        let made = self.id(record);
        self.edits.insert((id, edit), made);
        made
    }

    /// A record with nothing but the pending login that the provider's answer begins.
    pub(super) fn begun(&mut self, code: u8) -> RecordId {
        self.id(Record { pending: Some(begin(code)), ..Record::default() })
    }

    /// What a poll's answer makes of the pending login of record `id`.
    pub(super) fn after_poll(&mut self, id: RecordId, reply: Reply) -> AfterPoll {
        if let Some(known) = self.polls.get(&(id, reply)) {
            return *known;
        }
        let pending = self.record(id).pending.clone().expect("what is polled for");
        let after = match pending.after(answer(reply), NOW) {
            Step::Wait(pending) => {
                let mut record = Record { pending: Some(*pending), ..Record::default() };
                settle(&mut record);
                AfterPoll::Wait(self.id(record))
            }
            Step::Denied(_) | Step::Expired(_) | Step::Refused { .. } => AfterPoll::Over,
            Step::Lost => AfterPoll::Lost,
            Step::Granted(_) => unreachable!("taken care of before"),
        };
        self.polls.insert((id, reply), after);
        after
    }

    /// What an answer means for the refresh token that was sent.
    pub(super) fn renewal(&mut self, reply: Reply) -> Renewal {
        *self.renewals.entry(reply).or_insert_with(|| match refresh::outcome(answer(reply)) {
            Outcome::Granted(tokens) => Renewal::Granted(name(&tokens.access_token)),
            Outcome::Refused(_) => Renewal::Refused,
            Outcome::Transient { retry_after, .. } => Renewal::Transient { patience: retry_after.is_some() },
            Outcome::Misconfigured(words) => unreachable!("the provider never says so: {words}"),
            Outcome::Unreachable(_) => unreachable!("no answer is no reply"),
        })
    }
}

/// What a caller of that role asks for.
fn request(role: Role, seen: u8) -> Request {
    let first = || Some(Secret::new(spelt(Name { family: 0, generation: 0 }, "at")).fingerprint());
    let plain = Request { seen: seen.into(), ..Request::default() };
    match role {
        Role::Get | Role::Start => plain,
        Role::Headless => Request { headless: true, ..plain },
        Role::Other => Request { slot: OTHER_SLOT.to_owned(), ..plain },
        Role::Heal => Request { refused: first(), ..plain },
        Role::Suspect => Request { suspected: first(), parent: Some("7-1".to_owned()), ..plain },
        Role::Login => Request { login: true, ..plain },
    }
}

fn decide(record: &Record, request: &Request) -> Decision {
    match session::next(record, request, NOW) {
        Next::Serve(token) => Decision::Serve(named(token)),
        Next::Refresh(token) => Decision::Refresh(name(token)),
        Next::Poll(_) => Decision::Poll,
        Next::Login => Decision::Login,
        Next::Fail(_) => Decision::Fail,
        Next::Patience(_) => Decision::Patience,
        Next::RefusedAgain(_) => Decision::RefusedAgain,
    }
}

/// As `Broker::mark_refused` has it.
fn refused(record: &Record, request: &Request) -> bool {
    let token = record.tokens.get(&request.slot);
    token.is_some_and(|token| !token.refused && session::is_refused(token, request) && !token.is_vain(NOW))
}

fn facts(record: &Record) -> Facts {
    Facts {
        outcomes: u8::try_from(record.outcomes).expect("few"),
        usable: record.tokens.values().filter(|token| !token.refused && token.expires_at > NOW).map(named).collect(),
        refresh_token: record.refresh_token.as_ref().map(name),
        pending: record.pending.as_ref().map(|pending| PendingFacts {
            code: code(pending),
            is_live: pending.is_live(NOW),
            interval: Span::try_from(pending.interval).expect("a minute at most"),
            wait: Span::try_from(pending.wait(NOW)).expect("a minute at most"),
        }),
        approved: u8::try_from(record.signed_in_outcome).expect("few"),
        failed: record
            .failure
            .as_ref()
            .filter(|failure| failure.slot.is_none())
            .map_or(0, |failure| u8::try_from(failure.outcome).expect("few")),
        is_patient: record.retry_at.is_some(),
        moment: moment(record),
    }
}

/// Every moment at which the policy would judge a record otherwise; the numbers are those of its table.
fn moment(record: &Record) -> Option<Span> {
    let tokens = record.tokens.values().flat_map(|token| {
        let margin = (token.expires_at - token.received_at).min(300) / 5;
        let vain = if token.after_refusal { token.received_at + 60 } else { NOW };
        [token.expires_at - margin, token.expires_at, vain]
    });
    let pending = record.pending.iter().flat_map(|pending| [pending.next_poll_at, pending.expires_at]);
    let failure = record.failure.iter().map(|failure| failure.at + 30);
    let moments = tokens.chain(pending).chain(failure).chain(record.retry_at).filter(|moment| *moment > NOW);
    moments.min().map(|moment| Span::try_from(moment - NOW).expect("minutes"))
}

fn later(record: &mut Record, span: Timestamp) {
    for token in record.tokens.values_mut() {
        token.received_at -= span;
        token.expires_at -= span;
    }
    if let Some(pending) = &mut record.pending {
        pending.next_poll_at -= span;
        pending.expires_at -= span;
    }
    if let Some(failure) = &mut record.failure {
        failure.at -= span;
    }
    record.retry_at = record.retry_at.map(|at| at - span);
}

/// Makes the same what the policy can no longer tell apart, and forgets what only people read.
fn settle(record: &mut Record) {
    (record.signed_in_at, record.refreshed_at) = (None, None);
    for token in record.tokens.values_mut() {
        token.after_refusal &= token.is_vain(NOW);
        if token.expires_at <= NOW && !token.after_refusal {
            (token.received_at, token.expires_at) = (LONG_AGO, LONG_AGO + Timestamp::from(TOKEN_LIFE));
        }
    }
    if let Some(pending) = &mut record.pending {
        pending.started_at = NOW;
        pending.next_poll_at = pending.next_poll_at.max(NOW);
        pending.expires_at = pending.expires_at.max(NOW);
    }
    if let Some(failure) = &mut record.failure {
        failure.at = if (0..30).contains(&(NOW - failure.at)) { failure.at } else { LONG_AGO };
    }
    record.retry_at = record.retry_at.filter(|at| *at > NOW);
}

/// A session that a person began `ago` seconds ago, with the provider's first tokens.
pub(super) fn signed_in(ago: Span) -> Record {
    let mut record = Record::default();
    record.sign_in("", &tokens(Name { family: 0, generation: 0 }), true, NOW);
    later(&mut record, ago.into());
    settle(&mut record);
    record
}

/// `record` with a login that somebody began `ago` seconds ago, the provider's first.
pub(super) fn with_pending(mut record: Record, ago: Span, in_advance: bool) -> Record {
    let mut pending = begin(0);
    pending.in_advance = in_advance;
    pending.next_poll_at -= Timestamp::from(ago);
    pending.expires_at -= Timestamp::from(ago);
    record.pending = Some(pending);
    settle(&mut record);
    record
}
