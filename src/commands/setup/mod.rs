//! `keyfob setup`: makes a profile, and has clients ask keyfob.

mod convert;
mod profile;

use std::process::ExitCode;

use crate::cli::{SetUp, Setup};
use crate::error::Result;
use crate::setup::How;

#[inline(never)]
pub(super) fn run(setup: &Setup) -> Result<ExitCode> {
    let how = How { dry_run: setup.dry_run, undo: setup.undo };
    match &setup.what {
        SetUp::Profile(command) => profile::run(command, how),
        SetUp::Client(called) => called.run(how),
    }
}
