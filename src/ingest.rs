//! Ingesting a run: who may, what is left to do, and one batch of it.
//!
//! The procedures in `sql/ingest.sql` call these functions and commit between them.

use crate::error::{Error, Result};
use crate::guc;
use crate::ledger::{self, Batch, Run, Storage, Target, one};
use crate::pg::insert::{self, Path, bulk_insert};
use crate::pg::row::{RowType, check_table};
use crate::pg::shared::{MAX_WORKERS, Orders, Shared};
use crate::pg::{activity, lock, process, workers};
use crate::plan;
use millrace_sources::{Error as SourceError, Profile, Source, registry};
use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::ErrorReportable;
use pgrx::prelude::*;
use pgrx::{AnyArray, JsonB, notice};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::time::{Duration, Instant};

/// The largest batch: one transaction should not run for hours.
const MAX_BATCH_ROWS: i32 = 100_000_000;

/// Refuses a statement that commits where it could not, before it has done anything.
#[pg_extern(sql = false)]
fn check_may_commit(statement: &str) -> Result<()> {
    process::check_writable(statement);
    if process::in_transaction_block() {
        return Err(Error::TransactionBlock(statement.to_owned()).into());
    }
    Ok(())
}

/// Options of every ingest, beside the source's own.
#[derive(Debug, Deserialize)]
struct Pace {
    /// At most so many rows per second.
    rate: Option<f64>,
}

/// The parameters of a call, checked but for the target.
pub struct Request {
    pub source_name: String,
    pub source: Box<dyn Source>,
    pub options: Value,
    rate: Option<f64>,
    pub profile: Profile,
}

impl Request {
    pub fn new(source_name: &str, sf: Option<f64>, rows: Option<i64>, options: Value) -> Result<Self> {
        let definition = registry::find(source_name).map_err(Error::from)?;
        let mut options = options_object(options)?;
        let rate = take_rate(&mut options)?;
        let profile = take_profile(&mut options)?;
        add_option(&mut options, "sf", sf.map(|sf| finite(sf).map(|sf| json!(sf))).transpose()?)?;
        add_option(&mut options, "rows", rows.map(|rows| json!(rows)))?;
        let options = definition.normalize(Value::Object(options)).map_err(Error::from)?;
        let source = registry::open(source_name, options.clone()).map_err(Error::from)?;
        Ok(Self { source_name: source_name.to_owned(), source, options, rate, profile })
    }
}

/// Options as they are given in SQL.
pub fn options_object(options: Value) -> Result<Map<String, Value>> {
    match options {
        Value::Object(options) => Ok(options),
        other => Err(Error::Argument {
            name: "options",
            value: other.to_string(),
            hint: "Options are a JSON object, such as {\"seed\": 1}.",
        }
        .into()),
    }
}

/// JSON has neither NaN nor infinity.
fn finite(sf: f64) -> Result<f64> {
    if sf.is_finite() { Ok(sf) } else { Err(Error::from(SourceError::ScaleFactor(sf)).into()) }
}

fn take_rate(options: &mut Map<String, Value>) -> Result<Option<f64>> {
    let Some(rate) = options.remove("rate") else { return Ok(None) };
    match serde_json::from_value::<Pace>(json!({ "rate": rate })) {
        Ok(Pace { rate: None }) => Ok(None),
        Ok(Pace { rate: Some(rate) }) if rate > 0.0 => Ok(Some(rate)),
        _ => Err(Error::Argument {
            name: "options.rate",
            value: rate.to_string(),
            hint: "The rate is a number of rows per second greater than 0.",
        }
        .into()),
    }
}

fn take_profile(options: &mut Map<String, Value>) -> Result<Profile> {
    let Some(profile) = options.remove("profile") else { return Ok(Profile::default()) };
    Profile::read(profile.clone()).ok_or_else(|| {
        let hint =
            "A profile is \"steady\", \"diurnal\", \"burst\" or a list of batch sizes, such as [1000, 5000].";
        Error::Argument { name: "options.profile", value: profile.to_string(), hint }.into()
    })
}

