//! The verb, as its user meets it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::arbitrary;
use crate::support::{AT, Place, Ran, everything};
use crate::world::{self, Plan, found, uuid};

const SMALL: Plan = Plan { machines: 120, disputed: 50, shared: 40, cloned: 60 };

fn import(place: &Place, more: &[&str]) -> Value {
    place.bowline(&[&["import", ".", "--at", AT, "--into", "items", "--output", "json"], more].concat()).ends_with(0).json()
}

/// What the command says as JSON, and the processor's time that it took, in seconds: other work on the machine does not count.
fn timed(place: &Place, arguments: &[&str]) -> (Value, f64) {
    let command = place.command(arguments);
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", "TIMEFORMAT=%U; time \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(place.estate());
    let ran = Ran::from(shell.output().unwrap()).ends_with(0);
    let took = ran.stderr.lines().last().unwrap().replace(',', ".").parse().unwrap();
    (ran.json(), took)
}

fn plan(place: &Place) -> Value {
    place.bowline(&["plan", ".", "--at", AT, "--output", "json"]).ends_with(0).json()
}

/// The documents in the folder of items, by name.
fn items(place: &Place) -> BTreeMap<String, Value> {
    let mut items = BTreeMap::new();
    for (path, content) in everything(&place.estate().join("items")) {
        if path.extension().is_some_and(|ending| ending == "yaml") {
            for document in serde_yaml::Deserializer::from_slice(&content) {
                let document: Value = serde::Deserialize::deserialize(document).unwrap();
                if !document.is_null() {
                    items.insert(document["metadata"]["name"].as_str().unwrap().to_owned(), document);
                }
            }
        }
    }
    items
}

/// The one with this instance's id.
fn machine(items: &BTreeMap<String, Value>, number: usize) -> Value {
    items.values().find(|item| item["spec"]["identifiers"]["vsphere/instance-uuid"] == uuid(number)).unwrap_or_else(|| panic!("machine {number}")).clone()
}

fn left_out(told: &Value, reason: &str) -> BTreeSet<String> {
    let left = told["report"]["leftOut"].as_array().unwrap().iter().filter(|left| left["reason"] == reason);
    left.map(|left| left["name"].as_str().unwrap().to_owned()).collect()
}

fn without<'a>(told: &'a Value, reason: &str) -> Vec<&'a Value> {
    told["report"]["without"].as_array().unwrap().iter().filter(|without| without["reason"] == reason).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn what_is_found_becomes_an_estate_of_which_the_first_plan_shows_only_what_is_disputed() {
    let place = found(&SMALL);
    let told = import(&place, &[]);
    place.bowline(&["check", ".", "--strict"]).ends_with(0);
    let plan = plan(&place);
    assert_eq!(plan["summary"]["findings"], json!({"Duplicate": 2, "Undeclared": 1}), "{:#}", plan["findings"]);
    assert_eq!(plan["changes"], json!([]));
    assert_eq!(left_out(&told, "Duplicate"), set(&["VM-00063", "null"]), "one source lists two machines twice");
    assert_eq!(left_out(&told, "NotIdentified"), set(&["lost-and-found"]));
    // 120 machines but the two that are listed twice, 6 hosts, 3 clusters; a source that may not insert brings up nothing.
    assert_eq!(told["report"]["classes"], json!({"virtual-machine": 118, "hypervisor": 6, "cluster": 3}));
    assert_eq!(told["report"]["items"], 127);
}

#[test]
fn only_what_people_declare_is_written_and_nothing_secret_or_volatile() {
    let place = found(&SMALL);
    let told = import(&place, &[]);
    let items = items(&place);
    let one = machine(&items, 30);
    assert_eq!(
        one,
        json!({
            "apiVersion": "bowline.dev/v1alpha1", "kind": "ConfigurationItem",
            "metadata": {"name": "vm-00030", "labels": {"env": "prod"}},
            "spec": {
                "class": "virtual-machine", "owner": "Team 0",
                "identifiers": {"vsphere/instance-uuid": uuid(30), "dns/fqdn": "vm-00030.example.com", "netbox/virtual-machine": "130", "serial/number": "VM42000030", "veeam/client": "B30"},
                "attributes": {"cpus": "7", "memory": "15360Mi", "powerState": "poweredOn", "ipAddresses": ["10.0.0.30"], "description": "vm-00030",
                    "os": {"name": "debian", "version": "12"}, "timeZone": "Europe/Zurich"},
                "relations": [{"type": "PartOf", "to": "cluster-0"}, {"type": "RunsOn", "to": "esx-0.example.com"}]
            }
        }),
        "several sources, one item; the best, and of equal ones the first by name, says how a value is written"
    );
    let all = everything(&place.estate().join("items")).into_values().map(|text| String::from_utf8(text).unwrap()).collect::<String>();
    for absent in ["canary-secret", "uptime", "lastSeen", "freeMemory", "vendorSpecial", "bad label", "serial: CZ"] {
        assert!(!all.contains(absent), "{absent}");
    }
    assert!(!told.to_string().contains("canary-secret"));
    assert_eq!(told["report"]["unknownAttributes"], json!({"vendorSpecial": 118}));
    assert_eq!(told["report"]["unnamedRelations"], json!({"UsedBy": 118}), "what nobody knows has no name");

    let more = found(&SMALL);
    import(&more, &["--attribute", "vendor*"]);
    assert_eq!(machine(&self::items(&more), 30)["spec"]["attributes"]["vendorSpecial"], 30, "unless it is asked for");
}

