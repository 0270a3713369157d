//! What the lab's properties leave open: the words and moments of single steps, each in a few lines.

use super::*;
use crate::config::{Config, file};
use crate::error::Kind;
use crate::model::ParentId;
use crate::oauth::answer::Who;
use crate::secret::Fingerprint;

mod renewal;
mod sign_in;
mod words;

const NOW: Timestamp = 1_000_000;

struct Place {
    config: Config,
    endpoints: Endpoints,
}

impl Place {
    fn new() -> Self {
        Self::with("hosts = [\"git.a.dev\"]\n")
    }

    /// Where the profile has these keys as well.
    fn with(keys: &str) -> Self {
        Self::of(&format!(
            "provider = \"oauth\"\ndevice_authorization_endpoint = \"https://a.dev/d\"\n\
             token_endpoint = \"https://a.dev/t\"\n{keys}"
        ))
    }

    fn of(keys: &str) -> Self {
        let text = format!("[profile.a]\nclient_id = \"c\"\n{keys}");
        let config = file::parse(&text, "config.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
        let crate::model::Server::Known(endpoints) = &config.profiles[0].server else { panic!("it spells them") };
        let endpoints = endpoints.clone();
        Self { config, endpoints }
    }

    fn setting(&self) -> Setting<'_> {
        let profile = &self.config.profiles[0];
        Setting { profile, endpoints: &self.endpoints, destination: &profile.plain, place: "git.a.dev" }
    }

    /// Tells a machine these things one after the other; what it does first at the last, and wants then.
    fn drive(&self, ask: Ask, told: impl IntoIterator<Item = Got>) -> (Vec<Aside>, Effect) {
        let (mut machine, mut effect) = Machine::begin(ask);
        let mut asides = Vec::new();
        for got in told {
            (machine, asides, effect) = machine.step(got, &self.setting(), NOW);
        }
        (asides, effect)
    }
}

fn token(secret: &str, left: i64) -> Token {
    let text =
        format!(r#"{{"access_token":"{secret}","received_at":{},"expires_at":{}}}"#, NOW + left - 300, NOW + left);
    serde_json::from_str(&text).unwrap()
}

fn holding(token: Token) -> Record {
    Record { tokens: [(Slot::default(), token)].into(), ..Record::default() }
}

fn record(record: &Record) -> Got {
    Got::Record(Some(Box::new(record.clone())))
}

fn locked(record: &Record) -> Got {
    Got::Locked { record: Box::new(record.clone()), set_aside: None }
}

fn pending(code: &str, wait: i64, life: i64) -> Pending {
    let text = format!(
        r#"{{"device_code":"{code}","user_code":"U-{code}","verification_uri":"https://a.dev","started_at":{NOW},
            "expires_at":{},"interval":5,"next_poll_at":{}}}"#,
        NOW + life,
        NOW + wait
    );
    serde_json::from_str(&text).unwrap()
}

fn waiting(pending: &Pending) -> Record {
    Record { pending: Some(pending.clone()), ..Record::default() }
}

/// A record that is looked at twice under its lock: before a person is looked for, and behind the login lock.
fn turn(kept: &Record, presence: Presence) -> impl Iterator<Item = Got> + Clone + use<> {
    [Got::Record(None), Got::Terminal(true), locked(kept), Got::Presence(presence), Got::Done, locked(kept)].into_iter()
}

fn away(why: &'static str) -> Presence {
    Presence::Away(why)
}

/// The code in it is due, and this is the answer to its poll.
fn polled(due: &Record, answer: Answer) -> impl Iterator<Item = Got> + Clone + use<> {
    turn(due, Presence::Here).chain([Got::Done, Got::Answer(answer)])
}

fn not_yet() -> Answer {
    Answer::Transient { why: String::new(), retry_after: None }
}

