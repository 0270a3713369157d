use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, run, workos};

const MISS: &str = "credentials not found in native keychain\n";

fn approving() -> Provider {
    Provider::with(Manners { approves_by_itself: true, ..Manners::default() })
}

fn registry(provider: &Provider) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(provider, "acme", "hosts = [\"r.acme.dev\", \"r.acme.dev:5000\"]"));
    sandbox
}

fn said(stdout: &str, stderr: &str, code: i32) -> Transcript {
    Transcript { stdout: stdout.to_owned(), stderr: stderr.to_owned(), code: Some(code) }
}

fn keep(sandbox: &Sandbox, server: &str, username: &str, secret: &str) {
    let login = format!(r#"{{"ServerURL":"{server}","Username":"{username}","Secret":"{secret}"}}"#);
    assert_eq!(sandbox.run(&["docker", "store"], &login), said("", "", 0), "{server}");
}

#[test]
fn a_registry_with_a_profile_gets_the_token_under_any_spelling() {
    let provider = approving();
    let sandbox = registry(&provider);
    let mut secrets = Vec::new();
    for spelling in [
        "r.acme.dev",
        "https://r.acme.dev",
        "r.acme.dev:443",
        "https://r.acme.dev:443/",
        "r.acme.dev/team/app",
        " r.acme.dev\n",
        "R.ACME.dev:5000",
    ] {
        let done = sandbox.run_asking(&["docker", "get"], spelling);
        assert_eq!(done.code, Some(0), "{spelling}: {done:?}");
        let answer: serde_json::Value = serde_json::from_str(&done.stdout).unwrap();
        assert_eq!(answer["ServerURL"], spelling.trim(), "echoed as it came");
        assert_eq!(answer["Username"], "oauth2");
        secrets.push(answer["Secret"].as_str().unwrap().to_owned());
    }
    assert!(provider.accepts(&secrets[0]) && secrets.iter().all(|secret| *secret == secrets[0]));
    assert_eq!(provider.count(Endpoint::Start), 1);
    for other in ["r.acme.dev:5001", "http://r.acme.dev", "evil-r.acme.dev", "r.acme.dev.evil.dev"] {
        assert_eq!(sandbox.run(&["docker", "get"], other), said(MISS, "", 1), "{other}");
    }
}

#[test]
fn git_and_docker_share_a_session() {
    let provider = approving();
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(&provider, "acme", "hosts = [\"git.acme.dev\", \"r.acme.dev\"]\n[profile.acme.at.\"r.acme.dev\"]\nresource = \"https://r.acme.dev\"\nusername = \"token\""));
    assert!(sandbox.run_asking(&["git", "get"], "protocol=https\nhost=git.acme.dev\n\n").stdout.contains("password="));
    let done = sandbox.run(&["docker", "get"], "r.acme.dev");
    assert!(done.stdout.contains("\"Username\":\"token\""), "{done:?}");
    assert_eq!(provider.of(Endpoint::Refresh)[0].form["resource"], "https://r.acme.dev");
    assert_eq!(provider.count(Endpoint::Start), 1, "a missing slot is a refresh, not a login");
    assert_eq!(sandbox.run(&["docker", "get"], "r.acme.dev").stdout, done.stdout);
    assert_eq!(provider.count(Endpoint::Refresh), 1);
}

#[test]
fn errors_are_on_both_channels_and_exit_with_1() {
    let provider = Provider::start();
    let sandbox = registry(&provider);
    let words = "nobody is here to sign in to acme (CI); run: keyfob login acme --start\n";
    assert_eq!(sandbox.run(&["docker", "get"], "r.acme.dev"), said(words, &format!("keyfob: {words}"), 1));
    sandbox.configure("[profile.x]\n");
    let done = sandbox.run(&["docker", "get"], "r.acme.dev");
    assert_eq!(done.code, Some(1));
    assert!(done.stdout.contains("provider is missing") && done.stderr.contains("provider is missing"), "{done:?}");
}

