//! What other programs' files were before `keyfob setup` changed them, so that an undo can give them back to the byte.
//! They may hold secrets (docker's `auths`): each is as private as a record.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lock::{self, Lock};
use super::private::{self, Taken};
use crate::clock::Clock;
use crate::config::folders;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// Raised when the file is written in another way; an older one then counts as missing.
const VERSION: u32 = 1;

/// A file before our change, and by its hash what we made of it.
pub(crate) struct Backup {
    head: Head,
    /// What was in it; `None` where there was no file.
    before: Option<Vec<u8>>,
}

/// The first line of a backup, as JSON; the file's bytes follow it as they were.
#[derive(Debug, Deserialize, Serialize)]
struct Head {
    version: u32,
    target: PathBuf,
    existed: bool,
    /// How many of the folders above it are there for it alone.
    made_folders: usize,
    after: String,
    /// What was put in, by the names that the kind of file has for it; `None` in one that was written before they were kept.
    #[serde(default)]
    put: Option<Vec<String>>,
}

impl std::fmt::Debug for Backup {
    /// Not what was in the file, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backup").field("head", &self.head).finish_non_exhaustive()
    }
}

/// The folder with all of them.
#[derive(Debug)]
pub(crate) struct Backups {
    folder: PathBuf,
}

impl Backup {
    /// The backup of a file that `before` was in and that is made into `after` by putting `put` in; `made_folders`: how many
    /// of the folders above it as well.
    pub(crate) fn new(
        target: &Path,
        before: Option<&[u8]>,
        made_folders: usize,
        after: &[u8],
        put: Vec<String>,
    ) -> Self {
        let head = Head {
            version: VERSION,
            target: target.to_owned(),
            existed: before.is_some(),
            made_folders,
            after: crate::secret::digest(after),
            put: Some(put),
        };
        Self { head, before: before.map(<[u8]>::to_vec) }
    }

    /// What was in the file; `None` where there was none.
    pub(crate) fn before(&self) -> Option<&[u8]> {
        self.before.as_deref()
    }

    /// The names of what was put in, where they were kept.
    pub(crate) fn put(&self) -> Option<&[String]> {
        self.head.put.as_deref()
    }

    /// How many of the folders above it were made for it.
    pub(crate) fn made_folders(&self) -> usize {
        self.head.made_folders
    }

    /// Whether the file is still what we made of it.
    pub(crate) fn holds_for(&self, now: Option<&[u8]>) -> bool {
        now.is_some_and(|now| crate::secret::digest(now) == self.head.after)
    }
}

impl Backups {
    /// The person's. Touches no file.
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { folder: folders::state()?.join("backups") })
    }

    /// The backup of the file at `target`, behind all links.
    pub(crate) fn get(&self, target: &Path) -> Result<Option<Backup>> {
        let Some(bytes) = private::read_up_to(&self.path(target), 2 * private::SIZE_LIMIT)? else { return Ok(None) };
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let (head, rest) = (&bytes[..end], &bytes[end + 1..]);
        let head = serde_json::from_slice::<Head>(head).ok().filter(|head| head.version == VERSION);
        Ok(head.filter(|head| head.target == target).map(|head| {
            let before = head.existed.then(|| rest.to_vec());
            Backup { head, before }
        }))
    }

    /// Keeps a backup, in the place of an older one of the same file.
    pub(crate) fn put(&self, backup: &Backup) -> Result<()> {
        let path = self.path(&backup.head.target);
        let temporary = path.with_extension("tmp");
        let written = serde_json::to_vec(&backup.head).map_err(io::Error::from).and_then(|mut bytes| {
            bytes.push(b'\n');
            bytes.extend_from_slice(backup.before.as_deref().unwrap_or_default());
            private::make_folder(&self.folder)?;
            private::replace(&path, &temporary, private::create(&temporary)?, &bytes)
        });
        written.map_err(|error| {
            let _ = fs::remove_file(&temporary);
            private::cannot_save(&self.folder, error)
        })
    }

    /// Keeps every other keyfob from changing files as long as it is held.
    pub(crate) fn lock(&self, clock: &dyn Clock) -> Result<Lock> {
        let path = self.folder.join("all.lock");
        lock::patiently(clock, |_| match private::take(&path)? {
            Taken::Lock(lock) => Ok(Some(lock)),
            Taken::Held => Ok(None),
            Taken::Unwritable(why) => Err(private::cannot_save(&self.folder, io::Error::other(why))),
        })
    }

    /// Forgets the backup of a file.
    pub(crate) fn remove(&self, target: &Path) -> Result<()> {
        let path = self.path(target);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::broken(format!("cannot remove {}", path.display()), error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, target: &Path) -> PathBuf {
        let name = Secret::new(target.to_string_lossy()).fingerprint();
        self.folder.join(format!("{name}.backup"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_back_to_the_byte() {
        let root = tempfile::tempdir().unwrap();
        let backups = Backups { folder: root.path().join("state").join("backups") };
        let target = Path::new("/home/ann/.docker/config.json");
        assert!(backups.get(target).unwrap().is_none());
        for before in [None, Some(&b""[..]), Some(b"{\n\t\"auths\": {}\r\n}\n\n"), Some(b"\xff\n\x00")] {
            backups.put(&Backup::new(target, before, 0, b"after", vec!["a".to_owned()])).unwrap();
            let kept = backups.get(target).unwrap().unwrap();
            assert_eq!(kept.before(), before);
            assert_eq!(kept.put(), Some(&["a".to_owned()][..]));
            assert!(kept.holds_for(Some(b"after")) && !kept.holds_for(Some(b"after\n")) && !kept.holds_for(None));
        }
        assert!(backups.get(Path::new("/home/ann/.gitconfig")).unwrap().is_none());
        backups.remove(target).unwrap();
        backups.remove(target).unwrap();
        assert!(backups.get(target).unwrap().is_none());
    }
}
