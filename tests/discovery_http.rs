//! The `http` source against small servers of our own (`peers::player` and others here). They are stand-ins: they follow what the vendors document
//! (paging, faults), and show what Bowline does about an answer, not what a vendor answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
mod support;

#[path = "discovery_http/asking.rs"]
mod asking;
#[path = "discovery_http/faults.rs"]
mod faults;
#[path = "discovery_http/joins.rs"]
mod joins;
#[path = "discovery_http/packs.rs"]
mod packs;
#[path = "support/packs.rs"]
mod packs_asked;
#[path = "discovery_http/safety.rs"]
mod safety;
#[path = "discovery_http/tls.rs"]
mod tls;
#[path = "discovery_http/vendors.rs"]
mod vendors;
