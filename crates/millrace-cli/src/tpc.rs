//! `millrace tpch` and `millrace tpcds`: the power and the throughput test, on tables that are there or loaded first.

mod benchmark;
mod metrics;
mod results;
mod setup;
mod streams;

use crate::connection::{self, Server};
use crate::error::{Error, Result};
use crate::progress::{self, Display};
use crate::{interrupt, output};
use benchmark::Benchmark;
use clap::ValueEnum;
use postgres::Client;
use results::{Results, Throughput};
use setup::Setup;
use std::path::PathBuf;
use std::time::Instant;

pub use benchmark::{TPC_DS, TPC_H};

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Test {
    /// One session: the queries in the order of stream 0, those of TPC-H between RF1 and RF2
    Power,
    /// Several query streams at once, each in its own session; for TPC-H, with another one that refreshes
    Throughput,
    /// One after the other; for TPC-H, also the composite of the two
    Both,
}

impl Test {
    fn name(self) -> &'static str {
        match self {
            Self::Power => "power test",
            Self::Throughput => "throughput test",
            Self::Both => "power and throughput test",
        }
    }
}

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// What to measure
    #[arg(value_enum)]
    test: Test,
    /// Loads the tables at this scale factor, or resumes loading; without it they are used as they are
    #[arg(long)]
    sf: Option<f64>,
    /// Schema of the tables; if not given, tpch or tpcds
    #[arg(long)]
    schema: Option<String>,
    /// Query streams of the throughput test; if not given, the fewest that the specification allows at the scale factor
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=100))]
    streams: Option<i32>,
    /// Seed of the queries' parameters, as qgen's -r and dsqgen's -rngseed; if not given, the time when the load ended, as
    /// MMDDhhmmss
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    seed: Option<i64>,
    /// How to store tables that are loaded: heap, unlogged, or a table access method
    #[arg(long, default_value = "heap")]
    storage: String,
    /// Processes that load each table
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    workers: i32,
    /// Also builds indexes on foreign keys and dates; without them queries 2, 17 and 20 of TPC-H run as joins
    #[arg(long)]
    indexes: bool,
    /// Also write report.html, summary.md and metrics.csv into this folder
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Load the tables, and refresh those of TPC-H, without asking
    #[arg(long, short)]
    yes: bool,
    /// Also show the server's messages
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    connection: connection::Arguments,
}

/// Loads what is missing, measures, and prints the results.
pub fn run(benchmark: &'static Benchmark, arguments: &Arguments) -> Result<()> {
    let schema = arguments.schema.as_deref().unwrap_or(benchmark.kit.family);
    let task = Task { benchmark, arguments, schema };
    // Refusals come before a server is started, which takes seconds.
    output::require_leave(arguments.yes)?;
    let starts_server = !arguments.connection.name_a_server();
    if starts_server {
        task.require_tables(|| Ok(false))?;
        task.ask(starts_server)?;
    }
    let display = Display::new();
    let server = Server::find(&arguments.connection)?;
    let verbose = arguments.verbose.then(|| display.clone());
    let mut session = server.session(move |notice| {
        if let Some(display) = &verbose {
            display.note(notice);
        }
    })?;
    if !starts_server {
        task.require_tables(|| task.has_tables(&mut session))?;
        task.ask(starts_server)?;
    }
    let loaded = task.load(&server, &display, &mut session);
    let load_seconds =
        loaded.map_err(|error| interrupted(error, &server, "The same command resumes the load"))?;
    let measured = task.measure(&server, &display, &mut session);
    let again = match benchmark.refreshes {
        true => "The tables stay; the same command measures again, with the next refresh sets",
        false => "The tables stay; the same command measures again",
    };
    let measured = measured.map_err(|error| interrupted(error, &server, again))?;
    let results = Results { load_seconds, ..measured };
    let document = results.document();
    document.print()?;
    match &arguments.output {
        Some(folder) => document.write(folder, |file| results.write_metrics(file)),
        None => Ok(()),
    }
}

/// Turns an error that follows from Ctrl-C into an interruption, with how to resume.
fn interrupted(error: Error, server: &Server, how: &str) -> Error {
    if interrupt::count() == 0 {
        return error;
    }
    let hint = match server.is_temporary() {
        true => "The temporary server is gone. With --dbname the tables stay.".to_owned(),
        false => format!("{how}: {}", output::command_line()),
    };
    Error::Interrupted { hint: Some(hint) }
}

