//! Speaks to the person. The rules of the house:
//!
//! - stdin and stdout belong to the client and are never touched for this;
//! - what a person must see goes to the terminal (`/dev/tty`), because git hides the stderr of parallel children; and to stderr,
//!   where there is none or somebody captures it, unless its client shows it for a failure alone. How a sign-in ended is said
//!   where its prompt stands;
//! - the terminal of an agent that captures stderr is not ours: there nothing is written;
//! - every line begins with `keyfob:`, has no capital and no full stop; a picture alone has no words;
//! - the address and the code stand on lines of their own, whole and unwrapped, to be copied;
//! - only `keyfob login` rewrites a line, the one with the time left: it has the terminal for itself, while git's progress,
//!   its other children and kubectl write where they like. The cursor waits below that line, so that whatever ends us
//!   leaves whole lines;
//! - a program that owns the screen (k9s, lazygit) is disturbed by a few lines and no more;
//! - a dumb terminal, and a person who sets `KEYFOB_PLAIN`, get lines of text and nothing else;
//! - whatever came from a server or a client is escaped; a `device_code` and a token are never shown.

use std::cell::{OnceCell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};

use super::browser::Opened;
use super::presence::{Asker, Stderr, Stream};
use super::prompt::By;
use super::screen::{ERASE_ABOVE, Layout, Screen, size};
use super::{Human, Presence, Prompt, browser, prompt, signs};
use crate::config::environment::{self, Interactive};
use crate::error::{Error, Result};
use crate::escape::defuse;
use crate::oauth::device::Pending;
use crate::process;

/// The person at the terminal of this process.
pub(crate) struct Terminal {
    asker: Asker,
    opens_browser: bool,
    device: OnceCell<Option<File>>,
    presence: OnceCell<Presence>,
    asked: RefCell<Option<Asked>>,
    /// The process that ran us when it was first looked at.
    parent: OnceCell<u32>,
}

/// Where a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The terminal, as it is laid out.
    Terminal(Layout),
    /// A stderr that is no terminal.
    Captured,
}

impl Place {
    fn layout(self) -> Layout {
        match self {
            Self::Terminal(layout) => layout,
            Self::Captured => Layout::default(),
        }
    }
}

/// A prompt that stands there.
struct Asked {
    user_code: String,
    /// Seconds the prompt told of.
    life: i64,
    /// Seconds that were left at the last look; one more than ever before the first.
    left: i64,
    /// The line above the cursor is the one that is rewritten.
    counts_down: bool,
}

impl Terminal {
    /// Opens nothing yet. `opens_browser`: whether a page may be opened at all.
    pub(crate) fn new(asker: Asker, opens_browser: bool) -> Self {
        let (device, presence, parent) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { asker, opens_browser, device, presence, asked: RefCell::new(None), parent }
    }

    /// The terminal, where it is ours to write to.
    fn device(&self) -> Option<&File> {
        self.device.get_or_init(|| open().filter(|_| !signs::is_relayed())).as_ref()
    }

    /// As the terminal is now: a person may have made it smaller, or us a background job.
    fn layout(&self) -> Layout {
        let Some(device) = self.device() else { return Layout::default() };
        // What an agent shows of its terminal is text.
        if environment::agent().is_some() {
            return Layout::default();
        }
        let screen = Screen {
            raw: is_raw(device),
            ours: self.asker.is_wanted && is_foreground(device),
            ..Screen::of(size(device))
        };
        screen.layout()
    }

    /// Says what `text` makes of each place where somebody may read it. A closed stderr is no reason to fail: there is nobody to
    /// tell.
    fn say(&self, text: &dyn Fn(Place) -> String) {
        self.end_countdown();
        let (mut stderr, stream) = (io::stderr(), signs::stderr());
        let is_alone = match self.device() {
            Some(device) => {
                write(device, &text(Place::Terminal(self.layout())));
                false
            }
            None if stream == Stream::Terminal => {
                let _ = stderr.write_all(text(Place::Terminal(Layout::default())).as_bytes());
                false
            }
            None => true,
        };
        let is_told = match self.asker.stderr {
            Stderr::Free => true,
            // Whoever is behind an agent is told by the error.
            Stderr::OnFailure => {
                (is_alone && !signs::is_relayed()) || environment::interactive() == Ok(Interactive::Always)
            }
        };
        if is_told && stream == Stream::Captured {
            let _ = stderr.write_all(text(Place::Captured).as_bytes());
        }
    }

    /// Whether a person is shown what we say while we wait.
    fn is_here(&self) -> bool {
        matches!(self.presence.get(), Some(Presence::Here))
    }

