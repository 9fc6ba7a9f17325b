"""Plots as SVG: bars, dots in rows, and lines. Readable on a light and on a dark page; no
script, no font and nothing else from outside."""

from dataclasses import dataclass, field
from html import escape

from lib.scale import Linear, Log, apart
from lib.text import tick as on_axis

WIDTH = 820
ROW = 26
TOP = 62
BOTTOM = 48
RIGHT = 26
# A rough width of a letter at 13 pixels, to leave room for labels.
LETTER, BOLD = 7.0, 8.0

# Class: colour on a light page, colour on a dark one.
COLOURS = {
    "raw": ("#57606a", "#aab4be"),
    "sse": ("#0a58b0", "#5aa9ff"),
    "ws": ("#b5400a", "#ff9d5c"),
    "peer": ("#98a2ad", "#6f7a86"),
    "a": ("#0a58b0", "#5aa9ff"),
    "b": ("#b5400a", "#ff9d5c"),
    "c": ("#1a7f4b", "#4ac585"),
    "d": ("#7a3fb0", "#c195f5"),
}
SHAPES = ("circle", "square", "diamond", "triangle")


def _style() -> str:
    def rules(side: int) -> str:
        ground, ink, muted, grid = (("#ffffff", "#1f2328", "#59636e", "#dde2e7"),
                                    ("#0d1117", "#e6edf3", "#9aa4ae", "#2b323b"))[side]
        lines = [f".ground{{fill:{ground}}}", f"text{{fill:{ink}}}",
                 f".muted{{fill:{muted}}}", f".grid{{stroke:{grid}}}",
                 f".axis,.whisker{{stroke:{muted}}}", f".halo{{stroke:{ground}}}"]
        for name, colours in COLOURS.items():
            lines.append(f".{name}{{fill:{colours[side]};stroke:{colours[side]}}}")
        return "".join(lines)

    return ("text{font:13px system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif}"
            ".title{font-size:16px;font-weight:600}.small{font-size:12px}"
            ".end{text-anchor:end}.middle{text-anchor:middle}.strong{font-weight:600}"
            ".line{fill:none!important;stroke-width:2.2}.thin{stroke-width:1.4}"
            ".dash{stroke-dasharray:6 4}.grid,.axis,.whisker{stroke-width:1}"
            ".bar{stroke:none!important}.faint{opacity:.55}.halo{stroke-width:1.2}"
            ".target{stroke-dasharray:3 3}"
            f"{rules(0)}@media (prefers-color-scheme:dark){{{rules(1)}}}")


class Canvas:
    """Collects elements; coordinates are written with one decimal."""

    def __init__(self, title: str, subtitle: str, height: float, width: float = WIDTH):
        self.width, self.height = width, height
        self._title = title
        self._parts = [f'<rect class="ground" width="{width}" height="{height:.0f}" rx="6"/>']
        self.text(18, 28, title, "title")
        self.text(18, 47, subtitle, "muted small")

    def text(self, x: float, y: float, words: str, kind: str = "") -> None:
        name = f' class="{kind}"' if kind else ""
        self._parts.append(f'<text{name} x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self._parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" '
                           f'x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def box(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        self._parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" '
                           f'width="{max(width, 0.5):.1f}" height="{height:.1f}"/>')

    def path(self, points: list[tuple[float, float]], kind: str) -> None:
        steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline class="{kind}" points="{steps}"/>')

    def mark(self, x: float, y: float, shape: str, kind: str, r: float = 5) -> None:
        if shape == "circle":
            self._parts.append(f'<circle class="{kind} halo" cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>')
            return
        corners = {"square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
                   "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
                   "triangle": [(0, -1.2), (1.2, 1), (-1.2, 1)]}[shape]
        steps = " ".join(f"{x + a * r * 0.9:.1f},{y + b * r * 0.9:.1f}" for a, b in corners)
        self._parts.append(f'<polygon class="{kind} halo" points="{steps}"/>')

    def svg(self) -> str:
        return (f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
                f'viewBox="0 0 {self.width} {self.height:.0f}" width="{self.width}" '
                f'height="{self.height:.0f}">\n<title>{escape(self._title)}</title>\n'
                f"<style>{_style()}</style>\n" + "\n".join(self._parts) + "\n</svg>\n")


@dataclass(frozen=True)
class Point:
    """A value with the least and the greatest of its runs."""

    x: float
    y: float
    low: float
    high: float


@dataclass
class Row:
    """A line of bars or dots: one value for each mark (None: not measured)."""

    label: str
    kind: str
    points: list
    words: str = ""


@dataclass
class Series:
    label: str
    kind: str
    points: list[Point] = field(default_factory=list)
    dashed: bool = False


def _x_axis(canvas: Canvas, scale, top: float, bottom: float, label: str, say) -> None:
    for tick in scale.ticks():
        x = scale(tick)
        canvas.line(x, top, x, bottom, "grid")
        canvas.text(x, bottom + 17, on_axis(say(tick)), "middle muted small")
    for tick in scale.minor():
        canvas.line(scale(tick), top, scale(tick), bottom, "grid faint")
    start, end = scale(scale.low), scale(scale.high)
    canvas.line(start, bottom, end, bottom, "axis")
    canvas.text((start + end) / 2, bottom + 37, label, "middle small")


def _left(rows: list[Row]) -> float:
    return 30 + max((LETTER if row.kind == "peer" else BOLD) * len(row.label) for row in rows)


