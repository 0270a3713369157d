//! What a refresh costs: requests, connections, round trips, and what comes on top of them.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::home::{self, HOST};
use crate::measure::{Call, median, milliseconds};
use crate::support::http::{self, Reply, Request};
use crate::support::sandbox::{Sandbox, ask, keyfob, run};
use crate::support::tls_server::{self, Identity};
use crate::wire::Wire;

/// How long a byte takes to the provider.
const FAR: Duration = Duration::from_millis(50);
const FAR_RUNS: usize = 5;
const NEAR_RUNS: usize = 30;
/// Where Linux distributions keep the certificates they trust.
const BUNDLES: &[&str] = &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// How the provider is reached.
struct Way {
    what: &'static str,
    scheme: &'static str,
    name: String,
    here: IpAddr,
    /// Round trips that nothing can save: TCP, TLS 1.3 where it is spoken, the request.
    round_trips: u32,
}

/// A session at a provider at the end of a wire.
struct Session {
    sandbox: Sandbox,
    wire: Wire,
    requests: Arc<AtomicUsize>,
    call: Call,
}

/// What one took.
struct Refresh {
    wall: Duration,
    first_byte: Duration,
    connections: usize,
    requests: usize,
}

pub fn print() {
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let way =
        |what, scheme, name: &str, here, round_trips| Way { what, scheme, name: name.to_owned(), here, round_trips };
    let mut ways =
        vec![way("http", "http", "127.0.0.1", loopback, 2), way("https, address", "https", "127.0.0.1", loopback, 3)];
    match own_name() {
        Some((name, here)) => ways.push(way("https, name looked up", "https", &name, here, 3)),
        None => println!("A look-up is left out: the name of this machine is no address of its own.\n"),
    }
    println!(
        "| refresh | requests | connections | start to first byte, ms | wall at 50 ms each way, ms | beyond its round trips, ms |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for way in &ways {
        let near = Session::begin(way, Duration::ZERO);
        let first = median((0..NEAR_RUNS).map(|_| near.refresh().first_byte));
        let far = Session::begin(way, FAR);
        let runs: Vec<Refresh> = (0..FAR_RUNS).map(|_| far.refresh()).collect();
        let wall = median(runs.iter().map(|run| run.wall));
        println!(
            "| {} | {} | {} | {:.1} | {:.1} | {:.1} ({} round trips) |",
            way.what,
            runs.iter().map(|run| run.requests).max().unwrap_or_default(),
            runs.iter().map(|run| run.connections).max().unwrap_or_default(),
            milliseconds(first),
            milliseconds(wall),
            milliseconds(wall.saturating_sub(FAR * 2 * way.round_trips)),
            way.round_trips,
        );
    }
    println!();
}

impl Session {
    fn begin(way: &Way, one_way: Duration) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let handle = move |request: Request| {
            counted.fetch_add(1, Ordering::Relaxed);
            answer(&request)
        };
        let identity = Identity::named(&[&way.name]);
        let server = if way.scheme == "http" { http::serve(handle) } else { tls_server::serve(&identity, handle) };
        let wire = Wire::lay(way.here, server, one_way);
        let sandbox = Sandbox::new();
        // As many roots as a real system has, and the server's own among them.
        let mut roots = BUNDLES.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        roots.push_str(&identity.pem());
        let bundle = sandbox.home().join("roots.pem");
        std::fs::write(&bundle, roots).expect("writable");
        sandbox.configure(&format!(
            "[profile.acme]\nprovider = \"workos\"\nclient_id = \"client_1\"\nhosts = [\"{HOST}\"]\n\
             base_url = \"{}://{}:{}\"\n",
            way.scheme,
            way.name,
            wire.address.port()
        ));
        let mut command = sandbox.keyfob(&["git", "get"]);
        command.env("KEYFOB_INTERACTIVE", "always").env("SSL_CERT_FILE", &bundle);
        let done = run(command, &ask(HOST));
        assert!(done.stdout.contains("password="), "{done:?}");
        let call = home::call(&sandbox, &keyfob(), &["git", "get"], &ask(HOST)).env("SSL_CERT_FILE", bundle);
        Self { sandbox, wire, requests, call }
    }

    /// One refresh.
    fn refresh(&self) -> Refresh {
        self.sandbox.expire();
        self.wire.seen();
        self.requests.store(0, Ordering::Relaxed);
        let began = Instant::now();
        let cost = self.call.run();
        let seen = self.wire.seen();
        let first_byte = seen.first_byte.expect("a byte").saturating_duration_since(began);
        let requests = self.requests.load(Ordering::Relaxed);
        Refresh { wall: cost.wall, first_byte, connections: seen.connections, requests }
    }
}

/// The least that is a provider: a code that is approved at once, tokens for whatever is brought.
fn answer(request: &Request) -> Reply {
    Reply::json(
        200,
        if request.path.ends_with("/device") {
            r#"{"device_code":"dc","user_code":"UC","verification_uri":"https://127.0.0.1/","expires_in":300,"interval":1}"#
        } else {
            r#"{"access_token":"at","refresh_token":"rt","expires_in":300,"token_type":"Bearer"}"#
        },
    )
}

/// This machine's name, if the system knows an address for it that is this machine's.
fn own_name() -> Option<(String, IpAddr)> {
    let output = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let name = output("uname", &["-n"])?;
    let here = output("getent", &["ahosts", &name])?.split_whitespace().next()?.parse().ok()?;
    TcpListener::bind((here, 0)).ok().map(|_| (name, here))
}
