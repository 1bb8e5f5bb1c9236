//! What sources may reach: the estate's root, and what the operator allows besides (rule 8).

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::net::TcpStream;

use super::file::Files;
use super::tls::Connect;
use crate::access::{Access, AccessError};

/// Files and connections for the sources of one estate.
#[derive(Clone)]
pub struct Reach {
    /// Files, by the path that a source declares.
    pub files: Arc<dyn Files>,
    /// The estate's root.
    pub root: PathBuf,
    /// Connections.
    pub connect: Arc<dyn Connect>,
}

impl Reach {
    /// What `access` allows to an estate at `root`.
    pub fn new(root: PathBuf, access: Arc<Access>) -> Self {
        Self { files: Arc::new(Allowed { root: root.clone(), access: access.clone() }), root, connect: access }
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
