//! Scans by nmap as a source: the real nmap over ports of this machine that the test opens, and files as it writes them, whole, cut short and hostile.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
mod support;

use std::io::{Cursor, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bowline::api::discovery_source::NmapSource as Spec;
use bowline::discovery::file::{Files, Folder};
use bowline::discovery::nmap::NmapSource;
use bowline::discovery::{Answer, Source};
use jiff::Timestamp;
use peers::program;
use serde_json::{Value, json};
use support::Place;

/// One file, whatever its path.
struct Memory(Vec<u8>);

impl Files for Memory {
    fn open(&self, _: &str) -> Result<Box<dyn Read + Send>, String> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
}

fn spec() -> Spec {
    Spec { path: "observed/scan.xml".into(), ..Spec::default() }
}

async fn read_with(spec: &Spec, files: Arc<dyn Files>) -> Answer {
    NmapSource::new("scan".into(), spec, files).observe(Timestamp::UNIX_EPOCH).await
}

async fn read(xml: impl AsRef<[u8]>) -> Answer {
    read_with(&spec(), Arc::new(Memory(xml.as_ref().to_vec()))).await
}

fn keys(answer: &Answer) -> Vec<&str> {
    answer.items.iter().map(|item| &*item.key).collect()
}

/// The reason for which an answer is incomplete.
#[track_caller]
fn refusal(answer: &Answer) -> &str {
    assert!(!answer.complete);
    answer.error.as_deref().unwrap()
}

fn attributes(answer: &Answer, item: usize) -> Value {
    Value::Object(answer.items[item].attributes.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect())
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE nmaprun>\n<?xml-stylesheet href=\"file:///usr/bin/../share/nmap/nmap.xsl\" type=\"text/xsl\"?>\n\
    <!-- Nmap 7.93 scan initiated as: nmap -oX scan.xml -&#45;version-light 192.0.2.0/24 -->\n\
    <nmaprun scanner=\"nmap\" args=\"nmap\" start=\"1795900000\" version=\"7.93\" xmloutputversion=\"1.05\">\n<scaninfo type=\"connect\" protocol=\"tcp\" numservices=\"2\" services=\"22,80\"/>\n";

/// The end of a scan that went well, of so many hosts that are up.
fn well(up: u32) -> String {
    format!(
        "<runstats><finished time=\"1795908510\" summary=\"Nmap done\" elapsed=\"7.35\" exit=\"success\"/><hosts up=\"{up}\" down=\"0\" total=\"{up}\"/>\n</runstats>\n</nmaprun>\n"
    )
}

/// A host that answers at port 22.
fn host(address: &str) -> String {
    format!(
        "<host starttime=\"1795908503\" endtime=\"1795908505\"><status state=\"up\" reason=\"syn-ack\" reason_ttl=\"0\"/>\n<address addr=\"{address}\" addrtype=\"ipv4\"/>\n\
         <hostnames>\n</hostnames>\n<ports><port protocol=\"tcp\" portid=\"22\"><state state=\"open\" reason=\"syn-ack\" reason_ttl=\"0\"/>\
         <service name=\"ssh\" method=\"table\" conf=\"3\"/></port>\n</ports>\n<times srtt=\"3247\" rttvar=\"4644\" to=\"100000\"/>\n</host>\n"
    )
}

fn scan(hosts: &[String], end: &str) -> String {
    format!("{HEAD}{}{end}", hosts.concat())
}

/// A device as a scan with `-A` from its own network tells of it.
const DEVICE: &str = r#"<hosthint><status state="up" reason="arp-response" reason_ttl="0"/><address addr="192.0.2.9" addrtype="ipv4"/></hosthint>
<host starttime="1795908503" endtime="1795908505"><status state="up" reason="arp-response" reason_ttl="0"/>
<address addr="192.0.2.1" addrtype="ipv4"/>
<address addr="52:54:00:12:34:56" addrtype="mac" vendor="QEMU &quot;virtual&quot; NIC"/>
<hostnames>
<hostname name="gw" type="user"/>
<hostname name="gw.example.com" type="PTR"/>
</hostnames>
<ports><extraports state="filtered" count="996"><extrareasons reason="no-response" count="996"/></extraports>
<port protocol="udp" portid="161"><state state="open" reason="udp-response" reason_ttl="64"/><service name="snmp" product="net-snmp; net-snmp SNMPv3 server" method="probed" conf="10"/></port>
<port protocol="tcp" portid="443"><state state="open" reason="syn-ack" reason_ttl="64"/><service name="http" product="nginx" version="1.22.1" tunnel="ssl" method="probed" conf="10"><cpe>cpe:/a:igor_sysoev:nginx:1.22.1</cpe></service><script id="http-title" output="&lt;b&gt;"><table key="a"><elem key="title">x</elem></table></script></port>
<port protocol="tcp" portid="22"><state state="open" reason="syn-ack" reason_ttl="64"/><service name="ssh" method="table" conf="3"/></port>
<port protocol="tcp" portid="25"><state state="closed" reason="reset" reason_ttl="64"/><service name="smtp" method="table" conf="3"/></port>
<port protocol="udp" portid="53"><state state="open|filtered" reason="no-response" reason_ttl="0"/><service name="domain" method="table" conf="3"/></port>
</ports>
<os><portused state="open" proto="tcp" portid="22"/>
<osmatch name="Linux 4.15 - 5.8" accuracy="98" line="67250"><osclass type="general purpose" vendor="Linux" osfamily="Linux" osgen="4.X" accuracy="98"><cpe>cpe:/o:linux:linux_kernel:4</cpe></osclass>
<osclass type="router" vendor="Other" osfamily="Other" accuracy="90"/></osmatch>
<osmatch name="Linux 2.6" accuracy="90" line="1"/>
</os>
<uptime seconds="100" lastboot="Sat Nov 28 23:28:22 2026"/>
<times srtt="433" rttvar="3775" to="100000"/>
</host>
"#;

#[tokio::test]
async fn a_host_is_an_item_with_its_addresses_names_open_ports_and_what_its_system_may_be() {
    let answer = read(scan(&[DEVICE.to_owned()], &well(1))).await;
    assert_eq!((answer.complete, answer.error.as_deref(), &*answer.evidence), (true, None, "observed/scan.xml"));
    let item = &answer.items[0];
    assert_eq!((&*item.key, &*item.class, &*item.name), ("192.0.2.1", "server", "gw.example.com"));
    assert_eq!(item.seen, Some("2026-11-28T23:28:25Z".parse().unwrap()), "when its own scan ended");
    let identifiers: Vec<(&str, &str)> = item.identifiers.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(identifiers, [("dns/fqdn", "gw.example.com"), ("nmap/address", "192.0.2.1")]);
    let expected = json!({
        "hostName": "gw", "ipAddresses": ["192.0.2.1"], "macAddresses": ["52:54:00:12:34:56"], "macVendor": "QEMU \"virtual\" NIC",
        "openPorts": [
            {"port": 22, "protocol": "tcp", "service": "ssh", "guessed": true},
            {"port": 443, "protocol": "tcp", "service": "http", "tunnel": "ssl", "product": "nginx", "version": "1.22.1", "cpe": ["cpe:/a:igor_sysoev:nginx:1.22.1"]},
            {"port": 161, "protocol": "udp", "service": "snmp", "product": "net-snmp; net-snmp SNMPv3 server"},
        ],
        "osGuess": {"name": "Linux 4.15 - 5.8", "accuracy": 98, "vendor": "Linux", "family": "Linux", "generation": "4.X", "type": "general purpose"},
    });
    assert_eq!(attributes(&answer, 0), expected);
}

#[tokio::test]
async fn the_source_says_the_class_and_whether_services_that_answered_are_items_that_run_on_their_host() {
    let spec = Spec { class: Some("network-device".into()), services: true, ..spec() };
    let answer = read_with(&spec, Arc::new(Memory(scan(&[DEVICE.to_owned()], &well(1)).into()))).await;
    let told: Vec<(&str, &str, &str)> = answer.items.iter().map(|item| (&*item.class, &*item.key, &*item.name)).collect();
    assert_eq!(
        told,
        [
            ("network-device", "192.0.2.1", "gw.example.com"),
            ("application", "192.0.2.1:443/tcp", "gw.example.com:443"),
            ("application", "192.0.2.1:161/udp", "gw.example.com:161/udp"),
        ],
        "what usually listens at port 22 is no item"
    );
    let relation = format!("{:?}", answer.items[1].relations);
    assert!(relation.contains("RunsOn") && relation.contains("gw.example.com"), "{relation}");
    assert_eq!(attributes(&answer, 1)["version"], "1.22.1");
}

#[tokio::test]
async fn what_is_down_and_what_only_the_user_called_up_are_no_items() {
    let down = host("192.0.2.2").replace("state=\"up\"", "state=\"down\"");
    let silent =
        host("192.0.2.3").replace("reason=\"syn-ack\" reason_ttl=\"0\"/>\n", "reason=\"user-set\" reason_ttl=\"0\"/>\n").replace("\"open\"", "\"filtered\"");
    let answering = silent.replace("192.0.2.3", "192.0.2.4").replace("\"filtered\"", "\"closed\"");
    let answer = read(scan(&[host("192.0.2.1"), down, silent, answering], &well(3))).await;
    assert_eq!((answer.complete, keys(&answer)), (true, vec!["192.0.2.1", "192.0.2.4"]));
}

#[tokio::test]
async fn a_scan_that_only_pings_is_seen_when_it_ended() {
    let pinged =
        "<host><status state=\"up\" reason=\"echo-reply\" reason_ttl=\"64\"/><address addr=\"2001:DB8::7\" addrtype=\"ipv6\"/><hostnames></hostnames></host>\n";
    let answer = read(scan(&[pinged.to_owned()], &well(1))).await;
    assert_eq!((answer.complete, keys(&answer)), (true, vec!["2001:db8::7"]));
    assert_eq!(answer.items[0].seen, Some(Timestamp::from_second(1_795_908_510).unwrap()));
}

#[tokio::test]
async fn wherever_a_file_is_cut_short_the_answer_is_incomplete_and_keeps_whole_hosts_only() {
    let whole = scan(&[host("192.0.2.1"), DEVICE.to_owned()], &well(2));
    let first_ends = whole.find("</host>").unwrap() + "</host>".len();
    let last = whole.trim_end().len();
    for cut in 0..last {
        let answer = read(&whole.as_bytes()[..cut]).await;
        assert!(!answer.complete && answer.error.is_some(), "at {cut}");
        assert_eq!(keys(&answer).contains(&"192.0.2.1"), cut >= first_ends, "at {cut}");
    }
    assert!(read(&whole.as_bytes()[..last]).await.complete);
    let answer = read(&whole.as_bytes()[..first_ends + 20]).await;
    assert!(refusal(&answer).contains("cut short"), "{:?}", answer.error);
}

#[tokio::test]
async fn a_scan_that_says_that_it_failed_or_says_nothing_of_its_end_is_incomplete() {
    let failed = well(1).replace("exit=\"success\"", "exit=\"error\" errormsg=\"route_dst_netlink: can't find\ninterface\"");
    assert_eq!(refusal(&read(scan(&[host("192.0.2.1")], &failed)).await), "nmap did not end well: route_dst_netlink: can't find interface");
    let answer = read(scan(&[host("192.0.2.1")], "</nmaprun>\n")).await;
    assert!(refusal(&answer).contains("does not say that it ended"));
    assert_eq!(keys(&answer), ["192.0.2.1"]);
    let answer = read(scan(&[host("192.0.2.1")], &well(2))).await;
    assert_eq!(refusal(&answer), "nmap says that 2 hosts are up, and the file tells of 1");
    let answer = read(scan(&["<target specification=\"nosuch.invalid\" status=\"skipped\" reason=\"invalid\"/>".to_owned()], &well(0))).await;
    assert_eq!(refusal(&answer), "nmap left out the target `nosuch.invalid`");
    assert!(refusal(&read(format!("{}{}", scan(&[], &well(0)), scan(&[], &well(0)))).await).contains("a second scan begins"));
}

#[tokio::test]
async fn what_is_no_scan_is_told_apart() {
    assert_eq!(refusal(&read("").await), "the file is empty");
    assert_eq!(refusal(&read("Starting Nmap 7.93\n").await), "line 1: this is no XML as nmap writes it with -oX");
    assert_eq!(refusal(&read("<html><body/></html>").await), "line 1: this is no XML as nmap writes it with -oX");
    assert_eq!(refusal(&read(b"<nmaprun>\n<host a=\"\xff\"/></nmaprun>").await), "line 2: this is no XML as nmap writes it with -oX");
    let gone = read_with(&spec(), Arc::new(Folder::new("/nonexistent"))).await;
    assert!(refusal(&gone).contains("does not exist"), "{:?}", gone.error);
}

// An XML that a stranger wrote: entities that multiply, that name files, elements without end.
#[tokio::test]
async fn entities_are_neither_expanded_nor_read_from_files() {
    for subset in ["<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;\">", "<!ENTITY b SYSTEM \"file:///etc/passwd\">"] {
        let text = scan(&[host("192.0.2.1")], &well(1)).replace("<!DOCTYPE nmaprun>", &format!("<!DOCTYPE nmaprun [{subset}]>"));
        assert!(refusal(&read(&text).await).contains("document type"), "{subset}");
    }
    let answer = read(scan(&[host("192.0.2.1").replace("name=\"ssh\"", "name=\"&b;\"")], &well(1))).await;
    assert!(refusal(&answer).contains("this is no XML") && answer.items.is_empty());
}

#[tokio::test]
async fn depth_size_and_attributes_are_bounded() {
    let answer = read(format!("{HEAD}{}", "<a>".repeat(1_000_000))).await;
    assert!(refusal(&answer).contains("deep"), "{:?}", answer.error);
    let answer = read(format!("{HEAD}<host a=\"{}\"/>", "x".repeat(17 << 20))).await;
    assert!(refusal(&answer).contains("16 MiB"), "{:?}", answer.error);
    let attributes: Vec<String> = (0..400_000).map(|number| format!("a{number}=\"\"")).collect();
    let begun = std::time::Instant::now();
    let answer = read(scan(&[format!("<host {}><status state=\"up\"/></host>", attributes.join(" "))], &well(1))).await;
    assert!(!answer.complete && begun.elapsed().as_secs() < 20, "{:?}", answer.error);
}

#[tokio::test]
async fn what_strangers_say_of_themselves_is_one_short_line() {
    let loud = format!("name=\"ssh\" product=\"a&#10;b&#x1b;[31m{}\" method=\"probed\"", "x".repeat(10_000));
    let answer = read(scan(&[host("192.0.2.1").replace("name=\"ssh\" method=\"table\"", &loud)], &well(1))).await;
    let product = attributes(&answer, 0)["openPorts"][0]["product"].as_str().unwrap().to_owned();
    assert!(product.starts_with("a b [31mx") && product.chars().count() == 200, "{product}");
}

/// Runs nmap over these ports of this machine, and over no other address.
fn nmap(folder: &Path, more: &[&str]) -> Option<Command> {
    let Some(nmap) = program("nmap") else {
        peers::skip("nmap is not installed");
        return None;
    };
    let mut command = Command::new(nmap);
    command.args(["-sT", "-Pn", "-n", "-oX", "scan.xml"]).args(more).arg("127.0.0.1").current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Some(command)
}

fn scan_file(folder: &Path) -> PathBuf {
    folder.join("scan.xml")
}

/// Says once what an SSH server says, to whoever comes.
fn greeting() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n");
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    });
    port
}

