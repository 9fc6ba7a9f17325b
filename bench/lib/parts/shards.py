"""One shard and two."""

from lib import names
from lib.stage import Entry, Group

NAME = "shards"
TITLE = "one shard and two"
SIZE = 200


def run(bench) -> None:
    """Nothing has a fixed core here but the generator: two shards need two."""
    entries = [Entry(f"{e.label}, {n} shard{'s' if n > 1 else ''}", e.server, pinned=False,
                     extra=(f"--shards={n}",))
               for e in bench.chosen(*names.OWN) for n in (1, 2)]
    for clients in bench.sizes_of(1000):
        with bench.stage(entries, [Group(clients)]) as stage:
            for window in (1, 16):
                stage.measure({"clients": clients, "size": SIZE, "window": window}, "fanout",
                              size=SIZE, window=window, seconds=bench.seconds, warmup=0.1,
                              least=15)
