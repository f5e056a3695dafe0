//! Every function and procedure with hostile arguments: nothing crashes, and no error is the extension's own fault.

use millrace_tests::{Cluster, Dice, Script, error_of, one, rows_of};
use postgres::Client;
use std::collections::BTreeMap;

/// Calls in each database by each role.
const CALLS: usize = 1000;

/// Texts that no message may contain.
const NEVER: &[&str] =
    &["panic", "unwrap", "internal error", "backtrace", "called `", "index out of bounds", "overflow when"];

/// A function or procedure of the extension.
struct Routine {
    name: String,
    is_procedure: bool,
    /// Names and types of its arguments.
    arguments: Vec<(String, String)>,
}

/// All functions and procedures of the extension, from the catalog.
fn routines(client: &mut Client) -> Vec<Routine> {
    let query = "SELECT p.oid::regproc::text, prokind = 'p',
                        array(SELECT coalesce(proargnames[n], '') FROM generate_series(1, pronargs) n),
                        array(SELECT format_type(proargtypes[n - 1], NULL) FROM generate_series(1, pronargs) n)
                 FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                 WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'millrace')
                   AND 'internal'::regtype <> ALL (proargtypes)
                 ORDER BY p.oid::regprocedure::text COLLATE \"C\"";
    let routine = |row: &postgres::Row| {
        let (names, types): (Vec<String>, Vec<String>) = (row.get(2), row.get(3));
        // Names of what is returned come after those of the arguments.
        Routine {
            name: row.get(0),
            is_procedure: row.get(1),
            arguments: names.into_iter().zip(types).collect(),
        }
    };
    client.query(query, &[]).unwrap().iter().map(routine).collect()
}

const TEXTS: &[&str] = &[
    "NULL",
    "''",
    "'nation'",
    "'orders'",
    "'lineitem'",
    "'all'",
    "'cdr'",
    "'iot'",
    "'sql'",
    "'public.nation'",
    "'mine'",
    "'theirs'",
    "'bench'",
    "'bench/noindex'",
    "'heap'",
    "'unlogged'",
    "'both'",
    "'csv'",
    "'parquet'",
    "'tbl'",
    "'arrow'",
    "'tpch'",
    "'public'",
    "'pg_catalog'",
    "'no such thing'",
    "'é'",
    "'ÿ\u{a0}'",
    "'''; DROP TABLE nation; --'",
    "'%s %I %L %n'",
    "'a\nb'",
    "E'\\\\'",
    "'\"'",
    "repeat('x', 100)",
    "repeat('é', 40)",
    "repeat('x', 1000000)",
    "repeat('(', 10000)",
    "'{out}'",
    "'{out}/none'",
    "'/'",
    "'relative'",
    "'-1'",
    "'SELECT 1'",
];

const INTEGERS: &[&str] =
    &["NULL", "0", "1", "-1", "2", "3", "7", "22", "23", "100", "1000", "32767", "2147483647", "-2147483648"];

const BIGINTS: &[&str] = &[
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "'-9223372036854775808'",
    "1000000000000000",
    "600000000000",
];

const FLOATS: &[&str] = &[
    "NULL",
    "0",
    "'-0'",
    "1",
    "0.001",
    "0.0001",
    "0.00001",
    "-1",
    "'NaN'",
    "'Infinity'",
    "'-Infinity'",
    "1e308",
    "1e-308",
    "5e-324",
    "100000",
    "100000.1",
    "30000",
    "1e18",
    "0.01",
    "0.1",
];

const KEYS: &[&str] = &[
    "sf",
    "rows",
    "seed",
    "rate",
    "duration",
    "profile",
    "query",
    "columns",
    "devices",
    "late",
    "lost",
    "start",
    "interval",
    "exponent",
    "rows_per_day",
    "subscribers",
    "metrics",
    "compression",
    "level",
    "row_group_rows",
    "row_group_bytes",
    "file_bytes",
    "partition_by",
    "sort_by",
    "bloom_filters",
    "dictionary",
    "header",
    "delimiter",
    "overwrite",
    "skip_existing",
    "fsync",
    "async",
    "é",
    "",
];

const VALUES: &[&str] = &[
    "null",
    "0",
    "1",
    "-1",
    "0.5",
    "1e400",
    "-1e400",
    "1e308",
    "1e-400",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "123456789012345678901234567890.123",
    "true",
    "\"\"",
    "\"é\"",
    "\"steady\"",
    "\"burst\"",
    "\"diurnal\"",
    "[]",
    "[0]",
    "[1, 2]",
    "[1e400]",
    "[\"n_name\"]",
    "{}",
    "{\"a\": 1}",
    "\"2024-01-01 00:00:00\"",
    "\"infinity\"",
    "\"9999999-01-01\"",
    "\"SELECT 1\"",
    "\"SELECT $1, $2\"",
    "\"SELECT generate_series($1, $2)\"",
    "\"SELECT 1; SELECT 2\"",
    "\"COMMIT\"",
    "\"DROP TABLE nation\"",
    "\"zstd\"",
    "\"none\"",
    "\"n_regionkey\"",
    "\"\\u001f\"",
];

