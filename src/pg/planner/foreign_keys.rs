//! Foreign keys between generated tables, for the planner's estimates of joins.
//!
//! Without them it takes the two columns of a key for independent, and expects hundreds of rows where each order line joins
//! one supplier of its part. Tables have their keys in the catalog; those of calls come from the sources ([`Reference`]).

use crate::call::Call;
use crate::pg::planner::call::GeneratingCall;
use crate::pg::planner::relation::BaseRelation;
use crate::pg::values::row_type::Attribute;
use millrace_sources::Reference;
use pgrx::{PgList, pg_sys};

/// Adds the keys between a call and those before it, either way round.
pub fn add(relation: &BaseRelation) {
    let Some(table) = Table::new(relation.rel().relid, relation.call) else { return };
    for (relid, call) in relation.calls_before() {
        let Some(other) = Table::new(relid, call) else { continue };
        for key in table.keys_to(&other).chain(other.keys_to(&table)) {
            match_to_joins(relation, key);
        }
    }
}

/// A call that makes a table.
struct Table {
    relid: pg_sys::Index,
    call: Call,
    is_whole: bool,
    attributes: Vec<Attribute>,
}

impl Table {
    /// `None` if an argument of the call is not known.
    fn new(relid: pg_sys::Index, planned: GeneratingCall) -> Option<Self> {
        let call = planned.planned()?;
        let (source, units) = call.open().ok()?;
        let is_whole = units == (0..source.units());
        Some(Self { relid, call, is_whole, attributes: planned.row_type().attributes() })
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The keys by which every row of this table has a row in the other, which must be whole and of the same scale.
    fn keys_to(&self, other: &Table) -> impl Iterator<Item = pg_sys::ForeignKeyOptInfo> {
        let (from, to) = (&self.call, &other.call);
        let related = other.is_whole && from.options == to.options && from.source.family == to.source.family;
        let references = self.call.source.references.iter();
        let references = references.filter(move |reference| related && reference.source == to.source.name);
        references.filter_map(|reference| self.key(reference, other))
    }

    /// What the planner would have read from the catalog.
    fn key(&self, reference: &Reference, other: &Table) -> Option<pg_sys::ForeignKeyOptInfo> {
        let mut key = pg_sys::ForeignKeyOptInfo {
            type_: pg_sys::NodeTag::T_ForeignKeyOptInfo,
            con_relid: self.relid,
            ref_relid: other.relid,
            nkeys: reference.columns.len() as i32,
            ..Default::default()
        };
        for (index, (column, referenced)) in reference.columns.iter().zip(reference.key).enumerate() {
            let (column, referenced) = (self.attribute(column)?, other.attribute(referenced)?);
            key.conkey[index] = (column.index + 1) as pg_sys::AttrNumber;
            key.confkey[index] = (referenced.index + 1) as pg_sys::AttrNumber;
            // SAFETY: looks the type up in a cache, which keeps the entry.
            key.conpfeqop[index] = unsafe {
                (*pg_sys::lookup_type_cache(referenced.oid, pg_sys::TYPECACHE_EQ_OPR as i32)).eq_opr
            };
        }
        Some(key)
    }
}

/// Keeps the key if the query joins by all its columns. The keys of tables are matched already, so we match only ours: if
/// matched again they would be counted twice.
fn match_to_joins(relation: &BaseRelation, key: pg_sys::ForeignKeyOptInfo) {
    let root = relation.root;
    // SAFETY: joins are not planned yet, so that keys may still be added to the planner's list; the node is allocated as
    // others of the planner's are.
    unsafe {
        let node = pg_sys::palloc(size_of_val(&key)).cast::<pg_sys::ForeignKeyOptInfo>();
        node.write(key);
        let mut keys = PgList::<pg_sys::ForeignKeyOptInfo>::new();
        keys.push(node);
        let matched_before = std::mem::replace(&mut (*root).fkey_list, keys.into_pg());
        pg_sys::match_foreign_keys_to_quals(root);
        let matched = (*root).fkey_list;
        // A join clause counts for the first key that matches it, and a key of several columns needs all its clauses.
        let (first, then) = if key.nkeys > 1 { (matched, matched_before) } else { (matched_before, matched) };
        (*root).fkey_list = pg_sys::list_concat(first, then);
    }
}
