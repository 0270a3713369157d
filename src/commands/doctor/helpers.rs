//! git's effective list of credential helpers for a place, as git computes it (gitcredentials, "CONFIGURATION OPTIONS";
//! git-config, "http.<url>.*"): every matching entry of every file in their order is one list, and an empty one empties it.
//! Pure.

use crate::config::Location;
use crate::config::location::Scheme;

/// The arguments that have git print every entry that matters here.
pub(super) const LISTING: &[&str] = &[
    "config",
    "--show-scope",
    "--show-origin",
    "--null",
    "--get-regexp",
    r"^credential(\..*)?\.(helper|usehttppath)$",
];

/// One entry of git's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// `system`, `global`, `local`, `worktree` or `command`.
    pub(super) scope: String,
    /// The file; `None` for the command line and the like.
    pub(super) file: Option<String>,
    /// The part between `credential.` and the name.
    pub(super) url: Option<String>,
    is_helper: bool,
    /// `None` where only the name stands, which means true.
    pub(super) value: Option<String>,
}

/// What a helper entry runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// keyfob, under the name `git-credential-keyfob`, or by a path or a name of its own; with these arguments.
    Keyfob { program: Option<String>, args: Vec<String> },
    /// Another: its name, fit for a sentence. Never its arguments, which may be secrets.
    Other(String),
}

/// Reads what [`LISTING`] prints: scope, origin, and name with value, each ended by a NUL.
pub(super) fn parse(listing: &str) -> Vec<Entry> {
    let mut fields = listing.split('\0');
    let mut entries = Vec::new();
    while let (Some(scope), Some(origin), Some(entry)) = (fields.next(), fields.next(), fields.next()) {
        let (key, value) = entry.split_once('\n').map_or((entry, None), |(key, value)| (key, Some(value)));
        let Some(rest) = key.strip_prefix("credential.") else { continue };
        let (url, name) = rest.rsplit_once('.').map_or((None, rest), |(url, name)| (Some(url), name));
        entries.push(Entry {
            scope: scope.to_owned(),
            file: origin.strip_prefix("file:").map(str::to_owned),
            url: url.map(str::to_owned),
            is_helper: name == "helper",
            value: value.map(str::to_owned),
        });
    }
    entries
}

/// The helpers git asks for a place, in their order; all of them are handed what works.
pub(super) fn effective<'e>(entries: &'e [Entry], place: &Location) -> Vec<&'e Entry> {
    let mut list = Vec::new();
    for entry in entries.iter().filter(|entry| entry.is_helper && entry.is_for(place)) {
        match entry.value.as_deref() {
            Some("") => list.clear(),
            _ => list.push(entry),
        }
    }
    list
}

/// Whether git tells its helpers the path at a place: the last word on it holds.
pub(super) fn tells_path(entries: &[Entry], place: &Location) -> bool {
    let last = entries.iter().rfind(|entry| !entry.is_helper && entry.is_for(place));
    last.is_some_and(|entry| match entry.value.as_deref() {
        None => true,
        Some(value) => {
            matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "on")
                || value.parse::<i64>().is_ok_and(|number| number != 0)
        }
    })
}

impl Entry {
    /// Whether git takes this entry for a place: the scheme, the host label by label (`*` is any one), the port, and the
    /// path by whole segments. A user name in it wants one in the request, of which nothing is known here.
    fn is_for(&self, place: &Location) -> bool {
        let Some(url) = &self.url else { return true };
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, url.as_str()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return false;
        }
        let is_https = place.scheme == Scheme::Https;
        if scheme.is_some_and(|scheme| !scheme.eq_ignore_ascii_case(if is_https { "https" } else { "http" })) {
            return false;
        }
        let usual = if is_https { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
            _ => (authority, Some(usual)),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let fits = |(pattern, label): (&str, &str)| pattern == label || (pattern == "*" && scheme.is_some());
        let same_host = host.split('.').count() == place.host.split('.').count()
            && host.split('.').zip(place.host.split('.')).all(fits);
        // `https://` alone is every host.
        let is_there = authority.is_empty() && scheme.is_some() || same_host && port == Some(place.port);
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let below =
            segments.len() <= place.path.len() && segments.iter().zip(&place.path).all(|(one, other)| one == other);
        is_there && below
    }

    /// What git runs for it (gitcredentials, "CUSTOM HELPERS"): `!` a shell command, an absolute path as it is, anything
    /// else after `git credential-`.
    pub(super) fn runs(&self) -> Runs {
        let value = self.value.as_deref().unwrap_or_default().trim();
        let (command, is_name) = match value.strip_prefix('!') {
            Some(command) => (command.trim(), false),
            None => (value, !value.starts_with('/') && !value.contains(":\\")),
        };
        let mut words = words(command).into_iter();
        let first = words.next().unwrap_or_default();
        let file = first.rsplit(['/', '\\']).next().unwrap_or_default();
        let file = file.strip_suffix(".exe").unwrap_or(file);
        let mut args: Vec<String> = words.collect();
        match file {
            "keyfob" if is_name => Runs::Keyfob { program: None, args },
            "git-credential-keyfob" if !is_name => Runs::Keyfob { program: Some(first), args },
            "keyfob" if args.first().is_some_and(|word| word == "git") => {
                args.remove(0);
                Runs::Keyfob { program: Some(first), args }
            }
            _ if value.starts_with('!') => Runs::Other("a shell command".to_owned()),
            _ => Runs::Other(file.to_owned()),
        }
    }

