//! Warnings about storage that the server accepts, but that does not suit the rows to come.
//!
//! They are for Cloudberry only: PAX has options that name columns, and a crash of one segment empties that segment's part
//! of an unlogged table.

use crate::error::{Error, Result, SqlResult};
use crate::pg::server::cluster;
use crate::pg::server::report::{Report, warning};
use crate::pg::server::text::{Json, Text};
use crate::runs::open::Request;
use crate::runs::origin::Origin;
use crate::runs::target::{Relation, TREE};
use arrow::datatypes::DataType;
use millrace_sources::Source;
use pgrx::prelude::*;
use serde_json::json;

/// A Bloom filter pays off for a column with at least this many distinct values.
const FEWEST_FOR_BLOOM: f64 = 1_000.0;
/// If more than this share of the values is distinct, Bloom filters are as large as the column.
const UNIQUE: f64 = 0.5;
/// With fewer distinct values than this, evenly spread, each group of rows has the smallest and the largest.
const FEWEST_FOR_MINMAX: f64 = 16.0;

/// What a source says about a column, as far as storage depends on it.
struct Known {
    /// Rows that have a value.
    filled: f64,
    distinct: Option<f64>,
    null_fraction: f64,
}

impl Known {
    fn of(source: &dyn Source, column: usize) -> Self {
        let units = 0..source.units();
        let rows = source.estimated_rows(units.clone()) as f64;
        let statistics = source.statistics(column, units);
        let filled = rows * (1.0 - statistics.null_fraction);
        let distinct = statistics.distinct.among(rows).map(|distinct| distinct.min(filled));
        Self { filled, distinct, null_fraction: statistics.null_fraction }
    }

    fn is_unique(&self) -> bool {
        self.distinct.is_some_and(|distinct| distinct > UNIQUE * self.filled)
    }

    /// Whether a Bloom filter pays off; false if nothing is known.
    fn suits_bloom(&self) -> bool {
        self.distinct.is_some_and(|distinct| distinct >= FEWEST_FOR_BLOOM) && !self.is_unique()
    }

    /// Whether a minimum and a maximum per group of rows pay off; true if nothing is known.
    fn suits_minmax(&self) -> bool {
        self.distinct.is_none_or(|distinct| distinct >= FEWEST_FOR_MINMAX)
    }
}

/// Types that PAX clusters by, as the server prints them.
const CLUSTERED: [&str; 12] = [
    "boolean",
    "\"char\"",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "character varying",
    "character",
    "text",
    "bytea",
    "date",
];

/// Warns of storage that does not suit what is to be loaded.
pub fn warn(relation: &Relation, origin: &Origin) -> Result<()> {
    if cluster::is_cluster() && relation.is_unlogged()? {
        let message = format!(
            "table {} is unlogged: a segment that crashes or fails over loses its part of the rows",
            relation.name
        );
        Report::new(PgSqlErrorCode::ERRCODE_WARNING, message)
            .hint("The ledger does not notice that loss, but stream_verify() does. A logged table loses nothing.")
            .report(PgLogLevel::WARNING);
    }
    warn_of_columns(relation, origin)
}

/// Warns of each column that a table's storage options name in vain.
fn warn_of_columns(relation: &Relation, origin: &Origin) -> Result<()> {
    let Origin::Source(source) = origin else { return Ok(()) };
    for (option, column, type_name) in named_columns(relation)? {
        let known = source.schema().index_of(&column).ok().map(|index| Known::of(source.as_ref(), index));
        if let Some(why) = complaint(&option, type_name.as_deref(), known.as_ref()) {
            warning(format!("{option} of table {} names column \"{column}\", {why}", relation.name));
        }
    }
    Ok(())
}

