//! One managed object as the property collector gives it, as JSON, read forgivingly: what is not there or of another form is left out. Pure.

use core::net::IpAddr;

use serde_json::{Map, Value as Json};

use crate::api::{Table, Text, Value, intern};

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// What is called by its type and its id, which is unique among all of one vCenter: `VirtualMachine`, `vm-12`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub kind: Text,
    pub id: Text,
}

impl Reference {
    fn read(json: &Json) -> Option<Self> {
        let part = |name: &str| json.get(name)?.as_str().filter(|text| !text.is_empty());
        Some(Self { kind: intern(part("type")?), id: part("value")?.into() })
    }
}

/// An object: the properties that were read, by their paths, and those that were not, with the name of the fault that says why.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub itself: Reference,
    properties: Map<String, Json>,
    pub missing: Vec<(Text, Text)>,
}

impl Object {
    /// What an `ObjectContent` says, but for what is missing; none where it names no object.
    pub(super) fn read(mut content: Json) -> Option<Self> {
        let itself = Reference::read(content.get("obj")?)?;
        let mut properties = Map::new();
        for mut property in taken(&mut content, "propSet") {
            let value = plain(property.get_mut("val").map(Json::take).unwrap_or_default());
            if let Some(Json::String(name)) = property.get_mut("name").map(Json::take) {
                properties.insert(name, value);
            }
        }
        Some(Self { itself, properties, missing: Vec::new() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.properties.is_empty()
    }

    /// The value of a property that was asked for.
    pub(super) fn at(&self, path: &str) -> Option<&Json> {
        self.properties.get(path).filter(|value| !value.is_null())
    }

    /// The text of a property; none where it is empty.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.at(path)?.as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.at(path)?.as_u64()
    }

    /// The list of a property; empty where there is none.
    pub(super) fn list(&self, path: &str) -> &[Json] {
        self.at(path).and_then(Json::as_array).map_or(&[], Vec::as_slice)
    }

    pub(super) fn reference(&self, path: &str) -> Option<Reference> {
        Reference::read(self.at(path)?)
    }

    pub(super) fn references(&self, path: &str) -> impl Iterator<Item = Reference> {
        self.list(path).iter().filter_map(Reference::read)
    }

    /// The name as people see it: vSphere writes `/`, `\` and `%` in names as `%2f`, `%5c` and `%25`.
    pub(super) fn name(&self) -> Option<Text> {
        let name = self.text("name")?;
        let lower = name.to_ascii_lowercase();
        if !["%2f", "%5c", "%25"].iter().any(|code| lower.contains(code)) {
            return Some(name.into());
        }
        let mut plain = String::with_capacity(name.len());
        let mut rest = name;
        while let Some(at) = rest.find('%') {
            let (before, code) = rest.split_at(at);
            plain.push_str(before);
            let known =
                [("%2f", '/'), ("%5c", '\\'), ("%25", '%')].into_iter().find(|(known, _)| code.get(..3).is_some_and(|code| code.eq_ignore_ascii_case(known)));
            plain.push(known.map_or('%', |(_, char)| char));
            rest = code.get(known.map_or(1, |_| 3)..).unwrap_or_default();
        }
        plain.push_str(rest);
        Some(plain.into())
    }

    // Attributes.

    pub(super) fn texted(&self, path: &str) -> Value {
        self.text(path).map_or(Value::Null, Value::from)
    }

    pub(super) fn numbered(&self, path: &str) -> Value {
        self.number(path).map_or(Value::Null, Value::from)
    }

    pub(super) fn truth(&self, path: &str) -> Value {
        self.at(path).and_then(Json::as_bool).map_or(Value::Null, Value::from)
    }

    /// A size that is a number of bytes.
    pub(super) fn bytes(&self, path: &str) -> Value {
        self.number(path).map_or(Value::Null, size)
    }

    /// A size that is a number of MiB; vSphere calls it MB.
    pub(super) fn mebibytes(&self, path: &str) -> Value {
        self.number(path).filter(|number| *number > 0).map_or(Value::Null, |number| Value::from(format!("{number}Mi")))
    }
}

/// A value without the wrapping of texts, numbers and lists: `{_typeName, _value}`.
fn plain(json: Json) -> Json {
    match json {
        Json::Object(mut map) if map.contains_key("_value") => map.remove("_value").unwrap_or_default(),
        json => json,
    }
}

/// The list of a field, taken out of it.
fn taken(json: &mut Json, field: &str) -> Vec<Json> {
    match json.get_mut(field).map(Json::take) {
        Some(Json::Array(list)) => list,
        _ => Vec::new(),
    }
}

/// The text of a field; empty where there is none.
pub(super) fn text_of<'a>(json: &'a Json, field: &str) -> &'a str {
    json.get(field).and_then(Json::as_str).unwrap_or_default()
}

/// A number of bytes as a quantity: in MiB where it is whole ones.
pub(super) fn size(bytes: u64) -> Value {
    Value::from(match bytes {
        0 => "0".to_owned(),
        bytes if bytes % MIB == 0 => format!("{}Mi", bytes / MIB),
        bytes if bytes % KIB == 0 => format!("{}Ki", bytes / KIB),
        bytes => bytes.to_string(),
    })
}

/// A list of texts as an attribute: sorted, each once.
pub(super) fn set<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    let mut texts: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.into_iter().map(Value::from).collect()
}

/// A map as an attribute, without what is absent.
pub(super) fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(table(fields))
}

/// A table without what is absent.
pub(super) fn table<const N: usize>(fields: [(&str, Value); N]) -> Table<Value> {
    fields.into_iter().filter(|(_, value)| !value.is_absent()).map(|(name, value)| (intern(name), value)).collect()
}

/// Identifiers without those that are not known.
pub(super) fn identifiers<const N: usize>(known: [(&str, Option<&str>); N]) -> Table<Text> {
    let known = known.into_iter().filter_map(|(name, value)| Some((intern(name), Text::from(value.map(str::trim).filter(|value| !value.is_empty())?))));
    known.collect()
}

/// A name with a domain, and no address.
pub(super) fn is_fqdn(name: &str) -> bool {
    name.trim_matches('.').contains('.') && name.parse::<IpAddr>().is_err()
}

/// Whether an address means the same machine on every network: not link-local, not of this machine alone.
pub(super) fn is_lasting(address: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V4(v4)) => !v4.is_link_local() && !v4.is_loopback() && !v4.is_unspecified(),
        Ok(IpAddr::V6(v6)) => v6.segments()[0] & 0xffc0 != 0xfe80 && !v6.is_loopback() && !v6.is_unspecified(),
        Err(_) => false,
    }
}

/// `Debian GNU/Linux 12 (64-bit)`: the version begins with the first word that begins with a digit. Of a family (`CentOS 4/5`, `Other 5.x or later
/// Linux`) it says no version.
pub(super) fn os(full_name: Option<&str>) -> Value {
    let name = full_name.unwrap_or_default().trim();
    let name = ["(64-bit)", "(32-bit)", "(64 bit)", "(32 bit)"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name).trim();
    let words: Vec<&str> = name.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with(|letter: char| letter.is_ascii_digit())).unwrap_or(words.len());
    let is_family = at == 0 || name.starts_with("Other") || name.contains("or later") || words.get(at).is_some_and(|version| version.contains('/'));
    let version = if is_family { "" } else { words.get(at).copied().unwrap_or_default() };
    let name = if is_family { name.to_owned() } else { words.iter().take(at).copied().collect::<Vec<_>>().join(" ") };
    map([("name", Value::from(name)), ("version", Value::from(version))])
}
