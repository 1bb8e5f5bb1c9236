//! The drafts held against the answers they come from: what would be contradicted, mistaken or refused is taken out, so
//! that the first plan of what was imported shows nothing but what sources dispute.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::draft::{self, Draft};
use super::files::{self, NewFile};
use super::report::{LeftOut, Reason};
use crate::api::configuration_item::Relation;
use crate::api::{Table, Text, Value};
use crate::discovery::Discovered;
use crate::drift::{self, Finding, FindingKind, Targets};
use crate::estate::check::shared;
use crate::estate::{Estate, Severity, SourceFile, load};
use crate::identity::{self, Correlation, Sighting};

/// How often drafts are mended; what is contradicted still is left out.
const ROUNDS: usize = 6;

/// What stood before the drafts that are new: nothing of it may be disturbed by them.
pub(super) struct Settled<'a> {
    /// How many of the drafts, from the first, are settled.
    pub(super) number: usize,
    /// The estate with them.
    pub(super) whole: &'a Estate,
    /// What was found of it.
    pub(super) correlation: &'a Correlation,
}

/// The drafts that stand, some of them mended; those that are settled first.
pub(super) fn hold(
    estate: &Estate,
    discovered: &Discovered,
    drafts: Vec<Draft>,
    settled: &Settled,
    now: Timestamp,
    taken: &dyn Fn(&str) -> bool,
    left_out: &mut Vec<LeftOut>,
) -> Vec<Draft> {
    let mut trial = Trial { estate, discovered, now, settled: settled.number, before: Before::new(settled), drafts, left_out, round: 0 };
    // Each turn after the last round only takes drafts out, so there is an end.
    while trial.drafts.len() > trial.settled {
        while trial.mend() {
            trial.round += 1;
        }
        if !trial.read_again(taken) {
            break;
        }
    }
    trial.drafts
}

/// Which item was found where before the new drafts, by name.
struct Before {
    matched: Vec<(Sighting, Text)>,
    doubtful: BTreeSet<Text>,
}

impl Before {
    fn new(settled: &Settled) -> Self {
        let name = |item: u32| settled.whole.items.get(item as usize).map(|item| item.name.clone());
        let matched = settled.correlation.matches().iter().filter_map(|found| Some((found.sighting, name(found.item)?)));
        let doubtful = settled.correlation.ambiguities.iter().flat_map(|doubt| &doubt.items).filter_map(|item| name(*item));
        Self { matched: matched.collect(), doubtful: doubtful.collect() }
    }
}

/// The estate with the drafts as if they were declared.
pub(super) fn with(estate: &Estate, drafts: &[Draft]) -> Estate {
    let mut estate = estate.clone();
    estate.items.extend(drafts.iter().map(Draft::declared));
    estate.items.sort_by(|one, other| one.name.cmp(&other.name));
    estate
}

/// Which item is found where with the drafts.
struct Now<'t> {
    items: HashMap<&'t Text, u32>,
    matched: HashMap<Sighting, u32>,
    doubtful: BTreeSet<u32>,
}

impl<'t> Now<'t> {
    fn new(tried: &'t Estate, correlation: &Correlation) -> Self {
        Self {
            items: (0..).zip(&tried.items).map(|(place, item)| (&item.name, place)).collect(),
            matched: correlation.matches().iter().map(|found| (found.sighting, found.item)).collect(),
            doubtful: correlation.ambiguities.iter().flat_map(|doubt| doubt.items.iter().copied()).collect(),
        }
    }

    fn finds(&self, sighting: Sighting, name: &Text) -> bool {
        self.matched.get(&sighting).is_some_and(|found| self.items.get(name) == Some(found))
    }

    fn doubtful(&self) -> impl Iterator<Item = &'t Text> {
        self.items.iter().filter(|(_, item)| self.doubtful.contains(item)).map(|(name, _)| *name)
    }

    /// Why a draft cannot stand by itself.
    fn unfit(&self, draft: &Draft) -> Option<Reason> {
        let found = draft::sightings(draft).filter(|sighting| self.finds(*sighting, &draft.name)).count();
        let is_doubtful = self.items.get(&draft.name).is_some_and(|item| self.doubtful.contains(item));
        match found {
            0 => Some(Reason::NotIdentified),
            _ if found < draft.thing.seen.len() || is_doubtful => Some(Reason::Mistakable),
            _ => None,
        }
    }
}

struct Trial<'a> {
    estate: &'a Estate,
    discovered: &'a Discovered,
    now: Timestamp,
    /// Those that are settled come first.
    drafts: Vec<Draft>,
    settled: usize,
    before: Before,
    left_out: &'a mut Vec<LeftOut>,
    round: usize,
}

