//! As much of a Kubernetes API server as kubectl needs to get going, on loopback behind a check of the token: discovery,
//! pods to list, config maps to make, and the review that tells a person who they are to the cluster.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::http::{self, Reply, Request};
use super::provider::Provider;
use super::tls_server::{self, Identity};

/// Lets in whoever brings a live access or ID token of the provider. Clones are the same server.
#[derive(Clone)]
pub struct ApiServer {
    pub address: SocketAddr,
    certificate: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// How each request came out: method, path, kind of token (`-` for none), status.
    log: Vec<String>,
    /// The token that came last, whatever became of it.
    last: Option<String>,
    /// Tokens that are not let in although they live.
    refused: HashSet<String>,
    /// Nobody is let in.
    closed: bool,
}

impl ApiServer {
    pub fn start(provider: &Provider) -> Self {
        let identity = Identity::new();
        let state = Arc::new(Mutex::new(State::default()));
        let address = tls_server::serve(&identity, handler(&state, provider));
        Self { address, certificate: identity.pem(), state }
    }

    /// One that somebody else speaks TLS for.
    pub fn start_without_tls(provider: &Provider) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let address = http::serve(handler(&state, provider));
        Self { address, certificate: String::new(), state }
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The server's certificate as a kubeconfig has it (`certificate-authority-data`).
    pub fn certificate_authority_data(&self) -> String {
        STANDARD.encode(&self.certificate)
    }

    /// The same as a file.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    pub fn log(&self) -> Vec<String> {
        self.state.lock().expect("no handler panics").log.clone()
    }

    /// Refuses the token that came last from now on, as a server does when somebody revokes it before its time.
    pub fn refuse_last(&self) {
        let mut state = self.state.lock().expect("no handler panics");
        let last = state.last.clone().expect("a token came");
        state.refused.insert(last);
    }

    /// Lets nobody in any more.
    pub fn close(&self) {
        self.state.lock().expect("no handler panics").closed = true;
    }
}

/// Answers whoever brings a token that lives.
fn handler(state: &Arc<Mutex<State>>, provider: &Provider) -> impl Fn(Request) -> Reply + Send + Sync + 'static {
    let (state, provider) = (Arc::clone(state), provider.clone());
    move |request| {
        let token = request.bearer().unwrap_or_default();
        let kind = match (provider.accepts(token), provider.accepts_id(token)) {
            (true, _) => "access",
            (_, true) => "id",
            _ if token.is_empty() => "-",
            _ => "unknown",
        };
        let mut state = state.lock().expect("no handler panics");
        let refused = state.closed || state.refused.contains(token);
        let (status, body) = match kind {
            "access" | "id" if !refused => answer(&request, kind),
            _ => failure(401, "Unauthorized"),
        };
        state.log.push(format!("{} {} {kind} {status}", request.method, request.path));
        state.last = Some(token.to_owned());
        Reply::json(status, body.to_string())
    }
}

fn answer(request: &Request, kind: &str) -> (u16, Value) {
    let body = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/version" | "/version/") => json!({ "major": "1", "minor": "32", "gitVersion": "v1.32.0" }),
        ("GET", "/api") => json!({ "kind": "APIVersions", "versions": ["v1"] }),
        ("GET", "/apis") => {
            let version = json!({ "groupVersion": "authentication.k8s.io/v1", "version": "v1" });
            let group = json!({ "name": "authentication.k8s.io", "versions": [version], "preferredVersion": version });
            json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [group] })
        }
        ("GET", "/api/v1") => resources(
            "v1",
            &[("pods", "Pod", true, &["get", "list"]), ("configmaps", "ConfigMap", true, &["create", "get"])],
        ),
        ("GET", "/apis/authentication.k8s.io/v1") => {
            let review = ("selfsubjectreviews", "SelfSubjectReview", false, &["create"] as &[_]);
            resources("authentication.k8s.io/v1", &[review])
        }
        ("GET", "/api/v1/pods" | "/api/v1/namespaces/default/pods") => {
            let metadata = json!({ "name": "hello", "namespace": "default" });
            let pod = json!({ "kind": "Pod", "apiVersion": "v1", "metadata": metadata });
            json!({ "kind": "PodList", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": [pod] })
        }
        ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews") => {
            let user = json!({ "username": "ann@acme.dev", "groups": [format!("with-{kind}-token")] });
            let status = json!({ "userInfo": user });
            json!({ "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "status": status })
        }
        ("POST", "/api/v1/namespaces/default/configmaps") => {
            return (201, serde_json::from_slice(&request.body).unwrap_or_default());
        }
        _ => return failure(404, "NotFound"),
    };
    (200, body)
}

/// An `APIResourceList`: name, kind, whether in a namespace, verbs.
fn resources(group_version: &str, list: &[(&str, &str, bool, &[&str])]) -> Value {
    let resources: Vec<_> = list
        .iter()
        .map(|(name, kind, namespaced, verbs)| {
            json!({ "name": name, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": verbs })
        })
        .collect();
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources })
}

/// A `Status` that says no.
fn failure(code: u16, reason: &str) -> (u16, Value) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason,
        "reason": reason, "code": code,
    });
    (code, body)
}
