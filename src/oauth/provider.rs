//! The providers keyfob knows, one row of data each. A new one is a row.

use serde::Deserialize;

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
    Told,
}

/// Whether a client of ours has a secret there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientSecret {
    /// It has none, and one in the configuration is a mistake.
    Refused,
    /// A public client has none, a confidential one does.
    Optional,
    /// Every client has one, though it is none.
    Needed,
}

/// How a client sends its secret (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SecretBy {
    /// HTTP Basic: `client_secret_basic`.
    #[default]
    Basic,
    /// A parameter: `client_secret_post`.
    Post,
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
    /// Whether an organization is chosen by `organization_id` on refresh (WorkOS user management).
    pub(crate) organization_on_refresh: bool,
    /// Whether a refresh kills the access tokens handed out before.
    pub(crate) refresh_kills_access: bool,
    /// Seconds an opaque token lives whose answer tells no life.
    pub(crate) untold_life: i64,
    pub(crate) secret: ClientSecret,
    /// How a secret is sent where no metadata says.
    pub(crate) secret_by: SecretBy,
    /// What is to be registered there, and how.
    pub(crate) register: &'static str,
    /// What a profile needs beside `provider`, `client_id` and `hosts`, each with an example.
    pub(crate) needs: &'static [(&'static str, &'static str)],
    /// A host whose credentials it gives out.
    pub(crate) host: &'static str,
}

/// A life short enough to be wrong without harm: where a token's end is not told, it is asked for anew.
const SHORT: i64 = 300;
/// GitHub removes a token that was not used for a year.
const YEAR: i64 = 365 * 86_400;

const OFFLINE: &[&str] = &["openid", "profile", "email", "offline_access"];

