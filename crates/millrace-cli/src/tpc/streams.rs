//! Concurrent streams of queries and refresh functions, each in its own session.

use crate::connection::Server;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::progress::Display;
use millrace_sources::kit::queries::statements;
use postgres::Client;
use postgres::fallible_iterator::FallibleIterator;
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How often statements are cancelled until all streams have ended.
const TICK: Duration = Duration::from_millis(100);

/// A refresh function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// Inserts orders with their lines
    Rf1,
    /// Deletes the same number
    Rf2,
}

impl Function {
    pub const PAIR: [Self; 2] = [Self::Rf1, Self::Rf2];
}

/// What a stream does next.
pub enum Step {
    Query { number: i32, statements: Vec<String> },
    Refresh { family: &'static str, function: Function, set: i32, schema: String, sf: f64 },
}

/// What one session does.
pub struct Stream {
    pub name: String,
    pub steps: Vec<Step>,
}

/// What was timed, without its text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Timed {
    Query(i32),
    Refresh(Function, i32),
}

impl Timed {
    pub fn label(self) -> String {
        match self {
            Self::Query(number) => format!("Q{number}"),
            Self::Refresh(Function::Rf1, _) => "RF1".to_owned(),
            Self::Refresh(Function::Rf2, _) => "RF2".to_owned(),
        }
    }

    pub fn set(self) -> Option<i32> {
        match self {
            Self::Query(_) => None,
            Self::Refresh(_, set) => Some(set),
        }
    }
}

pub struct Timing {
    pub step: Timed,
    pub seconds: f64,
    /// That a query returned, in all of its statements.
    pub rows: Option<usize>,
}

/// A stream that has run.
pub struct Measured {
    pub name: String,
    pub seconds: f64,
    pub timings: Vec<Timing>,
}

/// Runs the streams at once; returns them in the order given, and the seconds until the last one ended.
pub fn run(server: &Server, display: &Display, streams: Vec<Stream>) -> Result<(Vec<Measured>, f64)> {
    let mut sessions = Vec::new();
    for stream in streams {
        sessions.push((server.session(|_| ())?, stream));
    }
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    let results = thread::scope(|scope| {
        let (done, ended) = mpsc::channel();
        for (index, (mut session, stream)) in sessions.into_iter().enumerate() {
            let (done, stop) = (done.clone(), &stop);
            scope.spawn(move || done.send((index, stream.run(&mut session, display, stop))));
        }
        drop(done);
        let mut results = Vec::new();
        loop {
            match ended.recv_timeout(TICK) {
                Ok((index, result)) => {
                    stop.fetch_or(result.is_err(), Ordering::SeqCst);
                    results.push((index, result));
                }
                // Repeatedly, because a stream may have been between two statements.
                Err(RecvTimeoutError::Timeout) if interrupt::count() > 0 || stop.load(Ordering::SeqCst) => {
                    interrupt::cancel();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return results,
            }
        }
    });
    let seconds = rounded(start.elapsed());
    // The first error is why the others ended.
    let mut measured = results
        .into_iter()
        .map(|(index, result)| Ok((index, result?)))
        .collect::<Result<Vec<(usize, Measured)>>>()?;
    measured.sort_by_key(|(index, _)| *index);
    Ok((measured.into_iter().map(|(_, stream)| stream).collect(), seconds))
}

/// Seconds, to the microsecond.
pub fn rounded(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

impl Stream {
    fn run(self, session: &mut Client, display: &Display, stop: &AtomicBool) -> Result<Measured> {
        let start = Instant::now();
        let mut timings = Vec::with_capacity(self.steps.len());
        for (position, step) in (1..).zip(&self.steps) {
            interrupt::check()?;
            if stop.load(Ordering::SeqCst) {
                return Err(Error::failed("another stream failed", ""));
            }
            let timing = step.run(session)?;
            display.note(&format!(
                "{}: {} {:.3} s ({position} of {})",
                self.name,
                timing.step.label(),
                timing.seconds,
                self.steps.len()
            ));
            timings.push(timing);
        }
        Ok(Measured { name: self.name, seconds: rounded(start.elapsed()), timings })
    }
}

impl Step {
    pub fn query(number: i32, sql: &str) -> Self {
        Self::Query { number, statements: statements(sql) }
    }

    fn run(&self, session: &mut Client) -> Result<Timing> {
        let start = Instant::now();
        let (step, rows) = match self {
            Self::Query { number, statements } => {
                let mut rows = 0;
                for sql in statements {
                    rows += session.query_raw(sql, iter::empty::<i32>())?.count()?;
                }
                (Timed::Query(*number), Some(rows))
            }
            Self::Refresh { family, function, set, schema, sf } => {
                let call = format!("CALL {family}_refresh($1, $2, $3, rf1 => $4, rf2 => $5)");
                let [rf1, rf2] = Function::PAIR.map(|other| other == *function);
                session.execute(call.as_str(), &[schema, set, sf, &rf1, &rf2])?;
                (Timed::Refresh(*function, *set), None)
            }
        };
        Ok(Timing { step, seconds: rounded(start.elapsed()), rows })
    }
}
