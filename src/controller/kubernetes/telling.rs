//! What a pass has found, written where people see it: statuses, the mirror, events. Only what differs is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::apply::{Write, Writer, Written};
use super::events::{self, Notice, reason as notices};
use super::mirror::{Mirror, Said, Step};
use super::reading::Scene;
use super::shared::Shared;
use super::status::{self, About, Ending, Known, Tally};
use super::world::Entry;
use crate::api::status::{ConfigurationItemStatus, EstateStatus, condition, reason};
use crate::api::{Kind, Text};
use crate::controller::{Ended, Trouble};
use crate::estate::Estate;
use crate::forge::Note;
use crate::forge::life::{Action, Doubt, Outcome, Standing, Step as ForgeStep};
use crate::plan::Plan;

/// What a pass has found and done.
pub struct Found {
    /// What is declared.
    pub estate: Arc<Estate>,
    /// What differs, and what is proposed.
    pub plan: Plan,
    /// For each item whether it was found.
    pub seen: Vec<bool>,
    /// The commit, or the digest of the objects.
    pub revision: Text,
    /// What became of the change requests on the forge; none where none was asked, or it could not be.
    pub outcome: Option<Outcome>,
    /// The pages of the requests.
    pub urls: BTreeMap<Text, String>,
    /// The worst that the forge said.
    pub trouble: Trouble,
    /// How the pass ends.
    pub ending: Ending,
    /// Whether the estate has a forge.
    pub forge: bool,
}

/// Tells of one pass over one estate.
pub struct Telling<'a> {
    shared: &'a Shared,
    own: Arc<Entry>,
    objects: Vec<(Kind, Arc<Entry>)>,
    mirrors: Vec<Arc<Entry>>,
    writer: Writer,
    now: Timestamp,
}

impl<'a> Telling<'a> {
    /// Of a pass that begins now.
    pub fn new(shared: &'a Shared, scene: &Scene) -> Self {
        Self {
            shared,
            own: scene.own.clone(),
            objects: scene.objects.clone(),
            mirrors: scene.mirrors.clone(),
            writer: Writer::new(shared.settings.client.clone(), shared.watched.clone(), shared.stop.clone()),
            now: Timestamp::now(),
        }
    }

    /// The statuses of objects that nobody takes in, as far as they differ.
    pub fn writes_of_nobodys(objects: &[(Kind, Arc<Entry>)], in_git: bool, now: Timestamp) -> Vec<Write> {
        let message = if in_git {
            "The estates of this namespace are kept in git (spec.git), so its objects are not used."
        } else {
            "There is no Estate in this namespace, so it is not used."
        };
        let wanted = objects.iter().filter_map(|(kind, entry)| Some((*kind, entry, status::nobodys(about(*kind, entry), message, now)?)));
        wanted.filter_map(|(kind, entry, status)| differing(kind, entry, status)).collect()
    }

    /// The first pass over a specification says that it has begun.
    pub async fn begun(&self) {
        let standing = self.standing();
        if let Some(status) = status::begun(about(Kind::Estate, &standing), self.now) {
            self.write_estate(&standing, &status).await;
        }
    }

    /// Another estate takes in the namespace's objects.
    pub async fn conflict(&self, older: &str) -> Ended {
        let why = format!("The Estate {older} of this namespace is older and takes in its objects; remove one of the two, or give this one spec.git.");
        let ending = Ending { troubles: vec![(reason::CONFLICT, why)], stalled: true, retrying: false };
        self.end(&ending, &Tally::default()).await
    }

    /// The pass failed before there was a plan.
    pub async fn failed(&self, why: &'static str, message: &str) -> Ended {
        let ending = Ending { troubles: vec![(why, message.to_owned())], stalled: false, retrying: true };
        let tally = Tally { problems: vec![message.to_owned()], ..Tally::default() };
        let _ = self.end(&ending, &tally).await;
        Ended::Badly { until: None }
    }

