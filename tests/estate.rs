//! Reading an estate from a folder: which files, in which order, and what comes out.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

use bowline::api::{Table, Text, Value};
use bowline::discovery::{Answer, Discovered, Observation};
use bowline::estate::directory::{self, CollectError, Limits};
use bowline::estate::{Estate, SourceFile, load};
use bowline::identity;

const ESTATE: &str = "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: harbour}\nspec: {timeZone: Europe/Zurich}\n";

fn item(name: &str, class: &str, attributes: &str) -> String {
    let head = "---\napiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\n";
    format!("{head}metadata: {{name: {name}}}\nspec: {{class: {class}, attributes: {attributes}}}\n")
}

fn estate(files: &[(&str, &str)]) -> Estate {
    load::load(files.iter().map(|(path, text)| SourceFile { path: (*path).into(), text: (*text).into() }).collect(), None, Vec::new())
}

fn codes(estate: &Estate) -> Vec<&str> {
    estate.diagnostics.iter().map(|diagnostic| &*diagnostic.code).collect()
}

#[test]
fn documents_of_every_file_become_one_estate_sorted_by_name() {
    let text = item("zebra", "server", "{cpus: 4, os: {name: debian, version: \"12\"}}") + &item("ant", "virtual-machine", "{memory: 16Gi}");
    let estate = estate(&[("a/items.yaml", &text), ("bowline.yaml", ESTATE)]);
    assert_eq!(codes(&estate), [""; 0]);
    assert_eq!((&*estate.name, estate.zone().iana_name()), ("harbour", Some("Europe/Zurich")));
    assert_eq!(estate.items.iter().map(|item| &*item.name).collect::<Vec<_>>(), ["ant", "zebra"]);
    let zebra = &estate.items[estate.item("zebra").unwrap()];
    assert_eq!(zebra.spec.attributes.get("os").unwrap().at("version"), Some(&Value::from("12")));
    assert_eq!((zebra.origin.file, zebra.origin.line), (0, 1));
    assert!(estate.text(zebra.origin).contains("name: zebra"));
}

#[test]
fn without_an_estate_document_its_defaults_hold_and_that_is_said() {
    let estate = estate(&[("items.yaml", &item("a", "server", "{}"))]);
    assert_eq!((&*estate.name, estate.origin), ("estate", None));
    assert_eq!(codes(&estate), ["no-estate"]);
}

#[test]
fn of_two_estate_documents_the_one_in_bowline_yaml_counts_and_the_other_is_an_error() {
    let other = "apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: other}\nspec: {}\n";
    let estate = estate(&[("a.yaml", other), ("bowline.yaml", ESTATE)]);
    assert_eq!(&*estate.name, "harbour");
    assert_eq!(codes(&estate), ["duplicate-estate"]);
    assert_eq!(estate.diagnostics[0].file.as_deref(), Some("a.yaml"));
}

#[test]
fn of_two_items_of_one_name_the_first_stays_and_the_second_is_an_error() {
    let estate = estate(&[("a.yaml", &item("x", "server", "{cpus: 1}")), ("b.yaml", &item("x", "server", "{cpus: 2}")), ("bowline.yaml", ESTATE)]);
    assert_eq!(estate.items.len(), 1);
    assert_eq!(estate.items[0].spec.attributes.get("cpus"), Some(&Value::from(1u64)));
    assert_eq!(codes(&estate), ["duplicate-name"]);
    assert_eq!((estate.diagnostics[0].file.as_deref(), estate.diagnostics[0].line), (Some("b.yaml"), 4));
}

#[test]
fn the_same_files_give_the_same_estate_on_one_thread_and_on_many() {
    let mut files = vec![("bowline.yaml".to_owned(), ESTATE.to_owned())];
    for number in 0..200 {
        let attributes = if number % 7 == 0 { "{cpus: [" } else { "{cpus: 4, adminPassword: x}" };
        files.push((format!("{number:03}.yaml"), item(&format!("i{}", number % 150), "server", attributes)));
    }
    let files: Vec<SourceFile> = files.iter().map(|(path, text)| SourceFile { path: path.as_str().into(), text: text.as_str().into() }).collect();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let estate = pool.install(|| load::load(files.clone(), None, Vec::new()));
        format!("{:?} {:?} {:?}", estate.items, estate.unreadable, estate.diagnostics)
    };
    assert_eq!(with(1), with(8));
}

