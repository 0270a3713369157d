//! Who is asked, and where it is said, when another program captures what we say: a coding agent, an editor, a log. And what becomes
//! of a sign-in whose asker has ended.

use std::fs;
use std::process::{Child, Stdio};

use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, begin, finish, open_code, run, wait_for};

/// What marks an agent.
const MARKS: [&str; 8] =
    ["AI_AGENT", "CLAUDECODE", "CODEX_CI", "CODEX_THREAD_ID", "GEMINI_CLI", "CURSOR_AGENT", "OPENCODE", "COPILOT_CLI"];

fn provider() -> Provider {
    Provider::with(Manners { interval: Some(1), ..Manners::default() })
}

/// One call by an agent that has no terminal for us.
fn by_agent(sandbox: &Sandbox, set: &[(&str, &str)], args: &[&str], stdin: &str) -> Transcript {
    let mut command = sandbox.keyfob(args);
    command.env_remove("CI").envs(set.iter().copied());
    run(command, stdin)
}

const CLAUDE: &[(&str, &str)] = &[("CLAUDECODE", "1")];

#[test]
fn an_agent_is_told_address_and_code_at_once_and_its_next_call_is_let_in() {
    for mark in MARKS {
        let provider = provider();
        let sandbox = Sandbox::signed_up(&provider);
        let get = || by_agent(&sandbox, &[(mark, "1")], &["git", "get"], &ask("git.acme.dev"));
        let first = get();
        let (code, url) = (open_code(&provider), provider.url());
        assert_eq!(first.stdout, "quit=1\n", "{mark}");
        let lines: Vec<&str> = first.stderr.lines().collect();
        let [what, open, with, complete, only, then] = lines[..] else { panic!("{mark}: {first:?}") };
        assert!(
            what.starts_with("keyfob: git needs to sign in to git.acme.dev (profile acme at WorkOS AuthKit, run by ")
        );
        assert_eq!(open, format!("keyfob:   open {url}/device"));
        assert_eq!(with, format!("keyfob:   code {code}"));
        assert_eq!(complete, format!("keyfob:   or   {url}/device?user_code={code}"));
        assert!(only.starts_with("keyfob: approve only if you just ran this on "), "{only}");
        assert_eq!(
            then,
            format!(
                "keyfob: the sign-in to acme waits for approval of {code} at {url}/device; \
                 show this to the person, and run it again when they have approved"
            )
        );
        assert_eq!(provider.count(Endpoint::Poll), 0, "{mark}: nobody was waited for");
        provider.decide(&code, true);
        let second = get();
        assert!(second.stdout.starts_with("username=oauth2\npassword="), "{mark}: {second:?}");
        assert_eq!(provider.count(Endpoint::Start), 1);
    }
}

#[test]
fn in_ci_with_never_and_without_a_mark_nothing_begins() {
    let off = [("CLAUDECODE", "1"), ("KEYFOB_INTERACTIVE", "never")];
    for (what, set, why) in [
        ("CI", &[("CLAUDECODE", "1"), ("CI", "true")][..], "(CI); run: keyfob login acme --start\n"),
        ("never", &off, "(KEYFOB_INTERACTIVE=never); run: keyfob login acme --start\n"),
        (
            "git's own wish",
            &[("CODEX_CI", "1"), ("GIT_TERMINAL_PROMPT", "0")],
            "(GIT_TERMINAL_PROMPT=0); run: keyfob login acme --start\n",
        ),
        (
            "git's setting",
            &[
                ("CODEX_CI", "1"),
                ("GIT_CONFIG_COUNT", "1"),
                ("GIT_CONFIG_KEY_0", "credential.interactive"),
                ("GIT_CONFIG_VALUE_0", "false"),
            ],
            "(credential.interactive); run: keyfob login acme --start\n",
        ),
        ("AGENT alone", &[("AGENT", "goose")], "(no terminal); run: keyfob login acme --start\n"),
        (
            "a mark that says no",
            &[("CLAUDECODE", "0"), ("GEMINI_CLI", "")],
            "(no terminal); run: keyfob login acme --start\n",
        ),
    ] {
        let provider = provider();
        let sandbox = Sandbox::signed_up(&provider);
        let done = by_agent(&sandbox, set, &["git", "get"], &ask("git.acme.dev"));
        assert_eq!(done.stdout, "quit=1\n", "{what}");
        assert!(done.stderr.ends_with(why), "{what}: {done:?}");
        assert!(provider.seen().is_empty(), "{what}: nobody was asked for a code");
    }
}

