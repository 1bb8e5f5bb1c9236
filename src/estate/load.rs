//! Turning files into an estate, documents in parallel.
