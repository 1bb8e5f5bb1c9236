//! What a document can say wrong by itself, for the Kubernetes API: the rules (in CEL) and bounds that the server holds every
//! object to before any controller sees it. One table for all kinds.
//!
//! `bowline check` knows more: what only a whole estate can tell, and what CEL cannot read, such as a jq expression.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule};

use super::Kind;
use super::change_request::Phase;

/// The parts of a `DiscoverySource` of which exactly one is given: what it asks.
pub const SOURCES: [&str; 9] = ["file", "host", "tls", "kubernetes", "http", "snmp", "push", "nmap", "vsphere"];
/// The parts of a list of an `http` source of which exactly one is given.
const LISTS: [&str; 2] = ["path", "export"];
/// The parts of an Estate's `forge` of which exactly one is given.
pub const FORGES: [&str; 3] = ["local", "github", "gitea"];

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The kind.
    pub kind: Kind,
    /// The field that `self` is: a path from the document, with `[]` for the entries of a list; empty: the document.
    pub at: &'static str,
    /// What must hold, in CEL.
    pub rule: String,
    /// What a person is told where it does not: what must be, and what to write.
    pub message: String,
    /// The field that the message is about, from `at`, where it is not `at` itself.
    pub field: Option<&'static str>,
    /// Whether the change is refused rather than the value.
    pub forbids: bool,
}

impl Rule {
    fn new(kind: Kind, at: &'static str, rule: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, at, rule: rule.into(), message: message.into(), field: None, forbids: false }
    }

