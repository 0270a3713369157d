//! Opens the page to approve on, where the person's browser is: at this machine's desktop, behind WSL, or wherever `BROWSER` leads,
//! which Visual Studio Code (over SSH, in a container), Codespaces and their like set to a program that opens the page at home. A
//! courtesy: the address and the code are on the terminal whatever comes of it, and the code is compared there. It is said to open
//! only when a launcher says that it did.
//!
//! Why this file and not the crate `webbrowser` (1.2.6, read and measured in November 2026):
//!
//! | | `webbrowser` | here |
//! | --- | --- | --- |
//! | a launcher that fails | is started, and that counts as opened | the next one is tried; nothing is said where none is left |
//! | one that hangs | the question to `xdg-settings` is waited for without limit | let go after a second, and not called opened |
//! | one that prints | silenced, but a text browser gets our stdin and stdout, which are the client's | none holds a stream of ours; text browsers are left out |
//! | SSH, no display | a desktop's launcher is tried all the same | `BROWSER` alone |
//! | WSL | after XDG, and not where a desktop is named | before XDG: the person looks at Windows |
//! | cost, to an empty program | 245 kB, and the crates of `url`, `idna` and ICU | this file |

use std::path::Path;
use std::time::Duration;

use crate::config::{environment, programs};
use crate::process::{self, Launched};
use crate::trace::trace;

/// Browsers that need the terminal, which belongs to whoever runs us.
const TEXT_BROWSERS: &[&str] = &["w3m", "lynx", "links", "links2", "elinks", "browsh", "edbrowse", "www-browser"];
/// A launcher that fails does so within that, as a rule; one that runs on is the browser itself, or hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// What became of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// A launcher ended well.
    Yes,
    /// The launcher of that name runs on.
    Perhaps(String),
    No,
}

/// What tells where the person's browser is.
#[derive(Clone, Debug, Default)]
struct Desktop {
    /// Commands from `BROWSER`, each with `%s` for the address or without.
    browser: Option<String>,
    /// A display is there: X11, Wayland, or a system that has nothing else. A container has none, unless somebody lent it theirs.
    display: bool,
    /// The person sits elsewhere.
    ssh: bool,
    /// Below Windows (WSL): what the person looks at is that.
    wsl: bool,
}

impl Desktop {
    fn here() -> Self {
        Self {
            browser: environment::browser(),
            display: cfg!(any(windows, target_os = "macos")) || environment::has_display(),
            ssh: environment::is_ssh(),
            wsl: environment::is_wsl(),
        }
    }

    /// The commands that may open `url`, word by word, the best first. Never through a shell, and only for pages. `is_program`
    /// tells of a path.
    fn commands(&self, url: &str, is_program: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            return Vec::new();
        }
        if let Some(list) = &self.browser {
            // Whoever sets it has chosen.
            let each = list.split(if cfg!(windows) { ';' } else { ':' }).map(str::trim);
            let words = |command: &str| match command {
                path if is_program(path) => vec![path.to_owned()],
                command => command.split_whitespace().map(str::to_owned).collect(),
            };
            return each.map(words).filter(|words| is_window(words)).map(|words| with_address(words, url)).collect();
        }
        let mut found: Vec<&[&str]> = Vec::new();
        if self.ssh {
            return Vec::new();
        }
        if self.wsl {
            // rundll32 asks no shell, so nothing in an address means anything to it. PATH has no Windows where the person wants none.
            found.extend::<[&[&str]; 3]>([
                &["wslview"],
                &["rundll32.exe", "url.dll,FileProtocolHandler"],
                &["/mnt/c/Windows/System32/rundll32.exe", "url.dll,FileProtocolHandler"],
            ]);
        }
        if self.display {
            found.extend::<&[&[&str]]>(if cfg!(target_os = "macos") {
                &[&["open"]]
            } else if cfg!(windows) {
                &[&["rundll32", "url.dll,FileProtocolHandler"]]
            } else {
                &[&["xdg-open"], &["gio", "open"], &["x-www-browser"]]
            });
        }
        let owned = |words: &&[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        found.iter().map(|words| with_address(owned(words), url)).collect()
    }
}

