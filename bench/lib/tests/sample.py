"""Made-up results in which every part has something, for the tests of the report."""

from lib import names
from lib.parts import history, kept, memory, presence, replay, store, targeting
from lib.results import Results

RATES = {"raw": 390e3, "fanfare-sse": 368e3, "fanfare-ws": 371e3, "nchan-sse": 227e3,
         "nchan-ws": 269e3, "nats-ws": 350e3, "nats-ws, any core": 436e3,
         "centrifuge-ws": 310e3, "centrifuge-ws, any core": 410e3, "pushpin-sse": 31e3,
         "pushpin-ws": 35e3, "node-ws": 209e3, "socketio": 143e3, "better-sse": 118e3}
# What messages under way bring to each.
GAIN = {"raw": 0.9, "fanfare-sse": 0.8, "fanfare-ws": 0.82, "nats-ws": 0.4}
JITTER = (0.0, 0.03, -0.02, 0.01, -0.04)


def results() -> Results:
    made = Results()
    made.raw.update({
        "started": "2026-01-02 03:04 UTC", "mode": "full", "arguments": [], "rounds": 5,
        "seconds": 2400.0, "revision": "0123456789", "flags": "-O2 -g", "most_clients": 19500,
        "missing": {"pushpin-ws": "not there: pushpin"}, "cores": {"server": 0, "load": 1},
        "commands": {"raw": "taskset -c 1 bench-load raw --clients 1000"},
        "machine": {"cpu": "Some CPU", "virtual": True, "cores": 2, "memory": 2 ** 34,
                    "system": "Debian", "kernel": "6.1", "architecture": "x86_64",
                    "descriptors": 20000, "compiler": "cc 12", "tcp_wmem": "1 2 3",
                    "tcp_rmem": "1 2 3", "somaxconn": "4096"}})
    for name in names.ALL:
        made.raw["servers"][name] = {"version": f"{name} 1.0", "config": "as it comes"}
    for fill in (_raw, _fanout, _latency, _targeting, _ingest, _memory, _connect, _shards,
                 _instructions, _slow, _storm, _presence, _history, _store, _resume, _replay, _kept):
        made.begin(fill.__name__[1:])
        fill(made)
    return made


def _runs(made: Results, part: str, key: dict, of: dict) -> None:
    """of: {server: fields}; numbers vary a little from round to round."""
    runs = made.add_cell(part, key)
    for number, jitter in enumerate(JITTER):
        for server, fields in of.items():
            run = {k: v * (1 + jitter) if isinstance(v, float) else v for k, v in fields.items()}
            runs.append(dict(run, server=server, round=number))


def _rate(rate: float, cpu: float = 0.9) -> dict:
    return {"rate": rate, "seconds": 1.0, "server_cpu": cpu, "load_cpu": 0.8,
            "deliveries": rate, "bytes": rate * 411, "messages": 300}


def _raw(made: Results) -> None:
    for size in (64, 200, 4096):
        for window in (1, 2, 4, 8, 16):
            rate = 390e3 * window ** 0.9 / (1 + size / 20000 * window)
            _runs(made, "raw", {"clients": 1000, "size": size, "window": window},
                  {"raw": _rate(rate)})


def _fanout(made: Results) -> None:
    for clients in (100, 1000, 10000, 19500):
        for size in (64, 200, 4096):
            for window in (1, 4, 16):
                of = {s: _rate(r * window ** GAIN.get(names.base(s), 0.02) * 30 /
                               (28 + clients ** 0.35)) for s, r in RATES.items()
                      if names.kind(s) != "peer" or clients < 19500 and size == 200}
                of["raw"]["load_cpu"] = 0.99
                of["raw"]["server_cpu"] = 0.5
                _runs(made, "fanout", {"clients": clients, "size": size, "window": window}, of)


def _latency(made: Results) -> None:
    for clients in (1000, 100):
        for deliveries in (10000, 50000, 100000):
            of = {s: {"p50_us": 3e8 / r, "p99_us": 9e8 / r, "p999_us": 12e8 / r,
                      "seconds": 1.0} for s, r in RATES.items()}
            _runs(made, "latency", {"clients": clients, "rate": deliveries // clients,
                                    "deliveries": deliveries}, of)


def _targeting(made: Results) -> None:
    for to in ("users", "channels", "patterns"):
        for total in (100, 1000, 10000, 100000):
            for targets in dict.fromkeys((targeting.FEW, total)):
                clients = min(total, 10000)
                cpu = 0.9 * (1 + (targets ** 0.1 - 1) / 4)
                _runs(made, "targeting",
                      {"to": to, "clients": clients, "names": total, "targets": targets},
                      {s: _rate(1e5, cpu) for s in names.OWN})
    for idle in (0, 10000):
        _runs(made, "targeting", {"to": "one channel", "clients": 100, "idle": idle, "window": 1},
              {s: _rate(3e5) for s in names.OWN})


def _ingest(made: Results) -> None:
    for clients in (0, 1, 100):
        for mode, times in (("sequential", 0.1), ("pipelined", 0.5), ("batch", 1.5)):
            of = {s: _rate(r * times) for s, r in RATES.items()
                  if s != "raw" and (mode != "batch" or names.kind(s) == "own")}
            _runs(made, "ingest", {"clients": clients, "mode": mode}, of)


def _memory(made: Results) -> None:
    def of(servers, least: float) -> dict:
        return {s: {"user": least * 390e3 / RATES[s], "kernel": 8.4e3, "empty": 4e6}
                for s in servers}

    for what in memory.OPTIONS:
        _runs(made, "memory", {"what": what, "clients": 10000},
              of(names.OWN, 1900.0 if what == memory.TEN else 318.0))
    _runs(made, "memory", {"what": memory.SHARED, "clients": 5000}, of(names.ALL, 320.0))


