"""Memory of idle clients, in the server and in the kernel."""

import time

from lib import procfs
from lib.stage import Entry, Group, Stage

NAME = "memory"
TITLE = "user and kernel memory of idle clients"

# What the clients are, and who is measured with them.
SHARED = "one channel that all share"
AT_ONCE = "the same, connected 256 at once"
OWN_CHANNEL = "a channel of its own"
TEN = "ten channels of its own"
USER = "a user of its own, no channel"
# What a server needs while a connection is made it may keep when all are made: with few on
# their way at once this does not count as memory of those that stand.
FEW = (("connect_burst", 4),)
# These are there before anything is counted: what a server sets up with its first clients is
# no memory of each client.
FIRST = Group(100, FEW)
OPTIONS = {
    SHARED: FEW,
    AT_ONCE: (("connect_burst", 256),),
    OWN_CHANNEL: FEW + (("topology", "channels"), ("per_client", 1)),
    TEN: FEW + (("topology", "channels"), ("per_client", 10)),
    USER: FEW + (("topology", "users"),),
}
# The gateway gives memory back when no client has come for a while (at most a second).
SETTLE = 1.6
SETTLE_SHORT = 0.6  # with few clients there is little to be given back


def run(bench) -> None:
    rounds = bench.rounds if bench.full else 1
    if bench.full:
        for clients in bench.sizes_of(10000):
            for what in OPTIONS:
                _cell(bench, bench.own(), what, clients, rounds)
    for clients in bench.sizes_of(5000 if bench.full else 1000):
        _cell(bench, bench.everybody(), SHARED, clients, rounds)


def _cell(bench, entries: list[Entry], what: str, clients: int, rounds: int) -> None:
    """Each time a server of its own, alone on the machine."""
    key = {"what": what, "clients": clients}
    group = Group(clients, OPTIONS[what])
    each = Stage.START_SECONDS + group.seconds + 1.5 * _settle(bench) + 0.3
    runs = [] if bench.dry else bench.results.add_cell(NAME, key)
    bench.close_stage()
    out = set()
    for number in range(rounds):
        for entry in entries:
            if not bench.dry and entry.label not in out:
                bench.status(f"{what}, {clients} clients: {entry.label}, "
                             f"run {number + 1} of {rounds}")
                try:
                    runs.append(dict(once(bench, entry, group), server=entry.label,
                                     round=number))
                except Exception as error:
                    bench.failed(NAME, entry.label, what, str(error))
                    out.add(entry.label)
            bench.advance(each)
    if not bench.dry:
        bench.tell_cell(f"{what}, {clients} clients, bytes each", key, runs, "user")


def once(bench, entry: Entry, group: Group) -> dict:
    """One run with a server of its own: what it took for each client."""
    group = entry.of(group)
    server = bench.new_server(entry)
    loads = []
    try:
        server.start()
        bench.tell_version(entry, server)
        empty = settled(server.pids(), _settle(bench))
        loads.append(bench.new_load(server, FIRST, entry.label))
        loads[0].ready(30)
        before, kernel = settled(server.pids(), _settle(bench)), procfs.kernel_memory()
        loads.append(bench.new_load(server, group, entry.label))
        ready = loads[1].ready(30 + group.clients / 200)
        after, kernel_after = settled(server.pids(), _settle(bench)), procfs.kernel_memory()
        grown = {name: (after[name] - before[name]) / group.clients for name in before}
        kernel_grown = {name: (kernel_after[name] - kernel[name]) / group.clients
                        for name in kernel}
        return {"user": grown["private"], "anonymous": grown["anonymous"], "pss": grown["pss"],
                "rss": grown["rss"], "kernel": kernel_grown["slab"],
                "kernel_unreclaimable": kernel_grown["unreclaimable"],
                "kernel_tcp": kernel_grown["tcp"], "sockets": kernel_grown["sockets"],
                "empty": empty["private"], "all": after["private"],
                "connect_seconds": ready["connect_seconds"]}
    finally:
        for load in loads:
            load.close()
        server.stop()


def _settle(bench) -> float:
    return SETTLE if bench.full else SETTLE_SHORT


def settled(pids, settle: float) -> dict:
    """Waits until the memory stays as it is, at most a few seconds."""
    seen = procfs.user_memory(pids)
    since = begun = time.monotonic()
    while time.monotonic() - begun < 4 * settle:
        time.sleep(0.1)
        now = procfs.user_memory(pids)
        if abs(now["private"] - seen["private"]) > 0.002 * seen["private"]:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since >= settle / 2:
            return now
    return procfs.user_memory(pids)