impl Trial<'_> {
    /// Tries the drafts once. Whether anything had to be mended.
    fn mend(&mut self) -> bool {
        let tried = with(self.estate, &self.drafts);
        if self.share_no_identifier(&tried) {
            return true;
        }
        let correlation = identity::correlate(&tried, self.discovered);
        if self.are_found_again(&tried, &correlation) {
            return true;
        }
        self.relate(&tried, &correlation);
        // The same items in the same order, so what was found is found of them.
        let tried = with(self.estate, &self.drafts);
        let findings = drift::find(&tried, self.discovered, &correlation, self.now);
        self.answer(&findings)
    }

    fn places(&self) -> HashMap<Text, usize> {
        self.drafts.iter().enumerate().map(|(place, draft)| (draft.name.clone(), place)).collect()
    }

    /// Takes out an identifier that several items would have, from each of them that is new.
    fn share_no_identifier(&mut self, tried: &Estate) -> bool {
        let places = self.places();
        let mut changed = false;
        for (identifier, items) in shared::identifiers(tried) {
            for name in items.iter().filter_map(|item| Some(&tried.items.get(*item as usize)?.name)) {
                let Some(draft) = self.new_draft(&places, name) else { continue };
                draft.does_not_share(identifier);
                changed = true;
            }
        }
        changed
    }

    fn new_draft(&mut self, places: &HashMap<Text, usize>, name: &Text) -> Option<&mut Draft> {
        let place = places.get(name).copied().filter(|place| *place >= self.settled)?;
        self.drafts.get_mut(place)
    }

    /// Takes out the new drafts that the same answers would not find again, or would mistake for something else, or take for
    /// what was found of another item before.
    fn are_found_again(&mut self, tried: &Estate, correlation: &Correlation) -> bool {
        let now = Now::new(tried, correlation);
        let new = |place: usize| place >= self.settled;
        let mut reasons: Vec<Option<Reason>> = self.drafts.iter().enumerate().map(|(place, draft)| now.unfit(draft).filter(|_| new(place))).collect();
        let lost: Vec<Sighting> = self.before.matched.iter().filter(|(sighting, name)| !now.finds(*sighting, name)).map(|(sighting, _)| *sighting).collect();
        let doubted = || now.doubtful().any(|name| !self.before.doubtful.contains(name) && !self.is_new(name));
        if reasons.iter().all(Option::is_none) && (!lost.is_empty() || doubted()) {
            // Those that took it; where that is only in doubt, any of them may be why.
            let took = |draft: &Draft| lost.iter().any(|sighting| now.finds(*sighting, &draft.name));
            let known = self.drafts.iter().skip(self.settled).any(took);
            let why = self.drafts.iter().enumerate().map(|(place, draft)| new(place) && (took(draft) || !known));
            reasons = why.map(|why| why.then_some(Reason::Mistakable)).collect();
        }
        self.leave_out(reasons)
    }

    fn is_new(&self, name: &Text) -> bool {
        self.drafts.iter().skip(self.settled).any(|draft| draft.name == *name)
    }

    /// Takes out each draft that has a reason for it; of new ones beside settled ones, all of them rather than a settled one.
    fn leave_out(&mut self, mut reasons: Vec<Option<Reason>>) -> bool {
        if reasons.iter().all(Option::is_none) {
            return false;
        }
        let number = self.settled.min(reasons.len());
        let (settled, new) = reasons.split_at_mut(number);
        if !new.is_empty() && settled.iter().any(Option::is_some) {
            settled.fill(None);
            if new.iter().all(Option::is_none) {
                new.fill(Some(Reason::Mistakable));
            }
        }
        self.settled = settled.iter().filter(|reason| reason.is_none()).count();
        for (draft, reason) in std::mem::take(&mut self.drafts).into_iter().zip(reasons) {
            match reason {
                None => self.drafts.push(draft),
                Some(reason) => self.left_out.push(LeftOut::of(self.discovered, &draft.thing, reason)),
            }
        }
        true
    }

    /// Relations as names: of what is declared, and of what is imported beside. Of sources that speak of one type, the best
    /// ones count.
    fn relate(&mut self, tried: &Estate, correlation: &Correlation) {
        let targets = Targets::new(tried, self.discovered, correlation);
        for draft in &mut self.drafts {
            let seen: Vec<_> = draft.thing.seen.iter().filter_map(|seen| Some((seen, seen.sighting.find(self.discovered)?.1))).collect();
            let mut best: BTreeMap<&Text, i32> = BTreeMap::new();
            for (seen, relation) in seen.iter().flat_map(|(seen, one)| one.relations.iter().map(move |relation| (seen, relation))) {
                // The first is of the highest priority.
                best.entry(&relation.kind).or_insert(seen.priority);
            }
            let (mut named, mut unnamed) = (BTreeSet::new(), Vec::new());
            for (seen, observation) in &seen {
                for relation in observation.relations.iter().filter(|relation| best.get(&relation.kind) == Some(&seen.priority)) {
                    match targets.of(seen.sighting.answer, &relation.to).and_then(|place| tried.items.get(place)) {
                        Some(item) if !draft.mute.contains(&relation.kind) && item.name != draft.name => {
                            named.insert(Relation { kind: relation.kind.clone(), to: item.name.clone() });
                        }
                        _ => unnamed.push(relation.kind.clone()),
                    }
                }
            }
            draft.relations = named.into_iter().collect();
            draft.unnamed = unnamed;
        }
    }

    /// Mends what the findings say of the drafts; what cannot be mended, or is not mended by now, is left out.
    fn answer(&mut self, findings: &[Finding]) -> bool {
        let places = self.places();
        let late = self.round >= ROUNDS;
        let mut reasons: Vec<Option<Reason>> = vec![None; self.drafts.len()];
        let mut changed = false;
        for finding in findings {
            let Some(place) = places.get(&finding.item).copied() else { continue };
            let (Some(draft), Some(reason)) = (self.drafts.get_mut(place), reasons.get_mut(place)) else { continue };
            let path = finding.path.as_deref().unwrap_or_default();
            match finding.kind {
                FindingKind::Stale => *reason = Some(Reason::Stale),
                FindingKind::Missing | FindingKind::Lingering => *reason = Some(Reason::Mistakable),
                FindingKind::Changed | FindingKind::Conflict | FindingKind::Relation if late => *reason = Some(Reason::Disputed),
                FindingKind::Changed => {
                    let Some(attribute) = path.strip_prefix("attributes.") else { continue };
                    changed = true;
                    // What another source says the truth about.
                    draft.attributes = changed_at(std::mem::take(&mut draft.attributes), attribute, Some(&finding.discovered));
                }
                FindingKind::Conflict => {
                    let Some(attribute) = path.strip_prefix("attributes.") else { continue };
                    changed = true;
                    draft.attributes = changed_at(std::mem::take(&mut draft.attributes), attribute, None);
                    draft.without.push((path.into(), Reason::Disputed, finding.discovered.clone()));
                }
                FindingKind::Relation => changed |= draft.mute.insert(path.strip_prefix("relations.").unwrap_or(path).into()),
                FindingKind::Undeclared | FindingKind::Ambiguous | FindingKind::Duplicate | FindingKind::MassAbsence | FindingKind::Certificate => {}
            }
        }
        self.leave_out(reasons) || changed
    }

    /// Reads the files that would be written, and takes out what would not be read as it was meant. Whether that was so.
    fn read_again(&mut self, taken: &dyn Fn(&str) -> bool) -> bool {
        let files = files::lay_out(self.estate, &self.drafts, taken);
        let paths: BTreeMap<Text, &NewFile> = files.iter().map(|file| (format!("{NEW}/{}", file.path).into(), file)).collect();
        let new = paths.iter().map(|(path, file)| SourceFile { path: path.clone(), text: file.text.as_str().into() });
        let estate = load::load(self.estate.files.iter().cloned().chain(new).collect(), None, Vec::new());
        let mut wrong: BTreeSet<Text> = BTreeSet::new();
        for problem in estate.diagnostics.iter().filter(|problem| problem.severity == Severity::Error) {
            if let Some(file) = problem.file.as_ref().and_then(|file| paths.get(file)) {
                wrong.extend(file.item_at(problem.line).cloned());
            }
        }
        let read = |draft: &Draft| {
            let declared = draft.declared();
            let item = estate.item(&draft.name).and_then(|place| estate.items.get(place));
            item.is_some_and(|item| item.spec == declared.spec && item.labels == declared.labels)
        };
        let reasons: Vec<Option<Reason>> =
            self.drafts.iter().map(|draft| (wrong.contains(&draft.name) || !read(draft)).then_some(Reason::Unwritable)).collect();
        self.leave_out(reasons)
    }
}

