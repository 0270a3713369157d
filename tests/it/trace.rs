use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use serde_json::json;

use crate::commands::signed_in;
use crate::support::http::Reply;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, Transcript, ask, ask_with_state, begin, finish, open_code, run, wait_for};
use crate::support::scripted::{Scripted, code, refusal};

/// The lines of a trace, out of whatever stands around them, with all that differs from run to run replaced.
fn lines(text: &str, names: &[(&str, &str)]) -> String {
    let mut told = String::new();
    for line in text.lines().filter(|line| line.starts_with("keyfob[")) {
        let mut words = line.splitn(3, ' ');
        let (own, at, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        assert!(own.ends_with(']') && at.starts_with('+') && at.ends_with('s'), "{line}");
        let rest = names.iter().fold(rest.to_owned(), |rest, (from, to)| rest.replace(from, to));
        // A count of seconds or milliseconds.
        let words: Vec<&str> = rest.split(' ').collect();
        let shown = words.iter().enumerate().map(|(index, word)| {
            let is_span =
                words.get(index + 1).is_some_and(|unit| ["s", "ms"].contains(&unit.trim_end_matches([')', ';'])));
            if is_span && word.trim_start_matches('(').parse::<u64>().is_ok() {
                word.replace(|c: char| c.is_ascii_digit(), "").to_owned() + "N"
            } else {
                (*word).to_owned()
            }
        });
        told.push_str(&shown.collect::<Vec<_>>().join(" "));
        told.push('\n');
    }
    told
}

#[test]
fn a_refresh_is_told_whole() {
    let (provider, sandbox) = signed_in();
    sandbox.expire();
    let mut git = sandbox.keyfob(&["git", "get", "--verbose"]);
    git.env("KEYFOB_LOG", "0");
    let done = run(git, "capability[]=authtype\nprotocol=https\nhost=git.acme.dev\npath=team/x.git\n\n");
    assert!(done.stdout.contains("password="), "{done:?}");
    let id = sandbox.record().file_stem().unwrap().to_string_lossy().into_owned();
    let names = [(provider.url(), "PROVIDER"), (sandbox.config().display().to_string(), "CONFIG"), (id, "ID")];
    let names: Vec<(&str, &str)> = names.iter().map(|(from, to)| (from.as_str(), *to)).collect();
    assert_eq!(
        lines(&done.stderr, &names).replace(concat!("keyfob ", env!("CARGO_PKG_VERSION")), "keyfob VERSION"),
        format!(
            "keyfob VERSION for {}: git get\n\
             git says: https://git.acme.dev/team/x.git, user name: no, password: no, capabilities: authtype, \
             challenges: 0, our state: no\n\
             configuration: /etc/keyfob/config.toml is not there\n\
             configuration: CONFIG, profiles: 1\n\
             profile: acme (it answers for https://git.acme.dev/team/x.git)\n\
             session: ID at PROVIDER/user_management/authenticate\n\
             lock: taken\n\
             record: token for this place: ended N s ago; others: 0; refresh token: yes; sign-in pending: no; last failure: none\n\
             decision: refresh (the token: ended N s ago)\n\
             POST PROVIDER/user_management/authenticate (grant_type, client_id, refresh_token=<hidden>) -> 200 in N ms \
             (access_token <hidden>, refresh_token <hidden>)\n\
             record: saved\n\
             answer: an access token, told to end in N s\n",
            std::env::consts::OS
        )
    );
    assert_eq!(done.stderr.lines().count(), 12, "nothing but the trace: {}", done.stderr);
}

#[test]
fn a_hit_and_a_refusal_are_told() {
    let (_provider, sandbox) = signed_in();
    let hit = sandbox.run(&["--verbose", "git", "get"], &ask("git.acme.dev")).stderr;
    let told = lines(&hit, &[]);
    assert!(told.contains("decision: serve (N s left)\nanswer: an access token, told to end in N s\n"), "{told}");
    assert!(!told.contains("lock"), "{told}");
    sandbox.run(&["logout"], "");
    let refused = lines(&sandbox.run(&["token", "--verbose"], "").stderr, &[]);
    assert!(
        refused.contains("decision: sign in (nothing is kept for this place, and there is no refresh token)\n")
            && refused.contains("presence: nobody is here to be asked (CI)\n")
            && refused.ends_with("failed: only a human can go on\n"),
        "{refused}"
    );
    // A call that is off stops git all the same.
    assert_eq!(sandbox.run(&["--verbose", "git", "--bogus", "get"], "").stdout, "quit=1\n");
    // Called by its other name, with the option of git's own line.
    let mut helper = sandbox.command("git-credential-keyfob");
    helper.args(["--verbose", "get"]);
    assert!(run(helper, &ask("other.dev")).stderr.contains("profile: none answers for https://other.dev\n"));
}

#[test]
fn off_means_off_and_a_place_that_will_not_do_is_said() {
    let (_provider, sandbox) = signed_in();
    let elsewhere = sandbox.home().join("elsewhere");
    fs::write(&elsewhere, "mine\n").unwrap();
    let link = sandbox.home().join("link");
    symlink(&elsewhere, &link).unwrap();
    let open_to_all = sandbox.home().join("open");
    fs::write(&open_to_all, "").unwrap();
    fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o644)).unwrap();
    let said = |value: &str| {
        let mut git = sandbox.keyfob(&["git", "get"]);
        git.env("KEYFOB_LOG", value);
        let done = run(git, &ask("git.acme.dev"));
        assert!(done.stdout.starts_with("username="), "{done:?}");
        done.stderr
    };
    for value in ["", "0", "false", "off"] {
        assert_eq!(said(value), "", "{value}");
    }
    assert_eq!(
        said("debug"),
        "keyfob: KEYFOB_LOG is \"debug\"\nkeyfob: hint: set it to 1 for stderr, or to the whole path of a file\n"
    );
    let (link, open) = (link.display().to_string(), open_to_all.display().to_string());
    assert!(said(&link).contains("is a symbolic link"), "{}", said(&link));
    assert!(said(&open).contains(&format!("run: chmod 600 {open}")), "{}", said(&open));
    assert_eq!((fs::read_to_string(&elsewhere).unwrap().as_str(), fs::metadata(open).unwrap().len()), ("mine\n", 0));
}

