//! Laws of imports, over estates that nobody would think of.

use std::collections::BTreeSet;

use bowline::api::Text;
use bowline::discovery::{Answer, Discovered};
use bowline::drift::FindingKind;
use bowline::estate::{Estate, Severity, SourceFile, load};
use bowline::import::{Choice, Import, import};
use bowline::plan::plan;
use proptest::prelude::*;

use crate::arbitrary::{answers, turned};
use crate::builders::{answer, now, source};

fn files(priorities: (i32, i32)) -> Vec<SourceFile> {
    let documents = [
        "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: laws}\nspec: {}\n".to_owned(),
        source("a", ""),
        source("b", &format!("priority: {}", priorities.0)),
        source("c", &format!("priority: {}, staleAfter: 30d", priorities.1)),
        "apiVersion: bowline.dev/v1alpha1\nkind: CIClass\nmetadata: {name: hypervisor}\nspec: {extends: server, truth: [{attributes: [memory, os.version], sources: [c, a]}]}\n".to_owned(),
    ];
    vec![SourceFile { path: "estate.yaml".into(), text: documents.join("---\n").into() }]
}

fn estate(files: Vec<SourceFile>) -> Estate {
    load::load(files, None, Vec::new())
}

fn imported(files: &[SourceFile], made: &Import) -> Vec<SourceFile> {
    let new = made.files.iter().map(|file| SourceFile { path: format!("items/{}", file.path).into(), text: file.text.as_str().into() });
    files.iter().cloned().chain(new).collect()
}

/// Whether what an import of this writes checks, is as it was found but for disputes, and is all that there is to import.
fn stands(said: Vec<Answer>, priorities: (i32, i32), choice: &Choice) -> Result<(), TestCaseError> {
    let files = files(priorities);
    let before = estate(files.clone());
    let found = Discovered { answers: said, ..Discovered::default() };
    let made = import(&before, &found, choice, &|_| false, now());

    let whole = imported(&files, &made);
    let after = estate(whole.clone());
    let errors: Vec<_> = after.diagnostics.iter().filter(|problem| problem.severity == Severity::Error).collect();
    prop_assert!(errors.is_empty(), "{errors:#?}");
    prop_assert_eq!(after.items.len(), made.report.items);

    let left: BTreeSet<&Text> = made.report.left_out.iter().map(|left| &left.name).collect();
    for finding in plan(&after, &found, now()).findings {
        match finding.kind {
            FindingKind::Conflict | FindingKind::Duplicate | FindingKind::Ambiguous => {}
            FindingKind::Undeclared if !choice.classes.is_empty() => {}
            FindingKind::Undeclared => prop_assert!(left.contains(&finding.item), "{} is neither imported nor told to be left out", finding.item),
            _ => prop_assert!(false, "{finding:#?}"),
        }
    }

    let again = import(&after, &found, choice, &|path| whole.iter().any(|file| *file.path == format!("items/{path}")), now());
    prop_assert!(again.files.is_empty(), "{:#?}", again.files.iter().map(|file| &file.text).collect::<Vec<_>>());
    Ok(())
}

