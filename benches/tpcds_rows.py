"""Counts how the rows of TPC-DS differ from those of DuckDB's dsdgen, and, if a folder of its .dat files is given, from the TPC's
own: how many rows each has, and in how many of those with the same primary key each column differs.

    target/bench/bin/python benches/tpcds_rows.py SF [FOLDER]

It needs the client (`cargo build --release -p millrace-cli`) and prints a table for benches/RESULTS.md.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import duck

CLIENT = Path(__file__).parent.parent / "target/release/millrace"
# Of the other tables it is the first column.
KEYS = {
    "inventory": "inv_date_sk, inv_item_sk, inv_warehouse_sk",
    "store_sales": "ss_item_sk, ss_ticket_number",
    "store_returns": "sr_item_sk, sr_ticket_number",
    "catalog_sales": "cs_item_sk, cs_order_number",
    "catalog_returns": "cr_item_sk, cr_order_number",
    "web_sales": "ws_item_sk, ws_order_number",
    "web_returns": "wr_item_sk, wr_order_number",
}


def compare(connection, ours, theirs, table):
    """Rows of both, and what differs in those that both have."""
    columns = [name for name, *_ in connection.execute(f"DESCRIBE SELECT * FROM {ours}").fetchall()]
    key = KEYS.get(table, columns[0])
    # By our names: DuckDB mends the specification's s_tax_precentage.
    connection.execute(f"CREATE OR REPLACE VIEW theirs ({', '.join(columns)}) AS SELECT * FROM {theirs}")
    # In files and here there is nothing for null, in DuckDB's tables an empty string.
    differing = ", ".join(
        f"count(*) FILTER (o.{column}::VARCHAR IS DISTINCT FROM nullif(t.{column}::VARCHAR, ''))" for column in columns)
    counts = connection.execute(f"SELECT {differing} FROM {ours} o JOIN theirs t USING ({key})").fetchone()
    rows = [connection.execute(f"SELECT count(*) FROM {rows}").fetchone()[0] for rows in (ours, "theirs")]
    only = connection.execute(f"SELECT count(*) FROM {ours} ANTI JOIN theirs USING ({key})").fetchone()[0]
    found = [f"{column} {count:,}" for column, count in zip(columns, counts) if count]
    if only:
        found.insert(0, f"{only:,} rows of other keys")
    return f"| {table} | {rows[0]:,} | {rows[1]:,} | {', '.join(found) or 'equal'} |"


def print_comparison(title, other, connection, ours, theirs, tables):
    """Names the tables that are equal, and what differs in the others."""
    lines = {table: compare(connection, f"read_parquet('{ours}/{table}.*')", theirs(table), table) for table in tables}
    equal = [table for table, line in lines.items() if line.endswith("| equal |")]
    print(f"\n### {title}\n\n{len(equal)} tables are equal: {', '.join(equal)}. The others:\n")
    print(f"| table | millrace | {other} | differing values, by column |\n|---|---|---|---|")
    print("\n".join(line for table, line in lines.items() if table not in equal))


def main():
    sf, *folder = sys.argv[1:]
    connection = duck.connect(generator="tpcds")
    connection.execute(f"CALL dsdgen(sf={sf})")
    tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]

    def of_file(table):
        described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet('{ours}/{table}.*')").fetchall()
        # A bar ends each line, so there is one column more.
        columns = {name: kind for name, kind, *_ in described} | {"bar": "VARCHAR"}
        return (f"(SELECT * EXCLUDE (bar) FROM read_csv('{folder[0]}/{table}.dat', columns={columns}, delim='|', "
                "header=false, quote='', encoding='latin-1', nullstr=''))")

    with tempfile.TemporaryDirectory() as ours:
        subprocess.run([CLIENT, "export", "tpcds", "--sf", sf, "-o", ours], check=True, capture_output=True)
        if folder:
            print_comparison(f"dsdgen's files, scale factor {sf}", "dsdgen", connection, ours, of_file, tables)
        title = f"DuckDB {duck.duckdb.__version__}'s dsdgen, scale factor {sf}"
        print_comparison(title, "DuckDB", connection, ours, lambda table: table, tables)


if __name__ == "__main__":
    main()
