//! docker's credential helper, `keyfob docker`. Errors go to stdout, where Go clients read them, and to stderr, where
//! people do; the exit code is 0 or 1, because others are misread.

mod containers;
mod doctor;
mod registry;
mod setup;
pub(crate) mod wire;
mod written;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use clap::{Args, FromArgMatches};

use super::{Call, Client, SetUpClient, Verb, operation};
use crate::broker::discover;
use crate::clock::SystemClock;
use crate::config::{Config, matching};
use crate::desk::{Errand, setup_command};
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::human::presence::{Asker, Stderr};
use crate::mend::Mend;
use crate::model::location::Scheme;
use crate::model::{Ask, Destination, Location, Profile, Want};
use crate::output::{BY_HAND, print, refuse_terminal};
use crate::process::{self, Parent};
use crate::secret::{Secret, SecretBytes};
use crate::store::Store;
use crate::store::passwords::{Entry, Passwords};
use crate::store::record::Record;
use crate::trace::{self, trace};
use registry::Takes;
use wire::{Login, Server};

/// The name that docker and its kin look for.
const LINK: &str = "docker-credential-keyfob";

pub(super) const CLIENT: Client = Client {
    name: "docker",
    verb: Verb::Own,
    place: 1,
    links: &[LINK],
    stderr: Stderr::OnFailure,
    lines: |command| Docker::augment_args(command).about("What docker and its kin run, as their credential helper"),
    call: |matches| Ok(Box::new(Docker::from_arg_matches(matches)?)),
    // No option of clap's: docker's helpers have a usage of their own.
    linked: |args| {
        let words = args.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        Ok(Box::new(Docker { words }))
    },
    misspelt: |_| ExitCode::FAILURE,
    setup: Some(SetUpClient {
        lines: |command| setup::Lines::augment_args(command).about("Have docker, podman and skopeo ask keyfob"),
        run: |matches, how| setup::run(&setup::Lines::from_arg_matches(matches).map_err(crate::setup::unread)?, how),
    }),
    next: |profile, _| (!profile.hosts.is_empty()).then(|| setup_command(&[CLIENT.name], profile)),
    program: Some(doctor::program),
    doctor: Some(doctor::examine),
};

/// `keyfob docker`, also as `docker-credential-keyfob`, which takes no options.
#[derive(Args, Debug)]
#[command(after_help = "Example: echo registry.acme.dev | docker-credential-keyfob get | jq .Username")]
pub(crate) struct Docker {
    /// What docker wants: get, store, erase, list, version
    #[arg(value_name = "OPERATION")]
    pub(crate) words: Vec<String>,
}

impl Call for Docker {
    fn serve(&self) -> ExitCode {
        run(self)
    }

    fn operation(&self) -> Option<&'static str> {
        Some(operation(self.words.first().map_or("", String::as_str)))
    }
}

/// What else reads docker's configuration, behind a shell: else any program is called by its name.
const KIN: &[&str] = &["docker", "podman", "skopeo", "buildah", "nerdctl", "crane", "oras", "helm", "regctl", "cosign"];

/// The plain store's name for docker.
const SERVICE: &str = "docker";

const VERSION: &str = concat!("docker-credential-keyfob (keyfob) ", env!("CARGO_PKG_VERSION"), "\n");
const USAGE: &str = "Usage: docker-credential-keyfob <store|get|erase|list|version>";

/// Why there is no answer.
enum Failure {
    /// The protocol's own sentence, and what a person should know beside it.
    Sentence(&'static str, Option<&'static str>),
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Answers one operation.
fn run(command: &Docker) -> ExitCode {
    let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["get"] => get(),
        ["store"] => store(),
        ["erase"] => Ok(erase()),
        ["list"] => list(),
        ["version" | "--version" | "-v"] => Ok(VERSION.to_owned()),
        ["--help" | "-h"] => Ok(format!("{USAGE}\n")),
        _ => Err(Failure::Sentence(USAGE, None)),
    };
    // What was written is all there is: a closed stdout has nobody to tell.
    let (text, said, code) = match done {
        Ok(text) => (text, String::new(), ExitCode::SUCCESS),
        Err(Failure::Sentence(sentence, aside)) => {
            trace!("answer: {sentence}");
            let aside = aside.map(|aside| format!("keyfob: {aside}\n")).unwrap_or_default();
            (format!("{sentence}\n"), aside, ExitCode::FAILURE)
        }
        Err(Failure::Error(error)) => {
            trace::failed(&error);
            (error.line(), error.lines(), ExitCode::FAILURE)
        }
    };
    let _ = io::stderr().write_all(said.as_bytes());
    let _ = print(text.as_bytes());
    code
}

