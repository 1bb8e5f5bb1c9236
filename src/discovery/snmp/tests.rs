//! What the tests of the parts share.

use super::objects::{Cell, Column, Object};

/// A column of rows.
pub(super) fn column(object: Object, rows: &[(&[u32], Cell)]) -> (Object, Column) {
    (object, rows.iter().map(|(row, cell)| (row.to_vec(), cell.clone())).collect())
}