#[test]
fn the_protocols_own_words() {
    let sandbox = Sandbox::new();
    let no_server = "no credentials server URL\n";
    let large = "a".repeat(1 << 20);
    for stdin in ["", "\n", "  ", "ftp://x.dev", &large] {
        let done = sandbox.run(&["docker", "get"], stdin);
        assert_eq!((done.stdout.as_str(), done.code), (no_server, Some(1)), "{}", &stdin[..stdin.len().min(20)]);
    }
    for stdin in ["", "garbage", "[]", r#"{"Username":"u","Secret":"s"}"#, &large] {
        let done = sandbox.run(&["docker", "store"], stdin);
        assert_eq!((done.stdout.as_str(), done.code), (no_server, Some(1)), "{}", &stdin[..stdin.len().min(20)]);
    }
    let done = sandbox.run(&["docker", "store"], r#"{"ServerURL":"x.dev","Secret":"s"}"#);
    assert_eq!((done.stdout.as_str(), done.code), ("no credentials username\n", Some(1)));
    for stdin in ["", "unknown.dev", "garbage garbage", &large] {
        assert_eq!(sandbox.run(&["docker", "erase"], stdin), said("", "", 0));
    }
    assert_eq!(
        sandbox.run(&["docker", "version"], "").stdout,
        concat!("docker-credential-keyfob (keyfob) ", env!("CARGO_PKG_VERSION"), "\n")
    );
    assert_eq!(sandbox.run(&["docker", "list"], "unused"), said("{}\n", "", 0));
}

#[cfg(unix)]
#[test]
fn called_by_dockers_name_for_it() {
    let sandbox = Sandbox::new();
    let called = |args: &[&str]| {
        let mut command = sandbox.command("docker-credential-keyfob");
        command.args(args);
        run(command, "")
    };
    let usage = "Usage: docker-credential-keyfob <store|get|erase|list|version>\n";
    for args in [&[][..], &["frobnicate"], &["get", "x"], &["--profile", "acme", "get"]] {
        assert_eq!(called(args), said(usage, "", 1), "{args:?}");
    }
    assert_eq!(called(&["--help"]), said(usage, "", 0));
    for args in [["version"], ["--version"], ["-v"]] {
        assert_eq!(called(&args).code, Some(0));
    }
}

#[test]
fn what_docker_login_keeps_comes_back_under_any_spelling() {
    let sandbox = Sandbox::new();
    keep(&sandbox, "r.dev", "ann", "one");
    for spelling in ["r.dev", "https://r.dev", "r.dev:443", "https://r.dev/", "r.dev/team/app", "http://r.dev"] {
        let answer = format!("{{\"Secret\":\"one\",\"ServerURL\":\"{spelling}\",\"Username\":\"ann\"}}\n");
        assert_eq!(sandbox.run(&["docker", "get"], spelling), said(&answer, "", 0), "{spelling}");
    }
    assert_eq!(sandbox.run(&["docker", "get"], "r.dev:5000"), said(MISS, "", 1));
    keep(&sandbox, "https://r.dev/team", "bob", "two");
    assert!(sandbox.run(&["docker", "get"], "r.dev/team/app").stdout.contains("bob"), "the longest path");
    assert!(sandbox.run(&["docker", "get"], "r.dev/other").stdout.contains("ann"));
    keep(&sandbox, "https://r.dev", "ann", "three");
    assert!(sandbox.run(&["docker", "get"], "r.dev").stdout.contains("three"), "overwritten");
    assert_eq!(sandbox.run(&["docker", "list"], "").stdout, "{\"r.dev\":\"ann\",\"r.dev/team\":\"bob\"}\n");
    for spelling in ["r.dev", "http://r.dev", "https://r.dev"] {
        assert_eq!(sandbox.run(&["docker", "erase"], spelling), said("", "", 0));
    }
    assert_eq!(sandbox.run(&["docker", "get"], "r.dev"), said(MISS, "", 1));
}

#[test]
fn identity_tokens_and_docker_hubs_own_keys() {
    let sandbox = Sandbox::new();
    keep(&sandbox, "r.dev", "\\u003ctoken\\u003e", "identity");
    assert!(sandbox.run(&["docker", "get"], "r.dev").stdout.contains("\"Username\":\"<token>\""));
    keep(&sandbox, "https://index.docker.io/v1/", "hub-user", "pat");
    for spelling in ["docker.io", "index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"] {
        assert!(sandbox.run(&["docker", "get"], spelling).stdout.contains("hub-user"), "{spelling}");
    }
    let own = "https://index.docker.io/v1/access-token";
    assert_eq!(sandbox.run(&["docker", "get"], own), said(MISS, "", 1), "the login is not that token");
    keep(&sandbox, own, "hub-user", "jwt");
    assert!(sandbox.run(&["docker", "get"], own).stdout.contains("jwt"));
    assert_eq!(
        sandbox.run(&["docker", "list"], "").stdout,
        "{\"https://index.docker.io/v1/\":\"hub-user\",\"https://index.docker.io/v1/access-token\":\"hub-user\",\"r.dev\":\"<token>\"}\n"
    );
}

#[test]
fn a_registry_that_takes_no_oauth_token_says_so_and_keeps_its_login() {
    let provider = approving();
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(&provider, "acme", "hosts = [\"docker.io\", \"registry.gitlab.com\"]"));
    for (server, why) in [
        ("docker.io", "Docker Hub takes personal access tokens"),
        ("registry.gitlab.com", "GitLab's registry takes personal, deploy and job tokens"),
    ] {
        let done = sandbox.run_asking(&["docker", "get"], server);
        assert_eq!(done.code, Some(1));
        assert!(
            done.stdout.starts_with(why) && done.stderr.contains(why) && done.stderr.contains("docker login"),
            "{done:?}"
        );
        keep(&sandbox, server, "me", "pat");
        assert!(sandbox.run(&["docker", "get"], server).stdout.contains("pat"));
    }
    assert!(provider.seen().is_empty());
}

