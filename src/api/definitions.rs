//! The CustomResourceDefinitions and the editors' JSON Schemas, made from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use schemars::Schema;
use schemars::generate::SchemaSettings;

use super::{
    CIClassSpec, CertificatePolicySpec, ChangeRequestSpec, ConfigurationItemSpec, DiscoverySourceSpec, Document, EstateSpec, Kind, PatchWindowSpec,
    ServiceMapSpec, certificate_policy, change_request, ci_class, columns, configuration_item, discovery_source, estate, patch_window, rules, service_map,
};

/// The definition of a kind for the Kubernetes API.
pub fn definition(kind: Kind) -> CustomResourceDefinition {
    let mut definition = bare(kind);
    for version in &mut definition.spec.versions {
        version.additional_printer_columns = Some(columns::of(kind));
        let Some(schema) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) else { continue };
        // What `kubectl explain` says of the kind itself.
        let about = schema.properties.as_ref().and_then(|fields| fields.get("spec")?.description.clone());
        schema.description = about.or(schema.description.take());
        // A path that leads nowhere is a mistake in the table, which its own test finds.
        rules::apply(kind, schema);
    }
    definition
}

/// The definition as its type has it, without rules.
pub(super) fn bare(kind: Kind) -> CustomResourceDefinition {
    match kind {
        Kind::Estate => estate::Estate::crd(),
        Kind::ConfigurationItem => configuration_item::ConfigurationItem::crd(),
        Kind::CIClass => ci_class::CIClass::crd(),
        Kind::ServiceMap => service_map::ServiceMap::crd(),
        Kind::CertificatePolicy => certificate_policy::CertificatePolicy::crd(),
        Kind::PatchWindow => patch_window::PatchWindow::crd(),
        Kind::DiscoverySource => discovery_source::DiscoverySource::crd(),
        Kind::ChangeRequest => change_request::ChangeRequest::crd(),
    }
}

/// The JSON Schema (draft 2020-12) of a whole document of a kind.
pub fn schema(kind: Kind) -> Schema {
    let mut generator = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator();
    let mut schema = match kind {
        Kind::Estate => generator.root_schema_for::<Document<EstateSpec>>(),
        Kind::ConfigurationItem => generator.root_schema_for::<Document<ConfigurationItemSpec>>(),
        Kind::CIClass => generator.root_schema_for::<Document<CIClassSpec>>(),
        Kind::ServiceMap => generator.root_schema_for::<Document<ServiceMapSpec>>(),
        Kind::CertificatePolicy => generator.root_schema_for::<Document<CertificatePolicySpec>>(),
        Kind::PatchWindow => generator.root_schema_for::<Document<PatchWindowSpec>>(),
        Kind::DiscoverySource => generator.root_schema_for::<Document<DiscoverySourceSpec>>(),
        Kind::ChangeRequest => generator.root_schema_for::<Document<ChangeRequestSpec>>(),
    };
    schema.insert("title".into(), kind.name().into());
    // Of the field `spec` only the kind's own description says anything.
    if let Some(description) = schema.pointer_mut("/properties/spec/description") {
        *description = description_of(kind).into();
    }
    for (field, only) in [("apiVersion", super::API_VERSION), ("kind", kind.name())] {
        if let Some(property) = schema.pointer_mut(&format!("/properties/{field}")) {
            *property = serde_json::json!({"type": "string", "const": only});
        }
    }
    schema
}

/// What a kind declares, in the words of its type.
fn description_of(kind: Kind) -> String {
    let definition = definition(kind);
    let schema = definition.spec.versions.into_iter().next().and_then(|version| version.schema?.open_api_v3_schema);
    let spec = schema.and_then(|schema| schema.properties?.remove("spec"));
    spec.and_then(|spec| spec.description).unwrap_or_default()
}
