//! What a change board reads, as Gitea shows it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod peers;

use peers::gitea::Gitea;

#[test]
fn gitea_starts() {
    let begun = std::time::Instant::now();
    let Some(gitea) = Gitea::start() else { return };
    println!("start {:?}", begun.elapsed());
    let repository = gitea.create_repository("first", &[("README.md", "# x\n"), ("a/b.yaml", "x: 1\n")]);
    let token = gitea.second_user("ann");
    println!("{:?}", gitea.api_as(&token, "GET", "/user", None));
    println!("{}", gitea.markdown(&repository, "hello @ann &#64;ann `@ann`"));
    assert!(gitea.page(&format!("/{repository}")).contains("b.yaml") || gitea.page(&format!("/{repository}")).contains("a/"));
    println!("{:?}", begun.elapsed());
}
