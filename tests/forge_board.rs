//! `bowline reconcile` over a real Gitea with two hundred changed items: pull requests up to the limits, and a dashboard
//! that lists the rest and takes orders.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
mod support;

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use peers::gitea::Gitea;
use peers::proxy::Proxy;
use serde_json::{Value, json};
use support::{Place, Ran};

const ITEMS: usize = 200;

/// Two hundred declared machines, each with less memory than declared, and a request for each.
fn estate(forge: &str, repository: &str) -> Vec<(&'static str, String)> {
    let bowline = format!(
        "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {{name: many}}\nspec:\n  forge: {{gitea: {{url: \"{forge}\", repository: {repository}, credentials: gitea}}}}\n  \
         changes: {{groupBy: [Item], maxOpen: 10, maxPerHour: 8, dashboard: true}}\n  onDrift: {{default: Adopt}}\n"
    );
    let source = "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: export}\nspec:\n  file: {path: observed.json}\n  \
                  map: {class: '\"server\"', key: .name, name: .name, identifiers: {asset/tag: .name}, attributes: {memory: .memory}}\n  scope: {classes: [server]}\n";
    let (mut items, mut facts) = (String::new(), Vec::new());
    for number in 0..ITEMS {
        let name = format!("machine-{number:03}");
        write!(items, "---\napiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: {name}}}\nspec: {{class: server, identifiers: {{asset/tag: {name}}}, attributes: {{memory: 16Gi}}}}\n").unwrap();
        facts.push(json!({"name": name, "memory": "8Gi"}));
    }
    vec![("bowline.yaml", bowline), ("source.yaml", source.to_owned()), ("items.yaml", items), ("observed.json", Value::from(facts).to_string())]
}

/// An estate on Gitea, and the program as an operator runs it.
struct Estate {
    server: Gitea,
    proxy: Proxy,
    repository: String,
    place: Place,
}

impl Estate {
    fn new(name: &str) -> Option<Self> {
        let server = Gitea::start()?;
        let proxy = Proxy::before(server.url());
        let files = estate(&proxy.url(), &format!("{}/{name}", server.user()));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let repository = server.create_repository(name, &files);
        let place = Place::new();
        place.write("../credentials.yaml", "- {name: gitea, token: {env: GITEA_TOKEN}, hosts: [127.0.0.1]}\n");
        Some(Self { server, proxy, repository, place })
    }

    fn bowline(&self, arguments: &[&str]) -> Ran {
        self.proxy.take();
        let address = format!("{}/{}.git", self.proxy.url(), self.repository);
        let mut command = self.place.command(arguments);
        command.args([&address, "--credential", "gitea", "--credentials", "../credentials.yaml"]);
        command.env("GITEA_TOKEN", self.server.token()).output().unwrap().into()
    }

    fn reconcile(&self) -> Value {
        self.bowline(&["reconcile", "--output", "json"]).ends_with(0).json()
    }

    fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.server.api(method, &format!("/repos/{}{path}", self.repository), body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    fn open_pulls(&self) -> Vec<Value> {
        self.api("GET", "/pulls?state=open&limit=50", None).as_array().unwrap().clone()
    }

    /// The dashboards there are.
    fn dashboards(&self) -> Vec<Value> {
        self.api("GET", "/issues?type=issues&state=all&limit=50", None).as_array().unwrap().clone()
    }

    fn dashboard(&self) -> (Value, String) {
        let dashboards = self.dashboards();
        assert_eq!(dashboards.len(), 1, "one dashboard, and no twin");
        (dashboards[0]["number"].clone(), dashboards[0]["body"].as_str().unwrap().to_owned())
    }

    /// A person ticks the first box in a line that contains this. The key of its request.
    fn tick(&self, what: &str) -> String {
        let (number, body) = self.dashboard();
        let line = body.lines().find(|line| line.starts_with("- [ ] ") && line.contains(what)).unwrap_or_else(|| panic!("no box for {what}:\n{body}"));
        let body = body.replace(line, &line.replacen("- [ ]", "- [x]", 1));
        self.api("PATCH", &format!("/issues/{number}"), Some(&json!({"body": body})));
        line.split("<!-- bowline-box:").nth(1).unwrap().trim_end_matches(" -->").to_owned()
    }
}

/// How often each kind of request was sent, with what differs from one to the next taken out.
fn tally(estate: &Estate) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for line in estate.proxy.take() {
        let line = line.split('?').next().unwrap().replace(&format!("/repos/{}", estate.repository), "").replace(&format!("/{}", estate.repository), "");
        let differs = |part: &str| part.contains("machine-") || (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let plain: Vec<&str> = line.split('/').map(|part| if differs(part) { "*" } else { part }).collect();
        *tally.entry(plain.join("/")).or_default() += 1;
    }
    tally
}

#[test]
fn two_hundred_changed_items_open_as_many_requests_as_the_limits_allow_and_the_dashboard_lists_the_rest() {
    let Some(estate) = Estate::new("many-first") else { return };
    let done = estate.reconcile();
    let counted = tally(&estate);
    assert_eq!(done["done"].as_array().unwrap().len(), 8, "maxPerHour");
    assert_eq!(estate.open_pulls().len(), 8);

    let (_, body) = estate.dashboard();
    for number in 0..ITEMS {
        assert!(body.contains(&format!("machine-{number:03}")), "machine-{number:03} is listed:\n{body}");
    }
    assert_eq!(body.lines().filter(|line| line.starts_with("- [ ] ")).count(), ITEMS - 8, "a box for each that waits");
    assert!(body.contains("maxPerHour"), "and why it waits");

    // For each of the eight: two look-ups, a push (two requests of git), a status, the pull request, its labels. Once: what
    // git fetches (two requests), the dashboard looked for, the list, the base branch's head; then, for the dashboard, the
    // list with the new addresses, and the issue. For each of the two labels that are not there yet: the labels that there
    // are (the repository's and its owner's), and the label.
    let by_hand = [
        ("GET .git/info/refs", 1 + 8),
        ("POST .git/git-upload-pack", 1),
        ("POST .git/git-receive-pack", 8),
        ("GET /api/v1/issues", 1),
        ("GET /api/v1/pulls", 1 + 8 + 1),
        ("GET /api/v1/branches/main", 1),
        ("GET /api/v1/branches/bowline/*", 8),
        ("GET /api/v1/labels", 2),
        ("GET /api/v1/orgs/bowline/labels", 2),
        ("POST /api/v1/labels", 2),
        ("POST /api/v1/statuses/*", 8),
        ("POST /api/v1/pulls", 8),
        ("POST /api/v1/issues/*/labels", 8),
        ("POST /api/v1/issues", 1),
    ];
    assert_eq!(counted, by_hand.map(|(line, count)| (line.to_owned(), count)).into());
}

#[test]
fn a_quiet_pass_asks_git_the_list_and_the_dashboard_and_writes_nothing() {
    let Some(estate) = Estate::new("many-quiet") else { return };
    estate.reconcile();
    let (_, before) = estate.dashboard();
    let done = estate.reconcile();
    let counted = tally(&estate);
    assert_eq!(done["done"], json!([]));
    let by_hand = [("GET .git/info/refs", 1), ("GET /api/v1/issues", 1), ("GET /api/v1/pulls", 1)];
    assert_eq!(counted, by_hand.map(|(line, count)| (line.to_owned(), count)).into());
    assert_eq!(estate.dashboard().1, before);
}

#[test]
fn a_ticked_box_proposes_what_waits_and_what_was_rejected() {
    let Some(estate) = Estate::new("many-ticked") else { return };
    estate.reconcile();
    let waiting = estate.tick("maxPerHour");
    estate.reconcile();
    assert!(estate.open_pulls().iter().any(|pull| pull["head"]["ref"] == format!("bowline/{waiting}")), "{waiting} is open now");
    assert_eq!(estate.open_pulls().len(), 9);
    assert!(!estate.dashboard().1.contains("- [x]"), "the tick was heard and is gone");

    let key = estate.open_pulls()[0]["head"]["ref"].as_str().unwrap().trim_start_matches("bowline/").to_owned();
    estate.bowline(&["changes", "reject", &key, "--reason", "not now", "--estate"]).ends_with(0);
    estate.reconcile();
    let (_, body) = estate.dashboard();
    assert!(body.contains("Alice Board") && body.contains("not now"), "who rejected it, and why:\n{body}");
    assert_eq!(estate.tick("not now"), key);
    estate.reconcile();
    assert!(estate.open_pulls().iter().any(|pull| pull["head"]["ref"] == format!("bowline/{key}")), "{key} is open again");
}

#[test]
fn a_ticked_box_confirms_a_source_that_says_far_less_than_before() {
    let Some(estate) = Estate::new("many-held") else { return };
    estate.reconcile();
    let file = estate.api("GET", "/contents/observed.json", None);
    let facts: Vec<Value> = (0..150).map(|number| json!({"name": format!("machine-{number:03}"), "memory": "8Gi"})).collect();
    let content = base64::engine::general_purpose::STANDARD.encode(Value::from(facts).to_string());
    estate.api("PUT", "/contents/observed.json", Some(&json!({"content": content, "sha": file["sha"], "message": "fewer"})));

    estate.reconcile();
    let (number, body) = estate.dashboard();
    let line = "- [ ] export named 150 this time and 200 the time before: 50 vanished at once. <!-- bowline-confirm:export:150 -->";
    assert!(body.lines().any(|found| found == line) && !body.contains("Missing"), "{body}");
    let ticked = body.replace(line, &line.replacen("- [ ]", "- [x]", 1));
    estate.api("PATCH", &format!("/issues/{number}"), Some(&json!({"body": ticked})));

    assert_eq!(estate.reconcile()["confirmed"], json!(["export"]));
    assert!(estate.dashboard().1.lines().any(|found| found == line), "the tick has been heard");
    estate.reconcile();
    let (_, body) = estate.dashboard();
    assert!(body.contains("50 Missing") && !body.contains("## Held"), "{body}");
}

#[test]
fn a_dashboard_that_a_person_has_closed_is_left_alone() {
    let Some(estate) = Estate::new("many-closed") else { return };
    estate.reconcile();
    let (number, body) = estate.dashboard();
    estate.api("PATCH", &format!("/issues/{number}"), Some(&json!({"state": "closed"})));
    estate.tick("maxPerHour");
    estate.reconcile();
    assert_eq!(estate.open_pulls().len(), 8);
    let after = &estate.dashboards()[0];
    assert_eq!((&after["state"], after["body"].as_str().unwrap().len()), (&json!("closed"), body.len()));
}

#[test]
fn the_command_line_shows_approves_and_rejects_on_the_forge() {
    let Some(estate) = Estate::new("many-decided") else { return };
    estate.reconcile();
    let list = estate.bowline(&["changes", "list", "--output", "json", "--estate"]).ends_with(0).json();
    let first = &list["items"][0];
    let key = first["key"].as_str().unwrap();
    assert!(first["url"].as_str().unwrap().contains("/pulls/"), "{first}");
    let shown = estate.bowline(&["changes", "show", key, "--estate"]).ends_with(0).stdout;
    assert!(shown.contains("/pulls/") && shown.contains('+') && shown.contains("8Gi"), "{shown}");
    estate.bowline(&["changes", "approve", key, "--estate"]).ends_with(0);
    let merged = estate.api("GET", &format!("/pulls/{}", first["id"].as_str().unwrap()), None);
    assert_eq!(merged["merged"], true);
    estate.reconcile();
    let all = estate.bowline(&["changes", "list", "--all", "--estate"]).ends_with(0).stdout;
    assert!(all.contains(key), "{all}");
}
