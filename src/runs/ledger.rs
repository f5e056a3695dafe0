//! The ledger of runs, in schema `millrace`: what each run loads, and which of its batches are there.
//!
//! Everybody may read it. It is written only through [`write()`] and [`Writer`], with the rights of its owner, after the
//! caller's own rights were checked. So all names and operators are qualified: functions that insert rows leave the caller's
//! `search_path` as it is for the sake of triggers, and it must not lead an owner's statement elsewhere.

use crate::error::{Error, Result};
use crate::pg::server::lock::Key;
use crate::pg::server::role;
use crate::pg::server::settings::Settings;
use crate::pg::server::text::{Json, Text, to_c_string};
use crate::pg::server::{invalidation, process};
use crate::runs::inserted::Inserted;
use crate::runs::origin::{Origin, QUERY};
use crate::runs::plan;
use millrace_sources::{BatchPlan, Profile};
use pgrx::datum::{DatumWithOid, TimestampWithTimeZone};
use pgrx::pg_sys::{BuiltinOid, Oid, PgOid};
use pgrx::prelude::*;
use pgrx::spi::{OwnedPreparedStatement, SpiHeapTupleData};
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::time::Duration;

/// A run: what it loads. Fixed when it begins.
#[derive(Debug, Clone)]
pub struct Run {
    pub name: String,
    /// The role that began it; `None` if it was dropped since.
    pub owner: Option<Oid>,
    pub source: String,
    pub options: Value,
    pub batch_rows: i32,
    pub profile: Profile,
    pub batches: i64,
    pub rows_estimated: i64,
    pub named: bool,
    /// The settings that its values are converted under; empty if no value depends on a setting.
    pub settings: Settings,
    /// As the last call asked.
    pub pace: Pace,
    /// The tables it loads, at least one.
    pub targets: Vec<Target>,
}

/// What each call of a run may change.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Rows per second offered; `None` if as fast as possible.
    pub rate: Option<f64>,
    /// How long the run lasts, however much it has loaded by then; `None` if until everything is loaded.
    pub duration: Option<Duration>,
    /// Whether each commit waits as the session's own setting says, or only the last.
    pub synchronous_commit: bool,
}

impl Run {
    /// Whether it ends when all its rows are there, not when its time is over or when it is stopped.
    pub fn has_end(&self) -> bool {
        self.pace.duration.is_none() && self.options.get("rows") != Some(&Value::Null)
    }

    /// Its rows in all, if it has an end.
    pub fn total(&self) -> Option<i64> {
        self.has_end().then_some(self.rows_estimated)
    }

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
    /// The columns that the run fills; `None` for a query, and in runs of version 0.1, which did not note them.
    pub columns: Option<Vec<String>>,
}

/// What shows that a table was neither emptied nor created again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Whether a crash empties it.
    pub unlogged: bool,
    /// The table itself, its partitions, or the tables below a view.
    pub leaves: Vec<Oid>,
    /// The file node of each, or its OID again if it has no file.
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

/// Refuses a ledger of an older version of the extension.
pub fn check_version() -> Result<()> {
    let is_current = "SELECT EXISTS (
        SELECT FROM pg_catalog.pg_attribute
        WHERE attrelid OPERATOR(pg_catalog.=) 'millrace.run'::pg_catalog.regclass
              AND attname OPERATOR(pg_catalog.=) 'finished')";
    if one(is_current, &[])? == Some(true) { Ok(()) } else { Err(Error::Retired) }
}

/// A value that the ledger always has.
pub fn value<T: FromDatum + IntoDatum>(row: &SpiHeapTupleData<'_>, column: usize) -> Result<T> {
    row.get(column)?.ok_or(Error::BrokenLedger)
}

/// A text that the ledger always has.
pub fn text(row: &SpiHeapTupleData<'_>, column: usize) -> Result<String> {
    Ok(value::<Text>(row, column)?.into_string())
}

