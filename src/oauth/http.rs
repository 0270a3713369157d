//! Requests to authorization servers, and why one had no answer. With resolve.rs the only file that names ureq, and the only
//! wall to the network.
//!
//! What the library would do by default and must not do here: follow redirects (a token would follow), turn a 400 into
//! an error without its body (RFC 8628 speaks in 400s), wait for ever, read without a bound.

use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

use super::message::{Form, Response, Unreachable};
use super::resolve::{self, Getent, NoGetent};
use super::traced;
use super::watch::{self, Patience};
use crate::clock;
use crate::config::proxy::{BadProxy, Proxies, Proxy};
use crate::config::refuse_writable;
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::Location;
use crate::model::provider::Preset;
use crate::secret::Secret;
use crate::trace::trace;

/// How long one request may take, from the name look-up to the last byte.
pub(crate) const PATIENCE: Patience = Patience::once(Duration::from_secs(30));
/// A refresh spends its token when the provider reads it: giving up early loses the successor.
const REFRESH_PATIENCE: Duration = Duration::from_secs(45);
/// Where the provider answers the same twice for a while, it is sent again well within that: the shortest is 30 s.
const REPLAY_AFTER: Duration = Duration::from_secs(12);
/// A poll's answer may take 30 s by itself: a lost one can cost the grant, because a device code works once.
pub(crate) const POLL_PATIENCE: Duration = Duration::from_secs(45);
/// The library's own limit: longer than any of ours, which count the time we were awake alone.
const LIBRARY_PATIENCE: Duration = Duration::from_mins(30);
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// No answer of an authorization server is larger.
const BODY_LIMIT: u64 = 1 << 20;

/// The wall to the network: tests put their own here.
pub(crate) trait Http {
    /// Posts a form and returns the answer of any status.
    fn post(&self, url: &str, form: &Form, patience: Patience) -> Result<Response, Unreachable>;
    /// Gets a URL and returns the answer of any status.
    fn get(&self, url: &str, query: &Form) -> Result<Response, Unreachable>;
}

/// How long a refresh is waited for, at a provider with or without a replay window.
pub(crate) fn refresh_patience(preset: &Preset) -> Patience {
    Patience { whole: REFRESH_PATIENCE, again_after: preset.replay_window.map(|_| REPLAY_AFTER) }
}

/// The real one. Nothing is set up before the first request, so that a hit pays nothing.
#[derive(Clone)]
pub(crate) struct Web {
    ca_file: Option<PathBuf>,
    proxies: fn() -> Proxies,
}

/// A request's agent, and the proxy it goes through.
struct Agent {
    ureq: ureq::Agent,
    proxy: Option<Proxy>,
}

impl Web {
    /// `ca_file`: certificates (PEM) to trust beside the system's. `proxies`: looks up what the environment says of them.
    pub(crate) fn new(ca_file: Option<PathBuf>, proxies: fn() -> Proxies) -> Self {
        Self { ca_file, proxies }
    }

