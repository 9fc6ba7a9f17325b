"""nchan in nginx, as Debian packages them."""

from __future__ import annotations

import resource

from .base import Server, Unfit, free_ports, package_version

FILES_KEPT = 200


class Nchan(Server):
    subscriber = ""
    sub_path = "/sub"
    publish_path = "/pub"
    config_note = (
        "1 worker, memory storage (the fast one, says its README), logs off, "
        "50 messages buffered for 5 minutes as in the README's publisher example"
    )

    @property
    def version(self) -> str:
        nchan = package_version("libnginx-mod-nchan").removesuffix("+dfsg")
        return f"nchan {nchan}, nginx {package_version('nginx')}"

    def fit(self, command: str, clients: int, values: dict) -> dict:
        # The numbers of the messages of one second have 15 bits; with many subscribers
        # it is never that fast.
        if command == "ingest" and values.get("mode") == "pipelined" and 0 < clients < 20:
            raise Unfit("its subscribers get nothing more when a channel has over 32768 messages "
                        "in one second")
        return values

    def needs(self) -> list[str]:
        return ["/usr/sbin/nginx", "/usr/lib/nginx/modules/ngx_nchan_module.so"]

    def launch(self) -> None:
        (port,) = free_ports(1)
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        config = self.config(
            "nginx.conf", "nginx.conf", port=port, files=files, connections=files - FILES_KEPT,
            subscriber=self.subscriber, buffer_length=50, message_timeout="5m",
        )
        p = self.run(["/usr/sbin/nginx", "-c", config, "-p", self.dir, "-e", "stderr"])
        # The master listens before there is a worker; an answer comes from a worker.
        self.await_answer(p, port, "/", 204)
        self.connect = self.publish = f"127.0.0.1:{port}"

    @property
    def main_pids(self) -> list[int]:
        # The master only waits.
        return self.pids()[1:]


class NchanSse(Nchan):
    dialect = "nchan-sse"
    subscriber = "eventsource"


class NchanWs(Nchan):
    dialect = "nchan-ws"
    subscriber = "websocket"
