#!/usr/bin/env python3
"""Reads exported files with DuckDB and pyarrow: `readers.py FOLDER`.

Prints a line of JSON for each file and reader: rows, the SHA-256 of the rows as COPY prints them with bars between
columns, and for Parquet and Arrow the columns' types; for Parquet also the least and greatest value of each column
by its statistics, with its codecs, dictionaries, bloom filters, row groups and sorting.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import duckdb
import pyarrow.csv
import pyarrow.dataset
import pyarrow.ipc
import pyarrow.parquet


def by_duckdb(query, **tables):
    """Rows and their checksum, as DuckDB prints them."""
    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, table)
    with tempfile.NamedTemporaryFile() as printed:
        connection.execute("SET preserve_insertion_order = true; SET threads = 1")
        connection.execute(f"COPY ({query}) TO '{printed.name}' (FORMAT csv, HEADER false, DELIMITER '|', QUOTE '')")
        text = Path(printed.name).read_bytes()
    return {"rows": text.count(b"\n"), "sha256": hashlib.sha256(text).hexdigest()}


def of_table(table):
    return {"types": {field.name: str(field.type) for field in table.schema}, **by_duckdb("FROM t", t=table)}


def of_metadata(path):
    file = pyarrow.parquet.ParquetFile(path)
    groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
    least, greatest = {}, {}
    codecs, dictionaries, bloom_filters = set(), set(), set()
    for group in groups:
        for column in map(group.column, range(group.num_columns)):
            name, statistics = column.path_in_schema, column.statistics
            codecs.add(column.compression)
            if column.has_dictionary_page:
                dictionaries.add(name)
            if column.bloom_filter_offset is not None:
                bloom_filters.add(name)
            if statistics is not None and statistics.has_min_max:
                least[name] = min(least.get(name, statistics.min), statistics.min)
                greatest[name] = max(greatest.get(name, statistics.max), statistics.max)
    return {
        "least": {name: str(value) for name, value in least.items()},
        "greatest": {name: str(value) for name, value in greatest.items()},
        "codecs": sorted(codecs),
        "dictionaries": sorted(dictionaries),
        "bloom_filters": sorted(bloom_filters),
        "row_groups": [group.num_rows for group in groups],
        "page_index": all(group.column(0).has_column_index and group.column(0).has_offset_index for group in groups),
        "sorted_by": [column.column_index for column in groups[0].sorting_columns] if groups else [],
    }


def of_partitions(folder):
    """Rows of a folder's partitions as one table, in no order."""
    query = f"SELECT count(*) FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
    found = {"rows": duckdb.connect().execute(query).fetchone()[0]}
    table = pyarrow.dataset.dataset(folder, partitioning="hive").to_table()
    values = {path.name for path in folder.iterdir()}
    return {**found, "values": sorted(values), "rows_by_pyarrow": table.num_rows, "columns": table.num_columns}


def text_columns(path):
    with open(path) as file:
        return {name: pyarrow.string() for name in file.readline().strip().split(",")}


def read(path):
    match path.suffix:
        case "" if path.is_dir():
            yield "both", of_partitions(path)
        case ".parquet":
            yield "duckdb", by_duckdb(f"FROM '{path}'")
            yield "pyarrow", of_table(pyarrow.parquet.read_table(path)) | of_metadata(path)
        case ".csv":
            names = text_columns(path)
            types = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
            yield "duckdb", by_duckdb(f"FROM read_csv('{path}', header = true, columns = {{{types}}})")
            options = pyarrow.csv.ConvertOptions(column_types=names, strings_can_be_null=False)
            yield "pyarrow", of_table(pyarrow.csv.read_csv(path, convert_options=options))
        case ".arrow":
            yield "pyarrow", of_table(pyarrow.ipc.open_file(path).read_all())
        case ".arrows":
            yield "pyarrow", of_table(pyarrow.ipc.open_stream(path).read_all())


for file in sorted(Path(sys.argv[1]).iterdir()):
    for reader, found in read(file):
        print(json.dumps({"file": file.name, "reader": reader, **found}))
