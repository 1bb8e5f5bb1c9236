//! `Changed`: an attribute is not as declared.

use super::compare::Difference;
use super::compare::{canonical, rules_along};
use super::context::{Context, Item, is_descriptive};
use super::{Finding, FindingKind, Severity};
use crate::api::Value;
use crate::estate::class::AttributeRules;
use crate::identity::Sighting;

/// How a sensitive value reads.
pub(super) const SENSITIVE: &str = "(sensitive)";

/// The finding of one difference. `rule` says which source spoke, where several did.
pub(super) fn finding(context: &Context, item: &Item, difference: Difference, sighting: Sighting, rule: &str) -> Option<Finding> {
    let (source, observation) = context.look(sighting)?;
    let Difference { path, declared, found } = difference;
    let attribute = path.strip_prefix("attributes.").unwrap_or(&path);
    let rules = context.class_of(item).map(|class| rules_along(&class.rules, attribute)).unwrap_or_default();
    let sensitive = is_sensitive(&rules);
    let fingerprint = fingerprint(FindingKind::Changed, item, &path, &rules, attribute, &[&declared, &found]);
    let (declared, discovered) = if sensitive { (Value::from(SENSITIVE), Value::from(SENSITIVE)) } else { (declared, found) };
    let message = if sensitive {
        format!("The {attribute} of {} is not as declared.", item.name)
    } else {
        format!("The {attribute} of {} is {}, declared is {}.", item.name, short(&discovered), short(&declared))
    };
    let compare = compares_by(&rules, attribute);
    Some(Finding {
        fingerprint,
        declared,
        discovered,
        source: Some(source.answer.source.clone()),
        seen: Some(source.seen(observation)),
        severity: if is_descriptive(&rules) { Severity::Low } else { Severity::Medium },
        action: context.action_at(item, attribute),
        message,
        rule: if rule.is_empty() { compare } else { format!("{compare}; {rule}") },
        remedy: format!("Change it back, or declare what is there (onDrift: Enforce or Adopt for {attribute})."),
        evidence: vec![source.evidence(observation)],
        ..context.about_item(FindingKind::Changed, item, Some(&path), &path)
    })
}

/// A digest of what is the matter, the same in every unit, spelling and order of sets.
pub(super) fn fingerprint(kind: FindingKind, item: &Item, path: &str, rules: &[&AttributeRules], attribute: &str, values: &[&Value]) -> crate::api::Text {
    // The first rules are those of all attributes together; as many follow as parts of the path are known.
    let known = rules.len().saturating_sub(1) == attribute.split('.').count();
    let plain = AttributeRules::default();
    let own = if known { rules.last().copied().unwrap_or(&plain) } else { &plain };
    let spelled: Vec<String> = values.iter().map(|value| canonical(own, value)).collect();
    let mut parts = vec![kind.name(), &*item.name, path];
    parts.extend(spelled.iter().map(String::as_str));
    Finding::digest(&parts)
}

pub(super) fn is_sensitive(rules: &[&AttributeRules]) -> bool {
    rules.iter().any(|rules| rules.rule.sensitive)
}

fn compares_by(rules: &[&AttributeRules], attribute: &str) -> String {
    let inner = rules.get(1..).unwrap_or_default().iter().rev();
    match inner.into_iter().find_map(|rules| rules.rule.compare) {
        Some(compare) => format!("compare: {compare:?}"),
        None => format!("{attribute} is compared as it is written; its class names no other meaning"),
    }
}

/// A value in a sentence.
pub(super) fn short(value: &Value) -> String {
    const SHOWN: usize = 80;
    let text = value.to_string();
    if text.chars().count() <= SHOWN { text } else { format!("{}…", text.chars().take(SHOWN).collect::<String>()) }
}
