//! What the API server holds, as the watches tell it: lean entries, and which namespaces something new happened in. Pure.
//!
//! What Bowline writes itself comes back through the watches too, and must not cause a pass. So each write is announced
//! ([`World::begin`]) and its answer told ([`World::end`]): an event of the same version is then nothing new, whichever of
//! the two arrives first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use kube::core::DynamicObject;
use serde_json::Value;

use super::kinds::{ESTATE_LABEL, REQUESTED_AT};
use super::status;
use crate::api::{Kind, Text};
use crate::estate::{SourceFile, cluster};

/// An object, as far as it matters.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
    /// Its identity: another object of the same name has another.
    pub uid: Text,
    /// Which specification it is.
    pub generation: i64,
    /// Which version of the whole it is.
    pub version: Text,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// The document that would declare it.
    pub file: SourceFile,
    /// Its status as JSON; empty where it has none.
    pub status: Text,
    /// The annotation that asks for a pass.
    pub requested_at: Option<Text>,
    /// The label that says of which estate it is the mirror.
    pub mirror_of: Option<Text>,
    /// Of an estate: whether its documents are kept in git, so that it takes in no objects.
    pub in_git: bool,
}

impl Entry {
    /// What matters of an object; none if it lacks what every object has.
    pub fn of(kind: Kind, object: DynamicObject) -> Option<Self> {
        let DynamicObject { metadata, mut data, .. } = object;
        let (namespace, name) = (Text::from(metadata.namespace?), Text::from(metadata.name?));
        let labels = metadata.labels.unwrap_or_default();
        let (spec, status) = match data.as_object_mut() {
            Some(fields) => (fields.remove("spec").unwrap_or_default(), fields.remove("status").unwrap_or_default()),
            None => (Value::Null, Value::Null),
        };
        let annotation = |name: &str| metadata.annotations.as_ref().and_then(|annotations| annotations.get(name)).map(|value| Text::from(&**value));
        Some(Self {
            uid: metadata.uid.unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or_default(),
            version: metadata.resource_version.unwrap_or_default().into(),
            created: metadata.creation_timestamp.map(|time| time.0),
            file: SourceFile { path: cluster::path(kind, &namespace, &name), text: cluster::document(kind, &name, &labels, &spec) },
            status: status::canonical(kind, &status),
            requested_at: annotation(REQUESTED_AT),
            in_git: kind == Kind::Estate && spec.get("git").is_some_and(|git| !git.is_null()),
            mirror_of: labels.get(ESTATE_LABEL).map(|value| Text::from(&**value)),
            namespace,
            name,
        })
    }

    /// Whether nothing that matters differs.
    fn says_the_same(&self, other: &Self) -> bool {
        self.uid == other.uid
            && self.generation == other.generation
            && self.file.text == other.file.text
            && self.status == other.status
            && self.requested_at == other.requested_at
            && self.mirror_of == other.mirror_of
    }
}

/// A namespace and a name.
type Key = (Text, Text);

/// A write of ours that has not been answered yet, and whether something came from the watch meanwhile: the version, or
/// none for a deletion.
type InFlight = Option<Option<Text>>;

/// Everything that is watched.
#[derive(Debug, Default)]
pub struct World {
    kinds: BTreeMap<Kind, BTreeMap<Key, Arc<Entry>>>,
    in_flight: HashMap<(Kind, Key), InFlight>,
    touched: BTreeSet<Text>,
}

impl World {
    /// An object that was created or changed.
    pub fn applied(&mut self, kind: Kind, entry: Entry) {
        let key = (entry.namespace.clone(), entry.name.clone());
        let entries = self.kinds.entry(kind).or_default();
        let standing = entries.get(&key);
        if standing.is_some_and(|standing| standing.uid == entry.uid && !is_newer(&entry.version, &standing.version)) {
            return;
        }
        let new = standing.is_none_or(|standing| !standing.says_the_same(&entry));
        if let Some(heard) = self.in_flight.get_mut(&(kind, key.clone())) {
            *heard = Some(Some(entry.version.clone()));
        } else if new {
            self.touched.insert(entry.namespace.clone());
        }
        entries.insert(key, Arc::new(entry));
    }

    /// An object that is gone.
    pub fn deleted(&mut self, kind: Kind, namespace: &str, name: &str) {
        let key: Key = (namespace.into(), name.into());
        let gone = self.kinds.entry(kind).or_default().remove(&key).is_some();
        if let Some(heard) = self.in_flight.get_mut(&(kind, key)) {
            *heard = Some(None);
        } else if gone {
            self.touched.insert(namespace.into());
        }
    }

