#!/usr/bin/env python3
"""Reads exported Parquet files with DuckDB and with pandas: `read_parquet.py FOLDER`.

Both need `pip install duckdb pandas pyarrow`.
"""

import sys
from pathlib import Path

import duckdb
import pandas

folder = Path(sys.argv[1])

# DuckDB reads files in place, several at once by a pattern, and only the columns that a query names.
print(
    duckdb.sql(f"""
        SELECT l_returnflag, count(*) AS lines, sum(l_quantity) AS quantity
        FROM '{folder}/lineitem*.parquet' GROUP BY ALL ORDER BY ALL
    """)
)

# pandas reads decimals as Python's; as float64 they are faster.
orders = pandas.read_parquet(folder / "orders.parquet", columns=["o_orderdate", "o_orderpriority", "o_totalprice"])
orders["o_totalprice"] = orders["o_totalprice"].astype("float64")
orders["year"] = pandas.to_datetime(orders["o_orderdate"]).dt.year
print(orders.pivot_table(index="year", columns="o_orderpriority", values="o_totalprice", aggfunc="count"))
