//! Where a browser is opened, by which launcher, and what is said of it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::provider::{Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, run};

const OPENS: &str = "keyfob: a browser opens; compare the code there\n";

struct Desk {
    provider: Provider,
    sandbox: Sandbox,
}

impl Desk {
    fn new() -> Self {
        let provider = Provider::with(Manners { approves_by_itself: true, interval: Some(1), ..Manners::default() });
        let sandbox = Sandbox::signed_up(&provider);
        fs::create_dir(sandbox.home().join("launchers")).unwrap();
        Self { provider, sandbox }
    }

    /// A launcher that notes what it was asked to open, and then does what the script says.
    fn launcher(&self, name: &str, script: &str) -> PathBuf {
        let path = self.sandbox.home().join("launchers").join(name);
        fs::write(&path, format!("#!/bin/sh\necho \"$0\" \"$@\" >>\"$HOME/opened\"\n{script}\n")).unwrap();
        assert!(Command::new("chmod").arg("755").arg(&path).status().unwrap().success());
        path
    }

    /// A sign-in by git, with these variables, and the launchers alone on PATH beside what the system has.
    fn sign_in(&self, set: &[(&str, &str)]) -> Transcript {
        let mut command = self.sandbox.keyfob(&["git", "get"]);
        let path = format!("{}:/usr/bin:/bin", self.sandbox.home().join("launchers").display());
        let keyfob = crate::support::sandbox::keyfob();
        let path = format!("{}:{path}", keyfob.parent().unwrap().display());
        command.env("PATH", path).env("KEYFOB_INTERACTIVE", "always").envs(set.iter().copied());
        let done = run(command, &ask("git.acme.dev"));
        assert!(done.stdout.starts_with("username=oauth2\npassword="), "{done:?}");
        done
    }

    /// The launchers that were run, by their names.
    fn run_launchers(&self) -> Vec<String> {
        let text = fs::read_to_string(self.sandbox.home().join("opened")).unwrap_or_default();
        let page = format!("{}/device?user_code=", self.provider.url());
        let name = |line: &str| {
            assert!(line.contains(&page), "{line}");
            let first = line.split(' ').next().unwrap();
            first.rsplit('/').next().unwrap().to_owned()
        };
        text.lines().map(name).collect()
    }
}

/// What Visual Studio Code, Codespaces and dev containers set: a program that opens the page where the person sits.
#[test]
fn browser_is_honoured_over_ssh_and_without_a_display() {
    for set in [&[("SSH_CONNECTION", "a 1 b 22")][..], &[]] {
        let desk = Desk::new();
        let browser = desk.launcher("browser.sh", "echo noise; echo noise >&2");
        let set = [set, &[("BROWSER", browser.to_str().unwrap())]].concat();
        let done = desk.sign_in(&set);
        assert_eq!(desk.run_launchers(), ["browser.sh"]);
        assert!(done.stderr.contains(OPENS) && !done.stderr.contains("noise"), "{done:?}");
    }
}

#[test]
fn over_ssh_nothing_else_is_opened_and_without_a_display_neither() {
    for set in [
        &[("SSH_CONNECTION", "a 1 b 22"), ("DISPLAY", ":10")][..],
        &[("SSH_TTY", "/dev/pts/1"), ("DISPLAY", ":10")],
        &[],
    ] {
        let desk = Desk::new();
        for name in ["xdg-open", "gio", "x-www-browser", "wslview"] {
            desk.launcher(name, "");
        }
        let done = desk.sign_in(set);
        assert!(desk.run_launchers().is_empty() && !done.stderr.contains("browser"), "{set:?}: {done:?}");
    }
}

#[test]
fn a_launcher_that_fails_is_never_said_to_open_and_the_next_is_tried() {
    let desk = Desk::new();
    let (one, two) = (desk.launcher("one", "exit 4"), desk.launcher("two", ""));
    let list = format!("{}:nowhere-to-be-found:{}", one.display(), two.display());
    let done = desk.sign_in(&[("BROWSER", &list)]);
    assert_eq!(desk.run_launchers(), ["one", "two"]);
    assert!(done.stderr.contains(OPENS), "{done:?}");

    let desk = Desk::new();
    for name in ["xdg-open", "gio", "x-www-browser"] {
        desk.launcher(name, "echo 'no browser is here' >&2; exit 3");
    }
    let done = desk.sign_in(&[("DISPLAY", ":0")]);
    assert_eq!(desk.run_launchers(), ["xdg-open", "gio", "x-www-browser"]);
    assert!(!done.stderr.contains("browser"), "{done:?}");
}

#[test]
fn a_launcher_that_hangs_is_let_go_and_not_said_to_open() {
    let desk = Desk::new();
    desk.launcher("xdg-open", "echo $$ >\"$HOME/pid\"; exec sleep 600");
    let done = desk.sign_in(&[("WAYLAND_DISPLAY", "wayland-0")]);
    assert!(done.stderr.contains("keyfob: xdg-open is to open the page; compare the code there\n"), "{done:?}");
    assert!(!done.stderr.contains("a browser opens"), "{done:?}");
    let pid = fs::read_to_string(desk.sandbox.home().join("pid")).unwrap();
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success(), "it was let go, not ended");
}

/// A browser of the terminal would take git's own stdin and stdout.
#[test]
fn a_browser_of_the_terminal_is_left_out() {
    let desk = Desk::new();
    let text = desk.launcher("w3m", "");
    let done = desk.sign_in(&[("BROWSER", text.to_str().unwrap()), ("DISPLAY", ":0")]);
    assert!(desk.run_launchers().is_empty() && !done.stderr.contains("browser"), "{done:?}");
}

#[test]
fn below_windows_its_browser_opens() {
    for (wslview, expected) in [("", &["wslview"][..]), ("exit 1", &["wslview", "rundll32.exe"])] {
        let desk = Desk::new();
        desk.launcher("wslview", wslview);
        desk.launcher("rundll32.exe", "");
        desk.launcher("xdg-open", "");
        // WSL draws windows of its own as well, which is not where the person's browser is.
        let done = desk.sign_in(&[("WSL_DISTRO_NAME", "Debian"), ("DISPLAY", ":0")]);
        assert_eq!(desk.run_launchers(), expected);
        assert!(done.stderr.contains(OPENS), "{done:?}");
    }
}

#[test]
fn who_wants_none_gets_none_and_an_agent_opens_none() {
    let desk = Desk::new();
    let browser = desk.launcher("browser.sh", "");
    let mut command = desk.sandbox.keyfob(&["login", "--no-browser"]);
    command.env("BROWSER", &browser);
    assert_eq!(run(command, "").code, Some(0));
    let mut command = desk.sandbox.keyfob(&["login"]);
    command.env("BROWSER", &browser).env("CLAUDECODE", "1").env_remove("CI");
    assert_eq!(run(command, "").code, Some(3));
    assert!(desk.run_launchers().is_empty());
}
