//! From a path of a document to a place in a file.

use super::super::{Estate, Origin, Place};
use super::{Limits, RawDocument, parse};

/// See [`Estate::locate`].
pub(in crate::estate) fn locate(estate: &Estate, origin: Origin, path: &str) -> Place {
    let file = estate.files.get(origin.file as usize).map_or_else(|| "".into(), |file| file.path.clone());
    let document = RawDocument { text: estate.text(origin), offset: origin.offset as usize, line: origin.line };
    let first = Place { file: file.clone(), line: origin.line, column: 1 };
    let Ok(root) = parse(&document, &Limits::default()) else { return first };
    let span = root.nearest(path).0.span;
    Place { file, line: origin.line + span.line.saturating_sub(1), column: span.column }
}

#[cfg(test)]
mod tests {
    use super::super::super::SourceFile;
    use super::*;

    fn estate(text: &str) -> Estate {
        Estate { files: vec![SourceFile { path: "items/a.yaml".into(), text: text.into() }], ..Estate::default() }
    }

    fn at(line: u32, column: u32) -> Place {
        Place { file: "items/a.yaml".into(), line, column }
    }

    #[test]
    fn a_value_is_found_at_its_line_and_column_in_characters() {
        let text = "a: 1\n---\n# é\nspec:\n  é: {memory: 16Gi}\n";
        let origin = Origin { file: 0, offset: 5, length: u32::try_from(text.len() - 5).unwrap(), line: 2 };
        let estate = estate(text);
        assert_eq!(locate(&estate, origin, "spec.é.memory"), at(5, 15));
        assert_eq!(locate(&estate, origin, "spec.é.cpus.deep"), at(5, 6), "the nearest value above");
        assert_eq!(locate(&estate, origin, "status"), at(4, 1));
    }

    #[test]
    fn a_document_that_cannot_be_read_is_located_at_its_first_line() {
        let origin = Origin { file: 0, offset: 0, length: 5, line: 1 };
        assert_eq!(locate(&estate("a: [1"), origin, "a"), at(1, 1));
        assert_eq!(locate(&Estate::default(), origin, "a").line, 1);
    }
}
