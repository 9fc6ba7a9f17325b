"""nats-server with WebSocket clients, as Debian packages it."""

from __future__ import annotations

from .base import Server, free_ports, package_version


class NatsWs(Server):
    dialect = "nats-ws"
    sub_path = "/"
    config_note = (
        "defaults and no_tls WebSocket, no compression, not verbose (the default of NATS "
        "clients); subscribers by WebSocket, publisher by TCP with a PING after each write; "
        "pings every 30 s"
    )

    @property
    def version(self) -> str:
        return f"nats-server {package_version('nats-server')}"

    def needs(self) -> list[str]:
        return ["nats-server"]

    def launch(self) -> None:
        port, ws_port = free_ports(2)
        config = self.config("nats.conf", "nats.conf", port=port, ws_port=ws_port)
        p = self.run(["nats-server", "-c", config])
        self.await_port(p, port)
        self.await_port(p, ws_port)
        self.connect = f"127.0.0.1:{ws_port}"
        self.publish = f"127.0.0.1:{port}"
