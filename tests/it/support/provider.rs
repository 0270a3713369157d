//! An authorization server on loopback that behaves like WorkOS (user management and Connect), and can be scripted to
//! misbehave like anybody. It keeps a list of what it was asked, which is what tests count.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::http::{self, Reply, Request};

/// The one client it knows by default.
pub const CLIENT_ID: &str = "client_test";

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// RFC 8628 section 3.1.
    Start,
    /// RFC 8628 section 3.4.
    Poll,
    /// RFC 6749 section 6.
    Refresh,
    /// A session's end, by either way.
    SignOut,
    /// The page where a person approves.
    Page,
    Other,
}

/// A request that came, and when.
#[derive(Clone, Debug)]
pub struct Seen {
    pub endpoint: Endpoint,
    pub path: String,
    pub form: HashMap<String, String>,
    pub headers: HashMap<String, String>,
    pub at: Instant,
}

/// How it behaves.
#[derive(Clone, Debug)]
pub struct Manners {
    /// Seconds between polls, in the answer; `None` leaves it out and means 5.
    pub interval: Option<u64>,
    /// Seconds a code lives.
    pub code_life: u64,
    /// Seconds an access token lives.
    pub token_life: i64,
    /// Approves every code at once.
    pub approves_by_itself: bool,
    /// A refresh token that was exchanged is answered with the same successor for so long; then its family dies.
    pub replay_window: Duration,
    /// How long a refresh takes.
    pub refresh_takes: Duration,
    /// Seconds by which its clock is ahead of ours.
    pub clock_ahead: i64,
    /// The clients it knows.
    pub clients: &'static [&'static str],
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            interval: Some(1),
            code_life: 300,
            token_life: 300,
            approves_by_itself: false,
            replay_window: Duration::ZERO,
            refresh_takes: Duration::ZERO,
            clock_ahead: 0,
            clients: &[CLIENT_ID],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Undecided,
    Approved,
    Denied,
    Redeemed,
}

struct Code {
    user_code: String,
    verdict: Verdict,
    began: Instant,
    last_poll: Option<Instant>,
    interval: u64,
    life: u64,
}

struct RefreshToken {
    session: String,
    exchanged: Option<(Instant, String)>,
}

#[derive(Default)]
struct State {
    manners: Manners,
    seen: Vec<Seen>,
    script: HashMap<Endpoint, VecDeque<Scripted>>,
    codes: HashMap<String, Code>,
    refresh_tokens: HashMap<String, RefreshToken>,
    ended_sessions: HashSet<String>,
    /// Access tokens with their end.
    access_tokens: HashMap<String, SystemTime>,
    /// ID tokens with theirs.
    id_tokens: HashMap<String, SystemTime>,
    reuses: usize,
    serial: u64,
    /// Called when a refresh has been carried out and not been answered yet.
    when_refreshed: Option<Arc<dyn Fn() + Send + Sync>>,
}

enum Scripted {
    /// Said in place of doing anything.
    Instead(Reply),
    /// Done as usual, but said in place of the answer.
    Afterwards(Reply),
}

/// The server. Clones are the same server.
#[derive(Clone)]
pub struct Provider {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Provider {
    pub fn start() -> Self {
        Self::with(Manners::default())
    }

    pub fn with(manners: Manners) -> Self {
        let state = Arc::new(Mutex::new(State { manners, ..State::default() }));
        let served = Arc::clone(&state);
        let address = http::serve(move |request| answer(&served, &request));
        Self { address, state }
    }

    /// `http://127.0.0.1:PORT`, which is the base and the issuer.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn change(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.lock().manners);
    }

    /// The next request of that kind is answered so, and changes nothing here.
    pub fn instead(&self, endpoint: Endpoint, reply: Reply) {
        self.lock().script.entry(endpoint).or_default().push_back(Scripted::Instead(reply));
    }

    /// The next request of that kind is carried out and then answered so.
    pub fn afterwards(&self, endpoint: Endpoint, reply: Reply) {
        self.lock().script.entry(endpoint).or_default().push_back(Scripted::Afterwards(reply));
    }

