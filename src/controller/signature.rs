//! Whether a delivery was signed with the secret that the operator shares with the forge, or a token is the one that the operator gave. Pure.
//!
//! GitHub signs the raw body by HMAC-SHA256 in `X-Hub-Signature-256: sha256=<hex>` ("Validating webhook deliveries" in its
//! documentation); Gitea and Forgejo by the same in `X-Gitea-Signature: <hex>` and `X-Forgejo-Signature: <hex>`, and in
//! GitHub's header besides. SHA-1 (`X-Hub-Signature`) is not accepted.

use std::fmt;

use ring::hmac;

use crate::credentials::Secret;

/// The length of a signature in bytes.
const LENGTH: usize = 32;

/// A signature, as its bytes.
pub type Signature = [u8; LENGTH];

/// The key that the secret of a webhook is.
#[derive(Clone)]
pub struct Key(hmac::Key);

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

impl Key {
    /// The key of a secret.
    pub fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// Whether this is the signature of this body; takes the same time wherever they differ.
    pub fn verifies(&self, body: &[u8], signature: &Signature) -> bool {
        hmac::verify(&self.0, body, signature).is_ok()
    }
}

/// A token that is shown as it is.
#[derive(Clone)]
pub struct Token {
    key: hmac::Key,
    tag: hmac::Tag,
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

impl Token {
    /// The token that a secret is.
    pub fn new(secret: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self { tag: hmac::sign(&key, secret.expose().as_bytes()), key }
    }

    /// Whether this is it; takes the same time wherever they differ, and tells nothing of its length.
    pub fn is(&self, shown: &[u8]) -> bool {
        hmac::verify(&self.key, shown, self.tag.as_ref()).is_ok()
    }
}

/// The signature in a header `sha256=<hex>`.
pub fn prefixed(text: &str) -> Option<Signature> {
    plain(text.strip_prefix("sha256=")?)
}

/// The signature in a header `<hex>`.
pub fn plain(text: &str) -> Option<Signature> {
    let digits = text.as_bytes();
    if digits.len() != 2 * LENGTH {
        return None;
    }
    let mut signature = [0; LENGTH];
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(signature)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    // GitHub's documentation, "Testing the webhook payload validation".
    const SECRET: &str = "It's a Secret to Everybody";
    const HEADER: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn the_example_of_githubs_documentation_verifies() {
        let key = Key::new(&Secret::new(SECRET));
        assert!(key.verifies(b"Hello, World!", &prefixed(HEADER).unwrap()));
    }

    #[test]
    fn another_body_another_secret_or_one_flipped_bit_does_not() {
        let key = Key::new(&Secret::new(SECRET));
        let signature = prefixed(HEADER).unwrap();
        assert!(!key.verifies(b"Hello, World?", &signature));
        assert!(!key.verifies(b"", &signature));
        assert!(!Key::new(&Secret::new("another")).verifies(b"Hello, World!", &signature));
        for bit in 0..256 {
            let mut forged = signature;
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verifies(b"Hello, World!", &forged), "bit {bit}");
        }
    }

    #[test]
    fn a_header_that_is_no_signature_is_none() {
        let hex = HEADER.strip_prefix("sha256=").unwrap();
        assert!(plain(hex).is_some() && plain(&hex.to_uppercase()).is_some());
        let half = &hex[..32];
        for text in ["", "sha256=", hex, half, "sha1=757107ea", &format!("sha256={half}"), &format!("sha256={hex}00"), &format!("SHA256={hex}")] {
            assert_eq!(prefixed(text), None, "{text}");
        }
        for text in [&hex.replace('7', "g"), &format!("+{}", &hex[1..]), &"é".repeat(32), HEADER] {
            assert_eq!(plain(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_token_itself_is_the_token() {
        let token = Token::new(&Secret::new(SECRET));
        assert!(token.is(SECRET.as_bytes()));
        for other in ["", "It's a Secret to Everybod", "It's a Secret to Everybody ", "it's a Secret to Everybody", "\0"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{token:?}"), "(secret)");
    }

    #[test]
    fn a_key_never_shows() {
        assert_eq!(format!("{:?}", Key::new(&Secret::new(SECRET))), "(secret)");
    }
}
