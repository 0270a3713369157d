//! What answers on stdout may look like: how wide, and whether in colours. Only where it is a terminal; else lines are as
//! long as they are, and plain. (The prompt goes elsewhere; what that terminal can show is in screen.rs.)

use std::io::{self, IsTerminal};

use super::screen::{RESET, Screen, size};

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
        let screen = Screen::of(size(io::stdout()));
        // The old console of Windows shows the codes themselves.
        let has_colours = screen.layout().bold && cfg!(unix);
        Self { width: Some(screen.columns).filter(|columns| *columns > 0), has_colours }
    }

    /// The text in its colour, where there are colours.
    pub(crate) fn paint(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Heading => 1,
            Ink::Well => 32,
            Ink::Wanting => 33,
            Ink::Broken => 31,
        };
        if self.has_colours { format!("\u{1b}[{code}m{text}{RESET}") } else { text.to_owned() }
    }

    /// One line, or as many as the width makes of it, broken between words, those after the first indented. What is longer
    /// than a line stays whole, so that it can be copied.
    pub(crate) fn fold(&self, indent: usize, words: &str) -> String {
        let room = self.width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(1));
        // The first line may be longer by what the others are indented.
        let lead: String = words.chars().take(indent).collect();
        let mut lines = folded(&words[lead.len()..], room);
        if let Some(first) = lines.first_mut() {
            first.insert_str(0, &lead);
        }
        lines.join(&format!("\n{:indent$}", ""))
    }
}

/// A list in as few lines as hold it; an entry that is longer than a line stays whole.
pub(crate) fn folded(list: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for entry in list.split_inclusive(' ') {
        match lines.last_mut().filter(|line| line.chars().count() + entry.trim_end().chars().count() <= room) {
            Some(line) => line.push_str(entry),
            None => lines.push(entry.to_owned()),
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}