/// A life with all its turns, with every secret a server, a client or a person may have, traced into a file or on stderr.
fn live(sandbox: &Sandbox, provider: &Provider, log: &str) -> String {
    let mut told = String::new();
    let mut run_traced = |args: &[&str], stdin: &str, more: &[(&str, &str)]| {
        let mut command = sandbox.keyfob(args);
        command.env("KEYFOB_LOG", log).env("KEYFOB_INTERACTIVE", "always");
        command.env("HTTPS_PROXY", "http://ann:proxypassword@127.0.0.1:1").envs(more.iter().copied());
        let done = run(command, stdin);
        told.push_str(&done.stderr);
        done
    };
    let login =
        json!({ "ServerURL": "https://ann:serverpassword@other.dev/x?t=v", "Username": "ann", "Secret": "hunter2" });
    let exec =
        r#"{"apiVersion":"client.authentication.k8s.io/v1","spec":{"cluster":{"server":"https://k8s.acme.dev"}}}"#;
    let spelt = r#"{"apiVersion":"client.authentication.k8s.io/v1","spec":{"cluster":{"server":"https://u:execpassword@k.dev"}}}"#;
    let token =
        |done: &Transcript| done.stdout.lines().find_map(|l| l.strip_prefix("password=").map(str::to_owned)).unwrap();

    let first = token(&run_traced(&["git", "get"], &ask_with_state("git.acme.dev"), &[]));
    run_traced(
        &["git", "store"],
        &format!("protocol=https\nhost=git.acme.dev\nusername=ann\npassword={first}\n\n"),
        &[],
    );
    run_traced(
        &["git", "erase"],
        &format!("protocol=https\nhost=git.acme.dev\nusername=ann\npassword={first}\n\n"),
        &[],
    );
    let second = token(&run_traced(&["git", "get"], &ask("git.acme.dev"), &[]));
    assert_ne!(first, second);
    run_traced(&["git", "store"], "protocol=https\nhost=old.dev\nusername=bob\npassword=hunter2\n\n", &[]);
    run_traced(&["git", "get"], "protocol=https\nhost=bob:gitpassword@old.dev\npath=x?key=pathvalue\n\n", &[]);
    assert!(run_traced(&["git", "get"], "protocol=https\nhost=old.dev\n\n", &[]).stdout.contains("hunter2"));
    assert_eq!(run_traced(&["kubectl"], "", &[("KUBERNETES_EXEC_INFO", exec)]).code, Some(0));
    run_traced(&["kubectl"], "", &[("KUBERNETES_EXEC_INFO", spelt)]);
    assert_eq!(run_traced(&["docker", "store"], &login.to_string(), &[]).code, Some(0));
    assert!(run_traced(&["docker", "get"], "other.dev/x", &[]).stdout.contains("hunter2"));
    assert_eq!(run_traced(&["docker", "get"], "git.acme.dev", &[]).code, Some(0));
    run_traced(&["docker", "hunter2"], "", &[]);
    run_traced(&["docker", "erase"], "git.acme.dev", &[]);
    for args in
        [&["login", "https://ann:urlpassword@git.acme.dev/x"][..], &["token", "https://urlpassword@git.acme.dev"]]
    {
        assert_eq!(run_traced(args, "", &[]).code, Some(0), "{args:?}");
    }
    run_traced(&["token", "https://git.acme.dev/?token=queryvalue"], "", &[]);
    run_traced(&["login", "proxied"], "", &[]);
    run_traced(&["login", "acme", "--start"], "", &[]);
    run_traced(&["status"], "", &[]);
    provider.instead(Endpoint::Refresh, Reply::new(500, "text/plain", "hunter2"));
    for record in sandbox.files(".json") {
        let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
        value["pending"] = json!(null);
        for (_, token) in value["tokens"].as_object_mut().into_iter().flatten() {
            token["received_at"] = json!(1_000);
            token["expires_at"] = json!(2_000);
        }
        fs::write(&record, value.to_string()).unwrap();
    }
    run_traced(&["token", "acme"], "", &[]);
    assert_eq!(run_traced(&["logout", "acme"], "", &[]).code, Some(0));
    run_traced(&["git", "get"], &ask("git.acme.dev"), &[("KEYFOB_INTERACTIVE", "never")]);
    told
}

