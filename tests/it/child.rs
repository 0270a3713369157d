//! `keyfob run`: a command with a token in its environment, as if keyfob had never been there.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::commands::signed_in;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, begin, finish, now, open_code, run, workos};

fn said(stdout: &str) -> Transcript {
    Transcript { stdout: stdout.to_owned(), stderr: String::new(), code: Some(0) }
}

#[test]
fn a_command_gets_the_token_in_the_form_it_wants() {
    let (_provider, sandbox) = signed_in();
    let token = sandbox.run(&["token", "acme"], "").stdout.trim_end().to_owned();
    let with = |form: &[&str]| {
        let words = [&["run", "--env", "T=acme"], form, &["--", "sh", "-c", "printf %s \"$T\""]].concat();
        sandbox.run(&words, "")
    };
    assert_eq!(with(&[]), said(&token));
    assert_eq!(with(&["--form", "bearer"]), said(&format!("Bearer {token}")));
    let basic = STANDARD.encode(format!("oauth2:{token}"));
    assert_eq!(with(&["--form", "basic"]), said(&format!("Basic {basic}")));
    let id = with(&["--form", "id"]);
    assert_eq!((id.stdout.as_str(), id.code), ("", Some(125)), "WorkOS grants none");
    assert!(id.stderr.contains("grants no ID token"), "{id:?}");
}

#[test]
fn several_variables_and_the_whole_environment() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    sandbox.configure(
        &[
            workos(&provider, "a", "account = \"a\"\nhosts = [\"npm.acme.dev\"]"),
            workos(&provider, "b", "account = \"b\"\nusername = \"build\""),
        ]
        .concat(),
    );
    sandbox.run(&["login", "a"], "");
    sandbox.run(&["login", "b"], "");
    let [a, b] = ["a", "b"].map(|name| sandbox.run(&["token", name], "").stdout);
    assert_ne!(a, b);
    let script = "echo \"$A\"; echo \"$B\"; echo \"$KEPT\"; cat";
    let words = ["run", "--env", "A=https://npm.acme.dev/x", "--env", "B=b", "--", "sh", "-c", script];
    let mut command = sandbox.keyfob(&words);
    command.env("KEPT", "as it was").env("A", "before");
    assert_eq!(run(command, "what is written to it"), said(&format!("{a}{b}as it was\nwhat is written to it")));
}

/// The command is what was started: its number, its end, its signals, its children.
#[test]
fn keyfob_becomes_the_command() {
    let (provider, sandbox) = signed_in();
    let shell = |script: &str| sandbox.keyfob(&["run", "--env", "T=acme", "--", "sh", "-c", script]);
    assert_eq!(run(shell("exit 7"), "").code, Some(7));
    let mut killed = shell("kill -TERM $$");
    assert_eq!(killed.status().unwrap().signal(), Some(15));
    let child = begin(shell("echo $$"), "");
    let number = child.id();
    assert_eq!(finish(child), said(&format!("{number}\n")));

    let look = "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status";
    let mut plain = sandbox.command("sh");
    plain.args(["-c", look]);
    assert_eq!(run(shell(look), ""), run(plain, ""), "no signal is blocked or ignored that was not");

    // Inside the margin, and the provider is slow: no renewal is left to a child that the command knows nothing of.
    provider.change(|manners| manners.refresh_takes = std::time::Duration::from_millis(1_500));
    sandbox.edit(|record| {
        for (_, token) in record["tokens"].as_object_mut().unwrap() {
            (token["received_at"], token["expires_at"]) = ((now() - 260).into(), (now() + 40).into());
        }
    });
    assert_eq!(run(shell("read -r kids </proc/$$/task/$$/children; echo \"$kids\""), ""), said("\n"));
    assert_eq!(provider.count(Endpoint::Refresh), 1);
}

#[test]
fn what_does_not_start_is_told_from_what_fails() {
    let (_provider, sandbox) = signed_in();
    let token = sandbox.run(&["token"], "").stdout;
    fs::write(sandbox.home().join("tool"), "#!/bin/sh\necho \"$T\"\n").unwrap();
    for (args, words) in [
        (&["--env", "T=acme", "--", "no-such-program"][..], "there is no program called no-such-program"),
        (&["--env", "T=acme", "--", "./no-such-program"], "cannot run ./no-such-program"),
        (&["--env", "T=acme", "--", "./tool"], "cannot run ./tool"),
        (&["--env", "T=nobody", "--", "true"], "no profile is called \"nobody\""),
        (&["--env", "T", "--", "true"], "names no variable and whose token it gets"),
        (&["--env", "=acme", "--", "true"], "names no variable and whose token it gets"),
        (&["--env", "T=acme"], "required arguments were not provided: <COMMAND>..."),
        (&["--", "true"], "required arguments were not provided: --env <NAME=PROFILE|URL>"),
        (&["--env", "T=acme", "true"], "unexpected argument 'true' found"),
        (&["--env", "T=acme", "--form", "odd", "--", "true", "--json"], "invalid value 'odd'"),
    ] {
        let done = sandbox.run(&[&["run"], args].concat(), "");
        assert_eq!((done.stdout.as_str(), done.code), ("", Some(125)), "{args:?}: {done:?}");
        assert!(done.stderr.contains(words) && !done.stderr.contains(token.trim_end()), "{args:?}: {done:?}");
    }
    // What others could have put where one happens to be is not given a token.
    std::process::Command::new("chmod").arg("755").arg(sandbox.home().join("tool")).status().unwrap();
    let mut command = sandbox.keyfob(&["run", "--env", "T=acme", "--", "tool"]);
    command.env("PATH", format!(".::{}", std::env::var("PATH").unwrap()));
    assert_eq!(run(command, "").code, Some(125));
    assert_eq!(sandbox.run(&["run", "--env", "T=acme", "--", "./tool"], ""), said(&token));
}

#[test]
fn a_person_is_asked_first_and_without_one_nothing_is_run() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let words = ["run", "--env", "T=git.acme.dev", "--", "touch", "was-run"];
    let away = sandbox.run(&words, "");
    assert_eq!(away.code, Some(125));
    assert_eq!(away.stderr, "keyfob: nobody is here to sign in to acme (CI); run: keyfob login acme --start\n");
    assert!(!sandbox.home().join("was-run").exists() && provider.seen().is_empty());
    let asked = sandbox.begin_asking(&words, "");
    provider.decide(&open_code(&provider), true);
    let done = finish(asked);
    assert!(
        done.code == Some(0) && done.stderr.contains("keyfob: touch needs to sign in to https://git.acme.dev"),
        "{done:?}"
    );
    assert!(sandbox.home().join("was-run").exists());
}
