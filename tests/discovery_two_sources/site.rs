//! The two systems with the machines in them, and an estate that asks both.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::machines::{self, Machine};
use crate::packs_asked;
use crate::peers::netbox::{Netbox, TOKEN};
use crate::peers::proxy::Proxy;
use crate::peers::skip;
use crate::peers::vcsim::{PASSWORD, USER, Vcsim};
use crate::support::{AT, Place, Ran};

const KIND: &str = "apiVersion: bowline.dev/v1alpha1\nkind";

/// Both systems, the same for all tests of the process; no test changes anything in them.
pub struct Pair {
    pub netbox: Netbox,
    pub vcenter: Vcsim,
    machines: Vec<Machine>,
    /// The id that NetBox gave to a machine, and what the test calls that.
    ids: BTreeMap<String, String>,
}

impl Pair {
    /// None, with the reason said, where one of them cannot be had. Blocks.
    pub fn start() -> Option<&'static Self> {
        static PAIR: OnceLock<Option<Pair>> = OnceLock::new();
        let pair = PAIR.get_or_init(|| {
            let machines = machines::all();
            let in_vcenter: Vec<&Value> = machines.iter().filter_map(|machine| machine.vcenter.as_ref()).collect();
            let (netbox, vcenter) = (Netbox::start()?, Vcsim::holding(&json!(in_vcenter))?);
            let ids = fill(&netbox, &machines);
            Some(Self { netbox, vcenter, machines, ids })
        });
        if pair.is_none() {
            skip("NetBox and vcsim are not both there");
        }
        pair.as_ref()
    }
}

/// Writes the machines into NetBox, with their interfaces and addresses. Gives their names by the ids that it gave to them.
fn fill(netbox: &Netbox, machines: &[Machine]) -> BTreeMap<String, String> {
    let kind = &netbox.post("virtualization/cluster-types/", &json!({"name": "vSphere", "slug": "vsphere"}))["id"];
    let clusters = netbox.post("virtualization/clusters/", &json!([{"name": "twins", "type": kind}, {"name": "attic", "type": kind}]));
    let cluster = |name: &Value| clusters.as_array().unwrap().iter().find(|cluster| cluster["name"] == *name).unwrap()["id"].clone();
    let all: Vec<(&str, &Value)> = machines.iter().filter_map(|machine| Some((&*machine.name, machine.netbox.as_ref()?))).collect();
    let bodies = all.iter().map(
        |(_, one)| json!({"name": one["name"], "cluster": cluster(&one["cluster"]), "vcpus": one["vcpus"], "memory": one["memory"], "serial": one["serial"]}),
    );
    let ids = made(netbox, "virtualization/virtual-machines/", bodies);
    let cards = made(netbox, "virtualization/interfaces/", ids.iter().map(|id| json!({"virtual_machine": id, "name": "eth0"})));
    let on = |card: u64| json!({"assigned_object_type": "virtualization.vminterface", "assigned_object_id": card});
    let with = |mut body: Value, name: &str, value: &Value| {
        body[name] = value.clone();
        body
    };
    let macs = made(netbox, "dcim/mac-addresses/", cards.iter().zip(&all).map(|(card, (_, one))| with(on(*card), "mac_address", &one["mac"])));
    change(netbox, "virtualization/interfaces/", cards.iter().zip(&macs).map(|(card, mac)| json!({"id": card, "primary_mac_address": mac})));
    // The first address is the primary one and has the name.
    let firsts = cards.iter().zip(&all).map(|(card, (_, one))| with(with(on(*card), "address", &one["addresses"][0]), "dns_name", &one["dns"]));
    let firsts = made(netbox, "ipam/ip-addresses/", firsts);
    let further = cards
        .iter()
        .zip(&all)
        .flat_map(|(card, (_, one))| one["addresses"].as_array().unwrap().iter().skip(1).map(|address| with(on(*card), "address", address)));
    made(netbox, "ipam/ip-addresses/", further);
    change(netbox, "virtualization/virtual-machines/", ids.iter().zip(&firsts).map(|(id, address)| json!({"id": id, "primary_ip4": address})));
    ids.iter().zip(&all).map(|(id, (name, _))| (id.to_string(), (*name).to_owned())).collect()
}

