"""Figures as text for the terminal and as Markdown for docs/benchmarks.md."""

from pathlib import Path

from . import goals, plots, results, stats
from .goals import Outcome
from .results import Results
from .rows import CONTROL, NAMES, PROTOCOLS, WORKS, Row

BEGIN, END = "<!-- begin: written by benches/compare/run -->", "<!-- end: written by benches/compare/run -->"
ORDER = list(NAMES)


def text(found: Results) -> str:
    """Everything, for a terminal."""
    kept = len(found.rounds.kept())
    parts = [
        f"{kept} of {len(found.rounds.control)} rounds count; nginx moved by {stats.moved(found.rounds.control):.1%}",
        grid(
            [
                (
                    "CPU of the proxy for each request, µs",
                    "protocol",
                    "body",
                    "median",
                    "range",
                    "core",
                    "RSS MiB",
                    "answers",
                ),
                *(cpu_line(found, row) for row in in_order(found)),
            ]
        ),
    ]
    if found.more.get("latency"):
        parts.append(
            grid(
                [
                    ("latency, µs", "rate", "p50", "p99", "p99.9", "generator p99"),
                    *map(latency_line, found.more["latency"]),
                ]
            )
        )
    for name, heading in (
        ("idle", "idle connection, KiB"),
        ("handshakes", "new TLS connection"),
        ("calls", "calls per request"),
        ("generator", "the load generator"),
    ):
        if found.more.get(name):
            parts.append(grid([(heading, ""), *small_lines(name, found.more[name])]))
    for name in ("connections", "tokens"):
        if found.more.get(name):
            parts.append(grid([(f"growth with {name}, µs", "", ""), *growth_lines(found.more[name])]))
    if found.more.get("instructions"):
        parts.append(grid([("instructions for each request", ""), *instruction_lines(found.more["instructions"])]))
    if found.kind != "smoke":
        parts.append(
            grid([("goal", "measured", "range", "goal", ""), *map(goal_line, goals.outcomes(found.rounds, found.more))])
        )
    return "\n\n".join(parts)


def in_order(found: Results) -> list[Row]:
    """By kind of work, so that those who do the same stand together."""
    return sorted(
        found.rounds.windows,
        key=lambda row: (
            row.body,
            list(PROTOCOLS).index(row.protocol),
            WORKS.index(row.work),
            row.algorithm,
            ORDER.index(row.proxy),
        ),
    )


def cpu_line(found: Results, row: Row) -> tuple[str, ...]:
    window = found.rounds.windows[row]
    cpu = stats.summary(found.rounds.values(row))
    core = stats.median(found.rounds.values(row, "core_us"))
    memory = stats.median([w.rss_kib / 1024 for w in window])
    statuses = "/".join(sorted({status for w in window for status in w.statuses}))
    return (
        row.title,
        PROTOCOLS[row.protocol],
        row.body,
        f"{cpu.median:.2f}",
        f"{cpu.low:.2f}–{cpu.high:.2f}",
        f"{core:.2f}",
        f"{memory:.0f}",
        statuses,
    )


def latency_line(entry: dict) -> tuple[str, ...]:
    medians = [f"{stats.median(entry[p]):.0f}" for p in ("p50", "p99", "p99.9")]
    rate = f"{entry['rate']:.0f}/s ({entry['share']:.0%})"
    return Row.from_key(entry["row"]).title, rate, *medians, f"{entry['generator_p99']:.0f}"


def small_lines(name: str, data: dict) -> list[tuple[str, str]]:
    match name:
        case "idle":
            return [(key, f"{kib:.1f}") for key, kib in data["kib"].items()]
        case "handshakes":
            return [
                (
                    key,
                    f"{stats.summary(one['cpu_us'])} µs of CPU, {stats.median(one['rate']):.0f}/s, "
                    f"{stats.median(one['resumed']):.0%} resumed",
                )
                for key, one in data.items()
            ]
        case "generator":
            return [(key, f"{value:.2f}" if value < 1000 else f"{value:,.0f}") for key, value in data.items()]
        case _:
            most = [(name, sorted(calls.items(), key=lambda item: -item[1])[:7]) for name, calls in data.items()]
            return [(name, ", ".join(f"{call} {count:.2f}" for call, count in calls)) for name, calls in most]


def growth_lines(data: dict) -> list[tuple[str, str, str]]:
    return [
        (name, f"{int(count):,}", str(stats.summary(values)))
        for name, by in data.items()
        for count, values in by.items()
    ]


def instruction_lines(data: dict) -> list[tuple[str, str]]:
    lines = [("public route", f"{data['public']:.0f}"), ("cached token", f"{data['cached']:.0f}")]
    for name, title in (
        ("routes", "routes, token cached"),
        ("keys", "keys, token cached"),
        ("keys_unique", "keys, every token new"),
    ):
        lines += [(f"{int(count):,} {title}", f"{value:.0f}") for count, value in data[name].items()]
    return lines


