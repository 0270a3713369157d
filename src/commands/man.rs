//! `keyfob man`: the manual page, one for all commands, as roff (man(7)).

use std::io;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::Cli;
use crate::error::{Error, Kind, Result};
use crate::output::print;

/// What the environment says to keyfob.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("KEYFOB_CONFIG", "the file to read in place of your own configuration"),
    ("KEYFOB_STATE_DIR", "the folder to keep sessions in"),
    ("KEYFOB_INTERACTIVE", "never: ask nobody; always: run the device flow even without a terminal; auto"),
    ("KEYFOB_LOG", "1: trace decisions and requests to stderr, every secret hidden; a whole path: to that file"),
    ("KEYFOB_PLAIN", "no colours, no line rewritten in place, no QR code"),
    ("CLAUDE_CODE_MCP_SERVER_URL", "what keyfob token is about where nothing is named"),
    ("HTTPS_PROXY, ALL_PROXY, NO_PROXY", "as curl reads them"),
];

/// Where things are.
const FILES: &[(&str, &str)] = &[
    ("~/.config/keyfob/config.toml", "profiles"),
    ("/etc/keyfob/config.toml", "the administrator's profiles; one's own of the same name goes before it"),
    ("~/.local/state/keyfob", "sessions and what the plain store keeps, for nobody else to read"),
];

#[inline(never)]
pub(super) fn run() -> Result<ExitCode> {
    let text = page().map_err(|error| Error::broken("cannot write the manual page", error))?;
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn page() -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut command = Cli::command();
    command.build();
    let whole = Man::new(command.clone());
    whole.render_title(&mut text)?;
    whole.render_name_section(&mut text)?;
    whole.render_synopsis_section(&mut text)?;
    whole.render_description_section(&mut text)?;
    for subcommand in command.get_subcommands() {
        describe(subcommand, &mut text)?;
    }
    let mut exit = Roff::new();
    exit.control("SH", ["EXIT STATUS"]);
    paragraph(&mut exit, "0", "done");
    for kind in Kind::ALL {
        paragraph(&mut exit, &kind.exit_code().to_string(), &format!("{}: {}", kind.meaning(), kind.next()));
    }
    exit.text([roman("The git helper always ends with 0, the kubectl and docker helpers with 0 or 1.")]);
    exit.text([roman(
        "keyfob run ends as its command does, and with 125 where that could not start; what it runs can read the token and pass it on.",
    )]);
    exit.to_writer(&mut text)?;
    for (title, rows) in [("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)] {
        let mut section = Roff::new();
        section.control("SH", [title]);
        for (name, what) in rows {
            paragraph(&mut section, name, what);
        }
        section.to_writer(&mut text)?;
    }
    Ok(text)
}

/// A command and those below it, a section each.
fn describe(command: &clap::Command, text: &mut Vec<u8>) -> io::Result<()> {
    let mut head = Roff::new();
    let title = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    head.control("SH", [title.to_uppercase().as_str()]);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    head.text([roman(about)]);
    head.control("PP", []);
    let usage = command.clone().render_usage().to_string();
    head.text([bold(usage.trim_start_matches("Usage: ").to_owned())]);
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let (help, name) = (argument.get_help().map(ToString::to_string).unwrap_or_default(), argument.to_string());
        paragraph(&mut head, &name, &help);
    }
    head.to_writer(text)?;
    command.get_subcommands().try_for_each(|below| describe(below, text))
}

fn paragraph(roff: &mut Roff, term: &str, what: &str) {
    roff.control("TP", []);
    roff.text([bold(term.to_owned())]);
    roff.text([roman(what.to_owned())]);
}
