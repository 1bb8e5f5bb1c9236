//! What the sources say about an item, and which of them says the truth.
//!
//! For each declared attribute, in this order: what says nothing does not count, and a source that reports the item
//! twice with different values says nothing; a stale fact does not count beside a fresh one; the class's rules of truth
//! decide, those that name the attribute first; then the source's priority. Sources of one priority that disagree are a
//! conflict, and nothing is compared.
//!
//! A source that knows better and failed this time is waited for: until it has been silent for longer than its
//! `staleAfter`, what others say against the declaration concludes nothing. So a value does not flip with an outage.

use super::compare::{self, Difference, Lookup, agree, differences, equal, rules_of};
use super::context::{Context, Item, Source, is_unexpected};
use crate::api::ci_class::TruthRule;
use crate::api::{Table, Text, Value};
use crate::discovery::Observation;
use crate::estate::Class;
use crate::estate::class::AttributeRules;
use crate::identity::{Match, Sighting};

/// How what was found contradicts what is declared.
pub(super) enum Contradiction {
    /// An attribute differs.
    Differs { difference: Difference, sighting: Sighting, rule: String },
    /// Sources of one priority disagree about an attribute.
    Conflict { path: String, declared: Value, said: Vec<(Sighting, Value)> },
}

/// One fact: a value, and who says it.
#[derive(Clone, Copy)]
struct Fact<'a> {
    source: &'a Source<'a>,
    observation: &'a Observation,
    sighting: Sighting,
    value: &'a Value,
}

/// What is the truth about one attribute.
enum Said<'a> {
    Nothing,
    Fact(Fact<'a>, String),
    Conflict(Vec<Fact<'a>>),
}

/// All that contradicts what is declared of the item at `place`.
pub(super) fn contradictions<'c>(context: &'c Context, place: usize, item: &'c Item, lookup: &mut Lookup<'c>) -> Vec<Contradiction> {
    let matches = context.correlation.of(place);
    if matches.is_empty() || is_unexpected(item) || context.only_stale(matches) {
        return Vec::new();
    }
    let class = context.class_of(item);
    let mut found = Vec::new();
    match matches {
        [only] => of_one(context, item, class, *only, lookup, &mut found),
        _ => Several { context, item, class, matches }.compare(&mut found),
    }
    found
}

fn rules_at<'a>(class: Option<&'a Class>, attribute: &str) -> &'a AttributeRules {
    class.map_or_else(|| rules_of(compare::plain(), attribute), |class| rules_of(&class.rules, attribute))
}

/// One sighting: no one to disagree with.
fn of_one<'c>(context: &'c Context, item: &'c Item, class: Option<&'c Class>, only: Match, lookup: &mut Lookup<'c>, found: &mut Vec<Contradiction>) {
    let Some((source, observation)) = context.look(only.sighting) else { return };
    for (place, (name, declared)) in item.spec.attributes.iter().enumerate() {
        let Some(value) = compare::value_at(&observation.attributes, place, name) else { continue };
        let rules = lookup.of(class.map(|class| &class.rules), place, name);
        if !equal(rules, declared, value) && !is_waited_for(context, item, class, name, &[source]) {
            push(context, item, differences(rules, &format!("attributes.{name}"), declared, value), only.sighting, "", found);
        }
    }
}

fn push(context: &Context, item: &Item, differences: Vec<Difference>, sighting: Sighting, rule: &str, found: &mut Vec<Contradiction>) {
    let kept = differences.into_iter().filter(|difference| !context.is_ignored(item, &difference.path));
    found.extend(kept.map(|difference| Contradiction::Differs { difference, sighting, rule: rule.to_owned() }));
}

struct Several<'s, 'a> {
    context: &'s Context<'a>,
    item: &'s Item,
    class: Option<&'s Class>,
    matches: &'s [Match],
}

