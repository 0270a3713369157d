//! Kubernetes' exec credential plugin, `keyfob kubectl`. stdin is never touched: some clients leave it open, others need
//! it for themselves.

mod binding;
mod doctor;
pub(crate) mod kubeconfig;
mod setup;
mod suspicion;
pub(crate) mod wire;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, FromArgMatches};

use super::{Call, Client, SetUpClient, Verb};
use crate::clock::{Clock, SystemClock};
use crate::config::environment;
use crate::desk::{Errand, Inline, config, setup_command};
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::human::presence::{Asker, Stderr};
use crate::human::terminal::Terminal;
use crate::human::{Human, Presence};
use crate::mend::Mend;
use crate::model::{Ask, Destination, Location};
use crate::output::{BY_HAND, print, refuse_terminal, report};
use crate::process::{self, Parent};
use crate::secret::Secret;
use crate::store::markers::Markers;
use crate::store::record;
use crate::trace::{trace, yes};
use binding::Told;
use suspicion::Again;
use wire::{Request, Version};

pub(super) const CLIENT: Client = Client {
    name: "kubectl",
    verb: Verb::Own,
    place: 2,
    links: &[],
    stderr: Stderr::Free,
    lines: |command| Kubectl::augment_args(command).about("What kubectl runs, as its exec credential plugin"),
    call: |matches| Ok(Box::new(Kubectl::from_arg_matches(matches)?)),
    linked: |_| unreachable!("no link is called so"),
    misspelt: |_| ExitCode::FAILURE,
    setup: Some(SetUpClient {
        lines: |command| {
            setup::Lines::augment_args(command).about("Have kubectl ask keyfob for a user of the kubeconfig")
        },
        run: |matches, how| setup::run(&setup::Lines::from_arg_matches(matches).map_err(crate::setup::unread)?, how),
    }),
    next: |profile, user| {
        let user = user.or_else(|| profile.name.as_deref().filter(|_| !profile.clusters.is_empty()))?;
        Some([setup_command(&[CLIENT.name], profile), vec!["--user".to_owned(), user.to_owned()]].concat())
    },
    program: Some(doctor::program),
    doctor: Some(doctor::examine),
};

/// `keyfob kubectl`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob setup kubectl --profile acme --user acme")]
pub(crate) struct Kubectl {
    /// Answer for this profile
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Version where the client names none: v1 or v1beta1
    #[arg(long, value_name = "V")]
    pub(crate) api_version: Option<String>,
    #[command(flatten)]
    pub(crate) inline: Inline,
}

impl Kubectl {
    /// Reads what stands behind `keyfob` in a kubeconfig.
    fn read(args: &[String]) -> Option<Self> {
        let (verb, _) = args.split_first()?;
        let command = Self::augment_args(clap::Command::new("keyfob"));
        (verb == CLIENT.name).then(|| Self::from_arg_matches(&command.try_get_matches_from(args).ok()?).ok()).flatten()
    }
}

impl Call for Kubectl {
    fn serve(&self) -> ExitCode {
        run(self)
    }

    fn operation(&self) -> Option<&'static str> {
        None
    }
}

/// Programs that run a plugin which failed up to five times, one time after the other.
const REPEATING: &[&str] = &["kubectl", "helm", "k9s", "oc"];

/// A kubectl that asks its server what it can do gives up on the answer, and so on us, after 32 seconds (client-go,
/// discovery).
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers one request: 0 with a credential, 1 without.
fn run(command: &Kubectl) -> ExitCode {
    match answer(command).and_then(|answer| print(answer.as_bytes())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // kubectl runs a plugin that failed up to five times: who has seen the words need not see them again.
            if !(error.is_repeated() && io::stderr().is_terminal()) {
                report(&error);
            }
            ExitCode::FAILURE
        }
    }
}

