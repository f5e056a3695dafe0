//! `millrace tpch`: the power and the throughput test of TPC-H, on tables that are there or loaded first.

mod metrics;
mod results;
mod streams;

use crate::connection::{self, Server};
use crate::error::{Error, Result};
use crate::progress::{self, Display};
use crate::{interrupt, output};
use clap::ValueEnum;
use postgres::Client;
use results::{Results, Throughput};
use std::ops::Range;
use std::path::PathBuf;
use streams::{Function, Step, Stream};

/// The number of refresh sets, which are counted from 1.
const REFRESH_SETS: i32 = 999;

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Test {
    /// One session: RF1, the 22 queries in the order of stream 0, RF2
    Power,
    /// Query streams at once, each in a session of its own, and beside them one that refreshes
    Throughput,
    /// One after the other, and the composite of the two
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
    /// Schema of the tables
    #[arg(long, default_value = "tpch")]
    schema: String,
    /// Query streams of the throughput test; if not given, the fewest that the specification allows at the scale factor
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=100))]
    streams: Option<i32>,
    /// Seed of the queries' parameters, as qgen's -r; if not given, the time when the load ended, as MMDDhhmmss
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    seed: Option<i64>,
    /// How to store tables that are loaded: heap, unlogged, or a table access method
    #[arg(long, default_value = "heap")]
    storage: String,
    /// Processes that load each table
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    workers: i32,
    /// Also builds indexes on foreign keys and dates; without them queries 2, 17 and 20 run as joins
    #[arg(long)]
    indexes: bool,
    /// Also write report.html, summary.md and metrics.csv into this folder
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Load and refresh the tables without asking
    #[arg(long, short)]
    yes: bool,
    /// Also show what the server says
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    connection: connection::Arguments,
}

/// Loads what is missing, measures, and prints the results.
pub fn run(arguments: &Arguments) -> Result<()> {
    let display = Display::new();
    let server = Server::find(&arguments.connection)?;
    let verbose = arguments.verbose.then(|| display.clone());
    let mut session = server.session(move |notice| {
        if let Some(display) = &verbose {
            display.note(notice);
        }
    })?;
    arguments.announce(&server, &mut session)?;
    if !arguments.yes && !output::confirm("Continue?")? {
        return Err(Error::failed("nothing was done", ""));
    }
    let loaded = arguments.load(&server, &display, &mut session);
    loaded.map_err(|error| interrupted(error, &server, "The same command resumes the load"))?;
    let measured = arguments.measure(&server, &display, &mut session);
    let again = "The tables stay; the same command measures again, with the next refresh sets";
    let results = measured.map_err(|error| interrupted(error, &server, again))?;
    let document = results.document();
    document.print()?;
    match &arguments.output {
        Some(folder) => document.write(folder, |file| results.write_metrics(file)),
        None => Ok(()),
    }
}

/// Says of an error that follows from Ctrl-C that it was interrupted, and how to resume.
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

impl Arguments {
    fn announce(&self, server: &Server, session: &mut Client) -> Result<()> {
        let there = "SELECT to_regclass(format('%I.lineitem', $1::text)) IS NOT NULL";
        let there: bool = session.query_one(there, &[&self.schema])?.get(0);
        let tables = match self.sf {
            Some(sf) => format!("with what is missing of scale factor {sf} loaded first"),
            None if there => "as it is".to_owned(),
            None => {
                let message = format!("schema \"{}\" has no TPC-H tables", self.schema);
                return Err(Error::failed(message, "Give --sf to load them."));
            }
        };
        let place = if server.is_temporary() { "on a temporary server, " } else { "" };
        output::note(&format!(
            "TPC-H {}: {place}in schema \"{}\", {tables}; refresh sets change its orders and lines",
            self.test.name(),
            self.schema,
        ));
        Ok(())
    }

