//! What is sent to an authorization server and what comes back, whatever carries it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroize;

use super::answer;
use crate::clock::Timestamp;
use crate::mend::Mend;
use crate::model::SecretBy;
use crate::redact::Secrets;
use crate::secret::Secret;

/// The parameters whose values are nobody else's business.
const SECRET_PARAMETERS: &[&str] = &["refresh_token", "device_code", "token", "client_secret", "code_verifier"];

/// Form parameters, and how the client proves itself. A value may be a secret, so the type has no `Debug`.
#[derive(Default)]
pub(crate) struct Form {
    fields: Vec<(String, Secret)>,
    /// The whole `Authorization` header.
    authorization: Option<Secret>,
    /// What a server may not be quoted with, beyond the fields.
    hidden: Vec<Secret>,
}

/// Members of answers that are nobody else's business.
pub(super) const SECRET_MEMBERS: &[&str] = &["access_token", "refresh_token", "id_token", "device_code"];

impl Form {
    /// A form with the profile's extra parameters, which ours override.
    pub(crate) fn new(extra: &BTreeMap<String, String>) -> Self {
        let mut form = Self::default();
        for (name, value) in extra {
            form.push(name, value);
        }
        form
    }

    /// Sets a parameter; each stands once (RFC 6749 section 3.2).
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), Secret::new(value)));
    }

    /// Sets a parameter that may stand several times (RFC 8707 section 2).
    pub(crate) fn push_each(&mut self, name: &str, values: &[String]) {
        self.fields.retain(|(known, _)| known != name);
        self.fields.extend(values.iter().map(|value| (name.to_owned(), Secret::new(value))));
    }

    /// Sets a parameter that has a value; an empty one counts as left out (RFC 6749 section 3.2).
    pub(crate) fn push_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.push(name, value);
        }
    }

    /// Proves who the client is (RFC 6749 section 2.3.1): HTTP Basic with both parts form-urlencoded first, or in the
    /// body. `client_id` stays a parameter either way; it proves nothing.
    pub(crate) fn authenticate(&mut self, client_id: &str, secret: &Secret, by: SecretBy) {
        match by {
            SecretBy::Post => self.push("client_secret", secret.expose()),
            SecretBy::Basic => {
                let mut pair = format!("{}:{}", form_encode(client_id), form_encode(secret.expose()));
                self.authorization = Some(Secret::new(format!("Basic {}", STANDARD.encode(&pair))));
                pair.zeroize();
            }
        }
        self.hidden.push(secret.clone());
    }

    /// What a server may not be quoted with, and what it may although it looks like that.
    pub(crate) fn secrets(&self) -> Secrets {
        let fields = self.fields.iter().filter(|(name, _)| SECRET_PARAMETERS.contains(&name.as_str()));
        let mut secrets = Secrets::of(fields.map(|(_, secret)| secret).chain(&self.hidden).chain(&self.authorization));
        if let Some(pair) = self.authorization.as_ref().and_then(|header| header.expose().split_once(' ')) {
            secrets.hide(&Secret::new(pair.1));
        }
        for (_, value) in self.fields.iter().filter(|(name, _)| !SECRET_PARAMETERS.contains(&name.as_str())) {
            secrets.show(value.expose());
        }
        secrets
    }

    #[cfg(test)]
    pub(crate) fn redact(&self, words: &str) -> String {
        self.secrets().redact(words)
    }

    /// Takes out of a server's words what it may have quoted of our secrets, and of those in its very answer.
    pub(crate) fn redact_answer(&self, response: &Response, words: &str) -> String {
        let mut secrets = self.secrets();
        let body = answer::fields(&response.body).unwrap_or_default();
        SECRET_MEMBERS
            .iter()
            .filter_map(|name| answer::text(&body, name))
            .for_each(|value| secrets.hide(&Secret::new(value)));
        secrets.redact(words)
    }

    /// Keeps secrets that are no parameters out of what a server is quoted with: it may know them from before.
    pub(crate) fn hide<'a>(&mut self, secrets: impl IntoIterator<Item = &'a Secret>) {
        self.hidden.extend(secrets.into_iter().cloned());
    }

    /// What is sent, by name, and whether its value is nobody else's business.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        let fields = self.fields.iter().map(|(name, _)| (name.as_str(), SECRET_PARAMETERS.contains(&name.as_str())));
        fields.chain(self.authorization.iter().map(|_| ("Authorization", true)))
    }

    /// The parameters as they are sent.
    pub(super) fn fields(&self) -> Vec<(String, Secret)> {
        self.fields.clone()
    }

    /// The whole `Authorization` header, where the client proves itself by one.
    pub(super) fn authorization(&self) -> Option<&Secret> {
        self.authorization.as_ref()
    }

    #[cfg(test)]
    pub(crate) fn shown(&self) -> Vec<(&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
    }
}

