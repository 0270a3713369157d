use std::time::Duration;

use crate::support::http::Reply;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, ask, finish, now, open_code, wait_for};

fn approving() -> Provider {
    Provider::with(Manners { approves_by_itself: true, ..Manners::default() })
}

#[test]
fn a_miss_asks_once_and_every_later_get_is_a_hit() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let child = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    let code = open_code(&provider);
    provider.decide(&code, true);
    let first = finish(child);
    let url = provider.url();
    let hostname = hostname();
    assert_eq!(
        first.stderr,
        format!(
            "keyfob: git needs to sign in to git.acme.dev (profile acme at WorkOS AuthKit)\n\
             keyfob:   open {url}/device\n\
             keyfob:   code {code}\n\
             keyfob:   or   {url}/device?user_code={code}\n\
             keyfob: approve only if you just ran this on {hostname}; 5 minutes left\n\
             keyfob: signed in to acme as ann@acme.dev\n"
        )
    );
    let lines: Vec<&str> = first.stdout.lines().collect();
    let [username, password, expiry] = lines[..] else { panic!("{first:?}") };
    assert_eq!(username, "username=oauth2");
    assert!(provider.accepts(password.strip_prefix("password=").unwrap()));
    let expiry: i64 = expiry.strip_prefix("password_expiry_utc=").unwrap().parse().unwrap();
    let left = expiry - now();
    assert!((235..=240).contains(&left), "300 seconds less the margin of 60: {left}");

    let requests = provider.seen().len();
    let second = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!((second.stdout, second.stderr), (first.stdout, String::new()));
    assert_eq!(provider.seen().len(), requests, "a hit asks nobody");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

fn hostname() -> String {
    String::from_utf8(std::process::Command::new("uname").arg("-n").output().unwrap().stdout).unwrap().trim().to_owned()
}

#[test]
fn what_is_sent_is_what_a_public_client_sends() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    let seen = provider.seen();
    let sent: Vec<Vec<&str>> = seen
        .iter()
        .map(|request| {
            let mut names: Vec<&str> = request.form.keys().map(String::as_str).collect();
            names.sort_unstable();
            names
        })
        .collect();
    assert_eq!(sent, [vec!["client_id"], vec!["client_id", "device_code", "grant_type"]]);
    for request in &seen {
        assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(request.headers["accept"], "application/json");
        assert!(request.headers["user-agent"].starts_with("keyfob/"));
        assert!(!request.headers.contains_key("authorization"));
    }
}

