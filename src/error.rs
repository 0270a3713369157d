//! What went wrong, sorted by what the caller does next, with the text people read and the mend.
//!
//! Texts are one lower-case line without a full stop; a hint names the command or the edit that mends it. Neither ever
//! holds a secret. Whatever came from outside went through [`crate::escape`] first; what was forgotten (a path, a
//! name) is escaped here.

use std::fmt;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::escape::defuse;
use crate::mend::{Mend, Place};

/// What the caller does next. Expected outcomes that are nobody's fault ("not one of our hosts") are not errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The words of the call are off: call again, corrected. Exit code 2.
    Usage,
    /// Only a human can go on, and none is here: run `keyfob login`. Exit code 3.
    HumanNeeded,
    /// A sign-in ended without a token: denied, expired. Running the command again asks again.
    SignInEnded,
    /// The provider refuses what it was asked, and will again: mend the profile or the provider's registration.
    Refused,
    /// The provider could not be reached or asked for patience: the session is kept, try again.
    Transient,
    /// The configuration file is wrong: edit it.
    Configuration,
    /// The store or the system failed us.
    Broken,
}

impl Kind {
    /// All of them, in the order of their exit codes.
    pub(crate) const ALL: [Self; 7] = [
        Self::SignInEnded,
        Self::Refused,
        Self::Transient,
        Self::Configuration,
        Self::Broken,
        Self::Usage,
        Self::HumanNeeded,
    ];

    /// The exit code of people's commands.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::SignInEnded | Self::Refused | Self::Transient | Self::Configuration | Self::Broken => 1,
            Self::Usage => 2,
            Self::HumanNeeded => 3,
        }
    }

    /// What JSON calls it, which is a contract: five words for what the caller does next, and one for its own mistake.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HumanNeeded => "person_needed",
            Self::SignInEnded | Self::Refused => "refused",
            Self::Transient => "unreachable",
            Self::Configuration => "configuration",
            Self::Usage => "usage",
            Self::Broken => "broken",
        }
    }

    /// What happened, for the documents.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Usage => "the command was not understood",
            Self::HumanNeeded => "only a person can go on, and none is here",
            Self::SignInEnded => "the sign-in ended without a token: denied, or the code ran out",
            Self::Refused => "the provider refuses what it was asked, and will again",
            Self::Transient => "the provider could not be reached or asks for patience; the session is kept",
            Self::Configuration => "the configuration is wrong; the message names file and line",
            Self::Broken => "the disk, the system or a file of keyfob's failed",
        }
    }

    /// What to do next, for the documents.
    pub(crate) fn next(self) -> &'static str {
        match self {
            Self::Usage => "call again as the hint says",
            Self::HumanNeeded => {
                "run `keyfob login PROFILE` where somebody sees it, or `keyfob login PROFILE --start` and show them what it prints"
            }
            Self::SignInEnded => "run the command again, and approve",
            Self::Refused => "correct the profile or what is registered at the provider; `keyfob doctor` says which",
            Self::Transient => "run the command again",
            Self::Configuration => "edit the line that is named",
            Self::Broken => "do what the hint says",
        }
    }
}

/// An error with its text and, where there is one, the mend: plain data, so that a machine's state can hold it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    text: String,
    mend: Option<Box<Mend>>,
    /// The line that is wrong, where a file is.
    place: Option<Box<Place>>,
    repeated: bool,
    /// The sign-in that somebody can approve.
    waiting: Option<Box<Waiting>>,
}

/// A sign-in that waits for approval, as a person is shown it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waiting {
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: Option<String>,
    /// Unix seconds.
    pub(crate) expires_at: i64,
    /// Seconds between polls.
    pub(crate) interval: u64,
}

