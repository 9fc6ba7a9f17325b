"""Sections about throughput: the raw limit, fan-out, shards."""

from lib import names, text
from lib.parts import fanout as plan
from lib.report.tools import (SSE, WS, Page, condition, cpu_each, drawn, peers_in, point, present,
                              ratio_word, row)
from lib.results import Part
from lib.svg import Series, bars, dots, lines


def raw(page: Page, part: Part) -> str:
    out = ["One thread writes bytes that are ready to N plain sockets: no parsing, no queue, "
           "nothing to decide. With *k* messages under way it sends up to *k* of them at once. "
           "This is what the kernel and the reader allow; everything else is measured against "
           "it.\n"]
    for clients in part.keys("clients"):
        cells = part.where(clients=clients)
        sizes = list(dict.fromkeys(c.key["size"] for c in cells))
        windows = list(dict.fromkeys(c.key["window"] for c in cells))
        rows = [[str(window)] + [page.rate(part.cell(clients=clients, size=size, window=window),
                                           "raw") for size in sizes] for window in windows]
        out.append(text.table(["messages a send"] + [f"{s} B" for s in sizes], rows))
        series = []
        for kind, size in zip("abcd", sizes):
            one = Series(f"{text.whole(size)} B", kind)
            for window in windows:
                p = point(part.cell(clients=clients, size=size, window=window), "raw", "rate",
                          window)
                if p:
                    one.points.append(p)
            series.append(one)
        if any(s.points for s in series):
            out.append(page.plot(f"raw-{clients}", lines(
                "The raw limit", f"{condition(clients)}, one thread, medians; the thin lines are "
                "the range of the runs", "messages in one send", "deliveries a second", series,
                lambda v: f"{v:g}", text.count, x_log=2, y_log=True),
                "Deliveries a second of the raw limit against messages in one send"))
    return "\n".join(out)


def fanout(page: Page, part: Part) -> str:
    out = ["One channel; every message goes to all clients. *Strict* means that one message is "
           "under way: the next is published when every client has the last, so there is nothing "
           "to send together. With 4 and 16 under way servers may write several messages at "
           "once. *Of raw* is the ratio to the raw limit at the same window and size, taken in "
           "each round; in brackets the least and the greatest of the rounds.\n"]
    for clients in part.keys("clients"):
        if part.where(clients=clients, size=plan.SIZE):
            out += [f"### {condition(clients, plan.SIZE)}\n",
                    _by_window(page, part, clients, plan.SIZE)]
    out.append(_factors(part))
    out.append(_sizes(page, part))
    out.append(_cpu(part))
    out += _plots(page, part)
    return "\n".join(x for x in out if x)


def _windows(part: Part, clients: int, size: int) -> list[int]:
    return sorted({c.key["window"] for c in part.where(clients=clients, size=size)})


def _window(window: int) -> str:
    return "strict" if window == 1 else f"{window} under way"


def _by_window(page: Page, part: Part, clients: int, size: int) -> str:
    windows = _windows(part, clients, size)
    head = ["deliveries a second"]
    for window in windows:
        head += [_window(window), "of raw"]
    rows = []
    for server in present(part.where(clients=clients, size=size)):
        line = [names.title(server)]
        for window in windows:
            cell = part.cell(clients=clients, size=size, window=window)
            line += [page.rate(cell, server), page.share(cell, server)]
        rows.append(line)
    return text.table(head, rows)


def _factors(part: Part) -> str:
    """Fanfare over each peer with the same transport."""
    conditions = [(clients, window) for clients in part.keys("clients")
                  for window in _windows(part, clients, plan.SIZE)
                  if peers_in(part.where(clients=clients, size=plan.SIZE))]
    peers = peers_in(part.where(size=plan.SIZE))
    if not peers:
        return ""
    rows = []
    for peer in peers:
        line = [names.title(peer)]
        for clients, window in conditions:
            cell = part.cell(clients=clients, size=plan.SIZE, window=window)
            found = cell.ratio(names.counterpart(peer), peer)
            line.append(f"{found.median:.1f}×" if found else text.DASH)
        rows.append(line)
    head = ["Fanfare is faster than"] + [f"{text.whole(c)}, {_window(w)}" for c, w in conditions]
    return (f"### Factors over the peers\n\nFanfare with the same transport, {plan.SIZE} B, by "
            "number of clients and messages under way:\n\n" + text.table(head, rows))


def _sizes(page: Page, part: Part) -> str:
    """Ratios to raw for the other sizes."""
    out = []
    for clients in part.keys("clients"):
        sizes = sorted({c.key["size"] for c in part.where(clients=clients)})
        if len(sizes) < 2:
            continue
        cells = [part.cell(clients=clients, size=s, window=w)
                 for s in sizes for w in _windows(part, clients, s)]
        rows = []
        for server in present(cells):
            if server != "raw":
                words = [_share_short(cell, server) for cell in cells]
                if sum(w != text.DASH for w in words) > 3:
                    rows.append([names.title(server)] + words)
        head = [condition(clients)] + [f"{c.key['size']} B, {_window(c.key['window'])}"
                                       for c in cells]
        out.append(text.table(head, rows))
    if not out:
        return ""
    return "### Ratio to raw by size\n\n" + "\n".join(out)


