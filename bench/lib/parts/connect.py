"""Connecting and disconnecting beside more and more clients that are idle."""

from lib.stage import Group

NAME = "connect"
TITLE = "connects and disconnects a second, beside idle clients"


def run(bench) -> None:
    idles = (0, 1000, 5000, 9000) if bench.full else (0, 1000)
    for idle in idles:
        if not bench.fits(idle + 500):
            continue
        with bench.stage(bench.chosen("raw") + bench.own(), [Group(idle)]) as stage:
            stage.measure({"idle": idle}, "churn", count=4000 if bench.full else 2000)
