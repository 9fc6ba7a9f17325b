"""The table at the end of a run, for a terminal."""

from lib import names, text
from lib.parts import memory
from lib.report.tools import cpu_each, in_order
from lib.results import Cell, Results


def _columns(results: Results) -> list[tuple[str, Cell, object, object]]:
    """(heading, cell, field, how it is written) for what was measured of everybody."""
    found = []
    fanout = results.part("fanout")
    if fanout:
        clients = 1000 if 1000 in fanout.keys("clients") else (fanout.keys("clients") or [0])[0]
        for window in (1, 16):
            cell = fanout.cell(clients=clients, size=200, window=window)
            if cell:
                how = "strict" if window == 1 else f"{window} at once"
                found.append((f"fan-out/s {how}", cell, "rate", text.count))
                found.append(("of raw", cell, None, None))
        last = fanout.cell(clients=clients, size=200, window=16)
        if last:
            found.append(("CPU", last, cpu_each, lambda v: f"{v:.2f} µs"))
    latency = results.part("latency")
    cell = latency.cell(deliveries=50000) if latency else None
    if cell:
        found.append(("p99 at 50k/s", cell, "p99_us", text.microseconds))
    ingest = results.part("ingest")
    for mode in ("sequential", "batch"):
        cell = ingest.cell(clients=0, mode=mode) if ingest else None
        if cell:
            how = "one by one" if mode == "sequential" else mode
            found.append((f"POST/s, {how}", cell, "rate", text.count))
    kept = results.part("memory")
    cells = [c for c in kept.where(what=memory.SHARED) if c.runs] if kept else []
    if cells:
        found.append(("idle client", cells[-1], "user", text.size))
    return found


def table(results: Results) -> str:
    columns = _columns(results)
    servers = in_order({s for _, cell, _, _ in columns for s in cell.servers()})
    if not servers:
        return "Nothing was measured that the short table has; see the report."
    rows = [[""] + [heading for heading, _, _, _ in columns]]
    for server in servers:
        rows.append([names.title(server)] + [_word(server, *c[1:]) for c in columns])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(word.ljust(width) if i == 0 else word.rjust(width)
                               for i, (word, width) in enumerate(zip(row, widths))).rstrip()
                     for row in rows)


def _word(server: str, cell: Cell, field, say) -> str:
    if field is None:
        found = cell.ratio(server, "raw")
        return f"{found.median:.2f}" if found else text.DASH
    middle = cell.median(server, field)
    return say(middle) if middle is not None else text.DASH
