//! Plans: a plan that is older than the types it reads, arguments that fail, and many shapes of queries. Each gives the same
//! result whichever way the rows of a function in FROM take.

use millrace_tests::{Cluster, Dice, Script, error_of, one, rows_of};
use postgres::Client;

/// The ways from a function in FROM to the rows of a query: millrace's scan, a function scan that streams, and one that stores all
/// rows first.
const WAYS: [&str; 3] = [
    "SET millrace.enable_scan = on",
    "SET millrace.enable_scan = off; SET millrace.stream_function_scans = on",
    "SET millrace.enable_scan = off; SET millrace.stream_function_scans = off",
];

/// Runs `steps` in a session of its own for each way, and the last of them as a query. All must give the same rows or SQLSTATE.
fn outcome(cluster: &Cluster, steps: &[&str]) -> Result<Vec<String>, String> {
    let [scanned, streamed, stored] = WAYS.map(|way| {
        let mut client = cluster.connect();
        let (last, before) = steps.split_last().unwrap();
        client.batch_execute(&format!("{way}; BEGIN")).unwrap();
        for step in before {
            client.batch_execute(step).unwrap_or_else(|error| panic!("{step}: {error:?}"));
        }
        let outcome = rows_of(&mut client, last).map_err(|(code, _)| code);
        client.batch_execute("ROLLBACK").unwrap_or_else(|error| panic!("{steps:?}: {error:?}"));
        outcome
    });
    assert_eq!(scanned, stored, "{steps:?}, with millrace's scan and from a store");
    assert_eq!(streamed, stored, "{steps:?}, with a function scan that streams and from a store");
    stored
}

fn refused(code: &str) -> Result<Vec<String>, String> {
    Err(code.to_owned())
}

fn rows(rows: &[&str]) -> Result<Vec<String>, String> {
    Ok(rows.iter().map(|&row| row.to_owned()).collect())
}

#[test]
fn a_type_altered_after_planning_cannot_crash_the_server() {
    let cluster = Cluster::new();
    cluster.connect().batch_execute("CREATE ROLE nobody LOGIN").unwrap();
    for way in WAYS {
        let mut nobody = cluster.connect_as("nobody");
        nobody
            .script(&format!(
                "{way};
                 CREATE TYPE pg_temp.o AS (o_orderkey text);
                 PREPARE z AS SELECT max(o_orderkey) FROM tpch_gen('orders', 0.01, row_type => NULL::pg_temp.o);
                 ALTER TYPE pg_temp.o ALTER ATTRIBUTE o_orderkey TYPE int8"
            ))
            .unwrap();
        let (code, message) = error_of(&mut nobody, "EXECUTE z").unwrap();
        assert_eq!(code, "42804", "{way}: {message}");
        nobody.batch_execute("SELECT 1").unwrap();
    }
}

#[test]
fn a_column_of_another_type_than_planned_is_an_error() {
    let cluster = Cluster::new();
    for (then, now, column) in [
        ("numeric", "bigint", "o_orderkey"),
        ("bigint", "numeric", "o_orderkey"),
        ("bigint", "text", "o_orderkey"),
        ("date", "timestamp", "o_orderdate"),
        ("date", "text", "o_orderdate"),
        ("timestamp", "timestamptz", "o_orderdate"),
        ("text", "name", "o_clerk"),
        ("text", "bytea", "o_clerk"),
        ("integer", "bigint", "o_shippriority"),
    ] {
        let using = if now == "bytea" { format!(" USING {column}::bytea") } else { String::new() };
        let found = outcome(
            &cluster,
            &[
                &format!("CREATE TABLE o ({column} {then})"),
                &format!(
                    "PREPARE z AS SELECT max({column}::text) FROM tpch_gen('orders', 0.001, row_type => NULL::o)"
                ),
                "EXECUTE z",
                &format!("ALTER TABLE o ALTER {column} TYPE {now}{using}"),
                "EXECUTE z",
            ],
        );
        // A type that is only cast differently is no error for the server, but this one is.
        assert_eq!(found, refused("42804"), "{then} to {now}");
    }
}

