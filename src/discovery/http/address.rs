//! Addresses below the base address of an API, and that none of them leads to another host. Pure.

use reqwest::Url;

use crate::access::web::check_http;
use crate::api::{Table, Text, Value};
use crate::credentials::redact_url;

/// The longest value that a template is filled with, in bytes.
const LONGEST: usize = 1024;

/// The base address, with a `/` at its end. The error is the end of a sentence.
pub(super) fn base(text: &str, plain_http: bool) -> Result<Url, String> {
    let mut url: Url = text.trim().parse().map_err(|_| "it is no address; write for example https://netbox.example.com".to_owned())?;
    match check_http(&url) {
        Err(_) if plain_http && url.scheme() == "http" && url.username().is_empty() && url.password().is_none() => {}
        Err("http is spoken with this machine only; use https") => {
            return Err("http is spoken with this machine only; use https, or set `plainHttp: true` and name no credential".to_owned());
        }
        result => result?,
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a base address has no `?` and no `#`; give the query in `list.query`".to_owned());
    }
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// The address of a proxy.
pub(super) fn proxy(text: &str, with_credentials: bool) -> Result<Url, String> {
    let url: Url = text.trim().parse().map_err(|_| "it is no address; write for example http://proxy.example.com:3128".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err("a proxy is http:// or https://, and a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds an account or a password; name a credential with `proxyCredentials` instead".to_owned());
    }
    if with_credentials && check_http(&url).is_err() {
        return Err("a credential is sent to a proxy over https only".to_owned());
    }
    Ok(url)
}

/// What is wrong with a path below the base address.
pub(super) fn bad_path(path: &str) -> Option<&'static str> {
    if path.contains(['?', '#']) {
        return Some("a path has no `?` and no `#`; give the query in `query`");
    }
    if path.contains("://") || path.starts_with("//") {
        return Some("a path is relative to `url`; it names no host");
    }
    let upwards = path.split(['/', '\\']).any(|step| matches!(&*step.to_ascii_lowercase().replace("%2e", "."), ".." | "."));
    (upwards || path.chars().any(char::is_control)).then_some("a path has no `.`, `..` or control characters as its steps")
}

/// The address of a path below the base, with a query.
pub(super) fn below(base: &Url, path: &str, query: &[(Text, Text)]) -> Result<Url, String> {
    if let Some(reason) = bad_path(path) {
        return Err(reason.to_owned());
    }
    let mut url = base.clone();
    url.set_path(&format!("{}{}", base.path(), path.trim_start_matches('/')));
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query.iter().map(|(name, value)| (&**name, &**value)));
    }
    Ok(url)
}

/// Where an answer sends on to: the same host, or nowhere. A server behind a proxy may think that it speaks `http`, or give only a path.
pub(super) fn onward(base: &Url, from: &Url, to: &str) -> Result<Url, String> {
    let mut url = from.join(to.trim()).map_err(|_| "the server sends on to what is no address".to_owned())?;
    let is_default = url.port().is_none();
    if url.scheme() == "http" && base.scheme() == "https" && is_default && url.host_str() == base.host_str() {
        url.set_scheme("https").and_then(|()| url.set_port(base.port())).map_err(|()| "the server sends on to what is no address".to_owned())?;
    }
    if url.origin() != base.origin() || !url.username().is_empty() || url.password().is_some() {
        url.set_query(None);
        return Err(format!("the server sends on to {}, which is not the host of `url`: nothing was sent there", redact_url(url.as_str())));
    }
    url.set_fragment(None);
    Ok(url)
}

/// A template of a path filled: `assets/export/{id}/status`. A value is one step of the path, whatever it holds.
pub(super) fn filled(template: &str, values: &[(&str, &str)]) -> Result<String, String> {
    let mut path = template.to_owned();
    for (name, value) in values {
        if value.is_empty() || value.len() > LONGEST || matches!(*value, "." | "..") {
            return Err(format!("the server's `{name}` cannot stand in an address"));
        }
        path = path.replace(&format!("{{{name}}}"), &crate::discovery::kubernetes::list::encoded(value));
    }
    Ok(path)
}