#[test]
fn with_a_profile_store_keeps_nothing_and_erase_drops_the_access_token_alone() {
    let provider = approving();
    let sandbox = registry(&provider);
    let login = r#"{"ServerURL":"https://r.acme.dev","Username":"someone","Secret":"s3cret"}"#;
    let line =
        "keyfob: r.acme.dev is the profile acme's, and this login was not kept; to sign in, run: keyfob login acme\n";
    assert_eq!(sandbox.run(&["docker", "store"], login), said("", line, 0));
    assert!(!sandbox.state().join("passwords").exists());
    let first = sandbox.run_asking(&["docker", "get"], "r.acme.dev").stdout;
    // `docker login` without a name hands back what it was given; that is no loss.
    assert_eq!(sandbox.run(&["docker", "store"], &first), said("", "", 0));
    assert_eq!(sandbox.run(&["docker", "store"], login), said("", line, 0), "another's is one still");
    assert_eq!(
        sandbox.run(&["docker", "list"], "").stdout,
        "{\"r.acme.dev\":\"oauth2\",\"r.acme.dev:5000\":\"oauth2\"}\n"
    );
    assert_eq!(sandbox.run(&["docker", "erase"], "r.acme.dev"), said("", "", 0));
    let second = sandbox.run(&["docker", "get"], "r.acme.dev").stdout;
    assert_ne!(first, second);
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 1));
    for _ in 0..5 {
        assert_eq!(sandbox.run(&["docker", "erase"], "r.acme.dev"), said("", "", 0), "exits 0 whatever there is");
    }
    let third = sandbox.run(&["docker", "get"], "r.acme.dev").stdout;
    assert_ne!(second, third, "a person's wish, and not a refusal");
    sandbox.configure("[profile.x]\n");
    let done = sandbox.run(&["docker", "erase"], "r.acme.dev");
    assert_eq!((done.stdout.as_str(), done.code), ("", Some(0)));
    assert!(done.stderr.contains("provider is missing"), "{}", done.stderr);
}

