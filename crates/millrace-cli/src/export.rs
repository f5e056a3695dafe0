//! `millrace export`: a source to files, without a server.

use crate::error::{Error, Result};
use crate::progress::Display;
use crate::{interrupt, output};
use millrace_export::{
    Error as ExportError, FileReport, Format, Options, Parts, Progress, Request, Table, export,
};
use millrace_sources::kit;
use millrace_sources::registry::{self, Definition};
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How often progress is shown, and Ctrl-C looked for.
const TICK: Duration = Duration::from_millis(100);

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// What to write: a source, such as lineitem, cdr or tpcds.customer; tpch or tpcds for all tables of that benchmark
    source: String,
    /// Folder for the files; it must be there
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// parquet, csv, tbl (as dbgen writes), arrow or arrow_stream
    #[arg(long, short, default_value = "parquet", value_parser = str::parse::<Format>)]
    format: Format,
    /// Scale factor of the tables of TPC-H and TPC-DS
    #[arg(long, conflicts_with = "rows")]
    sf: Option<f64>,
    /// Number of rows of other sources
    #[arg(long)]
    rows: Option<u64>,
    /// Write this number of parts, a file each
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    parts: Option<i64>,
    /// Write only this part, counted from 1
    #[arg(long, requires = "parts", value_parser = clap::value_parser!(i64).range(1..))]
    part: Option<i64>,
    /// Threads that make and encode rows; all processors if not given
    #[arg(long)]
    threads: Option<usize>,
    /// Options of the source and of the files, as JSON, such as {"compression": "zstd", "seed": 7}
    #[arg(long, default_value = "{}", value_name = "JSON", value_parser = object)]
    options: Map<String, Value>,
}

fn object(text: &str) -> std::result::Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

/// Writes the files and prints what they are.
pub fn run(arguments: &Arguments) -> Result<()> {
    let request = arguments.request().map_err(failed)?;
    let files = follow(&request).map_err(failed)?;
    let names = ["path", "rows", "bytes", "row groups", "seconds", "sha256"];
    let rows: Vec<_> = files.iter().map(row).collect();
    output::columns(&names, &rows).iter().try_for_each(|line| output::print(line))
}

fn row(file: &FileReport) -> Vec<String> {
    let written = file.written.as_ref();
    let count = |count: Option<u64>| count.map(|count| count.to_string()).unwrap_or_default();
    vec![
        file.path.display().to_string(),
        count(written.map(|written| written.rows)),
        count(Some(file.bytes)),
        count(written.map(|written| written.row_groups)),
        written.map(|written| format!("{:.3}", written.seconds)).unwrap_or_default(),
        written.map_or_else(|| "was there already".to_owned(), |written| written.sha256.clone()),
    ]
}

impl Arguments {
    fn request(&self) -> std::result::Result<Request, ExportError> {
        // A source takes those options that it has; the rest are the files'.
        let mut of_files = self.options.clone();
        let tables = self
            .definitions()?
            .into_iter()
            .map(|(definition, name)| self.table(definition, name, &mut of_files))
            .collect::<std::result::Result<_, _>>()?;
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Ok(Request {
            tables,
            folder: self.output.clone(),
            format: self.format,
            threads: self.threads.unwrap_or(processors),
            options: Options::from_json(Value::Object(of_files))?,
        })
    }

    /// What is written, with the names of its files.
    fn definitions(&self) -> std::result::Result<Vec<(&'static Definition, String)>, ExportError> {
        let Some(kit) = kit::find(&self.source) else {
            let definition = registry::find(&self.source)?;
            return Ok(vec![(definition, definition.unique_name())]);
        };
        Ok(kit.tables.iter().map(|table| (kit.source(table), table.name.to_owned())).collect())
    }

    fn table(
        &self,
        definition: &Definition,
        name: String,
        of_files: &mut Map<String, Value>,
    ) -> std::result::Result<Table, ExportError> {
        let mut options = Map::new();
        for option in definition.options {
            if let Some(value) = self.options.get(option.name) {
                options.insert(option.name.to_owned(), value.clone());
                of_files.remove(option.name);
            }
        }
        options.extend(self.sf.map(|sf| ("sf".to_owned(), sf.into())));
        options.extend(self.rows.map(|rows| ("rows".to_owned(), rows.into())));
        let parts = match (self.part, self.parts) {
            (Some(part), Some(parts)) => Parts::One { part, parts },
            (_, Some(parts)) => Parts::All(parts),
            _ => Parts::Whole,
        };
        let source = definition.open(Value::Object(options))?;
        Ok(Table { name, source, parts, segment: None })
    }
}

/// Exports, shows how far it is, and ends it on Ctrl-C without leaving a file half written.
fn follow(request: &Request) -> std::result::Result<Vec<FileReport>, ExportError> {
    interrupt::must_clean_up();
    let progress = Progress::default();
    let total = request.estimated_rows()?;
    let mut display = Display::new().counter(total);
    let started = Instant::now();
    thread::scope(|scope| {
        let (done, ended) = mpsc::channel();
        let shared = &progress;
        scope.spawn(move || done.send(export(request, shared)));
        loop {
            match ended.recv_timeout(TICK) {
                Err(RecvTimeoutError::Timeout) if interrupt::count() > 0 => progress.cancel(),
                Err(RecvTimeoutError::Timeout) => display.show(progress.rows(), started.elapsed()),
                Err(RecvTimeoutError::Disconnected) => return Err(ExportError::Panicked),
                Ok(result) => {
                    display.show(progress.rows(), started.elapsed());
                    return result;
                }
            }
        }
    })
}

fn failed(error: ExportError) -> Error {
    let hint = match &error {
        ExportError::Cancelled => return Error::Interrupted { hint: None },
        ExportError::Exists(_) => {
            "Replace it with {\"overwrite\": true}, or keep it with {\"skip_existing\": true}."
        }
        ExportError::Column { known, .. } => {
            return Error::failed(error.to_string(), format!("Its columns are {}.", known.join(", ")));
        }
        ExportError::Source(millrace_sources::Error::UnknownSource { known, .. }) => {
            let hint = format!(
                "The sources are {}; tpch and tpcds are all tables of a benchmark.",
                known.join(", ")
            );
            return Error::failed(error.to_string(), hint);
        }
        _ => "",
    };
    Error::failed(error.to_string(), hint)
}
