//! Which files an export writes, and which chunks they consist of.

use crate::output::Buffers;
use crate::partition::Partitioning;
use crate::{Encoding, Error, FileReport, Format, Options, Progress, Request};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use millrace_sources::{Part, Source, share};
use std::cell::Cell;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// A batch of about this many rows fits the processor's cache.
const ROWS_PER_BATCH: u64 = 8192;

/// For row groups, into which batches are encoded one by one. It is equally fast, and takes less memory.
const ROWS_PER_PARQUET_BATCH: u64 = 2048;

/// A row group as large as other writers', so that there are enough of them for several threads.
const ROWS_PER_ROW_GROUP: u64 = 131_072;

/// Chunks of formats without row groups: about 2 MiB.
const ROWS_PER_CHUNK: u64 = 16_384;

/// Row groups of a file unless its size is chosen: the footer's entry for each, some 30 KB for lineitem, stays in memory until
/// the end of the file. A file of lineitem has some 300 MB.
const ROW_GROUPS_PER_FILE: u64 = 64;

/// Rows that are encoded to find out how many bytes a row takes.
const ROWS_PER_SAMPLE: u64 = 16_384;

/// The most files of an export: their names are kept in memory.
const MOST_FILES: u64 = 100_000;

/// A table to export.
pub struct Table {
    /// The name of its files.
    pub name: String,
    /// Its rows.
    pub source: Box<dyn Source>,
    /// Which parts of them.
    pub parts: Parts,
    /// The segment that this is the share of, if a cluster's segments share each part: `name.seg0.parquet` is the first's.
    pub segment: Option<Segment>,
}

/// One of the segments of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Which, from 0.
    pub number: u64,
    /// Of how many.
    pub segments: u64,
}

impl Table {
    pub(crate) fn estimated_rows(&self) -> Result<u64, Error> {
        // With many parts their sum is the whole; counting each would take too long.
        let parts = if let Parts::All(_) = self.parts { Parts::Whole } else { self.parts };
        let parts = self.units(parts)?;
        Ok(parts.into_iter().map(|(_, units)| self.source.estimated_rows(units)).sum())
    }

    /// The units of each part, or the segment's share of them if there is a segment.
    fn units(&self, parts: Parts) -> Result<Vec<NumberedPart>, Error> {
        let mut parts = parts.units(self.source.units())?;
        if let Some(Segment { number, segments }) = self.segment {
            for (_, units) in &mut parts {
                *units = share(units.clone(), number, segments).unwrap_or_default();
            }
        }
        Ok(parts)
    }
}

/// The parts of a table. Each becomes a file, or several if the size of files is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// All rows: `name.parquet`.
    Whole,
    /// All of this number of parts: `name.1.parquet` and so on.
    All(i64),
    /// One of them, counted from 1: `name.3.parquet` is the third.
    One {
        /// Which.
        part: i64,
        /// Of how many.
        parts: i64,
    },
}

impl Parts {
    fn units(self, total: u64) -> Result<Vec<NumberedPart>, Error> {
        let units = |part, parts| Ok((Some(part), Part::new(part, parts)?.units(total)));
        match self {
            Parts::Whole => Ok(vec![(None, Part::WHOLE.units(total))]),
            Parts::One { part, parts } => Ok(vec![units(part, parts)?]),
            Parts::All(parts) if parts > MOST_FILES as i64 => Err(too_many_files()),
            Parts::All(parts) => (1..=parts.max(1)).map(|part| units(part, parts)).collect(),
        }
    }
}

/// A part's number, if it has one, and its units.
type NumberedPart = (Option<i64>, Range<u64>);

fn too_many_files() -> Error {
    Error::Options(format!("an export has at most {MOST_FILES} files"))
}

/// A table with what is needed to make chunks of it.
pub struct Planned<'a, F> {
    source: &'a dyn Source,
    columns: Vec<usize>,
    partitioning: Option<Partitioning>,
    /// The numbers of the files' columns that row groups are sorted by.
    sort_by: Vec<usize>,
    pub encoding: F,
    units_per_batch: u64,
    units_per_chunk: u64,
}

/// Rows of a row group, if its bytes are not chosen.
pub fn row_group_rows(options: &Options) -> u64 {
    options.row_group_rows.unwrap_or(ROWS_PER_ROW_GROUP)
}

