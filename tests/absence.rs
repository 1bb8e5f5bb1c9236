//! Absence must be earned (rule 2): what users of other tools reported.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod builders;

use bowline::api::{OnDrift, Text, Value};
use bowline::discovery::{Absence, Answer, Discovered, SourceHistory};
use bowline::drift::FindingKind;
use builders::{answer, cut_short, discovered, estate, findings, item, keys, keys_of, now, settings, source};
use jiff::Timestamp;

const NONE: Vec<String> = Vec::new();

fn machine(name: &str) -> String {
    item(name, &format!("identifiers: {{bios/uuid: uuid-of-{name}}}"))
}

fn found(name: &str) -> String {
    format!("key: key-of-{name}, name: {name}, identifiers: {{bios/uuid: uuid-of-{name}}}")
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|of| format!("m-{of:02}")).collect()
}

/// An estate of `declared` machines, of which one source names the first `there`.
fn machines(declared: usize, extra: &[String]) -> Vec<String> {
    names(declared).iter().map(|name| machine(name)).chain([source("s", "")]).chain(extra.iter().cloned()).collect()
}

fn there(count: usize) -> Answer {
    let found: Vec<String> = names(count).iter().map(|name| found(name)).collect();
    answer("s", &found.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn what_a_complete_answer_covers_and_does_not_name_is_missing() {
    let told = findings(&estate(&machines(3, &[])), &discovered(vec![there(2)]));
    assert_eq!(keys_of(&told), ["missing/m-02"]);
    assert_eq!(told[0].message, "m-02 is declared Operational and is not there: s says that its answer is complete, and does not name it.");
    assert_eq!((&told[0].declared, &told[0].discovered, told[0].source.as_deref()), (&Value::from("Operational"), &Value::Null, Some("s")));
}

// nautobot-app-ssot#1108: a connection failure marked every device for deletion. cartography#379: a failed sync cleaned up.
#[test]
fn a_source_that_failed_concludes_nothing() {
    assert_eq!(keys(&machines(3, &[]), vec![cut_short("s", &[], "connection refused")]), NONE);
    assert_eq!(keys(&machines(3, &[]), vec![cut_short("s", &[&found("m-00")], "cut short after the first row")]), NONE);
    assert_eq!(keys(&machines(3, &[]), vec![]), NONE, "a source that was not asked");
}

// cartography#2658: a 403 in one region deleted valid nodes, which then flickered.
#[test]
fn one_failing_source_that_could_have_seen_an_item_is_enough_to_conclude_nothing() {
    let documents = machines(3, &[source("t", "")]);
    assert_eq!(keys(&documents, vec![there(2), cut_short("t", &[], "403 Forbidden in eu-west-1")]), NONE);
    assert_eq!(keys(&documents, vec![there(2), answer("t", &[])]), ["missing/m-02"]);
    assert_eq!(keys(&documents, vec![there(2)]), NONE, "the other one was not asked");
    assert_eq!(keys(&machines(3, &[source("t", "suspend: true")]), vec![there(2)]), ["missing/m-02"]);
    let elsewhere = source("t", "scope: {labels: {env: [test]}}");
    assert_eq!(keys(&machines(3, &[elsewhere]), vec![there(2), cut_short("t", &[], "403")]), ["missing/m-02"], "it could not have seen it");
}

// cartography#478, #587: clean-up was not scoped to one account.
#[test]
fn an_answer_speaks_only_of_what_its_scope_covers() {
    let machines = [machine("a"), item("b", "class: network-device, identifiers: {serial/number: S-1}")];
    let with = |scope: &str| -> Vec<String> { machines.iter().cloned().chain([source("s", scope)]).collect() };
    let told = |scope: &str| keys(&with(scope), vec![answer("s", &[])]);
    assert_eq!(told("scope: {classes: [virtual-machine]}"), ["missing/a"]);
    assert_eq!(told("scope: {classes: [server]}"), ["missing/a"], "and what extends it");
    assert_eq!(told("scope: {items: ['b*']}"), ["missing/b"]);
    assert_eq!(told("scope: {}"), NONE, "an empty scope covers nothing");
}

// cartography#1366: stale nodes never left.
#[test]
fn what_was_last_seen_long_ago_is_stale_and_neither_missing_nor_compared() {
    let documents = |stale: &str| vec![item("a", "identifiers: {bios/uuid: u-1}, attributes: {cpus: 4}"), source("s", stale), source("t", "")];
    let old = "key: k, name: a, identifiers: {bios/uuid: u-1}, attributes: {cpus: 2}, seen: '2026-09-20T00:00:00Z'";
    let told = findings(&estate(&documents("")), &discovered(vec![answer("s", &[old]), answer("t", &[])]));
    assert_eq!(keys_of(&told), ["stale/a"]);
    assert_eq!(told[0].message, "a was last seen at 2026-09-20T00:00:00Z; s still lists it.");
    assert_eq!(keys(&documents("staleAfter: 90d"), vec![answer("s", &[old]), answer("t", &[])]), ["changed/a/attributes.cpus"]);
    let fresh = "key: k, name: a, identifiers: {bios/uuid: u-1}, attributes: {cpus: 4}";
    assert_eq!(keys(&documents("priority: 9"), vec![answer("s", &[old]), answer("t", &[fresh])]), NONE, "a stale fact does not speak beside a fresh one");
    let silent = "key: k, name: a, identifiers: {bios/uuid: u-1}";
    assert_eq!(keys(&documents(""), vec![answer("s", &[old]), answer("t", &[silent])]), ["changed/a/attributes.cpus"], "it does where the fresh one is silent");
}

// A scan that nobody repeats would say for ever that what was declared since is not there.
#[test]
fn an_answer_of_which_everything_is_stale_knows_nothing_of_what_is_absent() {
    let documents = [item("new", "identifiers: {bios/uuid: u-2}"), source("s", "")];
    let row = |number: u8, seen: &str| format!("key: k-{number}, name: a, identifiers: {{bios/uuid: u-1}}, seen: '{seen}'");
    let (old, older, fresh) = (row(1, "2026-09-20T00:00:00Z"), row(1, "2026-01-01T00:00:00Z"), row(2, "2026-11-24T00:00:00Z"));
    assert!(!keys(&documents, vec![answer("s", &[&old, &older])]).contains(&"missing/new".to_owned()));
    assert!(keys(&documents, vec![answer("s", &[&old, &fresh])]).contains(&"missing/new".to_owned()));
}

#[test]
fn a_retired_item_that_was_last_seen_long_ago_does_not_linger() {
    let documents = [item("a", "lifecycle: Retired, identifiers: {bios/uuid: u-1}"), source("s", "")];
    assert_eq!(keys(&documents, vec![answer("s", &["key: k, name: a, identifiers: {bios/uuid: u-1}, seen: '2026-01-01T00:00:00Z'"])]), NONE);
    assert_eq!(keys(&documents, vec![answer("s", &["key: k, name: a, identifiers: {bios/uuid: u-1}"])]), ["lingering/a"]);
}

// nautobot-app-ssot#1110: objects made by hand were deleted.
#[test]
fn what_nobody_declared_is_shown_and_never_proposed_for_removal() {
    for policy in ["", "onDrift: {default: Report}", "onDrift: {default: Adopt}"] {
        let told = findings(&estate(&[settings(policy), source("s", "")]), &discovered(vec![answer("s", &[&found("by-hand")])]));
        assert_eq!(keys_of(&told), ["undeclared/by-hand"]);
        assert_ne!(told[0].action, OnDrift::Enforce, "{policy}");
    }
    assert_eq!(keys(&[source("s", "mayInsert: false")], vec![answer("s", &[&found("by-hand")])]), NONE);
}

// vcenter-netbox-sync#83: the delay before pruning was ignored.
#[test]
fn a_missing_item_is_reported_and_nothing_is_done_unless_a_person_says_so() {
    let told = findings(&estate(&machines(3, &[])), &discovered(vec![there(2)]));
    assert_eq!(told[0].action, OnDrift::Report);
    let adopting = findings(&estate(&machines(3, &[settings("onDrift: {default: Adopt}")])), &discovered(vec![there(2)]));
    assert_eq!(adopting[0].action, OnDrift::Adopt);
}

// netbox-sync#192: a machine that is switched off lost its address.
#[test]
fn a_machine_that_is_switched_off_keeps_its_address() {
    let documents = [item("a", "identifiers: {bios/uuid: u-1}, attributes: {ipAddresses: [10.0.0.1], os: {name: debian}}"), source("s", "")];
    for off in ["ipAddresses: []", "ipAddresses: null, os: null", "os: {}", "ipAddresses: ['']"] {
        let observed = format!("key: k, name: a, identifiers: {{bios/uuid: u-1}}, attributes: {{powerState: off, {off}}}");
        assert_eq!(keys(&documents, vec![answer("s", &[&observed])]), NONE, "{off}");
    }
}

// ServiceNow KB0863733: retiring one thing retired, in a cascade, live servers.
#[test]
fn the_absence_of_one_item_says_nothing_about_those_that_it_is_bound_to() {
    let documents = [
        item("cluster-1", "class: cluster, identifiers: {vsphere/cluster: one}"),
        item("a", "identifiers: {bios/uuid: uuid-of-a}, relations: [{type: RunsOn, to: cluster-1}]"),
        item("b", "lifecycle: Retired, identifiers: {bios/uuid: uuid-of-b}, relations: [{type: RunsOn, to: cluster-1}]"),
        source("s", ""),
    ];
    assert_eq!(keys(&documents, vec![answer("s", &[&found("a")])]), ["missing/cluster-1"]);
}

// Paging that loses or repeats rows (a limit before access rules; offset paging over a moving table).
#[test]
fn a_row_that_paging_repeats_is_one_and_rows_that_it_loses_hold_the_answer() {
    let repeated = answer("s", &[&found("m-00"), &found("m-01"), &found("m-00"), &found("m-02"), &found("m-01")]);
    assert_eq!(keys(&machines(3, &[]), vec![repeated]), NONE);
    assert_eq!(keys(&machines(20, &[]), vec![there(10)]), ["massabsence/s"]);
}

#[test]
fn a_repeated_row_that_nobody_declared_is_one_finding() {
    assert_eq!(keys(&[source("s", "")], vec![answer("s", &[&found("x"), &found("x")])]), ["undeclared/x"]);
}

// A rate limit (429) read as an empty answer.
#[test]
fn an_answer_that_is_suddenly_empty_is_held() {
    let told = findings(&estate(&machines(10, &[])), &discovered(vec![there(0)]));
    assert_eq!(keys_of(&told), ["massabsence/s"]);
    assert_eq!(told[0].message, "Of the 10 declared items that s covers, 10 are not among the 0 that it named.");
    assert!(told[0].remedy.contains("`bowline discover --confirm s`"));
    assert_eq!(keys(&machines(10, &[]), vec![cut_short("s", &[], "429 Too Many Requests")]), NONE, "and a failure is a failure");
}

fn with_history(items: u64, there: Answer) -> Discovered {
    let mut discovered = discovered(vec![there]);
    discovered.history.sources.insert("s".into(), SourceHistory { items, ..SourceHistory::default() });
    discovered
}

#[test]
fn a_source_that_says_far_less_than_before_is_held_until_a_person_confirms() {
    let estate = estate(&machines(10, &[]));
    let told = findings(&estate, &with_history(10, there(7)));
    assert_eq!(keys_of(&told), ["massabsence/s"], "30% of 10 vanished, and 20% may");
    assert_eq!(told[0].message, "s named 7 this time and 10 the time before: 3 vanished at once.");
    assert_eq!(told[0].kind, FindingKind::MassAbsence);
    assert_eq!(keys_of(&findings(&estate, &with_history(10, there(8)))), ["missing/m-08", "missing/m-09"], "20% is not more than 20%");

    let mut confirmed = with_history(10, there(7));
    confirmed.history.confirmed.insert("s".into(), 7);
    assert_eq!(keys_of(&findings(&estate, &confirmed)), ["missing/m-07", "missing/m-08", "missing/m-09"]);
    confirmed.history.confirmed.insert("s".into(), 6);
    assert_eq!(keys_of(&findings(&estate, &confirmed)), ["massabsence/s"], "another number than what was confirmed");
}

#[test]
fn how_much_may_vanish_is_for_the_estate_to_say() {
    let with = |safety: &str| estate(&machines(10, &[settings(&format!("safety: {{{safety}}}"))]));
    let told = |safety: &str, there: Answer, before: Option<u64>| {
        let discovered = before.map_or_else(|| discovered(vec![there.clone()]), |before| with_history(before, there.clone()));
        findings(&with(safety), &discovered).iter().any(|finding| finding.kind == FindingKind::MassAbsence)
    };
    assert!(!told("massAbsence: 50%", there(5), Some(10)) && told("massAbsence: 50%", there(4), Some(10)));
    assert!(!told("massAbsence: 50%", there(5), None) && told("massAbsence: 50%", there(4), None));
    assert!(!told("", there(6), None), "without a history, fewer than five are no mass");
}

#[test]
fn a_held_source_concludes_nothing_for_others_either() {
    let documents = machines(10, &[source("t", "scope: {items: [m-09]}")]);
    assert_eq!(keys(&documents, vec![there(0), answer("t", &[])]), ["massabsence/s"]);
}

#[test]
fn only_what_should_be_there_can_be_missing() {
    let documents: Vec<String> = ["Planned", "Deploying", "Operational", "Retiring", "Retired"]
        .iter()
        .map(|stage| item(&stage.to_lowercase(), &format!("lifecycle: {stage}, identifiers: {{bios/uuid: uuid-of-{stage}}}")))
        .chain([source("s", "")])
        .collect();
    assert_eq!(keys(&documents, vec![answer("s", &[])]), ["missing/operational", "missing/retiring"]);
}

// Rule 5: what a document that cannot be read used to declare is never treated as deleted, nor as undeclared.
#[test]
fn nothing_is_concluded_about_what_an_unreadable_document_speaks_of() {
    let broken = item("alpha", "identifiers: {bios/uuid: uuid-of-alpha}, attributes: {cpus: [}");
    let documents = [broken, source("s", "")];
    assert_eq!(keys(&documents, vec![answer("s", &[&found("alpha"), &found("zulu")])]), ["undeclared/zulu"]);
}

fn absent_before(surveys: u32, last: Timestamp, there: Answer) -> Discovered {
    let mut discovered = discovered(vec![there]);
    discovered.history.absent.insert("m-09".into(), Absence { surveys, last });
    discovered
}

// What flickers (cartography#2658) is no finding, where the estate says in how many surveys in a row it must be absent.
#[test]
fn what_must_be_absent_in_several_surveys_is_missing_from_the_last_of_them_on() {
    let patient = estate(&machines(10, &[settings("safety: {minimumFindings: 3}")]));
    let earlier: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    let told = |discovered: &Discovered| findings(&patient, discovered);
    assert_eq!(keys_of(&told(&discovered(vec![there(9)]))), NONE, "the first survey");
    assert_eq!(keys_of(&told(&absent_before(1, earlier, there(9)))), NONE, "the second");
    let third = told(&absent_before(2, earlier, there(9)));
    assert_eq!(keys_of(&third), ["missing/m-09"]);
    assert!(third[0].message.ends_with("does not name it, in 3 surveys in a row."), "{}", third[0].message);
    assert_eq!(keys_of(&told(&absent_before(2, now(), there(9)))), NONE, "asked again for the same instant is the same survey");
    assert_eq!(keys_of(&told(&absent_before(3, now(), there(9)))), ["missing/m-09"], "and says the same again");
}

#[test]
fn a_survey_says_what_is_to_be_counted_on_and_what_begins_anew() {
    let estate = estate(&machines(10, &[settings("safety: {minimumFindings: 2}")]));
    let earlier: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    let surveyed = |discovered: &Discovered| {
        let plan = bowline::plan::plan(&estate, discovered, now());
        (plan.absences.earned.clone(), plan.absences.ended.clone(), plan.summary.waiting)
    };
    let name = || vec![Text::from("m-09")];
    assert_eq!(surveyed(&discovered(vec![there(9)])), (name(), Vec::new(), 1));
    assert_eq!(surveyed(&absent_before(1, earlier, there(10))), (Vec::new(), name(), 0), "it is there again");
    assert_eq!(surveyed(&absent_before(1, earlier, there(9))), (name(), Vec::new(), 0));
    let failed = Answer { complete: false, ..there(9) };
    assert_eq!(surveyed(&absent_before(1, earlier, failed)), (Vec::new(), Vec::new(), 0), "an answer that is not complete counts neither way");
}

#[test]
fn without_patience_one_survey_is_enough() {
    assert_eq!(keys(&machines(10, &[settings("safety: {minimumFindings: 1}")]), vec![there(9)]), ["missing/m-09"]);
}
