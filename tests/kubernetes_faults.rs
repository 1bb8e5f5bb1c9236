//! What the controller does while the cluster fails: each test breaks one thing, and mends it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

#[path = "peers/mod.rs"]
mod peers;
#[path = "kubernetes_controller/site.rs"]
mod site;

use std::time::Duration;

use peers::kube::Kube;
use serde_json::json;
use site::{Site, condition, inventory, item, said, shop, tail, until};

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

/// A new watch cache knows no old versions: what a watch had heard by then may be too old (410 Gone), and it begins anew.
#[test]
fn watches_that_begin_anew_take_nothing_for_deleted_or_changed() {
    let Some(site) = shop_of_its_own() else { return };
    let passes = site.passes();
    site.kube.kill_api_server();
    site.kube.restart_api_server();
    follows(&site, "8Gi", "False");
    let declared = site.object("estates", "shop")["status"]["declared"].clone();
    assert_eq!(declared, 1);
    assert!(site.passes() - passes <= 6, "a relist is no change: {}", tail(&site.log()));
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