/// The result of nearly everything here.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind; `text` is one lower-case line.
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: defuse(&text.into()), mend: None, place: None, repeated: false, waiting: None }
    }

    /// An error of the store or the system, with the chain of causes that led to it on the same line.
    pub(crate) fn broken(text: impl Into<String>, source: impl Into<anyhow::Error>) -> Self {
        Self::new(Kind::Broken, format!("{}: {:#}", text.into(), source.into()))
    }

    /// Adds what puts it right. Words are something to write, change or look up: [`Mend`] has the others.
    pub(crate) fn hint(mut self, mend: impl Into<Mend>) -> Self {
        self.mend = Some(Box::new(mend.into().at(self.place.as_deref().cloned())));
        self
    }

    /// Names the line that is wrong; before the hint is added.
    pub(crate) fn at(mut self, place: Option<Place>) -> Self {
        self.place = place.map(Box::new);
        self
    }

    /// Names the sign-in that waits for somebody.
    pub(crate) fn waits(mut self, waiting: Waiting) -> Self {
        self.waiting = Some(Box::new(waiting));
        self
    }

    /// The sign-in that waits for somebody, where one does.
    pub(crate) fn waiting(&self) -> Option<&Waiting> {
        self.waiting.as_deref()
    }

    /// The same for whoever sees nothing of a command before it ends.
    pub(crate) fn in_steps(mut self) -> Self {
        self.mend = self.mend.map(|mend| Box::new(mend.in_steps()));
        self
    }

    /// Marks it as told before to the same process.
    pub(crate) fn repeated(mut self) -> Self {
        self.repeated = true;
        self
    }

    /// Whether the same process has been told before.
    pub(crate) fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// The text with its chain of causes, on one line, without the hint.
    pub(crate) fn text(&self) -> String {
        self.text.clone()
    }

    /// What puts it right, where anything does.
    pub(crate) fn mend(&self) -> Option<&Mend> {
        self.mend.as_deref()
    }

    /// What a person sees on stderr: the text and, on a line of its own, the hint. That a human is needed is said in
    /// one line, because git, kubectl and docker put it among their own.
    pub(crate) fn lines(&self) -> String {
        let hint = self.mend().map(Mend::words);
        match (hint, self.kind) {
            (Some(hint), Kind::HumanNeeded) => format!("keyfob: {}; {hint}\n", self.text()),
            (Some(hint), _) => format!("keyfob: {}\nkeyfob: hint: {hint}\n", self.text()),
            (None, _) => format!("keyfob: {}\n", self.text()),
        }
    }

    /// The text and the hint on one line, for a protocol that has one place for both.
    pub(crate) fn line(&self) -> String {
        let hint = self.mend().map(|mend| format!("; {}", mend.words())).unwrap_or_default();
        format!("{}{hint}\n", self.text())
    }

    /// The exit code of a command that people run (clients have rules of their own).
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.exit_code())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_a_line_of_its_own_except_when_a_human_is_needed() {
        let error = Error::new(Kind::Refused, "no such client").hint("correct client_id");
        assert_eq!(error.lines(), "keyfob: no such client\nkeyfob: hint: correct client_id\n");
        let error = Error::new(Kind::HumanNeeded, "nobody is here").hint(Mend::run("keyfob login acme"));
        assert_eq!(error.lines(), "keyfob: nobody is here; run: keyfob login acme\n");
    }

    #[test]
    fn the_documents_have_the_table() {
        let row = |kind: Kind| format!("| {} | {} | {} |\n", kind.exit_code(), kind.meaning(), kind.next());
        let rows: String = Kind::ALL.into_iter().map(row).collect();
        let table = format!("| exit code | what happened | what to do |\n| --- | --- | --- |\n{rows}");
        assert!(include_str!("../README.md").contains(&table), "the README wants this table:\n{table}");
    }

    #[test]
    fn the_chain_stays_on_one_line() {
        let cause = std::io::Error::other("no space left");
        let error = Error::broken("cannot save", anyhow::Error::new(cause).context("writing x.tmp"));
        assert_eq!(error.lines(), "keyfob: cannot save: writing x.tmp: no space left\n");
    }
}
