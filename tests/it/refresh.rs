use std::time::Duration;

use crate::support::http::Reply;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, ask, begin, finish, now, workos};

/// A provider that approves by itself, and a home that is signed in to it.
fn signed_in(manners: Manners) -> (Provider, Sandbox) {
    let provider = Provider::with(Manners { approves_by_itself: true, ..manners });
    let sandbox = Sandbox::signed_up(&provider);
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
    (provider, sandbox)
}

fn password(stdout: &str) -> &str {
    stdout.lines().find_map(|line| line.strip_prefix("password=")).unwrap_or_else(|| panic!("{stdout}"))
}

#[test]
fn an_expired_token_is_refreshed_silently_and_once() {
    let (provider, sandbox) = signed_in(Manners::default());
    let old = std::fs::read_to_string(sandbox.record()).unwrap();
    sandbox.expire();
    let requests = provider.seen().len();
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(provider.accepts(password(&done.stdout)), "{done:?}");
    assert_eq!(done.stderr, "");
    assert_eq!(provider.seen().len(), requests + 1);
    let refresh = &provider.of(Endpoint::Refresh)[0];
    let mut sent: Vec<_> = refresh.form.keys().map(String::as_str).collect();
    sent.sort_unstable();
    assert_eq!(sent, ["client_id", "grant_type", "refresh_token"]);
    let new = std::fs::read_to_string(sandbox.record()).unwrap();
    assert!(old.contains(&refresh.form["refresh_token"]) && !new.contains(&refresh.form["refresh_token"]));
}

#[test]
fn eight_at_once_on_an_expired_session_refresh_once() {
    let (provider, sandbox) = signed_in(Manners { refresh_takes: Duration::from_millis(300), ..Manners::default() });
    sandbox.expire();
    let children: Vec<_> = (0..8).map(|_| begin(sandbox.keyfob(&["git", "get"]), &ask("git.acme.dev"))).collect();
    for child in children {
        let done = finish(child);
        assert!(provider.accepts(password(&done.stdout)), "{done:?}");
        assert_eq!(done.stderr, "");
    }
    assert_eq!(provider.count(Endpoint::Refresh), 1);
    assert_eq!(provider.reuses(), 0);
}

#[test]
fn the_rotated_token_is_on_the_disk_before_anything_is_printed() {
    let (provider, sandbox) = signed_in(Manners::default());
    sandbox.expire();
    // Nobody reads stdout: the pipe is closed before the answer comes.
    let mut child = begin(sandbox.keyfob(&["git", "get"]), &ask("git.acme.dev"));
    drop(child.stdout.take());
    child.wait().unwrap();
    assert_eq!(provider.count(Endpoint::Refresh), 1);
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(provider.accepts(password(&done.stdout)), "{done:?}");
    sandbox.expire();
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(provider.accepts(password(&done.stdout)), "the successor was kept: {done:?}");
    assert_eq!(provider.reuses(), 0);
}

#[test]
fn a_lost_answer_is_asked_for_again_within_the_replay_window() {
    for lost in [Reply::Cut, Reply::new(502, "text/html", "<h1>Bad gateway</h1>")] {
        let (provider, sandbox) = signed_in(Manners { replay_window: Duration::from_secs(30), ..Manners::default() });
        sandbox.expire();
        provider.afterwards(Endpoint::Refresh, lost);
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert!(provider.accepts(password(&done.stdout)), "{done:?}");
        assert_eq!(provider.count(Endpoint::Refresh), 2);
        assert_eq!(provider.count(Endpoint::Start), 1);
    }
}

#[test]
fn a_server_that_fails_costs_nothing() {
    let (provider, sandbox) = signed_in(Manners::default());
    sandbox.expire();
    for _ in 0..2 {
        provider.instead(Endpoint::Refresh, Reply::new(503, "text/plain", "later"));
    }
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    assert_eq!(
        done.stderr,
        "keyfob: cannot renew the session of acme: HTTP status 503\nkeyfob: hint: the session is kept; try again\n"
    );
    let told = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!((told.stderr, provider.count(Endpoint::Refresh)), (done.stderr, 2), "nobody waits for it twice");
    sandbox.forget_failure();
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(provider.accepts(password(&done.stdout)), "{done:?}");
}

