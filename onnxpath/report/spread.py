"""How numbers spread, counted one by one: exact counts, in memory that does not grow with how many there are."""

from __future__ import annotations

from math import floor, inf, isfinite, sqrt

FINEST = 12
"""Bins begin 10^-12 wide."""

MOST_BINS = 2000
"""Where more bins than this lie between the smallest and the largest value, every ten of them become one."""


class Spread:
    """Count, mean, standard deviation, smallest and largest of numbers, and how many of them lie in each bin.

    Bins are a power of ten wide, the narrowest that cover all numbers with MOST_BINS of them. Joining bins keeps their
    counts exact. Numbers that are not finite are left out. values: those to begin with.
    """

    def __init__(self, values: list[float] | None = None) -> None:
        self.count = 0
        self.low, self.high = inf, -inf
        self._total = self._middle = self._squares = 0.0
        self._places = FINEST
        self._bins: dict[int, int] = {}
        for value in values or []:
            self.add(value)

    def add(self, value: float) -> None:
        """Count one more number."""
        if not isfinite(value):
            return
        self.count += 1
        self._total += value
        # Welford's update: sums of squares would cancel.
        step = value - self._middle
        self._middle += step / self.count
        self._squares += step * (value - self._middle)
        self.low, self.high = min(self.low, value), max(self.high, value)
        while self._index(self.high) - self._index(self.low) >= MOST_BINS:
            self._join()
        place = self._index(value)
        self._bins[place] = self._bins.get(place, 0) + 1

    @property
    def mean(self) -> float | None:
        """Mean, None without numbers."""
        return self._total / self.count if self.count else None

    @property
    def total(self) -> float:
        """Sum of the numbers."""
        return self._total

    @property
    def deviation(self) -> float:
        """Standard deviation (n), 0 for fewer than two numbers."""
        return sqrt(self._squares / self.count) if self.count > 1 else 0.0

    def binned(self, most: int, low: float | None = None, high: float | None = None) -> tuple[float, float, list[int]]:
        """Return (left edge, width, counts) of at most `most` bins of 1, 2 or 5 times a power of ten.

        low, high: what they cover at least, default the numbers' own range; a number at `high` is in the last bin.
        ValueError without numbers.
        """
        if not self.count:
            raise ValueError("there are no numbers to count")
        first = self._index(self.low if low is None else min(low, self.low))
        last = self._index(self.high) if high is None or self.high > high else self._index(high) - 1
        # Digits beyond the third of the largest number are of no interest, and axes do not show them.
        least = self._index(max(abs(self.low), abs(self.high)) / 1000)
        steps = (k * 10**power for power in range(20) for k in (1, 2, 5))
        step = next(s for s in steps if s >= least and last // s - first // s < most)
        counts = [0] * (last // step - first // step + 1)
        for place, count in self._bins.items():
            counts[min(place, last) // step - first // step] += count
        width = self._edge(step)
        return self._edge(first // step * step), width, counts

    def _index(self, value: float) -> int:
        # Powers of ten are exact in this direction alone: 0.29 / 0.01 is below 29.
        scale: int = 10 ** abs(self._places)
        return floor(value * scale if self._places >= 0 else value / scale)

    def _edge(self, index: int) -> float:
        scale: int = 10 ** abs(self._places)
        return index / scale if self._places >= 0 else float(index * scale)

    def _join(self) -> None:
        self._places -= 1
        joined: dict[int, int] = {}
        for place, count in self._bins.items():
            joined[place // 10] = joined.get(place // 10, 0) + count
        self._bins = joined


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's score interval of a fraction, 95 % by default; (0, 1) without counts."""
    if not count:
        return 0.0, 1.0
    share, slack = hits / count, z * z / count
    middle, half = share + slack / 2, z * sqrt((share * (1 - share) + slack / 4) / count)
    return max(0.0, (middle - half) / (1 + slack)), min(1.0, (middle + half) / (1 + slack))


def interval(hits: int, count: int) -> tuple[float, float] | tuple[None, None]:
    """Return Wilson's 95 % interval of a fraction, None where nothing was counted."""
    return wilson(hits, count) if count else (None, None)
