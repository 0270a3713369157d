//! A web address as far as credentials care: scheme, host, port, path. Compared exactly, never by prefix of a name.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};

/// `https` anywhere, `http` on this machine alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Https,
    Http,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

/// Where something is. The host is lower-case and without brackets; the path is its segments, decoded (RFC 3986 section 2.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    pub(crate) scheme: Scheme,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: Vec<String>,
}

/// Why a text is no usable address; the words fit after the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Neither `https://` nor `http://`.
    Scheme,
    /// `http://` beyond this machine: a token would cross the network in the clear.
    PlainHttp,
    /// No host, or characters that no host has.
    Host,
    /// Not a number from 1 to 65535.
    Port,
    /// User name, query or fragment: no place to look credentials up by.
    Extra,
    /// Control characters, `.` or `..` or empty segments, or a `%` that begins no byte in the path.
    Path,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "is not an https:// address",
            Self::PlainHttp => "is plain http beyond this machine, and a token would cross the network unprotected",
            Self::Host => "has no usable host name",
            Self::Port => "has no usable port",
            Self::Extra => "has a user name, a query or a fragment",
            Self::Path => "has an unusable path",
        })
    }
}

impl Location {
    /// Reads `https://host[:port][/path]`, or `host[:port][/path]` which means https.
    pub(crate) fn parse(text: &str) -> Result<Self, Unusable> {
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Https, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some(_) => return Err(Unusable::Scheme),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.contains(['?', '#']) || authority.contains('@') {
            return Err(Unusable::Extra);
        }
        // The dot of the root, behind a whole name (RFC 1034 section 3.1), names no other place.
        let rooted = authority.split_once(".:").map(|(host, port)| format!("{host}:{port}"));
        let authority = rooted.as_deref().unwrap_or(authority.strip_suffix('.').unwrap_or(authority));
        Self::new(scheme, authority, segments(&decoded(path).ok_or(Unusable::Path)?)?)
    }

    /// Puts together what a client names apart: scheme, `host[:port]`, and as a path any bytes, decoded and without a leading slash. One
    /// that no entry can have (with `..` in it, or not text) is that of no entry, and the host's own all the same.
    pub(crate) fn asked(scheme: Scheme, authority: &str, path: &[u8]) -> Result<Self, Unusable> {
        let path = std::str::from_utf8(path).map_err(|_| Unusable::Path).and_then(segments);
        Self::new(scheme, authority, path.unwrap_or_else(|_| vec!["\0".to_owned()]))
    }

    fn new(scheme: Scheme, authority: &str, path: Vec<String>) -> Result<Self, Unusable> {
        let (host, port) = split_port(authority)?;
        let host = normal_host(host)?;
        let port = match port {
            None => scheme.default_port(),
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => {
                port.parse().ok().filter(|port| *port != 0).ok_or(Unusable::Port)?
            }
            Some(_) => return Err(Unusable::Port),
        };
        let location = Self { scheme, host, port, path };
        if scheme == Scheme::Http && !location.is_loopback() {
            return Err(Unusable::PlainHttp);
        }
        Ok(location)
    }

    /// Whether it is on this machine: 127.0.0.0/8, `::1` or `localhost`.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
            || self.host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// `host[:port]`, the port only where it is not the scheme's own.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
        };
        write!(f, "{scheme}://{}", self.authority())?;
        self.path.iter().try_for_each(|segment| write!(f, "/{}", encoded(segment)))
    }
}

/// An address as it may be shown: what stands before `@` may hold a password, and so may a query.
pub(crate) fn without_user(url: &str) -> String {
    let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (scheme, rest) = url.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).unwrap_or(("", url));
    let shown = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, rest)| format!("...@{rest}"));
    let shown = shown.split_once('?').map_or_else(|| shown.clone(), |(place, _)| format!("{place}?..."));
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{shown}").escape_debug().to_string()
}

/// A proxy as it is compared: `scheme://host:port`, whoever signs in there. `None` where it is no proxy's address.
pub(crate) fn proxy(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "http" => "80",
        "https" => "443",
        "socks5" | "socks5h" => "1080",
        _ => return None,
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = split_port(authority.rsplit_once('@').map_or(authority, |(_, place)| place)).ok()?;
    let port: u16 = port.unwrap_or(usual).parse().ok()?;
    Some(format!("{scheme}://{}:{port}", normal_host(host).ok()?))
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), Unusable> {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(Unusable::Host)?;
        host.parse::<Ipv6Addr>().map_err(|_| Unusable::Host)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(Unusable::Host),
        };
    }
    Ok(authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))))
}

fn normal_host(host: &str) -> Result<String, Unusable> {
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_name = !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|label| !label.is_empty() && label.bytes().all(name));
    match host.parse::<Ipv6Addr>() {
        // One spelling (RFC 5952).
        Ok(address) => Ok(address.to_string()),
        Err(_) if is_name => Ok(host.to_ascii_lowercase()),
        Err(_) => Err(Unusable::Host),
    }
}

/// The segments of a decoded path.
fn segments(path: &str) -> Result<Vec<String>, Unusable> {
    let path = path.trim_end_matches('/');
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/')
        .map(|segment| match segment {
            "" | "." | ".." => Err(Unusable::Path),
            _ if segment.chars().any(char::is_control) => Err(Unusable::Path),
            _ => Ok(segment.to_owned()),
        })
        .collect()
}

/// A path with each `%XX` as the byte that it stands for; `None` where it stands for none, or where that is no text.
pub(crate) fn decoded(path: &str) -> Option<Cow<'_, str>> {
    if !path.contains('%') {
        return Some(path.into());
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(digit(digits[0])? << 4 | digit(digits[1])?);
        rest = more;
    }
    String::from_utf8(bytes).ok().map(Cow::from)
}

