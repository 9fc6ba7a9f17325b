"""The servers that the benchmark compares, each startable by the same calls:

    with SERVERS["nchan-sse"](build_dir=..., work_dir=..., core=0) as s:
        ... s.dialect, s.connect, s.publish, s.pids() ...
"""

from __future__ import annotations

from .base import Server, ServerError, Unfit
from .centrifuge import CentrifugeWs
from .nats import NatsWs
from .nchan import NchanSse, NchanWs
from .node import BetterSse, NodeWs, SocketIo
from .own import FanfareSse, FanfareWs, Raw
from .pushpin import PushpinSse, PushpinWs

SERVERS: dict[str, type[Server]] = {
    cls.dialect: cls
    for cls in (
        Raw, FanfareSse, FanfareWs, NchanSse, NchanWs, NatsWs, CentrifugeWs, PushpinSse,
        PushpinWs, NodeWs, SocketIo, BetterSse,
    )
}

__all__ = ["SERVERS", "Server", "ServerError", "Unfit"]
