"""Sections about what things cost: targeting, ingest, memory, connections, instructions."""

from lib import names, text
from lib.parts import memory as memory_plan, targeting as plan
from lib.report.tools import (SSE, WS, Page, cpu_each, drawn, point, present, row,
                              spread)
from lib.results import Cell, Part
from lib.svg import Series, dots, lines


def targeting(page: Page, part: Part) -> str:
    out = ["Messages to one user, to a channel with one subscriber, or to a channel that one "
           "client's pattern matches; 16 under way. Who gets a message is drawn at random, "
           f"either from the same {plan.FEW} targets while all others are idle, which shows what "
           "idle clients and channels cost, or from all of them, which also shows what it costs "
           "to visit memory that is not in a cache. Each delivery includes taking its own POST.\n"]
    rows = []
    for cell in part.cells:
        if "names" in cell.key and cell.runs:
            rows.append(_target_row(page, cell))
    if rows:
        out.append(text.table(
            ["to single", "clients", "how many there are", "drawn from", "SSE deliveries a second",
             "CPU each", "WebSocket deliveries a second", "CPU each"], rows))
        out.append(_targets_plot(page, part))
    idle = [c for c in part.cells if "idle" in c.key and c.runs]
    if idle:
        rows = []
        for cell in idle:
            line = [text.whole(cell.key["idle"]), str(cell.key["window"])]
            for own in (SSE, WS):
                line += [page.rate(cell, own), _each(cell, own)]
            rows.append(line)
        out.append("\nFan-out to one channel of 100 clients beside others that are idle, each in "
                   "a channel of its own:\n")
        out.append(text.table(["idle clients", "under way", "SSE deliveries a second", "CPU each",
                               "WebSocket deliveries a second", "CPU each"], rows, left=0))
    return "\n".join(out)


def _each(cell: Cell, server: str) -> str:
    found = cell.summary(server, cpu_each)
    return f"{found.median:.2f} µs {spread(found)}" if found else text.DASH


def _target_row(page: Page, cell: Cell) -> list[str]:
    key = cell.key
    line = [key["to"], text.whole(key["clients"]), text.whole(key["names"]),
            text.whole(key["targets"])]
    for own in (SSE, WS):
        line += [page.rate(cell, own), _each(cell, own)]
    return line


def _targets_plot(page: Page, part: Part) -> str:
    series = []
    for kind, to in zip("abc", ("users", "channels", "patterns")):
        for few in (True, False):
            one = Series(f"{to}, {'the same 100' if few else 'all'}", kind, dashed=not few)
            for cell in part.cells:
                total = cell.key.get("names", 0)
                if cell.key["to"] == to and total >= plan.FEW and \
                        cell.key["targets"] == (plan.FEW if few else total):
                    p = point(cell, SSE, cpu_each, total)
                    if p:
                        one.points.append(p)
            series.append(one)
    if not any(s.points for s in series):
        return ""
    return page.plot("targeting", lines(
        "Cost of a message to a single target", f"SSE, {plan.SIZE} B; server CPU, publication "
        "included; dashed: targets drawn from all", "users, channels or patterns there are",
        "µs of CPU for a delivery", series, text.count, lambda v: f"{v:g}", x_log=10),
        "CPU time for a delivery against the number of users, channels and patterns")


def ingest(page: Page, part: Part) -> str:
    out = ["One connection. *Sequential*: the next publication is sent when the last is answered. "
           "*Pipelined*: 64 are under way. *Batch*: 100 messages in one request, two requests "
           "under way. Servers whose protocol has no such thing are left out. Subscribers get "
           "all of it, verified; the figures are messages a second.\n"]
    modes = part.keys("mode")
    for clients in part.keys("clients"):
        cells = [part.cell(clients=clients, mode=mode) for mode in modes]
        cells = [c for c in cells if c]
        servers = [s for s in present(cells) if names.kind(s) != "raw"]
        rows = [[names.title(s)] + [page.rate(c, s) for c in cells] for s in servers]
        who = "no subscriber" if clients == 0 else f"{clients} subscriber" + "s" * (clients > 1)
        out.append(text.table([who] + [c.key["mode"] for c in cells], rows))
        if clients == part.keys("clients")[0] and rows:
            drawn_rows = [row(s, [point(c, s, "rate") for c in cells]) for s in servers]
            out.append(page.plot("ingest", dots(
                "Publications taken", f"{who}, 200 B, one connection; logarithmic scale",
                "messages a second", drawn_rows, [c.key["mode"] for c in cells], text.count),
                "Publications a second of all servers"))
    return "\n".join(out)


