use crate::support::provider::Provider;
use crate::support::sandbox::{Sandbox, ask, run};

fn expect_refusal(name: &str, value: &str, why: &str) {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let mut get = sandbox.keyfob(&["git", "get"]);
    get.env_remove("CI");
    get.env(name, value);
    let done = run(get, &ask("git.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    assert_eq!(
        done.stderr,
        format!("keyfob: nobody is here to sign in to acme ({why}); run: keyfob login acme --start\n")
    );
    assert_eq!(done.code, Some(0));
    assert!(provider.seen().is_empty(), "nobody was asked for a code");
}

#[test]
fn in_ci() {
    expect_refusal("CI", "1", "CI");
}

#[test]
fn when_we_are_told_not_to() {
    expect_refusal("KEYFOB_INTERACTIVE", "never", "KEYFOB_INTERACTIVE=never");
}

#[test]
fn when_git_is_told_not_to() {
    // Without a terminal `keyfob login` would wait where nobody sees what it says.
    expect_refusal("GIT_TERMINAL_PROMPT", "0", "GIT_TERMINAL_PROMPT=0");
    expect_refusal("VSCODE_GIT_FETCH_SILENT", "true", "VSCODE_GIT_FETCH_SILENT");
    expect_refusal("GCM_INTERACTIVE", "never", "GCM_INTERACTIVE");
}

#[test]
fn a_word_that_is_none_is_an_error_and_nobody_is_asked() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let mut command = sandbox.keyfob(&["git", "get"]);
    command.env("KEYFOB_INTERACTIVE", "perhaps");
    let done = run(command, &ask("git.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    assert_eq!(
        done.stderr,
        "keyfob: KEYFOB_INTERACTIVE is \"perhaps\"\nkeyfob: hint: set it to auto, never or always\n"
    );
    assert!(provider.seen().is_empty());
}

#[cfg(target_os = "linux")]
mod terminals {
    use super::*;

    #[test]
    fn without_a_terminal() {
        let provider = Provider::start();
        let sandbox = Sandbox::signed_up(&provider);
        let mut command = sandbox.keyfob(&["git", "get"]);
        command.env_remove("CI");
        let done = run(command, &ask("git.acme.dev"));
        assert_eq!(done.stdout, "quit=1\n");
        assert_eq!(
            done.stderr,
            "keyfob: nobody is here to sign in to acme (no terminal); run: keyfob login acme --start\n"
        );
        assert!(provider.seen().is_empty());
    }

    /// `script` gives it a terminal, and the wish of git's that can only be read with git's help.
    #[test]
    fn with_a_terminal_but_gits_configuration_says_no() {
        for (setting, asked) in [("false", false), ("never", false), ("true", true), ("auto", true)] {
            let provider = Provider::start();
            let sandbox = Sandbox::signed_up(&provider);
            std::fs::write(sandbox.home().join("ask"), ask("git.acme.dev")).unwrap();
            let mut command = sandbox.command("script");
            command.args(["-qec", "timeout 20 keyfob git get <ask >answer", "/dev/null"]).env_remove("CI");
            command.env("GIT_CONFIG_COUNT", "1");
            command.env("GIT_CONFIG_KEY_0", "credential.interactive").env("GIT_CONFIG_VALUE_0", setting);
            let child = crate::support::sandbox::begin(command, "");
            if asked {
                let code = crate::support::sandbox::open_code(&provider);
                provider.decide(&code, true);
                let screen = crate::support::sandbox::finish(child).stdout;
                assert!(screen.contains(&code) && screen.contains("signed in to acme"), "{setting}: {screen}");
            } else {
                let screen = crate::support::sandbox::finish(child).stdout;
                assert_eq!(
                    screen.trim_end(),
                    "keyfob: nobody is here to sign in to acme (credential.interactive); run: keyfob login acme",
                    "{setting}"
                );
                assert!(provider.seen().is_empty());
            }
        }
    }

    #[test]
    fn ten_commands_on_one_terminal_write_the_code_there_once() {
        let provider = Provider::start();
        let sandbox = Sandbox::signed_up(&provider);
        std::fs::write(sandbox.home().join("ask"), ask("git.acme.dev")).unwrap();
        let mut command = sandbox.command("script");
        let ten = "for i in 0 1 2 3 4 5 6 7 8 9; do keyfob git get <ask >answer$i & done; wait";
        command.args(["-qec", ten, "/dev/null"]).env_remove("CI");
        let child = crate::support::sandbox::begin(command, "");
        let code = crate::support::sandbox::open_code(&provider);
        crate::support::sandbox::wait_for("poll", || {
            (provider.count(crate::support::provider::Endpoint::Poll) > 1).then_some(())
        });
        provider.decide(&code, true);
        let screen = crate::support::sandbox::finish(child).stdout;
        assert_eq!(screen.matches("keyfob:   open ").count(), 1, "{screen}");
        assert_eq!(screen.matches(&format!("as well, with the same code {code}")).count(), 9, "{screen}");
        assert_eq!(screen.matches("signed in to acme").count(), 1, "{screen}");
    }
}
