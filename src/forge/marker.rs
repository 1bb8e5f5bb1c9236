//! The hidden line at the end of a request's body, by which it is found and compared without a database.
//!
//! It is an HTML comment with one line of JSON. Only the last such line counts, and it is always written last, so text
//! from an estate or a source cannot pretend to be it.

use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::{Decision, Note, State};
use crate::api::Text;
use crate::change::Change;
use crate::drift::Finding;

const OPENING: &str = "<!-- bowline:";
const CLOSING: &str = " -->";
/// So that no body grows without bound: more items, or more bytes of their names, are not listed in the marker.
const MOST_ITEMS: usize = 100;
const MOST_BYTES: usize = 4000;
/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 500;

/// What a request says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marker {
    /// The estate.
    pub estate: Text,
    /// The change's key.
    pub key: Text,
    /// The digest of all that the change says.
    pub fingerprint: Text,
    /// The digest of the drift alone: it stays the same when only the window, the risk or the wording changes.
    pub drift: Text,
    /// The items it changes, at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Text>,
    /// The sources on which it rests, sorted; empty: not known, so any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Text>,
    /// The end of its window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Whether there are more items than those listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// The digest of what the branch proposes.
    #[serde(default)]
    pub content: Text,
    /// The digest of the edited files as they stood in the base.
    #[serde(default)]
    pub basis: Text,
    /// What a forge without a place of its own for it remembers here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
}

/// What Bowline did last to a request, remembered in the request itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Written {
    /// The head of its branch.
    pub head: Text,
    /// The head that this one replaced. A branch that still has it was not moved: the rewrite was cut short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Text>,
    /// The commit of the base branch on which the branch stands.
    pub base: Text,
    /// What has been said about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<Said>,
    /// How it ended by Bowline's hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// A note that was written, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Which.
    pub note: Note,
    /// When.
    pub at: Timestamp,
}

/// An end by Bowline's hand: the drift was gone, or a person said so by `bowline changes reject`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Closed or rejected.
    pub state: State,
    /// Who decided, when and why.
    #[serde(flatten)]
    pub decision: Decision,
}

impl Ended {
    /// The same with a reason of a bounded length.
    pub fn new(state: State, decision: Decision) -> Self {
        let reason = decision.reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
        Self { state, decision: Decision { reason, ..decision } }
    }
}

impl Marker {
    /// The marker of a change.
    pub fn of(estate: &str, change: &Change) -> Self {
        let record = Record::of(change);
        let items = listed(&change.items);
        Self {
            estate: estate.into(),
            key: change.key.clone(),
            fingerprint: change.fingerprint.clone(),
            drift: record.as_ref().map_or_else(|| change.fingerprint.clone(), Record::digest),
            cut: items.len() < change.items.len(),
            items,
            sources: record.map(Record::sources).unwrap_or_default(),
            due: change.schedule.as_ref().and_then(|schedule| instant(&schedule.end)),
            content: change.content.clone(),
            basis: change.basis.clone(),
            written: None,
        }
    }

    /// Whether `items` may be cut short.
    pub fn items_cut_short(&self) -> bool {
        self.cut || self.items.len() >= MOST_ITEMS
    }

    /// The body with this marker as its last line, in place of any other.
    pub fn attach(&self, body: &str) -> String {
        format!("{}\n\n{}\n", Self::detach(body), self.line())
    }

    /// The body without any marker, as a person reads it.
    pub fn detach(body: &str) -> String {
        let kept: Vec<&str> = body.lines().filter(|line| !line.trim_start().starts_with(OPENING)).collect();
        kept.join("\n").trim_end().to_owned()
    }

    /// The marker of a body; none where it has none that can be read.
    pub fn read(body: &str) -> Option<Self> {
        let line = body.lines().rev().map(str::trim).find(|line| line.starts_with(OPENING))?;
        serde_json::from_str(line.strip_prefix(OPENING)?.strip_suffix(CLOSING)?).ok()
    }

    fn line(&self) -> String {
        // Neither `--` nor `>` may stand in a comment; in JSON both can only be inside of a string, where they may be escaped.
        let json = serde_json::to_string(self).unwrap_or_default().replace("--", "-\\u002d").replace("--", "-\\u002d").replace('>', "\\u003e");
        format!("{OPENING}{json}{CLOSING}")
    }
}

/// The first items, within bounds.
fn listed(items: &[Text]) -> Vec<Text> {
    let mut left = MOST_BYTES;
    let fits = |item: &&Text| {
        left = left.saturating_sub(item.len() + 3);
        left > 0
    };
    items.iter().take(MOST_ITEMS).take_while(fits).cloned().collect()
}

/// The instant of a time as a schedule writes it; none where it cannot be read.
fn instant(text: &str) -> Option<Timestamp> {
    text.parse::<Zoned>().map(|zoned| zoned.timestamp()).or_else(|_| text.parse::<Timestamp>()).ok()
}

/// What is read of the `ChangeRequest` document on the branch.
#[derive(Deserialize)]
struct Record {
    spec: RecordSpec,
}

#[derive(Deserialize)]
struct RecordSpec {
    findings: Vec<RecordFinding>,
}

#[derive(Deserialize)]
struct RecordFinding {
    key: String,
    fingerprint: String,
    #[serde(default)]
    source: Option<Text>,
}

impl Record {
    /// The change's own document, `changes/<key>.yaml`; none where it has none or it names no finding.
    fn of(change: &Change) -> Option<Self> {
        let path = format!("changes/{}.yaml", change.key);
        let file = change.files.iter().find(|file| *file.path == *path)?;
        let mut record: Self = serde_yaml::from_str(&file.text).ok()?;
        record.spec.findings.sort_by(|a, b| (&a.key, &a.fingerprint).cmp(&(&b.key, &b.fingerprint)));
        (!record.spec.findings.is_empty()).then_some(record)
    }

    fn digest(&self) -> Text {
        let parts: Vec<&str> = self.spec.findings.iter().flat_map(|finding| [&*finding.key, &*finding.fingerprint]).collect();
        Finding::digest(&parts)
    }

    fn sources(self) -> Vec<Text> {
        let sources: Option<Vec<Text>> = self.spec.findings.into_iter().map(|finding| finding.source).collect();
        let mut sources = sources.unwrap_or_default();
        sources.sort();
        sources.dedup();
        sources
    }
}
