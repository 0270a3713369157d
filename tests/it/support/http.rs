//! A small HTTP/1.1 server on loopback: one thread a connection, one request a connection.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    /// The body's form fields, or the query's for a GET; of a name that comes twice the last.
    pub fn form(&self) -> HashMap<String, String> {
        self.fields().into_iter().collect()
    }

    /// The same, all of them in their order.
    pub fn fields(&self) -> Vec<(String, String)> {
        let text = String::from_utf8_lossy(&self.body);
        let text = if self.method == "GET" { self.query.as_str() } else { text.as_ref() };
        text.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (decode(k), decode(v))).collect()
    }

    /// User name and password of HTTP Basic (RFC 7617).
    pub fn basic(&self) -> Option<(String, String)> {
        let encoded = self.headers.get("authorization")?.strip_prefix("Basic ")?;
        let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        pair.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// The token of RFC 6750 section 2.1.
    pub fn bearer(&self) -> Option<&str> {
        self.headers.get("authorization")?.strip_prefix("Bearer ")
    }
}

/// What goes back.
#[derive(Clone, Debug)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// Raw bytes on the socket, however wrong.
    Raw(Vec<u8>),
    /// The connection is closed without a word.
    Cut,
    /// Nothing comes until the client gives up, a minute at most.
    Hang,
    /// These bytes, and then those again and again with a pause before each, until the client gives up; two minutes or
    /// 64 GiB at most.
    Endless {
        head: Vec<u8>,
        again: Vec<u8>,
        pause: Duration,
    },
    /// The answer comes late.
    Late(Duration, Box<Reply>),
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Answer { status, headers: vec![("Content-Type".to_owned(), content_type.to_owned())], body: body.into() }
    }

    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self::new(status, "application/json", body.into())
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// Serves until the process ends.
pub fn serve(handle: impl Fn(Request) -> Reply + Send + Sync + 'static) -> SocketAddr {
    serve_over(Some, handle)
}

/// The same over whatever `wrap` makes of a connection: TLS, for one.
pub fn serve_over<S: Read + Write>(
    wrap: impl Fn(TcpStream) -> Option<S> + Send + Sync + 'static,
    handle: impl Fn(Request) -> Reply + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let address = listener.local_addr().expect("its address");
    let shared = Arc::new((wrap, handle));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (wrap, handle) = &*shared;
                let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
                let Some(mut stream) = wrap(stream) else { return };
                if let Some(request) = read(&mut stream) {
                    write(&mut stream, handle(request));
                }
            });
        }
    });
    address
}

fn read(stream: &mut (impl Read + Write)) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut request = Request { method, path: path.to_owned(), query: query.to_owned(), ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        // One that comes several times is a list (RFC 9110 section 5.3).
        let values = request.headers.entry(name.to_ascii_lowercase()).or_default();
        *values = if values.is_empty() { value.trim().to_owned() } else { format!("{values}, {}", value.trim()) };
    }
    if request.headers.get("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    if request.headers.get("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim().split(';').next()?, 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            request.body.extend_from_slice(&chunk[..size]);
        }
    } else if let Some(length) = request.headers.get("content-length").and_then(|value| value.parse().ok()) {
        request.body = vec![0; length];
        reader.read_exact(&mut request.body).ok()?;
    }
    Some(request)
}

/// The client may be gone: nobody is left to tell.
fn write(stream: &mut (impl Read + Write), reply: Reply) {
    match reply {
        Reply::Answer { status, headers, body } => {
            let mut head =
                format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in &headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            let _ = stream.write_all(&[head.as_bytes(), b"\r\n", &body].concat());
            let _ = stream.flush();
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes);
        }
        Reply::Cut => {}
        Reply::Hang => {
            let mut byte = [0];
            let _ = stream.read(&mut byte);
        }
        Reply::Endless { head, again, pause } => {
            let began = std::time::Instant::now();
            let mut written = stream.write_all(&head);
            for _ in 0..(64_usize << 30) / again.len() {
                if written.is_err() || began.elapsed() > Duration::from_secs(120) {
                    break;
                }
                thread::sleep(pause);
                written = stream.write_all(&again).and_then(|()| stream.flush());
            }
        }
        Reply::Late(wait, reply) => {
            thread::sleep(wait);
            write(stream, *reply);
        }
    }
}

/// application/x-www-form-urlencoded.
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                let digits = std::str::from_utf8(&digits).unwrap_or("00");
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or(b'?'));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
