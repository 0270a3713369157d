//! `keyfob doctor`: looks at everything that has to be right for a client to be let in, and says what is not and the
//! command that mends it.

use std::process::ExitCode;

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
    let named = command.url.as_deref().map(parse_url).transpose()?;
    let clock = SystemClock::new();
    let (config, unreadable) = match Config::load() {
        Ok(config) => (config, None),
        Err(error) => (Config::default(), Some(error)),
    };
    let is_name = |text: &&str| config.profiles.iter().any(|profile| profile.name.as_deref() == Some(*text));
    if let Some(name) = command.url.as_deref().filter(is_name) {
        return Err(Error::new(Kind::Usage, format!("{name} is a profile, and no host"))
            .hint("name a host or a cluster of it, or run: keyfob doctor"));
    }
    let expected = Expected { issuer: command.issuer.as_deref(), audience: command.audience.as_deref() };
    let place = named.as_ref().map(|(_, location)| location);
    let mut visit = Visit::new(&config, unreadable.as_ref(), place, expected, &clock);
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
