//! The whole thing on loopback, for a newcomer with cargo and git: an authorization server that behaves like WorkOS, a
//! git server that takes its tokens alone, and a real `git clone` with keyfob as the helper. Where kubectl, skopeo,
//! docker-registry and umoci are installed, a Kubernetes API server and a registry too, and all of them at once.
//!
//! `cargo run --example playground` waits for you to approve in a browser; `-- --approve` does that by itself.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a demonstration, not the product"
)]

#[path = "../../tests/it/support/api_server.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod api_server;
#[path = "../../tests/it/support/git_server.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod git_server;
#[allow(clippy::pedantic, unreachable_pub, reason = "a demonstration, not the product")]
mod home;
#[path = "../../tests/it/support/http.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod http;
#[path = "../../tests/it/support/provider.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod provider;
#[path = "../../tests/it/support/registry.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod registry;
#[path = "../../tests/it/support/tls_server.rs"]
#[allow(dead_code, clippy::pedantic, unreachable_pub, missing_docs, reason = "shared with the tests")]
mod tls_server;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use git_server::GitServer;
use home::{Home, Others, names};
use provider::{Endpoint, Manners, Provider};

/// How many kubectl at once.
const MANY: usize = 20;

fn main() -> ExitCode {
    // Clients run us by these names, through copies in the throw-away home: what answers then is keyfob itself.
    let called = std::env::args_os().next().unwrap_or_default();
    if Path::new(&called).file_stem().is_some_and(|name| names().iter().any(|known| name == *known)) {
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

/// What happened in one step.
struct Step {
    what: &'static str,
    took: Duration,
    /// Codes, polls, refreshes.
    counts: [usize; 3],
}

fn play(approves_by_itself: bool) -> ExitCode {
    if !home::runs("git") {
        println!("the playground needs git on the PATH");
        return ExitCode::FAILURE;
    }
    let missing = Others::missing();
    // So short that it can be waited for, so long that all of them together are done before.
    let token_life = if missing.is_empty() { 30 } else { 10 };
    let manners = Manners { token_life, approves_by_itself, ..Manners::default() };
    let provider = Provider::with(manners);
    let (repositories, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = GitServer::start(&provider, repositories.path());
    let parts = ["a.git", "b.git", "c.git", "d.git", "e.git", "f.git", "g.git", "h.git"];
    for name in parts {
        server.add(name);
    }
    server.add_with_submodules("hello.git", &parts);
    let others = missing.is_empty().then(|| Others::start(&provider, files.path()));
    let home = Home::new(&provider, &server, others.as_ref());
    println!("An authorization server that behaves like WorkOS is at {}", provider.url());
    println!("A git server that takes its tokens alone is at {}", server.url());
    match &others {
        Some(Others { cluster, registry }) => {
            println!("So does a Kubernetes API server at {}", cluster.url());
            println!("and a registry at {}", registry.host());
        }
        None => println!("kubectl and docker are left out: {} not on the PATH", missing.join(", ")),
    }
    println!("Access tokens live {token_life} seconds; each refresh token works once.");
    if !approves_by_itself {
        println!("\nOpen the address you are about to see and click Approve.");
    }

    let url = format!("{}/hello.git", server.url());
    let clone = ["clone", "--quiet", "--recurse-submodules", "-j8", &url, "hello"];
    let fetch = ["-C", "hello", "fetch", "--quiet"];
    let mut steps = Vec::new();
    let mut step = |what, commands| steps.push(observe(&provider, what, commands));
    match &others {
        Some(Others { registry, .. }) => {
            let mut all = vec![shown(home.command("git", &clone))];
            println!("$ kubectl get pods      # {MANY} times at once, in other windows");
            all.extend((0..MANY).map(|_| home.elsewhere("kubectl", &["get", "pods"])));
            println!("$ skopeo copy oci:image docker://{}/team/hello   # in another one", registry.host());
            all.push(home.copy_image(registry));
            step("all at once: a person approves", all);
        }
        None => step("clone: a person approves", vec![shown(home.command("git", &clone))]),
    }
    let begun = Instant::now();
    step("fetch: from the locked file", vec![shown(home.command("git", &fetch))]);
    println!("\nWaiting for the access token to run out ...");
    std::thread::sleep(Duration::from_secs(token_life.unsigned_abs()).saturating_sub(begun.elapsed()));
    step("fetch: a silent refresh", vec![shown(home.command("git", &fetch))]);
    step("fetch: from the file again", vec![shown(home.command("git", &fetch))]);
    conclude(&steps, others.is_some())
}

/// Prints a command as the person would have typed it.
fn shown(command: Command) -> Command {
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| word.to_string_lossy());
    println!("\n$ {}", words.collect::<Vec<_>>().join(" "));
    command
}

/// Runs commands together, and counts what they ask of the provider.
fn observe(provider: &Provider, what: &'static str, commands: Vec<Command>) -> Step {
    let (before, began) = (provider.seen().len(), Instant::now());
    let children: Vec<_> = commands.into_iter().map(|mut command| (command.spawn().unwrap(), command)).collect();
    for (mut child, command) in children {
        let status = child.wait().unwrap();
        assert!(status.success(), "{} failed: {status}", command.get_program().to_string_lossy());
    }
    let seen = provider.seen();
    let count = |endpoint| seen[before..].iter().filter(|request| request.endpoint == endpoint).count();
    let counts = [Endpoint::Start, Endpoint::Poll, Endpoint::Refresh].map(count);
    Step { what, took: began.elapsed(), counts }
}

/// The table, and whether all went as it should.
fn conclude(steps: &[Step], together: bool) -> ExitCode {
    println!("\nWhat happened                       took   codes  polls  refreshes");
    for Step { what, took, counts: [codes, polls, refreshes] } in steps {
        println!("{what:<32} {:>7} ms {codes:>5} {polls:>6} {refreshes:>10}", took.as_millis());
    }
    let counts: Vec<_> = steps.iter().map(|step| step.counts).collect();
    let well = counts[0][0] == 1 && counts[1..] == [[0; 3], [0, 0, 1], [0; 3]];
    let who = if together {
        format!("One code and one approval for a clone with 8 submodules, {MANY} kubectl and a push to a registry")
    } else {
        "One code and one approval for a clone with 8 submodules".to_owned()
    };
    if well {
        println!("\n{who};\nthen nothing but the file and one silent refresh. Nothing of this is left behind.");
        ExitCode::SUCCESS
    } else {
        println!("\nThat is not how it should have gone.");
        ExitCode::FAILURE
    }
}
