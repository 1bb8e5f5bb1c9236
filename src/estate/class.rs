//! Classes, resolved: built-in and declared ones, each with all that it inherits.
//!
//! A declared class takes the place of a built-in one of its name, wholly: it has the parent that it names, or none.
//! What is wrong with a class is a [`ClassProblem`]; the class is still there, without the part that is wrong.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Declared, Origin};
use crate::api::ci_class::{AttributeRule, Compare, IdentificationRule, TruthRule};
use crate::api::{CIClassSpec, Document, OnDrift, Table, Text, Value, intern};

/// All classes, by name.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    by_name: BTreeMap<Text, Class>,
}

/// A class with all that it inherits.
#[derive(Clone, Debug, Default)]
pub struct Class {
    /// Its name.
    pub name: Text,
    /// Its own name and its ancestors', nearest first.
    pub lineage: Vec<Text>,
    /// How its attributes compare.
    pub rules: AttributeRules,
    /// Identification rules, strongest first.
    pub identification: Vec<IdentificationRule>,
    /// Values that identify nothing, by identifier.
    pub bogus: Table<Placeholders>,
    /// Which source says the truth, the nearest rule first.
    pub truth: Vec<TruthRule>,
    /// What to do about drift.
    pub on_drift: Option<OnDrift>,
    /// The merged JSON Schema of the attributes.
    pub schema: Value,
}

/// How an attribute and the parts of it compare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttributeRules {
    /// The rule of the attribute itself.
    pub rule: AttributeRule,
    /// The rules of its parts, if it is a map.
    pub fields: Table<AttributeRules>,
    /// The rules of each value, if it is a list of maps or lists.
    pub each: Option<Box<AttributeRules>>,
    /// Whether its rule has an error: then it counts as sensitive and is never compared, so that nothing leaks and
    /// nothing is concluded until the rule is mended.
    pub closed: bool,
}

/// What is wrong with a declared class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassProblem {
    /// The class.
    pub class: Text,
    /// The document that declares it.
    pub origin: Origin,
    /// Where in that document, as a dotted path.
    pub path: String,
    /// The rule that is broken: `class-cycle`, `unknown-parent`, `unknown-field`, `wrong-type`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// The key of a schema under which an attribute's rule stands.
const RULE: &str = "x-bowline";

/// The built-in library, in the form in which people write classes too.
const LIBRARY: [&str; 5] = [
    include_str!("classes/compute.yaml"),
    include_str!("classes/network.yaml"),
    include_str!("classes/software.yaml"),
    include_str!("classes/kubernetes.yaml"),
    include_str!("classes/cloud.yaml"),
];

static BUILT_IN: LazyLock<Vec<Declared<CIClassSpec>>> = LazyLock::new(|| {
    // The library is part of the program and a test reads all of it, so nothing is lost by passing over what fails.
    let documents = LIBRARY.iter().flat_map(|text| serde_yaml::Deserializer::from_str(text)).flat_map(Document::<CIClassSpec>::deserialize);
    documents.map(|it| Declared { name: it.metadata.name, labels: it.metadata.labels, spec: it.spec, origin: Origin::default() }).collect()
});

impl Classes {
    /// The class of this name.
    pub fn get(&self, name: &str) -> Option<&Class> {
        self.by_name.get(name)
    }

