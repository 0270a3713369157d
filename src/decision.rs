//! The decision: given what the record holds, what was asked, what happened to the caller so far and what time it is, what is
//! done next. A pure function; the table of tests below is its specification.

use crate::clock::Timestamp;
use crate::error::Kind;
use crate::model::{Ask, Slot, Token, TokenKind};
use crate::oauth::device::Pending;
use crate::secret::{Fingerprint, Secret};
use crate::store::{Failure, Record};

/// A provider that asks for more seconds of patience than this, or a clock that jumped, is not waited for.
pub(crate) const LONGEST_PATIENCE_SECS: i64 = 3_600;

/// How many seconds a renewal that others know of is waited for: a refresh's own limit, and a little.
const RENEWAL_SECS: i64 = 50;

/// What happened to a caller so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    /// No terminal is seen: the last failure is repeated for a while rather than caused anew.
    pub(crate) is_headless: bool,
    /// The number of outcomes the record had when the caller first looked: later ones came while it waited.
    pub(crate) outcomes_seen: u64,
    /// A person has been asked once on this caller's behalf; not twice.
    pub(crate) person_asked: bool,
    /// The provider's words, when it has just refused to renew the session.
    pub(crate) ended: Option<String>,
    /// A renewed token ran out before it could be served (this computer slept); it is renewed once more, not for ever.
    pub(crate) ran_out: bool,
}

/// What is done next.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision<'r> {
    /// Answer with this token.
    Serve(&'r Token),
    /// Send this refresh token.
    Refresh(&'r Secret),
    /// A login is under way: wait for its approval.
    Poll(&'r Pending),
    /// Only a person can help.
    Login,
    /// Say what went wrong before.
    Fail(&'r Failure),
    /// The provider asked for patience until then, and nothing that lives is left.
    Patience(Timestamp),
    /// The resource server refuses even this token, which has just taken the place of another it refused.
    RefusedAgain(&'r Token),
    /// This token works, but not for as long as is wanted, and none that does can be had without a person.
    TooShort(&'r Token),
}

/// Decides what is done next.
pub(crate) fn next<'r>(record: &'r Record, ask: &Ask, attempt: &Attempt, now: Timestamp) -> Decision<'r> {
    let approved_since = record.signed_in_outcome > attempt.outcomes_seen;
    if ask.is_sign_in() && !approved_since {
        return sign_in_anew(record, attempt, now);
    }
    if let Some(token) = fresh(record, ask, now) {
        return Decision::Serve(token);
    }
    let patience = record.retry_at.filter(|until| now < *until && *until - now <= LONGEST_PATIENCE_SECS);
    let renewal_failed = remembered(record, Some(&ask.slot), ask, attempt, now);
    // What may pass by itself is not waited for again beside a token that lives.
    let is_passing =
        record.failure.as_ref().is_some_and(|failure| failure.is_passing_renewal() && failure.is_recent(now));
    // Believed to be over, it is tried on only where nobody can be asked.
    let is_over = (record.is_doubted && !attempt.is_headless) || !record.can_be_refreshed_for(&ask.slot, ask.kind);
    let may_renew = record.refresh_token.is_some()
        && !is_over
        && patience.is_none()
        && !is_passing
        && !is_being_renewed(record, now)
        && renewal_failed.is_none()
        && (ask.suspected.is_none() || is_replaceable(record, ask, now));
    if !may_renew && let Some(token) = living(record, ask, now) {
        return Decision::Serve(token);
    }
    let short = working(record, ask, now).filter(|token| !leaves_enough(token, ask, now));
    if let Some(token) = short.filter(|token| is_shorter_than_wanted(token, ask)) {
        return Decision::TooShort(token);
    }
    if let Some(failure) = renewal_failed {
        return Decision::Fail(failure);
    }
    if let Some(token) = record.tokens.get(&ask.slot).filter(|token| is_refused_again(token, ask, now)) {
        return Decision::RefusedAgain(token);
    }
    if let Some(refresh_token) = record.refresh_token.as_ref().filter(|_| !is_over) {
        return patience.map_or(Decision::Refresh(refresh_token), Decision::Patience);
    }
    if let Some(token) = short {
        return Decision::TooShort(token);
    }
    if let Some(failure) = remembered(record, None, ask, attempt, now) {
        return Decision::Fail(failure);
    }
    match record.pending.as_ref().filter(|pending| pending.is_live(now)) {
        Some(pending) => Decision::Poll(pending),
        None => Decision::Login,
    }
}

/// Whether a process has sent the refresh token while a token lived, and may still get its answer.
fn is_being_renewed(record: &Record, now: Timestamp) -> bool {
    record.renewing_since.is_some_and(|since| (0..RENEWAL_SECS).contains(&(now - since)))
}

/// The token that lives beside a renewal that is under way: nobody waits for that.
pub(crate) fn living_beside<'r>(record: &'r Record, ask: &Ask, now: Timestamp) -> Option<&'r Token> {
    living(record, ask, now).filter(|_| is_being_renewed(record, now))
}

/// Whether an approval may be waiting that somebody asked for in advance (`keyfob login --start`), beside a session that
/// would do without: whoever comes by when a poll is due asks for it.
pub(crate) fn is_redeemable(record: &Record, now: Timestamp) -> bool {
    record.pending.as_ref().is_some_and(|pending| pending.in_advance && pending.is_live(now) && pending.wait(now) == 0)
        && (record.refresh_token.is_some() || !record.tokens.is_empty())
}

fn sign_in_anew<'r>(record: &'r Record, attempt: &Attempt, now: Timestamp) -> Decision<'r> {
    match &record.failure {
        Some(failure) if failure.slot.is_none() && failure.outcome > attempt.outcomes_seen => Decision::Fail(failure),
        _ => match record.pending.as_ref().filter(|pending| pending.is_live(now)) {
            Some(pending) => Decision::Poll(pending),
            None => Decision::Login,
        },
    }
}

