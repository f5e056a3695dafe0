//! The lock that says a run is being ingested: a session's advisory lock on the run's name.
//!
//! It must outlive the transactions of the batches, so it belongs to the session. Such a lock also
//! outlives an error, so the end of a failed transaction releases it ([`super::workers`]): otherwise a cancelled run would
//! look as if it were running until its session ends.

use pgrx::pg_sys;
use std::cell::Cell;

/// `DEFAULT_LOCKMETHOD` is 1, advisory locks are the other; the header has them as untyped macros.
const USER_LOCK_METHOD: u8 = 2;
/// `pg_advisory_lock(bigint)` marks its locks so, in the fourth field of their tags.
const ONE_KEY: u16 = 1;
const EXCLUSIVE: i32 = pg_sys::ExclusiveLock as i32;

thread_local! {
    static HELD: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Takes the lock of a key, as `pg_try_advisory_lock(key)` does. False if another session has it.
pub fn try_acquire(key: i64) -> bool {
    if HELD.get() == Some(key) {
        return true;
    }
    // SAFETY: a complete tag; neither waits nor raises an error beyond running out of lock space.
    let result = unsafe { pg_sys::LockAcquire(&tag(key), EXCLUSIVE, true, true) };
    let acquired = result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL;
    if acquired {
        HELD.set(Some(key));
    }
    acquired
}

/// Releases the lock this session holds, if it holds one.
pub fn release() {
    if let Some(key) = HELD.take() {
        // SAFETY: releases what `try_acquire` acquired, with the same tag and mode.
        unsafe { pg_sys::LockRelease(&tag(key), EXCLUSIVE, true) };
    }
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
