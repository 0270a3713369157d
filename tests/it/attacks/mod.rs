//! What servers, clients, files and variables might try, through the real program.

// Other programs' files.
#[cfg(unix)]
mod files;
// Answers without an end, drips, redirects, pages in the place of answers.
mod floods;
// Configurations, records and names that point elsewhere.
mod places;
// Servers that quote secrets.
mod quotes;
// Words that would be shown, tokens that would write lines, numbers beyond sense.
mod words;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::Reply;
use crate::support::provider::{CLIENT_ID, Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, now, run, workos};
use crate::support::scripted::Scripted;

/// What would clear a screen, end a line, speak in our name and turn the rest round.
const EVIL: &str =
    "\u{1b}[2J\u{1b}]0;t\u{7}\r\nkeyfob:   open https://evil.dev\n\u{9b}31m\u{202e}\u{2066}\u{200b}\u{7f}\u{8}";
const CLUSTER: &str = "https://k8s.acme.dev:6443";

/// One that approves by itself and does not mind how soon it is asked.
fn approving() -> Provider {
    Provider::with(Manners { approves_by_itself: true, interval: Some(0), ..Manners::default() })
}

/// Asks for a code, and makes its first poll due for whatever command comes next.
fn start(sandbox: &Sandbox) {
    let done = sandbox.run(&["login", "--start"], "");
    assert_eq!(done.code, Some(0), "{done:?}");
    due(sandbox);
}

/// Makes the next poll due.
fn due(sandbox: &Sandbox) {
    sandbox.edit(|record| record["pending"]["next_poll_at"] = now().into());
}

/// Signs in without a wait.
fn sign_in(sandbox: &Sandbox) {
    start(sandbox);
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
}

fn signed_in(provider: &Provider) -> Sandbox {
    let sandbox = Sandbox::signed_up(provider);
    sign_in(&sandbox);
    sandbox
}

/// Nothing that moves a cursor or turns text round, and no line that is not ours.
fn assert_plain(done: &Transcript) {
    for text in [&done.stdout, &done.stderr] {
        let bad = |c: char| {
            (c.is_control() && c != '\n')
                || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        };
        assert!(!text.contains(bad), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("keyfob:   open https://evil")), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    assert!(done.stderr.lines().all(|line| line.starts_with("keyfob: ")), "{}", done.stderr);
}

fn assert_no_secret(done: &Transcript) {
    for secret in ["rt_secret", "dc_secret", "eyJ"] {
        assert!(!done.stderr.contains(secret) && !done.stdout.contains(secret), "{done:?}");
    }
}

/// What git gets when there is no credential: to be stopped, and a line for the person.
fn assert_stopped(done: &Transcript, says: &str) {
    assert_eq!((done.stdout.as_str(), done.code), ("quit=1\n", Some(0)), "{done:?}");
    assert!(done.stderr.contains(says), "{says}: {}", done.stderr);
    assert_plain(done);
    assert_no_secret(done);
}

/// A device authorization answer with some members of its own.
fn started(with: Value) -> Reply {
    let mut body = json!({
        "device_code": "dc_secret_1", "user_code": "ABCD-EFGH", "expires_in": 300, "interval": 1,
        "verification_uri": "https://auth.acme.dev/device",
    });
    body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    Reply::json(200, body.to_string())
}

fn granted(with: Value) -> Reply {
    let mut body =
        json!({ "access_token": "at_1", "refresh_token": "rt_secret_1", "token_type": "Bearer", "expires_in": 300 });
    body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    Reply::json(200, body.to_string())
}
