//! `millrace demo`: rows, a load that is cancelled and resumed, and its verification.

use crate::connection::{self, Server};
use crate::error::{Error, Result};
use crate::progress::{self, Display};
use crate::{interrupt, output};
use postgres::error::SqlState;
use postgres::{Client, SimpleQueryMessage};

/// Where the demo's table is, on a server that others use too.
const SCHEMA: &str = "millrace_demo";
const TABLE: &str = "millrace_demo.lineitem";
const RUN: &str = "millrace_demo";
/// The demo presses Ctrl-C at this percentage.
const CANCEL_AT_PERCENT: i64 = 40;

#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Scale factor; 1 has 6 million rows
    #[arg(long, default_value_t = 0.5)]
    sf: f64,
    /// Create the table without asking
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    connection: connection::Arguments,
}

/// Shows the main job.
pub fn run(arguments: &Arguments) -> Result<()> {
    let server = Server::find(&arguments.connection)?;
    if !server.is_temporary() {
        output::note(&format!("The demo creates schema {SCHEMA} with a table, and drops both at its end."));
        if !arguments.yes && !output::confirm("Continue?")? {
            return Err(Error::failed("nothing was done", ""));
        }
    }
    let mut session = server.session(|_| ())?;
    session.batch_execute(&format!("CREATE SCHEMA {SCHEMA}; CREATE TABLE {TABLE} (LIKE tpch_lineitem)"))?;
    let shown = show_all(&server, &mut session, arguments.sf);
    // Also after Ctrl-C and errors.
    let dropped = drop_all(&mut session);
    shown?;
    dropped
}

/// Forgets the run, if it was begun, and drops its table.
fn drop_all(session: &mut Client) -> Result<()> {
    // Two statements: one that reads tables of a cluster cannot call a function that changes some.
    if session.query_opt("SELECT FROM stream_progress WHERE run = $1", &[&RUN])?.is_some() {
        session.execute("SELECT stream_drop($1)", &[&RUN])?;
    }
    Ok(session.batch_execute(&format!("DROP SCHEMA {SCHEMA} CASCADE"))?)
}

fn show_all(server: &Server, session: &mut Client, sf: f64) -> Result<()> {
    let display = Display::new();
    show(
        session,
        &format!(
            "SELECT l_orderkey, l_partkey, l_quantity, l_extendedprice, l_shipdate, l_shipmode\n  FROM tpch_gen('lineitem', {sf}) LIMIT 5;"
        ),
    )?;
    let call = format!("CALL stream_ingest('{TABLE}', sf => {sf}, batch_rows => 50000, run => '{RUN}');");
    statement(&format!("{call}  -- and Ctrl-C after two fifths"))?;
    match load(server, session, &display, &call, CANCEL_AT_PERCENT) {
        Err(Error::Server(error))
            if error.code() == Some(&SqlState::QUERY_CANCELED) && interrupt::count() == 0 =>
        {
            output::print(&format!("ERROR:  {}", error.as_db_error().map_or("", |error| error.message())))?;
        }
        result => result?,
    }
    show(
        session,
        &format!(
            "SELECT run, state, batches_done, batches, rows_done, percent\n  FROM stream_progress WHERE run = '{RUN}';"
        ),
    )?;
    statement(&format!("{call}  -- the same call again resumes"))?;
    load(server, session, &display, &call, i64::MAX)?;
    show(
        session,
        &format!(
            "SELECT batches, rows, seconds, rows_per_second, pg_size_pretty(size_bytes) AS size\n  FROM stream_report('{RUN}');"
        ),
    )?;
    show(
        session,
        &format!(
            "SELECT target, rows_expected, rows_found, matches  -- generates again, compares content\n  FROM stream_verify('{RUN}');"
        ),
    )
}

/// Runs the load, cancelling it as Ctrl-C would when this percentage of its batches is there.
fn load(server: &Server, session: &mut Client, display: &Display, call: &str, cancel_at: i64) -> Result<()> {
    let mut cancelled = false;
    progress::follow(
        server,
        display,
        &[RUN.to_owned()],
        || Ok(session.batch_execute(call)?),
        |_, loads| {
            let far = loads.iter().any(|load| load.state == "running" && load.batches_percent() >= cancel_at);
            if far && !std::mem::replace(&mut cancelled, true) {
                interrupt::cancel();
            }
            Ok(())
        },
    )
}

fn statement(sql: &str) -> Result<()> {
    output::print(&format!("\nmillrace=# {sql}"))
}

/// Shows a statement as one would type it, and what the server answers.
fn show(session: &mut Client, sql: &str) -> Result<()> {
    interrupt::check()?;
    statement(sql)?;
    let mut names = Vec::new();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for message in session.simple_query(sql)? {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                names = columns.iter().map(|column| column.name().to_owned()).collect();
            }
            SimpleQueryMessage::Row(row) => {
                rows.push(
                    (0..row.len()).map(|index| row.get(index).unwrap_or_default().to_owned()).collect(),
                );
            }
            _ => {}
        }
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    output::columns(&names, &rows).iter().try_for_each(|line| output::print(line))
}
