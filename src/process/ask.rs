//! Asking another program, and reading what it says: as much as is sensible, for as long as is sensible.
#![expect(clippy::disallowed_methods, reason = "children are started here")]

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::signals::aside;
use crate::clock::{Clock, SystemClock};
use crate::secret::SecretBytes;

/// More than any program says that is asked here, in bytes.
const LIMIT: u64 = 4 << 20;

/// What a program gets beside its arguments and our environment.
#[derive(Debug)]
pub(crate) struct With<'a> {
    /// Variables over ours.
    pub(crate) environment: &'a [(String, String)],
    /// No more than a pipe holds: a program need not read it.
    pub(crate) stdin: &'a [u8],
    /// How long it may take.
    pub(crate) patience: Duration,
}

impl Default for With<'_> {
    /// Nothing, and a minute.
    fn default() -> Self {
        Self { environment: &[], stdin: &[], patience: Duration::from_mins(1) }
    }
}

/// What a program answered. It may be a credential.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Whether it ended with 0.
    pub(crate) succeeded: bool,
    pub(crate) stdout: SecretBytes,
    pub(crate) stderr: SecretBytes,
}

/// Runs a program to its end and returns what it said; one that takes too long is ended.
///
/// # Errors
///
/// `NotFound`: there is no such program. `TimedOut`: it took too long.
pub(crate) fn ask<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = S>,
    with: &With<'_>,
) -> io::Result<Answer> {
    let clock = SystemClock::new();
    let mut child = Command::new(program)
        .args(args)
        .envs(with.environment.iter().map(|(name, value)| (name, value)))
        .stdin(if with.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may have ended already, which its answer tells.
        let _ = stdin.write_all(with.stdin);
    }
    let (stdout, stderr) = (read_aside(child.stdout.take()), read_aside(child.stderr.take()));
    let rest = || with.patience.saturating_sub(clock.elapsed());
    let heard = stdout.recv_timeout(rest()).and_then(|stdout| Ok((stdout, stderr.recv_timeout(rest())?)));
    let mut ended = None;
    // What closed its streams ends in a moment, as a rule.
    while heard.is_ok() && ended.is_none() && !rest().is_zero() {
        ended = child.try_wait()?;
        if ended.is_none() {
            clock.sleep(Duration::from_millis(1));
        }
    }
    let (Ok((stdout, stderr)), Some(status)) = (heard, ended) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(ErrorKind::TimedOut.into());
    };
    Ok(Answer { succeeded: status.success(), stdout, stderr })
}

/// Reads a stream in a thread of its own. Whoever holds its other end open, a grandchild for one, is not waited for.
fn read_aside(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<SecretBytes> {
    let (sender, receiver) = mpsc::channel();
    aside(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            let _ = stream.take(LIMIT).read_to_end(&mut bytes);
        }
        let _ = sender.send(SecretBytes::new(bytes));
    });
    receiver
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_asked_and_not_waited_for_beyond_patience() {
        let environment = [("GREETING".to_owned(), "hello".to_owned())];
        let shell = |script: &str, stdin: &[u8], patience| {
            let with = With { environment: &environment, stdin, patience: Duration::from_millis(patience) };
            ask("sh", ["-c", script], &with)
        };
        let answer = shell("read line; echo \"$GREETING $line\"; echo no >&2; exit 3", b"there\n", 60_000).unwrap();
        assert_eq!((answer.stdout.expose(), answer.stderr.expose()), (&b"hello there\n"[..], &b"no\n"[..]));
        assert!(!answer.succeeded && shell("cat", b"", 60_000).unwrap().succeeded);
        for script in ["exec sleep 60", "exec sleep 60 >&- 2>&-"] {
            assert_eq!(shell(script, b"", 20).unwrap_err().kind(), ErrorKind::TimedOut, "{script}");
        }
        let nobody = ask("/nowhere/keyfob", [""; 0], &With::default());
        assert_eq!(nobody.unwrap_err().kind(), ErrorKind::NotFound);
    }
}
