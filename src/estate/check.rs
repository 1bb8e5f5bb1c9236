//! Everything that is wrong with an estate, found at once.
