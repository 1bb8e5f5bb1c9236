//! The source `tls` against real servers: nginx, and `openssl s_server` for what nginx refuses to serve. Their
//! certificates are made here, by an authority of our own and by the `openssl` command.

#![allow(clippy::unwrap_used)] // helpers of tests too

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream as StdStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bowline::access::Access;
use bowline::api::discovery_source::TlsSource as Spec;
use bowline::api::{Text, Value};
use bowline::discovery::tls::{Connect, Direct, TlsSource};
use bowline::discovery::{Answer, Observation, Source};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

const NOW: &str = "2026-11-25T00:00:00Z";

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every name leads to this machine, so that endpoints can be called what they are called in the world.
struct Here;

#[async_trait]
impl Connect for Here {
    async fn connect(&self, _host: &str, port: u16) -> Result<tokio::net::TcpStream, String> {
        Direct.connect("127.0.0.1", port).await
    }
}

fn authority(name: &str, above: Option<&CertifiedIssuer<'static, KeyPair>>) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Harbour");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.use_authority_key_identifier_extension = above.is_some();
    let key = KeyPair::generate().unwrap();
    match above {
        None => CertifiedIssuer::self_signed(params, key).unwrap(),
        Some(above) => CertifiedIssuer::signed_by(params, key, above).unwrap(),
    }
}

/// Writes `NAME.pem` (leaf, then `with`) and `NAME.key`.
fn leaf(folder: &Path, name: &str, dns: &[&str], days: [(i32, u8, u8); 2], issuer: &CertifiedIssuer<'static, KeyPair>, with: &str) {
    let mut params = CertificateParams::new(dns.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.distinguished_name.push(DnType::CommonName, dns[0]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let [start, end] = days.map(|(year, month, day)| date_time_ymd(year, month, day));
    (params.not_before, params.not_after) = (start, end);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    fs::write(folder.join(format!("{name}.pem")), format!("{}{with}", certificate.pem())).unwrap();
    fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

const THIS_YEAR: [(i32, u8, u8); 2] = [(2026, 10, 1), (2026, 12, 30)];
const LAST_YEAR: [(i32, u8, u8); 2] = [(2025, 10, 1), (2025, 12, 30)];

struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// `None` where the servers cannot be had.
    fn new() -> Option<Self> {
        for program in ["nginx", "openssl"] {
            if Command::new(program).arg(if program == "nginx" { "-v" } else { "version" }).output().is_err() {
                println!("skipped: {program} is not installed");
                return None;
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let root = authority("Harbour Root", None);
        let issuing = authority("Harbour Issuing", Some(&root));
        fs::write(folder.path().join("authorities.pem"), root.pem()).unwrap();
        let with = issuing.pem();
        leaf(folder.path(), "valid", &["pay.example.com", "www.pay.example.com", "127.0.0.1"], THIS_YEAR, &issuing, &with);
        leaf(folder.path(), "expired", &["pay.example.com"], LAST_YEAR, &issuing, &with);
        leaf(folder.path(), "other", &["*.other.example.com"], THIS_YEAR, &issuing, &with);
        leaf(folder.path(), "incomplete", &["pay.example.com"], THIS_YEAR, &issuing, "");
        Some(Self { folder })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// One nginx with these servers: certificate, further settings. Gives their ports in order.
    fn nginx(&self, servers: &[(&str, &str)]) -> (Server, Vec<u16>) {
        let ports: Vec<u16> = free_ports(servers.len());
        let mut blocks = String::new();
        for ((certificate, more), port) in servers.iter().zip(&ports) {
            let tls = format!("ssl_certificate {0}.pem; ssl_certificate_key {0}.key;", self.path(certificate));
            blocks += &if certificate.is_empty() {
                format!("server {{ listen 127.0.0.1:{port}; }}\n")
            } else {
                format!("server {{ listen 127.0.0.1:{port} ssl; {tls} {more} }}\n")
            };
        }
        // A second certificate by name on the first port.
        if let Some(first) = ports.first() {
            let _ = writeln!(
                blocks,
                "server {{ listen 127.0.0.1:{first} ssl; server_name by-name.other.example.com; ssl_certificate {0}.pem; ssl_certificate_key {0}.key; }}\n",
                self.path("other")
            );
        }
        let folder = self.folder.path().display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {folder}/tmp;")).concat();
        let config = format!(
            "daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;\n\
             events {{ }}\nhttp {{ access_log off; ssl_protocols TLSv1.2 TLSv1.3; {temporary}\n{blocks} }}\n"
        );
        fs::write(self.path("nginx.conf"), config).unwrap();
        let child = Command::new("nginx").args(["-c", &self.path("nginx.conf"), "-e", &self.path("error.log")]).stderr(Stdio::null()).spawn().unwrap();
        for port in &ports {
            ready(*port, &self.path("error.log"));
        }
        (Server(child), ports)
    }

    fn s_server(&self, certificate: &str, more: &[&str]) -> (Server, u16) {
        let port = free_ports(1)[0];
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &format!("127.0.0.1:{port}"), "-cert", &self.path(&format!("{certificate}.pem"))])
            .args(["-key", &self.path(&format!("{certificate}.key"))])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.path("s_server.log")).unwrap())
            .spawn()
            .unwrap();
        ready(port, &self.path("s_server.log"));
        (Server(child), port)
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    async fn observe(&self, spec: Spec) -> Answer {
        let spec = Spec { authorities: Some("authorities.pem".into()), ..spec };
        let source = TlsSource::new("tls".into(), spec, Vec::new(), self.folder.path().into(), Arc::new(Here));
        source.with_timeout(Duration::from_secs(3)).observe(NOW.parse().unwrap()).await
    }

    async fn endpoints(&self, endpoints: &[String]) -> Answer {
        self.observe(Spec { endpoints: endpoints.iter().map(|endpoint| Text::from(endpoint.as_str())).collect(), ..Spec::default() }).await
    }
}

/// Ports that nobody uses, each given out once: the tests run side by side, and a port that is merely closed again is soon
/// another test's. They lie below those that the system hands out to clients.
fn free_ports(count: usize) -> Vec<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = || 20_000 + ((std::process::id() * 64 + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000) as u16;
    std::iter::repeat_with(next).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).take(count).collect()
}

fn ready(port: u16, log: &str) {
    let start = Instant::now();
    while StdStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "the server did not start: {}", fs::read_to_string(log).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn text<'a>(item: &'a Observation, path: &str) -> Option<&'a str> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let value = item.attributes.get(first)?;
    if rest.is_empty() { value.as_str() } else { value.at(rest)?.as_str() }
}

