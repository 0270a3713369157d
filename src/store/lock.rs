//! Advisory locks between processes. The kernel frees them when their holder dies, however it dies, so nothing that is
//! left behind ever blocks anyone. The only file that names fs2.
//!
//! A lock is on a file of its own, beside the record and never on it: Windows would not let the record be replaced.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::mend::Mend;
use crate::trace::trace;

/// A lock that is held until it is dropped; or, where there are no locks to be had, its place.
#[derive(Debug)]
pub(crate) struct Lock(Option<File>);

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Attempt {
    Taken(Lock),
    /// Another process holds it.
    Held,
}

impl Lock {
    /// Stands for a lock where none can be had: everybody goes on at once.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The lock that another process has left to this one.
    pub(crate) fn left(file: File) -> Self {
        Self(Some(file))
    }

    /// The same lock under another name: it is free when both are closed. On Windows a lock belongs to its process.
    pub(crate) fn share(&self) -> Option<File> {
        self.0.as_ref().filter(|_| cfg!(unix))?.try_clone().ok()
    }

    /// What tells the file it is on from every other that ever stood in its place: somebody may remove a lock file while its
    /// lock is held, and whoever comes next makes a new one. None where there is no lock, or the system does not tell.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "the system does not tell there"))]
    pub(crate) fn file_number(&self) -> Option<u64> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            self.0.as_ref()?.metadata().ok().map(|file| file.ino())
        }
        #[cfg(not(unix))]
        None
    }

    /// Whether the file it is on is still the one at `path`. Where the system does not tell, it is.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "the system does not tell there"))]
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let Some(own) = self.0.as_ref().and_then(|file| file.metadata().ok()) else { return true };
            std::fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino()))
        }
        #[cfg(not(unix))]
        {
            let _ = path;
            true
        }
    }

    /// Whether it keeps anybody out.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.0.is_some()
    }

    /// Tries once to lock an open file. The caller waits, and bounds its wait: on some network file systems even an
    /// attempt that should not block does.
    #[expect(clippy::disallowed_methods, reason = "the room for it")]
    pub(crate) fn attempt(file: File) -> io::Result<Attempt> {
        match fs2::FileExt::try_lock_exclusive(&file) {
            Ok(()) => Ok(Attempt::Taken(Self(Some(file)))),
            Err(error) if is_contended(&error) => Ok(Attempt::Held),
            // Some network homes have no locks; whoever asks goes on without.
            Err(error) if is_unsupported(&error) => Ok(Attempt::Taken(Self::none())),
            Err(error) => Err(error),
        }
    }
}

/// Longer than the requests that others may be making one after the other while they hold a lock.
const PATIENCE: Duration = Duration::from_mins(2);

/// Attempts something until it comes to something, with pauses, as long as another process may rightly be in the way.
/// `attempt` is told how long it has been so far.
pub(crate) fn patiently<T>(clock: &dyn Clock, mut attempt: impl FnMut(Duration) -> Result<Option<T>>) -> Result<T> {
    let began = clock.elapsed();
    for count in 0.. {
        let waited = clock.elapsed().saturating_sub(began);
        if let Some(done) = attempt(waited)? {
            return Ok(done);
        }
        if count == 0 {
            trace!("lock: another process holds it, waiting");
        }
        if waited > PATIENCE {
            break;
        }
        clock.sleep(jitter(count));
    }
    Err(Error::new(Kind::Transient, "another keyfob has been at work on this for too long")
        .hint(Mend::wait("try again, or end the other process")))
}

/// The pause before another attempt: 10 to 250 ms, longer with every attempt and never the same for two processes, so
/// that a thousand of them do not knock at once.
pub(crate) fn jitter(attempt: u32) -> Duration {
    let ceiling = 20_u64.saturating_mul(1 << attempt.min(4)).min(250);
    let random = RandomState::new().build_hasher().finish();
    Duration::from_millis(10 + random % (ceiling - 10))
}

fn is_contended(error: &io::Error) -> bool {
    let contended = fs2::lock_contended_error();
    error.raw_os_error() == contended.raw_os_error() || error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(unix)]
fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let unsupported = [Errno::NOLCK, Errno::NOTSUP, Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL];
    error.raw_os_error().is_some_and(|code| unsupported.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(not(unix))]
fn is_unsupported(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_lock_on_a_file_that_was_removed_is_told_from_one_on_the_file_that_is_there() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("lock");
        let take = || match Lock::attempt(File::create(&path).unwrap()).unwrap() {
            Attempt::Taken(lock) => lock,
            Attempt::Held => panic!("nobody else is here"),
        };
        let first = take();
        assert!(first.is_at(&path));
        std::fs::remove_file(&path).unwrap();
        assert!(!first.is_at(&path));
        let second = take();
        assert!(second.is_at(&path) && !first.is_at(&path));
        assert_ne!(first.file_number(), second.file_number());
        assert!(Lock::none().is_at(&path), "where there are no locks");
    }

    #[test]
    fn one_holder_at_a_time_and_none_after_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        File::create(&path).unwrap();
        let attempt = || Lock::attempt(File::open(&path).unwrap()).unwrap();
        let Attempt::Taken(lock) = attempt() else { panic!("nobody holds it") };
        assert!(matches!(attempt(), Attempt::Held));
        drop(lock);
        assert!(matches!(attempt(), Attempt::Taken(_)));
    }

    #[test]
    fn jitter_is_bounded() {
        for attempt in 0..100 {
            let wait = jitter(attempt);
            assert!((10..250).contains(&wait.as_millis()), "{wait:?}");
        }
    }
}
