//! What the planner knows about generated rows beyond their number: for each column how many distinct values it has, which
//! are common, how they are distributed, and how wide they are.
//!
//! The sources say it ([`ColumnStatistics`]). Here it becomes what ANALYZE would have stored for a table: a row of
//! `pg_statistic` for each column the planner asks about, whether the scan or the function makes the rows.

use crate::pg::planner::call::GeneratingCall;
#[cfg(not(feature = "cbdb"))]
use crate::pg::planner::relation::BaseRelation;
use crate::pg::server::node::Node;
use crate::pg::server::raw::guarded;
use crate::pg::values::arena::Arena;
use crate::pg::values::encode::{Column, Layout};
use crate::pg::values::row_type::Attribute;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use millrace_sources::{ColumnStatistics, Distinct};
use pgrx::pg_sys::{self, AttrNumber, Datum, Oid};
use pgrx::prelude::*;
use std::ptr::null_mut;

static mut PREVIOUS_HOOK: pg_sys::get_relation_stats_hook_type = None;

/// Answers the planner's requests for statistics; called when the library is loaded.
pub fn register() {
    // SAFETY: runs once, on the process's only thread.
    unsafe {
        PREVIOUS_HOOK = pg_sys::get_relation_stats_hook;
        pg_sys::get_relation_stats_hook = Some(get_relation_stats);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn get_relation_stats(
    root: *mut pg_sys::PlannerInfo,
    rte: *mut pg_sys::RangeTblEntry,
    attribute: AttrNumber,
    answer: *mut pg_sys::VariableStatData,
) -> bool {
    // SAFETY: called by the planner with its own nodes. The column's type may have been changed since the query was
    // parsed; then values of the new type are no answer.
    unsafe {
        let column = Node::new(rte)
            .and_then(Node::read)
            .and_then(GeneratingCall::of_range_table)
            .and_then(|call| CallColumn::new(call, attribute));
        match column.filter(|column| column.attribute.oid == (*answer).atttype) {
            Some(column) => {
                (*answer).statsTuple = column.statistic();
                (*answer).freefunc = Some(free_statistic);
                // The generated values are no secret, so any operator may see them.
                (*answer).acl_ok = true;
                true
            }
            // Its error must unwind through our frames.
            None => PREVIOUS_HOOK.is_some_and(|previous| guarded(|| previous(root, rte, attribute, answer))),
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn free_statistic(tuple: pg_sys::HeapTuple) {
    // SAFETY: the planner gives back the tuple it got from the hook.
    unsafe { pg_sys::heap_freetuple(tuple) };
}

/// Replaces the widths that the planner takes from the types of a call's columns; it asks for statistics of widths only for
/// tables.
#[cfg(not(feature = "cbdb"))]
pub fn set_widths(relation: &BaseRelation) {
    for column in relation.columns_in_target().map(|var| var.varattno) {
        if let Some(known) = CallColumn::new(relation.call, column) {
            relation.set_width(column, known.width());
        }
    }
}

/// A column of a call, with what its source says about it.
struct CallColumn {
    attribute: Attribute,
    statistics: ColumnStatistics,
    /// The type in which the source makes it.
    data_type: DataType,
    common: Values,
    bounds: Values,
}

impl CallColumn {
    /// `None` if nothing is known: an argument is not known, or the column is not the source's.
    fn new(call: GeneratingCall, number: AttrNumber) -> Option<Self> {
        let (source, units) = call.planned()?.open().ok()?;
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let attribute =
            call.row_type().attributes().into_iter().find(|attribute| attribute.index == index)?;
        let column = source.schema().index_of(&attribute.name).ok()?;
        let statistics = source.statistics(column, units);
        let data_type = source.schema().field(column).data_type().clone();
        let values =
            |array: Option<&ArrayRef>| Values::new(array, &attribute, &data_type).unwrap_or_default();
        let common = values(statistics.common.as_ref().map(|common| &common.values));
        let bounds = values(statistics.bounds.as_ref());
        Some(Self { attribute, statistics, data_type, common, bounds })
    }

    /// The mean width of a stored value in bytes.
    fn width(&self) -> i32 {
        /// Values up to this long have a length of one byte.
        const SHORT: f64 = 126.0;
        let Attribute { oid, typmod, .. } = self.attribute;
        // SAFETY: looks the type up in a cache.
        let fixed = unsafe { pg_sys::get_typlen(oid) };
        let bytes = match Layout::direct(&self.data_type, oid, typmod) {
            _ if fixed > 0 => return fixed.into(),
            Some(Layout::Padded { length }) => Some(length as f64),
            Some(_) => self.statistics.mean_length.or_else(|| self.mean_bytes()),
            None => None,
        };
        match bytes {
            Some(bytes) if bytes <= SHORT => bytes.round() as i32 + 1,
            Some(bytes) => bytes.round() as i32 + 4,
            // SAFETY: as above.
            None => unsafe { pg_sys::get_typavgwidth(oid, typmod) },
        }
    }

    /// The mean size of the values that are known, without length words.
    fn mean_bytes(&self) -> Option<f64> {
        let (common, bounds) = (&self.common.bytes, &self.bounds.bytes);
        match &self.statistics.common {
            Some(known) if !common.is_empty() => {
                Some(common.iter().zip(&known.shares).map(|(bytes, share)| bytes * share).sum())
            }
            _ if bounds.is_empty() => None,
            _ => Some(bounds.iter().sum::<f64>() / bounds.len() as f64),
        }
    }

    /// The row of `pg_statistic`, in the current memory context.
    fn statistic(mut self) -> pg_sys::HeapTuple {
        let distinct = match self.statistics.distinct {
            Distinct::Unknown => 0.0,
            Distinct::Number(number) => number as f32,
            // As in the catalog, where a share is written as a negative number.
            Distinct::Share(share) => -share as f32,
        };
        let mut row = StatisticRow::new(self.statistics.null_fraction as f32, self.width(), distinct);
        let Attribute { oid, collation, .. } = self.attribute;
        let (less, equal) = sort_operators(oid);
        if let Some(known) = self.statistics.common.filter(|_| !self.common.datums.is_empty()) {
            let shares = known.shares.iter().map(|&share| share as f32).collect();
            row.add(pg_sys::STATISTIC_KIND_MCV, (equal, collation), shares, (oid, &mut self.common.datums));
        }
        // A histogram has at least two bounds.
        if self.bounds.datums.len() > 1 {
            sort(&mut self.bounds.datums, oid, collation);
            let values = self.bounds.datums.as_mut_slice();
            row.add(pg_sys::STATISTIC_KIND_HISTOGRAM, (less, collation), Vec::new(), (oid, values));
        }
        row.form()
    }
}

/// Values as the column has them.
#[derive(Default)]
struct Values {
    datums: Vec<Datum>,
    /// The sizes in bytes, without length words, of those that have one.
    bytes: Vec<f64>,
    /// What the datums point to.
    #[expect(dead_code, reason = "owned for the datums")]
    memory: Arena,
}

impl Values {
    /// `None` without values, or if they need a cast to the column's type: that may fail, and planning must not.
    fn new(array: Option<&ArrayRef>, attribute: &Attribute, data_type: &DataType) -> Option<Self> {
        let array = array?;
        let layout = Layout::direct(data_type, attribute.oid, attribute.typmod)?;
        let column = Column::new(&attribute.name, array, layout)?.recoded();
        let mut memory = Arena::default();
        let datum = |row| column.datum(row, &mut memory).ok().flatten();
        let datums = (0..array.len()).map(datum).collect::<Option<Vec<Datum>>>()?;
        let bytes = match layout {
            Layout::Numeric | Layout::Text { .. } | Layout::Padded { .. } => {
                datums.iter().map(|&datum| varlena_bytes(datum)).collect()
            }
            _ => Vec::new(),
        };
        Some(Self { datums, bytes, memory })
    }
}

/// The size of a value of varying length, without its length word.
fn varlena_bytes(datum: Datum) -> f64 {
    const LENGTH_WORD: usize = 4;
    // SAFETY: [`Column`] makes values of varying length with a full length word.
    (unsafe { pgrx::varsize_4b(datum.cast_mut_ptr()) } - LENGTH_WORD) as f64
}

/// Sorts values in their type's own order; the sources sort by bytes only.
fn sort(values: &mut [Datum], oid: Oid, collation: Oid) {
    // SAFETY: the entry is the cache's, which keeps it; the values are of the type.
    unsafe {
        let entry = pg_sys::lookup_type_cache(oid, pg_sys::TYPECACHE_CMP_PROC_FINFO as i32);
        let compare = &raw mut (*entry).cmp_proc_finfo;
        if (*compare).fn_addr.is_some() {
            let order =
                |one: &Datum, other: &Datum| pg_sys::FunctionCall2Coll(compare, collation, *one, *other);
            values.sort_by(|one, other| (order(one, other).value() as i32).cmp(&0));
        }
    }
}

/// The operators `<` and `=` that sorting a type uses.
fn sort_operators(oid: Oid) -> (Oid, Oid) {
    let (mut less, mut equal) = (Oid::INVALID, Oid::INVALID);
    // SAFETY: looks the type up in a cache; what is not asked for has a null pointer.
    unsafe {
        pg_sys::get_sort_group_operators(
            oid,
            false,
            false,
            false,
            &mut less,
            &mut equal,
            null_mut(),
            null_mut(),
        );
    }
    (less, equal)
}

const COLUMNS: usize = pg_sys::Natts_pg_statistic as usize;

/// A row of `pg_statistic` that is being built.
struct StatisticRow {
    values: [Datum; COLUMNS],
    nulls: [bool; COLUMNS],
    /// How many of its slots are taken, each a kind of statistics.
    slots: u32,
}

impl StatisticRow {
    fn new(null_fraction: f32, width: i32, distinct: f32) -> Self {
        let mut row = Self { values: [Datum::from(0); COLUMNS], nulls: [false; COLUMNS], slots: 0 };
        row.set(pg_sys::Anum_pg_statistic_stanullfrac, null_fraction.into_datum());
        row.set(pg_sys::Anum_pg_statistic_stawidth, width.into_datum());
        row.set(pg_sys::Anum_pg_statistic_stadistinct, distinct.into_datum());
        for slot in 0..pg_sys::STATISTIC_NUM_SLOTS {
            row.set(pg_sys::Anum_pg_statistic_stanumbers1 + slot, None);
            row.set(pg_sys::Anum_pg_statistic_stavalues1 + slot, None);
        }
        row
    }

    fn set(&mut self, column: u32, value: Option<Datum>) {
        let index = column as usize - 1;
        self.values[index] = value.unwrap_or(Datum::null());
        self.nulls[index] = value.is_none();
    }

    /// Takes a slot: its kind, its operator and collation, numbers, and values of a type.
    fn add(
        &mut self,
        kind: u32,
        (operator, collation): (Oid, Oid),
        numbers: Vec<f32>,
        (oid, values): (Oid, &mut [Datum]),
    ) {
        let mut numbers: Vec<Datum> = numbers.into_iter().filter_map(IntoDatum::into_datum).collect();
        let slot = self.slots;
        self.slots += 1;
        self.set(pg_sys::Anum_pg_statistic_stakind1 + slot, (kind as i16).into_datum());
        self.set(pg_sys::Anum_pg_statistic_staop1 + slot, operator.into_datum());
        self.set(pg_sys::Anum_pg_statistic_stacoll1 + slot, collation.into_datum());
        if !numbers.is_empty() {
            let numbers = array(pg_sys::FLOAT4OID, &mut numbers);
            self.set(pg_sys::Anum_pg_statistic_stanumbers1 + slot, Some(numbers));
        }
        self.set(pg_sys::Anum_pg_statistic_stavalues1 + slot, Some(array(oid, values)));
    }

    /// The row, in the current memory context.
    fn form(mut self) -> pg_sys::HeapTuple {
        // SAFETY: the catalog is open while its descriptor is used, which has this many columns in every
        // version; the arrays were made here, and the row has copies of them.
        unsafe {
            let lock = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
            let catalog = pg_sys::table_open(pg_sys::StatisticRelationId, lock);
            let (values, nulls) = (self.values.as_mut_ptr(), self.nulls.as_mut_ptr());
            let tuple = pg_sys::heap_form_tuple((*catalog).rd_att, values, nulls);
            pg_sys::table_close(catalog, lock);
            let arrays = pg_sys::Anum_pg_statistic_stanumbers1 as usize - 1..COLUMNS;
            for (value, _) in
                arrays.map(|index| (self.values[index], self.nulls[index])).filter(|(_, null)| !null)
            {
                pg_sys::pfree(value.cast_mut_ptr());
            }
            tuple
        }
    }
}

/// An array of values of a type, in the current memory context.
fn array(oid: Oid, values: &mut [Datum]) -> Datum {
    let (mut length, mut by_value, mut alignment) = (0, false, 0);
    // SAFETY: the values are of the type, whose properties are looked up first.
    unsafe {
        pg_sys::get_typlenbyvalalign(oid, &mut length, &mut by_value, &mut alignment);
        let count = values.len() as i32;
        let array =
            pg_sys::construct_array(values.as_mut_ptr(), count, oid, length.into(), by_value, alignment);
        Datum::from(array)
    }
}
