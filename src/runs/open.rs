//! Opening a run: who may ingest what into which tables, and whether a call begins a run or resumes one.
//!
//! The procedures in `sql/runs/procedures.sql` call these functions before their loop.

use crate::call::{add_option, options_object, out_of_range};
use crate::error::{Error, Result, SqlResult};
use crate::pg::server::cancel::Cancels;
use crate::pg::server::report::{Report, notice};
use crate::pg::server::settings::{self, Settings};
use crate::pg::server::snapshot::Snapshot;
use crate::pg::server::text::{Json, Text};
use crate::pg::server::{cluster, lock, process, role};
use crate::pg::workers::shared::MAX_WORKERS;
use crate::runs::ledger::{self, Pace, Run, Target, one};
use crate::runs::origin::{self, Origin};
use crate::runs::target::Relation;
use crate::runs::{pax, plan};
use millrace_sources::{Profile, registry};
use pgrx::Array;
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::time::Duration;

/// A hundred years.
const MAX_DURATION: Duration = Duration::from_secs(100 * 366 * 86_400);

/// The largest batch: one transaction should not run for hours.
const MAX_BATCH_ROWS: i32 = 100_000_000;

thread_local! {
    /// The cancels that came before this session's current or last call.
    static CALL: Cell<Option<Cancels>> = const { Cell::new(None) };
}

/// Refuses a statement that could not commit where it was called, before it does anything.
#[pg_extern(sql = false)]
fn check_may_commit(statement: Text) -> SqlResult<()> {
    process::check_writable(&statement);
    if process::in_transaction_block() {
        return Err(Error::TransactionBlock(statement.into_string()).into());
    }
    if !process::may_commit() {
        return Err(Error::Atomic(statement.into_string()).into());
    }
    CALL.set(Some(Cancels::count()));
    Ok(())
}

/// Raises a cancel that came since the call began and that the server forgot.
#[pg_extern(sql = false)]
fn check_cancelled() -> SqlResult<()> {
    process::check_for_interrupts();
    if CALL.get().is_some_and(Cancels::came) { Err(Error::Cancelled.into()) } else { Ok(()) }
}

/// The checked parameters of a call, except the target.
pub struct Request {
    pub source: String,
    pub origin: Origin,
    pub options: Value,
    pub profile: Profile,
    pace: Pace,
}

impl Request {
    pub fn new(source: &str, sf: Option<f64>, rows: Option<i64>, options: Value) -> Result<Self> {
        let mut options = options_object(options)?;
        let pace = Pace {
            rate: take_rate(&mut options)?,
            duration: take_duration(&mut options)?,
            synchronous_commit: take_synchronous_commit(&mut options)?,
        };
        let profile = take_profile(&mut options)?;
        add_option(&mut options, "sf", sf.map(|sf| finite(source, sf).map(|sf| json!(sf))).transpose()?)?;
        add_option(&mut options, "rows", rows.map(|rows| json!(rows)))?;
        let options = Origin::normalize(source, Value::Object(options))?;
        let origin = Origin::open(source, &options)?;
        Ok(Self { source: Origin::name(source)?, origin, options, profile, pace })
    }
}

/// JSON has neither NaN nor infinity.
fn finite(source: &str, sf: f64) -> Result<f64> {
    if sf.is_finite() { Ok(sf) } else { Err(out_of_range(registry::find(source)?, sf)) }
}

fn take_rate(options: &mut Map<String, Value>) -> Result<Option<f64>> {
    match options.remove("rate") {
        None | Some(Value::Null) => Ok(None),
        Some(given) => match given.as_f64() {
            Some(rate) if rate > 0.0 => Ok(Some(rate)),
            _ => Err(Error::Argument {
                name: "options.rate",
                value: given.to_string(),
                hint: "The rate is a number of rows per second greater than 0.",
            }),
        },
    }
}

/// A number of seconds, or a text that the server reads as an interval.
fn take_duration(options: &mut Map<String, Value>) -> Result<Option<Duration>> {
    let seconds = match options.remove("duration") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(given)) => {
            one("SELECT pg_catalog.date_part('epoch', $1::pg_catalog.interval)", &[given.as_str().into()])?
        }
        Some(given) => given.as_f64(),
    };
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(duration)) if !duration.is_zero() && duration <= MAX_DURATION => Ok(Some(duration)),
        _ => Err(Error::Argument {
            name: "options.duration",
            value: seconds.map_or_else(|| "null".to_owned(), |seconds| format!("{seconds} s")),
            hint: "Give a number of seconds or an interval such as \"10 min\", at most a hundred years.",
        }),
    }
}

