//! Identification rules made ready: the keys under which a thing can be found, and whether two things are the same.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher as _};

use super::ends::Ends;
use super::facts::{Hasher, Reader, Said, Thing, is_relation};
use super::normal::{Form, is_copied, is_copied_with_disk, is_reusable};
use crate::api::ci_class::IdentificationRule;
use crate::discovery::Discovered;
use crate::estate::Estate;

/// A rule of several attributes has at most so many keys a thing.
const KEYS: usize = 256;
/// The class whose rules hold where a class has none.
const ROOT: &str = "configuration-item";

/// A class by its number.
pub(super) type Kind = u32;
/// What has no class, and may be of any.
pub(super) const NONE: Kind = 0;
/// Stands for all classes that the estate does not know: each has its own number, and all have these rules.
const UNKNOWN: Kind = 1;

/// What one rule says of two things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are one.
    Same,
    /// They would be, but one of them does not say within what (a network, a site).
    Unsure,
    /// They are two.
    Different,
    /// The rule does not apply: one of them does not have what it asks for.
    Silent,
}

/// What a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part<'a> {
    Identifier(&'a str, Form),
    Attribute(&'a str),
    Within(&'a str),
}

impl<'a> Part<'a> {
    fn name(self) -> &'a str {
        let (Self::Identifier(name, _) | Self::Attribute(name) | Self::Within(name)) = self;
        name
    }
}

/// One rule of any class.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rule {
    /// As people name it: `dns/fqdn`, `macAddresses within network`.
    pub(super) name: String,
    /// The numbers of what it asks for.
    parts: Vec<u16>,
    within: Option<u16>,
    /// Whether it goes by names and addresses alone.
    pub(super) reusable: bool,
    /// Whether it goes by what clones share alone.
    pub(super) copied: bool,
    /// Whether all that it goes by is copied together with others of its kind.
    bundled: bool,
}

impl Rule {
    /// The keys that the thing has under this rule, without what they are within. `salt` tells rules apart.
    pub(super) fn keys(&self, salt: u64, said: Said, out: &mut Vec<u64>) {
        if let [part] = self.parts.as_slice() {
            // The bits are those of a hash already; an odd factor keeps the keys of two rules apart.
            return out.extend(said.of(*part).iter().map(|fact| fact.bits() ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        }
        // Most rules ask for what most things do not have.
        if self.parts.iter().any(|part| said.of(*part).is_empty()) {
            return;
        }
        let mut start = DefaultHasher::new();
        salt.hash(&mut start);
        let mut keys = vec![start];
        for part in &self.parts {
            let found = said.of(*part);
            let extended = keys.iter().flat_map(|key| found.iter().map(move |fact| (key, fact)));
            keys = extended
                .take(KEYS)
                .map(|(key, fact)| {
                    let mut key = key.clone();
                    fact.bits().hash(&mut key);
                    key
                })
                .collect();
        }
        out.extend(keys.into_iter().map(|key| key.finish()));
    }

    /// What this rule says of two things.
    pub(super) fn verdict(&self, one: Said, other: Said) -> Verdict {
        let mut same = true;
        for part in &self.parts {
            let (first, second) = (one.of(*part), other.of(*part));
            if first.is_empty() || second.is_empty() {
                return Verdict::Silent;
            }
            same &= first.iter().any(|fact| second.contains(fact));
        }
        let sure = match self.within.map(|within| (one.of(within), other.of(within))) {
            None | Some(([], [])) => true,
            Some(([], _) | (_, [])) => false,
            Some((one, other)) if one == other => true,
            Some(_) => return Verdict::Silent,
        };
        match (same, sure) {
            (true, true) => Verdict::Same,
            (true, false) => Verdict::Unsure,
            (false, true) => Verdict::Different,
            (false, false) => Verdict::Silent,
        }
    }
}

/// What holds for the things of one class.
#[derive(Default)]
struct Ready<'a> {
    /// Its rules, strongest first.
    own: Vec<usize>,
    /// All rules by which a thing of it may be found, with their strengths, sorted.
    tried: Vec<(usize, usize)>,
    /// The same rules, sorted.
    all: Vec<usize>,
    /// The classes that it extends.
    ancestors: Vec<Kind>,
    reader: Reader<'a>,
}

/// The rules of all classes that occur, each rule once.
pub(super) struct Rules<'a> {
    pub(super) all: Vec<Rule>,
    parts: Vec<Part<'a>>,
    kinds: HashMap<&'a str, Kind>,
    /// By number; what lies beyond is as [`UNKNOWN`].
    known: Vec<Ready<'a>>,
    nothing: Ready<'a>,
    /// To which items relations lead; none where no rule asks.
    pub(super) ends: Option<Ends<'a>>,
    pub(super) hasher: Hasher,
}

