//! Objects of a cluster as an estate. Pure: what the API server says is handed in.
//!
//! An object becomes the text of the document that would declare it in git, in a file of its own whose path is
//! `Kind/namespace/name`. So everything that reads, checks and tells of files holds for objects too, and a problem of one
//! object is a problem of that object alone.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{Diagnostic, Estate, Severity, SourceFile, load};
use crate::api::{API_VERSION, Kind, Text};

/// The document of an object, in the order in which people write it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    api_version: &'a str,
    kind: Kind,
    metadata: Metadata<'a>,
    spec: &'a Value,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "no_labels")]
    labels: &'a BTreeMap<String, String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn no_labels(labels: &&BTreeMap<String, String>) -> bool {
    labels.is_empty()
}

/// The path of an object's file.
pub fn path(kind: Kind, namespace: &str, name: &str) -> Text {
    format!("{kind}/{namespace}/{name}").into()
}

/// The text of an object as a document. Whatever `spec` holds, the result is YAML: whether it is an item, a service map or
/// nonsense is found out where documents are read.
pub fn document(kind: Kind, name: &str, labels: &BTreeMap<String, String>, spec: &Value) -> Text {
    let written = Written { api_version: API_VERSION, kind, metadata: Metadata { name, labels }, spec };
    // JSON is YAML: of all that JSON can say, nothing is lost where the other way of writing would fail.
    let json = || serde_json::to_string(&written).unwrap_or_default();
    serde_yaml::to_string(&written).unwrap_or_else(|_| json()).into()
}

/// The estate that `objects` of a namespace make up, `own` being that of the `Estate` object. `ChangeRequest` objects are
/// the mirror of what is proposed, so they are not to be among them. `revision` is the commit upon which change requests
/// are based, where there is one.
pub fn assemble(namespace: &str, own: SourceFile, mut objects: Vec<SourceFile>, revision: Option<String>) -> Estate {
    objects.sort_by(|a, b| a.path.cmp(&b.path));
    objects.insert(0, own);
    Estate { namespace: Some(namespace.into()), ..load::load(objects, revision, Vec::new()) }
}

/// A digest of the objects of an estate: the same as long as none of them changes.
pub fn digest(files: &[SourceFile]) -> Text {
    let parts: Vec<&str> = files.iter().flat_map(|file| [&*file.path, &*file.text]).collect();
    crate::drift::Finding::digest(&parts)
}

/// What is wrong with each object, by the path of its file: the errors alone, or the warnings too.
pub fn problems(estate: &Estate, warnings: bool) -> BTreeMap<&str, Vec<&Diagnostic>> {
    let mut problems: BTreeMap<&str, Vec<&Diagnostic>> = BTreeMap::new();
    for diagnostic in &estate.diagnostics {
        if let Some(file) = diagnostic.file.as_deref().filter(|_| warnings || diagnostic.severity == Severity::Error) {
            problems.entry(file).or_default().push(diagnostic);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: Kind, name: &str, spec: &Value) -> SourceFile {
        SourceFile { path: path(kind, "shop", name), text: document(kind, name, &BTreeMap::new(), spec) }
    }

    fn estate() -> SourceFile {
        object(Kind::Estate, "shop", &json!({"interval": "1m"}))
    }

    #[test]
    fn objects_are_read_as_documents_are() {
        let labels = BTreeMap::from([("env".to_owned(), "prod".to_owned())]);
        let item = json!({"class": "server", "attributes": {"cpus": 4, "memory": "16Gi", "note": "a: b # c\nd"}});
        let file = SourceFile { path: path(Kind::ConfigurationItem, "shop", "web-01"), text: document(Kind::ConfigurationItem, "web-01", &labels, &item) };
        let estate = assemble("shop", estate(), vec![file], None);
        assert!(estate.diagnostics.is_empty(), "{:?}", estate.diagnostics);
        assert_eq!((&*estate.name, estate.namespace.as_deref(), estate.spec.interval_seconds()), ("shop", Some("shop"), 60));
        assert_eq!(estate.items[0].spec.attributes.get("note").unwrap().as_str(), Some("a: b # c\nd"));
        assert_eq!(estate.items[0].labels.get("env").map(|value| &**value), Some("prod"));
    }

    /// One malformed object must be an error on that object, not the end of the watch (known-failures.md).
    #[test]
    fn a_malformed_object_is_an_error_on_that_object_alone() {
        for wrong in [json!({"class": 7}), json!({"nonsense": true}), json!("text"), json!(null), json!([1, {"a": [null]}]), json!({"class": "no-such-class"})]
        {
            let good = object(Kind::ConfigurationItem, "web-01", &json!({"class": "server"}));
            let bad = object(Kind::ConfigurationItem, "web-02", &wrong);
            let estate = assemble("shop", estate(), vec![bad, good], None);
            let names: Vec<&str> = estate.items.iter().map(|item| &*item.name).collect();
            assert_eq!(names, ["web-01"], "{wrong}");
            let problems = problems(&estate, false);
            assert_eq!(problems.keys().collect::<Vec<_>>(), [&"ConfigurationItem/shop/web-02"], "{wrong}");
            assert!(!estate.spec.suspend, "{wrong}");
        }
    }

    #[test]
    fn the_digest_changes_with_any_object_and_with_nothing_else() {
        let of = |memory: &str| {
            let item = object(Kind::ConfigurationItem, "web-01", &json!({"class": "server", "attributes": {"memory": memory}}));
            digest(&assemble("shop", estate(), vec![item], None).files)
        };
        assert_eq!(of("1Gi"), of("1Gi"));
        assert_ne!(of("1Gi"), of("2Gi"));
    }
}