    /// All classes, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Class> {
        self.by_name.values()
    }

    /// Whether `name` is `ancestor` or extends it.
    pub fn is_a(&self, name: &str, ancestor: &str) -> bool {
        self.get(name).is_some_and(|class| class.lineage.iter().any(|known| &**known == ancestor))
    }

    /// Whether `name` is one of these or extends one.
    pub fn is_any(&self, name: &str, wanted: &[Text]) -> bool {
        wanted.iter().any(|class| **class == *name || self.is_a(name, class))
    }

    /// The built-in classes alone, as they are written.
    pub fn library() -> &'static [Declared<CIClassSpec>] {
        &BUILT_IN
    }

    /// The built-in classes and the declared ones, each with all that it inherits, and what is wrong with the declared
    /// ones. Of two declared classes of one name the first counts.
    pub fn resolve(declared: &[Declared<CIClassSpec>]) -> (Self, Vec<ClassProblem>) {
        let mut written: BTreeMap<&str, (&Declared<CIClassSpec>, bool)> = BUILT_IN.iter().map(|class| (&*class.name, (class, false))).collect();
        for class in declared.iter().rev() {
            written.insert(&class.name, (class, true));
        }
        let mut problems = Vec::new();
        let mut classes = Self::default();
        for (class, ours) in written.values() {
            let (lineage, broken) = lineage(class, &written);
            let mut found = Vec::new();
            found.extend(broken);
            let own = AttributeRules::compile(&class.spec.attributes, "spec.attributes", &mut |path, code, message, hint| {
                found.push(ClassProblem { class: class.name.clone(), origin: class.origin, path, code, message, hint });
            });
            classes.by_name.insert(class.name.clone(), Class::inherit(&lineage, own));
            if *ours {
                problems.append(&mut found);
            }
        }
        problems.sort_by(|a, b| (a.origin.file, a.origin.offset, &a.path).cmp(&(b.origin.file, b.origin.offset, &b.path)));
        (classes, problems)
    }
}

impl FromIterator<Class> for Classes {
    fn from_iter<I: IntoIterator<Item = Class>>(classes: I) -> Self {
        Self { by_name: classes.into_iter().map(|class| (class.name.clone(), class)).collect() }
    }
}

type Written<'a> = BTreeMap<&'a str, (&'a Declared<CIClassSpec>, bool)>;

/// The class and its ancestors, nearest first, as far as they can be followed, and why no further.
fn lineage<'a>(class: &'a Declared<CIClassSpec>, written: &Written<'a>) -> (Vec<&'a Declared<CIClassSpec>>, Option<ClassProblem>) {
    let problem = |code, message, hint| ClassProblem { class: class.name.clone(), origin: class.origin, path: "spec.extends".into(), code, message, hint };
    let mut line = vec![class];
    let mut last = class;
    while let Some(parent) = &last.spec.extends {
        let Some((next, _)) = written.get(&**parent) else {
            // The class that names the unknown parent is the one to mend; its children need not say it again.
            let hint = super::check::did_you_mean(parent, written.keys().copied());
            let own =
                std::ptr::eq(last, class).then(|| problem("unknown-parent", format!("class `{}` extends `{parent}`, which is no class", class.name), hint));
            return (line, own);
        };
        if line.iter().any(|known| known.name == next.name) {
            let circle = line.iter().map(|known| &*known.name).chain([&*next.name]).collect::<Vec<_>>().join(" → ");
            // Only members of the circle can mend it.
            let own = (next.name == class.name).then(|| {
                problem("class-cycle", format!("class `{}` extends itself: {circle}", class.name), Some("remove `extends` from one of them".to_owned()))
            });
            return (line, own);
        }
        line.push(next);
        last = next;
    }
    (line, None)
}

impl Class {
    /// The first of `lineage` with all that it inherits from the others; `own` are its own rules where it has no parent.
    fn inherit(lineage: &[&Declared<CIClassSpec>], own: AttributeRules) -> Self {
        let mut class = Class { lineage: lineage.iter().map(|known| known.name.clone()).collect(), ..Class::default() };
        class.name = class.lineage.first().cloned().unwrap_or_default();
        let mut bogus = Table::default();
        for (distance, Declared { spec, .. }) in lineage.iter().enumerate() {
            class.schema = if distance == 0 { spec.attributes.clone() } else { merge(&spec.attributes, &class.schema) };
            if class.identification.is_empty() {
                class.identification.clone_from(&spec.identification);
            }
            bogus = join(&bogus, &spec.bogus);
            class.truth.extend(spec.truth.iter().cloned());
            class.on_drift = class.on_drift.or(spec.on_drift);
        }
        class.bogus = bogus.into_iter().map(|(identifier, values)| (identifier, Placeholders::new(&values))).collect();
        class.rules = if lineage.len() == 1 { own } else { AttributeRules::compile(&class.schema, "", &mut |_, _, _, _| ()) };
        class
    }

