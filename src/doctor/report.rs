//! What the doctor says: one line for each thing looked at, and under what is wrong the command that mends it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::escape::defuse;
use crate::human::paper::{Ink, Paper};
use crate::mend::Mend;
use crate::output::document;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Ok,
    /// It works, and a person should know.
    Warning,
    /// Something does not work, or will not, or is not safe.
    Problem,
}

impl Level {
    fn ink(self) -> Ink {
        match self {
            Self::Ok => Ink::Well,
            Self::Warning => Ink::Wanting,
            Self::Problem => Ink::Broken,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a finding is about; the order of the report.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Area {
    Programs,
    Places,
    /// A profile by its name: its provider and its session.
    Profile(String),
    /// A client, by its name.
    Client(&'static str),
}

impl Area {
    fn name(&self) -> String {
        match self {
            Self::Programs => "programs".to_owned(),
            Self::Places => "places".to_owned(),
            Self::Profile(name) => format!("profile {name}"),
            Self::Client(name) => (*name).to_owned(),
        }
    }
}

#[derive(Debug)]
struct Finding {
    area: Area,
    level: Level,
    what: String,
    mend: Option<Mend>,
}

/// What puts an error right; where it does not say, the doctor is to be asked again afterwards.
fn mend_of(error: &Error) -> Mend {
    error.mend().cloned().unwrap_or_else(|| Mend::run("keyfob doctor").lead("mend that, then"))
}

/// All that was found. Nothing in it is secret, and all of it is fit to be shown.
#[derive(Debug, Default)]
pub(crate) struct Report {
    findings: Vec<Finding>,
    /// The clients, in the order in which the report has them.
    clients: Vec<&'static str>,
}

impl Report {
    /// Whom the report has a place for.
    pub(crate) fn place(&mut self, client: &'static str) {
        self.clients.push(client);
    }

    pub(crate) fn ok(&mut self, area: &Area, what: impl AsRef<str>) {
        self.add(area, Level::Ok, what.as_ref(), None);
    }

    /// Something to know, and what would be better, where there is something.
    pub(crate) fn warning(&mut self, area: &Area, what: impl AsRef<str>, mend: Option<Mend>) {
        self.add(area, Level::Warning, what.as_ref(), mend);
    }

    pub(crate) fn problem(&mut self, area: &Area, what: impl AsRef<str>, mend: impl Into<Mend>) {
        self.add(area, Level::Problem, what.as_ref(), Some(mend.into()));
    }

    /// An error as a command would have told it.
    pub(crate) fn error(&mut self, area: &Area, error: &Error) {
        self.problem(area, error.text(), mend_of(error));
    }

    /// The same, and what it stood in the way of.
    pub(crate) fn error_in(&mut self, area: &Area, what: &str, error: &Error) {
        self.problem(area, format!("{what}: {}", error.text()), mend_of(error));
    }

    /// The same thing is said once, however many ways led to it.
    fn add(&mut self, area: &Area, level: Level, what: &str, mend: Option<Mend>) {
        let what = defuse(what);
        let same = |known: &Finding| {
            (&known.what, &known.mend) == (&what, &mend) && (known.area == *area || level == Level::Problem)
        };
        if !self.findings.iter().any(same) {
            self.findings.push(Finding { area: area.clone(), level, what, mend });
        }
    }

    /// Whether nothing is wrong. What is only worth knowing does not count.
    pub(crate) fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.level < Level::Problem)
    }

    /// In the order of the areas, and within one as it was found.
    fn sorted(&self) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        let place = |finding: &Finding| match finding.area {
            Area::Client(name) => self.clients.iter().position(|known| *known == name),
            _ => None,
        };
        findings.sort_by(|one, other| place(one).cmp(&place(other)).then_with(|| one.area.cmp(&other.area)));
        findings
    }

    /// For people. What is said is broken between words where the paper is narrow; a command stays whole, to be copied.
    pub(crate) fn as_text(&self, paper: &Paper) -> String {
        let mut text = String::new();
        let mut area = None;
        for finding in self.sorted() {
            if area != Some(&finding.area) {
                let name = paper.paint(Ink::Heading, &defuse(&finding.area.name()));
                let _ = writeln!(text, "{}{name}", if area.is_some() { "\n" } else { "" });
                area = Some(&finding.area);
            }
            let level = finding.level.name();
            let line = paper.fold(11, &format!("  {level:<7}  {}", finding.what));
            let _ = writeln!(text, "  {}{}", paper.paint(finding.level.ink(), level), &line[2 + level.len()..]);
            if let Some(mend) = &finding.mend {
                let _ = writeln!(text, "           {}", mend.words());
            }
        }
        let count = |level| self.findings.iter().filter(|finding| finding.level == level).count();
        let number = |count, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
        let verdict = if problems == 0 { "healthy".to_owned() } else { number(problems, "problem") };
        let aside = if warnings == 0 { String::new() } else { format!(", {}", number(warnings, "warning")) };
        let _ = writeln!(text, "\n{verdict}{aside}");
        text
    }

    /// A contract: `version` is raised when a member changes its meaning or goes; new members may come.
    ///
    /// ```json
    /// {
    ///   "version": 1,
    ///   "healthy": false,                  no finding is a problem; the exit code is 0 then, else 1
    ///   "findings": [{
    ///     "area": "git",                   "programs", "places", "profile NAME", "git", "docker" or "kubectl"
    ///     "level": "problem",              "ok", "warning" (it works, and is worth knowing) or "problem"
    ///     "what": "...",                   one line for a person; its words may change
    ///     "mend": "run: ...",              "run: COMMAND" or an edit in words; null where nothing need be done.
    ///                                      A problem always has one.
    ///     "run": ["keyfob", "login"]       the command by its words, where it is one; else the member is absent
    ///   }]
    /// }
    /// ```
    pub(crate) fn as_json(&self) -> Result<String> {
        let finding = |finding: &&Finding| {
            let mut members = json!({
                "area": finding.area.name(),
                "level": finding.level.name(),
                "what": finding.what,
                "mend": finding.mend.as_ref().map(Mend::words),
            });
            if let Some(argv) = finding.mend.as_ref().and_then(Mend::argv) {
                members["run"] = json!(argv);
            }
            members
        };
        let findings: Vec<Value> = self.sorted().iter().map(finding).collect();
        let value = json!({ "version": 1, "healthy": self.is_healthy(), "findings": findings });
        document(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_area_each_thing_once_and_nothing_unescaped() {
        let mut report = Report::default();
        report.place("git");
        report.ok(&Area::Client("git"), "a\u{1b}[2J");
        report.warning(&Area::Profile("acme".into()), "b", None);
        for _ in 0..2 {
            report.problem(&Area::Programs, "c", Mend::run("d"));
        }
        assert_eq!(
            report.as_text(&Paper::NONE),
            "programs\n  problem  c\n           run: d\n\nprofile acme\n  warning  b\n\n\
             git\n  ok       a\\u{1b}[2J\n\n1 problem, 1 warning\n"
        );
        let narrow = Paper { width: Some(24), ..Paper::NONE };
        report.warning(
            &Area::Client("kubectl"),
            "what is long is folded",
            Some(Mend::run("this is not, to be copied")),
        );
        let said = report.as_text(&narrow);
        let folded = "  warning  what is long\n           is folded\n           run: this is not, to be copied\n";
        assert!(said.contains(folded), "{said}");
        assert!(!report.is_healthy());
        let value: Value = serde_json::from_str(&report.as_json().unwrap()).unwrap();
        assert_eq!((&value["version"], &value["healthy"]), (&json!(1), &json!(false)));
        let first = json!({ "area": "programs", "level": "problem", "what": "c", "mend": "run: d", "run": ["d"] });
        assert_eq!(value["findings"][0], first);
    }
}
