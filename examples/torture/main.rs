//! What must not be lost, in ways that really happen, for as long as one likes.
//!
//! `cargo run --release --example torture -- --seconds 60 --seed 7 [--no-window]`: random parallel requests through all three
//! protocols, killed at random moments. With `--kills 10000` it goes on until so many were killed.
//!
//! `cargo run --release --example torture -- strict --seed 7`: at a provider that ends a session whose refresh token comes back,
//! refreshes that are interrupted, stopped, or answered late.
#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a trial, not the product")]

#[path = "../../tests/it/support/http.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod http;
#[path = "../../tests/it/support/provider.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod provider;
#[path = "../../tests/it/support/random.rs"]
#[allow(unreachable_pub, reason = "shared with the tests")]
mod random;

mod home;
mod kills;
#[cfg(unix)]
mod strict;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: torture [--seconds N | --kills N] [--seed S] [--no-window]\n       \
                     torture strict [--interrupted N] [--stopped N] [--slow N] [--seed S]";

fn main() -> ExitCode {
    // The links in the throw-away home run us by these names: what answers then is keyfob itself.
    let called = std::env::args_os().next().unwrap_or_default();
    if Path::new(&called).file_stem().is_some_and(|name| name.to_string_lossy().contains("keyfob")) {
        return keyfob::run(std::env::args_os());
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.split_first() {
        #[cfg(unix)]
        Some((mode, rest)) if mode == "strict" => strict::Trials::of(rest).map(strict::run),
        _ => kills::Options::of(&args).map(kills::run),
    };
    done.unwrap_or_else(|| {
        println!("{USAGE}");
        ExitCode::from(2)
    })
}