    /// The pass has a plan.
    pub async fn found(&self, found: Found) -> Ended {
        let Found { estate, plan, seen, revision, outcome, urls, trouble, mut ending, forge } = found;
        let known = Known::new(&estate, &plan, &seen, self.now);
        let written = self.statuses(&known).await;
        let mut problems: Vec<String> = ending.troubles.iter().map(|(_, problem)| problem.clone()).collect();
        let mut unreachable = written.unreachable;
        problems.extend(written.refused);
        let in_doubt = Doubt::of(&estate, &plan).is_any();
        if !estate.spec.suspend && (outcome.is_some() || !forge) {
            let said = outcome.as_ref().map(|outcome| Said { standings: &outcome.standings, urls: &urls });
            let mirrored = self.mirror(&plan, said, in_doubt).await;
            unreachable |= mirrored.unreachable;
            problems.extend(mirrored.refused);
        }
        for step in outcome.iter().flat_map(|outcome| &outcome.done) {
            self.tell_step(step, &urls).await;
        }
        let (open, waiting) = tally(&plan, outcome.as_ref(), forge);
        ending.retrying = trouble.concerns_all || unreachable;
        let tally = Tally { plan: Some(&plan), revision: Some(revision), requested_at: self.own.requested_at.clone(), open, waiting, problems };
        let told = self.end(&ending, &tally).await;
        if unreachable {
            self.shared.watched.world().touch(&self.own.namespace);
        }
        if trouble.concerns_all || unreachable { Ended::Badly { until: trouble.until } } else { told }
    }

    /// Writes the statuses of the objects, and tells of those that have drifted or no longer do.
    async fn statuses(&self, known: &Known<'_>) -> Told {
        let wanted = self.objects.iter().filter_map(|(kind, entry)| Some((*kind, entry, known.status(about(*kind, entry))?)));
        let writes: Vec<Write> = wanted.filter_map(|(kind, entry, status)| differing(kind, entry, status)).collect();
        if writes.is_empty() {
            return Told::default();
        }
        tracing::info!(estate = %self.own.name, namespace = %self.own.namespace, objects = writes.len(), "writing statuses");
        let mut told = Told::default();
        let mut noticed: BTreeMap<&'static str, Vec<(Write, Notice)>> = BTreeMap::new();
        for (write, written) in self.writer.all(writes).await {
            told.add(&format!("the status of {} {}", write.kind, write.entry.name), &written);
            if let Some(notice) = (written == Written::Done).then(|| notice(&write)).flatten() {
                noticed.entry(notice.reason).or_default().push((write, notice));
            }
        }
        for (reason, mut of_reason) in noticed {
            of_reason.sort_by(|a, b| a.0.entry.name.cmp(&b.0.entry.name));
            let more = of_reason.len().saturating_sub(events::MOST);
            for (write, notice) in of_reason.iter().take(events::MOST) {
                self.shared.teller.tell(write.kind, &write.entry, notice).await;
            }
            if more > 0 {
                let warning = of_reason.first().is_some_and(|(_, notice)| notice.warning);
                let note = format!("The same of {more} more objects of the estate.");
                self.shared.teller.tell(Kind::Estate, &self.own, &Notice { change: None, warning, reason, note }).await;
            }
        }
        told
    }

    /// Brings the `ChangeRequest` objects to what is proposed.
    async fn mirror(&self, plan: &Plan, said: Option<Said<'_>>, in_doubt: bool) -> Told {
        let mirror = Mirror { estate: &self.own, standing: &self.mirrors, now: self.now };
        let (steps, problems) = mirror.steps(plan, said, in_doubt);
        let mut told = Told { refused: problems, ..Told::default() };
        for step in steps {
            let (name, written) = match step {
                Step::Apply { key, fields, status } => (key.clone(), self.show(plan, &key, fields, status, said.is_none()).await),
                Step::Status { entry, status } => {
                    let written = self.writer.status(Kind::ChangeRequest, &entry, &status).await;
                    self.tell_overdue(&entry, said).await;
                    (entry.name.clone(), written)
                }
                Step::Delete { entry } => {
                    if said.is_none() {
                        let note = format!("{}: what is declared and what was found agree again, or another change request answers it now.", entry.name);
                        self.shared
                            .teller
                            .tell(Kind::Estate, &self.own, &Notice { change: Some(entry.name.clone()), warning: false, reason: notices::CHANGE_CLOSED, note })
                            .await;
                    }
                    (entry.name.clone(), self.writer.delete(Kind::ChangeRequest, &entry).await)
                }
            };
            told.add(&format!("the ChangeRequest {name}"), &written);
            if matches!(written, Written::Unreachable(_) | Written::Stopped) {
                break;
            }
        }
        told
    }

