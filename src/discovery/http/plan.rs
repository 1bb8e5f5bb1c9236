//! A source's lists, joins and limits, compiled.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::check;
use super::page::text_of;
use super::paging::{Facts, Way};
use crate::api::discovery_source::{Export, HttpJoin, HttpLimits, HttpList};
use crate::api::{Text, Value};
use crate::discovery::mapping::{Expression, Mapper, Node};

/// How long one request may take, where the source does not say.
const REQUEST: Duration = Duration::from_secs(30);
/// The largest answer, in bytes, where it does not say.
const ANSWER: usize = 32 << 20;

/// How much is taken, how fast, and how long is waited.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// How long one request may take.
    pub request: Duration,
    /// How often one is tried.
    pub tries: u32,
    /// The largest answer, in bytes.
    pub answer: usize,
    /// How many pages a list may have.
    pub pages: u32,
    /// The time between the beginnings of two requests.
    pub between: Duration,
}

impl Limits {
    pub(super) fn of(limits: &HttpLimits) -> Self {
        let seconds = |period: &crate::api::Period| Duration::from_secs(u64::try_from(period.seconds()).unwrap_or_default());
        Self {
            request: limits.request.as_ref().map_or(REQUEST, seconds).max(Duration::from_secs(1)),
            tries: limits.tries.unwrap_or(4),
            answer: limits.answer.as_deref().and_then(check::bytes).unwrap_or(ANSWER),
            pages: limits.pages.unwrap_or(10_000),
            between: limits.per_minute.map_or(Duration::ZERO, |count| Duration::from_mins(1) / count.max(1)),
        }
    }
}

/// A list, and what its answers say of themselves.
pub(super) struct List {
    pub path: Text,
    pub query: Vec<(Text, Text)>,
    pub body: Option<Value>,
    pub way: Way,
    /// What leads on: over an answer, or over an item where it is a key.
    mark: Option<Expression>,
    last: Option<Expression>,
    total: Option<Expression>,
    total_header: Option<HeaderName>,
    error: Option<Expression>,
    pub export: Option<Job>,
}

/// A job that makes a list.
pub(super) struct Job {
    pub declared: Export,
    id: Expression,
    state: Expression,
    chunks: Expression,
    lost: Option<Expression>,
}

/// A list whose items are laid beside others.
pub(super) struct Join {
    pub name: Text,
    pub list: Arc<List>,
    pub items: Mapper,
    pub by: Expression,
    pub key: Expression,
    pub keep: Option<Expression>,
}

fn compiled(field: &str, text: &Text) -> Result<Expression, String> {
    text.parse().map_err(|wrong: crate::discovery::mapping::Wrong| format!("{field}: {}, at character {}", wrong.0.1, wrong.0.0 + 1))
}

fn maybe(field: &str, text: Option<&Text>) -> Result<Option<Expression>, String> {
    text.map(|text| compiled(field, text)).transpose()
}

impl List {
    pub(super) fn compile(list: &HttpList) -> Result<Self, String> {
        let paging = list.paging.as_ref();
        let mark = paging.and_then(|paging| {
            let cursor = paging.cursor.as_ref().map(|cursor| &cursor.value);
            paging.next.as_ref().or(cursor).or_else(|| paging.key.as_ref().map(|key| &key.of))
        });
        Ok(Self {
            path: list.path.clone().unwrap_or_default(),
            query: super::address::pairs(&list.query),
            body: list.body.clone(),
            way: Way::of(paging),
            mark: maybe("paging", mark)?,
            last: maybe("paging.page.last", paging.and_then(|paging| paging.page.as_ref()?.last.as_ref()))?,
            total: maybe("total", list.total.as_ref())?,
            total_header: list.total_header.as_ref().and_then(|name| name.parse().ok()),
            error: maybe("error", list.error.as_ref())?,
            export: list.export.as_ref().map(Job::compile).transpose()?,
        })
    }

    /// What an answer says of itself, but for its items.
    pub(super) fn facts(&self, document: &Node<'_>, headers: &http::HeaderMap) -> Result<Facts, String> {
        let text = |field: &str, expression: Option<&Expression>| expression.map_or(Ok(None), |expression| text_of(field, expression, document));
        let number = |field: &str, expression: Option<&Expression>| match text(field, expression)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| format!("{field}: this is no count")),
        };
        let header = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let counted = self.total_header.as_ref().and_then(header).and_then(|value| value.trim().parse().ok());
        let mark = if matches!(self.way, Way::Key { .. }) { None } else { text("paging", self.mark.as_ref())? };
        let mut links = headers.get_all(http::header::LINK).iter().filter_map(|value| value.to_str().ok());
        Ok(Facts {
            mark,
            link: links.find_map(super::address::next_link).map(Text::from),
            total: number("total", self.total.as_ref())?.or(counted),
            last: number("paging.page.last", self.last.as_ref())?,
            ..Facts::default()
        })
    }

    /// What the API itself says is wrong with an answer. What it says is not redacted yet.
    pub(super) fn complaint(&self, document: &Node<'_>) -> Result<Option<String>, String> {
        let Some(error) = &self.error else { return Ok(None) };
        let said = error.run(document).map_err(|reason| format!("error: {reason}"))?.unwrap_or_default();
        Ok(match said {
            Value::Null | Value::Bool(false) => None,
            Value::Text(text) => Some(text.to_string()).filter(|text| !text.trim().is_empty()),
            Value::List(list) if list.is_empty() => None,
            Value::Map(map) if map.is_empty() => None,
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(true) => Some("something went wrong".to_owned()),
            other => Some(other.to_string()),
        })
    }

    /// The key of an item, where one goes on by it.
    pub(super) fn key(&self) -> Option<&Expression> {
        self.mark.as_ref().filter(|_| matches!(self.way, Way::Key { .. }))
    }
}

