//! The providers keyfob knows, one row of data each. A new one is a row here and nothing anywhere else: lists, help, pages
//! and tests follow from it.

use super::{Base, ClientSecret, IssuerSign, OrganizationBy, Preset, SecretBy, SignOut, TokenKind, Unworkable};

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
    sign_out: SignOut::FromMetadata,
    scopes: OFFLINE,
    username: "oauth2",
    registry_username: "oauth2",
    registry_refuses: None,
    hands_out: TokenKind::Access,
    organization: OrganizationBy::Organization,
    has_organizations: false,
    refresh_ends_earlier: false,
    replay_window: None,
    default_token_life: SHORT,
    secret: ClientSecret::Optional,
    secret_by: SecretBy::Basic,
    register: "",
    know: "",
    issuer_signs: &[],
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
        organization: OrganizationBy::OrganizationIdOnRefresh,
        secret: ClientSecret::Refused,
        register: "nothing beyond the environment, with hosted AuthKit on; its client ID is in the dashboard",
        know: "AuthKit user management; a token may be for one organization; base_url names a custom auth domain",
        has_organizations: true,
        // "Session resilience": the same pair is answered for 30 s.
        replay_window: Some(30),
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
        know: "issuer is the AuthKit domain; it has ID tokens, for clusters",
        issuer_signs: &[IssuerSign::Domain("authkit.app")],
        has_organizations: true,
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
        refresh_ends_earlier: true,
        default_token_life: YEAR,
        register: "an OAuth app or a GitHub App with \"Enable Device Flow\" ticked (Enterprise Server: add base_url)",
        host: "github.com",
        know: "a GitHub App's tokens are renewed; an OAuth app's have no end and are kept until GitHub refuses them",
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
        refresh_ends_earlier: true,
        register: "an application with \"Confidential\" off and the scopes read_repository and write_repository \
                   (GitLab 17.3 or newer; your own server: add base_url)",
        host: "gitlab.com",
        know: "its container registry takes no OAuth token, and keyfob says so instead of handing one over",
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
        know: "it wants a secret even of such clients (client_secret_file); no scope for Google Cloud is to be had",
        issuer_signs: &[IssuerSign::Host("accounts.google.com")],
        // Refresh tokens are not rotated there.
        replay_window: Some(86_400),
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
        know: "scopes name the resource, Azure DevOps for one",
        issuer_signs: &[IssuerSign::Host("login.microsoftonline.com")],
        // Refresh tokens are not single use there; they stay good for months.
        replay_window: Some(86_400),
        ..USUAL
    },
    Preset {
        name: "okta",
        title: "Okta",
        docs: "https://developer.okta.com/docs/guides/device-authorization-grant/main/",
        register: "a native application with the grants Device Authorization and Refresh Token, and a rule of the \
                   authorization server's access policy that allows them",
        needs: &[("issuer", "https://acme.okta.com/oauth2/default")],
        issuer_signs: &[IssuerSign::Domain("okta.com")],
        // Its grace period for token rotation, 30 s unless an administrator chose another (0 to 60).
        replay_window: Some(30),
        ..USUAL
    },
    Preset {
        name: "auth0",
        title: "Auth0",
        docs: "https://auth0.com/docs/get-started/authentication-and-authorization-flow/device-authorization-flow",
        register: "a native application with the grants Device Code and Refresh Token; the API named by audience has to \
                   allow offline access",
        needs: &[("issuer", "https://acme.eu.auth0.com/"), ("audience", "https://api.acme.dev")],
        know: "needs audience, else its tokens are good for nothing; issuer has a / at its end",
        issuer_signs: &[IssuerSign::Domain("auth0.com")],
        has_organizations: true,
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
        know: "issuer is the realm",
        issuer_signs: &[IssuerSign::Path("/realms/")],
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
        know: "anything that describes itself (OpenID Connect Discovery or RFC 8414)",
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
        know: "anything else, by the endpoints you give",
        ..USUAL
    },
];

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
