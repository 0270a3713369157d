use serde_json::Value;

use crate::support::http::Reply;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, begin, finish, now, open_code, run, wait_for, workos};

const CLUSTER: &str = "https://k8s.acme.dev:6443";

fn approving() -> Provider {
    Provider::with(Manners { approves_by_itself: true, ..Manners::default() })
}

/// A sandbox whose profile has one cluster.
fn clustered(provider: &Provider) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(provider, "acme", &format!("clusters = [\"{CLUSTER}\"]")));
    sandbox
}

/// The same, which answers clients that do not tell their server, too.
fn unbound(provider: &Provider) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(provider, "acme", &format!("clusters = [\"{CLUSTER}\"]\nbind_clusters = false")));
    sandbox
}

/// What a client that tells its server says.
fn told() -> String {
    info("v1", Some(CLUSTER))
}

fn info(version: &str, server: Option<&str>) -> String {
    let cluster = server.map(|server| format!(r#","cluster":{{"server":"{server}"}}"#)).unwrap_or_default();
    format!(
        "{{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/{version}\",\"spec\":{{\"interactive\":false{cluster}}}}}\n"
    )
}

/// One run, as a client with that variable starts it; each from a shell of its own, so that no two have one parent.
fn asked(sandbox: &Sandbox, info: Option<&str>, interactive: &str) -> Transcript {
    let mut command = sandbox.command("sh");
    command.args(["-c", "keyfob kubectl; exit $?"]).env("KEYFOB_INTERACTIVE", interactive);
    if let Some(info) = info {
        command.env("KUBERNETES_EXEC_INFO", info);
    }
    run(command, "this is not ours to read")
}

fn token(done: &Transcript) -> String {
    let answer: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{done:?}"));
    answer["status"]["token"].as_str().unwrap().to_owned()
}

#[test]
fn one_document_in_the_version_asked_for() {
    let provider = approving();
    let sandbox = unbound(&provider);
    for (info, version) in [(Some(told()), "v1"), (Some(info("v1beta1", Some(CLUSTER))), "v1beta1"), (None, "v1")] {
        let done = asked(&sandbox, info.as_deref(), "always");
        assert_eq!(done.code, Some(0), "{done:?}");
        let answer: Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(answer["kind"], "ExecCredential");
        assert_eq!(answer["apiVersion"], format!("client.authentication.k8s.io/{version}"));
        assert!(provider.accepts(answer["status"]["token"].as_str().unwrap()));
        let end = answer["status"]["expirationTimestamp"].as_str().unwrap();
        assert!(end.len() == 20 && end.ends_with('Z'), "{end}");
    }
    assert_eq!(provider.count(Endpoint::Start), 1);
    assert_eq!(provider.count(Endpoint::Refresh), 0, "each run has a parent of its own");
}

#[test]
fn the_prompt_names_the_client_and_the_cluster() {
    let provider = approving();
    let sandbox = clustered(&provider);
    let done = asked(&sandbox, Some(&info("v1", Some(CLUSTER))), "always");
    // A shell that is tried by hand has no name that would say anything.
    assert!(
        done.stderr.starts_with("keyfob: kubectl needs to sign in to k8s.acme.dev:6443 (profile acme"),
        "{}",
        done.stderr
    );
    let sandbox = clustered(&provider);
    let mut command = sandbox.command(crate::support::sandbox::shell_called("k9s", &sandbox.home()));
    command.args(["-c", "keyfob kubectl; exit $?"]).env("KEYFOB_INTERACTIVE", "always");
    command.env("KUBERNETES_EXEC_INFO", info("v1", Some(CLUSTER)));
    let done = crate::support::sandbox::run(command, "");
    assert!(done.stderr.starts_with("keyfob: k9s needs to sign in to k8s.acme.dev:6443"), "{done:?}");
}

#[test]
fn a_server_that_is_told_must_be_one_of_the_profiles() {
    let provider = approving();
    let sandbox = clustered(&provider);
    for spelling in
        [CLUSTER, "https://K8S.acme.dev:6443/", "https://k8s.acme.dev.:6443", "https://k8s.acme.dev:6443/below"]
    {
        assert_eq!(asked(&sandbox, Some(&info("v1", Some(spelling))), "always").code, Some(0), "{spelling}");
    }
    for other in [
        "https://evil.dev:6443",
        "https://k8s.acme.dev",
        "https://k8s.acme.dev:6443/a/%2e%2e/b",
        "https://x.k8s.acme.dev:6443",
        "https://k8s.acme.dev.evil.dev:6443",
    ] {
        let done = asked(&sandbox, Some(&info("v1", Some(other))), "always");
        assert_eq!((done.stdout.as_str(), done.code), ("", Some(1)), "{other}");
        if !other.contains("%2e") {
            assert!(done.stderr.contains("is none of the clusters of acme"), "{}", done.stderr);
            assert!(done.stderr.contains("add it to clusters in the profile"), "{}", done.stderr);
        }
    }
    sandbox.configure(&workos(&provider, "acme", ""));
    assert_eq!(
        asked(&sandbox, Some(&info("v1", Some("https://any.dev"))), "always").code,
        Some(0),
        "no list, any kubeconfig"
    );
}

#[test]
fn the_cluster_chooses_the_profile_and_the_kind_of_token() {
    let provider = approving();
    let url = provider.url();
    let sandbox = Sandbox::new();
    sandbox.configure(&format!(
        "[profile.connect]\nprovider = \"workos-connect\"\nclient_id = \"client_test\"\nissuer = \"{url}\"\n\
         hosts = [\"git.acme.dev\"]\nclusters = [\"{CLUSTER}\"]\n[profile.connect.at.\"{CLUSTER}\"]\ntoken = \"id\"\n{}",
        workos(&provider, "other", "clusters = [\"https://other.dev\"]\naccount = \"o\"")
    ));
    let done = asked(&sandbox, Some(&info("v1", Some(CLUSTER))), "always");
    let id_token = token(&done);
    assert!(!provider.accepts(&id_token), "an ID token is no access token");
    let git = sandbox.run(&["git", "get"], "protocol=https\nhost=git.acme.dev\n\n");
    let access_token = git.stdout.lines().find_map(|line| line.strip_prefix("password=")).unwrap();
    assert!(provider.accepts(access_token) && access_token != id_token);
    assert_eq!(provider.count(Endpoint::Start), 1, "one approval for both");
    let untold = asked(&sandbox, None, "always");
    assert!(untold.stderr.contains("which profile?") && untold.stderr.contains("--profile NAME"), "{}", untold.stderr);
}

#[test]
fn odd_callers_get_an_answer_or_one_clear_line() {
    let provider = approving();
    let sandbox = unbound(&provider);
    let certificate = "QUJD".repeat(30_000);
    let python = format!(
        r#"{{"apiVersion":"client.authentication.k8s.io/v1","spec":{{"interactive":false,"cluster":{{"server":"{CLUSTER}","certificate-authority":"/ca.crt","extensions":[{{"name":"x","extension":null}}]}}}}}}"#
    );
    let large = format!(
        r#"{{"apiVersion":"client.authentication.k8s.io/v1","spec":{{"cluster":{{"server":"{CLUSTER}","certificate-authority-data":"{certificate}"}}}}}}"#
    );
    for info in [python.as_str(), &large, "{}", r#"{"spec":null}"#, ""] {
        assert_eq!(asked(&sandbox, Some(info), "always").code, Some(0), "{}", &info[..info.len().min(90)]);
    }
    for (info, says) in [
        ("nonsense", "KUBERNETES_EXEC_INFO is not a JSON object"),
        ("[]", "KUBERNETES_EXEC_INFO is not a JSON object"),
        (
            r#"{"apiVersion":"client.authentication.k8s.io/v1alpha1"}"#,
            "asks for apiVersion \"client.authentication.k8s.io/v1alpha1\"",
        ),
    ] {
        let done = asked(&sandbox, Some(info), "always");
        assert_eq!((done.stdout.as_str(), done.code), ("", Some(1)), "{info}");
        assert!(done.stderr.contains(says), "{}", done.stderr);
    }
}

#[test]
fn twenty_at_once_share_one_code() {
    let provider = Provider::start();
    let sandbox = unbound(&provider);
    let children: Vec<_> = (0..20).map(|_| sandbox.begin_asking(&["kubectl"], "")).collect();
    provider.decide(&open_code(&provider), true);
    for child in children {
        let done = finish(child);
        assert!(provider.accepts(&token(&done)), "{done:?}");
    }
    assert_eq!(provider.count(Endpoint::Start), 1);
}

/// The same shell, asking again and again, as kubectl does when it was refused.
fn asked_repeatedly(sandbox: &Sandbox, times: usize, pause: &str) -> Vec<String> {
    let mut command = sandbox.command("sh");
    let script = format!("for i in $(seq {times}); do keyfob kubectl || echo \"exit $?\"; {pause}; done");
    command.args(["-c", &script]).env("KUBERNETES_EXEC_INFO", told()).env("KEYFOB_INTERACTIVE", "never");
    let done = run(command, "");
    done.stdout.lines().map(str::to_owned).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_parent_that_asks_again_for_a_living_token_gets_one_refresh_a_minute() {
    let provider = approving();
    let sandbox = clustered(&provider);
    asked(&sandbox, Some(&told()), "always");
    let answers = asked_repeatedly(&sandbox, 20, ":");
    assert_eq!(answers.len(), 20);
    assert_ne!(answers[0], answers[1], "what was given may have been refused");
    assert!(answers[1..].iter().all(|answer| *answer == answers[1]), "and not again within the minute");
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 1));
    sandbox.edit(|record| {
        let token = &mut record["tokens"][""];
        token["received_at"] = (now() - 61).into();
    });
    asked_repeatedly(&sandbox, 3, ":");
    assert_eq!(provider.count(Endpoint::Refresh), 2);
    // Who asked, and for the two who were refused again that it was said.
    assert_eq!(std::fs::read_dir(sandbox.state().join("parents")).unwrap().count(), 5);
}

#[cfg(target_os = "linux")]
#[test]
fn a_guess_never_costs_a_login_or_the_token() {
    let provider = approving();
    let sandbox = clustered(&provider);
    asked(&sandbox, Some(&told()), "always");
    for _ in 0..2 {
        provider.instead(Endpoint::Refresh, Reply::new(503, "text/plain", ""));
    }
    let answers = asked_repeatedly(&sandbox, 2, ":");
    assert_eq!(answers[0], answers[1], "the provider is down, and the old one lives");
    sandbox.edit(|record| {
        record.as_object_mut().unwrap().remove("refresh_token");
        record.as_object_mut().unwrap().remove("failure");
    });
    let answers = asked_repeatedly(&sandbox, 2, ":");
    assert_eq!(answers[0], answers[1], "nothing to refresh with");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_session_that_is_over_is_found_out_by_asking_again() {
    let provider = approving();
    let sandbox = clustered(&provider);
    asked(&sandbox, Some(&told()), "always");
    provider.instead(Endpoint::Refresh, Reply::json(400, r#"{"error":"invalid_grant"}"#));
    let answers = asked_repeatedly(&sandbox, 3, ":");
    assert!(answers[0].contains("ExecCredential"));
    assert_eq!(answers[1..], ["exit 1", "exit 1"], "only a human can help");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_denial_is_told_to_the_same_parent_without_another_code() {
    let provider = Provider::start();
    let sandbox = clustered(&provider);
    let mut command = sandbox.command("sh");
    command.args(["-c", "for i in 1 2 3 4 5; do keyfob kubectl; done; true"]);
    command.env("KUBERNETES_EXEC_INFO", told()).env("KEYFOB_INTERACTIVE", "always");
    let child = begin(command, "");
    provider.decide(&open_code(&provider), false);
    let done = finish(child);
    assert_eq!(
        done.stderr.matches("keyfob: the sign-in to acme was denied: The person said no\n").count(),
        5,
        "the same words at once"
    );
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_a_denial_is_said_once() {
    let provider = Provider::start();
    let sandbox = clustered(&provider);
    let mut command = sandbox.command("script");
    command.args(["-qec", "sh -c 'for i in 1 2 3 4 5; do keyfob kubectl >answer; done'", "/dev/null"]);
    command.env_remove("CI").env("KUBERNETES_EXEC_INFO", told());
    let child = begin(command, "");
    provider.decide(&open_code(&provider), false);
    let screen = finish(child).stdout;
    assert_eq!(screen.matches("was denied").count(), 1, "{screen}");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn nobody_there_is_one_line_and_exit_code_1() {
    let provider = Provider::start();
    let sandbox = clustered(&provider);
    let done = asked(&sandbox, Some(&told()), "auto");
    assert_eq!((done.stdout.as_str(), done.code), ("", Some(1)));
    assert_eq!(done.stderr, "keyfob: nobody is here to sign in to acme (CI); run: keyfob login acme --start\n");
    assert!(provider.seen().is_empty());
}

#[test]
fn stdin_is_left_alone() {
    let provider = approving();
    let sandbox = unbound(&provider);
    // A stdin that is open and never says anything, as some clients leave it.
    let mut command = sandbox.keyfob(&["kubectl"]);
    command.env("KEYFOB_INTERACTIVE", "always").stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _open = child.stdin.take();
    let ended = wait_for("answer", || child.try_wait().unwrap());
    assert!(ended.success());
}

/// A kubectl that finds a server of another version turns into that version's kubectl: one process, two programs, each of
/// which asks once.
#[cfg(target_os = "linux")]
#[test]
fn a_process_that_turns_into_another_program_was_not_refused() {
    let provider = approving();
    let sandbox = clustered(&provider);
    asked(&sandbox, Some(&told()), "always");
    let mut command = sandbox.command("sh");
    command.args(["-c", "keyfob kubectl; exec bash -c 'keyfob kubectl; true'"]);
    command.env("KUBERNETES_EXEC_INFO", told()).env("KEYFOB_INTERACTIVE", "never");
    let done = run(command, "");
    let answers: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(answers.len(), 2, "{done:?}");
    assert_eq!(answers[0], answers[1]);
    assert_eq!(provider.count(Endpoint::Refresh), 0);
}
