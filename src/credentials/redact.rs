//! Taking secrets out of text that others have made: errors of libraries, output of programs, logs.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{Credential, Login, Secret};

const SHOWN: &str = "(secret)";

/// A shorter value is not searched for: it would tear words apart, and no such value keeps anything safe.
const SHORTEST: usize = 4;

/// Takes the values it knows, and what stands before `@` in an address, out of any text.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Every spelling of every value, longest first.
    values: Vec<Secret>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Redactor({} values)", self.values.len())
    }
}

impl Redactor {
    pub(super) fn new<'a>(credentials: impl Iterator<Item = &'a Credential>) -> Self {
        let mut spellings: Vec<String> = credentials.flat_map(|credential| values(&credential.login)).flat_map(|value| spellings(&value)).collect();
        spellings.retain(|spelling| spelling.len() >= SHORTEST);
        spellings.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        spellings.dedup();
        Self { values: spellings.iter().map(|spelling| Secret::new(spelling)).collect() }
    }

    /// The text without them.
    pub fn redact(&self, text: &str) -> String {
        redact_url(&self.all(text))
    }

    fn all(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, value| if text.contains(value.expose()) { text.replace(value.expose(), SHOWN) } else { text })
    }
}

/// The redactors of a process that reads credentials for as long as it runs, by whose they are: what it knows, no log of it tells.
#[derive(Debug, Default)]
pub struct Redactors {
    known: RwLock<BTreeMap<String, Redactor>>,
}

impl Redactors {
    /// Takes out these values from now on, instead of those known of the same `whose`.
    pub fn learn(&self, whose: &str, redactor: Redactor) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(whose.to_owned(), redactor);
    }

    /// Forgets whose credentials are no longer used.
    pub fn retain(&self, is_used: impl Fn(&str) -> bool) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).retain(|whose, _| is_used(whose));
    }

    /// The text without any of the values.
    pub fn redact(&self, text: &str) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        redact_url(&known.values().fold(text.to_owned(), |text, redactor| redactor.all(&text)))
    }

    /// A writer that passes text on without them. Each `write` must be whole: a line of a log, as `tracing` writes it.
    pub fn writer<W: Write>(self: &Arc<Self>, inner: W) -> RedactingWriter<W> {
        RedactingWriter { redactors: Arc::clone(self), inner }
    }
}

/// A writer that passes text on without secrets.
#[derive(Debug)]
pub struct RedactingWriter<W> {
    redactors: Arc<Redactors>,
    inner: W,
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write_all(self.redactors.redact(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The values of a login that must not show, and what is derived from them.
fn values(login: &Login) -> Vec<String> {
    match login {
        Login::Token { token, .. } => vec![token.expose().to_owned(), basic(login)],
        Login::Password { password, .. } => vec![password.expose().to_owned(), basic(login)],
        Login::ClientCertificate { key, .. } => lines(key),
        Login::GithubApp { private_key, .. } => lines(private_key),
        Login::Community(community) => vec![community.expose().to_owned()],
        Login::SnmpUser(user) => {
            let passwords = std::iter::once(&user.authentication.1).chain(user.privacy.as_ref().map(|(_, password)| password));
            passwords.map(|password| password.expose().to_owned()).collect()
        }
        Login::SshKey { .. } => Vec::new(), // never in this process
    }
}

/// A key's own lines, each of which tells a part of it.
fn lines(key: &Secret) -> Vec<String> {
    key.expose().lines().filter(|line| line.len() >= 16 && !line.starts_with("-----")).map(str::to_owned).collect()
}

/// What `Authorization: Basic` carries for a login; empty where it carries nothing (RFC 7617).
pub(crate) fn basic(login: &Login) -> String {
    match login {
        // The name that GitHub wants beside a token; GitLab and Gitea take any.
        Login::Token { user, token } => BASE64.encode(format!("{}:{}", user.as_deref().unwrap_or("x-access-token"), token.expose())),
        Login::Password { user, password } => BASE64.encode(format!("{user}:{}", password.expose())),
        _ => String::new(),
    }
}

/// A value as it is, in JSON, and in an address.
fn spellings(value: &str) -> [String; 3] {
    let json = serde_json::to_string(value).unwrap_or_default();
    let json = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned();
    [value.to_owned(), json, percent(value)]
}

fn percent(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.extend(['%', hexadecimal(byte >> 4), hexadecimal(byte & 15)]);
        }
    }
    encoded
}

fn hexadecimal(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()
}

/// The text with what stands before `@` in each address (`scheme://user:password@host`) taken out.
pub fn redact_url(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | '<' | '>')).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rfind('@') {
            // The account of an SSH address, mostly `git`, is no secret.
            Some(sign) if before.ends_with("ssh://") && !authority.split_at(sign).0.contains(':') => out.push_str(authority),
            Some(sign) => {
                out.push_str(SHOWN);
                out.push_str(authority.split_at(sign).1);
            }
            None => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor(value: &str) -> Redactor {
        let login = Login::Password { user: "alice".into(), password: Secret::new(value) };
        Redactor::new([Credential { name: "c".into(), hosts: Vec::new(), login }].iter())
    }

    /// flux2#3339: a URL with its password in a log.
    #[test]
    fn what_stands_before_the_at_sign_of_an_address_is_taken_out() {
        for (text, expected) in [
            ("clone https://alice:hunter22@git.example.com/x failed", "clone https://(secret)@git.example.com/x failed"),
            ("https://token@h", "https://(secret)@h"),
            ("a https://h/p@q b ssh://git@h:22/p", "a https://h/p@q b ssh://git@h:22/p"),
            ("ssh://git:hunter22@h/p", "ssh://(secret)@h/p"),
            ("https://u:p@ss@h/", "https://(secret)@h/"),
            ("nothing: // here", "nothing: // here"),
        ] {
            assert_eq!(redact_url(text), expected);
        }
    }

    #[test]
    fn a_value_is_found_in_every_spelling() {
        let redactor = redactor("p\"ä/ss word");
        let text = format!("p\"ä/ss word | p\\\"ä/ss word | p%22%C3%A4%2Fss%20word | {}", BASE64.encode("alice:p\"ä/ss word"));
        assert_eq!(redactor.redact(&text), "(secret) | (secret) | (secret) | (secret)");
        assert_eq!(redactor.redact("harmless"), "harmless");
        assert!(!format!("{redactor:?}").contains("ss word"));
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(BASE64.encode(plain), encoded);
        }
    }

    #[test]
    fn a_log_passes_without_the_value() {
        let redactors = Arc::new(Redactors::default());
        let line = |redactors: &Arc<Redactors>| {
            let mut log = Vec::new();
            redactors.writer(&mut log).write_all(b"login with hunter22 or hunter23\n").unwrap();
            String::from_utf8(log).unwrap()
        };
        redactors.learn("", redactor("hunter22"));
        assert_eq!(line(&redactors), "login with (secret) or hunter23\n");
        redactors.learn("shop/shop", redactor("hunter23"));
        assert_eq!(line(&redactors), "login with (secret) or (secret)\n", "what is learnt later is taken out as well");
        redactors.retain(str::is_empty);
        assert_eq!(line(&redactors), "login with (secret) or hunter23\n");
    }
}