/// The token that answers an ask without anything else being done: a hit.
pub(crate) fn fresh<'r>(record: &'r Record, ask: &Ask, now: Timestamp) -> Option<&'r Token> {
    wanted(record, ask).filter(|token| !is_named(token, ask.kind, ask.suspected.as_ref())).filter(|token| {
        let (end, margin) = (token.end(ask.kind), token.margin(ask.kind));
        // A clock set back beyond the receipt can tell nothing about the rest of its life.
        end.is_some_and(|end| now < end - margin && now + margin >= token.received_at) && leaves_enough(token, ask, now)
    })
}

/// The token that still works for as long as is wanted, though it should be renewed.
pub(crate) fn living<'r>(record: &'r Record, ask: &Ask, now: Timestamp) -> Option<&'r Token> {
    working(record, ask, now).filter(|token| leaves_enough(token, ask, now))
}

/// Whether a token works as long as is wanted.
fn leaves_enough(token: &Token, ask: &Ask, now: Timestamp) -> bool {
    token.end(ask.kind).is_some_and(|end| now + ask.wants_left <= end)
}

/// Whether a token never had as long to live as is wanted: a renewal brings another like it.
pub(crate) fn is_shorter_than_wanted(token: &Token, ask: &Ask) -> bool {
    token.end(ask.kind).is_some_and(|end| end.saturating_sub(token.received_at) < ask.wants_left)
}

/// The token that still works, for however long.
pub(crate) fn working<'r>(record: &'r Record, ask: &Ask, now: Timestamp) -> Option<&'r Token> {
    wanted(record, ask).filter(|token| {
        token.end(ask.kind).is_some_and(|end| now < end && now + token.margin(ask.kind) >= token.received_at)
    })
}

fn wanted<'r>(record: &'r Record, ask: &Ask) -> Option<&'r Token> {
    let token = record.tokens.get(&ask.slot)?;
    (token.secret(ask.kind).is_some() && !is_refused(token, ask)).then_some(token)
}

/// Whether the resource server has refused it, by this ask's word or an earlier one's.
pub(crate) fn is_refused(token: &Token, ask: &Ask) -> bool {
    token.refused || is_named(token, ask.kind, ask.refused.as_ref())
}

