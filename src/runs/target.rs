//! The tables that runs load.

use crate::error::{Error, Result};
use crate::pg::server::cluster;
use crate::pg::server::query::explain;
use crate::pg::values::reader::check_columns;
use crate::pg::values::row_type::RowType;
use crate::runs::ledger::{Storage, Target, one, text, value};
use millrace_sources::Source;
use pgrx::pg_sys::Oid;
use pgrx::prelude::*;
use pgrx::spi::SpiHeapTupleData;
use serde_json::Value;

/// A relation that may be the target of a run.
pub struct Relation {
    oid: Oid,
    /// Qualified and quoted, ready for a statement.
    pub name: String,
    /// Neither qualified nor quoted; it may be the name of a source.
    pub short_name: String,
    schema: String,
    kind: String,
    is_temporary: bool,
    may_insert: bool,
}

impl Relation {
    /// The relation of that OID, if there is one.
    pub fn look_up(oid: Oid) -> Result<Option<Self>> {
        Spi::connect(|client| {
            let mut rows = client.select(
                "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relname::pg_catalog.text,
                        c.relkind::pg_catalog.text, c.relpersistence OPERATOR(pg_catalog.=) 't',
                        pg_catalog.has_table_privilege(c.oid, 'INSERT')
                        OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT'),
                        n.nspname::pg_catalog.text
                 FROM pg_catalog.pg_class c
                 JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
                 WHERE c.oid OPERATOR(pg_catalog.=) $1
                       -- Null where it was dropped since the query began.
                       AND pg_catalog.has_table_privilege(c.oid, 'INSERT') IS NOT NULL",
                Some(1),
                &[oid.into()],
            )?;
            let Some(row) = rows.next() else { return Ok(None) };
            Ok(Some(Self {
                oid,
                name: text(&row, 1)?,
                short_name: text(&row, 2)?,
                kind: text(&row, 3)?,
                is_temporary: value(&row, 4)?,
                may_insert: value(&row, 5)?,
                schema: text(&row, 6)?,
            }))
        })
    }

    /// Its OID.
    pub fn oid(&self) -> Oid {
        self.oid
    }

    /// As [`Relation::look_up`], but an error unless the relation accepts inserts and the caller may insert.
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

