"""One run of the benchmark: what was chosen, what is up, what is kept."""

import os
import shutil
import sys
import tempfile
import traceback
from contextlib import contextmanager

from lib import machine, names, procfs, text
from lib.loadgen import Load
from lib.progress import Progress
from lib.results import Results
from lib.stage import Entry, Stage


class Bench:
    """Parts are given this. `dry` is a rehearsal that adds up the time."""

    def __init__(self, options, servers: dict, results: Results, progress: Progress | None):
        self.options = options
        self.full = not options.short
        self.rounds = options.repeat
        self.results = results
        self.dry = progress is None
        self.progress = progress
        self.estimate = 0.0
        self.longest = 1.0 if self.full else 0.5
        self.seconds = 0.3 if self.full else 0.2
        self.descriptors = procfs.raise_descriptor_limit()
        self.server_core, self.load_core = machine.cores()
        self._servers = servers
        self._missing = self._look_for_missing()
        self._work = None if self.dry else tempfile.mkdtemp(prefix="fanfare-bench-")
        self._kept: Stage | None = None
        self._serial = 0
        self._part = ""

    # ---- what was chosen ----

    def chosen(self, *wanted: str) -> list[Entry]:
        """Of these servers those that were asked for."""
        return [Entry(name, name) for name in wanted if self._takes_part(name)]

    def _takes_part(self, name: str) -> bool:
        if name not in self._servers:
            return False
        if self.options.servers and name not in self.options.servers:
            return False
        return name not in self._missing and not (self.options.no_peers and name in names.PEERS)

    def _look_for_missing(self) -> dict[str, str]:
        """Servers that cannot be started here, and why."""
        found = {}
        for name, kind in self._servers.items():
            why = kind(build_dir=self.options.build, work_dir=self.options.build).missing()
            if why:
                found[name] = why
        return found

    def missing(self) -> dict[str, str]:
        """Of those that were asked for."""
        return {name: why for name, why in self._missing.items()
                if not (self.options.no_peers and name in names.PEERS)
                and (not self.options.servers or name in self.options.servers)}

    def everybody(self) -> list[Entry]:
        return self.chosen(*names.ALL)

    def own(self) -> list[Entry]:
        return self.chosen(*names.OWN)

    def sizes_of(self, *counts: int) -> list[int]:
        """These numbers of clients, or those that were asked for; without those for which
        there are not enough descriptors."""
        wanted = self.options.clients or counts
        return [n for n in dict.fromkeys(wanted) if self.fits(n)]

    def fits(self, clients: int) -> bool:
        if clients <= self.most_clients:
            return True
        self.skipped("all", f"{clients} clients",
                     f"a process may open {self.descriptors} files here")
        return False

    @property
    def most_clients(self) -> int:
        """As many subscribers as the descriptor limit allows one server (and leaves it
        some), in whole five hundreds."""
        return min((self.descriptors - 500) // 500 * 500, 50000)

    # ---- servers and generators ----

    def folder(self) -> str:
        self._serial += 1
        path = os.path.join(self._work, str(self._serial))
        os.mkdir(path)
        return path

    def new_server(self, entry: Entry):
        core = self.server_core if entry.pinned else None
        return self._servers[entry.server](build_dir=self.options.build, work_dir=self.folder(),
                                           core=core, extra=list(entry.extra))

    def server_class(self, entry: Entry):
        return self._servers[entry.server]

    def new_load(self, server, group, label: str) -> Load:
        log = os.path.join(self.folder(), "bench-load.log")
        given = dict(group.options)
        # Some servers do not bear it when many connect at once.
        burst = getattr(server, "connect_burst", None)
        if burst:
            given["connect_burst"] = min(burst, given.get("connect_burst", burst))
        load = Load(self.program("bench-load"), server, group.clients, self.load_core, log,
                    **given)
        self.results.raw.setdefault("commands", {}).setdefault(
            label, " ".join(os.path.basename(word) if "/bench-load" in word else word
                            for word in load.command))
        return load

    def program(self, name: str) -> str:
        for folder in (".", "bench", "bench/load", "bench/raw"):
            path = os.path.join(self.options.build, folder, name)
            if os.access(path, os.X_OK) and not os.path.isdir(path):
                return path
        raise FileNotFoundError(f"{name} is not in {self.options.build}; make bench-programs")

    @contextmanager
    def stage(self, entries, groups):
        """All these servers, up with their subscribers. What the stage before had up is
        used again if it is the same."""
        stage = Stage(self, self._part, entries, groups)
        if self._kept and self._kept.spec == stage.spec:
            stage.seats = self._kept.seats
            self._kept = None
        else:
            self.close_stage()
            try:
                stage.open()
            except BaseException:
                stage.close()
                raise
        try:
            yield stage
        except BaseException:
            stage.close()
            raise
        self._kept = stage

    def close_stage(self) -> None:
        if self._kept:
            self._kept.close()
        self._kept = None

    def close(self) -> None:
        self.close_stage()
        if self._work:
            shutil.rmtree(self._work, ignore_errors=True)

    # ---- what is told ----

    def advance(self, seconds: float) -> None:
        if self.dry:
            self.estimate += seconds
        else:
            self.progress.advance(seconds)

    def line(self, words: str) -> None:
        if not self.dry:
            self.progress.line(words)

    def status(self, words: str) -> None:
        if not self.dry:
            self.progress.status(f"{self._part}: {words}")

    def describe(self, key: dict) -> str:
        words = {"clients": "{} clients", "size": "{} B", "window": "window {}",
                 "rate": "{} messages/s", "deliveries": "{} deliveries/s", "mode": "{}",
                 "storm": "{}", "idle": "{} idle", "to": "to {}", "option": "{}",
                 "connections": "{} connections", "batch": "batches of {}"}
        return ", ".join(words.get(k, k + " {}").format(text.whole(v) if isinstance(v, int) else v)
                         for k, v in key.items())

    def tell_cell(self, where: str, key: dict, runs: list, field: str = "") -> None:
        """One line for each cell: medians, and for rates their ratio to the raw limit."""
        from lib.results import Cell
        cell = Cell({"key": key, "runs": runs})
        field = field or next((f for f in ("p99_us", "rate", "connect_rate")
                               if any(f in run for run in runs)), "")
        said = []
        for server in cell.servers():
            middle = cell.median(server, field)
            if middle is None:
                continue
            word = text.microseconds(middle) if field.endswith("_us") else text.count(middle)
            ratio = cell.ratio(server, "raw", field) if field == "rate" else None
            if ratio and server != "raw":
                word += f" ({ratio.median:.2f})"
            said.append(f"{server} {word}")
        self.line(f"    {where}: " + (" · ".join(said) if said else "nothing was measured"))

    def failed(self, part: str, server: str, where: str, why: str) -> None:
        why = " ".join(why.split())
        why = why if len(why) < 600 else why[:400] + " … " + why[-180:]
        self.results.note(part, "failed", server, where, why)
        self.line(f"    FAILED: {server}, {where}: {why}")

    def skipped(self, server: str, where: str, why: str) -> None:
        if not self.dry:
            self.results.note(self._part, "skipped", server, where, why)
            self.line(f"    left out: {server} {where}: {why}")

    def tell_version(self, entry: Entry, server) -> None:
        self.results.raw["servers"].setdefault(entry.server, {
            "version": str(server.version), "config": str(server.config_note)})

    # ---- parts ----

    def run(self, part) -> None:
        """A part that breaks is told, and the others go on."""
        self._part = part.NAME
        if self.dry:
            part.run(self)
            return
        self.results.begin(part.NAME)
        self.line(f"==> {part.NAME}: {part.TITLE}")
        begun = self.progress.elapsed
        try:
            part.run(self)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self.failed(part.NAME, "", "the whole part", f"{type(error).__name__}: {error}")
        took = self.progress.elapsed - begun
        self.results.raw["parts"][part.NAME]["seconds"] = round(took, 1)
        self.line(f"    {part.NAME} took {text.seconds(took)}")
