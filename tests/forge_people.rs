//! Pull requests by people: what `check` writes for forges and editors, what `plan --base` says a branch would change, and
//! the action, workflows and hook that bring both into a pull request.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
mod support;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use support::{AT, Place, Ran};

const ESTATE: &str = "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: small}\nspec: {}\n";
const SOURCE: &str =
    "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: list}\nspec:\n  file: {path: facts.json}\n  scope: {all: true}\n";
const MAP: &str =
    "apiVersion: bowline.dev/v1alpha1\nkind: ServiceMap\nmetadata: {name: shop}\nspec:\n  criticality: High\n  dependencies: [{from: shop, to: web-1}]\n";
const BAD: &str = "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: bad}\nspec:\n  class: server\n  colour: red\n";

fn item(name: &str, memory: &str) -> String {
    format!(
        "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: {name}}}\nspec:\n  class: server\n  identifiers: {{dns/fqdn: {name}.example.com}}\n  attributes: {{memory: {memory}}}\n"
    )
}

fn fact(name: &str, memory: &str) -> String {
    format!(r#"{{"class": "server", "name": "{name}", "identifiers": {{"dns/fqdn": "{name}.example.com"}}, "attributes": {{"memory": "{memory}"}}}}"#)
}

/// An estate of one item, as declared, with a service; in git, on the branch `main`.
fn small() -> Place {
    let place = Place::new();
    place.write("bowline.yaml", ESTATE);
    place.write("source.yaml", SOURCE);
    place.write("map.yaml", MAP);
    place.write("web.yaml", &item("web-1", "16Gi"));
    place.write("facts.json", &format!("[{}]", fact("web-1", "16Gi")));
    place.commit_all("The estate");
    place.git(&["checkout", "-q", "-b", "work"]);
    place
}

fn difference(place: &Place, base: &str) -> Value {
    place.bowline(&["plan", ".", "--base", base, "--at", AT, "--output", "json"]).ends_with(0).json()
}

fn keys(findings: &Value) -> Vec<&str> {
    findings.as_array().unwrap().iter().map(|finding| finding["key"].as_str().unwrap()).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

// What check writes

#[test]
fn annotations_name_files_from_the_root_of_the_repository() {
    let place = Place::new();
    place.write("README.md", "More than an estate.");
    place.write("sites/harbour/bowline.yaml", ESTATE);
    place.write("sites/harbour/items/bad.yaml", BAD);
    place.commit_all("The estate");
    let told = place.bowline(&["check", "sites/harbour", "--output", "github"]).ends_with(2).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "::error file=sites/harbour/items/bad.yaml,line=6,endLine=6,col=3,endColumn=9,title=unknown-field::`colour` is not known in `spec`%0Aknown here: attributes, class, identifiers, lifecycle, onDrift, owner, relations",
            "bowline check: 1 error in 2 files",
        ]
    );
    let sarif = place.bowline(&["check", "sites/harbour", "-o", "sarif"]).ends_with(2).json();
    assert_eq!(sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "sites/harbour/items/bad.yaml");
}

#[test]
fn a_folder_that_is_in_no_repository_is_its_own_root() {
    let place = Place::new();
    place.write("bowline.yaml", ESTATE);
    place.write("bad.yaml", BAD);
    assert!(place.bowline(&["check", ".", "--output", "github"]).ends_with(2).stdout.starts_with("::error file=bad.yaml,"));
}

#[test]
fn formats_for_problems_are_offered_by_check_and_by_no_other_verb() {
    let place = small();
    for verb in ["plan", "reconcile", "discover", "windows", "schema"] {
        let refused = place.bowline(&[verb, "--output", "sarif"]).ends_with(1);
        assert!(refused.stderr.contains("invalid value 'sarif'") && refused.stderr.contains("human, json, yaml, markdown"), "{}", refused.stderr);
        assert!(!place.bowline(&[verb, "--help"]).ends_with(0).stdout.contains("sarif"));
    }
    let help = place.bowline(&["check", "--help"]).ends_with(0).stdout;
    assert!(help.contains("- github:") && help.contains("- sarif:") && help.contains("- json:"), "{help}");
    // Wherever it stands, what every verb knows is heard.
    assert_eq!(place.bowline(&["--output", "json", "check", "."]).ends_with(0).json()["kind"], "Check");
    assert_eq!(place.bowline(&["check", ".", "--output", "json"]).ends_with(0).json()["kind"], "Check");
    assert!(place.bowline(&["check", ".", "--output", "yaml"]).ends_with(0).stdout.contains("kind: Check"));
}