/// The run of that name.
pub fn find(name: &str) -> Result<Option<Run>> {
    let run = Spi::connect(|client| {
        let mut rows = client.select(
            "SELECT owner::pg_catalog.text, source, options, batch_rows, profile, batches, rows_estimated, named,
                    settings, synchronous_commit, rate, pg_catalog.date_part('epoch', duration)
             FROM millrace.run WHERE name OPERATOR(pg_catalog.=) $1",
            Some(1),
            &[Text::from(name).into()],
        )?;
        let Some(row) = rows.next() else { return Ok(None) };
        let json = |column| Ok::<Value, Error>(value::<Json>(&row, column)?.0);
        Ok::<_, Error>(Some(Run {
            name: name.to_owned(),
            owner: role_of(&text(&row, 1)?)?,
            source: text(&row, 2)?,
            options: json(3)?,
            batch_rows: value(&row, 4)?,
            profile: Profile::read(json(5)?).ok_or(Error::BrokenLedger)?,
            batches: value(&row, 6)?,
            rows_estimated: value(&row, 7)?,
            named: value(&row, 8)?,
            settings: serde_json::from_value(json(9)?).map_err(|_| Error::BrokenLedger)?,
            pace: Pace {
                synchronous_commit: value(&row, 10)?,
                rate: row.get(11)?,
                duration: row.get(12)?.map(Duration::from_secs_f64),
            },
            targets: Vec::new(),
        }))
    })?;
    run.map(|run| Ok(Run { targets: targets(name)?, ..run })).transpose()
}

fn targets(run: &str) -> Result<Vec<Target>> {
    let targets: Vec<_> = Spi::connect(|client| {
        let rows = client.select(
            "SELECT target, name, relation, unlogged, leaves, filenodes, columns
             FROM millrace.target WHERE run OPERATOR(pg_catalog.=) $1 ORDER BY target",
            None,
            &[Text::from(run).into()],
        )?;
        let target = |row: SpiHeapTupleData<'_>| {
            Ok(Target {
                number: value(&row, 1)?,
                name: text(&row, 2)?,
                relation: value(&row, 3)?,
                storage: Storage {
                    unlogged: value(&row, 4)?,
                    leaves: value(&row, 5)?,
                    filenodes: value(&row, 6)?,
                },
                columns: row
                    .get::<Vec<Option<Text>>>(7)?
                    .map(|columns| columns.into_iter().flatten().map(Text::into_string).collect()),
            })
        };
        rows.map(target).collect::<Result<_>>()
    })?;
    if targets.is_empty() { Err(Error::BrokenLedger) } else { Ok(targets) }
}

/// The role that a value of type role_then, given as text, stands for; `None` if it is gone. This takes a statement of its
/// own: on a cluster, segments read the rows of tables, and each has another system identifier, so it would take the role
/// for one of another cluster.
pub fn role_of(then: &str) -> Result<Option<Oid>> {
    one("SELECT millrace.role_of($1::millrace.role_then)", &[Text::from(then).into()])
}

/// The name of the role that began a run, even if it is gone; in two statements for the reason given at [`role_of`].
fn owner_name(run: &str) -> Result<String> {
    let then = "SELECT owner::pg_catalog.text FROM millrace.run WHERE name OPERATOR(pg_catalog.=) $1";
    let then: Option<Text> = one(then, &[Text::from(run).into()])?;
    let name = "SELECT millrace.role_name($1::millrace.role_then)::pg_catalog.text";
    one::<Text>(name, &[then.into()])?.map(Text::into_string).ok_or(Error::BrokenLedger)
}

/// As [`find`], but a run that does not exist is an error.
pub fn get(name: &str) -> Result<Run> {
    find(name)?.ok_or_else(|| Error::UnknownRun(name.to_owned()))
}

