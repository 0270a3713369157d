use super::*;

/// keyfob with no more than 32 MiB of memory to write to, which is less than the bodies below.
fn frugally(sandbox: &Sandbox, args: &[&str]) -> Command {
    let mut command = sandbox.command("sh");
    command.args(["-c", "ulimit -d 32768 && exec keyfob \"$@\"", "sh"]).args(args).env("KEYFOB_INTERACTIVE", "always");
    command
}

/// Answers that have no end, and what is said of them.
fn floods() -> Vec<(Reply, &'static str)> {
    let head = |more: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{more}").into_bytes();
    let endless = |head: Vec<u8>, again: &[u8]| Reply::Endless { head, again: again.to_vec(), pause: Duration::ZERO };
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    vec![
        (Reply::new(200, "application/json", vec![b' '; 64 << 20]), "sent more than a megabyte"),
        (endless(head("Content-Length: 99999999999\r\n\r\n"), &[b'['; 0x10000]), "sent more than a megabyte"),
        (endless(head("Transfer-Encoding: chunked\r\n\r\n"), &chunk), "sent more than a megabyte"),
        (endless(head("\r\n{\"device_code\":\""), &[b'x'; 0x10000]), "sent more than a megabyte"),
        (endless(head("X-Padding: "), &[b'x'; 0x10000]), "cannot talk to 127.0.0.1"),
        (endless(head(""), &b"X-Padding: x\r\n".repeat(1_000)), "cannot talk to 127.0.0.1"),
        (endless(b"HTTP/1.1 ".to_vec(), &[b'2'; 0x10000]), "cannot talk to 127.0.0.1"),
    ]
}

#[test]
fn the_limit_that_the_floods_are_run_under_is_one() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command("sh");
    command.args(["-c", "ulimit -d 32768 && exec dd if=/dev/zero of=/dev/null bs=64M count=1"]);
    assert_ne!(run(command, "").code, Some(0));
}

#[test]
fn a_flood_in_the_place_of_a_code_costs_a_megabyte_and_one_sentence() {
    for (flood, says) in floods() {
        let provider = Provider::start();
        let sandbox = Sandbox::signed_up(&provider);
        provider.instead(Endpoint::Start, flood);
        let done = run(frugally(&sandbox, &["git", "get"]), &ask("git.acme.dev"));
        assert_stopped(
            &done,
            &format!("cannot start a sign-in: {}", ["", says][usize::from(says.starts_with("cannot"))]),
        );
        assert_stopped(&done, says);
        assert_eq!(provider.count(Endpoint::Start), 1);
    }
}

#[test]
fn a_flood_in_the_place_of_a_refresh_leaves_the_session_as_it_was() {
    for (flood, says) in floods() {
        let provider = approving();
        let sandbox = signed_in(&provider);
        sandbox.expire();
        provider.instead(Endpoint::Refresh, flood.clone());
        provider.instead(Endpoint::Refresh, flood);
        let done = run(frugally(&sandbox, &["git", "get"]), &ask("git.acme.dev"));
        assert_stopped(&done, says);
        assert_stopped(&done, "the session is kept; try again");
        let told = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert_eq!(told.stderr, done.stderr, "nobody asks again at once");
        sandbox.forget_failure();
        let again = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert!(again.stdout.starts_with("username="), "{again:?}");
        assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 3));
    }
}

#[test]
fn a_flood_in_the_place_of_a_poll_or_a_sign_out_ends_as_well() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    provider.instead(Endpoint::Poll, floods().swap_remove(2).0);
    start(&sandbox);
    let done = run(frugally(&sandbox, &["token"]), "");
    assert!(done.stdout.starts_with("eyJ") && provider.count(Endpoint::Poll) == 2, "polled again: {done:?}");
    provider.instead(Endpoint::SignOut, floods().swap_remove(2).0);
    let done = run(frugally(&sandbox, &["logout"]), "");
    assert_eq!(done.code, Some(1));
    let host = provider.address;
    assert_eq!(
        done.stdout,
        format!("acme: forgotten here, but it may live on at the provider: {host} sent more than a megabyte\n")
    );
    assert!(sandbox.files(".json").is_empty());
}

/// A byte now and then, for ever: each one within any time-out that is counted from the last.
fn drip(head: &str) {
    let provider = approving();
    let sandbox = signed_in(&provider);
    sandbox.edit(|record| {
        // Inside the margin: one request for another is made, and the old one still serves.
        for (_, token) in record["tokens"].as_object_mut().unwrap() {
            (token["received_at"], token["expires_at"]) = ((now() - 3_000).into(), (now() + 50).into());
        }
    });
    let (head, again) = (head.as_bytes().to_vec(), b"x".to_vec());
    provider.instead(Endpoint::Refresh, Reply::Endless { head, again, pause: Duration::from_millis(100) });
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username=oauth2\npassword=eyJ"), "{done:?}");
    assert_eq!(provider.count(Endpoint::Refresh), 1);
}

#[test]
fn a_body_that_drips_is_not_waited_for() {
    drip("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n");
}

#[test]
fn a_header_that_drips_is_not_waited_for() {
    drip("HTTP/1.1 200 OK\r\nX-Padding: ");
}