/// A query in pairs, a list as several.
pub(super) fn pairs(query: &Table<Value>) -> Vec<(Text, Text)> {
    let several = query.iter().flat_map(|(name, value)| match value {
        Value::List(list) => list.iter().map(|value| (name.clone(), value)).collect(),
        value => vec![(name.clone(), value)],
    });
    several.filter_map(|(name, value)| Some((name, scalar(value)?))).collect()
}

/// A single value as text; none for null, lists and maps.
pub(super) fn scalar(value: &Value) -> Option<Text> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(value) => Some(value.to_string().into()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// Where a rel=next of a `Link` header leads (RFC 8288, section 3).
pub(super) fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let (target, after) = rest.get(start + 1..)?.split_once('>')?;
        let end = after.find(",<").or_else(|| after.find(", <")).unwrap_or(after.len());
        let (parameters, further) = after.split_at(end);
        let is_next = parameters.split(';').filter_map(|parameter| parameter.trim().split_once('=')).any(|(name, value)| {
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel") && value.split_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
        });
        if is_next {
            return Some(target);
        }
        rest = further;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_path_stands_below_the_base_whatever_it_begins_with() {
        let base = base("https://x.example.com/netbox", false).unwrap();
        let query: [(Text, Text); 1] = [("q".into(), "a b&c".into())];
        assert_eq!(below(&base, "/api/vms/", &query).unwrap().as_str(), "https://x.example.com/netbox/api/vms/?q=a+b%26c");
        assert_eq!(below(&base, "api/vms/", &[]).unwrap().as_str(), "https://x.example.com/netbox/api/vms/");
        for bad in ["../admin", "a/%2e%2E/b", "https://evil.example.com/", "//evil.example.com/x", "a?b=c", "a#b"] {
            assert!(below(&base, bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_base_address_is_https_unless_it_is_this_machine_or_said_to_be_plain() {
        assert!(base("http://127.0.0.1:9090", false).is_ok());
        assert!(base("http://prometheus:9090", false).unwrap_err().contains("plainHttp"));
        assert!(base("http://prometheus:9090", true).is_ok());
        for bad in ["http://a:b@prometheus:9090", "https://x?y", "https://a@x/", "ftp://x/", "x", ""] {
            assert!(base(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_leads_on_stays_on_the_host_and_its_scheme() {
        let base = url("https://x.example.com/api/");
        let from = url("https://x.example.com/api/vms/?limit=2");
        let to = |text: &str| onward(&base, &from, text).map(|url| url.to_string());
        assert_eq!(to("https://x.example.com/api/vms/?offset=2").unwrap(), "https://x.example.com/api/vms/?offset=2");
        assert_eq!(to("http://x.example.com/api/vms/?offset=2").unwrap(), "https://x.example.com/api/vms/?offset=2", "TLS ends before the server");
        assert_eq!(to("?offset=2").unwrap(), "https://x.example.com/api/vms/?offset=2");
        for foreign in
            ["https://evil.example.com/", "//evil.example.com/x", "https://x.example.com:8443/", "https://u:p@x.example.com/", "http://x.example.com:81/"]
        {
            assert!(to(foreign).unwrap_err().contains("nothing was sent there"), "{foreign}");
        }
        assert!(!to("https://u:canary@x.example.com/").unwrap_err().contains("canary"));
    }

    #[test]
    fn a_value_of_the_server_is_one_step_of_a_path() {
        assert_eq!(filled("e/{id}/c/{chunk}", &[("id", "a/../b?c"), ("chunk", "1")]).unwrap(), "e/a%2F..%2Fb%3Fc/c/1");
        for bad in ["", ".", ".."] {
            assert!(filled("e/{id}", &[("id", bad)]).is_err());
        }
    }

    #[test]
    fn the_next_link_is_found_among_others() {
        let servicenow = r#"<https://x/t?sysparm_offset=0>;rel="first",<https://x/t?a=1,2&sysparm_offset=9>;rel="next",<https://x/t>;rel="last""#;
        assert_eq!(next_link(servicenow), Some("https://x/t?a=1,2&sysparm_offset=9"));
        assert_eq!(next_link(r#"<https://x/2>; title="rel=x"; rel="prev next", <https://x/9>; rel=last"#), Some("https://x/2"));
        assert_eq!(next_link(r#"<https://x/1>; rel="prev""#), None);
        assert_eq!(next_link("rubbish <"), None);
    }
}
