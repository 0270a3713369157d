//! What the trace is told of records and decisions: moments and reasons, never a token. (What people are told is in
//! words.rs.)

use super::{At, Machine};
use crate::clock::Timestamp;
use crate::decision::{self, Decision};
use crate::model::{Ask, Token};
use crate::store::Record;
use crate::trace::{self, trace, yes};

impl Machine {
    /// What is kept and what is done next.
    pub(super) fn trace_decision(&self, record: &Record, next: &Decision<'_>, now: Timestamp) {
        if !trace::is_on() {
            return;
        }
        trace!("record: {}", kept(record, &self.ask, now));
        trace!("decision: {}", decision(record, &self.ask, next, now));
    }
}

fn kept(record: &Record, ask: &Ask, now: Timestamp) -> String {
    let Record { refresh_token, tokens, pending, failure, .. } = record;
    let token = tokens.get(&ask.slot).map_or_else(|| "none".to_owned(), |token| state(token, ask, now));
    let pending = pending.as_ref().is_some_and(|pending| pending.is_live(now));
    let failure = failure.as_ref().map_or_else(|| "none".to_owned(), |failure| format!("{} s ago", now - failure.at));
    format!(
        "token for this place: {token}; others: {}; refresh token: {}; sign-in pending: {}; last failure: {failure}",
        tokens.len() - usize::from(tokens.contains_key(&ask.slot)),
        yes(refresh_token.is_some()),
        yes(pending),
    )
}

/// A token of the kind that is wanted.
fn state(token: &Token, ask: &Ask, now: Timestamp) -> String {
    match token.end(ask.kind) {
        None => "it has no such kind".to_owned(),
        Some(_) if decision::is_refused(token, ask) => "refused by its server".to_owned(),
        Some(end) if end <= now => format!("ended {} s ago", now - end),
        Some(end) => format!("{} s left", end - now),
    }
}

fn decision(record: &Record, ask: &Ask, next: &Decision<'_>, now: Timestamp) -> String {
    let token = record.tokens.get(&ask.slot);
    let why = || match token {
        Some(_) if ask.suspected.is_some() => "the client asks again for a token that lives".to_owned(),
        Some(token) => format!("the token: {}", state(token, ask, now)),
        None => "nothing is kept for this place".to_owned(),
    };
    match next {
        Decision::Serve(token) => format!("serve ({})", state(token, ask, now)),
        Decision::Refresh(_) => format!("refresh ({})", why()),
        Decision::Login if ask.is_sign_in() => "sign in (a person wants it)".to_owned(),
        Decision::Login => format!("sign in ({}, and there is no refresh token)", why()),
        Decision::Poll(pending) => format!("poll (a sign-in is pending, due in {} s)", pending.wait(now)),
        Decision::Fail(failure) => format!("repeat the failure of {} s ago", now - failure.at),
        Decision::Patience(until) => format!("wait (the provider wants {} s of patience)", until - now),
        Decision::TooShort(token) => format!("give up (the token: {}, and more is wanted)", state(token, ask, now)),
        Decision::RefusedAgain(_) => {
            "give up (the server refuses even the token that was renewed a moment ago)".to_owned()
        }
    }
}

impl At {
    /// What is waited for, for a message about a mistake of ours: no part of a record is in it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::FirstLook => "the first look",
            Self::FindingTerminal => "looking for a terminal",
            Self::Locking(_) | Self::LockPause(_) | Self::LockLook(_) => "the record's lock",
            Self::HandedOver => "a look at what another process renews",
            Self::Reserving | Self::CodeReserving | Self::SignInReserving => "a reservation",
            Self::Renewing { .. } => "a refresh",
            Self::Rereading { .. } => "reading again",
            Self::FindingPerson => "looking for a person",
            Self::LoginLocking
            | Self::LoginPause
            | Self::LoginLook
            | Self::RedeemLocking
            | Self::CodeLocking
            | Self::CodePause => "the login lock",
            Self::Sleeping => "the next poll",
            Self::Starting(_) => "a code",
            Self::Polling(_) => "a poll",
            Self::SigningOut(_) => "a sign-out",
            Self::CodeLook | Self::RefusalLook => "a look",
            Self::MarkingRefused
            | Self::NotingRenewal
            | Self::SavingRenewed
            | Self::SavingRetired(_)
            | Self::SavingNotGranted
            | Self::SavingFailure { .. }
            | Self::SavingTurn(_)
            | Self::SavingBegun(_)
            | Self::SavingPolled(_)
            | Self::SavingApproved { .. }
            | Self::SavingOtherPerson { .. }
            | Self::SavingRedeem(_)
            | Self::SavingCode(_)
            | Self::SavingRefusal => "a save",
            Self::Ended => "nothing",
        }
    }
}