    /// All objects of a kind in a namespace, or in all, after the watch had to begin anew. What is no longer among them is
    /// gone; everything else stays as it was, without a moment in which it was not there.
    pub fn relisted(&mut self, kind: Kind, namespace: Option<&str>, entries: Vec<Entry>) {
        let named: BTreeSet<Key> = entries.iter().map(|entry| (entry.namespace.clone(), entry.name.clone())).collect();
        let known = self.kinds.entry(kind).or_default().keys();
        let gone: Vec<Key> = known.filter(|key| namespace.is_none_or(|namespace| *key.0 == *namespace) && !named.contains(*key)).cloned().collect();
        for (namespace, name) in gone {
            self.deleted(kind, &namespace, &name);
        }
        for entry in entries {
            self.applied(kind, entry);
        }
    }

    /// A write to an object is about to be sent.
    pub fn begin(&mut self, kind: Kind, namespace: &str, name: &str) {
        self.in_flight.entry((kind, (namespace.into(), name.into()))).or_default();
    }

    /// A write was answered: with the object as it is now, or with none where it failed or the object is gone.
    pub fn end(&mut self, kind: Kind, namespace: &str, name: &str, answer: Option<Entry>) {
        let key: Key = (namespace.into(), name.into());
        let heard = self.in_flight.remove(&(kind, key.clone())).flatten();
        let version = answer.as_ref().map(|entry| entry.version.clone());
        // What was heard meanwhile is nothing new only if it is this very write.
        let other = heard.is_some_and(|heard| match (&heard, &version) {
            (Some(heard), Some(written)) => heard != written && is_newer(heard, written),
            (None, None) => false,
            _ => true,
        });
        if let Some(entry) = answer {
            let entries = self.kinds.entry(kind).or_default();
            let older = entries.get(&key).is_some_and(|standing| standing.uid == entry.uid && !is_newer(&entry.version, &standing.version));
            if !older {
                entries.insert(key, Arc::new(entry));
            }
        }
        if other {
            self.touched.insert(namespace.into());
        }
    }

    /// The namespaces in which something new has happened since this was asked last.
    pub fn take_touched(&mut self) -> BTreeSet<Text> {
        std::mem::take(&mut self.touched)
    }

    /// Has a namespace looked at again.
    pub fn touch(&mut self, namespace: &str) {
        self.touched.insert(namespace.into());
    }

    /// The estate that takes in the objects of a namespace: of several the oldest.
    pub fn taker(&self, namespace: &str) -> Option<Arc<Entry>> {
        let estates = self.of(Kind::Estate, namespace).into_iter().filter(|estate| !estate.in_git);
        estates.min_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)))
    }

    /// An object.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Entry>> {
        self.kinds.get(&kind)?.get(&(namespace.into(), name.into())).cloned()
    }

    /// The objects of a kind in a namespace, by name.
    pub fn of(&self, kind: Kind, namespace: &str) -> Vec<Arc<Entry>> {
        let Some(entries) = self.kinds.get(&kind) else { return Vec::new() };
        let from: Key = (namespace.into(), "".into());
        entries.range(from..).take_while(|((place, _), _)| **place == *namespace).map(|(_, entry)| entry.clone()).collect()
    }

    /// All estates.
    pub fn estates(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.kinds.get(&Kind::Estate).into_iter().flat_map(BTreeMap::values)
    }

    /// The namespaces in which there is an object of a kind that an estate takes in.
    pub fn namespaces(&self) -> BTreeSet<Text> {
        let mut namespaces = BTreeSet::new();
        let taken_in = self.kinds.iter().filter(|(kind, _)| !matches!(kind, Kind::Estate | Kind::ChangeRequest));
        for (_, entries) in taken_in {
            let mut next = entries.keys().next();
            while let Some((namespace, _)) = next {
                namespaces.insert(namespace.clone());
                // The first key beyond the namespace: no name sorts after all others but a longer namespace does.
                let beyond: Key = (format!("{namespace}\0").into(), "".into());
                next = entries.range(beyond..).next().map(|(key, _)| key);
            }
        }
        namespaces
    }
}

