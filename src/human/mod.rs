//! The person, if there is one: whether to ask (presence, of what signs finds), what is said (prompt), where (terminal), what can
//! be shown there (screen), a picture of the address (qr), a page to open (browser); and what an answer on stdout may look like (paper).

pub(crate) mod browser;
pub(crate) mod paper;
pub(crate) mod presence;
mod prompt;
mod qr;
mod screen;
mod signs;
pub(crate) mod terminal;

use crate::clock::Timestamp;
use crate::error::{Error, Result};
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
    /// The code stands on this terminal already: there it is only named.
    pub(crate) is_repeated: bool,
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
    /// Says where the prompt went that the sign-in has brought what it was for. `is_said`: the terminal has it already.
    fn succeeded(&self, line: &str, is_said: bool);
    /// Says an error where a prompt stands that is not answered any more, unless whoever reports the error says it there.
    fn failed(&self, error: &Error);
    /// Whether whoever asked us is gone, and waits for no answer; as far as that can be known.
    fn is_left(&self) -> bool;
    /// Says one line on stderr, whoever reads it.
    fn note(&self, line: &str);
}
