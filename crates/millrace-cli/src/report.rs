//! `millrace report`: what a run or a benchmark found, as a page, as Markdown and as CSV.

mod data;
mod page;
mod tables;

use crate::connection::{self, Server};
use crate::error::{Error, Result};
use crate::output;
use postgres::Client;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

pub use data::Report;

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
    fs::create_dir_all(folder).map_err(Error::file(folder.to_string_lossy()))?;
    let files = ["report.html", "summary.md", "metrics.csv"].map(|name| folder.join(name));
    let [page, summary, metrics] = &files;
    write_file(page, &report.page().into_string())?;
    write_file(summary, &report.markdown())?;
    let mut file = File::create(metrics).map_err(Error::file(metrics.to_string_lossy()))?;
    let copy = data::metrics_query(session, &report.run)?;
    io::copy(&mut session.copy_out(copy.as_str())?, &mut file)
        .map_err(Error::file(metrics.to_string_lossy()))?;
    files.iter().try_for_each(|file| output::print(&file.display().to_string()))
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Error::file(path.to_string_lossy()))
}
