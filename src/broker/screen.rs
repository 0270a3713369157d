//! What the person sees of a sign-in: the code, and how it ended. What ten commands on one terminal have to say is said there
//! once.

use super::Broker;
use crate::clock;
use crate::escape::escape;
use crate::human::Prompt;
use crate::machine::Role;
use crate::oauth::device::Pending;
use crate::secret::Secret;
use crate::store::Record;
use crate::store::markers::Markers;

impl Broker<'_> {
    /// Shows a code. Whoever only waits, on a terminal where it stands already, says so there in a line.
    pub(super) fn show(&self, pending: &Pending, role: Role) {
        let profile = self.setting.profile;
        let is_repeated = !self.is_first_here(&pending.user_code) && role != Role::TakingOver;
        let title = match &profile.name {
            Some(name) => format!("profile {name} at {}", profile.preset.title),
            None => format!("client {} at {}", profile.client_id, profile.preset.title),
        };
        self.world.human.ask(&Prompt {
            what: self.what,
            profile: &title,
            account: profile.account.as_deref(),
            pending,
            opens_browser: role == Role::Starting,
            is_repeated,
            now: self.world.clock.now(),
        });
    }

    /// Whether nobody has said `what` on this terminal yet, as far as can be known.
    fn is_first_here(&self, what: &str) -> bool {
        let what = Secret::new(what);
        self.world
            .human
            .terminal()
            .zip(Markers::open().ok())
            .is_none_or(|(terminal, markers)| markers.claim(&terminal, self.id, &what))
    }

    /// Says that somebody is signed in now, once on a terminal where the code stands: to whom, as whom, and for how long
    /// where nothing renews it.
    pub(super) fn tell_signed_in(&self, user_code: Option<&str>, record: &Record) {
        let now = self.world.clock.now();
        if let Ok(markers) = Markers::open() {
            markers.sweep(now);
        }
        let Some(user_code) = user_code else { return };
        let is_said = !self.is_first_here(&format!("{user_code} approved"));
        let who = record.email.as_deref().or(record.subject.as_deref());
        let who = who.map(|who| format!(" as {}", escape(who))).unwrap_or_default();
        let destination = self.setting.destination;
        let token = record.tokens.get(&destination.slot).filter(|_| record.refresh_token.is_none());
        let end = token.and_then(|token| token.end(destination.token)).filter(|end| now < *end);
        let life = end.map(|end| format!(" for {}", clock::span(end - now))).unwrap_or_default();
        self.world.human.succeeded(&format!("signed in to {}{who}{life}", self.setting.profile.title()), is_said);
    }
}
