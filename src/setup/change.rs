//! Entries of ours in a file of another program: put in, taken back, and the file given back as it was.
//!
//! What was put in is written down by name, with the file as it was before. An undo takes back what is written down there and
//! nothing else: an entry that a person wrote stays, and what stood in the place of ours comes back, whatever else has changed
//! in the file meanwhile.

use std::path::Path;
use std::{fs, io};

use super::How;
use crate::clock::SystemClock;
use crate::error::Result;
use crate::store::backups::{Backup, Backups};
use crate::store::foreign::Foreign;
use crate::store::litter;

/// What one kind of file takes from us, each entry under a name. A file is its bytes; `None` where there is none.
pub(crate) trait Entries {
    /// The file with these entries in it, and the names of those that were not there yet; the same bytes where all were.
    fn put_in(&self, file: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>)>;

    /// `file` without the entries of these names, and with what `before` had in their place. One that somebody has since made
    /// into something else stays as it is.
    fn take_back(&self, file: &[u8], before: &[u8], names: &[String]) -> Result<Vec<u8>>;

    /// The names of all entries in a file that look as if `keyfob setup` had put them there.
    fn ours(&self, file: &[u8]) -> Result<Vec<String>>;

    /// Whether there is nothing in a file that anybody would miss.
    fn is_nothing(&self, file: &[u8]) -> Result<bool> {
        Ok(file.trim_ascii().is_empty())
    }

    /// Whether an undo is about the entry of that name.
    fn picks(&self, name: &str) -> bool;

    /// Whether every entry says of itself that it is ours, so that no other word on it is needed.
    fn are_marked(&self) -> bool {
        false
    }

    /// The exact change in the program's own terms, a line each, for people: what is put in, or with `undo` taken back. No
    /// line of the file that is not ours, because it may be a secret.
    fn lines(&self, names: &[String], undo: bool) -> Vec<String>;

    /// Whether a new file is for nobody else to read.
    fn is_private(&self) -> bool;
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It is as it should be already.
    Nothing,
    /// The entries of these names were put in or taken back, or would be. `anew`: those among them that an earlier set-up had
    /// put in another way.
    Changed { names: Vec<String>, anew: Vec<String> },
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
    // An undo has its backup to clear away.
    if expected == Done::Nothing && (!how.undo || alone.is_err()) {
        return Ok(expected);
    }
    let _alone = alone?;
    attempt(path, entries, how)
}

fn attempt(path: &Path, entries: &dyn Entries, how: How) -> Result<Done> {
    let file = Foreign::read(path)?;
    let backups = Backups::open()?;
    let known = backups.get(file.target())?;
    let changing = Changing { file: &file, entries, how, backups: &backups, known: known.as_ref() };
    if how.undo { changing.undo() } else { changing.put_in() }
}

/// A file, what is to become of it, and what is known of earlier set-ups.
struct Changing<'a> {
    file: &'a Foreign,
    entries: &'a dyn Entries,
    how: How,
    backups: &'a Backups,
    known: Option<&'a Backup>,
}

