use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::http::{Reply, serve};
use crate::support::sandbox::{Sandbox, Transcript, ask, run};
use crate::support::tls_server::{self, Identity};

/// Nobody will ever have this name.
const NOWHERE: &str = "auth.keyfob.invalid";

fn profile(base_url: &str, more: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.configure(&format!(
        "[profile.acme]\nprovider = \"workos\"\nclient_id = \"client_1\"\nhosts = [\"git.acme.dev\"]\n\
         base_url = \"{base_url}\"\n{more}\n"
    ));
    sandbox
}

/// Names the certificate in the profile.
fn trust(sandbox: &Sandbox, identity: &Identity) {
    let ca = sandbox.home().join("ca.pem");
    std::fs::write(&ca, identity.pem()).unwrap();
    let text = std::fs::read_to_string(sandbox.config()).unwrap();
    sandbox.configure(&format!("{text}ca_file = \"{}\"\n", ca.display()));
}

fn sign_in(sandbox: &Sandbox, environment: &[(&str, &str)]) -> Transcript {
    let mut command = sandbox.keyfob(&["git", "get"]);
    command.env("KEYFOB_INTERACTIVE", "always").envs(environment.iter().copied());
    run(command, &ask("git.acme.dev"))
}

/// The sentence and the mend, where no sign-in was started.
fn told(done: &Transcript) -> (String, String) {
    assert_eq!(done.stdout, "quit=1\n");
    let lines: Vec<&str> = done.stderr.lines().collect();
    let [sentence, mend] = lines[..] else { panic!("{done:?}") };
    let sentence = sentence.strip_prefix("keyfob: cannot start a sign-in: ").unwrap_or(sentence);
    (sentence.to_owned(), mend.strip_prefix("keyfob: hint: ").unwrap_or(mend).to_owned())
}

