//! What must outlive a run and cannot be found again: how much each source said last and of what it spoke, which absences
//! a person has confirmed, in how many surveys in a row an item was absent, which observations only another source
//! tied to an item, and when each thing was first and last seen (rule 11).
//!
//! It is one `SQLite` file. Losing it costs no correctness: a damaged file is moved aside and a fresh one begun, and
//! where no file can be written the store lives in memory for this run; either comes with a warning. Several processes
//! may use one file at once. Values of attributes are never stored, only their names, so nothing secret is.

mod record;
mod schema;

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use tokio::time::sleep;

use crate::api::{Text, intern};
use crate::discovery::{Absence, History, SourceHistory, Tie};

/// The name of the file in the state folder.
const FILE: &str = "bowline.db";
/// How long one process waits for another that writes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a fresh file may take to become one that several processes can use.
const FRESH: Duration = Duration::from_secs(5);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error("the store cannot be used: {0}")]
    Database(#[from] sqlx::Error),
    /// The file was written by a newer version.
    #[error("the store has the form {found}, and this version of Bowline knows forms up to {known}")]
    Newer {
        /// The form of the file.
        found: i64,
        /// The newest form that is known.
        known: i64,
    },
    /// The file is no database, or not a sound one.
    #[error("the store is damaged")]
    Damaged,
    /// The state folder cannot be made.
    #[error("the state folder cannot be made: {0}")]
    Folder(std::io::ErrorKind),
}

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

/// A store, and what the user should know about how it was opened.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// What went wrong with the file, and what was done about it.
    pub warning: Option<String>,
}

impl Store {
    /// Opens the store in a state folder, which is made if need be. A file that is damaged, or of a newer version, is moved
    /// aside; without a file the store lives in memory. Fails only where not even that is possible.
    pub async fn open(folder: &Path) -> Result<Opened, StoreError> {
        let file = folder.join(FILE);
        let fault = match std::fs::create_dir_all(folder) {
            Ok(()) => match Self::open_file(&file).await {
                Ok(store) => return Ok(Opened { store, warning: None }),
                Err(error) => error,
            },
            Err(error) => StoreError::Folder(error.kind()),
        };
        let ending = match fault {
            StoreError::Damaged => Some("damaged"),
            StoreError::Newer { .. } => Some("newer"),
            // Locked, full or read-only: the file itself may be sound, and another process may be using it.
            StoreError::Database(_) | StoreError::Folder(_) => None,
        };
        if let Some(aside) = ending.and_then(|ending| move_aside(&file, ending))
            && let Ok(store) = Self::open_file(&file).await
        {
            let warning = format!("{fault}; it was moved to `{aside}` and a fresh one begun, so what was seen before is not known");
            return Ok(Opened { store, warning: Some(warning) });
        }
        let store = Self::in_memory().await?;
        Ok(Opened { store, warning: Some(format!("{fault}; this run remembers nothing for the next one")) })
    }

    /// The store for those who only read (`plan`): as [`Store::open`], but where there is no file none is made.
    pub async fn look(folder: &Path) -> Result<Opened, StoreError> {
        if folder.join(FILE).exists() {
            return Self::open(folder).await;
        }
        Ok(Opened { store: Self::in_memory().await?, warning: None })
    }

