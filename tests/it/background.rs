//! A token that lives is renewed by a process that nobody waits for: whoever asks is answered with what lives, however slow the
//! provider is, and no answer that exists once is given up.

use std::time::{Duration, Instant};

use crate::support::http::Reply;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, ask, begin, finish, now, wait_for};

/// Signed in, with a token inside its margin; by a profile without a replay window.
fn due(manners: Manners) -> (Provider, Sandbox) {
    let provider = Provider::with(Manners { approves_by_itself: true, ..manners });
    let sandbox = Sandbox::signed_in_without_window(&provider);
    age(&sandbox);
    (provider, sandbox)
}

/// Puts the tokens into their margin.
fn age(sandbox: &Sandbox) {
    sandbox.edit(|record| {
        for (_, token) in record["tokens"].as_object_mut().unwrap() {
            (token["received_at"], token["expires_at"]) = ((now() - 260).into(), (now() + 40).into());
        }
    });
}

fn get(sandbox: &Sandbox) -> String {
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username=") && done.stderr.is_empty(), "{done:?}");
    done.stdout.lines().find_map(|line| line.strip_prefix("password=")).expect("a token").to_owned()
}

#[test]
fn a_provider_that_is_well_gives_the_new_token_to_the_one_who_asked() {
    let (provider, sandbox) = due(Manners::default());
    let old = get_kept(&sandbox);
    let new = get(&sandbox);
    assert!(new != old && provider.accepts(&new));
    assert_eq!((get(&sandbox), provider.count(Endpoint::Refresh)), (new, 1));
}

/// Only looked at: a process in the background may be writing.
fn get_kept(sandbox: &Sandbox) -> String {
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(sandbox.record()).unwrap()).unwrap();
    record["tokens"][""]["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn nobody_waits_for_a_slow_answer_and_it_is_not_lost() {
    let (provider, sandbox) = due(Manners { refresh_takes: Duration::from_secs(4), ..Manners::default() });
    let old = get_kept(&sandbox);
    for _ in 0..20 {
        assert_eq!(get(&sandbox), old, "what lives serves");
    }
    assert_eq!(provider.count(Endpoint::Refresh), 1);
    // The answer comes when all of them have gone.
    let new = wait_for("successor", || Some(get_kept(&sandbox)).filter(|kept| *kept != old));
    assert_eq!(get(&sandbox), new);
    assert_eq!((provider.count(Endpoint::Refresh), provider.reuses(), provider.ended_sessions()), (1, 0, 0));
}

#[test]
fn twenty_commands_at_a_provider_that_hangs_wait_for_it_once() {
    let (provider, sandbox) = due(Manners { refresh_takes: Duration::from_secs(3_600), ..Manners::default() });
    let began = Instant::now();
    for _ in 0..20 {
        get(&sandbox);
    }
    assert!(began.elapsed() < Duration::from_secs(30), "each of them waited");
    assert_eq!(provider.count(Endpoint::Refresh), 1);
}

#[test]
fn many_at_once_begin_one_renewal() {
    let (provider, sandbox) = due(Manners { refresh_takes: Duration::from_millis(300), ..Manners::default() });
    let children: Vec<_> = (0..40).map(|_| begin(sandbox.keyfob(&["git", "get"]), &ask("git.acme.dev"))).collect();
    for child in children {
        let done = finish(child);
        assert!(done.stdout.starts_with("username="), "{done:?}");
    }
    assert_eq!((provider.count(Endpoint::Refresh), provider.reuses()), (1, 0));
}

#[test]
fn a_failure_is_remembered_and_the_while_grows() {
    let (provider, sandbox) = due(Manners::default());
    let mut memories = Vec::new();
    for _ in 0..6 {
        provider.instead(Endpoint::Refresh, Reply::new(503, "text/plain", ""));
        get(&sandbox);
        sandbox.edit(|record| {
            let failure = &record["failure"];
            memories.push(failure["until"].as_i64().unwrap() - failure["at"].as_i64().unwrap());
        });
        get(&sandbox);
        sandbox.forget_failure();
    }
    assert_eq!(memories, [2, 4, 8, 16, 30, 30]);
    assert_eq!(provider.count(Endpoint::Refresh), 6, "one try in each while");
    let old = get_kept(&sandbox);
    assert_ne!(get(&sandbox), old);
}