#[test]
fn a_dropped_column_that_is_read_is_an_error() {
    let cluster = Cluster::new();
    let found = outcome(
        &cluster,
        &[
            "CREATE TABLE o (o_orderkey bigint, o_clerk text)",
            "PREPARE z AS SELECT max(o_clerk) FROM tpch_gen('orders', 0.001, row_type => NULL::o)",
            "EXECUTE z",
            "ALTER TABLE o DROP o_clerk",
            "EXECUTE z",
        ],
    );
    assert_eq!(found, refused("42703"));
}

#[test]
fn a_column_dropped_and_made_again_is_another_one() {
    let cluster = Cluster::new();
    let found = outcome(
        &cluster,
        &[
            "CREATE TABLE o (o_clerk text, o_orderkey bigint)",
            "PREPARE z AS SELECT max(o_clerk) FROM tpch_gen('orders', 0.001, row_type => NULL::o)",
            "EXECUTE z",
            "ALTER TABLE o DROP o_clerk, ADD o_clerk text",
            "EXECUTE z",
        ],
    );
    assert_eq!(found, refused("42703"));
}

#[test]
fn a_dropped_column_that_is_not_read_does_no_harm() {
    let cluster = Cluster::new();
    let found = outcome(
        &cluster,
        &[
            "CREATE TABLE o (o_clerk text, o_orderkey bigint)",
            "PREPARE z AS SELECT max(o_orderkey) FROM tpch_gen('orders', 0.001, row_type => NULL::o)",
            "ALTER TABLE o DROP o_clerk",
            "EXECUTE z",
        ],
    );
    assert_eq!(found, rows(&["5988"]));
}

#[test]
fn a_column_added_since_does_no_harm() {
    let cluster = Cluster::new();
    let found = outcome(
        &cluster,
        &[
            "CREATE TABLE o (o_orderkey bigint)",
            "PREPARE z AS SELECT max(o_orderkey) FROM tpch_gen('orders', 0.001, row_type => NULL::o)",
            "ALTER TABLE o ADD o_clerk text",
            "EXECUTE z",
        ],
    );
    assert_eq!(found, rows(&["5988"]));
}

#[test]
fn a_renamed_column_is_not_the_sources() {
    let cluster = Cluster::new();
    let found = outcome(
        &cluster,
        &[
            "CREATE TABLE o (o_orderkey bigint)",
            "PREPARE z AS SELECT max(o_orderkey) FROM tpch_gen('orders', 0.001, row_type => NULL::o)",
            "ALTER TABLE o RENAME o_orderkey TO key",
            "EXECUTE z",
        ],
    );
    assert_eq!(found, refused("42804"));
}

#[test]
fn a_function_in_plpgsql_notices_a_dropped_column() {
    let cluster = Cluster::new();
    let found = outcome(
        &cluster,
        &[
            "CREATE TABLE o (o_orderkey bigint, o_clerk text)",
            "CREATE FUNCTION last() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
             RETURN (SELECT max(o_clerk) FROM tpch_gen('orders', 0.001, row_type => NULL::o)); END $$",
            "SELECT last()",
            "ALTER TABLE o DROP o_clerk",
            "SELECT last()",
        ],
    );
    assert_eq!(found, refused("42703"));
}

#[test]
fn a_type_altered_below_an_open_cursor_cannot_crash_the_server() {
    let cluster = Cluster::new();
    // The executor has begun, but no row was asked for yet.
    let found = outcome(
        &cluster,
        &[
            "CREATE TYPE o AS (o_clerk text)",
            "DECLARE c CURSOR FOR SELECT o_clerk FROM tpch_gen('orders', 0.001, row_type => NULL::o)",
            "ALTER TYPE o ALTER ATTRIBUTE o_clerk TYPE name",
            "FETCH 1 FROM c",
        ],
    );
    assert_eq!(found, refused("42804"));
}