def _share_short(cell, server: str) -> str:
    found = cell.ratio(server, "raw")
    return f"{found.median:.2f}" if found else text.DASH


def _cpu(part: Part) -> str:
    rows = []
    clients = plan.CLIENTS if plan.CLIENTS in part.keys("clients") else part.keys("clients")[0]
    windows = _windows(part, clients, plan.SIZE)
    cells = [part.cell(clients=clients, size=plan.SIZE, window=w) for w in windows]
    for server in present(cells):
        line = [names.title(server)]
        for cell in cells:
            used = cell.median(server, cpu_each)
            line.append(f"{used:.2f} µs" if used is not None else text.DASH)
        sent = [cell.median(server, lambda r: r["bytes"] / r["deliveries"]
                            if r.get("deliveries") else None) for cell in cells]
        sent = [s for s in sent if s]
        rows.append(line + [f"{sent[0]:.0f} B" if sent else text.DASH])
    head = [condition(clients, plan.SIZE)] + [_window(w) for w in windows] + ["on the wire"]
    return ("### What a delivery costs the server\n\nCPU time of all its processes, kernel "
            "included, for one delivery, and the bytes that a client receives for it:\n\n"
            + text.table(head, rows))


def _plots(page: Page, part: Part) -> list[str]:
    out = []
    clients = plan.CLIENTS if plan.CLIENTS in part.keys("clients") else part.keys("clients")[0]
    strict = part.cell(clients=clients, size=plan.SIZE, window=1)
    where = condition(clients, plan.SIZE)
    if strict and strict.runs:
        rows = [row(s, [point(strict, s, "rate")], _bar_words(strict, s))
                for s in present([strict])]
        out.append(page.plot("fanout-strict", bars(
            "Fan-out, one message under way", f"{where}; one core for the server, one for the "
            "reader; whiskers: all runs", "deliveries a second", rows, text.count),
            "Deliveries a second of all servers, strict"))
    windows = [w for w in _windows(part, clients, plan.SIZE)]
    cells = [part.cell(clients=clients, size=plan.SIZE, window=w) for w in windows]
    if len(windows) > 1 and any(c.runs for c in cells):
        rows = [row(s, [point(c, s, "rate") for c in cells]) for s in present(cells)]
        out.append(page.plot("fanout-windows", dots(
            "Fan-out with messages under way", f"{where}; medians, logarithmic scale",
            "deliveries a second", rows, [_window(w) for w in windows], text.count),
            "Deliveries a second of all servers with 1, 4 and 16 messages under way"))
    if len([n for n in part.keys("clients") if n]) > 1:
        out.append(_by_clients(page, part))
    return out


def _bar_words(cell, server: str) -> str:
    words = text.count(cell.median(server, "rate"))
    found = cell.ratio(server, "raw")
    return words + (f", {found.median:.2f} of raw" if found and server != "raw" else "")


def _by_clients(page: Page, part: Part) -> str:
    windows = sorted({c.key["window"] for c in part.where(size=plan.SIZE)})
    series = []
    for window in (windows[0], windows[-1]):
        for server in ("raw", SSE, WS):
            short = {"raw": "raw", SSE: "SSE", WS: "WebSocket"}[server]
            one = Series(f"{short}, {_window(window)}", drawn(server), dashed=window == 1)
            for clients in sorted(part.keys("clients")):
                p = point(part.cell(clients=clients, size=plan.SIZE, window=window), server,
                          "rate", clients)
                if p:
                    one.points.append(p)
            series.append(one)
    if not any(s.points for s in series):
        return ""
    return page.plot("fanout-clients", lines(
        "Fan-out by number of clients", f"{plan.SIZE} B; dashed: strict", "clients",
        "deliveries a second", series, text.count, text.count, x_log=10, y_log=True),
        "Deliveries a second against the number of clients")


def shards(page: Page, part: Part) -> str:
    cores = page.results.raw["machine"]["cores"]
    out = ["Nothing but the generator has a fixed core here, since two shards need two. "]
    if cores <= 2:
        out.append(f"For information only: with {cores} cores the generator uses one of them, so "
                   "a second shard has to share. This says that a second shard does no harm, not "
                   "what it brings.")
    rows = []
    windows = part.keys("window")
    for own in (SSE, WS):
        for count in ("1 shard", "2 shards"):
            label = f"{own}, {count}"
            line = [names.title(label)]
            for window in windows:
                cell = part.cell(window=window)
                line.append(page.rate(cell, label))
                if count == "2 shards":
                    line.append(ratio_word(cell.ratio(label, f"{own}, 1 shard")))
                else:
                    line.append("")
            rows.append(line)
    head = ["deliveries a second"]
    for window in windows:
        head += [_window(window), "to one shard"]
    return "".join(out) + "\n\n" + text.table(head, rows)
