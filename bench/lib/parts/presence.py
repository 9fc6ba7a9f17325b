"""What presence costs: fan-out to a channel with it and to one without, memory, and joins."""

import time

from lib import gateway
from lib.parts import memory
from lib.stage import Entry, Group

NAME = "presence"
TITLE = "a channel with presence beside one without"
SIZE = 200
WINDOWS = (1, 16)
CLIENTS = 10000
# The channel, and whether fanfare.users is kept. All clients are users of their own.
PLAIN, PRESENT = "plain", "presence"
ALONE, WITH_USERS = "--user-presence=no", "--user-presence=yes"
CHANNEL = {PLAIN: "bench", PRESENT: "presence-bench"}
SETTLED = 1.3  # seconds: the last change is told before that, if only numbers are


def label(own: str, which: str) -> str:
    return f"{own}, {which}"


def _entry(own: Entry, which: str, *extra: str) -> Entry:
    return Entry(label(own.label, " ".join((which, *extra))), own.server, extra=extra,
                 load=(("channel", CHANNEL[which]), ("with_users", True)))


def run(bench) -> None:
    for clients in bench.sizes_of(CLIENTS if bench.full else 1000):
        _fanout(bench, clients)
        bench.close_stage()
        _memory(bench, clients)
        _joins(bench, clients)


def _fanout(bench, clients: int) -> None:
    """Both servers are up at the same time and are measured in turn."""
    entries = [_entry(e, which) for e in bench.own() for which in CHANNEL]
    with bench.stage(entries, [Group(clients)]) as stage:
        if not bench.dry:
            time.sleep(SETTLED)
        bench.advance(SETTLED)
        for window in WINDOWS:
            stage.measure({"clients": clients, "window": window}, "fanout", size=SIZE,
                          window=window, seconds=bench.seconds, warmup=0.05,
                          least=max(6, 2 * window))


def _memory(bench, clients: int) -> None:
    entries = [_entry(e, which, users) for e in bench.own() for users in (ALONE, WITH_USERS)
               for which in CHANNEL]
    _alone(bench, {"memory": clients}, entries, 3.5 + clients / 8000, "user",
           lambda entry: memory.once(bench, entry, Group(clients, memory.FEW)))


def _joins(bench, clients: int) -> None:
    """All come at once, each after the last one is there; nobody is cut off, or the generator
    does not get ready."""
    def once(entry: Entry) -> dict:
        server = bench.new_server(entry)
        load = None
        try:
            server.start()
            bench.tell_version(entry, server)
            load = bench.new_load(server, entry.of(Group(clients)), entry.label)
            ready = load.ready(30 + clients / 200)
            time.sleep(SETTLED)
            found = gateway.counters(server.publish)
            return {"connect_seconds": ready["connect_seconds"], "sent": found["bytes_sent"],
                    "events": found["presence_events"], "untold": found["presence_untold"],
                    "server_cpu": ready["server_cpu"], "clients": found["clients_sse"] + found["clients_websocket"]}
        finally:
            if load:
                load.close()
            server.stop()

    entries = [_entry(e, which) for e in bench.own() for which in CHANNEL]
    _alone(bench, {"joins": clients}, entries, 2.5 + clients / 8000, "connect_seconds", once)


def _alone(bench, key: dict, entries: list[Entry], each: float, field: str, once) -> None:
    """A cell of which each run has a server of its own, alone on the machine."""
    runs = [] if bench.dry else bench.results.add_cell(NAME, key)
    out = set()
    for number in range(bench.rounds):
        for entry in entries:
            bench.advance(each)
            if bench.dry or entry.label in out:
                continue
            bench.status(f"{bench.describe(key)}: {entry.label}, run {number + 1}")
            try:
                runs.append(dict(once(entry), server=entry.label, round=number))
            except Exception as error:
                bench.failed(NAME, entry.label, bench.describe(key), str(error))
                out.add(entry.label)
    if not bench.dry:
        bench.tell_cell(bench.describe(key), key, runs, field)