    /// What shows that it was neither emptied nor created again. For a view, that of its tables.
    pub fn storage(&self) -> Result<Storage> {
        let query = format!(
            "{TREE}
             SELECT pg_catalog.bool_or(c.relpersistence OPERATOR(pg_catalog.<>) 'p'),
                    pg_catalog.bool_and(c.relpersistence OPERATOR(pg_catalog.<>) 'p'),
                    pg_catalog.array_agg(c.oid),
                    pg_catalog.array_agg(COALESCE(pg_catalog.pg_relation_filenode(c.oid), c.oid))
             FROM pg_catalog.pg_class c
             WHERE c.relkind OPERATOR(pg_catalog.<>) ALL (ARRAY['p', 'v'])
                   AND c.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT tree.oid FROM tree))"
        );
        let (mixed, storage) = Spi::connect(|client| {
            let row = client.select(query.as_str(), Some(1), &[self.oid.into()])?.first();
            let (any, all): (Option<bool>, Option<bool>) = (row.get(1)?, row.get(2)?);
            let storage = Storage {
                // A crash on a cluster empties one segment's part, and would empty one of the ledger's copies.
                unlogged: any.unwrap_or(false) && !cluster::is_cluster(),
                // The tables that a view's trigger or rule fills are not known.
                leaves: row.get(3)?.unwrap_or_default(),
                filenodes: row.get(4)?.unwrap_or_default(),
            };
            Ok::<_, Error>((any != all, storage))
        })?;
        if mixed {
            // A crash would empty some of its partitions: neither ledger would be right.
            let what = "a target with both logged and unlogged partitions";
            let hint = "Make all partitions of one kind with ALTER TABLE ... SET LOGGED or SET UNLOGGED.";
            return Err(Error::NotSupported { what, hint });
        }
        Ok(storage)
    }

    /// Whether any of its rows are stored on another server; those in partitions and below a view count.
    pub fn is_foreign(&self) -> Result<bool> {
        self.has_below("c.relkind OPERATOR(pg_catalog.=) 'f'")
    }

    /// Whether any of its rows are unlogged; those of temporary tables do not count.
    pub fn is_unlogged(&self) -> Result<bool> {
        self.has_below("c.relpersistence OPERATOR(pg_catalog.=) 'u'")
    }

    /// Whether the relation, or one that its rows go into, meets a condition on its row of `pg_class`.
    fn has_below(&self, condition: &str) -> Result<bool> {
        let query = format!(
            "{TREE}
             SELECT pg_catalog.bool_or({condition})
             FROM pg_catalog.pg_class c
             WHERE c.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT tree.oid FROM tree))"
        );
        Ok(one(&query, &[self.oid.into()])?.unwrap_or(false))
    }

    /// The columns to insert: those the source has, except those that the table computes itself. A column for which
    /// neither the source nor the table has a value is an error.
    pub fn check(&self, source_name: &str, source: &dyn Source) -> Result<Columns> {
        let schema = source.schema();
        let (mut names, mut missing) = (Vec::new(), Vec::new());
        for column in self.columns()? {
            match schema.index_of(&column.name).ok() {
                Some(_) if !column.made_by_table => names.push(column.name),
                None if !column.has_default => missing.push(column.name),
                _ => {}
            }
        }
        let (from_source, row) = (source_name.to_owned(), self.name.clone());
        if !missing.is_empty() {
            return Err(Error::NoSuchColumns { from_source, row, columns: missing });
        }
        if names.is_empty() {
            return Err(Error::NoCommonColumn { from_source, row });
        }
        let converts = check_columns(&self.row_type()?, source_name, &schema, &names)?;
        Ok(Columns { names, converts })
    }

    /// The columns that a run fills, checked against the table as it is now. They are those that the run began with,
    /// whatever was added since.
    pub fn check_again(&self, source_name: &str, source: &dyn Source, then: &[String]) -> Result<Columns> {
        let now = self.row_type()?.attributes();
        let lost = then.iter().find(|name| !now.iter().any(|column| column.name == **name));
        if let Some(column) = lost {
            return Err(Error::UnknownColumn { table: self.name.clone(), column: column.clone() });
        }
        let converts = check_columns(&self.row_type()?, source_name, &source.schema(), then)?;
        Ok(Columns { names: then.to_vec(), converts })
    }

    fn row_type(&self) -> Result<RowType> {
        RowType::of_table(self.oid).ok_or_else(|| Error::UnknownTarget(self.name.clone()))
    }

    /// Turns it into a target as a run notes it.
    pub fn into_target(self, number: i32, columns: Option<Vec<String>>) -> Result<Target> {
        Ok(Target { number, storage: self.storage()?, name: self.name, relation: self.oid, columns })
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

    /// Whether it is a view, which may have values of its own for columns that it is not given.
    fn is_view(&self) -> bool {
        self.kind == "v"
    }

    /// The FROM item for its own rows, without those of tables that inherit from it. If the server does not even scan the
    /// table itself, its children hold its rows, as the chunks of a hypertable do.
    pub fn own_rows(&self) -> Result<String> {
        let has_others = self.kind == "r" && self.has_children()? && self.is_scanned()?;
        Ok(if has_others { format!("ONLY {}", self.name) } else { self.name.clone() })
    }

    fn has_children(&self) -> Result<bool> {
        let has_children =
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent OPERATOR(pg_catalog.=) $1)";
        Ok(one(has_children, &[self.oid.into()])?.unwrap_or(false))
    }

    /// Whether a query of the table and its children scans the table itself.
    fn is_scanned(&self) -> Result<bool> {
        let plan = explain(&format!("SELECT FROM {}", self.name))?;
        Ok(plan.is_some_and(|plan| self.is_scanned_by(&plan)))
    }

    /// Whether a plan, as EXPLAIN prints it, or a node below it scans the table.
    fn is_scanned_by(&self, plan: &Value) -> bool {
        match plan {
            Value::Array(nodes) => nodes.iter().any(|node| self.is_scanned_by(node)),
            Value::Object(node) => {
                let is = |key, value: &str| node.get(key).and_then(Value::as_str) == Some(value);
                let is_scan = is("Relation Name", &self.short_name) && is("Schema", &self.schema);
                // An extension's node may name the table although it scans the children.
                is_scan && !is("Node Type", "Custom Scan")
                    || node.values().any(|below| self.is_scanned_by(below))
            }
            _ => false,
        }
    }

    /// Whether row security applies, so that the caller may see only some of its rows.
    pub fn has_row_security(&self) -> Result<bool> {
        Ok(one("SELECT pg_catalog.row_security_active($1)", &[self.oid.into()])?.unwrap_or(false))
    }

    /// For each of its columns, an expression of row `{row}` that can be hashed. A type without a hash function, such as
    /// money, is hashed as text.
    pub fn hashed(&self, columns: &Columns) -> Result<Vec<String>> {
        let row_type = self.row_type()?;
        let hashed = |name: &String| {
            let quoted = pgrx::spi::quote_identifier(name);
            match row_type.can_hash(name) {
                true => format!("{{row}}.{quoted}"),
                false => format!("{{row}}.{quoted}::pg_catalog.text"),
            }
        };
        Ok(columns.names.iter().map(hashed).collect())
    }

    fn columns(&self) -> Result<Vec<TableColumn>> {
        Spi::connect(|client| {
            let query = format!(
                "{TREE}
                 SELECT a.attname::pg_catalog.text,
                        a.attgenerated OPERATOR(pg_catalog.<>) '' OR a.attidentity OPERATOR(pg_catalog.=) 'a',
                        a.atthasdef OR a.attidentity OPERATOR(pg_catalog.<>) '' OR t.typdefault IS NOT NULL,
                        -- A view has its table's defaults; for one that a trigger or a rule fills they are not known.
                        (SELECT pg_catalog.bool_or(b.atthasdef OR b.attidentity OPERATOR(pg_catalog.<>) ''
                                                   OR bt.typdefault IS NOT NULL)
                         FROM base
                         JOIN pg_catalog.pg_attribute b ON b.attrelid OPERATOR(pg_catalog.=) base.oid
                              AND b.attrelid OPERATOR(pg_catalog.<>) $1
                              AND b.attname OPERATOR(pg_catalog.=) a.attname
                         JOIN pg_catalog.pg_class bc ON bc.oid OPERATOR(pg_catalog.=) base.oid
                         JOIN pg_catalog.pg_type bt ON bt.oid OPERATOR(pg_catalog.=) b.atttypid
                         -- Below a view in between, the column may have another name.
                         WHERE bc.relkind OPERATOR(pg_catalog.<>) 'v' OR b.atthasdef)
                 FROM pg_catalog.pg_attribute a
                 JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
                 WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attnum OPERATOR(pg_catalog.>) 0
                       AND NOT a.attisdropped
                 ORDER BY a.attnum"
            );
            let rows = client.select(query.as_str(), None, &[self.oid.into()])?;
            let column = |row: SpiHeapTupleData<'_>| {
                let below: Option<bool> = row.get(4)?;
                Ok(TableColumn {
                    name: text(&row, 1)?,
                    made_by_table: value(&row, 2)?,
                    has_default: value::<bool>(&row, 3)? || below.unwrap_or(self.is_view()),
                })
            };
            rows.map(column).collect()
        })
    }
}

