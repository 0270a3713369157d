//! Who is handed a token: the credential helpers that git runs for a place, as git itself computes them (gitcredentials,
//! "CONFIGURATION OPTIONS"; git-config, `http.<url>.*`). Every matching entry of every file in their order is one list, and
//! an empty one empties it; each helper is asked in turn, and all of them are handed what worked.

use crate::config::programs;
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::model::location::Scheme;
use crate::model::{Location, location};
use crate::process::With;
use crate::redact::Secrets;
use crate::secret::SecretBytes;

/// The arguments that have git print every entry that matters here. `--show-scope` needs git 2.26.
const LISTING: &[&str] = &[
    "config",
    "--show-scope",
    "--show-origin",
    "--null",
    "--get-regexp",
    r"^credential(\..*)?\.(helper|usehttppath)$",
];

/// One entry of git's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HelperLine {
    /// `system`, `global`, `local`, `worktree` or `command`.
    pub(super) scope: String,
    /// The file; `None` for what the environment says, `GIT_CONFIG_COUNT` and the like.
    pub(super) file: Option<String>,
    /// The part between `credential.` and the name.
    pub(super) url: Option<String>,
    is_helper: bool,
    /// `None` where only the name stands, which means true.
    pub(super) value: Option<String>,
}

/// The helpers for a place, in their order.
#[derive(Debug, Default)]
pub(super) struct Effective<'a> {
    /// Those that git runs.
    pub(super) run: Vec<&'a HelperLine>,
    /// Those that it would run if it had not been told to forget them.
    pub(super) forgotten: Vec<&'a HelperLine>,
}

/// What a helper entry runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Runs {
    /// keyfob, under the name `git-credential-keyfob`, or by a path or a name of its own; with these arguments.
    Keyfob { program: Option<String>, args: Vec<String> },
    /// Another: its name, fit for a sentence. Never its arguments, which may be secrets.
    Other(String),
}

/// What git makes of all its files and the environment.
///
/// # Errors
///
/// git cannot be run, or cannot read its configuration.
pub(super) fn ask() -> Result<Vec<HelperLine>> {
    let mend = "run: git config --list --show-origin";
    let answer = programs::ask("git", LISTING, &With::default())
        .map_err(|error| Error::broken("cannot run git", error).hint(mend))?;
    let text = |bytes: &SecretBytes| String::from_utf8_lossy(bytes.expose()).into_owned();
    let said = text(&answer.stderr);
    // 1 and not a word where there is no such entry; more where git cannot go on.
    if answer.succeeded || said.is_empty() {
        return Ok(parse(&text(&answer.stdout)));
    }
    let what = format!(
        "git cannot read its configuration: {}",
        Secrets::default().redact(&escape(said.lines().next().unwrap_or_default()))
    );
    Err(Error::new(Kind::Broken, what).hint(mend))
}

/// Reads what [`LISTING`] prints: scope, origin, and name with value, each ended by a NUL.
fn parse(listing: &str) -> Vec<HelperLine> {
    let mut fields = listing.split('\0');
    let mut entries = Vec::new();
    while let (Some(scope), Some(origin), Some(entry)) = (fields.next(), fields.next(), fields.next()) {
        let (key, value) = entry.split_once('\n').map_or((entry, None), |(key, value)| (key, Some(value)));
        let Some(rest) = key.strip_prefix("credential.") else { continue };
        let (url, name) = rest.rsplit_once('.').map_or((None, rest), |(url, name)| (Some(url), name));
        entries.push(HelperLine {
            scope: scope.to_owned(),
            file: origin.strip_prefix("file:").map(str::to_owned),
            url: url.map(str::to_owned),
            is_helper: name == "helper",
            value: value.map(str::to_owned),
        });
    }
    entries
}

/// The helpers for a place.
pub(super) fn effective<'a>(entries: impl IntoIterator<Item = &'a HelperLine>, place: &Location) -> Effective<'a> {
    let mut list = Effective::default();
    for entry in entries.into_iter().filter(|entry| entry.is_helper && entry.is_for(place)) {
        match entry.value.as_deref() {
            Some("") => list.forgotten.append(&mut list.run),
            _ => list.run.push(entry),
        }
    }
    list
}

