//! Programs that `tests/peers/get` builds or installs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::skip;

/// What the script of this name prints: the program, or a folder. None, with the reason said, where it cannot be had.
pub fn got(name: &str) -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/get").join(name);
    let got = Command::new(script).output().map_err(|error| error.to_string());
    match got {
        Ok(got) if got.status.success() => Some(PathBuf::from(String::from_utf8_lossy(&got.stdout).trim())),
        Ok(got) => {
            skip(&format!("{name} cannot be had: {}", String::from_utf8_lossy(&got.stderr).lines().last().unwrap_or_default()));
            None
        }
        Err(error) => {
            skip(&format!("{name} cannot be had: {error}"));
            None
        }
    }
}