/// What random worlds have shown to be hard.
#[test]
fn what_tells_new_things_apart_by_what_was_imported_before_does_not_push_that_out() {
    let mac = "attributes: {macAddresses: [\"00:50:56:00:00:01\"]}";
    let dmz = "attributes: {macAddresses: [\"00:50:56:00:00:01\"], network: dmz}";
    let b = [
        &*format!("class: server, key: k-0, name: \"../../etc/passwd\", identifiers: {{serial/number: 1a-1b}}, {mac}, seen: \"2026-01-01T00:00:00Z\""),
        &*format!("class: server, key: k-0, name: \"no\", identifiers: {{vsphere/instance-uuid: 0a-0b}}, {mac}"),
        "class: virtual-machine, key: k-0, name: \"no\", identifiers: {bios/uuid: 5a-5b, serial/number: 0a-0b}",
        &*format!("class: server, key: k-0, name: \"no\", identifiers: {{bios/uuid: 3a-3b, serial/number: 0a-0b}}, {dmz}"),
        "class: virtual-machine, key: k-0, name: \"no\", identifiers: {}",
    ];
    let c = [
        "class: server, key: k-0, name: \"no\", identifiers: {bios/uuid: 3a-3b, serial/number: 2a-2b, vsphere/instance-uuid: 0a-0b}, attributes: {network: dmz}",
        &*format!("class: server, key: k-0, name: 1e3, identifiers: {{bios/uuid: 0a-0b}}, {dmz}"),
    ];
    stands(vec![answer("a", &[]), answer("b", &b), answer("c", &c)], (0, 0), &Choice::default()).unwrap();
    // The same thing twice, as two classes, under one host name.
    let (machine, cluster) = (
        "class: virtual-machine, key: k-0, name: \"no\", identifiers: {dns/fqdn: 4a-4b}",
        "class: cluster, key: k-0, name: \"no\", identifiers: {dns/fqdn: 4a-4b}",
    );
    stands(vec![answer("b", &[&format!("{machine}, {mac}"), cluster])], (0, 0), &Choice::default()).unwrap();
    let lan = "attributes: {macAddresses: [\"00:50:56:00:00:01\"], network: lan}";
    let a = [
        &*format!("class: server, key: k-0, name: \"no\", identifiers: {{vsphere/instance-uuid: 1a-1b}}, {lan}"),
        "class: virtual-machine, key: k-0, name: \"no\", identifiers: {dns/fqdn: 4a-4b, serial/number: 0a-0b}, seen: \"2026-01-01T00:00:00Z\"",
    ];
    let b = [
        &*format!("class: server, key: k-0, name: \"no\", identifiers: {{dns/fqdn: 2a-2b, serial/number: 0a-0b, vsphere/instance-uuid: 1a-1b}}, {lan}"),
        "class: cluster, key: k-0, name: \"no\", identifiers: {dns/fqdn: 2a-2b}",
        "class: virtual-machine, key: k-0, name: \"no\", identifiers: {dns/fqdn: 2a-2b}",
    ];
    stands(vec![answer("a", &a), answer("b", &b), answer("c", &[])], (0, 0), &Choice::default()).unwrap();
}

/// The second file of `server` would be called as the first of `server-2`.
#[test]
fn no_two_new_files_have_one_path() {
    let mut files = files((0, 0));
    let class = "apiVersion: bowline.dev/v1alpha1\nkind: CIClass\nmetadata: {name: server-2}\nspec: {extends: server}\n";
    files.push(SourceFile { path: "class.yaml".into(), text: class.into() });
    let one =
        |class: &str, number: usize| format!("class: {class}, key: k-{class}-{number}, name: {class}-{number}, identifiers: {{asset/tag: {class}-{number}}}");
    let said: Vec<String> = (0..201).map(|number| one("server", number)).chain([one("server-2", 0)]).collect();
    let said = answer("a", &said.iter().map(String::as_str).collect::<Vec<_>>());
    let made = import(&estate(files), &Discovered { answers: vec![said], ..Discovered::default() }, &Choice::default(), &|_| false, now());
    let paths: Vec<&str> = made.files.iter().map(|file| &*file.path).collect();
    assert_eq!((paths, made.report.items), (vec!["server-2-2.yaml", "server-2.yaml", "server.yaml"], 202), "{:?}", made.report.left_out);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, max_shrink_iters: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_found_the_estate_that_is_written_checks_and_its_plan_shows_only_disputes(said in answers(), priorities in (0..2_i32, 0..2_i32)) {
        stands(said, priorities, &Choice::default())?;
    }

    #[test]
    fn so_does_a_part_of_it(said in answers(), class in prop::sample::select(vec!["server", "virtual-machine", "cluster"]), source in prop::sample::select(vec!["a", "b"])) {
        stands(said, (0, 1), &Choice { classes: vec![class.into()], sources: vec![source.into()], ..Choice::default() })?;
    }

    #[test]
    fn the_order_of_what_is_said_changes_nothing(said in answers(), seed in 0..6_usize) {
        let before = estate(files((0, 1)));
        let found = Discovered { answers: said.clone(), ..Discovered::default() };
        let other = Discovered { answers: turned(&said, seed), ..Discovered::default() };
        let text = |found: &Discovered| import(&before, found, &Choice::default(), &|_| false, now()).files.into_iter().map(|file| file.text).collect::<Vec<_>>();
        prop_assert_eq!(text(&found), text(&other));
    }
}
