//! Why observations are one item, and why others are not (rule 9).

use serde::Serialize;

use super::facts::{Chunk, Thing, declared, observed};
use super::rules::{Rule, Rules, Verdict};
use super::{Correlation, Doubt, Match, Sighting, normal_form};
use crate::api::{ConfigurationItemSpec, Lifecycle, Text};
use crate::discovery::{Answer, Discovered, Observation};
use crate::estate::{Declared, Estate};

/// How many observations that are not the item are told.
const REFUSED: usize = 50;

/// How an item is recognised.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The declared item; none: nobody declared it.
    pub item: Option<Text>,
    /// Its class.
    pub class: Text,
    /// Its names in other tools.
    pub names: Vec<Name>,
    /// The rules of its class, strongest first.
    pub rules: Vec<Asked>,
    /// The observations that are the item.
    pub sightings: Vec<Seen>,
    /// Observations that share a name or an address with it and are not the item, and why.
    pub refused: Vec<Refused>,
}

/// One name in one tool.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Name {
    /// For example `dns/fqdn`.
    pub identifier: Text,
    /// As it is written.
    pub value: Text,
    /// As it is compared; none: it identifies nothing (a placeholder).
    pub compared: Option<String>,
}

/// One rule, and what the item has of what it asks for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// The rule: `dns/fqdn`, `macAddresses within network`.
    pub rule: String,
    /// The item's values, as they are compared; none: the rule is silent about it.
    pub values: Vec<String>,
}

/// One observation of the item.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The source.
    pub source: Text,
    /// The source's own key.
    pub key: Text,
    /// Its name there.
    pub name: Text,
    /// The rule that decided; none where nobody declared it and it is the only observation.
    pub rule: Option<String>,
    /// What both have in common by that rule.
    pub shared: Vec<String>,
    /// Whether its facts count: of several by one source only the strongest do.
    pub speaks: bool,
}

/// An observation that is not the item.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The source.
    pub source: Text,
    /// The source's own key.
    pub key: Text,
    /// Its name there.
    pub name: Text,
    /// The rule by which it would be the item.
    pub rule: String,
    /// Why it is not.
    pub why: String,
}

/// How the item of this name is recognised, or what nobody declared and a source calls so; none where there is neither.
pub fn explain(estate: &Estate, discovered: &Discovered, correlation: &Correlation, name: &str) -> Vec<Identity> {
    let rules = Rules::new(estate, discovered);
    let view = View { estate, discovered, correlation, rules: &rules };
    match estate.item(name) {
        Some(place) => estate.items.get(place).map(|item| view.item(place, item)).into_iter().collect(),
        None => correlation.undeclared().filter(|thing| view.is_called(thing, name)).map(|thing| view.undeclared(thing)).collect(),
    }
}

struct View<'a> {
    estate: &'a Estate,
    discovered: &'a Discovered,
    correlation: &'a Correlation,
    rules: &'a Rules<'a>,
}