fn flag(item: &Observation, name: &str) -> Option<bool> {
    item.attributes.get(name).map(|value| *value == Value::Bool(true))
}

fn list<'a>(item: &'a Observation, name: &str) -> Vec<&'a str> {
    item.attributes.get(name).and_then(Value::as_list).unwrap().iter().filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn what_nginx_serves_is_seen_and_judged_whether_or_not_it_is_to_be_trusted() {
    let Some(lab) = Lab::new() else { return };
    let (_nginx, ports) = lab.nginx(&[("valid", ""), ("expired", ""), ("other", ""), ("incomplete", ""), ("valid", "ssl_protocols TLSv1.2;")]);
    let endpoints: Vec<String> = ports.iter().map(|port| format!("pay.example.com:{port}")).collect();
    let answer = lab.endpoints(&endpoints).await;
    assert!(answer.complete, "{:?}", answer.error);
    let item = |index: usize| answer.items.iter().find(|item| *item.name == *endpoints[index]).unwrap();

    let valid = item(0);
    assert_eq!((&*valid.class, &*valid.key), ("certificate", &*endpoints[0]));
    assert_eq!(text(valid, "endpoint"), Some(&*endpoints[0]));
    assert_eq!(text(valid, "subject"), Some("CN=pay.example.com"));
    assert_eq!((text(valid, "issuer.organization"), text(valid, "issuer.commonName")), (Some("Harbour"), Some("Harbour Issuing")));
    assert_eq!(list(valid, "dnsNames"), ["127.0.0.1", "pay.example.com", "www.pay.example.com"]);
    assert_eq!(list(valid, "chain"), ["CN=Harbour Issuing,O=Harbour"]);
    assert_eq!((text(valid, "notBefore"), text(valid, "notAfter")), (Some("2026-10-01T00:00:00Z"), Some("2026-12-30T00:00:00Z")));
    assert_eq!((text(valid, "key.algorithm"), text(valid, "key.curve"), text(valid, "signature")), (Some("ECDSA"), Some("P-256"), Some("SHA256")));
    assert_eq!((flag(valid, "chainVerifies"), flag(valid, "hostNameVerifies"), text(valid, "tlsVersion")), (Some(true), Some(true), Some("1.3")));

    // Expired is a fact of its own; the chain was good as long as the certificate was.
    assert_eq!((flag(item(1), "chainVerifies"), text(item(1), "notAfter")), (Some(true), Some("2025-12-30T00:00:00Z")));
    assert_eq!((flag(item(2), "chainVerifies"), flag(item(2), "hostNameVerifies")), (Some(true), Some(false)));
    assert!(text(item(2), "hostNameError").unwrap().contains("pay.example.com"));
    assert_eq!((flag(item(3), "chainVerifies"), flag(item(3), "hostNameVerifies")), (Some(false), Some(true)));
    assert!(text(item(3), "chainError").unwrap().contains("does not send the issuer's certificate"), "{:?}", text(item(3), "chainError"));
    assert_eq!(text(item(3), "issuer.spkiSha256"), None);
    assert_eq!(text(item(4), "tlsVersion"), Some("1.2"));
}