    fn agent(&self, url: &str) -> Result<Agent, Unreachable> {
        // Profiles and metadata were checked when they were read: plain http is on this machine.
        let plain = url.starts_with("http://");
        let lasting =
            |why: String, mend: &str| Unreachable { why, mend: mend.into(), is_lasting: true, is_unsent: true };
        let roots = self.roots().map_err(|error| lasting(format!("{error:#}"), "correct ca_file in the profile"))?;
        let proxy = match Location::parse(url) {
            Ok(location) => (self.proxies)().choose(&location).map_err(|BadProxy { variable, why }| {
                lasting(format!("{variable} names no proxy: {why}"), &format!("correct {variable}, or unset it"))
            })?,
            Err(_) => None,
        };
        let ureq_proxy = proxy.as_ref().map(|proxy| ureq::Proxy::new(proxy.url.expose())).transpose();
        let ureq_proxy = ureq_proxy.map_err(|_| {
            let variable = proxy.as_ref().map_or("HTTPS_PROXY", |proxy| proxy.variable);
            lasting(format!("{variable} names no proxy"), &format!("correct {variable}, or unset it"))
        })?;
        if let Some(Proxy { variable, authority, url: _ }) = &proxy {
            trace!("proxy: {authority} ({variable})");
        }
        let tls = TlsConfig::builder().root_certs(roots);
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .https_only(!plain)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(LIBRARY_PATIENCE))
            .timeout_connect(Some(CONNECT_PATIENCE))
            .accept("application/json")
            .user_agent(concat!("keyfob/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls.build())
            // Always said: ureq would read the environment by rules of its own.
            .proxy(ureq_proxy);
        let config = config.build();
        let ureq = if resolve::IS_NEEDED {
            ureq::Agent::with_parts(config, DefaultConnector::default(), Getent)
        } else {
            config.new_agent()
        };
        Ok(Agent { ureq, proxy })
    }

    fn roots(&self) -> anyhow::Result<RootCerts> {
        let Some(path) = &self.ca_file else { return Ok(RootCerts::PlatformVerifier) };
        let cannot_read = || format!("cannot read ca_file {}", path.display());
        let mut file = std::fs::File::open(path).with_context(cannot_read)?;
        // Whoever can write to it can stand between us and the provider.
        refuse_writable(&file, path).map_err(|error| anyhow::anyhow!("ca_file {error}"))?;
        let mut pem = Vec::new();
        file.read_to_end(&mut pem).with_context(cannot_read)?;
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
    fn post(&self, url: &str, form: &Form, patience: Patience) -> Result<Response, Unreachable> {
        traced::exchange("POST", url, form, || {
            let call =
                Call { url: url.to_owned(), fields: form.fields(), authorization: form.authorization().cloned() };
            self.watch(patience, call, Web::send)
        })
    }

    fn get(&self, url: &str, query: &Form) -> Result<Response, Unreachable> {
        traced::exchange("GET", url, query, || {
            let call = Call { url: url.to_owned(), fields: query.fields(), authorization: None };
            self.watch(PATIENCE, call, Web::ask)
        })
    }
}

/// What a thread of its own needs to make a request.
struct Call {
    url: String,
    fields: Vec<(String, Secret)>,
    authorization: Option<Secret>,
}

impl Call {
    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.expose()))
    }
}

impl Web {
    fn watch(
        &self,
        patience: Patience,
        call: Call,
        make: fn(&Self, &Call) -> Result<Response, Unreachable>,
    ) -> Result<Response, Unreachable> {
        let (web, peer) = (self.clone(), host(&call.url));
        watch::watch(patience, move || make(&web, &call)).unwrap_or_else(|| {
            let mend = Mend::wait("try again; where the network wants a proxy, set HTTPS_PROXY");
            let why = format!("{peer} did not answer in time");
            Err(Unreachable { why, mend, is_lasting: false, is_unsent: false })
        })
    }

    fn send(&self, call: &Call) -> Result<Response, Unreachable> {
        let url = &call.url;
        let agent = self.agent(url)?;
        let mut request = agent.ureq.post(url);
        if let Some(authorization) = &call.authorization {
            request = request.header("Authorization", authorization.expose());
        }
        read(request.send_form(call.pairs())).map_err(|error| why(url, agent.proxy.as_ref(), &error))
    }

