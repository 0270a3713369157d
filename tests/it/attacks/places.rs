use super::*;

/// The profile `acme` for `git.acme.dev`, at endpoints that are spelt out.
fn spelt(at: &Provider, more: &str) -> String {
    let url = at.url();
    format!(
        "[profile.acme]\nprovider = \"oauth\"\nclient_id = \"{CLIENT_ID}\"\nhosts = [\"git.acme.dev\"]\n\
         device_authorization_endpoint = \"{url}/oauth2/device_authorization\"\ntoken_endpoint = \"{url}/oauth2/token\"\n{more}\n"
    )
}

#[test]
fn a_configuration_that_names_another_server_gets_nothing_of_a_session() {
    let (provider, evil) = (approving(), Provider::start());
    let sandbox = signed_in(&provider);
    let before = fs::read(sandbox.record()).unwrap();
    let session = sandbox.record();
    let elsewhere = sandbox.home().join("evil.toml");
    let accounts = ["", "account = \"ann@acme.dev\"\n"];
    let revocation = format!("revocation_endpoint = \"{}/oauth2/revoke\"\n", evil.url());
    let configurations = accounts.iter().flat_map(|account| {
        let more = format!("hosts = [\"git.acme.dev\"]\n{account}");
        [workos(&evil, "acme", &more), spelt(&evil, account), spelt(&evil, &format!("{revocation}{account}"))]
    });
    for configuration in configurations {
        fs::write(&elsewhere, configuration).unwrap();
        let under = |args: &[&str], stdin: &str| {
            let mut command = sandbox.keyfob(args);
            command.env("KEYFOB_CONFIG", &elsewhere);
            let done = run(command, stdin);
            assert_no_secret(&done);
            done
        };
        assert_stopped(&under(&["git", "get"], &ask("git.acme.dev")), "nobody is here to sign in to acme");
        assert!(under(&["token"], "").stderr.contains("nobody is here"));
        assert_eq!(under(&["docker", "get"], "git.acme.dev").code, Some(1));
        assert_eq!(under(&["kubectl"], "").code, Some(1));
        assert_eq!(under(&["git", "erase"], &ask("git.acme.dev")).stderr, "");
        assert_eq!(under(&["logout"], "").stdout, "acme: not signed in\n");
        assert_eq!(fs::read(&session).unwrap(), before, "and it is still there");
    }
    assert!(evil.seen().is_empty(), "{:?}", evil.seen());
    let mut command = sandbox.keyfob(&["logout", "--all"]);
    command.env("KEYFOB_CONFIG", &elsewhere);
    let done = run(command, "");
    assert!(
        done.stdout.contains("acme: forgotten here; no profile names it any more, so the provider was not told\n"),
        "{done:?}"
    );
    assert!(evil.seen().is_empty());
}

#[test]
fn a_record_put_in_the_place_of_another_is_not_used() {
    let (provider, evil) = (approving(), Provider::start());
    let sandbox = signed_in(&provider);
    sandbox.expire();
    let (ours, text) = (sandbox.record(), fs::read(sandbox.record()).unwrap());
    fs::remove_file(&ours).unwrap();
    // The evil server's record has a name of its own; the session is put there.
    sandbox.configure(&workos(&evil, "acme", "hosts = [\"git.acme.dev\"]"));
    sandbox.run(&["login", "--start"], "");
    let theirs = sandbox.record();
    assert_ne!(ours, theirs);
    fs::write(&theirs, text).unwrap();
    let before = evil.seen().len();
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_stopped(&done, "could not be read (it is of another server, client or account)");
    assert_eq!(evil.seen().len(), before);
}

#[test]
fn a_record_with_impossible_values_is_set_aside_and_nobody_hangs() {
    let provider = Provider::start();
    for (member, value) in [
        ("interval", json!(1_000_000_000_000_u64)),
        ("interval", json!(u64::MAX)),
        ("next_poll_at", json!(i64::MIN)),
        ("expires_at", json!(i64::MAX)),
        ("started_at", json!(i64::MIN)),
        ("misses", json!(u32::MAX)),
    ] {
        let sandbox = Sandbox::signed_up(&provider);
        sandbox.run(&["login", "--start"], "");
        sandbox.edit(|record| record["pending"][member] = value.clone());
        let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
        assert_stopped(&done, "could not be read (its times are none)");
        assert!(sandbox.run(&["status"], "").code == Some(0));
    }
}

