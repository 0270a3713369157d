use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, ask_with_state, run, workos};

#[test]
fn erase_kills_only_the_token_it_names() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let first = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    let other = "protocol=https\nhost=git.acme.dev\nusername=oauth2\npassword=another\n\n";
    assert_eq!(
        sandbox.run(&["git", "erase"], other),
        Transcript { stdout: String::new(), stderr: String::new(), code: Some(0) }
    );
    assert_eq!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout, first.stdout, "still there");
    let password = first.stdout.lines().find(|line| line.starts_with("password=")).unwrap();
    let ours = format!("protocol=https\nhost=git.acme.dev\nusername=oauth2\n{password}\n\n");
    sandbox.run(&["git", "erase"], &ours);
    let second = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(second.stdout.starts_with("username=oauth2\n"), "{second:?}");
    assert_ne!(second.stdout, first.stdout);
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 1));
}

#[test]
fn what_is_not_ours_gets_silence() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let silence = Transcript { stdout: String::new(), stderr: String::new(), code: Some(0) };
    for stdin in [
        ask("github.com"),
        ask("git.acme.dev.evil.dev"),
        ask("evil-git.acme.dev"),
        ask("git.acme.dev:8443"),
        "protocol=http\nhost=git.acme.dev\n\n".to_owned(),
        "protocol=https\n\n".to_owned(),
        "host=git.acme.dev\n\n".to_owned(),
        "protocol=cert\nhost=\npath=/home/x\n\n".to_owned(),
        String::new(),
    ] {
        for operation in ["get", "store", "erase"] {
            assert_eq!(sandbox.run_asking(&["git", operation], &stdin), silence, "{operation} {stdin:?}");
        }
    }
    for operation in ["fill", "approve", "frobnicate"] {
        assert_eq!(sandbox.run(&["git", operation], &ask("git.acme.dev")), silence, "{operation}");
    }
    let store =
        format!("{}username=oauth2\npassword=x\n\n", ask("git.acme.dev").trim_end_matches('\n').to_owned() + "\n");
    assert_eq!(sandbox.run(&["git", "store"], &store), silence, "nothing is kept for a host with a profile");
    assert!(provider.seen().is_empty());
    assert!(!sandbox.sessions().exists());
}

#[test]
fn malformed_input_is_refused_and_nobody_is_asked() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    for stdin in [
        "protocol=https\nhost=evil.dev\rhost=git.acme.dev\n\n",
        "protocol=https\nhost=evil.dev\nhost=git.acme.dev\n\n",
        "protocol=https\nhost=git.acme.dev\0\n\n",
        "protocol=https\nhost\n\n",
    ] {
        let done = sandbox.run_asking(&["git", "get"], stdin);
        assert_eq!((done.stdout.as_str(), done.code), ("quit=1\n", Some(0)), "{stdin:?}");
        assert!(done.stderr.starts_with("keyfob: what git asks is malformed: "), "{}", done.stderr);
    }
    assert!(provider.seen().is_empty());
}

#[cfg(unix)]
#[test]
fn called_by_gits_name_for_it() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let mut command = sandbox.command("git-credential-keyfob");
    command.arg("get").env("KEYFOB_INTERACTIVE", "always");
    let done = run(command, &ask("git.acme.dev"));
    assert!(done.stdout.starts_with("username=oauth2\n"), "{done:?}");
}

#[test]
fn a_profile_spelt_inline_answers_for_its_hosts_alone() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    let url = provider.url();
    let spelt = ["git", "--provider", "workos-connect", "--client-id", "client_test", "--issuer", &url];
    let without = [&spelt[..], &["get"]].concat();
    assert_eq!(sandbox.run_asking(&without, &ask("git.acme.dev")).stdout, "");
    let with = [&spelt[..], &["--host", "git.acme.dev", "get"]].concat();
    assert_eq!(sandbox.run_asking(&with, &ask("other.dev")).stdout, "");
    assert!(sandbox.run_asking(&with, &ask("git.acme.dev")).stdout.starts_with("username=oauth2\npassword="));
    let start = &provider.of(Endpoint::Start)[0];
    assert_eq!(start.path, "/oauth2/device_authorization");
    assert_eq!(start.form["scope"], "email offline_access openid profile");
}

