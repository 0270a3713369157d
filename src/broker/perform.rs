//! Performs a machine's effects, one at a time, and tells it what came of each.

use std::fs::File;
use std::time::Duration;

use super::Broker;
use crate::error::{Error, Kind, Result};
use crate::machine::{Aside, Call, Effect, Got, Machine, NoCode, Outcome, Setting};
use crate::mend::Mend;
use crate::model::{Ask, Slot};
use crate::oauth::answer::{self, Answer};
use crate::oauth::device::{self, Pending};
use crate::oauth::message::{Form, Response, Unreachable};
use crate::oauth::refresh::{self, Grounds};
use crate::oauth::revoke::{self, SignedOut};
use crate::oauth::watch::Patience;
use crate::oauth::{http, pkce};
use crate::process::signals::Hold;
use crate::store::{Found, Guard, Lock, ReadRecord, Record, client_secret, jitter};
use crate::trace::trace;

/// A provider that is well answers within that; whoever has a token that lives waits no longer.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(1);

/// What a broker holds for its machine. Dropped, it is released.
#[derive(Default)]
pub(crate) struct Hands<'a> {
    /// The record's lock.
    guard: Option<Guard<'a>>,
    /// The login lock.
    login: Option<Lock>,
    /// The record as it was looked at before the machine began.
    looked: Option<ReadRecord>,
    /// The file that was read last without a lock.
    last_read: Option<ReadRecord>,
    /// How often in a row a lock was another's.
    attempts: u32,
    /// The record's lock that another process has left to this one.
    left: Option<File>,
    /// Signals are held back: something was sent that works once, and its answer is not on the disk.
    hold: Option<Hold>,
}

impl Hands<'_> {
    pub(super) fn looked(looked: Option<ReadRecord>) -> Self {
        Self { looked, ..Self::default() }
    }

    pub(super) fn left(lock: File) -> Self {
        Self { left: Some(lock), ..Self::default() }
    }
}

impl<'a> Broker<'a> {
    /// Carries an ask to its end.
    pub(super) fn run(&self, ask: Ask, mut hands: Hands<'a>) -> Outcome {
        let (mut machine, mut effect) = Machine::begin(ask);
        loop {
            let got = match effect {
                Effect::End(outcome) => {
                    if let Outcome::Failed(error) = &outcome {
                        self.world.human.failed(error);
                    }
                    return outcome;
                }
                effect => self.perform(&mut hands, effect).unwrap_or_else(Got::Failed),
            };
            let asides;
            (machine, asides, effect) = machine.step(got, &self.setting, self.world.clock.now());
            for aside in asides {
                self.do_first(&mut hands, aside);
            }
        }
    }

    /// Performs one effect.
    pub(crate) fn perform(&self, hands: &mut Hands<'a>, effect: Effect) -> Result<Got> {
        let clock = self.world.clock;
        if let Effect::Send(Call::Refresh { may_hand_over: true, .. }) = effect
            && self.hand_over(hands)?
        {
            return Ok(Got::HandedOver);
        }
        match &effect {
            Effect::Send(Call::Refresh { .. } | Call::Poll(_)) => {
                hands.hold.get_or_insert_with(Hold::begin);
            }
            // Between an answer and its saving.
            Effect::TryLock | Effect::Reread | Effect::Reserve | Effect::Pause | Effect::Peek | Effect::Save(_) => {}
            _ => hands.hold = None,
        }
        Ok(match effect {
            Effect::Peek => Got::Record(self.peek(hands)?),
            Effect::TryLock => self.try_lock(hands)?,
            Effect::Reread => {
                let guard = hands.guard.as_mut();
                Got::Record(guard.map(Guard::reread).transpose()?.flatten().map(Box::new))
            }
            Effect::Reserve => {
                hands.guard.as_mut().map(Guard::reserve).transpose()?;
                Got::Done
            }
            Effect::Save(record) => {
                let saved = hands.guard.as_mut().map(|guard| {
                    guard.record = *record;
                    guard.save()
                });
                hands.hold = None;
                saved.transpose()?;
                Got::Done
            }
            Effect::TryLogin => self.try_login(hands)?,
            Effect::Send(call) => self.send(call)?,
            Effect::SignOut(session) => Got::SignedOut(self.sign_out(&session)),
            // What came and is not on the disk is nobody else's to have again, whoever waits for it.
            Effect::Pause if hands.hold.is_none() && self.world.human.is_left() => return Err(left()),
            Effect::Pause => {
                let began = clock.elapsed();
                clock.sleep(jitter(hands.attempts));
                hands.attempts += 1;
                Got::Waited(clock.elapsed().saturating_sub(began))
            }
            Effect::Sleep { seconds, expires_at } => {
                for _ in 0..seconds {
                    if self.world.human.is_left() {
                        return Err(left());
                    }
                    self.world.human.waiting(expires_at - clock.now());
                    clock.sleep(Duration::from_secs(1));
                }
                Got::Waited(Duration::from_secs(seconds))
            }
            Effect::FindTerminal => Got::Terminal(self.world.human.has_terminal()),
            Effect::FindPerson => Got::Presence(self.world.human.presence()?),
            Effect::End(_) => unreachable!("there is nothing to be done"),
        })
    }