/// A torn file, one that others can read, and a session that others can read: each is a line, and the rest is there.
#[cfg(unix)]
#[test]
fn what_cannot_be_listed_is_a_line_and_the_others_are_listed() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    let provider = approving();
    let sandbox = registry(&provider);
    let mut files = Vec::new();
    for host in ["torn.dev", "open.dev", "whole.dev"] {
        let before: Vec<_> = files.clone();
        keep(&sandbox, host, "ann", "s3cret");
        let kept = fs::read_dir(sandbox.state().join("passwords")).unwrap().map(|file| file.unwrap().path());
        files.extend(kept.filter(|file| file.extension().is_some_and(|it| it == "json") && !before.contains(file)));
    }
    assert!(sandbox.run_asking(&["docker", "get"], "r.acme.dev").stdout.contains("oauth2"));
    fs::write(&files[0], "{\"version\":1,").unwrap();
    fs::set_permissions(&files[1], Permissions::from_mode(0o644)).unwrap();
    let done = sandbox.run(&["docker", "list"], "");
    let listed = "{\"r.acme.dev\":\"oauth2\",\"r.acme.dev:5000\":\"oauth2\",\"whole.dev\":\"ann\"}\n";
    assert_eq!((done.stdout.as_str(), done.code), (listed, Some(0)), "{done:?}");
    let lines: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{done:?}");
    for (file, why) in [(&files[0], "cannot be read: line 1"), (&files[1], "chmod")] {
        let name = file.display().to_string();
        assert!(lines.iter().any(|line| line.contains(&name) && line.contains(why)), "{why}: {done:?}");
    }
    assert!(!done.stderr.contains("s3cret"), "{done:?}");

    fs::set_permissions(sandbox.record(), Permissions::from_mode(0o644)).unwrap();
    let done = sandbox.run(&["docker", "list"], "");
    assert_eq!((done.stdout.as_str(), done.code), ("{\"whole.dev\":\"ann\"}\n", Some(0)), "{done:?}");
    let record = sandbox.record().display().to_string();
    assert_eq!(done.stderr.lines().filter(|line| line.contains(&record)).count(), 1, "once for two hosts: {done:?}");
}

