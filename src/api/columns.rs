//! What `kubectl get` shows of each kind: the answer to the question that is asked of it. One table for all kinds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;

use super::Kind;

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Column {
    name: &'static str,
    /// `string`, `integer`, `boolean` or `date`.
    kind: &'static str,
    /// Where its value stands. The server takes the first of several.
    path: &'static str,
    about: &'static str,
    /// Whether it is only shown by `-o wide`.
    wide: bool,
}

const READY: &str = r#".status.conditions[?(@.type=="Ready")].status"#;
const REASON: &str = r#".status.conditions[?(@.type=="Ready")].reason"#;
const IN_SYNC: &str = r#".status.conditions[?(@.type=="InSync")].status"#;
const COMPLIANT: &str = r#".status.conditions[?(@.type=="Compliant")].status"#;
const AGE: Column = always("Age", "date", ".metadata.creationTimestamp", "How long it has been here");

const fn always(name: &'static str, kind: &'static str, path: &'static str, about: &'static str) -> Column {
    Column { name, kind, path, about, wide: false }
}

const fn wide(name: &'static str, kind: &'static str, path: &'static str, about: &'static str) -> Column {
    Column { name, kind, path, about, wide: true }
}

/// The columns of a kind, besides its name.
pub(super) fn of(kind: Kind) -> Vec<CustomResourceColumnDefinition> {
    let shown = |column: &Column| CustomResourceColumnDefinition {
        name: column.name.to_owned(),
        type_: column.kind.to_owned(),
        json_path: column.path.to_owned(),
        description: Some(column.about.to_owned()),
        priority: column.wide.then_some(1),
        ..CustomResourceColumnDefinition::default()
    };
    COLUMNS.iter().filter(|(of, _)| *of == kind).flat_map(|(_, columns)| columns.iter()).map(shown).collect()
}

/// The columns by kind, in their order.
const COLUMNS: [(Kind, &[Column]); 8] = [
    (
        Kind::Estate,
        &[
            always("Ready", "string", READY, "Whether the last pass did all that it should"),
            always("Findings", "integer", ".status.findingCount", "How many findings there are"),
            always("Open", "integer", ".status.openChanges", "How many change requests are open"),
            AGE,
            always("Reason", "string", REASON, "Why it is ready or not"),
            wide("Declared", "integer", ".status.declared", "How many items are declared"),
            wide("Revision", "string", ".status.lastAppliedRevision", "What was reconciled last"),
            wide("Suspended", "boolean", ".spec.suspend", "Whether nothing is proposed"),
        ],
    ),
    (
        Kind::ConfigurationItem,
        &[
            always("Class", "string", ".spec.class", "The class"),
            always("Owner", "string", ".spec.owner", "The team that answers for it"),
            always("In sync", "string", IN_SYNC, "Whether what was found is what is declared"),
            always("Drift", "string", ".status.drift", "What differs"),
            AGE,
            wide("Lifecycle", "string", ".spec.lifecycle", "The stage of its life"),
            wide("Ready", "string", READY, "Whether it is used as it stands"),
            wide("Compliant", "string", COMPLIANT, "Whether no policy is broken"),
        ],
    ),
    (
        Kind::CIClass,
        &[
            always("Extends", "string", ".spec.extends", "The parent class"),
            always("Ready", "string", READY, "Whether it is used as it stands"),
            AGE,
            wide("Description", "string", ".spec.description", "What it is"),
        ],
    ),
    (
        Kind::ServiceMap,
        &[
            always("Criticality", "string", ".spec.criticality", "How much it matters"),
            always("Owner", "string", ".spec.owner", "The team that answers for it"),
            always("Ready", "string", READY, "Whether it is used as it stands"),
            AGE,
        ],
    ),
    (
        Kind::CertificatePolicy,
        &[
            always("Compliant", "string", COMPLIANT, "Whether no certificate breaks it"),
            always("Violations", "integer", ".status.findingCount", "How often it is broken"),
            AGE,
            wide("Ready", "string", READY, "Whether it is used as it stands"),
        ],
    ),
    (
        Kind::PatchWindow,
        &[
            always("Effect", "string", ".spec.effect", "Whether it allows changes or freezes"),
            always("Start", "string", ".spec.start", "The first start"),
            always("Duration", "string", ".spec.duration", "How long each lasts"),
            always("Recurrence", "string", ".spec.recurrence", "When it recurs"),
            always("Ready", "string", READY, "Whether it is used as it stands"),
            AGE,
            wide("Zone", "string", ".spec.timeZone", "The zone of its times"),
        ],
    ),
    (
        Kind::DiscoverySource,
        &[
            always("Complete", "boolean", ".status.complete", "Whether its last answer said everything that its scope covers"),
            always("Items", "integer", ".status.items", "How many items its last answer had"),
            always("Ready", "string", READY, "Whether it is asked, and answers"),
            AGE,
            always("Reason", "string", REASON, "Why it is ready or not"),
            wide("Suspended", "boolean", ".spec.suspend", "Whether it is left out"),
        ],
    ),
    (
        Kind::ChangeRequest,
        &[
            always("Phase", "string", ".status.phase", "Where in its life it is"),
            always("Risk", "string", ".spec.risk.level", "How risky it is"),
            always("Services", "string", ".status.services", "The services it can hurt"),
            always("Window", "string", ".spec.schedule.window", "The window in which it is made"),
            always("Pull request", "string", ".status.url", "The page of its pull request"),
            AGE,
            wide("Type", "string", ".spec.type", "Standard, Normal or Emergency"),
            wide("Start", "string", ".spec.schedule.start", "When it is made"),
            wide("Title", "string", ".spec.title", "What, in one line"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::condition;

    #[test]
    fn the_conditions_shown_are_those_that_are_written() {
        for (path, condition) in [(READY, condition::READY), (REASON, condition::READY), (IN_SYNC, condition::IN_SYNC), (COMPLIANT, condition::COMPLIANT)] {
            assert!(path.contains(&format!("\"{condition}\"")), "{path}");
        }
    }
}
