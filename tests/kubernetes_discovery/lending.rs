//! Whom Bowline asks as: an estate cannot borrow an identity, run a program, read a file or send anything anywhere by a kubeconfig.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bowline::access::Access;
use bowline::api::discovery_source::{KubernetesResource as Resource, KubernetesSource as Spec};
use bowline::credentials::{Credential, Credentials, Login, Secret};
use bowline::discovery::kubernetes::KubernetesSource;
use bowline::discovery::kubernetes::identity::{Means, Surroundings};
use bowline::discovery::{Answer, Source};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::peers::kube::Kube;
use crate::{error, nothing_around, spec};

/// A kubeconfig with its authority in `ca.pem` beside it.
pub fn kubeconfig(url: &str, user: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Config, current-context: it, contexts: [{{name: it, context: {{cluster: it, user: it}}}}], users: [{{name: it, user: {user}}}], \
         clusters: [{{name: it, cluster: {{server: '{url}', certificate-authority: ca.pem}}}}]}}"
    )
}

/// A folder with a kubeconfig of this user.
fn folder(kube: &Kube, user: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(kube.ca(), folder.path().join("ca.pem")).unwrap();
    std::fs::write(folder.path().join("kubeconfig"), kubeconfig(kube.url(), user)).unwrap();
    folder
}

async fn ask_with(root: &Path, spec: Spec, access: Access, credentials: Credentials, surroundings: Surroundings) -> Answer {
    let access = Arc::new(access);
    let means = Means { root: root.to_owned(), access: access.clone(), credentials: Arc::new(credentials), surroundings };
    KubernetesSource::new("k8s".into(), spec, means, access).observe(Timestamp::UNIX_EPOCH).await
}

fn nodes(kubeconfig: &str) -> Spec {
    Spec { kubeconfig: Some(kubeconfig.into()), ..spec(&[], &[Resource::Node]) }
}

fn allowing(paths: &[&Path]) -> Access {
    Access { allow_read: paths.iter().map(|path| path.to_path_buf()).collect(), ..Access::default() }
}

