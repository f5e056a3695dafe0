//! Statements that the server has prepared, and keeps a plan of until something changes that the plan depends on.

use crate::error::Result;
use pgrx::Spi;
use pgrx::pg_sys::{self, Oid};
use std::ffi::CStr;
use std::ptr::null_mut;

/// A prepared statement; dropped, it is forgotten.
pub struct Prepared {
    plan: pg_sys::SPIPlanPtr,
    source: *mut pg_sys::CachedPlanSource,
}

impl Prepared {
    /// Prepares one statement. Raises the server's error if there is one in it.
    pub fn new(statement: &CStr, parameters: &mut [Oid]) -> Result<Self> {
        let mut prepare = || {
            // SAFETY: SPI is connected; statement and parameters live through the call. What it keeps of one statement
            // has one source, which lives as long.
            unsafe {
                let count = parameters.len() as i32;
                let plan = pg_sys::SPI_prepare(statement.as_ptr(), count, parameters.as_mut_ptr());
                if plan.is_null() {
                    Spi::check_status(pg_sys::SPI_result)?;
                }
                // SPI refuses only what is no plan, or kept already.
                pg_sys::SPI_keepplan(plan);
                let source = pg_sys::list_nth(pg_sys::SPI_plan_get_plan_sources(plan), 0);
                Ok::<_, pgrx::spi::Error>(Self { plan, source: source.cast() })
            }
        };
        Ok(Spi::connect(|_| prepare())?)
    }

    /// Whether the server has heard of no change to what the statement names since it was planned.
    pub fn is_valid(&self) -> bool {
        // SAFETY: the source is kept.
        unsafe { pg_sys::CachedPlanIsValid(self.source) }
    }

    /// The current plan for any parameters, made again if necessary; `None` if a rule has made several statements of the
    /// one. Its tables are locked.
    pub fn plan(&self) -> Option<Plan> {
        // SAFETY: the source is kept, so that a resource owner may hold references to its plan.
        let plan = unsafe {
            let owner = pg_sys::CurrentResourceOwner;
            Plan { plan: pg_sys::GetCachedPlan(self.source, null_mut(), owner, null_mut()), owner }
        };
        (plan.statements() == 1).then_some(plan)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // SAFETY: it was kept by `new`, and is given back once. Plans still in use live on.
        unsafe { pg_sys::SPI_freeplan(self.plan) };
    }
}

/// A plan of one statement, in use.
pub struct Plan {
    plan: *mut pg_sys::CachedPlan,
    owner: pg_sys::ResourceOwner,
}

impl Plan {
    /// Distinguishes it from the plans made before and after it.
    pub fn generation(&self) -> i32 {
        // SAFETY: the plan is held.
        unsafe { (*self.plan).generation }
    }

    fn statements(&self) -> i32 {
        // SAFETY: the plan is held; its list may be empty, which is null.
        unsafe { (*self.plan).stmt_list.as_ref().map_or(0, |list| list.length) }
    }

    /// What it does, in nodes that nobody changes while it is held.
    pub fn statement(&self) -> &pg_sys::PlannedStmt {
        // SAFETY: the plan is held; its list is one of planned statements, and has one.
        unsafe { &*pg_sys::list_nth((*self.plan).stmt_list, 0).cast() }
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // If an error is unwinding, the end of the transaction gives it back.
        if !std::thread::panicking() {
            // SAFETY: it was got for this resource owner, and is given back once.
            unsafe { pg_sys::ReleaseCachedPlan(self.plan, self.owner) };
        }
    }
}