    /// Whether this value of an identifier identifies nothing: the class says so, or it is empty, punctuation, all zeros,
    /// or one character repeated. A short counter of a tool (`netbox/device: "11"`) is a good identifier, so repetition
    /// counts only where the class knows of bogus values, or from eight characters on.
    pub fn is_bogus(&self, identifier: &str, value: &str) -> bool {
        Placeholders::have(self.bogus.get(identifier), value)
    }
}

/// Values of one identifier that identify nothing. They are asked for every value of every thing, so they are kept ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placeholders {
    /// Those without a `*`, sorted by length.
    exact: Vec<Text>,
    patterns: Vec<Text>,
}

impl Placeholders {
    fn new(values: &[Text]) -> Self {
        let trimmed = values.iter().map(|value| Text::from(value.trim()));
        let (patterns, mut exact): (Vec<Text>, Vec<Text>) = trimmed.partition(|value| value.contains('*'));
        exact.sort_by_key(|value| value.len());
        Self { exact, patterns }
    }

    /// As [`Class::is_bogus`] says it, where `known` is what the class knows of the identifier.
    pub(crate) fn have(known: Option<&Self>, value: &str) -> bool {
        let value = value.trim();
        let marks = || value.chars().filter(|mark| mark.is_alphanumeric());
        let mut all = marks();
        let Some(first) = all.next() else { return true };
        let repeated = all.all(|mark| mark == first) && (first == '0' || marks().nth(1).is_some());
        (repeated && (first == '0' || known.is_some() || marks().nth(7).is_some())) || known.is_some_and(|known| known.fit(value))
    }

    fn fit(&self, value: &str) -> bool {
        let start = self.exact.partition_point(|known| known.len() < value.len());
        let as_long = self.exact.iter().skip(start).take_while(|known| known.len() == value.len());
        as_long.into_iter().any(|known| known.eq_ignore_ascii_case(value)) || self.patterns.iter().any(|pattern| fits(pattern, value))
    }
}

/// Whether a value is the one named, without regard to case; `*` stands for any run of characters.
fn fits(pattern: &str, value: &str) -> bool {
    let Some((start, mut rest)) = pattern.split_once('*') else { return pattern.eq_ignore_ascii_case(value) };
    let same = |part: &str, at: usize| value.get(at..at + part.len()).is_some_and(|found| found.eq_ignore_ascii_case(part));
    if !same(start, 0) {
        return false;
    }
    let mut at = start.len();
    while let Some((part, further)) = rest.split_once('*') {
        let Some(found) = (at..=value.len()).find(|place| same(part, *place)) else { return false };
        (at, rest) = (found + part.len(), further);
    }
    value.len().checked_sub(rest.len()).is_some_and(|end| end >= at && same(rest, end))
}

