//! What lies beside another program's file while `setup` works on it: a copy, which may hold secrets, and the lock. It is written down in
//! a folder of ours before it is made, so that whoever comes after a setup that was killed can clear it away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lock::Lock;
use super::private::{self, Taken};
use crate::config::folders;
use crate::secret;

/// In the state folder; one file for each thing, locked as long as whoever made it lives.
const FOLDER: &str = "setup";
/// What begins like that is ours, and nothing else is ever removed.
pub(super) const PREFIX: &str = ".keyfob-";

/// One thing that was written down. Dropped, it is struck out: by then it is gone.
#[derive(Debug)]
pub(super) struct Noted {
    entry: Option<(PathBuf, Lock)>,
    /// How many folders above it were made for it, the state folder last: a `--dry-run` leaves nothing.
    made: usize,
}

impl Noted {
    /// Writes down that `own` is about to be made, and that `lock` may become another name of it. Where there is no state folder that
    /// can be written to, it goes on without.
    pub(super) fn new(own: &Path, lock: Option<&Path>) -> Self {
        let folder = folders::state().map(|state| state.join(FOLDER)).ok();
        let missing = |folder: &PathBuf| folder.ancestors().take_while(|folder| !folder.exists()).count();
        let made = folder.as_ref().map_or(0, missing);
        Self { entry: folder.and_then(|folder| Self::note(&folder, own, lock)), made }
    }

    fn note(folder: &Path, own: &Path, lock: Option<&Path>) -> Option<(PathBuf, Lock)> {
        let entry = folder.join(random_name().ok()?);
        let Ok(Taken::Lock(held)) = private::take(&entry) else { return None };
        let empty = Path::new("");
        let said = [bytes(own), &[0], bytes(lock.unwrap_or(empty))].concat();
        private::put(&entry, &said).ok()?;
        Some((entry, held))
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        if let Some((entry, _lock)) = self.entry.take() {
            strike_out(&entry);
            // Only where nothing else has come into them.
            let _ = entry.ancestors().skip(1).take(self.made).map(fs::remove_dir).count();
        }
    }
}

/// A name that nobody can foresee, and no other process has.
pub(super) fn random_name() -> crate::error::Result<String> {
    let mut random = [0; 16];
    getrandom::getrandom(&mut random)
        .map_err(|error| crate::error::Error::broken("cannot name a temporary file", anyhow::Error::msg(error)))?;
    Ok(secret::hex(&random))
}

/// Clears away what setups have left that were killed. What cannot be removed stays written down.
pub(crate) fn sweep() {
    each_abandoned(&mut |entry, left| {
        if left.iter().all(|path| fs::remove_file(path).is_ok()) {
            strike_out(entry);
        }
    });
}

/// What setups have left that were killed, and is still there.
pub(crate) fn left() -> Vec<PathBuf> {
    let mut all = Vec::new();
    each_abandoned(&mut |_, left| all.extend(left));
    all
}

/// Each entry whose maker lives no more, with what is still there of it.
fn each_abandoned(visit: &mut dyn FnMut(&Path, Vec<PathBuf>)) {
    let Ok(state) = folders::state() else { return };
    let Ok(files) = fs::read_dir(state.join(FOLDER)) else { return };
    for file in files.flatten() {
        let entry = file.path();
        let Ok(Taken::Lock(lock)) = private::take(&entry) else { continue };
        if lock.is_exclusive() {
            visit(&entry, there(&entry));
        }
    }
}

/// What an entry names, as far as it is there and ours.
fn there(entry: &Path) -> Vec<PathBuf> {
    let mut there = Vec::new();
    let Ok(Some(said)) = private::read(entry) else { return there };
    let mut said = said.split(|byte| *byte == 0).map(path);
    let (Some(Some(own)), lock) = (said.next(), said.next().flatten()) else { return there };
    if !own.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes())) {
        return there;
    }
    // Another program may have taken the lock since: it is ours as long as it is the very file.
    there.extend(lock.filter(|lock| is_same(&own, lock)));
    // A program that worked on the copy and was ended with us has a lock of its own there.
    let mut of_copy = own.clone().into_os_string();
    of_copy.push(".lock");
    there.extend([of_copy.into(), own]);
    there.retain(|path| path.symlink_metadata().is_ok());
    there
}

fn strike_out(entry: &Path) {
    let _ = fs::remove_file(entry);
    // Where it was the last.
    let _ = entry.parent().map(fs::remove_dir);
}

/// Whether two names are of one file. Where the system does not tell, they are not.
fn is_same(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let number =
            |path: &Path| -> io::Result<(u64, u64)> { path.symlink_metadata().map(|meta| (meta.dev(), meta.ino())) };
        matches!((number(one), number(other)), (Ok(one), Ok(other)) if one == other)
    }
    #[cfg(not(unix))]
    {
        let _: io::Result<(&Path, &Path)> = Ok((one, other));
        false
    }
}

#[cfg(unix)]
fn bytes(path: &Path) -> &[u8] {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> Option<PathBuf> {
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(bytes);
    (!bytes.is_empty()).then(|| name.into())
}

#[cfg(not(unix))]
fn bytes(path: &Path) -> &[u8] {
    path.to_str().unwrap_or_default().as_bytes()
}

#[cfg(not(unix))]
fn path(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().filter(|path| !path.is_empty()).map(PathBuf::from)
}
