//! Net-SNMP's agent, with what a test says of the device in its configuration, and the tables that it does not have itself (ENTITY-MIB,
//! LLDP-MIB) by its own `pass_persist`.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Process, program};

/// What `apt-get install` must bring.
pub const PACKAGES: [&str; 2] = ["snmpd", "python3-venv"];

/// The community, and the users with their passwords.
pub const COMMUNITY: &str = "canary-community";
pub const PRIVATE: &str = "canary-private-4711";
pub const PROOF: &str = "canary-proof-4711";

/// Where ENTITY-MIB's table and LLDP's begin.
const PASSED: [&str; 2] = [".1.3.6.1.2.1.47.1.1.1", ".1.0.8802.1.1.2"];

pub struct Snmpd {
    pub port: u16,
    _process: Process,
}

impl Snmpd {
    /// An agent whose configuration has `more`, and whose tables have `objects` (a line each: `OID TYPE VALUE`).
    pub fn start(state: &Path, more: &str, objects: &str) -> Option<Self> {
        let (Some(snmpd), Some(python)) = (program("snmpd"), program("python3")) else {
            super::skip("snmpd or Python is not installed");
            return None;
        };
        let port = free_udp_port();
        let (file, script) = (state.join("objects"), state.join("answer.py"));
        std::fs::write(&file, objects).expect("a file");
        std::fs::write(&script, include_str!("snmpd.py")).expect("a file");
        let passed: String = PASSED.map(|oid| format!("pass_persist {oid} {} -u {} {}\n", python.display(), script.display(), file.display())).concat();
        let settings = format!(
            "agentAddress udp:127.0.0.1:{port}\nrocommunity {COMMUNITY} 127.0.0.1\n\
             createUser private SHA-256 {PROOF} AES {PRIVATE}\nrouser private priv\n\
             createUser old SHA {PROOF} AES-256 {PRIVATE}\nrouser old priv\n\
             createUser open SHA-512 {PROOF}\nrouser open auth\n{passed}{more}\n"
        );
        std::fs::write(state.join("snmpd.conf"), settings).expect("a file");
        let log = state.join("snmpd.log");
        let mut command = Command::new(snmpd);
        command.args(["-f", "-C", "-r", "-c"]).arg(state.join("snmpd.conf")).arg("-Lf").arg(&log).arg("-p").arg(state.join("snmpd.pid"));
        // Not the machine's own configuration, and not its memory of users.
        command.env("SNMPCONFPATH", state).env("SNMP_PERSISTENT_DIR", state.join("persistent")).env("MIBS", "");
        let process = Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if std::fs::read_to_string(&log).is_ok_and(|log| log.contains("NET-SNMP version")) {
                return Some(Self { port, _process: process });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        super::skip(&format!("snmpd does not start: {}", std::fs::read_to_string(&log).unwrap_or_default()));
        None
    }
}

/// A UDP port that nobody uses just now.
pub fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// A device's chassis as ENTITY-MIB has it, and a power supply in it.
pub fn entities(serial: &str) -> String {
    let at = ".1.3.6.1.2.1.47.1.1.1.1";
    format!(
        "{at}.2.1 string Chassis\n{at}.4.1 integer 0\n{at}.5.1 integer 3\n{at}.7.1 string Switch 1\n{at}.10.1 string 15.2(2)E6\n{at}.11.1 string {serial}\n\
         {at}.12.1 string Cisco Systems\n{at}.13.1 string WS-C2960X-48TS-L\n\
         {at}.2.2 string Power supply\n{at}.4.2 integer 1\n{at}.5.2 integer 6\n{at}.7.2 string PSU A\n{at}.11.2 string P-{serial}\n"
    )
}

/// What LLDP says of a device with this chassis address (`00 1b …`), and one cable to another.
pub fn lldp(own: &str, other: &str, name: &str) -> String {
    let at = ".1.0.8802.1.1.2.1";
    format!(
        "{at}.3.1.0 integer 4\n{at}.3.2.0 octet {own}\n{at}.3.7.1.2.1 integer 5\n{at}.3.7.1.3.1 string Gi0/1\n{at}.4.1.1.4.0.1.1 integer 4\n\
         {at}.4.1.1.5.0.1.1 octet {other}\n{at}.4.1.1.6.0.1.1 integer 5\n{at}.4.1.1.7.0.1.1 string Te1/1\n{at}.4.1.1.9.0.1.1 string {name}\n"
    )
}
