//! Problems with their place in the text, as an editor or compiler shows them.

use bowline::estate::diagnostic::CONTEXT;
use bowline::estate::{Diagnostic, Estate, Severity};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};

use super::super::options::Style;
use super::count;

/// How many problems are shown with their text; all of them are counted, and in JSON all are listed.
const SHOWN: usize = 200;
/// Lines of a file around a problem that are handed to the printer, so that a large file is not scanned for each problem.
const AROUND: usize = CONTEXT as usize;

/// All problems of an estate and a closing line of counts; nothing if there are none.
pub fn render(style: Style, estate: &Estate) -> String {
    let diagnostics = &estate.diagnostics;
    if diagnostics.is_empty() {
        return String::new();
    }
    let mut text: String = diagnostics.iter().take(SHOWN).map(|diagnostic| as_report(style, estate, diagnostic)).collect();
    if let Some(more) = diagnostics.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text.push_str(&format!("… and {more} more (--output json lists all)\n"));
    }
    text.push_str(&format!("{}\n", closing(estate)));
    text
}

/// `2 errors, 1 warning`.
pub fn closing(estate: &Estate) -> String {
    let errors = errors(estate);
    let warnings = estate.diagnostics.len() - errors;
    let text = [(errors, "error"), (warnings, "warning")].into_iter().filter(|(number, _)| *number > 0).map(|(number, word)| count(number, word));
    text.collect::<Vec<_>>().join(", ")
}

/// How many of the problems are errors.
pub fn errors(estate: &Estate) -> usize {
    estate.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
}

fn as_report(style: Style, estate: &Estate, diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => miette::Severity::Error,
        Severity::Warning => miette::Severity::Warning,
    };
    let mut shown = MietteDiagnostic::new(&diagnostic.message).with_code(&*diagnostic.code).with_severity(severity);
    if let Some(hint) = &diagnostic.hint {
        shown = shown.with_help(hint);
    }
    let excerpt = Excerpt::of(estate, diagnostic);
    if let Some(excerpt) = &excerpt {
        shown = shown.with_label(LabeledSpan::underline(excerpt.start..excerpt.start + excerpt.length));
    }
    let mut report = Report::new(shown);
    if let Some(excerpt) = excerpt {
        report = report.with_source_code(NamedSource::new(excerpt.file, excerpt.text));
    } else if let Some(file) = &diagnostic.file {
        report = report.wrap_err(format!("{file}:{}:{}", diagnostic.line, diagnostic.column));
    }
    let theme = if style.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(style.width).with_links(false).with_context_lines(CONTEXT as usize);
    let mut text = String::new();
    if handler.render_report(&mut text, report.as_ref()).is_err() {
        text = format!("{}\n", diagnostic.message);
    }
    format!("{}\n\n", text.trim_end())
}

/// The lines around a problem; none where a sensitive value is among them. Lines before them are left empty, so that the numbers are right.
struct Excerpt {
    file: String,
    text: String,
    start: usize,
    length: usize,
}

impl Excerpt {
    fn of(estate: &Estate, diagnostic: &Diagnostic) -> Option<Self> {
        let name = diagnostic.file.as_ref().filter(|_| !diagnostic.private)?;
        let file = estate.files.iter().find(|file| file.path == *name)?;
        let line = usize::try_from(diagnostic.line).ok()?.checked_sub(1)?;
        let from = line.saturating_sub(AROUND);
        let mut text = "\n".repeat(from);
        let mut start = None;
        for (number, content) in file.text.split('\n').enumerate().skip(from).take(line - from + AROUND + 1) {
            let content: String = content.chars().take(400).map(|c| if c.is_control() { ' ' } else { c }).collect();
            if number == line {
                start = Some(text.len() + bytes_of(&content, diagnostic.column.saturating_sub(1)));
            }
            text.push_str(&content);
            text.push('\n');
        }
        let start = start?.min(text.len());
        let rest = text[start..].lines().next().unwrap_or_default();
        let length = bytes_of(rest, diagnostic.length.max(1));
        Some(Self { file: name.to_string(), text, start, length })
    }
}

/// How many bytes the first `characters` of a text have.
fn bytes_of(text: &str, characters: u32) -> usize {
    text.char_indices().nth(characters as usize).map_or(text.len(), |(index, _)| index)
}
