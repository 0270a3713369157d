//! The device authorization grant (RFC 8628) as a state machine with no I/O: what is sent, when, and what an answer
//! does to the pending login. The broker carries it out; the record keeps it, so that any process can go on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::answer::{self, Answer, ServerError, TokenAnswer};
use super::message::{Form, Response};
use super::pkce;
use crate::clock::Timestamp;
use crate::error::Waiting;
use crate::escape::escape;
use crate::model::provider::Stage;
use crate::model::{Location, ParentId, Profile, Slot};
use crate::secret::Secret;

/// RFC 8628 section 3.4.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628 section 3.2: without `interval`, 5 seconds.
const DEFAULT_INTERVAL: u64 = 5;
/// RFC 8628 section 3.5: `slow_down` adds 5 seconds, for good.
const SLOW_DOWN: u64 = 5;
/// Seconds beyond two intervals after which whoever should have polled is stepped over.
pub(crate) const ABANDONED_SECS: i64 = 10;
/// However slow a server wants it, and however long it cannot be reached, a person who approved waits no longer.
const LONGEST_INTERVAL: u64 = 60;
/// A code that names no life (it must, but some do not) lives this long.
const DEFAULT_LIFE: i64 = 300;
/// What a person is to compare, in bytes.
const LONGEST_CODE: usize = 64;
/// Anything else an honest answer holds, in bytes.
const LONGEST_TEXT: usize = 8_192;
/// The overall deadline, whatever the server says.
const LONGEST_LIFE: i64 = 1_800;

/// A login somebody started and nobody has finished: at most one a session.
#[expect(clippy::struct_excessive_bools, reason = "each of its own meaning")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub(crate) struct Pending {
    /// Shown to nobody.
    pub(crate) device_code: Secret,
    /// What the person compares, exactly as the server wrote it.
    pub(crate) user_code: String,
    pub(crate) verification_uri: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) verification_uri_complete: Option<String>,
    pub(crate) started_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Seconds between polls.
    pub(crate) interval: u64,
    /// Nobody polls before; moved forward before each poll, so that a crash cannot make two polls of one.
    pub(crate) next_poll_at: Timestamp,
    /// Polls in a row without an answer.
    #[serde(default)]
    pub(crate) misses: u32,
    /// A poll was sent, and whoever sent it has not written down its answer.
    #[serde(default)]
    pub(crate) unanswered: bool,
    /// An earlier poll stayed without an answer, which may have been the tokens: a code works once.
    #[serde(default)]
    pub(crate) in_doubt: bool,
    /// The slot that the answer's token is for.
    #[serde(default)]
    pub(crate) slot: Slot,
    /// The scopes asked for, which is what a refresh without a scope will mean.
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    /// RFC 8707 and Auth0: named again at each poll.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) audience: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    /// All that were named when it began; none in one of an earlier keyfob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resources: Option<Vec<String>>,
    /// What proves that the code is ours, where the server wants that (RFC 7636).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code_verifier: Option<Secret>,
    /// Whoever approves it may be another person than before (`keyfob login --select-account`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) selects_account: bool,
    /// Nobody waits for it (`keyfob login --start`): whoever comes next redeems the approval.
    #[serde(default)]
    pub(crate) in_advance: bool,
    /// The process that was told of it and refused: asked again by the very same, which repeats what has failed, there is nothing new to
    /// tell for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) told_to: Option<ParentId>,
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

impl Pending {
    /// What a person is shown of it.
    pub(crate) fn waiting(&self) -> Waiting {
        let Self { user_code, verification_uri, verification_uri_complete, expires_at, interval, .. } = self;
        Waiting {
            user_code: user_code.clone(),
            verification_uri: verification_uri.clone(),
            verification_uri_complete: verification_uri_complete.clone(),
            expires_at: *expires_at,
            interval: *interval,
        }
    }
}

/// What a poll's answer does.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Not yet: poll again when the pending login says.
    Wait(Box<Pending>),
    Granted(Box<TokenAnswer>),
    /// The person said no, or the server for them; what it says of it.
    Denied(String),
    /// The code's time is over; what the server says of it.
    Expired(String),
    /// The code is used up, and whoever got its tokens was interrupted before it could keep them.
    Lost,
    /// Any other error ends it (RFC 8628 section 3.5); its code and the server's words.
    Refused {
        code: String,
        words: String,
    },
}