/// The columns of a table's files.
pub struct Columns<'a> {
    pub schema: SchemaRef,
    source: &'a dyn Source,
    /// Their numbers in the source.
    numbers: Vec<usize>,
}

impl Columns<'_> {
    /// The share of distinct values of each column among this many consecutive rows, if it is known.
    pub fn distinct_shares(&self, rows: u64) -> impl Iterator<Item = Option<f64>> {
        let units = 0..units(self.source, rows).min(self.source.units());
        let rows = self.source.estimated_rows(units.clone()) as f64;
        let statistics = move |&column| self.source.statistics(column, units.clone());
        self.numbers.iter().map(statistics).map(move |known| Some(known.distinct.among(rows)? / rows))
    }
}

/// What a chunk adds to one file.
pub struct Piece<C> {
    /// The folder of the rows' partition; empty if there are no partitions.
    pub folder: String,
    pub rows: u64,
    pub chunk: C,
}

impl<F: Encoding> Planned<'_, F> {
    /// Generates and encodes a range of units; a cancel ends it after a batch.
    pub fn make(
        &self,
        units: Range<u64>,
        buffers: &Buffers,
        progress: &Progress,
    ) -> Result<Vec<Piece<F::Chunk>>, Error> {
        let rows = Cell::new(0);
        let mut batches = self.batches(units).map(|batch| {
            let batch = batch?;
            let count = batch.num_rows() as u64;
            progress.rows.fetch_add(count, Ordering::Relaxed);
            progress.check()?;
            rows.set(rows.get() + count);
            Ok(batch)
        });
        if self.partitioning.is_none() && self.sort_by.is_empty() {
            let chunk = self.encoding.encode(&mut batches, buffers)?;
            return Ok(vec![Piece { folder: String::new(), rows: rows.get(), chunk }]);
        }
        let batches = batches.collect::<Result<Vec<_>, Error>>()?;
        let all = concat_batches(&self.source.schema().project(&self.columns)?.into(), &batches)?;
        drop(batches);
        let split = match &self.partitioning {
            Some(partitioning) => partitioning.split(&all)?,
            None => vec![(String::new(), all)],
        };
        let piece = |(folder, rows)| self.piece(folder, rows, buffers, progress);
        split.into_iter().map(piece).collect()
    }

    /// Sorts and encodes rows.
    fn piece(
        &self,
        folder: String,
        rows: RecordBatch,
        buffers: &Buffers,
        progress: &Progress,
    ) -> Result<Piece<F::Chunk>, Error> {
        progress.check()?;
        let rows = if self.sort_by.is_empty() { rows } else { sorted(&rows, &self.sort_by)? };
        let count = rows.num_rows();
        // In slices, because a chunk may be large and a cancel should not wait for all of it.
        let mut slices = (0..count).step_by(ROWS_PER_BATCH as usize).map(|start| {
            progress.check()?;
            Ok(rows.slice(start, (count - start).min(ROWS_PER_BATCH as usize)))
        });
        let chunk = self.encoding.encode(&mut slices, buffers)?;
        Ok(Piece { folder, rows: count as u64, chunk })
    }

    /// The rows of a range of units.
    fn batches(&self, units: Range<u64>) -> impl Iterator<Item = Result<RecordBatch, Error>> {
        let starts = units.clone().step_by(self.units_per_batch as usize);
        starts.map(move |start| {
            let end = start.saturating_add(self.units_per_batch).min(units.end);
            Ok(self.source.batch(start..end, &self.columns)?)
        })
    }
}

fn sorted(rows: &RecordBatch, columns: &[usize]) -> Result<RecordBatch, Error> {
    let column = |&index: &usize| SortColumn { values: rows.column(index).clone(), options: None };
    let order = lexsort_to_indices(&columns.iter().map(column).collect::<Vec<_>>(), None)?;
    Ok(take_record_batch(rows, &order)?)
}

/// A file to write.
pub struct PlannedFile {
    pub table: usize,
    /// Where it goes, or the folders of its partitions.
    pub folder: PathBuf,
    pub name: String,
    pub units: Range<u64>,
    /// The number of its first chunk, counted from 0 over all files.
    pub first_chunk: u64,
    pub chunks: u64,
}

