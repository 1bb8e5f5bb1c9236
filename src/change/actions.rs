//! What is done about each finding: edits of the estate's files, or work on what runs, and how it is undone and tested.

use std::collections::BTreeMap;

use crate::api::change_request::{Action, ChangePlan};
use crate::api::{OnDrift, Text, Value};
use crate::calendar::Slot;
use crate::drift::{Finding, FindingKind};
use crate::estate::{Estate, Origin};

use super::command;
use super::edit;
use super::group::{Group, slug};
use super::{FileChange, markdown};

/// What became of a group's findings.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// One action a finding, in the findings' order.
    pub actions: Vec<Action>,
    /// The files that differ.
    pub files: Vec<FileChange>,
    /// Edits that could not be made, and why.
    pub conflicts: Vec<Text>,
}

/// One value of one document to be set.
struct Wanted {
    origin: Origin,
    path: String,
    to: Value,
    /// Index of the action it belongs to.
    action: usize,
}

/// Turns findings into actions, and makes the edits of those that adopt.
pub fn carry_out(estate: &Estate, group: &Group) -> Done {
    let mut done = Done::default();
    let mut wanted = Vec::new();
    for (index, finding) in group.findings.iter().enumerate() {
        let mut action = Action { kind: group.action, item: finding.item.clone(), path: finding.path.clone(), ..Action::default() };
        if group.action == OnDrift::Enforce {
            action.to = finding.declared.clone();
            action.instructions = Some(instruction(finding).into());
        } else {
            adopt(estate, finding, &mut action, index, &mut wanted, &mut done.files);
        }
        done.actions.push(action);
    }
    match &estate.namespace {
        Some(namespace) => write_commands(estate, namespace, &wanted, &mut done),
        None => make_edits(estate, wanted, &mut done),
    }
    let by_hand = |action: &&Action| action.kind == OnDrift::Adopt && !has_command(estate, action);
    done.conflicts = done.actions.iter().filter(by_hand).filter_map(|action| action.instructions.clone()).collect();
    done.files.sort_by(|a, b| a.path.cmp(&b.path));
    done
}

fn adopt(estate: &Estate, finding: &Finding, action: &mut Action, index: usize, wanted: &mut Vec<Wanted>, files: &mut Vec<FileChange>) {
    let declared = estate.item(&finding.item).map(|item| estate.items[item].origin);
    let (path, to) = match (finding.kind, finding.path.as_deref()) {
        (FindingKind::Changed, Some(path)) => (format!("spec.{path}"), finding.discovered.clone()),
        (FindingKind::Missing, _) => ("spec.lifecycle".to_owned(), Value::from("Retired")),
        (FindingKind::Lingering, _) => ("spec.lifecycle".to_owned(), Value::from("Operational")),
        (FindingKind::Undeclared, _) => {
            adopt_undeclared(estate, finding, action, files);
            return;
        }
        _ => {
            action.instructions = Some(format!("Edit the declaration of {} by hand: {}", finding.item, finding.remedy).into());
            return;
        }
    };
    if &*to.to_string() == SENSITIVE {
        action.instructions = Some(format!("{path} of {} is sensitive: its value is not shown, so it has to be set by hand", finding.item).into());
        return;
    }
    action.to = to.clone();
    let (path, to) = into_the_first(estate, finding, path, to, wanted);
    match declared {
        Some(origin) => wanted.push(Wanted { origin, path, to, action: index }),
        None => action.instructions = Some(format!("{} is not declared as an item, so there is no file to edit", finding.item).into()),
    }
}

/// The first identifier of an item that declares none brings the map with it; those after it go into that. Commands for
/// objects are each made from the object as it is, and merge.
fn into_the_first(estate: &Estate, finding: &Finding, path: String, to: Value, wanted: &[Wanted]) -> (String, Value) {
    let item = estate.item(&finding.item).and_then(|item| estate.items.get(item)).filter(|item| item.spec.identifiers.is_empty());
    let Some((item, name)) = item.zip(path.strip_prefix(IDENTIFIERS).and_then(|rest| rest.strip_prefix('.'))) else { return (path, to) };
    let comes_after = wanted.iter().any(|known| known.origin == item.origin && known.path == IDENTIFIERS);
    if comes_after && estate.namespace.is_none() {
        return (path, to);
    }
    (IDENTIFIERS.to_owned(), Value::Map(crate::api::Table::from_iter([(name, to)])))
}

