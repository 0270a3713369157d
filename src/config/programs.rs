//! Programs on PATH, as whoever starts one by its name finds it.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::environment;
use crate::process::{self, Answer, With};

/// The file of a program: with `.exe` where that is how files say so.
pub(crate) fn file_name(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

/// The program of that name on PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    find_in(environment::search_path(), name)
}

/// The first program of that name in some folders.
pub(crate) fn find_in(folders: impl IntoIterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    let file = file_name(name);
    folders.into_iter().map(|folder| folder.join(&file)).find(|path| is_program(path))
}

/// The same for what may be a path already. By the bare name the system would look through PATH with the words in it that depend on
/// where one is: an empty one is the current folder, which somebody else may have filled.
pub(crate) fn resolve(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    let is_bare = path.components().count() == 1 && path.file_name() == Some(program);
    if is_bare { find(path.to_str()?) } else { Some(path.to_owned()) }
}

/// The program that the first word of a person's command is.
#[cfg(not(windows))]
pub(crate) fn command(word: &OsStr) -> Option<PathBuf> {
    resolve(word)
}

/// The same, where files say by their ends that they are programs, and people leave that out.
#[cfg(windows)]
pub(crate) fn command(word: &OsStr) -> Option<PathBuf> {
    let path = Path::new(word);
    if path.components().count() != 1 {
        return Some(path.to_owned());
    }
    let names = ["", ".exe", ".cmd", ".bat"].map(|end| format!("{}{end}", word.to_string_lossy()));
    let mut paths = names.iter().flat_map(|name| environment::search_path().into_iter().map(move |at| at.join(name)));
    paths.find(|path| path.extension().is_some() && is_program(path))
}

/// Runs a program, by its name or its path, to its end; as [`process::ask`] does.
///
/// # Errors
///
/// `NotFound`: there is no such program. `TimedOut`: it took too long.
pub(crate) fn ask<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = S>,
    with: &With<'_>,
) -> io::Result<Answer> {
    let program = resolve(program.as_ref()).ok_or(ErrorKind::NotFound)?;
    process::ask(program, args, with)
}

/// One of those that read docker's configuration in a way of their own (`credHelpers` and no `credsStore`), where there is one.
pub(crate) fn container_tool() -> Option<&'static str> {
    ["podman", "skopeo", "buildah"].into_iter().find(|name| find(name).is_some())
}

/// Whether there is a program at a path that we may run.
#[cfg(unix)]
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Whether there is a program at a path.
#[cfg(not(unix))]
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Whether two paths lead to the same file, behind all links.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Whether we may put a program into a folder.
#[cfg(unix)]
pub(crate) fn is_writable(folder: &Path) -> bool {
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Whether we may put a program into a folder, as far as its attributes say.
#[cfg(not(unix))]
pub(crate) fn is_writable(folder: &Path) -> bool {
    folder.metadata().is_ok_and(|meta| !meta.permissions().readonly())
}
