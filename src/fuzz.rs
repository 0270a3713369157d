//! What must hold for every input from outside, one function for each kind of input. `cargo fuzz` feeds them bytes for as
//! long as one likes (the folder fuzz), `cargo test` a few thousand that proptest makes up: the same functions, so that
//! what the fuzzer holds to and what the tests hold to cannot part. Not in any program that is shipped.

use std::path::Path;

use serde_json::Value;

use crate::clients::docker::wire as docker;
use crate::clients::git::wire as git;
use crate::clients::kubectl::wire as kubectl;
use crate::clock::Timestamp;
use crate::config::{file, matching};
use crate::decision::{self, Attempt, Decision};
use crate::desk::Credential;
use crate::escape;
use crate::mend::shell;
use crate::model::location::Scheme;
use crate::model::{Ask, Auth, Location, Server, Slot, TokenKind, Want};
use crate::oauth::answer::{self, Answer};
use crate::oauth::device::{self, Pending, Step};
use crate::oauth::message::Response;
use crate::oauth::refresh::{self, Outcome};
use crate::secret::{Secret, SecretBytes};
use crate::store::Record;

const NOW: Timestamp = 1_800_000_000;
/// RFC 8628's 5 seconds and a slow server's wish are within it; a person waits no longer.
const LONGEST_INTERVAL: u64 = 60;

/// git's side of the credential protocol: the decoder sees no host that a reader by git's rules would not see, what is
/// quoted is fit to be shown, and what is written back reads back.
pub fn git(input: &[u8]) {
    let Ok(asked) = git::decode(input) else { return };
    let lines = input.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let hosts: Vec<&[u8]> =
        lines.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix(b"host=")).collect();
    assert!(hosts.len() <= 1, "one host a request");
    assert_eq!(asked.host.as_deref(), hosts.first().copied());
    if let Some(location) = asked.location() {
        holds_together(&location);
    }
    if let Some(challenge) = asked.challenge() {
        assert_shown(&challenge);
    }
    let name = asked.username().unwrap_or("oauth2").to_owned();
    let credential = Credential { username: name, secret: Secret::new("at"), expires_at: Some(NOW) };
    for auth in [Auth::Basic, Auth::Bearer] {
        let Ok(answer) = git::encode(&credential, auth, &asked) else { continue };
        let Ok(read) = git::decode(&answer) else { panic!("what is written is read") };
        assert!(read.host.is_none() && read.protocol.is_none() && read.path.is_none(), "git would take them over");
        let secret = read.password.or(read.credential);
        assert_eq!(secret, Some(SecretBytes::new("at")));
    }
    if let Ok(answer) = git::encode_kept(&asked, &asked) {
        let Ok(read) = git::decode(&answer) else { panic!("what is written is read") };
        assert_eq!((&read.username, &read.password), (&asked.username, &asked.password));
        assert!(read.host.is_none() && read.protocol.is_none());
    }
}

/// What docker says: a server is one place however it is spelt, and an answer is one document with the server as it came.
pub fn docker(input: &[u8]) {
    if let Ok(server) = docker::decode_server(input) {
        holds_together(&server.location);
        assert_eq!(docker::Server::parse(&server.raw).as_ref(), Some(&server));
        let _ = (server.is_hub(), server.is_within(None), server.is_within(server.path().as_deref()));
    }
    if let Ok(docker::Login { server, username, secret }) = docker::decode_login(input) {
        let secret = String::from_utf8_lossy(secret.expose()).into_owned();
        let answer = docker::encode_login(&server, &username, &secret);
        assert_eq!(answer.matches('\n').count(), 1, "one line, whatever is in it");
        let Ok(Value::Object(answer)) = serde_json::from_str(&answer) else { panic!("an answer is an object") };
        assert_eq!(answer["ServerURL"], server.raw.as_str());
        assert_eq!((&answer["Username"], &answer["Secret"]), (&username.into(), &secret.into()));
        assert_eq!(answer.len(), 3);
    }
}

/// What Kubernetes clients put into their variable.
pub fn kubectl(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let asked = match kubectl::decode(Some(&text), kubectl::Version::V1) {
        Ok(asked) => asked,
        Err(why) => return assert_shown(&why.to_string()),
    };
    match asked.location() {
        Some(Ok(location)) => holds_together(&location),
        Some(Err(why)) => assert_shown(&why),
        None => {}
    }
    let secret = Secret::new(text.chars().take(64).collect::<String>());
    let told = secret.expose().to_owned();
    let answer = asked.encode(&Credential { username: String::new(), secret, expires_at: Some(NOW) });
    assert_eq!(answer.matches('\n').count(), 1, "one line, whatever is in it");
    let Ok(answer) = serde_json::from_str::<Value>(&answer) else { panic!("an answer is one document") };
    assert_eq!(answer["status"]["token"], told);
    assert_eq!(answer["kind"], "ExecCredential");
}

