use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::support::http::Reply;
use crate::support::sandbox::{Sandbox, Transcript, ask};
use crate::support::scripted::{Scripted, code, refusal};
use crate::support::system::mode;

const SECRET: &str = "s3cret:/+ %";

fn with_secret(text: &str) -> (Scripted, Sandbox, PathBuf) {
    let (server, sandbox) = (Scripted::start(), Sandbox::new());
    let file = sandbox.home().join("secret");
    fs::write(&file, text).unwrap();
    mode(&file, 0o600);
    configure(&sandbox, &server, &file);
    server.describe("", "");
    server.on("/device", [code(&server.url(), "")]);
    let granted = r#"{"access_token":"at_1","refresh_token":"rt_1","expires_in":300,"token_type":"Bearer"}"#;
    server.on("/token", [Reply::json(200, granted)]);
    (server, sandbox, file)
}

fn configure(sandbox: &Sandbox, server: &Scripted, file: &Path) {
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"oidc\"\nclient_id = \"client 1\"\nhosts = [\"git.acme.dev\"]\nissuer = \"{}\"\n\
         client_secret_file = \"{}\"\n",
        server.url(),
        file.display()
    ));
}

fn sign_in(sandbox: &Sandbox) -> Transcript {
    let done = sandbox.run_asking(&["git", "get"], &ask("git.acme.dev"));
    assert!(!done.stderr.contains("s3cret") && !done.stdout.contains("s3cret"), "{done:?}");
    done
}

#[test]
fn a_secret_goes_by_basic_with_both_parts_encoded() {
    let (server, sandbox, _) = with_secret("s3cret:/+%\n");
    assert!(sign_in(&sandbox).stdout.contains("password=at_1"));
    sandbox.expire();
    assert!(sign_in(&sandbox).stdout.contains("password=at_1"));
    let asked = [server.at("/device"), server.at("/token")].concat();
    assert_eq!(asked.len(), 3, "start, poll and refresh");
    for request in asked {
        assert_eq!(request.basic(), Some(("client+1".to_owned(), "s3cret%3A%2F%2B%25".to_owned())));
        assert!(!request.form().contains_key("client_secret"));
    }
    assert!(!fs::read_to_string(sandbox.record()).unwrap().contains("s3cret"));
}

#[test]
fn a_server_that_wants_it_posted_gets_it_posted() {
    let (server, sandbox, _) = with_secret("s3cret");
    server.describe("", r#","token_endpoint_auth_methods_supported":["client_secret_post"]"#);
    assert!(sign_in(&sandbox).stdout.contains("password=at_1"));
    for request in [server.at("/device"), server.at("/token")].concat() {
        assert_eq!(request.form()["client_secret"], "s3cret");
        assert!(!request.headers.contains_key("authorization"));
    }
}

#[test]
fn a_server_that_quotes_it_is_not_quoted() {
    let (server, sandbox, _) = with_secret("s3cret");
    server.on("/device", [refusal(401, "invalid_client", "No client has the secret s3cret")]);
    let done = sign_in(&sandbox);
    assert!(done.stderr.contains("invalid_client: No client has the secret (redacted)"), "{}", done.stderr);
}

#[test]
fn a_file_that_is_no_secret_of_ours_is_not_sent() {
    let (server, sandbox, file) = with_secret("s3cret");
    let refused = |says: &str, mend: &str| {
        let done = sign_in(&sandbox);
        assert!(done.stderr.contains(says) && done.stderr.contains(mend), "{}", done.stderr);
        assert!(server.at("/device").is_empty());
    };
    mode(&file, 0o644);
    refused("can be read by others", "run: chmod 600");
    mode(&file, 0o600);
    for text in ["", SECRET, "two\nlines"] {
        fs::write(&file, text).unwrap();
        refused("holds no secret", "on one line");
    }
    let link = sandbox.home().join("link");
    symlink(&file, &link).unwrap();
    configure(&sandbox, &server, &link);
    refused("is a symbolic link", "name the file itself");
    configure(&sandbox, &server, &sandbox.home().join("nothing"));
    refused("does not exist", "write the secret to it");
}

#[test]
fn workos_clients_have_none() {
    let sandbox = Sandbox::new();
    for more in ["provider = \"workos\"", "provider = \"workos-connect\"\nissuer = \"https://acme.authkit.app\""] {
        sandbox.configure(&format!("[profile.acme]\n{more}\nclient_id = \"c\"\nclient_secret_file = \"/s\"\n"));
        let done = sandbox.run(&["status"], "");
        assert!(
            done.stderr.contains("client_secret_file is of no use with this provider\n")
                && done.stderr.contains("register keyfob as a public client"),
            "{}",
            done.stderr
        );
    }
}
