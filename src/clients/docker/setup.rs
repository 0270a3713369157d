//! `keyfob setup docker`: keyfob for some registries (`credHelpers`) or for all (`credsStore`) in docker's configuration, and
//! in the files of podman, skopeo and buildah, which know no `credsStore`.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;

use super::containers::{self, DropIn};
use super::registry::{self, Takes};
use super::wire::Server;
use super::{LINK, is_answered, written};
use crate::config::{Config, folders};
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::{HostPattern, Location, Profile, location};
use crate::output::say;
use crate::setup::json::{Document, Refusal};
use crate::setup::links::{self, Found};
use crate::setup::{Done, Entries, How, change, is_named, profile};
use crate::store::foreign::Foreign;

/// `keyfob setup docker`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob setup docker registry.acme.dev --profile acme")]
pub(crate) struct Lines {
    /// Registries; all hosts of the profile when left out
    #[arg(value_name = "REGISTRY")]
    pub(crate) registries: Vec<String>,
    /// Every registry, with a profile or without
    #[arg(long, conflicts_with = "registries")]
    pub(crate) all: bool,
    /// Profile that answers; the only one when left out
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

const HELPER: &str = "keyfob";

pub(super) fn run(command: &Lines, how: How) -> Result<ExitCode> {
    let registries = if how.undo { named(&command.registries)? } else { registries(&Config::load()?, command)? };
    let keys = match (command.all, how.undo, &registries[..]) {
        (true, ..) => Keys::Store,
        (_, true, []) => Keys::All,
        _ => Keys::Registries(registries),
    };
    if how.undo { undo(&keys, how) } else { set_up(&keys, how) }
}

fn set_up(keys: &Keys, how: How) -> Result<ExitCode> {
    let (config, auth) = (folders::docker_config()?, containers::auth_file()?);
    change_json(&config, keys.clone(), how)?;
    say_what_it_keeps(&config, keys)?;
    if containers::are_used(&auth) {
        if *keys == Keys::Store {
            change(&containers::drop_in()?, &DropIn, how)?;
            containers::say_what_goes_behind()?;
        } else {
            change_json(&auth, keys.clone(), how)?;
        }
        if let Keys::Registries(registries) = keys {
            for (what, mend) in registries.iter().filter_map(|registry| containers::goes_before(registry)) {
                say(&format!("{what}; {}", mend.words()))?;
            }
        }
    }
    Ok(match links::make(LINK, how)? {
        Found::Yes => ExitCode::SUCCESS,
        Found::No => ExitCode::FAILURE,
    })
}

/// The other way round, so that the folders that were made can go as well.
fn undo(keys: &Keys, how: How) -> Result<ExitCode> {
    let drop_in = containers::drop_in()?;
    let mut is_left = false;
    if drop_in.exists() {
        if matches!(keys, Keys::Store | Keys::All) {
            change(&drop_in, &DropIn, how)?;
        } else {
            is_left = true;
        }
    }
    let auth = containers::auth_file()?;
    is_left |= if *keys == Keys::Store {
        is_named(&auth, &Json { path: &auth, keys: Keys::All }, &Done::Nothing, how)?
    } else {
        change_json(&auth, keys.clone(), how)?
    };
    is_left |= change_json(&folders::docker_config()?, keys.clone(), how)?;
    if !is_left {
        links::take_back(LINK, how)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What of a JSON file is ours, or to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Keys {
    /// `credHelpers`, by the registries' names.
    Registries(Vec<String>),
    /// `credsStore`.
    Store,
    /// Whatever names keyfob; for an undo alone.
    All,
}

/// Changes a JSON file; whether it names keyfob afterwards, or would.
fn change_json(path: &Path, keys: Keys, how: How) -> Result<bool> {
    let file = Foreign::read(path)?;
    if how.undo && file.bytes().is_none() {
        return Ok(false);
    }
    let ours = Json { path, keys };
    if !how.undo {
        let document = ours.read(file.bytes().unwrap_or_default())?;
        for name in ours.named() {
            let other = document.string(&place(name)).filter(|value| value != HELPER && !value.is_empty());
            if let Some(other) = other {
                say(&format!("{name}: {other} was asked before; --undo brings it back"))?;
            }
        }
    }
    let done = change(path, &ours, how)?;
    is_named(path, &ours, &done, how)
}

/// Registries as docker names them in `credHelpers`: `host[:port]`.
fn named(registries: &[String]) -> Result<Vec<String>> {
    registries.iter().map(|text| Ok(location(text)?.authority())).collect()
}

fn location(text: &str) -> Result<Location> {
    let usage = |what: String| Error::new(Kind::Usage, what).hint("name it as docker does: registry.acme.dev:5000");
    let shown = location::without_user(text);
    if text.contains('*') {
        return Err(usage(format!("\"{shown}\" has a wildcard, and docker knows none")).hint("name each, or say --all"));
    }
    let location = Location::parse(text).map_err(|why| usage(format!("\"{shown}\" {why}")))?;
    if location.path.is_empty() {
        return Ok(location);
    }
    Err(usage(format!("\"{shown}\" has a path, and docker asks by host alone")))
}

/// What is to be set up: what the command names and a profile answers for, or what docker can name of the profile.
fn registries(config: &Config, command: &Lines) -> Result<Vec<String>> {
    let only = command.profile.as_deref().map(|name| config.named(name)).transpose()?;
    if command.all {
        return Ok(Vec::new());
    }
    let mut chosen = Vec::new();
    for text in &command.registries {
        let location = location(text)?;
        let owner = |location| crate::setup::owner(config, only, &HostPattern { wildcard: false, location });
        // docker talks plain http to this machine as well, and such an entry may say so.
        let owner = owner(location.clone()).or_else(|error| {
            let plain = Location::parse(&format!("http://{}", location.authority())).ok();
            plain.and_then(|plain| owner(plain).ok()).ok_or(error)
        })?;
        if let Some(why) = refuses(owner, &location) {
            return Err(
                Error::new(Kind::Refused, why).hint(Mend::run("docker login").with(text).lead("make such a token and"))
            );
        }
        chosen.push(location.authority());
    }
    if !command.registries.is_empty() {
        return Ok(chosen);
    }
    let profile = profile(config, command.profile.as_deref())?;
    for (entry, _) in &profile.hosts {
        if entry.wildcard || !entry.location.path.is_empty() {
            say(&format!(
                "{entry}: left out, because docker knows no wildcards and no paths; name each registry, or say --all"
            ))?;
        } else if let Some(why) = refuses(profile, &entry.location) {
            say(&format!("{entry}: left out: {why}"))?;
        } else {
            chosen.push(entry.location.authority());
        }
    }
    if chosen.is_empty() {
        let what = format!("the profile {} has no host that docker could name", profile.title());
        return Err(Error::new(Kind::Configuration, what).hint("name a registry, or say --all"));
    }
    Ok(chosen)
}

/// Why a registry takes no token of this profile, where that is known.
fn refuses(profile: &Profile, location: &Location) -> Option<&'static str> {
    match registry::takes(location) {
        Some(Takes::Nothing(why)) => Some(why),
        Some(Takes::Beside(_)) => None,
        None => profile.preset.registry_refuses,
    }
}

/// Says what becomes of the logins that stand in docker's own file. They stay: they are not ours.
fn say_what_it_keeps(path: &Path, keys: &Keys) -> Result<()> {
    let Ok(Some(file)) = written::read(path) else { return Ok(()) };
    let config = Config::load()?;
    for (name, registry) in written::logins(&file) {
        let is_asked = match keys {
            Keys::Registries(registries) => registries.contains(&registry),
            Keys::Store | Keys::All => file["credHelpers"][&registry].is_null(),
        };
        if !is_asked {
            continue;
        }
        let is_ours = Server::parse(name).is_some_and(|server| is_answered(&config, &server));
        let (what, mend) = if is_ours {
            ("a login for it stays there, and docker sends that where keyfob refuses", "docker logout")
        } else {
            ("a login for it stays there, and docker asks keyfob instead, which has none", "docker login")
        };
        say(&format!("{}: {what}; {}", escape(name), Mend::run(mend).with(name).words()))?;
    }
    Ok(())
}

/// Our members of a JSON file: `credHelpers`' by the registries' names, and `credsStore` by its own, which no registry has.
struct Json<'a> {
    path: &'a Path,
    keys: Keys,
}

const STORE: &str = "credsStore";
const HELPERS: &str = "credHelpers";

/// Where the entry of that name stands.
fn place(name: &str) -> Vec<&str> {
    if name == STORE { vec![STORE] } else { vec![HELPERS, name] }
}

impl Json<'_> {
    fn read(&self, file: &[u8]) -> Result<Document> {
        Document::read(file).map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, (line, why): Refusal) -> Error {
        Error::new(Kind::Broken, format!("{}:{line}: {why}", self.path.display()))
            .hint("mend it by hand, then run the command again")
    }

