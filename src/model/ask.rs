//! What a caller wants. It never changes; what happened to the caller so far is the machine's `Attempt`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::model::{Slot, TokenKind};
use crate::secret::Fingerprint;

/// What is to come of an ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    /// A token, by whatever it takes.
    #[default]
    Token,
    /// The same after a new sign-in, whatever is kept (`keyfob login`).
    SignIn,
    /// A code that waits for approval, without waiting for it (`keyfob login --start`).
    Code,
    /// That a token which a server refused is handed out no more; the session lives on.
    Refusal,
    /// That a token which took the place of a refused one was accepted, and is one like any other.
    Acceptance,
    /// That a token which still lives is renewed, by a process that nobody waits for: the record's lock is its from the start.
    Renewal,
    /// That the access token of a place a person signed out of is dropped (`docker logout`).
    SignOut,
}

/// What a caller wants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ask {
    pub(crate) want: Want,
    pub(crate) slot: Slot,
    pub(crate) kind: TokenKind,
    /// A token that the resource server refused: any other will do. With [`Want::Refusal`] and [`Want::Acceptance`] the one that is
    /// meant, and none means whichever there is.
    pub(crate) refused: Option<Fingerprint>,
    /// A token that may have been refused: kubectl cannot say so, but asks again. Another is tried where that costs nobody
    /// anything; else this one will do.
    pub(crate) suspected: Option<Fingerprint>,
    /// What is suspected may as well be a habit of the client, so that what takes the token's place is a token like any other.
    pub(crate) is_doubtful: bool,
    /// Seconds that the token has to live on: one with less left is renewed first. None is enough for most.
    pub(crate) wants_left: i64,
    /// How long a person is waited for at most; none is as long as the code lives.
    pub(crate) until: Option<Timestamp>,
    /// Another person than before may sign in.
    pub(crate) selects_account: bool,
    /// The process that asks, for clients that run us again and again when we fail.
    pub(crate) parent: Option<ParentId>,
    /// It does so at once, before anybody can have done anything about it.
    pub(crate) repeats: bool,
    /// What the server that refused said about it, fit to be shown.
    pub(crate) challenge: Option<String>,
}

impl Ask {
    /// Whether a person wants to sign in, whatever is kept.
    pub(crate) fn is_sign_in(&self) -> bool {
        self.want == Want::SignIn
    }
}

/// A process: its number and the moment it started, which together no other process has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct ParentId(String);

impl ParentId {
    /// The process of that number, started at that moment (in the system's own count).
    pub(crate) fn new(number: u32, started: &str) -> Self {
        Self(format!("{number}-{started}"))
    }

    /// As it stands in a file's name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
