//! Where a profile's tokens go, and in what shape.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::location::Location;

/// Which token of the answer a destination takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenKind {
    /// The access token (RFC 6749 section 1.4).
    #[default]
    Access,
    /// The ID token (OpenID Connect Core section 2).
    Id,
}

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

/// What a client may put between itself and a cluster: it decides who reads the token on its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    /// As [`super::location::proxy`] spells it.
    pub(crate) proxy: Option<String>,
    /// The name that the server's certificate may have in the place of its host, in lower case.
    pub(crate) tls_server_name: Option<String>,
}

/// One place where a profile's tokens go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// The user name the profile asks for, if it does; the preset has one for when nobody does.
    pub(crate) username: Option<String>,
    pub(crate) auth: Auth,
    pub(crate) token: TokenKind,
    pub(crate) slot: Slot,
    /// For a cluster.
    pub(crate) route: Route,
}

impl Destination {
    /// Whether another takes the very token that this one takes.
    pub(crate) fn takes_the_same(&self, other: &Self) -> bool {
        (self.token, &self.slot) == (other.token, &other.slot)
    }
}

/// An entry of `hosts` or `clusters`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostPattern {
    /// `*.`: exactly one label before the location's host.
    pub(crate) wildcard: bool,
    pub(crate) location: Location,
}

impl HostPattern {
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

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url();
        f.write_str(url.strip_prefix("https://").filter(|_| self.location.path.is_empty()).unwrap_or(&url))
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
