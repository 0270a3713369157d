//! What the lab may see of a machine, and how it makes time pass for one: nothing of this is in the program.

use super::{At, Call, Effect, Machine, Why};
use crate::model::Ask;
use crate::oauth::device::Pending;
use crate::store::Record;

impl Machine {
    pub(crate) fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Whether it waits for the login lock, not for the record's.
    pub(crate) fn is_pausing_for_login(&self) -> bool {
        matches!(self.at, At::LoginPause | At::CodePause)
    }

    /// Whether it looks, when it has paused, if another has done what it waits for.
    pub(crate) fn is_watching(&self) -> bool {
        match &self.at {
            At::LockPause(why) => why.may_be_served(),
            at => matches!(at, At::LoginPause | At::CodePause),
        }
    }

    /// Whether what it waits for is that it may decide, and it has waited longer than a living token need wait.
    pub(crate) fn is_overdue(&self) -> bool {
        matches!(self.at, At::LockLook(Why::Decide)) && self.waited > super::LIVING_PATIENCE
    }

    /// Whether it goes on without the login lock, because its holder does nothing.
    pub(crate) fn steps_over(&self) -> bool {
        self.steps_over
    }

    /// Whether it is under a longer wait of its own already.
    pub(crate) fn has_waited(&self) -> bool {
        self.waited > super::LIVING_PATIENCE
    }

    /// The seconds until its patience with a lock judges otherwise.
    pub(crate) fn patience(&self) -> u64 {
        let is_for_login = self.is_pausing_for_login() && self.waited <= super::STARTING_PATIENCE;
        let longest = if is_for_login { super::STARTING_PATIENCE } else { self.longest_wait };
        longest.saturating_sub(self.waited).as_secs() + 1
    }

    /// Does the same to every record and every pending sign-in in it.
    pub(crate) fn touch(&mut self, mut records: impl FnMut(&mut Record), mut pendings: impl FnMut(&mut Pending)) {
        if let Some(held) = &mut self.held {
            records(held);
        }
        if let Some(pending) = self.sign_in.as_mut().and_then(|sign_in| sign_in.unsaved.as_mut()) {
            pendings(pending);
        }
        match &mut self.at {
            At::Locking(why) | At::LockPause(why) | At::LockLook(why) => match why {
                Why::Begun(Ok(pending)) | Why::Polled(pending, _) | Why::Approved(pending, _) => pendings(pending),
                Why::Begun(Err(_))
                | Why::Decide
                | Why::Renew
                | Why::Turn
                | Why::Redeem
                | Why::InAdvance
                | Why::BegunInAdvance
                | Why::Refusal => {}
            },
            At::SavingTurn(pending)
            | At::SavingBegun(pending)
            | At::Polling(pending)
            | At::SavingPolled(pending)
            | At::SavingRedeem(pending)
            | At::SavingCode(pending) => pendings(pending),
            _ => {}
        }
    }
}

impl Effect {
    /// The same for what is to be done.
    pub(crate) fn touch(&mut self, mut records: impl FnMut(&mut Record), mut pendings: impl FnMut(&mut Pending)) {
        match self {
            Self::Save(record) => records(record),
            Self::Send(Call::Poll(pending)) => pendings(pending),
            _ => {}
        }
    }
}
