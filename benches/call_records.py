#!/usr/bin/env python3
"""Loads call records by stream_ingest and by a generator in PL/pgSQL, in one run on one machine.

The generator is what users write without millrace: a function that returns a batch of rows from generate_series, random() in
every column, and INSERT … SELECT from it, committing after each batch. Both load plain heaps, then tables with five indexes.
RUNS, ROWS and INDEXED_ROWS set how often and how much. Started by `make bench-calls`; writes its section of benches/RESULTS.md.
"""

import os

from side_by_side import Cluster, compare, machine, table, write_section

ROWS = int(os.environ.get("ROWS", "1000000"))
INDEXED_ROWS = int(os.environ.get("INDEXED_ROWS", "500000"))
RUNS = int(os.environ.get("RUNS", "5"))
BATCH_ROWS = 100000
INDEXES = ["call_timestamp", "caller_number", "callee_number", "cell_tower_id", "call_date"]

STAND_IN = (
    "The contender stands in for the generator in PL/pgSQL of pax_benchmark, the ancestor of stream_bench, and is faster than that, which "
    "reached 250,000 to 270,000 rows/s, with indexes 50,000 to 60,000, on a machine of this kind. "
    "stream_ingest is to be at least 5 times as fast as the generator without indexes, and 2 times with five.\n")

# The columns, types and lengths of values are those of source cdr.
GENERATOR = """
CREATE FUNCTION random_calls(first_row bigint, row_count bigint, hour int) RETURNS SETOF cdr_calls LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    SELECT 'C' || lpad(g::text, 15, '0'),
           timestamp '2024-01-01' + make_interval(hours => hour) + random() * interval '1 hour',
           date '2024-01-01',
           hour,
           '+1' || (2000000000 + floor(5000000 * random() ^ 3))::bigint::text,
           '+1' || (2000000000 + floor(5000000 * random() ^ 3))::bigint::text,
           CASE WHEN random() < 0.2 THEN 0 ELSE (10 + 600 * random() ^ 3)::int END,
           (1 + floor(10000 * random() ^ 2))::int,
           CASE WHEN random() < 0.7 THEN 'voice' WHEN random() < 0.83 THEN 'sms' ELSE 'data' END,
           CASE WHEN random() < 0.3 THEN '4G' WHEN random() < 0.86 THEN '5G' ELSE '5G-mmWave' END,
           CASE WHEN random() < 0.05 THEN (random() * 100000000)::bigint END,
           CASE WHEN random() < 0.8 THEN 16 ELSE (1 + floor(random() * 20))::int END,
           (random() * 10)::numeric(10,4),
           (1 + floor(random() * 50))::int,
           random() < 0.1,
           (1 + random() * 4)::numeric(3,2),
           (random() * 5)::numeric(5,2),
           g
    FROM generate_series(first_row, first_row + row_count - 1) g;
END $$
"""


def loads(cluster, rows, indexes, title):
    def fresh():
        cluster.sql("DROP TABLE IF EXISTS calls", "SELECT stream_drop(run) FROM stream_progress", "CREATE TABLE calls (LIKE cdr_calls)",
                    *(f"CREATE INDEX ON calls ({column})" for column in indexes), "CHECKPOINT")

    generator = f"""DO $$ BEGIN
        FOR batch IN 0 .. {rows // BATCH_ROWS - 1} LOOP
            INSERT INTO calls SELECT * FROM random_calls(batch * {BATCH_ROWS} + 1, {BATCH_ROWS}, batch % 24);
            COMMIT;
        END LOOP;
    END $$"""
    ingest = f"CALL stream_ingest('calls', 'cdr', rows => {rows}, batch_rows => {BATCH_ROWS})"
    times = compare({
        "stream_ingest": lambda: cluster.sql(ingest),
        "INSERT … SELECT from a generator in PL/pgSQL": lambda: cluster.sql(generator),
    }, fresh, RUNS)
    assert int(cluster.sql("SELECT count(*) FROM calls")) == rows
    return table(f"{title}, {rows:,} rows", times, rows)


def main():
    cluster = Cluster()
    try:
        cluster.sql("CREATE EXTENSION millrace", GENERATOR)
        write_section("Call records beside a generator in PL/pgSQL", RUNS, machine(cluster), [
            STAND_IN,
            loads(cluster, ROWS, [], "WAL-logged heap, one session"),
            loads(cluster, INDEXED_ROWS, INDEXES, "The same with five indexes"),
        ])
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
