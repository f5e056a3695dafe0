//! The lock that says a run is being worked on: an advisory lock on the run's name.
//!
//! A session that ingests holds it from batch to batch, so beyond transactions ([`SessionLock`]); whoever begins, drops or
//! changes a run holds it until the transaction ends, so that nobody sees the run before the change is committed.

use pgrx::pg_sys::{self, Oid};

/// `DEFAULT_LOCKMETHOD` is 1, advisory locks are the other; the header has them as untyped macros.
const USER_LOCK_METHOD: u8 = 2;
/// `pg_advisory_lock(bigint)` marks its locks so, in the fourth field of their tags.
const ONE_KEY: u16 = 1;
const EXCLUSIVE: i32 = pg_sys::ExclusiveLock as i32;

/// A lock that this session holds until it is dropped.
pub struct SessionLock(i64);

impl SessionLock {
    /// Takes the lock of a key, as `pg_try_advisory_lock(key)` does; `None` if another session has it.
    pub fn try_acquire(key: i64) -> Option<Self> {
        acquire(key, true).then_some(Self(key))
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // SAFETY: releases what was acquired, with the same tag and mode.
        unsafe { pg_sys::LockRelease(&tag(self.0), EXCLUSIVE, true) };
    }
}

/// Takes the lock of a key to the end of the transaction, as `pg_try_advisory_xact_lock(key)` does. False if another
/// session has it.
pub fn try_acquire_to_commit(key: i64) -> bool {
    acquire(key, false)
}

fn acquire(key: i64, for_session: bool) -> bool {
    // SAFETY: a complete tag; it does not wait, and raises an error only where lock space runs out.
    let result = unsafe { pg_sys::LockAcquire(&tag(key), EXCLUSIVE, for_session, true) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

fn tag(key: i64) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: a plain variable of this backend.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: (key as u64 >> 32) as u32,
        locktag_field3: key as u32,
        locktag_field4: ONE_KEY,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: USER_LOCK_METHOD,
    }
}

/// Locks a table as an INSERT does, to the end of the transaction; what changed it before is known from then on.
pub fn lock_for_insert(table: Oid) {
    // SAFETY: takes any OID, also of a table that was dropped.
    unsafe { pg_sys::LockRelationOid(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE) };
}
