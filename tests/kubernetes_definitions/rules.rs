//! Every rule of the definitions: what it refuses with which words, and the nearest thing that it takes.

use std::collections::BTreeSet;

use bowline::api::{Kind, definitions, rules};
use serde_json::{Value, json};

use super::kube;
use crate::peers::kube::Kube;

/// A rule, a document's part that breaks it, and a neighbour that does not.
struct Case {
    kind: Kind,
    /// Where the rule stands.
    at: &'static str,
    message: &'static str,
    /// The field that the server names.
    field: &'static str,
    bad: Value,
    good: Value,
}

fn case(kind: Kind, at: &'static str, field: &'static str, message: &'static str, bad: Value, good: Value) -> Case {
    Case { kind, at, message, field, bad, good }
}

/// The smallest good document of a kind, with this over its `spec`.
fn document(kind: Kind, spec: &Value) -> Value {
    let mut whole = match kind {
        Kind::ConfigurationItem => json!({"class": "server"}),
        Kind::PatchWindow => json!({"selector": {"all": true}, "start": "2026-01-04T02:00:00", "duration": "4h"}),
        Kind::DiscoverySource if !rules::SOURCES.iter().any(|part| spec.get(*part).is_some()) => json!({"host": {}}),
        _ => json!({}),
    };
    for (name, value) in spec.as_object().unwrap() {
        whole[name] = value.clone();
    }
    json!({"apiVersion": "bowline.dev/v1alpha1", "kind": kind.name(), "metadata": {"name": "this-one"}, "spec": whole})
}

const NO_DURATION: &str = "this is no duration; write for example 4h, 30d or PT4H";
const NO_TIME: &str = "this is no time at all; write for example 4h, 30d or PT4H";
const OUTSIDE: &str = "this path leads out of the estate; name one below the estate's root, without `..`";
const NO_ENDPOINT: &str = "this is no endpoint; write host:port, for example pay.example.com:443";
const NO_START: &str = "this is no date and time; write for example 2026-01-04T02:00:00";
const NO_INSTANT: &str = "this is no instant; write it with offset and zone, for example 2026-11-29T02:00:00+01:00[Europe/Zurich]";
const WITH_NAMESPACE: &str = "a credential is named without a namespace; it stands in this one";
const NO_REPOSITORY: &str = "a repository is written owner/name, for example ops/estate";

#[test]
fn an_estate_says_nothing_that_it_cannot_mean() {
    use Kind::Estate as E;
    let forge = |forge: Value| json!({"forge": forge});
    let github = |field: &str, value: &str| forge(json!({"github": {"repository": "acme/estate", field: value}}));
    let gitea = |field: &str, value: &str| forge(json!({"gitea": {"repository": "ops/estate", "url": "https://git.example", field: value}}));
    let git = |field: &str, value: &str| json!({"git": {"url": "https://git.example/ops/estate.git", field: value}});
    let one = "exactly one of local, github, gitea must be given";
    check(&[
        case(E, "spec.forge", "spec.forge", one, forge(json!({"local": {}, "github": {"repository": "acme/estate"}})), forge(json!({"local": {}}))),
        case(E, "spec.forge", "spec.forge", one, forge(json!({})), json!({})),
        case(E, "spec.forge.github.repository", "spec.forge.github.repository", NO_REPOSITORY, github("repository", "estate"), github("repository", "a/b.c")),
        case(E, "spec.forge.gitea.repository", "spec.forge.gitea.repository", NO_REPOSITORY, gitea("repository", "a/b/c"), gitea("repository", "a/b")),
        case(
            E,
            "spec.forge.gitea",
            "spec.forge.gitea",
            "the address of this Gitea is not known; add `url`",
            forge(json!({"gitea": {"repository": "ops/estate"}})),
            gitea("url", "https://git.example"),
        ),
        case(
            E,
            "spec.forge.github.credentials",
            "spec.forge.github.credentials",
            WITH_NAMESPACE,
            github("credentials", "other/app"),
            github("credentials", "app"),
        ),
        case(E, "spec.forge.gitea.credentials", "spec.forge.gitea.credentials", WITH_NAMESPACE, gitea("credentials", "other/g"), gitea("credentials", "g")),
        case(E, "spec.git.credentials", "spec.git.credentials", WITH_NAMESPACE, git("credentials", "other/git"), git("credentials", "git")),
        case(
            E,
            "spec.git.url",
            "spec.git.url",
            "`url` is empty; write the address of the repository, or leave out `git`",
            git("url", " "),
            git("url", "git@git.example:ops/estate.git"),
        ),
        case(E, "spec.git.path", "spec.git.path", OUTSIDE, git("path", "a/../../b"), git("path", "a/b..c")),
        case(E, "spec.interval", "spec.interval", NO_DURATION, json!({"interval": "five"}), json!({"interval": "5m"})),
        case(E, "spec.interval", "spec.interval", NO_TIME, json!({"interval": "0s"}), json!({"interval": "PT10S"})),
        case(
            E,
            "spec.changes.rejectedFor",
            "spec.changes.rejectedFor",
            NO_DURATION,
            json!({"changes": {"rejectedFor": "-1d"}}),
            json!({"changes": {"rejectedFor": "0d"}}),
        ),
        case(
            E,
            "spec.safety.massAbsence",
            "spec.safety.massAbsence",
            "this is no percentage from 0% to 100%; write for example 20%",
            json!({"safety": {"massAbsence": "101%"}}),
            json!({"safety": {"massAbsence": "100%"}}),
        ),
    ]);
}

