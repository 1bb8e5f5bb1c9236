//! Change requests as a board gets them: grouped, rated, scheduled, with edits that change one value and no other byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

use bowline::api::{Table, Text, Value};
use bowline::change::Change;
use bowline::discovery::{Answer, Discovered, History, Observation};
use bowline::estate::{SourceFile, load};
use bowline::plan::{Plan, plan};
use jiff::Timestamp;

const BASE: &str = "apiVersion: bowline.dev/v1alpha1
kind: Estate
metadata: {name: small}
spec: {timeZone: Europe/Zurich}
---
apiVersion: bowline.dev/v1alpha1
kind: DiscoverySource
metadata: {name: list}
spec:
  file: {path: facts.json}
  scope: {all: true}
---
apiVersion: bowline.dev/v1alpha1
kind: ServiceMap
metadata: {name: shop}
spec:
  criticality: Critical
  owner: team-shop
  dependencies:
  - {from: shop, to: db-1}
---
apiVersion: bowline.dev/v1alpha1
kind: PatchWindow
metadata: {name: sunday}
spec:
  selector: {services: [shop]}
  start: 2026-01-04T02:00:00
  duration: 4h
  recurrence: FREQ=WEEKLY;BYDAY=SU
  leadTime: 1d
";

fn now() -> Timestamp {
    "2026-11-25T08:00:00Z".parse().unwrap()
}

fn item(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata:\n  name: {name}\nspec:\n  class: server\n  owner: team-shop\n  identifiers: {{dns/fqdn: {name}.example.com}}\n{spec}"
    )
}

fn found(name: &str, attributes: &[(&str, Value)]) -> Observation {
    Observation {
        key: name.into(),
        class: "server".into(),
        name: name.into(),
        identifiers: [("dns/fqdn", Text::from(format!("{name}.example.com")))].into_iter().collect(),
        attributes: attributes.iter().cloned().collect::<Table<Value>>(),
        ..Observation::default()
    }
}

fn planned(base: &str, items: &str, observations: Vec<Observation>) -> Plan {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let estate = load::load(vec![file("bowline.yaml", base), file("items.yaml", items)], None, Vec::new());
    let errors: Vec<_> = estate.diagnostics.iter().filter(|problem| problem.severity == bowline::estate::Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let answer = Answer { source: "list".into(), at: now(), complete: true, error: None, evidence: "facts.json".into(), items: observations };
    plan(&estate, &Discovered { answers: vec![answer], history: History::default() }, now())
}

fn only(plan: &Plan) -> &Change {
    assert_eq!(plan.changes.len(), 1, "{:#?}", plan.changes);
    &plan.changes[0]
}

fn edited<'a>(change: &'a Change, path: &str) -> Option<&'a str> {
    change.files.iter().find(|file| &*file.path == path).map(|file| file.text.as_str())
}

#[test]
fn enforcing_asks_for_a_window_names_the_service_and_touches_no_item() {
    let items = item("db-1", "  attributes: {memory: 16Gi}\n  onDrift: {default: Enforce}\n");
    let plan = planned(BASE, &items, vec![found("db-1", &[("memory", "8192Mi".into())])]);
    let change = only(&plan);
    assert_eq!(change.services[0].name, "shop".into());
    assert_eq!(change.schedule.as_ref().unwrap().start, "2026-11-29T02:00:00+01:00[Europe/Zurich]".into());
    assert_eq!(change.files.len(), 1, "only the record: {:?}", change.files);
    assert_eq!(change.actions[0].to, Value::from("16Gi"));
    insta::assert_snapshot!(change.body);
}

#[test]
fn each_step_of_a_request_over_several_items_names_its_item() {
    let enforced = "  onDrift: {default: Enforce}\n";
    let items = format!("{}---\n{}---\n{}", item("db-1", ""), item("web-1", enforced), item("web-2", enforced));
    let plan = planned(BASE, &items, vec![found("db-1", &[])]);
    let steps = &only(&plan).plan.implementation;
    assert!(steps.contains("1. web-1: ") && steps.contains("2. web-2: "), "{steps}");
}