#[test]
fn the_old_token_serves_while_it_lives() {
    let (provider, sandbox) = signed_in(Manners::default());
    // Inside the margin: to be renewed, but good for another half minute.
    sandbox.edit(|record| {
        for (_, token) in record["tokens"].as_object_mut().unwrap() {
            for time in ["received_at", "expires_at"] {
                token[time] = (token[time].as_i64().unwrap() - 270).into();
            }
        }
    });
    for _ in 0..2 {
        provider.instead(Endpoint::Refresh, Reply::new(503, "text/plain", "later"));
    }
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(provider.accepts(password(&done.stdout)), "{done:?}");
    let expiry: i64 =
        done.stdout.lines().find_map(|l| l.strip_prefix("password_expiry_utc=")).unwrap().parse().unwrap();
    let left = expiry - now();
    assert!(left > 0 && left <= 30, "honest and not past: {left}");
}

#[test]
fn a_wish_to_wait_is_honoured() {
    let (provider, sandbox) = signed_in(Manners::default());
    sandbox.expire();
    provider.instead(Endpoint::Refresh, Reply::json(429, "{}").with("Retry-After", "40"));
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    assert!(done.stderr.contains("asks to be left alone for"), "{}", done.stderr);
    assert_eq!(provider.count(Endpoint::Refresh), 1, "not asked again before");
}

#[test]
fn a_refused_token_is_retired_and_a_person_is_asked() {
    let (provider, sandbox) = signed_in(Manners::default());
    sandbox.expire();
    let body = r#"{"error":"invalid_grant","error_description":"Session has already ended."}"#;
    provider.instead(Endpoint::Refresh, Reply::json(400, body));
    let away = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(away.stdout, "quit=1\n");
    assert_eq!(
        away.stderr,
        "keyfob: the session of acme has ended (invalid_grant: Session has already ended.) and nobody is here to sign in \
         (CI); run: keyfob login acme --start\n"
    );
    let record = std::fs::read_to_string(sandbox.record()).unwrap();
    assert!(!record.contains("rt_secret"), "nobody can send it again");
    let asked = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(provider.accepts(password(&asked.stdout)), "{asked:?}");
    assert_eq!(provider.count(Endpoint::Refresh), 1);
    assert_eq!(provider.count(Endpoint::Start), 2);
}

/// Some providers refuse with nothing at all, and so does whatever stands between here and one.
#[test]
fn an_empty_400_is_believed_when_it_comes_again_and_the_token_stays_until_somebody_has_signed_in() {
    let (provider, sandbox) = signed_in(Manners::default());
    sandbox.expire();
    let silent = || provider.instead(Endpoint::Refresh, Reply::new(400, "text/plain", ""));
    silent();
    let first = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(first.stderr.contains("refuses without a word (HTTP status 400)"), "{}", first.stderr);
    let has_token = |has: bool| sandbox.edit(|record| assert_eq!(record["refresh_token"].is_string(), has));
    has_token(true);
    // Half a minute later it is the same, and a person is asked.
    let later = || {
        sandbox.forget_failure();
        sandbox.edit(|record| record["silent_since"] = (record["silent_since"].as_i64().unwrap() - 30).into());
    };
    later();
    silent();
    let second = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(second.stderr.contains("most likely over: to sign in again, run: keyfob login acme"), "{}", second.stderr);
    has_token(true);
    assert_eq!(provider.count(Endpoint::Start), 1);
    sandbox.forget_failure();
    silent();
    let away = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!((away.stdout.as_str(), provider.count(Endpoint::Refresh)), ("quit=1\n", 3), "tried on where nobody is");
    // What was silent speaks again.
    sandbox.forget_failure();
    let healed = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(provider.accepts(password(&healed.stdout)), "{healed:?}");
    sandbox.edit(|record| assert!(record["silent_since"].is_null() && record["is_doubted"].is_null()));
}

#[test]
fn a_refusal_of_the_client_keeps_the_token() {
    let (provider, sandbox) = signed_in(Manners::default());
    sandbox.expire();
    let body = r#"{"error":"invalid_client","error_description":"Unknown client"}"#;
    provider.instead(Endpoint::Refresh, Reply::json(401, body));
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stderr.contains("refuses to renew the session of acme: invalid_client: Unknown client"));
    assert!(std::fs::read_to_string(sandbox.record()).unwrap().contains("rt_secret"));
}

#[test]
fn an_organization_is_one_more_slot_of_the_same_session() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    let at = "[profile.acme.at.\"b.acme.dev\"]\norganization = \"org_2\"";
    sandbox.configure(&workos(&provider, "acme", &format!("hosts = [\"a.acme.dev\", \"b.acme.dev\"]\n{at}")));
    let first = sandbox.run_asking(&["git", "get"], &ask("b.acme.dev"));
    assert!(provider.accepts(password(&first.stdout)), "{first:?}");
    assert_eq!(provider.of(Endpoint::Refresh)[0].form["organization_id"], "org_2");
    let second = sandbox.run(&["git", "get"], &ask("a.acme.dev"));
    assert!(provider.accepts(password(&second.stdout)), "{second:?}");
    assert_ne!(password(&first.stdout), password(&second.stdout));
    assert_eq!(provider.count(Endpoint::Start), 1, "one approval for both");
    assert_eq!(provider.count(Endpoint::Refresh), 1);
    assert_eq!(sandbox.files(".json").len(), 1, "one record");
}