/// Refuses a run to those who neither began it, nor own its tables, nor may act for those who do.
pub fn check_owner(run: &Run) -> Result<()> {
    if role::may_act_for_owner(run.owner) || owns_targets(run)? {
        Ok(())
    } else {
        Err(Error::NotOwner { run: run.name.clone(), owner: owner_name(&run.name)? })
    }
}

fn owns_targets(run: &Run) -> Result<bool> {
    for target in &run.targets {
        let owner = one(
            "SELECT relowner FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) $1",
            &[target.relation.into()],
        )?;
        if !owner.is_some_and(role::may_act_for) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Refuses the query of another role, even one the caller is a member of: it would run with the caller's rights.
pub fn check_query_owner(run: &Run) -> Result<()> {
    if run.source == QUERY && run.owner != Some(role::current()) {
        return Err(Error::OthersQuery { run: run.name.clone(), owner: owner_name(&run.name)? });
    }
    Ok(())
}

/// Writes a new run in place of what is left of an older one of its name, for example after a dump was restored in part.
pub fn insert(run: &Run) -> Result<()> {
    delete(&run.name)?;
    write(
        "INSERT INTO millrace.run
             (name, owner, source, options, batch_rows, batches, rows_estimated, named, rate, profile, created, settings,
              synchronous_commit, duration)
         VALUES ($1, ROW($2, pg_catalog.pg_get_userbyid($2), $3), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                 pg_catalog.make_interval(secs => $15))",
        &[
            Text::from(run.name.as_str()).into(),
            role::current().into(),
            role::cluster_identifier().into(),
            Text::from(run.source.as_str()).into(),
            Json(run.options.clone()).into(),
            run.batch_rows.into(),
            run.batches.into(),
            run.rows_estimated.into(),
            run.named.into(),
            run.pace.rate.into(),
            Json(json!(run.profile)).into(),
            process::now().into(),
            Json(json!(run.settings)).into(),
            run.pace.synchronous_commit.into(),
            run.pace.duration.map(|duration| duration.as_secs_f64()).into(),
        ],
    )?;
    for target in &run.targets {
        write_target(
            "INSERT INTO millrace.target (run, target, name, relation, unlogged, leaves, filenodes, columns)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &run.name,
            target,
        )?;
    }
    Ok(())
}

/// Runs a statement that takes a run's name and what is noted of a target.
fn write_target(statement: &str, run: &str, target: &Target) -> Result<()> {
    let Target { number, name, relation, storage, columns } = target;
    write(
        statement,
        &[
            Text::from(run).into(),
            (*number).into(),
            Text::from(name.as_str()).into(),
            (*relation).into(),
            storage.unlogged.into(),
            storage.leaves.clone().into(),
            storage.filenodes.clone().into(),
            columns
                .as_ref()
                .map(|columns| columns.iter().map(|column| Text::from(column.as_str())).collect::<Vec<_>>())
                .into(),
        ],
    )?;
    Ok(())
}

/// Readies an existing run for another session: notes the new call's pace, and withdraws earlier requests to stop.
pub fn reopen(run: &str, pace: Pace) -> Result<()> {
    write(
        "UPDATE millrace.run
         SET rate = $2, synchronous_commit = $3, duration = pg_catalog.make_interval(secs => $4), stop_requested = false
         WHERE name OPERATOR(pg_catalog.=) $1",
        &[
            Text::from(run).into(),
            pace.rate.into(),
            pace.synchronous_commit.into(),
            pace.duration.map(|duration| duration.as_secs_f64()).into(),
        ],
    )?;
    Ok(())
}

/// Accepts a target as it is now in place of the one the run began with, and moves its ledger rows.
pub fn adopt(run: &str, then: &Target, now: &Target) -> Result<()> {
    write_target(
        "UPDATE millrace.target
         SET name = $3, relation = $4, unlogged = $5, leaves = $6, filenodes = $7, columns = $8
         WHERE run OPERATOR(pg_catalog.=) $1 AND target OPERATOR(pg_catalog.=) $2",
        run,
        now,
    )?;
    let (from, to) = (ledger(then), ledger(now));
    if from != to {
        let moved =
            format!("FROM {from} WHERE run OPERATOR(pg_catalog.=) $1 AND target OPERATOR(pg_catalog.=) $2");
        for statement in [format!("INSERT INTO {to} SELECT * {moved}"), format!("DELETE {moved}")] {
            write(&statement, &[Text::from(run).into(), then.number.into()])?;
        }
        write(
            "UPDATE millrace.run SET finished = NULL WHERE name OPERATOR(pg_catalog.=) $1",
            &[Text::from(run).into()],
        )?;
    }
    Ok(())
}

/// Forgets a run; its rows in the target stay.
pub fn delete(run: &str) -> Result<()> {
    for table in [
        "bench_query",
        "bench_analyze",
        "bench_table",
        "reading",
        "moment",
        "session",
        "batch",
        "batch_unlogged",
        "target",
    ] {
        write(
            &format!("DELETE FROM millrace.{table} WHERE run OPERATOR(pg_catalog.=) $1"),
            &[Text::from(run).into()],
        )?;
    }
    write("DELETE FROM millrace.run WHERE name OPERATOR(pg_catalog.=) $1", &[Text::from(run).into()])?;
    Ok(())
}

/// Asks the session that ingests a run to stop after its batch, and announces that to it.
pub fn request_stop(run: &str) -> Result<()> {
    write(
        "UPDATE millrace.run SET stop_requested = true WHERE name OPERATOR(pg_catalog.=) $1",
        &[Text::from(run).into()],
    )?;
    invalidation::announce(run_table()?);
    Ok(())
}

/// Whether the session that ingests a run should stop, which it also should if the run was dropped meanwhile.
pub fn stop_requested(run: &str) -> Result<bool> {
    let requested = one(
        "SELECT stop_requested FROM millrace.run WHERE name OPERATOR(pg_catalog.=) $1",
        &[Text::from(run).into()],
    )?;
    Ok(requested.unwrap_or(true))
}

/// Notes that a run has all its batches, unless a table is unlogged: then that may be untrue after a crash.
pub fn finish(run: &Run) -> Result<()> {
    if run.targets.iter().any(|target| target.storage.unlogged) {
        return Ok(());
    }
    write(
        "UPDATE millrace.run SET finished = $2 WHERE name OPERATOR(pg_catalog.=) $1",
        &[Text::from(run.name.as_str()).into(), process::now().into()],
    )?;
    Ok(())
}

/// Notes that a run has ended with this number of batches and rows.
pub fn end(run: &Run, batches: i64, rows: i64) -> Result<()> {
    write(
        "UPDATE millrace.run SET batches = $2, rows_estimated = $3 WHERE name OPERATOR(pg_catalog.=) $1",
        &[Text::from(run.name.as_str()).into(), batches.into(), rows.into()],
    )?;
    Ok(())
}

/// Notes that a session ingests a run from now on, with the pace that the run has, this number of processes and readers.
pub fn begin_session(run: &Run, processes: usize, readers: usize) -> Result<()> {
    write(
        "INSERT INTO millrace.session (run, begun, pid, rate, processes, readers) VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            Text::from(run.name.as_str()).into(),
            process::now().into(),
            process::id().into(),
            run.pace.rate.into(),
            (processes as i32).into(),
            (readers as i32).into(),
        ],
    )?;
    Ok(())
}

/// How long sessions were at work on a run, without the time between them.
pub fn time_used(run: &str) -> Result<Duration> {
    let used = "SELECT pg_catalog.sum(pg_catalog.date_part('epoch', ended OPERATOR(pg_catalog.-) begun))
                FROM millrace.sessions($1)";
    let seconds: Option<f64> = one(used, &[Text::from(run).into()])?;
    Ok(Duration::try_from_secs_f64(seconds.unwrap_or_default()).unwrap_or_default())
}

/// When a batch was due, and when the run's last batch was done, in microseconds of the server's clock; `None` if the batch
/// had no due time.
pub fn due(run: &str, batch: i64) -> Result<Option<(i64, i64)>> {
    let arguments = [Text::from(run).into(), batch.into()];
    let due: Option<TimestampWithTimeZone> = one(
        "SELECT due FROM millrace.batches
         WHERE run OPERATOR(pg_catalog.=) $1 AND batch OPERATOR(pg_catalog.=) $2 ORDER BY target LIMIT 1",
        &arguments,
    )?;
    let last: Option<TimestampWithTimeZone> = one(
        "SELECT pg_catalog.max(finished) FROM millrace.batches WHERE run OPERATOR(pg_catalog.=) $1",
        &[Text::from(run).into()],
    )?;
    Ok(due.zip(last).map(|(due, last)| (process::count(due), process::count(last))))
}

/// When the newest row of a target arrived, in microseconds of the server's clock: when its batch was due, or, without a
/// rate, done.
pub fn newest(run: &str, target: &Target) -> Result<Option<i64>> {
    let newest = format!(
        "SELECT COALESCE(due, finished) FROM {}
         WHERE run OPERATOR(pg_catalog.=) $1 AND target OPERATOR(pg_catalog.=) $2 ORDER BY batch DESC LIMIT 1",
        ledger(target)
    );
    let newest: Option<TimestampWithTimeZone> =
        one(&newest, &[Text::from(run).into(), target.number.into()])?;
    Ok(newest.map(process::count))
}

/// Writes to a run's row without changing it: a commit waits only if its transaction has written something.
pub fn touch(run: &Run) -> Result<()> {
    let touch = "UPDATE millrace.run SET finished = finished WHERE name OPERATOR(pg_catalog.=) $1";
    write(touch, &[Text::from(run.name.as_str()).into()]).map(|_| ())
}

/// Whether a run has all its batches. That is noted if the rows survive a crash; batches of an unlogged table are counted.
pub fn is_finished(run: &Run) -> Result<bool> {
    let finished = "SELECT finished IS NOT NULL FROM millrace.run WHERE name OPERATOR(pg_catalog.=) $1";
    if one(finished, &[Text::from(run.name.as_str()).into()])? == Some(true) {
        return Ok(true);
    }
    for target in &run.targets {
        if committed(run, target)? != [1..=run.batches] {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The numbers of the runs called `name` and `name#2`, `name#3`, … that were not named by the caller and are finished,
/// as far as that is noted.
pub fn finished_numbers(name: &str) -> Result<Vec<i64>> {
    let numbers = one(
        "SELECT pg_catalog.array_agg(CASE name WHEN $1 THEN 1
                                     ELSE pg_catalog.substr(name, pg_catalog.length($1) OPERATOR(pg_catalog.+) 2)
                                          ::pg_catalog.int8 END)
         FROM millrace.run
         WHERE (name OPERATOR(pg_catalog.=) $1
                OR pg_catalog.starts_with(name, $1 OPERATOR(pg_catalog.||) '#')
                   AND pg_catalog.substr(name, pg_catalog.length($1) OPERATOR(pg_catalog.+) 2)
                       OPERATOR(pg_catalog.~) '^[1-9][0-9]{0,17}$')
               AND NOT named AND finished IS NOT NULL",
        &[Text::from(name).into()],
    )?;
    Ok(numbers.unwrap_or_default())
}

/// The ranges of consecutive batches that a target has, in order.
pub fn committed(run: &Run, target: &Target) -> Result<Vec<RangeInclusive<i64>>> {
    let query = format!(
        "SELECT pg_catalog.min(batch), pg_catalog.max(batch)
         FROM (SELECT batch, batch OPERATOR(pg_catalog.-) pg_catalog.row_number() OVER (ORDER BY batch) AS stretch
               FROM {} WHERE run OPERATOR(pg_catalog.=) $1 AND target OPERATOR(pg_catalog.=) $2) b
         GROUP BY stretch ORDER BY 1",
        ledger(target)
    );
    Spi::connect(|client| {
        let arguments = [Text::from(run.name.as_str()).into(), target.number.into()];
        let rows = client.select(query.as_str(), None, &arguments)?;
        rows.map(|row| Ok(value(&row, 1)?..=value(&row, 2)?)).collect()
    })
}

/// How many rows a run has in each of its targets.
pub fn rows_done(run: &str) -> Result<i64> {
    one("SELECT millrace.rows_done($1)", &[Text::from(run).into()])?.ok_or(Error::BrokenLedger)
}

/// How many rows the other runs of a load have, and will have.
pub fn rows_of_load(load: &str, but: &str) -> Result<(i64, i64)> {
    let runs: Vec<(String, i64, bool)> = Spi::connect(|client| {
        let rows = client.select(
            "SELECT name, rows_estimated, finished IS NOT NULL FROM millrace.run
             WHERE load OPERATOR(pg_catalog.=) $1 AND name OPERATOR(pg_catalog.<>) $2",
            None,
            &[Text::from(load).into(), Text::from(but).into()],
        )?;
        rows.map(|row| Ok((text(&row, 1)?, value(&row, 2)?, value(&row, 3)?))).collect::<Result<_>>()
    })?;
    let (mut done, mut total) = (0, 0);
    for (run, estimated, finished) in runs {
        let rows = rows_done(&run)?;
        done += rows;
        total += if finished { rows } else { estimated };
    }
    Ok((done, total))
}

/// Whether a run is a benchmark's.
pub fn is_of_bench(run: &str) -> Result<bool> {
    let in_bench = "SELECT EXISTS (SELECT FROM millrace.bench_table WHERE run OPERATOR(pg_catalog.=) $1)";
    Ok(one(in_bench, &[Text::from(run).into()])? == Some(true))
}

/// The key of a run's lock.
pub fn lock_key(run: &str) -> Result<Key> {
    let number = one("SELECT millrace.lock_key($1)", &[Text::from(run).into()])?;
    Ok(Key { table: run_table()?, number: number.ok_or(Error::BrokenLedger)? })
}

/// The process that holds a run's lock.
pub fn holder(run: &str) -> Result<Option<i32>> {
    one(
        "SELECT pid FROM millrace.running WHERE key OPERATOR(pg_catalog.=) millrace.lock_key($1)",
        &[Text::from(run).into()],
    )
}

/// Where a target's batches are noted.
fn ledger(target: &Target) -> &'static str {
    if target.storage.unlogged { "millrace.batch_unlogged" } else { "millrace.batch" }
}

/// The table of runs. Changes of it are announced to those who watch it.
pub fn run_table() -> Result<Oid> {
    one("SELECT 'millrace.run'::pg_catalog.regclass::pg_catalog.oid", &[])?.ok_or(Error::BrokenLedger)
}

/// The role whose rights the ledger is written with.
fn owner() -> Result<Oid> {
    let owner = "SELECT relowner FROM pg_catalog.pg_class
                 WHERE oid OPERATOR(pg_catalog.=) 'millrace.run'::pg_catalog.regclass";
    one(owner, &[])?.ok_or(Error::BrokenLedger)
}

/// What is noted with a batch but was not measured by inserting it.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// This batch's share of the run's time: since the batch before, of any process.
    pub busy: Duration,
    /// How long the commit of this process's previous batch took, which only a later transaction can note.
    pub commit_before: Option<Duration>,
    /// When the batch was due, in microseconds of the server's clock.
    pub due: Option<i64>,
}

/// Notes batches, by statements that are planned once.
pub struct Writer {
    owner: Oid,
    statements: [Option<OwnedPreparedStatement>; 2],
}

impl Writer {
    pub fn new() -> Result<Self> {
        Ok(Self { owner: owner()?, statements: [None, None] })
    }

    /// Notes a batch of a target, in the transaction that inserted its rows.
    pub fn insert_batch(
        &mut self,
        run: &str,
        target: &Target,
        batch: i64,
        inserted: &Inserted,
        timing: Timing,
    ) -> Result<()> {
        let Inserted { path, measured } = inserted;
        // Process and time are this session's: as defaults they would be evaluated by each segment of a cluster.
        let arguments: [DatumWithOid<'_>; 14] = [
            Text::from(run).into(),
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
            milliseconds(timing.busy).into(),
            timing.commit_before.map(milliseconds).into(),
            timing.due.and_then(process::time).into(),
        ];
        let owner = self.owner;
        let statement = self.statement(target)?;
        role::act_as(owner, || {
            Spi::connect_mut(|client| client.update(statement, None, &arguments).map(|_| ()))
        })?;
        Ok(())
    }

    fn statement(&mut self, target: &Target) -> Result<&OwnedPreparedStatement> {
        let statement = &mut self.statements[usize::from(target.storage.unlogged)];
        if statement.is_none() {
            *statement = Some(Self::prepare(target)?);
        }
        statement.as_ref().ok_or(Error::BrokenLedger)
    }

    fn prepare(target: &Target) -> Result<OwnedPreparedStatement> {
        use BuiltinOid::{FLOAT8OID, INT4OID, INT8OID, TEXTOID, TIMESTAMPTZOID};
        let types = [
            TEXTOID,
            INT8OID,
            INT4OID,
            INT8OID,
            FLOAT8OID,
            FLOAT8OID,
            FLOAT8OID,
            INT8OID,
            TEXTOID,
            INT4OID,
            TIMESTAMPTZOID,
            FLOAT8OID,
            FLOAT8OID,
            TIMESTAMPTZOID,
        ];
        let statement = format!(
            "INSERT INTO {} (run, batch, target, rows, elapsed_ms, generate_ms, insert_ms, wal_bytes, path, worker,
                             finished, busy_ms, commit_before_ms, due)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            ledger(target)
        );
        let prepared = Spi::connect_mut(|client| {
            Ok::<_, Error>(client.prepare_mut(statement.as_str(), &types.map(PgOid::BuiltIn))?.keep())
        })?;
        Ok(prepared)
    }

    /// Notes how long the commit of a process's last batch took.
    pub fn note_commit(&self, run: &Run, batch: i64, took: Duration) -> Result<()> {
        for target in &run.targets {
            let statement = format!(
                "UPDATE {} SET commit_ms = $3 WHERE run OPERATOR(pg_catalog.=) $1 AND batch OPERATOR(pg_catalog.=) $2
                 AND target OPERATOR(pg_catalog.=) $4",
                ledger(target)
            );
            let arguments = [
                Text::from(run.name.as_str()).into(),
                batch.into(),
                milliseconds(took).into(),
                target.number.into(),
            ];
            write(&statement, &arguments)?;
        }
        Ok(())
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The first column of a query's first row, or `None` if there is no row or it is null.
pub fn one<T: FromDatum + IntoDatum>(query: &str, arguments: &[DatumWithOid<'_>]) -> Result<Option<T>> {
    Ok(Spi::connect(|client| {
        let rows = client.select(&to_c_string(query), Some(1), arguments)?;
        if rows.is_empty() { Ok(None) } else { rows.first().get_one() }
    })?)
}

/// Runs a statement with the caller's rights and returns the number of rows it changed.
pub fn execute(statement: &str, arguments: &[DatumWithOid<'_>]) -> Result<usize> {
    Ok(Spi::connect_mut(|client| {
        client.update(&to_c_string(statement), None, arguments).map(|rows| rows.len())
    })?)
}

/// Runs a statement on the ledger with its owner's rights. Check the user's own rights first.
pub fn write(statement: &str, arguments: &[DatumWithOid<'_>]) -> Result<usize> {
    role::act_as(owner()?, || execute(statement, arguments))
}
