//! `millrace bench`: stream_bench in one session, watched from another.

use crate::connection::{self, Server};
use crate::error::{Error, Result};
use crate::progress::{self, Display, Load};
use crate::report::Report;
use crate::{interrupt, output, report};
use clap::ValueEnum;
use postgres::Client;
use postgres::types::ToSql;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Phase {
    /// Tables without indexes
    Noindex,
    /// Tables with their indexes
    Index,
    /// One after the other
    Both,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Self::Noindex => "noindex",
            Self::Index => "index",
            Self::Both => "both",
        }
    }

    /// The server's names of the phases; with readers each runs twice, without and with them.
    pub fn phases(self, readers: bool) -> Vec<String> {
        let names: &[&str] = match self {
            Self::Noindex => &["noindex"],
            Self::Index => &["index"],
            Self::Both => &["noindex", "index"],
        };
        let reading: &[&str] = if readers { &["", "_read"] } else { &[""] };
        names.iter().flat_map(|name| reading.iter().map(move |end| format!("{name}{end}"))).collect()
    }
}

/// Rows of a table; `None` for no end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rows(Option<i64>);

impl Rows {
    /// The default, as in SQL. With a duration there is none, because it would end a run earlier.
    fn unless_given(timed: bool) -> Self {
        Self((!timed).then_some(1_000_000))
    }
}

impl FromStr for Rows {
    type Err = &'static str;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text {
            "unlimited" => Ok(Self(None)),
            _ => match text.parse() {
                Ok(rows) if rows > 0 => Ok(Self(Some(rows))),
                _ => Err("give a number of rows, at least 1, or unlimited"),
            },
        }
    }
}

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Which tables to load
    #[arg(long, value_enum, default_value = "both")]
    phase: Phase,
    /// What to load: cdr (call records) or iot (sensor readings)
    #[arg(long, default_value = "cdr")]
    source: String,
    /// Rows per table, or unlimited; 1000000 if not given, and unlimited with --duration
    #[arg(long)]
    rows: Option<Rows>,
    /// Rows per second that arrive whether the tables keep up or not; as fast as they can be stored if not given
    #[arg(long, value_name = "ROWS")]
    rate: Option<f64>,
    /// How long each phase lasts, such as '10 min'; until all rows are there if not given
    #[arg(long, value_name = "INTERVAL")]
    duration: Option<String>,
    /// Processes that run the benchmark's queries meanwhile; each phase then runs twice, without and with them
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=100))]
    readers: i32,
    /// Rows per batch
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(i32).range(1..))]
    batch_rows: i32,
    /// How batches vary: steady, diurnal, burst, or a list of sizes such as 500,2000,100; steady if not given
    #[arg(long, value_parser = profile_json)]
    profile: Option<String>,
    /// Kinds of tables, of which the first is the baseline; all that the server supports if not given
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    variants: Option<Vec<String>>,
    /// Processes that load
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    workers: i32,
    /// ANALYZE the tables after every BATCHES batches
    #[arg(long, value_name = "BATCHES", value_parser = clap::value_parser!(i32).range(1..))]
    analyze_every: Option<i32>,
    /// Options of the source, as JSON
    #[arg(long, default_value = "{}", value_name = "JSON")]
    options: String,
    /// The benchmark's name; run the same command again to resume it
    #[arg(long, default_value = "bench", value_name = "NAME")]
    run: String,
    /// Schema of the tables
    #[arg(long, default_value = "bench")]
    schema: String,
    /// Also write report.html, summary.md and metrics.csv into this folder
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Create the tables without asking
    #[arg(long, short)]
    yes: bool,
    /// Also show the server's messages
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    connection: connection::Arguments,
}

/// A profile in the form of the server's options.
fn profile_json(text: &str) -> std::result::Result<String, String> {
    match text {
        "steady" | "diurnal" | "burst" => Ok(format!("\"{text}\"")),
        _ => {
            let sizes: std::result::Result<Vec<NonZeroU32>, _> =
                text.split(',').map(|size| size.trim().parse()).collect();
            let sizes =
                sizes.map_err(|_| "give steady, diurnal, burst, or sizes separated by commas".to_owned())?;
            Ok(format!("[{}]", sizes.iter().map(NonZeroU32::to_string).collect::<Vec<_>>().join(",")))
        }
    }
}

