//! Comparing what a run loaded with what it should have loaded, by content.
//!
//! A table's content is hashed as a multiset: the sum of its rows' hashes, which depends neither on their order nor on the
//! batch size. The expected sum is taken over the generated rows, converted to the table's types.

use crate::error::{Error, Result, SqlResult};
use crate::pg::server::text::{Json, Text, to_c_string};
use crate::pg::server::{cluster, settings};
use crate::runs::ledger::{self, Run, Target, one};
use crate::runs::open::current_relation;
use crate::runs::origin::Origin;
use crate::runs::target::Relation;
use millrace_sources::BatchPlan;
use pgrx::prelude::*;
use std::ops::RangeInclusive;

/// Rows and hash of some content; no hash if there are no rows.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    rows: i64,
    hash: Option<i128>,
}

impl Content {
    fn add(&mut self, other: Content) {
        self.rows += other.rows;
        self.hash = self.hash.into_iter().chain(other.hash).reduce(|one, more| one + more);
    }
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn stream_verify(
    run: Option<Text>,
) -> SqlResult<
    TableIterator<
        'static,
        (
            name!(target, Text),
            name!(batches, i64),
            name!(rows_expected, i64),
            name!(rows_found, i64),
            name!(matches, bool),
            name!(detail, Option<Text>),
        ),
    >,
> {
    let run = ledger::get(&run.ok_or(Error::Null("run"))?)?;
    let verified = settings::with(&run.settings, || verify_targets(&run))?;
    Ok(TableIterator::new(verified))
}

type Verified = (Text, i64, i64, i64, bool, Option<Text>);

/// Compares each table under the settings that the run's values were converted under.
fn verify_targets(run: &Run) -> Result<Vec<Verified>> {
    let origin = Origin::open(&run.source, &run.options)?;
    let verify = |target: &Target| {
        let relation = current_relation(run, target)?;
        let stretches = ledger::committed(run, target)?;
        let batches = stretches.iter().map(|stretch| stretch.end() - stretch.start() + 1).sum();
        let (expected, found) = match &origin {
            Origin::Source(source) => {
                let columns = match &target.columns {
                    Some(then) => relation.check_again(&run.source, source.as_ref(), then)?,
                    None => relation.check(&run.source, source.as_ref())?,
                };
                let columns = relation.hashed(&columns)?;
                (expected(run, &origin, &relation, &stretches, &columns)?, found(&relation, &columns)?)
            }
            Origin::Query(_) => (noted(run, target)?, counted(&relation)?),
        };
        let matches = found == expected;
        let detail = match origin {
            _ if !matches && relation.has_row_security()? => {
                let hidden = "row security may hide rows from you";
                Some(format!("{}; {hidden}", describe(&expected, &found)))
            }
            _ if !matches => Some(describe(&expected, &found)),
            Origin::Query(_) => Some("by count only: a query may return other rows each time".to_owned()),
            Origin::Source(_) => None,
        };
        Ok((relation.name.into(), batches, expected.rows, found.rows, matches, detail.map(Text::from)))
    };
    run.targets.iter().map(verify).collect()
}

fn describe(expected: &Content, found: &Content) -> String {
    match found.rows - expected.rows {
        0 => "as many rows as expected, but with other content".to_owned(),
        more if more > 0 => format!("{more} rows more than the run's committed batches hold"),
        fewer => format!("{} rows fewer than the run's committed batches hold", -fewer),
    }
}

/// The content of the table, without that of tables that inherit from it.
fn found(relation: &Relation, columns: &[String]) -> Result<Content> {
    content(&format!("SELECT {} AS hash FROM {} t", row_hash(columns, "t"), relation.own_rows()?), &[])
}

/// What the committed batches hold.
fn expected(
    run: &Run,
    origin: &Origin,
    relation: &Relation,
    stretches: &[RangeInclusive<i64>],
    columns: &[String],
) -> Result<Content> {
    let plan = run.plan(origin);
    let units: Vec<_> = stretches
        .iter()
        .map(|stretch| plan.batch(*stretch.start() as u64).start..plan.batch(*stretch.end() as u64).end)
        .collect();
    if cluster::is_cluster() {
        return expected_of_each(run, relation, &plan, stretches, columns);
    }
    let starts: Vec<_> = units.iter().map(|units| units.start as i64).collect();
    let ends: Vec<_> = units.iter().map(|units| units.end as i64).collect();
    let hash = row_hash(columns, "(made.row_made)");
    let name = &relation.name;
    // In the select list the rows stream; in FROM they would all be stored first.
    content(
        &format!(
            "SELECT {hash} AS hash
             FROM (SELECT millrace.source_rows($1, $2, r.first_unit, r.end_unit, NULL::{name}) AS row_made
                   FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4)) AS r (first_unit, end_unit)) made"
        ),
        &[Text::from(run.source.as_str()).into(), Json(run.options.clone()).into(), starts.into(), ends.into()],
    )
}

/// As [`expected`], on a cluster. Rows are made in FROM only there, which stores them, so it takes one batch at a time.
fn expected_of_each(
    run: &Run,
    relation: &Relation,
    plan: &BatchPlan,
    stretches: &[RangeInclusive<i64>],
    columns: &[String],
) -> Result<Content> {
    let (hash, name) = (row_hash(columns, "made"), &relation.name);
    let query = format!("SELECT {hash} AS hash FROM millrace.source_rows($1, $2, $3, $4, NULL::{name}) made");
    let mut whole = Content { rows: 0, hash: None };
    for batch in stretches.iter().cloned().flatten() {
        let units = plan.batch(batch as u64);
        let (first, end) = (units.start as i64, units.end as i64);
        let options = Json(run.options.clone());
        whole.add(content(
            &query,
            &[Text::from(run.source.as_str()).into(), options.into(), first.into(), end.into()],
        )?);
    }
    Ok(whole)
}

/// How many rows the committed batches had.
fn noted(run: &Run, target: &Target) -> Result<Content> {
    let rows = one(
        "SELECT COALESCE(pg_catalog.sum(rows), 0)::pg_catalog.int8 FROM millrace.batches
         WHERE run OPERATOR(pg_catalog.=) $1 AND target OPERATOR(pg_catalog.=) $2",
        &[Text::from(run.name.as_str()).into(), target.number.into()],
    )?;
    Ok(Content { rows: rows.unwrap_or(0), hash: None })
}

/// How many rows are in the table.
fn counted(relation: &Relation) -> Result<Content> {
    let rows = one(&format!("SELECT pg_catalog.count(*) FROM {}", relation.own_rows()?), &[])?;
    Ok(Content { rows: rows.unwrap_or(0), hash: None })
}

/// The hash of the columns that the run fills, in a row called `row`.
fn row_hash(columns: &[String], row: &str) -> String {
    let values: Vec<_> = columns.iter().map(|column| column.replace("{row}", row)).collect();
    format!("pg_catalog.hash_record_extended(ROW({}), 0)", values.join(", "))
}

/// Rows and hash of a query that gives a hash for each row.
fn content(hashes: &str, arguments: &[pgrx::datum::DatumWithOid<'_>]) -> Result<Content> {
    let content = Spi::connect(|client| {
        let query = format!(
            "SELECT pg_catalog.count(*), pg_catalog.sum(hash)::pg_catalog.text FROM ({hashes}) hashed"
        );
        let row = client.select(&to_c_string(&query), Some(1), arguments)?.first();
        let hash = row.get::<Text>(2)?.and_then(|hash| hash.parse().ok());
        Ok::<_, Error>(Content { rows: row.get(1)?.unwrap_or(0), hash })
    })?;
    Ok(content)
}
