//! Exporting to files on the server.
//!
//! All work is done by threads that know nothing of the server; the backend's main thread checks the request, then waits,
//! open to interrupts, and reports progress.

use crate::call::{Arguments, find_table};
use crate::error::{Error, Result, SqlResult};
use crate::kit;
use crate::pg::server::arguments::of_call;
use crate::pg::server::progress::ExportReport;
use crate::pg::server::report::notice;
use crate::pg::server::text::{Text, from_server, to_server};
use crate::pg::server::{cluster, process};
use crate::runs::ledger::one;
use crate::runs::origin;
use millrace_export::{
    Error as ExportError, FileReport, Format, Options, Parts, Progress, Request, Table, export,
};
use millrace_progress::{Speed, Ticker};
use millrace_sources::registry::{self, Definition};
use pgrx::prelude::*;
use serde_json::{Map, Value, json};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The columns of a call's result: one row per file.
type Files = TableIterator<
    'static,
    (
        name!(path, Text),
        name!(rows, Option<i64>),
        name!(bytes, i64),
        name!(row_groups, Option<i64>),
        name!(sha256, Option<Text>),
        name!(seconds, Option<f64>),
    ),
>;

/// `tpch_export(table_name, sf, path, format, part, parts, threads, options, segments)`; `all` is all tables.
#[pg_extern(sql = false)]
fn kit_export(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Files> {
    let arguments = of_call(fcinfo, "")?;
    let kit = kit::of_function(&arguments)?;
    let name = arguments.text("table_name").ok_or(Error::Null("table_name"))?;
    let sf = arguments.float("sf").ok_or(Error::Null("sf"))?;
    let definitions: Vec<_> = match name {
        "all" => kit.tables.iter().map(|table| kit.source(table)).collect(),
        name => vec![find_table(kit.family, name)?],
    };
    let parts = match (arguments.integer("part"), arguments.integer("parts")) {
        // As in tpch_gen: the scale factor, rounded up.
        (Some(part), None) => Parts::One { part, parts: sf.ceil() as i64 },
        given => parts_of(given)?,
    };
    let segment = cluster::segment(arguments.segments())?;
    let table = |definition: &'static Definition| {
        Ok(Table { name: definition.name.to_owned(), source: kit.open(definition, sf)?, parts, segment })
    };
    let tables = definitions.into_iter().map(table).collect::<Result<_>>()?;
    Ok(files(request(tables, &arguments, options(&arguments)?)?)?)
}

/// `stream_export(source, path, format, part, parts, threads, options, segments)`.
#[pg_extern(sql = false)]
fn stream_export(fcinfo: pg_sys::FunctionCallInfo) -> SqlResult<Files> {
    let arguments = of_call(fcinfo, "")?;
    let name = arguments.text("source").ok_or(Error::Null("source"))?;
    if name == origin::QUERY {
        let hint = "COPY (query) TO writes the rows of a query to a file.";
        return Err(Error::NotSupported { what: "exporting a query", hint }.into());
    }
    let definition = registry::find(name).map_err(Error::from)?;
    let is_sources = |key: &str| definition.options.iter().any(|option| option.name == key);
    let (of_source, of_export): (Map<_, _>, Map<_, _>) =
        options(&arguments)?.into_iter().partition(|(key, _)| is_sources(key));
    let source = definition.open(Value::Object(of_source)).map_err(Error::from)?;
    let parts = parts_of((arguments.integer("part"), arguments.integer("parts")))?;
    let segment = cluster::segment(arguments.segments())?;
    let table = Table { name: definition.unique_name(), source, parts, segment };
    Ok(files(request(vec![table], &arguments, of_export)?)?)
}

fn options(arguments: &Arguments) -> Result<Map<String, Value>> {
    match arguments.json("options").ok_or(Error::Null("options"))? {
        Value::Object(options) => Ok(options.clone()),
        other => Err(Error::Argument {
            name: "options",
            value: other.to_string(),
            hint: "Options are a JSON object, such as {\"compression\": \"zstd\"}.",
        }),
    }
}

