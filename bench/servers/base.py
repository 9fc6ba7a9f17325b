"""What all servers under test have in common: ports, processes, their end."""

from __future__ import annotations

import atexit
import ctypes
import os
import resource
import select
import shutil
import signal
import socket
import string
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What bench/bootstrap builds.
BUILT = ROOT / "build" / "bench-peers"

START_SECONDS = 30
STOP_SECONDS = 10
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


class ServerError(RuntimeError):
    """A server that cannot be used, with the reason and what its log says."""


class Unfit(RuntimeError):
    """What a server's own limits do not allow, in words for the report."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody has now, all different."""
    sockets = []
    try:
        for _ in range(count):
            s = socket.socket()
            sockets.append(s)
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def package_version(package: str) -> str:
    """Debian's version of an installed package, without epoch and revision."""
    out = subprocess.run(
        ["dpkg-query", "-W", "-f=${Version}", package],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
    ).stdout
    return out.split(":")[-1].rsplit("-", 1)[0] or "?"


def parents() -> dict[int, int]:
    """Parent of each process."""
    found = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(entry.path, "stat").read_text()
            except OSError:
                continue
            found[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    return found


def descendants(pid: int) -> list[int]:
    """All processes below pid, parents before their children."""
    table = parents()
    found = [pid]
    for parent in found:
        found += [child for child, its in table.items() if its == parent]
    return found[1:]


def listens(pids: list[int], port: int) -> bool:
    """Whether one of these processes listens on the port of 127.0.0.1."""
    place = f"0100007F:{port:04X}"
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == place and fields[3] == "0A":
            inodes.add(f"socket:[{fields[9]}]")
    for pid in pids:
        try:
            links = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if inodes.intersection(links):
            return True
    return False


def born(pid: int) -> str | None:
    """When a process was started; None if there is none. Tells a reused pid."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def before_exec() -> None:
    """In the child: as many descriptors as allowed, and no life after the runner."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Server:
    """One server. Subclasses set the names and define launch(), which starts the
    processes with run() and sets the addresses.

    start() is to be called from the main thread: the kernel ends the processes
    when the thread that started them is gone."""

    dialect = ""
    config_note = ""
    sub_path: str | None = None
    publish_path: str | None = None
    # Most connections that may be under way at once; None is the generator's default.
    connect_burst: int | None = None
    # Whether this needs what bench/bootstrap installs.
    peer = True

    def __init__(self, build_dir, work_dir, core: int | None = None, extra=()):
        self.build_dir = Path(build_dir).resolve()
        self.work_dir = Path(work_dir).resolve()
        self.core = core
        self.extra = list(extra)
        self.dir: Path | None = None
        self.connect = ""
        self.publish = ""
        self.started: list[subprocess.Popen] = []
        self.logs: list[Path] = []

    # ---- what subclasses define ----

    def launch(self) -> None:
        raise NotImplementedError

    def needs(self) -> list[str]:
        """Programs and files without which it cannot run."""
        return []

    @property
    def version(self) -> str:
        return ""

    # ---- for the runner ----

    def missing(self) -> str | None:
        """Why it cannot be started here, or None."""
        absent = [n for n in self.needs() if not (Path(n).exists() or shutil.which(n))]
        if not absent:
            return None
        fix = "run bench/bootstrap" if self.peer else "build it first"
        return f"not there: {', '.join(absent)}; {fix}"

    def start(self) -> None:
        """Returns when it takes connections; raises ServerError otherwise."""
        reason = self.missing()
        if reason is not None:
            raise ServerError(f"{self.dialect}: {reason}")
        self.work_dir.mkdir(parents=True, exist_ok=True)
        for attempt in (1, 2, 3):
            atexit.register(self.stop)
            self.dir = Path(tempfile.mkdtemp(prefix=f"{self.dialect}-", dir=self.work_dir))
            try:
                self.launch()
                return
            except BaseException as error:
                self.stop()
                # A port that was free a moment ago may be somebody's by now.
                if attempt == 3 or "in use" not in str(error):
                    raise

    def stop(self) -> None:
        """Ends all processes, by their ids, and removes the files."""
        atexit.unregister(self.stop)
        started, self.started = self.started, []
        pids = {pid: born(pid) for p in started for pid in [p.pid, *descendants(p.pid)]}
        for p in reversed(started):
            if p.poll() is None:
                p.send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        while any(when is not None and born(pid) == when for pid, when in pids.items()):
            if time.monotonic() > end:
                self._kill(pids)
                break
            for p in started:
                p.poll()
            select.select([], [], [], 0.01)
        for p in started:
            p.wait()
            if p.stdout is not None:
                p.stdout.close()
        self.logs = []
        if self.dir is not None:
            shutil.rmtree(self.dir, ignore_errors=True)
            self.dir = None

    @staticmethod
    def _kill(pids: dict[int, str | None]) -> None:
        for pid, when in pids.items():
            if when is not None and born(pid) == when:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def fit(self, command: str, clients: int, values: dict) -> dict:
        """The values with which a command of the generator (for so many subscribers of
        one channel) stays within what the server can do at all; Unfit if none do."""
        return values

    @property
    def main_pids(self) -> list[int]:
        """The processes that hold the subscribers: for memory."""
        return [self.started[0].pid]

    def pids(self) -> list[int]:
        """All processes that do the work: for CPU time."""
        found = []
        for p in self.started:
            found += [p.pid, *descendants(p.pid)]
        return found

    # ---- for subclasses ----

    def run(self, args: list, cwd: Path | None = None, env: dict | None = None,
            ready: bool = False) -> subprocess.Popen:
        """Starts a process on the chosen core; its output goes to a log, but
        standard output to a pipe if a READY line is expected there."""
        assert self.dir is not None
        log = self.dir / f"{Path(str(args[0])).name}-{len(self.started)}.log"
        pin = [] if self.core is None else ["taskset", "-c", str(self.core)]
        with open(log, "wb") as out:
            p = subprocess.Popen(
                [*pin, *(str(a) for a in args)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if ready else out, stderr=out,
                cwd=cwd or self.dir, env={**os.environ, **(env or {})},
                start_new_session=True, preexec_fn=before_exec,
            )
        self.started.append(p)
        self.logs.append(log)
        return p

    def first_line(self, p: subprocess.Popen) -> str:
        """The first line on the standard output of a process started with ready."""
        end = time.monotonic() + START_SECONDS
        text = b""
        while not text.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0:
                raise self.failed(f"it says nothing within {START_SECONDS} seconds")
            if select.select([p.stdout], [], [], left)[0]:
                part = os.read(p.stdout.fileno(), 4096)
                if part == b"":
                    raise self.failed("it ended")
                text += part
        return text.decode(errors="replace").split("\n")[0]

    def ready_line(self, p: subprocess.Popen) -> list[str]:
        """The words after READY, which is what our own servers say first."""
        line = self.first_line(p)
        words = line.split()
        if words[:1] != ["READY"] or len(words) < 2:
            raise self.failed(f"unexpected first line: {line!r}")
        return words[1:]

    def await_port(self, p: subprocess.Popen, port: int) -> None:
        """Returns when something listens on the port and p lives."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if p.poll() is not None:
                raise self.failed(f"it ended with status {p.returncode}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                if not listens([p.pid, *descendants(p.pid)], port):
                    raise self.failed(f"port {port} is in use by another process")
                return
            except OSError:
                select.select([], [], [], 0.02)
        raise self.failed(f"nothing listens on port {port} after {START_SECONDS} seconds")

    def await_answer(self, p: subprocess.Popen, port: int, path: str, wanted: int) -> None:
        """Returns when a GET of the path is answered with the wanted status."""
        self.await_port(p, port)
        end = time.monotonic() + START_SECONDS
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        line = b""
        while time.monotonic() < end:
            if p.poll() is not None:
                raise self.failed(f"it ended with status {p.returncode}")
            with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as s:
                s.sendall(request)
                line = s.recv(100).split(b"\r\n")[0]
            if line.split()[1:2] == [str(wanted).encode()]:
                return
            select.select([], [], [], 0.02)
        raise self.failed(f"{path} is answered with {line!r} after {START_SECONDS} seconds")

    def failed(self, reason: str) -> ServerError:
        tails = []
        for log in [*self.logs, *sorted((self.dir or HERE).glob("**/*.log"))]:
            if log.exists() and log.stat().st_size > 0:
                lines = log.read_text(errors="replace").splitlines()[-15:]
                tail = f"--- {log.name}\n" + "\n".join(lines)
                if tail not in tails:
                    tails.append(tail)
        return ServerError("\n".join([f"{self.dialect}: {reason}", *tails]))

    def config(self, template: str, name: str, **values) -> Path:
        """A configuration file made from conf/<template>."""
        assert self.dir is not None
        text = (HERE / "conf" / template).read_text()
        path = self.dir / name
        path.write_text(string.Template(text).substitute(dir=self.dir, **values))
        return path
