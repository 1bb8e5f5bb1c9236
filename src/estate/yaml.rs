//! YAML with the place of every value: documents of a file, the tree of one, and typed values from it.

use super::{Estate, Origin, Place};

/// See [`Estate::locate`].
pub(super) fn locate(_estate: &Estate, _origin: Origin, _path: &str) -> Place {
    Place { file: "".into(), line: 0, column: 0 }
}
