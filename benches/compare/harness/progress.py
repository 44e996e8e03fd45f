"""How far the run is, on standard error."""

import sys
import time


class Progress:
    """A bar on a terminal; elsewhere a line whenever another tenth is done."""

    def __init__(self, seconds: float):
        self.began = time.monotonic()
        self.expected = seconds
        self.told = -1
        self.terminal = sys.stderr.isatty()

    def step(self, what: str) -> None:
        spent = time.monotonic() - self.began
        share = min(spent / self.expected, 0.99)
        if self.terminal:
            filled = round(share * 30)
            left = max(self.expected - spent, 0)
            text = f"[{'█' * filled}{'·' * (30 - filled)}] {share:4.0%}  {clock(left)} left  {what}"
            sys.stderr.write(f"\r\x1b[K{text[:118]}")
            sys.stderr.flush()
        elif int(share * 10) > self.told:
            self.told = int(share * 10)
            print(f"{clock(spent)}  {share:4.0%}  {what}", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line that stays."""
        print(f"\r\x1b[K{text}" if self.terminal else text, file=sys.stderr, flush=True)

    def done(self) -> None:
        if self.terminal:
            sys.stderr.write("\r\x1b[K")
        self.say(f"measured in {clock(time.monotonic() - self.began)}")


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
