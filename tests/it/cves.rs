//! One test for each row of the record of what fooled other credential helpers, and what it demands of this one.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use serde_json::json;

use crate::support::git_server::GitServer;
use crate::support::http::{self, Reply};
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, run, workos};

const SILENCE: Transcript = Transcript { stdout: String::new(), stderr: String::new(), code: Some(0) };

fn approving() -> Provider {
    Provider::with(Manners { approves_by_itself: true, ..Manners::default() })
}

/// Somebody who is signed in to git.acme.dev, has a kept password for old.acme.dev, and asks no server for a hit.
fn signed_in(provider: &Provider) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure(&format!("[store]\ngit = true\n{}", workos(provider, "acme", "hosts = [\"git.acme.dev\"]")));
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username="), "{done:?}");
    let store = "protocol=https\nhost=old.acme.dev\nusername=u\npassword=kept\n\n";
    assert_eq!(sandbox.run(&["git", "store"], store), SILENCE);
    assert!(sandbox.run(&["git", "get"], &ask("old.acme.dev")).stdout.contains("password=kept"));
    sandbox
}

/// git is stopped and gets nothing.
fn assert_refused(sandbox: &Sandbox, stdin: &str) {
    let done = sandbox.run(&["git", "get"], stdin);
    assert_eq!(done.stdout, "quit=1\n", "{stdin:?}: {done:?}");
    assert!(done.stderr.starts_with("keyfob: what git asks is malformed: "), "{}", done.stderr);
    for operation in ["store", "erase"] {
        assert_eq!(sandbox.run(&["git", operation], stdin).stdout, "");
    }
}

/// What is kept is still kept, and nothing was added.
fn assert_untouched(sandbox: &Sandbox) {
    assert!(sandbox.run(&["git", "get"], &ask("old.acme.dev")).stdout.contains("password=kept"));
    assert!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout.contains("password=eyJ"));
    assert_eq!(fs::read_dir(sandbox.state().join("passwords")).unwrap().count(), 2, "one place and the lock");
}

#[test]
fn cve_2020_5260_no_line_feed_in_a_url_or_a_value_names_another_host() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    // What an unpatched git would send for https://evil.dev%0ahost=git.acme.dev/.
    assert_refused(&sandbox, "protocol=https\nhost=evil.dev\nhost=git.acme.dev\n\n");
    assert_refused(&sandbox, "protocol=https\nhost=git.acme.dev\nhost=evil.dev\npath=x\n\n");
    assert_refused(&sandbox, "protocol=https\nhost=git.acme.dev\0.evil.dev\n\n");
    // What is given back names no place, and no value of it holds a line feed.
    let given = sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout;
    assert!(given.lines().all(|line| !["host", "protocol", "url", "path"].contains(&line.split('=').next().unwrap())));
    let named = workos(&provider, "acme", "hosts = [\"git.acme.dev\"]\nusername = \"u\\nhost=evil.dev\"");
    sandbox.configure(&named);
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    assert!(done.stderr.contains("does not fit git's protocol"), "{}", done.stderr);
}

#[test]
fn cve_2020_11008_a_request_without_host_or_protocol_gets_nothing() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    for stdin in [
        "",
        "\n",
        "protocol=https\n\n",
        "host=git.acme.dev\n\n",
        "protocol=https\nhost=\n\n",
        "protocol=\nhost=git.acme.dev\n\n",
        "username=u\n\n",
    ] {
        for operation in ["get", "store", "erase"] {
            assert_eq!(sandbox.run(&["git", operation], stdin), SILENCE, "{operation} {stdin:?}");
        }
    }
    assert_refused(&sandbox, "protocol=https\nprotocol=http\nhost=git.acme.dev\n\n");
    assert_untouched(&sandbox);
}

#[test]
fn cve_2024_50349_control_characters_in_a_prompt_are_escaped() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let body = json!({
        "device_code": "dc", "user_code": "A\u{1b}[1;1H\u{9b}2J\u{202e}B", "verification_uri": "https://a.dev", "expires_in": 60,
        "interval": 1,
    });
    provider.instead(Endpoint::Start, Reply::json(200, body.to_string()));
    provider.instead(Endpoint::Poll, Reply::json(400, "{\"error\":\"access_denied\"}"));
    let done = sandbox.run_asking(&["git", "get"], "protocol=https\nhost=git.acme.dev\nusername=\u{1b}[2Ju\n\n");
    assert!(done.stderr.contains("keyfob:   code A\\u{1b}[1;1H\\u{9b}2J\\u{202e}B\n"), "{}", done.stderr);
    assert!(!done.stderr.contains(|c: char| c.is_control() && c != '\n'), "{:?}", done.stderr);
    // A host with such characters is no host.
    assert_eq!(sandbox.run_asking(&["git", "get"], &ask("git.acme.dev\u{1b}[2J")), SILENCE);
}

