"""From values to places on a plot, and where its ticks stand."""

import math


class Linear:
    def __init__(self, low: float, high: float, start: float, end: float):
        if not high > low:
            high = low + 1
        step = nice_step((high - low) / 5)
        self.low = math.floor(low / step + 1e-9) * step
        self.high = math.ceil(high / step - 1e-9) * step
        self._step = step
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self._start + min(1.0, max(0.0, share)) * (self._end - self._start)

    def minor(self) -> list[float]:
        return []

    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self._step)
        return [round(self.low + i * self._step, 12) for i in range(count + 1)]


class Log:
    """Its ends lie on 1, 2 or 5 times a power of ten (on powers of `base` if it is 2)."""

    def __init__(self, low: float, high: float, start: float, end: float, base: int = 10):
        if low <= 0:
            raise ValueError("a logarithmic scale begins above 0")
        self._stops = powers(low, max(high, low), base)
        if len(self._stops) < 2:
            self._stops = powers(low, low * base, base)
        self.low, self.high = self._stops[0], self._stops[-1]
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        value = min(self.high, max(self.low, value))
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[float]:
        """All stops, or of many only the powers of ten."""
        if len(self._stops) <= 8:
            return self._stops
        return [s for s in self._stops if _is_power(s)]

    def minor(self) -> list[float]:
        """Stops that have a line but no figure."""
        return [s for s in self._stops if s not in self.ticks()]


def nice_step(rough: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below `rough`."""
    power = 10.0 ** math.floor(math.log10(rough))
    for times in (1, 2, 5, 10):
        if times * power >= rough * (1 - 1e-9):
            return times * power
    return 10 * power


def powers(low: float, high: float, base: int) -> list[float]:
    """Stops from the last at or below `low` to the first at or above `high`."""
    if base == 2:
        first, last = math.floor(math.log2(low)), math.ceil(math.log2(high))
        return [2.0 ** e for e in range(first, last + 1)]
    stops = [times * 10.0 ** e for e in range(math.floor(math.log10(low)) - 1,
                                              math.ceil(math.log10(high)) + 2)
             for times in (1, 2, 5)]
    below = [s for s in stops if s <= low * (1 + 1e-9)]
    above = [s for s in stops if s >= high * (1 - 1e-9)]
    return [s for s in stops if below[-1] <= s <= above[0]]


def _is_power(value: float) -> bool:
    exponent = math.log10(value)
    return abs(exponent - round(exponent)) < 1e-9


def apart(places: list[float], least: float, low: float, high: float) -> list[float]:
    """The places, in their order, moved as little as it takes to stand `least` apart,
    between low and high if there is room."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for before, i in zip(order, order[1:]):
        moved[i] = max(moved[i], moved[before] + least)
    if order and moved[order[-1]] > high:
        moved[order[-1]] = high
        for after, i in zip(order[::-1], order[-2::-1]):
            moved[i] = min(moved[i], moved[after] - least)
    if order and moved[order[0]] < low:
        shift = low - moved[order[0]]
        moved = [m + shift for m in moved]
    return moved
