//! One file, or folder, for each thing that can be asked, and what they share: finding the profile, meeting the world, and
//! whom git asks (`git_helpers`).

mod completions;
mod docker;
mod doctor;
mod git;
mod git_helpers;
mod kubectl;
mod login;
mod logout;
mod man;
mod providers;
mod setup;
mod status;
mod token;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use crate::broker::{Broker, World, discover};
use crate::cli::{Command, Inline, Subject};
use crate::clock::{Clock, SystemClock};
use crate::config::file::{self, Spelt};
use crate::config::{Config, environment, matching};
use crate::error::{Error, Kind, Result};
use crate::escape::{self, defuse, quote};
use crate::human::presence::Client;
use crate::human::terminal::Terminal;
use crate::machine::Setting;
use crate::model::{Ask, Destination, Endpoints, Location, Profile, Token, TokenKind, location};
use crate::oauth::http::Web;
use crate::protocol::Credential;
use crate::secret::Secret;
use crate::store::{ReadRecord, Store, record};
use crate::trace::{self, trace};

/// Does what the command line asks and reports how it went. What people call is kept out of line: between the lines that
/// clients run through it would cost each hit a tenth, in pages to be mapped.
pub(crate) fn run(command: Command) -> ExitCode {
    trace!("keyfob {} for {}: {}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, name(&command));
    let done = match command {
        Command::Git(git) => return git::run(&git),
        Command::Kubectl(kubectl) => return kubectl::run(&kubectl),
        Command::Docker(docker) => return docker::run(&docker),
        Command::Login(login) => login::run(&login),
        Command::Logout(logout) => logout::run(&logout),
        Command::Status(status) => status::run(&status),
        Command::Token(token) => token::run(&token),
        Command::Setup(setup) => setup::run(&setup),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Providers(providers) => providers::run(&providers),
        Command::Completions(completions) => completions::run(&completions),
        Command::Man => man::run(),
    };
    done.unwrap_or_else(|error| {
        report(&error);
        error.exit_code()
    })
}

/// The command, without what follows it: a URL may hold a password, a wrong word anything.
fn name(command: &Command) -> String {
    let (client, operation) = match command {
        Command::Git(git) => ("git", git.operation.as_str()),
        Command::Docker(docker) => ("docker", docker.words.first().map_or("", String::as_str)),
        Command::Kubectl(_) => return "kubectl".to_owned(),
        Command::Login(_) => return "login".to_owned(),
        Command::Logout(_) => return "logout".to_owned(),
        Command::Status(_) => return "status".to_owned(),
        Command::Token(_) => return "token".to_owned(),
        Command::Providers(_) => return "providers".to_owned(),
        Command::Setup(_) => return "setup".to_owned(),
        Command::Doctor(_) => return "doctor".to_owned(),
        Command::Completions(_) => return "completions".to_owned(),
        Command::Man => return "man".to_owned(),
    };
    let known = ["get", "store", "erase", "list", "capability", "version"];
    let operation = known.into_iter().find(|known| *known == operation).unwrap_or("(another operation)");
    format!("{client} {operation}")
}

/// The exit code of a call that could not be understood. Clients have rules of their own: git would take anything but 0
/// for "ask somebody else", so where it wanted a credential it is stopped and the usage on stderr is seen; docker's and
/// kubectl's helpers end with 0 or 1.
pub(crate) fn misspelt(args: &[OsString]) -> ExitCode {
    let called = args.first().map(Path::new).and_then(Path::file_stem).unwrap_or_default();
    let word = if called == "git-credential-keyfob" { Some("git") } else { args.get(1).and_then(|word| word.to_str()) };
    match word {
        Some("git") => {
            if args.iter().any(|word| word == "get") {
                let _ = print(crate::protocol::git::QUIT);
            }
            ExitCode::SUCCESS
        }
        Some("docker" | "kubectl") => ExitCode::FAILURE,
        _ => ExitCode::from(2),
    }
}

/// Says an error on stderr. A closed stderr has nobody to tell.
pub(crate) fn report(error: &Error) {
    trace::failed(error);
    let _ = io::stderr().write_all(error.lines().as_bytes());
}

/// Stops where the answer would be a token on a screen. No client reads one from a terminal, so this is a person who tries
/// what clients run.
fn refuse_terminal(hint: &str) -> Result<()> {
    if io::stdout().is_terminal() {
        return Err(Error::new(Kind::Usage, "a token would stay on this terminal and in its history").hint(hint));
    }
    Ok(())
}

/// What helps somebody who runs a client's command by hand.
const BY_HAND: &str = "to see one, run: keyfob token --show; to try a client, run: keyfob doctor";

/// Prints to stdout. Whoever closed it has heard enough.
fn print(text: &[u8]) -> Result<()> {
    let mut stdout = io::stdout();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::broken("cannot write the answer", error)),
        _ => Ok(()),
    }
}

