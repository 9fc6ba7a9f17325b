"""The kept results: every single run, and what is asked of them.

One JSON document: "parts" holds for each part its "cells", each with its "key" (the
conditions) and its "runs" (what bench-load said, with "server" and "round"), and its "notes"
(what was skipped or failed, and why). A part that was measured later than the others says in
"added" when, and of which version. Nothing is averaged before it is kept."""

import json
import os

from lib import stats

FORMAT = 1


class Cell:
    """Runs under the same conditions, of several servers in turn."""

    def __init__(self, raw: dict):
        self.raw = raw
        self.key = raw["key"]
        self.runs = raw["runs"]

    def servers(self) -> list[str]:
        return list(dict.fromkeys(run["server"] for run in self.runs))

    def values(self, server: str, field) -> dict:
        """{round: value}; field is a name, or a function of a run."""
        get = field if callable(field) else (lambda run: run.get(field))
        found = {}
        for run in self.runs:
            if run["server"] == server:
                value = get(run)
                if value is not None:
                    found[run["round"]] = value
        return found

    def summary(self, server: str, field) -> stats.Summary | None:
        return stats.summary(self.values(server, field).values())

    def median(self, server: str, field) -> float | None:
        found = self.summary(server, field)
        return found.median if found else None

    def ratio(self, over: str, under: str, field="rate") -> stats.Summary | None:
        return stats.ratio(self.values(over, field), self.values(under, field))


class Part:
    def __init__(self, name: str, raw: dict):
        self.name = name
        self.raw = raw
        self.cells = [Cell(cell) for cell in raw["cells"]]
        self.notes = raw["notes"]

    def where(self, **key) -> list[Cell]:
        return [c for c in self.cells if all(c.key.get(k) == v for k, v in key.items())]

    def cell(self, **key) -> Cell | None:
        found = self.where(**key)
        return found[0] if found else None

    def keys(self, name: str) -> list:
        """The values that a condition takes, in the order in which they were measured."""
        return list(dict.fromkeys(c.key[name] for c in self.cells if name in c.key))


class Results:
    def __init__(self, raw: dict | None = None):
        self.raw = raw or {"format": FORMAT, "servers": {}, "parts": {}}
        if self.raw.get("format") != FORMAT:
            raise ValueError(f"results of format {self.raw.get('format')}, not {FORMAT}")

    # ---- writing ----

    def begin(self, part: str) -> None:
        self.raw["parts"][part] = {"cells": [], "notes": [], "seconds": 0.0}

    def add_cell(self, part: str, key: dict) -> list:
        """The list to which the runs go."""
        cell = {"key": key, "runs": []}
        self.raw["parts"][part]["cells"].append(cell)
        return cell["runs"]

    def note(self, part: str, kind: str, server: str, where: str, why: str) -> None:
        """kind: "failed" or "skipped"."""
        self.raw["parts"][part]["notes"].append(
            {"kind": kind, "server": server, "where": where, "why": why})

    def save(self, path: str) -> None:
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.raw, file, indent=1)
            file.write("\n")
        os.replace(path + ".new", path)

    # ---- reading ----

    @classmethod
    def load(cls, path: str) -> "Results":
        with open(path, encoding="utf-8") as file:
            return cls(json.load(file))

    def parts(self) -> list[str]:
        return list(self.raw["parts"])

    def part(self, name: str) -> Part | None:
        raw = self.raw["parts"].get(name)
        return Part(name, raw) if raw else None

    def failures(self) -> list[dict]:
        return [dict(note, part=name) for name, raw in self.raw["parts"].items()
                for note in raw["notes"] if note["kind"] == "failed"]
