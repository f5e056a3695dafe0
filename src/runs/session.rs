//! Ingesting: the batches of a run, one transaction each, by this session and its workers.
//!
//! The loop itself is the procedure `millrace.ingest` in `sql/ingest.sql`, because only a procedure can commit;
//! workers have theirs here.

use crate::error::{Result, SqlResult, or_raise};
#[cfg(not(feature = "cbdb"))]
use crate::guc;
#[cfg(not(feature = "cbdb"))]
use crate::pg::load::{
    insert::{Outcome, bulk_insert},
    plain::PlainInsert,
};
use crate::pg::server::process;
use crate::pg::server::progress::{BatchReport, Measured};
use crate::pg::workers::crew as workers;
use crate::pg::workers::shared::{Orders, Shared};
use crate::runs::inserted::{Inserted, Path};
use crate::runs::ledger::{self, Run, Target};
use crate::runs::open::{check_storage, check_workers, current_relation};
use crate::runs::origin::{Origin, Query};
use crate::runs::target::{Columns, Relation};
use millrace_sources::Source;
use pgrx::prelude::*;
use pgrx::{JsonB, notice};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Starts the workers that help this session with the run it holds, whose next batch to take is
/// `next_batch`; returns how many processes there are then.
#[pg_extern(sql = false)]
fn start_workers(
    run: &str,
    workers: i32,
    batches: i64,
    next_batch: i64,
    rate: Option<f64>,
) -> SqlResult<i32> {
    let wanted = check_workers(Some(workers))?;
    // No more than there are batches for.
    let wanted = wanted.min(usize::try_from(batches - next_batch + 1).unwrap_or(0).max(1));
    let rate = rate.map(|rate| rate / wanted as f64);
    let orders = Orders::new(run.to_owned(), batches, wanted, rate);
    let started = 1 + workers::start(&orders, next_batch, wanted - 1);
    if started < wanted {
        notice!("{started} processes ingest the run, {wanted} were asked for: no more workers are free");
    }
    Ok(started as i32)
}

