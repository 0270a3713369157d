//! A private copy of a file, for another program to work on. It may hold secrets: 0600, and gone when it is dropped.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::private;
use crate::config::environment;
use crate::error::{Error, Result};
use crate::secret::hex;

/// The copy.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A copy in the folder of `original`, because what is named in it may be named from there; above it where that folder
    /// is not there yet.
    pub(crate) fn beside(original: &Path, bytes: &[u8]) -> Result<Self> {
        let folder = original.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        Self::make(folder, ".keyfob-", bytes)
    }

    /// A file with these bytes where files may be for a moment.
    pub(crate) fn apart(bytes: &[u8]) -> Result<Self> {
        Self::make(&environment::temporary_folder(), "keyfob-", bytes)
    }

    /// Under a name that nobody can foresee, and no other process has.
    fn make(folder: &Path, prefix: &str, bytes: &[u8]) -> Result<Self> {
        let mut random = [0; 16];
        getrandom::getrandom(&mut random)
            .map_err(|error| Error::broken("cannot name a temporary file", anyhow::Error::msg(error)))?;
        let path = folder.join(format!("{prefix}{}", hex(&random)));
        // Made before it is filled: a disk that fills up leaves nothing behind either.
        let file = private::create(&path);
        let scratch = Self { path };
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
