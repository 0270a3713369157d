//! What other helpers are configured with, as a profile: an `exec` entry of int128/kubelogin or Azure/kubelogin, and the
//! OAuth keys of git-credential-oauth and Git Credential Manager (their documentation: `docs/usage.md`,
//! `docs/configuration.md`).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::clients::kubectl::kubeconfig::{self, View};
use crate::config::draft::Draft;
use crate::config::programs;
use crate::error::{Error, Kind, Result};
use crate::model::{Location, TokenKind, location, provider};
use crate::process::With;
use crate::secret::Secret;

/// A profile found elsewhere.
#[derive(Default)]
pub(super) struct Found {
    pub(super) draft: Draft,
    /// A client's secret, which goes into a file of its own.
    pub(super) secret: Option<Secret>,
    /// The token that is to be handed out, where that is not the provider's usual one.
    pub(super) token: Option<&'static str>,
    /// The user of the kubeconfig.
    pub(super) user: Option<String>,
    /// What was left behind, for people.
    pub(super) notes: Vec<String>,
}

/// Reads a source as `--from` names it.
pub(super) fn from(source: &str) -> Result<Found> {
    match source.split_once(':') {
        Some(("kubeconfig", user)) if !user.is_empty() => from_kubeconfig(user, &kubeconfig::effective(true)?),
        Some(("git", url)) if !url.is_empty() => from_git(url),
        _ => Err(Error::new(Kind::Usage, "--from names no source")
            .hint("write --from kubeconfig:USER, with a user of the kubeconfig, or --from git:https://HOST")),
    }
}

fn from_kubeconfig(name: &str, view: &View) -> Result<Found> {
    let user = view.user(name).ok_or_else(|| {
        let what = format!("the kubeconfig has no user \"{}\"", name.escape_debug());
        let known: Vec<&str> = view.users().map(|(known, _)| known).collect();
        Error::new(Kind::Usage, what).hint(format!("its users are {}", known.join(", ")))
    })?;
    let args = user.get("exec").and_then(|exec| exec.get("args")).and_then(Value::as_array);
    let args: Vec<&str> = args.into_iter().flatten().filter_map(Value::as_str).collect();
    let flags = flags(&args);
    let mut found = if flags.contains_key("oidc-issuer-url") {
        from_oidc_login(&flags)?
    } else if flags.contains_key("server-id") {
        from_azure(&flags)?
    } else {
        let what = format!("user {name} runs nothing that keyfob can take over");
        return Err(Error::new(Kind::Usage, what)
            .hint("it takes over kubectl oidc-login and kubelogin; else: keyfob setup profile NAME --provider ..."));
    };
    let mut servers: Vec<&str> = view.contexts_of(name).filter_map(|(_, cluster)| view.server(cluster)).collect();
    servers.sort_unstable();
    servers.dedup();
    if !servers.is_empty() {
        found.draft.set_list("clusters", servers);
    }
    found.user = Some(name.to_owned());
    Ok(found)
}

/// Flags by name, each with its values: `--name=value`, `--name value`, `--name`.
fn flags<'a>(args: &[&'a str]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut flags: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (index, arg) in args.iter().enumerate() {
        let Some(flag) = arg.strip_prefix("--") else { continue };
        let (name, value) = flag.split_once('=').map_or_else(
            || (flag, args.get(index + 1).copied().filter(|next| !next.starts_with('-')).unwrap_or_default()),
            |(name, value)| (name, value),
        );
        flags.entry(name).or_default().push(value);
    }
    flags
}

type Flags<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// The last word on a flag; an empty one is none.
fn last<'a>(flags: &Flags<'a>, name: &str) -> Option<&'a str> {
    flags.get(name).and_then(|values| values.last()).copied().filter(|value| !value.is_empty())
}

/// A flag that is on by being there.
fn is_on(flags: &Flags<'_>, name: &str) -> bool {
    flags.get(name).and_then(|values| values.last()).is_some_and(|value| *value != "false")
}

