//! A process of our own that goes on when this one has answered: it renews a token that still lives, with the record's lock that
//! it is left. Nobody waits for a provider that is slow, and no answer that exists once is given up.
#![expect(clippy::disallowed_methods, reason = "children are started here")]

use std::fs::File;
use std::process::{Child, Command, Stdio};

use super::executable;
use crate::mend::Argv;

/// How it is begun.
#[derive(Clone, Debug)]
pub(crate) struct Successor {
    /// The words that name the profile.
    profile: Argv,
    /// Its trace goes to our stderr, as ours does. What goes to a file goes there by the environment.
    is_traced: bool,
}

/// One that has begun.
pub(crate) struct Begun(Child);

impl Successor {
    pub(crate) fn new(profile: Argv, is_traced: bool) -> Self {
        Self { profile, is_traced }
    }

    /// Begins one for a slot of the profile, with the lock as its stdin. It holds no stream of our client's, and a Ctrl-C that ends us
    /// is not for it.
    pub(crate) fn begin(&self, slot: &str, lock: File) -> Option<Begun> {
        let mut command = Command::new(executable().ok()?);
        command.arg("renew").args(&self.profile).args(["--slot", slot]);
        command.env("KEYFOB_INTERACTIVE", "never").stdin(lock).stdout(Stdio::null());
        if self.is_traced {
            command.arg("--verbose").stderr(Stdio::inherit());
        } else {
            command.stderr(Stdio::null());
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.spawn().ok().map(Begun)
    }
}

impl Begun {
    /// Whether it has come to its end.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

/// The lock that this process was left as its stdin.
#[cfg(unix)]
pub(crate) fn left_lock() -> Option<File> {
    use std::os::fd::AsFd;
    let stdin = std::io::stdin().as_fd().try_clone_to_owned().ok().map(File::from)?;
    stdin.metadata().is_ok_and(|meta| meta.is_file()).then_some(stdin)
}

/// None can be left there.
#[cfg(not(unix))]
pub(crate) fn left_lock() -> Option<File> {
    None
}
