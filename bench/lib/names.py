"""The servers, and how the report calls them."""

OWN = ("fanfare-sse", "fanfare-ws")
PEERS = ("nchan-sse", "nchan-ws", "nats-ws", "centrifuge-ws", "pushpin-sse", "pushpin-ws",
         "node-ws", "socketio", "better-sse")
ALL = ("raw",) + OWN + PEERS

# These use more than one core if they may: measured a second time without a fixed core.
FREE = ("nats-ws", "centrifuge-ws")
FREE_LABEL = "{}, any core"

_TITLES = {
    "raw": "raw limit",
    "fanfare-sse": "Fanfare SSE",
    "fanfare-ws": "Fanfare WebSocket",
    "nchan-sse": "nchan SSE",
    "nchan-ws": "nchan WebSocket",
    "nats-ws": "nats-server WebSocket",
    "centrifuge-ws": "centrifuge WebSocket",
    "pushpin-sse": "pushpin SSE",
    "pushpin-ws": "pushpin WebSocket",
    "node-ws": "ws (npm)",
    "socketio": "socket.io",
    "better-sse": "better-sse",
}


def title(label: str) -> str:
    """'nats-ws, any core' -> 'nats-server WebSocket, any core'."""
    name, comma, rest = label.partition(",")
    return _TITLES.get(name, name) + comma + rest


def base(label: str) -> str:
    return label.partition(",")[0]


def kind(label: str) -> str:
    """How it is drawn: raw, own or peer."""
    name = base(label)
    return "raw" if name == "raw" else "own" if name in OWN else "peer"


def counterpart(label: str) -> str:
    """Fanfare with the same transport."""
    return "fanfare-sse" if base(label).endswith("-sse") else "fanfare-ws"
