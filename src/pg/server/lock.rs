//! The lock of a run that is being worked on: one of the server's object locks, whose object stands for the run's name.
//!
//! A session that ingests holds it from batch to batch, across transactions ([`SessionLock`]). A session that begins, drops
//! or changes a run holds it until the transaction ends, so that nobody sees the run before the change is committed.
//!
//! It is not an advisory lock, which any role could take, but has the same lock method: the server releases a session's
//! lock when the session ends, in a transaction or not.

use pgrx::pg_sys::{self, Oid};

/// An untyped macro in the server's header.
const USER_LOCK_METHOD: u8 = 2;
const EXCLUSIVE: i32 = pg_sys::ExclusiveLock as i32;

/// What is locked: an object that belongs to a table of the extension, so no other lock is the same.
#[derive(Clone, Copy)]
pub struct Key {
    pub table: Oid,
    /// A number of 47 bits, which `pg_locks` shows as `objid` and `objsubid`.
    pub number: i64,
}

/// A lock that this session holds until it is dropped.
pub struct SessionLock(Key);

impl SessionLock {
    /// Takes a lock, without waiting; `None` if another session has it.
    pub fn try_acquire(key: Key) -> Option<Self> {
        acquire(key, true).then_some(Self(key))
    }
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        // SAFETY: releases what was acquired, with the same tag and mode.
        unsafe { pg_sys::LockRelease(&tag(self.0), EXCLUSIVE, true) };
    }
}

/// Takes a lock to the end of the transaction, without waiting. False if another session has it.
pub fn try_acquire_to_commit(key: Key) -> bool {
    acquire(key, false)
}

fn acquire(key: Key, for_session: bool) -> bool {
    // SAFETY: a complete tag; it does not wait, and raises an error only where lock space runs out.
    let result = unsafe { pg_sys::LockAcquire(&tag(key), EXCLUSIVE, for_session, true) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

fn tag(key: Key) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: a plain variable of this backend.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: key.table.to_u32(),
        locktag_field3: key.number as u32,
        locktag_field4: (key.number >> 32) as u16,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: USER_LOCK_METHOD,
    }
}

/// Locks a table as a SELECT does, to the end of the transaction.
pub fn lock_to_look(table: Oid) {
    // SAFETY: as below.
    unsafe { pg_sys::LockRelationOid(table, pg_sys::AccessShareLock as pg_sys::LOCKMODE) };
}

/// Locks a table as an INSERT does, to the end of the transaction; earlier changes of it are known from then on.
pub fn lock_for_insert(table: Oid) {
    // SAFETY: takes any OID, also of a table that was dropped.
    unsafe { pg_sys::LockRelationOid(table, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE) };
}