def bars(title: str, subtitle: str, label: str, rows: list[Row], say) -> str:
    """Horizontal bars from 0, with whiskers from the least run to the greatest."""
    bottom = TOP + ROW * len(rows) + 6
    canvas = Canvas(title, subtitle, bottom + BOTTOM)
    left = _left(rows)
    room = LETTER * max(len(row.words) for row in rows) + 12
    most = max(row.points[0].high for row in rows)
    scale = Linear(0, most, left, WIDTH - RIGHT - room)
    _x_axis(canvas, scale, TOP, bottom, label, say)
    for i, row in enumerate(rows):
        y, point = TOP + ROW * i + ROW / 2 + 3, row.points[0]
        canvas.text(left - 10, y + 4.5, row.label, "end" + _strong(row))
        canvas.box(left, y - 8, scale(point.y) - left, 16, f"bar {row.kind}")
        low, high = scale(point.low), scale(point.high)
        canvas.line(low, y, high, y, "whisker")
        for end in (low, high):
            canvas.line(end, y - 4, end, y + 4, "whisker")
        canvas.text(high + 8, y + 4.5, row.words, "small")
    return canvas.svg()


def _strong(row: Row) -> str:
    return "" if row.kind == "peer" else " strong"


def dots(title: str, subtitle: str, label: str, rows: list[Row], marks: list[str], say,
         target: tuple[float, str] | None = None) -> str:
    """Rows with a mark for each value on a logarithmic axis; a thin line from the least run
    to the greatest."""
    top = TOP + (24 if len(marks) > 1 else 6) + (10 if target else 0)
    bottom = top + ROW * len(rows) + 4
    canvas = Canvas(title, subtitle, bottom + BOTTOM)
    left = _left(rows)
    room = LETTER * max(len(row.words) for row in rows) + 12
    points = [p for row in rows for p in row.points if p and p.y > 0]
    values = [v for p in points for v in (max(p.low, p.y / 10), p.high)]
    if target:
        values.append(target[0])
    scale = Log(min(values), max(values), left, WIDTH - RIGHT - room)
    _x_axis(canvas, scale, top, bottom, label, say)
    if len(marks) > 1:
        _legend(canvas, left, marks)
    if target:
        x = scale(target[0])
        canvas.line(x, top - 6, x, bottom, "axis target")
        canvas.text(x, top - 10, target[1], "middle muted small")
    for i, row in enumerate(rows):
        y = top + ROW * i + ROW / 2 + 2
        canvas.text(left - 10, y + 4.5, row.label, "end" + _strong(row))
        for number, point in enumerate(row.points):
            if point and point.y > 0:
                kind = "abcd"[number] if len(marks) > 1 else row.kind
                canvas.line(scale(max(point.low, scale.low)), y, scale(point.high), y, kind)
                canvas.mark(scale(point.y), y, SHAPES[number], kind)
        if row.words:
            canvas.text(WIDTH - RIGHT - room + 14, y + 4.5, row.words, "small")
    return canvas.svg()


def _legend(canvas: Canvas, x: float, marks: list[str]) -> None:
    for number, words in enumerate(marks):
        canvas.mark(x + 6, TOP + 5, SHAPES[number], "abcd"[number])
        canvas.text(x + 17, TOP + 9.5, words, "small")
        x += 36 + LETTER * len(words)


def lines(title: str, subtitle: str, x_label: str, y_label: str, series: list[Series], say_x,
          say_y, x_log: int = 0, y_log: bool = False, height: float = 400) -> str:
    """Lines with their names at their right ends. x_log is the base of the scale's powers;
    0: linear."""
    series = [s for s in series if s.points]
    canvas = Canvas(title, subtitle, height)
    top, bottom, left = TOP + 26, height - BOTTOM, 76
    right = WIDTH - RIGHT - BOLD * max(len(s.label) for s in series) - 14
    xs = [p.x for s in series for p in s.points]
    lows = [p.low for s in series for p in s.points]
    highs = [p.high for s in series for p in s.points]
    x_scale = (Log(min(xs), max(xs), left, right, x_log) if x_log
               else Linear(min(xs), max(xs), left, right))
    y_scale = (Log(min(lows), max(highs), bottom, top) if y_log
               else Linear(0, max(highs), bottom, top))
    _x_axis(canvas, x_scale, top, bottom, x_label, say_x)
    for tick in y_scale.minor():
        canvas.line(left, y_scale(tick), right, y_scale(tick), "grid faint")
    for tick in y_scale.ticks():
        y = y_scale(tick)
        canvas.line(left, y, right, y, "grid")
        canvas.text(left - 8, y + 4, on_axis(say_y(tick)), "end muted small")
    canvas.text(18, TOP + 10, y_label, "small")
    for one in series:
        _one_line(canvas, one, x_scale, y_scale)
    ends = [y_scale(s.points[-1].y) for s in series]
    for one, end, place in zip(series, ends, apart(ends, 16, top, bottom)):
        x = x_scale(one.points[-1].x)
        canvas.line(x + 6, end, right + 8, place, f"{one.kind} thin")
        canvas.text(right + 12, place + 4.5, one.label, "small" + _strong_series(one))
    return canvas.svg()


def _strong_series(one: Series) -> str:
    return "" if one.kind == "peer" else " strong"


def _one_line(canvas: Canvas, one: Series, x_scale, y_scale) -> None:
    kind = one.kind + (" dash" if one.dashed else "")
    canvas.path([(x_scale(p.x), y_scale(p.y)) for p in one.points], f"line {kind}")
    for p in one.points:
        x = x_scale(p.x)
        canvas.line(x, y_scale(p.low), x, y_scale(p.high), one.kind)
        canvas.mark(x, y_scale(p.y), "circle", one.kind, 3.5)
