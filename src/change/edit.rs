//! Editing one value of a YAML file, every other byte untouched (rule 6).
