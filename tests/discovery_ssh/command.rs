//! As a user runs it: from the estate's file and the operator's to findings.

use crate::peers::sshd::Sshd;
use crate::support::{AT, Place, Ran};

const ESTATE: &str = "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: fleet}\nspec: {}\n";

fn run(place: &Place, arguments: &[&str]) -> Ran {
    let credentials = place.state().parent().unwrap().join("credentials.yaml");
    place.command(arguments).args(["--at", AT, "--output", "json", "--credentials"]).arg(credentials).output().unwrap().into()
}

#[test]
fn what_differs_of_a_machine_is_a_finding_and_a_host_with_another_key_is_not_missing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Sshd::start(folder.path()) else { return };
    let place = Place::new();
    place.write("bowline.yaml", ESTATE);
    place.write("known_hosts", &std::fs::read_to_string(&server.known_hosts).unwrap());
    place.write(
        "source.yaml",
        &format!(
            "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {{name: fleet}}\nspec:\n  ssh: {{hosts: ['127.0.0.1:{}'], credentials: fleet, user: {}, \
             knownHosts: known_hosts, packages: false}}\n  scope: {{classes: [server]}}\n",
            server.port, server.account
        ),
    );
    let operator = place.state().parent().unwrap().join("credentials.yaml");
    std::fs::write(operator, format!("{{name: fleet, sshKey: {{file: '{}'}}, hosts: [127.0.0.0/8]}}\n", server.key.display())).unwrap();
    run(&place, &["check"]).ends_with(0);

    let found = run(&place, &["discover"]).ends_with(0).json();
    let item = &found["sources"][0]["items"][0];
    assert_eq!(found["sources"][0]["complete"], true, "{found:#}");
    let declared = format!(
        "apiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {{name: this-one}}\nspec:\n  class: server\n  attributes: {{macAddresses: {}, cpus: 4096, architecture: {}}}\n",
        item["attributes"]["macAddresses"],
        item["attributes"]["architecture"].as_str().unwrap(),
    );
    place.write("item.yaml", &declared);
    let plan = run(&place, &["plan"]).ends_with(0).json();
    let findings: Vec<(&str, &str)> =
        plan["findings"].as_array().unwrap().iter().map(|finding| (finding["kind"].as_str().unwrap(), finding["path"].as_str().unwrap_or_default())).collect();
    assert_eq!(findings, [("Changed", "attributes.cpus")], "{:#}", plan["findings"]);

    place.write("known_hosts", &place.read("known_hosts").replace("AAAAC3NzaC1lZDI1NTE5AAAAI", "AAAAC3NzaC1lZDI1NTE5AAAAIA"));
    let plan = run(&place, &["plan"]).ends_with(0).json();
    assert_eq!(plan["sources"][0]["complete"], false, "{:#}", plan["sources"]);
    assert_eq!(plan["findings"], serde_json::json!([]), "nothing is concluded absent");
}

#[test]
fn a_fingerprint_in_the_operators_file_is_enough_to_know_a_host() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Sshd::start(folder.path()) else { return };
    let place = Place::new();
    place.write("bowline.yaml", ESTATE);
    place.write(
        "source.yaml",
        &format!(
            "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {{name: fleet}}\nspec:\n  ssh: {{hosts: ['127.0.0.1:{}'], credentials: fleet, user: {}, \
             packages: false}}\n  scope: {{classes: [server]}}\n",
            server.port, server.account
        ),
    );
    let operator = place.state().parent().unwrap().join("credentials.yaml");
    std::fs::write(&operator, format!("{{name: fleet, sshKey: {{file: '{}'}}, hosts: [127.0.0.0/8]}}\n", server.key.display())).unwrap();
    let credentials = operator.to_str().unwrap();
    let told = place.bowline(&["discover", "--credentials", credentials]).ends_with(0).stdout;
    assert!(told.contains("is not known") && told.contains("put it into `knownHosts`"), "what to do is not cut off: {told}");
    let with = |keys: &str| {
        format!("{{name: fleet, sshKey: {{file: '{}'}}, hostKeys: {{'127.0.0.1:{}': {keys}}}, hosts: [127.0.0.0/8]}}\n", server.key.display(), server.port)
    };
    let listed = std::process::Command::new("ssh-keygen").arg("-lf").arg(folder.path().join("host.pub")).output().unwrap();
    std::fs::write(&operator, with(String::from_utf8_lossy(&listed.stdout).split(' ').nth(1).unwrap())).unwrap();
    let found = run(&place, &["discover"]).ends_with(0).json();
    assert_eq!(found["sources"][0]["complete"], true, "{found:#}");
    std::fs::write(&operator, with("SHA256:uNiVztksCsDhcc0u9e8BrrhA6Yv6MxFZ7x1KkFvz0Ao")).unwrap();
    let found = run(&place, &["discover"]).json();
    assert_eq!(found["sources"][0]["complete"], false, "another key: {found:#}");
}

#[test]
fn what_is_wrong_with_a_source_is_told_before_anything_is_asked() {
    let place = Place::new();
    place.write("bowline.yaml", ESTATE);
    let source = "apiVersion: bowline.dev/v1alpha1\nkind: DiscoverySource\nmetadata: {name: s}\nspec:\n  ssh:\n    hosts: ['ssh://web-1']\n    credentials: fleet\n    user: '-oProxyCommand=x'\n    knownHosts: ../known_hosts\n";
    place.write("source.yaml", source);
    let found = place.bowline(&["check", "--output", "json"]).ends_with(2).json();
    let told: Vec<String> = found["diagnostics"].as_array().unwrap().iter().map(|one| format!("{} {}", one["line"], one["code"])).collect();
    assert_eq!(told, [r#"6 "bad-source""#, r#"8 "bad-source""#, r#"9 "path-outside-root""#], "{found:#}");
}
