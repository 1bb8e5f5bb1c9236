//! Which items a selector chooses.
