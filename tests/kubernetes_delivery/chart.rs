//! The chart makes what `manifests/` has, and refuses what it does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::files::{documents, find, kustomize, path, printed, read};
use crate::peers::kube::{Kube, helm};

/// Labels that say who made an object, and of what; kustomize and Helm put them on in their own ways.
const LABELS: [&str; 6] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
];

/// helm with these arguments over the chart; none: there is no helm here.
fn run(verb: &[&str], more: &[&str]) -> Option<Output> {
    Some(Command::new(helm()?).args(verb).arg(path("charts/bowline")).args(["--kube-version", "1.36.0"]).args(more).output().unwrap())
}

/// What `helm template` makes with these values.
fn template(values: &[&str]) -> Option<Vec<Value>> {
    let set = values.iter().flat_map(|value| ["--set", value]);
    let more: Vec<&str> = ["--namespace", "bowline-system", "--include-crds"].into_iter().chain(set).collect();
    Some(documents(&printed(&run(&["template", "bowline"], &more)?)))
}

/// Why these values are refused.
fn refused(values: &str) -> Option<String> {
    let output = run(&["template", "bowline"], &["--set", values])?;
    assert!(!output.status.success(), "{values} is not refused");
    Some(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The same without labels that say who made it.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, _)| !LABELS.contains(&name.as_str())).map(|(name, value)| (name.clone(), plain(value)));
            Value::Object(kept.filter(|(name, value)| name != "labels" || value != &json!({})).collect())
        }
        Value::Array(values) => values.iter().map(plain).collect(),
        // kustomize writes 0.0 as 0.
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        other => other.clone(),
    }
}

fn by_name(documents: &[Value]) -> BTreeMap<String, Value> {
    let name = |one: &Value| format!("{} {} {}", one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]).replace('"', "");
    documents.iter().map(|one| (name(one), plain(one))).collect()
}

#[test]
fn the_chart_makes_what_the_manifests_have() {
    let (Some(chart), Some(manifests)) = (template(&[]), kustomize(&path("manifests"))) else { return };
    let (chart, mut manifests) = (by_name(&chart), by_name(&documents(&manifests)));
    // Helm makes the release's namespace itself, with --create-namespace; NOTES.txt says how it gets its labels.
    assert!(manifests.remove("Namespace null bowline-system").is_some());
    assert_eq!(chart.keys().collect::<Vec<_>>(), manifests.keys().collect::<Vec<_>>());
    for (name, object) in &manifests {
        same(name, &chart[name], object);
    }
}

/// Equal, or both are shown.
#[track_caller]
fn same(name: &str, chart: &Value, manifests: &Value) {
    let shown = |value: &Value| serde_yaml::to_string(value).unwrap();
    assert!(chart == manifests, "{name}\n--- the chart:\n{}\n--- the manifests:\n{}", shown(chart), shown(manifests));
}

#[test]
fn the_component_for_prometheus_is_what_the_chart_makes_where_it_is_asked_for() {
    let Some(chart) = template(&["metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.interval=30s"]) else { return };
    let kustomization = &documents(&read("manifests/components/service-monitor/kustomization.yaml"))[0];
    assert_eq!((&kustomization["kind"], &kustomization["resources"]), (&json!("Component"), &json!(["service-monitor.yaml"])));
    let monitor = documents(&read("manifests/components/service-monitor/service-monitor.yaml"));
    same("the ServiceMonitor", &plain(find(&chart, "ServiceMonitor", "bowline")), &plain(&monitor[0]));
}

/// The one that manifests/README.md shows.
#[test]
fn a_kustomization_of_ones_own_takes_the_manifests_the_component_an_image_and_patches() {
    let readme = read("manifests/README.md");
    let shown = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("bowline")).unwrap();
    printed(&Command::new("cp").arg("-r").arg(path("manifests")).arg(place.path().join("bowline")).output().unwrap());
    std::fs::write(place.path().join("kustomization.yaml"), shown).unwrap();
    let Some(made) = kustomize(place.path()) else { return };
    let made = documents(&made);
    find(&made, "ServiceMonitor", "bowline");
    let container = &find(&made, "Deployment", "bowline")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/ops/bowline:0.1.0");
    let ports = &find(&made, "NetworkPolicy", "bowline")["spec"]["egress"][1]["ports"];
    assert_eq!(ports, &json!([{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}, {"port": 636, "protocol": "TCP"}]));
    assert!(!made.iter().any(|one| one["kind"] == "ClusterRoleBinding" && one["metadata"]["name"] == "bowline-credentials"));
}

#[test]
fn helm_finds_nothing_to_complain_of() {
    let Some(output) = run(&["lint", "--strict"], &[]) else { return };
    let said = printed(&output);
    assert!(!said.contains("[WARNING]") && !said.contains("[ERROR]"), "{said}");
}

