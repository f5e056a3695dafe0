//! A database that was upgraded from an older version has the catalog of a fresh installation, and its runs resume.

use millrace_tests::{Cluster, error_of, one};
use postgres::Client;
use std::collections::BTreeMap;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What belongs to the extension: for each object its aspects, each with its text.
const CATALOG: &str = r#"
    WITH extension AS (
        SELECT * FROM pg_extension WHERE extname = 'millrace'
    ), member AS (
        SELECT d.classid, d.objid, i.type || ' ' || i.identity AS object
        FROM pg_depend d JOIN extension e ON d.refobjid = e.oid, pg_identify_object(d.classid, d.objid, 0) i
        WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
    ), relation AS (
        SELECT m.object, c.* FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
        UNION ALL
        SELECT m.object, c.* FROM member m
        JOIN pg_type t ON m.classid = 'pg_type'::regclass AND m.objid = t.oid JOIN pg_class c ON c.oid = t.typrelid
    ), "column" AS (
        SELECT r.object, a.*, 'column ' || a.attname AS name FROM relation r
        JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    )
    SELECT object, 'member' AS aspect, 'yes' AS text FROM member
    UNION ALL
    SELECT object, 'comment', obj_description(objid, classid::regclass::text::name) FROM member
    UNION ALL
    SELECT object, 'first privileges', p.initprivs::text
    FROM member JOIN pg_init_privs p ON (p.classoid, p.objoid, p.objsubid) = (classid, objid, 0)
    UNION ALL
    SELECT object, 'rows of a dump', 'WHERE ' || condition FROM extension e,
        unnest(e.extconfig, e.extcondition) config (oid, condition) JOIN relation USING (oid)
    UNION ALL
    SELECT object, 'privileges', nspacl::text FROM member
    JOIN pg_namespace n ON classid = 'pg_namespace'::regclass AND objid = n.oid
    UNION ALL
    SELECT object, aspect, text FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid,
        LATERAL (VALUES ('definition', pg_get_functiondef(p.oid)), ('privileges', proacl::text)) f (aspect, text)
    UNION ALL
    SELECT object, aspect, text FROM member JOIN pg_type t ON classid = 'pg_type'::regclass AND objid = t.oid,
        LATERAL (VALUES
            ('kind', concat_ws(' ', typtype, typcategory)), ('privileges', typacl::text),
            ('labels', (SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
        ) f (aspect, text)
    UNION ALL
    SELECT object, aspect, text FROM relation r,
        LATERAL (VALUES
            ('kind', concat_ws(' ', relkind, relpersistence, relreplident, relrowsecurity, relforcerowsecurity)),
            ('privileges', relacl::text), ('options', reloptions::text),
            ('definition', CASE WHEN relkind = 'v' THEN pg_get_viewdef(r.oid) END),
            ('order of columns', (SELECT string_agg(c.attname, ', ' ORDER BY c.attnum) FROM "column" c WHERE c.attrelid = r.oid))
        ) f (aspect, text)
    UNION ALL
    SELECT object, name, concat_ws(' ', format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'not null' END,
        attidentity, attgenerated, attstorage, attcompression, attcollation::regcollation, attacl,
        'default ' || pg_get_expr(d.adbin, d.adrelid), 'comment ' || col_description(attrelid, attnum))
    FROM "column" LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (attrelid, attnum)
    UNION ALL
    SELECT object, 'constraint ' || conname, concat_ws(' ', pg_get_constraintdef(c.oid), obj_description(c.oid, 'pg_constraint'))
    FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid
    UNION ALL
    SELECT object, 'index ' || i.indexrelid::regclass, pg_get_indexdef(i.indexrelid) FROM relation r JOIN pg_index i ON i.indrelid = r.oid
    UNION ALL
    SELECT object, 'trigger ' || tgname, concat_ws(' ', pg_get_triggerdef(t.oid), tgenabled)
    FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE NOT tgisinternal
    UNION ALL
    SELECT object, 'policy ' || polname, concat_ws(' ', polcmd, polpermissive, polroles::regrole[],
        'using', pg_get_expr(polqual, polrelid), 'with check', pg_get_expr(polwithcheck, polrelid))
    FROM relation r JOIN pg_policy p ON p.polrelid = r.oid
    UNION ALL
    SELECT object, 'rows', query_to_xml(format('SELECT * FROM %s t ORDER BY t::text', r.oid::regclass), true, false, '')::text
    FROM relation r WHERE relkind = 'r'"#;

type Catalog = BTreeMap<(String, String), String>;

fn catalog(client: &mut Client) -> Catalog {
    let rows = client.query(CATALOG, &[]).unwrap();
    let aspects = rows.iter().map(|row| ((row.get(0), row.get(1)), row.get::<_, Option<String>>(2)));
    let catalog: Catalog = aspects.filter_map(|(key, text)| Some((key, text?))).collect();
    assert!(catalog.len() > 500, "only {} aspects", catalog.len());
    catalog
}

/// What differs, for people: a line per aspect that only one has, and the first line that is not the same of others.
fn differences(fresh: &Catalog, updated: &Catalog) -> Vec<String> {
    let mut keys: Vec<_> = fresh.keys().chain(updated.keys()).collect();
    keys.sort();
    keys.dedup();
    let difference = |key: &(String, String)| match (fresh.get(key), updated.get(key)) {
        (Some(fresh), Some(updated)) if fresh == updated => None,
        (Some(fresh), Some(updated)) => Some(first_difference(fresh, updated)),
        (Some(fresh), None) => Some(format!("only in a fresh installation: {}", first_line(fresh))),
        (None, updated) => {
            Some(format!("only after the upgrade: {}", first_line(updated.map_or("", String::as_str))))
        }
    };
    keys.into_iter()
        .filter_map(|key| difference(key).map(|how| format!("{}, {}: {how}", key.0, key.1)))
        .collect()
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
}

fn first_difference(fresh: &str, updated: &str) -> String {
    let longest = fresh.lines().count().max(updated.lines().count());
    let [mut fresh, mut updated] = [fresh, updated].map(str::lines);
    let mut pairs = (1..=longest).map(|number| (number, fresh.next(), updated.next()));
    let found = pairs.find(|(_, fresh, updated)| fresh != updated);
    let (number, fresh, updated) = found.unwrap_or_default();
    let shown = |line: Option<&str>| line.unwrap_or("(ended)").to_owned();
    format!("line {number}\n    fresh:    {}\n    upgraded: {}", shown(fresh), shown(updated))
}

/// A database of the cluster, made anew.
fn database(cluster: &Cluster, name: &str) -> Client {
    cluster.connect().batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
    cluster.config().dbname(name).connect(postgres::NoTls).unwrap()
}

fn old_versions(client: &mut Client) -> Vec<String> {
    let query = "SELECT version FROM pg_available_extension_versions WHERE name = 'millrace' AND version <> $1 ORDER BY 1";
    let versions: Vec<String> =
        client.query(query, &[&VERSION]).unwrap().iter().map(|row| row.get(0)).collect();
    assert!(versions.contains(&"0.1.0".to_owned()), "old versions that can be installed: {versions:?}");
    versions
}

#[test]
fn an_upgraded_catalog_is_that_of_a_fresh_installation() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let fresh = catalog(&mut client);
    for version in old_versions(&mut client) {
        let mut upgraded = database(&cluster, "upgraded");
        upgraded.batch_execute(&format!("CREATE EXTENSION millrace VERSION '{version}'")).unwrap();
        upgraded.batch_execute("ALTER EXTENSION millrace UPDATE").unwrap();
        let installed = "SELECT extversion FROM pg_extension WHERE extname = 'millrace'";
        assert_eq!(one::<String>(&mut upgraded, installed), VERSION);
        let differences = differences(&fresh, &catalog(&mut upgraded));
        assert!(
            differences.is_empty(),
            "upgraded from {version}, {} differences; see \"Upgrade scripts\" in CONTRIBUTING.md:\n{}",
            differences.len(),
            differences.join("\n")
        );
        drop(upgraded);
        client.batch_execute("DROP DATABASE upgraded").unwrap();
    }
}

/// The ledger of version 0.1.0, with a run that is done and one that was interrupted after 7 of its 15 batches.
const OLD_RUNS: &str = "
    INSERT INTO customer SELECT (s.r).* FROM (
        SELECT millrace.source_rows('customer', '{\"sf\": 0.01}', 0, 1500, NULL::customer) AS r) s;
    INSERT INTO orders SELECT (s.r).* FROM (
        SELECT millrace.source_rows('orders', '{\"sf\": 0.01}', 0, 7000, NULL::orders) AS r) s;
    INSERT INTO millrace.run (name, source, options, batch_rows, batches, rows_estimated, named) VALUES
        ('public.customer', 'customer', '{\"sf\": 0.01}', 100000, 1, 1500, false),
        ('public.orders', 'orders', '{\"sf\": 0.01}', 1000, 15, 15000, false);
    INSERT INTO millrace.target (run, target, name, relation, unlogged, leaves, filenodes)
    SELECT run, 1, run, run::regclass, false, ARRAY[run::regclass::oid], ARRAY[pg_relation_filenode(run::regclass)]
    FROM unnest('{public.customer,public.orders}'::text[]) run;
    INSERT INTO millrace.batch (run, batch, target, rows, elapsed_ms, generate_ms, insert_ms, commit_ms, wal_bytes, path)
    VALUES ('public.customer', 1, 1, 1500, 10, 5, 5, 1, 1000, 'bulk');
    INSERT INTO millrace.batch (run, batch, target, rows, elapsed_ms, generate_ms, insert_ms, commit_ms, wal_bytes, path)
    SELECT 'public.orders', batch, 1, 1000, 10, 5, 5, 1, 1000, 'bulk' FROM generate_series(1, 7) batch";

#[test]
fn runs_of_an_old_version_go_on() {
    const LOAD: &str = "CALL stream_ingest('orders', sf => 0.01, batch_rows => 1000)";
    let cluster = Cluster::new();
    for version in old_versions(&mut cluster.connect()) {
        let mut client = database(&cluster, "used");
        client.batch_execute(&format!("CREATE EXTENSION millrace VERSION '{version}'")).unwrap();
        client
            .batch_execute(
                "CREATE TABLE customer (LIKE tpch_customer); CREATE TABLE orders (LIKE tpch_orders)",
            )
            .unwrap();
        assert_eq!(error_of(&mut client, LOAD).unwrap().0, "55000", "the library is newer");
        client.batch_execute(OLD_RUNS).unwrap();
        // Columns that came since are null.
        let ledger = "SELECT string_agg((jsonb_strip_nulls(to_jsonb(b)))::text, ' ' ORDER BY run, batch) FROM stream_batches b";
        let progress = "SELECT string_agg(concat_ws(' ', run, state, batches_done), ', ' ORDER BY run) FROM stream_progress";
        let before: [String; 2] = [ledger, progress].map(|query| one(&mut client, query));
        assert!(before[1].contains("public.customer done 1, public.orders interrupted 7"), "{}", before[1]);
        client.batch_execute("ALTER EXTENSION millrace UPDATE").unwrap();
        // As an upgraded server's users do: in a session of its own.
        let mut client = cluster.config().dbname("used").connect(postgres::NoTls).unwrap();
        assert_eq!([ledger, progress].map(|query| one::<String>(&mut client, query)), before);
        client.batch_execute(LOAD).unwrap();
        for run in ["public.customer", "public.orders"] {
            let verified = format!("SELECT matches FROM stream_verify('{run}')");
            assert!(one::<bool>(&mut client, &verified), "{run}");
        }
        drop(client);
        cluster.connect().batch_execute("DROP DATABASE used WITH (FORCE)").unwrap();
    }
}

#[test]
fn differences_are_told_line_by_line() {
    let catalog = |aspects: &[(&str, &str, &str)]| {
        let aspect = |(object, aspect, text): &(&str, &str, &str)| {
            (((*object).to_owned(), (*aspect).to_owned()), (*text).to_owned())
        };
        aspects.iter().map(aspect).collect::<Catalog>()
    };
    let fresh = catalog(&[("function f", "definition", "a\nb\nc"), ("table t", "column x", "integer")]);
    let upgraded = catalog(&[("function f", "definition", "a\nB\nc"), ("view v", "member", "yes")]);
    assert!(differences(&fresh, &fresh).is_empty());
    assert_eq!(
        differences(&fresh, &upgraded),
        [
            "function f, definition: line 2\n    fresh:    b\n    upgraded: B",
            "table t, column x: only in a fresh installation: integer",
            "view v, member: only after the upgrade: yes",
        ]
    );
}

#[test]
fn versions_agree() {
    let meta = include_str!("../../META.json");
    assert_eq!(meta.matches(&format!("\"version\": \"{VERSION}\"")).count(), 2, "META.json is of {VERSION}");
}
