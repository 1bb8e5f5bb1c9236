//! Where a branch stands, what is written to it, and what is refused.

use std::fs;
use std::process::Command;

use bowline::forge::life::Standing;
use bowline::forge::local::Local;
use bowline::forge::{Error, Forge};
use tempfile::TempDir;

use crate::repo::*;

#[test]
fn a_bare_repository_works_as_well() {
    let clone = Repo::new().bare();
    let base = clone.git(&["rev-parse", "main"]);
    let forge = Local::new("harbour", &clone.folder).unwrap();
    let outcome = settled_on(&forge, &[memory("8Gi")], Some(&base), 0).unwrap();
    assert_eq!(outcome.failed, []);
    wait(forge.approve("db-memory", Some(&ada()), at(1))).unwrap();
    assert!(clone.git(&["show", "main:items/db.yaml"]).contains("8Gi"));
    clone.check();
}

#[test]
fn an_estate_in_a_folder_of_the_repository_edits_below_that_folder_only() {
    let repo = Repo::new();
    repo.write("estates/harbour/items/db.yaml", ITEM);
    repo.commit("a folder");
    let forge = Local::new("harbour", &repo.folder.join("estates/harbour")).unwrap();
    assert_eq!(settled(&forge, &[memory("8Gi")], 0).unwrap().failed, []);
    assert_eq!(repo.git(&["diff", "--name-only", "main", "bowline/db-memory"]), "estates/harbour/changes/db-memory.yaml\nestates/harbour/items/db.yaml");
}

#[test]
fn two_estates_in_one_repository_do_not_see_each_others_requests() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    let other = Local::new("quay", &repo.folder).unwrap();
    assert_eq!(settled(&other, &[], 1).unwrap().done, []);
    assert_eq!(other.requests().unwrap().requests, []);
    let outcome = settled(&other, &[memory("8Gi")], 2).unwrap();
    assert!(outcome.failed[0].message.contains("`harbour`"), "{outcome:?}");
    assert_eq!(standing(&repo.settle(&[memory("8Gi")], 3)), &Standing::Proposed);
}

#[test]
fn a_file_that_git_checks_out_with_crlf_differs_in_the_edited_line_only() {
    let repo = Repo::new();
    repo.git(&["config", "core.autocrlf", "true"]);
    fs::remove_file(repo.folder.join("items/db.yaml")).unwrap();
    repo.git(&["checkout", "-q", "--", "."]);
    let text = repo.read("items/db.yaml");
    assert!(text.contains("\r\n"));
    repo.settle(&[change("db-memory", "items/db.yaml", &text.replace("16Gi", "8Gi"))], 0);
    assert_eq!(repo.git(&["diff", "--numstat", "main", "bowline/db-memory", "--", "items"]), "1\t1\titems/db.yaml");
    repo.approve("db-memory", 1).unwrap();
    assert_eq!(repo.read("items/db.yaml"), text.replace("16Gi", "8Gi"));
    assert_eq!(repo.status(), "");
}

#[test]
fn a_file_stored_with_crlf_keeps_it() {
    let repo = Repo::new();
    let text = ITEM.replace('\n', "\r\n");
    repo.write("items/db.yaml", &text);
    repo.commit("crlf");
    repo.settle(&[change("db-memory", "items/db.yaml", &text.replace("16Gi", "8Gi"))], 0);
    assert_eq!(repo.git(&["diff", "--numstat", "main", "bowline/db-memory", "--", "items"]), "1\t1\titems/db.yaml");
}

#[cfg(unix)]
#[test]
fn an_edited_file_keeps_its_mode() {
    let repo = Repo::new();
    Command::new("chmod").arg("+x").arg(repo.folder.join("items/db.yaml")).status().unwrap();
    repo.commit("executable");
    repo.settle(&[memory("8Gi")], 0);
    assert!(repo.git(&["ls-tree", "bowline/db-memory", "items/db.yaml"]).starts_with("100755"));
}

#[test]
fn uncommitted_work_in_an_edited_file_never_ends_up_on_the_branch() {
    let repo = Repo::new();
    repo.write("items/db.yaml", &format!("{ITEM}# in the works\n"));
    let outcome = settled(&repo.forge(), &[memory("8Gi"), change("other", "items/new.yaml", "a: 1\n")], 0).unwrap();
    assert_eq!(outcome.failed.len(), 1);
    assert!(outcome.failed[0].message.contains("items/db.yaml"), "{outcome:?}");
    assert_eq!(repo.git(&["branch", "--format=%(refname:short)"]), "bowline/other\nmain", "the other change is proposed all the same");
}

#[test]
fn a_branch_stands_on_the_commit_from_which_the_estate_was_read() {
    let repo = Repo::new();
    let read = repo.git(&["rev-parse", "HEAD"]);
    repo.write("items/db.yaml", &format!("# meanwhile\n{ITEM}"));
    repo.commit("meanwhile");
    settled_on(&repo.forge(), &[memory("8Gi")], Some(&read), 0).unwrap();
    assert_eq!(repo.git(&["rev-parse", "bowline/db-memory^"]), read);
    repo.approve("db-memory", 1).unwrap();
    assert!(repo.read("items/db.yaml").starts_with("# meanwhile\n"), "nobody's commit is undone");
    let foreign = settled_on(&repo.forge(), &[change("x", "x", "x")], Some(&"1".repeat(40)), 2).unwrap();
    assert!(foreign.failed[0].message.contains("not on the branch"), "{foreign:?}");
}

