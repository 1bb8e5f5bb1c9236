//! Programs that `tests/peers/get` builds or installs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::skip;

/// What the script of this name prints: the program, or a folder. An error says why it cannot be had.
pub fn had(name: &str) -> Result<PathBuf, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/get").join(name);
    let got = Command::new(script).output().map_err(|error| format!("{name} cannot be had: {error}"))?;
    if got.status.success() {
        return Ok(PathBuf::from(String::from_utf8_lossy(&got.stdout).trim()));
    }
    Err(format!("{name} cannot be had: {}", String::from_utf8_lossy(&got.stderr).lines().last().unwrap_or_default()))
}

/// The same. None, with the reason said, where it cannot be had.
pub fn got(name: &str) -> Option<PathBuf> {
    had(name).inspect_err(|reason| skip(reason)).ok()
}
