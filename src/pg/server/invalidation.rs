//! Hearing that a relation changed, instead of looking it up again and again.
//!
//! The server tells every backend of each change of a relation before the backend can lock that relation again, at the
//! latest when its next transaction begins. [`announce`] sends such a message, too.

use crate::pg::server::raw::guarded;
use pgrx::pg_sys::{Datum, Oid};
use pgrx::prelude::*;
use std::cell::Cell;
use std::cell::RefCell;
use std::rc::{Rc, Weak};

unsafe extern "C-unwind" {
    fn CacheRegisterRelcacheCallback(callback: unsafe extern "C-unwind" fn(Datum, Oid), argument: Datum);
    fn CacheInvalidateRelcacheByRelid(relation: Oid);
}

thread_local! {
    static WATCHES: RefCell<Vec<Weak<Watch>>> = const { RefCell::new(Vec::new()) };
}

/// Relations that somebody watches.
pub struct Watch {
    relations: Vec<Oid>,
    changed: Cell<bool>,
}

impl Watch {
    /// Begins to watch; they count as changed at first.
    pub fn new(relations: Vec<Oid>) -> Rc<Self> {
        register();
        let watch = Rc::new(Self { relations, changed: Cell::new(true) });
        WATCHES.with_borrow_mut(|watches| {
            watches.retain(|other| other.strong_count() > 0);
            watches.push(Rc::downgrade(&watch));
        });
        watch
    }

    /// Whether one of them changed since this was asked last.
    pub fn take_changed(&self) -> bool {
        self.changed.replace(false)
    }
}

/// Tells all backends, when the transaction commits, that a relation changed.
pub fn announce(relation: Oid) {
    // SAFETY: queues a message for any relation that exists; an error leaves nothing behind here.
    unsafe { guarded(|| CacheInvalidateRelcacheByRelid(relation)) };
}

/// The server keeps a process's callbacks until the process ends, and has room for only a few, so we register one.
fn register() {
    thread_local!(static REGISTERED: Cell<bool> = const { Cell::new(false) });
    if !REGISTERED.replace(true) {
        // SAFETY: the callback is a function of this library, which is never unloaded.
        unsafe { guarded(|| CacheRegisterRelcacheCallback(invalidated, Datum::from(0))) };
    }
}

/// Called by the server, in the middle of anything: it only sets flags. No relation stands for all.
#[pg_guard]
unsafe extern "C-unwind" fn invalidated(_argument: Datum, relation: Oid) {
    WATCHES.with_borrow(|watches| {
        for watch in watches.iter().filter_map(Weak::upgrade) {
            if relation == Oid::INVALID || watch.relations.contains(&relation) {
                watch.changed.set(true);
            }
        }
    });
}
