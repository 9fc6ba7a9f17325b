"""Servers that are up at once with their subscribers, and runs that go round them in turn.

In a rehearsal (bench.dry) nothing is started; only the time it would take is added up."""

import time
from dataclasses import dataclass, field, replace

from lib import text
from lib.loadgen import Load, LoadError, Unsupported
from servers import Unfit

# Microseconds: a server whose median latency in a trial run of 0.15 s is above this does a
# fraction of the rate, and every run would end only when it has caught up.
TOO_LATE = 250e3
# Seconds: a server that needs longer for the messages that are under way is not measured so.
TOO_LONG = 4


@dataclass(frozen=True)
class Entry:
    """One server as it takes part. The label is its name in the results."""

    label: str
    server: str
    pinned: bool = True
    extra: tuple = ()
    load: tuple = ()  # ((name, value), ...) for its generators, beside those of the group

    def of(self, group: "Group") -> "Group":
        return replace(group, options=group.options + self.load)


@dataclass(frozen=True)
class Group:
    """One generator for each server, with so many subscribers."""

    clients: int
    options: tuple = ()  # ((name, value), ...) for bench-load

    @property
    def seconds(self) -> float:
        return 0.1 + self.clients / 8000


@dataclass
class Seat:
    """A server that is up, and its generators; the first one is the one that is measured."""

    entry: Entry
    server: object = None
    loads: list = field(default_factory=list)
    connected: list = field(default_factory=list)  # what each said when it was ready
    falls: int = 0

    @property
    def label(self) -> str:
        return self.entry.label

    @property
    def load(self) -> Load:
        return self.loads[0]

    def close(self) -> None:
        for load in self.loads:
            load.close()
        self.loads = []
        if self.server:
            self.server.stop()
        self.server = None


