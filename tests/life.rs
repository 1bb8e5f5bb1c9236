//! The life of a change request, decided without any forge: each test is one sentence of it.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

#[path = "builders/proposal.rs"]
mod proposal;

use std::collections::BTreeSet;

use bowline::api::Text;
use bowline::api::change_request::{Risk, RiskLevel, Schedule};
use bowline::api::estate::RebaseWhen;
use bowline::change::{Change, FileChange};
use bowline::drift::Finding;
use bowline::estate::{Estate, Origin, SourceFile, Unreadable};
use bowline::forge::life::{Action, Decided, Doubt, Limits, Standing, Why, decide};
use bowline::forge::{Decision, HOLD_LABEL, Hold, Listing, Marker, Note, Noted, Pass, Problem, REBUILD_LABEL, Request, State, branch_of};
use bowline::plan::{Plan, SourceReport, Summary};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proposal::proposal;

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn limits() -> Limits {
    Limits { max_open: 10, max_per_hour: 20, rejected_for: SignedDuration::from_hours(90 * 24), rebase_when: RebaseWhen::Conflicted }
}

/// A change whose drift and wording are named apart: the wording may change while the drift stays.
fn change(key: &str, drift: &str, wording: &str) -> Change {
    let document = format!("kind: ChangeRequest\nspec:\n  findings:\n  - {{key: f1, fingerprint: {drift}, source: vcenter}}\n");
    Change {
        fingerprint: format!("{drift}-{wording}").into(),
        content: drift.into(),
        items: vec![key.into()],
        schedule: Some(Schedule {
            window: "sunday".into(),
            start: "2026-11-29T02:00:00+01:00[Europe/Zurich]".into(),
            end: "2026-11-29T06:00:00+01:00[Europe/Zurich]".into(),
        }),
        findings: vec!["f1".into()],
        files: vec![FileChange { path: format!("changes/{key}.yaml").into(), text: document }],
        body: format!("Body of {key}"),
        ..proposal(key)
    }
}

fn risky(key: &str, level: RiskLevel, score: u32) -> Change {
    Change { risk: Risk { level, score, factors: Vec::new() }, ..change(key, "d1", "w1") }
}

/// The request that proposes a change, opened two days ago.
fn request(change: &Change, state: State) -> Request {
    let at = now() - 48.hours();
    let decided = matches!(state, State::Merged | State::Rejected | State::Closed);
    Request {
        id: change.key.to_string(),
        marker: Marker::of("harbour", change),
        branch: branch_of(&change.key),
        base_branch: "main".into(),
        title: change.title.clone(),
        body: String::new(),
        state,
        head: Some("h1".into()),
        base: "b1".into(),
        hold: None,
        conflicts: false,
        opened: at,
        updated: at,
        decision: decided.then(|| Decision { who: Some("Ada".into()), at, reason: Some("not now".into()), commit: None }),
        notes: Vec::new(),
        labels: Vec::new(),
        url: None,
        unfinished: false,
        leftover: false,
    }
}

fn open(change: &Change) -> Request {
    request(change, State::Open)
}

fn noted(mut request: Request, note: Note) -> Request {
    request.notes.push(Noted { note, at: now(), text: String::new() });
    request
}

fn run_with(requests: Vec<Request>, wanted: &[Change], doubt: &Doubt, limits: &Limits, now: Timestamp) -> Decided {
    decide(&Listing { requests, problems: Vec::new() }, wanted, doubt, &BTreeSet::new(), limits, Pass { base: Some("b1"), now })
}

fn run(requests: Vec<Request>, wanted: &[Change]) -> Decided {
    run_with(requests, wanted, &Doubt::none(), &limits(), now())
}

fn actions(decided: &Decided) -> Vec<(&str, &Action)> {
    decided.steps.iter().map(|step| (&*step.key, &step.action)).collect()
}

fn standing<'a>(decided: &'a Decided, key: &str) -> &'a Standing {
    &decided.standings[&Text::from(key)]
}

