//! Tests that run inside the server, one function each.

#[pgrx::pg_schema]
mod tests {
    use millrace_sources::{registry, tpch};
    use pgrx::prelude::*;

    fn one<T: FromDatum + IntoDatum>(query: &str) -> T {
        Spi::get_one(query).unwrap().unwrap_or_else(|| panic!("{query}: null"))
    }

    /// The family of the source that only tests have.
    const EXAMPLE: &str = "example";

    /// The memory of this backend.
    fn resident_kilobytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The SQLSTATE and message of a statement's error.
    fn error_of(statement: &str) -> String {
        Spi::run(
            "CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
             BEGIN
                 EXECUTE statement;
                 RETURN 'none';
             EXCEPTION WHEN OTHERS THEN
                 RETURN SQLSTATE || ' ' || SQLERRM;
             END $$",
        )
        .unwrap();
        let error =
            Spi::get_one_with_args("SELECT pg_temp.error_of($1)", &[statement.into()]).unwrap().unwrap();
        Spi::run("DROP FUNCTION pg_temp.error_of").unwrap();
        error
    }

    #[pg_extern]
    fn the_row_types_are_the_sources_columns() {
        for definition in registry::all().filter(|definition| definition.family != EXAMPLE) {
            let Some(row_type) = definition.row_type else { continue };
            let query = format!(
                "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
                 WHERE attrelid = '{row_type}'::regclass AND attnum > 0"
            );
            let columns: Vec<String> = one(&query);
            let schema = (definition.schema)();
            let expected: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(columns, expected, "{}", definition.name);
        }
    }

    #[pg_extern]
    fn values_come_in_the_types_of_the_specification() {
        let row: String = one("SELECT l::text FROM tpch_gen('lineitem', 0.01) l LIMIT 1");
        assert_eq!(
            row,
            "(1,1552,93,1,17.00,24710.35,0.04,0.02,N,O,1996-03-13,1996-02-12,1996-03-22,\
             \"DELIVER IN PERSON        \",\"TRUCK     \",\"egular courts above the\")"
        );
        let row: String = one("SELECT n::text FROM tpch_nation() n WHERE n_nationkey = 1");
        assert!(row.starts_with("(1,\"ARGENTINA                \",1,\"al foxes"), "{row}");
    }

    #[pg_extern]
    fn numerics_are_the_servers_own() {
        // Every value of a numeric column equals, bit by bit, what the server makes from its text.
        for (table, column) in [
            ("customer", "c_acctbal"),
            ("lineitem", "l_tax"),
            ("part", "p_retailprice"),
            ("orders", "o_totalprice"),
        ] {
            let query = format!(
                "SELECT count(*) FROM tpch_{table}(0.01)
                 WHERE numeric_send({column}) <> numeric_send({column}::text::numeric(15,2))"
            );
            assert_eq!(one::<i64>(&query), 0, "{table}");
        }
    }

    #[pg_extern]
    fn all_three_forms_give_the_same_rows() {
        for call in [
            "tpch_gen('orders', 0.01, 2, 3, NULL::tpch_orders)",
            "tpch_gen(NULL::tpch_orders, 0.01, part => 2, parts => 3)",
            "tpch_gen(sf => 0.01, parts => 3, part => 2, table_name => 'orders', row_type => NULL::tpch_orders)",
        ] {
            let query = format!(
                "SELECT count(*) FROM (TABLE expected EXCEPT ALL SELECT * FROM {call}) d",
                call = call
            );
            let query = format!("WITH expected AS (SELECT * FROM tpch_orders(0.01, 2, 3)) {query}");
            assert_eq!(one::<i64>(&query), 0, "{call}");
        }
        assert_eq!(one::<i64>("SELECT count(*) FROM tpch_orders(0.01, 2, 3)"), 5_000);
    }

    #[pg_extern]
    fn a_part_without_parts_is_one_of_a_scale_factor_each() {
        assert_eq!(one::<i64>("SELECT count(*) FROM tpch_supplier(3, 2)"), 10_000);
        assert_eq!(one::<i64>("SELECT count(*) FROM tpch_supplier(2.5, 3)"), 8_334);
    }

    #[pg_extern]
    fn any_row_type_is_filled_by_name_with_the_servers_casts() {
        Spi::run(
            "CREATE DOMAIN money_amount AS numeric(20,4) CHECK (VALUE > 0);
             CREATE TABLE orders (
                 o_orderdate timestamptz, o_totalprice money_amount, gone int, o_comment text,
                 o_custkey float8, o_orderstatus \"char\", o_orderkey numeric, o_clerk varchar(15)
             );
             ALTER TABLE orders DROP gone",
        )
        .unwrap();
        let query = "SELECT count(*) FROM tpch_gen(NULL::orders, 0.01) a JOIN tpch_orders(0.01) b
                     USING (o_orderkey, o_comment, o_custkey, o_totalprice)
                     WHERE a.o_orderdate::date = b.o_orderdate AND a.o_orderstatus::text = b.o_orderstatus::text
                       AND a.o_clerk = b.o_clerk";
        assert_eq!(one::<i64>(query), 15_000);
        let scale: i32 = one("SELECT scale(o_totalprice) FROM tpch_gen(NULL::orders, 0.01) LIMIT 1");
        assert_eq!(scale, 4);
    }

    #[pg_extern]
    fn a_key_too_large_for_its_column_is_refused() {
        Spi::run("CREATE TYPE narrow AS (o_orderkey int)").unwrap();
        let call = "SELECT * FROM tpch_gen('orders', 1000, 400, 400, NULL::narrow)";
        let error = error_of(call);
        assert!(error.starts_with("22003 value ") && error.contains("\"o_orderkey\""), "{error}");
    }

    /// What the planner expects of a query: its `Plan Rows` or `Plan Width`.
    fn expected(query: &str, what: &str) -> f64 {
        let plan: pgrx::Json = one(&format!("EXPLAIN (FORMAT JSON) {query}"));
        plan.0[0]["Plan"][what].as_f64().unwrap()
    }

    #[pg_extern]
    fn the_planner_knows_the_rows() {
        let estimate = |query| expected(query, "Plan Rows");
        assert_eq!(estimate("SELECT * FROM tpch_lineitem(1)"), 6_001_215.0);
        assert_eq!(estimate("SELECT * FROM tpch_gen('lineitem', 0.01)"), 60_175.0);
        assert_eq!(estimate("SELECT * FROM tpch_gen(NULL::tpch_part, 10, part => 3, parts => 8)"), 250_000.0);
        assert_eq!(estimate("SELECT * FROM tpch_orders(100)"), 150_000_000.0);
        assert_eq!(estimate("SELECT * FROM tpch_nation(1, 7, 7)"), 7.0);
        assert_eq!(estimate("SELECT * FROM cdr_gen(7777777)"), 7_777_777.0);
        assert_eq!(estimate("SELECT * FROM iot_gen()"), 1_000_000.0);
        assert_eq!(estimate("SELECT * FROM cdr_gen(1000, part => 3, parts => 3)"), 334.0);
        assert_eq!(estimate("SELECT * FROM cdr_cell_towers()"), 10_000.0);
        assert_eq!(estimate("SELECT * FROM cdr_rate_plans('{}')"), 50.0);
        let large = estimate("SELECT * FROM tpch_lineitem(10)") / 59_986_052.0;
        assert!((large - 1.0).abs() < 0.001, "{large}");
        // What a wrong call would return is not known, and asking does not raise its error.
        assert_eq!(estimate("SELECT * FROM tpch_orders(-1)"), 1000.0);
        assert_eq!(error_of("EXPLAIN SELECT * FROM tpch_orders(sqrt(2))"), "none");
    }

