//! A person signs in: one of us holds the login lock and polls; the others show the same code and wait. Nobody sleeps
//! or talks to the network with the record's lock in hand, so refreshes and hits go on meanwhile.

use std::time::Duration;

use super::code::{NoCode, registration_hint};
use super::person::Role;
use super::{Broker, Waited};
use crate::config::Slot;
use crate::error::{Error, Kind, Result};
use crate::human::Presence;
use crate::oauth::answer::{Answer, TokenAnswer};
use crate::oauth::device::{Pending, Step};
use crate::oauth::http;
use crate::session::{self, Next, Request};
use crate::store::markers::Markers;
use crate::store::{Lock, Token, jitter};
use crate::trace::trace;

/// Longer than any code lives: whoever still waits then waits for nobody.
const LOGIN_PATIENCE: Duration = Duration::from_mins(35);
/// A caller without a human waits this long for a poll to be due, not for the human.
const REDEEM_PATIENCE: u64 = 10;

/// What the holder of the login lock does next.
enum Turn {
    Served(Box<Token>),
    /// The record can be refreshed after all.
    LookAgain,
    Start,
    Sleep(Pending),
    Poll(Pending),
}

/// What a poll came to.
enum Polled {
    Served(Box<Token>),
    /// Approved, for a slot other than the one asked for, which a refresh will fill.
    LookAgain,
    Wait(Box<Pending>),
}

