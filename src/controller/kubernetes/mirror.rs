//! The `ChangeRequest` objects: a mirror of what is proposed, for people who look with kubectl. Pure.
//!
//! Nothing is ever read from it, so deleting one by hand does no harm: it comes back. What somebody else has made under
//! such a name is left alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{Timestamp, Zoned};
use serde_json::{Value, json};

use super::kinds::ESTATE_LABEL;
use super::status::{cut, standing};
use super::world::Entry;
use crate::api::change_request::Phase;
use crate::api::{API_VERSION, ChangeRequestSpec, ChangeRequestStatus, Document, Text};
use crate::change::Change;
use crate::forge::life::Standing;
use crate::plan::Plan;

/// How many entries a list of the mirror has at most: bulk data does not belong into etcd (trivy-operator#757, #2335).
const MOST: usize = 100;
/// How long a plan of the mirror is at most, in bytes.
const LONGEST: usize = 8 * 1024;

/// What the forge said; none where the estate has none.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    /// How the changes stand.
    pub standings: &'a BTreeMap<Text, Standing>,
    /// The pages of their requests.
    pub urls: &'a BTreeMap<Text, String>,
}

/// One step towards what the mirror should be.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The object is made, or its specification set.
    Apply {
        /// Its name.
        key: Text,
        /// Everything but its status.
        fields: Value,
        /// Its status, to be written after it.
        status: Value,
    },
    /// Only its status is set.
    Status {
        /// The object.
        entry: Arc<Entry>,
        /// Its status.
        status: Value,
    },
    /// It is deleted.
    Delete {
        /// The object.
        entry: Arc<Entry>,
    },
}

/// What stands, and to what it is brought.
pub struct Mirror<'a> {
    /// The estate's object.
    pub estate: &'a Entry,
    /// The `ChangeRequest` objects of its namespace.
    pub standing: &'a [Arc<Entry>],
    /// The instant.
    pub now: Timestamp,
}

impl Mirror<'_> {
    /// The steps that are left. `in_doubt`: that a change is no longer in the plan proves nothing.
    pub fn steps(&self, plan: &Plan, said: Option<Said<'_>>, in_doubt: bool) -> (Vec<Step>, Vec<String>) {
        let (mut steps, mut problems) = (Vec::new(), Vec::new());
        let named: BTreeMap<&Text, &Arc<Entry>> = self.standing.iter().map(|entry| (&entry.name, entry)).collect();
        for change in &plan.changes {
            match named.get(&change.key) {
                Some(entry) if !self.is_mine(entry) => {
                    problems.push(format!("the ChangeRequest {} is not shown: an object of this name is there that is not this estate's", change.key));
                }
                entry => steps.extend(self.of_change(change, entry.copied(), said)),
            }
        }
        for entry in self.standing.iter().filter(|entry| self.is_mine(entry) && !plan.changes.iter().any(|change| change.key == entry.name)) {
            steps.extend(self.of_rest(entry, said, in_doubt));
        }
        (steps, problems)
    }

    fn is_mine(&self, entry: &Entry) -> bool {
        entry.mirror_of.as_deref() == Some(&*label_of(&self.estate.name))
    }

    fn of_change(&self, change: &Change, entry: Option<&Arc<Entry>>, said: Option<Said<'_>>) -> Option<Step> {
        let mut spec = specification(change)?;
        let shortened = shorten(&mut spec);
        let mut status = match said {
            None => ChangeRequestStatus { phase: Phase::Proposed, ..ChangeRequestStatus::default() },
            Some(said) => self.status(said.standings.get(&change.key), said.urls.get(&change.key), Some(change)),
        };
        if shortened && status.message.is_none() {
            status.message = Some("Its lists are shortened here; the record under changes/ of its branch has all.".into());
        }
        let status = serde_json::to_value(status).ok()?;
        match entry {
            Some(entry) if declared(entry).as_ref() == Some(&spec) => differs(entry, &status).then(|| Step::Status { entry: entry.clone(), status }),
            _ => {
                let fields = json!({"spec": spec, "metadata": {"labels": {ESTATE_LABEL: label_of(&self.estate.name)}, "ownerReferences": [self.owner()]}});
                Some(Step::Apply { key: change.key.clone(), fields, status })
            }
        }
    }

    /// What is no longer planned: shown for as long as the forge tells of it, then gone.
    fn of_rest(&self, entry: &Arc<Entry>, said: Option<Said<'_>>, in_doubt: bool) -> Option<Step> {
        let told = said.and_then(|said| Some((said.standings.get(&entry.name)?, said.urls.get(&entry.name))));
        match told {
            Some((standing, url)) => {
                let status = serde_json::to_value(ChangeRequestStatus {
                    services: names(declared(entry)?.services.iter().map(|effect| &*effect.name)),
                    ..self.status(Some(standing), url, None)
                })
                .ok()?;
                differs(entry, &status).then(|| Step::Status { entry: entry.clone(), status })
            }
            None => (!in_doubt).then(|| Step::Delete { entry: entry.clone() }),
        }
    }

    fn owner(&self) -> Value {
        json!({"apiVersion": API_VERSION, "kind": "Estate", "name": self.estate.name, "uid": self.estate.uid})
    }

    fn status(&self, standing: Option<&Standing>, url: Option<&String>, change: Option<&Change>) -> ChangeRequestStatus {
        let (phase, message) = match standing {
            None => (Phase::New, Some("It could not be proposed yet; the estate's status says why.".to_owned())),
            Some(standing) => self.phase(standing, change),
        };
        let services = change.and_then(|change| names(change.services.iter().map(|effect| &*effect.name)));
        ChangeRequestStatus { phase, services, url: url.map(|url| Text::from(&**url)), message: message.map(|message| cut(&message).into()) }
    }

    fn phase(&self, standing: &Standing, change: Option<&Change>) -> (Phase, Option<String>) {
        let message = |text: &str| Some(text.to_owned());
        match standing {
            Standing::Proposed => (Phase::Proposed, None),
            Standing::Waiting { reason } => (Phase::New, Some(format!("It waits, {reason}."))),
            Standing::HandsOff => (Phase::Proposed, message("A person has committed to its branch, so it is left alone.")),
            Standing::Held => (Phase::Proposed, message("Its branch is checked out or held, so it is left alone for as long.")),
            Standing::Conflicts => (Phase::Proposed, message("It conflicts with the base branch; the label bowline/rebuild has it built anew.")),
            Standing::InDoubt { reason } => (Phase::Proposed, Some(format!("It is left as it is: {reason}."))),
            Standing::Abandoned => (Phase::Cancelled, message("Its drift is gone, but a person has committed to it, so it is left.")),
            Standing::Rejected { until, who, reason } => {
                let who = who.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
                let why = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
                (Phase::Rejected, Some(format!("Rejected{who}{why}; it stays so until its drift changes or {} has come.", until.strftime("%Y-%m-%d"))))
            }
            Standing::Approved if change.is_some_and(|change| self.is_ahead(change)) => (Phase::Scheduled, None),
            Standing::Approved => (Phase::Approved, message("The drift is still there.")),
            Standing::Overdue => (Phase::Approved, message("Its window has passed, and the drift is still there.")),
            Standing::Done => (Phase::Closed, None),
            Standing::Closed => (Phase::Cancelled, message("The drift went before it was decided.")),
            Standing::Unreadable { message } => (Phase::Failed, Some(format!("It cannot be read: {message}."))),
        }
    }

    fn is_ahead(&self, change: &Change) -> bool {
        let start = change.schedule.as_ref().and_then(|schedule| schedule.start.parse::<Zoned>().ok());
        start.is_some_and(|start| start.timestamp() > self.now)
    }
}