#[test]
fn cve_2024_52006_a_carriage_return_in_a_value_is_refused() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    for stdin in [
        "protocol=https\nhost=evil.dev\rhost=git.acme.dev\n\n",
        "protocol=https\nhost=git.acme.dev\r.evil.dev\n\n",
        "protocol=https\nhost=git.acme.dev\nusername=u\rx\n\n",
        "protocol=https\nhost=git.acme.dev\r\r\n\n",
        "protocol=https\nhost=git.acme.dev\r",
    ] {
        assert_refused(&sandbox, stdin);
    }
    assert_untouched(&sandbox);
}

#[test]
fn cve_2024_50338_a_line_ends_at_a_line_feed_and_at_nothing_else() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    // One carriage return before it is a Windows git's.
    let windows = sandbox.run(&["git", "get"], "protocol=https\r\nhost=git.acme.dev\r\n\r\n");
    assert_eq!(windows, sandbox.run(&["git", "get"], &ask("git.acme.dev")));
    // Whatever else Unicode and some readers call the end of a line is part of the value: no such host.
    for end in ["\u{b}", "\u{c}", "\u{1c}", "\u{85}", "\u{2028}", "\u{2029}"] {
        let stdin = format!("protocol=https\nhost=evil.dev{end}host=git.acme.dev\n\n");
        assert_eq!(sandbox.run(&["git", "get"], &stdin), SILENCE, "{end:?}");
    }
    assert_untouched(&sandbox);
}

#[test]
fn cve_2026_82249_a_lone_carriage_return_separates_nothing_in_what_is_written() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    // As a caller we name nothing to anybody; as a writer no value may hold one. The fuzzer holds the codec to it.
    sandbox.configure(&workos(&provider, "acme", "hosts = [\"git.acme.dev\"]\nusername = \"u\\rpassword=x\""));
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    assert!(done.stderr.contains("does not fit git's protocol"), "{}", done.stderr);
}

#[test]
fn cve_2024_53263_nothing_a_client_said_reaches_the_git_that_is_asked() {
    let provider = approving();
    let sandbox = Sandbox::signed_up(&provider);
    // The one git that is started is asked for a setting, in words of our own.
    let log = sandbox.home().join("log");
    let fake = sandbox.home().parent().unwrap().join("bin/git");
    fs::write(&fake, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >>'{0}'; cat >>'{0}'; echo never\n", log.display()))
        .unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(sandbox.home().join("ask"), "protocol=https\nhost=git.acme.dev\npath=a%0ab\nusername=x\n\n").unwrap();
    let mut command = sandbox.command("script");
    command.args(["-qec", "timeout 20 keyfob git get <ask >answer", "/dev/null"]).env_remove("CI");
    run(command, "");
    assert_eq!(fs::read_to_string(log).unwrap(), "config\n--get\ncredential.interactive\n");
    assert_eq!(fs::read_to_string(sandbox.home().join("answer")).unwrap(), "quit=1\n");
}

#[test]
fn cve_2025_23040_the_first_equals_splits_and_hosts_are_compared_whole() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    for host in [
        "git.acme.dev.evil.dev",
        "evil-git.acme.dev",
        "git.acme.dev=",
        "=git.acme.dev",
        "git.acme.dev@evil.dev",
        "evil.dev@git.acme.dev",
        "git.acme.dev:443@evil.dev",
        "git.acme.dev/",
        "git.acme.dev ",
        " git.acme.dev",
        "git.acme.dev.",
        "gitXacme.dev",
        "acme.dev",
        "git.acme.dev:8443",
        "git.acme.dev%2eevil.dev",
        "evil.dev#git.acme.dev",
    ] {
        assert_eq!(sandbox.run(&["git", "get"], &ask(host)), SILENCE, "{host:?}");
    }
    for line in ["host", "host git.acme.dev", "=git.acme.dev", "host:git.acme.dev"] {
        assert_refused(&sandbox, &format!("protocol=https\n{line}\n\n"));
    }
    assert_eq!(sandbox.run(&["git", "get"], "protocol=https\nHOST=git.acme.dev\n\n"), SILENCE);
    let done = sandbox.run(&["git", "get"], "protocol=https\nhost=git.acme.dev\nusername=a=b\n\n");
    assert!(done.stdout.starts_with("username=a=b\npassword=eyJ"), "{done:?}");
}