#[tokio::test]
async fn the_real_nmaps_scan_of_this_machine_is_read_with_its_services() {
    let folder = tempfile::tempdir().unwrap();
    let (open, closed) = (greeting(), peers::free_port());
    let ports = format!("{open},{closed}");
    let Some(mut nmap) = nmap(folder.path(), &["-sV", "--version-light", "-p", &ports]) else { return };
    assert!(nmap.status().unwrap().success());
    let spec = Spec { path: "scan.xml".into(), services: true, ..Spec::default() };
    let answer = read_with(&spec, Arc::new(Folder::new(folder.path()))).await;
    assert_eq!((answer.complete, answer.error.as_deref()), (true, None), "{}", std::fs::read_to_string(scan_file(folder.path())).unwrap());
    let listening = attributes(&answer, 0)["openPorts"].clone();
    assert_eq!(listening.as_array().unwrap().len(), 1, "{listening}");
    assert_eq!((&listening[0]["port"], &listening[0]["service"], &listening[0]["product"]), (&json!(open), &json!("ssh"), &json!("OpenSSH")));
    assert!(listening[0]["version"].as_str().unwrap().starts_with("9.2p1"));
    assert_eq!(keys(&answer), ["127.0.0.1".to_owned(), format!("127.0.0.1:{open}/tcp")]);
    let ago = Timestamp::now().duration_since(answer.items[0].seen.unwrap());
    assert!(ago.as_secs() < 60, "{ago:?}");
}