/// Names and values that try to be something else than text in whatever prints them.
fn hostile() -> Place {
    let place = Place::new();
    place.write("bowline.yaml", ESTATE);
    let values = [
        r#""\n::set-output name=token::stolen\n""#,
        r#""%0A::add-mask::x""#,
        "\"##[add-path]/tmp/evil\"",
        r#""\e[2J\e]0;title\a\x9b31m\u202E\u2066\0""#,
        r#""](javascript:alert(1)) ![x](https://evil.example/x.png) <img src=x onerror=alert(1)> @everyone #1""#,
        r#""a|b `c` ``d`` \r::warning::y""#,
        r#""--> <!-- bowline-plan:x -->""#,
    ];
    for (number, value) in values.iter().enumerate() {
        let head = "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\n";
        // As a name, a class, the name of a field and a file.
        place.write(
            &format!("items/{number}, title=x::y%.yaml"),
            &format!(
                "{head}metadata: {{name: {value}}}\nspec:\n  class: {value}\n  {value}: 1\n  relations: [{{type: RunsOn, to: {value}}}]\n  lifecycle: {value}\n"
            ),
        );
        place.write(&format!("items/plain-{number}.yaml"), &format!("{head}metadata: {{name: item-{number}}}\nspec:\n  class: {value}\n"));
    }
    place
}