#[test]
fn cve_2024_53858_no_token_of_the_environment_goes_to_any_host() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    for host in ["github.com", "ghe.evil.dev", "git.acme.dev", "git.acme.dev:8443", "old.acme.dev.evil.dev"] {
        let mut command = sandbox.keyfob(&["git", "get"]);
        for name in [
            "GH_TOKEN",
            "GITHUB_TOKEN",
            "GH_ENTERPRISE_TOKEN",
            "GITLAB_TOKEN",
            "WORKOS_API_KEY",
            "KEYFOB_TOKEN",
            "OAUTH_TOKEN",
        ] {
            command.env(name, "s3cret");
        }
        command.env("CODESPACES", "true").env("GIT_ASKPASS", "echo");
        let done = run(command, &ask(host));
        assert!(!done.stdout.contains("s3cret") && !done.stderr.contains("s3cret"), "{done:?}");
        assert_eq!(done.stdout.contains("password="), host == "git.acme.dev", "{done:?}");
    }
    // Nor in the clear, nor on another port, nor to the same name under another scheme.
    assert_eq!(sandbox.run(&["git", "get"], "protocol=http\nhost=git.acme.dev\n\n"), SILENCE);
}

#[test]
fn cve_2026_48501_no_host_is_folded_into_another() {
    let provider = approving();
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(
        &provider,
        "acme",
        "hosts = [\"acme.dev\", \"*.git.acme.dev\", \"https://p.acme.dev/team\"]",
    ));
    assert!(sandbox.run_asking(&["git", "get"], &ask("acme.dev")).stdout.contains("password="));
    assert!(sandbox.run(&["git", "get"], &ask("a.git.acme.dev")).stdout.contains("password="));
    for host in [
        "x.acme.dev",
        "www.acme.dev",
        "git.acme.dev",
        "b.a.git.acme.dev",
        ".git.acme.dev",
        "evil-git.acme.dev",
        "a.git.acme.dev.evil.dev",
        "p.acme.dev",
        "acme.dev:444",
    ] {
        assert_eq!(sandbox.run(&["git", "get"], &ask(host)), SILENCE, "{host}");
    }
    for (path, given) in
        [("team/x", true), ("team", true), ("teammate", false), ("x/team", false), ("team/../x", false)]
    {
        let stdin = format!("protocol=https\nhost=p.acme.dev\npath={path}\n\n");
        assert_eq!(sandbox.run(&["git", "get"], &stdin).stdout.contains("password="), given, "{path}");
    }
    // Nor does any request to the provider carry a token that belongs elsewhere.
    assert!(provider.seen().iter().all(|seen| !seen.headers.contains_key("authorization")));
}

#[test]
fn cve_2026_41506_a_token_follows_no_redirect_to_another_host() {
    let provider = approving();
    let repositories = tempfile::tempdir().unwrap();
    let server = GitServer::start(&provider, repositories.path());
    server.add("one.git");
    let elsewhere = approving();
    let target = elsewhere.url();
    let redirecting = http::serve(move |request| {
        Reply::new(302, "text/html", "").with("Location", &format!("{target}{}?{}", request.path, request.query))
    });
    let sandbox = Sandbox::new();
    let hosts = format!("hosts = [\"{}\", \"http://{redirecting}\"]", server.url());
    sandbox.configure(&workos(&provider, "acme", &hosts));
    fs::write(sandbox.home().join(".gitconfig"), "[credential]\n\thelper =\n\thelper = keyfob\n").unwrap();
    let mut command = sandbox.command("git");
    command.args(["ls-remote", &format!("{}/one.git", server.url())]).env("KEYFOB_INTERACTIVE", "always");
    assert_eq!(run(command, "").code, Some(0));
    // git itself follows; for where it arrives it asks anew, and keyfob has nothing for there.
    let mut command = sandbox.command("git");
    command.args(["ls-remote", &format!("http://{redirecting}/one.git")]).env("GIT_TERMINAL_PROMPT", "0");
    assert_ne!(run(command, "").code, Some(0));
    assert!(!elsewhere.seen().is_empty(), "it was sent there");
    assert!(elsewhere.seen().iter().all(|seen| !seen.headers.contains_key("authorization")), "{:?}", elsewhere.seen());
    // keyfob does not follow at all: the redirects of a token endpoint are in the attacks.
    sandbox.expire();
    let evil = Provider::start();
    provider.instead(
        Endpoint::Refresh,
        Reply::new(307, "text/html", "").with("Location", &format!("{}/user_management/authenticate", evil.url())),
    );
    sandbox.run(&["token"], "");
    assert!(evil.seen().is_empty());
}

