//! The one place that starts children, and knows this process and the one that runs it. No child ever holds our stdin, stdout
//! or stderr: those belong to the client. Only what `keyfob run` becomes has all that we had.
#![expect(clippy::disallowed_methods, reason = "the room for it")]

mod ask;
pub(crate) mod signals;
mod successor;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::model::ParentId;
pub(crate) use ask::{Answer, With, ask};
pub(crate) use successor::{Successor, left_lock};

/// A process above us; most often the one that runs us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    /// Its number and the moment it started, which together no other process has.
    pub(crate) id: ParentId,
    /// What it calls itself, at most 15 characters of the executable's name.
    pub(crate) name: String,
}

/// The process that runs us, where the system tells (Linux) and it is still there: one that has died has left us to the
/// first of all processes.
pub(crate) fn parent() -> Option<Parent> {
    ancestors().next()
}

/// The processes above this one, the nearest first, each looked up when it is asked for; as far as the system tells (Linux), and no
/// farther than a helper is below whoever wants a credential.
pub(crate) fn ancestors() -> impl Iterator<Item = Parent> {
    let mut number = parent_number();
    std::iter::from_fn(move || {
        let (process, above) = look_up(number).filter(|_| number > 1)?;
        number = above;
        Some(process)
    })
    .take(6)
}

/// The arguments of the process that runs us, where the system tells (Linux).
pub(crate) fn parent_args() -> Vec<String> {
    let line = fs::read(format!("/proc/{}/cmdline", parent_number())).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// Whether a program of that name is a shell: it stands between us and whoever gave it a command line.
pub(crate) fn is_shell(name: &str) -> bool {
    matches!(name, "sh" | "bash" | "dash" | "zsh" | "fish" | "ksh" | "busybox")
}

/// This process as a child of its own would see it.
pub(crate) fn this() -> Option<Parent> {
    look_up(std::process::id()).map(|(this, _)| this)
}

/// A process, and the number of the one that runs it.
fn look_up(number: u32) -> Option<(Parent, u32)> {
    parse_stat(number, &fs::read_to_string(format!("/proc/{number}/stat")).ok()?)
}

/// The path this program was called by, made absolute and with its links; `None` where it was called by its bare name.
pub(crate) fn called_by() -> Option<PathBuf> {
    let called = PathBuf::from(std::env::args_os().next()?);
    (called.components().count() > 1).then(|| std::path::absolute(called).ok()).flatten()
}

/// The number of the process that runs this one; the same for ever where the system does not tell when that has ended.
pub(crate) fn parent_number() -> u32 {
    #[cfg(unix)]
    let number = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let number = 1;
    number
}

/// Whether whoever was to read our answer has closed its end of stdout; none where that is a file or a terminal, which nobody
/// closes.
#[cfg(unix)]
pub(crate) fn is_answer_unread() -> Option<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::{FileType, fstat};
    let stdout = io::stdout();
    let kind = FileType::from_raw_mode(fstat(&stdout).ok()?.st_mode);
    if !matches!(kind, FileType::Fifo | FileType::Socket) {
        return None;
    }
    let mut ends = [PollFd::new(&stdout, PollFlags::OUT)];
    poll(&mut ends, Some(&Timespec::default())).ok()?;
    Some(ends[0].revents().intersects(PollFlags::ERR | PollFlags::HUP))
}

/// Not told: only a write would tell, and there is nothing to write yet.
#[cfg(not(unix))]
pub(crate) fn is_answer_unread() -> Option<bool> {
    None
}

/// The file this process runs, as it was started.
pub(crate) fn executable() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// The terminal this process belongs to: its device number.
#[cfg(target_os = "linux")]
pub(crate) fn terminal() -> Option<String> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after) = stat.rsplit_once(')')?;
    let number = after.split_whitespace().nth(4)?;
    (number != "0" && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("tty{number}"))
}

/// The same by the session it is the terminal of (POSIX: of one alone).
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn terminal() -> Option<String> {
    fs::File::open("/dev/tty").ok()?;
    let session = rustix::process::getsid(None).ok()?;
    Some(format!("session{}", session.as_raw_nonzero()))
}

/// Not told.
#[cfg(not(unix))]
pub(crate) fn terminal() -> Option<String> {
    None
}

/// proc(5): the name in parentheses, which may hold anything; whose child it is, the fourth field; the start time, the 22nd.
fn parse_stat(number: u32, stat: &str) -> Option<(Parent, u32)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut fields = after.split_whitespace().skip(1);
    let above = fields.next()?.parse().ok()?;
    let started = fields.nth(17).filter(|field| field.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((Parent { id: ParentId::new(number, started), name: name.to_owned() }, above))
}

/// What became of a command that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launched {
    /// It ended with 0.
    Ended,
    /// It runs on.
    Runs,
    /// It did not start, or ended with something else.
    Failed,
}

/// Starts a command, looks for a while what becomes of it, and lets it go. It holds none of our streams.
pub(crate) fn launch(words: &[String], patience: Duration) -> Launched {
    let Some((program, args)) = words.split_first() else { return Launched::Failed };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Its own process group: a Ctrl-C that ends us, or the client, does not end a browser.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let Ok(mut child) = command.spawn() else { return Launched::Failed };
    let clock = SystemClock::new();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Launched::Ended,
            Ok(None) if clock.elapsed() < patience => clock.sleep(Duration::from_millis(10)),
            Ok(None) => return Launched::Runs,
            _ => return Launched::Failed,
        }
    }
}

/// Becomes another program, with these variables beside ours and everything else as it was when we began; returns where that
/// cannot be.
#[cfg(unix)]
pub(crate) fn become_program<'v>(
    program: &Path,
    words: &[OsString],
    variables: impl Iterator<Item = (&'v str, &'v str)>,
) -> io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let mut words = words.iter();
    let mut command = Command::new(program);
    command.arg0(words.next().map_or(program.as_os_str(), OsString::as_os_str)).args(words).envs(variables);
    signals::let_go();
    Err(command.exec())
}

/// Runs another program in our place, with these variables beside ours, and ends as it does: a process here cannot become another.
#[cfg(not(unix))]
#[expect(clippy::exit, reason = "it ends as the other does, whose code may be more than a byte")]
pub(crate) fn become_program<'v>(
    program: &Path,
    words: &[OsString],
    variables: impl Iterator<Item = (&'v str, &'v str)>,
) -> io::Result<ExitCode> {
    let mut child = Command::new(program).args(words.iter().skip(1)).envs(variables).spawn()?;
    signals::let_go();
    std::process::exit(child.wait()?.code().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_launcher_fails_ends_or_runs_on() {
        let launched = |script: &str, millis| {
            let words = ["/bin/sh", "-c", script].map(str::to_owned);
            launch(&words, Duration::from_millis(millis))
        };
        assert_eq!(launched("exit 0", 60_000), Launched::Ended);
        assert_eq!(launched("exit 3", 60_000), Launched::Failed);
        assert_eq!(launched("exec sleep 2", 1), Launched::Runs);
        assert_eq!(launch(&["/nowhere/keyfob".to_owned()], Duration::ZERO), Launched::Failed);
        assert_eq!(launch(&[], Duration::ZERO), Launched::Failed);
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2 3";
        let parent = Parent { id: ParentId::new(42, "98765"), name: "a) b (c".to_owned() };
        assert_eq!(parse_stat(42, stat), Some((parent, 1)));
        assert_eq!(parse_stat(42, "nonsense"), None);
    }
}
