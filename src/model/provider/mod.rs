//! What there is to know of a provider: the type of a row, and what may be asked of one. The rows are [`table`]'s.

mod table;

use super::destination::TokenKind;
use super::location::Location;
use super::server::SecretBy;
use crate::mend::meant;
pub(crate) use table::{PRESETS, UNWORKABLE};

/// Where a provider's endpoints are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// Below this address, unless the profile's `base_url` names another.
    Fixed(&'static str),
    /// Below the profile's `issuer`.
    Issuer,
    /// Where the metadata of the profile's `issuer` says (RFC 8414, OpenID Connect Discovery).
    Discovery,
    /// Nowhere known: the profile spells each endpoint.
    Given,
}

/// How a provider ends a session that a person is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignOut {
    /// `GET` of this path with the `sid` claim of the access token as `session_id`; no API key.
    SessionId(&'static str),
    /// RFC 7009 at this path below the base.
    Revocation(&'static str),
    /// RFC 7009, where the metadata or the profile names a revocation endpoint.
    FromMetadata,
}

/// What an issuer of a provider's looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IssuerSign {
    /// This very host.
    Host(&'static str),
    /// A host below this domain.
    Domain(&'static str),
    /// This is in the path.
    Path(&'static str),
}

/// Whether a client of ours has a secret there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientSecret {
    /// It has none, and one in the configuration is a mistake.
    Refused,
    /// A public client has none, a confidential one does.
    Optional,
    /// Required, although a native app cannot keep it secret (RFC 8252 section 8.5).
    Needed,
}

/// How an organization is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OrganizationBy {
    /// `organization`, at the sign-in and on refresh (Auth0's name for it).
    Organization,
    /// `organization_id`, on refresh alone (WorkOS user management).
    OrganizationIdOnRefresh,
}

/// A request that may name an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    SignIn,
    Refresh,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Preset {
    /// What `provider = "..."` says.
    pub(crate) name: &'static str,
    /// What a person calls it.
    pub(crate) title: &'static str,
    /// Where its device flow is documented.
    pub(crate) docs: &'static str,
    pub(crate) base: Base,
    /// Path of the device authorization endpoint (RFC 8628 section 3.1) below the base.
    pub(crate) device_authorization: &'static str,
    /// Path of the token endpoint (RFC 6749 section 3.2) below the base.
    pub(crate) token: &'static str,
    pub(crate) sign_out: SignOut,
    /// Scopes asked for when the profile names none.
    pub(crate) scopes: &'static [&'static str],
    /// The user name git is given when the profile names none.
    pub(crate) username: &'static str,
    /// The user name a registry is given when neither the profile nor its convention names one.
    pub(crate) registry_username: &'static str,
    /// Why the provider's own registry takes no token of it, if so.
    pub(crate) registry_refuses: Option<&'static str>,
    /// The token handed out when the profile names none.
    pub(crate) hands_out: TokenKind,
    organization: OrganizationBy,
    /// Whether its sessions are commonly for one organization of several.
    pub(crate) has_organizations: bool,
    /// Whether a refresh ends the access tokens handed out before.
    refresh_ends_earlier: bool,
    /// Seconds for which a refresh token that was spent is answered with the same successor; none where there is no such time, or it
    /// is not known.
    pub(crate) replay_window: Option<u32>,
    /// Seconds that an opaque token lives where its answer does not say.
    pub(crate) default_token_life: i64,
    pub(crate) secret: ClientSecret,
    /// How a secret is sent where no metadata says.
    pub(crate) secret_by: SecretBy,
    /// What is to be registered there, and how.
    pub(crate) register: &'static str,
    /// What surprises people there; empty where nothing does.
    pub(crate) know: &'static str,
    /// By what its issuers are told from others, where a profile is made from another program's configuration.
    pub(crate) issuer_signs: &'static [IssuerSign],
    /// What a profile needs beside `provider`, `client_id` and `hosts`, each with an example.
    pub(crate) needs: &'static [(&'static str, &'static str)],
    /// A host whose credentials it gives out.
    pub(crate) host: &'static str,
}

/// A provider people ask for that cannot work.
#[derive(Debug)]
pub(crate) struct Unworkable {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) why: &'static str,
    pub(crate) instead: &'static str,
}

impl Preset {
    /// The parameter that names an organization in a request; `None` where it is not chosen there.
    pub(crate) fn organization_parameter(&self, step: Stage) -> Option<&'static str> {
        match (self.organization, step) {
            (OrganizationBy::Organization, _) => Some("organization"),
            (OrganizationBy::OrganizationIdOnRefresh, Stage::Refresh) => Some("organization_id"),
            (OrganizationBy::OrganizationIdOnRefresh, Stage::SignIn) => None,
        }
    }

    /// Whether a refresh ends the access tokens handed out before: then none is made only to try something.
    pub(crate) fn refresh_ends_earlier_tokens(&self) -> bool {
        self.refresh_ends_earlier
    }
}

/// The row of that name.
pub(crate) fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The row of one that cannot work.
pub(crate) fn unworkable(name: &str) -> Option<&'static Unworkable> {
    UNWORKABLE.iter().find(|row| row.name == name)
}

/// Every name, for an error that lists them.
pub(crate) fn names() -> String {
    PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

/// What to write in place of a name that is none: the one that was meant, as far as that can be told, and all there are.
pub(crate) fn instead_of(name: &str) -> String {
    let meant = meant(name, PRESETS.iter().map(|preset| preset.name));
    format!("{}use one of {}", meant.map(|meant| format!("did you mean {meant}? ")).unwrap_or_default(), names())
}

/// The name of the provider that an issuer belongs to, as far as an address tells.
pub(crate) fn of_issuer(issuer: &str) -> &'static str {
    let host = Location::parse(issuer).map(|location| location.host).unwrap_or_default();
    let is_below = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let fits = |sign: &IssuerSign| match sign {
        IssuerSign::Host(name) => host == *name,
        IssuerSign::Domain(domain) => is_below(domain),
        IssuerSign::Path(part) => issuer.contains(part),
    };
    PRESETS.iter().find(|preset| preset.issuer_signs.iter().any(fits)).map_or("oidc", |preset| preset.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_whole() {
        for preset in PRESETS {
            assert!(find(preset.name).is_some_and(|found| std::ptr::eq(found, preset)), "{} is twice", preset.name);
            assert!(preset.docs.starts_with("https://"), "{}", preset.name);
            assert!(!preset.title.is_empty() && !preset.username.is_empty(), "{}", preset.name);
            assert!(!preset.register.is_empty(), "{}: what to register", preset.name);
            let has_base = matches!(preset.base, Base::Fixed(_) | Base::Issuer);
            for path in [preset.device_authorization, preset.token] {
                assert_eq!(path.starts_with('/'), has_base, "{}: a path exactly where there is a base", preset.name);
                assert_eq!(path.is_empty(), !has_base, "{}", preset.name);
            }
            let needs = |key: &str| preset.needs.iter().any(|(known, _)| *known == key);
            assert_eq!(needs("issuer"), matches!(preset.base, Base::Issuer | Base::Discovery), "{}", preset.name);
            assert_eq!(needs("client_secret_file"), preset.secret == ClientSecret::Needed, "{}", preset.name);
            assert!(UNWORKABLE.iter().all(|row| row.name != preset.name), "{}", preset.name);
            if let Base::Fixed(base) = preset.base {
                assert!(base.starts_with("https://") && !base.ends_with('/'), "{}", preset.name);
            }
        }
    }
}
