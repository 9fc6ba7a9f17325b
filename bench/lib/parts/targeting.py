"""Messages to single users, channels and patterns, among more and more that are idle."""

from lib.stage import Group

NAME = "targeting"
TITLE = "messages to single users, channels and patterns"
SIZE = 200
WINDOW = 16
FEW = 100


def run(bench) -> None:
    users = (100, 1000, 10000) if bench.full else (100, 1000)
    for clients in bench.sizes_of(*users):
        _spread(bench, "users", clients, 1)
    channels = ((1, 1), (100, 1), (1000, 1), (10000, 1), (10000, 10))
    for clients, each in channels if bench.full else channels[:3]:
        if bench.fits(clients):
            _spread(bench, "channels", clients, each)
    for clients in bench.sizes_of(*users):
        _spread(bench, "patterns", clients, 1)
    for idle in (0, 10000) if bench.full else (0, 1000):
        if bench.fits(idle + FEW):
            _among_idle(bench, idle)


def _spread(bench, topology: str, clients: int, each: int) -> None:
    """To all of them at random, and to the same hundred of them at random: only the
    second shows what the idle ones cost, since the first visits more memory."""
    group = Group(clients, (("topology", topology), ("per_client", each)))
    with bench.stage(bench.own(), [group]) as stage:
        for targets in dict.fromkeys((min(FEW, clients * each), clients * each)):
            stage.measure({"to": topology, "clients": clients, "names": clients * each,
                           "targets": targets}, "target", size=SIZE, window=WINDOW,
                          targets=targets, seconds=bench.seconds, warmup=0.1)


def _among_idle(bench, idle: int) -> None:
    """One channel of a hundred clients, the others each in a channel of their own."""
    groups = [Group(FEW)]
    if idle:
        groups.append(Group(idle, (("topology", "channels"), ("per_client", 1))))
    with bench.stage(bench.own(), groups) as stage:
        for window in (1, WINDOW):
            stage.measure({"to": "one channel", "clients": FEW, "idle": idle, "window": window},
                          "fanout", size=SIZE, window=window, seconds=bench.seconds, warmup=0.1)
