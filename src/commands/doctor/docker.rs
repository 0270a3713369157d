//! docker: which registries it asks keyfob for, and a `get` for each as docker would run it.

use std::io::{ErrorKind, Read};
use std::path::Path;

use serde_json::Value;

use super::programs::{self, Programs, ask};
use super::report::Area;
use super::{Host, Visit};
use crate::commands::setup::containers;
use crate::commands::setup_command;
use crate::config::folders;
use crate::config::programs::has_container_tools;
use crate::escape::{escape, quote};
use crate::process::Answer;
use crate::protocol::docker::Server;
use crate::store;

const AREA: Area = Area::Docker;
const HELPER: &str = "docker-credential-keyfob";
/// A file written by hand and by docker; one that is larger is something else.
const SIZE_LIMIT: u64 = 4 << 20;

/// Looks at the hosts docker knows of. The names of those it asks keyfob for.
pub(super) fn examine(visit: &mut Visit<'_>, hosts: &[Host<'_>], programs: &Programs) -> Vec<String> {
    let Ok(path) = folders::docker_config() else { return Vec::new() };
    let config = match read(&path) {
        Ok(Some(config)) => config,
        Ok(None) => return Vec::new(),
        Err(why) => {
            let what = format!("{} {why}, and docker goes on without it", path.display());
            visit.report.problem(&AREA, what, format!("correct it, or run: mv {0} {0}.old", quote(&shown(&path))));
            return Vec::new();
        }
    };
    let helpers = config.get("credHelpers").and_then(Value::as_object);
    let store = config.get("credsStore").and_then(Value::as_str);
    let mut asks = Vec::new();
    for host in hosts {
        let key = host.location.authority();
        let helper = helpers.and_then(|helpers| helpers.get(&key)).and_then(Value::as_str);
        if helper.or(store) == Some("keyfob") {
            if helper.is_none() && has_container_tools() && !containers::ask_keyfob(&key) {
                let what = "podman, skopeo and buildah do not read credsStore, and do not ask keyfob";
                visit.report.warning(&AREA, what, Some("run: keyfob setup docker --all"));
            }
            asks.push(host.name.clone());
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
            asks.push(host.name.clone());
        } else if let Some(other) = helper.filter(|_| visit.named.is_some()) {
            visit.report.warning(&AREA, format!("docker asks {} for {key}", escape(other)), Some(&setup(host)));
        }
    }
    if programs.docker && asks.is_empty() && store == Some("keyfob") && visit.named.is_none() {
        programs::link(visit, &AREA, HELPER, &[], "version");
    }
    asks
}

fn setup(host: &Host<'_>) -> String {
    format!("run: {}", setup_command(&format!("docker {}", quote(&host.location.authority())), host.profile))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
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
    if !programs::link(visit, &AREA, HELPER, &[], "version") {
        return;
    }
    if !visit.is_signed_in(host.profile) {
        return visit
            .report
            .ok(&AREA, format!("docker asks keyfob for {key} ({}), not tried, as there is no token yet", shown(path)));
    }
    let environment = [("KEYFOB_INTERACTIVE".to_owned(), "never".to_owned())];
    match ask(HELPER.as_ref(), &["get"], &environment, key.as_bytes()) {
        Ok(answer) if answer.succeeded && is_credential(&answer) => {
            visit.report.ok(&AREA, format!("docker asks keyfob for {key} ({}), and gets a token", shown(path)));
        }
        Ok(answer) => {
            let (what, mend) = complaint(&answer);
            visit.report.problem(&AREA, format!("docker gets no token for {key}: {what}"), mend);
        }
        Err(error) => visit.report.problem(&AREA, format!("{HELPER} {}", programs::why(&error)), setup(host)),
    }
}

fn is_credential(answer: &Answer) -> bool {
    let credential = serde_json::from_slice::<Value>(answer.stdout.expose()).ok();
    credential.is_some_and(|value| value["Secret"].as_str().is_some_and(|secret| !secret.is_empty()))
}

/// What a keyfob said on stderr in place of an answer, and its mend.
pub(super) fn complaint(answer: &Answer) -> (String, String) {
    let said = String::from_utf8_lossy(answer.stderr.expose()).into_owned();
    let lines: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("keyfob: ")).collect();
    let hint = lines.iter().find_map(|line| line.strip_prefix("hint: ")).map(str::to_owned);
    let sentence = lines.iter().find(|line| !line.starts_with("hint: ")).copied().unwrap_or("it says nothing of use");
    // That a human is needed is said on one line.
    let (sentence, own) = match sentence.rsplit_once("; run: ") {
        Some((sentence, command)) => (sentence, Some(format!("run: {command}"))),
        None => (sentence, None),
    };
    (escape(sentence), hint.or(own).unwrap_or_else(|| "run: keyfob status".to_owned()))
}
