//! The ledger of runs, in schema `millrace`: what each run loads, and which of its batches are there.
//!
//! Reads and writes go through SPI with the caller's rights; policies on the tables keep runs to their
//! owners. Names and operators are qualified throughout, because the functions that insert rows must
//! leave the caller's `search_path` alone.

use crate::error::{Error, Result};
use crate::pg::server::process;
use crate::pg::server::text::{Json, Text, to_c_string};
use crate::runs::inserted::Inserted;
use crate::runs::origin::{Origin, QUERY};
use crate::runs::plan;
use millrace_sources::{BatchPlan, Profile};
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

/// A run: what it loads. Fixed when it begins.
#[derive(Debug, Clone)]
pub struct Run {
    pub name: String,
    pub owner: String,
    pub source: String,
    pub options: Value,
    pub batch_rows: i32,
    pub profile: Profile,
    pub batches: i64,
    pub rows_estimated: i64,
    pub named: bool,
    /// The tables it loads, at least one.
    pub targets: Vec<Target>,
}

impl Run {
    /// Its batches; `origin` is what it loads.
    pub fn plan(&self, origin: &Origin) -> BatchPlan {
        plan::plan(origin, self.batch_rows, &self.profile, &self.options)
    }
}

/// A table a run loads, as it was when the run began.
#[derive(Debug, Clone)]
pub struct Target {
    /// In the run, from 1.
    pub number: i32,
    pub name: String,
    pub relation: Oid,
    pub storage: Storage,
}

/// What tells a table's content from that of the same table emptied or made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Whether a crash empties it.
    pub unlogged: bool,
    /// The table itself, or its partitions.
    pub leaves: Vec<Oid>,
    /// The file node of each, or its OID again where it has no file.
    pub filenodes: Vec<Oid>,
}

impl Storage {
    /// Whether `now` can still hold all that `self` held: no leaf is gone or has another file. New
    /// partitions are no harm.
    pub fn survives_in(&self, now: &Storage) -> bool {
        let has = |leaf, filenode| {
            now.leaves.iter().zip(&now.filenodes).any(|(&other, &file)| (other, file) == (leaf, filenode))
        };
        self.unlogged == now.unlogged
            && self.leaves.iter().zip(&self.filenodes).all(|(&leaf, &filenode)| has(leaf, filenode))
    }
}

/// The run of that name.
pub fn find(name: &str) -> Result<Option<Run>> {
    let found = Spi::connect(|client| {
        let mut rows = client.select(
            "SELECT owner::pg_catalog.text, source, options, batch_rows, profile, batches, rows_estimated, named
             FROM millrace.run WHERE name OPERATOR(pg_catalog.=) $1",
            Some(1),
            &[Text::from(name).into()],
        )?;
        let Some(row) = rows.next() else { return Ok(None) };
        let text = |value: Option<Text>| value.unwrap_or_default().into_string();
        let json = |value: Option<Json>| value.map(|value| value.0).unwrap_or_default();
        Ok::<_, pgrx::spi::Error>(Some(Run {
            name: name.to_owned(),
            owner: text(row.get(1)?),
            source: text(row.get(2)?),
            options: json(row.get(3)?),
            batch_rows: row.get(4)?.unwrap_or_default(),
            profile: Profile::read(json(row.get(5)?)).unwrap_or_default(),
            batches: row.get(6)?.unwrap_or_default(),
            rows_estimated: row.get(7)?.unwrap_or_default(),
            named: row.get(8)?.unwrap_or_default(),
            targets: Vec::new(),
        }))
    });
    let Some(run) = found? else { return Ok(None) };
    Ok(Some(Run { targets: targets(name)?, ..run }))
}

fn targets(run: &str) -> Result<Vec<Target>> {
    let targets = Spi::connect(|client| {
        let rows = client.select(
            "SELECT target, name, relation, unlogged, leaves, filenodes
             FROM millrace.target WHERE run OPERATOR(pg_catalog.=) $1 ORDER BY target",
            None,
            &[Text::from(run).into()],
        )?;
        rows.map(|row| {
            Ok(Target {
                number: row.get(1)?.unwrap_or_default(),
                name: row.get::<Text>(2)?.unwrap_or_default().into_string(),
                relation: row.get(3)?.unwrap_or(Oid::INVALID),
                storage: Storage {
                    unlogged: row.get(4)?.unwrap_or_default(),
                    leaves: row.get(5)?.unwrap_or_default(),
                    filenodes: row.get(6)?.unwrap_or_default(),
                },
            })
        })
        .collect::<std::result::Result<_, pgrx::spi::Error>>()
    });
    Ok(targets?)
}