/// int128/kubelogin, `kubectl oidc-login get-token`.
fn from_oidc_login(flags: &Flags<'_>) -> Result<Found> {
    let needed = |name: &str| {
        let missing = || Error::new(Kind::Usage, format!("the entry has no --{name}")).hint("add it to the kubeconfig");
        last(flags, name).ok_or_else(missing)
    };
    let (issuer, client_id) = (needed("oidc-issuer-url")?, needed("oidc-client-id")?);
    let mut found = Found::default();
    let name = provider::of_issuer(issuer);
    let preset = provider::find(name);
    found.draft.set("provider", name);
    found.draft.set("client_id", client_id);
    if preset.is_some_and(|preset| preset.needs.iter().any(|(key, _)| *key == "issuer")) {
        found.draft.set("issuer", issuer);
    }
    // It asks for openid and what is added; keyfob wants a refresh token as well, where the provider gives it for the asking.
    let mut scopes: Vec<&str> =
        flags.get("oidc-extra-scope").into_iter().flatten().flat_map(|scopes| scopes.split(',')).collect();
    scopes.retain(|scope| !scope.is_empty());
    if !scopes.is_empty() {
        let usual = preset.map_or(&[][..], |preset| preset.scopes);
        for own in ["openid", "offline_access"] {
            if (own == "openid" || usual.contains(&own)) && !scopes.contains(&own) {
                scopes.push(own);
            }
        }
        found.draft.set_list("scopes", scopes);
    }
    let hands_out = preset.map(|preset| preset.hands_out).unwrap_or_default();
    found.token = match (is_on(flags, "oidc-use-access-token"), hands_out) {
        (true, TokenKind::Id) => Some("access"),
        (false, TokenKind::Access) => Some("id"),
        _ => None,
    };
    found.secret = last(flags, "oidc-client-secret").map(Secret::new);
    match last(flags, "certificate-authority") {
        Some(file) if Path::new(file).is_absolute() => found.draft.set("ca_file", file),
        Some(_) => found.notes.push(
            "--certificate-authority depends on where the command runs and was left out: add ca_file to the profile"
                .to_owned(),
        ),
        None => {}
    }
    let extra: toml::Table = flags
        .get("oidc-auth-request-extra-params")
        .into_iter()
        .flatten()
        .flat_map(|pairs| pairs.split(','))
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), toml::Value::String(value.to_owned())))
        .collect();
    if !extra.is_empty() {
        found.draft.values.insert("extra".to_owned(), toml::Value::Table(extra));
    }
    if is_on(flags, "insecure-skip-tls-verify") {
        found.notes.push("--insecure-skip-tls-verify was left out: keyfob always looks at certificates".to_owned());
    }
    Ok(found)
}

/// Azure/kubelogin, `kubelogin get-token`.
fn from_azure(flags: &Flags<'_>) -> Result<Found> {
    let cannot = |why: &str, hint: &str| Err(Error::new(Kind::Usage, format!("the entry {why}")).hint(hint));
    let by_people = ["devicecode", "interactive"];
    if last(flags, "login").is_some_and(|login| !by_people.contains(&login)) {
        return cannot("signs in without a person", "keep kubelogin for it");
    }
    if last(flags, "environment").is_some_and(|cloud| cloud != "AzurePublicCloud") {
        return cannot(
            "is for a cloud of its own",
            "write the profile with --provider entra and that cloud's --issuer",
        );
    }
    let (Some(server), Some(client), Some(tenant)) =
        (last(flags, "server-id"), last(flags, "client-id"), last(flags, "tenant-id"))
    else {
        return cannot("lacks --server-id, --client-id or --tenant-id", "add it to the kubeconfig");
    };
    let mut found = Found::default();
    found.draft.set("provider", "entra");
    found.draft.set("client_id", client);
    found.draft.set("issuer", format!("https://login.microsoftonline.com/{tenant}/v2.0"));
    found.draft.set_list("scopes", [format!("{server}/.default"), "offline_access".to_owned()]);
    Ok(found)
}

/// What git is configured with for a URL.
fn from_git(url: &str) -> Result<Found> {
    let whole = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
    let location = Location::parse(&whole).map_err(|why| {
        Error::new(Kind::Usage, format!("\"{}\" {why}", location::without_user(url)))
            .hint("write --from git:https://HOST")
    })?;
    let output = programs::ask("git", ["config", "-z", "--get-urlmatch", "credential", &whole], &With::default())
        .map_err(|error| Error::broken("cannot run git", error))?;
    let said = String::from_utf8_lossy(output.stdout.expose());
    // git writes names in lower case.
    let keys: BTreeMap<&str, &str> = said.split('\0').filter_map(|entry| entry.split_once('\n')).collect();
    // The same key by the name of git-credential-oauth, then of Git Credential Manager.
    let get = |names: [&str; 2]| {
        names
            .iter()
            .find_map(|name| keys.get(format!("credential.{name}").as_str()))
            .copied()
            .filter(|it| !it.is_empty())
    };
    let client_id = get(["oauthclientid"; 2]).ok_or_else(|| {
        Error::new(Kind::Usage, format!("git has no oauthClientId for {location}"))
            .hint("see what it has: git config --get-urlmatch credential URL")
    })?;
    let mut found = Found::default();
    found.draft.set("client_id", client_id);
    found.draft.set_list("hosts", [location.authority()]);
    match location.host.as_str() {
        "github.com" => found.draft.set("provider", "github"),
        "gitlab.com" => found.draft.set("provider", "gitlab"),
        _ => {
            let endpoints = [
                ("device_authorization_endpoint", get(["oauthdeviceauthurl", "oauthdeviceendpoint"])),
                ("token_endpoint", get(["oauthtokenurl", "oauthtokenendpoint"])),
            ];
            // Without both it is --provider that has to know.
            if let [(device, Some(device_url)), (token, Some(token_url))] = endpoints {
                found.draft.set("provider", "oauth");
                found.draft.set(device, resolve(device_url, &location));
                found.draft.set(token, resolve(token_url, &location));
            }
        }
    }
    if let Some(scopes) = get(["oauthscopes"; 2]) {
        found.draft.set_list("scopes", scopes.split_whitespace());
    }
    if let Some(username) = get(["oauthdefaultusername"; 2]) {
        found.draft.set("username", username);
    }
    found.secret = get(["oauthclientsecret"; 2]).map(Secret::new);
    Ok(found)
}

