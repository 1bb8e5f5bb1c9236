//! `Ambiguous`: an observation that could be any of several items, or is one only perhaps. Nothing is merged.

use super::context::{Context, list};
use super::{Finding, FindingKind, Severity};
use crate::api::{Text, Value};
use crate::identity::{Ambiguity, Doubt};

/// One finding for each doubtful observation.
pub(super) fn find(context: &Context) -> Vec<Finding> {
    context.correlation.ambiguities.iter().filter_map(|doubt| finding(context, doubt)).collect()
}

fn finding(context: &Context, doubt: &Ambiguity) -> Option<Finding> {
    let (source, observation) = context.look(doubt.sighting)?;
    let items: Vec<_> = doubt.items.iter().filter_map(|item| context.estate.items.get(*item as usize)).collect();
    let names: Vec<&Text> = items.iter().map(|item| &item.name).collect();
    let name = if observation.name.is_empty() { &observation.key } else { &observation.name };
    let (rule, said_by) = (context.correlation.rule(doubt.rule), &source.answer.source);
    let (message, remedy) = match doubt.doubt {
        Doubt::Within => {
            let within = rule.rsplit(" within ").next().unwrap_or("place");
            (
                format!("{name}, as {said_by} sees it, may be {}: {rule} fits, but one of the two does not say its {within}.", list(&names)),
                format!("Give the {within} on both sides, or an identifier that needs none."),
            )
        }
        Doubt::Copied => (
            format!("{name}, as {said_by} sees it, has the {rule} of {}, but everything else that both say differs: it may be a copy of it.", list(&names)),
            "If it is a copy, give it an identity of its own and declare it; if it is the item, correct what is declared.".to_owned(),
        ),
        Doubt::Several => (
            format!("{name}, as {said_by} sees it, could be {}: {rule} fits each of them.", list(&names)),
            "Give one of them an identifier that the others do not have, or correct the one that they share.".to_owned(),
        ),
    };
    let mut parts = vec![FindingKind::Ambiguous.name(), &**said_by, &*observation.key, &**name];
    parts.extend(names.iter().map(|name| &***name));
    Some(Finding {
        fingerprint: Finding::digest(&parts),
        class: observation.class.clone(),
        owner: observation.owner.clone().or_else(|| items.first().and_then(|item| item.spec.owner.clone())),
        declared: names.iter().map(|name| Value::from((*name).clone())).collect(),
        discovered: Value::from(name.clone()),
        source: Some(said_by.clone()),
        seen: Some(source.seen(observation)),
        severity: Severity::Medium,
        at: items.first().map(|item| context.estate.locate(item.origin, "spec.identifiers")),
        message,
        rule: format!("identification: {rule}"),
        remedy,
        evidence: vec![source.evidence(observation)],
        ..context.about(FindingKind::Ambiguous, name)
    })
}