/// As [`find`], but a run that does not exist is an error.
pub fn get(name: &str) -> Result<Run> {
    find(name)?.ok_or_else(|| Error::UnknownRun(name.to_owned()))
}

/// Refuses a run that belongs to a role the caller is not a member of.
pub fn check_owner(run: &Run) -> Result<()> {
    if !one("SELECT millrace.is_owner($1::pg_catalog.name)", &[Text::from(run.owner.as_str()).into()])?
        .unwrap_or(false)
    {
        return Err(Error::NotOwner(run.name.clone()));
    }
    Ok(())
}

/// Refuses the query of another role, even one the caller is a member of: it would run with the caller's rights.
pub fn check_query_owner(run: &Run) -> Result<()> {
    let is_own = "SELECT current_user OPERATOR(pg_catalog.=) $1::pg_catalog.name";
    if run.source == QUERY && !one(is_own, &[Text::from(run.owner.as_str()).into()])?.unwrap_or(false) {
        return Err(Error::OthersQuery { run: run.name.clone(), owner: run.owner.clone() });
    }
    Ok(())
}

/// Writes a new run.
pub fn insert(run: &Run, rate: Option<f64>) -> Result<()> {
    execute(
        "INSERT INTO millrace.run
             (name, source, options, batch_rows, batches, rows_estimated, named, rate, profile, created)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            Text::from(run.name.as_str()).into(),
            Text::from(run.source.as_str()).into(),
            Json(run.options.clone()).into(),
            run.batch_rows.into(),
            run.batches.into(),
            run.rows_estimated.into(),
            run.named.into(),
            rate.into(),
            Json(json!(run.profile)).into(),
            process::now().into(),
        ],
    )?;
    for target in &run.targets {
        write_target(
            "INSERT INTO millrace.target (run, target, name, relation, unlogged, leaves, filenodes)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &run.name,
            target,
        )?;
    }
    Ok(())
}

/// Runs a statement that takes a run's name and what is noted of a target.
fn write_target(statement: &str, run: &str, target: &Target) -> Result<()> {
    let Target { number, name, relation, storage } = target;
    execute(
        statement,
        &[
            Text::from(run).into(),
            (*number).into(),
            Text::from(name.as_str()).into(),
            (*relation).into(),
            storage.unlogged.into(),
            storage.leaves.clone().into(),
            storage.filenodes.clone().into(),
        ],
    )?;
    Ok(())
}

/// Readies an existing run for another session: its pace is the new call's, and requests to stop that
/// came before are not meant for it.
pub fn reopen(run: &str, rate: Option<f64>) -> Result<()> {
    execute(
        "UPDATE millrace.run SET rate = $2, stop_requested = false WHERE name OPERATOR(pg_catalog.=) $1",
        &[Text::from(run).into(), rate.into()],
    )?;
    Ok(())
}

/// Takes a target as it is now for the one the run began with, and its ledger rows along.
pub fn adopt(run: &str, then: &Target, now: &Target) -> Result<()> {
    write_target(
        "UPDATE millrace.target SET name = $3, relation = $4, unlogged = $5, leaves = $6, filenodes = $7
         WHERE run OPERATOR(pg_catalog.=) $1 AND target OPERATOR(pg_catalog.=) $2",
        run,
        now,
    )?;
    let (from, to) = (ledger(then), ledger(now));
    if from != to {
        let moved =
            format!("FROM {from} WHERE run OPERATOR(pg_catalog.=) $1 AND target OPERATOR(pg_catalog.=) $2");
        for statement in [format!("INSERT INTO {to} SELECT * {moved}"), format!("DELETE {moved}")] {
            execute(&statement, &[Text::from(run).into(), then.number.into()])?;
        }
    }
    Ok(())
}

