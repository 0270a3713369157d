//! A server refused a token that should have worked: that access token is handed out no more, its session lives on.

use super::Broker;
use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::session::{self, Request};
use crate::store::{Guard, Record, Token};
use crate::trace::trace;

impl Broker<'_> {
    /// Writes down that a token was refused, before anything is tried, so that nobody is handed it again.
    pub(super) fn mark_refused(&self, guard: &mut Guard<'_>, request: &Request) {
        let refused = |token: &Token| session::is_refused(token, request) && !token.is_vain(self.clock.now());
        if let Some(token) = guard.record.tokens.get_mut(&request.slot).filter(|token| !token.refused && refused(token))
        {
            token.refused = true;
            let _ = guard.save();
        }
    }

    /// A client reports that `refused` was refused, or that whatever it was given for the slot is. That access token is
    /// handed out no more; the refresh token stays. A token that has just replaced another is kept: a new one would fare
    /// no better, and the error says so.
    pub(crate) fn refuse(&self, slot: &str, refused: impl Fn(&Token) -> bool, challenge: Option<&str>) -> Result<()> {
        let picks = |record: &Record| record.tokens.get(slot).is_some_and(|token| !token.refused && refused(token));
        if !picks(&self.peek()?) {
            return Ok(());
        }
        let mut guard = self.lock_for_good()?;
        if !picks(&guard.record) {
            return Ok(());
        }
        trace!("refusal: the token is handed out no more");
        match guard.record.tokens.get_mut(slot) {
            Some(token) if token.is_vain(self.clock.now()) => Err(self.refused_again(token, challenge)),
            Some(token) => {
                token.refused = true;
                guard.save()
            }
            None => Ok(()),
        }
    }

    /// A person signs out of a place (`docker logout`): its access token is dropped, and no more is concluded from it.
    pub(crate) fn forget(&self, slot: &str) -> Result<()> {
        if !self.peek()?.tokens.contains_key(slot) {
            return Ok(());
        }
        let mut guard = self.lock_for_good()?;
        guard.record.tokens.remove(slot);
        guard.save()
    }

    pub(super) fn refused_again(&self, token: &Token, challenge: Option<&str>) -> Error {
        let age = clock::span(self.clock.now() - token.received_at);
        let words = challenge.map(|words| format!(" ({words})")).unwrap_or_default();
        let what = format!("{} refuses a token that was renewed {age} ago{words}", self.place);
        let login = self.login_command();
        Error::new(Kind::Refused, what).hint(if challenge.is_some_and(|words| words.contains("insufficient_scope")) {
            format!("it wants more than the token allows: extend scopes in the profile, then run: {login}")
        } else {
            format!("see which issuer, audience and organization it expects; to sign in as somebody else, run: {login}")
        })
    }
}
