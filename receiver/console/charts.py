"""Charts as SVG, made on the server: stacked bars by day. A table beside each chart holds the same numbers.

A series has a colour and a pattern of its own, so that no meaning is by colour alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

#: The drawing's size in its own units, and what is left for the axes.
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 180, 44, 22, 8

#: As many series have a colour and a pattern of their own.
SERIES_MAX = 4

#: What is drawn over the colour of each series but the first: lines, dots, squares.
_MARKS = (
    Markup('<path class="mark" d="M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2"/>'),
    Markup('<circle class="mark" cx="3" cy="3" r="1"/>'),
    Markup('<path class="mark" d="M0,3 h6 M3,0 v6"/>'),
)


class Bar(NamedTuple):
    """What is counted for a day: one number for each series."""

    label: str
    counts: tuple[int, ...]


def bars(bars: Sequence[Bar], series: Sequence[str], title: str) -> Markup:
    """Return stacked bars with an axis, a text for each bar, and a title. The page holds `patterns` once."""
    top = _rounded_up(max((sum(bar.counts) for bar in bars), default=0))
    width = (WIDTH - LEFT) / max(len(bars), 1)
    drawn = Markup("").join(_bar(bar, series, LEFT + place * width, width, top) for place, bar in enumerate(bars))
    labels = Markup("").join(
        _text(LEFT + (place + 0.5) * width, HEIGHT - 6, bar.label[5:], "middle") for place, bar in enumerate(bars) if place % 5 == 0
    )
    axis = Markup("").join(_line(top * share / 2, top) for share in (0, 1, 2))
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}</svg>').format(
        WIDTH, HEIGHT, title, axis, drawn, labels
    )


def patterns() -> Markup:
    """Return the patterns that the charts of a page refer to."""
    defined = Markup("").join(
        Markup('<pattern id="series-{}" width="6" height="6" patternUnits="userSpaceOnUse">{}</pattern>').format(number, mark)
        for number, mark in enumerate(_MARKS, start=2)
    )
    return Markup('<svg class="hidden" aria-hidden="true"><defs>{}</defs></svg>').format(defined)


def swatch(number: int) -> Markup:
    """Return the colour and the pattern of a series, for a legend."""
    return Markup('<svg class="chart" viewBox="0 0 12 12" aria-hidden="true">{}</svg>').format(_filled(number, 0, 0, 12, 12))


def _bar(bar: Bar, series: Sequence[str], left: float, width: float, top: int) -> Markup:
    parts, base = Markup(""), float(HEIGHT - BOTTOM)
    for number, count in enumerate(bar.counts, start=1):
        height = (HEIGHT - BOTTOM - TOP) * count / top
        base -= height
        if count:
            parts += _filled(number, left + 1, base, max(width - 2, 1), height)
    says = ", ".join(f"{count:,} {name}" for name, count in zip(series, bar.counts, strict=True) if count) or "nothing"
    return Markup("<g><title>{}: {}</title>{}</g>").format(bar.label, says, parts)


def _filled(number: int, left: float, top: float, width: float, height: float) -> Markup:
    """Return a rectangle in the colour of a series, and its pattern over it."""
    size = Markup('x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"').format(left, top, width, height)
    over = Markup('<rect fill="url(#series-{})" {}/>').format(number, size) if number > 1 else ""
    return Markup('<rect class="series-{}" {}/>{}').format(number, size, over)


def _line(count: float, top: int) -> Markup:
    height = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * count / top
    line = Markup('<line class="axis" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH, height, height)
    return line + _text(LEFT - 6, height + 4, f"{count:,g}", "end")


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)


def _rounded_up(most: int) -> int:
    """Return an even number of one or two digits' precision that is not smaller; at least 2."""
    size = int(10 ** max(len(str(most)) - 2, 0))
    steps = -(-most // size)
    return max(2, (steps + steps % 2) * size)
