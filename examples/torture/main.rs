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

/// Marsaglia's xorshift: the same seed makes the same choices, if not the same moments.
struct Random(u64);

impl Random {
    /// Never 0, of which nothing would come.
    fn new(seed: u64, stream: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (stream + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1)
    }

    /// Less than the limit.
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
