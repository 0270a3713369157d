//! What people are told of how an ask went.

use super::{NoCode, Setting};
use crate::clock::{self, Timestamp};
use crate::decision::is_shorter_than_wanted;
use crate::error::{Error, Kind};
use crate::escape::escape;
use crate::mend::{Argv, Mend};
use crate::model::provider::Stage;
use crate::model::{Ask, Profile, Slot, Token, TokenKind};
use crate::oauth::TokenAnswer;
use crate::oauth::answer::Who;
use crate::oauth::device::Pending;
use crate::oauth::http;
use crate::oauth::message::Unreachable;
use crate::redact::Secrets;
use crate::store::Record;

/// How long `keyfob login --wait` is told to wait next: less than most agents give a command.
pub(crate) const STEP: &str = "60s";

impl Setting<'_> {
    /// The authorization server, for a sentence.
    pub(crate) fn provider(&self) -> String {
        http::host(&self.endpoints.token)
    }

    /// The command that mends a missing sign-in. Without a refresh token one sign-in fills one slot: then it has to be the
    /// place's own.
    pub(crate) fn login_command(&self) -> Argv {
        let named = self.profile.name.is_some() && !self.profile.keep_refresh_token;
        if named && self.destination.slot != self.profile.plain.slot {
            return ["keyfob", "login", &format!("https://{}", self.place)].map(str::to_owned).into();
        }
        self.profile.login_command()
    }

    pub(super) fn asked_for_patience(&self, until: Timestamp, now: Timestamp) -> Error {
        let wait = clock::span(until - now);
        Error::new(Kind::Transient, format!("{} asks to be left alone for {wait}", self.provider()))
            .hint(Mend::wait("the session is kept; try again then"))
    }

    pub(super) fn refused_again(
        &self,
        record: &Record,
        token: &Token,
        challenge: Option<&str>,
        now: Timestamp,
    ) -> Error {
        let age = clock::span(now - token.received_at);
        // The server was just sent one of them.
        let secrets = Secrets::of(record.secrets());
        let words = challenge.map(|words| format!(" ({})", secrets.redact(words))).unwrap_or_default();
        let what = format!("{} refuses a token that was renewed {age} ago{words}", self.place);
        let login = Mend::command(self.login_command());
        Error::new(Kind::Refused, what).hint(if challenge.is_some_and(|words| words.contains("insufficient_scope")) {
            login.lead("it wants more than the token allows: extend scopes in the profile, then")
        } else {
            login.lead("see which issuer, audience and organization it expects; to sign in as somebody else,")
        })
    }

    /// An answer without the token that the destination takes.
    pub(super) fn no_such_token(&self, ask: &Ask) -> Error {
        let provider = self.provider();
        let (what, mend) = match (ask.kind, &ask.refused) {
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

    /// A token that works, but not for as long as is wanted.
    pub(super) fn too_short(&self, token: &Token, ask: &Ask, now: Timestamp) -> Error {
        let wanted = clock::span(ask.wants_left);
        let end = token.end(ask.kind).unwrap_or(now);
        if is_shorter_than_wanted(token, ask) {
            let life = clock::span(end - token.received_at);
            let what = format!("{} grants tokens that live {life}, and {wanted} are wanted", self.provider());
            return Error::new(Kind::Refused, what).hint("want less, or have the provider grant longer ones");
        }
        let (title, left) = (self.profile.title(), clock::span(end - now));
        let what = format!("the token of {title} ends in {left}, {wanted} are wanted, and nothing renews it");
        Error::new(Kind::HumanNeeded, what).hint(Mend::command(self.login_command()))
    }

    /// The code's time is over; what the server says of it.
    pub(super) fn expired(&self, words: &str) -> Error {
        let what = format!("the code expired before it was approved{}", after_colon(words));
        Error::new(Kind::SignInEnded, what).hint(Mend::command(self.login_command()).lead("for a new one,"))
    }

    /// The code that was shown is gone from the record.
    pub(super) fn called_off(&self) -> Error {
        Error::new(Kind::SignInEnded, format!("the sign-in to {} was called off", self.profile.title()))
            .hint(Mend::command(self.login_command()).lead("to try again,"))
    }

    /// Only a person could go on, and none is here: what waits for one, or why. `ended`: the provider's words, where it has
    /// just refused to renew the session.
    pub(super) fn person_needed(&self, ended: Option<&str>, why: &'static str, pending: Option<&Pending>) -> Error {
        let title = self.profile.title();
        let login = self.login_command();
        if let Some(pending) = pending {
            return self.waits(pending).hint(Mend::ask_person(login).lead("approve it, or"));
        }
        let Some(words) = ended else { return nobody(self.profile, why, login) };
        let what = format!("the session of {title} has ended ({words}) and nobody is here to sign in ({why})");
        Error::new(Kind::HumanNeeded, what).hint(Mend::ask_person(login))
    }

    /// The person is behind whoever runs us, and is shown this when we have ended.
    pub(super) fn relayed(&self, pending: &Pending) -> Error {
        self.waits(pending).hint(Mend::wait("show this to the person, and run it again when they have approved"))
    }

    fn waits(&self, pending: &Pending) -> Error {
        let (title, code) = (self.profile.title(), escape(&pending.user_code));
        let uri = escape(&pending.verification_uri);
        Error::new(Kind::HumanNeeded, format!("the sign-in to {title} waits for approval of {code} at {uri}"))
            .waits(pending.waiting())
    }

    /// Whoever waits has waited for as long as it wanted to.
    pub(super) fn waited_enough(&self, pending: Option<&Pending>) -> Error {
        let Some(pending) = pending else {
            return nobody(self.profile, "another keyfob begins a sign-in", self.login_command());
        };
        let again = [self.login_command(), ["--wait", STEP].map(str::to_owned).into()].concat();
        self.waits(pending).hint(Mend::ask_person(again).lead("approve it, and"))
    }

    /// Why there is no code.
    pub(crate) fn no_code(&self, why: NoCode, written: Written) -> Error {
        let error = match why {
            NoCode::NotAsked(error) => return error,
            NoCode::Unreachable(Unreachable { why, mend, is_lasting, .. }) => {
                let kind = if is_lasting { Kind::Configuration } else { Kind::Transient };
                return Error::new(kind, format!("cannot start a sign-in: {why}")).hint(mend);
            }
            NoCode::Refused(error) => error,
        };
        let host = http::host(&self.endpoints.device_authorization);
        let what = format!("{host} starts no sign-in: {}", error.words());
        if error.is_foreign {
            return foreign("cannot start a sign-in", &host, error.status);
        }
        match error.status {
            408 | 429 | 500.. => Error::new(Kind::Transient, what).hint(Mend::wait("try again")),
            404 => Error::new(Kind::Refused, what).hint(registration_hint(self.profile, "invalid_client", written)),
            _ => Error::new(Kind::Refused, what).hint(registration_hint(self.profile, &error.code, written)),
        }
    }

    /// Somebody has signed in who is not the one that the profile expects, or not the one of before, as far as the answer tells.
    pub(super) fn other_person(&self, record: &Record, pending: &Pending, who: &Who) -> Option<Error> {
        let title = self.profile.title();
        let name = escape(who.name()?);
        if let Some(expected) = &self.profile.expect {
            let is_it = |told: &Option<String>| told.as_ref().is_some_and(|told| told.eq_ignore_ascii_case(expected));
            if !is_it(&who.email) && who.subject.as_ref() != Some(expected) {
                let what = format!("{name} signed in to {title}, which expects {}: nothing was kept", escape(expected));
                let login = Mend::command(self.login_command());
                return Some(Error::new(Kind::SignInEnded, what).hint(login.lead("to sign in as that person,")));
            }
            return None;
        }
        let (before, now) = (record.pinned_subject.as_ref()?, who.subject.as_ref()?);
        if before == now || pending.selects_account {
            return None;
        }
        let was = escape(record.email.as_deref().unwrap_or(before));
        let what = format!("{name} signed in to {title}, and before it was {was}: nothing was kept");
        let login = Mend::command(self.login_command()).with("--select-account");
        Some(Error::new(Kind::SignInEnded, what).hint(login.lead("if that is meant,")))
    }

    /// Whether the token of a sign-in that asked for `asked` serves the slot that is `wanted`: it was asked for in just these
    /// words, or nothing narrower can ever be had, or the provider chose the organization we want by itself.
    pub(super) fn serves(&self, asked: &Slot, tokens: &TokenAnswer, wanted: &Slot) -> bool {
        let organization = wanted.organization.as_ref();
        let is_chosen = organization.is_some() && tokens.who.organization.as_ref() == organization;
        let ours = Slot {
            organization: organization
                .filter(|_| !(self.profile.preset.organization_parameter(Stage::SignIn).is_none() && is_chosen))
                .cloned(),
            ..wanted.clone()
        };
        let broader = Slot { scopes: self.profile.all_scopes(), ..ours.clone() };
        ours == *asked || (tokens.refresh_token.is_none() && broader == *asked)
    }
}

/// Only a person could go on, and none is here.
pub(crate) fn nobody(profile: &Profile, why: &'static str, login: Argv) -> Error {
    let what = format!("nobody is here to sign in to {} ({})", profile.title(), why);
    Error::new(Kind::HumanNeeded, what).hint(Mend::ask_person(login))
}

/// Where what is wrong was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    InProfile,
    /// As options, of a profile that is yet to be written.
    OnCommandLine,
}

