//! The one place that starts children. None of them ever holds our stdin, stdout or stderr: those belong to the client.
#![expect(clippy::disallowed_methods, reason = "the room for it")]

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::human::escape::escape;

/// The process that runs us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    /// Its number and the moment it started, which together no other process has.
    pub(crate) id: String,
    /// What it calls itself, at most 15 characters of the executable's name.
    pub(crate) name: String,
}

/// The process that runs us, where the system tells (Linux) and it is still there: one that has died has left us to the
/// first of all processes.
pub(crate) fn parent() -> Option<Parent> {
    #[cfg(unix)]
    let number = std::os::unix::process::parent_id();
    #[cfg(not(unix))]
    let number = 1;
    if number <= 1 {
        return None;
    }
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    parse_stat(number, &stat)
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

/// proc(5): the name in parentheses, which may hold anything; the start time is the 22nd field.
fn parse_stat(number: u32, stat: &str) -> Option<Parent> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let started = after.split_whitespace().nth(19).filter(|field| field.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(Parent { id: format!("{number}-{started}"), name: name.to_owned() })
}

/// What `git config` says of a key as it stands for the command that asks, `-c` options included; `None` where the key
/// is not set, or git is not there. Raw: `credential.interactive` may be `never`, which `--type=bool` would refuse.
pub(crate) fn git_config(key: &str) -> Option<String> {
    let output = Command::new("git")
        .args(["config", "--get", key])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What `getent ahosts` prints of a host's name: its addresses, nothing where it has none. `NotFound` where there is no
/// getent, `TimedOut` where it takes longer than `patience`.
pub(crate) fn getent(host: &str, patience: Duration) -> io::Result<String> {
    let mut child = Command::new("getent")
        .args(["ahosts", host])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdout = child.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
    let (told, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut output = String::new();
        let _ = told.send(stdout.read_to_string(&mut output).map(|_| output));
    });
    let output = heard.recv_timeout(patience).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    if output.is_err() {
        let _ = child.kill();
    }
    child.wait()?;
    output
}

/// Runs git to its end and returns what it prints; what it says on stderr where it fails.
pub(crate) fn git(args: &[&OsStr]) -> Result<Vec<u8>> {
    let output = match Command::new("git").args(args).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return Err(Error::broken("cannot run git", error).hint("install git, or put it on PATH")),
    };
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or_default();
    Err(Error::new(Kind::Broken, format!("git refuses: {}", escape(said))).hint("run: git config --list --show-origin"))
}

/// Starts a command and lets it go; whether it started. It holds none of our streams, and nobody waits for it.
pub(crate) fn detach(words: &[String]) -> bool {
    let Some((program, args)) = words.split_first() else { return false };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Its own process group: a Ctrl-C that ends us, or the client, does not end a browser.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2 3";
        let parent = Parent { id: "42-98765".to_owned(), name: "a) b (c".to_owned() };
        assert_eq!(parse_stat(42, stat), Some(parent));
        assert_eq!(parse_stat(42, "nonsense"), None);
    }
}
