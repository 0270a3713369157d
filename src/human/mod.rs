//! The person, if there is one: whether to ask (presence), what is said (prompt), where (terminal), what can be shown there
//! (screen), a picture of the address (qr), a page to open (browser); and what an answer on stdout may look like (paper).

pub(crate) mod browser;
pub(crate) mod paper;
pub(crate) mod presence;
mod prompt;
mod qr;
mod screen;
pub(crate) mod terminal;

use crate::clock::Timestamp;
use crate::error::Result;
use crate::oauth::device::Pending;
pub(crate) use presence::Presence;

/// What a person is asked.
#[derive(Debug)]
pub(crate) struct Prompt<'a> {
    /// What asks and for where: `git needs to sign in to git.acme.dev`.
    pub(crate) what: &'a str,
    /// The profile or client, and the provider.
    pub(crate) profile: &'a str,
    pub(crate) account: Option<&'a str>,
    pub(crate) pending: &'a Pending,
    /// Whether a page may be opened: not by everybody who waits.
    pub(crate) opens_browser: bool,
    pub(crate) now: Timestamp,
}

/// The wall to the person: tests put their own here.
pub(crate) trait Human {
    /// Whether somebody is here to be asked. Looked up when it matters first, never on a hit.
    fn presence(&self) -> Result<Presence>;
    /// Whether there is a terminal at all; cheaper than [`Human::presence`].
    fn has_terminal(&self) -> bool;
    /// What the terminal is called, for what is said on it once; none where there is none, or the system does not tell.
    fn terminal(&self) -> Option<String>;
    /// Shows the code and where to enter it.
    fn ask(&self, prompt: &Prompt<'_>);
    /// While somebody is waited for, every second or oftener: the code lives for `left` seconds more. Only whoever asked
    /// says anything of it.
    fn waiting(&self, left: i64);
    /// Says one line where the prompt went.
    fn tell(&self, line: &str);
    /// Says one line on stderr, whoever reads it.
    fn note(&self, line: &str);
}
