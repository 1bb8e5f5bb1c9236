//! A device's chassis and modules (ENTITY-MIB, RFC 6933). Pure.

use super::objects::{Facts, Object};
use crate::api::{Table, Value, intern};

/// Classes of a physical entity.
const CHASSIS: i64 = 3;
const POWER_SUPPLY: i64 = 6;
const FAN: i64 = 7;
const MODULE: i64 = 9;
const STACK: i64 = 11;

/// A physical part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    class: i64,
    /// Whether it is contained in nothing else.
    outermost: bool,
    name: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its maker.
    pub maker: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// The version of what runs on it.
    pub software: Option<String>,
}

/// Every part, by its number.
pub fn parts(facts: &Facts) -> Vec<Part> {
    let part = |(row, _): (&[u32], _)| {
        let text = |object| facts.text_at(object, row);
        Part {
            class: facts.number_at(Object::EntClass, row).unwrap_or_default(),
            outermost: facts.number_at(Object::EntContainedIn, row) == Some(0),
            name: text(Object::EntName).or_else(|| text(Object::EntDescr)),
            serial: text(Object::EntSerialNum),
            maker: text(Object::EntMfgName),
            model: text(Object::EntModelName),
            software: text(Object::EntSoftwareRev),
        }
    };
    facts.rows(Object::EntClass).map(part).collect()
}

/// The part that stands for the device as a whole: its only chassis, or where it names none, the only part that is contained in nothing. A
/// stack has several, of which none is the device.
pub fn whole(parts: &[Part]) -> Option<&Part> {
    let chassis: Vec<&Part> = parts.iter().filter(|part| part.class == CHASSIS).collect();
    match chassis.as_slice() {
        [only] => Some(only),
        [] => {
            let outermost: Vec<&Part> = parts.iter().filter(|part| part.outermost && part.class != STACK).collect();
            if let [only] = outermost.as_slice() { Some(only) } else { None }
        }
        [..] => None,
    }
}

/// The chassis of a stack; nothing where there is but one.
pub fn members(parts: &[Part]) -> Value {
    let chassis: Vec<&Part> = parts.iter().filter(|part| part.class == CHASSIS).collect();
    if chassis.len() < 2 { Value::Null } else { chassis.into_iter().map(shown).collect() }
}

/// What is in the device and has a serial number of its own.
pub fn modules(parts: &[Part]) -> Value {
    let whole = whole(parts);
    let inside =
        parts.iter().filter(|part| part.serial.is_some() && !matches!(part.class, CHASSIS | STACK) && !whole.is_some_and(|whole| std::ptr::eq(whole, *part)));
    inside.map(shown).collect()
}

fn shown(part: &Part) -> Value {
    let kind = match part.class {
        POWER_SUPPLY => Some("PowerSupply"),
        FAN => Some("Fan"),
        MODULE => Some("Module"),
        _ => None,
    };
    let parts = [("name", &part.name), ("manufacturer", &part.maker), ("model", &part.model), ("serial", &part.serial)];
    let texts = parts.into_iter().filter_map(|(name, text)| Some((name, Value::from(text.clone()?))));
    Value::Map(texts.chain(kind.map(|kind| ("kind", Value::from(kind)))).map(|(name, value)| (intern(name), value)).collect::<Table<Value>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(class: i64, serial: &str) -> Part {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Part { class, serial: text(serial), name: text(&format!("part {serial}")), outermost: class == STACK, ..Part::default() }
    }

    #[test]
    fn the_only_chassis_is_the_device() {
        let parts = [part(CHASSIS, "FOC1"), part(MODULE, "M1"), part(MODULE, ""), part(POWER_SUPPLY, "P1")];
        assert_eq!(whole(&parts).and_then(|part| part.serial.as_deref()), Some("FOC1"));
        assert_eq!(members(&parts), Value::Null);
        let expected = serde_json::json!([{"name": "part M1", "serial": "M1", "kind": "Module"}, {"name": "part P1", "serial": "P1", "kind": "PowerSupply"}]);
        assert_eq!(modules(&parts).to_json(), expected);
    }

    /// Which of them is number one changes when the stack chooses another master.
    #[test]
    fn none_of_a_stacks_chassis_is_the_device() {
        let parts = [part(STACK, ""), part(CHASSIS, "FOC1"), part(CHASSIS, "FOC2")];
        assert_eq!(whole(&parts), None);
        assert_eq!(members(&parts).to_json(), serde_json::json!([{"name": "part FOC1", "serial": "FOC1"}, {"name": "part FOC2", "serial": "FOC2"}]));
        assert_eq!(modules(&parts).to_json(), serde_json::json!([]));
    }

    #[test]
    fn where_no_chassis_is_named_the_outermost_part_is_the_device() {
        let outermost = Part { outermost: true, ..part(1, "A1") };
        assert_eq!(whole(&[outermost.clone(), part(MODULE, "M1")]), Some(&outermost));
        assert_eq!(whole(&[outermost.clone(), outermost]), None);
        assert_eq!(whole(&[]), None);
    }
}