    #[pg_extern]
    fn the_planner_knows_the_values() {
        // By what factor the estimate may be wrong.
        let queries = [
            (1.0, "SELECT FROM tpch_lineitem(0.01) GROUP BY l_returnflag"),
            (1.0, "SELECT FROM tpch_lineitem(0.01) GROUP BY l_returnflag, l_shipmode"),
            (1.0, "SELECT FROM tpch_orders(0.01) GROUP BY o_custkey"),
            (1.1, "SELECT FROM tpch_lineitem(0.01) WHERE l_shipmode = 'AIR'"),
            (1.1, "SELECT FROM tpch_lineitem(0.01) WHERE l_shipmode <> 'AIR' AND l_linestatus = 'O'"),
            (1.1, "SELECT FROM tpch_lineitem(0.01) WHERE l_shipdate < date '1995-01-01'"),
            (1.1, "SELECT FROM tpch_lineitem(0.01) WHERE l_receiptdate >= date '1998-06-01'"),
            (
                1.1,
                "SELECT FROM tpch_lineitem(0.01) WHERE l_quantity < 24 AND l_discount BETWEEN 0.05 AND 0.07",
            ),
            (1.1, "SELECT FROM tpch_lineitem(0.01) WHERE l_extendedprice > 50000"),
            (1.1, "SELECT FROM tpch_orders(0.1) WHERE o_orderstatus = 'P'"),
            (1.3, "SELECT FROM tpch_orders(0.1) WHERE o_totalprice > 300000"),
            (1.1, "SELECT FROM tpch_orders(0.1, 2, 7) WHERE o_orderkey < 100000"),
            (1.2, "SELECT FROM tpch_part(1) WHERE p_brand = 'Brand#23' AND p_size = 15"),
            (1.2, "SELECT FROM tpch_part(1) WHERE p_type LIKE 'PROMO%'"),
            (1.4, "SELECT FROM tpch_part(0.1) WHERE p_name LIKE '%green%'"),
            (1.0, "SELECT FROM tpch_nation() WHERE n_name = 'FRANCE'"),
            (1.1, "SELECT FROM tpch_orders(0.01) JOIN tpch_lineitem(0.01) ON o_orderkey = l_orderkey"),
            (1.1, "SELECT FROM tpch_customer(0.01) JOIN tpch_orders(0.01) ON c_custkey = o_custkey"),
            (
                1.2,
                "SELECT FROM tpch_customer(0.1) JOIN tpch_orders(0.1) ON c_custkey = o_custkey
                 WHERE c_mktsegment = 'BUILDING' AND o_orderdate < date '1995-03-15'",
            ),
            (1.1, "SELECT FROM tpch_gen('orders', 0.01, row_type => NULL::tpch_orders) GROUP BY o_custkey"),
            (
                1.1,
                "SELECT FROM (SELECT * FROM tpch_orders(0.01) OFFSET 0) o WHERE o_orderpriority = '1-URGENT'",
            ),
        ];
        for scan in ["on", "off"] {
            Spi::run(&format!("SET LOCAL millrace.enable_scan = {scan}")).unwrap();
            for (factor, query) in queries {
                let rows = one::<i64>(&format!("SELECT count(*) FROM ({query}) q")) as f64;
                let estimate = expected(query, "Plan Rows");
                let wrong = (estimate / rows).max(rows / estimate);
                assert!(wrong <= factor + 0.001, "{query}: {rows} rows, {estimate} expected, scan {scan}");
            }
        }
    }

    #[pg_extern]
    fn the_planner_knows_the_widths() {
        for table in tpch::tables() {
            let definition = registry::find(table).unwrap();
            Spi::run(&format!("CREATE TABLE {table} AS SELECT * FROM tpch_{table}(0.01); ANALYZE {table}"))
                .unwrap();
            for field in (definition.schema)().fields() {
                let width =
                    |from: &str| expected(&format!("SELECT {} FROM {from}", field.name()), "Plan Width");
                let (stored, generated) = (width(table), width(&format!("tpch_{table}(0.01)")));
                let wrong = (stored - generated).abs();
                assert!(
                    wrong <= 1.0 + stored / 10.0,
                    "{}: {stored} stored, {generated} expected",
                    field.name()
                );
            }
        }
    }

    #[pg_extern]
    fn any_row_type_is_planned() {
        Spi::run(
            "CREATE DOMAIN late AS date CHECK (VALUE > '1998-01-01');
             CREATE TYPE orders AS (
                 o_orderkey numeric(3), o_custkey smallint, o_orderstatus \"char\", o_totalprice float8,
                 o_orderdate late, o_orderpriority varchar(3), o_clerk varchar(15) COLLATE \"POSIX\",
                 o_shippriority text, o_comment text
             )",
        )
        .unwrap();
        // Most of these types cannot hold any of the values that are known.
        let planned = "EXPLAIN SELECT count(*) FROM tpch_gen(NULL::orders, 0.01) a JOIN tpch_gen(NULL::orders, 1) b
                       USING (o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate, o_orderpriority)
                       WHERE a.o_totalprice > 7 AND a.o_custkey < 8::int2 AND a.o_orderdate = '1998-02-01'
                         AND b.o_clerk > 'Clerk#000000500' AND b.o_orderpriority = '1-U' AND b.o_shippriority = '0'
                       GROUP BY a.o_orderstatus, b.o_orderdate";
        assert_eq!(error_of(planned), "none");
        let distinct = "SELECT FROM tpch_gen(NULL::orders, 0.01) GROUP BY o_orderstatus";
        assert_eq!(expected(distinct, "Plan Rows"), 3.0);
        let clerks = "SELECT FROM tpch_gen(NULL::orders, 0.01) WHERE o_clerk <= 'Clerk#000000500'";
        assert!(
            (6_000.0..9_000.0).contains(&expected(clerks, "Plan Rows")),
            "{}",
            expected(clerks, "Plan Rows")
        );
    }

    #[pg_extern]
    fn prepared_statements_are_planned_without_their_arguments() {
        Spi::run(
            "SET LOCAL plan_cache_mode = force_generic_plan;
             PREPARE q(float8) AS SELECT count(*) FROM tpch_orders($1) JOIN tpch_customer($1) ON o_custkey = c_custkey
                 WHERE o_orderstatus = 'F' AND c_mktsegment = 'BUILDING'",
        )
        .unwrap();
        let generic: i64 = one("EXECUTE q(0.01)");
        Spi::run("SET LOCAL plan_cache_mode = force_custom_plan").unwrap();
        assert_eq!(one::<i64>("EXECUTE q(0.01)"), generic);
    }