/// Who is told about a problem of a schema: its path, code, message and hint.
type Tell<'a> = &'a mut dyn FnMut(String, &'static str, String, Option<String>);

impl AttributeRules {
    /// Reads the rules out of a JSON Schema that stands at `path` of its document.
    fn compile(schema: &Value, path: &str, tell: Tell) -> Self {
        let Some(keys) = schema.as_map() else { return Self::default() };
        let mut rules = Self::default();
        for (key, value) in keys {
            let below = format!("{path}.{key}");
            match &**key {
                RULE => {
                    let (rule, wrong) = rule(value, &below, tell);
                    rules.rule = rule;
                    rules.closed |= wrong;
                }
                "properties" => {
                    let fields = value.as_map().into_iter().flatten();
                    rules.fields = fields.map(|(name, schema)| (name.clone(), Self::compile(schema, &format!("{below}.{name}"), tell))).collect();
                }
                "items" => rules.each = Some(Box::new(Self::compile(value, &below, tell))).filter(|each| **each != Self::default()),
                "const" | "enum" | "default" | "examples" => (),
                _ if speaks_of_rules(value) => {
                    let hint = Some("say it under `properties` or `items`, beside the attribute".to_owned());
                    tell(below, "unknown-field", format!("`{RULE}` is not read inside `{key}`"), hint);
                    rules.closed = true;
                }
                _ => (),
            }
        }
        if rules.closed {
            rules.rule.compare = Some(Compare::Never);
            rules.rule.sensitive = true;
        }
        rules
    }
}

/// Whether there is a rule anywhere inside.
fn speaks_of_rules(value: &Value) -> bool {
    match value {
        Value::Map(map) => map.iter().any(|(key, value)| &**key == RULE || speaks_of_rules(value)),
        Value::List(list) => list.iter().any(speaks_of_rules),
        _ => false,
    }
}

/// Reads one `x-bowline`, part by part, so that one that is wrong does not hide the others, and whether any is.
fn rule(written: &Value, path: &str, tell: Tell) -> (AttributeRule, bool) {
    const KNOWN: [&str; 5] = ["compare", "list", "onDrift", "descriptive", "sensitive"];
    let mut rule = AttributeRule::default();
    let Some(parts) = written.as_map() else {
        tell(path.to_owned(), "wrong-type", format!("`{RULE}` must be a map, found a {}", written.kind()), None);
        return (rule, true);
    };
    let mut any = false;
    for (key, value) in parts {
        let below = format!("{path}.{key}");
        let wrong = match &**key {
            "compare" => read(value, &mut rule.compare),
            "list" => read(value, &mut rule.list),
            "onDrift" => read(value, &mut rule.on_drift),
            "descriptive" => read(value, &mut rule.descriptive),
            "sensitive" => read(value, &mut rule.sensitive),
            _ => {
                let hint = super::check::did_you_mean(key, KNOWN).or_else(|| Some(format!("known: {}", KNOWN.join(", "))));
                tell(below, "unknown-field", format!("`{key}` is not known in `{RULE}`"), hint);
                any = true;
                continue;
            }
        };
        if !wrong {
            continue;
        }
        any = true;
        let known = match &**key {
            "compare" => "Quantity, Number, Version, Mac, Ip, HostName, CaseInsensitive, Configuration, Text, Never",
            "list" => "Ordered, Set",
            "onDrift" => "Adopt, Enforce, Report",
            _ => "true, false",
        };
        let hint = value.as_str().and_then(|written| super::check::did_you_mean(written, known.split(", ")));
        tell(below, "wrong-type", format!("`{key}` cannot be `{value}`; it is one of {known}"), hint);
    }
    (rule, any)
}

/// Reads a part of a rule into its place; true where that cannot be done.
fn read<'de, T: Deserialize<'de>>(value: &Value, place: &mut T) -> bool {
    T::deserialize(value.to_json()).map(|read| *place = read).is_err()
}

/// A schema that says what `parent` says unless `child` says otherwise. What is required stays required.
fn merge(parent: &Value, child: &Value) -> Value {
    match (parent, child) {
        (Value::Map(parent), Value::Map(child)) => {
            let inherited = parent.iter().map(|(name, value)| match child.get(name) {
                Some(own) if &**name == "required" => (name.clone(), union(value, own)),
                Some(own) => (name.clone(), merge(value, own)),
                None => (name.clone(), value.clone()),
            });
            let added = child.iter().filter(|(name, _)| !parent.contains(name)).map(|(name, value)| (name.clone(), value.clone()));
            Value::Map(inherited.chain(added).collect())
        }
        (parent, Value::Null) => parent.clone(),
        (_, child) => child.clone(),
    }
}

fn union(parent: &Value, child: &Value) -> Value {
    let (Some(first), Some(second)) = (parent.as_list(), child.as_list()) else { return child.clone() };
    first.iter().chain(second.iter().filter(|value| !first.contains(value))).cloned().collect()
}

fn join(first: &Table<Vec<Text>>, second: &Table<Vec<Text>>) -> Table<Vec<Text>> {
    let mut joined: BTreeMap<Text, Vec<Text>> = BTreeMap::new();
    for (identifier, values) in first.iter().chain(second) {
        let known = joined.entry(intern(identifier)).or_default();
        let new: Vec<Text> = values.iter().filter(|value| !known.contains(value)).cloned().collect();
        known.extend(new);
    }
    joined.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ci_class::ListOrder;

    fn declared(yaml: &str) -> Vec<Declared<CIClassSpec>> {
        serde_yaml::Deserializer::from_str(yaml)
            .zip(0..)
            .map(|(document, file)| {
                let map: BTreeMap<String, CIClassSpec> = BTreeMap::deserialize(document).unwrap();
                let (name, spec) = map.into_iter().next().unwrap();
                Declared { name: name.into(), labels: Table::default(), spec, origin: Origin { file, ..Origin::default() } }
            })
            .collect()
    }

    fn resolve(yaml: &str) -> (Classes, Vec<ClassProblem>) {
        Classes::resolve(&declared(yaml))
    }

    #[test]
    fn every_built_in_class_can_be_read_and_leads_to_the_root() {
        assert_eq!(Classes::library().len(), LIBRARY.iter().map(|text| text.matches("kind: CIClass").count()).sum::<usize>());
        // As if declared, so that problems are not passed over.
        let (classes, problems) = Classes::resolve(Classes::library());
        assert_eq!(problems, []);
        for class in classes.iter() {
            assert_eq!(class.lineage.last().map(|root| &**root), Some("configuration-item"), "{}", class.name);
            assert!(!class.identification.is_empty(), "{}", class.name);
        }
    }

    #[test]
    fn a_class_has_its_parents_attributes_rules_and_bogus_values() {
        let (classes, problems) = resolve("appliance: {extends: virtual-machine, bogus: {serial/number: [Zero]}, onDrift: Enforce}");
        assert_eq!(problems, []);
        let class = classes.get("appliance").unwrap();
        assert!(classes.is_a("appliance", "server"));
        assert_eq!(class.rules.fields.get("memory").unwrap().rule.compare, Some(Compare::Quantity));
        assert_eq!(class.rules.fields.get("os").unwrap().fields.get("version").unwrap().rule.compare, Some(Compare::Version));
        assert_eq!(class.identification, classes.get("virtual-machine").unwrap().identification);
        assert!(class.is_bogus("serial/number", "zero") && class.is_bogus("serial/number", "none"));
        assert_eq!(class.on_drift, Some(OnDrift::Enforce));
    }

    #[test]
    fn a_childs_identification_replaces_its_parents_and_its_truth_stands_first() {
        let (classes, _) = resolve(
            "a: {identification: [{identifiers: [x]}], truth: [{sources: [far]}]}\n---\nb: {extends: a, identification: [{identifiers: [y]}], truth: [{sources: [near]}]}",
        );
        let class = classes.get("b").unwrap();
        assert_eq!(class.identification.len(), 1);
        assert_eq!(&*class.identification[0].identifiers[0], "y");
        assert_eq!(class.truth.iter().map(|rule| &*rule.sources[0]).collect::<Vec<_>>(), ["near", "far"]);
    }

    #[test]
    fn schemas_merge_part_by_part() {
        let (classes, _) = resolve(
            "a: {attributes: {required: [x], properties: {x: {type: integer, minimum: 1, x-bowline: {compare: Number}}}}}\n---\n\
             b: {extends: a, attributes: {required: [y], properties: {x: {minimum: 2, x-bowline: {onDrift: Adopt}}}}}",
        );
        let class = classes.get("b").unwrap();
        assert_eq!(
            class.schema.to_json(),
            serde_json::json!({"required": ["x", "y"], "properties": {"x": {"type": "integer", "minimum": 2, "x-bowline": {"compare": "Number", "onDrift": "Adopt"}}}})
        );
        let rule = &class.rules.fields.get("x").unwrap().rule;
        assert_eq!((rule.compare, rule.on_drift), (Some(Compare::Number), Some(OnDrift::Adopt)));
    }

    #[test]
    fn a_declared_class_replaces_a_built_in_one_wholly() {
        let (classes, problems) = resolve("virtual-machine: {attributes: {properties: {cpus: {x-bowline: {compare: Number, list: Set}}}}}");
        assert_eq!(problems, []);
        assert!(!classes.is_a("virtual-machine", "server"));
        let class = classes.get("virtual-machine").unwrap();
        assert_eq!(class.rules.fields.len(), 1);
        assert_eq!(class.rules.fields.get("cpus").unwrap().rule.list, Some(ListOrder::Set));
        assert!(class.bogus.is_empty());
    }

    #[test]
    fn a_circle_of_classes_is_told_to_each_of_its_members_and_ends() {
        let (classes, problems) = resolve("a: {extends: b}\n---\nb: {extends: a}\n---\nc: {extends: a}\n---\nd: {extends: d}");
        let told: Vec<_> = problems.iter().map(|problem| (&*problem.class, problem.code, problem.origin.file)).collect();
        assert_eq!(told, [("a", "class-cycle", 0), ("b", "class-cycle", 1), ("d", "class-cycle", 3)]);
        assert!(classes.is_a("c", "b"));
    }

    #[test]
    fn an_unknown_parent_is_told_once_with_what_was_meant() {
        let (classes, problems) = resolve("a: {extends: virtual-machin}\n---\nb: {extends: a}");
        assert_eq!(problems.len(), 1);
        assert_eq!((problems[0].code, problems[0].path.as_str()), ("unknown-parent", "spec.extends"));
        assert_eq!(problems[0].hint.as_deref(), Some("did you mean `virtual-machine`?"));
        assert!(classes.get("a").is_some());
    }

    #[test]
    fn every_mistake_in_a_rule_is_told_at_its_place_and_the_rest_holds() {
        let (classes, problems) = resolve(
            "a: {attributes: {properties: {x: {x-bowline: {compare: Quantitiy, lst: Set, sensitive: 1, onDrift: Adopt}}, y: {x-bowline: 3}}, allOf: [{properties: {z: {x-bowline: {}}}}]}}",
        );
        let told: Vec<_> = problems.iter().map(|problem| (problem.path.as_str(), problem.code)).collect();
        assert_eq!(
            told,
            [
                ("spec.attributes.allOf", "unknown-field"),
                ("spec.attributes.properties.x.x-bowline.compare", "wrong-type"),
                ("spec.attributes.properties.x.x-bowline.lst", "unknown-field"),
                ("spec.attributes.properties.x.x-bowline.sensitive", "wrong-type"),
                ("spec.attributes.properties.y.x-bowline", "wrong-type"),
            ]
        );
        assert_eq!(classes.get("a").unwrap().rules.fields.get("x").unwrap().rule.on_drift, Some(OnDrift::Adopt));
    }

    #[test]
    fn an_attribute_whose_rule_has_an_error_is_never_compared_and_counts_as_sensitive() {
        for broken in ["{compare: Nubmer}", "{sensitive: yes please}", "{lst: Set, onDrift: Adopt}", "7"] {
            let yaml =
                format!("a: {{attributes: {{properties: {{x: {{x-bowline: {broken}}}, y: {{x-bowline: {{compare: Text}}}}}}}}}}\n---\nb: {{extends: a}}");
            let (classes, _) = resolve(&yaml);
            for class in ["a", "b"] {
                let fields = &classes.get(class).unwrap().rules.fields;
                let (x, y) = (fields.get("x").unwrap(), fields.get("y").unwrap());
                assert_eq!((x.rule.compare, x.rule.sensitive, x.closed), (Some(Compare::Never), true, true), "{class} {broken}");
                assert_eq!((y.rule.compare, y.rule.sensitive, y.closed), (Some(Compare::Text), false, false), "{class} {broken}");
            }
        }
        // Where it is mended, it counts as it says.
        let (classes, _) = resolve(
            "a: {attributes: {properties: {x: {x-bowline: {compare: Nubmer}}}}}\n---\nb: {extends: a, attributes: {properties: {x: {x-bowline: {compare: Number}}}}}",
        );
        assert!(!classes.get("b").unwrap().rules.fields.get("x").unwrap().rule.sensitive);
        // A rule that is not read at all may be one that says sensitive.
        let (classes, _) = resolve("a: {attributes: {properties: {x: {anyOf: [{x-bowline: {sensitive: true}}]}}}}");
        assert!(classes.get("a").unwrap().rules.fields.get("x").unwrap().rule.sensitive);
    }

    // netbox-sync#215, glpi ocsinventoryng#273: placeholders merged strangers.
    #[test]
    fn placeholders_empty_values_and_one_repeated_character_identify_nothing() {
        let (classes, _) = Classes::resolve(&[]);
        let class = classes.get("virtual-machine").unwrap();
        for value in [
            "",
            "  ",
            "............",
            "To be filled by O.E.M.",
            "to be filled by o.e.m. ",
            "None",
            "Default string",
            "0123456789",
            "00000000",
            "xxxx",
            "0-0-0",
            "…………",
            "Asset-1234567890",
            "No Asset Tag",
        ] {
            assert!(class.is_bogus("serial/number", value), "{value}");
            assert!(class.is_bogus("asset/tag", value), "{value}");
        }
        for value in ["CZ3129ABCD", "7", "1001", "none-but-the-brave"] {
            assert!(!class.is_bogus("serial/number", value), "{value}");
        }
        assert!(!class.is_bogus("netbox/device", "11") && class.is_bogus("other/serial", "11111111"));
        assert!(class.is_bogus("macAddresses", "02:42:ac:11:00:02") && !class.is_bogus("macAddresses", "02:43:ac:11:00:02"));
        assert!(class.is_bogus("dns/fqdn", "Web.localdomain") && !class.is_bogus("dns/fqdn", "localdomain.example"));
        assert!(class.is_bogus("bios/uuid", "03000200-0400-0500-0006-000700080009"));
    }

    // glpi#9741: serial alone was tried before serial and UUID together.
    #[test]
    fn serial_and_uuid_together_stand_before_the_serial_alone() {
        let (classes, _) = Classes::resolve(&[]);
        let rules = &classes.get("server").unwrap().identification;
        let place = |identifiers: &[&str]| rules.iter().position(|rule| rule.identifiers.iter().map(|name| &**name).eq(identifiers.iter().copied())).unwrap();
        assert!(place(&["serial/number", "bios/uuid"]) < place(&["serial/number"]));
        for class in ["server", "hypervisor", "network-device", "load-balancer", "storage"] {
            let rules = &classes.get(class).unwrap().identification;
            let place = |wanted: &str| rules.iter().position(|rule| *rule.identifiers == [Text::from(wanted)]).unwrap();
            assert!(place("serial/number") < place("asset/tag") && place("asset/tag") < place("dns/fqdn"), "{class}");
            assert!(rules.iter().position(|rule| !rule.attributes.is_empty()).is_none_or(|address| place("asset/tag") < address), "{class}");
        }
        let of_machines = &classes.get("virtual-machine").unwrap().identification;
        assert!(!of_machines.iter().flat_map(|rule| &rule.identifiers).any(|name| &**name == "asset/tag"));
        // netbox-sync#167: a MAC address is matched within its network only.
        assert!(rules.iter().all(|rule| rule.attributes.is_empty() || rule.within.as_deref() == Some("network")));
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, value) in
            [("none", "NONE"), ("*", ""), ("a*", "A"), ("a*c", "abbc"), ("*b*", "abc"), ("a*b*a", "aba"), ("é*", "éa"), ("*-template", "web-Template")]
        {
            assert!(fits(pattern, value), "{pattern} {value}");
        }
        for (pattern, value) in [("none", "none "), ("", "a"), ("a*", "ba"), ("a*a", "a"), ("a*b*b", "ab"), ("*b", "bc"), ("a*", "é")] {
            assert!(!fits(pattern, value), "{pattern} {value}");
        }
    }
}
