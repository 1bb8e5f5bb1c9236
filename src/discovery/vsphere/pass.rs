//! One pass: log in, make a view of everything, read it page by page with the property collector, log out. No call for a single virtual machine.
//!
//! A session that ends in the middle is begun anew once, and so is the pass: what was read before then is dropped, so that an answer is of one session.
//! What was read when the time is over stays, and the answer is incomplete.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::Url;
use tokio::time::{Instant, timeout, timeout_at};
use vim_rs::core::client::{Error, VimClient};
use vim_rs::mo::{PropertyCollector, SessionManager, ViewManager};
use vim_rs::types::enums::MoTypesEnum;
use vim_rs::types::structs::{
    ManagedObjectReference, ObjectSpec, PropertyFilterSpec, PropertySpec, RetrieveOptions, RetrieveResult, SelectionSpec, TraversalSpec,
};

use super::found::{self, Found};
use super::gaps::{Fate, Gaps};
use super::missing::Missing;
use super::object::{Object, Reference};
use super::wire::{CALL, LARGEST, Line, Wire};
use super::{host, machine};
use crate::access::web::carry::{Carrier, Unfit, Way};
use crate::access::web::{authority, host_and_port};
use crate::api::Text;
use crate::api::discovery_source::VsphereSource as Spec;
use crate::credentials::{Login, Secret};
use crate::discovery::reach::Reach;
use crate::discovery::{Answer, Source};

/// How many objects a page has at most.
const PAGE: i32 = 250;
/// How many objects may be read.
const OBJECTS: usize = 250_000;
/// How many virtual machines that no view shows are asked for by themselves, all in one call.
const UNSEEN: usize = 1000;
/// How often a pass is begun.
const BEGINNINGS: usize = 2;
/// How long logging out may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// What is seen of a vCenter, and what is read of it. A property set of a type holds for the types that are special cases of it.
const READ: [(&str, &[&str]); 9] = [
    ("VirtualMachine", machine::ASKED),
    ("HostSystem", host::HOST),
    ("ComputeResource", host::COMPUTE),
    ("ClusterComputeResource", host::CLUSTER),
    ("Datastore", host::DATASTORE),
    ("Network", host::NETWORK),
    ("DistributedVirtualPortgroup", host::PORT_GROUP),
    ("Folder", host::PLACE),
    ("Datacenter", host::PLACE),
];
const SEEN: [&str; 7] = ["VirtualMachine", "HostSystem", "ComputeResource", "Datastore", "Network", "Folder", "Datacenter"];

/// A vCenter as a source.
pub(super) struct VsphereSource {
    name: Text,
    spec: Spec,
    url: Url,
    reach: Reach,
    time: Duration,
}

/// Why a pass ended before its end.
enum Failure {
    /// The session is over.
    SessionOver,
    /// Anything else, in one sentence.
    Other(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::MethodFault(fault) => match fault.type_.map_or("an unknown fault", |kind| kind.as_str()) {
                "NotAuthenticated" => Self::SessionOver,
                "InvalidLogin" => Self::Other("the vCenter does not accept the account and password of the credential".to_owned()),
                name => Self::Other(format!("the vCenter refuses the call ({name})")),
            },
            Error::ParseError(text) if text.starts_with("XML deserialization failed") => {
                Self::Other("the answer cannot be read: it is none of vSphere's, or of a version that this build does not know".to_owned())
            }
            Error::ParseError(text) => Self::Other(text),
            other => Self::Other(other.to_string()),
        }
    }
}

/// What was found so far, and what is wrong.
#[derive(Default)]
struct Gathered {
    found: Vec<Found>,
    gaps: Gaps,
    problems: Vec<String>,
}

impl VsphereSource {
    /// A source that asks as `spec` says, within `time`.
    pub(super) fn new(name: Text, spec: &Spec, reach: Reach, time: Duration) -> Result<Self, String> {
        Ok(Self { name, spec: spec.clone(), url: super::address(&spec.url)?, reach, time })
    }

    /// The account for the host, if it is bound to it.
    fn login(&self) -> Result<(&Text, &Secret), String> {
        let (host, port) = host_and_port(&self.url);
        let credential = self.reach.credentials.for_host(&self.spec.credentials, &authority(&host, port)).map_err(|error| error.to_string())?;
        match &credential.login {
            Login::Password { user, password } => Ok((user, password)),
            _ => Err(format!("the credential `{}` is no account with a password, which is what a vCenter takes", credential.name)),
        }
    }

    async fn wire(&self, deadline: Instant) -> Result<Wire, String> {
        let authorities = self.spec.ca.as_ref().map(|path| self.reach.authorities(path)).transpose()?.unwrap_or_default();
        let way = Way {
            access: &self.reach.access,
            url: &self.url,
            login: None,
            authorities: &authorities,
            proxy: None,
            timeout: CALL.min(self.time),
            largest: LARGEST,
        };
        let carrier = Carrier::new(&way).map_err(|unfit| match unfit {
            Unfit::Refused(error) => error.to_string(),
            Unfit::Setting(reason) => reason,
        })?;
        let line = Line::new(carrier, self.url.clone(), self.reach.credentials.redactor(), deadline);
        let made = timeout_at(deadline, Wire::new(line)).await.map_err(|_| over())?;
        made.map_err(|error| match Failure::from(error) {
            Failure::SessionOver => "what answers there is no vCenter".to_owned(),
            Failure::Other(reason) => reason,
        })
    }

