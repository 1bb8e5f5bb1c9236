//! What is wrong between documents: names that name nothing, things that are there twice, circles.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::schema::Mistake;
use super::{Problem, nearest, shared};
use crate::api::{CIClassSpec, ConfigurationItemSpec, Selector, ServiceMapSpec, Text, Value};
use crate::estate::class::AttributeRules;
use crate::estate::select::name_matches;
use crate::estate::{Declared, Estate, Origin, Severity};

/// How many names are looked at for hints in one check, so that an estate of nothing but mistakes is checked in
/// bounded time.
const LOOKED_AT: usize = 500_000;

/// Every problem between the documents of an estate.
pub(super) fn problems(estate: &Estate, classes: &[Declared<CIClassSpec>]) -> Vec<Problem> {
    let mut across = Across { estate, classes, found: Vec::new(), looks: LOOKED_AT, unread: OnceCell::new() };
    across.identifiers();
    across.relations();
    across.secrets();
    across.services();
    across.circles();
    across.selectors();
    across.sources();
    across.truths();
    across.found
}

struct Across<'a> {
    estate: &'a Estate,
    /// The classes that the estate declares itself, as written.
    classes: &'a [Declared<CIClassSpec>],
    found: Vec<Problem>,
    /// How many names may still be looked at for hints.
    looks: usize,
    /// The words of the documents that could not be read: nothing is concluded about what they may declare.
    unread: OnceCell<Unread<'a>>,
}

impl<'a> Across<'a> {
    fn error(&mut self, origin: Origin, mistake: Mistake) {
        self.found.push(Problem { origin, severity: Severity::Error, mistake });
    }

    fn warn(&mut self, origin: Origin, mistake: Mistake) {
        self.found.push(Problem { origin, severity: Severity::Warning, mistake });
    }

    /// Whether a document that could not be read may declare this name.
    fn may_be_unread(&self, name: &str) -> bool {
        let estate = self.estate;
        let unread = self.unread.get_or_init(|| Unread::new(estate));
        unread.anything || unread.words.contains(name)
    }

