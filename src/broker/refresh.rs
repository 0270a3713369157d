//! One refresh, under the record's lock from the reading of the token to the saving of its successor.

use super::Broker;
use crate::config::TokenKind;
use crate::error::{Error, Kind, Result};
use crate::oauth::TokenAnswer;
use crate::oauth::http;
use crate::oauth::message::Unreachable;
use crate::oauth::refresh::{self, Grounds, Outcome};
use crate::secret::Secret;
use crate::session::{self, Request};
use crate::store::{Guard, Record, Token};
use crate::trace::trace;

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
        match self.send_twice_at_most(guard, request, refresh_token)? {
            Outcome::Granted(tokens) => self.renewed(guard, request, &tokens),
            Outcome::Refused(words) => self.refused(guard, request, refresh_token, words),
            Outcome::Misconfigured(words) => {
                let title = self.profile.title();
                let what = format!("{} refuses to renew the session of {title}: {words}", self.provider());
                let error = Error::new(Kind::Refused, what).hint(format!(
                    "check the profile and the provider's registration, or run: {}",
                    self.login_command()
                ));
                self.or_living(guard, request, error)
            }
            Outcome::Unreachable(Unreachable { why, mend, is_lasting }) => {
                guard.record.retry_at = None;
                let kind = if is_lasting { Kind::Configuration } else { Kind::Transient };
                let what = format!("cannot renew the session of {}: {why}", self.profile.title());
                self.or_living(guard, request, Error::new(kind, what).hint(format!("the session is kept; {mend}")))
            }
            Outcome::Transient { why, retry_after } => {
                guard.record.retry_at = retry_after.map(|seconds| self.clock.now().saturating_add_unsigned(seconds));
                let what = format!("cannot renew the session of {}: {why}", self.profile.title());
                let error = Error::new(Kind::Transient, what).hint("the session is kept; try again");
                self.or_living(guard, request, error)
            }
        }
    }

    /// The outcome of the request is unknown when the connection breaks or the server fails: then the same token is sent
    /// once more, which a provider with a replay window answers with the same successor. A wish to wait is honoured; and
    /// whoever has a token that lives need not press.
    fn send_twice_at_most(&self, guard: &Guard<'_>, request: &Request, refresh_token: &Secret) -> Result<Outcome> {
        let has_living = session::living(&guard.record, request, self.clock.now()).is_some();
        match self.send(&guard.record, refresh_token)? {
            Outcome::Transient { retry_after: None, .. }
            | Outcome::Unreachable(Unreachable { is_lasting: false, .. })
                if !has_living =>
            {
                trace!("refresh: what happened is unknown, sending the same once more");
                self.send(&guard.record, refresh_token)
            }
            outcome => Ok(outcome),
        }
    }

    fn send(&self, record: &Record, refresh_token: &Secret) -> Result<Outcome> {
        let all = self.profile.all_scopes();
        let moved = record.organization != record.signed_in_organization;
        let grounds = Grounds {
            scopes: record.scopes.as_ref().unwrap_or(&all),
            organization: record.signed_in_organization.as_deref().filter(|_| moved),
        };
        let mut form = refresh::form(self.profile, &self.destination.slot, refresh_token, &grounds);
        self.authenticate(&mut form)?;
        let answer = self.http.post(&self.endpoints.token, &form, http::REFRESH_PATIENCE);
        Ok(refresh::outcome(self.read(&form, answer)))
    }

    /// The token is dead, unless somebody has replaced it meanwhile, which can be where there are no locks. It is retired,
    /// so that nobody sends it again: at strict servers each reuse counts as theft.
    fn refused(
        &self,
        guard: &mut Guard<'_>,
        request: &mut Request,
        refresh_token: &Secret,
        words: String,
    ) -> Result<Option<Token>> {
        guard.reread()?;
        if guard.record.refresh_token.as_ref() != Some(refresh_token) {
            return Ok(None);
        }
        trace!("refresh: refused, the refresh token is retired");
        guard.record.refresh_token = None;
        if let Some(token) = guard.record.tokens.get_mut(&request.slot) {
            // What was only suspected is certain now: the session is over.
            token.refused |= request.suspected.is_some();
        }
        guard.save()?;
        if request.asked {
            // A person has just approved it, and would be asked for ever.
            let what = format!("{} refuses what was approved a moment ago: {words}", self.provider());
            return Err(Error::new(Kind::Refused, what).hint("check the profile and the provider's registration"));
        }
        request.ended = Some(words);
        Ok(None)
    }

    /// The failure, recorded for those who wait or ask next; or, while the old token lives, that.
    fn or_living(&self, guard: &mut Guard<'_>, request: &Request, error: Error) -> Result<Option<Token>> {
        let error = self.fail(guard, request, Some(&request.slot), error);
        let living = session::living(&guard.record, request, self.clock.now());
        living.map_or(Err(error), |token| Ok(Some(token.clone())))
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
        match session::living(&guard.record, request, now) {
            Some(token) => Ok(Some(token.clone())),
            None => Err(self.no_such_token(request)),
        }
    }

    /// An answer without the token that the destination takes.
    pub(super) fn no_such_token(&self, request: &Request) -> Error {
        let provider = self.provider();
        let (what, mend) = match (request.kind, &request.refused) {
            (TokenKind::Id, _) => (
                format!("{provider} grants no ID token"),
                "add \"openid\" to the scopes of the profile, or set token = \"access\"",
            ),
            (_, Some(_)) => {
                (format!("{provider} grants the very token that was refused"), "see why the server refuses it")
            }
            (_, None) => (
                format!("{provider} granted no token for {}, and no refresh token to get one with", self.place),
                "ask for \"offline_access\" in the scopes of the profile, and keep the refresh token",
            ),
        };
        Error::new(Kind::Refused, what).hint(mend)
    }
}
