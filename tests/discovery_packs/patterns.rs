//! Several files as one source: all of them are read, in order, and what cannot be read is a gap that has a name.

use std::fmt::Write;

use bowline::discovery::mapping::check;

use crate::site::{Site, complete, incomplete};
use crate::support::Place;

/// A source of hosts, one a file, each known by the name of its file.
const HOSTS: &str =
    r#"{file: {path: "facts/*.json"}, map: {class: '"server"', key: 'input_filename | split("/")[-1] | rtrimstr(".json")', attributes: {cpus: .cpus}}}"#;

#[test]
fn all_files_that_match_are_read_in_the_order_of_their_names() {
    let site = Site::of(&[
        ("facts/web02.json", r#"{"cpus": 2}"#),
        ("facts/web01.json", r#"{"cpus": 1}"#),
        ("facts/web10.json", r#"[{"cpus": 3}]"#),
        ("facts/web01.txt", "no facts"),
        ("facts/.web03.json.swp", "no facts"),
        ("facts/older/web04.json", r#"{"cpus": 4}"#),
    ]);
    let answer = site.ask_spec(HOSTS);
    assert_eq!(complete(&answer), ["web01", "web02", "web10"]);
    assert_eq!(&*answer.evidence, "facts/*.json");
    assert_eq!(complete(&site.ask_spec(&HOSTS.replace("facts/*", "facts/**/*"))), ["web04", "web01", "web02", "web10"]);
    assert_eq!(complete(&site.ask_spec(&HOSTS.replace("facts/*", "facts/web{01,10}"))), ["web01", "web10"]);
    assert_eq!(complete(&site.ask_spec(&HOSTS.replace("facts/*", "./fact?/web0[!1]"))), ["web02"]);
    assert_eq!(&*site.ask_spec(&HOSTS.replace("facts/*", "facts/web01*")).evidence, "facts/web01*.json");
}

#[test]
fn one_file_that_cannot_be_read_is_named_and_the_others_stay() {
    let site = Site::of(&[("facts/a.json", "{}"), ("facts/b.json", ""), ("facts/c.json", r#"{"cpus": "#), ("facts/d.json", "{}")]);
    let why = "facts/b.json: the file is empty; facts/c.json: the file is cut short: the JSON document does not end, at line 1";
    assert_eq!(incomplete(&site.ask_spec(HOSTS), why), ["a", "d"]);
    std::fs::remove_file(site.path().join("facts/b.json")).unwrap();
    std::fs::remove_file(site.path().join("facts/c.json")).unwrap();
    std::fs::create_dir(site.path().join("facts/folder.json")).unwrap();
    assert_eq!(complete(&site.ask_spec(HOSTS)), ["a", "d"]);
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_or_out_of_the_root_is_a_gap_and_never_read() {
    let outside = Site::of(&[("secret.json", r#"{"cpus": 4711}"#)]);
    let site = Site::of(&[("facts/a.json", "{}"), ("other/z.json", "{}")]);
    let link = |to: &std::path::Path, name: &str| std::os::unix::fs::symlink(to, site.path().join(name)).unwrap();
    link("../other/z.json".as_ref(), "facts/inside.json");
    assert_eq!(complete(&site.ask_spec(HOSTS)), ["a", "inside"]);
    link("nowhere".as_ref(), "facts/gone.json");
    link(&outside.path().join("secret.json"), "facts/out.json");
    link(outside.path(), "away");
    let answer = site.ask_spec(HOSTS);
    let error = answer.error.as_deref().unwrap();
    assert!(!answer.complete && error.contains("facts/gone.json") && error.contains("facts/out.json") && !error.contains("4711"), "{error}");
    assert_eq!(answer.items.len(), 2);
    let answer = site.ask_spec(&HOSTS.replace("facts/*", "away/*"));
    assert!(!answer.complete && answer.items.is_empty(), "{answer:?}");
    assert!(answer.error.as_deref().unwrap().starts_with("no file matches `away/*.json`: "), "{answer:?}");
}

/// A job that did not run yet, or writes elsewhere now, is not a site without machines.
#[test]
fn no_file_that_matches_is_no_empty_answer() {
    let site = Site::of(&[("facts/README.md", "one file a host")]);
    assert!(incomplete(&site.ask_spec(HOSTS), "no file matches `facts/*.json`").is_empty());
    let elsewhere = site.ask_spec(&HOSTS.replace("facts/*", "observed/*"));
    assert_eq!(elsewhere.error.as_deref(), Some("no file matches `observed/*.json`: `observed` cannot be read: entity not found"));
    let outside = site.ask_spec(&HOSTS.replace("facts/*", "../*"));
    assert!(!outside.complete && outside.error.as_deref().unwrap().contains("below the estate's root"), "{outside:?}");
    // A file without any item is one.
    site.write("facts/none.json", "[]");
    assert!(complete(&site.ask_spec(HOSTS)).is_empty());
}

#[test]
fn lines_and_rows_are_read_from_several_files_too() {
    let site =
        Site::of(&[("a/1.ndjson", "{\"id\": 1}\n{\"id\": 2}\n"), ("a/2.ndjson", "{\"id\": 3}\n{"), ("b/1.csv", "id\n1\n"), ("b/2.csv", "id,x\n2,3\n4\n")]);
    let of = |path: &str| site.ask_spec(&format!(r#"{{file: {{path: "{path}"}}, map: {{class: '"server"', key: '"\(input_filename):\(.id)"'}}}}"#));
    assert_eq!(incomplete(&of("a/*.ndjson"), "a/2.ndjson: line 2: the file is cut short here"), ["a/1.ndjson:1", "a/1.ndjson:2", "a/2.ndjson:3"]);
    assert_eq!(incomplete(&of("b/*.csv"), "b/2.csv: line 3: 1 values instead of 2"), ["b/1.csv:1", "b/2.csv:2"]);
}

#[test]
fn many_small_files_and_a_large_one_between_them_keep_their_order() {
    let site = Site::of(&[]);
    for number in 0..1500 {
        site.write(&format!("facts/{number:05}.json"), &format!(r#"{{"cpus": {number}}}"#));
    }
    let mut large = String::from("[{\"cpus\": 1}");
    while large.len() < 3 << 20 {
        let _ = write!(large, ",\n{{\"cpus\": {}, \"filler\": \"{}\"}}", large.len(), "x".repeat(1000));
    }
    site.write("facts/00700a.json", &format!("{large}]"));
    let begun = std::time::Instant::now();
    let answer = site.ask_spec(HOSTS);
    println!("1501 files, {} items: {:?}", answer.items.len(), begun.elapsed());
    let mut keys = complete(&answer);
    assert!(keys.is_sorted() && keys.len() > 4000);
    keys.dedup();
    assert_eq!((keys.len(), keys[701]), (1501, "00700a"));
}

#[test]
fn input_filename_is_the_path_of_the_file_and_null_elsewhere() {
    let site = Site::of(&[("facts/a.json", "{}")]);
    let of = |path: &str, expression: &str| {
        let answer = site.ask_spec(&format!("{{file: {{path: '{path}'}}, map: {{class: '\"server\"', key: '\"k\"', attributes: {{file: '{expression}'}}}}}}"));
        assert!(answer.complete, "{answer:?}");
        answer.items[0].attributes.get("file").unwrap().to_string()
    };
    assert_eq!(of("facts/*.json", "input_filename"), "facts/a.json");
    assert_eq!(of("facts/a.json", "input_filename"), "facts/a.json");
    assert_eq!(of("facts/*.json", "[.] | map(input_filename | length) | add"), "12");
    check("input_filename").unwrap();
    let of_items = site.ask_spec(r#"{file: {path: "facts/*.json"}, items: '{id: input_filename}', map: {class: '"server"', key: .id}}"#);
    assert_eq!(complete(&of_items), ["facts/a.json"]);
}

#[test]
fn what_is_no_pattern_and_what_leads_out_is_told_by_check() {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: site}\nspec: {}\n");
    let source = |path: &str| {
        place.write(
            "s.yaml",
            &format!("apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {{name: s}}\nspec: {{file: {{path: '{path}', format: Json}}}}\n"),
        );
        place.bowline(&["check", "--output", "json"])
    };
    source("facts/**/*").ends_with(0);
    let told = source("facts/[a").ends_with(2);
    assert!(told.stdout.contains("bad-source") && told.stdout.contains("it is not a pattern: unclosed character class"), "{}", told.stdout);
    assert!(source("../*").ends_with(2).stdout.contains("path-outside-root"));
}

/// `plan --base`: a file that is new, changed or gone is one that the source reads.
#[test]
fn a_plan_against_a_base_reads_the_files_of_the_base() {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: site}\nspec: {}\n");
    let header = "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: s}\nspec:\n";
    let map = r#"map: {class: '"server"', key: .id, name: .id, identifiers: {serial/number: .id}, attributes: {cpus: .cpus}}"#;
    place.write("s.yaml", &format!("{header}  file: {{path: 'facts/*.json'}}\n  {map}\n"));
    let item = "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: web01}\nspec:\n  class: server\n  identifiers: {serial/number: web01}\n  attributes: {cpus: 2}\n";
    place.write("web01.yaml", item);
    place.write("facts/web01.json", r#"{"id": "web01", "cpus": 2}"#);
    place.commit_all("Two");
    place.write("facts/web01.json", r#"{"id": "web01", "cpus": 4}"#);
    place.commit_all("Four");
    let plan = place.bowline(&["plan", "--base", "HEAD~1", "--output", "json"]).ends_with(0).json();
    let text = plan.to_string();
    assert!(text.contains("\"Changed\"") && text.contains("attributes.cpus"), "{text}");
}