#[test]
fn where_stderr_is_thrown_away_nothing_begins() {
    let provider = provider();
    let sandbox = Sandbox::signed_up(&provider);
    let mut command = sandbox.keyfob(&["git", "get"]);
    let mut child = command
        .env_remove("CI")
        .env("CLAUDECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), ask("git.acme.dev").as_bytes()).unwrap();
    assert_eq!(finish(child).stdout, "quit=1\n");
    assert!(provider.seen().is_empty());
}

#[test]
fn an_approval_that_has_not_come_yet_is_told_of_with_the_same_code() {
    let provider = provider();
    let sandbox = Sandbox::signed_up(&provider);
    let get = || by_agent(&sandbox, CLAUDE, &["git", "get"], &ask("git.acme.dev"));
    get();
    let code = open_code(&provider);
    let again = get();
    assert!(again.stdout == "quit=1\n" && again.stderr.contains(&format!("keyfob:   code {code}\n")), "{again:?}");
    assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Poll)), (1, 1));
    // Denied, it is told as that, and nothing new begins at once.
    provider.decide(&code, false);
    let denied = get();
    assert!(denied.stderr.contains("the sign-in to acme was denied: The person said no"), "{denied:?}");
    let after = get();
    assert!(after.stderr.contains("was denied"), "{after:?}");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[test]
fn agents_at_once_are_told_one_code() {
    let provider = provider();
    let sandbox = Sandbox::signed_up(&provider);
    let children: Vec<Child> = (0..8)
        .map(|_| {
            let mut command = sandbox.keyfob(&["git", "get"]);
            command.env_remove("CI").env("OPENCODE", "1");
            begin(command, &ask("git.acme.dev"))
        })
        .collect();
    let code = open_code(&provider);
    for child in children {
        let done = finish(child);
        assert!(done.stdout == "quit=1\n" && done.stderr.contains(&format!("keyfob:   code {code}\n")), "{done:?}");
    }
    assert_eq!(provider.count(Endpoint::Start), 1);
}

/// docker shows stdout, and throws stderr away: the error alone has all that is needed.
#[test]
fn docker_is_told_where_it_reads() {
    let provider = provider();
    let sandbox = Sandbox::signed_up(&provider);
    let done = by_agent(&sandbox, CLAUDE, &["docker", "get"], "git.acme.dev");
    let (code, url) = (open_code(&provider), provider.url());
    let line = format!(
        "the sign-in to acme waits for approval of {code} at {url}/device; \
         show this to the person, and run it again when they have approved\n"
    );
    assert_eq!((done.stdout, done.stderr), (line.clone(), format!("keyfob: {line}")));
    provider.decide(&code, true);
    let done = by_agent(&sandbox, CLAUDE, &["docker", "get"], "git.acme.dev");
    assert!(done.code == Some(0) && done.stderr.is_empty(), "{done:?}");
}

#[test]
fn login_by_an_agent_is_begun_and_left_too() {
    let provider = provider();
    let sandbox = Sandbox::signed_up(&provider);
    let login = || by_agent(&sandbox, CLAUDE, &["login"], "");
    let first = login();
    let code = open_code(&provider);
    assert!(first.code == Some(3) && first.stderr.contains(&code), "{first:?}");
    provider.decide(&code, true);
    let second = login();
    assert_eq!((second.code, second.stdout.as_str()), (Some(0), ""), "{second:?}");
    assert!(second.stderr.ends_with("keyfob: signed in to acme as ann@acme.dev\n"), "{second:?}");
    assert_eq!(provider.count(Endpoint::Start), 1);
}

#[cfg(target_os = "linux")]
mod with_a_terminal {
    use super::*;

    /// A shell line on a terminal, with what stands in `home/ask` to be asked.
    fn begin_on_terminal(sandbox: &Sandbox, set: &[(&str, &str)], asks: &str, line: &str) -> Child {
        fs::write(sandbox.home().join("ask"), asks).unwrap();
        let mut command = sandbox.command("script");
        command.args(["-qec", line, "/dev/null"]).env_remove("CI").envs(set.iter().copied());
        begin(command, "")
    }

    fn read(sandbox: &Sandbox, name: &str) -> String {
        fs::read_to_string(sandbox.home().join(name)).unwrap()
    }

