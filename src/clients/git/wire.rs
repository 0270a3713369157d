//! Git's credential protocol (gitcredentials(7), git-credential(1)): `key=value` lines, as bytes.
//!
//! Read as git reads, and stricter where git's own readers were once fooled: a line ends at LF alone (one CR before it is
//! dropped), the first `=` splits, NUL and any other CR are refused (CVE-2020-5260, CVE-2024-52006), a single-valued key
//! may stand once (CVE-2020-11008), and what is too long is refused, never cut (CVE-2025-48386).

use std::fmt;

use super::challenge;
use crate::desk::Credential;
use crate::model::location::Scheme;
use crate::model::{Auth, Location};
use crate::redact::Secrets;
use crate::secret::{Fingerprint, Secret, SecretBytes};

/// git's own limit for a line, its LF included.
const LINE_LIMIT: usize = 65_535;
/// More than all the lines a git ever sends.
pub(crate) const INPUT_LIMIT: usize = 1 << 20;
/// Ours among the `state[]` values of a chain of helpers; what follows names a token.
const STATE_PREFIX: &str = "keyfob:1:";
/// What follows that, where the token went as Bearer because the server takes nothing else.
const AS_BEARER: &str = ":bearer";

/// The answer to the operation `capability`, which has a form of its own (git-credential(1), "CAPABILITY INPUT/OUTPUT
/// FORMAT").
pub(crate) const CAPABILITIES: &[u8] = b"version 0\ncapability authtype\ncapability state\n";

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
    pub(crate) password: Option<SecretBytes>,
    /// Unix seconds, as git wrote them.
    pub(crate) password_expiry_utc: Option<Vec<u8>>,
    /// Of another helper's session, to be kept beside its password.
    pub(crate) oauth_refresh_token: Option<SecretBytes>,
    /// The scheme of `credential`: `Bearer`.
    pub(crate) authtype: Option<Vec<u8>>,
    /// With `authtype`, what takes the place of a password.
    pub(crate) credential: Option<SecretBytes>,
    /// Whether helpers should not keep it.
    pub(crate) ephemeral: Option<Vec<u8>>,
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
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "a line is longer than git allows",
            Self::NoEquals => "a line has no \"=\"",
            Self::EmptyKey => "a line has no key",
            Self::NulOrCr => "a value holds a NUL or a carriage return",
            Self::Twice => "a key stands twice",
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
        let Self {
            capabilities,
            protocol,
            host,
            path,
            username,
            password,
            password_expiry_utc,
            oauth_refresh_token,
            authtype,
            credential,
            ephemeral,
            wwwauth,
            state,
        } = self;
        let slot = match key {
            b"protocol" => protocol,
            b"host" => host,
            b"path" => path,
            b"username" => username,
            b"password_expiry_utc" => password_expiry_utc,
            b"authtype" => authtype,
            b"ephemeral" => ephemeral,
            b"password" => return once(password, SecretBytes::new(value)),
            b"oauth_refresh_token" => return once(oauth_refresh_token, SecretBytes::new(value)),
            b"credential" => return once(credential, SecretBytes::new(value)),
            b"capability[]" => return add(capabilities, value),
            b"wwwauth[]" => return add(wwwauth, value),
            b"state[]" => return add(state, value),
            _ => return Ok(()),
        };
        once(slot, value.to_vec())
    }

    /// Whether git said that it understands `authtype`, `credential` and `ephemeral` (2.46).
    pub(crate) fn knows_authtype(&self) -> bool {
        self.capabilities.iter().any(|capability| capability == b"authtype")
    }

    /// Whether git said that it understands `state[]` and `continue` (2.46).
    pub(crate) fn knows_state(&self) -> bool {
        self.capabilities.iter().any(|capability| capability == b"state")
    }

    /// Takes it that whoever asks cannot keep a state, whatever it says.
    pub(crate) fn forget_state(&mut self) {
        self.capabilities.retain(|capability| capability != b"state");
        self.state.clear();
    }

    /// The fingerprint of the token we gave in the round before, where the server has refused it since: its challenge comes with it.
    /// What is only echoed was not refused.
    pub(crate) fn refused(&self) -> Option<Fingerprint> {
        let (name, is_bearer) = self.echoed().filter(|_| !self.wwwauth.is_empty())?;
        // As a password it was never sent.
        let is_seen = is_bearer || !challenge::wants_bearer(&self.wwwauth);
        is_seen.then(|| Fingerprint::written(name))
    }

    /// The fingerprint of the token we gave in the round before, as it comes back, and whether it went as Bearer for the server's sake.
    fn echoed(&self) -> Option<(&str, bool)> {
        let ours = self.state.iter().find_map(|state| std::str::from_utf8(state).ok()?.strip_prefix(STATE_PREFIX))?;
        Some(ours.strip_suffix(AS_BEARER).map_or((ours, false), |name| (name, true)))
    }

    /// Whether a token goes as Bearer though the profile says Basic: the server takes nothing else. What was begun in one way is gone
    /// on with in the same.
    fn wants_bearer(&self) -> bool {
        self.echoed().map_or_else(|| challenge::wants_bearer(&self.wwwauth), |(_, is_bearer)| is_bearer)
    }

    /// Whether the server takes Bearer alone, which this git cannot send (2.45 and older): no token that it was given has been seen there.
    pub(crate) fn cannot_send(&self) -> bool {
        !self.knows_authtype() && challenge::wants_bearer(&self.wwwauth)
    }

    /// What the server said of the token (RFC 6750 section 3): the error of its Bearer challenge, fit to be shown. It may quote
    /// what git sent it.
    pub(crate) fn challenge(&self) -> Option<String> {
        let text = |bytes: &SecretBytes| Secret::new(String::from_utf8_lossy(bytes.expose()));
        let sent = [self.password.as_ref(), self.credential.as_ref(), self.oauth_refresh_token.as_ref()];
        let sent: Vec<Secret> = sent.into_iter().flatten().map(text).collect();
        challenge::error(&self.wwwauth).map(|words| Secrets::of(&sent).redact(&words))
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
        Location::asked(scheme, host, self.path.as_deref().unwrap_or_default()).ok()
    }

    /// The user name the request names, if it is text.
    pub(crate) fn username(&self) -> Option<&str> {
        std::str::from_utf8(self.username.as_deref()?).ok()
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), Malformed> {
    slot.replace(value).map_or(Ok(()), |_| Err(Malformed::Twice))
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
/// over), never a refresh token of our sessions (git would hand it to every other helper).
///
/// Where git can, it is told not to keep the token, and to come back once if the server refuses it: with our state it
/// then asks again inside the same command. Not a second time: git would go round for ever.
pub(crate) fn encode(credential: &Credential, auth: Auth, asked: &Attributes) -> Result<Vec<u8>, Malformed> {
    let Credential { username, secret, expires_at } = credential;
    let mut answer = Answer::default();
    let (authtype, state) = (asked.knows_authtype(), asked.knows_state());
    answer.capabilities(authtype, state)?;
    let for_the_server = auth != Auth::Bearer && asked.wants_bearer();
    if authtype && (auth == Auth::Bearer || for_the_server) {
        answer.line("authtype", b"Bearer")?;
        answer.line("credential", secret.expose().as_bytes())?;
    } else {
        answer.line("username", username.as_bytes())?;
        answer.line("password", secret.expose().as_bytes())?;
    }
    if let Some(at) = expires_at {
        answer.line("password_expiry_utc", at.to_string().as_bytes())?;
    }
    if authtype {
        answer.line("ephemeral", b"1")?;
    }
    if state && asked.echoed().is_none() {
        let how = if authtype && for_the_server { AS_BEARER } else { "" };
        answer.line("state[]", format!("{STATE_PREFIX}{}{how}", secret.fingerprint()).as_bytes())?;
        answer.line("continue", b"1")?;
    }
    Ok(answer.0)
}

/// Writes back what another helper or a person had us keep, as it was; an `authtype` only to who understands it.
pub(crate) fn encode_kept(kept: &Attributes, asked: &Attributes) -> Result<Vec<u8>, Malformed> {
    // Every field is named, so that a new one is decided on here.
    let Attributes {
        capabilities: _,
        protocol: _,
        host: _,
        path: _,
        username,
        password,
        password_expiry_utc,
        oauth_refresh_token,
        authtype,
        credential,
        ephemeral: _,
        wwwauth: _,
        state: _,
    } = kept;
    let mut answer = Answer::default();
    answer.capabilities(authtype.is_some() && asked.knows_authtype(), false)?;
    let fields = [
        ("authtype", authtype.as_deref()),
        ("credential", credential.as_ref().map(SecretBytes::expose)),
        ("username", username.as_deref()),
        ("password", password.as_ref().map(SecretBytes::expose)),
        ("password_expiry_utc", password_expiry_utc.as_deref()),
        ("oauth_refresh_token", oauth_refresh_token.as_ref().map(SecretBytes::expose)),
    ];
    for (key, value) in fields {
        if let Some(value) = value {
            answer.line(key, value)?;
        }
    }
    Ok(answer.0)
}

/// The answer that stops git: no other helper, no prompt.
pub(crate) const QUIT: &[u8] = b"quit=1\n";

#[derive(Default)]
struct Answer(Vec<u8>);

impl Answer {
    /// What we announce; it has to come first.
    fn capabilities(&mut self, authtype: bool, state: bool) -> Result<(), Malformed> {
        for (capability, announced) in [(b"authtype".as_slice(), authtype), (b"state", state)] {
            if announced {
                self.line("capability[]", capability)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, key: &str, value: &[u8]) -> Result<(), Malformed> {
        if value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
            return Err(Malformed::NulOrCr);
        }
        if key.len() + value.len() + 2 > LINE_LIMIT {
            return Err(Malformed::TooLong);
        }
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
        Ok(())
    }
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
        ] {
            assert_eq!(decode(input.as_bytes()).unwrap().location(), None, "{input}");
        }
    }

    fn credential(username: &str, secret: &str, expires_at: Option<i64>) -> Credential {
        Credential { username: username.into(), secret: Secret::new(secret), expires_at }
    }

    #[test]
    fn an_answer_is_whole_or_nothing() {
        let asked = Attributes::default();
        let basic = encode(&credential("oauth2", "at", Some(7)), Auth::Basic, &asked).unwrap();
        assert_eq!(basic, b"username=oauth2\npassword=at\npassword_expiry_utc=7\n");
        for (username, secret) in [("a\nhost=evil", "b"), ("a", "b\nurl=x"), ("a\r", "b"), ("a", "b\0")] {
            assert_eq!(encode(&credential(username, secret, None), Auth::Basic, &asked), Err(Malformed::NulOrCr));
        }
        let long = credential(&"a".repeat(LINE_LIMIT), "b", None);
        assert_eq!(encode(&long, Auth::Basic, &asked), Err(Malformed::TooLong));
    }

    #[test]
    fn only_what_was_announced_is_used() {
        let at = credential("oauth2", "at", Some(7));
        let answer = |asked: &str, auth| {
            String::from_utf8(encode(&at, auth, &decode(asked.as_bytes()).unwrap()).unwrap()).unwrap()
        };
        let basic = "username=oauth2\npassword=at\npassword_expiry_utc=7\n";
        assert_eq!(answer("", Auth::Bearer), basic, "an old git gets Basic");
        assert_eq!(
            answer("capability[]=authtype\n", Auth::Bearer),
            "capability[]=authtype\nauthtype=Bearer\ncredential=at\npassword_expiry_utc=7\nephemeral=1\n"
        );
        assert_eq!(
            answer("capability[]=authtype\n", Auth::Basic),
            format!("capability[]=authtype\n{basic}ephemeral=1\n")
        );
        let state = format!("state[]=keyfob:1:{}\n", Secret::new("at").fingerprint());
        assert_eq!(
            answer("capability[]=state\nstate[]=other:1\n", Auth::Basic),
            format!("capability[]=state\n{basic}{state}continue=1\n")
        );
        assert_eq!(
            answer(&format!("capability[]=state\n{state}"), Auth::Basic),
            format!("capability[]=state\n{basic}"),
            "one extra round and no more"
        );
    }

    /// A server that takes Bearer alone is given that, and in the second round as in the first; what it never saw it did not refuse.
    #[test]
    fn bearer_for_the_servers_sake() {
        let at = credential("oauth2", "at", None);
        let answer = |asked: &str| {
            let asked = decode(asked.as_bytes()).unwrap();
            let answer = String::from_utf8(encode(&at, Auth::Basic, &asked).unwrap()).unwrap();
            (
                answer.contains("authtype=Bearer\ncredential=at\n"),
                asked.refused().is_some(),
                asked.cannot_send(),
                answer,
            )
        };
        let can = "capability[]=authtype\ncapability[]=state\n";
        let (bearer, error) = ("wwwauth[]=Bearer realm=x\n", "wwwauth[]=Bearer error=\"invalid_token\"\n");
        let (is_bearer, _, cannot, first) = answer(&format!("{can}{bearer}"));
        let state = first.lines().find(|line| line.starts_with("state[]=")).unwrap();
        assert!(is_bearer && !cannot && state.ends_with(":bearer"), "{first}");
        for challenge in [bearer, error] {
            let (is_bearer, is_refused, ..) = answer(&format!("{can}{challenge}{state}\n"));
            assert!(is_bearer && is_refused, "{challenge}");
        }
        let plain = state.trim_end_matches(":bearer");
        for (challenge, refused) in [(bearer, false), (error, true), ("wwwauth[]=Basic realm=x\n", true)] {
            let (is_bearer, is_refused, ..) = answer(&format!("{can}{challenge}{plain}\n"));
            assert_eq!((is_bearer, is_refused), (false, refused), "{challenge}");
        }
        let (is_bearer, _, cannot, _) = answer(bearer);
        assert!(!is_bearer && cannot, "an older git has no way to send it");
    }

    #[test]
    fn what_was_kept_comes_back_as_it_was() {
        let kept = decode(b"protocol=https\nhost=a.dev\npath=x\nusername=\xff\npassword=\npassword_expiry_utc=9\noauth_refresh_token=r\n");
        let plain = Attributes::default();
        assert_eq!(
            encode_kept(&kept.unwrap(), &plain).unwrap(),
            b"username=\xff\npassword=\npassword_expiry_utc=9\noauth_refresh_token=r\n"
        );
    }

    #[test]
    fn a_challenge_in_the_servers_words() {
        for (header, words) in [
            ("Bearer error=\"invalid_token\"", Some("invalid_token")),
            (
                "bearer realm=\"x\", error=\"insufficient_scope\", error_description=\"no\u{1b}[2J\", scope=\"repo:write\"",
                Some("insufficient_scope: no\\u{1b}[2J: scope \"repo:write\""),
            ),
            ("Bearer realm=\"x\"", None),
            ("Basic realm=\"error=\"", None),
            ("B\u{e9}arer ", None),
        ] {
            let asked = decode(format!("wwwauth[]={header}\n").as_bytes()).unwrap();
            assert_eq!(asked.challenge().as_deref(), words, "{header}");
        }
    }

    proptest! {
        /// What we write, a reader by git's rules reads back.
        #[test]
        fn an_answer_reads_back(username in "[^\r\n\0]{0,40}", secret in "[^\r\n\0]{0,40}") {
            let asked = Attributes { capabilities: vec![b"state".to_vec()], ..Attributes::default() };
            let read = decode(&encode(&credential(&username, &secret, Some(1)), Auth::Basic, &asked).unwrap()).unwrap();
            prop_assert_eq!(read.username, Some(bytes(&username)));
            prop_assert_eq!(read.password, Some(SecretBytes::new(secret)));
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