/// The form that asks for a code: the scopes of every destination, so that one approval serves them all.
pub(crate) fn start_form(
    profile: &Profile,
    asked: &Slot,
    resources: &[String],
    code_verifier: Option<&Secret>,
) -> Form {
    let mut form = Form::new(&profile.extra);
    form.push("client_id", &profile.client_id);
    let Slot { organization, audience, resource: _, scopes, foreign: _ } = asked;
    form.push_some("scope", Some(&scopes.join(" ")));
    if let Some(name) = profile.preset.organization_parameter(Stage::SignIn) {
        form.push_some(name, organization.as_deref());
    }
    form.push_some("audience", audience.as_deref());
    // RFC 8707 section 2: what is not named here is granted to no refresh.
    form.push_each("resource", resources);
    if let Some(verifier) = code_verifier {
        form.push("code_challenge", &pkce::challenge(verifier));
        form.push("code_challenge_method", "S256");
    }
    form
}

/// Reads the device authorization answer (RFC 8628 section 3.2) received at `now`.
pub(crate) fn begin(response: &Response, asked: &Slot, now: Timestamp) -> Result<Pending, ServerError> {
    let unusable = |what: &str| ServerError {
        code: String::new(),
        description: what.to_owned(),
        status: response.status,
        is_silent: false,
        is_foreign: false,
        interval: None,
    };
    let body = answer::fields(&response.body).ok_or_else(|| ServerError {
        is_foreign: !matches!(response.status, 404 | 405 | 410 | 500..),
        ..unusable("the answer is not an object")
    })?;
    let text = |name: &str| answer::text(&body, name).filter(|value| !value.is_empty());
    let Some(device_code) = text("device_code") else {
        return Err(answer::error(&body, response.status).unwrap_or_else(|| unusable("the answer has no device_code")));
    };
    let user_code = text("user_code").ok_or_else(|| unusable("the answer has no user_code"))?;
    if user_code.len() > LONGEST_CODE || device_code.len() > LONGEST_TEXT {
        return Err(unusable("its codes are longer than any code"));
    }
    // Google says verification_url.
    let uri = text("verification_uri").or_else(|| text("verification_url"));
    let uri = uri.ok_or_else(|| unusable("the answer has no verification_uri"))?;
    if !is_web_page(uri) {
        return Err(unusable(&format!("its verification_uri \"{}\" is not an https:// page", escape(uri))));
    }
    let complete = text("verification_uri_complete").or_else(|| text("verification_url_complete"));
    let life = answer::number(&body, "expires_in").filter(|life| *life > 0).unwrap_or(DEFAULT_LIFE).min(LONGEST_LIFE);
    let interval = answer::number(&body, "interval").and_then(|seconds| u64::try_from(seconds).ok());
    let interval = interval.filter(|seconds| *seconds > 0).unwrap_or(DEFAULT_INTERVAL).min(LONGEST_INTERVAL);
    Ok(Pending {
        device_code: Secret::new(device_code),
        user_code: user_code.to_owned(),
        verification_uri: uri.to_owned(),
        // Offered only where it is a page as well; the short address always works.
        verification_uri_complete: complete.filter(|uri| is_web_page(uri)).map(str::to_owned),
        started_at: now,
        expires_at: now + life,
        interval,
        next_poll_at: due(now, interval),
        misses: 0,
        unanswered: false,
        in_doubt: false,
        slot: asked.clone(),
        scopes: asked.scopes.clone(),
        audience: asked.audience.clone(),
        resource: asked.resource.clone(),
        resources: None,
        code_verifier: None,
        selects_account: false,
        in_advance: false,
        told_to: None,
        unknown: Map::new(),
    })
}

/// A page a browser may be sent to: https, or http on this machine; visible ASCII, as RFC 3986 has it.
fn is_web_page(uri: &str) -> bool {
    let base = uri.split(['?', '#']).next().unwrap_or_default();
    uri.len() <= LONGEST_TEXT
        && base.contains("://")
        && uri.bytes().all(|byte| byte.is_ascii_graphic())
        && Location::parse(base).is_ok()
}