    /// Answers as usual again.
    pub fn forget_script(&self) {
        self.lock().script.clear();
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    pub fn of(&self, endpoint: Endpoint) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.endpoint == endpoint).collect()
    }

    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.of(endpoint).len()
    }

    /// Calls this whenever a refresh has been carried out and not been answered yet: the one moment in which a crash of the
    /// client loses the answer.
    pub fn when_refreshed(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.lock().when_refreshed = Some(Arc::new(hook));
    }

    /// How often a refresh token was presented after its successor was handed out, outside the replay window.
    pub fn reuses(&self) -> usize {
        self.lock().reuses
    }

    /// How many sessions have ended: by sign-out, or because a token was presented twice.
    pub fn ended_sessions(&self) -> usize {
        self.lock().ended_sessions.len()
    }

    /// Codes that nobody has decided on, as a person would read them off a screen.
    pub fn open_codes(&self) -> Vec<String> {
        let state = self.lock();
        state
            .codes
            .values()
            .filter(|code| code.verdict == Verdict::Undecided)
            .map(|code| code.user_code.clone())
            .collect()
    }

    /// Everything it has handed out that nobody else may see, user codes among it.
    pub fn secrets(&self) -> Vec<String> {
        let state = self.lock();
        let codes = state.codes.iter().flat_map(|(device_code, code)| [device_code.clone(), code.user_code.clone()]);
        let tokens = state.access_tokens.keys().chain(state.id_tokens.keys()).chain(state.refresh_tokens.keys());
        codes.chain(tokens.cloned()).collect()
    }

    /// Decides on a code as the page would; whether there is such a code.
    pub fn decide(&self, user_code: &str, approve: bool) -> bool {
        let mut state = self.lock();
        decide(&mut state, user_code, approve)
    }

    /// Whether a resource server would accept this access token now.
    pub fn accepts(&self, access_token: &str) -> bool {
        let state = self.lock();
        state.access_tokens.get(access_token).is_some_and(|end| SystemTime::now() < *end)
    }

    /// Whether a resource server that takes ID tokens of the client would accept this one now.
    pub fn accepts_id(&self, id_token: &str) -> bool {
        let state = self.lock();
        state.id_tokens.get(id_token).is_some_and(|end| SystemTime::now() < *end)
    }

    /// Kills every access token, as an administrator would.
    pub fn revoke_access_tokens(&self) {
        self.lock().access_tokens.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no handler panics")
    }
}

fn decide(state: &mut State, user_code: &str, approve: bool) -> bool {
    let code = state.codes.values_mut().find(|code| code.user_code == user_code && code.verdict == Verdict::Undecided);
    code.map(|code| code.verdict = if approve { Verdict::Approved } else { Verdict::Denied }).is_some()
}

fn answer(state: &Mutex<State>, request: &Request) -> Reply {
    let form = request.form();
    let endpoint = match (request.path.as_str(), form.get("grant_type").map(String::as_str)) {
        ("/user_management/authorize/device" | "/oauth2/device_authorization", _) => Endpoint::Start,
        ("/user_management/authenticate" | "/oauth2/token", Some("refresh_token")) => Endpoint::Refresh,
        ("/user_management/authenticate" | "/oauth2/token", _) => Endpoint::Poll,
        ("/user_management/sessions/logout" | "/oauth2/revoke", _) => Endpoint::SignOut,
        ("/device", _) => Endpoint::Page,
        _ => Endpoint::Other,
    };
    let mut state = state.lock().expect("no handler panics");
    let (path, headers) = (request.path.clone(), request.headers.clone());
    state.seen.push(Seen { endpoint, path, form: form.clone(), headers, at: Instant::now() });
    let scripted = state.script.get_mut(&endpoint).and_then(VecDeque::pop_front);
    if let Some(Scripted::Instead(reply)) = scripted {
        return reply;
    }
    let host = request.headers.get("host").cloned().unwrap_or_default();
    let scheme = request.headers.get("x-forwarded-proto").cloned().unwrap_or_else(|| "http".to_owned());
    let connect = request.path.starts_with("/oauth2/");
    let reply = match endpoint {
        Endpoint::Page => page(&mut state, request, &form),
        Endpoint::SignOut => sign_out(&mut state, connect, &form),
        Endpoint::Other => Reply::new(404, "text/html", "<h1>Not found</h1>"),
        _ if request.headers.contains_key("authorization") || form.contains_key("client_secret") => {
            error(connect, 401, "invalid_client", "A public client sends no secret")
        }
        _ if !form.get("client_id").is_some_and(|id| state.manners.clients.contains(&id.as_str())) => {
            error(connect, 400, "invalid_client", "Unknown client")
        }
        Endpoint::Start => start(&mut state, &format!("{scheme}://{host}")),
        Endpoint::Poll => poll(&mut state, connect, &form),
        Endpoint::Refresh => refresh(&mut state, connect, &form),
    };
    let hook = state.when_refreshed.clone().filter(|_| endpoint == Endpoint::Refresh);
    let takes = state.manners.refresh_takes;
    drop(state);
    if let Some(hook) = hook {
        hook();
    }
    match scripted {
        Some(Scripted::Afterwards(reply)) => reply,
        _ if endpoint == Endpoint::Refresh && !takes.is_zero() => Reply::Late(takes, Box::new(reply)),
        _ => reply,
    }
}

