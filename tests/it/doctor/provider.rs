use std::fs;

use super::{CLUSTER, Home, one, problems};
use crate::support::http::Reply;
use crate::support::provider::{CLIENT_ID, Endpoint};
use crate::support::sandbox::now;
use crate::support::scripted::{Scripted, code, refusal};
use crate::support::tls_server::{self, Identity};

#[test]
fn the_client_id_is_wrong() {
    let home = Home::signed_out();
    assert_eq!(home.problems(&[]), []);
    let file = fs::read_to_string(home.sandbox.config()).unwrap();
    home.sandbox.configure(&format!("# mine\n{}", file.replace(CLIENT_ID, "client_wrong")));
    assert_eq!(
        home.problems(&[]),
        one(
            "PROVIDER does not know the client ID client_wrong (invalid_client: Unknown client)",
            "correct client_id of [profile.acme], /R/config.toml:2; see https://workos.com/docs/authkit/cli-auth"
        )
    );
}

#[test]
fn the_clock_is_off() {
    let home = Home::signed_out();
    for (date, side) in [("Tue, 01 Jan 2999 00:00:00 GMT", "behind"), ("Thu, 01 Jan 1998 00:00:00 GMT", "ahead of")] {
        for endpoint in [Endpoint::Poll, Endpoint::Start] {
            home.provider.instead(endpoint, Reply::json(429, "{}").with("Date", date));
        }
        let found = home.problems(&[]);
        let (what, mend) = &found[0];
        assert!(
            what.starts_with("this machine's clock is ") && what.ends_with(&format!(" days {side} that of PROVIDER")),
            "{what}"
        );
        assert_eq!(
            mend,
            if cfg!(target_os = "macos") {
                "run: sudo sntp -sS time.apple.com"
            } else {
                "run: timedatectl set-ntp true"
            }
        );
    }
    // What a slow network makes of it is no matter.
    let date = |ahead| clock(now() + ahead);
    home.provider.instead(Endpoint::Poll, Reply::json(400, "{}").with("Date", &date(30)));
    let done = home.doctor(&[]);
    assert!(done.stdout.contains("  ok       this machine's clock agrees with that of PROVIDER\n"), "{}", done.stdout);
    home.provider.instead(Endpoint::Poll, Reply::json(400, "{}").with("Date", &date(95)));
    let found = home.problems(&[]);
    assert!(found[0].0.starts_with("this machine's clock is 9"), "{found:?}");
}

/// An HTTP date (RFC 9110 section 5.6.7), by the system's own `date`.
fn clock(at: i64) -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &format!("@{at}"), "+%a, %d %b %Y %H:%M:%S GMT"])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn the_proxy_is_dead() {
    let home = Home::signed_out();
    let file = fs::read_to_string(home.sandbox.config()).unwrap();
    home.sandbox.configure(&file.replace(&home.provider.url(), "https://auth.keyfob.invalid"));
    let done = home.doctor_with(&[], &[("HTTPS_PROXY", "http://ann:s3cret@127.0.0.1:1")]);
    assert_eq!(
        problems(&done),
        one(
            "the proxy 127.0.0.1:1 (HTTPS_PROXY) refuses connections",
            "correct HTTPS_PROXY, or add auth.keyfob.invalid to NO_PROXY"
        )
    );
    let done = home.doctor_with(&[], &[("all_proxy", "socks5://ann:s3cret@127.0.0.1:1")]);
    assert_eq!(
        problems(&done),
        one(
            "all_proxy names no proxy: keyfob speaks to http:// and https:// proxies alone",
            "correct all_proxy, or unset it"
        )
    );
    assert_eq!(
        home.problems(&[]),
        one(
            "auth.keyfob.invalid has no address",
            "check the name, and whether the network is up; if it stays so, correct the address in [profile.acme], \
             /R/config.toml:1"
        )
    );
}

#[test]
fn the_session_is_revoked() {
    let home = Home::new();
    let refusal = r#"{"error":"invalid_grant","error_description":"Session has already ended."}"#;
    home.provider.instead(Endpoint::Refresh, Reply::json(400, refusal));
    assert_eq!(
        home.problems(&[]),
        one(
            "the session of acme has ended (invalid_grant: Session has already ended.) and nobody is here to sign in \
             (the doctor asks nobody)",
            "run: keyfob login acme"
        )
    );
    let ended = one("the session has ended, and cannot be renewed", "run: keyfob login acme");
    assert_eq!(home.problems(&[]), ended);
    home.sign_in();
    assert_eq!(home.problems(&[]), []);
    // A provider that fails is another matter, and ends nothing.
    home.sandbox.expire();
    home.provider.instead(Endpoint::Refresh, Reply::json(503, "{}"));
    home.provider.instead(Endpoint::Refresh, Reply::json(503, "{}"));
    let done = home.doctor(&["git.acme.dev"]);
    assert_eq!(
        problems(&done),
        one("cannot renew the session of acme: HTTP status 503", "the session is kept; try again")
    );
    assert_eq!(home.problems(&[]), []);
}

