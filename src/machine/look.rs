//! From the first look at the record to the decision under its lock.

use std::time::Duration;

use super::{
    Aside, At, Effect, LIVING_PATIENCE, LOCK_PATIENCE, Machine, Purpose, SILENT_PATIENCE, Setting, SignIn, Why,
};
use crate::clock::Timestamp;
use crate::decision::{self, Attempt, Decision};
use crate::error::{Error, Kind};
use crate::mend::Mend;
use crate::model::{Ask, Token};
use crate::store::{Failure, Record};
use crate::trace::trace;

impl Machine {
    /// The first look, without a lock: mostly a hit.
    pub(super) fn first_look(mut self, record: Option<&Record>, now: Timestamp) -> (Self, Effect) {
        if let Some(record) = record {
            if !self.ask.is_sign_in() {
                if !self.has_redeemed && decision::is_redeemable(record, now) {
                    self.sign_in = Some(SignIn::new(Purpose::Redeem));
                    return self.then(At::RedeemLocking, Effect::TryLogin);
                }
                if let Some(token) = decision::fresh(record, &self.ask, now) {
                    self.trace_decision(record, &Decision::Serve(token), now);
                    self.aside(Aside::Used);
                    return self.serve(token.clone(), record);
                }
                if let Some(token) = decision::living_beside(record, &self.ask, now) {
                    trace!("another process renews it: what lives serves");
                    return self.serve(token.clone(), record);
                }
            }
            self.attempt.outcomes_seen = record.outcomes;
        }
        self.then(At::FindingTerminal, Effect::FindTerminal)
    }

    pub(super) fn found_terminal(mut self, has_terminal: bool) -> (Self, Effect) {
        self.attempt.is_headless = !has_terminal;
        self.lock(Why::Decide)
    }

    /// Begins to wait for the record's lock.
    pub(super) fn lock(mut self, why: Why) -> (Self, Effect) {
        (self.waited, self.longest_wait) = (Duration::ZERO, LOCK_PATIENCE);
        self.then(At::Locking(why), Effect::TryLock)
    }

    pub(super) fn lock_is_busy(self, why: Why) -> (Self, Effect) {
        if self.waited > self.longest_wait {
            let error = Error::new(Kind::Transient, "another keyfob has been at work on this for too long");
            return self.fail(error.hint(Mend::wait("try again, or end the other process")));
        }
        self.then(At::LockPause(why), Effect::Pause)
    }

    pub(super) fn lock_again(mut self, why: Why, span: Duration, setting: &Setting<'_>) -> (Self, Effect) {
        self.waited += span;
        if !self.attempt.is_headless {
            self.tell_waiting(&format!("another keyfob renews the session of {}", setting.profile.title()));
        }
        if why.may_be_served() {
            return self.then(At::LockLook(why), Effect::Peek);
        }
        self.then(At::Locking(why), Effect::TryLock)
    }

    /// Tells a person, once, what is waited for, when it takes a while.
    pub(super) fn tell_waiting(&mut self, what: &str) {
        if self.waited > SILENT_PATIENCE && !self.has_told {
            self.has_told = true;
            self.aside(Aside::Say(format!("{what}; waiting for it")));
        }
    }

    /// Looks whether the lock's holder has done what we came for. A token that lives is not kept waiting long behind a
    /// provider that does not answer.
    pub(super) fn look_meanwhile(self, why: Why, record: Option<&Record>, now: Timestamp) -> (Self, Effect) {
        let empty = Record::default();
        let record = record.unwrap_or(&empty);
        let is_patient = self.waited <= LIVING_PATIENCE || self.ask.is_sign_in();
        let served = match decision::next(record, &self.ask, &self.attempt, now) {
            Decision::Serve(token) => Some(token),
            _ if is_patient => None,
            _ => decision::living(record, &self.ask, now),
        };
        if let Some(token) = served {
            trace!("lock: not needed any more, another process did it");
            return self.serve(token.clone(), record);
        }
        self.then(At::Locking(why), Effect::TryLock)
    }

    /// The record is ours.
    pub(super) fn locked(
        mut self,
        why: Why,
        mut record: Box<Record>,
        set_aside: Option<String>,
        setting: &Setting<'_>,
        now: Timestamp,
    ) -> (Self, Effect) {
        record.belongs_to(setting.profile, &setting.endpoints.token);
        self.held = Some(record);
        if let Some(told) = set_aside {
            self.aside(Aside::Say(told));
        }
        match why {
            Why::Decide => self.mark_refused(setting, now),
            Why::Renew => self.begin_renewal(),
            Why::Turn => self.turn(setting, now),
            Why::Begun(code) => self.write_begun(code, setting, now),
            Why::Polled(pending, answer) => self.write_polled(*pending, answer, setting, now),
            Why::Approved(pending, tokens) => self.write_approved(&pending, &tokens, setting, now),
            Why::Redeem => self.write_redeem(now),
            Why::InAdvance => self.then(At::CodeReserving, Effect::Reserve),
            Why::BegunInAdvance => self.write_in_advance(),
            Why::Refusal => self.write_refusal(setting, now),
        }
    }

    /// Writes down that a token was refused, before anything is tried, so that nobody is handed it again.
    fn mark_refused(mut self, setting: &Setting<'_>, now: Timestamp) -> (Self, Effect) {
        let Self { ask, held, .. } = &mut self;
        let refused = |token: &&mut Token| {
            !token.refused && decision::is_refused(token, ask) && !token.is_recent_replacement(now)
        };
        let token = held.as_mut().and_then(|record| record.tokens.get_mut(&ask.slot)).filter(refused);
        match token {
            Some(token) => {
                token.refused = true;
                self.save(At::MarkingRefused)
            }
            None => self.decide(setting, now),
        }
    }

    /// What is done next, now that nobody else can change the record.
    pub(super) fn decide(mut self, setting: &Setting<'_>, now: Timestamp) -> (Self, Effect) {
        let record = self.held.take().unwrap_or_default();
        let next = decision::next(&record, &self.ask, &self.attempt, now);
        self.trace_decision(&record, &next, now);
        match next {
            Decision::Serve(token) => self.serve(token.clone(), &record),
            Decision::Fail(failure) => {
                let error = repeat(failure, &self.ask, &self.attempt);
                self.fail(error)
            }
            Decision::Patience(until) => self.fail(setting.asked_for_patience(until, now)),
            Decision::RefusedAgain(token) => {
                let error = setting.refused_again(&record, token, self.ask.challenge.as_deref(), now);
                self.fail(error)
            }
            Decision::TooShort(token) => {
                let error = setting.too_short(token, &self.ask, now);
                self.fail(error)
            }
            Decision::Refresh(_) => {
                self.held = Some(record);
                self.note_renewal(now)
            }
            // Who wants to be signed in wants that kept; a client is served even for this once.
            Decision::Poll(_) | Decision::Login if self.ask.is_sign_in() => {
                self.held = Some(record);
                self.then(At::SignInReserving, Effect::Reserve)
            }
            Decision::Poll(_) | Decision::Login => self.find_person(),
        }
    }
}

/// A failure in the words it was told in before; whether to this very process, its client decides what to make of.
fn repeat(failure: &Failure, ask: &Ask, attempt: &Attempt) -> Error {
    let before = failure.outcome <= attempt.outcomes_seen && failure.parent.is_some() && failure.parent == ask.parent;
    if before { failure.error().repeated() } else { failure.error() }
}
