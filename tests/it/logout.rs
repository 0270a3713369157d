use serde_json::json;

use crate::commands::signed_in;
use crate::support::http::Reply;
use crate::support::provider::{Endpoint, Manners, Provider};
use crate::support::sandbox::{Sandbox, ask, workos};
use crate::support::scripted::{Scripted, code};

fn host(url: &str) -> &str {
    url.strip_prefix("http://").unwrap()
}

#[test]
fn forgotten_here_and_ended_there() {
    let (provider, sandbox) = signed_in();
    let url = provider.url();
    let done = sandbox.run(&["logout", "acme"], "");
    assert_eq!(done.stdout, format!("acme: forgotten here, the session was ended at {}\n", host(&url)));
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let ended = &provider.of(Endpoint::SignOut)[0];
    assert!(ended.form["session_id"].starts_with("session_"));
    assert!(!ended.headers.contains_key("authorization"), "no API key");
    assert!(sandbox.files(".json").is_empty());
    assert_eq!(sandbox.run(&["logout", "acme"], "").stdout, "acme: not signed in\n");
    assert_eq!(sandbox.run(&["git", "get"], &ask("git.acme.dev")).stdout, "quit=1\n");
}

/// What cannot be removed here is ended there, and it is said what is left.
#[cfg(target_os = "linux")]
#[test]
fn ended_there_even_where_nothing_can_be_forgotten_here() {
    let namespaces = std::process::Command::new("unshare").args(["--mount", "true"]).output();
    if !namespaces.is_ok_and(|done| done.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "this wants root and unshare");
        return eprintln!("skipped: this wants root and unshare");
    }
    let (provider, sandbox) = signed_in();
    let mut command = sandbox.command("unshare");
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\" && shift && exec \"$@\"";
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(sandbox.state());
    command.arg(crate::support::sandbox::keyfob()).args(["logout", "acme"]);
    let done = crate::support::sandbox::run(command, "");
    let url = provider.url();
    let said = format!("acme: still kept here, where it cannot be removed, the session was ended at {}\n", host(&url));
    assert_eq!((done.stdout, done.code), (said, Some(1)), "{}", done.stderr);
    assert!(done.stderr.starts_with("keyfob: cannot "), "{}", done.stderr);
    assert_eq!(provider.count(Endpoint::SignOut), 1);
}

#[test]
fn forgotten_even_when_the_provider_is_down() {
    let (provider, sandbox) = signed_in();
    provider.instead(Endpoint::SignOut, Reply::new(500, "text/plain", ""));
    let done = sandbox.run(&["logout", "--all"], "");
    assert_eq!(done.code, Some(1));
    let url = provider.url();
    assert_eq!(
        done.stdout,
        format!(
            "acme: forgotten here, but it may live on at the provider: {} answered with HTTP status 500\n",
            host(&url)
        )
    );
    assert!(sandbox.files(".json").is_empty());
}

#[test]
fn all_takes_sessions_whose_profile_is_gone() {
    let (_provider, sandbox) = signed_in();
    sandbox.configure("");
    let done = sandbox.run(&["logout", "--all"], "");
    assert_eq!(done.stdout, "acme: forgotten here; no profile names it any more, so the provider was not told\n");
    assert!(sandbox.files(".json").is_empty());
    let again = sandbox.run(&["logout", "--all"], "");
    assert_eq!((again.stdout.as_str(), again.code), ("nobody is signed in\n", Some(0)));
}

/// A profile with everything at one server but what `more` of its metadata says, and a sign-in there.
fn described(more: &dyn Fn(&str) -> String) -> (Scripted, Sandbox) {
    let server = Scripted::start();
    let url = server.url();
    server.describe("", &more(&url));
    server.on("/device", [code(&url, "")]);
    server.on("/token", [granted("rt_secret_1")]);
    server.on("/revoke", [Reply::json(200, "{}")]);
    let sandbox = Sandbox::new();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"oidc\"\nclient_id = \"client_1\"\nhosts = [\"git.acme.dev\"]\nissuer = \"{url}\"\n\
         extra = {{ tenant = \"t1\" }}\n"
    ));
    assert_eq!(sandbox.run_asking(&["login"], "").code, Some(0));
    (server, sandbox)
}

