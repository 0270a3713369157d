//! Executes the policy of session.rs: peek, lock, re-read, act, save. It decides nothing that could be decided there.

mod refresh;
mod sign_in;

use crate::clock::Clock;
use crate::config::{Destination, Profile};
use crate::error::{Error, Kind, Result};
use crate::human::Human;
use crate::oauth::http::Http;
use crate::session::{self, Next, Request};
use crate::store::{Guard, LOCK_PATIENCE, Record, Store, Token, held_too_long, jitter};

/// One session and the world around it.
pub(crate) struct Broker<'a> {
    pub(crate) profile: &'a Profile,
    /// Where the token goes.
    pub(crate) destination: &'a Destination,
    /// The name of the session's record.
    pub(crate) id: &'a str,
    pub(crate) store: &'a Store,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) http: &'a dyn Http,
    pub(crate) human: &'a dyn Human,
    /// What asks and for where, for the prompt: `git needs to sign in to git.acme.dev`.
    pub(crate) what: &'a str,
}

/// What waiting for a lock came to.
enum Waited<T> {
    /// The lock is ours.
    Locked(T),
    /// Somebody else did what we were waiting to do.
    Served(Box<Token>),
}

impl Broker<'_> {
    /// The token that a request asks for, by whatever it takes: from the record, by a refresh, by a person.
    pub(crate) fn obtain(&self, mut request: Request) -> Result<Token> {
        let record = self.store.peek(self.id)?.unwrap_or_default();
        if let Some(token) = session::fresh(&record, &request, self.clock.now()).filter(|_| !request.login) {
            return Ok(token.clone());
        }
        request.seen = record.outcomes;
        request.headless = !self.human.has_terminal();
        loop {
            let mut guard = match self.lock(&request)? {
                Waited::Locked(guard) => guard,
                Waited::Served(token) => return Ok(*token),
            };
            match session::next(&guard.record, &request, self.clock.now()) {
                Next::Serve(token) => return Ok(token.clone()),
                Next::Fail(failure) => return Err(failure.error()),
                Next::Patience(until) => return Err(self.asked_for_patience(until)),
                Next::Refresh(refresh_token) => {
                    let refresh_token = refresh_token.clone();
                    if let Some(token) = self.refresh(&mut guard, &mut request, &refresh_token)? {
                        return Ok(token);
                    }
                }
                Next::Poll(_) | Next::Login => {
                    drop(guard);
                    if let Some(token) = self.sign_in(&request)? {
                        return Ok(token);
                    }
                }
            }
        }
    }

    /// Waits for the record's lock, looking meanwhile whether its holder has done what we came for.
    fn lock(&self, request: &Request) -> Result<Waited<Guard<'_>>> {
        let deadline = self.clock.elapsed() + LOCK_PATIENCE;
        for attempt in 0.. {
            if let Some(guard) = self.store.try_lock(self.id, self.clock.now())? {
                return Ok(Waited::Locked(self.ours(guard)));
            }
            if self.clock.elapsed() > deadline {
                break;
            }
            self.clock.sleep(jitter(attempt));
            if let Some(token) = self.served(request)? {
                return Ok(Waited::Served(Box::new(token)));
            }
        }
        Err(held_too_long())
    }

    /// The record's lock, when what we hold exists nowhere else and must be written down.
    fn lock_for_good(&self) -> Result<Guard<'_>> {
        self.store.lock(self.id, self.clock).map(|guard| self.ours(guard))
    }

    fn ours<'g>(&self, mut guard: Guard<'g>) -> Guard<'g> {
        guard.record.belongs_to(self.profile);
        if !self.profile.keep_refresh_token {
            guard.record.refresh_token = None;
        }
        if let Some(told) = guard.set_aside() {
            self.human.note(&told);
        }
        guard
    }

    /// Forgets the access tokens that `refused` picks by slot; the refresh token stays.
    pub(crate) fn forget_token(&self, refused: impl Fn(&str, &Token) -> bool) -> Result<()> {
        let mut guard = self.lock_for_good()?;
        guard.record.tokens.retain(|slot, token| !refused(slot, token));
        guard.save()
    }

    /// The token, if somebody else has put it into the record by now.
    fn served(&self, request: &Request) -> Result<Option<Token>> {
        let record = self.store.peek(self.id)?.unwrap_or_default();
        Ok(match session::next(&record, request, self.clock.now()) {
            Next::Serve(token) => Some(token.clone()),
            _ => None,
        })
    }

    /// Saves, or says on the way why it cannot: what was just got still serves.
    fn save_or_say(&self, guard: &mut Guard<'_>) {
        if let Err(error) = guard.save() {
            self.human.note(&format!("{error}; signed in for this once"));
        }
    }

    /// Records a failure for those who wait or ask next, and returns it. That it cannot be recorded changes nothing.
    fn fail(&self, guard: &mut Guard<'_>, error: Error) -> Error {
        guard.record.fail(&error, self.clock.now());
        let _ = guard.save();
        error
    }

    fn asked_for_patience(&self, until: i64) -> Error {
        let wait = crate::clock::span(until - self.clock.now());
        Error::new(Kind::Transient, format!("{} asks to be left alone for {wait}", self.provider()))
            .hint("the session is kept; try again then")
    }

    /// The authorization server, for a sentence.
    fn provider(&self) -> String {
        crate::oauth::http::host(&self.profile.endpoints.token)
    }

    /// The peeked or locked record's state as it is now.
    fn peek(&self) -> Result<Record> {
        Ok(self.store.peek(self.id)?.unwrap_or_default())
    }
}
