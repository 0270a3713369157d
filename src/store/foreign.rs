//! Files of other programs that `keyfob setup` edits: `.gitconfig`, a kubeconfig, docker's `config.json`.
//!
//! A file is replaced whole, by rename, behind whatever links lead to it, and keeps its mode and owner. The new file is
//! called `NAME.lock` before, which must not be there: git and kubectl take that name for their own lock, so neither writes
//! meanwhile, and a change that came between our reading and our writing is noticed. Its first name is one of ours (litter), so that
//! a lock that a killed setup left can be told from everybody else's.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::litter::{self, Noted, PREFIX};
use super::private;
use crate::error::{Error, Kind, Result};
use crate::mend::Mend;
use crate::process::signals::Hold;

/// No file that people edit is larger.
const SIZE_LIMIT: u64 = 1 << 20;

/// A file of another program, as it was when it was read.
pub(crate) struct Foreign {
    /// As its program names it.
    path: PathBuf,
    /// The file itself, behind all links.
    target: PathBuf,
    /// What is in it; `None` where there is no file.
    bytes: Option<Vec<u8>>,
}

impl fmt::Debug for Foreign {
    /// Not what is in it, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Foreign {
    /// Reads the file at `path`; one that is not there is empty in its own way.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let target = follow(path)?;
        let bytes = contents(&target)?;
        Ok(Self { path: path.to_owned(), target, bytes })
    }

    /// The file itself, behind all links.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// What was in it; `None` where there was no file.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.as_deref()
    }

    /// Puts `bytes` in its place, or removes it with `None`. A new file is for nobody else to read where `private`.
    ///
    /// # Errors
    ///
    /// Somebody else edits it right now, or has since it was read; or it cannot be written.
    pub(crate) fn replace(&self, bytes: Option<&[u8]>, private: bool) -> Result<()> {
        let folder = self.target.parent().unwrap_or(&self.target);
        if bytes.is_some() && !folder.exists() {
            private::make_folder(folder).map_err(|error| self.cannot(error))?;
        }
        let lock = lock_path(&self.target);
        let own = folder.join(format!("{PREFIX}{}", litter::random_name()?));
        let _held = Hold::for_a_moment();
        let _noted = Noted::new(&own, Some(&lock));
        let done = self.replace_by(&own, &lock, bytes, private);
        let _ = fs::remove_file(&own);
        done
    }

    /// `own` is the new file's first name, and `lock` its second.
    fn replace_by(&self, own: &Path, lock: &Path, bytes: Option<&[u8]>, private: bool) -> Result<()> {
        // As closed as the file, which may hold secrets, from its first moment.
        let filled = create(own, private || self.bytes.is_some()).and_then(|file| self.fill(file, bytes));
        match filled.and_then(|()| take_name(own, lock)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::new(Kind::Transient, format!("another program edits {}", self.path.display()))
                    .hint(Mend::run("rm").with(lock.display()).lead("wait for it; if none does,")));
            }
            Err(error) => return Err(self.cannot(error)),
        }
        let done = self.put(lock, bytes.is_some());
        if done.is_err() {
            let _ = fs::remove_file(lock);
        }
        done
    }

    /// Fills what is to take its place.
    fn fill(&self, mut file: File, bytes: Option<&[u8]>) -> io::Result<()> {
        let Some(bytes) = bytes else { return Ok(()) };
        file.write_all(bytes)?;
        if let Ok(meta) = fs::metadata(&self.target) {
            keep_owner(&file, &meta)?;
            file.set_permissions(meta.permissions())?;
        }
        file.sync_all()
    }

    /// Puts what is called `lock` in its place, or removes it; unless somebody has changed it since it was read.
    fn put(&self, lock: &Path, is_filled: bool) -> Result<()> {
        if contents(&self.target)? != self.bytes {
            return Err(Error::new(Kind::Transient, format!("{} changed just now", self.path.display()))
                .hint("run the command again"));
        }
        let done = if is_filled {
            let folder = self.target.parent().unwrap_or(&self.target);
            fs::rename(lock, &self.target).and_then(|()| private::sync_folder(folder))
        } else {
            match fs::remove_file(&self.target) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => fs::remove_file(lock),
            }
        };
        done.map_err(|error| self.cannot(error))
    }

    fn cannot(&self, error: io::Error) -> Error {
        Error::broken(format!("cannot write {}", self.path.display()), error).hint(
            "if it is yours, make it and its folder writable; else run keyfob as its owner, or write there by hand what --dry-run prints",
        )
    }
}

