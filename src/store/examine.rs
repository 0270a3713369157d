//! Looks at the state folder as whoever wants to mend it: modes, owners, links, and whether locks keep anybody out.

use std::fs;
use std::path::{Path, PathBuf};

use super::ground;
use super::private::{self, Taken};
use crate::config::folders;
use crate::error::{Error, Kind, Result};

/// The folders below the state folder, and the files in each, that are to be closed to everybody else.
const FOLDERS: &[&str] = &["sessions", "passwords", "metadata", "parents", "setup"];

/// Everything about modes, owners and links that keyfob would stumble over, or should.
pub(crate) fn modes() -> Result<Vec<Error>> {
    let state = folders::state()?;
    let mut found: Vec<Error> = ground::refuse_changeable_way(&state).err().into_iter().collect();
    for folder in FOLDERS.iter().map(|name| state.join(name)).filter(|folder| folder.symlink_metadata().is_ok()) {
        if let Err(error) = private::refuse_open_folder(&folder) {
            found.push(error);
            continue;
        }
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        found.extend(paths.iter().filter_map(|path| private::examine(path).err()));
    }
    Ok(found)
}

/// Takes a lock in the state folder, and tries to take it once more. The folder is made where it is missing, as the first
/// sign-in would.
pub(crate) fn locks() -> Result<PathBuf> {
    let state = folders::state()?;
    let path = state.join(format!("doctor-{}.lock", std::process::id()));
    let done = keeps_out(&path, &state);
    let _ = fs::remove_file(&path);
    done.map(|()| state)
}

fn keeps_out(path: &Path, state: &Path) -> Result<()> {
    let elsewhere = "point KEYFOB_STATE_DIR to a folder on a disk of this machine: export KEYFOB_STATE_DIR=...";
    let lock = match private::take_in_shared(path)? {
        Taken::Lock(lock) => lock,
        Taken::Unwritable(why) => {
            return Err(Error::new(Kind::Broken, why).hint(private::make_writable(state)));
        }
        Taken::Held => return Err(Error::new(Kind::Broken, format!("{} is locked", path.display())).hint(elsewhere)),
    };
    if lock.is_exclusive() && matches!(private::take_in_shared(path)?, Taken::Held) {
        return Ok(());
    }
    let what = format!("locks keep nobody out in {}: two commands at once could lose the session", state.display());
    Err(Error::new(Kind::Broken, what).hint(elsewhere))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_tried_for_real() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("state").join("x.lock");
        keeps_out(&path, root.path()).unwrap();
        let Taken::Lock(held) = private::take_in_shared(&path).unwrap() else { panic!("nobody holds it") };
        assert!(keeps_out(&path, root.path()).is_err());
        drop(held);
        keeps_out(&path, root.path()).unwrap();
    }
}
