//! What a token endpoint answers (RFC 6749 sections 5.1 and 5.2), in all the shapes servers really use: judged by the
//! presence of a token and the text of the error, never by the status alone.

use serde_json::{Map, Value};

use super::jwt::{self, Claims};
use super::message::{Response, Unreachable};
use crate::clock::Timestamp;
use crate::escape::escape;
use crate::secret::Secret;

/// A life no honest access token exceeds; anything longer is a mistake of the server's.
const LONGEST_LIFE: i64 = 10 * 365 * 86_400;

/// What fits on a line of git's protocol, in bytes.
const LONGEST_TOKEN: usize = 65_000;

/// A name or an address of somebody, in bytes: a record has room for it.
const LONGEST_NAME: usize = 1_024;

/// Tokens, as granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenAnswer {
    pub(crate) access_token: Secret,
    pub(crate) id_token: Option<Secret>,
    /// Absent on a refresh: the old one stays good (RFC 6749 section 6).
    pub(crate) refresh_token: Option<Secret>,
    /// Seconds from the receipt until the access token ends.
    pub(crate) life: i64,
    /// Seconds from the receipt until the ID token ends, where there is one.
    pub(crate) id_life: i64,
    pub(crate) who: Who,
}

/// Who signed in, as far as the answer tells. Display only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    pub(crate) subject: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) organization: Option<String>,
    /// WorkOS: the session a sign-out ends.
    pub(crate) session_id: Option<String>,
}

impl Who {
    /// Whether the answer tells nothing of it.
    pub(crate) fn is_unknown(&self) -> bool {
        self.subject.is_none() && self.email.is_none()
    }

    /// For a sentence: the address, else the identifier.
    pub(crate) fn name(&self) -> Option<&str> {
        self.email.as_deref().or(self.subject.as_deref())
    }
}

/// An error a server reports, or what stands for one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ServerError {
    /// RFC 6749's `error`, else WorkOS' `code`, in the RFC's spelling where a server has its own; empty where the body
    /// names none.
    pub(crate) code: String,
    /// Fit to be shown.
    pub(crate) description: String,
    pub(crate) status: u16,
    /// The body was empty.
    pub(crate) is_silent: bool,
    /// It is no word of the provider's: a page or an object of something between here and it (a proxy, a portal, a gateway).
    pub(crate) is_foreign: bool,
    /// `slow_down` may carry the new interval (GitHub).
    pub(crate) interval: Option<u64>,
}

impl ServerError {
    /// The same with the server's texts put through `change`.
    pub(crate) fn map_words(self, change: impl Fn(&str) -> String) -> Self {
        Self { code: change(&self.code), description: change(&self.description), ..self }
    }

    /// The server's own words for a person.
    pub(crate) fn words(&self) -> String {
        let Self { code, description, status, is_silent: _, is_foreign: _, interval: _ } = self;
        match (code.is_empty(), description.is_empty()) {
            (true, true) => format!("HTTP status {status}"),
            (true, false) => format!("HTTP status {status}: {description}"),
            (false, true) => code.clone(),
            (false, false) => format!("{code}: {description}"),
        }
    }
}

/// What the answer comes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Granted(Box<TokenAnswer>),
    Error(ServerError),
    /// No answer at all.
    Unreachable(Unreachable),
    /// 5xx, 408, 429 or nothing readable: what happened at the server is unknown.
    Transient {
        why: String,
        retry_after: Option<u64>,
    },
    /// A grant keyfob cannot use, and why.
    Unusable(String),
}

impl Answer {
    /// The same with every text of the server's put through `change`.
    pub(crate) fn map_words(self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Granted(_) | Self::Unreachable(_) => self,
            Self::Error(error) => Self::Error(error.map_words(change)),
            Self::Transient { why, retry_after } => Self::Transient { why: change(&why), retry_after },
            Self::Unusable(why) => Self::Unusable(change(&why)),
        }
    }
}

