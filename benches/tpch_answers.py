#!/usr/bin/env python3
"""Writes crates/millrace-sources/src/tpch/answers/SF.gz, the answers to TPC-H's 22 queries with validation
parameters, and shows that the queries in crates/millrace-sources/src/tpch/queries are right:

- DuckDB's own texts of the queries give DuckDB's own answers, tpch_answers(), on DuckDB's own data;
- so do ours, in both forms, run by DuckDB on the same data;
- the answers written are what DuckDB makes of its texts on dbgen's data (of tpcgen-cli, which is equal to dbgen);
- with the folder of the TPC's answer files (q1.out ...) as an argument: at scale factor 1 they are the TPC's,
  but for rounding.

DuckDB's data is not dbgen's: numbers, keys and dates are equal, but addresses and comments are not, so its
own answers to queries 2, 10, 13, 15 and 20 are for its own data only.

Run it with `target/bench/bin/python benches/tpch_answers.py [FOLDER]`, after `make target/bench`.
"""

import gzip
import re
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import duckdb

from duck import connect

TPCH = Path(__file__).resolve().parent.parent / "crates/millrace-sources/src/tpch"
TABLES = ["region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem"]


def main():
    for sf in (0.01, 0.1, 1):
        own = connect()
        own.execute(f"CALL dbgen(sf={sf})")
        texts = dict(own.execute("SELECT query_nr, query FROM tpch_queries()").fetchall())
        answers = dict(own.execute(
            "SELECT query_nr, answer FROM tpch_answers() WHERE scale_factor = ?", [sf]).fetchall())
        for number, answer in answers.items():
            expected = [line.split("|") for line in answer.splitlines()[1:]]
            for text in [texts[number], *our_texts(number)]:
                check(f"query {number} at {sf}", own.execute(text).fetchall(), expected)
        print(f"scale factor {sf}: DuckDB {duckdb.__version__}'s texts and ours give its 22 answers on its data")
        own.close()

        dbgens = duckdb.connect()
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([Path(sys.executable).parent / "tpcgen-cli", "tpch", "parquet", "-s", str(sf),
                            f"--output-dir={folder}"], check=True, stdout=subprocess.DEVNULL)
            for table in TABLES:
                dbgens.execute(f"CREATE TABLE {table} AS FROM '{folder}/{table}.parquet'")
        lines = []
        for number in range(1, 23):
            result = dbgens.execute(texts[number])
            columns = [column[0] for column in result.description]
            rows = [["" if value is None else str(value) for value in row] for row in result.fetchall()]
            if sf == 1 and len(sys.argv) > 1:
                check(f"query {number}", rows, published(Path(sys.argv[1]), number), number)
            lines += [f"#{number}", *("|".join(row) for row in [columns, *rows])]
        text = "\n".join(lines) + "\n"
        TPCH.joinpath(f"answers/{sf}.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    if len(sys.argv) > 1:
        print("scale factor 1: the answers on dbgen's data are those the TPC publishes")


def our_texts(number):
    """Our forms of a query, with the validation parameters that the module of queries lists."""
    for file in sorted(TPCH.glob(f"queries/{number:02}*.sql")):
        text = file.read_text()
        for name, value in parameters()[number] + [(table, table) for table in TABLES]:
            text = text.replace(f"[{name}]", value)
        yield text


def parameters():
    """The validation parameters of each query, read from the function that lists them."""
    function = re.search(r"\nfn validation\(.*?\n}", TPCH.joinpath("queries.rs").read_text(), re.DOTALL)[0]
    arms = re.findall(r"(\d+|_) => &\[(.*?)\],\n", function, re.DOTALL)
    assert len(arms) == 22
    return {int(number.replace("_", "22")): re.findall(r'\("(\w+)", "([^"]*)"\)', pairs)
            for number, pairs in arms}


def published(folder, number):
    lines = folder.joinpath(f"q{number}.out").read_text().splitlines()
    return [[value.strip() for value in line.split("|")] for line in lines[1:] if line.strip()]


def check(what, found, expected, published_query=None):
    assert len(found) == len(expected), f"{what}: {len(found)} rows for {len(expected)}"
    for row, values in zip(found, expected):
        assert len(row) == len(values), f"{what}: {row} for {values}"
        for value, wanted in zip(row, values):
            assert same(value, wanted, published_query), f"{what}: {row} for {values}"


def same(found, answer, published_query):
    """Whether a value is what the answer prints: published ones are rounded to hundredths (query 17's is
    off by 3), others may differ by floating-point noise."""
    if found is None:
        return answer == ""
    if published_query or isinstance(found, (float, Decimal)):
        try:
            size = abs(float(answer))
            room = max(0.0051, 1e-7 * size) if published_query else 1e-9 * max(1, size)
            return abs(float(found) - float(answer)) <= room
        except ValueError:
            pass
    return str(found).strip() == answer.strip()


if __name__ == "__main__":
    main()
