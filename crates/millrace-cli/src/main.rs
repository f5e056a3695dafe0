//! `millrace`: the client. It shows what the extension does, runs its benchmark and the TPC's with live progress, and
//! writes reports. All this is done in the server; without one it starts a temporary one. Exports need none.
#![deny(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod chart;
mod connection;
mod demo;
mod embedded;
mod error;
mod export;
mod interrupt;
mod output;
mod progress;
mod rate;
mod report;
mod tpc;

use clap::{ArgAction, Parser, Subcommand};
use std::process::ExitCode;

/// Benchmark data made inside PostgreSQL and streamed into tables, committing batch by batch.
#[derive(Parser)]
#[command(name = "millrace", version, disable_help_flag = true, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Shows this help
    #[arg(long, short = '?', action = ArgAction::Help, global = true, display_order = 1000)]
    help: Option<bool>,
}

const AFTER_HELP: &str = "\
The server is the one that the connection options, a postgres:// URI or the usual PG* variables name, found as libpq does: \
sslmode, sslrootcert, sslcert, sslkey, channel_binding, service, passfile, target_session_attrs and others go into the URI, into a connection string \
such as --dbname 'service=bench sslmode=verify-full', or into their variables. Without any of these a temporary server is \
started, whose programs are those of pg_config (or PG_CONFIG), and removed at the end.

Exit codes: 0 done, 1 failed (for bench also: tables differ in content or in what queries find), 2 wrong usage, \
3 slower than report --max-slowdown allows, 130 interrupted.";

#[derive(Subcommand)]
enum Command {
    /// A short guided run: rows, a load that is cancelled and resumed, and its verification
    #[command(after_help = AFTER_HELP)]
    Demo(demo::Arguments),
    /// Streams the same batches into tables of several kinds and compares them
    #[command(after_help = AFTER_HELP)]
    Bench(bench::Arguments),
    /// Searches the highest rate of rows per second that each kind of table sustains
    #[command(after_help = AFTER_HELP)]
    Rate(rate::Arguments),
    /// Loads TPC-H's tables and measures: 22 queries with refresh functions, in one session or in several streams
    #[command(after_help = AFTER_HELP)]
    Tpch(tpc::Arguments),
    /// Loads TPC-DS's tables and measures: 99 queries, in one session or in several streams
    #[command(after_help = AFTER_HELP)]
    Tpcds(tpc::Arguments),
    /// Writes report.html, summary.md and metrics.csv of a run or a benchmark, or a comparison of two TPC tests
    #[command(after_help = AFTER_HELP)]
    Report(report::Arguments),
    /// Writes a source to Parquet, CSV, tbl or Arrow files, without a server
    Export(export::Arguments),
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let result = interrupt::install().and_then(|()| match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Rate(arguments) => rate::run(&arguments),
        Command::Tpch(arguments) => tpc::run(&tpc::TPC_H, &arguments),
        Command::Tpcds(arguments) => tpc::run(&tpc::TPC_DS, &arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