    fn hint<'b>(&mut self, written: &str, known: impl ExactSizeIterator<Item = &'b str>) -> Option<String> {
        self.looks = self.looks.checked_sub(known.len())?;
        nearest(written, known).map(|near| format!("did you mean `{near}`?"))
    }

    /// Two items with one value of one identifier. Both stay declared.
    fn identifiers(&mut self) {
        for (identifier, items) in shared::identifiers(self.estate) {
            self.same_identifier(identifier, &items);
        }
    }

    fn same_identifier(&mut self, identifier: &str, items: &[u32]) {
        let declared: Vec<&Declared<ConfigurationItemSpec>> = items.iter().filter_map(|item| self.estate.items.get(*item as usize)).collect();
        for (place, item) in declared.iter().enumerate() {
            // The other place: the first of them, or for the first the second.
            let Some(other) = declared.get(usize::from(place == 0)) else { continue };
            let file = self.estate.files.get(other.origin.file as usize).map_or("", |file| &*file.path);
            let message = format!("`{}` and `{}` have the same {identifier}", item.name, other.name);
            let hint = format!("`{}` is declared in {file}, line {}; one identifier names one item", other.name, other.origin.line);
            let path = ["spec", "identifiers", identifier].map(str::to_owned).to_vec();
            self.error(item.origin, Mistake { path, on_name: false, code: "duplicate-identifier", message, hint: Some(hint) });
        }
    }

    fn relations(&mut self) {
        for item in &self.estate.items {
            for (place, relation) in item.spec.relations.iter().enumerate() {
                if self.estate.item(&relation.to).is_none() && !self.may_be_unread(&relation.to) {
                    let hint = self.hint(&relation.to, self.estate.items.iter().map(|item| &*item.name));
                    let message = format!("`{}` is no item of this estate", relation.to);
                    let hint = hint.or_else(|| Some("declare it, or remove the relation".to_owned()));
                    self.error(item.origin, Mistake::at(&format!("spec.relations.{place}.to"), "unknown-relation-target", message).hint(hint));
                }
            }
        }
    }

    fn secrets(&mut self) {
        let estate = self.estate;
        let with_secrets: HashMap<&str, &AttributeRules> =
            estate.classes.iter().filter(|class| has_secret(&class.rules)).map(|class| (&*class.name, &class.rules)).collect();
        for item in &estate.items {
            let Some(rules) = with_secrets.get(&*item.spec.class) else { continue };
            let mut path = vec!["spec".to_owned(), "attributes".to_owned()];
            let mut secrets = Vec::new();
            for (name, value) in &item.spec.attributes {
                if let Some(rules) = rules.fields.get(name) {
                    path.push(name.to_string());
                    find_secrets(value, rules, &mut path, &mut secrets);
                    path.pop();
                }
            }
            for path in secrets {
                let name = path.last().cloned().unwrap_or_default();
                let message = format!("`{name}` is sensitive, and stands here in plain text");
                let hint = Some("remove it here and keep it in a vault; whoever can read the estate can read it, its history too".to_owned());
                self.warn(item.origin, Mistake { path, on_name: true, code: "plain-secret", message, hint });
            }
        }
    }

    fn services(&mut self) {
        for service in &self.estate.services {
            let groups: HashSet<&str> = service.spec.groups.iter().map(|group| &*group.name).collect();
            let mut seen = HashSet::new();
            for (place, group) in service.spec.groups.iter().enumerate() {
                if !seen.insert(&*group.name) {
                    let message = format!("`{}` has two groups named `{}`", service.name, group.name);
                    self.error(service.origin, Mistake::at(&format!("spec.groups.{place}.name"), "duplicate-name", message).hint("rename one".to_owned()));
                }
                for (member, name) in group.members.iter().enumerate() {
                    self.member(service, &groups, name, &format!("spec.groups.{place}.members.{member}"), false);
                }
                self.needs(service, place);
            }
            for (place, dependency) in service.spec.dependencies.iter().enumerate() {
                self.member(service, &groups, &dependency.from, &format!("spec.dependencies.{place}.from"), true);
                self.member(service, &groups, &dependency.to, &format!("spec.dependencies.{place}.to"), true);
            }
        }
    }

    /// A member of a group, or an end of a dependency, that names nothing.
    fn member(&mut self, service: &Declared<ServiceMapSpec>, groups: &HashSet<&str>, name: &str, path: &str, may_be_itself: bool) {
        let estate = self.estate;
        if let Some(other) = name.strip_prefix("service/") {
            if has(&estate.services, other) || self.may_be_unread(other) || self.may_be_unread(name) {
                return;
            }
            let hint = self.hint(other, estate.services.iter().map(|service| &*service.name));
            let hint = hint.or_else(|| Some("declare it as a ServiceMap".to_owned()));
            return self.error(service.origin, Mistake::at(path, "unknown-service-member", format!("`{other}` is no service of this estate")).hint(hint));
        }
        if groups.contains(name) || (may_be_itself && name == &*service.name) || estate.item(name).is_some() || self.may_be_unread(name) {
            return;
        }
        let known = groups.iter().copied().chain([&*service.name]).collect::<Vec<_>>();
        let hint = if has(&estate.services, name) {
            Some(format!("for the service of this name write `service/{name}`"))
        } else {
            nearest(name, known).map(|near| format!("did you mean `{near}`?")).or_else(|| self.hint(name, estate.items.iter().map(|item| &*item.name)))
        };
        let message = format!("`{name}` is neither an item of this estate nor a group of `{}`", service.name);
        self.error(service.origin, Mistake::at(path, "unknown-service-member", message).hint(hint));
    }

    fn needs(&mut self, service: &Declared<ServiceMapSpec>, place: usize) {
        let Some(group) = service.spec.groups.get(place) else { return };
        let members = group.members.iter().collect::<HashSet<_>>().len();
        if members == 0 {
            let message = format!("the group `{}` has no members", group.name);
            return self
                .error(service.origin, Mistake::at(&format!("spec.groups.{place}.members"), "group-needs", message).hint("name its members".to_owned()));
        }
        let Some(needs) = group.needs else { return };
        if needs == 0 || needs as usize > members {
            let (members, range) =
                if members == 1 { ("1 member".to_owned(), "1".to_owned()) } else { (format!("{members} members"), format!("1 to {members}")) };
            let message = format!("`needs` is {needs}, and the group `{}` has {members}", group.name);
            let hint = format!("write how many of them must work: {range}");
            self.error(service.origin, Mistake::at(&format!("spec.groups.{place}.needs"), "group-needs", message).hint(hint));
        }
    }

    /// Services, and groups within a service, that stand on themselves.
    fn circles(&mut self) {
        let services = &self.estate.services;
        let mut edges: Vec<(usize, usize, String)> = Vec::new();
        for (from, service) in services.iter().enumerate() {
            let to = |name: &str| services.binary_search_by(|known| (*known.name).cmp(name)).ok();
            for (path, name) in services_named(&service.spec) {
                edges.extend(to(name).map(|to| (from, to, path)));
            }
            self.group_circles(service);
        }
        for circle in circles(services.len(), &edges) {
            let names: Vec<&str> = circle.iter().filter_map(|place| Some(&*services.get(*place)?.name)).collect();
            let Some((first, service)) = circle.first().and_then(|first| Some((*first, services.get(*first)?))) else { continue };
            let next = circle.get(1).copied().unwrap_or(first);
            let path = edges.iter().find(|(from, to, _)| (*from, *to) == (first, next)).map_or("spec", |(_, _, path)| path.as_str());
            let message = format!("`{}` depends on itself: {}", service.name, way(&names));
            self.error(service.origin, Mistake::at(path, "service-cycle", message).hint("remove one of these dependencies".to_owned()));
        }
    }

    fn group_circles(&mut self, service: &Declared<ServiceMapSpec>) {
        let groups = &service.spec.groups;
        let places: HashMap<&str, usize> = groups.iter().enumerate().map(|(place, group)| (&*group.name, place)).collect();
        let edges: Vec<(usize, usize, String)> = groups
            .iter()
            .enumerate()
            .flat_map(|(from, group)| group.members.iter().enumerate().map(move |(member, name)| (from, member, name)))
            .filter_map(|(from, member, name)| Some((from, *places.get(&**name)?, format!("spec.groups.{from}.members.{member}"))))
            .collect();
        for circle in circles(groups.len(), &edges) {
            let names: Vec<&str> = circle.iter().filter_map(|place| Some(&*groups.get(*place)?.name)).collect();
            let path = circle.first().map_or_else(String::new, |first| format!("spec.groups.{first}.members"));
            let message = format!("the group `{}` holds itself: {}", names.first().unwrap_or(&""), way(&names));
            self.error(service.origin, Mistake::at(&path, "service-cycle", message).hint("remove one of these members".to_owned()));
        }
    }

    fn selectors(&mut self) {
        let estate = self.estate;
        let known = Known::new(estate);
        for window in &estate.windows {
            self.selector(window.origin, "spec.selector", &window.spec.selector, &known, true);
        }
        for policy in &estate.policies {
            let selector = &policy.spec.selector;
            if !selector.is_empty() || policy.spec.endpoints.is_empty() {
                self.selector(policy.origin, "spec.selector", selector, &known, false);
            }
        }
        for source in &estate.sources {
            // Left out, it says that nothing is concluded absent.
            if !source.spec.scope.is_empty() {
                self.selector(source.origin, "spec.scope", &source.spec.scope, &known, false);
            }
        }
    }

    /// What a selector names and nothing has. Owners and labels that sources may bring are only asked for where the
    /// selector is about declared items.
    fn selector(&mut self, origin: Origin, at: &str, selector: &Selector, known: &Known<'a>, declared: bool) {
        if selector.is_empty() {
            let hint = "choose something, or write {all: true} for everything".to_owned();
            return self.warn(origin, Mistake::at(at, "empty-selector", "this selector is empty, so it matches nothing").hint(hint));
        }
        let at = |part: &str| format!("{at}.{part}");
        if declared {
            self.part(origin, &at("items"), "item", &selector.items, &known.items);
            self.part(origin, &at("owners"), "owner", &selector.owners, &known.owners);
            for (label, values) in &selector.labels {
                match known.labels.get(&**label) {
                    Some(of_label) => self.part(origin, &at(&format!("labels.{label}")), &format!("label `{label}` with the value"), values, of_label),
                    None => self.part(origin, &at("labels"), "label", std::slice::from_ref(label), &known.labels.keys().copied().collect()),
                }
            }
        }
        self.part(origin, &at("classes"), "class", &selector.classes, &known.classes);
        self.part(origin, &at("services"), "service", &selector.services, &known.services);
    }

    fn part(&mut self, origin: Origin, at: &str, what: &str, written: &[Text], known: &Vec<&str>) {
        for (place, name) in written.iter().enumerate() {
            let there = if name.contains('*') {
                let Some(left) = self.looks.checked_sub(known.len()) else { continue };
                self.looks = left;
                known.iter().any(|known| name_matches(name, known))
            } else {
                known.binary_search(&&**name).is_ok()
            };
            if there || self.may_be_unread(name) {
                continue;
            }
            let hint = self.hint(name, known.iter().copied());
            let path = if what == "label" { format!("{at}.{name}") } else { format!("{at}.{place}") };
            let mistake = Mistake::at(&path, "empty-selector", format!("no item of this estate has the {what} `{name}`")).hint(hint);
            let mistake = match what {
                "item" | "class" | "service" => Mistake { message: format!("there is no {what} `{name}` in this estate"), ..mistake },
                "label" => mistake.on_name(),
                _ => mistake,
            };
            self.warn(origin, mistake);
        }
    }

    fn sources(&mut self) {
        let estate = self.estate;
        for source in &estate.sources {
            let Some(class) = source.spec.host.as_ref().and_then(|host| host.class.as_deref()) else { continue };
            if estate.classes.get(class).is_none() && !self.may_be_unread(class) {
                let hint = nearest(class, estate.classes.iter().map(|class| &*class.name)).map(|near| format!("did you mean `{near}`?"));
                self.error(source.origin, Mistake::at("spec.host.class", "unknown-class", format!("`{class}` is no class")).hint(hint));
            }
        }
    }

    fn truths(&mut self) {
        let estate = self.estate;
        for class in self.classes {
            for (rule, truth) in class.spec.truth.iter().enumerate() {
                for (place, source) in truth.sources.iter().enumerate() {
                    if has(&estate.sources, source) || self.may_be_unread(source) {
                        continue;
                    }
                    let hint = self.hint(source, estate.sources.iter().map(|source| &*source.name));
                    let path = format!("spec.truth.{rule}.sources.{place}");
                    self.warn(class.origin, Mistake::at(&path, "unknown-truth-source", format!("`{source}` is no source of this estate")).hint(hint));
                }
            }
        }
    }
}

