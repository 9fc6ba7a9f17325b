import re
import unittest
import xml.etree.ElementTree as ET

from lib import text
from lib.svg import Point, Row, Series, bars, dots, lines

SVG = "{http://www.w3.org/2000/svg}"


def points(*values) -> list[Point]:
    return [Point(x, y, y * 0.9, y * 1.1) for x, y in values]


def numbers(root: ET.Element) -> list[float]:
    """All coordinates in it."""
    found = []
    for element in root.iter():
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy"):
            if name in element.attrib:
                found.append(float(element.attrib[name]))
        found += [float(n) for n in re.findall(r"[\d.]+", element.attrib.get("points", ""))]
    return found


class Plots(unittest.TestCase):
    def draw(self, svg: str) -> ET.Element:
        """Parses it, and checks what holds for every plot."""
        root = ET.fromstring(svg)
        width, height = float(root.attrib["width"]), float(root.attrib["height"])
        self.assertTrue(all(0 <= n <= max(width, height) for n in numbers(root)))
        style = root.find(f"{SVG}style").text
        self.assertIn("prefers-color-scheme:dark", style)
        self.assertNotIn("http", style)
        self.assertNotIn("NaN", svg)
        self.assertTrue(all(line == line.rstrip() for line in svg.splitlines()))
        self.assertTrue(svg.endswith("\n"))
        return root

    def texts(self, root: ET.Element) -> list[str]:
        return [element.text for element in root.iter(f"{SVG}text")]

    def test_bars_have_the_length_of_their_values(self):
        rows = [Row("one", "raw", points((0, 400)), "400"),
                Row("two", "peer", points((0, 200)), "200")]
        root = self.draw(bars("T", "S", "deliveries a second", rows, text.count))
        widths = [float(r.attrib["width"]) for r in root.iter(f"{SVG}rect")
                  if "bar" in r.attrib["class"]]
        self.assertAlmostEqual(widths[0] / widths[1], 2, places=1)
        self.assertIn("deliveries a second", self.texts(root))

    def test_dots_leave_out_what_was_not_measured(self):
        rows = [Row("one", "sse", points((0, 10), (0, 1000))), Row("two", "peer", [None] * 2)]
        root = self.draw(dots("T", "S", "ms", rows, ["p50", "p99"], text.count))
        # One mark of each form in the row, one in the legend.
        self.assertEqual(len(list(root.iter(f"{SVG}circle"))), 2)
        self.assertEqual(len(list(root.iter(f"{SVG}polygon"))), 2)

    def test_dots_with_a_target(self):
        rows = [Row("one", "sse", points((0, 320)), "320 B")]
        root = self.draw(dots("T", "S", "B", rows, ["x"], text.size, target=(600, "target")))
        self.assertIn("target", self.texts(root))

    def test_lines(self):
        series = [Series("a & b", "raw", points((1, 10), (16, 1000))),
                  Series("c", "sse", points((1, 11), (16, 990)), dashed=True),
                  Series("empty", "ws")]
        root = self.draw(lines("T", "S", "x", "y", series, text.count, text.count, x_log=2,
                               y_log=True))
        self.assertEqual(len(list(root.iter(f"{SVG}polyline"))), 2)
        self.assertIn("a & b", self.texts(root))
        self.assertNotIn("empty", self.texts(root))

    def test_lines_from_zero(self):
        series = [Series("a", "sse", points((0, 5), (9000, 6)))]
        root = self.draw(lines("T", "S", "x", "y", series, text.count, text.count))
        self.assertIn("0", self.texts(root))


if __name__ == "__main__":
    unittest.main()
