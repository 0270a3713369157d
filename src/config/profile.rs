//! A profile (whom to sign in to, as which client) and its destinations (where its tokens go, and in what shape), as
//! they are after the file was checked: nothing here can hold an illegal combination.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::location::Location;
use crate::oauth::provider::{Preset, SecretBy, TokenKind};

/// How a destination takes the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auth {
    /// As the password of HTTP Basic (RFC 7617).
    #[default]
    Basic,
    /// As `Authorization: Bearer` (RFC 6750 section 2.1), where the client can send that.
    Bearer,
}

/// What distinguishes the access tokens of one session from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot {
    pub(crate) organization: Option<String>,
    pub(crate) audience: Option<String>,
    /// RFC 8707 resource indicator.
    pub(crate) resource: Option<String>,
    /// Sorted, each once: their order means nothing (RFC 6749 section 3.3).
    pub(crate) scopes: Vec<String>,
    /// The whole name of a slot that a newer keyfob wrote and that means nothing here: kept as it is.
    pub(crate) foreign: Option<String>,
}

impl Slot {
    /// The slot's name in a record. Empty for the plain one; else `name=value` parts a person can read, with the
    /// separators escaped so that no two slots share a name.
    pub(crate) fn key(&self) -> String {
        let Self { organization, audience, resource, scopes, foreign } = self;
        if let Some(name) = foreign {
            return name.clone();
        }
        let scope = (!scopes.is_empty()).then(|| scopes.join(" "));
        [("organization", organization), ("audience", audience), ("resource", resource), ("scope", &scope)]
            .into_iter()
            .filter_map(|(name, value)| {
                let value = value.as_ref()?.replace('%', "%25").replace('&', "%26");
                Some(format!("{name}={value}"))
            })
            .collect::<Vec<_>>()
            .join("&")
    }

    /// The slot of that name.
    pub(crate) fn of_key(key: &str) -> Self {
        let mut slot = Self::default();
        if key.is_empty() {
            return slot;
        }
        for (name, value) in key.split('&').filter_map(|part| part.split_once('=')) {
            let value = value.replace("%26", "&").replace("%25", "%");
            match name {
                "organization" => slot.organization = Some(value),
                "audience" => slot.audience = Some(value),
                "resource" => slot.resource = Some(value),
                "scope" => slot.scopes = value.split(' ').map(str::to_owned).collect(),
                _ => {}
            }
        }
        if slot.key() == key { slot } else { Self { foreign: Some(key.to_owned()), ..Self::default() } }
    }
}

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.key())
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|key| Self::of_key(&key))
    }
}

/// One place where a profile's tokens go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The user name the profile asks for, if it does; the preset has one for when nobody does.
    pub(crate) username: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) token: TokenKind,
    pub(crate) slot: Slot,
}

/// The endpoints of one authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// RFC 8628 section 3.1.
    pub(crate) device_authorization: String,
    /// RFC 6749 section 3.2.
    pub(crate) token: String,
    /// RFC 7009 section 2.
    pub(crate) revocation: Option<String>,
    /// Where a browserless sign-out goes, for providers that end sessions by id.
    pub(crate) session_logout: Option<String>,
    /// How a client sends its secret, where it has one.
    pub(crate) secret_by: SecretBy,
    /// Whether the server knows S256 code challenges (RFC 7636).
    pub(crate) code_challenge_s256: bool,
}

/// The endpoints a profile spells itself, which go before whatever its issuer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpeltEndpoints {
    pub(crate) device_authorization: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) revocation: Option<String>,
}

/// What a profile tells of its authorization server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// All there is to know.
    Known(Endpoints),
    /// Its name; the rest is in its metadata (RFC 8414), which is read when it is needed first.
    Described { issuer: String, spelt: SpeltEndpoints },
}

impl Server {
    /// What stands for it before its metadata is read: its token endpoint, else its issuer.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Known(endpoints) => &endpoints.token,
            Self::Described { issuer, spelt } => spelt.token.as_ref().unwrap_or(issuer),
        }
    }
}

/// An entry of `hosts` or `clusters`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    /// `*.`: exactly one label before the location's host.
    pub(crate) wildcard: bool,
    pub(crate) location: Location,
}

impl Entry {
    /// The entry as a URL; git's `*` is exactly one label as well.
    pub(crate) fn url(&self) -> String {
        self.with_label("*.").to_string()
    }

    /// A place that it stands for.
    pub(crate) fn example(&self) -> Location {
        self.with_label("any.")
    }

    fn with_label(&self, label: &str) -> Location {
        let mut location = self.location.clone();
        if self.wildcard {
            location.host.insert_str(0, label);
        }
        location
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.location.to_string();
        let shown = location.strip_prefix("https://").filter(|_| self.location.path.is_empty()).unwrap_or(&location);
        write!(f, "{}{shown}", if self.wildcard { "*." } else { "" })
    }
}

