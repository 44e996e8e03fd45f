"""The rounds: every row once in each, in an order that turns round, with the control throughout."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from . import stats
from .load import BAD_CLIENT, Load, Window
from .processes import Failed
from .progress import Progress
from .proxies import Proxy, World, make
from .rows import BAD, CONTROL, Row

# A run whose control moves by more is refused.
MOST = 0.10


@dataclass
class Rounds:
    """Windows of every row, round by round."""

    windows: dict[Row, list[Window]] = field(default_factory=lambda: defaultdict(list))
    # The median of each round's controls.
    control: list[float] = field(default_factory=list)

    def kept(self) -> list[int]:
        return stats.steady(self.control, MOST)

    def values(self, row: Row, what: str = "cpu_us") -> list[float]:
        """Of the rounds whose control stood still."""
        return [getattr(self.windows[row][i], what) for i in self.kept()] if row in self.windows else []


class Contest:
    """Proxies that stand ready, and the windows of load they get."""

    def __init__(self, world: World, load: Load, tokens: dict[tuple[str, str], Path], seconds: float, warmup: float):
        self.world = world
        self.load = load
        self.tokens = tokens
        self.seconds = seconds
        self.warmup = warmup
        self.proxies: dict[str, Proxy] = {}

    def proxy(self, name: str) -> Proxy:
        if name not in self.proxies:
            self.proxies[name] = make(name, self.world).start()
        return self.proxies[name]

    def round(self, number: int, rows: list[Row], progress: Progress, into: Rounds) -> None:
        order = rows if number % 2 == 0 else rows[::-1]
        middle = len(order) // 2
        controls = []
        for row in [CONTROL, *order[:middle], CONTROL, *order[middle:], CONTROL]:
            progress.step(f"round {number + 1}: {row.title}, {row.protocol}, {row.body}")
            window = self.window(row)
            if row == CONTROL:
                controls.append(window)
            else:
                into.windows[row].append(window)
        controls.sort(key=lambda window: window.cpu_us)
        into.windows[CONTROL].append(controls[1])
        into.control.append(controls[1].cpu_us)

    def window(self, row: Row) -> Window:
        more = ["--seconds", self.seconds, "--warmup", self.warmup]
        if row.work in BAD:
            more += ["--source", BAD_CLIENT]
        if row.algorithm:
            more += ["--tokens", self.tokens[row.algorithm, row.work]]
        if row.work != "unique":
            return checked(row, self.load.closed(self.proxy(row.proxy), row.protocol, row.path, *more))
        # A proxy that has just started has seen none of the tokens, and within a window none comes twice.
        fresh = make(row.proxy, self.world).start()
        try:
            return checked(row, self.load.closed(fresh, row.protocol, row.path, *more, "--once", "/open/1k"))
        finally:
            fresh.stop()

    def stop(self) -> None:
        for proxy in self.proxies.values():
            proxy.stop()


def checked(row: Row, window: Window) -> Window:
    """Refuses a window whose answers are not what the row is about."""
    right = {"401", "429"} if row.work in BAD else {"200"}
    wrong = {status: count for status, count in window.statuses.items() if status not in right}
    if wrong or window.broken:
        raise Failed(f"{row.title} ({row.key}) answered {window.statuses}, with {window.broken} broken connections")
    return window
