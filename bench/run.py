#!/usr/bin/env python3
"""Runs the benchmark; script/bench builds what it needs first and has the same arguments.

The modules are in lib/, the servers in servers/. See README.md."""

import datetime
import os
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

from lib import machine, options as arguments, text  # noqa: E402
from lib.bench import Bench  # noqa: E402
from lib.progress import Progress  # noqa: E402
from lib.report import document, summary  # noqa: E402
from lib.results import Results  # noqa: E402

ROOT = os.path.dirname(HERE)


def main() -> int:
    options = arguments.read(sys.argv[1:])
    if options.report:
        return write(options, Results.load(options.report))
    # So that servers and generators are ended on this way out too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    from servers import SERVERS
    chosen = arguments.chosen_parts(options)
    rehearsal = Bench(options, SERVERS, Results(), None)
    times = []
    for part in chosen:
        before = rehearsal.estimate
        rehearsal.run(part)
        times.append(rehearsal.estimate - before)
    if options.list:
        return tell_plan(rehearsal, chosen, times)
    missing = rehearsal.missing()
    for name in ("raw", "fanfare-sse", "fanfare-ws"):
        if name in missing:
            print(f"error: {name}: {missing[name]}", file=sys.stderr)
            return 1
    return measure(options, SERVERS, chosen, rehearsal, missing)


def tell_plan(rehearsal: Bench, chosen: list, times: list[float]) -> int:
    for part, seconds in zip(chosen, times):
        print(f"{part.NAME:13} {text.seconds(seconds):>10}  {part.TITLE}")
    print(f"{'together':13} {text.seconds(sum(times)):>10}  "
          f"up to {rehearsal.most_clients} clients for each server")
    for name, why in rehearsal.missing().items():
        print(f"left out: {name}: {why}")
    return 0


def measure(options, servers: dict, chosen: list, rehearsal: Bench, missing: dict) -> int:
    started = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    made = {"started": started, "revision": machine.revision(ROOT), "rounds": options.repeat,
            "flags": machine.flags(options.build)}
    if options.add:
        results = Results.load(options.add)
        if not machine.same(results.raw["machine"], machine.describe()):
            print(f"error: {options.add} is of another machine", file=sys.stderr)
            return 1
    else:
        results = Results()
        results.raw.update(made, **{
            "mode": "short" if options.short else "full",
            "arguments": arguments.told(sys.argv[1:]),
            "whole": options.whole,
            "machine": machine.describe(),
            "most_clients": rehearsal.most_clients,
            "missing": missing,
        })
    progress = Progress(rehearsal.estimate)
    bench = Bench(options, servers, results, progress)
    if not options.add:
        results.raw["cores"] = {"server": bench.server_core, "load": bench.load_core}
    progress.line(f"==> {len(chosen)} parts, about {text.seconds(rehearsal.estimate)}")
    for name, why in missing.items():
        progress.line(f"    left out: {name}: {why}")
    name = "results" if options.whole else "short" if options.short else "some"
    path = options.add or os.path.join(options.build, name + ".json")
    try:
        for part in chosen:
            bench.run(part)
            if options.add:
                results.raw["parts"][part.NAME]["added"] = made
            else:
                results.raw["seconds"] = round(progress.elapsed, 1)
            results.save(path)
    finally:
        bench.close()
    progress.line(f"==> measured in {text.seconds(progress.elapsed)}; all runs are in "
                  f"{os.path.relpath(path)}")
    return write(options, results)


def write(options, results: Results) -> int:
    """The report; 1 if anything went wrong while it was measured."""
    folder = options.output
    if not folder:
        whole = results.raw.get("whole", False)
        folder = os.path.join(ROOT, "docs") if whole else os.path.join(options.build, "report")
    for path in document.write(results, folder):
        print(f"==> wrote {os.path.relpath(path)}", file=sys.stderr)
    print(summary.table(results))
    failures = results.failures()
    for failure in failures:
        print("FAILED: {part}: {server}, {where}: {why}".format(**failure).rstrip())
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
