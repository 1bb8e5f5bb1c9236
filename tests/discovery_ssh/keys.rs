//! Whose key is trusted, and who is let in.

use bowline::credentials::{HostKeys, Login};

use super::{Asked, key, spec};
use crate::peers::sshd::{Sshd, make_key};

const QUICK: &str = ", packages: false";

#[tokio::test]
async fn a_key_of_a_host_that_nobody_knows_is_never_trusted_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Sshd::start(folder.path()) else { return };
    let nothing = folder.path().join("nothing");
    std::fs::write(&nothing, "").unwrap();
    let login = Login::SshKey { file: server.key.clone(), known_hosts: Some(nothing) };
    let answer = Asked::new(&spec(&[&server], QUICK), login).observe().await;
    let error = answer.error.unwrap();
    assert!(!answer.complete && answer.items.is_empty(), "{error}");
    assert!(error.starts_with(&format!("127.0.0.1:{}: its key ssh-ed25519 SHA256:", server.port)) && error.contains("is not known"), "{error}");
    assert_eq!(Asked::new(&spec(&[&server], QUICK), key(&server, false)).observe().await.items.len(), 0, "it was not learnt either");
}

#[tokio::test]
async fn a_key_of_a_host_that_is_another_than_is_known_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Sshd::start(folder.path()) else { return };
    let another = make_key(&folder.path().join("another"), "ed25519", "").unwrap();
    std::fs::write(&server.known_hosts, format!("[127.0.0.1]:{} {another}", server.port)).unwrap();
    let answer = Asked::new(&spec(&[&server], QUICK), key(&server, true)).observe().await;
    let error = answer.error.unwrap();
    assert!(!answer.complete && answer.items.is_empty() && error.contains("is not the one that is known of it"), "{error}");
    // Nobody logged in: the server has nobody's account in its log.
    let log = std::fs::read_to_string(folder.path().join("sshd.log")).unwrap();
    assert_eq!(log.matches("Accepted").count(), 1, "only the test's own probe was let in:\n{log}");
}

#[tokio::test]
async fn keys_of_hosts_are_known_by_the_estates_file_or_by_the_operators_fingerprints() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Sshd::start(folder.path()) else { return };
    let known = std::fs::read_to_string(&server.known_hosts).unwrap();
    std::fs::create_dir(folder.path().join("estate")).unwrap();
    std::fs::write(folder.path().join("estate/known_hosts"), &known).unwrap();
    let (by_estate, alone) = (spec(&[&server], ", packages: false, knownHosts: known_hosts"), spec(&[&server], QUICK));
    let root = folder.path().join("estate");
    let answer = Asked { root: &root, ..Asked::new(&by_estate, key(&server, false)) }.observe().await;
    assert!(answer.complete, "{:?}", answer.error);

    let listed = std::process::Command::new("ssh-keygen").arg("-lf").arg(folder.path().join("host.pub")).output().unwrap();
    let fingerprint = String::from_utf8_lossy(&listed.stdout).split(' ').nth(1).unwrap().to_owned();
    let fingerprints = |fingerprint: &str| HostKeys { known_hosts: None, fingerprints: vec![(format!("[127.0.0.1]:{}", server.port), fingerprint.to_owned())] };
    let answer = Asked { host_keys: fingerprints(&fingerprint), ..Asked::new(&alone, key(&server, false)) }.observe().await;
    assert!(answer.complete, "{:?}", answer.error);
    // What the operator says of a host counts, whatever the estate says of it.
    let other = fingerprints(&format!("SHA256:{}", "x".repeat(43)));
    let answer = Asked { host_keys: other, root: &root, ..Asked::new(&by_estate, key(&server, false)) }.observe().await;
    assert!(!answer.complete && answer.error.as_deref().unwrap().contains("is not the one that is known of it"), "{:?}", answer.error);
}

#[tokio::test]
async fn a_host_is_asked_for_a_key_of_the_kind_that_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (rsa, ecdsa) = (folder.path().join("rsa"), folder.path().join("ecdsa"));
    let (Some(of_rsa), Some(of_ecdsa)) = (make_key(&rsa, "rsa", ""), make_key(&ecdsa, "ecdsa", "")) else {
        return crate::peers::skip("ssh-keygen is not installed");
    };
    let Some(server) = Sshd::start_with(folder.path(), &format!("HostKey {}\nHostKey {}\n", rsa.display(), ecdsa.display())) else { return };
    for known in [of_rsa, of_ecdsa] {
        std::fs::write(&server.known_hosts, format!("[127.0.0.1]:{} {known}", server.port)).unwrap();
        let answer = Asked::new(&spec(&[&server], QUICK), key(&server, true)).observe().await;
        assert!(answer.complete, "{known}: {:?}", answer.error);
    }
}

