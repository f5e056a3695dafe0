//! The kits of the TPC's benchmarks: queries, answers and validation, and what the procedures in `sql/kit` check first.
//!
//! The family that begins a function's name, or its argument `benchmark`, says which benchmark it is for.

use crate::call::Arguments;
use crate::error::{Error, Result, SqlResult, or_raise};
use crate::pg::server::arguments::of_call;
use crate::pg::server::process;
use crate::pg::server::query::{self, rows_as_json};
use crate::pg::server::text::{Json, Text};
use crate::runs::ledger::{self, one};
use millrace_sources::Source;
use millrace_sources::kit::answers::Answer;
use millrace_sources::kit::queries::{Choice, statements};
use millrace_sources::kit::{self, Design, Distribution, Kit};
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;
use pgrx::spi::{quote_identifier, quote_qualified_identifier};
use std::ops::Range;
use std::time::Instant;

/// The benchmark of a function by the function's name.
pub fn of_function(arguments: &Arguments) -> Result<&'static Kit> {
    find(arguments.family())
}

fn find(benchmark: &str) -> Result<&'static Kit> {
    kit::find(benchmark).ok_or_else(|| Error::UnknownBenchmark(benchmark.to_owned()))
}

#[pg_extern(sql = false)]
fn kit_title(benchmark: Text) -> SqlResult<Text> {
    Ok(find(&benchmark)?.title.into())
}

/// `tpch_tables(sf, exact)`.
#[pg_extern(sql = false)]
fn kit_tables(
    fcinfo: pg_sys::FunctionCallInfo,
) -> SqlResult<TableIterator<'static, (name!(name, Text), name!(rows, i64), name!(columns, Vec<Text>))>> {
    let arguments = of_call(fcinfo, "")?;
    let kit = of_function(&arguments)?;
    let sf = arguments.float("sf").ok_or(Error::Null("sf"))?;
    let exact = arguments.boolean("exact").unwrap_or_default();
    let table = |table: &Design| {
        let source = kit.open(kit.source(table), sf)?;
        let units = 0..source.units();
        let rows = if exact { count(source.as_ref(), units) } else { source.estimated_rows(units) };
        let columns = source.schema().fields().iter().map(|field| field.name().as_str().into()).collect();
        Ok((table.name.into(), rows as i64, columns))
    };
    Ok(TableIterator::new(kit.tables.iter().map(table).collect::<Result<Vec<_>>>()?))
}

/// Counting this many units takes a few milliseconds.
const UNITS_PER_COUNT: u64 = 100_000;

/// The exact number of rows, open to interrupts.
fn count(source: &dyn Source, units: Range<u64>) -> u64 {
    let starts = units.clone().step_by(UNITS_PER_COUNT as usize);
    starts
        .map(|start| {
            process::check_for_interrupts();
            source.rows(start..(start + UNITS_PER_COUNT).min(units.end))
        })
        .sum()
}

/// The columns of `millrace.kit_designs`: a row for each table.
type Designs = TableIterator<
    'static,
    (
        name!(position, i32),
        name!(name, Text),
        name!(row_type, Text),
        name!(source, Text),
        name!(required, Vec<Text>),
        name!(primary_key, Option<Text>),
        name!(indexes, Vec<Text>),
        name!(foreign_keys, Vec<Text>),
        name!(referenced, Vec<Text>),
        name!(partition_column, Option<Text>),
        name!(range_names, Vec<Text>),
        name!(range_starts, Vec<Text>),
        name!(range_ends, Vec<Text>),
        name!(has_rest, bool),
        name!(distribution, Vec<Text>),
    ),
>;

#[pg_extern(sql = false)]
fn kit_designs(benchmark: Text, sf: f64) -> SqlResult<Designs> {
    let kit = find(&benchmark)?;
    let rows = (1..).zip(kit.tables).map(move |(position, table)| {
        let references = kit.references(table);
        let partitions = table.partitions;
        let ranges = partitions.map(|partitions| partitions.ranges).unwrap_or_default();
        let distribution = match table.distribution {
            Distribution::By(columns) => columns,
            Distribution::Replicated => &[],
        };
        (
            position,
            table.name.into(),
            kit.source(table).row_type.unwrap_or_default().into(),
            kit.source(table).unique_name().into(),
            kit.required_columns(table).into_iter().map(Text::from).collect(),
            kit.has_unique_keys(table, sf).then(|| list(table.primary_key)),
            table.indexes.iter().map(|columns| list(columns)).collect(),
            references.iter().map(|reference| list(reference.columns)).collect(),
            references.iter().map(|reference| reference.source.into()).collect(),
            partitions.map(|partitions| partitions.column.into()),
            ranges.iter().map(|&(name, _, _)| name.into()).collect(),
            ranges.iter().map(|&(_, start, _)| start.into()).collect(),
            ranges.iter().map(|&(_, _, end)| end.into()).collect(),
            partitions.is_some_and(|partitions| partitions.is_nullable),
            distribution.iter().map(|&column| column.into()).collect(),
        )
    });
    Ok(TableIterator::new(rows.collect::<Vec<_>>()))
}