/// A tie is an error for the host it is about, and for no other.
#[test]
fn a_tie_is_a_line_and_the_others_are_listed() {
    let provider = approving();
    let sandbox = Sandbox::new();
    let two = ["hosts = [\"r.acme.dev\", \"q.acme.dev\"]", "account = \"bob\"\nhosts = [\"r.acme.dev\"]"];
    sandbox.configure(&[workos(&provider, "acme", two[0]), workos(&provider, "bob", two[1])].concat());
    keep(&sandbox, "kept.dev", "ann", "one");
    assert!(sandbox.run_asking(&["docker", "get"], "q.acme.dev").stdout.contains("oauth2"));
    let done = sandbox.run(&["docker", "list"], "");
    assert_eq!(done.stdout, "{\"kept.dev\":\"ann\",\"q.acme.dev\":\"oauth2\"}\n", "{done:?}");
    assert!(done.stderr.starts_with("keyfob: profiles acme and bob both answer for https://r.acme.dev; "), "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
}

/// What `list` names, `get` answers with that name; what a wildcard stands for is listed where docker names it.
#[test]
fn list_names_what_get_answers() {
    let provider = approving();
    let sandbox = Sandbox::new();
    let hosts = "hosts = [\"r.acme.dev\", \"https://p.acme.dev/team\", \"*.corp.dev\", \"*.deep.dev:5000\"]";
    sandbox.configure(&workos(&provider, "acme", hosts));
    std::fs::create_dir(sandbox.home().join(".docker")).unwrap();
    let config = r#"{"auths":{"a.corp.dev":{},"https://B.corp.dev/":{},"other.dev":{"auth":"c2VjcmV0"}},
        "credHelpers":{"x.deep.dev:5000":"keyfob","a.corp.dev":"keyfob"},"credsStore":"keyfob"}"#;
    std::fs::write(sandbox.home().join(".docker/config.json"), config).unwrap();
    // Kept once, and answered by the profile since: `get` does not look at it.
    sandbox.configure("");
    keep(&sandbox, "r.acme.dev", "before", "pw");
    keep(&sandbox, "kept.dev/team", "ann", "pw");
    sandbox.configure(&workos(&provider, "acme", hosts));
    assert_eq!(sandbox.run(&["docker", "list"], "").stdout, "{\"kept.dev/team\":\"ann\"}\n", "nobody is signed in yet");
    assert!(sandbox.run_asking(&["docker", "get"], "a.corp.dev").stdout.contains("oauth2"));
    let done = sandbox.run(&["docker", "list"], "");
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        (
            "{\"a.corp.dev\":\"oauth2\",\"b.corp.dev\":\"oauth2\",\"kept.dev/team\":\"ann\",\"p.acme.dev/team\":\"oauth2\",\"r.acme.dev\":\"oauth2\",\"x.deep.dev:5000\":\"oauth2\"}\n",
            ""
        )
    );
    let listed: std::collections::BTreeMap<String, String> = serde_json::from_str(&done.stdout).unwrap();
    for (name, username) in listed {
        let answer: serde_json::Value =
            serde_json::from_str(&sandbox.run(&["docker", "get"], &name).stdout).unwrap_or_else(|_| panic!("{name}"));
        assert_eq!((answer["ServerURL"].as_str(), answer["Username"].as_str()), (Some(&*name), Some(&*username)));
    }
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn a_store_that_is_off_says_what_to_do() {
    let sandbox = Sandbox::new();
    sandbox.configure("[store]\ndocker = false\n");
    let done = sandbox.run(&["docker", "store"], r#"{"ServerURL":"r.dev","Username":"u","Secret":"s3cret"}"#);
    assert_eq!(done.code, Some(1));
    assert!(done.stdout.contains("set docker = true under [store]") && !done.stdout.contains("s3cret"), "{done:?}");
    assert_eq!(sandbox.run(&["docker", "get"], "r.dev"), said(MISS, "", 1));
    assert_eq!(sandbox.run(&["docker", "list"], "").stdout, "{}\n");
}

/// docker asks again at once when it was told no.
#[cfg(target_os = "linux")]
#[test]
fn a_denial_is_told_to_the_same_docker_without_another_code() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let mut command = sandbox.command("sh");
    command.args(["-c", "for i in 1 2 3; do echo git.acme.dev | keyfob docker get; done; true"]);
    command.env("KEYFOB_INTERACTIVE", "always");
    let child = crate::support::sandbox::begin(command, "");
    provider.decide(&crate::support::sandbox::open_code(&provider), false);
    let done = crate::support::sandbox::finish(child);
    assert_eq!(done.stdout.matches("the sign-in to acme was denied: The person said no").count(), 3, "{done:?}");
    assert_eq!(provider.count(crate::support::provider::Endpoint::Start), 1);
}

/// podman, skopeo and buildah read docker's configuration, and are told apart where a person is asked.
#[cfg(target_os = "linux")]
#[test]
fn the_prompt_names_the_program_that_asks() {
    for (name, line) in [
        ("podman", "keyfob docker get; exit $?"),
        ("skopeo", "sh -c 'keyfob docker get; exit $?'; exit $?"),
        ("java", "keyfob docker get; exit $?"),
    ] {
        let provider = approving();
        let sandbox = Sandbox::signed_up(&provider);
        let mut command = sandbox.command(crate::support::sandbox::shell_called(name, &sandbox.home()));
        command.args(["-c", line]).env("KEYFOB_INTERACTIVE", "always");
        let done = crate::support::sandbox::run(command, "git.acme.dev");
        let first = format!("keyfob: {name} needs to sign in to git.acme.dev (profile acme at WorkOS AuthKit)\n");
        assert!(done.code == Some(0) && done.stderr.starts_with(&first), "{done:?}");
    }
}
