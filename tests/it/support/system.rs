//! What tests ask of the machine they run on.
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

use std::path::Path;
use std::process::{Command, Stdio};

/// Whether these programs are here; says which is not. In CI all are.
pub fn has(programs: &[&str]) -> bool {
    let runs = |program: &str, word| {
        Command::new(program).arg(word).stdin(Stdio::null()).output().is_ok_and(|done| done.status.success())
    };
    // kubectl knows no such option.
    let is_here = |program: &str| runs(program, "--version") || runs(program, "help");
    let Some(missing) = programs.iter().find(|program| !is_here(program)) else { return true };
    assert!(std::env::var_os("CI").is_none(), "needs {missing}");
    eprintln!("skipped: needs {missing}");
    false
}

#[cfg(unix)]
pub fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(target_os = "linux")]
pub fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap()) == 0
}
