use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, ask, open_code};

const MANY: usize = 1_000;

/// Starts many at once, each with files for what it says: pipes would be more than one process may hold.
fn crowd(sandbox: &Sandbox, interactive: &str) -> Vec<Child> {
    let input = sandbox.home().join("ask");
    fs::write(&input, ask("git.acme.dev")).unwrap();
    let start = |number: usize| {
        let mut command = sandbox.keyfob(&["git", "get"]);
        command.env("KEYFOB_INTERACTIVE", interactive).stdin(File::open(&input).unwrap());
        command.stdout(File::create(sandbox.home().join(format!("answer-{number}"))).unwrap());
        command.stderr(Stdio::null()).spawn().unwrap()
    };
    (0..MANY).map(start).collect()
}

/// How many different answers there are, each with a token the provider accepts.
fn answers(sandbox: &Sandbox, provider: &Provider, children: Vec<Child>) -> usize {
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let mut answers: Vec<String> =
        (0..MANY).map(|number| fs::read_to_string(sandbox.home().join(format!("answer-{number}"))).unwrap()).collect();
    for answer in &answers {
        let token = answer.lines().find_map(|line| line.strip_prefix("password="));
        assert!(token.is_some_and(|token| provider.accepts(token)), "{answer:?}");
    }
    answers.sort();
    answers.dedup();
    answers.len()
}

#[test]
fn a_thousand_on_an_empty_store_share_one_code() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let children = crowd(&sandbox, "always");
    provider.decide(&open_code(&provider), true);
    assert_eq!(answers(&sandbox, &provider, children), 1);
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 0));
}

#[test]
fn a_thousand_on_an_expired_session_share_one_refresh() {
    let provider = Provider::with(Manners {
        approves_by_itself: true,
        refresh_takes: Duration::from_millis(300),
        ..Manners::default()
    });
    let sandbox = Sandbox::signed_up(&provider);
    sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    sandbox.expire();
    let children = crowd(&sandbox, "never");
    assert_eq!(answers(&sandbox, &provider, children), 1);
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 1));
    assert_eq!(provider.reuses(), 0);
}