    fn about(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    fn in_kubernetes(&self) -> ValidationRule {
        ValidationRule {
            rule: self.rule.clone(),
            message: Some(self.message.clone()),
            field_path: self.field.map(str::to_owned),
            reason: Some(if self.forbids { "FieldValueForbidden" } else { "FieldValueInvalid" }.to_owned()),
            ..ValidationRule::default()
        }
    }
}

/// Texts that the rules read, and how many characters they may have: CEL only runs where the server can tell what it costs.
const LONGEST: &[(Kind, &str, i64)] = &[
    (Kind::ConfigurationItem, "spec.class", NAME),
    (Kind::ConfigurationItem, "spec.relations[].to", NAME),
    (Kind::ConfigurationItem, "spec.relations[].type", NAME),
    (Kind::CIClass, "spec.extends", NAME),
    (Kind::ServiceMap, "spec.groups[].name", NAME),
    (Kind::ServiceMap, "spec.groups[].members[]", NAME),
    (Kind::ServiceMap, "spec.dependencies[].from", NAME),
    (Kind::ServiceMap, "spec.dependencies[].to", NAME),
    (Kind::ServiceMap, "spec.dependencies[].port", NAME),
    (Kind::CertificatePolicy, "spec.endpoints[]", NAME),
    (Kind::CertificatePolicy, "spec.issuers[].spkiSha256", NAME),
    (Kind::CertificatePolicy, "spec.renewBefore", PERIOD),
    (Kind::CertificatePolicy, "spec.maxValidity", PERIOD),
    (Kind::CertificatePolicy, "spec.tls.minVersion", PERIOD),
    (Kind::PatchWindow, "spec.start", PERIOD),
    (Kind::PatchWindow, "spec.also[]", PERIOD),
    (Kind::PatchWindow, "spec.except[]", PERIOD),
    (Kind::PatchWindow, "spec.duration", PERIOD),
    (Kind::PatchWindow, "spec.leadTime", PERIOD),
    (Kind::PatchWindow, "spec.recurrence", PATH),
    (Kind::DiscoverySource, "spec.file.path", PATH),
    (Kind::DiscoverySource, "spec.tls.files[]", 1024),
    (Kind::DiscoverySource, "spec.tls.authorities", PATH),
    (Kind::DiscoverySource, "spec.tls.endpoints[]", NAME),
    (Kind::DiscoverySource, "spec.kubernetes.cluster", NAME),
    (Kind::DiscoverySource, "spec.kubernetes.namespaces[]", NAME),
    (Kind::DiscoverySource, "spec.kubernetes.credentials", NAME),
    (Kind::DiscoverySource, "spec.http.url", PATH),
    (Kind::DiscoverySource, "spec.http.credentials", NAME),
    (Kind::DiscoverySource, "spec.http.clientCertificate", NAME),
    (Kind::DiscoverySource, "spec.http.proxyCredentials", NAME),
    (Kind::DiscoverySource, "spec.http.ca", PATH),
    (Kind::DiscoverySource, "spec.http.authorization.value", NAME),
    (Kind::DiscoverySource, "spec.http.list.export.every", PERIOD),
    (Kind::DiscoverySource, "spec.http.limits.request", PERIOD),
    (Kind::DiscoverySource, "spec.snmp.targets[]", NAME),
    (Kind::DiscoverySource, "spec.snmp.credentials", NAME),
    (Kind::DiscoverySource, "spec.snmp.limits.request", PERIOD),
    (Kind::DiscoverySource, "spec.snmp.limits.target", PERIOD),
    (Kind::DiscoverySource, "spec.push.credentials", NAME),
    (Kind::DiscoverySource, "spec.push.completeFor", PERIOD),
    (Kind::DiscoverySource, "spec.nmap.path", PATH),
    (Kind::DiscoverySource, "spec.nmap.class", NAME),
    (Kind::DiscoverySource, "spec.vsphere.url", PATH),
    (Kind::DiscoverySource, "spec.vsphere.credentials", NAME),
    (Kind::DiscoverySource, "spec.vsphere.ca", PATH),
    (Kind::DiscoverySource, "spec.interval", PERIOD),
    (Kind::DiscoverySource, "spec.timeout", PERIOD),
    (Kind::DiscoverySource, "spec.staleAfter", PERIOD),
    (Kind::Estate, "spec.interval", PERIOD),
    (Kind::Estate, "spec.changes.rejectedFor", PERIOD),
    (Kind::Estate, "spec.safety.massAbsence", PERIOD),
    (Kind::Estate, "spec.git.path", PATH),
    (Kind::Estate, "spec.git.url", PATH),
    (Kind::Estate, "spec.git.credentials", NAME),
    (Kind::Estate, "spec.forge.github.repository", NAME),
    (Kind::Estate, "spec.forge.github.credentials", NAME),
    (Kind::Estate, "spec.forge.github.url", PATH),
    (Kind::Estate, "spec.forge.gitea.repository", NAME),
    (Kind::Estate, "spec.forge.gitea.credentials", NAME),
    (Kind::Estate, "spec.forge.gitea.url", PATH),
    (Kind::ChangeRequest, "spec.schedule.start", PERIOD),
    (Kind::ChangeRequest, "spec.schedule.end", PERIOD),
];
/// Longer than any name of Kubernetes (253) or DNS with a scheme in front.
const NAME: i64 = 512;
/// As many characters as a path of Linux has bytes.
const PATH: i64 = 4096;
/// No duration, time or percentage is longer.
const PERIOD: i64 = 128;

/// Lists and maps that the rules go through, and how many entries they may have.
const MOST: &[(Kind, &str, i64)] = &[
    (Kind::ConfigurationItem, "spec.relations", 4096),
    (Kind::ConfigurationItem, "spec.identifiers", 64),
    (Kind::CIClass, "spec.identification", 64),
    (Kind::CIClass, "spec.truth", 1024),
    (Kind::ServiceMap, "spec.groups", 256),
    (Kind::ServiceMap, "spec.groups[].members", 1024),
    (Kind::ServiceMap, "spec.dependencies", 4096),
    (Kind::CertificatePolicy, "spec.keys", 64),
    (Kind::CertificatePolicy, "spec.issuers", 256),
    (Kind::CertificatePolicy, "spec.endpoints", 4096),
    (Kind::PatchWindow, "spec.also", 1024),
    (Kind::PatchWindow, "spec.except", 1024),
    (Kind::DiscoverySource, "spec.tls.files", 1024),
    (Kind::DiscoverySource, "spec.tls.endpoints", 4096),
    (Kind::DiscoverySource, "spec.kubernetes.namespaces", 4096),
    (Kind::DiscoverySource, "spec.http.joins", 16),
    (Kind::DiscoverySource, "spec.snmp.targets", 4096),
    (Kind::DiscoverySource, "spec.vsphere.datacenters", 1024),
];

/// Lists whose entries have a name of their own: they merge by it, and none is there twice.
const NAMED: &[(Kind, &str, &[&str])] = &[(Kind::ServiceMap, "spec.groups", &["name"])];

/// Every rule, in the order of the kinds.
pub fn rules() -> Vec<Rule> {
    [estate(), item(), class(), service(), policy(), window(), source(), request()].concat()
}

/// Puts the bounds and rules of a kind into its definition. The paths that lead nowhere.
pub(super) fn apply(kind: Kind, schema: &mut JSONSchemaProps) -> Vec<&'static str> {
    let mut lost = Vec::new();
    let mut at = |path: &'static str, change: &mut dyn FnMut(&mut JSONSchemaProps)| match part(schema, path) {
        Some(part) => change(part),
        None => lost.push(path),
    };
    for (_, path, most) in LONGEST.iter().filter(|(of, ..)| *of == kind) {
        at(path, &mut |text| text.max_length = Some(*most));
    }
    for (_, path, most) in MOST.iter().filter(|(of, ..)| *of == kind) {
        at(path, &mut |list| if list.type_.as_deref() == Some("array") { list.max_items = Some(*most) } else { list.max_properties = Some(*most) });
    }
    for (_, path, keys) in NAMED.iter().filter(|(of, ..)| *of == kind) {
        at(path, &mut |list| map_list(list, keys));
    }
    for rule in rules().iter().filter(|rule| rule.kind == kind) {
        at(rule.at, &mut |part| part.x_kubernetes_validations.get_or_insert_default().push(rule.in_kubernetes()));
    }
    known_formats(schema);
    // Kubernetes' own tools, and other clients, change one condition of several by its type.
    if let Some(conditions) = part(schema, "status.conditions") {
        map_list(conditions, &["type"]);
    }
    lost
}

