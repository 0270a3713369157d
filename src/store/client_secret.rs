//! A client's secret, where a provider wants one: read from a file of its own, and only when it is sent.

use std::path::Path;

use zeroize::Zeroize;

use super::private;
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// More than any secret has.
const LONGEST: usize = 4_096;

/// The secret in that file, which has to be ours and closed to others, without the line's end.
pub(crate) fn read(path: &Path) -> Result<Secret> {
    let error = |what: &str| Error::new(Kind::Configuration, format!("client_secret_file: {} {what}", path.display()));
    if path.is_symlink() {
        return Err(error("is a symbolic link").hint("name the file itself in the profile"));
    }
    let Some(mut bytes) = private::read(path)? else {
        return Err(error("does not exist").hint("write the secret to it, and run: chmod 600"));
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let secret = (bytes.len() <= LONGEST && Secret::new(text).is_token()).then(|| Secret::new(text));
    bytes.zeroize();
    secret
        .ok_or_else(|| error("holds no secret").hint("write the secret to it, on one line and with nothing beside it"))
}
