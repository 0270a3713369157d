//! A session's record: what is held at one authorization server, for one client and one account. Versioned; members a
//! newer keyfob wrote are kept.

use std::collections::BTreeMap;

use ring::digest::{Context, SHA256};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::error::{Error, Kind};
use crate::mend::Mend;
use crate::model::{ParentId, Profile, Slot, Token, TokenKind};
use crate::oauth::answer::{TokenAnswer, Who};
use crate::oauth::device::Pending;
use crate::oauth::revoke::Approved;
use crate::secret::{self, Secret};

/// Raised when an older keyfob could no longer use a record rightly. It must then refuse, not guess.
pub(crate) const VERSION: u32 = 1;

/// Later than any moment keyfob writes down.
const LATEST: Timestamp = 1_000_000_000_000;

/// One refresh token, the access tokens it bought, the pending login, the last failure.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub(crate) struct Record {
    pub(crate) version: u32,
    /// The profile that last signed in, for `status`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
    #[serde(default)]
    pub(crate) provider: String,
    /// The issuer that named the token endpoint, where the profile has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    #[serde(default)]
    pub(crate) token_endpoint: String,
    #[serde(default)]
    pub(crate) client_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<Secret>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tokens: BTreeMap<Slot, Token>,
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<Pending>,
    #[serde(default, deserialize_with = "lenient", skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<Failure>,
    /// When the provider asked not to be asked again before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_at: Option<Timestamp>,
    /// When a person last approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed_in_at: Option<Timestamp>,
    /// When a refresh last succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refreshed_at: Option<Timestamp>,
    /// Sign-ins and failures so far. Whoever waits for another process compares it with what it saw first, so that it
    /// knows an outcome that came while it waited from one that was there before; a clock is too coarse for that.
    #[serde(default)]
    pub(crate) outcomes: u64,
    /// The outcome at which a person last approved.
    #[serde(default)]
    pub(crate) signed_in_outcome: u64,
    /// The scopes the sign-in asked for, which is what a refresh without a scope means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scopes: Option<Vec<String>>,
    /// Whom the provider named at the sign-in. Another person is let in only on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pinned_subject: Option<String>,
    /// The resources (RFC 8707) that the sign-in named: no refresh brings a token for another. None where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resources: Option<Vec<String>>,
    /// A refresh brings no ID token (OpenID Connect Core section 12.2): once the first has ended, only a sign-in does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) refresh_lacks_id: bool,
    /// Where the refresh token may be sent to be revoked, as it was known when a person approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revocation_endpoint: Option<String>,
    /// The organization the sign-in was for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signed_in_organization: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// The organization the newest token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) organization: Option<String>,
    /// WorkOS: what a sign-out names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session_id: Option<String>,
    /// When the refresh token was last sent while a token lived, with nothing known of it since: the others go on with that token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) renewing_since: Option<Timestamp>,
    /// When a refresh was first refused without a word, with no success since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) silent_since: Option<Timestamp>,
    /// It was so again half a minute later: the session is most likely over, and a person is asked where one is. Its refresh token
    /// stays until somebody has signed in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_doubted: bool,
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

/// What a newer keyfob wrote in a way this one cannot read is no reason to lose the session beside it.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// The last thing that went wrong, so that those who ask next are told and the provider is left in peace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub(crate) struct Failure {
    pub(crate) at: Timestamp,
    /// Its number among the record's outcomes.
    pub(crate) outcome: u64,
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// As [`Mend::to_kept`] has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mend: Vec<String>,
    /// Of an earlier keyfob: its words.
    #[serde(default, skip_serializing)]
    pub(crate) hint: Option<String>,
    /// Until when it is told rather than caused anew; none in a record of an earlier keyfob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<Timestamp>,
    /// How many there were in a row that pass by themselves.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) streak: u32,
    /// The slot that could not be renewed; none where it was a sign-in that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) slot: Option<Slot>,
    /// The process that was told, where clients ask again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<ParentId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's to say")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How many seconds a failure is told to whoever is to be told of it.
const FAILURE_MEMORY_SECS: i64 = 30;
/// How many it is after the first that passes by itself; twice as many after each that follows, up to the others'.
const SHORTEST_MEMORY_SECS: i64 = 2;

impl Failure {
    /// Whether it is recent enough to be told rather than caused anew. A clock that was set back knows nothing of it.
    pub(crate) fn is_recent(&self, now: Timestamp) -> bool {
        let until = self.until.unwrap_or(self.at + FAILURE_MEMORY_SECS).min(self.at + FAILURE_MEMORY_SECS);
        (self.at..until).contains(&now)
    }

