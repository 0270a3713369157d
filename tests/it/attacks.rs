use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::http::Reply;
use crate::support::provider::{CLIENT_ID, Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, now, run, workos};

/// What would clear a screen, end a line, speak in our name and turn the rest round.
const EVIL: &str =
    "\u{1b}[2J\u{1b}]0;t\u{7}\r\nkeyfob:   open https://evil.dev\n\u{9b}31m\u{202e}\u{2066}\u{200b}\u{7f}\u{8}";
const CLUSTER: &str = "https://k8s.acme.dev:6443";

/// One that approves by itself and does not mind how soon it is asked.
fn approving() -> Provider {
    Provider::with(Manners { approves_by_itself: true, interval: Some(0), ..Manners::default() })
}

/// Asks for a code, and makes its first poll due for whatever command comes next.
fn start(sandbox: &Sandbox) {
    let done = sandbox.run(&["login", "--start"], "");
    assert_eq!(done.code, Some(0), "{done:?}");
    due(sandbox);
}

/// Makes the next poll due.
fn due(sandbox: &Sandbox) {
    sandbox.edit(|record| record["pending"]["next_poll_at"] = now().into());
}

/// Signs in without a wait.
fn sign_in(sandbox: &Sandbox) {
    start(sandbox);
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
}

fn signed_in(provider: &Provider) -> Sandbox {
    let sandbox = Sandbox::signed_up(provider);
    sign_in(&sandbox);
    sandbox
}

/// Nothing that moves a cursor or turns text round, and no line that is not ours.
fn assert_plain(done: &Transcript) {
    for text in [&done.stdout, &done.stderr] {
        let bad = |c: char| {
            (c.is_control() && c != '\n')
                || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        };
        assert!(!text.contains(bad), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("keyfob:   open https://evil")), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    assert!(done.stderr.lines().all(|line| line.starts_with("keyfob: ")), "{}", done.stderr);
}

fn assert_no_secret(done: &Transcript) {
    for secret in ["rt_secret", "dc_secret", "eyJ"] {
        assert!(!done.stderr.contains(secret) && !done.stdout.contains(secret), "{done:?}");
    }
}

/// What git gets when there is no credential: to be stopped, and a line for the person.
fn assert_stopped(done: &Transcript, says: &str) {
    assert_eq!((done.stdout.as_str(), done.code), ("quit=1\n", Some(0)), "{done:?}");
    assert!(done.stderr.contains(says), "{says}: {}", done.stderr);
    assert_plain(done);
    assert_no_secret(done);
}

/// A device authorization answer with some members of its own.
fn started(with: Value) -> Reply {
    let mut body = json!({
        "device_code": "dc_secret_1", "user_code": "ABCD-EFGH", "expires_in": 300, "interval": 1,
        "verification_uri": "https://auth.acme.dev/device",
    });
    body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    Reply::json(200, body.to_string())
}

fn granted(with: Value) -> Reply {
    let mut body =
        json!({ "access_token": "at_1", "refresh_token": "rt_secret_1", "token_type": "Bearer", "expires_in": 300 });
    body.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    Reply::json(200, body.to_string())
}

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
        assert_stopped(&done, "starts no sign-in: HTTP status 3");
        provider.instead(Endpoint::Poll, redirect("/user_management/authenticate"));
        start(&sandbox);
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, &format!("ended the sign-in: HTTP status {status}\n"));
        sign_in(&sandbox);
        sandbox.expire();
        provider.instead(Endpoint::Refresh, redirect("/user_management/authenticate"));
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, &format!("refuses to renew the session of acme: HTTP status {status}"));
        provider.instead(Endpoint::SignOut, redirect("/user_management/sessions/logout"));
        let done = sandbox.run(&["logout"], "");
        assert_eq!(done.stdout, format!("acme: forgotten here, ended at {}\n", provider.address));
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
        assert_stopped(&done, "starts no sign-in: ");
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
fn what_an_authorization_server_says_cannot_speak_in_our_name() {
    let hostname = {
        let output = Command::new("uname").arg("-n").output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    provider
        .instead(Endpoint::Start, Reply::json(400, json!({ "error": EVIL, "error_description": EVIL }).to_string()));
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    let shown = "\\u{1b}[2J\\u{1b}]0;t\\u{7}\\u{d}\\u{a}keyfob:   open https://evil.dev\\u{a}\\u{9b}31m\\u{202e}\\u{2066}\\u{200b}\\u{7f}\\u{8}";
    assert_eq!(
        done.stderr,
        format!(
            "keyfob: {} starts no sign-in: {shown}: {shown}\nkeyfob: hint: see https://workos.com/docs/authkit/cli-auth\n",
            provider.address
        )
    );
    assert_stopped(&done, "");
    // Everything a code comes with, and everything it becomes.
    let sandbox = Sandbox::signed_up(&provider);
    let code = "\u{1b}[2J\r\nkeyfob: open evil\u{202e}";
    provider.instead(
        Endpoint::Start,
        started(json!({ "user_code": code, "verification_uri_complete": format!("https://a.dev/{EVIL}") })),
    );
    provider.instead(
        Endpoint::Poll,
        granted(json!({ "user": { "id": EVIL, "email": EVIL }, "organization_id": EVIL, "scope": EVIL })),
    );
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(
        done.stderr,
        format!(
            "keyfob: git needs to sign in to git.acme.dev (profile acme at WorkOS AuthKit)\n\
             keyfob:   open https://auth.acme.dev/device\n\
             keyfob:   code \\u{{1b}}[2J\\u{{d}}\\u{{a}}keyfob: open evil\\u{{202e}}\n\
             keyfob: approve only if you just ran this on {hostname}; 5 minutes left\n\
             keyfob: signed in to acme as {shown}\n"
        )
    );
    assert_plain(&sandbox.run(&["status"], ""));
    let told = sandbox.run(&["status", "--json"], "");
    assert_plain(&told);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["sessions"][0]["email"], &told["sessions"][0]["organization"]), (&json!(EVIL), &json!(EVIL)));
    // The end of a session, and what is remembered of it.
    sandbox.expire();
    provider.instead(
        Endpoint::Refresh,
        Reply::json(400, json!({ "error": "invalid_grant", "error_description": EVIL }).to_string()),
    );
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(
        done.stderr,
        format!(
            "keyfob: the session of acme has ended (invalid_grant: {shown}) and nobody is here to sign in (CI); run: keyfob login acme\n"
        )
    );
    provider.instead(Endpoint::Start, started(json!({ "user_code": code })));
    for args in [&["login", "--start"][..], &["login", "--start", "--json"], &["status"], &["status", "--json"]] {
        let done = sandbox.run(args, "");
        assert_eq!(done.code, Some(0), "{done:?}");
        assert_plain(&done);
    }
    assert_plain(&sandbox.run(&["git", "get"], &ask("git.acme.dev")));
}

