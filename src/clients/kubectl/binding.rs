//! Which profile answers for a cluster, and whether this one, reached in this way, may have its token.

use super::wire::Way;
use crate::config::{Config, matching};
use crate::desk::setup_command;
use crate::error::{Error, Kind, Result};
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::{Destination, HostPattern, Location, Profile, Route, location};

/// What a client tells of the server that the token is for.
pub(super) struct Told<'a> {
    pub(super) server: Option<&'a Location>,
    pub(super) way: &'a Way,
    /// Whether it is one that could tell, if its kubeconfig had it so.
    pub(super) could_tell: bool,
}

/// The profile named, the one whose clusters have the server, or the only one.
pub(super) fn profile<'a>(config: &'a Config, named: Option<&str>, server: Option<&Location>) -> Result<&'a Profile> {
    if let Some(name) = named {
        return config.named(name);
    }
    let naming = of_cluster(config, server);
    match (&naming[..], &config.profiles[..]) {
        ([one], _) => Ok(one),
        ([], [only]) => Ok(only),
        ([], []) => Err(Error::new(Kind::Usage, "there is nothing to sign in to").hint(config.choices())),
        ([], _) => Err(Error::new(Kind::Usage, "which profile?")
            .hint(config.choices().lead("add --profile NAME to args of this user in the kubeconfig;"))),
        (several, _) => several.iter().find(|profile| profile.default).copied().ok_or_else(|| {
            Error::new(Kind::Configuration, "several profiles name this cluster")
                .hint("add --profile NAME to args of this user in the kubeconfig, or default = true to one profile")
        }),
    }
}

/// The profiles that name a server most closely.
pub(super) fn of_cluster<'a>(config: &'a Config, server: Option<&Location>) -> Vec<&'a Profile> {
    let Some(server) = server else { return Vec::new() };
    let close = |profile: &'a Profile| Some((matching::closest(&profile.clusters, server)?.0, profile));
    let close: Vec<_> = config.profiles.iter().filter_map(close).collect();
    let closest = close.iter().map(|(closeness, _)| *closeness).max();
    close.into_iter().filter(|(closeness, _)| Some(*closeness) == closest).map(|(_, profile)| profile).collect()
}

/// What the cluster takes. A profile that names clusters answers those alone, reached as it says; and so nobody who does not tell which
/// it is, but where it is not bound: then what is not told can only be one of them.
pub(super) fn destination<'a>(profile: &'a Profile, told: &Told<'_>) -> Result<&'a Destination> {
    let Some((_, first)) = profile.clusters.first() else { return Ok(&profile.plain) };
    let Some(server) = told.server else {
        if profile.bind_clusters {
            return Err(untold(profile, told.could_tell));
        }
        if profile.clusters.iter().all(|(_, other)| other.takes_the_same(first)) {
            return Ok(first);
        }
        let what = format!(
            "the clusters of {} take different tokens, and this client does not say which it means",
            profile.title()
        );
        return Err(Error::new(Kind::Configuration, what).hint(tell(profile)));
    };
    let Some((_, entry, destination)) = matching::closest(&profile.clusters, server) else {
        let what = format!("the server {server} is none of the clusters of {}", profile.title());
        return Err(
            Error::new(Kind::Configuration, what).hint("if its tokens may go there, add it to clusters in the profile")
        );
    };
    refuse_way(profile, entry, &destination.route, server, told.way)?;
    Ok(destination)
}

/// Why who does not tell its server gets nothing.
fn untold(profile: &Profile, could_tell: bool) -> Error {
    let title = profile.title();
    let what = format!("this client does not tell which server it is for, and {title} answers its clusters alone");
    let error = Error::new(Kind::Configuration, what);
    if could_tell {
        return error.hint(tell(profile));
    }
    error.hint(format!(
        "it cannot tell: set bind_clusters = false in {title}, or give such clients a profile of their own with it"
    ))
}

/// What has a kubeconfig tell the server.
fn tell(profile: &Profile) -> Mend {
    Mend::command(setup_command(&["kubectl"], profile)).with("--user").with("NAME")
}

/// A server's name is worth what the way to it is worth.
fn refuse_way(profile: &Profile, entry: &HostPattern, route: &Route, server: &Location, way: &Way) -> Result<()> {
    let refuse = |what: String| Error::new(Kind::Configuration, format!("the kubeconfig {what}"));
    let list = |key: &str, value: &str| {
        let at = profile.name.as_ref().map(|name| format!("profile.{name}.at.\"{}\"", entry.url()));
        let at = at.map_or_else(String::new, |at| format!(" under [{at}] ({})", profile.written_at));
        format!("if its tokens may go there, write {key} = \"{value}\"{at}")
    };
    if way.is_blind {
        let what = format!("has whoever answers taken for {server} (insecure-skip-tls-verify)");
        return Err(refuse(what).hint("put certificate-authority-data of the cluster in its place"));
    }
    if let Some(url) = &way.proxy
        && (location::proxy(url).is_none() || location::proxy(url) != route.proxy)
    {
        let shown = escape(&location::without_user(url));
        let what = format!("reaches {server} through the proxy {shown}, which {} does not list", profile.title());
        let listed = location::proxy(url).unwrap_or_else(|| "http://HOST:PORT".to_owned());
        return Err(refuse(what).hint(list("proxy", &listed)));
    }
    if let Some(name) = &way.tls_server_name {
        let plain = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if plain != server.host && Some(&plain) != route.tls_server_name.as_ref() {
            let shown = escape(name);
            let what = format!("takes {shown} for {server} (tls-server-name), which {} does not list", profile.title());
            return Err(refuse(what).hint(list("tls_server_name", &shown)));
        }
    }
    Ok(())
}
