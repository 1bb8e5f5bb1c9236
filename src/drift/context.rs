//! What every kind of drift looks at: the estate, what was said, and what its sources may say.

use jiff::{SignedDuration, Timestamp};

use super::compare::rules_along;
use super::targets::Targets;
use super::{Finding, FindingKind, Severity};
use crate::api::{ConfigurationItemSpec, Lifecycle, OnDrift, Selector, Table, Text, Value};
use crate::discovery::{Answer, Discovered, Observation};
use crate::estate::class::AttributeRules;
use crate::estate::select::{Matcher, Subject};
use crate::estate::{Class, Declared, Estate, Mentions};
use crate::identity::{Correlation, Match, Sighting};
use crate::impact::ServiceGraph;

/// A declared item.
pub(super) type Item = Declared<ConfigurationItemSpec>;

/// Everything that a kind of drift looks at.
pub(super) struct Context<'a> {
    pub(super) estate: &'a Estate,
    pub(super) discovered: &'a Discovered,
    pub(super) correlation: &'a Correlation,
    /// One for each answer.
    pub(super) sources: Vec<Source<'a>>,
    /// What the sources cover that were not asked this time.
    unasked: Vec<Matcher>,
    graph: Option<ServiceGraph>,
    /// Which item a relation leads to.
    pub(super) targets: Targets<'a>,
    /// What the documents that could not be read speak of.
    pub(super) unread: Mentions<'a>,
}

/// A source that was asked, and what it may say.
pub(super) struct Source<'a> {
    pub(super) answer: &'a Answer,
    /// Its place among the answers.
    pub(super) place: u32,
    pub(super) priority: i32,
    pub(super) may_insert: bool,
    /// Whether all that it says is stale, as of a scan or an export that was not made anew: it knows nothing of what is absent now.
    pub(super) is_old: bool,
    /// What was seen before this is stale.
    fresh_from: Timestamp,
    scope: Matcher,
}

impl<'a> Context<'a> {
    pub(super) fn new(estate: &'a Estate, discovered: &'a Discovered, correlation: &'a Correlation, now: Timestamp) -> Self {
        let sources: Vec<Source> = (0..).zip(&discovered.answers).map(|(place, answer)| Source::new(estate, place, answer, now)).collect();
        let asked = |name: &Text| discovered.answers.iter().any(|answer| answer.source == *name);
        let unasked = estate.sources.iter().filter(|source| !source.spec.suspend && !asked(&source.name));
        let unasked: Vec<Matcher> = unasked.map(|source| Matcher::new(&source.spec.scope)).collect();
        let needs_services = sources.iter().map(|source| &source.scope).chain(&unasked).any(Matcher::needs_services);
        let graph = needs_services.then(|| ServiceGraph::new(estate));
        Self { estate, discovered, correlation, sources, unasked, graph, targets: Targets::new(estate, discovered, correlation), unread: Mentions::new(estate) }
    }

    /// Whether the scope of this source covers the item.
    pub(super) fn covers(&self, source: &Source, item: &Item) -> bool {
        self.in_scope(&source.scope, item)
    }

    /// Whether a source that is silent now spoke of this attribute not longer ago than its facts last. Where nothing is
    /// known of it, `unknown` is the answer.
    pub(super) fn was_heard(&self, source: &Source, class: &str, attribute: &str, unknown: bool) -> bool {
        let history = &self.discovered.history;
        let name = &source.answer.source;
        let Some(last) = history.sources.get(name) else { return unknown };
        let spoke = history.spoken.get(name).is_none_or(|classes| {
            let related = |known: &str| known == class || self.estate.classes.is_a(class, known) || self.estate.classes.is_a(known, class);
            classes.iter().any(|(known, attributes)| related(known) && attributes.contains(attribute))
        });
        spoke && last.at >= source.fresh_from
    }

    /// Whether a source that was not asked this time could have seen the item.
    pub(super) fn unasked_covers(&self, item: &Item) -> bool {
        self.unasked.iter().any(|scope| self.in_scope(scope, item))
    }

    fn in_scope(&self, scope: &Matcher, item: &Item) -> bool {
        let services = self.graph.as_ref().map(|graph| graph.services_of(&item.name)).unwrap_or_default();
        scope.matches(&self.estate.classes, &Subject::item(item, services))
    }

    /// The source and the observation of a sighting.
    pub(super) fn look(&self, sighting: Sighting) -> Option<(&Source<'a>, &'a Observation)> {
        let source = self.sources.get(sighting.answer as usize)?;
        Some((source, source.answer.items.get(sighting.index as usize)?))
    }

    /// Whether everything that was seen of an item is stale; no where nothing was seen.
    pub(super) fn only_stale(&self, matches: &[Match]) -> bool {
        !matches.is_empty() && matches.iter().filter_map(|found| self.look(found.sighting)).all(|(source, observation)| source.is_stale(observation))
    }

