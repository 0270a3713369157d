//! Git's credential protocol (gitcredentials(7), git-credential(1)): `key=value` lines, as bytes.
//!
//! Read as git reads, and stricter where git's own readers were once fooled: a line ends at LF alone (one CR before it is
//! dropped), the first `=` splits, NUL and any other CR are refused (CVE-2020-5260, CVE-2024-52006), a single-valued key
//! may stand once (CVE-2020-11008), and what is too long is refused, never cut (CVE-2025-48386).

use std::fmt;

use super::Credential;
use crate::config::location::Scheme;
use crate::config::{Auth, Location};
use crate::secret::Secret;

/// git's own limit for a line, its LF included.
const LINE_LIMIT: usize = 65_535;
/// More than all the lines a git ever sends.
pub(crate) const INPUT_LIMIT: usize = 1 << 20;

/// What git asks about: the attributes it sent that keyfob knows. Others are ignored, as the protocol demands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) capabilities: Vec<Vec<u8>>,
    pub(crate) protocol: Option<Vec<u8>>,
    /// With `:port` where the URL has one.
    pub(crate) host: Option<Vec<u8>>,
    /// Without a leading slash; absent for HTTP unless `credential.useHttpPath` is set.
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) username: Option<Vec<u8>>,
    pub(crate) password: Option<Secret>,
    /// With `authtype`: what took the place of a password.
    pub(crate) credential: Option<Secret>,
    pub(crate) authtype: Option<Vec<u8>>,
    /// The server's `WWW-Authenticate` headers, in order.
    pub(crate) wwwauth: Vec<Vec<u8>>,
    /// What helpers asked to be told again, each with a prefix of its own.
    pub(crate) state: Vec<Vec<u8>>,
}

/// Why input is refused. It quotes none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    TooLong,
    NoEquals,
    EmptyKey,
    NulOrCr,
    Twice,
    NotText,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "a line is longer than git allows",
            Self::NoEquals => "a line has no \"=\"",
            Self::EmptyKey => "a line has no key",
            Self::NulOrCr => "a value holds a NUL or a carriage return",
            Self::Twice => "a key stands twice",
            Self::NotText => "a secret is not text",
        })
    }
}

/// Reads a request: lines up to an empty one or the end.
pub(crate) fn decode(input: &[u8]) -> Result<Attributes, Malformed> {
    let mut attributes = Attributes::default();
    if input.len() > INPUT_LIMIT {
        return Err(Malformed::TooLong);
    }
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        if line.len() > LINE_LIMIT {
            return Err(Malformed::TooLong);
        }
        let line = line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() {
            break;
        }
        if line.contains(&0) || line.contains(&b'\r') {
            return Err(Malformed::NulOrCr);
        }
        let equals = line.iter().position(|byte| *byte == b'=').ok_or(Malformed::NoEquals)?;
        let (key, value) = (&line[..equals], &line[equals + 1..]);
        if key.is_empty() {
            return Err(Malformed::EmptyKey);
        }
        attributes.take(key, value)?;
    }
    Ok(attributes)
}

impl Attributes {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let Self { capabilities, protocol, host, path, username, password, credential, authtype, wwwauth, state } =
            self;
        match key {
            b"protocol" => once(protocol, value),
            b"host" => once(host, value),
            b"path" => once(path, value),
            b"username" => once(username, value),
            b"authtype" => once(authtype, value),
            b"password" => once_secret(password, value),
            b"credential" => once_secret(credential, value),
            b"capability[]" => add(capabilities, value),
            b"wwwauth[]" => add(wwwauth, value),
            b"state[]" => add(state, value),
            _ => Ok(()),
        }
    }

    /// Where the request is for, if that is a place keyfob could know: https, or http on this machine. Proxies, client
    /// certificates, mail and whatever else asks is nobody here.
    pub(crate) fn location(&self) -> Option<Location> {
        let scheme = match self.protocol.as_deref()? {
            b"https" => Scheme::Https,
            b"http" => Scheme::Http,
            _ => return None,
        };
        let host = std::str::from_utf8(self.host.as_deref()?).ok()?;
        let path = std::str::from_utf8(self.path.as_deref().unwrap_or_default()).ok()?;
        Location::new(scheme, host, path).ok()
    }

    /// The user name the request names, if it is text.
    pub(crate) fn username(&self) -> Option<&str> {
        std::str::from_utf8(self.username.as_deref()?).ok()
    }
}

