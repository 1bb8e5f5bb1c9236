//! Files turned into an estate: documents are split, read as their kinds, put in order and checked.
//!
//! Almost every document is fine, so each is first simply read; only one that fails is looked at again for every
//! mistake in it. What cannot be read becomes [`Unreadable`], and everything else is loaded as if it were not there.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::check::schema::{Compiled, Mistake, steps};
use super::check::{self, Problem, document, nearest};
use super::class::AttributeRules;
use super::yaml::{self, Limits, Node, RawDocument};
use super::{Classes, Declared, Diagnostic, Estate, Origin, Severity, SourceFile, Unreadable};
use crate::api::{
    API_VERSION, CIClassSpec, CertificatePolicySpec, ChangeRequestSpec, ConfigurationItemSpec, DiscoverySourceSpec, Document, EstateSpec, GROUP, Kind,
    PatchWindowSpec, ServiceMapSpec, Table, Text,
};

/// The file in which an estate's own document is looked for first.
const ESTATE_FILE: &str = "bowline.yaml";

/// Turns files into an estate and checks it. `extra` is what is already known to be wrong with its files; what a file
/// declares that could not be read is unknown.
///
/// Pure, and the same whatever the number of threads.
pub fn load(files: Vec<SourceFile>, revision: Option<String>, extra: Vec<Diagnostic>) -> Estate {
    let mut loader = Loader { files, ..Loader::default() };
    loader.unread_files(&extra);
    loader.diagnostics = extra;
    loader.read();
    loader.resolve();
    loader.finish(revision)
}

/// Whether a text may hold documents of ours, so that it is worth being kept and read.
pub fn may_be_ours(text: &str) -> bool {
    text.contains(GROUP)
        || Kind::ALL.iter().any(|kind| text.match_indices(kind.name()).any(|(at, _)| text.get(..at).is_some_and(|before| before.ends_with("kind: "))))
}

/// What has been read so far.
#[derive(Default)]
struct Loader {
    files: Vec<SourceFile>,
    estates: Vec<Declared<EstateSpec>>,
    items: Vec<Declared<ConfigurationItemSpec>>,
    declared_classes: Vec<Declared<CIClassSpec>>,
    classes: Classes,
    services: Vec<Declared<ServiceMapSpec>>,
    policies: Vec<Declared<CertificatePolicySpec>>,
    windows: Vec<Declared<PatchWindowSpec>>,
    sources: Vec<Declared<DiscoverySourceSpec>>,
    requests: Vec<Declared<ChangeRequestSpec>>,
    unreadable: Vec<Unreadable>,
    problems: Vec<Problem>,
    diagnostics: Vec<Diagnostic>,
}

/// A document that was read.
enum Read {
    Estate(Declared<EstateSpec>),
    Item(Declared<ConfigurationItemSpec>),
    Class(Declared<CIClassSpec>),
    Service(Declared<ServiceMapSpec>),
    Policy(Declared<CertificatePolicySpec>),
    Window(Declared<PatchWindowSpec>),
    Source(Box<Declared<DiscoverySourceSpec>>),
    Request(Declared<ChangeRequestSpec>),
    Unreadable(Unreadable),
}

/// A document that was read, and what is wrong with it.
type Outcome = (Read, Vec<Diagnostic>);

impl Loader {
    /// A file that could not be read is one unreadable document of which nothing is known.
    fn unread_files(&mut self, extra: &[Diagnostic]) {
        let paths: std::collections::BTreeSet<&Text> =
            extra.iter().filter(|known| known.severity == Severity::Error).filter_map(|known| known.file.as_ref()).collect();
        for path in paths {
            if self.files.iter().any(|file| file.path == *path) {
                continue;
            }
            let origin = Origin { file: index(self.files.len()), ..Origin::default() };
            self.files.push(SourceFile { path: path.clone(), text: "".into() });
            self.unreadable.push(Unreadable { kind: None, name: None, origin });
        }
    }

