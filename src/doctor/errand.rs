//! What the doctor has a broker do: just what the next client would have it do, with nobody there to be asked.

use std::cell::RefCell;

use super::{Visit, area};
use crate::broker::{Broker, World};
use crate::desk::Errand;
use crate::error::{Error, Result};
use crate::human::presence::Asker;
use crate::human::{Human, Presence, Prompt};
use crate::model::{Destination, Endpoints, Profile};
use crate::oauth::http::Http;
use crate::store::Store;

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

    fn terminal(&self) -> Option<String> {
        None
    }

    fn ask(&self, _prompt: &Prompt<'_>) {}

    fn waiting(&self, _left: i64) {}

    fn tell(&self, line: &str) {
        self.note(line);
    }

    fn succeeded(&self, line: &str, _is_said: bool) {
        self.note(line);
    }

    fn failed(&self, _error: &Error) {}

    fn is_left(&self) -> bool {
        false
    }

    fn note(&self, line: &str) {
        self.told.borrow_mut().push(line.to_owned());
    }
}

/// An errand for one destination of a profile.
pub(super) fn to<'a>(profile: &'a Profile, destination: &'a Destination) -> Errand<'a> {
    Errand {
        profile,
        destination,
        asker: Asker::PLAIN,
        what: String::new(),
        place: profile.title().to_owned(),
        opens_browser: false,
    }
}

/// Has `work` done by a broker. What it tells a person on the way is in the report.
pub(super) fn run<T>(
    visit: &mut Visit<'_>,
    errand: &Errand<'_>,
    endpoints: &Endpoints,
    http: &dyn Http,
    work: impl FnOnce(&Broker<'_>) -> Result<T>,
) -> Result<T> {
    let human = Listener::default();
    let done = Store::open().and_then(|store| {
        let world = World { store: &store, clock: visit.clock, http, human: &human, successor: None };
        errand.broker(world, endpoints, work)
    });
    for line in human.told.take() {
        visit.report.warning(&area(errand.profile), line, None);
    }
    done
}
