//! A small estate that three tools know, each by names of its own.

use crate::support::Place;

pub const ESTATE: &str = "\
apiVersion: bowline.dev/v1alpha1
kind: Estate
metadata: {name: quay}
spec: {}
";

pub const ITEMS: &str = "\
apiVersion: bowline.dev/v1alpha1
kind: ConfigurationItem
metadata: {name: pay-db-01, labels: {env: prod}}
spec:
  class: virtual-machine
  owner: team-payments
  identifiers:
    bios/uuid: 4c4c4544-0042-3510-8051-b4c04f4e5a32   # never changes
    dns/fqdn: pay-db-01.example.com
  attributes: {memory: 16Gi, cpus: 4}
---
apiVersion: bowline.dev/v1alpha1
kind: ConfigurationItem
metadata: {name: pay-web-01}
spec:
  class: virtual-machine
  owner: team-payments
  identifiers: {bios/uuid: 4c4c4544-0042-3510-8051-b4c04f4e5a33}
  attributes: {macAddresses: ['00:50:56:ab:cd:ef'], network: lan}
---
apiVersion: bowline.dev/v1alpha1
kind: ConfigurationItem
metadata: {name: gone-01}
spec: {class: virtual-machine, identifiers: {bios/uuid: 4c4c4544-0042-3510-8051-b4c04f4e5a34}}
---
apiVersion: bowline.dev/v1alpha1
kind: ConfigurationItem
metadata: {name: core-switch}
spec: {class: network-device, lifecycle: Deploying, owner: team-network, identifiers: {serial/number: FOC1234X0AB}}
";

const SOURCES: &str = "\
apiVersion: bowline.dev/v1alpha1
kind: DiscoverySource
metadata: {name: vcenter}
spec: {file: {path: observed/vcenter.json}, scope: {classes: [virtual-machine]}}
---
apiVersion: bowline.dev/v1alpha1
kind: DiscoverySource
metadata: {name: netbox}
spec: {file: {path: observed/netbox.json}, scope: {classes: [virtual-machine]}}
";

const VCENTER: &str = r#"[
{"class": "virtual-machine", "key": "vm-1017", "name": "PAY-DB-01", "seen": "2026-11-25T07:30:00Z",
 "identifiers": {"bios/uuid": "{4C4C4544-0042-3510-8051-B4C04F4E5A32}", "vsphere/instance-uuid": "5030C1A0-7B1E-4C2F-9F6E-0D6C1B7F2A11"},
 "attributes": {"memory": "8192Mi", "ipAddresses": ["10.20.0.5/24", "2001:DB8:0:0:0:0:0:1"], "macAddresses": ["0050.56ab.cd01"], "adminPassword": "canary-4711"}},
{"class": "virtual-machine", "key": "vm-1018", "name": "pay-web-01", "seen": "2026-11-25T07:30:00Z",
 "identifiers": {"bios/uuid": "4c4c4544-0042-3510-8051-b4c04f4e5a33"}, "attributes": {"ipAddresses": ["10.20.0.6"]}},
{"class": "virtual-machine", "key": "vm-1099", "name": "forgotten-07", "identifiers": {"bios/uuid": "4c4c4544-0042-3510-8051-b4c04f4e5a99", "dns/fqdn": "forgotten-07.example.com"}}
]"#;

const NETBOX: &str = r#"[
{"class": "virtual-machine", "key": "412", "name": "pay-db-01", "identifiers": {"netbox/virtual-machine": "412", "dns/fqdn": "PAY-DB-01.example.com."}},
{"class": "virtual-machine", "key": "413", "name": "web", "identifiers": {"netbox/virtual-machine": "413", "bios/uuid": "4C4C4544-0042-3510-8051-B4C04F4E5A33"}}
]"#;

/// The estate, with `more` in its own document's spec.
pub fn quay(more: &str) -> Place {
    let place = Place::new();
    place.write("bowline.yaml", &ESTATE.replace("spec: {}", &format!("spec: {{{more}}}")));
    place.write("items.yaml", ITEMS);
    place.write("sources.yaml", SOURCES);
    place.write("observed/vcenter.json", VCENTER);
    place.write("observed/netbox.json", NETBOX);
    place
}