/// What a provider grants, without an ID token.
fn granted(refresh_token: Option<&str>) -> TokenAnswer {
    TokenAnswer {
        access_token: Secret::new("at"),
        id_token: None,
        refresh_token: refresh_token.map(Secret::new),
        life: 300,
        id_life: 0,
        who: Who::default(),
    }
}

/// The provider begins no sign-in, or something in its place.
fn refusal(status: u16, code: &str, is_foreign: bool) -> NoCode {
    NoCode::Refused(server_error(status, code, is_foreign))
}

fn server_error(status: u16, code: &str, is_foreign: bool) -> ServerError {
    ServerError {
        code: code.to_owned(),
        description: String::new(),
        status,
        is_silent: false,
        is_foreign,
        interval: None,
    }
}

fn failed(effect: &Effect) -> &Error {
    match effect {
        Effect::End(Outcome::Failed(error)) => error,
        other => panic!("it does not end with an error: {other:?}"),
    }
}

#[test]
fn a_refusal_is_of_the_token_it_names_and_a_sign_out_of_any() {
    let place = Place::new();
    let named = |secret: &str| Some(Secret::new(secret).fingerprint());
    let refused = Token { refused: true, ..token("at", 200) };
    for (want, fingerprint, kept, is_meant) in [
        (Want::Refusal, named("at"), token("at", 200), true),
        (Want::Refusal, None, token("at", 200), true),
        (Want::Refusal, named("other"), token("at", 200), false),
        (Want::Refusal, named("at"), refused.clone(), false),
        (Want::Refusal, None, refused.clone(), false),
        (Want::SignOut, None, token("at", 200), true),
        (Want::SignOut, None, refused, true),
        (Want::SignOut, Some(Fingerprint::written("other")), token("at", 200), true),
    ] {
        let kept = holding(kept);
        let ask = Ask { want, refused: fingerprint, ..Ask::default() };
        let (_, effect) = place.drive(ask.clone(), [record(&kept)]);
        if !is_meant {
            assert_eq!(effect, Effect::End(Outcome::Nothing), "{ask:?}");
            continue;
        }
        assert_eq!(effect, Effect::TryLock, "{ask:?}");
        let (_, effect) = place.drive(ask.clone(), [record(&kept), locked(&kept)]);
        let Effect::Save(saved) = effect else { panic!("{ask:?}: {effect:?}") };
        let left = saved.tokens.values().next();
        assert_eq!(left.map(|token| token.refused), (want == Want::Refusal).then_some(true), "{ask:?}");
        // Another process has done it meanwhile.
        let (_, effect) = place.drive(ask, [record(&kept), locked(&Record::default())]);
        assert_eq!(effect, Effect::End(Outcome::Nothing));
    }
    let (_, effect) = place.drive(Ask { want: Want::SignOut, ..Ask::default() }, [record(&Record::default())]);
    assert_eq!(effect, Effect::End(Outcome::Nothing));
}

#[test]
fn an_acceptance_is_of_the_successor_it_names_and_makes_it_a_token_like_any_other() {
    let place = Place::new();
    let [own, successor] = [token("at", 200), Token { after_refusal: true, ..token("at", 200) }];
    let successor = Token { refused_to: Some(ParentId::new(7, "1")), ..successor };
    for (kept, named, is_meant) in [
        (&successor, Some("at"), true),
        (&successor, Some("other"), false),
        (&successor, None, false),
        (&own, Some("at"), false),
    ] {
        let refused = named.map(|secret| Secret::new(secret).fingerprint());
        let ask = Ask { want: Want::Acceptance, refused, ..Ask::default() };
        let kept = holding(kept.clone());
        let (_, effect) = place.drive(ask.clone(), [record(&kept)]);
        assert_eq!(effect == Effect::TryLock, is_meant, "{named:?}: {effect:?}");
        if is_meant {
            let (_, effect) = place.drive(ask, [record(&kept), locked(&kept)]);
            let Effect::Save(saved) = effect else { panic!("{effect:?}") };
            assert_eq!(saved.tokens[&Slot::default()], own);
        }
    }
}

