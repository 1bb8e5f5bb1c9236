//! What real programs say of this machine, or of what they made a moment ago.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bowline::api::Value;
use bowline::discovery::Observation;
use serde_json::{Value as Json, json};

use crate::packs_asked::{self, attributes, item, known_as, relation};
use crate::peers::got::{got, had};
use crate::peers::{program, skip};
use crate::site::{Site, complete};
use crate::support::Place;

/// Loads rules into a network of its own, where nothing of this machine's is touched, and gives what nft says of it as JSON and as text.
/// None, with the reason said, where there is no nft or the kernel refuses. `before` is run first, by bash.
fn ruleset(before: &str, rules: &str) -> Option<(String, String)> {
    let Some(nft) = program("nft") else {
        skip("nft is not installed (nftables)");
        return None;
    };
    let (nft, folder) = (nft.display().to_string(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("rules.nft"), rules).unwrap();
    let script = format!(
        "ip link set lo up 2>/dev/null; nft() {{ {nft} \"$@\"; }}; {before}\nnft -f rules.nft && timeout 1 bash -c 'echo >/dev/tcp/127.0.0.1/1'; nft -j list ruleset >json && nft list ruleset >text"
    );
    let ran = Command::new("unshare").args(["-rn", "bash", "-c", &script]).current_dir(folder.path()).output();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).ok().filter(|text| text.contains("chain"));
    let found = read("json").zip(read("text"));
    if found.is_none() {
        let said = ran.map_or_else(|error| error.to_string(), |ran| String::from_utf8_lossy(&ran.stderr).into_owned());
        skip(&format!("nft in a network of its own: {}", said.lines().find(|line| !line.contains("/dev/tcp")).unwrap_or_default()));
    }
    found
}

/// The rules of each chain as nft prints them, without what changes by itself.
fn printed(text: &str) -> BTreeMap<String, Vec<String>> {
    let (mut table, mut chain, mut found) = (String::new(), None, BTreeMap::new());
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&words[..], &chain) {
            (["table", family, name, "{"], _) => table = format!("{family} {name}"),
            (["chain", name, "{"], _) => {
                chain = Some(format!("{table} {name}"));
                found.insert(format!("{table} {name}"), Vec::new());
            }
            (["}"], _) => chain = None,
            (["type", _, "hook", ..] | [], _) => {}
            (_, Some(chain)) => found.get_mut(chain).unwrap().push(without_counts(&words)),
            _ => {}
        }
    }
    found
}

fn without_counts(words: &[&str]) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        kept.push(word);
        if *word == "counter" && words.as_slice().first() == Some(&"packets") {
            words.nth(3);
        }
    }
    kept.join(" ")
}

fn chains(item: &Observation) -> BTreeMap<String, Vec<String>> {
    let chains = attributes(item)["chains"].as_object().unwrap().clone();
    chains.into_iter().map(|(name, chain)| (name, serde_json::from_value(chain["rules"].clone()).unwrap())).collect()
}

const RULES: &str = r#"
table inet filter {
  set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 198.51.100.7 }; }
  set seen { type ipv4_addr; flags timeout; elements = { 198.51.100.8 timeout 1h }; }
  map ports { type inet_service : verdict; elements = { 22 : accept, 80 : jump web } }
  counter hits { }
  chain web {
    tcp dport { 443, 80 } counter accept
  }
  chain input {
    type filter hook input priority 0; policy drop;
    iifname "lo" counter accept
    ct state established,related accept
    ct state invalid drop
    ip saddr @blocked counter drop comment "bad ones"
    tcp dport 22 ct state new limit rate 10/minute burst 7 packets accept
    tcp flags syn / fin,syn,rst,ack accept
    ip protocol icmp icmp type echo-request limit rate over 5/second burst 10 packets drop
    tcp dport 1000-2000 ip daddr 10.0.0.0/8 log prefix "in: " level info reject with tcp reset
    tcp dport vmap @ports
    tcp dport vmap { 25 : drop, 26 : jump web }
    udp dport != 53 counter name "hits"
    iifname { "eth0", "wlan0" } ip ttl 1-5 drop
    meta skuid 0 ip6 saddr 2001:db8::/32 return
    jump web
  }
  chain forward { type filter hook forward priority filter - 5; policy accept; }
}
table ip nat {
  chain post {
    type nat hook postrouting priority srcnat
    oifname "eth0" ip saddr 10.0.0.0/8 masquerade
    ip daddr 10.1.1.1 snat to 10.2.2.2
  }
  chain pre {
    type nat hook prerouting priority dstnat
    tcp dport 8080 dnat to 10.0.0.5:80
    tcp dport 81-90 redirect to :80
  }
}
"#;

