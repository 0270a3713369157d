//! A code: it begins, is polled for, and is approved or over (RFC 8628 sections 3.1 to 3.5).

use super::words::after_colon;
use super::{Aside, At, Call, Effect, Machine, NoCode, Purpose, Role, Setting, Why, Written, registration_hint};
use crate::clock::Timestamp;
use crate::decision;
use crate::error::{Error, Kind};
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::Slot;
use crate::oauth::TokenAnswer;
use crate::oauth::answer::Answer;
use crate::oauth::device::{Pending, Step};
use crate::store::Record;
use crate::trace::trace;

impl Machine {
    /// Asks the provider for a code.
    pub(super) fn start(self, setting: &Setting<'_>) -> (Self, Effect) {
        let slot = setting.profile.asked_slot(&self.ask.slot);
        let resources = setting.profile.asked_resources(&slot);
        self.start_naming(slot, resources)
    }

    fn start_naming(self, slot: Slot, resources: Vec<String>) -> (Self, Effect) {
        let call = Call::Start { slot, resources: resources.clone() };
        self.then(At::Starting(resources), Effect::Send(call))
    }

    /// A code, or none. Where the provider does not know one of the resources, the others are signed in to without it: whoever
    /// wants a token for that one is told.
    pub(super) fn started(
        self,
        named: Vec<String>,
        code: Result<Box<Pending>, NoCode>,
        setting: &Setting<'_>,
    ) -> (Self, Effect) {
        let slot = setting.profile.asked_slot(&self.ask.slot);
        let own: Vec<String> = slot.resource.iter().cloned().collect();
        match code {
            Err(NoCode::Refused(error)) if error.code == "invalid_target" && named.len() > own.len() => {
                trace!("sign-in: one of the resources is not known there, naming this place's alone");
                self.start_naming(slot, own)
            }
            Ok(mut pending) => {
                (pending.selects_account, pending.resources) = (self.ask.selects_account, Some(named));
                self.lock(Why::Begun(Ok(pending)))
            }
            Err(why) => self.lock(Why::Begun(Err(why))),
        }
    }

    /// Writes a code down before anybody sees it; or why there is none.
    pub(super) fn write_begun(
        mut self,
        code: Result<Box<Pending>, NoCode>,
        setting: &Setting<'_>,
        now: Timestamp,
    ) -> (Self, Effect) {
        let (is_relayed, told_to) = (self.is_relayed(), self.ask.parent.clone());
        let waits_briefly = self.ask.until.is_some();
        match code {
            Ok(mut pending) => {
                let record = self.record();
                if record.pending.as_ref().is_some_and(|kept| kept.is_live(now)) {
                    // Somebody removed the login lock's file, and another has begun as well: one code is enough.
                    return self.go_on_with_begun();
                }
                // Whoever waits for a while only leaves it to those who come next.
                pending.in_advance |= waits_briefly;
                if is_relayed {
                    (pending.in_advance, pending.told_to) = (true, told_to);
                }
                record.pending = Some((*pending).clone());
                record.failure = None;
                self.save(At::SavingBegun(pending))
            }
            Err(why) => self.save_failure(setting.no_code(why, Written::InProfile), None, false, now),
        }
    }

    pub(super) fn begun(
        mut self,
        pending: Box<Pending>,
        unsaved: Option<&Error>,
        setting: &Setting<'_>,
        now: Timestamp,
    ) -> (Self, Effect) {
        // A terminal may stand still: nobody else is kept waiting for it.
        self.unlock();
        if self.is_for_code() {
            return self.go_on_with_begun();
        }
        if self.is_relayed() {
            // Whoever comes next could not redeem what is not written down.
            return match unsaved {
                Some(error) => self.cannot_keep(error),
                None => self.refuse(setting, Some(&pending), Role::Starting, now),
            };
        }
        self.show(&pending, Role::Starting);
        if let Some(sign_in) = &mut self.sign_in {
            sign_in.unsaved = unsaved.map(|_| pending);
        }
        self.go_on_with_begun()
    }

    /// There is a code in the record, or in hand.
    fn go_on_with_begun(mut self) -> (Self, Effect) {
        self.unlock();
        let why = if self.is_for_code() { Why::BegunInAdvance } else { Why::Turn };
        self.lock(why)
    }

    /// What a poll's answer, which is no approval, does to the record.
    pub(super) fn write_polled(
        mut self,
        pending: Pending,
        answer: Answer,
        setting: &Setting<'_>,
        now: Timestamp,
    ) -> (Self, Effect) {
        let record = self.record();
        let is_ours = record.pending.as_ref().is_none_or(|kept| kept.device_code == pending.device_code);
        let title = setting.profile.title();
        let error = match pending.after(answer, now) {
            Step::Granted(_) => unreachable!("an approval is written elsewhere"),
            Step::Wait(pending) => {
                if record.pending.is_some() && is_ours {
                    record.pending = Some((*pending).clone());
                    return self.save(At::SavingPolled(pending));
                }
                return self.poll_again(pending, setting, now);
            }
            Step::Denied(words) => {
                let what = format!("the sign-in to {title} was denied{}", after_colon(&words));
                Error::new(Kind::SignInEnded, what).hint(Mend::command(setting.login_command()).lead("to try again,"))
            }
            Step::Expired(words) => setting.expired(&words),
            // Nobody's word was no: nothing to remember against the next who asks.
            Step::Lost => Error::new(
                Kind::Transient,
                "what was approved was lost: a poll stayed without an answer, and a code works once",
            )
            .hint(Mend::command(setting.login_command()).lead("run the command again, or")),
            Step::Refused { code, words } => {
                let what = format!("{} ended the sign-in: {words}", setting.provider());
                let login = Mend::command(setting.login_command());
                Error::new(Kind::Refused, what).hint(match code.as_str() {
                    "invalid_grant" | "" => login.lead("to try again,"),
                    code => {
                        login.lead(&format!("{}; then", registration_hint(setting.profile, code, Written::InProfile)))
                    }
                })
            }
        };
        if !is_ours {
            // Ours is over; another has begun meanwhile, in the place of one who did nothing, and is nobody's to end.
            return self.fail(error);
        }
        record.pending = None;
        self.save_failure(error, None, false, now)
    }