    /// Does what nothing comes of.
    pub(crate) fn do_first(&self, hands: &mut Hands<'a>, aside: Aside) {
        match aside {
            Aside::Used => {
                if let Some(read) = &hands.last_read {
                    read.used(self.world.clock.now());
                }
            }
            Aside::Unlock => hands.guard = None,
            Aside::LeaveLogin => hands.login = None,
            Aside::Show(pending, role) => self.show(&pending, role),
            Aside::Remaining { expires_at } => self.world.human.waiting(expires_at - self.world.clock.now()),
            Aside::Say(line) => self.world.human.note(&line),
            Aside::SignedIn { user_code, record } => self.tell_signed_in(user_code.as_deref(), &record),
        }
    }

    fn peek(&self, hands: &mut Hands<'a>) -> Result<Option<Box<Record>>> {
        let read = match hands.looked.take() {
            Some(looked) => Some(looked),
            None => match self.world.store.read(self.id)? {
                Found::Record(read) => Some(*read),
                Found::Nothing | Found::Broken(_) => None,
            },
        };
        hands.last_read = read;
        Ok(hands.last_read.as_mut().map(|read| Box::new(std::mem::take(&mut read.record))))
    }

    fn try_lock(&self, hands: &mut Hands<'a>) -> Result<Got> {
        let now = self.world.clock.now();
        let taken = match hands.left.take() {
            Some(lock) => self.world.store.adopt_lock(self.id, lock, now)?,
            None => self.world.store.try_lock(self.id, now)?,
        };
        let Some(mut guard) = taken else {
            if hands.attempts == 0 {
                trace!("lock: another process holds it, waiting");
            }
            return Ok(Got::Busy);
        };
        hands.attempts = 0;
        let (record, set_aside) = (Box::new(guard.record.clone()), guard.set_aside());
        hands.guard = Some(guard);
        Ok(Got::Locked { record, set_aside })
    }

    fn try_login(&self, hands: &mut Hands<'a>) -> Result<Got> {
        let Some(lock) = self.world.store.try_login_lock(self.id)? else {
            if hands.attempts == 0 {
                trace!("login lock: another process holds it, waiting");
            }
            return Ok(Got::Busy);
        };
        trace!("login lock: taken");
        hands.attempts = 0;
        hands.login = Some(lock);
        Ok(Got::Done)
    }

    /// Leaves the lock, and the refresh that it guards, to another process, and waits for that a moment; whether it could.
    fn hand_over(&self, hands: &mut Hands<'a>) -> Result<bool> {
        let (Some(successor), Some(guard)) = (self.world.successor, &mut hands.guard) else { return Ok(false) };
        let slot = self.setting.destination.slot.key();
        let Some(lock) = guard.share_lock() else { return Ok(false) };
        let Some(mut begun) = successor.begin(&slot, lock) else {
            guard.reserve()?;
            return Ok(false);
        };
        trace!("refresh: another process sends it and waits for the answer");
        // Ours is closed, its copy of the lock is not.
        hands.guard = None;
        let clock = self.world.clock;
        let began = clock.elapsed();
        while clock.elapsed().saturating_sub(began) < HAND_OVER_PATIENCE && !begun.has_ended() {
            clock.sleep(Duration::from_millis(2));
        }
        Ok(true)
    }

