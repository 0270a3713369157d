//! Requests to authorization servers. The only file that names ureq, and the only wall to the network.
//!
//! What the library would do by default and must not do here: follow redirects (a token would follow), turn a 400 into
//! an error without its body (RFC 8628 speaks in 400s), wait for ever, read without a bound.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

use crate::clock::{self, Timestamp};
use crate::config::Location;
use crate::secret::Secret;

/// How long one request may take, from the name look-up to the last byte.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// A refresh whose answer is lost is sent again, and has to be while the provider still remembers the first: WorkOS' and
/// Okta's replay window is 30 s.
pub(crate) const REFRESH_PATIENCE: Duration = Duration::from_secs(12);
/// A poll's answer may take 30 s by itself: a lost one can cost the grant, because a device code works once.
pub(crate) const POLL_PATIENCE: Duration = Duration::from_secs(45);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// No answer of an authorization server is larger.
const BODY_LIMIT: u64 = 1 << 20;

/// The parameters whose values are nobody else's business.
const SECRET_PARAMETERS: &[&str] = &["refresh_token", "device_code", "token", "client_secret"];

/// Form parameters. A value may be a secret, so the type has no `Debug`.
#[derive(Default)]
pub(crate) struct Form(Vec<(String, Secret)>);

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
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), Secret::new(value)));
    }

    /// Sets a parameter that has a value; an empty one counts as left out (RFC 6749 section 3.2).
    pub(crate) fn push_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.push(name, value);
        }
    }

    /// Takes out of a server's words what it may have quoted of our secrets.
    pub(crate) fn redact(&self, words: &str) -> String {
        let secrets = self.0.iter().filter(|(name, _)| SECRET_PARAMETERS.contains(&name.as_str()));
        secrets.fold(words.to_owned(), |words, (_, secret)| match secret.expose() {
            "" => words,
            secret => without_its_beginning(words.replace(secret, "(redacted)"), secret),
        })
    }

    #[cfg(test)]
    pub(crate) fn shown(&self) -> Vec<(&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
    }
}

/// Takes the beginning of a secret off words that were cut in the middle of it.
fn without_its_beginning(words: String, secret: &str) -> String {
    let Some(kept) = words.strip_suffix("...") else { return words };
    let lengths = (1..=secret.len().min(kept.len())).rev().filter(|length| secret.is_char_boundary(*length));
    match lengths.map(|length| &secret[..length]).find(|beginning| kept.ends_with(beginning)) {
        Some(beginning) => format!("{}(redacted)...", &kept[..kept.len() - beginning.len()]),
        None => words,
    }
}

/// What came back, whatever its status.
#[derive(Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The server's clock, from the `Date` header.
    pub(crate) date: Option<Timestamp>,
    /// Seconds to wait, from the `Retry-After` header.
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer. What the server did is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unreachable {
    pub(crate) why: String,
    /// The server's certificate is not trusted, or `ca_file` is unusable: trying again changes nothing.
    pub(crate) is_distrusted: bool,
}

impl Unreachable {
    fn passing(why: String) -> Self {
        Self { why, is_distrusted: false }
    }

    fn distrusted(why: String) -> Self {
        Self { why, is_distrusted: true }
    }
}

/// The wall to the network: tests put their own here.
pub(crate) trait Http {
    /// Posts a form and returns the answer of any status.
    fn post(&self, url: &str, form: &Form, patience: Duration) -> Result<Response, Unreachable>;
    /// Gets a URL and returns the answer of any status.
    fn get(&self, url: &str, query: &Form) -> Result<Response, Unreachable>;
}

/// The real one. Nothing is set up before the first request, so that a hit pays nothing.
pub(crate) struct Web {
    ca_file: Option<PathBuf>,
}

impl Web {
    /// `ca_file`: certificates (PEM) to trust beside the system's.
    pub(crate) fn new(ca_file: Option<PathBuf>) -> Self {
        Self { ca_file }
    }

