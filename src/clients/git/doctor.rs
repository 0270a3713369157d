//! git: whom it asks for a host, in which order, and who is handed the tokens.

use std::path::{Path, PathBuf};

use clap::Parser;

use super::helpers::{self, HelperLine, Runs};
use super::{CLIENT, GitHelper, LINK, before, challenge};
use crate::config::environment;
use crate::desk::setup_command;
use crate::doctor::programs::{self, Version, ask};
use crate::doctor::report::Area;
use crate::doctor::{Concerned, Host, Visit};
use crate::mend::Mend;
use crate::model::{Auth, HostPattern};
use crate::oauth::http::{Http, Web};
use crate::oauth::message::Form;

use crate::config::programs::is_program;

const AREA: Area = Area::Client(CLIENT.name);

/// Which git is here, and what follows from its age.
pub(super) fn program(visit: &mut Visit<'_>) -> Option<Version> {
    let git = programs::version(visit, CLIENT.name, &["version"]);
    if let Some((major_minor, text)) = &git {
        let what = |follows: &str| format!("git {text}: {follows}");
        match major_minor {
            (..=1, _) | (2, ..26) => visit.report.problem(
                &Area::Programs,
                what("it has holes through which a repository gets other hosts' tokens (CVE-2020-5260)"),
                "install git 2.46 or newer",
            ),
            (2, ..40) => visit.report.warning(
                &Area::Programs,
                what("it is not told when a token ends, and a refused one fails one command"),
                Some("install git 2.46 or newer".into()),
            ),
            (2, ..46) => visit.report.warning(
                &Area::Programs,
                what("a refused token fails one command, and the next is let in"),
                Some("install git 2.46 or newer, where it heals inside the command".into()),
            ),
            _ => visit.report.ok(&Area::Programs, what("a refused token heals inside the command")),
        }
    }
    git.map(|(version, _)| version)
}

/// Looks at every host. Those another client asks keyfob for, git need not.
pub(super) fn examine<'v>(visit: &mut Visit<'v>, concerned: &Concerned<'v>) {
    if visit.version(CLIENT.name).is_none() {
        return;
    }
    let hosts = &concerned.hosts;
    let netrc = before::netrc();
    let folder = ask("git".as_ref(), &["--exec-path"], &[], b"").ok();
    let folder = folder.map(|answer| String::from_utf8_lossy(answer.stdout.expose()).trim().to_owned());
    let folder: Vec<PathBuf> = folder.into_iter().map(PathBuf::from).collect();
    let entries = match helpers::ask() {
        Ok(entries) => entries,
        Err(error) => return visit.report.error(&AREA, &error),
    };
    look_at_orphans(visit, &entries);
    for host in hosts {
        let list = helpers::effective(&entries, &host.location).run;
        match list.iter().position(|entry| entry.is_keyfob()) {
            Some(at) => {
                look_at_list(visit, host, &entries, &list, at);
                look_at_helper(visit, host, list[at], &folder);
                look_at_path(visit, host, &entries);
                before::examine(visit, host, netrc.as_deref());
                look_at_server(visit, host);
            }
            None if let Some(other) = visit.asks_for(&host.name) => {
                visit.report.ok(&AREA, format!("git does not ask keyfob for {}, {other} does", host.name));
            }
            None => {
                let others: Vec<String> = list.iter().map(|entry| entry.name()).collect();
                let asked =
                    if others.is_empty() { String::new() } else { format!(" (git asks {})", others.join(", ")) };
                let what = format!("neither git nor docker asks keyfob for {}{asked}", host.name);
                visit.report.problem(&AREA, what, setup(host));
            }
        }
    }
}

