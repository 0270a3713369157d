//! A server refused a token that should have worked: that access token is handed out no more, its session lives on. And a
//! person signs out of a place: its access token is dropped, and no more is concluded from it.

use super::{At, Effect, Machine, Outcome, Setting, Why};
use crate::clock::Timestamp;
use crate::model::{Ask, Want};
use crate::secret::Fingerprint;
use crate::store::Record;
use crate::trace::trace;

impl Machine {
    pub(super) fn look_at_refused(self, record: Option<&Record>) -> (Self, Effect) {
        if record.is_some_and(|record| is_meant(record, &self.ask)) {
            return self.lock(Why::Refusal);
        }
        self.then(At::Ended, Effect::End(Outcome::Nothing))
    }

    /// A token that has just replaced another is kept: a new one would fare no better, and the error says so.
    pub(super) fn write_refusal(mut self, setting: &Setting<'_>, now: Timestamp) -> (Self, Effect) {
        let ask = self.ask.clone();
        let record = self.record();
        if !is_meant(record, &ask) {
            return self.then(At::Ended, Effect::End(Outcome::Nothing));
        }
        if ask.want == Want::SignOut {
            record.tokens.remove(&ask.slot);
            return self.save(At::SavingRefusal);
        }
        if ask.want == Want::Acceptance {
            if let Some(token) = record.tokens.get_mut(&ask.slot) {
                (token.after_refusal, token.refused_to) = (false, None);
            }
            return self.save(At::SavingRefusal);
        }
        trace!("refusal: the token is handed out no more");
        let before = record.clone();
        if let Some(token) = record.tokens.get_mut(&ask.slot) {
            if token.is_recent_replacement(now) {
                let error = setting.refused_again(&before, token, ask.challenge.as_deref(), now);
                if ask.parent.is_none() || token.refused_to == ask.parent {
                    return self.fail(error);
                }
                token.refused_to = ask.parent;
                return self.save(At::SavingFailure { error, or_living: false });
            }
            token.refused = true;
        }
        self.save(At::SavingRefusal)
    }
}

/// Whether the record holds what the ask is about.
fn is_meant(record: &Record, ask: &Ask) -> bool {
    record.tokens.get(&ask.slot).is_some_and(|token| {
        let is_named =
            |named: &Fingerprint| token.secret(ask.kind).is_some_and(|secret| secret.fingerprint() == *named);
        match ask.want {
            Want::SignOut => true,
            Want::Acceptance => token.after_refusal && ask.refused.as_ref().is_some_and(is_named),
            _ => !token.refused && ask.refused.as_ref().is_none_or(is_named),
        }
    })
}