/// Makes many objects, a hundred at once, and gives their ids.
fn made(netbox: &Netbox, path: &str, bodies: impl Iterator<Item = Value>) -> Vec<u64> {
    let bodies: Vec<Value> = bodies.collect();
    let made: Vec<Value> = bodies.chunks(100).flat_map(|part| netbox.post(path, &json!(part)).as_array().unwrap().clone()).collect();
    made.iter().map(|made| made["id"].as_u64().unwrap()).collect()
}

fn change(netbox: &Netbox, path: &str, bodies: impl Iterator<Item = Value>) {
    let bodies: Vec<Value> = bodies.collect();
    bodies.chunks(100).for_each(|part| drop(netbox.patch(path, &json!(part))));
}

/// How an estate names and orders its two sources.
pub struct Naming {
    pub vcenter: &'static str,
    pub netbox: &'static str,
    /// Lines of the `spec` of each.
    pub more: (&'static str, &'static str),
}

/// As the pack has it, and no source before the other.
pub const PLAIN: Naming = Naming { vcenter: "vcenter", netbox: "netbox-virtual-machines", more: ("", "") };

/// An estate that declares the machines and asks both systems, NetBox through a proxy that can spoil its answers.
pub struct Site {
    pub pair: &'static Pair,
    pub proxy: Proxy,
    pub place: Place,
    naming: Naming,
    token: &'static str,
}

impl Site {
    /// None, with the reason said, where there is not both. Blocks.
    pub fn new() -> Option<Self> {
        Self::named(PLAIN)
    }

    /// The same, with other names of the sources.
    pub fn named(naming: Naming) -> Option<Self> {
        let pair = Pair::start()?;
        let site = Self { pair, proxy: Proxy::before(pair.netbox.url()), place: Place::new(), naming, token: TOKEN };
        site.write();
        Some(site)
    }

    /// The same, with a token that NetBox does not know.
    pub fn with_wrong_token(self) -> Self {
        Self { token: "nbt_TESTSTESTS01.wrong", ..self }
    }

    /// NetBox is looked for at another address.
    pub fn netbox_is_at(&self, url: &str) {
        let file = format!("sources/{}.yaml", self.naming.netbox);
        self.place.write(&file, &self.place.read(&file).replace(&self.proxy.url(), url));
    }

    fn write(&self) {
        let (place, Naming { vcenter, netbox, more }) = (&self.place, &self.naming);
        place.write("bowline.yaml", &format!("{KIND}: Estate\nmetadata: {{name: twins}}\nspec: {{}}\n"));
        let truth = format!(
            "  truth:\n  - {{attributes: [memory], sources: [{vcenter}, {netbox}]}}\n  - {{attributes: [ipAddresses], sources: [{netbox}, {vcenter}]}}\n"
        );
        place.write("class.yaml", &format!("{KIND}: CIClass\nmetadata: {{name: site-machine}}\nspec:\n  extends: virtual-machine\n{truth}"));
        // Copied as its first lines say: `url` is set, and so is the unit, for here NetBox counts in MiB. Small pages make several of them.
        let pack = packs_asked::text("netbox").replace("https://netbox.example.com", &self.proxy.url()).replace("limit: 500", "limit: 50");
        let pack = pack.replace("M\" end'", "Mi\" end'").replace("name: netbox-virtual-machines}\nspec:\n", &format!("name: {netbox}}}\nspec:\n{}", more.1));
        assert_eq!(pack.matches("Mi\" end'").count(), 2, "the lines marked `unit`");
        place.write(&format!("sources/{netbox}.yaml"), &pack);
        place.write("ca.pem", &self.pair.vcenter.ca);
        let (url, more) = (&self.pair.vcenter.url, more.0);
        let source = format!("  vsphere: {{url: '{url}', credentials: vcenter, ca: ca.pem}}\n  scope: {{classes: [virtual-machine]}}\n");
        place.write(&format!("sources/{vcenter}.yaml"), &format!("{KIND}: DiscoverySource\nmetadata: {{name: {vcenter}}}\nspec:\n{more}{source}"));
        let mut items = String::new();
        for machine in &self.pair.machines {
            if let Some(spec) = &machine.declared {
                write!(items, "---\n{KIND}: ConfigurationItem\nmetadata: {{name: {}}}\nspec: {spec}\n", machine.name).unwrap();
            }
        }
        place.write("items.yaml", &items);
        let credentials = [
            "- {name: netbox, token: {env: NETBOX_TOKEN}, hosts: [127.0.0.1]}\n".to_owned(),
            format!("- {{name: vcenter, user: {USER}, password: {{env: VCENTER_PASSWORD}}, hosts: [localhost]}}\n"),
        ];
        place.write("../credentials.yaml", &credentials.concat());
    }

