//! What `plan --base` says a branch would change.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::{self, AT, Place};
use crate::{BAD, ESTATE, SOURCE, fact, is_harmless_markdown, item, shows_no_control_character, small};

fn difference(place: &Place, base: &str) -> Value {
    place.bowline(&["plan", ".", "--base", base, "--at", AT, "--output", "json"]).ends_with(0).json()
}

fn keys(findings: &Value) -> Vec<&str> {
    findings.as_array().unwrap().iter().map(|finding| finding["key"].as_str().unwrap()).collect()
}

#[test]
fn a_branch_that_changes_nothing_changes_nothing() {
    let place = small();
    place.write("web.yaml", &format!("# A comment moves every line.\n\n{}", item("web-1", "16384Mi")));
    let told = place.bowline(&["plan", ".", "--base", "main", "--detailed-exitcode"]).ends_with(0).stdout;
    assert!(told.contains("Nothing changes"), "{told}");
}

#[test]
fn findings_appear_go_and_change_with_the_services_they_touch() {
    let place = small();
    place.write("web.yaml", &[item("web-1", "16Gi"), item("web-2", "4Gi"), item("web-3", "4Gi")].join("---\n"));
    place.write("facts.json", &format!("[{}, {}, {}]", fact("web-1", "16Gi"), fact("web-2", "8Gi"), fact("web-3", "8Gi")));
    place.commit_all("Two that differ");
    place.git(&["branch", "-f", "main", "work"]);
    place.write("web.yaml", &[item("web-1", "32Gi"), item("web-2", "8Gi"), item("web-3", "2Gi")].join("---\n"));
    let told = difference(&place, "main");
    assert_eq!((&told["apiVersion"], &told["kind"], &told["estate"]), (&"bowline.dev/v1alpha1".into(), &"PlanDifference".into(), &"small".into()));
    assert_eq!(told["base"], place.git(&["rev-parse", "main"]).trim());
    assert_eq!(told["head"], Value::Null, "what stands in the folder is in no commit");
    assert_eq!(keys(&told["appeared"]), ["changed/web-1/attributes.memory"]);
    assert_eq!(keys(&told["gone"]), ["changed/web-2/attributes.memory"]);
    assert_eq!(told["changed"][0]["before"]["declared"], "4Gi");
    assert_eq!(told["changed"][0]["after"]["declared"], "2Gi");
    assert_eq!(told["services"], serde_json::json!([{"name": "shop", "effect": "Down"}]));
    for list in ["appeared", "gone", "changed"] {
        assert_eq!(told["changes"][list], serde_json::json!([]), "nothing asks to be mended");
    }
    place.bowline(&["plan", ".", "--base", "main", "--detailed-exitcode"]).ends_with(2);
    place.bowline(&["plan", ".", "--base", "main"]).ends_with(0);
}

#[test]
fn a_change_request_that_would_be_new_dropped_or_other_is_told() {
    let place = small();
    let enforced = |memory: &str| item("web-1", memory) + "  onDrift: {default: Enforce}\n";
    place.write("web.yaml", &enforced("32Gi"));
    let told = difference(&place, "main");
    assert_eq!((told["changes"]["appeared"].as_array().unwrap().len(), told["changes"]["gone"].as_array().unwrap().len()), (1, 0));
    place.commit_all("Enforced");
    place.write("web.yaml", &enforced("64Gi"));
    let other = difference(&place, "HEAD");
    assert_eq!(other["changes"]["changed"].as_array().unwrap().len(), 1, "{other}");
    let shown = place.bowline(&["plan", ".", "--base", "HEAD", "--at", AT]).ends_with(0).stdout;
    assert!(shown.contains("from 16Gi to 32Gi → ") && shown.contains("from 16Gi to 64Gi"), "{shown}");
    place.write("web.yaml", &item("web-1", "16Gi"));
    assert_eq!(difference(&place, "HEAD")["changes"]["gone"].as_array().unwrap().len(), 1);
}

