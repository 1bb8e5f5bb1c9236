//! Problems as SARIF 2.1.0 (OASIS, with Errata 01), for code scanning and editors.
//!
//! Paths are relative to the root of the repository, which the reader knows and this file does not say: no path of the
//! machine that checked stands in it. Columns count characters.

use std::collections::{BTreeMap, BTreeSet};

use bowline::drift::Finding;
use bowline::estate::{Diagnostic, Estate, Severity};
use serde_json::{Value, json};

use super::github::in_repository;
use super::harmless;

/// How many results are written: GitHub takes no file with more.
const RESULTS: usize = 25_000;
/// The longest that a message is written, in characters.
const LONGEST: usize = 1000;
/// The name under which every path is found.
const ROOT: &str = "%SRCROOT%";

/// What each code means. A code that is missing here is described by its own words.
const RULES: [(&str, &str); 37] = [
    ("attribute-schema", "An attribute is not as its class says"),
    ("bad-duration", "A text that should be a duration is none"),
    ("bad-jq", "A jq expression cannot be read"),
    ("bad-percentage", "A text that should be a percentage is none"),
    ("bad-schedule", "The schedule of a window cannot be read"),
    ("bad-schema", "The attributes of a class are no JSON Schema"),
    ("bad-source", "What a source asks for cannot be asked"),
    ("bad-zone", "A text that should be a time zone is none"),
    ("class-cycle", "A class extends itself"),
    ("duplicate-estate", "There is more than one Estate document"),
    ("duplicate-identifier", "Two items have the same identifier"),
    ("duplicate-name", "Two documents of a kind have the same name"),
    ("empty-selector", "A selector matches nothing"),
    ("estate-too-large", "The estate has more files than are read"),
    ("file-too-large", "A file is larger than is read"),
    ("forge-kind", "Not exactly one forge is given"),
    ("group-needs", "A group needs more members than it has"),
    ("link-not-followed", "A symbolic link is not followed"),
    ("missing-field", "A field that must be there is not"),
    ("no-estate", "There is no Estate document"),
    ("not-utf8", "A file is not UTF-8"),
    ("path-outside-root", "A path leads out of the estate"),
    ("plain-secret", "A secret stands in plain text"),
    ("service-cycle", "A service depends on itself"),
    ("source-kind", "A source is not of exactly one kind"),
    ("unknown-class", "An item is of a class that nobody declares"),
    ("unknown-field", "A field is not known"),
    ("unknown-kind", "A kind of document is not known"),
    ("unknown-parent", "A class extends one that nobody declares"),
    ("unknown-relation-target", "A relation leads to an item that nobody declares"),
    ("unknown-service-member", "A service names a part that nobody declares"),
    ("unknown-truth-source", "A class names a source that nobody declares"),
    ("unknown-value", "A value is none of those that are allowed"),
    ("unknown-version", "The version of a document is not known"),
    ("unreadable-file", "A file cannot be read"),
    ("wrong-type", "A value is of another type than it must be"),
    ("yaml-syntax", "A document is not YAML"),
];

/// One run of `check` as SARIF.
pub fn render(estate: &Estate, prefix: &str) -> Value {
    let problems = &estate.diagnostics;
    let codes: BTreeSet<&str> = problems.iter().map(|problem| &*problem.code).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let mut invocation = json!({"executionSuccessful": true});
    if let Some(more) = problems.len().checked_sub(RESULTS).filter(|more| *more > 0) {
        let text = format!("{more} more problems are left out; `bowline check --output json` lists all");
        invocation["toolExecutionNotifications"] = json!([{"level": "warning", "message": {"text": text}}]);
    }
    let mut seen = BTreeMap::new();
    let results: Vec<Value> = problems.iter().take(RESULTS).map(|problem| result(estate, problem, prefix, &codes, &mut seen)).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "bowline",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|code| rule(code)).collect::<Vec<_>>(),
            }},
            "invocations": [invocation],
            "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository"}}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let described = RULES.iter().find(|(known, _)| *known == code).map_or_else(|| code.replace('-', " "), |(_, text)| (*text).to_owned());
    json!({"id": code, "shortDescription": {"text": described}})
}

fn result(estate: &Estate, problem: &Diagnostic, prefix: &str, codes: &[&str], seen: &mut BTreeMap<String, usize>) -> Value {
    let level = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let hint = problem.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
    json!({
        "ruleId": problem.code,
        "ruleIndex": codes.binary_search(&&*problem.code).unwrap_or_default(),
        "level": level,
        "message": {"text": message(&format!("{}{hint}", problem.message))},
        "locations": [{"physicalLocation": location(problem, prefix)}],
        "partialFingerprints": {"codeAndLine/v1": fingerprint(estate, problem, seen)},
    })
}

