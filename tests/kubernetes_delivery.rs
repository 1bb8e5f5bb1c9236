//! What is delivered for a cluster: `manifests/`, the chart, the image and the example, against the API server, kubectl and
//! helm themselves.
//!
//! `BOWLINE_UPDATE=1 cargo test --test kubernetes_delivery` copies the definitions of `crds/` anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests may

mod peers;

#[path = "kubernetes_delivery/admission.rs"]
mod admission;
#[path = "kubernetes_delivery/chart.rs"]
mod chart;
#[path = "kubernetes_delivery/files.rs"]
mod files;
#[path = "kubernetes_delivery/image.rs"]
mod image;
#[path = "kubernetes_delivery/install.rs"]
mod install;
#[path = "kubernetes_delivery/roles.rs"]
mod roles;