/// Columns as a statement lists them. Their names need no quotes.
fn list(columns: &[&str]) -> Text {
    columns.join(", ").into()
}

/// The parameters of a call: drawn if there is a seed. A stream's seed is the first one's plus its number.
fn choice(kit: &Kit, arguments: &Arguments, stream: i64) -> Result<Choice> {
    let sf = arguments.float("sf").ok_or(Error::Null("sf"))?;
    kit.check_scale(sf)?;
    let Some(seed) = arguments.integer("seed") else { return Ok(Choice::Validation) };
    let seeds = &kit.queries.seeds;
    match seed.checked_add(stream).filter(|of_stream| seeds.contains(&seed) && seeds.contains(of_stream)) {
        Some(seed) => Ok(Choice::Drawn { seed, sf }),
        None => Err(Error::Seed { seed, least: *seeds.start(), largest: *seeds.end() }),
    }
}

fn decorrelated(arguments: &Arguments) -> Result<bool> {
    arguments.boolean("decorrelated").ok_or(Error::Null("decorrelated"))
}

/// The text of a query over the tables in a schema, or in the `search_path` if none is given.
fn text(kit: &Kit, query: usize, schema: Option<&str>, choice: Choice, decorrelated: bool) -> String {
    kit.text(query, choice, decorrelated, |name| match schema {
        Some(schema) => quote_qualified_identifier(schema, name),
        None => quote_identifier(name),
    })
}

/// `tpch_query(query, schema, seed, sf, decorrelated)`.
#[pg_extern(sql = false)]
fn kit_query(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Text> {
    let arguments = of_call(fcinfo, "")?;
    let kit = of_function(&arguments)?;
    let query =
        kit.check_query(arguments.integer("query").ok_or(Error::Null("query"))?).map_err(Error::from)?;
    let choice = choice(kit, &arguments, 0)?;
    Ok(text(kit, query, arguments.text("schema"), choice, decorrelated(&arguments)?).into())
}

/// `tpch_queries(schema, seed, stream, sf, decorrelated)`.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn kit_queries(
    fcinfo: pg_sys::FunctionCallInfo,
) -> SqlResult<TableIterator<'static, (name!(position, i32), name!(query, i32), name!(sql, Text))>> {
    let arguments = of_call(fcinfo, "")?;
    let kit = of_function(&arguments)?;
    let stream = arguments.integer("stream");
    if let Some(stream) = stream.filter(|stream| *stream < 0) {
        let hint = "Streams are counted from 0, which is the power run.";
        return Err(Error::Argument { name: "stream", value: stream.to_string(), hint }.into());
    }
    let choice = choice(kit, &arguments, stream.unwrap_or_default())?;
    let decorrelated = decorrelated(&arguments)?;
    let order = match stream {
        Some(stream) => (kit.queries.order)(stream as usize),
        None => (1..=kit.query_count()).collect(),
    };
    let row = |(position, query)| {
        (position, query as i32, text(kit, query, arguments.text("schema"), choice, decorrelated).into())
    };
    Ok(TableIterator::new((1..).zip(order).map(row).collect::<Vec<_>>()))
}

fn texts(values: &[String]) -> Vec<Text> {
    values.iter().map(|value| value.as_str().into()).collect()
}

fn answers(kit: &'static Kit, sf: f64) -> Result<Vec<Answer>> {
    let known = || kit.answers.files.iter().map(|(sf, _)| *sf).collect();
    kit.answers(sf).ok_or_else(|| Error::NoAnswers { sf, known: known() })
}

/// `tpch_answers(query, sf)`.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn kit_answers(
    fcinfo: pg_sys::FunctionCallInfo,
) -> SqlResult<
    TableIterator<
        'static,
        (name!(query, i32), name!(row, i32), name!(columns, Vec<Text>), name!(answer, Vec<Text>)),
    >,
> {
    let arguments = of_call(fcinfo, "")?;
    let kit = of_function(&arguments)?;
    let query = arguments.integer("query").map(|query| kit.check_query(query)).transpose();
    let only = query.map_err(Error::from)?;
    let answers = answers(kit, arguments.float("sf").ok_or(Error::Null("sf"))?)?;
    let wanted = answers.into_iter().filter(move |answer| only.is_none_or(|only| only == answer.query));
    Ok(TableIterator::new(wanted.flat_map(|Answer { query, columns, rows, .. }| {
        (1..).zip(rows).map(move |(row, values)| (query as i32, row, texts(&columns), texts(&values)))
    })))
}

