//! A profile's provider: the way there (proxy, name, TLS), its clock and ours, what it says of itself, and whether it
//! knows the client.

use std::borrow::Cow;
use std::cell::Cell;

use super::{Visit, area, errand, session, written};
use crate::broker::discover;
use crate::clock::{self, Clock};
use crate::config::environment;
use crate::escape::escape;
use crate::machine::{NoCode, Written, registration_hint};
use crate::mend::Mend;
use crate::model::{Endpoints, Location, Profile, Server};
use crate::oauth::discovery;
use crate::oauth::http::{self, Http, Web};
use crate::oauth::message::{Form, Response, Unreachable};
use crate::oauth::watch::Patience;

/// A clock may be off so far before it is worth a word, in seconds: clients and servers allow about as much.
const ALLOWED_SKEW: i64 = 60;

/// The network, and the clock at its other end.
struct Watched<'a> {
    web: Web,
    clock: &'a dyn Clock,
    /// By how many seconds the server that answered last is ahead of us.
    ahead: Cell<Option<i64>>,
}

impl Watched<'_> {
    fn note(&self, answer: Result<Response, Unreachable>) -> Result<Response, Unreachable> {
        if let Ok(Response { date: Some(date), .. }) = &answer {
            self.ahead.set(Some(date - self.clock.now()));
        }
        answer
    }
}

impl Http for Watched<'_> {
    fn post(&self, url: &str, form: &Form, patience: Patience) -> Result<Response, Unreachable> {
        self.note(self.web.post(url, form, patience))
    }

    fn get(&self, url: &str, query: &Form) -> Result<Response, Unreachable> {
        self.note(self.web.get(url, query))
    }
}

/// Looks at the provider of a profile and then at the session there.
pub(super) fn examine<'a>(visit: &mut Visit<'a>, profile: &'a Profile) {
    let web = Web::new(profile.ca_file.clone(), environment::proxies);
    let http = Watched { web, clock: visit.clock, ahead: Cell::new(None) };
    let told = endpoints(visit, profile, &http);
    let is_reached = told.is_some();
    clocks(visit, profile, &http);
    // A session goes on where it began, whatever the issuer says today.
    let kept = discover::known_endpoints(profile).ok().flatten().map(Cow::into_owned);
    let Some(endpoints) = kept.or(told) else { return };
    let wants_sign_in = session::examine(visit, profile, &endpoints, is_reached.then_some(&http as &dyn Http));
    if wants_sign_in && is_reached {
        ask_for_code(visit, profile, &endpoints, &http);
    }
}

/// The endpoints, where the provider can be reached and describes itself as it should.
fn endpoints(visit: &mut Visit<'_>, profile: &Profile, http: &Watched<'_>) -> Option<Endpoints> {
    let area = area(profile);
    let way = |url: &str| {
        let proxy = Location::parse(url).ok().and_then(|location| environment::proxies().choose(&location).ok()?);
        proxy.map(|proxy| format!(" through the proxy {} ({})", proxy.authority, proxy.variable)).unwrap_or_default()
    };
    match &profile.server {
        // Nobody gets anything for a GET there (RFC 6749 section 3.2 wants POST): that there is an answer says enough.
        Server::Known(endpoints) => match http.get(&endpoints.token, &Form::default()) {
            Ok(_) => {
                let what = format!("{} answers{}", http::host(&endpoints.token), way(&endpoints.token));
                visit.report.ok(&area, what);
                Some(endpoints.clone())
            }
            Err(Unreachable { why, mend, is_lasting, .. }) => {
                // Nothing stands between us and the address: it may be the wrong one.
                let may_be_wrong = !is_lasting && way(&endpoints.token).is_empty();
                let or = format!("; if it stays so, correct the address in {}", written(profile));
                visit.report.problem(&area, why, if may_be_wrong { mend.tail(&or) } else { mend });
                None
            }
        },
        Server::Described { issuer, spelt } => {
            let metadata = discovery::fetch(http, issuer);
            match metadata.and_then(|metadata| discovery::endpoints(&metadata, spelt, profile.preset)) {
                Ok(endpoints) => {
                    let what = format!("{} describes itself, with a device flow{}", escape(issuer), way(issuer));
                    visit.report.ok(&area, what);
                    Some(endpoints)
                }
                Err(error) => {
                    visit.report.error(&area, &error);
                    None
                }
            }
        }
    }
}

/// keyfob copes with a clock that is off; kubectl, which goes by the end it is told, and servers do not.
fn clocks(visit: &mut Visit<'_>, profile: &Profile, http: &Watched<'_>) {
    let Some(ahead) = http.ahead.get() else { return };
    let host = http::host(profile.server.name());
    if ahead.abs() <= ALLOWED_SKEW {
        visit.report.ok(&area(profile), format!("this machine's clock agrees with that of {host}"));
        return;
    }
    let (by, side) = (clock::span(ahead.abs()), if ahead > 0 { "behind" } else { "ahead of" });
    let mend = if cfg!(target_os = "macos") {
        Mend::run("sudo sntp -sS time.apple.com")
    } else if cfg!(windows) {
        Mend::run("w32tm /resync")
    } else {
        Mend::run("timedatectl set-ntp true")
    };
    visit.report.problem(&area(profile), format!("this machine's clock is {by} {side} that of {host}"), mend);
}

/// Whether the provider would start a sign-in for this client. The code is shown to nobody and left to expire.
fn ask_for_code(visit: &mut Visit<'_>, profile: &Profile, endpoints: &Endpoints, http: &dyn Http) {
    let area = area(profile);
    let destination = visit.destination(profile).unwrap_or(&profile.plain);
    let checked = errand::run(visit, &errand::to(profile, destination), endpoints, http, |broker| Ok(broker.check()));
    let url = &endpoints.device_authorization;
    let host = http::host(url);
    let error = match checked {
        Ok(Ok(())) => {
            let what = format!("{host} knows the client, and gave a code for a sign-in, which is left to expire");
            return visit.report.ok(&area, what);
        }
        // A client secret, or a folder, that cannot be read: places has said so.
        Err(_) | Ok(Err(NoCode::NotAsked(_))) => return,
        Ok(Err(NoCode::Unreachable(Unreachable { why, mend, .. }))) => {
            return visit.report.problem(&area, why, mend);
        }
        Ok(Err(NoCode::Refused(error))) => error,
    };
    let words = error.words();
    let docs = profile.preset.docs;
    match (error.code.as_str(), error.status) {
        ("invalid_client", _) => visit.report.problem(
            &area,
            format!("{host} does not know the client ID {} ({words})", escape(&profile.client_id)),
            format!("correct client_id of {}; see {docs}", written(profile)),
        ),
        ("unauthorized_client", _) => visit.report.problem(
            &area,
            format!("{host} lets the client ID {} start no sign-in ({words})", escape(&profile.client_id)),
            format!("correct client_id of {}, or allow the device flow for it there; see {docs}", written(profile)),
        ),
        (_, 408 | 429 | 500..) => {
            let mend = Mend::run("keyfob doctor").tail(", in a while");
            visit.report.problem(&area, format!("{host} starts no sign-in: {words}"), mend);
        }
        (_, 404) => visit.report.problem(
            &area,
            format!("{host} starts no sign-in at {} ({words})", escape(url)),
            format!("correct the address in {}, or switch the device flow on there; see {docs}", written(profile)),
        ),
        (code, _) => visit.report.problem(
            &area,
            format!("{host} starts no sign-in: {words}"),
            format!("{} ({})", registration_hint(profile, code, Written::InProfile), written(profile)),
        ),
    }
}