    /// Loads what is missing, if a scale factor is given.
    fn load(&self, server: &Server, display: &Display, session: &mut Client) -> Result<()> {
        let Some(sf) = self.sf else { return Ok(()) };
        let runs = self.runs(session)?;
        let call = "CALL tpch_load($1, schema => $2, storage => $3, workers => $4, indexes => $5)";
        let load = || {
            session.execute(call, &[&sf, &self.schema, &self.storage, &self.workers, &self.indexes])?;
            Ok(())
        };
        progress::follow(server, display, &runs, load, |_, _| Ok(()))?;
        match progress::loads(session, &runs)?.iter().all(|load| load.state == "done") {
            true => Ok(()),
            // By stream_stop() in another session.
            false => Err(Error::failed("the load was asked to stop", "The same command resumes it.")),
        }
    }

    /// The runs of `tpch_load`, which have the tables' names.
    fn runs(&self, session: &mut Client) -> Result<Vec<String>> {
        let query = "SELECT format('%I.%I', $1::text, name) FROM tpch_tables()";
        Ok(session.query(query, &[&self.schema])?.iter().map(|row| row.get(0)).collect())
    }

    fn measure(&self, server: &Server, display: &Display, session: &mut Client) -> Result<Results> {
        let setup = self.setup(session)?;
        let power = match self.test {
            Test::Throughput => None,
            _ => {
                let stream = setup.power_stream(session)?;
                Some(streams::run(server, display, vec![stream])?.0)
            }
        };
        let throughput = match self.test {
            Test::Power => None,
            _ => {
                let streams = setup.throughput_streams(session, power.is_some())?;
                let (mut queries, seconds) = streams::run(server, display, streams)?;
                queries.pop().map(|refresh| Throughput { queries, refresh, seconds })
            }
        };
        let last_set = match self.test {
            Test::Power => setup.first_set,
            _ => setup.throughput_sets(power.is_some()).end - 1,
        };
        let facts = setup.facts(session, last_set)?;
        Ok(Results {
            title: format!("TPC-H {}", self.test.name()),
            sf: setup.sf,
            facts,
            power: power.and_then(|streams| streams.into_iter().next()),
            throughput,
        })
    }

    /// What the tables and the arguments say.
    fn setup(&self, session: &mut Client) -> Result<Setup> {
        let sf = match self.sf {
            Some(sf) => sf,
            None => scale_of(session, &self.schema)?,
        };
        let runs = self.runs(session)?;
        // The same rule as tpch_validate's.
        let decorrelated = "
            SELECT NOT EXISTS (
                SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                WHERE i.indrelid = to_regclass(format('%I.lineitem', $1::text)) AND a.attname = 'l_partkey' AND i.indisvalid)";
        Ok(Setup {
            schema: self.schema.clone(),
            sf,
            seed: match self.seed {
                Some(seed) => seed,
                None => load_time(session, &runs)?,
            },
            decorrelated: session.query_one(decorrelated, &[&self.schema])?.get(0),
            streams: self.streams.unwrap_or_else(|| metrics::minimum_streams(sf)),
            first_set: first_set(session, &self.schema, sf)?,
        })
    }
}

/// When the runs ended, as the specification makes a seed of it; else now.
fn load_time(session: &mut Client, runs: &[String]) -> Result<i64> {
    let query = "SELECT to_char(coalesce(max(last_batch), now()), 'MMDDHH24MISS')::bigint
                 FROM stream_progress WHERE run = ANY ($1)";
    Ok(session.query_one(query, &[&runs])?.get(0))
}

/// The scale factor of tables that are there, by the number of suppliers.
fn scale_of(session: &mut Client, schema: &str) -> Result<f64> {
    let query = "SELECT format('SELECT count(*) / 10000.0::float8 FROM %I.supplier', $1::text)";
    let query: String = session.query_one(query, &[&schema])?.get(0);
    Ok(session.query_one(query.as_str(), &[])?.get(0))
}