    /// Where it stands, for a sentence.
    pub(super) fn origin(&self) -> &str {
        self.file.as_deref().unwrap_or("the command line")
    }
}

/// Words as a shell splits them, as far as quotes go: nobody writes more for a helper of ours.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(url: Option<&str>, name: &str, value: Option<&str>) -> String {
        let url = url.map(|url| format!("{url}.")).unwrap_or_default();
        let value = value.map(|value| format!("\n{value}")).unwrap_or_default();
        format!("global\0file:/home/ann/.gitconfig\0credential.{url}{name}{value}\0")
    }

    fn list(entries: &[(Option<&str>, &str)], place: &str) -> Vec<String> {
        let listing: String = entries.iter().map(|(url, value)| entry(*url, "helper", Some(value))).collect();
        let entries = parse(&listing);
        let place = Location::parse(place).unwrap();
        effective(&entries, &place).into_iter().map(|entry| entry.value.clone().unwrap()).collect()
    }

    #[test]
    fn one_list_in_the_order_of_the_files() {
        let acme = Some("https://git.acme.dev");
        assert_eq!(list(&[(None, "store"), (acme, ""), (acme, "keyfob")], "git.acme.dev"), ["keyfob"]);
        assert_eq!(list(&[(acme, ""), (acme, "keyfob"), (None, "store")], "git.acme.dev"), ["keyfob", "store"]);
        assert_eq!(list(&[(None, "store"), (acme, ""), (acme, "keyfob")], "other.dev"), ["store"]);
    }

    #[test]
    fn places_as_git_compares_them() {
        for (url, place, fits) in [
            ("https://git.acme.dev", "git.acme.dev", true),
            ("https://git.acme.dev:443/", "git.acme.dev", true),
            ("https://GIT.acme.dev", "git.acme.dev", true),
            ("https://git.acme.dev:8443", "git.acme.dev", false),
            ("https://git.acme.dev:8443", "git.acme.dev:8443", true),
            ("http://git.acme.dev", "git.acme.dev", false),
            ("http://127.0.0.1:80", "http://127.0.0.1", true),
            ("https://acme.dev", "git.acme.dev", false),
            ("https://*.acme.dev", "git.acme.dev", true),
            ("https://*.acme.dev", "a.git.acme.dev", false),
            ("https://*.dev", "git.acme.dev", false),
            ("https://git.acme.dev/team", "git.acme.dev", false),
            ("https://git.acme.dev/team", "https://git.acme.dev/team/repo", true),
            ("https://git.acme.dev/team", "https://git.acme.dev/teams", false),
            ("https://ann@git.acme.dev", "git.acme.dev", false),
            ("git.acme.dev", "git.acme.dev", true),
            ("https://[::1]:8443", "https://[::1]:8443", true),
            ("https://[::1]", "https://[::1]", true),
        ] {
            assert_eq!(list(&[(Some(url), "x")], place).len(), usize::from(fits), "{url} for {place}");
        }
    }

    #[test]
    fn the_last_word_on_the_path_holds() {
        let place = Location::parse("git.acme.dev").unwrap();
        for (words, told) in [
            (vec![], false),
            (vec![Some("true")], true),
            (vec![None], true),
            (vec![Some("1"), Some("false")], false),
            (vec![Some("no"), Some("On")], true),
        ] {
            let listing: String =
                words.iter().map(|value| entry(Some("https://git.acme.dev"), "usehttppath", *value)).collect();
            assert_eq!(tells_path(&parse(&listing), &place), told, "{words:?}");
        }
    }

    #[test]
    fn what_an_entry_runs() {
        let runs = |value: &str| parse(&entry(None, "helper", Some(value)))[0].runs();
        let keyfob = |program: Option<&str>, args: &[&str]| Runs::Keyfob {
            program: program.map(str::to_owned),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        };
        assert_eq!(runs("keyfob"), keyfob(None, &[]));
        assert_eq!(runs("keyfob --profile acme"), keyfob(None, &["--profile", "acme"]));
        assert_eq!(runs("!keyfob git --profile 'a b'"), keyfob(Some("keyfob"), &["--profile", "a b"]));
        assert_eq!(runs("!\"/opt/my bin/keyfob\" git"), keyfob(Some("/opt/my bin/keyfob"), &[]));
        assert_eq!(runs("/opt/bin/git-credential-keyfob"), keyfob(Some("/opt/bin/git-credential-keyfob"), &[]));
        assert_eq!(runs("!keyfob docker"), Runs::Other("a shell command".to_owned()));
        assert_eq!(runs("store --file /x"), Runs::Other("store".to_owned()));
        assert_eq!(
            runs("/usr/lib/git-core/git-credential-libsecret"),
            Runs::Other("git-credential-libsecret".to_owned())
        );
        assert_eq!(runs("!f() { echo password=s3cret; }; f"), Runs::Other("a shell command".to_owned()));
    }
}
