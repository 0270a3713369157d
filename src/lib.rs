//! keyfob signs a person in once, in their browser, and lets clients in from then on.
//!
//! # Codemap
//!
//! Data flows one way:
//!
//! ```text
//! argv + stdin -> clients (decode) -> config (profile, destination) -> desk -> broker -> clients (encode) -> stdout
//!                                                                              |
//!                                                  machine, store, oauth, human
//!                                                  decision
//! ```
//!
//! Rooms know only those below them, by the list in tests/it/house.rs.
//!
//! - `cli`: clap's types of what people call. `commands`: one file, or folder, for each thing they can ask.
//! - `clients`: one room a client (its wire format, its serving, its set-up, its examination) and the table of them, which
//!   everything else walks. `desk`: what all of them may use. `setup`: changing other programs' files and taking that back.
//!   `doctor`: what is looked at that is no client's. `output`: what commands print.
//! - `model`: what everybody talks about: profiles, destinations, places, providers; what a caller asks for, and a token.
//! - `config`: files, environment, folders and PATH; what is written becomes profiles and destinations; who answers for a host.
//! - `decision`: what to do next, as a pure function of the record, the ask, the attempt and the time. `machine`: carries an ask
//!   to its end, one effect at a time, without I/O. `broker`: finds the endpoints and performs the effects.
//! - `store`: what is kept. Records, the locks between processes, the plain store of passwords, markers and metadata; and for
//!   `setup` other programs' files, with what they were before.
//! - `oauth`: discovery, the device flow as a state machine, refresh, revocation; messages, and HTTP with the names it needs
//!   looked up.
//! - `human`: whether somebody is here, what is said and where.
//! - `trace`: what is asked, decided and sent, for a bug report, without secrets.
//! - `clock`, `process`, `secret`, `escape`, `error`, `mend`: time; children, and asking them; what must not be seen; what is
//!   fit to be; what went wrong; what puts it right. `redact`: takes secrets out of what others say.
//! - In the tests alone: `lab`, the machine in every order that three callers can come in, before a provider and a disk that
//!   break at any step; `fuzz`, what must hold for every input from outside, which `cargo fuzz` shares.
//!
//! What is never so: a hit takes no lock, no network and no child process; nobody sleeps or talks to the network with
//! the record's lock in hand, but for the one refresh it guards; no secret has a `Display`.

mod broker;
mod cli;
mod clients;
mod clock;
mod commands;
mod config;
mod decision;
mod desk;
mod doctor;
mod error;
mod escape;
// Not in a program that is shipped: what must hold for every input, for the fuzzer and the tests.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod human;
#[cfg(test)]
mod lab;
mod machine;
mod mend;
mod model;
mod oauth;
mod output;
mod process;
mod redact;
mod secret;
mod setup;
mod store;
mod trace;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use cli::{Cli, Command};

/// Runs keyfob as `args` say, the first of which is the name it was called by (`git-credential-keyfob` is `keyfob git`),
/// and returns the exit code: git's helper always 0; for people 0 done, 1 failed, 2 usage, 3 a human is needed.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    process::signals::survive_file_limit();
    let mut args: Vec<OsString> = args.into_iter().collect();
    let verbose = take_verbose(&mut args);
    match parse(&args) {
        Ok(command) => {
            trace::begin(verbose, config::environment::log(), store::append);
            commands::run(command)
        }
        Err(error) => {
            // A closed stream is no reason to fail differently.
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    let _ = std::io::stdout().write_all(error.render().to_string().as_bytes());
                    return ExitCode::SUCCESS;
                }
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                    let _ = std::io::stderr().write_all(error.render().to_string().as_bytes());
                }
                // What was not understood has no options; what it would have printed is told by the word alone.
                _ if wants_json(&args) => output::report_as_json(&cli::misspelt(&error, &args)),
                _ => output::report(&cli::misspelt(&error, &args)),
            }
            let people = if args.get(1).is_some_and(|word| word == "run") { commands::NOT_STARTED } else { 2 };
            clients::misspelt(&args).unwrap_or(ExitCode::from(people))
        }
    }
}

/// The names under which clients look for a helper, each a link to keyfob: for packages, and for whoever tries it.
#[must_use]
pub fn links() -> Vec<&'static str> {
    clients::links().collect()
}

/// Where the options end: what follows `--` is another program's.
fn options(args: &[OsString]) -> usize {
    args.iter().position(|word| word == "--").unwrap_or(args.len())
}

/// Whether a program reads what is printed, as far as that can be told of a call that was not understood. No client does.
fn wants_json(args: &[OsString]) -> bool {
    args[..options(args)].iter().any(|word| word == "--json") && clients::caller(args).is_none()
}

/// Takes `--verbose` off the line, wherever it stands before `--`; whether it was there.
fn take_verbose(args: &mut Vec<OsString>) -> bool {
    let options = options(args);
    let before = args.len();
    let mut index = 0;
    args.retain(|word| {
        index += 1;
        index > options || word != "--verbose"
    });
    args.len() < before
}

fn parse(args: &[OsString]) -> Result<Command, clap::Error> {
    if let Some(called) = clients::by_link(args) {
        return called.map(Command::Client);
    }
    // What keyfob itself and its scripts call, and nobody types.
    if let Some(own) = args.get(1).filter(|word| *word == "renew" || *word == "complete") {
        let words: Vec<String> = args.iter().skip(2).map(|word| word.to_string_lossy().into_owned()).collect();
        let read = if own == "renew" {
            cli::Renew::read(&words).map(Command::Renew)
        } else {
            cli::Complete::read(&words).map(Command::Complete)
        };
        if let Some(command) = read {
            return Ok(command);
        }
    }
    // `keyfob help COMMAND` and `keyfob version`, as people type them.
    let option = match args.get(1).and_then(|word| word.to_str()) {
        Some("help") => Some("--help"),
        Some("version" | "-v") if args.len() == 2 => Some("--version"),
        _ => None,
    };
    if let Some(option) = option {
        let words = args.iter().take(1).chain(args.iter().skip(2)).cloned().chain([option.into()]);
        return Ok(Cli::try_parse_from(words)?.command);
    }
    // What is off, or asks for help, is told by the whole.
    clients::by_words(args).map_or_else(|| Ok(Cli::try_parse_from(args)?.command), |called| Ok(Command::Client(called)))
}