    /// Reads every document of every file.
    fn read(&mut self) {
        let files = std::mem::take(&mut self.files);
        let documents: Vec<(u32, RawDocument)> = files
            .par_iter()
            .enumerate()
            .flat_map_iter(|(file, source)| yaml::documents(&source.text).into_iter().map(move |document| (index(file), document)))
            .collect();
        let outcomes: Vec<Outcome> = documents.par_iter().filter_map(|(file, raw)| read(files.get(*file as usize)?, *file, raw)).collect();
        drop(documents);
        for (read, diagnostics) in outcomes {
            self.diagnostics.extend(diagnostics);
            match read {
                Read::Estate(it) => self.estates.push(it),
                Read::Item(it) => self.items.push(it),
                Read::Class(it) => self.declared_classes.push(it),
                Read::Service(it) => self.services.push(it),
                Read::Policy(it) => self.policies.push(it),
                Read::Window(it) => self.windows.push(it),
                Read::Source(it) => self.sources.push(*it),
                Read::Request(it) => self.requests.push(it),
                Read::Unreadable(it) => self.unreadable.push(it),
            }
        }
        self.files = files;
    }

    /// Puts documents in order, each name once, and holds the items to their classes.
    fn resolve(&mut self) {
        // Of two documents of one name the first stays: by path, but an estate's own file before all others.
        let files = &self.files;
        self.estates.sort_by_key(|it| (files.get(it.origin.file as usize).is_none_or(|file| &*file.path != ESTATE_FILE), it.origin.file, it.origin.offset));
        let (files, unreadable, problems) = (&self.files, &mut self.unreadable, &mut self.problems);
        let mut names = Names { files, unreadable, problems };
        names.once(Kind::CIClass, &mut self.declared_classes);
        names.once(Kind::ConfigurationItem, &mut self.items);
        names.once(Kind::ServiceMap, &mut self.services);
        names.once(Kind::CertificatePolicy, &mut self.policies);
        names.once(Kind::PatchWindow, &mut self.windows);
        names.once(Kind::DiscoverySource, &mut self.sources);
        names.once(Kind::ChangeRequest, &mut self.requests);
        self.only_one_estate();
        let broken = self.resolve_classes();
        self.hold_to_classes(&broken);
    }

    fn only_one_estate(&mut self) {
        let others = if self.estates.len() > 1 { self.estates.split_off(1) } else { Vec::new() };
        let Some(first) = self.estates.first() else {
            if !self.unreadable.iter().any(|document| document.kind == Some(Kind::Estate) || document.kind.is_none()) {
                let hint = format!("add {ESTATE_FILE} with `kind: Estate`, or run `bowline init`");
                self.diagnostics.push(Diagnostic::warning("no-estate", "there is no Estate document, so its defaults hold").hint(hint));
            }
            return;
        };
        let place = shown_place(&self.files, first.origin);
        for other in others {
            let mistake = Mistake::at("metadata.name", "duplicate-estate", format!("there is another Estate document, in {place}"));
            self.problems.push(Problem::error(other.origin, mistake.hint("a folder declares one estate; remove one of the two".to_owned())));
            self.unreadable.push(Unreadable { kind: Some(Kind::Estate), name: Some(other.name), origin: other.origin });
        }
    }

    /// Resolves the classes, and answers which of them lack a part of what they inherit.
    fn resolve_classes(&mut self) -> HashSet<Text> {
        let (classes, problems) = Classes::resolve(&self.declared_classes);
        let lost: HashSet<Text> = problems.iter().filter(|it| matches!(it.code, "class-cycle" | "unknown-parent")).map(|it| it.class.clone()).collect();
        self.problems.extend(problems.into_iter().map(|it| {
            let on_name = it.code == "unknown-field";
            Problem::error(it.origin, Mistake { path: steps(&it.path), on_name, code: it.code, message: it.message, hint: it.hint })
        }));
        let broken = classes.iter().filter(|class| class.lineage.iter().any(|line| lost.contains(line))).map(|class| class.name.clone()).collect();
        self.classes = classes;
        broken
    }

