//! The store: what outlives a run, and what happens when it cannot.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::time::Duration;

use bowline::discovery::{Absence, Answer, Observation, Tie, Ties};
use bowline::drift::Absences;
use bowline::store::Store;
use jiff::Timestamp;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn answer(source: &str, complete: bool, keys: &[&str]) -> Answer {
    let items =
        keys.iter().map(|key| Observation { key: (*key).into(), name: format!("name of {key}").into(), class: "server".into(), ..Observation::default() });
    Answer { source: source.into(), complete, items: items.collect(), ..Answer::default() }
}

#[tokio::test]
async fn only_complete_answers_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap().store;
    let now = at("2026-11-25T08:00:00Z");
    store.record("harbour", &[&answer("vcenter", true, &["a", "b"]), &answer("netbox", false, &["c"])], now).await.unwrap();
    let history = store.history("harbour").await.unwrap();
    assert_eq!(history.sources.len(), 1);
    assert_eq!(history.sources["vcenter"].items, 2);
    assert_eq!(history.sources["vcenter"].at, now);
    assert_eq!(store.first_seen("harbour", "netbox", "c").await.unwrap(), None);
}

#[tokio::test]
async fn the_first_sight_stays_and_the_last_moves_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap().store;
    let (first, last) = (at("2026-11-25T08:00:00Z"), at("2026-11-26T08:00:00Z"));
    store.record("harbour", &[&answer("vcenter", true, &["a"])], first).await.unwrap();
    store.record("harbour", &[&answer("vcenter", true, &["a", "b"])], last).await.unwrap();
    store.close().await;
    let store = Store::open(folder.path()).await.unwrap().store;
    assert_eq!(store.first_seen("harbour", "vcenter", "a").await.unwrap(), Some(first));
    let seen = store.seen("harbour", "vcenter").await.unwrap();
    assert_eq!(
        seen.iter().map(|seen| (&*seen.key, &*seen.name, seen.first, seen.last)).collect::<Vec<_>>(),
        [("a", "name of a", first, last), ("b", "name of b", last, last)]
    );
}

#[tokio::test]
async fn what_is_gone_is_still_remembered_as_last_seen() {
    let store = Store::in_memory().await.unwrap();
    let (first, last) = (at("2026-11-25T08:00:00Z"), at("2026-11-26T08:00:00Z"));
    store.record("harbour", &[&answer("vcenter", true, &["a", "b"])], first).await.unwrap();
    store.record("harbour", &[&answer("vcenter", true, &["b"])], last).await.unwrap();
    let seen = store.seen("harbour", "vcenter").await.unwrap();
    assert_eq!(seen.iter().map(|seen| (&*seen.key, seen.last)).collect::<Vec<_>>(), [("a", first), ("b", last)]);
}

#[tokio::test]
async fn estates_do_not_see_each_other() {
    let store = Store::in_memory().await.unwrap();
    store.record("harbour", &[&answer("vcenter", true, &["a"])], Timestamp::UNIX_EPOCH).await.unwrap();
    assert!(store.history("airport").await.unwrap().sources.is_empty());
    assert_eq!(store.first_seen("airport", "vcenter", "a").await.unwrap(), None);
}

#[tokio::test]
async fn a_confirmed_absence_is_settled_by_the_next_answer_that_is_recorded() {
    let store = Store::in_memory().await.unwrap();
    store.record("harbour", &[&answer("vcenter", true, &["a", "b"])], Timestamp::UNIX_EPOCH).await.unwrap();
    store.confirm("harbour", "vcenter", 1).await.unwrap();
    let history = store.history("harbour").await.unwrap();
    assert_eq!((history.confirmed["vcenter"], history.sources["vcenter"].items), (1, 2));
    store.record("harbour", &[&answer("vcenter", true, &["a"])], Timestamp::UNIX_EPOCH).await.unwrap();
    let history = store.history("harbour").await.unwrap();
    assert!(history.confirmed.is_empty());
    assert_eq!(history.sources["vcenter"].items, 1);
}

#[tokio::test]
async fn a_damaged_file_is_moved_aside_and_a_fresh_one_begun() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bowline.db");
    for number in 1..=2 {
        std::fs::write(&file, "this is no database, and it is longer than the header of one, which has a hundred bytes or so in it").unwrap();
        let opened = Store::open(folder.path()).await.unwrap();
        let aside = format!("bowline.db.damaged-{number}");
        let warning = opened.warning.unwrap_or_default();
        assert!(warning.contains(&aside), "{number}: {warning}");
        assert!(folder.path().join(aside).exists());
        opened.store.record("harbour", &[&answer("vcenter", true, &["a"])], Timestamp::UNIX_EPOCH).await.unwrap();
        opened.store.close().await;
        let again = Store::open(folder.path()).await.unwrap();
        assert_eq!(again.warning, None);
        again.store.close().await;
    }
}

