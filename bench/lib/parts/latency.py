"""Latency at fixed rates, counted from when each message was due."""

from lib.stage import Group

NAME = "latency"
TITLE = "from the moment a message is due until each client has it"
SIZE = 200
DELIVERIES = (10000, 50000, 100000)
PLAN = {1000: DELIVERIES, 100: (50000,)}


def run(bench) -> None:
    plan = PLAN if bench.full else {1000: (50000,)}
    for clients in bench.sizes_of(*plan):
        seconds = (1.2 if clients == 1000 else 0.6) if bench.full else 0.4
        with bench.stage(bench.everybody(), [Group(clients)]) as stage:
            for deliveries in plan.get(clients, DELIVERIES):
                rate = max(1, deliveries // clients)
                stage.measure({"clients": clients, "rate": rate, "deliveries": deliveries},
                              "latency", size=SIZE, rate=rate, seconds=seconds, warmup=0.1)
