//! What is kept between commands: one file a session, read without a lock, written only under one.

pub(crate) mod backups;
pub(crate) mod client_secret;
pub(crate) mod examine;
mod file;
pub(crate) mod foreign;
mod lock;
pub(crate) mod markers;
pub(crate) mod metadata;
pub(crate) mod passwords;
mod private;
pub(crate) mod record;
pub(crate) mod scratch;

pub(crate) use file::{Found, Guard, Store};
pub(crate) use lock::{Lock, jitter, patiently};
pub(crate) use private::{Stored, append};
pub(crate) use record::{Failure, Record, Token};
