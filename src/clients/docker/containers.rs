//! The files of podman, skopeo and buildah, which know `credHelpers` and no `credsStore`.

use std::fs;
use std::path::{Path, PathBuf};

use super::written;
use crate::config::{environment, folders, programs};
use crate::error::{Error, Kind, Result};
use crate::mend::Mend;
use crate::output::say;
use crate::setup::Entries;
use crate::store::foreign::Foreign;

/// A drop-in goes over registries.conf and does not replace it (containers-registries.conf.d(5)). keyfob comes first, so
/// that an old entry of auth.json does not hide it; what it does not know is looked up there.
const DROP_IN: &str = "credential-helpers = [\"keyfob\", \"containers-auth.json\"]\n";

/// The one entry's name.
const LIST: &str = "credential-helpers";

/// Whether anybody reads them here.
pub(super) fn are_used(auth_file: &Path) -> bool {
    auth_file.exists() || programs::container_tool().is_some() || runtime_file().is_some_and(|path| path.exists())
}

/// The person's file that outlives a reboot, of those that podman, skopeo and buildah read (containers-auth.json(5)).
pub(super) fn auth_file() -> Result<PathBuf> {
    match environment::registry_auth_file() {
        Some(path) => Ok(path),
        None => Ok(folders::xdg_config()?.join("containers").join("auth.json")),
    }
}

/// The file that `podman login` writes, of those that are read the first; none of it outlives a reboot.
fn runtime_file() -> Option<PathBuf> {
    if environment::registry_auth_file().is_some() || !cfg!(target_os = "linux") {
        return None;
    }
    let folder = environment::runtime_folder().map(|folder| folder.join("containers"));
    Some(folder.unwrap_or_else(folders::run_containers).join("auth.json"))
}

/// What podman, skopeo and buildah send for a registry before they ask keyfob, and what ends that.
pub(super) fn goes_before(registry: &str) -> Option<(String, Mend)> {
    let path = runtime_file()?;
    let file = written::read(&path).ok()??;
    let (name, _) = written::logins(&file).find(|(_, of)| of == registry)?;
    // A helper in the same file goes before its logins, and a list of helpers before all files.
    if file["credHelpers"][registry].is_string() || list_names_keyfob() {
        return None;
    }
    let what = format!(
        "{} has a login for {registry}, which podman, skopeo and buildah send before they ask keyfob",
        path.display()
    );
    let tool = programs::container_tool().unwrap_or("podman");
    Some((what, Mend::run(tool).with("logout").with(name)))
}

/// Where podman, skopeo and buildah look for what goes over registries.conf; `XDG_CONFIG_HOME` counts for auth.json alone.
pub(super) fn drop_in() -> Result<PathBuf> {
    Ok(containers_folder()?.join("registries.conf.d").join("50-keyfob.conf"))
}

fn containers_folder() -> Result<PathBuf> {
    Ok(folders::looked_up_home()?.join(".config").join("containers"))
}

/// Whether podman, skopeo and buildah ask keyfob for a registry: by a list of theirs for all, or by `auth.json` for this
/// one. A file that cannot be read says nothing.
pub(super) fn ask_keyfob(registry: &str) -> bool {
    let helper = || Some(written::read(&auth_file().ok()?).ok()??["credHelpers"][registry] == "keyfob");
    list_names_keyfob() || helper().unwrap_or_default()
}

/// Whether a list of helpers for every registry has keyfob.
fn list_names_keyfob() -> bool {
    let folder = containers_folder().unwrap_or_default();
    let drop_ins = fs::read_dir(folder.join("registries.conf.d")).into_iter().flatten().flatten();
    let lists = drop_ins.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "conf"));
    let names_us = |path: PathBuf| {
        let bytes = Foreign::read(&path).ok().and_then(|file| file.bytes().map(<[u8]>::to_vec)).unwrap_or_default();
        lines(&bytes).any(|line| names_helpers(line) && String::from_utf8_lossy(line).contains("\"keyfob\""))
    };
    lists.chain([folder.join("registries.conf")]).any(names_us)
}

