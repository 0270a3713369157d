//! TLS on loopback under a certificate of its own, which its clients are told to trust.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::http::{self, Reply, Request};

/// A certificate that signs itself, and its key (P-256).
pub struct Identity {
    certified: CertifiedKey<KeyPair>,
}

impl Identity {
    pub fn new() -> Self {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        Self { certified: rcgen::generate_simple_self_signed(names).expect("names that fit a certificate") }
    }

    /// One for these names.
    pub fn named(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Self { certified: rcgen::generate_simple_self_signed(names).expect("names that fit a certificate") }
    }

    /// One for this machine that is valid from the beginning of a year to that of another.
    pub fn valid(from: i32, to: i32) -> Self {
        let mut params =
            rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names that fit a certificate");
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let signing_key = KeyPair::generate().expect("a key");
        let cert = params.self_signed(&signing_key).expect("a certificate");
        Self { certified: CertifiedKey { cert, signing_key } }
    }

    /// The certificate as a file.
    pub fn pem(&self) -> String {
        self.certified.cert.pem()
    }

    /// The certificate in a header.
    pub fn der(&self) -> &[u8] {
        self.certified.cert.der()
    }

    /// The key, PKCS #8.
    pub fn key(&self) -> &[u8] {
        self.certified.signing_key.serialized_der()
    }
}

/// Serves HTTPS until the process ends.
pub fn serve(identity: &Identity, handle: impl Fn(Request) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let key = PrivateKeyDer::try_from(identity.key().to_vec()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_no_client_auth()
        .with_single_cert(vec![identity.certified.cert.der().clone()], key)
        .expect("the key is the certificate's");
    let config = Arc::new(config);
    http::serve_over(move |stream| Connection::begin(&config, stream), handle)
}

/// A connection that says goodbye, so that a client can tell an end from a cut.
struct Connection(StreamOwned<ServerConnection, TcpStream>);

impl Connection {
    fn begin(config: &Arc<ServerConfig>, stream: TcpStream) -> Option<Self> {
        Some(Self(StreamOwned::new(ServerConnection::new(Arc::clone(config)).ok()?, stream)))
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.conn.send_close_notify();
        let _ = self.0.flush();
    }
}
