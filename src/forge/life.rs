//! The life of a change request, the same on every forge.
//!
//! ```text
//!              drift changed, base conflicts: rewritten
//!                     ┌──────┐
//!  (drift) ── opened ─┴─ Open ── merged ── Approved ── drift gone ── Done
//!                          │                   └── window passed ── Overdue
//!                          ├── drift gone ── Closed
//!                          └── closed by a person ── Rejected ── drift changed, or time passed ── opened anew
//! ```
//!
//! [`decide`] is a pure function from what stands and what is wanted to the steps that are left; [`settle`] takes them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Error, Forge, HOLD_LABEL, Hold, Listing, Marker, Note, Pass, REBUILD_LABEL, Request, State};
use crate::api::Text;
use crate::api::estate::{Changes, RebaseWhen};
use crate::change::Change;
use crate::drift::finding::FindingKind;
use crate::estate::Estate;
use crate::plan::Plan;

/// How long a rejected change stays rejected where the estate does not say: 90 days.
const REJECTED_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);
/// What `max_per_hour` counts over.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// What a board reads when the drift is gone.
const GONE: &str = "What is declared and what was found agree again, or another change request answers it now.";

/// How much may be proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many requests may be open at once.
    pub max_open: u32,
    /// How many may be opened within 60 minutes.
    pub max_per_hour: u32,
    /// How long a rejected change stays rejected while its drift stays the same.
    pub rejected_for: SignedDuration,
    /// When a moved base is a reason to build an open request anew.
    pub rebase_when: RebaseWhen,
}

impl From<&Changes> for Limits {
    fn from(changes: &Changes) -> Self {
        let rejected_for = changes.rejected_for.as_ref().map_or(REJECTED_FOR, |period| SignedDuration::from_secs(period.seconds()));
        Self { max_open: changes.max_open, max_per_hour: changes.max_per_hour, rejected_for, rebase_when: changes.rebase_when }
    }
}

/// What this pass knows too little about. A request that rests on it is left as it is: that its drift is no longer seen
/// proves nothing (rules 2 and 5).
#[derive(Clone, Debug, Default)]
pub struct Doubt {
    sources: BTreeSet<Text>,
    unreadable: Vec<Text>,
}

impl Doubt {
    /// Nothing is in doubt.
    pub fn none() -> Self {
        Self::default()
    }

    /// These sources did not say everything.
    pub fn about_sources(sources: impl IntoIterator<Item = Text>) -> Self {
        Self { sources: sources.into_iter().collect(), unreadable: Vec::new() }
    }

    /// What a plan leaves in doubt: sources that were incomplete or are held, and documents that could not be read.
    pub fn of(estate: &Estate, plan: &Plan) -> Self {
        let incomplete = plan.sources.iter().filter(|source| !source.complete).map(|source| source.name.clone());
        let held = plan.findings.iter().filter(|finding| finding.kind == FindingKind::MassAbsence).map(|finding| finding.item.clone());
        let unreadable = estate.unreadable.iter().map(|document| estate.text(document.origin).into()).collect();
        Self { sources: incomplete.chain(held).collect(), unreadable }
    }

    /// Whether anything is.
    pub fn is_any(&self) -> bool {
        !self.sources.is_empty() || !self.unreadable.is_empty()
    }

    /// Why nothing can be concluded about a request, if so.
    fn about(&self, request: &Request) -> Option<String> {
        let sources = &request.marker.sources;
        let source = self.sources.iter().find(|source| sources.is_empty() || sources.contains(source));
        if let Some(source) = source {
            return Some(format!("the source `{source}` did not say everything"));
        }
        if request.marker.items_cut_short() && !self.unreadable.is_empty() {
            return Some("a document of the estate cannot be read".to_owned());
        }
        let item = request.marker.items.iter().find(|item| self.unreadable.iter().any(|text| !item.is_empty() && text.contains(&***item)));
        item.map(|item| format!("a document that speaks of `{item}` cannot be read"))
    }
}

/// One thing to do about one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The request.
    pub key: Text,
    /// What is done.
    pub action: Action,
}

