//! Which profile answers for a location: exact `host[:port]` first, there the longest path; then `*.` for exactly one
//! label. The requested user name chooses among equals, then `default = true`; what is left is a tie.

use crate::error::{Error, Kind, Result};
use crate::model::{Destination, HostPattern, Location, Profile};

/// How closely an entry names a location; greater is closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Closeness {
    exact: bool,
    segments: usize,
}

impl HostPattern {
    /// How closely this entry names `asked`, if it does. An entry with a path never names a location without one.
    pub(crate) fn closeness(&self, asked: &Location) -> Option<Closeness> {
        let Location { scheme, host, port, path } = &self.location;
        let host_fits = if self.wildcard {
            asked.host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == host)
        } else {
            asked.host == *host
        };
        let fits = host_fits && asked.scheme == *scheme && asked.port == *port && asked.path.starts_with(path);
        fits.then_some(Closeness { exact: !self.wildcard, segments: path.len() })
    }
}

/// The entry that names `asked` most closely, out of `hosts` or `clusters`.
pub(crate) fn closest<'a>(
    entries: &'a [(HostPattern, Destination)],
    asked: &Location,
) -> Option<(Closeness, &'a HostPattern, &'a Destination)> {
    let close = entries.iter().filter_map(|(entry, to)| Some((entry.closeness(asked)?, entry, to)));
    close.max_by_key(|(closeness, ..)| *closeness)
}

/// The profile and destination that answer for `asked`, out of `profiles`; `None` where it is nobody's.
///
/// `username` is the one the request names, in its URL or by an earlier helper: it must be the profile's `account` or
/// the destination's `username`; a profile that has neither takes any.
pub(crate) fn choose<'a>(
    profiles: impl Iterator<Item = &'a Profile>,
    asked: &Location,
    username: Option<&str>,
) -> Result<Option<(&'a Profile, &'a Destination)>> {
    let mut candidates: Vec<(Option<Closeness>, &Profile, &Destination)> = Vec::new();
    for profile in profiles {
        if let Some((closeness, _, to)) = closest(&profile.hosts, asked) {
            candidates.push((Some(closeness), profile, to));
        }
    }
    if let Some(wanted) = username.filter(|name| !name.is_empty()) {
        keep_the_named(&mut candidates, wanted);
    }
    let closest = candidates.iter().map(|(closeness, ..)| *closeness).max().flatten();
    candidates.retain(|(closeness, ..)| *closeness == closest);
    if candidates.len() > 1 && candidates.iter().any(|(_, profile, _)| profile.default) {
        candidates.retain(|(_, profile, _)| profile.default);
    }
    match candidates[..] {
        [] => Ok(None),
        [(_, profile, destination)] => Ok(Some((profile, destination))),
        _ => Err(tie(&candidates, asked)),
    }
}

fn keep_the_named(candidates: &mut Vec<(Option<Closeness>, &Profile, &Destination)>, wanted: &str) {
    if candidates.iter().any(|(_, profile, _)| profile.account.as_deref() == Some(wanted)) {
        candidates.retain(|(_, profile, _)| profile.account.as_deref() == Some(wanted));
    } else {
        candidates.retain(|(_, profile, to)| match (&to.username, &profile.account) {
            (Some(username), _) => username == wanted,
            (None, Some(_)) => wanted == profile.preset.username,
            (None, None) => true,
        });
    }
}

