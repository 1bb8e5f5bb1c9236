//! Every answer that a forge can fail with: one clear condition, no twin, no lost work, and the next pass completes it.

use std::time::Duration;

use bowline::forge::State;
use bowline::forge::hosted::Patience;

use crate::peers::proxy::{Rule, Spoil};
use crate::site::*;

const HTML: &str = "<!doctype html><title>Log in</title>";
const AS_HTML: &str = "Content-Type: text/html\r\n";
const MESSAGE: &str = r#"{"message": "no, says the forge"}"#;
const SOON: &str = "Content-Type: application/json\r\nRetry-After: 1\r\n";
const LATER: &str = "Content-Type: application/json\r\nRetry-After: 3600\r\n";
const USED_UP: &str = "Content-Type: application/json\r\nx-ratelimit-limit: 5000\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 4102444800\r\n";

const STALLED: Spoil = Spoil::StallAfter(Duration::from_secs(6));

/// A fault that lasts, and what the person who reads the outcome must be told.
fn lasting() -> Vec<(&'static str, Spoil, &'static str)> {
    vec![
        ("401", Spoil::Instead(401, "", MESSAGE), "does not accept the credential"),
        ("403, not allowed", Spoil::Instead(403, "", MESSAGE), "does not allow"),
        ("403, limit used up", Spoil::Instead(403, USED_UP, MESSAGE), "takes no more requests until"),
        ("404", Spoil::Instead(404, "", MESSAGE), "has no"),
        ("409", Spoil::Instead(409, "", MESSAGE), "(409)"),
        ("422", Spoil::Instead(422, "", MESSAGE), "(422)"),
        ("429, for an hour", Spoil::Instead(429, LATER, MESSAGE), "takes no more requests until"),
        ("429, without saying how long", Spoil::Instead(429, "", MESSAGE), "takes no more requests until"),
        ("500", Spoil::Instead(500, "", MESSAGE), "could not be asked"),
        ("502 after the work", Spoil::After(502, AS_HTML, HTML), "could not be asked"),
        ("cut before the work", Spoil::CutBefore, "could not be asked"),
        ("cut after the work", Spoil::CutAfter, "could not be asked"),
        ("stalled after the work", STALLED, "could not be asked"),
        ("HTML", Spoil::Instead(200, AS_HTML, HTML), "does not answer as"),
    ]
}

/// Less than a stalled answer takes, and more than any other on a busy machine.
fn hasty() -> Patience {
    Patience { timeout: Duration::from_secs(4), tries: 2, ..patience() }
}

fn one_condition(site: &Site, rule: Rule) -> String {
    site.proxy.as_ref().unwrap().spoil(rule);
    let wanted = [memory(site, "8Gi")];
    let told = match site.try_settle_with(&wanted, 1, &std::collections::BTreeSet::default(), hasty()) {
        Err(error) => {
            let _ = error.hint();
            error.to_string()
        }
        Ok(outcome) => outcome.failed.iter().map(|failed| failed.message.clone()).collect::<Vec<_>>().join(" AND "),
    };
    site.proxy.as_ref().unwrap().heal();
    told
}

/// The fault at this request: told in one clear sentence; afterwards all is as it should be.
fn every_fault(kind: Kind, method: &'static str, path: &'static str) {
    for (name, spoil, expected) in lasting() {
        let Some(site) = Site::new(kind) else { return };
        let told = one_condition(&site, Rule { method, path, skip: 0, times: usize::MAX, spoil: spoil.clone() });
        let at = format!("{kind:?}, {method} {path}, {name}: {told:?}");
        // What was made though its answer got lost is found, so there is nothing to tell.
        let found = method == "POST" && matches!(spoil, Spoil::After(..) | Spoil::CutAfter | Spoil::StallAfter(_));
        assert!(if found { told.is_empty() } else { told.contains(expected) }, "{at}");
        assert!(!told.contains(" AND ") && !told.contains('\n') && !told.contains("<title>"), "{at}");

        let wanted = [memory(&site, "8Gi")];
        site.settle(&wanted, 2);
        assert_eq!(site.settle(&wanted, 3).done, [], "{at}");
        assert_eq!((site.pulls().len(), site.request("db-memory").state), (1, State::Open), "{at}");
    }
}

/// A fault that passes: nobody is told anything.
fn passing_faults(kind: Kind, method: &'static str, path: &'static str) {
    for spoil in [
        Spoil::Instead(429, SOON, MESSAGE),
        Spoil::Instead(403, SOON, r#"{"message": "You have exceeded a secondary rate limit."}"#),
        Spoil::Instead(503, "", MESSAGE),
        Spoil::After(502, AS_HTML, HTML),
        Spoil::CutBefore,
        Spoil::CutAfter,
        STALLED,
    ] {
        let Some(site) = Site::new(kind) else { return };
        let at = format!("{kind:?}, {method} {path}, {spoil:?}");
        let told = one_condition(&site, Rule { method, path, skip: 0, times: 1, spoil });
        assert_eq!(told, "", "{at}");
        assert_eq!(site.settle(&[memory(&site, "8Gi")], 2).done, [], "{at}");
        assert_eq!((site.pulls().len(), site.request("db-memory").state), (1, State::Open), "{at}");
    }
}

macro_rules! faults {
    ($($name:ident: $what:ident $kind:ident $method:literal $path:literal;)+) => { $(
        #[test]
        fn $name() {
            $what(Kind::$kind, $method, $path);
        }
    )+ };
}

faults! {
    every_fault_of_gitea_s_list: every_fault Gitea "GET" "/pulls?";
    every_fault_of_gitea_while_a_pull_request_is_made: every_fault Gitea "POST" "/pulls";
    every_fault_of_github_s_list: every_fault GitHub "GET" "/pulls?";
    every_fault_of_github_while_a_pull_request_is_made: every_fault GitHub "POST" "/pulls";
    faults_of_gitea_that_pass_while_a_pull_request_is_made: passing_faults Gitea "POST" "/pulls";
    faults_of_gitea_s_list_that_pass: passing_faults Gitea "GET" "/pulls?";
    faults_of_github_that_pass_while_a_pull_request_is_made: passing_faults GitHub "POST" "/pulls";
    faults_of_github_that_pass_while_a_commit_is_made: passing_faults GitHub "POST" "/git/commits";
    faults_of_github_s_list_that_pass: passing_faults GitHub "GET" "/pulls?";
}