/// All files of an export.
pub struct Plan<'a, F> {
    pub tables: Vec<Planned<'a, F>>,
    pub files: Vec<PlannedFile>,
    pub chunks: u64,
    /// For each file asked for, its report if it is there already and is skipped.
    pub skipped: Vec<Option<FileReport>>,
}

impl<'a, F: Encoding> Plan<'a, F> {
    pub fn new(
        request: &'a Request,
        encoding: impl Fn(&Columns<'_>, &Options) -> Result<F, Error>,
    ) -> Result<Self, Error> {
        if !request.folder.is_dir() {
            return Err(Error::NoFolder(request.folder.clone()));
        }
        let mut plan = Plan { tables: Vec::new(), files: Vec::new(), chunks: 0, skipped: Vec::new() };
        for table in &request.tables {
            let planned = plan_table(table, request, &encoding)?;
            let files = files(table, &planned, request)?;
            if (plan.skipped.len() + files.len()) as u64 > MOST_FILES {
                return Err(too_many_files());
            }
            let folder = match planned.partitioning {
                Some(_) => request.folder.join(&table.name),
                None => request.folder.clone(),
            };
            for (number, units) in files {
                let name = format!("{}{number}.{}", table.name, request.format.extension());
                plan.add(&folder, name, units, &planned, &request.options)?;
            }
            plan.tables.push(planned);
        }
        Ok(plan)
    }

    /// Adds a file of the table that is about to be added.
    fn add(
        &mut self,
        folder: &Path,
        name: String,
        units: Range<u64>,
        table: &Planned<'_, F>,
        options: &Options,
    ) -> Result<(), Error> {
        let path = folder.join(&name);
        if options.skip_existing
            && let Ok(there) = path.symlink_metadata()
        {
            self.skipped.push(Some(FileReport { path, bytes: there.len(), written: None }));
            return Ok(());
        }
        self.skipped.push(None);
        check_free(&path, options.overwrite)?;
        let chunks = (units.end - units.start).div_ceil(table.units_per_chunk).max(1);
        self.files.push(PlannedFile {
            table: self.tables.len(),
            folder: folder.to_owned(),
            name,
            units,
            first_chunk: self.chunks,
            chunks,
        });
        self.chunks += chunks;
        Ok(())
    }

    /// The file, and the units, of a chunk.
    pub fn chunk(&self, number: u64) -> (usize, Range<u64>) {
        let index = self.files.partition_point(|file| file.first_chunk <= number) - 1;
        let file = &self.files[index];
        let size = self.tables[file.table].units_per_chunk;
        let start = file.units.start + (number - file.first_chunk) * size;
        (index, start..start.saturating_add(size).min(file.units.end))
    }
}

/// Refuses a path if something there must not be replaced. A link is never replaced, not even one to nowhere.
pub fn check_free(path: &Path, overwrite: bool) -> Result<(), Error> {
    match path.symlink_metadata() {
        Ok(there) if !overwrite || !there.is_file() => Err(Error::Exists(path.to_owned())),
        _ => Ok(()),
    }
}

fn plan_table<'a, F: Encoding>(
    table: &'a Table,
    request: &Request,
    encoding: &impl Fn(&Columns<'_>, &Options) -> Result<F, Error>,
) -> Result<Planned<'a, F>, Error> {
    let options = &request.options;
    let source = table.source.as_ref();
    let mut columns = columns(table, options)?;
    let partitioning = partitioning(table, options, &mut columns)?;
    let numbers = match &partitioning {
        Some(partitioning) => partitioning.others.iter().map(|&column| columns[column]).collect(),
        None => columns.clone(),
    };
    let of_files = Columns { schema: source.schema().project(&numbers)?.into(), source, numbers };
    for name in options.sort_by.iter().chain(&options.bloom_filters) {
        if of_files.schema.index_of(name).is_err() {
            return Err(no_column(table, name, &of_files.schema));
        }
    }
    let mut planned = Planned {
        source,
        columns,
        partitioning,
        sort_by: options.sort_by(&of_files.schema)?,
        encoding: encoding(&of_files, options)?,
        units_per_batch: units(source, ROWS_PER_BATCH),
        units_per_chunk: units(source, ROWS_PER_CHUNK),
    };
    if request.format == Format::Parquet {
        let rows = match options.row_group_bytes {
            Some(bytes) => (bytes as f64 / bytes_per_row(&planned)?) as u64,
            None => row_group_rows(options),
        };
        planned.units_per_chunk = units(source, rows);
        planned.units_per_batch = units(source, ROWS_PER_PARQUET_BATCH);
    }
    Ok(planned)
}