/// An estate's name as a label may hold it: at most 63 characters.
fn label_of(name: &str) -> String {
    match name.get(..63) {
        Some(_) if name.len() > 63 => format!("{}.{}", name.get(..46).unwrap_or_default().trim_end_matches(['.', '-']), crate::drift::Finding::digest(&[name])),
        _ => name.to_owned(),
    }
}

/// The specification of a change, from the document that its branch would carry.
fn specification(change: &Change) -> Option<ChangeRequestSpec> {
    let path = format!("changes/{}.yaml", change.key);
    let file = change.files.iter().find(|file| *file.path == path)?;
    serde_yaml::from_str::<Document<ChangeRequestSpec>>(&file.text).ok().map(|document| document.spec)
}

/// The specification of an object as it stands; none where it is none.
fn declared(entry: &Entry) -> Option<ChangeRequestSpec> {
    serde_yaml::from_str::<Document<ChangeRequestSpec>>(&entry.file.text).ok().map(|document| document.spec)
}

fn differs(entry: &Entry, status: &Value) -> bool {
    serde_json::from_value::<ChangeRequestStatus>(status.clone()).ok() != Some(standing(&entry.status)) || entry.status.is_empty()
}

/// Takes away what would be too much for etcd; whether there was any.
fn shorten(spec: &mut ChangeRequestSpec) -> bool {
    let long = [spec.items.len(), spec.services.len(), spec.findings.len(), spec.actions.len(), spec.conflicts.len()].into_iter().any(|length| length > MOST);
    spec.items.truncate(MOST);
    spec.services.truncate(MOST);
    spec.findings.truncate(MOST);
    spec.actions.truncate(MOST);
    spec.conflicts.truncate(MOST);
    let mut cut = false;
    for text in [&mut spec.plan.implementation, &mut spec.plan.backout, &mut spec.plan.test] {
        if text.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            *text = format!("{}…", text.get(..end).unwrap_or_default()).into();
            cut = true;
        }
    }
    long || cut
}
/// Names in one line; none where there are none.
fn names<'a>(names: impl Iterator<Item = &'a str>) -> Option<Text> {
    let line = names.collect::<Vec<_>>().join(", ");
    (!line.is_empty()).then(|| cut(&line).into())
}
