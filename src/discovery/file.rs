//! The source `file`: facts that another tool exported.
