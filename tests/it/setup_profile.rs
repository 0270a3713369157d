use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::http::Reply;
use crate::support::provider::{CLIENT_ID, Endpoint, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, finish, run, wait_for};
use crate::support::scripted::{Scripted, code, refusal};

/// Sets up a WorkOS profile at a provider on loopback.
fn setup(sandbox: &Sandbox, provider: &Provider, name: &str, host: &str, more: &[&str]) -> Transcript {
    let url = provider.url();
    let args = [
        "setup",
        "profile",
        name,
        "--provider",
        "workos",
        "--client-id",
        CLIENT_ID,
        "--base-url",
        &url,
        "--host",
        host,
    ];
    sandbox.run(&[&args[..], more].concat(), "")
}

fn acme(sandbox: &Sandbox, provider: &Provider) -> Transcript {
    setup(sandbox, provider, "acme", "git.acme.dev", &[])
}

fn undo(sandbox: &Sandbox, name: &str) -> String {
    said(sandbox.run(&["setup", "profile", name, "--undo"], ""))
}

fn config(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.config()).unwrap_or_default()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The whole output of a set-up that worked.
fn said(done: Transcript) -> String {
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
    done.stdout
}

const HEAD: &str = "# What keyfob signs in to. `keyfob providers` says what each provider needs; integrations/providers has every key.\n\
                    # Tokens go to the hosts and clusters named here and nowhere else, so keep this file your own.\n\n";

#[test]
fn written_checked_used_and_undone() {
    let (provider, sandbox) = (Provider::start(), Sandbox::new());
    let path = sandbox.config().display().to_string();
    let client_id = format!("client_id = \"{CLIENT_ID}\"");
    let base = format!("base_url = \"{}\"", provider.url());
    let rows = [
        ("provider = \"workos\"", "one of: keyfob providers"),
        (client_id.as_str(), "keyfob's name at the provider"),
        (&base, "for your own server or domain"),
        ("hosts = [\"git.acme.dev\"]", "where tokens may go"),
        ("# clusters = [\"https://k8s.acme.dev:6443\"]", "the same, for kubectl"),
        ("# organization = \"org_01H...\"", "the one the token is for"),
        ("# account = \"ann\"", "who signs in, of several"),
        ("# username = \"oauth2\"", "told beside the token"),
    ];
    let width = rows.iter().map(|(row, _)| row.len()).max().unwrap();
    let rows: String = rows.iter().map(|(row, says)| format!("{row:width$}  # {says}\n")).collect();
    let table = format!("# acme: set up by keyfob for WorkOS AuthKit\n[profile.acme]\n{rows}");
    let shown: String = table.lines().map(|line| format!("  {line}\n")).collect();
    let next = "WorkOS AuthKit lets this client sign people in\nnext, whichever you need:\n  keyfob setup git --profile \
                acme\n  keyfob setup docker --profile acme\n  keyfob login acme\n";

    let dry = said(setup(&sandbox, &provider, "acme", "git.acme.dev", &["--dry-run"]));
    assert_eq!(dry, format!("{path}: would be changed\n{shown}"));
    assert!(!sandbox.config().exists() && !sandbox.state().exists());
    assert_eq!(provider.seen().len(), 0, "the provider is not asked for a dry run");

    assert_eq!(said(acme(&sandbox, &provider)), format!("{path}: changed\n{shown}{next}"));
    assert_eq!(config(&sandbox), format!("{HEAD}{table}"));
    assert_eq!(mode(&sandbox.config()), 0o600);
    assert_eq!(provider.count(Endpoint::Start), 1);
    assert!(sandbox.files("").is_empty(), "the code that was asked for is kept nowhere");

    assert_eq!(said(acme(&sandbox, &provider)), format!("{path}: nothing to change\n{next}"));
    assert_eq!(config(&sandbox), format!("{HEAD}{table}"));

    let before = provider.open_codes();
    let child = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    let code = wait_for("code", || provider.open_codes().into_iter().find(|code| !before.contains(code)));
    provider.decide(&code, true);
    assert!(finish(child).stdout.contains("password="));

    let dry = said(sandbox.run(&["setup", "profile", "acme", "--undo", "--dry-run"], ""));
    assert_eq!(dry, format!("{path}: would be as it was before\n"));
    assert_eq!(undo(&sandbox, "acme"), format!("{path}: removed, as there was none before\n"));
    assert!(!sandbox.config().exists());
    assert_eq!(undo(&sandbox, "acme"), format!("{path}: nothing to take out\n"));
}

