//! `keyfob login`: sign in now, whatever is kept. In steps (`--start`, `--wait`), for whoever sees nothing of a command before it
//! ends, it is done when somebody is signed in, unless that is to be done anew.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Chosen, choose};
use crate::cli::Login;
use crate::clock::{self, Timestamp};
use crate::desk::{Errand, now};
use crate::error::{Result, Waiting};
use crate::escape::{defuse, escape};
use crate::human::presence::Asker;
use crate::machine::STEP;
use crate::mend::Argv;
use crate::model::{Ask, Want};
use crate::oauth::device::Pending;
use crate::output::{document, pending, print};

#[inline(never)]
pub(super) fn run(command: &Login) -> Result<ExitCode> {
    let chosen = choose(&command.subject)?;
    let errand = errand(&chosen, Asker::WANTED, !command.no_browser);
    let is_anew = command.force || command.select_account;
    if (command.start || command.wait.is_some()) && !is_anew && Kept::of(&errand)?.pending.is_none() {
        // By what any client would do for a token, and nobody is asked. Why there is none does not matter: a sign-in follows.
        let silent = self::errand(&chosen, Asker { never: Some("it is only looked"), ..Asker::PLAIN }, false);
        if silent.obtain(silent.ask()).is_ok() {
            print(signed_in(command, &chosen, &errand)?.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    let ask = Ask { selects_account: command.select_account, ..errand.ask() };
    if command.start {
        let ask = Ask { want: Want::Code, ..ask };
        let waiting = errand.with_broker(true, |broker, _| broker.code(ask))?.waiting();
        let text = if command.json { as_json(&chosen, &waiting)? } else { as_text(&chosen, &waiting) };
        print(text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let until = command.wait.map(|seconds| now() + seconds);
    match errand.obtain(Ask { want: Want::SignIn, until, ..ask }) {
        Ok(_) if command.json => print(signed_in(command, &chosen, &errand)?.as_bytes())?,
        Ok(_) => {}
        Err(error) => match error.waiting().filter(|_| command.wait.is_some() && command.json) {
            // Nothing has failed, and there is something to be shown.
            Some(waiting) => {
                print(as_json(&chosen, waiting)?.as_bytes())?;
                return Ok(error.exit_code());
            }
            None => return Err(error),
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn errand(chosen: &Chosen, asker: Asker, opens_browser: bool) -> Errand<'_> {
    let place = chosen.place();
    let what = format!("sign in to {place}");
    Errand { profile: chosen.profile(), destination: &chosen.destination, asker, what, place, opens_browser }
}

/// What a session's record tells.
#[derive(Default)]
struct Kept {
    /// The sign-in that waits for approval.
    pending: Option<Pending>,
    /// Who is signed in.
    subject: Option<String>,
    email: Option<String>,
}

impl Kept {
    fn of(errand: &Errand<'_>) -> Result<Self> {
        let mut kept = Self::default();
        errand.with_session(|broker| {
            let record = broker.world.store.peek(broker.id)?.unwrap_or_default();
            let is_live = |pending: &Pending| pending.is_live(now());
            kept = Self { pending: record.pending.filter(is_live), subject: record.subject, email: record.email };
            Ok(())
        })?;
        Ok(kept)
    }
}

/// That somebody is signed in, and who.
fn signed_in(command: &Login, chosen: &Chosen, errand: &Errand<'_>) -> Result<String> {
    let Kept { subject, email, .. } = Kept::of(errand)?;
    let title = chosen.profile().title();
    let who = email.as_ref().or(subject.as_ref()).map(|who| format!(" as {}", escape(who))).unwrap_or_default();
    let message = defuse(&format!("signed in to {title}{who}"));
    if !command.json {
        return Ok(message + "\n");
    }
    document(&json!({
        "profile": title,
        "state": "signed_in",
        "message": message,
        "subject": subject,
        "email": email,
    }))
}

/// The command that waits for the approval, for whoever has shown it to a person.
fn next(chosen: &Chosen) -> Argv {
    let named = chosen.location.as_ref().map(|location| vec!["keyfob".into(), "login".into(), location.to_string()]);
    let mut argv = named.unwrap_or_else(|| chosen.profile().login_command());
    argv.extend(["--wait", STEP, "--json"].map(str::to_owned));
    argv
}

fn as_json(chosen: &Chosen, waiting: &Waiting) -> Result<String> {
    let title = chosen.profile().title();
    let Waiting { user_code, verification_uri, verification_uri_complete, expires_at, .. } = waiting;
    let page = verification_uri_complete.as_ref().unwrap_or(verification_uri);
    let mut value = pending(waiting);
    let (code, left) = (escape(user_code), left(*expires_at));
    value["profile"] = json!(title);
    value["state"] = json!("waiting");
    value["message"] = format!("to sign in to {title}, open {page} and approve the code {code} within {left}").into();
    value["next"] = Value::from(next(chosen));
    document(&value)
}

fn as_text(chosen: &Chosen, waiting: &Waiting) -> String {
    let Waiting { user_code, verification_uri, verification_uri_complete, expires_at, .. } = waiting;
    let complete = verification_uri_complete.as_ref();
    let complete = complete.map(|uri| format!("or    {}\n", defuse(uri))).unwrap_or_default();
    format!(
        "open  {}\ncode  {}\n{complete}approve within {}; the next command for {} is let in\n",
        defuse(verification_uri),
        escape(user_code),
        left(*expires_at),
        defuse(chosen.profile().title()),
    )
}

fn left(expires_at: Timestamp) -> String {
    clock::span(expires_at - now())
}