#[test]
fn a_named_profile_narrows_and_never_widens() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    sandbox.configure(
        &[
            workos(&provider, "a", "hosts = [\"a.dev\", \"both.dev\"]\naccount = \"ann\""),
            workos(&provider, "b", "hosts = [\"b.dev\", \"both.dev\"]\naccount = \"bob\""),
        ]
        .concat(),
    );
    assert_eq!(sandbox.run_asking(&["git", "--profile", "a", "get"], &ask("b.dev")).stdout, "");
    assert!(sandbox.run_asking(&["git", "--profile", "b", "get"], &ask("both.dev")).stdout.starts_with("username="));
    let tie = sandbox.run_asking(&["git", "get"], &ask("both.dev"));
    assert_eq!(tie.stdout, "quit=1\n");
    assert!(tie.stderr.contains("profiles a and b both answer") && tie.stderr.contains("https://ann@both.dev"));
    let named = sandbox.run_asking(&["git", "get"], &ask("both.dev\nusername=ann"));
    assert!(named.stdout.starts_with("username=ann\n"), "the name in the URL is kept: {named:?}");
    let nobody = sandbox.run_asking(&["git", "--profile", "c", "get"], &ask("both.dev"));
    assert!(nobody.stderr.contains("no profile is called \"c\""), "{nobody:?}");
}

/// Whatever the path is that git tells, the host is that of its profile, and no password that is kept goes there.
#[test]
fn a_profile_of_a_whole_host_answers_for_any_path() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(&provider, "acme", "hosts = [\"git.acme.dev\", \"https://paths.dev/My%20Project\"]"));
    let file = std::fs::read_to_string(sandbox.config()).unwrap();
    sandbox.configure(&format!("{file}\n[store]\ngit = true\n"));
    let kept = "password=kept\nusername=ann\n";
    for host in ["git.acme.dev", "paths.dev"] {
        for path in
            ["My Project/x.git", "a//b", "team/../other", "50%", "%2e%2e/x", "gr\u{fc}n", "My Project/../other", "x"]
        {
            let asked = format!("protocol=https\nhost={host}\npath={path}\n");
            sandbox.run(&["git", "store"], &format!("{asked}{kept}\n"));
            let answer = sandbox.run_asking(&["git", "get"], &format!("{asked}\n")).stdout;
            let is_ours = host == "git.acme.dev" || path == "My Project/x.git";
            assert_eq!(answer.starts_with("username=oauth2\npassword=ey"), is_ours, "{host} {path}: {answer}");
            assert_eq!(answer.contains("password=kept"), !is_ours, "{host} {path}: {answer}");
        }
    }
}

/// A git that cannot send Bearer, at a server that takes nothing else: it is said, and no token is blamed for it.
#[test]
fn bearer_alone_is_told_to_a_git_that_cannot_send_it() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let asked = format!("wwwauth[]=Bearer realm=\"x\"\n{}", ask("git.acme.dev"));
    let told = sandbox.run_asking(&["git", "get"], &asked);
    assert_eq!(
        (told.stdout.as_str(), told.stderr.as_str()),
        (
            "quit=1\n",
            "keyfob: git.acme.dev takes tokens as Bearer alone, which this git cannot send\nkeyfob: hint: install git 2.46 or newer\n"
        )
    );
    let given = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev")).stdout;
    sandbox
        .run(&["git", "erase"], &format!("wwwauth[]=Bearer realm=\"x\"\nprotocol=https\nhost=git.acme.dev\n{given}\n"));
    assert_eq!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout, given, "it was not refused");
    assert_eq!(provider.count(Endpoint::Refresh), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_token_dies_and_its_successor_comes_without_a_second_round() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let asked = ask_with_state("git.acme.dev");
    let first = sandbox.run_in_transport(&["git", "get"], &asked, "always").stdout;
    let state = first.lines().find(|line| line.starts_with("state[]=keyfob:1:")).unwrap();
    assert!(first.starts_with("capability[]=authtype\ncapability[]=state\nusername=oauth2\npassword="), "{first}");
    assert!(first.ends_with("continue=1\n"), "{first}");
    let again = format!(
        "{}{state}\nwwwauth[]=Bearer error=\"invalid_token\"\n\n",
        asked.trim_end_matches('\n').to_owned() + "\n"
    );
    let second = sandbox.run_in_transport(&["git", "get"], &again, "auto").stdout;
    assert!(!second.contains("continue") && !second.contains("state[]"), "no third round: {second}");
    let password = |answer: &str| answer.lines().find(|line| line.starts_with("password=")).unwrap().to_owned();
    assert_ne!(password(&first), password(&second));
    // Another process that was refused the same token gets the successor, and nobody is asked for it.
    assert_eq!(password(&sandbox.run_in_transport(&["git", "get"], &again, "auto").stdout), password(&second));
    assert_eq!(provider.count(Endpoint::Refresh), 1);
}