#[test]
fn a_type_altered_between_two_fetches_cannot_crash_the_server() {
    let cluster = Cluster::new();
    for way in WAYS {
        let mut client = cluster.connect();
        client
            .batch_execute(&format!(
                "{way};
                 BEGIN;
                 CREATE TYPE o AS (o_orderkey numeric);
                 DECLARE c CURSOR FOR SELECT o_orderkey FROM tpch_gen('orders', 0.001, row_type => NULL::o);
                 FETCH 1 FROM c;
                 ALTER TYPE o ALTER ATTRIBUTE o_orderkey TYPE bigint"
            ))
            .unwrap();
        assert_eq!(rows_of(&mut client, "FETCH 1 FROM c"), Ok(vec!["2".to_owned()]), "{way}");
    }
}

#[test]
fn an_outer_query_sees_an_altered_type_too() {
    let cluster = Cluster::new();
    for query in [
        "SELECT m FROM (VALUES (1)) v (n) LEFT JOIN LATERAL (SELECT max(o_orderkey) FROM tpch_gen('orders', 0.001, row_type => NULL::o)) s (m) ON m > ''",
        "SELECT (SELECT max(o_orderkey) FROM tpch_gen('orders', 0.001, row_type => NULL::o))",
        "WITH w AS MATERIALIZED (SELECT o_orderkey FROM tpch_gen('orders', 0.001, row_type => NULL::o)) SELECT max(o_orderkey) FROM w",
        "SELECT max(o_orderkey) OVER () FROM tpch_gen('orders', 0.001, row_type => NULL::o) WHERE o_orderkey > '5' LIMIT 1",
    ] {
        let found = outcome(
            &cluster,
            &[
                "CREATE TYPE o AS (o_orderkey text)",
                &format!("PREPARE z AS {query}"),
                "EXECUTE z",
                "ALTER TYPE o ALTER ATTRIBUTE o_orderkey TYPE int8",
                "EXECUTE z",
            ],
        );
        assert_eq!(found, refused("42804"), "{query}");
    }
}

#[test]
fn an_altered_type_is_noticed_by_parallel_workers() {
    let cluster = Cluster::new();
    let found = outcome(
        &cluster,
        &[
            "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0;
             SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL parallel_leader_participation = off",
            "CREATE TYPE o AS (o_orderkey text)",
            "PREPARE z AS SELECT max(o_orderkey) FROM tpch_gen('orders', 0.1, row_type => NULL::o)",
            "EXECUTE z",
            "ALTER TYPE o ALTER ATTRIBUTE o_orderkey TYPE int8",
            "EXECUTE z",
        ],
    );
    assert_eq!(found, refused("42804"));
}

#[test]
fn arguments_that_fail_leave_the_session_as_it_was() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    client
        .batch_execute(
            "CREATE FUNCTION refuse(n float8) RETURNS float8 LANGUAGE plpgsql STABLE AS
             $$ BEGIN IF n > 1 THEN RAISE EXCEPTION 'refused'; END IF; RETURN 0.001; END $$;
             CREATE FUNCTION refused(times int) RETURNS int LANGUAGE plpgsql AS $$
             DECLARE found int := 0;
             BEGIN
                 FOR i IN 1 .. times LOOP
                     BEGIN
                         PERFORM count(*) FROM tpch_gen('orders', refuse(i + 1), (SELECT 1), (SELECT 1), NULL::tpch_orders);
                     EXCEPTION WHEN raise_exception THEN found := found + 1;
                     END;
                 END LOOP;
                 RETURN found;
             END $$",
        )
        .unwrap();
    let query = "SELECT count(*) FROM tpch_gen('orders', refuse($1), row_type => NULL::tpch_orders)";
    client.batch_execute(&format!("PREPARE z (float8) AS {query}")).unwrap();
    assert_eq!(error_of(&mut client, "EXECUTE z (2)").unwrap().0, "P0001");
    assert_eq!(rows_of(&mut client, "EXECUTE z (1)"), Ok(vec!["1500".to_owned()]));
    assert_eq!(one::<i32>(&mut client, "SELECT refused(1000)"), 1000);
    assert_eq!(rows_of(&mut client, "EXECUTE z (0)"), Ok(vec!["1500".to_owned()]));
    for (query, code) in [
        ("SELECT count(*) FROM tpch_orders((SELECT 1 / (n - n) FROM (VALUES (2.0)) v (n)))", "22012"),
        ("SELECT count(*) FROM tpch_orders((SELECT n FROM generate_series(1, 2) n))", "21000"),
        ("SELECT count(*) FROM cdr_gen(100, (SELECT '{' || n FROM (VALUES ('')) v (n))::jsonb)", "22P02"),
        ("SELECT v.n, (SELECT count(*) FROM tpch_orders(0.001 / v.n)) FROM (VALUES (1), (0)) v (n)", "22012"),
    ] {
        assert_eq!(error_of(&mut client, query).unwrap().0, code, "{query}");
    }
}

