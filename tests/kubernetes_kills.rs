//! A controller that is killed with SIGKILL after each of its writes, to the API server and to a forge: the one that follows
//! ends up where one that was never killed does.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

#[path = "kubernetes_controller/audit.rs"]
mod audit;
#[path = "peers/mod.rs"]
mod peers;
#[path = "kubernetes_controller/site.rs"]
mod site;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use audit::{Audit, is_of, is_write, told};
use base64::Engine as _;
use bowline::api::{Kind, definitions};
use peers::gitea::Gitea;
use peers::kube::Kube;
use peers::proxy::{Proxy, Rule, Spoil};
use serde_json::{Value, json};
use site::{PATIENCE, Site, every_other_kind, inventory, item, shop, tail, until};

/// As whom the controller asks.
const USER: &str = "bowline";

/// A shop in which two change requests are to be made, with an object of each kind.
fn documents(estate: &str) -> String {
    let missing = item("web-03", "8Gi", "Adopt").replace("team-shop", "team-web");
    shop().replace("interval: 5m", estate) + &item("web-01", "16Gi", "Enforce") + &item("web-02", "8Gi", "Report") + &missing + &every_other_kind()
}

fn found() -> String {
    inventory(&[("web-01", "8Gi"), ("web-02", "8Gi")])
}

/// What is found once everything is as declared.
fn mended() -> String {
    inventory(&[("web-01", "16Gi"), ("web-02", "8Gi"), ("web-03", "8Gi")])
}

/// What stands in the namespace, line by line, without what differs from run to run.
fn outcome(site: &Site) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for kind in Kind::ALL {
        let plural = definitions::definition(kind).spec.names.plural;
        for object in site.objects(&plural) {
            let kept = json!({"labels": object["metadata"]["labels"], "spec": object["spec"], "status": object["status"]});
            lines(&format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap()), &kept, &site.namespace, &mut all);
        }
    }
    all
}

/// Each value with its path, without instants and without the namespace.
fn lines(path: &str, value: &Value, namespace: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| lines(&format!("{path}.{name}"), value, namespace, all)),
        Value::Array(values) => values.iter().enumerate().for_each(|(number, value)| lines(&format!("{path}[{number}]"), value, namespace, all)),
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => drop(all.insert(format!("{path}: an instant"))),
        // It is a digest of the documents, which have their namespace in them.
        Value::String(text) if path.ends_with("Revision") && text.len() == 16 => drop(all.insert(format!("{path}: a revision"))),
        other => drop(all.insert(format!("{path}: {}", other.to_string().replace(namespace, "NAMESPACE")))),
    }
}

