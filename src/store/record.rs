//! Writing down what a pass has seen.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{Sqlite, Transaction};

use super::{Store, StoreError};
use crate::api::Text;
use crate::discovery::{Answer, Ties};
use crate::drift::Absences;

/// How many rows one statement writes.
const BATCH: usize = 10_000;
/// Of how many attributes a source is remembered to speak, over all classes.
const SPOKEN: usize = 5_000;

/// One seen item, as the database reads it from JSON.
#[derive(Serialize)]
struct Entry<'a>(&'a str, &'a str, i64);

impl Store {
    /// Remembers what was seen in answers that are complete and not held. Such an answer also settles an absence that a
    /// person had confirmed. Call it from what may write, never from a plan.
    pub async fn record(&self, estate: &str, answers: &[&Answer], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for answer in answers.iter().filter(|answer| answer.complete) {
            let items = i64::try_from(answer.items.len()).unwrap_or(i64::MAX);
            sqlx::query(
                "INSERT INTO sources (estate, source, items, at, confirmed) VALUES (?, ?, ?, ?, NULL)
                 ON CONFLICT (estate, source) DO UPDATE SET items = excluded.items, at = excluded.at, confirmed = NULL",
            )
            .bind(estate)
            .bind(&*answer.source)
            .bind(items)
            .bind(now.as_millisecond())
            .execute(&mut *transaction)
            .await?;
            record_items(&mut transaction, estate, answer, now).await?;
            record_spoken(&mut transaction, estate, answer).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Remembers which items the observations of these answers are by the word of another source alone; what is not among the
    /// ties of a complete answer is none any more. Call it from what may write, never from a plan.
    pub async fn record_ties(&self, estate: &str, answers: &[&Answer], ties: &Ties) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for answer in answers.iter().filter(|answer| answer.complete) {
            let of_source = ties.get(&answer.source).into_iter().flatten();
            let rows: Vec<_> = of_source.map(|(key, tie)| (key, &tie.item, &tie.rule, &tie.by, &tie.row)).collect();
            let written = json(&rows)?;
            // Written only where it is not what is known, as it nearly always is.
            sqlx::query("DELETE FROM ties WHERE estate = ?1 AND source = ?2 AND key NOT IN (SELECT value ->> 0 FROM json_each(?3))")
                .bind(estate)
                .bind(&*answer.source)
                .bind(&written)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                r#"INSERT INTO ties (estate, source, key, item, rule, "by", "row")
                 SELECT ?1, ?2, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?3) WHERE true
                 ON CONFLICT (estate, source, key) DO UPDATE SET item = excluded.item, rule = excluded.rule, "by" = excluded."by", "row" = excluded."row"
                 WHERE (item, rule, "by", "row") <> (excluded.item, excluded.rule, excluded."by", excluded."row")"#,
            )
            .bind(estate)
            .bind(&*answer.source)
            .bind(&written)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Counts the surveys in a row in which items were absent. A survey of the same instant is counted once. Call it from
    /// what may write, never from a plan.
    pub async fn record_absences(&self, estate: &str, absences: &Absences, now: Timestamp) -> Result<(), StoreError> {
        if absences.earned.is_empty() && absences.ended.is_empty() {
            return Ok(());
        }
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for batch in absences.ended.chunks(BATCH) {
            sqlx::query("DELETE FROM absent WHERE estate = ? AND item IN (SELECT value FROM json_each(?))")
                .bind(estate)
                .bind(json(&batch)?)
                .execute(&mut *transaction)
                .await?;
        }
        for batch in absences.earned.chunks(BATCH) {
            sqlx::query(
                "INSERT INTO absent (estate, item, surveys, last) SELECT ?1, value, 1, ?3 FROM json_each(?2) WHERE true
                 ON CONFLICT (estate, item) DO UPDATE SET surveys = surveys + 1, last = excluded.last WHERE last < excluded.last",
            )
            .bind(estate)
            .bind(json(&batch)?)
            .bind(now.as_millisecond())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

fn json(value: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

async fn record_items(transaction: &mut Transaction<'_, Sqlite>, estate: &str, answer: &Answer, now: Timestamp) -> Result<(), StoreError> {
    // In the order of the table, so that neighbours are written together.
    let mut items: Vec<_> = answer.items.iter().collect();
    items.sort_by(|one, other| one.key.cmp(&other.key));
    for batch in items.chunks(BATCH) {
        let entries: Vec<Entry<'_>> = batch.iter().map(|item| Entry(&item.key, &item.name, item.seen.unwrap_or(now).as_millisecond())).collect();
        sqlx::query(
            "INSERT INTO seen (estate, source, key, name, first, last)
             SELECT ?1, ?2, value ->> 0, value ->> 1, min(?4, value ->> 2), value ->> 2 FROM json_each(?3) WHERE true
             ON CONFLICT (estate, source, key) DO UPDATE SET name = excluded.name, last = max(last, excluded.last)",
        )
        .bind(estate)
        .bind(&*answer.source)
        .bind(json(&entries)?)
        .bind(now.as_millisecond())
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Of what a source speaks, by class. Written only where it is not what is known, as it nearly always is.
async fn record_spoken(transaction: &mut Transaction<'_, Sqlite>, estate: &str, answer: &Answer) -> Result<(), StoreError> {
    let spoken: Vec<(&Text, &Text)> = spoken(answer).into_iter().flat_map(|(class, names)| names.into_iter().map(move |name| (class, name))).collect();
    let spoken = json(&spoken.get(..SPOKEN).unwrap_or(&spoken))?;
    sqlx::query(
        "DELETE FROM spoken WHERE estate = ?1 AND source = ?2
         AND (class, attribute) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3))",
    )
    .bind(estate)
    .bind(&*answer.source)
    .bind(&spoken)
    .execute(&mut **transaction)
    .await?;
    sqlx::query("INSERT OR IGNORE INTO spoken (estate, source, class, attribute) SELECT ?1, ?2, value ->> 0, value ->> 1 FROM json_each(?3)")
        .bind(estate)
        .bind(&*answer.source)
        .bind(&spoken)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// The attributes that an answer speaks of, by class.
fn spoken(answer: &Answer) -> BTreeMap<&Text, BTreeSet<&Text>> {
    let mut spoken: BTreeMap<&Text, BTreeSet<&Text>> = BTreeMap::new();
    for item in &answer.items {
        let of_class = spoken.entry(&item.class).or_default();
        for (name, value) in &item.attributes {
            if !value.is_absent() && !of_class.contains(name) {
                of_class.insert(name);
            }
        }
    }
    spoken
}