fn is_named(token: &Token, kind: TokenKind, fingerprint: Option<&Fingerprint>) -> bool {
    let secret = token.secret(kind);
    fingerprint.is_some_and(|fingerprint| secret.is_some_and(|secret| secret.fingerprint() == *fingerprint))
}

/// Whether a token that is only suspected may be replaced: not when that was tried a moment ago.
fn is_replaceable(record: &Record, ask: &Ask, now: Timestamp) -> bool {
    record.tokens.get(&ask.slot).is_none_or(|token| !token.is_recent_replacement(now))
}

/// A server that refuses a token and its successor refuses them all: one refresh a minute is tried, so that a helper that
/// is asked a thousand times asks the provider once.
fn is_refused_again(token: &Token, ask: &Ask, now: Timestamp) -> bool {
    is_refused(token, ask) && token.is_recent_replacement(now)
}

/// The last failure, if it is about what is wanted (renewing that slot, or signing in) and this caller is to be told of it
/// rather than try again.
fn remembered<'r>(
    record: &'r Record,
    slot: Option<&Slot>,
    ask: &Ask,
    attempt: &Attempt,
    now: Timestamp,
) -> Option<&'r Failure> {
    record.failure.as_ref().filter(|failure| {
        let came_while_waiting = failure.outcome > attempt.outcomes_seen;
        let same_parent = failure.parent.is_some() && failure.parent == ask.parent;
        let is_meant = failure.slot.as_ref() == slot || (failure.is_passing_renewal() && slot.is_some());
        // A sign-in that could not be begun may be worth another request.
        let is_told = attempt.is_headless && (failure.kind != Kind::Transient || failure.is_passing_renewal());
        is_meant && (came_while_waiting || (failure.is_recent(now) && (same_parent || is_told)))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::model::{ParentId, Want};

    const NOW: Timestamp = 10_000;

    fn token(name: &str, received_at: Timestamp, life: i64) -> Token {
        Token {
            access_token: Secret::new(name),
            id_token: None,
            received_at,
            expires_at: received_at + life,
            id_expires_at: None,
            refused: false,
            after_refusal: false,
            refused_to: None,
            unknown: Map::new(),
        }
    }

    fn pending(expires_at: Timestamp) -> Pending {
        Pending {
            device_code: Secret::new("dc"),
            user_code: "UC".to_owned(),
            verification_uri: "https://a.dev".to_owned(),
            verification_uri_complete: None,
            started_at: NOW - 10,
            expires_at,
            interval: 5,
            next_poll_at: NOW,
            misses: 0,
            unanswered: false,
            in_doubt: false,
            slot: Slot::default(),
            scopes: Vec::new(),
            audience: None,
            resource: None,
            resources: None,
            code_verifier: None,
            selects_account: false,
            in_advance: false,
            told_to: None,
            unknown: Map::new(),
        }
    }

    fn failure(at: Timestamp, outcome: u64) -> Failure {
        Failure {
            at,
            outcome,
            kind: Kind::SignInEnded,
            text: "denied".to_owned(),
            mend: Vec::new(),
            hint: None,
            until: None,
            streak: 0,
            parent: None,
            slot: None,
        }
    }

    /// The first of a row, two seconds of which it is told.
    fn passing(at: Timestamp) -> Failure {
        Failure { kind: Kind::Transient, until: Some(at + 2), streak: 1, ..renewal(failure(at, 0)) }
    }

    fn renewal(failure: Failure) -> Failure {
        Failure { slot: Some(Slot::default()), ..failure }
    }

    /// What the table says in words.
    fn said(record: &Record, (ask, attempt): &(Ask, Attempt)) -> String {
        match next(record, ask, attempt, NOW) {
            Decision::Serve(token) => format!("serve {}", token.access_token.expose()),
            Decision::Refresh(token) => format!("refresh {}", token.expose()),
            Decision::TooShort(token) => format!("too short {}", token.access_token.expose()),
            Decision::Poll(_) => "poll".to_owned(),
            Decision::Login => "login".to_owned(),
            Decision::Fail(failure) => format!("fail: {}", failure.text),
            Decision::Patience(until) => format!("patience {}", until - NOW),
            Decision::RefusedAgain(token) => format!("refused again {}", token.access_token.expose()),
        }
    }

    #[expect(clippy::too_many_lines, reason = "a table")]
    #[test]
    fn the_table() {
        let with = |change: &dyn Fn(&mut Record)| {
            let mut record = Record::default();
            change(&mut record);
            record
        };
        let holds = |record: &mut Record, received_at, life| {
            record.tokens.insert(Slot::default(), token("at", received_at, life));
        };
        let mark = |record: &mut Record, refused, after_refusal| {
            let token = record.tokens.get_mut(&Slot::default()).unwrap();
            (token.refused, token.after_refusal) = (refused, after_refusal);
        };
        let rt = |record: &mut Record| record.refresh_token = Some(Secret::new("rt"));
        let named = || Some(Secret::new("at").fingerprint());
        let of = |ask: Ask| (ask, Attempt::default());
        let plain = of(Ask::default());
        let headless = (Ask::default(), Attempt { is_headless: true, ..Attempt::default() });
        let anew = of(Ask { want: Want::SignIn, ..Ask::default() });
        let refused = of(Ask { refused: named(), ..Ask::default() });
        let suspected = of(Ask { suspected: named(), ..Ask::default() });
        let suspected_and_ended =
            (suspected.0.clone(), Attempt { ended: Some("over".to_owned()), ..Attempt::default() });
        let parent = of(Ask { parent: Some(ParentId::new(7, "1")), ..Ask::default() });
        let other_slot = of(Ask { slot: Slot::of_key("organization=x"), ..Ask::default() });
        let of_resource = of(Ask { slot: Slot::of_key("resource=https://a.dev"), ..Ask::default() });
        let headless_other = (other_slot.0.clone(), headless.1.clone());
        let long = of(Ask { wants_left: 240, ..Ask::default() });
        let headless_long = (long.0.clone(), headless.1.clone());
        let id = of(Ask { kind: TokenKind::Id, ..Ask::default() });

        #[rustfmt::skip]
        let table: Vec<(&str, Record, &(Ask, Attempt), &str)> = vec![
            ("nothing at all", with(&|_| ()), &plain, "login"),
            ("a fresh token", with(&|r| holds(r, NOW - 10, 300)), &plain, "serve at"),
            ("its last second before the margin", with(&|r| holds(r, NOW - 239, 300)), &plain, "serve at"),
            ("inside the margin", with(&|r| { holds(r, NOW - 240, 300); rt(r); }), &plain, "refresh rt"),
            ("a short life has a fifth as margin", with(&|r| { holds(r, NOW - 7, 10); rt(r); }), &plain, "serve at"),
            ("and is over then", with(&|r| { holds(r, NOW - 8, 10); rt(r); }), &plain, "refresh rt"),
            ("expired", with(&|r| { holds(r, NOW - 300, 300); rt(r); }), &plain, "refresh rt"),
            ("expired and nothing to refresh with", with(&|r| holds(r, NOW - 300, 300)), &plain, "login"),
            ("received in the future: the clock was set back", with(&|r| { holds(r, NOW + 9_000, 300); rt(r); }), &plain, "refresh rt"),
            ("received a moment in the future", with(&|r| holds(r, NOW + 2, 300)), &plain, "serve at"),
            ("the same, where it could be renewed", with(&|r| { holds(r, NOW + 2, 300); rt(r); }), &plain, "serve at"),
            ("another slot", with(&|r| { holds(r, NOW, 300); rt(r); }), &other_slot, "refresh rt"),
            ("another slot and no refresh token", with(&|r| holds(r, NOW, 300)), &other_slot, "login"),
            ("an ID token the answer never had", with(&|r| { holds(r, NOW, 300); rt(r); }), &id, "refresh rt"),
            ("a refused token", with(&|r| { holds(r, NOW, 300); rt(r); }), &refused, "refresh rt"),
            ("refused, but there is a newer one", with(&|r| { r.tokens.insert(Slot::default(), token("at2", NOW, 300)); }), &refused, "serve at2"),
            ("a token marked as refused", with(&|r| { holds(r, NOW, 300); rt(r); mark(r, true, false); }), &plain, "refresh rt"),
            ("refused, and it took the place of another", with(&|r| { holds(r, NOW - 59, 300); rt(r); mark(r, false, true); }), &refused, "refused again at"),
            ("marked so, and it took the place of another", with(&|r| { holds(r, NOW - 59, 300); rt(r); mark(r, true, true); }), &plain, "refused again at"),
            ("the same, a minute later", with(&|r| { holds(r, NOW - 60, 300); rt(r); mark(r, false, true); }), &refused, "refresh rt"),
            ("it took the place of another and is well", with(&|r| { holds(r, NOW, 300); mark(r, false, true); }), &plain, "serve at"),
            ("suspected: another is tried in silence", with(&|r| { holds(r, NOW, 300); rt(r); }), &suspected, "refresh rt"),
            ("suspected, but tried a moment ago", with(&|r| { holds(r, NOW - 59, 300); rt(r); mark(r, false, true); }), &suspected, "serve at"),
            ("suspected, tried a minute ago", with(&|r| { holds(r, NOW - 60, 300); rt(r); mark(r, false, true); }), &suspected, "refresh rt"),
            ("suspected, but nothing to refresh with", with(&|r| holds(r, NOW, 300)), &suspected, "serve at"),
            ("suspected, and the provider fails", with(&|r| { holds(r, NOW, 300); rt(r); r.retry_at = Some(NOW + 9); }), &suspected, "serve at"),
            ("suspected, and the provider has ended the session", with(&|r| { holds(r, NOW, 300); mark(r, true, false); }), &suspected_and_ended, "login"),
            ("suspected, but there is a newer one", with(&|r| { r.tokens.insert(Slot::default(), token("at2", NOW, 300)); }), &suspected, "serve at2"),
            ("a failure from before, for the same parent", with(&|r| r.failure = Some(Failure { parent: parent.0.parent.clone(), ..failure(NOW - 29, 0) })), &parent, "fail: denied"),
            ("a failure from before, for another parent", with(&|r| r.failure = Some(Failure { parent: Some(ParentId::new(8, "1")), ..failure(NOW, 0) })), &parent, "login"),
            ("a pending login", with(&|r| r.pending = Some(pending(NOW + 1))), &plain, "poll"),
            ("a pending login beside a session that can refresh", with(&|r| { r.pending = Some(pending(NOW + 1)); rt(r); }), &plain, "refresh rt"),
            ("a pending login that is over", with(&|r| r.pending = Some(pending(NOW))), &plain, "login"),
            ("a failure from before, with a terminal", with(&|r| r.failure = Some(failure(NOW - 1, 0))), &plain, "login"),
            ("a failure from before, without one", with(&|r| r.failure = Some(failure(NOW - 1, 0))), &headless, "fail: denied"),
            ("the same, half a minute later", with(&|r| r.failure = Some(failure(NOW - 30, 0))), &headless, "login"),
            ("the same, from the future", with(&|r| r.failure = Some(failure(NOW + 5, 0))), &headless, "login"),
            ("a failure while waiting", with(&|r| r.failure = Some(failure(NOW - 99, 1))), &plain, "fail: denied"),
            ("a passing failure from before, without a terminal", with(&|r| { rt(r); r.failure = Some(Failure { kind: Kind::Transient, ..failure(NOW, 0) }); }), &headless, "refresh rt"),
            ("a passing failure of a renewal, without a terminal", with(&|r| { rt(r); r.failure = Some(passing(NOW - 1)); }), &headless, "fail: denied"),
            ("the same, for another slot of the session", with(&|r| { rt(r); r.failure = Some(passing(NOW - 1)); }), &headless_other, "fail: denied"),
            ("the same, when its while is over", with(&|r| { rt(r); r.failure = Some(passing(NOW - 2)); }), &headless, "refresh rt"),
            ("the same, with a terminal", with(&|r| { rt(r); r.failure = Some(passing(NOW - 1)); }), &plain, "refresh rt"),
            ("the same, and the old token lives", with(&|r| { holds(r, NOW - 299, 300); rt(r); r.failure = Some(passing(NOW - 1)); }), &plain, "serve at"),
            ("a passing failure whose while is over, and the old token lives", with(&|r| { holds(r, NOW - 299, 300); rt(r); r.failure = Some(passing(NOW - 2)); }), &plain, "refresh rt"),
            ("a passing failure, and login", with(&|r| { rt(r); r.failure = Some(passing(NOW - 1)); }), &anew, "login"),
            ("a resource that the sign-in did not name", with(&|r| { rt(r); r.resources = Some(vec!["https://b.dev".to_owned()]); }), &of_resource, "login"),
            ("one that it named", with(&|r| { rt(r); r.resources = Some(vec!["https://a.dev".to_owned()]); }), &of_resource, "refresh rt"),
            ("nobody knows what it named", with(&|r| rt(r)), &of_resource, "refresh rt"),
            ("an ID token that no refresh brings", with(&|r| { rt(r); r.refresh_lacks_id = true; }), &id, "login"),
            ("an access token beside that", with(&|r| { rt(r); r.refresh_lacks_id = true; }), &plain, "refresh rt"),
            ("refused without a word, twice, with a terminal", with(&|r| { rt(r); r.is_doubted = true; }), &plain, "login"),
            ("the same without one", with(&|r| { rt(r); r.is_doubted = true; }), &headless, "refresh rt"),
            ("the same, and the old token lives", with(&|r| { holds(r, NOW - 299, 300); rt(r); r.is_doubted = true; }), &plain, "serve at"),
            ("a renewal under way, and the old token lives", with(&|r| { holds(r, NOW - 299, 300); rt(r); r.renewing_since = Some(NOW - 49); }), &plain, "serve at"),
            ("the same, long ago", with(&|r| { holds(r, NOW - 299, 300); rt(r); r.renewing_since = Some(NOW - 50); }), &plain, "refresh rt"),
            ("the same, from the future", with(&|r| { holds(r, NOW - 299, 300); rt(r); r.renewing_since = Some(NOW + 1); }), &plain, "refresh rt"),
            ("a renewal under way, and nothing lives", with(&|r| { rt(r); r.renewing_since = Some(NOW); }), &plain, "refresh rt"),
            ("a failed refresh, and the old token lives", with(&|r| { holds(r, NOW - 299, 300); rt(r); r.failure = Some(renewal(failure(NOW, 1))); }), &plain, "serve at"),
            ("a failed refresh, and nothing lives", with(&|r| { rt(r); r.failure = Some(renewal(failure(NOW, 1))); }), &plain, "fail: denied"),
            ("a failed refresh of another slot", with(&|r| { rt(r); r.failure = Some(renewal(failure(NOW, 1))); }), &other_slot, "refresh rt"),
            ("a denied sign-in beside a session that can refresh", with(&|r| { rt(r); r.failure = Some(failure(NOW, 1)); }), &headless, "refresh rt"),
            ("login, and another's refresh failed", with(&|r| r.failure = Some(renewal(failure(NOW, 1)))), &anew, "login"),
            ("asked for patience, and the old token lives", with(&|r| { holds(r, NOW - 299, 300); rt(r); r.retry_at = Some(NOW + 9); }), &plain, "serve at"),
            ("asked for patience, and nothing lives", with(&|r| { rt(r); r.retry_at = Some(NOW + 9); }), &plain, "patience 9"),
            ("patience is over", with(&|r| { rt(r); r.retry_at = Some(NOW); }), &plain, "refresh rt"),
            ("absurd patience", with(&|r| { rt(r); r.retry_at = Some(NOW + 999_999); }), &plain, "refresh rt"),
            ("as much left as is wanted", with(&|r| { holds(r, NOW - 60, 300); rt(r); }), &long, "serve at"),
            ("a second less", with(&|r| { holds(r, NOW - 61, 300); rt(r); }), &long, "refresh rt"),
            ("the same, and nothing can renew it", with(&|r| holds(r, NOW - 61, 300)), &long, "too short at"),
            ("just what is wanted from the start, a moment ago", with(&|r| { holds(r, NOW - 1, 240); rt(r); }), &long, "refresh rt"),
            ("less than is wanted from the start", with(&|r| { holds(r, NOW, 200); rt(r); }), &long, "too short at"),
            ("the same, and it has ended", with(&|r| { holds(r, NOW - 200, 200); rt(r); }), &long, "refresh rt"),
            ("the same, and nothing can renew it either", with(&|r| holds(r, NOW - 200, 200)), &long, "login"),
            ("less left than is wanted, and a renewal under way", with(&|r| { holds(r, NOW - 250, 300); rt(r); r.renewing_since = Some(NOW); }), &long, "refresh rt"),
            ("the same, and the provider wants patience", with(&|r| { holds(r, NOW - 61, 300); rt(r); r.retry_at = Some(NOW + 9); }), &long, "patience 9"),
            ("the same, and a renewal has failed", with(&|r| { holds(r, NOW - 61, 300); rt(r); r.failure = Some(passing(NOW - 1)); }), &headless_long, "fail: denied"),
            ("the same, with a terminal", with(&|r| { holds(r, NOW - 61, 300); rt(r); r.failure = Some(passing(NOW - 1)); }), &long, "refresh rt"),
            ("inside the margin, and nothing can renew it", with(&|r| holds(r, NOW - 299, 300)), &plain, "serve at"),
            ("login, though all is well", with(&|r| { holds(r, NOW, 300); rt(r); }), &anew, "login"),
            ("login, and somebody began one", with(&|r| { holds(r, NOW, 300); r.pending = Some(pending(NOW + 9)); }), &anew, "poll"),
            ("login, approved while waiting", with(&|r| { holds(r, NOW, 300); r.signed_in_outcome = 1; }), &anew, "serve at"),
            ("login, approved for another slot", with(&|r| { rt(r); r.signed_in_outcome = 1; }), &anew, "refresh rt"),
            ("login, denied while waiting", with(&|r| r.failure = Some(failure(NOW, 1))), &anew, "fail: denied"),
            ("login ignores a failure from before", with(&|r| r.failure = Some(failure(NOW, 0))), &anew, "login"),
        ];
        for (what, record, asked, answer) in table {
            assert_eq!(said(&record, asked), answer, "{what}");
        }
    }

    #[test]
    fn an_approval_is_asked_for_beside_whatever_there_is() {
        let due = Pending { in_advance: true, next_poll_at: NOW, ..pending(NOW + 100) };
        let empty = Record { pending: Some(due.clone()), ..Record::default() };
        let renewable = Record { refresh_token: Some(Secret::new("rt")), ..empty.clone() };
        let held = Record { tokens: [(Slot::default(), token("at", NOW, 300))].into(), ..empty.clone() };
        assert!(is_redeemable(&renewable, NOW) && is_redeemable(&held, NOW));
        assert!(!is_redeemable(&empty, NOW), "whoever finds nothing polls for itself");
        for other in [
            Pending { in_advance: false, ..due.clone() },
            Pending { next_poll_at: NOW + 1, ..due.clone() },
            Pending { expires_at: NOW, ..due },
        ] {
            assert!(!is_redeemable(&Record { pending: Some(other), ..held.clone() }, NOW));
        }
    }

    #[test]
    fn a_token_of_the_future_lives_within_its_margin_alone() {
        let of = |received_at| Record {
            tokens: [(Slot::default(), token("at", received_at, 300))].into(),
            ..Record::default()
        };
        for (received_at, lives) in [(NOW, true), (NOW + 60, true), (NOW + 61, false), (NOW + 5_000, false)] {
            assert_eq!(living(&of(received_at), &Ask::default(), NOW).is_some(), lives, "{received_at}");
        }
    }
}
