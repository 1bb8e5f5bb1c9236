//! What each role may do on the API server: exactly what is meant, and nothing more.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{ACCOUNT, DECLARED, installed};
use crate::peers::kube::Kube;

/// Verbs by resource: `RESOURCE.GROUP`, with the names of objects behind it where only these are meant.
type Rights = BTreeMap<String, BTreeSet<String>>;

fn add(rights: &mut Rights, resources: &[&str], verbs: &[&str]) {
    for resource in resources {
        rights.entry((*resource).to_owned()).or_default().extend(verbs.iter().map(|verb| (*verb).to_owned()));
    }
}

/// What `kubectl auth can-i --list` says in a namespace, without what anybody may ask about oneself and about the server.
fn listed(kube: &Kube, namespace: &str, who: &[&str]) -> Rights {
    let arguments = [&["auth", "can-i", "--list", "--no-headers", "--namespace", namespace], who].concat();
    let mut rights = Rights::new();
    for line in kube.kubectl(&arguments).ok().lines() {
        let (resource, rest) = line.split_once('[').unwrap_or((line, ""));
        let columns: Vec<&str> = rest.split('[').map(|column| column.trim().trim_end_matches(']')).collect();
        let [_, names, verbs] = columns.as_slice() else { panic!("{line}") };
        let resource = resource.trim();
        if resource.is_empty() || resource.starts_with("selfsubject") {
            continue;
        }
        let resource = if names.is_empty() { resource.to_owned() } else { format!("{resource} {names}") };
        rights.entry(resource).or_default().extend(verbs.split(' ').map(str::to_owned));
    }
    rights
}

fn of_bowline(kinds: &[&str]) -> Vec<String> {
    kinds.iter().map(|kind| format!("{kind}.bowline.dev")).collect()
}

fn names(owned: &[String]) -> Vec<&str> {
    owned.iter().map(String::as_str).collect()
}

/// The rights of someone who reads everything of Bowline.
fn reading(verbs: &[&str]) -> Rights {
    let mut rights = Rights::new();
    add(&mut rights, &names(&of_bowline(&[&DECLARED[..], &["changerequests"]].concat())), verbs);
    rights
}

/// Binds a role to a user of the tokens file in a namespace of its own.
fn bound(kube: &Kube, role: &str, user: &str) -> String {
    let namespace = kube.namespace();
    kube.kubectl(&["create", "rolebinding", role, "-n", &namespace, &format!("--clusterrole={role}"), &format!("--user={user}")]).ok();
    namespace
}

#[test]
fn bowline_may_do_what_it_does_and_nothing_more() {
    let Some(kube) = installed() else { return };
    let mut wanted = reading(&["list", "watch"]);
    let kinds = [&DECLARED[..], &["changerequests"]].concat();
    let statuses: Vec<String> = kinds.iter().map(|kind| format!("{kind}.bowline.dev/status")).collect();
    add(&mut wanted, &names(&statuses), &["patch"]);
    add(&mut wanted, &["changerequests.bowline.dev"], &["create", "patch", "delete"]);
    add(&mut wanted, &["events.events.k8s.io"], &["create", "patch"]);
    add(&mut wanted, &["leases.coordination.k8s.io"], &["get", "create", "update"]);
    add(&mut wanted, &["secrets"], &["get"]);
    assert_eq!(listed(&kube, &kube.namespace(), &["--as", ACCOUNT]), wanted);
}

/// The same asked one by one, of what would hurt most.
#[test]
fn bowline_may_not_touch_what_people_declare_list_secrets_or_run_anything() {
    let Some(kube) = installed() else { return };
    let specs = DECLARED.iter().flat_map(|kind| ["create", "update", "patch", "delete", "deletecollection"].map(|verb| (verb, format!("{kind}.bowline.dev"))));
    let others = [
        ("list", "secrets"),
        ("watch", "secrets"),
        ("create", "secrets"),
        ("update", "secrets"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("create", "serviceaccounts/token"),
        ("get", "configmaps"),
        ("update", "changerequests.bowline.dev"),
        ("delete", "leases.coordination.k8s.io"),
        ("list", "leases.coordination.k8s.io"),
        ("create", "clusterrolebindings.rbac.authorization.k8s.io"),
        ("bind", "clusterroles.rbac.authorization.k8s.io"),
        ("impersonate", "users"),
        ("patch", "customresourcedefinitions.apiextensions.k8s.io"),
        ("update", "validatingadmissionpolicies.admissionregistration.k8s.io"),
        ("*", "*.*"),
    ];
    let others = others.map(|(verb, resource)| (verb, resource.to_owned()));
    for (verb, resource) in specs.chain(others) {
        let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let question = serde_json::json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {"user": ACCOUNT,
            "groups": ["system:serviceaccounts", "system:serviceaccounts:bowline-system", "system:authenticated"],
            "resourceAttributes": {"verb": verb, "resource": resource, "group": group, "subresource": subresource}}});
        let (status, answer) = kube.api("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", Some(&question));
        assert_eq!((status, &answer["status"]["allowed"]), (201, &false.into()), "{verb} {resource}.{group}/{subresource}");
    }
}