    fn send(&self, call: Call) -> Result<Got> {
        Ok(match call {
            Call::Start { slot, resources } => Got::Code(self.ask_for_code(&slot, &resources).map(Box::new)),
            Call::Poll(pending) => {
                Got::Answer(self.post(pending.form(self.setting.profile), Patience::once(http::POLL_PATIENCE))?)
            }
            Call::Refresh { may_hand_over: _, refresh_token, scopes, organization } => {
                let scopes = scopes.unwrap_or_else(|| self.setting.profile.all_scopes());
                let grounds = Grounds { scopes: &scopes, organization: organization.as_deref() };
                let slot = &self.setting.destination.slot;
                let form = refresh::form(self.setting.profile, slot, &refresh_token, &grounds);
                Got::Answer(self.post(form, http::refresh_patience(self.setting.profile.preset))?)
            }
        })
    }

    /// Ends a session that is not kept here at the provider; why it may live on there, if so.
    fn sign_out(&self, session: &Record) -> Option<String> {
        let Setting { profile, endpoints, .. } = self.setting;
        // A secret that cannot be read is the provider's to miss.
        let secret = profile.client_secret_file.as_ref().and_then(|path| client_secret::read(path).ok());
        match revoke::sign_out(self.world.http, profile, Some(endpoints), secret.as_ref(), &session.approved()) {
            SignedOut::Ended(said) => {
                trace!("sign-in: {said}");
                None
            }
            SignedOut::NoWay(why) | SignedOut::Failed(why) => Some(why),
        }
    }

    /// Posts a form to the token endpoint and reads the answer.
    fn post(&self, mut form: Form, patience: Patience) -> Result<Answer> {
        self.authenticate(&mut form)?;
        let answer = self.world.http.post(&self.setting.endpoints.token, &form, patience);
        Ok(self.read(&form, answer))
    }

    /// Asks for a code (RFC 8628 section 3.1). Writing it down, and showing it, is the machine's to say.
    pub(super) fn ask_for_code(&self, slot: &Slot, resources: &[String]) -> Result<Pending, NoCode> {
        let endpoints = self.setting.endpoints;
        let verifier = endpoints.code_challenge_s256.then(pkce::verifier).transpose().map_err(NoCode::NotAsked)?;
        let mut form = device::start_form(self.setting.profile, slot, resources, verifier.as_ref());
        self.authenticate(&mut form).map_err(NoCode::NotAsked)?;
        let url = &endpoints.device_authorization;
        let response = self.world.http.post(url, &form, http::PATIENCE).map_err(NoCode::Unreachable)?;
        let pending = device::begin(&response, slot, self.world.clock.now())
            .map_err(|error| NoCode::Refused(error.map_words(|words| form.redact_answer(&response, words))))?;
        Ok(Pending { code_verifier: verifier, ..pending })
    }

    /// Proves who the client is, where it has a secret.
    fn authenticate(&self, form: &mut Form) -> Result<()> {
        let profile = self.setting.profile;
        // The server knows these as well, and may quote them.
        if let Some(record) = self.world.store.peek(self.id).ok().flatten() {
            form.hide(record.secrets());
        }
        if let Some(path) = &profile.client_secret_file {
            form.authenticate(&profile.client_id, &client_secret::read(path)?, self.setting.endpoints.secret_by);
        }
        Ok(())
    }

    /// What a server answered, without what it may have quoted of our secrets.
    fn read(&self, form: &Form, answer: Result<Response, Unreachable>) -> Answer {
        match answer {
            Ok(response) => {
                let life = self.setting.profile.preset.default_token_life;
                answer::read(&response, self.world.clock.now(), life)
                    .map_words(|words| form.redact_answer(&response, words))
            }
            Err(unreachable) => Answer::Unreachable(unreachable),
        }
    }
}

/// Whoever asked has ended, and nobody reads the answer.
fn left() -> Error {
    Error::new(Kind::Transient, "whoever asked is gone, and nobody is waited for any more")
        .hint(Mend::wait("run the command again; a code that was shown goes on to work"))
}
