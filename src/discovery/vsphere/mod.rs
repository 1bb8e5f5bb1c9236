//! The source `vsphere`: virtual machines, hosts, clusters, datastores and networks of a vCenter, or of a single ESXi host.
//!
//! ```text
//! wire       one call: allowed, bounded, in its session            ┐ with the feature
//! missing    properties that were not read, taken out of an answer │ `vsphere`
//! pass       log in, one pass of the property collector, log out   ┘
//! object     one object as JSON, read forgivingly                  ┐
//! gaps       what was not read, and what follows from that         │ pure
//! machine    virtual machine → observation                         │
//! host       host, cluster, datastore, network → observation       │
//! found      how they hang together                                ┘
//! ```
//!
//! `vim_rs` knows vSphere's types and their form in SOAP, which vCenter and ESXi both speak. It is large, so the feature is off by default; what a source
//! may say is checked all the same.

#[cfg(any(feature = "vsphere", test))]
#[cfg_attr(not(feature = "vsphere"), allow(dead_code))] // what only the pass uses
mod found;
#[cfg(any(feature = "vsphere", test))]
#[cfg_attr(not(feature = "vsphere"), allow(dead_code))] // what only the pass uses
mod gaps;
#[cfg(any(feature = "vsphere", test))]
#[cfg_attr(not(feature = "vsphere"), allow(dead_code))] // what only the pass uses
mod host;
#[cfg(any(feature = "vsphere", test))]
#[cfg_attr(not(feature = "vsphere"), allow(dead_code))] // what only the pass uses
mod machine;
#[cfg(feature = "vsphere")]
mod missing;
#[cfg(any(feature = "vsphere", test))]
#[cfg_attr(not(feature = "vsphere"), allow(dead_code))] // what only the pass uses
mod object;
#[cfg(feature = "vsphere")]
mod pass;
#[cfg(test)]
mod tests;
#[cfg(feature = "vsphere")]
mod wire;

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use super::Source;
use super::reach::Reach;
use crate::access::web::check_http;
use crate::api::Text;
use crate::api::discovery_source::VsphereSource as Spec;

/// How many datacenters may be named.
const DATACENTERS: usize = 1024;

/// A source that asks as `spec` says, within `time`. An error says what is wrong with it.
#[cfg(feature = "vsphere")]
pub fn source(name: Text, spec: &Spec, reach: Reach, time: Duration) -> Result<Arc<dyn Source>, String> {
    match mistakes(spec).into_iter().next() {
        Some((at, reason)) => Err(format!("{at}: {reason}")),
        None => Ok(Arc::new(pass::VsphereSource::new(name, spec, reach, time)?)),
    }
}

/// What is wrong with it, and else that it cannot be asked here.
#[cfg(not(feature = "vsphere"))]
#[allow(clippy::needless_pass_by_value)] // as where it can be asked
pub fn source(_: Text, spec: &Spec, _: Reach, _: Duration) -> Result<Arc<dyn Source>, String> {
    match mistakes(spec).into_iter().next() {
        Some((at, reason)) => Err(format!("{at}: {reason}")),
        None => Err("this build of Bowline has no vsphere source; build it with `cargo build --release --features vsphere`, or take its image".to_owned()),
    }
}

/// What is wrong at paths of the document.
pub(crate) fn mistakes(spec: &Spec) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    if let Err(reason) = address(&spec.url) {
        wrong.push(("spec.vsphere.url".to_owned(), format!("the address cannot be used: {reason}")));
    }
    if spec.datacenters.len() > DATACENTERS {
        wrong.push(("spec.vsphere.datacenters".to_owned(), format!("more than {DATACENTERS} are named; leave them out to ask for all")));
    }
    let unnamed = spec.datacenters.iter().enumerate().filter(|(_, name)| name.trim().is_empty());
    wrong.extend(unnamed.map(|(place, _)| (format!("spec.vsphere.datacenters.{place}"), "the name of a datacenter is empty".to_owned())));
    wrong
}

/// Where its API is served: `https://vcenter.example.com/sdk`. The error is the end of a sentence.
fn address(text: &str) -> Result<Url, String> {
    let mut url: Url = text.trim().parse().map_err(|_| "it is no address; write for example https://vcenter.example.com".to_owned())?;
    check_http(&url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the address of a vCenter has no `?` and no `#`".to_owned());
    }
    let path = url.path().trim_end_matches('/');
    let path = format!("{}/sdk", path.strip_suffix("/sdk").unwrap_or(path));
    url.set_path(&path);
    Ok(url)
}
