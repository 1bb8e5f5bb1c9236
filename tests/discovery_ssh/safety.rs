//! What an estate cannot reach with it (rule 8).

use std::net::TcpListener;
use std::time::Duration;

use bowline::credentials::{Login, Secret};

use super::Asked;

/// A listener to which nobody may connect.
struct Witness(TcpListener);

impl Witness {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn spec(&self) -> String {
        format!("{{hosts: ['127.0.0.1:{}'], credentials: fleet}}", self.0.local_addr().unwrap().port())
    }

    fn saw_nobody(&self) -> bool {
        std::thread::sleep(Duration::from_millis(100));
        self.0.accept().is_err()
    }
}

fn login() -> Login {
    Login::Password { user: "alice".into(), password: Secret::new("canary-password") }
}

#[tokio::test]
async fn a_credential_goes_only_to_hosts_that_it_is_bound_to() {
    let witness = Witness::new();
    let answer = Asked { bound_to: "web-1.example.com", ..Asked::new(&witness.spec(), login()) }.observe().await;
    assert!(answer.error.as_deref().unwrap().contains("is not bound to the host `127.0.0.1:"), "{:?}", answer.error);
    assert!(!answer.complete && witness.saw_nobody());
}

#[tokio::test]
async fn only_what_the_operator_allows_is_connected_to() {
    let witness = Witness::new();
    let answer = Asked { allow_net: &["10.0.0.0/8"], ..Asked::new(&witness.spec(), login()) }.observe().await;
    assert!(answer.error.as_deref().unwrap().contains("not among what --allow-net names"), "{:?}", answer.error);
    assert!(!answer.complete && witness.saw_nobody());
}

#[tokio::test]
async fn link_local_addresses_are_refused() {
    let spec = "{hosts: [169.254.169.254], credentials: fleet}";
    let answer = Asked { bound_to: "169.254.0.0/16", allow_net: &["0.0.0.0/0"], ..Asked::new(spec, login()) }.observe().await;
    assert!(!answer.complete && answer.error.as_deref().unwrap().contains("link-local"), "{:?}", answer.error);
}

#[tokio::test]
async fn a_file_of_known_hosts_outside_of_the_estate_is_not_read() {
    let (witness, folder) = (Witness::new(), tempfile::tempdir().unwrap());
    std::fs::create_dir(folder.path().join("estate")).unwrap();
    std::fs::write(folder.path().join("known_hosts"), "").unwrap();
    let spec = witness.spec().replace('}', ", knownHosts: ../known_hosts}");
    let answer = Asked { root: &folder.path().join("estate"), ..Asked::new(&spec, login()) }.observe().await;
    assert!(answer.error.as_deref().unwrap().contains("outside the estate's root"), "{:?}", answer.error);
    assert!(!answer.complete && witness.saw_nobody());
}

#[tokio::test]
async fn a_credential_that_is_none_of_ssh_is_refused() {
    let witness = Witness::new();
    let answer = Asked::new(&witness.spec(), Login::Community(Secret::new("canary-community"))).observe().await;
    assert!(answer.error.as_deref().unwrap().contains("the credential `fleet` is none of SSH"), "{:?}", answer.error);
    assert!(!answer.complete && witness.saw_nobody());
}
