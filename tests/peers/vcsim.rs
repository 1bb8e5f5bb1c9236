//! The simulator of vCenter from govmomi, as `tests/peers/get/vcsim` builds it: one for each test, over TLS, which ends with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

use super::authority::Authority;
use super::skip;

pub const USER: &str = "bowline@vsphere.local";
pub const PASSWORD: &str = "correct-horse-battery";

/// A vCenter that runs.
pub struct Vcsim {
    server: Child,
    /// Its address: `https://localhost:PORT`.
    pub url: String,
    /// Who vouches for its certificate, in PEM.
    pub ca: String,
    control: String,
}

impl Vcsim {
    /// One with as many virtual machines as the simulator makes up. None, with the reason said, where it cannot be had. Blocks.
    pub fn start(machines: usize) -> Option<Self> {
        Self::with(&["--vms", &machines.to_string()])
    }

    /// One with these virtual machines and no other, each as tests/peers/vcsim/inventory.go says. Blocks.
    pub fn holding(machines: &Value) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("inventory.json");
        std::fs::write(&file, machines.to_string()).expect("a file");
        Self::with(&["--vms", "0", "--inventory", &file.display().to_string()])
    }

    /// One with these arguments; see tests/peers/vcsim/main.go. Blocks.
    pub fn with(arguments: &[&str]) -> Option<Self> {
        match program().and_then(|program| Self::run(&program, arguments)) {
            Ok(vcsim) => Some(vcsim),
            Err(reason) => {
                skip(&reason);
                None
            }
        }
    }

    fn run(program: &str, arguments: &[&str]) -> Result<Self, String> {
        let authority = Authority::new();
        let (certificate, key) = authority.issue(&["localhost"]);
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (certificate_file, key_file) = (folder.path().join("server.pem"), folder.path().join("server.key"));
        std::fs::write(&certificate_file, certificate).and_then(|()| std::fs::write(&key_file, key)).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(["--user", USER, "--password", PASSWORD]).arg("--cert").arg(certificate_file).arg("--key").arg(key_file).args(arguments);
        // It ends when its input does, however this process ends.
        let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let mut line = String::new();
        BufReader::new(server.stdout.take().expect("its output")).read_line(&mut line).map_err(|error| error.to_string())?;
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let ended = server.wait_with_output().map_err(|error| error.to_string())?;
            return Err(format!("vcsim does not start: {}", String::from_utf8_lossy(&ended.stderr).trim()));
        };
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        let url = text("sdk").trim_end_matches("/sdk").replace("127.0.0.1", "localhost");
        Ok(Self { server, url, ca: authority.pem, control: text("control").trim_start_matches("http://").to_owned() })
    }

    /// The port of its API.
    pub fn port(&self) -> u16 {
        self.url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    /// The methods that were called since this was last asked. Blocks.
    pub fn calls(&self) -> Vec<String> {
        serde_json::from_str(&self.ask("GET", "calls", "")).expect("a list of methods")
    }

    /// How many sessions there are. Blocks.
    pub fn sessions(&self) -> u64 {
        serde_json::from_str(&self.ask("GET", "sessions", "")).expect("a number")
    }

    /// What happens at the next call of a method: `{method, skip, do, …}`, as tests/peers/vcsim/hooks.go says. Blocks.
    pub fn rule(&self, rule: &Value) {
        self.ask("POST", "rules", &rule.to_string());
    }

    /// Every session ends just before the call after `skip` calls of this method. Blocks.
    pub fn expire_at(&self, method: &str, skip: usize) {
        self.rule(&json!({"method": method, "skip": skip, "do": "expire"}));
    }

    /// One request on the control port, by hand: no client that blocks may be used in a runtime of tokio.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.control).expect("the control port");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a time-out");
        write!(stream, "{method} /{path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, text) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.split(' ').nth(1) == Some("200"), "{method} {path}: {answer}");
        text.to_owned()
    }
}

impl Drop for Vcsim {
    fn drop(&mut self) {
        // It takes its folders away once its input ends.
        drop(self.server.stdin.take());
        self.server.wait().ok();
    }
}

/// The program, built where it is not there yet.
fn program() -> Result<String, String> {
    static PROGRAM: OnceLock<Result<String, String>> = OnceLock::new();
    let build = || {
        let get = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/get/vcsim");
        let got = Command::new(get).output().map_err(|error| error.to_string())?;
        if got.status.success() {
            return Ok(String::from_utf8_lossy(&got.stdout).trim().to_owned());
        }
        Err(format!("vcsim cannot be had: {}", String::from_utf8_lossy(&got.stderr).lines().last().unwrap_or_default()))
    };
    PROGRAM.get_or_init(build).clone()
}