#[test]
fn no_secret_is_ever_told() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    let url = provider.url();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"workos-connect\"\nclient_id = \"client_test\"\nissuer = \"{url}\"\n\
         hosts = [\"git.acme.dev\"]\nclusters = [\"https://k8s.acme.dev\"]\nextra = {{ tenant = \"extravalue\" }}\n\
         [profile.acme.at.\"https://k8s.acme.dev\"]\ntoken = \"id\"\n\
         [profile.proxied]\nprovider = \"workos\"\nclient_id = \"c\"\nbase_url = \"https://auth.invalid\"\n\
         [store]\ngit = true\n"
    ));
    let file = sandbox.home().join("keyfob.log");
    live(&sandbox, &provider, file.to_str().unwrap());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let in_file = fs::read_to_string(&file).unwrap();
    let on_stderr = live(&sandbox, &provider, "stderr");
    let on_stderr: String =
        on_stderr.lines().filter(|line| line.starts_with("keyfob[")).fold(String::new(), |a, b| a + b + "\n");
    let mut secrets = provider.secrets();
    assert!(secrets.len() > 20, "{secrets:?}");
    secrets.extend(
        [
            "hunter2",
            "serverpassword",
            "gitpassword",
            "pathvalue",
            "urlpassword",
            "queryvalue",
            "execpassword",
            "extravalue",
            "proxypassword",
            "eyJ",
            "rt_secret",
            "dc_secret",
            "ann:",
        ]
        .map(str::to_owned),
    );
    for trace in [&in_file, &on_stderr] {
        for secret in &secrets {
            assert!(!trace.contains(secret.as_str()), "{secret} in {trace}");
        }
        for told in [
            "git get\n",
            "git store\n",
            "git erase\n",
            "kubectl\n",
            "docker store\n",
            "docker get\n",
            "docker erase\n",
            "login\n",
            "logout\n",
            "token\n",
            "status\n",
            "docker (another operation)\n",
            "refresh (the token: refused by its server)\n",
            "device_code=<hidden>",
            "(device_code <hidden>, user_code <hidden>, expires_in 300, interval 1)",
            "token=<hidden>",
            "refusal: the token is handed out no more\n",
            "an ID token",
            "answer: what the plain store keeps\n",
            "proxy: 127.0.0.1:1 (HTTPS_PROXY)\n",
            "git says: https://<hidden>@old.dev/x?key=<hidden>,",
            "sign-in: approved\n",
            "-> 500 in ",
            "presence: nobody is here to be asked (KEYFOB_INTERACTIVE=never)\n",
        ] {
            assert!(trace.contains(told), "no {told} in {trace}");
        }
    }
}

