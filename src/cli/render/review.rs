//! Problems as Markdown for the summary of a workflow or a comment: one table a file.

use bowline::change::markdown;
use bowline::estate::{Diagnostic, Estate};

use super::bounded::{Bounded, COMMENT};
use super::{count, diagnostics};

/// Bytes that are kept free for the lines around the tables.
const AROUND: usize = 1000;

/// A line of verdict and the problems by file, in at most 60,000 bytes.
pub fn render(estate: &Estate) -> String {
    let (name, files) = (markdown::code(&estate.name), count(estate.files.len(), "file"));
    if estate.diagnostics.is_empty() {
        return format!("**No problem** in the estate {name} ({files}).\n");
    }
    let mut text = Bounded::new(COMMENT - AROUND);
    for problems in estate.diagnostics.chunk_by(|a, b| a.file == b.file) {
        let file = problems.first().and_then(|problem| problem.file.as_deref());
        let heading = file.map_or_else(|| "The estate as a whole".to_owned(), markdown::code);
        text.introduce(&format!("\n### {heading}\n\n| Line | | Problem | What to do | Rule |\n|---|---|---|---|---|\n"));
        for problem in problems {
            text.add(&row(problem));
        }
    }
    let (tables, left_out) = text.finish();
    let more = if left_out > 0 { format!("\n… and {left_out} more; `bowline check` lists all.\n") } else { String::new() };
    format!("**{}** in the estate {name} ({files}).\n{tables}{more}", diagnostics::closing(estate))
}

fn row(problem: &Diagnostic) -> String {
    let place = if problem.line > 0 { format!("{}:{}", problem.line, problem.column) } else { String::new() };
    let hint = problem.hint.as_deref().map(markdown::cell).unwrap_or_default();
    format!("| {place} | {:?} | {} | {hint} | {} |\n", problem.severity, markdown::cell(&problem.message), markdown::code(&problem.code))
}

#[cfg(test)]
mod tests {
    use bowline::estate::Place;

    use super::*;

    #[test]
    fn a_table_a_file_in_which_text_of_others_is_text() {
        let at = |file: &str, message: &str| Diagnostic::error("unknown-field", message).at(Place { file: file.into(), line: 2, column: 3 }).hint("use `a`");
        let estate = Estate {
            name: "harbour".into(),
            diagnostics: vec![Diagnostic::warning("no-estate", "none"), at("a.yaml", "`x|y` @team <img>\n# heading"), at("b.yaml", "[a](javascript:x)")],
            ..Estate::default()
        };
        let text = render(&estate);
        assert!(text.starts_with("**2 errors, 1 warning** in the estate `harbour` (0 files).\n\n### The estate as a whole\n"), "{text}");
        assert!(text.contains("### `a.yaml`\n\n| Line | | Problem | What to do | Rule |\n|---|---|---|---|---|\n| 2:3 | Error | `x\\|y` `@team` `<img>` `#` heading | use `a` | `unknown-field` |\n"), "{text}");
        assert!(text.contains("| `[a](javascript:x)` |"), "{text}");
    }

    #[test]
    fn many_problems_end_below_the_limit_and_are_counted() {
        let one = Diagnostic::error("unknown-field", "`x` is not known").at(Place { file: "a.yaml".into(), line: 2, column: 3 });
        let text = render(&Estate { diagnostics: vec![one; 5000], ..Estate::default() });
        assert!(text.len() < COMMENT && text.contains(" more; `bowline check` lists all."), "{}", text.len());
    }
}
