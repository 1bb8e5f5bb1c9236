//! The form of the store's file, and how an older one becomes the present one.

use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Row};

use super::StoreError;

/// The steps from one form to the next. The file's `user_version` says how many were taken. Steps are only ever added.
const STEPS: [&str; 3] = [
    "
    CREATE TABLE sources (
        estate TEXT NOT NULL,
        source TEXT NOT NULL,
        items INTEGER,
        at INTEGER,
        confirmed INTEGER,
        PRIMARY KEY (estate, source)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE seen (
        estate TEXT NOT NULL,
        source TEXT NOT NULL,
        key TEXT NOT NULL,
        name TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (estate, source, key)
    ) WITHOUT ROWID, STRICT;",
    "
    CREATE TABLE spoken (
        estate TEXT NOT NULL,
        source TEXT NOT NULL,
        class TEXT NOT NULL,
        attribute TEXT NOT NULL,
        PRIMARY KEY (estate, source, class, attribute)
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE absent (
        estate TEXT NOT NULL,
        item TEXT NOT NULL,
        surveys INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (estate, item)
    ) WITHOUT ROWID, STRICT;",
    r#"
    CREATE TABLE ties (
        estate TEXT NOT NULL,
        source TEXT NOT NULL,
        key TEXT NOT NULL,
        item TEXT NOT NULL,
        rule TEXT NOT NULL,
        "by" TEXT NOT NULL,
        "row" TEXT NOT NULL,
        PRIMARY KEY (estate, source, key)
    ) WITHOUT ROWID, STRICT;"#,
];

/// Brings the file to the present form. Several processes may do so at once.
pub(super) async fn bring_up(pool: &SqlitePool) -> Result<(), StoreError> {
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if form(pool).await? == known {
        return Ok(());
    }
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(judged)?;
    let found: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut *transaction).await?.get(0);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
    }
    sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {known}"))).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}

async fn form(pool: &SqlitePool) -> Result<i64, StoreError> {
    Ok(sqlx::query("PRAGMA user_version").fetch_one(pool).await.map_err(judged)?.get(0))
}

/// What a sound file answers: every table with its columns.
const CHECKS: [&str; 5] = [
    "SELECT estate, source, items, at, confirmed FROM sources LIMIT 1",
    "SELECT estate, source, key, name, first, last FROM seen LIMIT 1",
    "SELECT estate, source, class, attribute FROM spoken LIMIT 1",
    "SELECT estate, item, surveys, last FROM absent LIMIT 1",
    r#"SELECT estate, source, key, item, rule, "by", "row" FROM ties LIMIT 1"#,
];

/// Sees that the file is sound and that all tables are there with their columns.
pub(super) async fn verify(pool: &SqlitePool) -> Result<(), StoreError> {
    for check in CHECKS {
        sqlx::query(check).fetch_optional(pool).await.map_err(|error| if is_busy(&error) { error.into() } else { StoreError::Damaged })?;
    }
    let verdict: String = sqlx::query("PRAGMA quick_check(1)").fetch_one(pool).await.map_err(judged)?.get(0);
    if verdict == "ok" { Ok(()) } else { Err(StoreError::Damaged) }
}

/// Whether an error of the database means that the file is damaged: `SQLITE_CORRUPT` (11) or `SQLITE_NOTADB` (26).
pub(super) fn judged(error: sqlx::Error) -> StoreError {
    if code(&error).is_some_and(|code| matches!(code, 11 | 26)) { StoreError::Damaged } else { error.into() }
}

/// Whether another process has the file for the moment: `SQLITE_BUSY` (5) or `SQLITE_LOCKED` (6).
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| matches!(code, 5 | 6))
}

/// The primary code of an error of `SQLite` itself.
fn code(error: &sqlx::Error) -> Option<i64> {
    let code: i64 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

    use super::*;

    #[tokio::test]
    async fn a_file_that_another_has_for_the_moment_is_busy_and_not_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("store.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Delete)
            .busy_timeout(Duration::ZERO);
        let pool = SqlitePoolOptions::new().max_connections(2).min_connections(2).connect_with(options).await.unwrap();
        bring_up(&pool).await.unwrap();
        let other = pool.begin_with("BEGIN EXCLUSIVE").await.unwrap();
        assert!(matches!(verify(&pool).await, Err(StoreError::Database(error)) if is_busy(&error)));
        // Awaited: a transaction only dropped is rolled back whenever its connection is used next.
        other.rollback().await.unwrap();
        sqlx::raw_sql("DROP TABLE seen").execute(&pool).await.unwrap();
        assert!(matches!(verify(&pool).await, Err(StoreError::Damaged)));
    }
}