#[test]
fn an_item_or_class_says_nothing_that_it_cannot_mean() {
    use Kind::{CIClass as C, ConfigurationItem as I};
    check(&[
        case(
            I,
            "",
            "spec.relations",
            "an item has no relation to itself; name the other item in `to`",
            json!({"relations": [{"type": "RunsOn", "to": "that-one"}, {"type": "RunsOn", "to": "this-one"}]}),
            json!({"relations": [{"type": "RunsOn", "to": "that-one"}]}),
        ),
        case(
            I,
            "spec.class",
            "spec.class",
            "`class` is empty; name a built-in class or a CIClass of the estate",
            json!({"class": ""}),
            json!({"class": "virtual-machine"}),
        ),
        case(
            I,
            "spec.identifiers",
            "spec.identifiers",
            "an identifier is named system/kind in lower case, for example dns/fqdn",
            json!({"identifiers": {"dns/fqdn": "a.example", "serial": "S-1"}}),
            json!({"identifiers": {"dns/fqdn": "a.example", "serial/number": "S-1"}}),
        ),
        case(
            C,
            "",
            "spec.extends",
            "a class cannot extend itself; name its parent, or leave out `extends`",
            json!({"extends": "this-one"}),
            json!({"extends": "that-one"}),
        ),
        case(
            C,
            "spec.identification[]",
            "spec.identification[1]",
            "this rule would recognise everything; name identifiers or attributes",
            json!({"identification": [{"attributes": ["name"]}, {"within": "network"}]}),
            json!({"identification": [{"attributes": ["name"]}, {"identifiers": ["serial/number"], "within": "network"}]}),
        ),
        case(
            C,
            "spec.truth[].sources",
            "spec.truth[0].sources",
            "no source says the truth here; name at least one",
            json!({"truth": [{"sources": []}]}),
            json!({"truth": [{"sources": ["vcenter"]}]}),
        ),
    ]);
}

