//! Asking all sources side by side.
//!
//! Every source that is asked is answered for: one that takes too long, fails or is not waited for any longer gives an
//! incomplete answer that says so, from which nothing is concluded absent (rule 2).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::file::FileSource;
use super::host::HostSource;
use super::http::HttpSource;
use super::kubernetes::KubernetesSource;
use super::kubernetes::identity::{Means, Surroundings};
use super::nmap::NmapSource;
use super::push::{self, PushSource};
use super::reach::Reach;
use super::snmp::SnmpSource;
use super::tls::TlsSource;
use super::{Answer, Source, vsphere};
use crate::api::rules::SOURCES;
use crate::api::{DiscoverySourceSpec, Text};
use crate::estate::{Declared, Estate};

/// How long an answer may take where the source does not say.
const TIMEOUT: Duration = Duration::from_mins(1);
/// The longest that a source may say.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(1);

/// A source and how long its answer may take.
#[derive(Clone)]
pub struct Asked {
    /// The source.
    pub source: Arc<dyn Source>,
    /// How long its answer may take.
    pub timeout: Duration,
}

/// What asking may use.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many sources are asked at once.
    pub at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { at_once: 8 }
    }
}

/// Is told what happens while sources are asked.
pub trait Progress: Send + Sync {
    /// A source is being asked.
    fn started(&self, source: &Text);
    /// It has answered, or is not waited for any longer.
    fn finished(&self, answer: &Answer);
}

/// Is told and says nothing.
pub struct Silent;

impl Progress for Silent {
    fn started(&self, _: &Text) {}
    fn finished(&self, _: &Answer) {}
}

/// Passes on what happens, and takes the time that each source needs.
pub struct Timed<'a> {
    inner: &'a dyn Progress,
    begun: Mutex<BTreeMap<Text, Instant>>,
    took: Mutex<BTreeMap<Text, Duration>>,
}

impl<'a> Timed<'a> {
    /// Takes times, and tells `inner` the same.
    pub fn new(inner: &'a dyn Progress) -> Self {
        Self { inner, begun: Mutex::default(), took: Mutex::default() }
    }

    /// How long each source was asked, by name.
    pub fn took(self) -> BTreeMap<Text, Duration> {
        self.took.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Timed<'_> {
    fn started(&self, source: &Text) {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(source.clone(), Instant::now());
        self.inner.started(source);
    }

    fn finished(&self, answer: &Answer) {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).remove(&answer.source);
        if let Some(begun) = begun {
            self.took.lock().unwrap_or_else(PoisonError::into_inner).insert(answer.source.clone(), begun.elapsed());
        }
        self.inner.finished(answer);
    }
}

/// An answer that says nothing but why.
pub fn unanswered(source: &Text, now: Timestamp, error: impl Into<Text>) -> Answer {
    Answer { source: source.clone(), at: now, complete: false, error: Some(error.into()), evidence: Text::default(), items: Vec::new() }
}

/// The sources of an estate that are not suspended; and, for those that cannot be asked at all, why.
pub fn build(estate: &Estate, reach: &Reach, now: Timestamp) -> (Vec<Asked>, Vec<Answer>) {
    let mut asked = Vec::new();
    let mut refused = Vec::new();
    for declared in estate.sources.iter().filter(|declared| !declared.spec.suspend) {
        match source_of(estate, declared, reach) {
            Ok(source) => asked.push(Asked { source, timeout: timeout_of(&declared.spec) }),
            Err(error) => refused.push(unanswered(&declared.name, now, error)),
        }
    }
    (asked, refused)
}

fn source_of(estate: &Estate, declared: &Declared<DiscoverySourceSpec>, reach: &Reach) -> Result<Arc<dyn Source>, String> {
    let (name, spec) = (&declared.name, &declared.spec);
    // Answers that are in hand by then must not be lost to the time-out of the whole.
    let deadline = timeout_of(spec).saturating_sub(Duration::from_secs(5)).max(Duration::from_secs(1));
    let one_of = || format!("give exactly one of `{}`", SOURCES.join("`, `"));
    if spec.kinds().len() > 1 {
        return Err(format!("it is of more than one kind; {}", one_of()));
    }
    if let Some(file) = &spec.file {
        Ok(Arc::new(FileSource::new(name.clone(), file, spec, reach.files.clone())?))
    } else if let Some(host) = &spec.host {
        Ok(Arc::new(HostSource::new(name.clone(), host.clone())))
    } else if let Some(tls) = &spec.tls {
        let of_policies = estate.policies.iter().flat_map(|policy| policy.spec.endpoints.iter().cloned()).collect();
        let source = TlsSource::new(name.clone(), tls.clone(), of_policies, reach.root.clone(), reach.connect.clone());
        Ok(Arc::new(source.with_deadline(deadline)))
    } else if let Some(kubernetes) = &spec.kubernetes {
        let (root, access, credentials) = (reach.root.clone(), reach.access.clone(), reach.credentials.clone());
        let means = Means { root, access, credentials, surroundings: Surroundings::default() };
        let source = KubernetesSource::new(name.clone(), (**kubernetes).clone(), means, reach.connect.clone()).with_deadline(deadline);
        Ok(Arc::new(match &reach.kept {
            Some(kept) => source.with_kept(kept.clone()),
            None => source,
        }))
    } else if let Some(http) = &spec.http {
        Ok(Arc::new(HttpSource::new(name.clone(), http, spec, reach.clone(), deadline)?))
    } else if let Some(snmp) = &spec.snmp {
        Ok(Arc::new(SnmpSource::new(name.clone(), (**snmp).clone(), reach, deadline)?))
    } else if let Some(push) = &spec.push {
        let folder =
            reach.pushed.as_ref().ok_or("nothing can be pushed in a cluster, whose replicas share their work; run `bowline run` without --kubernetes")?;
        Ok(Arc::new(PushSource::new(name.clone(), push, spec, push::file::path(folder, name))))
    } else if let Some(nmap) = &spec.nmap {
        Ok(Arc::new(NmapSource::new(name.clone(), nmap, reach.files.clone())))
    } else if let Some(spec) = &spec.vsphere {
        vsphere::source(name.clone(), spec, reach.clone(), deadline)
    } else {
        Err(format!("it says of what kind it is nowhere; {}", one_of()))
    }
}

