//! What people call.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use crate::clock;
use crate::desk::Inline;

/// What `login`, `logout` and `token` are about.
#[derive(Args, Debug, Default)]
pub(crate) struct Subject {
    /// Profile, URL or host; the only profile when left out
    #[arg(value_name = "PROFILE|URL", id = "profile")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) inline: Inline,
}

impl Subject {
    /// Whether nothing is named or spelt.
    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_none() && self.inline.provider.is_none()
    }
}

/// `keyfob login`.
#[expect(clippy::struct_excessive_bools, reason = "each an option of its own")]
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob login acme")]
pub(crate) struct Login {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Do not open a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Let another person sign in than before
    #[arg(long)]
    pub(crate) select_account: bool,
    /// Print address and code and exit
    #[arg(long)]
    pub(crate) start: bool,
    /// Wait no longer: 60s, 5m; then exit with 3
    #[arg(long, value_name = "TIME", conflicts_with = "start", value_parser = clock::read_span)]
    pub(crate) wait: Option<i64>,
    /// With these two: though a session is alive
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `keyfob logout`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob logout --all")]
pub(crate) struct Logout {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Every session there is
    #[arg(long, conflicts_with_all = ["profile", "provider"])]
    pub(crate) all: bool,
}

/// `keyfob status`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob status --json")]
pub(crate) struct Status {
    /// Only this profile
    pub(crate) profile: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `keyfob token`.
#[expect(clippy::struct_excessive_bools, reason = "each an option of its own")]
#[derive(Args, Debug)]
#[command(after_help = "Example: curl -H \"$(keyfob token acme --header)\" https://api.acme.dev/me")]
pub(crate) struct Token {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// Print it as an Authorization header
    #[arg(long)]
    pub(crate) header: bool,
    /// Print it behind the word Bearer
    #[arg(long, conflicts_with_all = ["header", "json"])]
    pub(crate) bearer: bool,
    /// Print JSON; with --header: headers alone
    #[arg(long)]
    pub(crate) json: bool,
    /// The ID token instead of the destination's
    #[arg(long)]
    pub(crate) id: bool,
    /// Renew it where less is left: 30s, 4m
    #[arg(long, value_name = "TIME", value_parser = clock::read_span)]
    pub(crate) min_ttl: Option<i64>,
    /// Print it even to a terminal
    #[arg(long)]
    pub(crate) show: bool,
}

/// `keyfob run`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob run --env NPM_TOKEN=npm.acme.dev -- npm ci

It exits as COMMAND does, and with 125 where that could not start. COMMAND, and
whatever it starts, can read the token in its environment and pass it on.")]
pub(crate) struct Run {
    /// Variable, and whose token; repeatable
    #[arg(long = "env", value_name = "NAME=PROFILE|URL", required = true)]
    pub(crate) variables: Vec<String>,
    /// bearer, basic: as in a header; id: the ID token
    #[arg(long, hide_possible_values = true)]
    pub(crate) form: Option<Form>,
    /// What is run, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) words: Vec<OsString>,
}

/// What of a token is put into a variable: behind `Bearer`, behind `Basic` with the user name, or the ID token. The
/// help has them in one line, so they have no words of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Bearer,
    Basic,
    Id,
}

/// `keyfob doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob doctor https://git.acme.dev")]
pub(crate) struct Doctor {
    /// Look at this profile, host, registry or cluster alone
    #[arg(value_name = "PROFILE|URL")]
    pub(crate) url: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Issuer (iss) that the server at URL expects
    #[arg(long, value_name = "ISS", requires = "url")]
    pub(crate) issuer: Option<String>,
    /// Audience (aud) that the server at URL expects
    #[arg(long, value_name = "AUD", requires = "url")]
    pub(crate) audience: Option<String>,
}

/// `keyfob providers`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob providers workos")]
pub(crate) struct Providers {
    /// What to register there, and a profile to begin with
    pub(crate) name: Option<String>,
}

/// `keyfob completions`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob completions bash >>~/.bash_completion")]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: Shell,
}

/// A shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// `keyfob complete SHELL -- WORDS`: what a script of ours asks.
#[derive(Debug)]
pub(crate) struct Complete {
    pub(crate) shell: Shell,
    /// For bash the line up to the cursor; for the others the words before it, and behind a `=`, so that it is never nothing, the one it is in.
    pub(crate) words: Vec<String>,
}

impl Complete {
    /// Reads what a script says; none where it is something else.
    pub(crate) fn read(words: &[String]) -> Option<Self> {
        let [shell, divider, words @ ..] = words else { return None };
        let shell = Shell::from_str(shell, false).ok().filter(|_| divider == "--")?;
        Some(Self { shell, words: words.to_vec() })
    }
}

/// `keyfob renew`, with the record's lock as stdin: what a keyfob leaves to another one.
#[derive(Debug, Default)]
pub(crate) struct Renew {
    /// Its profile, where it has a name.
    pub(crate) profile: Option<String>,
    pub(crate) inline: Inline,
    /// The slot of the session.
    pub(crate) slot: String,
}

impl Renew {
    /// Reads what [`crate::process::Successor`] says; none where it is something else.
    pub(crate) fn read(words: &[String]) -> Option<Self> {
        let mut renew = Self::default();
        for pair in words.chunks(2) {
            let [option, value] = pair else { return None };
            let (inline, value) = (&mut renew.inline, value.clone());
            match option.as_str() {
                "--profile" => renew.profile = Some(value),
                "--slot" => renew.slot = value,
                "--provider" => inline.provider = Some(value),
                "--client-id" => inline.client_id = Some(value),
                "--issuer" => inline.issuer = Some(value),
                "--scope" => inline.scopes.push(value),
                "--host" => inline.hosts.push(value),
                _ => return None,
            }
        }
        Some(renew)
    }
}