/// Whether git tells its helpers the path at a place: the last word on it holds.
pub(super) fn tells_path(entries: &[HelperLine], place: &Location) -> bool {
    let last = entries.iter().rfind(|entry| !entry.is_helper && entry.is_for(place));
    last.is_some_and(|entry| match entry.value.as_deref() {
        None => true,
        Some(value) => {
            matches!(value.to_ascii_lowercase().as_str(), "true" | "yes" | "on")
                || value.parse::<i64>().is_ok_and(|number| number != 0)
        }
    })
}

impl HelperLine {
    /// A helper of the person's own file.
    pub(super) fn helper(url: Option<String>, value: &str) -> Self {
        Self { scope: "global".to_owned(), file: None, url, is_helper: true, value: Some(value.to_owned()) }
    }

    /// Whether git reads it before what a repository says.
    pub(super) fn is_global(&self) -> bool {
        matches!(self.scope.as_str(), "system" | "global")
    }

    /// Whether git takes this entry for a place: the scheme, the host label by label (`*` is any one), the port, and the
    /// path by whole segments. What has no scheme is compared as it stands.
    fn is_for(&self, place: &Location) -> bool {
        let Some(pattern) = &self.url else { return true };
        let (scheme, rest) =
            pattern.split_once("://").map_or((None, pattern.as_str()), |(scheme, rest)| (Some(scheme), rest));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // git takes one with a user name only for a request that has it, of which nothing is known here.
        if authority.contains('@') {
            return false;
        }
        let Some(scheme) = scheme else {
            let path = path.trim_matches('/');
            return authority == place.authority() && (path.is_empty() || path == place.path.join("/"));
        };
        let (own_scheme, usual_port) = match place.scheme {
            Scheme::Https => ("https", ":443"),
            Scheme::Http => ("http", ":80"),
        };
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(usual_port).unwrap_or(&authority);
        let path = location::decoded(path).unwrap_or(path.into());
        let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        scheme.eq_ignore_ascii_case(own_scheme)
            // `https://` alone is every host.
            && (authority.is_empty() || same_labels(authority, &place.authority()))
            && path.len() <= place.path.len()
            && path.iter().zip(&place.path).all(|(wanted, own)| wanted == own)
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

    /// What it runs, fit for a sentence.
    pub(super) fn name(&self) -> String {
        match self.runs() {
            Runs::Keyfob { .. } => "keyfob".to_owned(),
            Runs::Other(name) => escape(&name),
        }
    }

    /// Whether it runs keyfob, by whatever name and with whatever arguments.
    pub(super) fn is_keyfob(&self) -> bool {
        matches!(self.runs(), Runs::Keyfob { .. })
    }

    /// Where it stands, for a sentence.
    pub(super) fn origin(&self) -> &str {
        self.file.as_deref().unwrap_or("the environment (GIT_CONFIG_COUNT)")
    }
}

/// Whether an authority is the one a pattern stands for, in which `*` is exactly one label.
fn same_labels(pattern: &str, own: &str) -> bool {
    pattern.split('.').count() == own.split('.').count()
        && pattern.split('.').zip(own.split('.')).all(|(pattern, own)| pattern == "*" || pattern == own)
}

/// Words as a shell splits them, as far as quotes go: nobody writes more for a helper of ours.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut chars = command.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            // Any other backslash may be part of a path of Windows.
            (None, '\\') if chars.peek().is_some_and(|next| matches!(next, '"' | '\'')) => {
                word.get_or_insert_default().extend(chars.next());
            }
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
    use crate::escape::quote;

    fn entry(url: Option<&str>, name: &str, value: Option<&str>) -> String {
        let url = url.map(|url| format!("{url}.")).unwrap_or_default();
        let value = value.map(|value| format!("\n{value}")).unwrap_or_default();
        format!("global\0file:/home/ann/.gitconfig\0credential.{url}{name}{value}\0")
    }

    fn values(entries: &[&HelperLine]) -> Vec<String> {
        entries.iter().map(|entry| entry.value.clone().unwrap()).collect()
    }

    fn list(entries: &[(Option<&str>, &str)], place: &str) -> Vec<String> {
        let listing: String = entries.iter().map(|(url, value)| entry(*url, "helper", Some(value))).collect();
        values(&effective(&parse(&listing), &Location::parse(place).unwrap()).run)
    }

