//! Where a person's files are on this system. The only file that names dirs.
//!
//! Without `HOME` (systemd, cron) the user database tells, as it tells docker, podman and skopeo; git, kubectl and Bazel go by `HOME` alone,
//! and so does what concerns them here.

use std::path::PathBuf;

#[cfg(unix)]
use super::accounts;
use super::environment;
use crate::error::{Error, Kind, Result};

/// The administrator's configuration, which a person's own overrides profile by profile.
pub(crate) fn system_config() -> Option<PathBuf> {
    cfg!(unix).then(|| PathBuf::from("/etc/keyfob/config.toml"))
}

/// The person's configuration: `KEYFOB_CONFIG`, else `keyfob/config.toml` in the system's configuration folder.
pub(crate) fn user_config() -> Option<PathBuf> {
    let folder = || of_person("XDG_CONFIG_HOME", dirs::config_dir, ".config");
    environment::config_file().or_else(|| Some(folder()?.join("keyfob").join("config.toml")))
}

/// The person's home folder, for programs that go by `HOME` alone.
pub(crate) fn home() -> Result<PathBuf> {
    home_folder().ok_or_else(homeless)
}

/// The person's home folder, for programs that look it up where `HOME` does not tell.
pub(crate) fn looked_up_home() -> Result<PathBuf> {
    home_folder().or_else(by_user_database).ok_or_else(homeless)
}

fn homeless() -> Error {
    Error::new(Kind::Broken, "no home folder is known").hint("set HOME")
}

/// Where git, podman and skopeo look for a person's configuration on every system: `XDG_CONFIG_HOME`, else `~/.config`.
pub(crate) fn xdg_config() -> Result<PathBuf> {
    environment::xdg_config_home().map_or_else(|| Ok(looked_up_home()?.join(".config")), Ok)
}

/// The file in which docker is told whom to ask for which registry: `$DOCKER_CONFIG/config.json`, else the one in `~/.docker`.
pub(crate) fn docker_config() -> Result<PathBuf> {
    let folder = environment::docker_config().map_or_else(|| Ok(looked_up_home()?.join(".docker")), Ok);
    folder.map(|folder| folder.join("config.json"))
}

/// Where podman, skopeo and buildah keep what is gone with the next boot, without a folder of the session's.
pub(crate) fn run_containers() -> PathBuf {
    #[cfg(unix)]
    let user = rustix::process::getuid().as_raw();
    #[cfg(not(unix))]
    let user = 0;
    PathBuf::from(format!("/run/containers/{user}"))
}

/// The file in which kubectl is told which plugins it may run.
pub(crate) fn kuberc() -> Option<PathBuf> {
    environment::kuberc().or_else(|| Some(home_folder()?.join(".kube").join("kuberc")))
}

/// The file that kubectl writes where `KUBECONFIG` names none.
pub(crate) fn kubeconfig() -> Option<PathBuf> {
    Some(home_folder()?.join(".kube").join("config"))
}

/// The folder for what keyfob keeps: `KEYFOB_STATE_DIR`, else `keyfob` in the system's state folder (local application
/// data where a system has no such folder).
pub(crate) fn state() -> Result<PathBuf> {
    let own = || dirs::state_dir().or_else(dirs::data_local_dir);
    let folder = || of_person("XDG_STATE_HOME", own, ".local/state");
    environment::state_folder()
        .or_else(|| Some(folder()?.join("keyfob")))
        .ok_or_else(|| Error::new(Kind::Broken, "no home folder is known").hint("set HOME, or KEYFOB_STATE_DIR"))
}

/// The person's home folder, where the environment tells it. Without `HOME`, dirs would have the C library look it up, whose
/// plug-ins (NSS) crash a static program.
fn home_folder() -> Option<PathBuf> {
    (!cfg!(unix) || environment::has_folder("HOME")).then(dirs::home_dir)?
}

/// The home folder that the file of users has, where `HOME` is not set. One that is set and is no whole path is a mistake to be told.
fn by_user_database() -> Option<PathBuf> {
    #[cfg(unix)]
    if !environment::is_set("HOME") {
        return accounts::home();
    }
    None
}

/// A folder below it. `variable` names the folder itself on Linux; without either it is `below` the home that is looked up.
fn of_person(variable: &str, folder: impl FnOnce() -> Option<PathBuf>, below: &str) -> Option<PathBuf> {
    if !cfg!(unix) || environment::has_folder("HOME") || environment::has_folder(variable) {
        return folder();
    }
    let below = if cfg!(target_os = "macos") { "Library/Application Support" } else { below };
    Some(by_user_database()?.join(below))
}