    fn ask(&self, call: &Call) -> Result<Response, Unreachable> {
        let agent = self.agent(&call.url)?;
        let answer = agent.ureq.get(&call.url).query_pairs(call.pairs()).call();
        read(answer).map_err(|error| why(&call.url, agent.proxy.as_ref(), &error))
    }
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Response, ureq::Error> {
    let answer = answer?;
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let (status, date) = (answer.status().as_u16(), header("date").and_then(clock::http_date));
    // Seconds, or a date by the server's own clock (RFC 9110 section 10.2.3).
    let retry_after = header("retry-after").and_then(|when| {
        let until = || u64::try_from(clock::http_date(when)? - date?).ok();
        when.trim().parse().ok().or_else(until)
    });
    let challenges = answer.headers().get_all("www-authenticate").iter();
    let challenges = challenges.map(|value| value.as_bytes().to_vec()).collect();
    let mut body = Vec::new();
    answer.into_body().into_reader().take(BODY_LIMIT + 1).read_to_end(&mut body).map_err(ureq::Error::from)?;
    if body.len() as u64 > BODY_LIMIT {
        return Err(ureq::Error::BodyExceedsLimit(BODY_LIMIT));
    }
    Ok(Response { status, date, retry_after, challenges, body })
}

/// The server, for a sentence.
pub(crate) fn host(url: &str) -> String {
    Location::parse(url).map_or_else(|_| url.to_owned(), |location| location.authority())
}

/// What went wrong on the way, each kind in its own sentence with what mends it. Of the library's errors only those texts
/// are quoted that hold no part of a request.
fn why(url: &str, proxy: Option<&Proxy>, error: &ureq::Error) -> Unreachable {
    let host = host(url);
    let is_unsent = is_unsent(error);
    let passing = |why: String, mend: Mend| Unreachable { why, mend, is_lasting: false, is_unsent };
    let lasting = |why: String, mend: Mend| Unreachable { why, mend, is_lasting: true, is_unsent };
    let again = || Mend::wait("try again");
    // Whom the connection was meant for, and what sent us there.
    let (peer, its_mend) = match proxy {
        Some(Proxy { variable, authority, url: _ }) => {
            let mend = format!("correct {variable}, or add {host} to NO_PROXY");
            (format!("the proxy {authority} ({variable})"), Some(Mend::from(mend)))
        }
        None => (host.clone(), None),
    };
    if let Some(words) = tls_words(error) {
        return match words.as_str() {
            words if words.contains("certificate expired") => lasting(
                format!("the certificate of {host} has expired, or this machine's clock is ahead"),
                "check the clock (date -u); if it is right, the server needs a new certificate".into(),
            ),
            words if words.contains("not valid yet") => lasting(
                format!("the certificate of {host} is not valid yet, or this machine's clock is behind"),
                "check the clock (date -u)".into(),
            ),
            words => lasting(
                format!("no secure connection to {host}: {words}"),
                "name its issuer's certificate as ca_file in the profile".into(),
            ),
        };
    }
    let no_address = |its_mend: Option<Mend>| {
        let mend = "check the name, and whether the network is up".into();
        passing(format!("{peer} has no address"), its_mend.unwrap_or(mend))
    };
    match error {
        ureq::Error::HostNotFound => no_address(its_mend),
        ureq::Error::Timeout(_) => {
            let mend = Mend::wait("try again; where the network wants a proxy, set HTTPS_PROXY");
            passing(format!("{peer} did not answer in time"), its_mend.unwrap_or(mend))
        }
        ureq::Error::ConnectProxyFailed(words) => {
            // The library says the number twice: "proxy server responded 407/407".
            let answer = words.rsplit_once(' ').and_then(|(_, word)| word.split_once('/')).map(|(number, _)| number);
            let words = answer.map_or_else(|| escape(words), |number| format!("it answered {}", escape(number)));
            let mend = match (answer, proxy) {
                (Some("407"), Some(Proxy { variable, .. })) => {
                    format!("write {variable} as http://USER:PASSWORD@HOST:PORT, or add {host} to NO_PROXY").into()
                }
                _ => its_mend.unwrap_or_else(again),
            };
            lasting(format!("{peer} does not let us through to {host}: {words}"), mend)
        }
        ureq::Error::BodyExceedsLimit(_) => passing(format!("{host} sent more than a megabyte"), again()),
        ureq::Error::Io(error) if is_no_getent(error) => lasting(
            format!("cannot look up {peer}: {NoGetent}"),
            "install it: libc-bin on Debian and Ubuntu, glibc-common on Fedora".into(),
        ),
        // std has no kind of its own for a name that is not found; this is its text for all that getaddrinfo says.
        ureq::Error::Io(error) if error.to_string().starts_with("failed to lookup address") => no_address(its_mend),
        ureq::Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => {
                passing(format!("{peer} refuses connections"), its_mend.unwrap_or_else(again))
            }
            ErrorKind::UnexpectedEof => passing(format!("{peer} closed the connection"), again()),
            _ => passing(format!("cannot talk to {peer}: {error}"), its_mend.unwrap_or_else(again)),
        },
        error => passing(format!("cannot talk to {peer}: {error}"), its_mend.unwrap_or_else(again)),
    }
}

fn is_no_getent(error: &std::io::Error) -> bool {
    error.get_ref().and_then(|source| source.downcast_ref::<NoGetent>()).is_some()
}

