//! git over SSH, by the system's `ssh`, as git itself does: it knows the agents, the keys and the hosts that people have.
//!
//! For an address that an estate declares, ssh gets nothing of the operator's but the credential that is bound to the host:
//! no agent, no other key, no settings file. For an address that the operator gave, ssh works as it does at the prompt.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::address::SshAddress;
use super::packet::{Bounded, FLUSH, shown};
use super::protocol::{Connection, Request, Service};
use super::{GitError, Remote};
use crate::access::Access;
use crate::credentials::Login;
use crate::credentials::host_keys::{PORT, known_as};

/// The largest answer, in bytes.
const LARGEST_ANSWER: u64 = 2 << 30;
/// How long a conversation may take in all.
const WHOLE: Duration = Duration::from_mins(30);
/// How much of what ssh complains about is kept, in bytes.
const LONGEST_COMPLAINT: u64 = 16 << 10;

/// A conversation over SSH. The program is stopped when this is dropped, and when its time is over.
pub(super) struct Ssh<'a> {
    remote: Remote<'a>,
    child: Arc<Mutex<Child>>,
    input: Option<ChildStdin>,
    output: ChildStdout,
    complaints: Receiver<Vec<u8>>,
    /// Dropped, it lets the watch go.
    done: Option<Sender<()>>,
    watch: Option<JoinHandle<()>>,
    end: Instant,
}

impl<'a> Ssh<'a> {
    pub(super) fn open(remote: &Remote<'a>, address: &SshAddress, service: Service) -> Result<Self, GitError> {
        let error = |reason: &str| GitError::Remote { url: remote.url.to_owned(), reason: reason.to_owned() };
        let arguments = arguments(remote, address, service)?;
        let mut command = Command::new("ssh");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("SSH_ASKPASS").env_remove("GIT_PROTOCOL").env("LC_ALL", "C");
        if remote.declared_in.is_some() {
            command.env_remove("SSH_AUTH_SOCK");
        }
        let mut child = command.spawn().map_err(|failed| error(&format!("the program `ssh` cannot be started: {failed}")))?;
        let (Some(input), Some(output), Some(complaint)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(error("the program `ssh` has no input or output"));
        };
        let (send, complaints) = channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let mut complaint = complaint;
            let kept = complaint.by_ref().take(LONGEST_COMPLAINT).read_to_end(&mut text);
            let rest = io::copy(&mut complaint, &mut io::sink()); // or ssh would wait for a reader
            drop((kept, rest, send.send(text)));
        });
        let child = Arc::new(Mutex::new(child));
        let (done, waiting) = channel();
        let watch = watch(Arc::clone(&child), waiting);
        let now = Instant::now();
        let end = now.checked_add(WHOLE).unwrap_or(now);
        Ok(Self { remote: *remote, child, input: Some(input), output, complaints, done: Some(done), watch: Some(watch), end })
    }

    fn error(&self, reason: &str) -> GitError {
        GitError::Remote { url: self.remote.url.to_owned(), reason: reason.to_owned() }
    }

    /// Sends everything, and closes the input.
    fn say(&mut self, mut what: impl Read) -> io::Result<()> {
        let Some(mut input) = self.input.take() else { return Ok(()) };
        io::copy(&mut what, &mut input)?;
        input.flush()
    }

    fn answer(&mut self) -> Box<dyn Read + '_> {
        let left = self.end.saturating_duration_since(Instant::now());
        Box::new(Bounded::new(&mut self.output, LARGEST_ANSWER, left))
    }
}

/// Stops the program when its time is over.
fn watch(child: Arc<Mutex<Child>>, waiting: Receiver<()>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        if waiting.recv_timeout(WHOLE) == Err(RecvTimeoutError::Timeout) {
            kill(&child);
        }
    })
}

fn kill(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    drop((child.kill(), child.wait())); // it may have ended by itself
}

impl Drop for Ssh<'_> {
    fn drop(&mut self) {
        drop(self.done.take());
        kill(&self.child);
        if let Some(watch) = self.watch.take() {
            drop(watch.join());
        }
    }
}

impl Connection for Ssh<'_> {
    fn advertise(&mut self) -> Result<Box<dyn Read + '_>, GitError> {
        Ok(self.answer())
    }

    fn exchange(&mut self, request: Request) -> Result<Box<dyn Read + '_>, GitError> {
        self.say(request.into_reader()).map_err(|error| self.explain(&error))?;
        Ok(self.answer())
    }

    fn leave(&mut self) -> Result<(), GitError> {
        // It need not listen to that any more.
        drop(self.say(FLUSH));
        Ok(())
    }

    fn explain(&mut self, error: &io::Error) -> GitError {
        kill(&self.child);
        let complaint = self.complaints.recv_timeout(Duration::from_secs(2)).unwrap_or_default();
        let complaint = shown(&complaint);
        let hint = if complaint.contains("Host key verification failed") {
            " (put its key into the known hosts: `ssh-keyscan` shows it, compare it with what the server's people say)"
        } else {
            ""
        };
        if complaint.is_empty() { self.error(&error.to_string()) } else { self.error(&format!("{error}; ssh says: {complaint}{hint}")) }
    }
}

