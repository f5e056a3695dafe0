//! What queries see.

use pgrx::pg_sys;

/// While it lives, queries see everything that was committed when it was taken, if the isolation level lets them. Without it,
/// what a statement reads after waiting for a lock is as of the statement's beginning: a column that was dropped meanwhile
/// is still there.
pub struct Snapshot(());

impl Snapshot {
    pub fn take() -> Self {
        // SAFETY: within a transaction, whose snapshots the server keeps on a stack.
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
        Self(())
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // If an error is unwinding, the end of the transaction takes it off the stack.
        if !std::thread::panicking() {
            // SAFETY: what was pushed since has been popped, so that this one is on top.
            unsafe { pg_sys::PopActiveSnapshot() };
        }
    }
}
