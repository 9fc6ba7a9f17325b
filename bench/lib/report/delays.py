"""Sections about time: latency, clients that stop reading, storms."""

from lib import names, stats, text
from lib.parts import latency as plan, slow as slow_plan
from lib.report.tools import (Page, condition, microseconds, point, present, ratio_word, row)
from lib.results import Cell, Part
from lib.svg import Row, dots

PERCENTILES = (("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p99.9"))


def latency(page: Page, part: Part) -> str:
    out = ["Messages are due at fixed moments; the latency of each delivery counts from the "
           "moment when its message was *due*, not from when it could be sent. A server that "
           "falls behind is charged for the wait (no coordinated omission). Each figure is the "
           "median over the runs of that percentile. The clients of one message are served one "
           "after the other, so most of p99 is the time that a whole fan-out takes; the "
           "publisher's request is part of every figure.\n"]
    for clients in part.keys("clients"):
        cells = part.where(clients=clients)
        out.append(f"### {condition(clients, plan.SIZE)}\n")
        head = ["latency"]
        for cell in cells:
            head += [f"{text.count(cell.key['deliveries'])}/s: {name}" for _, name in PERCENTILES]
        rows = [[names.title(s)] + [microseconds(cell, s, f) for cell in cells
                                    for f, _ in PERCENTILES] for s in present(cells)]
        out.append(text.table(head, rows))
        middle = part.cell(clients=clients, deliveries=50000) or cells[0]
        if middle.runs:
            out.append(_plot(page, middle, clients))
    return "\n".join(out)


def _plot(page: Page, cell: Cell, clients: int) -> str:
    rows = [row(s, [point(cell, s, f) for f, _ in PERCENTILES]) for s in present([cell])]
    rate = text.whole(cell.key["deliveries"])
    return page.plot(f"latency-{clients}", dots(
        f"Latency at {rate} deliveries a second",
        f"{condition(clients, plan.SIZE)}; medians of the runs, thin lines: all runs; "
        "logarithmic scale", "latency from when the message was due", rows,
        [name for _, name in PERCENTILES], text.microseconds),
        f"Latency of all servers at {rate} deliveries a second")


def slow(page: Page, part: Part) -> str:
    out = [f"{text.whole(slow_plan.CLIENTS)} clients get {slow_plan.RATE} messages of "
           f"{text.whole(slow_plan.SIZE)} B a second; then {slow_plan.PERCENT} % of them stop "
           "reading, and the same is measured for the others. Their queues are "
           f"`--client-queue-bytes {slow_plan.QUEUE}`, `--send-buffer {slow_plan.SEND_BUFFER}`, "
           "so that the policy applies within the run. The ratio is taken in each round. "
           "*Memory* is the growth of the most that was resident, since before they stopped; its "
           "bound is what the queues of the stalled may hold together. When they read again, the "
           "generator checks that what they still get is in order, and that every message they "
           "lack lies in a gap of which they were told.\n"]
    rows = []
    for cell in part.cells:
        for server in present([cell]):
            rows.append(_slow_row(cell, server))
    head = ["policy", "server", "p99 before", "p99 beside stalled", "ratio", "p99.9 before",
            "beside", "closed", "messages dropped or replaced", "memory", "its bound"]
    out.append(text.table(head, rows, left=2))
    drawn = [Row(f"{cell.key['policy']}, {names.title(s)}", "own",
                 [point(cell, s, "base_p99_us"), point(cell, s, "p99_us")])
             for cell in part.cells for s in present([cell])]
    if drawn:
        out.append(page.plot("slow", dots(
            "The others' p99 when 5 % stop reading",
            f"{text.whole(slow_plan.CLIENTS)} clients, {slow_plan.RATE} messages a second of "
            f"{slow_plan.SIZE} B; logarithmic scale", "p99 of those who read", drawn,
            ["all read", "5 % do not"], text.microseconds),
            "p99 of the others, without and with stalled clients"))
    return "\n".join(out)


def _slow_row(cell: Cell, server: str) -> list[str]:
    def middle(field) -> str:
        found = cell.median(server, field)
        return text.whole(found) if found is not None else text.DASH

    ratio = stats.ratio(cell.values(server, "p99_us"), cell.values(server, "base_p99_us"))
    grown = cell.median(server, lambda r: max(0, r["peak"] - r["rss_before"]))
    return [cell.key["policy"], names.title(server), microseconds(cell, server, "base_p99_us"),
            microseconds(cell, server, "p99_us"), ratio_word(ratio),
            microseconds(cell, server, "base_p999_us"), microseconds(cell, server, "p999_us"),
            middle("slow_closed"), middle("dropped"),
            text.size(grown) if grown is not None else text.DASH, text.size(queue_bound(cell))]