/// The first refresh set whose first order is not in the tables.
fn first_set(session: &mut Client, schema: &str, sf: f64) -> Result<i32> {
    // Two statements: a cluster does not make rows in a subquery for each row of a table.
    let first_order = session.prepare("SELECT min(o_orderkey) FROM tpch_orders_refresh($1, $2)")?;
    let is_there = "SELECT format('SELECT EXISTS (SELECT FROM %I.orders WHERE o_orderkey = $1)', $1::text)";
    let is_there: String = session.query_one(is_there, &[&schema])?.get(0);
    let is_there = session.prepare(&is_there)?;
    for set in 1..=REFRESH_SETS {
        let key: i64 = session.query_one(&first_order, &[&set, &sf])?.get(0);
        if !session.query_one(&is_there, &[&key])?.get::<_, bool>(0) {
            return Ok(set);
        }
    }
    let message = format!("all {REFRESH_SETS} refresh sets are in the tables");
    Err(Error::failed(message, "CALL tpch_load(…, overwrite => true) loads the tables anew."))
}

/// What both tests are run with.
struct Setup {
    schema: String,
    sf: f64,
    seed: i64,
    /// Whether queries 2, 17 and 20 are joins.
    decorrelated: bool,
    streams: i32,
    first_set: i32,
}

impl Setup {
    fn power_stream(&self, session: &mut Client) -> Result<Stream> {
        let [before, after] = Function::PAIR.map(|function| self.refresh(function, self.first_set));
        let queries = self.queries(session, 0)?;
        let steps = [before].into_iter().chain(queries).chain([after]);
        Ok(Stream { name: "stream 0".to_owned(), steps: steps.collect() })
    }

    /// The query streams, counted from 1, and the one that refreshes for all of them.
    fn throughput_streams(&self, session: &mut Client, after_power: bool) -> Result<Vec<Stream>> {
        let mut streams = Vec::new();
        for number in 1..=self.streams {
            streams.push(Stream { name: format!("stream {number}"), steps: self.queries(session, number)? });
        }
        let pair = |set| Function::PAIR.map(|function| self.refresh(function, set));
        let steps = self.throughput_sets(after_power).flat_map(pair).collect();
        streams.push(Stream { name: "refresh stream".to_owned(), steps });
        Ok(streams)
    }

    fn throughput_sets(&self, after_power: bool) -> Range<i32> {
        let first = self.first_set + i32::from(after_power);
        first..first + self.streams
    }

    fn queries(&self, session: &mut Client, stream: i32) -> Result<Vec<Step>> {
        let query = "SELECT query, sql FROM tpch_queries($1, $2, $3, $4, $5) ORDER BY \"position\"";
        let rows =
            session.query(query, &[&self.schema, &self.seed, &stream, &self.sf, &self.decorrelated])?;
        Ok(rows.iter().map(|row| Step::Query { number: row.get(0), sql: row.get(1) }).collect())
    }

    fn refresh(&self, function: Function, set: i32) -> Step {
        Step::Refresh { function, set, schema: self.schema.clone(), sf: self.sf }
    }

    fn facts(&self, session: &mut Client, last_set: i32) -> Result<Vec<(&'static str, String)>> {
        let query = "
            SELECT to_char(now(), 'YYYY-MM-DD HH24:MI:SS TZ'), current_setting('server_version'),
                   current_setting('shared_buffers'), current_setting('work_mem'),
                   current_setting('max_parallel_workers_per_gather'),
                   (SELECT extversion FROM pg_extension WHERE extname = 'millrace'),
                   pg_size_pretty((SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
                                   WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND c.relkind IN ('r', 'm')))";
        let row = session.query_one(query, &[&self.schema])?;
        let texts = match self.decorrelated {
            true => "2, 17 and 20 as joins, which the TPC has not approved; the others the specification's",
            false => "the specification's",
        };
        let of_ours = [
            ("Scale factor", self.sf.to_string()),
            ("Schema", self.schema.clone()),
            ("Seed", self.seed.to_string()),
            ("Query texts", texts.to_owned()),
            ("Refresh sets", format!("{} to {last_set}", self.first_set)),
        ];
        let names = [
            "Ended",
            "PostgreSQL",
            "shared_buffers",
            "work_mem",
            "max_parallel_workers_per_gather",
            "millrace",
            "Size of the tables",
        ];
        let servers = names
            .iter()
            .enumerate()
            .filter_map(|(index, name)| Some((*name, row.get::<_, Option<String>>(index)?)));
        Ok(of_ours.into_iter().chain(servers).collect())
    }
}