#[test]
fn what_a_client_says_cannot_speak_in_our_name() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    sandbox.configure(&workos(&provider, "acme", &format!("hosts = [\"git.acme.dev\"]\nclusters = [\"{CLUSTER}\"]")));
    let json = |text: &str| json!(text).to_string();
    for info in [
        EVIL.to_owned(),
        format!("{{\"apiVersion\":{}}}", json(EVIL)),
        format!("{{\"spec\":{{\"cluster\":{{\"server\":{}}}}}}}", json(EVIL)),
        format!("{{\"spec\":{{\"cluster\":{{\"server\":{}}}}}}}", json("https://evil.dev/\u{202e}\u{200b}x")),
    ] {
        let mut command = sandbox.keyfob(&["kubectl"]);
        command.env("KUBERNETES_EXEC_INFO", &info);
        let done = run(command, "");
        assert_eq!((done.stdout.as_str(), done.code), ("", Some(1)), "{info:?}");
        assert_plain(&done);
    }
    for word in [EVIL, "https://evil.dev/\u{202e}", "a.dev\u{1b}[2J", "https://u:s3cret\u{1b}@evil.dev"] {
        for command in ["login", "token", "logout", "status"] {
            let done = sandbox.run(&[command, word], "");
            assert_eq!(done.code, Some(2), "{command} {word:?}: {done:?}");
            assert_plain(&done);
            assert!(!done.stderr.contains("s3cret"), "{}", done.stderr);
        }
        assert_stopped(&sandbox.run(&["git", "--profile", word, "get"], &ask("git.acme.dev")), "");
        let inline = ["git", "--provider", "workos", "--client-id", word, "--host", "git.acme.dev", "get"];
        assert_plain(&sandbox.run(&inline, &ask("git.acme.dev")));
        let mut command = sandbox.keyfob(&["git", "get"]);
        sandbox.expire();
        command.env("KEYFOB_INTERACTIVE", word);
        assert_plain(&run(command, &ask("other.dev")));
        let done = sandbox.run(&["docker", "get"], word);
        assert_eq!(done.code, Some(1));
        assert_plain(&done);
    }
    // A challenge of the resource server, which is quoted when it refuses a token twice.
    let challenge = "wwwauth[]=Bearer error=\"invalid_token\", error_description=\"\u{1b}[2Jkeyfob: open https://evil.dev\u{202e}\"\n";
    let mut said = Transcript { stdout: String::new(), stderr: String::new(), code: None };
    for _ in 0..2 {
        let answer = sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout;
        said = sandbox.run(&["git", "erase"], &format!("protocol=https\nhost=git.acme.dev\n{answer}{challenge}\n"));
    }
    assert!(said.stderr.contains("invalid_token: \\u{1b}[2Jkeyfob: open https://evil.dev\\u{202e}"), "{}", said.stderr);
    assert_plain(&said);
}

