//! One object of a cluster as JSON, read forgivingly: what is not there or of another form is left out. Pure.

use std::borrow::Cow;

use serde_json::Value as Json;

use super::kinds;
use crate::api::{Table, Text, Value, intern};
use crate::discovery::Observation;

/// An object and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Object<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The kind.
    pub kind: &'static str,
    /// The object itself.
    pub json: &'a Json,
    /// Its uid.
    pub uid: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its namespace, if it has one.
    pub namespace: Option<&'a str>,
}

impl<'a> Object<'a> {
    /// The object, if it has a uid, a name and, where it needs one, a namespace.
    pub fn new(cluster: &'a str, kind: &kinds::Kind, json: &'a Json) -> Option<Self> {
        let about = |field: &str| text(json, &["metadata", field]).filter(|text| !text.is_empty());
        let namespace = about("namespace");
        (namespace.is_some() == kind.namespaced).then_some(())?;
        Some(Self { cluster, kind: kind.name, json, uid: about("uid")?, name: about("name")?, namespace })
    }

    /// Its path.
    pub fn path(&self) -> Text {
        kinds::path(self.cluster, self.kind, self.namespace, self.name)
    }

    /// The path of an object of another kind beside it: in its namespace unless another is named.
    pub fn beside(&self, kind: &str, namespace: Option<&str>, name: &str) -> Text {
        kinds::path(self.cluster, kind, namespace.or(self.namespace), name)
    }

    /// The observation with what every object has.
    pub fn observation(&self, class: &str, attributes: impl IntoIterator<Item = (&'static str, Value)>) -> Observation {
        let path = self.path();
        let own = self.namespace.map(|namespace| ("namespace", Value::from(namespace)));
        let attributes = own.into_iter().chain(attributes).filter(|(_, value)| !value.is_absent()).map(|(name, value)| (intern(name), value));
        Observation {
            key: self.uid.into(),
            class: intern(class),
            name: kinds::name(&path),
            identifiers: [("kubernetes/uid", Text::from(self.uid)), ("kubernetes/path", path)].into_iter().map(|(name, value)| (intern(name), value)).collect(),
            attributes: attributes.collect(),
            labels: self.labels(),
            ..Observation::default()
        }
    }

    fn labels(&self) -> Table<Text> {
        pairs(self.json, &["metadata", "labels"]).map(|(name, value)| (intern(name), intern(value))).collect()
    }

    /// The value at a path below the object.
    pub fn at(&self, path: &[&str]) -> Option<&'a Json> {
        at(self.json, path)
    }

    /// The text at a path below the object.
    pub fn text(&self, path: &[&str]) -> Option<&'a str> {
        text(self.json, path)
    }

    /// The list at a path below the object; empty where there is none.
    pub fn list(&self, path: &[&str]) -> &'a [Json] {
        list(self.json, path)
    }

    /// The value at a path, as an attribute.
    pub fn value(&self, path: &[&str]) -> Value {
        self.at(path).map_or(Value::Null, |json| Value::from(json.clone()))
    }
}

/// The value at a path.
pub fn at<'a>(json: &'a Json, path: &[&str]) -> Option<&'a Json> {
    path.iter().try_fold(json, |json, step| json.get(step))
}

/// The text at a path.
pub fn text<'a>(json: &'a Json, path: &[&str]) -> Option<&'a str> {
    at(json, path)?.as_str()
}

/// The list at a path; empty where there is none.
pub fn list<'a>(json: &'a Json, path: &[&str]) -> &'a [Json] {
    at(json, path).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of a map at a path.
pub fn pairs<'a>(json: &'a Json, path: &[&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    at(json, path).and_then(Json::as_object).into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
}

/// A list of texts as an attribute: sorted, each once.
pub fn set<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    let mut texts: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.into_iter().map(Value::from).collect()
}

/// A quantity as it is written; in JSON it may be a number.
pub fn quantity(json: &Json) -> Option<Cow<'_, str>> {
    match json {
        Json::String(text) => Some(Cow::Borrowed(text)),
        Json::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}
