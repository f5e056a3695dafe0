//! `millrace report`: the results of a run or a benchmark, as a page, as Markdown and as CSV.

mod against;
mod course;
mod data;
mod document;
mod figures;
mod latency;
mod metrics;
mod tables;

use crate::connection::{self, Server};
use crate::error::{Error, Result};
use against::Comparison;
use metrics::Metrics;
use postgres::Client;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

pub use data::Report;
pub use document::{Document, Figure, Kind, Table, Verdict};

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// A run of stream_ingest, or a benchmark; or with --against a metrics.csv, as tpch and tpcds write it, to be compared
    /// without a server
    #[arg(value_name = "RUN|FILE")]
    run: String,
    /// Folder for the files, created if it does not exist
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// metrics.csv of an earlier report: shows how many times as fast tables and queries are now, and marks differences
    /// larger than the spread of batches and executions, or of a TPC test's queries
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// With --against: exit code 3 if something marked takes over PERCENT longer than before; 0 allows no marked slowdown
    #[arg(long, value_name = "PERCENT", requires = "against", value_parser = percent, allow_negative_numbers = true)]
    max_slowdown: Option<f64>,
    #[command(flatten)]
    connection: connection::Arguments,
}

fn percent(text: &str) -> std::result::Result<f64, String> {
    let number: Option<f64> = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number.filter(|number| *number >= 0.0).ok_or_else(|| "give a number that is not negative".to_owned())
}

impl Arguments {
    /// The metrics to report on, if they are a file. The run of a table may end with .csv, too: it is in no folder.
    fn file(&self) -> Option<&Path> {
        let path = Path::new(&self.run);
        let is_csv = path.extension().is_some_and(|extension| extension == "csv");
        (is_csv && (path.is_file() || path.components().count() > 1)).then_some(path)
    }

    /// The metrics to compare with, which the new ones must not replace.
    fn earlier(&self) -> Result<Option<(&Path, Metrics)>> {
        let Some(file) = self.against.as_deref() else { return Ok(None) };
        let text = self.read(file, "which it is compared with")?;
        let metrics = Metrics::read(&text).map_err(|why| not_comparable(file, &why))?;
        Ok(Some((file, metrics)))
    }

    /// Reads a file that is not to be replaced.
    fn read(&self, file: &Path, because: &str) -> Result<Vec<u8>> {
        let text = fs::read(file).map_err(Error::file(file.to_string_lossy()))?;
        let place = |path: &Path| fs::canonicalize(path).ok();
        if place(file) == place(&self.output.join("metrics.csv")) {
            let message = format!("the report would replace {}, {because}", file.display());
            return Err(Error::usage(message, "Name another folder with --output."));
        }
        Ok(text)
    }

    /// Compares, and writes a report with the result.
    fn compare(
        &self,
        mut document: Document,
        (file, earlier): (&Path, &Metrics),
        now: &Metrics,
        lines: &[u8],
    ) -> Result<()> {
        let compared = Comparison::new(earlier, now).map_err(|why| not_comparable(file, &why))?;
        document.facts.push(("Earlier report", file.display().to_string()));
        document.verdicts.push(compared.verdict());
        document.figures.extend(compared.charts());
        document.tables.splice(0..0, compared.tables());
        document::print(&compared.tables(), &[compared.verdict()])?;
        document.write(&self.output, |file| file.write_all(lines).map_err(Error::file("metrics.csv")))?;
        self.max_slowdown.map_or(Ok(()), |percent| compared.require(percent))
    }
}

/// Writes the report of a run, or of a file compared with an earlier one.
pub fn run(arguments: &Arguments) -> Result<()> {
    match arguments.file() {
        Some(file) => run_of_file(arguments, file),
        None => run_of_server(arguments),
    }
}

fn run_of_file(arguments: &Arguments, file: &Path) -> Result<()> {
    let Some((other, earlier)) = arguments.earlier()? else {
        let message = format!("there is nothing to compare {} with", file.display());
        return Err(Error::usage(message, "Name an earlier metrics.csv with --against."));
    };
    let lines = arguments.read(file, "which it is about")?;
    let now = Metrics::read(&lines).map_err(|why| not_comparable(file, &why))?;
    let document = Document {
        title: file.display().to_string(),
        verdicts: Vec::new(),
        facts: vec![("Report", file.display().to_string())],
        figures: Vec::new(),
        tables: Vec::new(),
    };
    arguments.compare(document, (other, &earlier), &now, &lines)
}

fn run_of_server(arguments: &Arguments) -> Result<()> {
    if !arguments.connection.name_a_server() {
        let hint = "Give --host, --dbname or the PG* variables; a temporary server has no runs.";
        return Err(Error::usage("no server is named", hint));
    }
    let earlier = arguments.earlier()?;
    let server = Server::named(&arguments.connection)?;
    let mut session = server.session(|_| ())?;
    let report = Report::read(&mut session, &arguments.run)?;
    let Some((file, earlier)) = earlier else {
        return write(&report, &mut session, &arguments.output);
    };
    let mut lines = Vec::new();
    metrics::write(&mut session, &report.run, &mut lines)?;
    let now = Metrics::read(&lines).map_err(|why| not_comparable(file, &why))?;
    arguments.compare(report.document(), (file, &earlier), &now, &lines)
}

fn not_comparable(file: &Path, why: &str) -> Error {
    let message = format!("{} cannot be compared with: {why}", file.display());
    Error::failed(message, "It must be metrics.csv of the same benchmark, as this version writes it.")
}

/// Writes the three files into a folder.
pub fn write(report: &Report, session: &mut Client, folder: &Path) -> Result<()> {
    report.document().write(folder, |file| metrics::write(session, &report.run, file))
}

impl Report {
    /// The report in its final form.
    pub fn document(&self) -> Document {
        Document {
            title: self.run.clone(),
            verdicts: self.verdict().into_iter().collect(),
            facts: self.facts.clone(),
            figures: self.figures(),
            tables: self.tables(),
        }
    }
}
