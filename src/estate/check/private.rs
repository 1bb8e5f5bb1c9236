//! Which diagnostics stand beside a sensitive value: their lines must not be shown.
//!
//! A diagnostic's message never quotes such a value, but people are shown the lines around it too, and the value may be
//! on one of these whatever the diagnostic is about. So it is asked of lines, not of what is wrong.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::RangeInclusive;

use rayon::prelude::*;

use crate::estate::class::AttributeRules;
use crate::estate::diagnostic::CONTEXT;
use crate::estate::yaml::{self, Limits, Node, NodeValue, RawDocument};
use crate::estate::{Classes, Diagnostic, Estate, Origin};

/// Lines of a file, from the first to the last.
type Lines = RangeInclusive<u32>;

/// Marks the diagnostics of which a shown line would hold a sensitive value.
pub(in crate::estate) fn mark(estate: &Estate, diagnostics: &mut [Diagnostic]) {
    let mut shown: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for diagnostic in diagnostics.iter() {
        if let Some(file) = &diagnostic.file {
            shown.entry(file).or_default().insert(diagnostic.line);
        }
    }
    let places: BTreeMap<u32, &BTreeSet<u32>> = (0..).zip(&estate.files).filter_map(|(place, file)| Some((place, shown.get(&*file.path)?))).collect();
    let documents = estate.items.iter().map(|item| item.origin).chain(estate.unreadable.iter().map(|document| document.origin));
    let looked_at: Vec<Origin> = documents.filter(|origin| places.get(&origin.file).is_some_and(|lines| is_shown(lines, &whole(estate, *origin)))).collect();
    let names = sensitive_names(&estate.classes);
    let mut hidden: BTreeMap<u32, Vec<Lines>> = BTreeMap::new();
    let found: Vec<(u32, Vec<Lines>)> = looked_at.par_iter().map(|origin| (origin.file, hidden_lines(estate, *origin, &names))).collect();
    for (file, lines) in found {
        hidden.entry(file).or_default().extend(lines);
    }
    let hidden: BTreeMap<&str, Vec<Lines>> =
        hidden.into_iter().filter_map(|(file, lines)| Some((&*estate.files.get(file as usize)?.path, apart(lines)))).collect();
    for diagnostic in diagnostics {
        let lines = diagnostic.file.as_deref().and_then(|file| hidden.get(file));
        diagnostic.private |= lines.is_some_and(|lines| is_beside(lines, diagnostic.line));
    }
}

/// The same lines, in order and none of them twice.
fn apart(mut all: Vec<Lines>) -> Vec<Lines> {
    all.sort_by_key(|lines| *lines.start());
    all.dedup_by(|later, earlier| {
        let meets = later.start() <= earlier.end();
        if meets {
            *earlier = *earlier.start()..=*earlier.end().max(later.end());
        }
        meets
    });
    all
}

/// Whether one of these lines is shown with a diagnostic on `line`.
fn is_beside(hidden: &[Lines], line: u32) -> bool {
    let first = hidden.partition_point(|lines| lines.end().saturating_add(CONTEXT) < line);
    hidden.get(first).is_some_and(|lines| lines.start().saturating_sub(CONTEXT) <= line)
}

/// Whether one of these diagnostics shows one of these lines.
fn is_shown(diagnostics: &BTreeSet<u32>, lines: &Lines) -> bool {
    diagnostics.range(lines.start().saturating_sub(CONTEXT)..=lines.end().saturating_add(CONTEXT)).next().is_some()
}

/// The lines of a document.
fn whole(estate: &Estate, origin: Origin) -> Lines {
    origin.line..=origin.line.saturating_add(breaks(estate.text(origin)))
}

fn breaks(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX)
}

/// The names of attributes and their parts that a class says are sensitive.
fn sensitive_names(classes: &Classes) -> HashSet<&str> {
    fn collect<'a>(rules: &'a AttributeRules, names: &mut HashSet<&'a str>) {
        for (name, rules) in &rules.fields {
            if rules.rule.sensitive && !rules.closed {
                names.insert(name);
            }
            collect(rules, names);
        }
        if let Some(each) = rules.each.as_deref() {
            collect(each, names);
        }
    }
    let mut names = HashSet::new();
    classes.iter().for_each(|class| collect(&class.rules, &mut names));
    names
}

/// The lines of a document that hold a sensitive value: its class says so, or, wherever it stands and whatever its class,
/// it has the name of an attribute that some class says is. A document that is no YAML is hidden as a whole if it speaks
/// of such a name.
fn hidden_lines(estate: &Estate, origin: Origin, names: &HashSet<&str>) -> Vec<Lines> {
    let text = estate.text(origin);
    let Ok(tree) = yaml::parse(&RawDocument { text, offset: origin.offset as usize, line: origin.line }, &Limits::default()) else {
        let mut words = text.split(|mark: char| !(mark.is_alphanumeric() || matches!(mark, '_' | '-' | '.')));
        return if words.any(|word| names.contains(word)) { vec![whole(estate, origin)] } else { Vec::new() };
    };
    let mut nodes = Vec::new();
    named(&tree, names, &mut nodes);
    let class = tree.at("spec.class").and_then(Node::as_str).and_then(|class| estate.classes.get(class));
    if let Some((class, attributes)) = class.zip(tree.at("spec.attributes")) {
        ruled(attributes, &class.rules, &mut nodes);
    }
    let lines = nodes.into_iter().map(|node| {
        let first = origin.line + node.span.line.saturating_sub(1);
        first..=first.saturating_add(breaks(text.get(node.span.range()).unwrap_or_default()))
    });
    lines.collect()
}

/// The values that have one of these names.
fn named<'t, 'a>(node: &'t Node<'a>, names: &HashSet<&str>, found: &mut Vec<&'t Node<'a>>) {
    match &node.value {
        NodeValue::Map(entries) => {
            for (key, value) in entries {
                if names.contains(&*key.text) {
                    found.push(value);
                } else {
                    named(value, names, found);
                }
            }
        }
        NodeValue::List(list) => {
            for value in list {
                named(value, names, found);
            }
        }
        _ => (),
    }
}

/// The values that the rules say are sensitive.
fn ruled<'t, 'a>(node: &'t Node<'a>, rules: &AttributeRules, found: &mut Vec<&'t Node<'a>>) {
    if rules.rule.sensitive {
        found.push(node);
        return;
    }
    match &node.value {
        NodeValue::Map(entries) => {
            for (key, value) in entries {
                if let Some(rules) = rules.fields.get(&key.text) {
                    ruled(value, rules, found);
                }
            }
        }
        NodeValue::List(list) => {
            if let Some(rules) = rules.each.as_deref() {
                for value in list {
                    ruled(value, rules, found);
                }
            }
        }
        _ => (),
    }
}