#[tokio::test]
async fn the_real_nmap_broken_off_gives_an_incomplete_answer() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut nmap) = nmap(folder.path(), &["--scan-delay", "5s", "-p", "1-100"]) else { return };
    let mut scanning = nmap.spawn().unwrap();
    let begun = support::running::until(|| std::fs::read_to_string(scan_file(folder.path())).ok().filter(|text| text.contains("<scaninfo")));
    assert!(begun.is_some());
    scanning.kill().unwrap();
    scanning.wait().unwrap();
    let answer = read_with(&Spec { path: "scan.xml".into(), ..Spec::default() }, Arc::new(Folder::new(folder.path()))).await;
    assert!(refusal(&answer).contains("cut short") && answer.items.is_empty());
}

#[tokio::test]
async fn the_real_nmap_that_gives_up_on_a_host_gives_an_incomplete_answer() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut nmap) = nmap(folder.path(), &["--host-timeout", "2s", "--scan-delay", "1s", "-p", "1-100"]) else { return };
    assert!(nmap.status().unwrap().success());
    let answer = read_with(&Spec { path: "scan.xml".into(), ..Spec::default() }, Arc::new(Folder::new(folder.path()))).await;
    assert_eq!(refusal(&answer), "nmap gave up on 127.0.0.1, which took longer than --host-timeout");
}