/// git-lfs asks by `git credential fill`, passes every attribute on, and asks for ever when it was told to continue; and what it
/// echoes was not refused.
#[cfg(target_os = "linux")]
#[test]
fn whoever_is_not_gits_own_transport_gets_no_state_and_an_echo_is_no_refusal() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let asked = ask_with_state("git.acme.dev");
    let own = sandbox.run_in_transport(&["git", "get"], &asked, "always").stdout;
    let state = own.lines().find(|line| line.starts_with("state[]=")).unwrap();
    let other = sandbox.run(&["git", "get"], &asked).stdout;
    assert!(!other.contains("state") && !other.contains("continue") && other.contains("password="), "{other}");
    let echo = asked.replacen("protocol", &format!("{state}\nprotocol"), 1);
    let refused = echo.replacen("protocol", "wwwauth[]=Basic realm=x\nprotocol", 1);
    for (asked, in_transport) in [(&echo, true), (&echo, false), (&refused, false)] {
        let done = if in_transport {
            sandbox.run_in_transport(&["git", "get"], asked, "auto")
        } else {
            sandbox.run(&["git", "get"], asked)
        };
        assert!(done.stdout.contains("password="), "{done:?}");
    }
    assert_eq!(provider.count(Endpoint::Refresh), 0, "a token that lives is not marked as refused");
}

/// A token that took the place of a refused one and was accepted is one like any other: when it is refused in its turn, another is
/// tried.
#[test]
fn an_accepted_replacement_is_an_ordinary_token() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let password = |answer: &str| answer.lines().find(|line| line.starts_with("password=")).unwrap().to_owned();
    let get = || password(&sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout);
    let say = |operation: &str, token: &str| {
        let done = sandbox
            .run(&["git", operation], &format!("protocol=https\nhost=git.acme.dev\nusername=oauth2\n{token}\n\n"));
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("", ""), "{operation}: {done:?}");
    };
    sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    let mut seen = vec![get()];
    for refreshes in 1..4 {
        say("erase", seen.last().unwrap());
        let next = get();
        assert!(!seen.contains(&next), "another one");
        say("store", &next);
        seen.push(next);
        assert_eq!(provider.count(Endpoint::Refresh), refreshes);
    }
    // One that was never accepted is no reason for another.
    say("erase", seen.last().unwrap());
    let last = get();
    let told = sandbox.run(&["git", "erase"], &format!("protocol=https\nhost=git.acme.dev\n{last}\n\n"));
    assert!(told.stderr.contains("refuses a token that was renewed"), "{told:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_thousand_refusals_are_bounded() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    let (mut said, began) = (0, std::time::Instant::now());
    // As an old git would: asks, is refused, erases; and as a new one would: asks, is refused, asks again.
    for _ in 0..250 {
        let answer = sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout;
        let erase = format!("protocol=https\nhost=git.acme.dev\nwwwauth[]=Bearer error=\"invalid_token\"\n{answer}\n");
        said += usize::from(!sandbox.run(&["git", "erase"], &erase).stderr.is_empty());
        let get = |asked: &str| sandbox.run_in_transport(&["git", "get"], asked, "auto");
        let answer = get(&ask_with_state("git.acme.dev")).stdout;
        let state = answer.lines().find(|line| line.starts_with("state[]=")).unwrap();
        let again = ask_with_state("git.acme.dev").replacen(
            "protocol",
            &format!("{state}\nwwwauth[]=Basic realm=x\nprotocol"),
            1,
        );
        let end = get(&again);
        assert!(end.stdout == "quit=1\n" && end.stderr.contains("refuses a token that was renewed"), "{end:?}");
    }
    // One is replaced in silence, and one more for each minute this takes; of all others the server's refusal is said.
    let refreshes = provider.count(Endpoint::Refresh);
    assert_eq!(said + refreshes, 250);
    assert!(refreshes as u64 <= 1 + began.elapsed().as_secs() / 60, "{refreshes}");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn a_named_profile_does_not_hand_the_others_hosts_to_the_plain_store() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    sandbox.configure(
        &[
            "[store]\ngit = true\n".to_owned(),
            workos(&provider, "a", "hosts = [\"a.dev\"]\naccount = \"ann\""),
            workos(&provider, "b", "hosts = [\"b.dev\"]\naccount = \"bob\""),
        ]
        .concat(),
    );
    let store = "protocol=https\nhost=b.dev\nusername=oauth2\npassword=token-of-b\n\n";
    sandbox.run(&["git", "--profile", "a", "store"], store);
    assert_eq!(sandbox.run(&["git", "--profile", "a", "get"], &ask("b.dev")).stdout, "");
    assert!(!sandbox.state().join("passwords").exists());
}