/// What a row says that says nothing else: a server of one's own that describes itself.
const USUAL: Preset = Preset {
    name: "",
    title: "",
    docs: "",
    base: Base::Discovery,
    device_authorization: "",
    token: "",
    sign_out: SignOut::Told,
    scopes: OFFLINE,
    username: "oauth2",
    registry_username: "oauth2",
    registry_refuses: None,
    hands_out: TokenKind::Access,
    organization_on_refresh: false,
    refresh_kills_access: false,
    untold_life: SHORT,
    secret: ClientSecret::Optional,
    secret_by: SecretBy::Basic,
    register: "",
    needs: &[],
    host: "git.acme.dev",
};

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
        organization_on_refresh: true,
        secret: ClientSecret::Refused,
        register: "nothing beyond the environment, with hosted AuthKit on; its client ID is in the dashboard",
        ..USUAL
    },
    Preset {
        name: "workos-connect",
        title: "WorkOS Connect",
        docs: "https://workos.com/docs/authkit/connect/oauth",
        base: Base::Issuer,
        device_authorization: "/oauth2/device_authorization",
        token: "/oauth2/token",
        secret: ClientSecret::Refused,
        register: "a public OAuth application under Connect, with the device flow and the scope offline_access allowed",
        needs: &[("issuer", "https://acme.authkit.app")],
        ..USUAL
    },
    Preset {
        name: "github",
        title: "GitHub",
        docs: "https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps#device-flow",
        base: Base::Fixed("https://github.com"),
        device_authorization: "/login/device/code",
        token: "/login/oauth/access_token",
        scopes: &["repo"],
        refresh_kills_access: true,
        untold_life: YEAR,
        register: "an OAuth app or a GitHub App with \"Enable Device Flow\" ticked (Enterprise Server: add base_url)",
        host: "github.com",
        ..USUAL
    },
    Preset {
        name: "gitlab",
        title: "GitLab",
        docs: "https://docs.gitlab.com/api/oauth2/#device-authorization-grant-flow",
        base: Base::Fixed("https://gitlab.com"),
        device_authorization: "/oauth/authorize_device",
        token: "/oauth/token",
        sign_out: SignOut::Revocation("/oauth/revoke"),
        scopes: &["read_repository", "write_repository"],
        registry_refuses: Some("GitLab's registry takes personal, deploy and job tokens and no OAuth token"),
        refresh_kills_access: true,
        register: "an application with \"Confidential\" off and the scopes read_repository and write_repository \
                   (GitLab 17.3 or newer; your own server: add base_url)",
        host: "gitlab.com",
        ..USUAL
    },
    Preset {
        name: "google",
        title: "Google",
        docs: "https://developers.google.com/identity/protocols/oauth2/limited-input-device",
        base: Base::Fixed("https://oauth2.googleapis.com"),
        device_authorization: "/device/code",
        token: "/token",
        sign_out: SignOut::Revocation("/revoke"),
        scopes: &["openid", "email"],
        registry_username: "oauth2accesstoken",
        hands_out: TokenKind::Id,
        secret: ClientSecret::Needed,
        secret_by: SecretBy::Post,
        register: "an OAuth client of the type \"TVs and Limited Input devices\", whose secret goes into a file of mode \
                   0600; it is granted openid, email and profile, and no scope for Google Cloud",
        needs: &[("client_secret_file", "/home/ann/.config/keyfob/google-secret")],
        ..USUAL
    },
    Preset {
        name: "entra",
        title: "Microsoft Entra ID",
        docs: "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code",
        register: "an application with \"Allow public client flows\" on; issuer holds the tenant's ID, and scopes name \
                   the resource (below Azure DevOps)",
        needs: &[
            ("issuer", "https://login.microsoftonline.com/00000000-0000-0000-0000-000000000000/v2.0"),
            ("scopes", "499b84ac-1321-427f-aa17-267ca6975798/.default offline_access"),
        ],
        host: "dev.azure.com",
        ..USUAL
    },
    Preset {
        name: "okta",
        title: "Okta",
        docs: "https://developer.okta.com/docs/guides/device-authorization-grant/main/",
        register: "a native application with the grants Device Authorization and Refresh Token, and a rule of the \
                   authorization server's access policy that allows them",
        needs: &[("issuer", "https://acme.okta.com/oauth2/default")],
        ..USUAL
    },
    Preset {
        name: "auth0",
        title: "Auth0",
        docs: "https://auth0.com/docs/get-started/authentication-and-authorization-flow/device-authorization-flow",
        register: "a native application with the grants Device Code and Refresh Token; the API named by audience has to \
                   allow offline access",
        needs: &[("issuer", "https://acme.eu.auth0.com/"), ("audience", "https://api.acme.dev")],
        ..USUAL
    },
    Preset {
        name: "keycloak",
        title: "Keycloak",
        docs: "https://www.keycloak.org/securing-apps/oidc-layers",
        scopes: &["openid"],
        register: "a client with \"Client authentication\" off and \"OAuth 2.0 Device Authorization Grant\" on; issuer is \
                   the realm's address",
        needs: &[("issuer", "https://auth.acme.dev/realms/acme")],
        ..USUAL
    },
    Preset {
        name: "dex",
        title: "Dex",
        docs: "https://dexidp.io/docs/configuration/oauth2/",
        scopes: &["openid", "email", "groups", "offline_access"],
        hands_out: TokenKind::Id,
        register: "a static client with public: true",
        needs: &[("issuer", "https://dex.acme.dev")],
        ..USUAL
    },
    Preset {
        name: "authentik",
        title: "authentik",
        docs: "https://docs.goauthentik.io/add-secure-apps/providers/oauth2/device_code/",
        register: "an OAuth2 provider of the client type Public, and a device code flow chosen in the brand",
        needs: &[("issuer", "https://auth.acme.dev/application/o/keyfob/")],
        ..USUAL
    },
    Preset {
        name: "zitadel",
        title: "ZITADEL",
        docs: "https://zitadel.com/docs/guides/integrate/login/oidc/device-authorization",
        register: "a native application with the grants Device Code and Refresh Token",
        needs: &[("issuer", "https://acme.zitadel.cloud")],
        ..USUAL
    },
    Preset {
        name: "huggingface",
        title: "Hugging Face",
        docs: "https://huggingface.co/docs/hub/oauth",
        base: Base::Fixed("https://huggingface.co"),
        device_authorization: "/oauth/device",
        token: "/oauth/token",
        scopes: &["openid", "profile", "read-repos", "write-repos"],
        register: "a public application with the scopes read-repos and write-repos",
        host: "huggingface.co",
        ..USUAL
    },
    Preset {
        name: "hydra",
        title: "Ory Hydra",
        docs: "https://www.ory.sh/docs/oauth2-oidc/device-authorization",
        scopes: &["openid", "offline_access"],
        register: "a client with token_endpoint_auth_method none and the grants \
                   urn:ietf:params:oauth:grant-type:device_code and refresh_token",
        needs: &[("issuer", "https://hydra.acme.dev/")],
        ..USUAL
    },
    Preset {
        name: "oidc",
        title: "OpenID Connect",
        docs: "https://openid.net/specs/openid-connect-discovery-1_0.html",
        scopes: &["openid", "offline_access"],
        register: "a public client with the grants urn:ietf:params:oauth:grant-type:device_code and refresh_token; \
                   everything else is read from the issuer's metadata",
        needs: &[("issuer", "https://auth.acme.dev")],
        ..USUAL
    },
    Preset {
        name: "oauth",
        title: "OAuth 2.0",
        docs: "https://www.rfc-editor.org/rfc/rfc8628",
        base: Base::Given,
        scopes: &[],
        register: "a public client with the grants urn:ietf:params:oauth:grant-type:device_code and refresh_token",
        needs: &[
            ("device_authorization_endpoint", "https://auth.acme.dev/oauth/device"),
            ("token_endpoint", "https://auth.acme.dev/oauth/token"),
        ],
        ..USUAL
    },
];

/// A provider people ask for that cannot work.
#[derive(Debug)]
pub(crate) struct Unworkable {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) why: &'static str,
    pub(crate) instead: &'static str,
}

// Sources: go-gitea/gitea issue 27309, support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud,
// docs.docker.com/security/access-tokens.
pub(crate) static UNWORKABLE: &[Unworkable] = &[
    Unworkable {
        name: "gitea",
        title: "Gitea",
        why: "it has no device flow (RFC 8628)",
        instead: "make an access token in its settings, and keep it with [store] git = true",
    },
    Unworkable {
        name: "forgejo",
        title: "Forgejo",
        why: "it has no device flow (RFC 8628)",
        instead: "make an access token in its settings, and keep it with [store] git = true",
    },
    Unworkable {
        name: "bitbucket",
        title: "Bitbucket",
        why: "it has no device flow (RFC 8628)",
        instead: "make an API token in your Atlassian account, and keep it with [store] git = true",
    },
    Unworkable {
        name: "dockerhub",
        title: "Docker Hub",
        why: "it takes personal access tokens and no OAuth token",
        instead: "make a personal access token and run: docker login; keyfob keeps it",
    },
];

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
