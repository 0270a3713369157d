//! What stdout can show: how wide it is, and whether in colours. Only where it is a terminal; else lines are as long as they
//! are, and plain.

use std::io::{self, IsTerminal};

use crate::config::environment;

/// What a text is to a person: colours say nothing that the words do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Heading,
    Well,
    Wanting,
    Broken,
}

/// What a text is written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paper {
    /// Columns; `None` where there is no limit.
    pub(crate) width: Option<usize>,
    pub(crate) has_colours: bool,
}

impl Paper {
    /// No terminal: no limit and no colours.
    pub(crate) const NONE: Self = Self { width: None, has_colours: false };

    /// What stdout is.
    pub(crate) fn of_stdout() -> Self {
        if !io::stdout().is_terminal() {
            return Self::NONE;
        }
        let unwanted = environment::no_color() || environment::is_dumb_terminal() || environment::plain();
        // The old console of Windows shows the codes themselves.
        Self { width: width(), has_colours: !unwanted && cfg!(unix) }
    }

    /// The text in its colour, where there are colours.
    pub(crate) fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Heading => 1,
            Ink::Well => 32,
            Ink::Wanting => 33,
            Ink::Broken => 31,
        };
        if self.has_colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(unix)]
fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

#[cfg(not(unix))]
fn width() -> Option<usize> {
    None
}
