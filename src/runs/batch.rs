//! One batch: makes its rows once and inserts them into each of the run's tables that lacks them.

use super::inserted::{Inserted, Path};
use super::ledger::{self, Run};
use super::open::{check_storage, current_relation};
use super::origin::{Origin, Query};
use super::target::{Columns, Relation};
use crate::error::{Error, Result};
#[cfg(not(feature = "cbdb"))]
use crate::guc;
#[cfg(not(feature = "cbdb"))]
use crate::pg::load::insert::{Outcome, bulk_insert};
#[cfg(not(feature = "cbdb"))]
use crate::pg::load::plain::{LockedInsert, PlainInsert, is_servers_own};
use crate::pg::server::invalidation::Watch;
#[cfg(not(feature = "cbdb"))]
use crate::pg::server::process;
use crate::pg::server::progress::{BatchReport, Measured};
use crate::pg::server::snapshot::Snapshot;
use crate::pg::server::text::{Json, Text};
use crate::pg::server::{lock, settings};
use millrace_sources::BatchPlan;
use pgrx::datum::DatumWithOid;
use std::ops::{Range, RangeInclusive};
use std::rc::Rc;
#[cfg(not(feature = "cbdb"))]
use std::sync::Arc;

/// Inserts the batches of a run. What the catalogs say about its tables is read again only if that has changed.
pub struct Loader {
    run: Run,
    origin: Origin,
    plan: BatchPlan,
    tables: Vec<Table>,
}

/// A table of the run as this process knows it.
struct Table {
    watch: Rc<Watch>,
    known: Option<Known>,
    /// The ranges of batches that it had when this process began.
    committed: Vec<RangeInclusive<i64>>,
}

/// What was read about a table.
struct Known {
    relation: Relation,
    /// `None` for a query, which fills columns as it says.
    columns: Option<Columns>,
    /// Whether each commit waits: because the run says so, or because the rows are stored elsewhere and would survive a crash
    /// that loses their record in the ledger.
    waits: bool,
    /// The insert that the server has planned; `None` if only the executor can do it.
    #[cfg(not(feature = "cbdb"))]
    plain: Option<PlainInsert>,
}

impl Loader {
    /// Reads which batches of the run are there.
    pub fn new(run: Run) -> Result<Self> {
        let origin = Origin::open(&run.source, &run.options)?;
        let plan = run.plan(&origin);
        let table = |target| {
            Ok(Table {
                watch: Watch::new(Vec::new()),
                known: None,
                committed: ledger::committed(&run, target)?,
            })
        };
        let tables = run.targets.iter().map(table).collect::<Result<_>>()?;
        Ok(Self { run, origin, plan, tables })
    }

    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Whether a table lacks a batch, as far as this process was told when it began.
    pub fn lacks(&self, batch: i64) -> bool {
        self.tables.iter().any(|table| table.lacks(batch))
    }

    /// The first batch that a table lacks; the one after the last if none does.
    pub fn first_missing(&self) -> i64 {
        let missing = |table: &Table| match table.committed.first() {
            Some(first) if *first.start() == 1 => first.end() + 1,
            _ => 1,
        };
        self.tables.iter().map(missing).min().unwrap_or(1)
    }

    /// The last batch that any table has; 0 if none does.
    pub fn last_committed(&self) -> i64 {
        self.tables
            .iter()
            .filter_map(|table| table.committed.last())
            .map(|last| *last.end())
            .max()
            .unwrap_or(0)
    }

    /// About how many rows all batches up to this one have.
    pub fn rows_through(&self, batch: i64) -> f64 {
        self.units_through(batch) as f64 * self.origin.rows_per_unit()
    }

    /// Exactly how many rows all batches up to this one have.
    pub fn exact_rows_through(&self, batch: i64) -> i64 {
        self.origin.rows(0..self.units_through(batch)) as i64
    }

    fn units_through(&self, batch: i64) -> u64 {
        self.plan.batch(u64::try_from(batch).unwrap_or_default()).end
    }

    /// Whether a commit of rows of a table waits.
    pub fn waits(&self, table: usize) -> bool {
        self.tables[table].known.as_ref().is_none_or(|known| known.waits)
    }

    /// How many batches all tables have by now.
    pub fn count_committed(&self) -> Result<i64> {
        let mut least = self.run.batches;
        for target in &self.run.targets {
            let stretches = ledger::committed(&self.run, target)?;
            least = least.min(stretches.iter().map(|stretch| stretch.end() - stretch.start() + 1).sum());
        }
        Ok(least)
    }

