"""What a run found, as JSON beside the plots, so that both can be drawn again without a new run."""

import json
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from . import machine
from .load import Window
from .rounds import Rounds
from .rows import Row

FILE = "results.json"


@dataclass
class Results:
    kind: str
    fewest_rounds: int
    rounds: Rounds
    # Latency, idle connections and whatever else is not a row, by name.
    more: dict
    machine: dict
    date: str

    @classmethod
    def of(cls, kind: str, fewest_rounds: int, rounds: Rounds, more: dict, versions: dict) -> "Results":
        facts = {
            "cpu": machine.cpu_model(),
            "cores": machine.cores(),
            "memory_gib": machine.memory_gib(),
            "distribution": machine.distribution(),
            "versions": versions,
        }
        return cls(kind, fewest_rounds, rounds, more, facts, time.strftime("%Y-%m-%d", time.gmtime()))

    def as_dict(self) -> dict:
        windows = {row.key: [window.as_dict() for window in all_] for row, all_ in sorted(self.rounds.windows.items())}
        return {
            "kind": self.kind,
            "date": self.date,
            "machine": self.machine,
            "fewest_rounds": self.fewest_rounds,
            "control": self.rounds.control,
            "windows": windows,
            **self.more,
        }


def write(results: Results, directory: Path) -> Path:
    path = directory / FILE
    path.write_text(json.dumps(rounded(results.as_dict()), indent=1) + "\n")
    return path


def read(directory: Path) -> Results:
    data = json.loads((directory / FILE).read_text())
    windows = defaultdict(list)
    for key, all_ in data.pop("windows").items():
        windows[Row.from_key(key)] = [Window(**window) for window in all_]
    rounds = Rounds(windows, data.pop("control"))
    known = [data.pop(name) for name in ("kind", "fewest_rounds", "machine", "date")]
    kind, fewest, facts, date = known
    return Results(kind, fewest, rounds, data, facts, date)


def rounded(value):
    """Four digits behind the point are more than any of it is worth."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value
