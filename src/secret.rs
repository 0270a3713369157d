//! A value that must not be seen: a token, a device code, a password.
//!
//! `Debug` is redacted, there is no `Display`, and the memory is wiped on drop. The only way out is [`Secret::expose`],
//! whose callers are few enough to read: the wire to an authorization server, the record, and a client's stdout.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::digest::SHA256;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroize;

/// A secret string. Equality is plain: no caller compares it with what an attacker chose and can time.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// Takes a string in.
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Marks the place where the secret leaves: every call must be on its way to a server, a record or a client.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Names the secret without telling it: the first 64 bits of its SHA-256, as hex.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        Fingerprint(hex(&ring::digest::digest(&SHA256, self.0.as_bytes()).as_ref()[..8]))
    }

    /// Whether it may go into an HTTP header and a line of a client's protocol: visible ASCII, not empty. That covers
    /// RFC 6750's `b64token`, and keeps out the line feeds and NULs that would let a server write attributes of its own.
    pub(crate) fn is_token(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

/// What names a secret without telling it ([`Secret::fingerprint`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    /// One that was written down; whether it is a fingerprint only a comparison tells.
    pub(crate) fn written(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it is written down: 16 hexadecimal digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// SHA-256 of bytes, as hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&SHA256, bytes).as_ref())
}

/// Bytes a client gave us to keep: not always text, and as secret as a [`Secret`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Takes bytes in.
    pub(crate) fn new(value: impl Into<Vec<u8>>) -> Self {
        Self(value.into())
    }

    /// As [`Secret::expose`].
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Text where it is text, else `{"base64": "..."}`.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Binary { base64: String },
}

impl Serialize for SecretBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => Written::Text(text.to_owned()),
            Err(_) => Written::Binary { base64: STANDARD_NO_PAD.encode(&self.0) },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SecretBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text.into_bytes(),
            Written::Binary { base64 } => STANDARD_NO_PAD.decode(base64).map_err(D::Error::custom)?,
        }))
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(redacted)")
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", Secret::new("at_secret")), "Secret(redacted)");
        assert_eq!(format!("{:?}", Some(Secret::new("at_secret"))), "Some(Secret(redacted))");
    }

    #[test]
    fn a_fingerprint_is_stable_and_is_not_the_secret() {
        assert_eq!(Secret::new("abc").fingerprint().as_str(), "ba7816bf8f01cfea");
    }

    #[test]
    fn a_token_has_only_visible_characters() {
        assert!(Secret::new("eyJ.e-_~+/=").is_token());
        for bad in ["", "a b", "a\n", "a\r", "a\0", "a\u{e9}", "\u{7f}"] {
            assert!(!Secret::new(bad).is_token(), "{bad:?}");
        }
    }
}