/// Whom to sign in to, as which client, and where the tokens may go.
#[derive(Debug)]
pub(crate) struct Profile {
    /// Its name in the file; `None` for one spelt on the command line.
    pub(crate) name: Option<String>,
    /// Where it is written: `FILE:LINE`, or the command line.
    pub(crate) written_at: String,
    pub(crate) preset: &'static Preset,
    pub(crate) client_id: String,
    /// The issuer, where the provider has one.
    pub(crate) issuer: Option<String>,
    pub(crate) server: Server,
    /// The file with the client's secret, where it has one; read when it is sent.
    pub(crate) client_secret_file: Option<PathBuf>,
    /// Who signs in, where one host has several people or roles.
    pub(crate) account: Option<String>,
    /// Chosen when nothing else decides between profiles of one host.
    pub(crate) default: bool,
    /// Certificates to trust beside the system's, PEM.
    pub(crate) ca_file: Option<PathBuf>,
    /// Parameters sent along with every request to the authorization server.
    pub(crate) extra: BTreeMap<String, String>,
    /// Whether a refresh token may be written to disk.
    pub(crate) keep_refresh_token: bool,
    /// The entries of `hosts` with what each destination takes.
    pub(crate) hosts: Vec<(Entry, Destination)>,
    /// The entries of `clusters` with what each destination takes.
    pub(crate) clusters: Vec<(Entry, Destination)>,
    /// What a destination takes that no entry names.
    pub(crate) plain: Destination,
}

impl Profile {
    /// What a person calls it.
    pub(crate) fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.client_id)
    }

    /// The command that signs in to it.
    pub(crate) fn login_command(&self) -> String {
        match (&self.name, self.hosts.first()) {
            (Some(name), _) => format!("keyfob login {name}"),
            (None, host) => {
                let issuer = self.issuer.as_ref().map(|issuer| format!(" --issuer {issuer}")).unwrap_or_default();
                let host = host.map(|(entry, _)| format!(" --host {entry}")).unwrap_or_default();
                let mut usual: Vec<&str> = self.preset.scopes.to_vec();
                usual.sort_unstable();
                let own = self.plain.slot.scopes.iter().filter(|_| self.plain.slot.scopes != usual);
                let scopes = own.fold(String::new(), |text, scope| text + " --scope " + scope);
                format!(
                    "keyfob login --provider {} --client-id {}{issuer}{scopes}{host}",
                    self.preset.name, self.client_id
                )
            }
        }
    }

    /// Every scope any destination of the profile wants: what a sign-in asks for, so that one approval serves them all.
    pub(crate) fn all_scopes(&self) -> Vec<String> {
        let mut scopes: Vec<String> = self.destinations().flat_map(|d| d.slot.scopes.iter().cloned()).collect();
        scopes.sort();
        scopes.dedup();
        scopes
    }

    /// The slot that a sign-in for `wanted` asks for. Without a refresh token to narrow it later, no more is asked than
    /// the one destination needs. Where an organization is chosen on refresh, the sign-in knows none.
    pub(crate) fn asked_slot(&self, wanted: &Slot) -> Slot {
        let scopes = if self.keep_refresh_token { self.all_scopes() } else { wanted.scopes.clone() };
        let organization = wanted.organization.clone().filter(|_| !self.preset.organization_on_refresh);
        Slot { organization, scopes, ..wanted.clone() }
    }

    fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.hosts.iter().chain(&self.clusters).map(|(_, destination)| destination).chain([&self.plain])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_never_share_a_name() {
        let slot = |organization: Option<&str>, audience: Option<&str>, scopes: &[&str]| Slot {
            organization: organization.map(Into::into),
            audience: audience.map(Into::into),
            resource: None,
            scopes: scopes.iter().map(|s| (*s).to_owned()).collect(),
            foreign: None,
        };
        assert_eq!(Slot::default().key(), "");
        assert_eq!(slot(Some("org_1"), None, &["a", "b"]).key(), "organization=org_1&scope=a b");
        let sly = slot(Some("x&audience=y"), None, &[]).key();
        assert_ne!(sly, slot(Some("x"), Some("y"), &[]).key());
        assert_eq!(sly, "organization=x%26audience=y");
        for slot in [slot(None, None, &[]), slot(Some("x&audience=%26"), Some("a=b"), &["r", "w:x"])] {
            assert_eq!(Slot::of_key(&slot.key()), slot);
        }
        for newer in ["colour=red", "audience=a&colour=red", "scope=b a&audience=c"] {
            assert_eq!(Slot::of_key(newer).key(), newer, "a newer keyfob's");
        }
    }
}
