//! Reading certificates: real ones, broken ones, and what is none.
