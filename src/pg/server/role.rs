//! Roles: who calls, for whom the caller may act, and writing with the rights of the ledger's owner.

use pgrx::pg_sys::{self, Oid};

/// Whether the current user may become `role`: as SET ROLE has it, or as superuser.
pub fn may_act_for(role: Oid) -> bool {
    // SAFETY: look up catalogs only; the current user exists for as long as its session.
    unsafe {
        let user = pg_sys::GetUserId();
        #[cfg(any(feature = "pg14", feature = "pg15"))]
        {
            pg_sys::is_member_of_role(user, role)
        }
        // From 16 on one can be a member without the right to SET ROLE.
        #[cfg(not(any(feature = "pg14", feature = "pg15")))]
        {
            pg_sys::member_can_set_role(user, role)
        }
    }
}

/// As [`may_act_for`], of a role that may be gone: only a superuser may act for that.
pub fn may_act_for_owner(owner: Option<Oid>) -> bool {
    owner.map_or_else(is_superuser, may_act_for)
}

/// Whether the current user is a superuser.
fn is_superuser() -> bool {
    // SAFETY: looks up the catalog.
    unsafe { pg_sys::superuser() }
}

/// The current user.
pub fn current() -> Oid {
    // SAFETY: a plain variable of this process.
    unsafe { pg_sys::GetUserId() }
}

/// Does `work` as `role`, as the server's own checks of foreign keys do: whatever it calls must be safe to run with that
/// role's rights, and qualify its names.
pub fn act_as<T>(role: Oid, work: impl FnOnce() -> T) -> T {
    let _back = Identity::assume(role);
    work()
}

/// The role that this process had before, and takes again when this is dropped. (An error that ends the transaction does
/// the same.)
struct Identity {
    user: Oid,
    context: i32,
}

impl Identity {
    fn assume(role: Oid) -> Self {
        let mut before = Self { user: Oid::INVALID, context: 0 };
        // SAFETY: both pointers are to live variables. The context says that the change is local, so that nothing
        // called meanwhile can keep it, with SET ROLE say.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut before.user, &mut before.context);
            let local = before.context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32;
            pg_sys::SetUserIdAndSecContext(role, local);
        }
        before
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        // SAFETY: sets back what was read before.
        unsafe { pg_sys::SetUserIdAndSecContext(self.user, self.context) };
    }
}

/// The number that distinguishes this cluster, with its role OIDs, from one that a dump may come from.
pub fn cluster_identifier() -> i64 {
    // SAFETY: reads the control file's copy in shared memory.
    unsafe { pg_sys::GetSystemIdentifier() as i64 }
}