#[test]
fn a_service_map_says_nothing_that_it_cannot_mean() {
    use Kind::ServiceMap as S;
    let groups = |group: Value| json!({"groups": [{"name": "web", "members": ["web-1", "web-2"]}, group]});
    let needs = "`needs` is how many members must work: from 1 to the number of members";
    check(&[
        case(
            S,
            "spec.groups[]",
            "spec.groups[1].members",
            "this group has no members; name its members",
            groups(json!({"name": "app", "members": []})),
            groups(json!({"name": "app", "members": ["app-1"]})),
        ),
        case(
            S,
            "spec.groups[]",
            "spec.groups[1].members",
            "a group cannot hold itself; remove it from its members",
            groups(json!({"name": "app", "members": ["app-1", "app"]})),
            groups(json!({"name": "app", "members": ["app-1", "web"]})),
        ),
        case(
            S,
            "spec.groups[]",
            "spec.groups[1].needs",
            needs,
            groups(json!({"name": "app", "members": ["app-1"], "needs": 2})),
            groups(json!({"name": "app", "members": ["app-1"], "needs": 1})),
        ),
        case(
            S,
            "spec.groups[]",
            "spec.groups[1].needs",
            needs,
            groups(json!({"name": "app", "members": ["app-1"], "needs": 0})),
            groups(json!({"name": "app", "members": ["app-1", "app-2"], "needs": 2})),
        ),
        case(
            S,
            "spec.dependencies[]",
            "spec.dependencies[0].to",
            "nothing depends on itself; name what it depends on in `to`",
            json!({"dependencies": [{"from": "web", "to": "web"}]}),
            json!({"dependencies": [{"from": "web", "to": "app"}]}),
        ),
        case(
            S,
            "",
            "spec.dependencies",
            "a service cannot depend on itself; remove this dependency",
            json!({"dependencies": [{"from": "web", "to": "service/this-one"}]}),
            json!({"dependencies": [{"from": "web", "to": "service/that-one"}]}),
        ),
    ]);
}

#[test]
fn a_certificate_policy_says_nothing_that_it_cannot_mean() {
    use Kind::CertificatePolicy as P;
    let key = |key: Value| json!({"keys": [key]});
    let issuer = |issuer: Value| json!({"issuers": [issuer]});
    let digest = "9f".repeat(32);
    check(&[
        case(
            P,
            "spec.keys[]",
            "spec.keys[0].curves",
            "only ECDSA keys have curves; remove `curves`",
            key(json!({"algorithm": "RSA", "curves": ["P-256"]})),
            key(json!({"algorithm": "ECDSA", "curves": ["P-256"]})),
        ),
        case(
            P,
            "spec.keys[]",
            "spec.keys[0].minBits",
            "only RSA and DSA keys have a size to choose; remove `minBits`",
            key(json!({"algorithm": "Ed25519", "minBits": 3072})),
            key(json!({"algorithm": "RSA", "minBits": 3072})),
        ),
        case(
            P,
            "spec.issuers[]",
            "spec.issuers[0]",
            "this would allow any issuer; give organization, commonName or spkiSha256",
            issuer(json!({})),
            issuer(json!({"organization": "Harbour Authority"})),
        ),
        case(
            P,
            "spec.issuers[].spkiSha256",
            "spec.issuers[0].spkiSha256",
            "a SHA-256 is 64 hexadecimal digits",
            issuer(json!({"spkiSha256": digest[1..]})),
            issuer(json!({"spkiSha256": digest})),
        ),
        case(
            P,
            "spec.tls.minVersion",
            "spec.tls.minVersion",
            "the lowest version is \"1.2\" or \"1.3\"",
            json!({"tls": {"minVersion": "1.4"}}),
            json!({"tls": {"minVersion": "1.3"}}),
        ),
        case(
            P,
            "spec.endpoints[]",
            "spec.endpoints[1]",
            NO_ENDPOINT,
            json!({"endpoints": ["a.example:443", "b.example"]}),
            json!({"endpoints": ["a.example:443", "[::1]:8443"]}),
        ),
        case(
            P,
            "spec.maxValidity",
            "spec.maxValidity",
            "this is neither PublicTls nor a duration; write for example PublicTls or 90d",
            json!({"maxValidity": "publictls"}),
            json!({"maxValidity": "PublicTls"}),
        ),
        case(
            P,
            "spec.renewBefore",
            "spec.renewBefore",
            "this is neither a share from 0% to 100% nor a duration; write for example 33% or 30d",
            json!({"renewBefore": "133%"}),
            json!({"renewBefore": "33.5%"}),
        ),
        case(
            P,
            "spec.renewBefore",
            "spec.renewBefore",
            "this is neither a share from 0% to 100% nor a duration; write for example 33% or 30d",
            json!({"renewBefore": "30"}),
            json!({"renewBefore": "30d"}),
        ),
    ]);
}