#[test]
fn a_server_expects_another_token() {
    let home = Home::new();
    let expecting =
        |issuer: &str, audience: &str| home.problems(&[CLUSTER, "--issuer", issuer, "--audience", audience]);
    assert_eq!(
        expecting("scripted", "k8s"),
        one(
            &format!("the access token for {CLUSTER} has no audience, and its server expects k8s"),
            "write audience = \"k8s\" under [profile.acme.at.\"k8s.acme.dev:6443\"] in /R/config.toml, then run: keyfob login acme"
        )
    );
    assert_eq!(
        home.problems(&["git.acme.dev", "--issuer", "https://auth.acme.dev"]),
        one(
            "the access token for https://git.acme.dev has the issuer scripted, and its server expects https://auth.acme.dev",
            "correct issuer of [profile.acme], /R/config.toml:1, then run: keyfob login acme; or have the server expect scripted"
        )
    );
    assert_eq!(home.problems(&[CLUSTER, "--issuer", "scripted"]), []);
    // The ID token would do.
    let url = home.provider.url();
    home.sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"workos-connect\"\nclient_id = \"{CLIENT_ID}\"\nissuer = \"{url}\"\nclusters = [\"{CLUSTER}\"]\n"
    ));
    home.sign_in();
    assert_eq!(
        expecting("scripted", CLIENT_ID),
        one(
            &format!("the access token for {CLUSTER} has no audience, and its server expects {CLIENT_ID}"),
            "write token = \"id\" under [profile.acme.at.\"k8s.acme.dev:6443\"] in /R/config.toml"
        )
    );
    let file = fs::read_to_string(home.sandbox.config()).unwrap();
    home.sandbox.configure(&format!("{file}[profile.acme.at.\"k8s.acme.dev:6443\"]\ntoken = \"id\"\n"));
    assert_eq!(expecting("scripted", CLIENT_ID), []);
}

#[test]
fn a_session_is_not_renewed_where_that_would_end_its_tokens() {
    let server = Scripted::start();
    server.on("/login/device/code", [code(&server.url(), "")]);
    let tokens = r#"{"access_token":"at_1","refresh_token":"rt_secret_1","token_type":"bearer","expires_in":28800}"#;
    server.on("/login/oauth/access_token", [Reply::json(200, tokens)]);
    let home = Home::signed_out();
    home.sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"github\"\nclient_id = \"{CLIENT_ID}\"\nbase_url = \"{}\"\nhosts = [\"git.acme.dev\"]\n",
        server.url()
    ));
    home.sign_in();
    let done = home.doctor(&["git.acme.dev"]);
    assert_eq!(problems(&done), []);
    for line in [
        "  ok       the session is not renewed to try it: GitHub would end the tokens it has given\n",
        "  ok       signed in, for repo\n",
        "  ok       access token (scope=repo): opaque, 8 hours left\n",
    ] {
        assert!(done.stdout.contains(line), "{}", done.stdout);
    }
    let grants =
        server.at("/login/oauth/access_token").into_iter().filter_map(|request| request.form().remove("grant_type"));
    assert!(!grants.collect::<Vec<_>>().contains(&"refresh_token".to_owned()));
    // One that has run out is renewed, as the next command would.
    home.sandbox.expire();
    let done = home.doctor(&["git.acme.dev"]);
    assert!(done.stdout.contains("  ok       the session lives: it was renewed just now\n"), "{}", done.stdout);
}

#[test]
fn the_provider_is_not_what_it_should_be() {
    let home = Home::signed_out();
    let file = fs::read_to_string(home.sandbox.config()).unwrap();
    let server = tls_server::serve(&Identity::new(), |_| Reply::json(404, "{}"));
    home.sandbox.configure(&file.replace(&home.provider.url(), &format!("https://{server}")));
    let found = home.problems(&[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0.starts_with(&format!("no secure connection to {server}: ")), "{found:?}");
    assert_eq!(found[0].1, "name its issuer's certificate as ca_file in the profile");

    let server = Scripted::start();
    let url = server.url();
    home.sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"oidc\"\nclient_id = \"{CLIENT_ID}\"\nissuer = \"{url}\"\nhosts = [\"git.acme.dev\"]\n"
    ));
    let problem = |args: &[&str]| {
        let found = home.problems(args);
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].0.replace(&url, "URL").replace(&url[7..], "HOST"), found[0].1.replace(&url, "URL"))
    };
    let (what, mend) = problem(&["git.acme.dev"]);
    assert_eq!(what, "HOST describes no issuer \"URL\": Not Found");
    assert!(mend.starts_with("correct issuer in the profile"), "{mend}");
    server.describe("", "");
    let (what, mend) = problem(&["git.acme.dev"]);
    assert_eq!(what, "HOST starts no sign-in at URL/device (Not Found)");
    assert!(mend.starts_with("correct the address in [profile.acme], /R/config.toml:1, or switch the"), "{mend}");
    server.on("/device", [refusal(400, "unauthorized_client", "Not this one")]);
    let (what, mend) = problem(&["git.acme.dev"]);
    assert_eq!(what, "HOST lets the client ID client_test start no sign-in (unauthorized_client: Not this one)");
    assert!(
        mend.starts_with("correct client_id of [profile.acme], /R/config.toml:1, or allow the device flow"),
        "{mend}"
    );
    server.on("/device", [code(&url, "")]);
    let done = home.doctor(&["git.acme.dev"]);
    assert_eq!(problems(&done), []);
    let said = done.stdout.replace(&url, "URL").replace(&url[7..], "HOST");
    assert!(said.contains("  ok       URL describes itself, with a device flow\n"), "{said}");
    assert!(
        said.contains("  ok       HOST knows the client, and gave a code for a sign-in, which is left to expire\n"),
        "{said}"
    );
    assert!(!said.contains("WDJB"), "{said}");
}
