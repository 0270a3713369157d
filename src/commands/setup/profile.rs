//! `keyfob setup profile`: a `[profile.NAME]` table behind all that the configuration holds, once the provider has said
//! that it knows the client.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::convert::{self, Found};
use crate::cli::SetUpProfile;
use crate::clients::placed;
use crate::config::draft::{self, Draft};
use crate::config::{Config, file, folders};
use crate::desk::Errand;
use crate::error::{Error, Kind, Result};
use crate::escape::quote;
use crate::human::presence::Asker;
use crate::machine::Written;
use crate::mend::{Mend, shell};
use crate::model::Profile;
use crate::model::provider::{self, Base, Preset};
use crate::output::{report, say};
use crate::setup::{Entries, How, change};
use crate::store::client_secret;
use crate::store::foreign::Foreign;

/// What a new file begins with.
const HEAD: &str = "# What keyfob signs in to. `keyfob providers` says what each provider needs; integrations/providers has every key.\n\
                    # Tokens go to the hosts and clusters named here and nowhere else, so keep this file your own.\n";

pub(super) fn run(command: &SetUpProfile, how: How) -> Result<ExitCode> {
    let path = folders::user_config().ok_or_else(|| {
        Error::new(Kind::Broken, "no home folder is known").hint("set HOME, or KEYFOB_CONFIG to the file")
    })?;
    let name = command.name.as_str();
    // It becomes part of the file's text, and of another file's name.
    file::refuse_name(name).map_err(|what| Error::new(Kind::Usage, what).hint(file::NAMES))?;
    if how.undo {
        return undo(name, &path, how);
    }
    // What is wrong with the files as they are is said first.
    Config::load()?;
    let found = command.from.as_deref().map(convert::from).transpose()?.unwrap_or_default();
    let secret_file = secret_path(&path, name);
    let draft = draft(command, &found, &secret_file)?;
    file::parse_spelt(&draft.bare(name))?;
    let Some(preset) = draft.text("provider").and_then(provider::find) else { return Err(which_provider()) };
    let entry = Entry { name, path: &path, table: draft.commented(name, preset), draft: Some(&draft) };
    // Before anything is asked or written: it may not fit into the file.
    let (after, _) = entry.put_in(Foreign::read(&path)?.bytes())?;
    for note in &found.notes {
        say(note)?;
    }
    let secret = found.secret.as_ref().filter(|_| draft.text("client_secret_file") == secret_file.to_str());
    if how.dry_run {
        change(&path, &entry, how)?;
        if secret.is_some() {
            say(&format!("{}: would be made, with the client secret that was found", secret_file.display()))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let made_secret = secret.map(|secret| client_secret::keep(&secret_file, secret)).transpose()?.unwrap_or(false);
    let config = file::parse(&String::from_utf8_lossy(&after), &path)?;
    let profile = config.named(name)?;
    let checked = check(profile).and_then(|checked| change(&path, &entry, how).map(|_| checked));
    let checked = checked.inspect_err(|_| {
        if made_secret {
            discard(&secret_file, &path);
        }
    })?;
    if made_secret {
        say(&format!("{}: made, with the client secret that was found", secret_file.display()))?;
    }
    match checked {
        None => say(&format!("{} lets this client sign people in", preset.title))?,
        Some(doubt) => report(&doubt),
    }
    say_what_follows(profile, found.user.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// Where a client secret goes that was found elsewhere.
fn secret_path(config: &Path, name: &str) -> PathBuf {
    config.with_file_name(format!("{name}-secret"))
}

/// Removes a client secret that was put beside the configuration at `path`, and their folder where nothing else is in it.
fn discard(secret_file: &Path, path: &Path) {
    client_secret::forget(secret_file);
    if let (false, Some(folder)) = (path.exists(), path.parent()) {
        let _ = std::fs::remove_dir(folder);
    }
}

/// What the command line and what was found elsewhere say between them; the command line goes first.
fn draft(command: &SetUpProfile, found: &Found, secret_file: &Path) -> Result<Draft> {
    let mut draft = Draft { values: found.draft.values.clone(), take_id: Vec::new() };
    for (key, value) in [
        ("provider", &command.provider),
        ("client_id", &command.client_id),
        ("issuer", &command.issuer),
        ("base_url", &command.base_url),
        ("device_authorization_endpoint", &command.device_authorization_endpoint),
        ("token_endpoint", &command.token_endpoint),
        ("organization", &command.organization),
        ("audience", &command.audience),
        ("account", &command.account),
        ("username", &command.username),
    ] {
        if let Some(value) = value {
            draft.set(key, value);
        }
    }
    for (key, values) in [("hosts", &command.hosts), ("clusters", &command.clusters), ("scopes", &command.scopes)] {
        if !values.is_empty() {
            draft.set_list(key, values);
        }
    }
    let secret_file = match &command.client_secret_file {
        Some(file) => {
            let whole = std::path::absolute(file).map_err(|error| Error::broken("cannot tell where this is", error))?;
            Some(whole)
        }
        None => found.secret.as_ref().map(|_| secret_file.to_owned()),
    };
    if let Some(file) = secret_file {
        draft.set("client_secret_file", file.to_string_lossy());
    }
    match draft.text("provider") {
        None => return Err(which_provider()),
        Some(name) => {
            if let Some(preset) = provider::find(name) {
                refuse_missing(&draft, preset, command.from.is_some())?;
            }
        }
    }
    let clusters = draft.list("clusters");
    match found.token {
        // Hosts that are not clusters go on with the provider's own.
        Some("id") if !command.hosts.is_empty() => draft.take_id = clusters,
        Some(token) => draft.set("token", token),
        None => {}
    }
    // It would stand on several lines, of which each could look like a table's beginning.
    if let Some((key, _)) = draft.values.iter().find(|(_, value)| value.to_string().contains('\n')) {
        return Err(Error::new(Kind::Usage, format!("{key} has a line end in it")).hint("write it on one line"));
    }
    Ok(draft)
}

fn which_provider() -> Error {
    Error::new(Kind::Usage, "which provider?").hint(format!("add --provider with one of {}", provider::names()))
}

/// Says by which options the provider is told what it needs.
fn refuse_missing(draft: &Draft, preset: &Preset, is_converted: bool) -> Result<()> {
    let has = |key: &str| draft.has(key) || (key == "issuer" && preset.base == Base::Issuer && draft.has("base_url"));
    // What another program did without is no reason to refuse.
    let needs = preset.needs.iter().filter(|_| !is_converted);
    let needs = [("client_id", "ID")].iter().chain(needs).filter(|(key, _)| !has(key));
    let mut missing: Vec<String> = needs
        .flat_map(|(key, example)| {
            let option = match *key {
                "scopes" => "scope".to_owned(),
                key => key.replace('_', "-"),
            };
            example.split(' ').map(move |example| format!("--{option} {}", quote(example)))
        })
        .collect();
    if !draft.has("hosts") && !draft.has("clusters") && !is_converted {
        missing.push(format!("--host {}", preset.host));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let what = format!("a profile for {} needs more, for example {}", preset.title, missing.join(" "));
    Err(Error::new(Kind::Usage, what)
        .hint(Mend::run("keyfob providers").with(preset.name).lead("what to register there:")))
}

/// Asks the provider for a code in the client's name, which nobody is shown and which runs out by itself; what stood in the
/// way where that is no word of the provider's.
///
/// # Errors
///
/// The provider refuses the client, or what it is asked.
fn check(profile: &Profile) -> Result<Option<Error>> {
    let errand = Errand {
        profile,
        destination: &profile.plain,
        asker: Asker::WANTED,
        what: String::new(),
        place: profile.title().to_owned(),
        opens_browser: false,
    };
    let checked = errand.with_broker(true, |broker, _| {
        broker.check().map_err(|why| broker.setting.no_code(why, Written::OnCommandLine))?;
        Ok(None)
    });
    let error = match checked {
        Ok(none) => return Ok(none),
        Err(error) => error,
    };
    let (kind, text) = (error.kind, error.text());
    let mend =
        error.mend().cloned().unwrap_or_else(|| Mend::command(profile.login_command()).lead("see what it says,"));
    match kind {
        Kind::Refused => Err(Error::new(kind, format!("{text} (nothing was written)")).hint(mend)),
        Kind::Transient => Ok(Some(doubt(&text).hint(Mend::wait("to check it later, run the same command again")))),
        _ => Ok(Some(doubt(&text).hint(mend))),
    }
}

fn doubt(why: &str) -> Error {
    Error::new(Kind::Transient, format!("the profile could not be checked: {why}"))
}

fn say_what_follows(profile: &Profile, user: Option<&str>) -> Result<()> {
    let clients = placed().into_iter().filter_map(|client| (client.next)(profile, user));
    say("next, whichever you need:")?;
    for command in clients.chain([profile.login_command()]) {
        say(&format!("  {}", shell(&command)))?;
    }
    Ok(())
}

fn undo(name: &str, path: &Path, how: How) -> Result<ExitCode> {
    let file = Foreign::read(path)?;
    let text = text(file.bytes().unwrap_or_default(), path)?;
    let own = secret_path(path, name);
    let secret = draft::profiles(text)
        .get(name)
        .and_then(|profile| profile.get("client_secret_file")?.as_str().map(PathBuf::from));
    let entry = Entry { name, path, table: String::new(), draft: None };
    if draft::profiles(text).contains_key(name) && !entry.ours(text.as_bytes())?.iter().any(|ours| ours == name) {
        return Err(entry.error(text, "was not written by keyfob setup"));
    }
    change(path, &entry, how)?;
    if secret.as_ref() == Some(&own) && own.exists() {
        let done = if how.dry_run { "would be removed" } else { "removed" };
        if !how.dry_run {
            discard(&own, path);
        }
        say(&format!("{}: {done}", own.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The profile in the configuration at `path`.
struct Entry<'a> {
    name: &'a str,
    path: &'a Path,
    /// As it is appended.
    table: String,
    /// What it says; nothing where it is taken out.
    draft: Option<&'a Draft>,
}

impl Entries for Entry<'_> {
    fn put_in(&self, file: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>)> {
        let text = file.map_or(Ok(HEAD), |bytes| text(bytes, self.path))?;
        if let Some(known) = draft::profiles(text).get(self.name) {
            let same = known.as_table().zip(self.draft).is_some_and(|(known, draft)| draft.is_in(known));
            return if same {
                Ok((text.as_bytes().to_vec(), Vec::new()))
            } else {
                Err(self.error(text, "is there with other values"))
            };
        }
        let after = draft::append(text, &self.table);
        file::parse(&after, self.path)?;
        Ok((after.into_bytes(), vec![self.name.to_owned()]))
    }

    fn take_back(&self, file: &[u8], _before: &[u8], names: &[String]) -> Result<Vec<u8>> {
        let is_named = |name: &str| names.iter().any(|other| other == name);
        Ok(draft::take_out(text(file, self.path)?, is_named)?.into_bytes())
    }

    fn ours(&self, file: &[u8]) -> Result<Vec<String>> {
        let text = text(file, self.path)?;
        let others = draft::take_out(text, |_| true)?;
        let left = draft::profiles(&others);
        Ok(draft::profiles(text)
            .iter()
            .map(|(name, _)| name.to_owned())
            .filter(|name| !left.contains_key(name))
            .collect())
    }

    fn picks(&self, name: &str) -> bool {
        name == self.name
    }

    /// Each has a comment above it.
    fn are_marked(&self) -> bool {
        true
    }

    fn lines(&self, _names: &[String], undo: bool) -> Vec<String> {
        if undo {
            vec![format!("without [profile.{}]", self.name)]
        } else {
            self.table.lines().map(str::to_owned).collect()
        }
    }

    fn is_private(&self) -> bool {
        true
    }
}

impl Entry<'_> {
    /// An error about the profile that is there.
    fn error(&self, text: &str, what: &str) -> Error {
        let line = draft::line_of(text, self.name).unwrap_or(1);
        let what = format!("{}:{line}: profile {} {what}", self.path.display(), self.name);
        Error::new(Kind::Configuration, what).hint("edit it there")
    }
}

fn text<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|_| {
        Error::new(Kind::Configuration, format!("{} is not UTF-8", path.display())).hint("is it the right file?")
    })
}
