//! The programs that ask keyfob: which are here, how old they are and what follows from it; and whether they find keyfob
//! under the names they look for.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::report::Area;
use super::{Visit, errand};
use crate::config::programs::{file_name, find, find_in, is_same, is_writable};
use crate::config::{environment, programs};
use crate::error::{Error, Kind};
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::{Destination, Profile};
use crate::process::{self, Answer, With};

/// No program thinks longer about its own version.
const PATIENCE: Duration = Duration::from_secs(20);

/// Major and minor number.
pub(crate) type Version = (u32, u32);

/// Whether this is the keyfob that others find.
pub(super) fn ourselves(visit: &mut Visit<'_>) {
    let (version, own) = (env!("CARGO_PKG_VERSION"), process::executable().ok());
    let own = own.as_deref().unwrap_or(Path::new("keyfob"));
    match find("keyfob") {
        None => visit.report.warning(
            &Area::Programs,
            format!("keyfob {version} is {}, and not on PATH", own.display()),
            Some(link_command("keyfob", None)),
        ),
        Some(found) if is_same(&found, own) => {
            visit.report.ok(&Area::Programs, format!("keyfob {version} is {}", found.display()));
        }
        Some(found) => visit.report.warning(
            &Area::Programs,
            format!("this is {} ({version}), and on PATH is another: {}", own.display(), found.display()),
            Some(Mend::command(vec![found.display().to_string(), "doctor".to_owned()])),
        ),
    }
}

/// A program's version as numbers and as it says it. One that is not here is nothing to mend.
pub(crate) fn version(visit: &mut Visit<'_>, program: &str, args: &[&str]) -> Option<(Version, String)> {
    let report = |visit: &mut Visit<'_>, what: String| visit.report.ok(&Area::Programs, what);
    let answer = match programs::ask(program, args, &With { patience: PATIENCE, ..With::default() }) {
        Ok(answer) => answer,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            report(visit, format!("{program} is not on PATH"));
            return None;
        }
        Err(error) => {
            let mend = Mend::command([&[program], args].concat().into_iter().map(str::to_owned).collect());
            visit.report.problem(&Area::Programs, format!("{program} {}", why(&error)), mend);
            return None;
        }
    };
    let text = String::from_utf8_lossy(answer.stdout.expose()).into_owned();
    let found = parse_version(&text);
    if found.is_none() {
        let what = format!("{program} does not tell its version");
        visit.report.warning(
            &Area::Programs,
            what,
            Some(Mend::command([&[program], args].concat().into_iter().map(str::to_owned).collect())),
        );
    }
    found
}

/// The first thing that looks like a version: digits, a dot and digits at the beginning of a word.
fn parse_version(text: &str) -> Option<(Version, String)> {
    text.split(|c: char| c.is_whitespace() || c == '"').find_map(|word| {
        let word = word.trim_start_matches('v').trim_end_matches(',');
        let mut numbers = word.split('.').map(|part| part.parse::<u32>().ok());
        let (major, minor) = (numbers.next()??, numbers.next()??);
        let shown: String = word.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        Some(((major, minor), shown.trim_end_matches('.').to_owned()))
    })
}

/// Asks a program something, with `environment` over ours.
pub(crate) fn ask(
    program: &OsStr,
    args: &[&str],
    environment: &[(String, String)],
    stdin: &[u8],
) -> io::Result<Answer> {
    programs::ask(program, args, &With { environment, stdin, ..With::default() })
}

/// Why a program did not answer, to be put after its name.
pub(crate) fn why(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "is not there".to_owned(),
        ErrorKind::TimedOut => "does not answer".to_owned(),
        _ => format!("cannot be run: {}", escape(&error.to_string())),
    }
}

/// Whether a client finds this keyfob under `name`, which it runs without more ado; a problem where it does not. A copy
/// of the same version will do. `before`: where the client looks before PATH. `version`: what asks it for its version.
pub(crate) fn link(visit: &mut Visit<'_>, area: &Area, name: &str, before: &[PathBuf], version: &str) -> bool {
    let Some(found) = find_in(before.iter().cloned().chain(environment::search_path()), name) else {
        let what = format!("{name} is not on PATH, and so nobody finds keyfob under that name");
        visit.report.problem(area, what, link_command(name, None));
        return false;
    };
    let own = process::executable().unwrap_or_default();
    if is_same(&found, &own) {
        return true;
    }
    let said = ask(found.as_os_str(), &[version], &[], b"").ok();
    let said = said.map(|answer| String::from_utf8_lossy(answer.stdout.expose()).into_owned()).unwrap_or_default();
    let is_ours = said.starts_with(name);
    if is_ours && said.trim_end().ends_with(concat!(" ", env!("CARGO_PKG_VERSION"))) {
        return true;
    }
    let what = if is_ours { "is another version of keyfob" } else { "is no keyfob" };
    visit.report.problem(area, format!("{} {what}", found.display()), link_command(name, Some(&found)));
    false
}

