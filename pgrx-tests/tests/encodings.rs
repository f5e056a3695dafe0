//! Databases in other encodings than UTF8, with names and texts that are not ASCII.

use millrace_tests::{Cluster, Script, error_of, one, rows_of};
use postgres::Client;

/// Encodings, and a word that each of them has.
const ENCODINGS: &[(&str, &str)] = &[
    ("UTF8", "日本é𝄞"),
    ("LATIN1", "éüß"),
    ("WIN1252", "€é"),
    ("EUC_JP", "日本語"),
    ("EUC_KR", "한국어"),
    ("SQL_ASCII", "é日"),
];

/// Runs `check` in a database of each encoding and reports all that failed.
fn in_each(check: impl Fn(&Cluster, &mut Client, &str) -> Result<(), String>) {
    let cluster = Cluster::new();
    let mut wrong = Vec::new();
    for (encoding, word) in ENCODINGS {
        let database = encoding.to_lowercase();
        let create =
            format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'");
        cluster.connect().script(&create).unwrap();
        let mut client = cluster.connect_to(&database, "postgres");
        let outcome = match error_of(&mut client, "CREATE EXTENSION millrace") {
            Some((code, message)) => Err(format!("CREATE EXTENSION: {code} {message}")),
            None => check(&cluster, &mut client, word),
        };
        wrong.extend(outcome.err().map(|error| format!("{encoding}: {error}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs a statement that must succeed.
fn run(client: &mut Client, statement: &str) -> Result<(), String> {
    match error_of(client, statement) {
        None => Ok(()),
        Some((code, message)) => Err(format!("{statement}: {code} {message}")),
    }
}

/// Expects the rows of a query.
fn expect(client: &mut Client, query: &str, rows: &[&str]) -> Result<(), String> {
    match rows_of(client, query) {
        Ok(found) if found == rows => Ok(()),
        other => Err(format!("{query}: {other:?}, not {rows:?}")),
    }
}

/// Expects an error.
fn refuse(client: &mut Client, statement: &str, code: &str, part: &str) -> Result<(), String> {
    match error_of(client, statement) {
        Some((found, message)) if found == code && message.contains(part) => Ok(()),
        other => Err(format!("{statement}: {other:?}, not {code} {part}")),
    }
}

#[test]
fn a_run_may_be_named_in_any_language() {
    in_each(|_, client, word| {
        let run_name = format!("{word} {word}");
        run(
            client,
            &format!(
                "CREATE SCHEMA \"{word}\"; CREATE TABLE \"{word}\".\"t{word}\" (LIKE tpch_nation, CONSTRAINT half CHECK (n_nationkey < 12))"
            ),
        )?;
        let call = format!(
            "CALL stream_ingest('\"{word}\".\"t{word}\"', 'nation', batch_rows => 5, run => '{run_name}')"
        );
        refuse(client, &call, "23514", "half")?;
        run(client, &format!("ALTER TABLE \"{word}\".\"t{word}\" DROP CONSTRAINT half"))?;
        run(client, &format!("CALL stream_resume('{run_name}', workers => 2)"))?;
        expect(
            client,
            &format!("SELECT state, rows_done FROM stream_progress WHERE run = '{run_name}'"),
            &["done|25"],
        )?;
        expect(client, &format!("SELECT matches FROM stream_verify('{run_name}')"), &["t"])?;
        expect(client, &format!("SELECT rows FROM stream_report('{run_name}')"), &["25"])?;
        expect(
            client,
            &format!("SELECT count(*) FROM stream_batches WHERE target LIKE '%t{word}%'"),
            &["5"],
        )?;
        run(client, &format!("SELECT stream_drop('{run_name}')"))?;
        // Named after its table.
        run(client, &format!("CALL stream_ingest('\"{word}\".\"t{word}\"', 'nation')"))?;
        expect(client, &format!("SELECT count(*) FROM stream_progress WHERE run LIKE '%{word}%'"), &["1"])
    });
}

#[test]
fn a_query_may_hold_any_text() {
    in_each(|_, client, word| {
        run(client, &format!("CREATE TABLE t (n bigint, \"{word}\" text)"))?;
        let options = format!(
            r#"{{"query": "SELECT g, ''{word}'' || g FROM generate_series($1, $2) g", "columns": ["n", "{word}"]}}"#
        );
        run(
            client,
            &format!(
                "CALL stream_ingest('t', 'sql', rows => 20, batch_rows => 5, workers => 2, options => '{options}')"
            ),
        )?;
        expect(client, &format!("SELECT count(*) FROM t WHERE \"{word}\" = '{word}' || n"), &["20"])?;
        expect(
            client,
            &format!("SELECT count(*) FROM stream_progress WHERE options->>'query' LIKE '%{word}%'"),
            &["1"],
        )?;
        // What the query raises keeps its text.
        let fails =
            format!(r#"{{"query": "SELECT $1, ''{word}''::int::text FROM generate_series($1, $2)"}}"#);
        refuse(
            client,
            &format!("CALL stream_ingest('t', 'sql', rows => 2, run => 'f', options => '{fails}')"),
            "22P02",
            word,
        )
    });
}

#[test]
fn what_is_not_known_is_told_by_its_name() {
    in_each(|_, client, word| {
        refuse(client, &format!("SELECT * FROM tpch_gen('{word}', 1)"), "22023", word)?;
        refuse(
            client,
            &format!("SELECT count(*) FROM tpch_gen((SELECT max('{word}'::text)), 1)"),
            "22023",
            word,
        )?;
        refuse(client, &format!("SELECT * FROM cdr_gen(5, '{{\"{word}\": 1}}')"), "22023", word)?;
        refuse(client, &format!("SELECT * FROM cdr_gen(5, '{{\"seed\": \"{word}\"}}')"), "22023", word)?;
        refuse(client, &format!("SELECT * FROM stream_plan('{word}')"), "22023", word)?;
        refuse(client, &format!("SELECT stream_drop('{word}')"), "42704", word)?;
        refuse(client, &format!("SELECT stream_stop('{word}')"), "42704", word)?;
        refuse(client, &format!("CALL stream_resume('{word}')"), "42704", word)?;
        refuse(client, &format!("SELECT * FROM stream_verify('{word}')"), "42704", word)?;
        refuse(client, &format!("SELECT * FROM tpch_validate('{word}')"), "3F000", word)?;
        refuse(client, &format!("CALL tpch_load(0.001, 'x', '{word}')"), "42704", word)?;
        refuse(client, &format!("CALL stream_bench(variants => '{{{word}}}')"), "42704", word)?;
        refuse(client, &format!("SELECT * FROM stream_export('{word}', '/tmp')"), "22023", word)?;
        refuse(client, &format!("SELECT * FROM stream_export('nation', '/tmp', '{word}')"), "22023", word)?;
        run(client, &format!("CREATE TABLE t (n_nationkey int, \"{word}\" text)"))?;
        refuse(client, "CALL stream_ingest('t', 'nation')", "42804", word)?;
        refuse(client, "SELECT * FROM tpch_gen('nation', row_type => NULL::t)", "42804", word)
    });
}

#[test]
fn the_tpch_kit_works_in_a_schema_of_any_name() {
    in_each(|_, client, word| {
        run(client, &format!("CALL tpch_load(0.001, '{word}')"))?;
        expect(client, &format!("SELECT count(*) FROM \"{word}\".lineitem"), &["6005"])?;
        run(client, &format!("CALL tpch_refresh('{word}', stream => 1)"))?;
        expect(client, &format!("SELECT count(*) FROM tpch_run(6, '{word}')"), &["1"])?;
        expect(client, &format!("SELECT tpch_query(6, '{word}') LIKE '%{word}%'"), &["t"])?;
        run(client, &format!("SELECT tpch_drop('{word}'); SELECT tpch_virtual('v{word}', 0.01)"))?;
        expect(client, &format!("SELECT count(*) FILTER (WHERE pass) FROM tpch_validate('v{word}')"), &["22"])
    });
}

#[test]
fn a_benchmark_may_have_variants_of_any_name() {
    in_each(|_, client, word| {
        run(
            client,
            &format!(
                "INSERT INTO millrace.variant (name, access_method, about) VALUES ('{word}', 'heap', '{word}')"
            ),
        )?;
        run(
            client,
            &format!(
                "CALL stream_bench(rows => 100, batch_rows => 50, variants => '{{heap, {word}}}', run => '{word}', schema => '{word}')"
            ),
        )?;
        let gates = format!(
            "SELECT bool_and(pass) FROM stream_gates('{word}', 0, 100, 0, 1000) WHERE gate IN ('content', 'queries')"
        );
        expect(client, &gates, &["t"])?;
        run(client, &format!("SELECT stream_bench_drop('{word}')"))
    });
}

#[test]
fn files_go_to_a_folder_of_any_name() {
    in_each(|cluster, client, word| {
        let database = one::<String>(client, "SELECT current_database()::text");
        let path = format!("{}/{database}{word}", cluster.folder().display());
        // The folder's name is what the server's bytes say, so the server makes it. mkdir does not wait for a row.
        run(client, &format!("COPY (SELECT 1 WHERE false) TO PROGRAM 'mkdir \"{path}\"'"))?;
        expect(client, &format!("SELECT rows FROM stream_export('nation', '{path}', 'csv')"), &["25"])?;
        expect(
            client,
            &format!(
                "SELECT path = '{path}/nation.csv' FROM stream_export('nation', '{path}', 'csv', options => '{{\"overwrite\": true}}')"
            ),
            &["t"],
        )?;
        refuse(client, &format!("SELECT * FROM stream_export('nation', '{path}{word}')"), "58P01", word)
    });
}
