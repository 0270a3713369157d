//! The clients: a room each, and the table of them. What tells one client from another is here and nowhere else: the command
//! line, the names it calls us by, completions, packages, the playground, setup, doctor and the tests walk the table.
//!
//! A client's room has its wire format (a pure codec), its serving, and where it has them its set-up and its examination by the
//! doctor. A small one is a file.

mod bazel;
pub(crate) mod docker;
pub(crate) mod git;
pub(crate) mod kubectl;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, Command, FromArgMatches, Subcommand};

use crate::doctor::{Concerned, Version, Visit};
use crate::error::Result;
use crate::human::presence::Stderr;
use crate::mend::Argv;
use crate::model::Profile;
use crate::process::{self, Parent};
use crate::setup::How;

/// Every client, in the order in which help has them.
pub(crate) const CLIENTS: &[Client] = &[git::CLIENT, kubectl::CLIENT, docker::CLIENT, bazel::CLIENT];

/// The same in the order in which set-ups and the doctor's report have them.
pub(crate) fn placed() -> Vec<&'static Client> {
    let mut clients: Vec<&Client> = CLIENTS.iter().collect();
    clients.sort_by_key(|client| client.place);
    clients
}

/// A client: a program that asks us, and all we know of it.
pub(crate) struct Client {
    /// What it is called: here, in the doctor's report, on the command line.
    pub(crate) name: &'static str,
    /// The word that leads to it on our command line; those of [`HELPER`] stand below that one.
    pub(crate) verb: Verb,
    /// Where it stands among the set-ups and in the doctor's report.
    place: u8,
    /// The names it looks for a helper under, which are links to us.
    pub(crate) links: &'static [&'static str],
    /// What it does with what we say on stderr.
    pub(crate) stderr: Stderr,
    /// Adds what it may say on the command line.
    lines: fn(Command) -> Command,
    /// Reads that.
    call: fn(&ArgMatches) -> Read,
    /// Reads the command line of one of its links.
    linked: fn(&[OsString]) -> Read,
    /// The exit code of a call that could not be understood, and whatever else its protocol wants then.
    misspelt: fn(&[OsString]) -> ExitCode,
    /// Has it ask us.
    pub(crate) setup: Option<SetUpClient>,
    /// The command that has it ask us for a new profile, where the profile has places that it goes to. The name: what the
    /// program that a profile was taken over from calls it.
    pub(crate) next: fn(&Profile, Option<&str>) -> Option<Argv>,
    /// Looks which version of it is here, and says what follows.
    pub(crate) program: Option<fn(&mut Visit<'_>) -> Option<Version>>,
    /// Looks at what it is configured to ask us, and asks it.
    pub(crate) doctor: Option<for<'v> fn(&mut Visit<'v>, &Concerned<'v>)>,
}

/// A call that was read, or what clap says of it.
type Read = Result<Box<dyn Call>, clap::Error>;

/// Where a client stands on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `keyfob NAME`.
    Own,
    /// `keyfob helper NAME`.
    Helper,
}

/// `keyfob setup NAME`.
pub(crate) struct SetUpClient {
    pub(crate) lines: fn(Command) -> Command,
    pub(crate) run: fn(&ArgMatches, How) -> Result<ExitCode>,
}

/// What a client asks of us, read.
pub(crate) trait Call: fmt::Debug {
    /// Answers it.
    fn serve(&self) -> ExitCode;
    /// What it is, without what follows it: a URL may hold a password, a wrong word anything.
    fn operation(&self) -> Option<&'static str>;
}

/// A client's call.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) client: &'static Client,
    pub(crate) call: Box<dyn Call>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The program that asks, by its own name, for a sentence: the one that runs us, or one of its `kin` behind a shell. A shell alone is a
/// person who tries it by hand, or nothing that could be told: then it is what the client is called. Nearest first.
fn asking<'a>(above: impl Iterator<Item = &'a Parent>, usual: &'a str, kin: &[&str]) -> &'a str {
    let mut above = above.map(|program| program.name.as_str()).peekable();
    let is_behind_a_shell = above.next_if(|name| process::is_shell(name)).is_some();
    let name = above.find(|name| !process::is_shell(name));
    name.filter(|name| !is_behind_a_shell || kin.iter().any(|kin| name.starts_with(kin))).unwrap_or(usual)
}

/// The names under which clients look for a helper: links to keyfob.
pub(crate) fn links() -> impl Iterator<Item = &'static str> {
    CLIENTS.iter().flat_map(|client| client.links).copied()
}

/// The word before the names of small clients.
pub(crate) const HELPER: &str = "helper";

/// The operations that are named in a trace.
const OPERATIONS: &[&str] = &["get", "store", "erase", "list", "capability", "version"];

/// An operation's name, where it is a known one.
fn operation(word: &str) -> &'static str {
    OPERATIONS.iter().find(|known| **known == word).copied().unwrap_or("(another operation)")
}

/// The client that calls us by that name, or whose words these are.
fn find(verb: Verb, name: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.verb == verb && client.name == name)
}