#[test]
fn a_cursor_reads_backwards_and_outlives_its_transaction() {
    let cluster = Cluster::new();
    for query in [
        "SELECT n_nationkey FROM tpch_nation()",
        "SELECT n_nationkey FROM tpch_nation() WHERE n_regionkey = 0",
    ] {
        let mut client = cluster.connect();
        client
            .batch_execute(&format!("BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR {query}; MOVE 3 FROM c"))
            .unwrap();
        let before = rows_of(&mut client, "FETCH BACKWARD 1 FROM c").unwrap();
        client.batch_execute("COMMIT; MOVE FORWARD 1 FROM c").unwrap();
        assert_eq!(rows_of(&mut client, "FETCH BACKWARD 1 FROM c").unwrap(), before, "{query}");
        assert_eq!(rows_of(&mut client, "FETCH FIRST FROM c").unwrap(), ["0"], "{query}");
    }
}

#[test]
fn a_placeholder_below_an_outer_join_is_not_a_column_of_the_scan() {
    let cluster = Cluster::new();
    let query = "SELECT x, count(s) FROM (VALUES (1), (2)) a (x)
                 LEFT JOIN LATERAL (SELECT coalesce(a.x, 0) * o_orderkey AS s FROM tpch_orders(0.0001)) s ON true GROUP BY 1";
    assert_eq!(outcome(&cluster, &[query]), rows(&["1|150", "2|150"]));
}

/// A relation of a generated query: the item in FROM, and its columns: two numbers and a text.
struct Relation {
    from: String,
    columns: [String; 3],
}

/// Makes queries of all shapes; each means the same whatever its plan is.
struct Author<'a> {
    dice: &'a mut Dice,
    names: u32,
}

/// Functions with two columns that are numbers and one that is a text.
const SOURCES: &[(&str, [&str; 3])] = &[
    ("tpch_region()", ["r_regionkey", "r_regionkey", "r_name"]),
    ("tpch_nation()", ["n_nationkey", "n_regionkey", "n_name"]),
    ("tpch_customer(0.0001)", ["c_custkey", "c_nationkey", "c_mktsegment"]),
    ("tpch_part(0.0001)", ["p_partkey", "p_size", "p_brand"]),
    ("tpch_orders(0.0001, 1, 5)", ["o_orderkey", "o_custkey", "o_orderpriority"]),
    ("tpch_gen('lineitem', 0.0001, 1, 20)", ["l_orderkey", "l_linenumber", "l_shipmode"]),
    ("cdr_gen(20)", ["call_hour", "duration_seconds", "call_type"]),
    ("iot_gen(20)", ["device", "device", "metric"]),
];

