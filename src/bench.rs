//! What the streaming benchmark notes. `sql/bench` does the work with the caller's rights. The notes belong to the ledger, so
//! they are written here, after checking whose benchmark or run it is.

use crate::error::{Error, Result, SqlResult};
use crate::pg::server::text::{Json, Text};
use crate::pg::server::{process, role};
use crate::runs::ledger::{self, one};
use millrace_sources::registry::{self, Benchmark, Definition};
use pgrx::AnyNumeric;
use pgrx::datum::TimestampWithTimeZone;
use pgrx::prelude::*;

/// Refuses a benchmark unless its owner is the caller or a role that the caller may act for.
fn check_owner(bench: &str) -> Result<()> {
    let owner = "SELECT owner::pg_catalog.text FROM millrace.bench WHERE name OPERATOR(pg_catalog.=) $1";
    check_owner_by(owner, bench, Error::NotOwnerOfBench)
}

/// The same for a search.
fn check_search_owner(search: &str) -> Result<()> {
    let owner =
        "SELECT owner::pg_catalog.text FROM millrace.rate_search WHERE name OPERATOR(pg_catalog.=) $1";
    check_owner_by(owner, search, Error::NotOwnerOfSearch)
}

/// The check itself; `query` finds the owner by name.
fn check_owner_by(query: &str, name: &str, refusal: fn(String) -> Error) -> Result<()> {
    let owner: Option<Text> = one(query, &[name.into()])?;
    let owner = owner.map_or(Ok(None), |owner| ledger::role_of(&owner))?;
    if role::may_act_for_owner(owner) { Ok(()) } else { Err(refusal(name.to_owned())) }
}

/// The value of an argument that must have one.
fn required<T>(value: Option<T>, name: &'static str) -> Result<T> {
    value.ok_or(Error::Null(name))
}

fn check_run_owner(run: &str) -> Result<()> {
    ledger::check_owner(&ledger::get(run)?)
}

#[pg_extern(sql = false)]
fn bench_insert(
    name: Text,
    source: Text,
    rows: Option<i64>,
    batch_rows: Option<i32>,
    options: Json,
    schema: Text,
    analyze_every: Option<i32>,
) -> SqlResult<bool> {
    let inserted = ledger::write(
        "INSERT INTO millrace.bench (name, owner, source, rows, batch_rows, options, schema, analyze_every, created)
         VALUES ($1, ROW($2, pg_catalog.pg_get_userbyid($2), $3), $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        &[
            name.into(),
            role::current().into(),
            role::cluster_identifier().into(),
            source.into(),
            rows.into(),
            required(batch_rows, "batch_rows")?.into(),
            options.into(),
            schema.into(),
            analyze_every.into(),
            process::now().into(),
        ],
    )?;
    Ok(inserted > 0)
}

#[pg_extern(sql = false)]
fn bench_note_variant(
    bench: Text,
    place: Option<i32>,
    variant: Text,
    skipped: Option<Text>,
) -> SqlResult<()> {
    check_owner(&bench)?;
    ledger::write(
        "INSERT INTO millrace.bench_variant (bench, position, variant, skipped) VALUES ($1, $2, $3, $4)",
        &[bench.into(), required(place, "place")?.into(), variant.into(), skipped.into()],
    )?;
    Ok(())
}

#[pg_extern(sql = false)]
fn bench_note_table(
    bench: Text,
    phase: Text,
    variant: Text,
    run: Text,
    target: Option<i32>,
    definition: Text,
) -> SqlResult<()> {
    check_owner(&bench)?;
    check_run_owner(&run)?;
    ledger::write(
        "INSERT INTO millrace.bench_table (bench, phase, variant, run, target, definition)
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            bench.into(),
            phase.into(),
            variant.into(),
            run.into(),
            required(target, "target")?.into(),
            definition.into(),
        ],
    )?;
    Ok(())
}

#[pg_extern(sql = false)]
fn bench_note_analyze(
    run: Text,
    target: Option<i32>,
    batch: Option<i64>,
    ms: Option<f64>,
    finished: Option<TimestampWithTimeZone>,
) -> SqlResult<()> {
    check_run_owner(&run)?;
    ledger::write(
        "INSERT INTO millrace.bench_analyze (run, target, batch, ms, finished) VALUES ($1, $2, $3, $4, $5)",
        &[
            run.into(),
            required(target, "target")?.into(),
            required(batch, "batch")?.into(),
            required(ms, "ms")?.into(),
            required(finished, "finished")?.into(),
        ],
    )?;
    Ok(())
}

#[pg_extern(sql = false)]
fn bench_note_after_load(run: Text, target: Option<i32>, ms: Option<f64>, statement: Text) -> SqlResult<()> {
    check_run_owner(&run)?;
    ledger::write(
        "UPDATE millrace.bench_table
         SET after_load_ms = $3,
             definition = definition OPERATOR(pg_catalog.||) ';' OPERATOR(pg_catalog.||) pg_catalog.chr(10)
                          OPERATOR(pg_catalog.||) $4
         WHERE run OPERATOR(pg_catalog.=) $1 AND target OPERATOR(pg_catalog.=) $2",
        &[run.into(), required(target, "target")?.into(), required(ms, "ms")?.into(), statement.into()],
    )?;
    Ok(())
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn bench_note_query(
    run: Text,
    target: Option<i32>,
    query: Text,
    attempt: Option<i32>,
    ms: Option<f64>,
    rows: Option<i64>,
    hash: Option<AnyNumeric>,
    statement: Text,
    finished: Option<TimestampWithTimeZone>,
) -> SqlResult<()> {
    check_run_owner(&run)?;
    ledger::write(
        "INSERT INTO millrace.bench_query (run, target, query, attempt, ms, rows, hash, statement, finished)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            run.into(),
            required(target, "target")?.into(),
            query.into(),
            required(attempt, "attempt")?.into(),
            required(ms, "ms")?.into(),
            required(rows, "rows")?.into(),
            hash.into(),
            statement.into(),
            required(finished, "finished")?.into(),
        ],
    )?;
    Ok(())
}