    /// Whom the command is about, by name.
    fn named(&self) -> Vec<&str> {
        match &self.keys {
            Keys::Registries(registries) => registries.iter().map(String::as_str).collect(),
            Keys::Store => vec![STORE],
            Keys::All => Vec::new(),
        }
    }
}

impl Entries for Json<'_> {
    fn put_in(&self, file: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>)> {
        let bytes = file.unwrap_or_default();
        let mut document = self.read(bytes)?;
        let mut put = Vec::new();
        for name in self.named() {
            let place = place(name);
            // Nobody can say what a change of one of two would do.
            document.refuse_twice(&place).map_err(|refusal| self.refused(refusal))?;
            if document.string(&place).as_deref() != Some(HELPER) {
                document.set(&place, HELPER).map_err(|refusal| self.refused(refusal))?;
                put.push(name.to_owned());
            }
        }
        if put.is_empty() {
            return Ok((bytes.to_vec(), put));
        }
        let mut after = document.into_bytes();
        if file.is_none() {
            after.push(b'\n');
        }
        Ok((after, put))
    }

    fn take_back(&self, file: &[u8], before: &[u8], names: &[String]) -> Result<Vec<u8>> {
        let (mut document, before) = (self.read(file)?, self.read(before)?);
        let mut is_changed = false;
        for place in names.iter().map(|name| place(name)) {
            document.refuse_twice(&place).map_err(|refusal| self.refused(refusal))?;
            let (now, earlier) = (document.string(&place), before.string(&place));
            match earlier {
                _ if now.as_deref().is_some_and(|now| now != HELPER) || now == earlier => continue,
                Some(earlier) => document.set(&place, &earlier).map_err(|refusal| self.refused(refusal))?,
                None => document.remove(&place),
            }
            is_changed = true;
        }
        if !is_changed {
            return Ok(file.to_vec());
        }
        let had_helpers = before.names(&[]).iter().any(|name| name == HELPERS);
        if !had_helpers && document.names(&[HELPERS]).is_empty() {
            document.remove(&[HELPERS]);
        }
        Ok(document.into_bytes())
    }

    fn ours(&self, file: &[u8]) -> Result<Vec<String>> {
        let document = self.read(file)?;
        let mut names = document.names(&[HELPERS]);
        names.push(STORE.to_owned());
        names.retain(|name| document.string(&place(name)).as_deref() == Some(HELPER));
        Ok(names)
    }

    fn is_nothing(&self, file: &[u8]) -> Result<bool> {
        Ok(self.read(file)?.names(&[]).is_empty())
    }

    fn picks(&self, name: &str) -> bool {
        self.keys == Keys::All || self.named().contains(&name)
    }

    fn lines(&self, names: &[String], undo: bool) -> Vec<String> {
        let without = if undo { "without " } else { "" };
        let line = |name: &String| match place(name)[..] {
            [above, name] => format!("{without}\"{above}\": {{ \"{name}\": \"{HELPER}\" }}"),
            _ => format!("{without}\"{name}\": \"{HELPER}\""),
        };
        names.iter().map(line).collect()
    }

    fn is_private(&self) -> bool {
        true
    }
}