impl View<'_> {
    fn item(&self, place: usize, item: &Declared<ConfigurationItemSpec>) -> Identity {
        let thing = declared(self.rules, item);
        let matches = self.correlation.of(place);
        Identity {
            item: Some(item.name.clone()),
            class: item.spec.class.clone(),
            names: self.names(&item.spec.class, thing),
            rules: self.asked(&item.spec.class, thing),
            sightings: matches.iter().filter_map(|found| self.seen(item, *found)).collect(),
            refused: self.refused(place, item),
        }
    }

    fn undeclared(&self, sightings: &[Sighting]) -> Identity {
        let found: Vec<(&Answer, &Observation)> = sightings.iter().filter_map(|sighting| sighting.find(self.discovered)).collect();
        let first = found.first().map(|(_, observation)| *observation);
        let seen = |(answer, observation): &(&Answer, &Observation)| {
            let others = found.iter().filter(|(_, other)| !std::ptr::eq(*other, *observation));
            let joined = others.filter_map(|(_, other)| self.first_same(other, observation)).min_by_key(|(strength, _)| *strength);
            let (rule, shared) = joined.map_or((None, Vec::new()), |(_, rule)| {
                (Some(rule.name.clone()), self.shown(&observation.class, self.rules.values(rule, self.thing(observation))))
            });
            Seen { source: answer.source.clone(), key: observation.key.clone(), name: observation.name.clone(), rule, shared, speaks: true }
        };
        let class = first.map(|observation| observation.class.clone()).unwrap_or_default();
        Identity {
            item: None,
            names: found.iter().flat_map(|(_, observation)| self.names(&observation.class, self.thing(observation))).collect(),
            rules: first.map(|observation| self.asked(&class, self.thing(observation))).unwrap_or_default(),
            sightings: found.iter().map(seen).collect(),
            refused: Vec::new(),
            class,
        }
    }

    fn thing<'o>(&'o self, observation: &'o Observation) -> Thing<'o> {
        observed(self.rules, observation)
    }

    fn is_called(&self, sightings: &[Sighting], name: &str) -> bool {
        sightings.iter().filter_map(|sighting| sighting.find(self.discovered)).any(|(_, observation)| *observation.name == *name || *observation.key == *name)
    }

    fn names(&self, class: &str, thing: Thing) -> Vec<Name> {
        let class = self.estate.classes.get(class);
        let name = |(identifier, value): (&Text, &Text)| Name {
            identifier: identifier.clone(),
            value: value.clone(),
            compared: normal_form(class, identifier, value).map(std::borrow::Cow::into_owned),
        };
        thing.identifiers.iter().map(name).collect()
    }

    fn asked(&self, class: &str, thing: Thing) -> Vec<Asked> {
        let rules = self.rules.of(thing.kind).iter().filter_map(|rule| self.rules.all.get(*rule));
        rules.map(|rule| Asked { rule: rule.name.clone(), values: self.shown(class, self.rules.values(rule, thing)) }).collect()
    }

    /// Values as `Rule::values` gives them, without what the class calls sensitive (rule 8).
    fn shown(&self, class: &str, values: Vec<String>) -> Vec<String> {
        let Some(class) = self.estate.classes.get(class) else { return values };
        let is_sensitive = |name: &str| class.rules.fields.get(name).is_some_and(|rules| rules.rule.sensitive);
        let one = |value: String| match value.split_once(' ') {
            Some((name, _)) if is_sensitive(name) => format!("{name} (sensitive)"),
            _ => value,
        };
        values.into_iter().map(one).collect()
    }

    fn seen(&self, item: &Declared<ConfigurationItemSpec>, found: Match) -> Option<Seen> {
        let (answer, observation) = found.sighting.find(self.discovered)?;
        let rule = self.rules.all.get(usize::from(found.rule));
        let (known, thing) = (declared(self.rules, item), observed(self.rules, observation));
        let of_item = rule.map(|rule| self.rules.values(rule, known)).unwrap_or_default();
        let mut shared = rule.map(|rule| self.rules.values(rule, thing)).unwrap_or_default();
        let direct = shared.iter().any(|value| of_item.contains(value));
        shared.retain(|value| !direct || of_item.contains(value));
        let shared = self.shown(&item.spec.class, shared);
        let by = self.correlation.rule(found.rule).to_owned();
        let rule = Some(if direct || rule.is_none() { by } else { format!("{by}, by what another source knows of the item") });
        Some(Seen { source: answer.source.clone(), key: observation.key.clone(), name: observation.name.clone(), rule, shared, speaks: found.speaks })
    }

    /// The strongest rule by which two observations are one.
    fn first_same(&self, one: &Observation, other: &Observation) -> Option<(usize, &Rule)> {
        let (one, other) = (Chunk::of(self.rules, self.thing(one)), Chunk::of(self.rules, self.thing(other)));
        let (one, other) = (one.get(0), other.get(0));
        let kind = self.rules.special(one.kind, other.kind)?;
        let mut rules = self.rules.of(kind).iter().filter_map(|rule| self.rules.all.get(*rule)).enumerate();
        rules.find(|(_, rule)| rule.verdict(one, other) == Verdict::Same)
    }

    fn refused(&self, place: usize, item: &Declared<ConfigurationItemSpec>) -> Vec<Refused> {
        let matched: std::collections::HashSet<Sighting> = self.correlation.of(place).iter().map(|found| found.sighting).collect();
        let answers = self.discovered.answers.iter().enumerate();
        let sightings = answers
            .flat_map(|(number, answer)| (0..answer.items.len()).map(move |index| Sighting { answer: super::index(number), index: super::index(index) }));
        let mut refused: Vec<Refused> =
            sightings.filter(|sighting| !matched.contains(sighting)).filter_map(|sighting| self.refusal(item, sighting)).take(REFUSED).collect();
        refused.sort_by(|one, other| (&one.source, &one.key).cmp(&(&other.source, &other.key)));
        refused
    }

    fn refusal(&self, item: &Declared<ConfigurationItemSpec>, sighting: Sighting) -> Option<Refused> {
        let (answer, observation) = sighting.find(self.discovered)?;
        let (known, thing) = (declared(self.rules, item), observed(self.rules, observation));
        let (of_item, of_thing) = (Chunk::of(self.rules, known), Chunk::of(self.rules, thing));
        let verdict = |rule: &Rule| rule.verdict(of_item.get(0), of_thing.get(0));
        let kind = self.rules.special(known.kind, thing.kind)?;
        let rules: Vec<&Rule> = self.rules.of(kind).iter().filter_map(|rule| self.rules.all.get(*rule)).collect();
        let (strength, rule, said) = rules.iter().enumerate().find_map(|(strength, rule)| match verdict(rule) {
            said @ (Verdict::Same | Verdict::Unsure) => Some((strength, *rule, said)),
            Verdict::Different | Verdict::Silent => None,
        })?;
        let veto = rules.iter().take(strength).find(|rule| verdict(rule) == Verdict::Different);
        let why = if let Some(veto) = veto {
            let shown = |thing: Thing| self.shown(&item.spec.class, self.rules.values(veto, thing)).join(", ");
            format!("{} is asked before and says that they are two: {} against {}", veto.name, shown(known), shown(thing))
        } else if rule.reusable && item.spec.lifecycle == Lifecycle::Retired {
            "the item is retired, and a name or an address is given to the next thing".to_owned()
        } else if let Some(other) = self.other_item(sighting) {
            format!("it is {other}")
        } else if let Some(doubt) = self.correlation.ambiguities.iter().find(|doubt| doubt.sighting == sighting) {
            if doubt.doubt == Doubt::Copied {
                return Some(refused(answer, observation, rule, "everything weaker that both say differs, so that it may be a copy".to_owned()));
            }
            let names: Vec<&str> = doubt.items.iter().filter_map(|place| Some(&*self.estate.items.get(*place as usize)?.name)).collect();
            format!("it may be {}, and nothing is guessed", names.join(" or "))
        } else if said == Verdict::Unsure {
            "only one of them says within what it is".to_owned()
        } else if rule.copied {
            "another record of this source has it as well, and what is weaker speaks for that one".to_owned()
        } else {
            "too many items share this, so that it identifies none".to_owned()
        };
        Some(refused(answer, observation, rule, why))
    }

    fn other_item(&self, sighting: Sighting) -> Option<String> {
        let found = self.correlation.matches().iter().find(|found| found.sighting == sighting)?;
        let item = self.estate.items.get(found.item as usize)?;
        Some(format!("{}, by {}", item.name, self.correlation.rule(found.rule)))
    }
}

fn refused(answer: &Answer, observation: &Observation, rule: &Rule, why: String) -> Refused {
    Refused { source: answer.source.clone(), key: observation.key.clone(), name: observation.name.clone(), rule: rule.name.clone(), why }
}
