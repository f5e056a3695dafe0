#!/usr/bin/env python3
"""Exports TPC-H's lineitem to files: one thread, in parallel, with asynchronous writes, with both; and by tpchgen-cli.

Contenders take turns, after a round that does not count; before each run the files of the last are removed and the
disk is idle. Prints, and writes to the section "Export" of benches/RESULTS.md, the medians. RUNS, SF, THREADS and
TMPDIR set how often, how much, with how many threads and on which disk; arguments name the tables to make (parquet csv
tbl memory), all by default. Started by `make bench-export`.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXPORT = ROOT / "target/release/examples/export"
TPCHGEN = ROOT / "target/bench/bin/tpchgen-cli"
RESULTS = ROOT / "benches/RESULTS.md"
HEADING = "## Export"
RUNS = int(os.environ.get("RUNS", "5"))
SF = os.environ.get("SF", "1")
THREADS = os.environ.get("THREADS", "2")


def millrace(folder, form, threads, is_async, fsync=True, sf=SF):
    options = f'{{"async": {str(is_async).lower()}, "fsync": {str(fsync).lower()}}}'
    return [EXPORT, "lineitem", sf, folder, form, threads, options]


def tpchgen(folder, form, threads):
    return [TPCHGEN, form, "-s", SF, "--tables=lineitem", "--output-dir", folder, "--num-threads", threads, "-q"]


def measure(command):
    """Seconds, processor time in per cent, context switches, peak memory in MiB, and bytes written of a run."""
    folder = tempfile.mkdtemp(prefix="millrace.")
    try:
        os.sync()
        start = time.perf_counter()
        process = subprocess.Popen([str(word) for word in command(folder)], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        assert status == 0, command(folder)
        switches = usage.ru_nvcsw + usage.ru_nivcsw
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        return seconds, 100 * (usage.ru_utime + usage.ru_stime) / seconds, switches, usage.ru_maxrss // 1024, size
    finally:
        shutil.rmtree(folder)


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
            f"tpchgen-cli, {THREADS} threads, not waiting": lambda folder: tpchgen(folder, form, THREADS),
            "tpchgen-cli, 1 thread, not waiting": lambda folder: tpchgen(folder, form, "1"),
        }
    return compare(f"lineitem at scale factor {SF} to {form}, {THREADS} threads", contenders)


def memory_table():
    lines = ["### Growth: lineitem, parallel and asynchronous", "", "| format | scale factor | s | peak MiB |", "|---|---|---|---|"]
    for form in ["parquet", "csv"]:
        for sf in ["1", "10"]:
            seconds, _, _, memory, _ = measure(lambda folder: millrace(folder, form, THREADS, True, sf=sf))
            lines.append(f"| {form} | {sf} | {seconds:.1f} | {memory} |")
    return "\n".join(lines) + "\n"


def write(tables):
    """Puts the tables into the section, each in place of the one of its title."""
    text = RESULTS.read_text()
    before, _, section = text.partition(HEADING + "\n")
    blocks = {block.partition("\n")[0]: block for block in section.split("\n### ")[1:]}
    for table in tables:
        block = table.removeprefix("### ")
        blocks[block.partition("\n")[0]] = block
    note = (f"`make bench-export`, medians of {RUNS} runs that took turns, after one that did not count. A file is on the\n"
            "disk when an export ends, but where it says otherwise.\n")
    RESULTS.write_text("\n".join([before.rstrip(), "", HEADING, "", note] + [f"### {block.rstrip()}\n" for block in blocks.values()]))


def main():
    makers = {"parquet": lambda: format_table("parquet"), "csv": lambda: format_table("csv"),
              "tbl": lambda: format_table("tbl"), "memory": memory_table}
    tables = [makers[name]() for name in sys.argv[1:] or makers]
    print("\n".join(tables))
    write(tables)


if __name__ == "__main__":
    main()
