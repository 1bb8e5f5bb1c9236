//! What is wrong with an `ssh` source as it is declared, and its machines. Pure.

use std::time::Duration;

use crate::api::discovery_source::SshSource;
use crate::credentials::host_keys::PORT;
use crate::discovery::tls::Endpoint;

/// The most machines of one source.
const MOST_HOSTS: usize = 4096;
/// How long one machine may take where the source does not say.
const EACH: u64 = 30;

/// What is wrong, each at a path of the document: `spec.ssh.hosts.0`.
pub(crate) fn mistakes(spec: &SshSource) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let mut say = |at: &str, reason: &str| wrong.push((format!("spec.ssh.{at}"), reason.to_owned()));
    match spec.hosts.len() {
        0 => say("hosts", "no machine is named; name at least one, for example web-1.example.com"),
        1..=MOST_HOSTS => {}
        _ => say("hosts", "a source has at most 4096 machines; make it several sources"),
    }
    for (place, host) in spec.hosts.iter().enumerate() {
        if let Err(reason) = Endpoint::with_default_port(host, PORT) {
            say(&format!("hosts.{place}"), &reason);
        }
    }
    if spec.credentials.trim().is_empty() {
        say("credentials", "it names no credential; the operator gives one, with `sshKey` or `password`");
    }
    if spec.user.as_ref().is_some_and(|user| !is_account(user)) {
        say("user", "this is no name of an account; write letters, digits and `. _ - @ \\ $`");
    }
    if spec.each.as_ref().is_some_and(|period| period.seconds() < 1) {
        say("each", "it takes a second or more");
    }
    wrong
}

fn is_account(user: &str) -> bool {
    !user.is_empty() && user.len() <= 64 && !user.starts_with('-') && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@\\$".contains(&byte))
}

/// The machines, each once, in order.
pub(super) fn hosts(spec: &SshSource) -> Vec<Endpoint> {
    Endpoint::each_once(&spec.hosts, PORT)
}

/// How long one machine may take.
pub(super) fn each(spec: &SshSource) -> Duration {
    Duration::from_secs(spec.each.as_ref().map_or(EACH, |period| u64::try_from(period.seconds()).unwrap_or_default()).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_where_it_stands() {
        let wrong = |yaml: &str| mistakes(&serde_yaml::from_str(yaml).unwrap()).into_iter().map(|(at, _)| at.replace("spec.ssh.", "")).collect::<Vec<_>>();
        assert_eq!(wrong("{hosts: [web-1, '10.0.0.1:2222', '2001:db8::1'], credentials: fleet, user: 'EXAMPLE\\bowline', each: 1m}"), [""; 0]);
        assert_eq!(wrong("{hosts: ['a b', web-1], credentials: ' ', user: '-oProxyCommand=x', each: 0s}"), ["hosts.0", "credentials", "user", "each"]);
        assert_eq!(wrong("{hosts: [], credentials: fleet, user: 'a b'}"), ["hosts", "user"]);
    }

    #[test]
    fn a_machine_that_is_named_twice_is_asked_once() {
        let spec: SshSource = serde_yaml::from_str("{hosts: [web-2, WEB-1., 'web-1:22'], credentials: c}").unwrap();
        assert_eq!(hosts(&spec).iter().map(ToString::to_string).collect::<Vec<_>>(), ["web-1:22", "web-2:22"]);
        assert_eq!(each(&spec), Duration::from_secs(30));
    }
}
