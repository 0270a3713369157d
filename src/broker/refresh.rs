//! One refresh, under the record's lock from the reading of the token to the saving of its successor.

use super::Broker;
use crate::config::TokenKind;
use crate::error::{Error, Kind, Result};
use crate::oauth::http::{self, Unreachable};
use crate::oauth::refresh::{self, Outcome};
use crate::oauth::{TokenAnswer, answer};
use crate::secret::Secret;
use crate::session::{self, Request};
use crate::store::{Guard, Token};

impl Broker<'_> {
    /// Spends `refresh_token`. `None` asks the caller to look again: the record has changed.
    pub(super) fn refresh(
        &self,
        guard: &mut Guard<'_>,
        request: &mut Request,
        refresh_token: &Secret,
    ) -> Result<Option<Token>> {
        // A rotated token that cannot be saved ends the session: better not to rotate it.
        if let Err(error) = guard.reserve() {
            return match session::living(&guard.record, request, self.clock.now()) {
                Some(token) => Ok(Some(token.clone())),
                None => Err(Error::new(error.kind, format!("the session is kept but not renewed: {}", error.text()))
                    .hint("make room or make the folder writable, or point KEYFOB_STATE_DIR elsewhere")),
            };
        }
        match self.send_twice_at_most(refresh_token) {
            Outcome::Granted(tokens) => self.renewed(guard, request, &tokens),
            Outcome::Refused(_) if guard.record.refresh_token.as_ref() != Some(refresh_token) => Ok(None),
            Outcome::Refused(words) => {
                // Retired, so that nobody sends it again: at strict servers each reuse counts as theft.
                guard.record.refresh_token = None;
                if let Some(token) = guard.record.tokens.get_mut(&request.slot) {
                    // What was only suspected is certain now: the session is over.
                    token.refused |= request.suspected.is_some();
                }
                guard.save()?;
                request.ended = Some(words);
                Ok(None)
            }
            Outcome::Misconfigured(words) => {
                let what =
                    format!("{} refuses to renew the session of {}: {words}", self.provider(), self.profile.title());
                let error = Error::new(Kind::Refused, what).hint(format!(
                    "check the profile and the provider's registration, or run: {}",
                    self.profile.login_command()
                ));
                Err(self.fail(guard, request, error))
            }
            Outcome::Transient { why, retry_after } => self.postponed(guard, request, &why, retry_after),
        }
    }

    /// The outcome of the request is unknown when the connection breaks or the server fails: then the same token is sent
    /// once more, which a provider with a replay window answers with the same successor. A wish to wait is honoured.
    fn send_twice_at_most(&self, refresh_token: &Secret) -> Outcome {
        match self.send(refresh_token) {
            Outcome::Transient { retry_after: None, .. } => self.send(refresh_token),
            outcome => outcome,
        }
    }

    fn send(&self, refresh_token: &Secret) -> Outcome {
        let form = refresh::form(self.profile, &self.destination.slot, refresh_token);
        match self.http.post(&self.profile.endpoints.token, &form, http::PATIENCE) {
            Ok(response) => refresh::outcome(answer::read(&response, self.clock.now())),
            Err(Unreachable(why)) => Outcome::Transient { why, retry_after: None },
        }
    }

    fn renewed(&self, guard: &mut Guard<'_>, request: &mut Request, tokens: &TokenAnswer) -> Result<Option<Token>> {
        let now = self.clock.now();
        if self.profile.preset.refresh_kills_access {
            guard.record.tokens.clear();
        }
        guard.record.grant(&request.slot, tokens, self.profile.keep_refresh_token, now);
        guard.record.refreshed_at = Some(now);
        if let Some(token) = guard.record.tokens.get_mut(&request.slot) {
            token.after_refusal |= request.suspected.is_some();
        }
        self.save_or_say(guard);
        request.refreshed = true;
        match session::living(&guard.record, request, now) {
            Some(token) => Ok(Some(token.clone())),
            None => Err(self.no_such_token(request)),
        }
    }

    fn postponed(
        &self,
        guard: &mut Guard<'_>,
        request: &Request,
        why: &str,
        retry_after: Option<u64>,
    ) -> Result<Option<Token>> {
        let now = self.clock.now();
        guard.record.retry_at = retry_after.map(|seconds| now.saturating_add_unsigned(seconds));
        let error = Error::new(Kind::Transient, format!("cannot renew the session of {}: {why}", self.profile.title()))
            .hint("the session is kept; try again");
        let error = self.fail(guard, request, error);
        session::living(&guard.record, request, now).map_or(Err(error), |token| Ok(Some(token.clone())))
    }

    /// An answer without the token that the destination takes.
    pub(super) fn no_such_token(&self, request: &Request) -> Error {
        let what = match (request.kind, &request.refused) {
            (TokenKind::Id, _) => format!("{} grants no ID token", self.provider()),
            (_, Some(_)) => format!("{} grants the token that was refused", self.provider()),
            (_, None) => format!("{} grants tokens that have expired already", self.provider()),
        };
        Error::new(Kind::Refused, what).hint("add \"openid\" to the scopes of the profile, or set token = \"access\"")
    }
}
