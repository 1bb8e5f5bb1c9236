//! What is wrong with a document, where, and what to do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::Text;

/// How many lines before and after that of a diagnostic may be shown with it.
pub const CONTEXT: u32 = 1;

/// How bad it is. An error takes its document out of the estate, or closes what it opens; a warning does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Severity {
    Error,
    Warning,
}

/// A place in a file of the estate. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The file's path below the estate's root.
    pub file: Text,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name of the rule that is broken, in kebab-case: `unknown-field`, `yaml-syntax` …
    pub code: Text,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The file; none where it is about the estate as a whole.
    pub file: Option<Text>,
    /// The line, from 1; 0 where there is none.
    pub line: u32,
    /// The column in characters, from 1; 0 where there is none.
    pub column: u32,
    /// How many characters the offending text has, on that line.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub length: u32,
    /// What to do.
    pub hint: Option<String>,
    /// Whether a sensitive value stands on the line or within [`CONTEXT`] lines of it: then only the place is shown, never
    /// the text.
    #[serde(default, skip)]
    pub private: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Diagnostic {
    /// An error about the estate as a whole, to be completed with [`Diagnostic::at`] and [`Diagnostic::hint`].
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code: code.into(), message: message.into(), file: None, line: 0, column: 0, length: 0, hint: None, private: false }
    }

    /// A warning, likewise.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { file: Some(place.file), line: place.line, column: place.column, ..self }
    }

    /// The same with what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
