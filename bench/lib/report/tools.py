"""What the sections of the report share."""

import os

from lib import names, text
from lib.results import Cell, Results
from lib.stats import Summary
from lib.svg import Point, Row

# Behind a rate for which the generator was the limit, not the server.
FLAG = "†"
RAW = "raw"
SSE, WS = OWN = "fanfare-sse", "fanfare-ws"


class Page:
    """The report while it is written: text, and the plots that go with it."""

    def __init__(self, results: Results, folder: str):
        self.results = results
        self.folder = folder
        self.written: list[str] = []
        self.flagged = False

    def plot(self, name: str, svg: str, about: str) -> str:
        """Writes the plot and gives the line that shows it."""
        path = os.path.join(self.folder, "bench", name + ".svg")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(svg)
        self.written.append(path)
        return f"![{about}](bench/{name}.svg)\n"

    def rate(self, cell: Cell | None, server: str, field: str = "rate") -> str:
        """351k ±2 %, flagged if the reader was the limit."""
        found = cell.summary(server, field) if cell else None
        if not found:
            return text.DASH
        word = f"{text.count(found.median)} {spread(found)}"
        if reader_bound(cell, server):
            self.flagged = True
            word += " " + FLAG
        return word

    def share(self, cell: Cell | None, over: str, under: str = RAW) -> str:
        """0.94 (0.91–0.95): the median of the rounds' ratios, least and greatest."""
        return ratio_word(cell.ratio(over, under) if cell else None)


def ratio_word(found: Summary | None, digits: int = 2) -> str:
    if not found:
        return text.DASH
    low, high = f"{found.low:.{digits}f}", f"{found.high:.{digits}f}"
    middle = f"{found.median:.{digits}f}"
    return middle if low == high else f"{middle} ({low}{text.DASH}{high})"


def spread(found: Summary) -> str:
    return f"±{found.spread * 100:.0f} %"


def busy(run: dict, who: str) -> float | None:
    return run[who] / run["seconds"] if who in run and run.get("seconds") else None


def reader_bound(cell: Cell, server: str) -> bool:
    load = cell.median(server, lambda run: busy(run, "load_cpu"))
    own = cell.median(server, lambda run: busy(run, "server_cpu"))
    return load is not None and own is not None and load > 0.95 and own < 0.9


def cpu_each(run: dict) -> float | None:
    """Microseconds of the server's CPU for each delivery."""
    done = run.get("deliveries")
    return run["server_cpu"] / done * 1e6 if done and "server_cpu" in run else None


def microseconds(cell: Cell | None, server: str, field: str) -> str:
    found = cell.median(server, field) if cell else None
    return text.microseconds(found) if found is not None else text.DASH


def point(cell: Cell | None, server: str, field, x: float = 0) -> Point | None:
    found = cell.summary(server, field) if cell else None
    return Point(x, found.median, found.low, found.high) if found else None


def drawn(label: str) -> str:
    """The class of a server's marks in a plot."""
    kind = names.kind(label)
    if kind != "own":
        return kind
    return "sse" if names.base(label) == SSE else "ws"


def row(label: str, points: list, words: str = "") -> Row:
    return Row(names.title(label), drawn(label), points, words)


def in_order(servers) -> list[str]:
    """Raw, Fanfare, then the peers as they are listed."""
    return sorted(servers, key=lambda s: (names.ALL.index(names.base(s))
                                          if names.base(s) in names.ALL else 99, s))


def present(cells: list[Cell]) -> list[str]:
    return in_order({server for cell in cells for server in cell.servers()})


def peers_in(cells: list[Cell]) -> list[str]:
    return [s for s in present(cells) if names.kind(s) == "peer"]


def best_peer(cell: Cell, field, least: bool) -> tuple[str, float] | None:
    """The peer with the best median; least: the smaller the better."""
    found = [(cell.median(s, field), s) for s in peers_in([cell])]
    found = sorted((value, s) for value, s in found if value is not None)
    if not found:
        return None
    value, server = found[0] if least else found[-1]
    return server, value


def condition(clients: int, size: int | None = None) -> str:
    words = f"{text.whole(clients)} client" + ("" if clients == 1 else "s")
    return words + (f", {text.whole(size)} B" if size else "")
