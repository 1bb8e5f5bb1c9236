//! What each kind of object means, over small documents.

use serde_json::{Value as Json, json};

use super::kinds::{self, kind};
use super::{certificate, links, map};
use crate::api::Value;
use crate::api::discovery_source::KubernetesResource as Resource;
use crate::discovery::{Observation, Target};

fn about(namespace: Option<&str>, name: &str) -> Json {
    let mut metadata = json!({"name": name, "uid": format!("uid-{name}"), "labels": {"app": name}});
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

fn found(resource: Resource, mut rest: Json, name: &str) -> links::Found {
    let kind = kind(resource);
    rest["metadata"] = about(kind.namespaced.then_some("shop"), name);
    map::map("prod", resource, &kind, &rest).unwrap()
}

fn observed(resource: Resource, rest: Json) -> Observation {
    links::resolve(vec![found(resource, rest, "it")]).remove(0)
}

fn attributes(item: &Observation) -> Json {
    Value::Map(item.attributes.clone()).to_json()
}

fn relations(items: &[Observation]) -> Vec<String> {
    let told = items.iter().flat_map(|item| item.relations.iter().map(move |relation| (item, relation)));
    let told = told.map(|(item, relation)| {
        let Target::Identifiers(to) = &relation.to else { panic!("by name") };
        format!("{} {} {}", item.name, relation.kind, to.get("kubernetes/path").unwrap())
    });
    told.filter(|text| !text.contains("MemberOf")).collect()
}

#[test]
fn an_object_is_known_by_its_uid_its_path_and_a_name_made_of_it() {
    let item = observed(Resource::Deployment, json!({}));
    assert_eq!((&*item.key, &*item.class, &*item.name), ("uid-it", "kubernetes-workload", "prod.deployment.shop.it"));
    assert_eq!(item.identifiers.get("kubernetes/uid").unwrap(), &"uid-it".into());
    assert_eq!(item.identifiers.get("kubernetes/path").unwrap(), &"prod/Deployment/shop/it".into());
    assert_eq!(item.labels.get("app").unwrap(), &"it".into());
    let Target::Identifiers(to) = &item.relations[0].to else { panic!() };
    assert_eq!((&*item.relations[0].kind, &**to.get("kubernetes/path").unwrap()), ("MemberOf", "prod/Namespace/shop"));
}

#[test]
fn an_object_without_uid_name_or_namespace_is_none() {
    let kind = kind(Resource::Service);
    for metadata in
        [json!({}), json!({"name": "a", "namespace": "b"}), json!({"name": "a", "uid": "c"}), json!({"name": "", "uid": "c", "namespace": "b"}), json!(7)]
    {
        assert_eq!(map::map("prod", Resource::Service, &kind, &json!({"metadata": metadata})), None);
    }
}

#[test]
fn malformed_parts_of_an_object_are_left_out_and_nothing_panics() {
    for resource in kinds::ALL.into_iter().filter(|resource| *resource != Resource::Cluster) {
        for part in [json!(null), json!(7), json!("x"), json!([[7]]), json!({"template": [], "rules": {"a": 1}, "ports": [7, "x"], "tls": [{}]})] {
            let item = observed(resource, json!({"spec": part, "status": part}));
            assert_eq!(&*item.key, "uid-it");
        }
    }
}

#[test]
fn a_node_is_a_machine_with_its_own_identifiers() {
    let item = observed(
        Resource::Node,
        json!({
            "spec": {"providerID": "aws:///eu-central-1a/i-0a", "unschedulable": true, "taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}, {"key": "x", "effect": "NoExecute"}]},
            "status": {
                "capacity": {"cpu": "4", "memory": "16Gi"},
                "nodeInfo": {"systemUUID": "4C4C4544-0051-4E10-8052-B9C04F4A4E32", "machineID": "f00d", "osImage": "Debian GNU/Linux 12 (bookworm)", "kernelVersion": "6.1.0-28", "kubeletVersion": "v1.34.2", "containerRuntimeVersion": "containerd://2.1.4", "architecture": "amd64"},
                "addresses": [{"type": "InternalIP", "address": "10.0.0.7"}, {"type": "Hostname", "address": "n1.example.com"}, {"type": "ExternalIP", "address": "192.0.2.7"}],
            },
        }),
    );
    assert_eq!(
        attributes(&item),
        json!({
            "cpus": "4", "memory": "16Gi", "architecture": "amd64", "os": {"name": "Debian GNU/Linux", "version": "12", "kernel": "6.1.0-28"},
            "kubelet": "1.34.2", "containerRuntime": "containerd://2.1.4", "taints": ["gpu=yes:NoSchedule", "x:NoExecute"], "schedulable": false,
            "ipAddresses": ["10.0.0.7", "192.0.2.7"], "hostName": "n1.example.com",
        })
    );
    for (name, value) in [
        ("bios/uuid", "4C4C4544-0051-4E10-8052-B9C04F4A4E32"),
        ("machine/id", "f00d"),
        ("kubernetes/provider-id", "aws:///eu-central-1a/i-0a"),
        ("dns/fqdn", "n1.example.com"),
        ("kubernetes/path", "prod/Node/it"),
    ] {
        assert_eq!(item.identifiers.get(name).map(|value| &**value), Some(value), "{name}");
    }
}

fn pod(rest: &Json) -> Json {
    let mut pod = json!({"containers": [
        {"image": "web:2", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}},
        {"image": "proxy:1", "resources": {"requests": {"cpu": 1}, "limits": {"memory": "128Mi", "cpu": "1"}}}],
        "initContainers": [{"image": "web:2"}]});
    pod.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    json!({"metadata": {"labels": {"app": "web"}}, "spec": pod})
}

#[test]
fn a_workload_says_its_images_and_what_its_containers_ask_for_together() {
    let item = observed(Resource::Deployment, json!({"spec": {"replicas": 3, "template": pod(&json!({}))}, "status": {"readyReplicas": 2}}));
    assert_eq!(
        attributes(&item),
        json!({"namespace": "shop", "kind": "Deployment", "replicas": 3, "readyReplicas": 2, "images": ["proxy:1", "web:2"], "cpuRequest": "1250m", "memoryRequest": "64Mi", "memoryLimit": "256Mi"})
    );
    let job = observed(Resource::CronJob, json!({"spec": {"schedule": "5 4 * * *", "suspend": false, "jobTemplate": {"spec": {"template": pod(&json!({}))}}}}));
    assert_eq!(job.attributes.get("images").unwrap().to_json(), json!(["proxy:1", "web:2"]));
    assert_eq!(job.attributes.get("schedule").unwrap().to_json(), json!("5 4 * * *"));
}

#[test]
fn services_and_routes_lead_to_workloads_and_certificates_and_volumes_to_who_uses_them() {
    let volumes = json!({"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}, {"secret": {"secretName": "web-tls"}}, {"secret": {"secretName": "other"}}, {"projected": {"sources": [{"secret": {"name": "web-tls"}}]}}]});
    let all = vec![
        found(Resource::Deployment, json!({"spec": {"template": pod(&volumes)}}), "web"),
        found(
            Resource::StatefulSet,
            json!({"spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "db"}}}, "volumeClaimTemplates": [{"metadata": {"name": "disk"}}]}}),
            "db",
        ),
        found(Resource::Service, json!({"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}], "type": "ClusterIP"}}), "front"),
        found(
            Resource::Ingress,
            json!({"spec": {"tls": [{"hosts": ["shop.example.com"], "secretName": "web-tls"}], "defaultBackend": {"service": {"name": "fallback"}}, "rules": [{"host": "shop.example.com", "http": {"paths": [{"backend": {"service": {"name": "front"}}}]}}]}}),
            "shop",
        ),
        found(
            Resource::Gateway,
            json!({"spec": {"listeners": [{"port": 443, "protocol": "HTTPS", "hostname": "*.example.com", "tls": {"certificateRefs": [{"name": "web-tls"}, {"kind": "Other", "name": "x"}]}}]}}),
            "gate",
        ),
        found(
            Resource::HttpRoute,
            json!({"spec": {"parentRefs": [{"name": "gate"}], "hostnames": ["a.example.com"], "rules": [{"backendRefs": [{"name": "front", "port": 80}, {"group": "x", "kind": "Bucket", "name": "y"}, {"name": "far", "namespace": "away"}]}]}}),
            "route",
        ),
        found(Resource::PersistentVolume, json!({"spec": {"capacity": {"storage": "10Gi"}, "claimRef": {"namespace": "shop", "name": "data"}}}), "pv-1"),
        found(Resource::PersistentVolume, json!({"spec": {"claimRef": {"namespace": "shop", "name": "disk-db-1"}}}), "pv-2"),
        found(Resource::TlsSecret, json!({}), "web-tls"),
    ];
    let items = links::resolve(all);
    assert_eq!(
        relations(&items),
        [
            "prod.httproute.shop.route DependsOn prod/Gateway/shop/gate",
            "prod.httproute.shop.route DependsOn prod/Service/away/far",
            "prod.httproute.shop.route DependsOn prod/Service/shop/front",
            "prod.ingress.shop.shop DependsOn prod/Service/shop/fallback",
            "prod.ingress.shop.shop DependsOn prod/Service/shop/front",
            "prod.persistentvolume.pv-1 UsedBy prod/Deployment/shop/web",
            "prod.persistentvolume.pv-2 UsedBy prod/StatefulSet/shop/db",
            "prod.secret.shop.web-tls UsedBy prod/Deployment/shop/web",
            "prod.secret.shop.web-tls UsedBy prod/Gateway/shop/gate",
            "prod.secret.shop.web-tls UsedBy prod/Ingress/shop/shop",
            "prod.service.shop.front DependsOn prod/Deployment/shop/web",
        ]
    );
}

#[test]
fn the_items_of_the_network_say_their_hosts_ports_and_addresses() {
    let service = observed(
        Resource::Service,
        json!({"spec": {"type": "LoadBalancer", "clusterIPs": ["10.0.0.9", "None"], "selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080, "nodePort": 30000}]}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"hostname": "lb.example.com"}]}}}),
    );
    assert_eq!(
        attributes(&service),
        json!({"namespace": "shop", "type": "LoadBalancer", "clusterIps": ["10.0.0.9"], "addresses": ["192.0.2.1", "lb.example.com"], "selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}]})
    );
    let ingress = observed(
        Resource::Ingress,
        json!({"spec": {"ingressClassName": "nginx", "tls": [{"hosts": ["b"]}], "rules": [{"host": "b"}, {"host": "a"}, {"host": "b"}]}}),
    );
    assert_eq!(attributes(&ingress), json!({"namespace": "shop", "ingressClass": "nginx", "hosts": ["a", "b"], "tlsHosts": ["b"]}));
}

#[test]
fn a_volume_says_its_size_and_whose_claim_it_is() {
    let volume = observed(
        Resource::PersistentVolume,
        json!({"spec": {"capacity": {"storage": "10Gi"}, "storageClassName": "fast", "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain", "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}, "claimRef": {"namespace": "shop", "name": "data"}}, "status": {"phase": "Bound"}}),
    );
    assert_eq!(
        attributes(&volume),
        json!({"capacity": "10Gi", "storageClass": "fast", "accessModes": ["ReadWriteOnce"], "reclaimPolicy": "Retain", "driver": "ebs.csi.aws.com", "claim": "shop/data", "phase": "Bound"})
    );
    assert_eq!(volume.identifiers.get("csi/volume").unwrap(), &"ebs.csi.aws.com/vol-1".into());
}

#[test]
fn of_a_tls_secret_only_the_certificate_is_read() {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let made = rcgen::generate_simple_self_signed(vec!["shop.example.com".to_owned()]).unwrap();
    let secret = json!({"type": "kubernetes.io/tls", "data": {"tls.crt": encode(&made.cert.pem()), "tls.key": encode(&made.signing_key.serialize_pem())}});
    let pem = certificate::pem(secret.to_string().as_bytes()).unwrap().unwrap();
    assert_eq!(String::from_utf8(pem.clone()).unwrap(), made.cert.pem());
    let item = certificate::complete(&found(Resource::TlsSecret, json!({}), "it"), &pem).unwrap().unwrap().observation;
    assert_eq!((&*item.class, &*item.name), ("certificate", "prod.secret.shop.it"));
    assert_eq!(item.attributes.get("dnsNames").unwrap().to_json(), json!(["shop.example.com"]));
    assert!(item.identifiers.contains("x509/sha256") && item.identifiers.contains("kubernetes/path"));
}

#[test]
fn a_secret_of_another_type_or_without_a_certificate_is_none_and_a_broken_one_is_told_without_its_content() {
    let pem = |json: Json| certificate::pem(json.to_string().as_bytes());
    assert_eq!(pem(json!({"type": "Opaque", "data": {"tls.crt": "Y2FuYXJ5"}})), Ok(None));
    for empty in [
        json!({"type": "kubernetes.io/tls"}),
        json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}),
        json!({"type": "kubernetes.io/tls", "data": {"tls.key": "Y2FuYXJ5"}}),
    ] {
        let pem = pem(empty).unwrap().unwrap();
        assert_eq!(certificate::complete(&found(Resource::TlsSecret, json!({}), "it"), &pem), Ok(None));
    }
    for broken in
        [json!("canary"), json!({"type": "kubernetes.io/tls", "data": {"tls.crt": "canary!"}}), json!({"type": "kubernetes.io/tls", "data": "canary"})]
    {
        assert!(!pem(broken).unwrap_err().contains("canary"));
    }
    let error = certificate::complete(&found(Resource::TlsSecret, json!({}), "it"), b"canary").unwrap_err();
    assert!(!error.contains("canary"), "{error}");
}

#[test]
fn a_cluster_is_known_by_its_uid_and_name() {
    let item = map::cluster("prod", "uid-0", Some("v1.34.2"), "https://10.0.0.1:6443", Some(3)).observation;
    assert_eq!((&*item.class, &*item.name), ("kubernetes-cluster", "prod"));
    assert_eq!(attributes(&item), json!({"version": "1.34.2", "server": "https://10.0.0.1:6443", "nodes": 3}));
    assert_eq!(item.identifiers.get("kubernetes/path").unwrap(), &"prod".into());
}
