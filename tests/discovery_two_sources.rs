//! A real NetBox and the simulator of vCenter that hold the same two hundred virtual machines and disagree as such systems do (the `vsphere` source
//! and the pack `netbox`, asked by the program as a user asks them): each machine is one item, the findings are those that were put in and no
//! other, and a NetBox that fails makes nothing missing and flips no value.

#![cfg(feature = "vsphere")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
mod support;

#[path = "discovery_two_sources/agreement.rs"]
mod agreement;
#[path = "discovery_two_sources/machines.rs"]
mod machines;
#[path = "discovery_two_sources/outages.rs"]
mod outages;
#[path = "support/packs.rs"]
mod packs_asked;
#[path = "discovery_two_sources/site.rs"]
mod site;