    async fn gather(&self, wire: &Arc<Wire>, deadline: Instant) -> Result<Gathered, String> {
        let (user, password) = self.login()?;
        let pass = Pass { wire, spec: &self.spec };
        let mut begun = 0;
        let gathered = loop {
            begun += 1;
            wire.line.forget();
            let mut gathered = Gathered::default();
            let read = async {
                pass.log_in(user, password).await?;
                pass.read(&mut gathered).await
            };
            match timeout_at(deadline, read).await {
                Ok(Ok(())) => {}
                Ok(Err(Failure::SessionOver)) if begun < BEGINNINGS => continue,
                Ok(Err(Failure::SessionOver)) => gathered.problems.push("the session ended while it was read, twice".to_owned()),
                Ok(Err(Failure::Other(reason))) => gathered.problems.push(reason),
                Err(_) => gathered.problems.push(over()),
            }
            break gathered;
        };
        // Where that fails the session ends by itself.
        timeout(FAREWELL, pass.log_out()).await.ok();
        Ok(gathered)
    }
}

fn over() -> String {
    "the time of the source is over (`timeout`)".to_owned()
}

#[async_trait]
impl Source for VsphereSource {
    fn name(&self) -> &Text {
        &self.name
    }

    async fn observe(&self, now: Timestamp) -> Answer {
        let deadline = Instant::now() + self.time.saturating_sub(FAREWELL).max(Duration::from_secs(1));
        let answer = Answer { source: self.name.clone(), at: now, evidence: self.url.as_str().into(), ..Answer::default() };
        // The credential first: without it nobody is asked anything.
        let wire = match self.login() {
            Ok(_) => self.wire(deadline).await,
            Err(reason) => Err(reason),
        };
        let wire = match wire {
            Ok(wire) => Arc::new(wire),
            Err(reason) => return Answer { error: Some(reason.into()), ..answer },
        };
        let about = &wire.service_content().about;
        let evidence = format!("{}, {}", answer.evidence, about.full_name).into();
        match self.gather(&wire, deadline).await {
            Ok(gathered) => {
                let problems: Vec<String> = gathered.problems.into_iter().chain(gathered.gaps.told()).collect();
                let items = found::resolve(gathered.found, about.instance_uuid.as_deref());
                let error = (!problems.is_empty()).then(|| problems.join("; ").into());
                Answer { complete: error.is_none(), error, items, evidence, ..answer }
            }
            Err(reason) => Answer { error: Some(reason.into()), evidence, ..answer },
        }
    }
}

/// One session's work.
struct Pass<'a> {
    wire: &'a Arc<Wire>,
    spec: &'a Spec,
}