    /// Makes or changes one of them. One that may not be changed any more is made anew.
    async fn show(&self, plan: &Plan, key: &Text, fields: serde_json::Value, status: serde_json::Value, alone: bool) -> Written {
        let namespace = &*self.own.namespace;
        let standing = self.mirrors.iter().find(|entry| entry.name == *key);
        let mut written = self.writer.object(Kind::ChangeRequest, namespace, key, fields.clone()).await;
        if let (Written::Refused(_), Some(standing)) = (&written, standing)
            && self.writer.delete(Kind::ChangeRequest, standing).await == Written::Done
        {
            written = self.writer.object(Kind::ChangeRequest, namespace, key, fields).await;
        }
        if written != Written::Done {
            return written;
        }
        if standing.is_none() && alone {
            let title = plan.changes.iter().find(|change| change.key == *key).map(|change| change.items.len()).unwrap_or_default();
            let note = format!("{key}: {title} {} to be decided upon.", if title == 1 { "item" } else { "items" });
            self.shared.teller.tell(Kind::Estate, &self.own, &Notice { change: Some(key.clone()), warning: false, reason: notices::CHANGE_OPENED, note }).await;
        }
        let entry = self.shared.watched.world().get(Kind::ChangeRequest, namespace, key);
        match entry {
            Some(entry) if differing(Kind::ChangeRequest, &entry, status.clone()).is_some() => self.writer.status(Kind::ChangeRequest, &entry, &status).await,
            _ => written,
        }
    }

    async fn tell_overdue(&self, entry: &Entry, said: Option<Said<'_>>) {
        let overdue = said.is_some_and(|said| said.standings.get(&entry.name) == Some(&Standing::Overdue));
        if overdue {
            let note = format!("{}: its window has passed, and the drift is still there.", entry.name);
            self.shared
                .teller
                .tell(Kind::Estate, &self.own, &Notice { change: Some(entry.name.clone()), warning: true, reason: notices::CHANGE_OVERDUE, note })
                .await;
        }
    }

    async fn tell_step(&self, step: &ForgeStep, urls: &BTreeMap<Text, String>) {
        let key = &step.key;
        let page = urls.get(key).map(|url| format!(" ({url})")).unwrap_or_default();
        let (reason, note) = match &step.action {
            Action::Open => (notices::CHANGE_OPENED, format!("{key} was opened{page}.")),
            Action::Finish | Action::Rewrite(_) => (notices::CHANGE_UPDATED, format!("{key} was updated{page}.")),
            Action::Close { .. } => (notices::CHANGE_CLOSED, format!("{key} was closed{page}.")),
            Action::Note { note: Note::Overdue, .. } => (notices::CHANGE_OVERDUE, format!("{key}: its window has passed, and the drift is still there{page}.")),
            Action::Note { .. } => return,
        };
        let warning = reason == notices::CHANGE_OVERDUE;
        self.shared.teller.tell(Kind::Estate, &self.own, &Notice { change: Some(key.clone()), warning, reason, note }).await;
    }

    /// The estate's own status, last: whoever waits for it finds all others as they are to be.
    async fn end(&self, ending: &Ending, tally: &Tally<'_>) -> Ended {
        let standing = self.standing();
        let tally = Tally { requested_at: self.own.requested_at.clone(), ..tally.clone() };
        let status = status::estate(about(Kind::Estate, &standing), ending, &tally, self.now);
        let was = status::stands(&standing.status, condition::READY, "True");
        let written = self.write_estate(&standing, &status).await;
        if written == Some(Written::Done) {
            self.tell_ending(&standing, ending, was).await;
        }
        if matches!(written, Some(Written::Unreachable(_))) {
            self.shared.watched.world().touch(&self.own.namespace);
            return Ended::Badly { until: None };
        }
        Ended::Well
    }

    async fn tell_ending(&self, standing: &Entry, ending: &Ending, was_ready: bool) {
        let before = status::reason_of(&standing.status, condition::READY);
        let notice = match ending.troubles.first() {
            None if !was_ready && before.is_some() => {
                Notice { change: None, warning: false, reason: notices::RECOVERED, note: "The last pass did all that it should.".to_owned() }
            }
            Some((why, message)) if before.as_deref() != Some(*why) && *why != reason::SUSPENDED => {
                let reason = if *why == reason::ANSWER_INCOMPLETE { notices::SOURCE_INCOMPLETE } else { notices::PASS_FAILED };
                Notice { change: None, warning: true, reason, note: message.clone() }
            }
            _ => return,
        };
        self.shared.teller.tell(Kind::Estate, &self.own, &notice).await;
    }

