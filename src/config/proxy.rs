//! Which proxy a request goes through, by the variables curl reads and by curl's rules. Chosen here and passed in: a
//! library that reads the environment by itself has rules of its own.

use std::net::IpAddr;

use crate::model::Location;
use crate::model::location::Scheme;
use crate::secret::Secret;

/// What the environment says of proxies.
#[derive(Default)]
pub(crate) struct Proxies {
    /// The variable that names a proxy, and its value, which may hold a password.
    pub(crate) setting: Option<(&'static str, Secret)>,
    /// Hosts that are asked directly.
    pub(crate) exceptions: String,
}

/// The proxy for a request.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// The variable that names it.
    pub(crate) variable: &'static str,
    /// `host:port`, fit to be shown.
    pub(crate) authority: String,
    /// The whole, with what is before `@`.
    pub(crate) url: Secret,
}

/// A variable that names no proxy; its name, and why. Its value may hold a password.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadProxy {
    pub(crate) variable: &'static str,
    pub(crate) why: &'static str,
}

impl Proxies {
    /// The proxy for `target`, if it is to go through one. This machine is never asked through a proxy.
    pub(crate) fn choose(&self, target: &Location) -> Result<Option<Proxy>, BadProxy> {
        match &self.setting {
            Some((variable, value)) if !target.is_loopback() && !is_excepted(&self.exceptions, &target.host) => {
                parse(variable, value.expose()).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// `[http[s]://][user:password@]host[:port]`; without a scheme http, and without a port 1080, as curl has it.
fn parse(variable: &'static str, value: &str) -> Result<Proxy, BadProxy> {
    let bad = |why| BadProxy { variable, why };
    let (scheme, rest) = value.trim().split_once("://").unwrap_or(("http", value.trim()));
    let scheme = scheme.to_ascii_lowercase();
    let usual_port = match scheme.as_str() {
        "http" => 1080,
        "https" => 443,
        _ => return Err(bad("keyfob speaks to http:// and https:// proxies alone")),
    };
    let rest = rest.trim_end_matches('/');
    let (user, authority) = rest.rsplit_once('@').map_or(("", rest), |(user, host)| (user, host));
    let named = Location::asked(Scheme::Https, authority, b"").map_err(|_| bad("it has no usable host and port"))?;
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = if has_port { named.port } else { usual_port };
    let host = if named.host.contains(':') { format!("[{}]", named.host) } else { named.host };
    let authority = format!("{host}:{port}");
    let separator = if user.is_empty() { "" } else { "@" };
    let url = Secret::new(format!("{scheme}://{user}{separator}{authority}"));
    Ok(Proxy { variable, authority, url })
}

/// curl's `NO_PROXY`: names between commas or spaces, each for itself and everything below it, with or without a leading
/// dot; addresses, also as a network (`10.0.0.0/8`); `*` alone for everything.
fn is_excepted(exceptions: &str, host: &str) -> bool {
    if exceptions.trim() == "*" {
        return true;
    }
    exceptions.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| {
        if let Ok(address) = host.parse::<IpAddr>() {
            return is_within(entry.trim_matches(['[', ']']), address);
        }
        let entry = entry.strip_prefix('.').unwrap_or(entry).trim_end_matches('.').to_ascii_lowercase();
        let above = host.strip_suffix(&entry).filter(|_| !entry.is_empty());
        above.is_some_and(|label| label.is_empty() || label.ends_with('.'))
    })
}

/// Whether an entry is that address, or a network it is in.
fn is_within(entry: &str, address: IpAddr) -> bool {
    let (network, length) = entry.split_once('/').map_or((entry, None), |(network, length)| (network, Some(length)));
    let Ok(network) = network.parse::<IpAddr>() else { return false };
    let (bits, left, right) = match (network, address) {
        (IpAddr::V4(left), IpAddr::V4(right)) => (32, u128::from(left.to_bits()), u128::from(right.to_bits())),
        (IpAddr::V6(left), IpAddr::V6(right)) => (128, left.to_bits(), right.to_bits()),
        _ => return false,
    };
    let Ok(length) = length.map_or(Ok(bits), str::parse::<u32>) else { return false };
    length <= bits && (length == 0 || (left ^ right) >> (bits - length) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(setting: &str, exceptions: &str, target: &str) -> String {
        let setting = (!setting.is_empty()).then(|| ("HTTPS_PROXY", Secret::new(setting)));
        let proxies = Proxies { setting, exceptions: exceptions.to_owned() };
        match proxies.choose(&Location::parse(target).unwrap()) {
            Ok(Some(proxy)) => proxy.url.expose().to_owned(),
            Ok(None) => "direct".to_owned(),
            Err(bad) => bad.why.to_owned(),
        }
    }

    #[test]
    fn a_proxy_is_spelt_as_curl_spells_it() {
        for (setting, url) in [
            ("http://proxy.acme.dev:3128", "http://proxy.acme.dev:3128"),
            ("proxy.acme.dev:3128/", "http://proxy.acme.dev:3128"),
            ("proxy.acme.dev", "http://proxy.acme.dev:1080"),
            ("HTTPS://proxy.acme.dev", "https://proxy.acme.dev:443"),
            ("http://ann:p%40ss@proxy.acme.dev:80", "http://ann:p%40ss@proxy.acme.dev:80"),
            ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
            ("", "direct"),
            ("socks5://proxy.acme.dev:1080", "keyfob speaks to http:// and https:// proxies alone"),
            ("http://", "it has no usable host and port"),
            ("http://proxy.acme.dev:port", "it has no usable host and port"),
        ] {
            assert_eq!(through(setting, "", "https://auth.acme.dev"), url, "{setting}");
        }
    }

    #[test]
    fn exceptions_are_whole_labels() {
        for (exceptions, target, excepted) in [
            ("acme.dev", "acme.dev", true),
            ("acme.dev", "auth.acme.dev", true),
            (".acme.dev", "auth.acme.dev", true),
            (".acme.dev", "acme.dev", true),
            ("a.dev, ACME.dev", "auth.acme.dev", true),
            ("a.dev acme.dev.", "auth.acme.dev", true),
            ("acme.dev", "evil-acme.dev", false),
            ("acme.dev", "acme.dev.evil.dev", false),
            ("*", "acme.dev", true),
            ("*.acme.dev", "auth.acme.dev", false),
            (".", "acme.dev", false),
            ("", "acme.dev", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/16", "10.1.2.3", false),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("10.0.0.0/99", "10.1.2.3", false),
            ("2.3", "10.1.2.3", false),
            ("fd00::/8", "[fd00::7]", true),
        ] {
            let said = through("http://proxy:1", exceptions, target);
            assert_eq!(said == "direct", excepted, "{exceptions} {target}");
        }
        for local in ["http://127.0.0.1:1", "https://localhost", "https://[::1]"] {
            assert_eq!(through("http://proxy:1", "", local), "direct");
        }
    }
}