fn shows_no_control_character(text: &str) {
    let bad: Vec<char> = text.chars().filter(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')).collect();
    assert!(bad.is_empty(), "{bad:?} in\n{text}");
}

#[test]
fn hostile_text_puts_no_command_in_and_reaches_no_terminal() {
    let place = hostile();
    let told = place.bowline(&["check", ".", "--output", "github"]).ends_with(2).stdout;
    shows_no_control_character(&told);
    let lines: Vec<&str> = told.lines().collect();
    let (closing, commands) = lines.split_last().unwrap();
    assert!(commands.len() >= 14, "{told}");
    for line in commands {
        // The runner takes the first `::` after the properties as their end.
        let (properties, _) = line.strip_prefix("::error ").unwrap_or_else(|| panic!("{line}")).split_once("::").unwrap();
        let names: Vec<&str> = properties.split(',').map(|property| property.split('=').next().unwrap()).collect();
        assert_eq!(names, ["file", "line", "endLine", "col", "endColumn", "title"], "{line}");
    }
    assert!(closing.starts_with("bowline check: "), "{closing}");

    let sarif = place.bowline(&["check", ".", "--output", "sarif"]).ends_with(2);
    shows_no_control_character(&sarif.stdout);
    is_sarif(&sarif.json());
    for result in sarif.json()["runs"][0]["results"].as_array().unwrap() {
        let text = result["message"]["text"].as_str().unwrap();
        shows_no_control_character(text);
        assert!(!text.contains("](javascript") && !text.contains("](https"), "{text}");
    }

    let markdown = place.bowline(&["check", ".", "--output", "markdown"]).ends_with(2).stdout;
    shows_no_control_character(&markdown);
    is_harmless_markdown(&markdown);
}

/// Outside of code there is no mention, link, image or HTML; and each row of a table has the columns of its head.
fn is_harmless_markdown(text: &str) {
    let mut columns = None;
    for line in text.lines() {
        let line = if line.starts_with("<!-- bowline-plan:") { "" } else { line };
        let mut outside = String::new();
        let mut rest = line;
        while let Some(start) = rest.find('`') {
            // An escaped backtick opens nothing.
            let (before, after) = rest.split_at(start);
            outside.push_str(before);
            let fence = after.chars().take_while(|c| *c == '`').count();
            if before.ends_with('\\') {
                rest = &after[1..];
                continue;
            }
            let inside = &after[fence..];
            let mut end = 0;
            loop {
                let found = inside[end..].find('`').unwrap_or_else(|| panic!("code that does not end: {line}")) + end;
                let run = inside[found..].chars().take_while(|c| *c == '`').count();
                end = found + run;
                if run == fence {
                    break;
                }
            }
            rest = &inside[end..];
        }
        outside.push_str(rest);
        for bad in ["@", "](", "<img", "<!--", "javascript:alert(1)) !["] {
            assert!(!outside.replace("\\]", "").replace("\\[", "").contains(bad), "{bad} in {line}");
        }
        if line.starts_with('|') {
            let bars = line.replace("\\|", "").matches('|').count();
            assert_eq!(*columns.get_or_insert(bars), bars, "{line}");
        } else {
            columns = None;
        }
    }
}

/// What the standard (SARIF 2.1.0) requires of each object that is written here, and nothing that it does not know.
fn is_sarif(log: &Value) {
    let object = |value: &Value, required: &[&str], allowed: &[&str]| {
        let fields: BTreeSet<&str> = value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect();
        assert!(required.iter().all(|field| fields.contains(field)), "{required:?} in {value}");
        assert!(fields.iter().all(|field| required.contains(field) || allowed.contains(field)), "unknown in {value}");
    };
    let text = |value: &Value| assert!(value["text"].as_str().is_some_and(|text| !text.is_empty()), "{value}");
    object(log, &["version", "runs"], &["$schema"]);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    object(run, &["tool"], &["results", "invocations", "originalUriBaseIds", "columnKind"]);
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    object(&run["tool"], &["driver"], &[]);
    let driver = &run["tool"]["driver"];
    object(driver, &["name"], &["version", "semanticVersion", "rules"]);
    assert_eq!((driver["name"].as_str(), driver["version"].as_str()), (Some("bowline"), Some(env!("CARGO_PKG_VERSION"))));
    let rules = driver["rules"].as_array().unwrap();
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len(), "each rule once");
    for rule in rules {
        object(rule, &["id"], &["shortDescription"]);
        text(&rule["shortDescription"]);
    }
    for invocation in run["invocations"].as_array().unwrap() {
        object(invocation, &["executionSuccessful"], &["toolExecutionNotifications"]);
    }
    object(&run["originalUriBaseIds"], &["%SRCROOT%"], &[]);
    object(&run["originalUriBaseIds"]["%SRCROOT%"], &[], &["description"]);
    let mut prints = BTreeSet::new();
    for result in run["results"].as_array().unwrap() {
        object(result, &["message"], &["ruleId", "ruleIndex", "level", "locations", "partialFingerprints"]);
        text(&result["message"]);
        assert!(matches!(result["level"].as_str(), Some("error" | "warning" | "note")));
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        for location in result["locations"].as_array().unwrap() {
            object(location, &["physicalLocation"], &[]);
            let place = &location["physicalLocation"];
            object(place, &["artifactLocation"], &["region"]);
            object(&place["artifactLocation"], &["uri"], &["uriBaseId"]);
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte)) && !uri.starts_with('/'), "{uri}");
            assert_eq!(place["artifactLocation"]["uriBaseId"], "%SRCROOT%");
            if let Some(region) = place.get("region") {
                object(region, &["startLine"], &["startColumn", "endColumn", "endLine"]);
                assert!(region.as_object().unwrap().values().all(|number| number.as_u64().is_some_and(|number| number > 0)), "{region}");
            }
        }
        assert!(prints.insert(result["partialFingerprints"].to_string()), "a fingerprint twice: {result}");
    }
}

