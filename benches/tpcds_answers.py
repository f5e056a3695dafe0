#!/usr/bin/env python3
"""Writes crates/millrace-sources/src/tpcds/answers/SF.gz, the answers to TPC-DS's 99 queries with validation
parameters, and shows that the queries in crates/millrace-sources/src/tpcds/queries are right:

- DuckDB's own texts of the queries give what ours give, run by DuckDB too: on the rows of its own dsdgen, which are not
  those of the specification's current version, and on millrace's;
- the answers written are what DuckDB's texts give on millrace's rows, but where it has none (it has one statement each of the
  queries of two), or has one that is not the specification's (SPECIFICATIONS).

Run it with `target/bench/bin/python benches/tpcds_answers.py`, after `make target/bench/installed`.
"""

import gzip
import math
import re
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import duckdb

from duck import connect

ROOT = Path(__file__).resolve().parent.parent
TPCDS = ROOT / "crates/millrace-sources/src/tpcds"
TPCGEN = ROOT / "target/bench/bin/tpcgen-cli"

# DuckDB has the second statement of query 23, and the first of the others that have two.
SECOND = {23}
# Where DuckDB's text is not the specification's: why.
SPECIFICATIONS = {
    23: "joins with the frequent items, once for each day they are frequent on",
    41: "has size petite twice, for petite and large",
    99: "lowers the names of call centers",
}


def main():
    for sf in (0.01, 0.1, 1):
        answers(their_rows(sf))
        lines = answers(our_rows(sf))
        text = "\n".join(lines) + "\n"
        folder = TPCDS / "answers"
        folder.joinpath(f"{sf}.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        print(f"scale factor {sf}: DuckDB {duckdb.__version__}'s texts and ours agree on its rows and on ours")


def answers(database):
    """The lines of all answers. Exits if DuckDB's text of a query gives another than ours."""
    texts = dict(database.execute("SELECT query_nr, query FROM tpcds_queries()").fetchall())
    lines = []
    for number in range(1, 100):
        for statement, text in enumerate(our_text(number), 1):
            columns, rows = run(database, text)
            place = 2 if number in SECOND else 1
            if statement == place and number not in SPECIFICATIONS:
                own_columns, own = run(database, texts[number])
                check(f"query {number}", rows, own)
                columns, rows = own_columns, own
            answer = [["" if value is None else str(value).rstrip() for value in row] for row in rows]
            assert not any("|" in value or "\n" in value for row in answer for value in row)
            lines += [f"#{number}", *("|".join(row) for row in [columns, *answer])]
    database.close()
    return lines


def our_rows(sf):
    """DuckDB with the rows that millrace makes, which are those of tpcgen-cli (tpcds_checksums.py)."""
    database = connect(generator="tpcds")
    database.execute("CALL dsdgen(sf=0)")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([TPCGEN, "tpcds", "csv", "-s", str(sf), "-o", folder], check=True, stdout=subprocess.DEVNULL)
        for (name,) in database.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            file = f"{folder}/{name}.csv"
            database.execute(f"COPY {name} FROM '{file}' (FORMAT csv, HEADER true, NULLSTR '')")
    return database


def their_rows(sf):
    database = connect(generator="tpcds")
    database.execute(f"CALL dsdgen(sf={sf})")
    return database


def our_text(number, decorrelated=False):
    """The statements of a query with the validation parameters that its head lists."""
    title, *lines = TPCDS.joinpath(f"queries/{number:02}.sql").read_text().splitlines()
    head = [line for line in lines if line.startswith("-- ")]
    body = [line for line in lines if not line.startswith("-- ")]
    if decorrelated:
        body = TPCDS.joinpath(f"queries/{number:02}.decorrelated.sql").read_text().splitlines()[1:]
    parameters = {}
    for line in "\n".join(head).replace("\n--     ", " ").splitlines():
        name, values = re.fullmatch(r"-- (\w+) = (.*) from .*", line).groups()
        values = values.split(" | ")
        parameters |= {name: values[0]} if len(values) == 1 else {
            f"{name}.{place}": value for place, value in enumerate(values, 1)}
    # What is no parameter is a table.
    text = re.sub(r"\[([\w.]+)\]", lambda match: parameters.get(match[1], match[1]), "\n".join(body))
    return text.split("\n;\n")


def run(database, text):
    """Names of the columns, and rows. What is divided by zero is null in our texts; DuckDB has NaN or infinity."""
    result = database.execute(text)
    finite = [[None if isinstance(value, float) and not math.isfinite(value) else value for value in row]
              for row in result.fetchall()]
    return [column[0] for column in result.description], finite


def check(what, found, expected):
    """Whether results are equal, but for the order of rows that the query leaves open."""
    assert len(found) == len(expected), f"{what}: {len(found)} rows for {len(expected)}"
    if all(map(same_row, found, expected)):
        return
    for row, wanted in zip(sorted(found, key=key), sorted(expected, key=key)):
        assert same_row(row, wanted), f"{what}: {row} for {wanted}"


def key(row):
    # Numbers that may differ in their last digits do not decide the order.
    return [(value is not None, "" if isinstance(value, float) else str(value)) for value in row] + [
        0 if value is None else round(value, 4) for value in row if isinstance(value, float)]


def same_row(row, wanted):
    return len(row) == len(wanted) and all(map(same, row, wanted))


def same(value, wanted):
    if isinstance(value, (float, Decimal)) and isinstance(wanted, (float, Decimal)):
        return abs(float(value) - float(wanted)) <= 1e-9 * max(1, abs(float(wanted)))
    return value == wanted


if __name__ == "__main__":
    main()