fn error(_connect: bool, status: u16, code: &str, description: &str) -> Reply {
    Reply::json(status, json!({ "error": code, "error_description": description }).to_string())
}

fn fresh(state: &mut State, prefix: &str) -> String {
    state.serial += 1;
    format!(
        "{prefix}_{:04}_{:08x}",
        state.serial,
        std::process::id().wrapping_mul(2_654_435_761) ^ (state.serial as u32)
    )
}

fn start(state: &mut State, base: &str) -> Reply {
    let device_code = fresh(state, "dc_secret");
    let letters = b"BCDFGHJKLMNPQRSTVWXZ";
    let letter = |at: u64| char::from(letters[((state.serial * 7_919 + at * 104_729) % 20) as usize]);
    let user_code: String = (0..9).map(|at| if at == 4 { '-' } else { letter(at) }).collect();
    let manners = state.manners.clone();
    let verdict = if manners.approves_by_itself { Verdict::Approved } else { Verdict::Undecided };
    let interval = manners.interval.unwrap_or(5);
    let code = Code {
        user_code: user_code.clone(),
        verdict,
        began: Instant::now(),
        last_poll: None,
        interval,
        life: manners.code_life,
    };
    state.codes.insert(device_code.clone(), code);
    let mut body = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": format!("{base}/device"),
        "verification_uri_complete": format!("{base}/device?user_code={user_code}"),
        "expires_in": manners.code_life,
    });
    if let Some(interval) = manners.interval {
        body["interval"] = interval.into();
    }
    Reply::json(200, body.to_string())
}

fn poll(state: &mut State, connect: bool, form: &HashMap<String, String>) -> Reply {
    if form.get("grant_type").map(String::as_str) != Some("urn:ietf:params:oauth:grant-type:device_code") {
        return error(connect, 400, "unsupported_grant_type", "No such grant");
    }
    let Some(code) = form.get("device_code").and_then(|code| state.codes.get_mut(code)) else {
        return error(connect, 400, "invalid_grant", "No such code");
    };
    let now = Instant::now();
    let since = now - code.last_poll.unwrap_or(code.began);
    code.last_poll = Some(now);
    if now - code.began > Duration::from_secs(code.life) {
        return error(connect, 400, "expired_token", "The code has expired");
    }
    if since < Duration::from_secs(code.interval) {
        code.interval += 5;
        return error(connect, 400, "slow_down", "Not so fast");
    }
    match code.verdict {
        Verdict::Undecided => error(connect, 400, "authorization_pending", "Nobody has approved yet"),
        Verdict::Denied => error(connect, 400, "access_denied", "The person said no"),
        Verdict::Redeemed => error(connect, 400, "invalid_grant", "The code was used"),
        Verdict::Approved => {
            code.verdict = Verdict::Redeemed;
            let session = fresh(state, "session");
            grant(state, connect, &session, form)
        }
    }
}

fn refresh(state: &mut State, connect: bool, form: &HashMap<String, String>) -> Reply {
    let window = state.manners.replay_window;
    let presented = form.get("refresh_token").cloned().unwrap_or_default();
    let Some(token) = state.refresh_tokens.get_mut(&presented) else {
        return error(connect, 400, "invalid_grant", "Invalid refresh token");
    };
    let session = token.session.clone();
    if state.ended_sessions.contains(&session) {
        return error(connect, 400, "invalid_grant", "Session has already ended.");
    }
    match &token.exchanged {
        Some((at, body)) if at.elapsed() < window => return Reply::json(200, body.clone()),
        Some(_) => {
            // Somebody has it who should not: the whole family dies.
            state.reuses += 1;
            state.ended_sessions.insert(session);
            return error(connect, 400, "invalid_grant", "Refresh token already exchanged.");
        }
        None => {}
    }
    let reply = grant(state, connect, &session, form);
    if let Reply::Answer { body, .. } = &reply {
        let body = String::from_utf8_lossy(body).into_owned();
        if let Some(token) = state.refresh_tokens.get_mut(&presented) {
            token.exchanged = Some((Instant::now(), body));
        }
    }
    reply
}