/// A proxy that opens every tunnel to `target`, and notes whom it was asked for and by whom.
fn proxy(target: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut head = String::new();
            let mut reader = BufReader::new(client.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|length| length > 0) {}
            noted.lock().unwrap().push(head);
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
            let server = TcpStream::connect(target).unwrap();
            for (mut from, mut to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
                std::thread::spawn(move || {
                    let mut buffer = [0; 4_096];
                    while let Ok(length) = from.read(&mut buffer) {
                        if length == 0 || to.write_all(&buffer[..length]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    (address, seen)
}

fn refusing() -> impl Fn(crate::support::http::Request) -> Reply {
    |_| Reply::json(400, r#"{"error":"invalid_client","error_description":"reached"}"#)
}

#[test]
fn a_request_goes_through_the_proxy_of_the_environment() {
    let identity = Identity::named(&[NOWHERE]);
    let (address, seen) = proxy(tls_server::serve(&identity, refusing()));
    // Each from a home of its own, where no failure is remembered.
    let home = || {
        let sandbox = profile(&format!("https://{NOWHERE}"), "");
        trust(&sandbox, &identity);
        sandbox
    };
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let done = sign_in(&home(), &[(variable, &format!("http://ann:p%40ss@{address}"))]);
        assert!(done.stderr.contains("invalid_client: reached"), "{variable}: {}", done.stderr);
        let head = seen.lock().unwrap().pop().unwrap().to_ascii_lowercase();
        assert!(head.starts_with(&format!("connect {NOWHERE}:443 ")), "{head}");
        assert!(head.contains("proxy-authorization: basic ") && !done.stderr.contains("p%40ss"), "{head}");
    }
    // Not through it: what NO_PROXY names, by whole labels.
    for except in [NOWHERE, "keyfob.invalid", ".keyfob.invalid", "a.dev, *.b.dev,KEYFOB.invalid", "*"] {
        let (sentence, mend) = told(&sign_in(&home(), &[("HTTPS_PROXY", &address.to_string()), ("NO_PROXY", except)]));
        assert_eq!(sentence, format!("{NOWHERE} has no address"), "{except}");
        assert_eq!(mend, "check the name, and whether the network is up");
    }
    assert!(seen.lock().unwrap().is_empty());
    let done = sign_in(&home(), &[("HTTPS_PROXY", &address.to_string()), ("no_proxy", "fob.invalid")]);
    assert!(done.stderr.contains("invalid_client: reached"), "{}", done.stderr);
}

#[test]
fn this_machine_is_never_asked_through_a_proxy() {
    let server = serve(refusing());
    let sandbox = profile(&format!("http://{server}"), "");
    let done = sign_in(&sandbox, &[("HTTPS_PROXY", "http://127.0.0.1:1"), ("HTTP_PROXY", "http://127.0.0.1:1")]);
    assert!(done.stderr.contains("invalid_client: reached"), "{}", done.stderr);
}

#[test]
fn a_proxy_that_is_none_is_named_by_its_variable() {
    let home = || profile(&format!("https://{NOWHERE}"), "");
    let closed = serve(|_| Reply::new(407, "text/html", ""));
    for (variable, value, sentence, mend) in [
        (
            "HTTPS_PROXY",
            "http://ann:s3cret@:99999999",
            "HTTPS_PROXY names no proxy: it has no usable host and port",
            "correct HTTPS_PROXY, or unset it",
        ),
        (
            "all_proxy",
            "socks5://127.0.0.1:1080",
            "all_proxy names no proxy: keyfob speaks to http:// and https:// proxies alone",
            "correct all_proxy, or unset it",
        ),
        (
            "https_proxy",
            "http://ann:s3cret@127.0.0.1:1",
            "the proxy 127.0.0.1:1 (https_proxy) refuses connections",
            "correct https_proxy, or add auth.keyfob.invalid to NO_PROXY",
        ),
        (
            "HTTPS_PROXY",
            "proxy.keyfob.invalid:8080",
            "the proxy proxy.keyfob.invalid:8080 (HTTPS_PROXY) has no address",
            "correct HTTPS_PROXY, or add auth.keyfob.invalid to NO_PROXY",
        ),
    ] {
        assert_eq!(told(&sign_in(&home(), &[(variable, value)])), (sentence.to_owned(), mend.to_owned()));
    }
    let (sentence, mend) = told(&sign_in(&home(), &[("HTTPS_PROXY", &closed.to_string())]));
    assert!(
        sentence.starts_with(&format!(
            "the proxy {closed} (HTTPS_PROXY) does not let us through to {NOWHERE}: it answered 407"
        )),
        "{sentence}"
    );
    assert_eq!(mend, format!("write HTTPS_PROXY as http://USER:PASSWORD@HOST:PORT, or add {NOWHERE} to NO_PROXY"));
}

#[test]
fn certificates_and_clocks_have_sentences_of_their_own() {
    let told_of = |identity: &Identity, trusted: bool| {
        let server = tls_server::serve(identity, refusing());
        let sandbox = profile(&format!("https://{server}"), "");
        if trusted {
            trust(&sandbox, identity);
        }
        let done = sign_in(&sandbox, &[]);
        if done.stderr.contains("reached") { (done.stderr, String::new()) } else { told(&done) }
    };
    assert!(told_of(&Identity::new(), true).0.contains("invalid_client: reached"));
    let (sentence, mend) = told_of(&Identity::new(), false);
    assert!(sentence.starts_with("no secure connection to 127.0.0.1:"), "{sentence}");
    assert_eq!(mend, "name its issuer's certificate as ca_file in the profile");
    let (sentence, mend) = told_of(&Identity::valid(1975, 1985), true);
    assert!(sentence.ends_with(" has expired, or this machine's clock is ahead"), "{sentence}");
    assert_eq!(mend, "check the clock (date -u); if it is right, the server needs a new certificate");
    let (sentence, mend) = told_of(&Identity::valid(3000, 3001), true);
    assert!(sentence.ends_with(" is not valid yet, or this machine's clock is behind"), "{sentence}");
    assert_eq!(mend, "check the clock (date -u)");
}
