//! What the lab leaves open: what a person is shown and told, and what is asked of a provider beside tokens.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::config::{Config, file};
use crate::error::Error;
use crate::human::{Presence, Prompt};
use crate::machine::{Aside, Effect, Got, Role};
use crate::model::{Endpoints, Server, Slot};
use crate::oauth::message::{Form, Response, Unreachable};
use crate::oauth::watch::Patience;
use crate::secret::Secret;
use crate::store::{Found, Guard, Record, record};

const NOW: Timestamp = 1_000_000;

/// A clock whose seconds stand still, and how long was slept by it.
#[derive(Default)]
struct Standing {
    slept: RefCell<Vec<Duration>>,
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        NOW
    }

    fn elapsed(&self) -> Duration {
        self.slept.borrow().iter().sum()
    }

    fn sleep(&self, how_long: Duration) {
        self.slept.borrow_mut().push(how_long);
    }
}

/// Somebody at no terminal, who notes what is said.
#[derive(Default)]
struct Listener {
    heard: RefCell<Vec<String>>,
    is_gone: Cell<bool>,
}

impl Listener {
    fn hear(&self, what: String) {
        self.heard.borrow_mut().push(what);
    }
}

impl Human for Listener {
    fn presence(&self) -> Result<Presence> {
        Ok(Presence::Here)
    }

    fn has_terminal(&self) -> bool {
        false
    }

    fn terminal(&self) -> Option<String> {
        None
    }

    fn ask(&self, prompt: &Prompt<'_>) {
        let Prompt { what, profile, account: _, pending, opens_browser, is_repeated, now } = prompt;
        let (code, left) = (&pending.user_code, pending.expires_at - now);
        let again = if *is_repeated { ", again" } else { "" };
        self.hear(format!("{what} ({profile}): {code} for {left} s, a browser: {opens_browser}{again}"));
    }

    fn waiting(&self, left: i64) {
        self.hear(format!("{left} s left"));
    }

    fn tell(&self, line: &str) {
        self.hear(line.to_owned());
    }

    fn succeeded(&self, line: &str, is_said: bool) {
        self.hear(format!("{line}{}", if is_said { ", again" } else { "" }));
    }

    fn failed(&self, error: &Error) {
        self.hear(error.text());
    }

    fn is_left(&self) -> bool {
        self.is_gone.get()
    }

    fn note(&self, line: &str) {
        self.hear(format!("stderr: {line}"));
    }
}

/// A server that answers everything with one status and body, and what it was sent.
struct Wire {
    status: u16,
    body: String,
    sent: RefCell<Vec<(String, Vec<String>)>>,
}

impl Http for Wire {
    fn post(&self, url: &str, form: &Form, _patience: Patience) -> Result<Response, Unreachable> {
        let names = form.shown().iter().map(|(name, _)| (*name).to_owned()).collect();
        self.sent.borrow_mut().push((url.to_owned(), names));
        Ok(Response {
            status: self.status,
            date: None,
            retry_after: None,
            challenges: Vec::new(),
            body: self.body.clone().into_bytes(),
        })
    }

    fn get(&self, url: &str, _query: &Form) -> Result<Response, Unreachable> {
        panic!("nobody asks {url}")
    }
}

struct Place {
    config: Config,
    endpoints: Endpoints,
    id: String,
    clock: Standing,
    human: Listener,
    wire: Wire,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Place {
    /// A provider that answers so.
    fn answering(status: u16, body: String) -> Self {
        let text = "[profile.a]\nclient_id = \"c\"\nprovider = \"oauth\"\nhosts = [\"git.a.dev\"]\n\
                    device_authorization_endpoint = \"https://a.dev/d\"\ntoken_endpoint = \"https://a.dev/t\"\n\
                    revocation_endpoint = \"https://a.dev/r\"\n";
        let config = file::parse(text, "config.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"));
        let Server::Known(endpoints) = &config.profiles[0].server else { panic!("it spells them") };
        let endpoints = endpoints.clone();
        let folder = tempfile::tempdir().expect("a folder");
        let wire = Wire { status, body, sent: RefCell::default() };
        let store = Store::in_folder(folder.path().join("sessions"));
        let id = record::id(&config.profiles[0], &endpoints.token);
        let (clock, human) = (Standing::default(), Listener::default());
        Self { config, endpoints, id, clock, human, wire, store, _folder: folder }
    }

