//! Opens the page to approve on, where the person sits at this machine's desktop. A courtesy: the address and the code are
//! on the terminal whatever comes of it, and the code is compared there.

use crate::config::{environment, programs};
use crate::process;

/// What says whether a browser would be seen, and which one.
#[derive(Clone, Debug, Default)]
struct Desktop {
    /// Commands from `BROWSER`, separated by colons, each with `%s` for the address or without.
    browser: Option<String>,
    /// A display is there: X11, Wayland, or a system that has nothing else.
    display: bool,
    /// The person sits elsewhere.
    ssh: bool,
}

impl Desktop {
    fn here() -> Self {
        Self {
            browser: environment::browser(),
            display: cfg!(any(windows, target_os = "macos")) || environment::has_display(),
            ssh: environment::is_ssh(),
        }
    }

    /// The command that opens `url`, word by word, if one should be opened. Never through a shell, and only for pages.
    fn command(&self, url: &str) -> Option<Vec<String>> {
        if self.ssh || !self.display || !(url.starts_with("https://") || url.starts_with("http://")) {
            return None;
        }
        let named = self.browser.as_deref().and_then(|list| list.split(':').find(|command| !command.trim().is_empty()));
        let mut words: Vec<String> = match named {
            Some(command) => command.split_whitespace().map(str::to_owned).collect(),
            None if cfg!(target_os = "macos") => vec!["open".to_owned()],
            None if cfg!(windows) => ["rundll32", "url.dll,FileProtocolHandler"].map(str::to_owned).to_vec(),
            None => vec!["xdg-open".to_owned()],
        };
        let marked = words.iter().any(|word| word.contains("%s"));
        for word in &mut words {
            *word = word.replace("%s", url);
        }
        if !marked {
            words.push(url.to_owned());
        }
        Some(words)
    }
}

/// Opens `url` where that makes sense; whether a browser was started.
pub(crate) fn open(url: &str) -> bool {
    let Some(mut words) = Desktop::here().command(url) else { return false };
    let Some(program) = words.first().and_then(|program| programs::resolve(program.as_ref())) else { return false };
    words[0] = program.to_string_lossy().into_owned();
    process::detach(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_and_how() {
        let desktop =
            |browser: Option<&str>| Desktop { browser: browser.map(str::to_owned), display: true, ssh: false };
        let url = "https://a.dev/?user_code=AB;rm";
        let words = |desktop: &Desktop| desktop.command(url).map(|words| words.join(" | "));
        assert_eq!(words(&desktop(Some("firefox"))).as_deref(), Some("firefox | https://a.dev/?user_code=AB;rm"));
        assert_eq!(
            words(&desktop(Some("w --new=%s:other"))).as_deref(),
            Some("w | --new=https://a.dev/?user_code=AB;rm")
        );
        assert_eq!(words(&Desktop { ssh: true, ..desktop(Some("firefox")) }), None, "never over SSH");
        assert_eq!(words(&Desktop { display: false, ..desktop(Some("w3m")) }), None, "a terminal browser is no window");
        for other in ["file:///etc/passwd", "javascript:alert(1)", "-P", "ftp://a.dev"] {
            assert_eq!(desktop(Some("firefox")).command(other), None, "{other}");
        }
    }
}
