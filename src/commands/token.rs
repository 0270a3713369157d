//! `keyfob token`: a token for scripts, never by accident to a terminal.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Chosen, choose};
use crate::cli::{Subject, Token};
use crate::clock;
use crate::config::environment;
use crate::desk::{Errand, now};
use crate::error::Result;
use crate::human::presence::Asker;
use crate::model::{self, Ask, TokenKind};
use crate::output::{document, note, print, refuse_terminal};

#[inline(never)]
pub(super) fn run(command: &Token) -> Result<ExitCode> {
    if !command.show {
        refuse_terminal("pipe the output, or add --show")?;
    }
    let mut chosen = choose(told().as_ref().filter(|_| command.subject.is_empty()).unwrap_or(&command.subject))?;
    if command.id {
        chosen.destination.token = TokenKind::Id;
    }
    let place = chosen.place();
    let errand = Errand {
        profile: chosen.profile(),
        destination: &chosen.destination,
        asker: Asker::PLAIN,
        what: format!("keyfob token needs to sign in to {place}"),
        place,
        opens_browser: true,
    };
    let token = errand.obtain(Ask { wants_left: command.min_ttl.unwrap_or(0), ..errand.ask() })?;
    let secret = token.secret(chosen.destination.token).map_or("", |secret| secret.expose());
    let text = match (command.header, command.json) {
        (true, true) => document(&json!({ "Authorization": format!("Bearer {secret}") }))?,
        (true, false) => format!("Authorization: Bearer {secret}\n"),
        (false, true) => document(&as_json(&chosen, &token, secret))?,
        (false, false) if command.bearer => format!("Bearer {secret}\n"),
        (false, false) => format!("{secret}\n"),
    };
    if !command.json && environment::agent().is_some() {
        // Not refused: `$(keyfob token)` cannot be told from what ends in a transcript.
        let run = ["keyfob", "run", "--env", &format!("NAME={}", chosen.profile().title()), "--", "COMMAND"];
        note(&format!("what an agent reads is kept; a command gets the token unseen by: {}", run.join(" ")));
    }
    print(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The place that is told in a variable, by a program that runs one line for all its servers. It is a place, whatever it looks
/// like: by a profile's name the profile would have no say in where the token goes.
fn told() -> Option<Subject> {
    let url = environment::mcp_server_url()?;
    let name = if url.contains("://") { url } else { format!("https://{url}") };
    Some(Subject { name: Some(name), ..Subject::default() })
}

/// The token with what a program wants to know of it. Its end is the end, without a margin: `--min-ttl` is how to have one.
fn as_json(chosen: &Chosen, token: &model::Token, secret: &str) -> Value {
    let kind = chosen.destination.token;
    let end = token.end(kind);
    json!({
        "profile": chosen.profile().title(),
        "host": chosen.location.as_ref().map(model::Location::authority),
        "kind": if kind == TokenKind::Id { "id" } else { "access" },
        "token_type": "Bearer",
        "token": secret,
        "expires_at": end.and_then(clock::rfc3339),
        "expires_in": end.map(|end| (end - now()).max(0)),
    })
}
