//! Entries of ours in a file of another program: put in, taken out, and the file given back as it was.

use std::path::Path;
use std::{fs, io};

use super::How;
use crate::clock::SystemClock;
use crate::error::Result;
use crate::store::backups::{Backup, Backups};
use crate::store::foreign::Foreign;
use crate::store::litter;

/// What one kind of file takes from us. A file is its bytes; `None` where there is none.
pub(crate) trait Entries {
    /// The file with these entries in it; the same bytes where they are there already.
    fn put_in(&self, file: Option<&[u8]>) -> Result<Vec<u8>>;

    /// The file without these entries; the same bytes where none is there.
    fn take_out(&self, file: &[u8]) -> Result<Vec<u8>>;

    /// `after`, from which they were taken out, with what stood in their place in the file as it was before the first change.
    fn give_back(&self, _before: &[u8], after: Vec<u8>) -> Result<Vec<u8>> {
        Ok(after)
    }

    /// The file without any entry that `keyfob setup` ever puts there.
    fn take_out_all(&self, file: &[u8]) -> Result<Vec<u8>>;

    /// The exact change in the program's own terms, a line each, for people: what is put in, or with `undo` taken out. No
    /// line of the file that is not ours, because it may be a secret.
    fn lines(&self, undo: bool) -> Vec<String>;

    /// Whether a new file is for nobody else to read.
    fn is_private(&self) -> bool;
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It is as it should be already.
    Nothing,
    /// The entries were put in or taken out, or would be.
    Changed,
    /// It is, or would be, to the byte what it was before the first change.
    Restored,
}

/// Changes the file at `path` as the command wants it. Twice changes nothing.
pub(crate) fn change(path: &Path, entries: &dyn Entries, how: How) -> Result<Done> {
    if how.dry_run {
        return attempt(path, entries, how);
    }
    // First, so that what is made from now on is written down.
    let alone = Backups::open().and_then(|backups| backups.lock(&SystemClock::new()));
    litter::sweep();
    let expected = attempt(path, entries, How { dry_run: true, ..how })?;
    if expected == Done::Nothing {
        return Ok(expected);
    }
    let _alone = alone?;
    attempt(path, entries, how)
}

fn attempt(path: &Path, entries: &dyn Entries, how: How) -> Result<Done> {
    let file = Foreign::read(path)?;
    let backups = Backups::open()?;
    // One that somebody has changed since holds no longer.
    let known = backups.get(file.target())?;
    let backup = known.as_ref().filter(|backup| backup.holds_for(file.bytes()));
    if how.undo {
        return undo(&file, entries, how, &backups, known.as_ref(), backup);
    }
    put_in(&file, entries, how, &backups, backup, known.as_ref())
}

/// `known`: entries in the file may be of an earlier set-up, after which somebody has changed it.
fn put_in(
    file: &Foreign,
    entries: &dyn Entries,
    how: How,
    backups: &Backups,
    backup: Option<&Backup>,
    known: Option<&Backup>,
) -> Result<Done> {
    let after = entries.put_in(file.bytes())?;
    if file.bytes() == Some(&after) {
        return Ok(Done::Nothing);
    }
    if how.dry_run {
        return Ok(Done::Changed);
    }
    let kept = match (backup, file.bytes()) {
        (Some(known), _) => Backup::new(file.target(), known.before(), known.made_folders(), &after),
        // Entries of an earlier set-up are nothing to come back to; those that a person wrote are, and what was in their place.
        (None, Some(now)) if known.is_some() => {
            let without = given_back(entries, known, entries.take_out_all(now)?)?;
            Backup::new(file.target(), Some(&without), 0, &after)
        }
        (None, Some(now)) => Backup::new(file.target(), Some(now), 0, &after),
        (None, None) => {
            let missing = file.target().ancestors().skip(1).take_while(|folder| !folder.exists()).count();
            Backup::new(file.target(), None, missing, &after)
        }
    };
    // First: a file that is changed without it could not be given back.
    backups.put(&kept)?;
    let done = file.replace(Some(&after), entries.is_private());
    if done.is_err() {
        match backup {
            Some(known) => backups.put(known)?,
            None => backups.remove(file.target())?,
        }
    }
    done.map(|()| Done::Changed)
}

/// What was in the place of our entries comes back, whatever else has changed meanwhile.
fn given_back(entries: &dyn Entries, known: Option<&Backup>, after: Vec<u8>) -> Result<Vec<u8>> {
    match known.and_then(Backup::before) {
        Some(before) => entries.give_back(before, after),
        None => Ok(after),
    }
}

fn undo(
    file: &Foreign,
    entries: &dyn Entries,
    how: How,
    backups: &Backups,
    known: Option<&Backup>,
    backup: Option<&Backup>,
) -> Result<Done> {
    let Some(now) = file.bytes() else { return Ok(Done::Nothing) };
    let after = entries.take_out(now)?;
    if after == now {
        return Ok(Done::Nothing);
    }
    // What is left of ours keeps the file from being what it was.
    let is_last = entries.take_out_all(now).is_ok_and(|none| none == after);
    let after = given_back(entries, known, after)?;
    let restored = backup.filter(|_| is_last);
    if how.dry_run {
        return Ok(if restored.is_some() { Done::Restored } else { Done::Changed });
    }
    if let Some(backup) = restored {
        file.replace(backup.before(), entries.is_private())?;
        backups.remove(file.target())?;
        if backup.before().is_none() {
            // Only where nothing else has come into them.
            let made = file.target().ancestors().skip(1).take(backup.made_folders());
            let _ = made.map(fs::remove_dir).take_while(io::Result::is_ok).count();
        }
        return Ok(Done::Restored);
    }
    file.replace(Some(&after), entries.is_private())?;
    match backup {
        Some(backup) => {
            backups.put(&Backup::new(file.target(), backup.before(), backup.made_folders(), &after))?;
        }
        // With the last of ours goes what an earlier file had in their place.
        None if is_last => backups.remove(file.target())?,
        None => {}
    }
    Ok(Done::Changed)
}
