//! A server that says what it is told to, path by path, and keeps what it was asked: for providers whose documented
//! answers are the test.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::http::{self, Reply, Request};

#[derive(Default)]
struct State {
    replies: HashMap<String, VecDeque<Reply>>,
    seen: Vec<Request>,
}

/// The server. Clones are the same server.
#[derive(Clone)]
pub struct Scripted {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Scripted {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let served = Arc::clone(&state);
        let address = http::serve(move |request| {
            let mut state = served.lock().expect("no handler panics");
            state.seen.push(request.clone());
            let Some(replies) = state.replies.get_mut(&request.path) else {
                return Reply::json(404, r#"{"error":"Not Found"}"#);
            };
            if replies.len() > 1 { replies.pop_front() } else { replies.front().cloned() }.expect("never empty")
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is said at a path, one after the other; the last for ever.
    pub fn on(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let replies: VecDeque<Reply> = replies.into_iter().collect();
        assert!(!replies.is_empty());
        self.state.lock().expect("no handler panics").replies.insert(path.to_owned(), replies);
    }

    /// The metadata of OpenID Connect Discovery for an issuer at a path, with more members.
    pub fn describe(&self, path: &str, more: &str) {
        let url = self.url();
        let issuer = format!("{url}{path}");
        let body = format!(
            r#"{{"issuer":"{issuer}","token_endpoint":"{url}/token","device_authorization_endpoint":"{url}/device"{more}}}"#
        );
        let address = format!("{}/.well-known/openid-configuration", path.trim_end_matches('/'));
        self.on(&address, [Reply::json(200, body)]);
    }

    pub fn seen(&self) -> Vec<Request> {
        self.state.lock().expect("no handler panics").seen.clone()
    }

    /// The requests that came for a path.
    pub fn at(&self, path: &str) -> Vec<Request> {
        self.seen().into_iter().filter(|request| request.path == path).collect()
    }
}

/// A device authorization answer with a wait of a second, and more members.
pub fn code(url: &str, more: &str) -> Reply {
    Reply::json(
        200,
        format!(
            r#"{{"device_code":"dc_secret","user_code":"WDJB-MJHT","verification_uri":"{url}/activate","expires_in":900,"interval":1{more}}}"#
        ),
    )
}

/// An error as RFC 6749 has it.
pub fn refusal(status: u16, code: &str, description: &str) -> Reply {
    Reply::json(status, format!(r#"{{"error":"{code}","error_description":"{description}"}}"#))
}