#[tokio::test]
async fn damage_in_the_middle_of_the_file_is_found_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bowline.db");
    let store = Store::open(folder.path()).await.unwrap().store;
    let keys: Vec<String> = (0..5000).map(|number| format!("key-{number:06}")).collect();
    store.record("harbour", &[&answer("vcenter", true, &keys.iter().map(String::as_str).collect::<Vec<_>>())], Timestamp::UNIX_EPOCH).await.unwrap();
    store.close().await;
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    let opened = Store::open(folder.path()).await.unwrap();
    assert!(opened.warning.unwrap().contains("damaged"));
    assert!(opened.store.history("harbour").await.unwrap().sources.is_empty());
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_kept_and_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(folder.path()).await.unwrap().store.close().await;
    let file = folder.path().join("bowline.db");
    let pool = sqlx::SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(&file)).await.unwrap();
    sqlx::query("PRAGMA user_version = 99").execute(&pool).await.unwrap();
    pool.close().await;
    let opened = Store::open(folder.path()).await.unwrap();
    assert!(opened.warning.unwrap().contains("form 99"));
    assert!(folder.path().join("bowline.db.newer-1").exists());
}

#[tokio::test]
async fn without_a_folder_that_can_be_written_the_store_lives_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("state");
    std::fs::write(&occupied, "a file where the folder should be").unwrap();
    let opened = Store::open(&occupied).await.unwrap();
    assert!(opened.warning.unwrap().contains("remembers nothing"));
    opened.store.record("harbour", &[&answer("vcenter", true, &["a"])], Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(opened.store.history("harbour").await.unwrap().sources.len(), 1);
    assert_eq!(std::fs::read_to_string(&occupied).unwrap(), "a file where the folder should be");
}

