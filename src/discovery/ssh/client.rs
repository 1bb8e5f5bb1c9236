//! Asking one machine: its key is judged before anything is sent that it could use, then the commands are run one after the other.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, Handle, Handler};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, decode_secret_key};
use russh::{ChannelMsg, Disconnect, Error, Preferred};
use tokio::net::TcpStream;

use super::commands::{ALWAYS, Command, Output};
use super::facts::{self, Outputs};
use super::known::Trust;
use super::stream::Bounded;
use crate::credentials::{Credential, Login, Secret};
use crate::discovery::host::machine::Machine;

/// How many bytes one machine may send in all.
const MOST: usize = 64 << 20;
/// The largest file of a key, in bytes.
const LARGEST_KEY: u64 = 1 << 20;

/// As whom machines are asked.
#[derive(Clone)]
pub(super) struct Account {
    /// The account's name.
    pub user: String,
    proof: Proof,
}

#[derive(Clone)]
enum Proof {
    Key(Arc<PrivateKey>),
    Password(Secret),
}

/// The account of a credential; `user` is what the source says. Blocks while a key is read.
pub(super) fn account(credential: &Credential, user: Option<&str>) -> Result<Account, String> {
    let name = &credential.name;
    match &credential.login {
        Login::SshKey { file, .. } => {
            let user = user.ok_or_else(|| format!("a key has no account; say with `user` as whom `{name}` logs in"))?;
            Ok(Account { user: user.to_owned(), proof: Proof::Key(Arc::new(key(file, name)?)) })
        }
        Login::Password { user: own, password } => {
            if user.is_some_and(|user| user != &**own) {
                return Err(format!("the credential `{name}` is of another account than `user` says; leave `user` out"));
            }
            Ok(Account { user: own.to_string(), proof: Proof::Password(password.clone()) })
        }
        _ => Err(format!("the credential `{name}` is none of SSH: it must have `sshKey`, or `user` and `password`")),
    }
}

/// What a library says of a key could quote it, so its own words are not used.
fn key(file: &Path, name: &str) -> Result<PrivateKey, String> {
    let unusable = |reason: &str| format!("the credential `{name}` cannot be used: its key {reason}");
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(LARGEST_KEY).read_to_string(&mut text));
    read.map_err(|error| unusable(&format!("cannot be read: {}", error.kind())))?;
    let key = decode_secret_key(&text, None).map_err(|error| match error {
        russh::keys::Error::KeyIsEncrypted => unusable("has a passphrase, and nobody is there to type it; give one without"),
        _ => unusable("is none that is understood (ed25519, ECDSA or RSA, as ssh-keygen makes them)"),
    })?;
    if key.is_encrypted() { Err(unusable("has a passphrase, and nobody is there to type it; give one without")) } else { Ok(key) }
}

/// Judges the machine's key, and remembers why it was refused.
struct Judge {
    trust: Arc<Trust>,
    name: String,
    refusal: Arc<Mutex<Option<String>>>,
}

impl Handler for Judge {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        let judged = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.trust.judge(&self.name, key),
            PublicKeyOrCertificate::Certificate(_) => Err("it shows a certificate, which was not asked for".to_owned()),
        };
        let is_trusted = judged.is_ok();
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = judged.err();
        Ok(is_trusted)
    }
}

/// What is asked of one machine, and as whom.
pub(super) struct Ask {
    /// The name under which SSH knows the machine.
    pub name: String,
    pub account: Account,
    pub trust: Arc<Trust>,
    /// Whether packages are listed.
    pub packages: bool,
    /// For how long the connection lasts.
    pub time: Duration,
}

/// What a machine says, and why its packages are not known, if so.
pub(super) async fn look(stream: TcpStream, ask: Ask) -> Result<(Machine, Option<String>), String> {
    let session = open(stream, &ask).await?;
    let looked = read(&session, ask.packages).await;
    // It is told that this is the end; whether it hears it does not matter.
    drop(session.disconnect(Disconnect::ByApplication, "", "").await);
    looked
}

async fn open(stream: TcpStream, ask: &Ask) -> Result<Handle<Judge>, String> {
    let refusal = Arc::new(Mutex::default());
    let judge = Judge { trust: ask.trust.clone(), name: ask.name.clone(), refusal: refusal.clone() };
    let config = client::Config { preferred: preferred(&ask.trust.algorithms(&ask.name)), ..client::Config::default() };
    // Each command waits for the one before: nothing is gained by holding small packets back.
    drop(stream.set_nodelay(true));
    let stream = Bounded::new(stream, ask.time, MOST);
    let session = client::connect_stream(Arc::new(config), stream, judge).await;
    let mut session = session.map_err(|error| {
        let refused = refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.unwrap_or_else(|| words(&error))
    })?;
    let user = ask.account.user.clone();
    let result = match &ask.account.proof {
        Proof::Password(password) => session.authenticate_password(user, password.expose()).await,
        Proof::Key(key) => {
            let hash = if key.algorithm().is_rsa() { session.best_supported_rsa_hash().await.map_err(|error| words(&error))?.flatten() } else { None };
            // A server that does not say what it takes is not given a signature by SHA-1.
            let hash = hash.or(Some(HashAlg::Sha256)).filter(|_| key.algorithm().is_rsa());
            session.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key.clone(), hash)).await
        }
    };
    let result = result.map_err(|error| words(&error))?;
    if result.success() { Ok(session) } else { Err(format!("it does not let `{}` in with this credential", ask.account.user)) }
}

