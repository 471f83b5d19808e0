"""A bar chart with spread, as SVG, of nothing but text."""

from dataclasses import dataclass
from html import escape

WIDTH, PANEL, LEFT, TOP, BOTTOM = 860, 300, 70, 50, 60
BAR, GAP = 26, 6


@dataclass
class Series:
    name: str
    colour: str
    samples: list[list[float]]  # per group; the bar is the median, the line from least to most


def median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def chart(title: str, groups: list[str], panels: list[tuple[str, list[Series]]]) -> str:
    height = TOP + len(panels) * (PANEL + BOTTOM)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
             f'font-size="12"><rect width="100%" height="100%" fill="white"/>'
             f'<text x="{LEFT}" y="24" font-size="16">{escape(title)}</text>']
    for number, (label, series) in enumerate(panels):
        parts += panel(label, groups, series, TOP + number * (PANEL + BOTTOM))
    return "\n".join(parts) + "\n</svg>\n"


def panel(label: str, groups: list[str], series: list[Series], top: float) -> list[str]:
    base, tall = top + PANEL - 20, PANEL - 60
    most = max((value for s in series for values in s.samples for value in values), default=0) or 1
    step = nice(most / 5)
    scale = tall / most
    parts = [f'<text x="{LEFT}" y="{top + 12}">{escape(label)}</text>']
    tick = 0.0
    while tick <= most:
        y = base - tick * scale
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
        tick += step
    for k, s in enumerate(series):
        x = WIDTH - 20 - 130 * (len(series) - k)
        parts.append(f'<rect x="{x}" y="{top + 2}" width="12" height="12" fill="{s.colour}"/>'
                     f'<text x="{x + 16}" y="{top + 12}">{escape(s.name)}</text>')
    width = (WIDTH - LEFT - 20) / len(groups)
    for g, group in enumerate(groups):
        middle = LEFT + width * (g + 0.5)
        parts.append(f'<text x="{middle:.1f}" y="{base + 18}" text-anchor="middle">{escape(group)}</text>')
        x = middle - (len(series) * (BAR + GAP) - GAP) / 2
        for s in series:
            values = s.samples[g]
            if values:
                parts += bar(x, base, scale, values, s.colour)
            x += BAR + GAP
    return parts


def bar(x: float, base: float, scale: float, values: list[float], colour: str) -> list[str]:
    value, centre = median(values), x + BAR / 2
    low, high = base - min(values) * scale, base - max(values) * scale
    return [f'<rect x="{x:.1f}" y="{base - value * scale:.1f}" width="{BAR}" height="{value * scale:.1f}" fill="{colour}"/>',
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
