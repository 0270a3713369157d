//! Asks the provider for a code (RFC 8628 section 3.1), and tells why there is none.

use super::Broker;
use crate::config::Profile;
use crate::error::{Error, Kind};
use crate::oauth::answer::ServerError;
use crate::oauth::device::{self, Pending};
use crate::oauth::http;
use crate::oauth::message::Unreachable;
use crate::oauth::pkce;

/// Why there is no code.
pub(crate) enum NoCode {
    /// Trouble of our own: nothing was sent.
    NotAsked(Error),
    /// No answer.
    Unreachable(Unreachable),
    /// The provider's no, without what its words may quote of our secrets.
    Refused(ServerError),
}

impl Broker<'_> {
    /// Asks for a code. Writing it down, and showing it, is up to the caller.
    pub(super) fn ask_for_code(&self) -> Result<Pending, NoCode> {
        let asked = self.profile.asked_slot(&self.destination.slot);
        let verifier = self.endpoints.code_challenge_s256.then(pkce::verifier).transpose().map_err(NoCode::NotAsked)?;
        let mut form = device::start_form(self.profile, &asked, verifier.as_ref());
        self.authenticate(&mut form).map_err(NoCode::NotAsked)?;
        let url = &self.endpoints.device_authorization;
        let response = self.http.post(url, &form, http::PATIENCE).map_err(NoCode::Unreachable)?;
        let pending = device::begin(&response, &asked, self.clock.now())
            .map_err(|error| NoCode::Refused(error.map_words(|words| form.redact(words))))?;
        Ok(Pending { code_verifier: verifier, ..pending })
    }

    /// Whether the provider would let this client begin a sign-in, by beginning one: nothing of it is written down, nobody
    /// is shown its code, and it runs out by itself.
    pub(crate) fn check(&self) -> Result<(), NoCode> {
        self.ask_for_code().map(drop)
    }

    /// Why there is no code, in words.
    pub(crate) fn no_code(&self, why: NoCode) -> Error {
        let error = match why {
            NoCode::NotAsked(error) => return error,
            NoCode::Unreachable(Unreachable { why, mend, is_lasting }) => {
                let kind = if is_lasting { Kind::Configuration } else { Kind::Transient };
                return Error::new(kind, format!("cannot start a sign-in: {why}")).hint(mend);
            }
            NoCode::Refused(error) => error,
        };
        let host = http::host(&self.endpoints.device_authorization);
        let what = format!("{host} starts no sign-in: {}", error.words());
        match error.status {
            408 | 429 | 500.. => Error::new(Kind::Transient, what).hint("try again"),
            404 => Error::new(Kind::Refused, what).hint(registration_hint(self.profile, "invalid_client")),
            _ => Error::new(Kind::Refused, what).hint(registration_hint(self.profile, &error.code)),
        }
    }
}

/// What mends a refusal to start a sign-in, by its code.
pub(crate) fn registration_hint(profile: &Profile, code: &str) -> String {
    let docs = profile.preset.docs;
    match code {
        "invalid_client" => format!("check client_id in the profile; see {docs}"),
        "unauthorized_client" => {
            format!("check client_id in the profile, and allow the device flow for this client; see {docs}")
        }
        "access_denied" | "device_flow_disabled" | "unsupported_grant_type" => {
            format!("allow the device flow for this client; see {docs}")
        }
        "invalid_scope" => "correct scopes in the profile".to_owned(),
        _ => format!("see {docs}"),
    }
}