/// Whether a version is newer than another. The API server's versions are numbers that grow (KEP-5504); what is no number
/// is taken for newer, so that nothing is lost.
fn is_newer(version: &str, than: &str) -> bool {
    match (version.parse::<u128>(), than.parse::<u128>()) {
        (Ok(version), Ok(than)) => version > than,
        _ => version != than,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CI: Kind = Kind::ConfigurationItem;

    fn entry(namespace: &str, name: &str, version: u32, spec: &Value, status: &Value) -> Entry {
        let object = json!({"apiVersion": "bowline.dev/v1alpha1", "kind": "ConfigurationItem", "spec": spec, "status": status,
            "metadata": {"namespace": namespace, "name": name, "uid": format!("{namespace}-{name}"), "resourceVersion": version.to_string(), "generation": 1}});
        Entry::of(CI, serde_json::from_value(object).unwrap()).unwrap()
    }

    fn item(name: &str, version: u32) -> Entry {
        entry("shop", name, version, &json!({"class": "server", "owner": format!("team-{version}")}), &Value::Null)
    }

    fn touched(world: &mut World) -> Vec<String> {
        world.take_touched().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_new_touches_its_namespace_once() {
        let mut world = World::default();
        world.applied(CI, item("a", 1));
        world.applied(CI, item("b", 2));
        assert_eq!(touched(&mut world), ["shop"]);
        world.applied(CI, item("a", 1));
        assert!(touched(&mut world).is_empty());
        world.deleted(CI, "shop", "a");
        assert_eq!(touched(&mut world), ["shop"]);
        world.deleted(CI, "shop", "a");
        assert!(touched(&mut world).is_empty());
    }

    #[test]
    fn a_relist_never_looks_like_a_deletion() {
        let mut world = World::default();
        world.relisted(CI, None, vec![item("a", 1), item("b", 2), entry("other", "c", 3, &json!({}), &Value::Null)]);
        touched(&mut world);
        world.relisted(CI, None, vec![item("a", 1), item("b", 2), entry("other", "c", 3, &json!({}), &Value::Null)]);
        assert!(touched(&mut world).is_empty());
        world.relisted(CI, Some("shop"), vec![item("b", 2)]);
        assert_eq!(touched(&mut world), ["shop"]);
        assert!(world.get(CI, "shop", "a").is_none() && world.get(CI, "other", "c").is_some());
    }

    /// A status that causes the next pass: argo-cd#21887, tinkerbell#465.
    #[test]
    fn what_bowline_writes_itself_is_nothing_new_whichever_arrives_first() {
        let spec = json!({"class": "server"});
        let written = || entry("shop", "a", 2, &spec, &json!({"findingCount": 1}));
        for event_first in [true, false] {
            let mut world = World::default();
            world.applied(CI, entry("shop", "a", 1, &spec, &Value::Null));
            touched(&mut world);
            world.begin(CI, "shop", "a");
            if event_first {
                world.applied(CI, written());
            }
            world.end(CI, "shop", "a", Some(written()));
            world.applied(CI, written());
            assert!(touched(&mut world).is_empty(), "{event_first}");
            assert_eq!(&*world.get(CI, "shop", "a").unwrap().version, "2");
        }
    }

    #[test]
    fn what_another_writes_meanwhile_is_new() {
        let mut world = World::default();
        world.applied(CI, item("a", 1));
        touched(&mut world);
        world.begin(CI, "shop", "a");
        world.applied(CI, item("a", 3));
        world.end(CI, "shop", "a", Some(item("a", 2)));
        assert_eq!(touched(&mut world), ["shop"]);
        assert_eq!(&*world.get(CI, "shop", "a").unwrap().version, "3");
    }

    #[test]
    fn a_status_that_another_has_changed_is_new() {
        let mut world = World::default();
        let with = |version, count: u32| entry("shop", "a", version, &json!({}), &json!({"findingCount": count}));
        world.applied(CI, with(1, 1));
        touched(&mut world);
        world.applied(CI, with(2, 1));
        assert!(touched(&mut world).is_empty(), "only the version differs");
        world.applied(CI, with(3, 2));
        assert_eq!(touched(&mut world), ["shop"]);
    }

    #[test]
    fn namespaces_are_those_of_what_an_estate_takes_in() {
        let mut world = World::default();
        for (namespace, name) in [("a", "x"), ("a", "y"), ("a-b", "x"), ("ab", "z"), ("b", "x")] {
            world.applied(CI, entry(namespace, name, 1, &json!({}), &Value::Null));
        }
        assert_eq!(world.namespaces().iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "a-b", "ab", "b"]);
        assert_eq!(world.of(CI, "a").len(), 2);
    }
}
