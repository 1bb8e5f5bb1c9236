//! Collecting the files of an estate from a folder, within its root and within bounds.