type Validation = (i32, bool, i64, f64, Option<Text>);

/// `tpch_validate(schema, sf, decorrelated)`.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn kit_validate(
    fcinfo: pg_sys::FunctionCallInfo,
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
    let arguments = of_call(fcinfo, "")?;
    let kit = of_function(&arguments)?;
    let schema = arguments.text("schema").ok_or(Error::Null("schema"))?.to_owned();
    refuse_unknown_schema(&schema)?;
    let answers = answers(kit, arguments.float("sf").map_or_else(|| count_scale(kit, &schema), Ok)?)?;
    let decorrelated = arguments.boolean("decorrelated").map_or_else(|| lacks_index(kit, &schema), Ok)?;
    // One by one, so that a client that fetches row by row sees each query when it is done.
    Ok(TableIterator::new((1..=kit.query_count()).map(move |query| {
        let of_query: Vec<&Answer> = answers.iter().filter(|answer| answer.query == query).collect();
        or_raise(validate(kit, query, &schema, &of_query, decorrelated))
    })))
}

/// `millrace.query_rows(query)`.
#[pg_extern(sql = false)]
fn query_rows(query: Text) -> SqlResult<SetOfIterator<'static, Text>> {
    // A few of the kits' queries are two statements.
    let rows =
        statements(&query).iter().map(|statement| rows_as_json(statement)).collect::<Result<Vec<_>>>()?;
    Ok(SetOfIterator::new(rows.into_iter().flatten()))
}

/// `millrace.run_query(query)`.
#[pg_extern(sql = false)]
fn run_query(query: Text) -> SqlResult<()> {
    Ok(query::run(&query)?)
}

/// Runs one query and compares its result with its answer.
fn validate(
    kit: &Kit,
    query: usize,
    schema: &str,
    answers: &[&Answer],
    decorrelated: bool,
) -> Result<Validation> {
    let sql = text(kit, query, Some(schema), Choice::Validation, decorrelated);
    let (mut rows, mut milliseconds, mut difference) = (0, 0.0, None);
    for (statement, answer) in statements(&sql).iter().zip(answers) {
        let start = Instant::now();
        let found = try_query(statement)?;
        milliseconds += start.elapsed().as_micros() as f64 / 1000.0;
        let found = match found {
            Ok(found) => {
                rows += found.len() as i64;
                differs(kit, answer, values_as_text(found)?)?
            }
            Err(error) => Some(format!("error: {}", &*error)),
        };
        difference = difference.or(found);
    }
    Ok((query as i32, difference.is_none(), rows, milliseconds, difference.map(Text::from)))
}

fn differs(kit: &Kit, answer: &Answer, found: Vec<Vec<Option<String>>>) -> Result<Option<String>> {
    let difference = kit.first_difference(answer, &found);
    if difference.is_none() || sorts_as_c()? {
        return Ok(difference);
    }
    Ok(kit.first_difference_in_c_order(answer, found))
}

/// Whether the database sorts texts byte by byte, as the answers are sorted.
fn sorts_as_c() -> Result<bool> {
    Ok(one("SELECT 'B' < 'a' AND 'a b' < 'aB' AND 'ch' < 'h'", &[])? == Some(true))
}

/// The rows of a query as JSON objects, or the message of the error that it failed with.
fn try_query(statement: &str) -> Result<std::result::Result<Vec<Text>, Text>> {
    let query = "SELECT rows, error FROM millrace.try_query($1)";
    Ok(Spi::connect(|client| {
        let found = client.select(query, Some(1), &[Text::from(statement).into()])?.first();
        let (rows, error) = found.get_two::<Vec<Text>, Text>()?;
        Ok::<_, pgrx::spi::Error>(error.map_or_else(|| Ok(rows.unwrap_or_default()), Err))
    })?)
}

/// The values of rows in their types' text forms.
fn values_as_text(rows: Vec<Text>) -> Result<Vec<Vec<Option<String>>>> {
    let query = "SELECT ARRAY(SELECT value FROM json_each_text(object::json))
                 FROM unnest($1) WITH ORDINALITY AS row (object, number) ORDER BY number";
    let rows = Spi::connect(|client| {
        let rows = client.select(query, None, &[rows.into()])?;
        let text = |value: Option<Text>| value.map(Text::into_string);
        let texts = |row: Vec<Option<Text>>| row.into_iter().map(text).collect();
        rows.map(|row| Ok(texts(row.get(1)?.unwrap_or_default())))
            .collect::<std::result::Result<_, pgrx::spi::Error>>()
    });
    Ok(rows?)
}

#[pg_extern(sql = false)]
fn kit_scale_of(benchmark: Text, schema: Text) -> SqlResult<f64> {
    Ok(count_scale(find(&benchmark)?, &schema)?)
}