/// One second more than the interval: `now` has whole seconds, and a virtual machine's clock may run fast, which a
/// strict server would answer with `slow_down` after `slow_down`.
fn due(now: Timestamp, interval: u64) -> Timestamp {
    now.saturating_add_unsigned(interval + 1)
}

impl Pending {
    /// Whether its interval and its count of misses are such as this program writes.
    pub(crate) fn is_bounded(&self) -> bool {
        self.interval <= LONGEST_INTERVAL && self.misses < u32::MAX / 2
    }

    /// Whether a person can still approve it. A clock that was set back does not bring a code to life again.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at && now > self.started_at - LONGEST_LIFE
    }

    /// Seconds until the next poll. A wait longer than any we ever set comes of a clock that was set back: then a poll is
    /// due, and the interval is kept by whoever polls.
    pub(crate) fn wait(&self, now: Timestamp) -> u64 {
        u64::try_from(self.due_at() - now).ok().filter(|wait| *wait <= LONGEST_INTERVAL + 1).unwrap_or(0)
    }

    /// When the next poll is due. The last one is made just before the end rather than at it: somebody may approve at the last
    /// moment, and the second that is added to the interval elsewhere ([`due`]) is what can be spared for that.
    pub(crate) fn due_at(&self) -> Timestamp {
        let is_last = self.next_poll_at >= self.expires_at;
        if is_last { (self.next_poll_at - 1).max(self.expires_at - 1) } else { self.next_poll_at }
    }

    /// Whether whoever polls for it does nothing: nobody has for two intervals and a little, though a poll was due.
    pub(crate) fn is_abandoned(&self, now: Timestamp) -> bool {
        let allowed = i64::try_from(2 * self.interval).unwrap_or(i64::MAX) + ABANDONED_SECS;
        now - self.next_poll_at > allowed
    }

    /// The same login with its next poll moved on: written before a poll is sent.
    pub(crate) fn polled(mut self, now: Timestamp) -> Self {
        self.next_poll_at = due(now, self.pause());
        self.in_doubt |= self.unanswered;
        self.unanswered = true;
        self
    }

    /// Exponential backoff while the server does not answer (RFC 8628 section 3.5).
    fn pause(&self) -> u64 {
        self.interval.saturating_mul(1 << self.misses.min(6)).min(LONGEST_INTERVAL)
    }

    /// The form of a poll (RFC 8628 section 3.4).
    pub(crate) fn form(&self, profile: &Profile) -> Form {
        let mut form = Form::new(&profile.extra);
        form.push("grant_type", GRANT_TYPE);
        form.push("device_code", self.device_code.expose());
        form.push("client_id", &profile.client_id);
        form.push_some("audience", self.audience.as_deref());
        form.push_some("resource", self.resource.as_deref());
        form.push_some("code_verifier", self.code_verifier.as_ref().map(Secret::expose));
        form.hide([&Secret::new(&self.user_code)]);
        form
    }

    /// What a poll's answer, received at `now`, makes of this login.
    pub(crate) fn after(mut self, answer: Answer, now: Timestamp) -> Step {
        let is_answered = match &answer {
            Answer::Transient { .. } | Answer::Unreachable(_) => false,
            Answer::Error(error) => !error.is_foreign,
            Answer::Granted(_) | Answer::Unusable(_) => true,
        };
        self.unanswered = self.unanswered && !is_answered;
        match answer {
            Answer::Granted(tokens) => Step::Granted(tokens),
            Answer::Unusable(words) => Step::Refused { code: String::new(), words },
            // A certificate that is not trusted today may be tomorrow, and the code lives: poll on.
            Answer::Unreachable(_) => self.missed(None, now),
            Answer::Transient { why: _, retry_after } => self.missed(retry_after, now),
            // A portal or a proxy answered in the provider's place: the code lives. That there is no such page ends it.
            Answer::Error(ServerError { is_foreign: true, status, .. }) if !matches!(status, 404 | 405 | 410) => {
                self.missed(None, now)
            }
            Answer::Error(error) => match error.code.as_str() {
                "authorization_pending" => self.wait_again(now),
                "slow_down" => {
                    self.interval = (self.interval + SLOW_DOWN).max(error.interval.unwrap_or(0)).min(LONGEST_INTERVAL);
                    self.wait_again(now)
                }
                "access_denied" => Step::Denied(error.description),
                "expired_token" => Step::Expired(error.description),
                // A server that has swept the code away no longer knows that it expired.
                _ if now >= self.expires_at => Step::Expired(String::new()),
                "invalid_grant" if self.in_doubt => Step::Lost,
                _ => Step::Refused { words: error.words(), code: error.code },
            },
        }
    }

    /// A poll without an answer.
    fn missed(mut self, retry_after: Option<u64>, now: Timestamp) -> Step {
        self.misses += 1;
        let wait = self.pause().max(retry_after.unwrap_or(0).min(LONGEST_INTERVAL));
        self.next_poll_at = due(now, wait);
        self.or_expired(now)
    }

    fn wait_again(mut self, now: Timestamp) -> Step {
        self.misses = 0;
        self.next_poll_at = due(now, self.interval);
        self.or_expired(now)
    }

    fn or_expired(self, now: Timestamp) -> Step {
        if self.is_live(now) { Step::Wait(Box::new(self)) } else { Step::Expired(String::new()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = 1_000;

    fn response(status: u16, body: &str) -> Response {
        Response { status, date: None, retry_after: None, challenges: Vec::new(), body: body.as_bytes().to_vec() }
    }

    fn start(more: &str) -> Result<Pending, ServerError> {
        let body = format!(
            r#"{{"device_code":"dc","user_code":"ABCD-EFGH","verification_uri":"https://acme.authkit.app/device"{more}}}"#
        );
        begin(&response(200, &body), &Slot::default(), NOW)
    }

    fn after(pending: Pending, status: u16, body: &str, now: Timestamp) -> Step {
        pending.after(answer::read(&response(status, body), now, 300), now)
    }

    fn waiting(step: Step) -> Pending {
        match step {
            Step::Wait(pending) => *pending,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn intervals_and_lives() {
        for (more, interval, life) in [
            ("", 5, 300),
            (r#","interval":0,"expires_in":0"#, 5, 300),
            (r#","interval":1,"expires_in":600"#, 1, 600),
            (r#","interval":"7","expires_in":"900""#, 7, 900),
            (r#","interval":5.0,"expires_in":300.0"#, 5, 300),
            (r#","interval":9999999,"expires_in":99999999"#, 60, 1_800),
            (r#","interval":-1,"expires_in":-1"#, 5, 300),
        ] {
            let pending = start(more).unwrap();
            assert_eq!((pending.interval, pending.expires_at - NOW), (interval, life), "{more}");
            assert!(pending.wait(NOW) >= interval, "the first poll waits one interval");
        }
    }

    #[test]
    fn only_pages_are_shown() {
        for uri in [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "http://evil.dev/",
            "https://a.dev/\\u001b[2J",
            "https://a b/",
        ] {
            let body = format!(r#"{{"device_code":"d","user_code":"u","verification_uri":"{uri}"}}"#);
            assert!(begin(&response(200, &body), &Slot::default(), NOW).is_err(), "{uri}");
        }
        let pending = start(r#","verification_uri_complete":"javascript:alert(1)""#).unwrap();
        assert_eq!(pending.verification_uri_complete, None);
        let pending =
            start(r#","verification_uri_complete":"https://acme.authkit.app/device?user_code=ABCD-EFGH""#).unwrap();
        assert!(pending.verification_uri_complete.is_some());
        let google = r#"{"device_code":"d","user_code":"u","verification_url":"https://www.google.com/device"}"#;
        assert_eq!(
            begin(&response(200, google), &Slot::default(), NOW).unwrap().verification_uri,
            "https://www.google.com/device"
        );
    }

    #[test]
    fn a_refused_start_says_why() {
        let refused = begin(
            &response(
                403,
                r#"{"error":"access_denied","error_description":"Device authorization grant is not enabled"}"#,
            ),
            &Slot::default(),
            NOW,
        );
        assert_eq!(refused.unwrap_err().words(), "access_denied: Device authorization grant is not enabled");
        assert_eq!(begin(&response(500, "oops"), &Slot::default(), NOW).unwrap_err().status, 500);
    }

    #[test]
    fn slow_down_adds_five_seconds_for_good() {
        let pending = start(r#","interval":5"#).unwrap();
        let pending = waiting(after(pending, 400, r#"{"error":"slow_down"}"#, 1_006));
        assert_eq!((pending.interval, pending.wait(1_006)), (10, 11));
        let pending = waiting(after(pending, 400, r#"{"error":"authorization_pending"}"#, 1_017));
        assert_eq!((pending.interval, pending.wait(1_017)), (10, 11));
        let pending = waiting(after(pending, 200, r#"{"error":"slow_down","interval":20}"#, 1_028));
        assert_eq!(pending.interval, 20);
    }

    #[test]
    fn the_last_poll_is_just_before_the_end() {
        let pending = start(r#","interval":5,"expires_in":12"#).unwrap().polled(NOW + 6);
        assert_eq!((pending.next_poll_at, pending.due_at()), (NOW + 12, NOW + 11));
        assert_eq!(pending.clone().polled(NOW + 11).due_at(), NOW + 16, "then at its time, which is after the end");
        assert_eq!(start(r#","interval":5,"expires_in":90"#).unwrap().due_at(), NOW + 6);
    }

    #[test]
    fn silence_backs_off_and_an_answer_forgives() {
        let mut pending = start(r#","interval":5,"expires_in":1800"#).unwrap();
        let mut waits = Vec::new();
        for _ in 0..5 {
            pending = waiting(pending.after(Answer::Transient { why: String::new(), retry_after: None }, NOW));
            waits.push(pending.next_poll_at - NOW);
        }
        assert_eq!(waits, [11, 21, 41, 61, 61]);
        let pending = waiting(after(pending, 400, r#"{"error":"authorization_pending"}"#, NOW));
        assert_eq!(pending.next_poll_at - NOW, 6);
    }

    #[test]
    fn how_it_ends() {
        let pending = || start(r#","interval":1,"expires_in":10"#).unwrap();
        assert!(matches!(after(pending(), 200, r#"{"access_token":"at"}"#, NOW), Step::Granted(_)));
        assert_eq!(after(pending(), 400, r#"{"error":"access_denied"}"#, NOW), Step::Denied(String::new()));
        assert_eq!(after(pending(), 400, r#"{"error":"expired_token"}"#, NOW), Step::Expired(String::new()));
        assert_eq!(
            after(pending(), 400, r#"{"error":"authorization_pending"}"#, NOW + 10),
            Step::Expired(String::new())
        );
        assert_eq!(after(pending(), 400, r#"{"error":"invalid_grant"}"#, NOW + 11), Step::Expired(String::new()));
        assert_eq!(
            after(pending(), 400, r#"{"code":"mfa_enrollment","message":"Enroll"}"#, NOW),
            Step::Refused { code: "mfa_enrollment".to_owned(), words: "mfa_enrollment: Enroll".to_owned() }
        );
    }

    #[test]
    fn a_code_that_a_killed_process_used_up_is_lost_and_not_refused() {
        let killed = start("").unwrap().polled(NOW);
        assert!(killed.unanswered);
        let next = killed.clone().polled(NOW + 6);
        assert_eq!(after(next, 400, r#"{"error":"invalid_grant"}"#, NOW), Step::Lost);
        let answered = waiting(after(killed, 400, r#"{"error":"authorization_pending"}"#, NOW)).polled(NOW);
        assert!(matches!(after(answered, 400, r#"{"error":"invalid_grant"}"#, NOW), Step::Refused { .. }));
    }

    #[test]
    fn a_clock_that_jumps_neither_hangs_nor_revives() {
        let pending = start(r#","interval":5"#).unwrap();
        assert_eq!(pending.wait(NOW - 100_000), 0);
        assert!(!pending.is_live(NOW - 100_000));
        assert_eq!(pending.wait(NOW + 100_000), 0);
        assert!(!pending.is_live(NOW + 300));
    }
}
