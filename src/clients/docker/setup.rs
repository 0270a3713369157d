//! `keyfob setup docker`: keyfob for some registries (`credHelpers`) or for all (`credsStore`) in docker's configuration, and
//! in the files of podman, skopeo and buildah, which know no `credsStore`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::containers::{self, DropIn};
use super::registry::{self, Takes};
use super::wire::Server;
use super::{LINK, owner, written};
use crate::config::{Config, folders};
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::{HostPattern, Location, Profile, location};
use crate::output::say;
use crate::setup::json::{Document, Refusal};
use crate::setup::links::{self, Found};
use crate::setup::{Done, Entries, How, change, profile};
use crate::store::backups::Backups;
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
    is_left |= if *keys == Keys::Store { has_ours(&auth)? } else { change_json(&auth, keys.clone(), how)? };
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

/// Changes a JSON file; whether any of ours is left in it, or would be.
fn change_json(path: &Path, keys: Keys, how: How) -> Result<bool> {
    let file = Foreign::read(path)?;
    if how.undo && file.bytes().is_none() {
        return Ok(false);
    }
    let backup = Backups::open()?.get(file.target())?;
    let before = backup.as_ref().and_then(|backup| backup.before()).and_then(|bytes| Document::read(bytes).ok());
    let ours = Json { path: path.to_owned(), before, keys };
    let ours = ours.only_what_changes(file.bytes(), how)?;
    for (registry, other) in ours.others(file.bytes())? {
        if !how.undo {
            say(&format!("{registry}: {other} was asked before; --undo brings it back"))?;
        }
    }
    let done = change(path, &ours, how)?;
    if done == Done::Restored {
        return Ok(false);
    }
    let now = Foreign::read(path)?;
    let now = now.bytes().unwrap_or_default();
    let left = if how.dry_run && how.undo { ours.take_out(now)? } else { now.to_vec() };
    Ok(ours.take_out_all(&left)? != left)
}

/// Whether keyfob is named in a JSON file.
fn has_ours(path: &Path) -> Result<bool> {
    let file = Foreign::read(path)?;
    let file = file.bytes().unwrap_or_default();
    let all = Json { path: path.to_owned(), before: None, keys: Keys::All };
    Ok(all.take_out(file)? != file)
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
        let server = Server::parse(name);
        let is_ours =
            server.is_some_and(|server| matches!(owner(&config, &server), Ok(Some(owner)) if owner.answers()));
        let (what, mend) = if is_ours {
            ("a login for it stays there, and docker sends that where keyfob refuses", "docker logout")
        } else {
            ("a login for it stays there, and docker asks keyfob instead, which has none", "docker login")
        };
        say(&format!("{}: {what}; {}", escape(name), Mend::run(mend).with(name).words()))?;
    }
    Ok(())
}

/// Our members of a JSON file.
struct Json {
    path: PathBuf,
    /// The file before the first change, for what was in the place of ours.
    before: Option<Document>,
    keys: Keys,
}

impl Json {
    fn read(&self, file: &[u8]) -> Result<Document> {
        Document::read(file).map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, (line, why): Refusal) -> Error {
        Error::new(Kind::Broken, format!("{}:{line}: {why}", self.path.display()))
            .hint("mend it by hand; docker cannot read it either")
    }

    /// The paths of the members that the command is about, and that are there with an undo.
    fn paths(&self, document: &Document) -> Vec<Vec<String>> {
        let helper = |registry: &String| vec!["credHelpers".to_owned(), registry.clone()];
        let store = vec!["credsStore".to_owned()];
        match &self.keys {
            Keys::Registries(registries) => registries.iter().map(helper).collect(),
            Keys::Store => vec![store],
            Keys::All => document.names(&["credHelpers"]).iter().map(helper).chain([store]).collect(),
        }
    }

