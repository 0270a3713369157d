//! A code in advance, which nobody waits for (`keyfob login --start`), and the approval of one, which whoever comes by asks
//! for.

use std::time::Duration;

use super::{Aside, At, Call, Effect, Machine, Outcome, Purpose, Setting, SignIn, Why};
use crate::clock::Timestamp;
use crate::decision;
use crate::error::{Error, Kind};
use crate::mend::Mend;
use crate::oauth::device::Pending;
use crate::store::Record;
use crate::trace::trace;

impl Machine {
    /// The next poll is moved on before it is sent, if it is still due.
    pub(super) fn write_redeem(mut self, now: Timestamp) -> (Self, Effect) {
        let record = self.record();
        let is_due = decision::is_redeemable(record, now);
        match record.pending.take().filter(|_| is_due) {
            Some(pending) => {
                let pending = Box::new(pending.polled(now));
                record.pending = Some((*pending).clone());
                self.save(At::SavingRedeem(pending))
            }
            None => self.redeemed(),
        }
    }

    pub(super) fn redeem(mut self, pending: Box<Pending>) -> (Self, Effect) {
        self.unlock();
        self.then(At::Polling(pending.clone()), Effect::Send(Call::Poll(pending)))
    }

    /// Whatever came of it, the caller goes on with what there is.
    pub(super) fn redeemed(mut self) -> (Self, Effect) {
        self.unlock();
        self.aside(Aside::LeaveLogin);
        self.sign_in = None;
        self.has_redeemed = true;
        self.then(At::FirstLook, Effect::Peek)
    }

    /// Whoever polls has a code; it is the one. Or it is about to write one down, and is waited for a while.
    pub(super) fn look_at_anothers_code(mut self, record: Option<Box<Record>>, now: Timestamp) -> (Self, Effect) {
        let record = record.unwrap_or_default();
        if let Some(pending) = record.pending.as_ref().filter(|pending| pending.is_live(now)) {
            return self.then(At::Ended, Effect::End(Outcome::Code(Box::new(pending.clone()))));
        }
        if self.is_stepped_over(&record, now) {
            trace!("login lock: its holder does nothing, and is stepped over");
            self.steps_over = true;
            return self.lock(Why::InAdvance);
        }
        self.then(At::CodePause, Effect::Pause)
    }

    pub(super) fn code_again(mut self, span: Duration) -> (Self, Effect) {
        self.waited += span;
        self.then(At::CodeLocking, Effect::TryLogin)
    }

    /// There is room for a code: the one that waits for approval, or a new one.
    pub(super) fn code_reserved(mut self, setting: &Setting<'_>, now: Timestamp) -> (Self, Effect) {
        self.sign_in = Some(SignIn::new(Purpose::Code));
        if self.record().pending.as_ref().is_some_and(|pending| pending.is_live(now)) {
            return self.write_in_advance();
        }
        self.unlock();
        self.start(setting)
    }

    /// Marks the code as one that nobody waits for.
    pub(super) fn write_in_advance(mut self) -> (Self, Effect) {
        let selects_account = self.ask.selects_account;
        if let Some(pending) = &mut self.record().pending {
            pending.in_advance = true;
            pending.selects_account |= selects_account;
            let pending = Box::new(pending.clone());
            return self.save(At::SavingCode(pending));
        }
        let error = Error::new(Kind::SignInEnded, "the sign-in was called off");
        self.fail(error.hint(Mend::wait("run it again")))
    }
}
