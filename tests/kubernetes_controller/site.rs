//! The controller itself, over a namespace of a real API server.
#![allow(dead_code)] // each test file uses some of it

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peers::kube::Kube;

/// Builders of the same machine may be at work, so nothing is quick.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until `done` says so.
#[track_caller]
pub fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A namespace with a controller over it.
pub struct Site {
    pub kube: Kube,
    pub namespace: String,
    folder: TempDir,
    controller: Mutex<Option<Child>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Site {
    /// A namespace of the server that the tests share; none where there is no server.
    pub fn start() -> Option<Self> {
        let kube = Kube::start()?;
        Some(Self::on(kube))
    }

    /// The same on a server.
    pub fn on(kube: Kube) -> Self {
        kube.install_definitions();
        let namespace = kube.namespace();
        let site = Self { kube, namespace, folder: tempfile::tempdir().unwrap(), controller: Mutex::default(), log: Arc::default() };
        std::fs::create_dir_all(site.files()).unwrap();
        site
    }

    /// The folder whose files the sources of the namespace may read.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files").join(&self.namespace)
    }

    /// Starts the controller, alone over its namespace and as admin.
    pub fn run(&self) {
        // Leases have tests of their own; here nobody waits for one, and none is among the writes that are counted.
        self.run_as(&self.kube.kubeconfig("admin"), &["--alone", "--namespace", &self.namespace]);
    }

