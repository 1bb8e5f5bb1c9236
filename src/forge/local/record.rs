//! The record of a request: a ref of its own, whose commits hold `request.json` and `body.md`. Each change of the
//! request is a commit, so the history of the ref is its life; the heads of its branch are kept alive as further parents.

use git2::{ErrorCode, FileMode, Oid, Repository};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::branch::{Against, against};
use super::place::{checkouts, head_of};
use super::refs::{RECORDS, point};
use super::{Error, Local};
use crate::api::Text;
use crate::forge::commit::{one_line, signature, trailers};
use crate::forge::{Decision, Hold, Listing, Marker, Noted, Problem, Request, State, branch_of};

const JSON: &str = "request.json";
const BODY: &str = "body.md";
/// The form of the record that this version writes and reads.
const VERSION: u32 = 1;

/// What is remembered about a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub version: u32,
    #[serde(flatten)]
    pub marker: Marker,
    pub title: String,
    pub state: State,
    pub base_branch: String,
    /// The commit of the base branch on which the branch was built.
    pub base: String,
    /// The head that Bowline wrote last; once decided, the head that was decided on.
    pub head: String,
    /// A head with a person's commits that was replaced because a label asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    pub opened: Timestamp,
    pub updated: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Noted>,
    /// What is being done; none once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The record before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    #[serde(skip)]
    pub body: String,
}

/// What is being done to the branches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Intent {
    /// The request's branch goes from a head (none: it does not exist) to another.
    Write { from: Option<String>, to: String },
    /// The request's branch is deleted.
    Delete { from: String },
    /// The base branch goes from a head to a merge commit, and the request's branch is deleted.
    Merge { from: String, to: String },
}

/// A record as it stands in the repository.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    /// The commit of the record.
    pub at: Oid,
    pub record: Record,
}

impl Record {
    pub(super) fn new(marker: Marker, title: &str, body: String, base_branch: String, base: Oid, head: Oid, now: Timestamp) -> Self {
        Self {
            version: VERSION,
            marker,
            title: one_line(title),
            state: State::Open,
            base_branch,
            base: base.to_string(),
            head: head.to_string(),
            kept: None,
            opened: now,
            updated: now,
            decision: None,
            notes: Vec::new(),
            intent: None,
            previous: None,
            body,
        }
    }
}

/// An id of the record.
pub(super) fn id(key: &str, text: &str) -> Result<Oid, Error> {
    Oid::from_str(text).map_err(|error| Error::Damaged { key: key.to_owned(), why: format!("`{text}` is not a commit ({})", error.message()) })
}

/// The record of a key, if there is one.
pub(super) fn load(repository: &Repository, key: &str) -> Result<Option<Loaded>, Error> {
    let reference = match repository.find_reference(&format!("{RECORDS}{key}")) {
        Ok(reference) => reference,
        // A key that cannot name a ref names no record.
        Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let damaged = |why: String| Error::Damaged { key: key.to_owned(), why };
    let read = || -> Result<(Oid, Vec<u8>, Vec<u8>), git2::Error> {
        let commit = reference.peel_to_commit()?;
        let tree = commit.tree()?;
        let blob = |name: &str| tree.get_name(name).map_or(Ok(Vec::new()), |entry| repository.find_blob(entry.id()).map(|blob| blob.content().to_vec()));
        Ok((commit.id(), blob(JSON)?, blob(BODY)?))
    };
    let (at, json, body) = read().map_err(|error| damaged(error.message().to_owned()))?;
    let mut record: Record = serde_json::from_slice(&json).map_err(|error| damaged(format!("{JSON}: {error}")))?;
    if record.version != VERSION {
        return Err(damaged(format!("it is of version {}, this Bowline knows {VERSION}", record.version)));
    }
    if *record.marker.key != *key {
        return Err(damaged(format!("it names the key `{}`", record.marker.key)));
    }
    record.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(Loaded { at, record }))
}