fn linked(args: &[OsString]) -> Option<&'static Client> {
    let called = args.first().map(Path::new).and_then(Path::file_stem)?.to_str()?;
    CLIENTS.iter().find(|client| client.links.contains(&called))
}

/// The client whose call the arguments are, and those that follow its name; by the name we are called by, or by its words.
fn of(args: &[OsString]) -> Option<(&'static Client, &[OsString])> {
    let word = |index: usize| args.get(index).and_then(|word| word.to_str());
    match word(1)? {
        HELPER => find(Verb::Helper, word(2)?).map(|client| (client, &args[2..])),
        name => find(Verb::Own, name).map(|client| (client, &args[1..])),
    }
}

/// The call of a client that runs us by a link of its own.
pub(crate) fn by_link(args: &[OsString]) -> Option<Result<Called, clap::Error>> {
    let client = linked(args)?;
    Some((client.linked)(args).map(|call| Called { client, call }))
}

/// A client's call, read by the lines of its own command alone: clients run us for everything they do, and should not pay
/// each time for building the commands of people. `None` where the whole has to look at it.
pub(crate) fn by_words(args: &[OsString]) -> Option<Called> {
    let (client, args) = of(args)?;
    let command = (client.lines)(Command::new("keyfob"));
    let call = (client.call)(&command.try_get_matches_from(args).ok()?).ok()?;
    Some(Called { client, call })
}

/// The exit code of a call that could not be understood, where it is a client's.
pub(crate) fn misspelt(args: &[OsString]) -> Option<ExitCode> {
    caller(args).map(|client| (client.misspelt)(args))
}

/// The client that calls us, by a link or by its word, whatever follows.
pub(crate) fn caller(args: &[OsString]) -> Option<&'static Client> {
    linked(args).or_else(|| of(args).map(|(client, _)| client))
}

/// Clients' calls among the commands of people: clap's own reading of the table.
impl FromArgMatches for Called {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let none = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (word, below) = matches.subcommand().ok_or_else(none)?;
        let (client, below) = if word == HELPER {
            let (name, below) = below.subcommand().ok_or_else(none)?;
            (find(Verb::Helper, name), below)
        } else {
            (find(Verb::Own, word), below)
        };
        let client = client.ok_or_else(none)?;
        Ok(Self { client, call: (client.call)(below)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Called {
    fn augment_subcommands(command: Command) -> Command {
        let lines = |client: &Client| (client.lines)(Command::new(client.name));
        let of = |verb| CLIENTS.iter().filter(move |client| client.verb == verb);
        let command = of(Verb::Own).fold(command, |command, client| command.subcommand(lines(client)));
        if of(Verb::Helper).next().is_none() {
            return command;
        }
        let helper = Command::new(HELPER)
            .about("What further clients run")
            .subcommand_required(true)
            .after_help("Example: keyfob helper bazel get");
        let helper = helper.arg_required_else_help(true).disable_help_subcommand(true);
        command.subcommand(of(Verb::Helper).fold(helper, |helper, client| helper.subcommand(lines(client))))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        name == HELPER || find(Verb::Own, name).is_some()
    }
}

/// A client's set-up, as it was called for.
#[derive(Debug)]
pub(crate) struct SetUpCalled {
    client: &'static Client,
    matches: ArgMatches,
}

impl SetUpCalled {
    /// Carries it out.
    pub(crate) fn run(&self, how: How) -> Result<ExitCode> {
        match &self.client.setup {
            Some(setup) => (setup.run)(&self.matches, how),
            None => unreachable!("it is on no command line"),
        }
    }
}

impl FromArgMatches for SetUpCalled {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let found = matches.subcommand().and_then(|(word, matches)| {
            let client = CLIENTS.iter().find(|client| client.name == word && client.setup.is_some())?;
            Some(Self { client, matches: matches.clone() })
        });
        found.ok_or_else(|| clap::Error::new(clap::error::ErrorKind::MissingSubcommand))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for SetUpCalled {
    fn augment_subcommands(command: Command) -> Command {
        placed().into_iter().fold(command, |command, client| match &client.setup {
            Some(setup) => command.subcommand((setup.lines)(Command::new(client.name))),
            None => command,
        })
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        CLIENTS.iter().any(|client| client.name == name && client.setup.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ParentId;

    #[test]
    fn the_program_that_asks_is_called_by_its_own_name() {
        for (above, name) in [
            ("podman bash", "podman"),
            ("java", "java"),
            ("docker-buildx docker", "docker-buildx"),
            ("sh skopeo bash", "skopeo"),
            ("sh bash buildah", "buildah"),
            ("bash tmux", "docker"),
            ("bash", "docker"),
            ("", "docker"),
        ] {
            let parent = |name: &str| Parent { id: ParentId::new(1, "1"), name: name.to_owned() };
            let above: Vec<Parent> = above.split_whitespace().map(parent).collect();
            assert_eq!(asking(above.iter(), "docker", &["podman", "skopeo", "buildah"]), name, "{above:?}");
        }
    }
}
