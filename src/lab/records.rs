//! Records, each with a number, and what the properties want to know of one. Time passes for a record by moving its
//! moments: it is always the same moment, so that two records which will always be judged alike are the same.

use super::quick::Map;
use super::spelling::{NOW, begin, code, name, named, tokens};
use super::world::{Name, RecordId, Span};
use crate::clock::Timestamp;
use crate::model::{Slot, Token};
use crate::oauth::device::{ABANDONED_SECS, Pending};
use crate::store::Record;

/// As long ago as nothing in the decision looks.
const LONG_AGO: Timestamp = NOW - 100_000;

/// A token that a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) slot: Slot,
    pub(super) name: Name,
    pub(super) is_refused: bool,
    /// Seconds until it ends.
    pub(super) left: Timestamp,
    /// Seconds before its end at which it is renewed (DESIGN: a fifth of its life, at most a minute).
    pub(super) margin: Timestamp,
    /// The clock stands before the moment it came.
    pub(super) is_of_the_future: bool,
}

/// What a pending login says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PendingFacts {
    pub(super) code: u8,
    pub(super) is_live: bool,
    /// Seconds until the next poll.
    pub(super) wait: Span,
}

/// What a record says by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) tokens: Vec<Held>,
    pub(super) refresh_token: Option<Name>,
    pub(super) pending: Option<PendingFacts>,
    /// What happened last, and the number of what a person last approved.
    pub(super) outcomes: u64,
    pub(super) signed_in_outcome: u64,
    /// The number of the failure that is told of, and whether it was a sign-in's.
    pub(super) failure: Option<(u64, bool)>,
    /// Somebody renews it, as far as is known.
    pub(super) is_being_renewed: bool,
    /// The provider has asked to be left alone.
    pub(super) is_patient: bool,
    /// The next moment at which it would be judged otherwise, in seconds from now.
    pub(super) moment: Option<Span>,
}

/// All records there ever were.
pub(super) struct Records {
    all: Vec<(Option<Record>, Facts)>,
    ids: Map<Record, RecordId>,
    moved: Map<(RecordId, Span), RecordId>,
}

impl Records {
    pub(super) fn new() -> Self {
        Self { all: vec![(None, Facts::default())], ids: Map::default(), moved: Map::default() }
    }

    pub(super) fn id(&mut self, record: Record) -> RecordId {
        if let Some(id) = self.ids.get(&record) {
            return *id;
        }
        let id = RecordId::try_from(self.all.len()).expect("fewer");
        self.all.push((Some(record.clone()), facts(&record)));
        self.ids.insert(record, id);
        id
    }

    pub(super) fn facts(&self, id: RecordId) -> &Facts {
        &self.all[id as usize].1
    }

    pub(super) fn record(&self, id: RecordId) -> Option<&Record> {
        self.all[id as usize].0.as_ref()
    }

    /// The record when so many seconds have passed.
    pub(super) fn later(&mut self, id: RecordId, span: Span) -> RecordId {
        if let Some(known) = self.moved.get(&(id, span)) {
            return *known;
        }
        let Some(mut record) = self.record(id).cloned() else { return id };
        move_record(&mut record, span);
        let made = self.id(record);
        self.moved.insert((id, span), made);
        made
    }

    /// A record for a person to read.
    pub(super) fn shown(&self, id: RecordId) -> String {
        serde_json::to_string_pretty(&self.record(id)).expect("a record can be written")
    }
}

/// Makes so many seconds pass for a record.
pub(super) fn move_record(record: &mut Record, span: Span) {
    let span = Timestamp::from(span);
    for token in record.tokens.values_mut() {
        token.received_at -= span;
        token.expires_at -= span;
    }
    if let Some(pending) = &mut record.pending {
        move_pending(pending, span);
    }
    if let Some(failure) = &mut record.failure {
        failure.at -= span;
        failure.until = failure.until.map(|until| until - span);
    }
    record.renewing_since = record.renewing_since.map(|since| since - span);
    record.retry_at = record.retry_at.map(|at| at - span);
    settle(record);
}

/// The same for a pending sign-in.
pub(super) fn move_pending(pending: &mut Pending, span: Timestamp) {
    pending.started_at -= span;
    pending.next_poll_at -= span;
    pending.expires_at -= span;
    settle_pending(pending);
}

