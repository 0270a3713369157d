//! The configuration file: from what is written to checked profiles. Every error names the file, the line and the mend, and
//! quotes no value that could be a secret.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use super::server::{refuse_secret, server};
use super::written::{RawDestination, RawProfile, Source};
use super::{Config, PlainStore};
use crate::error::Result;
use crate::model::location::Scheme;
use crate::model::provider::{self, Preset, Stage};
use crate::model::{Destination, HostPattern, Profile, Route, Slot, location};

/// Reads a configuration file's text. `path` is for its errors.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Config> {
    check_all(&Source::new(Some(path), text))
}

/// Reads the text that a command line comes to, of which no file knows yet.
pub(crate) fn parse_spelt(text: &str) -> Result<Config> {
    check_all(&Source::new(None, text))
}

fn check_all(source: &Source<'_>) -> Result<Config> {
    let raw = source.read()?;
    let mut profiles = Vec::with_capacity(raw.profile.len());
    for (name, profile) in raw.profile {
        let span = name.span();
        let name = name.into_inner();
        refuse_name(&name).map_err(|what| source.error(Some(span.clone()), what).hint(NAMES))?;
        profiles.push((check(profile, Some(name), source, Some(&span))?, span));
    }
    refuse_twins(&profiles, source)?;
    let mut profiles: Vec<Profile> = profiles.into_iter().map(|(profile, _)| profile).collect();
    share_resources(&mut profiles);
    Ok(Config { profiles, store: PlainStore { git: raw.store.git, docker: raw.store.docker } })
}

/// What a name is made of.
pub(crate) const NAMES: &str = "use letters, digits, - and _";

/// Whether a profile can be called so; why not.
pub(crate) fn refuse_name(name: &str) -> Result<(), String> {
    let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.is_empty() || name.starts_with('-') || !name.bytes().all(is_fit) {
        return Err(format!("\"{}\" is no name for a profile", name.escape_debug()));
    }
    Ok(())
}

/// A profile spelt on the command line: the few keys that fit there.
pub(crate) struct Spelt<'a> {
    pub(crate) provider: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) issuer: Option<&'a str>,
    /// Empty for the provider's own.
    pub(crate) scopes: &'a [String],
    pub(crate) hosts: &'a [String],
}

/// Checks a profile that was spelt on the command line.
pub(crate) fn inline(spelt: &Spelt<'_>) -> Result<Profile> {
    let Spelt { provider, client_id, issuer, scopes, hosts } = spelt;
    let text = |text: &str| Spanned::new(0..0, text.to_owned());
    let raw = RawProfile {
        provider: Some(text(provider)),
        client_id: Some((*client_id).to_owned()),
        issuer: issuer.map(text),
        scopes: (!scopes.is_empty()).then(|| scopes.to_vec()),
        hosts: hosts.iter().map(|host| text(host)).collect(),
        ..RawProfile::default()
    };
    check(raw, None, &Source::new(None, ""), None)
}

/// Parameters that `extra` may not hold, and what to write instead.
const RESERVED: &[(&str, &str)] = &[
    ("client_id", "write it as client_id in the profile"),
    (
        "client_secret",
        "where the provider wants one, write it to a file of mode 0600 and name that as client_secret_file",
    ),
    ("client_assertion", "register keyfob as a public client, which has no secret, and remove it"),
    ("scope", "write scopes = [\"...\"] in the profile"),
    ("audience", "write audience = \"...\" in the profile"),
    ("resource", "write resource = \"...\" in the profile"),
    ("organization", "write organization = \"...\" in the profile"),
    ("organization_id", "write organization = \"...\" in the profile"),
    ("grant_type", "remove it"),
    ("device_code", "remove it"),
    ("refresh_token", "remove it"),
];