#[test]
fn cve_2025_48386_what_is_too_long_is_refused_and_never_cut() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    let long = |length: usize| "a".repeat(length);
    for stdin in [
        format!("protocol=https\nhost=git.acme.dev\nusername={}\n\n", long(65_535)),
        format!("protocol=https\nhost=git.acme.dev\nwwwauth[]={}\n\n", long(65_536)),
        format!("protocol=https\nhost={}\n\n", long(1 << 20)),
        "wwwauth[]=x\n".repeat(100_000),
    ] {
        assert_refused(&sandbox, &stdin);
    }
    // As long as a line of git's may be: taken whole, given back whole.
    let password = long(65_535 - "password=\n".len());
    let store = format!("protocol=https\nhost=long.acme.dev\nusername=u\npassword={password}\n\n");
    assert_eq!(sandbox.run(&["git", "store"], &store), SILENCE);
    let kept = sandbox.run(&["git", "get"], &ask("long.acme.dev"));
    assert_eq!(kept.stdout, format!("username=u\npassword={password}\n"));
    // A token that no line could carry is refused as such.
    sandbox.expire();
    let body = json!({ "access_token": long(65_536), "expires_in": 300 });
    provider.instead(Endpoint::Refresh, Reply::json(200, body.to_string()));
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    assert!(done.stderr.contains("its token is longer than git can take"), "{}", done.stderr);
}

#[test]
fn cve_2024_32478_what_is_made_belongs_to_whoever_runs_it_and_is_open_to_nobody_else() {
    let provider = approving();
    let sandbox = Sandbox::new();
    sandbox.configure(&format!("[store]\ngit = true\n{}", workos(&provider, "acme", "hosts = [\"git.acme.dev\"]")));
    // With the most careless of masks.
    let script = "umask 000; printf 'protocol=https\\nhost=git.acme.dev\\n\\n' | keyfob git get; keyfob login --start; keyfob kubectl; \
        printf 'protocol=https\\nhost=b.dev\\nusername=u\\npassword=p\\n\\n' | keyfob git store";
    let mut command = sandbox.command("sh");
    command.args(["-c", script]).env("KEYFOB_INTERACTIVE", "always").env("KUBERNETES_EXEC_INFO", "{}");
    run(command, "");
    let me = Command::new("id").arg("-u").output().unwrap();
    let me: u32 = String::from_utf8(me.stdout).unwrap().trim().parse().unwrap();
    let (mut folders, mut count) = (vec![sandbox.state()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let meta = entry.metadata().unwrap();
            let mode = if meta.is_dir() { 0o700 } else { 0o600 };
            assert_eq!((meta.uid(), meta.mode() & 0o7777), (me, mode), "{}", entry.path().display());
            if meta.is_dir() {
                folders.push(entry.path());
            }
            count += 1;
        }
    }
    assert!(count > 5, "sessions, passwords and parents, and what is in them");
}

#[test]
fn cve_2025_66413_a_challenge_alone_starts_nothing() {
    let provider = approving();
    let sandbox = signed_in(&provider);
    let evil = Provider::start();
    let requests = provider.seen().len();
    let challenges = format!(
        "wwwauth[]=NTLM TlRMTVNTUAACAAAA\nwwwauth[]=Negotiate\nwwwauth[]=Basic realm=\"git.acme.dev\"\nwwwauth[]=Bearer realm=\"{0}\", \
         resource_metadata=\"{0}/.well-known/oauth-protected-resource\", authorization_uri=\"{0}/device\"\n",
        evil.url()
    );
    // A host that is nobody's: silence, however it introduces itself.
    for host in ["evil.dev", "gitlab.evil.dev", "127.0.0.1:1"] {
        let stdin = format!("capability[]=authtype\ncapability[]=state\nprotocol=https\nhost={host}\n{challenges}\n");
        assert_eq!(sandbox.run_asking(&["git", "get"], &stdin), SILENCE, "{host}");
    }
    // A host that is ours: the same token as without it, in the scheme of the profile.
    let plain = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    let stdin = format!("protocol=https\nhost=git.acme.dev\n{challenges}\n");
    assert_eq!(sandbox.run_asking(&["git", "get"], &stdin), plain);
    assert!(evil.seen().is_empty());
    assert_eq!(provider.seen().len(), requests);
}