#[tokio::test]
async fn digests_are_those_that_openssl_prints() {
    let Some(lab) = Lab::new() else { return };
    let (_nginx, ports) = lab.nginx(&[("valid", "")]);
    let answer = lab.endpoints(&[format!("pay.example.com:{}", ports[0])]).await;
    let print = |what: &str| {
        let output = Command::new("openssl").args(["x509", "-noout", "-in", &lab.path("valid.pem")]).args(what.split(' ')).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().split_once('=').unwrap().1.replace(':', "").to_lowercase()
    };
    assert_eq!(*answer.items[0].identifiers.get("x509/sha256").unwrap().to_owned(), *print("-fingerprint -sha256"));
    assert_eq!(text(&answer.items[0], "serial"), Some(&*print("-serial")));
}

#[tokio::test]
async fn the_host_is_asked_for_by_name_but_an_address_is_not() {
    let Some(lab) = Lab::new() else { return };
    let (_nginx, ports) = lab.nginx(&[("valid", "")]);
    let answer = lab.endpoints(&[format!("BY-NAME.other.example.com.:{}", ports[0]), format!("127.0.0.1:{}", ports[0])]).await;
    let subjects: Vec<_> = answer.items.iter().map(|item| (text(item, "subject").unwrap(), flag(item, "hostNameVerifies").unwrap())).collect();
    assert_eq!(subjects, [("CN=pay.example.com", true), ("CN=*.other.example.com", true)]);
}

