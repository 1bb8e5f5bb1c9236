//! What traces show: a pass, and in it reading, asking each source, planning and settling. Names and attributes are stable,
//! and hold no value of an attribute, no address and nothing secret.
//!
//! ```text
//! pass                estate, outcome
//! ├── read            where the estate is read
//! ├── discover        source, complete, items; one a source
//! ├── plan            findings, changes
//! └── settle
//!     └── forge.request   forge, method, status; one a try
//! ```

use tracing::Span;
use tracing::field::Empty;

/// One pass over an estate. `estate` and `outcome` can be recorded later.
pub fn pass(estate: Option<&str>) -> Span {
    tracing::info_span!(parent: None, "pass", estate, outcome = Empty)
}

/// Reading what is declared.
pub fn read() -> Span {
    tracing::info_span!("read")
}

/// Comparing and writing the change requests. `findings` and `changes` can be recorded later.
pub fn plan() -> Span {
    tracing::info_span!("plan", findings = Empty, changes = Empty)
}

/// Bringing the forge to what is wanted.
pub fn settle() -> Span {
    tracing::info_span!("settle")
}
