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
    /// Who issued it.
    pub(crate) iss: Option<String>,
    /// Whom it is for (RFC 7519 section 4.1.3); empty where it does not say.
    pub(crate) aud: Vec<String>,
    /// What it allows: `scope` (RFC 9068 section 2.2.3), or `scp` as Okta and Entra have it; empty where it does not say.
    pub(crate) scopes: Vec<String>,
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
        iss: text("iss"),
        aud: texts(payload.get("aud")),
        scopes: words(payload.get("scope").or_else(|| payload.get("scp"))),
    })
}

/// One text, or a list of them.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(values)) => values.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect(),
        _ => Vec::new(),
    }
}

/// The words of one text, or of a list of them.
fn words(value: Option<&Value>) -> Vec<String> {
    texts(value).iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect()
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
    fn whom_it_is_for_and_what_it_allows_in_every_spelling() {
        for (payload, aud, scopes) in [
            (r#"{"aud":"api","scope":"read write"}"#, &["api"][..], &["read", "write"][..]),
            (r#"{"aud":["a","b",7],"scp":["read","write"]}"#, &["a", "b"], &["read", "write"]),
            (r#"{"aud":{},"scp":"read"}"#, &[], &["read"]),
            ("{}", &[], &[]),
        ] {
            let claims = claims(&jwt(payload)).unwrap();
            assert_eq!((&claims.aud[..], &claims.scopes[..]), (&own(aud)[..], &own(scopes)[..]), "{payload}");
        }
    }

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
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