/// A process that would ask for ever is told; another is told the first time, and is not told by the first one's word.
#[test]
fn who_has_the_successor_refused_as_well_is_told_and_is_remembered_by_it() {
    let place = Place::new();
    let [own, other] = ["1", "2"].map(|started| ParentId::new(7, started));
    for (parent, before, is_noted) in [
        (None, None, false),
        (None, Some(&own), false),
        (Some(&own), None, true),
        (Some(&own), Some(&own), false),
        (Some(&own), Some(&other), true),
    ] {
        let kept = holding(Token { after_refusal: true, refused_to: before.cloned(), ..token("at", 290) });
        let ask = Ask { want: Want::Refusal, parent: parent.cloned(), ..Ask::default() };
        let told = [record(&kept), locked(&kept)];
        let (_, mut effect) = place.drive(ask.clone(), told.clone());
        if is_noted {
            let Effect::Save(saved) = effect else { panic!("{effect:?}") };
            let saved = &saved.tokens[&Slot::default()];
            assert_eq!(
                (saved.refused, saved.refused_to.as_ref()),
                (false, parent),
                "it is kept, and for whom it is vain"
            );
            effect = place.drive(ask, told.into_iter().chain([Got::Done])).1;
        }
        assert!(failed(&effect).text().contains("refuses a token that was renewed"), "{parent:?} after {before:?}");
    }
}

#[test]
fn a_failure_is_repeated_to_the_process_that_was_told_before_alone() {
    let place = Place::new();
    let [own, other] = ["1", "2"].map(|started| ParentId::new(7, started));
    let mut told = Record { refresh_token: Some(Secret::new("rt")), ..Record::default() };
    let silent = Record { refresh_token: Some(Secret::new("rt")), ..Record::default() };
    told.fail(&Error::new(Kind::Refused, "no"), Some(&Slot::default()), Some(&own), NOW - 5);
    let mut unnamed = silent.clone();
    unnamed.fail(&Error::new(Kind::Refused, "no"), Some(&Slot::default()), None, NOW - 5);
    for (first, then, parent, is_repeated) in [
        (&told, &told, Some(&own), true),
        // It came while this caller waited.
        (&silent, &told, Some(&own), false),
        (&silent, &told, Some(&other), false),
        (&told, &told, Some(&other), false),
        (&unnamed, &unnamed, None, false),
    ] {
        let ask = Ask { parent: parent.cloned(), ..Ask::default() };
        let (_, effect) = place.drive(ask, [record(first), Got::Terminal(false), locked(then)]);
        let error = failed(&effect);
        assert_eq!((error.text().as_str(), error.is_repeated()), ("no", is_repeated), "{parent:?}");
    }
}

#[test]
fn a_fresh_token_ends_the_wait_for_the_lock_at_once_and_a_patience_is_whole() {
    let place = Place::new();
    let wait = |span| [Got::Busy, Got::Waited(Duration::from_secs(span))];
    let begun = [Got::Record(None), Got::Terminal(true)];
    let (_, effect) = place.drive(Ask::default(), begun.clone().into_iter().chain(wait(0)));
    assert_eq!(effect, Effect::Peek, "another may have done it");
    let fresh = holding(token("at", 300));
    let told = begun.clone().into_iter().chain(wait(0)).chain([record(&fresh)]);
    assert_eq!(place.drive(Ask::default(), told).1, Effect::End(Outcome::Token(Box::new(token("at", 300)))));
    for (span, is_over) in [(120, false), (121, true)] {
        let told = begun.clone().into_iter().chain(wait(span)).chain([Got::Record(None), Got::Busy]);
        let (_, effect) = place.drive(Ask::default(), told);
        assert_eq!(effect != Effect::Pause, is_over, "{span}: {effect:?}");
    }
}

