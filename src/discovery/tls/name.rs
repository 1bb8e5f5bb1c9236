//! Distinguished names as text (RFC 4514).

use std::fmt::Write as _;

use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use super::read::{der_of, hexadecimal, printable};

/// The name as RFC 4514 writes it: the most specific part first, special characters escaped. An empty name is empty.
pub fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name.iter_rdn().map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    match (short_name(&oid), decoded(attribute.attr_value())) {
        (Some(name), Some(value)) => format!("{name}={}", escaped(&value)),
        (name, _) => format!("{}=#{}", name.unwrap_or(&oid), hexadecimal(&der_of(attribute.attr_value()).unwrap_or_default())),
    }
}

/// The names of RFC 4514 section 3, and those of RFC 4519 and the CA/B Forum that certificates carry.
fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.15" => "businessCategory",
        "2.5.4.17" => "postalCode",
        "2.5.4.42" => "givenName",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

/// The text of a value, without control characters.
pub fn text_of(value: &Any<'_>) -> Option<String> {
    decoded(value).map(|text| printable(&text))
}

fn decoded(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => String::from_utf8(value.data.to_vec()).ok(),
        // T.61 in certificates is in practice Latin-1.
        Tag::T61String => Some(value.data.iter().map(|byte| char::from(*byte)).collect()),
        Tag::BmpString => {
            let (units, rest) = value.data.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
            if rest.is_empty() { String::from_utf16(&units).ok() } else { None }
        }
        _ => None,
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, letter) in value.chars().enumerate() {
        match letter {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => text.extend(['\\', letter]),
            ' ' if index == 0 || index == last => text.push_str("\\ "),
            '#' if index == 0 => text.push_str("\\#"),
            letter if letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(text, "\\{byte:02X}");
                }
            }
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped_as_rfc_4514_says() {
        for (value, text) in [
            ("Sue, Grabbit and Runn", "Sue\\, Grabbit and Runn"),
            ("#hi", "\\#hi"),
            ("a#b", "a#b"),
            (" a b ", "\\ a b\\ "),
            ("a=b", "a=b"),
            ("C:\\\"x\"", "C:\\\\\\\"x\\\""),
            ("a\u{1b}[31m\n", "a\\1B[31m\\0A"),
            ("Lučić", "Lučić"),
        ] {
            assert_eq!(escaped(value), text, "{value:?}");
        }
    }
}
