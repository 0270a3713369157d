//! git's credential helper, `keyfob git`. Its exit code is always 0, because git ignores it and uses what was printed.
//!
//! A host with a profile is answered from its session; any other from the plain store, if that is on; else silence.

mod before;
mod challenge;
mod doctor;
pub(crate) mod helpers;
mod sections;
mod setup;
pub(crate) mod wire;

use std::io::{self, Read};
use std::process::ExitCode;

use clap::{Args, FromArgMatches, Parser};

use super::{Call, Client, SetUpClient, Verb, operation};
use crate::clock::SystemClock;
use crate::config::{Config, environment, matching, programs};
use crate::desk::{Errand, Inline, config, now, setup_command};
use crate::error::{Error, Kind, Result};
use crate::human::presence::{Asker, Stderr};
use crate::model::{Ask, Destination, ParentId, Profile, Want};
use crate::output::{BY_HAND, print, refuse_terminal, report};
use crate::process::{self, Parent};
use crate::secret::{Secret, SecretBytes};
use crate::store::passwords::{Entry, Passwords, Pattern};
use crate::trace::{self, trace, yes};
use wire::Attributes;

/// The name that git looks for.
const LINK: &str = "git-credential-keyfob";

pub(super) const CLIENT: Client = Client {
    name: "git",
    verb: Verb::Own,
    place: 0,
    links: &[LINK],
    stderr: Stderr::Free,
    lines: |command| Git::augment_args(command).about("What git runs, as its credential helper"),
    call: |matches| Ok(Box::new(Git::from_arg_matches(matches)?)),
    linked: |args| Ok(Box::new(GitHelper::try_parse_from(args)?.git)),
    // git would take anything but 0 for "ask somebody else", so where it wanted a credential it is stopped, and the usage on
    // stderr is seen.
    misspelt: |args| {
        if args.iter().any(|word| word == "get") {
            let _ = print(wire::QUIT);
        }
        ExitCode::SUCCESS
    },
    setup: Some(SetUpClient {
        lines: |command| setup::Lines::augment_args(command).about("Have git ask keyfob for the hosts of a profile"),
        run: |matches, how| setup::run(&setup::Lines::from_arg_matches(matches).map_err(crate::setup::unread)?, how),
    }),
    next: |profile, _| (!profile.hosts.is_empty()).then(|| setup_command(&[CLIENT.name], profile)),
    program: Some(doctor::program),
    doctor: Some(doctor::examine),
};

/// What `git config` says of a key as it stands for the command that asks, `-c` options included; `None` where the key
/// is not set, or git is not there. Raw: `credential.interactive` may be `never`, which `--type=bool` would refuse.
fn configured(key: &str) -> Option<String> {
    let answer = programs::ask("git", ["config", "--get", key], &process::With::default())
        .ok()
        .filter(|answer| answer.succeeded)?;
    Some(String::from_utf8_lossy(answer.stdout.expose()).trim().to_owned())
}

/// Whom a sign-in for git asks, and how git says that nobody is to be asked.
const GIT: Asker = Asker {
    is_off: || {
        [
            (environment::git_prompts_off(), "GIT_TERMINAL_PROMPT=0"),
            (environment::vscode_fetches_silently(), "VSCODE_GIT_FETCH_SILENT"),
            (environment::gcm_interactive_off(), "GCM_INTERACTIVE"),
        ]
        .into_iter()
        .find_map(|(is_off, name)| is_off.then_some(name))
    },
    is_off_by_setting: || {
        // A boolean, `auto`, `always` or `never` (git-config).
        let value = configured("credential.interactive")?.to_ascii_lowercase();
        matches!(value.as_str(), "never" | "false" | "no" | "off" | "0").then_some("credential.interactive")
    },
    stderr: CLIENT.stderr,
    behind,
    ..Asker::PLAIN
};

/// `keyfob git`, also as `git-credential-keyfob`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example, in .gitconfig:\n  [credential \"https://git.acme.dev\"]\n    helper = keyfob --profile acme"
)]
pub(crate) struct Git {
    /// Answer for this profile alone
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) inline: Inline,
    /// get, store, erase, capability; any other is ignored
    pub(crate) operation: String,
}

/// `git-credential-keyfob`: the same without the word.
#[derive(Debug, Parser)]
#[command(name = "git-credential-keyfob", version, disable_help_subcommand = true, after_help = crate::output::EXAMPLE, max_term_width = 80)]
pub(crate) struct GitHelper {
    #[command(flatten)]
    pub(crate) git: Git,
}

/// The plain store's name for git.
const SERVICE: &str = "git";