fn location(problem: &Diagnostic, prefix: &str) -> Value {
    // What is about the estate as a whole is mended in its own document.
    let file = problem.file.as_deref().filter(|file| *file != ".").unwrap_or("bowline.yaml");
    let mut location = json!({"artifactLocation": {"uri": uri(&in_repository(prefix, file)), "uriBaseId": ROOT}});
    if problem.line > 0 {
        location["region"] = json!({"startLine": problem.line});
        if problem.column > 0 {
            location["region"]["startColumn"] = problem.column.into();
            location["region"]["endColumn"] = problem.column.saturating_add(problem.length.max(1)).into();
        }
    }
    location
}

/// A path as a relative reference of RFC 3986.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Text of others: `[text](address)` would be a link (3.11.6 of the standard).
fn message(text: &str) -> String {
    harmless(text, LONGEST).replace("](", "] (")
}

/// The same while the line with the problem is the same, wherever in its file it stands; of several alike the first, the
/// second and so on are told apart. A line that nobody may see, because of a secret near it, is not part of it.
fn fingerprint(estate: &Estate, problem: &Diagnostic, seen: &mut BTreeMap<String, usize>) -> String {
    let file = problem.file.as_deref().unwrap_or_default();
    let source = estate.files.iter().find(|source| &*source.path == file && !problem.private);
    let line = source.and_then(|source| source.text.lines().nth(usize::try_from(problem.line).ok()?.checked_sub(1)?));
    let alike = Finding::digest(&[&problem.code, file, line.unwrap_or_default().trim()]).to_string();
    let number = seen.entry(alike.clone()).or_default();
    *number += 1;
    format!("{alike}:{number}")
}

#[cfg(test)]
mod tests {
    use bowline::estate::{Place, SourceFile};

    use super::*;

    fn estate(text: &str, diagnostics: Vec<Diagnostic>) -> Estate {
        Estate { diagnostics, files: vec![SourceFile { path: "a.yaml".into(), text: text.into() }], ..Estate::default() }
    }

    fn at(line: u32, message: &str) -> Diagnostic {
        Diagnostic { length: 4, ..Diagnostic::error("unknown-field", message).at(Place { file: "a.yaml".into(), line, column: 1 }) }
    }

    fn prints(estate: &Estate) -> Vec<String> {
        let sarif = render(estate, "");
        sarif["runs"][0]["results"].as_array().unwrap().iter().map(|result| result["partialFingerprints"]["codeAndLine/v1"].to_string()).collect()
    }

    #[test]
    fn a_fingerprint_stays_when_the_line_moves_and_tells_equal_lines_apart() {
        let before = prints(&estate("colour: red\ncolour: red\nsize: 1\n", vec![at(1, "x"), at(2, "x"), at(3, "x")]));
        let after = prints(&estate("# new\n\n  colour: red\ncolour: red\nsize: 1\n", vec![at(3, "x"), at(4, "x"), at(5, "x")]));
        assert_eq!(before, after);
        assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn a_line_that_nobody_may_see_is_in_no_fingerprint() {
        let of = |secret: &str| prints(&estate(&format!("pin: {secret}\n"), vec![Diagnostic { private: true, ..at(1, "x") }]));
        assert_eq!(of("4711"), of("0815"));
    }

    #[test]
    fn paths_are_references_and_messages_hold_no_link() {
        assert_eq!(uri("sites/a b:c/ü%.yaml"), "sites/a%20b%3Ac/%C3%BC%25.yaml");
        assert_eq!(message("[click](https://evil.example) \u{1b}[31m"), "[click] (https://evil.example)  [31m");
    }

    #[test]
    fn every_code_that_the_checks_use_is_described() {
        let described: BTreeSet<&str> = RULES.iter().map(|(code, _)| *code).collect();
        assert_eq!(described.len(), RULES.len(), "each once");
        let mut used = BTreeSet::new();
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/estate")];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(path).unwrap_or_default();
                let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
                for made in ["Diagnostic::error(\"", "Diagnostic::warning(\"", "problem(\"", "say(\"", "code: \"", "code = \""] {
                    used.extend(code.split(made).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()));
                }
                used.extend(code.split("Mistake::at(").skip(1).filter_map(|rest| Some(rest.split_once(", \"")?.1.split('"').next()?.to_owned())));
            }
        }
        assert!(used.len() > 25, "{used:?}");
        let missing: Vec<&String> = used.iter().filter(|code| !described.contains(code.as_str())).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
