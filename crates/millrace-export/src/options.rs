//! What a user can choose.

use crate::Error;
use arrow::datatypes::Schema;
use serde::Deserialize;
use serde_json::Value;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// How many threads an export may have.
pub const THREADS: RangeInclusive<usize> = 1..=256;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values as of RFC 4180: strings quoted where need be, null an empty field.
    Csv,
    /// What dbgen writes: a bar after each field, nothing quoted.
    Tbl,
    /// Arrow IPC, the file format, also known as Feather 2.
    Arrow,
    /// Arrow IPC, the streaming format.
    ArrowStream,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 5] =
        [Format::Parquet, Format::Csv, Format::Tbl, Format::Arrow, Format::ArrowStream];

    /// The name by which a user asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Csv => "csv",
            Format::Tbl => "tbl",
            Format::Arrow => "arrow",
            Format::ArrowStream => "arrow_stream",
        }
    }

    /// What the names of its files end with.
    pub fn extension(self) -> &'static str {
        match self {
            Format::ArrowStream => "arrows",
            other => other.name(),
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Format::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| Error::Format(name.to_owned()))
    }
}

/// How the values in a file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// Fast; Parquet only.
    Snappy,
    /// Small; takes a level from 1 to 22.
    Zstd,
    /// Fast. In Parquet the codec is LZ4_RAW.
    Lz4,
}

/// The options of an export. What is left out has its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The columns to write, in this order; all.
    pub columns: Option<Vec<String>>,
    /// Parquet: snappy; Arrow: none, or `zstd` or `lz4`.
    pub compression: Option<Compression>,
    /// Level of zstd in Parquet, 1 to 22; 3.
    pub level: Option<i32>,
    /// Rows of a row group of Parquet, to the nearest whole unit of the source; 131,072.
    pub row_group_rows: Option<u64>,
    /// About how many bytes a row group of Parquet takes in the file, instead of its rows.
    pub row_group_bytes: Option<u64>,
    /// About how many bytes a file has: a part that takes more becomes several, numbered from 1. Without it a
    /// file of Parquet has at most 64 row groups, because each takes some 30 KB of memory until its file's end.
    pub file_bytes: Option<u64>,
    /// A column whose values become folders as Hive names them, `name/column=value/name.parquet`, and is not in
    /// the files; at most 256 values. A row group then has its share of a row group's rows.
    pub partition_by: Option<String>,
    /// Columns by which the rows of each row group of Parquet are sorted, ascending.
    pub sort_by: Vec<String>,
    /// Columns that get a bloom filter in each row group of Parquet.
    pub bloom_filters: Vec<String>,
    /// Whether Parquet has dictionaries in columns where values repeat: where at most a fifth of a row group's values are
    /// distinct, or their number is not known; true.
    pub dictionary: Option<bool>,
    /// Whether Parquet holds the least and greatest value of each column of a row group; true.
    pub statistics: Option<bool>,
    /// Whether Parquet also holds them for each page, with the pages' places; true.
    pub page_index: Option<bool>,
    /// Whether CSV begins with the columns' names; true.
    pub header: Option<bool>,
    /// What separates the fields of CSV: a tab or an ASCII character that is in no number or date; a comma.
    pub delimiter: Option<char>,
    /// Whether files that are there already are replaced; false.
    pub overwrite: bool,
    /// Whether files that are there already are skipped; false.
    pub skip_existing: bool,
    /// Whether a separate thread writes while others generate and encode; true. With `fsync` and without partitions it
    /// writes past the page cache, if the file system can.
    pub r#async: Option<bool>,
    /// Whether a file is synced to disk before it gets its name; true.
    pub fsync: Option<bool>,
}

impl Options {
    /// Options from a JSON object.
    pub fn from_json(options: Value) -> Result<Self, Error> {
        serde_json::from_value(options).map_err(|error| Error::Options(error.to_string()))
    }

    /// The numbers of the columns that row groups are sorted by.
    pub(crate) fn sort_by(&self, schema: &Schema) -> Result<Vec<usize>, Error> {
        Ok(self.sort_by.iter().map(|name| schema.index_of(name)).collect::<Result<_, _>>()?)
    }

    /// Refuses options that do not apply to the format or make no sense.
    pub(crate) fn check(&self, format: Format) -> Result<(), Error> {
        let parquet = format == Format::Parquet;
        let arrow = matches!(format, Format::Arrow | Format::ArrowStream);
        let given = [
            ("compression", self.compression.is_some(), parquet || arrow),
            ("level", self.level.is_some(), parquet),
            ("row_group_rows", self.row_group_rows.is_some(), parquet),
            ("row_group_bytes", self.row_group_bytes.is_some(), parquet),
            ("sort_by", !self.sort_by.is_empty(), parquet),
            ("bloom_filters", !self.bloom_filters.is_empty(), parquet),
            ("dictionary", self.dictionary.is_some(), parquet),
            ("statistics", self.statistics.is_some(), parquet),
            ("page_index", self.page_index.is_some(), parquet),
            ("header", self.header.is_some(), format == Format::Csv),
            ("delimiter", self.delimiter.is_some(), format == Format::Csv),
        ];
        if let Some((name, ..)) = given.iter().find(|(_, given, fits)| *given && !fits) {
            return refuse(format!("format \"{}\" has no option `{name}`", format.name()));
        }
        if arrow && self.compression == Some(Compression::Snappy) {
            return refuse("format \"arrow\" has no compression `snappy`, expected `none`, `zstd` or `lz4`");
        }
        if self.level.is_some() && self.compression != Some(Compression::Zstd) {
            return refuse("`level` is for compression `zstd`");
        }
        if self.level.is_some_and(|level| !(1..=22).contains(&level)) {
            return refuse("`level` is from 1 to 22");
        }
        if self.row_group_rows.is_some() && self.row_group_bytes.is_some() {
            return refuse("`row_group_rows` and `row_group_bytes` exclude each other");
        }
        if self.overwrite && self.skip_existing {
            return refuse("`overwrite` and `skip_existing` exclude each other");
        }
        if self.partition_by.is_some() && self.skip_existing {
            return refuse("`partition_by` and `skip_existing` exclude each other");
        }
        let sizes = [
            ("row_group_rows", self.row_group_rows, 100_000_000),
            ("row_group_bytes", self.row_group_bytes, 4 << 30),
            ("file_bytes", self.file_bytes, u64::MAX),
        ];
        for (name, size, most) in sizes {
            if size.is_some_and(|size| !(1..=most).contains(&size)) {
                return refuse(format!("`{name}` is from 1 to {most}"));
            }
        }
        let columns = self.columns.as_deref().unwrap_or_default();
        if self.columns.is_some() && columns.is_empty() {
            return refuse("`columns` names no column");
        }
        let twice = |&(number, name): &(usize, &String)| columns[..number].contains(name);
        if let Some((_, name)) = columns.iter().enumerate().find(twice) {
            return refuse(format!("`columns` names column \"{name}\" twice"));
        }
        if self.delimiter.is_some_and(|delimiter| !is_delimiter(delimiter)) {
            return refuse(
                "`delimiter` is a tab or one printable ASCII character that is no letter, digit, space, \
                 quote, nor one of + - . :",
            );
        }
        Ok(())
    }
}

/// Whether it separates fields. Numbers, dates and truth values are never quoted, so it must be in none of them.
fn is_delimiter(character: char) -> bool {
    character == '\t' || character.is_ascii_punctuation() && !"\"+-.:".contains(character)
}

fn refuse(why: impl Into<String>) -> Result<(), Error> {
    Err(Error::Options(why.into()))
}