    /// Takes the line with the time left away: what comes now takes its place.
    fn end_countdown(&self) {
        let mut asked = self.asked.borrow_mut();
        if let Some(asked) = asked.as_mut().filter(|asked| asked.counts_down) {
            asked.counts_down = false;
            if let Some(mut terminal) = self.device().filter(|_| self.layout().rewrites) {
                let _ = terminal.write_all(ERASE_ABOVE.as_bytes());
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.end_countdown();
    }
}

impl Human for Terminal {
    fn presence(&self) -> Result<Presence> {
        if let Some(known) = self.presence.get() {
            return Ok(*known);
        }
        let presence = signs::presence(self.asker, self.has_terminal())?;
        Ok(*self.presence.get_or_init(|| presence))
    }

    fn terminal(&self) -> Option<String> {
        process::terminal().filter(|_| !signs::is_relayed())
    }

    fn has_terminal(&self) -> bool {
        self.device().is_some() || io::stderr().is_terminal()
    }

    fn ask(&self, prompt: &Prompt<'_>) {
        let agent = environment::agent();
        let by = By { program: (self.asker.behind)(), agent, is_awaited: agent.is_some() && self.is_here() };
        self.say(&|place| match place {
            Place::Terminal(layout) if prompt.is_repeated => prompt::repeated(prompt, &layout),
            place => prompt::text(prompt, &by, &hostname(), &place.layout()),
        });
        if prompt.is_repeated {
            return;
        }
        let Pending { user_code, verification_uri, verification_uri_complete, expires_at, .. } = prompt.pending;
        if self.opens_browser && prompt.opens_browser && self.is_here() {
            match browser::open(verification_uri_complete.as_ref().unwrap_or(verification_uri)) {
                Opened::Yes => self.tell("a browser opens; compare the code there"),
                Opened::Perhaps(name) => self.tell(&format!("{name} is to open the page; compare the code there")),
                Opened::No => {}
            }
        }
        let (user_code, life) = (user_code.clone(), expires_at - prompt.now);
        *self.asked.borrow_mut() = Some(Asked { user_code, life, left: life + 1, counts_down: false });
    }

    fn waiting(&self, left: i64) {
        let mut asked = self.asked.borrow_mut();
        // Several looks in one second say nothing new.
        let Some(now) = asked.as_mut().filter(|asked| asked.left != left) else { return };
        let before = std::mem::replace(&mut now.left, left);
        if self.layout().rewrites {
            if let Some(mut terminal) = self.device() {
                let erase = if now.counts_down { ERASE_ABOVE } else { "" };
                let _ = terminal.write_all(format!("{erase}{}", prompt::countdown(left)).as_bytes());
                now.counts_down = true;
            }
            return;
        }
        // In the background by now: what stands above the cursor is somebody else's.
        now.counts_down = false;
        let reminder = prompt::reminder(&now.user_code, now.life, before, left);
        drop(asked);
        if let Some(reminder) = reminder {
            self.tell(&reminder);
        }
    }

    fn tell(&self, line: &str) {
        self.say(&|place| prompt::sentence(&defuse(line), &place.layout()));
    }

    fn succeeded(&self, line: &str, is_said: bool) {
        self.say(&|place| match place {
            Place::Terminal(_) if is_said => String::new(),
            place => prompt::sentence(&defuse(line), &place.layout()),
        });
    }

    fn failed(&self, error: &Error) {
        self.end_countdown();
        let stands = self.asked.borrow_mut().take().is_some();
        // On stderr it is said by whoever reports it.
        if let Some(device) = self.device().filter(|_| stands && signs::stderr() != Stream::Terminal) {
            write(device, &error.lines());
        }
    }

    fn is_left(&self) -> bool {
        if self.asker.never.is_some() {
            // Nobody waits for it from the start.
            return false;
        }
        let parent = *self.parent.get_or_init(process::parent_number);
        process::is_answer_unread().unwrap_or(!self.asker.is_wanted && process::parent_number() != parent)
    }

    fn note(&self, line: &str) {
        self.end_countdown();
        let _ = writeln!(io::stderr(), "keyfob: {}", defuse(line));
    }
}

/// Writes to a terminal, as whoever owns it has it take line feeds.
fn write(mut terminal: &File, text: &str) {
    let text = if is_raw(terminal) { text.replace('\n', "\r\n") } else { text.to_owned() };
    let _ = terminal.write_all(text.as_bytes());
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

/// Whether somebody reads single keys there; a line feed may then be no more than that.
#[cfg(unix)]
fn is_raw(terminal: &File) -> bool {
    use rustix::termios::{LocalModes, tcgetattr};
    tcgetattr(terminal).is_ok_and(|modes| !modes.local_modes.contains(LocalModes::ICANON))
}

#[cfg(not(unix))]
fn is_raw(_terminal: &File) -> bool {
    false
}

/// Whether the terminal's keys go to this process and those it was started with.
#[cfg(unix)]
fn is_foreground(terminal: &File) -> bool {
    rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}

#[cfg(not(unix))]
fn is_foreground(_terminal: &File) -> bool {
    false
}