#[test]
fn a_patch_window_says_nothing_that_it_cannot_mean() {
    use Kind::PatchWindow as W;
    let recurrence = "this is no recurrence rule of RFC 5545; write for example FREQ=WEEKLY;BYDAY=SU";
    check(&[
        case(
            W,
            "spec",
            "spec.maxConcurrent",
            "a freeze lets no change through, so none is under way; remove `maxConcurrent`",
            json!({"effect": "Freeze", "maxConcurrent": 1}),
            json!({"effect": "Allow", "maxConcurrent": 1}),
        ),
        case(
            W,
            "spec",
            "spec.leadTime",
            "in a freeze nothing is approved for its start; remove `leadTime`",
            json!({"effect": "Freeze", "leadTime": "1d"}),
            json!({"leadTime": "1d"}),
        ),
        case(
            W,
            "spec.maxConcurrent",
            "spec.maxConcurrent",
            "0 would let nothing through; for that, use `effect: Freeze`",
            json!({"maxConcurrent": 0}),
            json!({"effect": "Freeze"}),
        ),
        case(W, "spec.start", "spec.start", NO_START, json!({"start": "Sunday"}), json!({"start": "2026-01-04T02:00:00+01:00"})),
        case(W, "spec.also[]", "spec.also[1]", NO_START, json!({"also": ["2026-01-05", "soon"]}), json!({"also": ["2026-01-05", "2026-01-06T02:00:00"]})),
        case(W, "spec.except[]", "spec.except[0]", NO_START, json!({"except": ["never"]}), json!({"except": ["2026-01-05"]})),
        case(W, "spec.recurrence", "spec.recurrence", recurrence, json!({"recurrence": "weekly"}), json!({"recurrence": "FREQ=WEEKLY;BYDAY=SU"})),
        case(W, "spec.duration", "spec.duration", NO_DURATION, json!({"duration": "4"}), json!({"duration": "1d 12h"})),
        case(W, "spec.duration", "spec.duration", NO_TIME, json!({"duration": "0h"}), json!({"duration": "PT4H"})),
        case(W, "spec.leadTime", "spec.leadTime", NO_DURATION, json!({"leadTime": "2 days ago"}), json!({"leadTime": "2 days"})),
    ]);
}