/// application/x-www-form-urlencoded, one name or value.
fn form_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            byte => encoded.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
    encoded
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or_default().to_ascii_uppercase()
}

/// What came back, whatever its status.
#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The server's clock, from the `Date` header.
    pub(crate) date: Option<Timestamp>,
    /// Seconds to wait, from the `Retry-After` header.
    pub(crate) retry_after: Option<u64>,
    /// The `WWW-Authenticate` headers.
    pub(crate) challenges: Vec<Vec<u8>>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Unreachable {
    /// One line for a person.
    pub(crate) why: String,
    /// What mends it.
    pub(crate) mend: Mend,
    /// Trying again changes nothing: a certificate that is not trusted, a proxy that is none.
    pub(crate) is_lasting: bool,
    /// The server has seen nothing of it: there was no connection. Else it may have done what was asked.
    pub(crate) is_unsent: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_quote_no_secret_of_ours() {
        let mut form = Form::default();
        form.push("client_id", "client_1");
        form.push("refresh_token", "rt_secret");
        assert_eq!(form.redact("client_1 cannot use rt_secret."), "client_1 cannot use (redacted).");
    }

    #[test]
    fn nor_as_it_was_sent_nor_a_telling_part_of_it() {
        let mut form = Form::default();
        form.push("refresh_token", "rt/0123456789+abcdef=");
        form.authenticate("client_1", &Secret::new("s3:cret"), SecretBy::Basic);
        for (said, shown) in [
            ("bad body: refresh_token=rt%2F0123456789%2Babcdef%3D&x", "bad body: refresh_token=(redacted)&x"),
            ("no token rt/0123456789+* is known", "no token (redacted)* is known"),
            ("no token *789+abcdef= is known", "no token *789+abcdef= is known"),
            ("no token *456789+abcdef= \u{e9}", "no token *(redacted) \u{e9}"),
            ("Authorization: Basic Y2xpZW50XzE6czMlM0FjcmV0", "Authorization: (redacted)"),
            ("not \"Y2xpZW50XzE6czMlM0FjcmV0\", nor s3%3Acret", "not \"(redacted)\", nor (redacted)"),
            ("rt/0123456789 and rt/0123456789+abcdef=", "(redacted) and (redacted)"),
        ] {
            assert_eq!(form.redact(said), shown);
        }
    }

    #[test]
    fn a_client_proves_itself_in_the_way_it_is_asked_to() {
        let mut form = Form::default();
        form.authenticate("client 1", &Secret::new("s3:c/ret+"), SecretBy::Basic);
        let header = form.authorization.as_ref().map(|header| STANDARD.decode(&header.expose()[6..]).unwrap());
        assert_eq!(header.as_deref(), Some(b"client+1:s3%3Ac%2Fret%2B".as_slice()));
        assert!(form.shown().is_empty());
        assert_eq!(form.redact("not s3:c/ret+"), "not (redacted)");
        let mut form = Form::default();
        form.authenticate("client 1", &Secret::new("s3"), SecretBy::Post);
        assert_eq!(form.shown(), [("client_secret", "s3")]);
        assert!(form.authorization.is_none());
    }

    #[test]
    fn each_parameter_once_and_ours_over_extra() {
        let extra = BTreeMap::from([("client_id".to_owned(), "evil".to_owned()), ("mkt".to_owned(), "en".to_owned())]);
        let mut form = Form::new(&extra);
        form.push("client_id", "good");
        form.push_some("scope", Some(""));
        form.push_some("audience", None);
        assert_eq!(form.shown(), [("mkt", "en"), ("client_id", "good")]);
    }
}