/// Where an item's identifiers stand.
const IDENTIFIERS: &str = "spec.identifiers";

/// How a sensitive value reads in a finding.
const SENSITIVE: &str = "(sensitive)";

/// A new file that declares what was found.
fn adopt_undeclared(estate: &Estate, finding: &Finding, action: &mut Action, files: &mut Vec<FileChange>) {
    let Some(found) = finding.discovered.as_map() else {
        action.instructions = Some(format!("Declare {} by hand: what was found of it is not known in full", finding.item).into());
        return;
    };
    action.to = finding.discovered.clone();
    if let Some(namespace) = &estate.namespace {
        action.instructions = Some(command::declare(namespace, &finding.item, found));
        return;
    }
    let path = format!("discovered/{}.yaml", slug(&finding.item));
    if estate.files.iter().any(|file| *file.path == path) || files.iter().any(|file| *file.path == path) {
        action.instructions = Some(format!("Declare {} by hand: {path} exists already", finding.item).into());
        return;
    }
    files.push(FileChange { path: path.into(), text: declaration(&finding.item, found) });
}

/// The YAML that declares an item as it was found. `found` holds the fields of a spec.
pub fn declaration(name: &str, found: &crate::api::Table<Value>) -> String {
    let metadata: crate::api::Table<Value> = [("name", Value::from(name))].into_iter().collect();
    let document = [
        ("apiVersion", Value::from(crate::api::API_VERSION)),
        ("kind", Value::from("ConfigurationItem")),
        ("metadata", Value::Map(metadata)),
        ("spec", Value::Map(found.clone())),
    ];
    // A list of pairs keeps the order in which people expect the fields; a map would sort them.
    document.into_iter().map(|(field, value)| serde_yaml::to_string(&crate::api::Table::from_iter([(field, value)])).unwrap_or_default()).collect()
}

/// Objects of a cluster are no files of a branch: who approves the request runs these commands.
fn write_commands(estate: &Estate, namespace: &str, wanted: &[Wanted], done: &mut Done) {
    for edit in wanted {
        let Some(action) = done.actions.get_mut(edit.action) else { continue };
        let command = command::set(estate, namespace, &action.item, edit.origin, &edit.path, &edit.to);
        let by_hand = |reason| format!("Set {} of {} to {} by hand: {reason}", edit.path, action.item, one_line(&edit.to)).into();
        action.instructions = Some(command.unwrap_or_else(by_hand));
    }
}

/// Whether what a person has to do is to run a command.
fn has_command(estate: &Estate, action: &Action) -> bool {
    let command = |text: &Text| text.starts_with("kubectl ") || text.starts_with("printf ");
    estate.namespace.is_some() && action.instructions.as_ref().is_some_and(command)
}

/// Makes the edits file by file. Within a file the last document is edited first, so the places of the others stay true.
fn make_edits(estate: &Estate, wanted: Vec<Wanted>, done: &mut Done) {
    let mut by_file: BTreeMap<u32, BTreeMap<u32, Vec<Wanted>>> = BTreeMap::new();
    for edit in wanted {
        by_file.entry(edit.origin.file).or_default().entry(edit.origin.offset).or_default().push(edit);
    }
    for (file, documents) in by_file {
        let Some(file) = estate.files.get(file as usize) else { continue };
        let mut text = file.text.to_string();
        for edits in documents.into_values().rev() {
            text = edit_document(text, edits, &file.path, &mut done.actions);
        }
        if text != *file.text {
            done.files.push(FileChange { path: file.path.clone(), text });
        }
    }
}

fn edit_document(mut text: String, edits: Vec<Wanted>, path: &str, actions: &mut [Action]) -> String {
    let Some(origin) = edits.first().map(|edit| edit.origin) else { return text };
    let mut length = origin.length as usize;
    // Why the map could not be added into which later ones go.
    let mut no_map: Option<edit::Refusal> = None;
    for edit in edits {
        let into_map = edit.path.strip_prefix(IDENTIFIERS).is_some_and(|rest| rest.starts_with('.'));
        let edited = match no_map.as_ref().filter(|_| into_map) {
            Some(refusal) => Err(refusal.clone()),
            None => edit::apply(&text, origin.offset as usize, length, &edit.path, &edit.to),
        };
        match edited {
            Ok(edited) => {
                length = (length + edited.len()).saturating_sub(text.len());
                text = edited;
            }
            Err(refusal) => {
                let to = one_line(&edit.to);
                actions[edit.action].instructions =
                    Some(format!("Set {} of {} to {to} in {path} by hand: {}", edit.path, actions[edit.action].item, refusal.reason).into());
                no_map = no_map.or((edit.path == IDENTIFIERS).then_some(refusal));
            }
        }
    }
    text
}