/// git-lfs asks by `git credential`, and goes on for as long as it is given anything: who had a renewed token refused is told to stop,
/// and nobody else is.
#[cfg(target_os = "linux")]
#[test]
fn who_asks_without_end_is_told_to_stop() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    std::fs::write(
        sandbox.home().join(".gitconfig"),
        "[credential \"https://git.acme.dev\"]\n\thelper = \n\thelper = keyfob\n",
    )
    .unwrap();
    // A program that asks three times, and has each answer refused; its name is none of a shell's.
    let program = sandbox.home().join("../bin/asker");
    std::os::unix::fs::symlink("/bin/bash", &program).unwrap();
    std::fs::write(sandbox.home().join("question"), ask("git.acme.dev")).unwrap();
    let script = "for i in 1 2 3; do git credential fill <question >answer || exit 7; echo asked; \
                  git credential reject <answer; done; exit 0";
    let mut command = sandbox.command(&program);
    command.args(["-c", script]).env("GIT_TERMINAL_PROMPT", "0");
    let done = run(command, "");
    assert_eq!((done.code, done.stdout.as_str()), (Some(7), "asked\nasked\n"), "{done:?}");
    assert!(
        done.stderr.contains("git.acme.dev refuses a token that was renewed just now, and would go on"),
        "{done:?}"
    );
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Refresh)), (1, 1));
    // Another process, for which it may be another matter.
    let other = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(other.stdout.contains("password="), "{other:?}");
    // What was accepted is a token like any other.
    sandbox.run(&["git", "store"], &format!("protocol=https\nhost=git.acme.dev\n{}\n", other.stdout));
    let record = std::fs::read_to_string(sandbox.record()).unwrap();
    assert!(!record.contains("refused_to"), "{record}");
}

/// git-lfs asks by `git credential`; git itself is named as ever.
#[cfg(target_os = "linux")]
#[test]
fn the_prompt_names_who_asks_by_git_credential() {
    let provider = Provider::with(Manners { approves_by_itself: true, interval: Some(1), ..Manners::default() });
    let sandbox = Sandbox::signed_up(&provider);
    let mut command = sandbox.command(crate::support::sandbox::shell_called("git-lfs", &sandbox.home()));
    command.args(["-c", "git -c credential.helper= -c credential.helper=keyfob credential fill; exit $?"]);
    command.env("KEYFOB_INTERACTIVE", "always");
    let done = crate::support::sandbox::run(command, &ask("git.acme.dev"));
    let first = "keyfob: git needs to sign in to git.acme.dev (profile acme at WorkOS AuthKit, run by git-lfs)\n";
    assert!(done.stdout.contains("password=") && done.stderr.starts_with(first), "{done:?}");
}
