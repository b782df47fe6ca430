"""Plots as SVG, written by hand: the same figures give the same bytes."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH = 760
_BAR, _GAP, _LEFT, _RIGHT, _TOP = 24, 10, 260, 90, 44
_COLOURS = ("#2a6f4e", "#b5532a", "#3b5b92", "#8a6d1f")
_OTHERS = "#9aa5b1"
_STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#24292f}.t{font-size:15px;font-weight:600}.g{stroke:#d8dee4}"
    "svg{background:#fff}</style>"
)


def bars(title: str, values: Mapping[str, float], emphasised: str) -> str:
    """Horizontal bars, one a name, in the order given."""
    height = _TOP + len(values) * (_BAR + _GAP) + 10
    scale = (WIDTH - _LEFT - _RIGHT) / max(values.values(), default=1)
    parts = [_text(12, 24, title, "t")]
    for number, (name, value) in enumerate(values.items()):
        y = _TOP + number * (_BAR + _GAP)
        colour = _COLOURS[0] if name == emphasised else _OTHERS
        parts.append(_text(_LEFT - 8, y + 17, name, anchor="end"))
        parts.append(f'<rect x="{_LEFT}" y="{y}" width="{value * scale:.1f}" height="{_BAR}" fill="{colour}"/>')
        parts.append(_text(_LEFT + value * scale + 6, y + 17, f"{value:,.0f}"))
    return _svg(height, title, parts)


def lines(title: str, x_label: str, y_label: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Lines over powers of ten. An x of 0 stands one step before the least of the others."""
    height, left, right, bottom = 350, 70, WIDTH - 30, 280
    points = [point for line in series.values() for point in line]
    exponents = sorted({_exponent(x, points) for x, _ in points})
    low, high = exponents[0], max(exponents[-1], exponents[0] + 1)
    top = _round_up(max((y for _, y in points), default=1.0))

    def place(x: float, y: float) -> tuple[float, float]:
        along = (_exponent(x, points) - low) / (high - low)
        return left + along * (right - left), bottom - y / top * (bottom - _TOP - 16)

    parts = [_text(12, 24, title, "t"), _text(12, 46, y_label)]
    for step in range(5):
        _, y = place(points[0][0], top * step / 4)
        parts.append(f'<line class="g" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(left - 8, y + 4, f"{top * step / 4:g}", anchor="end"))
    ticks = sorted({x for x, _ in points})
    parts += [_text(place(x, 0)[0], bottom + 20, f"{x:,.0f}", anchor="middle") for x in ticks]
    parts.append(_text((left + right) / 2, bottom + 42, x_label, anchor="middle"))
    for number, (name, line) in enumerate(series.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        placed = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in placed]
        parts.append(f'<rect x="{left + number * 230}" y="{bottom + 48}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(left + number * 230 + 18, bottom + 58, name))
    return _svg(height, title, parts)


def _exponent(x: float, points: Sequence[tuple[float, float]]) -> float:
    if x > 0:
        return math.log10(x)
    return min((math.log10(other) for other, _ in points if other > 0), default=1.0) - 1


def _round_up(value: float) -> float:
    """The least of 1, 2, 4, 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(factor * power for factor in (1, 2, 4, 5, 10) if factor * power >= value)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


def _svg(height: int, title: str, parts: Sequence[str]) -> str:
    frame = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {frame}>', _STYLE, *parts, "</svg>", ""])