    fn broker(&self) -> Broker<'_> {
        let profile = &self.config.profiles[0];
        let setting = Setting { profile, endpoints: &self.endpoints, destination: &profile.plain, place: "git.a.dev" };
        let world =
            World { store: &self.store, clock: &self.clock, http: &self.wire, human: &self.human, successor: None };
        Broker { world, setting, id: &self.id, what: "git needs to sign in to git.a.dev" }
    }

    /// Keeps a session with a token that lives and is to be renewed; the lock that guards it.
    fn keep(&self) -> Guard<'_> {
        let token = format!(r#"{{"access_token":"at","received_at":{},"expires_at":{}}}"#, NOW - 290, NOW + 10);
        let mut guard = self.store.try_lock(&self.id, NOW).expect("a lock").expect("a lock");
        guard.record = Record {
            refresh_token: Some(Secret::new("rt_secret")),
            tokens: [(Slot::default(), serde_json::from_str(&token).unwrap())].into(),
            renewing_since: Some(NOW),
            ..Record::default()
        };
        guard.save().expect("room");
        guard
    }

    /// Where requests went.
    fn asked(&self) -> Vec<String> {
        self.wire.sent.take().into_iter().map(|(url, _)| url).collect()
    }

    /// What somebody hears of it.
    fn told(&self, aside: Aside) -> Vec<String> {
        self.broker().do_first(&mut Hands::default(), aside);
        self.human.heard.take()
    }
}

fn code() -> Pending {
    let text = format!(
        r#"{{"device_code":"dc","user_code":"ABCD","verification_uri":"https://a.dev","started_at":{NOW},
            "expires_at":{},"interval":5,"next_poll_at":{NOW}}}"#,
        NOW + 90
    );
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_code_is_shown_and_opens_a_browser_for_the_one_that_got_it() {
    let place = Place::answering(200, String::new());
    let profile = place.config.profiles[0].preset.title;
    for (role, opens) in [(Role::Starting, true), (Role::TakingOver, false), (Role::Waiting, false)] {
        let line =
            format!("git needs to sign in to git.a.dev (profile a at {profile}): ABCD for 90 s, a browser: {opens}");
        assert_eq!(place.told(Aside::Show(Box::new(code()), role)), [line]);
    }
    assert_eq!(place.told(Aside::Remaining { expires_at: NOW + 90 }), ["90 s left"]);
    assert_eq!(place.told(Aside::Say("a line".to_owned())), ["stderr: a line"]);
}

