//! `keyfob renew`: what a keyfob leaves to another one that nobody waits for. Nobody is told how it went but the record.

use std::process::ExitCode;

use crate::cli::Renew;
use crate::desk::{Errand, config};
use crate::error::Result;
use crate::human::presence::Asker;
use crate::process::left_lock;

#[inline(never)]
pub(super) fn run(command: &Renew) -> Result<ExitCode> {
    let Some(lock) = left_lock() else { return Ok(ExitCode::FAILURE) };
    let config = config(&command.inline)?;
    let profile = match (command.profile.as_deref(), config.profiles.first()) {
        (Some(name), _) => config.named(name)?,
        (None, Some(only)) => only,
        (None, None) => return Ok(ExitCode::FAILURE),
    };
    let places = profile.hosts.iter().chain(&profile.clusters).map(|(_, destination)| destination);
    let has_slot = |slot: &&crate::model::Destination| slot.slot.key() == command.slot;
    let Some(destination) = std::iter::once(&profile.plain).chain(places).find(has_slot) else {
        return Ok(ExitCode::FAILURE);
    };
    let errand = Errand {
        profile,
        destination,
        asker: Asker { never: Some("nobody waits for it"), ..Asker::PLAIN },
        what: String::new(),
        place: profile.title().to_owned(),
        opens_browser: false,
    };
    errand.with_broker(false, |broker, _| {
        broker.renew(errand.ask(), lock);
        Ok(ExitCode::SUCCESS)
    })
}