impl<'a> Rules<'a> {
    /// The rules of the classes that items or observations have.
    pub(super) fn new(estate: &'a Estate, discovered: &'a Discovered) -> Self {
        let (known, unknown): (Vec<&str>, Vec<&str>) = classes(estate, discovered).into_iter().partition(|name| estate.classes.get(name).is_some());
        let names: Vec<&str> = [""; 2].into_iter().chain(known).collect();
        let numbered = (0..).zip(names.iter().copied().chain(unknown));
        let mut rules = Self {
            all: Vec::new(),
            parts: Vec::new(),
            // The first of the two without a name is what has no class.
            kinds: numbered.filter(|(kind, _)| *kind != UNKNOWN).map(|(kind, name)| (name, kind)).collect(),
            known: Vec::new(),
            nothing: Ready::default(),
            ends: None,
            hasher: Hasher::default(),
        };
        for name in &names {
            let own = rules.written(estate, name);
            let lineage = estate.classes.get(name).into_iter().flat_map(|class| class.lineage.iter().skip(1));
            let ancestors = lineage.filter_map(|name| rules.kinds.get(&**name).copied()).collect();
            rules.known.push(Ready { own, ancestors, ..Ready::default() });
        }
        if rules.parts.iter().any(|part| matches!(part, Part::Within(name) if is_relation(name))) {
            rules.ends = Some(Ends::new(estate));
        }
        for (place, tried) in rules.tries().into_iter().enumerate() {
            let all: BTreeSet<usize> = tried.iter().map(|(_, rule)| *rule).collect();
            let asked: BTreeSet<u16> =
                all.iter().filter_map(|rule| rules.all.get(*rule)).flat_map(|rule| rule.parts.iter().copied().chain(rule.within)).collect();
            let parts = asked.into_iter().filter_map(|part| Some((part, *rules.parts.get(usize::from(part))?)));
            let reader = Reader::new(names.get(place).and_then(|name| estate.classes.get(name)), parts);
            if let Some(ready) = rules.known.get_mut(place) {
                *ready = Ready {
                    tried,
                    all: all.into_iter().collect(),
                    reader,
                    own: std::mem::take(&mut ready.own),
                    ancestors: std::mem::take(&mut ready.ancestors),
                };
            }
        }
        rules
    }

    /// The rules of a class as they are written, strongest first.
    fn written(&mut self, estate: &'a Estate, name: &str) -> Vec<usize> {
        let class = [name, ROOT].into_iter().filter_map(|name| estate.classes.get(name)).find(|class| !class.identification.is_empty());
        match class {
            Some(class) => class.identification.iter().filter_map(|written| self.place(written)).collect(),
            None => identifiers_of(estate).into_iter().filter_map(|name| self.add(&[Part::Identifier(name, Form::of(name))], None)).collect(),
        }
    }

    fn place(&mut self, written: &'a IdentificationRule) -> Option<usize> {
        let identifiers = written.identifiers.iter().map(|name| Part::Identifier(name, Form::of(name)));
        let parts: Vec<Part> = identifiers.chain(written.attributes.iter().map(|name| Part::Attribute(name))).collect();
        self.add(&parts, written.within.as_deref())
    }

