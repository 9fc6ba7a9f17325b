"""How fast publications are taken."""

from lib import names
from lib.stage import Group

NAME = "ingest"
TITLE = "publications taken a second, one connection"
SIZE = 200
MODES = ("sequential", "pipelined", "batch")


def run(bench) -> None:
    modes = MODES if bench.full else (MODES[0], MODES[2])
    for clients in bench.sizes_of(0, 1, 100) if bench.full else (0,):
        with bench.stage(bench.chosen(*names.OWN, *names.PEERS), [Group(clients)]) as stage:
            for mode in modes:
                stage.measure({"clients": clients, "mode": mode}, "ingest", mode=mode, size=SIZE,
                              seconds=0.25 if bench.full else 0.15, warmup=0.05)
