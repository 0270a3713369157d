//! `keyfob login`: sign in now, whatever is kept.

use std::process::ExitCode;

use serde_json::json;

use super::choose;
use crate::cli::Login;
use crate::clock;
use crate::desk::Errand;
use crate::error::Result;
use crate::escape::{defuse, escape};
use crate::human::presence::Asker;
use crate::model::{Ask, Want};
use crate::oauth::device::Pending;
use crate::output::{document, print};

#[inline(never)]
pub(super) fn run(command: &Login) -> Result<ExitCode> {
    let chosen = choose(&command.subject)?;
    let profile = chosen.profile();
    let place = chosen.location.as_ref().map_or_else(|| profile.title().to_owned(), ToString::to_string);
    let errand = Errand {
        profile,
        destination: &chosen.destination,
        asker: Asker::WANTED,
        what: format!("sign in to {place}"),
        place,
        opens_browser: !command.no_browser,
    };
    if command.start {
        let ask = Ask { want: Want::Code, selects_account: command.select_account, ..errand.ask() };
        let pending = errand.with_broker(true, |broker, _| broker.code(ask))?;
        let text = if command.json { as_json(profile.title(), &pending)? } else { as_text(profile.title(), &pending) };
        print(text.as_bytes())?;
    } else {
        errand.obtain(Ask { want: Want::SignIn, selects_account: command.select_account, ..errand.ask() })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(profile: &str, pending: &Pending) -> Result<String> {
    let Pending { user_code, verification_uri, verification_uri_complete, expires_at, interval, .. } = pending;
    let value = json!({
        "profile": profile,
        "user_code": user_code,
        "verification_uri": verification_uri,
        "verification_uri_complete": verification_uri_complete,
        "expires_at": clock::rfc3339(*expires_at),
        "expires_in": (expires_at - crate::desk::now()).max(0),
        "interval": interval,
    });
    document(&value)
}

fn as_text(profile: &str, pending: &Pending) -> String {
    let complete = pending.verification_uri_complete.as_ref();
    let complete = complete.map(|uri| format!("or    {}\n", defuse(uri))).unwrap_or_default();
    format!(
        "open  {}\ncode  {}\n{complete}approve within {}; the next command for {} is let in\n",
        defuse(&pending.verification_uri),
        escape(&pending.user_code),
        clock::span(pending.expires_at - crate::desk::now()),
        defuse(profile),
    )
}
