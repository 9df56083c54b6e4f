"""The plot: what is accepted, what is worked off, how soon it is visible, and how it bears growth."""

from __future__ import annotations

import re
import statistics
import textwrap
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Values = dict[str, list[float]]

OURS, OURS_ON_SQLITE, OTHERS = "#2f6f9f", "#8fb8d4", "#b9b9b9"


def draw(path: Path, values: Values, headline: str) -> list[Path]:
    """Write a plot of the figures there are, as PNG and SVG. None if there is nothing to draw."""
    panels = [panel for letters, panel in PANELS if any(name[0] in letters for name in values)]
    if not panels:
        return []
    mpl.rcParams["svg.hashsalt"] = "standing"  # The same figures give the same file.
    whole = Figure(figsize=(6 * min(2, len(panels)), 3.6 * -(-len(panels) // 2) + 0.6), layout="constrained")
    for number, panel in enumerate(panels, start=1):
        panel(whole.add_subplot(-(-len(panels) // 2), min(2, len(panels)), number), values)
    whole.supxlabel("\n".join(textwrap.wrap(headline, 62 * min(2, len(panels)))), fontsize=7, color="#555555")
    files = [path.with_suffix(".png"), path.with_suffix(".svg")]
    for file in files:
        whole.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)
    return files


def _accepted(axes: Axes, values: Values) -> None:
    bars = {
        "empty Flask view": ("a  empty view, answers/s", OTHERS),
        "textbook receiver": ("b  textbook, accepted/s", OTHERS),
        "Standing": ("c  Standing, accepted/s", OURS),
        "Standing, SQLite": ("f  SQLite: Standing, accepted/s", OURS_ON_SQLITE),
    }
    _bars(axes, "Signed webhooks durably accepted, a second", bars, values)


def _worked_off(axes: Axes, values: Values) -> None:
    bars = {
        "RQ, forking worker": ("d  RQ forking worker, one job an event, handled/s", OTHERS),
        "RQ, SimpleWorker": ("d  RQ SimpleWorker, one job an event, handled/s", OTHERS),
        "Standing, 1 worker": ("d  Standing, 1 worker, handled/s", OURS),
        "Standing, 2 workers": ("d  Standing, 2 workers, handled/s", OURS),
        "SQLite, 1 worker": ("f  SQLite: Standing, 1 worker, handled/s", OURS_ON_SQLITE),
    }
    _bars(axes, "Events of a backlog worked off, a second (logarithmic)", bars, values)
    axes.set_xscale("log")
    axes.set_xlim(right=axes.get_xlim()[1] * 2)


#: What the eye can hold on to.
MILLISECONDS = (10, 20, 50, 100, 200, 500, 1000)


def _visible(axes: Axes, values: Values) -> None:
    for percent, colour in ((50, OURS_ON_SQLITE), (95, OURS), (99, "#143a57")):
        found = re.compile(rf"e  (?:visible at (\d+/s)|(reversal) over [\d,]+ waiting), p{percent} ms")
        points = [(match[1] or "reversal over\na backlog", values[name]) for name in values if (match := found.fullmatch(name))]
        places, medians = [place for place, _ in points], [statistics.median(of) for _, of in points]
        axes.errorbar(places, medians, yerr=_spread([of for _, of in points]), fmt="o", capsize=3, color=colour, label=f"p{percent}")
    axes.set_yscale("log")
    axes.set_yticks(MILLISECONDS, [str(number) for number in MILLISECONDS])
    axes.set_yticks([], minor=True)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    axes.margins(x=0.2, y=0.1)
    _titled(axes, "POST to visible state, ms (logarithmic)")


def _growth(axes: Axes, values: Values) -> None:
    for what, colour in (("accepted/s", OURS), ("handled/s", "#143a57")):
        found = re.compile(rf"g  ([\d,]+) events kept: {what}")
        points = sorted((int(match[1].replace(",", "")), values[name]) for name in values if (match := found.fullmatch(name)))
        fewest = statistics.median(points[0][1]) if points else 1.0
        axes.plot([kept for kept, _ in points], [statistics.median(of) / fewest for _, of in points], "o-", color=colour, label=what)
    axes.axhline(0.8, color="#999999", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    kept = sorted({int(match[1].replace(",", "")) for name in values if (match := re.match(r"g  ([\d,]+) events", name))})
    axes.set_xticks(kept, [f"{events:,}" for events in kept], minor=False)
    axes.set_xticks([], minor=True)
    axes.margins(x=0.1)
    axes.set_ylim(0, 1.3)
    axes.set_xlabel("events kept", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    _titled(axes, "As fast as with the fewest events kept")


def _bars(axes: Axes, title: str, bars: dict[str, tuple[str, str]], values: Values) -> None:
    shown = [(label, values[name], colour) for label, (name, colour) in bars.items() if name in values]
    medians, colours = [statistics.median(of) for _, of, _ in shown], [colour for *_, colour in shown]
    drawn = axes.barh(
        [label for label, _, _ in shown],
        medians,
        xerr=_spread([of for _, of, _ in shown]),
        color=colours,
        capsize=3,
    )
    axes.bar_label(drawn, [f"{median:,.0f}" for median in medians], padding=8, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    _titled(axes, title)


def _spread(values: list[list[float]]) -> list[list[float]]:
    medians = [statistics.median(of) for of in values]
    return [
        [median - min(of) for median, of in zip(medians, values, strict=True)],
        [max(of) - median for median, of in zip(medians, values, strict=True)],
    ]


def _titled(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


#: Each panel, and the letters of the figures that it shows.
PANELS = (("bc", _accepted), ("d", _worked_off), ("e", _visible), ("g", _growth))
