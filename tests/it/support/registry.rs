//! The real `docker-registry` (distribution) on loopback, and the token server it sends its clients to, as a company would
//! write one: it takes the provider's tokens as passwords and hands out the registry's own.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use super::http::{self, Reply, Request};
use super::provider::Provider;
use super::tls_server::Identity;

/// Whom the registry believes, and what it calls itself.
const ISSUER: &str = "token-server";
const SERVICE: &str = "registry";

/// Somebody who has a password rather than a session.
pub const USER: &str = "alice";
pub const PASSWORD: &str = "s3cret";

/// A registry with nothing in it. Ends when dropped.
pub struct Registry {
    pub address: SocketAddr,
    child: Child,
    /// How each request for a token came out: user name (`<token>` for an identity token), scope, status.
    log: Arc<Mutex<Vec<String>>>,
    identity_tokens: Arc<AtomicBool>,
}

impl Registry {
    /// Keeps its files below `root`. People who sign in at the provider are called `username`.
    pub fn start(provider: &Provider, username: &'static str, root: &Path) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let identity_tokens = Arc::new(AtomicBool::new(false));
        let signer = Signer::new();
        let certificate = root.join("token-server.pem");
        std::fs::write(&certificate, signer.identity.pem()).expect("writable");
        let (seen, hands_out, provider) = (Arc::clone(&log), Arc::clone(&identity_tokens), provider.clone());
        let tokens = http::serve(move |request| {
            let (user, allowed) = who(&request, &provider, username);
            let scopes: Vec<_> =
                request.fields().into_iter().filter(|(name, _)| name == "scope").map(|(_, value)| value).collect();
            let status = if allowed { 200 } else { 401 };
            seen.lock().expect("no handler panics").push(format!("{user} {} {status}", scopes.join(" ")));
            if !allowed {
                let errors = json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "who are you?" }] });
                return Reply::json(401, errors.to_string());
            }
            let token = signer.sign(&user, &scopes);
            let mut answer = json!({ "token": token, "access_token": token, "expires_in": 300 });
            if hands_out.load(Ordering::SeqCst) {
                answer["refresh_token"] = IDENTITY_TOKEN.into();
            }
            Reply::json(200, answer.to_string())
        });
        let configuration = json!({
            "version": "0.1",
            "log": { "level": "info", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": root.join("data") }, "delete": { "enabled": true } },
            "http": { "addr": "127.0.0.1:0" },
            "auth": { "token": {
                "realm": format!("http://{tokens}/token"), "service": SERVICE, "issuer": ISSUER,
                "rootcertbundle": certificate,
            } },
        });
        let file = root.join("registry.yml");
        // JSON is YAML.
        std::fs::write(&file, configuration.to_string()).expect("writable");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            let (_, rest) = line.split_once("listening on ")?;
            rest.split(['"', ' ', ',']).next()?.parse().ok()
        });
        // It goes on writing, and would stop at a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { address: address.expect("it says where it listens"), child, log, identity_tokens }
    }

    /// `127.0.0.1:PORT`, as it stands in the name of an image.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The requests for tokens.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("no handler panics").clone()
    }

    /// From now on a login is answered with an identity token to keep in place of the password.
    pub fn hand_out_identity_tokens(&self) {
        self.identity_tokens.store(true, Ordering::SeqCst);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a login may be answered with, to be kept as the password of `<token>`.
const IDENTITY_TOKEN: &str = "identity-token-of-alice";

/// The name somebody gives, and whether it is true: Basic (distribution's token specification), a form with a password
/// or one with an identity token (its OAuth specification). Who gives none may ask and is nobody.
fn who(request: &Request, provider: &Provider, username: &str) -> (String, bool) {
    let form = request.form();
    let field = |name: &str| form.get(name).cloned().unwrap_or_default();
    if request.method == "POST" && field("grant_type") == "refresh_token" {
        return ("<token>".to_owned(), field("refresh_token") == IDENTITY_TOKEN);
    }
    let pair = if request.method == "POST" { Some((field("username"), field("password"))) } else { request.basic() };
    let Some((user, password)) = pair else { return ("-".to_owned(), false) };
    let allowed = (user == username && provider.accepts(&password)) || (user == USER && password == PASSWORD);
    (user, allowed)
}

/// Signs what the registry lets people in by.
struct Signer {
    identity: Identity,
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    fn new() -> Self {
        let (identity, random) = (Identity::new(), SystemRandom::new());
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, identity.key(), &random);
        Self { key: key.expect("rcgen's keys are P-256"), identity, random }
    }

    /// A JWT that allows what was asked for (`repository:NAME:pull,push`).
    fn sign(&self, user: &str, scopes: &[String]) -> String {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
        let now = since.as_secs();
        let access: Vec<_> = scopes.iter().flat_map(|scope| scope.split(' ')).filter_map(allowance).collect();
        let header = json!({ "typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(self.identity.der())] });
        let claims = json!({
            "iss": ISSUER, "sub": user, "aud": SERVICE, "iat": now, "nbf": now - 10, "exp": now + 300,
            "jti": format!("{now}"), "access": access,
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(&self.random, signed.as_bytes()).expect("a working source of randomness");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn allowance(scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    let (name, actions) = rest.rsplit_once(':')?;
    Some(json!({ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() }))
}