#[test]
fn whoever_signed_in_is_told_as_whom_and_for_how_long_where_nothing_renews_it() {
    let place = Place::answering(200, String::new());
    for (refresh_token, left, line) in [
        (None, 300, "signed in to a as ann@a.dev for 5 minutes"),
        (Some("rt"), 300, "signed in to a as ann@a.dev"),
        (None, 1, "signed in to a as ann@a.dev for 1 second"),
        (None, 0, "signed in to a as ann@a.dev"),
        (None, -1, "signed in to a as ann@a.dev"),
    ] {
        let token = format!(r#"{{"access_token":"at","received_at":{},"expires_at":{}}}"#, NOW - 10, NOW + left);
        let record = Record {
            refresh_token: refresh_token.map(Secret::new),
            tokens: [(Slot::default(), serde_json::from_str(&token).unwrap())].into(),
            email: Some("ann@a.dev".to_owned()),
            ..Record::default()
        };
        let signed_in = |user_code: Option<&str>| Aside::SignedIn {
            user_code: user_code.map(str::to_owned),
            record: Box::new(record.clone()),
        };
        assert_eq!(place.told(signed_in(Some("ABCD"))), [line]);
        assert!(place.told(signed_in(None)).is_empty(), "nobody was shown a code");
    }
}

#[test]
fn a_code_is_asked_for_with_a_challenge_where_the_server_knows_them() {
    let body = r#"{"device_code":"dc","user_code":"ABCD","verification_uri":"https://a.dev"}"#;
    let mut place = Place::answering(200, body.to_owned());
    for knows in [true, false] {
        place.endpoints.code_challenge_s256 = knows;
        let pending = place.broker().ask_for_code(&Slot::default(), &[]).expect("a code");
        assert_eq!(pending.code_verifier.is_some(), knows, "kept for the polls");
        let [(url, form)] = &place.wire.sent.take()[..] else { panic!("one request") };
        assert_eq!((url.as_str(), form.contains(&"code_challenge".to_owned())), ("https://a.dev/d", knows));
    }
}

/// Of a session that is not kept it is told whether it lives on, and why.
#[test]
fn a_session_that_is_not_kept_is_ended_at_the_provider() {
    for (status, is_over) in [(200, true), (503, false)] {
        let place = Place::answering(status, String::new());
        let broker = place.broker();
        let mut session = Record { refresh_token: Some(Secret::new("rt")), ..Record::default() };
        session.belongs_to(broker.setting.profile, &place.endpoints.token);
        let got = broker.perform(&mut Hands::default(), Effect::SignOut(Box::new(session))).expect("an answer");
        match got {
            Got::SignedOut(None) => assert!(is_over),
            Got::SignedOut(Some(why)) => assert!(!is_over && why.contains("503"), "{why}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(place.asked(), ["https://a.dev/r"]);
    }
}

/// Nothing of what it began is kept, and what the server quotes of what is kept is not shown.
#[test]
fn a_client_is_tried_by_beginning_a_sign_in_that_nobody_is_shown() {
    let quoting = r#"{"error":"invalid_client","error_description":"not with rt_secret"}"#;
    for (status, body, is_well) in [
        (200, r#"{"device_code":"dc","user_code":"ABCD","verification_uri":"https://a.dev"}"#, true),
        (400, quoting, false),
    ] {
        let place = Place::answering(status, body.to_owned());
        drop(place.keep());
        let before = place.store.peek(&place.id).expect("a record");
        match place.broker().check() {
            Ok(()) => assert!(is_well),
            Err(NoCode::Refused(error)) => assert!(!is_well && !error.words().contains("rt_secret"), "{error:?}"),
            Err(other) => panic!("{other:?}"),
        }
        assert_eq!(place.asked(), ["https://a.dev/d"]);
        assert!(place.human.heard.take().is_empty());
        assert_eq!(place.store.peek(&place.id).expect("a record"), before);
    }
}

/// The one it was left to sends the refresh token, whatever is written down for those who are not to wait for it.
#[cfg(unix)]
#[test]
fn a_renewal_is_carried_out_with_the_lock_it_was_left() {
    let place = Place::answering(200, r#"{"access_token":"new","expires_in":300}"#.to_owned());
    let mut guard = place.keep();
    let lock = guard.share_lock().expect("it can be shared");
    let busy = place.broker().perform(&mut Hands::default(), Effect::TryLock).expect("an answer");
    assert_eq!(busy, Got::Busy, "no other than what is left is to be had");
    place.broker().renew(Ask::default(), lock);
    drop(guard);
    assert_eq!(place.asked(), ["https://a.dev/t"]);
    let kept = place.store.peek(&place.id).expect("a record").expect("a record");
    assert_eq!(kept.tokens[&Slot::default()].access_token.expose(), "new");
}

#[test]
fn a_record_that_was_looked_at_already_is_not_read_again() {
    let place = Place::answering(200, String::new());
    drop(place.keep());
    let Found::Record(looked) = place.store.read(&place.id).expect("a record") else { panic!("it is there") };
    let mut hands = Hands::looked(Some(*looked));
    let path = place.store.folder().join(format!("{}.json", place.id));
    std::fs::remove_file(path).expect("it was there");
    for is_there in [true, false] {
        let got = place.broker().perform(&mut hands, Effect::Peek).expect("an answer");
        assert_eq!(matches!(got, Got::Record(Some(_))), is_there, "{got:?}");
    }
}

#[test]
fn waiting_counts_the_seconds_of_a_code_and_grows_for_a_lock() {
    let place = Place::answering(200, String::new());
    let (broker, mut hands) = (place.broker(), Hands::default());
    let slept = broker.perform(&mut hands, Effect::Sleep { seconds: 2, expires_at: NOW + 90 }).expect("an answer");
    assert_eq!(slept, Got::Waited(Duration::from_secs(2)));
    assert_eq!(place.human.heard.take(), ["90 s left", "90 s left"]);
    assert_eq!(place.clock.slept.take(), [Duration::from_secs(1); 2]);
    for _ in 0..100 {
        broker.perform(&mut hands, Effect::Pause).expect("an answer");
    }
    let slept = place.clock.slept.take();
    assert!(slept[0] < Duration::from_millis(20), "the first is short");
    assert!(slept.iter().any(|pause| *pause > Duration::from_millis(40)), "each is by chance, but not a hundred");
}

#[test]
fn whoever_is_gone_is_waited_for_no_more() {
    let place = Place::answering(200, String::new());
    for effect in [Effect::Pause, Effect::Sleep { seconds: 2, expires_at: NOW + 90 }] {
        for is_gone in [false, true] {
            place.human.is_gone.set(is_gone);
            let got = place.broker().perform(&mut Hands::default(), effect.clone());
            assert_eq!(got.is_err(), is_gone, "{effect:?}");
            assert_eq!(place.clock.slept.take().is_empty(), is_gone, "{effect:?}");
        }
    }
}
