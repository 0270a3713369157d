//! How the provider spells its tokens, codes and answers, which the product's own code then reads.

use super::provider::{CODE_LIFE, INTERVAL};
use super::world::{Message, Name, Reply, Span};
use crate::clock::Timestamp;
use crate::machine::{Got, NoCode};
use crate::mend::Mend;
use crate::model::{Slot, Token};
use crate::oauth::answer::{self, Answer, TokenAnswer};
use crate::oauth::device::{self, Pending};
use crate::oauth::message::{Response, Unreachable};
use crate::secret::Secret;

/// The moment it always is: what passes is taken off every other moment.
pub(super) const NOW: Timestamp = 1_000_000;
/// Seconds an access token lives.
pub(super) const TOKEN_LIFE: Span = 300;
/// How long the provider asks to be left alone, when it does.
const PATIENCE: u64 = 10;

/// How the provider spells a token.
pub(super) fn spelt(name: Name, kind: &str) -> String {
    format!("{kind}.{}.{}", name.family, name.generation)
}

/// Which token that is.
pub(super) fn name(token: &Secret) -> Name {
    read_name(token.expose())
}

pub(super) fn read_name(text: &str) -> Name {
    let mut parts = text.split('.').skip(1).map(|part| part.parse().expect("as it was spelt"));
    let mut part = || parts.next().expect("as it was spelt");
    Name { family: part(), generation: part() }
}

pub(super) fn named(token: &Token) -> Name {
    name(&token.access_token)
}

pub(super) fn code(pending: &Pending) -> u8 {
    read_code(pending.device_code.expose())
}

pub(super) fn read_code(text: &str) -> u8 {
    text.strip_prefix("dc").and_then(|code| code.parse().ok()).expect("as it was spelt")
}

pub(super) fn begin(code: u8, slot: &Slot) -> Pending {
    device::begin(&started(code), slot, NOW).expect("a code")
}

/// What a worker that asked that is told, in the product's own reading; none where it is nothing.
pub(super) fn got(message: Message, reply: Reply, slot: &Slot) -> Got {
    match (message, response(message, reply)) {
        (Message::Start, Ok(response)) => {
            Got::Code(device::begin(&response, slot, NOW).map(Box::new).map_err(NoCode::Refused))
        }
        (Message::Start, Err(unreachable)) => Got::Code(Err(NoCode::Unreachable(unreachable))),
        (_, Ok(response)) => Got::Answer(answer::read(&response, NOW, 300)),
        (_, Err(unreachable)) => Got::Answer(Answer::Unreachable(unreachable)),
    }
}

/// The provider's reply as it is sent; or that it is lost.
pub(super) fn response(message: Message, reply: Reply) -> Result<Response, Unreachable> {
    let error = |code: &str| answered(400, format!(r#"{{"error":"{code}"}}"#), None);
    Ok(match reply {
        Reply::Granted(name) => {
            let (access, refresh) = (spelt(name, "at"), spelt(name, "rt"));
            let body = format!(
                r#"{{"access_token":"{access}","refresh_token":"{refresh}","token_type":"Bearer","expires_in":{TOKEN_LIFE}}}"#
            );
            answered(200, body, None)
        }
        Reply::InvalidGrant => error("invalid_grant"),
        Reply::Transient { patience } => answered(503, String::new(), patience.then_some(PATIENCE)),
        Reply::Nothing | Reply::Unsent => {
            let (why, mend) = ("no answer".to_owned(), Mend::wait("try again"));
            return Err(Unreachable { why, mend, is_lasting: false, is_unsent: reply == Reply::Unsent });
        }
        Reply::Pending => error("authorization_pending"),
        Reply::SlowDown => error("slow_down"),
        Reply::Denied => error("access_denied"),
        Reply::Expired => error("expired_token"),
        Reply::Started(code) => {
            assert_eq!(message, Message::Start);
            started(code)
        }
    })
}

/// A first sign-in's tokens.
pub(super) fn tokens(name: Name) -> TokenAnswer {
    match got(Message::Refresh(name), Reply::Granted(name), &Slot::default()) {
        Got::Answer(Answer::Granted(tokens)) => *tokens,
        other => unreachable!("{other:?}"),
    }
}

fn started(code: u8) -> Response {
    let body = format!(
        r#"{{"device_code":"dc{code}","user_code":"UC{code}","verification_uri":"https://a.dev/device","expires_in":{CODE_LIFE},"interval":{INTERVAL}}}"#
    );
    answered(200, body, None)
}

fn answered(status: u16, body: String, retry_after: Option<u64>) -> Response {
    Response { status, date: None, retry_after, challenges: Vec::new(), body: body.into_bytes() }
}