    #[test]
    fn the_terminal_of_an_agent_is_untouched() {
        let provider = provider();
        let sandbox = Sandbox::signed_up(&provider);
        let get = |set: &[(&str, &str)]| {
            let line = "keyfob git get <ask >answer 2>captured";
            finish(begin_on_terminal(&sandbox, set, &ask("git.acme.dev"), line)).stdout
        };
        assert_eq!(get(CLAUDE), "");
        let code = open_code(&provider);
        assert_eq!(read(&sandbox, "answer"), "quit=1\n");
        assert!(read(&sandbox, "captured").contains(&format!("keyfob:   code {code}\n")));
        provider.decide(&code, true);
        assert_eq!(get(CLAUDE), "");
        assert!(read(&sandbox, "answer").starts_with("username="));
        assert_eq!(provider.count(Endpoint::Start), 1);
    }

    /// It shows its terminal: somebody sees the prompt there, in plain lines, and is waited for.
    #[test]
    fn an_agent_that_shows_a_terminal_shows_the_prompt_and_waits() {
        let provider = provider();
        let sandbox = Sandbox::signed_up(&provider);
        let set = [("GEMINI_CLI", "1"), ("TERM", "xterm-256color"), ("LANG", "C.UTF-8")];
        let line = "stty cols 100 rows 60; exec keyfob git get <ask >answer";
        let child = begin_on_terminal(&sandbox, &set, &ask("git.acme.dev"), line);
        provider.decide(&open_code(&provider), true);
        let screen = finish(child).stdout;
        assert!(!screen.contains('\u{1b}'), "{screen}");
        assert!(screen.contains("run by Gemini CLI)\r\n"), "{screen}");
        assert!(screen.contains("keyfob: waiting for the approval; show this to the person\r\n"), "{screen}");
        assert!(screen.ends_with("keyfob: signed in to acme as ann@acme.dev\r\n"), "{screen}");
    }

    #[test]
    fn what_a_terminal_is_told_a_captured_stderr_is_told_as_well() {
        for approves in [true, false] {
            let provider = provider();
            let sandbox = Sandbox::signed_up(&provider);
            let line = "keyfob git get <ask >answer 2>captured";
            let child = begin_on_terminal(&sandbox, &[], &ask("git.acme.dev"), line);
            let code = open_code(&provider);
            provider.decide(&code, approves);
            let screen = finish(child).stdout.replace("\r\n", "\n");
            assert!(screen.contains(&format!("keyfob:   code {code}\n")), "{screen}");
            let last =
                if approves { "keyfob: signed in to acme as ann@acme.dev\n" } else { "run: keyfob login acme\n" };
            assert!(screen.ends_with(last), "{screen}");
            assert_eq!(read(&sandbox, "captured"), screen, "whoever reads it misses nothing");
        }
    }

    /// The second on a terminal only says so there; whoever captures it has seen nothing yet.
    #[test]
    fn a_second_one_is_brief_on_the_terminal_alone() {
        let provider = provider();
        let sandbox = Sandbox::signed_up(&provider);
        let line = "for i in 1 2; do keyfob git get <ask >answer$i 2>captured$i & done; wait";
        let child = begin_on_terminal(&sandbox, &[], &ask("git.acme.dev"), line);
        let code = open_code(&provider);
        wait_for("both prompts", || {
            let shown = |name| fs::read_to_string(sandbox.home().join(name)).is_ok_and(|text| text.contains(&code));
            (shown("captured1") && shown("captured2")).then_some(())
        });
        provider.decide(&code, true);
        let screen = finish(child).stdout;
        assert_eq!(screen.matches("keyfob:   open ").count(), 1, "{screen}");
        assert_eq!(screen.matches("signed in to acme").count(), 1, "{screen}");
        for name in ["captured1", "captured2"] {
            let text = read(&sandbox, name);
            assert!(
                text.contains("keyfob:   open ") && text.ends_with("signed in to acme as ann@acme.dev\n"),
                "{text}"
            );
        }
    }

    /// docker throws our stderr away: how it ended has to stand where the prompt does.
    #[test]
    fn a_denial_is_told_where_the_prompt_stands() {
        let provider = provider();
        let sandbox = Sandbox::signed_up(&provider);
        let line = "keyfob docker get <ask >answer 2>captured";
        let child = begin_on_terminal(&sandbox, &[], "git.acme.dev", line);
        let code = open_code(&provider);
        provider.decide(&code, false);
        let screen = finish(child).stdout;
        assert!(screen.contains(&format!("keyfob:   code {code}\r\n")), "{screen}");
        assert!(screen.contains("keyfob: the sign-in to acme was denied: The person said no\r\n"), "{screen}");
        let captured = read(&sandbox, "captured");
        assert!(
            captured.starts_with("keyfob: the sign-in to acme was denied") && !captured.contains("open"),
            "{captured}"
        );
    }

