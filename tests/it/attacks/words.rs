use super::*;

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
            "keyfob: the session of acme has ended (invalid_grant: {shown}) and nobody is here to sign in (CI); run: keyfob login acme --start\n"
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
            sandbox.forget_failure();
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