#[test]
fn a_file_or_a_folder_with_an_odd_name_is_named_harmlessly() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    let odd = sandbox.home().join("a\u{1b}[2J\nkeyfob:   open evil.dev\u{202e}");
    fs::write(&odd, "colour = 1\n").unwrap();
    for mode in [0o600, 0o666] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&odd, fs::Permissions::from_mode(mode)).unwrap();
        let mut command = sandbox.keyfob(&["git", "get"]);
        command.env("KEYFOB_CONFIG", &odd);
        assert_stopped(&run(command, &ask("git.acme.dev")), "a\\u{1b}[2J\\u{a}keyfob:   open evil.dev\\u{202e}");
    }
    let mut command = sandbox.keyfob(&["status", "--json"]);
    command.env("KEYFOB_STATE_DIR", &odd);
    assert_plain(&run(command, ""));
}

#[test]
fn only_a_page_on_the_web_is_shown_to_be_opened() {
    for uri in [
        "javascript:alert(document.domain)",
        "JaVaScRiPt://a.dev/%0aalert(1)",
        "file:///etc/passwd",
        "data:text/html,<script>alert(1)</script>",
        "http://auth.acme.dev/device",
        "https://auth.acme.dev@evil.dev/",
        " https://auth.acme.dev/",
        "https://auth.acme.dev/\u{202e}ecived",
        "https://auth.acme.dev/\nkeyfob: open https://evil.dev",
        "https://\u{430}cme.dev/",
        "https://",
        "--help",
        // Nothing counts that comes after the address: a program or a call, with what looks like a scheme behind it.
        "tel:112?://",
        "calc#://auth.acme.dev",
        "x-apple.systempreferences://a",
    ] {
        let provider = Provider::start();
        let sandbox = Sandbox::signed_up(&provider);
        provider.instead(Endpoint::Start, started(json!({ "verification_uri": uri })));
        let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, "its verification_uri \"");
        assert_eq!(provider.count(Endpoint::Poll), 0);
        // Beside a good one it is left out.
        provider.instead(Endpoint::Start, started(json!({ "verification_uri_complete": uri })));
        let done = sandbox.run(&["login", "--start"], "");
        assert_eq!(
            done.stdout.lines().take(2).collect::<Vec<_>>(),
            ["open  https://auth.acme.dev/device", "code  ABCD-EFGH"],
            "{uri}"
        );
        assert!(done.stdout.contains("\napprove within") && !done.stdout.contains("\nor "), "{}", done.stdout);
    }
}

#[test]
fn a_token_that_could_write_lines_of_its_own_reaches_no_client() {
    let clients: [(&[&str], String); 4] = [
        (&["git", "get"], ask("git.acme.dev")),
        (&["docker", "get"], "git.acme.dev".to_owned()),
        (&["kubectl"], String::new()),
        (&["token"], String::new()),
    ];
    for token in ["t\nhost=evil.dev", "t\r\nX: y", "t\0", "t u", "\u{202e}t", "t\u{e9}", "\n", "t\u{7f}"] {
        for (args, stdin) in &clients {
            for with in [json!({ "access_token": token }), json!({ "id_token": token })] {
                let provider = approving();
                let sandbox = Sandbox::signed_up(&provider);
                provider.instead(Endpoint::Start, started(json!({})));
                provider.instead(Endpoint::Poll, granted(with));
                start(&sandbox);
                let done = sandbox.run(args, stdin);
                assert!(done.stderr.contains("its token holds characters that no header may carry"), "{done:?}");
                assert_plain(&done);
                assert!(!done.stdout.contains("evil.dev") && !done.stdout.contains("at_1"), "{done:?}");
            }
        }
        let provider = approving();
        let sandbox = signed_in(&provider);
        sandbox.expire();
        provider.instead(Endpoint::Refresh, granted(json!({ "access_token": token })));
        assert_stopped(&sandbox.run(&["git", "get"], &ask("git.acme.dev")), "its token holds characters");
    }
}

