//! One batch: its rows, made once, into each of the run's tables that lacks them.

use super::inserted::{Inserted, Path};
use super::ledger::{self, Run};
use super::open::{check_storage, current_relation};
use super::origin::{Origin, Query};
use super::target::{Columns, Relation};
use crate::error::{Error, Result};
use crate::guc;
use crate::pg::server::invalidation::Watch;
use crate::pg::server::progress::BatchReport;
use crate::pg::server::text::{Json, Text};
use crate::pg::server::{lock, settings};
use millrace_sources::{BatchPlan, Source, registry};
use pgrx::datum::DatumWithOid;
use std::ops::{Range, RangeInclusive};
use std::rc::Rc;

/// Inserts the batches of a run. What the catalogs say of its tables is read when that changes, not for each batch.
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
    /// The stretches of batches that it had when this process began.
    committed: Vec<RangeInclusive<i64>>,
}

/// What was read of a table.
struct Known {
    relation: Relation,
    /// Null for a query, which fills columns as it says.
    columns: Option<Columns>,
    path: Path,
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

    /// How many batches all tables have by now.
    pub fn count_committed(&self) -> Result<i64> {
        let mut least = self.run.batches;
        for target in &self.run.targets {
            let stretches = ledger::committed(&self.run, target)?;
            least = least.min(stretches.iter().map(|stretch| stretch.end() - stretch.start() + 1).sum());
        }
        Ok(least)
    }

    /// Inserts a batch into the tables that lack it, each known by its place among the targets.
    pub fn insert(&mut self, batch: i64) -> Result<Vec<(usize, Inserted)>> {
        let wanted: Vec<usize> =
            (0..self.tables.len()).filter(|&table| self.tables[table].lacks(batch)).collect();
        let Some(&first) = wanted.first() else { return Ok(Vec::new()) };
        for &table in &wanted {
            self.learn(table)?;
        }
        let report = BatchReport::start(self.run.targets[first].relation);
        let units = self.plan.batch(batch as u64);
        let inserted = settings::with(&self.run.settings, || self.insert_units(&wanted, units))?;
        drop(report);
        for &table in &wanted {
            self.check_unchanged(table)?;
        }
        Ok(wanted.into_iter().zip(inserted).collect())
    }

    /// Locks a table as an insert does, and reads what changed of it.
    fn learn(&mut self, number: usize) -> Result<()> {
        let target = &self.run.targets[number];
        lock::lock_for_insert(target.relation);
        let table = &mut self.tables[number];
        if table.known.is_some() && !table.watch.take_changed() {
            return Ok(());
        }
        let relation = current_relation(&self.run, target)?;
        let columns = match (&self.origin, &target.columns) {
            (Origin::Query(_), _) => None,
            (Origin::Source(source), None) => Some(relation.check(&self.run.source, source.as_ref())?),
            (Origin::Source(source), Some(then)) => {
                Some(relation.check_again(&self.run.source, source.as_ref(), then)?)
            }
        };
        let path = path(&relation, columns.as_ref());
        check_storage(&self.run, target)?;
        let watched = target.storage.leaves.iter().copied().chain([target.relation]).collect();
        table.watch = Watch::new(watched);
        table.watch.take_changed();
        table.known = Some(Known { relation, columns, path });
        Ok(())
    }

    /// Refuses a table that lost rows before the locks of the insert kept it from that.
    fn check_unchanged(&mut self, number: usize) -> Result<()> {
        let table = &mut self.tables[number];
        if table.watch.take_changed() {
            table.known = None;
            check_storage(&self.run, &self.run.targets[number])?;
        }
        Ok(())
    }

    fn insert_units(&self, wanted: &[usize], units: Range<u64>) -> Result<Vec<Inserted>> {
        let known = wanted.iter().filter_map(|&table| Some((table, self.tables[table].known.as_ref()?)));
        match &self.origin {
            Origin::Query(query) => known.map(|(_, table)| insert_query(table, query, &units)).collect(),
            Origin::Source(_) => self.insert_source(&known.collect::<Vec<_>>(), units),
        }
    }

    /// Inserts `units` of the source. Rows for tables that take them in bulk are made once.
    fn insert_source(&self, tables: &[(usize, &Known)], units: Range<u64>) -> Result<Vec<Inserted>> {
        let mut inserted = Vec::new();
        for (_, known) in tables {
            inserted.push(match known.path {
                Path::Bulk => Inserted::none(Path::Bulk),
                Path::Executor => self.insert_select(known, &units)?,
            });
        }
        #[cfg(not(feature = "cbdb"))]
        {
            let bulk: Vec<_> = tables.iter().filter(|(_, known)| known.path == Path::Bulk).collect();
            if !bulk.is_empty() {
                let relations: Vec<_> = bulk.iter().map(|(_, known)| known.relation.oid()).collect();
                let loaded =
                    crate::pg::load::insert::bulk_insert(&relations, &self.run.source, self.open()?, units)?;
                let places = inserted.iter_mut().filter(|inserted| inserted.path == Path::Bulk);
                places.zip(loaded).for_each(|(place, loaded)| place.measured = loaded);
            }
        }
        Ok(inserted)
    }

    fn open(&self) -> Result<Box<dyn Source>> {
        Ok(registry::open(&self.run.source, self.run.options.clone())?)
    }

    /// Inserts `units` of the source by the executor.
    fn insert_select(&self, known: &Known, units: &Range<u64>) -> Result<Inserted> {
        let columns = known.columns.as_ref().map(Columns::list).unwrap_or_default();
        let statement = format!(
            "INSERT INTO {target} ({columns})
             SELECT {columns} FROM millrace.source_rows($1, $2, $3, $4, NULL::{target})",
            target = known.relation.name,
        );
        let arguments = [
            Text::from(self.run.source.as_str()).into(),
            Json(self.run.options.clone()).into(),
            (units.start as i64).into(),
            (units.end as i64).into(),
        ];
        execute(&statement, &arguments)
    }
}

impl Table {
    fn lacks(&self, batch: i64) -> bool {
        !self.committed.iter().any(|stretch| stretch.contains(&batch))
    }
}

/// How rows get into a table. Columns that the source does not fill may need defaults, which the executor makes.
fn path(relation: &Relation, columns: Option<&Columns>) -> Path {
    #[cfg(not(feature = "cbdb"))]
    if columns.is_some_and(|columns| columns.all)
        && guc::enable_bulk_insert()
        && crate::pg::load::path::takes_bulk(relation.oid())
    {
        return Path::Bulk;
    }
    Path::Executor
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