/// Adds what was given as an argument of its own to the source's options.
pub fn add_option(options: &mut Map<String, Value>, name: &'static str, value: Option<Value>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    if options.insert(name.to_owned(), value).is_some() {
        return Err(Error::Argument {
            name,
            value: "given twice".to_owned(),
            hint: "Give it as an argument or in the options, not both.",
        }
        .into());
    }
    Ok(())
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn open_run(
    target: Option<Oid>,
    source: Option<&str>,
    sf: Option<f64>,
    rows: Option<i64>,
    batch_rows: Option<i32>,
    workers: Option<i32>,
    run: Option<&str>,
    variants: Option<AnyArray>,
    options: Option<JsonB>,
) -> Result<String> {
    let target = target.ok_or(Error::Null("target"))?;
    let workers = check_workers(workers)?;
    if variants.is_some() {
        let hint = "Load each table with a run of its own: the same source gives the same rows.";
        return Err(Error::NotSupported { what: "argument \"variants\"", hint }.into());
    }
    if run == Some("") {
        let hint = "Leave it out to have the run named after its target.";
        return Err(Error::Argument { name: "run", value: "\"\"".to_owned(), hint }.into());
    }
    let relation = Relation::find(target)?;
    let source = source.unwrap_or(&relation.short_name);
    let options = options.map_or_else(|| json!({}), |options| options.0);
    let batch_rows = check_batch_rows(batch_rows)?;
    let request = Request::new(source, sf, rows, options)?;
    relation.check(&request.source_name, request.source.as_ref())?;
    relation.check_shared(workers)?;
    let plan = plan::plan(request.source.as_ref(), batch_rows, &request.profile, &request.options);
    let wanted = Run {
        name: run.map_or_else(|| relation.name.clone(), str::to_owned),
        owner: String::new(),
        source: request.source_name,
        options: request.options,
        batch_rows,
        profile: request.profile,
        batches: plan.batches() as i64,
        rows_estimated: request.source.estimated_rows(0..request.source.units()) as i64,
        named: run.is_some(),
        target: relation.into_target()?,
    };
    begin_or_go_on(wanted, request.rate)
}

pub fn check_batch_rows(batch_rows: Option<i32>) -> Result<i32> {
    let rows = batch_rows.ok_or(Error::Null("batch_rows"))?;
    if !(1..=MAX_BATCH_ROWS).contains(&rows) {
        let hint = "A batch has from 1 to 100000000 rows.";
        return Err(Error::Argument { name: "batch_rows", value: rows.to_string(), hint }.into());
    }
    Ok(rows)
}

fn check_workers(workers: Option<i32>) -> Result<usize> {
    let workers = workers.ok_or(Error::Null("workers"))?;
    if !(1..=MAX_WORKERS as i32).contains(&workers) {
        let hint = "From 1 to 1024 processes can ingest a run; 1 is the session alone.";
        return Err(Error::Argument { name: "workers", value: workers.to_string(), hint }.into());
    }
    Ok(workers as usize)
}

/// Takes the lock of the run `wanted` names and begins it, or finds it unfinished. An unnamed run goes
/// on to the next number where those before it are finished.
fn begin_or_go_on(wanted: Run, rate: Option<f64>) -> Result<String> {
    for number in 1.. {
        let name = if number == 1 { wanted.name.clone() } else { format!("{}#{number}", wanted.name) };
        acquire(&name)?;
        let Some(existing) = ledger::find(&name)? else {
            ledger::insert(&Run { name: name.clone(), ..wanted }, rate)?;
            return Ok(name);
        };
        let finished = is_finished(&existing)?;
        if finished && !wanted.named && !existing.named {
            lock::release();
            continue;
        }
        ledger::check_owner(&existing)?;
        check_same(&existing, &wanted)?;
        if finished {
            notice!("run \"{name}\" is finished, there is nothing to do");
        } else {
            check_storage(&existing)?;
            ledger::reopen(&name, rate)?;
        }
        return Ok(name);
    }
    unreachable!("there is always another number")
}

fn acquire(run: &str) -> Result<()> {
    if lock::try_acquire(ledger::lock_key(run)?) {
        return Ok(());
    }
    Err(Error::RunBusy { run: run.to_owned(), pid: ledger::holder(run)? }.into())
}

