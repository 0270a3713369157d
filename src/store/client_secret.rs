//! A client's secret, where a provider wants one: read from a file of its own, and only when it is sent. `setup profile`
//! makes that file for a secret that it found elsewhere.

use std::fs;
use std::io::Write;
use std::path::Path;

use zeroize::Zeroize;

use super::private;
use crate::error::{Error, Kind, Result};
use crate::mend::Mend;
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
        return Err(error("does not exist")
            .hint(Mend::run("chmod 600").with(path.display()).lead("write the secret to it, and")));
    };
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let secret = (bytes.len() <= LONGEST && Secret::new(text).is_token()).then(|| Secret::new(text));
    bytes.zeroize();
    secret
        .ok_or_else(|| error("holds no secret").hint("write the secret to it, on one line and with nothing beside it"))
}

/// Writes a secret that was found elsewhere to a file of its own; whether it was not there before.
///
/// # Errors
///
/// It is none, or another one is there.
pub(crate) fn keep(path: &Path, secret: &Secret) -> Result<bool> {
    if !secret.is_token() || secret.expose().len() > LONGEST {
        return Err(Error::new(Kind::Configuration, "the client secret that was found is none")
            .hint("write it to a file of mode 0600 and name that with --client-secret-file"));
    }
    if path.exists() {
        let other = || {
            Error::new(Kind::Configuration, format!("{} holds another client secret", path.display()))
                .hint(Mend::run("rm").with(path.display()))
        };
        return if read(path)? == *secret { Ok(false) } else { Err(other()) };
    }
    let folder = path.parent().unwrap_or(path);
    let written = private::make_folder(folder)
        .and_then(|()| private::create(path))
        .and_then(|mut file| file.write_all(format!("{}\n", secret.expose()).as_bytes()));
    written.map(|()| true).map_err(|error| {
        forget(path);
        Error::broken(format!("cannot write {}", path.display()), error)
    })
}

/// Removes a file that [`keep`] made.
pub(crate) fn forget(path: &Path) {
    let _ = fs::remove_file(path);
}
