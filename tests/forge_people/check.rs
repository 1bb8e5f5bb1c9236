//! What `check` writes for forges and editors.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Place;
use crate::{BAD, ESTATE, is_harmless_markdown, shows_no_control_character, small};

#[test]
fn annotations_name_files_from_the_root_of_the_repository() {
    let place = Place::new();
    place.write("README.md", "More than an estate.");
    place.write("sites/harbour/bowline.yaml", ESTATE);
    place.write("sites/harbour/items/bad.yaml", BAD);
    place.commit_all("The estate");
    let told = place.bowline(&["check", "sites/harbour", "--output", "github"]).ends_with(2).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "::error file=sites/harbour/items/bad.yaml,line=6,endLine=6,col=3,endColumn=9,title=unknown-field::`colour` is not known in `spec`%0Aknown here: attributes, class, identifiers, lifecycle, onDrift, owner, relations",
            "bowline check: 1 error in 2 files",
        ]
    );
    let sarif = place.bowline(&["check", "sites/harbour", "-o", "sarif"]).ends_with(2).json();
    assert_eq!(sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "sites/harbour/items/bad.yaml");
}

#[test]
fn a_folder_that_is_in_no_repository_is_its_own_root() {
    let place = Place::new();
    place.write("bowline.yaml", ESTATE);
    place.write("bad.yaml", BAD);
    assert!(place.bowline(&["check", ".", "--output", "github"]).ends_with(2).stdout.starts_with("::error file=bad.yaml,"));
}

#[test]
fn formats_for_problems_are_offered_by_check_and_by_no_other_verb() {
    let place = small();
    for verb in ["plan", "reconcile", "discover", "windows", "schema"] {
        let refused = place.bowline(&[verb, "--output", "sarif"]).ends_with(1);
        assert!(refused.stderr.contains("invalid value 'sarif'") && refused.stderr.contains("human, json, yaml, markdown"), "{}", refused.stderr);
        assert!(!place.bowline(&[verb, "--help"]).ends_with(0).stdout.contains("sarif"));
    }
    let help = place.bowline(&["check", "--help"]).ends_with(0).stdout;
    assert!(help.contains("- github:") && help.contains("- sarif:") && help.contains("- json:"), "{help}");
    // Wherever it stands, what every verb knows is heard.
    assert_eq!(place.bowline(&["--output", "json", "check", "."]).ends_with(0).json()["kind"], "Check");
    assert_eq!(place.bowline(&["check", ".", "--output", "json"]).ends_with(0).json()["kind"], "Check");
    assert!(place.bowline(&["check", ".", "--output", "yaml"]).ends_with(0).stdout.contains("kind: Check"));
}

/// Names and values that try to be something else than text in whatever prints them.
fn hostile() -> Place {
    let place = Place::new();
    place.write("bowline.yaml", ESTATE);
    let values = [
        r#""\n::set-output name=token::stolen\n""#,
        r#""%0A::add-mask::x""#,
        "\"##[add-path]/tmp/evil\"",
        r#""\e[2J\e]0;title\a\x9b31m\u202E\u2066\0""#,
        r#""](javascript:alert(1)) ![x](https://evil.example/x.png) <img src=x onerror=alert(1)> @everyone #1""#,
        r#""a|b `c` ``d`` \r::warning::y""#,
        r#""--> <!-- bowline-plan:x -->""#,
    ];
    for (number, value) in values.iter().enumerate() {
        let head = "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\n";
        // As a name, a class, the name of a field and a file.
        place.write(
            &format!("items/{number}, title=x::y%.yaml"),
            &format!(
                "{head}metadata: {{name: {value}}}\nspec:\n  class: {value}\n  {value}: 1\n  relations: [{{type: RunsOn, to: {value}}}]\n  lifecycle: {value}\n"
            ),
        );
        place.write(&format!("items/plain-{number}.yaml"), &format!("{head}metadata: {{name: item-{number}}}\nspec:\n  class: {value}\n"));
    }
    place
}

#[test]
fn hostile_text_puts_no_command_in_and_reaches_no_terminal() {
    let place = hostile();
    let told = place.bowline(&["check", ".", "--output", "github"]).ends_with(2).stdout;
    shows_no_control_character(&told);
    let lines: Vec<&str> = told.lines().collect();
    let (closing, commands) = lines.split_last().unwrap();
    assert!(commands.len() >= 14, "{told}");
    for line in commands {
        // The runner takes the first `::` after the properties as their end.
        let (properties, _) = line.strip_prefix("::error ").unwrap_or_else(|| panic!("{line}")).split_once("::").unwrap();
        let names: Vec<&str> = properties.split(',').map(|property| property.split('=').next().unwrap()).collect();
        assert_eq!(names, ["file", "line", "endLine", "col", "endColumn", "title"], "{line}");
    }
    assert!(closing.starts_with("bowline check: "), "{closing}");

    let sarif = place.bowline(&["check", ".", "--output", "sarif"]).ends_with(2);
    shows_no_control_character(&sarif.stdout);
    is_sarif(&sarif.json());
    for result in sarif.json()["runs"][0]["results"].as_array().unwrap() {
        let text = result["message"]["text"].as_str().unwrap();
        shows_no_control_character(text);
        assert!(!text.contains("](javascript") && !text.contains("](https"), "{text}");
    }

    let markdown = place.bowline(&["check", ".", "--output", "markdown"]).ends_with(2).stdout;
    shows_no_control_character(&markdown);
    is_harmless_markdown(&markdown);
}

