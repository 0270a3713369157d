//! A real sign-in and refresh at a real WorkOS tenant, through the real binary, and a transcript of what the servers answer:
//! names of fields, types, status codes and lifetimes, never a value that could be a secret or tell who signed in. For
//! what the documents leave open.
//!
//! `KEYFOB_LIVE_CLIENT_ID=client_... cargo test --test live -- --ignored --nocapture` (AuthKit user management), with
//! `KEYFOB_LIVE_BASE_URL` for a custom auth domain, or `KEYFOB_LIVE_ISSUER=https://...authkit.app` for WorkOS Connect. It
//! shows an address and a code on stderr and waits for the approval; the session is ended when it is over.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the first surprise")]
#![allow(
    clippy::pedantic,
    clippy::print_stderr,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    reason = "tests are read"
)]

#[path = "it/support/mod.rs"]
mod support;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use support::http::{self, Reply, Request};
use support::provider::{CLIENT_ID, Manners, Provider};
use support::sandbox::Sandbox;

/// Strings that are words of a protocol.
const WORDS: &[&str] = &["token_type", "error", "code", "scope", "authentication_method", "object"];

/// A request that went through, and its answer.
#[derive(Clone)]
struct Exchange {
    request: Request,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A server on loopback that passes everything on and keeps it.
#[derive(Clone)]
struct Recorder {
    upstream: String,
    address: SocketAddr,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Recorder {
    fn start(upstream: &str) -> Self {
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let (kept, origin) = (Arc::clone(&exchanges), upstream.to_owned());
        let address = http::serve(move |request| {
            let exchange = pass_on(&origin, &request);
            kept.lock().unwrap().push(exchange.clone());
            let Exchange { request: _, status, headers, body } = exchange;
            Reply::Answer { status, headers, body }
        });
        Self { upstream: upstream.to_owned(), address, exchanges }
    }

    fn seen(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap().clone()
    }

    /// Sends the last request whose form has that grant once more.
    fn again(&self, grant: &str) -> Option<Exchange> {
        let has_it = |exchange: &&Exchange| exchange.request.form().get("grant_type").is_some_and(|of| of == grant);
        self.seen().iter().rev().find(has_it).map(|exchange| pass_on(&self.upstream, &exchange.request))
    }
}

fn pass_on(upstream: &str, request: &Request) -> Exchange {
    let config =
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
    let agent = config.build().new_agent();
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let url = format!("{upstream}{}{query}", request.path);
    let answer = if request.method == "POST" {
        let form = agent.post(&url).header("content-type", "application/x-www-form-urlencoded");
        form.header("accept", "application/json").send(&request.body[..])
    } else {
        agent.get(&url).header("accept", "application/json").call()
    };
    let mut answer = answer.expect("the server is there");
    let header = |name: &str| Some((name.to_owned(), answer.headers().get(name)?.to_str().ok()?.to_owned()));
    let headers = ["content-type", "date", "retry-after", "cache-control"].into_iter().filter_map(header).collect();
    let status = answer.status().as_u16();
    Exchange { request: request.clone(), status, headers, body: answer.body_mut().read_to_vec().unwrap() }
}

/// An exchange without a value that could be a secret.
fn described(exchange: &Exchange) -> String {
    let Exchange { request, status, headers, body } = exchange;
    let names: Vec<String> = request.fields().into_iter().map(|(name, _)| name).collect();
    let mut text = format!("{} {} ({}) -> {status}\n", request.method, request.path, names.join(", "));
    for (name, value) in headers {
        let shown = if name == "date" { "present" } else { value };
        let _ = writeln!(text, "  {name}: {shown}");
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => {
            for (name, value) in &members {
                let _ = writeln!(text, "  {name}: {}", shape(name, value));
            }
        }
        _ => {
            let _ = writeln!(text, "  body: {} bytes, no object", body.len());
        }
    }
    text
}

fn shape(name: &str, value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{name}: {}", shape(name, value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("array of {}", items.len()),
        Value::String(text) if WORDS.contains(&name) => format!("{text:?}"),
        Value::String(text) if text.contains("://") => "URL".to_owned(),
        Value::String(text) => claims(text).unwrap_or_else(|| format!("string of {}", text.len())),
        number => number.to_string(),
    }
}

/// The names and types of a JWT's claims, and how long it lives.
fn claims(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    let life = claims.get("exp")?.as_i64()? - claims.get("iat")?.as_i64()?;
    let kind = |value: &Value| match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        _ => "other",
    };
    let names: Vec<String> = claims.iter().map(|(name, value)| format!("{name} {}", kind(value))).collect();
    Some(format!("JWT of {life} s ({})", names.join(", ")))
}

