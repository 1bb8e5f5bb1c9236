//! The controller with a real forge: pull requests on Gitea, Secrets for it, and an estate that is kept there.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::peers::gitea::Gitea;
use crate::site::{Site, condition, inventory, item, said, shop, tail, until};

/// A namespace and a repository, with the Secret that leads from one to the other.
struct Both {
    site: Site,
    gitea: Gitea,
    repository: String,
}

impl Both {
    fn start(files: &[(&str, &str)]) -> Option<Self> {
        let (site, gitea) = (Site::start()?, Gitea::start()?);
        let repository = gitea.create_repository(&site.namespace, files);
        Some(Self { site, gitea, repository })
    }

    fn secret(&self) {
        let token = base64::engine::general_purpose::STANDARD.encode(self.gitea.token());
        let user = base64::engine::general_purpose::STANDARD.encode(self.gitea.user());
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"token": token, "username": user},
            "metadata": {"name": "forge", "labels": {"bowline.dev/credential": "true"}, "annotations": {"bowline.dev/hosts": "127.0.0.1"}}});
        self.site.apply(&secret.to_string());
    }

    fn forge(&self) -> String {
        format!("forge: {{gitea: {{url: \"{}\", repository: {}, credentials: forge}}}}", self.gitea.url(), self.repository)
    }

    fn pulls(&self, state: &str) -> Vec<Value> {
        let (_, pulls) = self.gitea.api("GET", &format!("/repos/{}/pulls?state={state}", self.repository), None);
        pulls.as_array().cloned().unwrap_or_default()
    }
}

#[test]
fn objects_that_differ_become_a_pull_request_and_its_life_is_mirrored() {
    let Some(both) = Both::start(&[]) else { return };
    let site = &both.site;
    both.secret();
    site.file("inventory.json", &inventory(&[("web-01", "8Gi")]));
    site.apply(&(shop().replace("interval: 5m", &both.forge()) + &item("web-01", "16Gi", "Adopt")));
    site.run();
    let estate = site.settled("shop");
    assert_eq!(said(&estate, "Ready"), "True/Reconciled", "{:#}\n{}", estate["status"], tail(&site.log()));
    assert_eq!(estate["status"]["openChanges"], 1);
    let pulls = both.pulls("open");
    assert_eq!(pulls.len(), 1, "{pulls:?}");
    let change = site.objects("changerequests").remove(0);
    let key = change["metadata"]["name"].as_str().unwrap();
    assert_eq!(change["status"], json!({"phase": "Proposed", "url": pulls[0]["html_url"]}));
    let command = change["spec"]["actions"][0]["instructions"].as_str().unwrap();
    assert_eq!(
        command,
        format!(r#"kubectl -n {} patch configurationitem web-01 --type merge -p '{{"spec":{{"attributes":{{"memory":"8Gi"}}}}}}'"#, site.namespace)
    );
    let (_, files) = both.gitea.api("GET", &format!("/repos/{}/pulls/{}/files", both.repository, pulls[0]["number"]), None);
    let names: Vec<&str> = files.as_array().unwrap().iter().map(|file| file["filename"].as_str().unwrap()).collect();
    assert_eq!(names, [format!("changes/{key}.yaml")], "objects are no files");

    // The board merges, then the command is run: the drift is gone and the change is done.
    let merged = both.gitea.api("POST", &format!("/repos/{}/pulls/{}/merge", both.repository, pulls[0]["number"]), Some(&json!({"Do": "merge"})));
    assert_eq!(merged.0, 200, "{}", merged.1);
    site.pass("shop", "merged");
    assert_eq!(site.object("changerequests", key)["status"]["phase"], "Approved");
    let done = std::process::Command::new("sh").arg("-c").arg(command).env("KUBECONFIG", site.kube.kubeconfig("admin")).env("PATH", path()).status().unwrap();
    assert!(done.success());
    site.until_status("configurationitems", "web-01", |status| condition(status, "InSync")["status"] == "True");
    until("the end of the change", || {
        let change = site.object("changerequests", key);
        (change.is_null() || change["status"]["phase"] == "Closed").then_some(())
    });
    assert_eq!(both.pulls("all").len(), 1, "nothing was opened twice");
    let log = site.log() + &site.events("shop").iter().map(ToString::to_string).collect::<String>();
    assert!(!log.contains(both.gitea.token()), "the token is told");
}

/// The path with kubectl on it.
fn path() -> std::ffi::OsString {
    let binaries = crate::peers::kube::Kube::binaries().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(binaries).chain(std::env::split_paths(&path))).unwrap()
}

