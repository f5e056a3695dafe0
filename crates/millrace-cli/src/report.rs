//! `millrace report`: what a run or a benchmark found, as a page, as Markdown and as CSV.

mod data;
mod document;
mod figures;
mod tables;

use crate::connection::{self, Server};
use crate::error::{Error, Result};
use postgres::Client;
use std::io;
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
    #[command(flatten)]
    connection: connection::Arguments,
}

/// Writes the report of a run.
pub fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.connection.name_a_server() {
        let hint = "Give --host, --dbname or the PG* variables; a temporary server has no runs.";
        return Err(Error::usage("no server is named", hint));
    }
    let server = Server::named(&arguments.connection)?;
    let mut session = server.session(|_| ())?;
    let report = Report::read(&mut session, &arguments.run)?;
    write(&report, &mut session, &arguments.output)
}

/// Writes the three files into a folder.
pub fn write(report: &Report, session: &mut Client, folder: &Path) -> Result<()> {
    report.document().write(folder, |file| {
        let copy = data::metrics_query(session, &report.run)?;
        io::copy(&mut session.copy_out(copy.as_str())?, file).map_err(Error::file("metrics.csv"))?;
        Ok(())
    })
}

impl Report {
    /// The report as its readers get it.
    pub fn document(&self) -> Document {
        Document {
            title: self.run.clone(),
            verdict: self.verdict(),
            facts: self.facts.clone(),
            figures: self.figures(),
            tables: self.tables(),
        }
    }
}
