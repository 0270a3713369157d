//! `keyfob doctor`: looks at everything that has to be right for a client to be let in, and says what is not and the
//! command that mends it. It prints no token, asks no person, and goes on whatever it finds.

mod docker;
mod errand;
mod expected;
mod git;
mod kubectl;
mod places;
mod programs;
mod provider;
mod report;
mod session;

use std::process::ExitCode;

use self::expected::Expected;
use self::report::{Area, Report};
use super::{parse_url, print};
use crate::cli::Doctor;
use crate::clock::SystemClock;
use crate::config::{Config, matching, new_profile};
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::human::paper::Paper;
use crate::model::{Destination, HostPattern, Location, Profile};

/// What is looked at and found on one run.
struct Visit<'a> {
    config: &'a Config,
    /// The one place a person asked about.
    named: Option<&'a Location>,
    expected: Expected<'a>,
    clock: &'a SystemClock,
    report: Report,
    /// The titles of the profiles that have a token to give.
    signed_in: Vec<&'a str>,
}

/// A host that a profile's tokens go to.
struct Host<'a> {
    profile: &'a Profile,
    /// As the configuration has it.
    name: String,
    /// One that git or docker may ask for: of a wildcard, any.
    location: Location,
    /// What git's configuration calls it.
    url: String,
}

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
    let mut visit = Visit {
        config: &config,
        named: named.as_ref().map(|(_, location)| location),
        expected: Expected { issuer: command.issuer.as_deref(), audience: command.audience.as_deref() },
        clock: &clock,
        report: Report::default(),
        signed_in: Vec::new(),
    };
    let user = named.as_ref().and_then(|(user, _)| user.as_deref());
    visit.examine(user, unreadable.as_ref());
    let report = visit.report;
    print(if command.json { report.as_json()? } else { report.as_text(&Paper::of_stdout()) }.as_bytes())?;
    Ok(if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl<'a> Visit<'a> {
    fn examine(&mut self, user: Option<&str>, unreadable: Option<&Error>) {
        let programs = programs::examine(self);
        places::examine(self, unreadable);
        let (profiles, hosts) = match self.concerned(user) {
            Ok(concerned) => concerned,
            Err(error) => {
                self.report.error(&Area::Places, &error);
                (Vec::new(), Vec::new())
            }
        };
        if let Some(place) = self.named.filter(|_| profiles.is_empty() && unreadable.is_none()) {
            let what = format!("no profile answers for {place}");
            let host = place.authority();
            let mend = match self.config.profiles.first() {
                None => format!("run: {}", new_profile(&host)),
                Some(profile) => format!(
                    "add it to hosts (or, for a cluster, to clusters) of a profile: {} is at {}",
                    profile.title(),
                    profile.written_at
                ),
            };
            self.report.problem(&Area::Places, what, mend);
        }
        for profile in &profiles {
            provider::examine(self, profile);
        }
        let by_docker = docker::examine(self, &hosts, &programs);
        git::examine(self, &hosts, &by_docker, &programs);
        // Without the configuration every profile a kubeconfig names would seem to be missing.
        if unreadable.is_none() {
            kubectl::examine(self, &profiles, &programs);
        }
    }

    /// The profiles and hosts a person asked about: all, or those of one place.
    fn concerned(&self, user: Option<&str>) -> Result<(Vec<&'a Profile>, Vec<Host<'a>>)> {
        let config = self.config;
        let Some(named) = self.named else {
            let of = |profile: &'a Profile| profile.hosts.iter().map(move |(entry, _)| Host::of(profile, entry));
            return Ok((config.profiles.iter().collect(), config.profiles.iter().flat_map(of).collect()));
        };
        let chosen = matching::choose(config.profiles.iter(), named, user)?.map(|(profile, _)| profile);
        let has_cluster = |profile: &&Profile| profile.clusters.iter().any(|(entry, _)| entry.location == *named);
        let mut profiles: Vec<&Profile> = config.profiles.iter().filter(has_cluster).collect();
        let hosts = chosen.map(|profile| Host::named(profile, named));
        if let Some(profile) = chosen.filter(|profile| profiles.iter().all(|known| known.title() != profile.title())) {
            profiles.push(profile);
        }
        Ok((profiles, hosts.into_iter().collect()))
    }

    /// Whether a profile has a token to give, as far as was found.
    fn is_signed_in(&self, profile: &Profile) -> bool {
        self.signed_in.contains(&profile.title())
    }

    /// What the named place takes of a profile, if it is one of its places.
    fn destination(&self, profile: &'a Profile) -> Option<&'a Destination> {
        let named = self.named?;
        let cluster = profile.clusters.iter().find(|(entry, _)| entry.location == *named);
        let host = || matching::choose([profile].into_iter(), named, None).ok().flatten();
        cluster.map(|(_, destination)| destination).or_else(|| host().map(|(_, destination)| destination))
    }
}

impl<'a> Host<'a> {
    fn named(profile: &'a Profile, location: &Location) -> Self {
        let entry = HostPattern { wildcard: false, location: location.clone() };
        Self::of(profile, &entry)
    }

    fn of(profile: &'a Profile, entry: &HostPattern) -> Self {
        let pathless = Location { path: Vec::new(), ..entry.location.clone() };
        let url = HostPattern { location: pathless, ..*entry }.url();
        Self { profile, name: entry.to_string(), location: entry.example(), url }
    }
}

/// The area of a profile.
fn area(profile: &Profile) -> Area {
    Area::Profile(escape(profile.title()))
}

/// A profile and where it is written, for an edit.
fn written(profile: &Profile) -> String {
    match &profile.name {
        Some(name) => format!("[profile.{name}], {}", profile.written_at),
        None => profile.written_at.clone(),
    }
}