/// Runs the controller until `count` says that it has made so many writes, and kills it there; whether it came to that
/// before its pass was over.
fn killed_after(site: &Site, writes: usize, mut count: impl FnMut() -> usize) -> bool {
    let (passes, begun) = (site.passes(), Instant::now());
    site.run_as_user(USER, &["--alone"]);
    let (mut seen, mut over) = (0, None);
    loop {
        seen += count();
        if seen >= writes {
            site.kill();
            return true;
        }
        if site.passes() > passes {
            // What the pass caused may cause another.
            let since = over.get_or_insert_with(Instant::now);
            if since.elapsed() > Duration::from_secs(1) {
                site.kill();
                return false;
            }
        }
        assert!(begun.elapsed() < PATIENCE, "no pass is over\n{}", tail(&site.log()));
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Does this with each number from 1 on, two at a time, until it says that there was no such write; the last one that was.
fn for_each_write(attempt: impl Fn(usize) -> bool + Sync) -> usize {
    let (next, none) = (AtomicUsize::new(1), AtomicUsize::new(usize::MAX));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= none.load(Ordering::Relaxed) {
                return;
            }
            if !attempt(number) {
                none.fetch_min(number, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    none.load(Ordering::Relaxed) - 1
}

/// Runs the controller anew and waits until its first pass is over; it keeps running.
fn passes_again(site: &Site) {
    let passes = site.passes();
    site.run_as_user(USER, &["--alone"]);
    until("a whole pass", || (site.passes() > passes).then_some(()));
    site.settled("shop");
}

/// The writes of the API server's log so far, which grow with each call.
fn writes_to_api_server(site: &Site) -> impl FnMut() -> usize + use<> {
    let (mut audit, namespace) = (Audit::from_now(&site.kube), site.namespace.clone());
    move || audit.news().iter().filter(|event| is_write(event) && is_of(event, USER, &namespace)).count()
}

#[track_caller]
fn same(there: &BTreeSet<String>, expected: &BTreeSet<String>, number: usize, site: &Site) {
    let (more, less): (Vec<_>, Vec<_>) = (there.difference(expected).collect(), expected.difference(there).collect());
    assert!(more.is_empty() && less.is_empty(), "killed after {number}: {more:#?} instead of {less:#?}\n{}", tail(&site.log()));
}

#[test]
fn killed_after_each_write_to_the_api_server_it_ends_up_where_one_that_was_not_killed_does() {
    let Some(kube) = Kube::start() else { return };
    let begin = || {
        let site = Site::on(kube.clone());
        site.file("inventory.json", &found());
        site.apply(&documents("interval: 5m"));
        site
    };
    let uninterrupted = begin();
    let mut audit = Audit::from_now(&kube);
    passes_again(&uninterrupted);
    let expected = outcome(&uninterrupted);
    uninterrupted.kill();
    let writes: Vec<String> = audit.news().iter().filter(|event| is_write(event) && is_of(event, USER, &uninterrupted.namespace)).map(told).collect();
    println!("{} writes of one that is not killed: {writes:#?}", writes.len());
    assert_eq!(uninterrupted.objects("changerequests").len(), 2);

    let last = for_each_write(|number| {
        let site = begin();
        let killed = killed_after(&site, number, writes_to_api_server(&site));
        passes_again(&site);
        same(&outcome(&site), &expected, number, &site);
        // Nor does it come to another end later.
        site.pass("shop", "again");
        let mut later = outcome(&site);
        assert!(later.remove("estates/shop.status.lastHandledReconcileAt: \"again\""));
        same(&later, &expected, number, &site);
        killed
    });
    println!("killed after each of {last} writes");
    assert!(last >= writes.len(), "every one of its writes was one to be killed after");
}

/// A namespace whose forge is reached through a proxy.
struct Forged {
    site: Site,
    gitea: Gitea,
    proxy: Proxy,
    repository: String,
}

impl Forged {
    fn begin(kube: &Kube, gitea: &Gitea) -> Self {
        let site = Site::on(kube.clone());
        let (proxy, repository) = (Proxy::before(gitea.url()), gitea.create_repository(&format!("kills-{}", site.namespace), &[]));
        let coded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"token": coded(gitea.token()), "username": coded(gitea.user())},
            "metadata": {"name": "forge", "labels": {"bowline.dev/credential": "true"}, "annotations": {"bowline.dev/hosts": "127.0.0.1"}}});
        let forge = format!("forge: {{gitea: {{url: '{}', repository: {repository}, credentials: forge}}}}", proxy.url());
        site.file("inventory.json", &found());
        site.apply(&format!("{}---\n{secret}\n", documents(&forge)));
        Self { site, gitea: gitea.clone(), proxy, repository }
    }

    /// The controller is killed once its `number`th write has reached the forge, which does what it was asked for; whether
    /// it came to that.
    fn killed_after(&self, number: usize) -> bool {
        let last = Rule { method: "write", path: "", skip: number - 1, times: 1, spoil: Spoil::StallAfter(Duration::from_secs(2)) };
        self.proxy.take();
        self.proxy.spoil_and_die(last);
        let writes = || {
            self.proxy.take().iter().filter(|asked| !asked.starts_with("GET ") && !asked.starts_with("HEAD ") && !asked.ends_with("git-upload-pack")).count()
        };
        let killed = killed_after(&self.site, number, writes);
        std::thread::sleep(Duration::from_millis(300)); // for what the forge does meanwhile
        self.proxy.heal();
        killed
    }

    fn list(&self, what: &str) -> Vec<Value> {
        let (status, answer) = self.gitea.api("GET", &format!("/repos/{}/{what}", self.repository), None);
        assert_eq!(status, 200, "{answer}");
        answer.as_array().unwrap().clone()
    }

    /// The branches but `main`.
    fn branches(&self) -> BTreeSet<String> {
        self.list("branches").iter().map(|branch| branch["name"].as_str().unwrap().to_owned()).filter(|name| name != "main").collect()
    }

    /// Both requests are open, once each, and mirrored.
    fn both_are_open(&self, number: usize) {
        let site = &self.site;
        passes_again(site);
        site.pass("shop", "open");
        let pulls = self.list("pulls?state=all");
        let heads: BTreeSet<String> = pulls.iter().map(|pull| pull["head"]["ref"].as_str().unwrap().to_owned()).collect();
        let open = pulls.iter().all(|pull| pull["state"] == "open");
        assert!(open && pulls.len() == 2 && heads.len() == 2, "killed after {number}: {pulls:#?}\n{}", tail(&site.log()));
        assert_eq!(self.branches(), heads, "killed after {number}\n{}", tail(&site.log()));
        // The proxy has an address of its own.
        let page = |url: &Value| url.as_str().and_then(|url| Some(url.split_once("/pulls/")?.1.to_owned()));
        let urls = |objects: &[Value]| objects.iter().filter_map(|object| page(&object["status"]["url"])).collect::<BTreeSet<_>>();
        let shown =
            until("both change requests", || Some(site.objects("changerequests")).filter(|all| all.iter().all(|one| one["status"]["phase"] == "Proposed")));
        let pages: BTreeSet<String> = pulls.iter().filter_map(|pull| page(&pull["html_url"])).collect();
        assert_eq!((shown.len(), urls(&shown)), (2, pages), "killed after {number}");
        self.said_once(&pulls, number);
        site.kill();
    }

    /// Both are closed, and nothing is left of them.
    fn both_are_closed(&self, number: usize) {
        let site = &self.site;
        passes_again(site);
        site.pass("shop", "closed");
        let pulls = self.list("pulls?state=all");
        assert!(pulls.len() == 2 && pulls.iter().all(|pull| pull["state"] == "closed"), "killed after {number}: {pulls:#?}\n{}", tail(&site.log()));
        assert_eq!(self.branches(), BTreeSet::new(), "killed after {number}\n{}", tail(&site.log()));
        let shown = site.objects("changerequests");
        assert!(shown.iter().all(|change| change["status"]["phase"] == "Closed"), "killed after {number}: {shown:#?}");
        self.said_once(&pulls, number);
        site.kill();
    }

    /// Nothing is said twice in a request, nor is there a second issue that shows all.
    fn said_once(&self, pulls: &[Value], number: usize) {
        let issues = self.list("issues?state=all&type=issues");
        assert!(issues.len() <= 1, "killed after {number}: {issues:#?}");
        for pull in pulls {
            let comments: Vec<String> = self.list(&format!("issues/{}/comments", pull["number"])).iter().map(|comment| comment["body"].to_string()).collect();
            let different: BTreeSet<&String> = comments.iter().collect();
            assert_eq!(comments.len(), different.len(), "killed after {number}: {comments:#?}");
        }
    }
}

#[test]
fn killed_after_each_write_to_a_forge_it_opens_and_closes_every_request_once_and_leaves_no_branch() {
    let (Some(kube), Some(gitea)) = (Kube::start(), Gitea::start()) else { return };
    let (opened, closed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for_each_write(|number| {
        let forged = Forged::begin(&kube, &gitea);
        let opening = forged.killed_after(number);
        forged.both_are_open(number);
        forged.site.file("inventory.json", &mended());
        let closing = forged.killed_after(number);
        forged.both_are_closed(number);
        opened.fetch_add(usize::from(opening), Ordering::Relaxed);
        closed.fetch_add(usize::from(closing), Ordering::Relaxed);
        opening || closing
    });
    let killed = (opened.into_inner(), closed.into_inner());
    println!("killed after each of {} writes that open, and of {} that close", killed.0, killed.1);
    assert!(killed.0 >= 4 && killed.1 >= 2, "{killed:?}");
}
