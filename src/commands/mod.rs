//! What people call: one file, or folder, for each thing that can be asked.

mod completions;
mod doctor;
mod login;
mod logout;
mod man;
mod offer;
mod providers;
mod renew;
mod run;
mod setup;
mod status;
mod token;

use std::process::ExitCode;

use crate::cli::{Command, Subject};
use crate::clients::{Called, HELPER, Verb};
use crate::config::{Config, matching};
use crate::desk::{config, parse_url};
use crate::error::{Error, Kind, Result};
use crate::model::{Destination, Location, Profile};
use crate::output::{report, report_as_json};
use crate::trace::trace;
pub(crate) use run::NOT_STARTED;

/// Does what the command line asks and reports how it went. What people call is kept out of line: between the lines that
/// clients run through it would cost each hit a tenth, in pages to be mapped.
pub(crate) fn run(command: Command) -> ExitCode {
    trace!("keyfob {} for {}: {}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, name(&command));
    let report = if wants_json(&command) { report_as_json } else { report };
    let done = match command {
        Command::Client(called) => return called.call.serve(),
        Command::Login(login) => login::run(&login),
        Command::Logout(logout) => logout::run(&logout),
        Command::Status(status) => status::run(&status),
        Command::Token(token) => token::run(&token),
        Command::Run(run) => run::run(&run),
        Command::Setup(setup) => setup::run(&setup),
        Command::Doctor(doctor) => doctor::run(&doctor),
        Command::Providers(providers) => providers::run(&providers),
        Command::Completions(completions) => completions::run(&completions),
        Command::Complete(complete) => completions::offer(&complete),
        Command::Man => man::run(),
        Command::Renew(renew) => renew::run(&renew),
    };
    done.unwrap_or_else(|error| {
        report(&error);
        error.exit_code()
    })
}

/// Whether a program reads what is printed.
fn wants_json(command: &Command) -> bool {
    match command {
        Command::Login(login) => login.json,
        Command::Token(token) => token.json,
        Command::Status(status) => status.json,
        Command::Doctor(doctor) => doctor.json,
        _ => false,
    }
}

/// The command, without what follows it: a URL may hold a password, a wrong word anything.
fn name(command: &Command) -> String {
    match command {
        Command::Client(Called { client, call }) => {
            let helper = if client.verb == Verb::Helper { format!("{HELPER} ") } else { String::new() };
            let operation = call.operation().map(|operation| format!(" {operation}")).unwrap_or_default();
            return format!("{helper}{}{operation}", client.name);
        }
        Command::Login(_) => "login",
        Command::Logout(_) => "logout",
        Command::Status(_) => "status",
        Command::Token(_) => "token",
        Command::Run(_) => "run",
        Command::Providers(_) => "providers",
        Command::Setup(_) => "setup",
        Command::Doctor(_) => "doctor",
        Command::Completions(_) => "completions",
        Command::Complete(_) => "complete",
        Command::Man => "man",
        Command::Renew(_) => "renew",
    }
    .to_owned()
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

    /// What was named, for a sentence: the host, else the profile.
    fn place(&self) -> String {
        self.location.as_ref().map_or_else(|| self.profile().title().to_owned(), ToString::to_string)
    }
}

/// Whether what a person named is a URL or a host, and no profile.
fn is_place(text: &str) -> bool {
    text.contains("://") || text.contains('.')
}

/// What a person named: an inline profile, a URL or host (it has `://` or a dot), a profile, or nothing for the only one.
fn choose(subject: &Subject) -> Result<Chosen> {
    // clap lets nobody name a subject beside a profile that is spelt: that one is then the only one.
    let config = config(&subject.inline)?;
    let index_of =
        |profile: &Profile| config.profiles.iter().position(|known| std::ptr::eq(known, profile)).unwrap_or(0);
    let (index, destination, location) = match subject.name.as_deref() {
        Some(url) if is_place(url) => {
            let (user, location) = parse_url(url)?;
            let found = matching::choose(config.profiles.iter(), &location, user.as_deref())?;
            let (profile, destination) = found.ok_or_else(|| {
                Error::new(Kind::Usage, format!("no profile answers for {location}"))
                    .hint(config.choices().lead("add it to hosts of a profile;"))
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
