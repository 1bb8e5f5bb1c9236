//! The address of a git repository: which transport it asks for, and what is refused before anything is opened.

use std::path::PathBuf;

use reqwest::Url;

use super::GitError;
use crate::access::web::{authority, check_http};
use crate::credentials::redact_url;

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// On this machine.
    Path(PathBuf),
    /// Over HTTPS, or HTTP on this machine only.
    Http(Url),
    /// Over SSH.
    Ssh(SshAddress),
}

/// A repository over SSH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SshAddress {
    pub(super) user: Option<String>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    /// As the server takes it: `/absolute` or relative to the account's folder.
    pub(super) path: String,
}

impl SshAddress {
    /// `host` or `host:port`, as credentials are bound to it.
    pub(super) fn authority(&self) -> String {
        authority(&self.host, self.port.unwrap_or(22))
    }
}

/// Reads an address as git does: `scheme://…`, `user@host:path` (no slash before the colon), or a path.
pub(super) fn parse(text: &str) -> Result<Address, GitError> {
    let refuse = |reason: &str| GitError::Address { url: shown(text), reason: reason.to_owned() };
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(refuse("it is empty or has control characters"));
    }
    if text.starts_with('-') {
        return Err(refuse("it begins with `-`, which programs take for an option"));
    }
    match text.split_once("://") {
        Some(("file", rest)) => file_path(rest).map(Address::Path).ok_or_else(|| refuse("`file://` takes an absolute path on this machine")),
        Some(("https" | "http", _)) => http(text),
        Some(("ssh" | "git+ssh" | "ssh+git", rest)) => ssh_url(rest).map_err(refuse).map(Address::Ssh),
        Some((_, _)) => Err(refuse("only https, ssh, file and, on this machine, http are spoken")),
        None => match scp_like(text) {
            Some((host, path)) => ssh(host, None, path).map_err(refuse).map(Address::Ssh),
            None => Ok(Address::Path(PathBuf::from(text))),
        },
    }
}

/// An address that may be shown, whatever somebody has put into it.
fn shown(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((before, after)) if !text.contains("://") && before.contains(':') && !before.contains('/') => format!("(secret)@{after}"),
        _ => redact_url(text),
    }
}

fn file_path(rest: &str) -> Option<PathBuf> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    path.starts_with('/').then(|| PathBuf::from(path))
}

fn http(text: &str) -> Result<Address, GitError> {
    let refuse = |reason: &str| GitError::Address { url: shown(text), reason: reason.to_owned() };
    let mut url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    check_http(&url).map_err(refuse)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("a repository's address has no `?` and no `#`"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(Address::Http(url))
}

fn ssh_url(rest: &str) -> Result<SshAddress, &'static str> {
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let (host, port) = crate::access::split_port(host).ok_or("its port is no number from 1 to 65535")?;
    // `/~account/…` is relative to that account's folder, as git reads it.
    let path = if path.starts_with("/~") { path.trim_start_matches('/') } else { path };
    let whole = if user.is_empty() { host.to_owned() } else { format!("{user}@{host}") };
    ssh(&whole, port, path)
}

/// `user@host` and `path` of `user@host:path`; none if it is a path on this machine.
fn scp_like(text: &str) -> Option<(&str, &str)> {
    let colon = match text.find('[') {
        Some(open) if !text.split_at(open).0.contains([':', '/']) => open + text.split_at(open).1.find("]:")? + 1,
        _ => text.find(':')?,
    };
    let (host, path) = text.split_at(colon);
    (!host.contains('/') && !host.is_empty()).then(|| (host, path.strip_prefix(':').unwrap_or(path)))
}

fn ssh(host: &str, port: Option<u16>, path: &str) -> Result<SshAddress, &'static str> {
    let (user, host) = host.rsplit_once('@').map_or((None, host), |(user, host)| (Some(user), host));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if user.is_some_and(|user| user.contains(':')) {
        return Err("it holds a password; name a credential instead, and let the operator say what it is");
    }
    // ssh and the shell on the other side would take these for options or commands (CVE-2017-1000117).
    let plain = |text: &str| !text.is_empty() && !text.starts_with('-') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._+:%".contains(&byte));
    if !plain(host) || user.is_some_and(|user| !plain(user)) {
        return Err("its account or host is empty, begins with `-` or has characters that neither has");
    }
    if path.split('/').next().is_some_and(|first| first.contains('@')) {
        return Err("it seems to hold a password; name a credential instead, and let the operator say what it is");
    }
    // `helper::address` makes git run a program.
    if path.trim_start_matches('/').is_empty() || path.starts_with(['-', ':']) {
        return Err("its path is empty or begins with `-` or `:`");
    }
    Ok(SshAddress { user: user.map(str::to_owned), host: host.to_owned(), port, path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh_of(text: &str) -> SshAddress {
        match parse(text).unwrap() {
            Address::Ssh(address) => address,
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn addresses_are_read_as_git_reads_them() {
        let address =
            |user: Option<&str>, host: &str, port, path: &str| SshAddress { user: user.map(str::to_owned), host: host.to_owned(), port, path: path.to_owned() };
        assert_eq!(ssh_of("git@example.com:ops/estate.git"), address(Some("git"), "example.com", None, "ops/estate.git"));
        assert_eq!(ssh_of("example.com:/srv/x"), address(None, "example.com", None, "/srv/x"));
        assert_eq!(ssh_of("ssh://git@example.com:2222/srv/x"), address(Some("git"), "example.com", Some(2222), "/srv/x"));
        assert_eq!(ssh_of("ssh://example.com/~alice/x"), address(None, "example.com", None, "~alice/x"));
        assert_eq!(ssh_of("git@[2001:db8::1]:x"), address(Some("git"), "2001:db8::1", None, "x"));
        assert_eq!(ssh_of("ssh://[2001:db8::1]:22/x"), address(None, "2001:db8::1", Some(22), "/x"));
        assert_eq!(parse("/srv/x.git").unwrap(), Address::Path("/srv/x.git".into()));
        assert_eq!(parse("./a:b").unwrap(), Address::Path("./a:b".into()));
        assert_eq!(parse("file:///srv/x").unwrap(), Address::Path("/srv/x".into()));
        assert_eq!(parse("https://example.com/x.git/").unwrap(), Address::Http(Url::parse("https://example.com/x.git").unwrap()));
        assert!(parse("http://127.0.0.1:3000/x").is_ok() && parse("http://[::1]/x").is_ok() && parse("http://localhost/x").is_ok());
    }

    #[test]
    fn addresses_that_could_run_something_or_carry_a_secret_are_refused() {
        for text in [
            "",
            "-oProxyCommand=x",
            "ssh://-oProxyCommand=x/path",
            "ssh://user@-oProxyCommand=x/path",
            "ssh://-user@host/path",
            "-x@host:path",
            "host:-path",
            "ssh://host",
            "ssh://host:99999/x",
            "ssh://user:canary@host/x",
            "alice:canary@host:path",
            "ssh://ho$(x)st/x",
            "ext::sh -c x",
            "ext://x",
            "git://example.com/x",
            "http://example.com/x",
            "http://127.0.0.1.example.com/x",
            "https://canary@example.com/x",
            "https://alice:canary@example.com/x",
            "https://example.com/x?token=1",
            "file://example.com/x",
            "https://example.com/\n",
        ] {
            let error = match parse(text) {
                Err(error) => error.to_string(),
                Ok(address) => panic!("{text} is {address:?}"),
            };
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