    /// The same for the members alone that would change, so that what is said is exact.
    fn only_what_changes(self, file: Option<&[u8]>, how: How) -> Result<Self> {
        let document = self.read(file.unwrap_or_default())?;
        for path in self.paths(&document) {
            let path = borrowed(&path);
            // docker goes by the last one, and a look here finds the first.
            if !how.undo || document.string(&path).as_deref() == Some(HELPER) {
                document.refuse_twice(&path).map_err(|refusal| self.refused(refusal))?;
            }
        }
        let keys = match self.keys {
            Keys::Registries(mut registries) => {
                let is_ours = |name: &String| document.string(&["credHelpers", name]).as_deref() == Some(HELPER);
                registries.retain(|registry| is_ours(registry) == how.undo);
                Keys::Registries(registries)
            }
            keys => keys,
        };
        Ok(Self { keys, ..self })
    }

    /// What other helpers a file has in the place of ours.
    fn others(&self, file: Option<&[u8]>) -> Result<Vec<(String, String)>> {
        let document = self.read(file.unwrap_or_default())?;
        let other = |path: Vec<String>| {
            let value = document.string(&borrowed(&path)).filter(|value| value != HELPER && !value.is_empty())?;
            Some((path.last().cloned().unwrap_or_default(), value))
        };
        Ok(self.paths(&document).into_iter().filter_map(other).collect())
    }

    fn without(&self, file: &[u8], paths: impl Fn(&Document) -> Vec<Vec<String>>) -> Result<Vec<u8>> {
        let mut document = self.read(file)?;
        let mut is_changed = false;
        for path in paths(&document) {
            let path = borrowed(&path);
            if document.string(&path).as_deref() != Some(HELPER) {
                continue;
            }
            is_changed = true;
            let earlier = self.before.as_ref().and_then(|before| before.string(&path));
            match earlier.filter(|earlier| earlier != HELPER) {
                Some(earlier) => document.set(&path, &earlier).map_err(|refusal| self.refused(refusal))?,
                None => document.remove(&path),
            }
        }
        let had_helpers =
            self.before.as_ref().is_some_and(|before| before.names(&[]).iter().any(|it| it == "credHelpers"));
        if is_changed && !had_helpers && document.names(&["credHelpers"]).is_empty() {
            document.remove(&["credHelpers"]);
        }
        Ok(if is_changed { document.into_bytes() } else { file.to_vec() })
    }
}

fn borrowed(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

impl Entries for Json {
    fn put_in(&self, file: Option<&[u8]>) -> Result<Vec<u8>> {
        let bytes = file.unwrap_or_default();
        let mut document = self.read(bytes)?;
        let mut is_changed = false;
        for path in self.paths(&document) {
            let path = borrowed(&path);
            if document.string(&path).as_deref() != Some(HELPER) {
                is_changed = true;
                document.set(&path, HELPER).map_err(|refusal| self.refused(refusal))?;
            }
        }
        let mut after = if is_changed { document.into_bytes() } else { bytes.to_vec() };
        if file.is_none() && is_changed {
            after.push(b'\n');
        }
        Ok(after)
    }

    fn take_out(&self, file: &[u8]) -> Result<Vec<u8>> {
        self.without(file, |document| self.paths(document))
    }

    fn take_out_all(&self, file: &[u8]) -> Result<Vec<u8>> {
        let all = Self { path: self.path.clone(), before: self.before.clone(), keys: Keys::All };
        all.without(file, |document| all.paths(document))
    }

    fn lines(&self, undo: bool) -> Vec<String> {
        let without = if undo { "without " } else { "" };
        match &self.keys {
            Keys::Registries(registries) => {
                let line = |name: &String| format!("{without}\"credHelpers\": {{ \"{name}\": \"{HELPER}\" }}");
                registries.iter().map(line).collect()
            }
            Keys::Store => vec![format!("{without}\"credsStore\": \"{HELPER}\"")],
            Keys::All => vec![format!("without what names {HELPER} in \"credHelpers\" and \"credsStore\"")],
        }
    }

    fn is_private(&self) -> bool {
        true
    }
}