#[tokio::test]
async fn every_kind_of_key_logs_in_and_one_with_a_passphrase_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Sshd::start(folder.path()) else { return };
    for kind in ["rsa", "ecdsa", "ed25519"] {
        let file = folder.path().join(format!("of-{kind}"));
        let public = make_key(&file, kind, "").unwrap();
        std::fs::write(folder.path().join("authorized"), public).unwrap();
        let login = Login::SshKey { file, known_hosts: Some(server.known_hosts.clone()) };
        let answer = Asked::new(&spec(&[&server], QUICK), login).observe().await;
        assert!(answer.complete, "{kind}: {:?}", answer.error);
    }
    let locked = folder.path().join("locked");
    make_key(&locked, "ed25519", "canary-passphrase").unwrap();
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, "-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n-----END OPENSSH PRIVATE KEY-----\n").unwrap();
    for (file, reason) in [(locked, "has a passphrase"), (garbage, "is none that is understood")] {
        let login = Login::SshKey { file, known_hosts: Some(server.known_hosts.clone()) };
        let answer = Asked::new(&spec(&[&server], QUICK), login).observe().await;
        assert!(!answer.complete && answer.error.as_deref().unwrap().contains(reason), "{:?}", answer.error);
    }
}

#[tokio::test]
async fn an_account_that_is_not_let_in_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Sshd::start(folder.path()) else { return };
    let stranger = folder.path().join("stranger");
    make_key(&stranger, "ed25519", "").unwrap();
    let login = Login::SshKey { file: stranger, known_hosts: Some(server.known_hosts.clone()) };
    let answer = Asked::new(&spec(&[&server], QUICK), login).observe().await;
    let expected = format!("127.0.0.1:{}: it does not let `{}` in with this credential", server.port, server.account);
    assert_eq!((answer.complete, answer.error.as_deref()), (false, Some(&*expected)));
    let nobody = format!("{{hosts: ['127.0.0.1:{}'], credentials: fleet}}", server.port);
    let answer = Asked::new(&nobody, key(&server, true)).observe().await;
    assert!(answer.error.as_deref().unwrap().contains("a key has no account"), "{:?}", answer.error);
}

/// The stand-in: a server made with the library itself, since OpenSSH's takes only passwords of the machine's own accounts.
#[tokio::test]
async fn a_password_logs_in_too_and_goes_to_no_host_whose_key_is_not_known() {
    use crate::peers::ssh_stand_in::StandIn;
    use bowline::credentials::Secret;
    let server = StandIn::start("alice", "canary-password").await;
    let spec = format!("{{hosts: ['127.0.0.1:{}'], credentials: fleet, packages: false}}", server.port);
    let login = |password: &str| Login::Password { user: "alice".into(), password: Secret::new(password) };
    let known = HostKeys { known_hosts: None, fingerprints: vec![(format!("[127.0.0.1]:{}", server.port), server.fingerprint.clone())] };

    let answer = Asked::new(&spec, login("canary-password")).observe().await;
    assert!(answer.error.as_deref().unwrap().contains("is not known"), "{:?}", answer.error);
    assert_eq!(server.passwords(), Vec::<String>::new(), "it was told nothing");

    let answer = Asked { host_keys: known.clone(), ..Asked::new(&spec, login("canary-password")) }.observe().await;
    assert_eq!((server.passwords(), &*answer.items[0].name), (vec!["canary-password".to_owned()], "stand-in"), "{:?}", answer.error);
    let answer = Asked { host_keys: known.clone(), ..Asked::new(&spec, login("canary-wrong")) }.observe().await;
    assert!(answer.error.as_deref().unwrap().contains("does not let `alice` in"), "{:?}", answer.error);
    let bob = spec.replace("packages", "user: bob, packages");
    let answer = Asked { host_keys: known, ..Asked::new(&bob, login("canary-password")) }.observe().await;
    assert!(answer.error.as_deref().unwrap().contains("is of another account than `user` says"), "{:?}", answer.error);
}
