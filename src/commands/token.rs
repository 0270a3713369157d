//! `keyfob token`: a token for scripts, never by accident to a terminal.

use std::process::ExitCode;

use super::choose;
use crate::cli::Token;
use crate::desk::Errand;
use crate::error::Result;
use crate::human::presence::Asker;
use crate::model::TokenKind;
use crate::output::{print, refuse_terminal};

#[inline(never)]
pub(super) fn run(command: &Token) -> Result<ExitCode> {
    if !command.show {
        refuse_terminal("pipe the output, or add --show")?;
    }
    let mut chosen = choose(&command.subject)?;
    if command.id {
        chosen.destination.token = TokenKind::Id;
    }
    let profile = chosen.profile();
    let place = chosen.location.as_ref().map_or_else(|| profile.title().to_owned(), ToString::to_string);
    let errand = Errand {
        profile,
        destination: &chosen.destination,
        asker: Asker::PLAIN,
        what: format!("keyfob token needs to sign in to {place}"),
        place,
        opens_browser: true,
    };
    let token = errand.obtain(errand.ask())?;
    let secret = token.secret(chosen.destination.token).map_or("", |secret| secret.expose());
    let text = if command.header { format!("Authorization: Bearer {secret}\n") } else { format!("{secret}\n") };
    print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