#[test]
fn absurd_numbers_become_sensible_ones() {
    for number in
        ["1e300", "-1e300", "1e18", "-5", "0", "\"never\"", "\"1e99\"", "null", "[]", "18446744073709551615", "0.1"]
    {
        let provider = approving();
        let sandbox = Sandbox::signed_up(&provider);
        let body = format!(
            r#"{{"device_code":"dc_secret_1","user_code":"A","verification_uri":"https://a.dev","expires_in":{number},"interval":{number}}}"#
        );
        provider.instead(Endpoint::Start, Reply::json(200, body));
        let started = sandbox.run(&["login", "--start", "--json"], "");
        let told: Value = serde_json::from_str(&started.stdout).unwrap_or_else(|_| panic!("{number}: {started:?}"));
        assert!((1..=60).contains(&told["interval"].as_i64().unwrap()), "{number}: {told}");
        assert!((1..=1_800).contains(&told["expires_in"].as_i64().unwrap()), "{number}: {told}");
        let poll = format!(r#"{{"error":"slow_down","interval":{number}}}"#);
        provider.instead(Endpoint::Poll, Reply::json(400, poll).with("Retry-After", "99999999999999999999"));
        due(&sandbox);
        sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        let mut wait = 0;
        sandbox.edit(|record| wait = record["pending"]["next_poll_at"].as_i64().unwrap() - now());
        assert!((1..=61).contains(&wait), "{number}: {wait}");

        let sandbox = signed_in(&provider);
        sandbox.expire();
        let body = format!(r#"{{"access_token":"at_2","expires_in":{number}}}"#);
        provider.instead(Endpoint::Refresh, Reply::json(200, body));
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        let expiry = done.stdout.lines().find_map(|line| line.strip_prefix("password_expiry_utc=")).map(str::parse);
        let left = expiry.unwrap_or_else(|| panic!("{number}: {done:?}")).unwrap_or(0_i64) - now();
        assert!((0..=10 * 365 * 86_400).contains(&left), "{number}: {left}");
    }
}

#[test]
fn patience_without_end_is_not_had() {
    for after in ["99999999999999999999", "18446744073709551615", "Fri, 31 Dec 9999 23:59:59 GMT", "-1", "x"] {
        let provider = approving();
        let sandbox = signed_in(&provider);
        sandbox.expire();
        provider.instead(Endpoint::Refresh, Reply::new(503, "text/html", "").with("Retry-After", after));
        // Once for the answer, unless what it asks for is no time at all.
        let first = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        if !first.stdout.starts_with("username=") {
            assert_stopped(&first, "the session is kept; try again");
        }
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert!(done.stdout.starts_with("username="), "{after}: {done:?}");
    }
}

#[test]
fn a_secret_that_a_server_quotes_is_not_shown_nor_the_beginning_of_it() {
    let provider = approving();
    let long = format!("rt_secret_{}", "x".repeat(500));
    for words in ["Invalid refresh token: ", &"-".repeat(280), ""] {
        let sandbox = signed_in(&provider);
        sandbox.edit(|record| record["refresh_token"] = long.as_str().into());
        sandbox.expire();
        let body = json!({ "error": "invalid_request", "error_description": format!("{words}{long} is none") });
        provider.instead(Endpoint::Refresh, Reply::json(400, body.to_string()));
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, "(redacted)");
        assert!(!done.stderr.contains("rt_"), "{}", done.stderr);
        assert!(!fs::read_to_string(sandbox.record()).unwrap().contains("invalid_request: rt_"));
        assert_no_secret(&sandbox.run(&["status", "--json"], ""));
    }
}

#[test]
fn an_answer_as_large_as_one_may_be_leaves_a_record_that_reads() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    let most = (1 << 20) - 400;
    provider.instead(Endpoint::Poll, granted(json!({ "refresh_token": "r".repeat(most) })));
    start(&sandbox);
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_stopped(&done, "its token is longer than git can take");
    provider.instead(Endpoint::Poll, granted(json!({ "user": { "id": "u", "email": "e".repeat(most) } })));
    sign_in(&sandbox);
    let hit = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(hit.stdout.starts_with("username=oauth2\npassword=at_1\n") && hit.stderr.is_empty(), "{hit:?}");
}

