//! Changing other programs' files so that they ask keyfob, and taking that back: what the clients' set-ups and that of a profile
//! have in common. Twice changes nothing; `--undo` gives the file back as it was, or takes back what setup put in where somebody
//! has changed it since.

mod change;
pub(crate) mod json;
pub(crate) mod links;

use std::path::Path;

pub(crate) use self::change::{Done, Entries};
use crate::config::{Config, folders};
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::model::{HostPattern, Profile};
use crate::output::say;
use crate::store::foreign::Foreign;

/// How a set-up is carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// Only say what would be changed.
    pub(crate) dry_run: bool,
    /// Take it back.
    pub(crate) undo: bool,
}

/// Changes a file and says what was changed.
pub(crate) fn change(path: &Path, entries: &dyn Entries, how: How) -> Result<Done> {
    let done = change::change(path, entries, how)?;
    let is_gone = !path.exists();
    let shown = path.display();
    let head = match (&done, how.undo, how.dry_run) {
        (Done::Nothing, false, _) => format!("{shown}: nothing to change"),
        (Done::Nothing, true, _) => format!("{shown}: nothing to take out"),
        (Done::Changed { .. }, _, false) => format!("{shown}: changed"),
        (Done::Changed { .. }, _, true) => format!("{shown}: would be changed"),
        (Done::Restored, _, false) if is_gone => format!("{shown}: removed, as there was none before"),
        (Done::Restored, _, false) => format!("{shown}: as it was before"),
        (Done::Restored, _, true) => format!("{shown}: would be as it was before"),
    };
    say(&head)?;
    if let Done::Changed { names, anew } = &done {
        for name in anew {
            say(&format!("  without what an earlier setup put there for {}", escape(name)))?;
        }
        for line in entries.lines(names, how.undo) {
            say(&format!("  {line}"))?;
        }
    }
    if how.undo && !how.dry_run {
        for name in entries.ours(Foreign::read(path)?.bytes().unwrap_or_default())? {
            if entries.picks(&name) {
                say(&format!("  {}: what names keyfob there is not from setup, and stays", escape(&name)))?;
            }
        }
    }
    Ok(done)
}

/// Whether a file names keyfob now that this was done to it, or would.
pub(crate) fn is_named(path: &Path, entries: &dyn Entries, done: &Done, how: How) -> Result<bool> {
    let mut left = entries.ours(Foreign::read(path)?.bytes().unwrap_or_default())?;
    match done {
        Done::Restored if how.dry_run => left.clear(),
        Done::Changed { names, .. } if how.dry_run && how.undo => left.retain(|name| !names.contains(name)),
        _ => {}
    }
    Ok(!left.is_empty())
}

/// The profile that `--profile` names, or the only one there is.
pub(crate) fn profile<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a Profile> {
    match (name, &config.profiles[..]) {
        (Some(name), _) => config.named(name),
        (None, [only]) => Ok(only),
        (None, []) => Err(Error::new(Kind::Usage, "there is no profile to set up for").hint(config.choices())),
        (None, _) => Err(Error::new(Kind::Usage, "which profile?").hint(config.choices().lead("add --profile;"))),
    }
}

/// The profile that answers for a place, or the one that is named if it does: a client set up for a place that nobody
/// answers for would be told nothing.
pub(crate) fn owner<'a>(config: &'a Config, only: Option<&'a Profile>, asked: &HostPattern) -> Result<&'a Profile> {
    let answers = |profile: &&Profile| {
        let mut entries = profile.hosts.iter().map(|(entry, _)| entry);
        entries.any(|entry| entry == asked || (!asked.wildcard && entry.closeness(&asked.location).is_some()))
    };
    let found = match only {
        Some(profile) => Some(profile).filter(answers),
        None => config.profiles.iter().find(answers),
    };
    found.ok_or_else(|| {
        let who = only.map_or("no profile answers".to_owned(), |profile| {
            format!("the profile {} does not answer", profile.title())
        });
        let of = only.or(config.profiles.first().filter(|_| config.profiles.len() == 1));
        let hint = match (of, folders::user_config()) {
            (Some(profile), Some(path)) => {
                format!("add \"{asked}\" to hosts of [profile.{}] in {}", profile.title(), path.display()).into()
            }
            _ => config.choices().lead("add it to hosts of a profile;"),
        };
        Error::new(Kind::Configuration, format!("{who} for {asked}")).hint(hint)
    })
}

/// A command line that clap read once and does not read again.
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(crate) fn unread(error: clap::Error) -> Error {
    Error::new(Kind::Usage, error.to_string())
}
