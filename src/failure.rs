//! Why something could not be done as a whole, and what to do about it.

use std::fmt;

/// A failure of a command or of a pass as a whole.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
}

impl Failure {
    /// A failure with its reason, in one sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self { error: anyhow::anyhow!(message.into()), hint: None }
    }

    /// The same with what to do.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The user or the system asked to stop.
    pub fn interrupted() -> Self {
        Self::new("stopped by a signal; nothing is left half done, run it again to go on")
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), hint: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.error)?;
        for cause in self.error.chain().skip(1) {
            write!(f, "\n  because {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}
