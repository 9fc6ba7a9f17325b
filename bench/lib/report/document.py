"""The page docs/benchmarks.md: what was measured, where, how, and what came out."""

import os
import re

from lib import names, text
from lib.parts import BY_NAME
from lib.report import costs, delays, headline, keeping, people, rates, targets
from lib.report.tools import FLAG, Page, in_order
from lib.results import Results

SECTIONS = {
    "raw": ("The raw limit", rates.raw),
    "fanout": ("Fan-out", rates.fanout),
    "latency": ("Latency at fixed rates", delays.latency),
    "targeting": ("Messages to single targets", costs.targeting),
    "ingest": ("Publishing", costs.ingest),
    "memory": ("Memory of idle clients", costs.memory),
    "connect": ("Connecting", costs.connect),
    "shards": ("Shards", rates.shards),
    "instructions": ("Instructions", costs.instructions),
    "slow": ("Clients that stop reading", delays.slow),
    "storm": ("Storms", delays.storm),
    "presence": ("Presence", people.presence),
    "history": ("What history costs", keeping.history),
    "store": ("Publishing with a durable store", keeping.store),
    "resume": ("Coming back after a break", keeping.resume),
    "replay": ("Replaying what is kept", keeping.replay),
    "kept": ("Memory of kept messages", keeping.kept),
}


