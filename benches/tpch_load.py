#!/usr/bin/env python3
"""Loads all of TPC-H by millrace and by its peers, and runs the 22 queries on what was loaded and on views over generation.

Contenders take turns, after a round that does not count. The queries' results are compared with the published answers, and
on DuckDB's own data, copied into PostgreSQL, with DuckDB's own answers, both at scale factor 0.01, too. Prints, and writes to its
section of benches/RESULTS.md, medians. RUNS and SF (0.01, 0.1 or 1: others have no answers) set how often and how much; PG_TPCH
may name a build of pg_tpch's library, which then takes part. Started by `make bench-tpch`, with the Python of target/bench, which has DuckDB.
"""

import os
import tempfile
from decimal import Decimal, InvalidOperation
from pathlib import Path

import duck
from side_by_side import PG_TPCH, Cluster, compare, machine, milliseconds, run, table, write_section
from tpch_answers import TABLES, check

RUNS = int(os.environ.get("RUNS", "3"))
SF = float(os.environ.get("SF", "1"))
PRIMARY_KEYS = {
    "region": "r_regionkey", "nation": "n_nationkey", "part": "p_partkey", "supplier": "s_suppkey",
    "partsupp": "ps_partkey, ps_suppkey", "customer": "c_custkey", "orders": "o_orderkey",
    "lineitem": "l_orderkey, l_linenumber",
}


def load_by_duckdb(file, keys):
    unique = (f"CREATE UNIQUE INDEX {name}_key ON {name} ({columns})" for name, columns in PRIMARY_KEYS.items())
    duck.load(file, "tpch", f"CALL dbgen(sf={SF})", *(unique if keys else ()))


def add_primary_keys(cluster, schema):
    cluster.sql(*(f"ALTER TABLE {schema}.{name} ADD PRIMARY KEY ({columns})" for name, columns in PRIMARY_KEYS.items()))


def load_by_pg_tpch(cluster):
    """Into tables with its own types, and the primary keys that its loader builds at its end."""
    cluster.sql("CREATE SCHEMA peer", *(f"CREATE TABLE peer.{name} (LIKE tpch_{name})" for name in TABLES))
    for column in cluster.sql("""SELECT format('ALTER TABLE %s ALTER %I TYPE integer', attrelid::regclass, attname)
            FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
            WHERE relnamespace = 'peer'::regnamespace AND attnum > 0 AND atttypid = 'bigint'::regtype""").splitlines():
        cluster.sql(column)
    add_primary_keys(cluster, "peer")
    cluster.sql("SET search_path TO peer, public", *(f"SELECT * FROM generate_{name}({SF})" for name in TABLES))


def loads(cluster, file):
    def fresh():
        cluster.sql("SELECT stream_drop(run) FROM stream_progress", "DROP SCHEMA IF EXISTS tpch, peer CASCADE", "CHECKPOINT")

    def with_primary_keys():
        cluster.sql(f"CALL tpch_load({SF}, keys => false, \"analyze\" => false)")
        add_primary_keys(cluster, "tpch")

    keyed = {
        "tpch_load, rows, and primary keys": with_primary_keys,
        "DuckDB, CALL dbgen into a file, and unique indexes": lambda: load_by_duckdb(file, True),
        "DuckDB, CALL dbgen into a file, no keys": lambda: load_by_duckdb(file, False),
    }
    if PG_TPCH:
        for name in TABLES:
            cluster.sql(f"""CREATE FUNCTION generate_{name}(float8) RETURNS TABLE (rows bigint, heap_ms float8, index_ms float8)
                LANGUAGE c AS '{PG_TPCH}', 'generate_{name}_wrapper'""")
        keyed["pg_tpch, which writes files without WAL, and primary keys"] = lambda: load_by_pg_tpch(cluster)
    whole = {
        "tpch_load, with foreign keys and statistics": lambda: cluster.sql(f"CALL tpch_load({SF})"),
        "the same, workers => 2": lambda: cluster.sql(f"CALL tpch_load({SF}, workers => 2)"),
    }
    times = compare(keyed | whole, fresh, RUNS)
    return table(f"All eight tables at scale factor {SF:g}, with primary keys", times)