#[test]
fn namespaces_take_rights_in_the_whole_cluster_away() {
    let Some(made) = template(&["namespaces={harbour,quay}"]) else { return };
    let names = |kind: &str| -> BTreeSet<String> {
        let of_kind = made.iter().filter(|one| one["kind"] == kind).map(|one| &one["metadata"]);
        of_kind.map(|metadata| format!("{}/{}", metadata["namespace"], metadata["name"]).replace('"', "")).collect()
    };
    assert_eq!(names("ClusterRoleBinding"), BTreeSet::new());
    let wanted = ["harbour/bowline", "harbour/bowline-credentials", "quay/bowline", "quay/bowline-credentials"];
    assert_eq!(names("RoleBinding"), wanted.map(String::from).into());
    let arguments = find(&made, "Deployment", "bowline")["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    assert!(arguments.contains("--namespace=harbour") && arguments.contains("--namespace=quay"), "{arguments}");
}

#[test]
fn credentials_can_be_confined_to_namespaces_or_granted_nowhere() {
    let Some(confined) = template(&["credentials.everywhere=false", "credentials.namespaces={harbour}"]) else { return };
    assert_eq!(find(&confined, "RoleBinding", "bowline-credentials")["metadata"]["namespace"], "harbour");
    let nowhere = template(&["credentials.everywhere=false"]).unwrap();
    for made in [confined, nowhere.clone()] {
        assert!(!made.iter().any(|one| one["kind"] == "ClusterRoleBinding" && one["metadata"]["name"] == "bowline-credentials"));
    }
    assert!(!nowhere.iter().any(|one| one["kind"] == "RoleBinding"));
}

#[test]
fn more_arguments_variables_and_volumes_go_where_they_belong() {
    let values = [
        "extraArgs={--files=/files,-v}",
        "extraEnv[0].name=OTEL_EXPORTER_OTLP_ENDPOINT",
        "extraEnv[0].value=http://otel:4318",
        "extraVolumes[0].name=files",
        "extraVolumes[0].configMap.name=files",
        "extraVolumeMounts[0].name=files",
        "extraVolumeMounts[0].mountPath=/files",
        "podLabels.team=platform",
        "podAnnotations.note=kept",
        "tolerations[0].operator=Exists",
    ];
    let Some(made) = template(&values) else { return };
    let template = &find(&made, "Deployment", "bowline")["spec"]["template"];
    let container = &template["spec"]["containers"][0];
    let arguments = container["args"].as_array().unwrap();
    assert_eq!(arguments[arguments.len() - 2..], [json!("--files=/files"), json!("-v")]);
    assert_eq!(container["env"][1], json!({"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://otel:4318"}));
    assert_eq!(container["volumeMounts"][2], json!({"name": "files", "mountPath": "/files"}));
    assert_eq!(template["spec"]["volumes"][2], json!({"name": "files", "configMap": {"name": "files"}}));
    assert_eq!((&template["metadata"]["labels"]["team"], &template["metadata"]["annotations"]["note"]), (&json!("platform"), &json!("kept")));
    assert_eq!(template["spec"]["tolerations"], json!([{"operator": "Exists"}]));
}

#[test]
fn without_the_policies_a_board_may_patch_nothing() {
    let Some(made) = template(&["admissionPolicies.enabled=false"]) else { return };
    assert!(!made.iter().any(|one| one["kind"] == "ValidatingAdmissionPolicy"));
    assert!(!find(&made, "ClusterRole", "change-board")["rules"].to_string().contains("\"patch\""));
}

#[test]
fn what_can_be_left_out_is_left_out() {
    let off = ["peopleRoles=false", "networkPolicy.enabled=false", "disruptionBudget.enabled=false", "serviceAccount.create=false", "discoveryRoles=false"];
    let Some(made) = template(&off) else { return };
    let kinds: BTreeSet<&str> = made.iter().filter_map(|one| one["kind"].as_str()).collect();
    for kind in ["NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"] {
        assert!(!kinds.contains(kind), "{kind}");
    }
    let roles: BTreeSet<&str> = made.iter().filter(|one| one["kind"] == "ClusterRole").filter_map(|one| one["metadata"]["name"].as_str()).collect();
    assert_eq!(roles, ["bowline", "bowline-credentials"].into());
}

#[test]
fn a_value_that_is_none_is_refused_with_its_name() {
    for (values, named) in [
        ("replicas=0", "replicas"),
        ("replica=3", "replica"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("image.digest=latest", "digest"),
        ("namespaces={Harbour}", "namespaces"),
        ("metrics.port=80", "port"),
        ("metrics.serviceMonitor.interval=often", "interval"),
        ("networkPolicy.egressPorts={https}", "egressPorts"),
        ("storage.state=much", "state"),
        ("admissionPolicies.writers={a\"b}", "writers"),
        ("serviceAccount.name=", "name"),
    ] {
        let Some(said) = refused(values) else { return };
        assert!(said.contains("values don't meet the specifications") && said.contains(named), "{values}: {said}");
    }
}

/// On a server of its own: what `manifests/` have made is not Helm's to take over.
#[test]
fn helm_installs_upgrades_and_removes_it() {
    let (Some(helm), Some(kube)) = (helm(), Kube::own()) else { return };
    let home = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&helm);
        command.args(arguments).arg("--kubeconfig").arg(kube.kubeconfig("admin")).args(["--namespace", "bowline-system"]).env("HOME", home.path());
        printed(&command.output().unwrap())
    };
    let chart = path("charts/bowline").display().to_string();
    let notes = run(&["install", "bowline", &chart, "--create-namespace"]);
    assert!(notes.contains("reconciles the Estates of all namespaces") && notes.contains("kubectl rollout status"), "{notes}");
    kube.kubectl(&["get", "deployment", "bowline", "-n", "bowline-system"]).ok();
    kube.kubectl(&["get", "crd", "estates.bowline.dev"]).ok();
    let notes = run(&["upgrade", "bowline", &chart, "--set", "namespaces={harbour},replicas=3", "--create-namespace", "--dry-run=server"]);
    assert!(notes.contains("reconciles the Estates of harbour"), "{notes}");
    run(&["upgrade", "bowline", &chart, "--set", "replicas=3"]);
    let replicas = kube.kubectl(&["get", "deployment", "bowline", "-n", "bowline-system", "-o", "jsonpath={.spec.replicas}"]).ok();
    assert_eq!(replicas, "3");
    run(&["uninstall", "bowline", "--wait=false"]);
    kube.kubectl(&["get", "clusterrole", "bowline"]).refused();
    // What people have applied outlives it.
    kube.kubectl(&["get", "crd", "estates.bowline.dev"]).ok();
}

