//! Carries a machine's asks out: performs each effect it wants (perform), shows a person what it says (screen), and finds the
//! endpoints first (discover). It decides nothing.

pub(crate) mod discover;
mod perform;
mod screen;

use std::fs::File;

use crate::clock::Clock;
use crate::error::Result;
use crate::human::Human;
use crate::machine::{NoCode, Outcome, Setting};
use crate::model::{Ask, Token, Want};
use crate::oauth::device::Pending;
use crate::oauth::http::Http;
use crate::process::Successor;
use crate::store::{ReadRecord, Store};
#[cfg(test)]
pub(crate) use perform::Hands;
#[cfg(not(test))]
use perform::Hands;

/// What a broker works with.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) store: &'a Store,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) http: &'a dyn Http,
    pub(crate) human: &'a dyn Human,
    /// How another process is begun that renews in this one's place; none where that cannot be.
    pub(crate) successor: Option<&'a Successor>,
}

/// One session and the world around it.
pub(crate) struct Broker<'a> {
    pub(crate) world: World<'a>,
    pub(crate) setting: Setting<'a>,
    /// The name of the session's record.
    pub(crate) id: &'a str,
    /// What asks and for where, for the prompt: `git needs to sign in to git.acme.dev`.
    pub(crate) what: &'a str,
}

impl Broker<'_> {
    /// The token that an ask is for, by whatever it takes: from the record, by a refresh, by a person. `looked` is what the
    /// record was a moment ago, where it was looked at already.
    pub(crate) fn obtain(&self, ask: Ask, looked: Option<ReadRecord>) -> Result<Token> {
        match self.run(ask, Hands::looked(looked)) {
            Outcome::Token(token) => Ok(*token),
            Outcome::Failed(error) => Err(error),
            Outcome::Code(_) | Outcome::Nothing => unreachable!("a token was asked for"),
        }
    }

    /// Makes sure that a code is waiting for approval, and returns it without waiting (`keyfob login --start`).
    pub(crate) fn code(&self, ask: Ask) -> Result<Pending> {
        match self.run(ask, Hands::default()) {
            Outcome::Code(pending) => Ok(*pending),
            Outcome::Failed(error) => Err(error),
            Outcome::Token(_) | Outcome::Nothing => unreachable!("a code was asked for"),
        }
    }

    /// Renews a token that lives, with the record's lock that another process has left to this one.
    pub(crate) fn renew(&self, ask: Ask, lock: File) {
        self.run(Ask { want: Want::Renewal, ..ask }, Hands::left(lock));
    }

    /// Writes down that a token was refused, or drops it.
    pub(crate) fn report(&self, ask: Ask) -> Result<()> {
        match self.run(ask, Hands::default()) {
            Outcome::Failed(error) => Err(error),
            Outcome::Token(_) | Outcome::Code(_) | Outcome::Nothing => Ok(()),
        }
    }

    /// Whether the provider would let this client begin a sign-in, by beginning one: nothing of it is written down, nobody
    /// is shown its code, and it runs out by itself.
    pub(crate) fn check(&self) -> Result<(), NoCode> {
        let Setting { profile, destination, .. } = self.setting;
        let slot = profile.asked_slot(&destination.slot);
        self.ask_for_code(&slot, &profile.asked_resources(&slot)).map(drop)
    }
}

#[cfg(test)]
mod tests;
