"""What Fanfare is meant to reach, and whether it did."""

from dataclasses import dataclass

from lib import names, stats, text
from lib.parts import fanout, history, memory, presence, targeting
from lib.report.delays import queue_bound
from lib.report import keeping
from lib.report.tools import OWN, RAW, SSE, best_peer, cpu_each
from lib.results import Cell, Results

FACTORS = (("centrifuge-ws", 2.0), ("nats-ws", 2.0), ("nchan-sse", 3.5), ("nchan-ws", 3.5),
           ("node-ws", 4.5), ("socketio", 7.0))


@dataclass(frozen=True)
class Target:
    what: str
    wanted: str
    measured: str
    # How far beyond the target, as a share of it; negative: missed.
    margin: float

    @property
    def reached(self) -> bool:
        return self.margin >= 0

    @property
    def verdict(self) -> str:
        if self.reached:
            return "reached"
        return f"**missed** by {-self.margin * 100:.{0 if self.margin < -0.095 else 1}f} %"


def at_least(what: str, wanted: float, found: float, say=lambda v: f"{v:.2f}") -> Target:
    return Target(what, "≥ " + say(wanted), say(found), found / wanted - 1)


def at_most(what: str, wanted: float, found: float, say=lambda v: f"{v:.2f}") -> Target:
    return Target(what, "≤ " + say(wanted), say(found), 1 - found / wanted)


def times(value: float) -> str:
    return f"{value:.1f}×"


def all_of(results: Results) -> list[Target]:
    found = []
    for section in (_memory, _raw_ratios, _factors, _latency, _flat, _connect, _ingest, _slow,
                    _storm, _presence, _history):
        found += section(results)
    return found


def _memory(results: Results) -> list[Target]:
    part = results.part("memory")
    cells = part.where(what=memory.SHARED) if part else []
    cells = [c for c in cells if any(s in OWN for s in c.servers())]
    if not cells:
        return []
    cell = max(cells, key=lambda c: c.key["clients"])
    rows = []
    for own in OWN:
        used = cell.median(own, "user")
        if used is not None:
            clients = text.whole(cell.key["clients"])
            rows.append(at_most(f"user memory of an idle client, {names.title(own)}, {clients} "
                                "clients of one channel (aim: 400 B)", 600, used, text.size))
    return rows


def _raw_ratios(results: Results) -> list[Target]:
    part = results.part("fanout")
    rows = []
    for words, windows, wanted in (("strict", (1,), 0.90), ("coalesced", (4, 16), 0.85)):
        for own in OWN:
            for clients in part.keys("clients") if part else []:
                for window in windows:
                    cell = part.cell(clients=clients, size=fanout.SIZE, window=window)
                    found = cell.ratio(own, RAW) if cell else None
                    if found:
                        under = "" if window == 1 else f", {window} under way"
                        rows.append(at_least(
                            f"{words} fan-out to raw, {names.title(own)}, "
                            f"{text.whole(clients)} clients{under}", wanted, found.median))
    return rows


def _factors(results: Results) -> list[Target]:
    """The least of what was measured with messages under way: where there is nothing to
    send together, the raw limit itself is not that far ahead."""
    part = results.part("fanout")
    rows = []
    for peer, wanted in FACTORS if part else ():
        for label in (peer, names.FREE_LABEL.format(peer)):
            found = []
            for cell in part.where(size=fanout.SIZE):
                ratio = cell.ratio(names.counterpart(peer), label)
                if ratio and cell.key["window"] > 1:
                    found.append((ratio.median, cell.key))
            if found:
                least, key = min(found, key=lambda f: f[0])
                what = (f"fan-out over {names.title(label)}, messages under way; least at "
                        f"{text.whole(key['clients'])} clients, {key['window']} under way")
                rows.append(at_least(what, wanted, least, times))
    return rows


def _latency(results: Results) -> list[Target]:
    part = results.part("latency")
    rows = []
    for cell in part.where(deliveries=50000) if part else []:
        best = best_peer(cell, "p99_us", least=True)
        if not best:
            continue
        for own in OWN:
            found = cell.ratio(own, best[0], "p99_us")
            if found:
                own_p99 = text.microseconds(cell.median(own, "p99_us"))
                rows.append(Target(
                    f"p99 at 50,000 deliveries/s, {text.whole(cell.key['clients'])} clients, "
                    f"{names.title(own)} against the best peer ({names.title(best[0])}, "
                    f"{text.microseconds(best[1])})", "≤ 1.00", f"{found.median:.2f} ({own_p99})",
                    1 - found.median))
    return rows


