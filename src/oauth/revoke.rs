//! Ending a session at its provider: RFC 7009 where there is an endpoint, WorkOS' own sign-out by session id.

use super::http::{self, Http};
use super::message::{Form, Response, Unreachable};
use crate::model::{Endpoints, Profile};
use crate::secret::Secret;

/// What a sign-out at the provider came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SignedOut {
    /// It is over there as well; says what ended where.
    Ended(String),
    /// The provider offers no way, or nothing was left to revoke; says why.
    NoWay(String),
    /// It may live on there; says why.
    Failed(String),
}

/// What is known of a session that a person approved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Approved<'a> {
    /// Where its tokens came from.
    pub(crate) token_endpoint: &'a str,
    /// Where its refresh token may be revoked, as it was known then.
    pub(crate) revocation_endpoint: Option<&'a str>,
    pub(crate) refresh_token: Option<&'a Secret>,
    pub(crate) session_id: Option<&'a str>,
}

/// How a session is ended at its provider.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way<'a> {
    /// The refresh token is sent to be revoked (RFC 7009).
    Revocation(&'a str, &'a Secret),
    /// The session is named to a sign-out page (WorkOS).
    SessionId(&'a str, &'a str),
}

impl<'a> Way<'a> {
    /// Where it is ended.
    pub(crate) fn endpoint(&self) -> &'a str {
        match self {
            Self::Revocation(url, _) | Self::SessionId(url, _) => url,
        }
    }
}

/// The way to end a session of `profile`, or why there is none. `present` are the endpoints the profile names now; where they
/// are another server's than the session's, only what was known when a person approved it counts.
pub(crate) fn way<'a>(
    profile: &Profile,
    present: Option<&'a Endpoints>,
    session: &Approved<'a>,
) -> Result<Way<'a>, SignedOut> {
    let Approved { token_endpoint, revocation_endpoint: known, refresh_token, session_id } = *session;
    let present = present.filter(|endpoints| endpoints.token == token_endpoint);
    if let Some(url) = present.map_or(known, |endpoints| endpoints.revocation.as_deref()) {
        let Some(token) = refresh_token else {
            return Err(SignedOut::NoWay("no refresh token was left to revoke".to_owned()));
        };
        // A line added to the configuration later does not send an older session's token to another host.
        if known != Some(url) && http::host(url) != http::host(token_endpoint) {
            let where_to = http::host(url);
            return Err(SignedOut::Failed(format!("{where_to} was not known at the sign-in, and is told nothing")));
        }
        return Ok(Way::Revocation(url, token));
    }
    let Some(present) = present else {
        let began = http::host(token_endpoint);
        let what = format!("the profile no longer names {began}, and no way to revoke there was known at the sign-in");
        return Err(SignedOut::Failed(what));
    };
    match (&present.session_logout, session_id) {
        (Some(url), Some(session_id)) => Ok(Way::SessionId(url, session_id)),
        (Some(_), None) => Err(SignedOut::NoWay("its tokens name no session to end".to_owned())),
        (None, _) => Err(SignedOut::NoWay(format!("{} offers no revocation", profile.preset.title))),
    }
}

/// Ends a session. `client_secret` is for the server that the profile names now, and goes to no other.
pub(crate) fn sign_out(
    http: &dyn Http,
    profile: &Profile,
    present: Option<&Endpoints>,
    client_secret: Option<&Secret>,
    session: &Approved<'_>,
) -> SignedOut {
    match way(profile, present, session) {
        Ok(Way::Revocation(url, token)) => {
            // Another server than the one the profile names now gets nothing that stands in the profile.
            let present = present.filter(|endpoints| endpoints.token == session.token_endpoint);
            let mut form = present.map_or_else(Form::default, |_| Form::new(&profile.extra));
            form.push("token", token.expose());
            form.push("token_type_hint", "refresh_token");
            form.push("client_id", &profile.client_id);
            if let (Some(secret), Some(endpoints)) = (client_secret, present) {
                form.authenticate(&profile.client_id, secret, endpoints.secret_by);
            }
            // RFC 7009 section 2.2: 200, also for a token the server does not know.
            let answer = http.post(url, &form, http::PATIENCE);
            ended("the refresh token was revoked", url, answer, |status| status == 200)
        }
        Ok(Way::SessionId(url, session_id)) => {
            let mut query = Form::default();
            query.push("session_id", session_id);
            // It answers a browser: 200 or a redirect to the sign-out page, which is nothing for us to follow.
            ended("the session was ended", url, http.get(url, &query), |status| (200..400).contains(&status))
        }
        Err(no_way) => no_way,
    }
}

fn ended(what: &str, url: &str, answer: Result<Response, Unreachable>, well: impl Fn(u16) -> bool) -> SignedOut {
    match answer {
        Ok(response) if well(response.status) => SignedOut::Ended(format!("{what} at {}", http::host(url))),
        Ok(response) => SignedOut::Failed(format!("{} answered with HTTP status {}", http::host(url), response.status)),
        Err(Unreachable { why, .. }) => SignedOut::Failed(why),
    }
}
