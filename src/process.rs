//! The one place that starts children. None of them ever holds our stdin, stdout or stderr: those belong to the client.
#![expect(clippy::disallowed_methods, reason = "the room for it")]

use std::process::{Command, Stdio};

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
