"""What keeping messages costs those that are sent on at once: history on and off in turn."""

from lib.parts import instructions
from lib.stage import Entry, Group

NAME = "history"
TITLE = "live fan-out and publishing with history and without"
SIZE = 200
SECONDS = 0.4
ON, OFF = "history", "no history"
EXTRA = {ON: (), OFF: ("--history=0",)}
WINDOWS = (1, 16)
MODES = ("sequential", "batch")
# Ingest is measured with so many subscribers, fan-out with these and more.
INGEST = (0, 1)
FANOUT = (1, 100, 1000)
# What callgrind counts, since other work on the machine does not touch that: subscribers,
# command and its values, and which messages.
COUNTED = {
    "a delivery, strict": (1000, "fanout", {"window": 1, "warmup": 0}, "delivered"),
    "a delivery, 16 under way": (1000, "fanout", {"window": 16, "warmup": 0}, "delivered"),
    "a publication, sequential": (0, "ingest", {"mode": "sequential"}, "published"),
    "a publication, batch": (0, "ingest", {"mode": "batch"}, "published"),
}


def label(own: str, which: str) -> str:
    return f"{own}, {which}"


def run(bench) -> None:
    """What is looked for is small, so there are more runs than elsewhere."""
    entries = [Entry(label(e.label, which), e.server, extra=extra)
               for e in bench.own() for which, extra in EXTRA.items()]
    rounds = 3 * bench.rounds if bench.full else 1
    for clients in bench.sizes_of(*dict.fromkeys(INGEST + FANOUT)):
        with bench.stage(entries, [Group(clients)]) as stage:
            for mode in MODES if clients in INGEST else ():
                stage.measure({"clients": clients, "mode": mode}, "ingest", rounds=rounds,
                              mode=mode, size=SIZE, seconds=0.25, warmup=0.05)
            for window in WINDOWS if clients > 0 else ():
                stage.measure({"clients": clients, "window": window}, "fanout", rounds=rounds,
                              size=SIZE, window=window, seconds=SECONDS, warmup=0.05,
                              least=15)
    bench.close_stage()
    if bench.full:
        _instructions(bench)


def _instructions(bench) -> None:
    for own in bench.own()[:1]:
        for what, (clients, command, values, unit) in COUNTED.items():
            key = {"counted": what}
            runs = [] if bench.dry else bench.results.add_cell(NAME, key)
            for which, extra in EXTRA.items():
                entry = Entry(label(own.label, which), own.server, extra=extra)
                bench.advance(5)
                if bench.dry:
                    continue
                bench.status(f"instructions of {what}: {entry.label}")
                try:
                    runs.append(dict(instructions.counted(
                        bench, entry, clients, command, dict(values, size=SIZE), unit),
                        server=entry.label, round=0))
                except Exception as error:
                    bench.failed(NAME, entry.label, what, str(error))
            if not bench.dry:
                bench.tell_cell(f"instructions of {what}", key, runs, "instructions")