class Stage:
    START_SECONDS = 0.8  # a server's start and stop, for the estimate

    def __init__(self, bench, part: str, entries, groups):
        self.bench = bench
        self.part = part
        self.entries = tuple(entries)
        self.groups = tuple(groups)
        self.seats: list[Seat] = []

    @property
    def spec(self) -> tuple:
        return (self.entries, self.groups)

    # ---- up and down ----

    def open(self) -> None:
        each = self.START_SECONDS + sum(group.seconds for group in self.groups)
        begun = time.monotonic()
        for entry in self.entries:
            if not self.bench.dry:
                self.bench.status(f"{entry.label}: start, {self._what()}")
                seat = Seat(entry)
                self.seats.append(seat)
                self._start(seat)
            self.bench.advance(each)
        if not self.bench.dry:
            self.bench.line(f"    up: {len(self.seats)} servers, {self._what()} each, "
                            f"in {text.seconds(time.monotonic() - begun)}")

    def _what(self) -> str:
        return " + ".join(f"{text.whole(g.clients)} clients" for g in self.groups)

    def _start(self, seat: Seat) -> bool:
        """False, and the seat is empty, if server or subscribers do not come up."""
        try:
            seat.server = self.bench.new_server(seat.entry)
            seat.server.start()
            self.bench.tell_version(seat.entry, seat.server)
            self._connect(seat)
            return True
        except Exception as error:  # the others go on
            self.bench.failed(self.part, seat.label, "start", str(error))
            self._leave(seat)
            return False

    def _connect(self, seat: Seat) -> None:
        seat.loads, seat.connected = [], []
        for group in self.groups:
            load = self.bench.new_load(seat.server, seat.entry.of(group), seat.label)
            seat.loads.append(load)
            seat.connected.append(load.ready(30 + group.clients / 200))

    def _leave(self, seat: Seat) -> None:
        seat.close()
        if seat in self.seats:
            self.seats.remove(seat)

    def fell(self, seat: Seat, where: str, error: Exception) -> None:
        """A run went wrong: told, and the server gets a second chance, afresh."""
        self.bench.failed(self.part, seat.label, where, str(error))
        seat.falls += 1
        if seat.falls > 1:
            self._leave(seat)
            return
        seat.close()
        self._start(seat)

    def close(self) -> None:
        for seat in self.seats:
            seat.close()
        self.seats = []

    # ---- runs ----

    def measure(self, key: dict, command: str, *, rounds: int = 0, least: int = 0, only=None,
                **values) -> None:
        """A cell: `rounds` times all servers in turn. With `least`, a server that does
        fewer messages than that in the given seconds runs longer (up to bench.longest)."""
        rounds = rounds or self.bench.rounds
        took = values.get("seconds", 0.2) + values.get("warmup", 0) + 0.05
        where = self.bench.describe(key)
        if self.bench.dry:
            takers = [e for e in self.entries if only is None or e.label in only]
            probes = 0.25 * len(takers)
            self.bench.advance(rounds * took * len(takers) * (1.4 if least else 1) + probes)
            return
        takers = [s for s in self.seats if only is None or s.label in only]
        budget = rounds * took * len(takers) * (1.4 if least else 1) + 0.25 * len(takers)
        runs = self.bench.results.add_cell(self.part, key)
        fitting = {s.label: self._probe(s, where, command, least, values) for s in takers}
        self.bench.advance(0.25 * len(takers))
        for number in range(rounds):
            for seat in takers:
                if seat not in self.seats or fitting.get(seat.label) is None:
                    continue
                self.bench.status(f"{where}: {seat.label}, run {number + 1} of {rounds}")
                answer = self._run(seat, where, command, fitting[seat.label])
                if answer is None:
                    fitting[seat.label] = None
                else:
                    runs.append(dict(answer, server=seat.label, round=number))
            self.bench.advance((budget - 0.25 * len(takers)) / rounds)
        self.bench.tell_cell(where, key, runs)

    def _probe(self, seat: Seat, where: str, command: str, least: int, values: dict):
        """A run that is not kept: it warms up, and says how long the others must be.
        None: this server cannot do it."""
        short = dict(values)
        if "seconds" in short:
            short.update(seconds=min(0.15, values["seconds"]), warmup=0)
        answer = self._run(seat, where, command, short)
        if answer is None:
            return None
        if answer.get("p50_us", 0) > TOO_LATE:
            self.bench.results.note(
                self.part, "skipped", seat.label, where,
                "does not keep up with the rate: in the trial run half of the messages were more "
                f"than {text.microseconds(answer['p50_us'])} late")
            return None
        drain = answer.get("window", 0) * answer.get("clients", 0) / (answer.get("rate") or 1)
        if command == "fanout" and drain > TOO_LONG:
            self.bench.results.note(
                self.part, "skipped", seat.label, where,
                f"at its rate in the trial run, {text.count(answer['rate'])} deliveries a second, "
                f"it would take {drain:.0f} s to deliver what is under way")
            return None
        if not least or "seconds" not in values:
            return values
        done, wanted = answer.get("messages", 0), values["seconds"]
        if done:
            wanted = max(wanted, least * answer["seconds"] / done)
        else:
            wanted = self.bench.longest
        return dict(values, seconds=round(min(wanted, self.bench.longest), 2))

    def _run(self, seat: Seat, where: str, command: str, values: dict) -> dict | None:
        limit = values.get("seconds", 0) + values.get("warmup", 0) + 60
        try:
            values = seat.server.fit(command, self.groups[0].clients, values)
            answer = seat.load.ask(limit, command, **values)
        except Unfit as error:
            self.bench.results.note(self.part, "skipped", seat.label, where, str(error))
            return None
        except Unsupported as error:
            self.bench.results.note(self.part, "skipped", seat.label,
                                    values.get("mode", where), str(error).partition(": ")[2])
            self._reconnect(seat)
            return None
        except LoadError as error:
            self.fell(seat, where, error)
            return None
        answer.pop("ok")
        return answer

    def _reconnect(self, seat: Seat) -> None:
        """New generators for a server that is still up."""
        for load in seat.loads:
            load.close()
        try:
            self._connect(seat)
        except LoadError as error:
            self.bench.failed(self.part, seat.label, "connecting again", str(error))
            self._leave(seat)
