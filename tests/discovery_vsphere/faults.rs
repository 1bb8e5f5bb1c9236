//! What a vCenter does in the middle, and what may be concluded from the answer then.

use std::collections::BTreeSet;

use bowline::discovery::Answer;
use serde_json::json;

use crate::asking::{ask, ask_with, complete, incomplete, of_class, reach, root};
use crate::peers::vcsim::Vcsim;

fn machines(answer: &Answer) -> Vec<&str> {
    of_class(answer, "virtual-machine").iter().map(|item| &*item.name).collect()
}

#[test]
fn a_session_that_ends_in_the_middle_is_begun_anew_and_so_is_the_pass() {
    let Some(vcsim) = Vcsim::start(600) else { return };
    for (method, skip) in [("CreateContainerView", 0), ("RetrievePropertiesEx", 0), ("ContinueRetrievePropertiesEx", 0), ("ContinueRetrievePropertiesEx", 1)] {
        vcsim.calls();
        vcsim.expire_at(method, skip);
        let answer = ask(&vcsim);
        complete(&answer);
        let found: BTreeSet<&str> = machines(&answer).into_iter().collect();
        assert_eq!((found.len(), machines(&answer).len()), (600, 600), "{method}: each once");
        let calls = vcsim.calls();
        assert_eq!(calls.iter().filter(|call| *call == "Login").count(), 2, "{method}: {calls:?}");
        assert_eq!((calls.last().map(String::as_str), vcsim.sessions()), (Some("Logout"), 0));
    }
}

#[test]
fn a_session_that_ends_again_makes_the_answer_incomplete() {
    let Some(vcsim) = Vcsim::start(300) else { return };
    vcsim.expire_at("ContinueRetrievePropertiesEx", 0);
    vcsim.expire_at("ContinueRetrievePropertiesEx", 1);
    let answer = ask(&vcsim);
    incomplete(&answer, &["the session ended", "twice"]);
    assert_eq!(vcsim.calls().iter().filter(|call| *call == "Login").count(), 2);
}

#[test]
fn machines_that_end_in_the_middle_are_gone_and_the_answer_is_complete() {
    let Some(vcsim) = Vcsim::start(30) else { return };
    // The view shows them, the reading no longer finds them.
    vcsim.rule(&json!({"method": "RetrievePropertiesEx", "do": "destroy", "objects": "*_VM1?"}));
    let answer = ask(&vcsim);
    complete(&answer);
    assert_eq!(machines(&answer).len(), 20);
    // They end while their properties are read.
    vcsim.rule(&json!({"method": "RetrievePropertiesEx", "do": "missing", "objects": "*_VM2?"}));
    let answer = ask(&vcsim);
    complete(&answer);
    assert_eq!(machines(&answer).len(), 10);
}

#[test]
fn a_property_that_may_not_be_read_makes_the_answer_incomplete_and_what_is_known_stays() {
    let Some(vcsim) = Vcsim::start(3) else { return };
    vcsim.rule(&json!({"method": "RetrievePropertiesEx", "do": "refuse", "objects": "*_VM1", "property": "config.instanceUuid"}));
    let answer = ask(&vcsim);
    incomplete(&answer, &["1 property of 1 object may not be read", "`config.instanceUuid` of VirtualMachine vm-", "Read-only", "NoPermission"]);
    assert_eq!(machines(&answer).len(), 3);
    assert!(!crate::asking::named(&answer, "DC0_C0_RP0_VM1").identifiers.contains("vsphere/instance-uuid"));
}

#[test]
fn machines_that_the_account_may_not_see_make_the_answer_incomplete() {
    let Some(vcsim) = Vcsim::start(5) else { return };
    vcsim.rule(&json!({"method": "RetrievePropertiesEx", "do": "hide", "objects": "*_VM[34]"}));
    let answer = ask(&vcsim);
    incomplete(&answer, &["of 2 objects may not be read", "NoPermission"]);
    let calls = vcsim.calls();
    assert_eq!(calls.iter().filter(|call| *call == "RetrievePropertiesEx").count(), 2, "both in one call: {calls:?}");
}

#[test]
fn a_machine_that_is_made_while_others_are_read_is_read_with_them() {
    let Some(vcsim) = Vcsim::start(3) else { return };
    // No view shows it, and a host names it: here it may be read.
    vcsim.rule(&json!({"method": "RetrievePropertiesEx", "do": "late", "objects": "*_VM2"}));
    let answer = ask(&vcsim);
    complete(&answer);
    assert_eq!(machines(&answer).len(), 3);
}

#[test]
fn a_server_that_is_not_ready_is_asked_again() {
    let Some(vcsim) = Vcsim::start(1) else { return };
    vcsim.rule(&json!({"method": "Login", "do": "status", "status": 503}));
    complete(&ask(&vcsim));
    for skip in 0..3 {
        vcsim.rule(&json!({"method": "RetrieveServiceContent", "skip": skip, "do": "status", "status": 503}));
    }
    let answer = ask(&vcsim);
    incomplete(&answer, &["the server fails (503)"]);
    assert!(answer.items.is_empty());
}

#[test]
fn what_was_read_when_the_time_is_over_stays() {
    let Some(vcsim) = Vcsim::start(300) else { return };
    vcsim.rule(&json!({"method": "ContinueRetrievePropertiesEx", "do": "stall", "milliseconds": 30_000}));
    let root = root(&vcsim);
    let begun = std::time::Instant::now();
    let answer = ask_with(&format!("vsphere: {{url: '{}', credentials: vcenter, ca: ca.pem}}\ntimeout: 20s", vcsim.url), &reach(root.path()));
    incomplete(&answer, &["the time of the source is over"]);
    assert!(begun.elapsed().as_secs() < 20 && !answer.items.is_empty() && machines(&answer).len() < 300, "{}", answer.items.len());
    assert_eq!(vcsim.calls().last().map(String::as_str), Some("Logout"));
}

#[test]
fn an_answer_that_is_no_vcenter_s_is_told_as_such() {
    let player = crate::peers::player::Player::start(|_, _| crate::peers::player::answer(200, &[], "<html>Welcome</html>"));
    let root = tempfile::tempdir().unwrap();
    let credentials = crate::asking::account(&["127.0.0.1"], "x-secret-x");
    let reach = reach(root.path()).with_credentials(std::sync::Arc::new(credentials));
    let answer = ask_with(&format!("vsphere: {{url: '{}', credentials: vcenter}}", player.url()), &reach);
    incomplete(&answer, &["no vCenter"]);
    assert!(player.asked().iter().all(|asked| !String::from_utf8_lossy(&asked.body).contains("x-secret-x")), "nobody logs in there");
}
