//! Runs that are killed, each in a process of its own, and the run after.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bowline::change::Change;
use bowline::forge::life::Standing;
use bowline::forge::local::{Hook, Local};
use bowline::forge::{Forge, State};

use crate::repo::*;

/// What a killed run did, and what the run after it does.
fn stage(name: &str, folder: &Path, hook: Option<Hook>) {
    let mut forge = Local::new("harbour", folder).unwrap();
    if let Some(hook) = hook {
        forge = forge.with_hook(hook);
    }
    let extra = |text| change("other", "items/new.yaml", text);
    let settled = |wanted: &[Change]| assert_eq!(settled(&forge, wanted, 5).unwrap().failed, []);
    match name {
        "open" | "recover" => settled(&[memory("8Gi"), extra("a: 1\n")]),
        "rewrite" => settled(&[memory("4Gi"), extra("a: 2\n")]),
        "close" => settled(&[extra("a: 3\n")]),
        "approve" => drop(wait(forge.approve("db-memory", Some(&ada()), at(5))).unwrap()),
        "reject" => wait(forge.reject("db-memory", Some(&ada()), Some("no"), at(5))).unwrap(),
        _ => panic!("{name}"),
    }
}

/// Not a test of its own: the process that the next ones kill.
#[test]
#[ignore = "run by the tests below"]
fn child() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let crash: usize = variable("CRASH_AT").parse().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let hook = move |_: &str| {
        if counted.fetch_add(1, Ordering::SeqCst) + 1 == crash {
            std::process::abort();
        }
    };
    stage(&variable("STAGE"), Path::new(&variable("FOLDER")), Some(Arc::new(hook)));
    println!("steps={}", count.load(Ordering::SeqCst));
}

/// Runs a stage in a process of its own, killed at this step (0: not at all). Returns how many steps it took, if it ended.
fn in_child(repo: &Repo, name: &str, crash: usize) -> Option<usize> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .env("STAGE", name)
        .env("FOLDER", &repo.folder)
        .env("CRASH_AT", crash.to_string())
        .output()
        .unwrap();
    assert_eq!(output.status.success(), crash == 0, "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.split("steps=").nth(1)?.trim().parse().ok())
}

fn prepare(name: &str) -> Repo {
    let repo = Repo::new();
    if name != "open" {
        repo.settle(&[memory("8Gi"), change("other", "items/new.yaml", "a: 1\n")], 0);
    }
    if name == "recover" {
        repo.git(&["merge", "-q", "--no-ff", "-m", "by hand", "bowline/db-memory"]);
        repo.git(&["branch", "-q", "-D", "bowline/other"]);
    }
    repo
}

/// Kills a run at every step it takes, and runs it again: every ref points to the same commit as after a run that was not
/// killed, and every file is the same. Commits hold their time and parents, so nothing was made twice.
fn kill_everywhere(name: &str, at_least: usize) {
    let end = |repo: &Repo| (repo.refs(), repo.status(), repo.read("items/db.yaml"), repo.folder.join("changes/db-memory.yaml").exists());
    let template = prepare(name);
    let whole = template.copy();
    let steps = in_child(&whole, name, 0).unwrap();
    assert!(steps >= at_least, "{steps} steps");
    let expected = end(&whole);
    for crash in 1..=steps {
        let repo = template.copy();
        in_child(&repo, name, crash);
        stage(name, &repo.folder, None);
        assert_eq!(end(&repo), expected, "killed at step {crash} of {steps}");
        repo.check();
    }
}

#[test]
fn opening_can_be_killed_at_any_step_and_run_again() {
    kill_everywhere("open", 8);
}

#[test]
fn rewriting_can_be_killed_at_any_step_and_run_again() {
    kill_everywhere("rewrite", 8);
}

#[test]
fn closing_can_be_killed_at_any_step_and_run_again() {
    kill_everywhere("close", 8);
}

#[test]
fn writing_down_what_people_did_by_hand_can_be_killed_at_any_step_and_run_again() {
    kill_everywhere("recover", 4);
}

#[test]
fn approving_can_be_killed_at_any_step_and_run_again() {
    kill_everywhere("approve", 7);
}

#[test]
fn rejecting_can_be_killed_at_any_step_and_run_again() {
    kill_everywhere("reject", 4);
}

#[test]
fn an_interrupted_request_is_told_and_the_next_pass_completes_it() {
    let repo = Repo::new();
    in_child(&repo, "open", 2);
    let listing = repo.forge().requests().unwrap();
    assert!(listing.problems[0].message.contains("cut short"), "{listing:?}");
    repo.settle(&[memory("8Gi"), change("other", "items/new.yaml", "a: 1\n")], 6);
    assert_eq!(repo.forge().requests().unwrap().problems, []);
}

#[test]
fn a_lock_that_a_killed_run_left_is_removed_and_one_that_is_somebody_elses_is_not() {
    let repo = Repo::new();
    let locks = [".git/refs/heads/bowline/db-memory.lock", ".git/refs/bowline/requests/db-memory.lock"].map(|path| repo.folder.join(path));
    in_child(&repo, "open", 2);
    for lock in &locks {
        fs::create_dir_all(lock.parent().unwrap()).unwrap();
        fs::write(lock, "").unwrap();
    }
    let wanted = [memory("8Gi"), change("other", "items/new.yaml", "a: 1\n")];
    assert_eq!(repo.settle(&wanted, 6).failed, []);
    assert!(locks.iter().all(|lock| !lock.exists()));

    // No run was killed since: whose this one is, nobody knows.
    fs::write(&locks[1], "").unwrap();
    let outcome = settled(&repo.forge(), &[memory("4Gi")], 7).unwrap();
    assert!(outcome.failed.iter().any(|failed| failed.message.contains("locked by another git process")), "{outcome:?}");
    assert!(locks[1].exists());
}

#[test]
fn a_file_that_was_changed_after_an_interrupted_approval_is_left_as_it_is() {
    let repo = prepare("approve");
    // Killed after the base branch has moved and before the files were written.
    in_child(&repo, "approve", 3);
    assert_ne!(repo.status(), "", "the files lag behind");
    repo.write("items/db.yaml", "my own work\n");
    repo.settle(&[memory("8Gi"), change("other", "items/new.yaml", "a: 1\n")], 6);
    assert_eq!(repo.read("items/db.yaml"), "my own work\n");
    assert!(repo.folder.join("changes/db-memory.yaml").exists());
    assert_eq!(repo.forge().request("db-memory").unwrap().state, State::Merged);
}

#[test]
fn files_that_were_written_before_the_index_was_are_in_the_index_after_the_next_run() {
    let repo = prepare("approve");
    // Killed before the files were written; one of them is written as if it had been killed in the middle of it.
    in_child(&repo, "approve", 3);
    repo.write("items/db.yaml", &ITEM.replace("16Gi", "8Gi"));
    repo.settle(&[memory("8Gi"), change("other", "items/new.yaml", "a: 1\n")], 6);
    assert_eq!(repo.status(), "");
}

#[test]
fn an_interrupted_write_is_taken_back_when_a_person_moved_the_branch_in_between() {
    let repo = prepare("rewrite");
    in_child(&repo, "rewrite", 2);
    let theirs = commit_to_branch(&repo);
    let outcome = repo.settle(&[memory("4Gi"), change("other", "items/new.yaml", "a: 2\n")], 6);
    assert_eq!(standing(&outcome), &Standing::HandsOff);
    assert_eq!(repo.git(&["rev-parse", "bowline/db-memory"]), theirs);
}
