//! What is wrong with an `http` source as it is declared. Pure; `bowline check` tells it, and nothing is asked for before it is mended.

use std::str::FromStr;

use http::{HeaderName, HeaderValue};

use super::address;
use crate::api::discovery_source::{Authorization, Export, HttpJoin, HttpLimits, HttpList, HttpSource, Paging};
use crate::api::{Text, Value};
use crate::discovery::kubernetes::quantity;

/// The largest answer that may be asked for, in bytes.
const LARGEST: u64 = 256 << 20;

/// What is wrong at a path of the document: `spec.http.list.paging`.
pub(crate) type Wrong = (String, String);

/// Headers that Bowline sets, and those that carry what is secret.
const OWN: [&str; 11] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "if-none-match",
    "accept-encoding",
    "content-type",
];

/// Everything that is wrong but for its expressions.
pub(crate) fn mistakes(spec: &HttpSource) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut say = |at: &str, reason: String| wrong.push((format!("spec.http.{at}"), reason));
    let is_named = spec.credentials().next().is_some();
    match address::base(&spec.url, spec.plain_http) {
        Err(reason) => say("url", format!("the address cannot be used: {reason}")),
        Ok(url) if url.scheme() == "http" && spec.plain_http && is_named => {
            say("plainHttp", "credentials are not sent over plain http; use https, or name none".to_owned());
        }
        Ok(_) => {}
    }
    for (name, value) in &spec.headers {
        let own = spec.authorization.as_ref().and_then(|authorization| authorization.header.as_deref());
        if OWN.iter().copied().chain(own).any(|own| own.eq_ignore_ascii_case(name)) {
            say("headers", format!("`{name}` is not set here; what is secret is a credential that the operator gives"));
        } else if HeaderName::from_str(name).is_err() || HeaderValue::from_str(value).is_err() {
            say("headers", format!("`{name}` is no header"));
        }
    }
    let authorized = spec.authorization.as_ref().and_then(|authorization| authorization_of(authorization, spec.credentials.is_some()));
    if let Some(reason) = authorized {
        say("authorization", reason);
    }
    match &spec.proxy {
        Some(proxy) => {
            if let Err(reason) = address::proxy(proxy, spec.proxy_credentials.is_some()) {
                say("proxy", format!("the address cannot be used: {reason}"));
            }
        }
        None if spec.proxy_credentials.is_some() => say("proxyCredentials", "there is no proxy; give `proxy`".to_owned()),
        None => {}
    }
    list("list", &spec.list, &mut say);
    for (place, join) in spec.joins.iter().enumerate() {
        let twice = spec.joins.iter().take(place).any(|other| other.name == join.name);
        if join.name.trim().is_empty() || twice {
            say(&format!("joins.{place}.name"), "each join has a name of its own".to_owned());
        }
        list(&format!("joins.{place}.list"), &join.list, &mut say);
    }
    limits(&spec.limits, &mut say);
    wrong
}

fn authorization_of(authorization: &Authorization, is_named: bool) -> Option<String> {
    let header = authorization.header.as_deref().unwrap_or("Authorization");
    if !is_named {
        return Some("it says how a credential is sent, and there is none; name it with `credentials`".to_owned());
    }
    let is_free = header.eq_ignore_ascii_case("authorization") || !OWN.iter().any(|own| own.eq_ignore_ascii_case(header));
    if HeaderName::from_str(header).is_err() || !is_free {
        return Some(format!("`{header}` is no header for a credential"));
    }
    (!authorization.value.contains("{secret}")).then(|| "`value` needs `{secret}`, for example `Api-Token {secret}`".to_owned())
}

