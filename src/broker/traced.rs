//! What the trace is told of records and decisions: moments and reasons, never a token. (What the person is told is in
//! person.rs.)

use super::Broker;
use crate::clock::Timestamp;
use crate::session::{self, Next, Request};
use crate::store::{Record, Token};
use crate::trace::{self, trace, yes};

impl Broker<'_> {
    /// What is kept and what is done next.
    pub(super) fn trace_decision(&self, record: &Record, request: &Request, next: &Next<'_>) {
        if !trace::is_on() {
            return;
        }
        let now = self.clock.now();
        trace!("record: {}", kept(record, request, now));
        trace!("decision: {}", decision(record, request, next, now));
    }

    /// The same for a hit.
    pub(super) fn trace_hit(&self, record: &Record, request: &Request, token: &Token) {
        self.trace_decision(record, request, &Next::Serve(token));
    }
}

fn kept(record: &Record, request: &Request, now: Timestamp) -> String {
    let Record { refresh_token, tokens, pending, failure, .. } = record;
    let token = tokens.get(&request.slot).map_or_else(|| "none".to_owned(), |token| state(token, request, now));
    let pending = pending.as_ref().is_some_and(|pending| pending.is_live(now));
    let failure = failure.as_ref().map_or_else(|| "none".to_owned(), |failure| format!("{} s ago", now - failure.at));
    format!(
        "token for this place: {token}; others: {}; refresh token: {}; sign-in pending: {}; last failure: {failure}",
        tokens.len() - usize::from(tokens.contains_key(&request.slot)),
        yes(refresh_token.is_some()),
        yes(pending),
    )
}

/// A token of the kind that is wanted.
fn state(token: &Token, request: &Request, now: Timestamp) -> String {
    match token.end(request.kind) {
        None => "it has no such kind".to_owned(),
        Some(_) if session::is_refused(token, request) => "refused by its server".to_owned(),
        Some(end) if end <= now => format!("ended {} s ago", now - end),
        Some(end) => format!("{} s left", end - now),
    }
}

fn decision(record: &Record, request: &Request, next: &Next<'_>, now: Timestamp) -> String {
    let token = record.tokens.get(&request.slot);
    let why = || match token {
        Some(_) if request.suspected.is_some() => "the client asks again for a token that lives".to_owned(),
        Some(token) => format!("the token: {}", state(token, request, now)),
        None => "nothing is kept for this place".to_owned(),
    };
    match next {
        Next::Serve(token) => format!("serve ({})", state(token, request, now)),
        Next::Refresh(_) => format!("refresh ({})", why()),
        Next::Login if request.login => "sign in (a person wants it)".to_owned(),
        Next::Login => format!("sign in ({}, and there is no refresh token)", why()),
        Next::Poll(pending) => format!("poll (a sign-in is pending, due in {} s)", pending.wait(now)),
        Next::Fail(failure) => format!("repeat the failure of {} s ago", now - failure.at),
        Next::Patience(until) => format!("wait (the provider wants {} s of patience)", until - now),
        Next::RefusedAgain(_) => "give up (the server refuses even the token that was renewed a moment ago)".to_owned(),
    }
}