impl Author<'_> {
    fn chance(&mut self, of: u64) -> bool {
        self.dice.below(of) == 0
    }

    fn any<'b, T>(&mut self, all: &'b [T]) -> &'b T {
        &all[self.dice.below(all.len() as u64) as usize]
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("r{}", self.names)
    }

    fn source(&mut self) -> Relation {
        let name = self.name();
        let (call, columns) = *self.any(SOURCES);
        Relation { from: format!("{call} {name}"), columns: columns.map(|column| format!("{name}.{column}")) }
    }

    /// A condition on one or two relations.
    fn condition(&mut self, one: &Relation, other: &Relation) -> String {
        let ([a, b, t], [c, d, u]) = (&one.columns, &other.columns);
        match self.dice.below(9) {
            0 => format!("{a} = {c}"),
            1 => format!("{b} = {d}"),
            2 => format!("{a} = {d} AND {t} <> {u}"),
            3 => format!("{a} < {c} + 3"),
            4 => format!("coalesce({b}, 0) = coalesce({c}, 1)"),
            5 => format!("{t} > {u} OR {a} IS NULL"),
            6 => format!("{a} IN (SELECT n_regionkey FROM tpch_nation() WHERE n_nationkey = {c})"),
            7 => format!(
                "EXISTS (SELECT FROM tpch_customer(0.0001) WHERE c_nationkey = {b} AND c_custkey > {d})"
            ),
            _ => "true".to_owned(),
        }
    }

    /// A relation; it may refer to `outer`, where there is one.
    fn relation(&mut self, outer: Option<&Relation>, depth: u32) -> Relation {
        if depth == 0 || self.chance(4) {
            return if self.chance(6) { self.values() } else { self.source() };
        }
        let inner = self.relation(None, depth - 1);
        let [a, b, t] = inner.columns.clone();
        let name = self.name();
        let columns = ["a", "b", "t"].map(|column| format!("{name}.{column}"));
        let from = &inner.from;
        let query = match self.dice.below(11) {
            0 => format!("SELECT {a} AS a, count(*) AS b, min({t}) AS t FROM {from} GROUP BY ROLLUP ({a})"),
            1 => format!(
                "SELECT {a} AS a, row_number() OVER (PARTITION BY {b} ORDER BY {a}, {t} COLLATE \"C\") AS b, {t} AS t FROM {from}"
            ),
            2 => format!("SELECT DISTINCT {b} AS a, 7 AS b, {t} AS t FROM {from}"),
            3 => {
                format!("SELECT {a} AS a, coalesce({b}, -1) AS b, concat({t}, '!') AS t FROM {from} OFFSET 0")
            }
            4 => format!(
                "SELECT {a} AS a, {b} AS b, {t} AS t FROM {from} UNION ALL SELECT n_nationkey, 1, n_name FROM tpch_nation()"
            ),
            5 => format!(
                "SELECT max({a}) AS a, sum({b})::bigint AS b, (SELECT min(r_name) FROM tpch_region() WHERE r_regionkey < max({a})) AS t FROM {from}"
            ),
            _ => match outer.map(|outer| outer.columns.clone()) {
                Some([c, d, u]) => match self.dice.below(5) {
                    0 => format!("SELECT coalesce({c}, 0) * {a} AS a, {d} AS b, {t} AS t FROM {from}"),
                    1 => format!(
                        "SELECT {a} AS a, {b} + {c} AS b, coalesce({u}, {t}) AS t FROM {from} WHERE {a} < {d}"
                    ),
                    2 => format!("SELECT {c} AS a, count(*) AS b, max({t}) AS t FROM {from} WHERE {b} = {c}"),
                    3 => format!(
                        "SELECT {a} AS a, {d} AS b, {u} || {t} AS t FROM {from} ORDER BY {a}, {b}, {t} LIMIT 3"
                    ),
                    _ => {
                        format!("SELECT coalesce({c}, 1) AS a, coalesce({a}, {d}) AS b, 'x' AS t FROM {from}")
                    }
                },
                None => {
                    format!("SELECT {b} AS a, {a} AS b, coalesce({t}, '') AS t FROM {from} WHERE {a} > 1")
                }
            },
        };
        let lateral = if outer.is_some() { "LATERAL " } else { "" };
        Relation { from: format!("{lateral}({query}) {name}"), columns }
    }

    fn values(&mut self) -> Relation {
        let name = self.name();
        Relation {
            from: format!("(VALUES (1, 2, 'AIR'), (3, NULL, 'x'), (NULL, 0, NULL)) {name} (a, b, t)"),
            columns: ["a", "b", "t"].map(|column| format!("{name}.{column}")),
        }
    }

    fn query(&mut self) -> String {
        let first = self.relation(None, 2);
        // FULL joins take conditions of equality only, and see nothing of their other side.
        let (second, join) = if self.chance(6) {
            let second = self.relation(None, 1);
            let on = format!("{} = {}", first.columns[0], second.columns[0]);
            (second, ("FULL JOIN", on))
        } else {
            let kind = *self.any(&["JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN"]);
            let outer = if kind == "RIGHT JOIN" { None } else { Some(&first) };
            let second = self.relation(outer, 2);
            let on = self.condition(&first, &second);
            (second, (kind, on))
        };
        let mut from = format!("{} {} {} ON {}", first.from, join.0, second.from, join.1);
        let mut last = second;
        if self.chance(2) {
            let kind = *self.any(&["JOIN", "LEFT JOIN"]);
            let third = self.relation(Some(&last), 1);
            from = format!("{from} {kind} {} ON {}", third.from, self.condition(&last, &third));
            last = third;
        }
        let filter =
            if self.chance(2) { format!(" WHERE {}", self.condition(&first, &last)) } else { String::new() };
        let ([a, b, t], [c, d, u]) = (&first.columns, &last.columns);
        match self.dice.below(6) {
            0 => format!("SELECT {a}, {d}, coalesce({c}, {b}), {t} FROM {from}{filter}"),
            1 => format!("SELECT {a}, count({c}), min({u}) FROM {from}{filter} GROUP BY 1"),
            2 => format!(
                "SELECT {a}, {t}, count({d}), max({u}), grouping({a}) FROM {from}{filter} GROUP BY GROUPING SETS (({a}, {t}), ({t}), ())"
            ),
            3 => format!(
                "SELECT {a}, {u}, sum({c}) OVER (PARTITION BY {t}), rank() OVER (ORDER BY {a}, {c}) FROM {from}{filter}"
            ),
            4 => format!(
                "SELECT DISTINCT {b}, {u}, (SELECT count(*) FROM tpch_region() WHERE r_regionkey < {a}) FROM {from}{filter}"
            ),
            _ => format!(
                "SELECT count(*), count({a}), sum({d}), min({t}), max({u}) FROM {from}{filter} HAVING count(*) > 0"
            ),
        }
    }
}

