//! What the doctor looks at that is no client's: the programs, the places, each profile's provider and session; and what the
//! clients' own examinations go by. It prints no token, asks no person, and goes on whatever it finds.

mod errand;
pub(crate) mod expected;
mod places;
pub(crate) mod programs;
mod provider;
pub(crate) mod report;
pub(crate) mod session;

pub(crate) use self::expected::Expected;
pub(crate) use self::programs::Version;
use self::report::{Area, Report};
use crate::clock::SystemClock;
use crate::config::{Config, matching, new_profile};
use crate::error::{Error, Result};
use crate::escape::escape;
use crate::model::{Destination, HostPattern, Location, Profile};

/// What is looked at and found on one run.
pub(crate) struct Visit<'a> {
    pub(crate) config: &'a Config,
    /// The one place a person asked about.
    pub(crate) named: Option<&'a Location>,
    /// The one profile a person asked about.
    pub(crate) only: Option<&'a Profile>,
    pub(crate) expected: Expected<'a>,
    pub(crate) clock: &'a SystemClock,
    pub(crate) report: Report,
    /// The titles of the profiles that have a token to give.
    signed_in: Vec<&'a str>,
    /// The configuration could be read.
    pub(crate) is_readable: bool,
    /// Which clients are here, and in which version.
    versions: Vec<(&'static str, Version)>,
    /// Which hosts a client was found to ask keyfob for.
    asks: Vec<(&'static str, String)>,
}

/// What a person asked about: all there is, or one place.
pub(crate) struct Concerned<'a> {
    pub(crate) profiles: Vec<&'a Profile>,
    pub(crate) hosts: Vec<Host<'a>>,
}

/// A host that a profile's tokens go to.
pub(crate) struct Host<'a> {
    pub(crate) profile: &'a Profile,
    /// As the configuration has it.
    pub(crate) name: String,
    /// One that git or docker may ask for: of a wildcard, any.
    pub(crate) location: Location,
    /// What git's configuration calls it.
    pub(crate) url: String,
}

impl<'a> Visit<'a> {
    /// A visit that has begun.
    pub(crate) fn new(
        config: &'a Config,
        unreadable: Option<&Error>,
        named: Option<&'a Location>,
        expected: Expected<'a>,
        clock: &'a SystemClock,
    ) -> Self {
        Self {
            config,
            named,
            only: None,
            expected,
            clock,
            report: Report::default(),
            signed_in: Vec::new(),
            is_readable: unreadable.is_none(),
            versions: Vec::new(),
            asks: Vec::new(),
        }
    }

    /// Looks at this program, and at which clients are here: `programs` says of each.
    pub(crate) fn examine_programs(
        &mut self,
        programs: impl Iterator<Item = (&'static str, fn(&mut Visit<'_>) -> Option<Version>)>,
    ) {
        programs::ourselves(self);
        for (client, look) in programs {
            let version = look(self);
            self.versions.extend(version.map(|version| (client, version)));
        }
    }

    /// Looks at the places and at each profile; whom and what a person asked about.
    pub(crate) fn examine_profiles(&mut self, user: Option<&str>, unreadable: Option<&Error>) -> Concerned<'a> {
        places::examine(self, unreadable);
        let concerned = self.concerned(user).unwrap_or_else(|error| {
            self.report.error(&Area::Places, &error);
            Concerned { profiles: Vec::new(), hosts: Vec::new() }
        });
        if let Some(place) = self.named.filter(|_| concerned.profiles.is_empty() && self.is_readable) {
            let what = format!("no profile answers for {place}");
            let host = place.authority();
            let mend = match self.config.profiles.first() {
                None => new_profile(&host),
                Some(profile) => format!(
                    "add it to hosts (or, for a cluster, to clusters) of a profile: {} is at {}",
                    profile.title(),
                    profile.written_at
                )
                .into(),
            };
            self.report.problem(&Area::Places, what, mend);
        }
        for profile in &concerned.profiles {
            provider::examine(self, profile);
        }
        concerned
    }

    /// The version of a client that is here.
    pub(crate) fn version(&self, client: &str) -> Option<Version> {
        self.versions.iter().find(|(name, _)| *name == client).map(|(_, version)| *version)
    }

    /// Notes that a client asks keyfob for a host.
    pub(crate) fn note_asking(&mut self, client: &'static str, host: &str) {
        self.asks.push((client, host.to_owned()));
    }

    /// A client that asks keyfob for a host, as far as was found.
    pub(crate) fn asks_for(&self, host: &str) -> Option<&'static str> {
        self.asks.iter().find(|(_, known)| known == host).map(|(client, _)| *client)
    }

    /// The profiles and hosts a person asked about: all, or those of one place.
    fn concerned(&self, user: Option<&str>) -> Result<Concerned<'a>> {
        let config = self.config;
        let Some(named) = self.named else {
            let of = |profile: &'a Profile| profile.hosts.iter().map(move |(entry, _)| Host::of(profile, entry));
            let profiles: Vec<&Profile> = config.profiles.iter().filter(|profile| self.is_about(profile)).collect();
            let hosts = profiles.iter().copied().flat_map(of).collect();
            return Ok(Concerned { profiles, hosts });
        };
        let chosen = matching::choose(config.profiles.iter(), named, user)?.map(|(profile, _)| profile);
        let has_cluster = |profile: &&Profile| matching::closest(&profile.clusters, named).is_some();
        let mut profiles: Vec<&Profile> = config.profiles.iter().filter(has_cluster).collect();
        let hosts = chosen.map(|profile| Host::named(profile, named));
        if let Some(profile) = chosen.filter(|profile| profiles.iter().all(|known| known.title() != profile.title())) {
            profiles.push(profile);
        }
        Ok(Concerned { profiles, hosts: hosts.into_iter().collect() })
    }

    /// Whether a person asked about this profile, by its name or by asking about all.
    pub(crate) fn is_about(&self, profile: &Profile) -> bool {
        self.only.is_none_or(|only| only.title() == profile.title())
    }

    /// Whether a person asked about everything there is.
    pub(crate) fn is_about_all(&self) -> bool {
        self.named.is_none() && self.only.is_none()
    }

    /// Whether a profile has a token to give, as far as was found.
    pub(crate) fn is_signed_in(&self, profile: &Profile) -> bool {
        self.signed_in.contains(&profile.title())
    }

    /// What the named place takes of a profile, if it is one of its places.
    pub(crate) fn destination(&self, profile: &'a Profile) -> Option<&'a Destination> {
        let named = self.named?;
        let cluster = matching::closest(&profile.clusters, named);
        let host = || matching::choose([profile].into_iter(), named, None).ok().flatten();
        cluster.map(|(.., destination)| destination).or_else(|| host().map(|(_, destination)| destination))
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

    /// What it takes of its profile.
    pub(crate) fn destination(&self) -> &'a Destination {
        let chosen = matching::choose([self.profile].into_iter(), &self.location, None).ok().flatten();
        chosen.map_or(&self.profile.plain, |(_, destination)| destination)
    }
}

/// The area of a profile.
pub(crate) fn area(profile: &Profile) -> Area {
    Area::Profile(escape(profile.title()))
}

/// A profile and where it is written, for an edit.
pub(crate) fn written(profile: &Profile) -> String {
    match &profile.name {
        Some(name) => format!("[profile.{name}], {}", profile.written_at),
        None => profile.written_at.clone(),
    }
}
