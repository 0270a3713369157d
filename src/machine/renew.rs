//! One refresh, under the record's lock from the reading of the token to the saving of its successor.

use super::words::foreign;
use super::{Aside, At, Call, Effect, Machine, Setting};
use crate::clock::Timestamp;
use crate::decision::{self, LONGEST_PATIENCE_SECS};
use crate::error::{Error, Kind};
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::{TokenKind, Want};
use crate::oauth::TokenAnswer;
use crate::oauth::answer::Answer;
use crate::oauth::message::Unreachable;
use crate::oauth::refresh::{self, Outcome};
use crate::secret::Secret;
use crate::store::Record;
use crate::trace::trace;

impl Machine {
    /// A rotated token that cannot be saved ends the session: better not to rotate it.
    pub(super) fn not_reserved(mut self, error: &Error, now: Timestamp) -> (Self, Effect) {
        let record = self.held.take().unwrap_or_default();
        if let Some(token) = decision::living(&record, &self.ask, now) {
            return self.serve(token.clone(), &record);
        }
        let what = format!("the session is kept but not renewed: {}", error.text());
        self.fail(Error::new(error.kind, what).hint(Mend::make_room()))
    }

    /// While a token lives, the others are told that it is being renewed: they go on with it and wait for nobody.
    pub(super) fn note_renewal(mut self, now: Timestamp) -> (Self, Effect) {
        let ask = self.ask.clone();
        if decision::living(self.record(), &ask, now).is_none() {
            return self.then(At::Reserving, Effect::Reserve);
        }
        self.record().renewing_since = Some(now);
        self.save(At::NotingRenewal)
    }

    /// Another process has left the lock to this one, and with it what it was about to do.
    pub(super) fn begin_renewal(mut self) -> (Self, Effect) {
        if self.record().refresh_token.is_none() {
            return self.then(At::Ended, Effect::End(super::Outcome::Nothing));
        }
        self.then(At::Reserving, Effect::Reserve)
    }

    /// Another process has the lock, and the answer or the waiting for it.
    pub(super) fn handed_over(mut self) -> (Self, Effect) {
        self.unlock();
        self.then(At::HandedOver, Effect::Peek)
    }

    /// What came of it so far.
    pub(super) fn look_after_handing_over(self, record: Option<Box<Record>>, now: Timestamp) -> (Self, Effect) {
        let record = record.unwrap_or_default();
        match decision::living(&record, &self.ask, now) {
            Some(token) => self.serve(token.clone(), &record),
            None => self.look_again(),
        }
    }

    /// There is room for the answer: the refresh token is sent.
    pub(super) fn renew(mut self, now: Timestamp) -> (Self, Effect) {
        let ask = self.ask.clone();
        let has_living = decision::living(self.record(), &ask, now).is_some();
        self.send_refresh(false, has_living)
    }

    fn send_refresh(mut self, is_again: bool, has_living: bool) -> (Self, Effect) {
        let may_hand_over =
            has_living && self.ask.want == Want::Token && self.ask.suspected.is_none() && self.ask.refused.is_none();
        let record = self.record();
        let moved = record.organization != record.signed_in_organization;
        let call = Call::Refresh {
            may_hand_over,
            refresh_token: record.refresh_token.clone().unwrap_or_else(|| Secret::new("")),
            scopes: record.scopes.clone(),
            organization: record.signed_in_organization.clone().filter(|_| moved),
        };
        self.then(At::Renewing { is_again, has_living }, Effect::Send(call))
    }