    #[pg_extern]
    fn planning_leaves_no_memory_behind() {
        let plan_often = |times: u32| {
            Spi::run(&format!(
                "DO $$ BEGIN FOR i IN 1..{times} LOOP
                     EXECUTE 'EXPLAIN SELECT n_name FROM tpch_part(1), tpch_partsupp(1), tpch_supplier(1), tpch_nation(1)
                              WHERE p_partkey = ps_partkey AND ps_suppkey = s_suppkey AND s_nationkey = n_nationkey
                                AND p_name LIKE ''%green%'' AND p_size = 15 GROUP BY n_name';
                 END LOOP; END $$"
            ))
            .unwrap();
        };
        plan_often(20);
        let before = resident_kilobytes();
        plan_often(400);
        let grown = resident_kilobytes().saturating_sub(before);
        assert!(grown < 1_000, "{grown} kB");
    }

    /// The plan of a query, as EXPLAIN prints it.
    fn plan(query: &str) -> String {
        Spi::connect_mut(|client| {
            let rows = client.update(&format!("EXPLAIN (COSTS OFF) {query}") as &str, None, &[]).unwrap();
            rows.map(|row| row.get::<String>(1).unwrap().unwrap()).collect::<Vec<_>>().join("\n")
        })
    }

    #[pg_extern]
    fn the_scan_gives_the_rows_of_the_function_scan() {
        for table in millrace_sources::tpch::tables() {
            for call in [format!("tpch_{table}(0.01)"), format!("tpch_gen(NULL::tpch_{table}, 0.01, 2, 3)")] {
                let sum = format!("SELECT sum(hashtextextended(t::text, 0))::text || count(*) FROM {call} t");
                let columns: String = one(&format!(
                    "SELECT string_agg(attname, ', ') FROM pg_attribute
                     WHERE attrelid = 'tpch_{table}'::regclass AND attnum > 0"
                ));
                // A reference to the whole row needs the function scan; references to columns use the scan.
                let streamed = format!(
                    "SELECT sum(hashtextextended(ROW({columns})::tpch_{table}::text, 0))::text || count(*)
                     FROM {call}"
                );
                assert!(plan(&sum).contains("Function Scan"), "{}", plan(&sum));
                assert!(plan(&streamed).contains("Custom Scan (MillraceScan)"), "{}", plan(&streamed));
                assert_eq!(one::<String>(&streamed), one::<String>(&sum), "{call}");
            }
        }
    }