/// Settings that lead the planner to other plans.
const PLANNERS: &[&str] = &[
    "SELECT",
    "SET enable_hashjoin = off",
    "SET enable_nestloop = off; SET enable_hashjoin = off",
    "SET enable_material = off; SET enable_memoize = off",
    "SET enable_hashagg = off",
    "SET join_collapse_limit = 1; SET from_collapse_limit = 1",
    "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
];

fn under(
    client: &mut Client,
    way: &str,
    planner: &str,
    query: &str,
) -> Result<Vec<String>, (String, String)> {
    client.batch_execute(&format!("RESET ALL; SET statement_timeout = '20s'; {way}; {planner}")).unwrap();
    rows_of(client, query)
}

#[test]
fn generated_queries_give_the_same_rows_whichever_way() {
    let cluster = Cluster::new();
    let mut client = cluster.connect();
    let mut dice = Dice::new();
    let mut different = Vec::new();
    for _ in 0..250 {
        let planner = PLANNERS[dice.below(PLANNERS.len() as u64) as usize];
        let query = Author { dice: &mut dice, names: 0 }.query();
        let [scanned, streamed, stored] = WAYS.map(|way| under(&mut client, way, planner, &query));
        if let Err((code, message)) = &stored {
            panic!("{query}: {code} {message}");
        }
        for (way, found) in WAYS.iter().zip([scanned, streamed]).filter(|(_, found)| *found != stored) {
            let error = found.err().map(|(code, message)| format!("{code} {message}"));
            different
                .push(format!("{way}; {planner}; {query}: {}", error.unwrap_or("other rows".to_owned())));
        }
    }
    assert!(different.is_empty(), "{} of 500 differ:\n{}", different.len(), different.join("\n"));
}

/// A session whose function scans stream, or store all rows first.
fn with_function_scans(cluster: &Cluster, stream: bool) -> Client {
    let mut client = cluster.connect();
    client
        .batch_execute(&format!(
            "SET millrace.enable_scan = off; SET millrace.stream_function_scans = {stream}; SET work_mem = '64kB';
             SET max_parallel_workers_per_gather = 0"
        ))
        .unwrap();
    client
}