    /// Takes out the items whose class is unknown or whose attributes break its schema.
    fn hold_to_classes(&mut self, broken: &HashSet<Text>) {
        let schemas = self.schemas();
        let (classes, items) = (&self.classes, &self.items);
        let wrong: Vec<(usize, Vec<Mistake>)> = items
            .par_iter()
            .enumerate()
            .filter_map(|(place, item)| {
                // The error is the class's; what its items should be like is not known.
                if broken.contains(&item.spec.class) {
                    return Some((place, Vec::new()));
                }
                let mistakes = match schemas.get(&item.spec.class) {
                    Some(schema) => mistakes_of_attributes(item, schema, classes),
                    None if classes.get(&item.spec.class).is_none() => vec![unknown_class(&item.spec.class, classes)],
                    None => Vec::new(),
                };
                (!mistakes.is_empty()).then_some((place, mistakes))
            })
            .collect();
        if wrong.is_empty() {
            return;
        }
        let mut wrong: HashMap<usize, Vec<Mistake>> = wrong.into_iter().collect();
        let items = std::mem::take(&mut self.items);
        for (place, item) in items.into_iter().enumerate() {
            match wrong.remove(&place) {
                None => self.items.push(item),
                Some(mistakes) => {
                    self.problems.extend(mistakes.into_iter().map(|mistake| Problem::error(item.origin, mistake)));
                    self.unreadable.push(Unreadable { kind: Some(Kind::ConfigurationItem), name: Some(item.name), origin: item.origin });
                }
            }
        }
    }

    /// The schemas of the classes that items have or that the estate declares, as far as they constrain anything.
    fn schemas(&mut self) -> HashMap<Text, Compiled> {
        let declared: BTreeMap<&Text, Origin> = self.declared_classes.iter().map(|class| (&class.name, class.origin)).collect();
        let used: HashSet<&Text> = self.items.iter().map(|item| &item.spec.class).collect();
        let wanted: Vec<_> = self.classes.iter().filter(|class| used.contains(&class.name) || declared.contains_key(&class.name)).collect();
        let wanted: Vec<_> = wanted.into_iter().filter(|class| constrains(&class.schema.to_json(), true)).collect();
        let compiled: Vec<(Text, Result<Compiled, String>)> =
            wanted.par_iter().map(|class| (class.name.clone(), Compiled::new(class.schema.to_json()))).collect();
        let mut schemas = HashMap::new();
        for (name, result) in compiled {
            match (result, declared.get(&name)) {
                (Ok(schema), _) => {
                    schemas.insert(name, schema);
                }
                (Err(why), Some(origin)) => self.problems.push(Problem::error(
                    *origin,
                    Mistake::at("spec.attributes", "bad-schema", why)
                        .hint("write the whole JSON Schema (draft 2020-12) here; `$ref` may only lead to its own `$defs`".to_owned()),
                )),
                (Err(_), None) => (),
            }
        }
        schemas
    }

    /// The estate, with everything that is wrong between its documents too.
    fn finish(mut self, revision: Option<String>) -> Estate {
        let own = self.estates.pop();
        let name = own.as_ref().map_or_else(|| Text::from("estate"), |own| own.name.clone());
        let origin = own.as_ref().map(|own| own.origin);
        let mut spec = own.map(|own| own.spec).unwrap_or_default();
        // Zone, brakes and forge are not what was written, so nothing is proposed on their strength (rule 5).
        spec.suspend |= self.unreadable.iter().any(|document| document.kind == Some(Kind::Estate));
        let zone = spec.time_zone.clone().unwrap_or_default().0;
        let schedules = self.windows.par_iter().flat_map_iter(|window| {
            let mistakes = document::window(&window.spec, &zone).into_iter();
            mistakes.map(|mistake| Problem::error(window.origin, mistake))
        });
        self.problems.par_extend(schedules);
        self.unreadable.sort_by_key(|document| (document.origin.file, document.origin.offset));
        let placed = check::place(&self.files, self.problems);
        let mut estate = Estate {
            name,
            spec,
            origin,
            namespace: None,
            revision,
            files: self.files,
            items: self.items,
            classes: self.classes,
            services: self.services,
            policies: self.policies,
            windows: self.windows,
            sources: self.sources,
            requests: self.requests,
            unreadable: self.unreadable,
            diagnostics: Vec::new(),
        };
        let across = check::check_with(&estate, &self.declared_classes);
        estate.diagnostics = self.diagnostics;
        estate.diagnostics.extend(placed);
        estate.diagnostics.extend(across);
        check::sort(&mut estate.diagnostics);
        let mut diagnostics = std::mem::take(&mut estate.diagnostics);
        check::private::mark(&estate, &mut diagnostics);
        estate.diagnostics = diagnostics;
        estate
    }
}

