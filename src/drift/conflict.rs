//! `Conflict`: sources disagree about an attribute, and no rule says which of them is right.

use super::changed::{SENSITIVE, fingerprint, is_sensitive, short};
use super::compare::rules_along;
use super::context::{Context, Item, list};
use super::{Finding, FindingKind, Severity};
use crate::api::{Text, Value};
use crate::identity::Sighting;

/// The finding of one disagreement. What was found is a map from source to value.
pub(super) fn finding(context: &Context, item: &Item, path: &str, declared: &Value, said: &[(Sighting, Value)]) -> Finding {
    let attribute = path.strip_prefix("attributes.").unwrap_or(path);
    let rules = context.class_of(item).map(|class| rules_along(&class.rules, attribute)).unwrap_or_default();
    let sensitive = is_sensitive(&rules);
    let seen: Vec<_> = said.iter().filter_map(|(sighting, value)| Some((context.look(*sighting)?, value))).collect();
    let sources: Vec<&Text> = seen.iter().map(|((source, _), _)| &source.answer.source).collect();
    let values: Vec<&Value> = std::iter::once(declared).chain(said.iter().map(|(_, value)| value)).collect();
    let tell = |value: &Value| if sensitive { Value::from(SENSITIVE) } else { value.clone() };
    let told: Vec<String> = seen.iter().map(|((source, _), value)| format!("{} says {}", source.answer.source, short(&tell(value)))).collect();
    let priority = seen.first().map(|((source, _), _)| source.priority).unwrap_or_default();
    Finding {
        fingerprint: fingerprint(FindingKind::Conflict, item, path, &rules, attribute, &values),
        declared: tell(declared),
        discovered: Value::Map(seen.iter().map(|((source, _), value)| (source.answer.source.clone(), tell(value))).collect()),
        source: sources.first().map(|source| (*source).clone()),
        seen: seen.iter().map(|((source, observation), _)| source.seen(observation)).max(),
        severity: Severity::Medium,
        message: format!("Sources disagree about the {attribute} of {}: {}.", item.name, list(&told)),
        rule: format!("{} all have priority {priority}, and class {} names none of them for {attribute}", list(&sources), item.spec.class),
        remedy: format!("Say which source is right: a rule under `truth` of class {}, or a higher priority for one of them.", item.spec.class),
        evidence: seen.iter().map(|((source, observation), _)| source.evidence(observation)).collect(),
        ..context.about_item(FindingKind::Conflict, item, Some(path), path)
    }
}