#[test]
fn what_a_client_proves_itself_with_is_not_told_and_neither_is_what_a_server_quotes() {
    let server = Scripted::start();
    let url = server.url();
    server
        .describe("", &format!(r#","revocation_endpoint":"{url}/revoke","code_challenge_methods_supported":["S256"]"#));
    server.on("/device", [code(&url, "")]);
    let sandbox = Sandbox::new();
    let secret = sandbox.home().join("secret");
    fs::write(&secret, "s3cret-of-the-client\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"oidc\"\nclient_id = \"client_1\"\nissuer = \"{url}\"\nclient_secret_file = \"{}\"\n",
        secret.display()
    ));
    let granted = r#"{"access_token":"at_secret","refresh_token":"rt_secret","token_type":"Bearer","expires_in":300}"#;
    server.on("/token", [refusal(400, "authorization_pending", "not yet, WDJB-MJHT"), Reply::json(200, granted)]);
    server.on("/revoke", [refusal(400, "rt_secret", "I know no rt_secret of s3cret-of-the-client")]);
    let mut told = String::new();
    let mut run_traced = |args: &[&str]| {
        let mut command = sandbox.keyfob(args);
        command.env("KEYFOB_LOG", "1").env("KEYFOB_INTERACTIVE", "always");
        told.push_str(&lines(&run(command, "").stderr, &[]));
    };
    run_traced(&["login"]);
    sandbox.expire();
    server.on("/token", [refusal(400, "invalid_scope", "not with rt_secret by s3cret-of-the-client")]);
    run_traced(&["token"]);
    run_traced(&["logout"]);
    let verifier = server.at("/token").iter().find_map(|request| request.form().get("code_verifier").cloned()).unwrap();
    let challenge = server.at("/device")[0].form()["code_challenge"].clone();
    for secret in ["s3cret", "rt_secret", "at_secret", "dc_secret", "WDJB-MJHT", "Basic", &verifier] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    assert!(!told.contains(&challenge), "it is nobody's business either: {told}");
    for line in
        ["Authorization=<hidden>", "code_verifier=<hidden>", "(error invalid_scope: not with (redacted) by (redacted))"]
    {
        assert!(told.contains(line), "no {line} in {told}");
    }
}

#[test]
fn waiting_for_another_process_is_told() {
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    let first = sandbox.begin_asking(&["git", "get"], &ask("git.acme.dev"));
    let code = open_code(&provider);
    let file = sandbox.home().join("keyfob.log");
    let mut second = sandbox.keyfob(&["git", "get"]);
    second.env("KEYFOB_INTERACTIVE", "always").env("KEYFOB_LOG", &file);
    let second = begin(second, &ask("git.acme.dev"));
    let trace = || fs::read_to_string(&file).unwrap_or_default();
    wait_for("second process at the lock", || trace().contains("login lock: another process").then_some(()));
    assert!(provider.decide(&code, true));
    assert!(finish(first).stdout.contains("password=") && finish(second).stdout.contains("password="));
    assert!(trace().contains("told to end in"), "{}", trace());
    assert!(!trace().contains(&code));
    assert_eq!(trace().matches("login lock: another process").count(), 1, "it looks many times: {}", trace());
}

#[test]
fn waiting_for_a_renewal_by_another_process_is_told_once() {
    let (provider, sandbox) = signed_in();
    sandbox.expire();
    let file = sandbox.home().join("keyfob.log");
    let trace = {
        let file = file.clone();
        move || fs::read_to_string(&file).unwrap_or_default()
    };
    let waits = trace.clone();
    // The first is answered a while after the second has begun to wait for it.
    provider.when_refreshed(move || {
        wait_for("second process at the lock", || waits().contains("lock: another process").then_some(()));
    });
    provider.change(|manners| manners.refresh_takes = Duration::from_millis(500));
    let first = begin(sandbox.keyfob(&["git", "get"]), &ask("git.acme.dev"));
    wait_for("refresh", || (provider.count(Endpoint::Refresh) > 0).then_some(()));
    let mut second = sandbox.keyfob(&["git", "get"]);
    second.env("KEYFOB_LOG", &file);
    let second = finish(begin(second, &ask("git.acme.dev")));
    let first = finish(first);
    assert!(second.stdout.contains("password=") && first.stdout == second.stdout, "{first:?} {second:?}");
    assert_eq!(trace().matches("lock: another process").count(), 1, "it looks many times: {}", trace());
}