#[test]
fn interim_answers_without_end_are_not_waited_for() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    sandbox.edit(|record| {
        for (_, token) in record["tokens"].as_object_mut().unwrap() {
            (token["received_at"], token["expires_at"]) = ((now() - 3_000).into(), (now() + 50).into());
        }
    });
    let again = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_vec();
    let pause = Duration::from_millis(5);
    provider.instead(Endpoint::Refresh, Reply::Endless { head: Vec::new(), again, pause });
    let done = run(frugally(&sandbox, &["git", "get"]), &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username=oauth2\npassword=eyJ"), "{done:?}");
}

#[test]
fn no_redirect_is_followed_and_no_secret_goes_along() {
    let elsewhere = approving();
    for status in [301, 302, 303, 307, 308] {
        let redirect = |path: &str| {
            Reply::new(status, "text/html", "<a href=x>moved</a>")
                .with("Location", &format!("{}{path}", elsewhere.url()))
        };
        let provider = approving();
        let sandbox = Sandbox::signed_up(&provider);
        provider.instead(Endpoint::Start, redirect("/user_management/authorize/device"));
        let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, &format!("answered in its place (HTTP status {status})\n"));
        provider.instead(Endpoint::Poll, redirect("/user_management/authenticate"));
        start(&sandbox);
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, "waits for approval of ");
        due(&sandbox);
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert!(done.stdout.starts_with("username="), "a portal ends no sign-in: {done:?}");
        sandbox.expire();
        provider.instead(Endpoint::Refresh, redirect("/user_management/authenticate"));
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, &format!("answered in its place (HTTP status {status})\n"));
        provider.instead(Endpoint::SignOut, redirect("/user_management/sessions/logout"));
        let done = sandbox.run(&["logout"], "");
        assert_eq!(done.stdout, format!("acme: forgotten here, the session was ended at {}\n", provider.address));
    }
    assert!(elsewhere.seen().is_empty(), "{:?}", elsewhere.seen());
}

#[test]
fn html_is_no_answer_and_none_of_it_is_shown() {
    let page = format!("<html><title>access_token=gotcha&error=x {EVIL}</title><h1>Sign in</h1></html>");
    for status in [200, 400, 401, 403, 404] {
        let provider = approving();
        let html = || Reply::new(status, "text/html; charset=utf-8", page.clone());
        let sandbox = Sandbox::signed_up(&provider);
        provider.instead(Endpoint::Start, html());
        let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, if status == 404 { "starts no sign-in: " } else { "cannot start a sign-in: " });
        assert!(!done.stderr.contains("Sign in") && !done.stderr.contains("gotcha"), "{}", done.stderr);
        sign_in(&sandbox);
        sandbox.expire();
        provider.instead(Endpoint::Refresh, html());
        provider.instead(Endpoint::Refresh, html());
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, "renew the session of acme: ");
        assert!(!done.stderr.contains("Sign in") && !done.stderr.contains("gotcha"), "{}", done.stderr);
        sandbox.edit(|record| assert!(record["refresh_token"].is_string(), "a page ends no session"));
    }
}

#[test]
fn an_answer_counts_by_what_it_holds_and_not_by_its_content_type() {
    for content_type in
        ["text/html", "text/plain; charset=utf-16", "application/octet-stream", "", "application/json; x=\u{e9}"]
    {
        let provider = Provider::start();
        let body = |reply: Reply| match reply {
            Reply::Answer { status, body, .. } => Reply::new(status, content_type, body),
            other => other,
        };
        provider.instead(Endpoint::Start, body(started(json!({}))));
        provider.instead(Endpoint::Poll, body(granted(json!({}))));
        let sandbox = Sandbox::signed_up(&provider);
        start(&sandbox);
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert!(done.stdout.starts_with("username=oauth2\npassword=at_1\n"), "{content_type}: {done:?}");
    }
}

#[test]
fn input_without_end_is_not_read_to_its_end() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let long = format!("protocol=https\nhost={}\n\n", "a".repeat(2 << 20));
    assert_stopped(&run(frugally(&sandbox, &["git", "get"]), &long), "a line is longer than git allows");
    let done = run(frugally(&sandbox, &["docker", "get"]), &"a".repeat(64 << 20));
    assert_eq!((done.stdout.as_str(), done.code), ("no credentials server URL\n", Some(1)));
    let deep = "[".repeat(100_000);
    assert_eq!(run(frugally(&sandbox, &["docker", "store"]), &deep).code, Some(1));
    let mut command = frugally(&sandbox, &["kubectl"]);
    command.env("KUBERNETES_EXEC_INFO", &deep);
    let done = run(command, "");
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.starts_with("keyfob: KUBERNETES_EXEC_INFO is not a JSON object\n"), "{}", done.stderr);
    provider.instead(Endpoint::Start, Reply::json(200, deep));
    assert_stopped(
        &run(frugally(&sandbox, &["git", "get"]), &ask("git.acme.dev")),
        "answered in its place (HTTP status 200)",
    );
    sandbox.configure(&format!("x = {}", "[".repeat(200_000)));
    assert_stopped(&run(frugally(&sandbox, &["git", "get"]), &ask("git.acme.dev")), "hint: ");
    assert!(provider.count(Endpoint::Start) == 1);
}
