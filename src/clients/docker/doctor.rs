//! docker: which registries it asks keyfob for, and a `get` for each as docker would run it.

use std::io::{ErrorKind, Read};
use std::path::Path;

use serde_json::Value;

use super::wire::Server;
use super::{CLIENT, LINK, containers};
use crate::config::folders;
use crate::config::programs::has_container_tools;
use crate::desk::setup_command;
use crate::doctor::programs::{self, Version, ask, complaint};
use crate::doctor::report::Area;
use crate::doctor::{Concerned, Host, Visit};
use crate::escape::escape;
use crate::mend::Mend;
use crate::process::Answer;
use crate::store;

const AREA: Area = Area::Client(CLIENT.name);
/// A file written by hand and by docker; one that is larger is something else.
const SIZE_LIMIT: u64 = 4 << 20;

/// Which docker is here.
pub(super) fn program(visit: &mut Visit<'_>) -> Option<Version> {
    let docker = programs::version(visit, CLIENT.name, &["--version"]);
    if let Some((_, text)) = &docker {
        visit.report.ok(&Area::Programs, format!("docker {text}: it asks a credential helper for each registry"));
    }
    docker.map(|(version, _)| version)
}

/// Looks at the hosts docker knows of, and notes those it asks keyfob for.
pub(super) fn examine<'v>(visit: &mut Visit<'v>, concerned: &Concerned<'v>) {
    let Ok(path) = folders::docker_config() else { return };
    let config = match read(&path) {
        Ok(Some(config)) => config,
        Ok(None) => return,
        Err(why) => {
            let what = format!("{} {why}, and docker goes on without it", path.display());
            visit.report.problem(
                &AREA,
                what,
                Mend::run("mv").with(shown(&path)).with(shown(&path) + ".old").lead("correct it, or"),
            );
            return;
        }
    };
    let helpers = config.get("credHelpers").and_then(Value::as_object);
    let store = config.get("credsStore").and_then(Value::as_str);
    for host in &concerned.hosts {
        let key = host.location.authority();
        let helper = helpers.and_then(|helpers| helpers.get(&key)).and_then(Value::as_str);
        if helper.or(store) == Some("keyfob") {
            if helper.is_none() && has_container_tools() && !containers::ask_keyfob(&key) {
                let what = "podman, skopeo and buildah do not read credsStore, and do not ask keyfob";
                visit.report.warning(&AREA, what, Some(Mend::run("keyfob setup docker --all")));
            }
            visit.note_asking(CLIENT.name, &host.name);
            replay(visit, host, &key, &path);
            continue;
        }
        let misspelt = helpers.into_iter().flatten().find(|(name, helper)| {
            let same = Server::parse(name).is_some_and(|server| server.location.authority() == key);
            same && **name != key && helper.as_str() == Some("keyfob")
        });
        if let Some((name, _)) = misspelt {
            let what =
                format!("docker looks for \"{key}\" in credHelpers, and {} has \"{}\"", shown(&path), escape(name));
            visit.report.problem(&AREA, what, setup(host));
            visit.note_asking(CLIENT.name, &host.name);
        } else if let Some(other) = helper.filter(|_| visit.named.is_some()) {
            visit.report.warning(&AREA, format!("docker asks {} for {key}", escape(other)), Some(setup(host)));
        }
    }
    let is_here = visit.version(CLIENT.name).is_some();
    let asks = concerned.hosts.iter().any(|host| visit.asks_for(&host.name) == Some(CLIENT.name));
    if is_here && !asks && store == Some("keyfob") && visit.named.is_none() {
        programs::link(visit, &AREA, LINK, &[], "version");
    }
}

fn setup(host: &Host<'_>) -> Mend {
    Mend::command(setup_command(&["docker", &host.location.authority()], host.profile))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The registries that docker's configuration names: those with a login or its mark, and those with a helper of their own.
pub(super) fn names() -> Vec<String> {
    let config = folders::docker_config().ok().and_then(|path| read(&path).ok().flatten()).unwrap_or_default();
    let members = ["auths", "credHelpers"].into_iter().filter_map(|key| config[key].as_object());
    members.flat_map(|members| members.keys().cloned()).collect()
}

/// docker's configuration, where there is one; else why it cannot be used, to be put after its name.
fn read(path: &Path) -> Result<Option<Value>, String> {
    let mut text = Vec::new();
    let done = store::open_plain(path).and_then(|file| file.take(SIZE_LIMIT).read_to_end(&mut text));
    match done {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(format!("cannot be read ({error})")),
    }
    // Not the error's own words: they may quote a password that stands there.
    let config: Value =
        serde_json::from_slice(&text).map_err(|error| format!("is no JSON at line {}", error.line()))?;
    if config.is_object() { Ok(Some(config)) } else { Err("is no JSON object".to_owned()) }
}

/// Asks as docker would, and looks whether there is an answer; never at it.
fn replay(visit: &mut Visit<'_>, host: &Host<'_>, key: &str, path: &Path) {
    if !programs::link(visit, &AREA, LINK, &[], "version") {
        return;
    }
    if !visit.is_signed_in(host.profile) {
        return visit
            .report
            .ok(&AREA, format!("docker asks keyfob for {key} ({}), not tried, as there is no token yet", shown(path)));
    }
    let environment = [("KEYFOB_INTERACTIVE".to_owned(), "never".to_owned())];
    match ask(LINK.as_ref(), &["get"], &environment, key.as_bytes()) {
        Ok(answer) if answer.succeeded && is_credential(&answer) => {
            visit.report.ok(&AREA, format!("docker asks keyfob for {key} ({}), and gets a token", shown(path)));
        }
        Ok(answer) => {
            let error = complaint(host.profile, host.destination(), &answer);
            visit.report.error_in(&AREA, &format!("docker gets no token for {key}"), &error);
        }
        Err(error) => visit.report.problem(&AREA, format!("{LINK} {}", programs::why(&error)), setup(host)),
    }
}

fn is_credential(answer: &Answer) -> bool {
    let credential = serde_json::from_slice::<Value>(answer.stdout.expose()).ok();
    credential.is_some_and(|value| value["Secret"].as_str().is_some_and(|secret| !secret.is_empty()))
}
