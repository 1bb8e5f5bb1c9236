//! An observation in Bowline's own form, as JSON: what is read where a source has no `map`, what agents push, what `discover` prints.

use serde_json::{Value as Json, json};

use super::{Observation, Target};

impl Observation {
    /// Its fields, as JSON; an instant as RFC 3339.
    pub fn to_json(&self) -> Json {
        let relations = self.relations.iter().map(|relation| {
            let to = match &relation.to {
                Target::Name(name) => json!(name),
                Target::Identifiers(identifiers) => json!({"identifiers": identifiers}),
            };
            json!({"type": relation.kind, "to": to})
        });
        json!({
            "key": self.key, "class": self.class, "name": self.name, "owner": self.owner, "identifiers": self.identifiers,
            "attributes": self.attributes, "labels": self.labels, "relations": relations.collect::<Vec<_>>(), "seen": self.seen,
        })
    }
}
