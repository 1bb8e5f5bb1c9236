//! How healthy the record is: whether it is complete, correct and complied with. Pure: the clock is a parameter of the
//! inventory that it is made from.
//!
//! Counted are the items that should be there: `Planned` and `Retired` ones are not. Each indicator is the share of the
//! items that are well, among those of which it can be said:
//!
//! | indicator      | an item is well if |
//! |----------------|--------------------|
//! | `required`     | it has an owner, an identifier that identifies (or the attributes by which its class does), and every attribute that its class requires |
//! | `recommended`  | it declares what at least 80% of its class do, where the class has at least 5 items: attributes, and relations by type |
//! | `related`      | it is no orphan: it has a relation, or another item has one to it, or it is part of a service |
//! | `fresh`        | a source has seen it within the source's stale time (60 days where it does not say); only of items that were seen |
//! | `unique`       | no source lists it twice, and nothing that was found may be it and another item as well |
//! | `policies`     | it breaks no rule of a policy |
//! | `inSync`       | what was found is what is declared; only of items that were seen or are missing |
//!
//! `completeness` is the mean of the first two, `correctness` of the next three, `compliance` of the last two, and the
//! score the mean of these three; an indicator of which nothing can be said does not count.

mod usual;

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::api::{ConfigurationItemSpec, Criticality, Lifecycle, Text, Value};
use crate::discovery::Discovered;
use crate::estate::{Class, Declared, Estate};
use crate::identity::Correlation;
use crate::impact::ServiceGraph;
use crate::inventory::{Entry, Inventory, State};
use crate::plan::Plan;
use usual::Usual;

/// How many items are named as the worst.
pub const WORST: usize = 10;

type Item = Declared<ConfigurationItemSpec>;

/// How healthy an estate's record is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The estate.
    pub estate: Text,
    /// The instant for which it was made.
    pub at: Timestamp,
    /// Items that are not counted, because they are `Planned` or `Retired`.
    pub not_in_service: usize,
    /// Documents that could not be read: what they declare is not counted.
    pub unreadable: usize,
    /// Of all items.
    pub total: Indicators,
    /// By class, sorted by name.
    pub classes: Vec<Group>,
    /// By owner, sorted by name; the items of none first.
    pub owners: Vec<Group>,
    /// By service, sorted by name. An item counts in each service that it is part of.
    pub services: Vec<Group>,
    /// The worst items, the worst first.
    pub worst: Vec<Worst>,
}

/// The indicators of the items that have something in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    /// The class, owner or service; none: no owner.
    pub name: Option<Text>,
    /// The indicators.
    #[serde(flatten)]
    pub indicators: Indicators,
}

/// How many of so many are well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Those that are well.
    pub well: usize,
    /// Those of which it can be said.
    pub of: usize,
}

impl Share {
    fn note(&mut self, well: Option<bool>) {
        if let Some(well) = well {
            self.of += 1;
            self.well += usize::from(well);
        }
    }

    fn add(&mut self, other: Self) {
        self.well += other.well;
        self.of += other.of;
    }

    /// From 0 to 1; none of nothing.
    #[allow(clippy::cast_precision_loss)] // no estate has so many items that it would show
    pub fn ratio(self) -> Option<f64> {
        (self.of > 0).then(|| self.well as f64 / self.of as f64)
    }
}

/// The indicators of some items; see the top of this file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Indicators {
    /// How many items.
    pub items: usize,
    /// They have what they must have.
    pub required: Share,
    /// They have what their like have.
    pub recommended: Share,
    /// They are no orphans.
    pub related: Share,
    /// They were seen of late.
    pub fresh: Share,
    /// They are there once.
    pub unique: Share,
    /// They break no rule of a policy.
    pub policies: Share,
    /// They are as declared.
    pub in_sync: Share,
}

impl Serialize for Indicators {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Told {
            items: usize,
            score: Option<f64>,
            completeness: Option<f64>,
            correctness: Option<f64>,
            compliance: Option<f64>,
            required: Share,
            recommended: Share,
            related: Share,
            fresh: Share,
            unique: Share,
            policies: Share,
            in_sync: Share,
        }
        let Self { items, required, recommended, related, fresh, unique, policies, in_sync } = *self;
        let rounded = |ratio: Option<f64>| ratio.map(|ratio| (ratio * 10_000.0).round() / 10_000.0);
        Told {
            items,
            score: rounded(self.score()),
            completeness: rounded(self.completeness()),
            correctness: rounded(self.correctness()),
            compliance: rounded(self.compliance()),
            required,
            recommended,
            related,
            fresh,
            unique,
            policies,
            in_sync,
        }
        .serialize(serializer)
    }
}