/// Where a program looks for others that a desktop started, or cron: what all of their PATHs have.
const EVERYBODYS: &[&str] =
    if cfg!(target_os = "macos") { &["/usr/bin", "/bin"] } else { &["/usr/local/bin", "/usr/bin", "/bin"] };

/// Whether a client that runs keyfob by a name without a path finds it also where a desktop or cron started it.
pub(crate) fn by_name(visit: &mut Visit<'_>, area: &Area, client: &str, name: &str, mend: impl Into<Mend>) {
    let is_found = find_in(EVERYBODYS.iter().map(PathBuf::from), name).is_some();
    if cfg!(unix) && !is_found && find(name).is_some() {
        let what =
            format!("{client} runs {name} without its path; started by a desktop or by cron it does not find it");
        visit.report.warning(area, what, Some(mend.into()));
    }
}

/// The command that makes keyfob known under `name` to everybody's programs.
pub(crate) fn link_for_everybody(name: &str) -> Mend {
    let target = find(name).or_else(|| process::executable().ok()).unwrap_or_default();
    Mend::run("sudo ln -s").with(target.display()).with(format!("/usr/local/bin/{}", file_name(name)))
}

/// The command that makes keyfob known under `name`: beside the keyfob that is on PATH, else in the person's own folder
/// of programs, else in the machine's. `at`: in the place of what is there.
pub(crate) fn link_command(name: &str, at: Option<&Path>) -> Mend {
    let own = process::executable().unwrap_or_else(|_| PathBuf::from("keyfob"));
    let target = find("keyfob").filter(|found| is_same(found, &own)).unwrap_or(own);
    let path = environment::search_path();
    let beside = target.parent().filter(|folder| path.iter().any(|known| known == folder)).map(Path::to_owned);
    let own_folder = || path.iter().find(|folder| folder.ends_with(".local/bin")).cloned();
    let folder = beside.clone().filter(|folder| is_writable(folder)).or_else(own_folder).or(beside);
    let folder = folder.unwrap_or_else(|| PathBuf::from("/usr/local/bin"));
    let link = at.map_or_else(|| folder.join(file_name(name)), Path::to_owned);
    // What dangles is in the way.
    let is_there = link.symlink_metadata().is_ok();
    let sudo = if link.parent().is_some_and(|folder| !is_writable(folder)) { "sudo " } else { "" };
    let (target, link) = (target.display().to_string(), link.display().to_string());
    if cfg!(windows) {
        return Mend::run("cmd /c mklink").with(link).with(target);
    }
    Mend::run(&format!("{sudo}ln -s{}", if is_there { "f" } else { "" })).with(target).with(link)
}

/// What mends a path that leads to no program: a link there where its folder is, else `otherwise`.
pub(crate) fn link_at(path: &Path, otherwise: &Mend) -> Mend {
    let has_folder = path.parent().is_some_and(Path::is_dir);
    if has_folder { link_command("keyfob", Some(path)) } else { otherwise.clone() }
}

/// A client's keyfob gave no answer: what stands in the way. Asked here for the same token, that is an error with its mend;
/// where there is none, the client runs keyfob in another way than this one was run, and its own words have to do.
pub(crate) fn complaint(profile: &Profile, destination: &Destination, answer: &Answer) -> Error {
    let errand = errand::to(profile, destination);
    if let Err(error) = errand.with_broker(false, |broker, _| broker.obtain(errand.ask(), None)) {
        return error;
    }
    let said = String::from_utf8_lossy(answer.stderr.expose()).into_owned();
    let said: Vec<&str> = said.lines().map(|line| line.strip_prefix("keyfob: ").unwrap_or(line)).collect();
    let said = if said.is_empty() { "it says nothing of use".to_owned() } else { escape(&said.join("; ")) };
    Error::new(Kind::Broken, said).hint(Mend::run("keyfob status"))
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_as_programs_say_them() {
        for (said, version, shown) in [
            ("git version 2.47.3\n", (2, 47), "2.47.3"),
            ("git version 2.39.5 (Apple Git-154)\n", (2, 39), "2.39.5"),
            ("git version 2.45.1.windows.1", (2, 45), "2.45.1"),
            (
                "{\n \"major\": \"1\",\n \"minor\": \"32+\",\n \"gitVersion\": \"v1.32.4-dispatcher\",",
                (1, 32),
                "1.32.4",
            ),
            ("Docker version 28.2.2, build e6534b4\n", (28, 2), "28.2.2"),
        ] {
            assert_eq!(parse_version(said), Some((version, shown.to_owned())), "{said}");
        }
        assert_eq!(parse_version("no such thing"), None);
    }
}