/// What is wrong with naming a column in an option, if anything is.
fn complaint(option: &str, type_name: Option<&str>, known: Option<&Known>) -> Option<String> {
    let Some(type_name) = type_name else { return Some("which does not exist".to_owned()) };
    match (option, known) {
        ("cluster_columns", _) if !CLUSTERED.contains(&type_name) => {
            Some(format!("which is of type {type_name}: PAX does not cluster by it"))
        }
        ("bloomfilter_columns", Some(known)) if known.is_unique() => Some(
            "which has another value in nearly every row: Bloom filters on it bloat the table".to_owned(),
        ),
        ("bloomfilter_columns", Some(Known { distinct: Some(distinct), .. }))
            if *distinct < FEWEST_FOR_BLOOM =>
        {
            Some(format!("which has about {distinct:.0} values: Bloom filters pay off from about 1000"))
        }
        ("minmax_columns", Some(known @ Known { distinct: Some(distinct), .. })) if !known.suits_minmax() => {
            Some(format!("which has about {distinct:.0} values: each group of rows may have them all"))
        }
        _ => None,
    }
}

/// The columns that a table's storage options name: option, column, and its type if it exists. For a
/// partitioned table, those of its partitions.
fn named_columns(relation: &Relation) -> Result<Vec<(String, String, Option<String>)>> {
    let named = Spi::connect(|client| {
        let rows = client.select(
            &format!(
                "{TREE} SELECT DISTINCT o.option_name, pg_catalog.btrim(n.name, ' \"'),
                    pg_catalog.format_type(a.atttypid, NULL::integer)
             FROM pg_catalog.pg_class c,
             LATERAL pg_catalog.pg_options_to_table(c.reloptions) o,
             LATERAL pg_catalog.unnest(pg_catalog.string_to_array(o.option_value, ',')) n (name)
             LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) $1
                   AND a.attname OPERATOR(pg_catalog.=) pg_catalog.btrim(n.name, ' \"')::pg_catalog.name
                   AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
             WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT tree.oid FROM tree))
               AND o.option_name OPERATOR(pg_catalog.=) ANY (
                       ARRAY['cluster_columns', 'bloomfilter_columns', 'minmax_columns'])
             ORDER BY 1, 2"
            ),
            None,
            &[relation.oid().into()],
        )?;
        let text = |value: Option<Text>| value.map(Text::into_string);
        rows.map(|row| {
            let (option, column) = (text(row.get(1)?), text(row.get(2)?));
            Ok((option.unwrap_or_default(), column.unwrap_or_default(), text(row.get(3)?)))
        })
        .collect::<std::result::Result<_, pgrx::spi::Error>>()
    });
    Ok(named?)
}

/// `stream_columns(source, sf, rows, options)`.
#[pg_extern(sql = false)]
#[allow(clippy::type_complexity)]
fn stream_columns(
    source: Option<Text>,
    sf: Option<f64>,
    rows: Option<i64>,
    options: Option<Json>,
) -> SqlResult<
    TableIterator<
        'static,
        (
            name!(column_name, Text),
            name!(distinct_values, Option<f64>),
            name!(null_fraction, f64),
            name!(bloom_filter, bool),
            name!(minmax, bool),
            name!(clusters, bool),
        ),
    >,
> {
    let name = source.ok_or(Error::Null("source"))?;
    let options = options.map_or_else(|| json!({}), |options| options.0);
    let Origin::Source(source) = Request::new(&name, sf, rows, options)?.origin else {
        let hint = "The columns of a query are not known before it is run.";
        return Err(Error::NotSupported { what: "listing the columns of a query", hint }.into());
    };
    let column = |(index, field): (usize, &std::sync::Arc<arrow::datatypes::Field>)| {
        let known = Known::of(source.as_ref(), index);
        let clusters = !matches!(field.data_type(), DataType::Timestamp(..) | DataType::Decimal128(..));
        let bloom = known.suits_bloom();
        let distinct = known.distinct.map(f64::round);
        (field.name().as_str().into(), distinct, known.null_fraction, bloom, known.suits_minmax(), clusters)
    };
    let columns: Vec<_> = source.schema().fields().iter().enumerate().map(column).collect();
    Ok(TableIterator::new(columns))
}