/// What mends a refusal to start a sign-in, by its code.
pub(crate) fn registration_hint(profile: &Profile, code: &str, written: Written) -> String {
    let docs = profile.preset.docs;
    let (client_id, scopes) = match written {
        Written::InProfile => ("client_id in the profile", "scopes in the profile"),
        Written::OnCommandLine => ("--client-id", "--scope"),
    };
    match code {
        "invalid_client" => format!("check {client_id}; see {docs}"),
        "unauthorized_client" => {
            format!("check {client_id}, and allow the device flow for this client; see {docs}")
        }
        "access_denied" | "device_flow_disabled" | "unsupported_grant_type" => {
            format!("allow the device flow for this client; see {docs}")
        }
        "invalid_target" => match profile.all_resources().join(" or ") {
            resources if resources.is_empty() => format!("see {docs}"),
            resources => format!("correct resource in the profile, or have the provider know it: {resources}"),
        },
        "invalid_scope" => format!("correct {scopes}"),
        _ => format!("see {docs}"),
    }
}

/// Something answered in the provider's place: a portal, a proxy, a gateway. It says nothing of the session.
pub(super) fn foreign(what: &str, provider: &str, status: u16) -> Error {
    let what = format!("{what}: something between here and {provider} answered in its place (HTTP status {status})");
    let mend = "if this network wants a sign-in of its own, open a page in a browser; if it wants a proxy, set HTTPS_PROXY; then try again";
    Error::new(Kind::Transient, what).hint(Mend::wait(mend))
}

/// A server's words behind a sentence of ours, where it has any.
pub(super) fn after_colon(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}