/// Writes a record as the successor of `record.previous`, where the ref now points to `expected`.
pub(super) fn save(repository: &Repository, record: &Record, expected: Option<Oid>) -> Result<Oid, Error> {
    let key = &record.marker.key;
    let damaged = |error: serde_json::Error| Error::Damaged { key: key.to_string(), why: error.to_string() };
    let mut json = serde_json::to_vec_pretty(record).map_err(damaged)?;
    json.push(b'\n');
    let mut tree = repository.treebuilder(None)?;
    tree.insert(JSON, repository.blob(&json)?, FileMode::Blob.into())?;
    tree.insert(BODY, repository.blob(record.body.as_bytes())?, FileMode::Blob.into())?;
    let tree = repository.find_tree(tree.write()?)?;

    let mut parents = Vec::new();
    for parent in record.previous.iter().chain([&record.head]).chain(&record.kept) {
        parents.push(repository.find_commit(id(key, parent)?)?);
    }
    let author = signature(record.updated)?;
    let subject = record.notes.last().filter(|note| note.at == record.updated).map_or_else(|| format!("{:?}", record.state), |note| format!("{:?}", note.note));
    let message = format!("{subject}: {}\n\n{}", record.title, trailers(key, &record.marker.fingerprint));
    let commit = repository.commit(None, &author, &author, &message, &tree, &parents.iter().collect::<Vec<_>>())?;
    point(repository, &format!("{RECORDS}{key}"), expected, commit, "bowline")?;
    Ok(commit)
}

/// The keys of all records, sorted.
pub(super) fn keys(repository: &Repository) -> Result<Vec<String>, Error> {
    let mut keys = Vec::new();
    let mut references = repository.references_glob(&format!("{RECORDS}*"))?;
    for name in references.names() {
        if let Some(key) = name?.strip_prefix(RECORDS) {
            keys.push(key.to_owned());
        }
    }
    keys.sort();
    Ok(keys)
}

impl Local {
    pub(super) fn listing(&self, repository: &Repository) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        for key in keys(repository)? {
            match self.read_one(repository, &key) {
                Ok(Some(request)) => listing.requests.push(request),
                Ok(None) => {}
                Err(error) => listing.problems.push(Problem { key: key.into(), message: error.to_string() }),
            }
        }
        Ok(listing)
    }

    pub(super) fn find(&self, repository: &Repository, key: &str) -> Result<Request, Error> {
        self.read_one(repository, key)?.ok_or_else(|| Error::Unknown { key: key.to_owned() })
    }

    /// A request of this estate; none where it is another's.
    fn read_one(&self, repository: &Repository, key: &str) -> Result<Option<Request>, Error> {
        match load(repository, key)? {
            Some(loaded) if loaded.record.marker.estate == self.estate => self.observe(repository, loaded).map(Some),
            _ => Ok(None),
        }
    }

    /// The request as it stands: its record, and what people did to its branches since it was written.
    pub(super) fn observe(&self, repository: &Repository, loaded: Loaded) -> Result<Request, Error> {
        let record = loaded.record;
        let key = record.marker.key.to_string();
        if record.intent.is_some() {
            return Err(Error::Interrupted { key });
        }
        let branch = branch_of(&key);
        let head = head_of(repository, &branch)?;
        let written = id(&key, &record.head)?;
        let (mut state, mut decision, mut hold, mut conflicts) = (record.state, record.decision, None, false);
        let base = if state == State::Open { self.current_base(repository, &record.base_branch)? } else { None };
        if let Some((_, base_now)) = base {
            match against(repository, id(&key, &record.base)?, written, base_now)? {
                Against::Clean => {}
                Against::Conflicting => conflicts = true,
                Against::Merged => {
                    state = State::Merged;
                    decision = Some(by_hand(record.updated, "It was merged by other means."));
                }
            }
        }
        if state == State::Open {
            if head.is_none() {
                state = State::Rejected;
                decision = Some(by_hand(record.updated, "Its branch was deleted."));
            } else if !checkouts(repository, &branch)?.is_empty() {
                hold = Some(Hold::CheckedOut);
            }
            if head.is_some_and(|head| head != written) {
                hold = Some(Hold::Edited);
            }
        }
        Ok(Request {
            id: key,
            marker: record.marker,
            branch,
            base_branch: base.map_or(record.base_branch, |(name, _)| name),
            title: record.title,
            body: record.body,
            state,
            head: head.map(|head| head.to_string()),
            base: record.base,
            hold,
            conflicts,
            opened: record.opened,
            updated: record.updated,
            decision,
            notes: record.notes,
            labels: Vec::<Text>::new(),
            url: None,
            unfinished: false,
            leftover: false,
        })
    }

    /// The branch into which a request goes, and its head: the recorded one, or, once that was renamed, that of HEAD.
    pub(super) fn current_base(&self, repository: &Repository, recorded: &str) -> Result<Option<(String, Oid)>, Error> {
        if let Some(head) = head_of(repository, recorded)? {
            return Ok(Some((recorded.to_owned(), head)));
        }
        Ok(self.base_branch(repository).ok())
    }
}

/// What a person did without Bowline: who and when exactly is not known.
fn by_hand(at: Timestamp, reason: &str) -> Decision {
    Decision { who: None, at, reason: Some(reason.to_owned()), commit: None }
}
