//! What keyfob costs, beside what it takes the place of, as Markdown: `cargo bench`. Whole processes, in pairs that take
//! turns, so that a machine which is busy for a while is busy for both.
//!
//! `cargo bench --bench speed -- --guard` holds the figures that do not depend on how busy a machine is to their bounds.
#![allow(
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    reason = "a measurement, not the product"
)]

#[cfg(unix)]
mod crowds;
#[cfg(unix)]
mod guard;
#[cfg(unix)]
mod hits;
#[cfg(unix)]
mod home;
#[cfg(unix)]
mod measure;
#[cfg(unix)]
mod peers;
#[cfg(unix)]
mod refreshes;
#[cfg(unix)]
#[path = "../../tests/it/support/mod.rs"]
mod support;
#[cfg(unix)]
mod wire;

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.first().and_then(|word| word.to_str()) {
        Some("--peak-of") => measure::print_peak_of(&words[1..]),
        Some("--guard") => return if guard::holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        // `cargo bench` says --bench.
        _ => {
            hits::print();
            refreshes::print();
            crowds::print();
        }
    }
    ExitCode::SUCCESS
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    println!("What a process takes is only counted on Unix here.");
    ExitCode::SUCCESS
}
