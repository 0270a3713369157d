//! Executes the policy of session.rs: peek, lock, re-read, act, save. It decides nothing that could be decided there.

mod code;
pub(crate) mod discover;
mod person;
mod refresh;
mod refusal;
mod sign_in;
mod traced;

pub(crate) use code::{NoCode, registration_hint};

use std::time::Duration;

use crate::clock::{self, Clock};
use crate::config::{Destination, Endpoints, Profile};
use crate::error::{Error, Kind, Result};
use crate::human::Human;
use crate::oauth::answer::{self, Answer};
use crate::oauth::http::Http;
use crate::oauth::message::{Form, Response, Unreachable};
use crate::session::{self, Next, Request};
use crate::store::{Failure, Found, Guard, Record, Store, Token, client_secret, patiently};
use crate::trace::trace;

/// Whoever has a token that lives waits no longer for a better one.
const LIVING_PATIENCE: Duration = Duration::from_secs(1);

/// One session and the world around it.
pub(crate) struct Broker<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) endpoints: &'a Endpoints,
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
        let mut found = self.store.read(self.id)?;
        if let Found::Record(kept) = &found
            && session::is_redeemable(&kept.record, self.clock.now())
            && !request.login
        {
            self.redeem(&request);
            found = self.store.read(self.id)?;
        }
        if let Found::Record(kept) = found {
            let now = self.clock.now();
            if let Some(token) = session::fresh(&kept.record, &request, now).filter(|_| !request.login) {
                self.trace_hit(&kept.record, &request, token);
                kept.used(now);
                return Ok(token.clone());
            }
            request.seen = kept.record.outcomes;
        }
        request.headless = !self.human.has_terminal();
        loop {
            let mut guard = match self.lock(&request)? {
                Waited::Locked(guard) => guard,
                Waited::Served(token) => return Ok(*token),
            };
            self.mark_refused(&mut guard, &request);
            let next = session::next(&guard.record, &request, self.clock.now());
            self.trace_decision(&guard.record, &request, &next);
            match next {
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
                    request.asked = true;
                    if let Some(token) = self.sign_in(&request)? {
                        return Ok(token);
                    }
                }
            }
        }
    }

    /// Waits for the record's lock, looking meanwhile whether its holder has done what we came for. A token that lives is
    /// not kept waiting long behind a provider that does not answer.
    fn lock(&self, request: &Request) -> Result<Waited<Guard<'_>>> {
        patiently(self.clock, |waited| {
            if !waited.is_zero() {
                let (record, now) = (self.peek()?, self.clock.now());
                let living =
                    || session::living(&record, request, now).filter(|_| waited > LIVING_PATIENCE && !request.login);
                let served = match session::next(&record, request, now) {
                    Next::Serve(token) => Some(token),
                    _ => living(),
                };
                if let Some(token) = served {
                    trace!("lock: not needed any more, another process did it");
                    return Ok(Some(Waited::Served(Box::new(token.clone()))));
                }
            }
            let guard = self.store.try_lock(self.id, self.clock.now())?;
            Ok(guard.map(|guard| Waited::Locked(self.ours(guard))))
        })
    }

    /// The record's lock, when what we hold exists nowhere else and must be written down.
    fn lock_for_good(&self) -> Result<Guard<'_>> {
        self.store.lock(self.id, self.clock).map(|guard| self.ours(guard))
    }

    fn ours<'g>(&self, mut guard: Guard<'g>) -> Guard<'g> {
        guard.record.belongs_to(self.profile, &self.endpoints.token);
        if !self.profile.keep_refresh_token {
            guard.record.refresh_token = None;
        }
        if let Some(told) = guard.set_aside() {
            self.human.note(&told);
        }
        guard
    }

    /// Saves, or says on the way why it cannot: what was just got still serves.
    fn save_or_say(&self, guard: &mut Guard<'_>) {
        if let Err(error) = guard.save() {
            self.human.note(&format!("{error}; signed in for this once"));
        }
    }

    /// Records a failure for those who wait or ask next, and returns it. That it cannot be recorded changes nothing.
    /// `slot` is the one that could not be renewed, none where it was a sign-in.
    fn fail(&self, guard: &mut Guard<'_>, request: &Request, slot: Option<&str>, error: Error) -> Error {
        guard.record.fail(&error, slot, request.parent.as_deref(), self.clock.now());
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
        crate::oauth::http::host(&self.endpoints.token)
    }

    /// The command that mends a missing sign-in. Without a refresh token one sign-in fills one slot: then it has to be the
    /// place's own.
    fn login_command(&self) -> String {
        let named = self.profile.name.is_some() && !self.profile.keep_refresh_token;
        if named && self.destination.slot != self.profile.plain.slot {
            return format!("keyfob login https://{}", self.place);
        }
        self.profile.login_command()
    }

    /// Proves who the client is, where it has a secret.
    fn authenticate(&self, form: &mut Form) -> Result<()> {
        if let Some(path) = &self.profile.client_secret_file {
            form.authenticate(&self.profile.client_id, &client_secret::read(path)?, self.endpoints.secret_by);
        }
        Ok(())
    }

    /// What a server answered, without what it may have quoted of our secrets.
    fn read(&self, form: &Form, answer: Result<Response, Unreachable>) -> Answer {
        match answer {
            Ok(response) => answer::read(&response, self.clock.now(), self.profile.preset.untold_life)
                .map_words(|words| form.redact(words)),
            Err(unreachable) => Answer::Unreachable(unreachable),
        }
    }

    /// The record as it is now, without a lock.
    fn peek(&self) -> Result<Record> {
        Ok(self.store.peek(self.id)?.unwrap_or_default())
    }
}

/// Only a person could go on, and none is here.
fn nobody(profile: &Profile, why: &str, login: &str) -> Error {
    let what = format!("nobody is here to sign in to {} ({why})", profile.title());
    Error::new(Kind::HumanNeeded, what).hint(format!("run: {login}"))
}

/// A failure in the words it was told in before; whether to this very process, its client decides what to make of.
fn told(failure: &Failure, request: &Request) -> Error {
    let before = failure.outcome <= request.seen && failure.parent.is_some() && failure.parent == request.parent;
    if before { failure.error().repeated() } else { failure.error() }
}