/// The source's options, with the profile if one is given. Without one they are the same as in SQL, so that a benchmark that
/// was begun there can be resumed here.
fn options(options: &str, profile: &str) -> String {
    format!(
        "{options}::text::jsonb || coalesce(('{{\"profile\": ' || {profile}::text || '}}')::jsonb, '{{}}')"
    )
}

/// Runs or resumes the benchmark, and prints its results. Tables with wrong content, or with other answers than the
/// baseline, are a failure; slow or large ones are not.
pub fn run(arguments: &Arguments) -> Result<()> {
    // Before a server is started, which takes seconds.
    output::require_leave(arguments.yes)?;
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
    let phases = arguments.phases();
    let runs: Vec<String> = phases.iter().map(|phase| format!("{}/{phase}", arguments.run)).collect();
    interrupt::be_gentle();
    let mut stopping = false;
    let followed = progress::follow(
        &server,
        &display,
        &runs,
        || arguments.call(&mut session),
        |observer, loads| {
            if interrupt::count() > 0 && !std::mem::replace(&mut stopping, true) {
                stop(observer, &display, loads)?;
            }
            Ok(())
        },
    );
    if interrupt::count() > 0 {
        return Err(arguments.interrupted(&server, &runs));
    }
    followed?;
    display.note("comparing the tables …");
    let report = Report::read(&mut session, &arguments.run)?;
    report.document().print()?;
    match &arguments.output {
        Some(folder) => report::write(&report, &mut session, folder)?,
        None if server.is_temporary() => {
            display.note("The tables are dropped with the temporary server; --output DIR keeps a report.");
        }
        None => {}
    }
    match report.is_correct() {
        true => Ok(()),
        false => Err(Error::failed(
            "the tables differ in content or in query results",
            "Gates content and queries show which, and how.",
        )),
    }
}

/// The variants that the server supports, of those named or of all; reports those that it does not.
pub fn usable_variants(
    client: &mut Client,
    source: &str,
    named: Option<&Vec<String>>,
) -> Result<Vec<String>> {
    let query = "
        SELECT name, skipped FROM stream_variants
        WHERE (source IS NULL OR source = $1) AND (owner IS NULL OR owner = current_user) AND ($2::text[] IS NULL OR name = ANY ($2))
        ORDER BY position, name";
    let mut usable = Vec::new();
    for row in client.query(query, &[&source, &named])? {
        let (name, skipped): (String, Option<String>) = (row.get(0), row.get(1));
        match skipped {
            Some(why) => output::note(&format!("{name} is skipped: {why}")),
            None => usable.push(name),
        }
    }
    Ok(usable)
}

/// Lets the batch in flight finish; if there is none, cancelling loses nothing.
fn stop(observer: &mut Client, display: &Display, loads: &[Load]) -> Result<()> {
    match loads.iter().find(|load| load.state == "running") {
        Some(load) => {
            display.note("stopping after this batch; Ctrl-C again cancels it");
            observer.execute("SELECT stream_stop($1)", &[&load.run])?;
        }
        None => {
            interrupt::cancel();
        }
    }
    Ok(())
}

impl Arguments {
    fn phases(&self) -> Vec<String> {
        self.phase.phases(self.readers > 0)
    }

    fn rows(&self) -> Rows {
        self.rows.unwrap_or_else(|| Rows::unless_given(self.duration.is_some()))
    }

    /// Says what will be created.
    fn announce(&self, server: &Server, client: &mut Client) -> Result<()> {
        let load = self.load(client)?;
        let tables = usable_variants(client, &self.source, self.variants.as_ref())?;
        let place = if server.is_temporary() { "on a temporary server, " } else { "" };
        output::note(&format!(
            "benchmark \"{}\": {place}in schema {}, {} tables of {load} ({}; phases: {})",
            self.run,
            self.schema,
            tables.len() * self.phases().len(),
            tables.join(", "),
            self.phases().join(", "),
        ));
        Ok(())
    }