/// One step of that kind, or none.
fn only_note(decided: &Decided) -> Option<Note> {
    match actions(decided).as_slice() {
        [] => None,
        [(_, Action::Note { note, .. })] => Some(*note),
        other => panic!("{other:?}"),
    }
}

#[test]
fn drift_without_a_request_is_proposed() {
    let decided = run(vec![], &[change("a", "d1", "w1")]);
    assert_eq!(actions(&decided), [("a", &Action::Open)]);
    assert_eq!(standing(&decided, "a"), &Standing::Proposed);
}

#[test]
fn unchanged_content_makes_no_step_at_all() {
    let a = change("a", "d1", "w1");
    let decided = run(vec![open(&a)], &[a]);
    assert_eq!(actions(&decided), []);
    assert_eq!(standing(&decided, "a"), &Standing::Proposed);
}

#[test]
fn changed_drift_rewrites_the_one_request() {
    let decided = run(vec![open(&change("a", "d1", "w1"))], &[change("a", "d2", "w1")]);
    assert_eq!(actions(&decided), [("a", &Action::Rewrite(Why::DriftChanged))]);
}

// renovate#3381: a rebase that nobody needs dismisses approvals.
#[test]
fn a_moved_base_is_no_reason_to_rewrite_unless_it_conflicts() {
    let a = change("a", "d1", "w1");
    let moved = Request { base: "an-older-commit".into(), ..open(&a) };
    assert_eq!(actions(&run(vec![moved.clone()], std::slice::from_ref(&a))), []);
    let conflicting = Request { conflicts: true, ..moved };
    assert_eq!(actions(&run(vec![conflicting], &[a])), [("a", &Action::Rewrite(Why::BaseMoved))]);
}

/// A pass on a base that is newer than the request's.
fn on_a_newer_base(request: Request, wanted: Change, rebase_when: RebaseWhen) -> Decided {
    let limits = Limits { rebase_when, ..limits() };
    let listing = Listing { requests: vec![request], problems: Vec::new() };
    decide(&listing, &[wanted], &Doubt::none(), &BTreeSet::new(), &limits, Pass { base: Some("b2"), now: now() })
}

#[test]
fn the_estate_says_when_a_moved_base_is_a_reason_to_rewrite() {
    let a = change("a", "d1", "w1");
    let (fits, conflicts) = (open(&a), Request { conflicts: true, ..open(&a) });
    let rewrite = Action::Rewrite(Why::BaseMoved);
    for (when, fitting, conflicting) in
        [(RebaseWhen::Conflicted, None, Some(&rewrite)), (RebaseWhen::Behind, Some(&rewrite), Some(&rewrite)), (RebaseWhen::Never, None, None)]
    {
        let decided = [&fits, &conflicts].map(|request| on_a_newer_base(request.clone(), a.clone(), when));
        let taken = decided.each_ref().map(|decided| decided.steps.first().map(|step| &step.action));
        assert_eq!(taken, [fitting, conflicting], "{when:?}");
    }
    let left = on_a_newer_base(conflicts, a, RebaseWhen::Never);
    assert_eq!(standing(&left, "a"), &Standing::Conflicts);
}

// renovate#3381: a new commit dismisses approvals, so other words alone make none.
#[test]
fn other_words_for_the_same_content_leave_the_branch() {
    let decided = run(vec![open(&change("a", "d1", "w1"))], &[change("a", "d1", "w2")]);
    assert_eq!(actions(&decided), [("a", &Action::Rewrite(Why::Reworded))]);
}

#[test]
fn an_opening_that_was_cut_short_is_completed() {
    let a = change("a", "d1", "w1");
    let half = Request { unfinished: true, ..open(&a) };
    assert_eq!(actions(&run(vec![half], &[a])), [("a", &Action::Finish)]);
}

