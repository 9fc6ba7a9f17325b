"""Sections about kept messages: what they cost, and how they come back."""

from lib import names, stats, text
from lib.parts import history as history_plan, replay as replay_plan, resume as resume_plan, \
    store as plan
from lib.report.tools import OWN, SSE, WS, Page, microseconds, present, ratio_word, spread
from lib.results import Cell, Part

ON, OFF = history_plan.ON, history_plan.OFF


def history(page: Page, part: Part) -> str:
    out = ["The same daemon twice, as it comes (the newest 1000 messages of each channel are kept) "
           "and with `--history 0`, up at the same time and measured in turn. *Ratio* is with "
           f"history to without, the median of {_rounds(part)} rounds and their range. What is "
           "looked for is less than what two identical daemons differ by in one round, so a "
           "single line says little if the others do not say the same; the instructions below "
           f"hardly depend on chance. {plan.SIZE} B; "
           "fan-out in deliveries a second, publishing in publications a second on one "
           "connection.\n"]
    rows = []
    for cell in part.cells:
        for own in OWN if "counted" not in cell.key else ():
            found = cell.ratio(_label(own, ON), _label(own, OFF))
            if found:
                rows.append([names.title(own), what(cell.key),
                             text.whole(cell.key["clients"]), page.rate(cell, _label(own, ON)),
                             page.rate(cell, _label(own, OFF)), ratio_word(found, 3)])
    out.append(text.table(["", "", "subscribers", "with history", "without", "ratio"], rows,
                          left=2))
    out.append(_instructions(part))
    return "\n".join(out)


def _rounds(part: Part) -> int:
    return max((len(c.values(s, "rate")) for c in part.cells for s in c.servers()), default=0)


def _instructions(part: Part) -> str:
    rows = []
    for cell in part.cells:
        found = cell.ratio(_label(SSE, OFF), _label(SSE, ON), "instructions")
        if found:
            rows.append([cell.key["counted"]] + [
                text.whole(cell.median(_label(SSE, which), "instructions")) for which in (ON, OFF)]
                + [ratio_word(found, 3)])
    if not rows:
        return ""
    return ("\nInstructions in user space, counted by callgrind (SSE, 1000 subscribers or none); "
            "what caches cost is not in them. Here the ratio is without to with history, so "
            "that as above less than 1 means that history costs something:\n\n"
            + text.table(["", "with history", "without", "ratio"], rows))


def _label(own: str, which: str) -> str:
    return history_plan.label(own, which)


def what(key: dict) -> str:
    """Of a cell of the part history."""
    if "mode" in key:
        return f"publishing, {key['mode']}"
    return "fan-out, strict" if key["window"] == 1 else f"fan-out, {key['window']} under way"


# ---- store ----

def how(key: dict) -> str:
    if key["batch"] > 1:
        return f"{key['connections']} connection, batches of {key['batch']}"
    return f"{key['connections']} connection" + "s" * (key["connections"] > 1)


def store(page: Page, part: Part) -> str:
    out = [f"Publications of {plan.SIZE} B to one channel that nobody is subscribed to; each "
           "connection has one request under way. With `--sync always` the answer comes after the "
           "commit, and requests that are under way together share one. Beside each rate is "
           "its ratio to that of the same daemon without a file, taken in each round. The store's "
           "thread and the shard share the server's one core here. At the end "
           "of each run the daemon's count of messages is compared with that of the answers."
           f"{_disk(part)}\n"]
    cells = [c for c in part.cells if "connections" in c.key]
    head = ["messages a second"]
    for cell in cells:
        head += [how(cell.key), "of memory"]
    rows = []
    for mode in plan.MODES:
        line = [mode if mode == plan.MEMORY else f"`{mode}`"]
        for cell in cells:
            found = cell.ratio(plan.label(mode), plan.label(plan.MEMORY))
            line += [page.rate(cell, plan.label(mode)), ratio_word(found)]
        rows.append(line)
    out.append(text.table(head, rows))
    out.append("\nWithout `--sync always` the answer does not wait for the file, so more may be "
               "answered than is written (as much as `--store-queue` allows, then publications are "
               f"refused; here it is {plan.QUEUE}). This is the same from the first request until "
               "all is written, in messages a second:\n")
    head = ["messages written a second"] + [how(cell.key) for cell in cells]
    out.append(text.table(head, [
        [line[0]] + [page.rate(cell, plan.label(mode), "written_rate") for cell in cells]
        for line, mode in zip(rows, plan.MODES) if mode != plan.MEMORY]))
    out.append("\nTime from a request to its answer:\n")
    head = ["answer after"]
    for cell in cells:
        head += [f"{how(cell.key)}: p50", "p99"]
    rows = [[line[0]] + [microseconds(cell, plan.label(mode), field) for cell in cells
                         for field in ("answer_p50_us", "answer_p99_us")]
            for line, mode in zip(rows, plan.MODES)]
    out.append(text.table(head, rows))
    return "\n".join(out)


