//! A profile's session: whether it lives, by renewing it for real where that harms nobody, and what its tokens say.

use std::cell::RefCell;

use super::provider::Watched;
use super::{Visit, area, written};
use crate::broker::discover::{self, World};
use crate::clock::{self, Clock, Timestamp};
use crate::commands::Errand;
use crate::config::{Destination, Endpoints, Location, Profile, TokenKind};
use crate::error::{Kind, Result};
use crate::human::escape::escape;
use crate::human::presence::Client;
use crate::human::{Human, Presence, Prompt};
use crate::oauth::jwt::{self, Claims};
use crate::secret::Secret;
use crate::session::Request;
use crate::store::{Record, Store, Token, record};

use super::report::Area;

/// Whom a broker finds here: somebody who is told things and asked nothing.
#[derive(Default)]
struct Listener {
    told: RefCell<Vec<String>>,
}

impl Human for Listener {
    fn presence(&self) -> Result<Presence> {
        Ok(Presence::Away("the doctor asks nobody"))
    }

    fn has_terminal(&self) -> bool {
        // A failure that others were told of a moment ago is tried again: it is what a doctor is called for.
        true
    }

    fn ask(&self, _prompt: &Prompt<'_>) {}

    fn waiting(&self, _left: i64) {}

    fn tell(&self, line: &str) {
        self.note(line);
    }

    fn note(&self, line: &str) {
        self.told.borrow_mut().push(line.to_owned());
    }
}

/// Looks at what is kept, and at what the provider makes of it where it can be reached. Whether a person has yet to sign
/// in, so that a code is the only thing to be asked for.
pub(super) fn examine<'a>(
    visit: &mut Visit<'a>,
    profile: &'a Profile,
    endpoints: &Endpoints,
    http: Option<&Watched<'_>>,
) -> bool {
    let area = area(profile);
    let id = record::id(profile, &endpoints.token);
    let peek = |visit: &mut Visit<'_>| match Store::open().and_then(|store| store.peek(&id)) {
        Ok(record) => record.unwrap_or_default(),
        Err(error) => {
            visit.report.error(&area, &error);
            Record::default()
        }
    };
    let mut record = peek(visit);
    if record.refresh_token.is_some()
        && let Some(http) = http
    {
        if profile.preset.refresh_kills_access && has_living(&record, visit.clock.now()) {
            let what = format!(
                "the session is not renewed to try it: {} would end the tokens it has given",
                profile.preset.title
            );
            visit.report.ok(&area, what);
        } else if !renew(visit, profile, endpoints, http, &record) {
            return false;
        }
        record = peek(visit);
    }
    let now = visit.clock.now();
    if record.refresh_token.is_some() || has_living(&record, now) {
        if http.is_some() || has_living(&record, now) {
            visit.signed_in.push(profile.title());
        }
        describe(visit, &area, &record, now);
        compare_kept(visit, profile, &record);
        return false;
    }
    let login = format!("run: {}", profile.login_command());
    if let Some(pending) = record.pending.as_ref().filter(|pending| pending.is_live(now)) {
        let (code, page) = (escape(&pending.user_code), escape(&pending.verification_uri));
        visit.report.warning(&area, format!("a sign-in waits for approval of {code} at {page}"), None);
        return false;
    }
    if record.signed_in_at.is_some() && profile.keep_refresh_token {
        visit.report.problem(&area, "the session has ended, and cannot be renewed", login);
    } else {
        visit.report.warning(&area, "nobody is signed in", Some(&login));
    }
    true
}

fn has_living(record: &Record, now: Timestamp) -> bool {
    record.tokens.values().any(|token| now < token.expires_at && !token.refused)
}

/// Renews the session as the next client would; whether it lives. One that was renewed so a moment ago is left alone.
fn renew<'a>(
    visit: &mut Visit<'a>,
    profile: &'a Profile,
    endpoints: &Endpoints,
    http: &Watched<'_>,
    before: &Record,
) -> bool {
    let area = area(profile);
    let first = profile.hosts.iter().chain(&profile.clusters).map(|(_, destination)| destination).next();
    let destination = visit.destination(profile).or(first).unwrap_or(&profile.plain);
    let errand = Errand {
        profile,
        destination,
        client: Client::Command,
        what: String::new(),
        place: profile.title().to_owned(),
        opens_browser: false,
    };
    let had = before.tokens.get(&destination.slot.key()).and_then(|token| token.secret(destination.token));
    // Only suspected, not refused: where it cannot be renewed, the token that lives goes on living.
    let request = Request { suspected: had.map(Secret::fingerprint), ..errand.request() };
    let human = Listener::default();
    let started = visit.clock.now();
    let done = Store::open().and_then(|store| {
        let world = World { store: &store, clock: visit.clock, http, human: &human };
        errand.broker(&world, endpoints, |broker| {
            let token = broker.obtain(request)?;
            Ok((token, store.peek(broker.id)?.unwrap_or_default()))
        })
    });
    for line in human.told.take() {
        visit.report.warning(&area, line, None);
    }
    match done {
        Ok((token, after)) => {
            let is_new = token.secret(destination.token) != had || after.refreshed_at != before.refreshed_at;
            match &after.failure {
                Some(failure) if !is_new && failure.at >= started => visit.report.error(&area, &failure.error()),
                _ if is_new => visit.report.ok(&area, "the session lives: it was renewed just now"),
                _ if token.is_vain(visit.clock.now()) => {
                    visit.report.ok(&area, "the session lives: it was renewed less than a minute ago");
                }
                _ => {
                    let what = "the session is not renewed to try it: the provider asks to be left alone";
                    visit.report.warning(&area, what, Some("run: keyfob doctor, in a while"));
                }
            }
            true
        }
        Err(error) => {
            visit.report.error(&area, &error);
            error.kind != Kind::HumanNeeded
        }
    }
}

