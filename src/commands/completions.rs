//! `keyfob completions`: what a shell needs to complete our words.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, Completions};
use crate::error::Result;
use crate::output::print;

#[inline(never)]
pub(super) fn run(command: &Completions) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "keyfob", &mut text);
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