def _flat(results: Results) -> list[Target]:
    """The cost for each delivery to the same few, among the least and the most others."""
    part = results.part("targeting")
    rows = []
    for to in ("users", "channels", "patterns") if part else ():
        cells = [c for c in part.where(to=to, targets=targeting.FEW) if c.runs]
        if len(cells) < 2:
            continue
        first = min(cells, key=lambda c: c.key["names"])
        last = max(cells, key=lambda c: c.key["names"])
        for own in OWN:
            rows += _growth(first, last, own, f"CPU for a delivery to single {to}, "
                            f"{names.title(own)}, {text.whole(last.key['names'])} of them over "
                            f"{text.whole(first.key['names'])}")
    return rows


def _growth(first: Cell, last: Cell, own: str, what: str) -> list[Target]:
    before, after = first.median(own, cpu_each), last.median(own, cpu_each)
    return [at_most(what, 1.2, after / before)] if before and after else []


def _connect(results: Results) -> list[Target]:
    part = results.part("connect")
    cells = [c for c in part.cells if c.runs] if part else []
    if len(cells) < 2:
        return []
    rows = []
    for own in OWN:
        before, after = (c.median(own, "connect_rate") for c in (cells[0], cells[-1]))
        if before and after:
            rows.append(at_least(f"connects a second, {names.title(own)}, beside "
                                 f"{text.whole(cells[-1].key['idle'])} idle clients over none",
                                 0.9, after / before))
    return rows


def _ingest(results: Results) -> list[Target]:
    part = results.part("ingest")
    rows = []
    cell = part.cell(clients=0, mode="sequential") if part else None
    best = best_peer(cell, "rate", least=False) if cell else None
    found = cell.ratio(SSE, best[0]) if best else None
    if found:
        rows.append(at_least(f"sequential publications over the best peer "
                             f"({names.title(best[0])}, {text.count(best[1])}/s)", 1.5,
                             found.median, times))
    batch = part.cell(clients=0, mode="batch") if part else None
    rate = batch.median(SSE, "rate") if batch else None
    if rate:
        rows.append(at_least("publications a second in batches", 150000, rate, text.count))
    return rows


def _slow(results: Results) -> list[Target]:
    part = results.part("slow")
    rows = []
    for cell in part.cells if part else []:
        for own in cell.servers():
            where = f"{cell.key['policy']}, {names.title(own)}"
            found = stats.ratio(cell.values(own, "p99_us"), cell.values(own, "base_p99_us"))
            if found:
                rows.append(at_most(f"the others' p99 beside 5 % that do not read ({where})",
                                    1.5, found.median))
            grown = stats.summary(cell.values(own, lambda r: r["peak"] - r["rss_before"])
                                  .values())
            if grown:
                rows.append(at_most(f"growth of memory by them ({where})", queue_bound(cell),
                                    max(0.0, grown.high), text.size))
    return rows


def _storm(results: Results) -> list[Target]:
    part = results.part("storm")
    rows = []
    for cell in part.where(storm="reconnect") if part else []:
        for own in cell.servers():
            failed = sum(cell.values(own, "failed").values())
            rows.append(Target(f"refused without a reason of {text.whole(cell.key['clients'])} "
                               f"that reconnect, {names.title(own)}", "0", text.whole(failed),
                               -float(failed)))
    return rows


def _presence(results: Results) -> list[Target]:
    part = results.part("presence")
    rows = []
    for cell in part.cells if part else []:
        for own in OWN if "window" in cell.key else ():
            found = cell.ratio(presence.label(own, presence.PRESENT),
                               presence.label(own, presence.PLAIN))
            if found:
                rows.append(at_least(
                    f"fan-out to {text.whole(cell.key['clients'])} members of a channel with "
                    f"presence over one without, {names.title(own)}, "
                    f"{cell.key['window']} under way", 0.9, found.median))
    return rows


def _history(results: Results) -> list[Target]:
    part = results.part("history")
    rows = []
    for cell in part.cells if part else []:
        for own in OWN if "window" in cell.key else ():
            found = cell.ratio(history.label(own, history.ON), history.label(own, history.OFF))
            if found:
                clients = cell.key["clients"]
                rows.append(at_least(
                    f"live {keeping.what(cell.key)}, with history over without, "
                    f"{names.title(own)}, {text.whole(clients)} client" + "s" * (clients != 1),
                    0.95, found.median))
    return rows


def table(results: Results) -> str:
    found = all_of(results)
    if not found:
        return "None of what was measured has a target.\n"
    rows = [[t.what, t.wanted, t.measured, t.verdict] for t in found]
    reached = sum(t.reached for t in found)
    return (f"{reached} of {len(found)} are reached.\n\n"
            + text.table(["target", "wanted", "measured", ""], rows))