/// Entries that have git ask keyfob for places that no profile answers for: a host that is misspelt on one of the two sides, or one
/// whose profile is gone.
fn look_at_orphans(visit: &mut Visit<'_>, entries: &[HelperLine]) {
    let config = visit.config;
    if !visit.is_about_all() || !visit.is_readable || super::keeps(config) {
        return;
    }
    for entry in entries.iter().filter(|entry| entry.is_keyfob()) {
        let Some(place) = entry.url.as_deref().and_then(super::setup::place) else { continue };
        let runs = helpers::effective(entries, &place.example()).run;
        let is_known = |known: &HostPattern| {
            known.closeness(&place.example()).is_some()
                || (place.location.path.is_empty() && known.location.authority() == place.location.authority())
        };
        let known = config.profiles.iter().flat_map(|profile| &profile.hosts).any(|(entry, _)| is_known(entry));
        if known || !runs.contains(&entry) {
            continue;
        }
        let what = format!("git asks keyfob for {place} ({}), and no profile answers for it", entry.origin());
        let section = format!("credential.{}", entry.url.as_deref().unwrap_or_default());
        let scope = match (&entry.file, entry.scope.as_str()) {
            (_, "global") => vec!["--global".to_owned()],
            (Some(file), _) => vec!["--file".to_owned(), file.clone()],
            (None, _) => vec!["--local".to_owned()],
        };
        let command = ["git".to_owned(), "config".to_owned()].into_iter().chain(scope);
        let command = command.chain(["--remove-section".to_owned(), section]).collect();
        let lead = format!(
            "correct the host in hosts of {}, or",
            match &config.profiles[..] {
                [only] => crate::doctor::written(only),
                _ => "its profile".to_owned(),
            }
        );
        visit.report.problem(&AREA, what, Mend::command(command).lead(&lead));
    }
}

/// Asks the server itself how it wants to be told who asks; where it cannot be reached so, git may have a way of its own.
fn look_at_server(visit: &mut Visit<'_>, host: &Host<'_>) {
    if !visit.is_signed_in(host.profile) || host.url.contains("*.") {
        return;
    }
    let web = Web::new(host.profile.ca_file.clone(), environment::proxies);
    let url = format!("{}/info/refs", host.location);
    let mut query = Form::default();
    query.push("service", "git-upload-pack");
    let Ok(answer) = web.get(&url, &query) else { return };
    let (wants_bearer, is_bearer) =
        (challenge::wants_bearer(&answer.challenges), host.destination().auth == Auth::Bearer);
    let (name, version) = (&host.name, visit.version(CLIENT.name));
    if wants_bearer && version < Some((2, 46)) {
        let what = format!("{name} takes tokens as Bearer alone, which this git cannot send");
        visit.report.problem(&AREA, what, "install git 2.46 or newer");
    } else if wants_bearer {
        visit.report.ok(&AREA, format!("{name} takes tokens as Bearer, and gets them so"));
    } else if is_bearer && challenge::wants_basic(&answer.challenges) {
        let what = format!("{name} takes tokens as a password alone (Basic), and gets them as Bearer");
        let place = crate::doctor::written(host.profile);
        visit.report.problem(&AREA, what, format!("take auth = \"bearer\" for that host out of {place}"));
    }
}

fn setup(host: &Host<'_>) -> Mend {
    Mend::command(setup_command(&["git", &host.name], host.profile))
}

/// Every helper of the list is asked in turn, and all of them are handed what worked.
fn look_at_list(visit: &mut Visit<'_>, host: &Host<'_>, entries: &[HelperLine], list: &[&HelperLine], at: usize) {
    let is_other = |entry: &&&HelperLine| !entry.is_keyfob();
    let (before, after) = (&list[..at], &list[at + 1..]);
    if !list.iter().any(|entry| is_other(&entry)) {
        let what = format!("git asks keyfob alone for {} ({})", host.name, list[at].origin());
        return visit.report.ok(&AREA, what);
    }
    let last = list.iter().rfind(|entry| is_other(entry)).copied();
    let mend = last.map_or_else(|| setup(host), |last| mend_list(host, entries, list[at], last));
    for entry in before {
        let what = format!(
            "git asks {} before keyfob for {} ({}), and hands it every token that works",
            entry.name(),
            host.name,
            entry.origin()
        );
        visit.report.problem(&AREA, what, &mend);
    }
    for entry in after.iter().filter(is_other) {
        let what = format!("git hands {} every token that works at {} ({})", entry.name(), host.name, entry.origin());
        visit.report.problem(&AREA, what, &mend);
    }
}