/// What can be done about a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Opened, anew if there was one before.
    Open,
    /// What its opening left undone.
    Finish,
    /// Its title and body replaced, and its commit unless only the words differ.
    Rewrite(Why),
    /// Closed, and its branch deleted.
    Close {
        /// What the board reads.
        reason: String,
    },
    /// Something said about it, once.
    Note {
        /// What.
        note: Note,
        /// In words.
        text: String,
    },
}

/// Why a request is rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Why {
    /// What it proposes is no longer so.
    DriftChanged,
    /// What it proposes is the same, but told in other words. Its branch stays, and with it approvals.
    Reworded,
    /// The base branch has moved, and it conflicts or the estate wants it on the newest.
    BaseMoved,
    /// A label asks for it.
    Asked,
}

/// How things stand with a change after a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Standing {
    /// It waits for the board.
    Proposed,
    /// It waits for a slot.
    Waiting {
        /// Which limit is reached.
        reason: String,
    },
    /// A person has committed to it; Bowline no longer updates it.
    HandsOff,
    /// A working tree has its branch checked out, a label holds it, or a person opened it again; it is not updated for as
    /// long.
    Held,
    /// It conflicts with its base branch, and the estate says that it is not built anew by itself.
    Conflicts,
    /// The drift is gone, but a person has committed to it, so it is left.
    Abandoned,
    /// This pass knows too little to say.
    InDoubt {
        /// Why.
        reason: String,
    },
    /// A person closed it.
    Rejected {
        /// Until when it stays so while the drift is the same.
        until: Timestamp,
        /// Who, where known.
        who: Option<Text>,
        /// Why, where known.
        reason: Option<String>,
    },
    /// Merged; the drift is still there.
    Approved,
    /// Merged; its window has passed and the drift is still there.
    Overdue,
    /// Merged, and the drift is gone.
    Done,
    /// The drift went before it was decided.
    Closed,
    /// Its record cannot be read.
    Unreadable {
        /// What is wrong.
        message: String,
    },
}

/// What [`decide`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decided {
    /// What is to be done, in this order: notes and closings by key, then rewrites by key, then openings, riskiest first.
    pub steps: Vec<Step>,
    /// How things will stand, by key.
    pub standings: BTreeMap<Text, Standing>,
}

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The steps that were taken, in order.
    pub done: Vec<Step>,
    /// The steps that could not be taken, in order.
    pub failed: Vec<Failure>,
    /// How things stand, by key. A failed step's key stands as before.
    pub standings: BTreeMap<Text, Standing>,
    /// The sources that were held and whose answers a person has confirmed on the dashboard. The next pass believes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub confirmed: Vec<Text>,
}

impl Outcome {
    /// The changes that wait for a slot, and why.
    pub fn waiting(&self) -> impl Iterator<Item = (&Text, &str)> {
        self.standings.iter().filter_map(|(key, standing)| match standing {
            Standing::Waiting { reason } => Some((key, reason.as_str())),
            _ => None,
        })
    }
}

/// A step that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// Why not.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Brings the forge to what is wanted. A second call with nothing new takes no step. `asked` are keys that a person wants
/// proposed now, whatever the limits or an earlier rejection say.
///
/// # Errors
/// When the requests cannot be listed. A step that fails is told in the outcome, and the others are still taken.
pub async fn settle(forge: &dyn Forge, changes: &[Change], doubt: &Doubt, asked: &BTreeSet<Text>, limits: &Limits, pass: Pass<'_>) -> Result<Outcome, Error> {
    forge.recover(pass).await?;
    let mut listing = forge.list(pass).await?;
    probe(forge, &mut listing, changes, pass).await?;
    let decided = decide(&listing, changes, doubt, asked, limits, pass);
    let mut outcome = Outcome { standings: decided.standings, ..Outcome::default() };
    let mut steps = decided.steps.into_iter();
    while let Some(step) = steps.next() {
        let Err(error) = take(forge, &listing, changes, &step, pass).await else {
            outcome.done.push(step);
            continue;
        };
        let (ends, stopped) = (error.concerns_all(), matches!(error, Error::Stopped));
        let (message, hint) = (error.to_string(), error.hint());
        let untaken = if ends { steps.by_ref().collect() } else { Vec::new() };
        for step in std::iter::once(step).chain(untaken) {
            outcome.standings.remove(&step.key);
            // What was not begun because it is to stop has not failed: the next pass takes it.
            if !stopped {
                outcome.failed.push(Failure { step, message: message.clone(), hint: hint.clone() });
            }
        }
    }
    Ok(outcome)
}

