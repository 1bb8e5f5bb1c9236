//! One pass and the next, end to end, with the program itself on a copy of the example.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod support;

use std::time::Duration;

use support::{AT, Place, everything};

const PASS: [&str; 4] = ["reconcile", ".", "--at", AT];

fn refs(place: &Place) -> Vec<String> {
    place.git(&["for-each-ref", "--format=%(refname)"]).lines().map(str::to_owned).collect()
}

/// What the refs say, without the ids: a commit's tree, message and parents' trees.
fn told(place: &Place) -> String {
    let mut told = String::new();
    for name in refs(place) {
        told.push_str(&format!("{name}\n{}\n", place.git(&["log", "--format=%T %s", &name])));
    }
    told
}

#[test]
fn a_pass_opens_a_branch_for_each_change_request_and_touches_nothing_else() {
    let place = Place::harbour();
    let before = everything(&place.estate().join("items"));
    let head = place.git(&["rev-parse", "HEAD"]);
    let plan = place.bowline(&["plan", ".", "--at", AT, "--output", "json"]).ends_with(0).json();
    place.bowline(&PASS).ends_with(0);

    let branches: Vec<String> = refs(&place).into_iter().filter_map(|name| name.strip_prefix("refs/heads/bowline/").map(str::to_owned)).collect();
    let keys: Vec<String> = plan["changes"].as_array().unwrap().iter().map(|change| change["key"].as_str().unwrap().to_owned()).collect();
    assert!(!keys.is_empty());
    assert_eq!(branches, keys);
    assert_eq!(place.git(&["rev-parse", "HEAD"]), head, "the base branch stays where it is");
    assert_eq!(place.git(&["status", "--porcelain"]), "", "the working tree and the index are untouched");
    assert_eq!(everything(&place.estate().join("items")), before);
    place.git(&["fsck", "--strict"]);
}

#[test]
fn every_branch_changes_only_what_its_request_says() {
    let place = Place::harbour();
    place.bowline(&PASS).ends_with(0);
    for name in refs(&place).iter().filter(|name| name.starts_with("refs/heads/bowline/")) {
        let key = name.strip_prefix("refs/heads/bowline/").unwrap();
        let files = place.git(&["diff", "--name-only", "main", name]);
        assert!(files.lines().any(|file| file == format!("changes/{key}.yaml")), "{files}");
        let removed = place.git(&["diff", "--numstat", "main", name]);
        for line in removed.lines().filter(|line| line.contains("items/")) {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields[0], fields[1], "an edit replaces lines, one for one: {line}");
        }
    }
}

#[test]
fn a_second_pass_writes_no_file_of_the_repository() {
    let place = Place::harbour();
    place.bowline(&PASS).ends_with(0);
    let before = everything(&place.estate());
    let second = place.bowline(&PASS).ends_with(0);
    assert!(second.stdout.contains("Nothing new"), "{}", second.stdout);
    assert_eq!(everything(&place.estate()), before);
}

#[test]
fn a_plan_writes_nothing_at_all() {
    let place = Place::harbour();
    let before = everything(&place.estate());
    place.bowline(&["plan", ".", "--at", AT]).ends_with(0);
    assert_eq!(everything(&place.estate()), before);
    assert!(!place.state().exists(), "no store is made by reading");
}

#[test]
fn a_pass_that_is_killed_at_any_time_is_completed_by_the_next() {
    let whole = Place::harbour();
    whole.bowline(&PASS).ends_with(0);
    let wanted = told(&whole);
    for delay in [0, 5, 10, 20, 30, 40, 55, 70, 90, 120, 160, 220, 300] {
        let place = Place::harbour();
        let mut child = place.command(&PASS).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let _ = child.kill();
        child.wait().unwrap();
        place.bowline(&PASS).ends_with(0);
        let branches = |place: &Place| refs(place).into_iter().filter(|name| name.starts_with("refs/heads/")).collect::<Vec<_>>();
        assert_eq!(branches(&place), branches(&whole), "killed after {delay} ms");
        for name in branches(&place) {
            let trees = |place: &Place| place.git(&["log", "--format=%T %s", &name]);
            assert_eq!(trees(&place), trees(&whole), "{name}, killed after {delay} ms");
        }
        place.git(&["fsck", "--strict"]);
    }
    assert!(wanted.contains("refs/bowline/"));
}

