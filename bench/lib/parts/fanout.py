"""Fan-out: one channel, all clients get every message."""

from lib import names
from lib.stage import Entry, Group

NAME = "fanout"
TITLE = "one channel, every message to all clients"
WINDOWS = (1, 4, 16)
SIZES = (64, 200, 4096)
SIZE = 200
CLIENTS = 1000


def run(bench) -> None:
    if not bench.full:
        for clients in bench.sizes_of(CLIENTS):
            with bench.stage(bench.everybody(), [Group(clients)]) as stage:
                for window in (1, 16):
                    _cell(bench, stage, clients, SIZE, window)
        return
    for clients in bench.sizes_of(100, CLIENTS, 10000, bench.most_clients):
        entries = _who(bench, clients)
        with bench.stage(entries, [Group(clients)]) as stage:
            for size in SIZES:
                for window in WINDOWS:
                    _cell(bench, stage, clients, size, window)


def _who(bench, clients: int) -> list[Entry]:
    if clients > 10000:
        return bench.chosen("raw", *names.OWN)
    entries = bench.everybody()
    if clients == 10000:  # pushpin takes a quarter of a minute to connect so many
        entries = [e for e in entries if not e.label.startswith("pushpin")]
    if clients == CLIENTS:
        entries += [Entry(names.FREE_LABEL.format(e.label), e.server, pinned=False)
                    for e in bench.chosen(*names.FREE)]
    return entries


def _cell(bench, stage, clients: int, size: int, window: int) -> None:
    """Peers take part where the size is the usual one, and with 1000 clients in all."""
    only = None
    if size != SIZE and (clients != CLIENTS or window == 4):
        only = [e.label for e in stage.entries if names.kind(e.label) != "peer"]
    elif size != SIZE or window == 4:
        only = [e.label for e in stage.entries if e.pinned]
    least = max(15, 3 * window) if clients < 10000 else max(6, 2 * window)
    stage.measure({"clients": clients, "size": size, "window": window}, "fanout", size=size,
                  window=window, seconds=bench.seconds, warmup=0.05, least=least, only=only)
