//! NetBox itself, as `tests/peers/get/netbox` installs it: one server a test process, which ends with it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use super::{free_port, skip};

/// What `apt-get install` must bring; Python 3.12 or later besides.
pub const PACKAGES: [&str; 4] = ["postgresql", "redis-server", "libpq-dev", "gcc"];
/// The token of an administrator.
pub const TOKEN: &str = "nbt_TESTSTESTS01.0123456789abcdefghijABCDEFGHIJ0123456789";

/// A server that runs. Clones speak of the same one.
#[derive(Clone)]
pub struct Netbox {
    url: String,
    client: reqwest::blocking::Client,
}

impl Netbox {
    /// The server of this test process. None, with the reason said, where it cannot be had. Blocks.
    pub fn start() -> Option<Self> {
        static SHARED: OnceLock<Result<(Netbox, Child), String>> = OnceLock::new();
        match SHARED.get_or_init(start) {
            Ok((netbox, _)) => Some(netbox.clone()),
            Err(reason) => {
                skip(reason);
                None
            }
        }
    }

    /// Its address: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes an object, or a list of them, and gives it. The path begins after `/api/`. Blocks.
    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.send("POST", path, body)
    }

    /// Changes an object. Blocks.
    pub fn patch(&self, path: &str, body: &Value) -> Value {
        self.send("PATCH", path, body)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = self.client.request(method.parse().expect("a method"), format!("{}/api/{path}", self.url));
        let request = request.header("Authorization", format!("Bearer {TOKEN}")).header("Content-Type", "application/json");
        let answer = request.body(body.to_string()).send().expect("an answer");
        let (status, text) = (answer.status(), answer.text().expect("its text"));
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

fn start() -> Result<(Netbox, Child), String> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    let got = Command::new(peers.join("get/netbox")).output().map_err(|error| error.to_string())?;
    if !got.status.success() {
        let said = String::from_utf8_lossy(&got.stderr);
        return Err(format!("NetBox cannot be had: {}", said.lines().last().unwrap_or_default()));
    }
    let cache = String::from_utf8_lossy(&got.stdout).trim().to_owned();
    let state = std::env::temp_dir().join(format!("bowline-netbox-{}", std::process::id()));
    let port = free_port();
    let ports = [port, free_port(), free_port()].map(|port| port.to_string());
    // It ends when its input does, however this process ends.
    let mut command = Command::new("bash");
    command.arg(peers.join("netbox.sh")).arg(cache).arg(state).args(ports);
    let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("its output")).read_line(&mut line).map_err(|error| error.to_string())?;
    if line.trim() != "ready" {
        let ended = server.wait_with_output().map_err(|error| error.to_string())?;
        return Err(format!("NetBox does not start: {}", String::from_utf8_lossy(&ended.stderr).trim()));
    }
    rustls::crypto::ring::default_provider().install_default().ok();
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build().map_err(|error| error.to_string())?;
    Ok((Netbox { url: format!("http://127.0.0.1:{port}"), client }, server))
}