#[test]
fn a_closing_that_was_cut_short_is_completed_and_frees_no_slot_twice() {
    let (a, b, c) = (change("a", "d1", "w1"), change("b", "d1", "w1"), change("c", "d1", "w1"));
    let closed = Request { state: State::Closed, leftover: true, ..open(&a) };
    let limits = Limits { max_open: 1, ..limits() };
    let listing = Listing { requests: vec![closed.clone(), open(&b)], problems: Vec::new() };
    let decided = decide(&listing, &[b, c], &Doubt::none(), &BTreeSet::new(), &limits, Pass { base: Some("b1"), now: now() });
    assert!(matches!(actions(&decided).as_slice(), [("a", Action::Close { .. })]), "{:?}", decided.steps);
    // What is wanted again takes its branch over.
    assert_eq!(actions(&run(vec![closed], &[a])), [("a", &Action::Open)]);
}

// renovate#9042, #27960: what a person opened again is not closed again, nor set back.
#[test]
fn a_request_that_a_person_opened_again_is_left_until_a_label_asks_for_a_rebuild() {
    let a = change("a", "d1", "w1");
    let again = Request { hold: Some(Hold::Reopened), ..open(&a) };
    for wanted in [vec![], vec![change("a", "d2", "w1")]] {
        let decided = run(vec![again.clone()], &wanted);
        assert_eq!((actions(&decided), standing(&decided, "a")), (vec![], &Standing::Held));
    }
    let asked = Request { labels: vec![REBUILD_LABEL.into()], ..again };
    assert_eq!(actions(&run(vec![asked], &[a])), [("a", &Action::Rewrite(Why::Asked))]);
}

#[test]
fn a_person_may_ask_for_a_change_that_waits_or_was_rejected() {
    let (a, b) = (change("a", "d1", "w1"), change("b", "d1", "w1"));
    let asked = |keys: &[&str]| keys.iter().map(|key| Text::from(*key)).collect::<BTreeSet<_>>();
    let none = Limits { max_open: 0, ..limits() };
    let pass = Pass { base: Some("b1"), now: now() };
    let decided = decide(&Listing::default(), &[a.clone(), b.clone()], &Doubt::none(), &asked(&["b"]), &none, pass);
    assert_eq!(actions(&decided), [("b", &Action::Open)]);
    assert!(matches!(standing(&decided, "a"), Standing::Waiting { .. }));

    let rejected = Listing { requests: vec![request(&a, State::Rejected)], problems: Vec::new() };
    let decided = decide(&rejected, std::slice::from_ref(&a), &Doubt::none(), &asked(&["a"]), &none, pass);
    assert_eq!(actions(&decided), [("a", &Action::Open)]);
}

// renovate#525, #3724: a person's commits are not overwritten.
#[test]
fn a_branch_that_a_person_has_committed_to_is_not_touched_and_that_is_said_once() {
    let edited = Request { hold: Some(Hold::Edited), conflicts: true, ..open(&change("a", "d1", "w1")) };
    let changed = [change("a", "d2", "w2")];
    let first = run(vec![edited.clone()], &changed);
    assert_eq!((only_note(&first), standing(&first, "a")), (Some(Note::HandsOff), &Standing::HandsOff));
    let second = run(vec![noted(edited, Note::HandsOff)], &changed);
    assert_eq!((only_note(&second), standing(&second, "a")), (None, &Standing::HandsOff));
}

#[test]
fn an_edited_request_whose_drift_is_gone_is_left_open_and_marked_abandoned_once() {
    let edited = noted(Request { hold: Some(Hold::Edited), ..open(&change("a", "d1", "w1")) }, Note::HandsOff);
    let first = run(vec![edited.clone()], &[]);
    assert_eq!((only_note(&first), standing(&first, "a")), (Some(Note::Abandoned), &Standing::Abandoned));
    assert_eq!(only_note(&run(vec![noted(edited, Note::Abandoned)], &[])), None);
}