/// Asks whether requests conflict, for those where it is possible: a base that has moved in the very files.
async fn probe(forge: &dyn Forge, listing: &mut Listing, changes: &[Change], pass: Pass<'_>) -> Result<(), Error> {
    let wanted: BTreeMap<&Text, &Change> = changes.iter().map(|change| (&change.key, change)).collect();
    for request in &mut listing.requests {
        let Some(change) = wanted.get(request.key()) else { continue };
        let untouched = request.state == State::Open && request.hold.is_none();
        if untouched && behind(request, pass) && change.basis != request.marker.basis {
            request.conflicts = forge.conflicts(request, pass).await?;
        }
    }
    Ok(())
}

/// Whether the base has moved since the request was built.
fn behind(request: &Request, pass: Pass<'_>) -> bool {
    pass.base.is_some_and(|base| base != request.base)
}

async fn take(forge: &dyn Forge, listing: &Listing, changes: &[Change], step: &Step, pass: Pass<'_>) -> Result<(), Error> {
    let unknown = || Error::Unknown { key: step.key.to_string() };
    let request = || listing.find(&step.key).ok_or_else(unknown);
    let change = || changes.iter().find(|change| change.key == step.key).ok_or_else(unknown);
    match &step.action {
        Action::Open => forge.open(change()?, pass).await,
        Action::Finish => forge.finish(request()?, change()?, pass).await,
        Action::Rewrite(why) => forge.rewrite(request()?, change()?, *why, pass).await,
        Action::Close { reason } => forge.close(request()?, reason, pass).await,
        Action::Note { note, text } => forge.note(request()?, *note, text, pass).await,
    }
}

/// What is to be done about every request, and how things stand then. Pure.
pub fn decide(listing: &Listing, wanted: &[Change], doubt: &Doubt, asked: &BTreeSet<Text>, limits: &Limits, pass: Pass<'_>) -> Decided {
    let wanted: BTreeMap<&Text, &Change> = wanted.iter().map(|change| (&change.key, change)).collect();
    let existing: BTreeMap<&Text, &Request> = listing.requests.iter().map(|request| (request.key(), request)).collect();
    let broken: BTreeMap<&Text, &str> = listing.problems.iter().map(|problem| (&problem.key, problem.message.as_str())).collect();
    let keys: BTreeSet<&Text> = wanted.keys().chain(existing.keys()).chain(broken.keys()).copied().collect();

    let (mut endings, mut rewrites, mut openings, mut at_once) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let rules = Rules { doubt, asked, limits, pass };
    let mut decided = Decided::default();
    for key in keys {
        if let Some(message) = broken.get(key) {
            decided.standings.insert(key.clone(), Standing::Unreadable { message: (*message).to_owned() });
            continue;
        }
        let (request, change) = (existing.get(key).copied(), wanted.get(key).copied());
        match judge(request, change, &rules) {
            Verdict::Past => {}
            Verdict::Open(change) if asked.contains(key) => at_once.push(change),
            Verdict::Open(change) => openings.push(change),
            Verdict::Stands(standing) => drop(decided.standings.insert(key.clone(), standing)),
            Verdict::Act(action, standing) => {
                decided.standings.insert(key.clone(), standing);
                let steps = if matches!(action, Action::Rewrite(_) | Action::Finish) { &mut rewrites } else { &mut endings };
                steps.push(Step { key: key.clone(), action });
            }
        }
    }
    let open = |key: &Text| existing.get(key).is_some_and(|request| request.state == State::Open);
    let closing = endings.iter().filter(|step| matches!(step.action, Action::Close { .. }) && open(&step.key)).count();
    decided.steps = endings;
    decided.steps.append(&mut rewrites);
    for change in &at_once {
        decided.steps.push(Step { key: change.key.clone(), action: Action::Open });
        decided.standings.insert(change.key.clone(), Standing::Proposed);
    }
    let open = (listing.requests.iter().filter(|request| request.state == State::Open).count() + at_once.len()).saturating_sub(closing);
    open_what_fits(&mut decided, openings, open, opened_lately(listing, pass.now) + at_once.len(), limits);
    decided
}