fn take_synchronous_commit(options: &mut Map<String, Value>) -> Result<bool> {
    match options.remove("synchronous_commit") {
        None => Ok(true),
        Some(Value::Bool(given)) => Ok(given),
        Some(given) => Err(Error::Argument {
            name: "options.synchronous_commit",
            value: given.to_string(),
            hint: "If true, commits wait as the session's own setting says; if false, only the last commit of a call does.",
        }),
    }
}

fn take_profile(options: &mut Map<String, Value>) -> Result<Profile> {
    let Some(profile) = options.remove("profile") else { return Ok(Profile::default()) };
    Profile::read(profile.clone()).ok_or_else(|| {
        let hint =
            "A profile is \"steady\", \"diurnal\", \"burst\" or a list of batch sizes, such as [1000, 5000].";
        Error::Argument { name: "options.profile", value: profile.to_string(), hint }
    })
}

#[pg_extern(sql = false)]
#[allow(clippy::too_many_arguments)]
fn open_run(
    target: Option<Oid>,
    source: Option<Text>,
    sf: Option<f64>,
    rows: Option<i64>,
    batch_rows: Option<i32>,
    workers: Option<i32>,
    run: Option<Text>,
    variants: Option<Array<Oid>>,
    options: Option<Json>,
) -> SqlResult<Text> {
    ledger::check_version()?;
    let target = target.ok_or(Error::Null("target"))?;
    let workers = check_workers(workers)?;
    if run.as_deref() == Some("") {
        let hint = "Leave it out to have the run named after its target.";
        return Err(Error::Argument { name: "run", value: "\"\"".to_owned(), hint }.into());
    }
    let targets_asked = target_list(target, variants)?;
    find_targets(&targets_asked)?.iter().for_each(|relation| lock::lock_to_look(relation.oid()));
    let _locked = Snapshot::take();
    let relations = find_targets(&targets_asked)?;
    let first = &relations[0];
    let source = source.as_deref().unwrap_or(&first.short_name);
    let options = options.map_or_else(|| json!({}), |options| options.0);
    let batch_rows = check_batch_rows(batch_rows)?;
    let request = Request::new(source, sf, rows, options)?;
    for relation in &relations {
        relation.check_shared(workers)?;
        pax::warn(relation, &request.origin)?;
    }
    if matches!(request.origin, Origin::Query(_)) && relations.len() > 1 {
        let hint = "A query may return other rows each time: load one table with it, and the others from that table.";
        return Err(Error::NotSupported { what: "loading several tables from a query", hint }.into());
    }
    let (targets, converts) = targets(relations, &request)?;
    let plan = plan::plan(&request.origin, batch_rows, &request.profile, &request.options);
    let wanted = Run {
        name: run.as_deref().map_or_else(|| targets[0].name.clone(), str::to_owned),
        owner: Some(role::current()),
        source: request.source,
        options: request.options,
        batch_rows,
        profile: request.profile,
        batches: plan.batches() as i64,
        rows_estimated: request.origin.estimated_rows() as i64,
        named: run.is_some(),
        settings: if converts { settings::current() } else { Settings::new() },
        pace: request.pace,
        targets,
    };
    Ok(begin_or_resume(wanted)?.into())
}

/// The targets as a run notes them, and whether their values depend on settings: converted values do, and a query's may.
fn targets(relations: Vec<Relation>, request: &Request) -> Result<(Vec<Target>, bool)> {
    let mut targets = Vec::new();
    let mut converts = false;
    for (number, relation) in (1..).zip(relations) {
        let columns = match &request.origin {
            Origin::Source(source) => {
                let columns = relation.check(&request.source, source.as_ref())?;
                converts |= columns.converts;
                Some(columns.names)
            }
            Origin::Query(_) => {
                converts = true;
                None
            }
        };
        targets.push(relation.into_target(number, columns)?);
    }
    Ok((targets, converts))
}

/// Raises the server's error if the query of source `sql` cannot fill the target. A function of its own, without
/// settings, because the query needs the caller's `search_path`.
#[pg_extern(sql = false)]
fn check_query(
    target: Option<Oid>,
    source: Option<Text>,
    rows: Option<i64>,
    options: Option<Json>,
) -> SqlResult<()> {
    let Some(source) = source.filter(|source| &**source == origin::QUERY) else { return Ok(()) };
    let options = options.map_or_else(|| json!({}), |options| options.0);
    if let Origin::Query(query) = Request::new(&source, None, rows, options)?.origin {
        query.check(&Relation::find(target.ok_or(Error::Null("target"))?)?.name)?;
    }
    Ok(())
}

