//! A person signs in: one of us holds the login lock and polls; the others show the same code and wait. Nobody sleeps
//! or talks to the network with the record's lock in hand, so refreshes and hits go on meanwhile.

use std::time::Duration;

use super::{Aside, At, Call, Effect, Machine, Purpose, STARTING_PATIENCE, Setting, SignIn, Why};
use crate::clock::Timestamp;
use crate::decision::{self, Decision};
use crate::error::{Error, Kind};
use crate::human::Presence;
use crate::human::presence::Manner;
use crate::mend::Mend;
use crate::oauth::device::Pending;
use crate::store::Record;
use crate::trace::trace;

/// Longer than any code lives: whoever still waits then waits for nobody.
const LOGIN_PATIENCE: Duration = Duration::from_mins(35);
/// Seconds that a caller without a person waits for a poll to be due; it does not wait for the person.
const REDEEM_PATIENCE_SECS: u64 = 10;
/// Seconds in which a process that was told of a code, and asks again, is repeating what has failed (kubectl: five times).
const RETRY_SECS: i64 = 10;

/// Who shows a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The one that got it; a browser is its business.
    Starting,
    /// The one that polls for it now; who showed it before may be gone, and what stood there.
    TakingOver,
    Waiting,
}

impl SignIn {
    pub(super) fn new(purpose: Purpose) -> Self {
        Self { purpose, shown: None, polled: false, unsaved: None, called_last: false }
    }

    /// Who is here, where the caller needs it.
    fn presence(&self) -> Option<Presence> {
        match self.purpose {
            Purpose::Own(presence) => Some(presence),
            Purpose::Redeem | Purpose::Code => None,
        }
    }
}

impl Machine {
    /// Only a person can help: is one here?
    pub(super) fn find_person(mut self) -> (Self, Effect) {
        self.attempt.person_asked = true;
        self.unlock();
        self.then(At::FindingPerson, Effect::FindPerson)
    }

    /// A sign-in that could not be kept is thrown away: nobody is asked for it.
    pub(super) fn cannot_keep(self, error: &Error) -> (Self, Effect) {
        let what = format!("a sign-in could not be kept, so nobody is asked: {}", error.text());
        self.fail(Error::new(error.kind, what).hint(Mend::make_room()))
    }

    /// Only a person can help: waits to be the one who polls.
    pub(super) fn found_person(mut self, presence: Presence) -> (Self, Effect) {
        // Whoever says for how long, is waited for by whoever stands behind it.
        let is_waited_for = presence == Presence::Relayed && self.ask.until.is_some();
        let presence = if is_waited_for { Presence::Here } else { presence };
        self.sign_in = Some(SignIn::new(Purpose::Own(presence)));
        (self.waited, self.longest_wait) = (Duration::ZERO, LOGIN_PATIENCE);
        self.then(At::LoginLocking, Effect::TryLogin)
    }

    pub(super) fn login_again(mut self, span: Duration) -> (Self, Effect) {
        self.waited += span;
        self.then(At::LoginLocking, Effect::TryLogin)
    }

    /// Another process polls: shows its code, and looks whether it has come to something.
    pub(super) fn look_at_login(
        mut self,
        record: Option<&Record>,
        setting: &Setting<'_>,
        now: Timestamp,
    ) -> (Self, Effect) {
        let empty = Record::default();
        let record = record.unwrap_or(&empty);
        let pending = match decision::next(record, &self.ask, &self.attempt, now) {
            Decision::Serve(token) => return self.serve(token.clone(), record),
            Decision::Fail(failure) => return self.fail(failure.error()),
            Decision::Refresh(_) | Decision::Patience(_) | Decision::RefusedAgain(_) | Decision::TooShort(_) => {
                self.held = Some(Box::new(record.clone()));
                return self.look_again();
            }
            Decision::Poll(pending) => Some(pending),
            // The holder is about to write a code down.
            Decision::Login => None,
        };
        if let Manner::Wait | Manner::Refuse = self.manner(pending) {
            // Another polls for it already.
            return self.refuse(setting, pending, Role::Waiting, now);
        }
        if self.has_waited_enough(now) {
            return self.fail(setting.waited_enough(pending));
        }
        if let Some(pending) = pending {
            self.show(pending, Role::Waiting);
            self.aside(Aside::Remaining { expires_at: pending.expires_at });
        } else {
            self.tell_waiting(&format!("another keyfob begins a sign-in to {}", setting.profile.title()));
        }
        if self.is_stepped_over(record, now) {
            trace!("login lock: its holder does nothing, and is stepped over");
            self.steps_over = true;
            return self.lock(Why::Turn);
        }
        if self.waited > self.longest_wait {
            let title = setting.profile.title();
            let what = format!("another keyfob holds the sign-in to {title} and does nothing with it");
            let error = Error::new(Kind::Transient, what);
            return self.fail(error.hint(Mend::wait("end that process (is it stopped?) and try again")));
        }
        self.then(At::LoginPause, Effect::Pause)
    }