    /// Whether it was a renewal that may succeed in a while: whatever slot it was for, the provider is the same.
    pub(crate) fn is_passing_renewal(&self) -> bool {
        self.kind == Kind::Transient && self.slot.is_some()
    }

    /// The error that was reported then, in the same words.
    pub(crate) fn error(&self) -> Error {
        let error = Error::new(self.kind, self.text.clone());
        let mend = Mend::of_kept(&self.mend).or_else(|| self.hint.as_deref().map(Mend::from));
        match mend {
            Some(mend) => error.hint(mend),
            None => error,
        }
    }
}

/// The name of a profile's record: 128 bits of SHA-256 over what makes a session one, so that a profile pointed at
/// another server, client or person never finds the tokens of this one.
pub(crate) fn id(profile: &Profile, token_endpoint: &str) -> String {
    id_of(token_endpoint, &profile.client_id, profile.account.as_deref())
}

fn id_of(token_endpoint: &str, client_id: &str, account: Option<&str>) -> String {
    let mut hash = Context::new(&SHA256);
    for part in [token_endpoint, client_id, account.unwrap_or_default()] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    secret::hex(&hash.finish().as_ref()[..16])
}

impl Default for Record {
    fn default() -> Self {
        Self {
            version: VERSION,
            profile: None,
            provider: String::new(),
            issuer: None,
            token_endpoint: String::new(),
            client_id: String::new(),
            account: None,
            refresh_token: None,
            tokens: BTreeMap::new(),
            pending: None,
            failure: None,
            retry_at: None,
            signed_in_at: None,
            refreshed_at: None,
            outcomes: 0,
            signed_in_outcome: 0,
            scopes: None,
            pinned_subject: None,
            resources: None,
            refresh_lacks_id: false,
            revocation_endpoint: None,
            signed_in_organization: None,
            subject: None,
            email: None,
            organization: None,
            session_id: None,
            renewing_since: None,
            silent_since: None,
            is_doubted: false,
            unknown: Map::new(),
        }
    }
}

