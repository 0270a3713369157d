//! docker's credential helper protocol: a word on the command line, a server or a JSON object on stdin, JSON or a
//! sentence on stdout. Clients compare the sentences, so they are docker's own to the letter.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::desk::Credential;
use crate::model::Location;
use crate::secret::SecretBytes;

/// Said on stdout, with exit code 1, when there is nothing for a server: clients then go on without a login.
pub(crate) const NOT_FOUND: &str = "credentials not found in native keychain";
/// Said when the request names no server.
pub(crate) const NO_SERVER: &str = "no credentials server URL";
/// Said when a login to keep has no user name.
const NO_USERNAME: &str = "no credentials username";
/// More than any server string or login; wincred's 2,560 bytes are not our limit.
pub(crate) const INPUT_LIMIT: usize = 512 << 10;

/// Docker Hub under one name, whatever a client calls it.
pub(crate) const HUB: &str = "index.docker.io";
pub(crate) const HUB_NAMES: &[&str] = &["docker.io", "index.docker.io", "registry-1.docker.io"];

/// A server as a client named it, made comparable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// As it came, for the answer: some clients compare it.
    pub(crate) raw: String,
    /// Where it is; a path refines a look-up and is not part of the registry.
    pub(crate) location: Location,
    /// The client says plain http, and would send a token in the clear.
    pub(crate) is_plain: bool,
}

impl Server {
    /// Reads a server string: `host`, `host:port`, `https://host/path` and whatever else clients send (docker.md 1.2);
    /// `None` where there is none in it. Plain http is told apart from https only where it is a place of its own.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let raw = text.trim();
        let (scheme, rest) = raw.split_once("://").unwrap_or(("https", raw));
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let plain = scheme.eq_ignore_ascii_case("http");
        if !plain && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        // A registry is one place under both schemes: clients try https first and name it either way.
        let authority = if plain { authority.strip_suffix(":80").unwrap_or(authority) } else { authority };
        let mut location = Location::parse(&format!("https://{authority}/{path}")).ok()?;
        if HUB_NAMES.contains(&location.host.as_str()) && location.port == 443 {
            HUB.clone_into(&mut location.host);
            if matches!(&location.path[..], [version] if version == "v1" || version == "v2") {
                location.path.clear();
            }
        }
        Some(Self { raw: raw.to_owned(), location, is_plain: plain })
    }

    /// Whether it is Docker Hub.
    pub(crate) fn is_hub(&self) -> bool {
        self.location.host == HUB
    }

    /// The path as one text; `None` where there is none.
    pub(crate) fn path(&self) -> Option<String> {
        (!self.location.path.is_empty()).then(|| self.location.path.join("/"))
    }

    /// Whether a login kept for `kept` (a path, or the whole host) serves this server: the path leads into it. Docker Hub
    /// keeps its own tokens below `/v1/`, which are no logins.
    pub(crate) fn is_within(&self, kept: Option<&str>) -> bool {
        let exact = self.path().as_deref() == kept;
        let reserved = self.is_hub() && self.location.path.first().is_some_and(|segment| segment == "v1");
        exact
            || (!reserved
                && kept.is_none_or(|kept| {
                    self.location.path.starts_with(&kept.split('/').map(str::to_owned).collect::<Vec<_>>())
                }))
    }
}

/// A login that a client wants kept.
#[derive(Debug, PartialEq)]
pub(crate) struct Login {
    pub(crate) server: Server,
    /// `<token>` says that the secret is an identity token; it is kept like any other name.
    pub(crate) username: String,
    pub(crate) secret: SecretBytes,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RawLogin {
    #[serde(rename = "ServerURL")]
    server_url: Option<String>,
    username: Option<String>,
    secret: Option<String>,
}

/// Reads what `store` is given; the sentence to answer with where it is not whole.
pub(crate) fn decode_login(input: &[u8]) -> Result<Login, &'static str> {
    let raw: RawLogin = serde_json::from_slice(input).map_err(|_| NO_SERVER)?;
    let server = raw.server_url.as_deref().and_then(Server::parse).ok_or(NO_SERVER)?;
    let username = raw.username.filter(|name| !name.is_empty()).ok_or(NO_USERNAME)?;
    Ok(Login { server, username, secret: SecretBytes::new(raw.secret.unwrap_or_default()) })
}

/// Reads the server that `get` or `erase` is given.
pub(crate) fn decode_server(input: &[u8]) -> Result<Server, &'static str> {
    std::str::from_utf8(input).ok().filter(|text| text.len() <= 8_192).and_then(Server::parse).ok_or(NO_SERVER)
}