/// What the documents that could not be read speak of.
struct Unread<'a> {
    words: HashSet<&'a str>,
    /// A file of which nothing is known may declare anything.
    anything: bool,
}

impl<'a> Unread<'a> {
    fn new(estate: &'a Estate) -> Self {
        let texts = estate.unreadable.iter().map(|document| estate.text(document.origin));
        let words = texts.flat_map(|text| text.split(|mark: char| mark.is_whitespace() || ",:{}[]\"'#".contains(mark))).collect();
        Self { words, anything: estate.unreadable.iter().any(|document| document.origin.length == 0) }
    }
}

/// What there is for selectors to name, each sorted.
struct Known<'a> {
    items: Vec<&'a str>,
    classes: Vec<&'a str>,
    services: Vec<&'a str>,
    owners: Vec<&'a str>,
    labels: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Known<'a> {
    fn new(estate: &'a Estate) -> Self {
        let mut labels: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
        for (label, value) in estate.items.iter().flat_map(|item| &item.labels) {
            labels.entry(label).or_default().insert(value);
        }
        let owners: HashSet<&str> = estate.items.iter().filter_map(|item| item.spec.owner.as_deref()).collect();
        Self {
            items: estate.items.iter().map(|item| &*item.name).collect(),
            classes: estate.classes.iter().map(|class| &*class.name).collect(),
            services: estate.services.iter().map(|service| &*service.name).collect(),
            owners: sorted(owners),
            labels: labels.into_iter().map(|(label, values)| (label, sorted(values))).collect(),
        }
    }
}

