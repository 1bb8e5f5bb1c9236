//! Whether a host may show a key: what is known of it, by a file of known hosts (`sshd(8)`) or by fingerprints. Pure.
//!
//! What the operator says of a host counts alone; the estate's file speaks for hosts of which the operator says nothing. A key that is marked
//! `@revoked` by either is refused. Authorities (`@cert-authority`) vouch for certificates, which are not asked for.

use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, KnownHosts, Marker};
use russh::keys::{Algorithm, HashAlg, PublicKey};

/// What is known of the keys of hosts, by one who says it.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    entries: Vec<Entry>,
    /// Hosts, each with a fingerprint.
    fingerprints: Vec<(String, String)>,
}

/// Who says what of hosts' keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    /// The operator.
    pub operator: Known,
    /// The estate.
    pub estate: Known,
}

impl Known {
    /// The lines of a file, and fingerprints. A line that cannot be read says nothing.
    pub(super) fn new(file: &str, fingerprints: Vec<(String, String)>) -> Self {
        // Its parts may stand apart by tabs and several blanks too, and a line may be set in. How many lines there are, the file's size bounds.
        let plain: String = file.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect();
        Self { entries: KnownHosts::new(&plain).filter_map(Result::ok).collect(), fingerprints }
    }

    /// The keys that the host may show.
    fn keys<'k>(&'k self, name: &'k str) -> impl Iterator<Item = &'k PublicKey> {
        self.entries.iter().filter(move |entry| entry.marker().is_none() && is_meant(entry.host_patterns(), name)).map(Entry::public_key)
    }

    fn fingerprints<'k>(&'k self, name: &'k str) -> impl Iterator<Item = &'k str> {
        self.fingerprints.iter().filter(move |(host, _)| host == name).map(|(_, fingerprint)| &**fingerprint)
    }

    fn names(&self, name: &str) -> bool {
        self.keys(name).next().is_some() || self.fingerprints(name).next().is_some()
    }

    fn has(&self, name: &str, key: &PublicKey) -> bool {
        let fingerprint = fingerprint_of(key);
        self.keys(name).any(|known| known.key_data() == key.key_data()) || self.fingerprints(name).any(|known| known == fingerprint)
    }

    fn has_revoked(&self, name: &str, key: &PublicKey) -> bool {
        let revoked = self.entries.iter().filter(|entry| entry.marker() == Some(&Marker::Revoked) && is_meant(entry.host_patterns(), name));
        revoked.map(Entry::public_key).any(|revoked| revoked.key_data() == key.key_data())
    }
}

impl Trust {
    /// Whether the host of this name, as SSH knows it, may show the key. The error is the end of a sentence: "web-1: its key …".
    pub(super) fn judge(&self, name: &str, key: &PublicKey) -> Result<(), String> {
        let shown = format!("{} {}", key.algorithm(), fingerprint_of(key));
        if self.operator.has_revoked(name, key) || self.estate.has_revoked(name, key) {
            return Err(format!("its key {shown} is marked as revoked; nothing was sent to it"));
        }
        let known = self.speaker(name);
        match (known.has(name, key), known.names(name)) {
            (true, _) => Ok(()),
            (false, true) => Err(format!("its key {shown} is not the one that is known of it: it may be another machine, and nothing was sent to it")),
            (false, false) => Err(format!("its key {shown} is not known; compare it with what the machine's people say, and put it into `knownHosts`")),
        }
    }

    /// The kinds of keys that are known of the host, so that it is asked for one of these.
    pub(super) fn algorithms(&self, name: &str) -> Vec<Algorithm> {
        self.speaker(name).keys(name).map(PublicKey::algorithm).collect()
    }

    /// Who speaks for the host.
    fn speaker(&self, name: &str) -> &Known {
        if self.operator.names(name) { &self.operator } else { &self.estate }
    }
}

fn fingerprint_of(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Whether a line is about the host. One pattern with `!` that matches takes the host out of the line.
fn is_meant(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => {
            let matching = |pattern: &&String| matches(pattern.trim_start_matches('!').as_bytes(), name.as_bytes());
            let mut found = patterns.iter().filter(matching).peekable();
            found.peek().is_some() && found.all(|pattern| !pattern.starts_with('!'))
        }
        HostPatterns::HashedName { salt, hash } => sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt), name.as_bytes()).as_ref() == hash,
    }
}

