//! Ending a session at its provider: RFC 7009 where there is an endpoint, WorkOS' own sign-out by session id.

use super::http::{self, Form, Http};
use crate::config::{Endpoints, Profile};
use crate::secret::Secret;

/// What a sign-out at the provider came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SignedOut {
    /// It is over there as well; says where.
    Ended(String),
    /// The provider offers no way, or nothing was left to revoke; says why.
    NoWay(String),
    /// It may live on there; says why.
    Failed(String),
}

/// Ends the session that `refresh_token` and `session_id` belong to. `known` is the revocation endpoint of its sign-in.
pub(crate) fn sign_out(
    http: &dyn Http,
    profile: &Profile,
    endpoints: &Endpoints,
    client_secret: Option<&Secret>,
    refresh_token: Option<&Secret>,
    session_id: Option<&str>,
    known: Option<&str>,
) -> SignedOut {
    if let Some(url) = &endpoints.revocation {
        let Some(token) = refresh_token else {
            return SignedOut::NoWay("no refresh token was left to revoke".to_owned());
        };
        // A line added to the configuration later does not send an older session's token to another host.
        if known != Some(url) && http::host(url) != http::host(&endpoints.token) {
            let where_to = http::host(url);
            return SignedOut::Failed(format!("{where_to} was not known at the sign-in, and is told nothing"));
        }
        let mut form = Form::new(&profile.extra);
        form.push("token", token.expose());
        form.push("token_type_hint", "refresh_token");
        form.push("client_id", &profile.client_id);
        if let Some(secret) = client_secret {
            form.authenticate(&profile.client_id, secret, endpoints.secret_by);
        }
        // RFC 7009 section 2.2: 200, also for a token the server does not know.
        return ended(url, http.post(url, &form, http::PATIENCE), |status| status == 200);
    }
    if let Some(url) = &endpoints.session_logout {
        let Some(session_id) = session_id else {
            return SignedOut::NoWay("its tokens name no session to end".to_owned());
        };
        let mut query = Form::default();
        query.push("session_id", session_id);
        // It answers a browser: 200 or a redirect to the sign-out page, which is nothing for us to follow.
        return ended(url, http.get(url, &query), |status| (200..400).contains(&status));
    }
    SignedOut::NoWay(format!("{} offers no revocation", profile.preset.title))
}

fn ended(url: &str, answer: Result<http::Response, http::Unreachable>, well: impl Fn(u16) -> bool) -> SignedOut {
    match answer {
        Ok(response) if well(response.status) => SignedOut::Ended(http::host(url)),
        Ok(response) => SignedOut::Failed(format!("{} answered with HTTP status {}", http::host(url), response.status)),
        Err(http::Unreachable { why, .. }) => SignedOut::Failed(why),
    }
}