def write(results: Results, folder: str) -> list[str]:
    """Writes the page and its plots; returns what it wrote."""
    page = Page(results, folder)
    os.makedirs(folder, exist_ok=True)
    body = "\n".join(_blocks(page))
    while "\n\n\n" in body:
        body = body.replace("\n\n\n", "\n\n")
    path = os.path.join(folder, "benchmarks.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.wrapped(body.rstrip("\n")) + "\n")
    return [path] + page.written


def _blocks(page: Page) -> list[str]:
    results = page.results
    sections = []
    for name in [n for n in BY_NAME if results.part(n)]:
        title, section = SECTIONS[name]
        part = results.part(name)
        sections.append(f"## {title}\n")
        sections.append(section(page, part) if part.cells else "Nothing was measured.\n")
        sections.append(_notes(part))
    flagged = f"\n{FLAG} The reader was the limit: the generator's core was busy for more than " \
              "95 % of the time and the server's for less than 90 %. The server could do more.\n"
    return [_head(results), headline.points(results), "## Targets\n", targets.table(results), _failures(results),
            "## The machine\n", _machine(results), "## The servers\n", _servers(results),
            "## How it was measured\n", _method(results), flagged if page.flagged else "",
            *sections, "## What this does not say\n", LIMITS, "## Doing it again\n",
            _again(results)]


def _head(results: Results) -> str:
    raw = results.raw
    return f"""# Benchmarks

This page is made by `script/bench` from measurements on one machine; numbers from other machines
differ, ratios less so. Everything is a ratio to something measured in the same run: to the *raw
limit*, which is what the kernel lets one thread send to plain sockets, and to other servers of the
same kind, which the script installs. Whoever doubts a figure can run it again: see
[Doing it again](#doing-it-again).

Measured on {raw['started']} with {_version(results)}, in {text.seconds(raw.get('seconds', 0))}; \
each figure is the median of {raw['rounds']} runs. "±" is half the distance from the least run \
to the greatest.{_added(results)}
"""


def _added(results: Results) -> str:
    """Which parts are of another time than the rest."""
    made = {}
    for name, raw in results.raw["parts"].items():
        if "added" in raw:
            made.setdefault((raw["added"]["started"], raw["added"]["revision"]),
                            []).append(SECTIONS[name][0])
    return "".join(f" Measured on {started}, with {_commit(revision)}: {', '.join(titles)}."
                   for (started, revision), titles in made.items())


def _commit(revision: str) -> str:
    if revision.endswith("+"):
        return f"commit `{revision[:-1]}` and changes after it"
    return f"commit `{revision}`" if revision else "a version without a name"


def _version(results: Results) -> str:
    servers = results.raw["servers"]
    version = next((servers[n]["version"] for n in names.OWN if n in servers), "fanfare")
    commit = results.raw.get("revision", "")
    return version + (f" ({_commit(commit)})" if commit else "")


def _failures(results: Results) -> str:
    failures = results.failures()
    if not failures:
        return ("\nThe generator checks every message that every client receives. In this run it "
                "found none lost, doubled, out of order or damaged.\n")
    rows = [[f["part"], names.title(f["server"]), f["where"], " ".join(f["why"].split())[:300]
             .replace("|", "\\|")] for f in failures]
    return ("\n**Something failed in this run:**\n\n"
            + text.table(["part", "server", "where", "what the generator says"], rows, left=4))


def _notes(part) -> str:
    skipped = {}
    for note in part.notes:
        if note["kind"] == "skipped":
            skipped.setdefault((note["server"], note["why"]), []).append(note["where"])
    lines = [f"- {names.title(server)}, {'; '.join(dict.fromkeys(where))}: {why}"
             for (server, why), where in skipped.items()]
    return "\nLeft out:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _machine(results: Results) -> str:
    m = results.raw["machine"]
    virtual = ", a virtual machine" if m["virtual"] else ""
    rows = [["processor", f"{m['cpu']}{virtual}"],
            ["cores", str(m["cores"])],
            ["memory", f"{m['memory'] / 2**30:.1f} GiB"],
            ["system", f"{m['system']}, Linux {m['kernel']} ({m['architecture']})"],
            ["descriptors", f"{text.whole(m['descriptors'])} for each process, so at most "
                            f"{text.whole(results.raw['most_clients'])} clients of one server"],
            ["TCP buffers", f"`tcp_wmem` {m['tcp_wmem']}, `tcp_rmem` {m['tcp_rmem']}"],
            ["compiler", f"{m['compiler']}, `{results.raw['flags']}`"]]
    return text.table(["", ""], rows, left=2)


def _servers(results: Results) -> str:
    servers = results.raw["servers"]
    rows = [[names.title(s), servers[s]["version"], servers[s]["config"]]
            for s in in_order(servers)]
    table = text.table(["", "version", "configuration"], rows, left=3)
    missing = results.raw.get("missing", {})
    lines = [f"- {names.title(name)} was left out: {why}" for name, why in missing.items()]
    return table + ("\n" + "\n".join(lines) + "\n" if lines else "")


def _method(results: Results) -> str:
    cores = results.raw["cores"]
    pinned = ("No process has a fixed core, since there is only one."
              if cores["server"] is None else
              f"Servers run on core {cores['server']}, the generator on core {cores['load']}, by "
              "`taskset`. Servers written in Go use more cores if they may: these are measured a "
              "second time without a fixed core (\"any core\"), where they take what they want of "
              "the generator's.")
    return METHOD.format(rounds=results.raw["rounds"], pinned=pinned)


METHOD = """\
- **All at once, in turn.** All servers of a comparison are up at the same time with their
  subscribers connected, each with a generator process of its own. The measured runs go round:
  A B C A B C …, {rounds} times. A ratio is taken within each round, and the median of these is
  shown, so that what slows the machine for a while falls on both sides. Only for memory, for
  instructions, for clients that stop reading and for heartbeats each server is alone.
- **One generator for all.** `bench-load` is one thread in C that holds the subscribers and one
  publisher. It speaks each server's protocol but does the same work for all: the same sizes, the
  same reader, the same checks.
- **Verified.** Every message that every subscriber gets is checked for its content, its number and
  its order in the same run as the speed is measured. One that is lost, doubled, out of order or
  damaged fails the run, and this page would say so.
- **Size** is that of the published JSON `data`. What goes over the wire is more and differs
  between protocols: envelope, framing, headers; see *on the wire* below. The raw limit sends as
  many bytes as Fanfare's SSE frame has for the same data.
- **Cores.** {pinned}
- **The raw limit** is one thread that writes ready bytes to N plain sockets, one `send` to each for
  all messages that wait at the moment. It parses nothing and decides nothing.
- A run that would complete only a few messages takes longer until it has enough. Before the runs
  of a cell each server has a run that is not counted.
"""

LIMITS = """\
- Servers, generator and publisher share one machine and its loopback. There is no network card, no
  wire, no loss and no distance in any figure, and a message's cost includes the kernel's work of
  *receiving* it only as far as that happens on the server's core.
- One core for the server shows what a core does. Servers that spread over many cores (nats-server,
  centrifuge, nchan with more workers, Fanfare with more shards) do more on a larger machine; how
  they scale there is not measured here.
- All clients are well-behaved, of one kind and on one channel, unless a section says otherwise.
- Memory is read when it has come to rest, not at its peak, and a runtime with a garbage collector
  may hold more than it needs.
- Peers run as their documentation recommends, not as an expert of each might tune them. Some of
  them do things that Fanfare does not (clusters, other protocols), and pay for being able to. They
  keep no messages here, except nchan (50 of a channel); what keeping them costs Fanfare is in
  [What history costs](#what-history-costs).
"""


def _command(line: str) -> str:
    """Without the numbers that differ each time."""
    line = re.sub(r"--pid [\d,]+", "--pid PID", re.sub(r"(127\.0\.0\.1):\d+", r"\1:PORT", line))
    return re.sub(r"--clients \d+", "--clients N", line)


def _again(results: Results) -> str:
    words = " ".join(results.raw["arguments"])
    commands = "\n".join(_command(line) for label, line in
                         sorted(results.raw.get("commands", {}).items()) if "," not in label)
    return f"""```
script/bench                 # all of this page, about 50 minutes, and writes it again
script/bench --short         # a table of the essential in under three minutes
script/bench --list          # the parts and how long each takes
script/bench --parts fanout,latency --servers fanfare-ws,nats-ws --clients 1000
script/bench --report build-bench/results.json
```

This page came from `script/bench{' ' + words if words else ''}`, which keeps every single run \
in `build-bench/results.json`. The generator was started like this, with other numbers of clients \
too, and given commands such as `fanout size=200 window=16 seconds=0.4`:

```
{commands}
```
"""
