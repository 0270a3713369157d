//! What puts an error right, as data: what a command, a person or time can do. It is worded here and nowhere else, and
//! printed by whoever reports the error.

use crate::escape::{defuse, quote};

/// What puts an error right.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mend {
    /// Run a command.
    Run(Run),
    /// Write, change or look up something. In words, because only a person knows what is right; `place` is where it stands.
    Edit { words: String, place: Option<Place> },
    /// Let time pass: what failed may work by itself.
    Wait { words: String },
    /// Have somebody approve, which the command lets them do.
    AskPerson(Run),
}

/// Commands to be run one after the other, each only when the one before succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    /// Said before them: "to try again,".
    lead: String,
    /// Their words, as a program would pass them on.
    commands: Vec<Argv>,
    /// Said behind them: "in a while".
    tail: String,
}

/// The words of a command: the program and its arguments.
pub(crate) type Argv = Vec<String>;

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// The first is 1.
    pub(crate) line: usize,
}

impl Mend {
    /// A command whose first words are `words`, divided by spaces; [`Mend::with`] adds others.
    pub(crate) fn run(words: &str) -> Self {
        Self::command(words.split_whitespace().map(str::to_owned).collect())
    }

    /// A command by its words.
    pub(crate) fn command(argv: Argv) -> Self {
        Self::commands(vec![argv])
    }

    /// Commands, each to be run when the one before has succeeded.
    pub(crate) fn commands(commands: Vec<Argv>) -> Self {
        Self::Run(Run { lead: String::new(), commands, tail: String::new() })
    }

    /// Let time pass.
    pub(crate) fn wait(words: impl Into<String>) -> Self {
        Self::Wait { words: defuse(&words.into()) }
    }

    /// What lets something be kept that could not be.
    pub(crate) fn make_room() -> Self {
        "make room, make a folder of your own writable, or point KEYFOB_STATE_DIR elsewhere".into()
    }

    /// Have somebody approve by a command.
    pub(crate) fn ask_person(argv: Argv) -> Self {
        Self::AskPerson(Run { lead: String::new(), commands: vec![argv], tail: String::new() })
    }

    /// Adds one word to the last command, whatever is in it.
    #[expect(clippy::needless_pass_by_value, reason = "it is a number or a path's display, made where it is passed")]
    pub(crate) fn with(mut self, word: impl ToString) -> Self {
        if let Some(last) = self.commands_mut().and_then(|commands| commands.last_mut()) {
            last.push(word.to_string());
        }
        self
    }

    /// Says `words` before it, with a space between.
    pub(crate) fn lead(mut self, words: &str) -> Self {
        let (Self::Run(Run { lead: text, .. })
        | Self::AskPerson(Run { lead: text, .. })
        | Self::Edit { words: text, .. }
        | Self::Wait { words: text }) = &mut self;
        *text = defuse(format!("{words} {text}").trim_end());
        self
    }

    /// Says `words` behind it, as they are.
    pub(crate) fn tail(mut self, words: &str) -> Self {
        let (Self::Run(Run { tail: text, .. })
        | Self::AskPerson(Run { tail: text, .. })
        | Self::Edit { words: text, .. }
        | Self::Wait { words: text }) = &mut self;
        *text = defuse(&format!("{text}{words}"));
        self
    }

    fn commands_mut(&mut self) -> Option<&mut Vec<Argv>> {
        match self {
            Self::Run(run) | Self::AskPerson(run) => Some(&mut run.commands),
            Self::Edit { .. } | Self::Wait { .. } => None,
        }
    }

    /// For whoever sees nothing of a command before it ends: a sign-in is begun, and not waited for. `keyfob login` signs in
    /// whatever is kept, and so does this; where a person is all that is missing, nothing is kept that would do.
    pub(crate) fn in_steps(mut self) -> Self {
        let is_needed = matches!(self, Self::AskPerson(_));
        for argv in self.commands_mut().into_iter().flatten() {
            let has = |word: &str| argv.iter().any(|known| known == word);
            if argv.starts_with(&["keyfob", "login"].map(str::to_owned)) && !has("--start") && !has("--wait") {
                let is_forced = is_needed || has("--select-account");
                argv.push("--start".to_owned());
                argv.extend((!is_forced).then(|| "--force".to_owned()));
            }
        }
        self
    }

    /// The command that a program may run in a person's place, where it is one.
    pub(crate) fn argv(&self) -> Option<&Argv> {
        match self {
            Self::Run(Run { commands, .. }) | Self::AskPerson(Run { commands, .. }) => match &commands[..] {
                [only] => Some(only),
                _ => None,
            },
            Self::Edit { .. } | Self::Wait { .. } => None,
        }
    }

    /// Where it is to be edited.
    pub(crate) fn place(&self) -> Option<&Place> {
        match self {
            Self::Edit { place, .. } => place.as_ref(),
            _ => None,
        }
    }

    /// Names the line to be edited, where it is one.
    pub(crate) fn at(mut self, at: Option<Place>) -> Self {
        if let Self::Edit { place, .. } = &mut self {
            *place = at;
        }
        self
    }