#[test]
fn an_approved_adoption_ends_with_the_drift_gone_and_the_request_closed() {
    let place = Place::harbour();
    place.bowline(&PASS).ends_with(0);
    let list = place.bowline(&["changes", "list", "--output", "json"]).ends_with(0).json();
    let adopt = list["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap()).find(|key| key.contains("adopt")).unwrap().to_owned();
    let before = place.read("items/platform.yaml");
    place.bowline(&["changes", "approve", &adopt]).ends_with(0);
    let after = place.read("items/platform.yaml");
    assert_eq!(after, before.replacen("os: {name: debian, version: \"12\"}", "os: {name: debian, version: \"13\"}", 1), "one value, and no other byte");
    assert_eq!(place.git(&["status", "--porcelain"]), "");

    let plan = place.bowline(&["plan", ".", "--at", AT, "--output", "json"]).ends_with(0).json();
    assert!(plan["changes"].as_array().unwrap().iter().all(|change| change["key"] != adopt.as_str()));
    place.bowline(&PASS).ends_with(0);
    let again = place.bowline(&PASS).ends_with(0);
    assert!(!again.stdout.contains(&format!("opened  bowline/{adopt}")), "{}", again.stdout);
}

#[test]
fn a_rejected_request_stays_rejected_until_its_drift_changes() {
    let place = Place::harbour();
    place.bowline(&PASS).ends_with(0);
    let list = place.bowline(&["changes", "list", "--output", "json"]).ends_with(0).json();
    let key = list["items"].as_array().unwrap().iter().map(|item| item["key"].as_str().unwrap()).find(|key| key.contains("adopt")).unwrap().to_owned();
    place.bowline(&["changes", "reject", &key, "--reason", "wait for the summer"]).ends_with(0);
    let second = place.bowline(&PASS).ends_with(0);
    assert!(second.stdout.contains("wait for the summer"), "{}", second.stdout);
    assert!(!refs(&place).contains(&format!("refs/heads/bowline/{key}")));

    let facts = place.read("observed/vcenter.json").replace("\"value\": \"13\"", "\"value\": \"14\"");
    place.write("observed/vcenter.json", &facts);
    place.commit_all("Another version");
    place.bowline(&PASS).ends_with(0);
    assert!(refs(&place).contains(&format!("refs/heads/bowline/{key}")));
}

#[test]
fn a_branch_that_a_person_has_committed_to_is_left_alone() {
    let place = Place::harbour();
    place.bowline(&PASS).ends_with(0);
    let branch = refs(&place).into_iter().find(|name| name.starts_with("refs/heads/bowline/")).unwrap();
    let short = branch.strip_prefix("refs/heads/").unwrap();
    place.git(&["switch", "-q", short]);
    place.write("note.txt", "by hand\n");
    place.commit_all("By hand");
    place.git(&["switch", "-q", "main"]);
    let head = place.git(&["rev-parse", &branch]);
    // Every source says something else now.
    let facts = place.read("observed/vcenter.json").replace("\"memoryMB\": 16384", "\"memoryMB\": 12288").replace("\"value\": \"13\"", "\"value\": \"14\"");
    place.write("observed/vcenter.json", &facts);
    place.commit_all("Other facts");
    place.bowline(&PASS).ends_with(0);
    assert_eq!(place.git(&["rev-parse", &branch]), head);
}

#[test]
fn uncommitted_work_is_never_part_of_a_request() {
    let place = Place::harbour();
    place.write("items/secret-plan.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: secret-plan}\nspec: {class: server}\n");
    place.bowline(&PASS).ends_with(0);
    for name in refs(&place) {
        let tree = place.git(&["ls-tree", "-r", "--name-only", &name]);
        assert!(!tree.contains("secret-plan"), "{name}");
    }
}
