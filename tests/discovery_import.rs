//! Import: a found estate as YAML that passes `check`, and of which the first plan shows nothing but what sources dispute.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

#[path = "builders/arbitrary.rs"]
mod arbitrary;
mod builders;
#[path = "discovery_import/laws.rs"]
mod laws;
mod support;
#[path = "discovery_import/verb.rs"]
mod verb;
#[path = "discovery_import/world.rs"]
mod world;
