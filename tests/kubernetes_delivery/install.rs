//! Installing it: the API server takes everything, pods conform to the restricted standard, and the README's commands do what
//! they say.

use std::process::Command;

use serde_json::{Value, json};

use super::files::{documents, find, installed, kustomize, path, printed, read, text, within_a_minute};
use crate::peers::skip;

fn container(deployment: &Value) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][0]
}

fn deployment() -> Value {
    find(&documents(&read("manifests/deployment.yaml")), "Deployment", "bowline").clone()
}

/// The objects of a kind and name that the server has, or a failure.
#[test]
fn the_api_server_takes_all_of_the_manifests_and_has_them_as_they_are() {
    let Some(kube) = installed() else { return };
    let made = kustomize(&path("manifests")).unwrap();
    // Strict: a field that the API does not know is an error, not a warning.
    let again = kube.kubectl_with("admin", &["apply", "--server-side", "--validate=strict", "-f", "-"], &made).ok();
    assert_eq!(again.lines().count(), documents(&made).len(), "{again}");
}

/// As `kubectl apply -k` without `--server-side` does it, which keeps each object in an annotation of it.
#[test]
fn a_plain_apply_takes_them_too() {
    let Some(kube) = installed() else { return };
    kube.kubectl(&["apply", "--dry-run=server", "-k", &path("manifests").display().to_string()]).ok();
}

#[test]
fn the_pods_conform_to_the_restricted_standard_that_the_namespace_enforces() {
    let Some(kube) = installed() else { return };
    let template = &deployment()["spec"]["template"];
    let pod = |spec: &Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bowline-0", "namespace": "bowline-system"}, "spec": spec});
    let ask = |spec: &Value| kube.kubectl_with("admin", &["create", "--dry-run=server", "-f", "-"], &pod(spec).to_string());
    let said = ask(&template["spec"]);
    assert!(said.success && !said.stderr.contains("Warning"), "{}", said.stderr);
    let mut worse = template["spec"].clone();
    worse["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    assert!(ask(&worse).refused().contains("violates PodSecurity"), "the standard is enforced");
}

#[test]
fn the_root_is_read_only_and_what_must_be_written_has_a_place_and_a_bound() {
    let deployment = deployment();
    let container = container(&deployment);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
    assert!(volumes.iter().all(|volume| volume["emptyDir"]["sizeLimit"].is_string()), "{volumes:?}");
    let state = container["args"].as_array().unwrap().iter().find_map(|argument| argument.as_str()?.strip_prefix("--state=")).unwrap();
    let mounts: Vec<&str> = container["volumeMounts"].as_array().unwrap().iter().filter_map(|mount| mount["mountPath"].as_str()).collect();
    assert!(mounts.contains(&state) && mounts.contains(&"/tmp"), "{mounts:?}");
}

#[test]
fn a_replica_has_time_to_stop_and_is_watched_while_it_runs() {
    let deployment = deployment();
    let grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace > 10, "it stops within ten seconds, and is not killed before");
    let container = container(&deployment);
    for (probe, at) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!((&container[probe]["httpGet"]["path"], &container[probe]["httpGet"]["port"]), (&json!(at), &json!("metrics")), "{probe}");
    }
    let resources = &container["resources"];
    assert!(resources["requests"]["cpu"].is_string() && resources["requests"]["memory"].is_string() && resources["limits"]["memory"].is_string());
}

