"""Medians, spreads and ratios of a few runs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Some runs of the same thing: how many, the middle, and how far they lie apart."""

    count: int
    median: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Half the distance from lowest to highest, as a share of the median."""
        return (self.high - self.low) / 2 / abs(self.median) if self.median else 0.0


def median(values) -> float:
    ordered = sorted(values)
    if not ordered:
        raise ValueError("the median of nothing")
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def summary(values) -> Summary | None:
    """None if there are no values: what was not measured has no figure."""
    kept = [v for v in values if v is not None]
    if not kept:
        return None
    return Summary(len(kept), median(kept), min(kept), max(kept))


def ratios(over: dict, under: dict) -> list[float]:
    """over/under for every round that has both. Each is taken within its round, so that
    what slows the whole machine down for a while slows both."""
    return [over[r] / under[r] for r in sorted(over) if under.get(r) and over[r] is not None]


def ratio(over: dict, under: dict) -> Summary | None:
    return summary(ratios(over, under))