impl Call for Git {
    fn serve(&self) -> ExitCode {
        run(self)
    }

    fn operation(&self) -> Option<&'static str> {
        Some(operation(&self.operation))
    }
}

/// Answers one operation. What it does not know it ignores, as the protocol demands.
fn run(command: &Git) -> ExitCode {
    match command.operation.as_str() {
        "get" => get(command),
        "store" => store(command),
        "erase" => erase(command),
        "capability" => print(wire::CAPABILITIES),
        _ => Ok(()),
    }
    .unwrap_or_else(|error| report(&error));
    ExitCode::SUCCESS
}

fn get(command: &Git) -> Result<()> {
    match answer(command) {
        Ok(answer) => print(&answer),
        // Another helper or a prompt for a password would only hide what is wrong.
        Err(error) => print(wire::QUIT).and(Err(error)),
    }
}

fn answer(command: &Git) -> Result<Vec<u8>> {
    refuse_terminal(BY_HAND)?;
    let asked = read()?;
    let Some(place) = place(&asked) else { return Ok(Vec::new()) };
    let config = profiles(command)?;
    let Some(errand) = errand(command, &config, &asked)? else {
        let kept = kept(&config, &place, &asked)?;
        trace!("answer: {}", if kept.is_empty() { "nothing" } else { "what the plain store keeps" });
        return Ok(kept);
    };
    if asked.cannot_send() {
        let what = format!("{} takes tokens as Bearer alone, which this git cannot send", errand.place);
        return Err(Error::new(Kind::Refused, what).hint("install git 2.46 or newer"));
    }
    let ask = Ask { refused: asked.refused(), challenge: asked.challenge(), ..errand.ask() };
    let token = errand.obtain(ask)?;
    if token.was_refused_to(persistent_asker, now()) {
        let what = format!("{} refuses a token that was renewed just now, and would go on", errand.place);
        return Err(Error::new(Kind::Refused, what).hint("what it said of it stands above; try again in a minute"));
    }
    let requested = asked.username().filter(|name| !name.is_empty());
    let username = errand.destination.username.as_deref().or(requested).unwrap_or(errand.profile.preset.username);
    let credential = errand.credential(&token, username);
    wire::encode(&credential, errand.destination.auth, &asked).map_err(|why| {
        Error::new(Kind::Refused, format!("the credential for {} does not fit git's protocol: {why}", errand.place))
            .hint("check username in the profile")
    })
}

/// git hands over what worked, to every helper of the chain. For a host with a profile there is nothing to keep: what we
/// gave is in the record already.
fn store(command: &Git) -> Result<()> {
    let asked = read()?;
    let Some(place) = place(&asked) else { return Ok(()) };
    let config = profiles(command)?;
    if config.answers(asked.location().as_ref()) {
        // What took the place of a refused token works: the next refusal of it is news.
        report_given(command, &config, &asked, Want::Acceptance)?;
    }
    let ephemeral = asked.ephemeral.as_deref().is_some_and(|value| value == b"1" || value == b"true");
    if !keeps(&config) || ephemeral || config.answers(asked.location().as_ref()) {
        trace!("answer: nothing is kept");
        return Ok(());
    }
    let entry = entry(&asked);
    let is_whole = entry.username.is_some() && entry.password.is_some() || entry.credential.is_some();
    if !is_whole {
        return Ok(());
    }
    Passwords::open().change(SERVICE, &place, &SystemClock::new(), |entries| {
        entries.retain(|old| (&old.path, &old.username) != (&entry.path, &entry.username));
        entries.insert(0, entry);
    })
}

/// A server refused what it was given: of a session only that access token dies; of the plain store what matches does.
fn erase(command: &Git) -> Result<()> {
    let asked = read()?;
    let Some(place) = place(&asked) else { return Ok(()) };
    let config = profiles(command)?;
    let given = asked.password.as_ref().or(asked.credential.as_ref());
    if config.answers(asked.location().as_ref()) {
        if !asked.cannot_send() {
            report_given(command, &config, &asked, Want::Refusal)?;
        }
        return Ok(());
    }
    if !keeps(&config) {
        return Ok(());
    }
    let pattern = pattern(&asked, given.map(SecretBytes::expose));
    Passwords::open().change(SERVICE, &place, &SystemClock::new(), |entries| {
        entries.retain(|entry| !pattern.picks(entry));
    })
}

