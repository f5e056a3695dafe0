//! Comparing what a run loaded with what it should have loaded, by content.
//!
//! A table's content is hashed as a multiset: the sum of its rows' hashes, which no order and no batch
//! size changes. The expected sum is taken over the generated rows, converted to the table's types.

use crate::error::{Error, Result};
use crate::ingest::{Relation, current_relation};
use crate::ledger::{self, Run};
use millrace_sources::registry;
use pgrx::JsonB;
use pgrx::prelude::*;

/// Rows and hash of some content; the hash is a numeric, as text.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    rows: i64,
    hash: Option<String>,
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn stream_verify(
    run: Option<&str>,
) -> Result<
    TableIterator<
        'static,
        (
            name!(target, String),
            name!(batches, i64),
            name!(rows_expected, i64),
            name!(rows_found, i64),
            name!(matches, bool),
            name!(detail, Option<String>),
        ),
    >,
> {
    let run = ledger::get(run.ok_or(Error::Null("run"))?)?;
    let relation = current_relation(&run)?;
    let batches = ledger::batches(&run)?;
    let found = found(&run, &relation)?;
    let expected = expected(&run, &relation, &batches)?;
    let matches = found == expected;
    let detail = (!matches).then(|| describe(&expected, &found));
    Ok(TableIterator::once((relation.name, batches.len() as i64, expected.rows, found.rows, matches, detail)))
}

fn describe(expected: &Content, found: &Content) -> String {
    match found.rows - expected.rows {
        0 => "as many rows as expected, but of other content".to_owned(),
        more if more > 0 => format!("{more} rows more than the run's committed batches hold"),
        fewer => format!("{} rows fewer than the run's committed batches hold", -fewer),
    }
}

/// What is in the table.
fn found(run: &Run, relation: &Relation) -> Result<Content> {
    let hash = row_hash(run, relation, "t")?;
    let name = &relation.name;
    content(&format!("SELECT {hash} AS hash FROM {name} t"), &[])
}

/// What the committed batches hold.
fn expected(run: &Run, relation: &Relation, batches: &[i64]) -> Result<Content> {
    let source = registry::open(&run.source, run.options.clone()).map_err(Error::from)?;
    let plan = run.plan(source.as_ref());
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for range in adjoining(batches) {
        starts.push(plan.batch(range.0 as u64).start as i64);
        ends.push(plan.batch(range.1 as u64).end as i64);
    }
    let hash = row_hash(run, relation, "(made.row_made)")?;
    let name = &relation.name;
    // In the select list the rows stream; in FROM they would all be stored first.
    content(
        &format!(
            "SELECT {hash} AS hash
             FROM (SELECT millrace.source_rows($1, $2, r.first_unit, r.end_unit, NULL::{name}) AS row_made
                   FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4)) AS r (first_unit, end_unit)) made"
        ),
        &[run.source.as_str().into(), JsonB(run.options.clone()).into(), starts.into(), ends.into()],
    )
}

/// The first and last of each stretch of adjoining numbers.
fn adjoining(numbers: &[i64]) -> Vec<(i64, i64)> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    ranges
}

/// The hash of the columns the run fills, of a row called `row`.
fn row_hash(run: &Run, relation: &Relation, row: &str) -> Result<String> {
    let source = registry::open(&run.source, run.options.clone()).map_err(Error::from)?;
    let columns = relation.check(&run.source, source.as_ref())?;
    let values: Vec<_> = columns.iter().map(|column| format!("{row}.{column}")).collect();
    Ok(format!("pg_catalog.hash_record_extended(ROW({}), 0)", values.join(", ")))
}

/// Rows and hash of a query that gives a hash for each row.
fn content(hashes: &str, arguments: &[pgrx::datum::DatumWithOid<'_>]) -> Result<Content> {
    let content = Spi::connect(|client| {
        let query = format!(
            "SELECT pg_catalog.count(*), pg_catalog.sum(hash)::pg_catalog.text FROM ({hashes}) hashed"
        );
        let row = client.select(query.as_str(), Some(1), arguments)?.first();
        Ok::<_, pgrx::spi::Error>(Content { rows: row.get(1)?.unwrap_or_default(), hash: row.get(2)? })
    });
    Ok(content.map_err(Error::from)?)
}