fn one_line(value: &Value) -> String {
    markdown::one_line(&value.to_string())
}

/// What a person or a tool does to enforce one finding.
fn instruction(finding: &Finding) -> String {
    let item = &finding.item;
    match (finding.kind, finding.path.as_deref()) {
        (FindingKind::Changed, Some(path)) => format!("Set {path} of {item} from {} to {}", one_line(&finding.discovered), one_line(&finding.declared)),
        _ if finding.remedy.is_empty() => finding.message.clone(),
        // Among several items of one request, which one is meant?
        _ => format!("{item}: {}", finding.remedy),
    }
}

/// The plans of a change request, from its actions.
pub fn describe(estate: &Estate, group: &Group, actions: &[Action], slot: Option<&Slot>) -> ChangePlan {
    match (group.action, &estate.namespace) {
        (OnDrift::Adopt, Some(namespace)) => describe_commands(namespace, group, actions),
        (OnDrift::Adopt, None) => describe_adoption(group, actions),
        _ => describe_enforcement(group, actions, slot),
    }
}

fn describe_commands(namespace: &str, group: &Group, actions: &[Action]) -> ChangePlan {
    let first = format!("Once it is approved, change the objects in the namespace {namespace} to say what is there:");
    let steps = actions.iter().filter_map(|action| action.instructions.as_deref().map(str::to_owned));
    ChangePlan {
        implementation: numbered(std::iter::once(first).chain(steps)).into(),
        backout: "Set the objects back to what was declared, as the table of differences has it. Nothing that runs is touched.".into(),
        test: format!("Within an interval none of the {} findings stands in the objects' status any more.", group.findings.len()).into(),
    }
}

fn describe_adoption(group: &Group, actions: &[Action]) -> ChangePlan {
    let by_hand = actions.iter().filter(|action| action.instructions.is_some()).count();
    let mut implementation = "Merge this request: its commit edits the estate's files to say what is there.".to_owned();
    if by_hand > 0 {
        implementation.push_str(&format!(" {by_hand} of {} edits have to be made by hand on the branch first; see the conflicts.", actions.len()));
    }
    ChangePlan {
        implementation: implementation.into(),
        backout: "Revert the merge. Nothing that runs was touched.".into(),
        test: format!("Run `bowline plan`: none of the {} findings of this request is listed any more.", group.findings.len()).into(),
    }
}

fn describe_enforcement(group: &Group, actions: &[Action], slot: Option<&Slot>) -> ChangePlan {
    let mut steps: Vec<String> = actions.iter().filter_map(|action| action.instructions.as_deref().map(str::to_owned)).collect();
    let when = match slot {
        Some(slot) => format!("In the window {}, from {}:", slot.window, slot.start.strftime("%Y-%m-%d %H:%M %Z")),
        None => "Once a window is agreed:".to_owned(),
    };
    steps.insert(0, when);
    let undo = group.findings.iter().map(|finding| match (finding.kind, finding.path.as_deref()) {
        (FindingKind::Changed, Some(path)) => format!("Set {path} of {} back to {}", finding.item, one_line(&finding.discovered)),
        (FindingKind::Missing, _) => format!("Remove {} again", finding.item),
        (FindingKind::Lingering, _) => format!("Restore {} from its last backup", finding.item),
        (FindingKind::Certificate, _) => format!("Install the present certificate of {} again, while it is valid", finding.item),
        _ => format!("Undo the work on {}", finding.item),
    });
    ChangePlan {
        implementation: numbered(steps).into(),
        backout: numbered(std::iter::once("If the test fails or the window runs out:".to_owned()).chain(undo)).into(),
        test: "Run `bowline plan` after the change: the next discovery must show none of these findings. Then look at the entry points of the services named above.".into(),
    }
}

/// A heading and numbered lines, each different line once.
fn numbered(lines: impl IntoIterator<Item = String>) -> String {
    let mut lines = lines.into_iter();
    let mut text = lines.next().unwrap_or_default();
    let mut seen = std::collections::BTreeSet::new();
    for line in lines.filter(|line| seen.insert(line.clone())) {
        text.push_str(&format!("\n{}. {line}", text.lines().count()));
    }
    text
}
