//! Where a profile's endpoints are. A session belongs to its token endpoint, so that has to be known before the session is
//! found: from the profile, else from what the issuer said last. The issuer is asked only where a sign-in follows anyway:
//! a hit and a refresh go on where they began, however old that word is. An issuer that names another token endpoint than
//! before gets another session; no token moves with it.

use std::borrow::Cow;

use super::World;
use crate::clock::Timestamp;
use crate::error::{Kind, Result};
use crate::escape::escape;
use crate::human::Presence;
use crate::machine::nobody;
use crate::model::{Endpoints, Profile, Server};
use crate::oauth::discovery;
use crate::oauth::http;
use crate::store::metadata::Shelf;
use crate::store::{Found, ReadRecord, Record, record};
use crate::trace::trace;

/// How long metadata is taken for the present state of things.
const LIFE: i64 = 86_400;

/// The endpoints to go by.
pub(crate) struct Endpointed<'p> {
    pub(crate) endpoints: Cow<'p, Endpoints>,
    /// Their session's record, where it had to be read to choose them.
    pub(crate) looked: Option<ReadRecord>,
}

impl<'p> Endpointed<'p> {
    fn by(endpoints: Cow<'p, Endpoints>) -> Self {
        Self { endpoints, looked: None }
    }
}

/// The endpoints as far as they are known on this machine, without asking anybody.
pub(crate) fn known_endpoints(profile: &Profile) -> Result<Option<Cow<'_, Endpoints>>> {
    match &profile.server {
        Server::Known(endpoints) => Ok(Some(Cow::Borrowed(endpoints))),
        Server::Described { issuer, spelt } => {
            let kept = Shelf::open()?.get(issuer)?;
            Ok(kept.and_then(|kept| discovery::endpoints(&kept.metadata, spelt, profile.preset).ok()).map(Cow::Owned))
        }
    }
}

/// The name of the profile's session; where nobody has ever learned its token endpoint, a name that no session has.
pub(crate) fn session(profile: &Profile) -> Result<String> {
    let endpoints = known_endpoints(profile)?;
    Ok(record::id(profile, endpoints.as_ref().map_or(profile.server.name(), |endpoints| &endpoints.token)))
}

/// The endpoints for a request that is to be answered, by asking the issuer where that is due. `anew` is a person's wish to
/// sign in now, which looks again.
pub(crate) fn endpoints<'p>(profile: &'p Profile, world: &World<'_>, anew: bool) -> Result<Endpointed<'p>> {
    let (issuer, spelt) = match &profile.server {
        Server::Known(endpoints) => return Ok(Endpointed::by(Cow::Borrowed(endpoints))),
        Server::Described { issuer, spelt } => (issuer, spelt),
    };
    let (shelf, now) = (Shelf::open()?, world.clock.now());
    let kept = shelf.get(issuer)?;
    let read_at = kept.as_ref().map(|kept| kept.read_at);
    // Metadata without a device flow is looked at again: somebody may have switched it on.
    let known: Option<Cow<'p, Endpoints>> =
        kept.and_then(|kept| discovery::endpoints(&kept.metadata, spelt, profile.preset).ok()).map(Cow::Owned);
    if let Some(known) = known.as_ref().filter(|_| !anew) {
        let is_fresh = read_at.is_some_and(|at| (0..LIFE).contains(&(now - at)));
        if is_fresh {
            trace!("endpoints: from the issuer's metadata, fresh");
            return Ok(Endpointed::by(known.clone()));
        }
        if let Found::Record(looked) = world.store.read(&record::id(profile, &known.token))?
            && goes_on(&looked.record, now)
        {
            trace!("endpoints: from the issuer's metadata, which the session goes by");
            return Ok(Endpointed { endpoints: known.clone(), looked: Some(*looked) });
        }
    }
    if !anew && let Presence::Away(why) = world.human.presence()? {
        // A sign-in would follow, and nobody is here for it: no request is made to find that out.
        let known = known.ok_or_else(|| nobody(profile, why, profile.login_command()))?;
        return Ok(Endpointed::by(known));
    }
    trace!("endpoints: the issuer is asked");
    let metadata = match (discovery::fetch(world.http, issuer), known.clone()) {
        (Ok(metadata), _) => metadata,
        (Err(error), Some(known)) if error.kind == Kind::Transient => return Ok(Endpointed::by(known)),
        (Err(error), _) => return Err(error),
    };
    let found = discovery::endpoints(&metadata, spelt, profile.preset)?;
    shelf.put(&metadata, now);
    if let Some(known) = known.filter(|known| known.token != found.token) {
        world.human.note(&format!(
            "{} has moved from {} to {}: the session there is a new one",
            escape(issuer),
            http::host(&known.token),
            http::host(&found.token)
        ));
    }
    Ok(Endpointed::by(Cow::Owned(found)))
}

/// Whether a session goes on without a person.
fn goes_on(record: &Record, now: Timestamp) -> bool {
    record.refresh_token.is_some()
        || record.tokens.values().any(|token| now < token.expires_at)
        || record.pending.as_ref().is_some_and(|pending| pending.is_live(now))
}
