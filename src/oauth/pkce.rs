//! Proof Key for Code Exchange (RFC 7636), which some servers also take on the device grant: whoever redeems the device
//! code proves to be the one who asked for it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use zeroize::Zeroize;

use crate::error::{Error, Result};
use crate::secret::Secret;

/// A new `code_verifier`: 256 random bits, 43 characters (section 4.1).
pub(crate) fn verifier() -> Result<Secret> {
    let mut bytes = [0; 32];
    getrandom::getrandom(&mut bytes).map_err(|error| {
        Error::broken("the system gives no random numbers", std::io::Error::other(error.to_string()))
    })?;
    let verifier = Secret::new(URL_SAFE_NO_PAD.encode(bytes));
    bytes.zeroize();
    Ok(verifier)
}

/// Its `code_challenge` by the method S256 (section 4.2).
pub(crate) fn challenge(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn never_the_same_twice() {
        let (one, other) = (verifier().unwrap(), verifier().unwrap());
        assert!(one != other && one.expose().len() == 43 && one.is_token());
    }
}
