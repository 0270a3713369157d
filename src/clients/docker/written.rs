//! What is written in docker's configuration, as docker reads it.

use std::io::{ErrorKind, Read};
use std::path::Path;

use serde_json::Value;

use super::wire::Server;
use crate::config::{environment, folders};
use crate::store;

/// A file written by hand and by docker; one that is larger is something else.
const SIZE_LIMIT: u64 = 4 << 20;

/// The registries that docker's configuration names: those with a login or its mark, and those with a helper of their own.
pub(super) fn names() -> Vec<String> {
    let config = folders::docker_config().ok().and_then(|path| read(&path).ok().flatten()).unwrap_or_default();
    let members = ["auths", "credHelpers"].into_iter().filter_map(|key| config[key].as_object());
    members.flat_map(|members| members.keys().cloned()).collect()
}

/// docker's configuration, where there is one; else why it cannot be used, to be put after its name.
pub(super) fn read(path: &Path) -> Result<Option<Value>, String> {
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

/// Whether the environment has a login for a registry (docker, `DOCKER_AUTH_CONFIG`).
pub(super) fn is_in_environment(registry: &str) -> bool {
    let config = environment::docker_auth_config().and_then(|text| serde_json::from_str(text.expose()).ok());
    let config: Value = config.unwrap_or_default();
    logins(&config).any(|(_, of)| of == registry)
}

/// The logins that stand in docker's configuration itself: each by the name it has there, and by the registry it is for. Where a
/// helper keeps a login, docker leaves an empty object as a mark.
pub(super) fn logins(config: &Value) -> impl Iterator<Item = (&String, String)> {
    let members = config["auths"].as_object().into_iter().flatten();
    members.filter(|(_, login)| login.as_object().is_some_and(|login| !login.is_empty())).filter_map(|(name, _)| {
        // docker takes the host alone of whatever was once written there.
        Some((name, Server::parse(name)?.location.authority()))
    })
}
