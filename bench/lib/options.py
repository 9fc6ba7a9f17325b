"""The arguments of bench/run.py, which are those of script/bench."""

import argparse
import os

from lib import names, parts

ABOUT = """Measures Fanfare against the raw limit of the machine and against its peers."""


def _list(text: str) -> list[str]:
    return [word for word in text.replace(",", " ").split() if word]


def _numbers(text: str) -> list[int]:
    return [int(word) for word in _list(text)]


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="script/bench", description=ABOUT, allow_abbrev=False)
    p.add_argument("--short", action="store_true",
                   help="under three minutes: few cells, results in the build folder")
    p.add_argument("--full", action="store_true",
                   help="everything, about 50 minutes, and docs/benchmarks.md (default)")
    p.add_argument("--parts", type=_list, metavar="LIST",
                   help="only these: " + ", ".join(parts.BY_NAME))
    p.add_argument("--servers", type=_list, metavar="LIST",
                   help="only these: " + ", ".join(names.ALL))
    p.add_argument("--no-peers", action="store_true", help="only Fanfare and the raw limit")
    p.add_argument("--repeat", type=int, default=5, metavar="N",
                   help="measured runs of each cell (default 5)")
    p.add_argument("--clients", type=_numbers, default=[], metavar="LIST",
                   help="these numbers of clients instead of the part's own")
    p.add_argument("--output", metavar="DIR",
                   help="where the report goes (default: docs after a full run of all parts, "
                        "else the build folder)")
    p.add_argument("--add", metavar="FILE.json",
                   help="put the parts that are measured into these kept results, in place of "
                        "what they have of them, and make the report of all")
    p.add_argument("--report", metavar="FILE.json",
                   help="measure nothing, make the report again from kept results")
    p.add_argument("--list", action="store_true",
                   help="say what would be measured and how long it takes, and end")
    p.add_argument("--build", metavar="DIR", default="build-bench", help=argparse.SUPPRESS)
    return p


def read(arguments: list[str]) -> argparse.Namespace:
    p = parser()
    options = p.parse_args(arguments)
    if options.short and options.full:
        p.error("--short or --full, not both")
    for name in options.parts or []:
        if name not in parts.BY_NAME:
            p.error(f"there is no part {name!r}; parts: {', '.join(parts.BY_NAME)}")
    for name in options.servers or []:
        if name not in names.ALL:
            p.error(f"there is no server {name!r}; servers: {', '.join(names.ALL)}")
    if options.add and (options.short or options.servers or options.clients or options.no_peers):
        p.error("--add takes whole parts: no --short, --servers, --clients or --no-peers with it")
    if options.add and not options.parts:
        p.error("--add wants --parts")
    if options.repeat < 1:
        p.error("--repeat must be at least 1")
    if any(n < 0 for n in options.clients):
        p.error("--clients are numbers from 0")
    options.build = os.path.abspath(options.build)
    options.whole = not (options.short or options.parts or options.servers or options.no_peers
                         or options.clients)
    return options


def told(given: list[str]) -> list[str]:
    """The arguments as they were given to script/bench, which adds the build folder; where
    the report goes is left out, since it changes nothing in it."""
    kept, skip = [], False
    for word in given:
        if not skip and word not in ("--build", "--output") and not word.startswith("--output="):
            kept.append(word)
        skip = word in ("--build", "--output")
    return kept


def chosen_parts(options) -> list:
    if options.parts:
        return [part for part in parts.ALL if part.NAME in options.parts]
    return list(parts.SHORT if options.short else parts.ALL)
