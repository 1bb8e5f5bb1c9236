//! Asking one vCenter.

use std::path::Path;
use std::sync::Arc;

use bowline::access::Access;
use bowline::api::{DiscoverySourceSpec, Table};
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::discovery::reach::Reach;
use bowline::discovery::run::{Limits, Silent, ask_all, build};
use bowline::discovery::{Answer, Observation};
use bowline::estate::{Declared, Estate, Origin};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::peers::vcsim::{PASSWORD, USER, Vcsim};

/// The credential `vcenter`, bound to these hosts.
pub fn account(hosts: &[&str], password: &str) -> Credentials {
    let login = Login::Password { user: USER.into(), password: Secret::new(password) };
    Credentials::of([Credential { name: "vcenter".into(), hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(), login }])
}

/// An estate's root with the authority of this vCenter in `ca.pem`.
pub fn root(vcsim: &Vcsim) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("ca.pem"), &vcsim.ca).unwrap();
    root
}

/// What a source of the estate at this root may reach: everything on this machine, with the account for it.
pub fn reach(root: &Path) -> Reach {
    Reach::new(root.to_owned(), Arc::new(Access::default())).with_credentials(Arc::new(account(&["localhost"], PASSWORD)))
}

/// Asks a source that is declared as people do.
pub fn ask(vcsim: &Vcsim) -> Answer {
    ask_for(vcsim, "")
}

/// The same, with other members of `vsphere`: `, datacenters: [DC1]`.
pub fn ask_for(vcsim: &Vcsim, more: &str) -> Answer {
    let root = root(vcsim);
    ask_with(&format!("vsphere: {{url: '{}', credentials: vcenter, ca: ca.pem{more}}}", vcsim.url), &reach(root.path()))
}

/// Asks the source of this `spec`.
pub fn ask_with(spec: &str, reach: &Reach) -> Answer {
    let spec: DiscoverySourceSpec = serde_yaml::from_str(spec).unwrap();
    let declared = Declared { name: "vcenter".into(), labels: Table::default(), spec, origin: Origin::default() };
    let estate = Estate { sources: vec![declared], ..Estate::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(async {
        let (asked, refused) = build(&estate, reach, Timestamp::UNIX_EPOCH);
        let (_keep, stop) = watch::channel(false);
        let mut answers = ask_all(asked, &Limits::default(), Timestamp::UNIX_EPOCH, &Silent, stop).await;
        answers.extend(refused);
        answers.pop().unwrap()
    });
    assert!(!format!("{answer:?}").contains(PASSWORD), "a secret in {answer:?}");
    answer
}

/// What was found of a class.
pub fn of_class<'a>(answer: &'a Answer, class: &str) -> Vec<&'a Observation> {
    answer.items.iter().filter(|item| &*item.class == class).collect()
}

/// The one of this name.
#[track_caller]
pub fn named<'a>(answer: &'a Answer, name: &str) -> &'a Observation {
    answer.items.iter().find(|item| &*item.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", answer.error))
}

/// That everything was found.
#[track_caller]
pub fn complete(answer: &Answer) {
    assert_eq!((answer.complete, answer.error.as_deref()), (true, None));
}

/// That not everything was, and that it says why.
#[track_caller]
pub fn incomplete(answer: &Answer, why: &[&str]) {
    let error = answer.error.as_deref().unwrap_or_default();
    assert!(!answer.complete && why.iter().all(|why| error.contains(why)), "{error}");
}
