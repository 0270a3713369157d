//! Files, environment and folders, turned into profiles and destinations.

#[cfg(unix)]
pub(crate) mod accounts;
pub(crate) mod draft;
pub(crate) mod environment;
pub(crate) mod file;
pub(crate) mod folders;
pub(crate) mod matching;
pub(crate) mod programs;
pub(crate) mod proxy;
mod server;
mod written;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::mend::{Mend, meant};
use crate::model::{Location, Profile, location};
use crate::trace::trace;

/// A configuration file is written by hand; one larger than this is something else.
const SIZE_LIMIT: u64 = 1 << 20;

/// Whether the plain store may keep what clients hand it for hosts without a profile.
#[derive(Debug, Default)]
pub(crate) struct PlainStore {
    pub(crate) git: Option<bool>,
    pub(crate) docker: Option<bool>,
}

/// All profiles that hold, the person's own over the administrator's.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) profiles: Vec<Profile>,
    pub(crate) store: PlainStore,
}

impl Config {
    /// Reads the administrator's file and the person's. A file that is not there is an empty one.
    pub(crate) fn load() -> Result<Self> {
        let mut config = read(folders::system_config().as_deref())?;
        let own = read(folders::user_config().as_deref())?;
        config.profiles.retain(|old| own.profiles.iter().all(|new| new.name != old.name));
        config.profiles.extend(own.profiles);
        config.store =
            PlainStore { git: own.store.git.or(config.store.git), docker: own.store.docker.or(config.store.docker) };
        Ok(config)
    }

    /// Whether any profile names this place, whoever is asked for there.
    pub(crate) fn answers(&self, location: Option<&Location>) -> bool {
        let entries = self.profiles.iter().flat_map(|profile| &profile.hosts);
        location
            .is_some_and(|location| entries.map(|(entry, _)| entry).any(|entry| entry.closeness(location).is_some()))
    }

    /// The profile of that name.
    pub(crate) fn named(&self, name: &str) -> Result<&Profile> {
        self.profiles.iter().find(|profile| profile.name.as_deref() == Some(name)).ok_or_else(|| {
            let what = format!("no profile is called \"{}\"", location::without_user(name));
            let meant = meant(name, self.profiles.iter().filter_map(|profile| profile.name.as_deref()));
            let choices = self.choices();
            Error::new(Kind::Usage, what).hint(match meant {
                Some(name) => choices.lead(&format!("did you mean {name}?")),
                None => choices,
            })
        })
    }

    /// What a person may name, for a hint.
    pub(crate) fn choices(&self) -> Mend {
        match self.profiles.iter().map(Profile::title).collect::<Vec<_>>()[..] {
            [] => new_profile("HOST").lead("there is no profile yet;"),
            [one] => format!("the only profile is {one}").into(),
            ref names => format!("the profiles are {}", names.join(", ")).into(),
        }
    }
}

/// The command that makes a profile, as a template.
pub(crate) fn new_profile(host: &str) -> Mend {
    Mend::run("keyfob setup profile NAME --provider P --client-id ID --host").with(host)
}

fn read(path: Option<&Path>) -> Result<Config> {
    let Some(path) = path else { return Ok(Config::default()) };
    // A pipe would hang whoever opens it.
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        let what = format!("{} is no plain file", path.display());
        return Err(Error::new(Kind::Configuration, what).hint("is it the right file?"));
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            trace!("configuration: {} is not there", path.display());
            return Ok(Config::default());
        }
        Err(error) => return Err(unreadable(path, error)),
    };
    refuse_writable(&file, path)?;
    // Its whole length at once: room that grows as it fills is read in pieces.
    let length = file.metadata().map_or(0, |meta| meta.len()).min(SIZE_LIMIT);
    let mut text = String::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
    file.take(SIZE_LIMIT).read_to_string(&mut text).map_err(|error| unreadable(path, error))?;
    if text.len() as u64 == SIZE_LIMIT {
        return Err(Error::new(Kind::Configuration, format!("{} is larger than a megabyte", path.display()))
            .hint("is it the right file?"));
    }
    let config = file::parse(&text, path)?;
    trace!("configuration: {}, profiles: {}", path.display(), config.profiles.len());
    Ok(config)
}

/// Whoever can write this file can send a person to a sign-in page of their own and tokens to hosts of their own.
#[cfg(unix)]
pub(crate) fn refuse_writable(file: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let meta = file.metadata().map_err(|error| unreadable(path, error))?;
    let me = rustix::process::geteuid().as_raw();
    let refuse = |what: &str, mend: Mend| {
        Err(Error::new(Kind::Configuration, format!("{}:1: {what}", path.display())).hint(mend))
    };
    if meta.uid() != me && meta.uid() != 0 {
        let mend = "run keyfob as its owner, or name a file of your own in KEYFOB_CONFIG";
        return refuse("this file belongs to somebody else", mend.into());
    }
    if accounts::others_can_write(&meta) {
        return refuse("others can write to this file", Mend::run("chmod go-w").with(path.display()));
    }
    Ok(())
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "there is nothing to refuse there")]
pub(crate) fn refuse_writable(_file: &File, _path: &Path) -> Result<()> {
    Ok(())
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    Error::broken(format!("cannot read {}", path.display()), error)
}