fn answer(command: &Kubectl) -> Result<String> {
    refuse_terminal(BY_HAND)?;
    let clock = SystemClock::new();
    let variable = environment::kubernetes_exec_info();
    let otherwise = match command.api_version.as_deref() {
        None => Version::default(),
        Some(name) => Version::named(name).ok_or_else(|| {
            Error::new(Kind::Usage, format!("there is no version \"{}\" of the protocol", escape(name)))
                .hint("write --api-version v1 or v1beta1")
        })?,
    };
    let asked = wire::decode(variable.as_deref(), otherwise).map_err(|why| {
        Error::new(Kind::Usage, why.to_string())
            .hint("set apiVersion: client.authentication.k8s.io/v1 for this user in the kubeconfig")
    })?;
    let config = config(&command.inline)?;
    let server = server(&asked)?;
    let parent = process::parent();
    let client = super::asking(parent.iter(), CLIENT.name, &[]);
    let told = || server.as_ref().map_or_else(|| "no server".to_owned(), ToString::to_string);
    trace!("{client} says: {}, KUBERNETES_EXEC_INFO: {}", told(), yes(variable.is_some()));
    let profile = binding::profile(&config, command.profile.as_deref(), server.as_ref())?;
    let why = match (&command.profile, &server) {
        (Some(_), _) => "it is named",
        (None, Some(_)) if config.profiles.len() > 1 => "its clusters have the server",
        (None, _) => "it is the only one",
    };
    trace!("profile: {} ({why})", profile.title());
    let told = Told {
        server: server.as_ref(),
        way: &asked.way,
        could_tell: !variable.as_deref().unwrap_or_default().trim().is_empty(),
    };
    let destination = binding::destination(profile, &told)?;

    let place = match (&server, &profile.clusters[..]) {
        (Some(location), _) => location.authority(),
        (None, [(entry, _)]) => entry.location.authority(),
        (None, _) => "the cluster".to_owned(),
    };
    let what = format!("{} needs to sign in to {place}", escape(client));
    let asker = Asker { stderr: CLIENT.stderr, ..Asker::PLAIN };
    let errand = Errand { profile, destination, asker, what, place, opens_browser: true };

    // The protocol cannot say that a token was refused. A client that asks again for one that lives may say it all the same.
    let markers = Markers::open()?;
    let id = record::id(profile, profile.server.name());
    let again = suspicion::again(variable.as_deref());
    let asking = parent.as_ref().filter(|_| again != Again::Habit);
    let marker = |parent: &Parent| marker(&id, parent, destination);
    let repeats = REPEATING.iter().any(|name| client.starts_with(name));
    let mut ask = Ask { parent: parent.as_ref().map(|parent| parent.id.clone()), repeats, ..errand.ask() };
    if let Some(parent) = asking.filter(|_| !profile.preset.refresh_ends_earlier_tokens()) {
        ask.suspected = markers.given(&parent.id, &marker(parent));
        if ask.suspected.is_some() && (again == Again::Perhaps || suspicion::reads_stdin(&process::parent_args())) {
            ask.is_doubtful = true;
            if !markers.doubt(&parent.id, &id, clock.now()) {
                ask.suspected = None;
            }
        }
    }
    let suspected = ask.suspected.clone().filter(|_| !ask.is_doubtful);
    let token = errand.obtain(ask)?;
    if clock.elapsed() > PATIENCE {
        tell_that_it_took_long();
    }
    let credential = errand.credential(&token, "");
    let now = clock.now();
    if let Some(parent) = asking {
        // It has had the successor of what was refused, and comes again.
        let is_again = suspected.is_some_and(|suspected| suspected == credential.secret.fingerprint());
        if is_again && token.is_recent_replacement(now) && markers.claim(parent.id.as_str(), &id, &credential.secret) {
            report(&refused_again(&errand.place, server.as_ref()));
        }
        markers.give(&parent.id, &marker(parent), &credential.secret);
        if token.received_at == now {
            // Not on a hit: the folder is read when a token has just come, which bounds how full it gets.
            markers.sweep(now);
        }
    }
    Ok(asked.encode(&credential))
}

/// What is said beside the answer where a server goes on refusing.
fn refused_again(place: &str, server: Option<&Location>) -> Error {
    let what = format!("{place} seems to refuse the token, which was renewed just now");
    let doctor = server.map_or_else(|| Mend::run("keyfob doctor"), |url| Mend::run("keyfob doctor").with(url));
    Error::new(Kind::Refused, what).hint(doctor.lead("it may want another issuer or audience;"))
}

/// Whoever approved has seen the sign-in succeed, and may see the command fail all the same.
fn tell_that_it_took_long() {
    let human = Terminal::new(Asker::PLAIN, false);
    if matches!(human.presence(), Ok(Presence::Here)) {
        human.tell("kubectl may have given up waiting; if it did, run it again");
    }
}

/// A session's token for one slot in the hands of one program, as a marker names it. The program counts because a kubectl
/// that finds a server of another version turns into that version's kubectl, as the same process.
fn marker(id: &str, parent: &Parent, destination: &Destination) -> String {
    let Parent { id: _, name } = parent;
    Secret::new(format!("{id} {name} {:?} {}", destination.token, destination.slot.key())).fingerprint().to_string()
}

fn server(asked: &Request) -> Result<Option<Location>> {
    asked.location().transpose().map_err(|why| {
        Error::new(Kind::Usage, format!("the kubeconfig's server {why}")).hint("correct server in the kubeconfig")
    })
}