#[test]
fn sarif_has_what_the_standard_requires_and_names_no_path_of_this_machine() {
    let place = small();
    place.write("bad.yaml", BAD);
    place.write("worse.yaml", &BAD.replace("colour", "shape").replace("name: bad", "name: worse"));
    place.write("torn.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: torn\n");
    std::fs::remove_file(place.estate().join("bowline.yaml")).unwrap();
    let told = place.bowline(&["check", ".", "--output", "sarif"]).ends_with(2);
    assert!(!told.stdout.contains(&*place.estate().to_string_lossy()), "{}", told.stdout);
    let log = told.json();
    is_sarif(&log);
    let rules: Vec<&str> = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(rules, ["no-estate", "unknown-field", "yaml-syntax"]);
    // The same input, the same output.
    assert_eq!(place.bowline(&["check", ".", "--output", "sarif"]).stdout, told.stdout);
}

#[test]
fn an_estate_without_problems_is_told_in_each_format() {
    let place = small();
    assert_eq!(place.bowline(&["check", ".", "--output", "github"]).ends_with(0).stdout, "bowline check: no problem in 4 files\n");
    assert_eq!(place.bowline(&["check", ".", "--output", "markdown"]).ends_with(0).stdout, "**No problem** in the estate `small` (4 files).\n");
    let log = place.bowline(&["check", ".", "--output", "sarif"]).ends_with(0).json();
    is_sarif(&log);
    assert_eq!(log["runs"][0]["results"], serde_json::json!([]), "an empty list, which says that all earlier alerts are mended");
}

// What a branch would change

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
    let after: Vec<_> = support::everything(&place.estate()).into_iter().filter(|(path, _)| !path.ends_with(".git/index")).collect();
    assert!(before.into_iter().filter(|(path, _)| !path.ends_with(".git/index")).eq(after), "nothing is written to the folder or its repository");
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
    let hostile = [r#"--> @everyone | `x` [a](javascript:alert(1)) <img src=x>"#, "](https://evil.example)\u{1b}[31m\u{202e}", "``` ::set-output name=a::b"];
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

// The action, the workflows and the hook

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

/// Every `run` of a document, wherever it stands.
fn scripts(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            map.iter().flat_map(|(name, value)| if name == "run" { vec![value.as_str().unwrap().to_owned()] } else { scripts(value) }).collect()
        }
        Value::Array(list) => list.iter().flat_map(scripts).collect(),
        _ => Vec::new(),
    }
}

const WORKFLOWS: [&str; 2] = ["examples/workflows/github.yaml", "examples/workflows/gitea.yaml"];

#[test]
fn no_script_holds_an_expression_so_no_title_or_branch_is_run() {
    for path in ["action.yml", WORKFLOWS[0], WORKFLOWS[1]] {
        for script in scripts(&yaml(path)) {
            assert!(!script.contains("${{"), "{path}: {script}");
            let mut bash = Command::new("bash").args(["-n", "-c", &script]).spawn().unwrap();
            assert!(bash.wait().unwrap().success(), "{path}: {script}");
        }
    }
}

#[test]
fn every_input_of_the_action_is_used_and_described() {
    let action = yaml("action.yml");
    let text = std::fs::read_to_string(root().join("action.yml")).unwrap();
    assert_eq!(action["runs"]["using"], "composite");
    for (name, input) in action["inputs"].as_object().unwrap() {
        assert!(text.contains(&format!("${{{{ inputs.{name} }}}}")), "{name} is not used");
        assert!(input["description"].as_str().is_some_and(|text| text.len() > 10), "{name} is not described");
    }
    for step in action["runs"]["steps"].as_array().unwrap() {
        assert_eq!(step["shell"], "bash");
        let script = step["run"].as_str().unwrap();
        for name in step["env"].as_object().unwrap().keys() {
            assert!(script.contains(&format!("${name}")), "{name} is not used");
        }
    }
}