    /// Whether whoever holds the login lock does nothing with it (it is stopped, or its machine slept): then we poll, or begin, in
    /// its place. That no poll comes early, and no second code begins, is the record's lock's to see to.
    pub(super) fn is_stepped_over(&self, record: &Record, now: Timestamp) -> bool {
        match record.pending.as_ref().filter(|pending| pending.is_live(now)) {
            Some(pending) => pending.is_abandoned(now),
            None => self.waited > STARTING_PATIENCE,
        }
    }

    /// Under the record's lock: is there a code, and is a poll due? The next poll is moved on before it is sent.
    pub(super) fn turn(mut self, setting: &Setting<'_>, now: Timestamp) -> (Self, Effect) {
        if let Some(unsaved) = self.sign_in.as_ref().and_then(|sign_in| sign_in.unsaved.clone()) {
            self.record().pending.get_or_insert(*unsaved);
        }
        let mut record = self.held.take().unwrap_or_default();
        match decision::next(&record, &self.ask, &self.attempt, now) {
            Decision::Serve(token) => self.serve(token.clone(), &record),
            Decision::Fail(failure) => self.fail(failure.error()),
            Decision::Refresh(_) | Decision::Patience(_) | Decision::RefusedAgain(_) | Decision::TooShort(_) => {
                self.held = Some(record);
                self.look_again()
            }
            Decision::Poll(pending) if pending.wait(now) > 0 => {
                let pending = Box::new(pending.clone());
                self.unlock();
                if !self.is_retried(&pending, now) {
                    self.show(&pending, Role::TakingOver);
                }
                self.wait_for_poll(pending, setting, now)
            }
            Decision::Poll(pending) => {
                trace!("sign-in: a poll is due");
                let pending = pending.clone();
                self.held = Some(record);
                self.note_poll(pending, now)
            }
            Decision::Login if let Some(pending) = self.last_call(&record) => {
                if pending.wait(now) > 0 {
                    self.unlock();
                    return self.wait_for_poll(pending, setting, now);
                }
                trace!("sign-in: its time is over, asking once more");
                if let Some(sign_in) = &mut self.sign_in {
                    sign_in.called_last = true;
                }
                self.held = Some(record);
                self.note_poll(*pending, now)
            }
            Decision::Login if self.has_asked() => {
                // A code is not replaced behind a person's back.
                let error = if record.pending.take().is_some() { setting.expired("") } else { setting.called_off() };
                self.held = Some(record);
                self.save_failure(error, None, false, now)
            }
            Decision::Login => {
                if self.manner(None) == Manner::Refuse {
                    return self.refuse(setting, None, Role::Starting, now);
                }
                self.unlock();
                self.start(setting)
            }
        }
    }

    /// Moves the next poll on before this one is sent. Where that cannot be saved, whoever polls still keeps to the interval.
    fn note_poll(mut self, pending: Pending, now: Timestamp) -> (Self, Effect) {
        let mut pending = Box::new(pending.polled(now));
        pending.selects_account |= self.ask.selects_account;
        self.record().pending = Some((*pending).clone());
        self.save(At::SavingTurn(pending))
    }

    pub(super) fn poll_in_turn(mut self, pending: Box<Pending>) -> (Self, Effect) {
        self.unlock();
        if !self.is_relayed() {
            self.show(&pending, Role::TakingOver);
        }
        if let Some(sign_in) = &mut self.sign_in {
            sign_in.polled = true;
        }
        self.then(At::Polling(pending.clone()), Effect::Send(Call::Poll(pending)))
    }