/// The tables to load, each once: the target first.
fn target_list(target: Oid, variants: Option<Array<Oid>>) -> Result<Vec<Oid>> {
    let mut targets = vec![target];
    for variant in variants.iter().flat_map(Array::iter) {
        let variant = variant.ok_or(Error::Null("variants"))?;
        if targets.contains(&variant) {
            let value = Relation::find(variant)?.name;
            return Err(Error::Argument { name: "variants", value, hint: "Name each table once." });
        }
        targets.push(variant);
    }
    Ok(targets)
}

fn find_targets(targets: &[Oid]) -> Result<Vec<Relation>> {
    targets.iter().copied().map(Relation::find).collect()
}

pub fn check_batch_rows(batch_rows: Option<i32>) -> Result<i32> {
    let rows = batch_rows.ok_or(Error::Null("batch_rows"))?;
    if !(1..=MAX_BATCH_ROWS).contains(&rows) {
        let hint = "A batch has from 1 to 100000000 rows.";
        return Err(Error::Argument { name: "batch_rows", value: rows.to_string(), hint });
    }
    Ok(rows)
}

pub fn check_workers(workers: Option<i32>) -> Result<usize> {
    let workers = workers.ok_or(Error::Null("workers"))?;
    if !(1..=MAX_WORKERS as i32).contains(&workers) {
        let hint = "From 1 to 1024 processes can ingest a run; 1 is the session alone.";
        return Err(Error::Argument { name: "workers", value: workers.to_string(), hint });
    }
    if workers > 1 && cluster::is_cluster() {
        let what = "ingesting with more than one process on a cluster";
        let hint = "On a cluster the segments make and insert the rows: use workers => 1.";
        return Err(Error::NotSupported { what, hint });
    }
    Ok(workers as usize)
}

/// Begins the run that `wanted` names, or finds it unfinished; its lock is held until the transaction ends. An unnamed
/// run gets the next number if the runs before it are finished.
fn begin_or_resume(wanted: Run) -> Result<String> {
    let finished = if wanted.named { Vec::new() } else { ledger::finished_numbers(&wanted.name)? };
    for number in (1..).filter(|number| !finished.contains(number)) {
        let name = if number == 1 { wanted.name.clone() } else { format!("{}#{number}", wanted.name) };
        let _locked = lock_run(&name)?;
        let Some(existing) = ledger::find(&name)? else {
            ledger::insert(&Run { name: name.clone(), ..wanted })?;
            return Ok(name);
        };
        let is_finished = ledger::is_finished(&existing)?;
        if is_finished && !wanted.named && !existing.named {
            continue;
        }
        ledger::check_owner(&existing)?;
        check_same(&existing, &wanted)?;
        if is_finished {
            tell_finished(&existing)?;
        } else {
            check_all_storage(&existing)?;
            ledger::reopen(&name, wanted.pace)?;
        }
        return Ok(name);
    }
    unreachable!("there is always another number")
}

/// Takes a run's lock until the transaction ends. With the snapshot, everything committed before is visible.
fn lock_run(run: &str) -> Result<Snapshot> {
    let is_locked = lock::try_acquire_to_commit(ledger::lock_key(run)?);
    if is_locked { Ok(Snapshot::take()) } else { Err(busy(run)?) }
}

/// The error for a run that another session holds.
pub fn busy(run: &str) -> Result<Error> {
    Ok(Error::RunBusy { run: run.to_owned(), pid: ledger::holder(run)? })
}

/// Refuses to resume a run under other parameters than it was begun with.
fn check_same(existing: &Run, wanted: &Run) -> Result<()> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, then: &dyn std::fmt::Display, now: &dyn std::fmt::Display| {
        let (then, now) = (then.to_string(), now.to_string());
        if then != now {
            differences.push(format!("{what}: {then} then, {now} now"));
        }
    };
    let relations = |run: &Run| run.targets.iter().map(|target| target.relation).collect::<Vec<_>>();
    if relations(existing) != relations(wanted) {
        let names =
            |run: &Run| run.targets.iter().map(|target| target.name.clone()).collect::<Vec<_>>().join(", ");
        compare("targets", &names(existing), &names(wanted));
    }
    compare("source", &existing.source, &wanted.source);
    compare("options", &existing.options, &wanted.options);
    compare("batch_rows", &existing.batch_rows, &wanted.batch_rows);
    compare("profile", &json!(existing.profile), &json!(wanted.profile));
    for (then, now) in existing.targets.iter().zip(&wanted.targets) {
        if let (Some(then), Some(now)) = (&then.columns, &now.columns) {
            compare("columns", &then.join(", "), &now.join(", "));
        }
    }
    for (name, then) in &existing.settings {
        if let Some(now) = wanted.settings.get(name) {
            compare(name, then, now);
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::RunDiffers { run: existing.name.clone(), differences })
}