/// Whole numbers in the formats that Kubernetes knows; it warns of others. What they may be stands in their bounds.
fn known_formats(schema: &mut JSONSchemaProps) {
    if schema.format.as_deref().is_some_and(|format| matches!(format, "uint" | "uint8" | "uint16" | "uint32" | "uint64")) {
        schema.format = Some("int64".to_owned());
    }
    schema.properties.iter_mut().flat_map(|fields| fields.values_mut()).for_each(known_formats);
    if let Some(JSONSchemaPropsOrArray::Schema(each)) = &mut schema.items {
        known_formats(each);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(each)) = &mut schema.additional_properties {
        known_formats(each);
    }
}

fn map_list(list: &mut JSONSchemaProps, keys: &[&str]) {
    list.x_kubernetes_list_type = Some("map".to_owned());
    list.x_kubernetes_list_map_keys = Some(keys.iter().map(|key| (*key).to_owned()).collect());
}

/// The part of a schema at a path.
fn part<'a>(schema: &'a mut JSONSchemaProps, path: &str) -> Option<&'a mut JSONSchemaProps> {
    let steps = path.split('.').filter(|step| !step.is_empty());
    steps.flat_map(|step| if let Some(list) = step.strip_suffix("[]") { vec![list, "[]"] } else { vec![step] }).try_fold(schema, |schema, step| match step {
        "[]" => match schema.items.as_mut()? {
            JSONSchemaPropsOrArray::Schema(each) => Some(&mut **each),
            JSONSchemaPropsOrArray::Schemas(_) => None,
        },
        "*" => match schema.additional_properties.as_mut()? {
            JSONSchemaPropsOrBool::Schema(each) => Some(&mut **each),
            JSONSchemaPropsOrBool::Bool(_) => None,
        },
        name => schema.properties.as_mut()?.get_mut(name),
    })
}

/// Whether exactly one of these parts is given.
fn exactly_one(kind: Kind, at: &'static str, parts: &[&str]) -> Rule {
    let given: Vec<String> = parts.iter().map(|part| format!("has(self.{part})")).collect();
    let rule = format!("[{}].filter(given, given).size() == 1", given.join(", "));
    Rule::new(kind, at, rule, format!("exactly one of {} must be given", parts.join(", ")))
}

/// What CEL can tell of a duration: it begins with a number, has a unit and no sign.
const DURATION: &str = r"self.matches('^ *[+]?([Pp][Tt]?)? *[0-9]') && self.matches('[0-9] *[A-Za-zµ]') && !self.matches('-|[Aa]go')";

fn duration(kind: Kind, at: &'static str) -> Rule {
    Rule::new(kind, at, DURATION, "this is no duration; write for example 4h, 30d or PT4H")
}

/// A duration that must not be nothing.
fn positive(kind: Kind, at: &'static str) -> [Rule; 2] {
    // Where there is no number at all, the other rule says so.
    let some = "!self.matches('[0-9]') || self.matches('[1-9]')";
    [duration(kind, at), Rule::new(kind, at, some, "this is no time at all; write for example 4h, 30d or PT4H")]
}

