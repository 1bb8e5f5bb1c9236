//! What the controller does while the cluster fails: each test breaks one thing, and mends it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

#[path = "kubernetes_controller/audit.rs"]
mod audit;
#[path = "peers/mod.rs"]
mod peers;
#[path = "kubernetes_controller/site.rs"]
mod site;
#[path = "kubernetes_faults/webhook.rs"]
mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use audit::{Audit, is_of, told};
use peers::kube::Kube;
use serde_json::{Value, json};
use site::{Site, condition, inventory, item, said, shop, tail, until};
use webhook::Webhook;

/// A server of its own with a shop over it, whose first pass is over.
fn shop_of_its_own() -> Option<Site> {
    let site = Site::on(Kube::own()?);
    site.file("inventory.json", &inventory(&[("web-01", "16Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Report")));
    site.run();
    site.settled("shop");
    Some(site)
}

/// The item is declared anew, and its status follows.
#[track_caller]
fn follows(site: &Site, memory: &str, in_sync: &str) {
    site.apply(&item("web-01", memory, "Report"));
    site.until_status("configurationitems", "web-01", |status| condition(status, "InSync")["status"] == in_sync);
}

#[test]
fn an_api_server_that_ends_and_comes_back_is_followed_again() {
    let Some(site) = shop_of_its_own() else { return };
    site.kube.kill_api_server();
    std::thread::sleep(Duration::from_secs(3));
    site.kube.restart_api_server();
    follows(&site, "8Gi", "False");
    follows(&site, "16Gi", "True");
    assert_eq!(site.object("estates", "shop")["status"]["declared"], 1, "nothing was taken for deleted");
    assert!(!site.log().contains("panicked"), "{}", tail(&site.log()));
    assert!(site.terminate() < Duration::from_secs(10));
}

#[test]
fn a_controller_is_stopped_in_time_while_the_api_server_is_away() {
    let Some(site) = shop_of_its_own() else { return };
    site.kube.kill_api_server();
    std::thread::sleep(Duration::from_secs(1));
    assert!(site.terminate() < Duration::from_secs(10));
}

#[test]
fn a_store_of_the_api_server_that_stands_still_holds_up_and_loses_nothing() {
    let Some(site) = shop_of_its_own() else { return };
    // The source says something new while nothing can be written.
    site.file("inventory.json", &inventory(&[("web-01", "8Gi")]));
    assert_eq!(site.patch("estates", "shop", &json!({"metadata": {"annotations": {"bowline.dev/reconcile-requested-at": "before"}}})), 200);
    site.kube.stop_etcd();
    std::thread::sleep(Duration::from_secs(10));
    site.kube.continue_etcd();
    site.until_status("configurationitems", "web-01", |status| condition(status, "InSync")["status"] == "False");
    site.until_status("estates", "shop", |status| condition(status, "Ready")["status"] == "True" && status["lastHandledReconcileAt"] == "before");
    follows(&site, "8Gi", "True");
}

/// A version that is gone is not the end of a watch, and what is listed anew is neither deleted nor new.
#[test]
fn watches_whose_version_has_expired_begin_anew_and_take_nothing_for_deleted_or_changed() {
    let Some(kube) = Kube::own() else { return };
    let site = Site::on(kube);
    site.file("inventory.json", &inventory(&[("web-01", "16Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Report")));
    site.run_as_user("bowline", &["--alone"]);
    site.settled("shop");
    let passes = site.passes();
    // The cluster goes on, and nothing of it is what the watches are about: what they heard last grows old. The server that
    // comes back remembers nothing of the time before.
    for _ in 0..20 {
        site.kube.namespace();
    }
    let mut audit = Audit::from_now(&site.kube);
    site.kube.kill_api_server();
    site.kube.restart_api_server();

    let mut events = Vec::new();
    // For each watch, in the order in which it comes: the version from which it would go on.
    let begun = until("a watch of each kind", || {
        events.extend(audit.news());
        let mut begun: BTreeMap<String, String> = BTreeMap::new();
        for uri in watches(&events, &site.namespace) {
            let (_, version) = uri.split_once("resourceVersion=")?;
            begun.entry(uri.split('?').next()?.to_owned()).or_insert_with(|| version.split('&').next().unwrap().to_owned());
        }
        (begun.len() == bowline::api::Kind::ALL.len()).then_some(begun)
    });
    for (path, version) in &begun {
        // A server that has just come back asks for patience first.
        let (code, said) = until("a server that is ready to watch", || {
            Some(site.kube.api("GET", &format!("{path}?watch=1&timeoutSeconds=5&resourceVersion={version}"), None)).filter(|(code, _)| *code != 429)
        });
        assert_eq!((code, &said["type"], &said["object"]["code"]), (200, &json!("ERROR"), &json!(410)), "{path} {version}: {said}");
        assert_eq!(said["object"]["reason"], "Expired");
    }
    follows(&site, "8Gi", "False");
    until("a new list of each kind", || {
        events.extend(audit.news());
        let listed = events.iter().filter(|event| event["verb"] == "list" && is_of(event, "bowline", &site.namespace));
        let listed: Vec<&str> = listed.filter_map(|event| event["requestURI"].as_str()?.split('?').next()).collect();
        begun.keys().all(|path| listed.contains(&&**path)).then_some(())
    });
    assert_eq!(site.object("estates", "shop")["status"]["declared"], 1);
    assert!(site.passes() - passes <= 6, "a relist is no change: {}", tail(&site.log()));
}

/// The addresses of the controller's watches, in their order.
fn watches<'a>(events: &'a [Value], namespace: &'a str) -> impl Iterator<Item = &'a str> {
    let of_controller = events.iter().filter(move |event| event["verb"] == "watch" && is_of(event, "bowline", namespace));
    of_controller.filter_map(|event| event["requestURI"].as_str())
}

/// The API server answers 409 to a status: it says that two writes met, and the next try may go well.
#[test]
fn a_status_that_is_answered_with_a_conflict_is_written_again_until_it_stands() {
    let Some(site) = Site::start() else { return };
    site.file("inventory.json", &inventory(&[("web-01", "8Gi"), ("web-02", "8Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Report") + &item("web-02", "16Gi", "Report")));
    let webhook = Webhook::against(&site, "web-01");
    let mut audit = Audit::from_now(&site.kube);
    site.run_as_user("bowline", &["--alone"]);
    let mut codes = Vec::new();
    let mut answered = |audit: &mut Audit| {
        let answers = audit.news().into_iter().filter(|event| event["stage"] == "ResponseComplete" && is_of(event, "bowline", &site.namespace));
        codes.extend(answers.filter(|event| told(event) == "patch configurationitems/status web-01").map(|event| event["responseStatus"]["code"].clone()));
        codes.clone()
    };
    let refused = until("two conflicts", || Some(answered(&mut audit)).filter(|codes| codes.len() >= 2));
    assert!(refused.iter().all(|code| *code == 409), "{refused:?}");
    assert!(site.object("configurationitems", "web-01")["status"].is_null());
    site.until_status("configurationitems", "web-02", |status| condition(status, "InSync")["status"] == "False");
    webhook.agree();
    site.until_status("configurationitems", "web-01", |status| condition(status, "InSync")["status"] == "False");
    let estate = site.settled("shop");
    assert_eq!(said(&estate, "Ready"), "True/Reconciled", "{:#}", estate["status"]);
    let all = answered(&mut audit);
    println!("{all:?}");
    let (last, before) = all.split_last().unwrap();
    assert!(*last == 200 && before.iter().all(|code| *code == 409), "{all:?}");
}

/// Two who write one object: the status is the controller's, everything else is not touched.
#[test]
fn a_status_that_others_write_to_is_set_right_and_their_fields_stay() {
    let Some(site) = Site::start() else { return };
    site.file("inventory.json", &inventory(&[("web-01", "16Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Report")));
    site.run();
    site.settled("shop");
    let other = json!({"apiVersion": "bowline.dev/v1alpha1", "kind": "ConfigurationItem", "metadata": {"name": "web-01"}, "status": {"drift": "everything", "findingCount": 7}});
    site.kube
        .kubectl_with(
            "admin",
            &["apply", "--server-side", "--force-conflicts", "--field-manager=other", "--subresource=status", "-n", &site.namespace, "-f", "-"],
            &other.to_string(),
        )
        .ok();
    site.until_status("configurationitems", "web-01", |status| status["findingCount"] == 0);
    assert_eq!(site.patch("configurationitems", "web-01", &json!({"metadata": {"annotations": {"theirs": "kept"}}})), 200);
    site.pass("shop", "again");
    let item = site.object("configurationitems", "web-01");
    assert_eq!((&item["metadata"]["annotations"]["theirs"], said(&item, "InSync")), (&json!("kept"), "True/NoDrift".to_owned()));
}

#[test]
fn a_controller_that_is_killed_at_any_moment_ends_up_where_one_that_was_not_does() {
    let Some(site) = Site::start() else { return };
    site.file("inventory.json", &inventory(&[("web-01", "8Gi"), ("web-02", "8Gi")]));
    site.apply(&(shop() + &item("web-01", "16Gi", "Enforce") + &item("web-02", "8Gi", "Report") + &item("web-03", "8Gi", "Adopt")));
    for moment in [0, 200, 400, 600, 700, 800, 900, 1000, 1200, 1500] {
        site.run();
        std::thread::sleep(Duration::from_millis(moment));
        site.kill();
    }
    site.run();
    let estate = site.settled("shop");
    assert_eq!(said(&estate, "Ready"), "True/Reconciled");
    assert_eq!(estate["status"]["findings"], json!({"Changed": 1, "Missing": 1}));
    assert_eq!(said(&site.object("configurationitems", "web-02"), "InSync"), "True/NoDrift");
    let shown = until("both changes", || Some(site.objects("changerequests")).filter(|shown| shown.len() == 2));
    assert!(shown.iter().all(|change| change["status"]["phase"] == "Proposed"), "{shown:?}");
}
