//! What every client's code, and every command that wants a token, may use: the configuration, an errand to the broker, and
//! the credential that comes of it.

use clap::Args;

use crate::broker::{Broker, World, discover};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::Config;
use crate::config::environment::{self, Interactive};
use crate::config::file::{self, Spelt};
use crate::error::{Error, Kind, Result};
use crate::human::Human as _;
use crate::human::presence::Asker;
use crate::human::terminal::Terminal;
use crate::machine::Setting;
use crate::mend::Argv;
use crate::model::{Ask, Destination, Endpoints, Location, Profile, Token, TokenKind, location};
use crate::oauth::http::Web;
use crate::process::Successor;
use crate::secret::Secret;
use crate::store::{ReadRecord, Store, record};
use crate::trace::{self, trace};

/// A profile spelt on the command line in place of the configuration file.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Inline {
    /// Provider, for a profile spelt here
    #[arg(long, value_name = "NAME", requires = "client_id", conflicts_with = "profile")]
    pub(crate) provider: Option<String>,
    /// Client ID at that provider
    #[arg(long, value_name = "ID", requires = "provider")]
    pub(crate) client_id: Option<String>,
    /// Issuer, where each tenant has one
    #[arg(long, value_name = "URL", requires = "provider")]
    pub(crate) issuer: Option<String>,
    /// Scope to ask for; repeatable
    #[arg(long = "scope", value_name = "SCOPE", requires = "provider")]
    pub(crate) scopes: Vec<String>,
    /// Host the tokens may go to; repeatable
    #[arg(long = "host", value_name = "HOST", requires = "provider")]
    pub(crate) hosts: Vec<String>,
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) username: String,
    pub(crate) secret: Secret,
    /// When the client should ask again; never past.
    pub(crate) expires_at: Option<Timestamp>,
}

/// The command that has a client ask keyfob for a profile. `what`: the client and what is named of it, as a shell takes that.
pub(crate) fn setup_command(what: &[&str], profile: &Profile) -> Argv {
    let ends = ["--profile", profile.title()];
    ["keyfob", "setup"].iter().chain(what).chain(&ends).map(|word| (*word).to_owned()).collect()
}

/// The configuration that a command goes by: the profile spelt on its line alone, or the files.
pub(crate) fn config(inline: &Inline) -> Result<Config> {
    let Inline { provider, client_id, issuer, scopes, hosts } = inline;
    let (Some(provider), Some(client_id)) = (provider, client_id) else { return Config::load() };
    let profile = file::inline(&Spelt { provider, client_id, issuer: issuer.as_deref(), scopes, hosts })?;
    Ok(Config { profiles: vec![profile], ..Config::default() })
}

/// `[https://][user@]host[:port][/path]`.
pub(crate) fn parse_url(text: &str) -> Result<(Option<String>, Location)> {
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
pub(crate) struct Errand<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) destination: &'a Destination,
    pub(crate) asker: Asker,
    /// For the prompt: `git needs to sign in to git.acme.dev`.
    pub(crate) what: String,
    /// Where the token goes.
    pub(crate) place: String,
    /// Whether a page may be opened for the person.
    pub(crate) opens_browser: bool,
}

impl Errand<'_> {
    /// Meets the world and has `work` done by a broker for this errand's session. `anew` is a person's wish to sign in.
    pub(crate) fn with_broker<T>(
        &self,
        anew: bool,
        work: impl FnOnce(&Broker<'_>, Option<ReadRecord>) -> Result<T>,
    ) -> Result<T> {
        let successor = Successor::new(named(self.profile), trace::is_on_stderr());
        self.with_broker_and(Some(&successor), anew, work)
    }

    fn with_broker_and<T>(
        &self,
        successor: Option<&Successor>,
        anew: bool,
        work: impl FnOnce(&Broker<'_>, Option<ReadRecord>) -> Result<T>,
    ) -> Result<T> {
        let (store, clock, http, human) = self.world()?;
        let world = World { store: &store, clock: &clock, http: &http, human: &human, successor };
        let found = discover::endpoints(self.profile, &world, anew);
        let done = found.and_then(|found| self.broker(world, &found.endpoints, |broker| work(broker, found.looked)));
        done.map_err(|error| if reads_on(&human) { error } else { error.in_steps() })
    }

    /// The same for what concerns a session that is there; nothing is asked to find it.
    pub(crate) fn with_session(&self, work: impl FnOnce(&Broker<'_>) -> Result<()>) -> Result<()> {
        let Some(endpoints) = discover::known_endpoints(self.profile)? else { return Ok(()) };
        let (store, clock, http, human) = self.world()?;
        self.broker(
            World { store: &store, clock: &clock, http: &http, human: &human, successor: None },
            &endpoints,
            work,
        )
    }

    pub(crate) fn world(&self) -> Result<(Store, SystemClock, Web, Terminal)> {
        let http = Web::new(self.profile.ca_file.clone(), environment::proxies);
        Ok((Store::open()?, SystemClock::new(), http, Terminal::new(self.asker, self.opens_browser)))
    }

    pub(crate) fn broker<T>(
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
    pub(crate) fn ask(&self) -> Ask {
        Ask { slot: self.destination.slot.clone(), kind: self.destination.token, ..Ask::default() }
    }

    /// A token in the form a client gets it in, with the moment it should ask again.
    pub(crate) fn credential(&self, token: &Token, username: &str) -> Credential {
        let kind = self.destination.token;
        Credential {
            username: username.to_owned(),
            secret: token.secret(kind).cloned().unwrap_or_else(|| Secret::new("")),
            expires_at: token.told_end(kind, now()),
        }
    }

    /// The token for this errand's destination, by whatever it takes.
    pub(crate) fn obtain(&self, ask: Ask) -> Result<Token> {
        let token = self.with_broker(ask.is_sign_in(), |broker, looked| broker.obtain(ask, looked))?;
        trace!("answer: {}", self.told(&token));
        Ok(token)
    }

    /// The same without leaving a renewal to a process in the background: this one becomes another program, which would not know
    /// of a child of its own that it has never started.
    pub(crate) fn obtain_alone(&self, ask: Ask) -> Result<Token> {
        self.with_broker_and(None, false, |broker, looked| broker.obtain(ask, looked))
    }

    /// A token for the trace: its kind and its end.
    pub(crate) fn told(&self, token: &Token) -> String {
        let (kind, now) = (self.destination.token, now());
        let what = if kind == TokenKind::Id { "an ID token" } else { "an access token" };
        let end = token.told_end(kind, now).map(|end| format!(", told to end in {} s", end - now));
        format!("{what}{}", end.unwrap_or_default())
    }
}

/// Whether somebody sees what a command says while it waits. Where nobody does, none that waits for a person is named.
fn reads_on(human: &Terminal) -> bool {
    human.has_terminal() || environment::interactive() == Ok(Interactive::Always)
}

/// The words that name a profile on our own command line.
fn named(profile: &Profile) -> Argv {
    match &profile.name {
        Some(name) => vec!["--profile".to_owned(), name.clone()],
        // Behind `keyfob login`.
        None => profile.login_command().split_off(2),
    }
}

/// The system's time, for what is shown.
pub(crate) fn now() -> i64 {
    SystemClock::new().now()
}
