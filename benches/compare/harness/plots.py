"""Plots of a run: SVG by hand, PNG by rsvg-convert."""

import shutil
from pathlib import Path

from . import stats
from .processes import run
from .results import Results
from .rows import CONTROL, NAMES, PROTOCOLS, WORK_NAMES, Row
from .svg import Bar, Line, bars, lines


def bar_rows(found: Results, protocol: str) -> list[Row]:
    """RS256 and 1 KiB: what most people have; the tables hold the rest."""
    order = list(NAMES)
    rows = [
        row
        for row in found.rounds.windows
        if row.protocol == protocol and row.body == "1k" and row.algorithm in ("", "RS256")
    ]
    return sorted(rows, key=lambda row: (list(WORK_NAMES).index(row.work), order.index(row.proxy)))


def titles(found: Results) -> list[tuple[str, str]]:
    """Names and titles of what can be drawn."""
    drawn = [
        (f"cpu-{protocol}", f"CPU of the proxy for each request, {title}")
        for protocol, title in PROTOCOLS.items()
        if bar_rows(found, protocol)
    ]
    if found.more.get("latency"):
        drawn.append(("latency", "Latency at fixed rates"))
    return drawn + [
        (f"growth-{kind}", f"Growth with {kind}") for kind in ("connections", "tokens") if found.more.get(kind)
    ]


def draw(found: Results, directory: Path) -> list[Path]:
    """Draws them all, and removes what an earlier run drew and this one cannot."""
    for old in [*directory.glob("*.svg"), *directory.glob("*.png")]:
        old.unlink()
    written = []
    for name, title in titles(found):
        kind, _, what = name.partition("-")
        match kind:
            case "cpu":
                picture = bars(title, "µs of CPU", [bar(found, row) for row in bar_rows(found, what)])
            case "latency":
                picture = latency(found, title)
            case _:
                picture = growth(found.more[what], title, what)
        path = directory / f"{name}.svg"
        path.write_text(picture)
        written.append(path)
        if shutil.which("rsvg-convert"):
            run(["rsvg-convert", "--zoom", "2", "--output", path.with_suffix(".png"), path])
            written.append(path.with_suffix(".png"))
    return written


def bar(found: Results, row: Row) -> Bar:
    cpu = stats.summary(found.rounds.values(row))
    return Bar(WORK_NAMES[row.work], NAMES[row.proxy], cpu.median, cpu.low, cpu.high, ours=row.proxy == "portcullis")


def latency(found: Results, title: str) -> str:
    """The 99th percentile over the rate, or the percentiles where there is but one rate."""
    entries = found.more["latency"]
    rates = sorted({entry["rate"] for entry in entries})
    curves = []
    for key in dict.fromkeys(entry["row"] for entry in entries):
        mine = [entry for entry in entries if entry["row"] == key]
        row = Row.from_key(key)
        if len(rates) > 1:
            points = [(f"{entry['rate']:.0f}/s", stats.summary(entry["p99"])) for entry in mine]
        else:
            points = [(p, stats.summary(mine[0][p])) for p in ("p50", "p99", "p99.9")]
        curves.append(
            Line(NAMES[row.proxy] + (" (no tokens)" if row == CONTROL else ""), points, row.proxy == "portcullis")
        )
    subject = "99th percentile" if len(rates) > 1 else f"{rates[0]:.0f} requests/s"
    return lines(f"{title}: {subject}, from when each request was due", "µs", curves)


def growth(data: dict, title: str, what: str) -> str:
    curves = [
        Line(
            NAMES[name],
            [(f"{int(count):,}", stats.summary(values)) for count, values in by.items()],
            name == "portcullis",
        )
        for name, by in data.items()
    ]
    return lines(f"{title}: CPU of the proxy for each request", f"µs, by {what}", curves)