impl Changing<'_> {
    fn put_in(&self) -> Result<Done> {
        let (file, now) = (self.file, self.file.bytes());
        let (mut after, mut put) = self.entries.put_in(now)?;
        if now == Some(&after) {
            return Ok(Done::Nothing);
        }
        let earlier = self.put(now.unwrap_or_default())?;
        // What an earlier set-up put in another way goes first, or both would stand there.
        let mut anew: Vec<String> = put.iter().filter(|name| earlier.contains(name)).cloned().collect();
        if let Some(now) = now.filter(|_| !anew.is_empty()) {
            let without = self.without(now, &anew)?;
            anew.retain(|_| without != *now);
            let (again, more) = self.entries.put_in(Some(&without))?;
            after = again;
            add(&mut put, more);
        }
        let done = Done::Changed { names: put.clone(), anew };
        if self.how.dry_run {
            return Ok(done);
        }
        let kept = match (self.holding(), now) {
            (Some(known), _) => {
                add(&mut put, earlier);
                Backup::new(file.target(), known.before(), known.made_folders(), &after, put)
            }
            // What others did since is to stay, as if we had come now.
            (None, Some(now)) => {
                let before = self.without(now, &earlier)?;
                add(&mut put, earlier);
                self.anew(&before, &after, put)?
            }
            (None, None) => {
                let missing = file.target().ancestors().skip(1).take_while(|folder| !folder.exists()).count();
                Backup::new(file.target(), None, missing, &after, put)
            }
        };
        // First: a file that is changed without it could not be given back.
        self.backups.put(&kept)?;
        let written = file.replace(Some(&after), self.entries.is_private());
        if written.is_err() {
            match self.known {
                Some(known) => self.backups.put(known)?,
                None => self.backups.remove(file.target())?,
            }
        }
        written.map(|()| done)
    }

    fn undo(&self) -> Result<Done> {
        let (file, entries) = (self.file, self.entries);
        let Some(now) = file.bytes() else { return Ok(Done::Nothing) };
        let all = self.put(now)?;
        let (picked, rest): (Vec<String>, Vec<String>) = all.iter().cloned().partition(|name| entries.picks(name));
        if picked.is_empty() {
            return Ok(Done::Nothing);
        }
        let holding = self.holding();
        let after = if holding.is_some() && rest.is_empty() { Vec::new() } else { self.without(now, &picked)? };
        let restored = match holding {
            _ if !rest.is_empty() => None,
            Some(backup) => Some(backup.before()),
            None => self.is_made_for_us(&after)?.then_some(None),
        };
        if let Some(before) = restored {
            if !self.how.dry_run {
                file.replace(before, entries.is_private())?;
                self.backups.remove(file.target())?;
                if before.is_none() {
                    // Only where nothing else has come into them.
                    let made = file.target().ancestors().skip(1).take(self.known.map_or(0, Backup::made_folders));
                    let _ = made.map(fs::remove_dir).take_while(io::Result::is_ok).count();
                }
            }
            return Ok(Done::Restored);
        }
        let done = if after == now { Done::Nothing } else { Done::Changed { names: picked, anew: Vec::new() } };
        if self.how.dry_run {
            return Ok(done);
        }
        let left = match holding {
            _ if rest.is_empty() || self.known.is_none() => None,
            Some(known) => Some(Backup::new(file.target(), known.before(), known.made_folders(), &after, rest)),
            None => Some(self.anew(&self.without(now, &all)?, &after, rest)?),
        };
        if done != Done::Nothing {
            file.replace(Some(&after), entries.is_private())?;
        }
        match left {
            Some(backup) => self.backups.put(&backup)?,
            None => self.backups.remove(file.target())?,
        }
        Ok(done)
    }

    /// The backup, where nobody has changed the file since.
    fn holding(&self) -> Option<&Backup> {
        self.known.filter(|backup| backup.holds_for(self.file.bytes()))
    }

    /// The names of what set-ups have put in so far.
    fn put(&self, now: &[u8]) -> Result<Vec<String>> {
        match self.known {
            _ if self.entries.are_marked() => self.entries.ours(now),
            Some(known) => known.put().map_or_else(|| self.entries.ours(now), |put| Ok(put.to_vec())),
            None => Ok(Vec::new()),
        }
    }

    /// Whether a file in which this is left was made by a set-up and has nothing of anybody else's.
    fn is_made_for_us(&self, left: &[u8]) -> Result<bool> {
        Ok(self.known.is_some_and(|known| known.before().is_none()) && self.entries.is_nothing(left)?)
    }

    /// A backup for a file that others have changed, as if it had been `before` when setup came.
    fn anew(&self, before: &[u8], after: &[u8], put: Vec<String>) -> Result<Backup> {
        let is_made = self.is_made_for_us(before)?;
        let folders = self.known.filter(|_| is_made).map_or(0, Backup::made_folders);
        Ok(Backup::new(self.file.target(), Some(before).filter(|_| !is_made), folders, after, put))
    }

    fn without(&self, now: &[u8], names: &[String]) -> Result<Vec<u8>> {
        let before = self.known.and_then(Backup::before).unwrap_or_default();
        if names.is_empty() { Ok(now.to_vec()) } else { self.entries.take_back(now, before, names) }
    }
}

/// Adds those that are not there.
fn add(names: &mut Vec<String>, more: Vec<String>) {
    for name in more {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}