def memory(page: Page, part: Part) -> str:
    out = ["A server is started and gets 100 clients, its memory is read, N more connect and stay "
           "idle, and when the memory has come to rest it is read again: the growth divided by N. "
           "Four at a time connect. *User* is the "
           "private memory of all processes of the server (`Private_*` in "
           "`/proc/PID/smaps_rollup`), garbage that a runtime has not yet collected included. "
           "*Kernel* is the growth of `Slab` in `/proc/meminfo` and counts both ends of each "
           "loopback connection, the generator's too, so it is about twice what a server alone "
           "would see; it is the same for everybody and too coarse to tell servers apart.\n"]
    shared = part.where(what=memory_plan.SHARED)
    for cell in shared:
        if cell.runs and any(names.kind(s) == "peer" for s in cell.servers()):
            out.append(_memory_table(cell))
            out.append(_memory_plot(page, cell))
    own = [c for c in part.cells if c.runs and c not in shared[-1:]]
    if own:
        rows = [[c.key["what"], text.whole(c.key["clients"])] +
                [_bytes(c, s, f) for s in (SSE, WS) for f in ("user", "kernel")] for c in own]
        out.append("\nFanfare, by what the clients subscribe to:\n")
        out.append(text.table(["each client has", "clients", "SSE user", "kernel",
                               "WebSocket user", "kernel"], rows))
        out.append(_per_channel(part))
    if page.results.part("kept"):
        out.append("\nWhat a kept message takes is told in [Memory of kept messages]"
                   "(#memory-of-kept-messages).\n")
    return "\n".join(x for x in out if x)


def _bytes(cell: Cell, server: str, field: str) -> str:
    found = cell.summary(server, field)
    return f"{text.size(found.median)} {spread(found)}" if found else text.DASH


def _memory_table(cell: Cell) -> str:
    rows = []
    for s in present([cell]):
        own = names.counterpart(s)
        factor = cell.ratio(s, own, "user") if names.kind(s) == "peer" else None
        rows.append([names.title(s), _bytes(cell, s, "user"),
                     f"{factor.median:.1f}×" if factor else "", _bytes(cell, s, "kernel"),
                     text.size(cell.median(s, "empty"))])
    return text.table([f"{text.whole(cell.key['clients'])} clients, one channel", "user memory "
                       "each", "of Fanfare's", "kernel memory each", "server without clients"],
                      rows)


def _memory_plot(page: Page, cell: Cell) -> str:
    rows = [row(s, [point(cell, s, "user")], text.size(cell.median(s, "user")))
            for s in present([cell]) if (cell.median(s, "user") or 0) > 0]
    if not rows:
        return ""
    return page.plot("memory", dots(
        "User memory of an idle client", f"{text.whole(cell.key['clients'])} clients of one "
        "channel; logarithmic scale", "bytes for each client", rows, ["user memory"], text.size,
        target=(600, "target 600 B")), "User memory for each idle client of all servers")


def _per_channel(part: Part) -> str:
    """Of ten channels of one's own and one: nine more channels and subscriptions."""
    ten, one = part.cell(what=memory_plan.TEN), part.cell(what=memory_plan.OWN_CHANNEL)
    words = []
    for s in (SSE, WS):
        if ten and one and ten.median(s, "user") and one.median(s, "user"):
            each = (ten.median(s, "user") - one.median(s, "user")) / 9
            words.append(f"{names.title(s)} {text.size(each)}")
    return f"\nA channel with its one subscription: {', '.join(words)}.\n" if words else ""


def connect(page: Page, part: Part) -> str:
    out = ["Connects and disconnects of further clients, at most 256 at once, beside clients that "
           "are connected and idle; a connect ends when the subscription stands, a disconnect "
           "when the server has closed its side.\n"]
    servers = present(part.cells)
    head = ["idle clients"]
    for s in servers:
        head += [f"{names.title(s)}: connects a second", "disconnects"]
    rows = [[text.whole(c.key["idle"])] + [w for s in servers for w in
                                           (page.rate(c, s, "connect_rate"),
                                            page.rate(c, s, "disconnect_rate"))]
            for c in part.cells]
    out.append(text.table(head, rows, left=0))
    series = []
    for s in servers:
        one = Series(names.title(s), drawn(s))
        one.points = [p for c in part.cells if (p := point(c, s, "connect_rate", c.key["idle"]))]
        series.append(one)
    if any(len(s.points) > 1 for s in series):
        out.append(page.plot("connect", lines(
            "Connects beside idle clients", "until the subscription stands; 256 at once",
            "idle clients", "connects a second", series, text.count, text.count),
            "Connects a second against the number of idle clients"))
    return "\n".join(out)


def instructions(page: Page, part: Part) -> str:
    out = ["Instructions that the daemon executes in user space, counted by callgrind: the "
           "difference between a long run and a short one, so that start, connections and end "
           "cancel out. Other work on the machine does not touch this figure. The kernel's part "
           "is not in it, and under callgrind time passes differently, so how many messages "
           "share a send (last column) is not what it is in life.\n"]
    rows = []
    for cell in part.cells:
        for s in present([cell]):
            key, each = cell.key, cell.median(s, "instructions")
            what = (f"{text.whole(key['clients'])} clients, {key['window']} under way"
                    if "window" in key else f"publication, {key['mode']}, no subscriber")
            rows.append([names.title(s), what, text.whole(each),
                         f"{cell.median(s, 'sends'):.2f}" if key["unit"] == "delivered" else ""])
    out.append(text.table(["server", "", "instructions each", "sends each"], rows, left=2))
    return "\n".join(out)
