//! Names to addresses, for a static program. The C library looks names up through plug-ins of the system (NSS), which
//! crash a program that is statically linked; so the system's own `getent` does it, a child process on a miss.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::config::programs::find;
use crate::process::{self, With};

/// Whether names have to be looked up elsewhere: with glibc linked statically (musl's resolver has no plug-ins).
pub(super) const IS_NEEDED: bool = cfg!(all(target_os = "linux", target_env = "gnu", target_feature = "crt-static"));

/// The system's resolver, asked through `getent`.
#[derive(Debug)]
pub(super) struct Getent;

/// The system has no `getent` to ask.
#[derive(Debug)]
pub(super) struct NoGetent;

impl fmt::Display for NoGetent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no getent to look names up with")
    }
}

impl std::error::Error for NoGetent {}

impl Resolver for Getent {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default();
        // A proxy may be plain http; everything else names its port or is https.
        let default_port = if uri.scheme_str() == Some("http") { 80 } else { 443 };
        let port = uri.port_u16().unwrap_or(default_port);
        let found = match on_this_machine(host) {
            Some(addresses) => addresses,
            None => ask(host, *timeout.after).map_err(|error| match error.kind() {
                ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
                ErrorKind::NotFound => ureq::Error::Io(Error::new(ErrorKind::NotFound, NoGetent)),
                _ => ureq::Error::Io(error),
            })?,
        };
        let mut addresses = self.empty();
        // As many as fit; nobody tries more.
        for address in found.into_iter().take(16) {
            addresses.push(SocketAddr::new(address, port));
        }
        if addresses.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(addresses) }
    }
}

/// What needs no look-up: an address, and this machine (RFC 6761 section 6.3).
fn on_this_machine(host: &str) -> Option<Vec<IpAddr>> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse() {
        return Some(vec![address]);
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    is_local.then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

/// What the system says of a name, in its own order (RFC 6724); nothing where it has no address.
fn ask(host: &str, patience: Duration) -> Result<Vec<IpAddr>, Error> {
    // No host has such a name, and getent would take it for an option.
    if host.starts_with('-') {
        return Ok(Vec::new());
    }
    let with = With { patience, ..With::default() };
    // It fails where the name has no address, and says nothing.
    // By its whole path: an empty part of PATH stands for the current folder, where anybody may have put one.
    let getent = find("getent").ok_or(ErrorKind::NotFound)?;
    let answer = process::ask(getent, ["ahosts", host], &with)?;
    Ok(parse(&String::from_utf8_lossy(answer.stdout.expose())))
}

/// getent(1): a line for each address and kind of socket, `192.0.2.1  STREAM name`.
fn parse(output: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        (words.next() == Some("STREAM")).then_some(address)
    };
    output.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_this_machine_need_no_look_up() {
        let both: Vec<IpAddr> = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        for (host, addresses) in [
            ("192.0.2.1", Some(vec!["192.0.2.1".parse().unwrap()])),
            ("[2001:db8::1]", Some(vec!["2001:db8::1".parse().unwrap()])),
            ("localhost", Some(both.clone())),
            ("auth.LOCALHOST.", Some(both)),
            ("localhost.acme.dev", None),
            ("acme.dev", None),
        ] {
            assert_eq!(on_this_machine(host), addresses, "{host}");
        }
    }

    #[test]
    fn the_systems_order_is_kept_and_each_address_stands_once() {
        let output = "2001:db8::1     STREAM auth.acme.dev\n2001:db8::1     DGRAM  \n2001:db8::1     RAW    \n\
                      192.0.2.1       STREAM \n192.0.2.1       DGRAM  \nnonsense STREAM\nfe80::1%eth0 STREAM\n\n";
        let addresses: Vec<IpAddr> = vec!["2001:db8::1".parse().unwrap(), "192.0.2.1".parse().unwrap()];
        assert_eq!(parse(output), addresses);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_is_no_option() {
        assert!(ask("--help", Duration::from_secs(9)).unwrap().is_empty());
    }
}
