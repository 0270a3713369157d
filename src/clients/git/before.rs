//! What git sends before it asks a helper at all: a login of `.netrc`, which its HTTP library looks up by itself, and a header that its
//! configuration names (git-config, `http.<url>.extraHeader`).

use std::io::Read;
use std::path::PathBuf;

use super::CLIENT;
use crate::config::{folders, programs};
use crate::doctor::report::Area;
use crate::doctor::{Host, Visit};
use crate::mend::Mend;
use crate::process::With;
use crate::store;

/// A file written by hand is shorter, in bytes.
const NETRC_LIMIT: u64 = 1 << 20;

/// The person's `.netrc`, where there is one that can be read.
pub(super) fn netrc() -> Option<String> {
    let mut text = String::new();
    store::open_plain(&netrc_path()?).ok()?.take(NETRC_LIMIT).read_to_string(&mut text).ok()?;
    Some(text)
}

fn netrc_path() -> Option<PathBuf> {
    let name = if cfg!(windows) { "_netrc" } else { ".netrc" };
    folders::home().ok().map(|home| home.join(name))
}

/// Says what goes to a host before keyfob is asked for it.
pub(super) fn examine(visit: &mut Visit<'_>, host: &Host<'_>, netrc: Option<&str>) {
    let area = Area::Client(CLIENT.name);
    let name = &host.location.host;
    if let (true, Some(path)) = (netrc.is_some_and(|text| has_machine(text, name)), netrc_path()) {
        let what = format!("{} has a login for {name}, which git sends before it asks keyfob", path.display());
        let mend = format!("take the machine {name} out of {}", path.display());
        visit.report.problem(&area, what, mend);
    }
    let asked = ["config", "--get-urlmatch", "http.extraHeader", &host.location.to_string()];
    let Ok(answer) = programs::ask("git", asked, &With::default()) else { return };
    let says_who_asks = |line: &str| line.to_ascii_lowercase().starts_with("authorization:");
    if String::from_utf8_lossy(answer.stdout.expose()).lines().any(says_who_asks) {
        let what = format!(
            "git sends {} a header of its configuration (http.extraHeader), and does not ask keyfob",
            host.name
        );
        let show = Mend::run("git config --show-origin --name-only --get-regexp").with("^http\\..*extraheader$");
        visit.report.problem(&area, what, show.tail(", and take it out of the file that it names"));
    }
}

/// Whether a `.netrc` has a login for a machine. A `default` is for whoever has none, and counts as well.
fn has_machine(text: &str, name: &str) -> bool {
    let mut words = text.lines().map(|line| line.split('#').next().unwrap_or_default()).flat_map(str::split_whitespace);
    while let Some(word) = words.next() {
        match word {
            "machine" if words.next().is_some_and(|machine| machine.eq_ignore_ascii_case(name)) => return true,
            "default" => return true,
            // What follows is theirs, whatever it is.
            "login" | "password" | "account" => drop(words.next()),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::has_machine;

    #[test]
    fn machines_of_a_netrc() {
        for (text, has) in [
            ("machine git.acme.dev login a password b", true),
            ("machine other.dev login machine password git.acme.dev\n", false),
            ("machine\n GIT.acme.dev\n\tlogin a", true),
            ("# machine git.acme.dev", false),
            ("default login a password b", true),
            ("machine other.dev password default", false),
            ("", false),
        ] {
            assert_eq!(has_machine(text, "git.acme.dev"), has, "{text}");
        }
    }
}