/// Whether the whole name matches a pattern, in which `*` stands for any run of characters and `?` for one. Takes time in proportion to the
/// product of the two lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = name.get(in_name) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(letter) => (at, in_name) = (at + 1, in_name + 1),
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                (at, in_name) = (star_at + 1, taken + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJWXzpwiP+9197ky0jaA8k1S6jZ+ZX4LBXCibbGKcpT8";
    const TWO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDndqC5bo1XZIoZo35Rb1CSKWvcpL4tYvPj23wW3yPDC";

    fn key(text: &str) -> PublicKey {
        text.parse().unwrap()
    }

    fn judge(operator: &str, estate: &str, name: &str, shown: &str) -> Result<(), String> {
        Trust { operator: Known::new(operator, Vec::new()), estate: Known::new(estate, Vec::new()) }.judge(name, &key(shown))
    }

    #[test]
    fn a_key_is_known_or_another_or_not_known_at_all() {
        let file = format!("# a comment\n\n web-1,10.0.0.1\t{ONE} alice@laptop\n[web-2]:2222 {TWO}\nbroken line\n");
        assert_eq!(judge("", &file, "web-1", ONE), Ok(()));
        assert_eq!(judge("", &file, "10.0.0.1", ONE), Ok(()));
        assert_eq!(judge("", &file, "[web-2]:2222", TWO), Ok(()));
        assert!(judge("", &file, "web-1", TWO).unwrap_err().contains("is not the one that is known of it"));
        assert!(judge("", &file, "web-2", TWO).unwrap_err().contains("is not known"), "another port is another server");
        let unknown = judge("", &file, "web-3", ONE).unwrap_err();
        assert!(unknown.contains(&format!("ssh-ed25519 {}", fingerprint_of(&key(ONE)))), "{unknown}");
    }

    /// Whoever opens a pull request could else add a key of their own.
    #[test]
    fn what_the_operator_says_of_a_host_counts_alone() {
        let (operator, estate) = (format!("web-1 {ONE}"), format!("web-1 {TWO}\nweb-2 {TWO}"));
        assert_eq!(judge(&operator, &estate, "web-1", ONE), Ok(()));
        assert!(judge(&operator, &estate, "web-1", TWO).is_err());
        assert_eq!(judge(&operator, &estate, "web-2", TWO), Ok(()));
        let fingerprints = Known::new("", vec![("web-1".to_owned(), fingerprint_of(&key(ONE)))]);
        let trust = Trust { operator: fingerprints, estate: Known::new(&estate, Vec::new()) };
        assert_eq!((trust.judge("web-1", &key(ONE)), trust.judge("web-2", &key(TWO))), (Ok(()), Ok(())));
        assert!(trust.judge("web-1", &key(TWO)).is_err());
    }

    #[test]
    fn patterns_hashes_and_marks_are_as_in_openssh() {
        assert_eq!(judge("", &format!("*.example.com,!db-?.example.com {ONE}"), "web.example.com", ONE), Ok(()));
        assert!(judge("", &format!("*.example.com,!db-?.example.com {ONE}"), "db-1.example.com", ONE).is_err());
        // `ssh-keygen -H` of `web-1`.
        let hashed = format!("|1|goL0ryed8iQJnLA/FDlT1uWE0r4=|sDxPiJOSUqqy3PeQ86RiA2ASDo4= {ONE}");
        assert_eq!(judge("", &hashed, "web-1", ONE), Ok(()));
        assert!(judge("", &hashed, "web-2", ONE).is_err());
        assert!(judge("", &format!("@revoked * {ONE}\nweb-1 {ONE}"), "web-1", ONE).unwrap_err().contains("revoked"));
        assert!(judge(&format!("web-1 {ONE}"), &format!("@revoked * {ONE}"), "web-1", ONE).unwrap_err().contains("revoked"));
        assert!(judge("", &format!("@revoked \t *  {ONE}\nweb-1 {ONE}"), "web-1", ONE).unwrap_err().contains("revoked"));
        assert!(judge(&format!("web-1   {ONE}"), &format!("web-1 {TWO}"), "web-1", TWO).is_err(), "the operator's word, however it is spaced");
        assert!(judge("", &format!("@cert-authority * {ONE}"), "web-1", ONE).is_err());
    }

    #[test]
    fn the_kinds_of_keys_that_are_known_are_asked_for() {
        let trust = Trust { estate: Known::new(&format!("web-1 {ONE}"), Vec::new()), ..Trust::default() };
        assert_eq!(trust.algorithms("web-1"), [Algorithm::Ed25519]);
        assert_eq!(trust.algorithms("web-2"), []);
    }

    proptest! {
        #[test]
        fn a_pattern_matches_as_the_expression_that_it_stands_for(pattern in "[ab.*?]{0,8}", name in "[ab.]{0,8}") {
            // By the definition, letter by letter.
            fn defined(pattern: &[u8], name: &[u8]) -> bool {
                match (pattern, name) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) => (0..=name.len()).any(|taken| defined(rest, &name[taken..])),
                    ([b'?', rest @ ..], [_, left @ ..]) => defined(rest, left),
                    ([wanted, rest @ ..], [letter, left @ ..]) => wanted == letter && defined(rest, left),
                    _ => false,
                }
            }
            prop_assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), defined(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn any_text_is_a_file_of_known_hosts_that_lets_nobody_in(text: String) {
            prop_assert!(judge("", &text, "web-1", ONE).is_err());
        }
    }
}