/// A path that stays below the estate's root.
fn inside(kind: Kind, at: &'static str) -> Rule {
    let rule = r"!self.matches('^[/\\\\~]|^.:|(^|[/\\\\])[.][.]([/\\\\]|$)')";
    Rule::new(kind, at, rule, "this path leads out of the estate; name one below the estate's root, without `..`")
}

fn not_empty(kind: Kind, at: &'static str, message: &str) -> Rule {
    Rule::new(kind, at, "self.matches('[^ ]')", message)
}

/// The name of a Secret.
fn credential(kind: Kind, at: &'static str) -> Rule {
    Rule::new(kind, at, "!self.contains('/')", "a credential is named without a namespace; it stands in this one")
}

const PERCENT: &str = "self.matches('^ *([0-9]{1,2}([.][0-9]+)?|100([.]0+)?) *% *$')";

fn estate() -> Vec<Rule> {
    let of = Kind::Estate;
    let repository = |at| Rule::new(of, at, "self.matches('^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$')", "a repository is written owner/name, for example ops/estate");
    let mut rules = vec![
        exactly_one(of, "spec.forge", &FORGES),
        repository("spec.forge.github.repository"),
        repository("spec.forge.gitea.repository"),
        Rule::new(of, "spec.forge.gitea", "has(self.url)", "the address of this Gitea is not known; add `url`"),
        credential(of, "spec.forge.github.credentials"),
        credential(of, "spec.forge.gitea.credentials"),
        credential(of, "spec.git.credentials"),
        not_empty(of, "spec.git.url", "`url` is empty; write the address of the repository, or leave out `git`"),
        inside(of, "spec.git.path"),
        duration(of, "spec.changes.rejectedFor"),
        Rule::new(of, "spec.safety.massAbsence", PERCENT, "this is no percentage from 0% to 100%; write for example 20%"),
    ];
    rules.extend(positive(of, "spec.interval"));
    rules
}

fn item() -> Vec<Rule> {
    let of = Kind::ConfigurationItem;
    vec![
        Rule::new(
            of,
            "",
            "!has(self.spec.relations) || self.spec.relations.all(relation, relation.to != self.metadata.name)",
            "an item has no relation to itself; name the other item in `to`",
        )
        .about(".spec.relations"),
        not_empty(of, "spec.class", "`class` is empty; name a built-in class or a CIClass of the estate"),
        Rule::new(
            of,
            "spec.identifiers",
            "self.all(name, name.matches('^[a-z0-9][a-z0-9.-]*/[a-z0-9][a-z0-9.-]*$'))",
            "an identifier is named system/kind in lower case, for example dns/fqdn",
        ),
    ]
}

fn class() -> Vec<Rule> {
    let of = Kind::CIClass;
    vec![
        Rule::new(
            of,
            "",
            "!has(self.spec.extends) || self.spec.extends != self.metadata.name",
            "a class cannot extend itself; name its parent, or leave out `extends`",
        )
        .about(".spec.extends"),
        Rule::new(
            of,
            "spec.identification[]",
            "(has(self.identifiers) && self.identifiers.size() > 0) || (has(self.attributes) && self.attributes.size() > 0)",
            "this rule would recognise everything; name identifiers or attributes",
        ),
        Rule::new(of, "spec.truth[].sources", "self.size() > 0", "no source says the truth here; name at least one"),
    ]
}

fn service() -> Vec<Rule> {
    let of = Kind::ServiceMap;
    vec![
        Rule::new(of, "spec.groups[]", "self.members.size() > 0", "this group has no members; name its members").about(".members"),
        Rule::new(of, "spec.groups[]", "!(self.name in self.members)", "a group cannot hold itself; remove it from its members").about(".members"),
        Rule::new(
            of,
            "spec.groups[]",
            "!has(self.needs) || (self.needs >= 1 && self.needs <= self.members.size())",
            "`needs` is how many members must work: from 1 to the number of members",
        )
        .about(".needs"),
        Rule::new(of, "spec.dependencies[]", "self.from != self.to", "nothing depends on itself; name what it depends on in `to`").about(".to"),
        Rule::new(
            of,
            "",
            "!has(self.spec.dependencies) || self.spec.dependencies.all(dependency, !dependency.to.startsWith('service/') || dependency.to.substring(8) != self.metadata.name)",
            "a service cannot depend on itself; remove this dependency",
        )
        .about(".spec.dependencies"),
    ]
}

