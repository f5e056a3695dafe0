//! The TPC-H kit: queries, answers and validation, and what the procedures in `sql/tpch` check first.

use crate::error::{Error, Result, SqlResult, or_raise};
use crate::pg::server::lock::SessionLock;
use crate::pg::server::text::{Json, Text, to_c_string};
use crate::runs::ledger::{self, one};
use millrace_sources::tpch::answers::{self, Answer};
use millrace_sources::tpch::queries::{self, Choice};
use millrace_sources::tpch::{self, Scale};
use millrace_sources::{Error as SourceError, registry};
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;
use pgrx::spi::{quote_identifier, quote_qualified_identifier};
use serde_json::json;
use std::cell::RefCell;
use std::time::Instant;

/// qgen's seeds: a generator modulo 2^31 - 1 has no other states.
const SEEDS: std::ops::Range<i64> = 1..(1 << 31) - 1;

/// The parameters of a call: drawn if there is a seed. A stream's seed is the first one's plus its number.
fn choice(seed: Option<i64>, stream: i32, sf: Option<f64>) -> Result<Choice> {
    let scale = scale(sf)?;
    let Some(seed) = seed else { return Ok(Choice::Validation) };
    let of_stream = seed.saturating_add(stream.into());
    if !SEEDS.contains(&seed) || !SEEDS.contains(&of_stream) {
        let hint = "A seed is from 1 to 2147483646, also with the stream's number added.";
        return Err(Error::Argument { name: "seed", value: seed.to_string(), hint });
    }
    Ok(Choice::Drawn { seed: of_stream as u32, scale })
}

fn scale(sf: Option<f64>) -> Result<Scale> {
    Ok(Scale::new(sf.ok_or(Error::Null("sf"))?)?)
}

/// The text of a query over the tables in a schema, or in the `search_path` if none is given.
fn text(query: usize, schema: Option<&str>, choice: Choice, decorrelated: bool) -> Result<String> {
    let table = |name: &str| match schema {
        Some(schema) => quote_qualified_identifier(schema, name),
        None => quote_identifier(name),
    };
    let parameters = choice.parameters(query)?;
    Ok(queries::text(query, &parameters, decorrelated, table)?)
}

fn query_number(query: Option<i32>) -> Result<usize> {
    let query = query.ok_or(Error::Null("query"))?;
    usize::try_from(query).map_err(|_| Error::from(SourceError::Query(query.into())))
}

#[pg_extern(sql = false)]
fn tpch_query(
    query: Option<i32>,
    schema: Option<Text>,
    seed: Option<i64>,
    sf: Option<f64>,
    decorrelated: Option<bool>,
) -> SqlResult<Text> {
    let decorrelated = decorrelated.ok_or(Error::Null("decorrelated"))?;
    Ok(text(query_number(query)?, schema.as_deref(), choice(seed, 0, sf)?, decorrelated)?.into())
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn tpch_queries(
    schema: Option<Text>,
    seed: Option<i64>,
    stream: Option<i32>,
    sf: Option<f64>,
    decorrelated: Option<bool>,
) -> SqlResult<TableIterator<'static, (name!(position, i32), name!(query, i32), name!(sql, Text))>> {
    let decorrelated = decorrelated.ok_or(Error::Null("decorrelated"))?;
    let number = stream.unwrap_or_default();
    if number < 0 {
        let hint = "Streams are counted from 0, which is the power run.";
        return Err(Error::Argument { name: "stream", value: number.to_string(), hint }.into());
    }
    let choice = choice(seed, number, sf)?;
    let order = match stream {
        Some(stream) => queries::order(stream as usize),
        None => std::array::from_fn(|index| index + 1),
    };
    let row = |(position, query)| {
        let sql = text(query, schema.as_deref(), choice, decorrelated)?;
        Ok((position, query as i32, sql.into()))
    };
    let rows = (1..).zip(order).map(row);
    Ok(TableIterator::new(rows.collect::<Result<Vec<_>>>()?))
}

fn texts(values: &[String]) -> Vec<Text> {
    values.iter().map(|value| value.as_str().into()).collect()
}