/// What a token endpoint answers, to a refresh and to a poll. The first byte chooses the status, the second the headers.
pub fn token_answer(input: &[u8]) {
    let response = response(input);
    let answer = answer::read(&response, NOW, 300);
    match &answer {
        Answer::Granted(tokens) => {
            assert!(tokens.access_token.is_token(), "what no header may carry reaches no client");
            assert!(tokens.id_token.as_ref().is_none_or(Secret::is_token));
            assert!((1..=10 * 365 * 86_400).contains(&tokens.life), "{}", tokens.life);
            assert!((1..=10 * 365 * 86_400).contains(&tokens.id_life), "{}", tokens.id_life);
            let mut record = Record::default();
            record.grant(&Slot::default(), tokens, true, NOW);
            record.sign_in(&Slot::default(), tokens, true, NOW);
            walk(&record);
        }
        Answer::Error(error) => assert_shown(&error.words()),
        Answer::Unreachable(_) => panic!("there is an answer"),
        Answer::Transient { why, .. } | Answer::Unusable(why) => assert_shown(why),
    }
    match refresh::outcome(answer.clone()) {
        Outcome::Granted(_) => assert!(matches!(answer, Answer::Granted(_))),
        Outcome::Refused(words) | Outcome::Misconfigured(words) | Outcome::NotGranted(words) => assert_shown(&words),
        Outcome::Unreachable(_) => panic!("there is an answer"),
        Outcome::Transient { why, .. } => assert_shown(&why),
        Outcome::Silent(status) | Outcome::Foreign(status) => assert_eq!(status, response.status),
    }
    let begun = Response { status: 200, date: None, retry_after: None, challenges: Vec::new(), body: DEVICE.to_vec() };
    let Ok(mut pending) = device::begin(&begun, &Slot::default(), NOW) else { panic!("an honest answer") };
    // The same answer over and over: the interval stays within bounds, and the end comes.
    for turn in 0..80 {
        match pending.polled(NOW + turn).after(answer.clone(), NOW + turn) {
            Step::Wait(next) => {
                assert!((1..=LONGEST_INTERVAL).contains(&next.interval), "{}", next.interval);
                assert!(next.wait(NOW + turn) <= LONGEST_INTERVAL + 1);
                pending = *next;
            }
            Step::Refused { code: _, words } | Step::Denied(words) | Step::Expired(words) => {
                return assert_shown(&words);
            }
            Step::Granted(_) | Step::Lost => return,
        }
    }
    assert!(matches!(pending.after(answer, NOW + 1_800), Step::Expired(_)));
}

/// What a device authorization endpoint answers.
pub fn device_answer(input: &[u8]) {
    match device::begin(&response(input), &Slot::default(), NOW) {
        Err(error) => assert_shown(&error.words()),
        Ok(pending) => {
            assert!((1..=LONGEST_INTERVAL).contains(&pending.interval), "{}", pending.interval);
            assert!((1..=1_800).contains(&(pending.expires_at - NOW)), "{}", pending.expires_at - NOW);
            for uri in pending.verification_uri_complete.iter().chain([&pending.verification_uri]) {
                let scheme = uri.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
                assert!(matches!(scheme.as_deref(), Some("https" | "http")), "{uri}");
                assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{uri:?}");
            }
            assert_shown(&escape::escape(&pending.user_code));
            let Ok(text) = serde_json::to_vec(&pending) else { panic!("it is written down") };
            let Ok(read) = serde_json::from_slice::<Pending>(&text) else { panic!("and read again") };
            assert_eq!(read, pending);
            walk(&Record { pending: Some(pending), ..Record::default() });
        }
    }
}

/// A session's record, as it may stand on a disk. What the store lets through, the policy can live with.
pub fn record(input: &[u8]) {
    let Ok(mut record) = serde_json::from_slice::<Record>(input) else { return };
    // Numbers that are none of ours may lose a digit.
    record.unknown.clear();
    record.tokens.values_mut().for_each(|token| token.unknown.clear());
    record.pending.iter_mut().for_each(|pending| pending.unknown.clear());
    let Ok(text) = serde_json::to_vec(&record) else { panic!("a record is written") };
    let Ok(read) = serde_json::from_slice::<Record>(&text) else { panic!("and read again") };
    assert_eq!(read, record);
    if record.is_computable() {
        walk(&record);
    }
}