fn policy() -> Vec<Rule> {
    let of = Kind::CertificatePolicy;
    vec![
        Rule::new(
            of,
            "spec.keys[]",
            "!has(self.curves) || self.curves.size() == 0 || self.algorithm == 'ECDSA'",
            "only ECDSA keys have curves; remove `curves`",
        )
        .about(".curves"),
        Rule::new(of, "spec.keys[]", "!has(self.minBits) || self.algorithm in ['RSA', 'DSA']", "only RSA and DSA keys have a size to choose; remove `minBits`")
            .about(".minBits"),
        Rule::new(
            of,
            "spec.issuers[]",
            "has(self.organization) || has(self.commonName) || has(self.spkiSha256)",
            "this would allow any issuer; give organization, commonName or spkiSha256",
        ),
        Rule::new(of, "spec.issuers[].spkiSha256", "self.matches('^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$')", "a SHA-256 is 64 hexadecimal digits"),
        Rule::new(of, "spec.tls.minVersion", "self in ['1.2', '1.3']", "the lowest version is \"1.2\" or \"1.3\""),
        Rule::new(of, "spec.endpoints[]", ENDPOINT, NO_ENDPOINT),
        Rule::new(
            of,
            "spec.maxValidity",
            format!("self == 'PublicTls' || ({DURATION})"),
            "this is neither PublicTls nor a duration; write for example PublicTls or 90d",
        ),
        Rule::new(
            of,
            "spec.renewBefore",
            format!("self.contains('%') ? {PERCENT} : {DURATION}"),
            "this is neither a share from 0% to 100% nor a duration; write for example 33% or 30d",
        ),
    ]
}

/// What Kubernetes takes as the name of a namespace.
const LABEL: &str = "self.matches('^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')";
const ENDPOINT: &str = r"self.matches('^ *[^ /]+:[0-9]{1,5} *$')";
const HOST: &str = r"self.matches('^ *[^ /]+ *$')";
const NO_ENDPOINT: &str = "this is no endpoint; write host:port, for example pay.example.com:443";

fn window() -> Vec<Rule> {
    let of = Kind::PatchWindow;
    let time = |at| Rule::new(of, at, "self.matches('^ *[0-9]{4}-?[0-9]{2}-?[0-9]{2}')", "this is no date and time; write for example 2026-01-04T02:00:00");
    let mut rules = vec![
        Rule::new(
            of,
            "spec",
            "self.effect != 'Freeze' || !has(self.maxConcurrent)",
            "a freeze lets no change through, so none is under way; remove `maxConcurrent`",
        )
        .about(".maxConcurrent"),
        Rule::new(of, "spec", "self.effect != 'Freeze' || !has(self.leadTime)", "in a freeze nothing is approved for its start; remove `leadTime`")
            .about(".leadTime"),
        Rule::new(of, "spec.maxConcurrent", "self >= 1", "0 would let nothing through; for that, use `effect: Freeze`"),
        time("spec.start"),
        time("spec.also[]"),
        time("spec.except[]"),
        Rule::new(of, "spec.recurrence", "self.matches('(?i)FREQ=')", "this is no recurrence rule of RFC 5545; write for example FREQ=WEEKLY;BYDAY=SU"),
        duration(of, "spec.leadTime"),
    ];
    rules.extend(positive(of, "spec.duration"));
    rules
}