impl Indicators {
    /// Whether the record has what it should have, from 0 to 1.
    pub fn completeness(&self) -> Option<f64> {
        mean(&[self.required.ratio(), self.recommended.ratio()])
    }

    /// Whether what it has stands for something that is there, once, from 0 to 1.
    pub fn correctness(&self) -> Option<f64> {
        mean(&[self.related.ratio(), self.fresh.ratio(), self.unique.ratio()])
    }

    /// Whether what is there is as it should be, from 0 to 1.
    pub fn compliance(&self) -> Option<f64> {
        mean(&[self.policies.ratio(), self.in_sync.ratio()])
    }

    /// All of it, from 0 to 1.
    pub fn score(&self) -> Option<f64> {
        mean(&[self.completeness(), self.correctness(), self.compliance()])
    }

    /// Adds the items of another group.
    pub fn add(&mut self, other: &Self) {
        self.items += other.items;
        self.required.add(other.required);
        self.recommended.add(other.recommended);
        self.related.add(other.related);
        self.fresh.add(other.fresh);
        self.unique.add(other.unique);
        self.policies.add(other.policies);
        self.in_sync.add(other.in_sync);
    }
}

/// Of those that can be said.
#[allow(clippy::cast_precision_loss)] // three at most
fn mean(ratios: &[Option<f64>]) -> Option<f64> {
    let said: Vec<f64> = ratios.iter().copied().flatten().collect();
    (!said.is_empty()).then(|| said.iter().sum::<f64>() / said.len() as f64)
}

/// An item with much to mend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Worst {
    /// The item.
    pub item: Text,
    /// Its class.
    pub class: Text,
    /// Its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// The services that it is part of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Text>,
    /// What is the matter, in a few words each.
    pub problems: Vec<Text>,
}

/// What is the matter with one item, indicator by indicator; none where it cannot be said.
struct Judged<'a> {
    item: &'a Item,
    services: &'a [Text],
    indicators: Indicators,
    problems: Vec<Text>,
}

/// The health of an estate as its plan finds it.
pub fn of(estate: &Estate, discovered: &Discovered, correlation: &Correlation, plan: &Plan) -> Health {
    let inventory = Inventory::new(estate, discovered, correlation, &plan.findings, plan.at);
    health(estate, &inventory, &ServiceGraph::new(estate), plan.at)
}

/// The health of an estate by what its plan and its correlation say of it.
pub fn health(estate: &Estate, inventory: &Inventory, graph: &ServiceGraph, at: Timestamp) -> Health {
    let in_service = |item: &Item| !matches!(item.spec.lifecycle, Lifecycle::Planned | Lifecycle::Retired);
    let entries = inventory.of_estate().iter().filter_map(|entry| Some((entry, estate.items.get(entry.item?)?)));
    let counted: Vec<(&Entry, &Item)> = entries.filter(|(_, item)| in_service(item)).collect();
    let judge = Judge {
        estate,
        usual: Usual::new(counted.iter().map(|(_, item)| *item)),
        pointed_at: estate.items.iter().flat_map(|item| &item.spec.relations).map(|relation| &*relation.to).collect(),
    };
    let judged: Vec<Judged> = counted.iter().map(|(entry, item)| judge.judge(entry, item, graph.services_of(&item.name))).collect();
    let mut health = Health {
        estate: estate.name.clone(),
        at,
        not_in_service: estate.items.len() - counted.len(),
        unreadable: estate.unreadable.len(),
        worst: worst(estate, &judged),
        ..Health::default()
    };
    let (mut classes, mut owners, mut services) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for one in &judged {
        health.total.add(&one.indicators);
        add(&mut classes, Some(&one.item.spec.class), &one.indicators);
        add(&mut owners, one.item.spec.owner.as_ref(), &one.indicators);
        one.services.iter().for_each(|service| add(&mut services, Some(service), &one.indicators));
    }
    health.classes = groups(classes);
    health.owners = groups(owners);
    health.services = groups(services);
    health
}

fn add<'a>(groups: &mut BTreeMap<Option<&'a Text>, Indicators>, name: Option<&'a Text>, indicators: &Indicators) {
    groups.entry(name).or_default().add(indicators);
}

fn groups(groups: BTreeMap<Option<&Text>, Indicators>) -> Vec<Group> {
    groups.into_iter().map(|(name, indicators)| Group { name: name.cloned(), indicators }).collect()
}

struct Judge<'a> {
    estate: &'a Estate,
    usual: Usual<'a>,
    /// Names to which some item has a relation.
    pointed_at: HashSet<&'a str>,
}