    /// Runs the program with these arguments and gives what it prints as JSON.
    pub fn run(&self, arguments: &[&str]) -> Value {
        let mut command = self.place.command(arguments);
        command.args(["--output", "json", "--credentials", "../credentials.yaml"]).env("NETBOX_TOKEN", self.token).env("VCENTER_PASSWORD", PASSWORD);
        Ran::from(command.output().unwrap()).ends_with(0).json()
    }

    /// What a plan says.
    pub fn plan(&self) -> Plan {
        Plan(self.run(&["plan", "--at", AT]))
    }

    /// For each declared item, the machines that the sources are believed to have seen of it, each as the test calls it: what vCenter has, what NetBox has.
    pub fn seen(&self) -> BTreeMap<String, (Vec<String>, Vec<String>)> {
        let keys = self.names_of_keys();
        let items = self.run(&["items", "--at", AT]);
        let of_source = |item: &Value, source: &str| {
            let seen = item["seen"].as_array().unwrap().iter().filter(|seen| seen["source"] == source);
            seen.map(|seen| keys[&(source.to_owned(), seen["key"].as_str().unwrap().to_owned())].clone()).collect::<Vec<_>>()
        };
        let entry = |item: &Value| (item["name"].as_str().unwrap().to_owned(), (of_source(item, self.naming.vcenter), of_source(item, self.naming.netbox)));
        items["items"].as_array().unwrap().iter().map(entry).collect()
    }

    /// What the test calls the machine of a source and a key. vCenter has names once, NetBox told its ids.
    fn names_of_keys(&self) -> BTreeMap<(String, String), String> {
        let (vcenter, netbox) = (self.naming.vcenter, self.naming.netbox);
        let found = self.run(&["discover", "--source", vcenter]);
        let found: Vec<&Value> = found["sources"].as_array().unwrap().iter().flat_map(|source| source["items"].as_array().unwrap()).collect();
        let key_in_vcenter = |machine: &Machine| {
            let name = &machine.vcenter.as_ref()?["name"];
            let key = found.iter().find(|one| one["name"] == *name)?["key"].as_str()?;
            Some(((vcenter.to_owned(), key.to_owned()), machine.name.clone()))
        };
        let in_netbox = self.pair.ids.iter().map(|(id, name)| ((netbox.to_owned(), id.clone()), name.clone()));
        self.pair.machines.iter().filter_map(key_in_vcenter).chain(in_netbox).collect()
    }
}

/// What a plan says.
pub struct Plan(pub Value);

impl Plan {
    /// The keys of the findings about machines, sorted.
    pub fn findings(&self) -> Vec<&str> {
        self.keys(|class| ["site-machine", "virtual-machine"].contains(&class))
    }

    /// The keys of all other findings, sorted.
    pub fn other_findings(&self) -> Vec<&str> {
        self.keys(|class| !["site-machine", "virtual-machine"].contains(&class))
    }

    fn keys(&self, class: impl Fn(&str) -> bool) -> Vec<&str> {
        let all = self.0["findings"].as_array().unwrap().iter().filter(|finding| class(finding["class"].as_str().unwrap()));
        let mut keys: Vec<&str> = all.map(|finding| finding["key"].as_str().unwrap()).collect();
        keys.sort_unstable();
        keys
    }

    /// The finding of this key.
    #[track_caller]
    pub fn finding(&self, key: &str) -> &Value {
        self.0["findings"].as_array().unwrap().iter().find(|finding| finding["key"] == key).unwrap_or_else(|| panic!("{key} in {:#}", self.0["findings"]))
    }

    /// Whether the answer of a source was complete, how many items it had, and why it was not.
    pub fn answer(&self, source: &str) -> (bool, u64, &str) {
        let source = self.0["sources"].as_array().unwrap().iter().find(|known| known["name"] == source).unwrap();
        (source["complete"].as_bool().unwrap(), source["items"].as_u64().unwrap(), source["error"].as_str().unwrap_or_default())
    }
}
