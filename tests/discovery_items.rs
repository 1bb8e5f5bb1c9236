//! Items: what stands how, which of them has a name in any tool, and the names that sources know written back to the YAML.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod builders;
#[path = "discovery_items/find.rs"]
mod find;
#[path = "discovery_items/list.rs"]
mod list;
mod support;
#[path = "discovery_items/world.rs"]
mod world;
#[path = "discovery_items/write_back.rs"]
mod write_back;