impl Record {
    /// Why it cannot be the record of that name, if so: it was put in another's place, or holds times and counters that
    /// keyfob never wrote and could not compute with.
    pub(crate) fn is_foreign_to(&self, id: &str) -> Option<&'static str> {
        let Self { token_endpoint, client_id, account, .. } = self;
        if !token_endpoint.is_empty() && id_of(token_endpoint, client_id, account.as_deref()) != id {
            return Some("it is of another server, client or account");
        }
        (!self.is_computable()).then_some("its times are none")
    }

    /// Whether every moment is one of the next thousands of years, and no counter is near its end.
    pub(crate) fn is_computable(&self) -> bool {
        // Not `retry_at`: that is as far off as the provider wants it, and only ever compared.
        let of_tokens = self.tokens.values().flat_map(|token| {
            [Some(token.received_at), Some(token.expires_at), token.id_expires_at].into_iter().flatten()
        });
        let of_pending =
            self.pending.iter().flat_map(|pending| [pending.started_at, pending.expires_at, pending.next_poll_at]);
        let mut moments = of_tokens
            .chain(of_pending)
            .chain(self.failure.iter().map(|failure| failure.at))
            .chain(self.signed_in_at)
            .chain(self.refreshed_at);
        let counts = |pending: &Pending| pending.is_bounded();
        moments.all(|at| (0..LATEST).contains(&at))
            && self.outcomes.max(self.signed_in_outcome) < u64::MAX / 2
            && self.pending.as_ref().is_none_or(counts)
    }

    /// Writes down whose session an empty record is.
    pub(crate) fn belongs_to(&mut self, profile: &Profile, token_endpoint: &str) {
        if self.token_endpoint.is_empty() {
            self.profile.clone_from(&profile.name);
            profile.preset.name.clone_into(&mut self.provider);
            self.issuer.clone_from(&profile.issuer);
            token_endpoint.clone_into(&mut self.token_endpoint);
            self.client_id.clone_from(&profile.client_id);
            self.account.clone_from(&profile.account);
        }
    }

    /// Whether that profile made it, perhaps before its issuer named another token endpoint or it another account. A profile
    /// that names another issuer, or another server without one, has no say in it.
    pub(crate) fn is_of(&self, profile: &Profile) -> bool {
        let is_there =
            self.token_endpoint == profile.server.name() || (profile.issuer.is_some() && self.issuer == profile.issuer);
        let is_client = self.client_id == profile.client_id && self.provider == profile.preset.name;
        self.profile == profile.name && is_client && is_there
    }

    /// What its provider would be told to end it.
    pub(crate) fn approved(&self) -> Approved<'_> {
        Approved {
            token_endpoint: &self.token_endpoint,
            revocation_endpoint: self.revocation_endpoint.as_deref(),
            refresh_token: self.refresh_token.as_ref(),
            session_id: self.session_id.as_deref(),
        }
    }

    /// Takes in what a sign-in or a refresh granted for `slot` at `now`. `keep` is whether a refresh token may be
    /// written to disk. An answer without a refresh token leaves the old one in place (RFC 6749 section 6).
    pub(crate) fn grant(&mut self, slot: &Slot, answer: &TokenAnswer, keep: bool, now: Timestamp) {
        let TokenAnswer { access_token, id_token, refresh_token, life, id_life, who } = answer;
        let old = self.tokens.remove(slot);
        let after_refusal = old.as_ref().is_some_and(|old| old.refused);
        let (kept_id, kept_end) = old.map_or((None, None), |old| (old.id_token, old.id_expires_at));
        let (id_token, id_expires_at) = match id_token {
            Some(id_token) => (Some(id_token.clone()), Some(now + id_life)),
            None => (kept_id, kept_end),
        };
        let token = Token {
            access_token: access_token.clone(),
            id_token,
            received_at: now,
            expires_at: now + life,
            id_expires_at,
            refused: false,
            after_refusal,
            refused_to: None,
            unknown: Map::new(),
        };
        self.tokens.insert(slot.clone(), token);
        if let Some(refresh_token) = refresh_token {
            self.refresh_token = Some(refresh_token.clone());
        }
        if !keep {
            self.refresh_token = None;
        }
        self.failure = None;
        self.retry_at = None;
        (self.silent_since, self.is_doubted, self.renewing_since) = (None, false, None);
        let Who { subject, email, organization, session_id } = who.clone();
        for (kept, new) in [
            (&mut self.subject, subject),
            (&mut self.email, email),
            (&mut self.organization, organization),
            (&mut self.session_id, session_id),
        ] {
            *kept = new.or(kept.take());
        }
    }

    /// Takes in what a person approved, and replaces what the last sign-in left. Only where nothing could refill them, the
    /// same person's other tokens stay until they end.
    pub(crate) fn sign_in(&mut self, slot: &Slot, answer: &TokenAnswer, keep: bool, now: Timestamp) {
        let same_person = self.subject.is_some() && self.subject == answer.who.subject;
        if !same_person || (keep && answer.refresh_token.is_some()) {
            self.tokens.clear();
        }
        self.refresh_token = None;
        self.pending = None;
        self.refresh_lacks_id = false;
        self.pinned_subject.clone_from(&answer.who.subject);
        (self.subject, self.email, self.organization, self.session_id) = (None, None, None, None);
        self.grant(slot, answer, keep, now);
        self.signed_in_at = Some(now);
        self.signed_in_organization.clone_from(&self.organization);
        self.outcomes += 1;
        self.signed_in_outcome = self.outcomes;
    }

    /// Whether a refresh can bring what is asked for, as far as is known. One that cannot spends the refresh token all the same.
    pub(crate) fn can_be_refreshed_for(&self, slot: &Slot, kind: TokenKind) -> bool {
        let is_named = |resource: &String| self.resources.as_ref().is_none_or(|named| named.contains(resource));
        slot.resource.as_ref().is_none_or(is_named) && !(kind == TokenKind::Id && self.refresh_lacks_id)
    }

    /// Everything in it that nobody may see.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let tokens = self.tokens.values().flat_map(|token| [Some(&token.access_token), token.id_token.as_ref()]);
        let pending =
            self.pending.iter().flat_map(|pending| [Some(&pending.device_code), pending.code_verifier.as_ref()]);
        tokens.chain(pending).flatten().chain(&self.refresh_token)
    }

    /// Remembers a failure. What passes by itself is tried again after a while that grows with each such failure in a row, so that
    /// nobody waits for it twice and nobody waits long once it has passed.
    pub(crate) fn fail(&mut self, error: &Error, slot: Option<&Slot>, parent: Option<&ParentId>, now: Timestamp) {
        self.outcomes += 1;
        if slot.is_some() {
            self.renewing_since = None;
        }
        let before =
            self.failure.as_ref().filter(|failure| failure.is_passing_renewal()).map_or(0, |failure| failure.streak);
        let is_passing = error.kind == Kind::Transient && slot.is_some();
        let streak = if is_passing { (before + 1).min(LONGEST_STREAK) } else { 0 };
        let memory = if is_passing { SHORTEST_MEMORY_SECS << (streak - 1) } else { FAILURE_MEMORY_SECS };
        self.failure = Some(Failure {
            at: now,
            outcome: self.outcomes,
            kind: error.kind,
            text: error.text(),
            mend: error.mend().map(Mend::to_kept).unwrap_or_default(),
            hint: None,
            until: Some(now + memory.min(FAILURE_MEMORY_SECS)),
            streak,
            slot: slot.cloned(),
            parent: parent.cloned(),
        });
    }

    /// Notes that a refresh was refused without a word; whether that has been so long enough to be believed: half a minute apart,
    /// because whatever stands between here and a provider may be silent for a moment.
    pub(crate) fn refused_silently(&mut self, now: Timestamp) -> bool {
        let since = *self.silent_since.get_or_insert(now);
        self.is_doubted |= now - since >= FAILURE_MEMORY_SECS;
        self.is_doubted
    }
}