/// The nearest whole number of units that make this many rows, at least one.
fn units(source: &dyn Source, rows: u64) -> u64 {
    (rows as f64 / source.rows_per_unit()).round().max(1.0) as u64
}

fn columns(table: &Table, options: &Options) -> Result<Vec<usize>, Error> {
    let schema = table.source.schema();
    let Some(names) = &options.columns else { return Ok((0..schema.fields().len()).collect()) };
    let index = |name: &String| schema.index_of(name).map_err(|_| no_column(table, name, &schema));
    names.iter().map(index).collect()
}

/// The column to partition by, which is made even if it was not asked for.
fn partitioning(
    table: &Table,
    options: &Options,
    columns: &mut Vec<usize>,
) -> Result<Option<Partitioning>, Error> {
    let Some(name) = &options.partition_by else { return Ok(None) };
    let schema = table.source.schema();
    let wanted = schema.index_of(name).map_err(|_| no_column(table, name, &schema))?;
    let column = columns.iter().position(|&column| column == wanted).unwrap_or_else(|| {
        columns.push(wanted);
        columns.len() - 1
    });
    if columns.len() == 1 {
        return Err(Error::Options("`partition_by` leaves no column for the files".to_owned()));
    }
    Ok(Some(Partitioning::new(column, &schema.project(columns)?.into())))
}

fn no_column(table: &Table, column: &str, schema: &arrow::datatypes::Schema) -> Error {
    Error::Column {
        source_name: table.name.clone(),
        column: column.to_owned(),
        known: schema.fields().iter().map(|field| field.name().clone()).collect(),
    }
}

/// What follows the table's name in each file's name, and the file's units.
fn files<F: Encoding>(
    table: &Table,
    planned: &Planned<'_, F>,
    request: &Request,
) -> Result<Vec<(String, Range<u64>)>, Error> {
    let parts = table.units(table.parts)?;
    let segment = table.segment.map(|segment| format!(".seg{}", segment.number)).unwrap_or_default();
    let number = |part: Option<i64>| match part {
        Some(part) => format!("{segment}.{part}"),
        None => segment.clone(),
    };
    let units_per_file = match request.options.file_bytes {
        Some(bytes) => bytes as f64 / bytes_per_row(planned)? / table.source.rows_per_unit(),
        None if request.format == Format::Parquet => (ROW_GROUPS_PER_FILE * planned.units_per_chunk) as f64,
        None => f64::INFINITY,
    };
    let mut files = Vec::new();
    for (part, units) in parts {
        let count = ((units.end - units.start) as f64 / units_per_file.max(1.0)).ceil().max(1.0) as u64;
        if count > MOST_FILES {
            return Err(too_many_files());
        }
        if count == 1 && request.options.file_bytes.is_none() {
            files.push((number(part), units));
            continue;
        }
        for file in 1..=count {
            let of_part = Part::new(file as i64, count as i64)?.units(units.end - units.start);
            let units = units.start + of_part.start..units.start + of_part.end;
            files.push((format!("{}.{file}", number(part)), units));
        }
    }
    Ok(files)
}

/// The length of a row in a file, measured on a sample from the table's beginning.
fn bytes_per_row<F: Encoding>(table: &Planned<'_, F>) -> Result<f64, Error> {
    let units = (ROWS_PER_SAMPLE as f64 / table.source.rows_per_unit()) as u64;
    let units = 0..units.clamp(1, table.source.units().max(1));
    let rows = table.source.rows(units.clone()).max(1);
    let mut bytes = 0;
    let buffers = Buffers::new(0);
    for piece in table.make(units, &buffers, &Progress::default())? {
        let mut file = table.encoding.begin(&mut Vec::new())?;
        bytes += table.encoding.append(&mut file, piece.chunk, &buffers)?.len();
    }
    Ok((bytes as f64 / rows as f64).max(0.01))
}
