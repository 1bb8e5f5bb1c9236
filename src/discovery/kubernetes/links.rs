//! How objects hang together: what one object says of others, and, once all are listed, the relations that follow. Pure.
//!
//! ```text
//! node, namespace, volume   MemberOf    cluster
//! what stands in it         MemberOf    namespace
//! service                   DependsOn   workloads that its selector matches
//! ingress, route            DependsOn   services behind it
//! route                     DependsOn   gateway
//! certificate               UsedBy      ingress, gateway or workload that names its Secret
//! volume                    UsedBy      workload that mounts its claim
//! anything                  ManagedBy   its owner, where that is an item too
//! ```
//!
//! A type is used only from the side that knows all of its kind: a volume knows who mounts it, but a workload's mounts are not all
//! that it depends on, and a relation that a person has declared must not look gone.

use std::collections::{BTreeSet, HashMap};

use crate::api::{Table, Text, intern};
use crate::discovery::{Observation, ObservedRelation, Target};

/// An observation and what its object says of others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The observation, without relations.
    pub observation: Observation,
    /// What it says of others.
    pub links: Vec<Link>,
}

/// What an object says of others.
#[derive(Clone, Debug, PartialEq)]
pub enum Link {
    /// It has a relation of this type to the object at the path.
    To(&'static str, Text),
    /// The object with this uid owns it.
    OwnedBy(Text),
    /// It sends requests to pods with all of these labels in its namespace.
    Selects(Labels),
    /// Its pods have these labels.
    Runs(Labels),
    /// Its pods mount this claim (`NAMESPACE/NAME`).
    Mounts(Text),
    /// It is what this claim (`NAMESPACE/NAME`) stands for.
    Bound(Text),
    /// It uses the Secret at the path.
    Uses(Text),
}

/// Labels within a namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// The namespace.
    pub namespace: Text,
    /// The labels.
    pub labels: Table<Text>,
}

impl Labels {
    fn keys(&self) -> impl Iterator<Item = LabelKey<'_>> {
        self.labels.iter().map(|(name, value)| (&*self.namespace, &**name, &**value))
    }
}

/// A namespace, a label's name and its value.
type LabelKey<'a> = (&'a str, &'a str, &'a str);

/// Where things are among all that was found.
#[derive(Default)]
struct Index<'a> {
    paths: HashMap<&'a str, usize>,
    uids: HashMap<&'a str, usize>,
    volumes: HashMap<&'a str, usize>,
    /// Those whose pods have a label.
    labelled: HashMap<LabelKey<'a>, Vec<(usize, &'a Labels)>>,
}

impl<'a> Index<'a> {
    fn new(found: &'a [Found]) -> Self {
        let mut index = Self::default();
        for (place, Found { observation, links }) in found.iter().enumerate() {
            index.uids.insert(&observation.key, place);
            if let Some(path) = path_of(observation) {
                index.paths.insert(path, place);
            }
            for link in links {
                match link {
                    Link::Bound(claim) => drop(index.volumes.insert(claim, place)),
                    Link::Runs(labels) => labels.keys().for_each(|key| index.labelled.entry(key).or_default().push((place, labels))),
                    _ => {}
                }
            }
        }
        index
    }

    /// Those whose pods have all of the labels. By the rarest of them, so that a label that everything has costs nothing.
    fn selected(&self, wanted: &Labels) -> Vec<usize> {
        let candidates: Option<Vec<_>> = wanted.keys().map(|key| self.labelled.get(&key)).collect();
        let rarest = candidates.and_then(|lists| lists.into_iter().min_by_key(|list| list.len()));
        let fits = |labels: &Labels| wanted.labels.iter().all(|(name, value)| labels.labels.get(name) == Some(value));
        rarest.into_iter().flatten().filter(|(_, labels)| fits(labels)).map(|(place, _)| *place).collect()
    }
}

fn path_of(observation: &Observation) -> Option<&str> {
    observation.identifiers.get("kubernetes/path").map(|path| &**path)
}

