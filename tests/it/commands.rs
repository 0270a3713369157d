use serde_json::json;

use crate::support::http::Reply;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, ask, finish, open_code, run, workos};

/// Signed in to the profile `acme`, with nobody asked.
pub fn signed_in() -> (Provider, Sandbox) {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let done = sandbox.run(&["login"], "");
    assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""), "{done:?}");
    assert!(done.stderr.ends_with("keyfob: signed in to acme as ann@acme.dev\n"), "{}", done.stderr);
    (provider, sandbox)
}

#[test]
fn login_takes_a_profile_a_host_or_the_only_one() {
    let (provider, sandbox) = signed_in();
    for subject in ["acme", "git.acme.dev", "https://git.acme.dev/team/repo"] {
        assert_eq!(sandbox.run(&["login", subject], "").code, Some(0), "{subject}");
    }
    assert_eq!(provider.count(Endpoint::Start), 4, "each signs in anew");
    let unknown = sandbox.run(&["login", "nobody"], "");
    assert_eq!(unknown.code, Some(2));
    assert_eq!(unknown.stderr, "keyfob: no profile is called \"nobody\"\nkeyfob: hint: the only profile is acme\n");
    let elsewhere = sandbox.run(&["login", "github.com"], "");
    assert_eq!(elsewhere.code, Some(2));
    assert!(elsewhere.stderr.starts_with("keyfob: no profile answers for https://github.com\n"));
}

#[test]
fn login_without_a_word_lists_the_profiles() {
    let provider = Provider::start();
    let sandbox = Sandbox::new();
    let none = sandbox.run(&["login"], "");
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("there is no profile yet; run: keyfob setup profile NAME"), "{}", none.stderr);
    sandbox.configure(&[workos(&provider, "b", ""), workos(&provider, "a", "account = \"x\"")].concat());
    let many = sandbox.run(&["login"], "");
    assert_eq!(
        (many.code, many.stderr.as_str()),
        (Some(2), "keyfob: which profile?\nkeyfob: hint: the profiles are a, b\n")
    );
}

#[test]
fn login_shows_the_code_of_whoever_waits() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let git = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    let code = open_code(&provider);
    let login = crate::support::sandbox::begin(sandbox.keyfob(&["login", "acme"]), "");
    crate::support::sandbox::wait_for("poll", || (provider.count(Endpoint::Poll) > 1).then_some(()));
    provider.decide(&code, true);
    assert!(finish(git).stdout.starts_with("username="));
    let login = finish(login);
    assert_eq!(login.code, Some(0), "{login:?}");
    assert!(login.stderr.contains(&code), "{}", login.stderr);
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn a_call_that_is_off_is_told_as_every_error_is() {
    let sandbox = Sandbox::new();
    for (args, what, help) in [
        (&["logoutt"][..], "unrecognized subcommand 'logoutt'", "did you mean logout? run: keyfob --help"),
        (&["lgoin"], "unrecognized subcommand 'lgoin'", "did you mean login? run: keyfob --help"),
        (&["setup", "gti"], "unrecognized subcommand 'gti'", "did you mean git? run: keyfob setup --help"),
        (&["frobnicate"], "unrecognized subcommand 'frobnicate'", "run: keyfob --help"),
        (&["status", "--jso"], "unexpected argument '--jso' found", "did you mean --json? run: keyfob status --help"),
        (&["status", "--nonsense"], "unexpected argument '--nonsense' found", "run: keyfob status --help"),
        (
            &["setup", "kubectl"],
            "the following required arguments were not provided: --user <NAME>",
            "run: keyfob setup kubectl --help",
        ),
        (
            &["completions", "tcsh"],
            "invalid value 'tcsh' for '<SHELL>' [possible values: bash, elvish, fish, powershell, zsh]",
            "run: keyfob completions --help",
        ),
    ] {
        let done = sandbox.run(args, "");
        assert_eq!((done.stdout.as_str(), done.code), ("", Some(2)));
        assert_eq!(done.stderr, format!("keyfob: {what}\nkeyfob: hint: {help}\n"));
    }
}

#[test]
fn a_name_that_is_near_another_is_taken_for_a_slip() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    for (args, hint) in [
        (&["login", "acmee"][..], "did you mean acme? the only profile is acme"),
        (&["token", "other"], "the only profile is acme"),
        (&["providers", "gogle"], "did you mean google? use one of workos, "),
    ] {
        let done = sandbox.run(args, "");
        assert!(done.stderr.contains(&format!("keyfob: hint: {hint}")), "{done:?}");
        assert_eq!(done.code, Some(2), "{done:?}");
    }
}

#[test]
fn exit_codes() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    assert_eq!(sandbox.run(&["token"], "").code, Some(3), "a human is needed");
    assert_eq!(sandbox.run(&["frobnicate"], "").code, Some(2), "usage");
    assert_eq!(sandbox.run(&["--help"], "").code, Some(0));
    for (words, options) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "setup", "git"], &["setup", "git", "--help"]),
        (&["help", "helper", "bazel"], &["helper", "bazel", "--help"]),
        (&["version"], &["--version"]),
        (&["-v"], &["--version"]),
        (&["help", "logoutt"], &["logoutt", "--help"]),
    ] {
        assert_eq!(sandbox.run(words, ""), sandbox.run(options, ""), "{words:?}");
    }
    let child = crate::support::sandbox::begin(sandbox.keyfob(&["login"]), "");
    provider.decide(&open_code(&provider), false);
    assert_eq!(finish(child).code, Some(1), "denied");
    let mut never = sandbox.keyfob(&["login"]);
    never.env("KEYFOB_INTERACTIVE", "never");
    assert_eq!(run(never, "").code, Some(3));
}

