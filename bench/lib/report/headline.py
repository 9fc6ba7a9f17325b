"""The first lines of the page: what it comes to, in a few sentences made from the figures."""

from lib import names, text
from lib.parts import fanout, history, memory, store
from lib.report.tools import OWN, RAW, SSE, WS, best_peer, peers_in
from lib.results import Cell, Results


def points(results: Results) -> str:
    made = [point for point in (_fanout(results), _peers(results), _latency(results),
                                _memory(results), _ingest(results), _history(results),
                                _resume(results)) if point]
    if not made:
        return ""
    return "## In short\n\n" + "".join(f"- {point}\n" for point in made)


def _main(results: Results, window: int) -> Cell | None:
    part = results.part("fanout")
    return part.cell(clients=fanout.CLIENTS, size=fanout.SIZE, window=window) if part else None


def _fanout(results: Results) -> str:
    said = []
    for window, words in ((1, "one message under way"), (16, "16 under way")):
        cell = _main(results, window)
        shares = [cell.ratio(own, RAW) for own in (SSE, WS)] if cell else [None]
        if all(shares):
            said.append(f"with {words} {shares[0].median:.2f} of the raw limit by SSE and "
                        f"{shares[1].median:.2f} by WebSocket "
                        f"({text.count(cell.median(SSE, 'rate'))} and "
                        f"{text.count(cell.median(WS, 'rate'))} deliveries a second)")
    if not said:
        return ""
    return f"Fan-out to {text.whole(fanout.CLIENTS)} clients: {', '.join(said)}."


def _peers(results: Results) -> str:
    cell = _main(results, 16)
    found = []
    for peer in peers_in([cell]) if cell else []:
        ratio = cell.ratio(names.counterpart(peer), peer)
        if ratio:
            found.append((ratio.median, names.title(peer)))
    if not found:
        return ""
    found.sort()
    return ("That, with 16 under way, is " +
            ", ".join(f"{factor:.1f}× {peer}" for factor, peer in found) +
            ", each against Fanfare with the same transport.")


def _latency(results: Results) -> str:
    part = results.part("latency")
    cell = part.cell(clients=fanout.CLIENTS, deliveries=50000) if part else None
    own = [cell.median(s, "p99_us") for s in (SSE, WS)] if cell else [None]
    if None in own:
        return ""
    best = best_peer(cell, "p99_us", least=True)
    against = (f"; the best peer, {names.title(best[0])}, {text.microseconds(best[1])}"
               if best else "")
    return (f"p99 latency at 50,000 deliveries a second to {text.whole(fanout.CLIENTS)} clients: "
            f"{text.microseconds(own[0])} by SSE, {text.microseconds(own[1])} by WebSocket"
            f"{against}.")


def _memory(results: Results) -> str:
    part = results.part("memory")
    cells = [c for c in part.where(what=memory.SHARED) if c.runs] if part else []
    if not cells:
        return ""
    own = [cells[0].median(s, "user") for s in (SSE, WS)]
    best = best_peer(cells[-1], "user", least=True)
    if None in own:
        return ""
    against = f"; the best peer, {names.title(best[0])}, takes {text.size(best[1])}" if best else ""
    return (f"An idle client takes {text.size(own[0])} of user memory by SSE, {text.size(own[1])} "
            f"by WebSocket{against}.")


def _ingest(results: Results) -> str:
    part = results.part("ingest")
    cell = part.cell(clients=0, mode="sequential") if part else None
    batch = part.cell(clients=0, mode="batch") if part else None
    one = cell.median(SSE, "rate") if cell else None
    many = batch.median(SSE, "rate") if batch else None
    if not one or not many:
        return ""
    best = best_peer(cell, "rate", least=False)
    against = (f" (the best peer, {names.title(best[0])}, {text.count(best[1])})" if best else "")
    return (f"It takes {text.count(one)} publications a second one by one on one connection"
            f"{against}, and {text.count(many)} in batches.")


def _history(results: Results) -> str:
    part = results.part("history")
    found = []
    for cell in part.where(clients=fanout.CLIENTS) if part else []:
        if "window" in cell.key:
            found += [cell.ratio(history.label(own, history.ON), history.label(own, history.OFF))
                      for own in OWN]
    found = [ratio.median for ratio in found if ratio]
    if not found:
        return ""
    least, most = f"{min(found):.2f}", f"{max(found):.2f}"
    between = least if least == most else f"{least} to {most}"
    return (f"With history on, which is the default, fan-out to {text.whole(fanout.CLIENTS)} "
            f"clients is {between} of that without{_durable(results)}.")


def _durable(results: Results) -> str:
    part = results.part("store")
    cells = [part.cell(**how) for how in store.HOW] if part else []
    rates = [cell.median(store.label("--sync always"), "rate") for cell in cells if cell]
    if len(rates) < 3 or None in rates:
        return ""
    return (f"; with a durable store, each answer after its commit, {text.count(rates[0])} "
            f"publications a second are taken on one connection one by one, "
            f"{text.count(rates[1])} on 16, and {text.count(rates[2])} in batches")


def _resume(results: Results) -> str:
    part = results.part("resume")
    cells = [c for c in part.cells if c.runs] if part else []
    took = [cells[0].median(own, "seconds") for own in OWN] if cells else [None]
    if None in took:
        return ""
    key = cells[0].key
    return (f"{text.whole(key['clients'])} clients that come back at once and each missed "
            f"{key['missed']} messages have all of them after {took[0]:.2f} s by SSE and "
            f"{took[1]:.2f} s by WebSocket.")