/// Notes what became of a token that git was given, in the sessions of every profile that may have given it.
fn report_given(command: &Git, config: &Config, asked: &Attributes, want: Want) -> Result<()> {
    let Some(location) = asked.location() else { return Ok(()) };
    let given = asked.password.as_ref().or(asked.credential.as_ref());
    for profile in config.profiles.iter().filter(|profile| is_meant(command, profile)) {
        // Not by user name: git names the one we gave it, which two profiles of a host may share.
        let Some((_, destination)) = matching::choose([profile].into_iter(), &location, None)? else { continue };
        let errand = Errand::for_git(profile, destination, location.authority());
        // What is no text is no token of ours.
        let Ok(given) = given.map(|given| std::str::from_utf8(given.expose())).transpose() else { continue };
        let refused = given.map(|given| Secret::new(given).fingerprint());
        let parent = if want == Want::Refusal { persistent_asker() } else { None };
        let ask = Ask { want, refused, parent, challenge: asked.challenge(), ..errand.ask() };
        errand.with_session(|broker| broker.report(ask))?;
    }
    Ok(())
}

/// The profile and destination that answer, if any do.
fn errand<'a>(command: &Git, config: &'a Config, asked: &Attributes) -> Result<Option<Errand<'a>>> {
    let Some(location) = asked.location() else { return Ok(None) };
    let profiles = config.profiles.iter().filter(|profile| is_meant(command, profile));
    let chosen = matching::choose(profiles, &location, asked.username())?;
    match chosen {
        Some((profile, _)) => trace!("profile: {} (it answers for {location})", profile.title()),
        None => trace!("profile: none answers for {location}"),
    }
    Ok(chosen.map(|(profile, destination)| Errand::for_git(profile, destination, location.authority())))
}

impl<'a> Errand<'a> {
    fn for_git(profile: &'a Profile, destination: &'a Destination, place: String) -> Self {
        let what = format!("git needs to sign in to {place}");
        Self { profile, destination, asker: GIT, what, place, opens_browser: true }
    }
}

/// What the plain store has for a request, unless a profile owns the host: then it has nothing, whoever is asked for.
fn kept(config: &Config, place: &[u8], asked: &Attributes) -> Result<Vec<u8>> {
    if !keeps(config) || config.answers(asked.location().as_ref()) {
        return Ok(Vec::new());
    }
    let pattern = pattern(asked, None);
    let fits = |entry: &&Entry| pattern.picks(entry) && (entry.authtype.is_none() || asked.knows_authtype());
    let entries = Passwords::open().entries(SERVICE, place)?;
    let Some(entry) = entries.iter().find(fits) else { return Ok(Vec::new()) };
    wire::encode_kept(&attributes(entry), asked)
        .map_err(|why| Error::new(Kind::Broken, format!("what is kept does not fit git's protocol: {why}")))
}

fn keeps(config: &Config) -> bool {
    config.store.git.unwrap_or(false)
}

/// The plain store's name for a place; `None` where the request names none, and nothing may be said.
fn place(asked: &Attributes) -> Option<Vec<u8>> {
    let (protocol, host) = (asked.protocol.as_ref()?, asked.host.as_ref()?);
    let named = !protocol.is_empty() && !host.is_empty();
    named.then(|| [protocol.as_slice(), b"://", host].concat())
}

fn pattern<'a>(asked: &'a Attributes, secret: Option<&'a [u8]>) -> Pattern<'a> {
    Pattern { path: asked.path.as_deref(), username: asked.username.as_deref(), secret }
}

fn entry(asked: &Attributes) -> Entry {
    let bytes = |value: &Option<Vec<u8>>| value.as_deref().map(SecretBytes::new);
    // With an authtype the credential is what counts, and git has no password beside it.
    Entry {
        path: bytes(&asked.path),
        username: bytes(&asked.username),
        password: asked.password.clone(),
        password_expiry_utc: bytes(&asked.password_expiry_utc),
        oauth_refresh_token: asked.oauth_refresh_token.clone(),
        authtype: bytes(&asked.authtype).filter(|_| asked.credential.is_some()),
        credential: asked.credential.clone().filter(|_| asked.authtype.is_some()),
    }
}

fn attributes(entry: &Entry) -> Attributes {
    let Entry { path: _, username, password, password_expiry_utc, oauth_refresh_token, authtype, credential } = entry;
    let bytes = |value: &Option<SecretBytes>| value.as_ref().map(|value| value.expose().to_vec());
    Attributes {
        username: bytes(username),
        password: password.clone(),
        password_expiry_utc: bytes(password_expiry_utc),
        oauth_refresh_token: oauth_refresh_token.clone(),
        authtype: bytes(authtype),
        credential: credential.clone(),
        ..Attributes::default()
    }
}

/// Whether a profile may answer: `--profile` narrows the choice. The others still keep their hosts from the plain store.
fn is_meant(command: &Git, profile: &Profile) -> bool {
    command.profile.is_none() || command.profile == profile.name
}