fn list(at: &str, list: &HttpList, say: &mut impl FnMut(&str, String)) {
    match (&list.path, &list.export) {
        (Some(path), None) => {
            if let Some(reason) = address::bad_path(path) {
                say(&format!("{at}.path"), reason.to_owned());
            }
        }
        (None, Some(export)) => {
            job(&format!("{at}.export"), export, say);
            if list.paging.is_some() || list.body.is_some() || !list.query.is_empty() {
                say(&format!("{at}.export"), "an export has chunks; remove `paging`, `query` and `body`, which do not go with it".to_owned());
            }
        }
        _ => say(at, "exactly one of path, export must be given".to_owned()),
    }
    let is_plain = |value: &Value| address::scalar(value).is_some();
    for (name, value) in &list.query {
        let fits = if let Value::List(values) = value { values.iter().all(is_plain) } else { is_plain(value) };
        if !fits {
            say(&format!("{at}.query"), format!("`{name}` is neither a text, a number, a boolean nor a list of them"));
        }
    }
    if list.total_header.as_ref().is_some_and(|name| HeaderName::from_str(name).is_err()) {
        say(&format!("{at}.totalHeader"), "this is no name of a header".to_owned());
    }
    let Some(paging) = &list.paging else { return };
    let sets = paging.offset.is_some() || paging.page.is_some() || paging.cursor.is_some() || paging.key.is_some();
    if sets && list.body.as_ref().is_some_and(|body| !matches!(body, Value::Map(_))) {
        say(&format!("{at}.body"), "`paging` sets members of the body, so it must be a map".to_owned());
    }
    way(&format!("{at}.paging"), paging, say);
}

fn way(at: &str, paging: &Paging, say: &mut impl FnMut(&str, String)) {
    let given = [paging.offset.is_some(), paging.page.is_some(), paging.next.is_some(), paging.link, paging.cursor.is_some(), paging.key.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        say(at, "exactly one of offset, page, next, link, cursor, key must be given".to_owned());
    }
    if paging.key.as_ref().is_some_and(|key| !key.value.contains("{key}")) {
        say(&format!("{at}.key.value"), "`value` needs `{key}`, the key of the last item, for example sys_id>{key}^ORDERBYsys_id".to_owned());
    }
}

fn job(at: &str, export: &Export, say: &mut impl FnMut(&str, String)) {
    for (name, path, wanted) in
        [("start", &export.start, [].as_slice()), ("status", &export.status, ["{id}"].as_slice()), ("chunk", &export.chunk, ["{id}", "{chunk}"].as_slice())]
    {
        if let Some(reason) = address::bad_path(path) {
            say(&format!("{at}.{name}"), reason.to_owned());
        } else if let Some(missing) = wanted.iter().find(|part| !path.contains(**part)) {
            say(&format!("{at}.{name}"), format!("this path needs `{missing}`"));
        }
    }
    if export.done.is_empty() {
        say(&format!("{at}.done"), "no state says that the job is done; name at least one".to_owned());
    }
    if let Some(both) = export.done.iter().find(|state| export.failed.contains(state)) {
        say(&format!("{at}.failed"), format!("`{both}` is both done and failed"));
    }
}

fn limits(limits: &HttpLimits, say: &mut impl FnMut(&str, String)) {
    if limits.tries.is_some_and(|tries| !(1..=10).contains(&tries)) {
        say("limits.tries", "a request is tried from 1 to 10 times".to_owned());
    }
    if limits.pages == Some(0) {
        say("limits.pages", "0 would read nothing".to_owned());
    }
    if limits.per_minute == Some(0) {
        say("limits.perMinute", "0 would ask nothing".to_owned());
    }
    if limits.request.as_ref().is_some_and(|period| period.seconds() < 1) {
        say("limits.request", "a request takes a second or more".to_owned());
    }
    if limits.answer.as_deref().is_some_and(|answer| bytes(answer).is_none()) {
        say("limits.answer", "this is no size from 1Ki to 256Mi; write for example 64Mi".to_owned());
    }
}

/// A size of an answer, in bytes.
pub(super) fn bytes(text: &str) -> Option<usize> {
    let size = quantity::whole(text).filter(|size| (1024..=LARGEST).contains(size))?;
    usize::try_from(size).ok()
}

