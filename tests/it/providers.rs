//! What each provider documents, and how it deviates, played back.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use crate::support::http::{Reply, Request};
use crate::support::sandbox::{Sandbox, Transcript, ask};
use crate::support::scripted::{Scripted, code, refusal};

const PENDING: &str = r#"{"error":"authorization_pending","error_description":"Not yet"}"#;

fn profile(provider: &str, more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"{provider}\"\nclient_id = \"client_1\"\nhosts = [\"git.acme.dev\"]\n{more}\n"
    ));
    sandbox
}

fn sign_in(sandbox: &Sandbox) -> Transcript {
    sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"))
}

/// What git is given without anybody being asked.
fn password(sandbox: &Sandbox) -> String {
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    let password = done.stdout.lines().find_map(|line| line.strip_prefix("password="));
    password.unwrap_or_else(|| panic!("{done:?}")).to_owned()
}

fn given(done: &Transcript) -> &str {
    done.stdout.lines().find_map(|line| line.strip_prefix("password=")).unwrap_or_else(|| panic!("{done:?}"))
}

fn jwt(claims: &str) -> String {
    format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims))
}

fn sent(request: &Request, name: &str) -> String {
    request.form().get(name).cloned().unwrap_or_default()
}

#[test]
fn workos_tells_no_life_and_has_an_envelope_of_its_own() {
    let server = Scripted::start();
    let url = server.url();
    let (start, token) = ("/user_management/authorize/device", "/user_management/authenticate");
    let sandbox = profile("workos", &format!("base_url = \"{url}\""));
    server.on(start, [code(&url, &format!(r#","verification_uri_complete":"{url}/activate?user_code=WDJB-MJHT""#))]);
    let access = jwt(r#"{"iat":1700000000,"exp":1700000300,"sid":"session_1"}"#);
    let granted = format!(
        r#"{{"user":{{"object":"user","id":"user_1","email":"ann@acme.dev"}},"organization_id":null,"access_token":"{access}","refresh_token":"rt_1","authentication_method":"GoogleOAuth"}}"#
    );
    server.on(token, [Reply::json(400, PENDING), Reply::json(200, granted)]);
    let done = sign_in(&sandbox);
    assert_eq!(given(&done), access);
    assert!(done.stderr.ends_with("signed in to acme as ann@acme.dev\n"), "{}", done.stderr);
    let poll = &server.at(token)[0];
    assert_eq!((sent(poll, "client_id"), sent(poll, "device_code")), ("client_1".to_owned(), "dc_secret".to_owned()));
    assert!(server.seen().iter().all(|request| !request.headers.contains_key("authorization")));

    sandbox.expire();
    let selection = r#"{"code":"organization_selection_required","message":"Choose an organization","pending_authentication_token":"pat","organizations":[]}"#;
    server.on(token, [Reply::json(403, selection)]);
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stderr.contains("organization_selection_required: Choose an organization"), "{}", done.stderr);
}

#[test]
fn workos_connect_needs_offline_access_and_gives_an_id_token() {
    let server = Scripted::start();
    let url = server.url();
    let sandbox = profile("workos-connect", &format!("issuer = \"{url}\""));
    server.on("/oauth2/device_authorization", [code(&url, "")]);
    let id = jwt(r#"{"sub":"user_1","aud":"client_1","iat":1700000000,"exp":1700003600}"#);
    let granted = |access: &str, refresh: &str| {
        Reply::json(
            200,
            format!(
                r#"{{"access_token":"{access}","refresh_token":"{refresh}","id_token":"{id}","token_type":"bearer","expires_in":300}}"#
            ),
        )
    };
    server.on("/oauth2/token", [Reply::json(400, PENDING), granted("at_1", "rt_1"), granted("at_2", "rt_2")]);
    assert_eq!(given(&sign_in(&sandbox)), "at_1");
    assert_eq!(sent(&server.seen()[0], "scope"), "email offline_access openid profile");
    assert_eq!(sandbox.run(&["token", "--id"], "").stdout, format!("{id}\n"));
    sandbox.expire();
    assert_eq!(password(&sandbox), "at_2");
    assert_eq!(sent(&server.seen()[3], "refresh_token"), "rt_1");
}

#[test]
fn github_says_errors_with_200_and_its_tokens_tell_no_end() {
    let server = Scripted::start();
    // Enterprise Server: the same paths on another host.
    let url = server.url();
    let sandbox = profile("github", &format!("base_url = \"{url}\""));
    server.on("/login/device/code", [code(&url, "")]);
    let form = |body: &str| Reply::new(200, "application/x-www-form-urlencoded; charset=utf-8", body);
    server.on(
        "/login/oauth/access_token",
        [
            form("error=authorization_pending&error_description=The+authorization+request+is+still+pending."),
            Reply::json(200, r#"{"error":"slow_down","error_description":"Too many requests","interval":2}"#),
            form("access_token=gho_16C7e42F292c6912E7710c838347Ae178B4a&scope=repo&token_type=bearer"),
        ],
    );
    let done = sign_in(&sandbox);
    assert_eq!(given(&done), "gho_16C7e42F292c6912E7710c838347Ae178B4a");
    assert!(!done.stderr.contains("or  "), "there is no complete address: {}", done.stderr);
    assert_eq!(sent(&server.seen()[0], "scope"), "repo");
    assert!(server.seen().iter().all(|request| request.headers["accept"] == "application/json"));
    // Neither expires_in nor a refresh token: a month later it is still good, and nobody is asked.
    let requests = server.seen().len();
    sandbox.edit(|record| {
        for time in ["received_at", "expires_at"] {
            let at = &mut record["tokens"]["scope=repo"][time];
            *at = (at.as_i64().unwrap() - 30 * 86_400).into();
        }
    });
    assert_eq!(password(&sandbox), "gho_16C7e42F292c6912E7710c838347Ae178B4a");
    assert_eq!(server.seen().len(), requests);
}

#[test]
fn github_has_names_of_its_own() {
    let server = Scripted::start();
    let sandbox = profile("github", &format!("base_url = \"{}\"", server.url()));
    server.on("/login/device/code", [Reply::json(404, r#"{"error":"Not Found"}"#)]);
    let done = sign_in(&sandbox);
    assert!(done.stderr.contains("starts no sign-in: Not Found\nkeyfob: hint: check client_id"), "{}", done.stderr);
    for (reply, says, mend) in [
        (
            r#"{"error":"device_flow_disabled","error_description":"Device Flow must be explicitly enabled for this App"}"#,
            "device_flow_disabled: Device Flow must be explicitly enabled for this App",
            "allow the device flow for this client; see https://docs.github.com/",
        ),
        (r#"{"error":"incorrect_client_credentials"}"#, "invalid_client", "check client_id in the profile"),
        (r#"{"error":"token_expired"}"#, "the code expired before it was approved", "run: keyfob login acme"),
        (r#"{"error":"incorrect_device_code"}"#, "invalid_grant", "run: keyfob login acme"),
    ] {
        let server = Scripted::start();
        let url = server.url();
        let sandbox = profile("github", &format!("base_url = \"{url}\""));
        server.on("/login/device/code", [code(&url, "")]);
        server.on("/login/oauth/access_token", [Reply::json(200, reply)]);
        let done = sign_in(&sandbox);
        assert_eq!(done.stdout, "quit=1\n");
        assert!(done.stderr.contains(says) && done.stderr.contains(mend), "{}", done.stderr);
    }
}

#[test]
fn gitlab_has_codes_without_a_dash_and_a_registry_that_takes_no_token() {
    let server = Scripted::start();
    let url = server.url();
    let sandbox = profile("gitlab", &format!("base_url = \"{url}\""));
    server.on(
        "/oauth/authorize_device",
        [Reply::json(
            200,
            format!(
                r#"{{"device_code":"dc_secret","user_code":"0A44L90H","verification_uri":"{url}/oauth/device","verification_uri_complete":"{url}/oauth/device?user_code=0A44L90H","expires_in":300,"interval":1}}"#
            ),
        )],
    );
    let granted = |access: &str, refresh: &str| {
        Reply::json(
            200,
            format!(
                r#"{{"access_token":"{access}","token_type":"Bearer","expires_in":7200,"refresh_token":"{refresh}","scope":"read_repository write_repository","created_at":1593096829}}"#
            ),
        )
    };
    server.on("/oauth/token", [Reply::json(400, PENDING), granted("at_1", "rt_1"), granted("at_2", "rt_2")]);
    let done = sign_in(&sandbox);
    assert_eq!(done.stdout.lines().take(2).collect::<Vec<_>>(), ["username=oauth2", "password=at_1"]);
    assert!(done.stderr.contains("code 0A44L90H\n"), "{}", done.stderr);
    sandbox.expire();
    assert_eq!(password(&sandbox), "at_2");
    let docker = sandbox.run(&["docker", "get"], "git.acme.dev");
    assert_eq!(docker.code, Some(1));
    assert!(docker.stdout.contains("GitLab's registry takes personal, deploy and job tokens"), "{docker:?}");
    server.on("/oauth/revoke", [Reply::json(200, "{}")]);
    assert!(sandbox.run(&["logout"], "").stdout.contains("the refresh token was revoked at 127.0.0.1"));
    assert_eq!(sent(&server.at("/oauth/revoke")[0], "token"), "rt_2");
}

#[test]
fn google_wants_a_secret_says_428_and_spells_the_address_its_own_way() {
    let server = Scripted::start();
    let url = server.url();
    let sandbox = Sandbox::new();
    let file = sandbox.home().join("google-secret");
    fs::write(&file, "GOCSPX-s3cret\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"google\"\nclient_id = \"client_1\"\nhosts = [\"git.acme.dev\"]\nbase_url = \"{url}\"\n\
         client_secret_file = \"{}\"\n",
        file.display()
    ));
    server.on(
        "/device/code",
        [Reply::json(
            200,
            format!(
                r#"{{"device_code":"dc_secret","user_code":"GQVQ-JKEC","verification_url":"{url}/device","expires_in":1800,"interval":1}}"#
            ),
        )],
    );
    let id = jwt(r#"{"sub":"1","email":"ann@acme.dev","iat":1700000000,"exp":1700003600}"#);
    let granted = |refresh: &str| {
        let body = format!(
            r#"{{"access_token":"ya29.x","expires_in":3599,"id_token":"{id}","scope":"openid email","token_type":"Bearer"{refresh}}}"#
        );
        Reply::json(200, body)
    };
    server.on(
        "/token",
        [
            Reply::json(428, r#"{"error":"authorization_pending","error_description":"Precondition Required"}"#),
            granted(r#","refresh_token":"1//rt""#),
            granted(""),
        ],
    );
    let done = sign_in(&sandbox);
    assert_eq!(given(&done), id, "its ID token is what others can check");
    assert!(done.stderr.contains(&format!("open {url}/device\n")), "{}", done.stderr);
    for _ in 0..2 {
        sandbox.expire();
        assert_eq!(password(&sandbox), id);
    }
    for poll in server.at("/token") {
        assert_eq!(sent(&poll, "client_secret"), "GOCSPX-s3cret");
        assert!(!poll.headers.contains_key("authorization"));
    }
    assert_eq!(sent(&server.at("/token")[3], "refresh_token"), "1//rt", "it does not rotate");
    assert!(!fs::read_to_string(sandbox.record()).unwrap().contains("s3cret"));
}

#[test]
fn entra_sends_a_message_of_its_own_and_says_declined() {
    let server = Scripted::start();
    let (url, path) = (server.url(), "/11111111-2222-3333-4444-555555555555/v2.0");
    let sandbox = profile(
        "entra",
        &format!(
            "issuer = \"{url}{path}\"\nscopes = [\"499b84ac-1321-427f-aa17-267ca6975798/.default\", \"offline_access\"]"
        ),
    );
    server.describe(path, r#","token_endpoint_auth_methods_supported":["client_secret_post","private_key_jwt"]"#);
    server.on("/device", [code(&url, r#","message":"To sign in, use a web browser to open the page""#)]);
    let pending = Reply::json(
        400,
        r#"{"error":"authorization_pending","error_description":"AADSTS70016: OAuth 2.0 device flow error. Authorization is pending.","error_codes":[70016],"timestamp":"2026-01-01","trace_id":"x","correlation_id":"y"}"#,
    );
    let granted = Reply::json(
        200,
        r#"{"token_type":"Bearer","scope":"499b84ac-1321-427f-aa17-267ca6975798/.default","expires_in":"3600","ext_expires_in":"3600","access_token":"at_1","refresh_token":"rt_1"}"#,
    );
    server.on("/token", [pending.clone(), granted]);
    let done = sign_in(&sandbox);
    assert_eq!(given(&done), "at_1");
    assert!(!done.stderr.contains("or  ") && !done.stderr.contains("To sign in"), "{}", done.stderr);

    server.on("/token", [refusal(400, "authorization_declined", "AADSTS70000: The user declined")]);
    let done = sandbox.run_asking(&["login"], "");
    assert_eq!(
        done.stderr.lines().nth_back(1),
        Some("keyfob: the sign-in to acme was denied: AADSTS70000: The user declined")
    );
    server.on("/token", [refusal(400, "bad_verification_code", "AADSTS70018: unknown")]);
    let done = sandbox.run_asking(&["login"], "");
    assert!(done.stderr.contains("invalid_grant: AADSTS70018: unknown"), "{}", done.stderr);
}

#[test]
fn auth0_says_pending_with_403_and_slow_down_with_429() {
    let server = Scripted::start();
    let url = server.url();
    let sandbox = profile(
        "auth0",
        &format!("issuer = \"{url}/\"\naudience = \"https://api.acme.dev\"\nextra = {{ mkt = \"en\" }}"),
    );
    server.describe("/", "");
    server
        .on("/device", [code(&url, &format!(r#","verification_uri_complete":"{url}/activate?user_code=WDJB-MJHT""#))]);
    let granted =
        Reply::json(200, r#"{"access_token":"at_1","refresh_token":"rt_1","expires_in":86400,"token_type":"Bearer"}"#);
    server.on(
        "/token",
        [
            refusal(403, "authorization_pending", "User has yet to authorize device code."),
            refusal(429, "slow_down", "You are polling faster than the specified interval of 1 seconds."),
            granted.clone(),
            granted,
        ],
    );
    assert_eq!(given(&sign_in(&sandbox)), "at_1");
    sandbox.expire();
    assert_eq!(password(&sandbox), "at_1");
    let asked = [server.at("/device"), server.at("/token")].concat();
    assert_eq!(asked.len(), 5);
    for request in asked {
        assert_eq!(sent(&request, "audience"), "https://api.acme.dev");
        assert_eq!(sent(&request, "mkt"), "en", "extra parameters go with start, poll and refresh");
    }
}

#[test]
fn keycloak_is_a_realm_and_takes_a_code_challenge() {
    let server = Scripted::start();
    let url = server.url();
    let sandbox = profile("keycloak", &format!("issuer = \"{url}/realms/acme\"\nresource = \"https://api.acme.dev\""));
    server.describe(
        "/realms/acme",
        r#","code_challenge_methods_supported":["plain","S256"],"frontchannel_logout_supported":true"#,
    );
    server.on("/device", [code(&url, "")]);
    server.on(
        "/token",
        [
            Reply::json(400, PENDING),
            Reply::json(
                200,
                r#"{"access_token":"at_1","expires_in":300,"refresh_expires_in":1800,"refresh_token":"rt_1","token_type":"Bearer","not-before-policy":0,"session_state":"s","scope":"openid"}"#,
            ),
        ],
    );
    assert_eq!(given(&sign_in(&sandbox)), "at_1");
    let (start, polls) = (&server.at("/device")[0], server.at("/token"));
    assert_eq!(sent(start, "code_challenge_method"), "S256");
    for poll in &polls {
        let verifier = sent(poll, "code_verifier");
        assert_eq!(URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())), sent(start, "code_challenge"));
        assert_eq!(sent(poll, "resource"), "https://api.acme.dev", "RFC 8707");
        assert!(!fs::read_to_string(sandbox.record()).unwrap().contains(&verifier), "it goes with the code");
    }
    assert_eq!(polls.len(), 2);
}

#[test]
fn dex_says_pending_with_401_and_its_id_token_is_what_counts() {
    let server = Scripted::start();
    let url = server.url();
    let sandbox = profile("dex", &format!("issuer = \"{url}\""));
    server.describe("", r#","code_challenge_methods_supported":["S256","plain"]"#);
    server.on("/device", [code(&url, "")]);
    let id = jwt(r#"{"sub":"user_1","email":"ann@acme.dev","iat":1700000000,"exp":1700086400}"#);
    let granted = Reply::json(
        200,
        format!(
            r#"{{"access_token":"at_1","token_type":"bearer","expires_in":86399,"refresh_token":"rt_1","id_token":"{id}"}}"#
        ),
    );
    server.on("/token", [Reply::json(401, r#"{"error":"authorization_pending"}"#), granted]);
    assert_eq!(given(&sign_in(&sandbox)), id);
    assert_eq!(sent(&server.at("/device")[0], "scope"), "email groups offline_access openid");
    sandbox.expire();
    server.on(
        "/token",
        [refusal(400, "invalid_request", "Refresh token is invalid or has already been claimed by another client.")],
    );
    let done = sandbox.run(&["git", "get"], &ask("git.acme.dev"));
    assert!(done.stderr.contains("has already been claimed by another client"), "{}", done.stderr);
}

#[test]
fn what_is_wrong_is_said_once_in_the_providers_words_with_what_to_change() {
    let server = Scripted::start();
    let url = server.url();
    let docs = "https://openid.net/specs/openid-connect-discovery-1_0.html";
    let long = "x".repeat(1_000);
    for (what, start, poll, says) in [
        (
            "a wrong client_id",
            refusal(401, "invalid_client", r"Unknown \u001b[31mclient"),
            None,
            format!(
                "keyfob: {} starts no sign-in: invalid_client: Unknown \\u{{1b}}[31mclient\n\
                 keyfob: hint: check client_id in the profile; see {docs}\n",
                &url[7..]
            ),
        ),
        (
            "a missing grant",
            refusal(400, "unauthorized_client", "This client may not use the device flow"),
            None,
            format!(
                "keyfob: {} starts no sign-in: unauthorized_client: This client may not use the device flow\n\
                 keyfob: hint: check client_id in the profile, and allow the device flow for this client; see {docs}\n",
                &url[7..]
            ),
        ),
        (
            "a blocked device flow",
            refusal(403, "access_denied", &long),
            None,
            format!(
                "keyfob: {} starts no sign-in: access_denied: {}...\n\
                 keyfob: hint: allow the device flow for this client; see {docs}\n",
                &url[7..],
                "x".repeat(300)
            ),
        ),
        (
            "a device flow that is blocked later",
            code(&url, ""),
            Some(refusal(400, "unauthorized_client", "Blocked by policy")),
            format!(
                "keyfob: {} ended the sign-in: unauthorized_client: Blocked by policy\n\
                 keyfob: hint: check client_id in the profile, and allow the device flow for this client; see {docs}; \
                 then run: keyfob login acme\n",
                &url[7..]
            ),
        ),
        (
            "an expired code",
            code(&url, ""),
            Some(refusal(400, "expired_token", "The code is too old")),
            "keyfob: the code expired before it was approved: The code is too old\n\
             keyfob: hint: for a new one, run: keyfob login acme\n"
                .to_owned(),
        ),
    ] {
        let sandbox = profile("oidc", &format!("issuer = \"{url}\""));
        server.describe("", "");
        server.on("/device", [start]);
        server.on("/token", poll.or(Some(Reply::Cut)));
        let done = sign_in(&sandbox);
        assert_eq!(done.stdout, "quit=1\n", "{what}");
        assert!(done.stderr.ends_with(&says), "{what}: {}\n{says}", done.stderr);
        assert_eq!(done.stderr.matches("hint:").count(), 1, "{what}: {}", done.stderr);
    }
}

#[test]
fn an_unknown_issuer_is_said_in_its_own_words() {
    let server = Scripted::start();
    let (url, host) = (server.url(), server.url()[7..].to_owned());
    let sandbox = profile("keycloak", &format!("issuer = \"{url}/realms/nope\""));
    let path = "/realms/nope/.well-known/openid-configuration";
    server.on(path, [Reply::json(404, r#"{"error":"Realm does not exist"}"#)]);
    assert_eq!(
        sign_in(&sandbox).stderr,
        format!(
            "keyfob: {host} describes no issuer \"{url}/realms/nope\": Realm does not exist\n\
             keyfob: hint: correct issuer in the profile, or give device_authorization_endpoint and token_endpoint there\n"
        )
    );
    server.on(path, [Reply::json(200, format!(r#"{{"issuer":"{url}/realms/Nope"}}"#))]);
    assert_eq!(
        sign_in(&sandbox).stderr,
        format!(
            "keyfob: {host} describes the issuer \"{url}/realms/Nope\" and not \"{url}/realms/nope\"\n\
             keyfob: hint: if that is the one you mean, write it to the letter: issuer = \"{url}/realms/Nope\"\n"
        )
    );
    server.on(path, [Reply::new(200, "text/html", "<h1>Welcome</h1>")]);
    assert!(sign_in(&sandbox).stderr.contains("its answer is no metadata"));
}
