//! Reads the claims of a JWT (RFC 7519) that came straight from its issuer over TLS. It verifies nothing and decides no
//! access: that is the resource server's job.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// The claims keyfob looks at; all optional, all as the issuer says. One of an odd type counts as missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Claims {
    exp: Option<Timestamp>,
    iat: Option<Timestamp>,
    /// The session at WorkOS, what a sign-out names.
    pub(crate) sid: Option<String>,
    pub(crate) sub: Option<String>,
    pub(crate) email: Option<String>,
    /// The organization a WorkOS access token is for.
    pub(crate) org_id: Option<String>,
}

impl Claims {
    /// When the token ends, by the issuer's clock.
    pub(crate) fn exp(&self) -> Option<Timestamp> {
        self.exp
    }

    /// When it was issued, by the issuer's clock.
    pub(crate) fn iat(&self) -> Option<Timestamp> {
        self.iat
    }
}

/// The claims of `token`, if it is a JWT with a readable payload. An opaque token has none.
pub(crate) fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let payload: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    let text = |name: &str| payload.get(name)?.as_str().map(str::to_owned);
    let date = |name: &str| payload.get(name)?.as_f64().and_then(whole);
    Some(Claims {
        exp: date("exp"),
        iat: date("iat"),
        sid: text("sid"),
        sub: text("sub"),
        email: text("email"),
        org_id: text("org_id"),
    })
}

/// `NumericDate` (RFC 7519 section 2): seconds since 1970, with a fraction allowed.
#[expect(clippy::cast_possible_truncation, reason = "bounded to years with four digits just before")]
fn whole(seconds: f64) -> Option<Timestamp> {
    (0.0..253_402_300_800.0).contains(&seconds).then_some(seconds as Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn reads_what_is_there() {
        let claims = claims(&jwt(r#"{"exp":1700000300.5,"iat":1700000000,"sid":"session_1","aud":["x"]}"#)).unwrap();
        assert_eq!((claims.exp(), claims.iat()), (Some(1_700_000_300), Some(1_700_000_000)));
        assert_eq!(claims.sid.as_deref(), Some("session_1"));
    }

    #[test]
    fn what_is_no_jwt_has_no_claims() {
        for token in ["opaque", "a.b", "a.b.c", "a.b.c.d", "", "e30.e30", &jwt("[]")] {
            assert_eq!(claims(token), None, "{token}");
        }
    }

    #[test]
    fn an_odd_claim_hides_no_other() {
        let claims = claims(&jwt(r#"{"sub":42,"exp":100,"iat":"x"}"#)).unwrap();
        assert_eq!((claims.exp(), claims.iat(), claims.sub), (Some(100), None, None));
    }

    #[test]
    fn absurd_dates_are_no_dates() {
        for payload in [r#"{"exp":-1}"#, r#"{"exp":1e300}"#, "{}"] {
            assert_eq!(claims(&jwt(payload)).unwrap().exp(), None, "{payload}");
        }
    }
}