#[test]
fn paths_and_keys_that_lead_elsewhere_are_refused() {
    let repo = Repo::new();
    for path in ["../out.yaml", "/etc/passwd", ".git/config", "items/.GIT/x", "", "a//b", "./a", "items/", "a\\b", "items/db.yaml/below"] {
        let outcome = settled(&repo.forge(), &[change("bad", path, "x")], 0).unwrap();
        assert!(outcome.failed[0].message.contains("cannot write"), "{path}: {outcome:?}");
    }
    for key in ["", "A", "a/b", "a..b", "-a", "ä", &"a".repeat(201)] {
        let outcome = settled(&repo.forge(), &[change(key, "x.yaml", "x")], 0).unwrap();
        assert_eq!(outcome.failed.len(), 1, "{key}: {outcome:?}");
    }
    assert_eq!(repo.git(&["branch", "--format=%(refname:short)"]), "main");
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_not_replaced_by_a_file() {
    let repo = Repo::new();
    std::os::unix::fs::symlink("db.yaml", repo.folder.join("items/link.yaml")).unwrap();
    std::os::unix::fs::symlink("items", repo.folder.join("linked")).unwrap();
    repo.commit("links");
    for path in ["items/link.yaml", "linked/db.yaml"] {
        let outcome = settled(&repo.forge(), &[change("link", path, "x")], 0).unwrap();
        assert!(outcome.failed[0].message.contains("symbolic link"), "{outcome:?}");
    }
}

#[test]
fn a_branch_that_bowline_did_not_make_is_not_taken_over() {
    let repo = Repo::new();
    repo.git(&["checkout", "-q", "-b", "bowline/db-memory"]);
    repo.write("mine.txt", "mine\n");
    let mine = repo.commit("mine");
    repo.git(&["checkout", "-q", "main"]);
    let outcome = settled(&repo.forge(), &[memory("8Gi")], 0).unwrap();
    assert!(outcome.failed[0].message.contains("did not make it"), "{outcome:?}");
    assert_eq!(repo.git(&["rev-parse", "bowline/db-memory"]), mine);
    repo.git(&["branch", "-m", "bowline/db-memory", "bowline"]);
    let outcome = settled(&repo.forge(), &[memory("8Gi")], 0).unwrap();
    assert!(outcome.failed[0].message.contains("`bowline`"), "{outcome:?}");
}

#[test]
fn a_damaged_record_is_an_error_on_that_request_only() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi"), change("other", "items/new.yaml", "a: 1\n")], 0);
    repo.git(&["update-ref", "refs/bowline/requests/db-memory", "main"]);
    let outcome = repo.settle(&[memory("4Gi"), change("other", "items/new.yaml", "a: 2\n")], 1);
    assert!(matches!(standing(&outcome), Standing::Unreadable { .. }));
    assert_eq!(outcome.done.len(), 1);
}

#[test]
fn every_wrong_place_is_a_clear_error_that_says_what_to_do() {
    let folder = TempDir::new().unwrap();
    let error = Local::new("harbour", folder.path()).unwrap_err();
    assert!(error.hint().unwrap().contains("git init"), "{error}");

    let error_of = |repo: &Repo| settled(&repo.forge(), &[memory("8Gi")], 0).unwrap_err();
    let repo = Repo::empty();
    assert!(matches!(error_of(&repo), Error::NoCommits { branch } if branch == "main"));

    let repo = Repo::new();
    repo.git(&["checkout", "-q", "--detach"]);
    assert!(matches!(error_of(&repo), Error::Detached));
    repo.git(&["checkout", "-q", "-b", "bowline/look"]);
    assert!(matches!(error_of(&repo), Error::OnRequestBranch { .. }));
}

#[test]
fn requests_for_another_branch_are_not_rewritten_for_this_one_but_follow_a_rename() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.git(&["checkout", "-q", "-b", "feature"]);
    assert!(matches!(settled(&repo.forge(), &[memory("4Gi")], 1), Err(Error::OtherBase { .. })));
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["branch", "-q", "-D", "feature"]);
    repo.git(&["branch", "-m", "main", "trunk"]);
    repo.settle(&[memory("4Gi")], 2);
    assert_eq!(repo.approve("db-memory", 3).unwrap().branch, "trunk");
    assert!(repo.read("items/db.yaml").contains("4Gi"));
}

#[test]
fn an_estate_in_a_linked_working_tree_proposes_to_the_branch_of_that_tree() {
    let repo = Repo::new();
    let tree = repo.folder.parent().unwrap().join("tree");
    repo.git(&["worktree", "add", "-q", "-b", "trunk", tree.to_str().unwrap()]);
    let forge = Local::new("harbour", &tree).unwrap();
    assert_eq!(settled(&forge, &[memory("8Gi")], 0).unwrap().failed, []);
    assert_eq!(wait(forge.approve("db-memory", Some(&ada()), at(1))).unwrap().branch, "trunk");
    assert!(fs::read_to_string(tree.join("items/db.yaml")).unwrap().contains("8Gi"));
    assert_eq!((repo.status(), repo.read("items/db.yaml").as_str()), (String::new(), ITEM));
}