/// Bytes of temporary files that sessions of the database have written so far, once all but this one have ended.
fn temporary_bytes(cluster: &Cluster) -> i64 {
    let mut client = cluster.connect();
    millrace_tests::wait_until("the other sessions to end", || {
        one::<i64>(
            &mut client,
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        ) == 0
    });
    one(&mut client, "SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()")
}

#[test]
fn a_function_scan_that_streams_stores_nothing() {
    let cluster = Cluster::new();
    let insert = "CREATE TEMP TABLE t AS SELECT * FROM tpch_orders(0.1)";
    with_function_scans(&cluster, true).batch_execute(insert).unwrap();
    assert_eq!(temporary_bytes(&cluster), 0);
    with_function_scans(&cluster, false).batch_execute(insert).unwrap();
    assert!(temporary_bytes(&cluster) > 10_000_000);
}

#[test]
fn limit_ends_a_function_scan_that_streams() {
    let cluster = Cluster::new();
    let mut client = with_function_scans(&cluster, true);
    // Six billion rows, which no machine makes in this time.
    client.batch_execute("SET statement_timeout = '20s'").unwrap();
    let query = "SELECT l_orderkey FROM tpch_lineitem(1000) LIMIT 3 OFFSET 1";
    assert_eq!(rows_of(&mut client, query).unwrap(), ["1", "1", "1"]);
    // The same from a prepared statement, from a cursor that stays open, and where the subquery is left early each time.
    client
        .batch_execute(&format!("PREPARE p AS {query}; BEGIN; DECLARE c NO SCROLL CURSOR FOR {query}"))
        .unwrap();
    assert_eq!(rows_of(&mut client, "EXECUTE p").unwrap(), ["1", "1", "1"]);
    assert_eq!(rows_of(&mut client, "FETCH 2 FROM c").unwrap(), ["1", "1"]);
    let each = "SELECT n_nationkey, l_orderkey FROM tpch_nation() n,
                LATERAL (SELECT l_orderkey FROM tpch_lineitem(1000, n_nationkey + 1, 1000) LIMIT 1) l
                ORDER BY 1 LIMIT 2";
    assert_eq!(rows_of(&mut client, each).unwrap(), ["0|1", "1|6000001"]);
    client.batch_execute("COMMIT").unwrap();
}

#[test]
fn a_function_scan_that_goes_back_or_again_reads_its_store() {
    let cluster = Cluster::new();
    let mut client = with_function_scans(&cluster, true);
    client.batch_execute("BEGIN; DECLARE c SCROLL CURSOR FOR SELECT n_nationkey FROM tpch_nation()").unwrap();
    assert_eq!(rows_of(&mut client, "FETCH 3 FROM c").unwrap(), ["0", "1", "2"]);
    assert_eq!(rows_of(&mut client, "FETCH BACKWARD 2 FROM c").unwrap(), ["0", "1"]);
    assert_eq!(rows_of(&mut client, "FETCH ABSOLUTE 25 FROM c").unwrap(), ["24"]);
    client
        .batch_execute(
            "COMMIT; SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off",
        )
        .unwrap();
    // The inner side begins again for each row of the outer one.
    let pairs = "SELECT count(*), sum(a.n_nationkey * b.n_nationkey) FROM tpch_nation() a, tpch_nation() b
                 WHERE a.n_nationkey <> b.n_nationkey";
    assert_eq!(rows_of(&mut client, pairs).unwrap(), ["600|85100"]);
    // A held cursor that cannot go back keeps the rows that were not fetched.
    client
        .batch_execute(
            "BEGIN; DECLARE h NO SCROLL CURSOR WITH HOLD FOR SELECT n_nationkey FROM tpch_nation()",
        )
        .unwrap();
    assert_eq!(rows_of(&mut client, "FETCH 3 FROM h").unwrap(), ["0", "1", "2"]);
    client.batch_execute("COMMIT").unwrap();
    assert_eq!(rows_of(&mut client, "FETCH 2 FROM h").unwrap(), ["3", "4"]);
}