fn target_changed(run: &Run, target: &Target, how: &'static str) -> Error {
    Error::TargetChanged { run: run.name.clone(), target: target.name.clone(), how }
}

/// A target as it is now, if it was not dropped.
pub fn current_relation(run: &Run, target: &Target) -> Result<Relation> {
    Relation::look_up(target.relation)?.ok_or_else(|| target_changed(run, target, "dropped"))
}

/// Refuses a target that may have lost what the run put there.
pub fn check_storage(run: &Run, target: &Target) -> Result<()> {
    if !target.storage.survives_in(&current_relation(run, target)?.storage()?) {
        return Err(target_changed(run, target, "truncated, rewritten or created again"));
    }
    Ok(())
}

/// Says that there is nothing to do for a run, and if a table may have lost its rows since, what to do about it.
fn tell_finished(run: &Run) -> Result<()> {
    let message = format!("run \"{}\" is finished, there is nothing to do", run.name);
    let mut message = Report::new(PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION, message);
    if let Err(error) = check_all_storage(run) {
        let Error::TargetChanged { target, how, .. } = error else { return Err(error) };
        message = message
            .detail(format!("Its target \"{target}\" was {how} since."))
            .hint("If rows are gone, forget the run with stream_drop() and load them again.");
    }
    message.report(PgLogLevel::NOTICE);
    Ok(())
}

fn check_all_storage(run: &Run) -> Result<()> {
    run.targets.iter().try_for_each(|target| check_storage(run, target))
}

#[pg_extern(sql = false)]
fn reopen_run(run: Option<Text>, adopt: Option<bool>, workers: Option<i32>) -> SqlResult<()> {
    let name = run.ok_or(Error::Null("run"))?;
    let name = &*name;
    let workers = check_workers(workers)?;
    // Before it is read, so that nobody changes it in between.
    let _locked = lock_run(name)?;
    let run = ledger::get(name)?;
    ledger::check_owner(&run)?;
    ledger::check_query_owner(&run)?;
    let mut targets = Vec::new();
    for target in &run.targets {
        let relation = Relation::look_up(current_target(target)?)?;
        let relation = relation.ok_or_else(|| target_changed(&run, target, "dropped"))?;
        relation.check_shared(workers)?;
        targets.push((target, relation));
    }
    if adopt.unwrap_or_default() {
        for (target, relation) in targets {
            ledger::adopt(name, target, &relation.into_target(target.number, target.columns.clone())?)?;
        }
    } else if ledger::is_finished(&run)? {
        tell_finished(&run)?;
        return Ok(());
    } else {
        check_all_storage(&run)?;
    }
    Ok(ledger::reopen(name, run.pace)?)
}

/// The target as it is now: by name, because a restored table has another OID, or else by OID.
fn current_target(target: &Target) -> Result<Oid> {
    let by_name: Option<Oid> =
        one("SELECT to_regclass($1)::oid", &[Text::from(target.name.as_str()).into()])?;
    Ok(by_name.unwrap_or(target.relation))
}

#[pg_extern(sql = false)]
fn is_finished(run: Text) -> SqlResult<Option<bool>> {
    Ok(ledger::find(&run)?.map(|run| ledger::is_finished(&run)).transpose()?)
}

#[pg_extern(sql = false)]
fn may_act_for(role: Option<Oid>) -> bool {
    role::may_act_for_owner(role)
}

#[pg_extern(sql = false)]
fn stream_stop(run: Option<Text>) -> SqlResult<bool> {
    process::check_writable("stream_stop()");
    let name = run.ok_or(Error::Null("run"))?;
    let name = &*name;
    ledger::check_owner(&ledger::get(name)?)?;
    if ledger::holder(name)?.is_none() {
        notice(format!("run \"{name}\" is not running"));
        return Ok(false);
    }
    ledger::request_stop(name)?;
    Ok(true)
}

#[pg_extern(sql = false)]
fn stream_drop(run: Option<Text>) -> SqlResult<()> {
    process::check_writable("stream_drop()");
    let name = run.ok_or(Error::Null("run"))?;
    let name = &*name;
    let _locked = lock_run(name)?;
    ledger::check_owner(&ledger::get(name)?)?;
    Ok(ledger::delete(name)?)
}
