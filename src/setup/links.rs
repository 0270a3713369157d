//! The names that clients call keyfob by, links beside the program.

use std::fs;
use std::path::{Path, PathBuf};

use super::How;
use crate::config::environment;
use crate::config::programs::{file_name, find, is_same, is_writable};
use crate::error::{Error, Result};
use crate::escape::quote;
use crate::mend::{Mend, shell};
use crate::output::say;
use crate::process;
use crate::store::backups::{Backup, Backups};

/// What a client will find under such a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A program on PATH.
    Yes,
    /// Nothing. What is to be done has been said.
    No,
}

/// The running program, behind all links.
pub(crate) fn program() -> Result<PathBuf> {
    process::executable()
        .and_then(|path| path.canonicalize())
        .map_err(|error| Error::broken("cannot tell where keyfob itself is", error))
}

/// The path that other programs are to run this one by, whatever their PATH is: that of the link where one leads here, because it
/// stays when a newer version takes the place of what it leads to.
pub(crate) fn whole_path() -> Result<PathBuf> {
    let program = program()?;
    let links = find("keyfob").into_iter().chain(process::called_by());
    Ok(links.into_iter().find(|path| path.is_absolute() && leads_to(path, &program)).unwrap_or(program))
}

/// Makes the link where it is missing, and says so; or says what to do instead.
pub(crate) fn make(name: &str, how: How) -> Result<Found> {
    let program = program()?;
    let file = file_name(name);
    if let Some(there) = find(name) {
        if !leads_to(&there, &program) {
            say(&format!(
                "{} is another program than this one, {}; remove it if that is wrong",
                there.display(),
                program.display()
            ))?;
        }
        return Ok(Found::Yes);
    }
    let own_name = file_name("keyfob");
    let beside = environment::search_path().into_iter().find(|folder| leads_to(&folder.join(&own_name), &program));
    let Some(folder) = beside else {
        let place = program.parent().unwrap_or(&program).display();
        say(&format!("{name} is not on PATH, and keyfob is not either"))?;
        let link = quote(&format!("{place}/{name}"));
        say(&format!("  ln -s keyfob {link}; export PATH=\"{place}:$PATH\""))?;
        return Ok(Found::No);
    };
    let link = folder.join(&file);
    let argv = ["ln", "-s", "keyfob", &link.to_string_lossy()].map(str::to_owned);
    let command = shell(&argv);
    if fs::symlink_metadata(&link).is_ok() {
        say(&format!("{} is there and leads nowhere that can be run; remove it and run this again", link.display()))?;
        return Ok(Found::No);
    }
    if !is_writable(&folder) {
        say(&format!("{} is missing, and its folder is not yours to write", link.display()))?;
        say(&format!("  sudo {command}"))?;
        return Ok(Found::No);
    }
    if how.dry_run {
        say(&format!("{}: would be made", link.display()))?;
    } else {
        // First: one that nobody knows is ours would not be taken back.
        let backups = Backups::open()?;
        backups.put(&Backup::new(&link, None, 0, b"", Vec::new()))?;
        if let Err(error) = symlink(Path::new(&own_name), &link, &program) {
            backups.remove(&link)?;
            return Err(
                Error::broken(format!("cannot make {}", link.display()), error).hint(Mend::command(argv.into()))
            );
        }
        say(&format!("{}: made", link.display()))?;
    }
    say(&format!("  {command}"))?;
    Ok(Found::Yes)
}

/// Takes back the link where it is one that [`make`] made and leads here still.
pub(crate) fn take_back(name: &str, how: How) -> Result<()> {
    let (program, backups) = (program()?, Backups::open()?);
    for folder in environment::search_path() {
        let link = folder.join(file_name(name));
        if backups.get(&link)?.is_none() || !leads_to(&link, &program) {
            continue;
        }
        if how.dry_run {
            say(&format!("{}: would be removed", link.display()))?;
        } else {
            fs::remove_file(&link)
                .map_err(|error| Error::broken(format!("cannot remove {}", link.display()), error))?;
            backups.remove(&link)?;
            say(&format!("{}: removed", link.display()))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn leads_to(path: &Path, program: &Path) -> bool {
    is_same(path, program)
}

/// A hard link or a copy leads nowhere: it is one where it has the same bytes.
#[cfg(not(unix))]
fn leads_to(path: &Path, program: &Path) -> bool {
    is_same(path, program) || matches!((fs::read(path), fs::read(program)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(unix)]
fn symlink(own_name: &Path, link: &Path, _program: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(own_name, link)
}

/// Symbolic links take a privilege there.
#[cfg(not(unix))]
fn symlink(_own_name: &Path, link: &Path, program: &Path) -> std::io::Result<()> {
    fs::hard_link(program, link).or_else(|_| fs::copy(program, link).map(drop))
}