    #[test]
    fn one_list_in_the_order_of_the_files() {
        let acme = Some("https://git.acme.dev");
        assert_eq!(list(&[(None, "store"), (acme, ""), (acme, "keyfob")], "git.acme.dev"), ["keyfob"]);
        assert_eq!(list(&[(acme, ""), (acme, "keyfob"), (None, "store")], "git.acme.dev"), ["keyfob", "store"]);
        assert_eq!(list(&[(None, "store"), (acme, ""), (acme, "keyfob")], "other.dev"), ["store"]);
    }

    #[test]
    fn what_is_forgotten_and_where_the_rest_stands() {
        let listing = "system\0file:/etc/gitconfig\0core.bare\0system\0file:/etc/gitconfig\0credential.helper\nstore\0\
                       global\0file:/home/ann/.gitconfig\0credential.https://git.acme.dev.helper\n\0\
                       global\0file:/home/ann/.gitconfig\0credential.https://git.acme.dev.helper\nkeyfob\0\
                       local\0file:.git/config\0credential.helper\ncache --timeout 9\0\
                       command\0command line:\0credential.helper\nother\0";
        let entries = parse(listing);
        let Effective { run, forgotten } = effective(&entries, &Location::parse("git.acme.dev").unwrap());
        assert_eq!(
            (values(&run), values(&forgotten)),
            (vec!["keyfob".into(), "cache --timeout 9".into(), "other".into()], vec!["store".into()])
        );
        assert_eq!([run[0].is_global(), run[1].is_global()], [true, false]);
        assert_eq!([run[1].origin(), run[2].origin()], [".git/config", "the environment (GIT_CONFIG_COUNT)"]);
    }

    /// As `git credential fill` of git 2.47 does.
    #[test]
    fn places_as_git_compares_them() {
        for (url, place, fits) in [
            ("https://git.acme.dev", "git.acme.dev", true),
            ("https://git.acme.dev/", "git.acme.dev/team", true),
            ("https://git.acme.dev:443/", "git.acme.dev", true),
            ("https://GIT.acme.dev:443", "git.acme.dev", true),
            ("https://git.acme.dev:8443", "git.acme.dev", false),
            ("https://git.acme.dev:8443", "git.acme.dev:8443", true),
            ("http://git.acme.dev", "git.acme.dev", false),
            ("http://127.0.0.1:80", "http://127.0.0.1", true),
            ("https://acme.dev", "git.acme.dev", false),
            ("https://*.acme.dev", "git.acme.dev", true),
            ("https://*.acme.dev:443/", "git.acme.dev", true),
            ("https://*.acme.dev", "a.git.acme.dev", false),
            ("https://*.acme.dev", "acme.dev", false),
            ("https://*.dev", "git.acme.dev", false),
            ("https://git.acme.dev/team", "git.acme.dev", false),
            ("https://git.acme.dev/team", "git.acme.dev/team/repo", true),
            ("https://git.acme.dev/team", "git.acme.dev/teams", false),
            ("https://ann@git.acme.dev", "git.acme.dev", false),
            ("https://", "git.acme.dev", true),
            ("http://", "git.acme.dev", false),
            ("https://[::1]:8443", "https://[::1]:8443", true),
            ("https://[::1]", "https://[::1]", true),
            ("git.acme.dev", "git.acme.dev", true),
            ("git.acme.dev/", "git.acme.dev/team", true),
            ("GIT.acme.dev", "git.acme.dev", false),
            ("git.acme.dev:443", "git.acme.dev", false),
            ("git.acme.dev", "git.acme.dev:8443", false),
            ("*.acme.dev", "git.acme.dev", false),
            ("git.acme.dev/team/", "git.acme.dev/team", true),
            ("git.acme.dev/team", "git.acme.dev/team/repo", false),
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
        let ours_in = "/home/o'hara/keyfob";
        assert_eq!(runs(&format!("!{} git", quote(ours_in))), keyfob(Some(ours_in), &[]));
        assert_eq!(runs("C:\\bin\\keyfob.exe git"), keyfob(Some("C:\\bin\\keyfob.exe"), &[]));
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
