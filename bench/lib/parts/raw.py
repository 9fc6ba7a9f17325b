"""The raw limit: one thread that sends ready bytes to plain sockets, and nothing else."""

from lib.stage import Group

NAME = "raw"
TITLE = "one send for 1, 2, 4, 8 and 16 messages to plain sockets"


def run(bench) -> None:
    sizes = (64, 200, 4096) if bench.full else (200,)
    for clients in bench.sizes_of(1000):
        with bench.stage(bench.chosen("raw"), [Group(clients)]) as stage:
            for size in sizes:
                for window in (1, 2, 4, 8, 16):
                    stage.measure({"clients": clients, "size": size, "window": window}, "fanout",
                                  size=size, window=window, seconds=bench.seconds, warmup=0.05,
                                  least=15)