    #[pg_extern]
    fn the_function_scan_has_the_columns_that_are_read() {
        let queries = [
            "SELECT count(*)::text FROM tpch_orders(0.01)",
            "SELECT sum(o_totalprice) FILTER (WHERE o_clerk > 'Clerk#000000005')::text FROM tpch_orders(0.01)",
            "SELECT max(o_comment) FROM tpch_orders(0.01) WHERE o_orderpriority LIKE '1%' HAVING min(o_custkey) > 0",
            "SELECT string_agg(s::text, ';' ORDER BY s::text) FROM (
                 SELECT o_orderstatus, o_orderpriority, count(*) FROM tpch_orders(0.01) GROUP BY CUBE (1, 2)) s",
            "SELECT string_agg(k::text, ';' ORDER BY k) FROM (
                 SELECT n_regionkey + 1 AS k, count(*) FROM tpch_nation() GROUP BY n_regionkey + 1) s",
            "SELECT sum(hashtext(n::text) + r_regionkey)::text
             FROM tpch_nation() n FULL JOIN tpch_region() ON n_regionkey = r_regionkey",
            "SELECT string_agg(n_name || ordinality, ';') FROM tpch_nation() WITH ORDINALITY",
            "SELECT string_agg(n_name || r_name, ';') FROM ROWS FROM (tpch_nation(), tpch_region())",
            "SELECT string_agg((SELECT max(n_name) FROM tpch_nation() WHERE n_regionkey = r_regionkey), ';')
             FROM tpch_region()",
            "SELECT string_agg(name, ';' ORDER BY name) FROM (
                 SELECT n_name AS name FROM tpch_nation() UNION SELECT r_name FROM tpch_region()) s",
            "SELECT mode() WITHIN GROUP (ORDER BY o_clerk)::text FROM tpch_orders(0.01)",
        ];
        let answers = || queries.map(one::<String>);
        let streamed = answers();
        Spi::run("SET LOCAL millrace.enable_scan = off").unwrap();
        assert_eq!(answers(), streamed);
        Spi::run("SET LOCAL enable_hashagg = off; SET LOCAL work_mem = '64kB'").unwrap();
        assert_eq!(answers(), streamed);
    }

    #[pg_extern]
    fn what_json_can_hold_and_options_cannot_is_refused() {
        let wide = error_of("SELECT cdr_gen(1, '{\"seed\": 1e400}')");
        assert!(
            wide.starts_with("22023 invalid value for argument of type jsonb: number out of range"),
            "{wide}"
        );
        let deep = error_of("SELECT cdr_gen(1, (repeat('[', 200) || repeat(']', 200))::jsonb)");
        assert!(
            deep.starts_with("22023 invalid value for argument of type jsonb: recursion limit"),
            "{deep}"
        );
    }

    #[pg_extern]
    fn calls_and_readings_have_the_types_of_their_rows() {
        let row: String = one("SELECT c::text FROM cdr_gen(2) c OFFSET 1");
        assert_eq!(
            row,
            "(08b4fda8c892b50e,\"2024-01-01 00:00:00.062018\",2024-01-01,0,+15054222748,+16816585798,263,285,\
             voice,4G,,16,0.2126,19,f,4.13,0.54,2)"
        );
        let row: String = one("SELECT i::text FROM iot_gen(2) i OFFSET 1");
        assert_eq!(row, "(1,humidity,\"2024-01-01 00:00:00\",\"2024-01-01 00:00:00\",45.585,good)");
        // As the server derives them from each other.
        let wrong =
            "SELECT count(*) FROM cdr_gen(50000, '{\"rows_per_day\": 20000, \"start\": \"1999-12-31\"}')
                     WHERE call_date <> call_timestamp::date OR call_hour <> extract(hour FROM call_timestamp)
                        OR call_timestamp < '1999-12-31' OR call_timestamp >= '2000-01-03'
                        OR is_roaming IS NULL";
        assert_eq!(one::<i64>(wrong), 0);
        let wrong = "SELECT count(*) FROM cdr_gen(50000) c JOIN cdr_rate_plans() USING (rate_plan_id)
                     WHERE billing_amount <> CASE call_type
                         WHEN 'voice' THEN round(voice_per_minute * duration_seconds / 60, 4)
                         WHEN 'data' THEN round(data_per_minute * duration_seconds / 60, 4)
                         ELSE sms_price END";
        assert_eq!(one::<i64>(wrong), 0);
        let joined = "SELECT count(*) FROM cdr_gen(50000) JOIN cdr_rate_plans() USING (rate_plan_id)
                      JOIN cdr_cell_towers() USING (cell_tower_id)
                      JOIN cdr_termination_reasons() USING (termination_code)
                      WHERE answered OR duration_seconds = 0";
        assert_eq!(one::<i64>(joined), 50_000);
    }

    #[pg_extern]
    fn other_types_take_calls_and_readings_by_the_servers_casts() {
        Spi::run(
            "SET LOCAL timezone = 'UTC';
             CREATE TABLE casted (\"time\" timestamptz, arrival timestamp(0), value real, quality varchar(4));
             CREATE TABLE flags (is_roaming text, call_timestamp date, bytes_transferred int)",
        )
        .unwrap();
        let rows = |table: &str, source: &str| {
            format!("millrace.source_rows('{source}', '{{\"rows\": 1000}}', 0, 1000, NULL::{table})")
        };
        // "uncertain" does not fit.
        let error = error_of(&format!("SELECT * FROM {}", rows("casted", "iot")));
        assert!(error.starts_with("22001 value too long for column \"quality\""), "{error}");
        Spi::run("ALTER TABLE casted ALTER quality TYPE varchar(9)").unwrap();
        let same = "SELECT count(*) FROM (SELECT row_number() OVER () AS n, * FROM CALL) a
                    JOIN (SELECT row_number() OVER () AS n, * FROM iot_gen(1000)) b USING (n)
                    WHERE a.\"time\" = b.\"time\" AND a.arrival = b.arrival::timestamp(0)
                      AND a.value = b.value::real AND a.quality = b.quality";
        assert_eq!(one::<i64>(&same.replace("CALL", &rows("casted", "iot"))), 1_000);
        let texts = format!("SELECT string_agg(DISTINCT is_roaming, ' ') FROM {}", rows("flags", "cdr"));
        assert_eq!(one::<String>(&texts), "false true");
    }

    #[pg_extern]
    fn parts_of_calls_join_to_the_whole() {
        for (call, part) in [
            ("cdr_gen(10000, '{\"seed\": 5}')", "cdr_gen(10000, '{\"seed\": 5}', p, 7)"),
            ("iot_gen(10000, '{\"late\": 0.3}')", "iot_gen(10000, '{\"late\": 0.3}', p, 7)"),
        ] {
            let content = |from: &str| -> String {
                one(&format!("SELECT count(*) || ' ' || sum(hashtextextended(t::text, 0)) FROM {from} t"))
            };
            let parts = format!("(SELECT t.* FROM generate_series(1, 7) p, {part} t)");
            assert_eq!(content(&parts), content(call));
            assert!(content(call).starts_with("10000 "), "{}", content(call));
            // The scan makes the same rows as the function.
            let columns: String = one(&format!(
                "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute a
                 JOIN pg_type t ON t.typrelid = attrelid
                 WHERE t.oid = (SELECT prorettype FROM pg_proc WHERE proname = '{}') AND attnum > 0",
                &call[..7]
            ));
            let streamed = format!("(SELECT {columns} FROM {call} OFFSET 0)");
            assert!(plan(&format!("SELECT count(*) FROM {streamed} s")).contains("MillraceScan"));
            assert_eq!(content(&streamed), content(call));
        }
    }

    #[pg_extern]
    fn a_family_says_which_source_is_meant() {
        let (short, qualified) = (
            "SELECT count(*) FROM tpch_gen('orders', 0.01, row_type => NULL::tpch_orders)",
            "SELECT count(o_orderkey) FROM tpch_gen('tpch.orders', 0.01, row_type => NULL::tpch_orders)",
        );
        assert_eq!(one::<i64>(qualified), one::<i64>(short));
        let rows = "SELECT count(*) FROM millrace.source_rows('tpch.region', '{}', 0, 5, NULL::tpch_region)";
        assert_eq!(one::<i64>(rows), 5);
        assert_eq!(
            error_of("SELECT * FROM tpch_gen('cdr.cell_towers')"),
            "22023 TPC-H table \"cdr.cell_towers\" does not exist"
        );
        assert_eq!(
            error_of("SELECT * FROM stream_columns('iot.orders')"),
            "22023 source \"iot.orders\" does not exist"
        );
    }

    /// What a new source needs besides its module and its line in its family's list: a row type and a function.
    #[pg_extern]
    fn a_source_needs_a_row_type_and_a_function() {
        Spi::run(
            "CREATE TYPE public.example_sequence AS (number bigint, square bigint);
             CREATE FUNCTION public.example_sequence(
                 rows bigint DEFAULT 100, step integer DEFAULT 1, part integer DEFAULT NULL, parts integer DEFAULT NULL,
                 segments smallint DEFAULT millrace.segments()
             ) RETURNS SETOF example_sequence
             LANGUAGE c IMMUTABLE PARALLEL SAFE SUPPORT millrace.generate_support
             AS '$libdir/millrace', 'generate_wrapper'",
        )
        .unwrap();
        assert_eq!(one::<String>("SELECT max(square)::text FROM example_sequence(11)"), "100");
        let query =
            "SELECT sum(number)::bigint FROM example_sequence(rows => 10, step => 3, part => 2, parts => 2)";
        assert!(plan(query).contains("Options: {\"rows\":10,\"step\":3}"), "{}", plan(query));
        assert!(plan(query).contains("Columns Made: number"), "{}", plan(query));
        assert_eq!(one::<i64>(query), 3 * (5 + 6 + 7 + 8 + 9));
        assert_eq!(expected("SELECT number FROM example_sequence(77)", "Plan Rows"), 77.0);
        assert_eq!(expected("SELECT FROM example_sequence(700) GROUP BY square", "Plan Rows"), 700.0);
        assert_eq!(
            error_of("SELECT * FROM example_sequence(step => 0)"),
            "22023 invalid options for source \"sequence\": step must be from 1 to 1000, not 0"
        );
        let statements = "SELECT string_agg(s, '; ')
                          FROM millrace.bench_variant_statements('heap', 'index', 'sequence', 'bench', 1000, '{}') s";
        assert_eq!(
            one::<String>(statements),
            "CREATE TABLE bench.heap_index (LIKE public.example_sequence) USING heap; \
             CREATE INDEX ON bench.heap_index (number); CREATE INDEX ON bench.heap_index (square)"
        );
        assert_eq!(one::<String>("SELECT query FROM millrace.bench_queries('sequence')"), "one number");
        assert!(one::<bool>("SELECT 'sequence' IN (SELECT name FROM stream_sources())"));
    }

    #[pg_extern]
    fn a_row_type_that_changed_since_the_plan_is_refused() {
        let changed = "42804 function return row and query-specified return row do not match";
        Spi::run("SET LOCAL plan_cache_mode = force_generic_plan").unwrap();
        // The SQLSTATEs are those that the function scan's expressions raise.
        for (definition, query, change, error) in [
            (
                "TYPE changing AS (o_orderkey text)",
                "SELECT max(o_orderkey) FROM CALL",
                "TYPE changing ALTER ATTRIBUTE o_orderkey TYPE int8",
                changed,
            ),
            (
                "TABLE changing (o_comment text, o_totalprice numeric)",
                "SELECT sum(o_totalprice) FROM CALL",
                "TABLE changing ALTER o_totalprice TYPE bigint",
                changed,
            ),
            (
                "TYPE changing AS (o_orderkey bigint, o_orderdate date)",
                "SELECT o_orderdate FROM CALL LIMIT 1",
                "TYPE changing ALTER ATTRIBUTE o_orderdate TYPE timestamp",
                changed,
            ),
            (
                "TABLE changing (o_orderkey bigint, o_clerk text)",
                "SELECT sum(o_orderkey) FROM CALL WHERE o_clerk <> ''",
                "TABLE changing DROP o_clerk",
                "42703 attribute 2 of type changing has been dropped",
            ),
        ] {
            let query = query.replace("CALL", "tpch_gen('orders', 0.001, row_type => NULL::changing)");
            Spi::run(&format!("CREATE {definition}; PREPARE z AS {query}")).unwrap();
            assert!(plan(&query).contains("MillraceScan"), "{}", plan(&query));
            assert_eq!(error_of("EXECUTE z"), "none");
            Spi::run(&format!("ALTER {change}")).unwrap();
            assert_eq!(error_of("EXECUTE z"), error, "{change}");
            Spi::run("SET LOCAL millrace.enable_scan = off; DEALLOCATE z").unwrap();
            let kind = &definition[..definition.find(' ').unwrap()];
            Spi::run(&format!(
                "DROP {kind} changing; CREATE {definition}; PREPARE z AS {query}; EXECUTE z; ALTER {change}"
            ))
            .unwrap();
            assert_eq!(error_of("EXECUTE z")[..5], error[..5], "{change}");
            Spi::run("SET LOCAL millrace.enable_scan = on").unwrap();
            Spi::run(&format!("DEALLOCATE z; DROP {kind} changing")).unwrap();
        }
        // Columns that are not read may be added and dropped.
        Spi::run(
            "CREATE TYPE changing AS (o_orderkey bigint, o_clerk text);
             PREPARE z AS SELECT count(o_orderkey) FROM tpch_gen('orders', 0.001, row_type => NULL::changing);
             EXECUTE z; ALTER TYPE changing DROP ATTRIBUTE o_clerk, ADD ATTRIBUTE o_comment text",
        )
        .unwrap();
        assert_eq!(one::<i64>("EXECUTE z"), 1_500);
    }

    #[pg_extern]
    fn a_row_type_that_changed_is_planned_without_its_statistics() {
        // The query keeps the types of its columns, but is planned anew each time.
        Spi::run(
            "SET LOCAL plan_cache_mode = force_custom_plan;
             CREATE TYPE changing AS (o_orderkey text);
             PREPARE z(text) AS SELECT count(o_orderkey)
                 FROM tpch_gen('orders', 0.001, row_type => NULL::changing) WHERE o_orderkey > $1",
        )
        .unwrap();
        // The first call makes a temporary function, and with it a schema for which the query is parsed anew.
        assert_eq!(error_of("EXECUTE z('5')"), "none");
        Spi::run("ALTER TYPE changing ALTER ATTRIBUTE o_orderkey TYPE int8").unwrap();
        for scan in ["on", "off"] {
            Spi::run(&format!("SET LOCAL millrace.enable_scan = {scan}")).unwrap();
            let error = error_of("EXECUTE z('5')");
            assert!(error.starts_with("42804"), "{error}");
        }
    }

    #[pg_extern]
    fn a_function_sees_that_its_row_type_changed() {
        Spi::run(
            "CREATE TABLE changing (o_orderkey bigint, o_clerk text);
             CREATE FUNCTION clerks() RETURNS text LANGUAGE plpgsql AS $$
             BEGIN RETURN (SELECT max(o_clerk) FROM tpch_gen('orders', 0.001, row_type => NULL::changing)); END $$",
        )
        .unwrap();
        assert_eq!(one::<String>("SELECT clerks()"), "Clerk#000001000");
        Spi::run("ALTER TABLE changing DROP o_clerk").unwrap();
        let error = error_of("SELECT clerks()");
        assert!(error.starts_with("42703"), "{error}");
    }

    #[pg_extern]
    fn lateral_expressions_are_computed_by_the_scan() {
        for query in [
            "SELECT x, count(s) FROM (VALUES (1), (2)) a(x)
             LEFT JOIN LATERAL (SELECT coalesce(a.x, 0) * o_orderkey AS s FROM tpch_orders(0.001)) s ON true GROUP BY 1",
            "SELECT x, sum(s)::bigint FROM (VALUES (1, 'a'), (2, 'b')) a(x, y)
             LEFT JOIN LATERAL (SELECT coalesce(a.y, a::text) AS t, a.x * r_regionkey AS s FROM tpch_region()) s
             ON s.t = a.y GROUP BY 1",
            "SELECT x, count(s) FROM generate_series(1, 3) x
             LEFT JOIN LATERAL (SELECT x AS s FROM tpch_nation() WHERE n_regionkey < x
                                UNION ALL SELECT n_nationkey FROM tpch_nation()) s ON true GROUP BY 1",
            "SELECT w, count(s) FROM (SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9) a(a, b, c, d, e, f, g, h, w)
             LEFT JOIN LATERAL (SELECT w + r_regionkey AS s FROM tpch_region() UNION ALL SELECT w FROM tpch_region()) s
             ON true GROUP BY 1",
        ] {
            let rows = |scan: &str| {
                Spi::run(&format!("SET LOCAL millrace.enable_scan = {scan}")).unwrap();
                one::<String>(&format!("SELECT string_agg(q::text, ' ' ORDER BY q::text) FROM ({query}) q"))
            };
            assert_eq!(rows("on"), rows("off"), "{query}");
        }
    }

    #[pg_extern]
    fn an_error_in_a_condition_leaves_nothing_behind() {
        let query = "SELECT count(*) FROM tpch_orders(0.01) WHERE o_orderkey / (o_orderkey - 7) > 1";
        assert!(plan(query).contains("MillraceScan"), "{}", plan(query));
        for _ in 0..3 {
            assert_eq!(error_of(query), "22012 division by zero");
            let argument =
                "SELECT count(*) FROM tpch_orders((SELECT 1 / (count(*) - 25) FROM tpch_nation()))";
            assert_eq!(error_of(argument), "22012 division by zero");
        }
        assert_eq!(one::<i64>("SELECT count(*) FROM tpch_orders(0.01) WHERE o_orderkey / 7 = 1"), 1);
    }

    #[pg_extern]
    fn the_scan_can_be_switched_off() {
        let query = "SELECT count(*) FROM tpch_orders(0.01) WHERE o_orderkey = 7";
        assert!(plan(query).contains("MillraceScan"));
        Spi::run("SET LOCAL millrace.enable_scan = off").unwrap();
        assert!(plan(query).contains("Function Scan on tpch_orders"));
        assert_eq!(one::<i64>(query), 1);
    }

    #[pg_extern]
    fn explain_shows_what_the_scan_makes() {
        let explained = plan("SELECT max(o_custkey) FROM tpch_orders(0.5, 2, 5) WHERE o_orderkey < 100");
        for line in
            ["Source: orders", "Options: {\"sf\":0.5}", "Part: 2 of 5", "Columns Made: o_orderkey, o_custkey"]
        {
            assert!(explained.contains(line), "{line}: {explained}");
        }
        let explained = plan("SELECT max(call_id) FROM cdr_gen(7, '{\"seed\": 3}')");
        for line in ["Source: cdr", "Options: {\"rows\":7,\"seed\":3}", "Columns Made: call_id"] {
            assert!(explained.contains(line), "{line}: {explained}");
        }
        assert!(!explained.contains("Part"), "{explained}");
        assert!(plan("SELECT count(*) FROM tpch_orders(1)").contains("Columns Made: none"));
        // Nothing runs, so even a wrong call is explained.
        assert!(plan("SELECT o_orderkey FROM tpch_orders(-1) LIMIT 1").contains("MillraceScan"));
        assert_eq!(
            error_of("SELECT o_orderkey FROM tpch_orders(-1)"),
            "22023 scale factor -1 is out of range"
        );
    }

    #[pg_extern]
    fn the_scan_is_scanned_again_with_other_arguments() {
        let correlated = "SELECT sum((SELECT count(n_nationkey) FROM tpch_nation(1, p, 7)))::bigint FROM generate_series(1, 7) p";
        assert!(plan(correlated).contains("MillraceScan"), "{}", plan(correlated));
        assert_eq!(one::<i64>(correlated), 25);
        Spi::run("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off")
            .unwrap();
        let nested = "SELECT count(*) FROM tpch_region() r JOIN tpch_nation() n ON n_regionkey = r_regionkey";
        assert!(plan(nested).contains("Nested Loop"), "{}", plan(nested));
        assert_eq!(one::<i64>(nested), 25);
        Spi::run("SET LOCAL plan_cache_mode = force_generic_plan").unwrap();
        Spi::run("PREPARE q(float8, int) AS SELECT count(o_orderkey) FROM tpch_orders($1, $2, 3)").unwrap();
        assert_eq!(one::<i64>("EXECUTE q(0.01, 1)"), 5_000);
        assert_eq!(one::<i64>("EXECUTE q(0.02, 3)"), 10_000);
    }

    #[pg_extern]
    fn explain_shows_what_parameters_came_to() {
        Spi::run("SET LOCAL plan_cache_mode = force_generic_plan").unwrap();
        Spi::run("PREPARE q(float8, int) AS SELECT count(o_orderkey) FROM tpch_orders($1, $2, 3)").unwrap();
        let explain = |options: &str| {
            let lines = format!("EXPLAIN ({options}COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE q(0.01, 2)");
            Spi::connect(|client| {
                let rows = client.select(&lines, None, &[]).unwrap();
                rows.map(|row| row.get::<String>(1).unwrap().unwrap()).collect::<Vec<_>>().join("\n")
            })
        };
        assert!(explain("").contains("Source: chosen by parameters"), "{}", explain(""));
        let analyzed = explain("ANALYZE, ");
        for shown in ["Source: orders", r#"Options: {"sf":0.01}"#, "Part: 2 of 3", "Columns Made: o_orderkey"]
        {
            assert!(analyzed.contains(shown), "{shown}: {analyzed}");
        }
    }

    /// What EXPLAIN (ANALYZE) measures of a query's plan.
    fn analyzed(query: &str) -> serde_json::Value {
        let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}");
        let plans = Spi::get_one::<pgrx::Json>(&explain).unwrap().unwrap().0;
        plans[0]["Plan"].clone()
    }

    #[pg_extern]
    fn the_scan_needs_no_temporary_file() {
        let written = |query| analyzed(query)["Temp Written Blocks"].as_i64().unwrap();
        let query = "SELECT count(*) FROM tpch_lineitem(0.1)";
        assert_eq!(written(query), 0);
        Spi::run("SET LOCAL millrace.enable_scan = off").unwrap();
        assert_eq!(written(query), 0);
        Spi::run("SET LOCAL millrace.stream_function_scans = off").unwrap();
        assert!(written(query) > 0);
    }

    #[pg_extern]
    fn the_scan_stops_when_no_more_rows_are_wanted() {
        // Six hundred billion rows are not made here.
        assert_eq!(
            one::<i64>("SELECT count(*) FROM (SELECT l_orderkey FROM tpch_lineitem(100000) LIMIT 7) s"),
            7
        );
        assert!(one::<bool>("SELECT EXISTS (SELECT FROM tpch_lineitem(100000) WHERE l_partkey > 0)"));
    }

    #[pg_extern]
    fn cursors_go_both_ways() {
        Spi::run("DECLARE c SCROLL CURSOR FOR SELECT n_nationkey FROM tpch_nation()").unwrap();
        assert_eq!(one::<i32>("FETCH 5 FROM c"), 0);
        assert_eq!(one::<i32>("FETCH BACKWARD 1 FROM c"), 3);
        assert_eq!(one::<i32>("FETCH LAST FROM c"), 24);
        assert_eq!(one::<i32>("FETCH FIRST FROM c"), 0);
    }

    #[pg_extern]
    fn rows_that_are_handed_on_have_the_function_scan() {
        let scan_of = |query: &str| {
            let plan = plan(query);
            assert!(plan.contains("Function Scan on") != plan.contains("MillraceScan"), "{plan}");
            if plan.contains("MillraceScan") { "own" } else { "function" }
        };
        Spi::run("CREATE TABLE t AS SELECT * FROM tpch_nation() WITH NO DATA").unwrap();
        let handed_on = "SELECT * FROM tpch_nation()";
        for query in [
            handed_on,
            "SELECT * FROM (SELECT n_name FROM tpch_nation() WHERE n_regionkey = 1) n ORDER BY 1",
            "CREATE TABLE copied AS SELECT * FROM tpch_nation()",
            "INSERT INTO t SELECT * FROM tpch_nation()",
        ] {
            assert_eq!(scan_of(query), "function", "{query}");
        }
        for query in [
            "SELECT max(n_name) FROM tpch_nation()",
            "SELECT DISTINCT n_regionkey FROM tpch_nation()",
            "SELECT n_regionkey FROM tpch_nation() GROUP BY 1",
            "SELECT n_name, row_number() OVER () FROM tpch_nation()",
            "SELECT * FROM tpch_nation() LIMIT 5",
            "SELECT a.n_name, r_name FROM tpch_nation() a, t, LATERAL (SELECT 'r' AS r_name) r",
            "SELECT n_nationkey FROM t WHERE n_nationkey IN (SELECT n_nationkey FROM tpch_nation())",
            // Where it stops, and which way it goes, is up to the cursor.
            "DECLARE c CURSOR FOR SELECT * FROM tpch_nation()",
        ] {
            assert_eq!(scan_of(query), "own", "{query}");
        }
        for setting in ["stream_function_scans", "generate_ahead"] {
            Spi::run(&format!("SET LOCAL millrace.{setting} = off")).unwrap();
            assert_eq!(scan_of(handed_on), "own", "{setting}");
            Spi::run(&format!("SET LOCAL millrace.{setting} = on")).unwrap();
        }
    }

    #[pg_extern]
    fn the_scan_feeds_inserts_and_new_tables() {
        Spi::run(
            "CREATE TABLE copied AS SELECT * FROM tpch_orders(0.01);
             CREATE TABLE inserted (LIKE copied);
             INSERT INTO inserted SELECT * FROM tpch_gen(NULL::tpch_orders, 0.01)",
        )
        .unwrap();
        let different = "SELECT count(*) FROM (TABLE copied EXCEPT ALL TABLE inserted) d";
        assert_eq!(one::<i64>(different), 0);
        assert_eq!(one::<i64>("SELECT count(*) FROM inserted"), 15_000);
    }

    #[pg_extern]
    fn rows_locked_or_updated_from_are_left_to_the_function_scan() {
        Spi::run("CREATE TABLE t AS SELECT n_nationkey AS k, 0 AS region FROM tpch_nation()").unwrap();
        let update = "UPDATE t SET region = n_regionkey FROM tpch_nation() WHERE n_nationkey = k";
        assert!(plan(update).contains("Function Scan"), "{}", plan(update));
        Spi::run(update).unwrap();
        assert_eq!(
            one::<i64>("SELECT sum(region) FROM t"),
            one::<i64>("SELECT sum(n_regionkey) FROM tpch_nation()")
        );
        let delete = "DELETE FROM t USING tpch_nation() WHERE n_nationkey = k AND n_regionkey = 0";
        Spi::run(delete).unwrap();
        assert_eq!(one::<i64>("SELECT count(*) FROM t"), 20);
        #[cfg(not(feature = "pg14"))]
        {
            Spi::run(
                "MERGE INTO t USING tpch_nation() ON n_nationkey = k
                 WHEN MATCHED THEN UPDATE SET region = -1 WHEN NOT MATCHED THEN INSERT VALUES (n_nationkey, -1)",
            )
            .unwrap();
            assert_eq!(one::<i64>("SELECT count(*) FROM t WHERE region = -1"), 25);
        }
        let locked = "SELECT k FROM t JOIN tpch_nation() ON n_nationkey = k FOR UPDATE OF t";
        assert!(plan(locked).contains("Function Scan"), "{}", plan(locked));
    }

    #[pg_extern]
    fn workers_share_the_scan() {
        Spi::run(
            "SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0;
             SET LOCAL max_parallel_workers_per_gather = 2; SET LOCAL min_parallel_table_scan_size = 0",
        )
        .unwrap();
        let query = "SELECT sum(l_quantity)::bigint * 1000000 + count(*) FROM tpch_lineitem(0.1)";
        assert!(plan(query).contains("Parallel Custom Scan (MillraceScan)"), "{}", plan(query));
        let shared: i64 = one(query);
        let launched = |plan: &serde_json::Value| plan["Plans"][0]["Workers Launched"].as_i64();
        assert_eq!(launched(&analyzed(query)), Some(2));
        // The workers begin anew each time the scan does.
        Spi::run("SET LOCAL enable_material = off").unwrap();
        let again = "SELECT sum(rows)::text FROM generate_series(1, 3)
                     LEFT JOIN (SELECT count(l_orderkey) AS rows FROM tpch_lineitem(0.01)) counted ON true";
        assert!(plan(again).contains("Parallel Custom Scan (MillraceScan)"), "{}", plan(again));
        assert_eq!(one::<String>(again), "180525");
        Spi::run("SET LOCAL max_parallel_workers_per_gather = 0").unwrap();
        assert_eq!(one::<i64>(query), shared);
    }

    #[pg_extern]
    fn large_scans_are_shared_without_being_asked() {
        let query = "SELECT l_returnflag, sum(l_quantity) FROM tpch_gen('lineitem', 10) GROUP BY 1";
        assert!(plan(query).contains("Parallel Custom Scan (MillraceScan)"), "{}", plan(query));
    }

    #[pg_extern]
    fn the_scan_needs_the_right_to_execute() {
        Spi::run(
            "CREATE ROLE stranger; REVOKE EXECUTE ON FUNCTION tpch_orders FROM PUBLIC; SET LOCAL ROLE stranger",
        )
        .unwrap();
        // The role has no temporary schema of its own for `error_of`.
        let refused = PgTryBuilder::new(|| {
            Spi::run("SELECT o_orderkey FROM tpch_orders(0.01) LIMIT 1").unwrap();
            false
        })
        .catch_when(PgSqlErrorCode::ERRCODE_INSUFFICIENT_PRIVILEGE, |_| true)
        .execute();
        assert!(refused);
    }

    #[pg_extern]
    fn rows_come_wherever_a_set_may_stand() {
        let rows = |query: &str| one::<i64>(query);
        assert_eq!(rows("SELECT count(*) FROM (SELECT tpch_nation()) s"), 25);
        assert_eq!(rows("SELECT count(*) FROM (SELECT (tpch_nation()).n_name) s"), 25);
        assert_eq!(rows("SELECT count(*) FROM tpch_nation() WITH ORDINALITY o WHERE o.ordinality <= 3"), 3);
        assert_eq!(rows("SELECT count(*) FROM generate_series(1, 7) p, LATERAL tpch_nation(1, p, 7)"), 25);
        assert_eq!(
            rows("SELECT count(*) FROM tpch_region(), tpch_nation() WHERE r_regionkey = n_regionkey"),
            25
        );
        assert_eq!(rows("SELECT count(*) FROM ROWS FROM (tpch_region(), tpch_nation()) AS r"), 25);
        // In a select list the rows stream, too: this ends at once although the table has six billion rows.
        assert_eq!(rows("SELECT count(*) FROM (SELECT (tpch_part(30000)).p_partkey LIMIT 3) s"), 3);
        Spi::run("CREATE VIEW orders AS SELECT * FROM tpch_orders(0.001)").unwrap();
        assert_eq!(rows("SELECT count(*) FROM orders"), 1_500);
        Spi::run("PREPARE p(float8) AS SELECT count(*) FROM tpch_orders($1)").unwrap();
        assert_eq!(rows("EXECUTE p(0.002)"), 3_000);
    }

    #[pg_extern]
    fn the_tables_and_sources_are_listed() {
        assert_eq!(one::<i64>("SELECT sum(rows)::bigint FROM tpch_tables(0.01, exact => true)"), 86_805);
        let lineitem = "SELECT array_length(columns, 1) FROM tpch_tables() WHERE name = 'lineitem'";
        assert_eq!(one::<i32>(lineitem), 16);
        let options = "SELECT options[1] FROM stream_sources() WHERE name = 'orders'";
        assert!(one::<String>(options).starts_with("sf: scale factor"), "{}", one::<String>(options));
        let unclear = "SELECT coalesce(string_agg(name || ' ' || option, '; '), '')
                       FROM stream_sources(), unnest(options) option WHERE option !~ '^[a-z_]+: .*(\\mdefault \\S|\\mrequired\\M)'";
        assert_eq!(one::<String>(unclear), "", "each option says its default, or that it is required");
        let sql = "SELECT cardinality(options) FROM stream_sources() WHERE name = 'sql'";
        assert_eq!(one::<i32>(sql), 3);
    }

    #[pg_extern]
    fn functions_have_the_right_properties() {
        let wrong: Option<String> = Spi::get_one(
            "SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc
             WHERE proname ~ '^(tpch|cdr|iot)_' AND pronamespace = 'public'::regnamespace
               AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND proname NOT IN ('tpch_validate', 'tpch_export')
               AND NOT (proparallel = 's' AND provolatile = CASE WHEN proname = 'tpch_gen' THEN 's' ELSE 'i' END)",
        )
        .unwrap();
        assert_eq!(wrong, None);
    }

    #[cfg(feature = "pg18")]
    #[pg_extern]
    fn the_library_says_its_name_and_version() {
        let module: Option<String> = Spi::get_one(
            "SELECT concat_ws(' ', module_name, version) FROM pg_get_loaded_modules() WHERE file_name = 'millrace.so'",
        )
        .unwrap();
        assert_eq!(module.as_deref(), Some(concat!("millrace ", env!("CARGO_PKG_VERSION"))));
    }

    #[pg_extern]
    fn every_object_has_a_comment() {
        let silent: Option<String> = Spi::get_one(
            "SELECT string_agg(pg_describe_object(d.classid, d.objid, 0), ', ')
             FROM pg_depend d
             WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'millrace')
               AND pg_describe_object(d.classid, d.objid, 0) !~ 'tests'
               -- Since PostgreSQL 17 the types of tables and of arrays, too, belong to an extension.
               AND NOT EXISTS (
                   SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
                   WHERE (d.classid, d.objid) = ('pg_type'::regclass, t.oid) AND (t.typcategory = 'A' OR c.relkind <> 'c'))
               AND NOT EXISTS (
                   SELECT FROM pg_description c WHERE (c.classoid, c.objoid, c.objsubid) = (d.classid, d.objid, 0))",
        )
        .unwrap();
        assert_eq!(silent, None);
        let silent: Option<String> = Spi::get_one(
            "SELECT string_agg(a.attrelid::regclass || '.' || a.attname, ', ')
             FROM pg_attribute a JOIN pg_depend d ON d.objid = a.attrelid AND d.classid = 'pg_class'::regclass
             WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'millrace')
               AND a.attnum > 0 AND NOT a.attisdropped
               AND col_description(a.attrelid, a.attnum) IS NULL",
        )
        .unwrap();
        assert_eq!(silent, None);
    }

    #[pg_extern]
    fn text_is_only_pooled_for_those_who_read_it() {
        // Building the pool would show in the memory of this backend, which no other test shares.
        Spi::run("CREATE TYPE keys AS (l_orderkey bigint, l_shipdate date, l_shipmode text)").unwrap();
        let before = resident_kilobytes();
        assert_eq!(
            one::<i64>("SELECT count(*) FROM tpch_gen('lineitem', 0.01, row_type => NULL::keys)"),
            60_175
        );
        let without = resident_kilobytes() - before;
        assert!(without < 100_000, "{without} kB");
        assert_eq!(one::<i64>("SELECT count(l_comment) FROM tpch_lineitem(0.01)"), 60_175);
        let with = resident_kilobytes() - before;
        assert!(with > 250_000, "{with} kB");
    }

    /// Whether the plan of a bulk insert into a table still holds, before and after a statement.
    #[cfg(not(feature = "cbdb"))]
    fn holds(table: &str, change: &str) -> (bool, bool) {
        use crate::pg::load::plain::PlainInsert;
        let table = one(&format!("SELECT '{table}'::regclass::oid"));
        let plan = PlainInsert::plan(table, &["n_nationkey".to_owned()]).unwrap().unwrap();
        let before = plan.lock().is_some();
        Spi::run(change).unwrap();
        (before, plan.lock().is_some())
    }

    #[cfg(not(feature = "cbdb"))]
    #[pg_extern]
    fn a_plain_insert_is_one_until_what_it_depends_on_changes() {
        Spi::run(
            "CREATE TABLE plain (n_nationkey int, n_name text); CREATE TABLE other (LIKE plain);
             CREATE TABLE guarded (LIKE plain); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
             CREATE ROLE guest; GRANT INSERT ON guarded TO guest",
        )
        .unwrap();
        for change in [
            "ALTER TABLE plain ADD CHECK (n_nationkey >= 0)",
            "ALTER TABLE plain RENAME n_name TO name",
            "CREATE UNIQUE INDEX ON plain (name)",
            "CREATE RULE twice AS ON INSERT TO plain DO ALSO INSERT INTO other VALUES (new.n_nationkey)",
        ] {
            assert_eq!(holds("plain", change), (true, false), "{change}");
        }
        assert_eq!(holds("other", "INSERT INTO other VALUES (1); ANALYZE guarded"), (true, true));
        assert_eq!(holds("guarded", "SET LOCAL ROLE guest"), (true, false));
    }

    #[cfg(not(feature = "cbdb"))]
    #[pg_extern]
    fn only_inserts_that_just_fill_columns_are_plain() {
        use crate::pg::load::plain::PlainInsert;
        Spi::run(
            "CREATE DOMAIN seven AS int DEFAULT 7;
             CREATE TABLE plain (n_nationkey int, n_name varchar(5), gone int, n_comment text);
             ALTER TABLE plain DROP COLUMN gone;
             CREATE TABLE preset (n_nationkey int, n_name text DEFAULT 'none');
             CREATE TABLE preset_type (n_nationkey int, n_other seven);
             CREATE TABLE counted (n_nationkey int, n_other int GENERATED ALWAYS AS IDENTITY);
             CREATE TABLE made (n_nationkey int, n_other int GENERATED ALWAYS AS (n_nationkey + 1) STORED);
             CREATE VIEW seen AS SELECT * FROM plain;
             CREATE TABLE ruled (n_nationkey int);
             CREATE RULE nothing AS ON INSERT TO ruled DO INSTEAD NOTHING",
        )
        .unwrap();
        let is_plain = |table: &str, columns: &[&str]| {
            let columns: Vec<_> = columns.iter().map(|&column| column.to_owned()).collect();
            PlainInsert::plan(one(&format!("SELECT '{table}'::regclass::oid")), &columns).unwrap().is_some()
        };
        assert!(is_plain("plain", &["n_nationkey"]));
        assert!(is_plain("plain", &["n_nationkey", "n_name", "n_comment"]));
        assert!(is_plain("preset", &["n_nationkey", "n_name"]));
        assert!(is_plain("preset_type", &["n_nationkey", "n_other"]));
        for table in ["preset", "preset_type", "counted", "made", "seen", "ruled"] {
            assert!(!is_plain(table, &["n_nationkey"]), "{table}");
        }
    }
}