/// Reads a token endpoint's answer that was received at `now`. `default_token_life` is assumed of an opaque token whose server
/// tells no life, in seconds.
pub(crate) fn read(response: &Response, now: Timestamp, default_token_life: i64) -> Answer {
    let body = fields(&response.body);
    if let Some(body) = &body {
        if let Some(access_token) = text(body, "access_token").filter(|token| !token.is_empty()) {
            return granted(body, access_token, response, now, default_token_life);
        }
        if let Some(error) = error(body, response.status) {
            let transient = matches!(error.code.as_str(), "temporarily_unavailable" | "server_error")
                || (matches!(response.status, 408 | 429 | 500..) && !is_protocol(&error.code));
            return if transient { unknown(response, &error.words()) } else { Answer::Error(error) };
        }
    }
    match response.status {
        408 | 429 | 500.. => unknown(response, &format!("HTTP status {}", response.status)),
        200..300 => unknown(response, "an answer that is no token and no error"),
        status => {
            // Something before the server (a proxy, a wrong path) speaks HTML; its title is no help, its status is.
            let description = String::new();
            let is_silent = response.body.iter().all(u8::is_ascii_whitespace);
            let is_foreign = !is_silent;
            Answer::Error(ServerError {
                code: String::new(),
                description,
                status,
                is_silent,
                is_foreign,
                interval: None,
            })
        }
    }
}

fn unknown(response: &Response, why: &str) -> Answer {
    Answer::Transient { why: why.to_owned(), retry_after: response.retry_after }
}

/// Codes that mean what they say under any status: Auth0 answers `slow_down` with 429, others err likewise.
fn is_protocol(code: &str) -> bool {
    matches!(code, "authorization_pending" | "slow_down" | "access_denied" | "expired_token" | "invalid_grant")
}

fn granted(
    body: &Map<String, Value>,
    access_token: &str,
    response: &Response,
    now: Timestamp,
    default_token_life: i64,
) -> Answer {
    let kind = text(body, "token_type").unwrap_or("bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        let kind = escape(kind);
        return Answer::Unusable(format!(
            "it grants tokens of type \"{kind}\", which git, kubectl and docker cannot send"
        ));
    }
    let secret = |name: &str| text(body, name).filter(|value| !value.is_empty()).map(Secret::new);
    let (access, id_token) = (Secret::new(access_token), secret("id_token"));
    let refresh_token = secret("refresh_token");
    let is_long = |token: &Option<Secret>| token.as_ref().is_some_and(|token| token.expose().len() > LONGEST_TOKEN);
    if access_token.len() > LONGEST_TOKEN || is_long(&id_token) || is_long(&refresh_token) {
        return Answer::Unusable("its token is longer than git can take".to_owned());
    }
    if !access.is_token() || id_token.as_ref().is_some_and(|token| !token.is_token()) {
        return Answer::Unusable("its token holds characters that no header may carry".to_owned());
    }
    let claims = jwt::claims(access_token);
    let id_claims = id_token.as_ref().and_then(|token| jwt::claims(token.expose()));
    let told = number(body, "expires_in").filter(|life| *life > 0);
    let claimed = claims.as_ref().and_then(|claims| life_by_claims(claims, response.date, now));
    let life = told.into_iter().chain(claimed).min().unwrap_or(default_token_life).min(LONGEST_LIFE);
    let id_life = id_claims.as_ref().and_then(|claims| life_by_claims(claims, response.date, now)).unwrap_or(life);
    Answer::Granted(Box::new(TokenAnswer {
        access_token: access,
        id_token,
        refresh_token,
        life,
        id_life: id_life.min(LONGEST_LIFE),
        who: who(body, claims.as_ref(), id_claims.as_ref()),
    }))
}

/// The least of `exp` minus the answer's own `Date` and `exp` minus `iat`: each is two readings of a server's clock, so that a
/// wrong clock here does no harm; and where the issuer's clock is not that of what answers for it, the longer one is wrong. The
/// local clock decides only where the server tells no other time.
fn life_by_claims(claims: &Claims, date: Option<Timestamp>, now: Timestamp) -> Option<i64> {
    let exp = claims.exp()?;
    let issued = [date, claims.iat()].into_iter().flatten();
    let lives = issued.map(|issued| exp - issued).filter(|life| *life > 0).min();
    lives.or_else(|| Some(exp - now).filter(|life| *life > 0 && date.is_none() && claims.iat().is_none()))
}

