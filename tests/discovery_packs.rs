//! Packs that read files, and files by pattern. `documented` holds what is written after a vendor's documentation; `real` what real programs made a
//! moment ago on this machine: nft, Ansible, cyclonedx-py, `OpenTofu` or Terraform.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;
mod support;

#[path = "discovery_packs/documented.rs"]
mod documented;
#[path = "support/packs.rs"]
mod packs_asked;
#[path = "discovery_packs/patterns.rs"]
mod patterns;
#[path = "discovery_packs/real.rs"]
mod real;
#[path = "discovery_packs/site.rs"]
mod site;
