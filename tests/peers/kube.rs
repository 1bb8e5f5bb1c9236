//! Kubernetes' API server and etcd themselves, as `tests/peers/get/kube` builds them: one pair a test process, each test with
//! namespaces of its own. No controller runs: nothing is garbage-collected, a deleted namespace stays `Terminating`, there is
//! no account `default`, and `view`, `edit` and `admin` allow nothing before [`Kube::aggregate_roles`].

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bowline::api::{Kind, definitions};
use serde_json::Value;

use super::authority::Authority;
use super::{free_port, program, skip};

/// What `apt-get install` must bring; Go builds the rest where it is not there yet.
pub const PACKAGES: [&str; 2] = ["util-linux", "golang-go"];

/// The users of the tokens file. Only `admin` may do anything.
const USERS: [&str; 5] = ["admin", "bowline", "other", "author", "board"];
/// Ends the servers and removes their folder when its own input ends, however the test process ends. A process cannot do
/// that by itself: nothing static is dropped. The servers' process ids stand in files, which are gone where one is ended.
const WATCHDOG: &str = r#"read -r _
cd "$1" || exit
for file in *.pid; do [ -e "$file" ] && kill -KILL "$(cat "$file")"; done
tries=0
while rm -rf "$1" || true; [ -e "$1" ] && [ "$tries" -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done"#;
/// Writes its own process id, then becomes the server.
const SERVER: &str = r#"echo "$$" >"$1"; shift; exec "$@""#;
/// Who did what, without the bodies. What the server does to itself says nothing about a client.
const AUDIT_POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    users: ["system:apiserver"]
  - level: Metadata
"#;
/// Both servers have cores to share with the test and with whatever builds meanwhile.
const PATIENCE: Duration = Duration::from_mins(3);

/// A server that runs. Clones speak of the same one; the last clone of one's own ends it.
#[derive(Clone)]
pub struct Kube(Arc<Servers>);

struct Servers {
    folder: PathBuf,
    binaries: PathBuf,
    url: String,
    api_port: u16,
    etcd_ports: (u16, u16),
    tokens: [String; USERS.len()],
    client: OnceLock<reqwest::blocking::Client>,
    namespaces: AtomicU32,
    installed: Mutex<bool>,
    etcd: Mutex<Option<Child>>,
    api: Mutex<Option<Child>>,
    watchdog: Mutex<Option<Child>>,
}

/// What a program said and how it ended.
#[derive(Clone, Debug)]
pub struct Said {
    /// Whether it ended well.
    pub success: bool,
    /// Its exit code; none: a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    /// What it printed; it must have ended well.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.success, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// Its complaint; it must not have ended well.
    #[track_caller]
    pub fn refused(self) -> String {
        assert!(!self.success, "it was not refused: {}", self.stdout);
        self.stderr
    }
}

impl Kube {
    /// The server of this test process. None, with the reason said, where it cannot be had; one that is there and does not
    /// start is a failure.
    pub fn start() -> Option<Self> {
        static SHARED: OnceLock<Result<Kube, String>> = OnceLock::new();
        let binaries = said(needed())?;
        Some(SHARED.get_or_init(|| start(binaries)).clone().unwrap_or_else(|reason| panic!("{reason}")))
    }

    /// A server that no other test has, for a test that ends it or stops it. It is gone with its last clone.
    pub fn own() -> Option<Self> {
        let binaries = said(needed())?;
        Some(start(binaries).unwrap_or_else(|reason| panic!("{reason}")))
    }

    /// The folder with `kube-apiserver`, `etcd` and `kubectl`. None, with the reason said, where there is none.
    pub fn binaries() -> Option<PathBuf> {
        said(binaries())
    }

    /// Its address without a slash at the end: `https://127.0.0.1:PORT`. The same after a restart.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The file with the authority that signed its certificate, in PEM.
    pub fn ca(&self) -> PathBuf {
        self.0.folder.join("ca.pem")
    }

    /// The bearer token of a user.
    #[track_caller]
    pub fn token(&self, user: &str) -> &str {
        let place = USERS.iter().position(|known| *known == user);
        &self.0.tokens[place.unwrap_or_else(|| panic!("no user {user}: {USERS:?}"))]
    }

    /// The kubeconfig of a user. `admin` is in `system:masters`; every other user may do what any authenticated one may.
    #[track_caller]
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.token(user);
        self.0.folder.join(format!("{user}.kubeconfig"))
    }

    /// kubectl as admin.
    pub fn kubectl(&self, arguments: &[&str]) -> Said {
        self.kubectl_as("admin", arguments)
    }

    /// kubectl as this user.
    pub fn kubectl_as(&self, user: &str, arguments: &[&str]) -> Said {
        self.kubectl_with(user, arguments, "")
    }

    /// kubectl as this user, with this on its standard input.
    pub fn kubectl_with(&self, user: &str, arguments: &[&str], input: &str) -> Said {
        let mut command = Command::new(self.0.binaries.join("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig(user)).args(arguments);
        command.env("HOME", &self.0.folder).env_remove("KUBECONFIG").current_dir(&self.0.folder);
        run(&mut command, input)
    }

    /// `kubectl apply --server-side` of these documents, which must succeed.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        self.kubectl_with("admin", &["apply", "--server-side", "-f", "-"], yaml).ok();
    }

    /// A new namespace.
    #[track_caller]
    pub fn namespace(&self) -> String {
        let name = format!("test-{}", self.0.namespaces.fetch_add(1, Ordering::Relaxed));
        let body = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let (status, answer) = self.api("POST", "/api/v1/namespaces", Some(&body));
        assert_eq!(status, 201, "a namespace: {answer}");
        name
    }

    /// Bowline's kinds, applied and served. Once a server.
    #[track_caller]
    pub fn install_definitions(&self) {
        let mut installed = self.0.installed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *installed {
            return;
        }
        let mut documents = String::new();
        for kind in Kind::ALL {
            write!(documents, "---\n{}", serde_yaml::to_string(&definitions::definition(kind)).expect("YAML")).expect("text");
        }
        self.apply(&documents);
        let begun = Instant::now();
        for kind in Kind::ALL {
            let names = definitions::definition(kind).spec.names;
            // Served is more than Established: the first requests after that are still answered with 404.
            while self.api("GET", &format!("/apis/bowline.dev/v1alpha1/{}", names.plural), None).0 != 200 {
                assert!(begun.elapsed() < PATIENCE, "{kind} is not served");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        *installed = true;
    }

    /// Gives every `ClusterRole` that gathers others what those allow, as a controller of a whole cluster does.
    #[track_caller]
    pub fn aggregate_roles(&self) {
        const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
        // `admin` gathers `edit`, which gathers `view`.
        for _ in 0..3 {
            let all = self.api("GET", ROLES, None).1["items"].take();
            let all = all.as_array().expect("roles");
            for role in all.iter().filter(|role| role["aggregationRule"].is_object()) {
                let wanted = |other: &&Value| {
                    let mut selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array().into_iter().flatten();
                    selectors.any(|it| {
                        it["matchLabels"].as_object().is_some_and(|labels| labels.iter().all(|(name, value)| other["metadata"]["labels"][name] == *value))
                    })
                };
                let rules: Vec<&Value> = all.iter().filter(wanted).flat_map(|other| other["rules"].as_array().into_iter().flatten()).collect();
                let name = role["metadata"]["name"].as_str().expect("a name");
                let (status, answer) = self.api("PATCH", &format!("{ROLES}/{name}"), Some(&serde_json::json!({"rules": rules})));
                assert_eq!(status, 200, "{name}: {answer}");
            }
        }
    }

    /// A request as admin. The answer is null where it is not JSON.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.api_as("admin", method, path, body)
    }

    /// A request as this user. `PATCH` is a merge patch.
    #[track_caller]
    pub fn api_as(&self, user: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.ask(user, method, path, body).expect("an answer of the API server")
    }

    fn ask(&self, user: &str, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), reqwest::Error> {
        let servers = self.0.clone();
        let (token, method) = (self.token(user).to_owned(), method.to_owned());
        let (url, body) = (format!("{}{path}", self.0.url), body.map(Value::to_string));
        let ask = move || {
            let mut request = servers.client().request(method.parse().expect("a method"), url).bearer_auth(token);
            if let Some(body) = body {
                let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
                request = request.header("Content-Type", kind).body(body);
            }
            let answer = request.send()?;
            let status = answer.status().as_u16();
            Ok((status, serde_json::from_slice(&answer.bytes()?).unwrap_or_default()))
        };
        // On a thread of its own, so that tests on an async runtime may wait for it.
        std::thread::spawn(ask).join().expect("an answer")
    }

    /// Ends the API server at once. etcd keeps running.
    #[track_caller]
    pub fn kill_api_server(&self) {
        let mut api = self.0.api.lock().expect("a lock");
        let mut child = api.take().expect("an API server that runs");
        std::fs::remove_file(self.0.folder.join("api.pid")).ok();
        child.kill().expect("it ends");
        child.wait().expect("it has ended");
    }

    /// Starts the API server anew on the same port, after ending it where it still runs, and waits until it is ready.
    #[track_caller]
    pub fn restart_api_server(&self) {
        if self.0.api.lock().expect("a lock").is_some() {
            self.kill_api_server();
        }
        self.start_api_server().expect("the API server starts");
    }

    /// Stops etcd (SIGSTOP): requests to the API server hang.
    #[track_caller]
    pub fn stop_etcd(&self) {
        self.signal_etcd("-STOP");
    }

    /// Lets etcd continue.
    #[track_caller]
    pub fn continue_etcd(&self) {
        self.signal_etcd("-CONT");
    }

    #[track_caller]
    fn signal_etcd(&self, signal: &str) {
        let id = self.0.etcd.lock().expect("a lock").as_ref().expect("an etcd that runs").id();
        assert!(Command::new("kill").arg(signal).arg(id.to_string()).status().is_ok_and(|status| status.success()), "kill {signal}");
    }

    /// Every answered request so far, in their order: audit events of the stage `ResponseComplete`. What the API server asks
    /// of itself is left out. Watches are here when they end.
    pub fn audit(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.0.folder.join("audit.log")).unwrap_or_default();
        let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.filter(|event| event["stage"] == "ResponseComplete").collect()
    }

    /// The last lines that the API server has logged.
    pub fn log(&self) -> String {
        end_of(&self.0.folder.join("api.log"))
    }

    fn start_api_server(&self) -> Result<(), String> {
        let at = |name: &str| self.0.folder.join(name).display().to_string();
        let mut line = vec![self.0.binaries.join("kube-apiserver").display().to_string()];
        let settings = [
            ("etcd-servers", format!("http://127.0.0.1:{}", self.0.etcd_ports.0)),
            ("bind-address", "127.0.0.1".into()),
            ("secure-port", self.0.api_port.to_string()),
            ("endpoint-reconciler-type", "none".into()),
            ("cert-dir", at("certificates")),
            ("tls-cert-file", at("server.pem")),
            ("tls-private-key-file", at("server.key")),
            ("service-account-issuer", "https://kubernetes.default.svc".into()),
            ("service-account-key-file", at("accounts.pub")),
            ("service-account-signing-key-file", at("accounts.key")),
            ("service-cluster-ip-range", "10.0.0.0/24".into()),
            ("token-auth-file", at("tokens.csv")),
            ("authorization-mode", "RBAC".into()),
            ("disable-admission-plugins", "ServiceAccount".into()),
            ("audit-policy-file", at("audit.yaml")),
            ("audit-log-path", at("audit.log")),
        ];
        line.extend(settings.map(|(name, value)| format!("--{name}={value}")));
        let mut child = self.0.server("api", &line)?;
        let begun = Instant::now();
        loop {
            if let Ok(Some(ended)) = child.try_wait() {
                return Err(format!("kube-apiserver ends at once ({ended}): {}", self.log()));
            }
            if self.ask("admin", "GET", "/readyz", None).is_ok_and(|(status, _)| status == 200) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                child.kill().ok();
                return Err(format!("kube-apiserver is not ready within {PATIENCE:?}: {}", self.log()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        *self.0.api.lock().map_err(|error| error.to_string())? = Some(child);
        Ok(())
    }
}

impl Servers {
    /// Starts a program that the watchdog ends.
    fn server(&self, name: &str, line: &[String]) -> Result<Child, String> {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join(format!("{name}.log")));
        let log = log.map_err(|error| error.to_string())?;
        let mut command = Command::new("sh");
        command.args(["-c", SERVER, name]).arg(self.folder.join(format!("{name}.pid"))).args(line);
        command.env("HOME", &self.folder).env_remove("KUBECONFIG").current_dir(&self.folder);
        // A group of its own: Ctrl-C at a terminal is for the test, and the watchdog ends its servers.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone().map_err(|error| error.to_string())?).stderr(log);
        command.spawn().map_err(|error| error.to_string())
    }

    fn client(&self) -> reqwest::blocking::Client {
        let make = || {
            rustls::crypto::ring::default_provider().install_default().ok();
            let ca = std::fs::read(self.folder.join("ca.pem")).expect("the authority");
            let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate");
            let client = reqwest::blocking::Client::builder().no_proxy().tls_certs_only([ca]).timeout(Duration::from_mins(1));
            client.build().expect("an HTTP client")
        };
        self.client.get_or_init(make).clone()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // A client of this kind may not be dropped on an async runtime.
        if let Some(client) = self.client.take() {
            std::thread::spawn(move || drop(client)).join().ok();
        }
        let children = [&mut self.api, &mut self.etcd].map(|child| child.get_mut().ok().and_then(Option::take));
        for mut child in children.into_iter().flatten() {
            child.kill().ok();
            child.wait().ok();
        }
        for name in ["api.pid", "etcd.pid"] {
            std::fs::remove_file(self.folder.join(name)).ok();
        }
        if let Some(mut watchdog) = self.watchdog.get_mut().ok().and_then(Option::take) {
            drop(watchdog.stdin.take());
            watchdog.wait().ok();
        }
    }
}

/// The program `helm`, as `tests/peers/get/helm` builds it. None, with the reason said, where it cannot be had.
pub fn helm() -> Option<PathBuf> {
    said(script("helm").and_then(|helm| if helm.is_file() { Ok(helm) } else { Err("helm cannot be built: its script names no program".into()) }))
}

fn said<T>(had: Result<T, String>) -> Option<T> {
    had.inspect_err(|reason| skip(reason)).ok()
}

fn binaries() -> Result<PathBuf, String> {
    let whole = |folder: &Path| ["kube-apiserver", "etcd", "kubectl"].into_iter().find(|name| !folder.join(name).is_file());
    if let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()).map(PathBuf::from) {
        return whole(&folder).map_or(Ok(folder), |missing| Err(format!("KUBEBUILDER_ASSETS has no {missing}")));
    }
    let folder = script("kube")?;
    whole(&folder).map_or(Ok(folder), |missing| Err(format!("kube cannot be built: there is no {missing}")))
}

/// What a script of `tests/peers/get` prints.
fn script(name: &str) -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/get").join(name);
    let output = Command::new(script).stdin(Stdio::null()).output().map_err(|error| format!("{name} cannot be built: {error}"))?;
    if output.status.success() {
        return Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let why = String::from_utf8_lossy(&output.stderr);
    Err(format!("{name} cannot be built: {}", why.trim().lines().last().unwrap_or("its script says nothing")))
}

/// What must be there for a server: the folder of its programs.
fn needed() -> Result<PathBuf, String> {
    if program("kill").is_none() {
        return Err("kill (procps) is not installed".into());
    }
    binaries()
}

fn start(binaries: PathBuf) -> Result<Kube, String> {
    let folder = tempfile::Builder::new().prefix("bowline-kube-").tempdir().map_err(|error| error.to_string())?.keep();
    let api_port = free_port();
    // A token must not be part of any other text, for tests that look for it in what was said.
    let tokens = USERS.map(|user| format!("{user}-only-for-tests-{:08x}", api_port.wrapping_mul(40_503)));
    let url = format!("https://127.0.0.1:{api_port}");
    let kube = Kube(Arc::new(Servers {
        folder,
        binaries,
        url,
        api_port,
        etcd_ports: (free_port(), free_port()),
        tokens,
        client: OnceLock::new(),
        namespaces: AtomicU32::new(1),
        installed: Mutex::new(false),
        etcd: Mutex::new(None),
        api: Mutex::new(None),
        watchdog: Mutex::new(None),
    }));
    write_files(&kube).map_err(|error| error.to_string())?;
    let mut watchdog = Command::new("sh");
    watchdog.args(["-c", WATCHDOG, "watchdog"]).arg(&kube.0.folder);
    watchdog.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    *kube.0.watchdog.lock().map_err(|error| error.to_string())? = Some(watchdog.spawn().map_err(|error| error.to_string())?);
    start_etcd(&kube)?;
    kube.start_api_server()?;
    Ok(kube)
}

fn start_etcd(kube: &Kube) -> Result<(), String> {
    let servers = &kube.0;
    let (client, peer) = (format!("http://127.0.0.1:{}", servers.etcd_ports.0), format!("http://127.0.0.1:{}", servers.etcd_ports.1));
    let mut line = vec![servers.binaries.join("etcd").display().to_string(), "--unsafe-no-fsync".into()];
    let settings = [
        ("data-dir", servers.folder.join("etcd").display().to_string()),
        ("listen-client-urls", client.clone()),
        ("advertise-client-urls", client),
        ("listen-peer-urls", peer.clone()),
        ("initial-advertise-peer-urls", peer.clone()),
        ("initial-cluster", format!("default={peer}")),
        ("log-level", "warn".into()),
    ];
    line.extend(settings.map(|(name, value)| format!("--{name}={value}")));
    *servers.etcd.lock().map_err(|error| error.to_string())? = Some(servers.server("etcd", &line)?);
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if std::net::TcpStream::connect(("127.0.0.1", servers.etcd_ports.0)).is_ok() {
            return Ok(());
        }
        let ended = servers.etcd.lock().map_err(|error| error.to_string())?.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|it| it.is_some()));
        if ended {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("etcd does not start: {}", end_of(&servers.folder.join("etcd.log"))))
}

