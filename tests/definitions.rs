//! The definitions in `crds/`, the schema in `examples/` and the reference in the README are made from the types, and held to them.
//!
//! `BOWLINE_UPDATE=1 cargo test --test definitions` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

use std::path::{Path, PathBuf};

use bowline::api::{Kind, definitions, reference};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a file with what it should say, or writes it when asked to.
fn holds(path: &Path, wanted: &str) {
    if std::env::var_os("BOWLINE_UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == wanted, "{} differs from the types; BOWLINE_UPDATE=1 cargo test --test definitions writes it anew", path.display());
}

fn crd_path(kind: Kind) -> PathBuf {
    root().join("crds").join(format!("{}.yaml", definitions::definition(kind).spec.names.plural))
}

#[test]
fn crds_hold_the_types() {
    for kind in Kind::ALL {
        holds(&crd_path(kind), &serde_yaml::to_string(&definitions::definition(kind)).unwrap());
    }
    let files = std::fs::read_dir(root().join("crds")).unwrap().count();
    assert_eq!(files, Kind::ALL.len(), "a file in crds/ belongs to no kind");
}

#[test]
fn the_readme_holds_the_reference_of_the_kinds() {
    let path = root().join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("<!-- kinds -->\n").expect("the README has a place for the kinds");
    let (_, after) = rest.split_once("<!-- /kinds -->").expect("and its end");
    holds(&path, &format!("{before}<!-- kinds -->\n{}<!-- /kinds -->{after}", reference::markdown()));
}

#[test]
fn every_field_of_every_kind_is_documented() {
    fn undocumented(schema: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                found.push(path.clone());
            }
            undocumented(field, &path, found);
            undocumented(&field["items"], &format!("{path}[]"), found);
        }
    }
    let mut found = Vec::new();
    for kind in Kind::ALL {
        let schema = definitions::schema(kind).to_value();
        undocumented(&schema["properties"]["spec"], kind.name(), &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_definition_is_structural_and_small_enough_for_kubectl_apply() {
    fn untyped(schema: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        let Some(object) = schema.as_object() else { return };
        let free = object.contains_key("x-kubernetes-preserve-unknown-fields") || object.contains_key("x-kubernetes-int-or-string");
        if !object.contains_key("type") && !free {
            found.push(path.to_owned());
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            untyped(field, &format!("{path}.{name}"), found);
        }
        for part in ["items", "additionalProperties"] {
            untyped(&schema[part], &format!("{path}.{part}"), found);
        }
    }
    for kind in Kind::ALL {
        let definition = serde_json::to_value(definitions::definition(kind)).unwrap();
        let mut found = Vec::new();
        untyped(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], kind.name(), &mut found);
        assert!(found.is_empty(), "{found:#?}");
        // kubectl apply keeps the whole object in an annotation of at most 262,144 bytes.
        assert!(definition.to_string().len() < 100_000, "{kind}");
    }
}

#[test]
fn a_schema_takes_what_the_kind_takes_and_refuses_what_it_refuses() {
    let good = serde_json::json!({"apiVersion": "bowline.dev/v1alpha1", "kind": "PatchWindow", "metadata": {"name": "w"},
        "spec": {"selector": {"all": true}, "start": "2026-01-04T02:00:00", "duration": "4h", "timeZone": "Europe/Zurich"}});
    let validator = jsonschema::validator_for(&definitions::schema(Kind::PatchWindow).to_value()).unwrap();
    assert!(validator.is_valid(&good));
    for (pointer, wrong) in [("/kind", "Estate".into()), ("/spec/effect", "Maybe".into()), ("/spec/unknown", 1.into()), ("/spec/maxConcurrent", (-1).into())] {
        let mut bad = good.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[field] = wrong;
        assert!(!validator.is_valid(&bad), "{pointer}");
    }
}
