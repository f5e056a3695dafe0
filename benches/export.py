#!/usr/bin/env python3
"""Exports TPC-H's lineitem to files: one thread, in parallel, with asynchronous writes, with both; and by tpcgen-cli.

Contenders take turns, after a round that does not count; before each run the files of the last are removed and the
disk is idle. Also: memory at growing scale factors, how long a cancel takes, and a proof that others read the same rows
in all formats, as dbgen makes them. Prints, and writes to the section "Export" of benches/RESULTS.md, the medians. RUNS,
SF, THREADS and TMPDIR set how often, how much, with how many threads and on which disk; arguments name the tables to make
(parquet csv tbl memory cancel proof), all by default. Started by `make bench-export`.
"""

import hashlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from side_by_side import hardware, version

ROOT = Path(__file__).resolve().parent.parent
EXPORT = ROOT / "target/release/examples/export"
CLIENT = ROOT / "target/release/millrace"
TPCGEN = ROOT / "target/bench/bin/tpcgen-cli"
PYTHON = ROOT / "target/bench/bin/python"
READERS = ROOT / "pgrx-tests/tests/readers.py"
DBGEN = ROOT / "pgrx-tests/tests/dbgen.sha256"
RESULTS = ROOT / "benches/RESULTS.md"
HEADING = "## Export"
RUNS = int(os.environ.get("RUNS", "5"))
SF = os.environ.get("SF", "1")
THREADS = os.environ.get("THREADS", "2")
# Scale factors of the table of growth, and of how many runs it has the median.
GROWTH = {"1": 5, "3": 3, "10": 3}


def millrace(folder, form, threads, is_async, fsync=True, sf=SF):
    options = f'{{"async": {str(is_async).lower()}, "fsync": {str(fsync).lower()}}}'
    return [EXPORT, "lineitem", sf, folder, form, threads, options]


def tpcgen(folder, form, threads):
    return [TPCGEN, "tpch", form, "-s", SF, "--tables=lineitem", "--output-dir", folder, "--num-threads", threads, "-q"]


def measure(command):
    """Seconds, processor time in per cent, context switches, peak memory in MiB, and bytes written of a run."""
    with tempfile.TemporaryDirectory(prefix="millrace.") as folder:
        os.sync()
        start = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command(folder)], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        assert status == 0, command(folder)
        switches = usage.ru_nvcsw + usage.ru_nivcsw
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        return seconds, 100 * (usage.ru_utime + usage.ru_stime) / seconds, switches, usage.ru_maxrss // 1024, size


def compare(title, contenders):
    runs = {name: [] for name in contenders}
    for turn in range(RUNS + 1):
        for name, command in contenders.items():
            run = measure(command)
            print(f"{title}, {name}: {run[0]:.2f} s", file=sys.stderr)
            if turn > 0:
                runs[name].append(run)
    lines = [f"### {title}", "", "| | median s | min | max | times the first | CPU % | context switches | peak MiB | MB |",
             "|---|---|---|---|---|---|---|---|---|"]
    first = statistics.median(run[0] for run in next(iter(runs.values())))
    for name, found in runs.items():
        seconds = [run[0] for run in found]
        cpu, switches, memory, size = (statistics.median(run[index] for run in found) for index in range(1, 5))
        lines.append(f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | {max(seconds):.2f} | "
                     f"{statistics.median(seconds) / first:.2f} | {cpu:.0f} | {switches:.0f} | {memory:.0f} | {size / 1e6:.0f} |")
    return "\n".join(lines) + "\n"


def format_table(form):
    contenders = {
        "baseline": lambda folder: millrace(folder, form, "1", False),
        "parallel only": lambda folder: millrace(folder, form, THREADS, False),
        "asynchronous only": lambda folder: millrace(folder, form, "1", True),
        "parallel and asynchronous": lambda folder: millrace(folder, form, THREADS, True),
        "the same, not waiting for the disk": lambda folder: millrace(folder, form, THREADS, True, False),
    }
    if form != "csv":
        contenders |= {
            f"tpcgen-cli, {THREADS} threads, not waiting": lambda folder: tpcgen(folder, form, THREADS),
            "tpcgen-cli, 1 thread, not waiting": lambda folder: tpcgen(folder, form, "1"),
        }
    return compare(f"lineitem at scale factor {SF} to {form}, {THREADS} threads", contenders)


def resident(command):
    """Seconds of a run, and how much memory was its own, in MiB: the median over the run after its first second, and the peak."""
    with tempfile.TemporaryDirectory(prefix="millrace.") as folder:
        start = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command(folder)], stdout=subprocess.DEVNULL)
        samples = []
        while process.poll() is None:
            time.sleep(0.05)
            found = re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            if found and time.perf_counter() > start + 1:
                samples.append(int(found.group(1)) / 1024)
        assert process.returncode == 0, command(folder)
        return time.perf_counter() - start, statistics.median(samples), max(samples)


def memory_table():
    lines = ["### Growth: lineitem, parallel and asynchronous", "",
             "| format | scale factor | median of | s | median MiB while it ran | peak MiB |", "|---|---|---|---|---|---|"]
    for form in ["parquet", "csv"]:
        for sf, count in GROWTH.items():
            runs = [resident(lambda folder: millrace(folder, form, THREADS, True, sf=sf)) for _ in range(count)]
            seconds, usual, peak = (statistics.median(run[index] for run in runs) for index in range(3))
            lines.append(f"| {form} | {sf} | {count} | {seconds:.1f} | {usual:.0f} | {peak:.0f} |")
    return "\n".join(lines) + "\n"