/// Certificates, keys, tokens, kubeconfigs and the audit policy.
fn write_files(kube: &Kube) -> std::io::Result<()> {
    let folder = &kube.0.folder;
    let authority = Authority::new();
    authority.write(&kube.ca());
    let (certificate, key) = authority.issue(&["127.0.0.1", "localhost", "kubernetes.default.svc"]);
    std::fs::write(folder.join("server.pem"), certificate)?;
    std::fs::write(folder.join("server.key"), key)?;
    let accounts = rcgen::KeyPair::generate().map_err(std::io::Error::other)?;
    std::fs::write(folder.join("accounts.key"), accounts.serialize_pem())?;
    std::fs::write(folder.join("accounts.pub"), accounts.public_key_pem())?;
    std::fs::write(folder.join("audit.yaml"), AUDIT_POLICY)?;
    let mut tokens = String::new();
    for user in USERS {
        let (token, groups) = (kube.token(user), if user == "admin" { ",system:masters" } else { "" });
        writeln!(tokens, "{token},{user},{user}{groups}").ok();
        let config = serde_json::json!({"apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": kube.url(), "certificate-authority": kube.ca()}}],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user, "namespace": "default"}}]});
        std::fs::write(folder.join(format!("{user}.kubeconfig")), config.to_string())?;
    }
    std::fs::write(folder.join("tokens.csv"), tokens)
}

/// Runs a program to its end.
fn run(command: &mut Command, input: &str) -> Said {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let (mut stdin, input) = (child.stdin.take().expect("its input"), input.to_owned());
    // While its output is read: either side may have more to say than a pipe holds.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("a thread").ok();
    Said {
        success: output.status.success(),
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The last lines of a log.
fn end_of(file: &Path) -> String {
    let log = std::fs::read(file).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
