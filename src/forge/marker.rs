//! The hidden line at the end of a request's body, by which it is found and compared without a database.
//!
//! It is an HTML comment with one line of JSON. Only the last such line counts, and it is always written last, so text
//! from an estate or a source cannot pretend to be it.

use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use crate::api::Text;
use crate::change::Change;
use crate::drift::Finding;

const OPENING: &str = "<!-- bowline:";
const CLOSING: &str = " -->";
/// So that no body grows without bound: more items than this are not listed in the marker.
const MOST_ITEMS: usize = 100;

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
    /// The head that Bowline wrote last, where the forge has no other place to remember it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Text>,
}

impl Marker {
    /// The marker of a change.
    pub fn of(estate: &str, change: &Change) -> Self {
        let record = Record::of(change);
        Self {
            estate: estate.into(),
            key: change.key.clone(),
            fingerprint: change.fingerprint.clone(),
            drift: record.as_ref().map_or_else(|| change.fingerprint.clone(), Record::digest),
            items: change.items.iter().take(MOST_ITEMS).cloned().collect(),
            sources: record.map(Record::sources).unwrap_or_default(),
            due: change.schedule.as_ref().and_then(|schedule| instant(&schedule.end)),
            head: None,
        }
    }

    /// Whether `items` may be cut short.
    pub fn items_cut_short(&self) -> bool {
        self.items.len() >= MOST_ITEMS
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
