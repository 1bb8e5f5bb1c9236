//! A user of SNMP v3 (RFC 3414), as the operator gives it in a file or in a Secret.

use super::Secret;
use crate::api::Text;

/// The fewest characters of a password (RFC 3414, section 11.2).
const SHORTEST: usize = 8;

/// A user, who it proves to be, and how what is said is kept from others.
#[derive(Clone, Debug)]
pub struct User {
    /// Its name.
    pub name: Text,
    /// How it proves who it is.
    pub authentication: (Authentication, Secret),
    /// How what is said is encrypted; none: not at all.
    pub privacy: Option<(Privacy, Secret)>,
}

/// A protocol that authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// HMAC-MD5-96 (RFC 3414).
    Md5,
    /// HMAC-SHA-96 (RFC 3414).
    Sha1,
    /// HMAC-128-SHA-224 (RFC 7860).
    Sha224,
    /// HMAC-192-SHA-256 (RFC 7860).
    Sha256,
    /// HMAC-256-SHA-384 (RFC 7860).
    Sha384,
    /// HMAC-384-SHA-512 (RFC 7860).
    Sha512,
}

/// A protocol that encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// CBC-DES (RFC 3414).
    Des,
    /// CFB128-AES-128 (RFC 3826).
    Aes128,
    /// AES with 192 bits, its key lengthened as net-snmp does.
    Aes192,
    /// AES with 256 bits, its key lengthened as net-snmp does.
    Aes256,
    /// AES with 192 bits, its key lengthened as Cisco does.
    Aes192Cisco,
    /// AES with 256 bits, its key lengthened as Cisco does.
    Aes256Cisco,
}

const AUTHENTICATIONS: [(&str, Authentication); 6] = [
    ("MD5", Authentication::Md5),
    ("SHA1", Authentication::Sha1),
    ("SHA224", Authentication::Sha224),
    ("SHA256", Authentication::Sha256),
    ("SHA384", Authentication::Sha384),
    ("SHA512", Authentication::Sha512),
];

const PRIVACIES: [(&str, Privacy); 6] = [
    ("DES", Privacy::Des),
    ("AES128", Privacy::Aes128),
    ("AES192", Privacy::Aes192),
    ("AES256", Privacy::Aes256),
    ("AES192Cisco", Privacy::Aes192Cisco),
    ("AES256Cisco", Privacy::Aes256Cisco),
];

impl User {
    /// A user from the names of its protocols and its passwords. The error names a field of `authentication` or `privacy`, never a value.
    pub(crate) fn new(name: Text, authentication: (&str, Secret), privacy: Option<(&str, Secret)>) -> Result<Self, String> {
        let authentication = protocol("authentication", authentication, &AUTHENTICATIONS)?;
        let privacy = privacy.map(|privacy| protocol("privacy", privacy, &PRIVACIES)).transpose()?;
        Ok(Self { name, authentication, privacy })
    }
}

fn protocol<P: Copy>(part: &str, (name, password): (&str, Secret), known: &[(&str, P)]) -> Result<(P, Secret), String> {
    let Some((_, protocol)) = known.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        return Err(format!("the protocol of `{part}` must be one of {}", names.join(", ")));
    };
    if password.expose().len() < SHORTEST {
        return Err(format!("the password of `{part}` has less than {SHORTEST} characters, which SNMP v3 does not allow"));
    }
    Ok((*protocol, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_told_what_is_wrong_with_it_and_never_by_value() {
        let secret = || Secret::new("canary-4711");
        let user = User::new("alice".into(), ("SHA256", secret()), Some(("AES128", secret()))).unwrap();
        assert_eq!((user.authentication.0, user.privacy.map(|(protocol, _)| protocol)), (Authentication::Sha256, Some(Privacy::Aes128)));
        for (authentication, privacy, reason) in [
            (("canary-4711", secret()), None, "`authentication` must be one of MD5, SHA1"),
            (("SHA256", Secret::new("canary")), None, "`authentication` has less than 8"),
            (("SHA256", secret()), Some(("canary-4711", secret())), "`privacy` must be one of DES, AES128"),
            (("SHA256", secret()), Some(("AES256", Secret::new("canary"))), "`privacy` has less than 8"),
        ] {
            let error = User::new("alice".into(), authentication, privacy).unwrap_err();
            assert!(error.contains(reason) && !error.contains("canary"), "{error}");
        }
    }
}
