//! Lists that are laid beside others: a machine with its interfaces and addresses.

use bowline::api::Value;

use crate::asking::{ask_with, complete, incomplete, reach};
use crate::peers::player::{Asked, Play, Player, answer};

fn netbox(asked: &Asked) -> Play {
    let body = match asked.path.split('?').next().unwrap() {
        "/vms" => r#"{"results": [{"id": 1, "name": "web"}, {"id": 2, "name": "db"}]}"#,
        "/interfaces" if asked.path.ends_with("p=2") => {
            r#"{"next": null, "results": [{"name": "eth1", "mac": "02:00:00:00:00:02", "virtual_machine": {"id": 1}}]}"#
        }
        "/interfaces" => {
            r#"{"next": "/interfaces?p=2", "results": [{"name": "eth0", "mac": "02:00:00:00:00:01", "virtual_machine": {"id": 1}}, {"name": "lo", "virtual_machine": null}]}"#
        }
        "/addresses" => r#"{"results": [{"address": "192.0.2.1/24", "machines": [1, 2]}]}"#,
        other => panic!("{other}"),
    };
    answer(200, &[], body)
}

const HTTP: &str = "
  url: URL
  list: {path: vms}
  joins:
  - {name: interfaces, list: {path: interfaces, paging: {next: .next}}, items: '.results[]', by: .virtual_machine.id, key: .id, keep: .mac}
  - {name: addresses, list: {path: addresses}, items: '.results[]', by: .machines, key: .id}";
const MORE: &str = "items: '.results[]'
map: {class: '\"virtual-machine\"', key: .id, name: .name, attributes: {macAddresses: .interfaces, ipAddresses: '[.addresses[].address]'}}\n";

#[tokio::test(flavor = "multi_thread")]
async fn each_item_has_what_belongs_to_it() {
    let server = Player::start(|asked, _| netbox(asked));
    let answer = ask_with(&server.url(), HTTP, MORE, reach()).await;
    complete(&answer, &["1", "2"]);
    let list = |values: &[&str]| values.iter().map(|value| Value::from(*value)).collect::<Value>();
    assert_eq!(answer.items[0].attributes.get("macAddresses"), Some(&list(&["02:00:00:00:00:01", "02:00:00:00:00:02"])));
    assert_eq!(answer.items[1].attributes.get("macAddresses"), Some(&list(&[])));
    assert!(answer.items.iter().all(|item| item.attributes.get("ipAddresses") == Some(&list(&["192.0.2.1/24"]))));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_whole_of_a_join_no_item_is_read_since_it_would_look_changed() {
    let server = Player::start(|asked, _| if asked.path == "/interfaces?p=2" { answer(403, &[], "{}") } else { netbox(asked) });
    incomplete(&ask_with(&server.url(), HTTP, MORE, reach()).await, &["join `interfaces`", "page 2", "403", "no item was read"], &[]);
    assert!(server.asked().iter().all(|asked| asked.path != "/vms"));
}