/// A benchmark, with what the user asked for.
struct Task<'a> {
    benchmark: &'static Benchmark,
    arguments: &'a Arguments,
    schema: &'a str,
}

impl Task<'_> {
    /// Refuses to measure tables that are neither there nor to be loaded.
    fn require_tables(&self, are_there: impl FnOnce() -> Result<bool>) -> Result<()> {
        if self.arguments.sf.is_some() || are_there()? {
            return Ok(());
        }
        let message = format!("schema \"{}\" has no {} tables", self.schema, self.benchmark.kit.title);
        Err(Error::failed(message, "Give --sf to load them."))
    }

    fn has_tables(&self, session: &mut Client) -> Result<bool> {
        let query = "SELECT to_regclass(format('%I.%I', $1::text, $2::text)) IS NOT NULL";
        Ok(session.query_one(query, &[&self.schema, &self.benchmark.largest_table])?.get(0))
    }

    /// Says what will be done, and asks for confirmation.
    fn ask(&self, starts_server: bool) -> Result<()> {
        let tables = match self.arguments.sf {
            Some(sf) => format!("with what is missing of scale factor {sf} loaded first"),
            None => "as it is".to_owned(),
        };
        let place = if starts_server { "on a temporary server, " } else { "" };
        let change = if self.benchmark.refreshes { "; refresh sets change its orders and lines" } else { "" };
        output::note(&format!(
            "{} {}: {place}in schema \"{}\", {tables}{change}",
            self.benchmark.kit.title,
            self.arguments.test.name(),
            self.schema,
        ));
        match self.arguments.yes || output::confirm("Continue?")? {
            true => Ok(()),
            false => Err(Error::failed("nothing was done", "")),
        }
    }

    /// Loads what is missing, if a scale factor is given. Returns the seconds of a load that began here, and none for a resumed
    /// one, which took longer than this part of it.
    fn load(&self, server: &Server, display: &Display, session: &mut Client) -> Result<Option<f64>> {
        let Some(sf) = self.arguments.sf else { return Ok(None) };
        let runs = self.runs(session)?;
        let begins = progress::loads(session, &runs)?.is_empty();
        let call = format!(
            "CALL {}_load($1, schema => $2, storage => $3, workers => $4, indexes => $5)",
            self.benchmark.kit.family
        );
        let Arguments { storage, workers, indexes, .. } = self.arguments;
        let start = Instant::now();
        let load = || {
            session.execute(call.as_str(), &[&sf, &self.schema, storage, workers, indexes])?;
            Ok(())
        };
        progress::follow(server, display, &runs, load, |_, _| Ok(()))?;
        let seconds = streams::rounded(start.elapsed());
        match progress::loads(session, &runs)?.iter().all(|load| load.state == "done") {
            true => Ok(begins.then_some(seconds)),
            // By stream_stop() in another session.
            false => Err(Error::failed("the load was asked to stop", "The same command resumes it.")),
        }
    }

    /// The runs of the load, which have the tables' names.
    fn runs(&self, session: &mut Client) -> Result<Vec<String>> {
        let query =
            format!("SELECT format('%I.%I', $1::text, name) FROM {}_tables()", self.benchmark.kit.family);
        Ok(session.query(query.as_str(), &[&self.schema])?.iter().map(|row| row.get(0)).collect())
    }

    fn measure(&self, server: &Server, display: &Display, session: &mut Client) -> Result<Results> {
        let setup = Setup::of(self, session)?;
        let test = self.arguments.test;
        let power = match test {
            Test::Throughput => None,
            _ => {
                let stream = setup.power_stream(session)?;
                streams::run(server, display, vec![stream])?.0.pop()
            }
        };
        let throughput = match test {
            Test::Power => None,
            _ => {
                let queries = setup.query_streams(session)?;
                let refresh = setup.refresh_stream(power.is_some());
                let count = queries.len();
                let streams = queries.into_iter().chain(refresh).collect();
                let (mut queries, seconds) = streams::run(server, display, streams)?;
                let refresh = queries.split_off(count).pop();
                Some(Throughput { queries, refresh, seconds })
            }
        };
        let facts = setup.facts(session, power.is_some(), throughput.is_some())?;
        Ok(Results {
            benchmark: self.benchmark,
            title: format!("{} {}", self.benchmark.kit.title, test.name()),
            sf: setup.sf,
            facts,
            load_seconds: None,
            power,
            throughput,
        })
    }
}