/// Says which list of helpers counts no more beside our own: a drop-in's list takes the place of the file's.
pub(super) fn say_what_goes_behind() -> Result<()> {
    for file in [containers_folder()?.join("registries.conf"), PathBuf::from("/etc/containers/registries.conf")] {
        let Some(bytes) = Foreign::read(&file)?.bytes().map(<[u8]>::to_vec) else { continue };
        if lines(&bytes).any(names_helpers) {
            let drop_in = drop_in()?;
            say(&format!(
                "{}: its credential-helpers count no more beside those of {}; add them there",
                file.display(),
                drop_in.display()
            ))?;
        }
        // The machine's file is not read beside the person's.
        break;
    }
    Ok(())
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split_inclusive(|byte| *byte == b'\n')
}

fn names_helpers(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(LIST.as_bytes())
}

/// Our line: keyfob for every registry.
#[derive(Debug)]
pub(super) struct DropIn;

impl DropIn {
    /// Without our line, or where somebody has made the list longer, without our name.
    fn without(file: &[u8]) -> Vec<u8> {
        let without = |line: &[u8]| match std::str::from_utf8(line) {
            Ok(text) if text.trim_end() == DROP_IN.trim_end() => Vec::new(),
            Ok(text) if names_helpers(line) => {
                text.replace("\"keyfob\", ", "").replace(", \"keyfob\"", "").into_bytes()
            }
            _ => line.to_vec(),
        };
        lines(file).flat_map(without).collect()
    }
}

impl Entries for DropIn {
    fn put_in(&self, file: Option<&[u8]>) -> Result<(Vec<u8>, Vec<String>)> {
        let file = file.unwrap_or_default();
        if !self.ours(file)?.is_empty() {
            return Ok((file.to_vec(), Vec::new()));
        }
        if lines(file).any(names_helpers) {
            let what = format!("{} names other helpers", drop_in()?.display());
            return Err(Error::new(Kind::Broken, what).hint("add \"keyfob\" to its credential-helpers"));
        }
        // First: below a table's header it would be the table's.
        Ok(([DROP_IN.as_bytes(), file].concat(), vec![LIST.to_owned()]))
    }

    fn take_back(&self, file: &[u8], _before: &[u8], _names: &[String]) -> Result<Vec<u8>> {
        Ok(Self::without(file))
    }

    fn ours(&self, file: &[u8]) -> Result<Vec<String>> {
        Ok(if Self::without(file) == file { Vec::new() } else { vec![LIST.to_owned()] })
    }

    fn picks(&self, _name: &str) -> bool {
        true
    }

    fn lines(&self, _names: &[String], undo: bool) -> Vec<String> {
        vec![format!("{}{}", if undo { "without " } else { "" }, DROP_IN.trim_end())]
    }

    fn is_private(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_was_made_longer_loses_our_name_alone() {
        for (file, left) in [
            (DROP_IN, ""),
            ("# x\ncredential-helpers = [\"keyfob\", \"containers-auth.json\"]\r\n[a]\n", "# x\n[a]\n"),
            ("credential-helpers = [\"pass\", \"keyfob\"]", "credential-helpers = [\"pass\"]"),
            ("credential-helpers = [\"keyfob\", \"pass\"]\n", "credential-helpers = [\"pass\"]\n"),
        ] {
            assert_eq!(String::from_utf8(DropIn::without(file.as_bytes())).unwrap(), left);
            assert_eq!(DropIn.put_in(Some(file.as_bytes())).unwrap().0, file.as_bytes(), "it is there already");
        }
        assert_eq!(DropIn.put_in(Some(b"[a]\n")).unwrap().0, format!("{DROP_IN}[a]\n").as_bytes());
    }
}
