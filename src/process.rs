//! The one place that starts children. None of them ever holds our stdin, stdout or stderr: those belong to the client.
#![expect(clippy::disallowed_methods, reason = "the room for it")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::human::escape::escape;
use crate::secret::SecretBytes;

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

/// This process as a child of its own would see it.
pub(crate) fn this() -> Option<Parent> {
    let number = std::process::id();
    parse_stat(number, &fs::read_to_string(format!("/proc/{number}/stat")).ok()?)
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

/// No answer that is read is larger, in bytes.
const LARGEST_OUTPUT: u64 = 4 << 20;

/// What a child that ran to its end said.
pub(crate) struct Output {
    /// Whether it ended with 0.
    pub(crate) is_success: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// Runs a program to its end and returns what it said; one that takes longer than `patience` is ended.
///
/// # Errors
///
/// `NotFound`: there is no such program. `TimedOut`: it took too long.
pub(crate) fn output<S: AsRef<OsStr>>(program: &str, args: &[S], patience: Duration) -> io::Result<Output> {
    let mut child =
        Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let said = |stream: Option<Box<dyn Read + Send>>| {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = stream.map_or(Ok(0), |stream| stream.take(LARGEST_OUTPUT).read_to_end(&mut bytes));
            let _ = sender.send(read.map(|_| bytes));
        });
        receiver
    };
    let stdout = said(child.stdout.take().map(|stream| Box::new(stream) as _));
    let stderr = said(child.stderr.take().map(|stream| Box::new(stream) as _));
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    // Both end when the child does; whoever keeps them open longer is not waited for.
    let both = stdout.recv_timeout(patience).and_then(|out| Ok((out, stderr.recv_timeout(patience)?)));
    let (stdout, stderr) = both.map_err(late).and_then(|(out, err)| Ok((out?, err?))).inspect_err(|_| {
        let _ = child.kill();
        let _ = child.wait();
    })?;
    Ok(Output { is_success: child.wait()?.success(), stdout, stderr })
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

/// A program to be asked something: it gets `stdin` and our environment with `environment` over it.
#[derive(Default)]
pub(crate) struct Question<'a> {
    pub(crate) program: &'a OsStr,
    pub(crate) args: &'a [OsString],
    pub(crate) environment: &'a [(String, String)],
    pub(crate) stdin: &'a [u8],
}

/// What a program answered. It may be a credential.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Whether it ended with 0.
    pub(crate) succeeded: bool,
    pub(crate) stdout: SecretBytes,
    pub(crate) stderr: SecretBytes,
}

/// Why a program did not answer; the words fit after its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    NotFound,
    NotStarted(String),
    TooLate,
}

/// More than any program says that is asked here.
const ANSWER_LIMIT: u64 = 4 << 20;
/// How long a program may take to answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// Asks a program and reads what it says, as much as is sensible and as long as is sensible. One that takes too long is
/// ended.
pub(crate) fn ask(clock: &dyn Clock, question: &Question<'_>) -> Result<Answer, NoAnswer> {
    let input = if question.stdin.is_empty() { Stdio::null() } else { Stdio::piped() };
    let mut child = Command::new(question.program)
        .args(question.args)
        .envs(question.environment.iter().map(|(name, value)| (name, value)))
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => NoAnswer::NotFound,
            _ => NoAnswer::NotStarted(error.to_string()),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // Less than a pipe holds, so this does not wait; a program need not read it.
        let _ = stdin.write_all(question.stdin);
    }
    let deadline = clock.elapsed() + ANSWER_PATIENCE;
    let (stdout, stderr) = (read_aside(child.stdout.take()), read_aside(child.stderr.take()));
    let rest = || deadline.saturating_sub(clock.elapsed());
    let heard = stdout.recv_timeout(rest()).and_then(|stdout| Ok((stdout, stderr.recv_timeout(rest())?)));
    let mut ended = None;
    // What closed its streams ends in a moment, as a rule.
    while heard.is_ok() && ended.is_none() && !rest().is_zero() {
        ended = child.try_wait().ok().flatten();
        if ended.is_none() {
            clock.sleep(Duration::from_millis(2));
        }
    }
    let (Ok((stdout, stderr)), Some(status)) = (heard, ended) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(NoAnswer::TooLate);
    };
    Ok(Answer { succeeded: status.success(), stdout, stderr })
}

/// Reads a stream in a thread of its own. Whoever holds its other end open, a grandchild for one, is not waited for.
fn read_aside(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<SecretBytes> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            let _ = stream.take(ANSWER_LIMIT).read_to_end(&mut bytes);
        }
        let _ = sender.send(SecretBytes::new(bytes));
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time for nothing.
    struct Late(std::cell::Cell<Duration>);

    impl Clock for Late {
        fn now(&self) -> i64 {
            0
        }

        fn elapsed(&self) -> Duration {
            self.0.replace(ANSWER_PATIENCE)
        }

        fn sleep(&self, _: Duration) {}
    }

    #[cfg(unix)]
    fn shell(clock: &dyn Clock, script: &str, stdin: &[u8]) -> Result<Answer, NoAnswer> {
        let args = ["-c".into(), script.into()];
        let environment = [("GREETING".to_owned(), "hello".to_owned())];
        ask(clock, &Question { program: "sh".as_ref(), args: &args, environment: &environment, stdin })
    }

    #[test]
    #[cfg(unix)]
    fn a_program_is_asked() {
        let clock = crate::clock::SystemClock::new();
        let answer = shell(&clock, "read line; echo \"$GREETING $line\"; echo no >&2; exit 3", b"there\n").unwrap();
        assert_eq!((answer.stdout.expose(), answer.stderr.expose()), (&b"hello there\n"[..], &b"no\n"[..]));
        assert!(!answer.succeeded && shell(&clock, "cat", b"").unwrap().succeeded);
        let nobody = ask(&clock, &Question { program: "/nowhere/keyfob".as_ref(), ..Question::default() });
        assert_eq!(nobody.unwrap_err(), NoAnswer::NotFound);
        // One that never ends is not waited for.
        let late = Late(std::cell::Cell::default());
        assert_eq!(shell(&late, "sleep 1000", b"").unwrap_err(), NoAnswer::TooLate);
    }

    #[test]
    #[cfg(unix)]
    fn a_child_is_heard_and_not_waited_for_beyond_patience() {
        let run = |script: &str, patience| output("sh", &["-c", script], Duration::from_millis(patience));
        let said = run("echo out; echo err >&2; exit 3", 60_000).unwrap();
        assert_eq!((said.is_success, said.stdout, said.stderr), (false, b"out\n".to_vec(), b"err\n".to_vec()));
        assert_eq!(run("exec sleep 60", 20).err().unwrap().kind(), io::ErrorKind::TimedOut);
        let absent = output("no-such-program", &["x"], Duration::from_secs(60));
        assert_eq!(absent.err().unwrap().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 1 2 3";
        let parent = Parent { id: "42-98765".to_owned(), name: "a) b (c".to_owned() };
        assert_eq!(parse_stat(42, stat), Some(parent));
        assert_eq!(parse_stat(42, "nonsense"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_look_up_ends_when_patience_does() {
        let error = getent("localhost", Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