def validate(cluster, sf):
    """Milliseconds of each query on loaded tables and on views; all must pass."""
    loaded, made = ("tpch", "made") if sf == SF else ("small", "small_made")
    # A load that is whole does nothing.
    cluster.sql(f"CALL tpch_load({sf}, '{loaded}')", f"SELECT tpch_virtual('{made}', {sf})", "CHECKPOINT")
    return milliseconds(cluster, "tpch", 22, loaded), milliseconds(cluster, "tpch", 22, made)


def answers_of_duckdb(cluster, sf):
    """How many queries, of 22, give DuckDB's answers when PostgreSQL runs them on DuckDB's rows."""
    cluster.sql("CALL tpch_load(0, 'duck', keys => false, \"analyze\" => false, overwrite => true)")
    connection = duck.connect()
    connection.execute(f"CALL dbgen(sf={sf})")
    with tempfile.TemporaryDirectory() as folder:
        for name in TABLES:
            connection.execute(f"COPY {name} TO '{folder}/{name}.csv' (FORMAT csv, HEADER)")
            cluster.sql(f"\\copy duck.{name} FROM '{folder}/{name}.csv' (FORMAT csv, HEADER)")
    add_primary_keys(cluster, "duck")
    cluster.sql("ANALYZE")
    answers = connection.execute("SELECT query_nr, answer FROM tpch_answers() WHERE scale_factor = ?", [sf]).fetchall()
    for number, answer in answers:
        text = cluster.sql(f"SELECT tpch_query({number}, 'duck', decorrelated => true)")
        found = [[typed(value) for value in line.split("|")] for line in run(cluster.psql(text)).split("\n")[:-1]]
        check(f"query {number} on DuckDB's rows at {sf}", found, [line.split("|") for line in answer.splitlines()[1:]])
    return len(answers)


def typed(text):
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def queries(cluster):
    lines = ["### Answers to the 22 queries", "",
             "How many of the 22 give the published answers on loaded tables and on views over generation (tpch_validate), and how many",
             "give DuckDB's own answers on DuckDB's own rows, copied into PostgreSQL:", "",
             "| scale factor | loaded | views | on DuckDB's rows |", "|---|---|---|---|"]
    # SF comes last, and its times stay for the other table.
    for sf in sorted({0.01, SF}):
        loaded, made = validate(cluster, sf)
        lines.append(f"| {sf:g} | {len(loaded)} | {len(made)} | {answers_of_duckdb(cluster, sf)} |")
    lines += ["", "Views make dbgen's rows, and DuckDB's differ from them in addresses and comments: no view has DuckDB's rows. What links the",
              "two is benches/tpch_answers.py: DuckDB's texts of the queries on dbgen's rows give the answers that the views are compared",
              "with, and at scale factor 1 they are the TPC's.", "",
              f"### The 22 queries at scale factor {SF:g}", "",
              "Milliseconds of one run of each, without indexes but primary keys:", "",
              "| query | loaded | views |", "|---|---|---|"]
    lines += [f"| {number} | {tables} | {views} |" for number, (tables, views) in enumerate(zip(loaded, made), 1)]
    lines.append(f"| all | {sum(map(int, loaded))} | {sum(map(int, made))} |")
    return "\n".join(lines) + "\n"


def main():
    cluster = Cluster()
    try:
        cluster.sql("CREATE EXTENSION millrace")
        with tempfile.TemporaryDirectory(prefix="millrace.") as folder:
            parts = [loads(cluster, Path(folder) / "duck.db"), queries(cluster)]
        write_section("Loading all of TPC-H, and its queries", RUNS, machine(cluster, "duckdb"), parts)
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