#[test]
fn yaml_files_below_the_root_are_read_in_the_order_of_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &[u8]| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("bowline.yaml", ESTATE.as_bytes());
    write("items/b.yml", item("b", "server", "{}").as_bytes());
    write("items/a.yaml", item("a", "server", "{}").as_bytes());
    for skipped in [".git/x.yaml", "target/x.yaml", "node_modules/x.yaml", ".github/workflows/x.yaml", "notes.txt"] {
        write(skipped, item("skipped", "server", "{}").as_bytes());
    }
    write("chart/values.yaml", b"replicas: {{ .Values.n }}\n");
    write("latin1.yaml", b"name: Z\xfcrich\n");
    let collected = directory::collect(folder.path(), &Limits::default()).unwrap();
    assert_eq!(collected.files.iter().map(|file| &*file.path).collect::<Vec<_>>(), ["bowline.yaml", "items/a.yaml", "items/b.yml"]);
    assert_eq!(collected.diagnostics, []);
}

#[test]
fn a_file_of_ours_that_is_not_utf8_is_an_error_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), b"apiVersion: bowline.dev/v1alpha1\nkind: Estate\nmetadata: {name: Z\xfcrich}\n").unwrap();
    let collected = directory::collect(folder.path(), &Limits::default()).unwrap();
    let problem = &collected.diagnostics[0];
    assert_eq!((&*problem.code, problem.line, problem.column), ("not-utf8", 3, 19));
    let estate = load::load(collected.files, None, collected.diagnostics);
    assert!(estate.unreadable_mentions("anything"));
}

#[test]
fn limits_hold_and_say_which_file_was_the_first_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.yaml", "b.yaml", "c.yaml"] {
        fs::write(folder.path().join(name), ESTATE).unwrap();
    }
    let collect = |limits: Limits| directory::collect(folder.path(), &limits).unwrap();
    let by_count = collect(Limits { files: 2, ..Limits::default() });
    let by_size = collect(Limits { total: 2 * ESTATE.len() as u64, ..Limits::default() });
    for collected in [by_count, by_size] {
        assert_eq!(collected.files.len(), 2);
        let told: Vec<_> = collected.diagnostics.iter().map(|it| (it.file.as_deref(), &*it.code)).collect();
        assert_eq!(told, [(Some("c.yaml"), "estate-too-large")]);
    }
    assert_eq!(collect(Limits { file: 10, ..Limits::default() }).diagnostics.len(), 3);
}

#[test]
fn a_root_that_is_no_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    fs::write(&file, ESTATE).unwrap();
    assert!(matches!(directory::collect(&file, &Limits::default()), Err(CollectError::NotAFolder { .. })));
    assert!(matches!(directory::collect(&folder.path().join("none"), &Limits::default()), Err(CollectError::Unreadable { .. })));
}

#[cfg(unix)]
#[test]
fn a_mounted_config_map_is_read_through_its_links() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("..2026_11_25")).unwrap();
    fs::write(folder.path().join("..2026_11_25/bowline.yaml"), ESTATE).unwrap();
    symlink("..2026_11_25", folder.path().join("..data")).unwrap();
    symlink("..data/bowline.yaml", folder.path().join("bowline.yaml")).unwrap();
    let collected = directory::collect(folder.path(), &Limits::default()).unwrap();
    assert_eq!(collected.files.iter().map(|file| &*file.path).collect::<Vec<_>>(), ["bowline.yaml"]);
}

// The example's oldest host: a firmware that nobody filled in, and a tag that somebody glued on.
#[test]
fn hardware_with_a_bogus_serial_is_found_by_its_asset_tag() {
    let found = |tag: &str, serial: &str| {
        let item =
            "---\napiVersion: bowline.dev/v1alpha1\nkind: ConfigurationItem\nmetadata: {name: esx-03}\nspec: {class: hypervisor, identifiers: {asset/tag: \"";
        let estate = estate(&[("bowline.yaml", ESTATE), ("a.yaml", &format!("{item}{tag}\"}}}}\n"))]);
        assert_eq!(codes(&estate), [""; 0]);
        let identifiers: Table<Text> = [("asset/tag", tag), ("serial/number", serial)].map(|(name, value)| (name, Text::from(value))).into_iter().collect();
        let observation = Observation { key: "1".into(), class: "hypervisor".into(), identifiers, ..Observation::default() };
        let answer = Answer { source: "spreadsheet".into(), items: vec![observation], ..Answer::default() };
        let correlation = identity::correlate(&estate, &Discovered { answers: vec![answer], ..Discovered::default() });
        correlation.of(0).len()
    };
    assert_eq!(found("HV-3", "To be filled by O.E.M."), 1);
    for bogus in ["None", "Default string", "Asset-1234567890", "No Asset Tag", "To be filled by O.E.M.", "xxxx", "0000"] {
        assert_eq!(found(bogus, "To be filled by O.E.M."), 0, "{bogus}");
    }
}