fn source() -> Vec<Rule> {
    let of = Kind::DiscoverySource;
    let mut rules = vec![
        exactly_one(of, "spec", &SOURCES),
        not_empty(of, "spec.file.path", "`path` is empty; name a file below the estate's root"),
        inside(of, "spec.file.path"),
        Rule::new(of, "spec.file", "!has(self.delimiter) || !has(self.format) || self.format == 'Csv'", "only CSV has columns; remove `delimiter`")
            .about(".delimiter"),
        inside(of, "spec.tls.files[]"),
        inside(of, "spec.tls.authorities"),
        Rule::new(of, "spec.tls.endpoints[]", ENDPOINT, NO_ENDPOINT),
        Rule::new(of, "spec.kubernetes.cluster", LABEL, "this is no name of a cluster; write small letters, digits and `-`, for example prod-1"),
        Rule::new(of, "spec.kubernetes.namespaces[]", LABEL, "this is no name of a namespace; write small letters, digits and `-`"),
        credential(of, "spec.kubernetes.credentials"),
        Rule::new(of, "spec.http.url", "self.matches('^ *https?://[^/?#@ ]+')", "this is no address of an API; write for example https://netbox.example.com"),
        Rule::new(
            of,
            "spec.http",
            "!has(self.plainHttp) || !self.plainHttp || !(has(self.credentials) || has(self.clientCertificate))",
            "credentials are not sent over plain http; use https, or name none",
        )
        .about(".plainHttp"),
        credential(of, "spec.http.credentials"),
        credential(of, "spec.http.clientCertificate"),
        credential(of, "spec.http.proxyCredentials"),
        inside(of, "spec.http.ca"),
        Rule::new(of, "spec.http.authorization.value", "self.contains('{secret}')", "`value` needs `{secret}`, for example `Api-Token {secret}`"),
        exactly_one(of, "spec.http.list", &LISTS),
        exactly_one(of, "spec.http.joins[].list", &LISTS),
        credential(of, "spec.push.credentials"),
        not_empty(of, "spec.push.credentials", "`credentials` is empty; name the token that whoever pushes must show"),
        Rule::new(of, "spec.push.perMinute", "self >= 1", "0 would take nothing; leave `perMinute` out, or write how many batches"),
        not_empty(of, "spec.nmap.path", "`path` is empty; name a file below the estate's root that nmap wrote with -oX"),
        inside(of, "spec.nmap.path"),
        one_way(of, "spec.http.list.paging"),
        one_way(of, "spec.http.joins[].list.paging"),
        Rule::new(of, "spec.snmp.targets", "self.size() > 0", "no device is named; name at least one, for example sw-1.example.com"),
        Rule::new(of, "spec.snmp.targets[]", HOST, "this is no device; write host or host:port, for example sw-1.example.com:161"),
        credential(of, "spec.snmp.credentials"),
        Rule::new(
            of,
            "spec.vsphere.url",
            "self.matches('^ *https?://[^/?#@ ]+')",
            "this is no address of a vCenter; write for example https://vcenter.example.com",
        ),
        credential(of, "spec.vsphere.credentials"),
        inside(of, "spec.vsphere.ca"),
    ];
    for at in ["spec.interval", "spec.timeout", "spec.staleAfter", "spec.push.completeFor", "spec.http.limits.request", "spec.http.list.export.every"] {
        rules.extend(positive(of, at));
    }
    for at in ["spec.snmp.limits.request", "spec.snmp.limits.target"] {
        rules.extend(positive(of, at));
    }
    rules
}

/// Whether there is one way to the next page. `link` is given by being true.
fn one_way(kind: Kind, at: &'static str) -> Rule {
    let ways = exactly_one(kind, at, &["offset", "page", "next", "link", "cursor", "key"]);
    Rule { rule: ways.rule.replace("has(self.link)", "has(self.link) && self.link"), ..ways }
}

/// What was approved is what is done: whoever has something else to propose says so in `status.phase` first.
fn request() -> Vec<Rule> {
    let of = Kind::ChangeRequest;
    let time = |at| Rule::new(of, at, INSTANT, "this is no instant; write it with offset and zone, for example 2026-11-29T02:00:00+01:00[Europe/Zurich]");
    let approved: Vec<String> = Phase::ALL.into_iter().filter(|phase| phase.is_approved()).map(|phase| format!("'{phase:?}'")).collect();
    let unchanged =
        format!("!has(oldSelf.status) || !has(oldSelf.status.phase) || !(oldSelf.status.phase in [{}]) || self.spec == oldSelf.spec", approved.join(", "));
    let words = "what was approved is not rewritten; a request that is proposed anew has the phase New or Proposed in its status first";
    vec![
        Rule { forbids: true, ..Rule::new(of, "", unchanged, words) }.about(".spec"),
        Rule::new(of, "spec.actions[]", "self.kind != 'Report'", "a change adopts or enforces; write Adopt or Enforce").about(".kind"),
        Rule::new(of, "spec.risk.score", "self <= 100", "a score has at most 100 points"),
        time("spec.schedule.start"),
        time("spec.schedule.end"),
    ]
}

const INSTANT: &str = "self.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.*([Zz]|[+-][0-9]{2})')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_and_bound_stands_at_a_field_that_there_is() {
        for kind in Kind::ALL {
            let mut definition = crate::api::definitions::bare(kind);
            let schema = definition.spec.versions[0].schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
            assert_eq!(apply(kind, schema), Vec::<&str>::new(), "{kind}");
        }
    }

    #[test]
    fn every_message_says_what_must_be_in_one_short_line() {
        for rule in rules() {
            assert!(rule.message.len() <= 160 && !rule.message.contains('\n') && !rule.message.ends_with('.'), "{}", rule.message);
        }
    }
}
