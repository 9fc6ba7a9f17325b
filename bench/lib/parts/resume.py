"""Everybody comes back at once and wants what was published meanwhile."""

from lib.stage import Group

NAME = "resume"
TITLE = "all clients come back at once with a position behind"
SIZE = 200
MISSED = 100
CLIENTS = 10000
SHORT_CLIENTS = 1000


def run(bench) -> None:
    most = CLIENTS if bench.full else SHORT_CLIENTS
    clients = min(most, bench.most_clients)
    rounds = bench.rounds if bench.full else 1
    key = {"clients": clients, "missed": MISSED, "size": SIZE}
    with bench.stage(bench.own(), [Group(clients)]) as stage:
        runs = [] if bench.dry else bench.results.add_cell(NAME, key)
        for number in range(rounds):
            for seat in list(stage.seats):
                bench.status(f"{seat.label}, run {number + 1} of {rounds}")
                try:
                    answer = seat.load.ask(180, "resume", missed=MISSED, size=SIZE)
                    answer.pop("ok")
                    runs.append(dict(answer, server=seat.label, round=number))
                except Exception as error:
                    stage.fell(seat, f"{clients} clients", error)
            bench.advance(len(stage.entries) * (0.2 + clients / 4000))
        if not bench.dry:
            bench.tell_cell(f"{clients} clients, messages/s", key, runs, "rate")
