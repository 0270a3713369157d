//! What a shell completes: commands, options, and the profiles, providers and hosts that there are. In the shells themselves, on a
//! terminal, where they are there.

use std::path::Path;

use crate::support::provider::Provider;
use crate::support::sandbox::{Sandbox, run, wait_for, workos};

fn home(provider: &Provider) -> Sandbox {
    let sandbox = Sandbox::new();
    let acme = workos(
        provider,
        "acme",
        "hosts = [\"git.acme.dev\", \"registry.acme.dev:5000\", \"*.corp.dev\"]\nclusters = [\"https://k8s.acme.dev:6443\"]",
    );
    sandbox.configure(&format!("{acme}{}", workos(provider, "lab", "hosts = [\"https://lab.dev/team/\"]")));
    sandbox
}

/// What is offered for a line, as fish hears it, without the explanations.
fn offered(sandbox: &Sandbox, line: &str) -> Vec<String> {
    let mut words: Vec<&str> = line.split(' ').collect();
    let last = format!("={}", words.pop().unwrap());
    let done = sandbox.run(&[&["complete", "fish", "--"], &words[..], &[last.as_str()]].concat(), "");
    assert_eq!((done.stderr.as_str(), done.code), ("", Some(0)), "{line}");
    done.stdout.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn profiles_providers_hosts_and_clusters_are_offered() {
    let provider = Provider::start();
    let sandbox = home(&provider);
    for (line, words) in [
        ("login ", &["acme", "lab", "git.acme.dev", "registry.acme.dev:5000", "https://lab.dev/team"][..]),
        ("login a", &["acme"]),
        ("logout l", &["lab"]),
        ("token r", &["registry.acme.dev:5000"]),
        ("status ", &["acme", "lab"]),
        ("setup git --profile ", &["acme", "lab"]),
        ("setup git --profile=l", &["--profile=lab"]),
        ("git --profile a", &["acme"]),
        ("setup docker reg", &["registry.acme.dev:5000"]),
        ("doctor https://k", &["https://k8s.acme.dev:6443"]),
        ("setup profile new --provider goo", &["google"]),
        ("providers workos-", &["workos-connect"]),
    ] {
        assert_eq!(offered(&sandbox, line), words, "{line}");
    }
    assert!(provider.seen().is_empty(), "nobody is asked");
}

#[test]
fn a_configuration_that_cannot_be_read_costs_its_names_alone() {
    let sandbox = Sandbox::new();
    sandbox.configure("[profile.a\n");
    assert_eq!(offered(&sandbox, "log"), ["login", "logout"]);
    assert!(offered(&sandbox, "login ").iter().all(|word| word.starts_with("--")), "options");
}

#[test]
fn what_is_in_the_configuration_acts_on_no_terminal() {
    let provider = Provider::start();
    let sandbox = Sandbox::new();
    sandbox.configure(&workos(&provider, "\"a\\u001b[2J\\nb\"", "hosts = [\"git.acme.dev\"]"));
    let done = sandbox.run(&["complete", "fish", "--", "login", "="], "");
    assert!(!done.stdout.contains('\u{1b}') && done.stdout.lines().all(|line| !line.starts_with('b')), "{done:?}");
}

/// bash itself, with a place that its words break in.
#[test]
fn bash_completes() {
    let provider = Provider::start();
    let sandbox = home(&provider);
    for (line, offers) in
        [("keyfob log", "login logout"), ("keyfob login registry.acme.dev:5", "5000"), ("keyfob login l", "lab")]
    {
        let script = format!(
            "source <(keyfob completions bash)\nCOMP_LINE='{line}'\nCOMP_POINT={}\n_keyfob keyfob x keyfob\necho \"${{COMPREPLY[*]}}\"",
            line.len()
        );
        let mut command = sandbox.command("bash");
        command.args(["-c", &script]);
        let done = run(command, "");
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), (format!("{offers}\n").as_str(), ""), "{line}");
    }
}