#[test]
fn an_attribute_that_people_declare_of_such_items_is_imported_too() {
    let place = found(&SMALL);
    place.write("own.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: mine}\nspec: {class: server, identifiers: {serial/number: ABC12345}, attributes: {vendorSpecial: 1}}\n");
    import(&place, &[]);
    assert_eq!(machine(&items(&place), 30)["spec"]["attributes"]["vendorSpecial"], 30, "a virtual machine is a server");
}

#[test]
fn what_sources_dispute_or_several_items_share_is_left_out_and_told() {
    let place = found(&SMALL);
    let told = import(&place, &[]);
    let items = items(&place);
    let disputed = without(&told, "Disputed");
    assert_eq!(
        disputed.iter().map(|one| (one["item"].as_str().unwrap(), one["path"].as_str().unwrap())).collect::<Vec<_>>(),
        [("1e3", "attributes.memory"), ("vm-00051", "attributes.memory"), ("vm-00101", "attributes.memory")]
    );
    assert_eq!(disputed[1]["said"], json!({"netbox": "4096000Mi", "vcenter": "4096Mi"}));
    for number in [1, 51, 101] {
        assert!(machine(&items, number)["spec"]["attributes"]["memory"].is_null());
    }
    let shared: BTreeSet<&str> = without(&told, "Shared").iter().map(|one| one["item"].as_str().unwrap()).collect();
    assert_eq!(shared.len(), 6, "{shared:?}");
    for number in [1, 2, 41, 42, 81, 82] {
        assert!(machine(&items, number)["spec"]["identifiers"]["serial/number"].is_null(), "{number}");
    }
}

#[test]
fn any_name_becomes_one_that_an_object_may_have_and_any_text_is_read_again_as_it_was() {
    let place = found(&SMALL);
    import(&place, &[]);
    let items = items(&place);
    for name in items.keys() {
        let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
        assert!(name.len() <= 63 && name.split('.').all(label), "{name}");
        assert!(name.chars().all(|mark| mark.is_ascii_lowercase() || mark.is_ascii_digit() || "-.".contains(mark)), "{name}");
    }
    for (number, odd) in arbitrary::ODD.iter().enumerate().filter(|(number, _)| *number != 3) {
        let item = machine(&items, number);
        assert_eq!(item["spec"]["attributes"]["description"], *odd);
        let name = item["metadata"]["name"].as_str().unwrap();
        let wanted = match *odd {
            "no" => "no",
            "1e3" => "1e3",
            "Zürich/Süd #1" => "zurich-sud-1",
            "🦀" => "crab",
            "../../etc/passwd" => "etc-passwd",
            "{{ name }}" => "name",
            // Two names that are spelled alike are told apart by what identifies the machines.
            _ => name,
        };
        assert_eq!(name, wanted, "{odd}");
    }
    let long = machine(&items, 99);
    assert!(long["metadata"]["name"].as_str().unwrap().starts_with("long-long-"));
    assert_eq!(long["spec"]["attributes"]["description"], "long-".repeat(60));
    // What `check` and the plan read is what YAML's other readers read.
    let read = place.bowline(&["plan", ".", "--at", AT, "--output", "json"]).ends_with(0).json();
    assert_eq!(read["summary"]["declared"], items.len());
}

#[test]
fn a_second_run_changes_nothing() {
    let place = found(&SMALL);
    import(&place, &[]);
    let before = everything(&place.estate());
    let told = import(&place, &[]);
    assert_eq!(told["files"], json!([]));
    assert_eq!(told["report"]["items"], 0);
    assert_eq!(everything(&place.estate()), before);
    let words = place.bowline(&["import", ".", "--at", AT, "--into", "items"]).ends_with(0).stdout;
    assert!(words.starts_with("Nothing is written"), "{words}");
}