#[test]
fn a_problem_that_the_branch_brings_is_told_and_an_old_one_is_not() {
    let place = small();
    place.write("old.yaml", BAD);
    place.commit_all("Bad already");
    place.git(&["branch", "-f", "main", "work"]);
    place.write("old.yaml", &format!("# moved\n{BAD}"));
    place.write("new.yaml", &BAD.replace("name: bad", "name: new"));
    let told = difference(&place, "main");
    let files: Vec<&str> = told["diagnostics"].as_array().unwrap().iter().map(|problem| problem["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["new.yaml"]);
}

#[test]
fn findings_that_only_went_because_their_item_cannot_be_read_are_not_sold_as_mended() {
    let place = small();
    place.write("web.yaml", &item("web-1", "32Gi"));
    place.commit_all("Differs");
    place.write("web.yaml", &item("web-1", "32Gi").replace("attributes", "atributes"));
    let shown = place.bowline(&["plan", ".", "--base", "HEAD", "--output", "markdown"]).ends_with(0).stdout;
    assert!(shown.contains("1 finding goes") && shown.contains("findings of theirs that go may still be there"), "{shown}");
    let shown = place.bowline(&["plan", ".", "--base", "HEAD"]).ends_with(0).stdout;
    assert!(shown.contains("findings of theirs that go may still be there"), "{shown}");
}

#[test]
fn a_sensitive_value_shows_that_it_changed_and_never_what_it_is() {
    let place = small();
    let class = "apiVersion: bowline.dev/v1alpha1\nkind: CIClass\nmetadata: {name: appliance}\nspec:\n  extends: server\n  attributes: {type: object, properties: {pin: {x-bowline: {sensitive: true}}}}\n";
    let with = |pin: &str| item("web-1", "16Gi").replace("class: server", "class: appliance").replace("memory: 16Gi", &format!("pin: canary-{pin}"));
    place.write("class.yaml", class);
    place.write("web.yaml", &with("before"));
    place.write(
        "facts.json",
        &format!("[{}]", fact("web-1", "16Gi").replace("\"memory\": \"16Gi\"", "\"pin\": \"canary-found\"").replace("server", "appliance")),
    );
    place.commit_all("A secret");
    place.write("web.yaml", &with("after"));
    for format in ["human", "json", "yaml", "markdown"] {
        let told = place.bowline(&["plan", ".", "--base", "HEAD", "--output", format, "--detailed-exitcode"]).ends_with(2).stdout;
        assert!(told.contains("(sensitive)") || told.contains("not shown"), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn with_three_dots_the_base_is_where_the_branch_left_the_other() {
    let place = small();
    // main goes on by itself, and what it does is not this branch's doing.
    place.git(&["checkout", "-q", "main"]);
    place.write("web.yaml", &item("web-1", "64Gi"));
    place.commit_all("main goes on");
    place.git(&["checkout", "-q", "work"]);
    assert_eq!(keys(&difference(&place, "main")["gone"]), ["changed/web-1/attributes.memory"]);
    let since = difference(&place, "main...");
    assert_eq!(since["gone"], serde_json::json!([]));
    assert_eq!(since["base"], place.git(&["merge-base", "main", "work"]).trim());
    assert_eq!(since["head"], place.git(&["rev-parse", "work"]).trim());
    let shown = place.bowline(&["plan", ".", "--base", "main..."]).ends_with(0).stdout;
    assert!(shown.contains("where this branch left main"), "{shown}");
}

#[test]
fn a_tag_and_a_hash_are_bases_too_and_what_is_none_is_told_with_what_to_do() {
    let place = small();
    place.git(&["tag", "v1"]);
    let hash = place.git(&["rev-parse", "HEAD"]);
    for base in ["v1", hash.trim(), "HEAD", "work"] {
        assert_eq!(difference(&place, base)["appeared"], serde_json::json!([]));
    }
    let failed = place.bowline(&["plan", ".", "--base", "origin/nothing..."]).ends_with(1);
    assert!(failed.stderr.contains("`origin/nothing` is no branch, tag or commit") && failed.stderr.contains("git fetch"), "{}", failed.stderr);
    let failed = place.bowline(&["plan", "https://git.example.com/x.git", "--base", "main"]).ends_with(1);
    assert!(failed.stderr.contains("compares a folder with a commit"), "{}", failed.stderr);
    let outside = Place::new();
    outside.write("bowline.yaml", ESTATE);
    assert!(outside.bowline(&["plan", ".", "--base", "main"]).ends_with(1).stderr.contains("is not in a git repository"));
}

#[test]
fn a_shallow_clone_says_that_the_base_is_not_in_it() {
    let place = small();
    place.write("web.yaml", &item("web-1", "32Gi"));
    place.commit_all("More");
    let clone = place.state().join("clone");
    let url = format!("file://{}", place.estate().display());
    place.git(&["clone", "-q", "--depth", "1", "--branch", "work", "--no-single-branch", &url, clone.to_str().unwrap()]);
    let failed = place.bowline(&["plan", clone.to_str().unwrap(), "--base", "origin/main..."]).ends_with(1);
    assert!(failed.stderr.contains("no commit in common") && failed.stderr.contains("fetch-depth: 0"), "{}", failed.stderr);
}

#[test]
fn an_estate_that_is_not_in_the_base_is_all_new() {
    let place = small();
    place.write("sites/second/bowline.yaml", &ESTATE.replace("small", "second"));
    place.write("sites/second/web.yaml", &item("web-9", "1Gi"));
    place.write("sites/second/source.yaml", SOURCE);
    place.write("sites/second/facts.json", &format!("[{}]", fact("web-9", "2Gi")));
    place.commit_all("A second estate");
    let told = place.bowline(&["plan", "sites/second", "--base", "main", "--output", "markdown"]).ends_with(0).stdout;
    assert!(told.starts_with("**1 finding appears.**") && told.contains("the estate is not there yet"), "{told}");
    assert!(told.contains("`bowline plan sites/second --base main --all`"), "{told}");
}

#[test]
fn facts_in_git_are_those_of_each_side_and_the_folder_stays_as_it_is() {
    let place = small();
    place.write("facts.json", &format!("[{}]", fact("web-1", "8Gi")));
    let before = support::everything(&place.estate());
    assert_eq!(keys(&difference(&place, "main")["appeared"]), ["changed/web-1/attributes.memory"]);
    assert!(before == support::everything(&place.estate()), "nothing is written to the folder or its repository");
    // As a link that leads to another file, and as a file behind a link.
    place.write("facts-2.json", &format!("[{}]", fact("web-1", "8Gi")));
    std::fs::remove_file(place.estate().join("facts.json")).unwrap();
    std::os::unix::fs::symlink("facts-2.json", place.estate().join("facts.json")).unwrap();
    place.commit_all("A link");
    assert_eq!(keys(&difference(&place, "main")["appeared"]), ["changed/web-1/attributes.memory"]);
    place.write("facts-2.json", &format!("[{}]", fact("web-1", "16Gi")));
    assert_eq!(keys(&difference(&place, "HEAD")["gone"]), ["changed/web-1/attributes.memory"]);
}

#[test]
fn facts_that_are_in_no_commit_are_read_by_both_sides() {
    let place = small();
    place.write(".gitignore", "facts.json\n");
    place.git(&["rm", "-q", "--cached", "facts.json"]);
    place.commit_all("Facts come from elsewhere");
    place.git(&["branch", "-f", "main", "work"]);
    place.write("facts.json", &format!("[{}]", fact("web-1", "8Gi")));
    let told = difference(&place, "main");
    assert_eq!((told["appeared"].as_array().unwrap().len(), told["gone"].as_array().unwrap().len()), (0, 0), "{told}");
    // The branch adopts what is there.
    place.write("web.yaml", &item("web-1", "8Gi"));
    assert_eq!(keys(&difference(&place, "main")["gone"]), ["changed/web-1/attributes.memory"]);
}

#[test]
fn facts_outside_of_the_estate_are_the_same_on_both_sides() {
    let place = small();
    let outside = tempfile::tempdir().unwrap();
    let facts = outside.path().join("facts.json");
    std::fs::write(&facts, format!("[{}]", fact("web-1", "8Gi"))).unwrap();
    std::os::unix::fs::symlink(&facts, place.estate().join("link.json")).unwrap();
    place.write("source.yaml", &SOURCE.replace("facts.json", "link.json"));
    place.commit_all("Facts from elsewhere");
    // Another scope is another source, so it is asked for each side.
    place.write("source.yaml", &place.read("source.yaml").replace("{all: true}", "{classes: [server]}"));
    let allowed = ["plan", ".", "--base", "HEAD", "--allow-read", outside.path().to_str().unwrap(), "--output", "json"];
    let told = place.bowline(&allowed).ends_with(0).json();
    assert_eq!((&told["sourcesOfBase"][0]["items"], &told["sources"][0]["items"]), (&1.into(), &1.into()), "{told}");
    assert_eq!((told["appeared"].as_array().unwrap().len(), told["gone"].as_array().unwrap().len()), (0, 0), "{told}");
}

#[test]
fn items_behind_a_link_are_not_new_because_git_follows_none() {
    let place = small();
    place.write(".shared/more.yaml", &item("web-2", "4Gi"));
    std::os::unix::fs::symlink(".shared/more.yaml", place.estate().join("more.yaml")).unwrap();
    place.commit_all("A link");
    place.git(&["branch", "-f", "main", "work"]);
    place.write("web.yaml", &item("web-1", "32Gi"));
    let told = difference(&place, "main");
    assert_eq!(keys(&told["appeared"]), ["changed/web-1/attributes.memory"]);
}

/// A port of this machine that counts who comes, and closes at once.
fn counting() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(socket);
        }
    });
    (port, count)
}

#[test]
fn a_source_that_is_the_same_on_both_sides_is_asked_once() {
    let (port, count) = counting();
    let place = small();
    let tls = |endpoints: &str| {
        format!("apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {{name: ports}}\nspec:\n  tls: {{endpoints: [{endpoints}]}}\n")
    };
    place.write("ports.yaml", &tls(&format!("\"127.0.0.1:{port}\"")));
    place.commit_all("An endpoint");
    place.git(&["branch", "-f", "main", "work"]);
    place.write("web.yaml", &item("web-1", "32Gi"));
    let told = difference(&place, "main");
    assert_eq!(count.swap(0, Ordering::SeqCst), 1);
    assert_eq!(told["sources"][1]["complete"], false, "the port does not speak TLS, and that is said");
    // Other endpoints: each side asks its own.
    place.write("ports.yaml", &tls(&format!("\"127.0.0.1:{port}\", \"127.0.0.1:1\"")));
    difference(&place, "main");
    assert_eq!(count.load(Ordering::SeqCst), 2);
    let markdown = place.bowline(&["plan", ".", "--base", "main", "--output", "markdown"]).ends_with(0).stdout;
    assert!(markdown.contains("> Source `ports` did not answer in full, so what it would have said is not known"), "{markdown}");
    assert!(markdown.contains("> Source `ports (at the base)` did not answer in full"), "{markdown}");
}

#[test]
fn certificate_files_are_those_of_each_side() {
    let place = Place::harbour();
    place.git(&["checkout", "-q", "-b", "work"]);
    let since = |place: &Place| place.bowline(&["plan", ".", "--base", "main", "--at", AT, "--output", "json"]).ends_with(0).json();
    assert_eq!(since(&place)["changed"], serde_json::json!([]));
    // The weak certificate of the crane is renewed: it is a copy of a good one.
    place.write("certificates/crane.pem", &place.read("certificates/gauge.pem"));
    let told = since(&place);
    let moved: Vec<&str> = ["appeared", "gone"].iter().flat_map(|list| keys(&told[list])).collect();
    assert!(!moved.is_empty() && moved.iter().all(|key| key.contains("crane")), "{told}");
    assert!(told["sources"].as_array().unwrap().iter().zip(told["sourcesOfBase"].as_array().unwrap()).all(|(head, base)| head["items"] == base["items"]));
}

#[test]
fn a_comment_has_a_verdict_first_a_marker_last_and_room_to_spare() {
    let place = small();
    let many = |memory: &str| (0..3000).map(|number| item(&format!("web-{number}"), memory)).collect::<Vec<_>>().join("---\n");
    let facts: Vec<String> = (0..3000).map(|number| fact(&format!("web-{number}"), "16Gi")).collect();
    place.write("web.yaml", &many("16Gi"));
    place.write("facts.json", &format!("[{}]", facts.join(",")));
    place.commit_all("Many");
    place.write("web.yaml", &many("32Gi"));
    let text = place.bowline(&["plan", ".", "--base", "HEAD", "--output", "markdown"]).ends_with(0).stdout;
    assert!(text.starts_with("**3000 findings appear.** Services touched: `shop` (Down).\n"), "{}", &text[..200]);
    assert_eq!(text.lines().last(), Some("<!-- bowline-plan:small -->"));
    assert!(text.len() < 60_000, "{}", text.len());
    assert!(text.contains(" more lines that have no room here"), "what is left out is counted");
    is_harmless_markdown(&text);
}

#[test]
fn hostile_names_and_values_are_text_in_the_comment() {
    let place = small();
    let hostile = ["--> @everyone | `x` [a](javascript:alert(1)) <img src=x>", "](https://evil.example)\u{1b}[31m\u{202e}", "``` ::set-output name=a::b"];
    let facts: Vec<String> = hostile
        .iter()
        .map(|name| serde_json::json!({"class": "server", "name": name, "key": name, "attributes": {"memory": name}}).to_string())
        .chain([fact("web-1", hostile[2])])
        .collect();
    place.write("facts.json", &format!("[{}]", facts.join(",")));
    place.write("bowline.yaml", &ESTATE.replace("name: small", "name: \"a-->b\""));
    let text = place.bowline(&["plan", ".", "--base", "main", "--output", "markdown"]).ends_with(0).stdout;
    shows_no_control_character(&text);
    is_harmless_markdown(&text);
    assert!(text.contains("everyone"), "{text}");
    assert_eq!(text.lines().last(), Some("<!-- bowline-plan:a-b -->"), "the name does not end the marker");
    let human = place.bowline(&["plan", ".", "--base", "main"]).ends_with(0).stdout;
    shows_no_control_character(&human);
}
