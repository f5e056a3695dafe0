#!/usr/bin/env python3
"""Call detail records into a heap at a rate offered: latency, with and without readers, and the highest sustained rate.

For comparison, what a closed loop, which loads as fast as it can, says about the same tables; and pgbench with --rate, whose
transactions insert the same number of rows from a table. Prints, and writes to its section of benches/RESULTS.md. RATE rows per second
are offered for SECONDS, in batches of BATCH_ROWS; a step of the search lasts STEP seconds.
"""

import os

from side_by_side import Cluster, machine, write_section

RATE = int(os.environ.get("RATE", "50000"))
SECONDS = int(os.environ.get("SECONDS", "30"))
STEP = int(os.environ.get("STEP", "5"))
BATCH_ROWS = int(os.environ.get("BATCH_ROWS", "1000"))
PHASES = {"noindex": "without indexes", "index": "five indexes"}
WITHOUT_CHECKPOINTS = {"max_wal_size": "32GB"}


def percentiles(latencies):
    """As stream_latency() has them: the nearest rank."""
    ordered = sorted(latencies)
    rank = lambda share: ordered[max(-(-int(share * 1000 * len(ordered)) // 1000), 1) - 1]
    return [rank(0.5), rank(0.99), rank(0.999), ordered[-1]]


def closed_loop(cluster, phase):
    """Rows per second of a load as fast as it can, and of the slowest batch."""
    cluster.sql(f"""CALL stream_bench(rows => {RATE * SECONDS}, batch_rows => {BATCH_ROWS}, variants => '{{heap}}', phase => '{phase}',
                                      run => 'closed', schema => 'closed')""")
    row = cluster.sql("SELECT rows_per_second, rows_per_second_min FROM stream_report('closed')").split("|")
    cluster.sql("SELECT stream_bench_drop('closed')")
    return [int(figure) for figure in row]


def offered(cluster, phase):
    """Percentiles of latency at the rate, without readers and with two; and the readers' own."""
    cluster.sql(f"""CALL stream_bench(rows => NULL, batch_rows => {BATCH_ROWS}, variants => '{{heap}}', phase => '{phase}',
                                      rate => {RATE}, duration => '{SECONDS} s', readers => 2)""")
    latencies = [[float(figure) for figure in row.split("|")] for row in cluster.sql(
        "SELECT p50_ms, p99_ms, p999_ms, max_ms FROM stream_latency('bench')").splitlines()]
    queries = [row.split("|") for row in cluster.sql(
        """SELECT query, streaming, count, p50_ms, p99_ms, coalesce(fresh_p50_ms::text, ''), coalesce(fresh_p99_ms::text, '')
           FROM stream_readers('bench')""").splitlines()]
    cluster.sql("SELECT stream_bench_drop('bench')")
    return latencies, queries


def by_pgbench(cluster, phase):
    """The same by pgbench, which offers transactions at a rate of a Poisson process."""
    script = cluster.folder / "insert.sql"
    script.write_text("INSERT INTO peer.heap SELECT * FROM peer.batch;\n")
    script.chmod(0o644)
    logs = cluster.server / "pgbench"
    indexes = cluster.sql("SELECT unnest(index_set) FROM millrace.bench_sources(1) WHERE source = 'cdr'").splitlines()
    cluster.sql("CREATE SCHEMA peer", f"CREATE TABLE peer.batch AS SELECT * FROM cdr_gen({BATCH_ROWS})",
                "CREATE TABLE peer.heap (LIKE peer.batch)",
                *(f"CREATE INDEX ON peer.heap {index}" for index in indexes if phase == "index"))
    cluster.as_server("pgbench", "-n", "-h", cluster.server, "-U", "postgres", "-f", script, "-T", str(SECONDS),
                      "-R", str(RATE / BATCH_ROWS), "-l", f"--log-prefix={logs}", "postgres")
    # The third figure is microseconds, from when a transaction was due.
    latencies = [float(line.split()[2]) / 1000
                 for log in cluster.server.glob("pgbench.*") for line in log.read_text().splitlines()]
    cluster.sql("DROP SCHEMA peer CASCADE")
    for log in cluster.server.glob("pgbench.*"):
        log.unlink()
    return percentiles(latencies)


def search(cluster, phase, readers):
    """The highest rate that holds."""
    cluster.sql(f"""CALL stream_rate(start_rate => {RATE}, seconds => {STEP}, batch_rows => {BATCH_ROWS}, variants => '{{heap}}',
                                     phase => '{phase}', readers => {readers})""")
    rate = cluster.sql("SELECT rows_per_second FROM stream_rates")
    cluster.sql("SELECT stream_rate_drop('rate')")
    return float(rate)


def main():
    cluster = Cluster(**WITHOUT_CHECKPOINTS)
    cluster.sql("CREATE EXTENSION millrace")
    loops = ["### The highest rate that holds, beside a load as fast as it can", "",
             "| | closed loop, rows/s | its slowest batch | sustained, no reader | two readers |", "|---|---|---|---|---|"]
    late = [f"### Latency of {RATE:,} rows/s in batches of {BATCH_ROWS:,}, {SECONDS} s", "",
            "| | p50 ms | p99 | p99.9 | max |", "|---|---|---|---|---|"]
    asked = ["### Queries of two readers meanwhile, and alone after it", "",
             "| | | times | p50 ms | p99 | age of the newest row, p50 | p99 |", "|---|---|---|---|---|---|---|"]
    for phase, title in PHASES.items():
        mean, slowest = closed_loop(cluster, phase)
        rates = [search(cluster, phase, readers) for readers in (0, 2)]
        loops.append(f"| {title} | {mean:,} | {slowest:,} | {rates[0]:,.0f} | {rates[1]:,.0f} |")
        latencies, queries = offered(cluster, phase)
        for name, figures in zip(["millrace", "millrace, two readers"], latencies):
            late.append(f"| {title}, {name} | " + " | ".join(f"{figure:.1f}" for figure in figures) + " |")
        late.append(f"| {title}, pgbench --rate | " + " | ".join(f"{f:.1f}" for f in by_pgbench(cluster, phase)) + " |")
        for query, streaming, *figures in queries:
            asked.append(f"| {title}, {query} | {'with the stream' if streaming == 't' else 'alone'} | " + " | ".join(figures) + " |")
    write_section("Rates", 1, machine(cluster), ["\n".join(part) + "\n" for part in (loops, late, asked)])
    cluster.remove()


if __name__ == "__main__":
    main()
