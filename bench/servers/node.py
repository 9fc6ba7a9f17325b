"""Servers in Node: ws, socket.io and better-sse from npm."""

from __future__ import annotations

import json
import subprocess

from .base import HERE, Server

NODE = HERE / "node"


def npm_version(package: str) -> str:
    """The installed version of a package."""
    try:
        return json.loads((NODE / "node_modules" / package / "package.json").read_text())["version"]
    except OSError:
        return "?"


def node_version() -> str:
    return subprocess.run(
        ["node", "--version"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False,
    ).stdout.strip().lstrip("v")


class Node(Server):
    package = ""
    script = ""
    publish_path = "/publish"

    @property
    def version(self) -> str:
        return f"{self.package} {npm_version(self.package)}, Node {node_version()}"

    def needs(self) -> list[str]:
        return ["node", str(NODE / "node_modules" / self.package)]

    def launch(self) -> None:
        p = self.run(["node", NODE / self.script], env={"NODE_ENV": "production"}, ready=True)
        self.connect = self.publish = f"127.0.0.1:{self.ready_line(p)[0]}"


class NodeWs(Node):
    dialect = "node-ws"
    package = "ws"
    script = "ws.mjs"
    sub_path = "/"
    config_note = (
        "the broadcast loop of its README, bufferutil installed as it advises, no compression; "
        "pings every 30 s as in its README"
    )


class SocketIo(Node):
    dialect = "socketio"
    package = "socket.io"
    script = "socketio.mjs"
    sub_path = "/socket.io/"
    config_note = (
        "io.emit, transport websocket only, bufferutil and no kept requests as its pages on "
        "performance tuning and memory usage advise; pings every 25 s (its default)"
    )


class BetterSse(Node):
    dialect = "better-sse"
    package = "better-sse"
    script = "better-sse.mjs"
    sub_path = "/events"
    config_note = "channel.broadcast as in its guide to channels; comments every 30 s"

    def missing(self) -> str | None:
        reason = super().missing()
        if reason is None and int(node_version().split(".")[0]) < 20:
            reason = f"it needs Node 20 or newer, this is {node_version()}; install that"
        return reason
