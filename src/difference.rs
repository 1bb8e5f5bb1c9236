//! What a pull request by a person would change: the plan of the base against the plan of the head. Pure.
//!
//! Two findings or changes are the same one if they have the same key. Where a finding stands in its file, when it was
//! last seen and in which file of facts does not count: a comment above an item is no change of what differs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::change_request::{EffectOnService, ServiceEffect};
use crate::api::{API_VERSION, Text};
use crate::change::Change;
use crate::drift::Finding;
use crate::estate::Diagnostic;
use crate::plan::{Plan, SourceReport};

/// What differs between two plans of one estate.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Always `bowline.dev/v1alpha1`.
    pub api_version: &'static str,
    /// Always `PlanDifference`.
    pub kind: &'static str,
    /// The estate's name, as the head says it.
    pub estate: Text,
    /// The commit of the base; none where it was in no commit.
    pub base: Option<String>,
    /// The commit of the head; none where what stands in the folder is not what is committed.
    pub head: Option<String>,
    /// Findings that only the head has, sorted by key.
    pub appeared: Vec<Finding>,
    /// Findings that only the base has, sorted by key.
    pub gone: Vec<Finding>,
    /// Findings that both have, with other content, sorted by key.
    pub changed: Vec<Pair<Finding>>,
    /// Change requests, likewise.
    pub changes: Changes,
    /// The services that the findings above can hurt, each with the worst effect; worst first, then by name.
    pub services: Vec<ServiceEffect>,
    /// Problems of the estate that only the head has.
    pub diagnostics: Vec<Diagnostic>,
    /// The sources, as they answered for the head: what an incomplete one would have said is not known.
    pub sources: Vec<SourceReport>,
    /// The same for the base.
    pub sources_of_base: Vec<SourceReport>,
}

/// The same thing before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair<T> {
    /// As in the base.
    pub before: T,
    /// As in the head.
    pub after: T,
}

/// Change requests that would be proposed newly, no longer, or otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Changes {
    /// Only for the head.
    pub appeared: Vec<Change>,
    /// Only for the base.
    pub gone: Vec<Change>,
    /// For both, with other content.
    pub changed: Vec<Pair<Change>>,
}

impl Difference {
    /// Whether the head brings nothing new, takes nothing away and changes nothing.
    pub fn is_empty(&self) -> bool {
        self.appeared.is_empty() && self.gone.is_empty() && self.changed.is_empty() && self.changes.is_empty() && self.diagnostics.is_empty()
    }
}

impl Changes {
    /// Whether the same change requests would be proposed.
    pub fn is_empty(&self) -> bool {
        self.appeared.is_empty() && self.gone.is_empty() && self.changed.is_empty()
    }
}

/// What `head` changes of `base`.
pub fn compare(base: &Plan, head: &Plan) -> Difference {
    let (appeared, gone, changed) = by_key(&base.findings, &head.findings, |finding| &finding.key, what_counts);
    let (new, dropped, other) = by_key(&base.changes, &head.changes, |change| &change.key, what_is_proposed);
    let touched = appeared.iter().chain(&gone).chain(changed.iter().flat_map(|pair| [&pair.before, &pair.after]));
    Difference {
        api_version: API_VERSION,
        kind: "PlanDifference",
        estate: head.estate.clone(),
        base: base.revision.clone(),
        head: head.revision.clone(),
        services: services(touched),
        appeared,
        gone,
        changed,
        changes: Changes { appeared: new, gone: dropped, changed: other },
        diagnostics: new_diagnostics(&base.diagnostics, &head.diagnostics),
        sources: head.sources.clone(),
        sources_of_base: base.sources.clone(),
    }
}

/// What appeared, what is gone, and what both have with other content.
type Sorted<T> = (Vec<T>, Vec<T>, Vec<Pair<T>>);

