//! Where an authorization server is.

/// How a client sends its secret (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SecretBy {
    /// HTTP Basic: `client_secret_basic`.
    #[default]
    Basic,
    /// A parameter: `client_secret_post`.
    Post,
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