#[test]
fn a_secret_that_is_deleted_is_told_and_one_that_is_back_is_used() {
    let Some(both) = Both::start(&[]) else { return };
    let site = &both.site;
    site.file("inventory.json", &inventory(&[("web-01", "8Gi")]));
    site.apply(&(shop().replace("interval: 5m", &both.forge()) + &item("web-01", "16Gi", "Enforce")));
    site.run();
    let without = site.until_status("estates", "shop", |status| condition(status, "Ready")["reason"] == "CredentialUnusable");
    assert!(condition(&without["status"], "Ready")["message"].as_str().unwrap().contains("no Secret `forge`"), "{:#}", without["status"]);
    assert!(both.pulls("all").is_empty());
    both.secret();
    site.pass("shop", "with the secret");
    let with = site.until_status("estates", "shop", |status| condition(status, "Ready")["status"] == "True");
    assert_eq!((both.pulls("open").len(), &with["status"]["openChanges"]), (1, &json!(1)));

    assert_eq!(site.kube.api("DELETE", &format!("/api/v1/namespaces/{}/secrets/forge", site.namespace), None).0, 200);
    site.pass("shop", "without it");
    site.until_status("estates", "shop", |status| condition(status, "Ready")["reason"] == "CredentialUnusable");
    both.secret();
    site.pass("shop", "with it again");
    site.until_status("estates", "shop", |status| condition(status, "Ready")["status"] == "True");
    assert_eq!(both.pulls("all").len(), 1, "the request is the same one");
    let secrets: Vec<String> = site
        .kube
        .audit()
        .iter()
        .filter(|event| event["objectRef"]["resource"] == "secrets" && event["objectRef"]["namespace"] == *site.namespace)
        .filter(|event| !event["userAgent"].as_str().unwrap_or_default().contains("kubectl"))
        .map(|event| event["verb"].as_str().unwrap().to_owned())
        .collect();
    assert!(secrets.iter().all(|verb| matches!(&**verb, "get" | "delete")), "Secrets are never listed or watched: {secrets:?}");
}

#[test]
fn a_secret_that_is_not_for_bowline_is_not_used() {
    let Some(both) = Both::start(&[]) else { return };
    let site = &both.site;
    both.secret();
    site.kube.kubectl(&["label", "-n", &site.namespace, "secret", "forge", "bowline.dev/credential-"]).ok();
    site.file("inventory.json", &inventory(&[("web-01", "8Gi")]));
    site.apply(&(shop().replace("interval: 5m", &both.forge()) + &item("web-01", "16Gi", "Enforce")));
    site.run();
    let estate = site.until_status("estates", "shop", |status| condition(status, "Ready")["reason"] == "CredentialUnusable");
    assert!(estate.to_string().contains("bowline.dev/credential"), "{:#}", estate["status"]);
    assert!(both.pulls("all").is_empty());
}

#[test]
fn an_estate_kept_in_git_is_read_from_there_and_its_requests_are_mirrored() {
    let item = item("web-01", "16Gi", "Adopt");
    let files = [("bowline.yaml", &*shop()), ("items/web.yaml", item.trim_start_matches("---\n")), ("inventory.json", &*inventory(&[("web-01", "8Gi")]))];
    let Some(both) = Both::start(&files) else { return };
    let site = &both.site;
    both.secret();
    let git = format!("git: {{url: \"{}/{}.git\", branch: main, credentials: forge}}", both.gitea.url(), both.repository);
    site.apply(&format!("{{apiVersion: bowline.dev/v1alpha1, kind: Estate, metadata: {{name: harbour}}, spec: {{{git}, {}}}}}", both.forge()));
    site.run();
    let estate = site.settled("harbour");
    assert_eq!(said(&estate, "Ready"), "True/Reconciled", "{:#}\n{}", estate["status"], tail(&site.log()));
    let revision = estate["status"]["lastAppliedRevision"].as_str().unwrap();
    assert_eq!(revision.len(), 40, "{revision}");
    assert_eq!((&estate["status"]["declared"], &estate["status"]["findings"]), (&json!(1), &json!({"Changed": 1})));
    let pulls = both.pulls("open");
    assert_eq!(pulls.len(), 1);
    let (_, files) = both.gitea.api("GET", &format!("/repos/{}/pulls/{}/files", both.repository, pulls[0]["number"]), None);
    assert!(files.as_array().unwrap().iter().any(|file| file["filename"] == "items/web.yaml"), "{files}");
    assert_eq!(site.objects("changerequests")[0]["status"]["url"], pulls[0]["html_url"]);
}

/// Who writes an Estate is not the operator: it must not read what is on the operator's machine (rule 8).
#[test]
fn an_estate_cannot_name_a_repository_on_the_controllers_machine() {
    let Some(site) = Site::start() else { return };
    let path = env!("CARGO_MANIFEST_DIR");
    site.apply(&format!(
        "{{apiVersion: bowline.dev/v1alpha1, kind: Estate, metadata: {{name: harbour}}, spec: {{git: {{url: \"{path}\", path: examples/harbour}}}}}}"
    ));
    site.run();
    let estate = site.until_status("estates", "harbour", |status| condition(status, "Ready")["reason"] == "EstateUnreadable");
    assert!(condition(&estate["status"], "Ready")["message"].as_str().unwrap().contains("outside"), "{:#}", estate["status"]);
    assert_eq!(said(&estate, "Reconciling"), "True/Retrying");
}