/// The relation $1, the tables below it if it is a view that the server itself can insert into, and the partitions of these,
/// without the locks that `pg_partition_tree` takes on all of them.
pub const TREE: &str = "WITH RECURSIVE base (oid) AS (
    SELECT $1::pg_catalog.oid
    UNION
    SELECT d.refobjid
    FROM base
    JOIN pg_catalog.pg_class v ON v.oid OPERATOR(pg_catalog.=) base.oid AND v.relkind OPERATOR(pg_catalog.=) 'v'
    JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) v.oid
         AND r.rulename OPERATOR(pg_catalog.=) '_RETURN'
    JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
         AND d.objid OPERATOR(pg_catalog.=) r.oid
         AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
         AND d.refobjid OPERATOR(pg_catalog.<>) v.oid
    -- 8 is INSERT; false leaves out views that only a trigger makes insertable.
    WHERE pg_catalog.pg_relation_is_updatable(v.oid, false) OPERATOR(pg_catalog.&) 8 OPERATOR(pg_catalog.=) 8
), tree (oid) AS (
    SELECT oid FROM base
    UNION
    SELECT i.inhrelid
    FROM tree
    JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) tree.oid
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid
    WHERE c.relispartition
)";

/// The columns of a table that a source fills.
pub struct Columns {
    pub names: Vec<String>,
    /// Whether values go through the server's casts, whose results depend on settings.
    pub converts: bool,
}

impl Columns {
    /// The names, quoted, for a statement.
    pub fn list(&self) -> String {
        self.names.iter().map(pgrx::spi::quote_identifier).collect::<Vec<_>>().join(", ")
    }
}

/// A column of a relation one might ingest into.
struct TableColumn {
    name: String,
    /// Generated, or an identity column that accepts no other value.
    made_by_table: bool,
    has_default: bool,
}