/// Puts documents of a kind in order and takes out those whose name is taken.
struct Names<'a> {
    files: &'a [SourceFile],
    unreadable: &'a mut Vec<Unreadable>,
    problems: &'a mut Vec<Problem>,
}

impl Names<'_> {
    fn once<Spec: Send>(&mut self, kind: Kind, declared: &mut Vec<Declared<Spec>>) {
        declared.par_sort_by(|a, b| (&a.name, a.origin.file, a.origin.offset).cmp(&(&b.name, b.origin.file, b.origin.offset)));
        declared.shrink_to_fit();
        let mut first = Origin::default();
        declared.dedup_by(|later, earlier| {
            if later.name != earlier.name {
                return false;
            }
            first = earlier.origin;
            let message = format!("there is another {kind} `{}`, in {}", later.name, shown_place(self.files, first));
            let mistake = Mistake::at("metadata.name", "duplicate-name", message).hint("rename one, or remove one; until then the first counts".to_owned());
            self.problems.push(Problem::error(later.origin, mistake));
            self.unreadable.push(Unreadable { kind: Some(kind), name: Some(later.name.clone()), origin: later.origin });
            true
        });
    }
}

fn shown_place(files: &[SourceFile], origin: Origin) -> String {
    format!("{}, line {}", files.get(origin.file as usize).map_or("", |file| &*file.path), origin.line)
}

fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// Whether a schema says anything but how attributes compare. That the attributes are a map needs no saying.
fn constrains(schema: &Json, root: bool) -> bool {
    let Json::Object(keys) = schema else { return !schema.is_null() && *schema != Json::Bool(true) };
    keys.iter().any(|(key, value)| match key.as_str() {
        "x-bowline" | "description" | "title" | "$comment" | "default" | "examples" => false,
        "properties" => value.as_object().is_none_or(|fields| fields.values().any(|field| constrains(field, false))),
        "items" => constrains(value, false),
        "type" => !(root && value == "object"),
        _ => true,
    })
}

fn unknown_class(class: &str, classes: &Classes) -> Mistake {
    let hint = nearest(class, classes.iter().map(|class| &*class.name)).map(|near| format!("did you mean `{near}`?"));
    Mistake::at("spec.class", "unknown-class", format!("`{class}` is no class")).hint(hint.or_else(|| Some("declare it as a CIClass".to_owned())))
}

fn mistakes_of_attributes(item: &Declared<ConfigurationItemSpec>, schema: &Compiled, classes: &Classes) -> Vec<Mistake> {
    let attributes = Json::Object(item.spec.attributes.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect());
    if schema.is_valid(&attributes) {
        return Vec::new();
    }
    let rules = classes.get(&item.spec.class).map(|class| &class.rules);
    let mistakes = schema.mistakes(&attributes, &|path| rules.is_some_and(|rules| is_secret(rules, path)));
    let in_item = mistakes.into_iter().map(|mut mistake| {
        mistake.path.splice(0..0, ["spec".to_owned(), "attributes".to_owned()]);
        mistake.code = "attribute-schema";
        let message = mistake.message.replacen("the document", "`attributes`", 1);
        mistake.message = format!("{message}, says the class `{}`", item.spec.class);

        mistake
    });
    in_item.collect()
}

/// Whether a value at a path, or one around it, is sensitive.
fn is_secret(rules: &AttributeRules, path: &[String]) -> bool {
    rules.rule.sensitive
        || path.split_first().is_some_and(|(step, rest)| {
            let below = rules.fields.get(step).or(rules.each.as_deref());
            below.is_some_and(|below| is_secret(below, rest))
        })
}