    pub(super) fn class_of(&self, item: &Item) -> Option<&'a Class> {
        self.estate.classes.get(&item.spec.class)
    }

    /// What to do about drift of the item as a whole.
    pub(super) fn action(&self, item: &Item) -> OnDrift {
        let own = item.spec.on_drift.as_ref().and_then(|policy| policy.fallback);
        own.or_else(|| self.action_of_class(&item.spec.class)).unwrap_or_default()
    }

    /// What to do about drift of things of a class, where the class or the estate says.
    pub(super) fn action_of_class(&self, class: &str) -> Option<OnDrift> {
        self.estate.classes.get(class).and_then(|class| class.on_drift).or(self.estate.spec.on_drift.fallback)
    }

    /// What to do about drift at `path` of the item, for example `os.version` or `relations.RunsOn`. The nearest that says
    /// wins: the item for the path, the item, the class for the attribute, the class, the estate for the path, the estate;
    /// else what is descriptive is adopted and the rest is reported.
    pub(super) fn action_at(&self, item: &Item, path: &str) -> OnDrift {
        let rules = self.class_of(item).map(|class| rules_along(&class.rules, path)).unwrap_or_default();
        let own = item.spec.on_drift.as_deref();
        let estate = &self.estate.spec.on_drift;
        own.and_then(|policy| nearest(&policy.attributes, path).or(policy.fallback))
            .or_else(|| rules.iter().rev().find_map(|rules| rules.rule.on_drift))
            .or_else(|| self.class_of(item).and_then(|class| class.on_drift))
            .or_else(|| nearest(&estate.attributes, path).or(estate.fallback))
            .unwrap_or(if is_descriptive(&rules) { OnDrift::Adopt } else { OnDrift::Report })
    }

    /// Whether the item or the estate says that `path` (`attributes.tags`, `relations`) is not compared. A path stands for
    /// itself and what is below it, and for nothing else.
    pub(super) fn is_ignored(&self, item: &Item, path: &str) -> bool {
        let own = item.spec.on_drift.iter().flat_map(|policy| &policy.ignore);
        own.chain(&self.estate.spec.on_drift.ignore).any(|ignored| is_at_or_below(path, ignored))
    }

    /// A finding about a declared item, to be completed. Its place is that of `spec.{place}` in the item's document.
    pub(super) fn about_item(&self, kind: FindingKind, item: &Item, path: Option<&str>, place: &str) -> Finding {
        Finding {
            key: Finding::key_of(kind, &item.name, path),
            class: item.spec.class.clone(),
            owner: item.spec.owner.clone(),
            path: path.map(Text::from),
            at: Some(self.estate.locate(item.origin, &format!("spec.{place}"))),
            ..self.about(kind, &item.name)
        }
    }

    /// A finding about what is not declared, to be completed.
    #[allow(clippy::unused_self)] // reads as its sibling does
    pub(super) fn about(&self, kind: FindingKind, name: &Text) -> Finding {
        Finding {
            key: Finding::key_of(kind, name, None),
            fingerprint: "".into(),
            kind,
            item: name.clone(),
            class: "".into(),
            owner: None,
            path: None,
            declared: Value::Null,
            discovered: Value::Null,
            source: None,
            seen: None,
            severity: Severity::Medium,
            services: Vec::new(),
            at: None,
            action: OnDrift::Report,
            message: String::new(),
            rule: String::new(),
            remedy: String::new(),
            evidence: Vec::new(),
        }
    }
}

impl<'a> Source<'a> {
    fn new(estate: &Estate, place: u32, answer: &'a Answer, now: Timestamp) -> Self {
        let spec = estate.source(&answer.source).map(|source| &source.spec);
        let fresh_from = now.checked_sub(SignedDuration::from_secs(estate.stale_after(&answer.source))).unwrap_or(Timestamp::MIN);
        let mut source = Self {
            answer,
            place,
            is_old: false,
            fresh_from,
            priority: spec.map_or(0, |spec| spec.priority),
            may_insert: spec.and_then(|spec| spec.may_insert).unwrap_or(true),
            scope: spec.map_or_else(|| Matcher::new(&Selector::default()), |spec| Matcher::new(&spec.scope)),
        };
        source.is_old = !answer.items.is_empty() && answer.items.iter().all(|observation| source.is_stale(observation));
        source
    }

    /// When this source saw it.
    pub(super) fn seen(&self, observation: &Observation) -> Timestamp {
        observation.seen.unwrap_or(self.answer.at)
    }

    pub(super) fn is_stale(&self, observation: &Observation) -> bool {
        self.seen(observation) < self.fresh_from
    }

    /// Where it was seen, for people: the file or address, and the source's own key.
    pub(super) fn evidence(&self, observation: &Observation) -> Text {
        let place = if self.answer.evidence.is_empty() { &self.answer.source } else { &self.answer.evidence };
        if observation.key.is_empty() { place.clone() } else { format!("{place}: {}", observation.key).into() }
    }
}

/// Whether an item in this stage should be there: absent, it is missing.
pub(super) fn is_expected(item: &Item) -> bool {
    matches!(item.spec.lifecycle, Lifecycle::Operational | Lifecycle::Retiring)
}

/// Whether an item in this stage should not be there: found, it lingers.
pub(super) fn is_unexpected(item: &Item) -> bool {
    matches!(item.spec.lifecycle, Lifecycle::Planned | Lifecycle::Retired)
}

/// Whether the innermost of these rules that says so calls the attribute descriptive.
pub(super) fn is_descriptive(rules: &[&AttributeRules]) -> bool {
    rules.iter().any(|rules| rules.rule.descriptive)
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What the longest path says that is `path` or above it.
fn nearest(paths: &Table<OnDrift>, path: &str) -> Option<OnDrift> {
    paths.iter().filter(|(above, _)| is_at_or_below(path, above)).max_by_key(|(above, _)| above.len()).map(|(_, action)| *action)
}

/// Names for a sentence: `a`, `a and b`, `a, b and c`; of many the first few and how many more.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] if names.len() <= SHOWN => format!("{} and {last}", most.join(", ")),
        first => format!("{} and {} more", first.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "), names.len() - SHOWN),
    }
}
