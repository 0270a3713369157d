//! `keyfob run`: a command with a token in its environment. Nobody types it, it stands in no history and on no command line; but
//! the command, and all that it starts, can read it and pass it on.

use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::choose;
use crate::cli::{Form, Run, Subject};
use crate::config::programs;
use crate::desk::Errand;
use crate::error::{Error, Kind, Result};
use crate::human::presence::Asker;
use crate::model::TokenKind;
use crate::output::report;
use crate::process;
use crate::secret::Secret;

/// The exit code where the command could not start, as `env`, `timeout` and `docker run` have it: every other is the command's own.
pub(crate) const NOT_STARTED: u8 = 125;

#[inline(never)]
pub(super) fn run(command: &Run) -> Result<ExitCode> {
    start(command).or_else(|error| {
        report(&error);
        Ok(ExitCode::from(NOT_STARTED))
    })
}

fn start(command: &Run) -> Result<ExitCode> {
    let Some(word) = command.words.first() else { unreachable!("clap wants one") };
    let name = word.to_string_lossy();
    let program = programs::command(word).ok_or_else(|| {
        Error::new(Kind::Usage, format!("there is no program called {name}"))
            .hint("name one on PATH, or its whole path")
    })?;
    let mut variables = Vec::new();
    for variable in &command.variables {
        let (name, subject) = variable.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            Error::new(Kind::Usage, format!("\"{variable}\" names no variable and whose token it gets"))
                .hint("write --env NAME=PROFILE or --env NAME=URL")
        })?;
        variables.push((name, value(subject, command.form, &name_of(word))?));
    }
    let variables = variables.iter().map(|(name, secret)| (*name, secret.expose()));
    process::become_program(&program, &command.words, variables)
        .map_err(|error| Error::broken(format!("cannot run {name}"), error))
}

/// What a variable gets.
fn value(subject: &str, form: Option<Form>, program: &str) -> Result<Secret> {
    let mut chosen = choose(&Subject { name: Some(subject.to_owned()), ..Subject::default() })?;
    if form == Some(Form::Id) {
        chosen.destination.token = TokenKind::Id;
    }
    let (place, profile, destination) = (chosen.place(), chosen.profile(), &chosen.destination);
    let what = format!("{program} needs to sign in to {place}");
    let errand = Errand { profile, destination, asker: Asker::PLAIN, what, place, opens_browser: true };
    let token = errand.obtain_alone(errand.ask())?;
    let secret = token.secret(destination.token).map_or("", |secret| secret.expose());
    Ok(Secret::new(match form {
        Some(Form::Bearer) => format!("Bearer {secret}"),
        Some(Form::Basic) => {
            let username = destination.username.as_deref().unwrap_or(profile.preset.username);
            format!("Basic {}", STANDARD.encode(format!("{username}:{secret}")))
        }
        Some(Form::Id) | None => secret.to_owned(),
    }))
}

/// What a program is called, without its folder.
fn name_of(word: &std::ffi::OsStr) -> String {
    std::path::Path::new(word).file_name().unwrap_or(word).to_string_lossy().into_owned()
}
