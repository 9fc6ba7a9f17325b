"""One client reads all that is kept, from the beginning, beside one that gets live messages."""

import os

from lib.stage import Entry, Group, Seat

NAME = "replay"
TITLE = "one client replays all that is kept"
SIZE = 200
KEPT = 200000
SHORT_KEPT = 20000
# The daemon keeps less of a channel by itself.
ROOM = ("--history=400000", "--history-bytes=1g", "--history-total=1g")
# What the client subscribes to, with how many channels the messages are in.
ONE = "1 channel"
MANY = "100 channels"
PATTERN = "a pattern over 100 channels"
WHAT = {
    ONE: ((("topology", "channels"), ("per_client", 1)), 1),
    MANY: ((("topology", "channels"), ("per_client", 100)), 100),
    PATTERN: ((("topology", "wide"),), 100),
}
RATE = 500  # live messages a second of the other client
SECONDS = 1.0


def run(bench) -> None:
    count = KEPT if bench.full else SHORT_KEPT
    rounds = bench.rounds if bench.full else 1
    for what, (options, targets) in WHAT.items():
        key = {"what": what, "kept": count, "size": SIZE}
        entries = [Entry(e.label, e.server, extra=ROOM) for e in bench.own()]
        with bench.stage(entries, [Group(0, options), Group(1)]) as stage:
            runs = [] if bench.dry else bench.results.add_cell(NAME, key)
            for seat in list(stage.seats):
                _prepare(stage, seat, what, count, targets)
            bench.advance(len(entries) * count / 200000)
            for number in range(rounds):
                for seat in list(stage.seats):
                    bench.status(f"{what}: {seat.label}, run {number + 1} of {rounds}")
                    try:
                        runs.append(dict(_once(seat), server=seat.label, round=number))
                    except Exception as error:
                        _drop(stage, seat, what, error)
                bench.advance(len(entries) * (2 * SECONDS + 0.6))
            if not bench.dry:
                bench.tell_cell(f"{what}, messages/s", key, runs, "rate")
        bench.close_stage()


def _prepare(stage, seat: Seat, what: str, count: int, targets: int) -> None:
    try:
        # The other client's generator is on the same core: it goes first.
        os.setpriority(os.PRIO_PROCESS, seat.load.pid, 19)
        seat.load.ask(120, "keep", count=count, size=SIZE, targets=targets)
        seat.load.ask(60, "replay")
    except Exception as error:
        _drop(stage, seat, what, error)


def _drop(stage, seat: Seat, what: str, error: Exception) -> None:
    """Without a second chance: another server would keep nothing."""
    stage.bench.failed(NAME, seat.label, what, str(error))
    seat.close()
    stage.seats.remove(seat)


def _once(seat: Seat) -> dict:
    fixed = {"size": SIZE, "rate": RATE, "seconds": SECONDS, "warmup": 0.1}
    calm = seat.loads[1].ask(60, "latency", **fixed)
    # Again and again, until the latencies have been taken.
    seat.load.send("replay", seconds=SECONDS + 0.2)
    other = seat.loads[1].ask(60, "latency", **fixed)
    answer = seat.load.wait(60, "replay")
    for name in ("ok", "cmd"):
        answer.pop(name)
    return dict(answer, **{f"{who}_{field}": said[field] for who, said in
                           (("calm", calm), ("other", other))
                           for field in ("p50_us", "p99_us", "max_us")})