/// It is for accounts of estates, and nobody's until it is bound.
#[test]
fn a_source_that_reads_a_cluster_lists_what_it_shows_and_nothing_else() {
    let Some(kube) = installed() else { return };
    kube.kubectl(&["create", "clusterrolebinding", "discovery", "--clusterrole=bowline-discovery", "--user=discovery"]).ok();
    let mut wanted = Rights::new();
    let core = ["nodes", "namespaces", "services", "persistentvolumes"];
    let more = ["deployments.apps", "statefulsets.apps", "daemonsets.apps", "cronjobs.batch", "ingresses.networking.k8s.io"];
    add(&mut wanted, &[&core[..], &more].concat(), &["list", "watch"]);
    add(
        &mut wanted,
        &["gateways", "httproutes", "grpcroutes", "tlsroutes"].map(|kind| format!("{kind}.gateway.networking.k8s.io")).each_ref().map(String::as_str),
        &["list", "watch"],
    );
    add(&mut wanted, &["namespaces kube-system"], &["get"]);
    assert_eq!(listed(&kube, &kube.namespace(), &["--as", "discovery"]), wanted);
}

#[test]
fn certificates_of_secrets_are_a_right_of_their_own() {
    let Some(kube) = installed() else { return };
    let namespace = bound(&kube, "bowline-discovery-certificates", "bowline");
    let mut wanted = Rights::new();
    add(&mut wanted, &["secrets"], &["get", "list", "watch"]);
    assert_eq!(listed(&kube, &namespace, &["--as", "bowline"]), wanted);
}

#[test]
fn a_board_reads_everything_of_bowline_and_patches_estates() {
    let Some(kube) = installed() else { return };
    let namespace = bound(&kube, "change-board", "board");
    let mut wanted = reading(&["get", "list", "watch"]);
    add(&mut wanted, &["estates.bowline.dev"], &["patch"]);
    add(&mut wanted, &["events", "events.events.k8s.io"], &["get", "list", "watch"]);
    assert_eq!(listed(&kube, &namespace, &["--as", "board"]), wanted);
}

#[test]
fn an_author_writes_what_is_declared_and_reads_what_is_reported() {
    let Some(kube) = installed() else { return };
    let namespace = bound(&kube, "estate-author", "author");
    let mut wanted = reading(&["get", "list", "watch"]);
    add(&mut wanted, &names(&of_bowline(&DECLARED)), &["create", "update", "patch", "delete", "deletecollection"]);
    assert_eq!(listed(&kube, &namespace, &["--as", "author"]), wanted);
}

#[test]
fn a_reader_reads() {
    let Some(kube) = installed() else { return };
    let namespace = bound(&kube, "estate-reader", "other");
    assert_eq!(listed(&kube, &namespace, &["--as", "other"]), reading(&["get", "list", "watch"]));
}

/// No controller adds them up here, so what is held is what it goes by: that the cluster's own roles take them in.
#[test]
fn authors_are_part_of_edit_and_readers_of_view() {
    let Some(kube) = installed() else { return };
    for (role, into) in [("estate-author", "edit"), ("estate-reader", "view")] {
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{into}");
        let role = kube.api("GET", &format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}"), None).1;
        assert_eq!(role["metadata"]["labels"][&label], "true");
        let taken = kube.api("GET", &format!("/apis/rbac.authorization.k8s.io/v1/clusterroles/{into}"), None).1;
        let selectors = taken["aggregationRule"]["clusterRoleSelectors"].as_array().unwrap().clone();
        assert!(selectors.iter().any(|selector| selector["matchLabels"][&label] == "true"), "{selectors:?}");
    }
    let board = kube.api("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles/change-board", None).1;
    assert!(!board["metadata"]["labels"].to_string().contains("aggregate-to"), "a board is appointed, not implied");
}
