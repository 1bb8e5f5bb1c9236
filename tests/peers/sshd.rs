//! OpenSSH's server, for the account that runs the test, with keys of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Process, free_port, program};

/// What `apt-get install` must bring.
pub const PACKAGES: [&str; 3] = ["openssh-server", "openssh-client", "git"];

pub struct Sshd {
    pub port: u16,
    pub account: String,
    /// The key that it lets in.
    pub key: PathBuf,
    /// Its own key, as clients know it.
    pub known_hosts: PathBuf,
    _process: Process,
}

impl Sshd {
    pub fn start(state: &Path) -> Option<Self> {
        Self::start_with(state, "")
    }

    /// One whose settings have `more`. With a `ForceCommand` it is not asked whether it lets anyone in, which then might never end.
    pub fn start_with(state: &Path, more: &str) -> Option<Self> {
        let (Some(sshd), Some(keygen), Some(_)) = (program("sshd"), program("ssh-keygen"), program("ssh")) else {
            super::skip("OpenSSH's server or client is not installed");
            return None;
        };
        let account = output(Command::new("id").arg("-un"))?;
        if account == "root" && std::fs::create_dir_all("/run/sshd").is_err() {
            super::skip("/run/sshd cannot be made");
            return None;
        }
        for name in ["host", "id"] {
            output(Command::new(&keygen).args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(state.join(name)))?;
        }
        let port = free_port();
        let public = |name: &str| std::fs::read_to_string(state.join(name)).expect("a public key");
        std::fs::write(state.join("authorized"), public("id.pub")).expect("a file");
        let known_hosts = state.join("known hosts");
        std::fs::write(&known_hosts, format!("[127.0.0.1]:{port} {}", public("host.pub"))).expect("a file");
        let at = state.display();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized\nUsePAM no\nStrictModes no\nPidFile none\n\
             PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nAllowUsers {account}\n{more}"
        );
        std::fs::write(state.join("sshd.conf"), settings).expect("a file");
        let mut command = Command::new(sshd);
        command.args(["-D", "-f"]).arg(state.join("sshd.conf")).arg("-E").arg(state.join("sshd.log"));
        let mut process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        if !process.answers(port) {
            super::skip(&format!("sshd does not start: {}", std::fs::read_to_string(state.join("sshd.log")).unwrap_or_default()));
            return None;
        }
        // An account without a shell, for one, is let in by nobody.
        let mut probe = Command::new("ssh");
        probe.args(["-F", "none", "-o", "BatchMode=yes", "-o", &format!("UserKnownHostsFile=\"{}\"", known_hosts.display()), "-i"]).arg(state.join("id"));
        if !more.contains("ForceCommand") && output(probe.args(["-p", &port.to_string(), &format!("{account}@127.0.0.1"), "true"])).is_none() {
            super::skip(&format!("sshd does not let `{account}` in"));
            return None;
        }
        Some(Self { port, account, key: state.join("id"), known_hosts, _process: process })
    }
}

/// Makes a key with a passphrase, empty for none, and gives the line of its public half.
pub fn make_key(file: &Path, kind: &str, passphrase: &str) -> Option<String> {
    output(Command::new(program("ssh-keygen")?).args(["-q", "-t", kind, "-N", passphrase, "-f"]).arg(file))?;
    std::fs::read_to_string(file.with_extension("pub")).ok()
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
