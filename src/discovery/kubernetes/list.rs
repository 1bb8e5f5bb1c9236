//! Whole lists, page by page. A list that grows too old to go on with (410 Gone) is begun again, so that what is returned is
//! always one state of the cluster.

use serde::Deserialize;
use serde_json::Value as Json;

use super::client::{Client, Failure};
use super::kinds::Kind;

/// How many objects a page has at most; a page that is too large is asked for again with fewer.
const PAGE: usize = 500;
/// How many objects one list may have.
const OBJECTS: usize = 250_000;
/// How often a list is begun.
const BEGINNINGS: usize = 4;

/// What is listed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// Of which kind.
    pub(super) kind: &'a Kind,
    /// In which namespace; none: everywhere.
    pub(super) namespace: Option<&'a str>,
    /// Which ones, as the API's field selector says it.
    pub(super) selector: Option<&'a str>,
    /// Documents or metadata.
    pub(super) accept: &'static str,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metadata: PageMetadata,
    #[serde(default)]
    items: Option<Vec<Json>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    r#continue: Option<String>,
    resource_version: Option<String>,
}

/// A whole list.
#[derive(Debug)]
pub(super) struct List<T> {
    /// What was made of its objects.
    pub(super) objects: Vec<T>,
    /// The state of the cluster that it shows.
    pub(super) version: String,
    /// The path of the group and version of the API that has it.
    pub(super) group: &'static str,
}

/// Lists all objects, and makes of each what `of` makes of it, so that no page is kept. Older versions of the API are asked for only where the
/// newer ones are absent.
pub(super) async fn all<T>(client: &Client, wanted: Wanted<'_>, of: &impl Fn(&Json) -> T) -> Result<List<T>, Failure> {
    for group in wanted.kind.groups {
        match one_version(client, group, wanted, of).await {
            Err(Failure::Absent) => {}
            result => return result,
        }
    }
    Err(Failure::Absent)
}

async fn one_version<T>(client: &Client, group: &'static str, wanted: Wanted<'_>, of: &impl Fn(&Json) -> T) -> Result<List<T>, Failure> {
    for _ in 0..BEGINNINGS {
        match from_the_beginning(client, group, wanted, of).await {
            Err(Failure::Expired) => {}
            result => return result,
        }
    }
    Err(Failure::Expired)
}

async fn from_the_beginning<T>(client: &Client, group: &'static str, wanted: Wanted<'_>, of: &impl Fn(&Json) -> T) -> Result<List<T>, Failure> {
    let (mut found, mut limit, mut next) = (Vec::new(), PAGE, String::new());
    loop {
        let read = |body: &[u8]| serde_json::from_slice::<Page>(body).map_err(|_| "the answer is not a list as Kubernetes gives it");
        let page = match client.get(&address(group, wanted, limit, &next), wanted.accept, read).await {
            Err(Failure::TooLarge) if limit > 1 => {
                limit = (limit / 5).max(1);
                continue;
            }
            page => page?,
        };
        let items = page.items.unwrap_or_default();
        if found.len() + items.len() > OBJECTS {
            return Err(Failure::Other(format!("there are more than {OBJECTS}; ask for fewer `namespaces`")));
        }
        found.extend(items.iter().map(of));
        match page.metadata.r#continue.filter(|token| !token.is_empty()) {
            None => return Ok(List { objects: found, version: page.metadata.resource_version.unwrap_or_default(), group }),
            // An empty page may have a next one: the API looks through a part of the objects for each.
            Some(token) if token == next => return Err(Failure::Other("its pages do not end".to_owned())),
            Some(token) => next = token,
        }
    }
}

/// Where the list is watched; the version to go on from comes after it.
pub(super) fn watched(group: &str, wanted: Wanted<'_>) -> String {
    let listed = address(group, wanted, 0, "").replace("?limit=0", "?watch=true&allowWatchBookmarks=true&timeoutSeconds=290");
    format!("{listed}&resourceVersion=")
}

fn address(group: &str, wanted: Wanted<'_>, limit: usize, next: &str) -> String {
    let namespace = wanted.namespace.map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
    let mut address = format!("{group}{namespace}/{}?limit={limit}", wanted.kind.plural);
    for (name, value) in [("fieldSelector", wanted.selector.unwrap_or_default()), ("continue", next)] {
        if !value.is_empty() {
            address = format!("{address}&{name}={}", encoded(value));
        }
    }
    address
}

/// A value as it stands in a query (RFC 3986, section 2).
pub(in crate::discovery) fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::discovery_source::KubernetesResource as Resource;
    use crate::discovery::kubernetes::{client, kinds};

    #[test]
    fn a_list_is_asked_for_in_its_namespace_page_by_page_and_by_its_selector() {
        let kind = kinds::kind(Resource::Deployment);
        let wanted = Wanted { kind: &kind, namespace: Some("shop"), selector: None, accept: client::DOCUMENTS };
        assert_eq!(address("/apis/apps/v1", wanted, 500, ""), "/apis/apps/v1/namespaces/shop/deployments?limit=500");
        let wanted = Wanted { namespace: None, selector: Some("type=kubernetes.io/tls"), ..wanted };
        assert_eq!(address("/api/v1", wanted, 20, "a&b=="), "/api/v1/deployments?limit=20&fieldSelector=type%3Dkubernetes.io%2Ftls&continue=a%26b%3D%3D");
    }
}
