//! Whole documents of a file: found, added, removed, and compared after an edit.

use super::{Refusal, read};
use crate::api::Value;
use crate::estate::yaml::{self, RawDocument};

/// The document that begins at this byte.
pub fn find(file: &str, offset: usize, length: usize) -> Result<RawDocument<'_>, Refusal> {
    yaml::documents(file)
        .into_iter()
        .find(|document| document.offset == offset && document.text.len() == length)
        .ok_or_else(|| Refusal::new("the file is not the one that was read; plan again"))
}

/// The file with the document's new text, if exactly the document's value became what it must be.
pub fn check(file: &str, document: &RawDocument, edited: &str, expected: &Value) -> Result<String, Refusal> {
    let end = document.offset + document.text.len();
    let new = [file.get(..document.offset), Some(edited), file.get(end..)].into_iter().flatten().collect::<String>();
    let (before, after) = (yaml::documents(file), yaml::documents(&new));
    let apart = || Refusal::new("the edit would change how the file is split into documents");
    if before.len() != after.len() {
        return Err(apart());
    }
    for (old, new) in before.iter().zip(&after) {
        if old.offset == document.offset {
            if new.offset != old.offset || new.text != edited {
                return Err(apart());
            }
            let value = read(new).map_err(|refusal| Refusal::new(format!("after the edit {refusal}")))?.to_value();
            if value != *expected {
                return Err(Refusal::new("the value cannot be written here without changing another one"));
            }
        } else if old.text != new.text {
            return Err(apart());
        }
    }
    Ok(new)
}

/// The file without one of its documents; the others stay byte for byte the same.
pub fn remove_document(file_text: &str, offset: usize, length: usize) -> Result<String, Refusal> {
    let document = find(file_text, offset, length)?;
    let mut end = offset + length;
    let rest = file_text.get(end..).unwrap_or_default();
    let line = rest.split_inclusive('\n').next().unwrap_or_default();
    if line.trim_end() == "..." {
        end += line.len();
    }
    let new = [file_text.get(..offset), file_text.get(end..)].into_iter().flatten().collect::<String>();
    let left: Vec<_> = yaml::documents(file_text).into_iter().filter(|other| other.offset != document.offset).map(|other| other.text).collect();
    let found: Vec<_> = yaml::documents(&new).into_iter().map(|other| other.text).collect();
    if left != found {
        return Err(Refusal::new("the document cannot be removed without changing its neighbours"));
    }
    Ok(new)
}

/// The file with a document added at its end.
pub fn append_document(file_text: &str, yaml_text: &str) -> Result<String, Refusal> {
    let end = if file_text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut added = yaml_text.replace("\r\n", "\n").replace('\n', end);
    if !added.ends_with('\n') {
        added.push_str(end);
    }
    let mut new = file_text.to_owned();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push_str(end);
    }
    if !new.trim_start_matches('\u{feff}').is_empty() && !added.starts_with("---") {
        new.push_str("---");
        new.push_str(end);
    }
    new.push_str(&added);
    let (before, after) = (yaml::documents(file_text), yaml::documents(&new));
    let [first @ .., last] = after.as_slice() else { return Err(Refusal::new("there is nothing to add")) };
    read(last)?;
    let same = |(old, new): (&RawDocument, &RawDocument)| old.text == new.text || (old.text.trim_end() == new.text.trim_end() && same_value(old, new));
    if before.len() != first.len() || !before.iter().zip(first).all(same) {
        return Err(Refusal::new("the document cannot be added without changing its neighbours"));
    }
    Ok(new)
}

fn same_value(old: &RawDocument, new: &RawDocument) -> bool {
    matches!((read(old), read(new)), (Ok(old), Ok(new)) if old.to_value() == new.to_value())
}