#[test]
fn a_branch_that_is_checked_out_or_held_by_a_label_is_left_silently() {
    let wanted = [change("a", "d2", "w1")];
    let used = Request { hold: Some(Hold::CheckedOut), ..open(&change("a", "d1", "w1")) };
    let held = Request { labels: vec![HOLD_LABEL.into()], ..open(&change("a", "d1", "w1")) };
    for request in [used, held] {
        for wanted in [&wanted[..], &[]] {
            let decided = run(vec![request.clone()], wanted);
            assert_eq!((actions(&decided), standing(&decided, "a")), (vec![], &Standing::Held));
        }
    }
}

#[test]
fn a_label_asks_for_a_rebuild_even_of_an_edited_branch() {
    let a = change("a", "d1", "w1");
    let asked = Request { hold: Some(Hold::Edited), labels: vec![REBUILD_LABEL.into()], ..open(&a) };
    assert_eq!(actions(&run(vec![asked], &[a])), [("a", &Action::Rewrite(Why::Asked))]);
}

#[test]
fn when_the_drift_is_gone_the_request_is_closed_with_the_reason() {
    let decided = run(vec![open(&change("a", "d1", "w1"))], &[]);
    let [(_, Action::Close { reason })] = actions(&decided)[..] else { panic!("{decided:?}") };
    assert!(reason.contains("agree again"), "{reason}");
}

// nautobot-app-ssot#1108, renovate#9042: a source that fails for once must not close and reopen requests.
#[test]
fn nothing_is_closed_rewritten_or_done_on_the_word_of_a_source_that_did_not_say_everything() {
    let doubt = Doubt::about_sources(["vcenter".into()]);
    let (before, fewer) = (change("a", "d1", "w1"), change("a", "d2", "w1"));
    for state in [State::Open, State::Merged, State::Rejected] {
        for wanted in [vec![], vec![fewer.clone()]] {
            let decided = run_with(vec![request(&before, state)], &wanted, &doubt, &limits(), now());
            assert_eq!(actions(&decided), [], "{state:?} {wanted:?}");
        }
    }
    let other = Doubt::about_sources(["netbox".into()]);
    assert_eq!(run_with(vec![open(&before)], &[], &other, &limits(), now()).steps.len(), 1, "another source's failure is no doubt");
}

fn plan(sources: Vec<SourceReport>, findings: Vec<Finding>) -> Plan {
    Plan {
        api_version: "bowline.dev/v1alpha1",
        kind: "Plan",
        estate: "harbour".into(),
        revision: None,
        at: now(),
        summary: Summary::default(),
        sources,
        findings,
        changes: Vec::new(),
        diagnostics: Vec::new(),
        absences: bowline::drift::Absences::default(),
        ties: bowline::discovery::Ties::new(),
    }
}

fn source(name: &str, complete: bool) -> SourceReport {
    SourceReport { name: name.into(), complete, items: 1, error: None }
}

#[test]
fn a_plan_leaves_in_doubt_what_an_incomplete_source_says() {
    let standing = || vec![open(&change("a", "d1", "w1"))];
    let steps = |sources| {
        let doubt = Doubt::of(&Estate::default(), &plan(sources, Vec::new()));
        run_with(standing(), &[], &doubt, &limits(), now()).steps.len()
    };
    assert_eq!(steps(vec![source("netbox", false), source("vcenter", true)]), 1);
    assert_eq!(steps(vec![source("netbox", true), source("vcenter", false)]), 0);
}

// Rule 2: what a held source no longer names is not gone.
#[test]
fn a_plan_leaves_in_doubt_what_a_source_with_a_mass_absence_says() {
    let held: Finding = serde_json::from_value(serde_json::json!({
        "key": "massabsence/vcenter", "fingerprint": "f", "kind": "MassAbsence", "item": "vcenter", "class": "", "path": null,
        "declared": null, "discovered": null, "source": "vcenter", "severity": "High", "services": [], "at": null,
        "action": "Report", "message": "", "rule": "", "remedy": ""
    }))
    .unwrap();
    let doubt = Doubt::of(&Estate::default(), &plan(vec![source("vcenter", true)], vec![held]));
    assert_eq!(actions(&run_with(vec![open(&change("a", "d1", "w1"))], &[], &doubt, &limits(), now())), []);
}

