//! Approving: what is merged, what is refused, and the working tree.

use std::fs;
use std::process::Command;

use bowline::forge::{Approval, Error, Forge, State};
use tempfile::TempDir;

use crate::repo::*;

/// An approval that is refused leaves every ref and every file of the working tree as it was.
fn refused(repo: &Repo) -> Error {
    let before = (repo.refs(), repo.status(), repo.read("items/db.yaml"));
    let error = repo.approve("db-memory", 1).unwrap_err();
    assert_eq!((repo.refs(), repo.status(), repo.read("items/db.yaml")), before);
    assert!(error.hint().is_some(), "{error}");
    error
}

#[test]
fn approving_makes_a_merge_commit_in_the_persons_name_and_brings_the_working_tree_up() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    let (base, head) = (repo.git(&["rev-parse", "main"]), repo.git(&["rev-parse", "bowline/db-memory"]));
    repo.write("untracked.txt", "mine\n");
    let approval = repo.approve("db-memory", 1).unwrap();
    assert_eq!(approval, Approval { commit: Some(repo.git(&["rev-parse", "main"])), branch: "main".into(), left: vec![] });
    assert_eq!(repo.git(&["log", "-1", "--format=%P %an <%ae> %s"]), format!("{base} {head} Ada Board <ada@example.com> Approve: Change db-memory"));
    assert_eq!(repo.status(), "?? untracked.txt");
    assert!(repo.read("items/db.yaml").contains("8Gi"));
    assert!(repo.folder.join("changes/db-memory.yaml").exists());
    assert_eq!(repo.git(&["branch", "--format=%(refname:short)"]), "main");
    repo.check();

    let refs = repo.refs();
    assert_eq!(repo.approve("db-memory", 2).unwrap(), approval, "a second time changes nothing");
    assert_eq!(repo.refs(), refs);
    assert!(matches!(wait(repo.forge().reject("db-memory", None, None, at(3))), Err(Error::NotOpen { state: State::Merged, .. })));
}

#[test]
fn approving_takes_the_users_git_identity_where_none_is_given() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    wait(repo.forge().approve("db-memory", None, at(1))).unwrap();
    assert_eq!(repo.git(&["log", "-1", "--format=%an <%ae>"]), "Uma User <uma@example.com>");
}

#[test]
fn approving_merges_what_a_person_committed_to_the_branch() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    commit_to_branch(&repo);
    repo.approve("db-memory", 1).unwrap();
    assert_eq!(repo.read("theirs.txt"), "by hand\n");
    assert_eq!(repo.status(), "");
}

#[test]
fn approving_into_a_base_that_moved_elsewhere_merges_both() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.write("notes.txt", "two\n");
    repo.commit("elsewhere");
    repo.approve("db-memory", 1).unwrap();
    assert_eq!((repo.read("notes.txt").as_str(), repo.read("items/db.yaml").contains("8Gi"), repo.status().as_str()), ("two\n", true, ""));
}

#[test]
fn approving_is_refused_while_the_working_tree_or_the_index_has_uncommitted_changes() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.write("notes.txt", "in the works\n");
    assert!(matches!(refused(&repo), Error::Dirty { paths } if paths == ["notes.txt"]));
    repo.git(&["add", "notes.txt"]);
    assert!(matches!(refused(&repo), Error::Dirty { paths } if paths == ["notes.txt"]));
}

#[test]
fn approving_is_refused_where_an_untracked_or_ignored_file_stands_in_the_way() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.write("changes/db-memory.yaml", "precious\n");
    assert!(matches!(refused(&repo), Error::InTheWay { paths } if paths == ["changes/db-memory.yaml"]));
    fs::write(repo.folder.join(".git/info/exclude"), "changes/\n").unwrap();
    assert!(matches!(refused(&repo), Error::InTheWay { .. }));
    fs::remove_dir_all(repo.folder.join("changes")).unwrap();
    repo.write("changes", "a file where a folder should be\n");
    assert!(matches!(refused(&repo), Error::InTheWay { .. }));
    assert_eq!(repo.read("changes"), "a file where a folder should be\n");
}