/// A configuration file: an error that is fit to be shown and has a mend, or profiles that send nothing in the clear.
pub fn configuration(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let config = match file::parse(&text, Path::new("config.toml")) {
        Ok(config) => config,
        Err(error) => {
            error.lines().lines().for_each(assert_shown);
            return assert!(error.mend().is_some(), "{error}");
        }
    };
    for profile in &config.profiles {
        let urls: Vec<&String> = match &profile.server {
            Server::Known(endpoints) => {
                let optional = endpoints.revocation.iter().chain(&endpoints.session_logout);
                [&endpoints.device_authorization, &endpoints.token].into_iter().chain(optional).collect()
            }
            Server::Described { issuer, spelt } => {
                let spelt = [&spelt.device_authorization, &spelt.token, &spelt.revocation];
                spelt.into_iter().flatten().chain([issuer]).collect()
            }
        };
        for url in urls {
            let Ok(location) = Location::parse(url) else { panic!("{url} was checked") };
            assert!(location.scheme == Scheme::Https || location.is_loopback(), "{url}");
        }
        assert_shown(&shell(&profile.login_command()));
        for (entry, to) in profile.hosts.iter().chain(&profile.clusters) {
            let location = &entry.location;
            assert!(location.scheme == Scheme::Https || location.is_loopback(), "{location}");
            assert_shown(&entry.to_string());
            let _ = (to.slot.key(), profile.asked_slot(&to.slot));
            let _ = matching::choose(config.profiles.iter(), location, None);
        }
    }
}

const DEVICE: &[u8] =
    br#"{"device_code":"dc","user_code":"AB-CD","verification_uri":"https://a.dev","expires_in":600}"#;

/// The input as an answer: its first byte chooses the status, its second the headers, the rest is the body.
fn response(input: &[u8]) -> Response {
    const STATUSES: &[u16] = &[200, 400, 401, 403, 404, 408, 428, 429, 500, 503, 204, 302];
    let (head, body) = input.split_at(input.len().min(2));
    let byte = |index: usize| head.get(index).copied().unwrap_or_default();
    let date = (byte(1) & 1 == 1).then_some(NOW - 1_000 * Timestamp::from(byte(1)));
    let retry_after = match byte(1) >> 1 & 3 {
        0 => None,
        1 => Some(u64::MAX),
        seconds => Some(u64::from(seconds)),
    };
    Response {
        status: STATUSES[usize::from(byte(0)) % STATUSES.len()],
        date,
        retry_after,
        challenges: Vec::new(),
        body: body.to_vec(),
    }
}

/// Whatever is asked of a record, at whatever time, has an answer.
fn walk(record: &Record) {
    let named = record.tokens.iter().next();
    let fingerprint = named.map(|(_, token)| token.access_token.fingerprint());
    let slot = named.map(|(slot, _)| slot.clone()).unwrap_or_default();
    let plain = Ask { slot, ..Ask::default() };
    let asks = [
        (plain.clone(), false),
        (Ask { want: Want::SignIn, ..plain.clone() }, false),
        (Ask { refused: fingerprint.clone(), ..plain.clone() }, false),
        (Ask { suspected: fingerprint, ..plain.clone() }, true),
        (Ask { wants_left: 240, ..plain.clone() }, false),
        (Ask { kind: TokenKind::Id, ..plain }, false),
    ];
    for now in [0, NOW, 4_000_000_000] {
        let _ = decision::is_redeemable(record, now);
        for (ask, is_headless) in &asks {
            let attempt = Attempt { is_headless: *is_headless, ..Attempt::default() };
            match decision::next(record, ask, &attempt, now) {
                Decision::Serve(token) => {
                    assert!(!decision::is_refused(token, ask));
                    assert!(token.told_end(ask.kind, now).is_some_and(|end| end > now), "never a past moment");
                    assert!(token.end(ask.kind).is_some_and(|end| end - now >= ask.wants_left));
                }
                Decision::Poll(pending) => {
                    assert!(pending.is_live(now));
                    let wait = pending.wait(now);
                    assert!(wait <= LONGEST_INTERVAL + 1 && pending.interval <= LONGEST_INTERVAL, "{wait}");
                    let _ = pending.clone().polled(now).after(pending_answer(), now);
                }
                Decision::Patience(until) => assert!(until - now <= 3_600),
                Decision::TooShort(token) => assert!(token.end(ask.kind).is_some_and(|end| end > now)),
                Decision::Refresh(_) | Decision::Login | Decision::Fail(_) | Decision::RefusedAgain(_) => {}
            }
        }
    }
}

fn pending_answer() -> Answer {
    Answer::Transient { why: String::new(), retry_after: Some(u64::MAX) }
}

/// A location says of itself what reads back as itself.
fn holds_together(location: &Location) {
    assert_shown(&location.authority());
    // A path that git names apart may hold what would end it in an address.
    if !location.path.iter().any(|segment| segment.contains(['?', '#'])) {
        assert_eq!(Location::parse(&location.to_string()).as_ref(), Ok(location));
    }
}