fn check(raw: RawProfile, name: Option<String>, source: &Source<'_>, at: Option<&Range<usize>>) -> Result<Profile> {
    let missing = |key: &str, hint: String| source.error(at.cloned(), format!("{key} is missing")).hint(hint);
    let provider = raw
        .provider
        .as_ref()
        .ok_or_else(|| missing("provider", format!("add provider = \"...\", one of {}", provider::names())))?;
    let preset = provider::find(provider.get_ref()).ok_or_else(|| {
        let what = format!("no provider is called \"{}\"", provider.get_ref().escape_debug());
        let error = source.error(Some(provider.span()), what);
        match provider::unworkable(provider.get_ref()) {
            Some(row) => error.hint(format!("{} cannot work: {}; {}", row.title, row.why, row.instead)),
            None => error.hint(provider::instead_of(provider.get_ref())),
        }
    })?;
    let client_id = raw.client_id.clone().filter(|id| !id.is_empty()).ok_or_else(|| {
        missing("client_id", format!("add the client_id under which {} knows this program", preset.title))
    })?;
    // RFC 6749 appendix A.1. It is shown, too.
    if client_id.bytes().any(|byte| !byte.is_ascii_graphic() && byte != b' ') {
        return Err(source
            .error(at.cloned(), "client_id holds a character that no client_id may have")
            .hint("copy it from the provider's registration once more"));
    }
    refuse_secret(&raw, preset, source, &missing)?;
    for (name, key) in RESERVED {
        if raw.extra.contains_key(*name) {
            return Err(source.error(at.cloned(), format!("extra: \"{name}\" is keyfob's to send")).hint(*key));
        }
    }
    for (key, path) in [("ca_file", &raw.ca_file), ("client_secret_file", &raw.client_secret_file)] {
        if let Some(path) = path.as_ref().filter(|path| path.get_ref().is_relative()) {
            let what = format!("{key}: \"{}\" depends on where the command runs", path.get_ref().display());
            return Err(source.error(Some(path.span()), what).hint("write the whole path"));
        }
    }
    let server = server(&raw, preset, source, &missing)?;
    let plain = destination(&raw, &RawDestination::default(), preset);
    let mut hosts = Vec::with_capacity(raw.hosts.len());
    for entry in &raw.hosts {
        hosts.push((host_entry("hosts", source, entry)?, plain.clone()));
    }
    let mut clusters = Vec::with_capacity(raw.clusters.len());
    for entry in &raw.clusters {
        clusters.push((host_entry("clusters", source, entry)?, plain.clone()));
    }
    if let Some(bind) = raw.bind_clusters.as_ref().filter(|bind| *bind.get_ref() && clusters.is_empty()) {
        let what = "bind_clusters: there are no clusters to answer, and so any server would get the token";
        return Err(source.error(Some(bind.span()), what).hint("add clusters = [\"https://HOST:PORT\"]"));
    }
    for (key, overrides) in &raw.at {
        let entry = host_entry("at", source, key)?;
        let mut to = destination(&raw, overrides, preset);
        to.route = route(source, overrides)?;
        let routed = overrides.proxy.as_ref().or(overrides.tls_server_name.as_ref());
        if let Some(routed) = routed.filter(|_| clusters.iter().all(|(known, _)| *known != entry)) {
            let what = "proxy and tls_server_name are for an entry of clusters";
            return Err(source.error(Some(routed.span()), what).hint("leave them out"));
        }
        let mut named = false;
        for (_, destination) in hosts.iter_mut().chain(&mut clusters).filter(|(known, _)| *known == entry) {
            *destination = to.clone();
            named = true;
        }
        if !named {
            let what = format!("at.\"{}\" is none of the profile's hosts or clusters", key.get_ref().escape_debug());
            return Err(source.error(Some(key.span()), what).hint("write it as it stands in hosts or clusters"));
        }
    }
    let keep_refresh_token = raw.keep_refresh_token.unwrap_or(true);
    let chosen =
        hosts.iter().chain(&clusters).map(|(_, to)| to).chain([&plain]).any(|to| to.slot.organization.is_some());
    if preset.organization_parameter(Stage::SignIn).is_none() && chosen && !keep_refresh_token {
        let what = "organization is chosen with the refresh token, which keep_refresh_token = false throws away";
        return Err(source.error(at.cloned(), what).hint("leave out one of the two"));
    }
    Ok(Profile {
        name,
        written_at: source.place(at.cloned()),
        preset,
        client_id,
        issuer: raw.issuer.map(Spanned::into_inner),
        server,
        client_secret_file: raw.client_secret_file.map(Spanned::into_inner),
        account: raw.account,
        expect: raw.expect,
        default: raw.default,
        shared_resources: Vec::new(),
        ca_file: raw.ca_file.map(Spanned::into_inner),
        extra: raw.extra,
        keep_refresh_token,
        hosts,
        clusters,
        bind_clusters: raw.bind_clusters.is_none_or(Spanned::into_inner),
        plain,
    })
}