    /// As it is kept with a failure: what it is, the words before and behind, and a command's own. A line of a file is not: it may be
    /// another by then.
    pub(crate) fn to_kept(&self) -> Vec<String> {
        let of = |kind: &str, words: &str, tail: &str| vec![kind.to_owned(), words.to_owned(), tail.to_owned()];
        match self {
            Self::Run(run) | Self::AskPerson(run) if run.commands.len() == 1 => {
                let kind = if matches!(self, Self::Run(_)) { "run" } else { "ask_person" };
                [of(kind, &run.lead, &run.tail), run.commands.concat()].concat()
            }
            Self::Wait { words } => of("wait", words, ""),
            Self::Run(_) | Self::AskPerson(_) | Self::Edit { .. } => of("edit", &self.words(), ""),
        }
    }

    /// What was kept so.
    pub(crate) fn of_kept(kept: &[String]) -> Option<Self> {
        let [kind, words, tail, argv @ ..] = kept else { return None };
        let run = || Run { lead: defuse(words), commands: vec![argv.to_vec()], tail: defuse(tail) };
        Some(match kind.as_str() {
            "run" => Self::Run(run()),
            "ask_person" => Self::AskPerson(run()),
            "wait" => Self::wait(words),
            _ => words.as_str().into(),
        })
    }

    /// For a person: one line, which acts on no terminal.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Edit { words, .. } | Self::Wait { words } => words.clone(),
            Self::Run(Run { lead, commands, tail }) | Self::AskPerson(Run { lead, commands, tail }) => {
                let commands: Vec<String> = commands.iter().map(|argv| shell(argv)).collect();
                let space = if lead.is_empty() { "" } else { " " };
                defuse(&format!("{lead}{space}run: {}{tail}", commands.join(" && ")))
            }
        }
    }
}

impl From<&str> for Mend {
    fn from(words: &str) -> Self {
        Self::Edit { words: defuse(words), place: None }
    }
}

impl From<String> for Mend {
    fn from(words: String) -> Self {
        words.as_str().into()
    }
}

impl From<&Self> for Mend {
    fn from(mend: &Self) -> Self {
        mend.clone()
    }
}

/// A command as a person types it.
pub(crate) fn shell(argv: &[String]) -> String {
    argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

/// The name that a word was most likely meant to be, where one is near: a letter in three is another, missing, too many or in its
/// neighbour's place.
pub(crate) fn meant<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let near = names.map(|name| (distance(word, name), name));
    let (far, name) = near.min_by_key(|(far, _)| *far)?;
    (far > 0 && far <= word.chars().count() / 3).then(|| defuse(name))
}

/// How many letters have to be changed, put in, left out or swapped with the next (Damerau and Levenshtein's distance, each place
/// edited once).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let changed = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_was_meant() {
        let names = ["login", "logout", "status", "acme", "acme-test", "e"];
        for (word, name) in [
            ("logn", Some("login")),
            ("lgoin", Some("login")),
            ("logoutt", Some("logout")),
            ("stauts", Some("status")),
            ("acmee", Some("acme")),
            ("acm-tset", Some("acme-test")),
            ("x", None),
            ("frobnicate", None),
            ("acme", None),
            ("", None),
        ] {
            assert_eq!(meant(word, names.into_iter()).as_deref(), name, "{word}");
        }
    }

    #[test]
    fn each_is_one_line_and_a_command_has_its_words() {
        let run = Mend::run("chmod 600").with("/home/a b/config");
        assert_eq!(run.words(), "run: chmod 600 '/home/a b/config'");
        assert_eq!(run.argv().unwrap()[..], ["chmod", "600", "/home/a b/config"]);
        let again = run.lead("to be let in,").tail(", in a while");
        assert_eq!(again.words(), "to be let in, run: chmod 600 '/home/a b/config', in a while");
        let two = Mend::commands(vec![vec!["a".to_owned()], vec!["b".to_owned()]]);
        assert_eq!((two.words().as_str(), two.argv()), ("run: a && b", None));
        let edit = Mend::from("correct\u{1b} it");
        assert_eq!((edit.words().as_str(), edit.argv(), edit.place()), ("correct\\u{1b} it", None, None));
        let place = Place { file: "config.toml".to_owned(), line: 3 };
        assert_eq!(edit.at(Some(place.clone())).place(), Some(&place));
        assert_eq!(Mend::wait("try again").words(), "try again");
        for mend in [Mend::run("a b").lead("first,").tail(", then"), Mend::wait("try again"), "edit it".into()] {
            assert_eq!(Mend::of_kept(&mend.to_kept()), Some(mend));
        }
        assert_eq!(Mend::of_kept(&two.to_kept()).map(|mend| mend.words()), Some("run: a && b".to_owned()));
        assert_eq!(Mend::of_kept(&[]), None);
        let asked = Mend::ask_person(vec!["keyfob".to_owned(), "login".to_owned()]);
        assert_eq!((asked.words().as_str(), asked.argv().unwrap().len()), ("run: keyfob login", 2));
        assert_eq!(asked.in_steps().words(), "run: keyfob login --start");
        for (whole, steps) in [
            ("keyfob login acme", "run: keyfob login acme --start --force"),
            ("keyfob login acme --select-account", "run: keyfob login acme --select-account --start"),
            ("keyfob login acme --wait 60s", "run: keyfob login acme --wait 60s"),
            ("keyfob status acme", "run: keyfob status acme"),
        ] {
            assert_eq!(Mend::run(whole).in_steps().words(), steps);
        }
    }
}