#[test]
fn a_folder_and_a_file_that_are_nobody_elses() {
    let (provider, sandbox) = (Provider::start(), Sandbox::new());
    let url = provider.url();
    let folder = sandbox.home().join(".config/keyfob");
    let at_home = |args: &[&str]| {
        let mut command = sandbox.keyfob(&["setup", "profile", "acme"]);
        command.args(args).env_remove("KEYFOB_CONFIG");
        said(run(command, ""))
    };
    at_home(&["--provider", "workos", "--client-id", CLIENT_ID, "--base-url", &url, "--host", "git.acme.dev"]);
    assert_eq!((mode(&folder), mode(&folder.join("config.toml"))), (0o700, 0o600));
    at_home(&["--undo"]);
    assert!(!folder.exists());
}

#[test]
fn whatever_was_there_keeps_every_byte() {
    let provider = Provider::start();
    for before in ["[store]\ngit=true", "# mine\r\n[store]\r\n\tgit =   true # so\r\n", "\n\n"] {
        let sandbox = Sandbox::new();
        sandbox.configure(before);
        said(acme(&sandbox, &provider));
        let with = config(&sandbox);
        assert!(with.starts_with(before) && with.len() > before.len());
        let ends = if before.contains('\r') { "\r\n" } else { "\n" };
        assert_eq!(with.matches('\n').count(), with.matches(ends).count());
        undo(&sandbox, "acme");
        assert_eq!(config(&sandbox), before);

        said(acme(&sandbox, &provider));
        let since = "\n# theirs\n[profile.own]\nprovider = \"github\"\nclient_id = \"x\"\n";
        sandbox.configure(&(config(&sandbox) + since));
        let path = sandbox.config().display().to_string();
        assert_eq!(undo(&sandbox, "acme"), format!("{path}: changed\n  without [profile.acme]\n"));
        let end = if before.ends_with('\n') { "" } else { "\n" };
        assert_eq!(config(&sandbox), format!("{before}{end}{since}"));
    }
}

#[test]
fn two_profiles_and_one_taken_out() {
    let (provider, sandbox) = (Provider::start(), Sandbox::new());
    sandbox.configure("# mine\n");
    said(acme(&sandbox, &provider));
    let one = config(&sandbox);
    said(setup(&sandbox, &provider, "other", "git.other.dev", &["--account", "bob"]));
    undo(&sandbox, "other");
    assert_eq!(config(&sandbox), one);
    undo(&sandbox, "acme");
    assert_eq!(config(&sandbox), "# mine\n");
}

#[test]
fn a_profile_that_is_there_is_not_rewritten() {
    let (provider, sandbox) = (Provider::start(), Sandbox::signed_up(&Provider::start()));
    let before = config(&sandbox);
    let path = sandbox.config().display().to_string();
    for (more, what) in [("--account=ann", "is there with other values"), ("--undo", "was not written by keyfob setup")]
    {
        let done = setup(&sandbox, &provider, "acme", "git.acme.dev", &[more]);
        let error = format!("keyfob: {path}:1: profile acme {what}\nkeyfob: hint: edit it there\n");
        assert_eq!((done.code, done.stdout.as_str(), done.stderr), (Some(1), "", error));
    }
    assert_eq!(config(&sandbox), before);
    assert_eq!(provider.seen().len(), 0);
}

