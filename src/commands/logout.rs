//! `keyfob logout`: forget here always, end it at the provider where that is possible.

use std::process::ExitCode;

use super::{choose, print, report};
use crate::broker::discover;
use crate::cli::Logout;
use crate::clock::SystemClock;
use crate::config::{Config, Profile, environment};
use crate::error::Result;
use crate::human::escape::defuse;
use crate::oauth::http::Web;
use crate::oauth::revoke::{self, SignedOut};
use crate::store::{Record, Store, client_secret};

pub(super) fn run(command: &Logout) -> Result<ExitCode> {
    let store = Store::open()?;
    if !command.all {
        let chosen = choose(&command.subject)?;
        return sign_out(&store, chosen.profile()).map(code);
    }
    let mut well = true;
    // Whatever is wrong with one, the others are forgotten.
    let config = Config::load().unwrap_or_else(|error| {
        report(&error);
        well = false;
        Config::default()
    });
    for id in store.ids()? {
        let done =
            match config.profiles.iter().find(|profile| discover::session(profile).is_ok_and(|known| known == id)) {
                Some(profile) => sign_out(&store, profile),
                None => forget_stray(&store, &id),
            };
        well &= done.unwrap_or_else(|error| {
            report(&error);
            false
        });
    }
    Ok(code(well))
}

fn code(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether it is over at the provider too, or nothing there could be ended.
fn sign_out(store: &Store, profile: &Profile) -> Result<bool> {
    let title = profile.title();
    let endpoints = discover::kept(profile)?;
    let kept = forget(store, &discover::session(profile)?)?.filter(|record| record.signed_in_at.is_some());
    let (Some(endpoints), Some(Record { refresh_token, session_id, revocation_endpoint, .. })) = (endpoints, kept)
    else {
        say(&format!("{title}: not signed in"))?;
        return Ok(true);
    };
    let http = Web::new(profile.ca_file.clone(), environment::proxies);
    // A secret that cannot be read is the provider's to miss: what is here is gone already.
    let secret = profile.client_secret_file.as_ref().and_then(|path| client_secret::read(path).ok());
    let (token, session_id, known) = (refresh_token.as_ref(), session_id.as_deref(), revocation_endpoint.as_deref());
    let (said, well) = match revoke::sign_out(&http, profile, &endpoints, secret.as_ref(), token, session_id, known) {
        SignedOut::Ended(host) => (format!("forgotten here, ended at {host}"), true),
        SignedOut::NoWay(why) => (format!("forgotten here; {why}"), true),
        SignedOut::Failed(why) => (format!("forgotten here, but it may live on at the provider: {why}"), false),
    };
    say(&format!("{title}: {said}"))?;
    Ok(well)
}

/// A session whose profile is gone from the configuration: nobody knows any more where it would be ended.
fn forget_stray(store: &Store, id: &str) -> Result<bool> {
    if let Some(record) = forget(store, id)? {
        let title = record.profile.unwrap_or(record.client_id);
        say(&format!("{title}: forgotten here; no profile names it any more, so the provider was not told"))?;
    }
    Ok(true)
}

fn say(line: &str) -> Result<()> {
    print(format!("{}\n", defuse(line)).as_bytes())
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