/// What the tokens say of themselves, without the tokens.
fn describe(visit: &mut Visit<'_>, area: &Area, record: &Record, now: Timestamp) {
    let who = record.email.as_deref().or(record.subject.as_deref()).map(|who| format!(" as {}", escape(who)));
    let organization = record.organization.as_deref().map(|org| format!(", organization {}", escape(org)));
    let renewal = if record.refresh_token.is_some() { "" } else { ", without a way to renew it" };
    let asked = record.scopes.as_deref().filter(|scopes| !scopes.is_empty());
    let asked = asked.map(|scopes| format!(", for {}", escape(&scopes.join(" ")))).unwrap_or_default();
    let (who, organization) = (who.unwrap_or_default(), organization.unwrap_or_default());
    visit.report.ok(area, format!("signed in{who}{organization}{asked}{renewal}"));
    for (slot, token) in &record.tokens {
        let of = if slot.is_empty() { String::new() } else { format!(" ({})", escape(slot)) };
        for (kind, name) in [(TokenKind::Access, "access token"), (TokenKind::Id, "ID token")] {
            let Some(secret) = token.secret(kind) else { continue };
            let claims = jwt::claims(secret.expose());
            let end = if kind == TokenKind::Access { Some(token.expires_at) } else { token.id_expires_at };
            let refused = if token.refused { ", refused by its server" } else { "" };
            visit.report.ok(area, format!("{name}{of}: {}{}{refused}", said(claims.as_ref()), left(end, now)));
        }
    }
}

/// What a token says of itself.
pub(super) fn said(claims: Option<&Claims>) -> String {
    let Some(Claims { iss, aud, scopes, .. }) = claims else { return "opaque".to_owned() };
    let one = |name: &str, value: Option<&str>| match value {
        Some(value) => format!("{name} {}", escape(value)),
        None => format!("no {name}"),
    };
    let several = |values: &[String]| (!values.is_empty()).then(|| values.join(" "));
    let (audience, scopes) = (several(aud), several(scopes));
    let scopes = scopes.map(|scopes| format!(", scopes {}", escape(&scopes))).unwrap_or_default();
    format!("{}, {}{scopes}", one("issuer", iss.as_deref()), one("audience", audience.as_deref()))
}

fn left(end: Option<Timestamp>, now: Timestamp) -> String {
    match end {
        Some(end) if end > now => format!(", {} left", clock::span(end - now)),
        Some(_) => ", expired".to_owned(),
        None => String::new(),
    }
}

/// Compares the token kept for the named host with what is expected there. What a cluster gets is kubectl's to say.
fn compare_kept(visit: &mut Visit<'_>, profile: &Profile, record: &Record) {
    let named = visit.named;
    let is_cluster = profile.clusters.iter().any(|(entry, _)| Some(&entry.location) == named);
    if is_cluster {
        return;
    }
    if let Some(destination) = visit.destination(profile) {
        compare(visit, &area(profile), profile, destination, record.tokens.get(&destination.slot.key()));
    }
}

/// The same for a cluster that nobody's entry was replayed for.
pub(super) fn compare_kept_for(visit: &mut Visit<'_>, area: &Area, profile: &Profile, destination: &Destination) {
    compare(visit, area, profile, destination, kept(profile, destination).as_ref());
}

/// What is kept for a destination.
fn kept(profile: &Profile, destination: &Destination) -> Option<Token> {
    let id = discover::session(profile).ok()?;
    Store::open().ok()?.peek(&id).ok()??.tokens.remove(&destination.slot.key())
}

/// Compares what a destination is given with what is expected at the named place.
fn compare(visit: &mut Visit<'_>, area: &Area, profile: &Profile, destination: &Destination, token: Option<&Token>) {
    let given = token.and_then(|token| token.secret(destination.token));
    if let Some(given) = given {
        compare_claims(visit, area, profile, destination, jwt::claims(given.expose()).as_ref());
    }
}

/// The same for the claims of a token in hand.
pub(super) fn compare_claims(
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
    let switch = other.filter(fits).map(|_| format!("write {switch} under {}", at(profile, named)));
    if let Some(issuer) = expected.issuer.filter(|issuer| claims.iss.as_deref() != Some(issuer)) {
        let has = claims.iss.as_deref().map(escape);
        let shown = has.as_ref().map_or_else(|| "no issuer".to_owned(), |has| format!("the issuer {has}"));
        let what = format!("{given} for {named} has {shown}, and its server expects {}", escape(issuer));
        let has = has.unwrap_or_else(|| "another".to_owned());
        let mend = || {
            format!(
                "correct issuer of {}, then run: {}; or have the server expect {has}",
                written(profile),
                profile.login_command()
            )
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
            format!(
                "write audience = \"{}\" under {}, then run: {}",
                escape(audience),
                at(profile, named),
                profile.login_command()
            )
        };
        visit.report.problem(area, what, switch.unwrap_or_else(mend));
    }
}

/// The table of a place in the configuration, as an edit names it.
fn at(profile: &Profile, named: &Location) -> String {
    let entry = profile
        .clusters
        .iter()
        .chain(&profile.hosts)
        .map(|(entry, _)| entry)
        .find(|entry| entry.location == *named || entry.closeness(named).is_some());
    match (&profile.name, entry) {
        (Some(name), Some(entry)) => {
            let file = profile.written_at.rsplit_once(':').map_or(profile.written_at.as_str(), |(file, _)| file);
            format!("[profile.{name}.at.\"{entry}\"] in {file}")
        }
        _ => written(profile),
    }
}
