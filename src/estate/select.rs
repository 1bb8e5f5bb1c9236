//! Selectors: which items, observations and certificates a selector chooses. Pure, and linear in the length of a name.

use std::collections::HashSet;

use super::{Classes, Declared};
use crate::api::{ConfigurationItemSpec, Selector, Table, Text};

/// What a selector looks at: a declared item, something that was observed, or a certificate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its class.
    pub class: &'a str,
    /// Who answers for it.
    pub owner: Option<&'a str>,
    /// Its labels.
    pub labels: Option<&'a Table<Text>>,
    /// Its `dns/fqdn`.
    pub fqdn: Option<&'a str>,
    /// Further host names, for example those of a certificate.
    pub dns_names: &'a [Text],
    /// The services that it is part of.
    pub services: &'a [Text],
}

impl<'a> Subject<'a> {
    /// A declared item that is part of these services.
    pub fn item(item: &'a Declared<ConfigurationItemSpec>, services: &'a [Text]) -> Self {
        Self {
            name: &item.name,
            class: &item.spec.class,
            owner: item.spec.owner.as_deref(),
            labels: Some(&item.labels),
            fqdn: item.spec.identifiers.get("dns/fqdn").map(|name| &**name),
            dns_names: &[],
            services,
        }
    }
}

/// A selector, made ready for many subjects.
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    empty: bool,
    items: Names,
    classes: Names,
    services: Names,
    owners: Names,
    dns_names: Vec<Text>,
    labels: Vec<(Text, Names)>,
}

impl Matcher {
    /// Makes a selector ready.
    pub fn new(selector: &Selector) -> Self {
        Self {
            empty: selector.is_empty(),
            items: Names::new(&selector.items),
            classes: Names::new(&selector.classes),
            services: Names::new(&selector.services),
            owners: Names::new(&selector.owners),
            dns_names: selector.dns_names.clone(),
            labels: selector.labels.iter().map(|(name, values)| (name.clone(), Names::new(values))).collect(),
        }
    }

    /// Whether all given parts of the selector match. An empty selector matches nothing.
    pub fn matches(&self, classes: &Classes, subject: &Subject) -> bool {
        !self.empty
            && self.items.allow(|names| names.has(subject.name))
            && self
                .classes
                .allow(|names| names.has(subject.class) || classes.get(subject.class).is_some_and(|class| class.lineage.iter().any(|line| names.has(line))))
            && self.owners.allow(|names| subject.owner.is_some_and(|owner| names.has(owner)))
            && self.labels.iter().all(|(name, values)| subject.labels.and_then(|labels| labels.get(name)).is_some_and(|value| values.has(value)))
            && (self.dns_names.is_empty() || self.dns_names.iter().any(|pattern| subject.host_names().any(|name| dns_name_matches(pattern, name))))
            && self.services.allow(|names| subject.services.iter().any(|service| names.has(service)))
    }

    /// Whether services are asked for, so that they must be known before anything can be said.
    pub fn needs_services(&self) -> bool {
        !self.services.is_empty()
    }
}

impl Subject<'_> {
    fn host_names(&self) -> impl Iterator<Item = &str> {
        self.fqdn.into_iter().chain(self.dns_names.iter().map(|name| &**name))
    }
}

/// Reads a selector as it stands in a document, from an argument: `{classes: [virtual-machine], labels: {env: [prod]}}`.
pub fn read(text: &str) -> Result<Selector, String> {
    let example = "write for example {classes: [virtual-machine], labels: {env: [prod]}}";
    let selector: Selector = serde_yaml::from_str(text).map_err(|error| format!("this is no selector: {error}; {example}"))?;
    if selector.is_empty() {
        return Err(format!("the selector is empty, and an empty selector matches nothing; {example}"));
    }
    Ok(selector)
}

/// Whether `selector` chooses `subject`. For many subjects, make a [`Matcher`].
pub fn matches(classes: &Classes, selector: &Selector, subject: &Subject) -> bool {
    Matcher::new(selector).matches(classes, subject)
}

/// Names of which one must match: exact ones by look-up, so that a long list costs no more than a short one.
#[derive(Clone, Debug, Default)]
struct Names {
    exact: HashSet<Text>,
    patterns: Vec<Text>,
}

impl Names {
    fn new(written: &[Text]) -> Self {
        let (patterns, exact): (Vec<Text>, Vec<Text>) = written.iter().cloned().partition(|name| name.contains('*'));
        Self { exact: exact.into_iter().collect(), patterns }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    fn has(&self, name: &str) -> bool {
        self.exact.contains(name) || self.patterns.iter().any(|pattern| name_matches(pattern, name))
    }

    /// A part that is not given allows everything.
    fn allow(&self, one: impl FnOnce(&Self) -> bool) -> bool {
        self.is_empty() || one(self)
    }
}

/// Whether `name` is `pattern`, in which `*` stands for any run of characters, none included.
pub fn name_matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The first place at which a part stands leaves the most for the parts after it, so there is nothing to try again.
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some(found) = name.find(part) else { return false };
        name = name.get(found + part.len()..).unwrap_or_default();
    }
    name.len() >= end.len() && name.ends_with(end)
}

