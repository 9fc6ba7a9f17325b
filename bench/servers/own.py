"""The project's own servers: the gateway and the raw limit."""

from __future__ import annotations

import re
import subprocess

from .base import Server, ServerError


class Raw(Server):
    dialect = "raw"
    config_note = "plain TCP sockets, one thread, one send to each for all that waits"
    peer = False

    @property
    def version(self) -> str:
        return "the kernel's limit"

    def needs(self) -> list[str]:
        return [str(self.build_dir / "bench-raw")]

    def launch(self) -> None:
        p = self.run([self.build_dir / "bench-raw", *self.extra], ready=True)
        ports = self.ready_line(p)
        if len(ports) < 2:
            raise self.failed(f"READY without two ports: {ports}")
        self.connect = f"127.0.0.1:{ports[0]}"
        self.publish = f"127.0.0.1:{ports[1]}"


class Fanfare(Server):
    """The daemon; shards=1 unless `extra` says otherwise."""

    config_note = "defaults, --shards 1"
    publish_path = "/broadcast"
    peer = False

    @property
    def program(self):
        return self.build_dir / "fanfare"

    @property
    def version(self) -> str:
        return subprocess.run(
            [self.program, "--version"], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=20, check=False,
        ).stdout.strip()

    def needs(self) -> list[str]:
        return [str(self.program)]

    def launch(self) -> None:
        args = ["--listen", "127.0.0.1:0", "--log-level", "warn"]
        # How long it takes to leave is not what is measured.
        for name, value in (("--shards", "1"), ("--drain", "1s")):
            if not any(e == name or e.startswith(name + "=") for e in self.extra):
                args += [name, value]
        p = self.run([self.program, *args, *self.extra], ready=True)
        line = self.first_line(p)
        found = re.fullmatch(r"fanfare ready on http://(127\.0\.0\.1:\d+)", line)
        if found is None:
            raise ServerError(f"{self.dialect}: unexpected first line: {line!r}")
        self.connect = self.publish = found[1]


class FanfareSse(Fanfare):
    dialect = "fanfare-sse"
    sub_path = "/events"


class FanfareWs(Fanfare):
    dialect = "fanfare-ws"
    sub_path = "/ws"
