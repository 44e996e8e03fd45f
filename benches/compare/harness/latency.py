"""Latency at fixed rates, from the moment each request was due."""

from . import stats
from .progress import Progress
from .rounds import Contest
from .rows import Row

CONNECTIONS = 16
PERCENTILES = ("p50", "p99", "p99.9")


def measure(
    contest: Contest,
    rows: list[Row],
    slowest_us: float,
    shares: list[float],
    rounds: int,
    seconds: float,
    progress: Progress,
) -> list[dict]:
    """For each row and rate the percentiles of every round, in µs.

    Rates are shares of what the slowest peer could answer if its core did nothing else.
    """
    results = []
    for share in shares:
        rate = share * 1_000_000 / slowest_us
        measured = {row: [] for row in rows}
        for number in range(rounds):
            for row in rows if number % 2 == 0 else rows[::-1]:
                progress.step(f"latency at {rate:.0f} requests/s: {row.title}")
                measured[row].append(once(contest, row, rate, seconds))
        for row, events in measured.items():
            results.append(
                {
                    "row": row.key,
                    "share": share,
                    "rate": rate,
                    "answers": sum(event["answers"] for event in events),
                    "statuses": events[0]["statuses"],
                    **{p: [event["latency"][p] / 1000 for event in events] for p in PERCENTILES},
                    "generator_p99": stats.median(
                        [(event["generator_lateness"]["p99"] or 0) / 1000 for event in events]
                    ),
                }
            )
    return results


def once(contest: Contest, row: Row, rate: float, seconds: float) -> dict:
    more = ["--connections", CONNECTIONS, "--seconds", seconds, "--warmup", 0.3]
    if row.algorithm:
        more += ["--tokens", contest.tokens[row.algorithm, row.work]]
    return contest.load.open(contest.proxy(row.proxy), row.protocol, row.path, f"{rate:.3f}", *more)