    /// Nothing was sent where there was no connection: it is tried once more at once. What a provider with a replay window
    /// failed at is sent once more as well, because it answers the same twice (where it did not answer, that has been done). In
    /// every other case nobody knows what became of the token: this caller never sends it again. A wish to wait is honoured; and
    /// whoever has a token that lives need not press.
    pub(super) fn renewal_answered(
        mut self,
        answer: Answer,
        is_again: bool,
        has_living: bool,
        setting: &Setting<'_>,
        now: Timestamp,
    ) -> (Self, Effect) {
        let title = setting.profile.title();
        let has_window = setting.profile.preset.replay_window.is_some();
        let may_send_again = !has_living && !is_again;
        let failed = format!("cannot renew the session of {title}");
        match refresh::outcome(answer) {
            Outcome::Transient { retry_after: None, .. } if has_window && may_send_again => {
                trace!("refresh: what happened is unknown, sending the same once more");
                self.send_refresh(true, has_living)
            }
            Outcome::Unreachable(Unreachable { is_lasting: false, is_unsent: true, .. })
                if may_send_again && !has_window =>
            {
                trace!("refresh: there was no connection, trying once more");
                self.send_refresh(true, has_living)
            }
            Outcome::Granted(tokens) => self.write_renewed(&tokens, setting, now),
            Outcome::Refused(words) => {
                let sent = self.record().refresh_token.clone().unwrap_or_else(|| Secret::new(""));
                self.then(At::Rereading { sent, words }, Effect::Reread)
            }
            Outcome::NotGranted(words) if self.ask.slot.resource.is_some() => self.not_granted(words, setting, now),
            Outcome::Misconfigured(words) | Outcome::NotGranted(words) => {
                let what = format!("{} refuses to renew the session of {title}: {words}", setting.provider());
                let login = Mend::command(setting.login_command());
                let mend = login.lead("check the profile and the provider's registration, or");
                self.not_renewed(Error::new(Kind::Refused, what).hint(mend), now)
            }
            Outcome::Unreachable(Unreachable { why, mend, is_lasting, .. }) => {
                self.record().retry_at = None;
                let kind = if is_lasting { Kind::Configuration } else { Kind::Transient };
                let mend = mend.lead("the session is kept;");
                self.not_renewed(Error::new(kind, format!("{failed}: {why}")).hint(mend), now)
            }
            Outcome::Transient { why: _, retry_after: Some(seconds) }
                if seconds <= LONGEST_PATIENCE_SECS.unsigned_abs() =>
            {
                let until = now.saturating_add_unsigned(seconds);
                self.record().retry_at = Some(until);
                self.not_renewed(setting.asked_for_patience(until, now), now)
            }
            Outcome::Transient { why, retry_after: _ } => {
                self.record().retry_at = None;
                let mend = Mend::wait("the session is kept; try again");
                self.not_renewed(Error::new(Kind::Transient, format!("{failed}: {why}")).hint(mend), now)
            }
            Outcome::Foreign(status) => {
                self.record().retry_at = None;
                let error = foreign(&failed, &setting.provider(), status);
                self.not_renewed(error, now)
            }
            Outcome::Silent(status) => {
                let is_believed = self.record().refused_silently(now);
                let what = format!("{failed}: {} refuses without a word (HTTP status {status})", setting.provider());
                let mend = if is_believed {
                    Mend::command(setting.login_command()).lead("the session is most likely over: to sign in again,")
                } else {
                    Mend::wait("the session is kept; try again in half a minute")
                };
                self.not_renewed(Error::new(Kind::Transient, what).hint(mend), now)
            }
        }
    }

    /// A sign-in that names the resource is what helps; it is never asked for by a refresh again.
    fn not_granted(mut self, words: String, setting: &Setting<'_>, now: Timestamp) -> (Self, Effect) {
        let resource = self.ask.slot.resource.clone().unwrap_or_default();
        if self.attempt.person_asked {
            let what = format!("{} grants no token for {}: {words}", setting.provider(), escape(&resource));
            let mend = "correct resource in the profile, or have the provider allow it for this client";
            return self.not_renewed(Error::new(Kind::Refused, what).hint(mend), now);
        }
        let mut named = self.record().resources.take().unwrap_or_else(|| setting.profile.all_resources());
        named.retain(|known| *known != resource);
        let record = self.record();
        (record.resources, record.renewing_since) = (Some(named), None);
        self.attempt.ended = Some(words);
        self.save(At::SavingNotGranted)
    }

    /// The failure, written down for those who wait or ask next; or, while the old token lives, that.
    fn not_renewed(self, error: Error, now: Timestamp) -> (Self, Effect) {
        let slot = self.ask.slot.clone();
        self.save_failure(error, Some(&slot), true, now)
    }

