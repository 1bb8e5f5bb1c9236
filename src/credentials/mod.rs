//! Credentials: an estate names them, the operator's file says where they come from and to which hosts they may go.
//!
//! ```yaml
//! - name: netbox
//!   token: {env: NETBOX_TOKEN}                 # or {file: netbox.token}, relative to this file
//!   hosts: [netbox.example.com]                # exact, `*.example.com` for one label, `:port` to bind the port too
//! - name: estate-git
//!   user: alice
//!   password: {file: /run/secrets/git}
//!   hosts: [git.example.com:443]
//! - name: deploy
//!   sshKey: {file: id_ed25519}
//!   knownHosts: {file: known_hosts}            # default: ssh's own
//!   hosts: [git.example.com]
//! - name: gateway
//!   clientCertificate: {certificate: {file: client.pem}, key: {file: client.key}}
//!   hosts: ["*.example.com"]
//! - name: github
//!   githubApp: {appId: 1, installationId: 2, privateKey: {file: app.pem}}
//!   hosts: [api.github.com, github.com]
//! - name: access-switches
//!   community: {env: SNMP_COMMUNITY}           # SNMP v2c, which sends it in the clear
//!   hosts: ["10.1.0.0/16"]                     # what is written as an address of the network
//! - name: core-switches
//!   user: bowline                              # SNMP v3; `privacy` may be left out
//!   snmp: {authentication: {protocol: SHA256, password: {env: SNMP_AUTH}}, privacy: {protocol: AES128, password: {env: SNMP_PRIV}}}
//!   hosts: ["*.core.example.com"]
//! ```
//!
//! A value leaves a [`Credential`] only by [`Secret::expose`], and a credential leaves [`Credentials`] only for a host to
//! which it is bound (rule 8). [`Redactor`] takes the values out of text that others have made.

mod read;
mod redact;
pub mod snmp;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::access::{HostPattern, split_port};
use crate::api::Text;

pub(crate) use redact::basic;
pub use redact::{RedactingWriter, Redactor, Redactors, redact_url};

/// A value that is never shown.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes a value in.
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The value itself, to be sent to a host to which it is bound, and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(secret)")
    }
}

/// One credential, and where it may go.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Its name, as an estate names it.
    pub name: Text,
    /// Where it may go.
    pub hosts: Vec<HostPattern>,
    /// What it is.
    pub login: Login,
}

/// How one proves who one is.
#[derive(Clone, Debug)]
pub enum Login {
    /// A token.
    Token {
        /// The account, where a service wants one beside the token.
        user: Option<Text>,
        /// The token.
        token: Secret,
    },
    /// An account and its password.
    Password {
        /// The account.
        user: Text,
        /// Its password.
        password: Secret,
    },
    /// A certificate of TLS.
    ClientCertificate {
        /// The chain in PEM, own certificate first.
        certificate: Text,
        /// Its key in PEM.
        key: Secret,
    },
    /// A key of SSH. Only `ssh` itself reads it.
    SshKey {
        /// Its file.
        file: PathBuf,
        /// The file of known hosts; none: ssh's own.
        known_hosts: Option<PathBuf>,
    },
    /// A GitHub App, which is given a token of its own for each installation.
    GithubApp {
        /// The app's number.
        app_id: u64,
        /// The installation's number.
        installation_id: u64,
        /// Its key in PEM.
        private_key: Secret,
    },
    /// A community of SNMP v2c.
    Community(Secret),
    /// A user of SNMP v3.
    SnmpUser(snmp::User),
}

/// Why a credential cannot be used. Never says a value.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CredentialError {
    /// The operator's file cannot be read.
    #[error("the credentials file `{file}` cannot be read: {reason}")]
    File {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// There is none of this name.
    #[error("there is no credential `{0}`; the operator adds it to the file that --credentials names")]
    Unknown(Text),
    /// It is there, and not usable.
    #[error("the credential `{name}` cannot be used: {reason}")]
    Unusable {
        /// Its name.
        name: Text,
        /// Why.
        reason: String,
    },
    /// It may not go to this host.
    #[error(
        "the credential `{name}` is not bound to the host `{host}`, so it was not sent; the operator binds it with `hosts` in the credentials file, in a cluster with the Secret's annotation bowline.dev/hosts"
    )]
    NotBound {
        /// Its name.
        name: Text,
        /// The host.
        host: String,
    },
}

/// The operator's credentials by name.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    entries: BTreeMap<Text, Result<Credential, CredentialError>>,
    warnings: Vec<String>,
}

