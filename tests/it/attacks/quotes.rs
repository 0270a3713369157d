//! Servers that quote every secret they ever saw, in every spelling: none of it is seen anywhere, whatever command runs into it.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::*;

/// So much of a secret in a row tells something.
const TELLING: usize = 16;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}

/// The spellings a server may quote a secret in.
fn spellings(secret: &str) -> Vec<String> {
    let middle = secret.get(3..3 + TELLING).unwrap_or(secret);
    vec![
        secret.to_owned(),
        secret.to_uppercase(),
        percent(secret.as_bytes()),
        STANDARD.encode(secret),
        STANDARD.encode(format!("oauth2:{secret}")),
        URL_SAFE_NO_PAD.encode(format!("{secret}:")),
        hex(secret.as_bytes()),
        middle.to_owned(),
    ]
}

/// Every part of a text that would tell something of a secret, however it is spelt.
fn leaks(shown: &str, secret: &str) -> Option<String> {
    Windows::of(shown).leaks(secret)
}

/// A text's parts of each length that is looked for, in small letters.
struct Windows(HashMap<usize, HashSet<Vec<u8>>>, String);

impl Windows {
    fn of(shown: &str) -> Self {
        Self(HashMap::new(), shown.to_lowercase())
    }

    fn has(&mut self, part: &str) -> bool {
        let Self(known, text) = self;
        let windows = known
            .entry(part.len())
            .or_insert_with(|| text.as_bytes().windows(part.len()).map(<[u8]>::to_vec).collect());
        windows.contains(part.as_bytes())
    }

    fn leaks(&mut self, secret: &str) -> Option<String> {
        for (n, spelt) in spellings(secret).into_iter().enumerate() {
            // Of an encoding of more than the secret the first and last groups are not its own.
            let spelt = if n == 4 { spelt[12..].to_owned() } else { spelt };
            let spelt = spelt.trim_end_matches('=').to_lowercase();
            let spelt = if n == 5 { &spelt[..spelt.len() - 3] } else { &spelt[..] };
            let length = spelt.len().min(if n == 2 || n == 6 { 3 * TELLING } else { TELLING });
            for at in 0..=spelt.len() - length {
                if let Some(part) = spelt.get(at..at + length).filter(|part| self.has(part)) {
                    return Some(part.to_owned());
                }
            }
        }
        None
    }
}

#[test]
fn the_scan_sees_what_it_is_to_see() {
    let secret = "rt_0123456789abcdefghijkl";
    for spelt in spellings(secret) {
        assert!(leaks(&format!("x {spelt} y"), secret).is_some(), "{spelt}");
    }
    assert_eq!(leaks("rt_ and nothing else, (redacted)", secret), None);
}

/// The calls: what is asked on stdin, and whether stdout has a token where all is well.
fn calls(sent: &str, spelt: &str) -> Vec<(&'static [&'static str], String, bool)> {
    let challenge = format!("Bearer error=\"invalid_token\", error_description=\"the token {spelt} is not known\"");
    let refused = format!(
        "capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=git.acme.dev\nusername=oauth2\npassword={sent}\n\
         wwwauth[]={challenge}\n\n"
    );
    vec![
        (&["git", "get"], ask("git.acme.dev"), true),
        (
            &["git", "get"],
            format!("capability[]=state\nprotocol=https\nhost=git.acme.dev\nwwwauth[]={challenge}\n\n"),
            true,
        ),
        (&["git", "erase"], refused.clone(), false),
        (&["git", "get"], crate::support::sandbox::ask_with_state("git.acme.dev"), true),
        (&["docker", "get"], "git.acme.dev".to_owned(), true),
        (&["helper", "bazel", "get"], "{\"uri\":\"https://git.acme.dev/x\"}".to_owned(), true),
        (&["token", "acme"], String::new(), true),
        (&["token", "acme", "--header"], String::new(), true),
        (&["login", "--start"], String::new(), false),
        (&["login", "--start", "--json"], String::new(), false),
        (&["status"], String::new(), false),
        (&["status", "--json"], String::new(), false),
        (&["doctor"], String::new(), false),
        (&["doctor", "--json"], String::new(), false),
        (&["git", "get", "--verbose"], ask("git.acme.dev"), true),
        (&["docker", "list"], String::new(), false),
        (&["logout", "acme"], String::new(), false),
    ]
}

#[test]
fn whoever_quotes_a_secret_in_whatever_spelling_it_is_seen_nowhere() {
    let provider = approving();
    let mut made = 0;
    for n in 0..spellings("0123456789abcdef0123").len() {
        let sandbox = signed_in(&provider);
        let record: Value = serde_json::from_slice(&fs::read(sandbox.record()).unwrap()).unwrap();
        let sent = record["tokens"][""]["access_token"].as_str().unwrap().to_owned();
        // The one it is sent, the one that was renewed away, and all others.
        sandbox.expire();
        assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.starts_with("username="));
        let kept = |member: &str| record[member].as_str().unwrap_or_default().to_owned();
        let quoted: Vec<String> = provider.secrets().iter().map(|secret| spellings(secret)[n].clone()).collect();
        let spelt = spellings(&sent)[n].clone();
        for (args, stdin, has_token) in calls(&sent, &spelt) {
            for code in ["invalid_request", "server_error"] {
                // Those that matter first: words are cut.
                let now: Value = sandbox
                    .files(".json")
                    .first()
                    .map(|record| serde_json::from_slice(&fs::read(record).unwrap()).unwrap())
                    .unwrap_or_default();
                let mut words: Vec<String> =
                    [now["refresh_token"].as_str(), now["tokens"][""]["access_token"].as_str()]
                        .into_iter()
                        .flatten()
                        .map(|secret| spellings(secret)[n].clone())
                        .collect();
                words.extend(quoted.iter().rev().cloned());
                let body = json!({ "error": code, "error_description": words.join(" "), "access_token": null });
                for endpoint in [Endpoint::Start, Endpoint::Poll, Endpoint::Refresh, Endpoint::SignOut] {
                    provider.instead(endpoint, Reply::json(400, body.to_string()));
                }
                if code == "invalid_request" && !sandbox.files(".json").is_empty() && args[0] != "status" {
                    sandbox.expire();
                }
                let done = sandbox.run(args, &stdin);
                made += 1;
                let shown = if has_token && done.code == Some(0) && !done.stdout.contains("quit") {
                    done.stderr.clone()
                } else {
                    format!("{}{}", done.stdout, done.stderr)
                };
                let known = [sent.clone(), kept("refresh_token")];
                let mut windows = Windows::of(&shown);
                for secret in provider.secrets().into_iter().chain(known).filter(|secret| secret.len() >= TELLING) {
                    if let Some(part) = windows.leaks(&secret) {
                        panic!("{args:?} shows {part} of {secret}, quoted as {spelt}:\n{shown}");
                    }
                }
                if !sandbox.files(".json").is_empty() {
                    let kept = fs::read_to_string(sandbox.record()).unwrap();
                    let kept: Value = serde_json::from_str(&kept).unwrap();
                    let failure = kept["failure"].to_string();
                    let mut windows = Windows::of(&failure);
                    for secret in provider.secrets().iter().filter(|secret| secret.len() >= TELLING) {
                        assert_eq!(windows.leaks(secret), None, "{args:?}: {failure}");
                    }
                }
                provider.forget_script();
            }
        }
    }
    assert!(made >= 120, "{made} calls");
}
