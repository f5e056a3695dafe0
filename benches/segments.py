#!/usr/bin/env python3
"""Simulates loads of lineitem on clusters that were not available: time and network per number of segments.

Costs per row are read from benches/RESULTS.md, measured on one server; what could not be measured is
marked as an assumption. A batch is done when its slowest segment is. The work of each segment varies from
batch to batch, and the simulation draws it. Writes the tables of docs/scale.md, after each `make bench-sql`:

    python3 benches/segments.py
"""

import random
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benches/RESULTS.md"
PAGE = ROOT / "docs/scale.md"

ROWS_PER_SF = 6_000_000

# Measured on PostgreSQL 15: the mean size of a row as a tuple, and what a batch of one row takes (commit with its flush,
# ledger, statements).
ROW_BYTES = 152
BATCH_SECONDS = 0.0041

# Assumed.
DISPATCH_SECONDS_PER_SEGMENT = 0.0002  # the coordinator's work to start a statement on a segment and to commit it there
TWO_PHASE_SECONDS = 0.010  # prepare and commit, each with a flush and a round trip
MOTION_SECONDS_PER_ROW = 0.5e-6  # a row's way into the network and out of it, on the segments' processors
SEGMENTS_PER_HOST = 8
HOST_BITS_PER_SECOND = 10e9
VARIATION = 0.1  # standard deviation of a segment's speed in a batch, as a share

BATCHES_DRAWN = 400
MOST_BATCH_ROWS = 100_000_000  # the largest that stream_ingest takes


def seconds(section, label):
    """A median of benches/RESULTS.md."""
    text = RESULTS.read_text().split(f"### {section}\n", 1)[1].split("###", 1)[0]
    return float(re.search(rf"^\| {re.escape(label)} \| ([\d.]+)", text, re.MULTILINE)[1])


def costs():
    """Seconds per row to make one and to insert one. A function scan that stores its rows does one after the other, as a
    segment with one core must."""
    generate = seconds("SELECT count(*)", "function scan that stores its rows first") / ROWS_PER_SF
    both = seconds("Loading lineitem at scale factor 1, WAL-logged heap, one session",
                   "the same, its rows stored first") / ROWS_PER_SF
    return generate, both - generate


def slowest(segments, draw):
    """How much longer than the mean the slowest of these segments takes, over many batches."""
    batches = (max(draw.gauss(1, VARIATION) for _ in range(segments)) for _ in range(BATCHES_DRAWN))
    return sum(batches) / BATCHES_DRAWN


def overhead(segments):
    """What the coordinator adds to each batch: a transaction of its rows and its row in the ledger."""
    return BATCH_SECONDS + TWO_PHASE_SECONDS + DISPATCH_SECONDS_PER_SEGMENT * segments


def batch_rows(segments, row_seconds, share):
    """The batch of which the coordinator's part is this share."""
    return overhead(segments) * (1 - share) / share * segments / row_seconds


def network(rows, segments):
    """Bytes that leave hosts in a redistribution, and the seconds they take: each host sends at once."""
    hosts = -(-segments // SEGMENTS_PER_HOST)
    sent = rows * ROW_BYTES * (hosts - 1) / hosts
    return sent, sent / hosts * 8 / HOST_BITS_PER_SECOND


def duration(total):
    if total < 120:
        return f"{total:.0f} s"
    if total < 7200:
        return f"{total / 60:.0f} min"
    return f"{total / 3600:.1f} h" if total < 48 * 3600 else f"{total / 86400:.1f} d"


def size(amount):
    return f"{amount / 1e12:.1f} TB" if amount >= 1e12 else f"{amount / 1e9:.0f} GB"


def count(number):
    return f"{number / 1e6:.1f} million" if number >= 999_500 else f"{round(number, -3):,.0f}"


def table(header, rows):
    """The table whose header is in the page, with other rows."""
    lines = ["| " + " | ".join(cells) + " |" for cells in [header, *rows]]
    replace(re.escape(lines[0]) + r"\n(\|.*\n)+", "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]]) + "\n")


def replace(pattern, text):
    """Puts text into the page where the pattern matches, once."""
    page, count = re.subn(pattern, lambda _: text, PAGE.read_text(), count=1)
    assert count == 1, pattern
    PAGE.write_text(page)


def main():
    generate, insert = costs()
    draw = random.Random(1)
    segments_of = [8, 24, 64, 192, 512]
    waits = {segments: slowest(segments, draw) for segments in segments_of}

    replace(r"Per row: .*\n", f"Per row: {generate * 1e6:.2f} µs to make, {insert * 1e6:.2f} µs to insert (measured), "
            f"{2 * MOTION_SECONDS_PER_ROW * 1e6:.1f} µs to send and receive (assumed).\n")
    rows = []
    for sf in [1_000, 3_000, 10_000, 30_000, 100_000]:
        for segments in segments_of:
            total = sf * ROWS_PER_SF
            each = total / segments * waits[segments]
            sent, wire = network(total, segments)
            batches = total / min(batch_rows(segments, generate + insert, 0.02), MOST_BATCH_ROWS)
            local = each * (generate + insert) + batches * overhead(segments)
            # The network works beside the processors; the slower of both counts.
            moved = max(each * (generate + insert + 2 * MOTION_SECONDS_PER_ROW), wire) + batches * overhead(segments)
            rows.append([f"{sf:,}", str(segments), duration(each * generate), duration(each * insert),
                         duration(2 * MOTION_SECONDS_PER_ROW * each), size(sent), duration(wire), duration(local),
                         duration(moved)])
    table(["scale factor", "segments", "generate", "insert", "redistribute", "sent between hosts", "on the wire",
           "all, DISTRIBUTED RANDOMLY", "all, DISTRIBUTED BY"], rows)

    rows = []
    for segments in segments_of:
        work = 100_000 / segments * (generate + insert) * waits[segments]
        share = overhead(segments) / (overhead(segments) + work)
        rows.append([str(segments), f"{overhead(segments) * 1000:.0f} ms", f"{work * 1000:.1f} ms", f"{share:.0%}",
                     count(batch_rows(segments, generate + insert, 0.1)),
                     count(batch_rows(segments, generate + insert, 0.02))])
    table(["segments", "coordinator per batch", "segments per batch of 100,000", "coordinator's share",
           "rows for 10%", "rows for 2%"], rows)


if __name__ == "__main__":
    main()
