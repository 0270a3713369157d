//! The command line: clap's types and nothing else of ours.

mod people;
mod setup;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, Parser, Subcommand};

use crate::clients::Called;
use crate::error::{Error, Kind};
use crate::mend::{Mend, meant};
use crate::output::EXAMPLE;

pub(crate) use people::{
    Complete, Completions, Doctor, Form, Login, Logout, Providers, Renew, Run, Shell, Status, Subject, Token,
};
pub(crate) use setup::{SetUp, SetUpProfile, Setup};

/// Signs you in once, in your browser; git, kubectl and docker are let in.
#[derive(Debug, Parser)]
#[command(name = "keyfob", version, disable_help_subcommand = true, max_term_width = 80, after_help = EXAMPLE)]
// So many commands fit a screen only without a heading for the two options.
#[command(help_template = "{about}\n\n{usage-heading} {usage}\n\nCommands:\n{subcommands}\n\n{options}{after-help}")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a profile; have git, docker, kubectl ask keyfob; undo it
    Setup(Setup),
    /// Sign in now
    Login(Login),
    /// End sessions at the provider, and forget them here
    Logout(Logout),
    /// Show what is kept, for whom, until when; never a token
    Status(Status),
    /// Print a token, for scripts
    Token(Token),
    /// Run a command with a token in its environment
    Run(Run),
    /// Find what is wrong, and say the command that mends it
    Doctor(Doctor),
    /// List the providers keyfob knows, or show what one needs
    Providers(Providers),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page
    #[command(after_help = "Example: keyfob man | man -l -")]
    Man,
    /// What keyfob runs itself, to renew a token in the background; no line of clap's, because nobody types it
    #[command(skip)]
    Renew(Renew),
    /// What a shell runs to complete a line; nobody types it either
    #[command(skip)]
    Complete(Complete),
    /// What a client runs
    #[command(flatten)]
    Client(Called),
}

/// What clap says of a call that is off, as every other error is said: its first paragraph in one line, and where the
/// right words are.
pub(crate) fn misspelt(error: &clap::Error, args: &[OsString]) -> Error {
    let text = error.render().to_string();
    let what: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let mut command = &Cli::command();
    let mut called = command.get_name().to_owned();
    for word in args.iter().skip(1) {
        let Some(named) = command.find_subcommand(word) else { break };
        command = named;
        called = format!("{called} {}", named.get_name());
    }
    let mut mend = Mend::run(&format!("{called} --help"));
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let meant =
        match (named(ContextKind::InvalidSubcommand), named(ContextKind::InvalidArg), named(ContextKind::InvalidValue))
        {
            (Some(word), ..) => meant(word, command.get_subcommands().map(clap::Command::get_name)),
            (_, Some(word), None) => {
                let typed = word.trim_start_matches('-').split(['=', ' ']).next().unwrap_or_default();
                let longs = command.get_arguments().filter_map(clap::Arg::get_long);
                if word.starts_with("--") { meant(typed, longs).map(|long| format!("--{long}")) } else { None }
            }
            _ => None,
        };
    if let Some(meant) = meant {
        mend = mend.lead(&format!("did you mean {meant}?"));
    }
    Error::new(Kind::Usage, what.join(" ").trim_start_matches("error: ")).hint(mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn a_clients_call_means_the_same_to_its_own_lines_as_to_the_whole() {
        let inline = "--provider workos --client-id c --scope a --scope=b --host git.acme.dev";
        for line in [
            "git get",
            "git --profile acme get",
            "git get --profile=acme",
            "git -- get",
            &format!("git {inline} get"),
            "kubectl",
            "kubectl --profile acme",
            &format!("kubectl {inline}"),
            "docker get",
            "docker",
            // For the whole to refuse, or to answer:
            "git",
            "git get more",
            "git --provider workos get",
            "git --help",
            "git --version",
            "kubectl get",
            "docker get --verbose",
            "docker --help",
            "status",
            "",
        ] {
            let args: Vec<OsString> =
                std::iter::once("keyfob").chain(line.split_whitespace()).map(Into::into).collect();
            let whole = Cli::try_parse_from(&args).map(|cli| format!("{:?}", cli.command));
            match clients::by_words(&args) {
                Some(called) => assert_eq!(Ok(format!("Client({called:?})")), whole.map_err(|error| error.to_string())),
                None => assert!(whole.is_err() || line == "status", "{line}"),
            }
        }
    }
}
