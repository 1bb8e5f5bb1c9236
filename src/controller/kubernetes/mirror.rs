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
                entry => steps.extend(self.of_change(change, entry.copied(), said).unwrap_or_default()),
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

    fn of_change(&self, change: &Change, entry: Option<&Arc<Entry>>, said: Option<Said<'_>>) -> Option<Vec<Step>> {
        let mut spec = specification(change)?;
        let shortened = shorten(&mut spec);
        let mut status = match said {
            None => ChangeRequestStatus { phase: Phase::Proposed, ..ChangeRequestStatus::default() },
            Some(said) => self.status(said.standings.get(&change.key), said.urls.get(&change.key), Some(change)),
        };
        if shortened && status.message.is_none() {
            status.message = Some("Its lists are shortened here; the record under changes/ of its branch has all.".into());
        }
        status.services = services(&spec);
        let approved = status.phase.is_approved();
        let status = serde_json::to_value(status).ok()?;
        let only_status = |entry: &Arc<Entry>| differs(entry, &status).then(|| Step::Status { entry: entry.clone(), status: status.clone() });
        let was_approved = entry.filter(|entry| standing::<ChangeRequestStatus>(&entry.status).phase.is_approved());
        let mut steps = Vec::new();
        match (entry, was_approved) {
            (Some(entry), _) if declared(entry).as_ref() == Some(&spec) => steps.extend(only_status(entry)),
            // What was approved stands as it was approved, whatever the plan would say of it today.
            (_, Some(entry)) if approved => steps.extend(only_status(entry)),
            (_, was_approved) => {
                // The API server holds the specification until the status says that it is proposed anew.
                steps.extend(was_approved.and_then(only_status));
                let fields = json!({"spec": spec, "metadata": {"labels": {ESTATE_LABEL: label_of(&self.estate.name)}, "ownerReferences": [self.owner()]}});
                steps.push(Step::Apply { key: change.key.clone(), fields, status });
            }
        }
        Some(steps)
    }

    /// What is no longer planned: shown for as long as the forge tells of it, then gone.
    fn of_rest(&self, entry: &Arc<Entry>, said: Option<Said<'_>>, in_doubt: bool) -> Option<Step> {
        let told = said.and_then(|said| Some((said.standings.get(&entry.name)?, said.urls.get(&entry.name))));
        match told {
            Some((standing, url)) => {
                let status = ChangeRequestStatus { services: declared(entry).as_ref().and_then(services), ..self.status(Some(standing), url, None) };
                let status = serde_json::to_value(status).ok()?;
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
        ChangeRequestStatus { phase, services: None, url: url.map(|url| Text::from(&**url)), message: message.map(|message| cut(&message).into()) }
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

/// The services that a change can hurt, in a line.
fn services(spec: &ChangeRequestSpec) -> Option<Text> {
    let names: Vec<&str> = spec.services.iter().map(|service| &*service.name).collect();
    (!names.is_empty()).then(|| cut(&names.join(", ")).into())
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

#[cfg(test)]
mod tests {
    use kube::core::DynamicObject;

    use super::*;
    use crate::api::Kind;
    use crate::estate::{SourceFile, cluster};
    use crate::plan::plan_and_found;

    const AT: &str = "2026-11-25T08:00:00Z";

    fn entry(kind: Kind, name: &str, label: Option<&str>, spec: &Value, status: &Value) -> Arc<Entry> {
        let labels: BTreeMap<&str, &str> = label.into_iter().map(|label| (ESTATE_LABEL, label)).collect();
        let object = json!({"apiVersion": API_VERSION, "kind": kind, "spec": spec, "status": status,
            "metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"), "resourceVersion": "1", "generation": 1, "labels": labels}});
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        Arc::new(Entry::of(kind, object).unwrap())
    }

    /// A plan with one change for each of so many items.
    fn plan(items: usize) -> Plan {
        let object = |kind: Kind, name: &str, spec: &Value| SourceFile {
            path: cluster::path(kind, "shop", name),
            text: cluster::document(kind, name, &BTreeMap::new(), spec),
        };
        let spec = json!({"class": "server", "owner": "team", "lifecycle": "Operational", "onDrift": {"default": "Enforce"}});
        let source = object(Kind::DiscoverySource, "inventory", &json!({"file": {"path": "a.json"}, "scope": {"classes": ["server"]}}));
        let items = (0..items).map(|number| object(Kind::ConfigurationItem, &format!("web-{number}"), &spec));
        let own = object(Kind::Estate, "shop", &json!({"safety": {"massAbsence": "100%"}}));
        let estate = cluster::assemble("shop", own, items.chain([source]).collect(), None);
        let answer = crate::discovery::Answer { source: "inventory".into(), complete: true, ..Default::default() };
        let discovered = crate::discovery::Discovered { answers: vec![answer], ..Default::default() };
        plan_and_found(&estate, &discovered, AT.parse().unwrap()).0
    }

    fn steps(standing: &[Arc<Entry>], plan: &Plan, said: Option<Said<'_>>, in_doubt: bool) -> (Vec<Step>, Vec<String>) {
        let estate = entry(Kind::Estate, "shop", None, &json!({}), &Value::Null);
        Mirror { estate: &estate, standing, now: AT.parse().unwrap() }.steps(plan, said, in_doubt)
    }

    /// The object that a step makes.
    fn made(step: &Step) -> Arc<Entry> {
        let Step::Apply { key, fields, status } = step else { panic!("{step:?}") };
        entry(Kind::ChangeRequest, key, Some("shop"), &fields["spec"], status)
    }

    #[test]
    fn what_is_proposed_is_shown_once() {
        let plan = plan(2);
        let (first, problems) = steps(&[], &plan, None, false);
        assert!(problems.is_empty() && first.len() == 1, "{first:?}");
        let standing = made(&first[0]);
        assert_eq!(steps(&[standing], &plan, None, false), (Vec::new(), Vec::new()), "a second pass has nothing to do");
    }

    #[test]
    fn what_is_no_longer_proposed_goes_unless_too_little_is_known() {
        let standing = made(&steps(&[], &plan(2), None, false).0[0]);
        let gone = steps(std::slice::from_ref(&standing), &plan(0), None, false).0;
        assert_eq!(gone, [Step::Delete { entry: standing.clone() }]);
        assert!(steps(&[standing], &plan(0), None, true).0.is_empty());
    }

    #[test]
    fn what_the_forge_says_stands_in_the_status() {
        let plan = plan(2);
        let key = plan.changes[0].key.clone();
        let urls = BTreeMap::from([(key.clone(), "https://git.example.com/ops/estate/pulls/1".to_owned())]);
        let phase = |standing: Option<Standing>| {
            let standings: BTreeMap<Text, Standing> = standing.map(|standing| (key.clone(), standing)).into_iter().collect();
            let (steps, _) = steps(&[], &plan, Some(Said { standings: &standings, urls: &urls }), false);
            let Step::Apply { status, .. } = &steps[0] else { panic!("{steps:?}") };
            assert_eq!(status["url"], "https://git.example.com/ops/estate/pulls/1");
            status["phase"].as_str().unwrap().to_owned()
        };
        assert_eq!(phase(None), "New");
        assert_eq!(phase(Some(Standing::Proposed)), "Proposed");
        assert_eq!(phase(Some(Standing::Waiting { reason: "maxOpen is reached".into() })), "New");
        assert_eq!(phase(Some(Standing::Rejected { until: Timestamp::MAX, who: None, reason: None })), "Rejected");
        assert_eq!(phase(Some(Standing::Approved)), "Approved");
        assert_eq!(phase(Some(Standing::Closed)), "Cancelled");
    }

    /// The API server refuses to rewrite the specification of what was approved.
    #[test]
    fn what_was_approved_is_rewritten_only_once_it_is_proposed_anew() {
        let new = plan(2);
        let key = new.changes[0].key.clone();
        let mut spec = serde_json::to_value(specification(&new.changes[0]).unwrap()).unwrap();
        spec["title"] = "As it was approved".into();
        let standing = entry(Kind::ChangeRequest, &key, Some("shop"), &spec, &json!({"phase": "Approved"}));
        let steps_as = |standing_now: Standing| {
            let standings = BTreeMap::from([(key.clone(), standing_now)]);
            steps(std::slice::from_ref(&standing), &new, Some(Said { standings: &standings, urls: &BTreeMap::new() }), false).0
        };
        assert!(steps_as(Standing::Approved).iter().all(|step| matches!(step, Step::Status { .. })), "it stands as it was approved");
        let anew = steps_as(Standing::Proposed);
        assert!(matches!(&anew[..], [Step::Status { status, .. }, Step::Apply { .. }] if status["phase"] == "Proposed"), "{anew:?}");
    }

    #[test]
    fn what_somebody_else_has_made_is_left_alone() {
        let plan = plan(2);
        let theirs = [None, Some("other")].map(|label| entry(Kind::ChangeRequest, &plan.changes[0].key, label, &json!({"title": "Mine"}), &Value::Null));
        for entry in theirs {
            let (steps, problems) = steps(&[entry], &plan, None, false);
            assert!(steps.is_empty() && problems.len() == 1, "{steps:?}");
        }
    }

    /// Reports as custom resources: oversize (trivy-operator#757, #441).
    #[test]
    fn a_large_change_is_shortened_and_says_so() {
        let (steps, _) = steps(&[], &plan(3000), None, false);
        let Step::Apply { fields, status, .. } = &steps[0] else { panic!("{steps:?}") };
        assert!(fields.to_string().len() < 200_000, "{}", fields.to_string().len());
        assert_eq!(fields["spec"]["items"].as_array().unwrap().len(), MOST);
        assert!(status["message"].as_str().unwrap().contains("shortened"));
    }

    #[test]
    fn a_long_name_becomes_a_label() {
        assert_eq!(label_of("shop"), "shop");
        let (one, other) = (label_of(&format!("{}a", "x".repeat(100))), label_of(&format!("{}b", "x".repeat(100))));
        assert!(one.len() <= 63 && one != other);
    }
}