fn get() -> Result<String, Failure> {
    refuse_terminal(BY_HAND)?;
    let server = wire::decode_server(&read()?).map_err(|sentence| Failure::Sentence(sentence, None))?;
    let config = Config::load()?;
    let owner = owner(&config, &server)?;
    let refuses = owner.as_ref().and_then(|owner| owner.refuses);
    if let Some(owner) = owner.as_ref().filter(|owner| owner.answers()) {
        let above = asking_processes();
        let errand = owner.errand(&server, super::asking(above.iter(), CLIENT.name, KIN));
        // docker asks again at once when it was told no: one need is one prompt.
        let parent = above.first().map(|parent| parent.id.clone());
        let token = errand.obtain(Ask { parent, ..errand.ask() })?;
        let credential = errand.credential(&token, &owner.username);
        return Ok(wire::encode(&server, &credential));
    }
    if let Some((username, secret)) = kept(&config, &server)? {
        trace!("answer: what the plain store keeps");
        return Ok(wire::encode_login(&server, &username, &secret));
    }
    match refuses {
        Some(why) => Err(Error::new(Kind::Refused, why)
            .hint(Mend::run("docker login").with(&server.location.host).lead("make such a token and"))
            .into()),
        None => Err(Failure::Sentence(wire::NOT_FOUND, None)),
    }
}

/// Whoever runs us, and where that is a shell those above it.
fn asking_processes() -> Vec<Parent> {
    let mut above = process::ancestors();
    let first: Vec<Parent> = above.next().into_iter().collect();
    if first.iter().any(|parent| process::is_shell(&parent.name)) {
        first.into_iter().chain(above).collect()
    } else {
        first
    }
}

/// A registry with a profile has nothing to keep: its login is the session.
fn store() -> Result<String, Failure> {
    let input = read()?;
    let Login { server, username, secret } = wire::decode_login(&input)
        .map_err(|sentence| Failure::Sentence(sentence, Some("what to store is not whole")))?;
    let config = Config::load()?;
    if let Some(owner) = owner(&config, &server)?.filter(Owner::answers) {
        // docker has told its person that the login succeeded.
        if !owner.gave(&secret) {
            let host = server.location.authority();
            let what = format!("{host} is the profile {}'s, and this login was not kept", owner.profile.title());
            let mend = Mend::command(owner.profile.login_command()).lead("to sign in,");
            let line = Error::new(Kind::Configuration, what).hint(mend).line();
            let _ = write!(io::stderr(), "keyfob: {line}");
        }
        return Ok(String::new());
    }
    if !keeps(&config) {
        return Err(Error::new(
            Kind::Configuration,
            format!("logins are not kept for {}", server.location.authority()),
        )
        .hint("set docker = true under [store], or name the registry in a profile")
        .into());
    }
    let path = server.path().map(SecretBytes::new);
    let entry = Entry {
        path: path.clone(),
        username: Some(SecretBytes::new(username)),
        password: Some(secret),
        ..Entry::default()
    };
    Passwords::open().change(SERVICE, &name(&server), &SystemClock::new(), |entries| {
        entries.retain(|old| old.path != path);
        entries.insert(0, entry);
    })?;
    Ok(String::new())
}

/// Never an error, whatever there is to erase or in the way of it: skopeo 1.9 overflows its stack over one. What went wrong
/// is said on stderr.
fn erase() -> String {
    if let Err(Failure::Error(error)) = erased() {
        let _ = io::stderr().write_all(error.lines().as_bytes());
    }
    String::new()
}