fn is_finished(run: &Run) -> Result<bool> {
    let missing: Option<i64> = one("SELECT millrace.first_missing_batch($1)", &[run.name.as_str().into()])?;
    Ok(missing.is_some_and(|batch| batch > run.batches))
}

/// Refuses to go on with a run under other parameters than it was begun with.
fn check_same(existing: &Run, wanted: &Run) -> Result<()> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, then: &dyn std::fmt::Display, now: &dyn std::fmt::Display| {
        let (then, now) = (then.to_string(), now.to_string());
        if then != now {
            differences.push(format!("{what}: {then} then, {now} now"));
        }
    };
    if existing.target.relation != wanted.target.relation {
        compare("target", &existing.target.name, &wanted.target.name);
    }
    compare("source", &existing.source, &wanted.source);
    compare("options", &existing.options, &wanted.options);
    compare("batch_rows", &existing.batch_rows, &wanted.batch_rows);
    compare("profile", &json!(existing.profile), &json!(wanted.profile));
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::RunDiffers { run: existing.name.clone(), differences }.into())
}

fn target_changed(run: &Run, how: &'static str) -> Error {
    Error::TargetChanged { run: run.name.clone(), target: run.target.name.clone(), how }
}

/// The target as it is now, if it was not dropped.
pub fn current_relation(run: &Run) -> Result<Relation> {
    Ok(Relation::look_up(run.target.relation)?.ok_or_else(|| target_changed(run, "dropped"))?)
}

/// Refuses a target that may have lost what the run put there.
fn check_storage(run: &Run) -> Result<()> {
    if !run.target.storage.survives_in(&current_relation(run)?.storage()?) {
        return Err(target_changed(run, "truncated, rewritten or created again").into());
    }
    Ok(())
}

#[pg_extern(sql = false)]
fn reopen_run(run: Option<&str>, adopt: Option<bool>, workers: Option<i32>) -> Result<()> {
    let name = run.ok_or(Error::Null("run"))?;
    let workers = check_workers(workers)?;
    let run = ledger::get(name)?;
    ledger::check_owner(&run)?;
    let relation =
        Relation::look_up(current_target(&run)?)?.ok_or_else(|| target_changed(&run, "dropped"))?;
    relation.check_shared(workers)?;
    acquire(name)?;
    if adopt.unwrap_or_default() {
        ledger::adopt(&run, &relation.into_target()?)?;
    } else if is_finished(&run)? {
        notice!("run \"{name}\" is finished, there is nothing to do");
        return Ok(());
    } else {
        check_storage(&run)?;
    }
    ledger::reopen(name, one("SELECT rate FROM millrace.run WHERE name = $1", &[name.into()])?)
}

/// The target as it is now: by name, because a restored table has another OID, or else by OID.
fn current_target(run: &Run) -> Result<Oid> {
    let by_name: Option<Oid> = one("SELECT to_regclass($1)::oid", &[run.target.name.as_str().into()])?;
    Ok(by_name.unwrap_or(run.target.relation))
}

/// Starts the workers that help this session with the run it holds, whose next batch to take is
/// `next_batch`; returns how many processes there are then.
#[pg_extern(sql = false)]
fn start_workers(run: &str, workers: i32, batches: i64, next_batch: i64, rate: Option<f64>) -> Result<i32> {
    let wanted = check_workers(Some(workers))?;
    // No more than there are batches for.
    let wanted = wanted.min(usize::try_from(batches - next_batch + 1).unwrap_or(0).max(1));
    let rate = rate.map(|rate| rate / wanted as f64);
    let started = 1 + workers::start(&Orders::new(run.to_owned(), batches, rate), next_batch, wanted - 1);
    if started < wanted {
        notice!("{started} processes ingest the run, {wanted} were asked for: no more workers are free");
    }
    Ok(started as i32)
}

#[pg_extern(sql = false)]
fn next_batch() -> Result<i64> {
    workers::next_batch()
}

