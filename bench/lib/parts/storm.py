"""Everybody at once: reconnections, publications, subscriptions, heartbeats."""

from lib import gateway
from lib.stage import Entry, Group, Seat

NAME = "storm"
TITLE = "everybody at once: reconnections, publications, heartbeats"
SIZE = 200
BYSTANDERS = 100
WATCHED = 2.5
NO_HEARTBEAT = "--heartbeat=1h"
SHORT_HEARTBEAT = "--heartbeat=2s"


def run(bench) -> None:
    crowd = 15000 if bench.descriptors >= 18000 else min(10000, bench.most_clients)
    if not bench.full:
        crowd = min(crowd, 2000)
    _reconnect(bench, crowd)
    _burst(bench, 1000)
    _fill(bench, min(crowd, 10000))
    _heartbeats(bench, min(crowd, 10000))


def _rounds(bench, key: dict, entries: list[Entry], groups: list[Group], each: float, once,
            field: str, afresh: bool = False) -> None:
    """A cell whose runs are made by `once(seat)`; afresh: each with a new server."""
    runs = [] if bench.dry else bench.results.add_cell(NAME, key)
    for number in range(bench.rounds if afresh else 1):
        if afresh:
            bench.close_stage()
        with bench.stage(entries, groups) as stage:
            for inner in range(1 if afresh else bench.rounds):
                for seat in list(stage.seats):
                    bench.status(f"{key['storm']}: {seat.label}, "
                                 f"run {number + inner + 1} of {bench.rounds}")
                    try:
                        runs.append(dict(once(seat), server=seat.label, round=number + inner))
                    except Exception as error:
                        stage.fell(seat, key["storm"], error)
                bench.advance(each * len(entries))
    if not bench.dry:
        bench.tell_cell(bench.describe(key), key, runs, field)


def _clean(answer: dict) -> dict:
    return {k: v for k, v in answer.items() if k not in ("ok", "cmd")}


def _reconnect(bench, crowd: int) -> None:
    """All of the crowd leave and come at once, while a hundred others get messages and
    /ready is asked. The hundred are served by a generator of their own on the same core as
    the crowd's, so part of what they wait is the generator."""
    def once(seat: Seat) -> dict:
        fixed = {"size": SIZE, "rate": 100, "seconds": WATCHED, "warmup": 0.1}
        calm = seat.load.ask(60, "latency", **fixed)
        with gateway.Watch(seat.server.publish) as watch:
            seat.load.send("latency", **fixed)
            storm = seat.loads[1].ask(120, "reconnect", mode="rst")
            others = seat.load.wait(60, "latency")
        return dict(_clean(storm), **watch.figures(), others_p50_us=others["p50_us"],
                    others_p99_us=others["p99_us"], others_max_us=others["max_us"],
                    calm_p50_us=calm["p50_us"], calm_p99_us=calm["p99_us"],
                    calm_max_us=calm["max_us"])

    # The crowd is in channels of its own and gets nothing.
    groups = [Group(BYSTANDERS), Group(crowd, (("topology", "channels"), ("per_client", 1)))]
    _rounds(bench, {"storm": "reconnect", "clients": crowd}, bench.own(), groups,
            2 * WATCHED + 0.5, once, "seconds")


def _burst(bench, clients: int) -> None:
    count = 10000 if bench.full else 2000
    _rounds(bench, {"storm": "burst", "clients": clients, "count": count}, bench.own(),
            [Group(clients)], count / 1000 + 0.5,
            lambda seat: _clean(seat.load.ask(180, "burst", count=count, size=SIZE)),
            "all_seconds")


def _fill(bench, clients: int) -> None:
    """A channel that goes from no subscribers to all of them."""
    def once(seat: Seat) -> dict:
        seat.load.ask(60, "fanout", size=SIZE, window=1, seconds=0.2)
        return {"seconds": seat.connected[0]["connect_seconds"]}

    _rounds(bench, {"storm": "fill", "clients": clients}, bench.own(), [Group(clients)], 0.3,
            once, "seconds", afresh=True)


def _heartbeats(bench, clients: int) -> None:
    """Clients who all came at the same moment and get nothing but heartbeats; a hundred
    others get messages."""
    groups = [Group(BYSTANDERS), Group(clients, (("topology", "channels"), ("per_client", 1)))]
    for own in bench.own():
        for heartbeat in (NO_HEARTBEAT, SHORT_HEARTBEAT):
            entry = Entry(own.label, own.server, extra=(heartbeat,))

            def once(seat: Seat) -> dict:
                before = gateway.counters(seat.server.publish)["heartbeats"]
                answer = seat.load.ask(60, "latency", size=SIZE, rate=100, seconds=2, warmup=0.1)
                after = gateway.counters(seat.server.publish)["heartbeats"]
                return dict(_clean(answer), heartbeats=after - before)

            _rounds(bench, {"storm": "heartbeats", "clients": clients, "option": heartbeat},
                    [entry], groups, 2.3, once, "p99_us")
    bench.close_stage()
