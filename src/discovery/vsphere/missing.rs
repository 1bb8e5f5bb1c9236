//! Properties that were not read, taken out of an answer of the property collector before `vim_rs` reads it. Pure.
//!
//! Which property, and why, stands in `missingSet` as `<fault><fault xsi:type="NoPermission">…</fault><localizedMessage/></fault>`. `vim_rs` 0.7 expects the
//! inner fault alone, as vSphere's JSON has it: it then refuses the whole answer or, with its `vcsim_compat`, drops what was refused, and the answer would
//! look complete. A property without a value, which the simulator sends and a vCenter does not, is taken out too.

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::api::{Text, intern};

/// A property that was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// The number of its object in the answer.
    pub object: usize,
    pub path: Text,
    /// The name of the fault that says why.
    pub fault: Text,
}

/// Envelope, body, response, `returnval`: below it lie the objects.
const ABOVE_OBJECTS: usize = 4;

/// The answer without them, and them; none where it is no XML.
pub(super) fn parted(answer: &str) -> Option<(String, Vec<Missing>)> {
    let mut reader = Reader::from_str(answer);
    let (mut kept, mut copied, mut missing) = (String::with_capacity(answer.len()), 0, Vec::new());
    let (mut depth, mut objects) = (0_usize, 0_usize);
    loop {
        let before = position(&reader)?;
        let (start, is_empty) = match reader.read_event().ok()? {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::End(_) => {
                depth = depth.checked_sub(1)?;
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        let is = |name: &str| start.name().local_name().as_ref() == name;
        if depth == ABOVE_OBJECTS && is("objects") {
            objects += 1;
        }
        if depth == ABOVE_OBJECTS + 1 && (is("missingSet") || is("propSet")) {
            let is_missing = is("missingSet");
            if !is_empty {
                reader.read_to_end(start.name()).ok()?;
            }
            let after = position(&reader)?;
            let element = answer.get(before..after)?;
            if is_missing || !has_value(element)? {
                kept.push_str(answer.get(copied..before)?);
                copied = after;
            }
            if is_missing {
                let (path, fault) = read(element)?;
                missing.push(Missing { object: objects.checked_sub(1)?, path, fault });
            }
        } else if !is_empty {
            depth += 1;
        }
    }
    kept.push_str(answer.get(copied..)?);
    Some((kept, missing))
}

fn position(reader: &Reader<&[u8]>) -> Option<usize> {
    usize::try_from(reader.buffer_position()).ok()
}

fn has_value(element: &str) -> Option<bool> {
    let mut reader = Reader::from_str(element);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) | Event::Empty(start) if start.name().local_name().as_ref() == "val" => return Some(true),
            Event::Eof => return Some(false),
            _ => {}
        }
    }
}

/// The path and the fault of a `missingSet`.
fn read(element: &str) -> Option<(Text, Text)> {
    let mut reader = Reader::from_str(element);
    let (mut path, mut fault) = (String::new(), None);
    let mut in_path = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) | Event::Empty(start) => {
                in_path = start.name().local_name().as_ref() == "path" && path.is_empty();
                if start.name().local_name().as_ref() == "fault" {
                    fault = fault.or_else(|| type_of(&start));
                }
            }
            Event::Text(text) if in_path => path.push_str(text.as_ref()),
            Event::End(_) => in_path = false,
            Event::Eof => break,
            _ => {}
        }
    }
    Some((path.into(), intern(fault.as_deref().unwrap_or("an unknown fault"))))
}

fn type_of(start: &BytesStart<'_>) -> Option<String> {
    let named = start.attributes().filter_map(Result::ok).find(|attribute| attribute.key.local_name().as_ref() == "type")?;
    let name = named.value.rsplit(':').next().unwrap_or_default();
    (!name.is_empty() && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(returned: &str) -> String {
        format!(
            r#"<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><RetrievePropertiesExResponse xmlns="urn:vim25"><returnval>{returned}</returnval></RetrievePropertiesExResponse></soapenv:Body></soapenv:Envelope>"#
        )
    }

    const READ: &str = r#"<obj type="VirtualMachine">vm-1</obj><propSet><name>name</name><val xsi:type="xsd:string">a &lt;missingSet&gt;</val></propSet>"#;

    #[test]
    fn an_answer_that_lacks_nothing_stays_as_it_is() {
        let answer = envelope(&format!("<token>x</token><objects>{READ}</objects><objects><obj type=\"Folder\">group-1</obj></objects>"));
        assert_eq!(parted(&answer), Some((answer, Vec::new())));
    }

    #[test]
    fn what_is_missing_is_taken_out_with_its_object_path_and_fault() {
        let refused = r#"<missingSet><path>config.uuid</path><fault><fault xsi:type="NoPermission"><object type="VirtualMachine">vm-2</object><privilegeId>System.Read</privilegeId></fault><localizedMessage>No</localizedMessage></fault></missingSet>"#;
        let gone = r#"<missingSet><path>name</path><fault><fault xmlns:_i="http://www.w3.org/2001/XMLSchema-instance" _i:type="vim25:ManagedObjectNotFound"><obj type="VirtualMachine">vm-2</obj></fault></fault></missingSet>"#;
        let answer = envelope(&format!("<objects>{READ}</objects><objects><obj type=\"VirtualMachine\">vm-2</obj>{refused}{gone}<missingSet/></objects>"));
        let (kept, missing) = parted(&answer).unwrap();
        assert_eq!(kept, envelope(&format!("<objects>{READ}</objects><objects><obj type=\"VirtualMachine\">vm-2</obj></objects>")));
        let missing: Vec<(usize, &str, &str)> = missing.iter().map(|one| (one.object, &*one.path, &*one.fault)).collect();
        assert_eq!(missing, [(1, "config.uuid", "NoPermission"), (1, "name", "ManagedObjectNotFound"), (1, "", "an unknown fault")]);
    }

    #[test]
    fn a_property_without_a_value_is_not_set() {
        let answer = envelope(&format!("<objects>{READ}<propSet><name>tag</name></propSet></objects>"));
        assert_eq!(parted(&answer), Some((envelope(&format!("<objects>{READ}</objects>")), Vec::new())));
    }

    #[test]
    fn what_is_no_xml_is_none() {
        for text in ["<a><b></a>", "<a", "</a>"] {
            assert_eq!(parted(text), None, "{text}");
        }
    }

    #[test]
    fn vim_rs_reads_what_is_left() {
        let missing = r#"<missingSet><path>config.uuid</path><fault><fault xsi:type="NoPermission"/></fault></missingSet>"#;
        let answer = envelope(&format!("<objects>{READ}{missing}</objects>"));
        let (kept, _) = parted(&answer).unwrap();
        let read = vim_rs::xml::soap::vim_response::<vim_rs::types::structs::RetrieveResult>;
        assert!(read(&kept).is_ok());
        assert!(read(&answer).is_err(), "once vim_rs reads it, this file can go");
    }
}