/// Without `part`, all parts; without both, one file with everything.
fn parts_of(given: (Option<i64>, Option<i64>)) -> Result<Parts> {
    Ok(match given {
        (None, None) => Parts::Whole,
        (None, Some(parts)) => Parts::All(parts),
        (Some(part), Some(parts)) => Parts::One { part, parts },
        (Some(_), None) => return Err(Error::Null("parts")),
    })
}

fn request(tables: Vec<Table>, arguments: &Arguments, options: Map<String, Value>) -> Result<Request> {
    let format: Format = arguments.text("format").ok_or(Error::Null("format"))?.parse()?;
    let threads = arguments.integer("threads").ok_or(Error::Null("threads"))?;
    let too_few = |_| Error::from(ExportError::Threads(threads));
    Ok(Request {
        tables,
        folder: folder(arguments.text("path").ok_or(Error::Null("path"))?)?,
        format,
        threads: usize::try_from(threads).map_err(too_few)?,
        options: Options::from_json(json!(options))?,
    })
}

/// The folder that a path leads to, if the caller may write files on the server and none of the server's own are there.
fn folder(path: &str) -> Result<PathBuf> {
    // As a statement that only reads: others take a transaction's number, which standbys and segments do not give.
    if one("SELECT pg_catalog.pg_has_role('pg_write_server_files', 'USAGE')", &[])? != Some(true) {
        return Err(Error::NoFileRight);
    }
    // File names are in the database's encoding, as those of COPY are.
    let encoded = to_server(path);
    let encoded = Path::new(OsStr::from_bytes(&encoded));
    if !encoded.is_absolute() {
        return Err(Error::RelativePath(path.to_owned()));
    }
    // Without links and "..", so that it cannot lead elsewhere.
    let Ok(folder) = encoded.canonicalize() else {
        return Err(Error::from(ExportError::NoFolder(path.into())));
    };
    if own_folders().iter().any(|own| folder.starts_with(own)) {
        return Err(Error::ServerPath(path.to_owned()));
    }
    Ok(folder)
}

/// The data directory, and what it links to: tablespaces, and the WAL's folder if that is elsewhere.
fn own_folders() -> Vec<PathBuf> {
    let data = process::data_directory();
    let spaces = std::fs::read_dir(data.join("pg_tblspc")).into_iter().flatten().flatten();
    let links = spaces.map(|entry| entry.path()).chain([data.join("pg_wal")]);
    links.chain([data.clone()]).filter_map(|path| path.canonicalize().ok()).collect()
}

fn files(request: Request) -> Result<Files> {
    let row = |file: FileReport| {
        let written = file.written.as_ref();
        (
            from_server(file.path.as_os_str().as_bytes()).into(),
            written.map(|written| written.rows as i64),
            file.bytes as i64,
            written.map(|written| written.row_groups as i64),
            written.map(|written| written.sha256.as_str().into()),
            written.map(|written| written.seconds),
        )
    };
    Ok(TableIterator::new(run(request)?.into_iter().map(row).collect::<Vec<_>>()))
}

/// Exports on threads, open to interrupts.
fn run(request: Request) -> Result<Vec<FileReport>> {
    let mut notices = Notices::new(request.estimated_rows()?);
    let report = ExportReport::start();
    let progress = Arc::new(Progress::default());
    let threads = Arc::clone(&progress);
    let exported = process::stoppably(
        move || export(&request, &threads),
        || progress.cancel(),
        || {
            report.update(progress.rows(), progress.bytes());
            notices.tell(progress.rows());
        },
    );
    let exported = exported.map_err(|error| Error::from(ExportError::Thread(error)))?;
    Ok(exported.unwrap_or(Err(ExportError::Panicked))?)
}

/// Tells the client about once a second how far an export has come.
struct Notices {
    rows: u64,
    ticker: Ticker,
    speed: Speed,
}

impl Notices {
    fn new(rows: u64) -> Self {
        Self { rows, ticker: Ticker::start(), speed: Speed::start(0) }
    }

    fn tell(&mut self, done: u64) {
        if done > 0 && self.ticker.is_due() {
            let progress = millrace_progress::Progress::new(done, Some(self.rows), self.speed.at(done));
            notice(format!("export: {progress}"));
        }
    }
}
