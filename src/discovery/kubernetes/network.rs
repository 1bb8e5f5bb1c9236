//! What a Service, an Ingress, a Gateway or a route of the Gateway API means. Pure.

use serde_json::Value as Json;

use super::links::{Found, Link};
use super::map::labels;
use super::object::{Object, at, list, set, text};
use crate::api::{Table, Text, Value, intern};

/// How many back ends, hosts and the like of one object count.
const PARTS: usize = 2000;
const GATEWAYS: &str = "gateway.networking.k8s.io";

/// A service.
pub(super) fn service(object: &Object) -> Found {
    let cluster_ips = object.list(&["spec", "clusterIPs"]).iter().filter_map(Json::as_str).filter(|ip| *ip != "None");
    let external = object.list(&["spec", "externalIPs"]).iter().filter_map(Json::as_str);
    let selector = labels(object, &["spec", "selector"]);
    let attributes = [
        ("type", object.value(&["spec", "type"])),
        ("ports", object.list(&["spec", "ports"]).iter().take(PARTS).map(port).collect()),
        ("clusterIps", set(cluster_ips)),
        ("addresses", set(external.chain(balancer(object)))),
        ("externalName", object.value(&["spec", "externalName"])),
        ("selector", Value::Map(selector.labels.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect())),
    ];
    Found { observation: object.observation("kubernetes-service", attributes), links: vec![Link::Selects(selector)] }
}

/// `80/TCP`, or `http 80/TCP to 8080` where it is named and goes elsewhere, in parts.
fn port(port: &Json) -> Value {
    let number = port.get("port").cloned().unwrap_or_default();
    let protocol = text(port, &["protocol"]).unwrap_or("TCP");
    let fields =
        [("name", port.get("name").cloned()), ("port", Some(number)), ("protocol", Some(protocol.into())), ("targetPort", port.get("targetPort").cloned())];
    let fields = fields.into_iter().filter_map(|(name, value)| Some((intern(name), Value::from(value?)))).filter(|(_, value)| !value.is_absent());
    Value::Map(fields.collect::<Table<Value>>())
}

/// The addresses that a load balancer has given.
fn balancer<'a>(object: &Object<'a>) -> impl Iterator<Item = &'a str> {
    let given = object.list(&["status", "loadBalancer", "ingress"]).iter().take(PARTS);
    given.filter_map(|one| text(one, &["ip"]).or_else(|| text(one, &["hostname"])))
}

/// An ingress.
pub(super) fn ingress(object: &Object) -> Found {
    let rules = object.list(&["spec", "rules"]).iter().take(PARTS);
    let paths = rules.clone().flat_map(|rule| list(rule, &["http", "paths"])).take(PARTS);
    let backends = object.at(&["spec", "defaultBackend"]).into_iter().chain(paths.filter_map(|path| path.get("backend")));
    let services = backends.filter_map(|backend| text(backend, &["service", "name"]));
    let tls = object.list(&["spec", "tls"]).iter().take(PARTS);
    let attributes = [
        ("ingressClass", object.value(&["spec", "ingressClassName"])),
        ("hosts", set(rules.filter_map(|rule| text(rule, &["host"])))),
        ("tlsHosts", set(tls.clone().flat_map(|tls| list(tls, &["hosts"])).filter_map(Json::as_str))),
        ("addresses", set(balancer(object))),
    ];
    let certificates =
        tls.filter_map(|tls| text(tls, &["secretName"])).filter(|name| !name.is_empty()).map(|name| Link::Uses(object.beside("Secret", None, name)));
    let links = services.map(|name| Link::To("DependsOn", object.beside("Service", None, name))).chain(certificates).collect();
    Found { observation: object.observation("kubernetes-ingress", attributes), links }
}

/// A gateway.
pub(super) fn gateway(object: &Object) -> Found {
    let listeners = object.list(&["spec", "listeners"]).iter().take(PARTS);
    let ports = listeners.clone().filter_map(|one| Some(format!("{}/{}", one.get("port")?.as_u64()?, text(one, &["protocol"])?)));
    let ports: Vec<String> = ports.collect();
    let addresses = object.list(&["status", "addresses"]).iter().take(PARTS).filter_map(|one| text(one, &["value"]));
    let attributes = [
        ("gatewayClass", object.value(&["spec", "gatewayClassName"])),
        ("hosts", set(listeners.clone().filter_map(|one| text(one, &["hostname"])))),
        ("ports", set(ports.iter().map(String::as_str))),
        ("addresses", set(addresses)),
    ];
    let certificates = listeners.flat_map(|one| list(one, &["tls", "certificateRefs"])).take(PARTS);
    let links = certificates.filter_map(|to| reference(object, to, "", "Secret").map(Link::Uses)).collect();
    Found { observation: object.observation("kubernetes-gateway", attributes), links }
}

/// A route.
pub(super) fn route(object: &Object) -> Found {
    let parents = object.list(&["spec", "parentRefs"]).iter().take(PARTS).filter_map(|to| reference(object, to, GATEWAYS, "Gateway"));
    let backends = object.list(&["spec", "rules"]).iter().flat_map(|rule| list(rule, &["backendRefs"])).take(PARTS);
    let services = backends.filter_map(|to| reference(object, to, "", "Service"));
    let links = parents.chain(services).map(|to| Link::To("DependsOn", to)).collect();
    let attributes = [("kind", Value::from(object.kind)), ("hosts", set(object.list(&["spec", "hostnames"]).iter().filter_map(Json::as_str)))];
    Found { observation: object.observation("kubernetes-route", attributes), links }
}

/// The path of what a reference of the Gateway API means, if it is of this kind: left out, group and kind are the usual ones.
fn reference(object: &Object, to: &Json, group: &str, kind: &str) -> Option<Text> {
    let is = |field: &str, usual: &str| at(to, &[field]).is_none_or(|value| value.as_str() == Some(usual));
    (is("group", group) && is("kind", kind)).then_some(())?;
    Some(object.beside(kind, text(to, &["namespace"]), text(to, &["name"])?))
}
