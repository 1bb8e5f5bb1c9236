//! The commands that make an adoption where the estate is objects of a cluster: there is no file to edit.
//!
//! A command is one line that a person can paste into a shell: everything that was found stands in single quotes, as JSON,
//! so nothing of it can be anything but a value.

use serde_json::{Map, Value as Json, json};

use super::edit;
use super::group::slug;
use crate::api::{API_VERSION, Kind, Table, Text, Value};
use crate::estate::yaml::{self, Limits};
use crate::estate::{Estate, Origin};

/// The command that sets the value at `path` of an object's document; an error says why a person has to find it.
pub(super) fn set(estate: &Estate, namespace: &str, name: &str, origin: Origin, path: &str, to: &Value) -> Result<Text, String> {
    let text = estate.text(origin);
    let edited = edit::apply(text, 0, text.len(), path, to).map_err(|refusal| refusal.reason)?;
    let (Some(before), Some(after)) = (read(text), read(&edited)) else { return Err("its document cannot be read".to_owned()) };
    let merge = difference(&before, &after).ok_or("it is so already")?;
    let kind = Kind::ConfigurationItem.name().to_lowercase();
    Ok(format!("kubectl -n {namespace} patch {kind} {} --type merge -p {}", quoted(name), quoted(&merge.to_string())).into())
}

/// The command that declares an item as it was found. `found` holds the fields of a spec.
pub(super) fn declare(namespace: &str, name: &str, found: &Table<Value>) -> Text {
    let name = if is_object_name(name) { name.to_owned() } else { slug(name) };
    let spec: Map<String, Json> = found.iter().map(|(field, value)| (field.to_string(), value.to_json())).collect();
    let document = json!({"apiVersion": API_VERSION, "kind": Kind::ConfigurationItem, "metadata": {"name": name}, "spec": spec});
    format!("printf %s {} | kubectl -n {namespace} apply -f -", quoted(&document.to_string())).into()
}

fn read(text: &str) -> Option<Json> {
    let document = yaml::documents(text).into_iter().next()?;
    Some(yaml::parse(&document, &Limits::default()).ok()?.to_json())
}

/// The merge patch (RFC 7396) from one document to another; none where they are the same.
fn difference(before: &Json, after: &Json) -> Option<Json> {
    let (Json::Object(old), Json::Object(new)) = (before, after) else { return (before != after).then(|| after.clone()) };
    let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Json::Null));
    let other = new.iter().filter_map(|(key, value)| {
        let difference = old.get(key).map_or_else(|| Some(value.clone()), |old| difference(old, value))?;
        Some((key.clone(), difference))
    });
    let patch: Map<String, Json> = gone.chain(other).collect();
    (!patch.is_empty()).then_some(Json::Object(patch))
}

/// A text as one word of a POSIX shell, on one line.
fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Whether a name may be that of an object: a DNS subdomain (RFC 1123).
fn is_object_name(name: &str) -> bool {
    let part = |part: &str| {
        let inner = part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        !part.is_empty() && inner && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::estate::{SourceFile, cluster};

    fn estate(spec: &Json) -> Estate {
        let object = |kind: Kind, name: &str, spec: &Json| SourceFile {
            path: cluster::path(kind, "shop", name),
            text: cluster::document(kind, name, &std::collections::BTreeMap::new(), spec),
        };
        cluster::assemble("shop", object(Kind::Estate, "shop", &json!({})), vec![object(Kind::ConfigurationItem, "web-01", spec)], None)
    }

    fn command(spec: &Json, path: &str, to: &Value) -> Result<Text, String> {
        let estate = estate(spec);
        set(&estate, "shop", "web-01", estate.items[0].origin, path, to)
    }

    #[test]
    fn a_value_is_set_by_a_merge_patch_of_it_alone() {
        let spec = json!({"class": "server", "attributes": {"memory": "16Gi", "os": {"name": "debian", "version": "12"}}});
        let patch = "kubectl -n shop patch configurationitem web-01 --type merge -p";
        assert_eq!(
            &*command(&spec, "spec.attributes.os.version", &Value::from("13")).unwrap(),
            format!(r#"{patch} '{{"spec":{{"attributes":{{"os":{{"version":"13"}}}}}}}}'"#)
        );
        assert_eq!(&*command(&spec, "spec.lifecycle", &Value::from("Retired")).unwrap(), format!(r#"{patch} '{{"spec":{{"lifecycle":"Retired"}}}}'"#));
        assert!(command(&spec, "spec.attributes.memory", &Value::from("16Gi")).is_err());
    }

    #[test]
    fn an_identifier_is_added_beside_the_others_or_as_the_first() {
        let patch = "kubectl -n shop patch configurationitem web-01 --type merge -p";
        let wanted = format!(r#"{patch} '{{"spec":{{"identifiers":{{"netbox/virtual-machine":"412"}}}}}}'"#);
        let with = json!({"class": "server", "identifiers": {"bios/uuid": "u-1"}});
        assert_eq!(&*command(&with, "spec.identifiers.netbox/virtual-machine", &Value::from("412")).unwrap(), wanted);
        let first = Value::Map([("netbox/virtual-machine", Value::from("412"))].into_iter().collect());
        assert_eq!(&*command(&json!({"class": "server"}), "spec.identifiers", &first).unwrap(), wanted);
    }

    /// What a source says is data: it must not become a command of the person who pastes it.
    #[test]
    fn what_was_found_cannot_leave_its_quotes() {
        let spec = json!({"class": "server", "attributes": {"note": "a"}});
        let command = command(&spec, "spec.attributes.note", &Value::from("'; rm -rf / #\n$(reboot)")).unwrap();
        assert!(command.ends_with(r#"-p '{"spec":{"attributes":{"note":"'\''; rm -rf / #\n$(reboot)"}}}'"#), "{command}");
        assert!(!command.contains('\n'));
    }

    #[test]
    fn what_nobody_declared_is_applied_under_a_name_that_objects_may_have() {
        let found: Table<Value> = [("class", Value::from("server"))].into_iter().collect();
        let expected = r#"printf %s '{"apiVersion":"bowline.dev/v1alpha1","kind":"ConfigurationItem","metadata":{"name":"web-07"},"spec":{"class":"server"}}' | kubectl -n shop apply -f -"#;
        assert_eq!(&*declare("shop", "Web_07", &found), expected);
        assert_eq!(&*declare("shop", "web-07", &found), expected);
    }
}