#[test]
fn a_token_for_scripts() {
    let (provider, sandbox) = signed_in();
    let token = sandbox.run(&["token"], "");
    assert!(provider.accepts(token.stdout.trim_end()), "{token:?}");
    assert_eq!(token.stdout.lines().count(), 1);
    let header = sandbox.run(&["token", "git.acme.dev", "--header"], "");
    assert_eq!(header.stdout, format!("Authorization: Bearer {}", token.stdout));
    let id = sandbox.run(&["token", "--id"], "");
    assert_eq!(id.code, Some(1));
    assert!(id.stderr.contains("grants no ID token"), "{}", id.stderr);
}

#[test]
fn connect_grants_an_id_token() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    let url = provider.url();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"workos-connect\"\nclient_id = \"client_test\"\nissuer = \"{url}\"\n\
         revocation_endpoint = \"{url}/oauth2/revoke\"\n"
    ));
    assert_eq!(sandbox.run(&["login"], "").code, Some(0));
    let (access, id) = (sandbox.run(&["token"], "").stdout, sandbox.run(&["token", "--id"], "").stdout);
    assert_ne!(access, id);
    assert!(id.starts_with("eyJ"));
    let out = sandbox.run(&["logout"], "");
    let host = url.strip_prefix("http://").unwrap();
    assert_eq!(
        (out.code, out.stdout),
        (Some(0), format!("acme: forgotten here, the refresh token was revoked at {host}\n"))
    );
    let revoked = &provider.of(Endpoint::SignOut)[0];
    assert_eq!(revoked.form["token_type_hint"], "refresh_token");
    assert!(revoked.form["token"].starts_with("rt_secret"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_token_is_not_shown_to_a_terminal() {
    let (_provider, sandbox) = signed_in();
    let screen = |command: &str| {
        let mut script = sandbox.command("script");
        script.args(["-qec", command, "/dev/null"]);
        run(script, "").stdout
    };
    let refused = screen("keyfob token");
    assert!(refused.contains("add --show") && !refused.contains("eyJ"), "{refused}");
    assert!(screen("keyfob token --show").contains("eyJ"));
    for client in [
        "printf 'protocol=https\\nhost=git.acme.dev\\n\\n' | keyfob git get",
        "echo git.acme.dev | keyfob docker get || true",
        "keyfob kubectl || true",
    ] {
        let refused = screen(client);
        assert!(refused.contains("run: keyfob token --show") && !refused.contains("eyJ"), "{client}: {refused}");
        let piped = screen(&format!("{{ {client}; }} | tr -d e"));
        assert!(piped.contains("yJ"), "{client}: a pipe is answered: {piped}");
    }
}

/// A program that asked for JSON gets its failures as JSON, and people get their lines all the same.
#[test]
fn a_failure_is_json_where_json_was_asked_for() {
    let error = |done: &crate::support::sandbox::Transcript| -> serde_json::Value {
        let value: serde_json::Value = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
        assert!(done.stderr.starts_with("keyfob: "), "{done:?}");
        value["error"].clone()
    };
    let sandbox = Sandbox::new();
    let usage = sandbox.run(&["status", "--json", "--wrong"], "");
    assert_eq!(usage.code, Some(2));
    let said = error(&usage);
    assert_eq!((&said["kind"], &said["run"]), (&json!("usage"), &json!(["keyfob", "status", "--help"])));

    let none = sandbox.run(&["login", "--start", "--json"], "");
    assert_eq!((none.code, &error(&none)["kind"]), (Some(2), &json!("usage")));
    assert_eq!(error(&none)["run"].as_array().unwrap()[..3], [json!("keyfob"), json!("setup"), json!("profile")]);

    sandbox.configure("[profile.acme]\nprovider = \"workos\"\nclient_id = \"c\"\ncolour = \"red\"\n");
    for command in [&["status", "--json"][..], &["login", "--start", "--json"]] {
        let wrong = sandbox.run(command, "");
        let said = error(&wrong);
        assert_eq!((wrong.code, &said["kind"], &said["line"]), (Some(1), &json!("configuration"), &json!(4)), "{said}");
        assert_eq!(said["file"], json!(sandbox.config()));
        assert!(said["run"].is_null() && said["hint"].is_string(), "{said}");
    }

    let provider = Provider::start();
    sandbox.configure(&workos(&provider, "acme", ""));
    provider.instead(Endpoint::Start, Reply::json(400, r#"{"error":"invalid_client"}"#));
    let refused = sandbox.run(&["login", "--start", "--json"], "");
    assert_eq!((refused.code, &error(&refused)["kind"]), (Some(1), &json!("refused")), "{refused:?}");
    provider.instead(Endpoint::Start, Reply::json(503, "{}"));
    let unreachable = sandbox.run(&["login", "--start", "--json"], "");
    assert_eq!((unreachable.code, &error(&unreachable)["kind"]), (Some(1), &json!("unreachable")), "{unreachable:?}");

    let done = sandbox.run(&["doctor", "acmee", "--json"], "");
    assert!(done.code == Some(2) && error(&done)["kind"] == json!("usage"), "{done:?}");
}

/// What cannot be read is said beside what can.
#[cfg(unix)]
#[test]
fn a_failure_stands_beside_the_answer_where_there_is_one() {
    use std::os::unix::fs::PermissionsExt;
    let (_provider, sandbox) = signed_in();
    let record = sandbox.record();
    std::fs::set_permissions(&record, std::fs::Permissions::from_mode(0o644)).unwrap();
    let done = sandbox.run(&["status", "--json"], "");
    let value: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(done.code, Some(1));
    assert_eq!(value["sessions"][0]["state"], json!("broken"));
    assert_eq!((&value["error"]["kind"], &value["error"]["run"]), (&json!("broken"), &json!(["chmod", "600", record])));
}
