//! Relations that are open.

use crate::pg::server::compat;
use pgrx::PgList;
use pgrx::pg_sys::{self, Oid};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Takes no lock, or gives none back: locks stay to the end of the transaction.
const NO_LOCK: pg_sys::LOCKMODE = pg_sys::NoLock as pg_sys::LOCKMODE;

/// A relation that is open, and locked, for `'r`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OpenRelation<'r>(NonNull<pg_sys::RelationData>, PhantomData<&'r ()>);

impl<'r> OpenRelation<'r> {
    /// # Safety
    /// A relation that somebody has opened, and that stays open for `'r`.
    pub unsafe fn new(relation: pg_sys::Relation) -> Self {
        // SAFETY: what is open is not null.
        unsafe { Self(NonNull::new_unchecked(relation), PhantomData) }
    }

    /// The pointer, for the server's functions.
    pub fn as_ptr(self) -> pg_sys::Relation {
        self.0.as_ptr()
    }

    /// Its entry in the relation cache. The server may write to it in any call; nobody here holds a reference then.
    fn cached(&self) -> &pg_sys::RelationData {
        // SAFETY: the cache keeps what is open.
        unsafe { self.0.as_ref() }
    }

    /// Its row of `pg_class`.
    fn class(&self) -> &pg_sys::FormData_pg_class {
        // SAFETY: every relation in the cache has one.
        unsafe { &*self.cached().rd_rel }
    }

    pub fn oid(self) -> Oid {
        self.cached().rd_id
    }

    pub fn kind(self) -> u8 {
        self.class().relkind as u8
    }

    pub fn is_partition(self) -> bool {
        self.class().relispartition
    }

    pub fn is_btree(self) -> bool {
        self.class().relam == pg_sys::BTREE_AM_OID
    }

    /// How to store rows in it, if it stores any.
    pub fn access_method(&self) -> Option<&'static pg_sys::TableAmRoutine> {
        // SAFETY: null or a constant of the access method's library, which is never unloaded.
        unsafe { self.cached().rd_tableam.as_ref() }
    }

    pub fn row_type(self) -> pg_sys::TupleDesc {
        self.cached().rd_att
    }

    pub fn constraints(&self) -> Option<&pg_sys::TupleConstr> {
        // SAFETY: a relation has a row type, whose constraints may be null.
        unsafe { (*self.row_type()).constr.as_ref() }
    }

    pub fn has_rules(self) -> bool {
        !self.cached().rd_rules.is_null()
    }

    pub fn has_insert_triggers(self) -> bool {
        // SAFETY: null or the triggers of a relation that is open.
        unsafe { self.cached().trigdesc.as_ref() }.is_some_and(|triggers| {
            triggers.trig_insert_before_row
                || triggers.trig_insert_after_row
                || triggers.trig_insert_instead_row
                || triggers.trig_insert_before_statement
                || triggers.trig_insert_after_statement
                || triggers.trig_insert_new_table
        })
    }

    pub fn has_generated_columns(self) -> bool {
        self.constraints().is_some_and(compat::generates_columns)
    }

    pub fn has_exclusion_constraint(self) -> bool {
        // SAFETY: the relation's lock keeps its indexes, each of which is closed again.
        unsafe {
            let indexes = PgList::<Oid>::from_pg(pg_sys::RelationGetIndexList(self.as_ptr()));
            indexes.iter_oid().any(|index| {
                let index = pg_sys::index_open(index, pg_sys::RowExclusiveLock as pg_sys::LOCKMODE);
                let excludes = (*(*index).rd_index).indisexclusion;
                pg_sys::index_close(index, NO_LOCK);
                excludes
            })
        }
    }
}

/// What is needed to extend a heap.
#[cfg(any(feature = "pg14", feature = "pg15"))]
impl OpenRelation<'_> {
    pub fn is_temporary(self) -> bool {
        self.class().relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP
    }

    pub fn is_heap(self) -> bool {
        // SAFETY: the address of a constant.
        self.cached().rd_tableam == unsafe { pg_sys::GetHeapamTableAmRoutine() }
    }

    /// How full inserts make a page of a heap, in percent.
    pub fn fill_factor(self) -> usize {
        // SAFETY: a heap's options, if it has some, are of that type.
        let options = unsafe { self.cached().rd_options.cast::<pg_sys::StdRdOptions>().as_ref() };
        options
            .filter(|_| self.is_heap())
            .map_or(pg_sys::HEAP_DEFAULT_FILLFACTOR as usize, |options| options.fillfactor as usize)
    }

    /// How many pages its first file and those after it have.
    pub fn pages(self) -> pg_sys::BlockNumber {
        // SAFETY: it is open.
        unsafe { pg_sys::RelationGetNumberOfBlocksInFork(self.as_ptr(), pg_sys::ForkNumber::MAIN_FORKNUM) }
    }
}

/// Looks at a relation that is locked; `None` if there is none of that OID.
pub fn look_at<T>(relation: Oid, look: impl FnOnce(OpenRelation) -> T) -> Option<T> {
    // SAFETY: it is open while it is looked at, and closed once.
    unsafe {
        let relation = pg_sys::try_relation_open(relation, NO_LOCK);
        if relation.is_null() {
            return None;
        }
        let seen = look(OpenRelation::new(relation));
        pg_sys::relation_close(relation, NO_LOCK);
        Some(seen)
    }
}
