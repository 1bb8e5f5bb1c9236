//! Reading a list: page after page, or the chunks of a job, each given to a sink and dropped.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response};
use reqwest::Url;
use tokio::time::{Instant, sleep};

use super::client::{Ask, Client};
use super::page::Sink;
use super::paging::{Course, Facts, Step, Turn, Way, hash};
use super::plan::{Job, List, State};
use super::{address, judge};
use crate::api::{Table, Text, Value};
use crate::discovery::mapping::{Node, roomy};

/// How often a job is asked after, where the source does not say.
const EVERY: Duration = Duration::from_secs(5);

/// Reads a list to its end. The sink has what came, and the faults say why that is not all.
pub(super) async fn read<S: Sink>(client: &Client, list: &Arc<List>, sink: S) -> (Option<S>, Vec<String>) {
    match &list.export {
        Some(job) => chunks(client, list, job, sink).await,
        None => pages(client, list, sink).await,
    }
}

async fn pages<S: Sink>(client: &Client, list: &Arc<List>, sink: S) -> (Option<S>, Vec<String>) {
    let mut course = Course::new(list.way.clone(), client.limits.pages);
    let mut turn = course.first();
    let mut reading = Reading { list: list.clone(), sink: Some(sink), faults: Vec::new() };
    let mut from = client.base.clone();
    loop {
        let page = course.page();
        let place = if list.way == Way::Once { String::new() } else { format!("page {page}: ") };
        let ask = match ask(&client.base, &from, list, &turn) {
            Ok(ask) => ask,
            Err(reason) => return reading.ended(format!("{place}{reason}")),
        };
        let facts = match client.send(&ask).await {
            Ok(response) => reading.take(client, response, page).await,
            Err(reason) => Err(reason),
        };
        from = ask.url;
        match facts.map(|facts| course.after(&facts)) {
            Err(reason) => return reading.ended(format!("{place}{reason}")),
            Ok(Step::Broken(reason)) => return reading.ended(reason),
            Ok(Step::Done) => break,
            Ok(Step::Go(next)) => turn = next,
        }
    }
    reading.faults.extend(course.shortfall());
    (reading.sink, reading.faults)
}

/// The request of a turn.
fn ask(base: &Url, from: &Url, list: &List, turn: &Turn) -> Result<Ask, String> {
    let (mut query, mut body) = (list.query.clone(), list.body.clone());
    match turn {
        Turn::Plain => {}
        Turn::Address(to) => return Ok(Ask { url: address::onward(base, from, to)?, body, starts: false }),
        Turn::Set { parameter, value, alone } => match &mut body {
            Some(Value::Map(members)) => *members = std::mem::take(members).with(parameter, member(list, value)),
            _ if *alone => query = vec![(parameter.clone(), value.clone())],
            _ => {
                query.retain(|(name, _)| name != parameter);
                query.push((parameter.clone(), value.clone()));
            }
        },
    }
    Ok(Ask { url: address::below(base, &list.path, &query)?, body, starts: false })
}

/// A parameter as a member of a body: counts are numbers.
fn member(list: &List, value: &Text) -> Value {
    let is_count = matches!(list.way, Way::Offset { .. } | Way::Page { .. });
    value.parse::<u64>().ok().filter(|_| is_count).map_or_else(|| Value::from(value.clone()), Value::from)
}

async fn chunks<S: Sink>(client: &Client, list: &Arc<List>, job: &Job, sink: S) -> (Option<S>, Vec<String>) {
    let mut reading = Reading { list: list.clone(), sink: Some(sink), faults: Vec::new() };
    let (id, chunks) = match finished(client, list, job, &mut reading.faults).await {
        Ok(done) => done,
        Err(reason) => return reading.ended(format!("export: {reason}")),
    };
    if chunks.len() > usize::try_from(client.limits.pages).unwrap_or(usize::MAX) {
        return reading.ended(format!("export: there are more than {} chunks; ask for larger ones, or raise `limits.pages`", client.limits.pages));
    }
    let mut course = Course::new(Way::Once, u32::MAX);
    for chunk in &chunks {
        let fetched = match path(client, &job.declared.chunk, &[("id", &id), ("chunk", chunk)]) {
            Ok(url) => client.send(&Ask { url, body: None, starts: false }).await,
            Err(reason) => Err(reason),
        };
        let facts = match fetched {
            Ok(response) => reading.take(client, response, course.page()).await,
            Err(reason) => Err(reason),
        };
        let step = facts.map(|facts| course.after(&Facts { link: None, ..facts }));
        if let Err(reason) | Ok(Step::Broken(reason)) = step {
            return reading.ended(format!("chunk {chunk}: {reason}"));
        }
    }
    (reading.sink, reading.faults)
}