#[test]
fn workflows_ask_for_the_least_and_give_strangers_nothing() {
    for path in WORKFLOWS {
        let workflow = yaml(path);
        // YAML 1.1 reads `on` as true; this reader does not.
        let events: Vec<&String> = workflow["on"].as_object().unwrap().keys().collect();
        assert_eq!(events, ["pull_request"], "{path}");
        assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "{path}");
        for (name, job) in workflow["jobs"].as_object().unwrap() {
            let text = job.to_string();
            let own_branches_only = job["if"].as_str().is_some_and(|only| only.contains("head.repo.full_name == github.repository"));
            assert!(own_branches_only || !(text.contains("secrets.") || text.contains("--credentials") || text.contains("write")), "{path}: {name}");
            assert!(own_branches_only != (name == "check"), "{path}: {name}");
            for step in job["steps"].as_array().unwrap().iter().filter(|step| step["uses"].as_str().is_some_and(|uses| uses.starts_with("actions/checkout"))) {
                assert_eq!(step["with"]["persist-credentials"], false, "{path}: {name}");
            }
            // Only inputs that the action has.
            let inputs = yaml("action.yml")["inputs"].clone();
            for step in job["steps"].as_array().unwrap().iter().filter(|step| step["uses"].as_str().is_some_and(|uses| uses.contains("/bowline@"))) {
                assert!(step["with"].as_object().unwrap().keys().all(|name| inputs.get(name).is_some()), "{path}: {step}");
            }
        }
    }
}

/// Has a peer made ready by its script; nothing, and why, where it cannot be had.
fn peer(name: &str) -> Option<PathBuf> {
    let made = Command::new(root().join("tests/peers/get").join(name)).stderr(Stdio::piped()).output().ok()?;
    let program = PathBuf::from(String::from_utf8_lossy(&made.stdout).trim());
    if made.status.success() && program.is_file() {
        return Some(program);
    }
    peers::skip(&format!("{name} cannot be had here: {}", String::from_utf8_lossy(&made.stderr).lines().last().unwrap_or_default()));
    None
}

#[test]
fn actionlint_finds_nothing_in_the_workflows() {
    let Some(actionlint) = peer("actionlint") else { return };
    let place = Place::new();
    place.write("action.yml", &std::fs::read_to_string(root().join("action.yml")).unwrap());
    for path in WORKFLOWS {
        let name = Path::new(path).file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(root().join(path)).unwrap();
        // The action by its folder, so that its inputs and outputs are looked at too.
        let local = text.replace("example/bowline@v0.1.0", "./");
        assert!(local != text);
        place.write(&format!(".github/workflows/{name}"), &local);
    }
    place.commit_all("Workflows");
    let lint = || -> Ran { Command::new(&actionlint).arg("-no-color").current_dir(place.estate()).output().unwrap().into() };
    assert_eq!(lint().ends_with(0).stdout, "");
    let wrong = place.read(".github/workflows/github.yaml").replace("estate: .", "estat: .");
    place.write(".github/workflows/github.yaml", &wrong);
    assert!(lint().ends_with(1).stdout.contains("estat"), "it would be seen");
}

/// Another program with the environment that the place gives to bowline.
fn with_env_of(place: &Place, program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, value) in place.command(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// What a step of the action did.
struct Step {
    ran: Ran,
    summary: String,
    outputs: String,
}

/// Runs the action's steps one after the other as a runner does: expressions become the environment, `bash` runs the
/// script with `-e` and `pipefail`, files take the summary, the outputs and the path.
fn run_action(place: &Place, inputs: &[(&str, &str)]) -> Step {
    let action = yaml("action.yml");
    let runner = place.state().join("runner");
    std::fs::create_dir_all(&runner).unwrap();
    let file = |name: &str| {
        let file = runner.join(name);
        std::fs::write(&file, "").unwrap();
        file
    };
    let (summary, outputs, path) = (file("summary"), file("outputs"), file("path"));
    let program = Path::new(env!("CARGO_BIN_EXE_bowline")).parent().unwrap().to_owned();
    let mut ran = Ran { code: 0, stdout: String::new(), stderr: String::new() };
    for step in action["runs"]["steps"].as_array().unwrap() {
        let mut command = with_env_of(place, Path::new("bash"));
        let script = runner.join("step.sh");
        std::fs::write(&script, step["run"].as_str().unwrap()).unwrap();
        command.args(["--noprofile", "--norc", "-e", "-o", "pipefail"]).arg(&script).current_dir(place.estate()).stdin(Stdio::null());
        for (name, value) in step["env"].as_object().unwrap() {
            let expression = value.as_str().unwrap().trim_start_matches("${{ ").trim_end_matches(" }}").to_owned();
            let value = match expression.split_once('.').unwrap() {
                ("inputs", input) => {
                    let default = action["inputs"][input]["default"].as_str().unwrap();
                    inputs.iter().find(|(name, _)| *name == input).map_or(default, |(_, value)| value).to_owned()
                }
                ("github", "action_path") => root().display().to_string(),
                other => panic!("{other:?}"),
            };
            command.env(name, value);
        }
        let with_program = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        command
            .env("PATH", with_program)
            .env("RUNNER_TEMP", &runner)
            .env("GITHUB_STEP_SUMMARY", &summary)
            .env("GITHUB_OUTPUT", &outputs)
            .env("GITHUB_PATH", &path);
        let done: Ran = command.output().unwrap().into();
        ran = Ran { code: done.code, stdout: ran.stdout + &done.stdout, stderr: ran.stderr + &done.stderr };
        if ran.code != 0 {
            break;
        }
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), "", "the program on PATH is used, none is built");
    Step { ran, summary: std::fs::read_to_string(summary).unwrap(), outputs: std::fs::read_to_string(outputs).unwrap() }
}

