"""Bar charts with spread, and lines over time with marks, as SVG, of nothing but text."""

import math
from dataclasses import dataclass
from html import escape
from typing import Callable

WIDTH, PANEL, LEFT, TOP, BOTTOM = 860, 300, 70, 50, 60
BAR, GAP = 26, 6


@dataclass
class Series:
    name: str
    colour: str
    samples: list[list[float]]  # per group; the bar is the median, the line from least to most


@dataclass
class Line:
    name: str
    colour: str
    points: list[tuple[float, float | None]]  # seconds and value; None is a gap


@dataclass
class LinePanel:
    label: str
    lines: list[Line]
    logarithmic: bool = False  # from the power of ten below the least value; else from 0


def median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def chart(title: str, groups: list[str], panels: list[tuple[str, list[Series]]]) -> str:
    return picture(title, [panel(label, groups, series, panel_top(number)) for number, (label, series) in enumerate(panels)])


def over_time(title: str, panels: list[LinePanel], marks: list[tuple[float, str]]) -> str:
    """`marks`: seconds, and what was then."""
    return picture(title, [line_panel(each, marks, panel_top(number)) for number, each in enumerate(panels)])


def picture(title: str, panels: list[list[str]]) -> str:
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{panel_top(len(panels))}" font-family="sans-serif" '
             f'font-size="12"><rect width="100%" height="100%" fill="white"/>'
             f'<text x="{LEFT}" y="24" font-size="16">{escape(title)}</text>']
    return "\n".join(parts + [part for each in panels for part in each]) + "\n</svg>\n"


def panel_top(number: int) -> int:
    return TOP + number * (PANEL + BOTTOM)


def frame(label: str, names: list[tuple[str, str]], ticks: list[tuple[float, float]], top: float) -> list[str]:
    """`names`: with their colours; `ticks`: values, and how high each is."""
    parts = [f'<text x="{LEFT}" y="{top + 12}">{escape(label)}</text>']
    for value, y in ticks:
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for k, (name, colour) in enumerate(names):
        x = WIDTH - 20 - 130 * (len(names) - k)
        parts.append(f'<rect x="{x}" y="{top + 2}" width="12" height="12" fill="{colour}"/>'
                     f'<text x="{x + 16}" y="{top + 12}">{escape(name)}</text>')
    return parts


def from_zero(most: float) -> list[float]:
    step = nice(most / 5)
    return [step * k for k in range(int(most / step + 1e-9) + 1)]


def from_the_base(values: list[float], base: float, tall: float) -> tuple[Callable[[float], float], list[float]]:
    """How high a value is, and where ticks are."""
    most = max(values, default=0) or 1
    return lambda value: base - value * tall / most, from_zero(most)


def by_powers_of_ten(values: list[float], base: float, tall: float) -> tuple[Callable[[float], float], list[float]]:
    """Likewise; from the power below the least value."""
    low = math.floor(math.log10(min(values, default=1)))
    high = max(low + 1, math.ceil(math.log10(max(values, default=1))))
    return lambda value: base - (math.log10(value) - low) * tall / (high - low), [10.0 ** power for power in range(low, high + 1)]


def line_panel(shown: LinePanel, marks: list[tuple[float, str]], top: float) -> list[str]:
    base, tall = top + PANEL - 20, PANEL - 60
    values = [value for line in shown.lines for _, value in line.points if value is not None]
    end = max([at for line in shown.lines for at, _ in line.points] + [at for at, _ in marks], default=0) or 1
    height, ticks = (by_powers_of_ten if shown.logarithmic else from_the_base)(values, base, tall)

    def across(seconds: float) -> float:
        return LEFT + seconds * (WIDTH - 20 - LEFT) / end

    parts = frame(shown.label, [(line.name, line.colour) for line in shown.lines], [(value, height(value)) for value in ticks], top)
    parts += [f'<text x="{across(at):.1f}" y="{base + 18}" text-anchor="middle">{at:g} s</text>' for at in from_zero(end)]
    for number, (at, what) in enumerate(marks):
        x, y = across(at), top + 24 + 10 * (number % 3)  # words of neighbours do not overlap
        place = f'x="{x + 3:.1f}"' if at < end / 2 else f'x="{x - 3:.1f}" text-anchor="end"'
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 8:.1f}" y2="{base}" stroke="#888" stroke-dasharray="4 3"/>'
                     f'<text {place} y="{y:.1f}" font-size="10">{escape(what)}</text>')
    for line in shown.lines:
        parts += [polyline(part, across, height, line.colour) for part in unbroken(line.points)]
    return parts


def unbroken(points: list[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """The parts between gaps."""
    parts: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is None:
            parts.append([])
        else:
            parts[-1].append((at, value))
    return [part for part in parts if part]


def polyline(points: list[tuple[float, float]], across: Callable[[float], float], height: Callable[[float], float], colour: str) -> str:
    places = " ".join(f"{across(at):.1f},{height(value):.1f}" for at, value in points)
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.8" stroke-linecap="round"/>'


def panel(label: str, groups: list[str], series: list[Series], top: float) -> list[str]:
    base, tall = top + PANEL - 20, PANEL - 60
    height, ticks = from_the_base([value for s in series for values in s.samples for value in values], base, tall)
    parts = frame(label, [(s.name, s.colour) for s in series], [(tick, height(tick)) for tick in ticks], top)
    width = (WIDTH - LEFT - 20) / len(groups)
    for g, group in enumerate(groups):
        middle = LEFT + width * (g + 0.5)
        parts.append(f'<text x="{middle:.1f}" y="{base + 18}" text-anchor="middle">{escape(group)}</text>')
        x = middle - (len(series) * (BAR + GAP) - GAP) / 2
        for s in series:
            values = s.samples[g]
            if values:
                parts += bar(x, height, values, s.colour)
            x += BAR + GAP
    return parts


def bar(x: float, height: Callable[[float], float], values: list[float], colour: str) -> list[str]:
    value, centre = median(values), x + BAR / 2
    low, high = height(min(values)), height(max(values))
    return [f'<rect x="{x:.1f}" y="{height(value):.1f}" width="{BAR}" height="{height(0) - height(value):.1f}" fill="{colour}"/>',
            f'<line x1="{centre:.1f}" x2="{centre:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="black"/>',
            f'<text x="{centre:.1f}" y="{high - 4:.1f}" text-anchor="middle" font-size="10">{value:{".0f" if value >= 100 else ".3g"}}</text>']


def nice(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** -6
    while True:
        for factor in (1, 2, 5):
            if factor * power >= step:
                return factor * power
        power *= 10