fn who(body: &Map<String, Value>, access: Option<&Claims>, id: Option<&Claims>) -> Who {
    let user = body.get("user").and_then(Value::as_object);
    let short = |text: &String| text.len() <= LONGEST_NAME;
    let of_user = |name: &str| user.and_then(|user| text(user, name)).map(str::to_owned).filter(short);
    let claim = |get: fn(&Claims) -> &Option<String>| {
        let claimed = |claims: &Claims| get(claims).clone().filter(short);
        id.and_then(claimed).or_else(|| access.and_then(claimed))
    };
    Who {
        subject: of_user("id").or_else(|| claim(|claims| &claims.sub)),
        email: of_user("email").or_else(|| claim(|claims| &claims.email)),
        organization: text(body, "organization_id")
            .map(str::to_owned)
            .filter(short)
            .or_else(|| claim(|claims| &claims.org_id)),
        session_id: access.and_then(|claims| claims.sid.clone()).filter(short),
    }
}

/// The error a body reports, whichever envelope it comes in.
pub(crate) fn error(body: &Map<String, Value>, status: u16) -> Option<ServerError> {
    let code = text(body, "error").or_else(|| text(body, "code"))?;
    let code = match code {
        "authorization_declined" => "access_denied",
        "token_expired" | "code_expired" => "expired_token",
        "bad_verification_code" | "incorrect_device_code" => "invalid_grant",
        "incorrect_client_credentials" => "invalid_client",
        code => code,
    };
    let description = text(body, "error_description").or_else(|| text(body, "message")).unwrap_or_default();
    let interval = number(body, "interval").and_then(|seconds| u64::try_from(seconds).ok());
    Some(ServerError {
        code: escape(code),
        description: escape(description),
        status,
        is_silent: false,
        is_foreign: false,
        interval,
    })
}

/// The members of an answer: a JSON object, else form fields (GitHub without an Accept header).
pub(crate) fn fields(body: &[u8]) -> Option<Map<String, Value>> {
    if let Ok(object) = serde_json::from_slice(body) {
        return Some(object);
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    let is_form = text.contains('=') && !text.contains(['<', ' ', '\n', '{']);
    is_form.then(|| {
        text.split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (form_decode(name), Value::String(form_decode(value))))
            .collect()
    })
}

/// application/x-www-form-urlencoded, one name or value.
fn form_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = tail.get(..2).filter(|_| byte == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(decoded) = escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(decoded);
            rest = &tail[2..];
        } else {
            bytes.push(if byte == b'+' { b' ' } else { byte });
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A member that is a string.
pub(crate) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name)?.as_str()
}