/// What this caller alone holds is written down, whatever others have done meanwhile.
#[test]
fn an_answer_in_hand_waits_for_the_lock_and_looks_at_nothing() {
    let place = Place::new();
    let due = waiting(&pending("dc", 0, 100));
    let told = polled(&due, not_yet()).chain([Got::Busy, Got::Waited(Duration::ZERO)]);
    assert_eq!(place.drive(Ask::default(), told).1, Effect::TryLock);
}

#[test]
fn who_has_nobody_here_waits_ten_seconds_for_a_poll_and_a_person_as_long_as_it_takes() {
    let place = Place::new();
    for (wait, presence, slept) in [
        (10, away("why"), Some(10)),
        (11, away("why"), None),
        (3, away("why"), Some(3)),
        (10, Presence::Relayed, Some(10)),
        (11, Presence::Relayed, None),
        (11, Presence::Here, Some(11)),
    ] {
        let kept = waiting(&pending("dc", wait, 100));
        let (_, effect) = place.drive(Ask::default(), turn(&kept, presence));
        match slept {
            Some(seconds) => assert_eq!(effect, Effect::Sleep { seconds, expires_at: NOW + 100 }),
            None => assert_eq!(failed(&effect).kind, Kind::HumanNeeded),
        }
    }
    // Whoever wants to wait no longer than so long is not kept longer.
    let kept = waiting(&pending("dc", 11, 100));
    for (until, slept) in [(NOW + 20, Some(11)), (NOW + 4, Some(4)), (NOW, None), (NOW - 1, None)] {
        let ask = Ask { until: Some(until), ..Ask::default() };
        let (_, effect) = place.drive(ask, turn(&kept, Presence::Here));
        match slept {
            Some(seconds) => assert_eq!(effect, Effect::Sleep { seconds, expires_at: NOW + 100 }),
            None => assert_eq!(failed(&effect).kind, Kind::HumanNeeded),
        }
    }
    // Without a person the code is polled for once.
    let kept = waiting(&pending("dc", 0, 100));
    for (presence, waits) in [(away("why"), false), (Presence::Relayed, false), (Presence::Here, true)] {
        let told = turn(&kept, presence).chain([Got::Done, Got::Answer(not_yet()), locked(&kept), Got::Done]);
        let (_, effect) = place.drive(Ask::default(), told);
        assert_eq!(matches!(effect, Effect::Sleep { .. }), waits, "{presence:?}: {effect:?}");
    }
}

#[test]
fn another_polls_its_code_is_shown_its_end_told_and_it_is_not_waited_for_beyond() {
    let place = Place::new();
    let theirs = pending("dc", 3, 20);
    let kept = waiting(&theirs);
    let begun = || {
        [Got::Record(None), Got::Terminal(true), locked(&Record::default()), Got::Presence(Presence::Here), Got::Busy]
            .into_iter()
    };
    let (asides, effect) = place.drive(Ask::default(), begun().chain([record(&kept)]));
    assert_eq!(effect, Effect::Pause);
    assert_eq!(asides[0], Aside::Show(Box::new(theirs), Role::Waiting));
    let approved = holding(token("at", 300));
    let told = begun().chain([record(&kept), Got::Waited(Duration::ZERO), Got::Busy, record(&approved)]);
    let (asides, effect) = place.drive(Ask::default(), told);
    assert!(matches!(effect, Effect::End(Outcome::Token(_))));
    let said = Aside::SignedIn { user_code: Some("U-dc".to_owned()), record: Box::new(approved) };
    assert_eq!(asides, [said]);
    // A poll was due two intervals and ten seconds ago: whoever holds the lock does nothing.
    for (late, is_over) in [(20, false), (21, true)] {
        let told = begun().chain([record(&waiting(&pending("dc", -late, 100)))]);
        let (_, effect) = place.drive(Ask::default(), told);
        assert_eq!(effect == Effect::TryLock, is_over, "{late}: {effect:?}");
    }
    // No code is there yet, or it is over: that is waited for, and not for long.
    for (waited, is_over) in [(20, false), (21, true)] {
        for seen in [Got::Record(None), record(&waiting(&pending("dc", -90, 0)))] {
            let told = begun().chain([Got::Record(None), Got::Waited(Duration::from_secs(waited)), Got::Busy, seen]);
            let (asides, effect) = place.drive(Ask::default(), told);
            assert_eq!(effect == Effect::TryLock, is_over, "{waited}: {effect:?}");
            assert!(asides.iter().any(|aside| matches!(aside, Aside::Say(_))), "it is said what is waited for");
        }
    }
}