/// The profiles that may answer, and those that only own their hosts; `--profile` has to name one of them.
fn profiles(command: &Git) -> Result<Config> {
    let config = config(&command.inline)?;
    if let Some(name) = &command.profile {
        config.named(name)?;
    }
    Ok(config)
}

fn read() -> Result<Attributes> {
    let mut input = Vec::new();
    io::stdin()
        .lock()
        .take(wire::INPUT_LIMIT as u64 + 1)
        .read_to_end(&mut input)
        .map_err(|error| Error::broken("cannot read what git asks", error))?;
    let attributes = wire::decode(&input);
    zeroize::Zeroize::zeroize(&mut input);
    let mut attributes = attributes.map_err(|why| {
        Error::new(Kind::Usage, format!("what git asks is malformed: {why}")).hint("check the URL of the remote")
    })?;
    // Others (git-lfs, by `git credential fill`) pass a state on and do not do with it what git does: one that was told to continue
    // asks without end when the token is refused later.
    if attributes.knows_state() && !is_gits_transport() {
        trace!("git: what asks is not git's own transport, and gets no state");
        attributes.forget_state();
    }
    trace!("git says: {}", told(&attributes));
    Ok(attributes)
}

/// Whether git's own http transport is who asks: nearest above us, but for shells and git's own wrapper. Where the system does not
/// tell (all but Linux) it is taken not to be: a refused token then costs one round more.
fn is_gits_transport() -> bool {
    asker().is_some_and(|(asker, _)| asker.name.starts_with("git-remote-http"))
}

/// Who asks: nearest above us, but for shells and git's own wrapper; and whether that was between.
fn asker() -> Option<(Parent, bool)> {
    let mut through_git = false;
    for above in process::ancestors() {
        if !is_between(&above.name) {
            return Some((above, through_git));
        }
        through_git |= above.name == "git";
    }
    None
}

fn is_between(name: &str) -> bool {
    process::is_shell(name) || ["git", "git-credential-", "git-credential"].contains(&name)
}

/// Who runs `git credential`, as git-lfs does; git itself is nobody behind it.
fn behind() -> Option<String> {
    let names: Vec<String> = process::ancestors().map(|above| above.name).collect();
    behind_git(names.iter().map(String::as_str)).map(str::to_owned)
}

/// The same of the names above us, the nearest first. A shell is a person who tries it by hand.
fn behind_git<'a>(above: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut nearer = "";
    for name in above {
        if !is_between(name) {
            let is_git = name.starts_with("git-remote-") || name.starts_with("git-http-");
            return (nearer == "git" && !is_git).then_some(name);
        }
        nearer = name;
    }
    None
}

/// Who asks by `git credential`, as git-lfs does: some go on after a refusal for as long as they are given anything.
fn persistent_asker() -> Option<ParentId> {
    asker().filter(|(_, through_git)| *through_git).map(|(asker, _)| asker.id)
}

/// A request for the trace: where, and which of the other attributes are there.
fn told(asked: &Attributes) -> String {
    // Every field is named, so that a new one is decided on here.
    let Attributes {
        capabilities,
        protocol,
        host,
        path,
        username,
        password,
        password_expiry_utc: _,
        oauth_refresh_token: _,
        authtype: _,
        credential,
        ephemeral: _,
        wwwauth,
        state,
    } = asked;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let part = |lead: &str, bytes: &Option<Vec<u8>>| bytes.as_deref().map(|bytes| format!("{lead}{}", text(bytes)));
    let parts = [part("", protocol), part("://", host), part("/", path)];
    let place = trace::url(&parts.into_iter().flatten().collect::<String>());
    let capabilities: Vec<String> = capabilities.iter().map(|capability| text(capability)).collect();
    format!(
        "{place}, user name: {}, password: {}, capabilities: {}, challenges: {}, our state: {}",
        yes(username.is_some()),
        yes(password.is_some() || credential.is_some()),
        if capabilities.is_empty() { "none".to_owned() } else { capabilities.join(" ") },
        wwwauth.len(),
        yes(!state.is_empty()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_git_credential_is_named_and_git_itself_is_not() {
        for (above, name) in [
            ("git sh git git-lfs git bash", Some("git-lfs")),
            ("git git python3 bash", Some("python3")),
            ("git sh git-remote-http git bash", None),
            ("sh git-remote-http git", None),
            ("git sh git bash tmux", None),
            ("git sh git", None),
            ("", None),
        ] {
            assert_eq!(behind_git(above.split_whitespace()), name, "{above}");
        }
    }
}
