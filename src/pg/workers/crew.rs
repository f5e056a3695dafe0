//! Background workers that ingest batches of a run together with the session that was called, or read its tables meanwhile.
//!
//! The session and its workers take batches from the same counter, and each commits its own. The session leads: it starts
//! them, waits for them, raises their errors, and ends them if it ends itself. So no process works on a run without its lock.

use crate::error::{Error, Result};
use crate::pg::server::report::{Report, warning};
use crate::pg::server::text::to_message;
use crate::pg::server::{compat, process};
use crate::pg::workers::shared::{MAX_WORKERS, Orders, Part, Shared, Stage};
use pgrx::bgworkers::{
    BackgroundWorker, BackgroundWorkerBuilder, BackgroundWorkerStatus, DynamicBackgroundWorker,
};
use pgrx::pg_sys::{self, GucContext, GucSource, Oid};
use pgrx::prelude::*;
use std::cell::RefCell;
use std::ffi::CStr;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::OnceLock;

thread_local! {
    /// The crew that this session leads. It has no destructor, because that would run at the end of the process, after the
    /// server has shut down.
    static CREW: ManuallyDrop<RefCell<Option<Rc<Crew>>>> = const { ManuallyDrop::new(RefCell::new(None)) };
}

/// The workers of a session, until they are dismissed.
pub struct Crew {
    shared: Shared,
    workers: RefCell<Vec<Option<DynamicBackgroundWorker>>>,
    parts: Vec<Part>,
}

impl Crew {
    /// Starts a worker for each of the orders' parts; those that ingest take batches from `next` on. The run continues
    /// without one that cannot start.
    pub fn start(orders: &Orders, next: i64) -> Rc<Self> {
        dismiss();
        let shared = Shared::create(orders, next);
        let parts = orders.parts.iter().take(MAX_WORKERS).enumerate();
        let workers: Vec<_> =
            parts.map_while(|(number, part)| register(&shared, number, part.name())).map(Some).collect();
        let parts = orders.parts[..workers.len()].to_vec();
        let crew = Rc::new(Self { shared, workers: RefCell::new(workers), parts });
        process::share_with(crew.processes());
        CREW.with(|current| current.replace(Some(Rc::clone(&crew))));
        crew
    }

    /// How many processes ingest, the session among them.
    pub fn processes(&self) -> usize {
        1 + self.count(Part::Ingest)
    }

    /// How many workers were started for a part.
    pub fn count(&self, part: Part) -> usize {
        self.parts.iter().filter(|&&other| other == part).count()
    }

    /// What they share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Whether workers still ingest. An error if any worker failed.
    pub fn is_ingesting(&self) -> Result<bool> {
        self.look()?;
        let workers = self.workers.borrow();
        Ok(workers.iter().zip(&self.parts).any(|(worker, part)| worker.is_some() && *part == Part::Ingest))
    }

    /// Whether any worker is left. An error if one of them failed.
    pub fn is_working(&self) -> Result<bool> {
        self.look()?;
        Ok(self.workers.borrow().iter().any(Option::is_some))
    }

    /// Looks which workers have ended, and how.
    fn look(&self) -> Result<()> {
        let mut workers = self.workers.borrow_mut();
        for (number, place) in workers.iter_mut().enumerate() {
            if place.as_ref().is_some_and(has_ended) {
                *place = None;
                self.judge(number)?;
            }
        }
        if let Some(failure) = self.shared.failure() {
            return Err(Error::Worker(failure));
        }
        Ok(())
    }

    /// Whether a worker that ended has failed.
    fn judge(&self, number: usize) -> Result<()> {
        match self.shared.stage(number) {
            Stage::Done => Ok(()),
            // Its error is in the server's log.
            Stage::Working if self.parts[number] == Part::Observe => {
                warning("the observer has ended; the run continues without it");
                Ok(())
            }
            Stage::Starting if self.parts[number] != Part::Read => {
                warning("a worker could not start; the run continues without it");
                Ok(())
            }
            // Its error is raised instead, if it left one.
            Stage::Working if self.shared.failure().is_some() => Ok(()),
            // What is measured with readers is not measured with fewer.
            Stage::Starting | Stage::Working => Err(Error::WorkerGone),
        }
    }
}

fn has_ended(worker: &DynamicBackgroundWorker) -> bool {
    matches!(worker.pid(), Err(BackgroundWorkerStatus::Stopped))
}