#[test]
fn the_action_checks_annotates_and_ends_as_check_does() {
    let place = small();
    let good = run_action(&place, &[]);
    assert_eq!(good.ran.code, 0, "{}", good.ran.stderr);
    assert_eq!(
        (good.ran.stdout.as_str(), good.summary.as_str()),
        ("bowline check: no problem in 4 files\n", "**No problem** in the estate `small` (4 files).\n")
    );

    place.write("sites/harbour/bowline.yaml", ESTATE);
    place.write("sites/harbour/bad.yaml", BAD);
    let bad = run_action(&place, &[("estate", "sites/harbour")]);
    assert_eq!(bad.ran.code, 2, "{}", bad.ran.stderr);
    assert!(bad.ran.stdout.starts_with("::error file=sites/harbour/bad.yaml,line=6,"), "{}", bad.ran.stdout);
    assert!(bad.summary.contains("| 6:3 | Error | `colour` is not known in `spec`"), "{}", bad.summary);

    assert_eq!(run_action(&place, &[("estate", "nowhere")]).ran.code, 1);
    assert_eq!(run_action(&place, &[("command", "destroy")]).ran.code, 1);
}

#[test]
fn the_action_fails_for_warnings_only_when_strict() {
    let place = small();
    std::fs::remove_file(place.estate().join("bowline.yaml")).unwrap();
    assert_eq!(run_action(&place, &[]).ran.code, 0);
    let strict = run_action(&place, &[("strict", "true")]);
    assert_eq!(strict.ran.code, 2);
    assert!(strict.ran.stdout.starts_with("::warning title=no-estate::"), "{}", strict.ran.stdout);
}

#[test]
fn the_action_plans_what_the_branch_changes_and_hands_the_report_on() {
    let place = small();
    place.write("web.yaml", &item("web-1", "32Gi"));
    place.commit_all("More memory");
    let done = run_action(&place, &[("command", "plan"), ("base", "main..."), ("args", "--at 2026-11-25T08:00:00Z\n--detailed-exitcode")]);
    assert_eq!(done.ran.code, 2, "{}{}", done.ran.stdout, done.ran.stderr);
    assert!(done.summary.starts_with("**1 finding appears.** Services touched: `shop` (Down).\n"), "{}", done.summary);
    let report = done.outputs.trim().strip_prefix("report=").unwrap();
    assert_eq!(std::fs::read_to_string(report).unwrap(), done.summary);
    // A plan without a base is the whole plan.
    let whole = run_action(&place, &[("command", "plan")]);
    assert_eq!(whole.ran.code, 0, "{}", whole.ran.stderr);
    assert!(whole.summary.starts_with("# Estate **small**"), "{}", whole.summary);
}