fn is_there(program: &str) -> bool {
    ["/usr/bin", "/bin", "/usr/local/bin"].iter().any(|folder| Path::new(folder).join(program).exists())
}

/// A terminal of tmux with a server of its own, which ends with it.
struct Screen<'a> {
    sandbox: &'a Sandbox,
}

impl Screen<'_> {
    fn tmux(&self, args: &[&str]) -> String {
        let mut command = self.sandbox.command("tmux");
        command.arg("-S").arg(self.sandbox.home().join("tmux")).args(args);
        command.env("TERM", "screen").env("LANG", "C.UTF-8").env("PS1", "READY ");
        run(command, "").stdout
    }

    fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn wait_for(&self, what: &str) -> String {
        wait_for(what, || Some(self.text()).filter(|text| text.contains(what)))
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// A person types `keyfob login ` and presses Tab until the profiles stand there.
fn type_in(shell: &str, starts: &str, load: &str) {
    if !is_there(shell) || !is_there("tmux") {
        eprintln!("left out: {shell} or tmux is not here");
        return;
    }
    let provider = Provider::start();
    let sandbox = home(&provider);
    let screen = Screen { sandbox: &sandbox };
    screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", starts]);
    screen.tmux(&["send-keys", load, "Enter"]);
    screen.wait_for("LOADED");
    screen.tmux(&["send-keys", "clear; echo CLEAR''ED", "Enter"]);
    screen.wait_for("CLEARED");
    screen.tmux(&["send-keys", "keyfob login "]);
    screen.wait_for("keyfob login");
    wait_for("the profiles", || {
        screen.tmux(&["send-keys", "Tab"]);
        let text = screen.text();
        ["acme", "lab", "registry.acme.dev:5000"].iter().all(|name| text.contains(name)).then_some(())
    });
    // A word that is one alone is put in.
    screen.tmux(&["send-keys", "C-c"]);
    screen.tmux(&["send-keys", "clear; echo CLEAR''ED", "Enter"]);
    screen.wait_for("CLEARED");
    screen.tmux(&["send-keys", "keyfob logout la"]);
    screen.wait_for("keyfob logout la");
    screen.tmux(&["send-keys", "Tab"]);
    screen.wait_for("keyfob logout lab");
}

#[test]
fn in_bash_on_a_terminal() {
    type_in("bash", "bash --norc --noprofile", "source <(keyfob completions bash); echo LOAD''ED");
}

#[test]
fn in_zsh_on_a_terminal() {
    let load = "autoload -Uz compinit && compinit -u -D; source <(keyfob completions zsh); echo LOAD''ED";
    type_in("zsh", "zsh -f", load);
}

/// As a package installs it: found by its name.
#[test]
fn in_zsh_by_its_file() {
    let load = "mkdir -p f; keyfob completions zsh >f/_keyfob; fpath=($PWD/f $fpath); autoload -Uz compinit && compinit -u -D; echo LOAD''ED";
    type_in("zsh", "zsh -f", load);
}

#[test]
fn in_fish_on_a_terminal() {
    type_in("fish", "fish --no-config", "keyfob completions fish | source; echo LOAD''ED");
}

/// The script as it is, but for the two names that elvish has only where it reads lines itself.
#[test]
fn elvish_runs_its_script() {
    if !is_there("elvish") {
        eprintln!("left out: elvish is not here");
        return;
    }
    let provider = Provider::start();
    let sandbox = home(&provider);
    let script = sandbox.run(&["completions", "elvish"], "").stdout;
    let script = script.replace("set edit:completion:arg-completer[keyfob] =", "var complete =");
    let script = script.replace("edit:complex-candidate $value &display=", "echo ");
    assert!(!script.contains("edit:"), "{script}");
    let mut command = sandbox.command("elvish");
    command.args(["-norc", "-c", &format!("{script}\n$complete keyfob logout l")]);
    let done = run(command, "");
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("lab WorkOS AuthKit\n", ""));
}