/// What a job is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// At work.
    Working,
    /// Done: its chunks, and how many could not be made.
    Done { chunks: Vec<Text>, lost: usize },
    /// Failed, in this state.
    Failed(Text),
}

impl Job {
    fn compile(export: &Export) -> Result<Self, String> {
        Ok(Self {
            id: compiled("export.id", &export.id)?,
            state: compiled("export.state", &export.state)?,
            chunks: compiled("export.chunks", &export.chunks)?,
            lost: maybe("export.lost", export.lost.as_ref())?,
            declared: export.clone(),
        })
    }

    pub(super) fn id(&self, document: &Node<'_>) -> Result<Text, String> {
        text_of("export.id", &self.id, document)?.ok_or_else(|| "the server started a job and gave no id for it".to_owned())
    }

    pub(super) fn state(&self, document: &Node<'_>) -> Result<State, String> {
        let state = text_of("export.state", &self.state, document)?.ok_or("the server does not say in which state the job is")?;
        if self.declared.failed.contains(&state) {
            return Ok(State::Failed(state));
        }
        if !self.declared.done.contains(&state) {
            return Ok(State::Working);
        }
        let chunks = list_of("export.chunks", &self.chunks, document)?;
        let lost = self.lost.as_ref().map_or(Ok(Vec::new()), |lost| list_of("export.lost", lost, document))?.len();
        Ok(State::Done { chunks, lost })
    }
}

fn list_of(field: &str, expression: &Expression, document: &Node<'_>) -> Result<Vec<Text>, String> {
    match expression.run(document).map_err(|reason| format!("{field}: {reason}"))?.unwrap_or_default() {
        Value::Null => Ok(Vec::new()),
        Value::List(list) => {
            let texts = list.iter().map(|value| super::address::scalar(value).ok_or_else(|| format!("{field}: a list of names or numbers is wanted")));
            texts.collect()
        }
        other => Err(format!("{field}: a list is wanted, not a {}", other.kind())),
    }
}

impl Join {
    pub(super) fn compile(join: &HttpJoin) -> Result<Self, String> {
        let told = |reason: String| format!("join `{}`: {reason}", join.name);
        Ok(Self {
            name: join.name.clone(),
            list: Arc::new(List::compile(&join.list).map_err(told)?),
            items: Mapper::compile(join.items.as_ref(), None).map_err(|problems| told(crate::discovery::mapping::Problem::told(&problems)))?,
            by: compiled("by", &join.by).map_err(told)?,
            key: compiled("key", &join.key).map_err(told)?,
            keep: maybe("keep", join.keep.as_ref()).map_err(told)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> Node<'_> {
        serde_json::from_str(json).unwrap()
    }

    fn job() -> Job {
        let yaml = "{start: e, id: .export_uuid, status: 'e/{id}', state: .status, done: [FINISHED], failed: [ERROR, CANCELLED],
            chunks: .chunks_available, lost: .chunks_failed, chunk: 'e/{id}/{chunk}'}";
        Job::compile(&serde_yaml::from_str(yaml).unwrap()).unwrap()
    }

    // Tenable: QUEUED, PROCESSING, FINISHED, ERROR, CANCELLED.
    #[test]
    fn a_job_is_at_work_until_it_is_done_or_has_failed() {
        let job = job();
        for working in ["QUEUED", "PROCESSING"] {
            assert_eq!(job.state(&node(&format!(r#"{{"status": "{working}", "chunks_available": [1]}}"#))), Ok(State::Working));
        }
        assert_eq!(job.state(&node(r#"{"status": "ERROR"}"#)), Ok(State::Failed("ERROR".into())));
        let done = job.state(&node(r#"{"status": "FINISHED", "chunks_available": [1, 2], "chunks_failed": [3]}"#));
        assert_eq!(done, Ok(State::Done { chunks: vec!["1".into(), "2".into()], lost: 1 }));
        assert!(job.state(&node("{}")).is_err());
        assert!(job.id(&node("{}")).is_err());
        assert_eq!(job.id(&node(r#"{"export_uuid": 7}"#)), Ok("7".into()));
    }

    #[test]
    fn an_answer_says_what_leads_on_and_how_many_there_are() {
        let list: HttpList = serde_yaml::from_str("{path: x, paging: {next: .next}, total: .count, totalHeader: X-Total-Count, error: .errors}").unwrap();
        let list = List::compile(&list).unwrap();
        let headers = [("x-total-count", "9"), ("link", "<https://x/2>; rel=next")];
        let headers = headers.into_iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        let facts = list.facts(&node(r#"{"next": "https://x/?p=2", "count": 7}"#), &headers).unwrap();
        assert_eq!((facts.mark.as_deref(), facts.total, facts.link.as_deref()), (Some("https://x/?p=2"), Some(7), Some("https://x/2")));
        let facts = list.facts(&node(r#"{"next": null}"#), &headers).unwrap();
        assert_eq!((facts.mark, facts.total), (None, Some(9)));
        assert!(list.facts(&node(r#"{"count": "many"}"#), &headers).is_err());
        assert!(list.complaint(&node(r#"{"errors": [{"message": "partial"}]}"#)).unwrap().unwrap().contains("partial"));
        assert_eq!(list.complaint(&node(r#"{"errors": []}"#)), Ok(None));
    }
}