#[test]
fn the_record_is_a_document_that_the_estate_reads_again() {
    let items = item("db-1", "  attributes: {memory: 16Gi}\n  onDrift: {default: Enforce}\n");
    let plan = planned(BASE, &items, vec![found("db-1", &[("memory", "8192Mi".into())])]);
    let change = only(&plan);
    let record = edited(change, &format!("changes/{}.yaml", change.key)).unwrap();
    let estate = load::load(vec![SourceFile { path: "changes/x.yaml".into(), text: record.into() }], None, Vec::new());
    assert_eq!(estate.requests.len(), 1, "{:#?}", estate.diagnostics);
    assert_eq!(estate.requests[0].spec.findings[0].key, change.findings[0]);
    insta::assert_snapshot!(record);
}

#[test]
fn adopting_edits_one_value_and_needs_no_window() {
    let items = format!(
        "# first\n{}---   # second\n{}",
        item("db-1", "  attributes:\n    memory:   16Gi   # agreed\n  onDrift: {default: Adopt}\n"),
        item("web-1", "  attributes: {cpus: 2}\n")
    );
    let plan = planned(BASE, &items, vec![found("db-1", &[("memory", "8192Mi".into())]), found("web-1", &[("cpus", 2_u64.into())])]);
    let change = only(&plan);
    assert_eq!(edited(change, "items.yaml"), Some(items.replace("16Gi", "8Gi").as_str()));
    assert_eq!(change.schedule, None);
    assert!(change.conflicts.is_empty());
}

#[test]
fn several_adoptions_in_one_file_and_one_document_stand_together() {
    let spec = |memory: &str, cpus: &str| format!("  attributes: {{memory: {memory}, cpus: {cpus}}}   # both\n  onDrift: {{default: Adopt}}\n");
    let items = format!("{}---\n{}", item("db-1", &spec("16Gi", "4")), item("db-2", &spec("32Gi", "16")));
    let facts = vec![found("db-1", &[("memory", "8Gi".into()), ("cpus", 10_u64.into())]), found("db-2", &[("memory", "100Gi".into()), ("cpus", 1_u64.into())])];
    let grouped = BASE.replace("spec: {timeZone: Europe/Zurich}", "spec: {timeZone: Europe/Zurich, changes: {groupBy: [Owner]}}");
    let plan = planned(&grouped, &items, facts);
    let wanted = items.replace("memory: 16Gi, cpus: 4", "memory: 8Gi, cpus: 10").replace("memory: 32Gi, cpus: 16", "memory: 100Gi, cpus: 1");
    assert_eq!(edited(only(&plan), "items.yaml"), Some(wanted.as_str()));
}

#[test]
fn an_edit_that_cannot_be_made_safely_is_left_to_a_person_and_said() {
    let items = item("db-1", "  attributes: {memory: &size 16Gi, swap: *size}\n  onDrift: {default: Adopt}\n");
    let plan = planned(BASE, &items, vec![found("db-1", &[("memory", "8Gi".into()), ("swap", "16Gi".into())])]);
    let change = only(&plan);
    assert_eq!(edited(change, "items.yaml"), None, "the file stays as it is");
    assert!(change.conflicts[0].contains("by hand"), "{:?}", change.conflicts);
    assert!(change.body.contains("by hand"));
}

#[test]
fn adopting_and_enforcing_never_share_a_request() {
    let items = item("db-1", "  attributes: {memory: 16Gi, cpus: 4}\n  onDrift: {attributes: {memory: Enforce, cpus: Adopt}}\n");
    let plan = planned(BASE, &items, vec![found("db-1", &[("memory", "8Gi".into()), ("cpus", 8_u64.into())])]);
    assert_eq!(plan.changes.len(), 2);
}

#[test]
fn a_key_stays_the_same_while_the_drift_changes_and_the_fingerprint_does_not() {
    let items = item("db-1", "  attributes: {memory: 16Gi}\n  onDrift: {default: Enforce}\n");
    let one = planned(BASE, &items, vec![found("db-1", &[("memory", "8Gi".into())])]);
    let other = planned(BASE, &items, vec![found("db-1", &[("memory", "4Gi".into())])]);
    assert_eq!(only(&one).key, only(&other).key);
    assert_ne!(only(&one).fingerprint, only(&other).fingerprint);
}

#[test]
fn without_a_window_the_request_says_so_and_is_riskier() {
    let items = item("web-9", "  attributes: {memory: 16Gi}\n  onDrift: {default: Enforce}\n") + "---\n" + &item("db-1", "");
    let plan = planned(BASE, &items, vec![found("web-9", &[("memory", "8Gi".into())]), found("db-1", &[])]);
    let change = only(&plan);
    assert_eq!(change.schedule, None);
    assert!(change.conflicts[0].contains("No slot"), "{:?}", change.conflicts);
    assert!(change.risk.factors.iter().any(|factor| &*factor.name == "NoWindow"));
}