fn timeout_of(spec: &DiscoverySourceSpec) -> Duration {
    let declared = spec.timeout.as_ref().map(|period| Duration::from_secs(u64::try_from(period.seconds()).unwrap_or_default()));
    declared.unwrap_or(TIMEOUT).clamp(Duration::from_secs(1), LONGEST_TIMEOUT)
}

/// Asks all sources, at most `limits.at_once` at a time, and gives one answer for each, sorted by name. When `stop` turns
/// true, or its sender is dropped while true, no source is waited for any longer. Must be called in a runtime of tokio.
pub async fn ask_all(sources: Vec<Asked>, limits: &Limits, now: Timestamp, progress: &dyn Progress, mut stop: watch::Receiver<bool>) -> Vec<Answer> {
    let mut asking = Asking { tasks: JoinSet::new(), running: HashMap::new(), answers: Vec::with_capacity(sources.len()), progress, now };
    let mut waiting = VecDeque::from(sources);
    let mut stoppable = true;
    loop {
        if *stop.borrow() {
            asking.give_up(&waiting);
            break;
        }
        while asking.running.len() < limits.at_once.max(1)
            && let Some(next) = waiting.pop_front()
        {
            asking.start(next);
        }
        let Some(deadline) = asking.running.values().map(|running| running.deadline).min() else { break };
        tokio::select! {
            Some(joined) = asking.tasks.join_next_with_id() => asking.joined(joined),
            () = sleep_until(deadline) => asking.expire(),
            changed = stop.changed(), if stoppable => stoppable = changed.is_ok(),
        }
    }
    let mut answers = asking.answers;
    answers.sort_by(|one, other| one.source.cmp(&other.source));
    answers
}

struct Running {
    name: Text,
    timeout: Duration,
    deadline: Instant,
    task: AbortHandle,
}

struct Asking<'a> {
    tasks: JoinSet<Answer>,
    running: HashMap<Id, Running>,
    answers: Vec<Answer>,
    progress: &'a dyn Progress,
    now: Timestamp,
}

impl Asking<'_> {
    fn start(&mut self, Asked { source, timeout }: Asked) {
        let (name, now) = (source.name().clone(), self.now);
        self.progress.started(&name);
        let span = tracing::info_span!("discover", source = &*name, complete = Empty, items = Empty);
        let asking = async move {
            let answer = source.observe(now).await;
            Span::current().record("complete", answer.complete).record("items", answer.items.len());
            answer
        };
        let task = self.tasks.spawn(asking.instrument(span));
        self.running.insert(task.id(), Running { name, timeout, deadline: Instant::now() + timeout, task });
    }

    fn joined(&mut self, joined: Result<(Id, Answer), tokio::task::JoinError>) {
        match joined {
            Ok((id, answer)) => {
                if let Some(running) = self.running.remove(&id) {
                    self.answered(Answer { source: running.name, ..answer });
                }
            }
            Err(error) => {
                if let Some(running) = self.running.remove(&error.id()) {
                    // What a panic says may show what was being read.
                    self.answered(unanswered(&running.name, self.now, "asking it failed because of a defect in Bowline; please report it"));
                }
            }
        }
    }

    /// Gives up the sources whose time is over.
    fn expire(&mut self) {
        let instant = Instant::now();
        let mut late: Vec<Running> = self.running.extract_if(|_, running| running.deadline <= instant).map(|(_, running)| running).collect();
        late.sort_by(|one, other| one.name.cmp(&other.name));
        for running in late {
            running.task.abort();
            self.answered(unanswered(&running.name, self.now, format!("no answer within {}s", running.timeout.as_secs())));
        }
    }

    /// Gives up everything.
    fn give_up(&mut self, waiting: &VecDeque<Asked>) {
        let running = std::mem::take(&mut self.running).into_values().map(|running| {
            running.task.abort();
            running.name
        });
        let mut names: Vec<Text> = running.chain(waiting.iter().map(|asked| asked.source.name().clone())).collect();
        names.sort();
        for name in names {
            self.answered(unanswered(&name, self.now, "Bowline was stopped before it answered"));
        }
    }

    fn answered(&mut self, answer: Answer) {
        self.progress.finished(&answer);
        self.answers.push(answer);
    }
}