#[test]
fn what_does_not_fit_is_neither_written_nor_asked() {
    let (provider, sandbox) = (Provider::start(), Sandbox::new());
    let known = "--provider workos --client-id x --host";
    for (words, error) in [
        (String::new(), "which provider?\n"),
        (
            "--provider gitea --client-id x --host a.dev".to_owned(),
            "command line: no provider is called \"gitea\"\nkeyfob: hint: Gitea cannot work: it has no device flow",
        ),
        (
            "--provider workos-connect".to_owned(),
            "a profile for WorkOS Connect needs more, for example --client-id ID --issuer https://acme.authkit.app --host \
             git.acme.dev\nkeyfob: hint: what to register there: run: keyfob providers workos-connect\n",
        ),
        (
            "--provider oauth --client-id x --host a.dev".to_owned(),
            "a profile for OAuth 2.0 needs more, for example --device-authorization-endpoint \
             https://auth.acme.dev/oauth/device --token-endpoint ",
        ),
        (format!("{known} a_b://c"), "command line: hosts: \"a_b://c\" "),
        (
            format!("{known} git.acme.dev --client-secret-file s"),
            "command line: client_secret_file is of no use with this provider\n",
        ),
        (format!("{known} a.dev --from elsewhere:x"), "--from names no source\n"),
        (format!("{known} a.dev --from git:git.acme.dev"), "git has no oauthClientId for https://git.acme.dev"),
    ] {
        let args = ["setup", "profile", "acme"].into_iter().chain(words.split_whitespace());
        let done = sandbox.run(&args.collect::<Vec<_>>(), "");
        assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""), "{words}: {done:?}");
        assert!(done.stderr.starts_with(&format!("keyfob: {error}")), "{words}: {done:?}");
    }
    assert!(!sandbox.config().exists());
    let twin = "[profile.twin]\nprovider = \"workos\"\nclient_id = \"y\"\nhosts = [\"git.acme.dev\"]\n";
    sandbox.configure(twin);
    let done = acme(&sandbox, &provider);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("both name https://git.acme.dev"), "{done:?}");
    assert_eq!(config(&sandbox), twin);
    assert_eq!(provider.seen().len(), 0);
}

#[test]
fn only_what_the_provider_accepts_is_written() {
    let (server, sandbox) = (Scripted::start(), Sandbox::new());
    let url = server.url();
    let args =
        ["setup", "profile", "acme", "--provider", "oidc", "--client-id", "x", "--host", "a.dev", "--issuer", &url];
    let done = sandbox.run(&args, "");
    assert_eq!(done.code, Some(1));
    assert!(done.stderr.contains("describes no issuer") && done.stderr.contains("(nothing was written)\n"), "{done:?}");

    server.describe("", "");
    for (answer, hint) in [
        (refusal(401, "invalid_client", "no such client"), "check --client-id; see "),
        (refusal(400, "unauthorized_client", "not for devices"), "allow the device flow for this client"),
        (refusal(400, "invalid_scope", "no"), "correct --scope"),
    ] {
        server.on("/device", [answer]);
        let done = sandbox.run(&args, "");
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""));
        assert!(done.stderr.contains("(nothing was written)\n") && done.stderr.contains(hint), "{done:?}");
        assert!(!sandbox.config().exists());
    }

    server.on("/device", [code(&url, "")]);
    let done = said(sandbox.run(&args, ""));
    assert!(!done.contains("WDJB"), "the code is for nobody: {done:?}");
    assert!(config(&sandbox).contains("[profile.acme]\n"));
}

#[test]
fn a_provider_that_cannot_be_reached_is_no_reason_not_to_write() {
    let sandbox = Sandbox::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let base = format!("--base-url=http://{closed}");
    let args = ["setup", "profile", "acme", "--provider", "workos", "--client-id", "x", "--host", "a.dev", &base];
    let done = sandbox.run(&args, "");
    let error = format!(
        "keyfob: the profile could not be checked: cannot start a sign-in: {closed} refuses connections\n\
         keyfob: hint: to check it later, run the same command again\n"
    );
    assert_eq!((done.code, done.stderr), (Some(0), error));
    assert!(config(&sandbox).contains("[profile.acme]\n"));
}

