//! Real clients against real servers on loopback, with the snippets of these folders as their configuration. A tool that
//! is absent is a printed reason; in CI it is a failure.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests stop at the first surprise")]
#![allow(clippy::pedantic, clippy::print_stderr, missing_docs, unreachable_pub, reason = "tests are read, not linked")]

#[path = "../tests/it/support/mod.rs"]
mod support;

// git against `git http-backend`, and as the judge of our plain store.
mod git;
// kubectl against an API server that wants a token.
mod kubectl;
// docker and skopeo against the real docker-registry.
mod docker;
// keyfob against oidc-provider, a real authorization server.
mod oidc;
// What setup changes comes back, whatever else others change.
mod walk;
// What the doctor names, mended as it says.
#[cfg(unix)]
mod mended;
// All three on one session.
mod together;
// What the documents say, done.
mod documents;

/// Whether a tool is there and new enough; says why not.
fn has(tool: &str, least: (u32, u32)) -> bool {
    let found = version(tool);
    let enough = found.is_some_and(|found| found >= least);
    if !enough {
        let found = found.map_or("none".to_owned(), |(major, minor)| format!("{major}.{minor}"));
        let reason = format!("needs {tool} {}.{} or newer, found {found}", least.0, least.1);
        assert!(std::env::var_os("CI").is_none(), "{reason}");
        eprintln!("skipped: {reason}");
    }
    enough
}

/// The version of a tool, if it is there: the first two numbers that stand together in what it says of itself.
fn version(tool: &str) -> Option<(u32, u32)> {
    let arguments: &[_] = if tool == "kubectl" { &["version", "--client"] } else { &["--version"] };
    let output = std::process::Command::new(tool).args(arguments).output().ok()?;
    String::from_utf8_lossy(&output.stdout).split([' ', '/', '-', '"', '\n']).find_map(|word| {
        let mut numbers = word.trim_start_matches(['v', 'V']).split('.').map(|part| part.parse().ok());
        Some((numbers.next()??, numbers.next()??))
    })
}
