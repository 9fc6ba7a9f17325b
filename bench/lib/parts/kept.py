"""Memory of kept messages."""

from lib.parts.memory import settled
from lib.parts.replay import KEPT, ROOM, SHORT_KEPT
from lib.stage import Entry, Group, Stage

NAME = "kept"
TITLE = "memory for a kept message"
SIZE = 200
CHANNELS = (1, 10000)
SETTLE = 1.0
MOST_ROUNDS = 3


def run(bench) -> None:
    """Each time a server of its own, alone on the machine."""
    count = KEPT if bench.full else SHORT_KEPT
    rounds = min(bench.rounds, MOST_ROUNDS) if bench.full else 1
    bench.close_stage()
    for channels in CHANNELS:
        channels = channels if bench.full else min(channels, 1000)
        key = {"channels": channels, "kept": count, "size": SIZE}
        runs = [] if bench.dry else bench.results.add_cell(NAME, key)
        for number in range(rounds):
            for own in bench.own():
                if not bench.dry:
                    bench.status(f"{channels} channels: {own.label}, run {number + 1}")
                    try:
                        runs.append(dict(_once(bench, own, count, channels), server=own.label,
                                         round=number))
                    except Exception as error:
                        bench.failed(NAME, own.label, f"{channels} channels", str(error))
                bench.advance(Stage.START_SECONDS + 2 * SETTLE + count / 100000)
        if not bench.dry:
            bench.tell_cell(f"{channels} channels, bytes for each message", key, runs, "each")


def _once(bench, own: Entry, count: int, channels: int) -> dict:
    entry = Entry(own.label, own.server, extra=ROOM)
    server = bench.new_server(entry)
    load = None
    try:
        server.start()
        bench.tell_version(entry, server)
        load = bench.new_load(server, Group(0, (("topology", "wide"),)), entry.label)
        load.ready(30)
        before = settled(server.pids(), SETTLE)
        load.ask(120, "keep", count=count, size=SIZE, targets=channels)
        after = settled(server.pids(), SETTLE)
        # Shows that all of it is kept, and what it is on the wire.
        replay = load.ask(120, "replay")
        return {"each": (after["private"] - before["private"]) / count,
                "private_before": before["private"], "private_after": after["private"],
                "wire": replay["bytes"] / count}
    finally:
        if load:
            load.close()
        server.stop()
