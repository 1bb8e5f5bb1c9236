//! What a dashboard says, how long it is, and what its boxes and its marker tell.

use jiff::Timestamp;

use super::*;
use crate::api::change_request::{ChangePlan, ChangeType, EffectOnService, Risk, RiskLevel, ServiceEffect};
use crate::drift::{Absences, FindingKind};
use crate::plan::Summary;

fn finding(item: &str, service: Option<&str>, severity: Severity) -> Finding {
    Finding {
        key: Finding::key_of(FindingKind::Changed, item, Some("attributes.memory")),
        fingerprint: "f".into(),
        kind: FindingKind::Changed,
        item: item.into(),
        class: "server".into(),
        owner: None,
        path: Some("attributes.memory".into()),
        declared: "16Gi".into(),
        discovered: "8Gi".into(),
        source: Some("inventory".into()),
        seen: None,
        severity,
        services: service.into_iter().map(|name| ServiceEffect { name: name.into(), effect: EffectOnService::Down }).collect(),
        at: None,
        action: OnDrift::Enforce,
        message: String::new(),
        rule: String::new(),
        remedy: String::new(),
        evidence: Vec::new(),
    }
}

fn change(key: &str, title: &str) -> Change {
    Change {
        key: key.into(),
        fingerprint: "f".into(),
        content: "c".into(),
        basis: "b".into(),
        owner: None,
        title: title.to_owned(),
        kind: ChangeType::Normal,
        risk: Risk { level: RiskLevel::High, score: 65, factors: Vec::new() },
        items: Vec::new(),
        services: Vec::new(),
        schedule: None,
        findings: Vec::new(),
        actions: Vec::new(),
        conflicts: Vec::new(),
        plan: ChangePlan::default(),
        files: Vec::new(),
        body: String::new(),
    }
}

fn plan(findings: Vec<Finding>, mut changes: Vec<Change>) -> Plan {
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    let summary = Summary { declared: 10, discovered: 9, findings: [("Changed", findings.len())].into(), changes: changes.len(), ..Summary::default() };
    let at = Timestamp::UNIX_EPOCH;
    Plan {
        api_version: "",
        kind: "Plan",
        estate: "harbour".into(),
        revision: None,
        at,
        summary,
        sources: Vec::new(),
        findings,
        changes,
        diagnostics: Vec::new(),
        absences: Absences::default(),
        ties: crate::discovery::Ties::new(),
    }
}

fn standings(of: &[(&str, Standing)]) -> BTreeMap<Text, Standing> {
    of.iter().map(|(key, standing)| (Text::from(*key), standing.clone())).collect()
}

fn nowhere(_: &str) -> Option<String> {
    None
}

fn rejected() -> Standing {
    Standing::Rejected { until: "2027-01-01T00:00:00Z".parse().unwrap(), who: Some("ann".into()), reason: Some("not @now".into()) }
}