def _disk(part: Part) -> str:
    cell = part.cell(what=plan.DISK)
    if not cell or not cell.runs:
        return ""
    return (f" On this machine's disk ({cell.runs[0]['filesystem']}) a write of 4 KiB over what is "
            f"there, with `fdatasync`, takes {microseconds(cell, plan.DISK, 'sync_p50_us')} (p99 "
            f"{microseconds(cell, plan.DISK, 'sync_p99_us')}) without any server.")


# ---- coming back ----

def resume(page: Page, part: Part) -> str:
    out = [f"All clients of one channel are reset, {resume_plan.MISSED} messages of "
           f"{resume_plan.SIZE} B are published, and then all connect at once with the position of "
           "the last message that they had (`Last-Event-ID` by SSE, `after=` by WebSocket). The "
           "time ends when the last one has everything and was told so (`fanfare.synced`). That "
           "each gets exactly what it missed, in order and undamaged, is checked as everywhere. "
           "*Refused* were told when to come back, and did; the sum of all runs.\n"]
    rows = []
    for cell in part.cells:
        for s in present([cell]):
            took = cell.summary(s, "seconds")
            rows.append([names.title(s), text.whole(cell.key["clients"]),
                         f"{text.microseconds(took.median * 1e6)} {spread(took)}",
                         page.rate(cell, s, "connect_rate"), page.rate(cell, s),
                         _megabytes(cell, s, lambda r: r["bytes"] / r["seconds"]),
                         microseconds(cell, s, "p50_us"),
                         text.whole(sum(cell.values(s, "refused").values()))])
    out.append(text.table(["", "clients", "until the last has all", "connects a second",
                           "messages a second", "MB a second", "a client's median", "refused"],
                          rows))
    return "\n".join(out)


def _megabytes(cell: Cell, server: str, field) -> str:
    found = cell.median(server, field)
    return f"{text.significant(found / 1e6)}" if found is not None else text.DASH


def replay(page: Page, part: Part) -> str:
    out = ["A client comes with the position `0-0` and gets all kept messages, checked one by one "
           "for content and order, over and over. Meanwhile another client gets "
           f"{replay_plan.RATE} live messages a second in another channel. Its p99 is compared "
           "with its p99 just before, in each round; its generator shares a core with that of the "
           "replaying client, which gives way (`nice` 19), so a part of the difference is the "
           "generator's.\n"]
    rows = []
    for cell in part.cells:
        for s in present([cell]):
            slower = stats.ratio(cell.values(s, "other_p99_us"), cell.values(s, "calm_p99_us"))
            rows.append([names.title(s), cell.key["what"], text.whole(cell.key["kept"]),
                         page.rate(cell, s), _megabytes(cell, s, "byte_rate"),
                         microseconds(cell, s, "calm_p99_us"),
                         microseconds(cell, s, "other_p99_us"), ratio_word(slower, 1),
                         microseconds(cell, s, "other_max_us")])
    out.append(text.table(["", "subscribed to", "kept messages", "messages a second",
                           "MB a second", "other's p99 before", "meanwhile", "ratio",
                           "its longest meanwhile"], rows, left=2))
    return "\n".join(out)


# ---- memory ----

def kept(_: Page, part: Part) -> str:
    out = ["A daemon that was just started gets the messages while nobody is subscribed; the "
           "growth of its private memory, read when it has come to rest, divided by the number "
           "of messages. What is kept of a message is its encoded frame, the bytes for SSE and "
           "those for WebSocket side by side; *frame* is the sum of both as clients then "
           "received them by replaying all of it. Channels that hold only a few messages are part "
           "of the figure.\n"]
    rows = []
    for cell in part.cells:
        frame = frame_bytes(cell)
        for s in present([cell]):
            found = cell.summary(s, "each")
            rows.append([text.whole(cell.key["kept"]), text.whole(cell.key["channels"]),
                         f"{text.size(found.median)} {spread(found)}",
                         text.size(frame) if frame else text.DASH,
                         f"{found.median / frame:.2f}" if frame else text.DASH,
                         text.size(found.median - frame) if frame else text.DASH,
                         names.title(s)])
    out.append(text.table(["messages", "channels", "memory each", "frame", "ratio",
                           "beyond the frame", "checked by"], rows, left=0))
    return "\n".join(out)


def frame_bytes(cell: Cell) -> float | None:
    """SSE and WebSocket bytes of one message."""
    both = [cell.median(s, "wire") for s in (SSE, WS)]
    return sum(both) if all(both) else None
