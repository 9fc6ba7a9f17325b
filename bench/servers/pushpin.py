"""pushpin with its backend, as Debian packages it."""

from __future__ import annotations

from .base import Server, ServerError, Unfit, descendants, free_ports, package_version
from .node import NODE, node_version

# Unix sockets have short paths; the longest name that it adds.
LONGEST_SOCKET = 107 - len("/pp-condure-out-stream-10")

class Pushpin(Server):
    publish_path = "/publish/"
    config_note = (
        "Debian's configuration, but no limit on deliveries (message_rate, message_hwm) and "
        "128 KB client_buffer_size, as it drops otherwise; a Node backend holds the clients by "
        "GRIP; comments every 30 s on SSE, no pings; one connection for each publication"
    )
    route_options = ""
    # It queues 100 requests to the backend and answers 502 to more: both limits are
    # fixed in its source, as are those that fit() keeps.
    connect_burst = 32
    # What is more than this ahead of a WebSocket is dropped: room for 16 messages of
    # 4 KB. (Debian's value is 8192.)
    buffer = 131072

    @property
    def version(self) -> str:
        return (
            f"pushpin {package_version('pushpin')}, condure {package_version('condure')}, "
            f"Node {node_version()}"
        )

    def fit(self, command: str, clients: int, values: dict) -> dict:
        # Its queue for a stream holds 100 messages, that between its processes 101 000
        # packets (about one for each delivery); it drops what is over. A window empties
        # while it is filled, so twice that was seen to pass.
        most = max(1, min(100, 200000 // max(clients, 1)))
        if command in ("fanout", "target") and values.get("window", 1) > most:
            raise Unfit(f"it drops messages if more than {most} are under way to {clients} clients")
        if command == "ingest":
            most = max(1, min(100, 60000 // max(clients, 1)))
            return {**values, "outstanding": most, "batch": min(values.get("batch", 100), most)}
        return values

    def needs(self) -> list[str]:
        return ["pushpin", "condure", "zurl", "node"]

    def launch(self) -> None:
        assert self.dir is not None
        backend = self.run(["node", NODE / "pushpin-backend.mjs"], ready=True)
        backend_port = self.ready_line(backend)[0]
        port, publish_port = free_ports(2)
        routes = f"* 127.0.0.1:{backend_port}{self.route_options}\n"
        (self.dir / "routes").write_text(routes)
        run = self.dir / "run"
        if len(str(run)) > LONGEST_SOCKET:
            raise ServerError(f"{run}: too long for the path of a unix socket; set TMPDIR")
        config = self.config(
            "pushpin.conf", "pushpin.conf", port=port, publish_port=publish_port, run=run,
            buffer=self.buffer,
        )
        p = self.run(["pushpin", "--config", config])
        self.await_port(p, publish_port)
        self.await_answer(p, port, self.sub_path, 200)
        self.connect = f"127.0.0.1:{port}"
        self.publish = f"127.0.0.1:{publish_port}"

    @property
    def main_pids(self) -> list[int]:
        # Without the backend, which is the application's.
        pid = self.started[1].pid
        return [pid, *descendants(pid)]


class PushpinSse(Pushpin):
    dialect = "pushpin-sse"
    sub_path = "/events"


class PushpinWs(Pushpin):
    dialect = "pushpin-ws"
    sub_path = "/ws"
    route_options = ",over_http"