#[test]
fn the_runner_hears_no_command_from_a_plan() {
    let place = small();
    place.write("facts.json", &format!("[{}]", serde_json::json!({"class": "server", "name": "::add-mask::x", "key": "\n::set-output name=a::b"})));
    let done = run_action(&place, &[("command", "plan"), ("base", "main")]);
    let lines: Vec<&str> = done.ran.stdout.lines().collect();
    let start = lines.iter().position(|line| line.starts_with("::stop-commands::")).unwrap();
    let pause = lines[start].strip_prefix("::stop-commands::").unwrap();
    assert_eq!(pause.len(), 32, "nobody can guess it");
    let end = lines.iter().position(|line| *line == format!("::{pause}::")).unwrap();
    assert!(
        lines[..start]
            .iter()
            .chain(&lines[end + 1..])
            .all(|line| line.starts_with("::error ") || line.starts_with("::warning ") || !line.trim_start().starts_with("::"))
    );
    assert!(lines[start..end].iter().any(|line| line.contains("::add-mask::x")), "{lines:?}");
}

#[test]
fn inputs_of_the_action_are_words_and_never_commands() {
    let place = small();
    let marks = "$(touch pwned-1) `touch pwned-2`; touch pwned-3 | touch pwned-4 * ~";
    for input in ["estate", "command", "base", "strict", "args", "version"] {
        for command in ["check", "plan"] {
            let inputs = if input == "command" { vec![(input, marks)] } else { vec![("command", command), (input, marks)] };
            // Another version would be built, which takes minutes: that it is not of that version is enough.
            if input != "version" {
                run_action(&place, &inputs);
            }
        }
    }
    let made: Vec<_> = support::everything(&place.estate()).into_keys().filter(|path| path.to_string_lossy().contains("pwned")).collect();
    assert!(made.is_empty(), "{made:?}");
}

#[test]
fn the_comment_of_the_workflow_is_found_again_by_its_marker() {
    let script = scripts(&yaml(WORKFLOWS[0])).remove(0);
    assert!(script.contains("bowline-plan:") && script.contains("github-actions[bot]"), "only its own comment is written anew: {script}");
}

#[test]
fn pre_commit_takes_the_hook_and_it_stops_a_bad_commit() {
    let Some(pre_commit) = peer("pre-commit") else { return };
    let hooks = root().join(".pre-commit-hooks.yaml");
    let valid: Ran = Command::new(&pre_commit).arg("validate-manifest").arg(&hooks).output().unwrap().into();
    valid.ends_with(0);

    // The same hook with the program on PATH: to build it takes minutes.
    let mut hook = yaml(".pre-commit-hooks.yaml")[0].clone();
    assert_eq!((&hook["id"], &hook["language"], &hook["pass_filenames"]), (&"bowline-check".into(), &"rust".into(), &false.into()));
    hook["language"] = "system".into();
    let place = small();
    place.write(".pre-commit-config.yaml", &serde_yaml::to_string(&serde_json::json!({"repos": [{"repo": "local", "hooks": [hook]}]})).unwrap());
    place.commit_all("The hook");
    place.write("map.yaml", &format!("# edited\n{MAP}"));
    place.git(&["add", "-A"]);
    let program = Path::new(env!("CARGO_BIN_EXE_bowline")).parent().unwrap();
    let run = || -> Ran {
        let mut command = with_env_of(&place, &pre_commit);
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        command.arg("run").current_dir(place.estate()).env("PATH", path).env("PRE_COMMIT_HOME", place.state().join("pre-commit"));
        command.output().unwrap().into()
    };
    assert!(run().ends_with(0).stdout.contains("Passed"));
    place.write("bad.yaml", BAD);
    place.git(&["add", "-A"]);
    let stopped = run().ends_with(1).stdout;
    assert!(stopped.contains("unknown-field") && stopped.contains("bad.yaml"), "{stopped}");
    // A commit without YAML is not held up.
    place.git(&["rm", "-q", "--cached", "bad.yaml"]);
    std::fs::remove_file(place.estate().join("bad.yaml")).unwrap();
    place.commit_all("Edited");
    place.write("README.md", "More.");
    place.git(&["add", "-A"]);
    assert!(run().ends_with(0).stdout.contains("Skipped"));
}
