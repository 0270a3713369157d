//! Files and folders: the configuration, the state folder, who may touch them, and whether locks work there.

use std::path::Path;

use super::report::Area;
use super::{Visit, written};
use crate::config::environment::{self, Interactive};
use crate::config::{folders, new_profile};
use crate::error::Error;
use crate::mend::Mend;
use crate::store::{client_secret, examine as state, litter};

const AREA: Area = Area::Places;

pub(super) fn examine(visit: &mut Visit<'_>, unreadable: Option<&Error>) {
    configuration(visit, unreadable);
    client_secrets(visit);
    let modes = state::modes();
    let (found, shut) = match &modes {
        Ok(found) => (found.iter().collect(), !found.is_empty()),
        Err(error) => (vec![error], true),
    };
    for error in found {
        visit.report.error(&AREA, error);
    }
    match state::locks() {
        Ok(folder) if shut => visit.report.ok(&AREA, format!("locks work in {}", folder.display())),
        Ok(folder) => visit.report.ok(&AREA, format!("{} is closed to others, and locks work there", folder.display())),
        Err(error) => visit.report.error(&AREA, &error),
    }
    for path in litter::left() {
        let what = format!("{} was left by a keyfob setup that was killed; it may hold secrets", path.display());
        visit.report.problem(&AREA, what, Mend::run("rm").with(path.display()));
    }
    match environment::interactive() {
        Ok(Interactive::Auto) => {}
        Ok(Interactive::Never) => {
            visit.report.warning(
                &AREA,
                "KEYFOB_INTERACTIVE=never: nobody is asked to sign in but by keyfob login",
                None,
            );
        }
        Ok(Interactive::Always) => {
            visit.report.warning(&AREA, "KEYFOB_INTERACTIVE=always: somebody is asked even where nobody is", None);
        }
        Err(word) => visit.report.problem(
            &AREA,
            format!("KEYFOB_INTERACTIVE is \"{}\", which is no word for it", word.escape_debug()),
            Mend::run("unset KEYFOB_INTERACTIVE"),
        ),
    }
}

fn configuration(visit: &mut Visit<'_>, unreadable: Option<&Error>) {
    if let Some(error) = unreadable {
        visit.report.error(&AREA, error);
        return;
    }
    let begin = new_profile("HOST");
    let files: Vec<_> = [folders::system_config(), folders::user_config()].into_iter().flatten().collect();
    let there: Vec<_> = files.iter().filter(|path| path.exists()).collect();
    if visit.config.profiles.is_empty() {
        let at =
            files.last().map_or_else(|| "without a home folder".to_owned(), |path| format!("in {}", path.display()));
        visit.report.problem(&AREA, format!("there is no profile yet {at}"), begin);
    }
    for path in there {
        match folder_open_to_others(path) {
            Some(folder) => visit.report.problem(
                &AREA,
                format!("others can put another file in the place of {}", path.display()),
                Mend::run("chmod go-w").with(folder),
            ),
            None => visit.report.ok(&AREA, format!("{} can be read, and by nobody else be changed", path.display())),
        }
    }
}

/// The file's folder, where others can write and no sticky bit keeps them from replacing what is not theirs.
#[cfg(unix)]
fn folder_open_to_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    let mode = folder.metadata().ok()?.mode();
    (mode & 0o022 != 0 && mode & 0o1000 == 0).then(|| folder.display().to_string())
}

#[cfg(not(unix))]
fn folder_open_to_others(_path: &Path) -> Option<String> {
    None
}

/// A secret that lies in a file is one more thing to lose.
fn client_secrets(visit: &mut Visit<'_>) {
    for profile in &visit.config.profiles {
        let Some(path) = &profile.client_secret_file else { continue };
        match client_secret::read(path) {
            Ok(_) => {
                let what = format!("{} keeps a client's secret in {}", profile.title(), path.display());
                let mend = format!(
                    "register keyfob as a public client there if the provider allows it, and take client_secret_file out of {}",
                    written(profile)
                );
                visit.report.warning(&AREA, what, Some(mend.into()));
            }
            Err(error) => visit.report.error(&AREA, &error),
        }
    }
}