    fn agent(&self, url: &str, patience: Duration) -> Result<ureq::Agent, Unreachable> {
        // Profiles were checked when they were read: plain http is on this machine, and needs no proxy.
        let plain = url.starts_with("http://");
        let tls = TlsConfig::builder()
            .root_certs(self.roots().map_err(|error| Unreachable::distrusted(format!("{error:#}")))?);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .https_only(!plain)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(patience))
            .timeout_connect(Some(CONNECT_PATIENCE))
            .accept("application/json")
            .user_agent(concat!("keyfob/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build());
        let local = Location::parse(url).is_ok_and(|location| location.is_loopback());
        Ok(if local { config.proxy(None) } else { config }.build().new_agent())
    }

    fn roots(&self) -> anyhow::Result<RootCerts> {
        let Some(path) = &self.ca_file else { return Ok(RootCerts::PlatformVerifier) };
        let pem = std::fs::read(path).with_context(|| format!("cannot read ca_file {}", path.display()))?;
        let own = ureq::tls::parse_pem(&pem).filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        });
        let own: Vec<Certificate<'static>> = own.collect();
        anyhow::ensure!(!own.is_empty(), "ca_file {} holds no certificate", path.display());
        let system = rustls_native_certs::load_native_certs().certs;
        let system = system.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
        Ok(RootCerts::new_with_certs(&system.chain(own).collect::<Vec<_>>()))
    }
}

impl Http for Web {
    fn post(&self, url: &str, form: &Form, patience: Duration) -> Result<Response, Unreachable> {
        let pairs = form.0.iter().map(|(name, value)| (name.as_str(), value.expose()));
        read(url, self.agent(url, patience)?.post(url).send_form(pairs))
    }

    fn get(&self, url: &str, query: &Form) -> Result<Response, Unreachable> {
        let pairs = query.0.iter().map(|(name, value)| (name.as_str(), value.expose()));
        read(url, self.agent(url, PATIENCE)?.get(url).query_pairs(pairs).call())
    }
}

fn read(url: &str, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Response, Unreachable> {
    let answer = answer.map_err(|error| why(url, &error))?;
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let (status, date) = (answer.status().as_u16(), header("date").and_then(clock::http_date));
    // Seconds, or a date by the server's own clock (RFC 9110 section 10.2.3).
    let retry_after = header("retry-after").and_then(|when| {
        let until = || u64::try_from(clock::http_date(when)? - date?).ok();
        when.trim().parse().ok().or_else(until)
    });
    let mut body = Vec::new();
    let mut reader = answer.into_body().into_reader().take(BODY_LIMIT + 1);
    reader.read_to_end(&mut body).map_err(|error| why(url, &ureq::Error::from(error)))?;
    if body.len() as u64 > BODY_LIMIT {
        return Err(Unreachable::passing(format!("{} sent more than a megabyte", host(url))));
    }
    Ok(Response { status, date, retry_after, body })
}

/// The server, for a sentence.
pub(crate) fn host(url: &str) -> String {
    Location::parse(url).map_or_else(|_| url.to_owned(), |location| location.authority())
}

fn why(url: &str, error: &ureq::Error) -> Unreachable {
    let host = host(url);
    Unreachable::passing(match error {
        ureq::Error::HostNotFound => format!("{host} has no address: is the name right, is the network up?"),
        ureq::Error::Timeout(_) => format!("{host} did not answer in time"),
        ureq::Error::Rustls(error) => {
            return Unreachable::distrusted(format!("no secure connection to {host}: {error}"));
        }
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => format!("{host} refuses connections"),
            ErrorKind::UnexpectedEof => format!("{host} closed the connection"),
            // rustls reports through I/O what it finds wrong with a certificate.
            ErrorKind::InvalidData if error.to_string().contains("certificate") => {
                return Unreachable::distrusted(format!("no secure connection to {host}: {error}"));
            }
            _ => format!("cannot talk to {host}: {error}"),
        },
        error => format!("cannot talk to {host}: {error}"),
    })
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
    fn each_parameter_once_and_ours_over_extra() {
        let extra = BTreeMap::from([("client_id".to_owned(), "evil".to_owned()), ("mkt".to_owned(), "en".to_owned())]);
        let mut form = Form::new(&extra);
        form.push("client_id", "good");
        form.push_some("scope", Some(""));
        form.push_some("audience", None);
        assert_eq!(form.shown(), [("mkt", "en"), ("client_id", "good")]);
    }
}