/// One line that can move no cursor and reorder no text.
fn assert_shown(text: &str) {
    assert!(text.chars().all(|c| !escape::is_unfit(c)), "{text:?}");
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// Inputs of pieces that mean something, now and then something else between them.
    fn of(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
            1 => vec(any::<u8>(), 0..4),
            1 => "\\PC{0,6}".prop_map(String::into_bytes),
        ];
        vec(piece, 0..30).prop_map(|pieces| pieces.concat())
    }

    const GIT: &[&str] = &[
        "protocol=https\n",
        "host=",
        "a.dev",
        "\n",
        "\r",
        "\r\n",
        "\0",
        "=",
        "path=x\n",
        "username=u\n",
        "password=p\n",
        "wwwauth[]=Bearer error=\"",
        "\u{1b}[2J",
        "\"\n",
        "capability[]=authtype\n",
        "capability[]=state\n",
        "state[]=keyfob:1:",
        "authtype=Bearer\n",
        "credential=c\n",
        ":443",
        "[::1]",
        "\u{202e}",
    ];
    const JSON: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\u0000",
        "\\n",
        "\\u202e",
        "null",
        "true",
        "-1",
        "1e99",
        "9223372036854775807",
        "\"access_token\":\"t\"",
        "\"token_type\":\"bearer\"",
        "\"expires_in\":",
        "\"interval\":",
        "\"error\":\"slow_down\"",
        "\"error_description\":\"",
        "\"device_code\":\"d\"",
        "\"user_code\":\"u\"",
        "\"verification_uri\":\"https://a.dev/\"",
        "\"id_token\":\"e30.e30.x\"",
        "\"refresh_token\":\"r\"",
        "\"ServerURL\":\"a.dev\"",
        "\"Username\":\"u\"",
        "\"Secret\":\"s\"",
        "\"apiVersion\":\"client.authentication.k8s.io/v1\"",
        "\"spec\":{\"cluster\":{\"server\":\"https://a.dev\"}}",
        "https://",
        "http://",
        "a.dev/x",
        ":5000",
        "@",
        "error=x&",
        "%0a",
    ];
    /// A record that reads, with numbers nobody would write into the places of its times and counters.
    fn a_record() -> impl Strategy<Value = Vec<u8>> {
        let number = select(&["0", "-1", "1800000000", "1800000300", "9223372036854775807", "-9223372036854775808"]);
        let count = select(&["0", "5", "60", "4294967295", "18446744073709551615"]);
        (vec(number, 9), count.clone(), count, any::<bool>()).prop_map(|(at, interval, outcomes, flag)| {
            let misses = if flag { u32::MAX } else { 0 };
            format!(
                r#"{{"version":1,"refresh_token":"r","retry_at":{},"outcomes":{outcomes},"tokens":{{"":{{"access_token":"a",
                "received_at":{},"expires_at":{},"id_token":"i","id_expires_at":{},"refused":{flag},"after_refusal":true}}}},
                "pending":{{"device_code":"d","user_code":"u","verification_uri":"https://a.dev","started_at":{},
                "expires_at":{},"interval":{interval},"next_poll_at":{},"misses":{misses},"in_advance":{flag}}},
                "failure":{{"at":{},"outcome":{outcomes},"kind":"transient","text":"t"}},"signed_in_at":{}}}"#,
                at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8],
            )
            .into_bytes()
        })
    }

    const CONFIGURATION: &[&str] = &[
        "[profile.a]\n",
        "provider = \"workos\"\n",
        "provider = \"oauth\"\n",
        "client_id = \"c\"\n",
        "hosts = [\"",
        "a.dev",
        "*.",
        "\"]\n",
        "https://",
        "http://",
        "127.0.0.1",
        ":1",
        "[profile.a.at.\"a.dev\"]\n",
        "token = \"id\"\n",
        "issuer = \"",
        "\"\n",
        "\\u001b",
        "clusters = [\"https://k.dev\"]\n",
        "[store]\ngit = true\n",
        "account = \"x\"\n",
        "token_endpoint = \"https://a.dev/t\"\n",
        "device_authorization_endpoint = \"https://a.dev/d\"\n",
        "extra = { a = \"b\" }\n",
        "default = true\n",
        "\u{202e}",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn whatever_git_says(input in of(GIT)) {
            git(&input);
        }

        #[test]
        fn whatever_docker_says(input in of(JSON)) {
            docker(&input);
        }

        #[test]
        fn whatever_a_kubernetes_client_says(input in of(JSON)) {
            kubectl(&input);
        }

        #[test]
        fn whatever_a_token_endpoint_answers(input in of(JSON)) {
            token_answer(&input);
        }

        #[test]
        fn whatever_a_device_authorization_endpoint_answers(input in of(JSON)) {
            device_answer(&input);
        }

        #[test]
        fn whatever_a_record_holds(input in a_record()) {
            record(&input);
        }

        #[test]
        fn whatever_a_configuration_holds(input in of(CONFIGURATION)) {
            configuration(&input);
        }
    }
}