/// Whether a host name matches as in certificates (RFC 6125, section 6.4.3): without regard to case and a trailing dot,
/// `*` as the whole leftmost label for exactly one label.
pub fn dns_name_matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    let name = name.strip_suffix('.').unwrap_or(name);
    match pattern.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
        None => !pattern.is_empty() && pattern.eq_ignore_ascii_case(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(yaml: &str) -> Selector {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn chosen(yaml: &str, subject: &Subject) -> bool {
        let (classes, _) = Classes::resolve(&[]);
        matches(&classes, &selector(yaml), subject)
    }

    #[test]
    fn an_empty_selector_matches_nothing_and_all_matches_everything() {
        assert!(!chosen("{}", &Subject::default()));
        assert!(!chosen("{items: [], labels: {}}", &Subject::default()));
        assert!(chosen("{all: true}", &Subject::default()));
    }

    #[test]
    fn all_given_parts_must_match_and_one_value_of_each_is_enough() {
        let labels: Table<Text> = [("env", "prod".into()), ("tier", "data".into())].into_iter().collect();
        let services = ["payments".into()];
        let subject = Subject {
            name: "pay-db-01",
            class: "virtual-machine",
            owner: Some("team-payments"),
            labels: Some(&labels),
            services: &services,
            ..Subject::default()
        };
        for (yaml, expected) in [
            ("{items: [pay-db-01]}", true),
            ("{items: [pay-db]}", false),
            ("{items: [other, 'pay-*']}", true),
            ("{owners: ['team-*']}", true),
            ("{owners: [team-web]}", false),
            ("{labels: {env: [test, prod]}}", true),
            ("{labels: {env: [prod], tier: [web]}}", false),
            ("{labels: {zone: ['*']}}", false),
            ("{labels: {env: []}}", false),
            ("{services: [payments], classes: [virtual-machine], labels: {env: [prod]}}", true),
            ("{services: [identity], classes: [virtual-machine]}", false),
            ("{all: true, classes: [database]}", false),
        ] {
            assert_eq!(chosen(yaml, &subject), expected, "{yaml}");
        }
    }

    #[test]
    fn a_selector_of_an_argument_is_written_as_in_a_document() {
        let found = read("{classes: [virtual-machine], labels: {env: [prod]}}").unwrap();
        assert_eq!(found.classes, [Text::from("virtual-machine")]);
        assert_eq!(Ok(found), read(r#"{"classes": ["virtual-machine"], "labels": {"env": ["prod"]}}"#), "JSON is YAML");
        for (text, told) in [
            ("class=virtual-machine", "this is no selector"),
            ("{clases: [server]}", "clases"),
            ("{classes: server}", "this is no selector"),
            ("{}", "matches nothing"),
            ("{classes: [", "this is no selector"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(told) && error.contains("write for example"), "{text}: {error}");
        }
    }

    #[test]
    fn an_item_of_a_class_that_extends_a_named_one_matches() {
        let subject = Subject { name: "a", class: "virtual-machine", ..Subject::default() };
        assert!(chosen("{classes: [server]}", &subject));
        assert!(!chosen("{classes: [hypervisor]}", &subject));
        let subject = Subject { name: "a", class: "nobody-declared-it", ..Subject::default() };
        assert!(chosen("{classes: [nobody-declared-it]}", &subject));
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters_in_linear_time() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("pay-*", "pay-", true),
            ("*-db", "pay-db", true),
            ("*-db", "pay-db-1", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("**", "x", true),
            ("pay.db", "pay-db", false),
        ] {
            assert_eq!(name_matches(pattern, name), expected, "{pattern} {name}");
        }
        // Back-tracking would not end here.
        assert!(!name_matches(&"a*".repeat(10_000), &"b".repeat(100_000)));
        assert!(!name_matches(&format!("{}b", "a*".repeat(1_000)), &"a".repeat(100_000)));
    }

    #[test]
    fn a_host_name_matches_as_in_certificates() {
        for (pattern, name, expected) in [
            ("pay.example.com", "PAY.Example.com.", true),
            ("*.example.com", "pay.example.com", true),
            ("*.Example.com.", "pay.example.com", true),
            ("*.example.com", "a.pay.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "*.example.com", true),
            ("p*.example.com", "pay.example.com", false),
            ("", "", false),
        ] {
            assert_eq!(dns_name_matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn host_names_are_the_items_fqdn_and_the_certificates_names() {
        let names = ["ldap.example.com".into()];
        assert!(chosen("{dnsNames: ['*.example.com']}", &Subject { fqdn: Some("db.example.com"), ..Subject::default() }));
        assert!(chosen("{dnsNames: [ldap.example.com]}", &Subject { dns_names: &names, ..Subject::default() }));
        assert!(!chosen("{dnsNames: ['*.example.com']}", &Subject::default()));
        let item = Declared {
            name: "db".into(),
            labels: Table::default(),
            spec: serde_yaml::from_str("{class: server, identifiers: {dns/fqdn: DB.example.com}}").unwrap(),
            origin: crate::estate::Origin::default(),
        };
        assert!(chosen("{dnsNames: [db.example.com]}", &Subject::item(&item, &[])));
    }
}