/// Makes the same what nobody can tell apart any more, and forgets what only people read.
pub(super) fn settle(record: &mut Record) {
    (record.signed_in_at, record.refreshed_at) = (None, None);
    for token in record.tokens.values_mut() {
        token.after_refusal &= token.is_recent_replacement(NOW);
        if token.expires_at <= NOW && !token.after_refusal {
            let life = token.expires_at - token.received_at;
            (token.received_at, token.expires_at) = (LONG_AGO, LONG_AGO + life);
        }
    }
    if let Some(pending) = &mut record.pending {
        settle_pending(pending);
    }
    if let Some(failure) = &mut record.failure {
        if !failure.is_recent(NOW) {
            (failure.at, failure.until) = (LONG_AGO, None);
        }
        "told".clone_into(&mut failure.text);
        failure.mend.clear();
    }
    record.retry_at = record.retry_at.filter(|at| *at > NOW);
    record.silent_since = None;
    record.renewing_since = record.renewing_since.filter(|since| (0..50).contains(&(NOW - since)));
}

/// For how many seconds beyond the time of a poll whoever should have made it is waited for.
fn abandoned(pending: &Pending) -> Timestamp {
    2 * Timestamp::try_from(pending.interval).expect("a minute at most") + ABANDONED_SECS
}

pub(super) fn settle_pending(pending: &mut Pending) {
    pending.started_at = pending.started_at.max(NOW);
    pending.expires_at = pending.expires_at.max(NOW);
    // Of one that is over nobody asks who polls for it.
    let longest = if pending.expires_at > NOW { abandoned(pending) + 1 } else { 0 };
    pending.next_poll_at = pending.next_poll_at.max(NOW - longest);
}

fn facts(record: &Record) -> Facts {
    let held = |(slot, token): (&Slot, &Token)| Held {
        slot: slot.clone(),
        name: named(token),
        is_refused: token.refused,
        left: token.expires_at - NOW,
        margin: ((token.expires_at - token.received_at) / 5).min(60),
        is_of_the_future: token.received_at > NOW,
    };
    Facts {
        tokens: record.tokens.iter().map(held).collect(),
        refresh_token: record.refresh_token.as_ref().map(name),
        pending: record.pending.as_ref().map(|pending| PendingFacts {
            code: code(pending),
            is_live: pending.is_live(NOW),
            wait: Span::try_from(pending.wait(NOW)).expect("a minute at most"),
        }),
        outcomes: record.outcomes,
        signed_in_outcome: record.signed_in_outcome,
        failure: record.failure.as_ref().map(|failure| (failure.outcome, failure.slot.is_none())),
        is_being_renewed: record.renewing_since.is_some(),
        is_patient: record.retry_at.is_some(),
        moment: moment(record),
    }
}

/// Every moment at which the decision would judge a record otherwise; the numbers are those of its table.
fn moment(record: &Record) -> Option<Span> {
    let tokens = record.tokens.values().flat_map(|token| {
        let margin = (token.expires_at - token.received_at).min(300) / 5;
        let replaced = if token.after_refusal { token.received_at + 60 } else { NOW };
        [token.expires_at - margin, token.expires_at, replaced]
    });
    let live = record.pending.iter().filter(|pending| pending.expires_at > NOW);
    let pending =
        live.flat_map(|pending| [pending.due_at(), pending.next_poll_at + abandoned(pending) + 1, pending.expires_at]);
    let failure = record.failure.iter().filter_map(|failure| failure.until);
    let moments = tokens
        .chain(pending)
        .chain(failure)
        .chain(record.retry_at)
        .chain(record.renewing_since.map(|since| since + 50))
        .filter(|moment| *moment > NOW);
    moments.min().map(|moment| Span::try_from(moment - NOW).expect("minutes"))
}

/// A session that a person began `ago` seconds ago, with the provider's first tokens.
pub(super) fn signed_in(ago: Span) -> Record {
    let mut record = Record::default();
    record.sign_in(&Slot::default(), &tokens(Name { family: 0, generation: 0 }), true, NOW);
    move_record(&mut record, ago);
    record
}

/// The same without the refresh token, which was not kept.
pub(super) fn signed_in_for_once(ago: Span) -> Record {
    let mut record = signed_in(ago);
    record.refresh_token = None;
    record
}

/// `record` with a login that somebody began `ago` seconds ago, the provider's first.
pub(super) fn with_pending(mut record: Record, ago: Span, in_advance: bool) -> Record {
    let mut pending = begin(0, &Slot::default());
    pending.in_advance = in_advance;
    move_pending(&mut pending, ago.into());
    record.pending = Some(pending);
    record
}
