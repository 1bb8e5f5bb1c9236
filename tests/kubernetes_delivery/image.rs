//! The image: what its recipe says, and that what it is made from is all there. Building it needs Docker, which tests do not.

use std::process::{Command, Stdio};

use super::files::{documents, find, path, printed, read};
use crate::peers::skip;

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    let script = Command::new(path("tests/peers/get/hadolint")).stdin(Stdio::null()).output().unwrap();
    if !script.status.success() {
        return skip("hadolint cannot be installed");
    }
    let hadolint = String::from_utf8_lossy(&script.stdout).trim().to_owned();
    let lint = |file: &std::path::Path| Command::new(&hadolint).args(["--failure-threshold", "style"]).arg(file).output().unwrap();
    printed(&lint(&path("Dockerfile")));
    let worse = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(worse.path(), "FROM debian\nRUN apt-get install sudo\n").unwrap();
    assert!(!lint(worse.path()).status.success(), "it can find something");
}

/// The words of the last stage, which is what is built unless another is named.
fn last_stage() -> Vec<String> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let (_, last) = text.rsplit_once("\nFROM ").unwrap();
    last.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn the_image_is_one_program_and_the_authorities_and_no_root() {
    let stage = last_stage();
    assert!(stage[0].starts_with("scratch AS bowline"), "{stage:?}");
    assert!(!stage.iter().any(|line| line.starts_with("RUN")), "nothing can run in it while it is built: {stage:?}");
    assert!(stage.iter().any(|line| line.ends_with("/etc/ssl/certs/ca-certificates.crt")));
    assert!(stage.contains(&r#"ENTRYPOINT ["/usr/local/bin/bowline"]"#.to_owned()));
    let user = stage.iter().find_map(|line| line.strip_prefix("USER ")).unwrap();
    let deployment = documents(&read("manifests/deployment.yaml"));
    let context = &find(&deployment, "Deployment", "bowline")["spec"]["template"]["spec"]["securityContext"];
    assert_eq!(user, format!("{}:{}", context["runAsUser"], context["runAsGroup"]), "the Deployment runs it as the same user");
}

/// What .dockerignore lets through, in a folder of its own, is all that cargo and the program's own sources ask for.
#[test]
fn the_context_of_the_image_is_complete() {
    let place = tempfile::tempdir().unwrap();
    let ignore = read(".dockerignore");
    assert!(ignore.lines().any(|line| line == "*"), "everything is left out that is not let in");
    for kept in ignore.lines().filter_map(|line| line.strip_prefix('!')) {
        std::fs::create_dir_all(place.path().join(kept).parent().unwrap()).unwrap();
        printed(&Command::new("cp").arg("-r").arg(path(kept)).arg(place.path().join(kept)).output().unwrap());
    }
    let asked = Command::new(env!("CARGO")).args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(place.path()).output().unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&printed(&asked)).unwrap();
    for target in metadata["packages"][0]["targets"].as_array().unwrap() {
        assert!(std::path::Path::new(target["src_path"].as_str().unwrap()).exists(), "{target}");
    }
    let mut folders = vec![place.path().join("src")];
    let mut included = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let text = std::fs::read_to_string(&entry).unwrap_or_default();
            for file in text.split("include_str!(").skip(1).filter_map(|rest| rest.strip_prefix('"')?.split('"').next()) {
                assert!(folder.join(file).exists(), "{} includes {file}", entry.display());
                included += 1;
            }
            for beside in text.split("include_str!(concat!(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(folder.join(beside).exists(), "{} includes files of {beside}", entry.display());
                included += 1;
            }
        }
    }
    assert!(included > 4, "{included}");
}
