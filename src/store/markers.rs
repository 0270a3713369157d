//! Who was given which token: one small file for each parent process and session, so that a client which asks again for
//! a token that lives is understood to have been refused. And which code stands on which terminal, so that ten commands
//! on one do not all write it there. Nothing in them is secret, and losing one costs nothing.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::private;
use crate::clock::{self, Timestamp};
use crate::config::folders;
use crate::error::Result;
use crate::model::ParentId;
use crate::secret::{Fingerprint, Secret};

/// A marker older than this is of a process that is gone, or that will not be missed.
const LIFE: Duration = Duration::from_hours(1);

/// The folder with all of them.
#[derive(Debug)]
pub(crate) struct Markers {
    folder: PathBuf,
}

impl Markers {
    /// The person's markers. Touches no file.
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { folder: folders::state()?.join("parents") })
    }

    /// The fingerprint of the token that `parent` was given last for the session `id`.
    pub(crate) fn given(&self, parent: &ParentId, id: &str) -> Option<Fingerprint> {
        let bytes = private::read(&self.path(parent.as_str(), id)).ok()??;
        String::from_utf8(bytes).ok().map(Fingerprint::written)
    }

    /// Notes what `parent` is given. That it cannot be noted changes nothing for it.
    pub(crate) fn give(&self, parent: &ParentId, id: &str, token: &Secret) {
        let _ = private::put(&self.path(parent.as_str(), id), token.fingerprint().as_str().as_bytes());
    }

    /// Notes that `code` stands on a terminal; whether it did not yet. Where that cannot be noted, it does not.
    pub(crate) fn claim(&self, terminal: &str, id: &str, code: &Secret) -> bool {
        private::claim(&self.path(&format!("{terminal}-{}", code.fingerprint()), id)).unwrap_or(true)
    }

    /// Removes what `parent` was given: it asked for the sake of asking.
    pub(crate) fn forget(&self, parent: &ParentId) {
        let prefix = format!("{parent}-");
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)) {
            let _ = fs::remove_file(entry.path());
        }
    }

    /// Removes the markers of processes long gone.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let now = clock::system_time(now);
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let written = entry.metadata().and_then(|meta| meta.modified());
            if written.is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age > LIFE)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, parent: &str, id: &str) -> PathBuf {
        self.folder.join(format!("{parent}-{}", id.get(..12).unwrap_or(id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noted_read_and_swept() {
        let root = tempfile::tempdir().unwrap();
        let markers = Markers { folder: root.path().join("parents") };
        let token = Secret::new("at");
        let (first, second) = (ParentId::new(7, "1"), ParentId::new(7, "2"));
        assert_eq!(markers.given(&first, "abc"), None);
        markers.give(&first, "abc", &token);
        assert_eq!(markers.given(&first, "abc"), Some(token.fingerprint()));
        assert_eq!(markers.given(&second, "abc"), None, "another process with the same number");
        markers.give(&second, "abc", &token);
        markers.forget(&second);
        assert_eq!(markers.given(&second, "abc"), None);
        assert_eq!(markers.given(&first, "abc"), Some(token.fingerprint()), "another's");
        assert!(markers.claim("tty1", "abc", &token) && !markers.claim("tty1", "abc", &token));
        assert!(markers.claim("tty2", "abc", &token) && markers.claim("tty1", "abc", &Secret::new("other")));
        let path = markers.path("7-1", "abc");
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        let written = clock::timestamp(written);
        markers.sweep(written + 3_000);
        assert!(path.exists());
        markers.sweep(written + 7_000);
        assert!(!path.exists());
    }
}