/// The program reads it as a user declares it, and what leads out of the estate is found by `check`.
#[test]
fn an_estate_declares_a_scan_and_a_plan_compares_it() {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: harbour}\nspec: {}\n");
    let source = |spec: &str| {
        format!("apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {{name: scan}}\nspec:\n  nmap: {spec}\n  scope: {{classes: [server]}}\n")
    };
    let item = |name: &str, fqdn: &str| {
        format!(
            "---\napiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: {name}}}\nspec: {{class: server, identifiers: {{dns/fqdn: {fqdn}}}}}\n"
        )
    };
    place.write("source.yaml", &source("{path: observed/scan.xml}"));
    place.write("items.yaml", &format!("{}{}", item("gw", "gw.example.com"), item("gone", "gone.example.com")));
    place.write("observed/scan.xml", &scan(&[DEVICE.to_owned()], &well(1)));
    let missing = |plan: &Value| -> Vec<String> {
        let findings = plan["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] == "Missing");
        findings.map(|finding| finding["item"].as_str().unwrap().to_owned()).collect()
    };
    let plan = place.bowline(&["plan", ".", "-o", "json", "--at", "2026-11-29T00:00:00Z"]).ends_with(0).json();
    assert_eq!(missing(&plan), ["gone"], "a whole scan does not name it: {plan}");
    place.write("observed/scan.xml", &scan(&[DEVICE.to_owned()], ""));
    let plan = place.bowline(&["plan", ".", "-o", "json", "--at", "2026-11-29T00:00:00Z"]).ends_with(0).json();
    assert!(missing(&plan).is_empty(), "a scan that was cut short says nothing of what it does not name: {plan}");
    assert_eq!(plan["sources"][0]["complete"], false);

    place.write("source.yaml", &source("{path: ../scan.xml}"));
    let checked = place.bowline(&["check", "."]).ends_with(2);
    assert!(checked.stdout.contains("path-outside-root") || checked.stderr.contains("path-outside-root"), "{checked:?}");
}