/// What the standard (SARIF 2.1.0) requires of each object that is written here, and nothing that it does not know.
fn is_sarif(log: &Value) {
    let object = |value: &Value, required: &[&str], allowed: &[&str]| {
        let fields: BTreeSet<&str> = value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect();
        assert!(required.iter().all(|field| fields.contains(field)), "{required:?} in {value}");
        assert!(fields.iter().all(|field| required.contains(field) || allowed.contains(field)), "unknown in {value}");
    };
    let text = |value: &Value| assert!(value["text"].as_str().is_some_and(|text| !text.is_empty()), "{value}");
    object(log, &["version", "runs"], &["$schema"]);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    object(run, &["tool"], &["results", "invocations", "originalUriBaseIds", "columnKind"]);
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    object(&run["tool"], &["driver"], &[]);
    let driver = &run["tool"]["driver"];
    object(driver, &["name"], &["version", "semanticVersion", "rules"]);
    assert_eq!((driver["name"].as_str(), driver["version"].as_str()), (Some("bowline"), Some(env!("CARGO_PKG_VERSION"))));
    let rules = driver["rules"].as_array().unwrap();
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len(), "each rule once");
    for rule in rules {
        object(rule, &["id"], &["shortDescription"]);
        text(&rule["shortDescription"]);
    }
    for invocation in run["invocations"].as_array().unwrap() {
        object(invocation, &["executionSuccessful"], &["toolExecutionNotifications"]);
    }
    object(&run["originalUriBaseIds"], &["%SRCROOT%"], &[]);
    object(&run["originalUriBaseIds"]["%SRCROOT%"], &[], &["description"]);
    let mut prints = BTreeSet::new();
    for result in run["results"].as_array().unwrap() {
        object(result, &["message"], &["ruleId", "ruleIndex", "level", "locations", "partialFingerprints"]);
        text(&result["message"]);
        assert!(matches!(result["level"].as_str(), Some("error" | "warning" | "note")));
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        for location in result["locations"].as_array().unwrap() {
            object(location, &["physicalLocation"], &[]);
            let place = &location["physicalLocation"];
            object(place, &["artifactLocation"], &["region"]);
            object(&place["artifactLocation"], &["uri"], &["uriBaseId"]);
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte)) && !uri.starts_with('/'), "{uri}");
            assert_eq!(place["artifactLocation"]["uriBaseId"], "%SRCROOT%");
            if let Some(region) = place.get("region") {
                object(region, &["startLine"], &["startColumn", "endColumn", "endLine"]);
                assert!(region.as_object().unwrap().values().all(|number| number.as_u64().is_some_and(|number| number > 0)), "{region}");
            }
        }
        assert!(prints.insert(result["partialFingerprints"].to_string()), "a fingerprint twice: {result}");
    }
}

#[test]
fn sarif_has_what_the_standard_requires_and_names_no_path_of_this_machine() {
    let place = small();
    place.write("bad.yaml", BAD);
    place.write("worse.yaml", &BAD.replace("colour", "shape").replace("name: bad", "name: worse"));
    place.write("torn.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: torn\n");
    std::fs::remove_file(place.estate().join("bowline.yaml")).unwrap();
    let told = place.bowline(&["check", ".", "--output", "sarif"]).ends_with(2);
    assert!(!told.stdout.contains(&*place.estate().to_string_lossy()), "{}", told.stdout);
    let log = told.json();
    is_sarif(&log);
    let rules: Vec<&str> = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(rules, ["no-estate", "unknown-field", "yaml-syntax"]);
    // The same input, the same output.
    assert_eq!(place.bowline(&["check", ".", "--output", "sarif"]).stdout, told.stdout);
}

#[test]
fn an_estate_without_problems_is_told_in_each_format() {
    let place = small();
    assert_eq!(place.bowline(&["check", ".", "--output", "github"]).ends_with(0).stdout, "bowline check: no problem in 4 files\n");
    assert_eq!(place.bowline(&["check", ".", "--output", "markdown"]).ends_with(0).stdout, "**No problem** in the estate `small` (4 files).\n");
    let log = place.bowline(&["check", ".", "--output", "sarif"]).ends_with(0).json();
    is_sarif(&log);
    assert_eq!(log["runs"][0]["results"], serde_json::json!([]), "an empty list, which says that all earlier alerts are mended");
}