    /// A store that lasts as long as this value and its clones.
    pub async fn in_memory() -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().in_memory(true);
        // Each connection would have a memory of its own, so there is one, and it is never closed.
        let pool = SqlitePoolOptions::new().max_connections(1).min_connections(1).idle_timeout(None).max_lifetime(None).connect_with(options).await?;
        schema::bring_up(&pool).await?;
        Ok(Self { pool })
    }

    /// Opens the file. While another process turns a fresh file to write-ahead logging, `SQLite` refuses everybody else at
    /// once and does not wait as long as it was told to, so it is tried again.
    async fn open_file(file: &Path) -> Result<Self, StoreError> {
        let last = Instant::now() + FRESH;
        loop {
            match Self::try_file(file).await {
                Err(StoreError::Database(error)) if schema::is_busy(&error) && Instant::now() < last => sleep(PAUSE).await,
                result => return result,
            }
        }
    }

    async fn try_file(file: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await.map_err(schema::judged)?;
        let ready = match schema::bring_up(&pool).await {
            Ok(()) => schema::verify(&pool).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ready {
            pool.close().await;
            return Err(error);
        }
        Ok(Self { pool })
    }

    /// What is known of an estate's sources from earlier runs.
    pub async fn history(&self, estate: &str) -> Result<History, StoreError> {
        let mut history = History::default();
        let rows = sqlx::query("SELECT source, items, at, confirmed FROM sources WHERE estate = ?").bind(estate).fetch_all(&self.pool).await?;
        for row in rows {
            let source = intern(row.get::<&str, _>("source"));
            if let (Some(items), Some(at)) = (row.get::<Option<i64>, _>("items"), row.get::<Option<i64>, _>("at")) {
                history.sources.insert(source.clone(), SourceHistory { items: unsigned(items), at: instant(at) });
            }
            if let Some(confirmed) = row.get::<Option<i64>, _>("confirmed") {
                history.confirmed.insert(source, unsigned(confirmed));
            }
        }
        for row in sqlx::query("SELECT source, class, attribute FROM spoken WHERE estate = ?").bind(estate).fetch_all(&self.pool).await? {
            let [source, class, attribute] = ["source", "class", "attribute"].map(|column| intern(row.get::<&str, _>(column)));
            history.spoken.entry(source).or_default().entry(class).or_default().insert(attribute);
        }
        for row in sqlx::query("SELECT item, surveys, last FROM absent WHERE estate = ?").bind(estate).fetch_all(&self.pool).await? {
            let absence = Absence { surveys: u32::try_from(row.get::<i64, _>("surveys")).unwrap_or_default(), last: instant(row.get("last")) };
            history.absent.insert(intern(row.get::<&str, _>("item")), absence);
        }
        for row in sqlx::query(r#"SELECT source, key, item, rule, "by", "row" FROM ties WHERE estate = ?"#).bind(estate).fetch_all(&self.pool).await? {
            let [source, rule] = ["source", "rule"].map(|column| intern(row.get::<&str, _>(column)));
            let [key, item, digest] = ["key", "item", "row"].map(|column| Text::from(row.get::<&str, _>(column)));
            // What cannot be read is the word of nobody.
            let by = serde_json::from_str(row.get("by")).unwrap_or_default();
            history.ties.entry(source).or_default().insert(key, Tie { item, rule, by, row: digest });
        }
        Ok(history)
    }

    /// When a source's item was first seen.
    pub async fn first_seen(&self, estate: &str, source: &str, key: &str) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT first FROM seen WHERE estate = ? AND source = ? AND key = ?").bind(estate).bind(source).bind(key);
        Ok(row.fetch_optional(&self.pool).await?.map(|row| instant(row.get("first"))))
    }

    /// All that is known of a source's items, by key.
    pub async fn seen(&self, estate: &str, source: &str) -> Result<Vec<Seen>, StoreError> {
        let rows = sqlx::query("SELECT key, name, first, last FROM seen WHERE estate = ? AND source = ? ORDER BY key").bind(estate).bind(source);
        let seen = rows.fetch_all(&self.pool).await?.into_iter().map(|row| Seen {
            key: row.get::<&str, _>("key").into(),
            name: intern(row.get::<&str, _>("name")),
            first: instant(row.get("first")),
            last: instant(row.get("last")),
        });
        Ok(seen.collect())
    }

    /// Remembers that a person has confirmed that a source now has only so many items (a held mass absence). The next
    /// answer that is recorded settles it.
    pub async fn confirm(&self, estate: &str, source: &str, items: u64) -> Result<(), StoreError> {
        let items = i64::try_from(items).unwrap_or(i64::MAX);
        sqlx::query(
            "INSERT INTO sources (estate, source, confirmed) VALUES (?, ?, ?)
             ON CONFLICT (estate, source) DO UPDATE SET confirmed = excluded.confirmed",
        )
        .bind(estate)
        .bind(source)
        .bind(items)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Waits until everything is written and the file is let go.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

/// What is known of one item of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The source's own key.
    pub key: Text,
    /// Its name when last seen.
    pub name: Text,
    /// When it was first seen.
    pub first: Timestamp,
    /// When it was last seen.
    pub last: Timestamp,
}

/// Moves a file that cannot be used, and what `SQLite` keeps beside it, to the first free name, and gives that name.
fn move_aside(file: &Path, ending: &str) -> Option<String> {
    let aside = (1..1000).map(|number| format!("{FILE}.{ending}-{number}")).find(|name| !file.with_file_name(name).exists())?;
    // What is beside it goes first: left behind, it would damage the fresh file.
    for beside in ["-wal", "-shm", ""] {
        let from = file.with_file_name(format!("{FILE}{beside}"));
        match std::fs::rename(from, file.with_file_name(format!("{aside}{beside}"))) {
            // Another process that had it open may be tidying up just now.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return None,
            _ => {}
        }
    }
    Some(aside)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn instant(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or_default()
}