/// A comment stands above it, or above the run of values of which it is one.
#[test]
fn every_value_is_documented() {
    let text = read("charts/bowline/values.yaml");
    let (mut commented, mut undocumented) = (false, Vec::new());
    for line in text.lines() {
        let bare = line.trim_start();
        let says_a_value = bare.contains(':') && !bare.ends_with(':') && !bare.starts_with(['-', '#']);
        if says_a_value && !commented {
            undocumented.push(line);
        }
        commented = bare.starts_with('#') || (commented && !bare.is_empty());
    }
    assert!(undocumented.is_empty(), "{undocumented:#?}");
}

#[test]
fn the_schema_knows_every_value_and_no_other() {
    let schema: Value = serde_json::from_str(&read("charts/bowline/values.schema.json")).unwrap();
    let mut found = Vec::new();
    only_in_one(&documents(&read("charts/bowline/values.yaml"))[0], &schema, "", &mut found);
    assert!(found.is_empty(), "in one and not in the other: {found:#?}");
}

/// Paths that are in the values and not in the schema, or the other way round. `global` is Helm's, and `claims` Kubernetes'.
fn only_in_one(values: &Value, schema: &Value, path: &str, found: &mut Vec<String>) {
    let (Some(values), Some(known)) = (values.as_object(), schema["properties"].as_object()) else { return };
    for (name, value) in values {
        match known.get(name) {
            Some(schema) => only_in_one(value, schema, &format!("{path}{name}."), found),
            None => found.push(format!("{path}{name}")),
        }
    }
    let unset = known.keys().filter(|name| !values.contains_key(*name) && !["global", "claims"].contains(&name.as_str()));
    found.extend(unset.map(|name| format!("{path}{name}")));
}

/// Helm packages no links, and kustomize reads nothing outside of its folder: hence copies.
#[test]
fn the_copies_of_the_definitions_are_those_of_crds() {
    let mut names: Vec<String> = std::fs::read_dir(path("crds")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let listed = names.iter().fold(String::new(), |listed, name| listed + "- " + name + "\n");
    let kustomization = format!(
        "# Bowline's kinds: copies of crds/, which a test holds to them, because a kustomization reads no file outside of its folder.\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n{listed}"
    );
    let copies = names.iter().map(|name| (name.as_str(), read(&format!("crds/{name}"))));
    let of_manifests: BTreeMap<&str, String> = copies.clone().chain([("kustomization.yaml", kustomization)]).collect();
    for (folder, wanted) in [("manifests/crds", of_manifests), ("charts/bowline/crds", copies.collect())] {
        if std::env::var_os("BOWLINE_UPDATE").is_some() {
            std::fs::remove_dir_all(path(folder)).ok();
            std::fs::create_dir_all(path(folder)).unwrap();
            for (name, text) in &wanted {
                std::fs::write(path(folder).join(name), text).unwrap();
            }
        }
        let found: BTreeSet<String> = std::fs::read_dir(path(folder)).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(found, wanted.keys().map(|name| (*name).to_owned()).collect(), "{folder}");
        for (name, text) in wanted {
            let same = read(&format!("{folder}/{name}")) == text;
            assert!(same, "{folder}/{name} is old; BOWLINE_UPDATE=1 cargo test --test kubernetes_delivery copies it anew");
        }
    }
}

#[test]
fn the_chart_the_manifests_and_the_image_say_the_version_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = &documents(&read("charts/bowline/Chart.yaml"))[0];
    assert_eq!((&chart["version"], &chart["appVersion"]), (&json!(version), &json!(version)));
    assert_eq!(documents(&read("manifests/kustomization.yaml"))[0]["images"][0]["newTag"], version);
    assert!(read("Dockerfile").contains(&format!("ARG VERSION={version}\n")));
}