/// What `ssh` is called with.
fn arguments(remote: &Remote<'_>, address: &SshAddress, service: Service) -> Result<Vec<String>, GitError> {
    let error = |reason: &str| GitError::Remote { url: remote.url.to_owned(), reason: reason.to_owned() };
    let credential = remote.credential.map(|name| remote.credentials.for_host(name, &address.authority())).transpose()?;
    let mut options: Vec<String> =
        ["BatchMode=yes", "StrictHostKeyChecking=yes", "UpdateHostKeys=no", "ClearAllForwardings=yes", "ForwardAgent=no"].map(str::to_owned).into();
    options.extend(["PermitLocalCommand=no", "ControlPath=none", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=8"].map(str::to_owned));
    let mut arguments = vec!["-T".to_owned(), "-x".to_owned(), "-a".to_owned()];
    if remote.declared_in.is_some() {
        arguments.extend(["-F".to_owned(), "none".to_owned()]);
    }
    match credential.map(|credential| &credential.login) {
        Some(Login::SshKey { file, known_hosts }) => {
            arguments.extend(["-i".to_owned(), file.display().to_string()]);
            options.extend(["IdentitiesOnly=yes", "IdentityAgent=none"].map(str::to_owned));
            if let Some(hosts) = known_hosts {
                options.push(format!("UserKnownHostsFile=\"{}\"", hosts.display()));
                options.push("GlobalKnownHostsFile=none".to_owned());
            }
        }
        Some(_) => return Err(error("over SSH its credential must be a key of SSH (`sshKey`)")),
        None if remote.declared_in.is_some() => options.extend(["IdentityFile=none", "IdentitiesOnly=yes", "IdentityAgent=none"].map(str::to_owned)),
        None => {}
    }
    if let Some(judged) = judged_address(remote, address)? {
        options.push(format!("HostName={judged}"));
        options.push(format!("HostKeyAlias={}", known_as(&address.host, address.port.unwrap_or(PORT))));
    }
    arguments.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
    if let Some(port) = address.port {
        arguments.extend(["-p".to_owned(), port.to_string()]);
    }
    let host = address.user.as_ref().map_or_else(|| address.host.clone(), |user| format!("{user}@{}", address.host));
    arguments.extend(["--".to_owned(), host, format!("{} {}", service.name(), quoted(&address.path))]);
    Ok(arguments)
}

/// The allowed address to which ssh must connect. None where the operator gave the host and has limited nothing: it may be
/// a name that only ssh's settings know.
fn judged_address(remote: &Remote<'_>, address: &SshAddress) -> Result<Option<String>, GitError> {
    let Access { allow_net, .. } = remote.access;
    if remote.declared_in.is_none() && allow_net.is_empty() {
        return Ok(None);
    }
    let found = remote.access.resolve(&address.host, address.port.unwrap_or(PORT))?;
    Ok(found.first().map(|found| found.ip().to_string()))
}

/// For the shell on the other side, as git quotes: it might be a C shell.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "'\\''").replace('!', "'\\!'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::{Credential, Credentials, Secret};
    use std::path::Path;

    fn call(declared: bool, login: Option<Login>) -> Result<Vec<String>, GitError> {
        let credentials = Credentials::of(login.map(|login| Credential { name: "c".into(), hosts: vec!["127.0.0.1:2222".parse().unwrap()], login }));
        let credential = (credentials.problems().count() == 0 && credentials.for_host("c", "127.0.0.1:2222").is_ok()).then_some("c");
        let root = declared.then_some(Path::new("/"));
        let remote = Remote { url: "ssh://git@127.0.0.1:2222/a", credential, credentials: &credentials, access: &Access::default(), declared_in: root };
        let address = SshAddress { user: Some("git".into()), host: "127.0.0.1".into(), port: Some(2222), path: "/it's! $(x)".into() };
        arguments(&remote, &address, Service::UploadPack)
    }

    #[test]
    fn an_estate_gets_none_of_the_operators_keys() {
        let declared = call(true, None).unwrap();
        for option in ["IdentityAgent=none", "IdentityFile=none", "none", "StrictHostKeyChecking=yes", "BatchMode=yes"] {
            assert!(declared.iter().any(|argument| argument == option), "{option}");
        }
        assert!(!call(false, None).unwrap().iter().any(|argument| argument.starts_with("Identity")));
    }

    #[test]
    fn the_key_of_the_credential_is_the_only_one() {
        let key = Login::SshKey { file: "/k".into(), known_hosts: Some("/h".into()) };
        let called = call(true, Some(key)).unwrap();
        for option in ["/k", "IdentitiesOnly=yes", "UserKnownHostsFile=\"/h\""] {
            assert!(called.iter().any(|argument| argument == option), "{option}");
        }
        assert!(call(true, Some(Login::Token { user: None, token: Secret::new("canary") })).is_err());
    }

    #[test]
    fn a_path_is_one_word_for_the_other_shell() {
        let called = call(true, None).unwrap();
        assert_eq!(called.iter().rev().take(3).rev().collect::<Vec<_>>(), ["--", "git@127.0.0.1", "git-upload-pack '/it'\\''s'\\!' $(x)'"]);
    }
}
