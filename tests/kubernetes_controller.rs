//! The controller against the real API server: what is found stands in the objects' status, and nowhere is written what
//! does not differ.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

#[path = "kubernetes_controller/audit.rs"]
mod audit;
#[path = "kubernetes_controller/forge.rs"]
mod forge;
#[path = "peers/mod.rs"]
mod peers;
#[path = "kubernetes_controller/replicas.rs"]
mod replicas;
#[path = "kubernetes_controller/site.rs"]
mod site;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use audit::{Audit, is_of, told};
use serde_json::{Value, json};
use site::{Site, condition, copy, every_other_kind, inventory, item, said, shop, tail, until};

fn harbour() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/harbour"))
}

/// The keys of the findings in the statuses of objects.
fn keys(objects: &[Value]) -> BTreeSet<String> {
    let findings = objects.iter().flat_map(|object| object["status"]["findings"].as_array().cloned().unwrap_or_default());
    findings.map(|finding| finding["key"].as_str().unwrap().to_owned()).collect()
}

/// Without fields that say nothing: one side leaves them out.
fn filled(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), filled(value))).collect(),
        Value::Array(values) => values.iter().map(filled).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_example_in_a_cluster_has_the_findings_of_the_example_in_a_folder() {
    let Some(site) = Site::start() else { return };
    for folder in ["observed", "certificates"] {
        copy(&harbour().join(folder), &site.files().join(folder));
    }
    for part in ["bowline.yaml", "classes", "items", "policies", "services", "sources", "windows"] {
        let path = harbour().join(part).display().to_string();
        site.kube.kubectl(&["apply", "--server-side", "-n", &site.namespace, "-f", &path]).ok();
    }
    site.run();
    let estate = site.settled("harbour");
    let plan = Command::new(env!("CARGO_BIN_EXE_bowline")).args(["plan", "--output", "json"]).arg(harbour()).output().unwrap();
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();

    // Item by item: on each the findings that the plan has of it. Those of what is not declared are on no object.
    let mut found = 0;
    for item in site.objects("configurationitems") {
        let of_item = plan["findings"].as_array().unwrap().iter().filter(|finding| finding["item"] == item["metadata"]["name"]);
        let expected: BTreeSet<String> = of_item.map(|finding| finding["key"].as_str().unwrap().to_owned()).collect();
        assert_eq!(keys(std::slice::from_ref(&item)), expected, "{}\n{}", item["metadata"]["name"], tail(&site.log()));
        found += expected.len();
    }
    assert!(found > 10, "{plan}");
    assert_eq!(estate["status"]["findings"], plan["summary"]["findings"], "{:#}", estate["status"]);
    assert_eq!(estate["status"]["declared"], plan["summary"]["declared"]);
    assert_eq!(estate["status"]["discovered"], plan["summary"]["discovered"]);
    let shown: BTreeSet<String> = site.objects("changerequests").iter().map(|change| change["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    let proposed: BTreeSet<String> = plan["changes"].as_array().unwrap().iter().map(|change| change["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(shown, proposed);
    for change in plan["changes"].as_array().unwrap() {
        let spec = site.object("changerequests", change["key"].as_str().unwrap())["spec"].take();
        let findings: Vec<&Value> = spec["findings"].as_array().unwrap().iter().map(|finding| &finding["key"]).collect();
        assert_eq!(json!(findings), change["findings"], "{spec:#}");
        for field in ["title", "type", "items", "services", "risk"] {
            assert_eq!(filled(&spec[field]), filled(&change[field]), "{field} of {}", change["key"]);
        }
        // How something is done differs: a folder has files to edit, a cluster has commands.
        let what = |action: &Value| ["item", "kind", "path", "to"].map(|field| action[field].clone());
        let whats = |actions: &Value| actions.as_array().unwrap().iter().map(what).collect::<Vec<_>>();
        assert_eq!(whats(&spec["actions"]), whats(&change["actions"]));
        assert_eq!(spec["schedule"]["window"], change["schedule"]["window"]);
    }
    assert!(site.terminate() < Duration::from_secs(10));
}

#[test]
fn statuses_say_what_was_found_and_change_with_it() {
    let Some(site) = Site::start() else { return };
    site.file("inventory.json", &inventory(&[("web-01", "16Gi"), ("web-02", "8Gi"), ("web-09", "1Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Report") + &item("web-02", "16Gi", "Enforce") + &item("web-03", "16Gi", "Report")));
    site.run();
    let estate = site.settled("shop");
    assert_eq!(said(&estate, "Ready"), "True/Reconciled");
    assert_eq!(estate["status"]["observedGeneration"], 1);
    assert_eq!(estate["status"]["lastAppliedRevision"], estate["status"]["lastAttemptedRevision"]);
    assert_eq!(estate["status"]["findings"], json!({"Changed": 1, "Missing": 1, "Undeclared": 1}));

    let conditions = ["Ready", "Discovered", "InSync", "Compliant"];
    let of = |name: &str| conditions.map(|kind| said(&site.object("configurationitems", name), kind));
    assert_eq!(of("web-01"), ["True/Accepted", "True/Found", "True/NoDrift", "True/NoViolation"]);
    assert_eq!(of("web-02"), ["True/Accepted", "True/Found", "False/Drifted", "True/NoViolation"]);
    assert_eq!(of("web-03"), ["True/Accepted", "False/Missing", "False/Drifted", "True/NoViolation"]);
    let drifted = site.object("configurationitems", "web-02");
    assert_eq!(drifted["status"]["drift"], "memory");
    assert_eq!(
        drifted["status"]["findings"],
        json!([{"key": "changed/web-02/attributes.memory", "kind": "Changed", "path": "attributes.memory", "severity": "Medium"}])
    );
    let source = site.object("discoverysources", "inventory");
    assert_eq!((&source["status"]["complete"], &source["status"]["items"]), (&json!(true), &json!(3)));

    let changes = site.objects("changerequests");
    assert_eq!(changes.len(), 1);
    assert_eq!((&changes[0]["status"]["phase"], &changes[0]["metadata"]["labels"]["bowline.dev/estate"]), (&json!("Proposed"), &json!("shop")));
    assert_eq!(drifted["status"]["changes"], json!([changes[0]["metadata"]["name"]]));

    // The declaration is brought in line: the drift, its change and the instant of the transition follow.
    let before = condition(&drifted["status"], "InSync")["lastTransitionTime"].clone();
    let ready = condition(&drifted["status"], "Ready")["lastTransitionTime"].clone();
    std::thread::sleep(Duration::from_millis(1100));
    site.apply(&item("web-02", "8Gi", "Enforce"));
    let mended = site.until_status("configurationitems", "web-02", |status| condition(status, "InSync")["status"] == "True");
    assert_eq!(mended["status"]["observedGeneration"], 2);
    assert_ne!(condition(&mended["status"], "InSync")["lastTransitionTime"], before);
    assert_eq!(condition(&mended["status"], "Ready")["lastTransitionTime"], ready, "what did not change keeps its instant");
    until("the change's end", || site.objects("changerequests").is_empty().then_some(()));

    let reasons: Vec<Value> = site.events("web-02").iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(reasons, [json!("DriftFound"), json!("DriftGone")]);
    let all = site.events("web-02").iter().chain(&site.events("shop")).map(ToString::to_string).collect::<String>();
    assert!(!all.contains("8Gi") && !all.contains("16Gi"), "an event says a value: {all}");
}

/// A shop with an object of each kind, looked at each second by a controller who is this user.
fn quiet(user: &str, arguments: &[&str]) -> Option<Site> {
    let site = Site::start()?;
    site.file("inventory.json", &inventory(&[("web-01", "16Gi"), ("web-02", "8Gi")]));
    let estate = shop().replace("interval: 5m", "interval: 1s");
    site.apply(&(estate + &item("web-01", "16Gi", "Report") + &item("web-02", "16Gi", "Adopt") + &every_other_kind()));
    site.run_as_user(user, arguments);
    site.settled("shop");
    until("a pass over what was written", || (site.passes() >= 3).then_some(()));
    Some(site)
}

/// A reconcile storm: argo-cd#21887, tinkerbell#465.
#[test]
fn over_a_minute_in_which_nothing_changes_nothing_is_written_but_leases() {
    let (Some(alone), Some(sharing)) = (quiet("bowline", &["--alone"]), quiet("other", &[])) else { return };
    let mut audit = Audit::from_the_beginning(&alone.kube);
    let before = audit.news();
    for (site, user) in [(&alone, "bowline"), (&sharing, "other")] {
        let written = before.iter().any(|event| is_of(event, user, &site.namespace) && told(event) == "patch configurationitems/status web-02");
        assert!(written, "what is counted is what it does");
    }
    let passes = (alone.passes(), sharing.passes());
    std::thread::sleep(Duration::from_mins(1));
    assert!(alone.passes() >= passes.0 + 20 && sharing.passes() >= passes.1 + 20, "{}", tail(&alone.log()));
    let after = audit.news();
    // In whatever namespace, and whether it was allowed or not.
    let changes = |event: &&Value| !matches!(event["verb"].as_str(), Some("get" | "list" | "watch"));
    let of = |user: &str| after.iter().filter(changes).filter(|event| event["user"]["username"] == user).map(told).collect::<Vec<String>>();
    assert_eq!(of("bowline"), [] as [&str; 0]);
    let renewals = of("other");
    println!("{} renewals and {} + {} passes", renewals.len(), alone.passes() - passes.0, sharing.passes() - passes.1);
    assert!(renewals.iter().all(|write| write == "update leases bowline-shop"), "{renewals:?}");
    assert!((6..=40).contains(&renewals.len()), "{} renewals", renewals.len());
}

#[test]
fn a_thousand_changes_at_once_are_one_pass() {
    let Some(site) = Site::start() else { return };
    site.file("inventory.json", "[]");
    site.apply(&shop());
    site.run();
    site.settled("shop");
    let passes = site.passes();
    let items: String = (0..1000).map(|number| item(&format!("web-{number:04}"), "1Gi", "Report")).collect();
    site.apply(&items);
    let done = site.until_status("estates", "shop", |status| status["declared"] == 1000);
    assert_eq!(done["status"]["findingCount"], 1000, "{}", tail(&site.log()));
    // kubectl takes many seconds for them, so the one at the end is not the only one; but they are far from a thousand.
    assert!(site.passes() - passes < 40, "{} passes\n{}", site.passes() - passes, tail(&site.log()));
    let passes = site.passes();
    std::thread::sleep(Duration::from_secs(4));
    assert!(site.passes() <= passes + 1, "its own statuses do not cause passes");

    // One that begins where there are more than a page of items waits until it has heard of all.
    site.kill();
    let passes = site.passes();
    site.run();
    until("the first pass", || {
        assert_eq!(site.object("estates", "shop")["status"]["declared"], 1000, "{}", tail(&site.log()));
        (site.passes() > passes).then_some(())
    });
    assert_eq!(site.object("estates", "shop")["status"]["declared"], 1000);
}

/// One malformed object must be an error on that object, not the end of the watch (known-failures.md).
#[test]
fn an_object_that_is_not_valid_is_an_error_on_it_alone() {
    let Some(site) = Site::start() else { return };
    site.file("inventory.json", &inventory(&[("web-01", "16Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Report") + &item("web-02", "16Gi", "Report").replace("class: server", "class: no-such-class")));
    site.run();
    let estate = site.settled("shop");
    assert_eq!(said(&estate, "Ready"), "False/DocumentsInvalid");
    assert_eq!(said(&estate, "Stalled"), "False/Idle");
    assert!(estate["status"]["problems"][0].as_str().unwrap().contains("web-02"), "{:#}", estate["status"]);
    assert_eq!(said(&site.object("configurationitems", "web-01"), "InSync"), "True/NoDrift");
    let bad = site.object("configurationitems", "web-02");
    assert_eq!(said(&bad, "Ready"), "False/Invalid");
    assert_eq!(said(&bad, "Discovered"), "Unknown/Invalid");
    site.apply(&item("web-02", "16Gi", "Report"));
    site.until_status("configurationitems", "web-02", |status| condition(status, "Ready")["status"] == "True");
    site.until_status("estates", "shop", |status| condition(status, "Ready")["status"] == "True");
}

#[test]
fn an_estate_that_is_suspended_is_looked_at_and_proposes_nothing() {
    let Some(site) = Site::start() else { return };
    site.file("inventory.json", &inventory(&[("web-01", "8Gi")]));
    site.apply(&(shop().replace("interval: 5m", "suspend: true") + &item("web-01", "16Gi", "Enforce")));
    site.run();
    let estate = site.settled("shop");
    assert_eq!(said(&estate, "Ready"), "False/Suspended");
    assert_eq!(said(&site.object("configurationitems", "web-01"), "InSync"), "False/Drifted");
    assert!(site.objects("changerequests").is_empty());
    assert_eq!(site.patch("estates", "shop", &json!({"spec": {"suspend": false}})), 200);
    until("a change request", || (site.objects("changerequests").len() == 1).then_some(()));
}

#[test]
fn a_pass_can_be_asked_for_by_an_annotation() {
    let Some(site) = Site::start() else { return };
    site.file("inventory.json", &inventory(&[("web-01", "16Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Report")));
    site.run();
    site.settled("shop");
    site.file("inventory.json", &inventory(&[("web-01", "8Gi")]));
    site.pass("shop", "2026-11-25T09:00:00Z");
    assert_eq!(said(&site.object("configurationitems", "web-01"), "InSync"), "False/Drifted");
}

#[test]
fn a_mirrored_change_request_that_is_deleted_or_changed_by_hand_comes_back() {
    let Some(site) = Site::start() else { return };
    site.file("inventory.json", &inventory(&[("web-01", "8Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Enforce")));
    site.run();
    site.settled("shop");
    let change = site.objects("changerequests").remove(0);
    let (name, uid) = (change["metadata"]["name"].as_str().unwrap(), change["metadata"]["uid"].clone());
    assert!(change["metadata"]["finalizers"].is_null());
    site.delete("changerequests", name);
    let back = until("the change request", || Some(site.object("changerequests", name)).filter(|back| back["status"]["phase"] == "Proposed"));
    assert_ne!(back["metadata"]["uid"], uid);
    assert_eq!(back["spec"], change["spec"]);
    assert!(matches!(site.patch("changerequests", name, &json!({"spec": {"title": "Nothing to see"}})), 200 | 422));
    until("the title", || (site.object("changerequests", name)["spec"]["title"] == change["spec"]["title"]).then_some(()));
}

#[test]
fn of_two_estates_of_a_namespace_the_older_takes_its_objects() {
    let Some(site) = Site::start() else { return };
    site.file("inventory.json", &inventory(&[("web-01", "16Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Report")));
    site.run();
    site.settled("shop");
    std::thread::sleep(Duration::from_millis(1100)); // creation times are whole seconds
    site.apply("{apiVersion: bowline.dev/v1alpha1, kind: Estate, metadata: {name: annex}, spec: {}}");
    let annex = site.until_status("estates", "annex", |status| condition(status, "Stalled")["status"] == "True");
    assert_eq!(said(&annex, "Ready"), "False/Conflict");
    site.delete("estates", "shop");
    site.until_status("estates", "annex", |status| condition(status, "Ready")["status"] == "True");
    site.delete("estates", "annex");
    site.until_status("configurationitems", "web-01", |status| condition(status, "Ready")["reason"] == "NoEstate");
}
