//! What sources may reach: the estate's root, and what the operator allows besides (rule 8).

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::TcpStream;

use super::file::{self, Files};
use super::http::Answers;
use super::kubernetes::kept::Kept;
use super::patterns::{self, Named};
use super::tls::Connect;
use crate::access::{Access, AccessError};
use crate::credentials::Credentials;

/// The largest file of authorities, in bytes.
const LARGEST: u64 = 1 << 20;

/// Files and connections for the sources of one estate.
#[derive(Clone)]
pub struct Reach {
    /// Files, by the path that a source declares.
    pub files: Arc<dyn Files>,
    /// The estate's root.
    pub root: PathBuf,
    /// Connections.
    pub connect: Arc<dyn Connect>,
    /// What the operator allows, for what is more than a file.
    pub access: Arc<Access>,
    /// What the operator lends, bound to hosts.
    pub credentials: Arc<Credentials>,
    /// Lists of clusters that are kept from pass to pass, where a process asks again and again.
    pub kept: Option<Arc<Kept>>,
    /// Answers of APIs that are kept from pass to pass, where a process asks again and again.
    pub answers: Option<Answers>,
    /// The folder in which what was pushed to the estate's sources is kept; none where nothing can be pushed.
    pub pushed: Option<PathBuf>,
}

impl Reach {
    /// What `access` allows to an estate at `root`, without any credentials.
    pub fn new(root: PathBuf, access: Arc<Access>) -> Self {
        let files = Arc::new(Allowed { root: root.clone(), access: access.clone() });
        Self { files, root, connect: access.clone(), access, credentials: Arc::default(), kept: None, answers: None, pushed: None }
    }

    /// The same with the operator's credentials.
    #[must_use]
    pub fn with_credentials(self, credentials: Arc<Credentials>) -> Self {
        Self { credentials, ..self }
    }

    /// The same with lists that are kept from pass to pass: one [`Kept`] for each estate. Must be used in a runtime of tokio.
    #[must_use]
    pub fn with_kept(self, kept: Arc<Kept>) -> Self {
        Self { kept: Some(kept), ..self }
    }

    /// The same with answers of APIs that are kept from pass to pass: one [`Answers`] for each estate.
    #[must_use]
    pub fn with_answers(self, answers: Answers) -> Self {
        Self { answers: Some(answers), ..self }
    }

    /// The same with what was pushed, which is kept in this folder: one for each estate.
    #[must_use]
    pub fn with_pushed(self, folder: PathBuf) -> Self {
        Self { pushed: Some(folder), ..self }
    }

    /// PEM of authorities in a declared file. The error says what is wrong with it.
    pub(super) fn authorities(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut pem = Vec::new();
        let file = self.files.open(path)?;
        file.take(LARGEST + 1).read_to_end(&mut pem).map_err(|error| format!("`{path}` cannot be read: {}", error.kind()))?;
        if pem.len() as u64 > LARGEST {
            return Err(format!("`{path}` is larger than 1 MiB"));
        }
        super::tls::read::certificates_in(&pem).map_err(|error| format!("`{path}`: {error}"))?;
        Ok(pem)
    }
}

/// The files below the root, and those that the operator allows.
struct Allowed {
    root: PathBuf,
    access: Arc<Access>,
}

impl Files for Allowed {
    fn open(&self, path: &str) -> Result<Box<dyn Read + Send>, String> {
        let full = self.access.path(&self.root, path).map_err(|error| error.to_string())?;
        let told = |error: io::Error| format!("`{path}` cannot be read: {}", error.kind());
        // Opening a pipe or a device could wait for ever.
        if !full.metadata().map_err(told)?.is_file() {
            return Err(format!("`{path}` is not a file"));
        }
        std::fs::File::open(full).map(|file| Box::new(file) as Box<dyn Read + Send>).map_err(told)
    }

    fn matching(&self, pattern: &str) -> Result<Named, String> {
        patterns::matching(pattern, file::BOUNDS, |folder| {
            self.access.path(&self.root, folder).map_err(|error| format!("no file matches `{pattern}`: {error}"))
        })
    }
}

#[async_trait]
impl Connect for Access {
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, String> {
        Access::connect(self, host, port).await.map_err(|error| match error {
            // Whoever asked names the host and port already.
            AccessError::Unreachable { reason, .. } => reason,
            other => other.to_string(),
        })
    }
}