    /// What each table gets, in words.
    fn load(&self, client: &mut Client) -> Result<String> {
        let rows = match self.rows().0 {
            Some(rows) => {
                let batches = output::grouped(self.batches(client, rows)?);
                format!("{} rows of {} in {batches} batches each", output::grouped(rows), self.source)
            }
            None => {
                let batch = output::grouped(self.batch_rows.into());
                format!("rows of {} without end in batches of {batch}", self.source)
            }
        };
        let rate = self.rate.map(|rate| format!(", {rate} rows per second"));
        let duration = self.duration.as_ref().map(|duration| format!(", for {duration}"));
        Ok([Some(rows), rate, duration].into_iter().flatten().collect())
    }

    /// How many batches these rows are; those of rows without end cannot be counted.
    fn batches(&self, client: &mut Client, rows: i64) -> Result<i64> {
        let plan = format!(
            "SELECT count(*) FROM stream_plan($1, rows => $2, batch_rows => $3, options => {})",
            options("$4", "$5")
        );
        let arguments: &[&(dyn ToSql + Sync)] =
            &[&self.source, &rows, &self.batch_rows, &self.options, &self.profile];
        Ok(client.query_one(plan.as_str(), arguments)?.get(0))
    }

    fn call(&self, session: &mut Client) -> Result<()> {
        let call = format!(
            "CALL stream_bench(source => $1, rows => $2, batch_rows => $3, variants => $4, phase => $5,
                        schema => $6, workers => $7, analyze_every => $8, run => $9, rate => $10,
                        duration => $11::text::interval, readers => $12, options => {})",
            options("$13", "$14")
        );
        session.execute(
            call.as_str(),
            &[
                &self.source,
                &self.rows().0,
                &self.batch_rows,
                &self.variants,
                &self.phase.name(),
                &self.schema,
                &self.workers,
                &self.analyze_every,
                &self.run,
                &self.rate,
                &self.duration,
                &self.readers,
                &self.options,
                &self.profile,
            ],
        )?;
        Ok(())
    }

    /// How far it has come, and how to resume.
    fn interrupted(&self, server: &Server, runs: &[String]) -> Error {
        let loads = server.observer().and_then(|mut observer| progress::loads(&mut observer, runs));
        for run in runs {
            if let Some(load) = loads.iter().flatten().find(|load| load.run == *run) {
                let of = load.batches.map(|batches| format!(" of {batches}")).unwrap_or_default();
                output::note(&format!("{run}: {}{of} batches are there", load.batches_done));
            }
        }
        let hint = if server.is_temporary() {
            "The temporary server is gone. With --dbname a benchmark can be resumed.".to_owned()
        } else {
            format!("Resume with: {}", output::command_line())
        };
        Error::Interrupted { hint: Some(hint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_a_number_or_without_end() {
        assert_eq!("unlimited".parse(), Ok(Rows(None)));
        assert_eq!("20000".parse(), Ok(Rows(Some(20_000))));
        for text in ["0", "-1", "many", "", "1.5"] {
            assert!(text.parse::<Rows>().is_err(), "{text}");
        }
        assert_eq!([false, true].map(Rows::unless_given), [Rows(Some(1_000_000)), Rows(None)]);
    }

    #[test]
    fn with_readers_each_phase_is_there_twice() {
        assert_eq!(Phase::Both.phases(false), ["noindex", "index"]);
        assert_eq!(Phase::Both.phases(true), ["noindex", "noindex_read", "index", "index_read"]);
        assert_eq!(Phase::Index.phases(true), ["index", "index_read"]);
    }

    #[test]
    fn profiles_become_json() {
        assert_eq!(profile_json("burst").as_deref(), Ok("\"burst\""));
        assert_eq!(profile_json("500,2000").as_deref(), Ok("[500,2000]"));
        assert_eq!(profile_json("0500, +20").as_deref(), Ok("[500,20]"));
        assert!(
            ["", "flat", "1,", "0", "-1", "1], \"x\": [1"].iter().all(|text| profile_json(text).is_err())
        );
    }
}
