//! Two replicas of the controller over one estate and one forge, of which the one that has it is killed in the middle of its
//! work: the other takes over in time, and nothing is proposed twice.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::peers::gitea::Gitea;
use crate::site::{self, Site, condition, inventory, item, shop, until};

/// What a takeover may take at most.
const TAKEOVER: Duration = Duration::from_secs(20);

/// Replicas over the namespace of a site and a repository of a forge.
struct Replicas {
    site: Site,
    gitea: Gitea,
    repository: String,
    running: Mutex<Vec<(String, Child)>>,
    logs: tempfile::TempDir,
}

impl Replicas {
    fn start() -> Option<Self> {
        let (site, gitea) = (Site::start()?, Gitea::start()?);
        let repository = gitea.create_repository(&site.namespace, &[]);
        let replicas = Self { site, gitea, repository, running: Mutex::default(), logs: tempfile::tempdir().unwrap() };
        let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let data = json!({"token": encoded(replicas.gitea.token()), "username": encoded(replicas.gitea.user())});
        let metadata = json!({"name": "forge", "labels": {"bowline.dev/credential": "true"}, "annotations": {"bowline.dev/hosts": "127.0.0.1"}});
        replicas.site.apply(&json!({"apiVersion": "v1", "kind": "Secret", "data": data, "metadata": metadata}).to_string());
        let forge = format!("forge: {{gitea: {{url: \"{}\", repository: {}, credentials: forge}}}}", replicas.gitea.url(), replicas.repository);
        replicas.site.file("inventory.json", &inventory(&[]));
        replicas.site.apply(&shop().replace("interval: 5m", &forge).replace("groupBy: [Owner]", "groupBy: [Item], maxOpen: 100"));
        Some(replicas)
    }

    /// Starts a replica of this name.
    fn run(&self, name: &str) {
        let folder = self.logs.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let log = std::fs::File::options().append(true).create(true).open(folder.join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bowline"));
        command.args(["run", "--kubernetes", "--namespace", &self.site.namespace]).arg("--kubeconfig").arg(self.site.kube.kubeconfig("admin"));
        command.arg("--files").arg(self.site.files().parent().unwrap()).arg("--state").arg(folder.join("state"));
        let child = command.env("POD_NAME", name).env("BOWLINE_LOG", "bowline=info").stderr(log).stdout(Stdio::null()).spawn().unwrap();
        self.running.lock().unwrap().push((name.to_owned(), child));
    }

    /// Ends a replica at once, as a crash does.
    fn kill(&self, name: &str) {
        let mut running = self.running.lock().unwrap();
        let index = running.iter().position(|(running, _)| running == name).unwrap();
        let (_, mut child) = running.remove(index);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Which replica has the estate, by its Lease; empty: none.
    fn holder(&self) -> String {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/bowline-shop", self.site.namespace);
        let lease = self.site.kube.api("GET", &path, None).1;
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
        self.running.lock().unwrap().iter().map(|(name, _)| name.clone()).find(|name| holder.starts_with(&**name)).unwrap_or_default()
    }

    fn pulls(&self) -> Vec<Value> {
        let (_, pulls) = self.gitea.api("GET", &format!("/repos/{}/pulls?state=all&limit=50", self.repository), None);
        pulls.as_array().cloned().unwrap_or_default()
    }

    fn branches(&self) -> BTreeSet<String> {
        let (_, branches) = self.gitea.api("GET", &format!("/repos/{}/branches?limit=50", self.repository), None);
        branches.as_array().unwrap().iter().map(|branch| branch["name"].as_str().unwrap().to_owned()).collect()
    }

    fn logs(&self) -> String {
        let logs = std::fs::read_dir(self.logs.path()).unwrap().map(|folder| folder.unwrap().path());
        let told = logs.map(|folder| (folder.display().to_string(), site::tail(&std::fs::read_to_string(folder.join("log")).unwrap())));
        told.flat_map(|(folder, log)| [folder, log]).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        for (_, child) in self.running.lock().unwrap().iter_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn an_estate_of_a_replica_that_is_killed_moves_within_twenty_seconds_and_nothing_is_opened_twice() {
    let Some(replicas) = Replicas::start() else { return };
    let site = &replicas.site;
    replicas.run("replica-a");
    until("the first holder", || (replicas.holder() == "replica-a").then_some(()));
    replicas.run("replica-b");
    let mut declared = 0;
    // The one that has the estate is killed when so many of the round's pull requests are there: at its first step towards the
    // forge, in the middle, and when all are open but little has been told of them.
    for (round, opened) in [0_usize, 1, 3].into_iter().enumerate() {
        let before = replicas.pulls().len();
        let items: String = (declared..declared + 3).map(|number| item(&format!("web-{number:02}"), "16Gi", "Enforce")).collect();
        let found: Vec<(String, &str)> = (0..declared + 3).map(|number| (format!("web-{number:02}"), "8Gi")).collect();
        site.file("inventory.json", &inventory(&found.iter().map(|(name, memory)| (&**name, *memory)).collect::<Vec<_>>()));
        site.apply(&items);
        declared += 3;
        let holder = replicas.holder();
        assert!(!holder.is_empty(), "{}", replicas.logs());
        until("requests", || (replicas.pulls().len() >= before + opened).then_some(()));
        replicas.kill(&holder);
        let died = Instant::now();
        until("the other", || {
            let now = replicas.holder();
            (!now.is_empty() && now != holder).then_some(())
        });
        println!("round {round}: taken over after {:?}", died.elapsed());
        assert!(died.elapsed() < TAKEOVER, "taken over after {:?}\n{}", died.elapsed(), replicas.logs());
        until("everything proposed", || (replicas.pulls().len() >= declared).then_some(()));
        replicas.run(&holder);
        site.pass("shop", &format!("round {round}"));
        let estate = site.until_status("estates", "shop", |status| condition(status, "Ready")["status"] == "True" && status["openChanges"] == declared);
        assert_eq!(estate["status"]["declared"], declared);
        let pulls = replicas.pulls();
        assert_eq!(pulls.len(), declared, "nothing is opened twice: {pulls:#?}\n{}", replicas.logs());
        let heads: BTreeSet<String> = pulls.iter().map(|pull| pull["head"]["ref"].as_str().unwrap().to_owned()).collect();
        assert_eq!(heads.len(), declared);
        let branches: BTreeSet<String> = replicas.branches().into_iter().filter(|branch| branch != "main").collect();
        assert_eq!(branches, heads, "no branch is left over");
        assert_eq!(site.objects("changerequests").len(), declared);
    }
}
