//! The configuration file as it is written: its tables, and where in the text an error is.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::error::{Error, Kind, Result};
use crate::mend::Place;
use crate::model::location::without_user;
use crate::model::{Auth, Location, TokenKind};

/// The whole file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    #[serde(default)]
    pub(super) profile: BTreeMap<Spanned<String>, RawProfile>,
    #[serde(default)]
    pub(super) store: RawStore,
}

/// The `[store]` table.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStore {
    pub(super) git: Option<bool>,
    pub(super) docker: Option<bool>,
}

/// A `[profile.NAME]` table as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    pub(super) provider: Option<Spanned<String>>,
    pub(super) client_id: Option<String>,
    #[serde(default)]
    pub(super) hosts: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) clusters: Vec<Spanned<String>>,
    pub(super) bind_clusters: Option<Spanned<bool>>,
    // For every destination:
    pub(super) username: Option<String>,
    pub(super) auth: Option<Auth>,
    pub(super) token: Option<TokenKind>,
    pub(super) audience: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) scopes: Option<Vec<String>>,
    // For the session:
    pub(super) account: Option<String>,
    pub(super) expect: Option<String>,
    #[serde(default)]
    pub(super) default: bool,
    pub(super) issuer: Option<Spanned<String>>,
    pub(super) base_url: Option<Spanned<String>>,
    pub(super) device_authorization_endpoint: Option<Spanned<String>>,
    pub(super) token_endpoint: Option<Spanned<String>>,
    pub(super) revocation_endpoint: Option<Spanned<String>>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    pub(super) client_secret_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) extra: BTreeMap<String, String>,
    pub(super) keep_refresh_token: Option<bool>,
    #[serde(default)]
    pub(super) at: BTreeMap<Spanned<String>, RawDestination>,
}

/// A `[profile.NAME.at."ENTRY"]` table.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDestination {
    pub(super) username: Option<String>,
    pub(super) auth: Option<Auth>,
    pub(super) token: Option<TokenKind>,
    pub(super) audience: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) scopes: Option<Vec<String>>,
    // For an entry of clusters, where a client reaches it so:
    pub(super) proxy: Option<Spanned<String>>,
    pub(super) tls_server_name: Option<Spanned<String>>,
}

/// What is read: a text, and the file it stands in, to turn a span into a line. The command line has no lines.
pub(super) struct Source<'a> {
    path: Option<&'a Path>,
    text: &'a str,
    /// Where its line ends stand, once anybody asks.
    line_ends: OnceCell<Vec<usize>>,
}

impl<'a> Source<'a> {
    pub(super) fn new(path: Option<&'a Path>, text: &'a str) -> Self {
        Self { path, text, line_ends: OnceCell::new() }
    }

    /// Reads the text.
    pub(super) fn read(&self) -> Result<RawFile> {
        toml::from_str(self.text).map_err(|error| {
            // Not the error's own rendering: it quotes the line, and somebody may have put a secret there.
            let what = without_values(error.message());
            let hint = if what.ends_with("\"client_secret\"") {
                "register keyfob as a public client, which has no secret; where a provider wants one, client_secret_file names its file"
            } else {
                "correct or remove it; integrations/providers/README.md lists every key"
            };
            self.error(error.span(), &what).hint(hint)
        })
    }

    /// `FILE:LINE`.
    pub(super) fn place(&self, span: Option<Range<usize>>) -> String {
        match (self.path, span) {
            (None, _) => "command line".to_owned(),
            (Some(path), None) => path.display().to_string(),
            (Some(path), Some(span)) => format!("{}:{}", path.display(), self.line(span)),
        }
    }

    /// The first is 1.
    fn line(&self, span: Range<usize>) -> usize {
        let ends = self.line_ends.get_or_init(|| {
            self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect()
        });
        ends.partition_point(|end| *end < span.start) + 1
    }

    pub(super) fn error(&self, span: Option<Range<usize>>, what: impl std::fmt::Display) -> Error {
        let kind = if self.path.is_some() { Kind::Configuration } else { Kind::Usage };
        let line = span.clone().map_or(1, |span| self.line(span));
        let place = self.path.map(|path| Place { file: path.display().to_string(), line });
        Error::new(kind, format!("{}: {what}", self.place(span))).at(place)
    }

    pub(super) fn location(&self, key: &str, text: &Spanned<String>) -> Result<Location> {
        Location::parse(text.get_ref()).map_err(|why| {
            self.error(Some(text.span()), format!("{key}: \"{}\" {why}", without_user(text.get_ref())))
                .hint("write it as \"host\", \"host:port\" or \"https://host/path\"")
        })
    }

    /// An endpoint or issuer: https (http on loopback), kept as written because servers compare it as a string.
    pub(super) fn endpoint(&self, key: &str, url: &Spanned<String>) -> Result<String> {
        self.location(key, url)?;
        if !url.get_ref().contains("://") {
            let what = format!("{key}: \"{}\" has no scheme", url.get_ref().escape_debug());
            return Err(self.error(Some(url.span()), what).hint("begin it with https://"));
        }
        Ok(url.get_ref().clone())
    }
}

/// A parser's message without the values it quotes: somebody may have put a secret there.
fn without_values(message: &str) -> String {
    let message = message.lines().next().unwrap_or("not TOML").replace('`', "\"");
    let (what, expected) = message.rsplit_once(", expected ").unwrap_or((&message, ""));
    let kind = what.split([':', '"']).next().unwrap_or_default().trim_end();
    match kind {
        "unknown variant" => format!("unknown word, expected {expected}"),
        "invalid type" | "invalid value" => format!("a value of the wrong kind, expected {expected}"),
        _ => what.to_owned(),
    }
}