/// The algorithms of the host's key: the kinds that are known of it first, and never one that signs by SHA-1.
fn preferred(known: &[Algorithm]) -> Preferred {
    let is_rsa = |algorithm: &Algorithm| matches!(algorithm, Algorithm::Rsa { .. });
    let is_known = |algorithm: &Algorithm| known.iter().any(|known| known == algorithm || (is_rsa(known) && is_rsa(algorithm)));
    let mut keys: Vec<Algorithm> = Preferred::DEFAULT.key.iter().filter(|key| !matches!(key, Algorithm::Rsa { hash: None })).cloned().collect();
    keys.sort_by_key(|algorithm| !is_known(algorithm));
    Preferred { key: Cow::Owned(keys), ..Preferred::DEFAULT }
}

/// Runs the commands.
async fn read(session: &Handle<Judge>, with_packages: bool) -> Result<(Machine, Option<String>), String> {
    let system = facts::system(&run(session, Command::System).await?)?;
    let mut outputs = Outputs::new();
    for command in ALWAYS {
        outputs.insert(command, whole(session, command).await?);
    }
    if outputs.get(&Command::FileSystems).is_none_or(|output| output.text.trim().is_empty()) {
        outputs.insert(Command::PlainFileSystems, whole(session, Command::PlainFileSystems).await?);
    }
    let machine = facts::machine(system, &outputs);
    if !with_packages {
        return Ok((machine, None));
    }
    for command in [Command::Dpkg, Command::Rpm] {
        let output = run(session, command).await?;
        let is_missing = output.is_missing();
        outputs.insert(command, output);
        if !is_missing {
            break;
        }
    }
    Ok(match facts::packages(&outputs) {
        Ok(packages) => (Machine { packages, ..machine }, None),
        Err(reason) => (machine, Some(reason)),
    })
}

/// Runs one command that must end by itself; what it complains of may be what it did not find.
async fn whole(session: &Handle<Judge>, command: Command) -> Result<Output, String> {
    let output = run(session, command).await?;
    if output.is_cut() { Err(format!("`{}` was broken off", command.line())) } else { Ok(output) }
}

/// Runs one command to its end. What it complains of is not kept.
async fn run(session: &Handle<Judge>, command: Command) -> Result<Output, String> {
    let failed = |error: &Error| format!("asking it ended in the middle: {}", words(error));
    let mut channel = session.channel_open_session().await.map_err(|error| failed(&error))?;
    channel.exec(true, command.line()).await.map_err(|error| failed(&error))?;
    let (mut bytes, mut status, mut ended) = (Vec::new(), None, false);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                if bytes.len() + data.len() > command.most() {
                    return Err(format!("`{}` writes more than {} MiB", command.line(), command.most() >> 20));
                }
                bytes.extend_from_slice(&data);
            }
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            ChannelMsg::Failure => return Err("it lets no command be run".to_owned()),
            ChannelMsg::Close => {
                ended = true;
                break;
            }
            _ => {}
        }
    }
    // A connection that was cut ends the messages too.
    if !ended {
        return Err("asking it ended in the middle: it closed the connection".to_owned());
    }
    Ok(Output { text: String::from_utf8_lossy(&bytes).into_owned(), status })
}

/// Why it could not be asked, in words that hold nothing of what was sent.
fn words(error: &Error) -> String {
    match error {
        Error::NoCommonAlgo { kind, .. } => format!("it and Bowline have no algorithm in common ({kind:?})"),
        Error::IO(error) if error.kind() == std::io::ErrorKind::TimedOut => "its time is over".to_owned(),
        Error::IO(error) if error.kind() == std::io::ErrorKind::FileTooLarge => format!("it sends more than {} MiB", MOST >> 20),
        Error::IO(error) => format!("the connection broke: {}", error.kind()),
        Error::HUP | Error::Disconnect | Error::SendError | Error::RecvError => "it closed the connection".to_owned(),
        Error::Version => "what it answers is not SSH 2".to_owned(),
        Error::UnknownKey => "its key was refused".to_owned(),
        Error::WrongServerSig => "it does not have the key that it shows".to_owned(),
        Error::ChannelOpenFailure(_) | Error::RequestDenied => "it lets no command be run".to_owned(),
        _ => "what it answers is not SSH as it is defined".to_owned(),
    }
}
