//! The providers keyfob knows, one row of data each. A new one is a row.

use serde::Deserialize;

/// Which token of the answer a destination takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TokenKind {
    /// The access token (RFC 6749 section 1.4).
    #[default]
    Access,
    /// The ID token (OpenID Connect Core section 2).
    Id,
}

/// Where a provider's endpoints hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// At this address, unless the profile's `base_url` names another.
    Fixed(&'static str),
    /// At the profile's `issuer`.
    Issuer,
    /// Nowhere known: the profile spells each endpoint.
    Given,
}

/// How a provider ends a session that a person is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignOut {
    /// `GET` of this path with the `sid` claim of the access token as `session_id`; no API key.
    SessionId(&'static str),
    /// RFC 7009, where the provider or the profile names a revocation endpoint.
    Revocation,
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
    /// The user name git and registries are given when the profile names none.
    pub(crate) username: &'static str,
    /// The token handed out when the profile names none.
    pub(crate) hands_out: TokenKind,
    /// Whether an organization is chosen by `organization_id` on refresh (WorkOS user management).
    pub(crate) organization_on_refresh: bool,
    /// Whether a refresh kills the access tokens handed out before.
    pub(crate) refresh_kills_access: bool,
}

/// The table. Sources: the documentation each row links, and RFC 8628 for the names.
pub(crate) static PRESETS: &[Preset] = &[
    Preset {
        name: "workos",
        title: "WorkOS AuthKit",
        docs: "https://workos.com/docs/authkit/cli-auth",
        base: Base::Fixed("https://api.workos.com"),
        device_authorization: "/user_management/authorize/device",
        token: "/user_management/authenticate",
        sign_out: SignOut::SessionId("/user_management/sessions/logout"),
        scopes: &[],
        username: "oauth2",
        hands_out: TokenKind::Access,
        organization_on_refresh: true,
        refresh_kills_access: false,
    },
    Preset {
        name: "workos-connect",
        title: "WorkOS Connect",
        docs: "https://workos.com/docs/authkit/connect/oauth",
        base: Base::Issuer,
        device_authorization: "/oauth2/device_authorization",
        token: "/oauth2/token",
        sign_out: SignOut::Revocation,
        scopes: &["openid", "profile", "email", "offline_access"],
        username: "oauth2",
        hands_out: TokenKind::Access,
        organization_on_refresh: false,
        refresh_kills_access: false,
    },
    Preset {
        name: "oauth",
        title: "OAuth 2.0",
        docs: "https://www.rfc-editor.org/rfc/rfc8628",
        base: Base::Given,
        device_authorization: "",
        token: "",
        sign_out: SignOut::Revocation,
        scopes: &[],
        username: "oauth2",
        hands_out: TokenKind::Access,
        organization_on_refresh: false,
        refresh_kills_access: false,
    },
];

/// The row of that name.
pub(crate) fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// Every name, for an error that lists them.
pub(crate) fn names() -> String {
    PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
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
            let spelt = preset.base == Base::Given;
            for path in [preset.device_authorization, preset.token] {
                assert_eq!(path.is_empty(), spelt, "{}: a path exactly where there is a base", preset.name);
                assert!(spelt || path.starts_with('/'), "{}", preset.name);
            }
            if let Base::Fixed(base) = preset.base {
                assert!(base.starts_with("https://") && !base.ends_with('/'), "{}", preset.name);
            }
        }
    }
}