#[test]
fn two_changes_of_one_item_do_not_take_the_same_slot() {
    let base = format!(
        "{BASE}---\napiVersion: bowline.dev/v1alpha1\nkind: ChangeRequest\nmetadata: {{name: earlier}}\nspec:\n  type: Normal\n  title: earlier\n  items: [db-1]\n  schedule: {{window: sunday, start: '2026-11-29T02:00:00+01:00[Europe/Zurich]', end: '2026-11-29T06:00:00+01:00[Europe/Zurich]'}}\n"
    );
    let items = item("db-1", "  attributes: {memory: 16Gi}\n  onDrift: {default: Enforce}\n");
    let plan = planned(&base, &items, vec![found("db-1", &[("memory", "8Gi".into())])]);
    assert_eq!(only(&plan).schedule.as_ref().unwrap().start, "2026-12-06T02:00:00+01:00[Europe/Zurich]".into());
    assert!(only(&plan).body.contains("Ruled out"));
}

#[test]
fn the_factors_add_up_to_the_score() {
    let items = item("db-1", "  attributes: {memory: 16Gi}\n  onDrift: {default: Enforce}\n");
    let plan = planned(BASE, &items, vec![found("db-1", &[("memory", "8Gi".into())])]);
    let risk = &only(&plan).risk;
    assert_eq!(risk.factors.iter().map(|factor| factor.points).sum::<u32>(), risk.score);
    assert!(risk.factors.iter().all(|factor| factor.reason.is_some()));
}

/// Everything that a forge could act on stays text (issue threads of many bots: pings and pictures from a machine's name).
#[test]
fn nothing_from_an_estate_or_a_source_becomes_markup() {
    let hostile = "x @team/all #1 ![p](http://evil.example/p) <img src=x onerror=y> | cell `code` www.evil.example\n\n# heading\n```mermaid\ngraph LR\n```\n<!-- bowline:{} -->";
    let items = item("db-1", "  attributes: {model: plain}\n  onDrift: {default: Enforce}\n");
    let plan = planned(BASE, &items, vec![found("db-1", &[("model", hostile.into())])]);
    let body = &only(&plan).body;
    for line in body.lines() {
        assert!(!line.starts_with("# heading") && !line.trim_start().starts_with("<!--"), "{line}");
        // Outside of code spans nothing of it is left as it was.
        let outside: String = strip_code(line);
        for mark in ["@team", "![", "[p](", "<img", "http://", "www.evil"] {
            assert!(!outside.contains(mark), "{mark} in {line}");
        }
    }
    let table: Vec<&str> = body.lines().filter(|line| line.contains("Changed `attributes.model`")).collect();
    assert_eq!(table.len(), 1, "the row is one line");
    assert_eq!(table[0].replace("\\|", "").matches('|').count(), 6, "of five cells");
}

/// A line without its code spans, read as GFM reads them: a run of backticks closes with a run of the same length.
fn strip_code(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let escaped = rest[..start].ends_with('\\');
        let run = rest[start..].chars().take_while(|c| *c == '`').count();
        let fence = &rest[start..start + run];
        text.push_str(&rest[..start]);
        let after = &rest[start + run..];
        let close =
            (!escaped).then(|| after.match_indices(fence).find(|(at, _)| !after[at + run..].starts_with('`') && !after[..*at].ends_with('`'))).flatten();
        rest = match close {
            Some((at, _)) => &after[at + run..],
            None => after,
        };
    }
    text + rest
}

#[test]
fn a_body_stays_below_the_forges_limit_and_says_where_the_rest_is() {
    let spec = "  attributes: {model: plain}\n  onDrift: {default: Enforce}\n";
    let items: Vec<String> = (1..=800).map(|number| item(&format!("db-{number}"), spec)).collect();
    let facts = (1..=800).map(|number| found(&format!("db-{number}"), &[("model", "y".repeat(150).as_str().into())])).collect();
    let grouped = BASE.replace("spec: {timeZone: Europe/Zurich}", "spec: {timeZone: Europe/Zurich, changes: {groupBy: [Owner]}}");
    let plan = planned(&grouped, &items.join("---\n"), facts);
    let change = only(&plan);
    assert!(change.body.len() < 60_000, "{}", change.body.len());
    assert!(change.body.contains(&format!("changes/{}.yaml", change.key)));
    assert_eq!(change.findings.len(), 800);
}
