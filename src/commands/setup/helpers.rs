//! Who sees the token: the credential helpers that git runs for a URL, of all its files in their order. Each is asked in
//! turn, and every one of them is handed what worked; an empty one forgets those before it (gitcredentials(7)).

use crate::config::Location;

/// The listing that [`parse`] reads: all that git knows here, with the file that says it. `--show-scope` needs git 2.26.
pub(super) const LISTING: [&str; 5] = ["config", "-z", "--show-scope", "--show-origin", "--list"];

/// A helper as git's configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Helper {
    /// What git runs.
    pub(super) value: String,
    /// Where it stands, as git says it: `file:/home/ann/.gitconfig`.
    pub(super) origin: String,
    /// For which URL; `None` for all of them.
    pub(super) url: Option<String>,
    /// Whether it stands in the system's files or the person's, which git reads before a repository's own.
    pub(super) is_global: bool,
}

impl Helper {
    /// What of it is fit to be shown: a command may have a password in it.
    pub(super) fn shown(&self) -> &str {
        match self.value.strip_prefix('!') {
            Some(_) => "a shell command",
            None => self.value.split_whitespace().next().unwrap_or_default(),
        }
    }
}

/// Reads the listing.
pub(super) fn parse(listing: &[u8]) -> Vec<Helper> {
    let text = String::from_utf8_lossy(listing);
    let mut fields = text.split('\0');
    let mut helpers = Vec::new();
    while let (Some(scope), Some(origin), Some(line)) = (fields.next(), fields.next(), fields.next()) {
        // One without a value is an error to git, and none to us.
        let (key, value) = line.split_once('\n').unwrap_or((line, ""));
        let url = key.strip_prefix("credential.").and_then(|rest| rest.strip_suffix(".helper"));
        if url.is_none() && key != "credential.helper" {
            continue;
        }
        helpers.push(Helper {
            value: value.to_owned(),
            origin: origin.to_owned(),
            url: url.map(str::to_owned),
            is_global: matches!(scope, "system" | "global"),
        });
    }
    helpers
}

/// Those that git runs for `url`, and those that it would if it had not been told to forget them.
pub(super) fn effective<'a>(
    helpers: impl IntoIterator<Item = &'a Helper>,
    url: &Location,
) -> (Vec<&'a Helper>, Vec<&'a Helper>) {
    let (mut run, mut forgotten) = (Vec::new(), Vec::new());
    for helper in helpers.into_iter().filter(|helper| helper.url.as_deref().is_none_or(|of| applies(of, url))) {
        if helper.value.is_empty() {
            forgotten.append(&mut run);
        } else {
            run.push(helper);
        }
    }
    (run, forgotten)
}

/// Whether git takes what is under `credential.<pattern>` for `url`: the same scheme, port and user name, `*` for exactly one
/// label, the path as whole segments (git-config, `http.<url>.*`); and what is no whole URL by the parts it has.
pub(super) fn applies(pattern: &str, url: &Location) -> bool {
    let (scheme, rest) = match pattern.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => (None, pattern),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // Nobody's name is in the URLs that we set up: git matches one only with a request that has it.
    if authority.contains('@') {
        return false;
    }
    let own = url.to_string();
    let (own_scheme, own_rest) = own.split_once("://").unwrap_or(("https", &own));
    let own_authority = own_rest.split('/').next().unwrap_or_default();
    let Some(scheme) = scheme else {
        return authority.eq_ignore_ascii_case(own_authority) && (path.is_empty() || path == url.path.join("/"));
    };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    let path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    scheme == own_scheme
        && hosts_match(authority, own_authority)
        && url.path.len() >= path.len()
        && path.iter().zip(&url.path).all(|(wanted, own)| wanted == own)
}

fn hosts_match(pattern: &str, own: &str) -> bool {
    let (pattern, own): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), own.split('.').collect());
    pattern.len() == own.len() && pattern.iter().zip(&own).all(|(pattern, own)| *pattern == "*" || pattern == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Location {
        Location::parse(url).unwrap()
    }

    #[test]
    fn a_later_one_comes_back_after_a_reset() {
        let listing = "system\0file:/etc/gitconfig\0core.bare\0system\0file:/etc/gitconfig\0credential.helper\nstore\0\
                       global\0file:/home/ann/.gitconfig\0credential.https://git.acme.dev.helper\n\0\
                       global\0file:/home/ann/.gitconfig\0credential.https://git.acme.dev.helper\nkeyfob\0\
                       global\0file:/home/ann/.gitconfig\0credential.https://other.dev.helper\nother\0\
                       local\0file:.git/config\0credential.helper\ncache --timeout 9\0";
        let helpers = parse(listing.as_bytes());
        let (run, forgotten) = effective(&helpers, &at("git.acme.dev"));
        let values = |list: &[&Helper]| list.iter().map(|it| it.value.clone()).collect::<Vec<_>>();
        assert_eq!(
            (values(&run), values(&forgotten)),
            (vec!["keyfob".into(), "cache --timeout 9".into()], vec!["store".into()])
        );
        assert_eq!(
            (run[1].origin.as_str(), run[1].is_global, run[1].url.as_deref()),
            ("file:.git/config", false, None)
        );
        assert_eq!(values(&effective(&helpers, &at("elsewhere.dev")).0), ["store", "cache --timeout 9"]);
    }

    #[test]
    fn applied_as_git_applies_it() {
        for (pattern, url, applies_) in [
            ("https://git.acme.dev", "git.acme.dev", true),
            ("https://git.acme.dev/", "git.acme.dev/team", true),
            ("https://GIT.acme.dev:443", "git.acme.dev", true),
            ("https://git.acme.dev/team", "git.acme.dev/team/x", true),
            ("https://git.acme.dev/team", "git.acme.dev/teamster", false),
            ("https://git.acme.dev/team", "git.acme.dev", false),
            ("https://*.acme.dev", "git.acme.dev", true),
            ("https://*.acme.dev", "a.git.acme.dev", false),
            ("https://*.acme.dev", "acme.dev", false),
            ("http://git.acme.dev", "git.acme.dev", false),
            ("https://git.acme.dev:8443", "git.acme.dev", false),
            ("https://git.acme.dev:8443", "git.acme.dev:8443", true),
            ("https://ann@git.acme.dev", "git.acme.dev", false),
            ("git.acme.dev", "git.acme.dev/team", true),
            ("git.acme.dev", "git.acme.dev:8443", false),
            ("git.acme.dev/team", "git.acme.dev/team", true),
            ("git.acme.dev/team", "git.acme.dev/team/x", false),
        ] {
            assert_eq!(applies(pattern, &at(url)), applies_, "{pattern} {url}");
        }
    }
}