/// Where the new files stand while they are tried: no file of an estate does.
const NEW: &str = "//import";

/// The table with the value at the path set, or taken away with all that would be left empty.
fn changed_at(table: Table<Value>, path: &str, to: Option<&Value>) -> Table<Value> {
    let whole = table.contains(path);
    match path.split_once('.').filter(|_| !whole) {
        None => match to {
            Some(to) => table.with(path, to.clone()),
            None => table.without(path),
        },
        Some((first, rest)) => match table.get(first).and_then(Value::as_map).cloned() {
            None => table,
            Some(inner) => match changed_at(inner, rest, to) {
                inner if inner.is_empty() => table.without(first),
                inner => table.with(first, Value::Map(inner)),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_an_attribute_is_set_or_taken_away() {
        let map = |text: &str| -> Table<Value> { serde_yaml::from_str::<Value>(text).unwrap().as_map().cloned().unwrap() };
        let found = "{os: {name: debian, version: '12'}, a.b: 1, cpus: 4}";
        for (path, to, expected) in [
            ("os.version", Some("13"), "{os: {name: debian, version: '13'}, a.b: 1, cpus: 4}"),
            ("os.version", None, "{os: {name: debian}, a.b: 1, cpus: 4}"),
            ("a.b", None, "{os: {name: debian, version: '12'}, cpus: 4}"),
            ("cpus", None, "{os: {name: debian, version: '12'}, a.b: 1}"),
            ("nobody.knows", Some("x"), found),
        ] {
            assert_eq!(changed_at(map(found), path, to.map(Value::from).as_ref()), map(expected), "{path}");
        }
        assert_eq!(changed_at(map("{os: {name: debian}}"), "os.name", None), map("{}"));
    }
}
