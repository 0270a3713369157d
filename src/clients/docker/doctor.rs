//! docker: which registries it asks keyfob for, and a `get` for each as docker would run it.

use std::path::Path;

use serde_json::Value;

use super::wire::Server;
use super::{CLIENT, LINK, containers, written};
use crate::config::folders;
use crate::config::programs::container_tool;
use crate::desk::setup_command;
use crate::doctor::programs::{self, Version, ask, complaint};
use crate::doctor::report::Area;
use crate::doctor::{Concerned, Host, Visit};
use crate::escape::escape;
use crate::mend::Mend;
use crate::process::Answer;

const AREA: Area = Area::Client(CLIENT.name);

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
    let config = match written::read(&path) {
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
            if helper.is_none() && container_tool().is_some() && !containers::ask_keyfob(&key) {
                let what = "podman, skopeo and buildah do not read credsStore, and do not ask keyfob";
                visit.report.warning(&AREA, what, Some(Mend::run("keyfob setup docker --all")));
            }
            for (name, of) in written::logins(&config) {
                if of == key {
                    let what =
                        format!("{} has a login for {key} too, which docker sends where keyfob refuses", shown(&path));
                    visit.report.warning(&AREA, what, Some(Mend::run("docker logout").with(name)));
                }
            }
            if written::is_in_environment(&key) {
                let what =
                    format!("DOCKER_AUTH_CONFIG has a login for {key}, which docker sends before it asks keyfob");
                visit.report.problem(
                    &AREA,
                    what,
                    "unset DOCKER_AUTH_CONFIG, where it is set (a profile of the shell, a job of CI)",
                );
            }
            if let Some((what, mend)) = containers::goes_before(&key) {
                visit.report.warning(&AREA, what, Some(mend));
            }
            visit.note_asking(CLIENT.name, &host.name);
            programs::by_name(visit, &AREA, CLIENT.name, LINK, programs::link_for_everybody(LINK));
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
