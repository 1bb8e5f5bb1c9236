//! Leases: several replicas share the estates of a cluster, one `coordination.k8s.io/v1` Lease an estate.
//!
//! ```text
//! name      pure: what a Lease is called, and how a replica signs it
//! decide    pure: who holds it, by one's own clock alone
//! machine   pure: which request comes next, and what its answer means
//! claim     carries the requests; who holds is told to whoever asks, and before each write to a forge
//! ```
//!
//! | after              | what                                                                      |
//! |--------------------|---------------------------------------------------------------------------|
//! | 5 s                | the holder renews                                                         |
//! | 10 s               | a holder whose renewals fail stops believing, and what it writes is cut   |
//! | 15 s (at most 20)  | another takes over; its token, the Lease's transitions, is higher by one  |
//! | at once (2 s)      | another takes over what was given back                                    |
//!
//! Before each write to a forge the holder renews, so that a replica that slept meanwhile is refused by the API server.

mod claim;
mod decide;
mod machine;
mod name;

pub use claim::{Claim, Held, Leases};
pub use decide::{Mine, Move, Seen, Terms, decide};
pub use machine::{Heard, Machine, Step};
pub use name::{identity, lease_name};