#[tokio::test]
async fn looking_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Store::look(folder.path()).await.unwrap();
    assert!(opened.warning.is_none() && opened.store.history("harbour").await.unwrap().sources.is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Two stores on one file are to `SQLite` what two processes are: they share nothing but the file and its locks.
#[tokio::test(flavor = "multi_thread")]
async fn two_that_write_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writers = (0..2).map(|writer| {
        let folder = folder.path().to_owned();
        tokio::spawn(async move {
            // Both also race to make the file.
            let store = Store::open(&folder).await.unwrap();
            assert_eq!(store.warning, None);
            for round in 0..20 {
                let keys: Vec<String> = (0..50).map(|number| format!("{writer}-{round}-{number}")).collect();
                let answer = answer(&format!("source-{writer}"), true, &keys.iter().map(String::as_str).collect::<Vec<_>>());
                store.store.record("harbour", &[&answer], Timestamp::UNIX_EPOCH).await.unwrap();
            }
            store.store.close().await;
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let opened = Store::open(folder.path()).await.unwrap();
    assert_eq!(opened.warning, None);
    for source in ["source-0", "source-1"] {
        assert_eq!(opened.store.seen("harbour", source).await.unwrap().len(), 1000);
    }
}

/// While another has a file that does not log ahead yet, `SQLite` refuses to turn it to that without waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_file_that_another_has_for_the_moment_is_waited_for() {
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "BEGIN; SELECT * FROM sqlite_schema"] {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(folder.path().join("bowline.db")).create_if_missing(true);
        let mut other = options.connect().await.unwrap();
        sqlx::raw_sql("CREATE TABLE t (a); INSERT INTO t VALUES (1)").execute(&mut other).await.unwrap();
        sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
        let opening = tokio::spawn({
            let folder = folder.path().to_owned();
            async move { Store::open(&folder).await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
        assert_eq!(opening.await.unwrap().warning, None, "{lock}");
    }
}

/// How long it takes is printed (`cargo test --release --test store -- --nocapture`), never asserted.
#[tokio::test]
async fn a_hundred_thousand_items_are_remembered_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap().store;
    let keys: Vec<String> = (0..100_000).map(|number| format!("a6a3a450-6513-470e-a69e-{number:012}")).collect();
    let answer = answer("vcenter", true, &keys.iter().map(String::as_str).collect::<Vec<_>>());
    for round in ["first", "second"] {
        let start = std::time::Instant::now();
        store.record("harbour", &[&answer], Timestamp::UNIX_EPOCH).await.unwrap();
        println!("{round}: {:?}", start.elapsed());
        assert_eq!(store.seen("harbour", "vcenter").await.unwrap().len(), keys.len());
    }
    store.close().await;
    let start = std::time::Instant::now();
    Store::open(folder.path()).await.unwrap();
    println!("open: {:?}", start.elapsed());
}

#[tokio::test]
async fn of_what_a_source_speaks_is_remembered_by_name_and_no_value_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap().store;
    let speaking = |attributes: &[(&str, &str)]| {
        let attributes = attributes.iter().map(|(name, value)| (*name, bowline::api::Value::from(*value))).collect();
        let item = Observation { key: "a".into(), class: "server".into(), attributes, ..Observation::default() };
        Answer { source: "vcenter".into(), complete: true, items: vec![item], ..Answer::default() }
    };
    store.record("harbour", &[&speaking(&[("memory", "canary-value"), ("cpus", "4"), ("note", "")])], Timestamp::UNIX_EPOCH).await.unwrap();
    let names = |history: bowline::discovery::History| history.spoken["vcenter"]["server"].iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(store.history("harbour").await.unwrap()), ["cpus", "memory"], "what says nothing is not spoken of");
    store.record("harbour", &[&speaking(&[("memory", "x"), ("disk", "y")])], Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(names(store.history("harbour").await.unwrap()), ["disk", "memory"]);
    store.record("harbour", &[&Answer { complete: false, ..speaking(&[]) }], Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(names(store.history("harbour").await.unwrap()), ["disk", "memory"], "an outage changes nothing");
    store.close().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }
}

#[tokio::test]
async fn absences_are_counted_once_a_survey_and_end_when_the_item_is_there_again() {
    let store = Store::in_memory().await.unwrap();
    let (first, second) = (at("2026-11-25T08:00:00Z"), at("2026-11-25T09:00:00Z"));
    let earned = Absences { earned: vec!["a".into(), "b".into()], ..Absences::default() };
    for now in [first, first, second] {
        store.record_absences("harbour", &earned, now).await.unwrap();
    }
    let absent = store.history("harbour").await.unwrap().absent;
    assert_eq!(absent.into_iter().collect::<Vec<_>>(), ["a", "b"].map(|name| (name.into(), Absence { surveys: 2, last: second })));
    store.record_absences("harbour", &Absences { ended: vec!["a".into()], ..Absences::default() }, second).await.unwrap();
    assert_eq!(store.history("harbour").await.unwrap().absent.into_keys().collect::<Vec<_>>(), ["b".into()]);
    assert!(store.history("airport").await.unwrap().absent.is_empty());
}

#[tokio::test]
async fn what_another_source_tied_is_remembered_until_a_complete_answer_says_otherwise() {
    let store = Store::in_memory().await.unwrap();
    let tie = |item: &str| Tie { item: item.into(), rule: "bios/uuid".into(), by: ["netbox".into(), "cmdb".into()].into(), row: "d1".into() };
    let ties = |pairs: &[(&str, &str)]| Ties::from([("vcenter".into(), pairs.iter().map(|(key, item)| ((*key).into(), tie(item))).collect())]);
    let (whole, cut) = (answer("vcenter", true, &[]), answer("vcenter", false, &[]));
    for (answer, told, known) in [
        (&whole, ties(&[("vm-1", "a"), ("vm-2", "b")]), ties(&[("vm-1", "a"), ("vm-2", "b")])),
        (&cut, Ties::new(), ties(&[("vm-1", "a"), ("vm-2", "b")])),
        (&whole, ties(&[("vm-1", "c")]), ties(&[("vm-1", "c")])),
        (&whole, Ties::new(), Ties::new()),
    ] {
        store.record_ties("harbour", &[answer], &told).await.unwrap();
        assert_eq!(store.history("harbour").await.unwrap().ties, known);
        assert!(store.history("airport").await.unwrap().ties.is_empty());
    }
}

// A file of the form before absences were counted.
#[tokio::test]
async fn an_older_file_is_brought_to_the_present_form_and_keeps_what_it_knows() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap().store;
    store.record("harbour", &[&answer("vcenter", true, &["a"])], Timestamp::UNIX_EPOCH).await.unwrap();
    store.close().await;
    let mut connection = SqliteConnectOptions::new().filename(folder.path().join("bowline.db")).connect().await.unwrap();
    sqlx::raw_sql("DROP TABLE spoken; DROP TABLE absent; DROP TABLE ties; PRAGMA user_version = 1").execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let opened = Store::open(folder.path()).await.unwrap();
    assert_eq!(opened.warning, None);
    let history = opened.store.history("harbour").await.unwrap();
    assert_eq!(history.sources["vcenter"].items, 1);
    assert!(history.spoken.is_empty() && history.absent.is_empty());
}