def cancel(form, options, delay):
    """Seconds from Ctrl-C to the end of an export that has been writing for so long, and has left nothing behind."""
    with tempfile.TemporaryDirectory(prefix="millrace.") as folder:
        process = subprocess.Popen([CLIENT, "export", "lineitem", "--sf", "100", "-f", form, "-o", folder, "--threads", THREADS,
                                    "--options", json.dumps(options)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not any(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()):
            time.sleep(0.01)
        time.sleep(delay)
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
        seconds = time.perf_counter() - start
        assert not os.listdir(folder)
        return seconds


def cancel_table():
    lines = ["### Cancel: seconds from Ctrl-C to the end of an export of lineitem", "", "| format | median | worst |", "|---|---|---|"]
    kinds = [(form, {}) for form in ["parquet", "csv", "tbl", "arrow", "arrow_stream"]]
    kinds += [("parquet", {"sort_by": ["l_shipdate"]}), ("parquet", {"partition_by": "l_shipmode"})]
    for form, options in kinds:
        # At different moments of a chunk, and of what is on its way to the disk.
        seconds = [cancel(form, options, 0.3 * turn) for turn in range(max(RUNS, 3))]
        name = ", ".join([form, *options])
        lines.append(f"| {name} | {statistics.median(seconds):.2f} | {max(seconds):.2f} |")
    return "\n".join(lines) + "\n"


def printed(path):
    """The checksum of a file of dbgen's as COPY prints its rows: no bar at the end, quantities with their decimals."""
    checksum = hashlib.sha256()
    with open(path, "rb") as file:
        for line in file:
            line = line[:-2]
            if path.name == "lineitem.tbl":
                fields = line.split(b"|")
                fields[4] += b".00"
                line = b"|".join(fields)
            checksum.update(line + b"\n")
    return checksum.hexdigest()


def proof_table():
    """What others read of each table in each format, compared with dbgen's rows."""
    known = [line.split() for line in DBGEN.read_text().splitlines() if line.startswith(f"{SF} ")]
    assert known, f"dbgen's checksums at scale factor {SF} are not known"
    lines = [f"### Proof: all tables at scale factor {SF}, read back", "",
             "| table | rows | tbl is dbgen's | with the same rows |", "|---|---|---|---|"]
    for _, table, rows, checksum in known:
        with tempfile.TemporaryDirectory(prefix="millrace.") as folder:
            for form in ["parquet", "csv", "arrow", "arrow_stream", "tbl"]:
                subprocess.run([EXPORT, table, SF, folder, form, THREADS, "{}"], check=True, stdout=subprocess.DEVNULL)
            tbl = Path(folder) / f"{table}.tbl"
            with open(tbl, "rb") as file:
                assert hashlib.file_digest(file, "sha256").hexdigest() == checksum, f"{table}.tbl is not dbgen's"
            expected = printed(tbl)
            tbl.unlink()
            found = subprocess.run([PYTHON, READERS, folder], check=True, capture_output=True, text=True).stdout
        readings = []
        for reading in map(json.loads, found.splitlines()):
            name = f"{reading['file'].removeprefix(table)} by {reading['reader']}"
            assert (reading["rows"], reading["sha256"]) == (int(rows), expected), f"{table}{name} has other rows"
            readings.append(name)
        assert len(readings) == 6, readings
        lines.append(f"| {table} | {rows} | yes | {', '.join(readings)} |")
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines) + "\n"


def locked(crate):
    """The version of a crate that is built with."""
    return re.search(rf'name = "{crate}"\nversion = "(.*)"', (ROOT / "Cargo.lock").read_text()).group(1)


def write(tables):
    """Puts the tables into the section, each in place of the one of its title."""
    text = RESULTS.read_text()
    before, _, section = text.partition(HEADING + "\n")
    blocks = {block.partition("\n")[0]: block for block in section.split("\n### ")[1:]}
    for table in tables:
        block = table.removeprefix("### ")
        blocks[block.partition("\n")[0]] = block
    note = (f"`make bench-export`, medians of {RUNS} runs that took turns, after one that did not count. A file is on the\n"
            f"disk when an export ends, but where it says otherwise. {hardware()}; crates arrow {locked('arrow')} and\n"
            f"parquet {locked('parquet')}, tpcgen-cli {version('tpcgen-cli')}, read back by duckdb {version('duckdb')} and "
            f"pyarrow {version('pyarrow')}.\n")
    RESULTS.write_text("\n".join([before.rstrip(), "", HEADING, "", note] + [f"### {block.rstrip()}\n" for block in blocks.values()]))


def main():
    makers = {"parquet": lambda: format_table("parquet"), "csv": lambda: format_table("csv"),
              "tbl": lambda: format_table("tbl"), "memory": memory_table, "cancel": cancel_table, "proof": proof_table}
    tables = [makers[name]() for name in sys.argv[1:] or makers]
    print("\n".join(tables))
    write(tables)


if __name__ == "__main__":
    main()