/// A policy, a budget and a Service that choose no pod do nothing, in silence.
#[test]
fn every_selector_chooses_the_pods() {
    let Some(made) = kustomize(&path("manifests")) else { return };
    let made = documents(&made);
    let labels = find(&made, "Deployment", "bowline")["spec"]["template"]["metadata"]["labels"].clone();
    let selectors = [
        &find(&made, "Deployment", "bowline")["spec"]["selector"]["matchLabels"],
        &find(&made, "PodDisruptionBudget", "bowline")["spec"]["selector"]["matchLabels"],
        &find(&made, "NetworkPolicy", "bowline")["spec"]["podSelector"]["matchLabels"],
        &find(&made, "Service", "bowline-metrics")["spec"]["selector"],
    ];
    for selector in selectors {
        let wanted = selector.as_object().unwrap();
        assert!(!wanted.is_empty() && wanted.iter().all(|(name, value)| labels[name] == *value), "{wanted:?} {labels}");
    }
    let monitor = documents(&read("manifests/components/service-monitor/service-monitor.yaml"));
    let wanted = monitor[0]["spec"]["selector"]["matchLabels"].as_object().unwrap();
    let service = find(&made, "Service", "bowline-metrics");
    assert!(wanted.iter().all(|(name, value)| service["metadata"]["labels"][name] == *value));
    assert_eq!(monitor[0]["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
}

/// An argument that the program does not know would end every pod at once.
#[test]
fn the_program_knows_the_arguments_of_the_deployment() {
    let bowline = env!("CARGO_BIN_EXE_bowline");
    let help = printed(&Command::new(bowline).args(["run", "--help"]).output().unwrap());
    if !help.contains("--kubernetes") {
        return skip("this program has no `run --kubernetes`");
    }
    let deployment = deployment();
    let arguments = container(&deployment)["args"].as_array().unwrap().iter().filter_map(Value::as_str);
    for argument in arguments.chain(["--namespace=harbour"]).filter(|argument| argument.starts_with("--")) {
        let flag = argument.split('=').next().unwrap();
        assert!(help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")), "{flag} is not in the help:\n{help}");
    }
}

#[test]
fn the_example_is_a_good_estate() {
    let place = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(path("examples/kubernetes")).unwrap().map(|file| file.unwrap().path()) {
        std::fs::copy(&file, place.path().join(file.file_name().unwrap())).unwrap();
    }
    printed(&Command::new(env!("CARGO_BIN_EXE_bowline")).arg("check").arg(place.path()).env("NO_COLOR", "1").output().unwrap());
}

/// It speaks of Bowline's own Deployment, and differs from it in the number of replicas alone.
#[test]
fn the_example_declares_what_the_manifests_run_but_for_one_replica() {
    let items = documents(&read("examples/kubernetes/items.yaml"));
    let item = find(&items, "ConfigurationItem", "bowline");
    let deployment = deployment();
    let source = &documents(&read("examples/kubernetes/source.yaml"))[0]["spec"]["kubernetes"];
    let path = format!("{}/Deployment/{}/{}", source["cluster"].as_str().unwrap(), "bowline-system", "bowline");
    assert_eq!(item["spec"]["identifiers"]["kubernetes/path"], path);
    assert_eq!(item["spec"]["attributes"]["memoryLimit"], container(&deployment)["resources"]["limits"]["memory"]);
    assert_eq!(item["spec"]["attributes"]["replicas"].as_u64(), deployment["spec"]["replicas"].as_u64().map(|count| count + 1));
}

/// The commands of the README's section that need no nodes, as they stand there; then what there is to get.
#[test]
fn the_commands_of_the_readme_make_what_it_shows() {
    let Some(kube) = installed() else { return };
    let readme = read("README.md");
    let (_, section) = readme.split_once("\n## Run it in Kubernetes\n").expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let block = |wanted: &str| {
        section.split("```").skip(1).step_by(2).find(|block| block.contains(wanted)).unwrap_or_else(|| panic!("no block with {wanted}")).to_owned()
    };
    let commands = block("kubectl apply -k manifests");
    let commands: Vec<&str> = commands.lines().skip(1).filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(commands.len(), 5, "five commands: {commands:#?}");
    let mut applied = 0;
    for command in &commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        if let ["kubectl", "apply", "-k", folder] = words.as_slice() {
            let folder = path(folder).display().to_string();
            within_a_minute(command, || kube.kubectl(&["apply", "-k", &folder]).success);
            applied += 1;
        }
    }
    assert_eq!(applied, 2);

    // What `kubectl get` shows: the same objects under the same columns. What stands in them, and change requests, are for
    // Bowline to say, which does not run here.
    let shown = block("$ kubectl get");
    let (command, table) = shown.trim_start_matches("text\n").split_once('\n').unwrap();
    let arguments: Vec<&str> = command.strip_prefix("$ kubectl ").unwrap().split_whitespace().collect();
    let printed = kube.kubectl(&arguments).ok();
    assert_eq!(rows(&printed), rows(table));
}

/// The columns of each table, and the names in it, without change requests.
fn rows(tables: &str) -> Vec<Vec<String>> {
    let table = |text: &str| {
        let columns = text.lines().next().unwrap_or_default().split("  ").map(str::trim).filter(|column| !column.is_empty());
        let names = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        columns.chain(names).map(str::to_owned).collect::<Vec<_>>()
    };
    tables.trim().split("\n\n").filter(|text| !text.contains("changerequest.bowline.dev/")).map(table).collect()
}

#[test]
fn the_example_is_taken_in_whole_by_the_api_server() {
    let Some(kube) = installed() else { return };
    let made = kustomize(&path("examples/kubernetes")).unwrap();
    let (namespaces, others): (Vec<Value>, Vec<Value>) = documents(&made).into_iter().partition(|one| one["kind"] == "Namespace");
    kube.apply(&text(&namespaces));
    kube.kubectl_with("admin", &["apply", "--server-side", "--validate=strict", "--dry-run=server", "-f", "-"], &text(&others)).ok();
}
