//! How the provider spells its tokens, codes and answers, which the product's own code then reads.

use super::provider::{CODE_LIFE, INTERVAL};
use super::records::NOW;
use super::world::{Name, Reply, Span};
use crate::config::Slot;
use crate::oauth::answer::{self, Answer, TokenAnswer};
use crate::oauth::device::{self, Pending};
use crate::oauth::message::Response;
use crate::secret::Secret;
use crate::store::Token;

/// Seconds an access token lives.
pub(super) const TOKEN_LIFE: Span = 300;
/// How long the provider asks to be left alone, when it does.
pub(super) const PATIENCE: u64 = 10;

/// How the provider spells a token, and what it means.
pub(super) fn spelt(name: Name, kind: &str) -> String {
    format!("{kind}.{}.{}", name.family, name.generation)
}

pub(super) fn name(token: &Secret) -> Name {
    let mut parts = token.expose().split('.').skip(1).map(|part| part.parse().expect("as it was spelt"));
    let mut part = || parts.next().expect("as it was spelt");
    Name { family: part(), generation: part() }
}

pub(super) fn named(token: &Token) -> Name {
    name(&token.access_token)
}

pub(super) fn code(pending: &Pending) -> u8 {
    pending.device_code.expose().strip_prefix("dc").and_then(|code| code.parse().ok()).expect("as it was spelt")
}

pub(super) fn begin(code: u8) -> Pending {
    let body = format!(
        r#"{{"device_code":"dc{code}","user_code":"UC{code}","verification_uri":"https://a.dev/device","expires_in":{CODE_LIFE},"interval":{INTERVAL}}}"#
    );
    device::begin(&response(200, body, None), &Slot::default(), NOW).expect("a code")
}

/// What the caller reads in the provider's reply.
pub(super) fn answer(reply: Reply) -> Answer {
    let error = |code: &str| response(400, format!(r#"{{"error":"{code}"}}"#), None);
    let response = match reply {
        Reply::Granted(name) => {
            let (access, refresh) = (spelt(name, "at"), spelt(name, "rt"));
            let body = format!(
                r#"{{"access_token":"{access}","refresh_token":"{refresh}","token_type":"Bearer","expires_in":{TOKEN_LIFE}}}"#
            );
            response(200, body, None)
        }
        Reply::InvalidGrant => error("invalid_grant"),
        Reply::Transient { patience } => response(503, String::new(), patience.then_some(PATIENCE)),
        Reply::Pending => error("authorization_pending"),
        Reply::SlowDown => error("slow_down"),
        Reply::Denied => error("access_denied"),
        Reply::Expired => error("expired_token"),
        Reply::Started(_) => unreachable!("another endpoint's"),
    };
    answer::read(&response, NOW, 300)
}

pub(super) fn tokens(name: Name) -> TokenAnswer {
    match answer(Reply::Granted(name)) {
        Answer::Granted(tokens) => *tokens,
        other => unreachable!("{other:?}"),
    }
}

fn response(status: u16, body: String, retry_after: Option<u64>) -> Response {
    Response { status, date: None, retry_after, body: body.into_bytes() }
}
