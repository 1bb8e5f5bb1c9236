//! What whoever runs `bowline run` looks after it by: metrics, probes, the log as JSON, traces, and an end in time.
//!
//! Metrics are read by Prometheus' own `promtool`. No collector of traces can be had here, so a small one in this file stands
//! in for it: it decodes what it is sent with OpenTelemetry's own Protobuf types.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use peers::scripted::Scripted;
use peers::{program, skip};
use prost::Message;
use serde_json::Value;
use support::running::{Running, exchange, until};
use support::{AT, Place};

/// A token that must show nowhere.
const CANARY: &str = "canary-4711-token-of-the-forge";

/// The example, passed over each second.
fn harbour() -> Place {
    let place = Place::harbour();
    let estate = place.read("bowline.yaml").replace("interval: 5m", "interval: 1s");
    place.write("bowline.yaml", &estate);
    place.commit_all("Another interval");
    place
}

/// The example, whose change requests go to a GitHub that knows no such token and says it back.
fn hosted() -> (Place, Scripted) {
    let place = harbour();
    let server = Scripted::start(place.estate().parent().unwrap(), |_| {
        let body = format!(r#"{{"message": "Bad credentials: {CANARY}"}}"#);
        format!("HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nX-RateLimit-Limit: 60\r\nX-RateLimit-Remaining: 57\r\nX-RateLimit-Reset: 4102444800\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
    });
    let forge = format!("  forge: {{github: {{url: \"https://localhost:{}\", repository: ops/harbour, credentials: forge}}}}\n", server.port);
    place.write("bowline.yaml", &place.read("bowline.yaml").replacen("spec:\n", &format!("spec:\n{forge}"), 1));
    place.commit_all("Another forge");
    place.write("../credentials.yaml", &format!("- {{name: forge, token: {{env: FORGE_TOKEN}}, hosts: [\"localhost:{}\"]}}\n", server.port));
    (place, server)
}

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.command(&[&["run", ".", "--at", AT], arguments].concat());
    command.env("FORGE_TOKEN", CANARY);
    command
}

fn speaks_to(command: &mut Command, server: &Scripted) {
    command.env("SSL_CERT_FILE", &server.authority_file).env("BOWLINE_CREDENTIALS", "../credentials.yaml");
}

fn get(address: &str, path: &str, accept: &str) -> (String, String) {
    let answer = exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// The metrics once this stands in them.
#[track_caller]
fn scraped(address: &str, line: &str) -> String {
    let mut last = String::new();
    until(|| {
        last = get(address, "/metrics", "*/*").1;
        last.contains(line).then(|| last.clone())
    })
    .unwrap_or_else(|| panic!("never `{line}`:\n{last}"))
}

const AFTER: &str = "Metrics at http://";

#[test]
fn metrics_tell_what_a_real_pass_found_and_did() {
    let place = harbour();
    let mut running = Running::start(&mut command(&place, &["--metrics", "127.0.0.1:0"]));
    let address = running.address_after(AFTER);
    let text = scraped(&address, "outcome=\"success\"");
    for line in [
        "bowline_build_info{version=\"",
        "bowline_findings{estate=\"harbour\",kind=\"Changed\",severity=\"",
        "bowline_changes{estate=\"harbour\",phase=\"Proposed\"} ",
        "bowline_changes{estate=\"harbour\",phase=\"Rejected\"} 0\n",
        "bowline_items_declared{estate=\"harbour\"} ",
        "bowline_source_complete{estate=\"harbour\",source=\"vcenter\"} 1\n",
        "bowline_source_items{estate=\"harbour\",source=\"vcenter\"} ",
        "bowline_discovery_duration_seconds_count{estate=\"harbour\",source=\"vcenter\"} ",
        "bowline_reconcile_duration_seconds_bucket{estate=\"harbour\",outcome=\"success\",le=\"+Inf\"} ",
        "bowline_last_success_timestamp_seconds{estate=\"harbour\"} ",
    ] {
        assert!(text.contains(line), "{line}\n in\n{text}");
    }
    let (head, body) = get(&address, "/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert!(head.contains("application/openmetrics-text; version=1.0.0") && body.ends_with("# EOF\n"), "{head}");
    assert!(get(&address, "/healthz", "*/*").0.starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/readyz", "*/*").0.starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/webhooks/gitea", "*/*").0.starts_with("HTTP/1.1 404"), "webhooks are not served here");
    assert_eq!(running.terminate().0, Some(0));
}

#[test]
fn promtool_finds_nothing_to_say_about_the_metrics() {
    let Some(promtool) = program("promtool") else { return skip("promtool (Debian's package prometheus) is not installed") };
    let (place, server) = hosted();
    let mut command = command(&place, &["--metrics", "127.0.0.1:0"]);
    speaks_to(&mut command, &server);
    let running = Running::start(&mut command);
    let text = scraped(&running.address_after(AFTER), "outcome=\"failure\"");
    let mut check = Command::new(promtool).args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    check.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

#[test]
fn requests_to_a_forge_and_its_quota_are_measured_and_its_address_is_not() {
    let (place, server) = hosted();
    let mut command = command(&place, &["--metrics", "127.0.0.1:0"]);
    speaks_to(&mut command, &server);
    let running = Running::start(&mut command);
    let text = scraped(&running.address_after(AFTER), "outcome=\"failure\"");
    for line in [
        "bowline_forge_requests_total{estate=\"harbour\",forge=\"GitHub\",method=\"GET\",code=\"4xx\"} ",
        "bowline_forge_quota_remaining{estate=\"harbour\",forge=\"GitHub\"} 57\n",
        "bowline_forge_quota_limit{estate=\"harbour\",forge=\"GitHub\"} 60\n",
    ] {
        assert!(text.contains(line), "{line}\n in\n{text}");
    }
    for hidden in [CANARY, "localhost", "ops/harbour"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[test]
fn before_the_first_good_pass_it_lives_and_is_not_ready() {
    let (place, server) = hosted();
    let mut command = command(&place, &[]);
    speaks_to(&mut command, &server);
    // A variable does what the option does.
    let running = Running::start(command.env("BOWLINE_METRICS", "127.0.0.1:0"));
    let address = running.address_after(AFTER);
    scraped(&address, "outcome=\"failure\"");
    assert!(get(&address, "/healthz", "*/*").0.starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/readyz", "*/*").0.starts_with("HTTP/1.1 503"));
}

#[test]
fn an_address_of_the_metrics_that_is_taken_is_an_error_at_once() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let ran = harbour().bowline(&["run", ".", "--metrics", &taken.local_addr().unwrap().to_string()]).ends_with(1);
    assert!(ran.stderr.contains("cannot listen on"), "{}", ran.stderr);
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn as_json_each_line_of_the_log_is_json_and_each_pass_one_line() {
    let place = harbour();
    place.write("broken.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: x\n");
    place.commit_all("A broken document");
    let mut running = Running::start(&mut command(&place, &["--log-format", "json", "--metrics", "127.0.0.1:0"]));
    let passes = || lines(&running.stderr()).into_iter().filter(|line| line["message"] == "pass").collect::<Vec<_>>();
    let passes = until(|| Some(passes()).filter(|passes| passes.len() >= 3)).expect("three passes");
    let first = &passes[0];
    assert_eq!((&first["estate"], &first["outcome"], &first["level"]), (&"harbour".into(), &"success".into(), &"INFO".into()), "{first}");
    for field in ["duration_seconds", "discovery_seconds"] {
        assert!(first[field].as_f64().is_some_and(|seconds| seconds > 0.0 && seconds < 60.0), "{field}: {first}");
    }
    for field in ["declared", "discovered", "findings", "opened", "open"] {
        assert!(first[field].as_u64().is_some_and(|count| count > 0), "{field}: {first}");
    }
    assert_eq!(first["failed"], 0);
    assert!(first["timestamp"].as_str().is_some_and(|time| time.parse::<jiff::Timestamp>().is_ok()));
    assert!(first["problems"].as_str().is_some_and(|problems| problems.contains("bowline check")), "{first}");
    assert_eq!(passes[1]["opened"], 0, "a pass that does nothing is a line, too");
    assert_eq!(running.terminate().0, Some(0));
    lines(&running.stderr());
}

#[test]
fn as_json_a_failure_is_a_line_of_json_without_the_secret() {
    let (place, server) = hosted();
    let mut command = command(&place, &["-vv"]);
    speaks_to(&mut command, &server);
    let running = Running::start(command.env("BOWLINE_LOG_FORMAT", "json"));
    running.says("\"outcome\":\"failure\"");
    let said = running.stderr();
    let failed = lines(&said).into_iter().find(|line| line["outcome"] == "failure").unwrap();
    assert_eq!(failed["level"], "WARN");
    assert!(failed["problems"].as_str().is_some_and(|problems| problems.contains("GitHub")), "{failed}");
    assert!(!said.contains(CANARY), "{said}");
    let ran = place.bowline(&["run", ".", "--log-format", "json", "--listen", "127.0.0.1:0", "--webhook-secret", "nobody"]).ends_with(1);
    assert_eq!(lines(&ran.stderr).last().unwrap()["level"], "ERROR", "{}", ran.stderr);
}

/// A collector that stands in for a real one.
struct Collector {
    endpoint: String,
    received: Arc<Mutex<Vec<u8>>>,
    requests: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    heads: Arc<Mutex<String>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self { endpoint, received: Arc::default(), requests: Arc::default(), heads: Arc::default() };
        let (received, requests, heads) = (collector.received.clone(), collector.requests.clone(), collector.heads.clone());
        // It ends with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (received, requests, heads) = (received.clone(), requests.clone(), heads.clone());
                std::thread::spawn(move || {
                    let mut stream = BufReader::new(stream);
                    while let Some((head, body)) = take(&mut stream) {
                        requests.lock().unwrap().push(ExportTraceServiceRequest::decode(&*body).unwrap());
                        received.lock().unwrap().extend(body);
                        heads.lock().unwrap().push_str(&head);
                        let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
                        stream.get_mut().write_all(answer.as_bytes()).unwrap();
                    }
                });
            }
        });
        collector
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock().unwrap();
        let scopes = requests.iter().flat_map(|request| &request.resource_spans).flat_map(|resource| &resource.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// What the process says about itself.
    fn resource(&self) -> BTreeMap<String, String> {
        let requests = self.requests.lock().unwrap();
        let resource = requests.first().and_then(|request| request.resource_spans.first()?.resource.clone()).unwrap_or_default();
        resource.attributes.iter().map(|attribute| (attribute.key.clone(), shown(attribute.value.as_ref().and_then(|value| value.value.as_ref())))).collect()
    }
}

/// One request: its head and its body.
fn take(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (stream.read_line(&mut head).ok()? > 0).then_some(())?;
    }
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn shown(value: Option<&Any>) -> String {
    match value {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::BoolValue(truth)) => truth.to_string(),
        _ => String::new(),
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(shown(found.value.as_ref()?.value.as_ref()))
}

#[test]
fn a_pass_is_a_trace_of_what_it_did_and_shows_nothing_secret() {
    let (place, server) = hosted();
    let collector = Collector::start();
    let mut command = command(&place, &["-vv"]);
    speaks_to(&mut command, &server);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let mut running = Running::start(command.env("OTEL_SERVICE_NAME", "bowline-of-the-port"));
    let whole = until(|| collector.spans().into_iter().find(|span| span.name == "pass")).expect("a pass");
    let spans: Vec<Span> = collector.spans().into_iter().filter(|span| span.trace_id == whole.trace_id).collect();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    assert!(whole.parent_span_id.is_empty(), "a pass is the root");
    assert_eq!(attribute(&whole, "estate").as_deref(), Some("harbour"));
    assert_eq!(attribute(&whole, "outcome").as_deref(), Some("failure"));
    for name in ["read", "discover", "plan", "settle"] {
        assert!(!named(name).is_empty(), "{name}");
        assert!(named(name).iter().all(|span| span.parent_span_id == whole.span_id), "{name} is part of the pass");
    }
    let sources: Vec<_> = named("discover").iter().filter_map(|span| attribute(span, "source")).collect();
    assert!(sources.contains(&"vcenter".to_owned()), "{sources:?}");
    let vcenter = named("discover").into_iter().find(|span| attribute(span, "source").as_deref() == Some("vcenter")).unwrap().clone();
    assert_eq!(attribute(&vcenter, "complete").as_deref(), Some("true"));
    let request = named("forge.request").first().copied().expect("a request").clone();
    assert_eq!(request.parent_span_id, named("settle")[0].span_id);
    assert_eq!(attribute(&request, "http.response.status_code").as_deref(), Some("401"));
    assert_eq!(attribute(&request, "http.request.method").as_deref(), Some("GET"));
    assert_eq!(collector.resource()["service.name"], "bowline-of-the-port");
    assert!(collector.heads.lock().unwrap().contains("POST /v1/traces"));
    assert_eq!(running.terminate().0, Some(0));
    let sent = String::from_utf8_lossy(&collector.received.lock().unwrap()).into_owned();
    for hidden in [CANARY, "Bad credentials", "localhost", "16Gi"] {
        assert!(!sent.contains(hidden), "{hidden} was sent");
    }
    assert!(spans.iter().all(|span| span.events.is_empty()), "lines of the log are no part of a trace");
}

#[test]
fn what_is_left_is_sent_when_it_stops() {
    let place = harbour();
    let collector = Collector::start();
    let mut running = Running::start(
        command(&place, &[]).env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("{}/v1/traces", collector.endpoint)).env("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    );
    running.says("opened");
    assert!(collector.spans().is_empty());
    assert_eq!(running.terminate().0, Some(0));
    assert!(collector.spans().iter().any(|span| span.name == "pass"));
    assert_eq!(collector.resource()["service.name"], "bowline", "where nobody says otherwise");
}

#[test]
fn a_collector_that_is_down_is_one_warning_and_holds_up_no_pass() {
    let place = harbour();
    let nobody = format!("http://127.0.0.1:{}", peers::free_port());
    let mut command = command(&place, &["--metrics", "127.0.0.1:0"]);
    let mut running = Running::start(command.env("OTEL_EXPORTER_OTLP_ENDPOINT", nobody).env("OTEL_BSP_SCHEDULE_DELAY", "50"));
    running.says("traces cannot be sent");
    let address = running.address_after(AFTER);
    let passes = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("bowline_reconcile_duration_seconds_count{estate=\"harbour\",outcome=\"success\"}"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u32>().ok()).unwrap_or_default()
    };
    until(|| (passes(&get(&address, "/metrics", "*/*").1) >= 4).then_some(())).expect("passes go on");
    assert_eq!(running.stderr().matches("traces cannot be sent").count(), 1, "{}", running.stderr());
    assert_eq!(running.terminate().0, Some(0));
}

#[test]
fn a_signal_ends_it_within_ten_seconds_though_the_collector_never_answers_and_scrapes_hang() {
    let place = harbour();
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let mut command = command(&place, &["--metrics", "127.0.0.1:0", "--log-format", "json"]);
    let mut running = Running::start(command.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "50"));
    let address = running.address_after(AFTER);
    scraped(&address, "outcome=\"success\"");
    let _hanging: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let (code, took) = running.terminate();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_protocol_that_is_not_spoken_is_an_error_at_once_and_check_sends_nothing() {
    let place = harbour();
    let ran =
        place.command(&["run", "."]).env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1").env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("http/protobuf"));
    let collector = Collector::start();
    place.command(&["check", "."]).env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint).output().unwrap();
    assert!(collector.heads.lock().unwrap().is_empty(), "a check makes no call over the network");
}
