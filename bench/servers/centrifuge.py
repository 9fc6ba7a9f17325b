"""A server from the centrifuge library for Go, as Debian packages it."""

from __future__ import annotations

import subprocess

from .base import BUILT, Server, package_version


class CentrifugeWs(Server):
    dialect = "centrifuge-ws"
    sub_path = "/connection/websocket"
    publish_path = "/publish"
    config_note = (
        "in memory, no history, JSON; buffers (1 KB to read, pooled to write) as in the "
        "library's chat_json example, the rest as in its ws_benchmarks example; pings every 25 s"
    )

    @property
    def version(self) -> str:
        library = package_version("golang-github-centrifugal-centrifuge-dev").split("+")[0]
        go = subprocess.run(
            ["go", "version", BUILT / "centrifuge"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
        ).stdout
        return f"centrifuge {library}, Go {go.rpartition('go')[2].strip()}"

    def needs(self) -> list[str]:
        return [str(BUILT / "centrifuge")]

    def launch(self) -> None:
        p = self.run([BUILT / "centrifuge"], ready=True)
        self.connect = self.publish = f"127.0.0.1:{self.ready_line(p)[0]}"
