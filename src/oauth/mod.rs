//! OAuth 2.0 as a public client: what goes over the wire and what it means. No file here decides policy, and only
//! http.rs, with resolve.rs for its names, does I/O.

pub(crate) mod answer;
pub(crate) mod device;
pub(crate) mod discovery;
pub(crate) mod http;
pub(crate) mod jwt;
pub(crate) mod message;
pub(crate) mod pkce;
pub(crate) mod refresh;
mod resolve;
pub(crate) mod revoke;
mod traced;
pub(crate) mod watch;

pub(crate) use answer::TokenAnswer;
