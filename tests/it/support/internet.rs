//! The names that stand in the documents, on loopback: a proxy (CONNECT, RFC 9110 section 9.3.6) that leads each to a server of
//! the tests. To servers without TLS it speaks TLS itself, under a certificate that the clients are told to trust.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::http::{Reply, Request};
use super::sandbox::Sandbox;
use super::tls_server::{self, Identity};

/// Where a name leads.
#[derive(Clone, Copy, Debug)]
pub enum Route {
    /// To a server that speaks HTTP.
    Plain(SocketAddr),
    /// To a server that speaks TLS itself.
    Tls(SocketAddr),
}

/// The proxy. It knows its names and no others.
pub struct Internet {
    address: SocketAddr,
    identity: Identity,
}

impl Internet {
    /// One with these names, each with its port.
    pub fn start(routes: &[(&str, Route)]) -> Self {
        let hosts: Vec<&str> = routes.iter().filter_map(|(name, _)| Some(name.split_once(':')?.0)).collect();
        let identity = Identity::named(&hosts);
        let routes: HashMap<String, Route> = routes.iter().map(|(name, route)| ((*name).to_owned(), *route)).collect();
        let plain = routes.iter().filter_map(|(name, route)| match route {
            Route::Plain(address) => Some((name.trim_end_matches(":443").to_owned(), *address)),
            Route::Tls(_) => None,
        });
        let plain: HashMap<String, SocketAddr> = plain.collect();
        let front = tls_server::serve(&identity, move |request| {
            let host = request.headers.get("host").map(|host| host.trim_end_matches(":443").to_owned());
            match host.and_then(|host| plain.get(&host)) {
                Some(address) => forward(*address, &request).unwrap_or(Reply::Cut),
                None => Reply::new(421, "text/plain", "no such host here\n"),
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().expect("its address");
        let routes = Arc::new(routes);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let routes = Arc::clone(&routes);
                thread::spawn(move || tunnel(stream, &routes, front));
            }
        });
        Self { address, identity }
    }

    /// The certificate as a kubeconfig has it.
    pub fn certificate_authority_data(&self) -> String {
        STANDARD.encode(self.identity.pem())
    }

    /// Has a command of a sandbox reach these names, and trust them.
    pub fn lead(&self, sandbox: &Sandbox, command: &mut Command) {
        let certificate = sandbox.home().join("internet.pem");
        std::fs::write(&certificate, self.identity.pem()).expect("writable");
        command
            .env("https_proxy", format!("http://{}", self.address))
            .env("HTTPS_PROXY", format!("http://{}", self.address))
            .env("SSL_CERT_FILE", &certificate)
            .env("GIT_SSL_CAINFO", &certificate);
    }
}

/// Reads the request for a tunnel and carries bytes both ways until both sides have ended.
fn tunnel(mut client: TcpStream, routes: &HashMap<String, Route>, front: SocketAddr) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let name = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let Some(route) = name.and_then(|name| routes.get(name)) else {
        client.write_all(b"HTTP/1.1 502 No Such Host\r\nContent-Length: 0\r\n\r\n").ok()?;
        return None;
    };
    let server = TcpStream::connect(if let Route::Tls(address) = route { *address } else { front }).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (from, to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || carry(from, to));
    carry(server, client);
    Some(())
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// Asks the server behind a name the same.
fn forward(address: SocketAddr, request: &Request) -> Option<Reply> {
    let mut server = TcpStream::connect(address).ok()?;
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let mut head = format!("{} {}{query} HTTP/1.0\r\n", request.method, request.path);
    let ours = ["connection", "content-length", "transfer-encoding", "expect"];
    for (name, value) in request.headers.iter().filter(|(name, _)| !ours.contains(&name.as_str())) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("x-forwarded-proto: https\r\ncontent-length: {}\r\n\r\n", request.body.len()));
    server.write_all(head.as_bytes()).ok()?;
    server.write_all(&request.body).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !["connection", "content-length"].contains(&name.to_ascii_lowercase().as_str()));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Some(Reply::Answer { status, headers, body: answer[end + 4..].to_vec() })
}
