import unittest

from lib import text


class Numbers(unittest.TestCase):
    def test_significant(self):
        for value, said in ((12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"),
                            (1.234, "1.23"), (0.1234, "0.123"), (0.01234, "0.0123"), (0, "0")):
            self.assertEqual(text.significant(value), said)

    def test_count(self):
        for value, said in ((843, "843"), (84321, "84.3k"), (8432100, "8.43M"), (999.9, "1.00k"),
                            (1000, "1.00k"), (0, "0"), (2.5e9, "2.50G")):
            self.assertEqual(text.count(value), said)

    def test_microseconds(self):
        for value, said in ((12, "12.0 µs"), (999, "999 µs"), (999.9, "1.00 ms"),
                            (12345, "12.3 ms"), (2.5e6, "2.50 s")):
            self.assertEqual(text.microseconds(value), said)

    def test_size(self):
        for value, said in ((318.4, "318 B"), (17680, "17.7 kB"), (4e6, "4.00 MB"), (-3, "-3 B")):
            self.assertEqual(text.size(value), said)

    def test_tick(self):
        for said, short in (("10.0k", "10k"), ("1.50 ms", "1.5 ms"), ("500 µs", "500 µs"),
                            ("1.00 kB", "1 kB"), ("0", "0"), ("2.05", "2.05")):
            self.assertEqual(text.tick(said), short)

    def test_seconds(self):
        self.assertEqual(text.seconds(59.4), "59 s")
        self.assertEqual(text.seconds(185), "3:05 min")


class Wrapped(unittest.TestCase):
    def test_paragraphs_and_items_are_broken_and_nothing_else(self):
        long = "word " * 10 + "end"
        page = f"# {long}\n\n{long}\n- {long}\n| {long} |\n```\n{long}\n```\n"
        self.assertEqual(text.wrapped(page, 30), (
            f"# {long}\n\nword word word word word word\nword word word word end\n"
            "- word word word word word\n  word word word word word end\n"
            f"| {long} |\n```\n{long}\n```\n"))


class Table(unittest.TestCase):
    def test_form(self):
        self.assertEqual(text.table(["a", "b"], [["x", "1"]]),
                         "| a | b |\n|---|---:|\n| x | 1 |\n")


if __name__ == "__main__":
    unittest.main()
