//! Speaks to the person. The rules of the house:
//!
//! - stdin and stdout belong to the client and are never touched for this;
//! - what a person must see goes to the terminal (`/dev/tty`), because git hides the stderr of parallel children; where
//!   there is none, to stderr;
//! - every line begins with `keyfob:`, has no capital and no full stop;
//! - the address and the code stand on lines of their own, whole and unwrapped, to be copied;
//! - whatever came from a server or a client is escaped; a `device_code` and a token are never shown.

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};

use super::browser;
use super::escape::{defuse, escape};
use super::presence::{self, Client};
use super::{Human, Presence, Prompt};
use crate::clock;
use crate::config::environment::{self, Interactive};
use crate::error::Result;
use crate::oauth::device::Pending;

/// The person at the terminal of this process.
pub(crate) struct Terminal {
    client: Client,
    opens_browser: bool,
    device: OnceCell<Option<File>>,
    presence: OnceCell<Presence>,
}

impl Terminal {
    /// Opens nothing yet. `opens_browser`: whether a page may be opened at all.
    pub(crate) fn new(client: Client, opens_browser: bool) -> Self {
        Self { client, opens_browser, device: OnceCell::new(), presence: OnceCell::new() }
    }

    fn device(&self) -> Option<&File> {
        self.device.get_or_init(open).as_ref()
    }

    /// A closed stderr is no reason to fail: there is nobody to tell. With `KEYFOB_INTERACTIVE=always` whoever reads
    /// stderr in place of a terminal sees it as well.
    fn say(&self, text: &str) {
        let mut stderr = io::stderr();
        if let Some(mut terminal) = self.device() {
            let _ = terminal.write_all(text.as_bytes());
            let read_elsewhere = !stderr.is_terminal() && environment::interactive() == Ok(Interactive::Always);
            if !read_elsewhere {
                return;
            }
        }
        let _ = stderr.write_all(text.as_bytes());
    }
}

impl Human for Terminal {
    fn presence(&self) -> Result<Presence> {
        if let Some(known) = self.presence.get() {
            return Ok(known.clone());
        }
        let presence = presence::presence(self.client, self.has_terminal())?;
        Ok(self.presence.get_or_init(|| presence).clone())
    }

    fn has_terminal(&self) -> bool {
        self.device().is_some() || io::stderr().is_terminal()
    }

    fn ask(&self, prompt: &Prompt<'_>) {
        self.say(&text(prompt, &hostname()));
        let Pending { verification_uri, verification_uri_complete, .. } = prompt.pending;
        if self.opens_browser
            && prompt.opens_browser
            && browser::open(verification_uri_complete.as_ref().unwrap_or(verification_uri))
        {
            self.say("keyfob: a browser opens; compare the code there\n");
        }
    }

    fn tell(&self, line: &str) {
        self.say(&format!("keyfob: {}\n", defuse(line)));
    }

    fn note(&self, line: &str) {
        let _ = writeln!(io::stderr(), "keyfob: {}", defuse(line));
    }
}

/// The prompt, whole.
fn text(prompt: &Prompt<'_>, hostname: &str) -> String {
    let Prompt { what, profile, account, pending, opens_browser: _, now } = prompt;
    let account = account.map(|account| format!(", account {}", escape(account))).unwrap_or_default();
    let left = clock::span(pending.expires_at - now);
    let mut text = format!("keyfob: {} ({}{account})\n", escape(what), escape(profile));
    let _ = writeln!(text, "keyfob:   open {}", escape(&pending.verification_uri));
    let _ = writeln!(text, "keyfob:   code {}", escape(&pending.user_code));
    if let Some(complete) = &pending.verification_uri_complete {
        let _ = writeln!(text, "keyfob:   or   {}", escape(complete));
    }
    let _ = writeln!(text, "keyfob: approve only if you just ran this on {}; {left} left", escape(hostname));
    text
}

#[cfg(unix)]
fn open() -> Option<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty").ok()
}

#[cfg(windows)]
fn open() -> Option<File> {
    OpenOptions::new().read(true).write(true).open("CONOUT$").ok()
}

#[cfg(unix)]
fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn hostname() -> String {
    "this computer".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Slot;
    use crate::oauth::device;
    use crate::oauth::http::Response;

    #[test]
    fn the_prompt() {
        let body = br#"{"device_code":"dc_hidden","user_code":"AB\u001b[0mCD","expires_in":300,
            "verification_uri":"https://acme.authkit.app/device",
            "verification_uri_complete":"https://acme.authkit.app/device?user_code=ABCD"}"#;
        let response = Response { status: 200, date: None, retry_after: None, body: body.to_vec() };
        let pending = device::begin(&response, &Slot::default(), 1_000).unwrap();
        let prompt = Prompt {
            what: "git needs to sign in to git.acme.dev",
            profile: "profile acme at WorkOS AuthKit",
            account: Some("ann@acme.dev"),
            pending: &pending,
            opens_browser: false,
            now: 1_010,
        };
        let shown = text(&prompt, "laptop");
        assert_eq!(
            shown,
            "keyfob: git needs to sign in to git.acme.dev (profile acme at WorkOS AuthKit, account ann@acme.dev)\n\
             keyfob:   open https://acme.authkit.app/device\n\
             keyfob:   code AB\\u{1b}[0mCD\n\
             keyfob:   or   https://acme.authkit.app/device?user_code=ABCD\n\
             keyfob: approve only if you just ran this on laptop; 4 minutes left\n"
        );
    }
}