#[test]
fn without_a_kept_refresh_token_nothing_long_lived_is_on_the_disk() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(&provider, "acme", "hosts = [\"git.acme.dev\"]\nkeep_refresh_token = false"));
    let first = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    let second = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(first.stdout, second.stdout);
    assert!(!std::fs::read_to_string(sandbox.record()).unwrap().contains("rt_secret"));
    sandbox.expire();
    let third = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(third.stdout, "quit=1\n");
    assert_eq!(provider.count(Endpoint::Refresh), 0);
}

/// Another host of the session, whose slot wants an organization.
fn with_two_slots(provider: &Provider) -> Sandbox {
    let sandbox = Sandbox::new();
    let at = "[profile.acme.at.\"b.acme.dev\"]\norganization = \"org_2\"";
    sandbox.configure(&workos(provider, "acme", &format!("hosts = [\"a.acme.dev\", \"b.acme.dev\"]\n{at}")));
    sandbox
}

#[test]
fn what_fails_for_one_slot_does_not_fail_for_another() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = with_two_slots(&provider);
    sandbox.run_asking(&["git", "get"], &ask("a.acme.dev"));
    sandbox.expire();
    provider.instead(Endpoint::Refresh, Reply::json(403, r#"{"code":"organization_not_allowed","message":"no"}"#));
    assert!(sandbox.run(&["git", "get"], &ask("b.acme.dev")).stderr.contains("organization_not_allowed"));
    assert!(sandbox.run(&["git", "get"], &ask("b.acme.dev")).stderr.contains("organization_not_allowed"), "remembered");
    assert_eq!(provider.count(Endpoint::Refresh), 1);
    assert!(provider.accepts(password(&sandbox.run(&["git", "get"], &ask("a.acme.dev")).stdout)));
}

#[test]
fn a_denied_sign_in_does_not_stop_a_session_that_can_refresh() {
    let (provider, sandbox) = signed_in(Manners::default());
    provider.change(|manners| manners.approves_by_itself = false);
    let login = crate::support::sandbox::begin(sandbox.keyfob(&["login"]), "");
    provider.decide(&crate::support::sandbox::open_code(&provider), false);
    assert_eq!(finish(login).code, Some(1));
    sandbox.expire();
    assert!(provider.accepts(password(&sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout)));
}

#[test]
fn a_session_that_dies_after_approval_asks_nobody_again() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = with_two_slots(&provider);
    provider.instead(Endpoint::Refresh, Reply::json(400, r#"{"error":"invalid_grant"}"#));
    let done = sandbox.run_asking(&["git", "get"], &ask("b.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    assert!(done.stderr.contains("refuses what was approved a moment ago: invalid_grant"), "{}", done.stderr);
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn without_anything_to_renew_it_a_token_serves_to_its_end() {
    let (provider, sandbox) = signed_in(Manners::default());
    sandbox.edit(|record| {
        record.as_object_mut().unwrap().remove("refresh_token");
        let token = &mut record["tokens"][""];
        for time in ["received_at", "expires_at"] {
            token[time] = (token[time].as_i64().unwrap() - 270).into();
        }
    });
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(provider.accepts(password(&done.stdout)), "{done:?}");
}

#[test]
fn a_page_of_a_proxy_costs_no_session() {
    let (provider, sandbox) = signed_in(Manners::default());
    for (status, body) in
        [(401, "<h1>Sign in to the hotel</h1>"), (400, "<h1>Bad request</h1>"), (401, r#"{"message":"no"}"#)]
    {
        sandbox.expire();
        provider.instead(Endpoint::Refresh, Reply::new(status, "text/html", body));
        assert_eq!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout, "quit=1\n");
        sandbox.edit(|record| drop(record.as_object_mut().unwrap().remove("failure")));
        assert!(provider.accepts(password(&sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout)), "{body}");
    }
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn narrower_scopes_are_asked_for_by_name() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    let connect = |scopes: &str| {
        let url = provider.url();
        sandbox.configure(&format!(
            "[profile.acme]\nprovider = \"workos-connect\"\nclient_id = \"client_test\"\nissuer = \"{url}\"\n\
             hosts = [\"git.acme.dev\"]\nscopes = [{scopes}]\n"
        ));
    };
    connect("\"offline_access\", \"read\", \"admin\"");
    sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    connect("\"offline_access\", \"read\"");
    sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(provider.of(Endpoint::Refresh)[0].form["scope"], "offline_access read");
}

#[test]
fn the_plain_slot_goes_back_to_the_organization_of_the_sign_in() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = with_two_slots(&provider);
    sandbox.run_asking(&["git", "get"], &ask("a.acme.dev"));
    sandbox.edit(|record| record["signed_in_organization"] = "org_1".into());
    sandbox.run(&["git", "get"], &ask("b.acme.dev"));
    sandbox.expire();
    sandbox.run(&["git", "get"], &ask("a.acme.dev"));
    let organizations: Vec<_> =
        provider.of(Endpoint::Refresh).iter().map(|seen| seen.form["organization_id"].clone()).collect();
    assert_eq!(organizations, ["org_2", "org_1"]);
}

#[test]
fn a_login_that_was_started_beside_a_session_is_redeemed_too() {
    let (provider, sandbox) = signed_in(Manners::default());
    provider.change(|manners| manners.approves_by_itself = false);
    let before = sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout;
    sandbox.run(&["login", "--start", "--force"], "");
    let code = crate::support::sandbox::open_code(&provider);
    let get = || sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout;
    crate::support::sandbox::wait_for("poll", || {
        assert_eq!(get(), before, "not approved: the session goes on");
        (provider.count(Endpoint::Poll) > 1).then_some(())
    });
    provider.decide(&code, true);
    crate::support::sandbox::wait_for("approval to be redeemed", || (get() != before).then_some(()));
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Poll)), (2, 3), "no poll before its time");
}

#[test]
fn a_local_clock_ten_minutes_off_does_no_harm() {
    for ahead in [600, -600] {
        let (provider, sandbox) = signed_in(Manners { clock_ahead: ahead, ..Manners::default() });
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        let told: i64 =
            done.stdout.lines().find_map(|l| l.strip_prefix("password_expiry_utc=")).unwrap().parse().unwrap();
        assert!((230..=240).contains(&(told - now())), "by our clock, whatever the server's: {}", told - now());
        assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 0), "a hit");
        sandbox.expire();
        assert!(provider.accepts(password(&sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout)));
        assert_eq!(provider.count(Endpoint::Refresh), 1);
    }
}

