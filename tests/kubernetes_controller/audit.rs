//! What the API server writes down of requests, from a moment on.
#![allow(dead_code)] // each test file uses some of it

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use serde_json::Value;

use crate::peers::kube::Kube;

/// The audit log as it grows. A watch is in it when it begins and when it ends, everything else when it is answered.
pub struct Audit {
    log: File,
    unfinished: Vec<u8>,
}

impl Audit {
    /// What is asked from now on.
    pub fn from_now(kube: &Kube) -> Self {
        let mut audit = Self::from_the_beginning(kube);
        audit.log.seek(SeekFrom::End(0)).unwrap();
        audit
    }

    /// What was asked since the server began.
    pub fn from_the_beginning(kube: &Kube) -> Self {
        Self { log: File::open(kube.ca().with_file_name("audit.log")).unwrap(), unfinished: Vec::new() }
    }

    /// What has come since this was last called.
    pub fn news(&mut self) -> Vec<Value> {
        self.log.read_to_end(&mut self.unfinished).unwrap();
        let whole = self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.unfinished.drain(..whole).collect();
        lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| serde_json::from_slice(line).unwrap()).collect()
    }
}

/// Whether a request was to change something, and did.
pub fn is_write(event: &Value) -> bool {
    let changes = matches!(event["verb"].as_str(), Some("create" | "update" | "patch" | "delete" | "deletecollection"));
    changes && event["stage"] == "ResponseComplete" && event["responseStatus"]["code"].as_u64().is_some_and(|code| code < 300)
}

/// Whether this user asked, about something in this namespace.
pub fn is_of(event: &Value, user: &str, namespace: &str) -> bool {
    event["user"]["username"] == user && event["objectRef"]["namespace"] == namespace
}

/// A request in words: verb, resource and name.
pub fn told(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = &event["objectRef"];
    let part = about["subresource"].as_str().map(|part| format!("/{part}")).unwrap_or_default();
    format!("{} {}{part} {}", text(&event["verb"]), text(&about["resource"]), text(&about["name"]))
}
