import contextlib
import io
import os
import re
import tempfile
import unittest

from lib import options
from lib.report import document, summary, targets
from lib.report.targets import Target, at_least, at_most
from lib.report.tools import reader_bound
from lib.results import Cell, Results
from lib.tests import sample


class Document(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.results = sample.results()
        cls.folder = tempfile.TemporaryDirectory()
        cls.written = document.write(cls.results, cls.folder.name)
        with open(cls.written[0], encoding="utf-8") as file:
            cls.page = file.read()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def has(self, words: str) -> None:
        """Without printing all of the page if not."""
        self.assertTrue(words in self.page, f"not in the page: {words!r}")

    def test_every_part_has_a_section(self):
        for title, _ in document.SECTIONS.values():
            self.has(f"\n## {title}\n")

    def test_every_plot_is_shown_and_every_one_shown_exists(self):
        shown = set(re.findall(r"\]\((bench/[\w-]+\.svg)\)", self.page))
        there = {os.path.relpath(path, self.folder.name) for path in self.written[1:]}
        self.assertEqual(shown, there)
        self.assertGreaterEqual(len(there), 9)

    def test_tables_are_whole(self):
        rows = [line for line in self.page.splitlines() if line.startswith("|")]
        self.assertGreater(len(rows), 100)
        width = 0
        for before, row in zip([""] + self.page.splitlines(), self.page.splitlines()):
            if row.startswith("|"):
                cells = len(re.findall(r"(?<!\\)\|", row)) - 1
                if not before.startswith("|"):
                    width = cells
                self.assertEqual(cells, width, row)

    def test_text_is_clean(self):
        prose = re.sub(r"```.*?```", "code", self.page, flags=re.S)
        for wrong in ("None", "nan", "{", "}", "\n\n\n"):
            self.assertTrue(wrong not in prose, f"in the page: {wrong!r}")
        self.assertEqual([x for x in self.page.splitlines() if x != x.rstrip()], [])
        long = [x for x in prose.splitlines() if len(x) > 100 and x[:1] not in "|!"]
        self.assertEqual(long, [])

    def test_the_reader_is_named_where_it_was_the_limit(self):
        self.has("| raw limit | 298k ±3 % † | 1.00 |")
        self.has("\n† The reader was the limit")

    def test_ratios_are_there(self):
        self.has("| Fanfare SSE | 281k ±4 % | 0.94 | 853k ±4 % | 0.82 |")

    def test_the_essence_comes_first(self):
        self.has("## In short")
        for words in ("0.94 of the raw limit by SSE", "p99 latency", "idle client", "publications"):
            self.assertTrue(words in " ".join(self.page[:self.page.index("## Targets")].split()),
                            words)

    def test_kept_messages_are_compared_with_their_frames(self):
        self.has("| 200,000 | 10,000 | 840 B ±4 % | 729 B | 1.15 |")

    def test_instructions_are_compared(self):
        self.has("| a publication, batch | 103 | 100 | 0.971 |")

    def test_durable_publishing_is_compared_with_memory(self):
        self.has("| `--sync always` | 7.50k ±4 % | 0.25 |")

    def test_parts_of_another_time_are_named(self):
        later = sample.results()
        later.raw["parts"]["kept"]["added"] = {"started": "2026-03-04 05:06 UTC",
                                               "revision": "fedcba9876+"}
        with tempfile.TemporaryDirectory() as folder:
            with open(document.write(later, folder)[0], encoding="utf-8") as file:
                page = " ".join(file.read().split())
        self.assertTrue("Measured on 2026-03-04 05:06 UTC, with commit `fedcba9876` and changes "
                        "after it: Memory of kept messages." in page)
        self.has("is half the distance from the least run to the greatest.\n")

    def test_failures_are_shown(self):
        failed = sample.results()
        failed.note("fanout", "failed", "nats-ws", "1,000 clients", "subscriber 3 lost | message 7")
        with tempfile.TemporaryDirectory() as folder:
            with open(document.write(failed, folder)[0], encoding="utf-8") as file:
                page = file.read()
        self.assertTrue("Something failed" in page)
        self.assertTrue("lost \\| message 7" in page)
        self.assertTrue("found none lost" not in page)

    def test_parts_that_were_not_run(self):
        few = sample.results()
        for name in list(few.raw["parts"]):
            if name != "latency":
                del few.raw["parts"][name]
        with tempfile.TemporaryDirectory() as folder:
            document.write(few, folder)
        self.assertIn("p99 at 50k/s", summary.table(few))

    def test_parts_in_which_everything_failed(self):
        empty = sample.results()
        for part in empty.raw["parts"].values():
            for cell in part["cells"]:
                cell["runs"].clear()
        with tempfile.TemporaryDirectory() as folder:
            document.write(empty, folder)
        self.assertIn("Nothing was measured", summary.table(empty))

    def test_the_table_for_the_terminal(self):
        table = summary.table(self.results)
        self.assertEqual(len(table.splitlines()), 1 + len(sample.RATES))
        self.assertIn("Fanfare WebSocket", table)
        self.assertLess(max(map(len, table.splitlines())), 161)


class Arguments(unittest.TestCase):
    def test_only_whole_parts_are_added(self):
        given = options.read(["--add", "kept.json", "--parts", "history,kept"])
        self.assertEqual(given.parts, ["history", "kept"])
        for wrong in (["--add", "x"], ["--add", "x", "--parts", "kept", "--short"]):
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
                options.read(wrong)

    def test_those_of_the_machine_are_left_out(self):
        self.assertEqual(options.told(["--build", "x", "--short", "--output", "y", "--parts", "a"]),
                         ["--short", "--parts", "a"])
        self.assertEqual(options.told(["--output=y", "--full"]), ["--full"])


class Targets(unittest.TestCase):
    def test_all_kinds_are_judged(self):
        words = " ".join(t.what for t in targets.all_of(sample.results()))
        for part in ("user memory", "strict", "coalesced", "socket.io", "p99 at 50,000", "single",
                     "connects a second", "sequential", "batches", "do not read", "reason",
                     "with history over without"):
            self.assertIn(part, words)

    def test_verdicts(self):
        self.assertEqual(at_least("x", 0.9, 0.95).verdict, "reached")
        self.assertEqual(at_least("x", 0.9, 0.9).verdict, "reached")
        self.assertEqual(at_least("x", 0.9, 0.855).verdict, "**missed** by 5.0 %")
        self.assertEqual(at_most("x", 600, 900).verdict, "**missed** by 50 %")
        self.assertEqual(Target("x", "0", "0", -0.0).verdict, "reached")

    def test_the_factor_is_the_least_with_messages_under_way(self):
        found = [t for t in targets.all_of(sample.results()) if "socket.io" in t.what]
        self.assertEqual(len(found), 1)
        self.assertIn("4 under way", found[0].what)


class Cells(unittest.TestCase):
    def run_of(self, load: float, server: float) -> dict:
        return {"server": "x", "round": 0, "seconds": 2.0, "load_cpu": load, "server_cpu": server}

    def test_reader_bound(self):
        def bound(load, server):
            return reader_bound(Cell({"key": {}, "runs": [self.run_of(load, server)]}), "x")

        self.assertTrue(bound(1.95, 1.5))
        self.assertFalse(bound(1.95, 1.9))
        self.assertFalse(bound(1.5, 1.5))

    def test_results_are_kept_as_they_are(self):
        before = sample.results()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "results.json")
            before.save(path)
            self.assertEqual(Results.load(path).raw, before.raw)

    def test_results_of_another_format_are_refused(self):
        with self.assertRaises(ValueError):
            Results({"format": 99})


if __name__ == "__main__":
    unittest.main()