#[test]
fn a_device_code_of_any_characters_stays_one_parameter() {
    let code =
        "dc_secret&grant_type=refresh_token&client_id=evil\r\nHost: evil.dev\r\n\r\nGET / HTTP/1.1\r\n\0\u{202e}+%26";
    let provider = Provider::start();
    let sandbox = Sandbox::signed_up(&provider);
    provider.instead(Endpoint::Start, started(json!({ "device_code": code })));
    start(&sandbox);
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert_stopped(&done, "ended the sign-in: invalid_grant: No such code");
    let [start, poll] = &provider.seen()[..] else { panic!("{:?}", provider.seen()) };
    assert_eq!((start.form["client_id"].as_str(), poll.form["client_id"].as_str()), (CLIENT_ID, CLIENT_ID));
    assert_eq!(poll.form["device_code"], code);
    assert_eq!(poll.form.len(), 3);
}

/// Every file below, by its path from there.
fn tree(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                paths.push(entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    paths.sort();
    paths
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let provider = approving();
    let sandbox = Sandbox::new();
    let root = sandbox.home().parent().unwrap().to_owned();
    let named = workos(&provider, "acme", "hosts = [\"git.acme.dev\"]\naccount = \"../../../../escaped\"");
    sandbox.configure(&format!("[store]\ngit = true\n{named}"));
    let before = tree(&root);
    sign_in(&sandbox);
    for host in ["../../escaped", "/tmp/escaped", "..", ".", "a/../../escaped", "%2e%2e%2fescaped", "a\\..\\b"] {
        let store = format!("protocol=https\nhost={host}\npath=../../escaped\nusername=../u\npassword=p\n\n");
        sandbox.run(&["git", "store"], &store);
        let login = json!({ "ServerURL": host, "Username": "u", "Secret": "s" }).to_string();
        sandbox.run(&["docker", "store"], &login);
        for word in [host, "../sessions", "..", "/etc/passwd"] {
            sandbox.run(&["logout", word], "");
            sandbox.run(&["status", word], "");
        }
    }
    let made: Vec<String> = tree(&root).into_iter().filter(|path| !before.contains(path)).collect();
    let plain = |path: &String| {
        let name = path.strip_prefix("state/sessions/").or_else(|| path.strip_prefix("state/passwords/"));
        name.is_some_and(|name| !name.contains("escaped") && !name.contains('/') && !name.contains(".."))
    };
    assert!(!made.is_empty() && made.iter().all(plain), "{made:?}");
}

#[test]
fn a_revocation_endpoint_added_later_is_not_sent_an_older_sessions_token() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let thief = Provider::start();
    let sandbox = Sandbox::new();
    let url = provider.url();
    let profile = format!(
        "[profile.acme]\nprovider = \"oauth\"\nclient_id = \"client_test\"\n\
         device_authorization_endpoint = \"{url}/oauth2/device_authorization\"\ntoken_endpoint = \"{url}/oauth2/token\"\n"
    );
    sandbox.configure(&profile);
    assert_eq!(sandbox.run(&["login"], "").code, Some(0));
    sandbox.configure(&format!("{profile}revocation_endpoint = \"{}/oauth2/revoke\"\n", thief.url()));
    let done = sandbox.run(&["logout"], "");
    assert_eq!(done.code, Some(1));
    assert!(done.stdout.contains("was not known at the sign-in, and is told nothing"), "{done:?}");
    assert!(thief.seen().is_empty());
    assert!(sandbox.files(".json").is_empty(), "forgotten here all the same");
}

#[test]
fn an_issuer_that_describes_another_is_not_followed_to_its_endpoints() {
    let (honest, thief) = (Scripted::start(), Scripted::start());
    let description = format!(
        r#"{{"issuer":"{}","token_endpoint":"{url}/token","device_authorization_endpoint":"{url}/device"}}"#,
        honest.url(),
        url = thief.url()
    );
    thief.on("/.well-known/openid-configuration", [Reply::json(200, description)]);
    let sandbox = Sandbox::new();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"oidc\"\nclient_id = \"client_1\"\nhosts = [\"git.acme.dev\"]\nissuer = \"{}\"\n",
        thief.url()
    ));
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert_eq!(done.stdout, "quit=1\n");
    assert!(done.stderr.contains(&format!("describes the issuer \"{}\" and not", honest.url())), "{}", done.stderr);
    assert!(thief.seen().iter().all(|request| request.path.starts_with("/.well-known/")), "nothing but the question");
    assert!(honest.seen().is_empty());
}
