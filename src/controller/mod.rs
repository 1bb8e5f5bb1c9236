//! The loop that reconciles for ever, and the forges' webhooks that have it pass at once.
//!
//! ```text
//! schedule   pure: when the next pass is due
//! pulse      what the loop and the listener tell each other: a pass is wanted, the loop lives, what matters
//! endless    the loop: one pass after the other, none of which can end it
//! reading    an estate that is kept in git
//! opening    the forge that an estate declares
//! settling   the forge brought to what a plan wants, with the dashboard
//! kubernetes the controller: the same over objects of a cluster
//! guard      a forge that stops between two steps, and remembers what went wrong
//! lease      several replicas share estates through Leases of a cluster
//! metrics    what Prometheus scrapes
//! probes     the routes for it, and whether the loop lives and is ready
//! spans      the names of what traces show
//! traces     the way of traces to a collector
//! signature  pure: whether a delivery is the forge's own, in constant time
//! seen       which deliveries have been taken already, within bounds
//! event      pure: whether what a delivery tells can change anything
//! webhook    the routes over these
//! push       the route by which agents bring facts
//! body       what is sent, read in bounds
//! listen     sockets with bounds on connections, bytes and seconds
//! ```
//!
//! A webhook only says that there may be something to see. It carries nothing into a pass, so the worst that a false one
//! could do is a pass too many; polling is the net beneath. What is pushed is written down, and the next pass reads it.

mod body;
mod endless;
mod event;
pub mod guard;
pub mod kubernetes;
pub mod lease;
pub mod listen;
pub mod metrics;
pub mod opening;
pub mod probes;
mod pulse;
pub mod push;
pub mod reading;
pub mod schedule;
mod seen;
pub mod settling;
mod signature;
pub mod spans;
pub mod traces;
pub mod webhook;

pub use endless::{Manners, for_ever};
pub use guard::{Fence, Guard, NotHeld, Trouble};
pub use pulse::{Pulse, Watched};
pub use schedule::{Ended, Passed, Schedule};
pub use signature::Key;
