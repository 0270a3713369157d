//! `keyfob doctor`: looks at everything that has to be right for a client to be let in, and says what is not and the
//! command that mends it.

use std::process::ExitCode;

use super::is_place;
use crate::cli::Doctor;
use crate::clients::{CLIENTS, placed};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::desk::parse_url;
use crate::doctor::{Expected, Visit};
use crate::error::{Error, Kind, Result};
use crate::human::paper::Paper;
use crate::output::print;

/// 0 where all is well, 1 where something is not.
#[inline(never)]
pub(super) fn run(command: &Doctor) -> Result<ExitCode> {
    let clock = SystemClock::new();
    let (config, unreadable) = match Config::load() {
        Ok(config) => (config, None),
        Err(error) => (Config::default(), Some(error)),
    };
    // A configuration that cannot be read is a finding, whoever was asked about.
    let only = command.url.as_deref().filter(|text| !is_place(text) && unreadable.is_none());
    let only = only.map(|name| config.named(name)).transpose()?;
    if only.is_some() && (command.issuer.is_some() || command.audience.is_some()) {
        return Err(Error::new(
            Kind::Usage,
            "a profile has several places, and each server expects a token of its own",
        )
        .hint("name the host or the cluster whose server that is"));
    }
    let named = command.url.as_deref().filter(|text| is_place(text)).map(parse_url).transpose()?;
    let expected = Expected { issuer: command.issuer.as_deref(), audience: command.audience.as_deref() };
    let place = named.as_ref().map(|(_, location)| location);
    let mut visit = Visit::new(&config, unreadable.as_ref(), place, expected, &clock);
    visit.only = only;
    visit.examine_programs(CLIENTS.iter().filter_map(|client| Some((client.name, client.program?))));
    let user = named.as_ref().and_then(|(user, _)| user.as_deref());
    let concerned = visit.examine_profiles(user, unreadable.as_ref());
    // The first of them last: it says which hosts no client asks for.
    let placed = placed();
    for client in &placed {
        visit.report.place(client.name);
    }
    for examine in placed.iter().rev().filter_map(|client| client.doctor) {
        examine(&mut visit, &concerned);
    }
    let report = visit.report;
    print(if command.json { report.as_json()? } else { report.as_text(&Paper::of_stdout()) }.as_bytes())?;
    Ok(if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