impl Pass<'_> {
    fn client(&self) -> Arc<dyn VimClient> {
        self.wire.clone()
    }

    fn sessions(&self) -> Result<SessionManager, Failure> {
        let manager = self.wire.service_content().session_manager.as_ref();
        let manager = manager.ok_or_else(|| Failure::Other("the server has no sessions, so nobody can log in".to_owned()))?;
        Ok(SessionManager::new(self.client(), &manager.value))
    }

    async fn log_in(&self, user: &str, password: &Secret) -> Result<(), Failure> {
        self.sessions()?.login(user, password.expose(), None).await?;
        Ok(())
    }

    async fn log_out(&self) -> Result<(), Failure> {
        self.sessions()?.logout().await?;
        Ok(())
    }

    async fn read(&self, gathered: &mut Gathered) -> Result<(), Failure> {
        let root = self.wire.service_content().root_folder.clone();
        let containers = if self.spec.datacenters.is_empty() { vec![root] } else { self.datacenters(&root, gathered).await? };
        if containers.is_empty() {
            return Ok(());
        }
        let mut views = Vec::with_capacity(containers.len());
        for container in &containers {
            views.push(seen_by(self.view(container, &SEEN).await?));
        }
        self.collect(views, &READ, &mut |object| gathered.add(object)).await?;
        self.look_again(gathered).await
    }

    /// The datacenters that are named.
    async fn datacenters(&self, root: &ManagedObjectReference, gathered: &mut Gathered) -> Result<Vec<ManagedObjectReference>, Failure> {
        let view = seen_by(self.view(root, &["Datacenter"]).await?);
        let mut known = Vec::new();
        let (gaps, what) = (&mut gathered.gaps, [("Datacenter", host::PLACE)]);
        let mut add = |object: &Object| {
            let fate = gaps.judge(object);
            if fate == Fate::Read {
                known.push(Found::of(object));
            }
            fate
        };
        self.collect(vec![view], &what, &mut add).await?;
        for name in &self.spec.datacenters {
            if !known.iter().any(|one| one.name == *name) {
                gathered.problems.push(format!("there is no datacenter `{}`, or this account may not see it", name.escape_debug()));
            }
        }
        known.retain(|one| self.spec.datacenters.contains(&one.name));
        let chosen = known.iter().map(|one| reference(&one.itself)).collect();
        // Its own view does not show it.
        gathered.found.extend(known);
        Ok(chosen)
    }

    /// A view is kept by the server until the session ends.
    async fn view(&self, container: &ManagedObjectReference, kinds: &[&str]) -> Result<ManagedObjectReference, Failure> {
        let manager = self.wire.service_content().view_manager.as_ref();
        let manager = manager.ok_or_else(|| Failure::Other("the server has no views of its inventory".to_owned()))?;
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        Ok(ViewManager::new(self.client(), &manager.value).create_container_view(container, Some(&kinds), true).await?)
    }

    /// Reads properties of objects, page by page, and gives each object on.
    async fn collect(&self, objects: Vec<ObjectSpec>, what: &[(&str, &[&str])], add: &mut (dyn FnMut(&Object) -> Fate + Send)) -> Result<(), Failure> {
        let collector = PropertyCollector::new(self.client(), &self.wire.service_content().property_collector.value);
        let properties = what.iter().map(|(kind, paths)| PropertySpec {
            r#type: (*kind).to_owned(),
            all: Some(false),
            path_set: Some(paths.iter().map(|path| (*path).to_owned()).collect()),
        });
        let missing_are_left_out = objects.iter().all(|object| object.select_set.is_none());
        let filter = PropertyFilterSpec { prop_set: properties.collect(), object_set: objects, report_missing_objects_in_results: Some(missing_are_left_out) };
        let first = collector.retrieve_properties_ex(&[filter], &RetrieveOptions { max_objects: Some(PAGE) }).await;
        let Some(mut page) = first.map_err(lost_view)? else { return Ok(()) };
        let (mut read, mut last) = (0, None);
        loop {
            read += page.objects.len();
            if read > OBJECTS {
                return Err(Failure::Other(format!("there are more than {OBJECTS} objects; ask for fewer `datacenters`")));
            }
            let token = page.token.take();
            give(page, &self.wire.missing(), add)?;
            let Some(token) = token else { return Ok(()) };
            if last.as_ref() == Some(&token) {
                return Err(Failure::Other("its pages do not end".to_owned()));
            }
            page = collector.continue_retrieve_properties_ex(&token).await?;
            last = Some(token);
        }
    }

    /// Virtual machines that a host names and no view shows: one that has ended since is no longer there, one that is new is read, and one that this
    /// account may not see leaves a gap.
    async fn look_again(&self, gathered: &mut Gathered) -> Result<(), Failure> {
        let mut unseen = found::unseen(&gathered.found);
        if unseen.len() > UNSEEN {
            gathered.problems.push(format!("hosts name {} virtual machines that this account does not see", unseen.len()));
            unseen.truncate(UNSEEN);
        }
        if unseen.is_empty() {
            return Ok(());
        }
        let objects = unseen.iter().map(|one| ObjectSpec { obj: reference(one), skip: Some(false), select_set: None }).collect();
        self.collect(objects, &READ[..1], &mut |object| gathered.add(object)).await
    }
}

impl Gathered {
    fn add(&mut self, object: &Object) -> Fate {
        let fate = self.gaps.judge(object);
        if fate == Fate::Read {
            self.found.push(Found::of(object));
        }
        fate
    }
}

/// Gives on the objects of a page.
fn give(page: RetrieveResult, missing: &[Missing], add: &mut (dyn FnMut(&Object) -> Fate + Send)) -> Result<(), Failure> {
    let mut missing = missing.iter().peekable();
    for (number, content) in page.objects.into_iter().enumerate() {
        let read = serde_json::from_str(&miniserde::json::to_string(&content)).ok().and_then(Object::read);
        let mut object = read.ok_or_else(|| Failure::Other("an object of the answer cannot be read".to_owned()))?;
        while let Some(one) = missing.next_if(|one| one.object <= number) {
            object.missing.push((one.path.clone(), one.fault.clone()));
        }
        if add(&object) == Fate::SessionOver {
            return Err(Failure::SessionOver);
        }
    }
    Ok(())
}

/// A view ends with its session, and a server may say that first.
fn lost_view(error: Error) -> Failure {
    match &error {
        Error::MethodFault(fault) if fault.type_.is_some_and(|kind| kind.as_str() == "ManagedObjectNotFound") => Failure::SessionOver,
        _ => error.into(),
    }
}

/// Everything in a view.
fn seen_by(view: ManagedObjectReference) -> ObjectSpec {
    let traversal = TraversalSpec {
        selection_spec_: SelectionSpec { name: Some("view".to_owned()) },
        r#type: view.r#type.as_str().to_owned(),
        path: "view".to_owned(),
        skip: Some(false),
        select_set: None,
    };
    ObjectSpec { obj: view, skip: Some(true), select_set: Some(vec![Box::new(traversal)]) }
}

fn reference(to: &Reference) -> ManagedObjectReference {
    ManagedObjectReference { r#type: MoTypesEnum::from_str(&to.kind), value: to.id.to_string() }
}
