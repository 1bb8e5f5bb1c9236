//! What an import did, for people: the files, and what was not taken over with the reason.

use std::collections::BTreeMap;
use std::path::Path;

use bowline::api::{Text, Value};
use bowline::change::markdown;
use bowline::import::{Import, Reason, Report, Without};

use super::super::options::Style;
use super::{count, table};

/// How many files are named.
const FILES: usize = 100;
/// How many names are given of what stands for many.
const NAMES: usize = 3;

/// What was written into the folder.
pub fn render(style: Style, import: &Import, into: &Path) -> String {
    let report = &import.report;
    if import.files.is_empty() {
        return format!("Nothing is written: what was found is declared, or is named below.\n{}", rest(style, report));
    }
    let row = |file: &bowline::import::NewFile| vec![into.join(&*file.path).display().to_string(), count(file.items.len(), "item")];
    let rows: Vec<Vec<String>> = import.files.iter().take(FILES).map(row).collect();
    let mut text = table::table(style, &["written", "holds"], &rows);
    if import.files.len() > FILES {
        text.push_str(&format!("… and {} more\n", count(import.files.len() - FILES, "file")));
    }
    text.push_str(&format!("\n{} in {}: {}.\n", count(report.items, "item"), count(import.files.len(), "file"), classes(report)));
    text.push_str(&rest(style, report));
    text.push_str("\nNext: `bowline check`, then `bowline plan`; then look through the files and commit them.\n");
    text
}

/// What is said beside documents that are printed.
pub fn printed(import: &Import) -> String {
    let style = Style { markdown: false, colour: false, width: 100 };
    let found = count(import.report.items, "item");
    let more = if import.files.is_empty() { "" } else { "; --into FOLDER writes them to files" };
    format!("{found} found and not declared{more}\n{}", rest(style, &import.report))
}

/// The documents in a block of Markdown, and what was not taken over.
pub fn render_documents(style: Style, import: &Import) -> String {
    let documents: Vec<&str> = import.files.iter().map(bowline::import::NewFile::documents).collect();
    let documents = documents.join("---\n");
    // Longer than any fence in what was found.
    let fence = "`".repeat(documents.split(|mark| mark != '`').map(str::len).max().unwrap_or_default().max(2) + 1);
    format!("{} found and not declared\n\n{fence}yaml\n{documents}{fence}\n{}", count(import.report.items, "item"), rest(style, &import.report))
}

fn classes(report: &Report) -> String {
    let classes: Vec<String> = report.classes.iter().map(|(class, number)| format!("{number} {class}")).collect();
    classes.join(", ")
}

/// What was not taken over, and why.
fn rest(style: Style, report: &Report) -> String {
    let bullet = if style.markdown { "- " } else { "  " };
    // What a source says must not become markup.
    let safe = |line: String| if style.markdown { markdown::prose(&line) } else { line };
    let lines = left_out(report).into_iter().chain(without(report)).chain(others(report));
    let lines: Vec<String> = lines.map(|line| format!("{bullet}{}\n", safe(line))).collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{}\n{}{}", style.bold("Not taken over"), if style.markdown { "\n" } else { "" }, lines.concat())
}

fn left_out(report: &Report) -> Vec<String> {
    let mut by_reason: BTreeMap<Reason, Vec<&Text>> = BTreeMap::new();
    for left in &report.left_out {
        let names = by_reason.entry(left.reason).or_default();
        // What its source lists twice is one thing to look at.
        if names.last() != Some(&&left.name) || left.reason != Reason::Duplicate {
            names.push(&left.name);
        }
    }
    by_reason.into_iter().map(|(reason, names)| format!("{}: {} ({})", count(names.len(), "item"), reason.words(), some(&names))).collect()
}

fn without(report: &Report) -> Vec<String> {
    let mut by_reason: BTreeMap<Reason, Vec<&Without>> = BTreeMap::new();
    for without in &report.without {
        by_reason.entry(without.reason).or_default().push(without);
    }
    let line = |(reason, parts): (Reason, Vec<&Without>)| {
        let named: Vec<String> = parts.iter().map(|part| format!("{} of {}{}", short_path(&part.path), part.item, said(&part.said))).collect();
        format!("{}: {} ({})", count(parts.len(), "value"), reason.words(), first(&named, NAMES, "; "))
    };
    by_reason.into_iter().map(line).collect()
}

fn others(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let counted = |table: &BTreeMap<Text, usize>| table.iter().map(|(name, number)| format!("{name} {number}×")).collect::<Vec<_>>();
    if !report.unknown_attributes.is_empty() {
        let names = counted(&report.unknown_attributes);
        lines.push(format!(
            "{} that no class knows: {}. Declare them in a CIClass, or name them with --attribute",
            count(names.len(), "attribute"),
            first(&names, 10, ", ")
        ));
    }
    if !report.unnamed_relations.is_empty() {
        let number = report.unnamed_relations.values().sum();
        lines.push(format!(
            "{} to what has no name here, or on which sources disagree: {}",
            count(number, "relation"),
            first(&counted(&report.unnamed_relations), 10, ", ")
        ));
    }
    if !report.namesakes.is_empty() {
        let names: Vec<&Text> = report.namesakes.iter().collect();
        lines.push(format!("no name of their own: an item is declared under that of {}; look whether it is the same thing", some(&names)));
    }
    lines
}

fn short_path(path: &str) -> &str {
    path.strip_prefix("attributes.").or_else(|| path.strip_prefix("identifiers.")).unwrap_or(path)
}

fn said(said: &Value) -> String {
    let Some(sources) = said.as_map() else { return String::new() };
    let told: Vec<String> = sources.iter().map(|(source, value)| format!("{source} says {value}")).collect();
    format!(": {}", told.join(", "))
}

fn some<T: AsRef<str>>(names: &[T]) -> String {
    first(names, NAMES, ", ")
}

fn first<T: AsRef<str>>(names: &[T], most: usize, between: &str) -> String {
    let shown: Vec<String> = names.iter().take(most).map(|name| markdown::one_line(name.as_ref())).collect();
    let more = if names.len() > most { format!(" and {} more", names.len() - most) } else { String::new() };
    format!("{}{more}", shown.join(between))
}
