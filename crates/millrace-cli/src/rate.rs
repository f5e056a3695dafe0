//! `millrace rate`: stream_rate in one session, its steps reported from another.

use crate::bench::{self, Phase};
use crate::connection::{self, Server};
use crate::error::{Error, Result};
use crate::progress::{self, Display};
use crate::{interrupt, output};
use postgres::{Client, Row};

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Which tables to try
    #[arg(long, value_enum, default_value = "both")]
    phase: Phase,
    /// What to load: cdr (call records) or iot (sensor readings)
    #[arg(long, default_value = "cdr")]
    source: String,
    /// Rows per second of the first step
    #[arg(long, default_value_t = 10_000.0, value_name = "ROWS")]
    start_rate: f64,
    /// How long a step takes
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// How late 99 of 100 batches may be
    #[arg(long, default_value = "1 s", value_name = "INTERVAL")]
    max_p99: String,
    /// The search ends when the highest rate that was sustained and the lowest that was not differ by this share
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    tolerance: f64,
    /// Rows per batch
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(i32).range(1..))]
    batch_rows: i32,
    /// Kinds of tables, each tried alone; all that the server supports if not given
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    variants: Option<Vec<String>>,
    /// Processes that load
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    workers: i32,
    /// Processes that run the benchmark's queries meanwhile
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(i32).range(0..=100))]
    readers: i32,
    /// Options of the source, as JSON
    #[arg(long, default_value = "{}", value_name = "JSON")]
    options: String,
    /// The search's name; run the same command again to resume it
    #[arg(long, default_value = "rate", value_name = "NAME")]
    run: String,
    /// Schema of the tables
    #[arg(long, default_value = "rate")]
    schema: String,
    /// Create the tables without asking
    #[arg(long, short)]
    yes: bool,
    /// Also show the server's messages
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    connection: connection::Arguments,
}

/// Runs or resumes the search: a line per step as it is done, then the rates.
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
    let mut told = 0;
    let searched = progress::watch(
        &server,
        || arguments.call(&mut session),
        |observer| tell_steps(observer, &arguments.run, &mut told),
    );
    if interrupt::count() > 0 {
        return Err(interrupted(&server));
    }
    searched?;
    let rows = rates(&mut session, &arguments.run)?;
    output::print("\nThe highest rates that were sustained")?;
    output::columns(&RATES, &rows).iter().try_for_each(|line| output::print(line))
}

impl Arguments {
    /// Says what will be done.
    fn announce(&self, server: &Server, client: &mut Client) -> Result<()> {
        let variants = bench::usable_variants(client, &self.source, self.variants.as_ref())?;
        let place = if server.is_temporary() { "on a temporary server, " } else { "" };
        output::note(&format!(
            "search \"{}\": {place}in schema {}, steps of {} s from {} rows of {} per second on, p99 at most {} ({}; phases: {})",
            self.run,
            self.schema,
            self.seconds,
            self.start_rate,
            self.source,
            self.max_p99,
            variants.join(", "),
            self.phase.phases(false).join(", "),
        ));
        Ok(())
    }

    fn call(&self, session: &mut Client) -> Result<()> {
        let call = "
            CALL stream_rate(source => $1, start_rate => $2, seconds => $3, max_p99 => $4::text::interval, batch_rows => $5,
                             variants => $6, phase => $7, schema => $8, workers => $9, options => $10::text::jsonb,
                             readers => $11, tolerance => $12, run => $13)";
        session.execute(
            call,
            &[
                &self.source,
                &self.start_rate,
                &self.seconds,
                &self.max_p99,
                &self.batch_rows,
                &self.variants,
                &self.phase.name(),
                &self.schema,
                &self.workers,
                &self.options,
                &self.readers,
                &self.tolerance,
                &self.run,
            ],
        )?;
        Ok(())
    }
}

/// Prints the steps after the first `told`, which were printed before; names first.
fn tell_steps(client: &mut Client, run: &str, told: &mut usize) -> Result<()> {
    let query = "
        SELECT phase, variant, step, rate, rows_per_second, p50_ms::float8, p99_ms::float8, max_ms::float8, sustained
        FROM stream_rate_steps WHERE search = $1 ORDER BY finished, phase, variant, step OFFSET $2";
    let steps = client.query(query, &[&run, &(*told as i64)])?;
    if *told == 0 && !steps.is_empty() {
        output::print(&step_line([
            "phase",
            "variant",
            "step",
            "rows/s",
            "committed",
            "p50 ms",
            "p99 ms",
            "max ms",
            "sustained",
        ]))?;
    }
    *told += steps.len();
    steps.iter().try_for_each(|row| output::print(&step(row)))
}

fn step(row: &Row) -> String {
    let rows = [row.get::<_, Option<f64>>(3).map(|rate| rate.round() as i64), row.get(4)];
    let rows = rows.map(|rows| rows.map(output::grouped).unwrap_or_default());
    let times = [5, 6, 7]
        .map(|column| row.get::<_, Option<f64>>(column).map(|ms| format!("{ms:.3}")).unwrap_or_default());
    let number = row.get::<_, i32>(2).to_string();
    let sustained = if row.get(8) { "yes" } else { "no" };
    step_line([
        row.get(0),
        row.get(1),
        &number,
        &rows[0],
        &rows[1],
        &times[0],
        &times[1],
        &times[2],
        sustained,
    ])
}

/// Columns with fixed widths, because later rows are not known yet.
fn step_line([phase, variant, step, rate, committed, p50, p99, max, sustained]: [&str; 9]) -> String {
    format!(
        "{phase:<7}  {variant:<16}  {step:>4}  {rate:>11}  {committed:>11}  {p50:>10}  {p99:>10}  {max:>10}  {sustained}"
    )
}

const RATES: [&str; 7] = ["phase", "variant", "rows/s", "p50 ms", "p99 ms", "too high", "steps"];

/// The highest rate of each phase and variant, with the latencies of its step.
fn rates(client: &mut Client, run: &str) -> Result<Vec<Vec<String>>> {
    let query = "
        SELECT r.phase, r.variant, r.rows_per_second, s.p50_ms::float8, s.p99_ms::float8, r.too_high, r.steps
        FROM stream_rates r
        LEFT JOIN stream_rate_steps s
            ON s.search = r.search AND s.phase = r.phase AND s.variant = r.variant AND s.rate = r.rows_per_second AND s.sustained
        JOIN (SELECT phase, variant, min(finished) AS begun FROM stream_rate_steps WHERE search = $1 GROUP BY phase, variant) b
            ON b.phase = r.phase AND b.variant = r.variant
        WHERE r.search = $1
        ORDER BY b.begun";
    let row = |row: &Row| {
        let rate = |column| {
            row.get::<_, Option<f64>>(column)
                .map(|rate| output::grouped(rate.round() as i64))
                .unwrap_or_default()
        };
        let time =
            |column| row.get::<_, Option<f64>>(column).map(|ms| format!("{ms:.3}")).unwrap_or_default();
        vec![row.get(0), row.get(1), rate(2), time(3), time(4), rate(5), row.get::<_, i64>(6).to_string()]
    };
    Ok(client.query(query, &[&run])?.iter().map(row).collect())
}

fn interrupted(server: &Server) -> Error {
    let hint = if server.is_temporary() {
        "The temporary server is gone. With --dbname a search can be resumed.".to_owned()
    } else {
        format!("Resume with: {}", output::command_line())
    };
    Error::Interrupted { hint: Some(hint) }
}
