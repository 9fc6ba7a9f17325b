"""How numbers are written, for people."""

import math
import re
import textwrap

DASH = "–"


def significant(value: float, digits: int = 3) -> str:
    """12345.6 -> 12346, 12.345 -> 12.3, 0.012345 -> 0.0123."""
    if value == 0:
        return "0"
    if abs(value) >= 10 ** digits:
        return f"{value:,.0f}"
    # 0.9999 is 1.00 with three digits, so it is rounded before its places are counted.
    value = float(f"{value:.{digits}g}")
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(0, places)}f}"


def count(value: float) -> str:
    """A rate: 843 -> 843, 84321 -> 84.3k, 8432100 -> 8.43M."""
    for limit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit * 0.9995:
            return significant(value / limit) + name
    return significant(value)


def whole(value: float) -> str:
    return f"{value:,.0f}"


def microseconds(value: float) -> str:
    """A time given in microseconds, in the unit that suits it."""
    if value >= 0.9995e6:
        return f"{significant(value / 1e6)} s"
    if value >= 999.5:
        return f"{significant(value / 1e3)} ms"
    return f"{significant(value)} µs"


def seconds(value: float) -> str:
    """How long something takes, as one says it: 45 s, 3:05 min."""
    if value < 60:
        return f"{value:.0f} s"
    return f"{int(value) // 60}:{int(value) % 60:02d} min"


def size(value: float) -> str:
    """Bytes in memory: 318 B, 17.6 kB."""
    if abs(value) < 1000:
        return f"{value:.0f} B"
    if abs(value) < 1e6:
        return f"{significant(value / 1e3)} kB"
    return f"{significant(value / 1e6)} MB"


def tick(said: str) -> str:
    """A figure on an axis: 10.0k -> 10k, 1.50 ms -> 1.5 ms."""
    return re.sub(r"\.(\d*?)0+(?!\d)", lambda m: "." + m[1] if m[1] else "", said)


def table(head: list[str], rows: list[list[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns are text, the others numbers."""
    lines = ["| " + " | ".join(head) + " |"]
    lines.append("|" + "|".join("---" if i < left else "---:" for i in range(len(head))) + "|")
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def wrapped(page: str, width: int = 100) -> str:
    """The page with its paragraphs and list items broken at the width; tables, headings,
    pictures and code as they are."""
    out, code = [], False
    for line in page.split("\n"):
        code ^= line.startswith("```")
        if code or len(line) <= width or line.startswith(("|", "#", "!", "```")):
            out.append(line)
            continue
        indent = "  " if line.startswith(("- ", "  ")) else ""
        out += textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False,
                             break_on_hyphens=False)
    return "\n".join(out)