    /// The number of the rule of these parts; none where it asks for nothing, or where there are more than 65,535.
    fn add(&mut self, parts: &[Part<'a>], within: Option<&'a str>) -> Option<usize> {
        let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
        let joined = names.join(" and ");
        let rule = Rule {
            name: within.map_or_else(|| joined.clone(), |within| format!("{joined} within {within}")),
            parts: parts.iter().map(|part| self.number(*part)).collect::<Option<_>>()?,
            within: within.map(|within| self.number(Part::Within(within)).ok_or(())).transpose().ok()?,
            reusable: names.iter().all(|name| is_reusable(name)),
            copied: names.iter().all(|name| is_copied(name)),
            bundled: names.iter().all(|name| is_copied_with_disk(name)),
        };
        if parts.is_empty() {
            return None;
        }
        let known = self.all.iter().position(|known| *known == rule);
        known.or_else(|| {
            u16::try_from(self.all.len()).ok()?;
            self.all.push(rule);
            Some(self.all.len() - 1)
        })
    }

    fn number(&mut self, part: Part<'a>) -> Option<u16> {
        let place = self.parts.iter().position(|known| *known == part).unwrap_or_else(|| {
            self.parts.push(part);
            self.parts.len() - 1
        });
        u16::try_from(place).ok()
    }

    /// Of each class its own rules, and those of more special classes: an item of such a class is found by that class's rules.
    fn tries(&self) -> Vec<Vec<(usize, usize)>> {
        let mut tries: Vec<BTreeSet<(usize, usize)>> = vec![BTreeSet::new(); self.known.len()];
        for (kind, ready) in (0..).zip(&self.known) {
            // What has no class may be of any.
            for of in ready.ancestors.iter().copied().chain([kind, NONE]) {
                if let Some(tried) = tries.get_mut(of as usize) {
                    tried.extend(ready.own.iter().copied().enumerate());
                }
            }
        }
        tries.into_iter().map(|tried| tried.into_iter().collect()).collect()
    }

    /// The number of a class.
    pub(super) fn kind(&self, name: &str) -> Kind {
        self.kinds.get(name).copied().unwrap_or(UNKNOWN)
    }

    fn ready(&self, kind: Kind) -> &Ready<'a> {
        self.known.get(kind as usize).or_else(|| self.known.get(UNKNOWN as usize)).unwrap_or(&self.nothing)
    }

    /// How things of a class are read.
    pub(super) fn reader(&self, kind: Kind) -> &Reader<'a> {
        &self.ready(kind).reader
    }

    /// The rules of a class, strongest first.
    pub(super) fn of(&self, kind: Kind) -> &[usize] {
        &self.ready(kind).own
    }

    /// The rules by which an observation of this class may be found, the strongest first, each with its strength.
    pub(super) fn tried_for(&self, kind: Kind) -> &[(usize, usize)] {
        &self.ready(kind).tried
    }

    /// The keys of an item, under the rules of its class and of the observed classes that extend it.
    pub(super) fn keys_of_item(&self, said: Said, out: &mut Vec<u64>) {
        self.keys(&self.ready(said.kind).all, said, out);
    }

    /// The keys of a thing under these rules.
    pub(super) fn keys(&self, rules: &[usize], said: Said, out: &mut Vec<u64>) {
        for rule in rules {
            if let Some(ready) = self.all.get(*rule) {
                ready.keys(*rule as u64, said, out);
            }
        }
    }

    /// What a thing has of what a rule asks for, in normal form, for people: `bios/uuid u-1`.
    pub(super) fn values(&self, rule: &Rule, thing: Thing) -> Vec<String> {
        let all = self.named(thing);
        let asked = rule.parts.iter().copied().chain(rule.within);
        asked.flat_map(|part| all.iter().filter(move |(of, ..)| *of == part).map(|(_, name, value)| format!("{name} {value}"))).collect()
    }

    /// All that a thing has of what any rule asks for, in normal form, each with the number and the name of its part.
    pub(super) fn named(&self, thing: Thing) -> Vec<(u16, &'a str, String)> {
        let mut named = Vec::new();
        let name = |part: u16| self.parts.get(usize::from(part)).map_or("", |part| part.name());
        self.reader(thing.kind).each(thing, &mut |part, value| named.push((part, name(part), value.to_owned())));
        named
    }

    /// The more special of two classes if one extends the other; things of unrelated classes are never one. A thing of no
    /// class may be of any.
    pub(super) fn special(&self, one: Kind, other: Kind) -> Option<Kind> {
        let extends = |one: Kind, other: Kind| self.known.get(one as usize).is_some_and(|ready| ready.ancestors.contains(&other));
        if one == other || other == NONE || extends(one, other) {
            Some(one)
        } else if one == NONE || extends(other, one) {
            Some(other)
        } else {
            None
        }
    }

    /// What the rules after the `strength`th of these say of the two: whether any says that they are one, and how many say that
    /// they are two. What is copied with a disk is not heard: beside a copied identifier it says nothing more.
    pub(super) fn weaker(&self, rules: &[usize], strength: usize, one: Said, other: Said) -> (bool, usize) {
        let mut different = 0;
        for rule in rules.iter().skip(strength + 1).filter_map(|rule| self.all.get(*rule)).filter(|rule| !rule.bundled) {
            match rule.verdict(one, other) {
                Verdict::Same => return (true, different),
                Verdict::Different => different += 1,
                Verdict::Unsure | Verdict::Silent => {}
            }
        }
        (false, different)
    }

    /// Whether a rule before the `strength`th of these says that the two are two.
    pub(super) fn vetoed(&self, rules: &[usize], strength: usize, one: Said, other: Said) -> bool {
        rules.iter().take(strength).filter_map(|rule| self.all.get(*rule)).any(|rule| rule.verdict(one, other) == Verdict::Different)
    }
}