/// Adds rows this session committed; returns those of all processes.
#[pg_extern(sql = false)]
fn add_rows(rows: i64) -> i64 {
    workers::add_rows(rows)
}

#[pg_extern(sql = false)]
fn stop_workers() {
    workers::stop();
}

/// Waits for a moment, or until a worker ends; returns whether some are still at work.
#[pg_extern(sql = false)]
fn wait_for_workers(seconds: f64) -> Result<bool> {
    workers::wait(Duration::from_secs_f64(seconds.clamp(0.0, 60.0)))
}

/// What a worker does: ingests batches until all are taken, each in a transaction of its own.
pub fn work(shared: &Shared, orders: &Orders) {
    let run = orders.run.as_str();
    let mut committed: Option<(i64, Duration)> = None;
    while !shared.is_stopped() {
        let batch = shared.next_batch();
        if batch > orders.batches {
            break;
        }
        workers::report_activity(&format!("ingesting batch {batch} of run \"{run}\""));
        let begun = Instant::now();
        let (rows, done) = workers::transaction(|| {
            note_commit(run, committed).unwrap_or_report();
            (ingest_batch(run, batch).unwrap_or_report(), Instant::now())
        });
        committed = Some((batch, done.elapsed()));
        shared.add_rows(rows);
        if let Some(rate) = orders.rate {
            let due = begun + Duration::from_secs_f64(rows as f64 / rate);
            while Instant::now() < due && !shared.is_stopped() {
                process::nap(NAP.min(due.saturating_duration_since(Instant::now())));
            }
        }
    }
    workers::transaction(|| note_commit(run, committed).unwrap_or_report());
}

/// How long a process that is ahead of its pace sleeps at a time.
const NAP: Duration = Duration::from_millis(250);

/// Notes how long the commit of the batch before took.
fn note_commit(run: &str, committed: Option<(i64, Duration)>) -> Result<()> {
    let Some((batch, took)) = committed else { return Ok(()) };
    let arguments = [run.into(), batch.into(), milliseconds(took).into()];
    ledger::one::<bool>("SELECT millrace.note_commit($1, $2, $3) IS NULL", &arguments)?;
    Ok(())
}

#[pg_extern(sql = false)]
fn close_run() {
    workers::dismiss();
    lock::release();
}

#[pg_extern(sql = false)]
fn stream_stop(run: Option<&str>) -> Result<bool> {
    process::check_writable("stream_stop()");
    let name = run.ok_or(Error::Null("run"))?;
    ledger::check_owner(&ledger::get(name)?)?;
    if ledger::holder(name)?.is_none() {
        notice!("run \"{name}\" is not running");
        return Ok(false);
    }
    ledger::request_stop(name)?;
    Ok(true)
}

#[pg_extern(sql = false)]
fn stream_drop(run: Option<&str>) -> Result<()> {
    process::check_writable("stream_drop()");
    let name = run.ok_or(Error::Null("run"))?;
    ledger::check_owner(&ledger::get(name)?)?;
    acquire(name)?;
    ledger::delete(name)?;
    lock::release();
    Ok(())
}