/// Whether nothing of the request can have reached the server: there was no connection yet.
fn is_unsent(error: &ureq::Error) -> bool {
    use ureq::Timeout;
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::ConnectProxyFailed(_) => true,
        ureq::Error::Timeout(timeout) => matches!(timeout, Timeout::Resolve | Timeout::Connect),
        ureq::Error::Io(error) => {
            matches!(
                error.kind(),
                ErrorKind::ConnectionRefused
                    | ErrorKind::HostUnreachable
                    | ErrorKind::NetworkUnreachable
                    | ErrorKind::NetworkDown
                    | ErrorKind::AddrNotAvailable
            ) || is_no_getent(error)
                || error.to_string().starts_with("failed to lookup address")
                || is_certificate(error)
        }
        ureq::Error::Rustls(error) => error.to_string().contains("certificate"),
        _ => false,
    }
}

/// A certificate is looked at before anything is sent.
fn is_certificate(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::InvalidData && error.to_string().contains("certificate")
}

/// What rustls finds wrong with a connection, which also comes wrapped in I/O.
fn tls_words(error: &ureq::Error) -> Option<String> {
    match error {
        ureq::Error::Rustls(error) => Some(error.to_string()),
        ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            Some(error.to_string()).filter(|words| words.contains("certificate"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_its_own_sentence() {
        let io = |kind, text: &str| ureq::Error::Io(std::io::Error::new(kind, text.to_owned()));
        let proxy = || Proxy {
            variable: "HTTPS_PROXY",
            authority: "proxy.dev:3128".to_owned(),
            url: Secret::new("http://ann:s3cret@proxy.dev:3128"),
        };
        for (error, is_proxied, said, mend) in [
            (ureq::Error::Timeout(ureq::Timeout::Global), false, "a.dev did not answer in time", "set HTTPS_PROXY"),
            (
                ureq::Error::Timeout(ureq::Timeout::Connect),
                true,
                "the proxy proxy.dev:3128 (HTTPS_PROXY) did not",
                "NO_PROXY",
            ),
            (ureq::Error::HostNotFound, false, "a.dev has no address", "check the name"),
            (
                ureq::Error::Io(std::io::Error::other(NoGetent)),
                false,
                "cannot look up a.dev: there is no getent",
                "libc-bin",
            ),
            (io(ErrorKind::Other, "failed to lookup address information: x"), false, "a.dev has no", "check the name"),
            (io(ErrorKind::ConnectionRefused, ""), false, "a.dev refuses connections", "try again"),
            (io(ErrorKind::UnexpectedEof, ""), false, "a.dev closed the connection", "try again"),
            (
                io(ErrorKind::InvalidData, "invalid peer certificate: certificate expired: x"),
                false,
                "the certificate of a.dev has expired",
                "check the clock",
            ),
            (
                io(ErrorKind::InvalidData, "invalid peer certificate: certificate not valid yet: x"),
                true,
                "the certificate of a.dev is not valid yet",
                "check the clock",
            ),
            (
                io(ErrorKind::InvalidData, "invalid peer certificate: UnknownIssuer"),
                false,
                "no secure connection to a.dev",
                "ca_file",
            ),
            (
                ureq::Error::ConnectProxyFailed("proxy server responded 407/407".to_owned()),
                true,
                "the proxy proxy.dev:3128 (HTTPS_PROXY) does not let us through to a.dev: it answered 407",
                "write HTTPS_PROXY as http://USER:PASSWORD@HOST:PORT, or add a.dev to NO_PROXY",
            ),
            (
                ureq::Error::ConnectProxyFailed("proxy server did not respond \u{1b}".to_owned()),
                true,
                "the proxy proxy.dev:3128 (HTTPS_PROXY) does not let us through to a.dev: proxy server did not",
                "correct HTTPS_PROXY, or add a.dev to NO_PROXY",
            ),
            (ureq::Error::BodyExceedsLimit(1), false, "a.dev sent more than a megabyte", "try again"),
        ] {
            let proxy = is_proxied.then(proxy);
            let told = why("https://a.dev/token", proxy.as_ref(), &error);
            let is_before =
                !matches!(error, ureq::Error::Timeout(ureq::Timeout::Global) | ureq::Error::BodyExceedsLimit(_));
            let is_cut = matches!(&error, ureq::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof);
            assert_eq!(told.is_unsent, is_before && !is_cut, "{told:?}");
            assert!(told.why.starts_with(said) && told.mend.words().contains(mend), "{told:?}");
            assert!(!told.why.contains("s3cret") && !told.why.contains('\u{1b}'), "{told:?}");
        }
    }
}
