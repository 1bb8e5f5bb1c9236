//! Which findings stand in one change request.

use std::collections::BTreeMap;

use crate::api::estate::GroupBy;
use crate::api::{OnDrift, Text};
use crate::drift::{Finding, FindingKind};
use crate::estate::Estate;

/// Findings that are judged and carried out together.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The key of the change request: stable while the group is about the same owner, service and so on, whatever its
    /// findings are.
    pub key: Text,
    /// Adopt or Enforce: the two are approved differently, so they never share a request.
    pub action: OnDrift,
    /// The owner of all its items, if grouped by owner.
    pub owner: Option<Text>,
    /// The service that all its findings hurt, if grouped by service.
    pub service: Option<Text>,
    /// Its items, sorted.
    pub items: Vec<Text>,
    /// Its findings, sorted by key.
    pub findings: Vec<&'a Finding>,
}

/// What tells one group from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    action: OnDrift,
    owner: Option<Text>,
    service: Option<Text>,
    class: Option<Text>,
    item: Option<Text>,
}

/// The groups of the findings that ask for action, sorted by key.
pub fn group<'a>(estate: &Estate, findings: &'a [Finding]) -> Vec<Group<'a>> {
    let by = &estate.spec.changes.group_by;
    let mut groups: BTreeMap<Identity, Vec<&Finding>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.action != OnDrift::Report) {
        groups.entry(identify(by, finding)).or_default().push(finding);
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(identity, findings)| Group::new(&estate.name, identity, findings)).collect();
    groups.sort_by(|a, b| a.key.cmp(&b.key));
    groups
}

fn identify(by: &[GroupBy], finding: &Finding) -> Identity {
    let only = |wanted: GroupBy, value: Option<&Text>| by.contains(&wanted).then(|| value.cloned()).flatten();
    Identity {
        action: finding.action,
        owner: only(GroupBy::Owner, finding.owner.as_ref()),
        service: only(GroupBy::Service, finding.services.first().map(|service| &service.name)),
        class: only(GroupBy::Class, Some(&finding.class)),
        item: only(GroupBy::Item, Some(&finding.item)),
    }
}

impl<'a> Group<'a> {
    fn new(estate: &str, identity: Identity, mut findings: Vec<&'a Finding>) -> Self {
        findings.sort_by(|a, b| a.key.cmp(&b.key));
        let mut items: Vec<Text> = findings.iter().map(|finding| finding.item.clone()).collect();
        items.sort();
        items.dedup();
        Self { key: key_of(estate, &identity), action: identity.action, owner: identity.owner, service: identity.service, items, findings }
    }

    /// What the request is about, in one line.
    pub fn title(&self) -> String {
        let verb = if self.action == OnDrift::Adopt { "Adopt" } else { "Enforce" };
        let what = match self.findings.as_slice() {
            [finding] => subject(finding),
            findings => match self.items.as_slice() {
                [item] => format!("{} differences of {item}", findings.len()),
                items => format!("{} differences of {} items", findings.len(), items.len()),
            },
        };
        match self.service.as_ref().or(self.owner.as_ref()) {
            Some(scope) => super::markdown::title(&format!("{scope}: {verb} {what}")),
            None => super::markdown::title(&format!("{verb} {what}")),
        }
    }
}

fn subject(finding: &Finding) -> String {
    let item = &finding.item;
    match (finding.kind, finding.path.as_deref()) {
        (FindingKind::Missing, _) => format!("the absence of {item}"),
        (FindingKind::Undeclared, _) => format!("the undeclared {item}"),
        (FindingKind::Lingering, _) => format!("the retirement of {item}"),
        (FindingKind::Certificate, Some(path)) => format!("the certificate of {item} ({path})"),
        (_, Some(path)) => format!("{} of {item}", path.strip_prefix("attributes.").unwrap_or(path)),
        (kind, None) => format!("{} of {item}", kind.name()),
    }
}

/// A readable key with a short digest: `payments-enforce-3f9a`.
fn key_of(estate: &str, identity: &Identity) -> Text {
    let action = if identity.action == OnDrift::Adopt { "adopt" } else { "enforce" };
    let scope = [&identity.service, &identity.owner, &identity.class, &identity.item].into_iter().flatten().next().map_or(estate, |scope| scope);
    let part = |part: &Option<Text>| part.clone().unwrap_or_default();
    let digest = Finding::digest(&[estate, action, &part(&identity.owner), &part(&identity.service), &part(&identity.class), &part(&identity.item)]);
    format!("{}-{action}-{}", slug(scope), &digest[..6]).into()
}

/// Lower-case letters, digits and dashes, at most 40, safe in a branch and a file name.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars().take(80) {
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
        if slug.len() == 40 {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "change".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_safe_in_a_branch_whatever_the_name() {
        for (name, safe) in [("Payments & Co", "payments-co"), ("../../etc", "etc"), ("@{-1}", "1"), ("ÜÜ", "change"), ("a..b.lock", "a-b-lock"), ("-x-", "x")]
        {
            assert_eq!(slug(name), safe, "{name}");
        }
        assert!(slug(&"x".repeat(500)).len() <= 40);
    }
}