/// Signs in, refreshes, sends that refresh again, signs out, sends it once more; what came of each.
fn transcript(upstream: &str, profile: impl Fn(&str) -> String, shown: bool) -> String {
    let recorder = Recorder::start(upstream);
    let sandbox = Sandbox::new();
    sandbox.configure(&profile(&format!("http://{}", recorder.address)));
    let keyfob = |args: &[&str]| {
        let mut command = sandbox.keyfob(args);
        command.env("KEYFOB_INTERACTIVE", "always").stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(if shown { Stdio::inherit() } else { Stdio::null() });
        command.status().expect("it runs").code()
    };
    let mut said = String::new();
    let mut counted = 0;
    let mut note = |what: &str, code: Option<i32>| {
        let _ = writeln!(said, "== {what}: exit code {code:?}");
        let seen = recorder.seen();
        let mut before = String::new();
        for exchange in &seen[counted..] {
            // The polls before the approval are one.
            let text = described(exchange);
            if text != before {
                said += &text;
            }
            before = text;
        }
        counted = seen.len();
    };
    note("login", keyfob(&["login"]));
    sandbox.expire();
    note("refresh", keyfob(&["token"]));
    let replayed = recorder.again("refresh_token");
    note("logout", keyfob(&["logout"]));
    let after = recorder.again("refresh_token");
    for (what, exchange) in [("the same refresh at once", replayed), ("the same refresh after logout", after)] {
        let _ = writeln!(said, "== {what}");
        said += &exchange.as_ref().map(described).unwrap_or_default();
    }
    for exchange in recorder.seen() {
        let body = serde_json::from_slice::<Value>(&exchange.body).unwrap_or_default();
        for secret in ["access_token", "refresh_token", "id_token", "device_code"] {
            let secret = body[secret].as_str();
            assert!(secret.is_none_or(|secret| !said.contains(secret)), "no secret is told");
        }
    }
    said
}

#[test]
#[ignore = "needs a WorkOS tenant (KEYFOB_LIVE_CLIENT_ID) and somebody who approves"]
fn a_real_tenant() {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let client = variable("KEYFOB_LIVE_CLIENT_ID").expect("KEYFOB_LIVE_CLIENT_ID is set to the client's id");
    let said = match variable("KEYFOB_LIVE_ISSUER") {
        Some(issuer) => {
            let scopes = "scopes = [\"openid\", \"profile\", \"email\", \"offline_access\"]";
            transcript(
                issuer.trim_end_matches('/'),
                |at| {
                    format!(
                        "[profile.live]\nprovider = \"oauth\"\nclient_id = \"{client}\"\n{scopes}\ntoken_endpoint = \"{at}/oauth2/token\"\n\
                         device_authorization_endpoint = \"{at}/oauth2/device_authorization\"\n"
                    )
                },
                true,
            )
        }
        None => {
            let base = variable("KEYFOB_LIVE_BASE_URL").unwrap_or_else(|| "https://api.workos.com".to_owned());
            let workos = |at: &str| {
                format!("[profile.live]\nprovider = \"workos\"\nclient_id = \"{client}\"\nbase_url = \"{at}\"\n")
            };
            transcript(base.trim_end_matches('/'), workos, true)
        }
    };
    println!("{said}");
}

/// So that the check above still works when somebody has a tenant.
#[test]
fn the_same_against_the_scripted_provider() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let workos =
        |at: &str| format!("[profile.live]\nprovider = \"workos\"\nclient_id = \"{CLIENT_ID}\"\nbase_url = \"{at}\"\n");
    assert_eq!(transcript(&provider.url(), workos, false), SCRIPTED);
}

const SCRIPTED: &str = r#"== login: exit code Some(0)
POST /user_management/authorize/device (client_id) -> 200
  content-type: application/json
  device_code: string of 23
  expires_in: 300
  interval: 1
  user_code: string of 9
  verification_uri: URL
  verification_uri_complete: URL
POST /user_management/authenticate (grant_type, device_code, client_id) -> 200
  content-type: application/json
  access_token: JWT of 300 s (exp number, iat number, iss string, jti string, sid string, sub string)
  authentication_method: "Password"
  organization_id: null
  refresh_token: string of 23
  user: { email: string of 12, id: string of 6, object: "user" }
== refresh: exit code Some(0)
POST /user_management/authenticate (grant_type, client_id, refresh_token) -> 200
  content-type: application/json
  access_token: JWT of 300 s (exp number, iat number, iss string, jti string, sid string, sub string)
  authentication_method: "Password"
  organization_id: null
  refresh_token: string of 23
  user: { email: string of 12, id: string of 6, object: "user" }
== logout: exit code Some(0)
GET /user_management/sessions/logout (session_id) -> 302
  content-type: text/html
  body: 0 bytes, no object
== the same refresh at once
POST /user_management/authenticate (grant_type, client_id, refresh_token) -> 400
  content-type: application/json
  error: "invalid_grant"
  error_description: string of 32
== the same refresh after logout
POST /user_management/authenticate (grant_type, client_id, refresh_token) -> 400
  content-type: application/json
  error: "invalid_grant"
  error_description: string of 26
"#;