// Rule 5: one bad document is an error on that document, and what it declared is never treated as deleted.
#[test]
fn a_plan_leaves_in_doubt_the_items_of_a_document_that_cannot_be_read() {
    let text = "kind: ConfigurationItem\nmetadata: {name: a\n";
    let estate = Estate {
        files: vec![SourceFile { path: "a.yaml".into(), text: text.into() }],
        unreadable: vec![Unreadable { kind: None, name: None, origin: Origin { file: 0, offset: 0, length: u32::try_from(text.len()).unwrap(), line: 1 } }],
        ..Estate::default()
    };
    let doubt = Doubt::of(&estate, &plan(Vec::new(), Vec::new()));
    let gone = |key: &str| run_with(vec![open(&change(key, "d1", "w1"))], &[], &doubt, &limits(), now()).steps.len();
    assert_eq!((gone("a"), gone("zzz")), (0, 1));
    let many = Change { items: (0..101).map(|number| format!("z{number}").into()).collect(), ..change("many", "d1", "w1") };
    assert_eq!(run_with(vec![open(&many)], &[], &doubt, &limits(), now()).steps.len(), 0, "not all of its items are known");
}

#[test]
fn a_request_that_does_not_name_its_sources_rests_on_all_of_them() {
    let unsaid = Change { files: Vec::new(), ..change("a", "d1", "w1") };
    let doubt = Doubt::about_sources(["netbox".into()]);
    assert_eq!(actions(&run_with(vec![open(&unsaid)], &[], &doubt, &limits(), now())), []);
}

#[test]
fn an_unchanged_request_stands_as_proposed_though_its_source_failed() {
    let a = change("a", "d1", "w1");
    let decided = run_with(vec![open(&a)], &[a], &Doubt::about_sources(["vcenter".into()]), &limits(), now());
    assert_eq!(standing(&decided, "a"), &Standing::Proposed);
}

#[test]
fn a_rejected_change_stays_rejected_and_remembers_who_and_why() {
    let a = change("a", "d1", "w1");
    let decided = run(vec![request(&a, State::Rejected)], &[a]);
    assert_eq!(actions(&decided), []);
    let until = now() - 48.hours() + (90 * 24).hours();
    assert_eq!(standing(&decided, "a"), &Standing::Rejected { until, who: Some("Ada".into()), reason: Some("not now".into()) });
}

#[test]
fn another_window_or_wording_of_the_same_drift_does_not_reopen_a_rejected_change() {
    let decided = run(vec![request(&change("a", "d1", "w1"), State::Rejected)], &[change("a", "d1", "w2")]);
    assert_eq!(actions(&decided), []);
}

#[test]
fn a_rejected_change_is_proposed_anew_when_its_drift_changes() {
    let decided = run(vec![request(&change("a", "d1", "w1"), State::Rejected)], &[change("a", "d2", "w1")]);
    assert_eq!(actions(&decided), [("a", &Action::Open)]);
}

#[test]
fn a_rejected_change_is_proposed_anew_when_its_time_has_passed_and_not_a_second_earlier() {
    let a = change("a", "d1", "w1");
    let until = now() - 48.hours() + (90 * 24).hours();
    let at = |now| run_with(vec![request(&a, State::Rejected)], std::slice::from_ref(&a), &Doubt::none(), &limits(), now).steps.len();
    assert_eq!((at(until - 1.second()), at(until)), (0, 1));
}

#[test]
fn a_rejected_change_without_drift_is_history() {
    let decided = run(vec![request(&change("a", "d1", "w1"), State::Rejected)], &[]);
    assert_eq!(decided, Decided::default());
}