/// Puts an empty entry and keyfob's after everything else that is said for the host: in the file that speaks last, at its
/// end. What is said for other hosts stays.
fn mend_list(host: &Host<'_>, entries: &[HelperLine], ours: &HelperLine, last: &HelperLine) -> Mend {
    let position = |wanted: &HelperLine| entries.iter().position(|entry| entry == wanted);
    // What speaks for everybody on this machine is not a person's to change, and speaks before the person.
    let late = if position(last) > position(ours) { last } else { ours };
    let late = if late.scope == "system" { None } else { Some(late) };
    let (place, file) = match late {
        None => (vec!["--global".to_owned()], None),
        Some(HelperLine { scope, .. }) if scope == "command" => {
            return format!("take credential.helper={} off git's command line or environment", last.name()).into();
        }
        Some(HelperLine { scope, file, .. }) if scope == "global" || scope == "local" => {
            (vec![format!("--{scope}")], file.as_ref())
        }
        Some(HelperLine { file, .. }) => (vec!["--file".to_owned(), file.clone().unwrap_or_default()], file.as_ref()),
    };
    let url = &host.url;
    let key = |name: &str| format!("credential.{url}.{name}");
    let config = |words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned());
        ["git", "config"].map(str::to_owned).into_iter().chain(place.clone()).chain(words).collect::<Vec<_>>()
    };
    // A section that is there already would stay where it is.
    let is_there = entries.iter().any(|entry| entry.url.as_ref() == Some(url) && entry.file.as_ref() == file);
    let mut commands = Vec::new();
    if is_there {
        commands.push(config(&["--remove-section", &format!("credential.{url}")]));
    }
    commands.push(config(&["--add", &key("helper"), ""]));
    let value = ours.value.as_deref().unwrap_or("keyfob");
    commands.push(config(&["--add", &key("helper"), value]));
    if is_there && helpers::tells_path(entries, &host.location) {
        commands.push(config(&[&key("useHttpPath"), "true"]));
    }
    Mend::commands(commands)
}

/// Whether what git runs is there, and answers for this host.
fn look_at_helper(visit: &mut Visit<'_>, host: &Host<'_>, entry: &HelperLine, before: &[PathBuf]) {
    let Runs::Keyfob { program, args } = entry.runs() else { return };
    match program {
        None => {
            programs::link(visit, &AREA, LINK, before, "--version");
            programs::by_name(visit, &AREA, CLIENT.name, LINK, setup(host));
        }
        Some(program) if program.contains(['/', '\\']) => {
            let path = Path::new(&program);
            if !is_program(path) {
                let what = format!("{program} ({}) is no program that can be run", entry.origin());
                visit.report.problem(&AREA, what, programs::link_at(path, &setup(host)));
            }
        }
        Some(program) => {
            programs::link(visit, &AREA, &program, before, "--version");
            programs::by_name(visit, &AREA, CLIENT.name, &program, setup(host));
        }
    }
    let words = [LINK.to_owned()].into_iter().chain(args).chain(["get".to_owned()]);
    let Ok(GitHelper { git }) = GitHelper::try_parse_from(words) else {
        let what = format!("keyfob does not understand what git runs it with ({})", entry.origin());
        return visit.report.problem(&AREA, what, setup(host));
    };
    let Some(bound) = git.profile.filter(|bound| host.profile.name.as_ref() != Some(bound)) else { return };
    let what = match visit.config.named(&bound) {
        Ok(_) => format!("it answers for profile {bound} alone, and {} is of {}", host.name, host.profile.title()),
        Err(error) => error.text(),
    };
    visit.report.problem(&AREA, format!("keyfob in {}: {what}", entry.origin()), setup(host));
}

/// Entries with a path are of use only where git tells it.
fn look_at_path(visit: &mut Visit<'_>, host: &Host<'_>, entries: &[HelperLine]) {
    let is_here = |entry: &HostPattern| {
        !entry.location.path.is_empty() && entry.location.authority() == host.location.authority()
    };
    let wants = visit.config.profiles.iter().flat_map(|profile| &profile.hosts).any(|(entry, _)| is_here(entry));
    if wants && !helpers::tells_path(entries, &host.location) {
        let url = &host.url;
        let what = format!("git does not tell the path at {url}, so that entries of hosts with a path never fit");
        let mend = Mend::run("git config --global").with(format!("credential.{url}.useHttpPath")).with(true);
        visit.report.problem(&AREA, what, mend);
    }
}
