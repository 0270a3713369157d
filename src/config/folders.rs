//! Where a person's files are on this system. The only file that names dirs.

use std::path::PathBuf;

use super::environment;
use crate::error::{Error, Kind, Result};

/// The administrator's configuration, which a person's own overrides profile by profile.
pub(crate) fn system_config() -> Option<PathBuf> {
    cfg!(unix).then(|| PathBuf::from("/etc/keyfob/config.toml"))
}

/// The person's configuration: `KEYFOB_CONFIG`, else `keyfob/config.toml` in the system's configuration folder.
pub(crate) fn user_config() -> Option<PathBuf> {
    environment::config_file().or_else(|| Some(dirs::config_dir()?.join("keyfob").join("config.toml")))
}

/// The folder for what keyfob keeps: `KEYFOB_STATE_DIR`, else `keyfob` in the system's state folder (local application
/// data where a system has no such folder).
pub(crate) fn state() -> Result<PathBuf> {
    environment::state_folder()
        .or_else(|| Some(dirs::state_dir().or_else(dirs::data_local_dir)?.join("keyfob")))
        .ok_or_else(|| Error::new(Kind::Broken, "no home folder is known").hint("set HOME, or KEYFOB_STATE_DIR"))
}