#[test]
fn a_merged_change_is_approved_and_not_proposed_again_for_the_same_drift() {
    let a = change("a", "d1", "w1");
    for wanted in [a.clone(), change("a", "d1", "w2")] {
        let decided = run(vec![request(&a, State::Merged)], &[wanted]);
        assert_eq!((actions(&decided), standing(&decided, "a")), (vec![], &Standing::Approved));
    }
}

#[test]
fn a_merged_change_is_done_once_the_drift_is_gone_and_that_is_said_once() {
    let merged = request(&change("a", "d1", "w1"), State::Merged);
    let first = run(vec![merged.clone()], &[]);
    assert_eq!((only_note(&first), standing(&first, "a")), (Some(Note::Done), &Standing::Done));
    assert_eq!(run(vec![noted(merged, Note::Done)], &[]), Decided::default());
}

#[test]
fn a_merged_change_is_overdue_once_its_window_has_passed_and_that_is_said_once() {
    let a = change("a", "d1", "w1");
    let merged = request(&a, State::Merged);
    let end: Timestamp = "2026-11-29T05:00:00Z".parse().unwrap();
    let at = |request: &Request, now| run_with(vec![request.clone()], std::slice::from_ref(&a), &Doubt::none(), &limits(), now);
    assert_eq!(standing(&at(&merged, end), "a"), &Standing::Approved);
    let late = at(&merged, end + 1.second());
    assert_eq!((only_note(&late), standing(&late, "a")), (Some(Note::Overdue), &Standing::Overdue));
    let later = at(&noted(merged, Note::Overdue), end + 1.hour());
    assert_eq!((only_note(&later), standing(&later, "a")), (None, &Standing::Overdue));
}

#[test]
fn drift_that_changed_after_the_merge_is_proposed_as_new() {
    let decided = run(vec![request(&change("a", "d1", "w1"), State::Merged)], &[change("a", "d2", "w1")]);
    assert_eq!(actions(&decided), [("a", &Action::Open)]);
}

#[test]
fn drift_that_comes_back_after_it_was_mended_is_proposed_as_new() {
    let a = change("a", "d1", "w1");
    let done = noted(request(&a, State::Merged), Note::Done);
    assert_eq!(actions(&run(vec![done], std::slice::from_ref(&a))), [("a", &Action::Open)]);
    assert_eq!(actions(&run(vec![request(&a, State::Closed)], &[a])), [("a", &Action::Open)]);
}

#[test]
fn the_riskiest_are_opened_first_then_by_key_and_the_rest_waits_with_the_reason() {
    let wanted = [
        risky("c", RiskLevel::Low, 10),
        risky("b", RiskLevel::High, 80),
        risky("a", RiskLevel::Low, 10),
        risky("d", RiskLevel::High, 90),
        risky("e", RiskLevel::Moderate, 50),
    ];
    let decided = run_with(vec![], &wanted, &Doubt::none(), &Limits { max_open: 4, ..limits() }, now());
    let opened: Vec<&str> = actions(&decided).iter().map(|(key, _)| *key).collect();
    assert_eq!(opened, ["d", "b", "e", "a"]);
    assert_eq!(standing(&decided, "c"), &Standing::Waiting { reason: "4 change requests are open already (maxOpen)".into() });
}

#[test]
fn a_request_that_is_closed_in_this_pass_frees_its_slot_and_an_edited_one_does_not() {
    let gone = open(&change("gone", "d1", "w1"));
    let limit = Limits { max_open: 1, ..limits() };
    let wanted = [change("new", "d1", "w1")];
    let decided = run_with(vec![gone.clone()], &wanted, &Doubt::none(), &limit, now());
    assert!(matches!(actions(&decided)[..], [("gone", Action::Close { .. }), ("new", Action::Open)]), "{decided:?}");
    let edited = noted(Request { hold: Some(Hold::Edited), ..gone }, Note::Abandoned);
    assert_eq!(actions(&run_with(vec![edited], &wanted, &Doubt::none(), &limit, now())), []);
}