#[test]
fn a_discovery_source_says_nothing_that_it_cannot_mean() {
    use Kind::DiscoverySource as D;
    let file = |file: Value| json!({"file": file});
    let tls = |tls: Value| json!({"tls": tls});
    let kubernetes = |field: &str, value: Value| {
        let mut source = json!({"cluster": "prod-1"});
        source[field] = value;
        json!({"kubernetes": source})
    };
    let one: &str = format!("exactly one of {} must be given", rules::SOURCES.join(", ")).leak();
    let mut cases = vec![
        case(D, "spec", "spec", one, json!({"host": {}, "tls": {}}), json!({"tls": {}})),
        case(D, "spec", "spec", one, json!({"host": null}), json!({"host": {}, "file": null})),
        case(
            D,
            "spec.file.path",
            "spec.file.path",
            "`path` is empty; name a file below the estate's root",
            file(json!({"path": " "})),
            file(json!({"path": "a b"})),
        ),
        case(D, "spec.file.path", "spec.file.path", OUTSIDE, file(json!({"path": "/etc/passwd"})), file(json!({"path": "etc/passwd"}))),
        case(
            D,
            "spec.file",
            "spec.file.delimiter",
            "only CSV has columns; remove `delimiter`",
            file(json!({"path": "a", "format": "Json", "delimiter": ";"})),
            file(json!({"path": "a", "format": "Csv", "delimiter": ";"})),
        ),
        case(D, "spec.tls.files[]", "spec.tls.files[0]", OUTSIDE, tls(json!({"files": ["../*.pem"]})), tls(json!({"files": ["certificates/*.pem"]}))),
        case(D, "spec.tls.authorities", "spec.tls.authorities", OUTSIDE, tls(json!({"authorities": "~/ca.pem"})), tls(json!({"authorities": "ca~1.pem"}))),
        case(
            D,
            "spec.tls.endpoints[]",
            "spec.tls.endpoints[0]",
            NO_ENDPOINT,
            tls(json!({"endpoints": ["https://a.example/"]})),
            tls(json!({"endpoints": ["a:1"]})),
        ),
    ];
    cases.extend([
        case(
            D,
            "spec.kubernetes.cluster",
            "spec.kubernetes.cluster",
            "this is no name of a cluster; write small letters, digits and `-`, for example prod-1",
            kubernetes("cluster", json!("Prod 1")),
            kubernetes("cluster", json!("prod-1")),
        ),
        case(
            D,
            "spec.kubernetes.namespaces[]",
            "spec.kubernetes.namespaces[1]",
            "this is no name of a namespace; write small letters, digits and `-`",
            kubernetes("namespaces", json!(["shop", "shop/web"])),
            kubernetes("namespaces", json!(["shop", "web"])),
        ),
        case(
            D,
            "spec.kubernetes.credentials",
            "spec.kubernetes.credentials",
            WITH_NAMESPACE,
            kubernetes("credentials", json!("other/reader")),
            kubernetes("credentials", json!("reader")),
        ),
    ]);
    cases.extend(of_http());
    cases.extend(of_snmp());
    cases.extend(of_push_and_nmap());
    let vsphere = |field: &str, value: &str| {
        let mut source = json!({"url": "https://vcenter.example.com", "credentials": "vcenter"});
        source[field] = value.into();
        json!({"vsphere": source})
    };
    let address = "this is no address of a vCenter; write for example https://vcenter.example.com";
    for (at, field, why, bad, good) in [
        ("spec.vsphere.url", "url", address, "vcenter.example.com", "https://vcenter.example.com/sdk"),
        ("spec.vsphere.credentials", "credentials", WITH_NAMESPACE, "other/vcenter", "vcenter"),
        ("spec.vsphere.ca", "ca", OUTSIDE, "/etc/ca.pem", "ca.pem"),
    ] {
        cases.push(case(D, at, at, why, vsphere(field, bad), vsphere(field, good)));
    }
    for (at, name) in [("spec.interval", "interval"), ("spec.timeout", "timeout"), ("spec.staleAfter", "staleAfter")] {
        cases.push(case(D, at, at, NO_DURATION, json!({name: "often"}), json!({name: "60s"})));
        cases.push(case(D, at, at, NO_TIME, json!({name: "PT0S"}), json!({name: "10s"})));
    }
    check(&cases);
}

/// The cases of an `snmp` source.
fn of_snmp() -> Vec<Case> {
    use Kind::DiscoverySource as D;
    let snmp = |field: &str, value: Value| {
        let mut source = json!({"targets": ["sw-1"], "credentials": "switches"});
        source[field] = value;
        json!({"snmp": source})
    };
    let limits = |name: &str, value: &str| snmp("limits", json!({name: value}));
    let mut cases = vec![
        case(
            D,
            "spec.snmp.targets",
            "spec.snmp.targets",
            "no device is named; name at least one, for example sw-1.example.com",
            snmp("targets", json!([])),
            snmp("targets", json!(["sw-1"])),
        ),
        case(
            D,
            "spec.snmp.targets[]",
            "spec.snmp.targets[1]",
            "this is no device; write host or host:port, for example sw-1.example.com:161",
            snmp("targets", json!(["sw-1", "udp://sw-2"])),
            snmp("targets", json!(["sw-1", "[2001:db8::1]:161"])),
        ),
        case(
            D,
            "spec.snmp.credentials",
            "spec.snmp.credentials",
            WITH_NAMESPACE,
            snmp("credentials", json!("other/switches")),
            snmp("credentials", json!("switches")),
        ),
    ];
    for (at, name) in [("spec.snmp.limits.request", "request"), ("spec.snmp.limits.target", "target")] {
        cases.push(case(D, at, at, NO_DURATION, limits(name, "soon"), limits(name, "2s")));
        cases.push(case(D, at, at, NO_TIME, limits(name, "0s"), limits(name, "1m")));
    }
    cases
}

