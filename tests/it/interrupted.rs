//! What happens to a process between the moment a token that works once is sent and the moment its successor is kept: signals,
//! stops, answers that are late. At a provider that ends a session whose refresh token comes back.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, ask, begin, finish, wait_for};

/// A provider without a replay window, by its profile too.
fn strict(manners: Manners) -> (Provider, Sandbox) {
    let provider = Provider::with(Manners { approves_by_itself: true, ..manners });
    let sandbox = Sandbox::signed_in_without_window(&provider);
    (provider, sandbox)
}

/// The child is keyfob itself: `env` and `setsid`, which the sandbox runs it by, exec.
fn get(sandbox: &Sandbox) -> Child {
    begin(sandbox.keyfob(&["git", "get"]), &ask("git.acme.dev"))
}

fn send(signal: &str, number: u32) {
    let status = Command::new("kill").args([&format!("-{signal}"), &number.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{signal} {number}");
}

/// Calls `then` whenever the provider has spent a refresh token and not answered yet.
fn when_spent(provider: &Provider, number: &Arc<AtomicU32>, then: impl Fn(u32) + Send + Sync + 'static) {
    let number = Arc::clone(number);
    provider
        .when_refreshed(move || then(wait_for("process", || Some(number.load(Ordering::SeqCst)).filter(|n| *n > 0))));
}

#[test]
fn no_signal_of_people_or_terminals_loses_a_session() {
    let (provider, sandbox) = strict(Manners::default());
    let number = Arc::new(AtomicU32::new(0));
    for turn in 0..8 {
        for (signal, code) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
            number.store(0, Ordering::SeqCst);
            when_spent(&provider, &number, move |process| send(signal, process));
            sandbox.expire();
            let mut child = get(&sandbox);
            number.store(child.id(), Ordering::SeqCst);
            let status = child.wait().unwrap();
            assert_eq!(status.signal(), Some(code), "{signal}: it is obeyed, afterwards ({turn})");
            // What was saved is a hit, and nothing was sent twice.
            let done = finish(get(&sandbox));
            assert!(done.stdout.starts_with("username="), "{signal}: {done:?}");
        }
    }
    assert_eq!((provider.reuses(), provider.ended_sessions()), (0, 0));
    assert_eq!(provider.count(Endpoint::Refresh), 24);
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let (provider, sandbox) = strict(Manners { refresh_takes: Duration::from_secs(20), ..Manners::default() });
    sandbox.expire();
    let mut child = get(&sandbox);
    wait_for("refresh", || (provider.count(Endpoint::Refresh) > 0).then_some(()));
    let mut sent = 0;
    let status = wait_for("end", || {
        // The first is held back; each that follows is one too many.
        send("INT", child.id());
        sent += 1;
        child.try_wait().unwrap()
    });
    assert!(status.signal() == Some(2) && sent >= 2, "{status:?} after {sent}");
}

#[test]
fn a_process_that_was_stopped_over_the_answer_reads_it_when_it_wakes() {
    let (provider, sandbox) = strict(Manners::default());
    let number = Arc::new(AtomicU32::new(0));
    for _ in 0..4 {
        let (stopped, told) = mpsc::channel();
        number.store(0, Ordering::SeqCst);
        when_spent(&provider, &number, move |process| {
            send("STOP", process);
            stopped.send(()).unwrap();
        });
        sandbox.expire();
        let child = get(&sandbox);
        number.store(child.id(), Ordering::SeqCst);
        told.recv().unwrap();
        // The answer arrives while it is stopped.
        std::thread::sleep(Duration::from_millis(300));
        send("CONT", child.id());
        let done = finish(child);
        assert!(done.stdout.starts_with("username="), "{done:?}");
    }
    assert_eq!((provider.reuses(), provider.ended_sessions(), provider.count(Endpoint::Refresh)), (0, 0, 4));
}

#[test]
fn an_answer_that_takes_fourteen_seconds_is_waited_for_and_the_token_is_sent_once() {
    let (provider, sandbox) = strict(Manners { refresh_takes: Duration::from_secs(14), ..Manners::default() });
    sandbox.expire();
    let children: Vec<Child> = (0..3).map(|_| get(&sandbox)).collect();
    for child in children {
        let done = finish(child);
        assert!(done.stdout.starts_with("username="), "{done:?}");
    }
    assert_eq!((provider.reuses(), provider.ended_sessions(), provider.count(Endpoint::Refresh)), (0, 0, 1));
}

/// Somebody who reads stderr is asked; and the process that polls is stopped.
fn stopped_poller(provider: &Provider, sandbox: &Sandbox) -> Child {
    let poller = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    wait_for("poll", || (provider.count(Endpoint::Poll) > 0).then_some(()));
    // Not with the record's lock in hand, which nobody steps over.
    wait_for("a moment without the lock", || {
        send("STOP", poller.id());
        let lock = sandbox.files(".lock").pop().expect("it was locked");
        let is_free = Command::new("flock").arg("-n").arg(lock).arg("true").status().unwrap().success();
        if !is_free {
            send("CONT", poller.id());
        }
        is_free.then_some(())
    });
    poller
}

#[test]
fn a_poller_that_is_stopped_is_stepped_over_and_the_approval_is_used() {
    let provider = Provider::with(Manners { interval: Some(1), ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let poller = stopped_poller(&provider, &sandbox);
    let code = crate::support::sandbox::open_code(&provider);
    provider.decide(&code, true);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
    assert!(done.stderr.contains(&code), "{done:?}");
    send("CONT", poller.id());
    let woken = finish(poller);
    assert!(woken.stdout.starts_with("username="), "{woken:?}");
    assert_eq!((provider.count(Endpoint::Start), provider.reuses(), provider.ended_sessions()), (1, 0, 0));
}

#[test]
fn when_the_code_of_a_stopped_poller_is_over_another_begins_and_says_what_it_waits_for() {
    let provider = Provider::with(Manners { interval: Some(1), code_life: 4, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let poller = stopped_poller(&provider, &sandbox);
    let first = crate::support::sandbox::open_code(&provider);
    let record: serde_json::Value = serde_json::from_slice(&std::fs::read(sandbox.record()).unwrap()).unwrap();
    let end = record["pending"]["expires_at"].as_i64().unwrap();
    wait_for("end of the code", || (crate::support::sandbox::now() > end).then_some(()));
    provider.change(|manners| manners.code_life = 300);
    let next = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    let start = begin(sandbox.keyfob(&["login", "--start", "--json"]), "");
    let second = wait_for("another code", || provider.open_codes().into_iter().find(|code| *code != first));
    let started = finish(start);
    assert!(started.code == Some(0) && started.stdout.contains(&second), "{started:?}");
    provider.decide(&second, true);
    let done = finish(next);
    assert!(done.stdout.starts_with("username="), "{done:?}");
    assert!(done.stderr.contains("another keyfob begins a sign-in to acme; waiting for it"), "{done:?}");
    send("CONT", poller.id());
    finish(poller);
}

/// Approved at the last moment: the poll that would have been due when all is over is made before.
#[test]
fn a_code_that_is_approved_just_before_its_end_is_asked_for_once_more() {
    let provider = Provider::with(Manners { interval: Some(1), code_life: 4, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let get = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    wait_for("poll", || (provider.count(Endpoint::Poll) > 0).then_some(()));
    let code = crate::support::sandbox::open_code(&provider);
    provider.decide(&code, true);
    let done = finish(get);
    assert!(done.stdout.starts_with("username="), "{done:?}");
    assert_eq!(provider.count(Endpoint::Poll), 2);
}
