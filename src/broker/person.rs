//! What the person is told of a sign-in: the code, and how it ended. What ten commands on one terminal have to say is said
//! there once. (What the trace is told is in traced.rs.)

use super::Broker;
use crate::clock;
use crate::error::{Error, Kind};
use crate::escape::escape;
use crate::human::{Presence, Prompt};
use crate::oauth::device::Pending;
use crate::process;
use crate::secret::Secret;
use crate::session::{self, Request};
use crate::store::Record;
use crate::store::markers::Markers;

/// Who shows a code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that got it; a browser is its business.
    Starting,
    /// The one that polls for it now; who showed it before may be gone, and what stood there.
    TakingOver,
    Waiting,
}

impl Broker<'_> {
    /// Shows a code once; a new one again. Whoever only waits, on a terminal where it stands already, says so in a line.
    pub(super) fn show(&self, presence: &Presence, pending: &Pending, shown: &mut Option<String>, role: Role) {
        if *presence != Presence::Here || shown.as_ref() == Some(&pending.user_code) {
            return;
        }
        *shown = Some(pending.user_code.clone());
        if !self.is_first_here(&pending.user_code) && role != Role::TakingOver {
            let code = escape(&pending.user_code);
            self.human.tell(&format!("{} as well, with the same code {code}", self.what));
            return;
        }
        let profile = match &self.profile.name {
            Some(name) => format!("profile {name} at {}", self.profile.preset.title),
            None => format!("client {} at {}", self.profile.client_id, self.profile.preset.title),
        };
        let account = self.profile.account.as_deref();
        self.human.ask(&Prompt {
            what: self.what,
            profile: &profile,
            account,
            pending,
            opens_browser: role == Role::Starting,
            now: self.clock.now(),
        });
    }

    /// Whether nobody has said `what` on this terminal yet, as far as can be known.
    fn is_first_here(&self, what: &str) -> bool {
        let what = Secret::new(what);
        process::terminal()
            .zip(Markers::open().ok())
            .is_none_or(|(terminal, markers)| markers.claim(&terminal, self.id, &what))
    }

    /// Says that somebody is signed in now, once on a terminal where the code stands: to whom, as whom, and for how long
    /// where nothing renews it.
    pub(super) fn tell_signed_in(&self, request: &Request, user_code: &str, record: &Record) {
        if !self.is_first_here(&format!("{user_code} approved")) {
            return;
        }
        let who = record.email.as_deref().or(record.subject.as_deref());
        let who = who.map(|who| format!(" as {}", escape(who))).unwrap_or_default();
        let now = self.clock.now();
        let token = session::living(record, request, now).filter(|_| record.refresh_token.is_none());
        let end = token.and_then(|token| token.end(request.kind));
        let life = end.map(|end| format!(" for {}", clock::span(end - now))).unwrap_or_default();
        self.human.tell(&format!("signed in to {}{who}{life}", self.profile.title()));
    }

    /// Only a person could go on, and none is here: what waits for one, or why.
    pub(super) fn human_needed(&self, request: &Request, why: &str, pending: Option<&Pending>) -> Error {
        let title = self.profile.title();
        let login = self.login_command();
        if let Some(pending) = pending {
            let (code, uri) = (escape(&pending.user_code), escape(&pending.verification_uri));
            return Error::new(
                Kind::HumanNeeded,
                format!("the sign-in to {title} waits for approval of {code} at {uri}"),
            )
            .hint(format!("approve it, or run: {login}"));
        }
        let Some(words) = &request.ended else { return super::nobody(self.profile, why, &login) };
        let what = format!("the session of {title} has ended ({words}) and nobody is here to sign in ({why})");
        Error::new(Kind::HumanNeeded, what).hint(format!("run: {login}"))
    }
}