/// After so many failures in a row the memory of one has its full length.
const LONGEST_STREAK: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(access: &str, refresh: Option<&str>) -> TokenAnswer {
        TokenAnswer {
            access_token: Secret::new(access),
            id_token: None,
            refresh_token: refresh.map(Secret::new),
            life: 300,
            id_life: 300,
            who: Who::default(),
        }
    }

    #[test]
    fn members_of_a_newer_keyfob_are_kept() {
        let text = r#"{"version":1,"outcomes":3,"colour":"red","tokens":{"":{"access_token":"a","received_at":1,"expires_at":2,"shape":"round"}}}"#;
        let record: Record = serde_json::from_str(text).unwrap();
        let written = serde_json::to_value(&record).unwrap();
        assert_eq!(written["colour"], "red");
        assert_eq!(written["tokens"][""]["shape"], "round");
        assert_eq!(serde_json::from_value::<Record>(written).unwrap(), record);
    }

    #[test]
    fn a_failure_reads_back_and_each_that_passes_is_remembered_longer() {
        let mut record = Record::default();
        let mut memories = Vec::new();
        for now in [100, 200, 300, 400, 500, 600] {
            let error = Error::new(Kind::Transient, "no answer").hint(Mend::wait("try again"));
            record.renewing_since = Some(now);
            record.fail(&error, Some(&Slot::default()), None, now);
            assert_eq!(record.renewing_since, None);
            let written = serde_json::to_string(&record).unwrap();
            record = serde_json::from_str(&written).unwrap();
            let failure = record.failure.as_ref().unwrap_or_else(|| panic!("{written}"));
            assert_eq!(failure.error().lines(), error.lines());
            memories.push(failure.until.unwrap() - now);
        }
        assert_eq!(memories, [2, 4, 8, 16, 30, 30]);
        record.fail(&Error::new(Kind::Refused, "no"), Some(&Slot::default()), None, 700);
        assert_eq!(record.failure.map(|failure| (failure.until, failure.streak)), Some((Some(730), 0)));
        let before = r#"{"version":1,"failure":{"at":1,"outcome":1,"kind":"broken","text":"no","hint":"do this"}}"#;
        let record: Record = serde_json::from_str(before).unwrap();
        assert_eq!(record.failure.unwrap().error().lines(), "keyfob: no\nkeyfob: hint: do this\n");
    }

    #[test]
    fn what_cannot_be_read_costs_itself_alone() {
        let text = r#"{"version":1,"refresh_token":"r","failure":{"kind":"unheard_of"},"pending":7}"#;
        let record: Record = serde_json::from_str(text).unwrap();
        assert!(record.failure.is_none() && record.pending.is_none() && record.refresh_token.is_some());
    }

    #[test]
    fn a_refresh_keeps_the_old_token_unless_there_is_a_new_one() {
        let mut record = Record::default();
        record.sign_in(&Slot::default(), &answer("a1", Some("r1")), true, 10);
        record.grant(&Slot::default(), &answer("a2", None), true, 20);
        assert_eq!(record.refresh_token, Some(Secret::new("r1")));
        record.grant(&Slot::of_key("organization=x"), &answer("a3", Some("r2")), true, 30);
        assert_eq!(record.refresh_token, Some(Secret::new("r2")));
        assert_eq!(record.tokens.keys().map(Slot::key).collect::<Vec<_>>(), ["", "organization=x"]);
        record.grant(&Slot::default(), &answer("a4", Some("r3")), false, 40);
        assert_eq!(record.refresh_token, None, "keep_refresh_token = false");
    }

    #[test]
    fn nothing_shows_a_secret() {
        let mut record = Record::default();
        record.sign_in(&Slot::default(), &answer("at_hidden", Some("rt_hidden")), true, 10);
        assert!(!format!("{record:?}").contains("hidden"));
    }
}