/// Both programs take an endpoint that begins with `/` from the host.
fn resolve(url: &str, location: &Location) -> String {
    if url.starts_with('/') { format!("https://{}{url}", location.authority()) } else { url.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kubeconfig with one user and two contexts, as a profile.
    fn convert(args: &[&str]) -> Result<Found> {
        let view = serde_json::json!({
            "users": [{ "name": "ann", "user": { "exec": { "command": "kubectl", "args": args } } }],
            "contexts": [
                { "name": "a", "context": { "cluster": "a", "user": "ann" } },
                { "name": "b", "context": { "cluster": "b", "user": "ann" } },
                { "name": "c", "context": { "cluster": "c", "user": "bob" } },
            ],
            "clusters": [
                { "name": "a", "cluster": { "server": "https://a.dev:6443" } },
                { "name": "b", "cluster": { "server": "https://b.dev" } },
                { "name": "c", "cluster": { "server": "https://c.dev" } },
            ],
        });
        from_kubeconfig("ann", &kubeconfig::parse(view.to_string().as_bytes())?)
    }

    #[test]
    fn oidc_login_in_either_spelling() {
        let equals = [
            "oidc-login",
            "get-token",
            "--oidc-issuer-url=https://auth.acme.dev",
            "--oidc-client-id=k8s",
            "--oidc-client-secret=s3cret",
            "--oidc-extra-scope=groups,email",
        ];
        let spaces: Vec<&str> = equals.iter().flat_map(|arg| arg.split('=')).collect();
        for args in [&equals[..], &spaces] {
            let found = convert(args).unwrap();
            assert_eq!(found.secret, Some(Secret::new("s3cret")));
            assert_eq!((found.token, found.user.as_deref()), (Some("id"), Some("ann")));
            assert_eq!(found.draft.text("provider"), Some("oidc"));
            assert_eq!(found.draft.text("issuer"), Some("https://auth.acme.dev"));
            assert_eq!(found.draft.list("scopes"), ["groups", "email", "openid", "offline_access"]);
            assert_eq!(found.draft.list("clusters"), ["https://a.dev:6443", "https://b.dev"]);
            assert!(!found.draft.bare("x").contains("s3cret"));
        }
    }

    #[test]
    fn access_tokens_and_the_rest() {
        let found = convert(&[
            "get-token",
            "--oidc-issuer-url=https://accounts.google.com",
            "--oidc-client-id=g",
            "--oidc-use-access-token",
            "--certificate-authority=/etc/ca.pem",
            "--oidc-auth-request-extra-params=prompt=none,hd=acme.dev",
        ])
        .unwrap();
        assert_eq!((found.token, found.draft.has("issuer"), found.draft.has("scopes")), (Some("access"), false, false));
        assert_eq!(found.draft.text("ca_file"), Some("/etc/ca.pem"));
        let bare = found.draft.bare("x");
        assert!(bare.contains("= { hd = \"acme.dev\", prompt = \"none\" }\n"), "{bare}");
    }

    #[test]
    fn azure_as_entra() {
        let args =
            ["get-token", "--login", "devicecode", "--server-id", "srv", "--client-id", "cl", "--tenant-id", "t1"];
        let found = convert(&args).unwrap();
        assert_eq!(found.draft.text("issuer"), Some("https://login.microsoftonline.com/t1/v2.0"));
        assert_eq!(found.draft.list("scopes"), ["srv/.default", "offline_access"]);
        assert!(convert(&[&args[..], &["--login", "spn"]].concat()).is_err());
        assert!(convert(&args[..7]).is_err());
        assert!(convert(&["eks", "get-token"]).is_err());
    }

    #[test]
    fn providers_by_their_issuers() {
        for (issuer, name) in [
            ("https://login.microsoftonline.com/x/v2.0", "entra"),
            ("https://acme.okta.com/oauth2/default", "okta"),
            ("https://acme.eu.auth0.com/", "auth0"),
            ("https://acme.authkit.app", "workos-connect"),
            ("https://auth.acme.dev/realms/acme", "keycloak"),
            ("https://okta.com.evil.dev", "oidc"),
            ("https://notokta.com", "oidc"),
        ] {
            assert_eq!(provider::of_issuer(issuer), name, "{issuer}");
        }
    }
}