fn grant(state: &mut State, connect: bool, session: &str, form: &HashMap<String, String>) -> Reply {
    let life = state.manners.token_life;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let now = now + state.manners.clock_ahead;
    let jti = fresh(state, "jti");
    let organization = form.get("organization_id");
    let mut claims = json!({
        "iss": "scripted", "sub": "user_1", "sid": session, "jti": jti, "iat": now, "exp": now + life,
    });
    if let Some(organization) = organization {
        claims["org_id"] = organization.as_str().into();
    }
    for asked in ["audience", "resource", "scope"] {
        if let Some(value) = form.get(asked) {
            claims[asked] = value.as_str().into();
        }
    }
    let access_token = jwt(&claims);
    let refresh_token = fresh(state, "rt_secret");
    let end = SystemTime::now() + Duration::from_secs(u64::try_from(life).unwrap_or(0));
    state.access_tokens.insert(access_token.clone(), end);
    let token = RefreshToken { session: session.to_owned(), exchanged: None };
    state.refresh_tokens.insert(refresh_token.clone(), token);
    let body = if connect {
        let id_token = jwt(&json!({
            "iss": "scripted", "sub": "user_1", "aud": form.get("client_id"), "email": "ann@acme.dev", "jti": jti, "iat": now,
            "exp": now + life,
        }));
        state.id_tokens.insert(id_token.clone(), end);
        json!({
            "access_token": access_token, "refresh_token": refresh_token, "id_token": id_token,
            "token_type": "bearer", "expires_in": life,
        })
    } else {
        json!({
            "user": { "object": "user", "id": "user_1", "email": "ann@acme.dev" },
            "organization_id": organization, "access_token": access_token, "refresh_token": refresh_token,
            "authentication_method": "Password",
        })
    };
    Reply::json(200, body.to_string())
}

fn jwt(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&json!({ "alg": "none" })), part(claims), URL_SAFE_NO_PAD.encode("unsigned"))
}

fn sign_out(state: &mut State, connect: bool, form: &HashMap<String, String>) -> Reply {
    if connect {
        let session = form.get("token").and_then(|token| state.refresh_tokens.get(token)).map(|t| t.session.clone());
        state.ended_sessions.extend(session);
        return Reply::json(200, "{}");
    }
    match form.get("session_id") {
        Some(session) => {
            state.ended_sessions.insert(session.clone());
            Reply::new(302, "text/html", "").with("Location", "https://acme.authkit.app/signed-out")
        }
        None => Reply::json(400, r#"{"code":"bad_request","message":"session_id is missing"}"#),
    }
}

/// The page a person opens: a code to compare and two buttons.
fn page(state: &mut State, request: &Request, form: &HashMap<String, String>) -> Reply {
    let user_code = form.get("user_code").cloned().unwrap_or_default();
    let shown: String = user_code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let body = if request.method == "POST" {
        let approve = form.get("decision").map(String::as_str) == Some("approve");
        match (decide(state, &user_code, approve), approve) {
            (true, true) => "<h1>Approved</h1><p>You can close this page and go back to the terminal.</p>".to_owned(),
            (true, false) => "<h1>Denied</h1><p>Nobody was let in.</p>".to_owned(),
            (false, _) => "<h1>No such code</h1><p>It may have expired.</p>".to_owned(),
        }
    } else {
        format!(
            "<h1>Sign in</h1><p>Approve only if the code is the one in your terminal.</p><form method=\"post\">\
             <p><input name=\"user_code\" value=\"{shown}\" placeholder=\"ABCD-EFGH\" autofocus></p>\
             <p><button name=\"decision\" value=\"approve\">Approve</button> \
             <button name=\"decision\" value=\"deny\">Deny</button></p></form>"
        )
    };
    let style = "body{font:16px sans-serif;max-width:24rem;margin:4rem auto}input{font:24px monospace;width:12rem}";
    Reply::new(
        200,
        "text/html; charset=utf-8",
        format!("<!doctype html><meta charset=\"utf-8\"><title>Playground sign-in</title><style>{style}</style>{body}"),
    )
}