/// Forgets a run; its rows in the target stay.
pub fn delete(run: &str) -> Result<()> {
    // The run comes last, because whose its other rows are follows from it. Cloudberry has foreign keys but does
    // not act on them.
    for table in ["bench_query", "bench_analyze", "bench_table", "batch", "batch_unlogged", "target"] {
        let statement = format!("DELETE FROM millrace.{table} WHERE run OPERATOR(pg_catalog.=) $1");
        execute(&statement, &[Text::from(run).into()])?;
    }
    execute("DELETE FROM millrace.run WHERE name OPERATOR(pg_catalog.=) $1", &[Text::from(run).into()])?;
    Ok(())
}

/// Asks the session that ingests a run to stop after its batch.
pub fn request_stop(run: &str) -> Result<()> {
    execute(
        "UPDATE millrace.run SET stop_requested = true WHERE name OPERATOR(pg_catalog.=) $1",
        &[Text::from(run).into()],
    )?;
    Ok(())
}

/// Notes a batch of a target, in the transaction that inserted its rows.
pub fn insert_batch(run: &Run, target: &Target, batch: i64, inserted: &Inserted) -> Result<()> {
    let ledger = ledger(target);
    let Inserted { path, measured } = inserted;
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
    execute(
        // Process and time are this session's: as defaults they would be evaluated by each segment of a cluster.
        &format!(
            "INSERT INTO {ledger} (run, batch, target, rows, elapsed_ms, generate_ms, insert_ms, wal_bytes, path,
                                   worker, finished)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        ),
        &[
            Text::from(run.name.as_str()).into(),
            batch.into(),
            target.number.into(),
            measured.rows.into(),
            milliseconds(measured.waited + measured.took).into(),
            milliseconds(measured.generated).into(),
            milliseconds(measured.took).into(),
            (measured.wal_bytes as i64).into(),
            path.name().into(),
            process::id().into(),
            process::now().into(),
        ],
    )?;
    Ok(())
}

/// Whether a target has a batch.
pub fn has_batch(run: &Run, target: &Target, batch: i64) -> Result<bool> {
    let ledger = ledger(target);
    let there = one(
        &format!(
            "SELECT true FROM {ledger} WHERE run OPERATOR(pg_catalog.=) $1
             AND batch OPERATOR(pg_catalog.=) $2 AND target OPERATOR(pg_catalog.=) $3"
        ),
        &[Text::from(run.name.as_str()).into(), batch.into(), target.number.into()],
    )?;
    Ok(there.unwrap_or(false))
}

/// The numbers of a target's committed batches, in order.
pub fn batches(run: &Run, target: &Target) -> Result<Vec<i64>> {
    let ledger = ledger(target);
    let numbers = one(
        &format!(
            "SELECT pg_catalog.array_agg(batch ORDER BY batch USING OPERATOR(pg_catalog.<)) FROM {ledger}
             WHERE run OPERATOR(pg_catalog.=) $1 AND target OPERATOR(pg_catalog.=) $2"
        ),
        &[Text::from(run.name.as_str()).into(), target.number.into()],
    )?;
    Ok(numbers.unwrap_or_default())
}

/// The key of a run's lock.
pub fn lock_key(run: &str) -> Result<i64> {
    Ok(one("SELECT millrace.lock_key($1)", &[Text::from(run).into()])?.unwrap_or_default())
}

/// The process that holds a run's lock.
pub fn holder(run: &str) -> Result<Option<i32>> {
    one(
        "SELECT pid FROM millrace.running() WHERE key OPERATOR(pg_catalog.=) millrace.lock_key($1)",
        &[Text::from(run).into()],
    )
}

/// Where a target's batches are noted.
fn ledger(target: &Target) -> &'static str {
    if target.storage.unlogged { "millrace.batch_unlogged" } else { "millrace.batch" }
}

/// The first column of a query's first row, or `None` if there is no row or it is null.
pub fn one<T: FromDatum + IntoDatum>(
    query: &str,
    arguments: &[pgrx::datum::DatumWithOid<'_>],
) -> Result<Option<T>> {
    let value = Spi::connect(|client| {
        let rows = client.select(&to_c_string(query), Some(1), arguments)?;
        if rows.is_empty() { Ok(None) } else { rows.first().get_one() }
    });
    Ok(value?)
}

/// Runs a statement and returns the number of rows it changed.
pub fn execute(statement: &str, arguments: &[pgrx::datum::DatumWithOid<'_>]) -> Result<usize> {
    let changed = Spi::connect_mut(|client| {
        Ok::<_, pgrx::spi::Error>(client.update(&to_c_string(statement), None, arguments)?.len())
    });
    Ok(changed?)
}
