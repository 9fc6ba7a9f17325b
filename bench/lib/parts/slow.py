"""Clients that stop reading, and what the others notice of it."""

from lib import gateway, procfs
from lib.stage import Entry, Group, Seat

NAME = "slow"
TITLE = "5 % of the clients stop reading"
CLIENTS = 5000
PERCENT = 5
RATE = 10  # messages a second: 50,000 deliveries
# Buffers and queue of a client that does not read are full after about 2 of the 4 seconds; those
# who read may be late by as much.
SIZE = 4096
QUEUE = 32 * 1024
SEND_BUFFER = 16 * 1024
RECEIVE_BUFFER = 16 * 1024
SECONDS = 4
POLICIES = ("disconnect", "drop-oldest", "conflate")


def run(bench) -> None:
    if not bench.fits(CLIENTS):
        return
    for policy in POLICIES:
        if not bench.dry and not gateway.has_option(bench.program("fanfare"), policy):
            bench.skipped("fanfare", policy, "this version does not have the policy")
            continue
        for entry in bench.own() if policy == POLICIES[0] else bench.own()[:1]:
            _policy(bench, entry, policy)


def _policy(bench, entry: Entry, policy: str) -> None:
    entry = Entry(entry.label, entry.server, extra=(
        f"--slow-client={policy}", f"--client-queue-bytes={QUEUE}",
        f"--send-buffer={SEND_BUFFER}"))
    key = {"policy": policy, "clients": CLIENTS, "percent": PERCENT}
    each = 2 * SECONDS + 2
    with bench.stage([entry], [Group(CLIENTS, (("stall_rcvbuf", RECEIVE_BUFFER),))]) as stage:
        runs = [] if bench.dry else bench.results.add_cell(NAME, key)
        for number in range(bench.rounds):
            if not bench.dry and stage.seats:
                bench.status(f"{policy}: {entry.label}, run {number + 1} of {bench.rounds}")
                try:
                    run_of = _once(stage.seats[0])
                    runs.append(dict(run_of, server=entry.label, round=number))
                except Exception as error:
                    stage.fell(stage.seats[0], policy, error)
            bench.advance(each)
        if not bench.dry:
            bench.tell_cell(f"{policy}: the others' p99 with stalled clients", key, runs)
    bench.close_stage()


def _once(seat: Seat) -> dict:
    load, server = seat.load, seat.server
    fixed = {"size": SIZE, "rate": RATE, "seconds": SECONDS, "warmup": 0.3}
    base = load.ask(60, "latency", **fixed)
    counted = gateway.counters(server.publish)
    procfs.clear_peak(server.pids())
    before = procfs.user_memory(server.pids())
    load.ask(30, "stall", percent=PERCENT)
    slow = load.ask(60, "latency", **fixed)
    peak = procfs.peak_memory(server.pids())
    after = procfs.user_memory(server.pids())
    woken = load.ask(60, "unstall")
    now = gateway.counters(server.publish)
    load.ask(60, "reconnect")
    if not (woken["closed"] or woken["missed"]):
        raise RuntimeError("the policy was never applied: no client was closed or lacks a message")
    for name in ("ok", "cmd"):
        slow.pop(name, None)
        woken.pop(name, None)
    return dict(slow, base_p50_us=base["p50_us"], base_p99_us=base["p99_us"],
                base_p999_us=base["p999_us"], woken=woken,
                rss_before=before["rss"], peak=peak, private_before=before["private"],
                private_after=after["private"],
                slow_closed=now["slow_closed"] - counted["slow_closed"],
                dropped=sum(now.get(name, 0) - counted.get(name, 0)
                            for name in ("dropped", "conflated")))
