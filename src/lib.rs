//! Bowline holds an IT estate to its declared state: what is declared, what is there, and a change request that a board
//! can judge.
//!
//! The modules stand in the order in which the data passes them, and it never goes back:
//!
//! ```text
//! api       what people write
//! estate    reading and checking what is declared        input
//! discovery asking what is there                         input
//! identity  which observations are one item              pure
//! drift     declared against discovered                  pure
//! impact    which services are hurt                      pure
//! calendar  when it may be mended                        pure
//! change    written as change requests                   pure
//! plan      the pure middle as one function              pure
//! difference what one plan changes of another            pure
//! inventory what is known of each item, and its names    pure
//! health    whether the record is complete and correct   pure
//! import    what is found and not declared, as YAML      pure
//! forge     opened, updated, closed                      output
//! store     what must outlive a run                      output
//! controller passes for ever, and at once by webhooks    all of it
//! ```
//!
//! The pure modules use no clock, no file, no network and no thread that is seen from outside.

pub mod access;
pub mod api;
pub mod calendar;
mod chance;
pub mod change;
pub mod controller;
pub mod credentials;
pub mod difference;
pub mod discovery;
pub mod drift;
pub mod estate;
pub mod failure;
pub mod forge;
pub mod health;
pub mod identity;
pub mod impact;
pub mod import;
pub mod inventory;
pub mod plan;
pub mod store;
