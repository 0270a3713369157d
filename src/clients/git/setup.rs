//! `keyfob setup git`: an empty helper, which forgets those of before, and then keyfob, for each URL; written by git itself.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::LINK;
use super::helpers::{self, Effective, HelperLine as Helper};
use super::sections::{self, Section};
use crate::config::{Config, environment, folders, programs};
use crate::error::{Error, Kind, Result};
use crate::escape::{escape, quote};
use crate::mend::Mend;
use crate::model::{HostPattern, Location, location};
use crate::output::say;
use crate::process::With;
use crate::redact::Secrets;
use crate::setup::links::{self, Found};
use crate::setup::{Entries, How, change, is_named, profile};
use crate::store::foreign::Foreign;
use crate::store::scratch::Scratch;

/// `keyfob setup git`.
#[derive(Args, Debug)]
#[command(after_help = "Example: keyfob setup git git.acme.dev --profile acme")]
pub(crate) struct Lines {
    /// Hosts or URLs; all of the profile when left out
    #[arg(value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Profile that answers; the only one when left out
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Name keyfob without its path, for a shared file
    #[arg(long)]
    pub(crate) bare: bool,
}

pub(super) fn run(command: &Lines, how: How) -> Result<ExitCode> {
    let path = file()?;
    if how.undo {
        let urls = command.hosts.iter().map(|host| named(host).map(|entry| entry.url())).collect::<Result<Vec<_>>>()?;
        let ours = Ours { urls, ..Ours::default() };
        let done = change(&path, &ours, how)?;
        if !is_named(&path, &ours, &done, how)? {
            links::take_back(LINK, how)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let entries = entries(&Config::load()?, command)?;
    let file = Foreign::read(&path)?;
    // Before anything is made: a file that git cannot read is not to be written either.
    sections::read(file.bytes().unwrap_or_default())?;
    // Programs of a desktop and cron jobs run git with another PATH than a person's shell.
    let helper = match command.bare.then(|| links::make(LINK, how)).transpose()? {
        None => by_path(&links::whole_path()?),
        Some(Found::Yes) => "keyfob".to_owned(),
        Some(Found::No) => {
            say("  until then git gets the whole path")?;
            by_path(&links::whole_path()?)
        }
    };
    let ours = Ours::missing_from(file.bytes(), &entries, helper)?;
    change(&path, &ours, how)?;
    match helpers::ask() {
        Ok(known) => entries.iter().try_for_each(|entry| say_who_sees(entry, &ours.helper, &known, how))?,
        Err(error) => say(&format!("who else sees the token cannot be told: {error}"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs git to its end; an error is what it says on stderr.
fn run_git(args: &[&OsStr]) -> Result<()> {
    let answer = programs::ask("git", args, &With::default())
        .map_err(|error| Error::broken("cannot run git", error).hint("install git, or put it on PATH"))?;
    if answer.succeeded {
        return Ok(());
    }
    let said = String::from_utf8_lossy(answer.stderr.expose());
    let said = said.lines().next().unwrap_or_default();
    Err(Error::new(Kind::Broken, format!("git refuses: {}", Secrets::default().redact(&escape(said))))
        .hint(Mend::run("git config --list --show-origin")))
}

/// The file that `git config --global` writes (git-config, "FILES").
fn file() -> Result<PathBuf> {
    if let Some(path) = environment::git_config_global() {
        return Ok(path);
    }
    let own = folders::home()?.join(".gitconfig");
    let other = folders::xdg_config()?.join("git").join("config");
    Ok(if !own.exists() && other.exists() { other } else { own })
}

/// A host or URL as a person names it; `*.` for exactly one label.
fn named(text: &str) -> Result<HostPattern> {
    parse_place(text).map_err(|why| {
        Error::new(Kind::Usage, format!("\"{}\" {why}", location::without_user(text))).hint("name a host or a URL")
    })
}

/// The same as git's configuration has it, where it is one that keyfob could answer for.
pub(super) fn place(url: &str) -> Option<HostPattern> {
    parse_place(url).ok()
}

fn parse_place(text: &str) -> Result<HostPattern, location::Unusable> {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (&text[..scheme.len() + 3], rest));
    let (wildcard, rest) = rest.strip_prefix("*.").map_or((false, rest), |rest| (true, rest));
    Ok(HostPattern { wildcard, location: Location::parse(&format!("{scheme}{rest}"))? })
}

/// What is to be set up: what the command names and a profile answers for, or all of the profile; and with a host every path
/// below it that some profile names, because git tells a helper the path only where it is told to.
fn entries(config: &Config, command: &Lines) -> Result<Vec<HostPattern>> {
    let mut wanted: Vec<HostPattern> = Vec::new();
    if command.hosts.is_empty() {
        let profile = profile(config, command.profile.as_deref())?;
        wanted.extend(profile.hosts.iter().map(|(entry, _)| entry.clone()));
        if wanted.is_empty() {
            return Err(Error::new(Kind::Configuration, format!("the profile {} has no hosts", profile.title()))
                .hint("name them in config.toml: hosts = [\"...\"]"));
        }
    }
    let only = command.profile.as_deref().map(|name| config.named(name)).transpose()?;
    for text in &command.hosts {
        let entry = named(text)?;
        crate::setup::owner(config, only, &entry)?;
        wanted.push(entry);
    }
    let all: Vec<&HostPattern> =
        config.profiles.iter().flat_map(|profile| &profile.hosts).map(|(entry, _)| entry).collect();
    let below = |entry: &HostPattern| {
        let with_path = all.iter().filter(|other| !other.location.path.is_empty() && other.wildcard == entry.wildcard);
        let plain = HostPattern { wildcard: false, location: entry.location.clone() };
        with_path.filter(|other| plain.closeness(&other.location).is_some()).map(|other| (*other).clone()).collect()
    };
    let deeper: Vec<Vec<HostPattern>> = wanted.iter().map(below).collect();
    let mut entries: Vec<HostPattern> = Vec::new();
    for entry in wanted.into_iter().zip(deeper).flat_map(|(entry, deeper)| std::iter::once(entry).chain(deeper)) {
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    Ok(entries)
}

/// A helper by its whole path, which git hands to a shell (gitcredentials(7)).
fn by_path(program: &Path) -> String {
    let program = program.to_string_lossy();
    // The shell that git brings to Windows takes the other kind for an escape.
    let program = if cfg!(windows) { program.replace('\\', "/") } else { program.into_owned() };
    let quoted = quote(&program);
    // It is taken for a command only where it begins as a path does, or with `!`.
    if quoted == program { format!("{program} git") } else { format!("!{quoted} git") }
}

/// Whether a helper is one that this command sets up.
fn is_keyfob(value: &str) -> bool {
    let command = value.strip_prefix('!').unwrap_or(value).trim_end_matches(" git").trim_matches('\'');
    value == "keyfob" || (value.ends_with(" git") && Path::new(command).file_stem() == Some(OsStr::new("keyfob")))
}

/// Whether the variable at a place of a section is like one of ours: keyfob, the reset right before it, and the path wanted
/// right after it, which setup says of URLs with a path alone.
fn is_like_ours(section: &Section, at: usize) -> bool {
    let is_helper = |at: Option<usize>| {
        let variable = at.and_then(|at| section.variables.get(at));
        variable.is_some_and(|it| it.key == "helper" && it.value.as_deref().is_some_and(is_keyfob))
    };
    let variable = &section.variables[at];
    is_helper(Some(at))
        || (variable.is("helper", "") && is_helper(Some(at + 1)))
        || (variable.is("usehttppath", "true")
            && is_helper(at.checked_sub(1))
            && section.subsection.as_deref().is_some_and(wants_path))
}

/// A URL, a variable and its value.
type Line<'a> = (&'a str, &'a str, Option<&'a str>);

/// The lines of a file that are like ours, each with its place.
fn lines_like_ours(sections: &[Section]) -> impl Iterator<Item = (&Section, usize, Line<'_>)> {
    let credential = sections.iter().filter(|section| section.name == "credential");
    credential.filter_map(|section| Some((section, section.subsection.as_deref()?))).flat_map(|(section, url)| {
        (0..section.variables.len()).filter(|at| is_like_ours(section, *at)).map(move |at| {
            let variable = &section.variables[at];
            (section, at, (url, variable.key.as_str(), variable.value.as_deref()))
        })
    })
}

/// Our lines for some URLs.
#[derive(Debug, Default)]
struct Ours {
    /// What is to be there; empty with an undo.
    entries: Vec<HostPattern>,
    /// What is not there yet, as git has it; with an undo what is to go, and none means all.
    urls: Vec<String>,
    helper: String,
    /// Whether they need sections of their own at the end of the file, because later lines would bring other helpers back.
    apart: bool,
}

impl Ours {
    /// What a file does not have yet.
    fn missing_from(file: Option<&[u8]>, entries: &[HostPattern], helper: String) -> Result<Self> {
        let file = file.unwrap_or_default();
        let mut urls = Vec::new();
        for entry in entries {
            if !is_alone(file, entry, &helper)? {
                urls.push(entry.url());
            }
        }
        let mut ours = Self { entries: entries.to_vec(), urls, helper, apart: false };
        let after = ours.added(file)?;
        for entry in entries {
            ours.apart |= !is_alone(&after, entry, &ours.helper)?;
        }
        Ok(ours)
    }

    /// The options that `git config` takes to put ours in, in their order.
    fn additions(&self) -> impl Iterator<Item = (String, &str)> {
        self.urls.iter().flat_map(|url| {
            let path = (wants_path(url)).then(|| (format!("credential.{url}.useHttpPath"), "true"));
            let helper = format!("credential.{url}.helper");
            [(helper.clone(), ""), (helper, self.helper.as_str())].into_iter().chain(path)
        })
    }

    /// What git makes of a file.
    fn added(&self, file: &[u8]) -> Result<Vec<u8>> {
        let copy = Scratch::apart(file)?;
        for (key, value) in self.additions() {
            let args = ["config".as_ref(), "--file".as_ref(), copy.path().as_os_str(), "--add".as_ref()];
            run_git(&[&args[..], &[key.as_ref(), value.as_ref()]].concat())?;
        }
        copy.bytes()
    }
}

/// `https://host/path`.
fn wants_path(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'))
}

/// Whether a file has git ask keyfob, and after it nobody, for this entry.
fn is_alone(file: &[u8], entry: &HostPattern, helper: &str) -> Result<bool> {
    let (own, sections) = (entry.url(), sections::read(file)?);
    let credential = sections.iter().filter(|section| section.name == "credential");
    let mut known = Vec::new();
    let (mut is_there, mut has_path) = (false, !wants_path(&own));
    for section in credential {
        let is_own = section.subsection.as_deref() == Some(own.as_str());
        for (at, variable) in section.variables.iter().enumerate() {
            let value = variable.value.clone().unwrap_or_default();
            match variable.key.as_str() {
                "helper" => {
                    let reset = at.checked_sub(1).is_some_and(|before| section.variables[before].is("helper", ""));
                    is_there |= is_own && reset && value == helper;
                    known.push(Helper::helper(section.subsection.clone(), &value));
                }
                "usehttppath" if is_own => has_path = value == "true",
                _ => {}
            }
        }
    }
    let run = helpers::effective(&known, &entry.example()).run;
    Ok(is_there && has_path && matches!(run[..], [only] if only.value.as_deref() == Some(helper)))
}

impl Entries for Ours {
    fn put_in(&self, file: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>)> {
        // Another keyfob may have put some of them there meanwhile.
        let missing = Self::missing_from(file, &self.entries, self.helper.clone())?;
        let file = file.unwrap_or_default();
        if !missing.apart {
            return Ok((missing.added(file)?, missing.urls));
        }
        let mut after = file.to_vec();
        // A backslash takes the next line for more of its own.
        let is_open = |text: &[u8]| text.ends_with(b"\\\n") || text.ends_with(b"\\\r\n");
        if !after.is_empty() && (!after.ends_with(b"\n") || is_open(&after)) {
            after.push(b'\n');
        }
        after.extend(missing.added(b"")?);
        Ok((after, missing.urls))
    }

    fn take_back(&self, file: &[u8], before: &[u8], names: &[String]) -> Result<Vec<u8>> {
        let (sections, before) = (sections::read(file)?, sections::read(before)?);
        // Lines like ours that a person had written are theirs: the first of them that are there now.
        let mut theirs: Vec<Line<'_>> = lines_like_ours(&before).map(|(_, _, line)| line).collect();
        let mut gone = Vec::new();
        for (section, at, line) in lines_like_ours(&sections) {
            match theirs.iter().position(|their| *their == line) {
                Some(known) => drop(theirs.remove(known)),
                None if names.iter().any(|name| name == line.0) => gone.push((section, at)),
                None => {}
            }
        }
        let is_gone = |section: &Section, at| gone.iter().any(|(it, place)| std::ptr::eq(*it, section) && *place == at);
        Ok(sections::without(file, &sections, is_gone))
    }

    fn ours(&self, file: &[u8]) -> Result<Vec<String>> {
        let sections = sections::read(file)?;
        let mut urls: Vec<String> = lines_like_ours(&sections).map(|(_, _, (url, ..))| url.to_owned()).collect();
        urls.dedup();
        Ok(urls)
    }

    fn picks(&self, name: &str) -> bool {
        let is_below =
            |url: &String| name.strip_prefix(url).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.urls.is_empty() || self.urls.iter().any(is_below)
    }

    fn lines(&self, names: &[String], undo: bool) -> Vec<String> {
        if undo {
            return names.iter().map(|url| format!("without the lines that name keyfob for {url}")).collect();
        }
        let mut lines = Vec::new();
        if self.apart {
            lines
                .push("as sections of their own at its end, because lines further down name other helpers:".to_owned());
        }
        let command =
            |(key, value): (String, &str)| format!("git config --global --add {} {}", quote(&key), quote(value));
        lines.extend(self.additions().map(command));
        lines
    }

    fn is_private(&self) -> bool {
        false
    }
}

/// Says which helpers git runs for an entry now, of all files, and which it does not run any more.
fn say_who_sees(entry: &HostPattern, helper: &str, known: &[Helper], how: How) -> Result<()> {
    let own = entry.url();
    let ours = ["", helper].map(|value| Helper::helper(Some(own.clone()), value));
    // Ours would be the last of the last file before a repository's own.
    let end = known.iter().rposition(Helper::is_global).map_or(0, |at| at + 1);
    let yet_to_come = if how.dry_run { &ours[..] } else { &[] };
    let all = known[..end].iter().chain(yet_to_come).chain(&known[end..]);
    let Effective { run, forgotten } = helpers::effective(all, &entry.example());
    let others: Vec<&&Helper> = run.iter().filter(|helper| !helper.is_keyfob()).collect();
    let mut gone: Vec<String> = Vec::new();
    for helper in forgotten.iter().filter(|helper| !helper.is_keyfob()) {
        let words = format!("{} ({})", helper.name(), helper.origin());
        if !gone.contains(&words) {
            gone.push(words);
        }
    }
    let alone = if others.is_empty() { " alone" } else { "" };
    let gone = if gone.is_empty() { String::new() } else { format!(", and no longer {}", gone.join(", ")) };
    if !run.is_empty() {
        say(&format!("{own}: git asks keyfob{alone}{gone}"))?;
    }
    for other in others {
        let (name, place) = (other.name(), other.origin());
        say(&format!("{own}: {name} sees the token as well, because {place} names it after keyfob"))?;
        if let Some(file) = &other.file {
            let key = quote(&format!("credential.{own}.helper"));
            let add = |value: &str| format!("git config --file {} --add {key} {}", quote(file), quote(value));
            say(&format!("  to keep the token from it: {} && {}", add(""), add(helper)))?;
        }
    }
    Ok(())
}
