//! `keyfob git`: git's credential helper. Its exit code is always 0, because git ignores it and uses what was printed.

use std::io::{self, Read};
use std::process::ExitCode;

use super::{Errand, inline, print, report};
use crate::cli::Git;
use crate::config::{Config, Destination, Profile, matching};
use crate::error::{Error, Kind, Result};
use crate::human::presence::Client;
use crate::protocol::Credential;
use crate::protocol::git::{self, Attributes};
use crate::secret::Secret;
use crate::store::{Store, Token, record};

/// Answers one operation. What it does not know it ignores, as the protocol demands.
pub(super) fn run(command: &Git) -> ExitCode {
    match command.operation.as_str() {
        "get" => get(command),
        // git hands over what we gave it: for a host with a profile there is nothing to keep.
        "erase" => erase(command),
        _ => Ok(()),
    }
    .unwrap_or_else(|error| report(&error));
    ExitCode::SUCCESS
}

fn get(command: &Git) -> Result<()> {
    match answer(command) {
        Ok(Some(answer)) => print(&answer),
        Ok(None) => Ok(()),
        // Another helper or a prompt for a password would only hide what is wrong.
        Err(error) => print(git::QUIT).and(Err(error)),
    }
}

fn answer(command: &Git) -> Result<Option<Vec<u8>>> {
    let asked = read()?;
    let Some(location) = asked.location() else { return Ok(None) };
    let config = profiles(command)?;
    let Some((profile, destination)) = matching::choose(config.profiles.iter(), &location, asked.username())? else {
        return Ok(None);
    };
    let what = format!("git needs to sign in to {}", location.authority());
    let errand = Errand { profile, destination, client: Client::Git, what };
    let token = errand.obtain(errand.request())?;
    let credential = credential(profile, destination, &token, &asked);
    let answer = git::encode(&credential, destination.auth).map_err(|why| {
        Error::new(Kind::Refused, format!("the credential for {location} does not fit git's protocol: {why}"))
            .hint("check username in the profile")
    })?;
    Ok(Some(answer))
}

fn credential(profile: &Profile, destination: &Destination, token: &Token, asked: &Attributes) -> Credential {
    let requested = asked.username().filter(|name| !name.is_empty());
    let username = destination.username.as_deref().or(requested).unwrap_or(profile.preset.username);
    Credential {
        username: username.to_owned(),
        secret: token.secret(destination.token).cloned().unwrap_or_else(|| Secret::new("")),
        expires_at: token.told_end(destination.token, super::now()),
    }
}

/// The server refused a token: that token dies, and nothing else. Without one named, every token for the place does; the
/// session lives on either way.
fn erase(command: &Git) -> Result<()> {
    let asked = read()?;
    let Some(location) = asked.location() else { return Ok(()) };
    let refused = asked.password.as_ref().or(asked.credential.as_ref());
    let store = Store::open()?;
    for profile in &profiles(command)?.profiles {
        // Not by user name: git names the one we gave it, which two profiles of a host may share.
        if let Some((_, destination)) = matching::choose([profile].into_iter(), &location, None)? {
            let slot = destination.slot.key();
            let is_refused = |token: &Token| token.secret(destination.token) == refused;
            let id = record::id(profile);
            let peeked = store.peek(&id)?.unwrap_or_default();
            let dies = |name: &str, token: &Token| name == slot && (refused.is_none() || is_refused(token));
            if peeked.tokens.iter().any(|(name, token)| dies(name, token)) {
                let errand = Errand { profile, destination, client: Client::Git, what: String::new() };
                errand.with_broker(|broker| broker.forget_token(dies))?;
            }
        }
    }
    Ok(())
}

/// The profiles that may answer: the inline one, the one named, or all.
fn profiles(command: &Git) -> Result<Config> {
    if let Some(profile) = inline(&command.inline)? {
        return Ok(Config { profiles: vec![profile], ..Config::default() });
    }
    let mut config = Config::load()?;
    if let Some(name) = &command.profile {
        config.named(name)?;
        config.profiles.retain(|profile| profile.name.as_ref() == Some(name));
    }
    Ok(config)
}

fn read() -> Result<Attributes> {
    let mut input = Vec::new();
    io::stdin()
        .lock()
        .take(git::INPUT_LIMIT as u64 + 1)
        .read_to_end(&mut input)
        .map_err(|error| Error::broken("cannot read what git asks", error))?;
    let attributes = git::decode(&input);
    zeroize::Zeroize::zeroize(&mut input);
    attributes.map_err(|why| {
        Error::new(Kind::Usage, format!("what git asks is malformed: {why}")).hint("check the URL of the remote")
    })
}