/// Whether a command opens a window, as far as its name says.
fn is_window(words: &[String]) -> bool {
    let name = words.first().map(Path::new).and_then(Path::file_name).and_then(|name| name.to_str());
    name.is_some_and(|name| !TEXT_BROWSERS.contains(&name))
}

/// The address in the place of each `%s`, or behind the other words.
fn with_address(mut words: Vec<String>, url: &str) -> Vec<String> {
    let is_marked = words.iter().any(|word| word.contains("%s"));
    for word in &mut words {
        *word = word.replace("%s", url);
    }
    if !is_marked {
        words.push(url.to_owned());
    }
    words
}

/// Opens `url` where that makes sense.
pub(crate) fn open(url: &str) -> Opened {
    for mut words in Desktop::here().commands(url, |path| path.starts_with('/') && programs::is_program(path.as_ref()))
    {
        let Some(program) = words.first().and_then(|program| programs::resolve(program.as_ref())) else { continue };
        let name = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        words[0] = program.to_string_lossy().into_owned();
        match process::launch(&words, PATIENCE) {
            Launched::Ended => return Opened::Yes,
            Launched::Runs => return Opened::Perhaps(name),
            Launched::Failed => trace!("browser: {name} opened nothing"),
        }
    }
    Opened::No
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://a.dev/?user_code=AB;rm";

    fn lines(desktop: &Desktop) -> Vec<String> {
        desktop
            .commands(URL, |path| path == "/home/a b/helpers/browser.sh")
            .iter()
            .map(|words| words.join(" | "))
            .collect()
    }

    fn named(browser: &str) -> Desktop {
        Desktop { browser: Some(browser.to_owned()), ..Desktop::default() }
    }

    #[test]
    fn where_and_how() {
        let seen = Desktop { display: true, ..Desktop::default() };
        for (what, desktop, expected) in [
            ("BROWSER, without a display", named("firefox"), vec!["firefox | URL"]),
            ("over SSH", Desktop { ssh: true, display: true, ..named("code --open") }, vec!["code | --open | URL"]),
            ("with a mark", named("w --new=%s:other"), vec!["w | --new=URL", "other | URL"]),
            ("no window", named("w3m:/usr/bin/lynx -x::firefox"), vec!["firefox | URL"]),
            ("a path with a space", named("/home/a b/helpers/browser.sh"), vec!["/home/a b/helpers/browser.sh | URL"]),
            ("SSH alone", Desktop { ssh: true, wsl: true, ..seen.clone() }, vec![]),
            ("neither display nor BROWSER: a container, a console", Desktop::default(), vec![]),
            ("a desktop", seen.clone(), vec!["xdg-open | URL", "gio | open | URL", "x-www-browser | URL"]),
            (
                "below Windows, without a display of its own",
                Desktop { wsl: true, ..Desktop::default() },
                vec![
                    "wslview | URL",
                    "rundll32.exe | url.dll,FileProtocolHandler | URL",
                    "/mnt/c/Windows/System32/rundll32.exe | url.dll,FileProtocolHandler | URL",
                ],
            ),
        ] {
            if cfg!(target_os = "linux") {
                let expected: Vec<String> = expected.iter().map(|line| line.replace("URL", URL)).collect();
                assert_eq!(lines(&desktop), expected, "{what}");
            }
        }
        assert!(
            lines(&Desktop { wsl: true, ..seen })[0].starts_with("wslview"),
            "Windows before what WSL draws itself"
        );
        for other in ["file:///etc/passwd", "javascript:alert(1)", "-P", "ftp://a.dev"] {
            assert!(named("firefox").commands(other, |_| false).is_empty(), "{other}");
        }
    }
}
