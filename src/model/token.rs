//! One slot's tokens, and how long each is good.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::model::{ParentId, TokenKind};
use crate::secret::Secret;

/// A token is renewed this many seconds before its end, or a fifth of its life before where that is less.
const MARGIN_SECS: i64 = 60;
/// How many seconds after a refused token was replaced its successor is not replaced as well.
const REPLACEMENT_PAUSE_SECS: i64 = 60;

/// What one slot holds.
#[expect(clippy::struct_field_names, reason = "RFC 6749's and OpenID Connect's own names")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub(crate) struct Token {
    pub(crate) access_token: Secret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id_token: Option<Secret>,
    pub(crate) received_at: Timestamp,
    /// The access token's end, by the local clock.
    pub(crate) expires_at: Timestamp,
    /// The ID token's end, by the local clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id_expires_at: Option<Timestamp>,
    /// A client reported that its server refused it: it is handed out no more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) refused: bool,
    /// It took the place of a refused one: if it is refused as well, another will not do better.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) after_refusal: bool,
    /// The process that had it refused although it took the place of a refused one, and may ask for it without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused_to: Option<ParentId>,
    #[serde(flatten)]
    pub(crate) unknown: Map<String, Value>,
}

impl Token {
    /// Whether replacing it is vain for now: it took the place of a refused one a moment ago.
    pub(crate) fn is_recent_replacement(&self, now: Timestamp) -> bool {
        self.after_refusal && (0..REPLACEMENT_PAUSE_SECS).contains(&(now - self.received_at))
    }

    /// Whether it was refused a moment ago to that very process, which is told so only where it is one.
    pub(crate) fn was_refused_to(&self, who: impl FnOnce() -> Option<ParentId>, now: Timestamp) -> bool {
        self.refused_to.is_some() && self.is_recent_replacement(now) && who() == self.refused_to
    }

    /// The token of that kind, where the answer had one.
    pub(crate) fn secret(&self, kind: TokenKind) -> Option<&Secret> {
        match kind {
            TokenKind::Access => Some(&self.access_token),
            TokenKind::Id => self.id_token.as_ref(),
        }
    }

    /// What a client is told about the end: the margin earlier, so that it asks again in time, but never a past moment.
    pub(crate) fn told_end(&self, kind: TokenKind, now: Timestamp) -> Option<Timestamp> {
        let end = self.end(kind)?;
        let early = end - self.margin(kind);
        Some(if early > now { early } else { end })
    }

    /// When the access token, or the ID token, stops working; `None` where there is none of that kind.
    pub(crate) fn end(&self, kind: TokenKind) -> Option<Timestamp> {
        match kind {
            TokenKind::Access => Some(self.expires_at),
            TokenKind::Id => self.id_token.as_ref().and(self.id_expires_at),
        }
    }

    pub(crate) fn margin(&self, kind: TokenKind) -> i64 {
        let life = self.end(kind).map_or(0, |end| end - self.received_at);
        MARGIN_SECS.min(life.max(0) / 5)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_early_and_never_of_the_past() {
        const NOW: Timestamp = 10_000;
        let token = Token {
            access_token: Secret::new("at"),
            id_token: None,
            received_at: NOW,
            expires_at: NOW + 300,
            id_expires_at: None,
            refused: false,
            after_refusal: false,
            refused_to: None,
            unknown: Map::new(),
        };
        assert_eq!(token.told_end(TokenKind::Access, NOW), Some(NOW + 240));
        assert_eq!(token.told_end(TokenKind::Access, NOW + 250), Some(NOW + 300));
        assert_eq!(token.told_end(TokenKind::Id, NOW), None);
    }
}