def goal_line(outcome: Outcome) -> tuple[str, ...]:
    goal = outcome.goal
    value = "–" if outcome.value is None else amount(outcome.value, goal.unit)
    span = "" if outcome.low is None else f"{outcome.low:.2f}–{outcome.high:.2f}"
    name = f"{goal.name} ({outcome.remark})" if outcome.remark else goal.name
    return name, value, span, f"≤ {amount(goal.limit, goal.unit)}", outcome.verdict


def amount(value: float, unit: str) -> str:
    match unit:
        case "+":
            return f"{value:+.1%}"
        case "KiB":
            return f"{value:.1f} KiB"
        case "":
            return f"{value:.2f}"
        case _:
            return f"{value:.2f} {unit}"


def grid(lines: list[tuple[str, ...]]) -> str:
    """Columns that stand under each other, the first to the left."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    rows = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    return "\n".join(
        [rows[0].rstrip(), "─" * sum(widths) + "──" * (len(widths) - 1), *(row.rstrip() for row in rows[1:])]
    )


def markdown_table(lines: list[tuple[str, ...]]) -> str:
    head, *body = lines
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, marks, *body])


def markdown(found: Results) -> str:
    """The marked part of docs/benchmarks.md."""
    facts, versions = found.machine, found.machine["versions"]
    who = ", ".join(f"{name} {version}" for name, version in versions.items())
    command = "benches/compare/run" + (" --quick" if found.kind == "quick" else "")
    kept = found.rounds.kept()
    parts = [
        f"`{command}` on {found.date}. {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
        f"{facts['distribution']}; {who}. "
        f"{len(kept)} of {len(found.rounds.control)} rounds count, and in them nginx moved by "
        f"{stats.moved([found.rounds.control[i] for i in kept]):.1%}. "
        f"{certainty(len(kept))}",
        "### Goals",
        markdown_table(
            [("", "measured", "range", "goal", ""), *map(goal_line, goals.outcomes(found.rounds, found.more))]
        ),
        "### CPU for each request",
        *(f"![{title}](benchmarks/{name}.svg)" for name, title in plots.titles(found)),
    ]
    for protocol, title in PROTOCOLS.items():
        rows = [row for row in in_order(found) if row.protocol == protocol]
        if rows:
            parts += [f"#### {title}", markdown_table(cpu_table(found, rows))]
    if found.more.get("latency"):
        parts += [
            "### Latency at fixed rates, µs",
            markdown_table(
                [("", "rate", "p50", "p99", "p99.9", "generator's own p99"), *map(latency_line, found.more["latency"])]
            ),
        ]
    for name, heading in (
        ("idle", "An idle connection, KiB"),
        ("handshakes", "A new TLS connection with one request"),
        ("calls", "System calls for each request"),
        ("generator", "The load generator"),
    ):
        if found.more.get(name):
            parts += [f"### {heading}", markdown_table([("", ""), *small_lines(name, found.more[name])])]
    for name in ("connections", "tokens"):
        if found.more.get(name):
            parts += [
                f"### Growth with {name}, µs",
                markdown_table([("", name, "CPU"), *growth_lines(found.more[name])]),
            ]
    if found.more.get("instructions"):
        parts += [
            "### Instructions for each request",
            markdown_table([("", ""), *instruction_lines(found.more["instructions"])]),
        ]
    return "\n\n".join(parts)


def certainty(count: int) -> str:
    sure = stats.summary([0.0] * count).sure
    return f"Ranges hold the median with {sure:.0%} certainty, by order statistics."


def cpu_table(found: Results, rows: list[Row]) -> list[tuple[str, ...]]:
    control = CONTROL if rows[0].protocol == CONTROL.protocol else Row("nginx", "open", "", rows[0].protocol)
    base = found.rounds.values(control)
    lines = [("", "body", "µs", "range", "× nginx", "whole core", "RSS, MiB", "answers")]
    for row in rows:
        title, _, body, median, span, core, memory, statuses = cpu_line(found, row)
        times = f"{stats.median(stats.ratios(found.rounds.values(row), base)):.2f}" if base else ""
        lines.append((title, body, median, span, times, core, memory, statuses))
    return lines


def write(found: Results, directory: Path, document: Path | None) -> list[Path]:
    """JSON, plots, and the marked part of the document."""
    directory.mkdir(parents=True, exist_ok=True)
    written = [results.write(found, directory), *plots.draw(found, directory)]
    old = document.read_text() if document else ""
    if document and BEGIN in old and END in old:
        head, tail = old[: old.index(BEGIN)], old[old.index(END) :]
        document.write_text(f"{head}{BEGIN}\n\n{markdown(found)}\n\n{tail}")
        written.append(document)
    return written