fn sorted(names: HashSet<&str>) -> Vec<&str> {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    names
}

fn has<Spec>(declared: &[Declared<Spec>], name: &str) -> bool {
    declared.binary_search_by(|known| (*known.name).cmp(name)).is_ok()
}

fn has_secret(rules: &AttributeRules) -> bool {
    rules.rule.sensitive || rules.fields.iter().any(|(_, rules)| has_secret(rules)) || rules.each.as_deref().is_some_and(has_secret)
}

fn find_secrets(value: &Value, rules: &AttributeRules, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if rules.rule.sensitive {
        // Where it only counts as sensitive because its rule has an error, that error is what is told.
        if !value.is_absent() && !rules.closed {
            found.push(path.clone());
        }
        return;
    }
    let mut inside = |step: String, value: &Value, rules: &AttributeRules| {
        path.push(step);
        find_secrets(value, rules, path, found);
        path.pop();
    };
    match value {
        Value::Map(map) => {
            for (name, rules) in &rules.fields {
                if let Some(value) = map.get(name) {
                    inside(name.to_string(), value, rules);
                }
            }
        }
        Value::List(list) => {
            if let Some(rules) = rules.each.as_deref() {
                list.iter().enumerate().for_each(|(place, value)| inside(place.to_string(), value, rules));
            }
        }
        _ => (),
    }
}

