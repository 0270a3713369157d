//! The whole thing on loopback, for a newcomer with cargo and git: an authorization server that behaves like WorkOS, a
//! git server that takes its tokens alone, and a real `git clone` with keyfob as the helper.
//!
//! `cargo run --example playground` waits for you to approve in a browser; `-- --approve` does that by itself.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a demonstration, not the product"
)]

#[path = "../tests/it/support/git_server.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod git_server;
#[path = "../tests/it/support/http.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod http;
#[path = "../tests/it/support/provider.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod provider;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use git_server::GitServer;
use provider::{CLIENT_ID, Endpoint, Manners, Provider};

/// So short that it can be waited for.
const TOKEN_LIFE: u32 = 10;

fn main() -> ExitCode {
    // git runs us by this name, through a link in the throw-away home: what answers then is keyfob itself.
    let called = std::env::args_os().next().unwrap_or_default();
    if Path::new(&called).file_stem().is_some_and(|name| name == "git-credential-keyfob") {
        return keyfob::run(std::env::args_os());
    }
    match std::env::args().skip(1).collect::<Vec<_>>()[..] {
        [] => play(false),
        [ref word] if word == "--approve" => play(true),
        _ => {
            println!("usage: cargo run --example playground [-- --approve]");
            ExitCode::from(2)
        }
    }
}

/// A throw-away home with a git that has keyfob as its helper.
struct Home {
    root: tempfile::TempDir,
}

impl Home {
    fn new(provider: &Provider, server: &GitServer) -> Self {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let helper = bin.join(format!("git-credential-keyfob{}", std::env::consts::EXE_SUFFIX));
        fs::copy(std::env::current_exe().unwrap(), helper).unwrap();
        fs::write(
            root.path().join("config.toml"),
            format!(
                "[profile.playground]\nprovider = \"workos\"\nclient_id = \"{CLIENT_ID}\"\nbase_url = \"{}\"\nhosts = [\"{}\"]\n",
                provider.url(),
                server.url()
            ),
        )
        .unwrap();
        fs::write(
            root.path().join(".gitconfig"),
            format!("[credential \"{}\"]\n\thelper =\n\thelper = keyfob\n", server.url()),
        )
        .unwrap();
        Self { root }
    }

    /// Runs git as the person would, and tells how long it took.
    fn git(&self, args: &[&str]) -> Duration {
        println!("\n$ git {}", args.join(" "));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let bin = std::iter::once(self.root.path().join("bin"));
        let began = Instant::now();
        let status = Command::new("git")
            .args(args)
            .current_dir(self.root.path())
            .env("PATH", std::env::join_paths(bin.chain(std::env::split_paths(&path))).unwrap())
            .env("HOME", self.root.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", self.root.path().join(".gitconfig"))
            .env("KEYFOB_CONFIG", self.root.path().join("config.toml"))
            .env("KEYFOB_STATE_DIR", self.root.path().join("state"))
            .env("KEYFOB_INTERACTIVE", "always")
            .status()
            .unwrap();
        assert!(status.success(), "git failed: {status}");
        began.elapsed()
    }
}

fn play(approves_by_itself: bool) -> ExitCode {
    if Command::new("git").arg("--version").output().is_err() {
        println!("the playground needs git on the PATH");
        return ExitCode::FAILURE;
    }
    let manners = Manners { token_life: i64::from(TOKEN_LIFE), approves_by_itself, ..Manners::default() };
    let provider = Provider::with(manners);
    let repositories = tempfile::tempdir().unwrap();
    let server = GitServer::start(&provider, repositories.path());
    server.add("hello.git");
    let home = Home::new(&provider, &server);
    println!("An authorization server that behaves like WorkOS is at {}", provider.url());
    println!("A git server that takes its tokens alone is at {}", server.url());
    println!("Access tokens live {TOKEN_LIFE} seconds; each refresh token works once.");
    if !approves_by_itself {
        println!("\nOpen the address you are about to see and click Approve.");
    }

    let url = format!("{}/hello.git", server.url());
    let mut steps = Vec::new();
    let mut step = |what: &'static str, args: &[&str]| {
        let before = provider.seen().len();
        let took = home.git(args);
        let seen = provider.seen();
        let count = |endpoint| seen[before..].iter().filter(|request| request.endpoint == endpoint).count();
        let counts = [Endpoint::Start, Endpoint::Poll, Endpoint::Refresh].map(count);
        steps.push((what, took, counts));
        counts
    };

    let cloned = step("clone: a person approves", &["clone", "--quiet", &url, "hello"]);
    let fetched = step("fetch: from the locked file", &["-C", "hello", "fetch"]);
    println!("\nWaiting {TOKEN_LIFE} seconds for the access token to run out ...");
    std::thread::sleep(Duration::from_secs(TOKEN_LIFE.into()));
    let renewed = step("fetch: a silent refresh", &["-C", "hello", "fetch"]);
    let again = step("fetch: from the file again", &["-C", "hello", "fetch"]);

    println!("\nWhat happened                  took   codes  polls  refreshes");
    for (what, took, [starts, polls, refreshes]) in steps {
        println!("{what:<28} {:>6} ms {starts:>5} {polls:>6} {refreshes:>10}", took.as_millis());
    }
    let well = cloned[0] == 1 && fetched == [0; 3] && renewed == [0, 0, 1] && again == [0; 3];
    println!(
        "\n{}",
        if well {
            "One code, one approval; then nothing but the file and one silent refresh. Nothing of this is left behind."
        } else {
            "That is not how it should have gone."
        }
    );
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