    /// The estate's object as it stands now: its status may have been written since the pass began.
    fn standing(&self) -> Arc<Entry> {
        let now = self.shared.watched.world().get(Kind::Estate, &self.own.namespace, &self.own.name);
        let status = now.filter(|now| now.uid == self.own.uid).map_or_else(|| self.own.status.clone(), |now| now.status.clone());
        Arc::new(Entry { status, ..(*self.own).clone() })
    }

    /// Writes the estate's status, if it differs.
    async fn write_estate(&self, standing: &Entry, status: &EstateStatus) -> Option<Written> {
        let status = serde_json::to_value(status).ok()?;
        differs(Kind::Estate, standing, &status).then_some(())?;
        let written = self.writer.status(Kind::Estate, standing, &status).await;
        if let Written::Refused(why) = &written {
            tracing::warn!(estate = %self.own.name, namespace = %self.own.namespace, why, "the API server refuses the estate's status");
        }
        Some(written)
    }
}

/// What became of several writes.
#[derive(Default)]
struct Told {
    refused: Vec<String>,
    unreachable: bool,
}

impl Told {
    fn add(&mut self, what: &str, written: &Written) {
        match written {
            Written::Done | Written::Gone | Written::Stopped => (),
            Written::Refused(why) => {
                tracing::warn!(what, why, "the API server refuses a write");
                self.refused.push(format!("The API server refuses {what}: {why}"));
            }
            Written::Unreachable(why) => {
                tracing::warn!(what, why, "a write could not be made and is tried again");
                self.unreachable = true;
            }
        }
    }
}

fn about(kind: Kind, entry: &Entry) -> About<'_> {
    About { kind, name: &entry.name, path: &entry.file.path, generation: entry.generation, status: &entry.status }
}

fn differs(kind: Kind, entry: &Entry, status: &serde_json::Value) -> bool {
    status::canonical(kind, status) != entry.status
}

/// The write of a status, if it differs from the one that stands.
fn differing(kind: Kind, entry: &Arc<Entry>, status: serde_json::Value) -> Option<Write> {
    differs(kind, entry, &status).then(|| Write { kind, entry: entry.clone(), status })
}

/// What a person should notice of a status that was written, if anything.
fn notice(write: &Write) -> Option<Notice> {
    let status = status::canonical(write.kind, &write.status);
    let turned = |kind: &str, to: &str| status::stands(&status, kind, to) && !status::stands(&write.entry.status, kind, to);
    if turned(condition::READY, "False") && status::reason_of(&status, condition::READY).as_deref() == Some(reason::INVALID) {
        let note = status::message_of(&status, condition::READY).unwrap_or_default();
        return Some(Notice { change: None, warning: true, reason: notices::INVALID, note });
    }
    if write.kind == Kind::DiscoverySource && turned(condition::READY, "False") {
        let note = status::message_of(&status, condition::READY).unwrap_or_default();
        return (status::reason_of(&status, condition::READY).as_deref() == Some(reason::ANSWER_INCOMPLETE)).then_some(Notice {
            change: None,
            warning: true,
            reason: notices::SOURCE_INCOMPLETE,
            note,
        });
    }
    if write.kind != Kind::ConfigurationItem {
        return None;
    }
    if turned(condition::IN_SYNC, "False") {
        let item: ConfigurationItemStatus = status::standing(&status);
        let what = item.drift.as_deref().unwrap_or_default();
        return Some(Notice { change: None, warning: true, reason: notices::DRIFT_FOUND, note: format!("What was found is not what is declared: {what}.") });
    }
    let was = status::stands(&write.entry.status, condition::IN_SYNC, "False");
    (was && turned(condition::IN_SYNC, "True")).then(|| Notice {
        change: None,
        warning: false,
        reason: notices::DRIFT_GONE,
        note: "What was found is what is declared again.".to_owned(),
    })
}

/// How many change requests are open, and how many wait.
fn tally(plan: &Plan, outcome: Option<&Outcome>, forge: bool) -> (u64, u64) {
    let Some(outcome) = outcome else { return (if forge { 0 } else { plan.changes.len() as u64 }, 0) };
    let open = |standing: &&Standing| matches!(standing, Standing::Proposed | Standing::HandsOff | Standing::Held | Standing::Conflicts);
    (outcome.standings.values().filter(open).count() as u64, outcome.waiting().count() as u64)
}