#[test]
fn an_answer_to_one_code_leaves_another_in_the_record_alone() {
    let place = Place::new();
    let (ours, theirs) = (waiting(&pending("ours", 0, 100)), waiting(&pending("theirs", 3, 100)));
    for (kept, is_saved) in [(&ours, true), (&theirs, false), (&Record::default(), false)] {
        let (_, effect) = place.drive(Ask::default(), polled(&ours, not_yet()).chain([locked(kept)]));
        assert_eq!(matches!(effect, Effect::Save(_)), is_saved, "{effect:?}");
    }
}

#[test]
fn a_code_that_has_begun_is_shown_once_and_not_where_it_is_in_advance() {
    let place = Place::new();
    // As it is written down: no resource was named.
    let code = Pending { resources: Some(Vec::new()), ..pending("dc", 6, 100) };
    let empty = Record::default();
    let told = turn(&empty, Presence::Here).chain([Got::Code(Ok(Box::new(code.clone()))), locked(&empty)]);
    let (asides, effect) = place.drive(Ask::default(), told.clone().chain([Got::Done]));
    assert_eq!(effect, Effect::TryLock);
    assert_eq!(asides[..2], [Aside::Unlock, Aside::Show(Box::new(code.clone()), Role::Starting)]);
    // One that could not be saved is in hand, and goes into the record at the next turn; one that was saved and is gone from it
    // was called off.
    let full = Got::Failed(Error::new(Kind::Broken, "full"));
    for (saved, goes_on) in [(full, true), (Got::Done, false)] {
        let (_, effect) = place.drive(Ask::default(), told.clone().chain([saved, locked(&empty)]));
        assert_eq!(matches!(effect, Effect::Sleep { .. }), goes_on, "{effect:?}");
    }
    let told = [Got::Done, locked(&empty), Got::Done, Got::Code(Ok(Box::new(code))), locked(&empty), Got::Done];
    let (asides, effect) = place.drive(Ask { want: Want::Code, ..Ask::default() }, told);
    assert_eq!(effect, Effect::TryLock);
    assert!(asides.iter().all(|aside| *aside == Aside::Unlock), "{asides:?}");
}

/// The computer slept between a provider's answer and its saving.
#[test]
fn a_renewed_token_that_ran_out_meanwhile_is_renewed_once_more() {
    let place = Place::new();
    let session = Record { refresh_token: Some(Secret::new("rt")), ..Record::default() };
    let renewal = |slept| {
        let answer = Got::Answer(Answer::Granted(Box::new(granted(Some("rt")))));
        [(locked(&session), 0), (Got::Done, 0), (answer, 0), (Got::Done, slept)]
    };
    for (slept, is_served) in [(0, true), (600, false)] {
        let (mut machine, mut effect) = Machine::begin(Ask::default());
        let first = [(record(&session), 0), (Got::Terminal(true), 0)];
        for (got, later) in first.into_iter().chain(renewal(600)).chain(renewal(slept)) {
            (machine, _, effect) = machine.step(got, &place.setting(), NOW + later);
        }
        match effect {
            Effect::End(Outcome::Token(token)) => assert!(is_served && token.access_token.expose() == "at"),
            effect => {
                let error = failed(&effect);
                let said = (error.kind, error.text());
                assert_eq!(said, (Kind::Transient, "the token of a.dev ran out before it could be used".to_owned()));
                assert!(!is_served);
            }
        }
    }
}