/// The profile `acme` for `git.acme.dev`, at endpoints that are spelt out.
fn spelt(at: &Provider, more: &str) -> String {
    let url = at.url();
    format!(
        "[profile.acme]\nprovider = \"oauth\"\nclient_id = \"{CLIENT_ID}\"\nhosts = [\"git.acme.dev\"]\n\
         device_authorization_endpoint = \"{url}/oauth2/device_authorization\"\ntoken_endpoint = \"{url}/oauth2/token\"\n{more}\n"
    )
}

#[test]
fn a_configuration_that_names_another_server_gets_nothing_of_a_session() {
    let (provider, evil) = (approving(), Provider::start());
    let sandbox = signed_in(&provider);
    let before = fs::read(sandbox.record()).unwrap();
    let session = sandbox.record();
    let elsewhere = sandbox.home().join("evil.toml");
    let accounts = ["", "account = \"ann@acme.dev\"\n"];
    let revocation = format!("revocation_endpoint = \"{}/oauth2/revoke\"\n", evil.url());
    let configurations = accounts.iter().flat_map(|account| {
        let more = format!("hosts = [\"git.acme.dev\"]\n{account}");
        [workos(&evil, "acme", &more), spelt(&evil, account), spelt(&evil, &format!("{revocation}{account}"))]
    });
    for configuration in configurations {
        fs::write(&elsewhere, configuration).unwrap();
        let under = |args: &[&str], stdin: &str| {
            let mut command = sandbox.keyfob(args);
            command.env("KEYFOB_CONFIG", &elsewhere);
            let done = run(command, stdin);
            assert_no_secret(&done);
            done
        };
        assert_stopped(&under(&["git", "get"], &ask("git.acme.dev")), "nobody is here to sign in to acme");
        assert!(under(&["token"], "").stderr.contains("nobody is here"));
        assert_eq!(under(&["docker", "get"], "git.acme.dev").code, Some(1));
        assert_eq!(under(&["kubectl"], "").code, Some(1));
        assert_eq!(under(&["git", "erase"], &ask("git.acme.dev")).stderr, "");
        assert_eq!(under(&["logout"], "").stdout, "acme: not signed in\n");
        assert_eq!(fs::read(&session).unwrap(), before, "and it is still there");
    }
    assert!(evil.seen().is_empty(), "{:?}", evil.seen());
    let mut command = sandbox.keyfob(&["logout", "--all"]);
    command.env("KEYFOB_CONFIG", &elsewhere);
    let done = run(command, "");
    assert!(
        done.stdout.contains("acme: forgotten here; no profile names it any more, so the provider was not told\n"),
        "{done:?}"
    );
    assert!(evil.seen().is_empty());
}

#[test]
fn a_record_put_in_the_place_of_another_is_not_used() {
    let (provider, evil) = (approving(), Provider::start());
    let sandbox = signed_in(&provider);
    sandbox.expire();
    let (ours, text) = (sandbox.record(), fs::read(sandbox.record()).unwrap());
    fs::remove_file(&ours).unwrap();
    // The evil server's record has a name of its own; the session is put there.
    sandbox.configure(&workos(&evil, "acme", "hosts = [\"git.acme.dev\"]"));
    sandbox.run(&["login", "--start"], "");
    let theirs = sandbox.record();
    assert_ne!(ours, theirs);
    fs::write(&theirs, text).unwrap();
    let before = evil.seen().len();
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_stopped(&done, "could not be read (it is of another server, client or account)");
    assert_eq!(evil.seen().len(), before);
}