fn published(sf: f64) -> Result<Vec<Answer>> {
    answers::all(sf).ok_or(Error::NoAnswers(sf))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn tpch_answers(
    query: Option<i32>,
    sf: Option<f64>,
) -> SqlResult<
    TableIterator<
        'static,
        (name!(query, i32), name!(row, i32), name!(columns, Vec<Text>), name!(answer, Vec<Text>)),
    >,
> {
    let only = query.map(|query| query_number(Some(query))).transpose()?;
    if let Some(query) = only {
        // Refuses numbers that no query has.
        Choice::Validation.parameters(query).map_err(Error::from)?;
    }
    let answers = published(sf.ok_or(Error::Null("sf"))?)?;
    let wanted = (1..).zip(answers).filter(move |(query, _)| only.is_none_or(|only| only == *query));
    Ok(TableIterator::new(wanted.flat_map(|(query, Answer { columns, rows })| {
        (1..).zip(rows).map(move |(row, values)| (query as i32, row, texts(&columns), texts(&values)))
    })))
}

#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn tpch_validate(
    schema: Option<Text>,
    sf: Option<f64>,
    decorrelated: Option<bool>,
) -> SqlResult<
    TableIterator<
        'static,
        (
            name!(query, i32),
            name!(pass, bool),
            name!(rows, i64),
            name!(milliseconds, f64),
            name!(difference, Option<Text>),
        ),
    >,
> {
    let schema = schema.ok_or(Error::Null("schema"))?;
    refuse_unknown_schema(&schema)?;
    let answers = published(sf.map_or_else(|| count_scale(&schema), Ok)?)?;
    let decorrelated = decorrelated.map_or_else(|| lacks_index(&schema), Ok)?;
    // One by one, so that a client that fetches row by row sees each query when it is done.
    Ok(TableIterator::new(
        (1..)
            .zip(answers)
            .map(move |(query, answer)| or_raise(validate(query, &schema, &answer, decorrelated))),
    ))
}

type Validation = (i32, bool, i64, f64, Option<Text>);

/// Runs one query and compares its result with its answer.
fn validate(query: usize, schema: &str, answer: &Answer, decorrelated: bool) -> Result<Validation> {
    let sql = text(query, Some(schema), Choice::Validation, decorrelated)?;
    let start = Instant::now();
    let found = rows_as_text(&sql)?;
    let milliseconds = start.elapsed().as_micros() as f64 / 1000.0;
    let mut difference = answers::first_difference(query, answer, &found);
    if difference.is_some() && !sorts_as_c()? {
        difference = answers::first_difference_in_c_order(query, answer, found.clone());
    }
    Ok((query as i32, difference.is_none(), found.len() as i64, milliseconds, difference.map(Text::from)))
}

/// Whether the database sorts texts byte by byte, as those who made the answers did.
fn sorts_as_c() -> Result<bool> {
    Ok(one("SELECT 'B' < 'a' AND 'a b' < 'aB' AND 'ch' < 'h'", &[])? == Some(true))
}

/// The rows of a query of any columns, each value in its type's text form.
fn rows_as_text(sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    // Cloudberry drops the order of a subquery whose rows nobody numbers.
    let query = format!(
        "SELECT ARRAY(SELECT value FROM json_each_text(row_to_json(result)))
         FROM ({sql}) result ORDER BY row_number() OVER ()"
    );
    let rows = Spi::connect(|client| {
        let rows = client.select(&to_c_string(&query), None, &[])?;
        let text = |value: Option<Text>| value.map(Text::into_string);
        let texts = |row: Vec<Option<Text>>| row.into_iter().map(text).collect();
        rows.map(|row| Ok(texts(row.get(1)?.unwrap_or_default())))
            .collect::<std::result::Result<_, pgrx::spi::Error>>()
    });
    Ok(rows?)
}

/// The scale factor of the tables or views in a schema, by the number of suppliers: few rows to count.
#[pg_extern(sql = false)]
fn scale_of(schema: Text) -> SqlResult<f64> {
    Ok(count_scale(&schema)?)
}

fn count_scale(schema: &str) -> Result<f64> {
    let suppliers = quote_qualified_identifier(schema, "supplier");
    let count: Option<i64> = one(&format!("SELECT count(*) FROM {suppliers}"), &[])?;
    Ok(count.unwrap_or_default() as f64 / 10_000.0)
}