    /// The same as a user of the tokens file who may do everything, so that what it asks stands apart in the audit log.
    pub fn run_as_user(&self, user: &str, arguments: &[&str]) {
        let rule = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": format!("everything-{user}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]});
        self.kube.apply(&rule.to_string());
        until("the user's rights", || (self.kube.api_as(user, "GET", "/api/v1/secrets?limit=1", None).0 == 200).then_some(()));
        self.run_as(&self.kube.kubeconfig(user), &[&["--namespace", &self.namespace], arguments].concat());
    }

    /// Starts the controller as whom this kubeconfig says, with these arguments.
    pub fn run_as(&self, kubeconfig: &Path, arguments: &[&str]) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bowline"));
        command.args(["run", "--kubernetes"]).args(arguments).arg("--kubeconfig").arg(kubeconfig);
        command.arg("--files").arg(self.folder.path().join("files")).arg("--state").arg(self.folder.path().join("state"));
        let mut child = command.env("BOWLINE_LOG", "bowline=info").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let (stderr, log) = (child.stderr.take().unwrap(), self.log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                log.lock().unwrap().push(line);
            }
        });
        *self.controller.lock().unwrap() = Some(child);
    }

    /// Ends the controller at once, as a crash does.
    pub fn kill(&self) {
        if let Some(mut child) = self.controller.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks the controller to end, and answers how long it took; it must end well.
    #[track_caller]
    pub fn terminate(&self) -> Duration {
        let mut child = self.controller.lock().unwrap().take().unwrap();
        let begun = Instant::now();
        assert!(Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap().success());
        let ended = until("the controller's end", || child.try_wait().unwrap());
        assert!(ended.success(), "{ended}\n{}", self.log());
        begun.elapsed()
    }

    /// What the controller has logged.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// How many passes are over.
    pub fn passes(&self) -> usize {
        self.log().matches("a pass is over").count()
    }

    /// Applies documents to the namespace.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        self.kube.kubectl_with("admin", &["apply", "--server-side", "-n", &self.namespace, "-f", "-"], yaml).ok();
    }

    /// Writes a file for the sources.
    pub fn file(&self, path: &str, text: &str) {
        let path = self.files().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn path(&self, plural: &str, name: &str) -> String {
        format!("/apis/bowline.dev/v1alpha1/namespaces/{}/{plural}/{name}", self.namespace)
    }

    /// An object; null where there is none.
    pub fn object(&self, plural: &str, name: &str) -> Value {
        let (code, object) = self.kube.api("GET", &self.path(plural, name), None);
        if code == 200 { object } else { Value::Null }
    }

    /// All objects of a kind.
    pub fn objects(&self, plural: &str) -> Vec<Value> {
        let (_, list) = self.kube.api("GET", &self.path(plural, ""), None);
        list["items"].as_array().cloned().unwrap_or_default()
    }

    /// Changes an object by a merge patch; the answer's code.
    pub fn patch(&self, plural: &str, name: &str, patch: &Value) -> u16 {
        self.kube.api("PATCH", &self.path(plural, name), Some(patch)).0
    }

    /// Deletes an object.
    #[track_caller]
    pub fn delete(&self, plural: &str, name: &str) {
        assert_eq!(self.kube.api("DELETE", &self.path(plural, name), None).0, 200);
    }

    /// Asks for a pass and waits until it has been heard.
    #[track_caller]
    pub fn pass(&self, estate: &str, at: &str) {
        assert_eq!(self.patch("estates", estate, &json!({"metadata": {"annotations": {"bowline.dev/reconcile-requested-at": at}}})), 200);
        self.until_status("estates", estate, |status| status["lastHandledReconcileAt"] == at);
    }

    /// Waits until an object's status is as it should be, and answers the object.
    #[track_caller]
    pub fn until_status(&self, plural: &str, name: &str, is: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let object = self.object(plural, name);
            if is(&object["status"]) {
                return object;
            }
            let log = self.log();
            let ended = self.controller.lock().unwrap().as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "the controller has ended: {ended:?}\n{}", tail(&log));
            assert!(begun.elapsed() < PATIENCE, "the status of {plural}/{name} is\n{:#}\n{}", object["status"], tail(&log));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the estate's pass over its present specification is over.
    #[track_caller]
    pub fn settled(&self, estate: &str) -> Value {
        self.until_status("estates", estate, |status| status["observedGeneration"].is_i64() && condition(status, "Reconciling")["status"] == "False")
    }

    /// The reasons of events about an object, oldest first.
    pub fn events(&self, name: &str) -> Vec<Value> {
        let (_, list) = self.kube.api("GET", &format!("/apis/events.k8s.io/v1/namespaces/{}/events", self.namespace), None);
        let mut events: Vec<Value> = list["items"].as_array().cloned().unwrap_or_default();
        events.retain(|event| event["regarding"]["name"] == name);
        events.sort_by_key(|event| event["eventTime"].as_str().unwrap_or_default().to_owned());
        events
    }

    /// The writes of the controller's account to the namespace, from the audit log: verb, resource and name.
    pub fn writes(&self) -> Vec<String> {
        let audit = self.kube.audit();
        let of_us = audit
            .iter()
            .filter(|event| event["objectRef"]["namespace"] == *self.namespace && event["userAgent"].as_str().is_none_or(|agent| !agent.contains("kubectl")));
        let writes = of_us
            .filter(|event| event["requestURI"].as_str().is_some_and(|uri| uri.contains("fieldManager=bowline")) || event["objectRef"]["resource"] == "events");
        let writes = writes.filter(|event| matches!(event["verb"].as_str(), Some("create" | "update" | "patch" | "delete")));
        writes
            .map(|event| {
                let about = &event["objectRef"];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                format!("{} {}/{} {}", text(&event["verb"]), text(&about["resource"]), text(&about["subresource"]), text(&about["name"]))
            })
            .collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The end of a log.
pub fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A condition of a status.
pub fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

/// A condition as `Status/Reason`.
pub fn said(object: &Value, kind: &str) -> String {
    let condition = condition(&object["status"], kind);
    format!("{}/{}", condition["status"].as_str().unwrap_or_default(), condition["reason"].as_str().unwrap_or_default())
}

/// An estate whose one source is a file.
pub fn shop() -> String {
    "apiVersion: bowline.dev/v1alpha1
kind: Estate
metadata: {name: shop}
spec: {interval: 5m, changes: {groupBy: [Owner]}}
---
apiVersion: bowline.dev/v1alpha1
kind: DiscoverySource
metadata: {name: inventory}
spec:
  file: {path: inventory.json}
  items: '.[]'
  map: {class: '\"server\"', key: .name, name: .name, identifiers: {dns/fqdn: .fqdn}, attributes: {memory: .memory}}
  scope: {classes: [server]}
"
    .to_owned()
}

/// An item of the shop.
pub fn item(name: &str, memory: &str, on_drift: &str) -> String {
    format!(
        "---
apiVersion: bowline.dev/v1alpha1
kind: ConfigurationItem
metadata: {{name: {name}}}
spec: {{class: server, owner: team-shop, identifiers: {{dns/fqdn: {name}.example.com}}, attributes: {{memory: {memory}}}, onDrift: {{default: {on_drift}}}}}
"
    )
}

/// A document of each kind that neither the shop nor its items are of.
pub fn every_other_kind() -> String {
    "---
apiVersion: bowline.dev/v1alpha1
kind: CIClass
metadata: {name: handheld}
spec:
  extends: configuration-item
  attributes: {type: object, properties: {firmware: {type: string}}}
  identification: [{identifiers: [serial/number]}]
---
apiVersion: bowline.dev/v1alpha1
kind: ServiceMap
metadata: {name: site}
spec: {criticality: High, owner: team-shop, dependencies: [{from: site, to: web-01}]}
---
apiVersion: bowline.dev/v1alpha1
kind: CertificatePolicy
metadata: {name: tls}
spec: {selector: {dnsNames: ['*.example.com']}, renewBefore: 14d}
---
apiVersion: bowline.dev/v1alpha1
kind: PatchWindow
metadata: {name: monday}
spec: {selector: {all: true}, start: '2026-01-05T18:00:00', duration: 2h, recurrence: 'FREQ=WEEKLY;BYDAY=MO', leadTime: 1d}
"
    .to_owned()
}

/// What the shop's source says: names and memory.
pub fn inventory(items: &[(&str, &str)]) -> String {
    let items: Vec<Value> = items.iter().map(|(name, memory)| json!({"name": name, "fqdn": format!("{name}.example.com"), "memory": memory})).collect();
    json!(items).to_string()
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