    fn write_renewed(mut self, tokens: &TokenAnswer, setting: &Setting<'_>, now: Timestamp) -> (Self, Effect) {
        let (slot, kind) = (self.ask.slot.clone(), self.ask.kind);
        let is_suspected = self.ask.suspected.is_some() && !self.ask.is_doubtful;
        let record = self.record();
        if setting.profile.preset.refresh_ends_earlier_tokens() {
            record.tokens.clear();
        }
        record.grant(&slot, tokens, setting.profile.keep_refresh_token, now);
        record.refreshed_at = Some(now);
        if kind == TokenKind::Id || tokens.id_token.is_some() {
            record.refresh_lacks_id = tokens.id_token.is_none();
        }
        if let Some(token) = record.tokens.get_mut(&slot) {
            token.after_refusal |= is_suspected;
        }
        self.save(At::SavingRenewed)
    }

    /// The new tokens are on the disk; or they are not, and serve for this once.
    pub(super) fn renewed(mut self, unsaved: Option<&Error>, setting: &Setting<'_>, now: Timestamp) -> (Self, Effect) {
        self.say_unsaved(unsaved);
        let record = self.held.take().unwrap_or_default();
        if let Some(token) = decision::living(&record, &self.ask, now) {
            return self.serve(token.clone(), &record);
        }
        let end = record.tokens.get(&self.ask.slot).and_then(|token| token.end(self.ask.kind));
        if end.is_some_and(|end| end <= now) {
            if !self.attempt.ran_out && record.refresh_token.is_some() {
                self.attempt.ran_out = true;
                self.held = Some(record);
                return self.look_again();
            }
            let what = format!("the token of {} ran out before it could be used", setting.provider());
            return self.fail(Error::new(Kind::Transient, what).hint(Mend::wait("run the command again")));
        }
        if let Some(token) = decision::working(&record, &self.ask, now) {
            let error = setting.too_short(token, &self.ask, now);
            return self.fail(error);
        }
        let has_openid = setting.profile.all_scopes().iter().any(|scope| scope == "openid");
        if record.refresh_lacks_id && has_openid && !self.attempt.person_asked {
            // A sign-in brings one.
            self.held = Some(record);
            return self.look_again();
        }
        let error = setting.no_such_token(&self.ask);
        self.fail(error)
    }

    /// What was just got still serves.
    pub(super) fn say_unsaved(&mut self, unsaved: Option<&Error>) {
        if let Some(error) = unsaved {
            self.aside(Aside::Say(format!("{error}; signed in for this once")));
        }
    }

    /// The token is dead, unless somebody has replaced it meanwhile, which can be where there are no locks. It is retired,
    /// so that nobody sends it again: at strict servers each reuse counts as theft.
    pub(super) fn retire(mut self, reread: Option<Box<Record>>, sent: &Secret, words: String) -> (Self, Effect) {
        if let Some(record) = reread {
            self.held = Some(record);
        }
        let (slot, is_suspected) = (self.ask.slot.clone(), self.ask.suspected.is_some());
        let record = self.record();
        if record.refresh_token.as_ref() != Some(sent) {
            return self.look_again();
        }
        trace!("refresh: refused, the refresh token is retired");
        (record.refresh_token, record.renewing_since) = (None, None);
        if let Some(token) = record.tokens.get_mut(&slot) {
            // What was only suspected is certain now: the session is over.
            token.refused |= is_suspected;
        }
        self.save(At::SavingRetired(words))
    }

    pub(super) fn retired(mut self, words: String, setting: &Setting<'_>) -> (Self, Effect) {
        if self.attempt.person_asked {
            // A person has just approved it, and would be asked for ever.
            let what = format!("{} refuses what was approved a moment ago: {words}", setting.provider());
            return self
                .fail(Error::new(Kind::Refused, what).hint("check the profile and the provider's registration"));
        }
        self.attempt.ended = Some(words);
        self.look_again()
    }
}