/// Has git configured for three hosts, as git-credential-oauth and Git Credential Manager want it.
fn configure_git(sandbox: &Sandbox, url: &str) {
    let text = format!(
        "[credential \"https://git.acme.dev\"]\n\toauthClientId = cl1\n\toauthClientSecret = s3cret\n\
         \toauthScopes = read write\n\toauthDeviceAuthURL = {url}/device\n\toauthTokenURL = {url}/token\n\
         [credential \"https://gcm.acme.dev\"]\n\toauthClientId = cl2\n\toauthDeviceEndpoint = /d\n\
         \toauthTokenEndpoint = /t\n\toauthDefaultUserName = ann\n\
         [credential \"https://gitlab.com\"]\n\toauthClientId = cl3\n"
    );
    fs::write(sandbox.home().join(".gitconfig"), text).unwrap();
}

#[test]
fn what_git_is_configured_with_becomes_a_profile() {
    let (server, sandbox) = (Scripted::start(), Sandbox::new());
    server.on("/device", [code(&server.url(), "")]);
    configure_git(&sandbox, &server.url());
    let convert = |name: &str, url: &str, more: &[&str]| {
        let from = format!("--from=git:{url}");
        let done = sandbox.run(&[&["setup", "profile", name, &from], more].concat(), "");
        assert!(!done.stdout.contains("s3cret") && !done.stderr.contains("s3cret"), "{done:?}");
        said(done)
    };
    let secret = sandbox.config().with_file_name("one-secret");
    let told = |what: &str| format!("{}: {what}, with the client secret that was found\n", secret.display());
    assert!(convert("one", "https://git.acme.dev", &["--dry-run"]).ends_with(&told("would be made")));
    assert!(!secret.exists());

    assert!(convert("one", "https://git.acme.dev", &[]).contains(&told("made")));
    assert_eq!((fs::read_to_string(&secret).unwrap().as_str(), mode(&secret)), ("s3cret\n", 0o600));
    let request = server.at("/device").pop().unwrap();
    assert_eq!(request.basic(), Some(("cl1".to_owned(), "s3cret".to_owned())));
    assert_eq!(request.form()["scope"], "read write");
    for line in ["provider = \"oauth\" ", "hosts = [\"git.acme.dev\"] ", "client_secret_file = "] {
        assert!(config(&sandbox).contains(&format!("\n{line}")), "{}", config(&sandbox));
    }

    let gcm = convert("two", "gcm.acme.dev", &["--dry-run", "--client-id", "mine"]);
    for line in ["token_endpoint = \"https://gcm.acme.dev/t\" ", "username = \"ann\" ", "client_id = \"mine\" "] {
        assert!(gcm.contains(&format!("  {line}")), "{line}: {gcm}");
    }
    assert!(convert("three", "https://gitlab.com", &["--dry-run"]).contains("provider = \"gitlab\" "));

    assert!(undo(&sandbox, "one").ends_with(&format!("{}: removed\n", secret.display())));
    assert!(!secret.exists() && !sandbox.config().exists());
}

#[test]
fn a_secret_that_the_provider_refuses_is_not_left_behind() {
    let (server, sandbox) = (Scripted::start(), Sandbox::new());
    server.on("/device", [Reply::json(401, r#"{"error":"invalid_client","error_description":"s3cret is wrong"}"#)]);
    configure_git(&sandbox, &server.url());
    let done = sandbox.run(&["setup", "profile", "one", "--from", "git:https://git.acme.dev"], "");
    assert_eq!(done.code, Some(1));
    assert!(!done.stderr.contains("s3cret") && done.stderr.contains("(redacted)"), "{done:?}");
    assert!(!sandbox.config().exists() && !sandbox.config().with_file_name("one-secret").exists());
    let mut command = sandbox.keyfob(&["setup", "profile", "one", "--from", "git:https://git.acme.dev"]);
    command.env_remove("KEYFOB_CONFIG");
    assert_eq!(run(command, "").code, Some(1));
    assert!(!sandbox.home().join(".config/keyfob").exists(), "nor a folder for it");
}
