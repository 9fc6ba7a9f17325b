"""What it costs to keep the log in a file too, by when it is made durable."""

import os
import shutil
import tempfile
import time

from lib import gateway, procfs
from lib.stage import Entry, Group, Seat

NAME = "store"
TITLE = "publications taken a second with the log in a file, by how durable"
SIZE = 200
MEMORY = "memory"
MODES = {
    MEMORY: (),
    "--sync off": ("--sync=off",),
    "--sync interval": ("--sync=interval",),
    "--sync always": ("--sync=always",),
    "--sync always --fanout-early": ("--sync=always", "--fanout-early"),
}
# One request is under way on each connection.
HOW = ({"connections": 1, "batch": 1}, {"connections": 16, "batch": 1},
       {"connections": 1, "batch": 100})
SERVER = "fanfare-sse"
DISK = "disk"
PROBES = 200
# Room for all of a run, so that none is refused: writing may take longer than answering.
QUEUE = "1g"


def label(mode: str) -> str:
    return f"{SERVER}, {mode}"


def run(bench) -> None:
    if not bench.chosen(SERVER):
        return
    # With the build, since files for the moment may be kept in memory only.
    folder = None if bench.dry else tempfile.mkdtemp(prefix="store-", dir=bench.options.build)
    try:
        _disk(bench, folder)
        _modes(bench, folder)
    finally:
        bench.close_stage()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _disk(bench, folder: str | None) -> None:
    """What one write that is made durable takes here, without any server."""
    bench.advance(1)
    if folder is None:
        return
    took = []
    with open(os.path.join(folder, "probe"), "wb", buffering=0) as file:
        for n in range(2 * PROBES):
            if n == PROBES:
                # From here on what is there already is written over, as SQLite does with its log.
                file.seek(0)
            begun = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            if n >= PROBES:
                took.append((time.perf_counter() - begun) * 1e6)
    took.sort()
    bench.results.add_cell(NAME, {"what": DISK}).append(
        {"server": DISK, "round": 0, "sync_p50_us": took[PROBES // 2],
         "sync_p99_us": took[PROBES * 99 // 100], "filesystem": procfs.filesystem(folder)})


def _modes(bench, folder: str | None) -> None:
    entries = [Entry(label(mode), SERVER, extra=extra and (
        f"--store=sqlite:{folder}/{number}.db", f"--store-queue={QUEUE}", *extra))
        for number, (mode, extra) in enumerate(MODES.items())]
    seconds = 0.5 if bench.full else 0.2
    rounds = bench.rounds if bench.full else 1
    with bench.stage(entries, [Group(0)]) as stage:
        for how in HOW:
            runs = [] if bench.dry else bench.results.add_cell(NAME, dict(how))
            for number in range(rounds):
                for seat in list(stage.seats):
                    bench.status(f"{bench.describe(how)}: {seat.label}, "
                                 f"run {number + 1} of {rounds}")
                    try:
                        runs.append(dict(_once(seat, how, seconds), server=seat.label,
                                         round=number))
                    except Exception as error:
                        stage.fell(seat, bench.describe(how), error)
                bench.advance(len(entries) * (seconds + 0.3))
            if not bench.dry:
                bench.tell_cell(bench.describe(how), how, runs)


def _once(seat: Seat, how: dict, seconds: float) -> dict:
    # What another server has written before must not wait for the disk with this one.
    os.sync()
    before = gateway.counters(seat.server.publish)["published"]
    begun = time.monotonic()
    answer = seat.load.ask(60 + seconds, "post", size=SIZE, seconds=seconds, warmup=0.1, **how)
    counted = _written(seat)
    took = time.monotonic() - begun
    if counted["published"] != answer["published"]:
        raise RuntimeError(f"{answer['published']} publications were answered, "
                           f"{counted['published']} are in the log")
    for name in ("ok", "cmd"):
        answer.pop(name)
    return dict(answer, written_rate=(counted["published"] - before) / took)


def _written(seat: Seat) -> dict[str, int]:
    """The counters, when nothing waits for the store any more."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        counted = gateway.counters(seat.server.publish)
        if counted["store_waiting_bytes"] == 0:
            return counted
        time.sleep(0.005)
    raise RuntimeError("the store has not written everything after a minute")