/// Reads one document; nothing where it is not ours.
fn read(file: &SourceFile, place: u32, raw: &RawDocument) -> Option<Outcome> {
    if !may_be_ours(raw.text) {
        return None;
    }
    let origin = Origin { file: place, offset: index(raw.offset), length: index(raw.text.len()), line: raw.line };
    let reader = Reader { file, origin, raw };
    match yaml::parse(raw, &Limits::default()) {
        Ok(tree) => reader.read_tree(&tree),
        // A file of other tools may say our name in passing; only a document that claims to be ours is held to it.
        Err(error) => claims_to_be_ours(raw.text).then(|| reader.unparsed(error)),
    }
}

/// Whether a line of the text is one that begins a document of ours.
fn claims_to_be_ours(text: &str) -> bool {
    let ours = |line: &str| {
        field(line, "apiVersion").is_some_and(|version| version.starts_with(GROUP)) || field(line, "kind").is_some_and(|kind| Kind::of(kind).is_some())
    };
    text.lines().any(ours)
}

/// The value of a top-level field that stands plainly on a line.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let value = line.trim_start_matches(['{', ' ', '\u{feff}']).trim_start_matches(['"', '\'']).strip_prefix(name)?;
    let value = value.trim_start_matches(['"', '\'']).strip_prefix(':')?;
    Some(value.split([',', '}', '#']).next()?.trim().trim_matches(['"', '\'']))
}

struct Reader<'a> {
    file: &'a SourceFile,
    origin: Origin,
    raw: &'a RawDocument<'a>,
}

