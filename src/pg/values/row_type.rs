//! Composite types: their columns, by name.

use super::convert::type_name;
use crate::error::{Error, Result};
use crate::pg::server::text::{from_c_string, from_server};
use pgrx::PgTupleDesc;
use pgrx::pg_sys::{self, Oid};
use std::ffi::{CStr, c_char};

/// A composite type: that of a call's result, or a table's.
pub struct RowType {
    pub(super) descriptor: PgTupleDesc<'static>,
    pub(super) name: String,
    /// If only some of its columns are filled, their names; the others are null.
    filled: Option<Vec<String>>,
}

/// One column of a row type that was not dropped.
pub struct Attribute {
    /// Position in the row, counted from 0.
    pub index: usize,
    pub name: String,
    /// Whether short values of varying length have short headers in tuples.
    pub(super) is_packable: bool,
    pub(in crate::pg) oid: Oid,
    pub(in crate::pg) typmod: i32,
    pub(in crate::pg) collation: Oid,
}

impl RowType {
    /// The row type a call is to return. Lives as long as the current memory context.
    pub fn of_call(fcinfo: pg_sys::FunctionCallInfo) -> Result<Self> {
        let mut descriptor = std::ptr::null_mut();
        // SAFETY: `fcinfo` is this call's; the descriptor is valid for the class that is checked, and is
        // copied because the original belongs to a cache.
        unsafe {
            let class = pg_sys::get_call_result_type(fcinfo, std::ptr::null_mut(), &mut descriptor);
            if class != pg_sys::TypeFuncClass::TYPEFUNC_COMPOSITE
                || (*descriptor).tdtypeid == pg_sys::RECORDOID
            {
                return Err(Error::NotComposite);
            }
            Ok(Self {
                name: relation_name((*descriptor).tdtypeid),
                descriptor: PgTupleDesc::from_pg_copy(descriptor),
                filled: None,
            })
        }
    }

    /// The composite type of that OID, which the caller knows to be one.
    pub fn of_type(oid: Oid) -> Self {
        // SAFETY: looks the type up in a cache, whose reference the copy gives back.
        unsafe {
            let descriptor = pg_sys::lookup_rowtype_tupdesc_copy(oid, -1);
            Self {
                name: relation_name(oid),
                descriptor: PgTupleDesc::from_pg_is_copy(descriptor),
                filled: None,
            }
        }
    }

    /// The row type of a table, or `None` if it was dropped. The table cannot be dropped for the rest of the transaction.
    pub fn of_table(table: Oid) -> Option<Self> {
        // SAFETY: any OID may be locked; who has the lock sees all changes that were committed before. It is kept.
        let row_type = unsafe {
            pg_sys::LockRelationOid(table, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
            pg_sys::get_rel_type_id(table)
        };
        (row_type != Oid::INVALID).then(|| Self::of_type(row_type))
    }

    /// Leaves all but some of its columns null.
    #[cfg(not(feature = "cbdb"))]
    pub fn filling(self, columns: &[String]) -> Self {
        Self { filled: Some(columns.to_vec()), ..self }
    }

    /// The type's own name, without its schema.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the values of a column can be hashed.
    pub fn can_hash(&self, name: &str) -> bool {
        let attribute = self.attributes().into_iter().find(|attribute| attribute.name == name);
        attribute.is_some_and(|attribute| {
            // SAFETY: looks the type up in a cache, which keeps the entry.
            let function = unsafe {
                let flags = pg_sys::TYPECACHE_HASH_EXTENDED_PROC as i32;
                (*pg_sys::lookup_type_cache(attribute.oid, flags)).hash_extended_proc
            };
            function != Oid::INVALID
        })
    }

    /// Refuses it if columns, given by position, are not of the types that are expected of them: it may have been changed since
    /// a query was planned, whose expressions read values of the types that the columns had then.
    pub fn check_types(&self, expected: impl IntoIterator<Item = (usize, Oid)>) -> Result<()> {
        let attributes = self.attributes();
        for (column, expected) in expected {
            let position = column + 1;
            let Some(found) = attributes.iter().find(|attribute| attribute.index == column) else {
                return Err(Error::ColumnDropped { position, row: self.name.clone() });
            };
            if found.oid != expected {
                let (found, expected) = (type_name(found.oid, -1), type_name(expected, -1));
                return Err(Error::RowTypeChanged { position, found, expected });
            }
        }
        Ok(())
    }

    /// Its columns, except those that were dropped or are not filled.
    pub fn attributes(&self) -> Vec<Attribute> {
        let attributes = self.descriptor.iter().enumerate().filter(|(_, attribute)| !attribute.is_dropped());
        attributes
            .map(|(index, attribute)| Attribute {
                index,
                name: attribute_name(attribute),
                is_packable: attribute.attstorage != pg_sys::TYPSTORAGE_PLAIN as c_char,
                oid: attribute.type_oid().value(),
                typmod: attribute.type_mod(),
                collation: attribute.attcollation,
            })
            .filter(|attribute| self.filled.as_ref().is_none_or(|filled| filled.contains(&attribute.name)))
            .collect()
    }
}

fn attribute_name(attribute: &pg_sys::FormData_pg_attribute) -> String {
    let name = attribute.attname.data.map(|character| character as u8);
    from_server(name.split(|&byte| byte == 0).next().unwrap_or_default())
}

/// The name of a composite type's relation.
pub(in crate::pg) fn relation_name(composite: Oid) -> String {
    // SAFETY: looks the type up in the catalogs; the name is null or a palloc'ed C string.
    unsafe {
        let name = pg_sys::get_rel_name(pg_sys::get_typ_typrelid(composite));
        if name.is_null() { String::new() } else { from_c_string(CStr::from_ptr(name)) }
    }
}
