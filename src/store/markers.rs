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

/// How long a doubt is not followed by another, in seconds.
const DOUBT: Timestamp = 60;

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

    /// Whether what makes `parent` suspect may be followed at `now`, though it may be a habit: once a minute for the session `id`, and
    /// for who has it each time after twice as long as before, up to half an hour. Where that cannot be noted, not at all.
    pub(crate) fn doubt(&self, parent: &ParentId, id: &str, now: Timestamp) -> bool {
        let path = self.path("doubt", id);
        let last = private::read(&path).ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
        let mut words = last.as_deref().unwrap_or_default().split(' ');
        let (at, turns, whose) = (words.next(), words.next(), words.next());
        let turns = match turns.and_then(|turns| turns.parse::<u32>().ok()) {
            Some(turns) if whose == Some(parent.as_str()) => turns,
            _ => 0,
        };
        let since = at.and_then(|at| at.parse::<Timestamp>().ok()).map_or(Timestamp::MAX, |at| now.saturating_sub(at));
        // A clock that was set back says nothing.
        let is_due = since < 0 || since >= DOUBT << turns;
        let next = (turns + 1).min(5);
        is_due && private::put(&path, format!("{now} {next} {parent}").as_bytes()).is_ok()
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
        let doubts = [
            (0, &first, true),
            (59, &second, false),
            (60, &second, true),
            (120, &second, false),
            (180, &second, true),
            (299, &second, false),
        ];
        for (after, parent, followed) in doubts {
            assert_eq!(markers.doubt(parent, "abc", 1_000_000 + after), followed, "{after}");
        }
        assert!(markers.doubt(&first, "abc", 1_000_240), "another, after a minute");
        assert!(markers.doubt(&first, "abc", 1_000), "the clock was set back");
        let path = markers.path("7-1", "abc");
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        let written = clock::timestamp(written);
        markers.sweep(written + 3_000);
        assert!(path.exists());
        markers.sweep(written + 7_000);
        assert!(!path.exists());
    }
}