fn once(slot: &mut Option<Vec<u8>>, value: &[u8]) -> Result<(), Malformed> {
    slot.replace(value.to_vec()).map_or(Ok(()), |_| Err(Malformed::Twice))
}

fn once_secret(slot: &mut Option<Secret>, value: &[u8]) -> Result<(), Malformed> {
    let text = std::str::from_utf8(value).map_err(|_| Malformed::NotText)?;
    slot.replace(Secret::new(text)).map_or(Ok(()), |_| Err(Malformed::Twice))
}

/// An empty value resets the list.
#[expect(clippy::unnecessary_wraps, reason = "one shape for every key")]
fn add(list: &mut Vec<Vec<u8>>, value: &[u8]) -> Result<(), Malformed> {
    if value.is_empty() {
        list.clear();
    } else {
        list.push(value.to_vec());
    }
    Ok(())
}

/// Writes the answer to `get`: whole, or an error and nothing. Never `url`, `host` or `protocol` (git would take them
/// over), never a refresh token (git would hand it to every other helper).
pub(crate) fn encode(credential: &Credential, _auth: Auth) -> Result<Vec<u8>, Malformed> {
    let Credential { username, secret, expires_at } = credential;
    let mut answer = Vec::new();
    line(&mut answer, "username", username)?;
    line(&mut answer, "password", secret.expose())?;
    if let Some(at) = expires_at {
        line(&mut answer, "password_expiry_utc", &at.to_string())?;
    }
    Ok(answer)
}

/// The answer that stops git: no other helper, no prompt.
pub(crate) const QUIT: &[u8] = b"quit=1\n";

