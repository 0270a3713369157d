//! `keyfob logout`: forget here always, end it at the provider where that is possible.

use std::process::ExitCode;

use super::choose;
use crate::broker::discover;
use crate::cli::Logout;
use crate::clock::SystemClock;
use crate::config::{Config, environment};
use crate::error::Result;
use crate::model::{Endpoints, Profile};
use crate::oauth::http::{self, Web};
use crate::oauth::revoke::{self, SignedOut};
use crate::output::{report, say};
use crate::store::{Record, Store, client_secret};

#[inline(never)]
pub(super) fn run(command: &Logout) -> Result<ExitCode> {
    let store = Store::open()?;
    if !command.all {
        let chosen = choose(&command.subject)?;
        let ids = sessions(&store, &chosen.config, chosen.profile())?;
        return sign_out(&store, chosen.profile(), &ids).map(code);
    }
    let mut well = true;
    // Whatever is wrong with one, the others are forgotten.
    let config = Config::load().unwrap_or_else(|error| {
        report(&error);
        well = false;
        Config::default()
    });
    let mut seen = Vec::new();
    for profile in &config.profiles {
        well &= reported(sessions(&store, &config, profile).and_then(|ids| {
            let done = if ids.is_empty() { Ok(true) } else { sign_out(&store, profile, &ids) };
            seen.extend(ids);
            done
        }));
    }
    let mut strays = store.ids()?;
    strays.retain(|id| !seen.contains(id));
    for id in &strays {
        well &= reported(forget_stray(&store, id));
    }
    if well && seen.is_empty() && strays.is_empty() {
        say("nobody is signed in")?;
    }
    Ok(code(well))
}

fn code(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn reported(done: Result<bool>) -> bool {
    done.unwrap_or_else(|error| {
        report(&error);
        false
    })
}

/// Every session of a profile there is anything of: the present one, then those from before its server moved or its account
/// was another. One that is another profile's present one now is that profile's.
fn sessions(store: &Store, config: &Config, profile: &Profile) -> Result<Vec<String>> {
    let present = discover::session(profile)?;
    let mut ids = store.ids()?;
    ids.retain(|id| {
        let is_anothers =
            || config.profiles.iter().any(|other| discover::session(other).is_ok_and(|known| known == *id));
        let is_of_it = || matches!(store.peek(id), Ok(Some(record)) if record.is_of(profile));
        *id == present || (is_of_it() && !is_anothers())
    });
    ids.sort_by_key(|id| *id != present);
    Ok(ids)
}

/// Forgets these sessions of a profile; whether they are over at the provider too, or nothing there could be ended.
fn sign_out(store: &Store, profile: &Profile, ids: &[String]) -> Result<bool> {
    let title = profile.title();
    let present = discover::known_endpoints(profile)?;
    let (mut well, mut was_signed_in) = (true, false);
    for id in ids {
        // What cannot be forgotten here is ended there all the same.
        let (forgotten, here) = match forget(store, id) {
            Ok(record) => (record, "forgotten here"),
            Err(error) => {
                report(&error);
                well = false;
                (store.peek(id).ok().flatten(), "still kept here, where it cannot be removed")
            }
        };
        let Some(record) = forgotten.filter(|record| record.signed_in_at.is_some()) else { continue };
        was_signed_in = true;
        let (said, ended) = end(profile, present.as_deref(), &record, here);
        let is_present = present.as_ref().is_some_and(|endpoints| endpoints.token == record.token_endpoint);
        let which = if is_present { String::new() } else { format!(" (at {})", http::host(&record.token_endpoint)) };
        say(&format!("{title}{which}: {said}"))?;
        well &= ended;
    }
    if !was_signed_in && well {
        say(&format!("{title}: not signed in"))?;
    }
    Ok(well)
}

/// Ends a session at its provider; what to say of it, and whether it cannot live on. `here`: what became of it on this machine.
fn end(profile: &Profile, present: Option<&Endpoints>, record: &Record, here: &str) -> (String, bool) {
    let http = Web::new(profile.ca_file.clone(), environment::proxies);
    // A secret that cannot be read is the provider's to miss: what is here is gone already.
    let secret = profile.client_secret_file.as_ref().and_then(|path| client_secret::read(path).ok());
    match revoke::sign_out(&http, profile, present, secret.as_ref(), &record.approved()) {
        SignedOut::Ended(said) => (format!("{here}, {said}"), true),
        SignedOut::NoWay(why) => (format!("{here}; {why}"), true),
        SignedOut::Failed(why) => (format!("{here}, but it may live on at the provider: {why}"), false),
    }
}

/// A session whose profile is gone from the configuration: nobody knows any more where it would be ended.
fn forget_stray(store: &Store, id: &str) -> Result<bool> {
    if let Some(record) = forget(store, id)? {
        let title = record.profile.unwrap_or(record.client_id);
        say(&format!("{title}: forgotten here; no profile names it any more, so the provider was not told"))?;
    }
    Ok(true)
}

/// Takes the record off the disk first, with whatever was set aside of it: a provider that cannot be reached keeps nothing
/// here.
fn forget(store: &Store, id: &str) -> Result<Option<Record>> {
    if !store.ids()?.iter().any(|known| known == id) {
        return Ok(None);
    }
    let mut guard = store.lock(id, &SystemClock::new())?;
    let record = std::mem::take(&mut guard.record);
    guard.remove()?;
    Ok(Some(record))
}