#[cfg(unix)]
#[test]
fn approving_does_not_write_through_a_symbolic_link_out_of_the_repository() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    let outside = TempDir::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), repo.folder.join("changes")).unwrap();
    assert!(matches!(refused(&repo), Error::InTheWay { .. }));
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn approving_is_refused_when_the_base_conflicts_and_the_files_are_named() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.write("items/db.yaml", &ITEM.replace("16Gi", "32Gi"));
    repo.commit("another value");
    assert!(matches!(refused(&repo), Error::Conflicts { paths, .. } if paths == ["items/db.yaml"]));
}

#[test]
fn approving_is_refused_in_the_middle_of_a_merge() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    fs::write(repo.folder.join(".git/MERGE_HEAD"), repo.git(&["rev-parse", "HEAD"]) + "\n").unwrap();
    assert!(matches!(repo.approve("db-memory", 1), Err(Error::Unfinished { .. })));
}

// renovate#38336: what a force push dropped must not come back by merging.
#[test]
fn a_rewritten_base_refuses_the_approval_and_the_next_pass_rebuilds_the_branch() {
    let repo = Repo::new();
    repo.write("secret.txt", "dropped\n");
    repo.commit("second");
    repo.settle(&[memory("8Gi")], 0);
    repo.git(&["reset", "-q", "--hard", "HEAD^"]);
    assert!(matches!(refused(&repo), Error::BaseRewritten { .. }));
    repo.settle(&[memory("8Gi")], 2);
    assert_eq!(repo.git(&["diff", "--name-only", "main", "bowline/db-memory"]), "changes/db-memory.yaml\nitems/db.yaml");
    repo.approve("db-memory", 3).unwrap();
    assert!(!repo.folder.join("secret.txt").exists());
}

#[test]
fn no_hook_is_run() {
    let repo = Repo::new();
    let hooks = repo.folder.parent().unwrap().join("hooks");
    fs::create_dir(&hooks).unwrap();
    for name in [
        "pre-commit",
        "post-commit",
        "commit-msg",
        "prepare-commit-msg",
        "post-checkout",
        "pre-merge-commit",
        "post-merge",
        "reference-transaction",
        "post-index-change",
    ] {
        fs::write(hooks.join(name), format!("#!/bin/sh\ntouch '{}/ran'\nexit 1\n", repo.folder.parent().unwrap().display())).unwrap();
        Command::new("chmod").arg("+x").arg(hooks.join(name)).status().unwrap();
    }
    repo.git(&["config", "core.hooksPath", hooks.to_str().unwrap()]);
    repo.settle(&[memory("8Gi")], 0);
    repo.approve("db-memory", 1).unwrap();
    assert!(!repo.folder.parent().unwrap().join("ran").exists());
}

#[test]
fn a_base_branch_that_another_working_tree_has_checked_out_is_brought_up_there() {
    let repo = Repo::new();
    repo.settle(&[memory("8Gi")], 0);
    repo.git(&["checkout", "-q", "-b", "feature"]);
    let tree = repo.folder.parent().unwrap().join("base");
    let path = tree.to_str().unwrap();
    repo.git(&["worktree", "add", "-q", path, "main"]);
    fs::write(tree.join("notes.txt"), "in the works\n").unwrap();
    assert!(matches!(repo.approve("db-memory", 1), Err(Error::Dirty { .. })));
    repo.git(&["-C", path, "checkout", "-q", "--", "."]);
    repo.approve("db-memory", 2).unwrap();
    assert!(fs::read_to_string(tree.join("items/db.yaml")).unwrap().contains("8Gi"));
    assert_eq!(repo.git(&["-C", path, "status", "--porcelain"]), "");
    assert!(repo.read("items/db.yaml").contains("16Gi"), "the branch feature has not moved");
}