/// The names of the classes that occur.
fn classes<'a>(estate: &'a Estate, discovered: &'a Discovered) -> BTreeSet<&'a str> {
    let declared = estate.items.iter().map(|item| &*item.spec.class);
    let observed = discovered.answers.iter().flat_map(|answer| &answer.items).map(|item| &*item.class);
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut last = "";
    for name in declared.chain(observed) {
        // Neighbours are mostly of one class.
        if name != last {
            names.insert(name);
            last = name;
        }
    }
    names.remove("");
    names
}

/// The names of the identifiers that are declared: the rules where no class has any.
fn identifiers_of(estate: &Estate) -> BTreeSet<&str> {
    estate.items.iter().flat_map(|item| item.spec.identifiers.names()).map(|name| &**name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::Facts;
    use super::*;
    use crate::estate::{SourceFile, load};

    fn verdict(rule: &str, one: &[(&str, &str)], other: &[(&str, &str)]) -> Verdict {
        let class = format!("{{apiVersion: bowline.dev/v1alpha1, kind: CIClass, metadata: {{name: box}}, spec: {{identification: [{rule}]}}}}\n");
        let item = |name: &str, pairs: &[(&str, &str)]| {
            let identifiers: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            let spec = format!("{{class: box, identifiers: {{{}}}}}", identifiers.join(", "));
            format!("{{apiVersion: bowline.dev/v1alpha1, kind: ConfigurationItem, metadata: {{name: {name}}}, spec: {spec}}}\n")
        };
        let text = [class, item("one", one), item("other", other)].join("---\n");
        let estate = load::load(vec![SourceFile { path: "estate.yaml".into(), text: text.into() }], None, Vec::new());
        let discovered = Discovered::default();
        let rules = Rules::new(&estate, &discovered);
        let facts = Facts::new(&estate, &discovered, &rules);
        rules.all[rules.of(rules.kind("box"))[0]].verdict(facts.item(0), facts.item(1))
    }

    #[test]
    fn a_rule_of_two_identifiers_needs_both_and_one_that_differs_makes_two_things() {
        let rule = "{identifiers: [serial/number, bios/uuid]}";
        assert_eq!(verdict(rule, &[("serial/number", "A1"), ("bios/uuid", "u1")], &[("serial/number", "a1"), ("bios/uuid", "U1")]), Verdict::Same);
        assert_eq!(verdict(rule, &[("serial/number", "A1"), ("bios/uuid", "u1")], &[("serial/number", "A1"), ("bios/uuid", "u2")]), Verdict::Different);
        assert_eq!(verdict(rule, &[("serial/number", "A1")], &[("serial/number", "A1"), ("bios/uuid", "u2")]), Verdict::Silent);
        assert_eq!(verdict(rule, &[("serial/number", "None"), ("bios/uuid", "u1")], &[("serial/number", "None"), ("bios/uuid", "u1")]), Verdict::Silent);
    }

    #[test]
    fn within_must_be_the_same_and_is_a_doubt_where_one_side_does_not_say_it() {
        let rule = "{identifiers: [ip/address], within: site}";
        let at = |site: &'static str| vec![("ip/address", "10.0.0.1"), ("site", site)];
        let nowhere = [("ip/address", "10.0.0.1")];
        assert_eq!(verdict(rule, &at("Basel"), &at("basel")), Verdict::Same);
        assert_eq!(verdict(rule, &at("basel"), &at("bern")), Verdict::Silent);
        assert_eq!(verdict(rule, &at("basel"), &nowhere), Verdict::Unsure);
        assert_eq!(verdict(rule, &nowhere, &nowhere), Verdict::Same);
    }
}