#[tokio::test]
async fn a_weak_certificate_is_seen_all_the_same() {
    let Some(lab) = Lab::new() else { return };
    lab.openssl("req -x509 -newkey rsa:1024 -sha1 -nodes -keyout weak.key -out weak.pem -days 30 -subj /CN=weak.example.com");
    let (_server, port) = lab.s_server("weak", &["-cipher", "DEFAULT@SECLEVEL=0"]);
    let answer = lab.endpoints(&[format!("weak.example.com:{port}")]).await;
    assert!(answer.complete, "{:?}", answer.error);
    let weak = &answer.items[0];
    assert_eq!((text(weak, "key.algorithm"), weak.attributes.get("key").unwrap().at("bits").and_then(Value::as_u64)), (Some("RSA"), Some(1024)));
    assert_eq!((text(weak, "signature"), text(weak, "signatureAlgorithm")), (Some("SHA1"), Some("sha1WithRSAEncryption")));
    assert_eq!((flag(weak, "selfSigned"), flag(weak, "chainVerifies"), flag(weak, "hostNameVerifies")), (Some(true), Some(false), Some(false)));
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_ours_has_shown_its_own() {
    let Some(lab) = Lab::new() else { return };
    for (version, name) in [("-tls1_2", "1.2"), ("-tls1_3", "1.3")] {
        let (_server, port) = lab.s_server("valid", &[version, "-Verify", "1", "-verify_return_error"]);
        let answer = lab.endpoints(&[format!("pay.example.com:{port}")]).await;
        assert!(answer.complete, "{version}: {:?}", answer.error);
        assert_eq!(text(&answer.items[0], "tlsVersion"), Some(name));
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_is_named_with_the_reason_and_the_others_stay() {
    let Some(lab) = Lab::new() else { return };
    let (_nginx, ports) = lab.nginx(&[("valid", ""), ("", "")]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let resets = TcpListener::bind("127.0.0.1:0").unwrap();
    let (silent_port, reset_port, closed_port) = (silent.local_addr().unwrap().port(), resets.local_addr().unwrap().port(), free_ports(1)[0]);
    std::thread::spawn(move || {
        // Closed with the greeting unread, a connection is reset.
        if let Ok((mut stream, _)) = resets.accept() {
            std::thread::sleep(Duration::from_millis(200));
            let _ = stream.flush();
        }
    });
    let endpoint = |port: u16| format!("pay.example.com:{port}");
    let start = Instant::now();
    let answer = lab.endpoints(&[ports[0], ports[1], silent_port, reset_port, closed_port].map(endpoint)).await;
    assert!(start.elapsed() < Duration::from_secs(6));
    assert!(!answer.complete);
    assert_eq!(answer.items.iter().map(|item| item.name.to_string()).collect::<Vec<_>>(), [endpoint(ports[0])]);
    let error = answer.error.unwrap();
    for (port, reason) in [
        (ports[1], "what it answers is not TLS"),
        (silent_port, "no answer within 3 s"),
        (reset_port, "the connection was reset"),
        (closed_port, "the connection was refused"),
    ] {
        assert!(error.contains(&format!("pay.example.com:{port} cannot be reached: {reason}")), "{port} {reason}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_only_old_tls_is_named() {
    let Some(lab) = Lab::new() else { return };
    let (_server, port) = lab.s_server("valid", &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    let answer = lab.endpoints(&[format!("pay.example.com:{port}")]).await;
    assert!(!answer.complete && answer.items.is_empty());
    assert!(answer.error.as_deref().unwrap().contains("ProtocolVersion"), "{:?}", answer.error);
}

#[tokio::test]
async fn endpoints_of_policies_are_added_and_each_is_asked_once() {
    let Some(lab) = Lab::new() else { return };
    let (_nginx, ports) = lab.nginx(&[("valid", ""), ("expired", "")]);
    let spec = Spec { endpoints: vec![format!("PAY.example.com:{}", ports[0]).into()], ..Spec::default() };
    let policies = vec![format!("pay.example.com:{}", ports[0]).into(), format!("pay.example.com:{}", ports[1]).into(), "no endpoint".into()];
    let answer = TlsSource::new("tls".into(), spec, policies, lab.folder.path().into(), Arc::new(Here)).observe(NOW.parse().unwrap()).await;
    assert_eq!(answer.items.len(), 2);
    assert!(!answer.complete && answer.error.as_deref().unwrap().contains("`no endpoint` is not an endpoint"));
}

#[tokio::test]
async fn keys_signatures_and_names_are_called_what_openssl_calls_them() {
    let Some(lab) = Lab::new() else { return };
    fs::create_dir_all(lab.path("made")).unwrap();
    let cases = [
        ("rsa", "-newkey rsa:2048 -sha384", "RSA", Some(2048), None, "SHA384", "sha384WithRSAEncryption"),
        ("pss", "-newkey rsa:2048 -sha512 -sigopt rsa_padding_mode:pss", "RSA", Some(2048), None, "SHA512", "rsassaPss"),
        ("psskey", "-newkey rsa-pss -pkeyopt rsa_keygen_bits:3072 -sha256", "RSA", Some(3072), None, "SHA256", "rsassaPss"),
        ("md5", "-newkey rsa:2048 -md5", "RSA", Some(2048), None, "MD5", "md5WithRSAEncryption"),
        ("p256", "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -sha1", "ECDSA", Some(256), Some("P-256"), "SHA1", "ecdsa-with-SHA1"),
        ("p384", "-newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha384", "ECDSA", Some(384), Some("P-384"), "SHA384", "ecdsa-with-SHA384"),
        ("p521", "-newkey ec -pkeyopt ec_paramgen_curve:P-521 -sha512", "ECDSA", Some(521), Some("P-521"), "SHA512", "ecdsa-with-SHA512"),
        ("ed25519", "-newkey ed25519", "Ed25519", None, None, "SHA512", "Ed25519"),
        ("ed448", "-newkey ed448", "Ed448", None, None, "SHAKE256", "Ed448"),
        ("dsa", "-newkey dsa:dsa.param -sha256", "DSA", Some(1024), None, "SHA256", "dsa-with-SHA256"),
    ];
    lab.openssl("dsaparam -out dsa.param 1024");
    for (name, options, ..) in cases {
        lab.openssl(&format!("req -x509 {options} -nodes -keyout made.key -out made/{name}.pem -days 9 -utf8 -subj /C=CH/O=Häfen,\"x\";<y>\\+z/OU=#a/emailAddress=a@example.com/CN={name}.example.com"));
    }
    let answer = lab.observe(Spec { files: vec!["made/*".into()], ..Spec::default() }).await;
    assert!(answer.complete, "{:?}", answer.error);
    for (name, _, algorithm, bits, curve, digest, whole) in cases {
        let item = answer.items.iter().find(|item| *item.name == *format!("made/{name}.pem")).unwrap();
        let key = item.attributes.get("key").unwrap();
        let found = (
            text(item, "key.algorithm"),
            key.at("bits").and_then(Value::as_u64),
            text(item, "key.curve"),
            text(item, "signature"),
            text(item, "signatureAlgorithm"),
        );
        assert_eq!(found, (Some(algorithm), bits, curve, Some(digest), Some(whole)), "{name}");
        let printed = Command::new("openssl")
            .args(["x509", "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb,utf8", "-in", &lab.path(&format!("made/{name}.pem"))])
            .output()
            .unwrap();
        let printed = String::from_utf8(printed.stdout).unwrap();
        assert_eq!(Some(printed.trim().strip_prefix("subject=").unwrap()), text(item, "subject"));
    }
}

#[tokio::test]
async fn the_access_that_the_operator_gives_refuses_link_local_addresses() {
    let Some(lab) = Lab::new() else { return };
    let spec = Spec { endpoints: vec!["169.254.169.254:443".into(), "127.0.0.1:1".into()], ..Spec::default() };
    let source = TlsSource::new("tls".into(), spec, Vec::new(), lab.folder.path().into(), Arc::new(Access::default()));
    let answer = source.observe(Timestamp::UNIX_EPOCH).await;
    assert!(!answer.complete && answer.items.is_empty());
    let error = answer.error.unwrap();
    assert!(error.contains("169.254.169.254:443 cannot be reached: `169.254.169.254` is at 169.254.169.254, a link-local address"), "{error}");
    assert!(error.contains("127.0.0.1:1 cannot be reached: "), "{error}");
}

#[tokio::test]
async fn at_the_deadline_the_answers_so_far_stay_and_the_others_are_named() {
    let Some(lab) = Lab::new() else { return };
    let (_nginx, ports) = lab.nginx(&[("valid", "")]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("silent.example.com:{}", silent.local_addr().unwrap().port());
    let spec = Spec { endpoints: vec![silent.as_str().into(), format!("pay.example.com:{}", ports[0]).into()], ..Spec::default() };
    let source = TlsSource::new("tls".into(), spec, Vec::new(), lab.folder.path().into(), Arc::new(Here)).with_deadline(Duration::from_secs(2));
    let answer = source.observe(NOW.parse().unwrap()).await;
    assert_eq!(answer.items.len(), 1);
    assert_eq!(answer.error.as_deref(), Some(&*format!("{silent} cannot be reached: no answer within the 2 s for all endpoints")));
}

/// A connector that refuses, as the operator's rules may.
struct Refuses;

#[async_trait]
impl Connect for Refuses {
    async fn connect(&self, _host: &str, _port: u16) -> Result<tokio::net::TcpStream, String> {
        Err("the operator does not allow it".into())
    }
}

#[tokio::test]
async fn nothing_is_reached_but_through_the_connector() {
    let Some(lab) = Lab::new() else { return };
    let (_nginx, ports) = lab.nginx(&[("valid", "")]);
    let spec = Spec { endpoints: vec![format!("127.0.0.1:{}", ports[0]).into()], ..Spec::default() };
    let answer = TlsSource::new("tls".into(), spec, Vec::new(), lab.folder.path().into(), Arc::new(Refuses)).observe(Timestamp::UNIX_EPOCH).await;
    assert!(!answer.complete && answer.items.is_empty());
    assert_eq!(answer.error.as_deref(), Some(&*format!("127.0.0.1:{} cannot be reached: the operator does not allow it", ports[0])));
}

#[tokio::test]
async fn files_are_read_below_the_root_and_private_keys_are_kept_nowhere() {
    let Some(lab) = Lab::new() else { return };
    let path = |name: &str| lab.folder.path().join(name);
    fs::create_dir_all(path("certs/deep")).unwrap();
    let key = fs::read_to_string(path("valid.key")).unwrap();
    fs::write(path("certs/all.pem"), format!("{key}{}", fs::read_to_string(path("valid.pem")).unwrap())).unwrap();
    fs::write(path("certs/key.pem"), &key).unwrap();
    fs::write(path("certs/notes.pem"), "no certificate at all").unwrap();
    fs::write(path("certs/cut.pem"), "-----BEGIN CERTIFICATE-----\nMIIB\n").unwrap();
    lab.openssl("x509 -in expired.pem -outform DER -out certs/deep/expired.der");
    let answer = lab.observe(Spec { files: vec!["certs/*.pem".into(), "certs/**/*.der".into()], ..Spec::default() }).await;
    let places: Vec<_> = answer.items.iter().map(|item| (&*item.name, text(item, "file").unwrap(), list(item, "chain").len())).collect();
    assert_eq!(places, [("certs/all.pem", "certs/all.pem", 1), ("certs/deep/expired.der", "certs/deep/expired.der", 0)]);
    assert!(answer.items.iter().all(|item| !item.attributes.contains("chainVerifies")));
    assert!(!answer.complete);
    let error = answer.error.as_deref().unwrap();
    assert!(
        error.contains("certs/notes.pem: it is not an X.509 certificate") && error.contains("certs/cut.pem: the PEM section on line 1 does not end"),
        "{error}"
    );
    let secret = key.lines().nth(1).unwrap();
    assert!(!format!("{answer:?}").contains(secret) && !error.contains("key.pem"), "{error}");
}

#[tokio::test]
async fn without_readable_authorities_no_chain_is_judged() {
    let Some(lab) = Lab::new() else { return };
    let (_nginx, ports) = lab.nginx(&[("valid", "")]);
    fs::write(lab.path("authorities.pem"), "nonsense").unwrap();
    let answer = lab.endpoints(&[format!("pay.example.com:{}", ports[0])]).await;
    assert!(!answer.complete && answer.error.as_deref().unwrap().contains("no chain was verified"), "{:?}", answer.error);
    assert_eq!((flag(&answer.items[0], "chainVerifies"), flag(&answer.items[0], "hostNameVerifies")), (None, Some(true)));
}