/// Starts a job and asks after it until it is done.
async fn finished(client: &Client, list: &List, job: &Job, faults: &mut Vec<String>) -> Result<(Text, Vec<Text>), String> {
    let export = &job.declared;
    let body = export.body.clone().unwrap_or(Value::Map(Table::default()));
    let answer = client.send(&Ask { url: path(client, &export.start, &[])?, body: Some(body), starts: true }).await?;
    let id = with_document(&answer, |document| job.id(document)).map_err(|reason| client.say(&reason))?;
    let every = export.every.as_ref().and_then(|every| u64::try_from(every.seconds()).ok()).map_or(EVERY, Duration::from_secs).max(Duration::from_millis(100));
    let status = path(client, &export.status, &[("id", &id)])?;
    loop {
        let answer = client.send(&Ask { url: status.clone(), body: None, starts: false }).await?;
        let state = with_document(&answer, |document| {
            faults.extend(list.complaint(document)?.map(|said| client.say(&format!("export: the server says: {said}"))));
            job.state(document)
        });
        match state.map_err(|reason| client.say(&reason))? {
            State::Failed(state) => return Err(format!("the job ended in the state {}; nothing of it was read", client.say(&state))),
            State::Done { chunks, lost } => {
                if lost > 0 {
                    faults.push(format!("export: {lost} chunk{} could not be made by the server", if lost == 1 { "" } else { "s" }));
                }
                return Ok((id, chunks));
            }
            State::Working if Instant::now() + every >= client.deadline => {
                return Err("the job is not done within the time of the source; raise `timeout`".to_owned());
            }
            State::Working => {
                tracing::debug!("the job is at work");
                sleep(every).await;
            }
        }
    }
}

fn path(client: &Client, template: &str, values: &[(&str, &str)]) -> Result<Url, String> {
    address::below(&client.base, &address::filled(template, values)?, &[])
}

/// A small answer, looked into.
fn with_document<T: Send>(response: &Response<Vec<u8>>, look: impl FnOnce(&Node<'_>) -> Result<T, String> + Send) -> Result<T, String> {
    roomy(|| look(&document(response.headers(), response.body())?))?
}

fn document<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Node<'a>, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| judge::not_json(headers, body, &error))
}

/// A list that is being read.
struct Reading<S> {
    list: Arc<List>,
    /// None while a page is being taken, and where that failed by a defect.
    sink: Option<S>,
    faults: Vec<String>,
}

impl<S: Sink> Reading<S> {
    /// Gives a page to the sink, on a thread that may take its time.
    async fn take(&mut self, client: &Client, response: Response<Vec<u8>>, page: u32) -> Result<Facts, String> {
        let Some(mut sink) = self.sink.take() else { return Err(DEFECT.to_owned()) };
        let list = self.list.clone();
        let taking = tokio::task::spawn_blocking(move || {
            let taken = roomy(|| taken(&list, &mut sink, &response, page)).unwrap_or_else(Err);
            (sink, taken)
        });
        let (sink, taken) = taking.await.map_err(|_| DEFECT.to_owned())?;
        self.sink = Some(sink);
        let (facts, complaint) = taken.map_err(|reason| client.say(&reason))?;
        self.faults.extend(complaint.map(|said| client.say(&format!("page {page}: the server says: {said}"))));
        Ok(facts)
    }

    fn ended(mut self, reason: String) -> (Option<S>, Vec<String>) {
        self.faults.push(reason);
        (self.sink, self.faults)
    }
}

const DEFECT: &str = "reading an answer failed because of a defect in Bowline; please report it";

fn taken<S: Sink>(list: &List, sink: &mut S, response: &Response<Vec<u8>>, page: u32) -> Result<(Facts, Option<String>), String> {
    let document = document(response.headers(), response.body())?;
    let complaint = list.complaint(&document)?;
    let facts = list.facts(&document, response.headers())?;
    let taken = sink.take(document, page, list.key())?;
    let facts = Facts { items: taken.items, repeated: taken.repeated, digest: hash(response.body().as_slice()), mark: facts.mark.or(taken.key), ..facts };
    Ok((facts, complaint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::discovery_source::HttpList;

    fn asked(yaml: &str, turn: &Turn) -> (String, Option<String>) {
        let list: HttpList = serde_yaml::from_str(yaml).unwrap();
        let base: Url = "https://x/api/".parse().unwrap();
        let ask = ask(&base, &base, &List::compile(&list).unwrap(), turn).unwrap();
        (ask.url.to_string(), ask.body.map(|body| body.to_json().to_string()))
    }

    fn set(value: &str, alone: bool) -> Turn {
        Turn::Set { parameter: "p".into(), value: value.into(), alone }
    }

    #[test]
    fn a_parameter_is_set_in_the_query_or_stands_alone() {
        assert_eq!(asked("{path: vms, query: {limit: 2, p: x}}", &set("4", false)).0, "https://x/api/vms?limit=2&p=4");
        assert_eq!(asked("{path: vms, query: {limit: 2}}", &set("a=&b", true)).0, "https://x/api/vms?p=a%3D%26b");
    }

    #[test]
    fn with_a_body_a_parameter_is_a_member_of_it() {
        let by_offset = "{path: q, body: {size: 2}, paging: {offset: {parameter: p}}}";
        assert_eq!(asked(by_offset, &set("4", false)), ("https://x/api/q".into(), Some(r#"{"p":4,"size":2}"#.into())));
        let by_cursor = "{path: q, body: {size: 2}, paging: {cursor: {parameter: p, value: .c}}}";
        assert_eq!(asked(by_cursor, &set("4", false)).1, Some(r#"{"p":"4","size":2}"#.into()));
    }
}