#[test]
fn a_record_with_impossible_values_is_set_aside_and_nobody_hangs() {
    let provider = Provider::start();
    for (member, value) in [
        ("interval", json!(1_000_000_000_000_u64)),
        ("interval", json!(u64::MAX)),
        ("next_poll_at", json!(i64::MIN)),
        ("expires_at", json!(i64::MAX)),
        ("started_at", json!(i64::MIN)),
        ("misses", json!(u32::MAX)),
    ] {
        let sandbox = Sandbox::signed_up(&provider);
        sandbox.run(&["login", "--start"], "");
        sandbox.edit(|record| record["pending"][member] = value.clone());
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, "could not be read (its times are none)");
        assert!(sandbox.run(&["status"], "").code == Some(0));
    }
}

#[test]
fn a_device_code_of_any_characters_stays_one_parameter() {
    let code =
        "dc_secret&grant_type=refresh_token&client_id=evil\r\nHost: evil.dev\r\n\r\nGET / HTTP/1.1\r\n\0\u{202e}+%26";
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    provider.instead(Endpoint::Start, started(json!({ "device_code": code })));
    start(&sandbox);
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_stopped(&done, "ended the sign-in: invalid_grant: No such code");
    let [start, poll] = &provider.seen()[..] else { panic!("{:?}", provider.seen()) };
    assert_eq!((start.form["client_id"].as_str(), poll.form["client_id"].as_str()), (CLIENT_ID, CLIENT_ID));
    assert_eq!(poll.form["device_code"], code);
    assert_eq!(poll.form.len(), 3);
}

/// Every file below, by its path from there.
fn tree(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                paths.push(entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    paths.sort();
    paths
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let provider = approving();
    let sandbox = Sandbox::new();
    let root = sandbox.home().parent().unwrap().to_owned();
    let named = workos(&provider, "acme", "hosts = [\"git.acme.dev\"]\naccount = \"../../../../escaped\"");
    sandbox.configure(&format!("[store]\ngit = true\n{named}"));
    let before = tree(&root);
    sign_in(&sandbox);
    for host in ["../../escaped", "/tmp/escaped", "..", ".", "a/../../escaped", "%2e%2e%2fescaped", "a\\..\\b"] {
        let store = format!("protocol=https\nhost={host}\npath=../../escaped\nusername=../u\npassword=p\n\n");
        sandbox.run(&["git", "store"], &store);
        let login = json!({ "ServerURL": host, "Username": "u", "Secret": "s" }).to_string();
        sandbox.run(&["docker", "store"], &login);
        for word in [host, "../sessions", "..", "/etc/passwd"] {
            sandbox.run(&["logout", word], "");
            sandbox.run(&["status", word], "");
        }
    }
    let made: Vec<String> = tree(&root).into_iter().filter(|path| !before.contains(path)).collect();
    let plain = |path: &String| {
        let name = path.strip_prefix("state/sessions/").or_else(|| path.strip_prefix("state/passwords/"));
        name.is_some_and(|name| !name.contains("escaped") && !name.contains('/') && !name.contains(".."))
    };
    assert!(!made.is_empty() && made.iter().all(plain), "{made:?}");
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
    assert_stopped(&run(frugally(&sandbox, &["git", "get"]), &ask("git.acme.dev")), "the answer is not an object");
    sandbox.configure(&format!("x = {}", "[".repeat(200_000)));
    assert_stopped(&run(frugally(&sandbox, &["git", "get"]), &ask("git.acme.dev")), "hint: ");
    assert!(provider.count(Endpoint::Start) == 1);
}

#[test]
fn a_revocation_endpoint_added_later_is_not_sent_an_older_sessions_token() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let thief = Provider::start();
    let sandbox = Sandbox::new();
    let url = provider.url();
    let profile = format!(
        "[profile.acme]\nprovider = \"oauth\"\nclient_id = \"client_test\"\n\
         device_authorization_endpoint = \"{url}/oauth2/device_authorization\"\ntoken_endpoint = \"{url}/oauth2/token\"\n"
    );
    sandbox.configure(&profile);
    assert_eq!(sandbox.run(&["login"], "").code, Some(0));
    sandbox.configure(&format!("{profile}revocation_endpoint = \"{}/oauth2/revoke\"\n", thief.url()));
    let done = sandbox.run(&["logout"], "");
    assert_eq!(done.code, Some(1));
    assert!(done.stdout.contains("was not known at the sign-in, and is told nothing"), "{done:?}");
    assert!(thief.seen().is_empty());
    assert!(sandbox.files(".json").is_empty(), "forgotten here all the same");
}
