//! What clients say and hear. Each protocol is a pure codec, bytes to structs and back, checked both ways; what they have
//! in common is here.

pub(crate) mod docker;
pub(crate) mod git;
pub(crate) mod kubectl;

use crate::clock::Timestamp;
use crate::secret::Secret;

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) username: String,
    pub(crate) secret: Secret,
    /// When the client should ask again; never past.
    pub(crate) expires_at: Option<Timestamp>,
}
