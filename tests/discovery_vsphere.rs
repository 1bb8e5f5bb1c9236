//! The `vsphere` source against the simulator of vCenter that govmomi brings (`peers::vcsim`). It keeps an inventory, sessions and a property collector
//! with pages as a vCenter does; rights on single objects it does not have, so those are taken out of its answers (tests/peers/vcsim/hooks.go).

#![cfg(feature = "vsphere")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
mod support;

#[path = "discovery_vsphere/asking.rs"]
mod asking;
#[path = "discovery_vsphere/faults.rs"]
mod faults;
#[path = "discovery_vsphere/inventory.rs"]
mod inventory;
#[path = "discovery_vsphere/safety.rs"]
mod safety;
#[path = "discovery_vsphere/using.rs"]
mod using;