/// Pairs things by key; of several with one key the first with the first, and so on.
fn by_key<T: Clone + PartialEq>(base: &[T], head: &[T], key: impl Fn(&T) -> &Text, content: impl Fn(&T) -> T) -> Sorted<T> {
    let mut all: BTreeMap<&Text, (Vec<&T>, Vec<&T>)> = BTreeMap::new();
    for one in base {
        all.entry(key(one)).or_default().0.push(one);
    }
    for one in head {
        all.entry(key(one)).or_default().1.push(one);
    }
    let (mut appeared, mut gone, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for (before, after) in all.into_values() {
        let both = before.len().min(after.len());
        for (before, after) in before.iter().zip(&after).filter(|(before, after)| content(before) != content(after)) {
            changed.push(Pair { before: (*before).clone(), after: (*after).clone() });
        }
        gone.extend(before.into_iter().skip(both).cloned());
        appeared.extend(after.into_iter().skip(both).cloned());
    }
    (appeared, gone, changed)
}

/// A finding without what an edit elsewhere in its file, or a second look at the same facts, would change.
fn what_counts(finding: &Finding) -> Finding {
    Finding { at: None, seen: None, evidence: Vec::new(), ..finding.clone() }
}

/// A change request without the whole text of the files that it edits, in which other edits show too.
fn what_is_proposed(change: &Change) -> Change {
    Change { fingerprint: Text::default(), files: Vec::new(), body: String::new(), ..change.clone() }
}

/// Each service once, with the worst effect that any of the findings has on it.
fn services<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<ServiceEffect> {
    let mut worst: BTreeMap<&Text, EffectOnService> = BTreeMap::new();
    for service in findings.flat_map(|finding| &finding.services) {
        let effect = worst.entry(&service.name).or_insert(service.effect);
        *effect = service.effect.max(*effect);
    }
    let mut services: Vec<ServiceEffect> = worst.into_iter().map(|(name, effect)| ServiceEffect { name: name.clone(), effect }).collect();
    services.sort_by(|a, b| b.effect.cmp(&a.effect).then_with(|| a.name.cmp(&b.name)));
    services
}

/// The problems of `head` that `base` does not have, wherever in its file each stands. Of two alike, one may be new.
fn new_diagnostics(base: &[Diagnostic], head: &[Diagnostic]) -> Vec<Diagnostic> {
    let rule = |it: &Diagnostic| (it.code.clone(), it.file.clone(), it.message.clone());
    let mut known: BTreeMap<_, usize> = BTreeMap::new();
    for diagnostic in base {
        *known.entry(rule(diagnostic)).or_default() += 1;
    }
    let mut is_new = |diagnostic: &&Diagnostic| match known.get_mut(&rule(diagnostic)).filter(|left| **left > 0) {
        Some(left) => {
            *left -= 1;
            false
        }
        None => true,
    };
    head.iter().filter(|diagnostic| is_new(diagnostic)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::api::{OnDrift, Value};
    use crate::drift::{Absences, FindingKind, Severity};
    use crate::estate::Place;
    use crate::plan::Summary;

    fn finding(name: &str, found: &str, action: OnDrift, effect: Option<EffectOnService>) -> Finding {
        Finding {
            key: Finding::key_of(FindingKind::Changed, name, Some("attributes.memory")),
            fingerprint: Finding::digest(&[name, found]),
            kind: FindingKind::Changed,
            item: name.into(),
            class: "server".into(),
            owner: None,
            path: Some("attributes.memory".into()),
            declared: Value::Text("16Gi".into()),
            discovered: Value::Text(found.into()),
            source: Some("list".into()),
            seen: None,
            severity: Severity::Medium,
            services: effect.map(|effect| ServiceEffect { name: "payments".into(), effect }).into_iter().collect(),
            at: Some(Place { file: "items.yaml".into(), line: 3, column: 1 }),
            action,
            message: format!("The memory of {name} is {found}, declared is 16Gi."),
            rule: "compare: Quantity".into(),
            remedy: "Mend it.".into(),
            evidence: vec!["facts.json".into()],
        }
    }

    fn plan(findings: Vec<Finding>, diagnostics: Vec<Diagnostic>) -> Plan {
        Plan {
            api_version: API_VERSION,
            kind: "Plan",
            estate: "harbour".into(),
            revision: None,
            at: Timestamp::UNIX_EPOCH,
            summary: Summary::default(),
            sources: Vec::new(),
            findings,
            changes: Vec::new(),
            diagnostics,
            absences: Absences::default(),
            ties: crate::discovery::Ties::new(),
        }
    }

    fn keys(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| &*finding.item).collect()
    }

    #[test]
    fn findings_appear_go_and_change_by_their_key() {
        let one = |name, found| finding(name, found, OnDrift::Report, None);
        let difference = compare(
            &plan(vec![one("a", "1Gi"), one("b", "1Gi"), one("c", "1Gi")], vec![]),
            &plan(vec![one("b", "1Gi"), one("c", "2Gi"), one("d", "1Gi")], vec![]),
        );
        assert_eq!((keys(&difference.appeared), keys(&difference.gone)), (vec!["d"], vec!["a"]));
        assert_eq!(
            difference.changed.iter().map(|pair| (&*pair.before.item, pair.after.discovered.to_string())).collect::<Vec<_>>(),
            [("c", "2Gi".to_owned())]
        );
        assert!(!difference.is_empty());
    }

    #[test]
    fn another_line_of_the_file_or_another_file_of_facts_is_no_change() {
        let before = finding("a", "1Gi", OnDrift::Report, None);
        let after = Finding {
            at: Some(Place { file: "items.yaml".into(), line: 90, column: 5 }),
            evidence: vec!["facts.json: 7".into()],
            seen: Some(Timestamp::UNIX_EPOCH),
            ..before.clone()
        };
        assert!(compare(&plan(vec![before], vec![]), &plan(vec![after], vec![])).is_empty());
    }

    #[test]
    fn another_thing_to_do_about_the_same_drift_is_a_change() {
        let of = |action| plan(vec![finding("a", "1Gi", action, None)], vec![]);
        assert_eq!(compare(&of(OnDrift::Report), &of(OnDrift::Enforce)).changed.len(), 1);
    }

    #[test]
    fn a_service_is_named_once_with_the_worst_effect() {
        let of = |effect| finding("a", "1Gi", OnDrift::Report, Some(effect));
        let worse = Finding { key: "changed/b".into(), ..of(EffectOnService::Down) };
        let difference = compare(&plan(vec![of(EffectOnService::AtRisk)], vec![]), &plan(vec![worse], vec![]));
        assert_eq!(difference.services, [ServiceEffect { name: "payments".into(), effect: EffectOnService::Down }]);
    }

    #[test]
    fn a_problem_that_only_moved_is_not_new_and_a_second_one_of_a_kind_is() {
        let at = |line| Diagnostic::error("unknown-field", "`x` is not known").at(Place { file: "a.yaml".into(), line, column: 1 });
        let difference = |head: Vec<Diagnostic>| compare(&plan(vec![], vec![at(1)]), &plan(vec![], head)).diagnostics.len();
        assert_eq!((difference(vec![at(9)]), difference(vec![at(1), at(9)]), difference(vec![])), (0, 1, 0));
    }

    fn plans() -> impl Strategy<Value = Plan> {
        let action = prop_oneof![Just(OnDrift::Report), Just(OnDrift::Adopt), Just(OnDrift::Enforce)];
        let effect = proptest::option::of(prop_oneof![Just(EffectOnService::AtRisk), Just(EffectOnService::Down)]);
        let one = ("[a-d]", "[1-2]Gi", action, effect).prop_map(|(name, found, action, effect)| finding(&name, &found, action, effect));
        let diagnostic = ("[a-b]", 0..3u32).prop_map(|(code, line)| Diagnostic { line, ..Diagnostic::error("x", code) });
        (proptest::collection::vec(one, 0..8), proptest::collection::vec(diagnostic, 0..4)).prop_map(|(mut findings, diagnostics)| {
            findings.sort_by(|a, b| a.key.cmp(&b.key));
            plan(findings, diagnostics)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_plan_against_itself_is_empty(plan in plans()) {
            prop_assert!(compare(&plan, &plan).is_empty());
        }

        #[test]
        fn swapping_base_and_head_swaps_appeared_and_gone(a in plans(), b in plans()) {
            let (there, back) = (compare(&a, &b), compare(&b, &a));
            prop_assert_eq!(&there.appeared, &back.gone);
            prop_assert_eq!(&there.gone, &back.appeared);
            let swapped: Vec<_> = back.changed.into_iter().map(|pair| Pair { before: pair.after, after: pair.before }).collect();
            prop_assert_eq!(&there.changed, &swapped);
            prop_assert_eq!(&there.services, &back.services);
        }

        #[test]
        fn nothing_is_lost_or_invented(a in plans(), b in plans()) {
            let difference = compare(&a, &b);
            prop_assert_eq!(a.findings.len() + difference.appeared.len(), b.findings.len() + difference.gone.len());
        }
    }
}