/// What a destination takes: its own word, else the profile's, else the preset's.
fn destination(raw: &RawProfile, own: &RawDestination, preset: &Preset) -> Destination {
    let either = |own: &Option<String>, profile: &Option<String>| own.clone().or_else(|| profile.clone());
    let mut scopes = own
        .scopes
        .clone()
        .or_else(|| raw.scopes.clone())
        .unwrap_or_else(|| preset.scopes.iter().map(|scope| (*scope).to_owned()).collect());
    scopes.sort();
    scopes.dedup();
    Destination {
        username: either(&own.username, &raw.username),
        auth: own.auth.or(raw.auth).unwrap_or_default(),
        token: own.token.or(raw.token).unwrap_or(preset.hands_out),
        slot: Slot {
            organization: either(&own.organization, &raw.organization),
            audience: either(&own.audience, &raw.audience),
            resource: either(&own.resource, &raw.resource),
            scopes,
            foreign: None,
        },
        route: Route::default(),
    }
}

/// How a client may reach a cluster, as it is compared.
fn route(source: &Source<'_>, own: &RawDestination) -> Result<Route> {
    let proxy = own.proxy.as_ref().map(|url| {
        location::proxy(url.get_ref()).ok_or_else(|| {
            let what = format!("proxy: \"{}\" is no proxy's address", location::without_user(url.get_ref()));
            source
                .error(Some(url.span()), what)
                .hint("write it as \"http://HOST:PORT\", as proxy-url of the kubeconfig has it")
        })
    });
    let name = own.tls_server_name.as_ref().map(|name| source.location("tls_server_name", name));
    Ok(Route { proxy: proxy.transpose()?, tls_server_name: name.transpose()?.map(|place| place.host) })
}

/// An entry of the list `key`.
fn host_entry(key: &str, source: &Source<'_>, entry: &Spanned<String>) -> Result<HostPattern> {
    let text = entry.get_ref();
    let bare = text.strip_prefix("https://").unwrap_or(text);
    let wildcard = bare.strip_prefix("*.");
    let location = match wildcard {
        None => source.location(key, entry)?,
        Some(rest) => {
            let location = source.location(key, &Spanned::new(entry.span(), rest.to_owned()))?;
            if location.scheme != Scheme::Https || !location.host.contains('.') {
                let what = format!("{key}: \"{}\" is too wide", text.escape_debug());
                return Err(source.error(Some(entry.span()), what).hint("name a domain of yours: \"*.git.acme.dev\""));
            }
            location
        }
    };
    Ok(HostPattern { wildcard: wildcard.is_some(), location })
}

/// Two profiles may share an entry when a requested user name can tell them apart, and one default at most; and a session when they
/// want the same of it. Each entry and each session is looked at once, however many profiles there are.
fn refuse_twins(profiles: &[(Profile, Range<usize>)], source: &Source<'_>) -> Result<()> {
    let later = |one: usize, other: usize| {
        let (first, second) = (&profiles[one].1, &profiles[other].1);
        Some(if first.start > second.start { first.clone() } else { second.clone() })
    };
    if profiles.len() < 2 {
        return Ok(());
    }
    let mut sessions = BTreeMap::new();
    let mut entries: BTreeMap<&HostPattern, Vec<usize>> = BTreeMap::new();
    for (index, (profile, _)) in profiles.iter().enumerate() {
        let first = *sessions.entry(session(profile)).or_insert(index);
        let one = &profiles[first].0;
        if one.keep_refresh_token != profile.keep_refresh_token {
            let what = format!("profiles {} and {} share one session", one.title(), profile.title());
            return Err(source
                .error(later(first, index), what)
                .hint("write the same keep_refresh_token in both, or give each its own account"));
        }
        for (entry, _) in &profile.hosts {
            let known = entries.entry(entry).or_default();
            for other in known.iter().copied().filter(|other| *other != index) {
                let one = &profiles[other].0;
                let names = format!("profiles {} and {} both name {}", one.title(), profile.title(), entry.location);
                if one.account == profile.account {
                    return Err(source
                        .error(later(other, index), names)
                        .hint("give each its own account = \"...\", or take the host out of one"));
                }
                if one.default && profile.default {
                    return Err(source
                        .error(later(other, index), format!("{names}, and each is the default"))
                        .hint("leave default = true in one of them"));
                }
            }
            known.push(index);
        }
    }
    Ok(())
}

