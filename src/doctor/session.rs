//! A profile's session: whether it lives, by renewing it for real where that harms nobody, and what its tokens say.

use super::report::Area;
use super::{Visit, area, errand, expected};
use crate::clock::{self, Clock, Timestamp};
use crate::error::Kind;
use crate::escape::escape;
use crate::mend::Mend;
use crate::model::{Ask, Endpoints, Profile, TokenKind};
use crate::oauth::http::Http;
use crate::oauth::jwt::{self, Claims};
use crate::secret::Secret;
use crate::store::{Record, Store, record};

/// Looks at what is kept, and at what the provider makes of it where it can be reached. Whether a person has yet to sign
/// in, so that a code is the only thing to be asked for.
pub(crate) fn examine<'a>(
    visit: &mut Visit<'a>,
    profile: &'a Profile,
    endpoints: &Endpoints,
    http: Option<&dyn Http>,
) -> bool {
    let area = area(profile);
    let id = record::id(profile, &endpoints.token);
    let peek = |visit: &mut Visit<'_>| match Store::open().and_then(|store| store.peek(&id)) {
        Ok(record) => Some(record.unwrap_or_default()),
        Err(error) => {
            visit.report.error(&area, &error);
            None
        }
    };
    let Some(mut record) = peek(visit) else { return false };
    if record.refresh_token.is_some()
        && let Some(http) = http
    {
        if profile.preset.refresh_ends_earlier_tokens() && has_living(&record, visit.clock.now()) {
            let what = format!(
                "the session is not renewed to try it: {} would end the tokens it has given",
                profile.preset.title
            );
            visit.report.ok(&area, what);
        } else if !renew(visit, profile, endpoints, http, &record) {
            return false;
        }
        let Some(renewed) = peek(visit) else { return false };
        record = renewed;
    }
    let now = visit.clock.now();
    if record.refresh_token.is_some() || has_living(&record, now) {
        if http.is_some() || has_living(&record, now) {
            visit.signed_in.push(profile.title());
        }
        describe(visit, &area, &record, now);
        expected::compare_kept(visit, profile, &record);
        return false;
    }
    let login = Mend::ask_person(profile.login_command());
    if let Some(pending) = record.pending.as_ref().filter(|pending| pending.is_live(now)) {
        let (code, page) = (escape(&pending.user_code), escape(&pending.verification_uri));
        visit.report.warning(&area, format!("a sign-in waits for approval of {code} at {page}"), None);
        return false;
    }
    if record.signed_in_at.is_some() && profile.keep_refresh_token {
        visit.report.problem(&area, "the session has ended, and cannot be renewed", login);
    } else {
        visit.report.warning(&area, "nobody is signed in", Some(login));
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
    http: &dyn Http,
    before: &Record,
) -> bool {
    let area = area(profile);
    let first = profile.hosts.iter().chain(&profile.clusters).map(|(_, destination)| destination).next();
    let destination = visit.destination(profile).or(first).unwrap_or(&profile.plain);
    let errand = errand::to(profile, destination);
    let had = before.tokens.get(&destination.slot).and_then(|token| token.secret(destination.token));
    // Only suspected, not refused: where it cannot be renewed, the token that lives goes on living.
    let ask = Ask { suspected: had.map(Secret::fingerprint), ..errand.ask() };
    let started = visit.clock.now();
    let done = errand::run(visit, &errand, endpoints, http, |broker| {
        let token = broker.obtain(ask, None)?;
        Ok((token, broker.world.store.peek(broker.id)?.unwrap_or_default()))
    });
    match done {
        Ok((token, after)) => {
            let is_new = token.secret(destination.token) != had || after.refreshed_at != before.refreshed_at;
            match &after.failure {
                Some(failure) if !is_new && failure.at >= started => visit.report.error(&area, &failure.error()),
                _ if is_new => visit.report.ok(&area, "the session lives: it was renewed just now"),
                _ if token.is_recent_replacement(visit.clock.now()) => {
                    visit.report.ok(&area, "the session lives: it was renewed less than a minute ago");
                }
                _ => {
                    let what = "the session is not renewed to try it: the provider asks to be left alone";
                    visit.report.warning(&area, what, Some(Mend::run("keyfob doctor").tail(", in a while")));
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
        let name = slot.key();
        let of = if name.is_empty() { String::new() } else { format!(" ({})", escape(&name)) };
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
pub(crate) fn said(claims: Option<&Claims>) -> String {
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