/// Writes the answer to `get`.
pub(crate) fn encode(server: &Server, credential: &Credential) -> String {
    encode_login(server, &credential.username, credential.secret.expose())
}

/// Writes back a login that was kept.
pub(crate) fn encode_login(server: &Server, username: &str, secret: &str) -> String {
    format!("{}\n", json!({ "ServerURL": server.raw, "Username": username, "Secret": secret }))
}

/// Writes the answer to `list`: each server with its user name.
pub(crate) fn encode_list(logins: impl IntoIterator<Item = (String, String)>) -> String {
    let map = logins.into_iter().map(|(server, username)| (server, Value::String(username))).collect();
    format!("{}\n", Value::Object(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        Server::parse(text).map_or_else(|| "nothing".to_owned(), |server| server.location.to_string())
    }

    #[test]
    fn every_spelling_of_a_registry_is_one_place() {
        for spelling in [
            "r.acme.dev",
            "R.Acme.dev\n",
            "https://r.acme.dev",
            "https://r.acme.dev/",
            "r.acme.dev:443",
            "https://r.acme.dev:443",
            "http://r.acme.dev",
            "http://r.acme.dev:80",
            "https://user@r.acme.dev?x#y",
        ] {
            assert_eq!(parsed(spelling), "https://r.acme.dev", "{spelling}");
        }
        assert_eq!(parsed("r.acme.dev:5000"), "https://r.acme.dev:5000");
        assert_eq!(parsed("http://127.0.0.1:5000"), "https://127.0.0.1:5000");
        assert_eq!(parsed("r.acme.dev/team/app"), "https://r.acme.dev/team/app");
        for none in ["", " \n", "ftp://r.acme.dev", "https://", "a b", "../x"] {
            assert_eq!(parsed(none), "nothing", "{none:?}");
        }
    }

    #[test]
    fn docker_hub_under_all_its_names() {
        for spelling in
            ["docker.io", "index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/", "https://docker.io"]
        {
            assert_eq!(parsed(spelling), "https://index.docker.io", "{spelling}");
        }
        assert_eq!(parsed("https://index.docker.io/v1/access-token"), "https://index.docker.io/v1/access-token");
        let token = Server::parse("https://index.docker.io/v1/refresh-token").unwrap();
        assert!(!token.is_within(None) && token.is_within(Some("v1/refresh-token")));
        assert!(Server::parse("index.docker.io/library/ubuntu").unwrap().is_within(None));
    }

    #[test]
    fn a_path_leads_into_what_is_kept_above_it() {
        let server = Server::parse("r.acme.dev/team/app").unwrap();
        assert!(server.is_within(None) && server.is_within(Some("team")) && server.is_within(Some("team/app")));
        assert!(!server.is_within(Some("te")) && !server.is_within(Some("team/app/x")));
        assert!(!Server::parse("r.acme.dev").unwrap().is_within(Some("team")));
    }

    #[test]
    fn what_store_is_given() {
        let login = decode_login(br#"{"ServerURL":"r.acme.dev","Username":"\u003ctoken\u003e","Secret":"s","More":1}"#)
            .unwrap();
        assert_eq!((login.username.as_str(), login.secret.expose()), ("<token>", b"s".as_slice()));
        for (input, says) in [
            (r#"{"Username":"u","Secret":"s"}"#, NO_SERVER),
            (r#"{"ServerURL":"","Username":"u","Secret":"s"}"#, NO_SERVER),
            (r#"{"ServerURL":"r.dev","Secret":"s"}"#, NO_USERNAME),
            (r#"{"ServerURL":"r.dev","Username":"","Secret":"s"}"#, NO_USERNAME),
            ("garbage", NO_SERVER),
            ("", NO_SERVER),
            ("[]", NO_SERVER),
        ] {
            assert_eq!(decode_login(input.as_bytes()).unwrap_err(), says, "{input}");
        }
    }

    #[test]
    fn answers_are_one_document() {
        let server = Server::parse("https://r.acme.dev/").unwrap();
        assert_eq!(
            encode_login(&server, "u\"", "s\n"),
            "{\"Secret\":\"s\\n\",\"ServerURL\":\"https://r.acme.dev/\",\"Username\":\"u\\\"\"}\n"
        );
        assert_eq!(encode_list([]), "{}\n");
        assert_eq!(encode_list([("r.dev".to_owned(), "u".to_owned())]), "{\"r.dev\":\"u\"}\n");
    }
}