/// The scale factor of the tables or views in a schema, told from the rows of a small table.
fn count_scale(kit: &Kit, schema: &str) -> Result<f64> {
    let table = quote_qualified_identifier(schema, kit.scale_table);
    let count: Option<i64> = one(&format!("SELECT count(*) FROM {table}"), &[])?;
    Ok((kit.scale_of)(count.unwrap_or_default() as u64))
}

/// Whether a correlated subquery would read a whole table for each row of another, as in a view.
fn lacks_index(kit: &Kit, schema: &str) -> Result<bool> {
    let Some((table, column)) = kit.correlated else { return Ok(true) };
    let found = one(
        "SELECT NOT EXISTS (
             SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
             WHERE i.indrelid = to_regclass($1) AND a.attname = $2 AND i.indisvalid)",
        &[Text::from(quote_qualified_identifier(schema, table)).into(), Text::from(column).into()],
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

/// Refuses invalid arguments of tpch_virtual and tpcds_virtual.
#[pg_extern(sql = false)]
fn kit_check_virtual(benchmark: Text, sf: Option<f64>, schema: Option<Text>) -> SqlResult<()> {
    let sf = sf.ok_or(Error::Null("sf"))?;
    find(&benchmark)?.check_scale(sf).map_err(Error::from)?;
    Ok(check_schema_name(schema)?)
}

fn check_schema_name(schema: Option<Text>) -> Result<()> {
    if schema.ok_or(Error::Null("schema"))?.is_empty() {
        let hint = "Name the schema for the tables.";
        return Err(Error::Argument { name: "schema", value: "\"\"".to_owned(), hint });
    }
    Ok(())
}

/// Refuses invalid arguments of a load.
#[pg_extern(sql = false)]
fn kit_check_load(
    benchmark: Text,
    sf: Option<f64>,
    schema: Option<Text>,
    storage: Option<Text>,
) -> SqlResult<()> {
    let kit = find(&benchmark)?;
    match sf.ok_or(Error::Null("sf"))? {
        0.0 => {}
        sf => kit.check_scale(sf).map_err(Error::from)?,
    }
    check_schema_name(schema)?;
    let storage = storage.ok_or(Error::Null("storage"))?;
    let known: Option<bool> = one(
        "SELECT $1 = 'unlogged' OR EXISTS (SELECT FROM pg_am WHERE amname = $1 AND amtype = 't')",
        &[storage.clone().into()],
    )?;
    if known == Some(true) { Ok(()) } else { Err(Error::UnknownStorage(storage.into_string()).into()) }
}

/// A table as a load finds it.
struct Found {
    is_table: bool,
    partitioned: bool,
    /// As in the argument of that name: `unlogged`, or the access method; that of the partitions, if it has some.
    storage: Option<Text>,
    same_columns: bool,
}

/// Whether a table is there as a load would create it; a different table of that name is an error.
#[pg_extern(sql = false)]
fn has_table(schema: Text, table: Text, row_type: Oid, storage: Text, partitioned: bool) -> SqlResult<bool> {
    let name = quote_qualified_identifier(&*schema, &*table);
    let Some(found) = find_table(&name, row_type)? else { return Ok(false) };
    let differs = |how: &'static str| Err(Error::TableDiffers { table: name.clone(), how }.into());
    if !found.is_table {
        return differs("is not a table");
    }
    if !found.same_columns {
        return differs("has different columns");
    }
    if found.partitioned != partitioned {
        return differs(if partitioned { "is not partitioned" } else { "is partitioned" });
    }
    if found.storage.is_some_and(|found| found != storage) {
        return differs("has different storage");
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
fn kit_check_loadable(schema: Text, table: Text, source: Text, sf: f64) -> SqlResult<()> {
    let name = quote_qualified_identifier(&*schema, &*table);
    let then: Option<f64> = one(
        "SELECT (options->>'sf')::float8 FROM millrace.run WHERE name = $1 AND source = $2",
        &[Text::from(name.as_str()).into(), source.into()],
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
fn kit_note_load(run: Text, load: Text, overwriting: Option<Json>) -> SqlResult<()> {
    ledger::check_owner(&ledger::get(&run)?)?;
    ledger::write(
        "UPDATE millrace.run SET load = $2, overwriting = COALESCE($3, overwriting)
         WHERE name OPERATOR(pg_catalog.=) $1",
        &[run.into(), load.into(), overwriting.into()],
    )?;
    Ok(())
}

#[pg_extern(sql = false)]
fn kit_note_loaded(benchmark: Text, load: Text) -> SqlResult<()> {
    for table in find(&benchmark)?.tables {
        let run = qualified(&load, table.name)?;
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