/// The cases of sources whose facts have a form of their own.
fn of_push_and_nmap() -> Vec<Case> {
    use Kind::DiscoverySource as D;
    let push = |field: &str, value: Value| {
        let mut source = json!({"credentials": "agents"});
        source[field] = value;
        json!({"push": source})
    };
    let nmap = |path: &str| json!({"nmap": {"path": path}});
    let (credentials, path) = ("spec.push.credentials", "spec.nmap.path");
    let empty = "`credentials` is empty; name the token that whoever pushes must show";
    let none = "0 would take nothing; leave `perMinute` out, or write how many batches";
    let no_file = "`path` is empty; name a file below the estate's root that nmap wrote with -oX";
    vec![
        case(D, credentials, credentials, WITH_NAMESPACE, push("credentials", json!("other/agents")), push("credentials", json!("agents"))),
        case(D, credentials, credentials, empty, push("credentials", json!(" ")), push("credentials", json!("agents"))),
        case(D, "spec.push.perMinute", "spec.push.perMinute", none, push("perMinute", json!(0)), push("perMinute", json!(1))),
        case(D, "spec.push.completeFor", "spec.push.completeFor", NO_DURATION, push("completeFor", json!("often")), push("completeFor", json!("2h"))),
        case(D, "spec.push.completeFor", "spec.push.completeFor", NO_TIME, push("completeFor", json!("PT0S")), push("completeFor", json!("2h"))),
        case(D, path, path, no_file, nmap(" "), nmap("scan.xml")),
        case(D, path, path, OUTSIDE, nmap("../scan.xml"), nmap("scan.xml")),
    ]
}

/// The cases of an `http` source.
fn of_http() -> Vec<Case> {
    use Kind::DiscoverySource as D;
    let http = |changes: Value| {
        let mut source = json!({"url": "https://api.example.com", "list": {"path": "a"}});
        source.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({"http": source})
    };
    let list = |list: Value| http(json!({"list": list}));
    let joined = |list: Value| http(json!({"joins": [{"name": "parts", "by": ".a", "key": ".b", "list": list}]}));
    let export = |every: &str| {
        list(json!({"export": {"start": "e", "id": ".id", "status": "e/{id}", "state": ".s", "done": ["OK"], "failed": [], "chunks": ".c",
            "chunk": "e/{id}/{chunk}", "every": every}}))
    };
    let one_list = "exactly one of path, export must be given";
    let one_way = "exactly one of offset, page, next, link, cursor, key must be given";
    let two = json!({"path": "a", "paging": {"next": ".n", "link": true}});
    let one = json!({"path": "a", "paging": {"next": ".n", "link": false}});
    let address = "this is no address of an API; write for example https://netbox.example.com";
    let plain = "credentials are not sent over plain http; use https, or name none";
    let secret = "`value` needs `{secret}`, for example `Api-Token {secret}`";
    let mut cases = vec![
        case(D, "spec.http.url", "spec.http.url", address, http(json!({"url": "api.example.com"})), http(json!({"url": "https://api.example.com/v1"}))),
        case(
            D,
            "spec.http",
            "spec.http.plainHttp",
            plain,
            http(json!({"plainHttp": true, "credentials": "api"})),
            http(json!({"plainHttp": true, "proxy": "http://p"})),
        ),
        case(D, "spec.http.ca", "spec.http.ca", OUTSIDE, http(json!({"ca": "/etc/ca.pem"})), http(json!({"ca": "ca.pem"}))),
        case(
            D,
            "spec.http.authorization.value",
            "spec.http.authorization.value",
            secret,
            http(json!({"authorization": {"value": "Token abc"}})),
            http(json!({"authorization": {"value": "Token {secret}"}})),
        ),
        case(D, "spec.http.list", "spec.http.list", one_list, list(json!({})), list(json!({"path": "a"}))),
        case(D, "spec.http.joins[].list", "spec.http.joins[0].list", one_list, joined(json!({"total": ".n"})), joined(json!({"path": "a"}))),
        case(D, "spec.http.list.paging", "spec.http.list.paging", one_way, list(two.clone()), list(one.clone())),
        case(D, "spec.http.joins[].list.paging", "spec.http.joins[0].list.paging", one_way, joined(two), joined(one)),
    ];
    for (at, name) in
        [("spec.http.credentials", "credentials"), ("spec.http.clientCertificate", "clientCertificate"), ("spec.http.proxyCredentials", "proxyCredentials")]
    {
        cases.push(case(D, at, at, WITH_NAMESPACE, http(json!({name: "other/api"})), http(json!({name: "api"}))));
    }
    let request = |time: &str| http(json!({"limits": {"request": time}}));
    for (wrong, why) in [("often", NO_DURATION), ("PT0S", NO_TIME)] {
        cases.push(case(D, "spec.http.limits.request", "spec.http.limits.request", why, request(wrong), request("20s")));
        cases.push(case(D, "spec.http.list.export.every", "spec.http.list.export.every", why, export(wrong), export("5s")));
    }
    cases
}