/// The services that a map stands on, and where it says so.
fn services_named(spec: &ServiceMapSpec) -> Vec<(String, &str)> {
    let members = spec
        .groups
        .iter()
        .enumerate()
        .flat_map(|(group, it)| it.members.iter().enumerate().map(move |(member, name)| (format!("spec.groups.{group}.members.{member}"), name)));
    let ends = spec.dependencies.iter().enumerate().map(|(place, it)| (format!("spec.dependencies.{place}.to"), &it.to));
    members.chain(ends).filter_map(|(path, name)| Some((path, name.strip_prefix("service/")?))).collect()
}

/// One shortest circle of each set of nodes that all reach each other, beginning at its first node.
fn circles(nodes: usize, edges: &[(usize, usize, String)]) -> Vec<Vec<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(nodes, edges.len());
    let places: Vec<NodeIndex> = (0..nodes).map(|_| graph.add_node(())).collect();
    for (from, to, _) in edges {
        if let (Some(from), Some(to)) = (places.get(*from), places.get(*to)) {
            graph.add_edge(*from, *to, ());
        }
    }
    // Kosaraju's algorithm needs no call stack, so a chain of any length is fine.
    let parts = kosaraju_scc(&graph).into_iter().filter(|part| part.len() > 1 || part.iter().any(|node| graph.contains_edge(*node, *node)));
    let mut found: Vec<Vec<usize>> = parts.filter_map(|part| circle(&graph, part.iter().min().copied()?, &part.into_iter().collect())).collect();
    found.sort();
    found
}

/// The shortest way from a node back to itself.
fn circle(graph: &DiGraph<(), ()>, start: NodeIndex, part: &HashSet<NodeIndex>) -> Option<Vec<usize>> {
    let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
    let mut waiting = std::collections::VecDeque::from([start]);
    while let Some(node) = waiting.pop_front() {
        let mut next: Vec<NodeIndex> = graph.neighbors(node).filter(|next| part.contains(next)).collect();
        next.sort_unstable();
        for next in next {
            if next == start {
                let mut way = vec![node.index()];
                let mut at = node;
                while let Some(before) = came_from.get(&at) {
                    way.push(before.index());
                    at = *before;
                }
                way.reverse();
                return Some(way);
            }
            came_from.entry(next).or_insert_with(|| {
                waiting.push_back(next);
                node
            });
        }
    }
    None
}

/// A circle for people: its names, back to the first, the middle left out where it is long.
fn way(names: &[&str]) -> String {
    let first = names.first().copied().unwrap_or_default();
    let shown: Vec<&str> = if names.len() > 10 { names.iter().take(9).copied().chain(["…"]).collect() } else { names.to_vec() };
    shown.into_iter().chain([first]).collect::<Vec<_>>().join(" → ")
}