impl Credentials {
    /// Reads the operator's file. An entry that cannot be used is an error on that entry only: [`Credentials::problems`].
    pub fn load(path: &Path) -> Result<Self, CredentialError> {
        read::load(path, &|name| std::env::var(name).ok())
    }

    /// The same with the environment as a function from a name to a value.
    pub fn load_with(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self, CredentialError> {
        read::load(path, environment)
    }

    /// Credentials that are already in memory. Of two with one name the later is kept.
    pub fn of(credentials: impl IntoIterator<Item = Credential>) -> Self {
        Self { entries: credentials.into_iter().map(|credential| (credential.name.clone(), Ok(credential))).collect(), warnings: Vec::new() }
    }

    /// The same, of which some cannot be used, by name.
    pub fn of_results(entries: impl IntoIterator<Item = (Text, Result<Credential, CredentialError>)>) -> Self {
        Self { entries: entries.into_iter().collect(), warnings: Vec::new() }
    }

    /// These and others. Of two with one name the latter is kept.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.entries.extend(others.entries);
        self.warnings.extend(others.warnings);
        self
    }

    /// The credential of this name for this host (`host` or `host:port`), if it is bound to it.
    pub fn for_host(&self, name: &str, host: &str) -> Result<&Credential, CredentialError> {
        let credential = match self.entries.get(name) {
            None => return Err(CredentialError::Unknown(name.into())),
            Some(entry) => entry.as_ref().map_err(Clone::clone)?,
        };
        let (bare, port) = split_port(host).unwrap_or((host, None));
        if credential.hosts.iter().any(|pattern| pattern.matches(bare, port)) {
            Ok(credential)
        } else {
            Err(CredentialError::NotBound { name: credential.name.clone(), host: host.to_owned() })
        }
    }

    /// The token of this name, to compare with what somebody sends: the secret of a webhook, or what an agent shows. It is sent nowhere, so the hosts
    /// to which it is bound do not count.
    pub fn shared_secret(&self, name: &str) -> Result<&Secret, CredentialError> {
        let entry = self.entries.get(name).ok_or_else(|| CredentialError::Unknown(name.into()))?;
        match &entry.as_ref().map_err(Clone::clone)?.login {
            Login::Token { token, .. } => Ok(token),
            _ => Err(CredentialError::Unusable { name: name.into(), reason: "what others show or sign with must be a `token`".to_owned() }),
        }
    }

    /// The entries that cannot be used, by name.
    pub fn problems(&self) -> impl Iterator<Item = &CredentialError> {
        self.entries.values().filter_map(|entry| entry.as_ref().err())
    }

    /// Why the entry of this name cannot be used, if so.
    pub fn problem(&self, name: &str) -> Option<&CredentialError> {
        self.entries.get(name)?.as_ref().err()
    }

    /// What the operator should mend, such as a file that others may read.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A redactor that knows every value.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(self.entries.values().filter_map(|entry| entry.as_ref().ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn token(hosts: &[&str]) -> Credentials {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        Credentials::of([Credential { name: "c".into(), hosts, login: Login::Token { user: None, token: Secret::new("canary-4711") } }])
    }

    #[test]
    fn a_credential_goes_only_to_hosts_it_is_bound_to() {
        let credentials = token(&["git.example.com", "*.corp.example.com", "forge.example.com:8443", "[2001:db8::1]:443", "10.0.0.1"]);
        for host in
            ["git.example.com", "GIT.EXAMPLE.COM:443", "git.example.com.", "a.corp.example.com", "forge.example.com:8443", "[2001:db8::1]:443", "10.0.0.1:80"]
        {
            assert!(credentials.for_host("c", host).is_ok(), "{host}");
        }
        for host in [
            "example.com",
            "evilgit.example.com",
            "git.example.com.evil.org",
            "a.b.corp.example.com",
            "corp.example.com",
            ".corp.example.com",
            "forge.example.com",
            "forge.example.com:443",
            "[2001:db8::1]:80",
            "10.0.0.10",
            "",
            "git.example.com:x",
        ] {
            let error = credentials.for_host("c", host).unwrap_err();
            assert_eq!(error, CredentialError::NotBound { name: "c".into(), host: host.to_owned() });
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn an_unknown_credential_is_named() {
        assert!(token(&[]).for_host("nope", "x").unwrap_err().to_string().contains("`nope`"));
    }

    #[test]
    fn a_secret_never_shows() {
        let text = format!("{:?} {:#?} {}", token(&["h"]), Secret::new("canary-4711"), Secret::new("canary-4711"));
        assert!(text.contains("(secret)") && !text.contains("canary"));
    }
}
