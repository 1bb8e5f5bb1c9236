//! Windows that cannot be read. One that opens opens nothing; one that closes, or may, closes all that it may be about
//! (rule 5). Where a part of its text can be read, that narrows it.

use serde_yaml::Value;

use crate::api::patch_window::Effect;
use crate::api::{Kind, Selector, Text};
use crate::estate::{Estate, Unreadable};

/// Longer texts are not taken apart: what they are about is unknown.
const LONGEST: usize = 64 * 1024;

/// What can be told of a document that cannot be read.
pub(super) struct Remains {
    /// The window's name, or where it stands.
    pub(super) name: Text,
    pub(super) effect: Effect,
    /// What it is about; none if that is unknown.
    pub(super) selector: Option<Selector>,
    /// What is the matter with it.
    pub(super) reason: String,
}

/// What can be told of the windows among the documents that cannot be read.
pub(super) fn windows(estate: &Estate) -> Vec<Remains> {
    estate.unreadable.iter().filter(|document| may_be(estate, document, Kind::PatchWindow)).map(|document| remains(estate, document)).collect()
}

/// Whether some service map cannot be read, so that nobody knows which items are part of a service.
pub(super) fn a_service_map(estate: &Estate) -> bool {
    estate.unreadable.iter().any(|document| may_be(estate, document, Kind::ServiceMap))
}

/// Whether the estate's own document cannot be read, so that nobody knows its time zone.
pub(super) fn the_estate(estate: &Estate) -> bool {
    estate.unreadable.iter().any(|document| document.kind == Some(Kind::Estate))
}

/// Whether a document is of this kind, as far as anybody knows. A file that could not be read at all, whose document has
/// no length, may hold anything.
fn may_be(estate: &Estate, document: &Unreadable, kind: Kind) -> bool {
    match document.kind {
        Some(known) => known == kind,
        None => document.origin.length == 0 || estate.text(document.origin).contains(kind.name()),
    }
}

fn remains(estate: &Estate, document: &Unreadable) -> Remains {
    let text = estate.text(document.origin);
    let tree = Some(text).filter(|text| text.len() <= LONGEST).and_then(|text| serde_yaml::from_str::<Value>(text).ok());
    let spec = tree.as_ref().and_then(|tree| tree.get("spec")).filter(|spec| spec.is_mapping());
    let name = document.name.clone().unwrap_or_else(|| {
        let file = estate.files.get(document.origin.file as usize).map(|file| &*file.path).unwrap_or_default();
        format!("{file}:{}", document.origin.line).into()
    });
    let selector = spec.and_then(|spec| spec.get("selector")).and_then(|selector| serde_yaml::from_value(selector.clone()).ok());
    let reason = if document.kind.is_some() { "its document has an error" } else { "nobody can tell whether a freeze stands there" };
    Remains { name, effect: effect(text, spec), selector, reason: reason.into() }
}

/// A freeze, unless the text shows clearly that it is none.
fn effect(text: &str, spec: Option<&Value>) -> Effect {
    let speaks_of_a_freeze = || text.to_ascii_lowercase().contains("freeze");
    let opens = match spec {
        Some(spec) => match spec.get("effect") {
            Some(effect) => effect.as_str() == Some("Allow"),
            // Left out, it opens; misspelled (`efect: Freeze`), it does not.
            None => !speaks_of_a_freeze(),
        },
        None => text.lines().any(|line| line.split_whitespace().collect::<String>().starts_with("effect:Allow")) && !speaks_of_a_freeze(),
    };
    if opens { Effect::Allow } else { Effect::Freeze }
}