#[pg_extern(sql = false)]
fn next_batch() -> SqlResult<i64> {
    Ok(workers::next_batch()?)
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
fn wait_for_workers(seconds: f64) -> SqlResult<bool> {
    Ok(workers::wait(Duration::from_secs_f64(seconds.clamp(0.0, 60.0)))?)
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
            or_raise(note_commit(run, committed));
            (or_raise(insert_batch(run, batch)), Instant::now())
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
    workers::transaction(|| or_raise(note_commit(run, committed)));
}

/// How long a process that is ahead of its pace sleeps at a time.
const NAP: Duration = Duration::from_millis(250);

/// Notes how long the commit of the batch before took.
fn note_commit(run: &str, committed: Option<(i64, Duration)>) -> Result<()> {
    let Some((batch, took)) = committed else { return Ok(()) };
    let arguments = [run.into(), batch.into(), (took.as_secs_f64() * 1000.0).into()];
    ledger::one::<bool>("SELECT millrace.note_commit($1, $2, $3) IS NULL", &arguments)?;
    Ok(())
}

/// Inserts one batch into the targets that do not have it, and notes it; returns its number of rows. The
/// caller's `search_path` is left alone for the sake of triggers.
#[pg_extern(sql = false)]
fn ingest_batch(run: &str, batch: i64) -> SqlResult<i64> {
    Ok(insert_batch(run, batch)?)
}

fn insert_batch(run: &str, batch: i64) -> Result<i64> {
    let run = ledger::get(run)?;
    let mut targets = Vec::new();
    for target in &run.targets {
        if !ledger::has_batch(&run, target, batch)? {
            targets.push(target);
        }
    }
    let Some(first) = targets.first() else { return Ok(0) };
    let origin = Origin::open(&run.source, &run.options)?;
    let units = run.plan(&origin).batch(batch as u64);
    let report = BatchReport::start(first.relation);
    let inserted = match origin {
        Origin::Source(source) => insert_source(&run, &targets, source, units)?,
        Origin::Query(query) => insert_query(&run, &targets, &query, units)?,
    };
    drop(report);
    for (target, inserted) in targets.iter().zip(&inserted) {
        // The insert's lock now keeps the target as it is, so this is what the batch went into.
        check_storage(&run, target)?;
        ledger::insert_batch(&run, target, batch, inserted)?;
    }
    Ok(inserted.first().map_or(0, |inserted| inserted.measured.rows))
}

/// Inserts `units` of a source into each target. Rows for those that take them in bulk are made once.
fn insert_source(
    run: &Run,
    targets: &[&Target],
    source: Box<dyn Source>,
    units: Range<u64>,
) -> Result<Vec<Inserted>> {
    let source: Arc<dyn Source> = source.into();
    let open = |target: &&Target| {
        let relation = current_relation(run, target)?;
        let columns = relation.check(&run.source, source.as_ref())?;
        Ok((relation, columns))
    };
    let relations = targets.iter().map(open).collect::<Result<Vec<_>>>()?;
    let measured = insert_bulk(run, &relations, &source, &units)?;
    let insert = |((relation, columns), measured): (&(Relation, Columns), Option<Measured>)| match measured {
        Some(measured) => Ok(Inserted { path: Path::Bulk, measured }),
        None => insert_select(run, relation, &columns.filled.join(", "), &units),
    };
    relations.iter().zip(measured).map(insert).collect()
}

/// Inserts `units` of a source into those that take them in bulk; what it took for these.
#[cfg(not(feature = "cbdb"))]
fn insert_bulk(
    run: &Run,
    relations: &[(Relation, Columns)],
    source: &Arc<dyn Source>,
    units: &Range<u64>,
) -> Result<Vec<Option<Measured>>> {
    let plan = |(relation, columns): &(Relation, Columns)| {
        if guc::enable_bulk_insert() { PlainInsert::plan(relation.oid(), &columns.names) } else { Ok(None) }
    };
    let mut plans = relations.iter().map(plan).collect::<Result<Vec<_>>>()?;
    loop {
        let locked = plans.iter().flatten().map(PlainInsert::lock).collect::<Option<Vec<_>>>();
        let Some(locked) = locked.filter(|locked| !locked.is_empty()) else {
            return Ok(vec![None; relations.len()]);
        };
        match bulk_insert(&locked, &run.source, source, units.clone())? {
            Outcome::Inserted(measured) => {
                let mut measured = measured.into_iter();
                return Ok(plans.iter().map(|plan| plan.as_ref().and_then(|_| measured.next())).collect());
            }
            Outcome::NeedsExecutor(table) => {
                drop(locked);
                let mut plans = plans.iter_mut();
                if let Some(plan) = plans.find(|plan| plan.as_ref().is_some_and(|plan| plan.table() == table))
                {
                    *plan = None;
                }
            }
        }
    }
}

/// A cluster's rows all go through the executor.
#[cfg(feature = "cbdb")]
fn insert_bulk(
    _run: &Run,
    relations: &[(Relation, Columns)],
    _source: &Arc<dyn Source>,
    _units: &Range<u64>,
) -> Result<Vec<Option<Measured>>> {
    Ok(vec![None; relations.len()])
}

/// Inserts `units` of a source by the executor.
fn insert_select(run: &Run, relation: &Relation, columns: &str, units: &Range<u64>) -> Result<Inserted> {
    let statement = format!(
        "INSERT INTO {target} ({columns})
         SELECT {columns} FROM millrace.source_rows($1, $2, $3, $4, NULL::{target})",
        target = relation.name,
    );
    let arguments = [
        run.source.as_str().into(),
        JsonB(run.options.clone()).into(),
        (units.start as i64).into(),
        (units.end as i64).into(),
    ];
    execute(&statement, &arguments)
}

/// Inserts rows of a query by the executor.
fn insert_query(run: &Run, targets: &[&Target], query: &Query, units: Range<u64>) -> Result<Vec<Inserted>> {
    let insert = |target: &&Target| {
        let relation = current_relation(run, target)?;
        // Rows are counted from 1.
        let numbers = [(units.start as i64 + 1).into(), (units.end as i64).into()];
        execute(&query.insert_into(&relation.name), &numbers)
    };
    targets.iter().map(insert).collect()
}

fn execute(statement: &str, arguments: &[pgrx::datum::DatumWithOid<'_>]) -> Result<Inserted> {
    let mut inserted = Inserted::none(Path::Executor);
    inserted.measured.rows = inserted.measured.measure(|| ledger::execute(statement, arguments))? as i64;
    Ok(inserted)
}