#[test]
fn a_change_request_says_nothing_that_it_cannot_mean() {
    use Kind::ChangeRequest as R;
    let schedule = |start: &str, end: &str| json!({"schedule": {"window": "sunday", "start": start, "end": end}});
    let (from, to) = ("2026-11-29T02:00:00+01:00[Europe/Zurich]", "2026-11-29T05:00:00Z");
    check(&[
        case(
            R,
            "spec.actions[]",
            "spec.actions[0].kind",
            "a change adopts or enforces; write Adopt or Enforce",
            json!({"actions": [{"kind": "Report", "item": "web-1"}]}),
            json!({"actions": [{"kind": "Enforce", "item": "web-1"}]}),
        ),
        case(R, "spec.risk.score", "spec.risk.score", "a score has at most 100 points", json!({"risk": {"score": 101}}), json!({"risk": {"score": 100}})),
        case(R, "spec.schedule.start", "spec.schedule.start", NO_INSTANT, schedule("2026-11-29T02:00:00", to), schedule(from, to)),
        case(R, "spec.schedule.end", "spec.schedule.end", NO_INSTANT, schedule(from, "later"), schedule(from, to)),
    ]);
}

/// Holds the server to the cases; they must be cases of all rules of their kinds, and of no other.
#[track_caller]
fn check(cases: &[Case]) {
    let kinds: BTreeSet<Kind> = cases.iter().map(|case| case.kind).collect();
    let all: BTreeSet<(Kind, &str, String)> =
        rules::rules().into_iter().filter(|rule| kinds.contains(&rule.kind) && !rule.forbids).map(|rule| (rule.kind, rule.at, rule.message)).collect();
    let here: BTreeSet<(Kind, &str, String)> = cases.iter().map(|case| (case.kind, case.at, case.message.to_owned())).collect();
    assert_eq!(all, here, "every rule has a case");
    let Some(kube) = kube() else { return };
    let namespace = kube.namespace();
    for case in cases {
        let (status, answer) = try_out(&kube, &namespace, case.kind, &case.bad);
        let name = format!("{} {}: {}", case.kind, case.at, case.bad);
        assert_eq!(status, 422, "{name} is taken: {answer}");
        let complaints: Vec<(&str, &str)> =
            answer["details"]["causes"].as_array().into_iter().flatten().filter_map(|it| Some((it["field"].as_str()?, it["message"].as_str()?))).collect();
        assert_eq!(complaints.len(), 1, "{name}: {answer}");
        assert_eq!(complaints[0].0, case.field, "{name}");
        assert!(complaints[0].1.ends_with(case.message), "{name}: {}", complaints[0].1);
        let (status, answer) = try_out(&kube, &namespace, case.kind, &case.good);
        assert_eq!(status, 201, "{} {} is refused: {answer}", case.kind, case.good);
    }
}

/// What the server would say to this document. Nothing is kept.
fn try_out(kube: &Kube, namespace: &str, kind: Kind, spec: &Value) -> (u16, Value) {
    let plural = definitions::definition(kind).spec.names.plural;
    let path = format!("/apis/bowline.dev/v1alpha1/namespaces/{namespace}/{plural}?dryRun=All&fieldValidation=Strict");
    kube.api("POST", &path, Some(&document(kind, spec)))
}