fn erased() -> Result<(), Failure> {
    let Ok(server) = wire::decode_server(&read()?) else { return Ok(()) };
    let config = Config::load()?;
    if let Some(owner) = owner(&config, &server)?.filter(Owner::answers) {
        let errand = owner.errand(&server, CLIENT.name);
        let ask = Ask { want: Want::SignOut, ..errand.ask() };
        return Ok(errand.with_session(|broker| broker.report(ask))?);
    }
    let path = server.path().map(SecretBytes::new);
    let passwords = Passwords::open();
    if !passwords.entries(SERVICE, &name(&server))?.is_empty() {
        passwords.change(SERVICE, &name(&server), &SystemClock::new(), |entries| {
            entries.retain(|entry| entry.path != path);
        })?;
    }
    Ok(())
}

/// What is kept, and the registries of profiles that are signed in, as `get` would answer each. No network, nobody asked,
/// stdin untouched. What cannot be told is a line on stderr, and takes nothing from the others.
fn list() -> Result<String, Failure> {
    let config = Config::load()?;
    let mut logins = Vec::new();
    let mut said = BTreeSet::new();
    let all = if keeps(&config) { Passwords::open().listed() } else { Ok(Vec::new()) };
    for kept in all.unwrap_or_else(|error| vec![Err(error)]) {
        let done = kept.map(|kept| {
            let host = String::from_utf8_lossy(kept.place.expose()).into_owned();
            let path = text(kept.entry.path.as_ref()).map(|path| format!("/{path}")).unwrap_or_default();
            // The name docker looks the Hub's login up by.
            let name = match host.as_str() {
                wire::HUB if path.is_empty() => "https://index.docker.io/v1/".to_owned(),
                wire::HUB => format!("https://{host}{path}"),
                host => format!("{host}{path}"),
            };
            let server = Server::parse(&name).filter(|_| kept.service == SERVICE);
            if server.is_some_and(|server| !is_answered(&config, &server)) {
                logins.push((name, text(kept.entry.username.as_ref()).unwrap_or_default()));
            }
        });
        said.extend(done.err().map(|error| error.line()));
    }
    // A wildcard is no name that anybody could ask by; what docker itself names of it is.
    let hosts = config.profiles.iter().flat_map(|profile| &profile.hosts).filter(|(entry, _)| !entry.wildcard);
    for name in hosts.map(|(entry, _)| name_of(&entry.location)).chain(written::names()) {
        let Some(server) = Server::parse(&name) else { continue };
        let done = owner(&config, &server).and_then(|owner| {
            if let Some(owner) = owner.filter(Owner::answers)
                && owner.is_signed_in()?
            {
                logins.push((name_of(&server.location), owner.username));
            }
            Ok(())
        });
        said.extend(done.err().map(|error| error.line()));
    }
    for line in said {
        let _ = write!(io::stderr(), "keyfob: {line}");
    }
    Ok(wire::encode_list(logins))
}

/// A registry as docker and its kin name it, with the path that some ask by.
fn name_of(location: &Location) -> String {
    location.to_string().split("://").skip(1).collect()
}

/// The profile that answers for a registry.
struct Owner<'a> {
    profile: &'a Profile,
    destination: &'a Destination,
    username: String,
    /// Why the registry takes no token of it, if so.
    refuses: Option<&'static str>,
}

impl Owner<'_> {
    /// Whether the registry gets a token of it.
    fn answers(&self) -> bool {
        self.refuses.is_none()
    }

    fn record(&self) -> Result<Record> {
        Ok(Store::open()?.peek(&discover::session(self.profile)?)?.unwrap_or_default())
    }

    /// Whether there is a session that a token could come of.
    fn is_signed_in(&self) -> Result<bool> {
        let record = self.record()?;
        Ok(record.refresh_token.is_some() || !record.tokens.is_empty())
    }

    /// Whether a secret is a token of the session: docker hands back what it was given.
    fn gave(&self, secret: &SecretBytes) -> bool {
        let tokens = self.record().unwrap_or_default().tokens;
        let is_it = |token: &Secret| token.expose().as_bytes() == secret.expose();
        tokens.values().filter_map(|token| token.secret(self.destination.token)).any(is_it)
    }

    /// `who`: the program that asks.
    fn errand(&self, server: &Server, who: &str) -> Errand<'_> {
        let place = server.location.authority();
        let what = format!("{} needs to sign in to {place}", escape(who));
        Errand {
            profile: self.profile,
            destination: self.destination,
            asker: Asker { stderr: CLIENT.stderr, ..Asker::PLAIN },
            what,
            place,
            opens_browser: true,
        }
    }
}