impl<'a> Judge<'a> {
    fn judge(&self, entry: &Entry, item: &'a Item, services: &'a [Text]) -> Judged<'a> {
        let mut problems: Vec<Text> = Vec::new();
        let class = self.estate.classes.get(&item.spec.class);
        let mut indicators = Indicators { items: 1, ..Indicators::default() };
        indicators.required.note(Some(has_what_it_must(item, class, &mut problems)));
        indicators.recommended.note(self.usual.has_it(item, &mut problems));
        let related = !item.spec.relations.is_empty() || self.pointed_at.contains(&*item.name) || !services.is_empty();
        indicators.related.note(Some(related));
        problems.extend((!related).then(|| "orphan: no relation, in no service".into()));
        let seen = !entry.seen.is_empty();
        indicators.fresh.note(seen.then_some(!entry.stale));
        problems.extend(entry.last_seen.filter(|_| entry.stale).map(|last| format!("stale: last seen {}", last.strftime("%Y-%m-%d")).into()));
        let twice = entry.drift.iter().any(|word| matches!(&**word, "Duplicate" | "Ambiguous"));
        indicators.unique.note(Some(!twice));
        problems.extend(twice.then(|| "duplicate: more than one of what was found may be it".into()));
        indicators.policies.note(Some(entry.violations.is_empty()));
        problems.extend((!entry.violations.is_empty()).then(|| format!("breaks {}", entry.violations.join(", ")).into()));
        let compared = matches!(entry.state, State::InSync | State::Drifted | State::Missing);
        indicators.in_sync.note(compared.then_some(entry.state == State::InSync));
        let differs: Vec<&str> = entry.drift.iter().map(|word| &**word).filter(|word| !matches!(*word, "Duplicate" | "Ambiguous" | "Stale")).collect();
        problems.extend(differs.into_iter().map(in_words));
        Judged { item, services, indicators, problems }
    }
}

/// What differs, in a few words.
fn in_words(word: &str) -> Text {
    match word {
        "Missing" => "missing".into(),
        "Conflict" => "sources disagree".into(),
        "Relation" => "other relations than declared".into(),
        attribute => format!("differs: {attribute}").into(),
    }
}

/// Owner, identifier, and the attributes that the class requires.
fn has_what_it_must(item: &Item, class: Option<&Class>, problems: &mut Vec<Text>) -> bool {
    let before = problems.len();
    problems.extend(item.spec.owner.as_ref().is_none_or(|owner| owner.trim().is_empty()).then(|| "no owner".into()));
    problems.extend((!can_be_identified(item, class)).then(|| "no identifier".into()));
    let required = class.and_then(|class| class.schema.at("required")).and_then(|names| names.as_list()).unwrap_or_default();
    let missing = required.iter().filter_map(|name| name.as_str()).filter(|name| item.spec.attributes.get(name).is_none_or(Value::is_absent));
    problems.extend(missing.map(|name| Text::from(format!("no {name}, which its class requires"))));
    problems.len() == before
}

/// Whether an identifier tells it from others, or the attributes by which its class does: a certificate has its place.
fn can_be_identified(item: &Item, class: Option<&Class>) -> bool {
    let identifies = |(name, value): (&Text, &Text)| class.map_or_else(|| !value.trim().is_empty(), |class| !class.is_bogus(name, value));
    let has = |name: &Text| item.spec.attributes.get(name).is_some_and(|value| !value.is_absent());
    let by_attributes =
        |class: &Class| class.identification.iter().any(|rule| !rule.attributes.is_empty() && rule.identifiers.is_empty() && rule.attributes.iter().all(has));
    item.spec.identifiers.iter().any(identifies) || class.is_some_and(by_attributes)
}

/// The items with the most problems; of equally bad ones, those of the more critical services first, then by name.
fn worst(estate: &Estate, judged: &[Judged]) -> Vec<Worst> {
    let criticality: BTreeMap<&Text, Criticality> = estate.services.iter().map(|service| (&service.name, service.spec.criticality)).collect();
    let weight = |one: &Judged| one.services.iter().filter_map(|service| criticality.get(service).copied()).max();
    let mut bad: Vec<&Judged> = judged.iter().filter(|one| !one.problems.is_empty()).collect();
    bad.sort_by(|a, b| (b.problems.len(), weight(b), &a.item.name).cmp(&(a.problems.len(), weight(a), &b.item.name)));
    let told = |one: &&Judged| Worst {
        item: one.item.name.clone(),
        class: one.item.spec.class.clone(),
        owner: one.item.spec.owner.clone(),
        services: one.services.to_vec(),
        problems: one.problems.clone(),
    };
    bad.iter().take(WORST).map(told).collect()
}

#[cfg(test)]
mod tests;