/// A JSON document as it is printed: nothing in it can act on a terminal.
fn document(value: &Value) -> Result<String> {
    serde_json::to_string_pretty(value)
        .map(|text| escape::json(&text) + "\n")
        .map_err(|error| Error::broken("cannot write the answer", error))
}

/// Prints a line for a person, fit to be shown.
fn say(line: &str) -> Result<()> {
    print(format!("{}\n", defuse(line)).as_bytes())
}

/// The command that has a client ask keyfob for a profile. `what`: the client and what is named of it, as a shell takes that.
fn setup_command(what: &str, profile: &Profile) -> String {
    format!("keyfob setup {what} --profile {}", quote(profile.title()))
}

/// The configuration that a command goes by: the profile spelt on its line alone, or the files.
fn config(inline: &Inline) -> Result<Config> {
    let Inline { provider, client_id, issuer, scopes, hosts } = inline;
    let (Some(provider), Some(client_id)) = (provider, client_id) else { return Config::load() };
    let profile = file::inline(&Spelt { provider, client_id, issuer: issuer.as_deref(), scopes, hosts })?;
    Ok(Config { profiles: vec![profile], ..Config::default() })
}

/// A profile and what a destination of it takes, chosen for a command that people run.
struct Chosen {
    config: Config,
    index: usize,
    destination: Destination,
    /// The host, where the command named one.
    location: Option<Location>,
}

impl Chosen {
    fn profile(&self) -> &Profile {
        &self.config.profiles[self.index]
    }
}

/// What a person named: an inline profile, a URL or host (it has `://` or a dot), a profile, or nothing for the only one.
fn choose(subject: &Subject) -> Result<Chosen> {
    // clap lets nobody name a subject beside a profile that is spelt: that one is then the only one.
    let config = config(&subject.inline)?;
    let index_of =
        |profile: &Profile| config.profiles.iter().position(|known| std::ptr::eq(known, profile)).unwrap_or(0);
    let (index, destination, location) = match subject.name.as_deref() {
        Some(url) if url.contains("://") || url.contains('.') => {
            let (user, location) = parse_url(url)?;
            let found = matching::choose(config.profiles.iter(), &location, user.as_deref())?;
            let (profile, destination) = found.ok_or_else(|| {
                Error::new(Kind::Usage, format!("no profile answers for {location}"))
                    .hint(format!("add it to hosts of a profile; {}", config.choices()))
            })?;
            (index_of(profile), destination.clone(), Some(location))
        }
        Some(name) => {
            let profile = config.named(name)?;
            (index_of(profile), profile.plain.clone(), None)
        }
        None => match &config.profiles[..] {
            [only] => (0, only.plain.clone(), None),
            [] => return Err(Error::new(Kind::Usage, "there is nothing to sign in to").hint(config.choices())),
            _ => return Err(Error::new(Kind::Usage, "which profile?").hint(config.choices())),
        },
    };
    let why = || match (&location, &subject.name) {
        (Some(location), _) => format!("it answers for {location}"),
        (None, Some(_)) => "it is named".to_owned(),
        (None, None) => "it is the only one".to_owned(),
    };
    trace!("profile: {} ({})", config.profiles[index].title(), why());
    Ok(Chosen { config, index, destination, location })
}