impl Broker<'_> {
    /// Has a person approve. `None` asks the caller to look again: the record can do without.
    pub(super) fn sign_in(&self, request: &Request) -> Result<Option<Token>> {
        let mut shown = None;
        let token = self.await_approval(request, &mut shown)?;
        // Another process saw the approval first.
        if let (Some(user_code), Ok(record)) = (shown, self.peek()) {
            self.tell_signed_in(request, &user_code, &record);
        }
        Ok(token)
    }

    /// The same; `shown` is the code that stands before a person who has not been told how it ended.
    fn await_approval(&self, request: &Request, shown: &mut Option<String>) -> Result<Option<Token>> {
        let presence = self.human.presence()?;
        let _login_lock = match self.lock_login(request, &presence, shown)? {
            Some(Waited::Locked(lock)) => lock,
            Some(Waited::Served(token)) => return Ok(Some(*token)),
            None => return Ok(None),
        };
        // A code that could not be written down lives here alone.
        let mut unsaved = None;
        let mut polled = false;
        loop {
            let pending = match self.turn(request, unsaved.as_ref())? {
                Turn::Served(token) => return Ok(Some(*token)),
                Turn::LookAgain => return Ok(None),
                // A code is not replaced behind a person's back.
                Turn::Start if shown.is_some() || polled => return Err(self.ended_without_approval(request)?),
                Turn::Start => {
                    if let Presence::Away(why) = presence {
                        return Err(self.human_needed(request, why, None));
                    }
                    let (pending, saved) = self.start(request)?;
                    self.show(&presence, &pending, shown, Role::Starting);
                    unsaved = (!saved).then_some(pending);
                    continue;
                }
                Turn::Sleep(pending) => {
                    self.show(&presence, &pending, shown, Role::TakingOver);
                    pending
                }
                Turn::Poll(pending) => {
                    self.show(&presence, &pending, shown, Role::TakingOver);
                    polled = true;
                    match self.poll(request, shown, pending)? {
                        Polled::Served(token) => return Ok(Some(*token)),
                        Polled::LookAgain => return Ok(None),
                        Polled::Wait(pending) => *pending,
                    }
                }
            };
            unsaved = unsaved.and(Some(pending.clone()));
            // At least a moment, wherever the clock is: the interval is kept by the one who polls.
            let wait = pending.wait(self.clock.now()).max(if polled { pending.interval } else { 0 });
            // Without a human it is polled once, for an approval nobody waited for, and not waited for.
            if let Presence::Away(why) = presence
                && (polled || wait > REDEEM_PATIENCE)
            {
                return Err(self.human_needed(request, why, Some(&pending)));
            }
            trace!("sign-in: not approved yet, looking again in {wait} s");
            self.wait(&pending, wait);
        }
    }

    /// Waits for `seconds`, while the person sees how long the code still lives.
    fn wait(&self, pending: &Pending, seconds: u64) {
        for _ in 0..seconds {
            self.human.waiting(pending.expires_at - self.clock.now());
            self.clock.sleep(Duration::from_secs(1));
        }
    }

    /// Makes sure that a code is waiting for approval, and returns it without waiting (`keyfob login --start`).
    pub(crate) fn start_only(&self, request: &Request) -> Result<Pending> {
        let live = |pending: &Pending| pending.is_live(self.clock.now());
        let Some(_login_lock) = self.store.try_login_lock(self.id)? else {
            // Whoever polls has a code; it is the one.
            return self.peek()?.pending.filter(live).ok_or_else(|| {
                Error::new(Kind::Transient, "another keyfob is starting a sign-in just now").hint("run it again")
            });
        };
        let mut guard = self.lock_for_good()?;
        guard.reserve()?;
        if guard.record.pending.as_ref().is_none_or(|pending| !live(pending)) {
            drop(guard);
            self.start(request)?;
            guard = self.lock_for_good()?;
        }
        let gone = || Error::new(Kind::SignInEnded, "the sign-in was called off").hint("run it again");
        let pending = guard.record.pending.as_mut().ok_or_else(gone)?;
        pending.in_advance = true;
        let pending = pending.clone();
        guard.save()?;
        Ok(pending)
    }

    /// Asks once for an approval that nobody waits for, beside a session that would do without. Whatever comes of it, the
    /// caller goes on with what there is.
    pub(super) fn redeem(&self, request: &Request) {
        let Ok(Some(_login_lock)) = self.store.try_login_lock(self.id) else { return };
        let due = || -> Result<Option<Pending>> {
            let mut guard = self.lock_for_good()?;
            let now = self.clock.now();
            if !session::is_redeemable(&guard.record, now) {
                return Ok(None);
            }
            guard.record.pending = guard.record.pending.take().map(|pending| pending.polled(now));
            guard.save()?;
            Ok(guard.record.pending.clone())
        };
        if let Ok(Some(pending)) = due() {
            let _ = self.poll(request, &mut None, pending);
        }
    }

    /// Waits to be the one who polls, showing the code of whoever is meanwhile. `None` asks the caller to look again.
    fn lock_login(
        &self,
        request: &Request,
        presence: &Presence,
        shown: &mut Option<String>,
    ) -> Result<Option<Waited<Lock>>> {
        let mut deadline = self.clock.elapsed() + LOGIN_PATIENCE;
        for attempt in 0.. {
            if let Some(lock) = self.store.try_login_lock(self.id)? {
                trace!("login lock: taken");
                return Ok(Some(Waited::Locked(lock)));
            }
            if attempt == 0 {
                trace!("login lock: another process holds it, waiting");
            }
            let record = self.peek()?;
            let pending = match session::next(&record, request, self.clock.now()) {
                Next::Serve(token) => return Ok(Some(Waited::Served(Box::new(token.clone())))),
                Next::Fail(failure) => return Err(failure.error()),
                Next::Refresh(_) | Next::Patience(_) | Next::RefusedAgain(_) => return Ok(None),
                Next::Poll(pending) => Some(pending),
                // The holder is about to write a code down.
                Next::Login => None,
            };
            if let Presence::Away(why) = presence {
                return Err(self.human_needed(request, why, pending));
            }
            if let Some(pending) = pending {
                self.show(presence, pending, shown, Role::Waiting);
                // A holder that hangs, or was stopped, is not waited for beyond its code and one last poll.
                let rest = u64::try_from(pending.expires_at - self.clock.now()).unwrap_or(0);
                deadline = deadline.min(self.clock.elapsed() + Duration::from_secs(rest) + http::POLL_PATIENCE);
                self.human.waiting(pending.expires_at - self.clock.now());
            }
            if self.clock.elapsed() > deadline {
                break;
            }
            self.clock.sleep(jitter(attempt));
        }
        let what = format!("another keyfob holds the sign-in to {} and does nothing with it", self.profile.title());
        Err(Error::new(Kind::Transient, what).hint("end that process (is it stopped?) and try again"))
    }

    /// Looks at the record under its lock; where a poll is due, moves the next one on first.
    fn turn(&self, request: &Request, unsaved: Option<&Pending>) -> Result<Turn> {
        let mut guard = match self.lock(request)? {
            Waited::Locked(guard) => guard,
            Waited::Served(token) => return Ok(Turn::Served(token)),
        };
        guard.record.pending = guard.record.pending.take().or_else(|| unsaved.cloned());
        let now = self.clock.now();
        let due = match session::next(&guard.record, request, now) {
            Next::Serve(token) => return Ok(Turn::Served(Box::new(token.clone()))),
            Next::Fail(failure) => return Err(failure.error()),
            Next::Refresh(_) | Next::Patience(_) | Next::RefusedAgain(_) => return Ok(Turn::LookAgain),
            Next::Login => return Ok(Turn::Start),
            Next::Poll(pending) if pending.wait(now) > 0 => return Ok(Turn::Sleep(pending.clone())),
            Next::Poll(pending) => pending.clone().polled(now),
        };
        guard.record.pending = Some(due.clone());
        // Where it cannot be saved, whoever holds the login lock still keeps to the interval.
        let _ = guard.save();
        trace!("sign-in: a poll is due");
        Ok(Turn::Poll(due))
    }

    /// Asks the provider for a code, and writes it down before anybody sees it; whether that worked.
    fn start(&self, request: &Request) -> Result<(Pending, bool)> {
        let asked = self.ask_for_code();
        let mut guard = self.lock_for_good()?;
        match asked {
            Ok(pending) => {
                guard.record.pending = Some(pending.clone());
                guard.record.failure = None;
                let saved = guard.save().is_ok();
                Ok((pending, saved))
            }
            // Our own trouble before anything was asked.
            Err(NoCode::NotAsked(error)) => Err(error),
            Err(why) => Err(self.fail(&mut guard, request, None, self.no_code(why))),
        }
    }

    /// One poll, and what its answer does to the record.
    fn poll(&self, request: &Request, shown: &mut Option<String>, pending: Pending) -> Result<Polled> {
        let mut form = pending.form(self.profile);
        self.authenticate(&mut form)?;
        let answer = self.http.post(&self.endpoints.token, &form, http::POLL_PATIENCE);
        let answer = match self.read(&form, answer) {
            Answer::Granted(tokens) => return self.approved(request, shown, &pending, &tokens),
            answer => answer,
        };
        let mut guard = self.lock_for_good()?;
        let is_ours = guard.record.pending.as_ref().is_none_or(|kept| kept.device_code == pending.device_code);
        let error = match pending.after(answer, self.clock.now()) {
            Step::Granted(_) => unreachable!("taken care of above"),
            Step::Wait(pending) => {
                if guard.record.pending.is_some() && is_ours {
                    guard.record.pending = Some((*pending).clone());
                    let _ = guard.save();
                }
                return Ok(Polled::Wait(pending));
            }
            Step::Denied(words) => {
                let what = format!("the sign-in to {} was denied{}", self.profile.title(), after_colon(&words));
                Error::new(Kind::SignInEnded, what).hint(format!("to try again, run: {}", self.login_command()))
            }
            Step::Expired(words) => self.expired(&words),
            // Nobody's word was no: nothing to remember against the next who asks.
            Step::Lost => Error::new(Kind::Transient, "what was approved was lost when a keyfob was interrupted")
                .hint(format!("run the command again, or: {}", self.login_command())),
            Step::Refused { code, words } => {
                let what = format!("{} ended the sign-in: {words}", self.provider());
                let login = self.login_command();
                Error::new(Kind::Refused, what).hint(match code.as_str() {
                    "invalid_grant" | "" => format!("to try again, run: {login}"),
                    code => format!("{}; then run: {login}", registration_hint(self.profile, code)),
                })
            }
        };
        guard.record.pending = None;
        Err(self.fail(&mut guard, request, None, error))
    }

    fn approved(
        &self,
        request: &Request,
        shown: &mut Option<String>,
        pending: &Pending,
        tokens: &TokenAnswer,
    ) -> Result<Polled> {
        let mut guard = self.lock_for_good()?;
        let now = self.clock.now();
        trace!("sign-in: approved");
        let slot = if self.serves(&pending.slot, tokens) { &request.slot } else { &pending.slot };
        guard.record.profile.clone_from(&self.profile.name);
        guard.record.issuer.clone_from(&self.profile.issuer);
        guard.record.sign_in(slot, tokens, self.profile.keep_refresh_token, now);
        guard.record.scopes = Some(pending.scopes.clone());
        guard.record.revocation_endpoint.clone_from(&self.endpoints.revocation);
        self.save_or_say(&mut guard);
        // A terminal may stand still: nobody else is kept waiting for it.
        let record = guard.record.clone();
        drop(guard);
        if let Ok(markers) = Markers::open() {
            markers.sweep(now);
        }
        if let Some(user_code) = shown.take() {
            self.tell_signed_in(request, &user_code, &record);
        }
        match session::living(&record, request, now) {
            Some(token) => Ok(Polled::Served(Box::new(token.clone()))),
            None if record.refresh_token.is_some() => Ok(Polled::LookAgain),
            None => Err(self.no_such_token(request)),
        }
    }

    /// Whether the token of a sign-in that asked for `asked` serves our destination: it was asked for in just these
    /// words, or nothing narrower can ever be had, or the provider chose the organization we want by itself.
    fn serves(&self, asked: &str, tokens: &TokenAnswer) -> bool {
        let Slot { organization, audience, resource, scopes } = &self.destination.slot;
        let chosen = organization.as_ref().filter(|wanted| tokens.who.organization.as_ref() == Some(*wanted));
        let ours = Slot {
            organization: if self.profile.preset.organization_on_refresh && chosen.is_some() {
                None
            } else {
                organization.clone()
            },
            audience: audience.clone(),
            resource: resource.clone(),
            scopes: scopes.clone(),
        };
        let broader = Slot { scopes: self.profile.all_scopes(), ..ours.clone() };
        ours.key() == asked || (tokens.refresh_token.is_none() && broader.key() == asked)
    }

    fn expired(&self, words: &str) -> Error {
        let what = format!("the code expired before it was approved{}", after_colon(words));
        Error::new(Kind::SignInEnded, what).hint(format!("for a new one, run: {}", self.login_command()))
    }

    /// The code that was shown is gone from the record, or its time is over.
    fn ended_without_approval(&self, request: &Request) -> Result<Error> {
        let mut guard = self.lock_for_good()?;
        let error = match guard.record.pending.take() {
            Some(_) => self.expired(""),
            None => Error::new(Kind::SignInEnded, format!("the sign-in to {} was called off", self.profile.title()))
                .hint(format!("to try again, run: {}", self.login_command())),
        };
        Ok(self.fail(&mut guard, request, None, error))
    }
}

/// A server's words behind a sentence of ours, where it has any.
fn after_colon(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}