/// What one pass knows besides requests and changes.
struct Rules<'a> {
    doubt: &'a Doubt,
    asked: &'a BTreeSet<Text>,
    limits: &'a Limits,
    pass: Pass<'a>,
}

/// What is to become of one key.
enum Verdict<'a> {
    /// Nothing is left of it but history.
    Past,
    Stands(Standing),
    Act(Action, Standing),
    Open(&'a Change),
}

fn judge<'a>(request: Option<&Request>, change: Option<&'a Change>, rules: &Rules) -> Verdict<'a> {
    let Some(request) = request else {
        return change.map_or(Verdict::Past, Verdict::Open);
    };
    match request.state {
        State::Open => judge_open(request, change, rules),
        State::Merged => judge_merged(request, change, rules),
        State::Rejected => judge_rejected(request, change, rules),
        State::Closed => match change {
            Some(change) => Verdict::Open(change),
            // What is left of it goes, too; no more is said.
            None if request.leftover => Verdict::Act(Action::Close { reason: GONE.into() }, Standing::Closed),
            None => Verdict::Past,
        },
    }
}

fn judge_open<'a>(request: &Request, change: Option<&'a Change>, rules: &Rules) -> Verdict<'a> {
    let doubt = rules.doubt;
    let labelled = |name: &str| request.labels.iter().any(|label| **label == *name);
    let hold = if labelled(HOLD_LABEL) { Some(Hold::Asked) } else { request.hold };
    let asked = change.is_some() && labelled(REBUILD_LABEL);
    match hold {
        Some(Hold::Edited) if !asked => {
            if let Some(reason) = doubt.about(request).filter(|_| change.is_none()) {
                return Verdict::Stands(Standing::InDoubt { reason });
            }
            return hands_off(request, change.is_some());
        }
        Some(Hold::Reopened) if asked => {}
        Some(Hold::CheckedOut | Hold::Asked | Hold::Reopened) => return Verdict::Stands(Standing::Held),
        _ => {}
    }
    if let Some(reason) = doubt.about(request).filter(|_| change.is_none_or(|change| change.fingerprint != request.marker.fingerprint)) {
        return Verdict::Stands(Standing::InDoubt { reason });
    }
    let Some(change) = change else {
        return Verdict::Act(Action::Close { reason: GONE.into() }, Standing::Closed);
    };
    let rebase = rebase(request, rules);
    let why = if asked {
        Why::Asked
    } else if change.content != request.marker.content {
        Why::DriftChanged
    } else if rebase == Some(true) {
        Why::BaseMoved
    } else if change.fingerprint != request.marker.fingerprint {
        Why::Reworded
    } else if request.unfinished {
        return Verdict::Act(Action::Finish, Standing::Proposed);
    } else {
        return Verdict::Stands(if rebase.is_some() { Standing::Conflicts } else { Standing::Proposed });
    };
    Verdict::Act(Action::Rewrite(why), Standing::Proposed)
}

/// Whether a moved base is a reason to build the request anew; `Some(false)`: it conflicts, and the estate wants it left.
fn rebase(request: &Request, rules: &Rules) -> Option<bool> {
    match rules.limits.rebase_when {
        RebaseWhen::Never => request.conflicts.then_some(false),
        RebaseWhen::Behind if behind(request, rules.pass) => Some(true),
        RebaseWhen::Behind | RebaseWhen::Conflicted => request.conflicts.then_some(true),
    }
}

