//! A folder of our own for a moment: for the copy of a file that another program edits for us.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::private;
use crate::config::environment;
use crate::error::{Error, Result};
use crate::secret::hex;

/// A file in a folder that nobody else can look into; gone when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    file: PathBuf,
}

impl Scratch {
    /// A file with these bytes.
    pub(crate) fn new(bytes: &[u8]) -> Result<Self> {
        let mut random = [0; 8];
        let cannot = |error: anyhow::Error| Error::broken("cannot write a temporary file", error).hint("set TMPDIR");
        getrandom::getrandom(&mut random).map_err(|error| cannot(anyhow::Error::msg(error)))?;
        let folder = environment::temporary_folder().join(format!("keyfob-{}", hex(&random)));
        private::make_new_folder(&folder).map_err(|error| cannot(error.into()))?;
        let scratch = Self { file: folder.join("copy"), folder };
        private::create(&scratch.file)
            .and_then(|mut file| file.write_all(bytes))
            .map_err(|error| cannot(error.into()))?;
        Ok(scratch)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// What is in it now.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>> {
        fs::read(&self.file).map_err(|error| Error::broken("cannot read a temporary file", error))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left has nothing in it that the file itself has not.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
