//! Asking all sources side by side.