impl Reader<'_> {
    fn read_tree(&self, tree: &Node) -> Option<Outcome> {
        let version = tree.get("apiVersion").and_then(Node::as_str);
        let kind = tree.get("kind").and_then(Node::as_str);
        let group = version.map(|version| version.split('/').next().unwrap_or_default());
        let ours = match group {
            Some(group) => group == GROUP || (kind.and_then(Kind::of).is_some() && nearest(group, [GROUP]).is_some()),
            None => kind.and_then(Kind::of).is_some(),
        };
        if !ours {
            return None;
        }
        let known = kind.and_then(Kind::of);
        let mut mistakes = Vec::new();
        match version {
            Some(API_VERSION) => (),
            Some(other) => {
                let hint = format!("write `apiVersion: {API_VERSION}`");
                mistakes.push(Mistake::at("apiVersion", "unknown-version", format!("`{other}` is not a version that is known here")).hint(hint));
            }
            None => mistakes.push(Mistake::at("", "missing-field", "the document needs `apiVersion`").hint(format!("add `apiVersion: {API_VERSION}`"))),
        }
        let Some(known) = known else {
            mistakes.push(Self::unknown_kind(tree, kind));
            return Some(self.refuse(tree, None, mistakes));
        };
        if !mistakes.is_empty() {
            // The rest is told too, but for what is said already.
            let shape = document::mistakes_of_shape(known, &tree.to_json());
            mistakes.extend(shape.into_iter().filter(|mistake| mistake.path.first().is_some_and(|first| first != "apiVersion")));
            return Some(self.refuse(tree, Some(known), mistakes));
        }
        Some(match known {
            Kind::Estate => self.typed(known, tree, Read::Estate, document::estate),
            Kind::ConfigurationItem => self.typed(known, tree, Read::Item, |_| Vec::new()),
            Kind::CIClass => self.typed(known, tree, Read::Class, |_| Vec::new()),
            Kind::ServiceMap => self.typed(known, tree, Read::Service, |_| Vec::new()),
            Kind::CertificatePolicy => self.typed(known, tree, Read::Policy, |_| Vec::new()),
            // Its times are looked at when the estate's zone is known.
            Kind::PatchWindow => self.typed(known, tree, Read::Window, |_| Vec::new()),
            Kind::DiscoverySource => self.typed(known, tree, |it| Read::Source(Box::new(it)), document::source),
            Kind::ChangeRequest => self.typed(known, tree, Read::Request, document::request),
        })
    }

    /// Reads a document as its kind, and looks for every mistake where that fails.
    fn typed<Spec: DeserializeOwned>(&self, kind: Kind, tree: &Node, wrap: fn(Declared<Spec>) -> Read, rules: fn(&Spec) -> Vec<Mistake>) -> Outcome {
        let read = match yaml::from_node::<Document<Spec>>(tree) {
            Ok(read) => read,
            Err(error) => {
                let mut outcome = self.refuse(tree, Some(kind), document::mistakes_of_shape(kind, &tree.to_json()));
                if outcome.1.is_empty() {
                    outcome.1.push(self.mistake_of_type(error));
                }
                return outcome;
            }
        };
        let Document { metadata, spec, .. } = read;
        let mut mistakes = rules(&spec);
        if metadata.name.trim().is_empty() {
            mistakes.push(
                Mistake::at("metadata.name", "missing-field", "`name` is empty").hint("give it a name that no other document of its kind has".to_owned()),
            );
        }
        if mistakes.iter().any(Mistake::takes_out) {
            return self.refuse(tree, Some(kind), mistakes);
        }
        let labels = if metadata.labels.is_empty() { Table::default() } else { metadata.labels };
        (wrap(Declared { name: metadata.name, labels, spec, origin: self.origin }), self.tell(tree, mistakes))
    }

    /// A mistake that only reading as a type finds.
    fn mistake_of_type(&self, error: yaml::NodeError) -> Diagnostic {
        Diagnostic {
            file: Some(self.file.path.clone()),
            line: self.origin.line + error.span.line.saturating_sub(1),
            column: error.span.column,
            length: check::length(self.raw.text, error.span),
            ..Diagnostic::error("wrong-type", error.message)
        }
    }

    fn unknown_kind(tree: &Node, kind: Option<&str>) -> Mistake {
        let names = Kind::ALL.map(Kind::name);
        match kind {
            Some(kind) => {
                let hint = nearest(kind, names).map_or_else(|| format!("known: {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
                Mistake::at("kind", "unknown-kind", format!("`{kind}` is no kind of {GROUP}")).hint(hint)
            }
            None if tree.get("kind").is_some() => Mistake::at("kind", "wrong-type", "`kind` must be a string").hint(format!("known: {}", names.join(", "))),
            None => Mistake::at("", "missing-field", "the document needs `kind`").hint(format!("known: {}", names.join(", "))),
        }
    }

    /// Takes the document out, with as much of it as could be read.
    fn refuse(&self, tree: &Node, kind: Option<Kind>, mistakes: Vec<Mistake>) -> Outcome {
        let name = tree.at("metadata.name").and_then(Node::as_str).filter(|name| !name.is_empty()).map(Text::from);
        (Read::Unreadable(Unreadable { kind, name, origin: self.origin }), self.tell(tree, mistakes))
    }

    fn tell(&self, tree: &Node, mistakes: Vec<Mistake>) -> Vec<Diagnostic> {
        mistakes.into_iter().map(|mistake| check::diagnostic(self.file, self.origin, self.raw.text, tree, Severity::Error, mistake)).collect()
    }

    /// A document that is not even YAML.
    fn unparsed(&self, error: yaml::YamlError) -> Outcome {
        let kind = self.raw.text.lines().find_map(|line| field(line, "kind")).and_then(Kind::of);
        let mut lines = self.raw.text.lines().skip_while(|line| !line.trim_start().starts_with("metadata"));
        let name = lines.find_map(|line| {
            let inside = line.trim_start().strip_prefix("metadata:").unwrap_or(line);
            field(inside, "name").filter(|name| !name.is_empty() && !name.contains(char::is_whitespace))
        });
        let template = self.raw.text.contains("{{");
        let hint = if template { Some("this looks like a template; write the document that it makes".to_owned()) } else { error.hint };
        let diagnostic =
            Diagnostic { file: Some(self.file.path.clone()), line: error.line, column: error.column, hint, ..Diagnostic::error("yaml-syntax", error.message) };
        (Read::Unreadable(Unreadable { kind, name: name.map(Text::from), origin: self.origin }), vec![diagnostic])
    }
}