/// A segment as a URL has it: what is no `pchar` is encoded (RFC 3986 section 3.3).
fn encoded(segment: &str) -> String {
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_a_password() {
        for (url, shown) in [
            ("https://ann:pw@a.dev/x", "https://...@a.dev/x"),
            ("ann:pw@a.dev", "...@a.dev"),
            ("ann:pw@https://a.dev", "...@https://a.dev"),
            ("https://ann:p?w@a.dev", "https://...@a.dev"),
            ("https://a.dev/x?key=pw", "https://a.dev/x?..."),
            ("a\u{1b}.dev", "a\\u{1b}.dev"),
        ] {
            assert_eq!(without_user(url), shown);
        }
    }

    #[test]
    fn a_bare_host_is_https_at_its_port() {
        for (text, said) in [
            ("git.acme.dev", "https://git.acme.dev"),
            ("GIT.Acme.dev:443", "https://git.acme.dev"),
            ("registry.acme.dev:5000", "https://registry.acme.dev:5000"),
            ("https://git.acme.dev/team/", "https://git.acme.dev/team"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://localhost:80/x/y", "http://localhost/x/y"),
            ("[::1]:7000", "https://[::1]:7000"),
            ("[0:0:0::1]:7000", "https://[::1]:7000"),
            ("https://[2001:DB8::0:1]", "https://[2001:db8::1]"),
            ("https://k8s.acme.dev.:6443/x", "https://k8s.acme.dev:6443/x"),
            ("https://k8s.acme.dev.", "https://k8s.acme.dev"),
            ("https://git.acme.dev/My%20Project/x", "https://git.acme.dev/My%20Project/x"),
            ("https://git.acme.dev/My Project/%78", "https://git.acme.dev/My%20Project/x"),
            ("https://git.acme.dev/gr%C3%BC%c3%9fe", "https://git.acme.dev/gr%C3%BC%C3%9Fe"),
            ("https://git.acme.dev/a%2Fb", "https://git.acme.dev/a/b"),
            ("https://git.acme.dev/50%25", "https://git.acme.dev/50%25"),
        ] {
            assert_eq!(Location::parse(text).map(|l| l.to_string()).as_deref(), Ok(said));
        }
    }

    /// git names a path decoded, and any bytes may be in it.
    #[test]
    fn whatever_the_path_the_host_is_the_host() {
        let asked = |path: &[u8]| Location::asked(Scheme::Https, "git.acme.dev", path).unwrap();
        assert_eq!(asked(b"My Project/x"), Location::parse("git.acme.dev/My%20Project/x").unwrap());
        assert_eq!(asked(b"50%25"), Location::parse("git.acme.dev/50%2525").unwrap(), "nothing is decoded twice");
        for odd in [&b"team/../other"[..], b"a//b", b"\xff", b"a\x01b", b"./x"] {
            let odd = asked(odd);
            assert_eq!((odd.authority(), odd.path.len()), ("git.acme.dev".to_owned(), 1));
            assert!(Location::parse(&odd.to_string()).is_err(), "no entry has it: {odd}");
        }
    }

    #[test]
    fn a_proxy_is_its_place_whoever_signs_in_there() {
        for (url, place) in [
            ("http://proxy.acme.dev:3128", Some("http://proxy.acme.dev:3128")),
            ("HTTP://ann:pw@Proxy.acme.dev:3128/", Some("http://proxy.acme.dev:3128")),
            ("https://proxy.acme.dev", Some("https://proxy.acme.dev:443")),
            ("socks5://[0::1]", Some("socks5://::1:1080")),
            ("proxy.acme.dev:3128", None),
            ("ftp://proxy.acme.dev", None),
            ("http://proxy.acme.dev/x", None),
            ("http://", None),
            ("", None),
        ] {
            assert_eq!(proxy(url).as_deref(), place, "{url}");
        }
    }

    #[test]
    fn what_is_no_place_for_credentials() {
        for (text, why) in [
            ("http://git.acme.dev", Unusable::PlainHttp),
            ("http://127.0.0.1.evil.dev", Unusable::PlainHttp),
            ("http://localhost.evil.dev", Unusable::PlainHttp),
            ("ssh://git.acme.dev", Unusable::Scheme),
            ("https://", Unusable::Host),
            ("", Unusable::Host),
            ("a..b", Unusable::Host),
            ("a..", Unusable::Host),
            (".", Unusable::Host),
            ("a b", Unusable::Host),
            ("git.acme.dev\n", Unusable::Host),
            ("g\u{131}t.dev", Unusable::Host),
            ("[::1", Unusable::Host),
            ("[evil]", Unusable::Host),
            ("git.acme.dev:", Unusable::Port),
            ("git.acme.dev:0", Unusable::Port),
            ("git.acme.dev:+44", Unusable::Port),
            ("git.acme.dev:99999", Unusable::Port),
            ("https://me@git.acme.dev", Unusable::Extra),
            ("https://git.acme.dev?x", Unusable::Extra),
            ("https://git.acme.dev#x", Unusable::Extra),
            ("https://git.acme.dev/a//b", Unusable::Path),
            ("https://git.acme.dev/../b", Unusable::Path),
            ("https://git.acme.dev/a/%2E%2e/b", Unusable::Path),
            ("https://git.acme.dev/a%2F..%2Fb", Unusable::Path),
            ("https://git.acme.dev/a%0Ab", Unusable::Path),
            ("https://git.acme.dev/a%", Unusable::Path),
            ("https://git.acme.dev/a%2", Unusable::Path),
            ("https://git.acme.dev/a%+1", Unusable::Path),
            ("https://git.acme.dev/a%ff", Unusable::Path),
        ] {
            assert_eq!(Location::parse(text), Err(why), "{text}");
        }
    }
}