/// Ends the workers of this session, if it has some, and waits until they are gone.
pub fn dismiss() {
    let Some(crew) = CREW.with(|current| current.take()) else { return };
    process::share_with(1);
    crew.shared.stop();
    let workers = crew.workers.try_borrow_mut().map(|mut workers| std::mem::take(&mut *workers));
    let ending: Vec<_> =
        workers.into_iter().flatten().flatten().map(DynamicBackgroundWorker::terminate).collect();
    for worker in ending {
        // Nothing can be done if the postmaster has died.
        let _ = worker.wait_for_shutdown();
    }
    crew.shared.detach();
}

/// `None` if no more workers can be registered.
fn register(shared: &Shared, number: usize, name: &str) -> Option<DynamicBackgroundWorker> {
    // SAFETY: plain variables of this backend. The user is the one that was authenticated, from which the
    // session's current one follows by its orders. The handle is to outlive the transaction.
    unsafe {
        let (database, user) = (pg_sys::MyDatabaseId.to_u32(), (*pg_sys::MyProc).roleId.to_u32());
        let before = pg_sys::MemoryContextSwitchTo(pg_sys::TopMemoryContext);
        let worker = BackgroundWorkerBuilder::new(name)
            .set_type(name)
            .set_library("millrace")
            .set_function("millrace_ingest_worker")
            .set_extra(&format!("{} {number} {database} {user}", shared.handle()))
            .set_notify_pid(pg_sys::MyProcPid)
            .set_restart_time(None)
            .enable_spi_access()
            .load_dynamic();
        pg_sys::MemoryContextSwitchTo(before);
        worker.ok()
    }
}

// In the worker.

/// What a worker does with its orders.
type Work = fn(&Shared, &Orders, usize);

static WORK: OnceLock<Work> = OnceLock::new();

/// Registers what workers do; called when the library is loaded.
pub fn register_work(work: Work) {
    WORK.get_or_init(|| work);
}

/// The entry point of a worker.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn millrace_ingest_worker(_argument: pg_sys::Datum) {
    compat::terminate_on_sigterm();
    // SAFETY: the server has set the handlers of the other signals.
    unsafe { pg_sys::BackgroundWorkerUnblockSignals() };
    let parts: Vec<u32> = BackgroundWorker::get_extra().split(' ').flat_map(str::parse).collect();
    let &[handle, number, database, user] = parts.as_slice() else { return };
    BackgroundWorker::connect_worker_to_spi_by_oid(Some(Oid::from(database)), Some(Oid::from(user)));
    let Some((shared, orders)) = take_over(handle) else { return };
    shared.set_stage(number as usize, Stage::Working);
    let Some(work) = WORK.get() else { return };
    let work = || work(&shared, &orders, number as usize);
    PgTryBuilder::new(std::panic::AssertUnwindSafe(work))
        .catch_others(|error| {
            // A failure to observe must not end the ingest.
            if orders.parts.get(number as usize) != Some(&Part::Observe) {
                shared.fail(&Report::caught(&error));
            }
            error.rethrow()
        })
        .execute();
    shared.set_stage(number as usize, Stage::Done);
}

/// Maps the shared memory and takes on the role of its orders; `None` if the session is gone.
fn take_over(handle: u32) -> Option<(Shared, Orders)> {
    // SAFETY: the worker is in no transaction. Settings of transactions can be set before the first snapshot only.
    unsafe { pg_sys::StartTransactionCommand() };
    let shared = Shared::attach(handle)?;
    let orders = shared.orders()?;
    process::share_with(orders.processes);
    shared.restore_settings();
    set(c"session_authorization", orders.session_user());
    if let Some(role) = orders.role() {
        set(c"role", role);
    }
    // SAFETY: ends what was begun.
    unsafe { pg_sys::CommitTransactionCommand() };
    Some((shared, orders))
}

fn set(setting: &CStr, role: Oid) {
    // SAFETY: the name is a palloc'ed C string; a role that was dropped raises the server's error.
    unsafe {
        let name = pg_sys::GetUserNameFromId(role, false);
        pg_sys::SetConfigOption(setting.as_ptr(), name, GucContext::PGC_USERSET, GucSource::PGC_S_SESSION);
    }
}

/// Runs `f` in a transaction of its own. An error ends the worker.
pub fn transaction<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: the worker is in no transaction; snapshot and transaction are ended in the order they were begun.
    unsafe {
        pg_sys::SetCurrentStatementStartTimestamp();
        pg_sys::StartTransactionCommand();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let result = f();
        pg_sys::PopActiveSnapshot();
        pg_sys::CommitTransactionCommand();
        result
    }
}

/// Shows what the worker does in `pg_stat_activity`.
pub fn report_activity(what: &str) {
    let what = to_message(what);
    // SAFETY: copies the string to this process's own status entry.
    unsafe { pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, what.as_ptr()) };
}
