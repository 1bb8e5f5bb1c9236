//! What was not read, and whether that makes the answer incomplete. Pure.
//!
//! An object that ends while it is read is simply gone. A property that the account may not read, or that the server could not tell, leaves a gap: an
//! item may then lack what identifies it, and nothing may be concluded from that (rule 2). A property that an older server does not have leaves none.

use std::collections::BTreeMap;

use super::object::Object;
use crate::api::Text;

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was read, perhaps with gaps.
    Read,
    /// It has ended.
    Gone,
    /// Nothing more is told in this session.
    SessionOver,
}

/// What was not read, by the name of the fault.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps(BTreeMap<Text, Gap>);

#[derive(Clone, Debug, Default)]
struct Gap {
    objects: usize,
    properties: usize,
    /// The first: a path and whose it is.
    example: String,
}

impl Gaps {
    /// What became of this object; what it lacks is kept in mind.
    pub(super) fn judge(&mut self, object: &Object) -> Fate {
        if object.missing.iter().any(|(_, fault)| &**fault == "NotAuthenticated") {
            return Fate::SessionOver;
        }
        if object.missing.iter().any(|(_, fault)| &**fault == "ManagedObjectNotFound") {
            return Fate::Gone;
        }
        let mut by_fault: BTreeMap<&Text, Vec<&Text>> = BTreeMap::new();
        for (path, fault) in object.missing.iter().filter(|(_, fault)| &**fault != "InvalidProperty") {
            by_fault.entry(fault).or_default().push(path);
        }
        if object.missing.is_empty() && object.is_empty() {
            by_fault.insert(&NOTHING, Vec::new());
        }
        for (fault, paths) in by_fault {
            let gap = self.0.entry(fault.clone()).or_default();
            if gap.objects == 0 {
                let path = paths.first().map(|path| format!("`{path}` of ")).unwrap_or_default();
                gap.example = format!("{path}{} {}", object.itself.kind, object.itself.id);
            }
            gap.objects += 1;
            gap.properties += paths.len();
        }
        Fate::Read
    }

    /// What is missing, each a sentence's part.
    pub(super) fn told(&self) -> Vec<String> {
        self.0.iter().map(|(fault, gap)| gap.told(fault)).collect()
    }
}

/// Stands for a fault where a server says nothing of an object and not why.
static NOTHING: std::sync::LazyLock<Text> = std::sync::LazyLock::new(|| "nothing was told".into());

impl Gap {
    fn told(&self, fault: &str) -> String {
        let of = |count: usize, one: &str, many: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {many}") };
        let what = if self.properties == 0 { String::new() } else { format!("{} of ", of(self.properties, "property", "properties")) };
        let (objects, example) = (of(self.objects, "object", "objects"), &self.example);
        match fault {
            "NoPermission" => format!("{what}{objects} may not be read by this account, the first {example}; give it the role Read-only there ({fault})"),
            _ => format!("{what}{objects} could not be read, the first {example} ({fault})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn object(id: &str, properties: &[&str], missing: &[(&str, &str)]) -> Object {
        let properties: Vec<Json> = properties.iter().map(|name| json!({"name": name, "val": {"_typeName": "string", "_value": "x"}})).collect();
        let mut object = Object::read(json!({"obj": {"type": "VirtualMachine", "value": id}, "propSet": properties})).unwrap();
        object.missing = missing.iter().map(|(path, fault)| ((*path).into(), (*fault).into())).collect();
        object
    }

    #[test]
    fn what_has_ended_is_gone_and_leaves_no_gap() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.judge(&object("vm-1", &[], &[("name", "ManagedObjectNotFound")])), Fate::Gone);
        assert_eq!(gaps.judge(&object("vm-2", &["name"], &[])), Fate::Read);
        assert_eq!(gaps.told(), Vec::<String>::new());
    }

    #[test]
    fn what_may_not_be_read_is_counted_and_the_first_is_named() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.judge(&object("vm-1", &["name"], &[("config.uuid", "NoPermission"), ("guest.net", "NoPermission")])), Fate::Read);
        gaps.judge(&object("vm-2", &["name"], &[("config.uuid", "NoPermission")]));
        gaps.judge(&object("vm-3", &["name"], &[("guest.net", "SystemError")]));
        assert_eq!(
            gaps.told(),
            [
                "3 properties of 2 objects may not be read by this account, the first `config.uuid` of VirtualMachine vm-1; give it the role Read-only there \
                 (NoPermission)",
                "1 property of 1 object could not be read, the first `guest.net` of VirtualMachine vm-3 (SystemError)",
            ]
        );
    }

    #[test]
    fn an_object_of_which_nothing_is_told_is_a_gap() {
        let mut gaps = Gaps::default();
        gaps.judge(&object("vm-1", &[], &[]));
        assert_eq!(gaps.told(), ["1 object could not be read, the first VirtualMachine vm-1 (nothing was told)"]);
    }

    #[test]
    fn a_property_that_the_server_does_not_have_is_none() {
        let mut gaps = Gaps::default();
        gaps.judge(&object("vm-1", &["name"], &[("config.newer", "InvalidProperty")]));
        assert!(gaps.told().is_empty());
    }

    #[test]
    fn a_session_that_has_ended_is_told_before_anything_else() {
        let missing = [("name", "NoPermission"), ("config", "NotAuthenticated")];
        assert_eq!(Gaps::default().judge(&object("vm-1", &[], &missing)), Fate::SessionOver);
    }
}