impl<'s> Several<'s, '_> {
    fn compare(&self, found: &mut Vec<Contradiction>) {
        for (name, declared) in &self.item.spec.attributes {
            let rules = rules_at(self.class, name);
            if self.facts(rules, name).iter().any(|fact| !equal(rules, declared, fact.value)) {
                self.walk(rules, &mut name.to_string(), declared, found);
            }
        }
    }

    /// Compares the parts of maps one by one: of one attribute, one source may know the name and another the version.
    fn walk(&self, rules: &AttributeRules, path: &mut String, declared: &Value, found: &mut Vec<Contradiction>) {
        if let (Value::Map(parts), false) = (declared, rules.rule.sensitive) {
            let length = path.len();
            for (name, declared) in parts {
                path.push('.');
                path.push_str(name);
                self.walk(&compare::below(rules, name), path, declared, found);
                path.truncate(length);
            }
            return;
        }
        let full = format!("attributes.{path}");
        if declared.is_absent() || self.context.is_ignored(self.item, &full) {
            return;
        }
        match self.said(rules, path) {
            Said::Nothing => {}
            Said::Fact(..) | Said::Conflict(_) if self.is_waited_for(rules, path) => {}
            Said::Fact(fact, rule) => push(self.context, self.item, differences(rules, &full, declared, fact.value), fact.sighting, &rule, found),
            Said::Conflict(facts) => {
                let said = facts.iter().map(|fact| (fact.sighting, compare::in_unit_of(&rules.rule, declared, fact.value))).collect();
                found.push(Contradiction::Conflict { path: full, declared: declared.clone(), said });
            }
        }
    }

    fn is_waited_for(&self, rules: &AttributeRules, path: &str) -> bool {
        let speakers: Vec<&Source> = self.facts(rules, path).iter().map(|fact| fact.source).collect();
        is_waited_for(self.context, self.item, self.class, path, &speakers)
    }

    /// One fact a source about the value at `path`.
    fn facts(&self, rules: &AttributeRules, path: &str) -> Vec<Fact<'s>> {
        let of_match = |found: &Match| {
            let (source, observation) = self.context.look(found.sighting).filter(|_| found.speaks)?;
            let value = at(&observation.attributes, path).filter(|value| !compare::says_nothing(rules, value))?;
            Some(Fact { source, observation, sighting: found.sighting, value })
        };
        let facts: Vec<Fact> = self.matches.iter().filter_map(of_match).collect();
        let of_sources = facts.chunk_by(|one, other| one.sighting.answer == other.sighting.answer);
        of_sources
            .filter_map(|of_source| of_source.first().filter(|first| of_source.iter().all(|fact| agree(rules, first.value, fact.value))).copied())
            .collect()
    }

    fn said(&self, rules: &AttributeRules, path: &str) -> Said<'s> {
        let mut facts = self.facts(rules, path);
        if facts.iter().any(|fact| !fact.source.is_stale(fact.observation)) {
            facts.retain(|fact| !fact.source.is_stale(fact.observation));
        }
        let Some(first) = facts.first().copied() else { return Said::Nothing };
        if facts.iter().all(|fact| agree(rules, first.value, fact.value)) {
            return Said::Fact(first, String::new());
        }
        if let Some(fact) = self.class.and_then(|class| by_truth(&class.truth, path, &facts)) {
            let rule = format!("truth: {} speaks for {path}", fact.source.answer.source);
            return Said::Fact(fact, rule);
        }
        let best = facts.iter().map(|fact| fact.source.priority).max().unwrap_or_default();
        facts.retain(|fact| fact.source.priority == best);
        match facts.as_slice() {
            [first, rest @ ..] if rest.iter().all(|fact| agree(rules, first.value, fact.value)) => {
                Said::Fact(*first, format!("priority {best}: {} speaks for {path}", first.source.answer.source))
            }
            _ => Said::Conflict(facts),
        }
    }
}

/// Whether a source that knows better than all of these about the attribute of the item failed this time, and has not been
/// silent for longer than its facts last.
fn is_waited_for(context: &Context, item: &Item, class: Option<&Class>, path: &str, speakers: &[&Source]) -> bool {
    if context.sources.iter().all(|source| source.answer.complete) {
        return false;
    }
    let named: Vec<&Text> = class.map(|class| named(&class.truth, path).collect()).unwrap_or_default();
    let rank = |source: &Source| named.iter().position(|name| **name == source.answer.source);
    let best = speakers.iter().filter_map(|source| rank(source)).min();
    let priority = speakers.iter().map(|source| source.priority).max().unwrap_or(i32::MIN);
    let attribute = path.split('.').next().unwrap_or(path);
    context.sources.iter().filter(|source| !source.answer.complete && context.covers(source, item)).any(|source| match (rank(source), best) {
        (Some(own), Some(best)) => own < best && context.was_heard(source, &item.spec.class, attribute, true),
        (Some(_), None) => context.was_heard(source, &item.spec.class, attribute, true),
        (None, Some(_)) => false,
        (None, None) => source.priority > priority && context.was_heard(source, &item.spec.class, attribute, false),
    })
}

/// The sources that rules of truth name for an attribute, best first: rules that name it before those for all.
fn named<'a>(rules: &'a [TruthRule], path: &'a str) -> impl Iterator<Item = &'a Text> {
    let names =
        move |rule: &&TruthRule| rule.attributes.iter().any(|name| path.strip_prefix(&**name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
    rules.iter().filter(names).chain(rules.iter().filter(|rule| rule.attributes.is_empty())).flat_map(|rule| &rule.sources)
}

/// The fact of the first source that a rule of truth names.
fn by_truth<'a>(rules: &[TruthRule], path: &str, facts: &[Fact<'a>]) -> Option<Fact<'a>> {
    named(rules, path).find_map(|source| facts.iter().find(|fact| fact.source.answer.source == *source).copied())
}

fn at<'a>(attributes: &'a Table<Value>, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => attributes.get(path),
        // A name may hold a dot itself.
        Some((first, rest)) => attributes.get(path).or_else(|| attributes.get(first)?.at(rest)),
    }
}