fn line(answer: &mut Vec<u8>, key: &str, value: &str) -> Result<(), Malformed> {
    if value.bytes().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return Err(Malformed::NulOrCr);
    }
    if key.len() + value.len() + 2 > LINE_LIMIT {
        return Err(Malformed::TooLong);
    }
    answer.extend_from_slice(key.as_bytes());
    answer.push(b'=');
    answer.extend_from_slice(value.as_bytes());
    answer.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    #[test]
    fn what_git_sends() {
        let input = b"capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=git.acme.dev:8443\nusername=me\n\
            wwwauth[]=Basic realm=\"x=y\"\nwwwauth[]=Bearer\nstate[]=other:1\nunheard=of\n\nhost=evil.dev\n";
        let attributes = decode(input).unwrap();
        assert_eq!(
            attributes,
            Attributes {
                capabilities: vec![b"authtype".to_vec(), b"state".to_vec()],
                protocol: Some(bytes("https")),
                host: Some(bytes("git.acme.dev:8443")),
                username: Some(bytes("me")),
                wwwauth: vec![b"Basic realm=\"x=y\"".to_vec(), b"Bearer".to_vec()],
                state: vec![b"other:1".to_vec()],
                ..Attributes::default()
            }
        );
        assert_eq!(attributes.location().unwrap().to_string(), "https://git.acme.dev:8443");
    }

    #[test]
    fn the_ends_of_lines_and_of_input() {
        assert_eq!(decode(b"host=a\r\nprotocol=https\r\n\r\nhost=b\n").unwrap().host, Some(bytes("a")));
        assert_eq!(decode(b"host=a").unwrap().host, Some(bytes("a")), "the end ends a line");
        assert_eq!(decode(b"").unwrap(), Attributes::default());
        assert_eq!(decode(b"wwwauth[]=a\nwwwauth[]=\nwwwauth[]=b\n").unwrap().wwwauth, [b"b".to_vec()]);
        assert_eq!(decode(b"username=\npassword=\n").unwrap().username, Some(bytes("")));
        assert_eq!(decode(b"username=\xff\n").unwrap().username, Some(vec![0xff]));
    }

    #[test]
    fn what_is_refused() {
        let long = [b"host=".as_slice(), &vec![b'a'; LINE_LIMIT], b"\n"].concat();
        let endless = b"a=b\n".repeat(INPUT_LIMIT);
        for (input, why) in [
            (b"host\n".as_slice(), Malformed::NoEquals),
            (b"=x\n", Malformed::EmptyKey),
            (b"host=a\rhost=b\n", Malformed::NulOrCr),
            (b"host=a\r\r\n", Malformed::NulOrCr),
            (b"host=a\r", Malformed::NulOrCr),
            (b"host=a\0b\n", Malformed::NulOrCr),
            (b"host=a\nhost=b\n", Malformed::Twice),
            (b"host=a\nhost=a\n", Malformed::Twice),
            (b"password=\xff\n", Malformed::NotText),
            (&long, Malformed::TooLong),
            (&endless, Malformed::TooLong),
        ] {
            assert_eq!(decode(input), Err(why), "{:?}", String::from_utf8_lossy(&input[..input.len().min(40)]));
        }
        let just = [b"host=".as_slice(), &vec![b'a'; LINE_LIMIT - 6], b"\n"].concat();
        assert!(decode(&just).is_ok());
    }

    #[test]
    fn where_keyfob_has_nothing_to_say() {
        for input in [
            "protocol=https\n",
            "host=a.dev\n",
            "protocol=https\nhost=\n",
            "protocol=cert\nhost=\npath=/x\n",
            "protocol=http\nhost=proxy.dev:3128\n",
            "protocol=smtp\nhost=mail.dev\n",
            "protocol=https\nhost=a.dev@b.dev\n",
            "protocol=https\nhost=a.dev/b\n",
            "protocol=https\nhost=a.dev\npath=../x\n",
        ] {
            assert_eq!(decode(input.as_bytes()).unwrap().location(), None, "{input}");
        }
    }

    #[test]
    fn an_answer_is_whole_or_nothing() {
        let good = Credential { username: "oauth2".into(), secret: Secret::new("at"), expires_at: Some(7) };
        assert_eq!(encode(&good, Auth::Basic).unwrap(), b"username=oauth2\npassword=at\npassword_expiry_utc=7\n");
        for (username, secret) in [("a\nhost=evil", "b"), ("a", "b\nurl=x"), ("a\r", "b"), ("a", "b\0")] {
            let bad = Credential { username: username.into(), secret: Secret::new(secret), expires_at: None };
            assert_eq!(encode(&bad, Auth::Basic), Err(Malformed::NulOrCr));
        }
        let long = Credential { username: "a".repeat(LINE_LIMIT), secret: Secret::new("b"), expires_at: None };
        assert_eq!(encode(&long, Auth::Basic), Err(Malformed::TooLong));
    }

    proptest! {
        /// What we write, a reader by git's rules reads back.
        #[test]
        fn an_answer_reads_back(username in "[^\r\n\0]{0,40}", secret in "[^\r\n\0]{0,40}") {
            let credential = Credential { username: username.clone(), secret: Secret::new(&*secret), expires_at: Some(1) };
            let read = decode(&encode(&credential, Auth::Basic).unwrap()).unwrap();
            prop_assert_eq!(read.username, Some(bytes(&username)));
            prop_assert_eq!(read.password, Some(Secret::new(secret)));
            prop_assert_eq!(read.host, None);
        }

        /// No input makes the decoder see a host that a line-by-line reader by git's rules would not see.
        #[test]
        fn no_input_hides_a_host(pieces in prop::collection::vec(prop::sample::select(vec![
            "host=", "a.dev", "evil.dev", "\n", "\r", "\r\n", "\0", "=", "protocol=https", "path=x", "wwwauth[]=", " ", "\u{85}", "\u{2028}",
        ]), 0..24)) {
            let input = pieces.concat();
            if let Ok(read) = decode(input.as_bytes()) {
                let lines = input.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
                let seen: Vec<&str> = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("host=")).collect();
                prop_assert_eq!(read.host.as_deref(), seen.first().map(|host| host.as_bytes()));
                prop_assert!(seen.len() <= 1);
            }
        }

        /// Nothing at all makes it panic.
        #[test]
        fn any_bytes(input in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&input).map(|read| read.location());
        }
    }
}