/// A person has committed to it: said once, and again once when the drift is gone.
fn hands_off<'a>(request: &Request, wanted: bool) -> Verdict<'a> {
    let (note, standing, text) = if wanted {
        let text = "Somebody has committed to this branch, so Bowline no longer updates it. Merge it or close it as it is; \
                    when it is closed, the change is proposed again once its drift changes.";
        (Note::HandsOff, Standing::HandsOff, text.to_owned())
    } else {
        let text = format!("{GONE} Somebody has committed to this branch, so it is left open: merge it or close it as you see fit.");
        (Note::Abandoned, Standing::Abandoned, text)
    };
    note_once(request, note, standing, text)
}

fn note_once<'a>(request: &Request, note: Note, standing: Standing, text: String) -> Verdict<'a> {
    if request.noted(note) { Verdict::Stands(standing) } else { Verdict::Act(Action::Note { note, text }, standing) }
}

fn judge_merged<'a>(request: &Request, change: Option<&'a Change>, rules: &Rules) -> Verdict<'a> {
    let (doubt, now) = (rules.doubt, rules.pass.now);
    if request.noted(Note::Done) {
        // What was approved has been done, so this is new drift, even if it looks the same.
        return change.map_or(Verdict::Past, Verdict::Open);
    }
    match change {
        Some(change) if drift_of(change) != request.marker.drift => match doubt.about(request) {
            Some(reason) => Verdict::Stands(Standing::InDoubt { reason }),
            None => Verdict::Open(change),
        },
        Some(_) if request.marker.due.is_some_and(|due| due < now) => {
            let text = "This was approved and its window has passed, but the drift is still there. Carry it out, or undo the approval.".to_owned();
            note_once(request, Note::Overdue, Standing::Overdue, text)
        }
        Some(_) => Verdict::Stands(Standing::Approved),
        None => match doubt.about(request) {
            Some(reason) => Verdict::Stands(Standing::InDoubt { reason }),
            None => note_once(request, Note::Done, Standing::Done, "It is done: what is declared and what was found agree again.".to_owned()),
        },
    }
}

fn judge_rejected<'a>(request: &Request, change: Option<&'a Change>, rules: &Rules) -> Verdict<'a> {
    let Rules { doubt, limits, pass: Pass { now, .. }, .. } = *rules;
    let Some(change) = change else { return Verdict::Past };
    if rules.asked.contains(&change.key) {
        return Verdict::Open(change);
    }
    let decision = request.decision.as_ref();
    let at = decision.map_or(request.updated, |decision| decision.at);
    let until = at.checked_add(limits.rejected_for).unwrap_or(Timestamp::MAX);
    if now >= until {
        return Verdict::Open(change);
    }
    if drift_of(change) != request.marker.drift {
        return match doubt.about(request) {
            Some(reason) => Verdict::Stands(Standing::InDoubt { reason }),
            None => Verdict::Open(change),
        };
    }
    let who = decision.and_then(|decision| decision.who.clone());
    let reason = decision.and_then(|decision| decision.reason.clone());
    Verdict::Stands(Standing::Rejected { until, who, reason })
}

fn drift_of(change: &Change) -> Text {
    Marker::of("", change).drift
}

fn opened_lately(listing: &Listing, now: Timestamp) -> usize {
    let hour_ago = now.checked_sub(HOUR).unwrap_or(Timestamp::MIN);
    listing.requests.iter().filter(|request| request.opened > hour_ago).count()
}

/// Opens the riskiest first while there are slots; the rest waits.
fn open_what_fits(decided: &mut Decided, mut openings: Vec<&Change>, open: usize, recent: usize, limits: &Limits) {
    let free = (limits.max_open as usize).saturating_sub(open);
    let in_hour = (limits.max_per_hour as usize).saturating_sub(recent);

    openings.sort_by_key(|change| (Reverse(change.risk.level), Reverse(change.risk.score), change.key.clone()));
    for (place, change) in openings.into_iter().enumerate() {
        let standing = if place >= free {
            Standing::Waiting { reason: format!("{} change requests are open already (maxOpen)", limits.max_open) }
        } else if place >= in_hour {
            Standing::Waiting { reason: format!("{} change requests were opened within the last hour already (maxPerHour)", limits.max_per_hour) }
        } else {
            decided.steps.push(Step { key: change.key.clone(), action: Action::Open });
            Standing::Proposed
        };
        decided.standings.insert(change.key.clone(), standing);
    }
}