/// Whether a profile answers for a registry, as far as that can be told.
fn is_answered(config: &Config, server: &Server) -> bool {
    matches!(owner(config, server), Ok(Some(owner)) if owner.answers())
}

fn owner<'a>(config: &'a Config, server: &Server) -> Result<Option<Owner<'a>>> {
    if server.is_plain && !server.location.is_loopback() {
        // A token would cross the network in the clear.
        return Ok(None);
    }
    let mut chosen = matching::choose(config.profiles.iter(), &server.location, None)?;
    // A profile may call Docker Hub by any of its names.
    for host in wire::HUB_NAMES.iter().filter(|_| server.is_hub()) {
        if chosen.is_none() {
            let other = Location { host: (*host).to_owned(), ..server.location.clone() };
            chosen = matching::choose(config.profiles.iter(), &other, None)?;
        }
    }
    if chosen.is_none() && server.location.is_loopback() {
        // On this machine a profile may say http, and a registry is named without a scheme.
        let port = if server.location.port == 443 { 80 } else { server.location.port };
        let plain = Location { scheme: Scheme::Http, port, ..server.location.clone() };
        chosen = matching::choose(config.profiles.iter(), &plain, None)?;
    }
    let asked = if server.is_plain { "plain http at " } else { "" };
    let Some((profile, destination)) = chosen else {
        trace!("profile: none answers for {asked}{}", server.location);
        return Ok(None);
    };
    trace!("profile: {} (it answers for {asked}{})", profile.title(), server.location);
    let convention = registry::takes(&server.location);
    let usual = match convention {
        Some(Takes::Beside(username)) => username,
        _ => profile.preset.registry_username,
    };
    let refuses = match convention {
        Some(Takes::Nothing(why)) => Some(why),
        Some(Takes::Beside(_)) => None,
        None => profile.preset.registry_refuses,
    };
    let username = destination.username.as_deref().unwrap_or(usual).to_owned();
    Ok(Some(Owner { profile, destination, username, refuses }))
}

/// The login kept for a server: the longest path that leads to it.
fn kept(config: &Config, server: &Server) -> Result<Option<(String, String)>> {
    if !keeps(config) {
        return Ok(None);
    }
    let entries = Passwords::open().entries(SERVICE, &name(server))?;
    let path = |entry: &Entry| text(entry.path.as_ref());
    let fitting = entries.iter().filter(|entry| server.is_within(path(entry).as_deref()));
    let closest = fitting.max_by_key(|entry| path(entry).map_or(0, |path| path.len() + 1));
    let or_empty = |bytes: &Option<SecretBytes>| text(bytes.as_ref()).unwrap_or_default();
    Ok(closest.map(|entry| (or_empty(&entry.username), or_empty(&entry.password))))
}

/// A field of a login, which docker's JSON made text.
fn text(bytes: Option<&SecretBytes>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(bytes.expose()).into_owned())
}

fn keeps(config: &Config) -> bool {
    config.store.docker.unwrap_or(true)
}

/// The plain store's name for a registry.
fn name(server: &Server) -> Vec<u8> {
    server.location.authority().into_bytes()
}

/// Drains stdin whatever comes: a client that cannot write it all reports a broken pipe in place of our answer.
fn read() -> Result<Vec<u8>, Failure> {
    let mut input = Vec::new();
    let mut stdin = io::stdin().lock();
    let read = stdin.by_ref().take(wire::INPUT_LIMIT as u64 + 1).read_to_end(&mut input);
    let drained = read.and_then(|_| io::copy(&mut stdin, &mut io::sink()));
    drained.map_err(|error| Error::broken("cannot read what docker asks", error))?;
    if input.len() > wire::INPUT_LIMIT {
        return Err(Failure::Sentence(wire::NO_SERVER, Some("what docker asks is larger than any login")));
    }
    Ok(input)
}
