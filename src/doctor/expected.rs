//! What the named place's server is said to expect of a token, and what it is given.

use super::report::Area;
use super::{Visit, area, written};
use crate::broker::discover;
use crate::config::matching;
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::{Destination, Location, Profile, Token, TokenKind};
use crate::oauth::jwt::{self, Claims};
use crate::store::{Record, Store};

/// What a server is said to expect of a token.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: Option<&'a str>,
    pub(crate) audience: Option<&'a str>,
}

/// Compares the token kept for the named host with what is expected there. What a cluster gets is kubectl's to say.
pub(crate) fn compare_kept(visit: &mut Visit<'_>, profile: &Profile, record: &Record) {
    let named = visit.named;
    let is_cluster = named.is_some_and(|named| matching::closest(&profile.clusters, named).is_some());
    if is_cluster {
        return;
    }
    if let Some(destination) = visit.destination(profile) {
        compare(visit, &area(profile), profile, destination, record.tokens.get(&destination.slot));
    }
}

/// The same for a cluster that nobody's entry was replayed for.
pub(crate) fn compare_kept_for(visit: &mut Visit<'_>, area: &Area, profile: &Profile, destination: &Destination) {
    compare(visit, area, profile, destination, kept(profile, destination).as_ref());
}

/// What is kept for a destination.
fn kept(profile: &Profile, destination: &Destination) -> Option<Token> {
    let id = discover::session(profile).ok()?;
    Store::open().ok()?.peek(&id).ok()??.tokens.remove(&destination.slot)
}

/// Compares what a destination is given with what is expected at the named place.
fn compare(visit: &mut Visit<'_>, area: &Area, profile: &Profile, destination: &Destination, token: Option<&Token>) {
    let given = token.and_then(|token| token.secret(destination.token));
    if let Some(given) = given {
        compare_claims(visit, area, profile, destination, jwt::claims(given.expose()).as_ref());
    }
}

/// The same for the claims of a token in hand.
pub(crate) fn compare_claims(
    visit: &mut Visit<'_>,
    area: &Area,
    profile: &Profile,
    destination: &Destination,
    claims: Option<&Claims>,
) {
    let (Some(named), expected) = (visit.named, visit.expected) else { return };
    if expected.issuer.is_none() && expected.audience.is_none() {
        return;
    }
    let (given, another, switch, other) = match destination.token {
        TokenKind::Access => ("the access token", "the ID token", "token = \"id\"", TokenKind::Id),
        TokenKind::Id => ("the ID token", "the access token", "token = \"access\"", TokenKind::Access),
    };
    let Some(claims) = claims else {
        let what = format!("{given} for {named} is opaque, and its server can read no issuer and no audience in it");
        let mend = format!("write {switch} under {}, if the server takes {another}", at(profile, named));
        visit.report.problem(area, what, mend);
        return;
    };
    let fits = |claims: &Claims| {
        expected.issuer.is_none_or(|issuer| claims.iss.as_deref() == Some(issuer))
            && expected.audience.is_none_or(|audience| claims.aud.iter().any(|aud| aud == audience))
    };
    if fits(claims) {
        visit.report.ok(area, format!("{given} for {named} is what its server expects"));
        return;
    }
    // The other token would do: that is the smaller change.
    let kept = kept(profile, destination);
    let other = kept.as_ref().and_then(|token| jwt::claims(token.secret(other)?.expose()));
    let switch = other.filter(fits).map(|_| Mend::from(format!("write {switch} under {}", at(profile, named))));
    if let Some(issuer) = expected.issuer.filter(|issuer| claims.iss.as_deref() != Some(issuer)) {
        let has = claims.iss.as_deref().map(escape);
        let shown = has.as_ref().map_or_else(|| "no issuer".to_owned(), |has| format!("the issuer {has}"));
        let what = format!("{given} for {named} has {shown}, and its server expects {}", escape(issuer));
        let has = has.unwrap_or_else(|| "another".to_owned());
        let mend = || {
            Mend::command(profile.login_command())
                .lead(&format!("correct issuer of {}, then", written(profile)))
                .tail(&format!("; or have the server expect {has}"))
        };
        visit.report.problem(area, what, switch.clone().unwrap_or_else(mend));
    }
    if let Some(audience) = expected.audience.filter(|audience| claims.aud.iter().all(|aud| aud != audience)) {
        let has = match &claims.aud[..] {
            [] => "no audience".to_owned(),
            several => format!("the audience {}", escape(&several.join(" "))),
        };
        let what = format!("{given} for {named} has {has}, and its server expects {}", escape(audience));
        let mend = || {
            let write = format!("write audience = \"{}\" under {}, then", escape(audience), at(profile, named));
            Mend::command(profile.login_command()).lead(&write)
        };
        visit.report.problem(area, what, switch.unwrap_or_else(mend));
    }
}

/// The table of a place in the configuration, as an edit names it.
fn at(profile: &Profile, named: &Location) -> String {
    let entry = [&profile.clusters, &profile.hosts].into_iter().find_map(|entries| matching::closest(entries, named));
    let entry = entry.map(|(_, entry, _)| entry);
    match (&profile.name, entry) {
        (Some(name), Some(entry)) => {
            let file = profile.written_at.rsplit_once(':').map_or(profile.written_at.as_str(), |(file, _)| file);
            format!("[profile.{name}.at.\"{entry}\"] in {file}")
        }
        _ => written(profile),
    }
}
