//! What a benchmark of the TPC's is, besides its rows: how its tables are created in a database, its queries and their
//! answers. Each benchmark is described by a [`Kit`].

pub mod answers;
pub mod queries;

use crate::registry::{self, Definition};
use crate::{Error, Reference, Source, scale, tpcds, tpch};
use answers::Answers;
use arrow::datatypes::Field;
use queries::Queries;
use serde_json::json;
use std::ops::RangeInclusive;

/// A benchmark of the TPC's.
pub struct Kit {
    /// The family of its sources, which begins the names of its functions: `tpch`. It is also the default schema of its
    /// tables.
    pub family: &'static str,
    /// Its name as the TPC writes it.
    pub title: &'static str,
    /// The scale factors it is defined for, and smaller ones that work.
    pub scales: RangeInclusive<f64>,
    /// Its tables, each after those it refers to.
    pub tables: &'static [Design],
    /// Whether a column of its tables may be null.
    pub is_nullable: fn(&Field) -> bool,
    /// The table whose number of rows tells the scale factor.
    pub scale_table: &'static str,
    /// The scale factor, from the number of that table's rows.
    pub scale_of: fn(rows: u64) -> f64,
    /// Its queries.
    pub queries: Queries,
    /// The answers to them.
    pub answers: Answers,
    /// The table and column whose index makes correlated subqueries fast enough as they are written; `None` if no index
    /// does.
    pub correlated: Option<(&'static str, &'static str)>,
}

/// A table as it is created in a database.
pub struct Design {
    /// Its name, and its source's.
    pub name: &'static str,
    /// The columns of its primary key.
    pub primary_key: &'static [&'static str],
    /// The columns of other indexes, without those of the primary key.
    pub indexes: &'static [&'static [&'static str]],
    /// How it is partitioned if partitions are asked for; `None` for a table that never is.
    pub partitions: Option<&'static Partitions>,
    /// How a cluster distributes its rows.
    pub distribution: Distribution,
    /// Whether its rows have distinct primary keys at a scale factor.
    pub is_key_unique: fn(sf: f64) -> bool,
}

/// The partitions of a table, by ranges of a column.
pub struct Partitions {
    /// The column.
    pub column: &'static str,
    /// The end of each partition's name, and its bounds: the first value, and the one after the last.
    pub ranges: &'static [(&'static str, &'static str, &'static str)],
    /// Whether the column may be null, so that there is a default partition and no key.
    pub is_nullable: bool,
}

/// Where a cluster keeps the rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// By the values of these columns.
    By(&'static [&'static str]),
    /// All rows on each segment.
    Replicated,
}

/// All benchmarks.
pub fn all() -> impl Iterator<Item = &'static Kit> {
    [&tpch::KIT, &tpcds::KIT].into_iter()
}

/// The benchmark of a family of sources.
pub fn find(family: &str) -> Option<&'static Kit> {
    all().find(|kit| kit.family == family)
}

impl Kit {
    /// Refuses scale factors out of range.
    pub fn check_scale(&self, sf: f64) -> Result<(), Error> {
        scale::check(sf, self.scales.clone())
    }

    /// Opens one of its sources.
    pub fn open(&self, source: &Definition, sf: f64) -> Result<Box<dyn Source>, Error> {
        // Checked first, because JSON has no NaN to refuse.
        self.check_scale(sf)?;
        source.open(json!({ "sf": sf }))
    }

    /// The source of a table.
    pub fn source(&self, table: &Design) -> &'static Definition {
        registry::find(&format!("{}.{}", self.family, table.name)).expect("each table has a source")
    }

    /// The columns of a table that must have a value.
    pub fn required_columns(&self, table: &Design) -> Vec<String> {
        let schema = (self.source(table).schema)();
        let required = schema.fields().iter().filter(|field| !(self.is_nullable)(field));
        required.map(|field| field.name().clone()).collect()
    }

    /// Whether no two rows of a table have the same primary key at a scale factor; 0 is a table without rows.
    pub fn has_unique_keys(&self, table: &Design, sf: f64) -> bool {
        sf == 0.0 || (table.is_key_unique)(sf)
    }

    /// The foreign keys of a table.
    pub fn references(&self, table: &Design) -> &'static [Reference] {
        self.source(table).references
    }
}