    /// Inserts a batch into the tables that lack it, and returns these by their places among the targets.
    pub fn insert(&mut self, batch: i64) -> Result<Vec<(usize, Inserted)>> {
        let wanted: Vec<usize> =
            (0..self.tables.len()).filter(|&table| self.tables[table].lacks(batch)).collect();
        let Some(&first) = wanted.first() else { return Ok(Vec::new()) };
        for &table in &wanted {
            self.learn(table)?;
        }
        let report = BatchReport::start(self.run.targets[first].relation);
        let units = self.plan.batch(batch as u64);
        let run_settings = self.run.settings.clone();
        let inserted = settings::with(&run_settings, || self.insert_units(&wanted, units))?;
        drop(report);
        for &table in &wanted {
            self.check_unchanged(table)?;
        }
        Ok(wanted.into_iter().zip(inserted).collect())
    }

    /// Locks a table as an insert does, and reads it again if it changed.
    fn learn(&mut self, number: usize) -> Result<()> {
        let target = &self.run.targets[number];
        lock::lock_for_insert(target.relation);
        let table = &mut self.tables[number];
        if table.known.as_ref().is_some_and(Known::is_current) && !table.watch.take_changed() {
            return Ok(());
        }
        let _locked = Snapshot::take();
        let relation = current_relation(&self.run, target)?;
        let columns = match (&self.origin, &target.columns) {
            (Origin::Query(_), _) => None,
            (Origin::Source(source), None) => Some(relation.check(&self.run.source, source.as_ref())?),
            (Origin::Source(source), Some(then)) => {
                Some(relation.check_again(&self.run.source, source.as_ref(), then)?)
            }
        };
        #[cfg(not(feature = "cbdb"))]
        let plain = match &columns {
            Some(columns) if guc::enable_bulk_insert() => PlainInsert::plan(relation.oid(), &columns.names)?,
            _ => None,
        };
        check_storage(&self.run, target)?;
        let waits = self.run.pace.synchronous_commit || relation.is_foreign()?;
        #[cfg(not(feature = "cbdb"))]
        let waits =
            waits || plain.is_none() && !is_planned_by_server(&self.origin, &relation, columns.as_ref())?;
        let watched = target.storage.leaves.iter().copied().chain([target.relation]).collect();
        table.watch = Watch::new(watched);
        table.watch.take_changed();
        table.known = Some(Known {
            relation,
            columns,
            waits,
            #[cfg(not(feature = "cbdb"))]
            plain,
        });
        Ok(())
    }

    /// Refuses a table that lost rows before the insert had locked it.
    fn check_unchanged(&mut self, number: usize) -> Result<()> {
        let table = &mut self.tables[number];
        if table.watch.take_changed() {
            table.known = None;
            let _locked = Snapshot::take();
            check_storage(&self.run, &self.run.targets[number])?;
        }
        Ok(())
    }

    fn insert_units(&mut self, wanted: &[usize], units: Range<u64>) -> Result<Vec<Inserted>> {
        let bulk = self.insert_bulk(wanted, &units)?;
        let insert =
            |(&table, measured): (&usize, Option<Measured>)| match (measured, &self.tables[table].known) {
                (Some(measured), _) => Ok(Inserted { path: Path::Bulk, measured }),
                (None, Some(known)) => self.insert_by_executor(known, &units),
                (None, None) => Err(Error::NoSession),
            };
        wanted.iter().zip(bulk).map(insert).collect()
    }

    fn insert_by_executor(&self, known: &Known, units: &Range<u64>) -> Result<Inserted> {
        match &self.origin {
            Origin::Query(query) => insert_query(known, query, units),
            Origin::Source(_) => self.insert_source(known, units),
        }
    }

    #[cfg(not(feature = "cbdb"))]
    fn plain(&self, table: usize) -> Option<&PlainInsert> {
        self.tables[table].known.as_ref()?.plain.as_ref()
    }

