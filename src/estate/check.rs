//! What is wrong with an estate: every problem at once, each with its place and what to do.
//!
//! `schema` puts JSON Schema's findings into words, `document` looks at one document alone, `across` at all of them
//! together; `private` finds the diagnostics whose lines nobody may be shown. They say *which* value is wrong; its place is looked up here, by reading again the few documents that have
//! problems, so that the many that have none keep no tree in memory.

pub(crate) mod across;
pub(crate) mod document;
pub(crate) mod private;
pub(crate) mod schema;
pub(crate) mod shared;

use std::borrow::Cow;

use rayon::prelude::*;

use self::schema::Mistake;
use super::yaml::{self, Limits, Node, NodeValue, RawDocument, Span};
use super::{Declared, Diagnostic, Estate, Origin, Severity, SourceFile};
use crate::api::CIClassSpec;

/// Every problem between the documents of an estate. Those of single documents are found as they are loaded.
pub fn check(estate: &Estate) -> Vec<Diagnostic> {
    check_with(estate, &[])
}

/// The same, with the classes that the estate declares itself.
pub(super) fn check_with(estate: &Estate, classes: &[Declared<CIClassSpec>]) -> Vec<Diagnostic> {
    let mut diagnostics = place(&estate.files, across::problems(estate, classes));
    sort(&mut diagnostics);
    diagnostics
}

/// A mistake in a document of the estate.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// The document.
    pub origin: Origin,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub mistake: Mistake,
}

impl Problem {
    /// An error in the document.
    pub fn error(origin: Origin, mistake: Mistake) -> Self {
        Self { origin, severity: Severity::Error, mistake }
    }
}

/// Sorts by file, line and column, as people read.
pub(super) fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        let key = |it: &Diagnostic| (it.file.clone(), it.line, it.column, it.severity, it.code.clone());
        key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
    });
    diagnostics.dedup();
}

/// Looks up where each problem stands. Every document is read once, however many problems it has.
pub(super) fn place(files: &[SourceFile], mut problems: Vec<Problem>) -> Vec<Diagnostic> {
    problems.sort_by_key(|problem| (problem.origin.file, problem.origin.offset));
    let documents: Vec<&[Problem]> = problems.chunk_by(|a, b| a.origin == b.origin).collect();
    documents.par_iter().flat_map_iter(|problems| place_in_document(files, problems)).collect()
}

fn place_in_document(files: &[SourceFile], problems: &[Problem]) -> Vec<Diagnostic> {
    let Some((origin, file)) = problems.first().and_then(|first| Some((first.origin, files.get(first.origin.file as usize)?))) else { return Vec::new() };
    let start = origin.offset as usize;
    let text = file.text.get(start..start + origin.length as usize).unwrap_or_default();
    let tree = yaml::parse(&RawDocument { text, offset: start, line: origin.line }, &Limits::default()).ok();
    let placed = |problem: &Problem| match &tree {
        Some(tree) => diagnostic(file, origin, text, tree, problem.severity, problem.mistake.clone()),
        None => Diagnostic { file: Some(file.path.clone()), line: origin.line, column: 1, ..bare(problem.severity, problem.mistake.clone()) },
    };
    problems.iter().map(placed).collect()
}

fn bare(severity: Severity, mistake: Mistake) -> Diagnostic {
    Diagnostic { severity, hint: mistake.hint, ..Diagnostic::error(mistake.code, mistake.message) }
}

/// A mistake of a document whose tree is at hand.
pub(super) fn diagnostic(file: &SourceFile, origin: Origin, text: &str, tree: &Node, severity: Severity, mistake: Mistake) -> Diagnostic {
    let span = span_of(tree, &mistake.path, mistake.on_name);
    Diagnostic {
        file: Some(file.path.clone()),
        line: origin.line + span.line.saturating_sub(1),
        column: span.column,
        length: length(text, span),
        ..bare(severity, mistake)
    }
}

/// How many characters of the first line a span covers.
pub(super) fn length(text: &str, span: Span) -> u32 {
    let covered = text.get(span.range()).unwrap_or_default();
    let line = covered.lines().next().unwrap_or_default();
    u32::try_from(line.trim_end().chars().count()).unwrap_or(u32::MAX)
}

/// Where the value at `path` stands, or its name; where there is no such value, the name of the nearest one above it,
/// for a block mapping that lacks something begins far from where a reader looks.
fn span_of(tree: &Node, path: &[String], on_name: bool) -> Span {
    let (mut node, mut name) = (tree, None);
    for step in path {
        let next = match &node.value {
            NodeValue::Map(entries) => entries.iter().find(|(key, _)| key.text == *step).map(|(key, value)| (value, Some(key.span))),
            NodeValue::List(list) => step.parse::<usize>().ok().and_then(|place| list.get(place)).map(|value| (value, None)),
            _ => None,
        };
        let Some(next) = next else { return name.unwrap_or(node.span) };
        (node, name) = next;
    }
    let within = matches!(node.value, NodeValue::Map(_) | NodeValue::Null);
    name.filter(|_| on_name || within).unwrap_or(node.span)
}

/// The known name nearest to `written`, as a hint, if any is near enough to be meant.
pub(super) fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(written, known).map(|name| format!("did you mean `{name}`?"))
}

/// The known name nearest to `written`, if any is near enough to be meant; of equally near ones the first by name.
pub(super) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing takes the product of the lengths, and nobody mistypes a name of a page.
    const LONGEST: usize = 100;
    let near = |name: &str| name != written && name.len() <= LONGEST && name.len().abs_diff(written.len()) <= 8;
    if written.len() > LONGEST {
        return None;
    }
    let lower = lowercase(written);
    let scored = known.into_iter().filter(|name| near(name)).map(|name| (strsim::jaro_winkler(&lower, &lowercase(name)), name));
    scored.filter(|(score, _)| *score >= 0.84).max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1))).map(|(_, name)| name)
}

fn lowercase(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|mark| mark.is_ascii_uppercase() || !mark.is_ascii()) { name.to_lowercase().into() } else { name.into() }
}
