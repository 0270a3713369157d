//! What is kept between commands, all of it a person's own. Records (file, record), one file a session, read without a lock,
//! written only under one (lock); beside them metadata and markers; the plain store (passwords); a client's secret; who could put others in their place (ground). For
//! `setup` other programs' files (foreign), what they were before (backups), copies to work on (scratch) and what a killed one leaves of both (litter); for `doctor` a
//! look at all of it (examine).

pub(crate) mod backups;
pub(crate) mod client_secret;
pub(crate) mod examine;
mod file;
pub(crate) mod foreign;
mod ground;
pub(crate) mod litter;
mod lock;
pub(crate) mod markers;
pub(crate) mod metadata;
pub(crate) mod passwords;
mod private;
pub(crate) mod record;
pub(crate) mod scratch;

pub(crate) use file::{Found, Guard, ReadRecord, Store};
pub(crate) use lock::{Lock, jitter};
pub(crate) use private::{Stored, append, open_plain};
pub(crate) use record::{Failure, Record};