#[test]
fn no_more_are_opened_in_an_hour_than_the_limit_whatever_became_of_them() {
    let limit = Limits { max_per_hour: 2, ..limits() };
    let recent = Request { opened: now() - 59.minutes(), ..request(&change("x", "d1", "w1"), State::Closed) };
    let older = Request { opened: now() - 60.minutes(), ..request(&change("y", "d1", "w1"), State::Closed) };
    let decided = run_with(vec![recent, older], &[change("a", "d1", "w1"), change("b", "d1", "w1")], &Doubt::none(), &limit, now());
    assert_eq!(actions(&decided), [("a", &Action::Open)]);
    assert_eq!(standing(&decided, "b"), &Standing::Waiting { reason: "2 change requests were opened within the last hour already (maxPerHour)".into() });
}

#[test]
fn rewriting_and_closing_need_no_slot() {
    let limit = Limits { max_open: 0, max_per_hour: 0, ..limits() };
    let standing = vec![open(&change("a", "d1", "w1")), open(&change("b", "d1", "w1"))];
    let decided = run_with(standing, &[change("b", "d2", "w1"), change("c", "d1", "w1")], &Doubt::none(), &limit, now());
    assert!(matches!(actions(&decided)[..], [("a", Action::Close { .. }), ("b", Action::Rewrite(_))]), "{decided:?}");
}

#[test]
fn a_request_that_cannot_be_read_is_left_and_told() {
    let listing = Listing { requests: vec![], problems: vec![Problem { key: "a".into(), message: "broken".into() }] };
    let decided = decide(&listing, &[change("a", "d1", "w1")], &Doubt::none(), &BTreeSet::new(), &limits(), Pass { base: None, now: now() });
    assert_eq!((actions(&decided), standing(&decided, "a")), (vec![], &Standing::Unreadable { message: "broken".into() }));
}

#[test]
fn the_order_of_the_input_does_not_matter() {
    let wanted: Vec<Change> = ["c", "a", "b", "e", "d"].iter().map(|key| change(key, "d1", "w1")).collect();
    let requests: Vec<Request> = ["z", "y", "a"].iter().map(|key| open(&change(key, "d0", "w1"))).collect();
    let turned: (Vec<Request>, Vec<Change>) = (requests.iter().rev().cloned().collect(), wanted.iter().rev().cloned().collect());
    assert_eq!(run(requests, &wanted), run(turned.0, &turned.1));
}

#[test]
fn the_marker_is_found_again_in_the_body_and_replaces_an_older_one() {
    let marker = Marker::of("harbour", &change("a", "d1", "w1"));
    let body = marker.attach("Two lines\nof text\n");
    assert_eq!(Marker::read(&body), Some(marker.clone()));
    assert_eq!(Marker::read(&body.replace('\n', "\r\n")), Some(marker.clone()), "a forge may give back CRLF");
    let newer = Marker { fingerprint: "other".into(), ..marker };
    assert_eq!(newer.attach(&body), newer.attach("Two lines\nof text\n"));
    assert_eq!(newer.attach(&newer.attach(&body)), newer.attach(&body));
}

#[test]
fn text_from_an_estate_cannot_end_the_marker_or_pretend_to_be_one() {
    let hostile = Change { items: vec!["--> <script>--->".into()], ..change("a", "d1", "w1") };
    let marker = Marker::of("--><b>", &hostile);
    let forged = Marker { key: "forged".into(), ..marker.clone() }.attach("text");
    let body = marker.attach(&forged);
    let line = body.lines().last().unwrap();
    assert_eq!(line.matches("-->").count(), 1, "{line}");
    assert!(!line.trim_end_matches("-->").trim_start_matches("<!--").contains("--"), "{line}");
    assert_eq!(Marker::read(&body), Some(marker));
    assert_eq!(body.matches("<!-- bowline:").count(), 1);
}

#[test]
fn a_body_without_a_marker_or_with_a_broken_one_is_not_ours() {
    assert_eq!(Marker::read("just text"), None);
    assert_eq!(Marker::read("<!-- bowline:{\"key\": -->"), None);
}
