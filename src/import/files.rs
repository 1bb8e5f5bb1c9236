//! Which items stand in which file: by owner, cluster and class, in files of a size that people read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::document;
use super::draft::Draft;
use super::names::object_name;
use crate::api::configuration_item::Relation;
use crate::api::{Text, Value};
use crate::estate::Estate;

/// How many items a file holds at most.
pub const MOST_IN_FILE: usize = 200;
/// How long a file is at most, in bytes, unless one item alone is longer.
pub const LARGEST: usize = 256 * 1024;

/// The longest part of a path, in characters.
const LONGEST: usize = 40;

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewFile {
    /// Its path below the folder of the import, with `/`.
    pub path: Text,
    /// Its items, by name, in the order in which they stand in it.
    pub items: Vec<Text>,
    /// Its whole text.
    #[serde(skip)]
    pub text: String,
    /// The line on which each item begins.
    #[serde(skip)]
    starts: Vec<u32>,
}

impl NewFile {
    /// The item that is declared on this line, from 1.
    pub(super) fn item_at(&self, line: u32) -> Option<&Text> {
        let next = self.starts.partition_point(|start| *start <= line);
        self.items.get(next.checked_sub(1)?)
    }

    /// The documents alone, without the comment at the top.
    pub fn documents(&self) -> &str {
        self.text.split_once("\n---\n").map_or("", |(_, documents)| documents)
    }
}

/// The files of the drafts, by path. None has the path of a file that exists.
pub(super) fn lay_out(estate: &Estate, drafts: &[Draft], taken: &dyn Fn(&str) -> bool) -> Vec<NewFile> {
    let clusters = Clusters { estate, drafts: drafts.iter().map(|draft| (&draft.name, draft)).collect() };
    let mut groups: BTreeMap<Vec<String>, Vec<&Draft>> = BTreeMap::new();
    for draft in drafts {
        let folders = [draft.owner.clone(), clusters.of(draft)].into_iter().flatten().map(|part| path_part(&part));
        let path = folders.chain([path_part(&draft.thing.class)]).filter(|part| !part.is_empty()).collect();
        groups.entry(path).or_default().push(draft);
    }
    let mut files = Vec::new();
    // The second file of the class `server` is called as the first of a class `server-2` is.
    let mut used = BTreeSet::new();
    for (path, mut group) in groups {
        group.sort_by(|one, other| one.name.cmp(&other.name));
        let path = path.join("/");
        let mut numbers = 1_u32..;
        for documents in parts(&group) {
            let numbered = |number| if number == 1 { format!("{path}.yaml") } else { format!("{path}-{number}.yaml") };
            let Some(path) = numbers.by_ref().map(numbered).find(|path| !taken(path) && used.insert(path.clone())) else { continue };
            files.push(file(path, documents));
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

/// The documents of a group, in parts that each fit a file.
fn parts<'d>(group: &[&'d Draft]) -> Vec<Vec<(&'d Text, String)>> {
    let mut parts: Vec<Vec<(&Text, String)>> = Vec::new();
    let mut length = 0;
    for draft in group {
        let text = document::write(draft);
        if let Some(part) = parts.last_mut().filter(|part| part.len() < MOST_IN_FILE && length + text.len() <= LARGEST) {
            length += text.len();
            part.push((&draft.name, text));
        } else {
            length = text.len();
            parts.push(vec![(&draft.name, text)]);
        }
    }
    parts
}

const HEAD: &str = "# What `bowline import` found. It is yours now: an import writes new files only, and never to one that exists.\n";

fn file(path: String, documents: Vec<(&Text, String)>) -> NewFile {
    let (mut text, mut starts, mut line) = (HEAD.to_owned(), Vec::new(), 2);
    let mut items = Vec::with_capacity(documents.len());
    for (name, document) in documents {
        text.push_str("---\n");
        line += 1;
        starts.push(line);
        line += u32::try_from(document.matches('\n').count()).unwrap_or_default();
        text.push_str(&document);
        items.push(name.clone());
    }
    NewFile { path: path.into(), items, text, starts }
}

fn path_part(text: &str) -> String {
    let name = object_name(text);
    let part = name.get(..LONGEST.min(name.len())).unwrap_or_default().trim_end_matches(['-', '.']).replace('.', "-");
    // No estate is read from a folder of that name.
    if part == "target" { "targets".to_owned() } else { part }
}

/// In which cluster an item is: by its relations, or by those of the machine on which it runs; else what it says itself.
struct Clusters<'d> {
    estate: &'d Estate,
    drafts: HashMap<&'d Text, &'d Draft>,
}

impl Clusters<'_> {
    fn of(&self, draft: &Draft) -> Option<Text> {
        if self.is_cluster(&draft.thing.class) {
            return None;
        }
        let direct = self.among(&draft.relations);
        let below = || draft.relations.iter().filter(|relation| leads_up(relation)).find_map(|relation| self.among(self.relations(&relation.to)));
        let said = || draft.attributes.get("cluster").and_then(Value::as_str).map(Text::from);
        direct.or_else(below).or_else(said)
    }

    fn among(&self, relations: &[Relation]) -> Option<Text> {
        let cluster = |name: &Text| self.class(name).is_some_and(|class| self.is_cluster(class));
        relations.iter().find(|relation| leads_up(relation) && cluster(&relation.to)).map(|relation| relation.to.clone())
    }

    fn is_cluster(&self, class: &str) -> bool {
        self.estate.classes.is_a(class, "cluster")
    }

    fn class(&self, name: &Text) -> Option<&str> {
        let declared = || self.estate.item(name).and_then(|place| self.estate.items.get(place)).map(|item| &*item.spec.class);
        self.drafts.get(name).map(|draft| &*draft.thing.class).or_else(declared)
    }

    fn relations(&self, name: &Text) -> &[Relation] {
        let declared = || self.estate.item(name).and_then(|place| self.estate.items.get(place)).map(|item| item.spec.relations.as_slice());
        self.drafts.get(name).map(|draft| draft.relations.as_slice()).or_else(declared).unwrap_or_default()
    }
}

/// Relations to what an item stands on or is part of.
fn leads_up(relation: &Relation) -> bool {
    ["RunsOn", "HostedOn", "MemberOf", "PartOf", "ContainedBy"].contains(&&*relation.kind)
}
