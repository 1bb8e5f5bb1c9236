//! What a Lease is called, and by what name a replica signs it.

use sha2::{Digest, Sha256};

/// The longest name of an estate that stands in its Lease's name as it is. A name in the API has at most 253 characters.
const LONGEST: usize = 200;
/// How much of a longer one is kept for people.
const KEPT: usize = 180;

/// The name of the Lease of an estate, in the estate's own namespace: `bowline-harbour`. A name that is too long is cut and
/// followed by a digest, and begins otherwise, so that no two estates share a Lease.
pub fn lease_name(estate: &str) -> String {
    if estate.len() <= LONGEST {
        return format!("bowline-{estate}");
    }
    let kept: String = estate.chars().take(KEPT).collect();
    let digest = Sha256::digest(estate.as_bytes()).iter().take(8).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("bowline.{}-{digest}", kept.trim_end_matches(['-', '.']))
}

/// A name for this process that no other bears, not even one of the same host or pod after a restart.
pub fn identity(host: &str) -> String {
    /// A label of a pod's name is not longer.
    const LONGEST_HOST: usize = 63;
    let host: String = host.chars().filter(|char| char.is_ascii_alphanumeric() || "-.".contains(*char)).take(LONGEST_HOST).collect();
    let bits = || (crate::chance::chance() * f64::from(u32::MAX)).to_bits();
    let digest = Sha256::digest(format!("{} {:x} {:x} {:?}", std::process::id(), bits(), bits(), std::time::SystemTime::now()));
    let random = digest.iter().take(8).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("{}_{random}", if host.is_empty() { "bowline" } else { &host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_named_after_its_estate() {
        assert_eq!(lease_name("harbour"), "bowline-harbour");
        assert_eq!(lease_name(&"a".repeat(LONGEST)).len(), 208);
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_and_stays_its_own() {
        let (one, other) = (format!("{}1", "a.".repeat(126)), format!("{}2", "a.".repeat(126)));
        let (one, other) = (lease_name(&one), lease_name(&other));
        assert_ne!(one, other);
        assert!(one.len() <= 253 && one.starts_with("bowline.a.a") && !one.contains(".-"), "{one}");
        assert_ne!(lease_name(one.trim_start_matches("bowline.")), one, "no shorter name gives the same");
    }

    #[test]
    fn no_two_processes_have_one_name() {
        let (one, other) = (identity("bowline-7d9f-x2x"), identity("bowline-7d9f-x2x"));
        assert!(one.starts_with("bowline-7d9f-x2x_"));
        assert_ne!(one, other);
        assert!(identity("\n\u{202e}").starts_with("bowline_"));
    }
}