/// `[https://][user@]host[:port][/path]`.
fn parse_url(text: &str) -> Result<(Option<String>, Location)> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = match authority.rsplit_once('@') {
        // A password in a URL is none of our business.
        Some((user, host)) => (Some(user.split(':').next().unwrap_or_default().to_owned()), host),
        None => (None, authority),
    };
    let location = Location::parse(&format!("{scheme}://{host}/{path}")).map_err(|why| {
        Error::new(Kind::Usage, format!("\"{}\" {why}", location::without_user(text)))
            .hint("name a profile, a host or a URL")
    })?;
    Ok((user, location))
}

/// What a command asks the broker for.
struct Errand<'a> {
    profile: &'a Profile,
    destination: &'a Destination,
    client: Client,
    /// For the prompt: `git needs to sign in to git.acme.dev`.
    what: String,
    /// Where the token goes.
    place: String,
    /// Whether a page may be opened for the person.
    opens_browser: bool,
}

impl Errand<'_> {
    /// Meets the world and has `work` done by a broker for this errand's session. `anew` is a person's wish to sign in.
    fn with_broker<T>(&self, anew: bool, work: impl FnOnce(&Broker<'_>, Option<ReadRecord>) -> Result<T>) -> Result<T> {
        let (store, clock, http, human) = self.world()?;
        let world = World { store: &store, clock: &clock, http: &http, human: &human };
        let found = discover::endpoints(self.profile, &world, anew)?;
        self.broker(world, &found.endpoints, |broker| work(broker, found.looked))
    }

    /// The same for what concerns a session that is there; nothing is asked to find it.
    fn with_session(&self, work: impl FnOnce(&Broker<'_>) -> Result<()>) -> Result<()> {
        let Some(endpoints) = discover::known_endpoints(self.profile)? else { return Ok(()) };
        let (store, clock, http, human) = self.world()?;
        self.broker(World { store: &store, clock: &clock, http: &http, human: &human }, &endpoints, work)
    }

    fn world(&self) -> Result<(Store, SystemClock, Web, Terminal)> {
        let http = Web::new(self.profile.ca_file.clone(), environment::proxies);
        Ok((Store::open()?, SystemClock::new(), http, Terminal::new(self.client, self.opens_browser)))
    }

    fn broker<T>(
        &self,
        world: World<'_>,
        endpoints: &Endpoints,
        work: impl FnOnce(&Broker<'_>) -> Result<T>,
    ) -> Result<T> {
        let id = record::id(self.profile, &endpoints.token);
        trace!("session: {id} at {}", trace::url(&endpoints.token));
        let Self { profile, destination, place, .. } = self;
        let setting = Setting { profile, endpoints, destination, place };
        work(&Broker { world, setting, id: &id, what: &self.what })
    }

    /// An ask for this errand's destination.
    fn ask(&self) -> Ask {
        Ask { slot: self.destination.slot.clone(), kind: self.destination.token, ..Ask::default() }
    }

    /// A token in the form a client gets it in, with the moment it should ask again.
    fn credential(&self, token: &Token, username: &str) -> Credential {
        let kind = self.destination.token;
        Credential {
            username: username.to_owned(),
            secret: token.secret(kind).cloned().unwrap_or_else(|| Secret::new("")),
            expires_at: token.told_end(kind, now()),
        }
    }

    /// The token for this errand's destination, by whatever it takes.
    fn obtain(&self, ask: Ask) -> Result<Token> {
        let token = self.with_broker(ask.is_sign_in(), |broker, looked| broker.obtain(ask, looked))?;
        trace!("answer: {}", self.told(&token));
        Ok(token)
    }

    /// A token for the trace: its kind and its end.
    fn told(&self, token: &Token) -> String {
        let (kind, now) = (self.destination.token, now());
        let what = if kind == TokenKind::Id { "an ID token" } else { "an access token" };
        let end = token.told_end(kind, now).map(|end| format!(", told to end in {} s", end - now));
        format!("{what}{}", end.unwrap_or_default())
    }
}

/// The system's time, for what is shown.
fn now() -> i64 {
    SystemClock::new().now()
}