#[test]
fn every_standing_is_listed_and_what_waits_or_was_rejected_has_a_box() {
    let changes = ["a", "b", "c", "d", "e"].map(|key| change(key, &format!("shop: Enforce {key}"))).to_vec();
    let standings = standings(&[
        ("a", Standing::Proposed),
        ("b", Standing::Waiting { reason: "10 change requests are open already (maxOpen)".into() }),
        ("c", rejected()),
        ("d", Standing::Overdue),
        ("e", Standing::InDoubt { reason: "the source `s` did not say everything".into() }),
    ]);
    let url = |key: &str| (key == "a").then(|| "https://forge.example/pulls/1".to_owned());
    let text = write(&plan(vec![finding("db-1", Some("shop"), Severity::High)], changes), &standings, &url);
    for line in [
        "- [`a`](<https://forge.example/pulls/1>) shop: Enforce a (High risk, 65 of 100)",
        "- [ ] shop: Enforce b (High risk, 65 of 100): 10 change requests are open already (maxOpen) <!-- bowline-box:b -->",
        "- [ ] shop: Enforce c (High risk, 65 of 100), rejected by `ann` until 2027-01-01 00:00 UTC: not `@now` <!-- bowline-box:c -->",
        "- shop: Enforce d (High risk, 65 of 100): **overdue**: its window has passed and the drift is still there",
        "- shop: Enforce e (High risk, 65 of 100): the source `s` did not say everything",
        "### `shop`",
        "1 finding: 1 Changed (High). If its items fail: Down.",
        "| High | `db-1` | Changed `attributes.memory` | `16Gi` | `8Gi` | Enforce |",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn the_worst_finding_of_the_worst_service_comes_first() {
    let findings = vec![
        finding("c", None, Severity::Critical),
        finding("a", Some("minor"), Severity::Low),
        finding("b", Some("major"), Severity::Low),
        finding("d", Some("major"), Severity::Critical),
    ];
    let text = write(&plan(findings, Vec::new()), &BTreeMap::new(), &nowhere);
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} is not in {text}"));
    assert!(at("### `major`") < at("| `d` |") && at("| `d` |") < at("| `b` |"));
    assert!(at("| `b` |") < at("### `minor`") && at("### `minor`") < at("### No declared service"));
}

#[test]
fn ticked_boxes_are_read_whatever_ends_a_line() {
    let boxes = "- [x] one <!-- bowline-box:a-1 -->\r\n- [X] two <!-- bowline-box:b -->\r\n- [ ] three <!-- bowline-box:c -->\r\n  - [x] four <!-- bowline-box:d -->\r\n";
    assert_eq!(ticked(boxes).into_iter().collect::<Vec<_>>(), ["a-1".into(), "b".into(), "d".into()] as [Text; 3]);
    for none in [
        "- [x] no box",
        "text [x] <!-- bowline-box:a -->",
        "- [x] <!-- bowline-box:../a -->",
        "- [x] `<!-- bowline-box:a -->` more",
        "- [x] <!-- bowline-box: -->",
    ] {
        assert!(ticked(none).is_empty(), "{none}");
    }
}

fn held(source: &str, message: &str) -> Finding {
    Finding { kind: FindingKind::MassAbsence, item: source.into(), message: message.into(), discovered: 7_u64.into(), ..finding(source, None, Severity::High) }
}

#[test]
fn a_held_source_has_a_box_that_confirms_just_what_it_said() {
    let text =
        write(&plan(vec![held("vcenter", "vcenter named 7 this time and 10 the time before: 3 vanished at once.")], Vec::new()), &BTreeMap::new(), &nowhere);
    let line = "- [ ] vcenter named 7 this time and 10 the time before: 3 vanished at once. <!-- bowline-confirm:vcenter:7 -->";
    assert!(text.lines().any(|found| found == line), "{text}");
    assert!(confirmed(&text).is_empty() && ticked(&text).is_empty());
    let text = text.replace("- [ ]", "- [x]");
    assert_eq!((confirmed(&text), ticked(&text).len()), (BTreeMap::from([("vcenter".into(), 7)]), 0));
    for none in
        ["- [x] a <!-- bowline-confirm:s -->", "- [x] a <!-- bowline-confirm:S:7 -->", "- [x] a <!-- bowline-confirm:s:x -->", "- [x] <!-- bowline-box:s:7 -->"]
    {
        assert!(confirmed(none).is_empty(), "{none}");
    }
}

#[test]
fn a_source_cannot_confirm_itself() {
    let hostile = "x <!-- bowline-confirm:other:1 --> \n- [x] y <!-- bowline-confirm:other:1 -->";
    let text = write(&plan(vec![held("s", hostile), held("not a name", hostile)], Vec::new()), &BTreeMap::new(), &nowhere);
    assert!(confirmed(&text).is_empty());
    assert_eq!(confirmed(&text.replace("- [ ]", "- [x]")), BTreeMap::from([("s".into(), 7)]), "{text}");
}

#[test]
fn a_title_cannot_tick_a_box_nor_end_the_text() {
    let hostile = "x <!-- bowline-box:z --> \n- [x] y <!-- bowline-box:z -->\n<!-- bowline-dashboard:{\"estate\":\"other\",\"digest\":\"0\"} -->";
    let standings = standings(&[("a", Standing::Waiting { reason: hostile.into() }), ("b", Standing::Proposed)]);
    let text = write(&plan(vec![finding(hostile, Some(hostile), Severity::Low)], vec![change("a", hostile), change("b", hostile)]), &standings, &nowhere);
    assert!(ticked(&text).is_empty());
    assert_eq!(ticked(&text.replace("- [ ]", "- [x]")), BTreeSet::from(["a".into()]));
    assert!(belongs_to(&text, "harbour") && !belongs_to(&text, "other"));
}

#[test]
fn the_digest_stays_while_the_text_does_and_ticks_are_no_part_of_it() {
    let waiting = standings(&[("a", Standing::Waiting { reason: "full".into() })]);
    let text = write(&plan(Vec::new(), vec![change("a", "A")]), &waiting, &nowhere);
    let again = write(&plan(Vec::new(), vec![change("a", "A")]), &waiting, &nowhere);
    let other = write(&plan(Vec::new(), vec![change("a", "B")]), &waiting, &nowhere);
    assert_eq!(text, again);
    assert_eq!(digest_of(&text), digest_of(&text.replace("- [ ]", "- [x]").replace('\n', "\r\n")));
    assert!(digest_of(&text).is_some() && digest_of(&text) != digest_of(&other));
    assert_eq!(digest_of("no dashboard"), None);
    assert!(text.trim_end().lines().last().unwrap().starts_with("<!-- bowline-dashboard:{\"estate\":\"harbour\","));
}

#[test]
fn a_large_estate_has_a_short_dashboard_that_says_how_much_it_leaves_out() {
    let findings =
        (0..20_000).map(|number| finding(&format!("{number}{}", "|".repeat(150)), Some(&format!("service-{}", number % 700)), Severity::Low)).collect();
    let changes: Vec<Change> = (0..3000).map(|number| change(&format!("key-{number}"), &"漢".repeat(150))).collect();
    let standing = |number: usize| if number.is_multiple_of(2) { Standing::Waiting { reason: "\u{1f600}".repeat(5000) } } else { rejected() };
    let standings = (0..3000).map(|number| (Text::from(format!("key-{number}")), standing(number))).collect();
    let text = write(&plan(findings, changes), &standings, &nowhere);
    assert!(encoded(&text) < 60_000, "{}", encoded(&text));
    assert!(text.contains("**20000 findings**") && text.contains("more services: `bowline plan` shows them") && text.contains("## Rejected (1500)"));
    assert!(belongs_to(&text, "harbour"));
}
