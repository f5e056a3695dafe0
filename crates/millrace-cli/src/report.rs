//! `millrace report`: what a run or a benchmark found, as a page, as Markdown and as CSV.

mod against;
mod data;
mod document;
mod figures;
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
    /// A run of stream_ingest, or a benchmark
    run: String,
    /// Folder for the files, made if it does not exist
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// metrics.csv of an earlier report: how many times as fast tables and queries are now, marked where that is more
    /// than the spread of batches and executions
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// With --against: exit code 3 if something marked takes over PERCENT longer than then; 0 allows nothing marked
    #[arg(long, value_name = "PERCENT", requires = "against", value_parser = percent, allow_negative_numbers = true)]
    max_slowdown: Option<f64>,
    #[command(flatten)]
    connection: connection::Arguments,
}

fn percent(text: &str) -> std::result::Result<f64, String> {
    let number: Option<f64> = text.strip_suffix('%').unwrap_or(text).parse().ok();
    number.filter(|number| *number >= 0.0).ok_or_else(|| "give a number that is not negative".to_owned())
}

/// Writes the report of a run.
pub fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.connection.name_a_server() {
        let hint = "Give --host, --dbname or the PG* variables; a temporary server has no runs.";
        return Err(Error::usage("no server is named", hint));
    }
    let earlier =
        arguments.against.as_deref().map(|file| read_earlier(file, &arguments.output)).transpose()?;
    let server = Server::named(&arguments.connection)?;
    let mut session = server.session(|_| ())?;
    let report = Report::read(&mut session, &arguments.run)?;
    let (Some(earlier), Some(file)) = (earlier, &arguments.against) else {
        return write(&report, &mut session, &arguments.output);
    };
    let mut lines = Vec::new();
    metrics::write(&mut session, &report.run, &mut lines)?;
    let compared = Metrics::read(&lines).and_then(|now| Comparison::new(&earlier, &now));
    let compared = compared.map_err(|why| not_comparable(file, &why))?;
    let mut document = report.document();
    document.facts.push(("Earlier report", file.display().to_string()));
    document.verdicts.push(compared.verdict());
    document.tables.splice(0..0, compared.tables());
    document::print(&compared.tables(), &[compared.verdict()])?;
    document.write(&arguments.output, |file| file.write_all(&lines).map_err(Error::file("metrics.csv")))?;
    arguments.max_slowdown.map_or(Ok(()), |percent| compared.require(percent))
}

/// The metrics to compare with, which the new ones must not replace.
fn read_earlier(file: &Path, folder: &Path) -> Result<Metrics> {
    let text = fs::read(file).map_err(Error::file(file.to_string_lossy()))?;
    let place = |path: &Path| fs::canonicalize(path).ok();
    if place(file) == place(&folder.join("metrics.csv")) {
        let message = format!("the report would replace {}, which it is compared with", file.display());
        return Err(Error::usage(message, "--output names another folder."));
    }
    Metrics::read(&text).map_err(|why| not_comparable(file, &why))
}

fn not_comparable(file: &Path, why: &str) -> Error {
    let message = format!("{} cannot be compared with: {why}", file.display());
    Error::failed(message, "It has to be metrics.csv of the same benchmark, as this version writes it.")
}

/// Writes the three files into a folder.
pub fn write(report: &Report, session: &mut Client, folder: &Path) -> Result<()> {
    report.document().write(folder, |file| metrics::write(session, &report.run, file))
}

impl Report {
    /// The report as its readers get it.
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