/// Its jq expressions, each with the path at which it stands.
pub(crate) fn expressions(spec: &HttpSource) -> Vec<(String, &Text)> {
    let mut all = Vec::new();
    of_list("spec.http.list", &spec.list, &mut all);
    for (place, join) in spec.joins.iter().enumerate() {
        let at = format!("spec.http.joins.{place}");
        of_list(&format!("{at}.list"), &join.list, &mut all);
        let HttpJoin { items, by, key, keep, .. } = join;
        all.extend([("by", by), ("key", key)].map(|(name, text)| (format!("{at}.{name}"), text)));
        all.extend([("items", items), ("keep", keep)].into_iter().filter_map(|(name, text)| Some((format!("{at}.{name}"), text.as_ref()?))));
    }
    all
}

fn of_list<'a>(at: &str, list: &'a HttpList, all: &mut Vec<(String, &'a Text)>) {
    let mut add = |name: &str, text: Option<&'a Text>| all.extend(text.map(|text| (format!("{at}.{name}"), text)));
    add("total", list.total.as_ref());
    add("error", list.error.as_ref());
    if let Some(paging) = &list.paging {
        add("paging.next", paging.next.as_ref());
        add("paging.page.last", paging.page.as_ref().and_then(|page| page.last.as_ref()));
        add("paging.cursor.value", paging.cursor.as_ref().map(|cursor| &cursor.value));
        add("paging.key.of", paging.key.as_ref().map(|key| &key.of));
    }
    if let Some(export) = &list.export {
        add("export.id", Some(&export.id));
        add("export.state", Some(&export.state));
        add("export.chunks", Some(&export.chunks));
        add("export.lost", export.lost.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(yaml: &str) -> Vec<String> {
        mistakes(&serde_yaml::from_str(yaml).unwrap()).into_iter().map(|(at, _)| at.replace("spec.http.", "")).collect()
    }

    #[test]
    fn a_source_as_the_documentation_has_it_is_right() {
        let yaml = "
url: https://x.example.com
credentials: x
authorization: {header: X-ApiKeys, value: 'accessKey={user};secretKey={secret}'}
headers: {Accept: application/json}
proxy: http://proxy.example.com:3128
list: {path: a/b/, query: {limit: 500, tag: [a, b]}, paging: {offset: {parameter: offset}}, total: .count}
joins:
- {name: parts, list: {path: c/, paging: {link: true}}, by: .of, key: .id}
limits: {answer: 64Mi, tries: 3, request: 20s}";
        assert_eq!(wrong(yaml), Vec::<String>::new());
        assert_eq!(expressions(&serde_yaml::from_str(yaml).unwrap()).len(), 3);
    }

    #[test]
    fn every_mistake_is_told_where_it_stands() {
        let yaml = "
url: http://x.example.com
authorization: {value: abc}
headers: {Authorization: canary, 'a b': c}
proxyCredentials: p
list: {path: ../up, query: {a: {b: c}}, paging: {link: true, next: .next}}
joins: [{name: '', list: {}, by: ., key: .}]
limits: {answer: 2Gi, tries: 0, pages: 0, perMinute: 0, request: 0s}";
        let at = [
            "url",
            "headers",
            "headers",
            "authorization",
            "proxyCredentials",
            "list.path",
            "list.query",
            "list.paging",
            "joins.0.name",
            "joins.0.list",
            "limits.tries",
            "limits.pages",
            "limits.perMinute",
            "limits.request",
            "limits.answer",
        ];
        let mut found = wrong(yaml);
        found.sort();
        let mut wanted = at.map(str::to_owned).to_vec();
        wanted.sort();
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_credential_does_not_go_over_plain_http() {
        assert_eq!(wrong("{url: 'http://x.example.com', plainHttp: true, credentials: x, list: {path: a}}"), ["plainHttp"]);
        assert_eq!(wrong("{url: 'https://x', credentials: x, proxy: 'http://p.example.com', proxyCredentials: p, list: {path: a}}"), ["proxy"]);
    }

    #[test]
    fn a_job_needs_its_id_its_chunk_and_a_state_in_which_it_is_done() {
        let yaml = "
url: https://x
list:
  query: {a: b}
  export: {start: e, id: .id, status: e/status, state: .s, done: [], failed: [], chunks: .c, chunk: 'e/{id}'}";
        assert_eq!(wrong(yaml), ["list.export.status", "list.export.chunk", "list.export.done", "list.export"]);
    }
}