/// Inserts one batch and notes it. The caller's `search_path` is left alone for the sake of triggers.
#[pg_extern(sql = false)]
fn ingest_batch(run: &str, batch: i64) -> Result<i64> {
    let run = ledger::get(run)?;
    if ledger::has_batch(&run, batch)? {
        return Ok(0);
    }
    let source = registry::open(&run.source, run.options.clone()).map_err(Error::from)?;
    let units = run.plan(source.as_ref()).batch(batch as u64);
    let relation = current_relation(&run)?;
    let columns = relation.check(&run.source, source.as_ref())?;
    let path = relation.path(&columns)?;
    let (start, before, wal) = (Instant::now(), activity::generation(), activity::wal_bytes());
    let report = activity::BatchReport::start(run.target.relation);
    let rows = match path {
        Path::Bulk => bulk_insert(run.target.relation, &run.source, source, units)?,
        Path::Executor => insert_select(&run, &relation, &columns.join(", "), units)?,
    };
    drop(report);
    let (elapsed, generation) = (start.elapsed(), activity::generation().since(before));
    let noted = Batch {
        number: batch,
        rows,
        elapsed_ms: milliseconds(elapsed),
        generate_ms: milliseconds(generation.took),
        insert_ms: milliseconds(elapsed.saturating_sub(generation.waited)),
        wal_bytes: (activity::wal_bytes() - wal) as i64,
        path: path.name(),
    };
    // The insert's lock now keeps the target as it is, so this is what the batch went into.
    check_storage(&run)?;
    ledger::insert_batch(&run, &noted)?;
    Ok(rows)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Inserts `units` by the executor; returns the number of rows.
fn insert_select(run: &Run, relation: &Relation, columns: &str, units: Range<u64>) -> Result<i64> {
    let rows = ledger::execute(
        &format!(
            "INSERT INTO {target} ({columns})
             SELECT {columns} FROM millrace.source_rows($1, $2, $3, $4, NULL::{target})",
            target = relation.name,
        ),
        &[
            run.source.as_str().into(),
            JsonB(run.options.clone()).into(),
            (units.start as i64).into(),
            (units.end as i64).into(),
        ],
    )?;
    Ok(rows as i64)
}

/// A relation one might ingest into.
pub struct Relation {
    oid: Oid,
    /// Qualified and quoted, ready for a statement.
    pub name: String,
    /// As it is, which may be the name of a source.
    short_name: String,
    kind: String,
    is_temporary: bool,
    may_insert: bool,
}

impl Relation {
    /// The relation of that OID, if there is one.
    pub fn look_up(oid: Oid) -> Result<Option<Self>> {
        let found = Spi::connect(|client| {
            let mut rows = client.select(
                "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relname::pg_catalog.text,
                        c.relkind::pg_catalog.text, c.relpersistence OPERATOR(pg_catalog.=) 't',
                        pg_catalog.has_table_privilege(c.oid, 'INSERT')
                        OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT')
                 FROM pg_catalog.pg_class c
                 JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
                 WHERE c.oid OPERATOR(pg_catalog.=) $1",
                Some(1),
                &[oid.into()],
            )?;
            let Some(row) = rows.next() else { return Ok(None) };
            Ok::<_, pgrx::spi::Error>(Some(Self {
                oid,
                name: row.get(1)?.unwrap_or_default(),
                short_name: row.get(2)?.unwrap_or_default(),
                kind: row.get(3)?.unwrap_or_default(),
                is_temporary: row.get(4)?.unwrap_or_default(),
                may_insert: row.get(5)?.unwrap_or_default(),
            }))
        });
        Ok(found.map_err(Error::from)?)
    }

    /// As [`Relation::look_up`], but only what one can insert into, and may.
    fn find(oid: Oid) -> Result<Self> {
        let relation = Self::look_up(oid)?.ok_or_else(|| Error::NotATable(oid.to_u32().to_string()))?;
        if !["r", "p", "f", "v"].contains(&relation.kind.as_str()) {
            return Err(Error::NotATable(relation.name).into());
        }
        if !relation.may_insert {
            return Err(Error::NoInsertRight(relation.name).into());
        }
        Ok(relation)
    }

    /// What tells its content from that of a table emptied or made again.
    pub fn storage(&self) -> Result<Storage> {
        let storage = Spi::connect(|client| {
            let rows = client.select(
                "SELECT pg_catalog.bool_or(c.relpersistence OPERATOR(pg_catalog.<>) 'p'),
                        pg_catalog.bool_and(c.relpersistence OPERATOR(pg_catalog.<>) 'p'),
                        pg_catalog.array_agg(c.oid),
                        pg_catalog.array_agg(COALESCE(pg_catalog.pg_relation_filenode(c.oid), c.oid))
                 FROM pg_catalog.pg_class c
                 WHERE c.oid OPERATOR(pg_catalog.=) $1 AND c.relkind OPERATOR(pg_catalog.<>) 'p'
                    OR c.oid OPERATOR(pg_catalog.=) ANY (
                        SELECT p.relid FROM pg_catalog.pg_partition_tree($1) p WHERE p.isleaf)",
                Some(1),
                &[self.oid.into()],
            )?;
            let row = rows.first();
            let (any, all): (Option<bool>, Option<bool>) = (row.get(1)?, row.get(2)?);
            Ok::<_, pgrx::spi::Error>((
                any != all,
                Storage {
                    unlogged: any.unwrap_or_default(),
                    leaves: row.get(3)?.unwrap_or_default(),
                    filenodes: row.get(4)?.unwrap_or_default(),
                },
            ))
        });
        let (mixed, storage) = storage.map_err(Error::from)?;
        if mixed {
            // A crash would empty some of its partitions: neither ledger would be right.
            let what = "a target with both logged and unlogged partitions";
            let hint = "Make all partitions of one kind with ALTER TABLE ... SET LOGGED or SET UNLOGGED.";
            return Err(Error::NotSupported { what, hint }.into());
        }
        Ok(storage)
    }

    /// The columns to insert, ready for a statement: those the source has, but for what the table makes
    /// itself. A column that neither the source nor the table has a value for is an error.
    pub fn check(&self, source_name: &str, source: &dyn Source) -> Result<Vec<String>> {
        let schema = source.schema();
        let row_type = RowType::of_table(self.oid).ok_or_else(|| Error::UnknownTarget(self.name.clone()))?;
        check_table(&row_type, source_name, &schema)?;
        let (mut columns, mut missing) = (Vec::new(), Vec::new());
        for column in self.columns()? {
            match schema.index_of(&column.name).ok() {
                Some(_) if !column.made_by_table => columns.push(pgrx::spi::quote_identifier(&column.name)),
                None if !column.has_default => missing.push(column.name),
                _ => {}
            }
        }
        let (source, row) = (source_name.to_owned(), self.name.clone());
        if !missing.is_empty() {
            return Err(Error::NoSuchColumns { source, row, columns: missing }.into());
        }
        if columns.is_empty() {
            return Err(Error::NoCommonColumn { source, row }.into());
        }
        Ok(columns)
    }

    /// As a run notes it.
    fn into_target(self) -> Result<Target> {
        Ok(Target { storage: self.storage()?, name: self.name, relation: self.oid })
    }

    /// Refuses more than one process where only this one can see the table.
    fn check_shared(&self, workers: usize) -> Result<()> {
        if workers > 1 && self.is_temporary {
            let what = "ingesting into a temporary table with more than one process";
            let hint = "No other process can see it: use workers => 1.";
            return Err(Error::NotSupported { what, hint }.into());
        }
        Ok(())
    }

    /// How its rows are inserted, where the source fills `columns`. Other columns may need defaults, which
    /// the executor knows how to make.
    fn path(&self, columns: &[String]) -> Result<Path> {
        let all_filled = self.columns()?.len() == columns.len();
        Ok(if all_filled && guc::enable_bulk_insert() { insert::path(self.oid) } else { Path::Executor })
    }

    fn columns(&self) -> Result<Vec<TableColumn>> {
        let columns = Spi::connect(|client| {
            let rows = client.select(
                "SELECT attname::pg_catalog.text,
                        attgenerated OPERATOR(pg_catalog.<>) '' OR attidentity OPERATOR(pg_catalog.=) 'a',
                        atthasdef OR attidentity OPERATOR(pg_catalog.<>) ''
                 FROM pg_catalog.pg_attribute
                 WHERE attrelid OPERATOR(pg_catalog.=) $1 AND attnum OPERATOR(pg_catalog.>) 0 AND NOT attisdropped
                 ORDER BY attnum",
                None,
                &[self.oid.into()],
            )?;
            rows.map(|row| {
                Ok(TableColumn {
                    name: row.get(1)?.unwrap_or_default(),
                    made_by_table: row.get(2)?.unwrap_or_default(),
                    has_default: row.get(3)?.unwrap_or_default(),
                })
            })
            .collect::<std::result::Result<_, pgrx::spi::Error>>()
        });
        Ok(columns.map_err(Error::from)?)
    }
}

/// A column of a relation one might ingest into.
struct TableColumn {
    name: String,
    /// Generated, or an identity that takes no other value.
    made_by_table: bool,
    has_default: bool,
}