def queue_bound(cell: Cell) -> float:
    """What the queues of the stalled clients may hold together."""
    return cell.key["clients"] * cell.key["percent"] / 100 * slow_plan.QUEUE


def storm(page: Page, part: Part) -> str:
    out = []
    for name, section in (("reconnect", _reconnect), ("burst", _burst), ("fill", _fill),
                          ("heartbeats", _heartbeats)):
        cells = [c for c in part.where(storm=name) if c.runs]
        if cells:
            out.append(section(cells))
    return "\n".join(out)


def _seconds(cell: Cell, server: str, field: str) -> str:
    found = cell.median(server, field)
    return text.microseconds(found * 1e6) if found is not None else text.DASH


def _number(cell: Cell, server: str, field: str) -> str:
    """The sum over the runs: of what should not happen none is to be hidden by a median."""
    return text.whole(sum(cell.values(server, field).values()))


def _reconnect(cells: list[Cell]) -> str:
    rows = []
    for cell in cells:
        for s in present([cell]):
            rows.append([names.title(s), _seconds(cell, s, "seconds"),
                         microseconds(cell, s, "max_us"), _number(cell, s, "refused"),
                         _number(cell, s, "failed"),
                         microseconds(cell, s, "calm_p99_us"),
                         microseconds(cell, s, "others_p99_us"),
                         microseconds(cell, s, "others_max_us"),
                         microseconds(cell, s, "ready_worst_us"),
                         _number(cell, s, "ready_refused"), _number(cell, s, "ready_failed")])
    clients = text.whole(cells[0].key["clients"])
    return (f"### {clients} clients lose their connection at once\n\n"
            "They are reset and connect again at once. *Refused* were told why and when to come "
            "back (they did), *failed* were not told: that must be 0; both are sums of all runs. "
            "Meanwhile 100 other clients get 100 messages a second, from the same daemon but by "
            "a second generator, which shares its core with that of the storm: a part of what "
            "they wait is the generator's. `/ready` is asked all the time, on new "
            "connections.\n\n"
            + text.table(["server", "until all stand", "longest connect", "refused", "failed",
                          "others' p99 in calm", "in the storm", "their longest",
                          "longest `/ready`", "not ready", "no answer"], rows))


def _burst(cells: list[Cell]) -> str:
    rows = []
    for cell in cells:
        for s in present([cell]):
            all_rate = cell.median(s, lambda r: (r["count"] - r["refused"]) * r["clients"]
                                   / r["all_seconds"])
            rows.append([names.title(s), _seconds(cell, s, "publish_seconds"),
                         _seconds(cell, s, "all_seconds"), text.count(all_rate),
                         _number(cell, s, "refused"), _number(cell, s, "closed"),
                         _number(cell, s, "gaps")])
    key = cells[0].key
    return (f"### {text.whole(key['count'])} publications as fast as they are taken\n\n"
            f"To {text.whole(key['clients'])} clients, on one connection, without waiting for "
            "deliveries. *Refused* were answered 503 `overloaded`; *closed* are clients that the "
            "policy for slow ones ended; both are sums of all runs.\n\n"
            + text.table(["server", "all answered", "all delivered", "deliveries a second",
                          "refused", "closed", "gaps"], rows))


def _fill(cells: list[Cell]) -> str:
    rows = []
    for cell in cells:
        for s in present([cell]):
            each = cell.median(s, lambda r: cell.key["clients"] / r["seconds"])
            rows.append([names.title(s), _seconds(cell, s, "seconds"), text.count(each)])
    return (f"### A channel that goes from none to {text.whole(cells[0].key['clients'])} "
            "subscribers\n\nA daemon that was just started; until the last one is subscribed.\n\n"
            + text.table(["server", "time", "subscriptions a second"], rows))


def _heartbeats(cells: list[Cell]) -> str:
    rows = []
    for cell in cells:
        for s in present([cell]):
            rows.append([f"{names.title(s)}, `{cell.key['option']}`",
                         text.whole(cell.median(s, "heartbeats")),
                         microseconds(cell, s, "p50_us"), microseconds(cell, s, "p99_us"),
                         microseconds(cell, s, "p999_us")])
    return (f"### Heartbeats of {text.whole(cells[0].key['clients'])} clients that came together"
            "\n\nThey are idle and all came at the same moment; 100 others get 100 messages a "
            "second, whose latency is measured over two seconds.\n\n"
            + text.table(["server", "heartbeats in a run", "p50", "p99", "p99.9"], rows))