fn granted(refresh_token: &str) -> Reply {
    let body = json!({
        "access_token": "at_1", "token_type": "Bearer", "expires_in": 300, "refresh_token": refresh_token,
    });
    Reply::json(200, body.to_string())
}

/// The issuer names another server for its endpoints from now on.
fn moves(server: &Scripted, to: &Scripted) {
    let (issuer, url) = (server.url(), to.url());
    let body = json!({
        "issuer": issuer, "token_endpoint": format!("{url}/token"), "revocation_endpoint": format!("{url}/revoke"),
        "device_authorization_endpoint": format!("{issuer}/device"),
    });
    server.on("/.well-known/openid-configuration", [Reply::json(200, body.to_string())]);
    to.on("/token", [granted("rt_secret_2")]);
    to.on("/revoke", [Reply::json(200, "{}")]);
}

#[test]
fn an_issuer_that_moved_leaves_no_session_behind() {
    let (server, sandbox) = described(&|url| format!(r#","revocation_endpoint":"{url}/revoke""#));
    let moved = Scripted::start();
    moves(&server, &moved);
    assert_eq!(sandbox.run_asking(&["login"], "").code, Some(0));
    assert_eq!(sandbox.files(".json").len(), 2);
    let done = sandbox.run(&["logout", "acme"], "");
    let (old, new) = (server.url(), moved.url());
    assert_eq!(
        done.stdout,
        format!(
            "acme: forgotten here, the refresh token was revoked at {new}\n\
             acme (at {old}): forgotten here, the refresh token was revoked at {old}\n",
            old = host(&old),
            new = host(&new),
        )
    );
    assert_eq!((done.code, sandbox.files(".json").len()), (Some(0), 0));
    let told = |server: &Scripted| server.at("/revoke").iter().map(|request| request.form()).collect::<Vec<_>>();
    assert_eq!((told(&moved)[0]["token"].as_str(), told(&moved).len()), ("rt_secret_2", 1));
    assert_eq!((told(&server)[0]["token"].as_str(), told(&server).len()), ("rt_secret_1", 1));
    assert_eq!(told(&moved)[0]["tenant"], "t1");
    assert!(!told(&server)[0].contains_key("tenant"), "what stands in the profile is for its present server");
}

#[test]
fn an_earlier_session_is_revoked_only_where_that_was_known_when_it_began() {
    let (server, sandbox) = described(&|_| String::new());
    let moved = Scripted::start();
    moves(&server, &moved);
    assert_eq!(sandbox.run_asking(&["login"], "").code, Some(0));
    let done = sandbox.run(&["logout", "--all"], "");
    let (old, new) = (server.url(), moved.url());
    assert_eq!(
        done.stdout,
        format!(
            "acme: forgotten here, the refresh token was revoked at {new}\n\
             acme (at {old}): forgotten here, but it may live on at the provider: the profile no longer names {old}, and no \
             way to revoke there was known at the sign-in\n",
            old = host(&old),
            new = host(&new),
        )
    );
    assert_eq!((done.code, sandbox.files(".json").len()), (Some(1), 0));
    for request in moved.seen() {
        assert!(!String::from_utf8_lossy(&request.body).contains("rt_secret_1"), "no token moved");
    }
}

#[test]
fn another_profiles_session_is_not_taken_along() {
    let provider = Provider::with(Manners { approves_by_itself: true, ..Manners::default() });
    let sandbox = Sandbox::new();
    let account = |name: &str| format!("account = \"{name}\"");
    sandbox.configure(&workos(&provider, "acme", &account("ann")));
    assert_eq!(sandbox.run(&["login", "acme"], "").code, Some(0));
    // The same session, under another name; and the old name for somebody else.
    let renamed = [workos(&provider, "home", &account("ann")), workos(&provider, "acme", &account("bob"))].concat();
    sandbox.configure(&renamed);
    assert_eq!(sandbox.run(&["logout", "acme"], "").stdout, "acme: not signed in\n");
    assert_eq!(sandbox.files(".json").len(), 1);
    // Once no profile has it any more, it is an earlier session of the name it was made under.
    sandbox.configure(&workos(&provider, "acme", &account("bob")));
    let url = provider.url();
    assert_eq!(
        sandbox.run(&["logout", "acme"], "").stdout,
        format!("acme: forgotten here, the session was ended at {}\n", host(&url))
    );
    assert!(sandbox.files(".json").is_empty());
}
