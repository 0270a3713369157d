//! What issuers said of themselves, one small file each beside the sessions. Nothing in them is secret, but where a refresh
//! token is sent depends on them: they are as private as a record.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::private;
use crate::clock::Timestamp;
use crate::config::folders;
use crate::error::Result;
use crate::oauth::discovery::Metadata;
use crate::secret::Secret;

/// Raised when the file is written in another way; older ones are then read anew from the issuer.
const VERSION: u32 = 1;

/// An issuer's metadata, and when it was read there.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Kept {
    version: u32,
    pub(crate) read_at: Timestamp,
    pub(crate) metadata: Metadata,
}

/// The folder with all of them.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// The person's. Touches no file.
    pub(crate) fn open() -> Result<Self> {
        Ok(Self { folder: folders::state()?.join("metadata") })
    }

    /// What is kept of an issuer. A file that is no metadata counts as missing.
    pub(crate) fn get(&self, issuer: &str) -> Result<Option<Kept>> {
        let bytes = private::read(&self.path(issuer))?;
        let kept = bytes.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
        Ok(kept.filter(|kept| kept.version == VERSION && kept.metadata.issuer == issuer))
    }

    /// Keeps what an issuer said at `now`. That it cannot be kept costs another request, later.
    pub(crate) fn put(&self, metadata: &Metadata, now: Timestamp) {
        let path = self.path(&metadata.issuer);
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let kept = Kept { version: VERSION, read_at: now, metadata: metadata.clone() };
        let written = serde_json::to_vec(&kept).map_err(std::io::Error::from).and_then(|bytes| {
            private::put(&temporary, &bytes)?;
            fs::rename(&temporary, &path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
    }

    fn path(&self, issuer: &str) -> PathBuf {
        self.folder.join(format!("{}.json", Secret::new(issuer).fingerprint()))
    }
}
