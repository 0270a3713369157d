//! A long wire: what goes in at one end comes out at the other after a while, and connections are counted.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// One end of it. The other is the server it was laid to.
#[derive(Clone)]
pub struct Wire {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What went over it since the last look.
#[derive(Clone, Default)]
pub struct Seen {
    pub connections: usize,
    /// When the first byte came in.
    pub first_byte: Option<Instant>,
}

impl Wire {
    /// `one_way`: how long a byte takes. Loopback opens a connection at once; the round trip this takes elsewhere
    /// (SYN, SYN and ACK) is added to a connection's first bytes.
    pub fn lay(here: IpAddr, server: SocketAddr, one_way: Duration) -> Self {
        let listener = TcpListener::bind((here, 0)).expect("a port");
        let wire = Self { address: listener.local_addr().expect("its address"), seen: Arc::default() };
        let seen = Arc::clone(&wire.seen);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                seen.lock().expect("no panic").connections += 1;
                let server = TcpStream::connect(server).expect("the server is there");
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("it is TCP");
                }
                let (up, down) = (Arc::clone(&seen), Arc::default());
                carry(&client, &server, one_way, one_way * 2, up);
                carry(&server, &client, one_way, Duration::ZERO, down);
            }
        });
        wire
    }

    /// What went over it, beginning anew.
    pub fn seen(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().expect("no panic"))
    }
}

fn carry(from: &TcpStream, to: &TcpStream, one_way: Duration, handshake: Duration, seen: Arc<Mutex<Seen>>) {
    let (mut from, mut to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
    let (put, get) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = [0; 16_384];
        let mut extra = handshake;
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let now = Instant::now();
            seen.lock().expect("no panic").first_byte.get_or_insert(now);
            if put.send((now + extra + one_way, buffer[..length].to_vec())).is_err() {
                break;
            }
            extra = Duration::ZERO;
        }
    });
    thread::spawn(move || {
        for (due, bytes) in get {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