/// One relation: whose, of which type, to what path.
type Edge = (usize, &'static str, Text);

/// The observations with their relations, sorted by name.
pub fn resolve(found: Vec<Found>) -> Vec<Observation> {
    let index = Index::new(&found);
    let mut edges = BTreeSet::new();
    for (place, one) in found.iter().enumerate() {
        for link in &one.links {
            follow(&found, &index, (place, link), &mut edges);
        }
    }
    let edges: Vec<(usize, ObservedRelation)> = edges.into_iter().map(|(of, kind, to)| (of, relation(&found, &index, kind, to))).collect();
    let mut observations: Vec<Observation> = found.into_iter().map(|one| one.observation).collect();
    for (of, relation) in edges {
        if let Some(observation) = observations.get_mut(of) {
            observation.relations.push(relation);
        }
    }
    observations.sort_by(|one, other| (&one.name, &one.key).cmp(&(&other.name, &other.key)));
    observations
}

fn follow(found: &[Found], index: &Index, (place, link): (usize, &Link), edges: &mut BTreeSet<Edge>) {
    let path = |place: usize| found.get(place).and_then(|one| path_of(&one.observation)).map(Text::from);
    let used = |by: usize| path(by).map(|path| ("UsedBy", path));
    match link {
        Link::To(kind, to) => drop(edges.insert((place, kind, to.clone()))),
        Link::OwnedBy(uid) => edges.extend(index.uids.get(&**uid).and_then(|owner| Some((place, "ManagedBy", path(*owner)?)))),
        Link::Selects(labels) => edges.extend(index.selected(labels).into_iter().filter_map(|to| Some((place, "DependsOn", path(to)?)))),
        Link::Mounts(claim) => edges.extend(index.volumes.get(&**claim).and_then(|volume| used(place).map(|(kind, by)| (*volume, kind, by)))),
        Link::Uses(secret) => edges.extend(index.paths.get(&**secret).and_then(|secret| used(place).map(|(kind, by)| (*secret, kind, by)))),
        Link::Runs(_) | Link::Bound(_) => {}
    }
}

/// To a path, and to the uid that is there now, so that an item that is declared with either is found.
fn relation(found: &[Found], index: &Index, kind: &str, to: Text) -> ObservedRelation {
    let uid = index.paths.get(&*to).and_then(|place| found.get(*place)?.observation.identifiers.get("kubernetes/uid").cloned());
    let identifiers = [("kubernetes/path", Some(to)), ("kubernetes/uid", uid)];
    let identifiers = identifiers.into_iter().filter_map(|(name, value)| Some((intern(name), value?))).collect();
    ObservedRelation { kind: intern(kind), to: Target::Identifiers(identifiers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, links: Vec<Link>) -> Found {
        let uid = format!("uid of {path}");
        let identifiers = [("kubernetes/path", path), ("kubernetes/uid", &*uid)].into_iter().map(|(name, value)| (name, Text::from(value))).collect();
        Found { observation: Observation { key: uid.as_str().into(), name: path.into(), identifiers, ..Observation::default() }, links }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels { namespace: "shop".into(), labels: pairs.iter().map(|(name, value)| (*name, Text::from(*value))).collect() }
    }

    fn relations(all: Vec<Found>) -> Vec<String> {
        let resolved = resolve(all);
        let told = resolved.iter().flat_map(|one| one.relations.iter().map(move |relation| (one, relation)));
        told.map(|(one, relation)| {
            let Target::Identifiers(to) = &relation.to else { return String::new() };
            format!("{} {} {}", one.name, relation.kind, to.get("kubernetes/path").unwrap())
        })
        .collect()
    }

    #[test]
    fn a_service_depends_on_the_workloads_that_have_all_labels_of_its_selector() {
        let all = vec![
            found("a", vec![Link::Selects(labels(&[("app", "web"), ("tier", "front")]))]),
            found("b", vec![Link::Runs(labels(&[("app", "web"), ("tier", "front"), ("x", "y")]))]),
            found("c", vec![Link::Runs(labels(&[("app", "web")]))]),
            found("d", vec![Link::Runs(Labels { namespace: "other".into(), ..labels(&[("app", "web"), ("tier", "front")]) })]),
        ];
        assert_eq!(relations(all), ["a DependsOn b"]);
    }

    #[test]
    fn a_service_without_a_selector_depends_on_nothing_that_is_known() {
        assert!(relations(vec![found("a", vec![Link::Selects(labels(&[]))]), found("b", vec![Link::Runs(labels(&[]))])]).is_empty());
    }

    #[test]
    fn a_volume_and_a_certificate_are_used_by_who_names_their_claim_and_secret() {
        let all = vec![
            found("v", vec![Link::Bound("shop/data".into())]),
            found("w", vec![Link::Mounts("shop/data".into()), Link::Mounts("shop/none".into()), Link::Uses("s".into()), Link::Uses("no certificate".into())]),
            found("s", vec![]),
        ];
        assert_eq!(relations(all), ["s UsedBy w", "v UsedBy w"]);
    }

    #[test]
    fn an_owner_that_is_no_item_is_passed_over_and_a_relation_is_told_once() {
        let to = || Link::To("DependsOn", "b".into());
        let all = vec![found("a", vec![Link::OwnedBy("uid of b".into()), Link::OwnedBy("uid of nobody".into()), to(), to()]), found("b", vec![])];
        assert_eq!(relations(all), ["a DependsOn b", "a ManagedBy b"]);
    }

    #[test]
    fn a_target_that_was_not_listed_is_told_by_its_path_alone() {
        let resolved = resolve(vec![found("a", vec![Link::To("DependsOn", "elsewhere".into())])]);
        let Target::Identifiers(to) = &resolved[0].relations[0].to else { panic!() };
        assert_eq!(to.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["kubernetes/path"]);
    }
}
