"""Medians, and intervals that assume nothing about how measurements scatter."""

from dataclasses import dataclass
from math import comb


@dataclass(frozen=True)
class Summary:
    """A median between the ends of its interval, and how sure the interval is."""

    median: float
    low: float
    high: float
    sure: float
    count: int

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


def median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def summary(values: list[float], sure: float = 0.95) -> Summary:
    """The median and its interval by order statistics.

    The median of whatever the values come from lies between the k-th lowest and the k-th highest of them with a
    probability that follows from the binomial distribution alone. Of the k that reach `sure` the largest is taken; with
    fewer than six values none does, and the interval is their whole range.
    """
    ordered = sorted(values)
    count = len(ordered)
    cut = 0
    while cut + 1 <= (count - 1) // 2 and coverage(count, cut + 1) >= sure:
        cut += 1
    return Summary(median(ordered), ordered[cut], ordered[count - 1 - cut], coverage(count, cut), count)


def coverage(count: int, cut: int) -> float:
    """How sure the interval is that leaves `cut` values out at either end."""
    return 1 - 2 * sum(comb(count, k) for k in range(cut + 1)) / 2**count


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Round by round, since what disturbs a round disturbs both."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def moved(values: list[float]) -> float:
    """How far a control went: its whole range, as a share of its median."""
    return (max(values) - min(values)) / median(values)


def steady(controls: list[float], most: float = 0.10) -> list[int]:
    """The rounds whose control stands within a band as wide as `most`: the largest such group.

    Nothing that is compared has a say in it, only the control.
    """
    order = sorted(range(len(controls)), key=controls.__getitem__)
    best: list[int] = []
    for first in range(len(order)):
        for last in range(len(order), first + len(best), -1):
            if moved([controls[i] for i in order[first:last]]) <= most:
                best = order[first:last]
                break
    return sorted(best)