fn tie(candidates: &[(Option<Closeness>, &Profile, &Destination)], asked: &Location) -> Error {
    let names: Vec<&str> = candidates.iter().map(|(_, profile, _)| profile.title()).collect();
    let account = candidates.iter().find_map(|(_, profile, _)| profile.account.as_deref()).unwrap_or("USER");
    let url = asked.to_string().replacen("://", &format!("://{account}@"), 1);
    Error::new(Kind::Configuration, format!("profiles {} both answer for {asked}", names.join(" and ")))
        .hint(format!("name the account in the URL ({url}), or set default = true in one of the profiles"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::parse;
    use crate::mend::Mend;

    fn pick(file: &str, asked: &str, username: Option<&str>) -> String {
        let config = parse(file, "config.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
        match choose(config.profiles.iter(), &Location::parse(asked).unwrap(), username) {
            Ok(Some((profile, destination))) => {
                format!("{} {}", profile.title(), destination.username.as_deref().unwrap_or("-"))
            }
            Ok(None) => "nobody".to_owned(),
            Err(error) => format!("{error}; {}", error.mend().map(Mend::words).unwrap_or_default()),
        }
    }

    fn profile(name: &str, more: &str) -> String {
        format!("[profile.{name}]\nprovider = \"workos\"\nclient_id = \"c_{name}\"\n{more}\n")
    }

    #[test]
    fn exact_then_longest_path_then_one_label() {
        let file = [
            profile("exact", r#"hosts = ["git.acme.dev", "r.acme.dev:5000"]"#),
            profile("path", r#"hosts = ["https://git.acme.dev/team/", "https://git.acme.dev/team/deep"]"#),
            profile("wild", r#"hosts = ["*.acme.dev", "*.corp.dev:8443"]"#),
        ]
        .concat();
        for (asked, answer) in [
            ("git.acme.dev", "exact -"),
            ("git.acme.dev/other", "exact -"),
            ("git.acme.dev/team", "path -"),
            ("git.acme.dev/team/repo.git", "path -"),
            ("git.acme.dev/teamster", "exact -"),
            ("GIT.acme.DEV:443", "exact -"),
            ("git.acme.dev:8443", "nobody"),
            ("r.acme.dev:5000", "exact -"),
            ("r.acme.dev", "wild -"),
            ("x.acme.dev", "wild -"),
            ("acme.dev", "nobody"),
            ("a.b.acme.dev", "nobody"),
            ("evil-acme.dev", "nobody"),
            ("x.acme.dev.evil.dev", "nobody"),
            ("x.corp.dev:8443", "wild -"),
            ("http://localhost/x", "nobody"),
        ] {
            assert_eq!(pick(&file, asked, None), answer, "{asked}");
        }
    }

    #[test]
    fn the_user_name_chooses_then_the_path_then_the_default() {
        let two = [
            profile("alice", "hosts = [\"git.acme.dev\"]\naccount = \"alice\""),
            profile("bob", "hosts = [\"git.acme.dev\", \"https://git.acme.dev/bobs\"]\naccount = \"bob\""),
        ]
        .concat();
        assert_eq!(pick(&two, "git.acme.dev", Some("alice")), "alice -");
        assert_eq!(pick(&two, "git.acme.dev", Some("bob")), "bob -");
        assert_eq!(pick(&two, "git.acme.dev/bobs", Some("alice")), "alice -");
        assert_eq!(pick(&two, "git.acme.dev/bobs/x", None), "bob -");
        assert_eq!(pick(&two, "git.acme.dev", Some("carol")), "nobody");
        assert_eq!(
            pick(&two, "git.acme.dev", None),
            "profiles alice and bob both answer for https://git.acme.dev; name the account in the URL \
             (https://alice@git.acme.dev), or set default = true in one of the profiles"
        );
        let with_default = two.replace("account = \"bob\"", "account = \"bob\"\ndefault = true");
        assert_eq!(pick(&with_default, "git.acme.dev", None), "bob -");
        assert_eq!(pick(&with_default, "git.acme.dev", Some("alice")), "alice -");
    }

    #[test]
    fn a_username_of_the_profile_must_be_met() {
        let file = profile("acme", "hosts = [\"git.acme.dev\"]\nusername = \"oauth\"");
        assert_eq!(pick(&file, "git.acme.dev", None), "acme oauth");
        assert_eq!(pick(&file, "git.acme.dev", Some("oauth")), "acme oauth");
        assert_eq!(pick(&file, "git.acme.dev", Some("bob")), "nobody");
    }
}
