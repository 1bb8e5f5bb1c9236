//! YAML with the place of every value: documents of a file, the tree of one, and typed values from it.
//!
//! ```text
//! split   a file's documents, each with its place
//! plain   one document's text to a tree               for plain documents, fast
//! read    one document's events to a tree            saphyr-parser, for all others
//! scalar  what a plain scalar means                   YAML 1.2 core schema
//! tree    the tree: values, spans, paths
//! typed   the tree to typed values                    serde
//! ```
//!
//! One bad document is an error on that document; nothing here takes more than bounded time and memory.

mod locate;
mod plain;
mod read;
mod scalar;
mod split;
mod tree;
mod typed;

pub(super) use locate::locate;
pub use split::{RawDocument, documents};
pub use tree::{Key, Node, NodeValue, Span, Style};
pub use typed::{NodeError, NodeErrorKind, from_node};

use thiserror::Error;

/// How large a document may be, so that no document can use unbounded time or memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How deep lists and maps may stand in each other, after aliases are expanded.
    pub depth: usize,
    /// How many values a document may hold, after aliases are expanded.
    pub nodes: usize,
    /// How long a document may be, in bytes.
    pub bytes: usize,
    /// How long the text that aliases repeat may be, in bytes.
    pub expanded: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 64, nodes: 200_000, bytes: 4 << 20, expanded: 16 << 20 }
    }
}

/// Why a document cannot be read. The place is one of the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct YamlError {
    /// What is wrong, in one sentence.
    pub message: String,
    /// The line in the file, from 1.
    pub line: u32,
    /// The column, in characters, from 1.
    pub column: u32,
    /// What to do.
    pub hint: Option<String>,
}

/// Whether a plain scalar of this spelling is read as text.
pub fn is_plain_text(text: &str) -> bool {
    scalar::resolve(text) == scalar::Resolved::Text
}

/// Reads a document as a tree.
pub fn parse<'a>(document: &RawDocument<'a>, limits: &Limits) -> Result<Node<'a>, YamlError> {
    let in_file = |mut error: YamlError| {
        error.line += document.line.saturating_sub(1);
        error
    };
    if document.text.len() > limits.bytes {
        let message = format!("the document has {} bytes, more than the {} that are read", document.text.len(), limits.bytes);
        return Err(in_file(YamlError { message, line: 1, column: 1, hint: Some("split it into several documents".into()) }));
    }
    match plain::read(document.text, limits) {
        Some(root) => Ok(root),
        None => read::read(document.text, limits).map_err(in_file),
    }
}