/// A member that is a number, whether the server wrote an integer, a fraction or a string.
#[expect(clippy::cast_possible_truncation, reason = "as saturates, and callers clamp")]
pub(crate) fn number(body: &Map<String, Value>, name: &str) -> Option<i64> {
    match body.get(name)? {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)),
        Value::String(text) => {
            text.trim().parse::<f64>().ok().filter(|float| float.is_finite()).map(|float| float as i64)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const NOW: Timestamp = 1_000_000;
    const UNTOLD_LIFE: i64 = 300;

    fn answer(status: u16, body: &str) -> Answer {
        read(
            &Response {
                status,
                date: Some(2_000_000),
                retry_after: Some(7),
                challenges: Vec::new(),
                body: body.as_bytes().to_vec(),
            },
            NOW,
            UNTOLD_LIFE,
        )
    }

    fn granted(body: &str) -> TokenAnswer {
        match answer(200, body) {
            Answer::Granted(tokens) => *tokens,
            other => panic!("{other:?}"),
        }
    }

    fn jwt(payload: &str) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_life_is_found_wherever_it_is() {
        let by_date = jwt(r#"{"exp":2000300,"iat":1999000}"#);
        for (more, token, life) in [
            (r#","expires_in":60"#, "opaque", 60),
            (r#","expires_in":"61""#, "opaque", 61),
            (r#","expires_in":62.9"#, "opaque", 62),
            (r#","expires_in":60"#, &by_date, 60),
            ("", &by_date, 300),
            (r#","expires_in":3600"#, &by_date, 300),
            ("", &jwt(r#"{"exp":2003900,"iat":2003600}"#), 300),
            ("", &jwt(r#"{"exp":1999000,"iat":1998700}"#), 300),
            (r#","expires_in":0"#, &by_date, 300),
            (r#","expires_in":-4"#, "opaque", UNTOLD_LIFE),
            ("", "opaque", UNTOLD_LIFE),
            (r#","expires_in":1e18"#, "opaque", LONGEST_LIFE),
        ] {
            assert_eq!(granted(&format!(r#"{{"access_token":"{token}"{more}}}"#)).life, life, "{more} {token}");
        }
        let body = format!(r#"{{"access_token":"{by_date}"}}"#).into_bytes();
        let dateless = Response { status: 200, date: None, retry_after: None, challenges: Vec::new(), body };
        assert!(matches!(read(&dateless, NOW, UNTOLD_LIFE), Answer::Granted(tokens) if tokens.life == 1_300));
    }

    #[test]
    fn workos_tells_who() {
        let token = jwt(r#"{"sid":"session_1","org_id":"org_9"}"#);
        let body = format!(
            r#"{{"user":{{"id":"user_1","email":"ann@acme.dev"}},"organization_id":"org_1","access_token":"{token}","refresh_token":"r"}}"#
        );
        let tokens = granted(&body);
        assert_eq!(tokens.who.subject.as_deref(), Some("user_1"));
        assert_eq!(tokens.who.email.as_deref(), Some("ann@acme.dev"));
        assert_eq!(tokens.who.organization.as_deref(), Some("org_1"));
        assert_eq!(tokens.who.session_id.as_deref(), Some("session_1"));
    }

    #[test]
    fn errors_in_every_envelope() {
        for (status, body, code) in [
            (400, r#"{"error":"authorization_pending"}"#, "authorization_pending"),
            (200, r#"{"error":"slow_down","interval":10}"#, "slow_down"),
            (429, r#"{"error":"slow_down"}"#, "slow_down"),
            (428, r#"{"error":"authorization_pending"}"#, "authorization_pending"),
            (
                403,
                r#"{"code":"organization_selection_required","message":"Choose one"}"#,
                "organization_selection_required",
            ),
            (200, "error=access_denied&error_description=no+way%21", "access_denied"),
            (400, r#"{"error":"authorization_declined"}"#, "access_denied"),
            (400, r#"{"error":"token_expired"}"#, "expired_token"),
            (404, "<html>nope</html>", ""),
            (400, "", ""),
        ] {
            assert!(matches!(answer(status, body), Answer::Error(error) if error.code == code), "{status} {body}");
        }
        let Answer::Error(error) = answer(403, r#"{"code":"sso_required","message":"Use \u001b[31mSSO"}"#) else {
            panic!()
        };
        assert_eq!(error.words(), "sso_required: Use \\u{1b}[31mSSO");
    }

    #[test]
    fn what_happened_is_unknown() {
        for (status, body) in [
            (500, ""),
            (502, "<html>bad gateway</html>"),
            (429, r#"{"message":"slow","code":"rate_limited"}"#),
            (503, r#"{"error":"temporarily_unavailable"}"#),
            (400, r#"{"error":"temporarily_unavailable"}"#),
            (408, ""),
            (200, "hello"),
            (200, "{}"),
        ] {
            let transient = matches!(answer(status, body), Answer::Transient { retry_after: Some(7), .. });
            assert!(transient, "{status} {body}");
        }
    }

    #[test]
    fn what_clients_cannot_send_is_refused() {
        for body in [
            r#"{"access_token":"a","token_type":"DPoP"}"#,
            r#"{"access_token":"a\nhost=evil.dev"}"#,
            r#"{"access_token":"a\u0000"}"#,
            r#"{"access_token":"a","id_token":"b c"}"#,
        ] {
            assert!(matches!(answer(200, body), Answer::Unusable(_)), "{body}");
        }
        assert!(matches!(answer(200, r#"{"access_token":"a","token_type":"bEARER"}"#), Answer::Granted(_)));
    }
}
