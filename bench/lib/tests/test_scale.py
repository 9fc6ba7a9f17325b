import unittest

from lib.scale import Linear, Log, apart, nice_step


class LinearScale(unittest.TestCase):
    def test_ends_are_round_and_ticks_are_even(self):
        scale = Linear(0, 437000, 100, 600)
        self.assertEqual(scale.ticks(), [0, 100000, 200000, 300000, 400000, 500000])
        self.assertEqual((scale(0), scale(250000), scale(500000)), (100, 350, 600))

    def test_may_run_upwards(self):
        scale = Linear(0, 10, 300, 50)
        self.assertEqual((scale(0), scale(10)), (300, 50))

    def test_stays_inside(self):
        scale = Linear(0, 10, 0, 100)
        self.assertEqual((scale(-5), scale(50)), (0, 100))

    def test_a_single_value(self):
        self.assertEqual(Linear(5, 5, 0, 100)(5), 0)

    def test_fractions(self):
        self.assertEqual(Linear(0, 0.94, 0, 1).ticks(), [0, 0.2, 0.4, 0.6, 0.8, 1.0])

    def test_nice_step(self):
        for rough, step in ((0.9, 1), (1, 1), (1.1, 2), (4.2, 5), (6, 10), (0.03, 0.05)):
            self.assertAlmostEqual(nice_step(rough), step)


class LogScale(unittest.TestCase):
    def test_ends_lie_on_1_2_5(self):
        scale = Log(32, 1700, 0, 100)
        self.assertEqual((scale.low, scale.high), (20, 2000))
        self.assertEqual(scale.ticks(), [20, 50, 100, 200, 500, 1000, 2000])
        self.assertAlmostEqual(scale(200), 50)

    def test_many_decades_have_powers_of_ten(self):
        scale = Log(1, 1e6, 0, 1)
        self.assertEqual(scale.ticks(), [1, 10, 100, 1000, 1e4, 1e5, 1e6])
        self.assertEqual(scale.minor()[:3], [2, 5, 20])

    def test_powers_of_two(self):
        self.assertEqual(Log(1, 16, 0, 100, 2).ticks(), [1, 2, 4, 8, 16])
        self.assertAlmostEqual(Log(1, 16, 0, 100, 2)(4), 50)

    def test_a_single_value(self):
        scale = Log(600, 600, 0, 100)
        self.assertLess(scale.low, scale.high)

    def test_nothing_at_or_below_zero(self):
        with self.assertRaises(ValueError):
            Log(0, 10, 0, 1)


class Apart(unittest.TestCase):
    def test_moves_as_little_as_it_takes(self):
        self.assertEqual(apart([10, 12, 100], 16, 0, 200), [10, 26, 100])

    def test_keeps_the_order_given(self):
        self.assertEqual(apart([100, 12, 10], 16, 0, 200), [100, 26, 10])

    def test_pushes_back_from_the_end(self):
        self.assertEqual(apart([190, 195, 199], 10, 0, 200), [180, 190, 200])

    def test_nothing(self):
        self.assertEqual(apart([], 10, 0, 100), [])


if __name__ == "__main__":
    unittest.main()