    /// The plain inserts among those wanted, for the rest of the transaction; `None` if one must be planned again.
    #[cfg(not(feature = "cbdb"))]
    fn lock_plain(&self, wanted: &[usize]) -> Option<Vec<LockedInsert<'_>>> {
        wanted.iter().filter_map(|&table| self.plain(table)).map(PlainInsert::lock).collect()
    }

    /// Plans again what has changed since. An ANALYZE is enough for that, even one by autovacuum.
    #[cfg(not(feature = "cbdb"))]
    fn plan_again(&mut self, wanted: &[usize]) -> Result<()> {
        process::check_for_interrupts();
        wanted.iter().try_for_each(|&table| {
            self.tables[table].known = None;
            self.learn(table)
        })
    }

    /// Makes the rows of `units` once and inserts them into the tables that take them in bulk. Returns what was measured for
    /// each table, `None` for those that need the executor.
    #[cfg(not(feature = "cbdb"))]
    fn insert_bulk(&mut self, wanted: &[usize], units: &Range<u64>) -> Result<Vec<Option<Measured>>> {
        let Origin::Source(source) = &self.origin else { return Ok(vec![None; wanted.len()]) };
        let source = Arc::clone(source);
        loop {
            let Some(locked) = self.lock_plain(wanted) else {
                self.plan_again(wanted)?;
                continue;
            };
            if locked.is_empty() {
                return Ok(vec![None; wanted.len()]);
            }
            let outcome = bulk_insert(&locked, &self.run.source, &source, units.clone())?;
            drop(locked);
            match outcome {
                Outcome::Inserted(measured) => {
                    let mut measured = measured.into_iter();
                    let measured = |&table: &usize| self.plain(table).and_then(|_| measured.next());
                    return Ok(wanted.iter().map(measured).collect());
                }
                Outcome::NeedsExecutor(relation) => {
                    let known = self.tables.iter_mut().filter_map(|table| table.known.as_mut());
                    known
                        .filter(|known| known.relation.oid() == relation)
                        .for_each(|known| known.plain = None);
                }
            }
        }
    }

    /// On a cluster only the executor can send rows to their segments.
    #[cfg(feature = "cbdb")]
    fn insert_bulk(&mut self, wanted: &[usize], _units: &Range<u64>) -> Result<Vec<Option<Measured>>> {
        Ok(vec![None; wanted.len()])
    }

    /// Inserts `units` of the source by the executor.
    fn insert_source(&self, known: &Known, units: &Range<u64>) -> Result<Inserted> {
        let columns = known.columns.as_ref().ok_or(Error::NoSession)?;
        let arguments = [
            Text::from(self.run.source.as_str()).into(),
            Json(self.run.options.clone()).into(),
            (units.start as i64).into(),
            (units.end as i64).into(),
        ];
        execute(&insert_select(&known.relation, columns), &arguments)
    }
}

/// The statement that inserts rows of a source; its arguments are source, options, first unit and the one after the last.
fn insert_select(relation: &Relation, columns: &Columns) -> String {
    format!(
        "INSERT INTO {target} ({columns})
         SELECT {columns} FROM millrace.source_rows($1, $2, $3, $4, NULL::{target})",
        target = relation.name,
        columns = columns.list(),
    )
}

impl Known {
    /// Whether the insert that was planned is still valid.
    fn is_current(&self) -> bool {
        #[cfg(not(feature = "cbdb"))]
        if let Some(plain) = &self.plain {
            return plain.lock().is_some();
        }
        true
    }
}

impl Table {
    fn lacks(&self, batch: i64) -> bool {
        !self.committed.iter().any(|stretch| stretch.contains(&batch))
    }
}

/// Whether the server itself plans the executor's insert, not another extension.
#[cfg(not(feature = "cbdb"))]
fn is_planned_by_server(origin: &Origin, relation: &Relation, columns: Option<&Columns>) -> Result<bool> {
    use pgrx::pg_sys::{INT8OID, JSONBOID, TEXTOID};
    let oid = relation.oid();
    match (origin, columns) {
        (Origin::Query(query), _) => {
            is_servers_own(oid, &query.insert_into(&relation.name), &mut [INT8OID, INT8OID])
        }
        (Origin::Source(_), Some(columns)) => {
            let types = &mut [TEXTOID, JSONBOID, INT8OID, INT8OID];
            is_servers_own(oid, &insert_select(relation, columns), types)
        }
        (Origin::Source(_), None) => Ok(false),
    }
}

/// Inserts rows of a query by the executor.
fn insert_query(known: &Known, query: &Query, units: &Range<u64>) -> Result<Inserted> {
    // Rows are counted from 1.
    let numbers = [(units.start as i64 + 1).into(), (units.end as i64).into()];
    execute(&query.insert_into(&known.relation.name), &numbers)
}

fn execute(statement: &str, arguments: &[DatumWithOid<'_>]) -> Result<Inserted> {
    let mut inserted = Inserted::none(Path::Executor);
    let rows = inserted.measured.measure(|| ledger::execute(statement, arguments))?;
    inserted.measured.rows = rows as i64;
    Ok::<_, Error>(inserted)
}