    /// Waits until the next poll is due. Without a person it is polled once, for an approval nobody waited for, and not
    /// waited for.
    pub(super) fn wait_for_poll(
        mut self,
        pending: Box<Pending>,
        setting: &Setting<'_>,
        now: Timestamp,
    ) -> (Self, Effect) {
        let polled = self.sign_in.as_ref().is_some_and(|sign_in| sign_in.polled);
        // At least a moment, wherever the clock is: the interval is kept by the one who polls.
        let seconds = pending.wait(now).max(if polled { pending.interval } else { 0 });
        if self.manner(Some(&pending)) == Manner::Wait
            && (polled || seconds > REDEEM_PATIENCE_SECS || self.is_retried(&pending, now))
        {
            return self.refuse(setting, Some(&pending), Role::TakingOver, now);
        }
        if self.has_waited_enough(now) {
            return self.fail(setting.waited_enough(Some(&pending)));
        }
        let rest = self.ask.until.and_then(|until| u64::try_from(until - now).ok());
        let seconds = rest.map_or(seconds, |rest| seconds.min(rest));
        trace!("sign-in: not approved yet, looking again in {seconds} s");
        let expires_at = pending.expires_at;
        if let Some(sign_in) = &mut self.sign_in {
            sign_in.unsaved = sign_in.unsaved.take().map(|_| pending);
        }
        self.then(At::Sleeping, Effect::Sleep { seconds, expires_at })
    }

    /// Whether the caller wants to wait for a person no longer.
    fn has_waited_enough(&self, now: Timestamp) -> bool {
        self.ask.until.is_some_and(|until| until <= now)
    }

    /// The record can do without a person after all: everything is released, and what is next is decided anew.
    pub(super) fn look_again(mut self) -> (Self, Effect) {
        let record = self.held.take().unwrap_or_default();
        self.unlock();
        self.aside(Aside::LeaveLogin);
        self.tell_signed_in(&record);
        self.sign_in = None;
        self.lock(Why::Decide)
    }

    /// Shows a code, where somebody is here to see it; once, and a new one again.
    pub(super) fn show(&mut self, pending: &Pending, role: Role) {
        let Some(SignIn { purpose: Purpose::Own(Presence::Here | Presence::Relayed), shown, .. }) = &mut self.sign_in
        else {
            return;
        };
        if shown.as_ref() != Some(&pending.user_code) {
            *shown = Some(pending.user_code.clone());
            self.aside(Aside::Show(Box::new(pending.clone()), role));
        }
    }

    /// Tells a person before whom a code stands that it has done its work.
    pub(super) fn tell_signed_in(&mut self, record: &Record) {
        if let Some(user_code) = self.sign_in.as_mut().and_then(|sign_in| sign_in.shown.take()) {
            self.aside(Aside::SignedIn { user_code: Some(user_code), record: Box::new(record.clone()) });
        }
    }

    /// The code whose time is over and that is still to be asked for once: it may have been approved at the last moment.
    fn last_call(&self, record: &Record) -> Option<Box<Pending>> {
        let sign_in = self.sign_in.as_ref().filter(|sign_in| !sign_in.called_last)?;
        let pending = record.pending.as_ref()?;
        let is_ours = sign_in.polled || sign_in.shown.as_ref() == Some(&pending.user_code);
        is_ours.then(|| Box::new(pending.clone()))
    }

    /// Whether a code was shown or asked for on this caller's behalf.
    fn has_asked(&self) -> bool {
        self.sign_in.as_ref().is_some_and(|sign_in| sign_in.shown.is_some() || sign_in.polled)
    }

    fn presence(&self) -> Option<Presence> {
        self.sign_in.as_ref().and_then(SignIn::presence)
    }

    /// What the table says about this caller. What is not done for its own sake is done as it is for a person.
    fn manner(&self, pending: Option<&Pending>) -> Manner {
        self.presence().map_or(Manner::Prompt, |presence| presence.manner(pending.is_some()))
    }

    /// Whether the person is behind whoever runs us.
    pub(super) fn is_relayed(&self) -> bool {
        self.presence() == Some(Presence::Relayed)
    }

    /// Whether the very process that was told of this code a moment ago, and refused, asks again.
    fn is_retried(&self, pending: &Pending, now: Timestamp) -> bool {
        self.ask.repeats
            && self.is_relayed()
            && pending.told_to.is_some()
            && pending.told_to == self.ask.parent
            && (0..RETRY_SECS).contains(&(now - pending.started_at))
    }

    /// Ends where a person would have to be waited for.
    #[inline(never)]
    pub(super) fn refuse(
        mut self,
        setting: &Setting<'_>,
        pending: Option<&Pending>,
        role: Role,
        now: Timestamp,
    ) -> (Self, Effect) {
        let error = match (self.presence(), pending) {
            (Some(Presence::Away(why)), _) => setting.person_needed(self.attempt.ended.as_deref(), why, pending),
            (_, Some(pending)) => {
                let is_repeated = role != Role::Starting && self.is_retried(pending, now);
                if !is_repeated {
                    self.show(pending, role);
                }
                let error = setting.relayed(pending);
                if is_repeated { error.repeated() } else { error }
            }
            (_, None) => unreachable!("whoever may begin a sign-in is not refused for want of one"),
        };
        self.fail(error)
    }
}
