//! Problems as workflow commands, which GitHub's runner shows in the pull request at their line. Gitea's and Forgejo's
//! runners print the same in the log.
//!
//! A command is a line `::error file=…,line=…::message`. All text in it is of whoever opened the pull request, so it is
//! escaped as GitHub's own toolkit does: no line of the output begins but with what is written here.

use bowline::estate::{Diagnostic, Estate, Severity};

use super::{count, diagnostics, harmless};

/// How many commands are written; the rest is counted.
const LINES: usize = 1000;
/// The longest that a message or a path is written, in characters.
const LONGEST: usize = 1000;
/// How many errors, and as many warnings, of one step GitHub shows outside of its log.
const SHOWN: usize = 10;

/// All problems, one command a line, and a closing line of counts. `prefix` is the estate's folder below the
/// repository's root, for that is where annotations are looked up.
pub fn render(estate: &Estate, prefix: &str) -> String {
    let problems = &estate.diagnostics;
    let mut text: String = problems.iter().take(LINES).map(|problem| command(problem, prefix)).collect();
    if let Some(more) = problems.len().checked_sub(LINES).filter(|more| *more > 0) {
        text.push_str(&format!("and {more} more; `bowline check --output json` lists all\n"));
    }
    text.push_str(&closing(estate));
    text
}

fn closing(estate: &Estate) -> String {
    let files = count(estate.files.len(), "file");
    let errors = diagnostics::errors(estate);
    let warnings = estate.diagnostics.len() - errors;
    if errors + warnings == 0 {
        return format!("bowline check: no problem in {files}\n");
    }
    let told = diagnostics::closing(estate);
    let limit = if errors.max(warnings) > SHOWN {
        format!(". GitHub shows at most {SHOWN} errors and {SHOWN} warnings of a step beside the files; the others stand only in this log")
    } else {
        String::new()
    };
    format!("bowline check: {told} in {files}{limit}\n")
}

fn command(problem: &Diagnostic, prefix: &str) -> String {
    let level = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut properties = Vec::new();
    if let Some(file) = &problem.file {
        properties.push(format!("file={}", property(&in_repository(prefix, file))));
        if problem.line > 0 {
            properties.push(format!("line={},endLine={}", problem.line, problem.line));
        }
        if problem.line > 0 && problem.column > 0 {
            properties.push(format!("col={},endColumn={}", problem.column, problem.column.saturating_add(problem.length.max(1))));
        }
    }
    properties.push(format!("title={}", property(&problem.code)));
    let hint = problem.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
    format!("::{level} {}::{}\n", properties.join(","), data(&format!("{}{hint}", problem.message)))
}

/// A file's path from the root of the repository in whose folder `prefix` the estate stands.
pub fn in_repository(prefix: &str, file: &str) -> String {
    match (prefix, file) {
        ("", file) => file.to_owned(),
        (prefix, ".") => prefix.to_owned(),
        (prefix, file) => format!("{prefix}/{file}"),
    }
}

/// Text after the second `::`, as the toolkit's `escapeData` writes it.
fn data(text: &str) -> String {
    harmless(text, LONGEST).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, as the toolkit's `escapeProperty` writes it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use bowline::estate::{Place, SourceFile};

    use super::*;

    fn estate(diagnostics: Vec<Diagnostic>) -> Estate {
        let file = SourceFile { path: "items.yaml".into(), text: "".into() };
        Estate { diagnostics, files: vec![file], ..Estate::default() }
    }

    fn at(file: &str, message: &str) -> Diagnostic {
        Diagnostic { length: 4, ..Diagnostic::error("unknown-field", message).at(Place { file: file.into(), line: 3, column: 7 }).hint("did you mean `a`?") }
    }

    #[test]
    fn a_problem_is_a_command_at_its_place_from_the_repositorys_root() {
        let text = render(&estate(vec![at("items.yaml", "`x` is not known")]), "sites/harbour");
        assert_eq!(
            text,
            "::error file=sites/harbour/items.yaml,line=3,endLine=3,col=7,endColumn=11,title=unknown-field::`x` is not known%0Adid you mean `a`?\nbowline check: 1 error in 1 file\n"
        );
    }

    #[test]
    fn a_problem_of_the_estate_as_a_whole_has_no_place() {
        let text = render(&estate(vec![Diagnostic::warning("no-estate", "there is no Estate document")]), "");
        assert!(text.starts_with("::warning title=no-estate::there is no Estate document\n"), "{text}");
    }

    #[test]
    fn text_of_others_neither_ends_a_command_nor_begins_one() {
        let hostile = "x\n::set-output name=a::b\r\n##[add-path]/tmp 100% \u{1b}[31m\u{9b}2J\u{202e}\u{e0041}";
        let text = render(&estate(vec![at("a,line=9::b\n::stop-commands::x.yaml", hostile)]), "");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "one command and the closing line: {text}");
        assert!(lines[0].starts_with("::error file=a%2Cline=9%3A%3Ab%0A%3A%3Astop-commands%3A%3Ax.yaml,line=3,"), "{text}");
        assert!(lines[0].contains("::x%0A::set-output name=a::b %0A##[add-path]/tmp 100%25 "), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{e0041}']));
    }

    #[test]
    fn more_than_github_shows_is_said_and_more_than_a_log_needs_is_counted() {
        let many = |number| render(&estate(vec![at("items.yaml", "x"); number]), "");
        assert!(!many(10).contains("at most"));
        assert!(
            many(11).ends_with(
                "11 errors in 1 file. GitHub shows at most 10 errors and 10 warnings of a step beside the files; the others stand only in this log\n"
            )
        );
        let thousands = many(5000);
        assert!(thousands.contains("and 4000 more; ") && thousands.lines().count() == 1002, "{}", thousands.lines().count());
    }
}