def _connect(made: Results) -> None:
    for idle in (0, 1000, 5000, 9000):
        of = {s: {"connect_rate": RATES[s] / 10 - idle, "disconnect_rate": RATES[s] / 8}
              for s in ("raw",) + names.OWN}
        _runs(made, "connect", {"idle": idle}, of)


def _shards(made: Results) -> None:
    for window in (1, 16):
        of = {f"{s}, {n}": _rate(RATES[s] * window) for s in names.OWN
              for n in ("1 shard", "2 shards")}
        _runs(made, "shards", {"clients": 1000, "size": 200, "window": window}, of)


def _instructions(made: Results) -> None:
    for key in ({"clients": 1000, "window": 16, "unit": "delivered"},
                {"clients": 0, "mode": "batch", "unit": "published"}):
        _runs(made, "instructions", key,
              {s: {"instructions": 210.4, "sends": 0.5, "count": 1000} for s in names.OWN})


def _slow(made: Results) -> None:
    for policy in ("disconnect", "drop-oldest"):
        _runs(made, "slow", {"policy": policy, "clients": 5000, "percent": 5},
              {s: {"p50_us": 9e3, "p99_us": 16e3, "p999_us": 2e4, "base_p50_us": 9e3,
                   "base_p99_us": 14e3, "base_p999_us": 18e3, "rss_before": 9e6, "peak": 13e6,
                   "slow_closed": 250, "dropped": 0} for s in names.OWN})


def _storm(made: Results) -> None:
    each = {"seconds": 0.7, "max_us": 5e5, "refused": 12, "failed": 0, "calm_p99_us": 900.0,
            "others_p99_us": 2e4, "others_max_us": 9e4, "ready_worst_us": 3e4,
            "ready_refused": 0, "ready_failed": 0}
    _runs(made, "storm", {"storm": "reconnect", "clients": 15000}, {s: each for s in names.OWN})
    _runs(made, "storm", {"storm": "burst", "clients": 1000, "count": 10000},
          {s: {"publish_seconds": 0.3, "all_seconds": 6.0, "refused": 0, "closed": 0, "gaps": 0,
               "count": 10000, "clients": 1000} for s in names.OWN})
    _runs(made, "storm", {"storm": "fill", "clients": 10000},
          {s: {"seconds": 0.4} for s in names.OWN})
    _runs(made, "storm", {"storm": "heartbeats", "clients": 10000, "option": "--heartbeat=2s"},
          {s: {"heartbeats": 11000, "p50_us": 500.0, "p99_us": 900.0, "p999_us": 1500.0}
           for s in names.OWN})


def _presence(made: Results) -> None:
    labels = [presence.label(s, which) for s in names.OWN for which in presence.CHANNEL]
    for window in presence.WINDOWS:
        _runs(made, "presence", {"clients": 10000, "window": window},
              {s: _rate(3e5) for s in labels})
    _runs(made, "presence", {"memory": 10000},
          {f"{s} {users}": {"user": 500.0 + 300 * ("presence" in s), "kernel": 8e3}
           for s in labels for users in (presence.ALONE, presence.WITH_USERS)})
    _runs(made, "presence", {"joins": 10000},
          {s: {"connect_seconds": 1.2, "sent": 3e6 + 1e6 * ("presence" in s), "events": 4,
               "untold": 0, "server_cpu": 0.8, "clients": 10000} for s in labels})


def _history(made: Results) -> None:
    def of(rate: float) -> dict:
        return {history.label(s, which): _rate(rate * (0.97 if which == history.ON else 1))
                for s in names.OWN for which in history.EXTRA}

    for clients in (0, 1):
        for mode in history.MODES:
            _runs(made, "history", {"clients": clients, "mode": mode}, of(3e4))
    for clients in history.FANOUT:
        for window in history.WINDOWS:
            _runs(made, "history", {"clients": clients, "window": window}, of(4e5))
    for what in history.COUNTED:
        _runs(made, "history", {"counted": what},
              {history.label(s, which): {"instructions": 103.0 if which == history.ON else 100.0}
               for s in names.OWN for which in history.EXTRA})


def _store(made: Results) -> None:
    made.add_cell("store", {"what": store.DISK}).append(
        {"server": store.DISK, "round": 0, "sync_p50_us": 1040.0, "sync_p99_us": 7e3,
         "filesystem": "ext4"})
    for how in store.HOW:
        of = {store.label(mode): dict(_rate(3e4 / (number + 1)), written_rate=9e3,
                                      answer_p50_us=30.0 * number + 30,
                                      answer_p99_us=90.0 * number + 90)
              for number, mode in enumerate(store.MODES)}
        _runs(made, "store", how, of)


def _resume(made: Results) -> None:
    _runs(made, "resume", {"clients": 10000, "missed": 100, "size": 200},
          {s: dict(_rate(9e5), seconds=1.1, connect_rate=9e3, refused=3, p50_us=4e5)
           for s in names.OWN})


def _replay(made: Results) -> None:
    for what in replay.WHAT:
        _runs(made, "replay", {"what": what, "kept": replay.KEPT, "size": 200},
              {s: dict(_rate(1.2e6), byte_rate=4.6e8, calm_p99_us=110.0, other_p99_us=900.0,
                       other_max_us=5e3) for s in names.OWN})


def _kept(made: Results) -> None:
    for channels in kept.CHANNELS:
        _runs(made, "kept", {"channels": channels, "kept": replay.KEPT, "size": 200},
              {s: {"each": 840.0, "wire": 376 if s.endswith("sse") else 353}
               for s in names.OWN})