#[test]
fn what_is_new_goes_into_new_files_and_no_file_that_exists_is_touched() {
    let place = found(&SMALL);
    import(&place, &[]);
    // A person edits one of them, and puts a file where the next would be.
    let path = place.estate().join("items/team-1/cluster-2/virtual-machine.yaml");
    let edited = std::fs::read_to_string(&path).unwrap().replace("powerState: poweredOn", "powerState: poweredOn   # agreed");
    std::fs::write(&path, edited).unwrap();
    place.write("items/team-1/cluster-2/virtual-machine-2.yaml", "# mine, and no document\n");
    let before = everything(&place.estate().join("items"));

    world::write(&place, &Plan { machines: 125, ..SMALL });
    let told = import(&place, &[]);
    assert_eq!(told["report"]["items"], 4, "one of the five is listed twice");
    let after = everything(&place.estate().join("items"));
    for (path, content) in &before {
        assert!(after.get(path) == Some(content), "{}", path.display());
    }
    let new: Vec<&str> = told["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(after.len(), before.len() + new.len());
    assert!(new.iter().all(|path| path.ends_with("virtual-machine-2.yaml") || path.ends_with("virtual-machine-3.yaml")), "{new:?}");
    place.bowline(&["check", ".", "--strict"]).ends_with(0);
    assert_eq!(plan(&place)["summary"]["findings"], json!({"Duplicate": 3, "Undeclared": 1}));
}

#[test]
fn items_stand_in_files_by_owner_cluster_and_class() {
    let place = found(&SMALL);
    let told = import(&place, &[]);
    let paths: Vec<&str> = told["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(
        paths.contains(&"cluster.yaml") && paths.contains(&"cluster-1/hypervisor.yaml") && paths.contains(&"team-4/cluster-0/virtual-machine.yaml"),
        "{paths:?}"
    );
    assert!(paths.is_sorted());
    let text = place.read("items/cluster.yaml");
    assert!(text.starts_with("# What `bowline import` found."), "{text}");
    assert_eq!(text.matches("\n---\napiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\n").count(), 3);
}

#[test]
fn a_choice_is_made_by_source_class_and_selector_and_a_bad_one_is_told() {
    let place = found(&SMALL);
    let count = |more: &[&str]| {
        let told = place.bowline(&[&["import", ".", "--at", AT, "--output", "json"], more].concat()).ends_with(0).json();
        told["report"]["items"].as_u64().unwrap()
    };
    assert_eq!(count(&["--class", "cluster"]), 3);
    assert_eq!(count(&["--class", "server"]), 124, "of classes that extend it too");
    assert_eq!(count(&["--source", "netbox"]), 108 - 2);
    assert_eq!(count(&["--select", "{classes: [virtual-machine], labels: {env: [prod]}}"]), 40 - 2);
    assert_eq!(count(&["--select", "{\"items\": [\"vm-0003*\"]}"]), 10);
    assert_eq!(count(&["--select", "{owners: ['Team 2'], dnsNames: ['*.example.com']}"]), 20);

    let refused = |more: &[&str], told: &str| {
        let failed: Ran = place.bowline(&[&["import", "."], more].concat()).ends_with(1);
        assert!(failed.stderr.contains(told), "{more:?}: {}", failed.stderr);
        assert_eq!(failed.stdout, "");
    };
    refused(&["--select", "class=virtual-machine"], "this is no selector");
    refused(&["--select", "{clases: [server]}"], "clases");
    refused(&["--select", "{}"], "an empty selector matches nothing");
    refused(&["--select", "{services: [payments]}"], "part of no service");
    refused(&["--select", "{classes: [virtual-machin]}"], "did you mean `virtual-machine`?");
    refused(&["--class", "virtual-machin"], "did you mean `virtual-machine`?");
    refused(&["--source", "vcentre"], "nearest: vcenter");
    refused(&["--into", ".hidden"], "no estate reads the folder");
    assert!(!place.estate().join("items").join("cluster.yaml").exists(), "nothing is written where no folder is named");
}

#[test]
fn what_is_imported_alone_names_what_is_declared_or_imported_with_it() {
    let place = found(&SMALL);
    import(&place, &["--class", "hypervisor"]);
    let hosts = items(&place);
    assert!(hosts.values().all(|host| host["spec"]["relations"].is_null()), "the clusters are not declared yet");
    place.bowline(&["check", ".", "--strict"]).ends_with(0);
    import(&place, &["--class", "virtual-machine"]);
    let machine = machine(&items(&place), 30);
    assert_eq!(machine["spec"]["relations"], json!([{"type": "RunsOn", "to": "esx-0.example.com"}]), "a host that was declared by the import before");
    place.bowline(&["check", ".", "--strict"]).ends_with(0);
}

#[test]
fn an_item_that_is_declared_keeps_its_name_and_a_stranger_of_the_name_gets_another() {
    let place = found(&SMALL);
    let own = "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: vm-00030}\nspec: {class: virtual-machine, identifiers: {vsphere/instance-uuid: 11111111-7b1e-4c2f-9f6e-0d6c1b7f2a11}}\n";
    place.write("items/own.yaml", own);
    let told = import(&place, &[]);
    assert_eq!(told["report"]["namesakes"], json!(["VM-00030"]));
    let name = machine(&items(&place), 30)["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name.starts_with("vm-00030-") && name.len() == "vm-00030-".len() + 6, "{name}");
    assert_eq!(place.read("items/own.yaml"), own);
    // The same name, whatever else is imported with it.
    let alone = found(&SMALL);
    alone.write("items/own.yaml", own);
    import(&alone, &["--select", "{items: [vm-00030]}"]);
    assert!(items(&alone).contains_key(&name));
}

#[test]
fn documents_are_printed_where_no_folder_is_named() {
    let place = found(&Plan { machines: 3, ..SMALL });
    let printed = place.bowline(&["import", ".", "--at", AT, "--class", "cluster"]).ends_with(0);
    assert_eq!(printed.stdout.matches("kind: ConfigurationItem\n").count(), 3);
    assert!(printed.stderr.contains("3 items found and not declared"), "{}", printed.stderr);
    let json = place.bowline(&["import", ".", "--at", AT, "--class", "cluster", "--output", "json"]).ends_with(0).json();
    assert_eq!(json["files"][0]["documents"], printed.stdout);
    assert_eq!((&json["kind"], &json["files"][0]["items"]), (&json!("Import"), &json!(["cluster-0", "cluster-1", "cluster-2"])));
}

/// The quick way of a new user, and what is read.
#[test]
fn what_was_written_and_what_was_not_is_told() {
    let place = found(&SMALL);
    insta::assert_snapshot!(place.bowline(&["import", "--at", AT, "--into", "items"]).ends_with(0).stdout);
}

#[test]
fn the_same_is_told_as_markdown() {
    let place = found(&Plan { machines: 3, ..SMALL });
    insta::assert_snapshot!(place.bowline(&["import", "--at", AT, "--into", "items", "--output", "markdown"]).ends_with(0).stdout);
}

/// An estate that is read from a repository does not have what was not committed yet.
#[test]
fn what_stands_in_the_folder_is_not_written_again_though_the_estate_is_read_elsewhere() {
    let place = found(&SMALL);
    place.commit_all("The estate");
    let url = format!("file://{}", place.estate().display());
    let arguments = ["import", &url, "--at", AT, "--into", "../elsewhere/items", "--output", "json"];
    assert_eq!(place.bowline(&arguments).ends_with(0).json()["report"]["items"], 127);
    assert_eq!(place.bowline(&arguments).ends_with(0).json()["report"]["items"], 0);
}

#[test]
fn an_item_that_its_class_refuses_loses_what_is_refused_or_is_left_out() {
    let place = found(&Plan { machines: 3, ..SMALL });
    place.write(
        "class.yaml",
        "apiVersion: bowline.dev/v1alpha1\nkind: CIClass\nmetadata: {name: cluster}\nspec:\n  extends: configuration-item\n  attributes: {type: object, properties: {highAvailability: {type: string}}}\n  identification: [{identifiers: [vsphere/cluster]}]\n---\n\
         apiVersion: bowline.dev/v1alpha1\nkind: CIClass\nmetadata: {name: hypervisor}\nspec:\n  extends: server\n  attributes: {type: object, required: [rack]}\n  identification: [{identifiers: [vsphere/host]}]\n",
    );
    let told = import(&place, &[]);
    assert_eq!(without(&told, "BreaksClass").len(), 3, "{told:#}");
    assert_eq!(left_out(&told, "BreaksClass").len(), 3, "a host needs its rack, and no source knows it");
    place.bowline(&["check", ".", "--strict"]).ends_with(0);
}

#[test]
fn five_thousand_items_are_imported_in_files_that_people_can_read() {
    let place = found(&Plan { machines: 5000, disputed: 1000, shared: 1000, cloned: 1000 });
    let (told, took) = timed(&place, &["import", ".", "--at", AT, "--into", "items", "--output", "json"]);
    println!("imported {} items in {} files in {took} s of a processor", told["report"]["items"], told["files"].as_array().unwrap().len());
    assert!(told["report"]["items"].as_u64().unwrap() > 5200);
    // Of an unoptimised build; an optimised one takes a tenth.
    assert!(took < 60.0, "{took}");
    for (path, content) in everything(&place.estate().join("items")) {
        let documents = content.windows(5).filter(|part| part == b"\n---\n").count();
        assert!(documents <= 200 && content.len() <= 256 * 1024, "{}: {documents} documents, {} bytes", path.display(), content.len());
    }
    place.bowline(&["check", ".", "--strict"]).ends_with(0);
    let plan = plan(&place);
    assert_eq!(plan["summary"]["findings"], json!({"Duplicate": 5, "Undeclared": 1}));
    assert_eq!(import(&place, &[])["report"]["items"], 0);
}
