//! The account goes to its host and nowhere else (rule 8), and to no server that cannot show who it is.

use std::sync::Arc;

use bowline::access::Access;
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::discovery::reach::Reach;

use crate::asking::{account, ask_with, incomplete, reach, root};
use crate::peers::authority::Authority;
use crate::peers::player::{Player, answer};
use crate::peers::vcsim::{PASSWORD, Vcsim};

fn spec(url: &str, more: &str) -> String {
    format!("vsphere: {{url: '{url}', credentials: vcenter{more}}}")
}

#[test]
fn a_wrong_password_is_told_and_tried_once() {
    let Some(vcsim) = Vcsim::start(1) else { return };
    let root = root(&vcsim);
    let wrong = reach(root.path()).with_credentials(Arc::new(account(&["localhost"], "wrong-password")));
    let answer = ask_with(&spec(&vcsim.url, ", ca: ca.pem"), &wrong);
    incomplete(&answer, &["does not accept the account and password"]);
    assert!(answer.items.is_empty() && !format!("{answer:?}").contains("wrong-password"));
    assert_eq!(vcsim.calls().iter().filter(|call| *call == "Login").count(), 1, "an account must not be locked out");
}

#[test]
fn a_server_whose_certificate_nobody_vouches_for_is_told_nothing() {
    let Some(vcsim) = Vcsim::start(1) else { return };
    let root = root(&vcsim);
    Authority::new().write(&root.path().join("other.pem"));
    for ca in ["", ", ca: other.pem"] {
        incomplete(&ask_with(&spec(&vcsim.url, ca), &reach(root.path())), &["certificate", "`ca`"]);
    }
    let by_address = format!("https://127.0.0.1:{}", vcsim.port());
    let bound = reach(root.path()).with_credentials(Arc::new(account(&["127.0.0.1"], PASSWORD)));
    incomplete(&ask_with(&spec(&by_address, ", ca: ca.pem"), &bound), &["certificate"]);
    incomplete(&ask_with(&spec(&vcsim.url, ", ca: ../ca.pem"), &reach(root.path())), &["outside the estate's root"]);
    incomplete(&ask_with(&spec(&vcsim.url, ", ca: none.pem"), &reach(root.path())), &["`none.pem` cannot be read"]);
    assert!(vcsim.calls().is_empty());
}

#[test]
fn an_address_that_the_operator_does_not_allow_is_not_connected_to() {
    let Some(vcsim) = Vcsim::start(1) else { return };
    let root = root(&vcsim);
    let access = Access { allow_net: vec!["192.0.2.0/24".parse().unwrap()], ..Access::default() };
    let reach = |hosts: &[&str]| Reach::new(root.path().to_owned(), Arc::new(access.clone())).with_credentials(Arc::new(account(hosts, PASSWORD)));
    incomplete(&ask_with(&spec(&vcsim.url, ", ca: ca.pem"), &reach(&["localhost"])), &["--allow-net"]);
    incomplete(&ask_with(&spec("https://169.254.169.254", ""), &reach(&["169.254.169.254"])), &["link-local"]);
    assert!(vcsim.calls().is_empty());
}

#[test]
fn an_account_that_is_not_bound_to_the_host_or_is_none_is_not_sent() {
    let Some(vcsim) = Vcsim::start(1) else { return };
    let root = root(&vcsim);
    let with = |credentials: Credentials| ask_with(&spec(&vcsim.url, ", ca: ca.pem"), &reach(root.path()).with_credentials(Arc::new(credentials)));
    incomplete(&with(account(&["vcenter.example.com"], PASSWORD)), &["`vcenter` is not bound to the host"]);
    incomplete(&with(Credentials::default()), &["no credential `vcenter`"]);
    let token = Login::Token { user: None, token: Secret::new(PASSWORD) };
    incomplete(
        &with(Credentials::of([Credential { name: "vcenter".into(), hosts: vec!["localhost".parse().unwrap()], login: token }])),
        &["no account with a password"],
    );
    assert!(vcsim.calls().is_empty(), "nobody is asked anything");
}

#[test]
fn a_server_that_sends_on_is_not_followed() {
    let foreign = Player::start(|_, _| answer(200, &[], "stolen"));
    let to = format!("{}/sdk", foreign.url());
    let server = Player::start(move |_, _| answer(302, &[("location", &to)], ""));
    let root = tempfile::tempdir().unwrap();
    let bound = reach(root.path()).with_credentials(Arc::new(account(&["127.0.0.1"], PASSWORD)));
    incomplete(&ask_with(&spec(&server.url(), ""), &bound), &["sends on to", "not followed"]);
    assert!(foreign.asked().is_empty());
}