/// Whether finding the lines of a part means reading them all, as in a view.
fn lacks_index(schema: &str) -> Result<bool> {
    let found = one(
        "SELECT NOT EXISTS (
             SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = to_regclass($1) AND a.attname = 'l_partkey' AND i.indisvalid)",
        &[Text::from(quote_qualified_identifier(schema, "lineitem")).into()],
    );
    Ok(found?.unwrap_or(true))
}

#[pg_extern(sql = false)]
fn check_schema_exists(schema: Text) -> SqlResult<()> {
    Ok(refuse_unknown_schema(&schema)?)
}

fn refuse_unknown_schema(schema: &str) -> Result<()> {
    let exists: Option<bool> =
        one("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", &[Text::from(schema).into()])?;
    if exists == Some(true) { Ok(()) } else { Err(Error::UnknownSchema(schema.to_owned())) }
}

/// Refuses arguments of `tpch_load` that no table could be made with.
#[pg_extern(sql = false)]
fn check_load(sf: Option<f64>, schema: Option<Text>, storage: Option<Text>) -> SqlResult<()> {
    match sf.ok_or(Error::Null("sf"))? {
        0.0 => {}
        sf => drop(scale(Some(sf))?),
    }
    if schema.ok_or(Error::Null("schema"))?.is_empty() {
        let hint = "Name the schema that is to hold the tables.";
        return Err(Error::Argument { name: "schema", value: "\"\"".to_owned(), hint }.into());
    }
    let storage = storage.ok_or(Error::Null("storage"))?;
    let known: Option<bool> = one(
        "SELECT $1 = 'unlogged' OR EXISTS (SELECT FROM pg_am WHERE amname = $1 AND amtype = 't')",
        &[storage.clone().into()],
    )?;
    if known == Some(true) { Ok(()) } else { Err(Error::UnknownStorage(storage.into_string()).into()) }
}

/// A table as `tpch_load` finds it.
struct Found {
    is_table: bool,
    partitioned: bool,
    /// As the argument of that name: `unlogged`, or the access method. Of the partitions, if it has some.
    storage: Option<Text>,
    same_columns: bool,
}

/// Whether a table is there as `tpch_load` would make it; if there is another one of its name, an error.
#[pg_extern(sql = false)]
fn has_table(schema: Text, table: Text, row_type: Oid, storage: Text, partitioned: bool) -> SqlResult<bool> {
    let name = quote_qualified_identifier(&*schema, &*table);
    let Some(found) = find_table(&name, row_type)? else { return Ok(false) };
    let differs = |how: &'static str| Err(Error::TableDiffers { table: name.clone(), how }.into());
    if !found.is_table {
        return differs("is not a table");
    }
    if !found.same_columns {
        return differs("has other columns");
    }
    if found.partitioned != partitioned {
        return differs(if partitioned { "is not partitioned" } else { "is partitioned" });
    }
    if found.storage.is_some_and(|found| found != storage) {
        return differs("has another storage");
    }
    Ok(true)
}

fn find_table(name: &str, row_type: Oid) -> Result<Option<Found>> {
    let found = Spi::connect(|client| {
        let mut rows = client.select(
            "SELECT c.relkind IN ('r', 'p'), c.relkind = 'p',
                    (SELECT CASE WHEN leaf.relpersistence = 'u' THEN 'unlogged' ELSE am.amname::text END
                     FROM pg_class leaf JOIN pg_am am ON am.oid = leaf.relam
                     WHERE leaf.relkind <> 'p' AND (leaf.oid = c.oid OR leaf.oid IN (
                               SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf))
                     LIMIT 1),
                    ARRAY(SELECT (attname, atttypid, atttypmod)::text FROM pg_attribute
                          WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attname)
                    = ARRAY(SELECT (attname, atttypid, atttypmod)::text FROM pg_attribute
                          WHERE attrelid = (SELECT typrelid FROM pg_type WHERE oid = $2) AND attnum > 0
                          ORDER BY attname)
             FROM pg_class c WHERE c.oid = to_regclass($1)",
            Some(1),
            &[Text::from(name).into(), row_type.into()],
        )?;
        let Some(row) = rows.next() else { return Ok(None) };
        Ok::<_, pgrx::spi::Error>(Some(Found {
            is_table: row.get(1)?.unwrap_or_default(),
            partitioned: row.get(2)?.unwrap_or_default(),
            storage: row.get(3)?,
            same_columns: row.get(4)?.unwrap_or_default(),
        }))
    });
    Ok(found?)
}

