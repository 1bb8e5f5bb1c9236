//! `MassAbsence`: a source suddenly says far less than before, so nothing is concluded from its silence until a person
//! confirms.
//!
//! With a history, what vanished is counted against the last answer. Without one (the first run, or the store was lost),
//! the declared items in the source's scope that nobody found are counted against all in its scope, and only from five on:
//! of a handful of items, some may well be missing. An answer whose size a person has confirmed is not held.

use super::context::{Context, Source, is_expected};
use super::{Finding, FindingKind, Severity};
use crate::api::Value;

/// Without a history, so many items must be missing before an answer is held.
const WITHOUT_HISTORY: u64 = 5;

/// Why an answer is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    expected: u64,
    vanished: u64,
    from_history: bool,
}

/// For each answer, whether it is held. `absent` are the indices of expected items that nobody found.
pub(super) fn held(context: &Context, absent: &[usize]) -> Vec<Option<Held>> {
    context.sources.iter().map(|source| hold(context, source, absent)).collect()
}

fn hold(context: &Context, source: &Source, absent: &[usize]) -> Option<Held> {
    let answer = source.answer;
    let items = answer.items.len() as u64;
    let history = &context.discovered.history;
    if !answer.complete || history.confirmed.get(&answer.source) == Some(&items) {
        return None;
    }
    let percent = context.estate.spec.safety.mass_absence.0;
    if history.sources.contains_key(&answer.source) {
        return history.vanished(answer, percent).map(|(expected, vanished)| Held { expected, vanished, from_history: true });
    }
    if (absent.len() as u64) < WITHOUT_HISTORY {
        return None;
    }
    let covered = |place: &&usize| context.estate.items.get(**place).is_some_and(|item| context.covers(source, item));
    let vanished = absent.iter().filter(covered).count() as u64;
    let expected = context.estate.items.iter().filter(|item| is_expected(item) && context.covers(source, item)).count() as u64;
    // Counts stay far below 2^52, so they are exact as floats.
    #[allow(clippy::cast_precision_loss)]
    let too_many = vanished as f64 * 100.0 > percent * expected as f64;
    (vanished >= WITHOUT_HISTORY && too_many).then_some(Held { expected, vanished, from_history: false })
}

/// One finding for each answer that is held.
pub(super) fn find(context: &Context, held: &[Option<Held>]) -> Vec<Finding> {
    let held = context.sources.iter().zip(held).filter_map(|(source, held)| Some((source, (*held)?)));
    held.map(|(source, held)| finding(context, source, held)).collect()
}

fn finding(context: &Context, source: &Source, held: Held) -> Finding {
    let (answer, name) = (source.answer, &source.answer.source);
    let Held { expected, vanished, from_history } = held;
    let items = answer.items.len();
    let message = if from_history {
        format!("{name} named {items} this time and {expected} the time before: {vanished} vanished at once.")
    } else {
        format!("Of the {expected} declared items that {name} covers, {vanished} are not among the {items} that it named.")
    };
    let safety = &context.estate.spec.safety;
    let declared = context.estate.sources.iter().find(|source| source.name == *name);
    Finding {
        fingerprint: Finding::digest(&[FindingKind::MassAbsence.name(), name, &items.to_string(), &expected.to_string()]),
        declared: Value::from(expected),
        discovered: Value::from(items as u64),
        source: Some(name.clone()),
        seen: Some(answer.at),
        severity: Severity::High,
        at: declared.map(|source| context.estate.locate(source.origin, "metadata.name")),
        message,
        rule: format!("safety: massAbsence {}", safety.mass_absence),
        remedy: format!("Nothing is concluded missing from this answer. Look at the source; if it is right, run `bowline discover --confirm {name}`."),
        evidence: if answer.evidence.is_empty() { Vec::new() } else { vec![answer.evidence.clone()] },
        ..context.about(FindingKind::MassAbsence, name)
    }
}
