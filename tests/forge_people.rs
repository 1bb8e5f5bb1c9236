//! Pull requests by people: what `check` writes for forges and editors, what `plan --base` says a branch would change, and
//! the action, workflows and hook that bring both into a pull request.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

#[path = "forge_people/action.rs"]
mod action;
#[path = "forge_people/check.rs"]
mod check;
mod peers;
#[path = "forge_people/plan.rs"]
mod plan;
mod support;

use std::path::Path;

use support::Place;

const ESTATE: &str = "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: small}\nspec: {}\n";
const SOURCE: &str =
    "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: list}\nspec:\n  file: {path: facts.json}\n  scope: {all: true}\n";
const MAP: &str =
    "apiVersion: bowline.dev/v1alpha1\nkind: ServiceMap\nmetadata: {name: shop}\nspec:\n  criticality: High\n  dependencies: [{from: shop, to: web-1}]\n";
const BAD: &str = "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: bad}\nspec:\n  class: server\n  colour: red\n";

fn item(name: &str, memory: &str) -> String {
    format!(
        "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: {name}}}\nspec:\n  class: server\n  identifiers: {{dns/fqdn: {name}.example.com}}\n  attributes: {{memory: {memory}}}\n"
    )
}

fn fact(name: &str, memory: &str) -> String {
    format!(r#"{{"class": "server", "name": "{name}", "identifiers": {{"dns/fqdn": "{name}.example.com"}}, "attributes": {{"memory": "{memory}"}}}}"#)
}

/// An estate of one item, as declared, with a service; in git, on the branch `main`.
fn small() -> Place {
    let place = Place::new();
    place.write("bowline.yaml", ESTATE);
    place.write("source.yaml", SOURCE);
    place.write("map.yaml", MAP);
    place.write("web.yaml", &item("web-1", "16Gi"));
    place.write("facts.json", &format!("[{}]", fact("web-1", "16Gi")));
    place.commit_all("The estate");
    place.git(&["checkout", "-q", "-b", "work"]);
    place
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shows_no_control_character(text: &str) {
    let bad: Vec<char> = text.chars().filter(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')).collect();
    assert!(bad.is_empty(), "{bad:?} in\n{text}");
}

/// Outside of code there is no mention, link, image or HTML; and each row of a table has the columns of its head.
fn is_harmless_markdown(text: &str) {
    let mut columns = None;
    for line in text.lines() {
        let line = if line.starts_with("<!-- bowline-plan:") { "" } else { line };
        let mut outside = String::new();
        let mut rest = line;
        while let Some(start) = rest.find('`') {
            // An escaped backtick opens nothing.
            let (before, after) = rest.split_at(start);
            outside.push_str(before);
            let fence = after.chars().take_while(|c| *c == '`').count();
            if before.ends_with('\\') {
                rest = &after[1..];
                continue;
            }
            let inside = &after[fence..];
            let mut end = 0;
            loop {
                let found = inside[end..].find('`').unwrap_or_else(|| panic!("code that does not end: {line}")) + end;
                let run = inside[found..].chars().take_while(|c| *c == '`').count();
                end = found + run;
                if run == fence {
                    break;
                }
            }
            rest = &inside[end..];
        }
        outside.push_str(rest);
        for bad in ["@", "](", "<img", "<!--", "javascript:alert(1)) !["] {
            assert!(!outside.replace("\\]", "").replace("\\[", "").contains(bad), "{bad} in {line}");
        }
        if line.starts_with('|') {
            let bars = line.replace("\\|", "").matches('|').count();
            assert_eq!(*columns.get_or_insert(bars), bars, "{line}");
        } else {
            columns = None;
        }
    }
}
