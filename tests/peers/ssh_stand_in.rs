//! A stand-in for an SSH server that takes a password: OpenSSH's takes only those of the machine's own accounts. It is made with the library
//! that Bowline asks with, and answers `uname`, a CPU and nothing else.

use std::sync::{Arc, Mutex};

use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::server::{Auth, Config, Handler, Msg, Session};
use russh::{Channel, ChannelId, MethodKind, MethodSet};

pub struct StandIn {
    pub port: u16,
    /// Of its own key.
    pub fingerprint: String,
    passwords: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Conversation {
    user: &'static str,
    password: &'static str,
    passwords: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    /// A server that lets one account in. It lasts as long as the test's runtime.
    pub async fn start(user: &'static str, password: &'static str) -> Self {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        let fingerprint = key.public_key().fingerprint(HashAlg::Sha256).to_string();
        let methods = MethodSet::from([MethodKind::Password].as_slice());
        let config = Config { keys: vec![key], methods, auth_rejection_time: std::time::Duration::ZERO, ..Config::default() };
        let (config, passwords) = (Arc::new(config), Arc::new(Mutex::new(Vec::new())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let conversation = Conversation { user, password, passwords: passwords.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (config, conversation) = (config.clone(), conversation.clone());
                tokio::spawn(async move {
                    if let Ok(session) = russh::server::run_stream(config, stream, conversation).await {
                        session.await.ok();
                    }
                });
            }
        });
        Self { port, fingerprint, passwords }
    }

    /// The passwords that it was told.
    pub fn passwords(&self) -> Vec<String> {
        self.passwords.lock().unwrap().clone()
    }
}

impl Handler for Conversation {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        self.passwords.lock().unwrap().push(password.to_owned());
        Ok(if (user, password) == (self.user, self.password) { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(&mut self, channel: Channel<Msg>, reply: russh::server::ChannelOpenHandle, _: &mut Session) -> Result<(), russh::Error> {
        let _ = channel;
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, channel: ChannelId, command: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        session.channel_success(channel)?;
        let answer = match String::from_utf8_lossy(command).split(' ').next() {
            Some("uname") => "Linux stand-in 6.1 x86_64\n",
            Some("grep") => "processor\t: 0\n",
            _ => "",
        };
        session.data(channel, answer.as_bytes().to_vec())?;
        session.exit_status_request(channel, 0)?;
        session.eof(channel)?;
        session.close(channel)
    }
}