struct Hostile<'a> {
    dice: &'a mut Dice,
    out: String,
}

impl Hostile<'_> {
    fn any<'b>(&mut self, all: &[&'b str]) -> &'b str {
        all[self.dice.below(all.len() as u64) as usize]
    }

    fn json(&mut self) -> String {
        match self.dice.below(12) {
            0 => "NULL".to_owned(),
            1 => "(repeat('[', 200) || repeat(']', 200))::jsonb".to_owned(),
            2 => "(repeat('{\"sf\":', 200) || '1' || repeat('}', 200))::jsonb".to_owned(),
            3 => "(repeat('{\"query\":[', 5000) || repeat(']}', 5000))::jsonb".to_owned(),
            4 => format!("'{}'::jsonb", self.any(VALUES)),
            5 => "(SELECT jsonb_object_agg('k' || n, n) FROM generate_series(1, 10000) n)".to_owned(),
            _ => {
                let pairs =
                    (0..=self.dice.below(3)).map(|_| format!("\"{}\": {}", self.any(KEYS), self.any(VALUES)));
                format!("'{{{}}}'::jsonb", pairs.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// A value of a type, as SQL.
    fn value(&mut self, kind: &str) -> String {
        match kind {
            "text" | "name" | "character varying" => {
                let text = self.any(TEXTS).replace("{out}", &self.out);
                format!("{text}::{kind}")
            }
            "integer" => format!("({})::int", self.any(INTEGERS)),
            "smallint" => {
                format!("({})::smallint", self.any(&["NULL", "0", "1", "-1", "2", "32767", "-32768"]))
            }
            "bigint" => {
                let value = if self.dice.below(2) == 0 { self.any(INTEGERS) } else { self.any(BIGINTS) };
                format!("({value})::bigint")
            }
            "double precision" | "real" | "numeric" => format!("({})::float8::{kind}", self.any(FLOATS)),
            "boolean" => self.any(&["NULL::boolean", "true", "false"]).to_owned(),
            "jsonb" => self.json(),
            "regclass" | "oid" | "regtype" => {
                let value = self.any(&[
                    "NULL",
                    "0",
                    "4294967295",
                    "1",
                    "'pg_class'",
                    "'nation'",
                    "'secret'",
                    "'seen'",
                    "'nation_key'",
                    "'tpch_nation'",
                ]);
                // As an oid, or through regclass where it is a name.
                let value = if value.starts_with('\'') && kind != "regclass" {
                    format!("{value}::regclass::oid")
                } else {
                    value.to_owned()
                };
                format!("({value})::{kind}")
            }
            "regclass[]" | "oid[]" => self
                .any(&[
                    "NULL::regclass[]",
                    "'{}'::regclass[]",
                    "'{0}'::regclass[]",
                    "'{nation}'::regclass[]",
                    "'{nation, NULL}'::regclass[]",
                    "'{{nation, twin}}'::regclass[]",
                    "'{pg_class}'::regclass[]",
                ])
                .to_owned(),
            "text[]" | "name[]" => format!(
                "{}::{kind}",
                self.any(&[
                    "NULL",
                    "'{}'",
                    "'{NULL}'",
                    "'{heap}'",
                    "'{heap, NULL}'",
                    "'{heap, heap}'",
                    "'{{a, b}, {c, d}}'",
                    "'[0:1]={heap, é}'",
                    "array_fill('x'::text, '{10000}')"
                ])
            ),
            "anyelement" => self
                .any(&[
                    "NULL::tpch_orders",
                    "NULL::nation",
                    "NULL::cdr_calls",
                    "NULL::record",
                    "ROW(1, 2)",
                    "1",
                    "'x'::text",
                    "NULL::int[]",
                    "ARRAY[1, 2]",
                    "NULL::pg_class",
                    "NULL::millrace.run",
                    "NULL::odd",
                    "(SELECT n FROM nation n LIMIT 1)",
                ])
                .to_owned(),
            "timestamp with time zone" | "timestamp without time zone" | "date" => {
                format!(
                    "{}::{kind}",
                    self.any(&[
                        "NULL",
                        "'infinity'",
                        "'-infinity'",
                        "'4713-01-01 BC'",
                        "now()",
                        "'200000-01-01'"
                    ])
                )
            }
            // A row of a table of the extension's own.
            other => match self.dice.below(3) {
                0 => format!("(SELECT t FROM {other} t LIMIT 1)"),
                1 => format!("jsonb_populate_record(NULL::{other}, '{{\"name\": \"é\"}}')"),
                _ => format!("NULL::{other}"),
            },
        }
    }

    fn call(&mut self, routine: &Routine) -> String {
        // Most arguments have defaults: leaving them out tests the others.
        let leave_out = self.dice.below(2) == 0;
        let mut arguments = Vec::new();
        for (name, kind) in &routine.arguments {
            if !(leave_out && self.dice.below(2) == 0) {
                let value = self.value(kind);
                arguments.push(if name.is_empty() { value } else { format!("\"{name}\" => {value}") });
            }
        }
        let call = format!("{}({})", routine.name, arguments.join(", "));
        match (routine.is_procedure, self.dice.below(3)) {
            (true, _) => format!("CALL {call}"),
            (false, 0) => format!("SELECT {call}"),
            (false, 1) => format!("SELECT * FROM {call} f LIMIT 10"),
            (false, _) => format!(
                "SELECT count(*) FROM (VALUES (1), (2)) v LEFT JOIN LATERAL (SELECT * FROM {call}) f ON true"
            ),
        }
    }
}

const SETUP: &str = "
    CREATE EXTENSION IF NOT EXISTS millrace;
    CREATE TABLE nation (LIKE tpch_nation);
    CREATE TABLE twin (LIKE tpch_nation);
    CREATE TABLE secret (LIKE tpch_nation);
    CREATE TABLE odd (\"\u{e9}\" int, n_name text[]);
    CREATE INDEX nation_key ON nation (n_nationkey);
    CREATE VIEW seen AS SELECT * FROM nation;
    GRANT SELECT, INSERT ON nation, twin, seen, odd TO nobody;
    CALL stream_ingest('nation', batch_rows => 10);
    CALL stream_ingest('twin', 'nation', run => 'theirs');
    CALL stream_bench(rows => 100, variants => '{heap}')";

/// Calls everything, some of it at random, and notes what must not happen.
fn fuzz(
    cluster: &Cluster,
    database: &str,
    role: &str,
    dice: &mut Dice,
    wrong: &mut BTreeMap<String, String>,
) {
    let mut client = cluster.connect_to(database, role);
    let routines = routines(&mut client);
    assert!(routines.len() > 60, "{}", routines.len());
    let prepare =
        "SET statement_timeout = '300ms'; SET client_min_messages = error; SET temp_file_limit = '100MB'";
    let prepare = if role == "postgres" { prepare } else { &prepare[..prepare.rfind(';').unwrap()] };
    client.batch_execute(prepare).unwrap();
    let mut hostile = Hostile { dice, out: cluster.folder().join("out").to_string_lossy().into_owned() };
    for number in 0..CALLS {
        let routine = match routines.get(number) {
            Some(routine) => routine,
            None => &routines[hostile.dice.below(routines.len() as u64) as usize],
        };
        let call = hostile.call(routine);
        let Some((code, message)) = error_of(&mut client, &call) else { continue };
        let said = message.to_lowercase();
        let is_wrong = code.starts_with("XX") || NEVER.iter().any(|never| said.contains(never));
        let is_closed = client.is_closed() || code == "connection";
        if is_wrong || is_closed {
            let shown: String = call.chars().take(400).collect();
            wrong
                .entry(format!("{} {code} {:.60}", routine.name, message))
                .or_insert(format!("{database}, {role}: {shown}"));
        }
        if is_closed {
            cluster.wait_for_recovery();
            client = cluster.connect_to(database, role);
            client.batch_execute(prepare).unwrap();
        }
        // Some calls leave a transaction open that they had begun.
        let _ = client.batch_execute("ROLLBACK");
    }
}

#[test]
fn no_call_crashes_or_is_an_internal_error() {
    let cluster = Cluster::new();
    let mut admin = cluster.connect();
    let postmaster = "SELECT pg_postmaster_start_time()::text";
    let started: String = one(&mut admin, postmaster);
    let out = cluster.folder().join("out");
    admin
        .batch_execute(&format!(
            "COPY (SELECT 1) TO PROGRAM 'mkdir {}'; CREATE ROLE nobody LOGIN",
            out.display()
        ))
        .unwrap();
    admin.batch_execute("CREATE DATABASE latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'").unwrap();
    let mut dice = Dice::new();
    let mut wrong = BTreeMap::new();
    for database in ["postgres", "latin1"] {
        cluster.connect_to(database, "postgres").script(SETUP).unwrap();
        for role in ["nobody", "postgres"] {
            fuzz(&cluster, database, role, &mut dice, &mut wrong);
        }
    }
    let wrong: Vec<_> = wrong.into_iter().map(|(what, call)| format!("{what}\n    {call}")).collect();
    assert!(wrong.is_empty(), "{} kinds:\n{}", wrong.len(), wrong.join("\n"));
    let mut client = cluster.connect();
    assert_eq!(one::<String>(&mut client, postmaster), started);
    // A crash of a backend would have restarted the server.
    let log = cluster.log();
    for sign in ["was terminated by signal", "was terminated by exception", "reinitializing", "panicked"] {
        assert!(!log.contains(sign), "the log says: {sign}");
    }
    assert_eq!(rows_of(&mut client, "SELECT count(*) FROM tpch_nation()"), Ok(vec!["25".to_owned()]));
}