fn token(value: &str, hosts: &str) -> Credentials {
    Credentials::of([Credential { name: "prod".into(), hosts: vec![hosts.parse().unwrap()], login: Login::Token { user: None, token: Secret::new(value) } }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_of_the_estate_brings_no_identity_runs_nothing_and_reads_no_file() {
    let Some(kube) = Kube::start() else { return };
    let outside = tempfile::tempdir().unwrap();
    let ran = outside.path().join("ran");
    std::fs::write(outside.path().join("token"), kube.token("admin")).unwrap();
    let exec =
        format!("{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: [{:?}], interactiveMode: Never}}}}", ran.display().to_string());
    let file = format!("{{tokenFile: {:?}}}", outside.path().join("token").display().to_string());
    for user in [exec, file, format!("{{token: {}}}", kube.token("admin"))] {
        let estate = folder(&kube, &user);
        let answer = ask_with(estate.path(), nodes("kubeconfig"), Access::default(), Credentials::default(), nothing_around()).await;
        assert!(!answer.complete && error(&answer).contains("--allow-read"), "{}", error(&answer));
        // Nor with a credential: then the kubeconfig's user is not looked at.
        let answer = ask_with(
            estate.path(),
            Spec { credentials: Some("prod".into()), ..nodes("kubeconfig") },
            Access::default(),
            token("nobody's", "127.0.0.1"),
            nothing_around(),
        )
        .await;
        assert_eq!(error(&answer), "Node: the credentials are not accepted (401)");
    }
    assert!(!ran.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_lends_a_kubeconfig_by_naming_that_very_file() {
    let Some(kube) = Kube::start() else { return };
    let operators = folder(&kube, &format!("{{token: {}}}", kube.token("admin")));
    let estate = tempfile::tempdir().unwrap();
    let file = operators.path().join("kubeconfig");
    let asked = |access: Access| ask_with(estate.path(), nodes(file.to_str().unwrap()), access, Credentials::default(), nothing_around());
    let outside = asked(Access::default()).await;
    assert!(error(&outside).contains("is outside the estate's root"), "{}", error(&outside));
    let only_readable = asked(allowing(&[operators.path()])).await;
    assert!(error(&only_readable).contains("naming exactly that file"), "{}", error(&only_readable));
    let lent = asked(allowing(&[&file])).await;
    assert!(lent.complete, "{}", error(&lent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_a_lent_kubeconfig_is_run_and_what_it_says_is_never_told() {
    let Some(kube) = Kube::start() else { return };
    let script = |says: &str| format!("{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, args: [-c, {says:?}], interactiveMode: Never}}}}");
    let good = format!(
        "echo '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": {{\"token\": \"{}\"}}}}'",
        kube.token("admin")
    );
    for (says, fine) in [(good.as_str(), true), ("echo canary; echo canary >&2; exit 1", false), ("echo canary", false)] {
        let operators = folder(&kube, &script(says));
        let file = operators.path().join("kubeconfig");
        let answer = ask_with(operators.path(), nodes("kubeconfig"), allowing(&[&file]), Credentials::default(), nothing_around()).await;
        assert_eq!(answer.complete, fine, "{}", error(&answer));
        assert!(!error(&answer).contains("canary"), "{}", error(&answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_kubeconfig_is_lent_in_the_same_way() {
    let Some(kube) = Kube::start() else { return };
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".kube")).unwrap();
    let file = home.path().join(".kube/config");
    std::fs::copy(kube.kubeconfig("admin"), &file).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("server"), "{text}");
    let estate = tempfile::tempdir().unwrap();
    let around = |of: &Path, listed: Option<PathBuf>| {
        let (home, listed) = (of.display().to_string(), listed.map(|path| path.display().to_string()));
        Surroundings::new(
            move |name| match name {
                "HOME" => Some(home.clone()),
                "KUBECONFIG" => listed.clone(),
                _ => None,
            },
            "/nonexistent".into(),
        )
    };
    let nodes = || spec(&[], &[Resource::Node]);
    let refused = ask_with(estate.path(), nodes(), Access::default(), Credentials::default(), around(home.path(), None)).await;
    assert!(error(&refused).contains("--allow-read"), "{}", error(&refused));
    let lent =
        ask_with(estate.path(), nodes(), allowing(&[&kube.kubeconfig("admin")]), Credentials::default(), around(home.path(), Some(kube.kubeconfig("admin"))))
            .await;
    assert!(lent.complete, "{}", error(&lent));
    let none = ask_with(estate.path(), nodes(), Access::default(), Credentials::default(), nothing_around()).await;
    assert!(error(&none).starts_with("there is no kubeconfig"), "{}", error(&none));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_the_service_account_of_the_pod_is_lent_by_naming_its_folder() {
    let Some(kube) = Kube::start() else { return };
    let account = tempfile::tempdir().unwrap();
    std::fs::copy(kube.ca(), account.path().join("ca.crt")).unwrap();
    std::fs::write(account.path().join("token"), kube.token("admin")).unwrap();
    let port = kube.url().rsplit(':').next().unwrap().to_owned();
    let estate = tempfile::tempdir().unwrap();
    let asked = |access: Access, account: PathBuf, port: String| {
        let around = Surroundings::new(
            move |name| match name {
                "KUBERNETES_SERVICE_HOST" => Some("127.0.0.1".to_owned()),
                "KUBERNETES_SERVICE_PORT" => Some(port.clone()),
                _ => None,
            },
            account,
        );
        ask_with(estate.path(), spec(&[], &[Resource::Node]), access, Credentials::default(), around)
    };
    let refused = asked(Access::default(), account.path().to_owned(), port.clone()).await;
    assert!(error(&refused).contains("--allow-read"), "{}", error(&refused));
    let lent = asked(allowing(&[account.path()]), account.path().to_owned(), port).await;
    assert!(lent.complete, "{}", error(&lent));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_addresses_are_connected_to() {
    let Some(kube) = Kube::start() else { return };
    let estate = folder(&kube, "{}");
    let with = || Spec { credentials: Some("prod".into()), ..nodes("kubeconfig") };
    let access = Access { allow_net: vec!["10.0.0.0/8".parse().unwrap()], ..Access::default() };
    let refused = ask_with(estate.path(), with(), access, token(kube.token("admin"), "127.0.0.1"), nothing_around()).await;
    assert!(error(&refused).contains("is not among what --allow-net names"), "{}", error(&refused));
    for (url, said) in [("https://169.254.169.254", "link-local"), ("http://192.0.2.1", "use https"), ("https://user:canary@127.0.0.1", "holds an account")] {
        std::fs::write(estate.path().join("kubeconfig"), kubeconfig(url, "{}")).unwrap();
        let credentials = token(kube.token("admin"), url.rsplit(['/', '@']).next().unwrap());
        let answer = ask_with(estate.path(), with(), Access::default(), credentials, nothing_around()).await;
        assert!(!answer.complete && error(&answer).contains(said) && !error(&answer).contains("canary"), "{}", error(&answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_sent_only_to_a_server_that_proves_itself() {
    let Some(kube) = Kube::start() else { return };
    let estate = folder(&kube, "{}");
    std::fs::write(estate.path().join("ca.pem"), crate::peers::authority::Authority::new().pem).unwrap();
    let spec = Spec { credentials: Some("prod".into()), ..nodes("kubeconfig") };
    let answer = ask_with(estate.path(), spec.clone(), Access::default(), token(kube.token("admin"), "127.0.0.1"), nothing_around()).await;
    assert!(!answer.complete && error(&answer).contains("certificate"), "{}", error(&answer));
    // An estate cannot turn that off.
    let lax = kubeconfig(kube.url(), "{}").replace("certificate-authority: ca.pem", "insecure-skip-tls-verify: true");
    std::fs::write(estate.path().join("kubeconfig"), lax).unwrap();
    let answer = ask_with(estate.path(), spec, Access::default(), token(kube.token("admin"), "127.0.0.1"), nothing_around()).await;
    assert!(!answer.complete && error(&answer).contains("certificate"), "{}", error(&answer));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_kubeconfig_is_told_without_its_content() {
    let Some(kube) = Kube::start() else { return };
    let estate = folder(&kube, "{}");
    for (text, said) in [("canary: [", "is no kubeconfig"), ("users: canary", "is no kubeconfig"), ("{apiVersion: v1, kind: Config}", "has no context")] {
        std::fs::write(estate.path().join("kubeconfig"), text).unwrap();
        let answer = ask_with(estate.path(), nodes("kubeconfig"), Access::default(), Credentials::default(), nothing_around()).await;
        assert!(error(&answer).contains(said) && !error(&answer).contains("canary"), "{}", error(&answer));
    }
    let answer =
        ask_with(estate.path(), Spec { context: Some("other".into()), ..nodes("kubeconfig") }, Access::default(), Credentials::default(), nothing_around())
            .await;
    assert!(!answer.complete);
}
