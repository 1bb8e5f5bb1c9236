//! What an item of a source means: jq expressions, compiled.
