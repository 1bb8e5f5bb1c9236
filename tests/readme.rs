//! The README's commands run as they stand, and its files are there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod support;

use std::path::Path;

use support::Place;

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The blocks of code in this language.
fn blocks(language: &str) -> Vec<String> {
    let text = readme();
    let start = format!("```{language}\n");
    text.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_of_the_readme_runs() {
    let place = Place::new();
    let mut ran = 0;
    for line in blocks("sh").iter().flat_map(|block| block.lines()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            // `tests/run demo` builds it as it stands; here with the program as it is.
            ["cargo", "run", "--", arguments @ ..] => {
                let folder = place.estate().join("demo");
                let arguments = [arguments, &["--folder", folder.to_str().unwrap()]].concat();
                let shown = place.bowline(&arguments).ends_with(0).stdout;
                for next in ["changes list", "impact book-db-01", "changes approve"] {
                    assert!(shown.contains(next), "{shown}");
                }
            }
            ["bowline", arguments @ ..] => {
                place.bowline(arguments).ends_with(0);
            }
            ["tests/run"] => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run");
                let checked = std::process::Command::new("bash").arg("-n").arg(&script).status().unwrap();
                assert!(checked.success());
            }
            other => panic!("the README has a command that no test runs: {other:?}"),
        }
        ran += 1;
    }
    assert!(ran >= 5, "{ran} commands");
}

#[test]
fn every_document_of_the_readme_is_a_good_one() {
    let documents: Vec<String> = blocks("yaml").into_iter().filter(|block| block.contains("apiVersion")).collect();
    assert!(documents.len() >= 2);
    for document in documents {
        let place = Place::new();
        if !document.contains("kind: Estate") {
            place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: readme}\nspec: {}\n");
        }
        place.write("more.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: esx-cluster-2}\nspec: {class: cluster}\n");
        place.write(if document.contains("kind: Estate") { "bowline.yaml" } else { "document.yaml" }, &document);
        place.bowline(&["check", "."]).ends_with(0);
    }
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in readme().split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()) {
        if !name.contains("://") && !name.starts_with('#') {
            assert!(root.join(&name).exists(), "{name}");
        }
    }
}

/// `BOWLINE_UPDATE=1 cargo test --test readme` writes it anew.
#[test]
fn the_change_request_of_the_readme_is_what_bowline_writes() {
    let place = Place::harbour();
    let plan = place.bowline(&["plan", ".", "--at", support::AT, "--output", "json"]).ends_with(0).json();
    let changes = plan["changes"].as_array().unwrap();
    let riskiest = changes.iter().max_by_key(|change| change["risk"]["score"].as_u64()).unwrap();
    let key = riskiest["key"].as_str().unwrap();
    let body = place.bowline(&["explain", key, "--at", support::AT, "--output", "markdown"]).ends_with(0).stdout;
    // Quoted, and with smaller headings, so that it stands apart from the README's own text.
    let quoted: Vec<String> = body
        .trim_end()
        .lines()
        .map(|line| format!("> {}", line.replacen("## ", "#### ", 1).replacen("# ", "### ", usize::from(line.starts_with("# ")))).trim_end().to_owned())
        .collect();

    let text = readme();
    let (before, rest) = text.split_once("<!-- change request -->\n").expect("the README has a place for it");
    let (_, after) = rest.split_once("<!-- /change request -->").expect("and its end");
    let wanted = format!("{before}<!-- change request -->\n{}\n<!-- /change request -->{after}", quoted.join("\n"));
    if std::env::var_os("BOWLINE_UPDATE").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"), &wanted).unwrap();
    } else {
        assert!(text == wanted, "the README shows another change request; BOWLINE_UPDATE=1 cargo test --test readme writes it anew");
    }
}
