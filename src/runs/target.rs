//! The tables that runs load.

use crate::error::{Error, Result};
use crate::pg::server::cluster;
use crate::pg::values::reader::check_table;
use crate::pg::values::row_type::RowType;
use crate::runs::ledger::{Storage, Target, one};
use millrace_sources::Source;
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;

/// A relation, $1, and its partitions, without the locks that `pg_partition_tree` takes on all of them.
pub const TREE: &str = "WITH RECURSIVE tree(relid) AS (
     SELECT $1
     UNION ALL
     SELECT i.inhrelid
     FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) tree.relid
     JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid
     WHERE c.relispartition)";

/// A relation one might ingest into.
pub struct Relation {
    oid: Oid,
    /// Qualified and quoted, ready for a statement.
    pub name: String,
    /// As it is, which may be the name of a source.
    pub short_name: String,
    kind: String,
    is_temporary: bool,
    may_insert: bool,
}

impl Relation {
    /// The relation of that OID, if there is one.
    pub fn look_up(oid: Oid) -> Result<Option<Self>> {
        let found = Spi::connect(|client| {
            let mut rows = client.select(
                "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relname::pg_catalog.text,
                        c.relkind::pg_catalog.text, c.relpersistence OPERATOR(pg_catalog.=) 't',
                        pg_catalog.has_table_privilege(c.oid, 'INSERT')
                        OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT')
                 FROM pg_catalog.pg_class c
                 JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
                 WHERE c.oid OPERATOR(pg_catalog.=) $1",
                Some(1),
                &[oid.into()],
            )?;
            let Some(row) = rows.next() else { return Ok(None) };
            Ok::<_, pgrx::spi::Error>(Some(Self {
                oid,
                name: row.get(1)?.unwrap_or_default(),
                short_name: row.get(2)?.unwrap_or_default(),
                kind: row.get(3)?.unwrap_or_default(),
                is_temporary: row.get(4)?.unwrap_or_default(),
                may_insert: row.get(5)?.unwrap_or_default(),
            }))
        });
        Ok(found?)
    }

    /// Its OID.
    pub fn oid(&self) -> Oid {
        self.oid
    }

    /// As [`Relation::look_up`], but only what one can insert into, and may.
    pub fn find(oid: Oid) -> Result<Self> {
        let relation = Self::look_up(oid)?.ok_or_else(|| Error::NotATable(oid.to_u32().to_string()))?;
        if !["r", "p", "f", "v"].contains(&relation.kind.as_str()) {
            return Err(Error::NotATable(relation.name));
        }
        if !relation.may_insert {
            return Err(Error::NoInsertRight(relation.name));
        }
        Ok(relation)
    }