#[pg_extern(sql = false)]
fn bench_delete(bench: Text) -> SqlResult<()> {
    check_owner(&bench)?;
    for (table, column) in [("bench_table", "bench"), ("bench_variant", "bench"), ("bench", "name")] {
        ledger::write(
            &format!("DELETE FROM millrace.{table} WHERE {column} OPERATOR(pg_catalog.=) $1"),
            &[bench.clone().into()],
        )?;
    }
    Ok(())
}

#[pg_extern(sql = false)]
fn stream_variant_drop(name: Text) -> SqlResult<bool> {
    process::check_writable("stream_variant_drop()");
    let owner = "SELECT owner::pg_catalog.text FROM millrace.variant WHERE name OPERATOR(pg_catalog.=) $1";
    let Some(owner) = one::<Text>(owner, &[name.clone().into()])? else { return Ok(false) };
    if !role::may_act_for_owner(ledger::role_of(&owner)?) {
        return Err(Error::NotOwnerOfVariant(name.into_string()).into());
    }
    let deleted =
        ledger::write("DELETE FROM millrace.variant WHERE name OPERATOR(pg_catalog.=) $1", &[name.into()])?;
    Ok(deleted > 0)
}

#[pg_extern(sql = false)]
fn rate_insert(name: Text, parameters: Json) -> SqlResult<bool> {
    let inserted = ledger::write(
        "INSERT INTO millrace.rate_search (name, owner, parameters, created)
         VALUES ($1, ROW($2, pg_catalog.pg_get_userbyid($2), $3), $4, $5) ON CONFLICT DO NOTHING",
        &[
            name.into(),
            role::current().into(),
            role::cluster_identifier().into(),
            parameters.into(),
            process::now().into(),
        ],
    )?;
    Ok(inserted > 0)
}

#[pg_extern(sql = false)]
fn rate_note_step(
    search: Text,
    phase: Text,
    variant: Text,
    step: Option<i32>,
    rate: Option<f64>,
    measured: Json,
    sustained: Option<bool>,
) -> SqlResult<()> {
    check_search_owner(&search)?;
    ledger::write(
        "INSERT INTO millrace.rate_step (search, phase, variant, step, rate, measured, sustained, finished)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &[
            search.into(),
            phase.into(),
            variant.into(),
            required(step, "step")?.into(),
            required(rate, "rate")?.into(),
            measured.into(),
            required(sustained, "sustained")?.into(),
            process::now().into(),
        ],
    )?;
    Ok(())
}

#[pg_extern(sql = false)]
fn rate_delete(search: Text) -> SqlResult<()> {
    check_search_owner(&search)?;
    for statement in [
        "DELETE FROM millrace.rate_step WHERE search OPERATOR(pg_catalog.=) $1",
        "DELETE FROM millrace.rate_search WHERE name OPERATOR(pg_catalog.=) $1",
    ] {
        ledger::write(statement, &[search.clone().into()])?;
    }
    Ok(())
}

/// The sources that a benchmark can load.
fn benchmarks() -> impl Iterator<Item = (&'static Definition, &'static str, &'static Benchmark)> {
    registry::all().filter_map(|definition| Some((definition, definition.row_type?, definition.benchmark?)))
}

/// `millrace.bench_sources(rows)`: the sources that a benchmark can load, and their options for this number of rows.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn bench_sources(
    rows: Option<i64>,
) -> TableIterator<
    'static,
    (
        name!(source, Text),
        name!(row_type, Text),
        name!(index_set, Vec<Text>),
        name!(arguments, Text),
        name!(options, Json),
    ),
> {
    let rows = rows.map(|rows| u64::try_from(rows).unwrap_or_default());
    TableIterator::new(benchmarks().map(move |(definition, row_type, benchmark)| {
        let options = Json((benchmark.defaults)(rows));
        let indexes = benchmark.indexes.iter().map(|&index| index.into()).collect();
        (definition.unique_name().into(), row_type.into(), indexes, benchmark.arguments.into(), options)
    }))
}

/// `millrace.bench_queries(source)`: the queries that a benchmark of a source times, in order.
#[pg_extern(sql = false)]
fn bench_queries(
    source: Option<Text>,
) -> TableIterator<'static, (name!(number, i32), name!(query, Text), name!(statement, Text))> {
    let found = source.and_then(|source| registry::find(&source).ok()).and_then(|found| found.benchmark);
    let queries = found.map(|benchmark| benchmark.queries).unwrap_or_default();
    TableIterator::new(
        (1..).zip(queries).map(|(number, &(query, statement))| (number, query.into(), statement.into())),
    )
}
