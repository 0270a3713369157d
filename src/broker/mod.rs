//! Executes the policy of session.rs: peek, lock, re-read, act, save. It decides nothing that could be decided there.

mod refresh;
mod sign_in;

use crate::clock::{self, Clock};
use crate::config::{Destination, Profile};
use crate::error::{Error, Kind, Result};
use crate::human::Human;
use crate::oauth::http::Http;
use crate::session::{self, Next, Request};
use crate::store::{Failure, Guard, LOCK_PATIENCE, Record, Store, Token, held_too_long, jitter};

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
    /// Where the token goes, for a sentence.
    pub(crate) place: &'a str,
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
            self.mark_refused(&mut guard, &request);
            match session::next(&guard.record, &request, self.clock.now()) {
                Next::Serve(token) => return Ok(token.clone()),
                Next::Fail(failure) => return Err(told(failure, &request)),
                Next::Patience(until) => return Err(self.asked_for_patience(until)),
                Next::RefusedAgain(token) => return Err(self.refused_again(token, request.challenge.as_deref())),
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

    /// Writes down that a token was refused, before anything is tried, so that nobody is handed it again.
    fn mark_refused(&self, guard: &mut Guard<'_>, request: &Request) {
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
        match guard.record.tokens.get_mut(slot) {
            Some(token) if token.is_vain(self.clock.now()) => Err(self.refused_again(token, challenge)),
            Some(token) => {
                token.refused = true;
                guard.save()
            }
            None => Ok(()),
        }
    }

    fn refused_again(&self, token: &Token, challenge: Option<&str>) -> Error {
        let age = clock::span(self.clock.now() - token.received_at);
        let words = challenge.map(|words| format!(" ({words})")).unwrap_or_default();
        let what = format!("{} refuses a token that was renewed {age} ago{words}", self.place);
        let login = self.profile.login_command();
        Error::new(Kind::Refused, what).hint(if challenge.is_some_and(|words| words.contains("insufficient_scope")) {
            format!("it wants more than the token allows: extend scopes in the profile, then run: {login}")
        } else {
            format!("see which issuer, audience and organization it expects; to sign in as somebody else, run: {login}")
        })
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
    fn fail(&self, guard: &mut Guard<'_>, request: &Request, error: Error) -> Error {
        guard.record.fail(&error, request.parent.as_deref(), self.clock.now());
        let _ = guard.save();
        error
    }

    fn asked_for_patience(&self, until: i64) -> Error {
        let wait = clock::span(until - self.clock.now());
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

/// A failure in the words it was told in before; whether to this very process, its client decides what to make of.
fn told(failure: &Failure, request: &Request) -> Error {
    let before = failure.outcome <= request.seen && failure.parent.is_some() && failure.parent == request.parent;
    if before { failure.error().repeated() } else { failure.error() }
}