#[test]
fn the_first_poll_waits_one_interval() {
    let provider = Provider::with(Manners { interval: None, approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
    let (start, poll) = (&provider.of(Endpoint::Start)[0], &provider.of(Endpoint::Poll)[0]);
    assert!(poll.at - start.at >= Duration::from_secs(5), "5 s where the answer names none");
    assert_eq!(provider.count(Endpoint::Poll), 1);
}

#[test]
fn slow_down_adds_five_seconds() {
    let provider = approving();
    let slow_down = r#"{"error":"slow_down","error_description":"Not so fast"}"#;
    provider.instead(Endpoint::Poll, Reply::json(400, slow_down));
    let sandbox = Sandbox::signed_up(&provider);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
    let polls = provider.of(Endpoint::Poll);
    assert!(polls[1].at - polls[0].at >= Duration::from_secs(6), "1 s and 5 more");
}

#[test]
fn a_server_that_fails_for_a_moment_is_asked_again() {
    let provider = approving();
    provider.instead(Endpoint::Poll, Reply::new(502, "text/html", "<h1>Bad gateway</h1>"));
    let sandbox = Sandbox::signed_up(&provider);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn a_denial_ends_it_with_a_sentence() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let child = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    provider.decide(&open_code(&provider), false);
    let done = finish(child);
    assert_eq!(done.stdout, "quit=1\n");
    assert_eq!(done.code, Some(0));
    assert!(
        done.stderr
            .ends_with("keyfob: the sign-in to acme was denied: The person said no\nkeyfob: hint: to try again, run: keyfob login acme\n"),
        "{}",
        done.stderr
    );
}

#[test]
fn an_expired_code_ends_it_and_is_not_replaced() {
    let provider = Provider::with(Manners { code_life: 2, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    assert!(done.stderr.contains("keyfob: the code expired before it was approved"), "{}", done.stderr);
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn any_other_error_ends_it_with_the_servers_words() {
    for (status, body, words) in [
        (
            400,
            r#"{"code":"mfa_enrollment","message":"Enroll \u001b[2J first"}"#,
            "mfa_enrollment: Enroll \\u{1b}[2J first",
        ),
        (400, r#"{"error":"invalid_grant","error_description":"No such code"}"#, "invalid_grant: No such code"),
        (404, "<h1>nginx</h1>", "HTTP status 404"),
        (200, r#"{"access_token":"t","token_type":"DPoP"}"#, "it grants tokens of type \"DPoP\""),
    ] {
        let provider = Provider::start();
        provider.instead(Endpoint::Poll, Reply::json(status, body));
        let sandbox = Sandbox::signed_up(&provider);
        let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
        assert_eq!(done.stdout, "quit=1\n", "{body}");
        assert!(done.stderr.contains(&format!("ended the sign-in: {words}")), "{}", done.stderr);
    }
}

#[test]
fn a_start_that_is_refused_names_the_mend() {
    for (status, body, says, mend) in [
        (
            400,
            r#"{"error":"invalid_client","error_description":"Unknown client"}"#,
            "invalid_client: Unknown client",
            "check client_id",
        ),
        (
            403,
            r#"{"error":"access_denied","error_description":"Device authorization grant is not enabled for this team"}"#,
            "access_denied: Device authorization grant is not enabled for this team",
            "allow the device flow",
        ),
        (
            200,
            r#"{"device_code":"dc_secret_x","user_code":"u","verification_uri":"javascript:alert(1)"}"#,
            "verification_uri",
            "see https://",
        ),
        (500, "", "HTTP status 500", "try again"),
    ] {
        let provider = Provider::start();
        provider.instead(Endpoint::Start, Reply::json(status, body));
        let sandbox = Sandbox::signed_up(&provider);
        let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
        assert_eq!(done.stdout, "quit=1\n", "{body}");
        assert!(done.stderr.contains(says) && done.stderr.contains(mend), "{}", done.stderr);
        assert!(!done.stderr.contains("dc_secret"));
    }
}

#[test]
fn device_codes_and_tokens_are_never_shown() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.contains("password=eyJ"));
    for secret in ["dc_secret", "rt_secret", "eyJ"] {
        assert!(!done.stderr.contains(secret), "{}", done.stderr);
    }
    assert!(!done.stdout.contains("rt_secret") && !done.stdout.contains("dc_secret"));
}

#[test]
fn all_who_ask_at_once_share_one_code_and_one_approval() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let children: Vec<_> = (0..8).map(|_| sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"))).collect();
    let code = open_code(&provider);
    // Everybody has shown it once the record has it and a poll has been answered.
    wait_for("poll", || (provider.count(Endpoint::Poll) > 1).then_some(()));
    provider.decide(&code, true);
    let answers: Vec<_> = children.into_iter().map(finish).collect();
    for answer in &answers {
        assert_eq!(answer.stdout, answers[0].stdout);
        assert!(answer.stdout.starts_with("username=oauth2\npassword="));
        assert!(answer.stderr.contains(&code), "{}", answer.stderr);
    }
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn a_denial_is_told_to_all_who_wait() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let children: Vec<_> = (0..5).map(|_| sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"))).collect();
    let code = open_code(&provider);
    wait_for("poll", || (provider.count(Endpoint::Poll) > 1).then_some(()));
    provider.decide(&code, false);
    for child in children {
        let done = finish(child);
        assert_eq!(done.stdout, "quit=1\n");
        assert!(done.stderr.contains("was denied"), "{}", done.stderr);
    }
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn when_the_poller_is_killed_the_next_takes_over_its_code() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let mut first = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    let code = open_code(&provider);
    wait_for("poll", || (provider.count(Endpoint::Poll) > 0).then_some(()));
    first.kill().unwrap();
    first.wait().unwrap();
    provider.decide(&code, true);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username=oauth2\n"), "{done:?}");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn a_login_that_was_started_is_redeemed_by_the_next_command() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let started = sandbox.run(&["login", "acme", "--start", "--json"], "");
    let told: serde_json::Value = serde_json::from_str(&started.stdout).unwrap();
    assert!(!started.stdout.contains("dc_secret"));
    let code = told["user_code"].as_str().unwrap();
    assert_eq!(told["verification_uri"], format!("{}/device", provider.url()));
    assert_eq!(told["profile"], "acme");
    // Nobody has approved: one poll, and the code in the message.
    let early = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(early.stdout, "quit=1\n");
    assert_eq!(
        early.stderr,
        format!(
            "keyfob: the sign-in to acme waits for approval of {code} at {}/device; approve it, or run: keyfob login acme --start\n",
            provider.url()
        )
    );
    provider.decide(code, true);
    let redeemed = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(redeemed.stdout.starts_with("username=oauth2\n"), "{redeemed:?}");
    assert_eq!(redeemed.stderr, "");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn a_clock_that_was_set_back_stops_no_poll() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    sandbox.run(&["login", "--start"], "");
    sandbox.edit(|record| {
        for time in ["started_at", "expires_at", "next_poll_at"] {
            record["pending"][time] = (record["pending"][time].as_i64().unwrap() + 1_200).into();
        }
    });
    wait_for("interval", || (provider.of(Endpoint::Start)[0].at.elapsed() > Duration::from_secs(1)).then_some(()));
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
}

#[test]
fn a_sign_in_that_was_called_off_stays_so() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let child = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    open_code(&provider);
    wait_for("poll", || (provider.count(Endpoint::Poll) > 0).then_some(()));
    sandbox.run(&["logout"], "");
    let done = finish(child);
    assert_eq!(done.stdout, "quit=1\n");
    assert!(done.stderr.contains("was called off"), "{}", done.stderr);
    assert_eq!(provider.count(Endpoint::Start), 1);
}
