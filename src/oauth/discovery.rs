//! What an authorization server says of itself: RFC 8414 and OpenID Connect Discovery 1.0. The only file that knows where
//! metadata is and when it may be believed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer;
use super::http::{self, Http};
use super::message::{Form, Response, Unreachable};
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::location::Scheme;
use crate::model::provider::Preset;
use crate::model::{Endpoints, Location, SecretBy, SpeltEndpoints};
use crate::redact::Secrets;

/// The members keyfob uses, under the names of RFC 8414 section 2; all but the issuer may be missing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    #[serde(default)]
    device_authorization_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint: Option<String>,
    #[serde(default)]
    revocation_endpoint: Option<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// Where the metadata of an issuer may be: OpenID Connect Discovery section 4 appends to its path, RFC 8414 section 3.1
/// inserts before it.
pub(crate) fn addresses(issuer: &str) -> [String; 2] {
    let whole = issuer.trim_end_matches('/');
    let host_from = whole.find("://").map_or(0, |at| at + 3);
    let path_from = whole[host_from..].find('/').map_or(whole.len(), |at| host_from + at);
    let (origin, path) = whole.split_at(path_from);
    [
        format!("{whole}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ]
}

/// Asks an issuer for its metadata.
pub(crate) fn fetch(http: &dyn Http, issuer: &str) -> Result<Metadata> {
    let host = http::host(issuer);
    let mut refusal: Option<Error> = None;
    for address in addresses(issuer) {
        let response =
            http.get(&address, &Form::default()).map_err(|Unreachable { why, mend, is_lasting, .. }| {
                let kind = if is_lasting { Kind::Configuration } else { Kind::Transient };
                Error::new(kind, format!("cannot read the metadata of {}: {why}", escape(issuer))).hint(mend)
            })?;
        match read(&response, issuer) {
            Ok(metadata) => return Ok(metadata),
            // Of two refusals the one that tells more: a document with another's name, else the first.
            Err(Refusal::OtherIssuer(said)) => {
                let said = Secrets::default().redact(&escape(&said));
                let what = format!("{host} describes the issuer \"{said}\" and not \"{}\"", escape(issuer));
                let mend = format!("if that is the one you mean, write it to the letter: issuer = \"{said}\"");
                refusal = Some(Error::new(Kind::Refused, what).hint(mend));
            }
            Err(Refusal::Nothing(words)) if refusal.is_none() => {
                let what = format!("{host} describes no issuer \"{}\": {words}", escape(issuer));
                let transient = matches!(response.status, 408 | 429 | 500..);
                let (kind, mend) = if transient {
                    (Kind::Transient, Mend::wait("try again"))
                } else {
                    (
                        Kind::Refused,
                        "correct issuer in the profile, or give device_authorization_endpoint and token_endpoint there"
                            .into(),
                    )
                };
                refusal = Some(Error::new(kind, what).hint(mend));
            }
            Err(Refusal::Nothing(_)) => {}
        }
    }
    Err(refusal.unwrap_or_else(|| Error::new(Kind::Refused, format!("{host} describes no issuer"))))
}

/// Why a document is not the one.
enum Refusal {
    /// It is of the issuer that calls itself so.
    OtherIssuer(String),
    /// It is no metadata; the server's words.
    Nothing(String),
}

fn read(response: &Response, issuer: &str) -> Result<Metadata, Refusal> {
    let body: Map<String, Value> = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |name: &str| answer::text(&body, name).filter(|value| !value.is_empty()).map(str::to_owned);
    let list = |name: &str| -> Vec<String> {
        let values = body.get(name).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect()
    };
    match text("issuer").filter(|_| response.status == 200) {
        // RFC 8414 section 3.3: identical, or the endpoints may be an attacker's (mix-up).
        Some(said) if said == issuer => Ok(Metadata {
            issuer: said,
            device_authorization_endpoint: text("device_authorization_endpoint"),
            token_endpoint: text("token_endpoint"),
            revocation_endpoint: text("revocation_endpoint"),
            code_challenge_methods_supported: list("code_challenge_methods_supported"),
            token_endpoint_auth_methods_supported: list("token_endpoint_auth_methods_supported"),
        }),
        Some(said) => Err(Refusal::OtherIssuer(said)),
        None => {
            let words = answer::error(&body, response.status).map(|error| error.words());
            Err(Refusal::Nothing(words.unwrap_or_else(|| match response.status {
                200 => "its answer is no metadata".to_owned(),
                status => format!("HTTP status {status}"),
            })))
        }
    }
}

/// The endpoints that metadata and profile name between them; the profile's go first.
pub(crate) fn endpoints(metadata: &Metadata, spelt: &SpeltEndpoints, preset: &Preset) -> Result<Endpoints> {
    let host = http::host(&metadata.issuer);
    let checked = |name: &str, told: &Option<String>| match told {
        Some(url) if !is_usable(url, &metadata.issuer) => {
            let what = format!("the metadata of {host} names no usable {name}: \"{}\"", escape(url));
            Err(Error::new(Kind::Refused, what).hint(format!("it has to be https; or write {name} in the profile")))
        }
        told => Ok(told.clone()),
    };
    let or_told = |name: &str, spelt: &Option<String>, told: &Option<String>| match spelt {
        Some(url) => Ok(Some(url.clone())),
        None => checked(name, told),
    };
    let device =
        or_told("device_authorization_endpoint", &spelt.device_authorization, &metadata.device_authorization_endpoint)?;
    let device = device.ok_or_else(|| {
        let what = format!("{host} offers no device flow: its metadata names no device_authorization_endpoint");
        Error::new(Kind::Refused, what).hint(format!(
            "switch the device flow on there (see {}), or write device_authorization_endpoint in the profile",
            preset.docs
        ))
    })?;
    let token = or_told("token_endpoint", &spelt.token, &metadata.token_endpoint)?.ok_or_else(|| {
        Error::new(Kind::Refused, format!("the metadata of {host} names no token_endpoint"))
            .hint("write token_endpoint in the profile")
    })?;
    let methods = &metadata.token_endpoint_auth_methods_supported;
    let takes = |method: &str| methods.iter().any(|known| known == method);
    // RFC 8414 section 2: without a list, client_secret_basic.
    let post = takes("client_secret_post") && !takes("client_secret_basic");
    Ok(Endpoints {
        device_authorization: device,
        token,
        // What cannot be used for it is no reason to refuse a sign-in.
        revocation: or_told("revocation_endpoint", &spelt.revocation, &metadata.revocation_endpoint)
            .unwrap_or_default(),
        session_logout: None,
        secret_by: if post { SecretBy::Post } else { preset.secret_by },
        code_challenge_s256: metadata.code_challenge_methods_supported.iter().any(|method| method == "S256"),
    })
}

/// https, or http where issuer and endpoint are on this machine; perhaps with a query (RFC 6749 section 3.2) and never
/// with a fragment.
fn is_usable(url: &str, issuer: &str) -> bool {
    let is_plain = |url: &str| Location::parse(url).is_ok_and(|location| location.scheme == Scheme::Http);
    let base = url.split_once('?').map_or(url, |(base, _)| base);
    url.contains("://")
        && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && Location::parse(base).is_ok()
        && (!is_plain(base) || is_plain(issuer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::provider;

    fn response(status: u16, body: &str) -> Response {
        Response { status, date: None, retry_after: None, challenges: Vec::new(), body: body.as_bytes().to_vec() }
    }

    fn metadata(more: &str) -> Metadata {
        let body = format!(r#"{{"issuer":"https://a.dev"{more}}}"#);
        read(&response(200, &body), "https://a.dev").unwrap_or_else(|_| panic!("{body}"))
    }

    fn told(more: &str, spelt: &SpeltEndpoints) -> Result<Endpoints> {
        endpoints(&metadata(more), spelt, provider::find("oidc").unwrap())
    }

    #[test]
    fn appended_and_inserted() {
        assert_eq!(
            addresses("https://a.dev"),
            ["https://a.dev/.well-known/openid-configuration", "https://a.dev/.well-known/oauth-authorization-server"]
        );
        assert_eq!(
            addresses("https://a.dev:8443/realms/x/"),
            [
                "https://a.dev:8443/realms/x/.well-known/openid-configuration",
                "https://a.dev:8443/.well-known/oauth-authorization-server/realms/x"
            ]
        );
    }

    #[test]
    fn an_issuer_is_compared_to_the_letter() {
        for said in ["https://a.dev/", "https://A.dev", "http://a.dev", "https://a.dev.evil.dev"] {
            let read = read(&response(200, &format!(r#"{{"issuer":"{said}"}}"#)), "https://a.dev");
            assert!(matches!(read, Err(Refusal::OtherIssuer(_))), "{said}");
        }
        for (status, body) in
            [(200, "<html>"), (200, "{}"), (404, r#"{"issuer":"https://a.dev"}"#), (200, r#"{"issuer":7}"#)]
        {
            assert!(matches!(read(&response(status, body), "https://a.dev"), Err(Refusal::Nothing(_))), "{body}");
        }
    }

    #[test]
    fn what_is_optional_may_be_missing_or_odd() {
        const BOTH: &str =
            r#","device_authorization_endpoint":"https://a.dev/d","token_endpoint":"https://t.dev/t?p=x""#;
        let found = told(BOTH, &SpeltEndpoints::default()).unwrap();
        assert_eq!(
            (found.device_authorization.as_str(), found.token.as_str()),
            ("https://a.dev/d", "https://t.dev/t?p=x")
        );
        assert_eq!((found.revocation, found.secret_by, found.code_challenge_s256), (None, SecretBy::Basic, false));
        let odd = format!(
            r#"{BOTH},"revocation_endpoint":"http://a.dev/r","grant_types_supported":7,"code_challenge_methods_supported":"S256""#
        );
        let found = told(&odd, &SpeltEndpoints::default()).unwrap();
        assert_eq!((found.revocation, found.code_challenge_s256), (None, false));
        let all = format!(
            r#"{BOTH},"revocation_endpoint":"https://a.dev/r","code_challenge_methods_supported":["plain","S256"],"token_endpoint_auth_methods_supported":["none","client_secret_post"]"#
        );
        let found = told(&all, &SpeltEndpoints::default()).unwrap();
        assert_eq!(found.revocation.as_deref(), Some("https://a.dev/r"));
        assert_eq!((found.secret_by, found.code_challenge_s256), (SecretBy::Post, true));
    }

    #[test]
    fn what_is_missing_or_unprotected_names_the_key_that_mends_it() {
        let nothing = SpeltEndpoints::default();
        let token = r#","token_endpoint":"https://a.dev/t""#;
        let error = told(token, &nothing).unwrap_err();
        assert!(error.mend().unwrap().words().contains("write device_authorization_endpoint"), "{error}");
        for url in [
            "http://evil.dev/d",
            "http://127.0.0.1:9/d",
            "javascript:alert(1)",
            "https://a.dev/d#x",
            "a.dev/d",
            "https://a.dev/\\u0007",
        ] {
            let error = told(&format!(r#"{token},"device_authorization_endpoint":"{url}""#), &nothing).unwrap_err();
            assert!(error.text().contains("names no usable device_authorization_endpoint"), "{url}: {error}");
        }
        let spelt =
            SpeltEndpoints { device_authorization: Some("https://a.dev/d".to_owned()), ..SpeltEndpoints::default() };
        assert_eq!(told(token, &spelt).unwrap().device_authorization, "https://a.dev/d");
        assert!(told("", &spelt).unwrap_err().mend().unwrap().words().contains("write token_endpoint"));
    }
}