/// Gives a file the name of the lock, which must not be there. Where files cannot have two names (FAT, some network homes), it is moved
/// to a file that was made under that name: one that is left there by a kill is nobody's to tell.
fn take_name(own: &Path, lock: &Path) -> io::Result<()> {
    match fs::hard_link(own, lock) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            create(lock, true)?;
            fs::rename(own, lock)
        }
        done => done,
    }
}

/// The name that git and kubectl lock a file by.
fn lock_path(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Where the links at `path` end, also when nothing is there yet.
fn follow(path: &Path) -> Result<PathBuf> {
    let mut here = path.to_owned();
    // As many as the kernel follows (path_resolution(7)).
    for _ in 0..40 {
        match fs::read_link(&here) {
            Ok(next) => here = here.parent().unwrap_or(Path::new("/")).join(next),
            Err(_) => return Ok(behind_folders(&here)),
        }
    }
    Err(Error::new(Kind::Broken, format!("{} is a link that leads round in a circle", path.display()))
        .hint(Mend::run("rm").with(path.display())))
}

/// The same path without a link among its folders, so that a file has one name whether it is there already or not.
fn behind_folders(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (path.parent(), path.file_name()) {
        _ if path.exists() => fs::canonicalize(&path).unwrap_or(path),
        (Some(folder), Some(name)) => behind_folders(folder).join(name),
        _ => path,
    }
}

fn contents(target: &Path) -> Result<Option<Vec<u8>>> {
    let unreadable = |error: io::Error| {
        Error::broken(format!("cannot read {}", target.display()), error).hint("is it the right file?")
    };
    // What is no plain file has a meaning of its own (/dev/null): it is not to be replaced by one.
    let file = match private::open_plain(target) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mut bytes = Vec::new();
    file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(Error::new(Kind::Broken, format!("{} is larger than a megabyte", target.display()))
            .hint("edit it by hand; the pages in integrations/ show the lines"));
    }
    Ok(Some(bytes))
}

fn create(path: &Path, private: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if private { 0o600 } else { 0o644 });
    #[cfg(not(unix))]
    let _ = private;
    options.open(path)
}

/// Root who edits a person's file leaves it that person's.
#[cfg(unix)]
fn keep_owner(file: &File, was: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let is = file.metadata()?;
    if (is.uid(), is.gid()) == (was.uid(), was.gid()) {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(was.uid()), Some(was.gid()))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "there is nothing that fails there")]
fn keep_owner(_file: &File, _was: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn written_behind_links_with_its_mode() {
        let root = tempfile::tempdir().unwrap();
        let (real, link) = (root.path().join("dotfiles/config"), root.path().join("config"));
        fs::create_dir(root.path().join("dotfiles")).unwrap();
        symlink("dotfiles/config", &link).unwrap();
        Foreign::read(&link).unwrap().replace(Some(b"one"), true).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        Foreign::read(&link).unwrap().replace(Some(b"two"), true).unwrap();
        assert_eq!((fs::read(&real).unwrap(), link.is_symlink()), (b"two".to_vec(), true));
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(root.path().join("dotfiles")).unwrap().count(), 1, "no lock is left");
        Foreign::read(&link).unwrap().replace(None, true).unwrap();
        assert!(!real.exists() && link.is_symlink());
    }

    #[test]
    fn nobody_elses_change_is_overwritten() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("config");
        let seen = Foreign::read(&path).unwrap();
        fs::write(&path, "theirs").unwrap();
        assert!(seen.replace(Some(b"ours"), false).unwrap_err().text().ends_with("changed just now"));
        let seen = Foreign::read(&path).unwrap();
        fs::write(root.path().join("config.lock"), "").unwrap();
        assert!(seen.replace(Some(b"ours"), false).unwrap_err().text().starts_with("another program edits"));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert!(root.path().join("config.lock").exists(), "it is not ours to remove");
    }

    #[test]
    fn a_file_has_one_name_before_and_after_it_is_made() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("real")).unwrap();
        symlink("real", root.path().join("home")).unwrap();
        let path = root.path().join("home").join("deep").join("config");
        let before = Foreign::read(&path).unwrap();
        before.replace(Some(b"one"), false).unwrap();
        assert_eq!(Foreign::read(&path).unwrap().target(), before.target());
    }

    #[test]
    fn links_in_a_circle_are_told() {
        let root = tempfile::tempdir().unwrap();
        let (one, two) = (root.path().join("one"), root.path().join("two"));
        symlink(&two, &one).unwrap();
        symlink(&one, &two).unwrap();
        assert!(Foreign::read(&one).unwrap_err().text().ends_with("in a circle"));
    }
}