#[test]
fn rules_stand_as_nft_itself_prints_them() {
    let Some((json, text)) = ruleset("", RULES) else { return };
    let site = Site::of(&[("observed/nftables/web01.json", &json)]);
    let answers = site.ask("nftables");
    let wall = item(&answers, "nftables", "web01-firewall");
    assert_eq!(&*wall.class, "firewall");
    known_as(wall, &[("firewall/hostname", "web01")]);
    assert_eq!(chains(wall), printed(&text));
    let found = attributes(wall);
    assert_eq!(found["tables"], json!(["inet filter", "ip nat"]));
    let input = &found["chains"]["inet filter input"];
    assert_eq!((&input["hook"], &input["priority"], &input["policy"]), (&json!("input"), &json!(0), &json!("drop")));
    assert_eq!(found["chains"]["inet filter forward"]["priority"], json!(-5));
    assert_eq!(found["sets"]["inet filter blocked"]["elements"], json!(["198.51.100.7", "192.0.2.0/24"]));
    assert_eq!(found["sets"]["inet filter ports"]["elements"], json!(["22 : accept", "80 : jump web"]));
    // What it holds changes by itself.
    assert!(found["sets"]["inet filter seen"].get("elements").is_none(), "{found}");
}

#[test]
fn rules_that_need_more_of_the_kernel_stand_as_nft_prints_them_too() {
    let rules = r#"table inet x {
      set dyn { type ipv4_addr; size 128; flags dynamic,timeout; timeout 1m; }
      set pairs { type ipv4_addr . inet_service; elements = { 10.0.0.1 . 80 } }
      map to4 { type inet_service : ipv4_addr; elements = { 80 : 10.0.0.8 } }
      quota q { over 10 mbytes }
      limit l { rate 5/second }
      chain c {
        type filter hook input priority filter + 10; policy accept;
        add @dyn { ip saddr timeout 30s } accept
        ip saddr . tcp dport @pairs accept
        quota over 25 mbytes drop
        quota name "q" drop
        limit name "l" accept
        tcp dport 22 ct count over 20 reject with icmpx admin-prohibited
        fib saddr . iif oif missing drop
        ip dscp cs1 counter
        ct original ip saddr 10.0.0.1 accept
        limit rate over 400 bytes/second drop
        meta day "Saturday" drop
        meta hour "10:00"-"12:00" accept
        ct status dnat accept
        ether saddr 02:fc:00:00:00:01 goto d
      }
      chain d { }
      chain n {
        type nat hook prerouting priority dstnat
        dnat ip to tcp dport map @to4
        dnat ip to 10.0.0.1-10.0.0.5
        tcp dport 8443 dnat ip6 to [fd00::5]:443
      }
    }"#;
    let Some((json, text)) = ruleset("", rules) else { return };
    let site = Site::of(&[("observed/nftables/web01.json", &json)]);
    assert_eq!(chains(item(&site.ask("nftables"), "nftables", "web01-firewall")), printed(&text));
}

/// A place with a pack, the files that it reads, and one declared item.
fn place(pack: &str, item: &str) -> Place {
    let place = Place::new();
    place.write("bowline.yaml", "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: site}\nspec: {}\n");
    place.write("pack.yaml", &packs_asked::text(pack));
    place.write("item.yaml", item);
    place
}