/// What makes profiles share one session.
fn session(profile: &Profile) -> (&str, &str, Option<&str>) {
    (profile.server.name(), &profile.client_id, profile.account.as_deref())
}

/// A sign-in names the resources of every profile that goes by its session.
fn share_resources(profiles: &mut [Profile]) {
    let mut shared: BTreeMap<(String, String, Option<String>), Vec<String>> = BTreeMap::new();
    let key = |profile: &Profile| {
        let (server, client_id, account) = session(profile);
        (server.to_owned(), client_id.to_owned(), account.map(str::to_owned))
    };
    let resources = |profile: &Profile| profile.all_resources();
    for profile in profiles.iter().filter(|profile| !resources(profile).is_empty()) {
        shared.entry(key(profile)).or_default().extend(resources(profile));
    }
    if shared.is_empty() {
        return;
    }
    for profile in profiles {
        profile.shared_resources = shared.get(&key(profile)).cloned().unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mend::Mend;
    use crate::model::{Server, TokenKind};

    fn error(text: &str) -> String {
        match parse(text, "config.toml".as_ref()) {
            Ok(_) => "no error".to_owned(),
            Err(error) => format!("{error}; {}", error.mend().map_or_else(|| "no mend".to_owned(), Mend::words)),
        }
    }

    const ACME: &str = "[profile.acme]\nprovider = \"workos\"\nclient_id = \"client_1\"\n";

    #[test]
    fn what_is_wrong_where_and_the_mend() {
        for (more, begins) in [
            ("colour = \"red\"", "config.toml:4: unknown field \"colour\""),
            ("client_secret = \"s3cret\"", "config.toml:4: unknown field \"client_secret\""),
            ("client_secret_file = \"x\"", "config.toml:4: client_secret_file is of no use"),
            (
                "hosts = [\"ok.dev\",\n \"http://git.acme.dev\"]",
                "config.toml:5: hosts: \"http://git.acme.dev\" is plain http",
            ),
            ("hosts = [\"*.dev\"]", "config.toml:4: hosts: \"*.dev\" is too wide"),
            ("base_url = \"http://auth.acme.dev\"", "config.toml:4: base_url: \"http://auth.acme.dev\" is plain http"),
            ("base_url = \"auth.acme.dev\"", "config.toml:4: base_url: \"auth.acme.dev\" has no scheme"),
            ("token = \"s3cret\"", "config.toml:4: unknown word, expected \"access\" or \"id\""),
            ("client_id = 7\n", "config.toml:4: "),
            ("default = \"s3cret\"", "config.toml:4: a value of the wrong kind, expected a boolean"),
            (
                "hosts = [\"https://u:s3cret@git.acme.dev\"]",
                "config.toml:4: hosts: \"https://...@git.acme.dev\" has a user name",
            ),
            ("extra = { client_secret = \"s3cret\" }", "config.toml:1: extra: \"client_secret\" is keyfob's to send"),
            ("ca_file = \"ca.pem\"", "config.toml:4: ca_file: \"ca.pem\" depends on where"),
            (
                "organization = \"o\"\nkeep_refresh_token = false",
                "config.toml:1: organization is chosen with the refresh token",
            ),
            ("[profile.acme.at.\"x.dev\"]\ntoken = \"id\"", "config.toml:4: at.\"x.dev\" is none of"),
            ("[profile.\"a.b\"]\nprovider = \"workos\"", "config.toml:4: \"a.b\" is no name for a profile"),
            ("[profile.b]\nprovider = \"nope\"", "config.toml:5: no provider is called \"nope\""),
            ("[profile.b]\nprovider = \"workos\"", "config.toml:4: client_id is missing"),
            ("[profile.b]\nprovider = \"workos-connect\"\nclient_id = \"x\"", "config.toml:4: issuer is missing"),
            (
                "[profile.b]\nprovider = \"oauth\"\nclient_id = \"x\"",
                "config.toml:4: device_authorization_endpoint is missing",
            ),
            (
                "[profile.b]\nprovider = \"keycloak\"\nclient_id = \"x\"\nbase_url = \"https://a.dev\"",
                "config.toml:7: base_url is of no use",
            ),
            ("[profile.b]\nprovider = \"oidc\"\nclient_id = \"x\"", "config.toml:4: issuer is missing"),
            ("[profile.b]\nprovider = \"google\"\nclient_id = \"x\"", "config.toml:4: client_secret_file is missing"),
            (
                "[profile.b]\nprovider = \"github\"\nclient_id = \"x\"\nclient_secret_file = \"s\"",
                "config.toml:7: client_secret_file: \"s\" depends on where",
            ),
            ("[profile.b]\nprovider = \"gitea\"\nclient_id = \"x\"", "config.toml:5: no provider is called \"gitea\""),
            ("[stores]", "config.toml:4: unknown field \"stores\""),
            ("hosts = [", "config.toml:4: "),
        ] {
            let said = error(&format!("{ACME}{more}\n"));
            assert!(said.starts_with(begins), "{more}: {said}");
            assert!(!said.ends_with("no mend"), "{said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn twins_are_refused() {
        let twin = |more: &str| {
            format!("{ACME}hosts = [\"a.dev\"]\n{}hosts = [\"A.dev:443\"]\n{more}", ACME.replace("acme", "twin"))
        };
        assert!(
            error(&twin("")).starts_with("config.toml:5: profiles acme and twin both name https://a.dev; give each")
        );
        assert_eq!(error(&twin("account = \"bob\"")), "no error");
        let shared = format!("{ACME}{}keep_refresh_token = false\n", ACME.replace("acme", "twin"));
        assert!(error(&shared).contains("profiles acme and twin share one session"), "{}", error(&shared));
        let defaults = twin("account = \"bob\"\ndefault = true").replacen("hosts", "default = true\nhosts", 1);
        assert!(error(&defaults).contains("each is the default"), "{}", error(&defaults));
    }

    #[test]
    fn a_destination_takes_its_own_word_then_the_profiles_then_the_presets() {
        let file = format!(
            "{ACME}hosts = [\"git.acme.dev\"]\nclusters = [\"https://k8s.acme.dev:6443\"]\norganization = \"org_1\"\n\
             [profile.acme.at.\"https://k8s.acme.dev:6443\"]\ntoken = \"id\"\nscopes = [\"b\", \"a\", \"b\"]\n"
        );
        let config = parse(&file, "config.toml".as_ref()).unwrap();
        let profile = &config.profiles[0];
        assert_eq!(profile.server.name(), "https://api.workos.com/user_management/authenticate");
        assert_eq!(profile.hosts[0].1.token, TokenKind::Access);
        assert_eq!(profile.hosts[0].1.slot.key(), "organization=org_1");
        assert_eq!(profile.clusters[0].1.token, TokenKind::Id);
        assert_eq!(profile.clusters[0].1.slot.key(), "organization=org_1&scope=a b");
        assert_eq!(profile.all_scopes(), ["a", "b"]);
    }

    #[test]
    fn endpoints_hang_where_the_preset_says() {
        let config = parse(
            "[profile.a]\nprovider = \"workos\"\nclient_id = \"x\"\nbase_url = \"https://auth.acme.dev/\"\n\
             [profile.b]\nprovider = \"workos-connect\"\nclient_id = \"x\"\nissuer = \"https://acme.authkit.app\"\n\
             [profile.c]\nprovider = \"oauth\"\nclient_id = \"x\"\ndevice_authorization_endpoint = \"http://127.0.0.1:1/d\"\n\
             token_endpoint = \"http://127.0.0.1:1/t\"\nrevocation_endpoint = \"http://127.0.0.1:1/r\"\n",
            "config.toml".as_ref(),
        )
        .unwrap();
        let known = |index: usize| match &config.profiles[index].server {
            Server::Known(endpoints) => endpoints,
            Server::Described { .. } => panic!("{index}"),
        };
        let (a, b, c) = (known(0), known(1), known(2));
        assert_eq!(a.device_authorization, "https://auth.acme.dev/user_management/authorize/device");
        assert_eq!(a.session_logout.as_deref(), Some("https://auth.acme.dev/user_management/sessions/logout"));
        assert_eq!(b.device_authorization, "https://acme.authkit.app/oauth2/device_authorization");
        assert_eq!(config.profiles[1].all_scopes(), ["email", "offline_access", "openid", "profile"]);
        assert_eq!(c.revocation.as_deref(), Some("http://127.0.0.1:1/r"));
    }
}