#[test]
fn a_clock_that_jumped_costs_one_refresh() {
    for jump in [-86_400, 86_400] {
        let (provider, sandbox) = signed_in(Manners::default());
        // As if the clock had been set after the token came: it lies in the future, or long past.
        sandbox.edit(|record| {
            let token = &mut record["tokens"][""];
            for time in ["received_at", "expires_at"] {
                token[time] = (token[time].as_i64().unwrap() - jump).into();
            }
        });
        for _ in 0..3 {
            assert!(provider.accepts(password(&sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout)));
        }
        assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 1), "{jump}");
    }
}

#[test]
fn a_hit_waits_for_nobodys_login() {
    let (provider, sandbox) = signed_in(Manners::default());
    provider.change(|manners| manners.approves_by_itself = false);
    let hit = sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout;
    let login = crate::support::sandbox::begin(sandbox.keyfob(&["login"]), "");
    let code = crate::support::sandbox::open_code(&provider);
    for _ in 0..50 {
        assert_eq!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout, hit);
    }
    // And a refresh goes on beside it.
    sandbox.expire();
    let renewed = sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout;
    assert!(provider.accepts(password(&renewed)) && renewed != hit);
    assert_eq!(provider.open_codes(), std::slice::from_ref(&code), "still waiting");
    provider.decide(&code, true);
    assert_eq!(finish(login).code, Some(0));
}

#[test]
fn a_copied_state_folder_is_one_session_in_two_places() {
    let (provider, sandbox) = signed_in(Manners::default());
    let copy = Sandbox::signed_up(&provider);
    let copied = std::process::Command::new("cp").arg("-rp").arg(sandbox.state()).arg(copy.state()).status().unwrap();
    assert!(copied.success());
    let here = sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout;
    assert_eq!(copy.run(&["git", "get"], &ask("git.acme.dev")).stdout, here, "a hit is a hit anywhere");
    sandbox.expire();
    copy.expire();
    assert!(provider.accepts(password(&sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout)));
    // The copy's refresh token has been used here: a strict provider ends the session, and the copy says so once.
    let there = copy.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(there.stderr.contains("the session of acme has ended (invalid_grant"), "{there:?}");
    assert!(copy.run(&["git", "get"], &ask("git.acme.dev")).stderr.contains("nobody is here to sign in"));
    assert_eq!(provider.reuses(), 1, "and sends it never again");
    assert!(copy.run_asking(&["git", "get"], &ask("git.acme.dev")).stdout.starts_with("username="));
}