    /// kubectl runs a plugin that failed up to five times: it is told at once each time, and nobody is polled for.
    #[test]
    fn a_client_that_repeats_itself_is_not_kept_waiting() {
        let provider = provider();
        let sandbox = Sandbox::signed_up(&provider);
        let mut command = sandbox.command(crate::support::sandbox::shell_called("kubectl", &sandbox.home()));
        command.args(["-c", "for i in 1 2 3 4 5; do keyfob kubectl; done >answer"]);
        command.env_remove("CI").env("CODEX_THREAD_ID", "t1");
        let done = run(command, "");
        let code = open_code(&provider);
        assert_eq!(done.stderr.matches(&format!("keyfob:   code {code}\n")).count(), 1, "{done:?}");
        assert_eq!(done.stderr.matches(&format!("waits for approval of {code} at")).count(), 5, "{done:?}");
        assert_eq!((provider.count(Endpoint::Start), provider.count(Endpoint::Poll)), (1, 0));
        provider.decide(&code, true);
        let done = by_agent(&sandbox, &[("CODEX_THREAD_ID", "t1")], &["kubectl"], "");
        assert_eq!(done.code, Some(0), "{done:?}");
    }
}

/// The asker ends, as git does when an editor kills it: between it and us a shell may live on.
#[cfg(unix)]
mod who_asks_is_gone {
    use super::*;

    /// It polls, and the end of its wait is far.
    fn waiting(provider: &Provider, sandbox: &Sandbox) -> Child {
        let child = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
        wait_for("poll", || (provider.count(Endpoint::Poll) > 0).then_some(()));
        child
    }

    #[test]
    fn the_pipe_that_nobody_reads_ends_it_and_the_code_stays() {
        // A poll that comes to nothing, and the next one much later.
        let provider = Provider::with(Manners { interval: Some(1), ..Manners::default() });
        let slow_down = r#"{"error":"slow_down"}"#;
        provider.instead(Endpoint::Poll, crate::support::http::Reply::json(400, slow_down));
        let sandbox = Sandbox::signed_up(&provider);
        let mut first = waiting(&provider, &sandbox);
        let mut second = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
        let code = open_code(&provider);
        drop((first.stdout.take(), second.stdout.take()));
        let done = finish(first);
        assert_eq!(done.code, Some(0));
        assert!(
            done.stderr.ends_with(
                "keyfob: whoever asked is gone, and nobody is waited for any more\n\
                 keyfob: hint: run the command again; a code that was shown goes on to work\n"
            ),
            "{done:?}"
        );
        // Who only waits for the other's poll ends as well.
        assert!(finish(second).stderr.contains("whoever asked is gone"));
        assert_eq!(provider.count(Endpoint::Poll), 1, "it ended before the next poll was due");
        provider.decide(&code, true);
        let next = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
        assert!(next.stdout.starts_with("username=") && next.stderr.contains(&code), "{next:?}");
        assert_eq!(provider.count(Endpoint::Start), 1);
    }

    #[test]
    fn the_process_that_is_gone_ends_it_where_the_answer_goes_to_a_file() {
        let provider = Provider::with(Manners { interval: Some(1), ..Manners::default() });
        let sandbox = Sandbox::signed_up(&provider);
        fs::write(sandbox.home().join("ask"), ask("git.acme.dev")).unwrap();
        let mut command = sandbox.command("sh");
        // Not its last word, or the shell would become keyfob.
        command.args(["-c", "keyfob git get <ask >answer 2>said; exit 0"]).env("KEYFOB_INTERACTIVE", "always");
        let mut shell = begin(command, "");
        wait_for("poll", || (provider.count(Endpoint::Poll) > 0).then_some(()));
        shell.kill().unwrap();
        shell.wait().unwrap();
        wait_for("end", || {
            let said = fs::read_to_string(sandbox.home().join("said")).unwrap();
            said.contains("whoever asked is gone").then_some(())
        });
    }

    /// What a person wants for its own sake has no answer for anybody to read.
    #[test]
    fn login_goes_on_in_the_background() {
        let provider = Provider::with(Manners { interval: Some(1), ..Manners::default() });
        let sandbox = Sandbox::signed_up(&provider);
        let mut command = sandbox.command("sh");
        command.args(["-c", "keyfob login >answer 2>said & sleep 0.2; kill -9 $$"]);
        finish(begin(command, ""));
        let before = provider.count(Endpoint::Poll);
        wait_for("two more polls", || (provider.count(Endpoint::Poll) > before + 1).then_some(()));
        provider.decide(&open_code(&provider), true);
        wait_for("sign-in", || {
            fs::read_to_string(sandbox.home().join("said")).unwrap().contains("signed in to acme").then_some(())
        });
    }
}
