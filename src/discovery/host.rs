//! The source `host`: the machine on which Bowline runs.