    /// What tells its content from that of a table emptied or made again.
    pub fn storage(&self) -> Result<Storage> {
        let storage = Spi::connect(|client| {
            let rows = client.select(
                &format!(
                    "{TREE} SELECT pg_catalog.bool_or(c.relpersistence OPERATOR(pg_catalog.<>) 'p'),
                        pg_catalog.bool_and(c.relpersistence OPERATOR(pg_catalog.<>) 'p'),
                        pg_catalog.array_agg(c.oid),
                        pg_catalog.array_agg(COALESCE(pg_catalog.pg_relation_filenode(c.oid), c.oid))
                 FROM pg_catalog.pg_class c
                 WHERE c.relkind OPERATOR(pg_catalog.<>) 'p'
                    AND c.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT tree.relid FROM tree))"
                ),
                Some(1),
                &[self.oid.into()],
            )?;
            let row = rows.first();
            let (any, all): (Option<bool>, Option<bool>) = (row.get(1)?, row.get(2)?);
            Ok::<_, pgrx::spi::Error>((
                any != all,
                Storage {
                    // A crash on a cluster empties one segment's part, and would empty one of the ledger's copies.
                    unlogged: any.unwrap_or_default() && !cluster::is_cluster(),
                    leaves: row.get(3)?.unwrap_or_default(),
                    filenodes: row.get(4)?.unwrap_or_default(),
                },
            ))
        });
        let (mixed, storage) = storage?;
        if mixed {
            // A crash would empty some of its partitions: neither ledger would be right.
            let what = "a target with both logged and unlogged partitions";
            let hint = "Make all partitions of one kind with ALTER TABLE ... SET LOGGED or SET UNLOGGED.";
            return Err(Error::NotSupported { what, hint });
        }
        Ok(storage)
    }

    /// Whether rows of it are in no log, though they outlive the session.
    pub fn is_unlogged(&self) -> Result<bool> {
        let unlogged = one(
            &format!(
                "{TREE} SELECT pg_catalog.bool_or(c.relpersistence OPERATOR(pg_catalog.=) 'u')
                 FROM pg_catalog.pg_class c
                 WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT tree.relid FROM tree))"
            ),
            &[self.oid.into()],
        )?;
        Ok(unlogged.unwrap_or(false))
    }

    /// The columns to insert: those the source has, but for what the table makes itself. A column that neither
    /// the source nor the table has a value for is an error.
    pub fn check(&self, source_name: &str, source: &dyn Source) -> Result<Columns> {
        let schema = source.schema();
        let row_type = RowType::of_table(self.oid).ok_or_else(|| Error::UnknownTarget(self.name.clone()))?;
        check_table(&row_type, source_name, &schema)?;
        let (mut names, mut missing) = (Vec::new(), Vec::new());
        for column in self.columns()? {
            match schema.index_of(&column.name).ok() {
                Some(_) if !column.made_by_table => names.push(column.name),
                None if !column.has_default => missing.push(column.name),
                _ => {}
            }
        }
        let (source, row) = (source_name.to_owned(), self.name.clone());
        if !missing.is_empty() {
            return Err(Error::NoSuchColumns { source, row, columns: missing });
        }
        if names.is_empty() {
            return Err(Error::NoCommonColumn { source, row });
        }
        let filled = names.iter().map(pgrx::spi::quote_identifier).collect();
        Ok(Columns { names, filled })
    }

    /// As a run notes it.
    pub fn into_target(self, number: i32) -> Result<Target> {
        Ok(Target { number, storage: self.storage()?, name: self.name, relation: self.oid })
    }

    /// Refuses more than one process where only this one can see the table.
    pub fn check_shared(&self, workers: usize) -> Result<()> {
        if workers > 1 && self.is_temporary {
            let what = "ingesting into a temporary table with more than one process";
            let hint = "No other process can see it: use workers => 1.";
            return Err(Error::NotSupported { what, hint });
        }
        Ok(())
    }

    fn columns(&self) -> Result<Vec<TableColumn>> {
        let columns = Spi::connect(|client| {
            let rows = client.select(
                "SELECT attname::pg_catalog.text,
                        attgenerated OPERATOR(pg_catalog.<>) '' OR attidentity OPERATOR(pg_catalog.=) 'a',
                        atthasdef OR attidentity OPERATOR(pg_catalog.<>) ''
                 FROM pg_catalog.pg_attribute
                 WHERE attrelid OPERATOR(pg_catalog.=) $1 AND attnum OPERATOR(pg_catalog.>) 0 AND NOT attisdropped
                 ORDER BY attnum",
                None,
                &[self.oid.into()],
            )?;
            rows.map(|row| {
                Ok(TableColumn {
                    name: row.get(1)?.unwrap_or_default(),
                    made_by_table: row.get(2)?.unwrap_or_default(),
                    has_default: row.get(3)?.unwrap_or_default(),
                })
            })
            .collect::<std::result::Result<_, pgrx::spi::Error>>()
        });
        Ok(columns?)
    }
}

/// The columns of a table that a source fills.
pub struct Columns {
    pub names: Vec<String>,
    /// Their names, quoted.
    pub filled: Vec<String>,
}

/// A column of a relation one might ingest into.
struct TableColumn {
    name: String,
    /// Generated, or an identity that takes no other value.
    made_by_table: bool,
    has_default: bool,
}
