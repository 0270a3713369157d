//! A private copy of a file, for another program to work on. It may hold secrets: 0600, and gone when it is dropped.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::litter::{self, Noted, PREFIX};
use super::private;
use crate::config::environment;
use crate::error::{Error, Result};
use crate::process::signals::Hold;

/// The copy.
pub(crate) struct Scratch {
    path: PathBuf,
    /// Struck out when it is gone.
    _noted: Noted,
    /// Whoever ends us by a signal ends us when it is gone.
    _held: Hold,
}

impl Scratch {
    /// A copy in the folder of `original`, because what is named in it may be named from there; above it where that folder
    /// is not there yet.
    pub(crate) fn beside(original: &Path, bytes: &[u8]) -> Result<Self> {
        let folder = original.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        Self::make(folder, bytes)
    }

    /// A file with these bytes where files may be for a moment.
    pub(crate) fn apart(bytes: &[u8]) -> Result<Self> {
        Self::make(&environment::temporary_folder(), bytes)
    }

    fn make(folder: &Path, bytes: &[u8]) -> Result<Self> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        let path = folder.join(format!("{PREFIX}{}", litter::random_name()?));
        let (held, noted) = (Hold::for_a_moment(), Noted::new(&path, None));
        // Made before it is filled: a disk that fills up leaves nothing behind either.
        let file = private::create(&path);
        let scratch = Self { path, _noted: noted, _held: held };
        file.and_then(|mut file| file.write_all(bytes)).map_err(|error| scratch.broken("write", error))?;
        Ok(scratch)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it now.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        fs::read(&self.path).map_err(|error| self.broken("read", error))
    }

    /// Puts something else in it.
    pub(crate) fn fill(&self, bytes: &[u8]) -> Result<()> {
        let file = OpenOptions::new().write(true).truncate(true).open(&self.path);
        file.and_then(|mut file| file.write_all(bytes)).map_err(|error| self.broken("write", error))
    }

    fn broken(&self, what: &str, error: std::io::Error) -> Error {
        Error::broken(format!("cannot {what} {}", self.path.display()), error)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        // A program that was ended in the middle of its work leaves its lock.
        let mut lock = OsString::from(&self.path);
        lock.push(".lock");
        let _ = fs::remove_file(lock);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn no_two_have_one_name() {
        let (one, two) = (Scratch::apart(b"one").unwrap(), Scratch::apart(b"two").unwrap());
        assert_eq!((one.bytes().unwrap(), two.bytes().unwrap()), (b"one".to_vec(), b"two".to_vec()));
        assert_eq!(fs::metadata(one.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn private_and_gone() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::beside(&root.path().join("config"), b"one").unwrap();
        assert_eq!(scratch.path().parent(), Some(root.path()));
        assert_eq!(fs::metadata(scratch.path()).unwrap().permissions().mode() & 0o777, 0o600);
        scratch.fill(b"two").unwrap();
        assert_eq!(scratch.bytes().unwrap(), b"two");
        fs::write(format!("{}.lock", scratch.path().display()), "").unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
