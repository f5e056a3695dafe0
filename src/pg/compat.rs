//! What differs between PostgreSQL's major versions.

/// An expression that hashes a row to a bigint, equal for rows that are equal by their types' rules.
pub fn row_hash(row: &str) -> String {
    if cfg!(feature = "pg13") {
        // Records have been hashable since PostgreSQL 14; their text is the next best thing.
        format!("pg_catalog.hashtextextended(({row})::pg_catalog.text, 0)")
    } else {
        format!("pg_catalog.hash_record_extended({row}, 0)")
    }
}