fn changed(place: &Place) -> Vec<String> {
    let plan = place.bowline(&["plan", "--output", "json"]).ends_with(0).json();
    assert_eq!(plan["sources"][0]["complete"], true, "{plan}");
    let findings = plan["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| format!("{} {} {}", finding["kind"].as_str().unwrap(), finding["item"].as_str().unwrap(), finding["path"].as_str().unwrap_or_default()))
        .collect()
}

#[test]
fn a_firewall_that_was_loaded_anew_is_the_same_and_one_more_rule_is_a_change() {
    let Some((json, _)) = ruleset("", RULES) else { return };
    let site = Site::of(&[("observed/nftables/web01.json", &json)]);
    let answers = site.ask("nftables");
    let found = item(&answers, "nftables", "web01-firewall");
    let declared = json!({"apiVersion": "bowline.dev/v1alpha1", "kind": "ConfigurationItem", "metadata": {"name": "wall"},
        "spec": {"class": "firewall", "identifiers": {"firewall/hostname": "WEB01"}, "attributes": {"chains": attributes(found)["chains"], "sets": attributes(found)["sets"]}}});
    let place = place("nftables", &serde_yaml::to_string(&declared).unwrap());
    // Other handles, and counters that have counted.
    let again = "nft add table inet filter; nft add chain inet filter other; nft delete chain inet filter other";
    let (anew, _) = ruleset(again, RULES).unwrap();
    assert_ne!(anew, json);
    place.write("observed/nftables/web01.json", &anew);
    assert_eq!(changed(&place), [""; 0]);
    let (more, _) = ruleset("", &RULES.replace("ct state invalid drop", "ct state invalid drop\n    tcp dport 23 accept")).unwrap();
    place.write("observed/nftables/web01.json", &more);
    assert_eq!(changed(&place), ["Changed wall attributes.chains.inet filter input.rules"]);
}

/// Runs Ansible in a folder, with a cache of facts below it and nothing of the machine's settings.
fn ansible(folder: &Path, arguments: &[&str]) -> Option<Output> {
    let program = got("ansible")?;
    let python = program.with_file_name("python");
    std::fs::write(folder.join("ansible.cfg"), "").unwrap();
    let mut command = Command::new(&program);
    command.current_dir(folder).stdin(Stdio::null()).env("HOME", folder).env("LC_ALL", "C.UTF-8").env("ANSIBLE_CONFIG", folder.join("ansible.cfg"));
    command
        .env("ANSIBLE_HOME", folder.join("home"))
        .env("ANSIBLE_CACHE_PLUGIN", "jsonfile")
        .env("ANSIBLE_CACHE_PLUGIN_CONNECTION", folder.join("observed/ansible"));
    command.args(["all", "-m", "setup", "-e"]).arg(format!("ansible_python_interpreter={}", python.display())).args(arguments);
    Some(command.output().unwrap())
}

#[test]
fn the_cache_of_ansible_says_of_this_machine_what_bowline_sees_itself() {
    let site = Site::of(&[]);
    let Some(ran) = ansible(site.path(), &["-i", "web01.example.com,", "-c", "local"]) else { return };
    assert!(ran.status.success(), "{ran:?}");
    let answers = site.ask("ansible");
    let seen = item(&answers, "ansible", "web01.example.com");
    let itself = site.ask_spec("host: {packages: false}");
    let (seen_as, itself) = (attributes(seen), attributes(&itself.items[0]));
    for name in ["cpus", "architecture"] {
        assert_eq!(seen_as[name], itself[name], "{name}");
    }
    let os = |of: &Json| ["name", "version", "kernel"].map(|part| of["os"][part].as_str().unwrap().to_lowercase());
    assert_eq!(os(&seen_as), os(&itself));
    // The kernel has less than what is built in, so this is not `memory`.
    let mebibytes = |value: &Json| value.as_str().unwrap().trim_end_matches("Mi").parse::<u64>().unwrap();
    let (usable, built_in) = (mebibytes(&seen_as["usableMemory"]), mebibytes(&itself["memory"]));
    assert!(usable <= built_in && usable * 10 > built_in * 8 && seen_as.get("memory").is_none(), "{usable} of {built_in}");
    assert_eq!(seen.identifiers.get("dns/fqdn").map(|name| &**name), Some("web01.example.com"));
    let now = jiff::Timestamp::now().as_second();
    assert!((now - seen.seen.unwrap().as_second()).abs() < 600, "{:?}", seen.seen);
    let text = format!("{seen:?}");
    assert!(!text.contains("ssh") && !text.contains("PATH"), "more than was asked for: {text}");
}

#[test]
fn a_host_that_ansible_could_not_ask_is_named_and_the_others_stay() {
    let site = Site::of(&[("inventory.ini", "web01 ansible_connection=local\ngone ansible_host=127.0.0.1 ansible_port=1 ansible_connection=ssh\n")]);
    let Some(ran) = ansible(site.path(), &["-i", "inventory.ini", "--tree", "tree"]) else { return };
    assert!(!ran.status.success() && site.path().join("tree/gone").exists(), "{ran:?}");
    // In place of the cache.
    std::fs::remove_dir_all(site.path().join("observed/ansible")).unwrap();
    std::fs::rename(site.path().join("tree"), site.path().join("observed/ansible")).unwrap();
    let answer = &site.ask("ansible")["ansible"];
    assert_eq!(crate::site::incomplete(answer, "observed/ansible/gone: items: the host could not be asked"), ["web01"]);
}

#[test]
fn an_sbom_of_cyclonedx_py_says_what_an_application_stands_on() {
    let Some(program) = got("cyclonedx") else { return };
    let site = Site::of(&[
        ("pyproject.toml", "[project]\nname = \"payments\"\nversion = \"2.3.1\"\ndependencies = [\"cyclonedx-bom\"]\n"),
        ("observed/sbom/.gitkeep", ""),
    ]);
    // The software that it looks at is its own.
    let environment = program.parent().and_then(Path::parent).unwrap();
    let mut command = Command::new(&program);
    command.args(["environment", "--pyproject", "pyproject.toml", "--of", "JSON", "-o", "observed/sbom/payments.json"]).arg(environment);
    let ran = command.current_dir(site.path()).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let answers = site.ask("cyclonedx");
    let payments = item(&answers, "sbom-applications", "payments");
    assert_eq!((payments.identifiers.get("application/id").map(|id| &**id), attributes(payments)), (Some("payments"), json!({"version": "2.3.1"})));
    let generator = item(&answers, "sbom-components", "cyclonedx-bom");
    let purl = generator.identifiers.get("software/purl").unwrap();
    assert!(purl.starts_with("pkg:pypi/cyclonedx-bom@"), "{purl}");
    assert_eq!(payments.relations, [relation("DependsOn", "software/purl", purl)]);
    let library = item(&answers, "sbom-components", "cyclonedx-python-lib").identifiers.get("software/purl").unwrap();
    assert!(generator.relations.contains(&relation("DependsOn", "software/purl", library)), "{:?}", generator.relations);
    assert!(generator.attributes.get("licenses").and_then(Value::as_list).unwrap().contains(&Value::from("Apache-2.0")));
}

const CONFIGURATION: &str = r#"
resource "terraform_data" "one" { input = "web01" }
resource "terraform_data" "many" {
  count = 2
  input = "many"
}
module "inner" {
  source   = "./inner"
  for_each = toset(["a"])
}
output "secret" {
  value     = "canary-4711"
  sensitive = true
}
"#;
const INNER: &str = "resource \"terraform_data\" \"keyed\" {\n  for_each = toset([\"k.1\"])\n  input = each.key\n}\n";

/// The outer shape of a state and of `show -json` is the program's own, with the one kind of resource that it has by itself; here that kind is
/// taken for a machine. What real providers write into a resource is held by their documentation alone (`documented`).
#[test]
fn a_state_of_the_real_program_names_each_instance_of_each_module() {
    let built = had("tofu");
    let mut programs: Vec<PathBuf> = ["tofu", "terraform"].into_iter().filter_map(program).collect();
    match built {
        Ok(built) => programs.push(built),
        Err(reason) if programs.is_empty() => skip(&reason),
        Err(_) => {}
    }
    for program in &programs {
        states_of(program);
    }
}

fn states_of(program: &Path) {
    let site = Site::of(&[("main.tf", CONFIGURATION), ("inner/main.tf", INNER), ("observed/terraform/.gitkeep", "")]);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(site.path())
            .stdin(Stdio::null())
            .env("HOME", site.path())
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_CLI_CONFIG_FILE", "/dev/null");
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    };
    run(&["init", "-input=false"]);
    run(&["apply", "-auto-approve", "-input=false"]);
    let addresses = |answers: &BTreeMap<String, bowline::discovery::Answer>| {
        let answer = &answers["terraform"];
        complete(answer);
        assert!(!format!("{answer:?}").contains("canary-4711"));
        let mut addresses: Vec<String> = answer.items.iter().map(|item| item.identifiers.get("terraform/address").unwrap().to_string()).collect();
        addresses.sort();
        addresses
    };
    let as_machine = |text: &str| text.replace("aws_instance: \"virtual-machine\"", "terraform_data: \"virtual-machine\"");
    let wanted =
        [r#"prod/module.inner["a"].terraform_data.keyed["k.1"]"#, "prod/terraform_data.many[0]", "prod/terraform_data.many[1]", "prod/terraform_data.one"];
    for document in [run(&["state", "pull"]), run(&["show", "-json"])] {
        site.write("observed/terraform/prod.json", &document);
        assert!(complete(&site.ask("terraform")["terraform"]).is_empty(), "no machine");
        assert_eq!(addresses(&site.ask_changed("terraform", |spec| spec.items = spec.items.take().map(|items| as_machine(&items).into()))), wanted);
    }
}

#[test]
fn what_discover_prints_first_reads_well() {
    let Some((json, _)) =
        ruleset("", "table inet filter {\n chain input {\n type filter hook input priority 0; policy drop;\n ct state established,related accept\n }\n}\n")
    else {
        return;
    };
    let place = place("nftables", "");
    place.write("observed/nftables/web01.json", &json);
    let told = place.bowline(&["discover", "--all"]).ends_with(0).stdout;
    for line in
        ["nftables from observed/nftables/*.json", "  web01-firewall firewall", "    firewall/hostname: web01", "    RunsOn → web01", "Found: 1 firewall."]
    {
        assert!(told.contains(line), "{line} in\n{told}");
    }
}
