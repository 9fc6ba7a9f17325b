import unittest

from lib import stats


class Median(unittest.TestCase):
    def test_odd_and_even(self):
        self.assertEqual(stats.median([3, 1, 2]), 2)
        self.assertEqual(stats.median([4, 1, 3, 2]), 2.5)
        self.assertEqual(stats.median([7]), 7)

    def test_of_nothing(self):
        with self.assertRaises(ValueError):
            stats.median([])


class Summary(unittest.TestCase):
    def test_figures(self):
        found = stats.summary([90, 100, 120])
        self.assertEqual((found.count, found.median, found.low, found.high), (3, 100, 90, 120))
        self.assertAlmostEqual(found.spread, 0.15)

    def test_what_was_not_measured_does_not_count(self):
        self.assertEqual(stats.summary([None, 5, None]).median, 5)
        self.assertIsNone(stats.summary([None]))
        self.assertIsNone(stats.summary([]))

    def test_spread_around_zero(self):
        self.assertEqual(stats.summary([0, 0]).spread, 0)


class Ratio(unittest.TestCase):
    def test_is_taken_in_each_round(self):
        # The machine is slow in round 1 for both: the ratio is not touched by it.
        found = stats.ratio({0: 90, 1: 45, 2: 88}, {0: 100, 1: 50, 2: 80})
        self.assertEqual((found.median, found.low, found.high), (0.9, 0.9, 1.1))

    def test_rounds_that_one_side_lacks_are_left_out(self):
        self.assertEqual(stats.ratios({0: 1, 2: 4}, {1: 2, 2: 2}), [2])
        self.assertIsNone(stats.ratio({0: 1}, {1: 1}))

    def test_nothing_is_divided_by_zero(self):
        self.assertEqual(stats.ratios({0: 1, 1: 2}, {0: 0, 1: 1}), [2])


if __name__ == "__main__":
    unittest.main()
