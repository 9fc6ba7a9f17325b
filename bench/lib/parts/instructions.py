"""Instructions in user space for one delivery and one publication, by callgrind: a figure
that other work on the machine cannot touch."""

import os
import re

from lib import gateway
from lib.stage import Entry, Group

NAME = "instructions"
TITLE = "instructions for each delivery and publication, by callgrind"
SIZE = 200
SHORT_RUN, LONG_RUN = 0.5, 2.0


def run(bench) -> None:
    """Each figure is the difference between a long run and a short one, so that start,
    connections and end cancel out."""
    for entry in bench.own():
        for clients, window in ((100, 1), (1000, 1), (1000, 16)):
            _cell(bench, entry, {"clients": clients, "window": window}, "fanout",
                  {"size": SIZE, "window": window, "warmup": 0}, "delivered")
    for entry in bench.own()[:1]:
        for mode in ("sequential", "batch"):
            _cell(bench, entry, {"clients": 0, "mode": mode}, "ingest",
                  {"size": SIZE, "mode": mode}, "published")


def _cell(bench, entry: Entry, key: dict, command: str, values: dict, unit: str) -> None:
    estimate = 2 * (6 + key["clients"] / 300) + SHORT_RUN + LONG_RUN
    if not bench.dry:
        where = f"{entry.label}, {bench.describe(key)}"
        try:
            bench.status(where)
            figures = counted(bench, entry, key["clients"], command, values, unit)
            cell = bench.results.add_cell(NAME, dict(key, unit=unit))
            cell.append(dict(figures, server=entry.label, round=0))
            bench.line(f"    {where}: {figures['instructions']:,.0f} instructions for each {unit} "
                       "message")
        except Exception as error:
            bench.failed(NAME, entry.label, where, str(error))
    bench.advance(estimate)


def counted(bench, entry: Entry, clients: int, command: str, values: dict, unit: str) -> dict:
    """Of each message that is `unit` (delivered, published); also used by other parts."""
    short = _once(bench, entry, clients, command, dict(values, seconds=SHORT_RUN))
    long = _once(bench, entry, clients, command, dict(values, seconds=LONG_RUN))
    count = long[unit] - short[unit]
    return {"instructions": (long["instructions"] - short["instructions"]) / count,
            "sends": (long["sends"] - short["sends"]) / count, "count": count}


def _once(bench, entry: Entry, clients: int, command: str, values: dict) -> dict:
    counts = os.path.join(bench.folder(), "callgrind.out")

    class Counted(bench.server_class(entry)):
        def run(self, args, **others):
            return super().run(["valgrind", "--tool=callgrind", "-q",
                                f"--callgrind-out-file={counts}", *args], **others)

    extra = ["--heartbeat=1h", *entry.extra]
    # Looking for work instead of sleeping costs instructions that depend on the clock.
    if gateway.has_option(bench.program("fanfare"), "--busy-poll"):
        extra.append("--busy-poll=0")
    server = Counted(build_dir=bench.options.build, work_dir=bench.folder(),
                     core=bench.server_core, extra=extra)
    load = None
    try:
        server.start()
        load = bench.new_load(server, Group(clients, (("connect_burst", 32),)), entry.label)
        load.ready(120)
        load.ask(120, command, **values)
        said = gateway.counters(server.publish)
    finally:
        if load:
            load.close()
        server.stop()
    return dict(said, instructions=total(counts))


def total(path: str) -> int:
    """The instructions that a file of callgrind sums up."""
    with open(path, encoding="utf-8", errors="replace") as file:
        found = re.findall(r"^(?:summary|totals): (\d+)", file.read(), re.M)
    if not found:
        raise ValueError("callgrind wrote no sum")
    return max(map(int, found))