    /// Not approved yet.
    pub(super) fn poll_again(mut self, pending: Box<Pending>, setting: &Setting<'_>, now: Timestamp) -> (Self, Effect) {
        self.unlock();
        if self.is_redeeming() {
            return self.redeemed();
        }
        self.wait_for_poll(pending, setting, now)
    }

    /// A person approved.
    pub(super) fn write_approved(
        mut self,
        pending: &Pending,
        tokens: &TokenAnswer,
        setting: &Setting<'_>,
        now: Timestamp,
    ) -> (Self, Effect) {
        trace!("sign-in: approved");
        let serves = setting.serves(&pending.slot, tokens, &self.ask.slot);
        let slot = if serves { self.ask.slot.clone() } else { pending.slot.clone() };
        let Setting { profile, endpoints, .. } = setting;
        let is_ours = serves || pending.slot == profile.asked_slot(&self.ask.slot);
        if let Some(error) = setting.other_person(self.record(), pending, &tokens.who) {
            return self.write_other_person(error, &slot, tokens, setting, now);
        }
        if let Some(expected) = profile.expect.as_ref().filter(|_| tokens.who.is_unknown()) {
            let what =
                format!("{} does not tell who signed in, so {} is not compared", setting.provider(), escape(expected));
            self.aside(Aside::Say(what));
        }
        let record = self.record();
        record.profile.clone_from(&profile.name);
        record.issuer.clone_from(&profile.issuer);
        record.sign_in(&slot, tokens, profile.keep_refresh_token, now);
        record.scopes = Some(pending.scopes.clone());
        record.resources.clone_from(&pending.resources);
        record.revocation_endpoint.clone_from(&endpoints.revocation);
        self.save(At::SavingApproved { is_ours })
    }

    /// Another person signed in than the session is for. What was kept before stays; of the other person nothing does, neither here
    /// nor at the provider.
    fn write_other_person(
        mut self,
        error: Error,
        slot: &Slot,
        tokens: &TokenAnswer,
        setting: &Setting<'_>,
        now: Timestamp,
    ) -> (Self, Effect) {
        let mut session = Box::new(Record::default());
        session.belongs_to(setting.profile, &setting.endpoints.token);
        session.sign_in(slot, tokens, true, now);
        session.revocation_endpoint.clone_from(&setting.endpoints.revocation);
        let parent = self.ask.parent.clone();
        let record = self.record();
        record.pending = None;
        record.fail(&error, None, parent.as_ref(), now);
        self.save(At::SavingOtherPerson { error, session })
    }

    pub(super) fn sign_out(mut self, error: Error, session: Box<Record>) -> (Self, Effect) {
        if self.is_redeeming() {
            self.aside(Aside::Say(error.text()));
        }
        self.unlock();
        self.then(At::SigningOut(error), Effect::SignOut(session))
    }

    pub(super) fn signed_out(mut self, error: Error, lives_on: Option<&str>) -> (Self, Effect) {
        if let Some(why) = lives_on {
            self.aside(Aside::Say(format!("the sign-in that is not kept may live on at the provider: {why}")));
        }
        self.fail(error)
    }

    /// What was approved is on the disk; or it is not, and serves for this once.
    pub(super) fn approved(
        mut self,
        is_ours: bool,
        unsaved: Option<&Error>,
        setting: &Setting<'_>,
        now: Timestamp,
    ) -> (Self, Effect) {
        self.say_unsaved(unsaved);
        let record = self.held.take().unwrap_or_default();
        // A terminal may stand still: nobody else is kept waiting for it.
        self.unlock();
        let user_code = self.sign_in.as_mut().and_then(|sign_in| sign_in.shown.take());
        self.aside(Aside::SignedIn { user_code, record: record.clone() });
        if self.is_redeeming() {
            return self.redeemed();
        }
        match decision::living(&record, &self.ask, now) {
            Some(token) => self.serve(token.clone(), &record),
            // Where no refresh token is kept, the approval for another place brings this one nothing: it needs its own.
            None if record.refresh_token.is_some() || !is_ours => {
                self.held = Some(record);
                self.look_again()
            }
            None => {
                let short = decision::working(&record, &self.ask, now);
                let error = short
                    .map_or_else(|| setting.no_such_token(&self.ask), |token| setting.too_short(token, &self.ask, now));
                self.fail(error)
            }
        }
    }

    /// Whether an approval is asked for that nobody waits for.
    pub(super) fn is_redeeming(&self) -> bool {
        self.sign_in.as_ref().is_some_and(|sign_in| sign_in.purpose == Purpose::Redeem)
    }

    fn is_for_code(&self) -> bool {
        self.sign_in.as_ref().is_some_and(|sign_in| sign_in.purpose == Purpose::Code)
    }
}
