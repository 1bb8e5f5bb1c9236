//! Collecting the files of an estate from a git repository.
