"""Two kinds of picture, dark on white: bars with intervals, and lines with intervals."""

from dataclasses import dataclass
from html import escape
from math import log10

from .stats import Summary

FONT = 'font-family="DejaVu Sans, Verdana, sans-serif" fill="#222"'
OURS, THEIRS = "#1f6feb", "#9aa4b2"
COLOURS = ["#e07b39", "#2d9d5c", "#8a63d2", "#c43e5b", "#66707d"]
WIDTH = 860


@dataclass(frozen=True)
class Bar:
    group: str
    label: str
    value: float
    low: float
    high: float
    ours: bool


@dataclass(frozen=True)
class Line:
    label: str
    # Names along the bottom, and values with their intervals.
    points: list[tuple[str, Summary]]
    ours: bool


def bars(title: str, unit: str, all_bars: list[Bar]) -> str:
    """Horizontal bars under the heading of their group."""
    left, right, line, gap = 210, 110, 21, 30
    most = nice(max(bar.high for bar in all_bars))
    scale = (WIDTH - left - right) / most
    parts, y, group = [], 58, None
    for bar in all_bars:
        if bar.group != group:
            y += 0 if group is None else 8
            parts.append(text(16, y + 14, bar.group, 13, "bold"))
            group, y = bar.group, y + gap - 6
        parts.append(text(left - 8, y + 13, bar.label, 12, anchor="end"))
        colour = OURS if bar.ours else THEIRS
        parts.append(
            f'<rect x="{left}" y="{y + 2}" width="{bar.value * scale:.1f}" height="{line - 6}" rx="2" fill="{colour}"/>'
        )
        parts.append(whisker(left + bar.low * scale, left + bar.high * scale, y + 9.5))
        parts.append(text(left + bar.high * scale + 8, y + 13, f"{bar.value:.1f}", 12))
        y += line
    axis = [
        f'<line x1="{left + tick * scale:.1f}" y1="50" x2="{left + tick * scale:.1f}" y2="{y + 4}" stroke="#e6e8eb"/>'
        + text(left + tick * scale, y + 20, f"{tick:g}", 11, anchor="middle")
        for tick in ticks(most)
    ]
    return page(title, unit, y + 34, [*axis, *parts])


def lines(title: str, unit: str, curves: list[Line]) -> str:
    """Lines over named places; the values on a logarithmic axis, since tails are."""
    left, right, top, height = 70, 230, 66, 330
    names = list(dict.fromkeys(name for curve in curves for name, _ in curve.points))
    values = [value for curve in curves for _, s in curve.points for value in (s.low, s.high) if value > 0]
    low, high = log10(min(values) * 0.85), log10(max(values) * 1.15)

    def x(name: str) -> float:
        return left + 30 + names.index(name) * (WIDTH - left - right - 60) / max(len(names) - 1, 1)

    def y(value: float) -> float:
        return top + height - (log10(max(value, 1e-9)) - low) / (high - low) * height

    parts = []
    for tick in decades(low, high):
        parts.append(f'<line x1="{left}" y1="{y(tick):.1f}" x2="{WIDTH - right}" y2="{y(tick):.1f}" stroke="#e6e8eb"/>')
        parts.append(text(left - 8, y(tick) + 4, f"{tick:,.0f}", 11, anchor="end"))
    parts += [text(x(name), top + height + 20, name, 11, anchor="middle") for name in names]
    colours = iter(COLOURS)
    for index, curve in enumerate(curves):
        colour = OURS if curve.ours else next(colours)
        path = " ".join(f"{x(name):.1f},{y(s.median):.1f}" for name, s in curve.points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{2.6 if curve.ours else 1.6}"/>'
        )
        for name, s in curve.points:
            parts.append(f'<circle cx="{x(name):.1f}" cy="{y(s.median):.1f}" r="3.2" fill="{colour}"/>')
            parts.append(f'<path d="M{x(name):.1f} {y(s.low):.1f}V{y(s.high):.1f}" stroke="{colour}" opacity="0.6"/>')
        key = top + 10 + index * 22
        parts.append(f'<rect x="{WIDTH - right + 20}" y="{key - 9}" width="14" height="10" fill="{colour}"/>')
        parts.append(text(WIDTH - right + 42, key, curve.label, 12))
    return page(title, unit, top + height + 40, parts)


def page(title: str, unit: str, height: float, parts: list[str]) -> str:
    size = f'width="{WIDTH}" height="{height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {WIDTH} {height:.0f}">',
            f'<rect {size} fill="#fff"/>',
            text(16, 26, title, 15, "bold"),
            text(16, 45, unit, 12),
            *parts,
            "</svg>\n",
        ]
    )


def text(x: float, y: float, content: str, size: int, weight: str = "normal", anchor: str = "start") -> str:
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style} {FONT}>{escape(content)}</text>'


def whisker(low: float, high: float, y: float) -> str:
    """From one end of the interval to the other, with caps."""
    caps = "".join(f"M{end:.1f} {y - 4}V{y + 4}" for end in (low, high))
    return f'<path d="M{low:.1f} {y}H{high:.1f}{caps}" stroke="#222" fill="none"/>'


def nice(most: float) -> float:
    """The end of an axis: a round number that is not below."""
    unit = 10 ** int(log10(most)) if most >= 1 else 0.1
    return next(unit * step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15) if unit * step >= most)


def ticks(most: float) -> list[float]:
    return [most * part / 5 for part in range(6)]


def decades(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, 20, .. as far as they fit between two powers of ten."""
    candidates = [digit * 10.0**power for power in range(int(low) - 1, int(high) + 2) for digit in (1, 2, 5)]
    return [value for value in candidates if low <= log10(value) <= high]