/// Refuses to load a table that was loaded at another scale factor, or holds rows that no run put there.
#[pg_extern(sql = false)]
fn check_loadable(schema: Text, table: Text, sf: f64) -> SqlResult<()> {
    let name = quote_qualified_identifier(&*schema, &*table);
    let then: Option<f64> = one(
        "SELECT (options->>'sf')::float8 FROM millrace.run WHERE name = $1 AND source = $2",
        &[Text::from(name.as_str()).into(), table.into()],
    )?;
    match then {
        Some(then) if then == sf => Ok(()),
        Some(then) => Err(Error::LoadDiffers { table: name, then, now: sf }.into()),
        None if one(&format!("SELECT EXISTS (SELECT FROM {name})"), &[])? == Some(true) => {
            Err(Error::TableDiffers { table: name, how: "has rows that no load put there" }.into())
        }
        None => Ok(()),
    }
}

#[pg_extern(sql = false)]
fn tpch_note_load(run: Text, load: Text, overwriting: Option<Json>) -> SqlResult<()> {
    ledger::check_owner(&ledger::get(&run)?)?;
    ledger::write(
        "UPDATE millrace.run SET load = $2, overwriting = COALESCE($3, overwriting)
         WHERE name OPERATOR(pg_catalog.=) $1",
        &[run.into(), load.into(), overwriting.into()],
    )?;
    Ok(())
}

#[pg_extern(sql = false)]
fn tpch_note_loaded(load: Text) -> SqlResult<()> {
    for table in tpch::tables() {
        let run = qualified(&load, table)?;
        let Some(found) = ledger::find(&run)? else { continue };
        ledger::check_owner(&found)?;
        ledger::write(
            "UPDATE millrace.run SET overwriting = NULL
             WHERE name OPERATOR(pg_catalog.=) $1 AND overwriting IS NOT NULL",
            &[Text::from(run).into()],
        )?;
    }
    Ok(())
}

/// The name of a table, which is that of its run.
fn qualified(schema: &str, table: &str) -> Result<String> {
    let arguments = [Text::from(schema).into(), Text::from(table).into()];
    let name: Option<Text> = one("SELECT millrace.qualified_name($1, $2)", &arguments)?;
    Ok(name.ok_or(Error::BrokenLedger)?.into_string())
}

/// The number of orders in a refresh set; refuses what no set has.
#[pg_extern(sql = false)]
fn refresh_orders(sf: Option<f64>, stream: Option<i32>) -> SqlResult<i64> {
    let (sf, stream) = (sf.ok_or(Error::Null("sf"))?, stream.ok_or(Error::Null("stream"))?);
    // Checked first, because JSON has no NaN to refuse.
    scale(Some(sf))?;
    let source =
        registry::open("orders_refresh", json!({ "sf": sf, "stream": stream })).map_err(Error::from)?;
    Ok(source.units() as i64)
}

thread_local! {
    /// The lock of the refresh set that this session applies, held from batch to batch.
    static REFRESH: RefCell<Option<SessionLock>> = const { RefCell::new(None) };
}

/// Takes the lock of a refresh set of a schema for this session, as a run has its own; refuses batches of no orders.
#[pg_extern(sql = false)]
fn open_refresh(schema: Option<Text>, stream: Option<i32>, batch_orders: Option<i32>) -> SqlResult<()> {
    let schema = schema.ok_or(Error::Null("schema"))?;
    let stream = stream.ok_or(Error::Null("stream"))?;
    let batch_orders = batch_orders.ok_or(Error::Null("batch_orders"))?;
    if batch_orders < 1 {
        let hint = "A batch has at least one order.";
        return Err(Error::Argument { name: "batch_orders", value: batch_orders.to_string(), hint }.into());
    }
    let name = format!("refresh {stream} of {}", &*schema);
    match SessionLock::try_acquire(ledger::lock_key(&name)?) {
        Some(lock) => REFRESH.set(Some(lock)),
        None => {
            let pid = ledger::holder(&name)?;
            return Err(Error::RefreshBusy { schema: schema.into_string(), stream, pid }.into());
        }
    }
    Ok(())
}

#[pg_extern(sql = false)]
fn close_refresh() {
    abandon_refresh();
}

/// Releases the refresh set that this session applies, if it does.
pub fn abandon_refresh() {
    REFRESH.set(None);
}
